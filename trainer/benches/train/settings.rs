//! The settings of PEFT that are tried, of which the fastest is what ours is compared with.

use std::{fmt, path::Path, time::Duration};

use crate::{Result, Wanted, files::Files, participant::Participant, table};

/// How PEFT trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    dtype: &'static str,
    /// Rows that are computed at once.
    batch_rows: usize,
    /// Whether states are computed again on the way back instead of kept.
    checkpointing: bool,
}

impl Setting {
    pub fn arguments(&self) -> [String; 3] {
        let checkpointing = if self.checkpointing { "checkpointing" } else { "plain" };
        [self.dtype.to_owned(), self.batch_rows.to_string(), checkpointing.to_owned()]
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkpointing = if self.checkpointing { ", checkpointing" } else { "" };
        write!(f, "{}, {} rows{checkpointing}", self.dtype, self.batch_rows)
    }
}

/// Tries settings on a few rows, and returns the fastest.
pub fn fastest(python: &Path, files: &Files, wanted: &Wanted) -> Result<Setting> {
    println!("\nPEFT's settings, on {} rows          rows/s   peak MiB", wanted.tried_rows);
    let mut best: Option<(Setting, f64)> = None;
    for setting in settings(wanted.all_settings) {
        let mut participant = Participant::peft(python, files, &setting, wanted.tried_rows)?;
        // Who is three times as slow as the best so far need not be waited for.
        let patience = best.map_or(Duration::from_secs(600), |(_, seconds)| Duration::from_secs_f64(3.0 * seconds));
        let Some(turn) = participant.turn_within(patience)? else {
            println!("  {:32} given up after {:.0} s", setting.to_string(), patience.as_secs_f64());
            continue;
        };
        let rate = wanted.tried_rows as f64 / turn.seconds;
        println!("  {:32} {rate:8.3} {:10.0}", setting.to_string(), table::mebibytes(participant.peak()));
        if best.is_none_or(|(_, seconds)| turn.seconds < seconds) {
            best = Some((setting, turn.seconds));
        }
    }
    best.map(|(setting, _)| setting).ok_or_else(|| "no setting was tried".into())
}

/// Computing states again saves memory and costs time, so unless all are asked for it is tried with one setting only.
fn settings(all: bool) -> Vec<Setting> {
    let mut settings = Vec::new();
    for dtype in ["float32", "bfloat16"] {
        for batch_rows in [1, 4, 8] {
            for checkpointing in [false, true] {
                if all || !checkpointing || (dtype, batch_rows) == ("float32", 1) {
                    settings.push(Setting { dtype, batch_rows, checkpointing });
                }
            }
        }
    }
    settings
}
