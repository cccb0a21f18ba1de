//! The one thread that owns llama.cpp. It takes a request, draws its answer token by token, and takes the next.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use chat::{
    Thinking,
    wire::{FinishReason, Usage},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    counters::Counters,
    gguf::GgufHeader,
    job::{Event, Job, Prompt, Refusal},
    llama::{LlamaError, Model, Sampler, Session, Token},
    stop::{Passed, StopStrings},
    turns,
    utf8::Utf8Text,
};

/// Whether the model can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelState {
    Loading,
    /// With a context of so many tokens.
    Ready {
        context: u32,
    },
    /// For good; with a sentence that says why.
    Failed(String),
}

/// What the thread is started with.
pub(crate) struct ModelThread {
    pub(crate) file: PathBuf,
    /// At most so many tokens; a model that was made for fewer gets fewer.
    pub(crate) context: u32,
    pub(crate) threads: u32,
    pub(crate) jobs: mpsc::Receiver<Job>,
    pub(crate) state: watch::Sender<ModelState>,
    pub(crate) counters: Arc<Counters>,
    /// Once this is cancelled no job is begun; the one in hand is finished.
    pub(crate) shutdown: CancellationToken,
}

impl ModelThread {
    /// Starts the thread. The receiver resolves when it ends: after all senders of jobs are gone, or after the model
    /// failed.
    pub(crate) fn spawn(self) -> std::io::Result<(JoinHandle<()>, oneshot::Receiver<()>)> {
        let (ended, has_ended) = oneshot::channel();
        let thread = thread::Builder::new().name("llama.cpp".to_owned()).spawn(move || {
            // Dropped at the end, on a panic too.
            let _ended = ended;
            self.run();
        })?;
        Ok((thread, has_ended))
    }

    fn run(mut self) {
        if let Err(sentence) = self.load_and_answer() {
            self.state.send_replace(ModelState::Failed(sentence));
        }
    }

    fn load_and_answer(&mut self) -> Result<(), String> {
        let model = self.load().map_err(|reason| format!("cannot use {} as a model: {reason}", self.file.display()))?;
        if !model.has_token("<|im_start|>") {
            tracing::warn!("the model does not know ChatML: its answers to conversations will be poor");
        }
        let length = self.context.min(model.longest_context());
        let session = model.session(length, self.threads).map_err(|error| error.to_string())?;
        let mut answering = Answering { session, length, thinking: model.thinking(), counters: &self.counters };
        self.state.send_replace(ModelState::Ready { context: length });
        while let Some(job) = self.jobs.blocking_recv() {
            if self.shutdown.is_cancelled() {
                send(&job, Event::Stopping);
            } else {
                answering.answer(job);
            }
        }
        Ok(())
    }

    fn load(&self) -> Result<Model, String> {
        GgufHeader::read(&self.file).map_err(|error| error.to_string())?;
        Model::load(&self.file).map_err(|error| error.to_string())
    }
}

struct Answering<'a> {
    session: Session<'a>,
    /// Of the context, in tokens.
    length: u32,
    thinking: Thinking,
    counters: &'a Counters,
}

/// How work on a job ended.
enum Outcome {
    Finished {
        reason: FinishReason,
        usage: Usage,
    },
    Refused(Refusal),
    /// Nobody waits for it any more.
    Cancelled,
}

impl Answering<'_> {
    fn answer(&mut self, job: Job) {
        self.counters.started.add(1);
        let outcome = self.draw_answer(&job);
        match &outcome {
            Ok(Outcome::Cancelled) => self.counters.cancelled.add(1),
            _ => self.counters.finished.add(1),
        }
        match outcome {
            Ok(Outcome::Finished { reason, usage }) => send(&job, Event::Finished { reason, usage }),
            Ok(Outcome::Refused(refusal)) => send(&job, Event::Refused(refusal)),
            Ok(Outcome::Cancelled) => {}
            Err(error) => {
                tracing::error!("{error}");
                send(&job, Event::Failed(error.to_string()));
            }
        }
    }

    fn draw_answer(&mut self, job: &Job) -> Result<Outcome, LlamaError> {
        let wanted = || !job.events.is_closed();
        if !wanted() {
            return Ok(Outcome::Cancelled);
        }
        let prompt = match self.prompt_tokens(&job.prompt) {
            Ok(prompt) => prompt,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let before = prompt.len();
        let prefilled = self.session.prefill(&prompt, wanted)?;
        self.counters.reused_tokens.add(prefilled.reused);
        if !prefilled.complete {
            return Ok(Outcome::Cancelled);
        }
        self.counters.prompt_tokens.add(before - prefilled.reused);
        send(job, Event::Started);
        self.draw_tokens(job, before as u32)
    }

    fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<Token>, Refusal> {
        let (field, tokens) = match prompt {
            Prompt::Raw(text) => ("prompt", self.session.raw_tokens(text)),
            Prompt::Chat(messages) => {
                let pieces = turns::pieces(messages, self.thinking)
                    .ok_or_else(|| Refusal::new("messages", "there is no message to answer"))?;
                ("messages", self.session.tokens(&pieces))
            }
        };
        if tokens.is_empty() {
            return Err(Refusal::new(field, "the prompt is empty"));
        }
        if tokens.len() >= self.length as usize {
            return Err(Refusal::new(
                field,
                format!(
                    "the prompt has {} tokens, and with at least one for the answer it must fit a context of {}",
                    tokens.len(),
                    self.length
                ),
            ));
        }
        Ok(tokens)
    }

    fn draw_tokens(&mut self, job: &Job, prompt_tokens: u32) -> Result<Outcome, LlamaError> {
        let mut sampler = Sampler::new(&job.draw.sampling);
        let mut text = Utf8Text::default();
        let mut stops = StopStrings::new(job.draw.stops.clone());
        let limit = (self.length - prompt_tokens).min(job.draw.max_tokens.unwrap_or(u32::MAX));
        let finished = |reason, drawn| Outcome::Finished { reason, usage: Usage::new(prompt_tokens, drawn) };
        for drawn in 1..=limit {
            if job.events.is_closed() {
                return Ok(Outcome::Cancelled);
            }
            let token = self.session.draw(&mut sampler);
            self.counters.generated_tokens.add(1);
            if self.session.ends(token) {
                send_text(job, stops.finish());
                return Ok(finished(FinishReason::Stop, drawn));
            }
            match stops.push(&text.push(&self.session.bytes(token))) {
                Passed::On(text) => send_text(job, text),
                Passed::Stopped(text) => {
                    send_text(job, text);
                    return Ok(finished(FinishReason::Stop, drawn));
                }
            }
            if drawn < limit {
                self.session.push(token)?;
            }
        }
        send_text(job, stops.finish());
        Ok(finished(FinishReason::Length, limit))
    }
}

fn send_text(job: &Job, text: String) {
    if !text.is_empty() {
        send(job, Event::Text(text));
    }
}

fn send(job: &Job, event: Event) {
    // The channel has room for all events of a job, so this fails only where nobody listens any more, which is looked
    // at before the next token.
    drop(job.events.try_send(event));
}
