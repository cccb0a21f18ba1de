//! Chooses a token of a row whose logits are final: policy, grammar, top-k, top-p, min-p, temperature, draw.
//!
//! With top-k only the `k` likeliest are ever looked at. Without it every token may be drawn, and so all are weighed: but the
//! policy and the grammar, which cost much more than a weight, are asked only for what was drawn.

use std::collections::HashSet;

use super::{
    Grammar, Mask, Sampling, TokenId, Vocabulary,
    best::{Candidate, best, likelier_first},
    chance::Chance,
    cut::{self, Cut, pick},
    policy::{COMES, Verdict},
    row::Row,
    said::Said,
    softmax::{greatest, sum_of_weights, weight},
};

/// So many candidates at least are tried with a grammar that refused those that were likelier, before all are.
const SOME_FOR_A_GRAMMAR: usize = 400;
/// So many candidates are sorted, in steps, until top-p and min-p keep no more. The last is all.
const STEPS_OF_A_NUCLEUS: [usize; 3] = [64, 1024, usize::MAX];
/// So many weights are added up at a time.
const BLOCK: usize = 1024;

/// What a choice depends on besides the row.
pub(super) struct Choice<'a> {
    pub(super) sampling: &'a Sampling,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) mask: &'a Mask,
    pub(super) said: &'a Said,
}

type GrammarOrNone<'g> = Option<&'g mut dyn Grammar>;

impl Choice<'_> {
    /// Draws a token, or none where none may come.
    pub(super) fn draw(
        &self,
        row: &mut Row<'_>,
        grammar: &mut GrammarOrNone<'_>,
        chance: &mut Chance,
    ) -> Option<TokenId> {
        let count = self.count();
        if !self.said.pending().is_empty() {
            return self.draw_from(&self.continuations(row, count, grammar), chance);
        }
        if count < usize::MAX {
            return self.draw_from(&self.likeliest(row, count, grammar), chance);
        }
        row.rule_out_by_class(self.mask.classes(), COMES);
        let token = self.draw_from_all(row, chance)?;
        // As llama.cpp does it: without top-p and min-p this is the same as to ask the grammar first of all tokens, and
        // with them it differs little, but a grammar takes many times as long for all as for one.
        if retained(grammar, vec![Candidate { token, logit: 0.0 }]).is_empty() {
            return self.draw_from(&self.likeliest(row, count, grammar), chance);
        }
        Some(token)
    }

    /// How many of the likeliest may be drawn.
    fn count(&self) -> usize {
        match usize::try_from(self.sampling.top_k) {
            _ if self.is_greedy() => 1,
            Ok(0) | Err(_) => usize::MAX,
            Ok(top_k) => top_k,
        }
    }

    fn is_greedy(&self) -> bool {
        self.sampling.temperature <= 0.0
    }

    /// What logits are multiplied by: the inverse of the temperature.
    fn sharpness(&self) -> f32 {
        self.sampling.temperature.recip().min(f32::MAX)
    }

    fn draw_from(&self, candidates: &[Candidate], chance: &mut Chance) -> Option<TokenId> {
        if self.is_greedy() {
            return candidates.first().map(|likeliest| likeliest.token);
        }
        let kept = Cut::new(self.sampling).kept(candidates, cut::total(candidates));
        cut::draw(&candidates[..kept], self.sharpness(), chance)
    }

    /// The likeliest that policy and grammar allow. Where the grammar refuses all of them, more are looked at.
    ///
    /// Where it refuses some, the others stay alone: who is not among the likeliest does not move up.
    fn likeliest(&self, row: &Row<'_>, count: usize, grammar: &mut GrammarOrNone<'_>) -> Vec<Candidate> {
        let some = count.saturating_mul(10).max(SOME_FOR_A_GRAMMAR);
        for tried in [count, some, usize::MAX] {
            let allowed = best(row.logits(), tried, |token| self.mask.allows(self.vocabulary, self.said, token));
            let all_tried = allowed.len() < tried;
            let mut retained = retained(grammar, allowed);
            if all_tried || !retained.is_empty() {
                retained.truncate(count);
                return retained;
            }
        }
        Vec::new()
    }

    /// The likeliest of those that go on with an unfinished character. They are so few that all are looked at.
    fn continuations(&self, row: &Row<'_>, count: usize, grammar: &mut GrammarOrNone<'_>) -> Vec<Candidate> {
        let tokens = self.mask.continuations().iter();
        let possible = tokens.filter_map(|&token| row.candidate(token));
        let mut allowed: Vec<Candidate> =
            possible.filter(|one| self.mask.allows(self.vocabulary, self.said, one.token)).collect();
        allowed.sort_unstable_by(likelier_first);
        let mut retained = retained(grammar, allowed);
        retained.truncate(count);
        retained
    }

    /// Draws one of all tokens that are possible in the row and that the policy allows.
    fn draw_from_all(&self, row: &mut Row<'_>, chance: &mut Chance) -> Option<TokenId> {
        let cut = Cut::new(self.sampling);
        if !cut.keeps_all() {
            return cut::draw(&self.nucleus(row, cut), self.sharpness(), chance);
        }
        // To draw again until the policy agrees is the same as to draw of those that it allows.
        loop {
            let token = weighted(row.logits(), self.sharpness(), chance)?;
            if self.mask.allows(self.vocabulary, self.said, token) {
                return Some(token);
            }
            row.rule_out(token);
        }
    }

    /// The likeliest that top-p and min-p keep of a whole row.
    ///
    /// The share of top-p is one of all that may come. What would complete an address is known only for the tokens that
    /// were looked at, so unlikely ones of these are still counted.
    fn nucleus(&self, row: &mut Row<'_>, cut: Cut) -> Vec<Candidate> {
        for count in STEPS_OF_A_NUCLEUS {
            let mut candidates = self.likeliest_and_rule_out(row, count);
            let Some(likeliest) = candidates.first() else { break };
            let total = sum_of_weights(row.logits(), likeliest.logit, 1.0);
            let kept = cut.kept(&candidates, total);
            if kept < candidates.len() || candidates.len() < count {
                candidates.truncate(kept);
                return candidates;
            }
        }
        Vec::new()
    }

    /// The likeliest that the policy allows. What it refuses on the way becomes impossible.
    fn likeliest_and_rule_out(&self, row: &mut Row<'_>, count: usize) -> Vec<Candidate> {
        let mut refused = Vec::new();
        let candidates = best(row.logits(), count, |token| {
            let allowed = self.mask.allows(self.vocabulary, self.said, token);
            if !allowed && self.mask.verdict(self.said, token) == Verdict::Depends {
                refused.push(token);
            }
            allowed
        });
        refused.into_iter().for_each(|token| row.rule_out(token));
        candidates
    }
}

/// The candidates that a grammar allows, in their order.
fn retained(grammar: &mut GrammarOrNone<'_>, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    if let Some(grammar) = grammar
        && !candidates.is_empty()
    {
        let mut tokens = candidates.iter().map(|candidate| candidate.token).collect();
        grammar.retain(&mut tokens);
        let tokens: HashSet<TokenId> = tokens.into_iter().collect();
        candidates.retain(|candidate| tokens.contains(&candidate.token));
    }
    candidates
}

/// Draws a token of a whole row by its weight.
fn weighted(logits: &[f32], sharpness: f32, chance: &mut Chance) -> Option<TokenId> {
    let greatest = greatest(logits);
    let sums: Vec<f64> = logits.chunks(BLOCK).map(|block| sum_of_weights(block, greatest, sharpness)).collect();
    let (block, left) = pick(&sums, chance.even() * sums.iter().sum::<f64>())?;
    let first = block * BLOCK;
    let block = &logits[first..logits.len().min(first + BLOCK)];
    let weights: Vec<f64> = block.iter().map(|&logit| f64::from(weight(logit, greatest, sharpness))).collect();
    let (within, _) = pick(&weights, left)?;
    TokenId::try_from(first + within).ok()
}
