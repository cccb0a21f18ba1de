//! A town of servers, and the program that is in all of them.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chat::{Author, MemberKey, MessageKey, Origin, Pacing, Platform, Provenance, RoomId, RoomSettings};
use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::{Pid, Signal, kill_process};
use store::{Cluster, ClusterOptions, NewCommunity, NewMember, NewMessage, NewRoom, Store};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::fake::{FakeDiscord, Options};

pub const SERVERS: usize = 200;
const CHANNELS: usize = 5;
const MEMBERS: usize = 6;
/// In how many channels of a server personas are.
const WITH_CAST: usize = 2;
/// What each member is known to have said, which the Markov voices learn from.
const LINES: usize = 60;
const PATIENCE: Duration = Duration::from_secs(60);

const WORDS: [&str; 24] = [
    "boat", "tide", "paint", "harbour", "quiz", "coffee", "rain", "sails", "engine", "friday", "again", "nobody",
    "always", "the", "a", "with", "without", "and", "but", "we", "they", "found", "lost", "mended",
];

/// The newest message that was said, for whoever watches until it is stored.
#[derive(Clone, Default)]
pub struct Newest {
    message: Arc<Mutex<Option<(u64, u64, Instant)>>>,
    samples: Arc<Mutex<Vec<Duration>>>,
    rooms: Arc<Mutex<HashMap<u64, RoomId>>>,
}

impl Newest {
    pub fn take(&self) -> Option<(u64, u64, Instant)> {
        self.message.lock().unwrap().take()
    }

    pub fn stored(&self, after: Duration) {
        self.samples.lock().unwrap().push(after);
    }

    pub fn samples(&self) -> Vec<Duration> {
        self.samples.lock().unwrap().clone()
    }

    pub async fn room(&self, store: &Store, channel: u64) -> Option<RoomId> {
        if let Some(room) = self.rooms.lock().unwrap().get(&channel) {
            return Some(*room);
        }
        let rooms = store.rooms_of(Platform::Discord).await.unwrap();
        let known = rooms.into_iter().filter_map(|room| Some((room.external_id.parse().ok()?, room.id)));
        let mut all = self.rooms.lock().unwrap();
        all.extend(known);
        all.get(&channel).copied()
    }
}

pub struct Town {
    pub discord: FakeDiscord,
    /// Each channel with the members of its server.
    pub channels: Vec<(u64, Vec<u64>)>,
    pub rooms_with_cast: usize,
    pub newest: Newest,
    folder: TempDir,
    program: Child,
}

impl Town {
    pub async fn build() -> Self {
        let discord =
            FakeDiscord::start_with(Options { limits_times: 10_000, patience: PATIENCE, ..Options::default() }).await;
        let folder = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let cluster = start_cluster(&folder).await;
        let store = Store::connect(&cluster.url("groupchat"), PATIENCE).await.unwrap();
        let (mut channels, mut rooms_with_cast) = (Vec::new(), 0);
        for server in 0..SERVERS {
            let guild = discord.guild(&format!("Server {server}"));
            let members: Vec<u64> = (0..MEMBERS).map(|n| discord.user(&format!("member{n}"))).collect();
            members.iter().for_each(|member| discord.join(guild, *member, None));
            let theirs: Vec<u64> = (0..CHANNELS).map(|n| discord.channel(guild, &format!("channel{n}"))).collect();
            settle(&store, guild, &theirs, &members).await;
            rooms_with_cast += WITH_CAST;
            channels.extend(theirs.into_iter().map(|channel| (channel, members.clone())));
        }
        store.close().await;
        tokio::task::spawn_blocking(move || drop(cluster)).await.unwrap();
        let program = start_program(&discord, &folder);
        discord.connected().await;
        discord.commands_registered(None).await;
        Self { discord, channels, rooms_with_cast, newest: Newest::default(), folder, program }
    }

    /// Says the `number`th message: every channel gets its turn.
    pub fn say(&mut self, number: usize) {
        // A prime step goes through all channels in an order in which servers are mixed.
        let (channel, members) = &self.channels[number * 389 % self.channels.len()];
        let text = line(number);
        let at = Instant::now();
        let message = self.discord.say(*channel, members[number % members.len()], &text);
        *self.newest.message.lock().unwrap() = Some((*channel, message, at));
    }

    pub async fn connect(&self) -> Store {
        let cluster = start_cluster(&self.folder).await;
        Store::connect(&cluster.url("groupchat"), PATIENCE).await.unwrap()
    }

    /// How many messages of members the history has from Discord's interface.
    pub async fn stored(&self, store: &Store) -> usize {
        let mut stored = 0;
        for room in store.rooms_of(Platform::Discord).await.unwrap() {
            stored += store.room_message_count(room.id).await.unwrap() as usize;
        }
        stored - SERVERS * MEMBERS * LINES - self.generated(store).await
    }

    async fn generated(&self, store: &Store) -> usize {
        let mut generated = 0;
        for (channel, _) in &self.channels {
            let Some(room) = self.newest.room(store, *channel).await else { continue };
            let posted: Vec<MessageKey> = self
                .discord
                .messages(*channel)
                .into_iter()
                .filter(|message| message.webhook.is_some())
                .map(|message| MessageKey(message.id as i64))
                .collect();
            generated += store.is_known(room, &posted).await.unwrap().len();
        }
        generated
    }

    /// The memory that the program holds, in bytes.
    pub fn memory(&self) -> u64 {
        let pid = self.program.id().expect("the program runs");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    pub async fn end(mut self, store: Store) {
        store.close().await;
        let pid = self.program.id().expect("the program runs");
        kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
        assert!(self.program.wait().await.unwrap().success());
    }
}

async fn start_cluster(folder: &TempDir) -> Cluster {
    let options = ClusterOptions { dir: folder.path().join("postgres"), durable: true };
    tokio::task::spawn_blocking(move || Cluster::start(&options)).await.unwrap().unwrap()
}

/// Six members with something to learn from, who agreed; two of them are in two of the channels.
async fn settle(store: &Store, guild: u64, channels: &[u64], members: &[u64]) {
    let external_id = guild.to_string();
    let new = NewCommunity { platform: Platform::Discord, external_id: &external_id, title: "" };
    let community = store.community(&new).await.unwrap().id;
    let began: DateTime<Utc> = "2026-01-05T18:00:00Z".parse().unwrap();
    let keys: Vec<MemberKey> = members.iter().map(|member| MemberKey(member.to_string())).collect();
    let new: Vec<_> = keys
        .iter()
        .map(|key| NewMember { community, key, name: "member", is_bot: false, avatar_url: None, seen_at: began })
        .collect();
    let ids = store.members_batch(&new).await.unwrap();
    let mut rooms = Vec::new();
    for channel in channels {
        let external_id = channel.to_string();
        let new = NewRoom { community, external_id: &external_id, title: "", parent: None };
        rooms.push(store.room(&new).await.unwrap().id);
    }
    let texts: Vec<String> = (0..LINES * members.len()).map(line).collect();
    let batch: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| NewMessage {
            key: MessageKey(n as i64 + 1),
            author: Author::Member(ids[n % ids.len()]),
            author_name: "",
            sent_at: began + TimeDelta::seconds(n as i64 * 20),
            text,
            origin: Origin::Imported,
            provenance: Provenance::Export,
            reply_to: None,
            edited_at: None,
            nonce: None,
        })
        .collect();
    store.record_batch(rooms[0], &batch).await.unwrap();
    store.declare_consent(community, began).await.unwrap();
    let busiest = store.activity(community).await.unwrap();
    for room in rooms.into_iter().take(WITH_CAST) {
        for active in busiest.iter().take(2) {
            let persona = store.persona(active.member.may_imitate().unwrap()).await.unwrap();
            store.summon(room, persona.id, None, began).await.unwrap();
        }
        let settings = RoomSettings { pacing: Pacing::Chatty, ..RoomSettings::default() };
        store.save_settings(room, &settings, None, began).await.unwrap();
    }
}

/// A line of everyday words, another for each number.
fn line(number: usize) -> String {
    let words = (0..6).map(|place| WORDS[(number / 7 + number * (place + 3) + place * place) % WORDS.len()]);
    format!("{} {number}", words.collect::<Vec<_>>().join(" "))
}

fn start_program(discord: &FakeDiscord, folder: &TempDir) -> Child {
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, discord.ca_pem()).unwrap();
    let config = folder.path().join("groupchat.toml");
    let text = format!(
        "[database]\ndata = {:?}\n[web]\nenabled = false\n[discord]\naddress = \"{}\"\ntls_ca = {ca:?}\n\
         [quotas]\nroom = 60\ncommunity = 600\nplatform = 60000\n[log]\nfilter = \"warn\"\n",
        folder.path(),
        discord.address()
    );
    fs::write(&config, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_groupchat"))
        .args(["run", "--config"])
        .arg(&config)
        .env("GROUPCHAT__DISCORD__TOKEN", discord.token())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
