//! How long it takes from the decision to speak to the first token, and to the end of a reply of twenty.
//!
//! Four situations, one after the other in each round, each on one server and then on the other:
//! - cold: a prompt whose very first words nobody has sent before. Flushing a cache would not do: ours keeps the head
//!   that all prompts share, and the peer keeps whole prompts beside its slots.
//! - shared head: a room's first request, right after another room's.
//! - sliding window: a room goes on, and its oldest messages leave. This is the peer at its best, as its prompt cache
//!   holds the slot of this very room; behind the head, however, nothing stands where it stood.
//! - prefilled ahead: the same, but what does not depend on who speaks was computed before the decision. The peer has no
//!   such request and is sent one for one token.

use anyhow::Result;
use serde_json::json;

use crate::{
    client::{Reply, request},
    figures::{Goals, Table, median, milliseconds},
    server::{Kind, Server, Setup, prefill},
    words::{Dice, Room},
};

/// Tokens of a reply.
pub const REPLY: u32 = 20;
/// What the runner is given: as the bot starts it.
pub const OURS: &[&str] = &["--context", "8192", "--parallel", "16", "--queue", "64"];
/// One slot is enough for one room at a time, and leaves the peer the whole context for it.
const PEER: &[&str] = &["-np", "1", "-c", "2048"];
/// With this the peer also moves what stands elsewhere in its cache to where it is wanted, its keys turned and its values as
/// they are. What was computed behind messages that have left is then not what a fresh prompt gives, so this is measured in
/// the sliding window for information only.
const REUSING_PEER: &[&str] = &["-np", "1", "-c", "2048", "--cache-reuse", "8"];
/// The number of the room that slides; newcomers have those above.
const SLIDING: usize = 0;

const SITUATIONS: [Situation; 4] =
    [Situation::Cold, Situation::SharedHead, Situation::SlidingWindow, Situation::PrefilledAhead];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    Cold,
    SharedHead,
    SlidingWindow,
    PrefilledAhead,
}

impl Situation {
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::SharedHead => "shared head",
            Self::SlidingWindow => "sliding window",
            Self::PrefilledAhead => "prefilled ahead",
        }
    }
}

/// A server, the room that slides on it, and what it answered in each situation.
struct Side {
    server: Server,
    sliding: Room,
    newcomers: usize,
    replies: [Vec<Reply>; SITUATIONS.len()],
}

/// Measures so many rounds.
pub async fn measure(setup: &Setup, rounds: usize, goals: &mut Goals) -> Result<()> {
    let mut sides = vec![Side::new(setup.ours(OURS).await?)];
    sides.extend(setup.peer(PEER).await?.map(Side::new));
    let mut reusing = setup.peer(REUSING_PEER).await?.map(Side::new);
    for side in &mut sides {
        side.warm_up().await?;
    }
    for round in 0..rounds {
        for situation in SITUATIONS {
            for side in &mut sides {
                side.meet(situation, round).await?;
            }
        }
        if let Some(side) = &mut reusing {
            side.meet(Situation::SlidingWindow, round).await?;
        }
        eprintln!("latency: round {} of {rounds}", round + 1);
    }
    report(&sides, goals);
    reusing.iter().for_each(Side::report_reuse);
    Ok(())
}

impl Side {
    fn new(server: Server) -> Self {
        Self { server, sliding: Room::new(SLIDING), newcomers: SLIDING, replies: Default::default() }
    }

    /// A server's first request pays for pages that were never touched.
    async fn warm_up(&mut self) -> Result<()> {
        self.turn(false).await?;
        Ok(())
    }

    async fn meet(&mut self, situation: Situation, round: usize) -> Result<()> {
        let reply = match situation {
            Situation::Cold => {
                let opening = Dice::seeded(!(round as u64)).words(3);
                let prompt = format!("{opening}. {}", self.newcomer().prompt());
                self.ask(self.newcomers, prompt).await?
            }
            Situation::SharedHead => {
                let other = self.newcomer().prompt();
                self.ask(self.newcomers, other).await?;
                let prompt = self.newcomer().prompt();
                self.ask(self.newcomers, prompt).await?
            }
            Situation::SlidingWindow => {
                // Newcomers have taken the peer's only slot since the room's last turn; this gives it back.
                self.turn(false).await?;
                self.turn(false).await?
            }
            Situation::PrefilledAhead => self.turn(true).await?,
        };
        self.replies[situation as usize].push(reply);
        Ok(())
    }

    fn newcomer(&mut self) -> Room {
        self.newcomers += 1;
        Room::new(self.newcomers)
    }

    /// A turn of the room that slides.
    async fn turn(&mut self, ahead: bool) -> Result<Reply> {
        self.sliding.hear();
        if ahead {
            self.prefill().await?;
        }
        let prompt = self.sliding.prompt();
        let reply = self.ask(SLIDING, prompt).await?;
        self.sliding.take_reply(&reply.text);
        Ok(reply)
    }

    async fn prefill(&mut self) -> Result<()> {
        let prefix = self.sliding.prefix();
        match self.server.kind {
            Kind::Ours => drop(self.server.client.post("/v1/prefill", &prefill(SLIDING, &prefix)).await?),
            Kind::Peer => drop(self.server.client.chat(&json!(request(prefix, 1))).await?),
        }
        Ok(())
    }

    async fn ask(&self, room: usize, prompt: String) -> Result<Reply> {
        // The peer has one slot, and all rooms are in it.
        let room = if self.server.kind == Kind::Peer { 0 } else { room };
        self.server.chat(room, &request(prompt, REPLY)).await
    }

    fn first(&self, situation: Situation) -> f64 {
        median(self.replies[situation as usize].iter().map(|reply| milliseconds(reply.first)))
    }

    fn whole(&self, situation: Situation) -> f64 {
        median(self.replies[situation as usize].iter().map(|reply| milliseconds(reply.whole)))
    }

    fn prompt_tokens(&self, situation: Situation) -> [f64; 2] {
        let usages = || self.replies[situation as usize].iter().map(|reply| reply.usage);
        [
            median(usages().map(|usage| f64::from(usage.prompt_tokens))),
            median(usages().map(|usage| f64::from(usage.cached_tokens()))),
        ]
    }

    fn report_reuse(&self) {
        let situation = Situation::SlidingWindow;
        println!(
            "  for information, the peer with --cache-reuse 8 in the sliding window, inexact: first token {:.0} ms, whole reply \
             {:.0} ms, {:.0} tokens cached",
            self.first(situation),
            self.whole(situation),
            self.prompt_tokens(situation)[1],
        );
    }
}

fn report(sides: &[Side], goals: &mut Goals) {
    let mut table = Table::new(&[
        "milliseconds, medians",
        "first token: ours",
        "peer",
        "peer/ours",
        "whole reply: ours",
        "peer",
        "peer/ours",
        "prompt tokens: ours",
        "cached",
        "peer",
        "cached",
    ]);
    let [ours, rest @ ..] = sides else { return };
    let peer = rest.first();
    for situation in SITUATIONS {
        let (first, whole) = (ours.first(situation), ours.whole(situation));
        let of_peer = |figure: fn(&Side, Situation) -> f64| peer.map_or(f64::NAN, |peer| figure(peer, situation));
        let (peer_first, peer_whole) = (of_peer(Side::first), of_peer(Side::whole));
        let [tokens, cached] = ours.prompt_tokens(situation);
        let [peer_tokens, peer_cached] = peer.map_or([f64::NAN; 2], |peer| peer.prompt_tokens(situation));
        table.row(
            situation.name(),
            &[
                first,
                peer_first,
                peer_first / first,
                whole,
                peer_whole,
                peer_whole / whole,
                tokens,
                cached,
                peer_tokens,
                peer_cached,
            ],
        );
    }
    table.print("latency of one room");
    println!("  the peer: {}; it prefills ahead by a request for one token, which no user of it does", PEER.join(" "));
    let ratio = peer.map_or(f64::NAN, |peer| peer.first(Situation::SlidingWindow));
    goals.at_least(
        "first token, prefilled ahead, against the peer's prompt cache (times)",
        ratio / ours.first(Situation::PrefilledAhead),
        5.0,
    );
}
