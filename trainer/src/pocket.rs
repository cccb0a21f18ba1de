//! The pocket model: a toy of a few million weights that proves the machinery, made from nothing on text of our own.
//!
//! It reads made-up group chats ([`crate::everyday`]), partly as they are and partly as prompts with their answers, so that
//! it knows the form in which it is going to be asked. What it ends up as is a Qwen3 in Q8_0, which the runner serves and
//! the trainer fine-tunes like any other.

use std::{collections::BTreeSet, path::Path};

use candle_core::quantized::GgmlDType;
use chat::prompt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Trainer,
    models::bpe::{BPE, BpeTrainer},
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::{
    backend::Cpu,
    decoder::Decoder,
    error::{Error, Result},
    everyday::{Everyday, Sitting},
    gguf::{Entry, MetaValue, TensorPlan, Writer, encode, shape_entries},
    optimiser::{Optimiser, Pace, Schedule},
    packing::{Example, Packed},
    scratch,
    shape::{Family, Shape},
    tokens::{Tokeniser, word_cutter},
};

/// How a pocket model is made.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Its shape.
    pub shape: Shape,
    /// How often its weights are changed.
    pub steps: u64,
    /// Sittings that are read for each change.
    pub sittings: usize,
    /// Sittings that the vocabulary is made from.
    pub vocabulary_sittings: usize,
    /// What weights and text are drawn from.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        let shape = Shape {
            family: Family::Qwen3,
            vocabulary: 3072,
            width: 192,
            feed_forward: 512,
            layers: 6,
            heads: 6,
            key_heads: 2,
            head_size: 32,
            rope_base: 1e4,
            epsilon: 1e-6,
        };
        Self { shape, steps: 2800, sittings: 12, vocabulary_sittings: 6000, seed: 1 }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Changes so far.
    pub step: u64,
    /// The loss of this change: minus the mean logarithm of what was to be predicted.
    pub loss: f64,
    /// Tokens read so far.
    pub tokens: u64,
}

/// Tokens that are control tokens, at the end of the vocabulary.
const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// What a row may have at most, in tokens.
const LONGEST: usize = 192;
/// What the file says that the model can read: more than it has ever read, so that a long window is no error.
const CONTEXT: u32 = 1024;
/// Makes a model and writes it to a file.
///
/// # Errors
/// Where the file cannot be written, or the loss is no number any more.
pub fn make(recipe: &Recipe, path: &Path, mut progress: impl FnMut(Progress)) -> Result<()> {
    let vocabulary = Vocabulary::make(recipe);
    let tokeniser = vocabulary.tokeniser()?;
    let mut decoder = scratch::decoder(Cpu, recipe.shape.clone(), recipe.seed)?;
    let mut optimiser = Optimiser::new(&decoder.parameters);
    let pace = Pace { learning_rate: 3e-3, schedule: Schedule::Cosine, warm_up: 0.02, weight_decay: 0.1, clip: 1.0 };
    let mut reader = Reader::new(recipe.seed, &tokeniser);
    let mut tokens = 0;
    for step in 0..recipe.steps {
        let packed = Packed::new(&reader.rows(recipe.sittings));
        let losses = decoder.learn(&packed, 1.0 / packed.targets() as f32, 0)?;
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        let rate = pace.rate(step, recipe.steps);
        if !loss.is_finite() {
            return Err(Error::NotFinite { step, loss, learning_rate: rate });
        }
        optimiser.step(&Cpu, &mut decoder.parameters, &pace, rate)?;
        tokens += packed.len() as u64;
        progress(Progress { step: step + 1, loss, tokens });
    }
    write(recipe, &vocabulary, &decoder, path)
}

/// Turns sittings into rows.
struct Reader<'a> {
    everyday: Everyday,
    rng: ChaCha8Rng,
    tokeniser: &'a Tokeniser,
    /// How many tokens all prompts begin with.
    head: usize,
}

impl<'a> Reader<'a> {
    fn new(seed: u64, tokeniser: &'a Tokeniser) -> Self {
        let (a, b) = (tokeniser.prompt(&prompt::prefix(&[])), tokeniser.prompt("You"));
        let after = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
        let head = a.len() - after - 1;
        Self { everyday: Everyday::new(seed), rng: ChaCha8Rng::seed_from_u64(seed), tokeniser, head }
    }

    fn rows(&mut self, sittings: usize) -> Vec<Example> {
        let mut rows = Vec::new();
        for number in 0..sittings {
            let Some(sitting) = self.everyday.next() else { break };
            if number % 2 == 0 {
                self.read_as_it_is(&sitting, &mut rows);
            } else {
                self.read_as_prompts(&sitting, &mut rows);
            }
        }
        rows
    }

    fn read_as_it_is(&self, sitting: &Sitting, rows: &mut Vec<Example>) {
        let text: String = sitting.lines.iter().map(|line| format!("{}: {}\n", line.name, line.text)).collect();
        let mut tokens = vec![self.tokeniser.end_of_turn()];
        tokens.extend(self.tokeniser.text(&text));
        tokens.truncate(LONGEST);
        rows.push(Example { tokens, answer: 1, weight: 1.0 });
    }

    /// Two windows of the sitting, each with its reply and its next speaker. All of a reply's row but the head counts.
    fn read_as_prompts(&mut self, sitting: &Sitting, rows: &mut Vec<Example>) {
        let ends: BTreeSet<usize> = (0..2).map(|_| self.rng.random_range(1..sitting.lines.len())).collect();
        for end in ends {
            let window = &sitting.lines[end.saturating_sub(5)..end];
            let lines: Vec<prompt::Line> =
                window.iter().map(|line| prompt::Line::new(&line.name, &line.text)).collect();
            let next = &sitting.lines[end];
            let topic = sitting.topic.as_deref().filter(|_| self.rng.random_range(0..4) == 0);
            let asked = prompt::reply(&lines, topic, &next.name);
            let mut reply = self.tokeniser.example(&asked, &next.text);
            reply.answer = self.head;
            let speaker = self.tokeniser.example(&prompt::next_speaker(&lines, topic), &next.name);
            rows.extend([reply, speaker].into_iter().filter(|row| row.tokens.len() <= LONGEST));
        }
    }
}

/// A vocabulary of joined bytes (Sennrich et al., 2016).
struct Vocabulary {
    tokens: Vec<String>,
    merges: Vec<String>,
}

impl Vocabulary {
    fn make(recipe: &Recipe) -> Self {
        let mut trainer = BpeTrainer::builder()
            .vocab_size(recipe.shape.vocabulary - CONTROL.len())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let sittings = Everyday::new(recipe.seed).take(recipe.vocabulary_sittings);
        let texts = sittings.flat_map(|sitting| sitting.lines).map(|line| format!("{}: {}\n", line.name, line.text));
        let head = std::iter::repeat_n(prompt::prefix(&[]), recipe.vocabulary_sittings / 10);
        let cutter = word_cutter();
        let words = |text: &str| {
            let mut words = PreTokenizedString::from(text);
            cutter.pre_tokenize(&mut words)?;
            let splits = words.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
            Ok(splits.into_iter().map(|(word, _, _)| word.to_owned()).collect())
        };
        trainer.feed(texts.chain(head), words).expect("words are cut out of any text");
        let mut bpe = BPE::default();
        trainer.train(&mut bpe).expect("there was text");
        Self::of(&bpe)
    }

    fn of(bpe: &BPE) -> Self {
        let mut tokens: Vec<(u32, String)> = bpe.get_vocab().into_iter().map(|(token, id)| (id, token)).collect();
        tokens.sort_unstable();
        let merges: Vec<(String, String)> = serde_json::to_value(bpe)
            .and_then(|value| serde_json::from_value(value["merges"].clone()))
            .expect("a vocabulary is written with its merges");
        let control = CONTROL.map(str::to_owned);
        Self {
            tokens: tokens.into_iter().map(|(_, token)| token).chain(control).collect(),
            merges: merges.into_iter().map(|(left, right)| format!("{left} {right}")).collect(),
        }
    }

    /// What each token is, by GGUF's numbers: plain or control.
    fn kinds(&self) -> Vec<i32> {
        let plain = self.tokens.len() - CONTROL.len();
        (0..self.tokens.len()).map(|id| if id < plain { 1 } else { 3 }).collect()
    }

    fn tokeniser(&self) -> Result<Tokeniser> {
        Tokeniser::new(self.tokens.clone(), &self.kinds(), &self.merges, Family::Qwen3).map_err(Error::Request)
    }

    fn entries(&self) -> Vec<Entry> {
        let first = (self.tokens.len() - CONTROL.len()) as u32;
        let text = |key: &str, value: &str| (format!("tokenizer.{key}"), MetaValue::Text(value.to_owned()));
        let number = |key: &str, value: u32| (format!("tokenizer.ggml.{key}"), MetaValue::U32(value));
        vec![
            text("ggml.model", "gpt2"),
            text("ggml.pre", "qwen2"),
            ("tokenizer.ggml.tokens".to_owned(), MetaValue::Texts(self.tokens.clone())),
            ("tokenizer.ggml.token_type".to_owned(), MetaValue::I32s(self.kinds())),
            ("tokenizer.ggml.merges".to_owned(), MetaValue::Texts(self.merges.clone())),
            number("bos_token_id", first),
            number("padding_token_id", first),
            number("eos_token_id", first + 2),
            ("tokenizer.ggml.add_bos_token".to_owned(), MetaValue::Flag(false)),
            text("chat_template", CHAT_TEMPLATE),
        ]
    }
}

/// ChatML, for programs that ask the file how it wants to be asked.
const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + \
                             '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' \
                             }}{% endif %}";

fn write(recipe: &Recipe, vocabulary: &Vocabulary, decoder: &Decoder<Cpu>, path: &Path) -> Result<()> {
    let kind = |rows: usize| if rows == 1 { GgmlDType::F32 } else { GgmlDType::Q8_0 };
    let plans = decoder.parameters.iter().map(|parameter| TensorPlan {
        name: parameter.name.clone(),
        dimensions: if parameter.rows == 1 { vec![parameter.columns] } else { vec![parameter.rows, parameter.columns] },
        kind: kind(parameter.rows),
    });
    let mut entries = entries(&recipe.shape);
    entries.extend(vocabulary.entries());
    let mut writer = Writer::create(path, &entries, plans.collect())?;
    for parameter in decoder.parameters.iter() {
        let bytes = encode(parameter.value.values(), kind(parameter.rows)).expect("both kinds are written");
        writer.tensor(&bytes)?;
    }
    writer.finish()
}

fn entries(shape: &Shape) -> Vec<Entry> {
    let text = |key: &str, value: &str| (format!("general.{key}"), MetaValue::Text(value.to_owned()));
    let mut entries = vec![
        text("name", "groupchat pocket model"),
        text(
            "description",
            "A toy of a few million weights, made from nothing on made-up chats; it knows little else.",
        ),
        text("license", "MIT OR Apache-2.0"),
        ("general.file_type".to_owned(), MetaValue::U32(7)),
    ];
    entries.extend(shape_entries(shape, CONTEXT));
    entries
}
