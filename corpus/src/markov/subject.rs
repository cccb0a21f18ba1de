//! What the room is talking about, as far as single words tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use super::voice::{FoldId, Voice, fold, words};

/// How much less a message counts than the one after it.
const FADE: f32 = 0.6;
/// How much the topic counts, where the newest message counts one.
const TOPIC_WEIGHT: f32 = 2.0;

/// Words so common in English that sharing them means nothing. Other languages rely on the weight of rarity alone.
const COMMON: &str = "\
    about after again all also always and any anyone are arent back because been before being but can cant come \
    could did didnt does doesnt doing done dont even ever every for from get gets getting goes going gone good got \
    had has have havent having her here hers him his how ill im into isnt its ive just keep know let lets like lol \
    look made make makes many maybe more most much must need never nope not nothing now off okay once one only \
    other our out over own please put quite really right said same say says see she should since some someone \
    something still such sure take tell than thank thanks that thats the their them then there theres these they \
    theyre thing things think this those too two very want was wasnt way well were weve what whats when where \
    which while who whos why will with wont would yeah yes yet you your youre youve";

static COMMON_FOLDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| COMMON.split(' ').map(fold).collect());

/// The latest messages and the topic, folded.
pub(super) struct Subject {
    lines: Vec<Vec<String>>,
    weights: BTreeMap<String, f32>,
}

impl Subject {
    pub(super) fn of(window: &[&str], topic: Option<&str>) -> Self {
        let lines: Vec<Vec<String>> = window.iter().map(|text| folded(text)).collect();
        let topic = topic.map(folded).unwrap_or_default();
        let fading = std::iter::successors(Some(1.0), |weight| Some(weight * FADE));
        let mut weights = BTreeMap::new();
        for (line, weight) in std::iter::once((&topic, TOPIC_WEIGHT)).chain(lines.iter().rev().zip(fading)) {
            for word in line.iter().filter(|word| is_content(word)) {
                weights.entry(word.clone()).or_insert(weight);
            }
        }
        Self { lines, weights }
    }

    /// The messages, oldest first, each as its folded words.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[String]> {
        self.lines.iter().map(Vec::as_slice)
    }

    /// The words that `voice` uses too, weighted by how new they are here and how rare there.
    pub(super) fn shared_with(&self, voice: &Voice) -> Vec<(FoldId, f32)> {
        let known = self.weights.iter().filter_map(|(word, &weight)| Some((voice.find(word)?, weight)));
        known.map(|(fold, weight)| (fold, weight * voice.rarity(fold))).collect()
    }
}

fn folded(text: &str) -> Vec<String> {
    words(&chat::sanitise::text(text)).map(fold).collect()
}

fn is_content(folded: &str) -> bool {
    let is_long = !folded.is_ascii() || folded.len() > 2;
    is_long && !COMMON_FOLDS.contains(folded) && folded.chars().any(char::is_alphanumeric)
}
