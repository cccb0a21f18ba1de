//! From states to losses, some rows at a time: with a large vocabulary the logits of all would not fit.

use super::{Decoder, Pass, Weight};
use crate::{
    backend::{Backend, Result},
    parameters::Gradients,
};

/// Rows of logits at a time: with 151,936 tokens 39 MB, and as much for their gradient.
const ROWS: usize = 64;

impl<B: Backend> Decoder<B> {
    /// The logits of states.
    pub(super) fn logits(&self, pass: &Pass<'_, B>, x: &B::Matrix) -> Result<B::Matrix> {
        self.head().forward(pass, &self.norm.forward(pass, x)?)
    }

    /// The losses where `expected` is predicted from states, one a row.
    pub(super) fn losses_of(&self, pass: &Pass<'_, B>, x: &B::Matrix, expected: &[u32]) -> Result<Vec<f64>> {
        let mut losses = Vec::with_capacity(expected.len());
        for (rows, targets) in parts(expected) {
            let logits = self.logits(pass, &self.backend.select(x, &rows)?)?;
            losses.extend(self.backend.cross_entropy(logits, targets, 0.0)?.0);
        }
        Ok(losses)
    }

    /// The losses, and the gradient with respect to the states; those of norm and head are collected.
    pub(super) fn learn_from(
        &self,
        pass: &Pass<'_, B>,
        x: &B::Matrix,
        expected: &[u32],
        weight: f32,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<(Vec<f64>, B::Matrix)> {
        let mut losses = Vec::with_capacity(expected.len());
        let mut dx = Vec::new();
        for (rows, targets) in parts(expected) {
            let part = self.backend.select(x, &rows)?;
            let normed = self.norm.forward(pass, &part)?;
            let (some, dlogits) = self.backend.cross_entropy(self.head().forward(pass, &normed)?, targets, weight)?;
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

/// The numbers of some rows and their targets, until all had their turn.
fn parts(expected: &[u32]) -> impl Iterator<Item = (Vec<u32>, &[u32])> {
    expected.chunks(ROWS).enumerate().map(|(part, targets)| {
        let first = (part * ROWS) as u32;
        ((first..first + targets.len() as u32).collect(), targets)
    })
}
