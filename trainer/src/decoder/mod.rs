//! The model, forwards and backwards.
//!
//! The backward passes are written by hand: an automatic one keeps everything and computes what nobody needs (it was tried:
//! five to seven times slower, with ten times the memory). Nothing is computed below the lowest layer that learns, and
//! logits only where something is predicted.

mod layer;
mod linear;
mod loss;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub(crate) use self::{
    layer::{Layer, Past},
    linear::{Linear, Pair, Weight},
};
use crate::{
    backend::{Backend, Result},
    packing::{Packed, Segment},
    parameters::{Gradients, ParameterId, Parameters},
    shape::Shape,
};

/// The gain of an RMS norm.
pub(crate) enum Norm<B: Backend> {
    Frozen(B::Matrix),
    Trained(ParameterId),
}

impl<B: Backend> Norm<B> {
    fn learns(&self) -> bool {
        matches!(self, Self::Trained(_))
    }

    fn gain<'a>(&'a self, pass: &'a Pass<'_, B>) -> &'a B::Matrix {
        match self {
            Self::Frozen(gain) => gain,
            Self::Trained(id) => pass.parameters.value(*id),
        }
    }

    fn forward(&self, pass: &Pass<'_, B>, x: &B::Matrix) -> Result<B::Matrix> {
        pass.backend.norm(x, self.gain(pass), pass.shape.epsilon)
    }

    fn backward(&self, pass: &Pass<'_, B>, x: &B::Matrix, dy: &B::Matrix) -> Result<B::Matrix> {
        pass.backend.norm_backward(x, self.gain(pass), dy, pass.shape.epsilon)
    }

    /// Collects the gradient of the gain, where it is trained. Rows may hold several heads.
    fn learn(
        &self,
        pass: &Pass<'_, B>,
        x: &B::Matrix,
        dy: &B::Matrix,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<()> {
        if let Self::Trained(id) = self {
            let width = pass.parameters.columns(*id);
            gradients.push(*id, pass.backend.norm_gain_gradient(x, dy, width, pass.shape.epsilon)?);
        }
        Ok(())
    }
}

/// What all parts of the model need to know in one pass.
pub(crate) struct Pass<'a, B: Backend> {
    pub(crate) backend: &'a B,
    pub(crate) shape: &'a Shape,
    pub(crate) parameters: &'a Parameters<B::Matrix>,
    /// What is multiplied with the product of an adapter's two matrices: alpha over rank.
    pub(crate) scale: f32,
    /// The share of an adapter's inputs that is dropped, and what is drawn from.
    pub(crate) drop_out: Option<(f32, u64)>,
}

impl<B: Backend> Pass<'_, B> {
    /// What an adapter is given.
    fn dropped<'x>(&self, pair: Pair, x: &'x B::Matrix) -> Result<Cow<'x, B::Matrix>> {
        match self.drop_out {
            Some((share, seed)) => Ok(Cow::Owned(self.backend.drop_out(x, share, seed_of(pair, seed))?)),
            None => Ok(Cow::Borrowed(x)),
        }
    }

    /// What is between the two matrices of an adapter.
    fn narrow(&self, pair: Pair, x: &B::Matrix) -> Result<B::Matrix> {
        let x = self.dropped(pair, x)?;
        self.backend.product_with_transposed(&x, self.parameters.value(pair.a), self.scale)
    }

    /// Adds the gradient that comes through an adapter to that of its input.
    fn add_narrow_backward(&self, pair: Pair, dx: B::Matrix, dnarrow: &B::Matrix) -> Result<B::Matrix> {
        let a = self.parameters.value(pair.a);
        match self.drop_out {
            Some((share, seed)) => {
                let through = self.backend.product(dnarrow, a, 1.0)?;
                self.backend.add(dx, &self.backend.drop_out(&through, share, seed_of(pair, seed))?)
            }
            None => self.backend.add_product(dx, dnarrow, a),
        }
    }
}

fn seed_of(pair: Pair, seed: u64) -> u64 {
    seed.wrapping_add(pair.number.wrapping_mul(0xD1B5_4A32_D192_ED03))
}

/// A model with what is trained of it.
pub(crate) struct Decoder<B: Backend> {
    pub(crate) backend: B,
    pub(crate) shape: Shape,
    pub(crate) embedding: Weight<B>,
    /// What turns states into logits, where it is not the embedding.
    pub(crate) head: Option<Weight<B>>,
    pub(crate) norm: Norm<B>,
    pub(crate) layers: Vec<Layer<B>>,
    pub(crate) parameters: Parameters<B::Matrix>,
    /// Alpha over rank of the adapter.
    pub(crate) scale: f32,
    /// The share of an adapter's inputs that is dropped.
    pub(crate) drop_out: f32,
}

impl<B: Backend> Decoder<B> {
    fn pass(&self, seed: Option<u64>) -> Pass<'_, B> {
        let drop_out = seed.filter(|_| self.drop_out > 0.0).map(|seed| (self.drop_out, seed));
        Pass { backend: &self.backend, shape: &self.shape, parameters: &self.parameters, scale: self.scale, drop_out }
    }

    fn layout(&self, packed: &Packed) -> Result<B::Layout> {
        self.backend.layout(&packed.segments, &packed.positions, self.shape.head_size, self.shape.rope_base)
    }

    fn embed(&self, tokens: &[u32]) -> Result<B::Matrix> {
        match &self.embedding {
            Weight::Frozen(weight) => self.backend.lookup(weight, tokens),
            Weight::Trained(id) => self.backend.select(self.parameters.value(*id), tokens),
        }
    }

    fn head(&self) -> &Weight<B> {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// The lowest layer that must be gone back to: that of the embedding where it learns, else the first that does.
    fn lowest_learning(&self) -> usize {
        if matches!(self.embedding, Weight::Trained(_)) {
            return 0;
        }
        self.layers.iter().position(Layer::learns).expect("an adapter changes at least one layer")
    }

    /// The states of the tokens of `packed` as the lowest layer that learns finds them. However much is learned, they stay
    /// the same, and they do not depend on what a row is packed with.
    pub(crate) fn states_below(&self, packed: &Packed) -> Result<B::Matrix> {
        self.states_at(packed, self.lowest_learning())
    }

    fn states_at(&self, packed: &Packed, layer: usize) -> Result<B::Matrix> {
        let mut x = self.embed(&packed.tokens)?;
        if layer > 0 {
            let (pass, layout) = (self.pass(None), self.layout(packed)?);
            for below in &self.layers[..layer] {
                x = below.forward(&pass, &layout, x, None)?.0;
            }
        }
        Ok(x)
    }

    /// The losses of what is predicted in `packed`, each minus the logarithm of a probability.
    pub(crate) fn losses(&self, packed: &Packed) -> Result<Vec<f64>> {
        self.losses_above(packed, self.states_below(packed)?)
    }

    /// The losses of what is predicted in `packed`, from the [states below](Self::states_below).
    pub(crate) fn losses_above(&self, packed: &Packed, states: B::Matrix) -> Result<Vec<f64>> {
        if packed.targets() == 0 {
            return Ok(Vec::new());
        }
        let (pass, layout) = (self.pass(None), self.layout(packed)?);
        let mut x = states;
        for (index, layer) in self.layers.iter().enumerate().skip(self.lowest_learning()) {
            let selection = (index + 1 == self.layers.len()).then_some(packed.asked.as_slice());
            x = layer.forward(&pass, &layout, x, selection)?.0;
        }
        self.losses_of(&pass, &x, packed)
    }

    /// Adds `weight` times the gradients of the losses, each times what it counts, to the parameters', and returns the
    /// losses. `seed` is what drop-out is drawn from.
    pub(crate) fn learn(&mut self, packed: &Packed, weight: f32, seed: u64) -> Result<Vec<f64>> {
        let states = self.states_below(packed)?;
        self.learn_above(packed, states, weight, seed)
    }

    /// Does the same from the [states below](Self::states_below).
    pub(crate) fn learn_above(
        &mut self,
        packed: &Packed,
        states: B::Matrix,
        weight: f32,
        seed: u64,
    ) -> Result<Vec<f64>> {
        if packed.targets() == 0 {
            return Ok(Vec::new());
        }
        let (losses, gradients) = self.gradients(packed, states, weight, seed)?;
        self.parameters.collect(&self.backend, gradients)?;
        Ok(losses)
    }

    fn gradients(
        &self,
        packed: &Packed,
        states: B::Matrix,
        weight: f32,
        seed: u64,
    ) -> Result<(Vec<f64>, Gradients<B::Matrix>)> {
        let (pass, layout, tokens) = (self.pass(Some(seed)), self.layout(packed)?, packed.len());
        let (lowest, last) = (self.lowest_learning(), self.layers.len() - 1);
        let selection = |index: usize| (index == last).then_some(packed.asked.as_slice());
        let mut gradients = Gradients::default();
        let mut x = states;
        let mut all_kept = Vec::new();
        for (index, layer) in self.layers.iter().enumerate().skip(lowest) {
            let (y, kept) = layer.forward(&pass, &layout, x, selection(index))?;
            x = y;
            all_kept.push(kept);
        }
        let (losses, mut dx) = self.learn_from(&pass, &x, packed, weight, &mut gradients)?;
        let mut kept_of = || all_kept.pop().expect("each layer that learns kept something");
        for index in (lowest + 1..=last).rev() {
            let selected = (selection(index), tokens);
            dx = self.layers[index].backward(&pass, &layout, kept_of(), dx, selected, &mut gradients)?;
        }
        let (layer, selected) = (&self.layers[lowest], (selection(lowest), tokens));
        match self.embedding {
            Weight::Frozen(_) => layer.learn(&pass, &layout, kept_of(), dx, selected, &mut gradients)?,
            Weight::Trained(embedding) => {
                dx = layer.backward(&pass, &layout, kept_of(), dx, selected, &mut gradients)?;
                gradients.push(embedding, self.backend.spread(&dx, &packed.tokens, self.shape.vocabulary)?);
            }
        }
        Ok((losses, gradients))
    }

    /// The logits after each row's last token of new tokens, one a row, which go on from what `past` holds.
    pub(crate) fn go_on(&self, drawing: &mut Drawing<B::Matrix>, new: &[Continuation<'_>]) -> Result<Vec<Vec<f32>>> {
        let pass = self.pass(None);
        let (tokens, positions, last) = drawing.add(new);
        let layout = self.backend.layout(&drawing.segments, &positions, self.shape.head_size, self.shape.rope_base)?;
        drawing.past.resize_with(self.layers.len(), || None);
        let mut x = self.embed(&tokens)?;
        for (layer, past) in self.layers.iter().zip(&mut drawing.past) {
            x = layer.go_on(&pass, &layout, &x, past)?;
        }
        let logits = self.logits(&pass, &self.backend.select(&x, &last)?)?;
        let values = self.backend.values(&logits)?;
        Ok(values.chunks(self.shape.vocabulary).map(<[f32]>::to_vec).collect())
    }
}

/// Tokens that a text goes on with.
pub(crate) struct Continuation<'a> {
    /// The text, by number.
    pub(crate) text: usize,
    pub(crate) tokens: &'a [u32],
}

/// Texts that are drawn a token at a time, side by side.
pub(crate) struct Drawing<M> {
    segments: Vec<Segment>,
    /// The last segment of each text, and how long it is.
    texts: Vec<Option<(usize, u32)>>,
    past: Vec<Option<Past<M>>>,
}

impl<M> Drawing<M> {
    pub(crate) fn new(texts: usize) -> Self {
        Self { segments: Vec::new(), texts: vec![None; texts], past: Vec::new() }
    }

    /// Adds tokens to the texts. Returns them, their positions, and the place of the last of each among them.
    fn add(&mut self, new: &[Continuation<'_>]) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
        let (mut tokens, mut positions, mut last) = (Vec::new(), Vec::new(), Vec::new());
        let mut start: usize = self.segments.iter().map(|segment| segment.len).sum();
        for more in new {
            let before = self.texts[more.text];
            let first = before.map_or(0, |(_, length)| length);
            let parent = before.map(|(segment, _)| segment);
            self.segments.push(Segment { start, len: more.tokens.len(), parent });
            start += more.tokens.len();
            let length = first + more.tokens.len() as u32;
            self.texts[more.text] = Some((self.segments.len() - 1, length));
            tokens.extend(more.tokens);
            positions.extend(first..length);
            last.push(tokens.len() as u32 - 1);
        }
        (tokens, positions, last)
    }
}
