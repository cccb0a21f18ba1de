//! Our training against that of transformers and PEFT, side by side in one run and in turns: rows a second and the peak of
//! memory, at the same loss on the same rows.
//!
//! `make bench-train` or `cargo bench -p trainer --bench train -- OPTIONS`. Both train an adapter of rank 16 on all seven
//! matrices of a layer, beside random weights in the shape of Qwen3-0.6B: ours beside the GGUF file as it would be served,
//! PEFT beside the numbers that its weights stand for, in the fastest of the settings that are tried first. `PARITY_PYTHON`
//! names its Python; without it only our figures are printed.

#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and its environment")]

mod files;
mod ours;
mod participant;
mod settings;
mod table;

use std::{env, path::PathBuf};

use trainer::testing::Weights;

use self::{
    files::Files,
    participant::{Participant, Turn},
    table::Table,
};

/// What a part of this bench comes to: a sentence where it could not be done.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What was asked for on the command line.
#[derive(Debug, Clone)]
struct Wanted {
    weights: Weights,
    rows: usize,
    rounds: usize,
    /// Rows from which the fastest setting of PEFT is found.
    tried_rows: usize,
    /// Whether all settings are tried, those too that can only save memory.
    all_settings: bool,
    batch_tokens: Option<usize>,
    python: Option<PathBuf>,
}

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1).peekable();
    if arguments.next_if(|first| first == "learn").is_some() {
        return ours::learn(arguments);
    }
    let wanted = Wanted::read(arguments)?;
    let Some(files) = Files::make(wanted.weights, wanted.python.is_some())? else { return Ok(()) };
    table::print_machine();
    let mut ours = Participant::ours(&files, &wanted)?;
    let Some(python) = &wanted.python else {
        println!(
            "no peer: name a Python that has torch, transformers and peft by PARITY_PYTHON; these are our figures alone"
        );
        let turns = (0..=wanted.rounds).map(|_| ours.turn()).collect::<Result<Vec<Turn>>>()?;
        Table::of(&[(&ours, &turns[1..])], wanted.rows).print();
        return Ok(());
    };
    let setting = settings::fastest(python, &files, &wanted)?;
    compare(ours, Participant::peft(python, &files, &setting, wanted.rows)?, &wanted)
}

/// Lets both learn in turns. The first turn of each warms caches and threads, and does not count.
fn compare(mut ours: Participant, mut peft: Participant, wanted: &Wanted) -> Result<()> {
    let (mut our_turns, mut their_turns) = (Vec::new(), Vec::new());
    for round in 0..=wanted.rounds {
        let (our_turn, their_turn) = (ours.turn()?, peft.turn()?);
        println!(
            "round {round}: ours {:.1} s, loss {:.5}; peft {:.1} s, loss {:.5}",
            our_turn.seconds, our_turn.loss, their_turn.seconds, their_turn.loss
        );
        our_turns.push(our_turn);
        their_turns.push(their_turn);
    }
    let table = Table::of(&[(&ours, &our_turns[1..]), (&peft, &their_turns[1..])], wanted.rows);
    table.print();
    table.print_goals();
    Ok(())
}

impl Wanted {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut wanted = Self {
            weights: Weights::Q8_0,
            rows: 16,
            rounds: 3,
            tried_rows: 8,
            all_settings: false,
            batch_tokens: None,
            python: env::var_os("PARITY_PYTHON").map(PathBuf::from),
        };
        while let Some(argument) = arguments.next() {
            let mut number = || -> Result<usize> {
                let value = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
                value.parse().map_err(|_| format!("{argument} needs a number, not {value}").into())
            };
            match argument.as_str() {
                "--rows" => wanted.rows = number()?,
                "--rounds" => wanted.rounds = number()?,
                "--tried-rows" => wanted.tried_rows = number()?,
                "--batch-tokens" => wanted.batch_tokens = Some(number()?),
                "q8_0" => wanted.weights = Weights::Q8_0,
                "q4_k_m" => wanted.weights = Weights::Q4KM,
                "settings" => wanted.all_settings = true,
                // Cargo says this to every bench.
                "--bench" => {}
                _ => {
                    return Err(format!(
                        "{argument} is none of q8_0, q4_k_m, settings, --rows N, --rounds N, --tried-rows N, --batch-tokens N"
                    )
                    .into());
                }
            }
        }
        if wanted.rows < 2 || !wanted.rows.is_multiple_of(2) || wanted.rounds == 0 || wanted.tried_rows == 0 {
            return Err("rows are even, since a window is two of them, and rounds are 1 at least".into());
        }
        Ok(wanted)
    }
}
