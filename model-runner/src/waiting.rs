//! The requests that wait: who is next.

use std::{collections::HashMap, sync::Arc};

use crate::job::Job;

/// Requests in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<Job>);

impl Waiting {
    pub(crate) fn push(&mut self, job: Job) {
        self.0.push(job);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out what nobody waits for any more, and gives how many those were.
    pub(crate) fn drop_abandoned(&mut self) -> usize {
        let before = self.0.len();
        self.0.retain(|job| !job.events.is_closed());
        before - self.0.len()
    }

    /// The next one: the most urgent; of those, one of the room of which the fewest are in hand, so that a room that asks
    /// for much does not keep the others waiting; of those, the first that came.
    pub(crate) fn next(&self, in_hand: &HashMap<Arc<str>, usize>) -> Option<usize> {
        let in_hand = |job: &Job| job.room.as_ref().and_then(|room| in_hand.get(room)).copied().unwrap_or(0);
        let candidates = self.0.iter().enumerate();
        candidates.min_by_key(|(index, job)| (job.urgency, in_hand(job), *index)).map(|(index, _)| index)
    }

    pub(crate) fn get(&self, index: usize) -> &Job {
        &self.0[index]
    }

    pub(crate) fn take(&mut self, index: usize) -> Job {
        self.0.remove(index)
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Job> {
        self.0.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::job::{
        Event, Prompt, Task,
        Urgency::{self, Ahead, Idle, Live},
    };

    fn job(name: &str, urgency: Urgency, room: Option<&str>) -> (Job, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(1);
        let task = Task::Prefill { prompt: Prompt::Raw(name.to_owned()) };
        let (room, arrived) = (room.map(Arc::from), Instant::now());
        let job = Job { task, urgency, room, adapter: None, events, place: None, arrived, span: tracing::Span::none() };
        (job, receiver)
    }

    fn name(job: &Job) -> &str {
        let Prompt::Raw(name) = job.task.prompt() else { panic!("the jobs of these tests are raw") };
        name
    }

    /// In which order requests are begun that all come before the first of them is, beside those in hand, where none ends.
    fn check(requests: &[(&str, Urgency, Option<&str>)], in_hand: &[(&str, usize)], expected: Expect) {
        let mut waiting = Waiting::default();
        let mut receivers = Vec::new();
        for &(name, urgency, room) in requests {
            let (job, receiver) = job(name, urgency, room);
            waiting.push(job);
            receivers.push(receiver);
        }
        let mut in_hand: HashMap<Arc<str>, usize> =
            in_hand.iter().map(|&(room, count)| (Arc::from(room), count)).collect();
        let mut order = Vec::new();
        while let Some(index) = waiting.next(&in_hand) {
            let job = waiting.take(index);
            order.push(name(&job).to_owned());
            if let Some(room) = job.room {
                *in_hand.entry(room).or_default() += 1;
            }
        }
        assert!(waiting.is_empty());
        expected.assert_eq(&order.join(" "));
    }

    #[test]
    fn the_first_that_came_is_the_first() {
        check(&[], &[], expect![""]);
        check(&[("1", Live, None), ("2", Live, None), ("3", Live, None)], &[], expect!["1 2 3"]);
        check(&[("1", Idle, Some("a")), ("2", Idle, Some("b"))], &[], expect!["1 2"]);
    }

    #[test]
    fn what_is_urgent_goes_first_whatever_its_room_has_in_hand() {
        check(
            &[("idle", Idle, Some("a")), ("ahead", Ahead, Some("b")), ("live", Live, Some("c"))],
            &[("c", 9)],
            expect!["live ahead idle"],
        );
        check(&[("ahead", Ahead, None), ("1", Live, None), ("2", Live, None)], &[], expect!["1 2 ahead"]);
    }

    #[test]
    fn a_room_that_asks_for_much_does_not_keep_the_others_waiting() {
        let requests =
            [("a1", Live, Some("a")), ("a2", Live, Some("a")), ("a3", Live, Some("a")), ("b1", Live, Some("b"))];
        check(&requests, &[], expect!["a1 b1 a2 a3"]);
        check(&requests, &[("b", 2)], expect!["a1 a2 a3 b1"]);
        // What has no room has nothing in hand.
        check(&[("a1", Live, Some("a")), ("2", Live, None), ("3", Live, None)], &[("a", 1)], expect!["2 3 a1"]);
    }

    #[test]
    fn what_nobody_waits_for_leaves() {
        let mut waiting = Waiting::default();
        let [(first, kept_one), (second, gone), (third, kept_too)] = ["1", "2", "3"].map(|name| job(name, Live, None));
        for job in [first, second, third] {
            waiting.push(job);
        }
        assert_eq!(waiting.drop_abandoned(), 0);
        drop(gone);
        assert_eq!(waiting.drop_abandoned(), 1);
        assert_eq!(waiting.drain().map(|job| name(&job).to_owned()).collect::<Vec<_>>(), ["1", "3"]);
        assert!(waiting.is_empty());
        drop((kept_one, kept_too));
    }
}
