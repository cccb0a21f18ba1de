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
