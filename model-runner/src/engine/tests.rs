//! An engine with a tiny model, and a context that is too small for what is asked.

use chat::wire::FinishReason;
use proptest::prelude::*;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::{
    job::{Draw, Job, Prompt, Task},
    llama::CacheType,
    testing::TinyModel,
};

/// Steps after which something must have come of all requests.
const STEPS: usize = 2000;

/// What becomes of jobs that come at once: the events of each but those that carry text.
fn ends(context: u32, tasks: Vec<Task>) -> Vec<Vec<Event>> {
    ends_with(context, tasks, |_| None)
}

/// The same with one more that comes later.
fn ends_with(context: u32, tasks: Vec<Task>, mut late: impl FnMut(&Engine<'_>) -> Option<Task>) -> Vec<Vec<Event>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.gguf");
    TinyModel::default().write(&file).unwrap();
    let model = Arc::new(Model::load(&file, false).unwrap());
    let metrics = Metrics::default();
    let options = EngineOptions { context, parallel: 4, threads: 1, cache: CacheType::F32 };
    let mut engine = Engine::new(&model, &options, &metrics).unwrap();
    let adapters = Adapters::new(watch::Sender::new(Vec::new()));
    let mut waiting = Waiting::default();
    let mut receivers = Vec::new();
    let mut come = |task, waiting: &mut Waiting| {
        let (events, receiver) = mpsc::channel(context as usize + 3);
        let (urgency, arrived, span) = (Urgency::Live, Instant::now(), tracing::Span::none());
        // Every third has no room.
        let room = ["a", "b"].get(receivers.len() % 3).map(|&room| Arc::from(room));
        waiting.push(Job { task, urgency, room, adapter: None, events, place: None, arrived, span });
        receivers.push(receiver);
    };
    tasks.into_iter().for_each(|task| come(task, &mut waiting));
    let mut late_comes = true;
    for _ in 0..STEPS {
        engine.admit(&mut waiting, &adapters);
        engine.step(&adapters);
        if late_comes && let Some(task) = late(&engine) {
            come(task, &mut waiting);
            late_comes = false;
        }
        if engine.is_idle() && waiting.is_empty() {
            break;
        }
    }
    assert!(engine.is_idle() && waiting.is_empty(), "something waits still");
    let events = |mut receiver: mpsc::Receiver<Event>| std::iter::from_fn(|| receiver.try_recv().ok()).collect();
    let events = receivers.into_iter().map(events);
    events.map(|events: Vec<_>| events.into_iter().filter(|e| !matches!(e, Event::Text(_))).collect()).collect()
}

/// A prompt and continuations of so many tokens each.
fn score(prompt: usize, continuations: &[usize]) -> Task {
    let continuations = continuations.iter().map(|&length| "q".repeat(length)).collect();
    Task::Score { prompt: Prompt::Raw("q".repeat(prompt)), continuations, end_of_turn: false }
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

fn draw(prompt: &str, options: &str) -> Task {
    let draw = Draw::from_options(&serde_json::from_str(options).unwrap()).unwrap();
    Task::Draw { prompt: Prompt::Raw(prompt.to_owned()), draw: Box::new(draw) }
}

/// An answer that goes on as long as there is room.
fn unlimited(prompt: usize) -> Task {
    draw(&"q".repeat(prompt), "{}")
}

#[test]
fn an_answer_without_a_limit_ends_where_the_context_does() {
    for events in ends(64, vec![unlimited(20), unlimited(20)]) {
        let [Event::Started, Event::Finished { reason, usage }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*reason, usage.total_tokens), (FinishReason::Length, 64));
    }
}

#[test]
fn what_comes_does_not_take_the_room_of_a_token_that_is_drawn() {
    let late = |engine: &Engine<'_>| {
        let beyond = engine.active.iter().filter(|active| active.reserved == 0).count();
        let room = engine.cache.capacity_beside_busy();
        (beyond == 2).then(|| Task::Prefill { prompt: Prompt::Raw("z".repeat(room)) })
    };
    let ends = ends_with(1080, vec![unlimited(5), unlimited(5)], late);
    assert!(ends.len() == 3, "the answers went on beyond what they had reserved");
    assert!(ends.iter().all(|events| matches!(events[..], [Event::Started, Event::Finished { .. }])), "{ends:?}");
}

/// The longest prompt, and the longest continuation or answer, that fit a context of [`TIGHT`] tokens together.
const LONGEST: usize = 45;
const TIGHT: u32 = 2 * LONGEST as u32;

fn task() -> impl Strategy<Value = Task> {
    let prompt = ("q{0,20}", "[qz]{1,25}").prop_map(|(head, rest)| head + &rest);
    let continuations = prop::collection::vec(1..=LONGEST, 1..6);
    (prompt, 0..=LONGEST, continuations, 0..3).prop_map(|(prompt, limit, continuations, kind)| match kind {
        0 => Task::Prefill { prompt: Prompt::Raw(prompt) },
        1 => draw(&prompt, &format!("{{\"max_tokens\":{limit}}}")),
        _ => {
            let continuations = continuations.into_iter().map(|length| "q".repeat(length)).collect();
            Task::Score { prompt: Prompt::Raw(prompt), continuations, end_of_turn: false }
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn everything_ends_in_a_tight_context(tasks in prop::collection::vec(task(), 1..16)) {
        for events in ends(TIGHT, tasks) {
            let ended = matches!(events[..], [Event::Started, Event::Finished { .. } | Event::Scored { .. }]);
            prop_assert!(ended, "{events:?}");
        }
    }
}
