//! Some groups of the same friends on a Telegram of its own, and the program that runs as its operator starts it.

use std::{process::Stdio, time::Duration};

use chat::{MessageKey, RoomId};
use chrono::DateTime;
use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use store::{Store, Turn};
use tokio::{process::Child, time::timeout};

use crate::{
    fake::{BOT, FakeMessage, FakeTelegram, Kind, Say, TOKEN},
    home::{Home, PATIENCE, eventually},
    runner::Runner,
};

/// How long a persona is waited for that was asked something, before it is asked again.
const ANSWER_TIME: Duration = Duration::from_secs(6);
/// How long it may take until all that was said is stored, once somebody answers again.
const STORING_TIME: Duration = Duration::from_secs(30);
/// How often it is asked before something is wrong.
const MOST_QUESTIONS: usize = 6;
/// Several, since Telegram takes 20 messages a minute in each. The first two are small.
const GROUPS: [Kind; 6] = [Kind::Group, Kind::Group, Kind::Supergroup, Kind::Supergroup, Kind::Supergroup, Kind::Forum];

/// A room of people, with personas of two of them.
#[derive(Debug, Clone)]
pub struct Crew {
    /// The chat as it is called now.
    pub chat: i64,
    /// As it was called before it grew, too.
    chats: Vec<i64>,
    topic: Option<i64>,
}

impl Crew {
    /// What the history calls the room.
    pub fn room(&self) -> String {
        match self.topic {
            Some(topic) => format!("{}/{topic}", self.chat),
            None => self.chat.to_string(),
        }
    }

    pub fn is_small(&self) -> bool {
        self.chat > -1_000_000_000_000
    }
}

pub struct Scene {
    pub telegram: FakeTelegram,
    pub runner: Runner,
    pub home: Home,
    pub crews: Vec<Crew>,
    /// Ada, Bo and Dora.
    pub people: [i64; 3],
    config: String,
    program: Child,
}

impl Scene {
    /// Ada and Bo have agreed and are in every room, and they answer everything at once.
    pub async fn new() -> Self {
        let telegram = FakeTelegram::start().await;
        telegram.set_limits(true);
        let people @ [ada, bo, dora] = ["Ada", "Bo", "Dora"].map(|name| telegram.user(name));
        let (home, runner) = (Home::new(), Runner::start().await);
        let config = configuration(&home, &telegram, &runner);
        let program = start(&home, &config);
        let crews = GROUPS.iter().map(|&kind| {
            let chat = telegram.group(kind, "The Crew", dora, BOT);
            telegram.join(chat, ada);
            telegram.join(chat, bo);
            let topic = (kind == Kind::Forum).then(|| telegram.topic(chat, "The boat"));
            Crew { chat, chats: vec![chat], topic }
        });
        let crews = crews.collect();
        let scene = Self { telegram, runner, home, crews, people, config, program };
        join_all(scene.crews.iter().map(|crew| scene.gather(crew))).await;
        scene
    }

    async fn gather(&self, crew: &Crew) {
        let [ada, bo, dora] = self.people;
        let commands = [
            (ada, "/consent yes", "Thank you"),
            (bo, "/consent yes", "Thank you"),
            (dora, "/pace 1 0 0", "They answer"),
            (dora, "/summon Ada, Bo", "Ada and Bo joined"),
        ];
        for (who, typed, wanted) in commands {
            let given = self.says(crew, who, typed);
            let answer = self.telegram.answer(&given).await;
            assert!(answer.text.starts_with(wanted), "{answer:?}");
        }
    }

    pub fn says(&self, crew: &Crew, user: i64, text: &str) -> FakeMessage {
        self.telegram.says(crew.chat, user, Say { topic: crew.topic, ..Say::text(text) })
    }

    /// A small group becomes a supergroup.
    pub fn grows(&mut self, crew: usize) {
        let crew = &mut self.crews[crew];
        crew.chat = self.telegram.grows(crew.chat);
        crew.chats.push(crew.chat);
    }

    pub async fn connect(&self) -> Store {
        let connected = eventually("the database takes connections", async || {
            Store::connect(&self.home.database(), PATIENCE).await.ok()
        });
        connected.await
    }

    /// The room that a crew is in, by its name now.
    pub async fn room(&self, store: &Store, crew: &Crew) -> store::Result<Option<RoomId>> {
        let rooms = store.rooms_of(chat::Platform::Telegram).await?;
        Ok(rooms.into_iter().find(|room| room.external_id == crew.room()).map(|room| room.id))
    }

    /// Returns once a persona answers again, everything that was said is in the history, and no turn is on its way. Says
    /// how often it had to be asked.
    pub async fn is_well_again(&self, store: &Store, crew: &Crew, after: &str) -> usize {
        let [_, _, dora] = self.people;
        let mut asked = 0;
        loop {
            asked += 1;
            assert!(asked <= MOST_QUESTIONS, "nobody answers after {after}");
            let question = format!("Ada, are you there after {after}? I ask for the {asked}th time");
            let given = self.says(crew, dora, &question);
            let answered = eventually("an answer", async || {
                self.replies(crew).iter().any(|reply| reply.number > given.number).then_some(())
            });
            if timeout(ANSWER_TIME, answered).await.is_ok() {
                break;
            }
        }
        if timeout(STORING_TIME, self.is_stored(store, crew)).await.is_err() {
            let (missing, unfinished) = self.missing(store, crew).await.unwrap();
            panic!("after {after} the history lacks {missing:#?} and has the turns {unfinished:#?}");
        }
        asked
    }

    async fn is_stored(&self, store: &Store, crew: &Crew) {
        eventually("all of it is stored", async || {
            let (missing, unfinished) = self.missing(store, crew).await.ok()?;
            (missing.is_empty() && unfinished.is_empty()).then_some(())
        })
        .await;
    }

    /// What humans said that is not in the history, and the turns that have not ended.
    async fn missing(&self, store: &Store, crew: &Crew) -> store::Result<(Vec<(MessageKey, String)>, Vec<Turn>)> {
        let mut said = self.said_by_humans(crew);
        let Some(room) = self.room(store, crew).await? else { return Ok((said, Vec::new())) };
        let keys: Vec<MessageKey> = said.iter().map(|(key, _)| *key).collect();
        let known = store.is_known(room, &keys).await?;
        said.retain(|(key, _)| !known.contains(key));
        Ok((said, store.unfinished_turns(room).await?))
    }

    fn messages(&self, crew: &Crew) -> impl Iterator<Item = FakeMessage> {
        let in_it = |message: &FakeMessage| crew.chats.contains(&message.chat);
        self.telegram.messages().into_iter().filter(in_it)
    }

    /// Keys and texts of what humans said, without commands.
    pub fn said_by_humans(&self, crew: &Crew) -> Vec<(MessageKey, String)> {
        let is_said = |message: &FakeMessage| self.people.contains(&message.from) && !message.text.starts_with('/');
        let said = self.messages(crew).filter(|message| is_said(message) && !message.text.is_empty());
        said.map(|message| (key(&message), message.text)).collect()
    }

    /// What personas said.
    pub fn replies(&self, crew: &Crew) -> Vec<FakeMessage> {
        self.messages(crew).filter(|message| message.from == BOT && message.label().is_some()).collect()
    }

    pub async fn postmaster(&self) -> Pid {
        eventually("Postgres runs", async || self.home.postmaster()).await
    }

    /// What a kernel without memory does.
    pub async fn kill(&mut self) {
        self.program.kill().await.unwrap();
    }

    pub fn start_again(&mut self) {
        self.program = start(&self.home, &self.config);
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

/// The key that the history has for a message: in a small group of its second, since each account has ids of its own there.
pub fn key(message: &FakeMessage) -> MessageKey {
    match message.own_ids.get(&BOT) {
        Some(id) => {
            let second = DateTime::from_timestamp(message.date, 0).unwrap();
            MessageKey::from_second(second, (*id).try_into().unwrap())
        }
        None => MessageKey(message.id),
    }
}

fn configuration(home: &Home, telegram: &FakeTelegram, runner: &Runner) -> String {
    let lines = [
        "[database]".to_owned(),
        format!("data = {:?}", home.data()),
        "[web]\nenabled = false".to_owned(),
        "[telegram]".to_owned(),
        format!("api_url = \"{}\"", telegram.url()),
        "[model]".to_owned(),
        format!("url = \"{}\"", runner.url()),
        "[quotas]\nroom = 10000\ncommunity = 10000\nplatform = 10000".to_owned(),
        "[log]\nfilter = \"info,bot=debug,sqlx=warn\"".to_owned(),
    ];
    home.file("groupchat.toml", lines.join("\n")).display().to_string()
}

fn start(home: &Home, config: &str) -> Child {
    let mut program = home.program(["run", "--config", config]);
    program.env("GROUPCHAT__TELEGRAM__TOKEN", TOKEN).stdout(Stdio::null());
    program.spawn().unwrap()
}
