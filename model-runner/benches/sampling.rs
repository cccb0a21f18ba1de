//! How long it takes to draw a token of 151,936 logits, in milliseconds: `cargo bench -p model-runner --bench sampling`.
//!
//! The filling of the row is not counted.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use model_runner::testing::SamplerBench;

const DRAWS: usize = 500;

fn main() {
    println!("{:<32} {:>9} {:>9}", "", "median ms", "p95 ms");
    for kind in SamplerBench::KINDS {
        let mut bench = SamplerBench::new(kind);
        let mut times: Vec<Duration> = (0..DRAWS).map(|_| time(&mut bench, kind)).collect();
        times.sort_unstable();
        let at = |share: f64| times[(DRAWS as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{kind:<32} {:>9.3} {:>9.3}", at(0.5), at(0.95));
    }
}

fn time(bench: &mut SamplerBench, kind: &str) -> Duration {
    bench.fill();
    let start = Instant::now();
    if kind == "log_probability" {
        black_box(bench.log_probability());
    } else {
        black_box(bench.draw());
    }
    start.elapsed()
}
