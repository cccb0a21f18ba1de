//! The page as a program: it says, commands and follows in the way of web/page, whatever happens to the server.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::home::eventually;

/// A message as the page gets it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Shown {
    pub id: String,
    pub text: String,
}

/// How the page asks the server, wherever that is after a restart.
#[derive(Clone)]
pub struct Page {
    http: Client,
    url: watch::Receiver<String>,
}

impl Page {
    pub fn new(url: watch::Receiver<String>) -> Self {
        Self { http: Client::builder().no_proxy().build().unwrap(), url }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", *self.url.borrow())
    }

    /// Reads the room as it is now.
    pub async fn look(&self) -> Value {
        eventually("the room can be looked at", async || {
            let response = self.http.get(self.at("/api/room")).send().await.ok()?;
            response.error_for_status().ok()?.json().await.ok()
        })
        .await
    }

    /// One attempt to say something: the message once it is stored, none where it may be tried again.
    pub async fn try_say(&self, name: &str, text: &str, nonce: &str, patience: Duration) -> Option<Shown> {
        let body = json!({ "name": name, "text": text, "nonce": nonce, "reply_to": null });
        let sent = self.http.post(self.at("/api/say")).json(&body).timeout(patience).send().await;
        let mut answer = answered(sent.ok()?).await?;
        Some(serde_json::from_value(answer["message"].take()).unwrap())
    }

    /// Gives a command once, and says whether it was done.
    pub async fn command(&self, name: &str, text: &str) -> bool {
        let body = json!({ "name": name, "text": text });
        let sent = self.http.post(self.at("/api/command")).json(&body).send().await;
        let Ok(response) = sent else { return false };
        answered(response).await.is_some_and(|answer| answer["done"] == true)
    }

    /// Follows what happens after a message until the line breaks. `heard` is told each event.
    pub async fn follow(&self, after: &str, mut heard: impl FnMut(&str, Value)) {
        let Ok(mut response) = self.http.get(self.at(&format!("/api/events?after={after}"))).send().await else {
            return;
        };
        if !response.status().is_success() {
            return;
        }
        let mut unread = Vec::new();
        while let Ok(Some(bytes)) = response.chunk().await {
            unread.extend_from_slice(&bytes);
            while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = unread.drain(..end + 2).collect();
                let event = String::from_utf8(event).unwrap();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                heard(field("event: ").unwrap(), serde_json::from_str(field("data: ").unwrap()).unwrap());
            }
        }
    }
}

/// What a server answered; none where it was not able to.
async fn answered(response: Response) -> Option<Value> {
    let status = response.status();
    let answer = response.json::<Value>().await.ok()?;
    if status.is_server_error() {
        return None;
    }
    assert_eq!(status, StatusCode::OK, "the page is refused: {answer}");
    Some(answer)
}
