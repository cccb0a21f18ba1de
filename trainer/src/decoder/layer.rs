//! One layer: attention, then a feed-forward part, each beside the state that it adds to.
//!
//! Forwards it keeps what backwards cannot be had cheaply; norms, turned heads, what was read and the product of gate and up
//! are computed again.

use std::borrow::Cow;

use super::{Linear, Norm, Pass};
use crate::{
    backend::{Backend, Heads, Result},
    parameters::Gradients,
};

/// A layer.
pub(crate) struct Layer<B: Backend> {
    pub(crate) attention_norm: Norm<B>,
    pub(crate) query_norm: Option<Norm<B>>,
    pub(crate) key_norm: Option<Norm<B>>,
    pub(crate) query: Linear<B>,
    pub(crate) key: Linear<B>,
    pub(crate) value: Linear<B>,
    pub(crate) output: Linear<B>,
    pub(crate) feed_forward_norm: Norm<B>,
    pub(crate) gate: Linear<B>,
    pub(crate) up: Linear<B>,
    pub(crate) down: Linear<B>,
}

/// What a layer keeps for the way back. All have a row a token, but where rows were selected after the attention those
/// from `middle` on have a row for each of these.
pub(crate) struct Kept<M> {
    x: M,
    query: M,
    key: M,
    value: M,
    middle: M,
    gate: M,
    up: M,
}

/// The gradients of what an attention is given.
struct Asked<M> {
    query: M,
    key: M,
    value: M,
}

/// Which rows are wanted of a layer's output: all, or some after all have been read from.
pub(crate) type Selection<'a> = Option<&'a [u32]>;

/// Keys and values of tokens that were computed before, and whose queries nobody needs any more.
pub(crate) struct Past<M> {
    pub(crate) keys: M,
    pub(crate) values: M,
}

impl<B: Backend> Layer<B> {
    fn linears(&self) -> [&Linear<B>; 7] {
        [&self.query, &self.key, &self.value, &self.output, &self.gate, &self.up, &self.down]
    }

    /// Whether anything of it is trained.
    pub(super) fn learns(&self) -> bool {
        self.linears().iter().any(|linear| linear.learns()) || self.attention_norm.learns()
    }

    fn heads(pass: &Pass<'_, B>) -> Heads {
        Heads { queries: pass.shape.heads, keys: pass.shape.key_heads, size: pass.shape.head_size }
    }

    fn turn(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        query: &B::Matrix,
        key: &B::Matrix,
    ) -> Result<[B::Matrix; 2]> {
        let turned = |x: &B::Matrix, norm: &Option<Norm<B>>| {
            let gain = norm.as_ref().map(|norm| norm.gain(pass));
            pass.backend.turn(x, gain, layout, pass.shape.epsilon)
        };
        Ok([turned(query, &self.query_norm)?, turned(key, &self.key_norm)?])
    }

    /// What comes of states `x`, and what the way back needs.
    pub(super) fn forward(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        x: B::Matrix,
        selection: Selection<'_>,
    ) -> Result<(B::Matrix, Kept<B::Matrix>)> {
        let backend = pass.backend;
        let normed = self.attention_norm.forward(pass, &x)?;
        let [query, key, value] =
            [self.query.forward(pass, &normed)?, self.key.forward(pass, &normed)?, self.value.forward(pass, &normed)?];
        let turned = self.turn(pass, layout, &query, &key)?;
        let read = Self::read(pass, layout, &turned, &value, selection)?;
        let state = match selection {
            Some(rows) => Cow::Owned(backend.select(&x, rows)?),
            None => Cow::Borrowed(&x),
        };
        let (y, [middle, gate, up]) = self.after_attention(pass, &read, &state)?;
        Ok((y, Kept { x, query, key, value, middle, gate, up }))
    }

    /// What the selected tokens read.
    fn read(
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        [query, key]: &[B::Matrix; 2],
        value: &B::Matrix,
        selection: Selection<'_>,
    ) -> Result<B::Matrix> {
        let read = pass.backend.attention([query, key, value], layout, Self::heads(pass))?;
        match selection {
            Some(rows) => pass.backend.select(&read, rows),
            None => Ok(read),
        }
    }

    /// The rest of a layer, once it is known what each token read: its output, and the states in the middle, gate and up.
    fn after_attention(
        &self,
        pass: &Pass<'_, B>,
        read: &B::Matrix,
        state: &B::Matrix,
    ) -> Result<(B::Matrix, [B::Matrix; 3])> {
        let backend = pass.backend;
        let middle = backend.add(self.output.forward(pass, read)?, state)?;
        let normed = self.feed_forward_norm.forward(pass, &middle)?;
        let (gate, up) = (self.gate.forward(pass, &normed)?, self.up.forward(pass, &normed)?);
        let y = backend.add(self.down.forward(pass, &backend.swiglu(&gate, &up)?)?, &middle)?;
        Ok((y, [middle, gate, up]))
    }

    /// What comes of the states of new tokens, whose keys and values are added to those before. Nothing is kept.
    pub(super) fn go_on(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        x: &B::Matrix,
        past: &mut Option<Past<B::Matrix>>,
    ) -> Result<B::Matrix> {
        let backend = pass.backend;
        let normed = self.attention_norm.forward(pass, x)?;
        let (query, key) = (self.query.forward(pass, &normed)?, self.key.forward(pass, &normed)?);
        let value = self.value.forward(pass, &normed)?;
        let [query, key] = self.turn(pass, layout, &query, &key)?;
        let all = match past.take() {
            Some(past) => {
                Past { keys: backend.stack(&[&past.keys, &key])?, values: backend.stack(&[&past.values, &value])? }
            }
            None => Past { keys: key, values: value },
        };
        let read = backend.attention([&query, &all.keys, &all.values], layout, Self::heads(pass))?;
        *past = Some(all);
        Ok(self.after_attention(pass, &read, x)?.0)
    }

    /// Collects the gradients of what is trained, and returns that of the states.
    pub(super) fn backward(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        kept: Kept<B::Matrix>,
        dy: B::Matrix,
        (selection, tokens): (Selection<'_>, usize),
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<B::Matrix> {
        let (asked, dstate) = self.backward_to_attention(pass, layout, &kept, dy, (selection, tokens), gradients)?;
        let normed = self.attention_norm.forward(pass, &kept.x)?;
        let mut dnormed = self.query.backward(pass, &normed, &asked.query, gradients)?;
        dnormed = pass.backend.add(dnormed, &self.key.backward(pass, &normed, &asked.key, gradients)?)?;
        dnormed = pass.backend.add(dnormed, &self.value.backward(pass, &normed, &asked.value, gradients)?)?;
        self.attention_norm.learn(pass, &kept.x, &dnormed, gradients)?;
        pass.backend.add(self.attention_norm.backward(pass, &kept.x, &dnormed)?, &dstate)
    }

    /// Collects the gradients of what is trained, where nothing is trained below.
    pub(super) fn learn(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        kept: Kept<B::Matrix>,
        dy: B::Matrix,
        selected: (Selection<'_>, usize),
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<()> {
        let (asked, _) = self.backward_to_attention(pass, layout, &kept, dy, selected, gradients)?;
        let normed = self.attention_norm.forward(pass, &kept.x)?;
        for (linear, dy) in [(&self.query, &asked.query), (&self.key, &asked.key), (&self.value, &asked.value)] {
            linear.learn(pass, &normed, dy, gradients)?;
        }
        Ok(())
    }

    /// From the gradient of a layer's output to those of queries, keys and values, and of the states beside them.
    fn backward_to_attention(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        kept: &Kept<B::Matrix>,
        dy: B::Matrix,
        (selection, tokens): (Selection<'_>, usize),
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<(Asked<B::Matrix>, B::Matrix)> {
        let backend = pass.backend;
        let dmiddle = self.backward_feed_forward(pass, kept, dy, gradients)?;
        let turned = self.turn(pass, layout, &kept.query, &kept.key)?;
        let read = Self::read(pass, layout, &turned, &kept.value, selection)?;
        let dread = self.output.backward(pass, &read, &dmiddle, gradients)?;
        drop(read);
        let (dread, dstate) = match selection {
            Some(rows) => (backend.spread(&dread, rows, tokens)?, backend.spread(&dmiddle, rows, tokens)?),
            None => (dread, dmiddle),
        };
        Ok((self.backward_attention(pass, layout, kept, (&turned, &dread), gradients)?, dstate))
    }

    /// From the gradient of a layer's output to that of the state between attention and feed-forward part.
    fn backward_feed_forward(
        &self,
        pass: &Pass<'_, B>,
        kept: &Kept<B::Matrix>,
        dy: B::Matrix,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<B::Matrix> {
        let backend = pass.backend;
        let inner = backend.swiglu(&kept.gate, &kept.up)?;
        let dinner = self.down.backward(pass, &inner, &dy, gradients)?;
        drop(inner);
        let [dgate, dup] = backend.swiglu_backward(&kept.gate, &kept.up, &dinner)?;
        let normed = self.feed_forward_norm.forward(pass, &kept.middle)?;
        let dnormed = self.gate.backward(pass, &normed, &dgate, gradients)?;
        let dnormed = backend.add(dnormed, &self.up.backward(pass, &normed, &dup, gradients)?)?;
        self.feed_forward_norm.learn(pass, &kept.middle, &dnormed, gradients)?;
        backend.add(self.feed_forward_norm.backward(pass, &kept.middle, &dnormed)?, &dy)
    }

    /// From the gradient of what was read to those of queries, keys and values.
    fn backward_attention(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        kept: &Kept<B::Matrix>,
        ([query, key], dread): (&[B::Matrix; 2], &B::Matrix),
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<Asked<B::Matrix>> {
        let [dquery, dkey, dvalue] =
            pass.backend.attention_backward([query, key, &kept.value], dread, layout, Self::heads(pass))?;
        Ok(Asked {
            query: self.backward_turn(pass, layout, &self.query_norm, &kept.query, &dquery, gradients)?,
            key: self.backward_turn(pass, layout, &self.key_norm, &kept.key, &dkey, gradients)?,
            value: dvalue,
        })
    }

    fn backward_turn(
        &self,
        pass: &Pass<'_, B>,
        layout: &B::Layout,
        norm: &Option<Norm<B>>,
        x: &B::Matrix,
        dy: &B::Matrix,
        gradients: &mut Gradients<B::Matrix>,
    ) -> Result<B::Matrix> {
        let dy = pass.backend.turn_back(dy, layout)?;
        match norm {
            Some(norm) => {
                norm.learn(pass, x, &dy, gradients)?;
                pass.backend.head_norm_backward(x, norm.gain(pass), &dy, pass.shape.epsilon)
            }
            None => Ok(dy),
        }
    }
}
