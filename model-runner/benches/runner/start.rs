//! From the start of the process to the first token of its first reply, with the model's file in the page cache.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    client::{Outcome, request},
    figures::{Goals, Table, median},
    latency::{OURS, REPLY},
    server::{Server, Setup},
    words::Room,
};

/// How often a server that cannot answer yet is asked.
const GLANCE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures so many starts of each.
pub async fn measure(setup: &Setup, rounds: usize, goals: &mut Goals) -> Result<()> {
    io::copy(&mut File::open(&setup.model)?, &mut io::sink())?;
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let begun = Instant::now();
        ours.push(first_token(setup.start_ours(OURS).await?, begun).await?);
        if let Some(program) = &setup.peer {
            let begun = Instant::now();
            peer.push(first_token(setup.start_peer(program, &setup.peer_args())?, begun).await?);
        }
        eprintln!("start: round {} of {rounds}", round + 1);
    }
    let (ours, peer) = (median(ours), median(peer));
    let mut table = Table::new(&["seconds", "ours", "peer", "peer/ours"]);
    table.row("process to first token", &[ours, peer, peer / ours]);
    table.print("cold start on a warm page cache");
    goals.at_most("start to the first token (seconds)", ours, 2.0);
    Ok(())
}

/// Seconds since `begun` until the first token. The server ends with this.
async fn first_token(server: Server, begun: Instant) -> Result<f64> {
    let request = json!(request(Room::new(0).prompt(), REPLY));
    while begun.elapsed() < PATIENCE {
        let asked = begun.elapsed();
        // Refused connections and 503 both say that it is not ready yet.
        if let Ok(Outcome::Answered(reply)) = server.client.try_chat(&request).await {
            return Ok((asked + reply.first).as_secs_f64());
        }
        sleep(GLANCE).await;
    }
    bail!("{:?} has not answered within {PATIENCE:?} of its start", server.kind)
}
