//! What can be known of a group from the rows that were learned from, without any model.

use std::collections::BTreeMap;

use chat::{MemberId, ScriptSet, prompt, scripts::ScriptCounter};
use corpus::{
    dataset::{Kind, Row},
    markov::{Likelihood, Markov},
};
use trainer::overlap::FiveGrams;

use crate::director::Habits;

/// Somebody who can be imitated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) name: String,
    /// How often they spoke.
    pub(super) replies: usize,
}

/// What the rows teach.
#[derive(Debug)]
pub(super) struct Learned {
    /// Who spoke most comes first.
    pub(super) members: Vec<Member>,
    pub(super) likelihood: Likelihood,
    pub(super) markov: Markov,
    pub(super) runs: FiveGrams,
    habits: Habits,
    scripts: ScriptCounter,
}

impl Learned {
    pub(super) fn from(train: &[Row]) -> Self {
        let mut learned = Self {
            members: Vec::new(),
            likelihood: Likelihood::new(),
            markov: Markov::new(),
            runs: FiveGrams::default(),
            habits: Habits::default(),
            scripts: ScriptCounter::default(),
        };
        let mut members: BTreeMap<MemberId, Member> = BTreeMap::new();
        for row in train.iter().filter(|row| row.kind == Kind::Reply) {
            learned.likelihood.learn(row.member, &row.answer);
            learned.markov.learn(row.member, &row.answer);
            learned.runs.learn(&row.answer);
            learned.habits.learn(row.room, row.member, row.at);
            learned.scripts.add(&row.answer);
            let new = || Member { id: row.member, name: String::new(), replies: 0 };
            let member = members.entry(row.member).or_insert_with(new);
            member.replies += 1;
            member.name.clone_from(&row.speaker);
        }
        learned.members = members.into_values().collect();
        learned.members.sort_by_key(|member| std::cmp::Reverse(member.replies));
        learned
    }

    /// What the group writes in.
    pub(super) fn scripts(&self) -> ScriptSet {
        self.scripts.scripts()
    }

    /// Up to `most` members who are not this one: those who come after them by their ids, then the first.
    pub(super) fn others(&self, member: MemberId, most: usize) -> Vec<&Member> {
        let mut others: Vec<&Member> = self.members.iter().filter(|other| other.id != member).collect();
        others.sort_by_key(|other| (other.id < member, other.id));
        others.truncate(most);
        others
    }

    /// Who speaks next by the group's own habits: whoever spoke last goes on as often as they write in bursts, and else
    /// others follow as often as they speak and follow that one.
    pub(super) fn next_by_habit(&self, prompt: &str) -> Option<MemberId> {
        let lines = prompt::lines_of(prompt).unwrap_or_default();
        let last = lines.last().and_then(|line| self.members.iter().find(|member| member.name == line.name()));
        let burst = last.map_or(0.0, |last| self.habits.burst_chance(last.id));
        let follows = |member: &Member| {
            let follow = last.map_or(1.0, |last| self.habits.follow_weight(last.id, member.id));
            self.habits.share(member.id) * follow
        };
        let others = self.members.iter().filter(|member| last.is_none_or(|last| last.id != member.id));
        let all: f64 = others.clone().map(follows).sum();
        let others = others.map(|member| (member.id, (1.0 - burst) * follows(member) / all));
        let chances = last.map(|last| (last.id, burst)).into_iter().chain(others);
        chances.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(id, _)| id)
    }
}
