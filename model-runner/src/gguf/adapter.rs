//! Reads the header of a GGUF file that holds a LoRA adapter.
//!
//! llama.cpp reads an adapter's values with functions that end the process where the type is another, and multiplies
//! with its matrices whatever their shape. The first is settled here; that the shapes fit the model is for llama.cpp,
//! which refuses them in words.
//!
//! Layout: `llama_adapter_lora_init_impl` in llama-adapter.cpp, and llama.cpp's convert_lora_to_gguf.py, which writes it.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
    path::Path,
};

use super::{
    BadGguf,
    facts::Facts,
    open, read_version,
    reader::Reader,
    tensors::{self, Tensor},
};

/// Adapters have ranks from 4 to 256.
const MAX_RANK: u64 = 4096;
/// Longer than the vocabulary of any model.
const MAX_LENGTH: u64 = 1 << 24;
/// ggml's numbers for F32, F16, Q8_0 and BF16: what llama.cpp's converter writes adapters in.
const KINDS: [u32; 4] = [0, 1, 8, 30];

/// What the header says about the adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterHeader {
    /// The family of the models that it is for, as `qwen3`.
    pub architecture: String,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The greatest rank of its pairs of matrices.
    pub rank: u64,
    /// What an adapter is scaled with, over its rank.
    pub alpha: f32,
    /// How many matrices of the model it changes.
    pub pairs: usize,
    /// The version of the prompt that it was trained with, where our training wrote it.
    pub prompt_version: Option<u32>,
    /// The SHA-256 of the model's file that it was trained on, where our training wrote it.
    pub base_sha256: Option<String>,
    /// Whom it was trained on, where our training wrote it: a JSON array of `{"id": 3, "name": "Ada"}`.
    pub members: Option<String>,
}

impl AdapterHeader {
    /// Reads and checks the header of a file.
    ///
    /// # Errors
    /// [`BadGguf`] says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, BadGguf> {
        let (file, size) = open(path)?;
        Self::check(file, size)
    }

    /// Checks the header of anything of `size` bytes.
    pub(crate) fn check(source: impl Read + Seek, size: u64) -> Result<Self, BadGguf> {
        let mut reader = Reader::new(source, size);
        read_version(&mut reader)?;
        let count = reader.u64("the number of tensors")?;
        let values = reader.u64("the number of values")?;
        let facts = Facts::read(&mut reader, values)?;
        check_type(&facts)?;
        let alpha = read_alpha(&facts)?;
        let ranks = ranks(&tensors::read(&mut reader, count, facts.alignment()?)?)?;
        Ok(Self {
            architecture: facts.architecture()?,
            name: facts.text("general.name").map(str::to_owned),
            rank: ranks.iter().copied().max().ok_or_else(|| damaged("it changes nothing"))?,
            alpha,
            pairs: ranks.len(),
            prompt_version: facts.number("groupchat.prompt_version"),
            base_sha256: facts.text("groupchat.base_sha256").map(str::to_owned),
            members: facts.text("groupchat.members").map(str::to_owned),
        })
    }
}

fn check_type(facts: &Facts) -> Result<(), BadGguf> {
    match (facts.text("general.type"), facts.text("adapter.type")) {
        (Some("adapter"), Some("lora")) => Ok(()),
        (Some("adapter"), other) => Err(BadGguf::NotAnAdapter(format!("adapter/{}", other.unwrap_or("")))),
        (other, _) => Err(BadGguf::NotAnAdapter(other.unwrap_or("model").to_owned())),
    }
}

fn read_alpha(facts: &Facts) -> Result<f32, BadGguf> {
    const KEY: &str = "adapter.lora.alpha";
    match facts.real(KEY) {
        Some(alpha) if alpha.is_finite() => Ok(alpha),
        Some(alpha) => Err(damaged(format!("{KEY} is {alpha}"))),
        None => Err(damaged(format!("{KEY} is missing"))),
    }
}

/// The two matrices that are added, multiplied, to one of the model.
#[derive(Default)]
struct Pair<'a> {
    a: Option<&'a Tensor>,
    b: Option<&'a Tensor>,
}

/// The rank of each pair.
fn ranks(tensors: &[Tensor]) -> Result<Vec<u64>, BadGguf> {
    let mut pairs = BTreeMap::<&str, Pair<'_>>::new();
    for tensor in tensors {
        check_matrix(tensor)?;
        if let Some(name) = tensor.name.strip_suffix(".lora_a") {
            pairs.entry(name).or_default().a = Some(tensor);
        } else if let Some(name) = tensor.name.strip_suffix(".lora_b") {
            pairs.entry(name).or_default().b = Some(tensor);
        } else {
            return Err(damaged(format!("the tensor {} is neither a lora_a nor a lora_b", tensor.name)));
        }
    }
    pairs.into_iter().map(|(name, pair)| rank(name, &pair)).collect()
}

fn check_matrix(tensor: &Tensor) -> Result<(), BadGguf> {
    let bounded = tensor.dimensions.iter().all(|length| (1..=MAX_LENGTH).contains(length));
    if tensor.dimensions.len() != 2 || !bounded {
        return Err(damaged(format!("the tensor {} is not a matrix", tensor.name)));
    }
    if !KINDS.contains(&tensor.kind) {
        return Err(damaged(format!("the tensor {} is of type {}", tensor.name, tensor.kind)));
    }
    Ok(())
}

fn rank(name: &str, pair: &Pair<'_>) -> Result<u64, BadGguf> {
    let a = pair.a.ok_or_else(|| damaged(format!("{name}.lora_a is missing")))?;
    let b = pair.b.ok_or_else(|| damaged(format!("{name}.lora_b is missing")))?;
    // The matrix of the tokens' embeddings is the only one whose rows are looked up, and it lies the other way.
    let of_a = if name.ends_with("token_embd.weight") { a.dimensions[0] } else { a.dimensions[1] };
    let of_b = b.dimensions[0];
    if of_a == of_b && of_a <= MAX_RANK {
        Ok(of_a)
    } else {
        Err(damaged(format!("{name}.lora_a has rank {of_a} and {name}.lora_b has rank {of_b}")))
    }
}

fn damaged(what: impl Into<String>) -> BadGguf {
    BadGguf::Damaged(what.into())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{GgufWriter, TinyAdapter, TinyModel};

    fn header(bytes: &[u8]) -> Result<AdapterHeader, BadGguf> {
        AdapterHeader::check(Cursor::new(bytes), bytes.len() as u64)
    }

    fn check(bytes: &[u8], expected: Expect) {
        expected.assert_eq(&match header(bytes) {
            Ok(header) => format!("{header:?}"),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn an_adapter_is_read() {
        let adapter =
            TinyAdapter { prompt_version: Some(3), base_sha256: Some("ab".repeat(32)), ..TinyAdapter::default() };
        check(
            &adapter.to_bytes(),
            expect![[
                r#"AdapterHeader { architecture: "qwen3", name: Some("tiny-adapter-1"), rank: 4, alpha: 8.0, pairs: 14, prompt_version: Some(3), base_sha256: Some("abababababababababababababababababababababababababababababababab"), members: None }"#
            ]],
        );
    }

    fn writer(values: impl FnOnce(&mut GgufWriter)) -> GgufWriter {
        let mut writer = GgufWriter::new("qwen3");
        writer.text("general.type", "adapter");
        writer.text("adapter.type", "lora");
        values(&mut writer);
        writer
    }

    #[test]
    fn the_members_of_a_large_community_fit() {
        let members = r#"{"id":100000,"name":"Somebody"},"#.repeat(10_000);
        let mut writer = writer(|writer| writer.real("adapter.lora.alpha", 8.0));
        writer.text("groupchat.members", &members);
        writer.tensor("blk.0.attn_q.weight.lora_a", &[64, 4], &[0.5; 256]);
        writer.tensor("blk.0.attn_q.weight.lora_b", &[4, 64], &[0.5; 256]);
        assert_eq!(header(&writer.into_bytes()).unwrap().members, Some(members));
    }

    #[test]
    fn what_is_no_adapter_is_refused_in_words() {
        check(
            &TinyModel::default().to_bytes(),
            expect![[r#"it is a GGUF file of type "model", not a LoRA adapter; give the adapter that training wrote"#]],
        );
        let mut control_vector = GgufWriter::new("qwen3");
        control_vector.text("general.type", "adapter");
        control_vector.text("adapter.type", "aria");
        check(
            &control_vector.into_bytes(),
            expect![[
                r#"it is a GGUF file of type "adapter/aria", not a LoRA adapter; give the adapter that training wrote"#
            ]],
        );
        check(
            &writer(|_| {}).into_bytes(),
            expect!["its header is damaged (adapter.lora.alpha is missing); fetch it again"],
        );
        check(
            &writer(|writer| writer.number("adapter.lora.alpha", 8)).into_bytes(),
            expect!["its header is damaged (adapter.lora.alpha is missing); fetch it again"],
        );
        check(
            &writer(|writer| writer.real("adapter.lora.alpha", f32::NAN)).into_bytes(),
            expect!["its header is damaged (adapter.lora.alpha is NaN); fetch it again"],
        );
    }

    fn check_matrices(matrices: &[(&str, &[usize])], expected: Expect) {
        let mut writer = writer(|writer| writer.real("adapter.lora.alpha", 8.0));
        for (name, dimensions) in matrices {
            writer.tensor(name, dimensions, &vec![0.5; dimensions.iter().product()]);
        }
        check(&writer.into_bytes(), expected);
    }

    #[test]
    fn matrices_that_make_no_pair_are_refused_in_words() {
        const A: &str = "blk.0.attn_q.weight.lora_a";
        const B: &str = "blk.0.attn_q.weight.lora_b";
        check_matrices(&[], expect!["its header is damaged (it holds no tensors); fetch it again"]);
        check_matrices(
            &[(A, &[64, 4])],
            expect!["its header is damaged (blk.0.attn_q.weight.lora_b is missing); fetch it again"],
        );
        check_matrices(
            &[(B, &[4, 64])],
            expect!["its header is damaged (blk.0.attn_q.weight.lora_a is missing); fetch it again"],
        );
        check_matrices(
            &[(A, &[64, 4]), (B, &[8, 64])],
            expect![
                "its header is damaged (blk.0.attn_q.weight.lora_a has rank 4 and blk.0.attn_q.weight.lora_b has rank 8); fetch it again"
            ],
        );
        check_matrices(
            &[(A, &[64, 5000]), (B, &[5000, 64])],
            expect![
                "its header is damaged (blk.0.attn_q.weight.lora_a has rank 5000 and blk.0.attn_q.weight.lora_b has rank 5000); fetch it again"
            ],
        );
        check_matrices(
            &[(A, &[64, 4, 1]), (B, &[4, 64])],
            expect!["its header is damaged (the tensor blk.0.attn_q.weight.lora_a is not a matrix); fetch it again"],
        );
        check_matrices(
            &[(A, &[64, 0]), (B, &[0, 64])],
            expect!["its header is damaged (the tensor blk.0.attn_q.weight.lora_a is not a matrix); fetch it again"],
        );
        check_matrices(
            &[("blk.0.attn_q.weight", &[64, 64])],
            expect![
                "its header is damaged (the tensor blk.0.attn_q.weight is neither a lora_a nor a lora_b); fetch it again"
            ],
        );
    }

    proptest! {
        #[test]
        fn an_adapter_cut_anywhere_is_refused(cut in any::<prop::sample::Index>()) {
            let bytes = TinyAdapter::default().to_bytes();
            prop_assert!(header(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn damage_is_refused_or_harmless_but_never_a_panic(
            place in 0_usize..2 * 1024,
            damage in prop::collection::vec(any::<u8>(), 1..16),
        ) {
            let mut bytes = TinyAdapter::default().to_bytes();
            bytes[place..place + damage.len()].copy_from_slice(&damage);
            drop(header(&bytes));
        }
    }
}
