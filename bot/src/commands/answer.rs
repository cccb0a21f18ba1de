//! What somebody who gave a command gets to read.

use serde::Serialize;

/// Who sees an answer, where the platform can tell people apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Everybody in the room.
    Room,
    /// Only who asked.
    Asker,
}

/// The answer to a command. Its text is written for people: no error of a library ever stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Who sees it.
    pub audience: Audience,
    /// Whether the command did what it was asked.
    pub done: bool,
    /// What it says.
    pub text: String,
    /// A file that comes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<AnswerFile>,
}

/// A file for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerFile {
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Answer {
    /// Something happened that everybody should know.
    pub fn room(text: impl Into<String>) -> Self {
        Self { audience: Audience::Room, done: true, text: text.into(), file: None }
    }

    /// Something for the asker alone.
    pub fn asker(text: impl Into<String>) -> Self {
        Self { audience: Audience::Asker, done: true, text: text.into(), file: None }
    }

    /// It was not done; the text says why and what to do next.
    pub fn refused(text: impl Into<String>) -> Self {
        Self { audience: Audience::Asker, done: false, text: text.into(), file: None }
    }

    /// The same with a file.
    pub fn with_file(self, name: impl Into<String>, text: String) -> Self {
        Self { file: Some(AnswerFile { name: name.into(), text }), ..self }
    }
}
