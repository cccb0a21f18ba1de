//! What is written down of a training as it goes: a line of JSON for each step and look, and a plot.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    whole_file::WholeFile,
};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Record {
    /// A step was done.
    Step { step: u64, loss: f64, rate: f64, norm: f64, tokens_per_second: f64 },
    /// It was looked at rows that are not learned from.
    Look { step: u64, loss: f64, overlap: Option<f64> },
}

impl Record {
    /// Whether it is of what was done before a checkpoint after `steps` steps, the last look having been after `looked`.
    fn is_kept(&self, steps: u64, looked: Option<u64>) -> bool {
        match self {
            Self::Step { step, .. } => *step <= steps,
            Self::Look { step, .. } => looked.is_some_and(|looked| *step <= looked),
        }
    }
}

/// The file of a training's metrics.
#[derive(Debug)]
pub(super) struct Metrics {
    path: PathBuf,
    plot: PathBuf,
    file: File,
    records: Vec<Record>,
}

impl Metrics {
    /// Opens the metrics of a training that is `steps` steps old and looked last after `looked`. What was written later, by one that was killed before its
    /// next checkpoint, is going to be done again and is left out.
    pub(super) fn open(folder: &Path, steps: u64, looked: Option<u64>) -> Result<Self> {
        let path = folder.join("metrics.jsonl");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Record>(line).ok());
        let records: Vec<Record> = lines.filter(|record| record.is_kept(steps, looked)).collect();
        let kept: String = records.iter().map(line).collect();
        WholeFile::write(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|error| Error::file("write", &path, error))?;
        Ok(Self { path, plot: folder.join("loss.svg"), file, records })
    }

    pub(super) fn add(&mut self, record: &Record) -> Result<()> {
        self.file.write_all(line(record).as_bytes()).map_err(|error| Error::file("write", &self.path, error))?;
        self.records.push(record.clone());
        Ok(())
    }

    /// The loss on the validation rows before anything was learned.
    pub(super) fn first_loss(&self) -> Option<f64> {
        self.records.iter().find_map(|record| match record {
            Record::Look { step: 0, loss, .. } => Some(*loss),
            _ => None,
        })
    }

    /// Draws the losses.
    pub(super) fn plot(&self) -> Result<()> {
        WholeFile::write(&self.plot, svg(&self.records).as_bytes())
    }
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).expect("a record is plain data") + "\n"
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 48.0;
/// Points of a line at most; a longer one shows means.
const POINTS: usize = 300;

/// The part of a plane that a plot shows.
struct Frame {
    last_step: f64,
    lowest: f64,
    highest: f64,
}

impl Frame {
    fn x(&self, step: f64) -> f64 {
        MARGIN + step / self.last_step * (WIDTH - 2.0 * MARGIN)
    }

    fn y(&self, loss: f64) -> f64 {
        HEIGHT - MARGIN - (loss - self.lowest) / (self.highest - self.lowest) * (HEIGHT - 2.0 * MARGIN)
    }

    fn line(&self, points: &[(f64, f64)]) -> String {
        points.iter().map(|&(step, loss)| format!("{:.1},{:.1} ", self.x(step), self.y(loss))).collect()
    }
}

fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mean = |part: &[(f64, f64)]| {
        let count = part.len() as f64;
        (part.iter().map(|p| p.0).sum::<f64>() / count, part.iter().map(|p| p.1).sum::<f64>() / count)
    };
    points.chunks(points.len().div_ceil(POINTS).max(1)).map(mean).collect()
}

fn svg(records: &[Record]) -> String {
    let steps = records.iter().filter_map(|record| match record {
        Record::Step { step, loss, .. } => Some((*step as f64, *loss)),
        Record::Look { .. } => None,
    });
    let looks: Vec<(f64, f64)> = records
        .iter()
        .filter_map(|record| match record {
            Record::Look { step, loss, .. } => Some((*step as f64, *loss)),
            Record::Step { .. } => None,
        })
        .collect();
    let steps = thinned(&steps.collect::<Vec<_>>());
    let losses = || steps.iter().chain(&looks).map(|point| point.1);
    let lowest = losses().fold(f64::INFINITY, f64::min);
    let highest = losses().fold(f64::NEG_INFINITY, f64::max).max(lowest + 1e-3);
    let last_step = steps.iter().chain(&looks).map(|point| point.0).fold(1.0, f64::max);
    let frame = Frame { last_step, lowest, highest };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    put_grid(&mut out, &frame);
    for (points, colour, width) in [(&steps, "#9db4d8", 1.5), (&looks, "#c0392b", 2.5)] {
        let line = frame.line(points);
        put(
            &mut out,
            &format!("<polyline points=\"{line}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"),
        );
    }
    put(&mut out, &format!("<text x=\"{MARGIN}\" y=\"20\" fill=\"#5a7bb0\">loss of each step</text>"));
    put(&mut out, "<text x=\"180\" y=\"20\" fill=\"#c0392b\">loss on messages that are not learned from</text>");
    out.push_str("</svg>\n");
    out
}

fn put(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn put_grid(out: &mut String, frame: &Frame) {
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let loss = frame.lowest + share * (frame.highest - frame.lowest);
        let (y, end) = (frame.y(loss), WIDTH - MARGIN);
        put(out, &format!("<line x1=\"{MARGIN}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\" stroke=\"#e5e5e5\"/>"));
        put(out, &format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.2}</text>", MARGIN - 6.0, y + 4.0));
        let step = share * frame.last_step;
        let (x, y) = (frame.x(step), HEIGHT - MARGIN + 18.0);
        put(out, &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{step:.0}</text>"));
    }
    put(out, &format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">step</text>", WIDTH / 2.0, HEIGHT - 8.0));
}
