//! What goes wrong.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    FakeTelegram,
    world::{Trouble, World},
};

impl World {
    pub(super) fn take_trouble(&mut self, method: &str) -> Option<Trouble> {
        let place = self.troubles.iter().position(|(of, times, _)| of == method && *times > 0)?;
        self.troubles[place].1 -= 1;
        Some(self.troubles[place].2.clone())
    }

    /// It was too much, and stays so for a while.
    pub(super) fn begin_flood(&mut self, method: &str, parameters: &Value, seconds: u64) {
        let chat = parameters["chat_id"].as_i64();
        self.floods.insert((method.to_owned(), chat), Instant::now() + Duration::from_secs(seconds));
    }

    /// Notes who comes again before the time that they were told.
    pub(super) fn check_flood(&mut self, method: &str, parameters: &Value) {
        let chat = parameters["chat_id"].as_i64();
        let until = self.floods.get(&(method.to_owned(), chat));
        if let Some(early) = until.map(|until| until.saturating_duration_since(Instant::now())).filter(|d| !d.is_zero())
        {
            self.violations
                .push(format!("{method} in {chat:?} is tried again {early:?} before the time that was told"));
        }
    }
}

impl FakeTelegram {
    fn trouble(&self, method: &str, times: u32, trouble: Trouble) {
        self.shared.change(|world| world.troubles.push((method.to_lowercase(), times, trouble)));
    }

    /// The next calls of a method are answered with a status by something between.
    pub fn fail(&self, method: &str, status: u16, times: u32) {
        self.trouble(method, times, Trouble::Status(status));
    }

    /// The next calls of a method are too many.
    pub fn limit(&self, method: &str, seconds: u64, times: u32) {
        self.trouble(method, times, Trouble::RetryAfter(seconds));
    }

    /// The next call of a method is done, and its answer is lost.
    pub fn lose_answer(&self, method: &str) {
        self.trouble(method, 1, Trouble::AnswerLost);
    }

    /// The next call of a method is done, and the connection breaks within its answer.
    pub fn cut_answer(&self, method: &str) {
        self.trouble(method, 1, Trouble::AnswerCut);
    }

    /// The connection of the next call of a method breaks before anything is done.
    pub fn break_off(&self, method: &str) {
        self.trouble(method, 1, Trouble::BrokenOff);
    }

    /// Breaks the connections of those who wait for updates.
    pub fn cut_polls(&self) {
        self.shared.change(|world| world.cuts += 1);
    }

    /// Takes back the troubles that nobody has met yet.
    pub fn mend(&self) {
        self.shared.change(|world| world.troubles.clear());
    }

    /// Whether updates come twice and the last of them first.
    pub fn set_untidy(&self, is_untidy: bool) {
        self.shared.change(|world| world.is_untidy = is_untidy);
    }

    /// Whether bots are told nothing of what happens from now on.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.shared.change(|world| world.is_deaf = is_deaf);
    }

    /// Whether Telegram's limits on messages count.
    pub fn set_limits(&self, has_limits: bool) {
        self.shared.change(|world| world.has_limits = has_limits);
    }
}
