//! Twice as many clients as the runner has places, for ten minutes: what is too much is turned away at once, no reply is
//! lost or given to another room, and memory stops growing.
//!
//! A reply can be checked because each request carries a grammar that allows one sentence only, the room's secret and the
//! number of the request in it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chat::wire::ChatRequest;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    client::{Outcome, request},
    figures::{Goals, mebibytes, milliseconds, percentile},
    server::{Server, Setup},
    words::{Dice, Room},
};

/// Eight that are answered at once and eight that wait.
const OURS: &[&str] = &["--context", "4096", "--parallel", "8", "--queue", "8"];
const CLIENTS: usize = 32;
/// Room for any secret; it ends by itself.
const REPLY: u32 = 40;
/// How long a client that was turned away waits. The server asks for more, but the load is not to let up.
const PAUSE: Duration = Duration::from_millis(250);
/// Memory after this part of the time is held against that at the end, and may have grown so much.
const WARM: f64 = 0.2;
const GROWTH: f64 = 1.02;
/// In less time than this the first part is no warm-up, and growth is told but no error.
const LONG_ENOUGH: Duration = Duration::from_secs(300);

/// What happened to the requests of one client, or of all.
#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    turned_away: Vec<Duration>,
    without_retry_after: usize,
    /// What is no reply of the room that asked.
    wrong: Vec<String>,
    /// What is no reply at all.
    lost: Vec<String>,
}

/// Keeps up the load for so long.
///
/// # Errors
/// A reply that is lost or wrong, and in a long run memory that grows: unlike times these do not depend on the machine.
pub async fn measure(setup: &Setup, length: Duration, goals: &mut Goals) -> Result<()> {
    let server = setup.ours(OURS).await?;
    let begun = Instant::now();
    let clients = join_all((0..CLIENTS).map(|room| talk(&server, room, begun, length)));
    let (tallies, warm) = tokio::join!(clients, memory_after(&server, length.mul_f64(WARM)));
    let (warm, late) = (warm?, server.memory()?.own);
    let tally = tallies.into_iter().fold(Tally::default(), Tally::with);
    tally.print(begun.elapsed());
    println!(
        "  own memory: {:.1} MiB after {:.0} s, {:.1} MiB at the end",
        mebibytes(warm),
        length.mul_f64(WARM).as_secs_f64(),
        mebibytes(late)
    );
    let refused = percentile(tally.turned_away.iter().copied().map(milliseconds), 0.95);
    goals.at_most("p95 of being turned away (milliseconds)", refused, 50.0);
    goals.at_most("own memory at the end against that after warm-up (times)", late as f64 / warm as f64, GROWTH);
    ensure!(tally.lost.is_empty(), "replies were lost, the first so: {}", tally.lost[0]);
    ensure!(tally.wrong.is_empty(), "rooms got what is not their reply, the first {}", tally.wrong[0]);
    ensure!(tally.without_retry_after == 0, "a 503 did not say when to come back");
    ensure!(length < LONG_ENOUGH || late as f64 <= warm as f64 * GROWTH, "memory grows");
    Ok(())
}

async fn memory_after(server: &Server, time: Duration) -> Result<u64> {
    sleep(time).await;
    Ok(server.memory()?.own)
}

/// One room that asks again as soon as it has its reply.
async fn talk(server: &Server, number: usize, begun: Instant, length: Duration) -> Tally {
    let mut room = Room::new(number);
    let mut dice = Dice::seeded(!(number as u64));
    let mut tally = Tally::default();
    while begun.elapsed() < length {
        room.hear();
        let secret = format!("room {number} says {}", dice.words(2));
        let request = json!(bound_to(&secret, room.prompt(), number));
        match server.client.try_chat(&request).await {
            Ok(Outcome::Answered(reply)) if reply.text == secret => tally.answered += 1,
            Ok(Outcome::Answered(reply)) => tally.wrong.push(format!("{} instead of {secret}", reply.text)),
            Ok(Outcome::TurnedAway { after, says_when }) => {
                tally.without_retry_after += usize::from(!says_when);
                tally.turned_away.push(after);
                sleep(PAUSE).await;
            }
            Err(error) => tally.lost.push(format!("{error:#}")),
        }
    }
    tally
}

/// A request that can only be answered by these words.
fn bound_to(secret: &str, prompt: String, room: usize) -> ChatRequest {
    let mut request = request(prompt, REPLY);
    // It is to end after the secret, which only an end token can do.
    request.options.logit_bias = None;
    request.options.grammar = Some(format!("root ::= \"{secret}\""));
    request.options.prompt_cache_key = Some(format!("room-{room}"));
    request
}

impl Tally {
    fn with(mut self, other: Self) -> Self {
        self.answered += other.answered;
        self.turned_away.extend(other.turned_away);
        self.without_retry_after += other.without_retry_after;
        self.wrong.extend(other.wrong);
        self.lost.extend(other.lost);
        self
    }

    fn print(&self, length: Duration) {
        println!("\nload: {CLIENTS} clients for {:.0} s on {}", length.as_secs_f64(), OURS.join(" "));
        println!(
            "  {} answered ({:.1} a second), {} turned away, {} lost, {} wrong",
            self.answered,
            self.answered as f64 / length.as_secs_f64(),
            self.turned_away.len(),
            self.lost.len(),
            self.wrong.len()
        );
    }
}
