//! What this Discord knows: users, guilds, channels, messages, webhooks, commands and interactions. Plain data; the
//! neighbours read and change it under one lock, which is never held over an await.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Options;
use super::clock::Snowflakes;
use super::gateway::Gateway;
use super::limits::Limits;
use super::permissions::Overwrite;
use super::trouble::Trouble;

pub const BOT: u64 = 1_100_000_000_000_000_001;

/// Differs from the bot's id, as with applications from before 2017, so that a mix-up shows.
pub const APPLICATION: u64 = 1_100_000_000_000_000_002;

pub const TEXT: u8 = 0;
pub const DIRECT: u8 = 1;
pub const CATEGORY: u8 = 4;
pub const ANNOUNCEMENT: u8 = 5;
pub const PUBLIC_THREAD: u8 = 11;
pub const FORUM: u8 = 15;

pub const REPLY: u8 = 19;
pub const EPHEMERAL: u64 = 1 << 6;
pub const LOADING: u64 = 1 << 7;

/// How long an interaction waits for its first answer.
pub const INTERACTION_PATIENCE: Duration = Duration::from_secs(3);
pub const INTERACTION_LIFE: Duration = Duration::from_secs(15 * 60);

/// The logs keep this many lines; a test that makes more has lost interest in the first.
const LOG_LINES: usize = 200_000;

pub struct World {
    pub options: Options,
    pub bot: u64,
    pub application: u64,
    pub users: HashMap<u64, User>,
    pub guilds: BTreeMap<u64, Guild>,
    pub channels: HashMap<u64, Channel>,
    pub webhooks: BTreeMap<u64, Webhook>,
    /// Webhooks of which the client has been told that they do not exist.
    pub refused_webhooks: Vec<u64>,
    /// Messages posted through webhooks, in order, as (channel, message), and how many of them a test has taken.
    pub webhook_posts: Vec<(u64, u64)>,
    pub webhook_posts_taken: usize,
    /// The commands of all guilds under `None`.
    pub commands: HashMap<Option<u64>, Vec<Value>>,
    pub interactions: HashMap<u64, Interaction>,
    pub gateway: Gateway,
    pub limits: Limits,
    pub trouble: Trouble,
    pub requests: VecDeque<(String, String, u16)>,
    pub invalid_requests: usize,
    pub violations: Vec<String>,
    pub snowflakes: Snowflakes,
    pub changed: Arc<Notify>,
}

#[derive(Clone, Debug)]
pub struct User {
    pub id: u64,
    pub name: String,
    pub avatar: Option<String>,
    pub bot: bool,
}

#[derive(Clone, Debug)]
pub struct Member {
    pub user: u64,
    pub nick: Option<String>,
    pub avatar: Option<String>,
    pub roles: Vec<u64>,
    pub joined_at: DateTime<Utc>,
}

#[derive(Clone, Debug)]
pub struct Role {
    pub id: u64,
    pub name: String,
    pub permissions: u64,
    pub position: usize,
    /// The bot whose invitation made the role.
    pub of_bot: Option<u64>,
}

pub struct Guild {
    pub id: u64,
    pub name: String,
    pub owner: u64,
    /// The role with the id of the guild is @everyone.
    pub roles: BTreeMap<u64, Role>,
    pub members: BTreeMap<u64, Member>,
}

pub struct Channel {
    pub id: u64,
    pub guild: Option<u64>,
    pub parent: Option<u64>,
    pub kind: u8,
    pub name: String,
    pub topic: Option<String>,
    pub overwrites: Vec<Overwrite>,
    pub messages: BTreeMap<u64, FakeMessage>,
    pub last_message: Option<u64>,
    pub owner: Option<u64>,
    pub archived: bool,
    pub locked: bool,
    /// How often the bot said that it is typing.
    pub typing_by_bot: usize,
    /// How many messages a test has taken with `next_message`: the id of the last one.
    pub taken: u64,
}

impl Channel {
    pub fn is_thread(&self) -> bool {
        self.kind == PUBLIC_THREAD
    }

    pub fn holds_messages(&self) -> bool {
        !matches!(self.kind, CATEGORY | FORUM)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    pub id: u64,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A message as it stands, with what its author asked for that Discord does not show (`allowed_mentions`, the URL of
/// the picture).
#[derive(Clone, Debug)]
pub struct FakeMessage {
    pub id: u64,
    pub channel: u64,
    pub author: u64,
    /// The name shown, which for webhooks can differ from message to message.
    pub author_name: String,
    pub avatar_url: Option<String>,
    pub content: String,
    pub kind: u8,
    pub flags: u64,
    pub reply_to: Option<u64>,
    pub webhook: Option<u64>,
    pub application: Option<u64>,
    pub interaction: Option<u64>,
    pub nonce: Option<Value>,
    /// Each emoji with who reacted with it.
    pub reactions: Vec<(String, Vec<u64>)>,
    pub edited_at: Option<DateTime<Utc>>,
    pub attachments: Vec<Attached>,
    pub components: Value,
    pub embeds: Value,
    pub allowed_mentions: Option<Value>,
}

#[derive(Clone, Debug)]
pub struct Webhook {
    pub id: u64,
    pub channel: u64,
    pub guild: u64,
    pub name: String,
    pub avatar: Option<String>,
    pub token: String,
    /// The application that made it; one that a human made has none.
    pub application: Option<u64>,
    pub creator: u64,
}

pub struct Interaction {
    pub id: u64,
    pub token: String,
    /// 2 command, 3 component, 4 autocomplete.
    pub kind: u8,
    pub name: String,
    pub channel: u64,
    pub user: u64,
    pub created: Instant,
    pub acknowledged: bool,
    pub deferred: bool,
    pub answered: Option<Instant>,
    /// The message that `@original` means.
    pub original: Option<FakeMessage>,
    pub followups: Vec<FakeMessage>,
    pub choices: Option<Vec<(String, String)>>,
}

impl World {
    pub fn new(options: Options, changed: Arc<Notify>) -> Self {
        let bot = User { id: BOT, name: "groupchat".into(), avatar: None, bot: true };
        Self {
            gateway: Gateway::new(options.replay_events),
            limits: Limits::new(options.limits_times),
            options,
            bot: BOT,
            application: APPLICATION,
            users: HashMap::from([(BOT, bot)]),
            guilds: BTreeMap::new(),
            channels: HashMap::new(),
            webhooks: BTreeMap::new(),
            refused_webhooks: Vec::new(),
            webhook_posts: Vec::new(),
            webhook_posts_taken: 0,
            commands: HashMap::new(),
            interactions: HashMap::new(),
            trouble: Trouble::default(),
            requests: VecDeque::new(),
            invalid_requests: 0,
            violations: Vec::new(),
            snowflakes: Snowflakes::default(),
            changed,
        }
    }

    /// Wakes the tests that wait for something to happen.
    pub fn touch(&self) {
        self.changed.notify_waiters();
    }

    /// A name that nobody guesses by accident: of a session, a webhook's or an interaction's token.
    pub fn secret(&mut self) -> String {
        let id = self.snowflakes.next();
        format!("{:016x}{:016x}", id.wrapping_mul(0x9e37_79b9_7f4a_7c15), id.rotate_left(29))
    }

    pub fn violation(&mut self, what: String) {
        if self.violations.len() < LOG_LINES {
            self.violations.push(what);
        }
    }

    pub fn log_request(&mut self, method: String, path: String, status: u16) {
        if self.requests.len() == LOG_LINES {
            self.requests.pop_front();
        }
        self.requests.push_back((method, path, status));
    }

    pub fn has_bot(&self, guild: &Guild) -> bool {
        guild.members.contains_key(&self.bot)
    }

    pub fn message(&self, channel: u64, message: u64) -> Option<&FakeMessage> {
        self.channels.get(&channel)?.messages.get(&message)
    }

    pub fn message_mut(&mut self, channel: u64, message: u64) -> Option<&mut FakeMessage> {
        self.channels.get_mut(&channel)?.messages.get_mut(&message)
    }

    /// The name under which a user is shown in a channel's guild.
    pub fn shown_name(&self, channel: u64, user: u64) -> String {
        let guild = self.channels.get(&channel).and_then(|c| c.guild).and_then(|id| self.guilds.get(&id));
        let nick = guild.and_then(|guild| guild.members.get(&user)).and_then(|member| member.nick.clone());
        nick.or_else(|| self.users.get(&user).map(|user| user.name.clone())).unwrap_or_default()
    }
}

impl FakeMessage {
    /// A plain message of a user; what is special about it the caller sets.
    pub fn written(id: u64, channel: u64, author: u64, author_name: String, content: &str) -> Self {
        Self {
            id,
            channel,
            author,
            author_name,
            avatar_url: None,
            content: content.to_owned(),
            kind: 0,
            flags: 0,
            reply_to: None,
            webhook: None,
            application: None,
            interaction: None,
            nonce: None,
            reactions: Vec::new(),
            edited_at: None,
            attachments: Vec::new(),
            components: Value::Array(Vec::new()),
            embeds: Value::Array(Vec::new()),
            allowed_mentions: None,
        }
    }

    pub fn is_ephemeral(&self) -> bool {
        self.flags & EPHEMERAL != 0
    }
}
