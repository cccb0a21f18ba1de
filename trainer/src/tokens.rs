//! Text into tokens, as llama.cpp does it for the same file.

use candle_core::quantized::gguf_file::Value;
use chat::{ModelMarkup, Piece, Thinking, prompt::chatml};
use tokenizers::{
    Model, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior,
    models::bpe::BPE,
    pre_tokenizers::{
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use crate::{
    error::{Error, Result},
    gguf::GgufFile,
    packing::Example,
    shape::Family,
};

/// How the vocabularies of Qwen2 and Qwen3 cut text into words before bytes are joined.
///
/// Source: the `pre_tokenizer` of their tokenizer.json; llama.cpp has the same under the name `qwen2`.
pub(crate) const QWEN2_WORDS: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

const END_OF_TURN: &str = "<|im_end|>";
/// What a token is, by GGUF's numbers.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The vocabulary of a base.
pub struct Tokeniser {
    bpe: BPE,
    words: Sequence,
    /// Tokens that are cut out of control pieces, longest first.
    special: Vec<(String, u32)>,
    /// Markup that people might type: it is cut, so that it stays what they typed.
    markup: ModelMarkup,
    /// Other user-defined tokens, which are tokens wherever they stand; longest first.
    everywhere: Vec<(String, u32)>,
    end_of_turn: u32,
    thinking: Thinking,
}

impl Tokeniser {
    /// Reads the vocabulary of a GGUF file.
    ///
    /// # Errors
    /// Where it has none, or one of a kind that is not known here.
    pub fn read(file: &GgufFile, family: Family) -> Result<Self> {
        let model = file.text("tokenizer.ggml.model").unwrap_or("none");
        let words = file.text("tokenizer.ggml.pre").unwrap_or("default");
        if (model, words) != ("gpt2", "qwen2") {
            return Err(file.refuse(format!(
                "its vocabulary is of the kind {model}/{words}, and only that of Qwen2 and Qwen3 (gpt2/qwen2) is known here"
            )));
        }
        let tokens = texts(file, "tokenizer.ggml.tokens")?;
        let kinds: Vec<i32> = list(file, "tokenizer.ggml.token_type")?.iter().filter_map(|v| v.to_i32().ok()).collect();
        if kinds.len() != tokens.len() {
            return Err(file.refuse("its vocabulary does not say what each of its tokens is".to_owned()));
        }
        let merges = texts(file, "tokenizer.ggml.merges")?;
        Self::new(tokens, &kinds, &merges, family).map_err(|reason| file.refuse(reason))
    }

    pub(crate) fn new(
        tokens: Vec<String>,
        kinds: &[i32],
        merges: &[String],
        family: Family,
    ) -> std::result::Result<Self, String> {
        let of_kind = |wanted: i32| {
            let found = tokens.iter().zip(kinds).enumerate().filter(move |(_, (_, kind))| **kind == wanted);
            found.map(|(id, (token, _))| (token.clone(), id as u32)).collect::<Vec<_>>()
        };
        let (control, user_defined) = (of_kind(CONTROL), of_kind(USER_DEFINED));
        let mut special = [control, user_defined.clone()].concat();
        let mut everywhere: Vec<_> =
            user_defined.iter().filter(|(token, _)| !ModelMarkup::is_markup(token)).cloned().collect();
        for list in [&mut special, &mut everywhere] {
            list.sort_by_key(|(token, _)| std::cmp::Reverse(token.len()));
        }
        let id_of = |wanted: &str| special.iter().find(|(token, _)| token == wanted).map(|(_, id)| *id);
        let end_of_turn = id_of(END_OF_TURN).ok_or_else(|| format!("its vocabulary has no token {END_OF_TURN}"))?;
        let thinks = family == Family::Qwen3 && id_of("<think>").is_some();
        let pairs = merges.iter().filter_map(|merge| merge.split_once(' ')).map(|(a, b)| (a.to_owned(), b.to_owned()));
        let vocabulary: Vec<(String, u32)> =
            tokens.into_iter().enumerate().map(|(id, token)| (token, id as u32)).collect();
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary.into_iter().collect::<tokenizers::models::bpe::Vocab>(), pairs.collect())
            .build()
            .map_err(|error| format!("its vocabulary contradicts itself: {error}"))?;
        Ok(Self {
            bpe,
            words: word_cutter(),
            markup: ModelMarkup::among(user_defined.into_iter().map(|(token, _)| token)),
            special,
            everywhere,
            end_of_turn,
            thinking: if thinks { Thinking::Empty } else { Thinking::None },
        })
    }

    /// The token that ends a turn.
    pub fn end_of_turn(&self) -> u32 {
        self.end_of_turn
    }

    /// What the answer to `prompt` is read after.
    pub fn prompt(&self, prompt: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        for piece in chatml(prompt, self.thinking) {
            match piece {
                Piece::Control(control) => self.put_control(control, &mut tokens),
                Piece::Text(text) => self.put_text(text, &mut tokens),
            }
        }
        tokens
    }

    /// What somebody wrote, as tokens.
    pub fn text(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        self.put_text(text, &mut tokens);
        tokens
    }

    /// A row: the prompt, the answer, and the end of the turn.
    pub fn example(&self, prompt: &str, answer: &str) -> Example {
        let mut tokens = self.prompt(prompt);
        let first = tokens.len();
        self.put_text(answer, &mut tokens);
        tokens.push(self.end_of_turn);
        Example { tokens, answer: first, weight: 1.0 }
    }

    /// The text of tokens; what is not whole UTF-8 is replaced.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let spelled: String = tokens.iter().filter_map(|&token| self.bpe.id_to_token(token)).collect();
        let bytes: Vec<u8> = spelled.chars().filter_map(|c| BYTES.get(&c).copied()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn put_control(&self, text: &str, tokens: &mut Vec<u32>) {
        self.put_around(text, &self.special, tokens);
    }

    /// llama.cpp finds user-defined tokens in any text, so markup among them is cut, as the runner cuts it.
    fn put_text(&self, text: &str, tokens: &mut Vec<u32>) {
        for part in self.markup.cut(text) {
            self.put_around(part, &self.everywhere, tokens);
        }
    }

    /// Writes a text in which some strings are tokens of their own.
    fn put_around(&self, text: &str, whole: &[(String, u32)], tokens: &mut Vec<u32>) {
        let (mut start, mut place) = (0, 0);
        while place < text.len() {
            match whole.iter().find(|(token, _)| text[place..].starts_with(token.as_str())) {
                Some((token, id)) => {
                    self.put_plain(&text[start..place], tokens);
                    tokens.push(*id);
                    place += token.len();
                    start = place;
                }
                None => place += text[place..].chars().next().map_or(1, char::len_utf8),
            }
        }
        self.put_plain(&text[start..], tokens);
    }

    fn put_plain(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut words = PreTokenizedString::from(text);
        self.words.pre_tokenize(&mut words).expect("a split and a spelling of bytes take any text");
        for (word, _, _) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            let found = self.bpe.tokenize(word).expect("all bytes are in the vocabulary");
            tokens.extend(found.iter().map(|token| token.id));
        }
    }
}

/// What cuts text into words and spells their bytes.
pub(crate) fn word_cutter() -> Sequence {
    let pattern = SplitPattern::Regex(QWEN2_WORDS.to_owned());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).expect("the pattern is a constant");
    Sequence::new(vec![split.into(), ByteLevel::new(false, false, false).into()])
}

/// The byte that each character of a GPT-2 vocabulary stands for: bytes that print stand for themselves, the others take
/// the characters from U+0100 on, in order.
///
/// Source: `bytes_to_unicode` in <https://github.com/openai/gpt-2/blob/master/src/encoder.py>.
static BYTES: std::sync::LazyLock<std::collections::HashMap<char, u8>> = std::sync::LazyLock::new(|| {
    let prints = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..=u8::MAX).filter(|&byte| !prints(byte)).zip('\u{100}'..);
    (0..=u8::MAX)
        .filter(|&byte| prints(byte))
        .map(|byte| (char::from(byte), byte))
        .chain(others.map(|(b, c)| (c, b)))
        .collect()
});

fn list<'a>(file: &'a GgufFile, key: &str) -> Result<&'a [Value]> {
    let list = file.value(key).and_then(|value| value.to_vec().ok());
    list.map(Vec::as_slice).ok_or_else(|| Error::Base {
        path: file.path().to_owned(),
        reason: format!("it has no vocabulary ({key} is missing)"),
    })
}

fn texts(file: &GgufFile, key: &str) -> Result<Vec<String>> {
    let values = list(file, key)?;
    Ok(values.iter().filter_map(|value| value.to_string().ok()).cloned().collect())
}
