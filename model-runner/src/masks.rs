//! The masks of the policies that are asked for: each is built once.

use std::sync::Arc;

use crate::sampling::{Mask, Policy, Vocabulary};

/// How many are kept: a mask has a bit or two for each token, and a group has one policy.
const KEPT: usize = 32;

/// Masks over a vocabulary, the latest used last.
pub(crate) struct Masks {
    vocabulary: Arc<Vocabulary>,
    built: Vec<(Policy, Arc<Mask>)>,
}

impl Masks {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self { vocabulary, built: Vec::new() }
    }

    /// The mask of a policy.
    pub(crate) fn of(&mut self, policy: &Policy) -> Arc<Mask> {
        let known = self.built.iter().position(|(built, _)| built == policy);
        let entry = match known {
            Some(index) => self.built.remove(index),
            None => (policy.clone(), Arc::new(Mask::new(&self.vocabulary, policy))),
        };
        if self.built.len() == KEPT {
            self.built.remove(0);
        }
        let mask = Arc::clone(&entry.1);
        self.built.push(entry);
        mask
    }
}
