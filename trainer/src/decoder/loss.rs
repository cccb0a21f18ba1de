//! From states to losses, some rows at a time: with a large vocabulary the logits of all would not fit.

use super::{Decoder, Pass, Weight};
use crate::{
    backend::{Backend, Result},
    packing::Packed,
    parameters::Gradients,
};

/// Rows of logits at a time: with 151,936 tokens 39 MB, and as much for their gradient.
const ROWS: usize = 64;

impl<B: Backend> Decoder<B> {
    /// The logits of states.
    pub(super) fn logits(&self, pass: &Pass<'_, B>, x: &B::Matrix) -> Result<B::Matrix> {
        self.head().forward(pass, &self.norm.forward(pass, x)?)
    }

    /// The losses of what is predicted from states, one a row.
    pub(super) fn losses_of(&self, pass: &Pass<'_, B>, x: &B::Matrix, packed: &Packed) -> Result<Vec<f64>> {
        let mut losses = Vec::with_capacity(packed.targets());
        for part in parts(packed) {
            let logits = self.logits(pass, &self.backend.select(x, &part.rows)?)?;
            losses.extend(self.backend.cross_entropy(logits, part.targets, 0.0)?.0);
        }
        Ok(losses)
    }

    /// The losses, and the gradient with respect to the states; those of norm and head are collected.
    pub(super) fn learn_from(
        &self,
        pass: &Pass<'_, B>,
        x: &B::Matrix,
        packed: &Packed,
        weight: f32,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<(Vec<f64>, B::Matrix)> {
        let mut losses = Vec::with_capacity(packed.targets());
        let mut dx = Vec::new();
        for Part { rows, targets, weight: own } in parts(packed) {
            let part = self.backend.select(x, &rows)?;
            let normed = self.norm.forward(pass, &part)?;
            let logits = self.head().forward(pass, &normed)?;
            let (some, dlogits) = self.backend.cross_entropy(logits, targets, weight * own)?;
            losses.extend(some);
            if let Weight::Trained(id) = self.head() {
                gradients.push(*id, self.backend.product_of_transposed(&dlogits, &normed)?);
            }
            let dnormed = self.head().backward_input(pass, &dlogits)?;
            drop(dlogits);
            self.norm.learn(pass, &part, &dnormed, gradients)?;
            dx.push(self.norm.backward(pass, &part, &dnormed)?);
        }
        Ok((losses, self.backend.stack(&dx.iter().collect::<Vec<_>>())?))
    }
}

/// Some rows that count alike.
struct Part<'a> {
    /// Their numbers.
    rows: Vec<u32>,
    targets: &'a [u32],
    weight: f32,
}

/// All rows that something is predicted from.
fn parts(packed: &Packed) -> impl Iterator<Item = Part<'_>> {
    let alike = packed.weights.chunk_by(|one, other| one == other).flat_map(|alike| alike.chunks(ROWS));
    alike.scan(0, |next, weights| {
        let first = *next;
        *next += weights.len();
        let rows = (first as u32..*next as u32).collect();
        Some(Part { rows, targets: &packed.expected[first..*next], weight: weights[0] })
    })
}
