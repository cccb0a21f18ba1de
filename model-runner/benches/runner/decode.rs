//! One long answer: how fast a token follows the other, and what it costs to keep the answer to the group's scripts and
//! free of addresses.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use chat::wire::ChatRequest;
use serde_json::Value;
use tokio::process::Command;

use crate::{
    client::{Reply, request},
    figures::{Goals, Table, median, milliseconds},
    latency::OURS,
    server::{Server, Setup},
    words::Room,
};

/// Tokens of a long answer, the one of `llama-bench` too.
const LONG: u32 = 100;
/// Tokens of the prompt before it, about.
const DEPTH: u32 = 120;
/// The program beside llama-server that generates without any server about it.
const LLAMA_BENCH: &str = "llama-bench";

/// Measures our decoding against the peer's, through its server and without.
pub async fn measure(setup: &Setup, rounds: usize, goals: &mut Goals) -> Result<()> {
    let ours = setup.ours(OURS).await?;
    let peer = setup.peer(&["-np", "1", "-c", "2048"]).await?;
    let llama_bench = setup.beside_peer(LLAMA_BENCH);
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..rounds {
        rates[0].push(rate(&long_answer(&ours, round, plain).await?));
        if let Some(peer) = &peer {
            rates[1].push(rate(&long_answer(peer, round, plain).await?));
        }
        if let Some(program) = &llama_bench {
            rates[2].push(run_llama_bench(program, setup).await?);
        }
        eprintln!("decode: round {} of {rounds}", round + 1);
    }
    let [ours, peer, bare] = rates.map(median);
    let mut table = Table::new(&["tokens/s", "ours", "llama-server", "llama-bench", "ours/llama-bench"]);
    table.row(&format!("{LONG} tokens after {DEPTH}"), &[ours, peer, bare, ours / bare]);
    table.print("decoding of one room, the first token left out");
    goals.at_least("decoding against llama-bench (times)", ours / bare, 0.9);
    Ok(())
}

/// Measures our decoding with masks against that without.
pub async fn measure_masks(setup: &Setup, rounds: usize, goals: &mut Goals) -> Result<()> {
    let ours = setup.ours(OURS).await?;
    let (mut free, mut masked) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        free.push(milliseconds(long_answer(&ours, round, plain).await?.time_per_token()));
        let reply = long_answer(&ours, round, with_masks).await?;
        if let Some(letter) = reply.text.chars().find(|letter| is_foreign(*letter)) {
            println!("WARNING: the masks are on, and {letter:?} came through");
        }
        masked.push(milliseconds(reply.time_per_token()));
        eprintln!("mask: round {} of {rounds}", round + 1);
    }
    let (free, masked) = (median(free), median(masked));
    let cost = (masked / free - 1.0) * 100.0;
    let mut table = Table::new(&["milliseconds a token", "without", "with", "more, in %"]);
    table.row("latin only, no addresses", &[free, masked, cost]);
    table.print("what the masks cost");
    goals.at_most("masks, more time a token (%)", cost, 2.0);
    Ok(())
}

fn plain(_: &mut ChatRequest) {}

fn with_masks(request: &mut ChatRequest) {
    request.options.allowed_scripts = serde_json::from_str(r#"["latin"]"#).expect("the name of a script");
    request.options.no_urls = Some(true);
}

/// Whether a letter is of one of the scripts that random weights write most beside Latin.
fn is_foreign(letter: char) -> bool {
    matches!(letter, '\u{370}'..='\u{52f}' | '\u{590}'..='\u{6ff}' | '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')
}

async fn long_answer(server: &Server, round: usize, change: fn(&mut ChatRequest)) -> Result<Reply> {
    let mut request = request(Room::new(round).prompt(), LONG);
    change(&mut request);
    let reply = server.chat(0, &request).await?;
    let drawn = reply.usage.completion_tokens;
    ensure!(drawn > LONG / 2, "an answer of {LONG} tokens ended after {drawn}");
    Ok(reply)
}

fn rate(reply: &Reply) -> f64 {
    reply.time_per_token().as_secs_f64().recip()
}

async fn run_llama_bench(program: &Path, setup: &Setup) -> Result<f64> {
    let numbers = [LONG, DEPTH, setup.threads as u32, 1].map(|number| number.to_string());
    let mut command = Command::new(program);
    for (option, number) in ["-n", "-d", "-t", "-r"].into_iter().zip(&numbers) {
        command.args([option, number]);
    }
    command.args(["-p", "0", "-o", "json", "-m"]).arg(&setup.model);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).output().await?;
    let runs: Value = serde_json::from_slice(&output.stdout).context("llama-bench does not print JSON")?;
    runs[0]["avg_ts"].as_f64().context("llama-bench does not tell its rate as avg_ts")
}
