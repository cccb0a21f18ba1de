//! Models of random weights in the shape, the quantisation and the vocabulary of real ones: what takes time and memory
//! does not depend on what the weights are.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use super::GgufWriter;

/// The sizes of a model of the Qwen3 family with tied embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many blocks.
    pub layers: usize,
    /// Elements of what goes from block to block.
    pub width: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub key_heads: usize,
    /// Elements of a head.
    pub head_width: usize,
    /// Elements between the two halves of the feed-forward part.
    pub inner_width: usize,
}

impl Shape {
    /// Qwen3-0.6B. Source: <https://huggingface.co/Qwen/Qwen3-0.6B/blob/main/config.json>.
    pub const QWEN3_06B: Self =
        Self { layers: 28, width: 1024, heads: 16, key_heads: 8, head_width: 128, inner_width: 3072 };

    /// Writes a model of this shape in Q4_K_M, with the vocabulary of another GGUF file.
    ///
    /// # Errors
    /// What the file system says, or that the vocabulary's file is none.
    pub fn write_q4_k_m(&self, vocabulary: &Path, path: &Path) -> io::Result<()> {
        let mut writer = GgufWriter::new("qwen3");
        writer.text("general.name", "random weights");
        self.put_sizes(&mut writer);
        let tokens = copy_vocabulary(vocabulary, &mut writer)?;
        let mut blocks = RandomBlocks(0x9E37_79B9_7F4A_7C15);
        writer.blocks("token_embd.weight", &[self.width, tokens], Q6_K, &blocks.q6_k(self.width, tokens));
        writer.tensor("output_norm.weight", &[self.width], &vec![1.0; self.width]);
        for layer in 0..self.layers {
            self.put_layer(&mut writer, &mut blocks, layer);
        }
        fs::write(path, writer.into_bytes())
    }

    fn put_sizes(&self, writer: &mut GgufWriter) {
        writer.number("qwen3.block_count", self.layers as u32);
        writer.number("qwen3.context_length", 40_960);
        writer.number("qwen3.embedding_length", self.width as u32);
        writer.number("qwen3.feed_forward_length", self.inner_width as u32);
        writer.number("qwen3.attention.head_count", self.heads as u32);
        writer.number("qwen3.attention.head_count_kv", self.key_heads as u32);
        writer.number("qwen3.attention.key_length", self.head_width as u32);
        writer.number("qwen3.attention.value_length", self.head_width as u32);
        writer.real("qwen3.rope.freq_base", 1e6);
        writer.real("qwen3.attention.layer_norm_rms_epsilon", 1e-6);
        writer.number("general.file_type", MOSTLY_Q4_K_M);
    }

    fn put_layer(&self, writer: &mut GgufWriter, blocks: &mut RandomBlocks, layer: usize) {
        let name = |tensor: &str| format!("blk.{layer}.{tensor}.weight");
        for (norm, width) in [
            ("attn_norm", self.width),
            ("ffn_norm", self.width),
            ("attn_q_norm", self.head_width),
            ("attn_k_norm", self.head_width),
        ] {
            writer.tensor(&name(norm), &[width], &vec![1.0; width]);
        }
        let (queries, keys) = (self.heads * self.head_width, self.key_heads * self.head_width);
        for (tensor, inputs, outputs) in [
            ("attn_q", self.width, queries),
            ("attn_k", self.width, keys),
            ("attn_v", self.width, keys),
            ("attn_output", queries, self.width),
            ("ffn_gate", self.width, self.inner_width),
            ("ffn_up", self.width, self.inner_width),
            ("ffn_down", self.inner_width, self.width),
        ] {
            let more_bits = matches!(tensor, "attn_v" | "ffn_down") && self.has_more_bits(layer);
            let (kind, bytes) = match more_bits {
                true => (Q6_K, blocks.q6_k(inputs, outputs)),
                false => (Q4_K, blocks.q4_k(inputs, outputs)),
            };
            writer.blocks(&name(tensor), &[inputs, outputs], kind, &bytes);
        }
    }

    /// Which layers' values and last matrices get six bits in Q4_K_M. Source: `use_more_bits` in llama-quant.cpp.
    fn has_more_bits(&self, layer: usize) -> bool {
        let eighth = self.layers / 8;
        layer < eighth || layer >= 7 * self.layers / 8 || (layer - eighth) % 3 == 2
    }
}

/// ggml's numbers for types of blocks, and llama.cpp's for a file of them.
const Q4_K: u32 = 12;
const Q6_K: u32 = 14;
const MOSTLY_Q4_K_M: u32 = 15;
/// Elements of a block of either type.
const BLOCK: usize = 256;

/// Blocks of random quants (SplitMix64) whose scales give the weights the spread that keeps a network's values at one
/// size: a variance of 1 in the number of inputs.
struct RandomBlocks(u64);

impl RandomBlocks {
    /// `block_q4_K` in ggml-common.h: two scales, 12 bytes of 6-bit scales and minima, 256 quants of 4 bits.
    fn q4_k(&mut self, inputs: usize, outputs: usize) -> Vec<u8> {
        // An even draw from 0 to 15 has a standard deviation of 4.6 and a mean of 7.5; all inner scales are 32.
        let scale = (inputs as f32).sqrt().recip() / (32.0 * 4.6);
        let mut block = [0; 144];
        block[..2].copy_from_slice(&half(scale));
        block[2..4].copy_from_slice(&half(7.5 * scale));
        // The 6-bit value 32 in the packing of `get_scale_min_k4`: four scales, four minima, and their upper halves' low bits.
        block[4..12].fill(0x20 | 0x80);
        block[12..16].fill(0);
        self.fill(block, 16..144, inputs * outputs / BLOCK)
    }

    /// `block_q6_K` in ggml-common.h: 192 bytes of quants of 6 bits, 16 signed scales, one scale of all.
    fn q6_k(&mut self, inputs: usize, outputs: usize) -> Vec<u8> {
        // An even draw from -32 to 31 has a standard deviation of 18.5; all inner scales are 8.
        let scale = (inputs as f32).sqrt().recip() / (8.0 * 18.5);
        let mut block = [0; 210];
        block[192..208].fill(8);
        block[208..].copy_from_slice(&half(scale));
        self.fill(block, 0..192, inputs * outputs / BLOCK)
    }

    fn fill<const N: usize>(&mut self, block: [u8; N], quants: std::ops::Range<usize>, count: usize) -> Vec<u8> {
        let mut bytes = block.repeat(count);
        for block in bytes.chunks_exact_mut(N) {
            for eight in block[quants.clone()].chunks_exact_mut(8) {
                eight.copy_from_slice(&self.next().to_le_bytes());
            }
        }
        bytes
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// An F16 of a positive number between 2^-14 and 2^15, cut off.
fn half(number: f32) -> [u8; 2] {
    let bits = number.to_bits();
    let exponent = (bits >> 23) as i32 - 127 + 15;
    assert!((1..31).contains(&exponent), "{number} is a normal number of 16 bits");
    (((exponent as u16) << 10) | ((bits >> 13) & 0x3FF) as u16).to_le_bytes()
}

/// Copies everything about the vocabulary, and gives the number of its tokens.
fn copy_vocabulary(path: &Path, writer: &mut GgufWriter) -> io::Result<usize> {
    let mut reader = Reader(BufReader::new(File::open(path)?));
    reader.bytes(16)?;
    let mut tokens = 0;
    for _ in 0..reader.u64()? {
        let key = reader.text()?;
        let kind = reader.u32()?;
        let value = reader.value(kind)?;
        if key.starts_with("tokenizer.") {
            if key == "tokenizer.ggml.tokens" {
                tokens = u64::from_le_bytes(value[4..12].try_into().expect("8 of 8 bytes")) as usize;
            }
            writer.value(&key, kind, &value);
        }
    }
    if tokens == 0 { Err(io::Error::other("it holds no vocabulary")) } else { Ok(tokens) }
}

/// Reads the values of a GGUF file that is known to be whole.
struct Reader(BufReader<File>);

impl Reader {
    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.0.by_ref().take(length).read_to_end(&mut bytes)? as u64 {
            read if read == length => Ok(bytes),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(4)?.try_into().expect("4 of 4 bytes")))
    }

    fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.bytes(8)?.try_into().expect("8 of 8 bytes")))
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.u64()?;
        String::from_utf8(self.bytes(length)?).map_err(io::Error::other)
    }

    /// A value as its bytes.
    fn value(&mut self, kind: u32) -> io::Result<Vec<u8>> {
        const TEXT: u32 = 8;
        const LIST: u32 = 9;
        match kind {
            0 | 1 | 7 => self.bytes(1),
            2 | 3 => self.bytes(2),
            4..=6 => self.bytes(4),
            10..=12 => self.bytes(8),
            TEXT => {
                let length = self.u64()?;
                Ok([length.to_le_bytes().to_vec(), self.bytes(length)?].concat())
            }
            LIST => {
                let (kind, count) = (self.u32()?, self.u64()?);
                let mut bytes = [kind.to_le_bytes().as_slice(), &count.to_le_bytes()].concat();
                for _ in 0..count {
                    bytes.extend(self.value(kind)?);
                }
                Ok(bytes)
            }
            kind => Err(io::Error::other(format!("a value has the unknown type {kind}"))),
        }
    }
}
