//! A base with an adapter that learns a step at a time, from whatever rows it is given.
//!
//! A training ([`crate::training`]) chooses rows, looks at others and keeps what it did; this knows nothing of that.

use crate::{
    backend::Backend,
    decoder::Decoder,
    error::Result,
    gguf::Base,
    lora::{self, Layout},
    optimiser::{Optimiser, Pace},
    packing::Packed,
    parameters::Parameter,
};

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Minus the mean logarithm of what was to be predicted, before the step.
    pub loss: f64,
    /// The norm of all gradients together, before they were cut.
    pub norm: f64,
}

/// A matrix of an adapter, or its gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Its name, as PEFT has it within a model.
    pub name: String,
    /// How many rows it has.
    pub rows: usize,
    /// How many columns.
    pub columns: usize,
    /// Its numbers, row by row.
    pub values: Vec<f32>,
}

/// A base with an adapter that learns.
pub struct Learner<B: Backend> {
    decoder: Decoder<B>,
    optimiser: Optimiser,
}

impl<B: Backend> Learner<B> {
    /// A base with a new adapter, which changes nothing yet.
    ///
    /// # Errors
    /// Where the base cannot be read, or the layout does not fit it.
    pub fn new(backend: B, base: &mut Base, layout: &Layout, seed: u64) -> Result<Self> {
        let decoder = lora::attach(backend, base, layout, seed)?;
        let optimiser = Optimiser::new(&decoder.parameters);
        Ok(Self { decoder, optimiser })
    }

    /// The matrices of the adapter.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn adapter(&self) -> Result<Vec<Named>> {
        let backend = &self.decoder.backend;
        self.decoder.parameters.iter().map(|parameter| named(backend, parameter, &parameter.value)).collect()
    }

    /// The losses of what is predicted, one a token.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn losses(&self, packed: &Packed) -> Result<Vec<f64>> {
        Ok(self.decoder.losses(packed)?)
    }

    /// The gradients of the mean loss over all that is predicted in `parts`; nothing is changed by it.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn gradients(&mut self, parts: &[Packed]) -> Result<Vec<Named>> {
        collect(&mut self.decoder, (parts, |decoder, part| Ok(decoder.states_below(part)?)), 0)?;
        let Decoder { backend, parameters, .. } = &mut self.decoder;
        let mut gradients = Vec::new();
        for parameter in parameters.iter_mut() {
            if let Some(gradient) = parameter.gradient.take() {
                gradients.push(named(backend, parameter, &gradient)?);
            }
        }
        Ok(gradients)
    }

    /// Changes the adapter once, by all rows of `parts`.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn step(&mut self, parts: &[Packed], pace: &Pace, rate: f64) -> Result<Step> {
        step(
            &mut self.decoder,
            &mut self.optimiser,
            (parts, |decoder, part| Ok(decoder.states_below(part)?)),
            (pace, rate),
            0,
        )
    }
}

fn named<B: Backend>(backend: &B, parameter: &Parameter<B::Matrix>, values: &B::Matrix) -> Result<Named> {
    let Parameter { name, rows, columns, .. } = parameter;
    Ok(Named { name: name.clone(), rows: *rows, columns: *columns, values: backend.values(values)? })
}

/// Changes what is trained once, at a learning rate, by parts and what the lowest layer that learns is given for each.
/// `seed` is what drop-out is drawn from.
pub(crate) fn step<B: Backend, P: AsRef<Packed>>(
    decoder: &mut Decoder<B>,
    optimiser: &mut Optimiser,
    parts: (&[P], impl Fn(&Decoder<B>, &P) -> Result<B::Matrix>),
    (pace, rate): (&Pace, f64),
    seed: u64,
) -> Result<Step> {
    let loss = collect(decoder, parts, seed)?;
    let norm = optimiser.step(&decoder.backend, &mut decoder.parameters, pace, rate)?;
    Ok(Step { loss, norm })
}

/// Collects the gradients of the mean loss over all that is predicted in `parts`, and returns that loss. What is predicted
/// counts as its row says, whichever part it is in.
fn collect<B: Backend, P: AsRef<Packed>>(
    decoder: &mut Decoder<B>,
    (parts, states): (&[P], impl Fn(&Decoder<B>, &P) -> Result<B::Matrix>),
    seed: u64,
) -> Result<f64> {
    let weight: f64 = parts.iter().map(|part| part.as_ref().weight()).sum();
    let mut sum = 0.0;
    for (number, part) in parts.iter().enumerate() {
        let (packed, states, seed) = (part.as_ref(), states(decoder, part)?, seed.wrapping_add(number as u64));
        sum += packed.weighed(&decoder.learn_above(packed, states, (1.0 / weight) as f32, seed)?);
    }
    Ok(sum / weight)
}
