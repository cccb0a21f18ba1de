//! `/history backfill`: a room's older messages, page by page through the API, backwards from the oldest that was read.
//!
//! How far it is stands in the store, so that it goes on there after a restart. How it goes is shown in the channel, in
//! one message that is edited.

use std::{sync::Arc, time::Duration};

use chat::{Member, RoomId};
use serde_json::json;
use serenity::model::id::{ChannelId, MessageId};
use store::{Backfill, BackfillState, Room};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Discord, api::Fault, catch_up::PAGE, channel_of, key, message_id};
use crate::commands::{Answer, HistoryCommand};

/// How often the message that shows how it goes is edited.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How long to wait before a page that could not be read is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Does what `/history` asks for.
pub(super) async fn command(discord: &Discord, room: &Room, by: &Member, what: HistoryCommand) -> Answer {
    let done = match what {
        HistoryCommand::Show => show(discord, room).await,
        HistoryCommand::Stop => stop(discord, room).await,
        HistoryCommand::Backfill => begin(discord, room, by).await,
    };
    done.unwrap_or_else(|error| {
        tracing::error!("/history failed: {error:#}");
        Answer::refused("That did not work just now; please try again in a moment.")
    })
}

async fn show(discord: &Discord, room: &Room) -> anyhow::Result<Answer> {
    Ok(Answer::asker(match discord.store.backfill(room.id).await? {
        None => "Older messages of this room were not read yet; /history backfill does it.".to_owned(),
        Some(backfill) => progress(&backfill),
    }))
}

async fn stop(discord: &Discord, room: &Room) -> anyhow::Result<Answer> {
    let Some(mut backfill) = discord.store.backfill(room.id).await?.filter(|b| b.state == BackfillState::Running)
    else {
        return Ok(Answer::refused("No older messages are being read."));
    };
    if let Some((_, stop)) = discord.backfills.remove(&room.id) {
        stop.cancel();
    }
    backfill.state = BackfillState::Stopped;
    discord.store.save_backfill(&backfill, discord.clock.now()).await?;
    Ok(Answer::room("Stopped reading older messages; /history backfill goes on from there."))
}

async fn begin(discord: &Discord, room: &Room, by: &Member) -> anyhow::Result<Answer> {
    let before = discord.store.backfill(room.id).await?;
    if before.as_ref().is_some_and(|b| b.state == BackfillState::Running) {
        return Ok(Answer::refused("That is under way already; /history shows how far it is."));
    }
    if before.as_ref().is_some_and(|b| b.state == BackfillState::Done) {
        return Ok(Answer::refused("This room has been read to its beginning."));
    }
    let channel = channel_of(room)?;
    // Whether it may be read at all is better known now than in a log.
    if let Err(fault) = discord.page(channel, None).await
        && !fault.is_passing()
    {
        return Ok(Answer::refused(fault.to_string()));
    }
    let backfill = Backfill {
        room: room.id,
        before: before.as_ref().and_then(|b| b.before),
        read: before.as_ref().map_or(0, |b| b.read),
        stored: before.as_ref().map_or(0, |b| b.stored),
        state: BackfillState::Running,
        started_by: Some(by.id),
        report_to: None,
    };
    discord.store.save_backfill(&backfill, discord.clock.now()).await?;
    start(discord, room.clone(), backfill);
    Ok(Answer::room("Reading older messages of this room. /history stop ends it."))
}

/// Goes on with what a restart interrupted.
pub(super) async fn resume(discord: &Discord) -> store::Result<()> {
    for (room, backfill) in discord.store.running_backfills(chat::Platform::Discord).await? {
        start(discord, room, backfill);
    }
    Ok(())
}

fn start(discord: &Discord, room: Room, backfill: Backfill) {
    let Some(discord) = discord.this.upgrade() else { return };
    let stop = discord.app().shutdown().child_token();
    if discord.backfills.contains_key(&room.id) {
        return;
    }
    discord.backfills.insert(room.id, stop.clone());
    let tasks = discord.tasks.clone();
    tasks.spawn(async move {
        let id = room.id;
        let job = Job { discord: discord.clone(), room, reported_at: None };
        tokio::select! {
            () = stop.cancelled() => {}
            () = job.run(backfill) => {}
        }
        finished(&discord, id, &stop);
    });
}

fn finished(discord: &Discord, room: RoomId, stop: &CancellationToken) {
    // One that was stopped may have been begun anew since; that one stays.
    if !stop.is_cancelled() {
        discord.backfills.remove(&room);
    }
}

struct Job {
    discord: Arc<Discord>,
    room: Room,
    reported_at: Option<Instant>,
}

impl Job {
    async fn run(mut self, mut backfill: Backfill) {
        loop {
            match self.next_page(&mut backfill).await {
                Ok(true) => self.report_sometimes(&mut backfill).await,
                Ok(false) => {
                    self.report(&mut backfill).await;
                    return tracing::info!(room = %self.room.id, stored = backfill.stored, "read a room to its beginning");
                }
                Err(error) => {
                    if let Some(fault) = error.downcast_ref::<Fault>().filter(|fault| !fault.is_passing()) {
                        return self.give_up(backfill, fault).await;
                    }
                    tracing::warn!(room = %self.room.id, "older messages cannot be read yet: {error:#}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Reads a page and notes it. False where it was the last.
    async fn next_page(&self, backfill: &mut Backfill) -> anyhow::Result<bool> {
        let discord = &self.discord;
        while !self.is_ours().await? {
            tokio::time::sleep(RETRY).await;
        }
        let channel = channel_of(&self.room)?;
        let page = discord.page(channel, backfill.before.map(message_id)).await?;
        let outcome = discord.keep_page(&self.room, &page).await?;
        let is_last = page.len() < usize::from(PAGE);
        let next = Backfill {
            before: page.iter().map(|message| key(message.id)).min().or(backfill.before),
            read: backfill.read + page.len() as u64,
            stored: backfill.stored + outcome.stored,
            state: if is_last { BackfillState::Done } else { BackfillState::Running },
            ..backfill.clone()
        };
        discord.store.save_backfill(&next, discord.clock.now()).await?;
        *backfill = next;
        Ok(!is_last)
    }

    /// Whether this process is the one that acts in the room. It is not where its shards tell nothing of the channel.
    async fn is_ours(&self) -> anyhow::Result<bool> {
        match self.discord.directory.place(channel_of(&self.room)?) {
            Some(place) => self.discord.app().speaks_in(&place).await,
            None => Ok(false),
        }
    }

    async fn give_up(&self, mut backfill: Backfill, fault: &Fault) {
        tracing::warn!(room = %self.room.id, %fault, "older messages cannot be read");
        backfill.state = BackfillState::Stopped;
        if let Err(error) = self.discord.store.save_backfill(&backfill, self.discord.clock.now()).await {
            tracing::warn!(%error, "that reading has stopped cannot be noted");
        }
        self.show(&mut backfill, &format!("Reading older messages has stopped: {fault}")).await;
    }

    async fn report_sometimes(&mut self, backfill: &mut Backfill) {
        if self.reported_at.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
            self.report(backfill).await;
            self.reported_at = Some(Instant::now());
        }
    }

    async fn report(&self, backfill: &mut Backfill) {
        let text = progress(backfill);
        self.show(backfill, &text).await;
    }

    /// Writes into the one message that shows how it goes. It is a courtesy: nothing depends on it.
    async fn show(&self, backfill: &mut Backfill, text: &str) {
        let Ok(channel) = channel_of(&self.room) else { return };
        let shown = self.report_to(channel, backfill, text).await;
        if let Err(error) = shown {
            tracing::debug!(room = %self.room.id, "how far reading is cannot be shown: {error:#}");
        }
    }

    async fn report_to(&self, channel: ChannelId, backfill: &mut Backfill, text: &str) -> anyhow::Result<()> {
        let discord = &self.discord;
        let body = json!({ "content": text, "allowed_mentions": { "parse": [] } });
        let known = backfill.report_to.as_deref().and_then(|id| id.parse().ok()).filter(|&id: &u64| id > 0);
        if let Some(message) = known {
            match discord
                .http
                .edit_message(channel, MessageId::new(message), &body, Vec::new())
                .await
                .map_err(Fault::from)
            {
                Ok(_) => return Ok(()),
                Err(Fault::MessageGone) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        let sent = discord.http.send_message(channel, Vec::new(), &body).await.map_err(Fault::from)?;
        backfill.report_to = Some(sent.id.to_string());
        Ok(discord.store.save_backfill(backfill, discord.clock.now()).await?)
    }
}

fn progress(backfill: &Backfill) -> String {
    let Backfill { read, stored, state, .. } = backfill;
    match state {
        BackfillState::Running => format!("Reading older messages: {read} so far, {stored} of them new."),
        BackfillState::Stopped => {
            format!("Older messages were read in part: {read}, {stored} of them new. /history backfill goes on.")
        }
        BackfillState::Done => {
            format!("This room has been read to its beginning: {read} messages, {stored} of them new.")
        }
    }
}
