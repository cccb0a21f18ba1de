//! REST: how a call is admitted (trouble, token, limits), the table of routes, and how an answer is written.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::errors::{self, ApiError};
use super::form::Call;
use super::limits::{self, Refusal};
use super::world::World;
use super::{Discord, rest_commands, rest_guilds, rest_interactions, rest_messages, rest_webhooks};

/// A body to answer with, or none for 204.
pub type Answer = Result<Option<Value>, ApiError>;

type Headers = Vec<(&'static str, String)>;

/// Serves one call. The world is locked only while it is looked at, not while a delay that a test asked for passes.
pub async fn serve(State(discord): State<Arc<Discord>>, request: Request) -> Response {
    let call = match Call::read(request).await {
        Ok(call) => call,
        Err(error) => return respond(error.status, Some(error.body()), Vec::new()),
    };
    let delay = discord.world().trouble.delay_of(&call.path);
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let mut world = discord.world();
    let (status, body, headers) = world.answer(&call, &discord.gateway_url);
    world.note(&call, status, &headers);
    respond(status, body, headers)
}

impl World {
    fn answer(&mut self, call: &Call, gateway_url: &str) -> (u16, Option<Value>, Headers) {
        if let Some(status) = self.trouble.status_of(&call.path) {
            return (status, Some(errors::trouble(status).body()), Vec::new());
        }
        let parts: Vec<&str> = call.parts.iter().map(String::as_str).collect();
        let limit = limits::of(&call.method, &parts);
        let announced = limit.map(|limit| self.limits.count(&limit));
        let verdict = self.trouble.refusal_of(&call.path).or(announced);
        let (headers, refused) = verdict.map_or((Vec::new(), None), |verdict| (verdict.headers, verdict.refused));
        if let Some(refusal) = refused {
            return (429, Some(refusal.body()), headers);
        }
        match self.admit(call, &parts).and_then(|()| self.route(call, &parts, gateway_url)) {
            Ok(Some(body)) => (200, Some(body), headers),
            Ok(None) => (204, None, headers),
            Err(error) => (error.status, Some(error.body()), headers),
        }
    }

    /// Routes whose path holds a token need no other.
    fn admit(&self, call: &Call, parts: &[&str]) -> Result<(), ApiError> {
        let open = matches!(parts, ["webhooks", _, _, ..] | ["interactions", ..]);
        let own = call.authorisation.as_deref().and_then(|value| value.strip_prefix("Bot "));
        if open || own == Some(self.options.token.as_str()) { Ok(()) } else { Err(errors::unauthorised()) }
    }

    fn route(&mut self, call: &Call, parts: &[&str], gateway_url: &str) -> Answer {
        match (call.method.as_str(), parts) {
            ("GET", ["gateway"]) => Ok(Some(json!({ "url": gateway_url }))),
            ("GET", ["gateway", "bot"]) => Ok(Some(self.gateway_info(gateway_url))),
            (_, ["channels", channel, rest @ ..]) => rest_messages::route(self, call, read_id(channel)?, rest),
            (_, ["webhooks", id, token, rest @ ..]) if *id == self.application.to_string() => {
                rest_interactions::followup(self, call, token, rest)
            }
            (_, ["webhooks", id, rest @ ..]) => rest_webhooks::route(self, call, read_id(id)?, rest),
            ("POST", ["interactions", id, token, "callback"]) => {
                rest_interactions::callback(self, call, read_id(id)?, token)
            }
            (_, ["applications", application, rest @ ..]) => rest_commands::route(self, call, application, rest),
            ("GET", ["oauth2", "applications", "@me"]) => rest_commands::route(self, call, "@me", &[]),
            (_, ["users" | "guilds", ..]) => rest_guilds::route(self, call, parts),
            _ => self.no_such_route(call),
        }
    }

    /// A route of Discord's that the fake lacks shows as a violation, so that no test passes by a 404.
    pub fn no_such_route(&mut self, call: &Call) -> Answer {
        self.violation(format!("the fake has no route {} {}", call.method, call.path));
        Err(errors::not_found())
    }

    fn gateway_info(&self, url: &str) -> Value {
        json!({
            "url": url,
            "shards": self.options.shards,
            "session_start_limit": {
                "total": 1000,
                "remaining": 1000_u32.saturating_sub(self.gateway.identifies),
                "reset_after": 86_400_000,
                "max_concurrency": self.options.max_concurrency,
            },
        })
    }

    /// Keeps the log and counts what Discord counts before it bans an address.
    fn note(&mut self, call: &Call, status: u16, headers: &Headers) {
        self.log_request(call.method.clone(), call.path.clone(), status);
        let shared = headers.iter().any(|(name, value)| *name == "x-ratelimit-scope" && value == "shared");
        if matches!(status, 401 | 403 | 429) && !shared {
            self.invalid_requests += 1;
            if self.invalid_requests == self.options.invalid_requests + 1 {
                self.violation(format!("more than {} invalid requests", self.options.invalid_requests));
            }
        }
        self.touch();
    }
}

impl Refusal {
    fn body(&self) -> Value {
        json!({
            "message": "You are being rate limited.",
            "retry_after": (self.retry_after.as_secs_f64() * 1000.0).ceil() / 1000.0,
            "global": self.global,
        })
    }
}

/// An id in a path; a path with anything else there is no route.
pub fn read_id(text: &str) -> Result<u64, ApiError> {
    let wrong = || ApiError::invalid_form("id", "NUMBER_TYPE_COERCE", "Value is not snowflake.");
    text.parse().map_err(|_| wrong())
}

fn respond(status: u16, body: Option<Value>, headers: Headers) -> Response {
    let bytes = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut response = Response::new(bytes);
    *response.status_mut() = StatusCode::from_u16(status).expect("a test names a status that exists");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let value = HeaderValue::from_str(&value).expect("limits are written in ASCII");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
