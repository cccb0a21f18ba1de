//! Asks our own runner how likely it is that certain things are said.

use std::time::Duration;

use chat::wire::{ChatMessage, ScoreRequest, Scores};

use super::{RunnerClient, RunnerError, client::transport};

/// How long a judgement may take, waiting in the runner's queue included.
const JUDGING_TIME: Duration = Duration::from_secs(120);

impl RunnerClient {
    /// The natural logarithms of the probabilities that the answer to one user turn is each of `answers` and ends there.
    ///
    /// # Errors
    /// As for a reply. Only our own runner can judge; others reject it.
    pub async fn judge(&self, prompt: &str, answers: &[&str]) -> Result<Vec<f64>, RunnerError> {
        let request = ScoreRequest {
            model: self.model.clone(),
            messages: Some(vec![ChatMessage::user(prompt)]),
            continuations: answers.iter().map(|answer| (*answer).to_owned()).collect(),
            end_of_turn: true,
            timeout: Some(JUDGING_TIME.as_secs_f32()),
            ..ScoreRequest::default()
        };
        let response = self.send(self.post("/v1/score").json(&request).timeout(JUDGING_TIME)).await?;
        let scores: Scores = response.json().await.map_err(transport)?;
        let logprobs: Vec<f64> = scores.data.iter().map(|score| score.logprob).collect();
        if logprobs.len() != answers.len() || !logprobs.iter().all(|logprob| logprob.is_finite()) {
            return Err(RunnerError::Broken(format!("it judged {} of {} answers", logprobs.len(), answers.len())));
        }
        Ok(logprobs)
    }
}
