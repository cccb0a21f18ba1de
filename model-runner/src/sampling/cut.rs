//! Top-p, min-p and the draw itself, over candidates that are in order.

use super::{Sampling, TokenId, best::Candidate, chance::Chance};

/// How candidates that are in order of likelihood are cut and drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    top_p: f64,
    min_p: f64,
}

impl Cut {
    pub(super) fn new(sampling: &Sampling) -> Self {
        Self { top_p: f64::from(sampling.top_p), min_p: f64::from(sampling.min_p) }
    }

    /// Whether all candidates stay.
    pub(super) fn keeps_all(self) -> bool {
        self.top_p >= 1.0 && self.min_p <= 0.0
    }

    /// How many of the candidates stay, at least one where there is one. `total` is the sum of the weights of all that
    /// may be drawn, those that are not in the list included, where the likeliest weighs 1.
    pub(super) fn kept(self, candidates: &[Candidate], total: f64) -> usize {
        let Some(likeliest) = candidates.first() else { return 0 };
        let mut sum = 0.0;
        let mut kept = 0;
        for candidate in candidates {
            let weight = weight(candidate, likeliest, 1.0);
            // min-p comes after top-p, but as both keep a beginning of the list the order is of no matter.
            if kept > 0 && (weight < self.min_p || self.top_p < 1.0 && sum >= self.top_p * total) {
                break;
            }
            sum += weight;
            kept += 1;
        }
        kept
    }
}

/// The sum of the weights of all candidates, at temperature 1.
pub(super) fn total(candidates: &[Candidate]) -> f64 {
    candidates.first().map_or(0.0, |likeliest| candidates.iter().map(|one| weight(one, likeliest, 1.0)).sum())
}

/// Draws one of the candidates.
pub(super) fn draw(candidates: &[Candidate], sharpness: f32, chance: &mut Chance) -> Option<TokenId> {
    let likeliest = candidates.first()?;
    let weights: Vec<f64> = candidates.iter().map(|one| weight(one, likeliest, f64::from(sharpness))).collect();
    let (index, _) = pick(&weights, chance.even() * weights.iter().sum::<f64>())?;
    candidates.get(index).map(|drawn| drawn.token)
}

/// Which of some weights laid end to end covers a place, and how far within it the place is. Rounding may put the place
/// behind the last: then it is the last that weighs anything. None where nothing does.
pub(super) fn pick(weights: &[f64], place: f64) -> Option<(usize, f64)> {
    let mut left = place;
    for (index, &weight) in weights.iter().enumerate() {
        if left < weight {
            return Some((index, left));
        }
        left -= weight;
    }
    weights.iter().rposition(|&weight| weight > 0.0).map(|index| (index, left))
}

fn weight(candidate: &Candidate, likeliest: &Candidate, sharpness: f64) -> f64 {
    ((f64::from(candidate.logit) - f64::from(likeliest.logit)) * sharpness).exp()
}
