//! What was read, what became of it, and what there is: for people as a table, for programs as JSON.

use std::{collections::BTreeMap, fmt};

use chat::{CommunityId, MemberId, PROMPT_VERSION, sanitise};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{Kind, Options, Personal, Replaced, Rule, Shares, Split, judging::Fate, sitting::Said, speakers::Speakers};

/// The version of the folder's layout and of this report.
const VERSION: u32 = 1;

/// The report of a dataset.
///
/// It adds up: `messages.read` is the sum of `left_out`, `merged` and the members' messages; the members' messages are the
/// sum of `window_only` and `windows`; and each window is a row of both kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The version of the folder's layout.
    pub version: u32,
    /// The version of the prompt that the rows are rendered in.
    pub prompt_version: u32,
    /// Whose history it is.
    pub community: CommunityFacts,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// How it was made.
    pub options: Settings,
    /// What became of the messages.
    pub messages: Messages,
    /// What personal data was replaced.
    pub replaced: BTreeMap<Personal, Replaced>,
    /// How many windows are answered.
    pub windows: u64,
    /// How many rows each split has.
    pub rows: BTreeMap<Split, RowCounts>,
    /// Everybody whose words stand in the rows, be it only in windows; who wrote most comes first.
    pub members: Vec<MemberRows>,
}

/// A community, as a report names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityFacts {
    /// Ours.
    pub id: CommunityId,
    /// Its name for people; may be empty.
    pub title: String,
}

/// The options of [`Options`], as a report names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The silence that begins a sitting.
    pub silence_seconds: i64,
    /// Within how long messages of one member become one; none where they stay apart.
    pub merge_seconds: Option<i64>,
    /// The rules that were switched off.
    pub keep: Vec<Rule>,
    /// How much each split was to get, from 0 to 1.
    pub shares: Shares,
    /// Whether all regulars were to be learned and tested.
    #[serde(default)]
    pub cover_regulars: bool,
    /// How many members are learned at most; none for all.
    pub busiest: Option<usize>,
    /// How many times the median a member may have.
    pub balance: u32,
}

/// What became of the messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Messages {
    /// How many there were, deleted ones aside.
    pub read: u64,
    /// How many stand in no row at all, by rule.
    pub left_out: BTreeMap<Rule, u64>,
    /// How many became a part of the message before them.
    pub merged: u64,
    /// How many are no answers, by rule. They may stand in windows.
    pub window_only: BTreeMap<Rule, u64>,
}

impl Messages {
    pub(super) fn leave_out(&mut self, rule: Rule) {
        *self.left_out.entry(rule).or_default() += 1;
    }
}

/// How many rows there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RowCounts {
    /// Of [`Kind::Reply`].
    pub reply: u64,
    /// Of [`Kind::NextSpeaker`].
    pub next_speaker: u64,
}

impl RowCounts {
    /// Of one kind.
    pub fn of(self, kind: Kind) -> u64 {
        match kind {
            Kind::Reply => self.reply,
            Kind::NextSpeaker => self.next_speaker,
        }
    }

    fn add_pair(&mut self) {
        self.reply += 1;
        self.next_speaker += 1;
    }
}

/// What a member contributed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRows {
    /// Who.
    pub id: MemberId,
    /// The name in the rows, which no other member has.
    pub name: String,
    /// How many of the member's messages may stand in rows.
    pub messages: u64,
    /// How many rows the member answers, by split and kind.
    pub rows: BTreeMap<Split, RowCounts>,
}

impl Report {
    pub(super) fn new(
        community: CommunityFacts,
        made_at: DateTime<Utc>,
        options: &Options,
        messages: Messages,
        replaced: BTreeMap<Personal, Replaced>,
    ) -> Self {
        let keep = options.keep.iter().copied().filter(|rule| rule.may_be_switched_off()).collect();
        let options = Settings {
            silence_seconds: options.silence.num_seconds(),
            merge_seconds: options.merge.map(|merge| merge.num_seconds()),
            keep,
            shares: options.shares,
            cover_regulars: options.cover_regulars,
            busiest: options.busiest,
            balance: options.balance,
        };
        Self {
            version: VERSION,
            prompt_version: PROMPT_VERSION,
            community,
            made_at,
            options,
            messages,
            replaced,
            windows: 0,
            rows: no_rows(),
            members: Vec::new(),
        }
    }

    /// Counts what becomes of the messages that are kept.
    pub(super) fn count(&mut self, said: &[Said], fates: &[Fate], speakers: &Speakers) {
        let mut members: BTreeMap<MemberId, MemberRows> = BTreeMap::new();
        for (said, fate) in said.iter().zip(fates) {
            let member = members.entry(said.member).or_insert_with(|| MemberRows {
                id: said.member,
                name: speakers.name(said.member).to_owned(),
                messages: 0,
                rows: no_rows(),
            });
            member.messages += 1;
            match fate {
                Fate::WindowOnly(rule) => *self.messages.window_only.entry(*rule).or_default() += 1,
                Fate::Answer(split) => {
                    self.windows += 1;
                    self.rows.entry(*split).or_default().add_pair();
                    member.rows.entry(*split).or_default().add_pair();
                }
            }
        }
        self.members = members.into_values().collect();
        self.members.sort_by_key(|member| std::cmp::Reverse(member.messages));
    }
}

fn no_rows() -> BTreeMap<Split, RowCounts> {
    Split::ALL.into_iter().map(|split| (split, RowCounts::default())).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CommunityFacts { id, title } = &self.community;
        writeln!(f, "community {id}: {}", sanitise::one_line(title))?;
        writeln!(f, "made at {}", self.made_at.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        self.write_messages(f)?;
        self.write_splits(f)?;
        self.write_members(f)
    }
}

impl Report {
    fn write_messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Messages { read, left_out, merged, window_only } = &self.messages;
        writeln!(f, "\n{read:>10} messages read")?;
        for (rule, count) in left_out {
            writeln!(f, "{count:>10} left out: {rule}")?;
        }
        if *merged > 0 {
            writeln!(f, "{merged:>10} merged with the one before")?;
        }
        for (rule, count) in window_only {
            writeln!(f, "{count:>10} in windows only: {rule}")?;
        }
        writeln!(f, "{:>10} answers", self.windows)?;
        for (kind, Replaced { count, previews }) in &self.replaced {
            writeln!(f, "{count:>10} replaced: {kind} ({})", previews.join(", "))?;
        }
        Ok(())
    }

    fn write_splits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<12}{:>10}{:>15}", "rows", "reply", "next speaker")?;
        for (split, rows) in &self.rows {
            writeln!(f, "{:<12}{:>10}{:>15}", split.as_str(), rows.reply, rows.next_speaker)?;
        }
        Ok(())
    }

    fn write_members(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:>10}", "messages")?;
        for split in Split::ALL {
            write!(f, "{:>12}", split.as_str())?;
        }
        writeln!(f, "  answers by")?;
        let (answering, silent): (Vec<&MemberRows>, Vec<&MemberRows>) =
            self.members.iter().partition(|member| member.rows.values().any(|rows| rows.reply > 0));
        for member in answering {
            write!(f, "{:>10}", member.messages)?;
            for rows in member.rows.values() {
                write!(f, "{:>12}", rows.reply)?;
            }
            writeln!(f, "  {}", member.name)?;
        }
        if !silent.is_empty() {
            let messages: u64 = silent.iter().map(|member| member.messages).sum();
            writeln!(f, "{messages:>10} of {} more, in windows only", silent.len())?;
        }
        Ok(())
    }
}
