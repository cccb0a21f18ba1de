//! Prints sittings of the everyday talk for a look: `cargo run -p trainer --example everyday -- 20 [SEED]`.

use std::io::{self, BufWriter, Write};

use trainer::everyday::Everyday;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().map_err(io::Error::other));
    let count = arguments.next().transpose()?.unwrap_or(20);
    let seed = arguments.next().transpose()?.unwrap_or(1);
    let mut out = BufWriter::new(io::stdout().lock());
    for (number, sitting) in (1..=count).zip(Everyday::new(seed)) {
        match sitting.topic {
            Some(topic) => writeln!(out, "-- {number}, on {topic}")?,
            None => writeln!(out, "-- {number}")?,
        }
        for line in sitting.lines {
            writeln!(out, "{}: {}", line.name, line.text)?;
        }
        writeln!(out)?;
    }
    out.flush()
}
