//! The HTTP interface of the page: reading on GET, everything else on POST with JSON. What goes wrong is a sentence.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Query, Request, State, rejection::JsonRejection},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chat::{MemberKey, MessageKey, sanitise};
use serde::{Deserialize, Serialize, de::DeserializeOwned, de::IgnoredAny};
use store::Recorded;
use tokio_util::sync::CancellationToken;

use super::{
    Live, WebPlatform, assets, feed,
    guard::{self, Guard},
    shown::{self, MessageShown, ViewShown},
};
use crate::{
    App,
    commands::{self, Answer, Audience, Command, Rank, SPECS, Spec},
    event::{Event, Happening, Person, Posted},
};

/// The largest body that is read, in bytes.
const MOST_BYTES: usize = 16 * 1024;
/// The longest message, in characters.
const MOST_CHARS: usize = 2_000;
/// The longest nonce, in bytes.
const LONGEST_NONCE: usize = 64;
/// How many messages a page is given at first.
const FIRST_PAGE: u32 = 60;
/// The most messages that are given at once.
const LARGEST_PAGE: u32 = 200;

/// What every request has at hand.
#[derive(Clone)]
pub(super) struct Web {
    pub(super) platform: Arc<WebPlatform>,
    pub(super) app: App,
    pub(super) shutdown: CancellationToken,
}

pub(super) fn router(web: Web, hosts: Vec<String>) -> Router {
    let api = Router::new()
        .route("/api/room", get(room))
        .route("/api/messages", get(older))
        .route("/api/events", get(feed::events))
        .route("/api/say", post(say))
        .route("/api/command", post(command))
        .route("/api/name", post(name))
        .route("/api/typing", post(typing))
        .route("/health", get(health))
        .layer(middleware::map_response(never_kept));
    api.fallback(get(assets::file))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn_with_state(Guard::new(hosts), guard::guard))
        .with_state(web)
}

async fn never_kept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why something was not done, for the person at the page.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    sentence: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }

    /// Logs what happened underneath, and says what a person can do.
    pub(super) fn away(error: &anyhow::Error) -> Self {
        tracing::warn!("the page could not be answered: {error:#}");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The history cannot be reached just now; please try again in a moment.",
        )
    }
}

impl From<store::StoreError> for ApiError {
    fn from(error: store::StoreError) -> Self {
        Self::away(&error.into())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let sentence = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => format!("That is too long: at most {} KiB are read.", MOST_BYTES / 1024),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                "Requests are JSON, with the content type application/json.".to_owned()
            }
            _ => "That request cannot be read; reloading the page may help.".to_owned(),
        };
        Self::new(rejection.status(), sentence)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.sentence }))).into_response()
    }
}

/// A body of JSON whose faults are told as sentences.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Body(body))
    }
}

/// Reads a message's id as pages write it.
pub(super) fn key(text: &str) -> Result<MessageKey, ApiError> {
    text.parse().map(MessageKey).map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "That is no message's id."))
}

#[derive(Serialize)]
struct RoomAnswer {
    title: String,
    view: ViewShown,
    commands: &'static [Spec],
    #[serde(flatten)]
    latest: PageAnswer,
}

#[derive(Serialize)]
struct PageAnswer {
    messages: Vec<MessageShown>,
    /// Whether there is more before them.
    older: bool,
}

async fn room(State(web): State<Web>) -> Result<Json<RoomAnswer>, ApiError> {
    let room = &web.platform.room;
    let view = web.app.view(room.id).await.map_err(|error| ApiError::away(&error))?;
    let latest = web.page_before(MessageKey(i64::MAX), FIRST_PAGE).await?;
    let title = match room.title.as_str() {
        "" => web.platform.place.community_title.clone(),
        title => title.to_owned(),
    };
    Ok(Json(RoomAnswer { title, view: view.into(), commands: SPECS, latest }))
}

#[derive(Deserialize)]
struct OlderQuery {
    before: String,
    limit: Option<u32>,
}

async fn older(State(web): State<Web>, Query(query): Query<OlderQuery>) -> Result<Json<PageAnswer>, ApiError> {
    let limit = query.limit.unwrap_or(FIRST_PAGE).clamp(1, LARGEST_PAGE);
    Ok(Json(web.page_before(key(&query.before)?, limit).await?))
}

impl Web {
    async fn page_before(&self, before: MessageKey, limit: u32) -> Result<PageAnswer, ApiError> {
        let WebPlatform { store, room, .. } = &*self.platform;
        // One more than is shown says whether there is more.
        let mut messages = store.messages_before(room.id, before, limit + 1).await?;
        let older = messages.len() > limit as usize;
        if older {
            messages.remove(0);
        }
        Ok(PageAnswer { messages: shown::messages(store, room.id, messages).await?, older })
    }

    /// Who a visitor is who calls themselves `name`. Nobody may pass for a member of the group.
    async fn visitor(&self, name: &str) -> Result<Person, ApiError> {
        let line = sanitise::one_line(name);
        let length = line.chars().count();
        if length == 0 || length > sanitise::MAX_NAME_CHARS {
            let why = format!("A name has 1 to {} characters, this one has {length}.", sanitise::MAX_NAME_CHARS);
            return Err(ApiError::new(StatusCode::BAD_REQUEST, why));
        }
        let name = sanitise::name(&line);
        let lowercased = name.to_lowercase();
        let key = MemberKey(format!("web:{lowercased}"));
        let members = self.platform.store.members(self.platform.room.community).await?;
        if members.iter().any(|member| member.key != key && member.name.to_lowercase() == lowercased) {
            let why = "That name belongs to a member of this group; please take another.";
            return Err(ApiError::new(StatusCode::CONFLICT, why));
        }
        Ok(Person { key, name, is_bot: false, avatar_url: None })
    }

    pub(super) fn event(&self, what: Happening) -> Event {
        Event { place: self.platform.place.clone(), what }
    }
}

#[derive(Deserialize)]
struct Say {
    name: String,
    text: String,
    nonce: String,
    reply_to: Option<String>,
}

#[derive(Serialize)]
struct Said {
    message: MessageShown,
}

async fn say(State(web): State<Web>, Body(say): Body<Say>) -> Result<Json<Said>, ApiError> {
    let text = spoken(&say.text)?;
    if say.nonce.is_empty() || say.nonce.len() > LONGEST_NONCE {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "That message has no proper nonce."));
    }
    let author = web.visitor(&say.name).await?;
    let reply_to = say.reply_to.as_deref().map(key).transpose()?;
    // Nobody may take the mark of a persona's post.
    let nonce = format!("{}:{}", author.key, say.nonce);
    let WebPlatform { store, room, .. } = &*web.platform;
    match web.record(author, text, reply_to, nonce).await? {
        Recorded::New(key) | Recorded::Known(key) => {
            let message = store.message(room.id, key).await?.into_iter().collect();
            let shown = shown::messages(store, room.id, message).await?.pop();
            let gone = || ApiError::new(StatusCode::GONE, "That message was deleted.");
            shown.map(|message| Json(Said { message })).ok_or_else(gone)
        }
        Recorded::Forgotten => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "You asked to be forgotten under this name, so what you write is not kept. Another name starts anew.",
        )),
    }
}

impl Web {
    /// Stores what a visitor said, on a task of its own: whoever closes the page right after they have pressed Enter gives
    /// up the request, but what has begun must end, or others would not hear of a message that is stored, and the next
    /// one could become visible before it.
    pub(super) async fn record(
        &self,
        author: Person,
        text: String,
        reply_to: Option<MessageKey>,
        nonce: String,
    ) -> Result<Recorded, ApiError> {
        let web = self.clone();
        let recording = tokio::spawn(async move { web.record_to_the_end(author, text, reply_to, nonce).await });
        recording.await.unwrap_or_else(|error| Err(ApiError::away(&error.into())))
    }

    async fn record_to_the_end(
        &self,
        author: Person,
        text: String,
        reply_to: Option<MessageKey>,
        nonce: String,
    ) -> Result<Recorded, ApiError> {
        let mut keys = self.platform.writing().await?;
        let sent_at = self.platform.clock.now();
        let posted = Posted { key: keys.next(sent_at, &nonce), author, sent_at, text, reply_to, nonce: Some(nonce) };
        let outcome = self.app.handle(self.event(Happening::Posted(posted))).await;
        // Also after a failure: the message may be stored all the same, and looking costs little.
        self.platform.tell(Live::Said);
        let recorded = outcome.map_err(|error| ApiError::away(&error))?.recorded;
        Ok(recorded.expect("the app says of every message what became of it"))
    }
}

/// A message as it is kept: as it was typed, without what cannot be seen.
fn spoken(typed: &str) -> Result<String, ApiError> {
    let lines: Vec<String> =
        typed.lines().map(|line| line.replace(|c: char| c.is_control() && c != '\t', "")).collect();
    let text = lines.join("\n").trim().to_owned();
    match text.chars().count() {
        0 => Err(ApiError::new(StatusCode::BAD_REQUEST, "There is nothing in that message.")),
        1..=MOST_CHARS => Ok(text),
        length => {
            let why = format!("A message has at most {MOST_CHARS} characters, this one has {length}.");
            Err(ApiError::new(StatusCode::BAD_REQUEST, why))
        }
    }
}

#[derive(Deserialize)]
struct TypedCommand {
    name: String,
    text: String,
}

async fn command(State(web): State<Web>, Body(typed): Body<TypedCommand>) -> Result<Json<Answer>, ApiError> {
    let who = web.visitor(&typed.name).await?;
    let command = match commands::parse(&typed.text) {
        Ok(command) => command,
        Err(usage) => return Ok(Json(Answer::refused(usage.to_string()))),
    };
    let erases = command == Command::ForgetMe { confirmed: true };
    // The page is for whoever runs the program.
    let answer = web.app.command(&web.platform.place, &who, Rank::Administrator, command).await;
    if answer.done && answer.audience == Audience::Room {
        web.platform.tell(Live::Notice(format!("{}: {}", who.name, answer.text)));
    }
    if answer.done && erases {
        web.platform.tell(Live::Erased);
    }
    Ok(Json(answer))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn name(State(web): State<Web>, Body(wanted): Body<Name>) -> Result<Response, ApiError> {
    let Person { name, .. } = web.visitor(&wanted.name).await?;
    Ok(Json(serde_json::json!({ "name": name })).into_response())
}

async fn typing(State(web): State<Web>, Body(_): Body<IgnoredAny>) -> Result<StatusCode, ApiError> {
    web.app.handle(web.event(Happening::Typing)).await.map_err(|error| ApiError::away(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn health(State(web): State<Web>) -> Result<&'static str, ApiError> {
    web.platform.store.room_by_id(web.platform.room.id).await?;
    Ok("ok\n")
}
