//! Our participant: `learn FOLDER BASE ROWS BATCH_TOKENS`, where 0 tokens are as many as a training takes unless it is told.
//!
//! It writes rows and first adapter for the other, and then does a step for each line on its standard input, as
//! `peft/bench.py` does.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::json;
use trainer::{
    backend::Cpu,
    gguf::Base,
    learner::Learner,
    packing::{Example, pack},
    testing,
    tokens::Tokeniser,
    training::Options,
};

use crate::{Result, participant::Turn};

pub fn learn(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut next = || arguments.next().ok_or("learn FOLDER BASE ROWS BATCH_TOKENS");
    let (folder, mut base) = (PathBuf::from(next()?), Base::open(Path::new(&next()?))?);
    let (rows, batch_tokens) = (next()?.parse::<usize>()?, next()?.parse::<usize>()?);
    let mut options = Options::for_shape(base.shape());
    if batch_tokens > 0 {
        options.batch_tokens = batch_tokens;
    }
    let tokeniser = Tokeniser::read(base.file(), base.shape().family)?;
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/result.json");
    let windows = testing::windows(&sample, &tokeniser, rows.div_ceil(2))?;
    let rows: Vec<&[Example]> = windows.iter().map(<[Example; 2]>::as_slice).collect();
    let parts = pack(&rows, options.batch_tokens);
    let mut learner = Learner::new(Cpu, &mut base, &options.layout, options.seed)?;
    fs::write(folder.join("job.json"), job(&rows, &options).to_string())?;
    testing::write_matrices(&folder.join("start.safetensors"), &learner.adapter()?)?;
    let computed: usize = parts.iter().map(|part| part.len()).sum();
    let tokens: usize = parts.iter().map(|part| part.row_tokens()).sum();
    eprintln!("ours: {} rows of {tokens} tokens, of which {computed} are computed", 2 * rows.len());
    say(&Turn { loss: 0.0, seconds: 0.0 })?;
    for line in io::stdin().lines() {
        line?;
        let start = Instant::now();
        let step = learner.step(&parts, &options.pace, options.pace.learning_rate)?;
        say(&Turn { loss: step.loss, seconds: start.elapsed().as_secs_f64() })?;
    }
    Ok(())
}

fn say(turn: &Turn) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", serde_json::to_string(turn)?)?;
    Ok(out.flush()?)
}

fn job(windows: &[&[Example]], options: &Options) -> serde_json::Value {
    let rows = windows.iter().copied().flatten().map(|row| json!({ "tokens": row.tokens, "answer": row.answer }));
    let modules = options.layout.modules.iter().map(|module| format!("{}_proj", module.short_name()));
    json!({
        "layout": {
            "rank": options.layout.rank,
            "alpha": options.layout.alpha,
            "modules": modules.collect::<Vec<_>>(),
        },
        "learning_rate": options.pace.learning_rate,
        "clip": options.pace.clip,
        "rows": rows.collect::<Vec<_>>(),
    })
}
