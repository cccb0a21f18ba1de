//! An adapter as PEFT keeps it: a folder with `adapter_config.json` and `adapter_model.safetensors`.
//!
//! Layout: `PeftModel.save_pretrained` of huggingface/peft; Unsloth writes the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;

use super::{Adapter, Pair};
use crate::{
    error::{Error, Result},
    shape::{Family, Module},
    training::{number_bytes, numbers},
    whole_file::WholeFile,
};

const CONFIG: &str = "adapter_config.json";
const TENSORS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

#[derive(Deserialize)]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f32,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f32>,
    #[serde(default)]
    bias: Option<String>,
}

impl Config {
    /// What cannot be said in GGUF, if anything of it is there.
    fn obstacle(&self) -> Option<&'static str> {
        let has_bias = self.bias.as_deref().is_some_and(|bias| bias != "none");
        let obstacles = [
            (self.peft_type != "LORA", "it is no LoRA adapter"),
            (self.use_dora, "it was made with DoRA, which llama.cpp does not know"),
            (has_bias, "it changes biases, which llama.cpp does not know"),
            (!self.alpha_pattern.is_empty(), "it has an alpha of their own for some matrices"),
            (self.use_rslora && !self.rank_pattern.is_empty(), "it scales each matrix by the root of its own rank"),
            (self.r == 0, "its rank is 0"),
        ];
        obstacles.into_iter().find(|(is_there, _)| *is_there).map(|(_, sentence)| sentence)
    }

    /// Alpha as llama.cpp divides it, by the rank; rank-stabilised LoRA divides by the rank's root instead
    /// (Kalajdzievski, 2023).
    fn alpha(&self) -> f32 {
        if self.use_rslora { self.lora_alpha * (self.r as f32).sqrt() } else { self.lora_alpha }
    }
}

/// Reads an adapter of PEFT, for models of a family.
///
/// # Errors
/// Where the folder holds none, or one that cannot be said in GGUF.
pub fn import(folder: &Path, family: Family) -> Result<Adapter> {
    let (config_path, path) = (folder.join(CONFIG), folder.join(TENSORS));
    let text = fs::read(&config_path).map_err(|error| Error::file("read", &config_path, error))?;
    let refuse = |path: &Path, reason: String| Error::Content { path: path.to_owned(), reason };
    let config: Config = serde_json::from_slice(&text)
        .map_err(|error| refuse(&config_path, format!("it is no configuration of PEFT: {error}")))?;
    if let Some(obstacle) = config.obstacle() {
        return Err(refuse(&config_path, obstacle.to_owned()));
    }
    let content = fs::read(&path).map_err(|error| Error::file("read", &path, error))?;
    let tensors =
        SafeTensors::deserialize(&content).map_err(|error| refuse(&path, format!("it is damaged: {error}")))?;
    let mut places = BTreeSet::new();
    for name in tensors.names() {
        places.insert(place_of(name).ok_or_else(|| {
            refuse(
                &path,
                format!("it changes {name}; only the matrices q, k, v, o, gate, up and down of layers can be"),
            )
        })?);
    }
    let mut pairs = Vec::new();
    for (layer, module) in places {
        let matrix = |half: &str| {
            let name = format!("{PREFIX}model.layers.{layer}.{}.lora_{half}.weight", module.peft_name());
            matrix(&tensors, &name).map_err(|reason| refuse(&path, reason))
        };
        let ((rank, a), (outputs, b)) = (matrix("A")?, matrix("B")?);
        if rank == 0 || b.len() != outputs * rank {
            return Err(refuse(
                &path,
                format!("the two matrices of layer {layer}, {}, do not fit", module.peft_name()),
            ));
        }
        pairs.push(Pair { layer, module, a, b, rank });
    }
    if pairs.is_empty() {
        return Err(refuse(&path, "it changes nothing".to_owned()));
    }
    Ok(Adapter { family, alpha: config.alpha(), pairs })
}

/// The layer and module of `base_model.model.model.layers.N.NAME.lora_A.weight`.
fn place_of(name: &str) -> Option<(usize, Module)> {
    let (layer, rest) = name.strip_prefix(PREFIX)?.strip_prefix("model.layers.")?.split_once('.')?;
    let module = rest.strip_suffix(".lora_A.weight").or_else(|| rest.strip_suffix(".lora_B.weight"))?;
    let module = Module::ALL.into_iter().find(|known| known.peft_name() == module)?;
    Some((layer.parse().ok()?, module))
}

/// The rows and numbers of a matrix.
fn matrix(tensors: &SafeTensors<'_>, name: &str) -> std::result::Result<(usize, Vec<f32>), String> {
    let view = tensors.tensor(name).map_err(|_| format!("it lacks {name}"))?;
    let [rows, _] = view.shape() else { return Err(format!("{name} is no matrix")) };
    let halves = |read: fn([u8; 2]) -> f32| {
        let (pairs, _) = view.data().as_chunks::<2>();
        pairs.iter().map(|pair| read(*pair)).collect()
    };
    let values = match view.dtype() {
        Dtype::F32 => numbers(view.data()),
        Dtype::F16 => halves(|bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => halves(|bytes| bf16::from_le_bytes(bytes).to_f32()),
        other => return Err(format!("{name} holds numbers of the kind {other:?}")),
    };
    Ok((*rows, values))
}

/// Writes an adapter as PEFT reads it, into a folder that is made where it is missing.
///
/// # Errors
/// Where it cannot be written.
pub fn export(folder: &Path, adapter: &Adapter, base_name: &str) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, error))?;
    let tensors: Vec<(String, [usize; 2], Vec<u8>)> = adapter
        .pairs
        .iter()
        .flat_map(|pair| {
            let name = |half: &str| {
                format!("{PREFIX}model.layers.{}.{}.lora_{half}.weight", pair.layer, pair.module.peft_name())
            };
            let (a, b) = ([pair.rank, pair.inputs()], [pair.outputs(), pair.rank]);
            [(name("A"), a, number_bytes(&pair.a)), (name("B"), b, number_bytes(&pair.b))]
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("a matrix has its size");
        (name.as_str(), view)
    });
    let format = [("format".to_owned(), "pt".to_owned())].into();
    let bytes = safetensors::serialize(views, Some(format)).expect("names are different");
    WholeFile::write(&folder.join(TENSORS), &bytes)?;
    let text = serde_json::to_string_pretty(&config(adapter, base_name)).expect("a configuration is plain data");
    WholeFile::write(&folder.join(CONFIG), text.as_bytes())
}

fn config(adapter: &Adapter, base_name: &str) -> serde_json::Value {
    let modules: BTreeSet<&str> =
        adapter.pairs.iter().filter_map(|pair| pair.module.peft_name().rsplit('.').next()).collect();
    let layers: BTreeSet<usize> = adapter.pairs.iter().map(|pair| pair.layer).collect();
    serde_json::json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": adapter.rank(),
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "target_modules": modules,
        "layers_to_transform": layers,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "use_rslora": false,
        "use_dora": false,
    })
}
