//! What is known of chats beside their history: the names of their topics, who manages them, which of them have put us
//! out, and which are called otherwise now. It is kept in memory only.

use std::{collections::HashSet, sync::Arc, time::Duration};

use dashmap::{DashMap, DashSet};
use teloxide::{
    prelude::Requester,
    types::{Chat, ChatId, ThreadId, UserId},
};
use tokio::time::Instant;

use super::{
    api::{Fault, Mouth},
    keys::Spot,
};
use crate::event::{Group, Parent, Place};

/// How long it is believed who manages a group.
const ADMINISTRATORS_KEPT: Duration = Duration::from_secs(60);
/// How many of each kind are remembered. Beyond it all of it is learned again.
const REMEMBERED: usize = 20_000;

/// What is known of chats.
#[derive(Debug, Default)]
pub(super) struct Chats {
    topics: DashMap<(ChatId, ThreadId), String>,
    administrators: DashMap<ChatId, (Instant, Arc<HashSet<UserId>>)>,
    away: DashSet<ChatId>,
    moved: DashMap<ChatId, ChatId>,
}

impl Chats {
    pub(super) fn name_topic(&self, chat: ChatId, topic: ThreadId, name: &str) {
        if self.topics.len() >= REMEMBERED {
            self.topics.clear();
        }
        self.topics.insert((chat, topic), name.to_owned());
    }

    /// What a chat is called now, which its older messages and our rooms may not know yet.
    pub(super) fn current(&self, chat: ChatId) -> ChatId {
        self.moved.get(&chat).map_or(chat, |to| *to)
    }

    pub(super) fn moved(&self, from: ChatId, to: ChatId) {
        self.moved.insert(from, to);
    }

    pub(super) fn group(&self, chat: &Chat) -> Group {
        Group {
            platform: chat::Platform::Telegram,
            community: self.current(chat.id).to_string(),
            title: chat.title().unwrap_or_default().to_owned(),
        }
    }

    /// The room that a topic of a chat is, or the chat itself.
    pub(super) fn place(&self, chat: &Chat, topic: Option<ThreadId>) -> Place {
        let Group { platform, community, title } = self.group(chat);
        let spot = Spot { chat: self.current(chat.id), topic };
        let name = topic.and_then(|topic| self.topics.get(&(chat.id, topic)).map(|name| name.clone()));
        Place {
            platform,
            room: spot.room(),
            room_title: if topic.is_some() { name.unwrap_or_default() } else { title.clone() },
            parent: topic.map(|_| Parent { room: community.clone(), title: title.clone() }),
            community,
            community_title: title,
        }
    }

    /// Whether somebody manages a group.
    ///
    /// # Errors
    /// Where Telegram cannot be asked, or will not say.
    pub(super) async fn is_administrator(&self, mouth: &Mouth, chat: ChatId, user: UserId) -> Result<bool, Fault> {
        let known = self.administrators.get(&chat).filter(|known| known.0.elapsed() < ADMINISTRATORS_KEPT);
        if let Some(administrators) = known.map(|known| known.1.clone()) {
            return Ok(administrators.contains(&user));
        }
        let found = mouth.get_chat_administrators(chat).await?;
        let administrators: Arc<HashSet<UserId>> = Arc::new(found.into_iter().map(|member| member.user.id).collect());
        if self.administrators.len() >= REMEMBERED {
            self.administrators.clear();
        }
        self.administrators.insert(chat, (Instant::now(), administrators.clone()));
        Ok(administrators.contains(&user))
    }

    /// Somebody's rights in a group have changed: who manages it is asked for again.
    pub(super) fn rights_changed(&self, chat: ChatId) {
        self.administrators.remove(&chat);
    }

    pub(super) fn put_out(&self, chat: ChatId) {
        self.away.insert(chat);
    }

    pub(super) fn taken_in(&self, chat: ChatId) {
        self.away.remove(&chat);
    }

    /// Whether we are in a group, as far as we know.
    pub(super) fn are_in(&self, chat: ChatId) -> bool {
        !self.away.contains(&chat)
    }
}
