//! In which topic of a forum a message of an export was said.
//!
//! The export does not say so. A message names the one that it answers, and where it answers none the notice by which its
//! topic was created; in "General", which has no such notice, it then names none. So answers are followed: the answered
//! message stands before the answer, and its topic is known by then.

use std::collections::BTreeMap;

/// How many messages are remembered with their topics. Answers to older ones are of an unknown topic.
const REMEMBERED: usize = 1 << 20;

/// Where a message was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// In the group itself, which is "General" in a forum.
    Group,
    /// In the topic whose notice has this id.
    Topic(i64),
    /// In a forum, and the export does not tell where in it.
    Unknown,
}

/// What a message answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// Nothing.
    Nothing,
    /// The message or notice of this id.
    Message(i64),
    /// Something of another chat.
    Elsewhere,
}

/// The topics of a chat, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// What they were called when they were created, by the ids of the notices of that.
    names: BTreeMap<i64, String>,
    /// The messages since the first of them.
    places: BTreeMap<i64, Whereabouts>,
    /// The topic that all of the export is of.
    only: Option<i64>,
}

impl Topics {
    /// Notes a topic. An export of one topic bears its name and begins with its notice, so then everything is in that.
    pub(super) fn created(&mut self, id: i64, name: String, is_only: bool) {
        self.names.insert(id, name);
        self.only = self.only.or(is_only.then_some(id));
    }

    /// What a topic was called when it was created; empty where that is not known.
    pub(super) fn name(&self, topic: i64) -> &str {
        self.names.get(&topic).map_or("", String::as_str)
    }

    /// Whether all of the export is of one topic.
    pub(super) fn is_one(&self) -> bool {
        self.only.is_some()
    }

    /// Where a message was said, which is remembered for those that answer it.
    pub(super) fn place(&mut self, id: i64, answered: Answered) -> Whereabouts {
        let Some((&first, _)) = self.names.first_key_value() else { return Whereabouts::Group };
        let place = match (self.only, answered) {
            (Some(topic), _) => return Whereabouts::Topic(topic),
            (None, Answered::Nothing) => Whereabouts::Group,
            (None, Answered::Elsewhere) => Whereabouts::Unknown,
            (None, Answered::Message(notice)) if self.names.contains_key(&notice) => Whereabouts::Topic(notice),
            // Nothing was anywhere else before there were topics.
            (None, Answered::Message(old)) if old < first => Whereabouts::Group,
            (None, Answered::Message(id)) => self.places.get(&id).copied().unwrap_or(Whereabouts::Unknown),
        };
        self.places.insert(id, place);
        if self.places.len() > REMEMBERED {
            self.places.pop_first();
        }
        place
    }
}
