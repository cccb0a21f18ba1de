//! What is trained: matrices with a name and a gradient.

use crate::backend::{Backend, Result};

/// The number of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParameterId(usize);

/// A matrix that is trained.
#[derive(Debug, Clone)]
pub(crate) struct Parameter<M> {
    /// Its name, as in PEFT or transformers.
    pub(crate) name: String,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) value: M,
    /// The sum of the gradients since it was last changed.
    pub(crate) gradient: Option<M>,
}

/// All that is trained of a model.
#[derive(Debug, Clone)]
pub(crate) struct Parameters<M>(Vec<Parameter<M>>);

impl<M> Default for Parameters<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M> Parameters<M> {
    pub(crate) fn add(&mut self, name: String, (rows, columns): (usize, usize), value: M) -> ParameterId {
        self.0.push(Parameter { name, rows, columns, value, gradient: None });
        ParameterId(self.0.len() - 1)
    }

    pub(crate) fn value(&self, id: ParameterId) -> &M {
        &self.0[id.0].value
    }

    pub(crate) fn columns(&self, id: ParameterId) -> usize {
        self.0[id.0].columns
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Parameter<M>> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Parameter<M>> {
        self.0.iter_mut()
    }

    /// Adds to the gradients.
    pub(crate) fn collect<B: Backend<Matrix = M>>(&mut self, backend: &B, gradients: Gradients<M>) -> Result<()> {
        for (id, gradient) in gradients.0 {
            let slot = &mut self.0[id.0].gradient;
            *slot = Some(match slot.take() {
                Some(sum) => backend.add(sum, &gradient)?,
                None => gradient,
            });
        }
        Ok(())
    }
}

/// Gradients of one pass, in the order in which they were found.
#[derive(Debug)]
pub(crate) struct Gradients<M>(Vec<(ParameterId, M)>);

impl<M> Default for Gradients<M> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M> Gradients<M> {
    pub(crate) fn push(&mut self, id: ParameterId, gradient: M) {
        self.0.push((id, gradient));
    }
}
