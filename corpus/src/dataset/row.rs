//! One training row, as it stands in `chatml/*.jsonl`, and what it is for.

use std::fmt;

use chat::{MemberId, RoomId};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The user turn, as `chat::prompt` renders it.
    pub prompt: String,
    /// The assistant turn: what was said, or the name of who said it.
    pub answer: String,
    /// What is asked.
    pub kind: Kind,
    /// The name of whoever spoke next, as the prompt shows names.
    pub speaker: String,
    /// Who that is.
    pub member: MemberId,
    /// Where it was said.
    pub room: RoomId,
    /// When, to the second.
    pub at: DateTime<Utc>,
}

/// What a row asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What a member says.
    Reply,
    /// Who says something.
    NextSpeaker,
}

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To see during the training how it goes.
    Validation,
    /// To measure the result.
    Test,
    /// To train what judges the result, which must not have seen what the result learned from.
    Judge,
}

impl Split {
    /// All, in the order of time.
    pub const ALL: [Split; 4] = [Split::Train, Split::Validation, Split::Test, Split::Judge];

    /// The name of its files, without `.jsonl`.
    pub fn as_str(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
            Split::Judge => "judge",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A turn of the conversation that a row is.
#[derive(Serialize, Deserialize)]
struct Turn<T> {
    role: Role,
    content: T,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

/// A row in the form of its file. `T` is borrowed where it is written, owned where it is read.
#[derive(Serialize, Deserialize)]
struct Filed<T> {
    messages: [Turn<T>; 2],
    kind: Kind,
    speaker: T,
    member: MemberId,
    room: RoomId,
    #[serde(serialize_with = "to_the_second")]
    at: DateTime<Utc>,
}

fn to_the_second<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Row { prompt, answer, kind, speaker, member, room, at } = self;
        let messages = [Turn { role: Role::User, content: prompt }, Turn { role: Role::Assistant, content: answer }];
        Filed { messages, kind: *kind, speaker, member: *member, room: *room, at: *at }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Filed { messages: [asked, answered], kind, speaker, member, room, at } =
            Filed::<String>::deserialize(deserializer)?;
        if asked.role != Role::User || answered.role != Role::Assistant {
            return Err(serde::de::Error::custom(
                "a row is a turn of the user and one of the assistant, in that order",
            ));
        }
        Ok(Row { prompt: asked.content, answer: answered.content, kind, speaker, member, room, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"messages":[{"role":"user","content":"Ada: hi\n\nRespond as Bo:"},{"role":"assistant","content":"ho \"you\""}],"#,
        r#""kind":"reply","speaker":"Bo","member":2,"room":1,"at":"2025-04-14T18:42:29Z"}"#
    );

    #[test]
    fn a_row_is_read_as_it_is_written() {
        let row: Row = serde_json::from_str(LINE).unwrap();
        assert_eq!((row.answer.as_str(), row.kind, row.member), ("ho \"you\"", Kind::Reply, MemberId(2)));
        assert_eq!(serde_json::to_string(&row).unwrap(), LINE);
    }

    #[test]
    fn turns_the_wrong_way_round_are_no_row() {
        let turned = LINE.replace("\"user\"", "\"x\"").replace("assistant", "user").replace("\"x\"", "\"assistant\"");
        let error = serde_json::from_str::<Row>(&turned).unwrap_err().to_string();
        assert!(error.starts_with("a row is a turn of the user and one of the assistant"), "{error}");
    }
}
