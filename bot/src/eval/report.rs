//! The report card: as a table for people, as JSON for programs.

use std::{collections::BTreeMap, fmt};

use chat::MemberId;
use serde::Serialize;

use super::interval::Interval;

/// The version of the JSON.
pub(super) const VERSION: u32 = 1;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// The model without any adapter.
    pub base: String,
    /// The adapters, in the order of all lists below.
    pub adapters: Vec<String>,
    /// Which rows.
    pub split: String,
    /// What chance was seeded with.
    pub seed: u64,
    /// How many rows.
    pub rows: Rows,
    /// How many bits a character of a held-out reply takes, by member.
    pub bits_per_character: Vec<MemberBits>,
    /// The same of all members together.
    pub bits_of_all: Option<MemberBits>,
    /// For how many members an adapter is better than the base beyond doubt.
    pub better_for: Vec<BetterFor>,
    /// How often who speaks next is guessed; none where no row asks for that.
    pub next_speaker: Option<NextSpeaker>,
    /// How many runs of five words stand in the replies that were learned from.
    pub five_gram_overlap: Overlap,
}

/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// In the split that was learned from.
    pub train: u64,
    /// In the split that is measured.
    pub held_out: u64,
    /// Of those, what a limit left out.
    pub beyond_limit: u64,
    /// Replies that were judged.
    pub replies: u64,
    /// Questions for the next speaker that were judged.
    pub turns: u64,
    /// What was left out, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

/// The bits of a member's replies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberBits {
    /// Who; none for all together.
    pub member: Option<MemberId>,
    /// The name in the rows.
    pub name: String,
    /// How many replies.
    pub replies: u64,
    /// How many characters, each reply's end counted as one.
    pub characters: u64,
    /// By the base.
    pub base: Interval,
    /// By the Markov voice.
    pub markov: Interval,
    /// By each adapter.
    pub adapters: Vec<AdapterBits>,
}

/// The bits of a member's replies by an adapter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterBits {
    /// Asked for a reply of that member.
    pub right: Interval,
    /// Asked for one of other members.
    pub wrong_speaker: Option<Interval>,
    /// What the base takes more, row by row: above 0 the adapter is better.
    pub gain: Interval,
}

/// For how many members an adapter is better than the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BetterFor {
    /// Those of at least 20 replies whose whole interval of the gain is above 0.
    pub members: u64,
    /// All.
    pub of: u64,
}

/// How often who speaks next is guessed, from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NextSpeaker {
    /// How many are guessed from.
    pub candidates: u64,
    /// By chance.
    pub uniform: f64,
    /// By always naming who speaks most.
    pub most_frequent: Interval,
    /// By the group's habits.
    pub habits: Interval,
    /// By the base.
    pub base: Interval,
    /// By each adapter.
    pub adapters: Vec<Interval>,
}

/// The share of runs of five words that stand in what was learned from; none where no reply has five words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overlap {
    /// How many prompts were replied to.
    pub prompts: u64,
    /// Of what was really said.
    pub real: Option<Interval>,
    /// Of the Markov voice.
    pub markov: Option<Interval>,
    /// Of the base.
    pub base: Option<Interval>,
    /// Of each adapter.
    pub adapters: Vec<Option<Interval>>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "base: {}", self.base)?;
        for (number, adapter) in (1..).zip(&self.adapters) {
            writeln!(f, "adapter {number}: {adapter}")?;
        }
        let Rows { train, held_out, beyond_limit, replies, turns, skipped } = &self.rows;
        writeln!(f, "rows: {train} learned from, {held_out} in the split {}; of those", self.split)?;
        writeln!(f, "  {replies} replies and {turns} next speakers judged")?;
        if *beyond_limit > 0 {
            writeln!(f, "  {beyond_limit} beyond the limit")?;
        }
        for (why, rows) in skipped {
            writeln!(f, "  {rows} left out: {why}")?;
        }
        self.write_bits(f)?;
        self.write_next_speaker(f)?;
        self.write_overlap(f)
    }
}

impl Report {
    fn write_bits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nbits per character of held-out replies (fewer are better; 95 % interval)")?;
        let mut head = vec!["MEMBER".to_owned(), "REPLIES".to_owned(), "MARKOV".to_owned(), "BASE".to_owned()];
        for number in 1..=self.adapters.len() {
            head.extend([
                format!("ADAPTER {number}"),
                "AS ANOTHER MEMBER".to_owned(),
                "BETTER THAN THE BASE BY".to_owned(),
            ]);
        }
        let mut lines = vec![head];
        for member in self.bits_per_character.iter().chain(&self.bits_of_all) {
            let mut line = vec![member.name.clone(), member.replies.to_string()];
            line.extend([decimals(&member.markov), decimals(&member.base)]);
            for adapter in &member.adapters {
                let wrong = adapter.wrong_speaker.as_ref().map_or_else(|| "-".to_owned(), decimals);
                line.extend([decimals(&adapter.right), wrong, decimals(&adapter.gain)]);
            }
            lines.push(line);
        }
        write_table(f, &lines)?;
        for (number, BetterFor { members, of }) in (1..).zip(&self.better_for) {
            let all = if members == of { ", for every member" } else { "" };
            writeln!(f, "adapter {number} is better than the base beyond doubt for {members} of {of} members{all}")?;
        }
        Ok(())
    }

    fn write_next_speaker(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(next) = &self.next_speaker else { return Ok(()) };
        writeln!(f, "\nwho speaks next, guessed from {} (more is better)", next.candidates)?;
        let mut lines = vec![
            vec!["by chance".to_owned(), format!("{:.1} %", 100.0 * next.uniform)],
            vec!["whoever speaks most".to_owned(), percent(&next.most_frequent)],
            vec!["the group's habits".to_owned(), percent(&next.habits)],
            vec!["base".to_owned(), percent(&next.base)],
        ];
        let adapters = (1..).zip(&next.adapters);
        lines.extend(adapters.map(|(number, adapter)| vec![format!("adapter {number}"), percent(adapter)]));
        write_table(f, &lines)
    }

    fn write_overlap(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overlap { prompts, real, markov, base, adapters } = &self.five_gram_overlap;
        writeln!(f, "\nruns of five words that were learned, in replies to {prompts} prompts (best as in real ones)")?;
        let shown =
            |share: &Option<Interval>| share.as_ref().map_or_else(|| "no reply has five words".to_owned(), percent);
        let mut lines = vec![
            vec!["real".to_owned(), shown(real)],
            vec!["Markov".to_owned(), shown(markov)],
            vec!["base".to_owned(), shown(base)],
        ];
        let adapters = (1..).zip(adapters);
        lines.extend(adapters.map(|(number, adapter)| vec![format!("adapter {number}"), shown(adapter)]));
        write_table(f, &lines)
    }
}

fn decimals(interval: &Interval) -> String {
    let Interval { value, low, high } = interval;
    format!("{value:.3} ({low:.3} to {high:.3})")
}

fn percent(interval: &Interval) -> String {
    let [value, low, high] = [interval.value, interval.low, interval.high].map(|share| 100.0 * share);
    format!("{value:.1} % ({low:.1} to {high:.1})")
}

/// Writes lines of cells in columns, each as wide as its widest cell.
fn write_table(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let mut widths = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in lines {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
