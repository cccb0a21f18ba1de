//! The two promises of the history: a million messages go in at 50,000 a second or more, and the latest five of one of
//! 1,000 rooms come out in under a millisecond at the median.
//!
//! `cargo bench -p store` measures against a private cluster with the settings of real use (fsync and synchronous commit
//! on), through the same calls as the bot. `cargo bench -p store -- small` does it with a twentieth of the rooms.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench measures time, and stops at any fault")]

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use chat::{Author, CommunityId, MemberId, MemberKey, MessageKey, Origin, Platform, Provenance, RoomId};
use chrono::DateTime;
use store::{Cluster, ClusterOptions, NewCommunity, NewMember, NewMessage, NewRoom, Store};

const ROOMS: usize = 1_000;
/// Also the size of a batch.
const MESSAGES_PER_ROOM: usize = 1_000;
const MEMBERS: usize = 500;
const READS: usize = 5_000;
const ROWS_PER_SECOND: f64 = 50_000.0;
const MEDIAN: Duration = Duration::from_millis(1);

#[tokio::main]
async fn main() {
    let small = std::env::args().any(|argument| argument == "small");
    let rooms = if small { ROOMS / 20 } else { ROOMS };
    // The server of a bench that root runs is not root: it must be able to enter.
    let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let options = ClusterOptions { dir: folder.path().to_owned(), durable: true };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options)).await.unwrap().unwrap();
    let store = Store::connect(&cluster.url("groupchat"), Duration::from_secs(30)).await.unwrap();

    println!("server: private cluster, fsync=on, synchronous_commit=on, full_page_writes=on, shared_buffers=64MB");
    let (rooms, members) = people_and_places(&store, rooms).await;
    ingest(&store, &rooms, &members).await;
    read(&store, &rooms).await;
    store.close().await;
    tokio::task::spawn_blocking(move || drop(cluster)).await.unwrap();
}

async fn people_and_places(store: &Store, count: usize) -> (Vec<RoomId>, Vec<MemberId>) {
    let new = NewCommunity { platform: Platform::Archive, external_id: "bench", title: "bench" };
    let community: CommunityId = store.community(&new).await.unwrap().id;
    let mut rooms = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("room{number}");
        let new = NewRoom { community, external_id: &name, title: &name, parent: None };
        rooms.push(store.room(&new).await.unwrap().id);
    }
    let keys: Vec<MemberKey> = (0..MEMBERS).map(|number| MemberKey(format!("member{number}"))).collect();
    let new: Vec<_> = keys
        .iter()
        .map(|key| NewMember {
            community,
            key,
            name: &key.0,
            is_bot: false,
            avatar_url: None,
            seen_at: DateTime::UNIX_EPOCH,
        })
        .collect();
    (rooms, store.members_batch(&new).await.unwrap())
}

async fn ingest(store: &Store, rooms: &[RoomId], members: &[MemberId]) {
    let mut dice = Dice(1);
    let mut stored = 0;
    let mut spent = Duration::ZERO;
    for room in rooms {
        let texts: Vec<String> = (0..MESSAGES_PER_ROOM).map(|_| dice.text()).collect();
        let batch: Vec<_> = texts.iter().enumerate().map(|(n, text)| message(&mut dice, members, n, text)).collect();
        let start = Instant::now();
        stored += store.record_batch(*room, &batch).await.unwrap().stored;
        spent += start.elapsed();
    }
    assert_eq!(stored, (rooms.len() * MESSAGES_PER_ROOM) as u64);
    let rate = stored as f64 / spent.as_secs_f64();
    println!(
        "ingest: {stored} messages over {} rooms, {MESSAGES_PER_ROOM} a batch, in {spent:.1?}: {rate:.0} rows/s, {:.2} of the \
         least allowed {ROWS_PER_SECOND:.0}",
        rooms.len(),
        rate / ROWS_PER_SECOND
    );
}

fn message<'a>(dice: &mut Dice, members: &[MemberId], number: usize, text: &'a str) -> NewMessage<'a> {
    // About twenty people talk in a room.
    let author = members[(dice.below(20) * 25 + number % 2) % members.len()];
    let millis = 1_600_000_000_000 + number as i64 * 60_000;
    NewMessage {
        key: MessageKey(millis << 21),
        author: Author::Member(author),
        author_name: "somebody",
        sent_at: DateTime::from_timestamp_millis(millis).unwrap(),
        text,
        origin: Origin::Imported,
        provenance: Provenance::Export,
        reply_to: None,
        edited_at: None,
        nonce: None,
    }
}

async fn read(store: &Store, rooms: &[RoomId]) {
    let mut dice = Dice(2);
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let room = rooms[dice.below(rooms.len())];
        let start = Instant::now();
        let window = store.window(room, None).await.unwrap();
        times.push(start.elapsed());
        assert_eq!(window.messages().len(), 5);
    }
    times.sort_unstable();
    let (median, slow) = (times[READS / 2], times[READS * 99 / 100]);
    println!(
        "latest five of a random room: p50 {median:.3?}, p99 {slow:.3?} over {READS} reads; the median is {:.2} of the most \
         allowed {MEDIAN:?}",
        median.as_secs_f64() / MEDIAN.as_secs_f64()
    );
    println!("{}", store.explain_window(rooms[rooms.len() / 2]).await.unwrap());
}

/// A multiplicative congruential generator (Knuth's MMIX constants): the same data on each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    /// One to sixteen words, as chats have it.
    fn text(&mut self) -> String {
        const WORDS: [&str; 12] =
            ["so", "the", "train", "is", "late", "again", "lol", "who", "brings", "snacks", "tonight?", "me"];
        let words: Vec<&str> = (0..=self.below(16)).map(|_| WORDS[self.below(WORDS.len())]).collect();
        words.join(" ")
    }
}
