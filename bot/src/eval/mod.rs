//! The report card of a model and of adapters over it: how well they know what each member says, who speaks next, and how
//! much they only repeat. docs/evaluation.md defines each figure.
//!
//! What is asked is what is served: rows go to a model runner over HTTP as the bot's own requests do. It must not know who
//! prints the report.

pub mod dataset;
mod interval;
mod learned;
mod measure;
mod report;
mod server;
#[cfg(test)]
mod tests;

use chat::MemberId;
use corpus::dataset::{Kind, Row};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::{
    dataset::{Dataset, spread},
    interval::ratio,
    learned::Learned,
    measure::{Drawn, Guessed, Judged, Measurement},
};
pub use self::{
    interval::Interval,
    measure::{Model, Models},
    report::{AdapterBits, BetterFor, MemberBits, NextSpeaker, Overlap, Report, Rows},
    server::Server,
};

/// To how many prompts replies are drawn.
const DRAWN: usize = 100;

/// From how many replies on an interval says something: of a single one all resamples are the same.
const ENOUGH_REPLIES: u64 = 20;

/// How it is measured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of the split, for the report.
    pub split: String,
    /// How many rows of each kind are measured at most, spread evenly over the split; none for all.
    pub limit: Option<usize>,
    /// The seed of replies and intervals.
    pub seed: u64,
}

/// How far a measurement is: `step` is called once for each row and for each prompt that was replied to.
pub trait Progress {
    /// How many steps there will be.
    fn begins(&self, steps: u64);
    /// One of them is done.
    fn step(&self);
}

/// Measures models on the held-out rows of a dataset.
///
/// # Errors
/// Where the runner does not answer. Rows that it refuses are counted instead.
pub async fn evaluate(
    models: &Models,
    dataset: &Dataset,
    settings: &Settings,
    progress: &dyn Progress,
) -> anyhow::Result<Report> {
    let learned = Learned::from(&dataset.train);
    let replies = spread(&of_kind(&dataset.held_out, Kind::Reply), settings.limit);
    let turns = spread(&of_kind(&dataset.held_out, Kind::NextSpeaker), settings.limit);
    let prompts = spread(&replies, Some(DRAWN));
    progress.begins((replies.len() + turns.len() + prompts.len()) as u64);

    let measurement = Measurement { models, learned: &learned };
    // Both questions about a window one after the other: the runner then computes it once.
    let mut rows = [replies, turns].concat();
    rows.sort_by_key(|row| (row.at, row.room));
    let step = || progress.step();
    let measured = measurement.measure(&rows, &step).await?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let drawn = measurement.draw(&prompts, &mut rng, &step).await?;

    let figures = Figures { models, learned: &learned, rng };
    let counted = Rows {
        train: dataset.train.len() as u64,
        held_out: dataset.held_out.len() as u64,
        beyond_limit: (dataset.held_out.len() - rows.len()) as u64,
        replies: measured.replies.len() as u64,
        turns: measured.turns.len() as u64,
        skipped: measured.skipped.clone(),
    };
    Ok(figures.report(settings, counted, &measured.replies, &measured.turns, &drawn))
}

fn of_kind(rows: &[Row], kind: Kind) -> Vec<&Row> {
    rows.iter().filter(|row| row.kind == kind).collect()
}

/// Makes figures of what was measured.
struct Figures<'a> {
    models: &'a Models,
    learned: &'a Learned,
    rng: ChaCha8Rng,
}

impl Figures<'_> {
    fn report(
        mut self,
        settings: &Settings,
        rows: Rows,
        replies: &[Judged],
        turns: &[Guessed],
        drawn: &[Drawn],
    ) -> Report {
        let by_member: Vec<MemberBits> = self.by_member(replies);
        let adapters = 0..self.models.adapters.len();
        Report {
            version: report::VERSION,
            base: self.models.base.name.clone(),
            adapters: self.models.adapters.iter().map(|adapter| adapter.name.clone()).collect(),
            split: settings.split.clone(),
            seed: settings.seed,
            rows,
            better_for: adapters.map(|adapter| better_for(&by_member, adapter)).collect(),
            bits_per_character: by_member,
            bits_of_all: self.bits(None, "all", &replies.iter().collect::<Vec<_>>()),
            next_speaker: self.next_speaker(turns),
            five_gram_overlap: self.overlap(drawn),
        }
    }

    fn by_member(&mut self, replies: &[Judged]) -> Vec<MemberBits> {
        let learned = self.learned;
        let of = |member: MemberId| replies.iter().filter(|reply| reply.member == member).collect::<Vec<_>>();
        let members = learned.members.iter();
        members.filter_map(|member| self.bits(Some(member.id), &member.name, &of(member.id))).collect()
    }

    /// None where there are no replies.
    fn bits(&mut self, member: Option<MemberId>, name: &str, replies: &[&Judged]) -> Option<MemberBits> {
        let mut rate = |bits: &dyn Fn(&Judged) -> f64| {
            let rows: Vec<(f64, f64)> = replies.iter().map(|reply| (bits(reply), reply.characters)).collect();
            ratio(&rows, &mut self.rng)
        };
        let mut adapters = Vec::new();
        for adapter in 0..self.models.adapters.len() {
            let has_others = replies.iter().all(|reply| reply.adapters[adapter].wrong.is_some());
            let wrong = |reply: &Judged| reply.adapters[adapter].wrong.unwrap_or_default();
            adapters.push(AdapterBits {
                right: rate(&|reply| reply.adapters[adapter].right)?,
                wrong_speaker: if has_others { rate(&wrong) } else { None },
                gain: rate(&|reply| reply.base - reply.adapters[adapter].right)?,
            });
        }
        Some(MemberBits {
            member,
            name: name.to_owned(),
            replies: replies.len() as u64,
            characters: replies.iter().map(|reply| reply.characters as u64).sum(),
            base: rate(&|reply| reply.base)?,
            markov: rate(&|reply| reply.markov)?,
            adapters,
        })
    }

    fn next_speaker(&mut self, turns: &[Guessed]) -> Option<NextSpeaker> {
        let mut share = |is_right: &dyn Fn(&Guessed) -> bool| {
            let rows: Vec<(f64, f64)> = turns.iter().map(|turn| (f64::from(is_right(turn)), 1.0)).collect();
            ratio(&rows, &mut self.rng)
        };
        let adapters = 0..self.models.adapters.len();
        let uniform = turns.first()?.uniform;
        Some(NextSpeaker {
            candidates: (1.0 / uniform).round() as u64,
            uniform,
            most_frequent: share(&|turn| turn.most_frequent)?,
            habits: share(&|turn| turn.habits)?,
            base: share(&|turn| turn.base)?,
            adapters: adapters.map(|adapter| share(&|turn| turn.adapters[adapter])).collect::<Option<_>>()?,
        })
    }

    fn overlap(&mut self, drawn: &[Drawn]) -> Overlap {
        let runs = &self.learned.runs;
        let mut share = |text: &dyn Fn(&Drawn) -> String| {
            let rows: Vec<(f64, f64)> = drawn
                .iter()
                .map(|drawn| runs.count(&text(drawn)))
                .map(|(known, all)| (known as f64, all as f64))
                .collect();
            ratio(&rows, &mut self.rng)
        };
        let adapters = 0..self.models.adapters.len();
        Overlap {
            prompts: drawn.len() as u64,
            real: share(&|drawn| drawn.real.clone()),
            markov: share(&|drawn| drawn.markov.clone().unwrap_or_default()),
            base: share(&|drawn| drawn.base.clone()),
            adapters: adapters.map(|adapter| share(&|drawn| drawn.adapters[adapter].clone())).collect(),
        }
    }
}

fn better_for(members: &[MemberBits], adapter: usize) -> BetterFor {
    let is_better = |member: &&MemberBits| member.replies >= ENOUGH_REPLIES && member.adapters[adapter].gain.low > 0.0;
    let better = members.iter().filter(is_better).count();
    BetterFor { members: better as u64, of: members.len() as u64 }
}
