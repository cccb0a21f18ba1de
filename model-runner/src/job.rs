//! A request on its way from HTTP to the model thread, and what comes back.

use chat::wire::{ChatMessage, DrawOptions, FinishReason, Usage};
use tokio::sync::mpsc;

/// A request that waits for the model thread. It is given up as soon as nobody receives its events.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) prompt: Prompt,
    pub(crate) draw: Draw,
    /// Has room for an event for each token of the context, so that a slow client never holds up the model thread.
    pub(crate) events: mpsc::Sender<Event>,
}

/// What is to be answered.
#[derive(Debug)]
pub(crate) enum Prompt {
    /// A conversation, in which text stays text.
    Chat(Vec<ChatMessage>),
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
}

/// How a token is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling {
    /// 0 for always the likeliest.
    pub(crate) temperature: f32,
    pub(crate) top_p: f32,
    pub(crate) min_p: f32,
    /// 0 for all.
    pub(crate) top_k: u32,
    /// None for another one each time.
    pub(crate) seed: Option<i64>,
}

/// Without a word about it: OpenAI's temperature and top-p, llama.cpp's top-k.
const DEFAULT_SAMPLING: Sampling = Sampling { temperature: 1.0, top_p: 1.0, min_p: 0.0, top_k: 40, seed: None };

/// What happens to a job, in this order: `Started`, `Text` any number of times, `Finished`; or one of the others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The model works on it.
    Started,
    /// More of the answer.
    Text(String),
    /// The answer is complete.
    Finished { reason: FinishReason, usage: Usage },
    /// The request is at fault.
    Refused(Refusal),
    /// The runner is at fault.
    Failed(String),
    /// The runner stops and does not begin with anything new.
    Stopping,
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

impl Draw {
    /// Checks what a request says about how it is to be drawn.
    pub(crate) fn from_options(options: &DrawOptions) -> Result<Self, Refusal> {
        if let Some(n) = options.n.filter(|&n| n != 1) {
            return Err(Refusal::new("n", format!("one answer is drawn for a request, not {n}; ask several times")));
        }
        if options.wants_logprobs() {
            return Err(Refusal::new("logprobs", "log-probabilities are not offered; leave logprobs out"));
        }
        if options.token_limit() == Some(0) {
            return Err(Refusal::new("max_tokens", "max_tokens is at least 1"));
        }
        Ok(Self {
            sampling: Sampling {
                temperature: within("temperature", options.temperature, 2.0, DEFAULT_SAMPLING.temperature)?,
                top_p: within("top_p", options.top_p, 1.0, DEFAULT_SAMPLING.top_p)?,
                min_p: within("min_p", options.min_p, 1.0, DEFAULT_SAMPLING.min_p)?,
                top_k: options.top_k.map_or(DEFAULT_SAMPLING.top_k, |top_k| u32::try_from(top_k).unwrap_or(0)),
                seed: options.seed,
            },
            max_tokens: options.token_limit(),
            stops: options.stop.clone(),
        })
    }
}

fn within(field: &'static str, value: Option<f32>, most: f32, default: f32) -> Result<f32, Refusal> {
    match value {
        None => Ok(default),
        Some(value) if (0.0..=most).contains(&value) => Ok(value),
        Some(value) => Err(Refusal::new(field, format!("{field} is between 0 and {most}, not {value}"))),
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
        check("{}", expect!["Sampling { temperature: 1.0, top_p: 1.0, min_p: 0.0, top_k: 40, seed: None } max None"]);
        check(
            r#"{"top_k":-1,"seed":7,"max_tokens":9,"max_completion_tokens":5,"n":1}"#,
            expect!["Sampling { temperature: 1.0, top_p: 1.0, min_p: 0.0, top_k: 0, seed: Some(7) } max Some(5)"],
        );
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        check(r#"{"n":2}"#, expect!["n: one answer is drawn for a request, not 2; ask several times"]);
        check(r#"{"logprobs":true}"#, expect!["logprobs: log-probabilities are not offered; leave logprobs out"]);
        check(r#"{"max_tokens":0}"#, expect!["max_tokens: max_tokens is at least 1"]);
        check(r#"{"temperature":-0.5}"#, expect!["temperature: temperature is between 0 and 2, not -0.5"]);
        check(r#"{"top_p":1.5}"#, expect!["top_p: top_p is between 0 and 1, not 1.5"]);
    }
}
