//! The page's interface over real HTTP, with a database of its own for each test.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use chat::{Consent, MemberKey, OutboxId, Persona};
use futures_util::{Stream, StreamExt};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use store::{NewCommunity, NewMember, NewRoom, testing::TestDatabase};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{AppOptions, community::Learning, event::Person, quotas::Limits, voice::Voice};

const PATIENCE: Duration = Duration::from_secs(10);

/// A page that is served, and a browser's part.
struct PageTester {
    platform: Arc<WebPlatform>,
    app: App,
    persona: Persona,
    client: Client,
    url: String,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    database: TestDatabase,
}

impl PageTester {
    /// A room in which the persona of Ada is, and whose page listens.
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let (store, clock) = (database.store.clone(), Clock::system());
        let place = Place {
            platform: chat::Platform::Web,
            community: "friends".to_owned(),
            community_title: "Friends".to_owned(),
            room: "talk".to_owned(),
            room_title: "Talk".to_owned(),
            parent: None,
        };
        let community = NewCommunity { platform: place.platform, external_id: "friends", title: "Friends" };
        let community = store.community(&community).await.unwrap().id;
        let room = NewRoom { community, external_id: "talk", title: "Talk", parent: None };
        let room = store.room(&room).await.unwrap();
        let persona = persona(&store, &room, clock).await;
        let platform = WebPlatform::new(store.clone(), place, room, clock, None);
        let shutdown = CancellationToken::new();
        let app = App::new(AppOptions {
            store,
            platforms: vec![platform.clone()],
            voice: Voice::markov(),
            limits: Limits::default(),
            learning: Learning::default(),
            grace: chrono::TimeDelta::zero(),
            owner: "the page".to_owned(),
            clock,
            seed: 1,
            shutdown: shutdown.clone(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener, platform.clone(), app.clone(), Vec::new(), shutdown.clone()));
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        Self { platform, app, persona, client, url, shutdown, server, database }
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.client.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn say(&self, text: &str, nonce: &str) -> (StatusCode, Value) {
        self.post("/api/say", json!({ "name": "Zoe", "text": text, "nonce": nonce })).await
    }

    async fn texts(&self) -> Vec<String> {
        let room: Value = self.get("/api/room").await.json().await.unwrap();
        texts(&room["messages"])
    }

    fn turn(&self, turn: i64, text: &str) -> Post {
        Post {
            turn: OutboxId(turn),
            room: self.platform.room.clone(),
            persona: self.persona.clone(),
            text: text.to_owned(),
            reply_to: None,
            started_at: self.platform.clock.now(),
        }
    }

    /// What a page hears that has seen everything up to `after`.
    async fn listen(&self, after: &str) -> impl Stream<Item = (String, Value)> + Unpin + use<> {
        let response = self.get(&format!("/api/events?after={after}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let bytes = response.bytes_stream().map(|bytes| String::from_utf8(bytes.unwrap().to_vec()).unwrap());
        Box::pin(bytes.flat_map(|text| stream_of(&text)))
    }

    /// Ends the server, which must not wait for pages that are open.
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.server).await.expect("it ends").unwrap().unwrap();
        drop(self.database);
    }
}

async fn persona(store: &Store, room: &Room, clock: Clock) -> Persona {
    let ada = NewMember {
        community: room.community,
        key: &MemberKey::from("ada"),
        name: "Ada",
        is_bot: false,
        avatar_url: None,
        seen_at: clock.now(),
    };
    let ada = store.member(&ada).await.unwrap();
    store.set_consent(ada.id, Consent::Granted, clock.now()).await.unwrap();
    let ada = store.member_by_id(ada.id).await.unwrap().unwrap();
    store.persona(ada.may_imitate().unwrap()).await.unwrap()
}

/// The events of a piece of a stream: the server writes each in one piece.
fn stream_of(text: &str) -> impl Stream<Item = (String, Value)> + use<> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name).map(|rest| rest.trim().to_owned()))
    };
    let event = |block: &str| Some((field(block, "event:")?, serde_json::from_str(&field(block, "data:")?).unwrap()));
    futures_util::stream::iter(text.split("\n\n").filter_map(event).collect::<Vec<_>>())
}

fn texts(messages: &Value) -> Vec<String> {
    messages.as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// The next event of a kind.
async fn next(events: &mut (impl Stream<Item = (String, Value)> + Unpin), kind: &str) -> Value {
    let found = async {
        loop {
            let (name, data) = events.next().await.expect("the stream goes on");
            if name == kind {
                return data;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {kind} came"))
}

#[tokio::test]
async fn what_is_said_is_stored_once_however_often_it_is_sent() {
    let page = PageTester::new().await;
    let (status, first) = page.say("hello\r\n there \u{7}", "n1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(first["message"]["text"], "hello\n there");
    assert_eq!(
        first["message"]["author"],
        json!({ "kind": "member", "id": first["message"]["author"]["id"], "name": "Zoe" })
    );
    let (_, again) = page.say("hello\r\n there \u{7}", "n1").await;
    assert_eq!(again, first);
    page.say("hello\n there", "n2").await;
    assert_eq!(page.texts().await, ["hello\n there", "hello\n there"]);
    page.stop().await;
}

#[tokio::test]
async fn a_page_hears_what_it_missed_and_then_what_comes() {
    let page = PageTester::new().await;
    page.say("one", "n1").await;
    let (_, two) = page.say("two", "n2").await;
    let mut from_start = page.listen("0").await;
    let mut from_two = page.listen(two["message"]["id"].as_str().unwrap()).await;
    page.platform.post(&page.turn(7, "three")).await.unwrap();
    page.say("four", "n4").await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(next(&mut from_start, "message").await);
    }
    assert_eq!(texts(&json!(heard)), ["one", "two", "three", "four"]);
    let keys: Vec<i64> = heard.iter().map(|message| message["id"].as_str().unwrap().parse().unwrap()).collect();
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    assert_eq!(heard[2]["author"]["kind"], "persona");
    assert_eq!(heard[2]["generated"], true);
    assert_eq!(next(&mut from_two, "message").await["text"], "three");
    assert_eq!(next(&mut from_two, "message").await["text"], "four");
    page.stop().await;
}

#[tokio::test]
async fn what_is_said_by_somebody_who_leaves_at_once_reaches_the_others() {
    let page = PageTester::new().await;
    let mut events = page.listen("0").await;
    let web = api::Web { platform: page.platform.clone(), app: page.app.clone(), shutdown: page.shutdown.clone() };
    let zoe = Person { key: MemberKey::from("web:zoe"), name: "Zoe".to_owned(), is_bot: false, avatar_url: None };
    let another_is_stored = page.platform.keys.lock().await;
    // Begun, and given up while it waits.
    let given_up = tokio::time::timeout(Duration::ZERO, web.record(zoe, "bye".to_owned(), None, "a".to_owned())).await;
    assert!(given_up.is_err());
    drop(another_is_stored);
    assert_eq!(next(&mut events, "message").await["text"], "bye");
    page.stop().await;
}

#[tokio::test]
async fn a_post_that_is_tried_again_arrives_once() {
    let page = PageTester::new().await;
    let turn = page.turn(7, "hi there");
    assert_eq!(page.platform.find_posted(&turn).await.unwrap(), None);
    let first = page.platform.post(&turn).await.unwrap();
    let again = page.platform.post(&turn).await.unwrap();
    assert_eq!(again.key, first.key);
    assert_eq!(page.platform.find_posted(&turn).await.unwrap().unwrap().key, first.key);
    assert_eq!(page.texts().await, ["hi there"]);
    page.stop().await;
}

#[tokio::test]
async fn a_visitor_cannot_take_a_persona_s_mark() {
    let page = PageTester::new().await;
    page.say("mine", "outbox:7").await;
    page.platform.post(&page.turn(7, "theirs")).await.unwrap();
    assert_eq!(page.texts().await, ["mine", "theirs"]);
    page.stop().await;
}

#[tokio::test]
async fn nobody_passes_for_a_member() {
    let page = PageTester::new().await;
    for name in ["Ada", " aDA ", "ada\u{200b}"] {
        let (status, answer) = page.post("/api/say", json!({ "name": name, "text": "hi", "nonce": "n" })).await;
        assert_eq!(status, StatusCode::CONFLICT, "{name}");
        assert_eq!(answer["error"], "That name belongs to a member of this group; please take another.");
    }
    let (status, _) = page.post("/api/name", json!({ "name": " \n " })).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, answer) = page.post("/api/name", json!({ "name": "Zoe:\n the  first" })).await;
    assert_eq!((status, &answer["name"]), (StatusCode::OK, &json!("Zoe the first")));
    assert!(page.texts().await.is_empty());
    page.stop().await;
}

#[tokio::test]
async fn what_is_too_long_or_empty_is_refused_with_a_sentence() {
    let page = PageTester::new().await;
    let (status, answer) = page.say(&"x".repeat(2_001), "n").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(answer["error"], "A message has at most 2000 characters, this one has 2001.");
    let (status, answer) = page.say(" \n\u{7} ", "n").await;
    assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!("There is nothing in that message.")));
    let (status, answer) = page.say(&"x".repeat(20_000), "n").await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["error"], "That is too long: at most 16 KiB are read.");
    let (status, _) = page.say(&"ß".repeat(2_000), "n").await;
    assert_eq!(status, StatusCode::OK);
    page.stop().await;
}

#[tokio::test]
async fn other_sites_and_plain_forms_are_turned_away() {
    let page = PageTester::new().await;
    let say = json!({ "name": "Zoe", "text": "hi", "nonce": "n" }).to_string();
    let post = |name, value: &str, content_type| {
        let request = page.client.post(format!("{}/api/say", page.url)).header(name, value);
        request.header(header::CONTENT_TYPE, content_type).body(say.clone()).send()
    };
    let json_type = "application/json";
    for (name, value, content_type, expected) in [
        (header::HOST, "evil.example", json_type, StatusCode::FORBIDDEN),
        (header::ORIGIN, "https://evil.example", json_type, StatusCode::FORBIDDEN),
        (header::ORIGIN, "null", json_type, StatusCode::FORBIDDEN),
        (header::ORIGIN, &page.url, "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (header::ORIGIN, &page.url, json_type, StatusCode::OK),
    ] {
        let response = post(name, value, content_type).await.unwrap();
        assert_eq!(response.status(), expected, "{value} {content_type}");
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"].is_string(), expected != StatusCode::OK);
    }
    assert_eq!(page.texts().await, ["hi"]);
    page.stop().await;
}

#[tokio::test]
async fn history_is_read_page_by_page_with_what_messages_answer() {
    let page = PageTester::new().await;
    let (_, first) = page.say("number 0", "0").await;
    for number in 1..5 {
        let answered = json!({ "name": "Zoe", "text": format!("number {number}"), "nonce": format!("{number}"), "reply_to": first["message"]["id"] });
        page.post("/api/say", answered).await;
    }
    let room: Value = page.get("/api/room").await.json().await.unwrap();
    assert_eq!((&room["title"], &room["older"]), (&json!("Talk"), &json!(false)));
    let last = room["messages"][4]["id"].as_str().unwrap();
    let older = async |before: &str| -> Value {
        page.get(&format!("/api/messages?before={before}&limit=2")).await.json().await.unwrap()
    };
    let some = older(last).await;
    assert_eq!(
        (texts(&some["messages"]), &some["older"]),
        (vec!["number 2".to_owned(), "number 3".to_owned()], &json!(true))
    );
    assert_eq!(some["messages"][0]["quote"], json!({ "name": "Zoe", "text": "number 0" }));
    let rest = older(some["messages"][0]["id"].as_str().unwrap()).await;
    assert_eq!(
        (texts(&rest["messages"]), &rest["older"]),
        (vec!["number 0".to_owned(), "number 1".to_owned()], &json!(false))
    );
    assert_eq!(page.get("/api/messages?before=x").await.status(), StatusCode::BAD_REQUEST);
    page.stop().await;
}

#[tokio::test]
async fn what_a_command_did_is_told_to_every_page() {
    let page = PageTester::new().await;
    let mut events = page.listen("0").await;
    assert_eq!(next(&mut events, "room").await["settings"]["topic"], Value::Null);
    let (_, answer) = page.post("/api/command", json!({ "name": "Zoe", "text": "/topic cats" })).await;
    assert_eq!(answer, json!({ "audience": "room", "done": true, "text": "The topic is now: cats" }));
    assert_eq!(next(&mut events, "room").await["settings"]["topic"], "cats");
    assert_eq!(next(&mut events, "notice").await["text"], "Zoe: The topic is now: cats");
    let (status, answer) = page.post("/api/command", json!({ "name": "Zoe", "text": "/tpoic cats" })).await;
    assert_eq!((status, &answer["done"]), (StatusCode::OK, &json!(false)));
    page.stop().await;
}

#[tokio::test]
async fn pages_hear_that_somebody_types_and_that_something_was_erased() {
    let page = PageTester::new().await;
    page.say("forget this", "n").await;
    let mut events = page.listen("0").await;
    next(&mut events, "message").await;
    let typing = Typing { room: &page.platform.room, persona: &page.persona, draft: Some("hel") };
    page.platform.typing(typing).await;
    assert_eq!(
        next(&mut events, "typing").await,
        json!({ "persona": { "id": page.persona.id.0, "name": "Ada" }, "draft": "hel" })
    );
    page.post("/api/command", json!({ "name": "Zoe", "text": "/forgetme confirm" })).await;
    next(&mut events, "erased").await;
    assert!(page.texts().await.is_empty());
    let (status, _) = page.say("hello again", "n2").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    page.stop().await;
}

#[tokio::test]
async fn the_room_is_watched_while_a_page_is_open() {
    let page = PageTester::new().await;
    let is_watched = || page.platform.is_watched(&page.platform.room);
    assert!(!is_watched());
    let mut events = page.listen("0").await;
    next(&mut events, "room").await;
    assert!(is_watched());
    drop(events);
    let left = async {
        while is_watched() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.expect("a page that is gone is noticed");
    page.stop().await;
}

#[tokio::test]
async fn a_browser_asks_whether_its_files_are_the_right_ones() {
    let page = PageTester::new().await;
    let index = page.get("/").await;
    assert_eq!(index.headers()[header::CACHE_CONTROL], "no-cache");
    assert!(index.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'self'"));
    let tag = index.headers()[header::ETAG].clone();
    let known = page.client.get(&page.url).header(header::IF_NONE_MATCH, &tag).send().await.unwrap();
    assert_eq!((known.status(), &known.headers()[header::ETAG]), (StatusCode::NOT_MODIFIED, &tag));
    let other = page.client.get(&page.url).header(header::IF_NONE_MATCH, "\"older\"").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    for path in ["/nothing", "/../Cargo.toml", "/api/nothing"] {
        assert_eq!(page.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(page.get("/health").await.status(), StatusCode::OK);
    page.stop().await;
}
