//! Many rooms at once: what is reused, what is shared in a step, and that none of it changes an answer.
//!
//! The model's weights and the cache are F32, but in one test, and answers are the likeliest tokens, so that what is rounded otherwise in a
//! step of another shape decides nothing but ties.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod served;

use std::path::Path;

use chat::{
    prompt::{self, Line},
    wire::{ChatCompletion, Prefilled, Scores},
};
use futures_util::future::join_all;
use kernels::Kernel;
use model_runner::{
    CacheType, Options,
    testing::{Shape, TinyModel},
};
use serde_json::{Value, json};
use served::{Served, assert_same_answer};

/// A window of a room as it is after so many messages.
fn lines(room: usize, from: usize) -> Vec<Line> {
    let says =
        |message: usize| format!("message {message} of room {room}, which says {}", (room * 31 + message * 7) % 97);
    (from..from + 5).map(|message| Line::new(["Ada", "Bo", "Cleo"][message % 3], &says(message))).collect()
}

fn reply(room: usize, from: usize) -> Value {
    let prompt = prompt::reply(&lines(room, from), None, "Ada");
    json!({"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": 24,
           "logprobs": true, "top_logprobs": 20, "prompt_cache_key": format!("room-{room}")})
}

fn prefill(room: usize, from: usize) -> Value {
    let prefix = prompt::prefix(&lines(room, from));
    json!({"messages": [{"role": "user", "content": prefix}], "prompt_cache_key": format!("room-{room}")})
}

async fn many() -> Served {
    Served::with(TinyModel::default(), |options| (options.queue, options.parallel) = (64, 8)).await
}

/// What a server says that has seen nothing else.
async fn fresh_answer(request: &Value) -> ChatCompletion {
    many().await.chat(request).await
}

fn text(answer: &ChatCompletion) -> &str {
    &answer.choices[0].message.content
}

#[tokio::test]
async fn rooms_that_slide_side_by_side_say_what_each_would_say_alone() {
    let served = many().await;
    for from in 0..3 {
        let requests: Vec<Value> = (0..8).map(|room| reply(room, from)).collect();
        let answers = join_all(requests.iter().map(|request| served.chat(request))).await;
        for (request, answer) in requests.iter().zip(&answers) {
            assert_same_answer(answer, &fresh_answer(request).await);
        }
    }
}

/// What is served by default: weights in Q4_K_M and a cache in 16 bits.
async fn quantised(folder: &Path) -> Served {
    const SHAPE: Shape = Shape { layers: 2, width: 256, heads: 4, key_heads: 2, head_width: 64, inner_width: 512 };
    let (vocabulary, model) = (folder.join("vocabulary.gguf"), folder.join("model.gguf"));
    TinyModel::default().write(&vocabulary).unwrap();
    SHAPE.write_q4_k_m(&vocabulary, &model).unwrap();
    let change = |options: &mut Options| {
        (options.model, options.cache) = (model, CacheType::F16);
        (options.queue, options.parallel, options.threads) = (64, 8, 2);
    };
    Served::with(TinyModel::default(), change).await
}

#[tokio::test]
async fn quantised_rooms_too_say_what_each_would_say_alone() {
    if Kernel::detect().is_none() {
        eprintln!("skipped: llama.cpp's own kernels round otherwise for one row than for many");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let served = quantised(folder.path()).await;
    for from in 0..2 {
        let requests: Vec<Value> = (0..6).map(|room| reply(room, from)).collect();
        let answers = join_all(requests.iter().map(|request| served.chat(request))).await;
        for (request, answer) in requests.iter().zip(&answers) {
            assert_same_answer(answer, &quantised(folder.path()).await.chat(request).await);
        }
    }
}

#[tokio::test]
async fn the_head_of_the_prompt_is_computed_once_for_all_rooms() {
    let served = many().await;
    served.chat(&reply(0, 0)).await;
    let head = served.tokens_of(&prompt::prefix(&[])).await - 1;
    let other = served.chat(&reply(1, 0)).await;
    assert!(other.usage.unwrap().cached_tokens() >= head, "{:?} of {head}", other.usage);
}

#[tokio::test]
async fn a_window_that_was_prefilled_costs_only_its_last_line() {
    let served = many().await;
    let prefilled: Prefilled = served.post("/v1/prefill", &prefill(1, 0)).await.json().await.unwrap();
    assert_eq!((prefilled.object.as_str(), prefilled.usage.completion_tokens), ("prefill", 0));
    let answer = served.chat(&reply(1, 0)).await;
    let usage = answer.usage.unwrap();
    // At the border the last token of the beginning may become another one with what follows.
    assert!(usage.cached_tokens() + 1 >= prefilled.usage.prompt_tokens, "{usage:?} after {prefilled:?}");
    assert_same_answer(&answer, &fresh_answer(&reply(1, 0)).await);

    // The window slides: of the old one only the head is left, and a prefill replaces it.
    let slid: Prefilled = served.post("/v1/prefill", &prefill(1, 1)).await.json().await.unwrap();
    assert!(slid.usage.cached_tokens() < slid.usage.prompt_tokens / 2);
    let answer = served.chat(&reply(1, 1)).await;
    assert_same_answer(&answer, &fresh_answer(&reply(1, 1)).await);
}

#[tokio::test]
async fn a_reply_takes_over_from_the_prefill_of_its_room() {
    let served = many().await;
    let (prefill, reply) = (prefill(1, 0), reply(1, 0));
    let (prefilled, answer) = tokio::join!(served.post("/v1/prefill", &prefill), served.chat(&reply));
    assert_eq!(prefilled.status(), 200);
    assert_same_answer(&answer, &fresh_answer(&reply).await);
}

#[tokio::test]
async fn no_tokens_are_a_prefill_too() {
    let served = many().await;
    let request = json!({"prompt": "once upon a time there was", "max_tokens": 0});
    let answer: Value = served.post("/v1/completions", &request).await.json().await.unwrap();
    assert_eq!((&answer["choices"][0]["text"], &answer["choices"][0]["finish_reason"]), (&json!(""), &json!("length")));
    let request = json!({"prompt": "once upon a time there was", "max_tokens": 1});
    let answer: Value = served.post("/v1/completions", &request).await.json().await.unwrap();
    let usage = &answer["usage"];
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert_eq!(cached + 1, usage["prompt_tokens"].as_u64().unwrap());
}

#[tokio::test]
async fn rooms_that_do_not_fit_are_forgotten_oldest_first() {
    let served = Served::with(TinyModel::default(), |options| options.context = 1024).await;
    for room in 0..12 {
        served.chat(&reply(room, 0)).await;
    }
    let health = served.health().await;
    assert!(health.memory.cached_tokens <= 1024);
    // The latest room is whole, the first is gone but for the head.
    let cached = async |room| served.chat(&reply(room, 0)).await.usage.unwrap();
    let latest = cached(11).await;
    assert_eq!(latest.cached_tokens() + 1, latest.prompt_tokens);
    let first = cached(0).await;
    assert!(first.cached_tokens() < first.prompt_tokens / 2);
}

#[tokio::test]
async fn continuations_are_judged_as_they_would_be_drawn() {
    let served = many().await;
    let request = reply(1, 0);
    let drawn = served.chat(&request).await;
    let drawn_tokens = &drawn.choices[0].logprobs.as_ref().unwrap().content;
    // They are the model's own: what may not be said, such as half a character, can be likelier than what was drawn.
    for token in drawn_tokens {
        assert!(token.top_logprobs[0].logprob >= token.top_logprobs[1].logprob);
        assert!(token.chosen.logprob <= token.top_logprobs[0].logprob && token.top_logprobs[0].logprob < 0.0);
    }

    let names: Vec<String> = (0..20).map(|number| format!("name{number}")).collect();
    let score = json!({"messages": request["messages"], "continuations": names});
    let together: Scores = served.post("/v1/score", &score).await.json().await.unwrap();
    assert_eq!(together.data.len(), 20);
    for (index, name) in names.iter().enumerate() {
        let alone = json!({"messages": request["messages"], "continuations": [name]});
        let alone: Scores = many().await.post("/v1/score", &alone).await.json().await.unwrap();
        let (alone, together) = (&alone.data[0], &together.data[index]);
        assert_eq!(together.index, index);
        assert_eq!(alone.token_logprobs.len(), together.token_logprobs.len());
        assert!((alone.logprob - together.logprob).abs() < 1e-3, "{alone:?} {together:?}");
        let sum: f64 = together.token_logprobs.iter().copied().map(f64::from).sum();
        assert!((sum - together.logprob).abs() < 1e-6);
    }
    // A text longer than a step has rows for, as for a perplexity; its first token is as likely as when it is drawn.
    let long = drawn_tokens[0].chosen.token.clone() + &" and so on".repeat(60);
    let score = json!({"messages": request["messages"], "continuations": [long]});
    let judged: Scores = served.post("/v1/score", &score).await.json().await.unwrap();
    assert!(judged.data[0].token_logprobs.len() > 200);
    assert!(judged.data[0].token_logprobs.iter().all(|logprob| *logprob < 0.0));
}

#[tokio::test]
async fn the_end_of_the_turn_is_judged_where_that_is_asked_for() {
    let served = many().await;
    let judge = async |fields: Value| {
        let mut request = json!({"messages": [{"role": "user", "content": "Next speaker:"}],
                                 "continuations": ["An", "Anna", "An<|im_end|>"]});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        served.post("/v1/score", &request).await.json::<Scores>().await.unwrap().data
    };
    let (open, ended) = (judge(json!({})).await, judge(json!({"end_of_turn": true})).await);
    for (open, ended) in open.iter().zip(&ended) {
        let (last, text) = ended.token_logprobs.split_last().unwrap();
        assert_eq!(text.len(), open.token_logprobs.len());
        assert!((ended.logprob - open.logprob - f64::from(*last)).abs() < 1e-3, "{open:?} {ended:?}");
    }
    // What looks like an end is text.
    assert!(ended[2].token_logprobs.len() > ended[0].token_logprobs.len());
    // An empty turn can end too.
    let nothing = judge(json!({"continuations": [""], "end_of_turn": true})).await;
    assert_eq!(nothing[0].token_logprobs.len(), 1);
    let raw = json!({"prompt": "Next", "continuations": ["An"], "end_of_turn": true});
    assert_eq!(served.post("/v1/score", &raw).await.status(), 400);
}

#[tokio::test]
async fn idle_chat_lets_live_replies_pass() {
    let served = Served::with(TinyModel::default(), |options| (options.queue, options.parallel) = (16, 4)).await;
    let idle = json!({"messages": [{"role": "user", "content": "nobody waits"}], "temperature": 0, "max_tokens": 6000,
                      "priority": 1});
    // Idle chat begins first and has more to say than is said while it pauses.
    let idling = tokio::spawn(served.request("/v1/chat/completions", &idle).send());
    served.health_until(|health| health.counters.generated_tokens > 8).await;
    let before = served.health().await.counters.generated_tokens;
    let live =
        json!({"messages": [{"role": "user", "content": "somebody waits"}], "temperature": 0, "max_tokens": 800});
    served.chat(&live).await;
    let drawn = served.health().await.counters.generated_tokens - before;
    // One step in eight is for both; the requests that ask for the counters let some tokens of idle chat through.
    assert!((800..1100).contains(&drawn), "{drawn}");
    idling.abort();
}

#[tokio::test]
async fn what_gives_way_leaves_half_of_the_queue() {
    let served = Served::with(TinyModel::default(), |options| (options.queue, options.parallel) = (4, 1)).await;
    let request = |priority: i32| json!({"messages": [{"role": "user", "content": "long"}], "temperature": 0, "max_tokens": 8000, "priority": priority});
    let (_in_hand, _) = served.begin_stream(&request(0)).await;
    let waiting: Vec<_> =
        (0..2).map(|_| tokio::spawn(served.request("/v1/chat/completions", &request(1)).send())).collect();
    served.health_until(|health| health.queue_length == 2).await;
    assert_eq!(served.post("/v1/chat/completions", &request(1)).await.status(), 503);
    assert_eq!(served.post("/v1/prefill", &prefill(0, 0)).await.status(), 503);
    let live = tokio::spawn(served.request("/v1/chat/completions", &request(0)).send());
    served.health_until(|health| health.queue_length == 3).await;
    live.abort();
    waiting.into_iter().for_each(|waiting| waiting.abort());
}

#[tokio::test]
async fn a_room_that_asks_for_much_does_not_hold_up_the_others() {
    let served = Served::with(TinyModel::default(), |options| (options.queue, options.parallel) = (16, 2)).await;
    let request = |room: &str, limit: u32| {
        json!({"messages": [{"role": "user", "content": "hi"}], "temperature": 0, "max_tokens": limit,
               "prompt_cache_key": room})
    };
    let greedy: Vec<_> =
        (0..8).map(|_| tokio::spawn(served.request("/v1/chat/completions", &request("greedy", 6000)).send())).collect();
    served.health_until(|health| health.queue_length == 6).await;
    // With both places taken by the greedy room, the modest one is next although six came before it.
    let modest = tokio::spawn(served.request("/v1/chat/completions", &request("modest", 4)).send());
    served.health_until(|health| health.queue_length == 7).await;
    greedy[0].abort();
    greedy[1].abort();
    assert_eq!(modest.await.unwrap().unwrap().status(), 200);
    let health = served.health_until(|health| health.counters.finished > 0).await;
    assert_eq!(health.counters.finished, 1);
    greedy.into_iter().for_each(|greedy| greedy.abort());
}

#[tokio::test]
async fn answers_hold_to_what_was_asked_of_them() {
    let served = many().await;
    let base =
        json!({"messages": [{"role": "user", "content": "say it"}], "temperature": 1.5, "seed": 3, "max_tokens": 40});
    let with = |more: Value| {
        let mut request = base.clone();
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let yes_no = served.chat(&with(json!({"grammar": "root ::= \"yes\" | \"no\""}))).await;
    assert!(["yes", "no"].contains(&text(&yes_no)), "{yes_no:?}");
    for seed in 0..12 {
        let answer =
            served.chat(&with(json!({"seed": seed, "top_k": 0, "allowed_scripts": ["latin"], "no_urls": true}))).await;
        let foreign = text(&answer).chars().find(|c| {
            c.is_alphabetic() && chat::scripts::Script::of(*c).is_some_and(|s| s != chat::scripts::Script::Latin)
        });
        assert_eq!(foreign, None, "{:?}", text(&answer));
    }
    // A token that is banned does not come, and one that is pushed comes every time.
    let pushed = served.chat(&with(json!({"logit_bias": {"65": 100}, "max_tokens": 3, "temperature": 0}))).await;
    assert_eq!(text(&pushed), "AAA");
    let banned = served.chat(&with(json!({"logit_bias": {"65": -100}, "top_k": 0}))).await;
    assert!(!text(&banned).contains('A'));
}
