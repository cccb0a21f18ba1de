//! A model from nothing: every weight is trained, and the embedding is the head, too.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    backend::{Backend, Result},
    decoder::{Decoder, Layer, Linear, Norm, Weight},
    parameters::{ParameterId, Parameters},
    shape::{Family, Module, Shape},
};

/// The spread of weights at first (Radford et al., GPT-2, 2019). What is added to the states is less spread, by the square
/// root of how often something is.
const SPREAD: f32 = 0.02;

/// A Qwen3 with random weights.
pub(crate) fn decoder<B: Backend>(backend: B, shape: Shape, seed: u64) -> Result<Decoder<B>> {
    assert_eq!(shape.family, Family::Qwen3, "models are made in the shape of Qwen3 only");
    let mut builder = Builder {
        backend: &backend,
        shape: &shape,
        rng: ChaCha8Rng::seed_from_u64(seed),
        parameters: Parameters::default(),
    };
    let embedding = builder.matrix("token_embd.weight".to_owned(), (shape.vocabulary, shape.width), SPREAD)?;
    let norm = builder.norm("output_norm.weight".to_owned(), shape.width)?;
    let layers = (0..shape.layers).map(|layer| builder.layer(layer)).collect::<Result<Vec<_>>>()?;
    let parameters = builder.parameters;
    Ok(Decoder {
        backend,
        shape,
        embedding: Weight::Trained(embedding),
        head: None,
        norm,
        layers,
        parameters,
        scale: 1.0,
        drop_out: 0.0,
    })
}

struct Builder<'a, B: Backend> {
    backend: &'a B,
    shape: &'a Shape,
    rng: ChaCha8Rng,
    parameters: Parameters<B::Matrix>,
}

impl<B: Backend> Builder<'_, B> {
    fn matrix(&mut self, name: String, (rows, columns): (usize, usize), spread: f32) -> Result<ParameterId> {
        let values = (0..rows * columns).map(|_| spread * self.normal()).collect();
        let value = self.backend.matrix(rows, columns, values)?;
        Ok(self.parameters.add(name, (rows, columns), value))
    }

    /// A draw from about the normal distribution: the sum of twelve even draws (Irwin and Hall).
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.rng.random_range(-0.5..0.5)).sum()
    }

    fn norm(&mut self, name: String, width: usize) -> Result<Norm<B>> {
        let value = self.backend.matrix(1, width, vec![1.0; width])?;
        Ok(Norm::Trained(self.parameters.add(name, (1, width), value)))
    }

    fn layer(&mut self, layer: usize) -> Result<Layer<B>> {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        Ok(Layer {
            attention_norm: self.norm(name("attn_norm"), self.shape.width)?,
            query_norm: Some(self.norm(name("attn_q_norm"), self.shape.head_size)?),
            key_norm: Some(self.norm(name("attn_k_norm"), self.shape.head_size)?),
            query: self.linear(layer, Module::Query)?,
            key: self.linear(layer, Module::Key)?,
            value: self.linear(layer, Module::Value)?,
            output: self.linear(layer, Module::Output)?,
            feed_forward_norm: self.norm(name("ffn_norm"), self.shape.width)?,
            gate: self.linear(layer, Module::Gate)?,
            up: self.linear(layer, Module::Up)?,
            down: self.linear(layer, Module::Down)?,
        })
    }

    fn linear(&mut self, layer: usize, module: Module) -> Result<Linear<B>> {
        let adds = matches!(module, Module::Output | Module::Down);
        let spread = if adds { SPREAD / (2.0 * self.shape.layers as f32).sqrt() } else { SPREAD };
        let name = format!("blk.{layer}.{}.weight", module.gguf_name());
        let weight = self.matrix(name, self.shape.size_of(module), spread)?;
        Ok(Linear { weight: Weight::Trained(weight), bias: None, pair: None })
    }
}
