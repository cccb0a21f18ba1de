//! Writes a tiny model of random weights: `cargo run -p model-runner --example tiny_gguf -- OUT.gguf [SEED]`.

use std::{env, path::PathBuf};

use anyhow::Context;
use model_runner::testing::TinyModel;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let path: PathBuf = arguments.next().context("usage: tiny_gguf OUT.gguf [SEED]")?.into();
    let mut model = TinyModel::default();
    if let Some(seed) = arguments.next() {
        model.seed = seed.to_string_lossy().parse().context("the seed is a whole number")?;
    }
    model.write(&path).with_context(|| format!("cannot write {}", path.display()))
}
