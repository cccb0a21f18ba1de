//! The bot under the load of 200 servers with 1,000 channels, 500 messages a second for five minutes, speaking with Markov
//! voices: no message may be lost, 99 of 100 are stored within 250 ms of being posted, and memory stops growing.
//!
//! `cargo bench -p bot --bench discord` runs the real program against a Discord of its own on this machine, with a private
//! PostgreSQL as in real use (fsync on). `-- small` does it for twenty seconds.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench measures time, and stops at any fault")]

#[path = "../../tests/discord/fake/mod.rs"]
#[expect(dead_code, unused_imports, reason = "a Discord has more sides than a bench needs")]
mod fake;
mod town;

use std::time::{Duration, Instant};

use chat::MessageKey;
use store::Store;
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::town::Town;

const A_SECOND: usize = 500;
const TICK: Duration = Duration::from_millis(20);
/// How often one message is watched until it is stored.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
const GLANCE: Duration = Duration::from_millis(1);
const P99: Duration = Duration::from_millis(250);
/// How much more memory the program may have at the end than after the first fifth of the time.
const GROWTH: f64 = 1.25;
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let small = std::env::args().any(|argument| argument == "small");
    let length = Duration::from_secs(if small { 20 } else { 300 });
    let mut town = Town::build().await;
    println!(
        "{} servers, {} channels, {} of them with personas",
        town::SERVERS,
        town.channels.len(),
        town.rooms_with_cast
    );
    let store = town.connect().await;
    let watching = tokio::spawn(watch(store.clone(), town.newest.clone()));
    let (said, early) = talk(&mut town, length).await;
    wait_until_stored(&town, &store, said).await;
    watching.abort();
    let samples = town.newest.samples();
    report(&town, said, length, samples, early);
    town.end(store).await;
}

/// Says so many messages, evenly. Returns how many, and the memory after the first fifth of the time.
async fn talk(town: &mut Town, length: Duration) -> (usize, u64) {
    let begun = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut said, mut early) = (0, None);
    while begun.elapsed() < length {
        ticks.tick().await;
        let due = (begun.elapsed().as_secs_f64() * A_SECOND as f64) as usize;
        while said < due {
            town.say(said);
            said += 1;
        }
        if begun.elapsed() > length / 5 {
            early.get_or_insert_with(|| town.memory());
        }
    }
    (said, early.unwrap_or_default())
}

/// Watches one message after the other, from the moment of posting until the history has it.
async fn watch(store: Store, newest: town::Newest) {
    let mut samples = interval(SAMPLE_EVERY);
    samples.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        samples.tick().await;
        let Some((channel, message, at)) = newest.take() else { continue };
        let Some(room) = newest.room(&store, channel).await else { continue };
        while store.is_known(room, &[MessageKey(message as i64)]).await.unwrap().is_empty() {
            sleep(GLANCE).await;
        }
        newest.stored(at.elapsed());
    }
}

/// Waits for the last message.
async fn wait_until_stored(town: &Town, store: &Store, said: usize) {
    let begun = Instant::now();
    let mut stored = 0;
    while begun.elapsed() < PATIENCE {
        stored = town.stored(store).await;
        if stored >= said {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stored, said, "messages were lost or doubled");
}

fn report(town: &Town, said: usize, length: Duration, mut samples: Vec<Duration>, early: u64) {
    samples.sort();
    let of = |part: f64| samples[((samples.len() as f64 * part) as usize).min(samples.len() - 1)];
    let late = town.memory();
    println!("said {said} messages in {} s, all of them stored once", length.as_secs());
    println!("personas said {}", town.discord.webhook_messages().len());
    println!(
        "from posted to stored, {} samples: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms (limit for p99: {} ms)",
        samples.len(),
        of(0.5).as_secs_f64() * 1e3,
        of(0.99).as_secs_f64() * 1e3,
        of(1.0).as_secs_f64() * 1e3,
        P99.as_millis()
    );
    println!("memory of the program: {} MiB after a fifth of the time, {} MiB at the end", early >> 20, late >> 20);
    let faults = town.discord.violations();
    assert!(faults.is_empty(), "{faults:?}");
    assert!(of(0.99) < P99, "too slow");
    assert!(late as f64 <= early as f64 * GROWTH, "memory grows");
}
