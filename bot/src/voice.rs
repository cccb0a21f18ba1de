//! Where words come from: the model runner where there is one, the members' Markov chains otherwise.

use std::{sync::Arc, time::Duration};

use chat::{CommunityId, Line, Message, Persona, RoomId, RoomSettings, Sampling, ScriptSet, prompt};
use rand::Rng;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    adapters::Adapters,
    community::Knowledge,
    runner::{Draw, Extras, Priority, RunnerClient, RunnerError},
};

/// The most tokens of a reply.
const MAX_TOKENS: u32 = 80;

/// How long a reply in flight waits for a runner that has just died.
const RESTART_PATIENCE: Duration = Duration::from_secs(20);

/// How long a supervisor may take to notice that its child is gone.
const NOTICE_TIME: Duration = Duration::from_millis(500);

/// How many windows are shown to the runner at once, so that its queue is left to replies. Each room waits with its
/// latest window alone.
const PREFILLS: usize = 4;

/// How long a window waits for its turn to be shown. What is older than that was answered or has changed.
const PREFILL_PATIENCE: Duration = Duration::from_secs(10);

/// What is to be said.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// By whom.
    pub persona: &'a Persona,
    /// To what, oldest first.
    pub window: &'a [Message],
    /// The same as a prompt shows it.
    pub lines: &'a [Line],
    /// What the persona is called there.
    pub called: &'a str,
    /// With what topic and sampling.
    pub settings: &'a RoomSettings,
    /// Where.
    pub room: RoomId,
    /// In what scripts.
    pub scripts: &'a ScriptSet,
    /// Whether somebody waits for it.
    pub priority: Priority,
}

/// The source of words of one process.
#[derive(Debug, Clone)]
pub struct Voice {
    runner: Option<watch::Receiver<Option<RunnerClient>>>,
    is_remote: bool,
    /// What lets windows be shown ahead; none where they are not to be.
    prefills: Option<Arc<Semaphore>>,
    /// What our own runner speaks with, by community; none for its base alone.
    adapters: Option<Arc<Adapters>>,
}

impl Voice {
    /// Markov chains only.
    pub fn markov() -> Self {
        Self { runner: None, is_remote: false, prefills: None, adapters: None }
    }

    /// The runner that this channel holds whenever there is one, Markov chains while there is none.
    pub fn runner(runner: watch::Receiver<Option<RunnerClient>>) -> Self {
        Self { runner: Some(runner), ..Self::markov() }.with_prefill()
    }

    /// A server that somebody else looks after. One on another machine may want money for what it computes: windows are
    /// not shown to it ahead unless [`Voice::with_prefill`] says so.
    pub fn remote(client: RunnerClient) -> Self {
        // The channel's other end is gone, so what it holds never changes.
        let is_near = client.is_on_this_machine();
        let (_, runner) = watch::channel(Some(client));
        let voice = Self { is_remote: true, ..Self::runner(runner) };
        if is_near { voice } else { voice.without_prefill() }
    }

    /// The same, showing the runner ahead what it is going to be asked about.
    pub fn with_prefill(self) -> Self {
        Self { prefills: Some(Arc::new(Semaphore::new(PREFILLS))), ..self }
    }

    /// The same, showing the runner nothing before somebody speaks.
    pub fn without_prefill(self) -> Self {
        Self { prefills: None, ..self }
    }

    /// The same, speaking with each community's adapter where our own runner offers it.
    pub fn with_adapters(self, adapters: Adapters) -> Self {
        Self { adapters: Some(Arc::new(adapters)), ..self }
    }

    /// Whether somebody else looks after the server, so that what it is shown leaves our hands.
    pub fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// What a community's personas speak with, for people.
    pub fn describe(&self, community: CommunityId) -> String {
        let Some(client) = self.client() else { return "Markov chain".to_owned() };
        match self.adapters.as_ref().and_then(|adapters| adapters.name(&client, community)) {
            Some(adapter) => format!("{} with the adapter {adapter}", client.model_name()),
            None => client.model_name(),
        }
    }

    /// Follows a change of a community's adapters, or of its members' minds.
    pub async fn adapters_changed(&self, community: CommunityId) {
        if let (Some(adapters), Some(client)) = (&self.adapters, self.client()) {
            adapters.changed(&client, community).await;
        }
    }

    /// Follows whatever may have changed of the adapters.
    pub async fn all_adapters_changed(&self) {
        if let (Some(adapters), Some(client)) = (&self.adapters, self.client()) {
            adapters.all_changed(&client).await;
        }
    }

    /// Begins to show the runner what a room's next prompt will begin with (see [`prompt::prefix`]), and stops when the
    /// handle is dropped. None where that is not wanted or the runner is away. What comes of it is nobody's concern: a
    /// reply that finds nothing prepared only takes longer.
    pub fn prefill(&self, prefix: &str, community: CommunityId, room: RoomId) -> Option<AbortOnDropHandle<()>> {
        let (client, prefills) = (self.client()?, self.prefills.clone()?);
        let (prefix, room, voice) = (prefix.to_owned(), cache_key(room), self.clone());
        Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let Ok(Ok(_turn)) = timeout(PREFILL_PATIENCE, prefills.acquire_owned()).await else { return };
            // What one adapter has computed is of no use to another.
            let client = voice.for_community(client, community).await;
            if let Err(error) = client.prefill(&prefix, &room).await {
                tracing::debug!(%error, "a window could not be shown to the model runner ahead");
            }
        })))
    }

    /// Draws one reply, raw as it comes. None where there is nothing to say, which is not an error: the room goes on.
    ///
    /// A runner that dies under a reply gets a second try once it is back; then the reply is dropped.
    pub async fn speak(
        &self,
        request: &Request<'_>,
        knowledge: &Knowledge,
        rng: &mut (impl Rng + Send),
    ) -> Option<String> {
        let Some(client) = self.client() else {
            let RoomSettings { topic, sampling, .. } = request.settings;
            let member = request.persona.member;
            return knowledge.markov_reply(member, request.window, topic.as_deref(), sampling.temperature, rng);
        };
        let prompt = prompt::reply(request.lines, request.settings.topic.as_deref(), request.called);
        let extras = Extras {
            room: Some(cache_key(request.room)),
            priority: request.priority,
            scripts: request.scripts.clone(),
            no_urls: true,
        };
        let draw = draw_line(request.settings.sampling, rng.random(), extras);
        let community = knowledge.community();
        let first = match self.for_community(client.clone(), community).await.complete(&prompt, &draw).await {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let second = match self.wait_before_retry(&first, &client, community).await {
            Some(client) => self.for_community(client, community).await.complete(&prompt, &draw).await,
            None => Err(first),
        };
        second.map_err(|error| tracing::warn!(%error, "a reply was dropped: the model runner did not answer")).ok()
    }

    fn client(&self) -> Option<RunnerClient> {
        self.runner.as_ref()?.borrow().clone()
    }

    /// The client, asked for what a community speaks with.
    async fn for_community(&self, client: RunnerClient, community: CommunityId) -> RunnerClient {
        match &self.adapters {
            Some(adapters) => adapters.client_for(&client, community).await,
            None => client,
        }
    }

    /// Waits until another try makes sense; none where it does not.
    async fn wait_before_retry(
        &self,
        error: &RunnerError,
        client: &RunnerClient,
        community: CommunityId,
    ) -> Option<RunnerClient> {
        match error {
            RunnerError::Rejected { .. } => return None,
            // The adapter became stale this moment, or did not come back from the runner's rest.
            RunnerError::NoSuchModel { .. } => self.adapters.as_ref()?.is_gone(client, community).then_some(())?,
            RunnerError::Busy { retry_after } => tokio::time::sleep((*retry_after).min(RESTART_PATIENCE)).await,
            _ => {
                // The supervisor needs a moment to notice that its child has died.
                tokio::time::sleep(NOTICE_TIME).await;
                let mut runner = self.runner.clone()?;
                let back = timeout(RESTART_PATIENCE, runner.wait_for(Option::is_some)).await;
                if !matches!(back, Ok(Ok(_))) {
                    return None;
                }
            }
        }
        self.client()
    }
}

/// How a reply is drawn: one line of bounded length.
fn draw_line(sampling: Sampling, seed: u64, extras: Extras) -> Draw {
    Draw { sampling, max_tokens: MAX_TOKENS, seed, stop: vec!["\n".to_owned()], extras }
}

/// How a reply is drawn outside of any room.
pub(crate) fn draw_alone(scripts: ScriptSet, seed: u64) -> Draw {
    let extras = Extras { room: None, priority: Priority::Awaited, scripts, no_urls: true };
    draw_line(Sampling::default(), seed, extras)
}

/// What a room is called towards the runner.
fn cache_key(room: RoomId) -> String {
    format!("room-{room}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shows_ahead(voice: &Voice) -> bool {
        voice.prefill("Ada: hi", CommunityId(1), RoomId(1)).is_some()
    }

    #[tokio::test]
    async fn nothing_is_shown_ahead_where_it_may_cost_money_unless_somebody_says_so() {
        let at = |url: &str| Voice::remote(RunnerClient::new(url, None, None).unwrap());
        assert!(shows_ahead(&at("http://127.0.0.1:1")) && shows_ahead(&at("http://localhost:1/v1")));
        assert!(!shows_ahead(&at("https://example.invalid/v1")));
        assert!(shows_ahead(&at("https://example.invalid/v1").with_prefill()));
        assert!(!shows_ahead(&at("http://[::1]:1").without_prefill()));
    }

    #[tokio::test]
    async fn nothing_is_shown_while_the_runner_is_away() {
        let (runner, client) = watch::channel(None);
        let voice = Voice::runner(client);
        assert!(!shows_ahead(&voice) && !shows_ahead(&Voice::markov()));
        runner.send_replace(Some(RunnerClient::new("http://127.0.0.1:1", None, None).unwrap()));
        assert!(shows_ahead(&voice));
    }
}
