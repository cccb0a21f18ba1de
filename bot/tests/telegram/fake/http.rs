//! Calls of the Bot API: `POST /bot<token>/<method>` with JSON or a form, answered as the documentation's "Making requests"
//! says; and updates that are brought to a webhook.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Shared, TOKEN, methods::Refusal, world::Trouble};

/// The longest that a request for updates is held.
const LONGEST_POLL: u64 = 50;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/{bot}/{method}", any(call)).with_state(shared)
}

async fn call(
    State(shared): State<Arc<Shared>>,
    Path((bot, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    let parameters = match parameters(request).await {
        Ok(parameters) => parameters,
        Err(why) => return refuse(&Refusal::bad(&why)),
    };
    let method = method.to_lowercase();
    let token = bot.strip_prefix("bot").unwrap_or_default().to_owned();
    let trouble = {
        let mut world = shared.world();
        if !world.bots.contains_key(&token) {
            return refuse(&Refusal::new(401, "Unauthorized"));
        }
        world.requests.push((method.clone(), parameters.clone()));
        world.check_flood(&method, &parameters);
        world.take_trouble(&method)
    };
    match trouble {
        Some(Trouble::Status(status)) => {
            return (StatusCode::from_u16(status).unwrap(), "<html>bad gateway</html>").into_response();
        }
        Some(Trouble::BrokenOff) => return broken(),
        Some(Trouble::RetryAfter(seconds)) => {
            shared.world().begin_flood(&method, &parameters, seconds);
            return refuse(&Refusal::too_many(seconds));
        }
        _ => {}
    }
    let answer = match method.as_str() {
        "getupdates" => match updates(&shared, &token, &parameters).await {
            Some(answer) => answer,
            None => return broken(),
        },
        _ => shared.change(|world| world.call(&token, &method, &parameters)),
    };
    match trouble {
        Some(Trouble::AnswerLost) => return StatusCode::BAD_GATEWAY.into_response(),
        Some(Trouble::AnswerCut) => return broken(),
        _ => {}
    }
    match answer {
        Ok(result) => axum::Json(json!({ "ok": true, "result": result })).into_response(),
        Err(refusal) => refuse(&refusal),
    }
}

fn refuse(refusal: &Refusal) -> Response {
    let mut body = json!({ "ok": false, "error_code": refusal.code, "description": refusal.description });
    if !refusal.parameters.is_null() {
        body["parameters"] = refusal.parameters.clone();
    }
    (StatusCode::from_u16(refusal.code).unwrap(), axum::Json(body)).into_response()
}

/// An answer within which the connection breaks.
fn broken() -> Response {
    let parts = [Ok(Bytes::from_static(b"{\"ok\":")), Err(io::Error::other("the connection breaks"))];
    Response::new(Body::from_stream(futures_util::stream::iter(parts)))
}

async fn parameters(request: Request) -> Result<Value, String> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("multipart/") {
        let body = Bytes::from_request(request, &()).await.map_err(|error| error.to_string())?;
        return if body.is_empty() {
            Ok(json!({}))
        } else {
            serde_json::from_slice(&body).map_err(|error| error.to_string())
        };
    }
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| error.to_string())?;
    let mut fields = Map::new();
    while let Some(field) = form.next_field().await.map_err(|error| error.to_string())? {
        let (name, file) = (field.name().unwrap_or_default().to_owned(), field.file_name().map(str::to_owned));
        let text = field.text().await.map_err(|error| error.to_string())?;
        let value = match file {
            Some(file) => json!({ "file_name": file, "content": text }),
            None => serde_json::from_str(&text).unwrap_or(json!(text)),
        };
        fields.insert(name, value);
    }
    Ok(Value::Object(fields))
}

/// Brings updates to the webhook, one after the other, each until it is taken.
pub(super) async fn bring(shared: Arc<Shared>, base: String) {
    let client = reqwest::Client::new();
    loop {
        let next = {
            let world = shared.world();
            let bot = &world.bots[TOKEN];
            bot.webhook.clone().zip(bot.updates.front().cloned())
        };
        let taken = match next {
            None => false,
            Some(((url, secret), (id, update))) => {
                let path = url.splitn(4, '/').nth(3).unwrap_or_default();
                let request = client.post(format!("{base}/{path}")).json(&update);
                let request = request.header("X-Telegram-Bot-Api-Secret-Token", secret.unwrap_or_default());
                let taken = request.send().await.is_ok_and(|answer| answer.status().is_success());
                if taken {
                    shared.change(|world| {
                        world.bots.get_mut(TOKEN).unwrap().updates.retain(|(waiting, _)| *waiting != id);
                    });
                }
                taken
            }
        };
        if !taken {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// `getUpdates`: what comes before the offset is forgotten, then what there is, or what comes in time; none where the
/// connection is cut off while it waits.
async fn updates(shared: &Shared, token: &str, parameters: &Value) -> Option<Result<Value, Refusal>> {
    let timeout = parameters["timeout"].as_u64().unwrap_or(0).min(LONGEST_POLL);
    let limit = parameters["limit"].as_u64().unwrap_or(100).clamp(1, 100) as usize;
    let until = Instant::now() + Duration::from_secs(timeout);
    let begun = shared.change(|world| {
        let is_webhook = world.bots[token].webhook.is_some();
        if is_webhook {
            return Err(Refusal::new(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            ));
        }
        let bot = world.bots.get_mut(token).unwrap();
        if let Some(allowed) = parameters["allowed_updates"].as_array() {
            bot.allowed = Some(allowed.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect());
        }
        if let Some(offset) = parameters["offset"].as_u64() {
            bot.updates.retain(|(id, _)| u64::from(*id) >= offset);
        }
        bot.polls += 1;
        Ok((bot.polls, world.cuts))
    });
    let (poll, cuts) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return Some(Err(refusal)),
    };
    loop {
        let changed = shared.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        {
            let world = shared.world();
            let bot = &world.bots[token];
            if bot.polls != poll {
                return Some(Err(Refusal::new(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )));
            }
            if world.cuts != cuts {
                return None;
            }
            let mut waiting: Vec<Value> = bot.updates.iter().take(limit).map(|(_, update)| update.clone()).collect();
            if !waiting.is_empty() || timeout == 0 {
                if world.is_untidy {
                    let again = waiting.clone();
                    waiting.extend(again);
                    waiting.reverse();
                }
                return Some(Ok(waiting.into()));
            }
        }
        if tokio::time::timeout_at(until, changed).await.is_err() {
            return Some(Ok(json!([])));
        }
    }
}
