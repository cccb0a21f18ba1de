//! Rows of the sample group, made as simply as can be: who is to be learned from, and what is worth it, is no matter here.

use std::{fs, path::Path};

use chat::{Line, WINDOW_LEN, prompt};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    packing::Example,
    tokens::Tokeniser,
};

/// The first `count` windows of a Telegram export as rows: each is asked for the reply that came and for who wrote it.
///
/// # Errors
/// Where the file is no such export.
pub fn windows(export: &Path, tokeniser: &Tokeniser, count: usize) -> Result<Vec<[Example; 2]>> {
    let text = fs::read(export).map_err(|error| Error::file("read", export, error))?;
    let content: Value = serde_json::from_slice(&text)
        .map_err(|error| Error::Content { path: export.to_owned(), reason: error.to_string() })?;
    let messages = content["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said: Vec<(&str, &str)> = messages.iter().filter_map(said).collect();
    let rows = |said: &[(&str, &str)]| {
        let (&(speaker, answer), window) = said.split_last().expect("a window has a next message");
        let lines: Vec<Line> = window.iter().map(|(name, text)| Line::new(name, text)).collect();
        [
            tokeniser.example(&prompt::reply(&lines, None, speaker), answer),
            tokeniser.example(&prompt::next_speaker(&lines, None), speaker),
        ]
    };
    Ok(said.windows(WINDOW_LEN + 1).take(count).map(rows).collect())
}

/// Who wrote a message, and what, where it is plain text.
fn said(message: &Value) -> Option<(&str, &str)> {
    let (name, text) = (message["from"].as_str()?, message["text"].as_str()?);
    (!text.trim().is_empty()).then_some((name, text))
}
