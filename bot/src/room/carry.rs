//! Carrying out one turn: wait, draw the words, write them to the outbox, type, post. It can be overtaken until the
//! moment of posting; from there on it is finished, whatever happens.

use std::{sync::Arc, time::Duration};

use chat::{Author, Message, Origin, Persona, Provenance, RoomSettings, Window};
use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use store::{NewTurn, Room, Turn, TurnEnd, TurnState};
use tokio_util::sync::CancellationToken;

use crate::{
    app::Shared,
    community::Knowledge,
    director::{self, Memory, TurnPlan},
    platform::{Arrival, Platform, Post, PostError, Typing},
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
    Drawn,
    /// This.
    Given(String),
    /// What was decided before a crash.
    Recovered(Vec<Turn>),
}

/// How a turn ended.
#[derive(Debug, Default)]
pub(super) struct End {
    /// What was posted.
    pub posted: Vec<Message>,
    /// Whether a human overtook it.
    pub overtaken: bool,
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
    pub names: Vec<String>,
    pub rng: ChaCha8Rng,
    pub overtaken: CancellationToken,
}

/// A generator of its own for a task, that depends on nothing but its parent's state.
pub(super) fn fork(rng: &mut ChaCha8Rng) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(rng.random())
}

impl Carrier {
    pub(super) async fn carry(mut self, plan: Option<TurnPlan>, persona: Option<Persona>, words: Words) -> End {
        match (words, persona) {
            (Words::Recovered(turns), _) => self.recover(turns).await,
            (Words::Given(text), Some(persona)) => self.say(&persona, &text).await,
            (Words::Drawn, Some(persona)) => self.speak(plan, &persona).await,
            // A persona that left between the decision and now says nothing.
            (_, None) => End::default(),
        }
    }

    async fn speak(&mut self, plan: Option<TurnPlan>, persona: &Persona) -> End {
        let Some(plan) = plan else { return End::default() };
        let overtaken = self.overtaken.clone();
        // Only this part may be dropped halfway: it leaves nothing behind.
        let words = tokio::select! {
            biased;
            () = overtaken.cancelled() => None,
            words = self.find_words(&plan, persona) => Some(words),
        };
        let end = match words {
            None => End { overtaken: true, ..End::default() },
            Some(None) => End::default(),
            Some(Some((text, began))) => self.type_and_post(&plan, persona, &text, began).await,
        };
        if end.posted.is_empty() {
            self.show_typing(persona, None).await;
        }
        end
    }

    async fn say(&self, persona: &Persona, text: &str) -> End {
        match self.enqueue("say", persona, text, None, self.now()).await {
            Some(turn) => self.post(turn).await.into(),
            None => End::default(),
        }
    }

    /// Waits, begins to type and draws words.
    async fn find_words(&mut self, plan: &TurnPlan, persona: &Persona) -> Option<(String, DateTime<Utc>)> {
        tokio::time::sleep(plan.delay).await;
        let began = self.now();
        self.show_typing(persona, Some("")).await;
        Some((self.draw(persona).await?, began))
    }

    /// Draws until there is something that a member could have posted and that nobody of ours has said lately.
    async fn draw(&mut self, persona: &Persona) -> Option<String> {
        let cleaner = self.knowledge.cleaner(self.known_names());
        let window: Vec<Message> = self.window.messages().cloned().collect();
        for _ in 0..DRAWS {
            let request = Request { persona, window: &window, settings: &self.settings };
            let raw = self.shared.voice.speak(&request, &self.knowledge, &mut self.rng).await?;
            match cleaner.clean(&persona.name, &raw) {
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
        names.extend(self.names.iter().cloned());
        names.sort();
        names.dedup();
        names
    }

    /// Writes a turn to the outbox before any platform hears of it. Its cause is the message that it follows, so that
    /// one message never causes two. While the database is away it waits: what was promised is said once it is back.
    async fn enqueue(
        &self,
        kind: &str,
        persona: &Persona,
        text: &str,
        reply_to: Option<chat::MessageKey>,
        due_at: DateTime<Utc>,
    ) -> Option<Turn> {
        let latest = self.window.latest().map_or(0, |message| message.key.0);
        let cause = format!("{kind}:{latest}");
        let turn = NewTurn {
            room: self.room.id,
            persona: persona.id,
            cause: &cause,
            text,
            reply_to,
            due_at,
            expires_at: due_at + TURN_LIFE,
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
    async fn type_and_post(&self, plan: &TurnPlan, persona: &Persona, text: &str, began: DateTime<Utc>) -> End {
        let due = began + director::typing_time(self.settings.pacing, text);
        let Some(turn) = self.enqueue("after", persona, text, plan.reply_to, due).await else { return End::default() };
        loop {
            if self.overtaken.is_cancelled() {
                self.end(&turn, TurnEnd::Cancelled).await;
                return End { overtaken: true, ..End::default() };
            }
            let now = self.now();
            if now >= due {
                return self.post(turn).await.into();
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
    async fn recover(&self, turns: Vec<Turn>) -> End {
        let mut end = End::default();
        for turn in turns {
            end.posted.extend(match turn.state {
                TurnState::Posting => self.look_up_or_post(turn).await,
                _ => self.post(turn).await,
            });
        }
        end
    }

    /// Posts a turn and stores that it was posted. Nothing, where it was cancelled meanwhile, refused, or took too long.
    async fn post(&self, turn: Turn) -> Option<Message> {
        if !self.begin_post(&turn).await {
            return None;
        }
        let started_at = turn.started_at.unwrap_or_else(|| self.now());
        let post = self.post_of(&turn, started_at);
        match self.platform.post(&post).await {
            Ok(arrival) => self.arrived(&turn, arrival).await,
            Err(PostError::Refused(why)) => {
                tracing::warn!(%why, turn = %turn.id, "the platform refused a turn");
                self.end(&turn, TurnEnd::Failed).await;
                None
            }
            Err(PostError::Retry { after, why }) => {
                tracing::warn!(%why, turn = %turn.id, "a turn will be tried again");
                let turn = Turn { started_at: Some(started_at), state: TurnState::Posting, ..turn };
                self.wait(after).await?;
                Box::pin(self.look_up_or_post(turn)).await
            }
        }
    }

    /// Whether the turn is still to be posted. Where the history cannot be asked, it is asked again.
    async fn begin_post(&self, turn: &Turn) -> bool {
        if self.now() > turn.expires_at {
            self.end(turn, TurnEnd::Expired).await;
            return false;
        }
        self.stored(|| self.shared.store.begin_post(turn.id, self.now())).await.unwrap_or(false)
    }

    /// After an attempt whose outcome is unknown: what arrived is recognised, what did not is posted.
    async fn look_up_or_post(&self, turn: Turn) -> Option<Message> {
        let started_at = turn.started_at.unwrap_or(turn.due_at);
        match self.platform.find_posted(&self.post_of(&turn, started_at)).await {
            Ok(Some(arrival)) => self.arrived(&turn, arrival).await,
            Ok(None) => self.post(turn).await,
            Err(PostError::Retry { after, why }) => {
                tracing::warn!(%why, turn = %turn.id, "cannot yet see whether a turn arrived");
                if self.now() > turn.expires_at {
                    // It stays as it is: the next start looks again.
                    return None;
                }
                self.wait(after).await?;
                Box::pin(self.look_up_or_post(turn)).await
            }
            Err(PostError::Refused(why)) => {
                tracing::warn!(%why, turn = %turn.id, "cannot see whether a turn arrived");
                self.end(&turn, TurnEnd::Failed).await;
                None
            }
        }
    }

    async fn arrived(&self, turn: &Turn, arrival: Arrival) -> Option<Message> {
        self.stored(|| self.shared.store.finish_post(turn, arrival.key, arrival.sent_at)).await?;
        tracing::info!(turn = %turn.id, key = %arrival.key, persona = %turn.persona.id, "posted");
        Some(Message {
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

impl From<Option<Message>> for End {
    fn from(message: Option<Message>) -> Self {
        End { posted: message.into_iter().collect(), overtaken: false }
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
