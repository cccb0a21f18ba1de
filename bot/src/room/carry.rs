//! Carrying out one turn: wait, draw the words, write them to the outbox, type, post. It can be overtaken until the
//! moment of posting; from there on it is finished, whatever happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chat::{Author, MemberId, Message, MessageKey, Origin, Persona, Provenance, RoomSettings, WINDOW_LEN, Window};
use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use store::{Lease, NewTurn, Room, Turn, TurnEnd, TurnState};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{LEASE, Shared},
    community::Knowledge,
    director::{self, Memory, TurnPlan, Why},
    platform::{Arrival, Platform, Post, PostError, Typing},
    runner::Priority,
    voice::Request,
};

/// How often words are drawn before a persona has nothing to say.
const DRAWS: usize = 5;
/// How long after its time a turn may still be posted. Later than that nobody would know what it answers.
const TURN_LIFE: Duration = Duration::from_secs(5 * 60);
/// How often a draft grows while it is typed.
const TYPING_STEP: Duration = Duration::from_millis(250);
/// The shortest and the longest wait between attempts to store something.
const STORE_RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What is to be said.
pub(super) enum Words {
    /// Whatever the voice says.
    Drawn { persona: Persona, plan: TurnPlan },
    /// What somebody put in a persona's mouth.
    Given { persona: Persona, text: String, asked_by: MemberId },
    /// Something else in place of this message of ours.
    Redrawn(MessageKey),
    /// What was decided before a crash, if anything was.
    Unfinished,
}

impl Words {
    /// Whose words they are, where that is known.
    pub(super) fn persona(&self) -> Option<&Persona> {
        match self {
            Words::Drawn { persona, .. } | Words::Given { persona, .. } => Some(persona),
            Words::Redrawn(_) | Words::Unfinished => None,
        }
    }
}

/// How a turn ended.
#[derive(Debug, Default)]
pub(super) struct End {
    /// What was posted.
    pub posted: Vec<Message>,
    /// Whether a human overtook it.
    pub overtaken: bool,
    /// Why the platform refused it, if it did.
    pub trouble: Option<String>,
    /// Whether something in the history is other than the room knows it.
    pub history_changed: bool,
}

/// What became of a post.
enum Posting {
    Posted(Message),
    Refused(String),
    /// It was cancelled, expired, or is looked after at the next start.
    Ended,
}

/// Everything that a turn needs, taken from the room when it began.
pub(super) struct Carrier {
    pub shared: Arc<Shared>,
    pub room: Room,
    pub platform: Arc<dyn Platform>,
    pub knowledge: Arc<Knowledge>,
    pub window: Window,
    pub settings: RoomSettings,
    pub memory: Memory,
    /// The newest message that the room has ever seen.
    pub newest: Option<MessageKey>,
    pub cast: Vec<Persona>,
    pub rng: ChaCha8Rng,
    pub overtaken: CancellationToken,
}

/// A generator of its own for a task, that depends on nothing but its parent's state.
pub(super) fn fork(rng: &mut ChaCha8Rng) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(rng.random())
}

impl Carrier {
    pub(super) async fn carry(mut self, words: Words) -> End {
        let Some(lease) = self.take_lease().await else { return End::default() };
        let mut end = End::default();
        if lease.is_new || matches!(words, Words::Unfinished) {
            // Whoever spoke here before may have left something unfinished, and said things that this process has not heard.
            end = self.finish_turns(&lease).await;
            self.read_window().await;
            end.history_changed = true;
        }
        end.and(match words {
            Words::Unfinished => End::default(),
            Words::Given { persona, text, asked_by } => self.say(&lease, &persona, &text, asked_by).await,
            Words::Drawn { persona, plan } => self.speak(&lease, &plan, &persona).await,
            Words::Redrawn(key) => self.redraw(key).await,
        })
    }

    /// The right to speak in the room. None where another process has it: then that one speaks.
    async fn take_lease(&self) -> Option<Lease> {
        let shared = &self.shared;
        let failed = AtomicBool::new(false);
        let take = || async {
            let taken = shared.store.lease(self.room.id, &shared.owner, LEASE).await;
            failed.fetch_or(taken.is_err(), Ordering::Relaxed);
            taken
        };
        let mut lease = self.stored(take).await.flatten()?;
        // An attempt whose answer was lost may have been the one that took it.
        lease.is_new |= failed.load(Ordering::Relaxed);
        Some(lease)
    }

    async fn read_window(&mut self) {
        let (room, after) = (self.room.id, self.settings.window_after);
        if let Some(window) = self.stored(|| self.shared.store.window(room, after)).await {
            self.window = window;
        }
        if let Some(newest) = self.stored(|| self.shared.store.newest_key(room)).await {
            self.newest = self.newest.max(newest);
        }
    }

    async fn speak(&mut self, lease: &Lease, plan: &TurnPlan, persona: &Persona) -> End {
        let overtaken = self.overtaken.clone();
        // Only this part may be dropped halfway: it leaves nothing behind.
        let words = tokio::select! {
            biased;
            () = overtaken.cancelled() => None,
            words = self.find_words(plan, persona) => Some(words),
        };
        let end = match words {
            None => End { overtaken: true, ..End::default() },
            Some(None) => End::default(),
            Some(Some((text, began))) => self.type_and_post(lease, plan, persona, &text, began).await,
        };
        if end.posted.is_empty() {
            self.show_typing(persona, None).await;
        }
        end
    }

    async fn say(&self, lease: &Lease, persona: &Persona, text: &str, asked_by: MemberId) -> End {
        let line = Decided { kind: "say", persona, text, reply_to: None, caused_by: Some(asked_by), voice: "" };
        match self.enqueue(lease, &line, self.now()).await {
            Some(turn) => self.post(lease, turn).await.into(),
            None => End::default(),
        }
    }

    /// Draws other words for something that was said already, from what stood before it.
    async fn redraw(&mut self, key: MessageKey) -> End {
        let (store, room) = (self.shared.store.clone(), self.room.id);
        let Some(Some(written)) = self.stored(|| store.authorship(room, key)).await else { return End::default() };
        let before = self.stored(|| store.messages_before(room, key, WINDOW_LEN as u32)).await;
        let Some(before) = before.filter(|_| self.cast.iter().any(|persona| persona.id == written.persona.id)) else {
            return End::default();
        };
        self.window = Window::new(before);
        let Some(text) = self.draw(&written.persona, Priority::Awaited).await else { return End::default() };
        match self.platform.edit(&self.room, key, &text).await {
            Ok(()) => {
                let voice = self.shared.voice.describe(self.room.community);
                self.stored(|| store.redraw_message(room, key, &text, &voice, self.now())).await;
                tracing::info!(%key, persona = %written.persona.id, "said something else instead");
                End { history_changed: true, ..End::default() }
            }
            Err(error) => {
                tracing::warn!(%error, %key, "a message could not be given other words");
                End { trouble: Some(error.to_string()), ..End::default() }
            }
        }
    }

    /// Waits, begins to type and draws words.
    async fn find_words(&mut self, plan: &TurnPlan, persona: &Persona) -> Option<(String, DateTime<Utc>)> {
        tokio::time::sleep(plan.delay).await;
        let began = self.now();
        self.show_typing(persona, Some("")).await;
        // What personas say among themselves gives way to what a human waits for.
        let priority = match plan.why {
            Why::Addressed | Why::Answer | Why::Asked => Priority::Awaited,
            Why::Exchange | Why::Idle => Priority::Idle,
        };
        Some((self.draw(persona, priority).await?, began))
    }

    /// Draws until there is something that a member could have posted and that nobody of ours has said lately.
    async fn draw(&mut self, persona: &Persona, priority: Priority) -> Option<String> {
        let scripts = self.knowledge.scripts();
        let cleaner = self.knowledge.cleaner(self.known_names(), scripts.clone());
        let called = self.knowledge.called(persona);
        let window: Vec<Message> = self.window.messages().cloned().collect();
        let lines = self.knowledge.lines(&window, &self.cast);
        for _ in 0..DRAWS {
            let (room, settings) = (self.room.id, &self.settings);
            let (window, lines, called) = (&window[..], &lines[..], called.as_str());
            let request = Request { persona, window, lines, called, settings, room, scripts: &scripts, priority };
            let raw = self.shared.voice.speak(&request, &self.knowledge, &mut self.rng).await?;
            match cleaner.clean(called, &raw) {
                Ok(text) if self.is_new(&text) => return Some(text),
                Ok(_) => tracing::debug!("a line that was said already is drawn again"),
                Err(why) => tracing::debug!(%why, "a reply is drawn again"),
            }
        }
        tracing::info!(persona = %persona.id, draws = DRAWS, "found nothing to say");
        None
    }

    fn is_new(&self, text: &str) -> bool {
        let stands = |message: &Message| message.text.eq_ignore_ascii_case(text);
        !self.memory.has_said(text) && !self.window.messages().any(stands)
    }

    fn known_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.window.messages().map(|message| message.author_name.clone()).collect();
        names.extend(self.cast.iter().map(|persona| persona.name.clone()));
        names.extend(self.cast.iter().map(|persona| self.knowledge.called(persona)));
        names.sort();
        names.dedup();
        names
    }

    /// Writes a turn to the outbox before any platform hears of it. Its cause is the message that it follows, so that
    /// one message never causes two. While the database is away it waits: what was promised is said once it is back.
    async fn enqueue(&self, lease: &Lease, line: &Decided<'_>, due_at: DateTime<Utc>) -> Option<Turn> {
        // Also what was deleted or lies before a fresh start counts, or what is promised after it would have a cause that
        // was used already.
        let cause = format!("{}:{}", line.kind, self.newest.map_or(0, |key| key.0));
        let turn = NewTurn {
            room: self.room.id,
            persona: line.persona.id,
            cause: &cause,
            text: line.text,
            reply_to: line.reply_to,
            due_at,
            expires_at: due_at + TURN_LIFE,
            lease,
            voice: line.voice,
            caused_by: line.caused_by,
        };
        let queued = self.stored(|| self.shared.store.enqueue(&turn)).await?;
        match queued {
            Some(turn) => Some(turn),
            None => self.queued_before(&cause).await,
        }
    }

    /// The turn that waits under a cause: what an attempt to write it has left whose answer was lost.
    async fn queued_before(&self, cause: &str) -> Option<Turn> {
        let unfinished = self.stored(|| self.shared.store.unfinished_turns(self.room.id)).await?;
        unfinished.into_iter().find(|turn| turn.cause == cause && turn.state == TurnState::Pending)
    }

    /// Writes the turn to the outbox, due when a person would have typed it, shows it being typed, and posts it.
    async fn type_and_post(
        &self,
        lease: &Lease,
        plan: &TurnPlan,
        persona: &Persona,
        text: &str,
        began: DateTime<Utc>,
    ) -> End {
        let due = began + director::typing_time(self.settings.pacing, text);
        let voice = self.shared.voice.describe(self.room.community);
        let caused_by = self.window.latest().and_then(|message| match message.author {
            Author::Member(member) => Some(member),
            Author::Persona(_) => None,
        });
        let line = Decided { kind: "after", persona, text, reply_to: plan.reply_to, caused_by, voice: &voice };
        let Some(turn) = self.enqueue(lease, &line, due).await else { return End::default() };
        loop {
            if self.overtaken.is_cancelled() {
                self.end(&turn, TurnEnd::Cancelled).await;
                return End { overtaken: true, ..End::default() };
            }
            let now = self.now();
            if now >= due {
                return self.post(lease, turn).await.into();
            }
            let part = (now - began).as_seconds_f32() / (due - began).as_seconds_f32();
            self.show_typing(persona, Some(words_typed(text, part))).await;
            let step = TYPING_STEP.min((due - now).to_std().unwrap_or_default());
            tokio::select! {
                () = self.overtaken.cancelled() => {}
                () = tokio::time::sleep(step) => {}
            }
        }
    }

    /// Finishes turns that a crash or a lost connection interrupted.
    async fn finish_turns(&self, lease: &Lease) -> End {
        let mut end = End::default();
        let turns = self.stored(|| self.shared.store.unfinished_turns(self.room.id)).await.unwrap_or_default();
        for turn in turns {
            end = end.and(match turn.state {
                TurnState::Posting => self.look_up_or_post(lease, turn).await.into(),
                _ => self.post(lease, turn).await.into(),
            });
        }
        end
    }

    /// Posts a turn and stores that it was posted.
    async fn post(&self, lease: &Lease, turn: Turn) -> Posting {
        if !self.begin_post(lease, &turn).await {
            return Posting::Ended;
        }
        let started_at = turn.started_at.unwrap_or_else(|| self.now());
        let post = self.post_of(&turn, started_at);
        match self.platform.post(&post).await {
            Ok(arrival) => self.arrived(&turn, arrival).await,
            Err(PostError::Refused(why)) => {
                tracing::warn!(%why, turn = %turn.id, "the platform refused a turn");
                self.end(&turn, TurnEnd::Failed).await;
                Posting::Refused(why)
            }
            Err(PostError::Retry { after, why }) => {
                tracing::warn!(%why, turn = %turn.id, "a turn will be tried again");
                let turn = Turn { started_at: Some(started_at), state: TurnState::Posting, ..turn };
                match self.wait(after).await {
                    Some(()) => Box::pin(self.look_up_or_post(lease, turn)).await,
                    None => Posting::Ended,
                }
            }
        }
    }

    /// Whether the turn is still to be posted. Where the history cannot be asked, it is asked again.
    async fn begin_post(&self, lease: &Lease, turn: &Turn) -> bool {
        if self.now() > turn.expires_at {
            self.end(turn, TurnEnd::Expired).await;
            return false;
        }
        self.stored(|| self.shared.store.begin_post(turn.id, self.now(), lease)).await.unwrap_or(false)
    }

    /// After an attempt whose outcome is unknown: what arrived is recognised, what did not is posted.
    async fn look_up_or_post(&self, lease: &Lease, turn: Turn) -> Posting {
        let started_at = turn.started_at.unwrap_or(turn.due_at);
        match self.platform.find_posted(&self.post_of(&turn, started_at)).await {
            Ok(Some(arrival)) => self.arrived(&turn, arrival).await,
            Ok(None) => self.post(lease, turn).await,
            Err(PostError::Retry { after, why }) => {
                tracing::warn!(%why, turn = %turn.id, "cannot yet see whether a turn arrived");
                // Past its time it stays as it is: the next start looks again.
                if self.now() > turn.expires_at || self.wait(after).await.is_none() {
                    return Posting::Ended;
                }
                Box::pin(self.look_up_or_post(lease, turn)).await
            }
            Err(PostError::Refused(why)) => {
                tracing::warn!(%why, turn = %turn.id, "cannot see whether a turn arrived");
                self.end(&turn, TurnEnd::Failed).await;
                Posting::Refused(why)
            }
        }
    }

    async fn arrived(&self, turn: &Turn, arrival: Arrival) -> Posting {
        let noted = self.stored(|| self.shared.store.finish_post(turn, arrival.key, arrival.sent_at)).await;
        if noted.is_none() {
            return Posting::Ended;
        }
        tracing::info!(turn = %turn.id, key = %arrival.key, persona = %turn.persona.id, "posted");
        Posting::Posted(Message {
            key: arrival.key,
            room: self.room.id,
            author: Author::Persona(turn.persona.id),
            author_name: turn.persona.name.clone(),
            sent_at: arrival.sent_at,
            text: turn.text.clone(),
            origin: Origin::Generated,
            provenance: Provenance::Api,
            reply_to: turn.reply_to,
            edited_at: None,
        })
    }

    fn post_of(&self, turn: &Turn, started_at: DateTime<Utc>) -> Post {
        Post {
            turn: turn.id,
            room: self.room.clone(),
            persona: turn.persona.clone(),
            text: turn.text.clone(),
            reply_to: turn.reply_to,
            started_at,
        }
    }

    async fn end(&self, turn: &Turn, how: TurnEnd) {
        self.stored(|| self.shared.store.end_turn(turn.id, how, self.now())).await;
    }

    /// Repeats an idempotent call while the database is away. None once the app shuts down or the write is refused.
    async fn stored<T, F>(&self, write: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = store::Result<T>>,
    {
        let (mut pause, longest) = STORE_RETRY;
        loop {
            match write().await {
                Ok(value) => return Some(value),
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, "the history cannot be written now; it will be tried again");
                    self.wait(pause).await?;
                    pause = (pause * 2).min(longest);
                }
                Err(error) => {
                    tracing::error!(%error, "the history refused a write");
                    return None;
                }
            }
        }
    }

    /// None once the app shuts down: what is in the outbox is looked after at the next start.
    async fn wait(&self, pause: Duration) -> Option<()> {
        tokio::select! {
            () = self.shared.shutdown.cancelled() => None,
            () = tokio::time::sleep(pause) => Some(()),
        }
    }

    async fn show_typing(&self, persona: &Persona, draft: Option<&str>) {
        self.platform.typing(Typing { room: &self.room, persona, draft }).await;
    }

    fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }
}

/// What was decided to be said.
struct Decided<'a> {
    /// The first part of the cause.
    kind: &'static str,
    persona: &'a Persona,
    text: &'a str,
    reply_to: Option<MessageKey>,
    /// Who asked for it, or whose message it follows.
    caused_by: Option<MemberId>,
    /// What the words were drawn with.
    voice: &'a str,
}

impl End {
    /// This, and then that.
    fn and(mut self, later: End) -> End {
        self.posted.extend(later.posted);
        End {
            posted: self.posted,
            overtaken: later.overtaken,
            trouble: later.trouble.or(self.trouble),
            history_changed: self.history_changed || later.history_changed,
        }
    }
}

impl From<Posting> for End {
    fn from(posting: Posting) -> Self {
        match posting {
            Posting::Posted(message) => End { posted: vec![message], ..End::default() },
            Posting::Refused(why) => End { trouble: Some(why), ..End::default() },
            Posting::Ended => End::default(),
        }
    }
}

/// The whole words that stand in the input field once `part` of the time (0 to 1) has passed.
fn words_typed(text: &str, part: f32) -> &str {
    let limit = (text.len() as f32 * part.clamp(0.0, 1.0)) as usize;
    let end = text.match_indices(' ').map(|(place, _)| place).take_while(|&place| place <= limit).last();
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_grows_by_whole_words() {
        let text = "wer hat größere Segel 😅";
        assert_eq!(
            [0.0, 0.4, 0.9, 7.0].map(|part| words_typed(text, part)),
            ["", "wer hat", "wer hat größere Segel", "wer hat größere Segel"]
        );
        assert_eq!(words_typed("word", 0.5), "");
    }
}
