//! A messenger in memory: it keeps what is posted, can lose answers and refuse posts, as real ones do.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bot::platform::{Arrival, Platform, Post, PostError, Typing};
use chat::MessageKey;
use chrono::{DateTime, Utc};
use store::Room;
use tokio::sync::{Notify, watch};

/// Something that a persona said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub nonce: String,
    pub name: String,
    pub avatar_url: Option<String>,
    pub text: String,
    pub key: MessageKey,
    pub sent_at: DateTime<Utc>,
}

/// What goes wrong with a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It arrives, but the answer is lost.
    AnswerLost,
    /// It does not arrive; another try may.
    Busy,
    /// It does not arrive and never will.
    Refused,
}

pub struct MemoryPlatform {
    kind: chat::Platform,
    next_key: AtomicI64,
    said: Mutex<Vec<Said>>,
    /// What [`MemoryPlatform::next`] has not returned yet.
    unread: Mutex<VecDeque<Said>>,
    arrived: Notify,
    trouble: Mutex<VecDeque<Trouble>>,
    /// Why nobody may speak, if so.
    ban: Mutex<Option<String>>,
    ready: AtomicBool,
    /// Who gave up typing without having posted, in order.
    gave_up: watch::Sender<VecDeque<String>>,
    /// While it is set, posts wait here.
    gate: watch::Sender<bool>,
}

impl MemoryPlatform {
    pub fn new(kind: chat::Platform) -> Self {
        Self {
            kind,
            next_key: AtomicI64::new(1_000),
            said: Mutex::default(),
            unread: Mutex::default(),
            arrived: Notify::new(),
            trouble: Mutex::default(),
            ban: Mutex::default(),
            ready: AtomicBool::new(true),
            gave_up: watch::Sender::default(),
            gate: watch::Sender::new(true),
        }
    }

    pub fn next_key(&self) -> MessageKey {
        MessageKey(self.next_key.fetch_add(1, Ordering::SeqCst))
    }

    pub fn said(&self) -> Vec<Said> {
        self.said.lock().unwrap().clone()
    }

    /// The next thing that a persona says, in order; each is returned once.
    pub async fn next(&self) -> Said {
        loop {
            let arrived = self.arrived.notified();
            if let Some(said) = self.unread.lock().unwrap().pop_front() {
                return said;
            }
            arrived.await;
        }
    }

    pub fn expect_trouble(&self, trouble: Trouble) {
        self.trouble.lock().unwrap().push_back(trouble);
    }

    /// What a message of ours says now; none where it is gone.
    pub fn text_of(&self, key: MessageKey) -> Option<String> {
        self.said().into_iter().find(|said| said.key == key).map(|said| said.text)
    }

    /// Lets nobody speak for this reason; none lifts it.
    pub fn ban(&self, why: Option<&str>) {
        *self.ban.lock().unwrap() = why.map(ToOwned::to_owned);
    }

    /// Whether the history knows all that was said. Whoever makes it true tells the app.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
    }

    /// Waits until a persona stops without having posted anything, and says who. What was before the call counts too, but
    /// only once.
    pub async fn gives_up(&self) -> String {
        self.gave_up.subscribe().wait_for(|names| !names.is_empty()).await.unwrap();
        let mut first = None;
        self.gave_up.send_modify(|names| first = names.pop_front());
        first.unwrap()
    }

    /// Holds posts back until it is opened again.
    pub fn set_open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    fn accept(&self, post: &Post) -> Arrival {
        let said = Said {
            nonce: post.nonce(),
            name: post.persona.name.clone(),
            avatar_url: post.persona.avatar_url.clone(),
            text: post.text.clone(),
            key: self.next_key(),
            sent_at: post.started_at,
        };
        let arrival = Arrival { key: said.key, sent_at: said.sent_at };
        self.said.lock().unwrap().push(said.clone());
        self.unread.lock().unwrap().push_back(said);
        self.arrived.notify_waiters();
        arrival
    }
}

#[async_trait]
impl Platform for MemoryPlatform {
    fn kind(&self) -> chat::Platform {
        self.kind
    }

    async fn post(&self, post: &Post) -> Result<Arrival, PostError> {
        self.gate.subscribe().wait_for(|open| *open).await.unwrap();
        let soon = |why: &str| PostError::Retry { after: Duration::from_millis(1), why: why.to_owned() };
        let trouble = self.trouble.lock().unwrap().pop_front();
        match trouble {
            None => Ok(self.accept(post)),
            Some(Trouble::AnswerLost) => {
                self.accept(post);
                Err(soon("the answer was lost"))
            }
            Some(Trouble::Busy) => Err(soon("busy")),
            Some(Trouble::Refused) => Err(PostError::Refused("no permission".to_owned())),
        }
    }

    async fn find_posted(&self, post: &Post) -> Result<Option<Arrival>, PostError> {
        let said = self.said().into_iter().find(|said| said.nonce == post.nonce());
        Ok(said.map(|said| Arrival { key: said.key, sent_at: said.sent_at }))
    }

    async fn edit(&self, _room: &Room, key: MessageKey, text: &str) -> Result<(), PostError> {
        let mut said = self.said.lock().unwrap();
        let gone = || PostError::Refused("there is no such message".to_owned());
        let edited = said.iter_mut().find(|said| said.key == key).ok_or_else(gone)?;
        edited.text = text.to_owned();
        Ok(())
    }

    async fn delete(&self, _room: &Room, key: MessageKey) -> Result<(), PostError> {
        self.said.lock().unwrap().retain(|said| said.key != key);
        Ok(())
    }

    async fn may_speak(&self, _room: &Room) -> Result<(), String> {
        self.ban.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn typing(&self, typing: Typing<'_>) {
        if typing.draft.is_none() {
            self.gave_up.send_modify(|names| names.push_back(typing.persona.name.clone()));
        }
    }

    fn is_ready(&self, _room: &Room) -> bool {
        self.ready.load(Ordering::SeqCst)
    }
}
