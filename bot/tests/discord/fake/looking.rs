//! Looking at what the bot did: messages, typing, webhooks, commands, calls, and what a well-behaved client avoids.

use std::time::Duration;

use serde_json::Value;

use super::FakeDiscord;
use super::world::{FakeMessage, LOADING, Webhook, World};

impl FakeDiscord {
    /// All messages of a channel, oldest first.
    pub fn messages(&self, channel: u64) -> Vec<FakeMessage> {
        self.world().channels[&channel].messages.values().cloned().collect()
    }

    pub fn message(&self, channel: u64, message: u64) -> Option<FakeMessage> {
        self.world().message(channel, message).cloned()
    }

    /// Waits for the next message in a channel that is not by a human: each once, in order.
    pub async fn next_message(&self, channel: u64) -> FakeMessage {
        self.wait_for(&format!("a message in channel {channel}"), |world| take_next(world, channel)).await
    }

    /// Waits for the next message of a webhook, wherever: each once, in order.
    pub async fn next_webhook_message(&self) -> FakeMessage {
        self.wait_for("a message of a webhook", take_next_webhook_post).await
    }

    /// Whether a webhook's message came that no test has taken yet, within some time.
    pub async fn webhook_stays_silent(&self, length: Duration) -> bool {
        tokio::time::timeout(length, self.next_webhook_message()).await.is_err()
    }

    /// All messages of webhooks that still exist, in the order in which they came.
    pub fn webhook_messages(&self) -> Vec<FakeMessage> {
        let world = self.world();
        world.webhook_posts.iter().filter_map(|place| world.message(place.0, place.1)).cloned().collect()
    }

    /// How often the bot said that it is typing.
    pub fn typing_seen(&self, channel: u64) -> usize {
        self.world().channels[&channel].typing_by_bot
    }

    /// The registered commands of a guild, or with `None` those of all guilds.
    pub fn commands(&self, guild: Option<u64>) -> Vec<Value> {
        self.world().commands.get(&guild).cloned().unwrap_or_default()
    }

    /// Waits until commands are registered.
    pub async fn commands_registered(&self, guild: Option<u64>) -> Vec<Value> {
        let registered = |world: &mut World| world.commands.get(&guild).filter(|known| !known.is_empty()).cloned();
        self.wait_for("commands to be registered", registered).await
    }

    pub fn webhooks(&self, channel: u64) -> Vec<Webhook> {
        self.world().webhooks.values().filter(|webhook| webhook.channel == channel).cloned().collect()
    }

    /// All calls so far, as method, path below `/api/v10`, and status.
    pub fn requests(&self) -> Vec<(String, String, u16)> {
        self.world().requests.iter().cloned().collect()
    }

    /// How many answers with 401, 403 or 429 there were.
    pub fn invalid_requests(&self) -> usize {
        self.world().invalid_requests
    }

    /// Waits until a session is READY.
    pub async fn connected(&self) {
        self.connected_times(1).await;
    }

    /// Waits until this many sessions are READY at the same time.
    pub async fn connected_times(&self, sessions: usize) {
        let ready = |world: &mut World| (world.gateway.connected().count() >= sessions).then_some(());
        self.wait_for("a session of the gateway", ready).await;
    }

    /// Waits until no client is connected any more.
    pub async fn disconnected(&self) {
        let gone = |world: &mut World| (world.gateway.connected().count() == 0).then_some(());
        self.wait_for("the gateway's clients to go", gone).await;
    }

    /// The ids of the sessions that have a connection, with their shards.
    pub fn sessions(&self) -> Vec<(String, (u32, u32))> {
        self.world().gateway.connected().map(|session| (session.id.clone(), session.shard)).collect()
    }

    /// How often clients identified, rather than resumed.
    pub fn identifies(&self) -> u32 {
        self.world().gateway.identifies
    }

    /// Waits until clients have identified this many times in all.
    pub async fn identified_times(&self, times: u32) {
        let enough = |world: &mut World| (world.gateway.identifies >= times).then_some(());
        self.wait_for("a client to identify", enough).await;
    }

    /// Waits until clients have resumed this many times in all.
    pub async fn resumed_times(&self, times: u32) {
        let enough = |world: &mut World| (world.gateway.resumes >= times).then_some(());
        self.wait_for("a session to be resumed", enough).await;
    }

    /// What a well-behaved client does not do, in the order in which it was done.
    pub fn violations(&self) -> Vec<String> {
        self.world().violations.clone()
    }
}

fn take_next(world: &mut World, channel: u64) -> Option<FakeMessage> {
    let by_bot = |message: &FakeMessage| message.author == super::BOT || message.webhook.is_some();
    let channel = world.channels.get_mut(&channel)?;
    let (id, message) = channel.messages.range(channel.taken + 1..).find(|(_, message)| by_bot(message))?;
    // Where the bot is still thinking the message is not there yet, nor is any after it.
    if message.flags & LOADING != 0 {
        return None;
    }
    let (id, message) = (*id, message.clone());
    channel.taken = id;
    Some(message)
}

fn take_next_webhook_post(world: &mut World) -> Option<FakeMessage> {
    loop {
        let (channel, message) = *world.webhook_posts.get(world.webhook_posts_taken)?;
        world.webhook_posts_taken += 1;
        // One that was deleted before the test looked is passed over.
        if let Some(message) = world.message(channel, message) {
            return Some(message.clone());
        }
    }
}
