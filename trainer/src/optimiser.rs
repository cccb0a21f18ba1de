//! AdamW (Loshchilov and Hutter, 2019), how fast it goes, and what holds it back.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    backend::{Backend, Result},
    parameters::Parameters,
};

/// How parameters are changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// How far a parameter goes in a step at most, about.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Over which share of all steps it first rises from zero.
    pub warm_up: f64,
    /// What share of themselves parameters lose a step, times the learning rate.
    pub weight_decay: f64,
    /// The norm to which gradients are cut; 0 for never.
    pub clip: f64,
}

/// How the learning rate falls after it has risen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Along a line, to zero.
    Linear,
    /// Along half a cosine, to zero.
    Cosine,
}

impl Pace {
    /// The learning rate of a step, counted from 0, of `steps`; the same as that of transformers' schedules.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        let rise = (self.warm_up * steps as f64).ceil();
        let at = step as f64;
        if at < rise {
            return self.learning_rate * at / rise;
        }
        let done = (at - rise) / (steps as f64 - rise).max(1.0);
        self.learning_rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => (1.0 - done).max(0.0),
                Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()),
            }
    }
}

const FIRST_DECAY: f32 = 0.9;
const SECOND_DECAY: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The moments of all parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Optimiser {
    /// How often parameters were changed.
    pub(crate) steps: u64,
    /// The first and second moments of each parameter, in their order.
    pub(crate) moments: Vec<[Vec<f32>; 2]>,
}

impl Optimiser {
    pub(crate) fn new<M>(parameters: &Parameters<M>) -> Self {
        let zeros = |count: usize| [vec![0.0; count], vec![0.0; count]];
        Self { steps: 0, moments: parameters.iter().map(|p| zeros(p.rows * p.columns)).collect() }
    }

    /// Changes the parameters by their gradients, which are forgotten. Returns the norm of the gradients before they were
    /// cut.
    pub(crate) fn step<B: Backend>(
        &mut self,
        backend: &B,
        parameters: &mut Parameters<B::Matrix>,
        pace: &Pace,
        rate: f64,
    ) -> Result<f64> {
        self.steps += 1;
        let mut gradients = Vec::new();
        for parameter in parameters.iter_mut() {
            gradients.push(parameter.gradient.take().map(|gradient| backend.values(&gradient)).transpose()?);
        }
        let norm = norm_of(&gradients);
        let cut = if pace.clip > 0.0 && norm > pace.clip { (pace.clip / (norm + 1e-6)) as f32 } else { 1.0 };
        let change = Change::new(self.steps, rate, pace.weight_decay, cut);
        for ((parameter, gradient), moments) in parameters.iter_mut().zip(&gradients).zip(&mut self.moments) {
            if let Some(gradient) = gradient {
                backend.update(&mut parameter.value, &mut |values| change.apply(values, gradient, moments))?;
            }
        }
        Ok(norm)
    }
}

fn norm_of(gradients: &[Option<Vec<f32>>]) -> f64 {
    let squares = |values: &Vec<f32>| -> f64 {
        let parts: Vec<f64> =
            values.par_chunks(1 << 16).map(|part| part.iter().map(|&x| f64::from(x) * f64::from(x)).sum()).collect();
        parts.iter().sum()
    };
    gradients.iter().flatten().map(squares).sum::<f64>().sqrt()
}

/// What one step does to each number.
struct Change {
    rate: f32,
    decay: f32,
    cut: f32,
    corrections: [f32; 2],
}

impl Change {
    fn new(step: u64, rate: f64, weight_decay: f64, cut: f32) -> Self {
        let correction = |decay: f32| 1.0 - f64::from(decay).powf(step as f64);
        Self {
            rate: rate as f32,
            decay: (rate * weight_decay) as f32,
            cut,
            corrections: [correction(FIRST_DECAY) as f32, correction(SECOND_DECAY) as f32],
        }
    }

    fn apply(&self, values: &mut [f32], gradient: &[f32], [first, second]: &mut [Vec<f32>; 2]) {
        let [first_correction, second_correction] = self.corrections;
        values
            .par_chunks_mut(1 << 14)
            .zip(gradient.par_chunks(1 << 14))
            .zip(first.par_chunks_mut(1 << 14).zip(second.par_chunks_mut(1 << 14)))
            .for_each(|((values, gradient), (first, second))| {
                for (((x, g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
                    let g = g * self.cut;
                    *m = FIRST_DECAY * *m + (1.0 - FIRST_DECAY) * g;
                    *v = SECOND_DECAY * *v + (1.0 - SECOND_DECAY) * g * g;
                    *x -= self.decay * *x;
                    *x -= self.rate * (*m / first_correction) / ((*v / second_correction).sqrt() + EPSILON);
                }
            });
    }
}
