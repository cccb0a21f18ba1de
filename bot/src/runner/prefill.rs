//! Shows a server what every prompt of a room is going to begin with, before anybody has decided to speak, so that a
//! reply costs only what follows.

use std::{sync::atomic::Ordering, time::Duration};

use chat::wire::{ChatMessage, PrefillRequest};
use reqwest::{RequestBuilder, StatusCode, header::RETRY_AFTER};
use serde_json::json;

use super::{
    RunnerClient, RunnerError,
    client::{is_about_the_model, refusal_of, transport},
};

/// How long it may take. The next message has come by then, or the reply itself.
const PREFILL_TIME: Duration = Duration::from_secs(20);

impl RunnerClient {
    /// Has the server compute the beginning of a user turn. A server that has no path for it, which is asked once, is
    /// made to compute it for an answer of one token. Dropping the future cancels the work on the server too.
    ///
    /// # Errors
    /// As for a reply. Whoever waits for none loses nothing but time.
    pub async fn prefill(&self, prefix: &str, room: &str) -> Result<(), RunnerError> {
        if !self.known.lacks_prefill.load(Ordering::Relaxed) && self.prefill_by_its_path(prefix, room).await? {
            return Ok(());
        }
        self.send(self.one_token(prefix)).await.map(drop)
    }

    /// False where the server has no such path.
    async fn prefill_by_its_path(&self, prefix: &str, room: &str) -> Result<bool, RunnerError> {
        let request = PrefillRequest {
            model: self.model.clone(),
            messages: vec![ChatMessage::user(prefix)],
            prompt_cache_key: Some(room.to_owned()),
        };
        let request = self.post("/v1/prefill").json(&request).timeout(PREFILL_TIME);
        let response = self.send_for_any_answer(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(true);
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.bytes().await.map_err(transport)?;
        if has_no_such_path(status, &body) {
            self.known.lacks_prefill.store(true, Ordering::Relaxed);
            return Ok(false);
        }
        Err(refusal_of(status, retry_after, &body))
    }

    fn one_token(&self, prefix: &str) -> RequestBuilder {
        let mut request = json!({
            "messages": [ChatMessage::user(prefix)],
            "max_tokens": 1,
            // llama-server's; it may be started with another default.
            "cache_prompt": true,
        });
        if let Some(model) = &self.model {
            request["model"] = json!(model);
        }
        self.post("/v1/chat/completions").json(&request).timeout(PREFILL_TIME)
    }
}

/// A 404 may also be about the model, and then there is such a path.
fn has_no_such_path(status: StatusCode, body: &[u8]) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) && !is_about_the_model(body)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{
        Json, Router,
        extract::State,
        http::Uri,
        response::{IntoResponse, Response},
    };
    use expect_test::{Expect, expect};
    use tokio::net::TcpListener;

    use super::*;

    type Asked = Arc<Mutex<Vec<String>>>;

    /// Prefills twice with a server that answers so on the path for it, and says what it was asked.
    async fn check(status: u16, body: &'static str, expected: Expect) {
        let asked = Asked::default();
        let answer = async move |State(asked): State<Asked>, uri: Uri, body_sent: String| -> Response {
            asked.lock().unwrap().push(format!("{} {body_sent}", uri.path()));
            match uri.path() {
                "/v1/prefill" => (StatusCode::from_u16(status).unwrap(), body).into_response(),
                _ => Json(json!({})).into_response(),
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(asked.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        let client = RunnerClient::new(&url, None, Some("m".to_owned())).unwrap();
        let ended = [client.prefill("Ada: hi", "room-1").await, client.clone().prefill("Bo: yo", "room-1").await];
        expected.assert_eq(&format!("{}\n{ended:?}", asked.lock().unwrap().join("\n")));
    }

    #[tokio::test]
    async fn a_server_with_the_path_is_asked_there() {
        check(
            200,
            "{}",
            expect![[r#"
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Ada: hi"}],"prompt_cache_key":"room-1"}
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Bo: yo"}],"prompt_cache_key":"room-1"}
            [Ok(()), Ok(())]"#]],
        )
        .await;
    }

    #[tokio::test]
    async fn a_server_without_the_path_is_asked_once_and_then_for_one_token() {
        check(404, "404 page not found", expect![[r#"
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Ada: hi"}],"prompt_cache_key":"room-1"}
            /v1/chat/completions {"cache_prompt":true,"max_tokens":1,"messages":[{"content":"Ada: hi","role":"user"}],"model":"m"}
            /v1/chat/completions {"cache_prompt":true,"max_tokens":1,"messages":[{"content":"Bo: yo","role":"user"}],"model":"m"}
            [Ok(()), Ok(())]"#]]).await;
        check(405, "", expect![[r#"
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Ada: hi"}],"prompt_cache_key":"room-1"}
            /v1/chat/completions {"cache_prompt":true,"max_tokens":1,"messages":[{"content":"Ada: hi","role":"user"}],"model":"m"}
            /v1/chat/completions {"cache_prompt":true,"max_tokens":1,"messages":[{"content":"Bo: yo","role":"user"}],"model":"m"}
            [Ok(()), Ok(())]"#]]).await;
    }

    #[tokio::test]
    async fn a_refusal_is_no_missing_path() {
        check(
            404,
            r#"{"error":{"message":"not here","code":"model_not_found"}}"#,
            expect![[r#"
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Ada: hi"}],"prompt_cache_key":"room-1"}
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Bo: yo"}],"prompt_cache_key":"room-1"}
            [Err(NoSuchModel { sentence: "not here" }), Err(NoSuchModel { sentence: "not here" })]"#]],
        )
        .await;
        check(503, "", expect![[r#"
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Ada: hi"}],"prompt_cache_key":"room-1"}
            /v1/prefill {"model":"m","messages":[{"role":"user","content":"Bo: yo"}],"prompt_cache_key":"room-1"}
            [Err(Unavailable("it says only 503 Service Unavailable")), Err(Unavailable("it says only 503 Service Unavailable"))]"#]]).await;
    }
}
