//! Where words come from: the model runner where there is one, the members' Markov chains otherwise.

use std::time::Duration;

use chat::{Message, Persona, RoomSettings, prompt};
use rand::Rng;
use tokio::{sync::watch, time::timeout};

use crate::{
    community::Knowledge,
    runner::{Draw, RunnerClient, RunnerError},
};

/// The most tokens of a reply.
const MAX_TOKENS: u32 = 80;

/// How long a reply in flight waits for a runner that has just died.
const RESTART_PATIENCE: Duration = Duration::from_secs(20);

/// How long a supervisor may take to notice that its child is gone.
const NOTICE_TIME: Duration = Duration::from_millis(500);

/// What is to be said.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// By whom.
    pub persona: &'a Persona,
    /// To what, oldest first.
    pub window: &'a [Message],
    /// With what topic and sampling.
    pub settings: &'a RoomSettings,
}

/// The source of words of one process.
#[derive(Debug, Clone)]
pub struct Voice {
    runner: Option<watch::Receiver<Option<RunnerClient>>>,
    is_remote: bool,
}

impl Voice {
    /// Markov chains only.
    pub fn markov() -> Self {
        Self { runner: None, is_remote: false }
    }

    /// The runner that this channel holds whenever there is one, Markov chains while there is none.
    pub fn runner(runner: watch::Receiver<Option<RunnerClient>>) -> Self {
        Self { runner: Some(runner), is_remote: false }
    }

    /// A server that somebody else looks after.
    pub fn remote(client: RunnerClient) -> Self {
        // The channel's other end is gone, so what it holds never changes.
        let (_, runner) = watch::channel(Some(client));
        Self { is_remote: true, ..Self::runner(runner) }
    }

    /// Whether somebody else looks after the server, so that what it is shown leaves our hands.
    pub fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        match self.client() {
            Some(client) => client.model_name(),
            None => "Markov chain".to_owned(),
        }
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
        let lines: Vec<_> = request.window.iter().map(|m| prompt::Line::new(&m.author_name, &m.text)).collect();
        let prompt = prompt::reply(&lines, request.settings.topic.as_deref(), &request.persona.name);
        let draw = Draw {
            sampling: request.settings.sampling,
            max_tokens: MAX_TOKENS,
            seed: rng.random(),
            stop: vec!["\n".to_owned()],
        };
        let first = match client.complete(&prompt, &draw).await {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let second = match self.wait_before_retry(&first).await {
            Some(client) => client.complete(&prompt, &draw).await,
            None => Err(first),
        };
        second.map_err(|error| tracing::warn!(%error, "a reply was dropped: the model runner did not answer")).ok()
    }

    fn client(&self) -> Option<RunnerClient> {
        self.runner.as_ref()?.borrow().clone()
    }

    /// Waits until another try makes sense; none where it does not.
    async fn wait_before_retry(&self, error: &RunnerError) -> Option<RunnerClient> {
        match error {
            RunnerError::Rejected { .. } => return None,
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
