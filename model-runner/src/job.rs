//! A request on its way from HTTP to the model thread, and what comes back.

use std::{path::PathBuf, sync::Arc};

use chat::wire::{ChatMessage, DrawOptions, FinishReason, Usage};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::Instant,
};

use crate::sampling::{Dry, Policy, Sampling, TokenId};

/// A request that waits for the model thread. It is given up as soon as nobody receives its events.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) urgency: Urgency,
    /// Whose it is: what is computed for it is kept for the next request of the same room.
    pub(crate) room: Option<Arc<str>>,
    /// The adapter that is asked for; none for the base alone.
    pub(crate) adapter: Option<String>,
    /// Has room for an event for each token of the context, so that a slow client never holds up the model thread.
    pub(crate) events: mpsc::Sender<Event>,
    /// Its place in the queue; none once the model has begun with it.
    pub(crate) place: Option<Place>,
    pub(crate) arrived: Instant,
    pub(crate) span: tracing::Span,
}

/// A place in the queue. What gives way may only have half of the places.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) _any: OwnedSemaphorePermit,
    pub(crate) _lesser: Option<OwnedSemaphorePermit>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Draw an answer.
    Draw { prompt: Prompt, draw: Box<Draw> },
    /// Bring a prompt into the cache.
    Prefill { prompt: Prompt },
    /// Say how likely each continuation of a prompt is, and that the turn ends there.
    Score { prompt: Prompt, continuations: Vec<String>, end_of_turn: bool },
}

impl Task {
    pub(crate) fn prompt(&self) -> &Prompt {
        let (Task::Draw { prompt, .. } | Task::Prefill { prompt } | Task::Score { prompt, .. }) = self;
        prompt
    }
}

/// What goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Somebody waits for it.
    Live,
    /// Nobody waits for it yet.
    Ahead,
    /// It gives way to everything else.
    Idle,
}

/// What an answer goes on from.
#[derive(Debug)]
pub(crate) enum Prompt {
    /// A conversation, in which text stays text.
    Chat(Vec<ChatMessage>),
    /// A conversation whose last turn is not finished.
    Open(Vec<ChatMessage>),
    /// A text in which control tokens may be written out.
    Raw(String),
}

/// How the answer is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draw {
    pub(crate) sampling: Sampling,
    /// At most this many tokens; none for as many as the context holds.
    pub(crate) max_tokens: Option<u32>,
    pub(crate) stops: Vec<String>,
    /// In GBNF.
    pub(crate) grammar: Option<String>,
}

/// What happens to a job, in this order: `Started`, `Text` any number of times, one of the ends; or one of the others at
/// once.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The model works on it.
    Started,
    /// More of the answer.
    Text(Said),
    /// The answer is complete.
    Finished { reason: FinishReason, usage: Usage },
    /// The natural logarithms of the probabilities of each continuation's tokens.
    Scored { logprobs: Vec<Vec<f32>>, usage: Usage },
    /// The request is at fault.
    Refused(Refusal),
    /// What was asked for has gone in the meantime.
    NoSuchModel,
    /// The runner is at fault.
    Failed(String),
    /// The runner stops and does not begin with anything new.
    Stopping,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Said {
    pub(crate) text: String,
    /// Of the tokens that end in it; empty where nobody asked.
    pub(crate) tokens: Vec<SaidToken>,
}

impl Said {
    /// Adds what was said next.
    pub(crate) fn extend(&mut self, next: Said) {
        self.text.push_str(&next.text);
        self.tokens.extend(next.tokens);
    }
}

/// A token of an answer and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SaidToken {
    pub(crate) chosen: LikelyToken,
    pub(crate) top: Vec<LikelyToken>,
}

/// A token and how likely it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LikelyToken {
    pub(crate) bytes: Vec<u8>,
    pub(crate) logprob: f32,
}

/// Something to be done to the adapters. It waits behind no other request.
#[derive(Debug)]
pub(crate) enum AdapterOrder {
    /// Offer an adapter, in the place of another of the same name where there is one.
    Load { name: String, path: PathBuf, done: oneshot::Sender<Result<(), Refusal>> },
    /// Offer it no longer.
    Unload { name: String, done: oneshot::Sender<Result<(), Refusal>> },
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A sentence for whoever sent it.
    pub(crate) sentence: String,
    /// The field that is wrong.
    pub(crate) field: &'static str,
}

impl Refusal {
    pub(crate) fn new(field: &'static str, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), field }
    }
}

/// The most stop strings of a request, and the longest, in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_LENGTH: usize = 256;
/// The longest grammar, in bytes.
const MAX_GRAMMAR: usize = 16 * 1024;
/// OpenAI's limit for candidates with log-probabilities.
const MAX_TOP_LOGPROBS: u64 = 20;
/// The most biased tokens of a request.
const MAX_BIASES: usize = 1024;

impl Draw {
    /// Checks what a request says about how it is to be drawn.
    pub(crate) fn from_options(options: &DrawOptions) -> Result<Self, Refusal> {
        if let Some(n) = options.n.filter(|&n| n != 1) {
            return Err(Refusal::new("n", format!("one answer is drawn for a request, not {n}; ask several times")));
        }
        if options.stop.len() > MAX_STOPS || options.stop.iter().any(|stop| stop.len() > MAX_STOP_LENGTH) {
            let limit = format!("at most {MAX_STOPS} stop strings of at most {MAX_STOP_LENGTH} bytes are taken");
            return Err(Refusal::new("stop", limit));
        }
        if options.grammar.as_ref().is_some_and(|grammar| grammar.len() > MAX_GRAMMAR) {
            return Err(Refusal::new("grammar", format!("a grammar has at most {MAX_GRAMMAR} bytes")));
        }
        Ok(Self {
            sampling: sampling(options)?,
            max_tokens: options.token_limit(),
            stops: options.stop.clone(),
            grammar: options.grammar.clone(),
        })
    }
}

fn sampling(options: &DrawOptions) -> Result<Sampling, Refusal> {
    let default = Sampling::default();
    Ok(Sampling {
        temperature: within("temperature", options.temperature, 0.0, 2.0, default.temperature)?,
        top_p: within("top_p", options.top_p, 0.0, 1.0, default.top_p)?,
        min_p: within("min_p", options.min_p, 0.0, 1.0, default.min_p)?,
        top_k: options.top_k.map_or(default.top_k, |top_k| u32::try_from(top_k).unwrap_or(0)),
        seed: options.seed.map(|seed| seed as u64),
        repetition_penalty: within("repetition_penalty", options.repetition_penalty, 0.1, 10.0, 1.0)?,
        repeat_last_n: options.repeat_last_n.map_or(default.repeat_last_n, last_n),
        frequency_penalty: within("frequency_penalty", options.frequency_penalty, -2.0, 2.0, 0.0)?,
        presence_penalty: within("presence_penalty", options.presence_penalty, -2.0, 2.0, 0.0)?,
        dry: Dry {
            multiplier: within("dry_multiplier", options.dry_multiplier, 0.0, 100.0, 0.0)?,
            base: within("dry_base", options.dry_base, 1.0, 8.0, default.dry.base)?,
            allowed_length: options.dry_allowed_length.unwrap_or(default.dry.allowed_length),
            last_n: options.dry_penalty_last_n.map_or(default.dry.last_n, last_n),
        },
        logit_bias: biases(options)?,
        logprobs: logprobs(options)?,
        policy: Policy { scripts: options.allowed_scripts.clone(), no_urls: options.no_urls.unwrap_or(false) },
    })
}

/// The latest so many tokens; anything negative is all of them.
fn last_n(number: i32) -> Option<usize> {
    usize::try_from(number).ok()
}

fn biases(options: &DrawOptions) -> Result<Vec<(TokenId, f32)>, Refusal> {
    let Some(biases) = &options.logit_bias else { return Ok(Vec::new()) };
    if biases.len() > MAX_BIASES {
        return Err(Refusal::new("logit_bias", format!("at most {MAX_BIASES} tokens can be biased")));
    }
    let bias = |(token, &bias): (&String, &f32)| {
        let id = token.parse().ok().filter(|id: &TokenId| *id >= 0);
        let id = id.ok_or_else(|| {
            Refusal::new("logit_bias", format!("a token is written as its number, and \"{token}\" is none"))
        })?;
        within("logit_bias", Some(bias), -100.0, 100.0, 0.0).map(|bias| (id, bias))
    };
    biases.iter().map(bias).collect()
}

/// Of how many candidates the log-probabilities are wanted; none where no log-probabilities are. Chat says it in two
/// fields, the older form in one.
fn logprobs(options: &DrawOptions) -> Result<Option<usize>, Refusal> {
    use serde_json::Value;
    let wanted = match &options.logprobs {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::Bool(true)) => Some(0),
        Some(number) => match number.as_u64() {
            Some(number) => Some(number),
            None => return Err(Refusal::new("logprobs", "logprobs is true, false or a number of candidates")),
        },
    };
    let top = options.top_logprobs.map(u64::from);
    let asked = match (wanted, top) {
        (None, Some(1..)) => return Err(Refusal::new("top_logprobs", "top_logprobs is for requests with logprobs")),
        (wanted, top) => wanted.map(|wanted| wanted.max(top.unwrap_or(0))),
    };
    match asked {
        Some(asked) if asked > MAX_TOP_LOGPROBS => Err(Refusal::new(
            if top == Some(asked) { "top_logprobs" } else { "logprobs" },
            format!("log-probabilities are given of at most {MAX_TOP_LOGPROBS} candidates"),
        )),
        asked => Ok(asked.map(|asked| asked as usize)),
    }
}

fn within(field: &'static str, value: Option<f32>, least: f32, most: f32, default: f32) -> Result<f32, Refusal> {
    match value {
        None => Ok(default),
        Some(value) if (least..=most).contains(&value) => Ok(value),
        Some(value) => Err(Refusal::new(field, format!("{field} is between {least} and {most}, not {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(options: &str, expected: Expect) {
        let options: DrawOptions = serde_json::from_str(options).unwrap();
        expected.assert_eq(&match Draw::from_options(&options) {
            Ok(draw) => format!("{:?} max {:?}", draw.sampling, draw.max_tokens),
            Err(refusal) => format!("{}: {}", refusal.field, refusal.sentence),
        });
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        check(
            "{}",
            expect![
                "Sampling { temperature: 1.0, top_p: 1.0, min_p: 0.0, top_k: 40, seed: None, repetition_penalty: 1.0, repeat_last_n: Some(64), frequency_penalty: 0.0, presence_penalty: 0.0, dry: Dry { multiplier: 0.0, base: 1.75, allowed_length: 2, last_n: None }, logit_bias: [], logprobs: None, policy: Policy { scripts: ScriptSet { scripts: None }, no_urls: false } } max None"
            ],
        );
        check(
            r#"{"top_k":-1,"seed":7,"max_tokens":9,"max_completion_tokens":5,"n":1,"logprobs":true,"top_logprobs":3,
                "repeat_penalty":1.1,"repeat_last_n":-1,"logit_bias":{"5":-100},"allowed_scripts":["latin"],"no_urls":true}"#,
            expect![
                "Sampling { temperature: 1.0, top_p: 1.0, min_p: 0.0, top_k: 0, seed: Some(7), repetition_penalty: 1.1, repeat_last_n: None, frequency_penalty: 0.0, presence_penalty: 0.0, dry: Dry { multiplier: 0.0, base: 1.75, allowed_length: 2, last_n: None }, logit_bias: [(5, -100.0)], logprobs: Some(3), policy: Policy { scripts: ScriptSet { scripts: Some({Latin}) }, no_urls: true } } max Some(5)"
            ],
        );
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        check(r#"{"n":2}"#, expect!["n: one answer is drawn for a request, not 2; ask several times"]);
        check(r#"{"temperature":-0.5}"#, expect!["temperature: temperature is between 0 and 2, not -0.5"]);
        check(r#"{"top_p":1.5}"#, expect!["top_p: top_p is between 0 and 1, not 1.5"]);
        check(r#"{"logprobs":21}"#, expect!["logprobs: log-probabilities are given of at most 20 candidates"]);
        check(r#"{"logprobs":"yes"}"#, expect!["logprobs: logprobs is true, false or a number of candidates"]);
        check(r#"{"top_logprobs":2}"#, expect!["top_logprobs: top_logprobs is for requests with logprobs"]);
        check(
            r#"{"logit_bias":{"the":1}}"#,
            expect![[r#"logit_bias: a token is written as its number, and "the" is none"#]],
        );
        check(r#"{"logit_bias":{"1":101}}"#, expect!["logit_bias: logit_bias is between -100 and 100, not 101"]);
    }
}
