//! What Telegram calls chats, topics, people and messages, as the history calls them: as an export of Telegram Desktop
//! does, so that both meet.

use chat::{MemberKey, MessageKey};
use chrono::{DateTime, Utc};
use store::Room;
use teloxide::types::{ChatId, MessageId, ThreadId, UserId};

use super::api::Fault;

/// Ids of supergroups and channels are below this: -100 and then their own.
const SUPERGROUPS: i64 = -1_000_000_000_000;

/// Whether a chat numbers its messages for everybody alike. A small group does so for each account by itself.
pub(super) fn is_numbered(chat: ChatId) -> bool {
    chat.0 < SUPERGROUPS
}

pub(super) fn user(id: UserId) -> MemberKey {
    MemberKey(format!("user{id}"))
}

/// A chat that writes in its own name: an administrator who stays unnamed, or a channel.
pub(super) fn channel(id: ChatId) -> MemberKey {
    MemberKey(format!("channel{}", if is_numbered(id) { SUPERGROUPS - id.0 } else { -id.0 }))
}

/// The key of a message.
pub(super) fn message(chat: ChatId, id: MessageId, date: DateTime<Utc>) -> MessageKey {
    match is_numbered(chat) {
        true => MessageKey(id.0.into()),
        false => MessageKey::from_second(date, id.0.unsigned_abs()),
    }
}

/// What Telegram calls a message; none where it was said before the chat became what it is.
pub(super) fn message_id(chat: ChatId, key: MessageKey) -> Option<MessageId> {
    let id = match is_numbered(chat) {
        true => i32::try_from(key.0).ok().filter(|&id| id > 0),
        false => key.place().and_then(|place| i32::try_from(place).ok()),
    };
    id.map(MessageId)
}

/// Where a message goes: a chat, and a topic of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    pub chat: ChatId,
    pub topic: Option<ThreadId>,
}

impl Spot {
    /// What a room is called: the chat's id, and that of the topic behind a slash.
    pub(super) fn room(self) -> String {
        match self.topic {
            Some(topic) => format!("{}/{topic}", self.chat),
            None => self.chat.to_string(),
        }
    }

    /// The spot that a room is.
    pub(super) fn of(room: &Room) -> Result<Spot, Fault> {
        let (chat, topic) = match room.external_id.split_once('/') {
            Some((chat, topic)) => (chat, Some(topic)),
            None => (room.external_id.as_str(), None),
        };
        let topic = topic.map(|topic| topic.parse().map(|id| ThreadId(MessageId(id)))).transpose();
        match (chat.parse(), topic) {
            (Ok(chat), Ok(topic)) => Ok(Spot { chat: ChatId(chat), topic }),
            _ => Err(Fault::Refused(format!(
                "room {} is called \"{}\", which is no chat of Telegram",
                room.id, room.external_id
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUPERGROUP: ChatId = ChatId(-1_001_500_000_001);
    const GROUP: ChatId = ChatId(-4_200_000_001);

    #[test]
    fn people_are_called_as_in_an_export() {
        assert_eq!(user(UserId(12)).0, "user12");
        assert_eq!(channel(SUPERGROUP).0, "channel1500000001");
    }

    #[test]
    fn messages_are_found_again_by_their_keys() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for chat in [SUPERGROUP, GROUP] {
            let key = message(chat, MessageId(77), at);
            assert_eq!(message_id(chat, key), Some(MessageId(77)));
        }
        assert_eq!(message(SUPERGROUP, MessageId(77), at), MessageKey(77));
        assert_eq!(message_id(SUPERGROUP, message(GROUP, MessageId(77), at)), None, "the chat was another one then");
    }
}
