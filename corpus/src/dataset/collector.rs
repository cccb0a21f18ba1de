//! Takes the history message by message, and keeps of it what rows are made of.

use std::collections::BTreeMap;

use chat::{Author, Member, MemberId, Message, Origin, Provenance, RoomId, sanitise};
use chrono::{DateTime, Utc};

use super::{
    CommunityFacts, Dataset, FromApi, Options, Personal, Replaced, Rule, judging, personal,
    report::{self, Messages},
    rules::{commands::is_command, links::holds_link, mentions_only::only_mentions},
    sitting::{self, Said},
    speakers::Speakers,
};

/// A dataset in the making: a message takes some 50 bytes and its text.
#[derive(Debug)]
pub struct Collector {
    community: CommunityFacts,
    speakers: Speakers,
    from_api: FromApi,
    options: Options,
    messages: Messages,
    replaced: BTreeMap<Personal, Replaced>,
    rooms: BTreeMap<RoomId, Vec<Said>>,
}

impl Collector {
    /// For a community of these members. What they agreed to is taken as it is here; whoever publishes the dataset looks
    /// again whether it still is.
    pub fn new(community: CommunityFacts, members: &[Member], from_api: FromApi, options: Options) -> Self {
        Self {
            community,
            speakers: Speakers::new(members),
            from_api,
            options,
            messages: Messages::default(),
            replaced: BTreeMap::new(),
            rooms: BTreeMap::new(),
        }
    }

    /// Takes a message. Those of one room come in the order of their keys.
    pub fn add(&mut self, message: &Message) {
        self.messages.read += 1;
        let line = sanitise::one_line(&message.text);
        let author = match self.protected(message, &line) {
            Ok(author) => author,
            Err(rule) => return self.messages.leave_out(rule),
        };
        let line = match self.options.follows(Rule::PersonalData) {
            // Before the line is cut to length, since half an address is personal too.
            true => personal::replace(&line, &mut self.replaced),
            false => line.as_str().into(),
        };
        let text = sanitise::text(&line);
        let said = Said { member: author, at: message.sent_at, barred_by: self.barred_by(&text), text: text.into() };
        let room = self.rooms.entry(message.room).or_default();
        let merge = self.options.merge.map(|merge| merge.min(self.options.silence));
        let is_merged = merge.is_some_and(|within| room.last_mut().is_some_and(|last| last.merge(&said, within)));
        match is_merged {
            true => self.messages.merged += 1,
            false => room.push(said),
        }
    }

    /// The author of a message that may be learned from, or what forbids it.
    fn protected(&self, message: &Message, line: &str) -> Result<MemberId, Rule> {
        if line.is_empty() {
            return Err(Rule::Empty);
        }
        let Author::Member(author) = message.author else { return Err(Rule::Bots) };
        let protection = self.speakers.protected_by(author);
        if message.origin == Origin::Generated || protection == Some(Rule::Bots) {
            return Err(Rule::Bots);
        }
        if message.provenance == Provenance::Api && self.from_api == FromApi::Nothing {
            return Err(Rule::Provenance);
        }
        protection.map_or(Ok(author), Err)
    }

    /// The rule by which a message alone is no answer.
    fn barred_by(&self, line: &str) -> Option<Rule> {
        let is_under = |rule| match rule {
            Rule::Links => holds_link(line),
            Rule::Commands => is_command(line),
            Rule::MentionsOnly => only_mentions(line, self.speakers.folded_names()),
            _ => false,
        };
        let rules = [Rule::Links, Rule::Commands, Rule::MentionsOnly];
        rules.into_iter().find(|&rule| self.options.follows(rule) && is_under(rule))
    }

    /// The dataset of all that was added.
    pub fn finish(self, made_at: DateTime<Utc>) -> Dataset {
        let Self { community, speakers, options, messages, replaced, rooms, .. } = self;
        let (said, sittings) = sitting::cut(rooms, options.silence);
        let fates = judging::judge(&said, &sittings, &options);
        let mut report = report::Report::new(community, made_at, &options, messages, replaced);
        report.count(&said, &fates, &speakers);
        Dataset { speakers, said, sittings, fates, report }
    }
}
