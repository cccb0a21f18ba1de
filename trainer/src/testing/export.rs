//! A base as transformers reads it: `config.json` and `model.safetensors`, with the numbers that its weights stand for.
//!
//! Layout: the configurations of `Qwen2ForCausalLM` and `Qwen3ForCausalLM`, and the format of the crate `safetensors`.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::{
    error::{Error, Result},
    gguf::Base,
    learner::Named,
    shape::{Family, Module, Shape},
    training::number_bytes,
};

/// Writes a base into a folder, a tensor at a time. Norms, biases and matrices become F32.
///
/// # Errors
/// Where it cannot be read or written.
pub fn export(base: &mut Base, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, error))?;
    let shape = base.shape().clone();
    let tensors: Vec<(String, String, Vec<usize>)> = base
        .file()
        .tensors()
        .into_iter()
        .map(|(name, dimensions, _)| (name.to_owned(), name_in_transformers(name), dimensions.to_vec()))
        .collect();
    let is_tied = !base.file().has("output.weight");
    let config = folder.join("config.json");
    fs::write(&config, configuration(&shape, is_tied).to_string())
        .map_err(|error| Error::file("write", &config, error))?;
    let heads = tensors.iter().map(|(_, name, dimensions)| (name.as_str(), dimensions.as_slice()));
    let path = folder.join("model.safetensors");
    let mut safetensors = Safetensors::create(&path, heads)?;
    for (name, _, _) in &tensors {
        safetensors.write(&number_bytes(&base.file_mut().tensor(name)?.values()))?;
    }
    safetensors.finish()
}

/// Writes matrices to a safetensors file.
///
/// # Errors
/// Where it cannot be written.
pub fn write_matrices(path: &Path, matrices: &[Named]) -> Result<()> {
    let sizes: Vec<[usize; 2]> = matrices.iter().map(|matrix| [matrix.rows, matrix.columns]).collect();
    let heads = matrices.iter().zip(&sizes).map(|(matrix, size)| (matrix.name.as_str(), size.as_slice()));
    let mut safetensors = Safetensors::create(path, heads)?;
    for matrix in matrices {
        safetensors.write(&number_bytes(&matrix.values))?;
    }
    safetensors.finish()
}

fn configuration(shape: &Shape, is_tied: bool) -> Value {
    let class = match shape.family {
        Family::Qwen2 => "Qwen2ForCausalLM",
        Family::Qwen3 => "Qwen3ForCausalLM",
    };
    json!({
        "architectures": [class],
        "model_type": shape.family.name(),
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": shape.head_size,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.rope_base,
        "max_position_embeddings": 4096,
        "hidden_act": "silu",
        "tie_word_embeddings": is_tied,
        "use_cache": false,
    })
}

fn name_in_transformers(name: &str) -> String {
    let Some((layer, part)) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) else {
        return match name {
            "token_embd.weight" => "model.embed_tokens.weight",
            "output_norm.weight" => "model.norm.weight",
            _ => "lm_head.weight",
        }
        .to_owned();
    };
    let (part, end) = part.rsplit_once('.').expect("a tensor of a layer is a weight or a bias");
    let module = Module::ALL.into_iter().find(|module| module.gguf_name() == part);
    let part = module.map_or_else(|| norm_in_transformers(part), Module::peft_name);
    format!("model.layers.{layer}.{part}.{end}")
}

fn norm_in_transformers(name: &str) -> &'static str {
    match name {
        "attn_norm" => "input_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "attn_q_norm" => "self_attn.q_norm",
        _ => "self_attn.k_norm",
    }
}

/// A safetensors file of F32 that is written a tensor at a time.
struct Safetensors<'a> {
    path: &'a Path,
    out: BufWriter<File>,
}

impl<'a> Safetensors<'a> {
    /// Begins a file for tensors of these names and dimensions, which come in this order.
    fn create<'t>(path: &'a Path, tensors: impl Iterator<Item = (&'t str, &'t [usize])>) -> Result<Self> {
        let mut header = Map::new();
        let mut start = 0;
        for (name, dimensions) in tensors {
            let end = start + size_of::<f32>() * dimensions.iter().product::<usize>();
            header
                .insert(name.to_owned(), json!({ "dtype": "F32", "shape": dimensions, "data_offsets": [start, end] }));
            start = end;
        }
        let mut text = Value::Object(header).to_string();
        text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
        let file = File::create(path).map_err(|error| Error::file("write", path, error))?;
        let mut safetensors = Self { path, out: BufWriter::new(file) };
        safetensors.write(&(text.len() as u64).to_le_bytes())?;
        safetensors.write(text.as_bytes())?;
        Ok(safetensors)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| Error::file("write", self.path, error))
    }

    fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(|error| Error::file("write", self.path, error))
    }
}
