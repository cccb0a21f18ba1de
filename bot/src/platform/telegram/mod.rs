//! Telegram: groups are communities, a group and each topic of a forum are rooms, personas speak through the bot with
//! their name above the words, or through bots of their own.
//!
//! This folder is the only place that names teloxide. `updates` and `webhook` hear, `inbound` and `reading` translate,
//! `posting` and `accounts` speak, `commands`, `asking` and `choices` offer the commands, `chats` knows topics and
//! administrators, `doctor` looks at a set-up. A bot cannot read what was said before it came, nor its own messages again:
//! so nothing is fetched later, and a post of unknown end is never tried again.

mod accounts;
mod api;
mod asking;
mod chats;
mod choices;
mod commands;
pub mod doctor;
mod inbound;
mod keys;
mod posting;
mod reading;
mod updates;
mod webhook;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Context, bail};
use async_trait::async_trait;
use chat::{MessageKey, OutboxId, Persona, RoomId};
use chrono::{DateTime, Utc};
use dashmap::{DashMap, DashSet};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use secrecy::SecretString;
use store::{Room, Store};
use teloxide::{
    Bot,
    payloads::setters::*,
    prelude::Requester,
    requests::HasPayload,
    types::{
        ChatAction, ChatId, ChatMemberKind, InlineKeyboardMarkup, LinkPreviewOptions, Me, Message, MessageId,
        ParseMode, ReplyMarkup, ReplyParameters,
    },
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    accounts::{Account, Accounts, Lack},
    api::{Fault, Mouth},
    chats::Chats,
    choices::Choices,
    inbound::Us,
    keys::Spot,
};
use super::{Arrival, Platform, Post, PostError, Typing, place_among_namesakes};
use crate::{
    App, Clock,
    event::{Group, GroupHappening},
};

/// How long Telegram shows somebody as typing, less what a call takes.
const TYPING_SHOWN: Duration = Duration::from_secs(4);
/// How long to wait before Telegram is asked again that was not there at the start: at first, and at most.
const START_RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// How many posts are remembered that certainly did not get out. Beyond it they count as those of which it is not known.
const REMEMBERED_UNSENT: usize = 1_000;
/// Why a turn is given up that may have been posted.
const UNKNOWN_END: &str =
    "It is not known whether it arrived. On Telegram that cannot be looked up, so it is not tried again.";

/// What the operator set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token.
    pub token: SecretString,
    /// The tokens of further bots that personas speak through.
    pub persona_bots: Vec<SecretString>,
    /// The name above what a persona says; `{name}` stands for the member's name.
    pub persona_line: String,
    /// Where Telegram is to bring what happens; without it, it is fetched.
    pub webhook: Option<Webhook>,
    /// Another Bot API server than Telegram's, as in `http://127.0.0.1:8081`.
    pub api_url: Option<String>,
    /// How much a bot may send.
    pub pace: Pace,
}

/// Where Telegram brings what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address that Telegram calls, with HTTPS; its path is what we answer to.
    pub url: String,
    /// Where we listen, behind whoever speaks HTTPS at that address.
    pub listen: SocketAddr,
}

/// How many messages a bot may send. The default is what Telegram's "Bots FAQ" asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A second in one chat.
    pub chat_second: u32,
    /// A minute in one group.
    pub group_minute: u32,
    /// A second in all.
    pub second: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { chat_second: 1, group_minute: 20, second: 30 }
    }
}

/// The connection to Telegram.
pub struct Telegram {
    /// For tasks that outlive the call that begins them.
    this: Weak<Telegram>,
    settings: Settings,
    ears: Bot,
    mouth: Mouth,
    me: Me,
    us: Us,
    accounts: Accounts,
    store: Store,
    clock: Clock,
    started_at: DateTime<Utc>,
    app: OnceLock<App>,
    chats: Chats,
    choices: Choices,
    /// Turns of which we know that the last attempt to post them did not get out.
    unsent: DashSet<OutboxId>,
    typing_shown: DashMap<RoomId, Instant>,
    tasks: TaskTracker,
    rng: Mutex<ChaCha8Rng>,
}

impl Telegram {
    /// Makes sure that Telegram knows us. While it cannot be reached, that is tried again until the shutdown.
    ///
    /// # Errors
    /// A sentence with the remedy, where Telegram does not take a token or the settings are wrong.
    pub async fn connect(
        settings: Settings,
        store: Store,
        clock: Clock,
        seed: u64,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Arc<Telegram>> {
        let (ears, mouth) = (api::ears(&settings)?, api::mouth(&settings.token, &settings)?);
        let signing_in = sign_in(&mouth, &settings);
        let (me, accounts) = tokio::select! {
            signed_in = signing_in => signed_in?,
            () = shutdown.cancelled() => bail!("Telegram was not reached before the program was ended"),
        };
        let us = Us { bot: me.user.id, all: accounts.users().chain([me.user.id]).collect() };
        Ok(Arc::new_cyclic(|this| Telegram {
            this: this.clone(),
            settings,
            ears,
            mouth,
            me,
            us,
            accounts,
            store,
            clock,
            started_at: clock.now(),
            app: OnceLock::new(),
            chats: Chats::default(),
            choices: Choices::default(),
            unsent: DashSet::new(),
            typing_shown: DashMap::new(),
            tasks: TaskTracker::new(),
            rng: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
        }))
    }

    /// The link that takes the bot into a group.
    pub fn invite_link(&self) -> String {
        format!("https://t.me/{}?startgroup=true", self.username())
    }

    fn username(&self) -> &str {
        self.me.user.username.as_deref().unwrap_or_default()
    }

    /// Listens to Telegram until the shutdown.
    ///
    /// # Errors
    /// A sentence with the remedy, where Telegram will not have us.
    pub async fn run(self: Arc<Self>, app: App, shutdown: CancellationToken) -> anyhow::Result<()> {
        if self.app.set(app).is_err() {
            bail!("the connection to Telegram is in use already");
        }
        self.tasks.spawn(self.clone().settle_in(shutdown.clone()));
        let served = match self.settings.webhook.clone() {
            Some(webhook) => webhook::serve(self.clone(), webhook, shutdown).await,
            None => updates::poll(self.clone(), shutdown).await,
        };
        self.tasks.close();
        self.tasks.wait().await;
        served
    }

    /// Registers the commands, and makes known that we are a bot, however long that takes.
    async fn settle_in(self: Arc<Self>, shutdown: CancellationToken) {
        let (mut pause, longest) = START_RETRY;
        loop {
            let settled = async {
                let changed = commands::register(&self.mouth).await?;
                if changed > 0 {
                    tracing::info!(menus = changed, "registered the commands");
                }
                for community in self.store.communities_of(chat::Platform::Telegram).await? {
                    self.introduce(community.id).await?;
                }
                anyhow::Ok(())
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

    /// Makes known in a group that we are a bot: an export of it does not say so.
    async fn introduce(&self, community: chat::CommunityId) -> anyhow::Result<()> {
        self.app().member(community, &reading::person(&self.me.user)).await?;
        Ok(())
    }

    fn app(&self) -> &App {
        self.app.get().expect("nothing is heard before there is an app")
    }

    fn with_rng<T>(&self, draw: impl FnOnce(&mut ChaCha8Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a fault means for a post. What is learned of the group is acted upon.
    fn post_error(&self, chat: ChatId, fault: Fault) -> PostError {
        match fault {
            Fault::Moved(to) => {
                // At once, since the post is tried again at once.
                self.chats.moved(chat, to);
                self.later(move |telegram| async move { telegram.moved(chat, to).await });
            }
            Fault::PutOut => {
                self.chats.put_out(chat);
                self.later(move |telegram| async move { telegram.put_out(chat).await });
            }
            _ => {}
        }
        self.with_rng(|rng| fault.of_post(rng))
    }

    /// Does something that nobody waits for.
    fn later<F>(&self, work: impl FnOnce(Arc<Telegram>) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let Some(telegram) = self.this.upgrade() else { return };
        let work = work(telegram);
        self.tasks.spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!("something was learned of a group and could not be noted: {error:#}");
            }
        });
    }

    /// A group is called otherwise now. Its history goes with it.
    async fn moved(&self, from: ChatId, to: ChatId) -> anyhow::Result<()> {
        self.chats.moved(from, to);
        let moved = self.app().group_moved(chat::Platform::Telegram, &from.to_string(), &to.to_string()).await?;
        match moved {
            true => tracing::info!("a group has become a supergroup; its history goes with it"),
            false => {
                tracing::warn!(%from, %to, "a group has become a supergroup whose history cannot be joined; both stay")
            }
        }
        Ok(())
    }

    async fn put_out(&self, chat: ChatId) -> anyhow::Result<()> {
        let group = Group { platform: chat::Platform::Telegram, community: chat.to_string(), title: String::new() };
        tracing::info!(%chat, "put out of a group; what is kept of it stays");
        self.app().handle_group(&group, GroupHappening::PutOut).await
    }

    /// Where a room is now.
    fn spot(&self, room: &Room) -> Result<Spot, Fault> {
        let spot = Spot::of(room)?;
        Ok(Spot { chat: self.chats.current(spot.chat), ..spot })
    }

    /// What a persona is called, told apart from others of the same name.
    async fn label(&self, persona: &Persona) -> store::Result<String> {
        let place = place_among_namesakes(&self.store, persona).await?;
        Ok(posting::label(&persona.name, &self.settings.persona_line, place))
    }

    /// The account that a persona speaks through. Where the bot itself does that although there are persona bots, the group
    /// is told once.
    async fn account(&self, persona: &Persona, spot: Spot) -> store::Result<Option<&Account>> {
        // In a small group each bot knows a message by another id, so nobody could answer it or take it away.
        if !keys::is_numbered(spot.chat) {
            return Ok(None);
        }
        match self.accounts.of(&self.store, persona, spot.chat, self.clock.now()).await? {
            Ok(account) => Ok(Some(account)),
            Err(lack) => {
                self.tell_once(persona, spot, lack);
                Ok(None)
            }
        }
    }

    fn tell_once(&self, persona: &Persona, spot: Spot, lack: Lack) {
        if !self.accounts.is_news(spot.chat, &lack) {
            return;
        }
        let name = &persona.name;
        let text = match lack {
            Lack::Absent(_, username) => format!(
                "-- The bot that is to speak as {name}, {username}, is not in this group, so I say it with the name above \
                 the words. An administrator can add it."
            ),
            _ => format!(
                "-- Every persona bot speaks as somebody already, so I speak for {name} with the name above the words."
            ),
        };
        tracing::warn!(chat = %spot.chat, persona = %persona.id, ?spot.topic, "no persona bot speaks for a persona");
        self.later(move |telegram| async move {
            telegram.send(&telegram.mouth, spot, Letter::plain(&text)).await?;
            Ok(())
        });
    }

    /// Sends a message of ours: no preview, no sound.
    async fn send(&self, mouth: &Mouth, spot: Spot, letter: Letter) -> Result<Message, Fault> {
        let mut sending = mouth
            .send_message(spot.chat, letter.html)
            .parse_mode(ParseMode::Html)
            .link_preview_options(no_preview())
            .disable_notification(true);
        let payload = sending.payload_mut();
        payload.message_thread_id = spot.topic;
        payload.reply_parameters = letter.reply_to.map(reply);
        payload.reply_markup = letter.keyboard.map(ReplyMarkup::InlineKeyboard);
        Ok(sending.await?)
    }

    /// Posts through the account of a persona, or else through the bot.
    async fn send_as(&self, post: &Post, spot: Spot, label: &str) -> Result<Message, PostError> {
        let reply_to = post.reply_to.and_then(|key| keys::message_id(spot.chat, key));
        let account = self.account(&post.persona, spot).await.map_err(|error| store_error(&error))?;
        if let Some(account) = account {
            let line = if account.is_called(label).await { None } else { Some(label) };
            self.gets_out(post.turn);
            match self.send(&account.mouth, spot, Letter::of(line, &post.text, reply_to)).await {
                Ok(message) => return Ok(message),
                // Whoever has put out the account may have kept the bot.
                Err(Fault::PutOut | Fault::Token) => {
                    self.accounts.is_absent(spot.chat, account);
                    self.tell_once(&post.persona, spot, Lack::Absent(account.user, account.username.clone()));
                }
                Err(fault) => return Err(self.did_not_get_out(post.turn, spot.chat, fault)),
            }
        }
        self.gets_out(post.turn);
        let sent = self.send(&self.mouth, spot, Letter::of(Some(label), &post.text, reply_to)).await;
        sent.map_err(|fault| self.did_not_get_out(post.turn, spot.chat, fault))
    }

    fn gets_out(&self, turn: OutboxId) {
        self.unsent.remove(&turn);
    }

    fn did_not_get_out(&self, turn: OutboxId, chat: ChatId, fault: Fault) -> PostError {
        let error = self.post_error(chat, fault);
        if matches!(error, PostError::Retry { .. }) {
            self.note_unsent(turn);
        }
        error
    }

    fn note_unsent(&self, turn: OutboxId) {
        if self.unsent.len() >= REMEMBERED_UNSENT {
            self.unsent.clear();
        }
        self.unsent.insert(turn);
    }

    /// Those who may have posted a message: the account of its persona, and the bot itself, with the line that each puts
    /// above the words.
    async fn writers(&self, room: &Room, key: MessageKey) -> Result<Vec<(&Mouth, Option<String>)>, PostError> {
        let written = self.store.authorship(room.id, key).await.map_err(|error| store_error(&error))?;
        let Some(written) = written else { return Ok(vec![(&self.mouth, None)]) };
        let label = self.label(&written.persona).await.map_err(|error| store_error(&error))?;
        let account = self.accounts.lent(written.persona.id).map(|account| (&account.mouth, None));
        Ok(account.into_iter().chain([(&self.mouth, Some(label))]).collect())
    }

    fn message_id(&self, room: &Room, key: MessageKey) -> Result<(ChatId, MessageId), PostError> {
        let spot = self.spot(room).map_err(|fault| PostError::Refused(fault.to_string()))?;
        let id = keys::message_id(spot.chat, key);
        let id = id.ok_or_else(|| PostError::Refused("It was said before the group became what it is.".to_owned()))?;
        Ok((spot.chat, id))
    }
}

#[async_trait]
impl Platform for Telegram {
    fn kind(&self) -> chat::Platform {
        chat::Platform::Telegram
    }

    async fn post(&self, post: &Post) -> Result<Arrival, PostError> {
        self.note_unsent(post.turn);
        let spot = self.spot(&post.room).map_err(|fault| PostError::Refused(fault.to_string()))?;
        let label = self.label(&post.persona).await.map_err(|error| store_error(&error))?;
        let message = self.send_as(post, spot, &label).await?;
        Ok(Arrival { key: keys::message(spot.chat, message.id, message.date), sent_at: message.date })
    }

    /// Telegram has no names for posts, and a bot cannot read its own messages: what may have arrived is left alone.
    async fn find_posted(&self, post: &Post) -> Result<Option<Arrival>, PostError> {
        match self.unsent.contains(&post.turn) {
            true => Ok(None),
            false => Err(PostError::Refused(UNKNOWN_END.to_owned())),
        }
    }

    async fn edit(&self, room: &Room, key: MessageKey, text: &str) -> Result<(), PostError> {
        let (chat, id) = self.message_id(room, key)?;
        let mut last = Fault::MessageGone;
        for (mouth, label) in self.writers(room, key).await? {
            let editing = mouth.edit_message_text(chat, id, posting::html(label.as_deref(), text));
            let editing = editing.parse_mode(ParseMode::Html).link_preview_options(no_preview());
            match editing.await.map_err(Fault::from) {
                Ok(_) | Err(Fault::Unchanged) => return Ok(()),
                Err(fault) => last = fault,
            }
        }
        Err(self.post_error(chat, last))
    }

    async fn delete(&self, room: &Room, key: MessageKey) -> Result<(), PostError> {
        let (chat, id) = self.message_id(room, key)?;
        let mut last = Fault::MessageGone;
        for (mouth, _) in self.writers(room, key).await? {
            match mouth.delete_message(chat, id).await.map_err(Fault::from) {
                Ok(_) | Err(Fault::MessageGone) => return Ok(()),
                Err(fault) => last = fault,
            }
        }
        Err(self.post_error(chat, last))
    }

    async fn may_speak(&self, room: &Room) -> Result<(), String> {
        let spot = self.spot(room).map_err(|fault| fault.to_string())?;
        let ours = self.mouth.get_chat_member(spot.chat, self.us.bot).await.map_err(Fault::from);
        match ours.map(|member| member.kind) {
            Ok(ChatMemberKind::Restricted(rights)) if !rights.can_send_messages => {
                Err("I may not write here; let me, in the group's permissions.".to_owned())
            }
            Ok(kind) if !kind.is_present() => Err(Fault::PutOut.to_string()),
            Ok(_) => Ok(()),
            Err(fault) if fault.is_passing() => Ok(()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    async fn typing(&self, Typing { room, persona, draft }: Typing<'_>) {
        let Ok(spot) = self.spot(room) else { return };
        let now = Instant::now();
        let is_shown = self.typing_shown.get(&room.id).is_some_and(|at| now.duration_since(*at) < TYPING_SHOWN);
        if draft.is_none() || is_shown {
            return;
        }
        self.typing_shown.insert(room.id, now);
        let mouth = self.accounts.lent(persona.id).map_or(&self.mouth, |account| &account.mouth).clone();
        // A turn must not wait for this, and nothing follows from its failure.
        self.tasks.spawn(async move {
            let mut showing = mouth.send_chat_action(spot.chat, ChatAction::Typing);
            showing.payload_mut().message_thread_id = spot.topic;
            if let Err(error) = showing.await {
                tracing::debug!(fault = %Fault::from(error), "typing cannot be shown");
            }
        });
    }

    fn is_ready(&self, room: &Room) -> bool {
        self.spot(room).is_ok_and(|spot| self.chats.are_in(spot.chat))
    }
}

/// A message of ours before it is sent.
struct Letter {
    html: String,
    reply_to: Option<MessageId>,
    keyboard: Option<InlineKeyboardMarkup>,
}

impl Letter {
    fn plain(text: &str) -> Self {
        Self::of(None, text, None)
    }

    fn of(label: Option<&str>, text: &str, reply_to: Option<MessageId>) -> Self {
        Self { html: posting::html(label, text), reply_to, keyboard: None }
    }
}

/// An answer to a message, which may be gone by then.
fn reply(to: MessageId) -> ReplyParameters {
    ReplyParameters::new(to).allow_sending_without_reply()
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

/// Asks Telegram who we and our persona bots are, again and again until it answers.
async fn sign_in(mouth: &Mouth, settings: &Settings) -> anyhow::Result<(Me, Accounts)> {
    let (mut pause, longest) = START_RETRY;
    loop {
        let signed_in = async {
            let me = mouth.get_me().await.map_err(Fault::from).context("cannot sign in to Telegram")?;
            anyhow::Ok((me, Accounts::connect(settings).await?))
        };
        match signed_in.await {
            Err(error) if error.downcast_ref::<Fault>().is_some_and(Fault::is_passing) => {
                tracing::warn!("Telegram will be asked again: {error:#}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            signed_in => return signed_in,
        }
    }
}

fn store_error(error: &store::StoreError) -> PostError {
    match error.is_transient() {
        true => PostError::Retry { after: Duration::from_secs(1), why: error.to_string() },
        false => PostError::Refused(error.to_string()),
    }
}
