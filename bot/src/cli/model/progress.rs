//! Shows on standard error how a pull goes: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::models::Event;

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Follows one pull.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    size: u64,
    last_line: Instant,
}

impl Progress {
    pub(super) fn new(name: &str) -> Self {
        let style = ProgressStyle::with_template(
            "{msg} [{bar:30}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        );
        let bar = ProgressBar::no_length()
            .with_style(style.expect("the template is right").progress_chars("=> "))
            .with_message(name.to_owned());
        Self { bar, is_terminal: stderr().is_terminal(), size: 0, last_line: Instant::now() }
    }

    pub(super) fn show(&mut self, event: Event) {
        match event {
            Event::Waits(why) => self.line(&format!("{why}; that is waited for")),
            Event::Begins { from, size } => {
                self.size = size;
                self.bar.set_length(size);
                // What was there already must not count as speed.
                self.bar.set_position(from);
                self.bar.reset_eta();
                let already =
                    if from > 0 { format!(", {} of it are here already", DecimalBytes(from)) } else { String::new() };
                if !self.is_terminal {
                    self.line(&format!("{} to come{already}", DecimalBytes(size)));
                }
            }
            Event::At(bytes) => {
                self.bar.set_position(bytes);
                if !self.is_terminal && self.last_line.elapsed() >= LINE_EVERY {
                    self.line(&format!("{} of {}", DecimalBytes(bytes), DecimalBytes(self.size)));
                }
            }
            Event::Again { why, after } => self.line(&format!("{why}; once more in {} seconds", after.as_secs_f32())),
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&mut self, text: &str) {
        self.last_line = Instant::now();
        self.bar.suspend(|| eprintln!("{text}"));
    }
}
