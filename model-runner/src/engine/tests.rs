//! An engine with a tiny model, and a context that is too small for what is asked.

use chat::wire::FinishReason;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::{
    job::{Job, Prompt, Task},
    llama::CacheType,
    testing::TinyModel,
};

/// Steps after which something must have come of a request.
const STEPS: usize = 200;

/// What becomes of jobs that come at once: the events of each but those that carry text.
fn ends(context: u32, tasks: Vec<Task>) -> Vec<Vec<Event>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.gguf");
    TinyModel::default().write(&file).unwrap();
    let model = Arc::new(Model::load(&file, false).unwrap());
    let metrics = Metrics::default();
    let options = EngineOptions { context, parallel: 4, threads: 1, cache: CacheType::F32 };
    let mut engine = Engine::new(&model, &options, &metrics).unwrap();
    let adapters = Adapters::new(watch::Sender::new(Vec::new()));
    let mut waiting = Waiting::default();
    let job = |task| {
        let (events, receiver) = mpsc::channel(context as usize + 3);
        let (urgency, arrived, span) = (Urgency::Live, Instant::now(), tracing::Span::none());
        waiting.push(Job { task, urgency, room: None, adapter: None, events, place: None, arrived, span });
        receiver
    };
    let receivers: Vec<_> = tasks.into_iter().map(job).collect();
    for _ in 0..STEPS {
        engine.admit(&mut waiting, &adapters);
        engine.step(&adapters);
    }
    assert!(engine.is_idle() && waiting.is_empty(), "something waits still");
    let events = |mut receiver: mpsc::Receiver<Event>| std::iter::from_fn(|| receiver.try_recv().ok()).collect();
    let events = receivers.into_iter().map(events);
    events.map(|events: Vec<_>| events.into_iter().filter(|e| !matches!(e, Event::Text(_))).collect()).collect()
}

/// A prompt and continuations of so many tokens each.
fn score(prompt: usize, continuations: &[usize]) -> Task {
    let continuations = continuations.iter().map(|&length| "q".repeat(length)).collect();
    Task::Score { prompt: Prompt::Raw("q".repeat(prompt)), continuations }
}

/// How many tokens were judged of each continuation, where all goes well.
fn judged(events: &[Event]) -> Vec<usize> {
    let [Event::Started, Event::Scored { logprobs, .. }] = events else { panic!("it was not judged: {events:?}") };
    logprobs.iter().map(Vec::len).collect()
}

#[test]
fn continuations_that_do_not_fit_at_once_are_judged_one_after_another() {
    let lengths = [20; 10];
    assert_eq!(judged(&ends(64, vec![score(40, &lengths)])[0]), lengths);
}

#[test]
fn a_long_continuation_leaves_no_room_for_the_next_until_it_is_judged() {
    let lengths = [390, 390, 1, 300];
    assert_eq!(judged(&ends(700, vec![score(309, &lengths)])[0]), lengths);
}

#[test]
fn what_has_no_room_beside_others_waits_for_them() {
    let ends = ends(64, vec![score(40, &[10, 10]), score(50, &[5, 5, 5, 5]), score(3, &[60, 1, 60])]);
    assert_eq!(
        ends.iter().map(|events| judged(events)).collect::<Vec<_>>(),
        [vec![10; 2], vec![5; 4], vec![60, 1, 60]]
    );
}

#[test]
fn an_answer_without_a_limit_ends_where_the_context_does() {
    let draw = crate::job::Draw::from_options(&serde_json::from_str("{}").unwrap()).unwrap();
    let task = || Task::Draw { prompt: Prompt::Raw("q".repeat(20)), draw: Box::new(draw.clone()) };
    for events in ends(64, vec![task(), task()]) {
        let [Event::Started, Event::Finished { reason, usage }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*reason, usage.total_tokens), (FinishReason::Length, 64));
    }
}
