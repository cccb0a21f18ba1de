//! What may happen while bytes come. Whatever it is: a whole file, or none, and the next pull goes on.

use std::{fs, time::Duration};

use axum::http::StatusCode;
use bot::models::{Event, Patience, Pulled};
use tokio::sync::{oneshot, watch};

use super::{
    tester::{PATIENCE, TINY, Tester, eventually, model, text, tiny},
    the_fake::Fault,
};

fn from(bytes: u64) -> Option<String> {
    Some(format!("bytes={bytes}-"))
}

#[tokio::test]
async fn a_cut_line_is_gone_on_with_at_the_very_byte() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(1), Fault::Cut(70_000), Fault::EndsEarly(1_500_000), Fault::Cut(0)]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges(), [None, from(1), from(70_001), from(1_570_001), from(1_570_001)]);
}

#[tokio::test]
async fn tries_that_bring_nothing_end_and_the_next_pull_goes_on() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(200_000), Fault::Cut(0), Fault::Cut(0), Fault::Cut(0)]);
    let sentence = tester.refusal().await;
    assert!(sentence.contains("broke; `groupchat model pull` goes on where it was"), "{sentence}");
    assert_eq!((tester.file(), tester.part()), (None, Some(200_000)));
    assert_eq!(tester.hub.ranges().len(), 3);
    tester.hub.faults([Fault::Cut(5)]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
}

#[tokio::test]
async fn a_line_on_which_nothing_comes_is_given_up() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Stalls(300_000)]);
    let patience = Patience { stall: Duration::from_millis(500), ..tester.client(None).patience };
    let mut why = Vec::new();
    let report = |event| {
        if let Event::Again { why: reason, .. } = event {
            why.push(reason);
        }
    };
    tester.pull_with(&tester.client_with(None, patience), report).await.unwrap();
    assert!(tester.is_whole());
    assert!(why.len() == 1 && why[0].contains("sent nothing for 0.5 seconds"), "{why:?}");
    assert_eq!(tester.hub.ranges(), [None, from(300_000)]);
}

#[tokio::test]
async fn a_server_without_ranges_starts_over() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(100_000), Fault::Everything]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges(), [None, from(100_000)]);
    // One that never gets further than before comes to an end.
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(100_000)]);
    tester.hub.always(Fault::EndsEarly(0));
    tester.refusal().await;
    assert_eq!(tester.hub.ranges().len(), 3);
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_not_appended() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(100_000), Fault::OtherRange]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges(), [None, from(100_000), None]);
}

#[tokio::test]
async fn a_rest_that_is_refused_is_begun_anew() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(100_000), Fault::Status(StatusCode::RANGE_NOT_SATISFIABLE)]);
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges(), [None, from(100_000), None]);
}

#[tokio::test]
async fn wrong_bytes_are_thrown_away() {
    let tester = Tester::new().await;
    for fault in [Fault::Wrong, Fault::TooMany] {
        tester.hub.faults([fault]);
        let sentence = tester.refusal().await;
        assert!(sentence.contains("is not what the hub promised"), "{sentence}");
        assert_eq!((tester.file(), tester.part()), (None, None));
    }
    tester.hub.lies_about_the_etag(&"ab".repeat(32));
    assert!(tester.refusal().await.contains(&format!("not {}", "ab".repeat(32))));
    assert_eq!((tester.file(), tester.part()), (None, None));
}

#[tokio::test]
async fn what_is_no_model_is_thrown_away() {
    let tester = Tester::new().await;
    for file in [b"<html>welcome</html>".to_vec(), tester.bytes[..2000].to_vec()] {
        tester.hub.put(TINY, file);
        let sentence = tester.refusal().await;
        assert!(sentence.contains("came as the hub has it, but it is"), "{sentence}");
        assert_eq!((tester.file(), tester.part()), (None, None));
    }
}

#[tokio::test]
async fn a_part_that_somebody_changed_does_not_become_a_model() {
    let tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(200_000), Fault::Cut(0), Fault::Cut(0)]);
    tester.refusal().await;
    let part = tester.folder().path().join("crew--tiny-GGUF--tiny.gguf.part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&part, bytes).unwrap();
    assert!(tester.refusal().await.contains("is not what the hub promised"));
    assert_eq!((tester.file(), tester.part()), (None, None));
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
}

#[tokio::test]
async fn a_file_that_was_changed_on_the_hub_is_begun_anew() {
    let mut tester = Tester::new().await;
    tester.hub.faults([Fault::Cut(200_000), Fault::Cut(0), Fault::Cut(0)]);
    tester.refusal().await;
    tester.bytes = model();
    tester.bytes.extend(b"another version");
    tester.hub.put(TINY, tester.bytes.clone());
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges().last(), Some(&None));
}

#[tokio::test]
async fn a_file_that_changes_while_it_comes_is_never_mixed() {
    let mut tester = Tester::new().await;
    let new = [model(), b"another version".to_vec()].concat();
    let (hub, changed) = (tester.hub.clone(), new.clone());
    tester.hub.faults([Fault::Cut(200_000)]);
    let report = move |event| {
        if matches!(event, Event::Again { .. }) {
            hub.put(TINY, changed.clone());
        }
    };
    tester.pull_with(&tester.client(None), report).await.unwrap();
    tester.bytes = new;
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges(), [None, None]);
}

#[tokio::test]
async fn a_file_that_changes_between_the_question_and_the_bytes_is_asked_for_again() {
    let mut tester = Tester::new().await;
    let mut new = model();
    *new.last_mut().unwrap() ^= 1;
    let (hub, changed, mut why) = (tester.hub.clone(), new.clone(), Vec::new());
    let report = |event| match event {
        Event::Begins { .. } => hub.put(TINY, changed.clone()),
        Event::Again { why: reason, .. } => why.push(reason),
        _ => {}
    };
    tester.pull_with(&tester.client(None), report).await.unwrap();
    tester.bytes = new;
    assert!(tester.is_whole());
    assert!(why.len() == 1 && why[0].contains("was changed on the hub meanwhile"), "{why:?}");
}

#[tokio::test]
async fn two_pulls_at_once_fetch_it_once() {
    let tester = Tester::new().await;
    let (go_on, held) = watch::channel(false);
    tester.hub.faults([Fault::Holds(1_000_000, held)]);
    let (first, second) = (tester.client(None), tester.client(None));
    let (mut waits, mut comes) = (0, false);
    let ends = tokio::join!(
        tester.pull_with(&first, |event| comes |= matches!(event, Event::At(_))),
        tester.pull_with(&second, |event| {
            // The first one holds the lock until this one has seen it.
            waits += usize::from(matches!(event, Event::Waits(_)));
            go_on.send_replace(true);
        }),
    );
    assert!(matches!(ends.0.unwrap(), Pulled::Fetched(_)));
    assert!(matches!(ends.1.unwrap(), Pulled::WasHere(_)));
    assert!(tester.is_whole() && comes);
    assert_eq!((waits, tester.hub.ranges().len()), (1, 1));
    assert_eq!(tester.listing().len(), 2, "{:?}", tester.listing());
}

#[tokio::test]
async fn a_pull_may_be_dropped_at_any_moment() {
    let tester = Tester::new().await;
    for events in 1..12 {
        let (reached, drop_it) = oneshot::channel();
        let (mut left, mut reached) = (events * 3, Some(reached));
        let hub = tester.client(None);
        let pulling = tester.pull_with(&hub, |_| {
            left -= 1;
            if left == 0 {
                reached.take().unwrap().send(()).unwrap();
            }
        });
        tokio::select! {
            biased;
            done = drop_it => done.unwrap(),
            ended = pulling => drop(ended.unwrap()),
        }
        if let Some(file) = tester.file() {
            assert!(file == tester.bytes);
            break;
        }
    }
    tester.pull().await.unwrap();
    assert!(tester.is_whole());
    assert_eq!(tester.listing().len(), 2, "{:?}", tester.listing());
}

#[tokio::test]
async fn a_killed_program_goes_on_where_it_was() {
    let tester = Tester::new().await;
    let (_never, held) = watch::channel(false);
    tester.hub.faults([Fault::Holds(2_500_000, held)]);
    let mut killed = tester.program(["model", "pull", TINY]).spawn().unwrap();
    eventually("some of it is written", async || tester.part().filter(|part| *part > 0)).await;
    killed.kill().await.unwrap();
    let there = tester.part().unwrap();
    assert!(tester.file().is_none());

    let (success, stdout, stderr) = tester.run(&["model", "pull", TINY]).await;
    assert!(success, "{stderr}");
    assert!(stdout.contains(text(&tester.folder().file(&tiny().label))), "{stdout}");
    assert!(stderr.contains("of it are here already"), "{stderr}");
    assert!(tester.is_whole());
    assert_eq!(tester.hub.ranges(), [None, from(there)]);
    assert_eq!(tester.listing().len(), 2, "{:?}", tester.listing());
}

#[tokio::test]
async fn a_program_that_is_asked_to_stop_says_how_to_go_on() {
    use rustix::process::{Pid, Signal, kill_process};
    let tester = Tester::new().await;
    let (_never, held) = watch::channel(false);
    tester.hub.faults([Fault::Holds(2_500_000, held)]);
    let program = tester.program(["model", "pull", TINY]).spawn().unwrap();
    eventually("some of it is written", async || tester.part().filter(|part| *part > 0)).await;
    let pid = Pid::from_raw(program.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = tokio::time::timeout(PATIENCE, program.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("`groupchat model pull` goes on where it was"), "{said}");
    assert!(tester.part().is_some() && tester.file().is_none());
}
