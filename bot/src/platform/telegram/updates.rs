//! Fetching what happens, and recording it in the order in which it happened.
//!
//! Telegram keeps an update until a later one is asked for, and brings it again until then. So the next ones are asked for
//! only once these are in the history; a message that comes twice is recognised by its key, and anything else by the
//! update's id while the program runs. Commands wait in bounded queues of their own, since their rooms may take their time.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{anyhow, bail};
use chrono::TimeDelta;
use store::StoreError;
use teloxide::{
    payloads::setters::*,
    prelude::Requester,
    types::{AllowedUpdate, Chat, MessageId, ThreadId, Update, UpdateId, UpdateKind},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Telegram,
    api::{Fault, POLL_TIMEOUT},
    asking,
    inbound::{self, Heard},
    keys,
    reading::Read,
};
use crate::event::{Event, GroupHappening, Happening, Person, Place};

/// What we want to hear. Reactions and memberships come only where it is asked for, from groups that we manage.
pub(super) const WANTED: [AllowedUpdate; 6] = [
    AllowedUpdate::Message,
    AllowedUpdate::EditedMessage,
    AllowedUpdate::MessageReaction,
    AllowedUpdate::MyChatMember,
    AllowedUpdate::ChatMember,
    AllowedUpdate::CallbackQuery,
];
/// How many groups' commands can be worked on at the same time.
const WORKERS: usize = 16;
/// How many commands may wait for one worker. While more come, nothing else is fetched.
const BACKLOG: usize = 64;
/// How long the history is waited for before it is tried again.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// How long to wait where another program fetches the updates of this bot.
const CONFLICT: Duration = Duration::from_secs(10);
/// How long to wait before asking again, at first and at most.
const RECONNECT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long the end waits for Telegram to take note of what was heard last.
const CONFIRMATION: Duration = Duration::from_secs(2);
/// How many updates are remembered, in case they come again.
const REMEMBERED: usize = 1_024;
/// An edit of a message that we never heard counts as news for so long. Older ones are of before we came.
const NEWS: TimeDelta = TimeDelta::minutes(5);

/// Fetches until the shutdown.
///
/// # Errors
/// A sentence with the remedy, where Telegram will not have us.
pub(super) async fn poll(telegram: Arc<Telegram>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ear = Ear::new(telegram.clone(), shutdown.clone());
    let polled = fetch(&telegram, &ear, &shutdown).await;
    ear.close().await?;
    polled
}

async fn fetch(telegram: &Telegram, ear: &Ear, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let (mut pause, longest) = RECONNECT;
    let (mut next, mut is_ours) = (None, false);
    while !shutdown.is_cancelled() {
        let asking = async {
            if !is_ours {
                // What went to a webhook before comes to us from now on.
                telegram.ears.delete_webhook().await?;
            }
            updates(telegram, next).await
        };
        let asked = tokio::select! {
            asked = asking => asked,
            () = shutdown.cancelled() => break,
        };
        match asked {
            Ok(mut updates) => {
                (pause, is_ours) = (RECONNECT.0, true);
                updates.sort_by_key(|update| update.id);
                for update in updates {
                    let id = update.id;
                    if ear.take(update).await.is_err() {
                        return Ok(());
                    }
                    next = Some(id.0 as i32 + 1);
                }
                continue;
            }
            Err(Fault::Token) => bail!(Fault::Token),
            Err(fault) => {
                tracing::warn!(%fault, "what happens on Telegram cannot be fetched; trying again");
                is_ours = false;
                let wait = match fault {
                    Fault::Wait(wait) => wait,
                    Fault::Conflict => CONFLICT,
                    _ => pause,
                };
                if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                    break;
                }
                pause = (pause * 2).min(longest);
            }
        }
    }
    if let Some(next) = next {
        // Or the last ones would come again at the next start.
        let confirming = telegram.ears.get_updates().offset(next).limit(1).timeout(0).allowed_updates(WANTED);
        let confirmed = tokio::time::timeout(CONFIRMATION, async move { confirming.await }).await;
        if !matches!(confirmed, Ok(Ok(_))) {
            tracing::debug!("the last updates are not confirmed; they come again and are recognised");
        }
    }
    Ok(())
}

async fn updates(telegram: &Telegram, next: Option<i32>) -> Result<Vec<Update>, Fault> {
    let mut asking = telegram.ears.get_updates().timeout(POLL_TIMEOUT.as_secs() as u32).allowed_updates(WANTED);
    asking.offset = next;
    Ok(asking.await?)
}

/// Takes updates, however they come.
pub(super) struct Ear {
    telegram: Arc<Telegram>,
    shutdown: CancellationToken,
    seen: Mutex<Seen>,
    queues: Vec<mpsc::Sender<Heard>>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    order: VecDeque<UpdateId>,
    all: HashSet<UpdateId>,
}

/// The program ends, and an update is not recorded. It comes again at the next start.
#[derive(Debug)]
pub(super) struct NotTaken;

impl Ear {
    pub(super) fn new(telegram: Arc<Telegram>, shutdown: CancellationToken) -> Self {
        let (queues, workers) = (0..WORKERS)
            .map(|_| {
                let (queue, asked) = mpsc::channel(BACKLOG);
                (queue, tokio::spawn(work(telegram.clone(), asked)))
            })
            .unzip();
        Self { telegram, shutdown, seen: Mutex::default(), queues, workers }
    }

    /// Does what is waiting and ends.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        drop(self.queues);
        for worker in self.workers {
            worker.await.map_err(|_| anyhow!("a worker of the Telegram connection ended badly"))?;
        }
        Ok(())
    }

    /// Records an update, once. While the history is away it waits.
    pub(super) async fn take(&self, update: Update) -> Result<(), NotTaken> {
        if self.lock().all.contains(&update.id) {
            return Ok(());
        }
        if let UpdateKind::Error(value) = &update.kind {
            let kinds: Vec<&str> = value.as_object().into_iter().flatten().map(|(kind, _)| kind.as_str()).collect();
            tracing::warn!(?kinds, "an update could not be read; it is lost");
        }
        for heard in inbound::translate(update.kind, &self.telegram.us) {
            match &heard {
                Heard::Command(message) => self.put(message.chat.id.0, heard).await,
                Heard::Pressed(pressed) => {
                    let chat = pressed.message.as_ref().map_or(0, |message| message.chat().id.0);
                    self.put(chat, heard).await;
                }
                _ => self.record(&heard).await?,
            }
        }
        let mut seen = self.lock();
        if seen.all.insert(update.id) {
            seen.order.push_back(update.id);
        }
        while seen.order.len() > REMEMBERED {
            let oldest = seen.order.pop_front().expect("it is longer than nothing");
            seen.all.remove(&oldest);
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put(&self, chat: i64, heard: Heard) {
        let queue = &self.queues[(chat.unsigned_abs() % self.queues.len() as u64) as usize];
        if queue.send(heard).await.is_err() {
            tracing::error!("a worker of the Telegram connection is gone; a command is lost");
        }
    }

    async fn record(&self, heard: &Heard) -> Result<(), NotTaken> {
        while let Err(error) = self.telegram.hear(heard).await {
            if !error.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient) {
                tracing::error!("something that happened on Telegram could not be recorded: {error:#}");
                return Ok(());
            }
            tracing::warn!("something that happened on Telegram cannot be recorded yet: {error:#}");
            let waited = self.shutdown.run_until_cancelled(tokio::time::sleep(STORE_RETRY)).await;
            waited.ok_or(NotTaken)?;
        }
        Ok(())
    }
}

/// Answers what comes through one queue, in order.
async fn work(telegram: Arc<Telegram>, mut queue: mpsc::Receiver<Heard>) {
    while let Some(heard) = queue.recv().await {
        let answered = match &heard {
            Heard::Command(message) => asking::typed(&telegram, message).await,
            Heard::Pressed(pressed) => asking::pressed(&telegram, pressed).await,
            _ => Ok(()),
        };
        if let Err(error) = answered {
            tracing::warn!("a command could not be answered: {error:#}");
        }
    }
}

impl Telegram {
    async fn hear(&self, heard: &Heard) -> anyhow::Result<()> {
        match heard {
            Heard::Posted(chat, topic, read) => self.hear_posted(chat, *topic, read).await,
            Heard::Edited(chat, topic, read) => self.hear_edited(chat, *topic, read).await,
            Heard::Reacted { chat, message, by, added, removed } => {
                self.hear_reaction(chat, *message, by, added, removed).await
            }
            Heard::InGroup(chat, what) => self.hear_in_group(chat, what).await,
            Heard::Moved { from, to } => self.moved(*from, *to).await,
            Heard::TopicNamed { chat, topic, name } => {
                self.chats.name_topic(*chat, *topic, name);
                Ok(())
            }
            Heard::RightsChanged(chat) => {
                self.chats.rights_changed(*chat);
                Ok(())
            }
            // Those are answered by workers.
            Heard::Command(_) | Heard::Pressed(_) => Ok(()),
        }
    }

    async fn happens(&self, place: Place, what: Happening) -> anyhow::Result<store::Room> {
        Ok(self.app().handle(Event { place, what }).await?.room)
    }

    async fn hear_posted(&self, chat: &Chat, topic: Option<ThreadId>, read: &Read) -> anyhow::Result<()> {
        let (place, Read { posted, edited_at }) = (self.chats.place(chat, topic), read.clone());
        let (key, text) = (posted.key, posted.text.clone());
        self.happens(place.clone(), Happening::Posted(posted)).await?;
        if let Some(at) = edited_at {
            self.happens(place, Happening::Edited { key, text, at }).await?;
        }
        Ok(())
    }

    async fn hear_edited(&self, chat: &Chat, topic: Option<ThreadId>, read: &Read) -> anyhow::Result<()> {
        let Read { posted, edited_at } = read.clone();
        let Some(at) = edited_at else { return Ok(()) };
        let (key, text) = (posted.key, posted.text.clone());
        let place = self.chats.place(chat, topic);
        let room = self.happens(place.clone(), Happening::Edited { key, text, at }).await?;
        let is_news = at - posted.sent_at <= NEWS;
        if is_news && self.store.is_known(room.id, &[key]).await?.is_empty() {
            self.happens(place, Happening::Posted(posted)).await?;
        }
        Ok(())
    }

    async fn hear_reaction(
        &self,
        chat: &Chat,
        message: MessageId,
        by: &Person,
        added: &[String],
        removed: &[String],
    ) -> anyhow::Result<()> {
        let Some((place, key)) = self.find(chat, message).await? else { return Ok(()) };
        for emoji in removed {
            let what = Happening::Unreacted { key, emoji: emoji.clone(), by: by.clone() };
            self.happens(place.clone(), what).await?;
        }
        for emoji in added {
            let what = Happening::Reacted { key, emoji: emoji.clone(), by: by.clone(), is_moderator: false };
            self.happens(place.clone(), what).await?;
        }
        Ok(())
    }

    /// Where a message is of which Telegram tells only the chat and the id.
    async fn find(&self, chat: &Chat, message: MessageId) -> anyhow::Result<Option<(Place, chat::MessageKey)>> {
        let place = self.chats.place(chat, None);
        let room = self.app().room(&place).await?;
        if !keys::is_numbered(self.chats.current(chat.id)) {
            let key = self.store.key_at_place(room.id, message.0.unsigned_abs()).await?;
            return Ok(key.map(|key| (place, key)));
        }
        let key = chat::MessageKey(message.0.into());
        let Some(found) = self.store.room_of_message(room.community, key).await? else { return Ok(None) };
        let topic = keys::Spot::of(&found).ok().and_then(|spot| spot.topic);
        Ok(Some((self.chats.place(chat, topic), key)))
    }

    async fn hear_in_group(&self, chat: &Chat, what: &GroupHappening) -> anyhow::Result<()> {
        let group = self.chats.group(chat);
        self.app().handle_group(&group, what.clone()).await?;
        match what {
            GroupHappening::PutOut => self.chats.put_out(self.chats.current(chat.id)),
            GroupHappening::Joined => {
                self.chats.taken_in(self.chats.current(chat.id));
                self.introduce(self.app().community(&group).await?).await?;
                self.app().all_rooms_are_ready();
            }
            _ => {}
        }
        Ok(())
    }
}
