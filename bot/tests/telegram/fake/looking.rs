//! What a test sees.

use std::time::Duration;

use serde_json::Value;

use super::{FakeTelegram, TOKEN, html, world::FakeMessage};

/// Nothing that is expected takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

impl FakeTelegram {
    /// Waits until something is so.
    async fn until<T>(&self, what: &str, look: impl Fn(&super::World) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(found) = look(&self.shared.world()) {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => {
                let world = self.shared.world();
                let said: Vec<_> = world.messages.iter().map(|m| (m.from, m.topic, m.text.clone())).collect();
                panic!("{what} should be by now; said was {said:#?}, pressed {:#?}", world.answers)
            }
        }
    }

    /// What bots said after a message, oldest first.
    pub fn said_after(&self, after: &FakeMessage) -> Vec<FakeMessage> {
        let world = self.shared.world();
        let bots = |message: &&FakeMessage| world.bot_by_id(message.from).is_some() && !message.is_deleted;
        world.messages[after.number + 1..].iter().filter(bots).cloned().collect()
    }

    /// The first thing that a bot says after a message and that is like this.
    pub async fn said(&self, after: &FakeMessage, is_it: impl Fn(&FakeMessage) -> bool) -> FakeMessage {
        self.until("something is said", |world| {
            let mut later = world.messages[after.number + 1..].iter();
            later
                .find(|message| world.bot_by_id(message.from).is_some() && !message.is_deleted && is_it(message))
                .cloned()
        })
        .await
    }

    /// What a persona says next after a message.
    pub async fn persona_says(&self, after: &FakeMessage) -> FakeMessage {
        self.said(after, |message| message.label().is_some()).await
    }

    /// What the bot answers to a message.
    pub async fn answer(&self, to: &FakeMessage) -> FakeMessage {
        self.said(to, |message| message.answers == Some(to.number) && message.label().is_none()).await
    }

    /// What popped up for whoever pressed a button; none where nothing did.
    pub async fn popped_up(&self, press: &str) -> Option<String> {
        self.until("the press is answered", |world| {
            world.answers.iter().find(|answer| answer.id == press).map(|answer| answer.text.clone())
        })
        .await
    }

    /// A message as it is now; none where it was deleted.
    pub fn now(&self, message: &FakeMessage) -> Option<FakeMessage> {
        let now = self.shared.world().messages[message.number].clone();
        (!now.is_deleted).then_some(now)
    }

    /// All that was ever said and not deleted, oldest first.
    pub fn messages(&self) -> Vec<FakeMessage> {
        let world = self.shared.world();
        world.messages.iter().filter(|message| !message.is_deleted).cloned().collect()
    }

    /// What a bot has done that Telegram does not allow.
    pub fn violations(&self) -> Vec<String> {
        self.shared.world().violations.clone()
    }

    pub fn last(&self) -> FakeMessage {
        self.shared.world().messages.last().expect("something was said").clone()
    }

    pub fn requests(&self, method: &str) -> Vec<Value> {
        let world = self.shared.world();
        world.requests.iter().filter(|(of, _)| *of == method.to_lowercase()).map(|(_, what)| what.clone()).collect()
    }

    /// Waits until a method was called so many times.
    pub async fn called(&self, method: &str, times: usize) {
        let method = method.to_lowercase();
        self.until(&method, |world| {
            (world.requests.iter().filter(|(of, _)| *of == method).count() >= times).then_some(())
        })
        .await;
    }

    /// Where somebody was shown as typing: chat and topic.
    pub fn typing_seen(&self) -> Vec<(i64, Option<i64>)> {
        self.shared.world().actions.clone()
    }

    /// The commands of a menu.
    pub async fn menu(&self, scope: &str, language: &str) -> Vec<Value> {
        let menu = format!("{scope} {language}");
        self.until("the menu is there", |world| world.bots[TOKEN].commands.get(&menu)?.as_array().cloned()).await
    }

    pub fn bot_name(&self, bot: i64) -> (String, usize) {
        let world = self.shared.world();
        (world.users[&bot].first_name.clone(), world.renamings.get(&bot).copied().unwrap_or(0))
    }

    /// Address and secret of the webhook.
    pub async fn webhook(&self) -> (String, String) {
        self.until("the webhook is set", |world| {
            let (url, secret) = world.bots[TOKEN].webhook.clone()?;
            Some((url, secret?))
        })
        .await
    }

    /// The updates that wait for the bot.
    pub fn waiting_updates(&self) -> Vec<Value> {
        self.shared.world().bots[TOKEN].updates.iter().map(|(_, update)| update.clone()).collect()
    }

    /// Nobody was pinged, no preview shown and no limit broken.
    pub fn is_well_treated(&self) {
        assert_eq!(self.violations(), Vec::<String>::new());
        let world = self.shared.world();
        for message in world.messages.iter().filter(|message| world.bot_by_id(message.from).is_some()) {
            assert_eq!(html::mentions(&message.text), Vec::<String>::new(), "{message:?}");
        }
    }
}
