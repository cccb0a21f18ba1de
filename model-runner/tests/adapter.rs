//! llama.cpp takes the adapters that the tests make, and they change what the model says.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::path::Path;

use llama_cpp_2::{
    context::params::LlamaContextParams,
    llama_backend::LlamaBackend,
    llama_batch::LlamaBatch,
    model::{LlamaModel, params::LlamaModelParams},
};
use model_runner::{
    AdapterHeader,
    testing::{TinyAdapter, TinyModel},
};

/// What the model expects after one token, with an adapter; none where llama.cpp does not take that.
fn logits(backend: &LlamaBackend, model: &mut LlamaModel, adapter: Option<&Path>) -> Option<Vec<f32>> {
    let mut adapter = match adapter {
        Some(file) => Some(model.lora_adapter_init(file).ok()?),
        None => None,
    };
    let mut context = model.new_context(backend, LlamaContextParams::default()).unwrap();
    if let Some(adapter) = &mut adapter {
        context.lora_adapter_set(adapter, 1.0).unwrap();
    }
    let mut batch = LlamaBatch::new(1, 1);
    batch.add(model.vocab().tokenize(b"a", false, false)[0], 0, &[0], true).unwrap();
    context.decode(&mut batch).unwrap();
    Some(context.get_logits().to_vec())
}

#[test]
fn an_adapter_loads_and_changes_what_the_model_expects() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, adapter: TinyAdapter| {
        let file = folder.path().join(name);
        adapter.write(&file).unwrap();
        file
    };
    let file = folder.path().join("tiny.gguf");
    TinyModel::default().write(&file).unwrap();
    let mut backend = LlamaBackend::init().unwrap();
    backend.void_logs();
    let mut model = LlamaModel::load_from_file(&backend, &file, &LlamaModelParams::default()).unwrap();

    let some = write("some.gguf", TinyAdapter { rank: 2, ..TinyAdapter::default() });
    let nothing = write("nothing.gguf", TinyAdapter { scale: 0.0, ..TinyAdapter::default() });
    let other = write("other.gguf", TinyAdapter { architecture: "llama".to_owned(), ..TinyAdapter::default() });
    assert_eq!(AdapterHeader::read(&some).unwrap().rank, 2);

    let plain = logits(&backend, &mut model, None).unwrap();
    assert_ne!(logits(&backend, &mut model, Some(&some)).unwrap(), plain);
    assert_eq!(logits(&backend, &mut model, Some(&nothing)).unwrap(), plain);
    assert_eq!(logits(&backend, &mut model, Some(&other)), None);
    check_damaged(&backend, &mut model, folder.path());
}

/// Whatever passes the check of the header, llama.cpp takes or refuses: it would end this test otherwise.
fn check_damaged(backend: &LlamaBackend, model: &mut LlamaModel, folder: &Path) {
    let whole = TinyAdapter::default().to_bytes();
    let file = folder.join("damaged.gguf");
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..400 {
        std::fs::write(&file, damaged(whole.clone(), seed)).unwrap();
        match AdapterHeader::read(&file) {
            Ok(_) => taken += u32::from(logits(backend, model, Some(&file)).is_some()),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100 && taken > 5, "{refused} were refused, {taken} taken");
}

/// Some bytes of the header are changed.
fn damaged(mut bytes: Vec<u8>, seed: u64) -> Vec<u8> {
    /// About where the data of the first tensor begin.
    const HEADER: u64 = 2208;
    let mut state = seed;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    for _ in 0..=below(2) {
        let place = below(HEADER) as usize;
        bytes[place] = match below(3) {
            0 => bytes[place] ^ (1 << below(8)),
            1 => below(256) as u8,
            _ => bytes[place].wrapping_add(1),
        };
    }
    bytes
}
