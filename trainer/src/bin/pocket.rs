//! Makes the pocket model that ships with groupchat: `make pocket`.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Instant};

use trainer::pocket::{Progress, Recipe, make};

/// How often it says how far it is.
const EVERY: u64 = 50;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), steps) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("usage: pocket FILE [STEPS]");
        return ExitCode::from(2);
    };
    let mut recipe = Recipe::default();
    if let Some(steps) = steps.and_then(|steps| steps.to_str()?.parse().ok()) {
        recipe.steps = steps;
    }
    let start = Instant::now();
    let mut sum = 0.0;
    let report = |progress: Progress| {
        sum += progress.loss;
        if progress.step.is_multiple_of(EVERY) {
            let seconds = start.elapsed().as_secs_f64();
            let left = seconds / progress.step as f64 * (recipe.steps - progress.step) as f64;
            eprintln!(
                "step {} of {}: loss {:.3}, {:.0} tokens/s, {:.0} minutes left",
                progress.step,
                recipe.steps,
                std::mem::take(&mut sum) / EVERY as f64,
                progress.tokens as f64 / seconds,
                left / 60.0
            );
        }
    };
    match make(&recipe, &path, report) {
        Ok(()) => {
            drop(writeln!(std::io::stdout(), "{}", path.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pocket: {error}");
            ExitCode::FAILURE
        }
    }
}
