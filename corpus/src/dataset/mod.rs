//! From the history to training rows, curated, with a report.
//!
//! ```text
//! messages -> Collector: left out, redacted, merged -> sittings -> judged: answer or window only -> splits -> rows
//! ```
//!
//! A row is the window of the messages before one, rendered by `chat::prompt` exactly as the live bot renders it, and that
//! message as the answer; beside it stands one that asks the same window for the next speaker. Whose words may not be
//! learned is left out before windows are cut, as if nothing had been said, so that no row quotes them. What may not be an
//! answer for another reason stays in the windows, where the bot sees such messages too.
//!
//! Nothing here reads a database or a clock; only `folder` touches files.

mod collector;
mod folder;
mod judging;
mod options;
mod personal;
mod report;
mod row;
mod rule;
mod rules;
mod sitting;
mod speakers;
mod split;
#[cfg(test)]
mod tests;

use chat::{Line, RoomId, WINDOW_LEN, prompt};

pub use self::{
    collector::Collector,
    folder::{FolderError, Replace, chatml_file, read_report, remove, remove_leftovers},
    options::{BadShares, FromApi, Options, Shares},
    personal::{Personal, Replaced},
    report::{CommunityFacts, MemberRows, Messages, Report, RowCounts, Settings},
    row::{Kind, Row, Split},
    rule::{NotARule, Rule},
};
use self::{
    judging::Fate,
    sitting::{Said, Sitting},
    speakers::Speakers,
};

/// A curated history. Its rows are rendered as they are asked for, since they are ten times as large as what was said.
#[derive(Debug)]
pub struct Dataset {
    speakers: Speakers,
    said: Vec<Said>,
    /// By time.
    sittings: Vec<Sitting>,
    /// What becomes of each of `said`.
    fates: Vec<Fate>,
    report: Report,
}

impl Dataset {
    /// What was read, what became of it, and how many rows there are.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// All rows in pairs, by the time at which their sittings began: what was said to a window, and who said it.
    pub fn rows(&self) -> impl Iterator<Item = (Split, [Row; 2])> {
        self.sittings.iter().flat_map(|sitting| self.rows_of(sitting))
    }

    fn rows_of(&self, sitting: &Sitting) -> Vec<(Split, [Row; 2])> {
        let said = &self.said[sitting.said.clone()];
        let fates = &self.fates[sitting.said.clone()];
        if !fates.iter().any(|fate| matches!(fate, Fate::Answer(_))) {
            return Vec::new();
        }
        let lines: Vec<Line> = said.iter().map(|said| Line::new(self.speakers.name(said.member), &said.text)).collect();
        let rows = fates.iter().enumerate().filter_map(|(place, fate)| match fate {
            Fate::Answer(split) => {
                let window = &lines[place.saturating_sub(WINDOW_LEN)..place];
                Some((*split, self.pair(window, sitting.room, &said[place])))
            }
            Fate::WindowOnly(_) => None,
        });
        rows.collect()
    }

    fn pair(&self, window: &[Line], room: RoomId, said: &Said) -> [Row; 2] {
        let speaker = self.speakers.name(said.member);
        let row = |kind, prompt, answer: &str| Row {
            prompt,
            answer: answer.to_owned(),
            kind,
            speaker: speaker.to_owned(),
            member: said.member,
            room,
            at: said.at,
        };
        [
            row(Kind::Reply, prompt::reply(window, None, speaker), &said.text),
            row(Kind::NextSpeaker, prompt::next_speaker(window, None), speaker),
        ]
    }
}
