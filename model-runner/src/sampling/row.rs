//! A row of logits that options change in a few places, and what stood there before.

use super::{TokenId, best::Candidate};

/// A row of logits, one a token.
pub(super) struct Row<'a> {
    logits: &'a mut [f32],
    /// What stood in the places that were changed, in the order of the changes.
    replaced: Vec<(TokenId, f32)>,
}

impl<'a> Row<'a> {
    pub(super) fn new(logits: &'a mut [f32]) -> Self {
        Self { logits, replaced: Vec::new() }
    }

    /// The logits as they are now.
    pub(super) fn logits(&self) -> &[f32] {
        self.logits
    }

    /// A token with its logit, if it is possible at all.
    pub(super) fn candidate(&self, token: TokenId) -> Option<Candidate> {
        let logit = usize::try_from(token).ok().and_then(|index| self.logits.get(index))?;
        Candidate::of(token, *logit)
    }

    /// Changes the logit of a token; does nothing for what is no token of the row.
    pub(super) fn change(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) {
        let place = usize::try_from(token).ok().and_then(|index| self.logits.get_mut(index));
        if let Some(logit) = place {
            self.replaced.push((token, *logit));
            *logit = change(*logit);
        }
    }

    /// Makes a token impossible.
    pub(super) fn rule_out(&mut self, token: TokenId) {
        self.change(token, |_| f32::NEG_INFINITY);
    }

    /// Makes all tokens impossible that the text before need not be looked at for. These cannot be drawn, so that what
    /// stood there is of no interest any more.
    pub(super) fn rule_out_by_class(&mut self, classes: &[u8], comes: u8) {
        for (logit, class) in self.logits.iter_mut().zip(classes) {
            *logit = if class & comes == 0 { f32::NEG_INFINITY } else { *logit };
        }
    }

    /// The logit of a token as it came from the model; minus infinity for what is no token of the row.
    pub(super) fn original(&self, token: TokenId) -> f32 {
        let replaced = self.replaced.iter().find(|&&(changed, _)| changed == token);
        let current = || usize::try_from(token).ok().and_then(|index| self.logits.get(index)).copied();
        replaced.map(|&(_, logit)| logit).or_else(current).unwrap_or(f32::NEG_INFINITY)
    }
}
