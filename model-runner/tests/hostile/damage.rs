//! What can be wrong with a model file.

use super::{
    Case,
    dissected::{Dissected, list, text},
};

const U32: u32 = 4;
const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn case(name: impl Into<String>, file: &Dissected) -> Case {
    Case { name: name.into(), bytes: file.to_bytes() }
}

/// Each number of the metadata, replaced, taken away, and in another type.
pub fn numbers(whole: &Dissected) -> Vec<Case> {
    let mut cases = Vec::new();
    for value in &whole.values {
        let (key, kind) = (&value.key, value.kind);
        match kind {
            U32 => {
                for number in [0_u32, 1, 3, 5, 63, 512, 513, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
                    let changed = whole.with_value(key, U32, number.to_le_bytes());
                    cases.push(case(format!("{key} is {number}"), &changed));
                }
                let numbers = list(U32, &[vec![2, 0, 0, 0], vec![0; 4]]);
                cases.push(case(format!("{key} is a list"), &whole.with_value(key, ARRAY, numbers)));
            }
            F32 => {
                for number in [f32::NAN, 0.0, -1.0, f32::INFINITY, f32::MIN_POSITIVE, 1e-30] {
                    let changed = whole.with_value(key, F32, number.to_le_bytes());
                    cases.push(case(format!("{key} is {number:e}"), &changed));
                }
            }
            _ => {}
        }
        cases.push(case(format!("{key} is missing"), &whole.without(key)));
        cases.push(case(format!("{key} is text"), &whole.with_value(key, STRING, text("2"))));
    }
    cases
}

/// Keys that llama.cpp knows and this model does not need.
pub fn more_values(whole: &Dissected) -> Vec<Case> {
    let mut cases = Vec::new();
    for key in [
        "qwen3.expert_count",
        "qwen3.expert_used_count",
        "qwen3.expert_group_count",
        "qwen3.nextn_predict_layers",
        "qwen3.rope.dimension_count",
        "qwen3.rope.scaling.original_context_length",
        "qwen3.attention.key_length_swa",
        "qwen3.attention.sliding_window",
        "qwen3.pooling_type",
        "qwen3.embedding_length_out",
        "split.count",
        "split.no",
        "tokenizer.ggml.eot_token_id",
        "general.alignment",
        "general.quantization_version",
        "general.file_type",
    ] {
        for number in [0_u32, 1, 3, 4096, u32::MAX] {
            let changed = whole.with_value(key, U32, number.to_le_bytes());
            cases.push(case(format!("{key} is {number}"), &changed));
        }
    }
    for (key, number) in
        [("qwen3.rope.scaling.factor", f32::NAN), ("qwen3.rope.scaling.factor", 1e-38), ("qwen3.logit_scale", f32::NAN)]
    {
        cases.push(case(format!("{key} is {number:e}"), &whole.with_value(key, F32, number.to_le_bytes())));
    }
    for (key, value) in [
        ("qwen3.rope.scaling.type", "sideways"),
        ("tokenizer.ggml.pre", "unheard-of"),
        ("tokenizer.ggml.model", "llama"),
        ("tokenizer.ggml.model", "bert"),
        ("tokenizer.ggml.model", "t5"),
        ("tokenizer.ggml.model", "rwkv"),
        ("tokenizer.ggml.model", "plamo2"),
        ("tokenizer.ggml.model", "no_vocab"),
        ("tokenizer.ggml.model", "gemma4"),
        ("tokenizer.ggml.model", "hybriddna"),
        ("tokenizer.ggml.model", "whitespace"),
        ("general.architecture", ""),
        ("tokenizer.chat_template", "{% for"),
    ] {
        cases.push(case(format!("{key} is {value:?}"), &whole.with_value(key, STRING, text(value))));
    }
    for key in ["qwen3.attention.causal", "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"] {
        for flag in [0, 1, 255] {
            cases.push(case(format!("{key} is {flag}"), &whole.with_value(key, BOOL, [flag])));
        }
    }
    cases.extend(families(whole));
    cases
}

/// The file claims to be of another family, under whose name its numbers stand.
fn families(whole: &Dissected) -> Vec<Case> {
    [
        "llama",
        "qwen2",
        "qwen3moe",
        "qwen3next",
        "qwen35",
        "gemma3",
        "gemma3n",
        "gemma4",
        "mamba",
        "mamba2",
        "rwkv7",
        "bert",
        "t5",
        "t5encoder",
        "clip",
        "deepseek2",
        "gpt-oss",
        "falcon-h1",
        "lfm2",
        "wavtokenizer-dec",
        "llama4",
        "phi3",
        "smollm3",
        "olmo2",
        "granitehybrid",
        "jamba",
        "chatglm",
        "command-r",
        "gpt2",
        "dream",
        "mpt",
        "stablelm",
    ]
    .into_iter()
    .map(|family| {
        let mut changed = whole.clone();
        for value in &mut changed.values {
            value.key = value.key.replace("qwen3.", &format!("{family}."));
        }
        let changed = changed.with_value("general.architecture", STRING, text(family));
        case(format!("the family is {family}"), &changed)
    })
    .collect()
}

const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";

/// The tokens, their types and the merges, damaged one way after the other.
pub fn vocabulary(whole: &Dissected) -> Vec<Case> {
    let (tokens, merges) = (whole.texts(TOKENS), whole.texts(MERGES));
    let with_tokens = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = tokens.clone();
        change(&mut changed);
        whole.with_value(TOKENS, ARRAY, list(STRING, &changed.iter().map(text).collect::<Vec<_>>()))
    };
    let with_merges = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut changed = merges.clone();
        change(&mut changed);
        whole.with_value(MERGES, ARRAY, list(STRING, &changed.iter().map(text).collect::<Vec<_>>()))
    };
    let kinds = |kind: &dyn Fn(usize) -> i32, count: usize| {
        let kinds: Vec<_> = (0..count).map(|index| kind(index).to_le_bytes().to_vec()).collect();
        whole.with_value(KINDS, ARRAY, list(I32, &kinds))
    };
    let count = tokens.len();
    let many = |texts: &mut Vec<Vec<u8>>| texts.extend((0..100_000_u32).map(|n| format!("<{n}>").into_bytes()));
    vec![
        case("two tokens are the same", &with_tokens(&|tokens| tokens[5] = tokens[6].clone())),
        case("a token is empty", &with_tokens(&|tokens| tokens[5].clear())),
        case("all tokens are empty", &with_tokens(&|tokens| tokens.iter_mut().for_each(Vec::clear))),
        case("a token is not UTF-8", &with_tokens(&|tokens| tokens[300 % count] = vec![0xFF, 0xC0, 0x80])),
        case("every letter is not UTF-8", &with_tokens(&|tokens| tokens.iter_mut().for_each(|t| t.push(0xF8)))),
        case("a token ends in the middle of a character", &with_tokens(&|tokens| tokens[5] = vec![0xF0, 0x9F])),
        case("a token holds a 0", &with_tokens(&|tokens| tokens[5] = b"a\0b".to_vec())),
        case("a token is long", &with_tokens(&|tokens| tokens[5] = vec![b'a'; 1 << 20])),
        case("a control token is long", &with_tokens(&|tokens| tokens[count - 5] = vec![b'<'; 40_000])),
        case(
            "tokens are letters of no byte",
            &with_tokens(&|tokens| {
                tokens.iter_mut().for_each(|token| token.extend("漢".bytes()));
            }),
        ),
        case("there are no tokens", &with_tokens(&|tokens| tokens.clear())),
        case("there is one token", &with_tokens(&|tokens| tokens.truncate(1))),
        case("there is a token too few", &with_tokens(&|tokens| tokens.truncate(count - 1))),
        case("there is a token too many", &with_tokens(&|tokens| tokens.push(b"more".to_vec()))),
        case("there are far too many tokens", &with_tokens(&many)),
        case("the tokens are numbers", &whole.with_value(TOKENS, ARRAY, list(I32, &vec![vec![0; 4]; count]))),
        case("the tokens are a text", &whole.with_value(TOKENS, STRING, text("abc"))),
        case("merges have no space", &with_merges(&|merges| merges[3] = b"on".to_vec())),
        case("merges are empty", &with_merges(&|merges| merges.iter_mut().for_each(Vec::clear))),
        case("merges are spaces", &with_merges(&|merges| merges.iter_mut().for_each(|m| *m = b"  ".to_vec()))),
        case("merges make no token", &with_merges(&|merges| merges.iter_mut().for_each(|m| *m = b"e l".to_vec()))),
        case(
            "merges are not UTF-8",
            &with_merges(&|merges| merges.iter_mut().for_each(|m| *m = vec![0xFF, b' ', 0x80])),
        ),
        case("merges are the same", &with_merges(&|merges| merges.iter_mut().for_each(|m| *m = b"t h".to_vec()))),
        case("there are no merges", &with_merges(&|merges| merges.clear())),
        case("the merges are numbers", &whole.with_value(MERGES, ARRAY, list(I32, &[vec![0; 4]]))),
        case("token types are unheard of", &kinds(&|_| 77, count)),
        case("token types are negative", &kinds(&|_| -1, count)),
        case("all tokens are control tokens", &kinds(&|_| 3, count)),
        case("all tokens are user-defined", &kinds(&|_| 4, count)),
        case("all tokens are bytes", &kinds(&|_| 6, count)),
        case("all tokens are unknown", &kinds(&|_| 2, count)),
        case("all tokens are unused", &kinds(&|_| 5, count)),
        case("token types are mixed", &kinds(&|index| (index % 9) as i32, count)),
        case("there are too few token types", &kinds(&|_| 1, count - 7)),
        case("there are no token types", &kinds(&|_| 1, 0)),
        case("there are too many token types", &kinds(&|_| 1, count + 7)),
        case("token types are reals", &whole.with_value(KINDS, ARRAY, list(F32, &vec![vec![0; 4]; count]))),
        case("scores are too few", &whole.with_value("tokenizer.ggml.scores", ARRAY, list(F32, &[vec![0; 4]]))),
        case("scores are no list", &whole.with_value("tokenizer.ggml.scores", F32, vec![0; 4])),
        case(
            "suppressed tokens are out of range",
            &whole.with_value("tokenizer.ggml.suppress_tokens", ARRAY, list(I32, &[vec![255; 4], vec![127; 4]])),
        ),
        case(
            "a charsmap is nonsense",
            &whole.with_value("tokenizer.ggml.model", STRING, text("t5")).with_value(
                "tokenizer.ggml.precompiled_charsmap",
                ARRAY,
                list(0, &vec![vec![200]; 64]),
            ),
        ),
    ]
}

/// What the header says of the tensors, damaged; and their contents.
pub fn tensors(whole: &Dissected) -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, tensor) in whole.tensors.iter().enumerate().step_by(3) {
        let mut push = |what: &str, changed: Dissected| cases.push(case(format!("{} {what}", tensor.name), &changed));
        for kind in [1, 2, 8, 16, 24, 30, 39, 41, 99, u32::MAX] {
            push(&format!("is of type {kind}"), whole.with_tensor(index, |tensor| tensor.kind = kind));
        }
        for length in [0, 1, 32, 1 << 31, 1 << 62, u64::MAX] {
            push(&format!("has rows of {length}"), whole.with_tensor(index, |tensor| tensor.dimensions[0] = length));
        }
        push("has no dimensions", whole.with_tensor(index, |tensor| tensor.dimensions.clear()));
        push("is turned", whole.with_tensor(index, |tensor| tensor.dimensions.reverse()));
        push("has 4 dimensions", whole.with_tensor(index, |tensor| tensor.dimensions.resize(4, 1)));
        push("has 5 dimensions", whole.with_tensor(index, |tensor| tensor.dimensions.resize(5, 1)));
        push("has another name", whole.with_tensor(index, |tensor| tensor.name = "another".to_owned()));
        push("has a long name", whole.with_tensor(index, |tensor| tensor.name = "n".repeat(64)));
        push("has no name", whole.with_tensor(index, |tensor| tensor.name.clear()));
        push("lies elsewhere", whole.with_tensor(index, |tensor| tensor.offset = 0));
        push("lies far away", whole.with_tensor(index, |tensor| tensor.offset = 1 << 40));
        push("lies before the beginning", whole.with_tensor(index, |tensor| tensor.offset = u64::MAX - 31));
    }
    for (what, byte) in [("NaN", 0xFF), ("huge", 0x7E), ("0", 0)] {
        let mut changed = whole.clone();
        changed.data.fill(byte);
        cases.push(case(format!("all weights are {what}"), &changed));
    }
    for version in [0, 1, 2, 4, 0x0300_0000] {
        cases.push(case(format!("the version is {version}"), &Dissected { version, ..whole.clone() }));
    }
    cases
}

/// Bytes and bits of the header changed, taken out and put in; cut off; numbers of things that are not there.
pub fn at_random(whole: &Dissected, count: usize) -> Vec<Case> {
    let mut chance = Chance(0x5EED);
    let bytes = whole.to_bytes();
    let header = whole.header_length();
    let mut cases: Vec<_> = (0..count)
        .map(|number| Case { name: format!("at random {number}"), bytes: damaged(&bytes, header, &mut chance) })
        .collect();
    for counts in [(0, 0), (1, 25), (u64::MAX, 25), (1 << 40, 25), (19, 0), (19, u64::MAX), (19, 1 << 32)] {
        cases.push(case(format!("it counts {counts:?}"), &Dissected { counts: Some(counts), ..whole.clone() }));
    }
    cases
}

fn damaged(bytes: &[u8], header: usize, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance.below(3) {
        let place = chance.below(header);
        match chance.below(6) {
            0 => bytes[place] ^= 1 << chance.below(8),
            1 => bytes[place] = chance.below(256) as u8,
            2 => bytes[place..place + 8].copy_from_slice(&chance.next().to_le_bytes()),
            3 => bytes[place..place + 4].fill([0, 0xFF, 0x7F][chance.below(3)]),
            4 => drop(bytes.splice(place..place + chance.below(40), [])),
            _ => drop(bytes.splice(place..place, vec![chance.below(256) as u8; chance.below(40)])),
        }
    }
    match chance.below(12) {
        0 => bytes.truncate(chance.below(bytes.len())),
        1 => bytes.extend(vec![0xA5; chance.below(5000)]),
        _ => {}
    }
    bytes
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
