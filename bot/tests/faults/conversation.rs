//! People at the page: one says things and gives commands, another reads along. Whatever breaks, they try again.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    home::PATIENCE,
    page::{Page, Shown},
};

/// How long the page waits for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// How long the page waits before it tries again.
const PAUSE: Duration = Duration::from_millis(30);
/// Everybody has a quota of commands, so many give them.
const COMMANDERS: usize = 12;

/// Something that was said and confirmed.
#[derive(Debug, Clone)]
pub struct Confirmed {
    pub nonce: String,
    pub text: String,
    pub message: Shown,
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// What was confirmed to the speaker.
    pub confirmed: u64,
    /// What the reader heard, of whatever kind.
    pub heard: u64,
}

/// What people remember of the conversation.
#[derive(Debug, Default)]
struct Remembered {
    confirmed: Vec<Confirmed>,
    shown: Vec<Shown>,
    /// What personas were to say, as far as it was promised by the bot that runs now.
    promised: Vec<String>,
}

/// A conversation that goes on by itself.
pub struct Conversation {
    page: Page,
    progress: Arc<watch::Sender<Progress>>,
    remembered: Arc<Mutex<Remembered>>,
    /// Ends the talking, not the reading.
    enough: CancellationToken,
    talking: JoinSet<()>,
    _reading: JoinSet<()>,
    /// The latest message before the conversation.
    pub began_after: String,
}

impl Conversation {
    /// Begins to read, with what comes after the present.
    pub async fn begin(page: Page) -> Self {
        let room = page.look().await;
        let began_after = room["messages"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        let progress = Arc::new(watch::Sender::new(Progress::default()));
        let remembered = Arc::<Mutex<Remembered>>::default();
        let mut reading = JoinSet::new();
        reading.spawn(read(page.clone(), began_after.clone(), progress.clone(), remembered.clone()));
        let (enough, talking) = (CancellationToken::new(), JoinSet::new());
        Self { page, progress, remembered, enough, talking, _reading: reading, began_after }
    }

    /// Begins to talk.
    pub fn talk(&mut self, cast: &[String], rng: &mut ChaCha8Rng) {
        let (talker, commander) = (fork(rng), fork(rng));
        let (page, enough, remembered) = (self.page.clone(), self.enough.clone(), self.remembered.clone());
        self.talking.spawn(command(page.clone(), cast.to_vec(), commander, remembered.clone(), enough.clone()));
        self.talking.spawn(say(page, cast.to_vec(), talker, self.progress.clone(), remembered, enough));
    }

    /// Returns once something more was confirmed, and then so many events were heard.
    pub async fn goes_on(&self, events: u64) {
        let mut progress = self.progress.subscribe();
        let before = *progress.borrow();
        let confirmed = timeout(PATIENCE, progress.wait_for(|now| now.confirmed > before.confirmed)).await;
        let before = *confirmed.expect("what is said is confirmed in time").unwrap();
        let heard = timeout(PATIENCE, progress.wait_for(|now| now.heard >= before.heard + events)).await;
        heard.expect("what happens is heard in time").unwrap();
    }

    /// Has everybody finish their sentence.
    pub async fn end(&mut self) {
        self.enough.cancel();
        while let Some(ended) = self.talking.join_next().await {
            ended.unwrap();
        }
    }

    /// What was said and confirmed, in that order.
    pub fn confirmed(&self) -> Vec<Confirmed> {
        self.remembered.lock().unwrap().confirmed.clone()
    }

    /// What personas were to say, since the last call of [`Conversation::forget_promises`].
    pub fn promised(&self) -> Vec<String> {
        self.remembered.lock().unwrap().promised.clone()
    }

    /// A bot that was killed keeps no promise of words in a mouth: they wait in its memory.
    pub fn forget_promises(&self) {
        self.remembered.lock().unwrap().promised.clear();
    }

    /// What the reader was shown, in that order.
    pub fn shown(&self) -> Vec<Shown> {
        self.remembered.lock().unwrap().shown.clone()
    }
}

fn fork(rng: &mut ChaCha8Rng) -> ChaCha8Rng {
    rand::SeedableRng::seed_from_u64(rng.random())
}

/// Reads along, and after each break goes on where it was.
async fn read(
    page: Page,
    mut after: String,
    progress: Arc<watch::Sender<Progress>>,
    remembered: Arc<Mutex<Remembered>>,
) {
    loop {
        let from = after.clone();
        page.follow(&from, |event, data| {
            if event == "message" {
                let shown: Shown = serde_json::from_value(data).unwrap();
                after = shown.id.clone();
                remembered.lock().unwrap().shown.push(shown);
            }
            progress.send_modify(|progress| progress.heard += 1);
        })
        .await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says one thing after the other, each until it is confirmed.
async fn say(
    page: Page,
    cast: Vec<String>,
    mut rng: ChaCha8Rng,
    progress: Arc<watch::Sender<Progress>>,
    remembered: Arc<Mutex<Remembered>>,
    enough: CancellationToken,
) {
    for number in 0.. {
        if enough.is_cancelled() {
            return;
        }
        let nonce = format!("nonce-{number}");
        let text =
            format!("{}, is the boat ready? I ask for the {number}th time", cast[rng.random_range(0..cast.len())]);
        let message = loop {
            // Now and then somebody closes the page right after they have pressed Enter.
            let is_hasty = rng.random_bool(0.2);
            let patience = if is_hasty { Duration::from_millis(rng.random_range(0..15)) } else { ANSWER_TIME };
            match page.try_say("Vera", &text, &nonce, patience).await {
                Some(message) => break message,
                None => tokio::time::sleep(PAUSE).await,
            }
        };
        remembered.lock().unwrap().confirmed.push(Confirmed { nonce, text, message });
        progress.send_modify(|progress| progress.confirmed += 1);
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..400))).await;
    }
}

/// Gives one command after the other. One that is lost stays lost, as on the page.
async fn command(
    page: Page,
    cast: Vec<String>,
    mut rng: ChaCha8Rng,
    remembered: Arc<Mutex<Remembered>>,
    enough: CancellationToken,
) {
    for number in 0.. {
        if enough.is_cancelled() {
            return;
        }
        let line = format!("that was the {number}th leak");
        let command = match rng.random_range(0..8) {
            0 => "/more 3".to_owned(),
            1 => format!("/topic the {number}th leak"),
            _ => format!("/say {} {line}", cast[rng.random_range(0..cast.len())]),
        };
        let done = page.command(&format!("Walt{}", number % COMMANDERS), &command).await;
        if done && command.ends_with(&line) {
            remembered.lock().unwrap().promised.push(line);
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..400))).await;
    }
}
