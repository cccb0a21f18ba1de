//! What a room remembers of its own conduct. It is lost with the process, on purpose: after a restart a room is shy.

use std::{collections::VecDeque, time::Duration};

use chat::{MessageKey, RoomSettings, Window};
use chrono::{DateTime, Utc};

/// How many times unanswered idle chat doubles its interval: 2^6 is 64 times.
const MAX_BACK_OFF: u32 = 6;
/// How many lines of our own are remembered, so that none is said twice.
const REMEMBERED_LINES: usize = 40;
/// How many of the latest authors are remembered for the share of ours.
const REMEMBERED_TURNS: usize = 20;

/// Who said something, for the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub at: DateTime<Utc>,
    pub human: bool,
}

/// A room's memory of itself.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    turns: VecDeque<Turn>,
    lines: VecDeque<String>,
    latest_bot: Option<MessageKey>,
    exchange_left: u32,
    unanswered: u32,
    last_idle_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
}

impl Memory {
    /// The memory of a room whose task begins now.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { started_at: Some(now), ..Self::default() }
    }

    /// A human posted: what the personas were at is over, and idle chat is welcome again.
    pub fn human_spoke(&mut self, now: DateTime<Utc>) {
        self.remember(Turn { at: now, human: true });
        self.exchange_left = 0;
        self.unanswered = 0;
    }

    /// Another bot posted.
    pub fn bot_spoke(&mut self, key: MessageKey) {
        self.latest_bot = Some(key);
    }

    /// One of ours posted.
    pub fn persona_spoke(&mut self, line: &str, now: DateTime<Utc>) {
        self.remember(Turn { at: now, human: false });
        self.lines.push_back(line.to_lowercase());
        if self.lines.len() > REMEMBERED_LINES {
            self.lines.pop_front();
        }
    }

    fn remember(&mut self, turn: Turn) {
        self.turns.push_back(turn);
        if self.turns.len() > REMEMBERED_TURNS {
            self.turns.pop_front();
        }
    }

    /// Idle chat begins: it counts as unanswered until a human speaks.
    pub fn idle_began(&mut self, now: DateTime<Utc>) {
        self.unanswered += 1;
        self.last_idle_at = Some(now);
    }

    /// Somebody came to look, which answers idle chat as well as words do.
    pub fn arrived(&mut self) {
        self.unanswered = 0;
    }

    /// So many turns may follow.
    pub fn set_exchange(&mut self, turns: u32) {
        self.exchange_left = turns;
    }

    /// How many turns may follow.
    pub fn exchange_left(&self) -> u32 {
        self.exchange_left
    }

    /// Whether one of ours has said this line lately, in whatever case.
    pub fn has_said(&self, line: &str) -> bool {
        let line = line.to_lowercase();
        self.lines.contains(&line)
    }

    /// Whether this message is another bot's.
    pub(super) fn is_bot(&self, key: MessageKey) -> bool {
        self.latest_bot == Some(key)
    }

    /// The latest turns since `since`, humans' and ours.
    pub(super) fn turns_since(&self, since: DateTime<Utc>) -> impl Iterator<Item = Turn> + '_ {
        self.turns.iter().copied().filter(move |turn| turn.at >= since)
    }

    /// When idle chat is next due: the idle interval after the last word or the last idle chat, doubled for each one that
    /// nobody answered.
    pub fn idle_due(&self, settings: &RoomSettings, window: &Window) -> Option<DateTime<Utc>> {
        let interval = settings.idle()?;
        let last_word = window.latest().map(|message| message.sent_at);
        let quiet_since = [last_word, self.last_idle_at, self.started_at].into_iter().flatten().max()?;
        let back_off = 2u32.pow(self.unanswered.min(MAX_BACK_OFF));
        Some(quiet_since + interval.saturating_mul(back_off).min(Duration::from_secs(365 * 86_400)))
    }
}
