//! What a server offers besides replies: its models, adapters that come and go, and how likely something is.

use std::{path::Path, time::Duration};

use chat::wire::{
    ChatMessage, LoadAdapterRequest, ModelCard, ModelList, Score, ScoreRequest, Scores, UnloadAdapterRequest,
};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;

use super::{RunnerClient, RunnerError, client::transport};

/// How long a server may take to say what it has.
const LIST_TIME: Duration = Duration::from_secs(5);
/// How long it may take to load an adapter. Tens of megabytes are read from a disk that may be slow.
const LOAD_TIME: Duration = Duration::from_secs(60);
/// How long it may take to judge, waiting in its queue included.
const SCORE_TIME: Duration = Duration::from_secs(60);

impl RunnerClient {
    /// What can be asked for: the base, and each adapter.
    ///
    /// # Errors
    /// As for a reply.
    pub async fn models(&self) -> Result<Vec<ModelCard>, RunnerError> {
        let answer = self.send(self.get("/v1/models").timeout(LIST_TIME)).await?;
        Ok(read::<ModelList>(answer).await?.data)
    }

    /// Offers the adapter in a GGUF file, on the server's machine, as a model of this name. One that had the name makes
    /// room for it; what is being answered goes on with the old one.
    ///
    /// # Errors
    /// [`RunnerError::Rejected`] where the file is no adapter of the server's model; others as for a reply.
    pub async fn load_adapter(&self, name: &str, file: &Path) -> Result<(), RunnerError> {
        let Some(lora_path) = file.to_str().map(str::to_owned) else {
            return Err(RunnerError::Rejected { sentence: format!("{} is not UTF-8", file.display()) });
        };
        let request = LoadAdapterRequest { lora_name: name.to_owned(), lora_path, load_inplace: true };
        self.done(self.post("/v1/load_lora_adapter").json(&request).timeout(LOAD_TIME)).await
    }

    /// Offers the adapter of this name no longer.
    ///
    /// # Errors
    /// [`RunnerError::Rejected`] where there is none; others as for a reply.
    pub async fn unload_adapter(&self, name: &str) -> Result<(), RunnerError> {
        let request = UnloadAdapterRequest { lora_name: name.to_owned() };
        self.done(self.post("/v1/unload_lora_adapter").json(&request).timeout(LOAD_TIME)).await
    }

    /// How likely each of some texts is as the next turn of a conversation, in their order.
    ///
    /// # Errors
    /// [`RunnerError::Rejected`] where the server cannot do it; others as for a reply.
    pub async fn score(&self, messages: &[ChatMessage], continuations: &[String]) -> Result<Vec<Score>, RunnerError> {
        let request = ScoreRequest {
            model: self.model.clone(),
            messages: Some(messages.to_vec()),
            continuations: continuations.to_vec(),
            timeout: Some(SCORE_TIME.as_secs_f32()),
            ..ScoreRequest::default()
        };
        let answer = self.send(self.post("/v1/score").json(&request).timeout(SCORE_TIME)).await?;
        let scores = read::<Scores>(answer).await?.data;
        if scores.len() == continuations.len() && scores.iter().enumerate().all(|(place, score)| score.index == place) {
            Ok(scores)
        } else {
            Err(RunnerError::Broken("its scores are not those of what it was asked".to_owned()))
        }
    }

    /// Asks for something whose answer says nothing; vLLM's is not even JSON.
    async fn done(&self, request: RequestBuilder) -> Result<(), RunnerError> {
        self.send(request).await.map(drop)
    }
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, RunnerError> {
    answer.json().await.map_err(transport)
}

#[cfg(test)]
mod tests {
    use axum::{
        Json, Router,
        body::Bytes,
        http::{HeaderMap, StatusCode, Uri},
    };
    use expect_test::{Expect, expect};
    use secrecy::SecretString;
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    /// A client of a server that refuses everything, in words that repeat what it was asked.
    async fn client() -> RunnerClient {
        let refuse = async |uri: Uri, headers: HeaderMap, body: Bytes| {
            let key = headers["authorization"].to_str().unwrap();
            let said = format!("{key} {} {}", uri.path(), String::from_utf8_lossy(&body));
            (StatusCode::BAD_REQUEST, Json(json!({ "error": { "message": said } })))
        };
        serve(Router::new().fallback(refuse)).await
    }

    async fn serve(router: Router) -> RunnerClient {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, router).into_future());
        RunnerClient::new(&url, Some(SecretString::from("k")), Some("m".to_owned())).unwrap()
    }

    fn check<T: std::fmt::Debug>(answer: Result<T, RunnerError>, expected: Expect) {
        let RunnerError::Rejected { sentence } = answer.unwrap_err() else { panic!("it was refused") };
        expected.assert_eq(&sentence);
    }

    #[tokio::test]
    async fn what_is_asked_and_where() {
        let client = client().await;
        check(client.models().await, expect!["Bearer k /v1/models "]);
        check(
            client.load_adapter("ada", Path::new("/a/ada.gguf")).await,
            expect![[
                r#"Bearer k /v1/load_lora_adapter {"lora_name":"ada","lora_path":"/a/ada.gguf","load_inplace":true}"#
            ]],
        );
        check(client.unload_adapter("ada").await, expect![[r#"Bearer k /v1/unload_lora_adapter {"lora_name":"ada"}"#]]);
        let (turn, names) = ([ChatMessage::user("Next speaker:")], ["Ada".to_owned(), "Bo".to_owned()]);
        check(
            client.score(&turn, &names).await,
            expect![[
                r#"Bearer k /v1/score {"model":"m","messages":[{"role":"user","content":"Next speaker:"}],"continuations":["Ada","Bo"],"timeout":60.0}"#
            ]],
        );
    }

    #[tokio::test]
    async fn models_of_other_servers_are_read_too() {
        // llama-server's, shortened.
        let models = json!({"models": [], "object": "list", "data": [{"id": "tiny.gguf", "aliases": [], "object": "model",
            "created": 1, "owned_by": "llamacpp", "meta": {"n_vocab": 1}}]});
        let client = serve(Router::new().fallback(async move || Json(models))).await;
        assert_eq!(client.models().await.unwrap()[0].id, "tiny.gguf");
    }

    #[tokio::test]
    async fn scores_of_something_else_are_no_scores() {
        let score = json!({"object": "score", "index": 0, "logprob": -1.5, "token_logprobs": [-1.5]});
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
        let scores = json!({"object": "list", "model": "m", "data": [score], "usage": usage});
        let client = serve(Router::new().fallback(async move || Json(scores))).await;
        let (turn, mut texts) = ([ChatMessage::user("hi")], vec!["yo".to_owned()]);
        assert_eq!(client.score(&turn, &texts).await.unwrap()[0].logprob, -1.5);
        texts.push("hey".to_owned());
        assert!(matches!(client.score(&turn, &texts).await, Err(RunnerError::Broken(_))));
    }
}
