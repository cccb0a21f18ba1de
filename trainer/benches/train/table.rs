//! Figures side by side, and the goals that they are held against. A goal that is missed is printed, never a failure: how
//! fast a machine is today is no fault of the code.

use std::{fs, num::NonZeroUsize, thread};

use crate::participant::{Participant, Turn};

/// How many times as many rows a second as PEFT's, and which share of its memory, are aimed at.
const FASTER: f64 = 2.0;
const SMALLER: f64 = 1.0 / 3.0;
/// How far losses may lie apart, as a share.
const APART: f64 = 1e-3;

pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

struct Row {
    name: String,
    /// Rows a second in each turn, rising.
    rates: Vec<f64>,
    loaded: f64,
    peak: f64,
    losses: Vec<f64>,
}

impl Row {
    fn median(&self) -> f64 {
        self.rates[self.rates.len() / 2]
    }
}

/// What came of each participant; ours is the first.
pub struct Table(Vec<Row>);

impl Table {
    pub fn of(participants: &[(&Participant, &[Turn])], rows: usize) -> Self {
        let row = |&(participant, turns): &(&Participant, &[Turn])| {
            let mut rates: Vec<f64> = turns.iter().map(|turn| rows as f64 / turn.seconds).collect();
            rates.sort_by(f64::total_cmp);
            Row {
                name: participant.name.clone(),
                rates,
                loaded: mebibytes(participant.peak_of_loading()),
                peak: mebibytes(participant.peak()),
                losses: turns.iter().map(|turn| turn.loss).collect(),
            }
        };
        Self(participants.iter().map(row).collect())
    }

    pub fn print(&self) {
        println!("\n{:36} rows/s (least to most)   peak MiB, loading   in all   last loss", "");
        for row in &self.0 {
            let (least, most) = (row.rates[0], row.rates[row.rates.len() - 1]);
            println!(
                "{:36} {:6.3} ({least:.3} to {most:.3}) {:19.0} {:8.0}   {:.5}",
                row.name,
                row.median(),
                row.loaded,
                row.peak,
                row.losses[row.losses.len() - 1]
            );
        }
    }

    pub fn print_goals(&self) {
        let [ours, peft] = self.0.as_slice() else { return };
        let (faster, smaller) = (ours.median() / peft.median(), ours.peak / peft.peak);
        let apart = ours.losses.iter().zip(&peft.losses).map(|(ours, peft)| (ours / peft - 1.0).abs());
        let apart = apart.fold(0.0, f64::max);
        let verdict = |is_met: bool| if is_met { "met" } else { "MISSED" };
        println!("\ngoals");
        println!("  rows a second    {faster:.2} times PEFT's, at least {FASTER}: {}", verdict(faster >= FASTER));
        println!("  peak of memory   {smaller:.2} of PEFT's, at most {SMALLER:.2}: {}", verdict(smaller <= SMALLER));
        println!(
            "  losses           apart by {apart:.1e} of their size, at most {APART:.0e}: {}",
            verdict(apart <= APART)
        );
    }
}

/// Says what the machine is, and warns where others are at work on it.
pub fn print_machine() {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("unknown processor", |(_, name)| name);
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loads.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    println!("machine: {cores} cores of {name}, load average {load:.2}");
    if load > 0.5 {
        println!("WARNING: the machine is busy; the ratios are worth more than the figures, and neither much");
    }
}
