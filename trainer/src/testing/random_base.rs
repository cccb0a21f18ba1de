//! A base of random weights, which is as much work as a real one and knows nothing.

use std::path::Path;

use candle_core::quantized::GgmlDType;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{
    error::Result,
    gguf::{Entry, GgufFile, MetaValue, TensorPlan, Writer, encode, shape_entries},
    shape::{Family, Module, Shape},
};

/// What a file says that its model can read.
const CONTEXT: u32 = 4096;
/// Rows of a matrix that one task draws.
const ROWS: usize = 256;

/// How the matrices of a base are written. Biases and the gains of norms are F32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// As numbers of 32 bits.
    F32,
    /// In eight bits.
    Q8_0,
    /// As llama.cpp mixes Q4_K and Q6_K: embedding and head have six bits, and so have the values and the way back of the
    /// feed-forward part in the first and last eighth of the layers and in each third one between.
    Q4KM,
}

/// A base of random weights. The same fields give the same file.
#[derive(Debug, Clone)]
pub struct RandomBase {
    /// Its shape; queries, keys and values have biases in Qwen2's family, and norms in Qwen3's.
    pub shape: Shape,
    /// Whether the embedding turns states into logits, too.
    pub tied: bool,
    /// How its matrices are written.
    pub weights: Weights,
    /// What they are drawn from.
    pub seed: u64,
}

impl RandomBase {
    /// Writes it, with the vocabulary of another file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path, vocabulary: &GgufFile) -> Result<()> {
        let plans = self.plans();
        let mut writer = Writer::create(path, &self.entries(vocabulary), plans.clone())?;
        for (number, plan) in plans.iter().enumerate() {
            writer.tensor(&self.drawn(plan, number as u64))?;
        }
        writer.finish()
    }

    fn entries(&self, vocabulary: &GgufFile) -> Vec<Entry> {
        let name = MetaValue::Text("random weights".to_owned());
        let mut entries = vec![("general.name".to_owned(), name)];
        entries.extend(shape_entries(&self.shape, CONTEXT));
        let of_vocabulary = vocabulary.values().into_iter().filter(|(key, _)| key.starts_with("tokenizer."));
        entries.extend(of_vocabulary.map(|(key, value)| (key.to_owned(), MetaValue::Copied(value.clone()))));
        entries
    }

    fn plans(&self) -> Vec<TensorPlan> {
        let Shape { vocabulary, width, .. } = self.shape;
        let ends = if self.tied { &["token_embd"][..] } else { &["token_embd", "output"] };
        let mut plans: Vec<TensorPlan> = ends
            .iter()
            .map(|name| {
                let dimensions = vec![vocabulary, width];
                TensorPlan { name: format!("{name}.weight"), dimensions, kind: self.kind(true) }
            })
            .collect();
        plans.push(row("output_norm.weight".to_owned(), width));
        (0..self.shape.layers).for_each(|layer| self.plan_layer(layer, &mut plans));
        plans
    }

    fn plan_layer(&self, layer: usize, plans: &mut Vec<TensorPlan>) {
        let shape = &self.shape;
        for module in Module::ALL {
            let (outputs, inputs) = shape.size_of(module);
            let name = format!("blk.{layer}.{}", module.gguf_name());
            let kind = self.kind(matches!(module, Module::Value | Module::Down) && self.has_more_bits(layer));
            plans.push(TensorPlan { name: format!("{name}.weight"), dimensions: vec![outputs, inputs], kind });
            let is_biased = matches!(module, Module::Query | Module::Key | Module::Value);
            if shape.family == Family::Qwen2 && is_biased {
                plans.push(row(format!("{name}.bias"), outputs));
            }
        }
        for name in ["attn_norm", "ffn_norm"] {
            plans.push(row(format!("blk.{layer}.{name}.weight"), shape.width));
        }
        if shape.family == Family::Qwen3 {
            for name in ["attn_q_norm", "attn_k_norm"] {
                plans.push(row(format!("blk.{layer}.{name}.weight"), shape.head_size));
            }
        }
    }

    /// Source: `use_more_bits` in llama.cpp's quantiser.
    fn has_more_bits(&self, layer: usize) -> bool {
        let (layers, eighth) = (self.shape.layers, self.shape.layers / 8);
        layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
    }

    fn kind(&self, has_more_bits: bool) -> GgmlDType {
        match (self.weights, has_more_bits) {
            (Weights::F32, _) => GgmlDType::F32,
            (Weights::Q8_0, _) => GgmlDType::Q8_0,
            (Weights::Q4KM, true) => GgmlDType::Q6K,
            (Weights::Q4KM, false) => GgmlDType::Q4K,
        }
    }

    /// The bytes of a tensor. Gains are about one, all else about zero; states stay of about the same size from layer to
    /// layer.
    fn drawn(&self, plan: &TensorPlan, number: u64) -> Vec<u8> {
        let columns = *plan.dimensions.last().expect("a tensor has dimensions");
        let rows: usize = plan.dimensions.iter().product::<usize>() / columns;
        let (centre, reach) = match plan.dimensions.as_slice() {
            [_] if plan.name.ends_with("norm.weight") => (1.0, 0.3),
            [_] => (0.0, 0.3),
            _ => (0.0, (3.0 / columns as f32).sqrt()),
        };
        let part = |first: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ (number << 32));
            rng.set_stream(first as u64);
            let count = ROWS.min(rows - first) * columns;
            let values: Vec<f32> = (0..count).map(|_| centre + rng.random_range(-reach..reach)).collect();
            encode(&values, plan.kind).expect("all kinds of a plan are written")
        };
        let firsts: Vec<usize> = (0..rows).step_by(ROWS).collect();
        firsts.into_par_iter().map(part).collect::<Vec<_>>().concat()
    }
}

fn row(name: String, width: usize) -> TensorPlan {
    TensorPlan { name, dimensions: vec![width], kind: GgmlDType::F32 }
}
