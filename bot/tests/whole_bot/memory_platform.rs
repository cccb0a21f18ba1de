//! A messenger in memory: it keeps what is posted, can lose answers and refuse posts, as real ones do.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bot::platform::{Arrival, Platform, Post, PostError, Typing};
use chat::MessageKey;
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

/// Something that a persona said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub nonce: String,
    pub name: String,
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
    next_key: AtomicI64,
    said: Mutex<Vec<Said>>,
    read: AtomicUsize,
    arrived: Notify,
    trouble: Mutex<VecDeque<Trouble>>,
    /// While it is set, posts wait here.
    gate: watch::Sender<bool>,
}

impl MemoryPlatform {
    pub fn new() -> Self {
        Self {
            next_key: AtomicI64::new(1_000),
            said: Mutex::default(),
            read: AtomicUsize::new(0),
            arrived: Notify::new(),
            trouble: Mutex::default(),
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
            let read = self.read.load(Ordering::SeqCst);
            if let Some(said) = self.said().get(read) {
                self.read.store(read + 1, Ordering::SeqCst);
                return said.clone();
            }
            arrived.await;
        }
    }

    pub fn expect_trouble(&self, trouble: Trouble) {
        self.trouble.lock().unwrap().push_back(trouble);
    }

    /// Holds posts back until it is opened again.
    pub fn set_open(&self, open: bool) {
        self.gate.send_replace(open);
    }

    fn accept(&self, post: &Post) -> Arrival {
        let said = Said {
            nonce: post.nonce(),
            name: post.persona.name.clone(),
            text: post.text.clone(),
            key: self.next_key(),
            sent_at: post.started_at,
        };
        let arrival = Arrival { key: said.key, sent_at: said.sent_at };
        self.said.lock().unwrap().push(said);
        self.arrived.notify_waiters();
        arrival
    }
}

#[async_trait]
impl Platform for MemoryPlatform {
    fn kind(&self) -> chat::Platform {
        chat::Platform::Telegram
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

    async fn typing(&self, _typing: Typing<'_>) {}
}
