//! `/help`: the list of commands.

use super::{Answer, SPECS};

pub(super) fn show() -> Answer {
    let lines = SPECS.iter().map(|spec| match spec.takes {
        "" => format!("/{}: {}", spec.name, spec.does),
        takes => format!("/{} {takes}: {}", spec.name, spec.does),
    });
    Answer::asker(lines.collect::<Vec<_>>().join("\n"))
}
