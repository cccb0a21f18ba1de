//! A LoRA adapter (Hu et al., 2021): pairs of small matrices beside the frozen ones of a base.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    decoder::{Decoder, Layer, Linear, Norm, Pair, Weight},
    error::{Error, Result},
    gguf::{Base, Stored},
    parameters::Parameters,
    shape::{Module, Shape},
};

/// What an adapter changes, and how much it can.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Rows of the narrow matrices.
    pub rank: usize,
    /// What the product of the two matrices is multiplied with, times the rank.
    pub alpha: f32,
    /// Which matrices of a layer are changed.
    pub modules: Vec<Module>,
    /// From which layer on.
    pub first_layer: usize,
}

impl Layout {
    /// Whether a matrix is changed.
    fn changes(&self, layer: usize, module: Module) -> bool {
        layer >= self.first_layer && self.modules.contains(&module)
    }

    /// How many numbers are trained.
    pub fn parameters(&self, shape: &Shape) -> usize {
        let layers = shape.layers.saturating_sub(self.first_layer);
        let sizes = self.modules.iter().map(|&module| shape.size_of(module));
        layers * sizes.map(|(outputs, inputs)| self.rank * (outputs + inputs)).sum::<usize>()
    }

    /// Looks for what cannot be.
    ///
    /// # Errors
    /// A sentence about it.
    pub fn check(&self, shape: &Shape) -> Result<()> {
        let refuse = |sentence: String| Err(Error::Request(sentence));
        if !(1..=512).contains(&self.rank) {
            return refuse(format!("an adapter has a rank from 1 to 512, not {}; 16 is a good one", self.rank));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return refuse(format!("alpha is {}, and must be above 0; twice the rank is usual", self.alpha));
        }
        if self.modules.is_empty() {
            return refuse("no matrix is to be changed; name some of q, k, v, o, gate, up and down".to_owned());
        }
        if self.first_layer >= shape.layers {
            return refuse(format!("the base has {} layers, so none is left to be changed", shape.layers));
        }
        Ok(())
    }
}

/// The name of one of the two matrices, as PEFT has it within a model.
pub(crate) fn parameter_name(layer: usize, module: Module, half: &str) -> String {
    format!("model.layers.{layer}.{}.lora_{half}.weight", module.peft_name())
}

/// A base with a new adapter: `A` is drawn evenly from `±sqrt(3) / sqrt(3 inputs)`, as PEFT draws it (Kaiming with
/// `a = sqrt(5)`), and `B` is zero, so that nothing is changed yet.
pub(crate) fn attach<B: Backend>(backend: B, base: &mut Base, layout: &Layout, seed: u64) -> Result<Decoder<B>> {
    let shape = base.shape().clone();
    layout.check(&shape)?;
    let mut builder = Builder {
        backend: &backend,
        base,
        layout,
        rng: ChaCha8Rng::seed_from_u64(seed),
        parameters: Parameters::default(),
        pairs: 0,
    };
    let embedding = builder.weight("token_embd.weight")?;
    let head = if builder.base.file().has("output.weight") { Some(builder.weight("output.weight")?) } else { None };
    let norm = builder.norm("output_norm.weight")?;
    let layers = (0..shape.layers).map(|layer| builder.layer(layer)).collect::<Result<Vec<_>>>()?;
    let parameters = builder.parameters;
    let scale = layout.alpha / layout.rank as f32;
    Ok(Decoder { backend, shape, embedding, head, norm, layers, parameters, scale, drop_out: 0.0 })
}

struct Builder<'a, B: Backend> {
    backend: &'a B,
    base: &'a mut Base,
    layout: &'a Layout,
    rng: ChaCha8Rng,
    parameters: Parameters<B::Matrix>,
    pairs: u64,
}

impl<B: Backend> Builder<'_, B> {
    fn stored(&mut self, name: &str) -> Result<Stored> {
        self.base.file_mut().tensor(name)
    }

    fn weight(&mut self, name: &str) -> Result<Weight<B>> {
        let stored = self.stored(name)?;
        Ok(Weight::Frozen(self.backend.weight(stored)?))
    }

    fn row(&mut self, name: &str) -> Result<B::Matrix> {
        let stored = self.stored(name)?;
        Ok(self.backend.matrix(stored.rows, stored.columns, stored.values())?)
    }

    fn norm(&mut self, name: &str) -> Result<Norm<B>> {
        Ok(Norm::Frozen(self.row(name)?))
    }

    fn optional_norm(&mut self, name: &str) -> Result<Option<Norm<B>>> {
        if self.base.file().has(name) { self.norm(name).map(Some) } else { Ok(None) }
    }

    fn layer(&mut self, layer: usize) -> Result<Layer<B>> {
        Ok(Layer {
            attention_norm: self.norm(&format!("blk.{layer}.attn_norm.weight"))?,
            query_norm: self.optional_norm(&format!("blk.{layer}.attn_q_norm.weight"))?,
            key_norm: self.optional_norm(&format!("blk.{layer}.attn_k_norm.weight"))?,
            query: self.linear(layer, Module::Query)?,
            key: self.linear(layer, Module::Key)?,
            value: self.linear(layer, Module::Value)?,
            output: self.linear(layer, Module::Output)?,
            feed_forward_norm: self.norm(&format!("blk.{layer}.ffn_norm.weight"))?,
            gate: self.linear(layer, Module::Gate)?,
            up: self.linear(layer, Module::Up)?,
            down: self.linear(layer, Module::Down)?,
        })
    }

    fn linear(&mut self, layer: usize, module: Module) -> Result<Linear<B>> {
        let name = format!("blk.{layer}.{}", module.gguf_name());
        let weight = self.weight(&format!("{name}.weight"))?;
        let bias_name = format!("{name}.bias");
        let bias = if self.base.file().has(&bias_name) { Some(self.row(&bias_name)?) } else { None };
        let pair = if self.layout.changes(layer, module) { Some(self.pair(layer, module)?) } else { None };
        Ok(Linear { weight, bias, pair })
    }

    fn pair(&mut self, layer: usize, module: Module) -> Result<Pair> {
        let ((outputs, inputs), rank) = (self.base.shape().size_of(module), self.layout.rank);
        let bound = 1.0 / (inputs as f32).sqrt();
        let narrow = (0..rank * inputs).map(|_| self.rng.random_range(-bound..bound)).collect();
        let (a, b) = (
            self.backend.matrix(rank, inputs, narrow)?,
            self.backend.matrix(outputs, rank, vec![0.0; outputs * rank])?,
        );
        self.pairs += 1;
        Ok(Pair {
            a: self.parameters.add(parameter_name(layer, module, "A"), (rank, inputs), a),
            b: self.parameters.add(parameter_name(layer, module, "B"), (outputs, rank), b),
            number: self.pairs,
        })
    }
}
