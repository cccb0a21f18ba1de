//! The rows of a dataset: `chatml/{train,validation}.jsonl` as `groupchat dataset` writes them.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    packing::Example,
    tokens::Tokeniser,
    training::Options,
};

/// A row in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What is asked.
    pub prompt: String,
    /// What is to be said.
    pub answer: String,
    /// Whether it is a message, and not the name of the next speaker.
    pub is_reply: bool,
}

#[derive(Deserialize)]
struct Line {
    messages: Vec<Message>,
    kind: String,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

/// Reads one part of a dataset, and adds its bytes to a hash.
///
/// # Errors
/// Where it cannot be read, or a line is no row.
pub fn read(dataset: &Path, part: &str, hasher: &mut Sha256) -> Result<Vec<Row>> {
    let path = dataset.join("chatml").join(format!("{part}.jsonl"));
    let file = File::open(&path).map_err(|error| Error::file("read", &path, error))?;
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| Error::file("read", &path, error))?;
        hasher.update(line.as_bytes());
        rows.push(parse(&line).ok_or_else(|| Error::Content {
            path: path.clone(),
            reason: format!("line {} is no row of a dataset; make it again with groupchat dataset --force", number + 1),
        })?);
    }
    Ok(rows)
}

fn parse(line: &str) -> Option<Row> {
    let line: Line = serde_json::from_str(line).ok()?;
    let [prompt, answer] = <[Message; 2]>::try_from(line.messages).ok()?;
    Some(Row { prompt: prompt.content, answer: answer.content, is_reply: line.kind == "reply" })
}

/// Rows that share a window, which are always learned from together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    /// The number of its first row; the others follow.
    pub(crate) first: usize,
    pub(crate) rows: Vec<Example>,
}

/// Rows as tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tokenised {
    pub(crate) units: Vec<Unit>,
    /// Rows that were left out, for they are longer than what is computed at once.
    pub(crate) too_long: usize,
}

impl Tokenised {
    /// The rows are numbered from `first` on, but for those that are left out.
    pub(crate) fn new(rows: &[Row], tokeniser: &Tokeniser, options: &Options, first: usize) -> Self {
        let mut tokenised = Self::default();
        let (mut window, mut number) = ("", first);
        for row in rows.iter().filter(|row| row.is_reply || options.speaker_weight > 0.0) {
            let mut example = tokeniser.example(&row.prompt, &row.answer);
            example.weight = if row.is_reply { 1.0 } else { options.speaker_weight };
            if example.tokens.len() > options.longest {
                tokenised.too_long += 1;
                continue;
            }
            let own_window = row.prompt.rfind("\n\n").map_or("", |end| &row.prompt[..end]);
            match tokenised.units.last_mut() {
                Some(unit) if own_window == window => unit.rows.push(example),
                _ => tokenised.units.push(Unit { first: number, rows: vec![example] }),
            }
            (window, number) = (own_window, number + 1);
        }
        tokenised
    }

    pub(crate) fn rows(&self) -> usize {
        self.units.iter().map(|unit| unit.rows.len()).sum()
    }

    /// Tokens of all rows, as if nothing were shared.
    pub(crate) fn tokens(&self) -> usize {
        self.examples().map(|example| example.tokens.len()).sum()
    }

    pub(crate) fn examples(&self) -> impl Iterator<Item = &Example> {
        self.units.iter().flat_map(|unit| &unit.rows)
    }
}
