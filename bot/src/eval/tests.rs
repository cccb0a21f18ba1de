//! The report of a group of three, judged by a server whose probabilities are known.

use std::f64::consts::LN_2;

use axum::{
    Json, Router,
    routing::{get, post},
};
use chat::{
    RoomId,
    prompt::{self, Line},
};
use chrono::{DateTime, TimeDelta};
use expect_test::expect;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::runner::RunnerClient;

struct Silent;

impl Progress for Silent {
    fn begins(&self, _steps: u64) {}
    fn step(&self) {}
}

/// Names are said by whoever has them: "Ada: .." is a reply of Ada's.
const TRAIN: [(i32, &str, &str); 6] = [
    (1, "Ada", "Ada says that the boat is leaking"),
    (1, "Ada", "Ada says that the boat needs paint"),
    (2, "Bo", "Bo says no worries"),
    (1, "Ada", "Ada says that the cake is eaten"),
    (3, "Cleo", "Cleo says that it rains on the stall"),
    (2, "Bo", "Bo says who ate the cake"),
];
const TEST: [(i32, &str, &str); 4] = [
    (1, "Ada", "Ada says that the boat is sunk"),
    (2, "Bo", "Bo says oh no"),
    (1, "Ada", "Ada says it was the pump"),
    (2, "Bo", "refuse"),
];

/// Two rows a line: what was said, and who said it.
fn rows(said: &[(i32, &str, &str)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, (member, speaker, answer)) in (0..).zip(said) {
        let window = [Line::new("Cleo", "hello"), Line::new("Bo", &format!("what do you say, {speaker}"))];
        let row = |kind, prompt, answer: &str| Row {
            prompt,
            answer: answer.to_owned(),
            kind,
            speaker: (*speaker).to_owned(),
            member: MemberId(*member),
            room: RoomId(1),
            at: DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::minutes(number),
        };
        rows.push(row(Kind::Reply, prompt::reply(&window, None, speaker), answer));
        rows.push(row(Kind::NextSpeaker, prompt::next_speaker(&window, None), speaker));
    }
    rows
}

/// The base takes 4 bits a character, the adapter 2 where the right member is asked and 3 where another is. Of who speaks
/// next the base always believes Bo, the adapter whoever was spoken to.
fn score(Json(request): Json<Value>) -> Json<Value> {
    assert_eq!(request["end_of_turn"], true);
    let prompt = request["messages"][0]["content"].as_str().unwrap();
    let is_adapter = request["model"] == "1@evaluation";
    let bits = |answer: &str| -> f64 {
        let characters = (answer.chars().count() + 1) as f64;
        if prompt.ends_with("Next speaker:") {
            let believed = if is_adapter { prompt.contains(&format!("you say, {answer}")) } else { answer == "Bo" };
            return if believed { 1.0 } else { 5.0 };
        }
        let asked = prompt.rsplit_once("Respond as ").unwrap().1.trim_end_matches(':');
        match (is_adapter, answer.starts_with(asked)) {
            (false, _) => 4.0 * characters,
            (true, true) => 2.0 * characters,
            (true, false) => 3.0 * characters,
        }
    };
    let answers = request["continuations"].as_array().unwrap().iter().map(|answer| answer.as_str().unwrap());
    let score = |(index, answer)| json!({ "object": "score", "index": index, "logprob": -bits(answer) * LN_2, "token_logprobs": [] });
    let data: Vec<Value> = answers.enumerate().map(score).collect();
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1 });
    Json(json!({ "object": "list", "model": "fake", "data": data, "usage": usage }))
}

/// The base has words of its own, the adapter those that it learned from.
async fn complete(Json(request): Json<Value>) -> Json<Value> {
    let text = match request["model"] == "1@evaluation" {
        true => "Ada says that the boat needs nails",
        false => "what an interesting question you ask",
    };
    Json(json!({ "choices": [{ "message": { "role": "assistant", "content": text } }] }))
}

async fn models() -> Models {
    let refuse = async |Json(request): Json<Value>| {
        if request["continuations"][0] == "refuse" {
            let error = json!({ "error": { "message": "it does not fit the context" } });
            return Err((axum::http::StatusCode::BAD_REQUEST, Json(error)));
        }
        Ok(score(Json(request)))
    };
    let health = async || Json(json!({ "status": "ready", "counters": {} }));
    let router = Router::new()
        .route("/health", get(health))
        .route("/v1/score", post(refuse))
        .route("/v1/chat/completions", post(complete));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = RunnerClient::new(&format!("http://{}", listener.local_addr().unwrap()), None, None).unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    let adapter = Model { name: "crew.gguf".to_owned(), client: client.with_model("1@evaluation") };
    Models { base: Model { name: "tiny".to_owned(), client }, adapters: vec![adapter] }
}

async fn report(limit: Option<usize>) -> Report {
    report_of(&TEST, limit).await
}

async fn report_of(test: &[(i32, &str, &str)], limit: Option<usize>) -> Report {
    let dataset = Dataset { train: rows(&TRAIN), held_out: rows(test) };
    let settings = Settings { split: "test".to_owned(), limit, seed: 7 };
    evaluate(&models().await, &dataset, &settings, &Silent).await.unwrap()
}

#[tokio::test]
async fn figures_that_can_be_computed_by_hand() {
    let report = report(None).await;
    expect![[r#"
        base: tiny
        adapter 1: crew.gguf
        rows: 12 learned from, 8 in the split test; of those
          3 replies and 4 next speakers judged
          1 left out: the model runner refused it

        bits per character of held-out replies (fewer are better; 95 % interval)
        MEMBER  REPLIES  MARKOV                  BASE                    ADAPTER 1               AS ANOTHER MEMBER       BETTER THAN THE BASE BY
        Ada     2        3.080 (1.871 to 4.579)  4.000 (4.000 to 4.000)  2.000 (2.000 to 2.000)  3.000 (3.000 to 3.000)  2.000 (2.000 to 2.000)
        Bo      1        2.468 (2.468 to 2.468)  4.000 (4.000 to 4.000)  2.000 (2.000 to 2.000)  3.000 (3.000 to 3.000)  2.000 (2.000 to 2.000)
        all     3        2.958 (1.871 to 4.579)  4.000 (4.000 to 4.000)  2.000 (2.000 to 2.000)  3.000 (3.000 to 3.000)  2.000 (2.000 to 2.000)
        adapter 1 is better than the base beyond doubt for 0 of 2 members

        who speaks next, guessed from 3 (more is better)
        by chance            33.3 %
        whoever speaks most  50.0 % (0.0 to 100.0)
        the group's habits   50.0 % (0.0 to 100.0)
        base                 50.0 % (0.0 to 100.0)
        adapter 1            100.0 % (100.0 to 100.0)

        runs of five words that were learned, in replies to 4 prompts (best as in real ones)
        real       40.0 % (0.0 to 66.7)
        Markov     80.0 % (66.7 to 100.0)
        base       0.0 % (0.0 to 0.0)
        adapter 1  66.7 % (66.7 to 66.7)
    "#]].assert_eq(&report.to_string());
    let ada = &report.bits_per_character[0];
    // 30 and 24 characters, and the two ends.
    assert_eq!((ada.characters, ada.replies), (56, 2));
    let near = |interval: Option<Interval>, value: f64| (interval.unwrap().value - value).abs() < 1e-9;
    let by_adapter = &ada.adapters[0];
    assert!(near(Some(ada.base), 4.0) && near(Some(by_adapter.right), 2.0) && near(by_adapter.wrong_speaker, 3.0));
    assert!(near(Some(by_adapter.gain), 2.0));
    // The Markov voice by its own account.
    let learned = Learned::from(&rows(&TRAIN));
    let markov = learned.likelihood.bits(MemberId(1), TEST[0].2) + learned.likelihood.bits(MemberId(1), TEST[2].2);
    assert!(near(Some(ada.markov), markov / 56.0));
    // Bo spoke twice of four times, and Ada, who speaks most, twice.
    let next = report.next_speaker.unwrap();
    assert!(near(Some(next.base), 0.5) && near(Some(next.most_frequent), 0.5) && near(Some(next.adapters[0]), 1.0));
    // "says that the boat is" and "ada says that the boat" of three runs of five words in real replies.
    let overlap = report.five_gram_overlap;
    assert!(near(overlap.base, 0.0), "{overlap:?}");
    assert!(near(overlap.adapters[0], 2.0 / 3.0), "{overlap:?}");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_report_and_a_limit_leaves_rows_out() {
    assert_eq!(report(None).await, report(None).await);
    let limited = report(Some(2)).await;
    assert_eq!((limited.rows.beyond_limit, limited.rows.replies, limited.rows.turns), (4, 2, 2));
}

#[tokio::test]
async fn nothing_is_beyond_doubt_by_a_few_replies() {
    // Ten times the same: 20 replies of Ada's, 10 of Bo's.
    let report = report_of(&TEST.repeat(10), None).await;
    assert_eq!(report.better_for, [BetterFor { members: 1, of: 2 }]);
}

#[tokio::test]
async fn a_runner_that_goes_away_ends_it_with_a_sentence() {
    let client = RunnerClient::new("http://127.0.0.1:1", None, None).unwrap();
    let models = Models { base: Model { name: "tiny".to_owned(), client }, adapters: vec![] };
    let dataset = Dataset { train: rows(&TRAIN), held_out: rows(&TEST) };
    let settings = Settings { split: "test".to_owned(), limit: None, seed: 7 };
    let error = evaluate(&models, &dataset, &settings, &Silent).await.unwrap_err();
    assert_eq!(error.to_string(), "the model runner did not judge a row");
}

#[test]
fn rows_are_spread_evenly() {
    let rows = rows(&TRAIN);
    let all: Vec<&Row> = rows.iter().collect();
    let places = |limit| {
        let spread = spread(&all, limit);
        spread.iter().map(|row| all.iter().position(|other| std::ptr::eq(*other, *row)).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(places(Some(3)), [0, 4, 8]);
    assert_eq!(places(None).len(), 12);
    assert_eq!(places(Some(0)), [0; 0]);
}

#[test]
fn others_take_turns_and_habits_are_the_groups_own() {
    let learned = Learned::from(&rows(&TRAIN));
    let names =
        |member| learned.others(MemberId(member), 2).iter().map(|other| other.name.as_str()).collect::<Vec<_>>();
    assert_eq!([names(1), names(2), names(3)], [["Bo", "Cleo"], ["Cleo", "Ada"], ["Ada", "Bo"]]);
    assert_eq!(learned.next_by_habit(&prompt::next_speaker(&[Line::new("Bo", "so?")], None)), Some(MemberId(1)));
    assert_eq!(learned.next_by_habit(&prompt::next_speaker(&[], None)), Some(MemberId(1)));
}
