//! What was said while we did not listen: fetched and compared with the history before anybody of ours speaks again.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::Context;
use chat::{Author, CommunityId, Member, MessageKey, Origin, Provenance, RoomId};
use chrono::{DateTime, Utc};
use dashmap::{DashMap, DashSet};
use serenity::{
    http::MessagePagination,
    model::{
        channel::{GuildChannel, Message},
        guild::Guild,
        id::{ChannelId, GuildId, MessageId},
    },
};
use store::{BatchOutcome, NewMember, NewMessage, NewReaction, Room};
use tokio::sync::Semaphore;

use super::{
    Discord,
    api::Fault,
    key,
    reading::{self, Read},
};
use crate::event::{GroupHappening, Person};

/// How many messages Discord gives at once.
pub(super) const PAGE: u8 = 100;
/// How many channels are caught up with at the same time.
const AT_ONCE: usize = 8;
/// How long to wait before a channel that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(3);

/// Which channels the history is complete for, up to what is being heard right now.
#[derive(Debug)]
pub(super) struct Readiness {
    ready: DashMap<ChannelId, u32>,
    /// The channels that are being caught up with, and whether there was more to fetch meanwhile.
    behind: DashMap<ChannelId, bool>,
    shards: DashSet<u32>,
    at_once: Semaphore,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { ready: DashMap::new(), behind: DashMap::new(), shards: DashSet::new(), at_once: Semaphore::new(AT_ONCE) }
    }
}

impl Readiness {
    pub(super) fn is_ready(&self, channel: ChannelId) -> bool {
        self.ready.get(&channel).is_some_and(|shard| self.shards.contains(&*shard))
    }

    /// A new session: what was said before it has not been heard.
    pub(super) fn shard_begins(&self, shard: u32) {
        self.ready.retain(|_, of| *of != shard);
        self.shards.insert(shard);
    }

    /// The session goes on, and what was missed was delivered.
    pub(super) fn shard_is_up(&self, shard: u32) {
        self.shards.insert(shard);
    }

    /// A channel that is heard no more: nobody speaks there.
    pub(super) fn forget(&self, channel: ChannelId) {
        self.ready.remove(&channel);
    }

    /// Whether there is something to fetch that was not asked for yet; from here on it is.
    fn is_behind(&self, channel: ChannelId) -> bool {
        if self.behind.remove_if(&channel, |_, more| !*more).is_some() {
            return false;
        }
        self.behind.insert(channel, false);
        true
    }

    /// Of the shards that were up only these are still.
    pub(super) fn only_up(&self, shards: &[u32]) {
        self.shards.retain(|shard| shards.contains(shard));
    }
}

/// A server has been told of, after connecting or because the bot was taken in: its rooms are compared with the history.
pub(super) fn guild(discord: &Arc<Discord>, shard: u32, guild: &Guild) {
    let (discord, guild) = (discord.clone(), guild.clone());
    discord.clone().tasks.spawn(async move {
        while let Err(error) = discord.meet(shard, &guild).await {
            tracing::warn!(server = %guild.id, "a server cannot be looked at yet: {error:#}");
            if discord.app().shutdown().is_cancelled() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    });
}

/// A channel or thread was made, or a thread was opened to us: nothing was said in it that we did not hear.
pub(super) fn opened(discord: &Discord, shard: u32, channel: &GuildChannel) {
    let is_new = channel.last_message_id.is_none_or(|newest| newest.get() == channel.id.get());
    if is_new {
        discord.readiness.ready.insert(channel.id, shard);
    }
}

/// Catches up with a channel, unless that is under way.
pub(super) fn later(discord: &Discord, channel: ChannelId) {
    let Some(discord) = discord.this.upgrade() else { return };
    // What is fetched now may have been read before this came.
    let is_under_way = discord.readiness.behind.insert(channel, true).is_some();
    if is_under_way {
        return;
    }
    let shard = discord.readiness.ready.remove(&channel).map(|(_, shard)| shard);
    let tasks = discord.tasks.clone();
    tasks.spawn(async move {
        let shard = shard.or_else(|| discord.shard_of(channel)).unwrap_or(0);
        while discord.readiness.is_behind(channel) {
            discord.catch_up_until_done(channel, shard).await;
        }
    });
}

impl Discord {
    /// The shard that a channel's server is on, as far as other channels of it show.
    fn shard_of(&self, channel: ChannelId) -> Option<u32> {
        let guild = self.directory.channel(channel)?.guild;
        let siblings = self.directory.channels_of(guild);
        siblings.iter().find_map(|(id, _)| self.readiness.ready.get(id).map(|shard| *shard))
    }

    async fn meet(&self, shard: u32, guild: &Guild) -> anyhow::Result<()> {
        let group = self.directory.group(guild.id);
        self.app().handle_group(&group, GroupHappening::Joined).await?;
        let community = self.app().community(&group).await?;
        self.meet_members(community, guild).await?;
        let known: HashMap<String, (RoomId, Option<MessageKey>)> = self
            .store
            .complete_to_of(community)
            .await?
            .into_iter()
            .map(|(room, external_id, complete_to)| (external_id, (room, complete_to)))
            .collect();
        let mut begun = Vec::new();
        for (id, channel) in self.directory.channels_of(guild.id) {
            let newest = channel.newest.map(key);
            match known.get(&id.to_string()) {
                None => drop(self.readiness.ready.insert(id, shard)),
                Some((_, Some(complete_to))) if newest.is_some_and(|newest| newest > *complete_to) => later(self, id),
                Some((room, complete_to)) => {
                    if complete_to.is_none() {
                        begun.extend(newest.map(|newest| (*room, newest)));
                    }
                    self.readiness.ready.insert(id, shard);
                    self.app().room_is_ready(*room);
                }
            }
        }
        self.store.set_complete_to(&begun).await?;
        Ok(())
    }

    /// Follows what the members that the history knows are called and look like now, and who has left meanwhile.
    async fn meet_members(&self, community: CommunityId, guild: &Guild) -> anyhow::Result<()> {
        let group = self.directory.group(guild.id);
        let is_whole = guild.members.len() as u64 >= guild.member_count && !guild.members.is_empty();
        for known in self.store.members(community).await?.into_iter().filter(|known| !known.is_bot) {
            let Ok(id) = known.key.0.parse::<u64>() else { continue };
            let here = guild.members.get(&serenity::model::id::UserId::new(id.max(1)));
            let change = match here.map(reading::member) {
                Some(person) => change_of(&known, person),
                None => is_whole.then(|| GroupHappening::Left(known.key.clone())),
            };
            if let Some(change) = change {
                self.app().handle_group(&group, change).await?;
            }
        }
        Ok(())
    }

    async fn catch_up_until_done(&self, channel: ChannelId, shard: u32) {
        let Ok(_permit) = self.readiness.at_once.acquire().await else { return };
        loop {
            match self.catch_up(channel).await {
                Ok(room) => {
                    self.readiness.ready.insert(channel, shard);
                    return self.app().room_is_ready(room);
                }
                Err(error) => match error.downcast_ref::<Fault>() {
                    Some(fault) if !fault.is_passing() => {
                        tracing::info!(%channel, %fault, "what was missed cannot be read");
                        self.readiness.ready.insert(channel, shard);
                        return;
                    }
                    _ => tracing::warn!(%channel, "what was missed cannot be read yet: {error:#}"),
                },
            }
            if self.app().shutdown().is_cancelled() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Reads backwards from the newest message to where the history is complete.
    async fn catch_up(&self, channel: ChannelId) -> anyhow::Result<RoomId> {
        let place = self.place_of(channel).await?.context("the channel is not known")?;
        let room = self.app().room(&place).await?;
        let complete_to = self.store.complete_to(room.id).await?;
        let mut newest = None;
        let mut before = None;
        let mut read = 0;
        loop {
            let page = self.page(channel, before).await?;
            let keys: Vec<MessageKey> = page.iter().map(|message| key(message.id)).collect();
            let (Some(first), Some(last)) = (keys.iter().min().copied(), keys.iter().max().copied()) else { break };
            read += self.keep_page(&room, &page).await?.stored;
            self.take_out_deleted(&room, &keys, first, last).await?;
            newest = newest.max(Some(last));
            let is_last = page.len() < usize::from(PAGE) || complete_to.is_none_or(|complete_to| first <= complete_to);
            if is_last {
                break;
            }
            before = page.iter().map(|message| message.id).min();
        }
        if let Some(newest) = newest {
            self.store.set_complete_to(&[(room.id, newest)]).await?;
        }
        if read > 0 {
            tracing::info!(room = %room.id, messages = read, "fetched what was missed");
        }
        Ok(room.id)
    }

    /// The latest messages of a channel before one, in no particular order.
    pub(super) async fn page(&self, channel: ChannelId, before: Option<MessageId>) -> Result<Vec<Message>, Fault> {
        Ok(self.http.get_messages(channel, before.map(MessagePagination::Before), Some(PAGE)).await?)
    }

    /// Stores what members wrote of a page, with edits and reactions. Nothing is stored twice.
    pub(super) async fn keep_page(&self, room: &Room, page: &[Message]) -> anyhow::Result<BatchOutcome> {
        let guild = GuildId::new(room.community_external_id.parse().context("the server has no id of Discord's")?);
        let read: Vec<Read> =
            page.iter().filter_map(|message| reading::message(message, self.us, guild, &self.directory)).collect();
        let authors: Vec<NewMember<'_>> = read.iter().map(|read| author(room, &read.posted.author)).collect();
        let authors = self.store.members_batch(&authors).await?;
        let messages: Vec<NewMessage<'_>> =
            read.iter().zip(authors).map(|(read, author)| new_message(read, Author::Member(author))).collect();
        let outcome = self.store.record_batch(room.id, &messages).await?;
        for (read, at) in read.iter().filter_map(|read| Some((read, read.edited_at?))) {
            self.store.edit_message(room.id, read.posted.key, &read.posted.text, at).await?;
        }
        self.store.react_batch(room.id, &reactions_of(page, &emoji_of(page))).await?;
        Ok(outcome)
    }

    /// Deletes what the history has between two messages of a page and the page has not.
    async fn take_out_deleted(
        &self,
        room: &Room,
        there: &[MessageKey],
        first: MessageKey,
        last: MessageKey,
    ) -> anyhow::Result<()> {
        let stored = self.store.messages_after(room.id, MessageKey(first.0 - 1), 2 * u32::from(PAGE)).await?;
        let gone: Vec<MessageKey> =
            stored.into_iter().map(|message| message.key).filter(|key| *key <= last && !there.contains(key)).collect();
        if !gone.is_empty() {
            self.store.delete_messages(room.id, &gone, self.clock.now()).await?;
        }
        Ok(())
    }
}

/// What is new about a member whom the history knows.
fn change_of(known: &Member, person: Person) -> Option<GroupHappening> {
    let looks_other = known.name != person.name || known.avatar_url != person.avatar_url;
    if known.has_left {
        return Some(GroupHappening::Returned(person));
    }
    looks_other.then_some(GroupHappening::Seen(person))
}

/// The author of a message that was read later. What they were called then replaces nothing that is known of them.
fn author<'a>(room: &Room, author: &'a Person) -> NewMember<'a> {
    NewMember {
        community: room.community,
        key: &author.key,
        name: &author.name,
        is_bot: author.is_bot,
        avatar_url: author.avatar_url.as_deref(),
        seen_at: DateTime::<Utc>::UNIX_EPOCH,
    }
}

fn new_message(read: &Read, author: Author) -> NewMessage<'_> {
    NewMessage {
        key: read.posted.key,
        author,
        author_name: "",
        sent_at: read.posted.sent_at,
        text: &read.posted.text,
        origin: Origin::Imported,
        provenance: Provenance::Api,
        reply_to: read.posted.reply_to,
        edited_at: None,
        nonce: None,
    }
}

fn emoji_of(page: &[Message]) -> Vec<Vec<String>> {
    let emoji = |message: &Message| message.reactions.iter().map(|r| reading::emoji(&r.reaction_type)).collect();
    page.iter().map(emoji).collect()
}

fn reactions_of<'a>(page: &[Message], emoji: &'a [Vec<String>]) -> Vec<NewReaction<'a>> {
    page.iter()
        .zip(emoji)
        .flat_map(|(message, emoji)| {
            message.reactions.iter().zip(emoji).map(|(reaction, emoji)| NewReaction {
                key: key(message.id),
                emoji,
                by: None,
                count: reaction.count.try_into().unwrap_or(u32::MAX),
            })
        })
        .collect()
}
