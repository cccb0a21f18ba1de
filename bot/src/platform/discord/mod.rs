//! Discord: servers are communities, channels and threads are rooms, personas speak through one webhook a channel.
//!
//! This folder is the only place that names serenity. `gateway` hears, `inbound` translates, `catch_up` and `backfill`
//! read what was not heard, `webhooks` and `posting` speak, `commands` and `interactions` offer the commands, `doctor`
//! says what is wrong with a set-up. The library's cache stays off: what is needed of a server is in `directory`, and
//! the history is in the store.

mod api;
mod backfill;
mod catch_up;
mod commands;
mod directory;
pub mod doctor;
mod gateway;
mod inbound;
mod interactions;
mod invite;
mod names;
mod options;
mod posting;
mod reading;
mod webhooks;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Context, bail};
use async_trait::async_trait;
use chat::{Member, MessageKey, RoomId};
use chrono::{DateTime, Utc};
use dashmap::DashMap;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;
use serenity::{
    http::{Http, MessagePagination},
    model::{
        application::ApplicationFlags,
        channel::Message,
        id::{ApplicationId, ChannelId, GuildId, MessageId, UserId},
    },
};
use store::{Room, Store};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    api::Fault,
    catch_up::Readiness,
    directory::Directory,
    posting::Answered,
    webhooks::{Hook, Webhooks},
};
use super::{Arrival, Platform, Post, PostError, Typing, place_among_namesakes};
use crate::{
    App, Clock,
    commands::{Answer, HistoryCommand},
};

/// How long Discord shows somebody as typing, less what a call takes.
const TYPING_SHOWN: Duration = Duration::from_secs(8);
/// How far our clock may be ahead of Discord's: a message of ours is looked for from so much before it was posted on.
const CLOCK_SKEW: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// The first millisecond of Discord's ids, from its documentation of snowflakes.
const EPOCH_MILLIS: i64 = 1_420_070_400_000;
/// How long to wait before Discord is asked again that was not there at the start: at first, and at most.
const START_RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// What the operator set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token.
    pub token: SecretString,
    /// Another server than Discord's that speaks its protocol, as HOST:PORT. Its certificate is one for discord.com.
    pub address: Option<String>,
    /// A certificate to be trusted beside the well-known ones, in PEM.
    pub tls_ca: Option<PathBuf>,
    /// What personas are called; `{name}` stands for the member's name.
    pub persona_name: String,
    /// The servers in which the commands are offered; empty for all.
    pub command_guilds: Vec<u64>,
    /// The shards that this process runs; none for as many as Discord recommends.
    pub shards: Option<Shards>,
}

/// A range of shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shards {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// How many there are in all processes.
    pub total: u32,
}

/// Who we are on Discord.
#[derive(Debug, Clone, Copy)]
struct Us {
    user: UserId,
    application: ApplicationId,
}

/// The connection to Discord.
pub struct Discord {
    /// For tasks that outlive the call that begins them.
    this: Weak<Discord>,
    settings: Settings,
    http: Arc<Http>,
    us: Us,
    store: Store,
    clock: Clock,
    app: OnceLock<App>,
    directory: Directory,
    webhooks: Webhooks,
    readiness: Readiness,
    typing_shown: DashMap<RoomId, Instant>,
    backfills: DashMap<RoomId, CancellationToken>,
    tasks: TaskTracker,
    rng: Mutex<ChaCha8Rng>,
}

impl Discord {
    /// Makes sure that Discord knows us. While it cannot be reached, that is tried again until the shutdown.
    ///
    /// # Errors
    /// A sentence with the remedy, where Discord does not take the token or the settings are wrong.
    pub async fn connect(
        settings: Settings,
        store: Store,
        clock: Clock,
        seed: u64,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Arc<Discord>> {
        let http = api::connect(&settings)?;
        let us = tokio::select! {
            us = who_are_we(&http) => us?,
            () = shutdown.cancelled() => bail!("Discord was not reached before the program was ended"),
        };
        http.set_application_id(us.application);
        Ok(Arc::new_cyclic(|this| Discord {
            this: this.clone(),
            settings,
            http: Arc::new(http),
            us,
            store,
            clock,
            app: OnceLock::new(),
            directory: Directory::default(),
            webhooks: Webhooks::default(),
            readiness: Readiness::default(),
            typing_shown: DashMap::new(),
            backfills: DashMap::new(),
            tasks: TaskTracker::new(),
            rng: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
        }))
    }

    /// The link that takes the bot into a server, with just the permissions it needs.
    pub fn invite_link(&self) -> String {
        invite::link(self.us.application)
    }

    /// Listens to Discord until the shutdown.
    ///
    /// # Errors
    /// A sentence with the remedy, where Discord will not have us.
    pub async fn run(self: Arc<Self>, app: App, shutdown: CancellationToken) -> anyhow::Result<()> {
        if self.app.set(app).is_err() {
            bail!("the connection to Discord is in use already");
        }
        self.tasks.spawn(self.clone().settle_in(shutdown.clone()));
        let served = gateway::run(self.clone(), shutdown.clone()).await;
        self.tasks.close();
        self.tasks.wait().await;
        served
    }

    /// Registers the commands and goes on with what a restart interrupted, however long that takes.
    async fn settle_in(self: Arc<Self>, shutdown: CancellationToken) {
        let (mut pause, longest) = START_RETRY;
        loop {
            let settled = async {
                for scope in commands::register(&self.http, self.us.application, &self.settings).await? {
                    tracing::info!("registered the commands {scope}");
                }
                anyhow::Ok(backfill::resume(&self).await?)
            };
            match settled.await {
                Ok(()) => return,
                Err(error) => tracing::warn!("the commands are not registered yet: {error:#}"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(longest),
            }
        }
    }

    fn app(&self) -> &App {
        self.app.get().expect("the gateway runs only once there is an app")
    }

    /// What a fault means for a post, with chance in how long it waits.
    fn post_error(&self, fault: Fault) -> PostError {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        fault.of_post(&mut *rng)
    }

    /// The name that a persona posts under, told apart from others of the same name.
    async fn name_of(&self, post: &Post) -> store::Result<String> {
        let place = place_among_namesakes(&self.store, &post.persona).await?;
        Ok(names::acceptable(&post.persona.name, &self.settings.persona_name, place))
    }

    /// Where a room's messages go: the channel of its webhook, and the thread if it is one.
    async fn target(&self, room: &Room) -> Result<Target, Fault> {
        let channel = channel_of(room)?;
        let parent = match &room.parent_external_id {
            Some(parent) => Some(parent.parse().map_err(|_| not_ours(room))?),
            None => None,
        };
        let hook_channel = parent.unwrap_or(channel);
        let hook = self.webhooks.of(&self.http, self.us.application, hook_channel).await?;
        Ok(Target { hook, hook_channel, thread: parent.is_some().then_some(channel) })
    }

    /// Calls with a webhook. One that somebody has deleted is made anew, once.
    async fn with_hook<T, F>(&self, room: &Room, call: impl Fn(Target) -> F) -> Result<T, Fault>
    where
        F: Future<Output = serenity::Result<T>>,
    {
        let target = self.target(room).await?;
        let hook_channel = target.hook_channel;
        let first = call(target).await.map_err(Fault::from);
        let answer = match first {
            Err(Fault::WebhookGone) => {
                tracing::info!(room = %room.id, "the webhook was deleted; making it anew");
                self.webhooks.forget(hook_channel);
                call(self.target(room).await?).await.map_err(Fault::from)
            }
            answer => answer,
        };
        match &answer {
            Err(fault @ Fault::Forbidden(_)) => self.webhooks.refused(hook_channel, fault.clone()).await,
            Err(Fault::WebhookGone) => self.webhooks.forget(hook_channel),
            _ => {}
        }
        answer
    }

    async fn pieces_of(&self, post: &Post) -> Result<Vec<String>, PostError> {
        let answered = match post.reply_to {
            Some(key) => self.store.message(post.room.id, key).await.map_err(|error| store_error(&error))?,
            None => None,
        };
        let (Ok(guild), Ok(channel)) = (post.room.community_external_id.parse(), channel_of(&post.room)) else {
            return Err(self.post_error(not_ours(&post.room)));
        };
        let answered = answered.as_ref().map(|message| Answered {
            name: &message.author_name,
            guild: GuildId::new(guild),
            channel,
            message: message.key.0,
        });
        Ok(posting::pieces(&post.text, answered.as_ref()))
    }

    async fn execute(&self, post: &Post, name: &str, content: &str) -> Result<Message, Fault> {
        let body = posting::body(content, name, post.persona.avatar_url.as_deref());
        let posted = self.with_hook(&post.room, |target| {
            let body = &body;
            async move { target.execute(&self.http, body).await }
        });
        posted.await?.ok_or_else(|| Fault::Passing("it did not say what became of a message".to_owned()))
    }

    /// Posts the pieces from `done` on, and says where the first one is.
    async fn post_pieces(
        &self,
        post: &Post,
        name: &str,
        pieces: &[String],
        done: &[Message],
    ) -> Result<Arrival, PostError> {
        let mut first = done.first().map(arrival);
        for content in &pieces[done.len()..] {
            let posted = self.execute(post, name, content).await.map_err(|fault| self.post_error(fault))?;
            first.get_or_insert_with(|| arrival(&posted));
        }
        first.ok_or_else(|| PostError::Refused("there was nothing to post".to_owned()))
    }

    /// The messages of our webhooks in a room since an attempt to post began, oldest first, without those whose turn is
    /// known to be posted.
    async fn unclaimed_since(&self, room: &Room, started_at: DateTime<Utc>) -> Result<Vec<Message>, PostError> {
        let channel = channel_of(room).map_err(|fault| self.post_error(fault))?;
        let mut after = snowflake(started_at - CLOCK_SKEW);
        let mut ours: Vec<Message> = Vec::new();
        loop {
            let page = self.http.get_messages(channel, Some(MessagePagination::After(after)), Some(100)).await;
            let mut page = page.map_err(|error| self.post_error(error.into()))?;
            page.sort_by_key(|message| message.id);
            let Some(newest) = page.last().map(|message| message.id) else { break };
            let is_whole = page.len() == 100;
            ours.extend(page.into_iter().filter(|message| self.is_persona_post(message)));
            after = newest;
            if !is_whole {
                break;
            }
        }
        let keys: Vec<MessageKey> = ours.iter().map(|message| key(message.id)).collect();
        let known = self.store.is_known(room.id, &keys).await.map_err(|error| store_error(&error))?;
        ours.retain(|message| !known.contains(&key(message.id)));
        Ok(ours)
    }

    /// Whether one of our webhooks posted a message. Answers to commands look alike, with the application's own id.
    fn is_persona_post(&self, message: &Message) -> bool {
        let us = self.us.application;
        message.application_id == Some(us) && message.webhook_id.is_some_and(|webhook| webhook.get() != us.get())
    }
}

/// Where a message goes.
#[derive(Debug, Clone)]
struct Target {
    hook: Hook,
    hook_channel: ChannelId,
    thread: Option<ChannelId>,
}

impl Target {
    async fn execute(&self, http: &Http, body: &serde_json::Value) -> serenity::Result<Option<Message>> {
        use secrecy::ExposeSecret;
        let Hook { id, token } = &self.hook;
        http.execute_webhook(*id, self.thread, token.expose_secret(), true, Vec::new(), body).await
    }

    async fn edit(&self, http: &Http, message: MessageId, body: &serde_json::Value) -> serenity::Result<Message> {
        use secrecy::ExposeSecret;
        let Hook { id, token } = &self.hook;
        http.edit_webhook_message(*id, self.thread, token.expose_secret(), message, body, Vec::new()).await
    }

    async fn delete(&self, http: &Http, message: MessageId) -> serenity::Result<()> {
        use secrecy::ExposeSecret;
        let Hook { id, token } = &self.hook;
        http.delete_webhook_message(*id, self.thread, token.expose_secret(), message).await
    }
}

#[async_trait]
impl Platform for Discord {
    fn kind(&self) -> chat::Platform {
        chat::Platform::Discord
    }

    async fn post(&self, post: &Post) -> Result<Arrival, PostError> {
        let name = self.name_of(post).await.map_err(|error| store_error(&error))?;
        let pieces = self.pieces_of(post).await?;
        self.post_pieces(post, &name, &pieces, &[]).await
    }

    async fn find_posted(&self, post: &Post) -> Result<Option<Arrival>, PostError> {
        let pieces = self.pieces_of(post).await?;
        let unclaimed = self.unclaimed_since(&post.room, post.started_at).await?;
        let first = unclaimed.iter().position(|message| posting::said(&message.content) == posting::said(&pieces[0]));
        let Some(first) = first else { return Ok(None) };
        // Of a text in several pieces the later ones may not have been posted any more.
        let same = |(message, piece): &(&Message, &String)| message.content == **piece;
        let done = 1 + unclaimed[first + 1..].iter().zip(&pieces[1..]).take_while(same).count();
        let name = self.name_of(post).await.map_err(|error| store_error(&error))?;
        self.post_pieces(post, &name, &pieces, &unclaimed[first..first + done]).await.map(Some)
    }

    async fn edit(&self, room: &Room, key: MessageKey, text: &str) -> Result<(), PostError> {
        let content = posting::pieces(text, None).swap_remove(0);
        let (body, message) = (posting::edit(&content), message_id(key));
        let edited = self.with_hook(room, |target| {
            let body = &body;
            async move { target.edit(&self.http, message, body).await }
        });
        edited.await.map(|_message| ()).map_err(|fault| self.post_error(fault))
    }

    async fn delete(&self, room: &Room, key: MessageKey) -> Result<(), PostError> {
        let message = message_id(key);
        let deleted = self.with_hook(room, |target| async move { target.delete(&self.http, message).await });
        match deleted.await {
            Ok(()) | Err(Fault::MessageGone) => Ok(()),
            Err(fault) => Err(self.post_error(fault)),
        }
    }

    async fn may_speak(&self, room: &Room) -> Result<(), String> {
        match self.target(room).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.is_passing() => Ok(()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    async fn history(&self, room: &Room, by: &Member, what: HistoryCommand) -> Answer {
        backfill::command(self, room, by, what).await
    }

    async fn typing(&self, Typing { room, draft, .. }: Typing<'_>) {
        let Ok(channel) = channel_of(room) else { return };
        let now = Instant::now();
        let is_shown = self.typing_shown.get(&room.id).is_some_and(|at| now.duration_since(*at) < TYPING_SHOWN);
        if draft.is_none() || is_shown {
            return;
        }
        self.typing_shown.insert(room.id, now);
        let http = self.http.clone();
        // A turn must not wait for this, and nothing follows from its failure.
        self.tasks.spawn(async move {
            if let Err(error) = http.broadcast_typing(channel).await {
                tracing::debug!(fault = %Fault::from(error), %channel, "typing cannot be shown");
            }
        });
    }

    fn is_ready(&self, room: &Room) -> bool {
        channel_of(room).is_ok_and(|channel| self.readiness.is_ready(channel))
    }
}

async fn who_are_we(http: &Http) -> anyhow::Result<Us> {
    let (mut pause, longest) = START_RETRY;
    loop {
        match identify(http).await {
            Ok((us, _flags)) => return Ok(us),
            Err(fault) if fault.is_passing() => {
                tracing::warn!(%fault, "Discord will be asked again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            Err(fault) => return Err(fault).context("cannot sign in to Discord"),
        }
    }
}

/// Who Discord says that we are, and what is turned on for the application.
async fn identify(http: &Http) -> Result<(Us, ApplicationFlags), Fault> {
    let user = http.get_current_user().await?;
    let application = http.get_current_application_info().await?;
    let us = Us { user: user.id, application: application.id };
    Ok((us, application.flags.unwrap_or(ApplicationFlags::empty())))
}

/// The channel or thread that a room is.
fn channel_of(room: &Room) -> Result<ChannelId, Fault> {
    let id: u64 = room.external_id.parse().map_err(|_| not_ours(room))?;
    if id == 0 { Err(not_ours(room)) } else { Ok(ChannelId::new(id)) }
}

fn not_ours(room: &Room) -> Fault {
    Fault::Refused(format!("room {} is called \"{}\", which is no channel of Discord", room.id, room.external_id))
}

fn key(id: MessageId) -> MessageKey {
    MessageKey(id.get() as i64)
}

fn message_id(key: MessageKey) -> MessageId {
    MessageId::new(key.0.max(1) as u64)
}

fn arrival(message: &Message) -> Arrival {
    Arrival { key: key(message.id), sent_at: *message.timestamp }
}

/// The smallest id of a message that was posted at a time.
fn snowflake(at: DateTime<Utc>) -> MessageId {
    MessageId::new((((at.timestamp_millis() - EPOCH_MILLIS).max(0) as u64) << 22).max(1))
}

fn store_error(error: &store::StoreError) -> PostError {
    match error.is_transient() {
        true => PostError::Retry { after: Duration::from_secs(1), why: error.to_string() },
        false => PostError::Refused(error.to_string()),
    }
}
