//! Asks a server and times the answer.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use chat::wire::{ChatChunk, ChatMessage, ChatRequest, DrawOptions, StreamOptions, Usage};
use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde_json::Value;

/// How long any one answer may take before the bench gives up: longer than our runner's own limit, so that it is the
/// runner that speaks.
const PATIENCE: Duration = Duration::from_secs(150);

/// Qwen's `<|im_end|>` and `<|endoftext|>`: without them an answer is exactly as long as it was asked to be.
const ENDS: [&str; 2] = ["151645", "151643"];

/// An answer that came whole.
#[derive(Debug, Clone)]
pub struct Reply {
    /// From the request to the first text.
    pub first: Duration,
    /// From the request to the end.
    pub whole: Duration,
    /// What it says.
    pub text: String,
    /// What the server counted.
    pub usage: Usage,
}

impl Reply {
    /// How long a token took, the first left out.
    pub fn time_per_token(&self) -> Duration {
        (self.whole - self.first) / self.usage.completion_tokens.saturating_sub(1).max(1)
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was answered.
    Answered(Reply),
    /// There was no room in the queue.
    TurnedAway {
        /// From the request to the refusal.
        after: Duration,
        /// Whether it was said when to come back.
        says_when: bool,
    },
}

/// A server's address and the connections to it.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: String,
}

impl Client {
    /// Connects anew for each request: llama-server closes a connection that was idle for five seconds, and a request
    /// that is sent at that moment would be lost. On the loopback that costs a tenth of a millisecond.
    pub fn new(address: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().pool_max_idle_per_host(0).build()?;
        Ok(Self { http, address: address.to_owned() })
    }

    /// Whether the server can answer.
    pub async fn is_ready(&self) -> bool {
        let asked = self.http.get(self.url("/health")).send().await;
        asked.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// Sends something whose answer is JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let response = self.http.post(self.url(path)).json(body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{path} answers {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{path} answers {text}"))
    }

    /// Asks for an answer that must not be refused.
    pub async fn chat(&self, request: &Value) -> Result<Reply> {
        match self.try_chat(request).await? {
            Outcome::Answered(reply) => Ok(reply),
            Outcome::TurnedAway { .. } => bail!("the server turned a request away that it has room for"),
        }
    }

    /// Asks for a streamed answer.
    pub async fn try_chat(&self, request: &Value) -> Result<Outcome> {
        let begun = Instant::now();
        let response = self.http.post(self.url("/v1/chat/completions")).json(request).send().await?;
        match response.status() {
            StatusCode::OK => Ok(Outcome::Answered(read_stream(response, begun).await?)),
            StatusCode::SERVICE_UNAVAILABLE => {
                let says_when = response.headers().contains_key(RETRY_AFTER);
                response.bytes().await?;
                Ok(Outcome::TurnedAway { after: begun.elapsed(), says_when })
            }
            status => bail!("the server answers {status}: {}", response.text().await?),
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A request for a streamed, greedy answer of exactly so many tokens, in the fields that both servers know.
pub fn request(prompt: String, tokens: u32) -> ChatRequest {
    ChatRequest {
        model: None,
        messages: vec![ChatMessage::user(prompt)],
        options: DrawOptions {
            max_tokens: Some(tokens),
            temperature: Some(0.0),
            stream: Some(true),
            stream_options: Some(StreamOptions { include_usage: true }),
            logit_bias: Some(BTreeMap::from(ENDS.map(|token| (token.to_owned(), -100.0)))),
            ..DrawOptions::default()
        },
    }
}

async fn read_stream(mut response: Response, begun: Instant) -> Result<Reply> {
    let mut stream = Stream { begun, first: None, text: String::new(), usage: None, is_done: false };
    let mut buffer = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        buffer.extend_from_slice(&bytes);
        while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            stream.take_line(std::str::from_utf8(&line)?.trim_end())?;
        }
    }
    stream.finish()
}

/// What came of a stream so far.
struct Stream {
    begun: Instant,
    first: Option<Duration>,
    text: String,
    usage: Option<Usage>,
    is_done: bool,
}

impl Stream {
    fn take_line(&mut self, line: &str) -> Result<()> {
        let Some(data) = line.strip_prefix("data: ") else { return Ok(()) };
        if data == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: ChatChunk = serde_json::from_str(data).with_context(|| format!("an event says {data}"))?;
        if let Some(text) = chunk.choices.into_iter().find_map(|choice| choice.delta.content)
            && !text.is_empty()
        {
            self.first.get_or_insert_with(|| self.begun.elapsed());
            self.text.push_str(&text);
        }
        self.usage = chunk.usage.or(self.usage);
        Ok(())
    }

    fn finish(self) -> Result<Reply> {
        if !self.is_done {
            bail!("a stream broke off after {:?}", self.text);
        }
        let whole = self.begun.elapsed();
        let usage = self.usage.context("the server did not count the tokens")?;
        Ok(Reply { first: self.first.unwrap_or(whole), whole, text: self.text, usage })
    }
}
