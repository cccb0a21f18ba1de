//! An adapter in GGUF.
//!
//! Layout: `llama_adapter_lora_init_impl` in llama.cpp's llama-adapter.cpp. What begins with `groupchat.` is ours.

use std::path::Path;

use candle_core::quantized::GgmlDType;
use chat::PROMPT_VERSION;
use serde::Serialize;

use super::{Adapter, Pair};
use crate::{
    error::{Error, Result},
    gguf::{Entry, GgufFile, MetaValue, TensorPlan, Writer, encode},
    shape::{Family, Module},
};

/// What an adapter's file says of where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Notes {
    /// What it is called.
    pub name: String,
    /// The base's own name.
    pub base_name: String,
    /// The SHA-256 of the base's file, by which the runner knows it.
    pub base_sha256: String,
    /// Whom it was trained on, as a JSON list of `{"id", "name"}`; none where that is not known.
    pub members: Option<String>,
    /// The SHA-256 of the dataset's report, where there is one.
    pub report_sha256: Option<String>,
    /// How it was trained, in JSON.
    pub training: Option<String>,
    /// How good it is, in JSON.
    pub evaluation: Option<String>,
}

/// Writes an adapter.
///
/// # Errors
/// Where it cannot be written.
pub fn write(path: &Path, adapter: &Adapter, notes: &Notes) -> Result<()> {
    let plans = adapter.pairs.iter().flat_map(|pair| {
        let plan = |half: &str, dimensions: [usize; 2]| TensorPlan {
            name: format!("blk.{}.{}.weight.lora_{half}", pair.layer, pair.module.gguf_name()),
            dimensions: dimensions.to_vec(),
            kind: GgmlDType::F32,
        };
        [plan("a", [pair.rank, pair.inputs()]), plan("b", [pair.outputs(), pair.rank])]
    });
    let mut writer = Writer::create(path, &entries(adapter, notes), plans.collect())?;
    for pair in &adapter.pairs {
        for values in [&pair.a, &pair.b] {
            writer.tensor(&encode(values, GgmlDType::F32).expect("F32 is written"))?;
        }
    }
    writer.finish()
}

fn entries(adapter: &Adapter, notes: &Notes) -> Vec<Entry> {
    let text = |key: &str, value: &str| (key.to_owned(), MetaValue::Text(value.to_owned()));
    let mut entries = vec![
        text("general.type", "adapter"),
        text("general.architecture", adapter.family.name()),
        text("general.name", &notes.name),
        text("adapter.type", "lora"),
        ("adapter.lora.alpha".to_owned(), MetaValue::F32(adapter.alpha)),
        ("groupchat.prompt_version".to_owned(), MetaValue::U32(PROMPT_VERSION)),
        text("groupchat.base_name", &notes.base_name),
        text("groupchat.base_sha256", &notes.base_sha256),
    ];
    let more = [
        ("groupchat.members", &notes.members),
        ("groupchat.report_sha256", &notes.report_sha256),
        ("groupchat.training", &notes.training),
        ("groupchat.evaluation", &notes.evaluation),
    ];
    entries.extend(more.into_iter().filter_map(|(key, value)| Some(text(key, value.as_deref()?))));
    entries
}

/// Reads an adapter.
///
/// # Errors
/// Where the file is no adapter, or one of a kind that is not known here.
pub fn read(path: &Path) -> Result<Adapter> {
    let mut file = GgufFile::open(path)?;
    let refuse = |reason: String| Error::Content { path: path.to_owned(), reason };
    if file.text("general.type") != Some("adapter") {
        return Err(refuse("it is no adapter".to_owned()));
    }
    let architecture = file.text("general.architecture").unwrap_or("nothing").to_owned();
    let family = Family::ALL.into_iter().find(|family| family.name() == architecture);
    let family = family.ok_or_else(|| refuse(format!("it is for models of the kind {architecture}")))?;
    let alpha = file.value("adapter.lora.alpha").and_then(|value| value.to_f32().ok());
    let alpha = alpha.ok_or_else(|| refuse("adapter.lora.alpha is missing".to_owned()))?;
    let names: Vec<String> = file.tensors().into_iter().map(|(name, ..)| name.to_owned()).collect();
    let mut pairs = Vec::new();
    for name in names.iter().filter_map(|name| name.strip_suffix(".lora_a")) {
        let (layer, module) =
            place_of(name).ok_or_else(|| refuse(format!("it changes {name}, which is not known here")))?;
        let (a, b) = (file.tensor(&format!("{name}.lora_a"))?, file.tensor(&format!("{name}.lora_b"))?);
        if a.rows != b.columns {
            return Err(refuse(format!("the two matrices of {name} do not fit each other")));
        }
        pairs.push(Pair { layer, module, a: a.values(), b: b.values(), rank: a.rows });
    }
    pairs.sort_by_key(|pair| (pair.layer, pair.module));
    Ok(Adapter { family, alpha, pairs })
}

/// The layer and module of `blk.N.NAME.weight`.
fn place_of(name: &str) -> Option<(usize, Module)> {
    let (layer, module) = name.strip_prefix("blk.")?.strip_suffix(".weight")?.split_once('.')?;
    let module = Module::ALL.into_iter().find(|known| known.gguf_name() == module)?;
    Some((layer.parse().ok()?, module))
}
