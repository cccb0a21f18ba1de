//! A linear map: a weight, perhaps a bias, perhaps a LoRA pair beside it (Hu et al., 2021).
//!
//! `y = x W^T + b + scale (x A^T) B^T`, with `W` `[outputs, inputs]`, `A` `[rank, inputs]`, `B` `[outputs, rank]`.

use super::Pass;
use crate::{
    backend::{Backend, Result},
    parameters::{Gradients, ParameterId},
};

/// A weight that is only read, or one that is trained.
pub(crate) enum Weight<B: Backend> {
    Frozen(B::Weight),
    Trained(ParameterId),
}

/// The two matrices of a LoRA adapter, and what drop-out is drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) a: ParameterId,
    pub(crate) b: ParameterId,
    /// A number that no other pair of the model has.
    pub(crate) number: u64,
}

/// A linear map.
pub(crate) struct Linear<B: Backend> {
    pub(crate) weight: Weight<B>,
    pub(crate) bias: Option<B::Matrix>,
    pub(crate) pair: Option<Pair>,
}

impl<B: Backend> Weight<B> {
    pub(super) fn forward(&self, pass: &Pass<'_, B>, x: &B::Matrix) -> Result<B::Matrix> {
        match self {
            Self::Frozen(weight) => pass.backend.apply(weight, x),
            Self::Trained(id) => pass.backend.product_with_transposed(x, pass.parameters.value(*id), 1.0),
        }
    }

    pub(super) fn backward_input(&self, pass: &Pass<'_, B>, dy: &B::Matrix) -> Result<B::Matrix> {
        match self {
            Self::Frozen(weight) => pass.backend.apply_backward(weight, dy),
            Self::Trained(id) => pass.backend.product(dy, pass.parameters.value(*id), 1.0),
        }
    }
}

impl<B: Backend> Linear<B> {
    /// Whether anything of it is trained.
    pub(super) fn learns(&self) -> bool {
        self.pair.is_some() || matches!(self.weight, Weight::Trained(_))
    }

    pub(super) fn forward(&self, pass: &Pass<'_, B>, x: &B::Matrix) -> Result<B::Matrix> {
        let backend = pass.backend;
        let mut y = self.weight.forward(pass, x)?;
        if let Some(bias) = &self.bias {
            y = backend.add_row(y, bias)?;
        }
        match self.pair {
            Some(pair) => {
                let narrow = pass.narrow(pair, x)?;
                backend.add_product_with_transposed(y, &narrow, pass.parameters.value(pair.b))
            }
            None => Ok(y),
        }
    }

    /// Collects the gradients of what is trained, and returns that of `x`.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_, B>,
        x: &B::Matrix,
        dy: &B::Matrix,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<B::Matrix> {
        let dnarrow = self.learn(pass, x, dy, gradients)?;
        let dx = self.weight.backward_input(pass, dy)?;
        match self.pair.zip(dnarrow) {
            Some((pair, dnarrow)) => pass.add_narrow_backward(pair, dx, &dnarrow),
            None => Ok(dx),
        }
    }

    /// Collects the gradients of what is trained. Returns that of what is between the two matrices of an adapter.
    pub(super) fn learn(
        &self,
        pass: &Pass<'_, B>,
        x: &B::Matrix,
        dy: &B::Matrix,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<Option<B::Matrix>> {
        let backend = pass.backend;
        if let Weight::Trained(id) = self.weight {
            gradients.push(id, backend.product_of_transposed(dy, x)?);
        }
        let Some(pair) = self.pair else { return Ok(None) };
        let dnarrow = backend.product(dy, pass.parameters.value(pair.b), pass.scale)?;
        gradients.push(pair.b, backend.product_of_transposed(dy, &pass.narrow(pair, x)?)?);
        gradients.push(pair.a, backend.product_of_transposed(&dnarrow, &*pass.dropped(pair, x)?)?);
        Ok(Some(dnarrow))
    }
}
