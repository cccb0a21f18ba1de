//! Reads the values of a GGUF file, and keeps those that decide whether llama.cpp can be trusted with it.

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Seek},
};

use super::{BadGguf, reader::Reader};

/// Files have about 40 values.
const MAX_VALUES: u64 = 64 * 1024;
/// The bounds of the alignment of tensors: its default, which llama.cpp's CPU code relies on, and a page of any kind.
const ALIGNMENTS: std::ops::RangeInclusive<u64> = DEFAULT_ALIGNMENT..=1 << 21;
const DEFAULT_ALIGNMENT: u64 = 32;

/// What is kept of the values; the rest is only walked over.
#[derive(Default)]
pub(super) struct Facts {
    numbers: HashMap<String, u32>,
    reals: HashMap<String, f32>,
    texts: HashMap<String, String>,
    /// The tokens of the vocabulary as llama.cpp takes them: up to their first zero byte.
    pub(super) tokens: HashSet<Vec<u8>>,
    /// The place that a token had that was there before already.
    pub(super) repeated_token: Option<u64>,
}

impl Facts {
    /// Reads `count` values.
    pub(super) fn read(reader: &mut Reader<impl Read + Seek>, count: u64) -> Result<Self, BadGguf> {
        if count > MAX_VALUES {
            return Err(BadGguf::Damaged(format!("it claims to hold {count} values")));
        }
        let mut facts = Self::default();
        for _ in 0..count {
            let key = reader.string("a key")?;
            let kind = reader.u32(&key)?;
            match kind {
                UINT32 => drop(facts.numbers.insert(key.clone(), reader.u32(&key)?)),
                FLOAT32 => drop(facts.reals.insert(key.clone(), f32::from_bits(reader.u32(&key)?))),
                STRING if is_kept(&key) => drop(facts.texts.insert(key.clone(), reader.string(&key)?)),
                ARRAY if key == "tokenizer.ggml.tokens" => facts.read_tokens(reader, &key)?,
                kind => skip_value(reader, &key, kind)?,
            }
        }
        Ok(facts)
    }

    /// A number of 32 bits without sign. llama.cpp itself refuses one of another type in words.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    /// A real number of 32 bits.
    pub(super) fn real(&self, key: &str) -> Option<f32> {
        self.reals.get(key).copied()
    }

    /// One of the texts that are kept.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// The family of models.
    pub(super) fn architecture(&self) -> Result<String, BadGguf> {
        let architecture = self.text("general.architecture").map(str::to_owned);
        architecture.ok_or_else(|| BadGguf::Damaged("general.architecture is missing".to_owned()))
    }

    /// What the places of tensors are multiples of, in bytes.
    pub(super) fn alignment(&self) -> Result<u64, BadGguf> {
        let alignment = self.number("general.alignment").map_or(DEFAULT_ALIGNMENT, u64::from);
        if alignment.is_power_of_two() && ALIGNMENTS.contains(&alignment) {
            Ok(alignment)
        } else {
            Err(BadGguf::Damaged(format!("general.alignment is {alignment}")))
        }
    }

    fn read_tokens(&mut self, reader: &mut Reader<impl Read + Seek>, key: &str) -> Result<(), BadGguf> {
        let (kind, count) = (reader.u32(key)?, reader.u64(key)?);
        if kind != STRING {
            return skip_elements(reader, key, kind, count);
        }
        for index in 0..count {
            let mut token = reader.raw_string("a token")?;
            token.truncate(token.iter().position(|&byte| byte == 0).unwrap_or(token.len()));
            // llama.cpp gives each empty one a name of its own.
            if !token.is_empty() && !self.tokens.insert(token) {
                self.repeated_token.get_or_insert(index);
            }
        }
        Ok(())
    }
}

/// Others can be long, as the template of a conversation is, and say nothing about whether the file is whole.
fn is_kept(key: &str) -> bool {
    matches!(
        key,
        "general.architecture"
            | "general.type"
            | "general.name"
            | "adapter.type"
            | "groupchat.base_sha256"
            | "groupchat.members"
            | "tokenizer.ggml.model"
    ) || key.ends_with(".rope.scaling.type")
}

const UINT32: u32 = 4;
const FLOAT32: u32 = 6;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

fn skip_value(reader: &mut Reader<impl Read + Seek>, key: &str, kind: u32) -> Result<(), BadGguf> {
    match kind {
        STRING => skip_string(reader, key),
        ARRAY => {
            let (kind, count) = (reader.u32(key)?, reader.u64(key)?);
            skip_elements(reader, key, kind, count)
        }
        kind => skip_elements(reader, key, kind, 1),
    }
}

fn skip_elements(reader: &mut Reader<impl Read + Seek>, key: &str, kind: u32, count: u64) -> Result<(), BadGguf> {
    if kind == STRING {
        return (0..count).try_for_each(|_| skip_string(reader, key));
    }
    let size = fixed_size(kind).ok_or_else(|| BadGguf::Damaged(format!("{key} has the unknown type {kind}")))?;
    reader.skip(count.saturating_mul(size), key)
}

fn skip_string(reader: &mut Reader<impl Read + Seek>, key: &str) -> Result<(), BadGguf> {
    let length = reader.u64(key)?;
    reader.skip(length, key)
}

/// The size in bytes of a value of a type, where all values of it have the same.
fn fixed_size(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}
