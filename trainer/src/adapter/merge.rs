//! A base with an adapter worked into it, as llama.cpp merges: `W + alpha / rank * B A`, written in F16. Quantising the
//! result is llama.cpp's own business, and is done with its own quantiser.

use std::path::Path;

use candle_core::quantized::GgmlDType;

use super::Adapter;
use crate::{
    backend::{Backend, Cpu},
    error::{Error, Result},
    gguf::{Base, Entry, MetaValue, Stored, TensorPlan, Writer, encode},
    shape::Module,
};

/// GGUF's number of files that are mostly F16.
const MOSTLY_F16: u32 = 1;

/// Writes the merged model, a tensor at a time.
///
/// # Errors
/// Where the adapter does not fit the base, or the file cannot be written.
pub fn merge(base: &mut Base, adapter: &Adapter, name: &str, path: &Path) -> Result<()> {
    check(base, adapter)?;
    let plans: Vec<TensorPlan> = base
        .file()
        .tensors()
        .into_iter()
        .map(|(name, dimensions, _)| TensorPlan {
            name: name.to_owned(),
            dimensions: dimensions.to_vec(),
            kind: if dimensions.len() == 1 { GgmlDType::F32 } else { GgmlDType::F16 },
        })
        .collect();
    let mut writer = Writer::create(path, &entries(base, name), plans.clone())?;
    for plan in plans {
        let stored = base.file_mut().tensor(&plan.name)?;
        let values = merged(&plan.name, &stored, adapter)?;
        writer.tensor(&encode(&values, plan.kind).expect("both kinds are written"))?;
    }
    writer.finish()
}

fn check(base: &Base, adapter: &Adapter) -> Result<()> {
    let shape = base.shape();
    let fits = adapter.family == shape.family
        && adapter
            .pairs
            .iter()
            .all(|pair| pair.layer < shape.layers && (pair.outputs(), pair.inputs()) == shape.size_of(pair.module));
    if fits {
        return Ok(());
    }
    Err(Error::Request(format!(
        "the adapter was made for another model than {}; name its base",
        base.file().path().display()
    )))
}

fn entries(base: &Base, name: &str) -> Vec<Entry> {
    let kept =
        base.file().values().into_iter().filter(|(key, _)| !matches!(*key, "general.name" | "general.file_type"));
    let mut entries: Vec<Entry> = kept.map(|(key, value)| (key.to_owned(), MetaValue::Copied(value.clone()))).collect();
    entries.push(("general.name".to_owned(), MetaValue::Text(name.to_owned())));
    entries.push(("general.file_type".to_owned(), MetaValue::U32(MOSTLY_F16)));
    entries
}

fn merged(name: &str, stored: &Stored, adapter: &Adapter) -> Result<Vec<f32>> {
    let place = name.strip_prefix("blk.").and_then(|rest| rest.strip_suffix(".weight")?.split_once('.'));
    let pair = place.and_then(|(layer, module)| {
        let module = Module::ALL.into_iter().find(|known| known.gguf_name() == module)?;
        adapter.pair(layer.parse().ok()?, module)
    });
    let Some(pair) = pair else { return Ok(stored.values()) };
    let weight = Cpu.matrix(stored.rows, stored.columns, stored.values())?;
    let a = Cpu.matrix(pair.rank, pair.inputs(), pair.a.clone())?;
    let scale = adapter.alpha / pair.rank as f32;
    let b = Cpu.matrix(pair.outputs(), pair.rank, pair.b.iter().map(|x| x * scale).collect())?;
    Ok(Cpu.add_product(weight, &b, &a)?.values().to_vec())
}
