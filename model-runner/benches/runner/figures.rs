//! Medians, tables, and the goals that figures are held against. A goal that is missed is printed, never a failure: how
//! fast a machine is today is no fault of the code.

use std::{fs, num::NonZeroUsize, time::Duration};

/// The middle of some figures.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    percentile(figures, 0.5)
}

/// What this part of some figures does not exceed, by the nearest rank.
pub fn percentile(figures: impl IntoIterator<Item = f64>, part: f64) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let rank = (figures.len() as f64 * part).ceil() as usize;
    figures.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Bytes in mebibytes.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A table whose first column is text and whose others are figures.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads.
    pub fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|&head| head.to_owned()).collect()] }
    }

    /// Adds a row; what is not a number is left out of it.
    pub fn row(&mut self, name: &str, figures: &[f64]) {
        let cells = figures.iter().map(|&figure| match figure {
            figure if figure.is_nan() => "-".to_owned(),
            figure if figure.abs() < 100.0 => format!("{figure:.2}"),
            figure => format!("{figure:.0}"),
        });
        self.rows.push([name.to_owned()].into_iter().chain(cells).collect());
    }

    /// Prints it under a title.
    pub fn print(&self, title: &str) {
        println!("\n{title}");
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
            println!("  {}", cells.collect::<Vec<_>>().join("  "));
        }
    }
}

/// The figures that have a goal, in the order in which they were measured.
#[derive(Default)]
pub struct Goals(Vec<(String, String)>);

impl Goals {
    /// A figure that ought to be at least this.
    pub fn at_least(&mut self, what: &str, figure: f64, goal: f64) {
        self.add(what, format!("{figure:.2}, at least {goal}"), figure >= goal, figure);
    }

    /// A figure that ought to be at most this.
    pub fn at_most(&mut self, what: &str, figure: f64, goal: f64) {
        self.add(what, format!("{figure:.2}, at most {goal}"), figure <= goal, figure);
    }

    fn add(&mut self, what: &str, figure: String, is_met: bool, measured: f64) {
        let verdict = match is_met {
            _ if measured.is_nan() => "NOT MEASURED",
            true => "met",
            false => "MISSED",
        };
        self.0.push((what.to_owned(), format!("{figure}: {verdict}")));
    }

    /// Prints them all.
    pub fn print(&self) {
        println!("\ngoals");
        let width = self.0.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
        for (what, figure) in &self.0 {
            println!("  {what:width$}  {figure}");
        }
    }
}

/// The cores that the bench may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Says what the machine is, and warns where others are at work on it.
pub fn print_machine() {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("unknown processor", |(_, name)| name);
    let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = loads.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    println!("machine: {} cores of {name}, load average {load:.2}", cores());
    if load > 0.5 {
        println!("WARNING: the machine is busy; the ratios are worth more than the figures, and neither much");
    }
}
