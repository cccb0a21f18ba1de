//! Damaged and hostile model files, given to the real program: each is refused in a sentence, or it answers.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

#[path = "hostile/damage.rs"]
mod damage;
#[path = "hostile/dissected.rs"]
mod dissected;
#[path = "hostile/runner.rs"]
mod runner;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use dissected::Dissected;
use model_runner::testing::TinyModel;
use runner::{Verdict, judge};

/// How many programs run at a time. Each mostly waits: for the system to start it, for its model to be mapped.
const AT_A_TIME: usize = 4;

/// A file and what was done to it.
struct Case {
    name: String,
    bytes: Vec<u8>,
}

/// Runs the program on each, and fails with all that went wrong. Returns how many answered.
fn check(cases: &[Case]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match judge(folder.path(), &case.name.replace(|c: char| !c.is_alphanumeric(), "_"), &case.bytes) {
                        Ok(Verdict::Answered) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Ok(Verdict::Refused(sentence)) => println!("{}: {sentence}", case.name),
                        Err(what) => failures.lock().unwrap().push(format!("{}: {what}", case.name)),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
    answered.into_inner()
}

fn tiny() -> Dissected {
    Dissected::from_bytes(&TinyModel::default().to_bytes())
}

#[test]
fn a_file_that_was_taken_apart_and_put_together_is_the_same_and_answers() {
    let bytes = TinyModel::default().to_bytes();
    assert!(Dissected::from_bytes(&bytes).to_bytes() == bytes);
    assert_eq!(check(&[Case { name: "whole".to_owned(), bytes }]), 1);
}

#[test]
fn wrong_numbers_in_the_metadata() {
    check(&damage::numbers(&tiny()));
}

#[test]
fn values_that_a_model_of_this_family_does_not_have() {
    check(&damage::more_values(&tiny()));
}

#[test]
fn a_wrong_vocabulary() {
    check(&damage::vocabulary(&tiny()));
}

#[test]
fn wrong_tensors() {
    check(&damage::tensors(&tiny()));
}

#[test]
fn damage_at_random() {
    check(&damage::at_random(&tiny(), 200));
}
