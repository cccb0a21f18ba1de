//! Drawing replies in the middle of a training, to see whether they recite.

use rand::Rng;

use crate::{
    backend::{Backend, Result},
    decoder::{Continuation, Decoder, Drawing},
    packing::Example,
};

/// Draws an answer to the prompt of each example, of at most `longest` tokens, at temperature 1.
pub(super) fn draw<B: Backend>(
    decoder: &Decoder<B>,
    examples: &[&Example],
    longest: usize,
    end: u32,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>> {
    let mut drawing = Drawing::new(examples.len());
    let mut answers = vec![Vec::new(); examples.len()];
    let mut open: Vec<usize> = (0..examples.len()).collect();
    let prompts = examples.iter().enumerate();
    let prompts: Vec<_> = prompts.map(|(text, e)| Continuation { text, tokens: &e.tokens[..e.answer] }).collect();
    let mut logits = decoder.go_on(&mut drawing, &prompts)?;
    for _ in 0..longest {
        let drawn: Vec<(usize, [u32; 1])> = open
            .iter()
            .zip(&logits)
            .map(|(&text, logits)| (text, [choose(logits, rng)]))
            .filter(|(_, [t])| *t != end)
            .collect();
        drawn.iter().for_each(|(text, [token])| answers[*text].push(*token));
        open = drawn.iter().map(|(text, _)| *text).collect();
        if open.is_empty() {
            break;
        }
        let next: Vec<_> = drawn.iter().map(|(text, token)| Continuation { text: *text, tokens: token }).collect();
        logits = decoder.go_on(&mut drawing, &next)?;
    }
    Ok(answers)
}

fn choose(logits: &[f32], rng: &mut impl Rng) -> u32 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|logit| (logit - greatest).exp()).collect();
    let mut left = rng.random_range(0.0..1.0) * weights.iter().sum::<f32>();
    let found = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    found.unwrap_or(weights.len() - 1) as u32
}
