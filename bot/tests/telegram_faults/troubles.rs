//! Twenty rounds of people talking while something breaks: nothing they say is lost, and nothing of ours is said twice.

use std::{ops::Range, time::Duration};

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Signal, kill_process};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    audit::{self, Unclear},
    fake::{BOT, FakeTelegram},
    home::eventually,
    scene::{Crew, Scene},
};

/// The seed of the faults, unless GROUPCHAT_FAULT_SEED names another.
const SEED: u64 = 1;
/// How long after the first line of a round its trouble comes at most; a reply takes a third of it.
const MOST_MILLISECONDS: u64 = 250;
/// How long two lines of a round are apart at most.
const MOST_PAUSE_MILLISECONDS: u64 = 400;
/// How long what is away stays away at least and at most.
const ABSENCE_MILLISECONDS: Range<u64> = 300..1_500;
/// How long Telegram wants us to wait where something was too much, in seconds.
const FLOOD_SECONDS: u64 = 2;
/// How often the program is killed in the round in which it is killed for what it posts.
const KILLS: usize = 2;
/// How long it may take until something is posted that is to be struck right then.
const POST_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The request for updates breaks while it waits.
    PollsBreak,
    /// Updates come twice and the last of them first.
    Untidy,
    /// A post is not done: it is answered with 502, upon which teloxide waits for ten seconds, or its connection breaks.
    PostsFail,
    /// A post is done, and the connection breaks within its answer.
    AnswerLost,
    /// Posts are too much, for a while.
    RateLimited,
    /// The bot may not write, for a while.
    Muted,
    /// A small group becomes a supergroup.
    Grows,
    PostgresKilled,
    RunnerKilled,
    /// The program is killed at a random moment; the second time several times, as soon as it has posted something.
    ProgramKilled,
}

use Trouble::*;

/// Each of them comes twice, the second time in its other variant where it has two.
const TROUBLES: [Trouble; 10] =
    [PollsBreak, Untidy, PostsFail, AnswerLost, RateLimited, Muted, Grows, PostgresKilled, RunnerKilled, ProgramKilled];

#[expect(clippy::disallowed_methods, reason = "whoever repeats a failure names its seed there")]
fn seed() -> u64 {
    std::env::var("GROUPCHAT_FAULT_SEED").map_or(SEED, |seed| seed.parse().expect("GROUPCHAT_FAULT_SEED is a number"))
}

/// One round: where it plays, what is struck, and when.
#[derive(Debug)]
struct Round {
    number: usize,
    trouble: Trouble,
    is_second: bool,
    crew: usize,
    /// Who says what, and the pause before.
    lines: Vec<(usize, String, Duration)>,
    strikes_after: Duration,
    lasts: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_telegram_whatever_breaks() {
    let seed = seed();
    eprintln!("GROUPCHAT_FAULT_SEED={seed} repeats this");
    let mut scene = Scene::new().await;
    let store = scene.connect().await;
    let rounds = rounds(&mut ChaCha8Rng::seed_from_u64(seed), &scene.crews);
    let mut unclear = Unclear::default();
    for round in &rounds {
        let began = Instant::now();
        play(&mut scene, round, &mut unclear).await;
        let crew = &scene.crews[round.crew];
        let asked = scene.is_well_again(&store, crew, &format!("round {}", round.number)).await;
        eprintln!(
            "round {}: {:?}{} after {:?} in room {}; asked {asked} times, {:.1} s",
            round.number,
            round.trouble,
            if round.is_second { " in its other way" } else { "" },
            round.strikes_after,
            round.crew,
            began.elapsed().as_secs_f32()
        );
    }
    store.close().await;
    scene.stop().await;
    let figures = audit::check(&scene, unclear).await;
    println!("{} rounds of {} troubles: {figures}", rounds.len(), TROUBLES.len());
    scene.home.is_left_alone().await;
}

fn rounds(rng: &mut ChaCha8Rng, crews: &[Crew]) -> Vec<Round> {
    let mut troubles: Vec<Trouble> = [TROUBLES, TROUBLES].concat();
    troubles.shuffle(rng);
    let mut small: Vec<usize> = (0..crews.len()).filter(|crew| crews[*crew].is_small()).collect();
    let is_second = |place: usize| troubles[..place].contains(&troubles[place]);
    let round = |(number, trouble): (usize, &Trouble)| Round {
        number,
        trouble: *trouble,
        is_second: is_second(number),
        crew: match trouble {
            Grows => small.pop().expect("there are as many small groups as grow"),
            // One after the other, so that none has more than Telegram allows.
            _ => number % crews.len(),
        },
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
async fn play(scene: &mut Scene, round: &Round, unclear: &mut Unclear) {
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
                kill_after_a_post(scene, round, kill).await;
                unclear.kills += 1;
            }
        }
        ProgramKilled => {
            first_line(scene, round);
            sleep(round.strikes_after).await;
            scene.kill().await;
            unclear.kills += 1;
            other_lines(scene, round).await;
            scene.start_again();
        }
        Grows => {
            first_line(scene, round);
            sleep(round.strikes_after).await;
            scene.grows(round.crew);
            other_lines(scene, round).await;
        }
        _ => {
            talk_and(scene, round, || strike(&scene.telegram, &scene.crews[round.crew], round)).await;
            it_lasts(scene, round).await;
            unclear.lost_answers += usize::from(round.trouble == AnswerLost);
            mend(&scene.telegram, &scene.crews[round.crew], round.trouble);
        }
    }
}

/// Kills the program between its post and its note of that, with luck.
async fn kill_after_a_post(scene: &mut Scene, round: &Round, kill: usize) {
    let crew = &scene.crews[round.crew];
    let given = scene.says(crew, scene.people[0], &format!("Bo, round {} before kill {kill}", round.number));
    let posted = eventually("a reply", async || {
        scene.replies(crew).iter().any(|reply| reply.number > given.number).then_some(())
    });
    // Where nothing is posted it is killed all the same.
    timeout(POST_TIME, posted).await.ok();
    scene.kill().await;
    let polls = scene.telegram.requests("GetUpdates").len();
    scene.start_again();
    scene.telegram.called("GetUpdates", polls + 1).await;
}

/// Nobody mends it yet, and somebody asks something meanwhile.
async fn it_lasts(scene: &Scene, round: &Round) {
    sleep(round.lasts / 2).await;
    let text = format!("Ada, round {} in the middle of it", round.number);
    scene.says(&scene.crews[round.crew], scene.people[1], &text);
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
    say(scene, round, &round.lines[0]);
}

async fn other_lines(scene: &Scene, round: &Round) {
    for line in &round.lines[1..] {
        sleep(line.2).await;
        say(scene, round, line);
    }
}

fn say(scene: &Scene, round: &Round, (who, text, _): &(usize, String, Duration)) {
    scene.says(&scene.crews[round.crew], scene.people[*who], text);
}

fn strike(telegram: &FakeTelegram, crew: &Crew, round: &Round) {
    match round.trouble {
        PollsBreak => telegram.cut_polls(),
        Untidy => telegram.set_untidy(true),
        PostsFail if round.is_second => telegram.break_off("SendMessage"),
        PostsFail => telegram.fail("SendMessage", 502, 1),
        AnswerLost => telegram.cut_answer("SendMessage"),
        RateLimited => telegram.limit("SendMessage", FLOOD_SECONDS, 2),
        Muted => telegram.set_status(crew.chat, BOT, "muted"),
        Grows | PostgresKilled | RunnerKilled | ProgramKilled => unreachable!("these are struck by whoever plays"),
    }
}

fn mend(telegram: &FakeTelegram, crew: &Crew, trouble: Trouble) {
    telegram.mend();
    telegram.set_untidy(false);
    if trouble == Muted {
        telegram.set_status(crew.chat, BOT, "member");
    }
}
