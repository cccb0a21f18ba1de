//! What pages are shown, as JSON. Message keys are strings there: they are too large for a number of JavaScript.

use std::collections::HashMap;

use chat::{Author, ForcedSpeaker, Message, MessageKey, Pacing, Persona, RoomId, Sampling, sanitise};
use chrono::{DateTime, Utc};
use serde::Serialize;
use store::Store;

use super::assets;
use crate::RoomView;

/// How much of a message is quoted above its answer, in characters.
const QUOTED: usize = 140;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PersonaShown {
    id: i32,
    name: String,
}

impl From<&Persona> for PersonaShown {
    fn from(persona: &Persona) -> Self {
        Self { id: persona.id.0, name: persona.name.clone() }
    }
}

#[derive(Debug, Serialize)]
struct AuthorShown {
    kind: &'static str,
    id: i32,
    name: String,
}

#[derive(Debug, Clone, Serialize)]
struct Quote {
    name: String,
    text: String,
}

impl Quote {
    fn of(message: &Message) -> Self {
        let line = sanitise::one_line(&message.text);
        Self { name: message.author_name.clone(), text: sanitise::cut_at_word(&line, QUOTED) }
    }
}

#[derive(Debug, Serialize)]
struct ReactionShown {
    emoji: String,
    count: i64,
}

/// A message as pages show it.
#[derive(Debug, Serialize)]
pub(super) struct MessageShown {
    #[serde(serialize_with = "as_text")]
    pub(super) id: MessageKey,
    author: AuthorShown,
    text: String,
    at: DateTime<Utc>,
    #[serde(serialize_with = "as_text_if_any")]
    reply_to: Option<MessageKey>,
    quote: Option<Quote>,
    generated: bool,
    edited: bool,
    reactions: Vec<ReactionShown>,
}

/// Messages of a room with what they quote and the reactions to them.
pub(super) async fn messages(store: &Store, room: RoomId, messages: Vec<Message>) -> store::Result<Vec<MessageShown>> {
    let quotes = quotes(store, room, &messages).await?;
    let mut reactions: HashMap<MessageKey, Vec<ReactionShown>> = HashMap::new();
    let keys: Vec<MessageKey> = messages.iter().map(|message| message.key).collect();
    for (key, emoji, count) in store.reactions(room, &keys).await? {
        reactions.entry(key).or_default().push(ReactionShown { emoji, count });
    }
    let shown = |message: Message| MessageShown {
        id: message.key,
        generated: !message.is_human(),
        author: author(message.author, message.author_name),
        at: message.sent_at,
        quote: message.reply_to.and_then(|key| quotes.get(&key).cloned()),
        reply_to: message.reply_to,
        edited: message.edited_at.is_some(),
        reactions: reactions.remove(&message.key).unwrap_or_default(),
        text: message.text,
    };
    Ok(messages.into_iter().map(shown).collect())
}

/// What the messages answer, from among them or from further back.
async fn quotes(store: &Store, room: RoomId, messages: &[Message]) -> store::Result<HashMap<MessageKey, Quote>> {
    let mut quotes = HashMap::new();
    for key in messages.iter().filter_map(|message| message.reply_to) {
        let quote = match messages.iter().find(|message| message.key == key) {
            Some(message) => Some(Quote::of(message)),
            None => store.message(room, key).await?.as_ref().map(Quote::of),
        };
        quotes.extend(quote.map(|quote| (key, quote)));
    }
    Ok(quotes)
}

fn author(author: Author, name: String) -> AuthorShown {
    match author {
        Author::Member(id) => AuthorShown { kind: "member", id: id.0, name },
        Author::Persona(id) => AuthorShown { kind: "persona", id: id.0, name },
    }
}

#[derive(Debug, Serialize)]
struct SettingsShown {
    topic: Option<String>,
    speakers: Vec<ForcedSpeaker>,
    pacing: Pacing,
    idle_seconds: Option<u64>,
    sampling: Sampling,
    #[serde(serialize_with = "as_text_if_any")]
    window_after: Option<MessageKey>,
}

/// A room's cast and settings as pages show them.
#[derive(Debug, Serialize)]
pub(super) struct ViewShown {
    settings: SettingsShown,
    cast: Vec<PersonaShown>,
    others: Vec<String>,
    voice: String,
    /// Changes with the page itself, so that one that was loaded before an upgrade knows that it is old.
    version: &'static str,
}

impl From<RoomView> for ViewShown {
    fn from(view: RoomView) -> Self {
        let settings = view.settings;
        Self {
            settings: SettingsShown {
                topic: settings.topic,
                speakers: settings.speakers,
                pacing: settings.pacing,
                idle_seconds: settings.idle_seconds,
                sampling: settings.sampling,
                window_after: settings.window_after,
            },
            cast: view.cast.iter().map(PersonaShown::from).collect(),
            others: view.others,
            voice: view.voice,
            version: assets::version(),
        }
    }
}

fn as_text<S: serde::Serializer>(key: &MessageKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

fn as_text_if_any<S: serde::Serializer>(key: &Option<MessageKey>, serializer: S) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => serializer.collect_str(key),
        None => serializer.serialize_none(),
    }
}
