//! Listening to Discord: events into a bounded queue, from there in the order of each channel into the app.
//!
//! The library gives each event to a task of its own, so that two of one channel may arrive in the other order. What is
//! done with them therefore does not depend on it: an edit brings the whole message, and what was deleted before it came
//! is deleted when it comes.

use std::{
    collections::{HashSet, VecDeque},
    future::IntoFuture,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use chat::{MessageKey, RoomId};
use dashmap::DashMap;
use serenity::{
    Error, async_trait,
    client::{Client, Context, RawEventHandler},
    gateway::{ConnectionStage, GatewayError, ShardManager},
    model::{
        event::Event,
        gateway::{GatewayIntents, Ready},
        id::{ChannelId, GuildId},
    },
};
use store::{Recorded, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Discord, api, catch_up,
    inbound::{self, Heard, What},
    interactions,
};
use crate::{
    event::{Event as Occurrence, Happening, Person, Place},
    reactions::{self, Meaning},
};

/// How many channels can be waited for at the same time.
const WORKERS: usize = 16;
/// How much may wait for one worker. What comes beyond it is fetched later.
const BACKLOG: usize = 1_024;
/// How long the history is waited for before it is tried again.
const STORE_RETRY: Duration = Duration::from_secs(1);
/// How often it is written down up to where the history is complete.
const NOTING: Duration = Duration::from_secs(5);
/// How often it is looked whether the shards are connected.
const LOOK_AFTER_SHARDS: Duration = Duration::from_secs(1);
/// How many deletions are remembered for messages that come after them.
const REMEMBERED_DELETIONS: usize = 4_096;
/// How long to wait before connecting again, at first and at most.
const RECONNECT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));

/// What we want to hear. The content of messages and the members are privileged: the owner of the bot turns them on.
pub(super) fn intents() -> GatewayIntents {
    GatewayIntents::GUILDS
        | GatewayIntents::GUILD_MEMBERS
        | GatewayIntents::GUILD_WEBHOOKS
        | GatewayIntents::GUILD_MESSAGES
        | GatewayIntents::GUILD_MESSAGE_REACTIONS
        | GatewayIntents::GUILD_MESSAGE_TYPING
        | GatewayIntents::MESSAGE_CONTENT
}

/// Listens until the shutdown.
pub(super) async fn run(discord: Arc<Discord>, shutdown: CancellationToken) -> anyhow::Result<()> {
    let heard = Arc::new(Notes::default());
    let deaf = CancellationToken::new();
    let (queues, workers): (Vec<_>, Vec<_>) = (0..WORKERS)
        .map(|_| {
            let (queue, heard_here) = mpsc::channel(BACKLOG);
            (queue, tokio::spawn(work(discord.clone(), heard.clone(), heard_here, deaf.clone())))
        })
        .unzip();
    let noting = tokio::spawn(keep_noting(discord.clone(), heard.clone(), deaf.clone()));
    let ears = Arc::new(Ears { discord: discord.clone(), notes: heard.clone(), queues, unknown: AtomicU64::new(0) });
    let listened = listen(&discord, ears, &shutdown).await;
    // What was heard is still done; the library may hold on to its end of the queues.
    deaf.cancel();
    for worker in workers {
        worker.await.context("a worker of the Discord connection ended badly")?;
    }
    noting.await.context("noting how far the history is complete ended badly")?;
    heard.write_down(&discord).await;
    listened
}

async fn listen(discord: &Arc<Discord>, ears: Arc<Ears>, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let (mut pause, longest) = RECONNECT;
    loop {
        let Err(error) = connect(discord, ears.clone(), shutdown).await else { return Ok(()) };
        if let Some(sentence) = fatal(&error) {
            return Err(anyhow!(sentence));
        }
        tracing::warn!(fault = %api::Fault::from(error), "the connection to Discord's gateway failed; trying again");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(longest);
    }
}

/// One client, from connecting until it gives up or the program is ended.
async fn connect(discord: &Arc<Discord>, ears: Arc<Ears>, shutdown: &CancellationToken) -> serenity::Result<()> {
    // The library wants a client of its own for this; it only asks where the gateway is.
    let http = api::connect(&discord.settings).map_err(|_| Error::Other("the HTTPS client cannot be set up"))?;
    let builder = serenity::client::ClientBuilder::new_with_http(http, intents());
    let building = builder.raw_event_handler(RawEars(ears)).into_future();
    let mut client = tokio::select! {
        client = building => client?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let shards = client.shard_manager.clone();
    let serving = start(&mut client, discord);
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        () = shutdown.cancelled() => {}
        () = notice_silence(&shards, discord) => {}
    }
    shards.shutdown_all().await;
    // It returns once its shards are gone.
    serving.await
}

/// Looks again and again for shards that are not connected. The library tells only of stages on the way up.
async fn notice_silence(shards: &ShardManager, discord: &Discord) {
    loop {
        tokio::time::sleep(LOOK_AFTER_SHARDS).await;
        let connected: Vec<u32> = {
            let runners = shards.runners.lock().await;
            let up = runners.iter().filter(|(_, runner)| runner.stage == ConnectionStage::Connected);
            up.map(|(id, _)| id.0).collect()
        };
        discord.readiness.only_up(&connected);
    }
}

async fn start(client: &mut Client, discord: &Discord) -> serenity::Result<()> {
    match discord.settings.shards {
        // The library takes the end of this range for one of the shards.
        Some(shards) => client.start_shard_range(shards.first..shards.last, shards.total).await,
        None => client.start_autosharded().await,
    }
}

/// What no further attempt would mend.
fn fatal(error: &Error) -> Option<&'static str> {
    match error {
        Error::Gateway(GatewayError::InvalidAuthentication) => {
            Some("Discord does not accept the token; make a new one in the Developer Portal (Bot, Reset Token)")
        }
        Error::Gateway(GatewayError::DisallowedGatewayIntents | GatewayError::InvalidGatewayIntents) => Some(
            "Discord does not let the bot hear what it needs: turn on Server Members Intent and Message Content Intent in \
             the Developer Portal (Bot, Privileged Gateway Intents)",
        ),
        Error::Gateway(GatewayError::InvalidShardData | GatewayError::OverloadedShard) => Some(
            "Discord does not take the shards of discord.shards; leave the key out to run as many as it recommends",
        ),
        _ => None,
    }
}

/// What the library calls with each event.
struct Ears {
    discord: Arc<Discord>,
    notes: Arc<Notes>,
    queues: Vec<mpsc::Sender<Heard>>,
    unknown: AtomicU64,
}

impl Ears {
    fn queue_of(&self, id: u64) -> &mpsc::Sender<Heard> {
        // The lower bits of an id count within a millisecond; the time is above them.
        &self.queues[((id >> 22) % self.queues.len() as u64) as usize]
    }

    async fn put(&self, heard: Heard) {
        match heard {
            Heard::InRoom(channel, _) => {
                if self.queue_of(channel.get()).try_send(heard).is_err() {
                    tracing::warn!(%channel, "more is said than can be stored; it will be fetched later");
                    catch_up::later(&self.discord, channel);
                }
            }
            // These cannot be fetched later, and they are rare.
            Heard::InGroup(guild, _) => drop(self.queue_of(guild.get()).send(heard).await),
        }
    }

    fn note_unknown(&self, kind: &str, is_missed: bool) {
        let count = self.unknown.fetch_add(1, Ordering::Relaxed) + 1;
        if is_missed {
            tracing::warn!(kind, count, "an event that should be understood could not be read; it is lost");
        } else {
            tracing::debug!(kind, count, "an event that is not known");
        }
    }

    fn ready(&self, shard: u32, ready: &Ready) {
        tracing::info!(shard, servers = ready.guilds.len(), "connected to Discord");
        self.discord.readiness.shard_begins(shard);
        // One of the new session may have come before this: it says nothing of what was missed.
        self.notes.newest.clear();
    }
}

/// The same ears, where the library wants to own them.
struct RawEars(Arc<Ears>);

#[async_trait]
impl RawEventHandler for RawEars {
    async fn raw_event(&self, context: Context, event: Event) {
        self.0.hear(context, event).await;
    }
}

impl Ears {
    async fn hear(&self, context: Context, event: Event) {
        let discord = &self.discord;
        discord.learn_places(&event);
        match &event {
            Event::Ready(event) => self.ready(context.shard_id.0, &event.ready),
            Event::Resumed(_) => {
                discord.readiness.shard_is_up(context.shard_id.0);
                discord.app().all_rooms_are_ready();
            }
            Event::GuildCreate(event) => catch_up::guild(discord, context.shard_id.0, &event.guild),
            Event::ThreadCreate(event) => catch_up::opened(discord, context.shard_id.0, &event.thread),
            Event::ChannelCreate(event) => catch_up::opened(discord, context.shard_id.0, &event.channel),
            Event::WebhookUpdate(event) => discord.webhooks.forget(event.channel_id),
            Event::InteractionCreate(event) => interactions::answer(discord, &event.interaction).await,
            // The library reads it only where it has fields, which the documentation does not promise.
            Event::Unknown(event) if event.kind == "RESUMED" => {
                discord.readiness.shard_is_up(context.shard_id.0);
                discord.app().all_rooms_are_ready();
            }
            _ => {
                if let Event::Unknown(event) = &event {
                    self.note_unknown(&event.kind, inbound::is_missed(&event.kind, &event.value));
                }
                if let Some(heard) = inbound::translate(&event, discord.us, &discord.directory) {
                    self.put(heard).await;
                }
            }
        }
    }
}

impl Discord {
    /// What we may do in a server has changed.
    fn forgive(&self, guild: GuildId) {
        self.directory.channels_of(guild).iter().for_each(|(channel, _)| self.webhooks.forgive(*channel));
    }

    /// Keeps the directory up to date.
    fn learn_places(&self, event: &Event) {
        let directory = &self.directory;
        match event {
            Event::GuildCreate(event) => {
                let guild = &event.guild;
                directory.put_guild(guild.id, &guild.name, guild.owner_id, guild.roles.iter());
                guild.channels.values().chain(&guild.threads).for_each(|channel| directory.put_channel(channel));
            }
            Event::GuildUpdate(event) => {
                let guild = &event.guild;
                directory.put_guild(guild.id, &guild.name, guild.owner_id, guild.roles.iter());
            }
            Event::GuildDelete(event) if !event.guild.unavailable => {
                directory.channels_of(event.guild.id).iter().for_each(|(channel, _)| self.readiness.forget(*channel));
                directory.remove_guild(event.guild.id);
            }
            Event::GuildRoleCreate(event) => directory.put_role(event.role.guild_id, &event.role),
            Event::GuildRoleUpdate(event) => {
                directory.put_role(event.role.guild_id, &event.role);
                self.forgive(event.role.guild_id);
            }
            Event::GuildMemberUpdate(event) if event.user.id == self.us.user => self.forgive(event.guild_id),
            Event::GuildRoleDelete(event) => directory.remove_role(event.guild_id, event.role_id),
            Event::ChannelCreate(event) => directory.put_channel(&event.channel),
            Event::ChannelUpdate(event) => {
                directory.put_channel(&event.channel);
                self.webhooks.forgive(event.channel.id);
            }
            Event::ChannelDelete(event) => directory.remove_channel(event.channel.id),
            Event::ThreadCreate(event) => directory.put_channel(&event.thread),
            Event::ThreadUpdate(event) => directory.put_channel(&event.thread),
            Event::ThreadDelete(event) => directory.remove_channel(event.thread.id),
            Event::ThreadListSync(event) => event.threads.iter().for_each(|thread| directory.put_channel(thread)),
            _ => {}
        }
    }

    /// The place that a channel is. One that the gateway has not told of is asked for.
    pub(super) async fn place_of(&self, channel: ChannelId) -> anyhow::Result<Option<Place>> {
        if let Some(place) = self.directory.place(channel) {
            return Ok(Some(place));
        }
        match self.http.get_channel(channel).await.map_err(api::Fault::from) {
            Ok(found) => {
                let Some(found) = found.guild() else { return Ok(None) };
                self.directory.put_channel(&found);
                Ok(self.directory.place(channel))
            }
            Err(fault) if fault.is_passing() => Err(fault.into()),
            Err(fault) => {
                tracing::debug!(%fault, %channel, "a channel is not known");
                Ok(None)
            }
        }
    }

    async fn hear(&self, heard: &Heard, notes: &Notes) -> anyhow::Result<()> {
        match heard {
            Heard::InGroup(guild, what) => self.app().handle_group(&self.directory.group(*guild), what.clone()).await,
            Heard::InRoom(channel, what) => {
                let Some(place) = self.place_of(*channel).await? else { return Ok(()) };
                self.hear_in_room(*channel, place, what, notes).await
            }
        }
    }

    async fn hear_in_room(&self, channel: ChannelId, place: Place, what: &What, notes: &Notes) -> anyhow::Result<()> {
        let happens = |what| self.app().handle(Occurrence { place: place.clone(), what });
        match what.clone() {
            What::Posted(read) => {
                let (key, edited_at) = (read.posted.key, read.edited_at);
                let text = read.posted.text.clone();
                let outcome = happens(Happening::Posted(read.posted)).await?;
                if let Some(at) = edited_at {
                    happens(Happening::Edited { key, text, at }).await?;
                }
                if notes.was_deleted(channel, key) {
                    happens(Happening::Deleted { keys: vec![key], at: self.clock.now() }).await?;
                }
                if !self.readiness.is_ready(channel) {
                    catch_up::later(self, channel);
                } else if matches!(outcome.recorded, Some(Recorded::New(_) | Recorded::Known(_))) {
                    notes.heard(outcome.room.id, key);
                }
            }
            What::Edited { key, text, at, whole } => {
                let room = happens(Happening::Edited { key, text, at }).await?.room;
                if let Some(whole) = whole
                    && self.store.is_known(room.id, &[key]).await?.is_empty()
                    && !notes.was_deleted(channel, key)
                {
                    happens(Happening::Posted(whole.posted)).await?;
                }
            }
            What::Deleted(keys) => {
                notes.deleted(channel, &keys);
                happens(Happening::Deleted { keys, at: self.clock.now() }).await?;
            }
            What::Reacted { key, emoji, by, user, roles } => {
                let asks_to_delete = reactions::meaning(&emoji) == Some(Meaning::Delete);
                let may = || self.directory.permissions(channel, user, &roles).unwrap_or_default();
                let is_moderator = asks_to_delete && may().manage_messages();
                happens(Happening::Reacted { key, emoji, by, is_moderator }).await?;
            }
            What::Unreacted { key, emoji, by } => {
                let by = Person { key: by, name: String::new(), is_bot: false, avatar_url: None };
                happens(Happening::Unreacted { key, emoji, by }).await?;
            }
            What::ReactionsCleared { key, emoji } => {
                happens(Happening::ReactionsCleared { key, emoji }).await?;
            }
            What::Typing => {
                happens(Happening::Typing).await?;
            }
        }
        Ok(())
    }
}

/// Does what comes through one queue, in order, and once nothing more is heard what is left in it. While the history is
/// away it waits: Discord does not say anything twice.
async fn work(discord: Arc<Discord>, notes: Arc<Notes>, mut queue: mpsc::Receiver<Heard>, deaf: CancellationToken) {
    loop {
        let heard = tokio::select! {
            heard = queue.recv() => heard,
            () = deaf.cancelled(), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        };
        let Some(heard) = heard else { return };
        while let Err(error) = discord.hear(&heard, &notes).await {
            let is_passing = error.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient)
                || error.downcast_ref::<api::Fault>().is_some_and(api::Fault::is_passing);
            if !is_passing || deaf.is_cancelled() {
                tracing::error!("something that happened on Discord could not be recorded: {error:#}");
                break;
            }
            tracing::warn!("something that happened on Discord cannot be recorded yet: {error:#}");
            tokio::time::sleep(STORE_RETRY).await;
        }
    }
}

async fn keep_noting(discord: Arc<Discord>, notes: Arc<Notes>, deaf: CancellationToken) {
    while tokio::time::timeout(NOTING, deaf.cancelled()).await.is_err() {
        notes.write_down(&discord).await;
    }
}

/// What is remembered of what was heard.
#[derive(Default)]
struct Notes {
    /// The newest message of each room whose history is complete, not yet written down.
    newest: DashMap<RoomId, MessageKey>,
    deleted: Mutex<Deletions>,
}

#[derive(Default)]
struct Deletions {
    order: VecDeque<(ChannelId, MessageKey)>,
    all: HashSet<(ChannelId, MessageKey)>,
}

impl Notes {
    fn heard(&self, room: RoomId, key: MessageKey) {
        let mut newest = self.newest.entry(room).or_insert(key);
        *newest = key.max(*newest);
    }

    async fn write_down(&self, discord: &Discord) {
        let noted: Vec<(RoomId, MessageKey)> = self.newest.iter().map(|entry| (*entry.key(), *entry.value())).collect();
        if noted.is_empty() {
            return;
        }
        match discord.store.set_complete_to(&noted).await {
            Ok(()) => noted.iter().for_each(|(room, key)| {
                self.newest.remove_if(room, |_, newest| newest == key);
            }),
            Err(error) => tracing::warn!(%error, "cannot note yet how far the history is complete"),
        }
    }

    fn deleted(&self, channel: ChannelId, keys: &[MessageKey]) {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if deleted.all.insert((channel, *key)) {
                deleted.order.push_back((channel, *key));
            }
        }
        while deleted.order.len() > REMEMBERED_DELETIONS {
            let oldest = deleted.order.pop_front().expect("it is longer than nothing");
            deleted.all.remove(&oldest);
        }
    }

    fn was_deleted(&self, channel: ChannelId, key: MessageKey) -> bool {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).all.contains(&(channel, key))
    }
}
