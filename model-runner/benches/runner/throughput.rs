//! How many rooms a server keeps talking, and what memory that takes. Each room asks again as soon as it has its reply;
//! the servers take turns, so that what else happens on the machine meets both.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;

use crate::{
    client::{Reply, request},
    figures::{Goals, Table, mebibytes, median, milliseconds, percentile},
    latency::{OURS, REPLY},
    server::{Server, Setup},
    words::Room,
};

/// How many rooms talk at once.
const WIDTHS: [usize; 4] = [1, 4, 8, 16];
/// At which width more than a draw is wanted, and how much more.
const GOALS: [(usize, f64); 4] = [(1, 1.0), (4, 1.0), (8, 1.3), (16, 1.0)];

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// How often each server has its turn at each width.
    pub slices: usize,
    /// How long a turn is.
    pub slice: Duration,
}

/// What one server did at one width.
#[derive(Default)]
struct Pace {
    replies_per_second: Vec<f64>,
    tokens_per_second: Vec<f64>,
    times: Vec<Duration>,
}

/// Measures all widths, then the memory.
pub async fn measure(setup: &Setup, span: Span, goals: &mut Goals) -> Result<()> {
    let mut servers = vec![setup.ours(OURS).await?];
    servers.extend(setup.peer(&setup.peer_args()).await?);
    let mut table = Table::new(&[
        "rooms",
        "replies/s: ours",
        "peer",
        "tokens/s: ours",
        "peer",
        "ours/peer",
        "p50 ms: ours",
        "peer",
        "p95 ms: ours",
        "peer",
    ]);
    let most = WIDTHS.into_iter().max().unwrap_or_default();
    let mut rooms: Vec<Vec<Room>> = servers.iter().map(|_| (0..most).map(Room::new).collect()).collect();
    for (width, goal) in GOALS {
        let paces = one_width(&servers, &mut rooms, width, span).await?;
        let ratio = paces.get(1).map_or(f64::NAN, |peer| paces[0].tokens() / peer.tokens());
        table.row(&width.to_string(), &row(&paces, ratio));
        goals.at_least(&format!("tokens/s of {width} rooms against the peer (times)"), ratio, goal);
    }
    table.print("throughput of rooms that ask again at once");
    println!("  ours: {}; the peer: {}", OURS.join(" "), setup.peer_args().join(" "));
    report_memory(&servers)
}

async fn one_width(servers: &[Server], rooms: &mut [Vec<Room>], width: usize, span: Span) -> Result<Vec<Pace>> {
    let mut paces: Vec<Pace> = servers.iter().map(|_| Pace::default()).collect();
    for _ in 0..span.slices {
        for ((server, rooms), pace) in servers.iter().zip(rooms.iter_mut()).zip(&mut paces) {
            let rooms = &mut rooms[..width];
            // Warm-up: what the other widths left in the cache goes, and the rooms fall out of step.
            slice(server, rooms, Duration::ZERO).await?;
            pace.add(&slice(server, rooms, span.slice).await?);
        }
    }
    let rates: Vec<String> = paces.iter().map(|pace| format!("{:.1}", pace.tokens())).collect();
    eprintln!("{width} rooms: {} tokens/s", rates.join(" and "));
    Ok(paces)
}

/// Lets the rooms talk for so long; each finishes the reply in hand. Returns each room's replies and its own time.
async fn slice(server: &Server, rooms: &mut [Room], length: Duration) -> Result<Vec<(Vec<Reply>, Duration)>> {
    let begun = Instant::now();
    try_join_all(rooms.iter_mut().map(|room| async move {
        let mut replies = Vec::new();
        while replies.is_empty() || begun.elapsed() < length {
            replies.push(turn(server, room).await?);
        }
        Ok((replies, begun.elapsed()))
    }))
    .await
}

async fn turn(server: &Server, room: &mut Room) -> Result<Reply> {
    room.hear();
    let reply = server.chat(room.number, &request(room.prompt(), REPLY)).await?;
    room.take_reply(&reply.text);
    Ok(reply)
}

impl Pace {
    /// The rate is the sum of the rooms' own: rooms that talk in step end their replies together, and to count what
    /// ends before one moment would be off by a whole step.
    fn add(&mut self, rooms: &[(Vec<Reply>, Duration)]) {
        let rate = |count: fn(&Reply) -> f64| -> f64 {
            rooms.iter().map(|(replies, time)| replies.iter().map(count).sum::<f64>() / time.as_secs_f64()).sum()
        };
        self.replies_per_second.push(rate(|_| 1.0));
        self.tokens_per_second.push(rate(|reply| f64::from(reply.usage.completion_tokens)));
        self.times.extend(rooms.iter().flat_map(|(replies, _)| replies).map(|reply| reply.whole));
    }

    fn replies(&self) -> f64 {
        median(self.replies_per_second.iter().copied())
    }

    fn tokens(&self) -> f64 {
        median(self.tokens_per_second.iter().copied())
    }

    fn time(&self, part: f64) -> f64 {
        percentile(self.times.iter().map(|&time| milliseconds(time)), part)
    }
}

fn row(paces: &[Pace], ratio: f64) -> Vec<f64> {
    let of = |side: usize, figure: &dyn Fn(&Pace) -> f64| paces.get(side).map_or(f64::NAN, figure);
    let both = |figure: &dyn Fn(&Pace) -> f64| [of(0, figure), of(1, figure)];
    let mut row = Vec::from(both(&Pace::replies));
    row.extend(both(&Pace::tokens));
    row.push(ratio);
    row.extend(both(&|pace| pace.time(0.5)));
    row.extend(both(&|pace| pace.time(0.95)));
    row
}

fn report_memory(servers: &[Server]) -> Result<()> {
    let mut table = Table::new(&["MiB", "resident", "of it the file", "of it its own", "resident at most"]);
    for (server, name) in servers.iter().zip(["ours", "peer"]) {
        let memory = server.memory().context("cannot read the memory of a server")?;
        table.row(name, &[memory.resident, memory.file, memory.own, memory.highest].map(mebibytes));
    }
    table.print("memory after that");
    Ok(())
}
