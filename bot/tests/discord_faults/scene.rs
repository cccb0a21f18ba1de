//! A server of friends on a Discord of its own, and the program that runs as its operator starts it.

use std::{process::Stdio, time::Duration};

use chat::{MessageKey, RoomId};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use store::{Store, Turn};
use tokio::{process::Child, time::timeout};

use crate::{
    fake::{Answer, FakeDiscord, Options},
    home::{Home, PATIENCE, eventually},
    runner::Runner,
};

/// How long a persona is waited for that was asked something, before it is asked again.
const ANSWER_TIME: Duration = Duration::from_secs(6);
/// How long it may take until all that was said is stored, once somebody answers again.
const STORING_TIME: Duration = Duration::from_secs(20);
/// How often it is asked before something is wrong.
const MOST_QUESTIONS: usize = 5;

/// A channel of three people, with personas of two of them.
pub struct Scene {
    pub discord: FakeDiscord,
    pub runner: Runner,
    pub home: Home,
    pub channel: u64,
    pub ada: u64,
    pub bo: u64,
    pub dora: u64,
    config: String,
    program: Child,
}

impl Scene {
    /// Ada and Bo have agreed and are in the channel, and they answer everything at once.
    pub async fn new() -> Self {
        let discord = FakeDiscord::start_with(Options {
            // The program is started again more often than Discord would have it, and refused more often.
            identify_interval: Duration::ZERO,
            invalid_requests: 100_000,
            patience: PATIENCE,
            ..Options::default()
        })
        .await;
        let guild = discord.guild("The Crew");
        let channel = discord.channel(guild, "general");
        let (ada, bo, dora) = (discord.user("Ada"), discord.user("Bo"), discord.owner(guild));
        discord.join(guild, ada, None);
        discord.join(guild, bo, None);
        discord.rename(guild, dora, Some("Dora"));
        let (home, runner) = (Home::new(), Runner::start().await);
        let config = configuration(&home, &discord, &runner);
        let program = start(&home, &config, &discord);
        discord.connected().await;
        discord.commands_registered(None).await;
        let scene = Self { discord, runner, home, channel, ada, bo, dora, config, program };
        scene.gather().await;
        scene
    }

    async fn gather(&self) {
        for user in [self.ada, self.bo] {
            self.says(user, "hello, it is me");
            let answer = self.command(user, "consent", json!([{ "name": "answer", "value": "yes" }])).await;
            assert!(answer.content.starts_with("Thank you"), "{answer:?}");
        }
        let pace = [("chance", 1.0), ("shortest", 0.0), ("longest", 0.0)];
        let pace = pace.map(|(name, value)| json!({ "name": name, "value": value }));
        let answer = self.command(self.dora, "pace", pace.to_vec().into()).await;
        assert!(answer.content.starts_with("They answer"), "{answer:?}");
        let answer = self.command(self.dora, "summon", json!([{ "name": "who", "value": "Ada, Bo" }])).await;
        assert!(answer.content.contains("joined the room"), "{answer:?}");
    }

    async fn command(&self, user: u64, name: &str, options: Value) -> Answer {
        let given = self.discord.slash(self.channel, user, name, options);
        self.discord.answer(given).await
    }

    pub fn says(&self, user: u64, text: &str) -> u64 {
        self.discord.say(self.channel, user, text)
    }

    /// The room that the channel is.
    pub async fn room(&self, store: &Store) -> RoomId {
        store.rooms_with_cast().await.unwrap().remove(0).id
    }

    pub async fn connect(&self) -> Store {
        Store::connect(&self.home.database(), PATIENCE).await.unwrap()
    }

    /// Returns once a persona answers again, everything that was said is in the history, and no turn is on its way. Says
    /// how often it had to be asked.
    pub async fn is_well_again(&self, store: &Store, room: RoomId, after: &str) -> usize {
        let mut asked = 0;
        loop {
            asked += 1;
            assert!(asked <= MOST_QUESTIONS, "nobody answers after {after}");
            let before = self.discord.webhook_messages().len();
            self.says(self.dora, &format!("Ada, are you there after {after}? I ask for the {asked}th time"));
            let answered =
                eventually("an answer", async || (self.discord.webhook_messages().len() > before).then_some(()));
            if timeout(ANSWER_TIME, answered).await.is_ok() {
                break;
            }
        }
        if timeout(STORING_TIME, self.is_stored(store, room)).await.is_err() {
            let complete_to = store.complete_to(room).await.unwrap();
            let (missing, unfinished) = self.missing(store, room).await.unwrap();
            panic!(
                "after {after} the history lacks {missing:#?} and has the turns {unfinished:#?}; it is held to be \
                 complete to {complete_to:?}"
            );
        }
        asked
    }

    async fn is_stored(&self, store: &Store, room: RoomId) {
        eventually("all of it is stored", async || {
            let (missing, unfinished) = self.missing(store, room).await.ok()?;
            (missing.is_empty() && unfinished.is_empty()).then_some(())
        })
        .await;
    }

    /// What humans said that is not in the history, and the turns that have not ended.
    async fn missing(&self, store: &Store, room: RoomId) -> store::Result<(Vec<(MessageKey, String)>, Vec<Turn>)> {
        let mut said = self.said_by_humans();
        let keys: Vec<MessageKey> = said.iter().map(|(key, _)| *key).collect();
        let known = store.is_known(room, &keys).await?;
        said.retain(|(key, _)| !known.contains(key));
        Ok((said, store.unfinished_turns(room).await?))
    }

    /// Keys and texts of what humans said in the channel.
    pub fn said_by_humans(&self) -> Vec<(MessageKey, String)> {
        let humans = [self.ada, self.bo, self.dora];
        let messages = self.discord.messages(self.channel).into_iter();
        let theirs = messages.filter(|message| humans.contains(&message.author) && message.interaction.is_none());
        theirs.map(|message| (MessageKey(message.id as i64), message.content)).collect()
    }

    pub async fn postmaster(&self) -> Pid {
        eventually("Postgres runs", async || self.home.postmaster()).await
    }

    /// What a kernel without memory does.
    pub async fn kill(&mut self) {
        self.program.kill().await.unwrap();
    }

    pub fn start_again(&mut self) {
        self.program = start(&self.home, &self.config, &self.discord);
    }

    /// Asks the program to end, and checks that it does so in good order and leaves nothing behind.
    pub async fn stop(&mut self) {
        let pid = self.program.id().expect("it has not been waited for");
        kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
        let status = timeout(PATIENCE, self.program.wait()).await.expect("the program ends in time").unwrap();
        assert!(status.success(), "{status}");
        self.home.is_left_alone().await;
    }
}

fn configuration(home: &Home, discord: &FakeDiscord, runner: &Runner) -> String {
    let ca = home.file("ca.pem", discord.ca_pem());
    let lines = [
        "[database]".to_owned(),
        format!("data = {:?}", home.data()),
        "[web]\nenabled = false".to_owned(),
        "[discord]".to_owned(),
        format!("address = \"{}\"", discord.address()),
        format!("tls_ca = {ca:?}"),
        "[model]".to_owned(),
        format!("url = \"{}\"", runner.url()),
        "[quotas]\nroom = 10000\ncommunity = 10000\nplatform = 10000".to_owned(),
        "[log]\nfilter = \"info,bot=debug,sqlx=warn\"".to_owned(),
    ];
    home.file("groupchat.toml", lines.join("\n")).display().to_string()
}

fn start(home: &Home, config: &str, discord: &FakeDiscord) -> Child {
    let mut program = home.program(["run", "--config", config]);
    program.env("GROUPCHAT__DISCORD__TOKEN", discord.token()).stdout(Stdio::null());
    program.spawn().unwrap()
}
