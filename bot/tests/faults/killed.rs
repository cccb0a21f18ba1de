//! Whatever is killed, and whenever: nothing that was confirmed is lost, nothing is said twice, nothing is left behind.

use model_runner::testing::TinyModel;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    sync::watch,
    time::{Duration, sleep},
};

use super::{
    audit,
    conversation::Conversation,
    home::{Demo, Home, eventually},
    page::Page,
};

/// The seed of the faults, unless GROUPCHAT_FAULT_SEED names another.
const SEED: u64 = 1;
/// How many events of the conversation pass at most between two faults.
const MOST_EVENTS: u64 = 12;
/// How long after an event a fault comes at most.
const MOST_MICROSECONDS: u64 = 30_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Bot,
    Runner,
    Postgres,
    Everything,
}

/// Twenty.
const VICTIMS: [(Victim, usize); 4] =
    [(Victim::Bot, 6), (Victim::Runner, 6), (Victim::Postgres, 6), (Victim::Everything, 2)];

#[expect(clippy::disallowed_methods, reason = "whoever repeats a failure names its seed there")]
fn seed() -> u64 {
    std::env::var("GROUPCHAT_FAULT_SEED").map_or(SEED, |seed| seed.parse().expect("GROUPCHAT_FAULT_SEED is a number"))
}

struct Scene {
    home: Home,
    model: String,
    demo: Demo,
    url: watch::Sender<String>,
}

impl Scene {
    async fn new() -> Self {
        let home = Home::new();
        let model = home.file("tiny.gguf", TinyModel::default().to_bytes()).display().to_string();
        let demo = Demo::start(&home, &["--model", &model]).await;
        let url = watch::Sender::new(demo.url.clone());
        Self { home, model, demo, url }
    }

    async fn start_again(&mut self) {
        self.demo = Demo::start(&self.home, &["--model", &self.model]).await;
        self.url.send_replace(self.demo.url.clone());
    }

    /// Finds the processes to kill, once they run.
    async fn find(&self, victim: Victim) -> Vec<Pid> {
        let bot = self.demo.pid();
        match victim {
            Victim::Bot => vec![bot],
            Victim::Runner => vec![self.runner().await],
            Victim::Postgres => vec![self.postmaster().await],
            Victim::Everything => vec![bot, self.runner().await, self.postmaster().await],
        }
    }

    async fn runner(&self) -> Pid {
        eventually("the runner runs", async || self.home.runner()).await
    }

    async fn postmaster(&self) -> Pid {
        eventually("Postgres runs", async || self.home.postmaster()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_left_behind_whatever_is_killed() {
    let seed = seed();
    eprintln!("GROUPCHAT_FAULT_SEED={seed} repeats this");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut scene = Scene::new().await;
    let page = Page::new(scene.url.subscribe());
    let cast = cast(&page).await;
    let mut conversation = Conversation::begin(page.clone()).await;
    assert!(page.command("Vera", "/pace 1 0 0.2").await && page.command("Vera", "/idle 5s").await);
    conversation.talk(&cast, &mut rng);

    for (round, victim) in victims(&mut rng).into_iter().enumerate() {
        conversation.goes_on(rng.random_range(0..MOST_EVENTS)).await;
        let processes = scene.find(victim).await;
        // Not a wait for anything: the fault may come at any moment, also between two events.
        sleep(Duration::from_micros(rng.random_range(0..MOST_MICROSECONDS))).await;
        eprintln!("{round}: {victim:?} is killed");
        for process in processes {
            kill_process(process, Signal::KILL).ok();
        }
        if matches!(victim, Victim::Bot | Victim::Everything) {
            scene.demo.kill().await;
            scene.start_again().await;
            conversation.forget_promises();
        }
    }
    conversation.goes_on(MOST_EVENTS).await;
    conversation.end().await;
    eventually("the room becomes quiet", async || page.command("Vera", "/pace off").await.then_some(())).await;
    audit::is_settled(&scene.home, &conversation).await;

    // What may have been said after that is found by the next start, and by the reader who comes back.
    scene.demo.stop().await;
    scene.home.is_left_alone().await;
    scene.demo = Demo::start(&scene.home, &[]).await;
    scene.url.send_replace(scene.demo.url.clone());
    audit::is_settled(&scene.home, &conversation).await;
    audit::check(&scene.home, &conversation).await;
    scene.demo.stop().await;
    scene.home.is_left_alone().await;
    assert!(!scene.home.logged().contains("panicked"));
}

fn victims(rng: &mut ChaCha8Rng) -> Vec<Victim> {
    let mut victims: Vec<Victim> = VICTIMS.into_iter().flat_map(|(victim, times)| vec![victim; times]).collect();
    victims.shuffle(rng);
    victims
}

async fn cast(page: &Page) -> Vec<String> {
    let room = page.look().await;
    let cast = room["view"]["cast"].as_array().unwrap();
    cast.iter().map(|persona| persona["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_start_that_is_killed_leaves_nothing_behind_and_the_next_one_succeeds() {
    const STARTS: u32 = 12;
    /// A start takes a fifth of a second on a fast machine, and most of it is the server's.
    const MOST_MILLISECONDS: u64 = 250;
    let seed = seed();
    eprintln!("GROUPCHAT_FAULT_SEED={seed} repeats this");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let home = Home::new();
    Demo::start(&home, &[]).await.stop().await;
    for start in 0..STARTS {
        let after = Duration::from_millis(rng.random_range(0..MOST_MILLISECONDS));
        eprintln!("{start}: killed after {after:?}");
        Demo::kill_start(&home, after).await;
        home.is_left_alone().await;
    }
    Demo::start(&home, &[]).await.stop().await;
    home.is_left_alone().await;
}
