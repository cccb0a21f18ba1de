//! A Qwen3 of two layers, 64 wide, with random weights and a vocabulary of its own.

use std::{fs, io, path::Path};

use super::GgufWriter;

pub(super) const LAYERS: usize = 2;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const KEY_HEADS: usize = 2;
const HEAD_WIDTH: usize = 16;
const INNER_WIDTH: usize = 128;

/// The matrices of a layer: their name, the length of what they take and of what they give.
pub(super) const MATRICES: [(&str, usize, usize); 7] = [
    ("attn_q", WIDTH, HEADS * HEAD_WIDTH),
    ("attn_k", WIDTH, KEY_HEADS * HEAD_WIDTH),
    ("attn_v", WIDTH, KEY_HEADS * HEAD_WIDTH),
    ("attn_output", HEADS * HEAD_WIDTH, WIDTH),
    ("ffn_gate", WIDTH, INNER_WIDTH),
    ("ffn_up", WIDTH, INNER_WIDTH),
    ("ffn_down", INNER_WIDTH, WIDTH),
];

/// Pairs that are joined when text is cut into tokens, in the spelling of [`spell`]; the last two lines join the first
/// bytes of emoji and of Cyrillic letters, so that there are tokens of several bytes that are not whole characters.
const MERGES: [(&str, &str); 24] = [
    ("t", "h"),
    ("th", "e"),
    ("i", "n"),
    ("e", "r"),
    ("a", "n"),
    ("o", "u"),
    ("o", "n"),
    ("Ġ", "a"),
    ("Ġ", "t"),
    ("Ġt", "he"),
    ("h", "e"),
    ("Ġ", "s"),
    ("Ġ", "w"),
    ("i", "s"),
    ("a", "t"),
    ("in", "g"),
    ("y", "ou"),
    ("Ġ", "you"),
    ("Ċ", "Ċ"),
    ("h", "a"),
    ("ð", "Ł"),
    ("ðŁ", "ĺ"),
    ("Ð", "¾"),
    ("Ñ", "Ģ"),
];

const CONTROL_TOKENS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const THINK_TOKENS: [&str; 2] = ["<think>", "</think>"];

/// How to make a tiny model. Under the same fields it is the same to the byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TinyModel {
    /// What the weights are drawn from.
    pub seed: u64,
    /// The family that the file claims: `qwen3` is loaded, what llama.cpp does not know is refused by it.
    pub architecture: String,
    /// The longest context in tokens.
    pub context: u32,
    /// The token that ends a turn; none for `<|im_end|>`, which these weights never choose.
    pub end_token: Option<u32>,
}

impl Default for TinyModel {
    fn default() -> Self {
        Self { seed: 1, architecture: "qwen3".to_owned(), context: 32_768, end_token: None }
    }
}

impl TinyModel {
    /// Writes the model to a file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_bytes())
    }

    /// The model as the bytes of a GGUF file: about half a megabyte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = GgufWriter::new(&self.architecture);
        self.put_shape(&mut writer);
        let vocabulary = Vocabulary::new();
        vocabulary.put(&mut writer, self.end_token);
        Weights(self.seed).put(&mut writer, &vocabulary);
        writer.into_bytes()
    }

    fn put_shape(&self, writer: &mut GgufWriter) {
        writer.text("general.name", &format!("tiny-random-{}", self.seed));
        let key = |name: &str| format!("{}.{name}", self.architecture);
        writer.number(&key("block_count"), LAYERS as u32);
        writer.number(&key("context_length"), self.context);
        writer.number(&key("embedding_length"), WIDTH as u32);
        writer.number(&key("feed_forward_length"), INNER_WIDTH as u32);
        writer.number(&key("attention.head_count"), HEADS as u32);
        writer.number(&key("attention.head_count_kv"), KEY_HEADS as u32);
        writer.number(&key("attention.key_length"), HEAD_WIDTH as u32);
        writer.number(&key("attention.value_length"), HEAD_WIDTH as u32);
        writer.real(&key("rope.freq_base"), 1e6);
        writer.real(&key("attention.layer_norm_rms_epsilon"), 1e-6);
    }
}

/// A byte-level vocabulary: the 256 bytes, what the merges make of them, and the tokens of ChatML.
struct Vocabulary {
    tokens: Vec<String>,
    plain: usize,
}

impl Vocabulary {
    fn new() -> Self {
        let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| spell(byte).to_string()).collect();
        tokens.extend(MERGES.map(|(left, right)| format!("{left}{right}")));
        let plain = tokens.len();
        tokens.extend(CONTROL_TOKENS.into_iter().chain(THINK_TOKENS).map(str::to_owned));
        Self { tokens, plain }
    }

    fn put(&self, writer: &mut GgufWriter, end_token: Option<u32>) {
        const NORMAL: i32 = 1;
        const CONTROL: i32 = 3;
        const USER_DEFINED: i32 = 4;
        let mut kinds = vec![NORMAL; self.plain];
        kinds.extend(CONTROL_TOKENS.map(|_| CONTROL));
        kinds.extend(THINK_TOKENS.map(|_| USER_DEFINED));
        let [padding, _, turn_end] = [0, 1, 2].map(|index| self.plain as u32 + index);
        writer.text("tokenizer.ggml.model", "gpt2");
        writer.text("tokenizer.ggml.pre", "qwen2");
        writer.texts("tokenizer.ggml.tokens", &self.tokens);
        writer.integers("tokenizer.ggml.token_type", &kinds);
        writer.texts("tokenizer.ggml.merges", &MERGES.map(|(left, right)| format!("{left} {right}")));
        writer.number("tokenizer.ggml.bos_token_id", padding);
        writer.number("tokenizer.ggml.padding_token_id", padding);
        writer.number("tokenizer.ggml.eos_token_id", end_token.unwrap_or(turn_end));
        writer.flag("tokenizer.ggml.add_bos_token", false);
    }
}

/// The printable character that stands for a byte in a GPT-2 vocabulary: bytes that print stand for themselves, the
/// others take the characters from U+0100 on, in order.
///
/// Source: `bytes_to_unicode` in <https://github.com/openai/gpt-2/blob/master/src/encoder.py>.
fn spell(byte: u8) -> char {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if prints(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&before| !prints(before)).count() as u32;
    char::from_u32(0x100 + rank).expect("fewer than 256 after U+0100")
}

/// A stream of random weights (SplitMix64).
pub(super) struct Weights(pub(super) u64);

impl Weights {
    fn put(&mut self, writer: &mut GgufWriter, vocabulary: &Vocabulary) {
        let size = vocabulary.tokens.len();
        writer.tensor("token_embd.weight", &[WIDTH, size], &self.matrix(WIDTH * size, 0.5));
        writer.tensor("output_norm.weight", &[WIDTH], &[1.0; WIDTH]);
        // The rows of the control tokens are 0: the other logits are drawn from both sides of 0, so none of these is
        // ever the likeliest and answers are as long as a test wants them.
        let mut output = self.matrix(WIDTH * size, 0.3);
        output[WIDTH * vocabulary.plain..].fill(0.0);
        writer.tensor("output.weight", &[WIDTH, size], &output);
        for layer in 0..LAYERS {
            self.put_layer(writer, layer);
        }
    }

    fn put_layer(&mut self, writer: &mut GgufWriter, layer: usize) {
        let name = |tensor: &str| format!("blk.{layer}.{tensor}.weight");
        for (norm, width) in
            [("attn_norm", WIDTH), ("ffn_norm", WIDTH), ("attn_q_norm", HEAD_WIDTH), ("attn_k_norm", HEAD_WIDTH)]
        {
            writer.tensor(&name(norm), &[width], &vec![1.0; width]);
        }
        for (tensor, inputs, outputs) in MATRICES {
            let spread = (inputs as f32).sqrt().recip();
            writer.tensor(&name(tensor), &[inputs, outputs], &self.matrix(inputs * outputs, spread));
        }
    }

    pub(super) fn matrix(&mut self, length: usize, spread: f32) -> Vec<f32> {
        (0..length).map(|_| spread * self.normal()).collect()
    }

    /// About normal with variance 1: the sum of twelve even draws, less their mean.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.even()).sum::<f32>() - 6.0
    }

    fn even(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spelt_as_in_gpt_2() {
        for (byte, spelling) in
            [(b'a', 'a'), (b' ', 'Ġ'), (b'\n', 'Ċ'), (0, 'Ā'), (0x7F, 'ġ'), (0xAD, 'Ń'), (0xF0, 'ð')]
        {
            assert_eq!(spell(byte), spelling);
        }
    }

    #[test]
    fn every_merge_joins_tokens_and_every_token_is_there_once() {
        let tokens = Vocabulary::new().tokens;
        for (left, right) in MERGES {
            assert!(
                tokens.iter().any(|token| token == left) && tokens.iter().any(|token| token == right),
                "{left} {right}"
            );
        }
        let distinct: std::collections::HashSet<&String> = tokens.iter().collect();
        assert_eq!(distinct.len(), tokens.len());
    }

    #[test]
    fn the_same_fields_give_the_same_model() {
        assert_eq!(TinyModel::default().to_bytes(), TinyModel::default().to_bytes());
        assert_ne!(TinyModel::default().to_bytes(), TinyModel { seed: 2, ..TinyModel::default() }.to_bytes());
    }
}
