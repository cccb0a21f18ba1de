//! How likely a base, with or without an adapter, finds the answers of some rows: what a server that serves both must find,
//! too.

use std::path::Path;

use crate::{
    adapter,
    backend::{Backend, Cpu},
    error::{Error, Result},
    gguf::Base,
    lora::{self, Layout},
    packing::Packed,
    rows::Row,
    shape::Module,
    tokens::Tokeniser,
};

/// For each row the logarithms of the probabilities of the answer's tokens, the last of which ends the turn.
///
/// # Errors
/// Where base or adapter cannot be read, or do not fit each other.
pub fn judge(base: &Path, adapter: Option<&Path>, rows: &[Row]) -> Result<Vec<Vec<f64>>> {
    let mut base = Base::open(base)?;
    let tokeniser = Tokeniser::read(base.file(), base.shape().family)?;
    let decoder = match adapter {
        Some(path) => with_adapter(&mut base, path)?,
        None => lora::attach(Cpu, &mut base, &nothing_changed(), 0)?,
    };
    let mut judged = Vec::with_capacity(rows.len());
    for row in rows {
        let packed = Packed::new([&tokeniser.example(&row.prompt, &row.answer)]);
        judged.push(decoder.losses(&packed)?.into_iter().map(|loss| -loss).collect());
    }
    Ok(judged)
}

/// A new adapter changes nothing.
fn nothing_changed() -> Layout {
    Layout { rank: 1, alpha: 1.0, modules: vec![Module::Query], first_layer: 0 }
}

fn with_adapter(base: &mut Base, path: &Path) -> Result<crate::decoder::Decoder<Cpu>> {
    let given = adapter::read(path)?;
    let misfit =
        || Error::Content { path: path.to_owned(), reason: "it is for another model, or of several ranks".to_owned() };
    let mut modules: Vec<Module> = given.pairs.iter().map(|pair| pair.module).collect();
    modules.sort_unstable();
    modules.dedup();
    let first_layer = given.pairs.iter().map(|pair| pair.layer).min().ok_or_else(misfit)?;
    let layout = Layout { rank: given.rank(), alpha: given.alpha, modules, first_layer };
    let mut decoder = lora::attach(Cpu, base, &layout, 0)?;
    for parameter in decoder.parameters.iter_mut() {
        let pair = given.pairs.iter().find_map(|pair| {
            let name = |half: &str| lora::parameter_name(pair.layer, pair.module, half);
            if name("A") == parameter.name {
                return Some(&pair.a);
            }
            (name("B") == parameter.name).then_some(&pair.b)
        });
        let values = pair.filter(|values| values.len() == parameter.rows * parameter.columns).ok_or_else(misfit)?;
        parameter.value = Cpu.matrix(parameter.rows, parameter.columns, values.clone())?;
    }
    Ok(decoder)
}
