//! Stands between the bot and the package, and adds what the Bot API's documentation has and the package leaves out: methods,
//! fields, the waiting of `getUpdates`, and the times of messages in seconds. All else passes unchanged.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::task::AbortOnDropHandle;

/// The id that the package gives each bot.
pub const BOT: i64 = 666;
/// How often the package is asked whether there is something new.
const GLANCE: Duration = Duration::from_millis(20);

pub struct Proxy {
    pub url: String,
    _server: AbortOnDropHandle<()>,
}

struct Package {
    url: String,
    client: reqwest::Client,
    /// The chat that the bot is in, as the documentation's `Chat`.
    chat: Value,
    /// Who made it, as the documentation's `User`.
    owner: Value,
    /// What the bot has sent, by id, as the documentation's `Message`.
    sent: Mutex<HashMap<i64, Value>>,
}

impl Proxy {
    pub async fn start(url: &str, chat: Value, owner: Value) -> Self {
        let (url, client, sent) = (url.to_owned(), reqwest::Client::new(), Mutex::default());
        let package = Arc::new(Package { url, client, chat, owner, sent });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/{bot}/{method}", any(call)).with_state(package);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, _server: AbortOnDropHandle::new(server) }
    }
}

async fn call(State(package): State<Arc<Package>>, Path((bot, name)): Path<(String, String)>, body: Bytes) -> Response {
    let parameters: Value = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).expect("parameters are JSON"),
    };
    let method = name.to_lowercase();
    if let Some(result) = package.lacking(&method, &parameters) {
        return Json(json!({ "ok": true, "result": result })).into_response();
    }
    let path = format!("{bot}/{name}");
    let (status, mut answer) = match method.as_str() {
        "getupdates" => package.updates(&path, body, &parameters).await,
        _ => package.pass_on(&path, body).await,
    };
    if answer["ok"] == true {
        package.complete(&method, &parameters, &mut answer["result"]);
    }
    (status, Json(answer)).into_response()
}

impl Package {
    async fn pass_on(&self, path: &str, body: Bytes) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}/{path}", self.url)).header(header::CONTENT_TYPE, "application/json");
        let answer = request.body(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The package answers at once; the documentation says that it waits for as long as `timeout`.
    async fn updates(&self, path: &str, body: Bytes, parameters: &Value) -> (StatusCode, Value) {
        let until = Instant::now() + Duration::from_secs(parameters["timeout"].as_u64().unwrap_or(0));
        loop {
            let (status, answer) = self.pass_on(path, body.clone()).await;
            let is_empty = answer["result"].as_array().is_some_and(Vec::is_empty);
            if !is_empty || Instant::now() >= until {
                return (status, answer);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// What a method gives that the package does not have.
    fn lacking(&self, method: &str, parameters: &Value) -> Option<Value> {
        match method {
            "setmycommands" | "sendchataction" => Some(json!(true)),
            "getmycommands" => Some(json!([])),
            "getchatadministrators" => {
                Some(json!([{ "status": "creator", "user": self.owner, "is_anonymous": false }]))
            }
            "getchatmember" if parameters["user_id"] == BOT => Some(json!({ "status": "member", "user": bot() })),
            _ => None,
        }
    }

    /// Adds what a result lacks.
    fn complete(&self, method: &str, parameters: &Value, result: &mut Value) {
        match method {
            "getme" => {
                add(result, bot());
                add(
                    result,
                    json!({
                        "can_join_groups": true, "can_read_all_group_messages": true, "supports_inline_queries": false,
                        "can_connect_to_business": false, "has_main_web_app": false,
                    }),
                );
            }
            "sendmessage" => {
                // The package has a private chat with "Bot" here, and milliseconds.
                let seconds = result["date"].as_i64().unwrap() / 1_000;
                add(result, json!({ "date": seconds, "chat": self.chat, "from": bot() }));
                self.sent.lock().unwrap().insert(result["message_id"].as_i64().unwrap(), result.clone());
            }
            "editmessagetext" => {
                *result = self.sent.lock().unwrap()[&parameters["message_id"].as_i64().unwrap()].clone();
                add(result, json!({ "text": parameters["text"], "edit_date": result["date"] }));
            }
            "answercallbackquery" | "deletemessage" => *result = json!(true),
            "getupdates" => {
                for press in
                    result.as_array_mut().unwrap().iter_mut().filter_map(|update| update.get_mut("callback_query"))
                {
                    add(press, json!({ "chat_instance": "1" }));
                }
            }
            _ => {}
        }
    }
}

/// The bot as the documentation's `User`, with the names that the package gives it.
fn bot() -> Value {
    json!({ "id": BOT, "is_bot": true, "first_name": "Test First name", "username": "TestNameBot" })
}

fn add(to: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { panic!("{fields} are no fields") };
    to.as_object_mut().unwrap().extend(fields);
}
