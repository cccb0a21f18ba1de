//! A hub and, on another port and so for every rule about hosts somewhere else, the server that has its bytes.
//!
//! The hub answers `/{owner}/{name}/resolve/main/{file}` with `X-Linked-Size`, `X-Linked-Etag` (the SHA-256, in quotes),
//! `X-Repo-Commit` and a redirect, `/api/models/{owner}/{name}` with the list of files, and what does not exist with 404 and
//! `X-Error-Code`. The other server knows `Range`, and refuses whoever brings the hub's token.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What goes wrong with one answer of the server with the bytes.
#[derive(Clone)]
pub enum Fault {
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// The answer ends in good order after so many bytes, without having said how many there would be.
    EndsEarly(usize),
    /// Nothing more comes after so many bytes.
    Stalls(usize),
    /// Nothing more comes after so many bytes until the test says so.
    Holds(usize, watch::Receiver<bool>),
    /// The last byte is another.
    Wrong,
    /// All bytes come, whatever was asked for.
    Everything,
    /// More bytes come than there are.
    TooMany,
    /// Another part comes than was asked for.
    OtherRange,
    /// An answer without the file.
    Status(StatusCode),
}

/// What goes wrong with one answer of the hub.
#[derive(Clone)]
pub enum Refusal {
    /// With a status, and further headers.
    Status(StatusCode, Vec<(&'static str, &'static str)>),
    /// A redirect to a path on the hub, as for a repository that was renamed.
    Renamed(&'static str),
    /// A redirect to anywhere.
    To(&'static str),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub at_hub: bool,
    pub method: Method,
    pub path: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

#[derive(Default)]
struct World {
    files: BTreeMap<String, Bytes>,
    /// Instead of the right one.
    etag: Option<String>,
    size: Option<u64>,
    /// The token without which nothing is given.
    gate: Option<String>,
    refusals: VecDeque<Refusal>,
    faults: VecDeque<Fault>,
    /// What goes wrong with every answer after those.
    always: Option<Fault>,
    always_refuses: Option<Refusal>,
    seen: Vec<Seen>,
}

/// The two servers.
#[derive(Clone)]
pub struct FakeHub {
    pub url: String,
    elsewhere: String,
    world: Arc<Mutex<World>>,
    _tasks: Arc<Tasks>,
}

struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl FakeHub {
    pub async fn start() -> Self {
        let hub = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bytes = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", hub.local_addr().unwrap());
        let elsewhere = format!("http://{}", bytes.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World::default()));
        let serve = |listener, router: Router<(Arc<Mutex<World>>, String)>| {
            let router = router.with_state((world.clone(), elsewhere.clone()));
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
        };
        let tasks = Tasks(vec![
            serve(hub, Router::new().fallback(at_the_hub)),
            serve(bytes, Router::new().fallback(elsewhere_from_the_hub)),
        ]);
        Self { url, elsewhere, world, _tasks: Arc::new(tasks) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.lock().unwrap())
    }

    /// Puts a file there, named as `OWNER/NAME/FILE`, or changes it.
    pub fn put(&self, path: &str, bytes: impl Into<Bytes>) {
        self.with(|world| world.files.insert(path.to_owned(), bytes.into()));
    }

    pub fn lies_about_the_etag(&self, etag: &str) {
        self.with(|world| world.etag = Some(etag.to_owned()));
    }

    pub fn lies_about_the_size(&self, size: u64) {
        self.with(|world| world.size = Some(size));
    }

    pub fn wants_token(&self, token: &str) {
        self.with(|world| world.gate = Some(token.to_owned()));
    }

    /// What goes wrong with the next answers with bytes, one after the other.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.with(|world| world.faults.extend(faults));
    }

    pub fn always(&self, fault: Fault) {
        self.with(|world| world.always = Some(fault));
    }

    /// What goes wrong with the next answers of the hub.
    pub fn refuses(&self, refusals: impl IntoIterator<Item = Refusal>) {
        self.with(|world| world.refusals.extend(refusals));
    }

    pub fn always_refuses(&self, refusal: Refusal) {
        self.with(|world| world.always_refuses = Some(refusal));
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.with(|world| world.seen.clone())
    }

    /// Which ranges the server with the bytes was asked for.
    pub fn ranges(&self) -> Vec<Option<String>> {
        self.seen().into_iter().filter(|seen| !seen.at_hub).map(|seen| seen.range).collect()
    }

    pub fn elsewhere(&self) -> &str {
        &self.elsewhere
    }
}

type Shared = State<(Arc<Mutex<World>>, String)>;

fn note(world: &mut World, at_hub: bool, request: &Request) {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (range, token) = (header(header::RANGE), header(header::AUTHORIZATION));
    world.seen.push(Seen { at_hub, method: request.method().clone(), path, range, token });
}

async fn at_the_hub(State((world, elsewhere)): Shared, request: Request) -> Response {
    let mut world = world.lock().unwrap();
    note(&mut world, true, &request);
    let path = request.uri().path().trim_start_matches('/');
    if let Some(refusal) = world.refusals.pop_front().or_else(|| world.always_refuses.clone()) {
        return match refusal {
            Refusal::Status(status, headers) => with_headers(status, &headers),
            Refusal::Renamed(path) => with_headers(StatusCode::TEMPORARY_REDIRECT, &[("location", path)]),
            Refusal::To(address) => with_headers(StatusCode::FOUND, &[("location", address)]),
        };
    }
    let token = request.headers().get(header::AUTHORIZATION).map(|token| token.to_str().unwrap());
    if world.gate.as_ref().is_some_and(|gate| token != Some(&format!("Bearer {gate}"))) {
        return with_headers(StatusCode::UNAUTHORIZED, &[("x-error-code", "GatedRepo")]);
    }
    if let Some(repository) = path.strip_prefix("api/models/") {
        return list(&world, repository);
    }
    let key = path.replacen("/resolve/main", "", 1);
    let Some(bytes) = world.files.get(&key) else {
        return with_headers(StatusCode::NOT_FOUND, &[("x-error-code", "EntryNotFound")]);
    };
    let etag = world.etag.clone().unwrap_or_else(|| sha256(bytes));
    let redirect = Response::builder()
        .status(StatusCode::FOUND)
        .header("x-linked-size", world.size.unwrap_or(bytes.len() as u64))
        .header("x-linked-etag", format!("\"{etag}\""))
        .header("x-repo-commit", "0123456789abcdef0123456789abcdef01234567")
        .header(header::LOCATION, format!("{elsewhere}/{key}?signature=secret-{}", world.seen.len()));
    redirect.body(Body::empty()).unwrap()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list(world: &World, repository: &str) -> Response {
    let prefix = format!("{repository}/");
    let files: Vec<_> = world.files.keys().filter_map(|key| key.strip_prefix(&prefix)).collect();
    if files.is_empty() {
        return with_headers(StatusCode::UNAUTHORIZED, &[("x-error-code", "RepoNotFound")]);
    }
    let siblings: Vec<_> = files.iter().chain(&["README.md"]).map(|file| json!({ "rfilename": file })).collect();
    axum::Json(json!({ "id": repository, "siblings": siblings })).into_response()
}

fn with_headers(status: StatusCode, headers: &[(&str, &str)]) -> Response {
    let response = headers.iter().fold(Response::builder().status(status), |r, (name, value)| r.header(*name, *value));
    response.body(Body::empty()).unwrap()
}

async fn elsewhere_from_the_hub(State((world, _)): Shared, request: Request) -> Response {
    let mut world = world.lock().unwrap();
    note(&mut world, false, &request);
    if request.headers().contains_key(header::AUTHORIZATION) {
        return with_headers(StatusCode::BAD_REQUEST, &[]);
    }
    let fault = world.faults.pop_front().or_else(|| world.always.clone());
    let Some(bytes) = world.files.get(request.uri().path().trim_start_matches('/')).cloned() else {
        return with_headers(StatusCode::FORBIDDEN, &[]);
    };
    let asked = from(request.headers()).filter(|_| !matches!(fault, Some(Fault::Everything)));
    if asked.is_some_and(|from| from >= bytes.len()) {
        return with_headers(StatusCode::RANGE_NOT_SATISFIABLE, &[]);
    }
    let rest = bytes.slice(asked.unwrap_or(0)..);
    let mut response = Response::builder().header(header::ACCEPT_RANGES, "bytes").header(header::ETAG, "\"md5-of-it\"");
    if let Some(from) = asked {
        let from = if matches!(fault, Some(Fault::OtherRange)) { from + 1 } else { from };
        let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        response = response.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range);
    }
    if !matches!(fault, Some(Fault::EndsEarly(_) | Fault::TooMany)) {
        response = response.header(header::CONTENT_LENGTH, rest.len());
    }
    match body(rest, fault) {
        Ok(body) => response.body(body).unwrap(),
        Err(status) => with_headers(status, &[]),
    }
}

/// The first byte of `bytes=N-`.
fn from(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

fn body(rest: Bytes, fault: Option<Fault>) -> Result<Body, StatusCode> {
    let first = |length: usize| rest.slice(..length.min(rest.len()));
    Ok(match fault {
        Some(Fault::Status(status)) => return Err(status),
        Some(Fault::Cut(length)) => then(first(length), async { Err(io::Error::other("cut")) }),
        Some(Fault::EndsEarly(length)) => Body::from_stream(in_pieces(first(length))),
        Some(Fault::Stalls(length)) => then(first(length), std::future::pending()),
        Some(Fault::Holds(length, mut go_on)) => {
            let more = rest.slice(length.min(rest.len())..);
            then(first(length), async move {
                go_on.wait_for(|go| *go).await.map_err(io::Error::other)?;
                Ok(more)
            })
        }
        Some(Fault::Wrong) => {
            let mut bytes = rest.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            Body::from(bytes)
        }
        Some(Fault::TooMany) => Body::from_stream(in_pieces([&rest[..], b"more"].concat().into())),
        Some(Fault::Everything | Fault::OtherRange) | None => Body::from_stream(in_pieces(rest)),
    })
}

/// So that what comes comes in many pieces, as over a real line.
fn in_pieces(bytes: Bytes) -> impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static {
    const PIECE: usize = 16 * 1024;
    stream::unfold(bytes, |mut rest| async move {
        tokio::task::yield_now().await;
        let piece = rest.split_to(PIECE.min(rest.len()));
        (!piece.is_empty()).then_some((Ok(piece), rest))
    })
}

fn then(first: Bytes, last: impl Future<Output = io::Result<Bytes>> + Send + 'static) -> Body {
    use futures_util::StreamExt;
    let last = stream::once(async {
        // The server sends what it has only when no more is to be had at once.
        tokio::task::yield_now().await;
        last.await
    });
    Body::from_stream(in_pieces(first).chain(last))
}
