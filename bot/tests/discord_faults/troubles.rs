//! Twenty rounds of people talking while something breaks: nothing they say is lost, and nothing of ours is said twice.

use std::{ops::Range, time::Duration};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Signal, kill_process};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    audit,
    fake::{FakeDiscord, MANAGE_WEBHOOKS},
    scene::Scene,
};

/// The seed of the faults, unless GROUPCHAT_FAULT_SEED names another.
const SEED: u64 = 1;
/// How long after the first line of a round its trouble comes at most; a reply takes a third of it.
const MOST_MILLISECONDS: u64 = 250;
/// How long two lines of a round are apart at most.
const MOST_PAUSE_MILLISECONDS: u64 = 400;
/// How long what is away stays away at least and at most.
const ABSENCE_MILLISECONDS: Range<u64> = 500..3_000;
/// How often the program is killed in the round in which it is killed for what it posts.
const KILLS: usize = 3;
/// How long it may take until something is posted that is to be struck right then.
const POST_TIME: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The connection breaks; the session can be resumed.
    GatewayDropped,
    /// Discord asks the client to connect again.
    GatewayReconnect,
    /// The connection breaks and the session is gone.
    SessionLost,
    /// REST answers with 500 for a while: everything, or the next calls of webhooks.
    RestFails,
    /// Webhooks meet a limit that nothing announced.
    RateLimited,
    WebhookDeleted,
    /// The webhooks may not be managed for a while; the second time the webhook is deleted, too.
    PermissionTaken,
    PostgresKilled,
    RunnerKilled,
    /// The program is killed at a random moment; the second time several times, as soon as it has posted something.
    ProgramKilled,
}

use Trouble::*;

/// Each of them comes twice, the second time in its other variant where it has two.
const TROUBLES: [Trouble; 10] = [
    GatewayDropped,
    GatewayReconnect,
    SessionLost,
    RestFails,
    RateLimited,
    WebhookDeleted,
    PermissionTaken,
    PostgresKilled,
    RunnerKilled,
    ProgramKilled,
];

#[expect(clippy::disallowed_methods, reason = "whoever repeats a failure names its seed there")]
fn seed() -> u64 {
    std::env::var("GROUPCHAT_FAULT_SEED").map_or(SEED, |seed| seed.parse().expect("GROUPCHAT_FAULT_SEED is a number"))
}

/// One round: what is struck, and when.
#[derive(Debug)]
struct Round {
    number: usize,
    trouble: Trouble,
    is_second: bool,
    /// Who says what, and the pause before.
    lines: Vec<(usize, String, Duration)>,
    strikes_after: Duration,
    lasts: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_discord_whatever_breaks() {
    let seed = seed();
    eprintln!("GROUPCHAT_FAULT_SEED={seed} repeats this");
    let mut scene = Scene::new().await;
    let store = scene.connect().await;
    let room = scene.room(&store).await;
    scene.is_well_again(&store, room, "the beginning").await;
    let rounds = rounds(&mut ChaCha8Rng::seed_from_u64(seed));
    for round in &rounds {
        let began = Instant::now();
        play(&mut scene, round).await;
        let asked = scene.is_well_again(&store, room, &format!("round {}", round.number)).await;
        eprintln!(
            "round {}: {:?}{} after {:?}; asked {asked} times, {:.1} s",
            round.number,
            round.trouble,
            if round.is_second { " in its other way" } else { "" },
            round.strikes_after,
            began.elapsed().as_secs_f32()
        );
    }
    store.close().await;
    scene.stop().await;
    let figures = audit::check(&scene).await;
    let recoveries = scene.home.logged().matches("looking after turns that were interrupted").count();
    println!(
        "{} rounds of {} troubles: {figures}; {recoveries} kills left a turn behind",
        rounds.len(),
        TROUBLES.len()
    );
    scene.home.is_left_alone().await;
}

/// How far the history is complete is written down every few seconds only; this one is killed before the first time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_after_a_first_start_that_was_soon_killed_is_fetched() {
    let mut scene = Scene::new().await;
    let store = scene.connect().await;
    let room = scene.room(&store).await;
    scene.kill().await;
    scene.says(scene.ada, "nobody hears this");
    scene.start_again();
    scene.is_well_again(&store, room, "a first start").await;
    store.close().await;
    scene.stop().await;
}

fn rounds(rng: &mut ChaCha8Rng) -> Vec<Round> {
    let mut troubles: Vec<Trouble> = [TROUBLES, TROUBLES].concat();
    troubles.shuffle(rng);
    let is_second = |place: usize| troubles[..place].contains(&troubles[place]);
    let round = |(number, trouble): (usize, &Trouble)| Round {
        number,
        trouble: *trouble,
        is_second: is_second(number),
        lines: lines(number, rng),
        strikes_after: milliseconds(rng, 0..MOST_MILLISECONDS),
        lasts: milliseconds(rng, ABSENCE_MILLISECONDS),
    };
    troubles.iter().enumerate().map(round).collect()
}

fn milliseconds(rng: &mut ChaCha8Rng, range: Range<u64>) -> Duration {
    Duration::from_millis(rng.random_range(range))
}

fn lines(round: usize, rng: &mut ChaCha8Rng) -> Vec<(usize, String, Duration)> {
    let count = rng.random_range(1..=3);
    let line = |line: usize| {
        let to = ["", "Ada, ", "Bo, "][rng.random_range(0..3)];
        let pause = if line == 0 { Duration::ZERO } else { milliseconds(rng, 0..MOST_PAUSE_MILLISECONDS) };
        (rng.random_range(0..3), format!("{to}round {round} line {line}"), pause)
    };
    (0..count).map(line).collect()
}

/// People talk, something breaks meanwhile, and then it is mended.
async fn play(scene: &mut Scene, round: &Round) {
    take_all(&scene.discord).await;
    match round.trouble {
        PostgresKilled => {
            let postmaster = scene.postmaster().await;
            let strike = || kill_process(postmaster, Signal::KILL).unwrap();
            talk_and(scene, round, strike).await;
        }
        RunnerKilled => {
            talk_and(scene, round, || scene.runner.kill()).await;
            it_lasts(scene, round).await;
            scene.runner.come_back().await;
        }
        ProgramKilled if round.is_second => {
            talk(scene, round).await;
            for kill in 0..KILLS {
                take_all(&scene.discord).await;
                scene.says(scene.ada, &format!("Bo, round {} before kill {kill}", round.number));
                // Between its post and its note of that, with luck.
                drop(timeout(POST_TIME, scene.discord.next_webhook_message()).await);
                scene.kill().await;
                scene.discord.disconnected().await;
                scene.start_again();
                scene.discord.connected().await;
            }
        }
        ProgramKilled => {
            first_line(scene, round);
            sleep(round.strikes_after).await;
            scene.kill().await;
            other_lines(scene, round).await;
            scene.start_again();
        }
        _ => {
            talk_and(scene, round, || strike(&scene.discord, scene.channel, round)).await;
            // The rest is mended as soon as it is broken.
            if matches!(round.trouble, RestFails | PermissionTaken) {
                it_lasts(scene, round).await;
            }
            mend(&scene.discord, scene.channel);
        }
    }
}

/// Nobody mends it yet, and somebody asks something meanwhile.
async fn it_lasts(scene: &Scene, round: &Round) {
    sleep(round.lasts / 2).await;
    scene.says(scene.bo, &format!("Ada, round {} in the middle of it", round.number));
    sleep(round.lasts / 2).await;
}

async fn talk_and(scene: &Scene, round: &Round, strike: impl FnOnce()) {
    let striking = async {
        sleep(round.strikes_after).await;
        strike();
    };
    tokio::join!(talk(scene, round), striking);
}

async fn talk(scene: &Scene, round: &Round) {
    first_line(scene, round);
    other_lines(scene, round).await;
}

fn first_line(scene: &Scene, round: &Round) {
    say(scene, &round.lines[0]);
}

async fn other_lines(scene: &Scene, round: &Round) {
    for line in &round.lines[1..] {
        sleep(line.2).await;
        say(scene, line);
    }
}

fn say(scene: &Scene, (who, text, _): &(usize, String, Duration)) {
    scene.says([scene.ada, scene.bo, scene.dora][*who], text);
}

fn strike(discord: &FakeDiscord, channel: u64, round: &Round) {
    match round.trouble {
        GatewayDropped => discord.drop_gateway(4000),
        GatewayReconnect => discord.send_reconnect(),
        SessionLost => discord.forget_sessions(),
        RestFails if round.is_second => discord.fail("/webhooks/", 500, 4),
        RestFails => discord.outage(Some(500)),
        RateLimited => discord.limit_unannounced("/webhooks/", Duration::from_millis(700), 3),
        WebhookDeleted => delete_webhooks(discord, channel),
        PermissionTaken => {
            discord.deny(channel, MANAGE_WEBHOOKS);
            if round.is_second {
                delete_webhooks(discord, channel);
            }
        }
        PostgresKilled | RunnerKilled | ProgramKilled => unreachable!("these are no troubles of Discord's"),
    }
}

fn delete_webhooks(discord: &FakeDiscord, channel: u64) {
    discord.webhooks(channel).into_iter().for_each(|webhook| discord.delete_webhook(webhook.id));
}

fn mend(discord: &FakeDiscord, channel: u64) {
    discord.outage(None);
    discord.deny(channel, 0);
}

/// What was posted so far is not what the next round waits for.
async fn take_all(discord: &FakeDiscord) {
    while timeout(Duration::from_millis(1), discord.next_webhook_message()).await.is_ok() {}
}
