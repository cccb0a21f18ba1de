//! Asks the runner about each row: how likely the answer is, who would speak, and what would be said instead.

use std::{collections::BTreeMap, f64::consts::LN_2};

use anyhow::Context;
use chat::{MemberId, Sampling, prompt};
use corpus::dataset::{Kind, Row};
use rand::Rng;

use super::learned::Learned;
use crate::{
    runner::{RunnerClient, RunnerError},
    voice::draw_alone,
};

/// How many other members a reply is judged by as if they had given it.
const WRONG_SPEAKERS: usize = 7;
/// How many members are candidates for who speaks next, those who spoke most: the runner judges 256 at once.
const CANDIDATES: usize = 200;

/// Who is measured: a model of the runner's.
#[derive(Debug, Clone)]
pub struct Model {
    /// What it is called in the report.
    pub name: String,
    /// Where it is asked.
    pub client: RunnerClient,
}

/// The base and the adapters over it.
#[derive(Debug, Clone)]
pub struct Models {
    /// Without any adapter.
    pub base: Model,
    /// With each of these.
    pub adapters: Vec<Model>,
}

impl Models {
    pub(super) fn all(&self) -> impl Iterator<Item = &Model> {
        [&self.base].into_iter().chain(&self.adapters)
    }
}

/// How many bits a reply takes, its end included.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) member: MemberId,
    /// Its characters, and one for its end.
    pub(super) characters: f64,
    pub(super) base: f64,
    pub(super) markov: f64,
    /// By each adapter.
    pub(super) adapters: Vec<ByAdapter>,
}

#[derive(Debug, Clone)]
pub(super) struct ByAdapter {
    pub(super) right: f64,
    /// The mean of several others in the speaker's place; none where there is nobody else.
    pub(super) wrong: Option<f64>,
}

/// Whether who spoke next was guessed.
#[derive(Debug, Clone)]
pub(super) struct Guessed {
    /// By chance.
    pub(super) uniform: f64,
    pub(super) most_frequent: bool,
    pub(super) habits: bool,
    pub(super) base: bool,
    pub(super) adapters: Vec<bool>,
}

/// What was said to a prompt, by each of those who were asked; none where they had nothing to say.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    pub(super) real: String,
    pub(super) markov: Option<String>,
    pub(super) base: String,
    pub(super) adapters: Vec<String>,
}

/// What became of the rows.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) replies: Vec<Judged>,
    pub(super) turns: Vec<Guessed>,
    pub(super) skipped: BTreeMap<&'static str, u64>,
}

/// Why a row is not measured, or nothing more is.
enum Trouble {
    /// It is left out.
    Skip(&'static str),
    /// The runner is at fault.
    Runner(RunnerError),
}

impl From<RunnerError> for Trouble {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Rejected { sentence } => {
                tracing::warn!("a row is left out, since the model runner refuses it: {sentence}");
                Trouble::Skip("the model runner refused it")
            }
            error => Trouble::Runner(error),
        }
    }
}

/// Measures models on rows.
pub(super) struct Measurement<'a> {
    pub(super) models: &'a Models,
    pub(super) learned: &'a Learned,
}

impl Measurement<'_> {
    /// Judges all rows, telling after each that it is done. What one model cannot judge is left out for all.
    pub(super) async fn measure(&self, rows: &[&Row], done: &dyn Fn()) -> anyhow::Result<Measured> {
        let mut measured = Measured::default();
        for row in rows {
            let trouble = match row.kind {
                Kind::Reply => self.judge(row).await.map(|judged| measured.replies.push(judged)).err(),
                Kind::NextSpeaker => self.guess(row).await.map(|guessed| measured.turns.push(guessed)).err(),
            };
            match trouble {
                None => {}
                Some(Trouble::Skip(why)) => *measured.skipped.entry(why).or_default() += 1,
                Some(Trouble::Runner(error)) => return Err(error).context("the model runner did not judge a row"),
            }
            done();
        }
        Ok(measured)
    }

    async fn judge(&self, row: &Row) -> Result<Judged, Trouble> {
        let others = self.learned.others(row.member, WRONG_SPEAKERS);
        let asked = others.iter().map(|other| prompt::ask_another(&row.prompt, &row.speaker, &other.name));
        let asked: Option<Vec<String>> = asked.collect();
        let of_others = asked.ok_or(Trouble::Skip("its prompt is not one of this program's"))?;
        let base = bits(&self.models.base, &row.prompt, &row.answer).await?;
        let mut adapters = Vec::new();
        for adapter in &self.models.adapters {
            let right = bits(adapter, &row.prompt, &row.answer).await?;
            let mut wrong = Vec::new();
            for prompt in &of_others {
                wrong.push(bits(adapter, prompt, &row.answer).await?);
            }
            let wrong = (!wrong.is_empty()).then(|| wrong.iter().sum::<f64>() / wrong.len() as f64);
            adapters.push(ByAdapter { right, wrong });
        }
        Ok(Judged {
            member: row.member,
            characters: (row.answer.chars().count() + 1) as f64,
            base,
            markov: self.learned.likelihood.bits(row.member, &row.answer),
            adapters,
        })
    }

    async fn guess(&self, row: &Row) -> Result<Guessed, Trouble> {
        let candidates = &self.learned.members[..self.learned.members.len().min(CANDIDATES)];
        if !candidates.iter().any(|candidate| candidate.id == row.member) {
            return Err(Trouble::Skip("who spoke is not among the 200 who speak most"));
        }
        let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        let is_right = |scores: Vec<f64>| {
            let likeliest = (0..scores.len()).max_by(|&one, &other| scores[one].total_cmp(&scores[other]));
            likeliest.is_some_and(|likeliest| candidates[likeliest].id == row.member)
        };
        let base = is_right(self.models.base.client.judge(&row.prompt, &names).await?);
        let mut adapters = Vec::new();
        for adapter in &self.models.adapters {
            adapters.push(is_right(adapter.client.judge(&row.prompt, &names).await?));
        }
        Ok(Guessed {
            uniform: 1.0 / candidates.len() as f64,
            most_frequent: candidates[0].id == row.member,
            habits: self.learned.next_by_habit(&row.prompt) == Some(row.member),
            base,
            adapters,
        })
    }

    /// Has each say something to each prompt, as the bot would have it said.
    pub(super) async fn draw(&self, rows: &[&Row], rng: &mut impl Rng, done: &dyn Fn()) -> anyhow::Result<Vec<Drawn>> {
        let mut drawn = Vec::new();
        for row in rows {
            let draw = draw_alone(self.learned.scripts(), rng.random());
            let markov = self.markov_reply(row, rng);
            let mut said = Vec::new();
            for model in self.models.all() {
                let text = model.client.complete(&row.prompt, &draw).await;
                said.push(text.with_context(|| format!("{} did not reply to a prompt", model.name))?);
            }
            let base = said.remove(0);
            drawn.push(Drawn { real: row.answer.clone(), markov, base, adapters: said });
            done();
        }
        Ok(drawn)
    }

    fn markov_reply(&self, row: &Row, rng: &mut impl Rng) -> Option<String> {
        let lines = prompt::lines_of(&row.prompt).unwrap_or_default();
        let window: Vec<&str> = lines.iter().map(prompt::Line::text).collect();
        self.learned.markov.reply(row.member, &window, None, Sampling::default().temperature, rng)
    }
}

async fn bits(model: &Model, prompt: &str, answer: &str) -> Result<f64, RunnerError> {
    let logprobs = model.client.judge(prompt, &[answer]).await?;
    Ok(-logprobs[0] / LN_2)
}
