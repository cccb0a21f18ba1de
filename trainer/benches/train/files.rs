//! The base, the same for transformers, and the folder in which participants leave what the others need.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use trainer::{
    gguf::{Base, GgufFile},
    shape::{Family, Shape},
    testing::{self, RandomBase, Weights},
};

use crate::Result;

/// Qwen3-0.6B. Source: <https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json>.
const SHAPE: Shape = Shape {
    family: Family::Qwen3,
    vocabulary: 151_936,
    width: 1024,
    feed_forward: 3072,
    layers: 28,
    heads: 16,
    key_heads: 8,
    head_size: 128,
    rope_base: 1e6,
    epsilon: 1e-6,
};

/// Where all is.
pub struct Files {
    /// The base as it would be served.
    pub base: PathBuf,
    /// `job.json`, `start.safetensors`, and the base for transformers as `model`.
    pub folder: PathBuf,
}

impl Files {
    /// Writes what is not there yet; none, with a word about it, where the vocabulary is not on this machine.
    pub fn make(weights: Weights, for_transformers: bool) -> Result<Option<Self>> {
        let name = match weights {
            Weights::F32 => "f32",
            Weights::Q8_0 => "q8_0",
            Weights::Q4KM => "q4_k_m",
        };
        let here = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let base = here.join(format!("trained-qwen3-0.6b-random-{name}.gguf"));
        let Some(vocabulary) = vocabulary() else { return Ok(None) };
        if !base.exists() {
            eprintln!("writing {}", base.display());
            RandomBase { shape: SHAPE, tied: true, weights, seed: 1 }.write(&base, &GgufFile::open(&vocabulary)?)?;
        }
        let folder = here.join(format!("trained-qwen3-0.6b-random-{name}"));
        fs::create_dir_all(&folder)?;
        let model = folder.join("model");
        if for_transformers && !model.exists() {
            eprintln!("writing {}, 2.4 GB", model.display());
            // An interrupted run must not leave half a model under the name of a whole one.
            let unfinished = folder.join("unfinished");
            testing::export(&mut Base::open(&base)?, &unfinished)?;
            fs::rename(&unfinished, &model)?;
        }
        Ok(Some(Self { base, folder }))
    }
}

fn vocabulary() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let vocabulary =
        env::var_os("GROUPCHAT_SHARED").map_or_else(beside, PathBuf::from).join("data/ggml-vocab-qwen2.gguf");
    if vocabulary.is_file() {
        return Some(vocabulary);
    }
    println!("skipped: there is no {}; set GROUPCHAT_SHARED to the folder above data", vocabulary.display());
    None
}
