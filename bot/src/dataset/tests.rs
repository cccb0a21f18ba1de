//! A stored history becomes a folder, and whoever withdraws vanishes from it.

use std::{fs, path::PathBuf, time::Duration};

use chat::{Author, Consent, ConsentPolicy, MemberId, MessageKey, Origin, Platform, Provenance, RoomId};
use chrono::TimeDelta;
use corpus::dataset::{Row, Split, chatml_file};
use store::{NewCommunity, NewMember, NewMessage, NewRoom, testing::TestDatabase};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;

/// Longer than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

/// A community with a history, and a data folder. Ada and Bo have agreed, Cleo has not.
struct Scene {
    database: TestDatabase,
    data: TempDir,
    community: Community,
    room: RoomId,
    people: Vec<MemberId>,
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

impl Scene {
    async fn new(platform: Platform) -> Self {
        let database = TestDatabase::new().await;
        let store = &database.store;
        let new = NewCommunity { platform, external_id: "friends", title: "Friends" };
        let community = store.community(&new).await.unwrap();
        let room = NewRoom { community: community.id, external_id: "lounge", title: "", parent: None };
        let room = store.room(&room).await.unwrap().id;
        let mut scene = Self { data: tempfile::tempdir().unwrap(), community, room, people: Vec::new(), database };
        for name in ["Ada", "Bo", "Cleo"] {
            let id = scene.meet(name).await;
            scene.people.push(id);
        }
        for agreeing in &scene.people[..2] {
            scene.database.store.set_consent(*agreeing, Consent::Granted, at(1)).await.unwrap();
        }
        scene.talk(Provenance::Export).await;
        scene
    }

    async fn meet(&self, name: &str) -> MemberId {
        let (community, key) = (self.community.id, name.into());
        let new = NewMember { community, key: &key, name, is_bot: false, avatar_url: None, seen_at: at(0) };
        self.database.store.member(&new).await.unwrap().id
    }

    /// Each says `NAME 0`, `NAME 1` and so on in turn.
    async fn talk(&self, provenance: Provenance) {
        let texts: Vec<String> = (0..30).map(|key| format!("{} {key}", ["ada", "bo", "cleo"][key % 3])).collect();
        let messages = texts.iter().zip(0_i64..).map(|(text, key)| NewMessage {
            key: MessageKey(key),
            author: Author::Member(self.people[key as usize % 3]),
            author_name: "",
            sent_at: at(key),
            text,
            origin: Origin::Imported,
            provenance,
            reply_to: None,
            edited_at: None,
            nonce: None,
        });
        self.database.store.record_batch(self.room, &messages.collect::<Vec<_>>()).await.unwrap();
    }

    fn out(&self) -> PathBuf {
        self.data.path().join("dataset")
    }

    async fn make(&self) -> anyhow::Result<Report> {
        self.make_in(&self.out()).await
    }

    async fn make_in(&self, out: &Path) -> anyhow::Result<Report> {
        let order = Order {
            community: &self.community,
            learning: Learning::default(),
            options: Options::default(),
            data: self.data.path(),
            out,
            replace: Replace::Same,
        };
        make(&self.database.store, order, at(100), |_| {}).await
    }

    async fn is_gone(&self) {
        let gone = async {
            while self.out().exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("the dataset is deleted in time");
    }
}

#[tokio::test]
async fn a_history_becomes_rows_that_quote_nobody_who_did_not_agree() {
    let scene = Scene::new(Platform::Archive).await;
    let mut seen = Vec::new();
    let report = scene.make().await.unwrap();
    assert_eq!((report.messages.read, report.messages.left_out[&Rule::NoConsent], report.windows), (30, 10, 19));
    for split in Split::ALL {
        let text = fs::read_to_string(chatml_file(&scene.out(), split)).unwrap();
        assert!(!text.contains("cleo"));
        seen.extend(text.lines().map(|line| serde_json::from_str::<Row>(line).unwrap()));
    }
    assert_eq!(seen.len(), 38);
    assert!(seen.iter().all(|row| scene.people[..2].contains(&row.member)));
}

#[tokio::test]
async fn rooms_are_read_in_pages_without_a_gap() {
    let scene = Scene::new(Platform::Archive).await;
    let many = i64::from(PAGE) * 2 + 3;
    let texts: Vec<String> = (0..many).map(|key| format!("word {key}")).collect();
    let room = NewRoom { community: scene.community.id, external_id: "hall", title: "", parent: None };
    let room = scene.database.store.room(&room).await.unwrap().id;
    let messages = texts.iter().zip(0..).map(|(text, key)| NewMessage {
        key: MessageKey(key),
        author: Author::Member(scene.people[0]),
        author_name: "",
        sent_at: at(key),
        text,
        origin: Origin::Imported,
        provenance: Provenance::Export,
        reply_to: None,
        edited_at: None,
        nonce: None,
    });
    for batch in messages.collect::<Vec<_>>().chunks(5_000) {
        scene.database.store.record_batch(room, batch).await.unwrap();
    }
    assert_eq!(scene.make().await.unwrap().messages.read, many as u64 + 30);
}

#[tokio::test]
async fn without_permission_nothing_is_learned_of_what_came_through_discord() {
    let scene = Scene::new(Platform::Discord).await;
    let elsewhere = NewRoom { community: scene.community.id, external_id: "heard", title: "", parent: None };
    let heard = Scene { room: scene.database.store.room(&elsewhere).await.unwrap().id, ..scene };
    heard.talk(Provenance::Api).await;
    let report = heard.make().await.unwrap();
    assert_eq!((report.messages.left_out[&Rule::Provenance], report.messages.left_out[&Rule::NoConsent]), (30, 10));
    let permitted = Order {
        community: &heard.community,
        learning: Learning { from_discord_api: true },
        options: Options::default(),
        data: heard.data.path(),
        out: &heard.out(),
        replace: Replace::Same,
    };
    let report = make(&heard.database.store, permitted, at(100), |_| {}).await.unwrap();
    assert_eq!(report.messages.left_out.get(&Rule::Provenance), None);
}

#[tokio::test]
async fn a_dataset_without_rows_is_an_error_that_says_what_to_do() {
    let scene = Scene::new(Platform::Archive).await;
    for agreeing in &scene.people[..2] {
        scene.database.store.set_consent(*agreeing, Consent::Refused, at(2)).await.unwrap();
    }
    let error = scene.make().await.unwrap_err().to_string();
    assert!(
        error.starts_with("there would be no rows: 30 messages were read (30 no-consent); members agree"),
        "{error}"
    );
    assert!(!scene.out().exists());
}

#[tokio::test]
async fn whoever_is_forgotten_or_refuses_vanishes_from_datasets_while_the_bot_runs() {
    let scene = Scene::new(Platform::Archive).await;
    let store = &scene.database.store;
    let shutdown = CancellationToken::new();
    let watch = tokio::spawn(keep_watch(store.clone(), scene.data.path().to_owned(), shutdown.clone()));
    scene.make().await.unwrap();
    store.set_consent(scene.people[1], Consent::Refused, at(3)).await.unwrap();
    scene.is_gone().await;
    scene.make().await.unwrap();
    store.forget_member(scene.people[0], at(4)).await.unwrap();
    scene.is_gone().await;
    shutdown.cancel();
    watch.await.unwrap();
}

#[tokio::test]
async fn what_happened_while_no_bot_ran_is_found_wherever_the_dataset_is() {
    let scene = Scene::new(Platform::Archive).await;
    let store = &scene.database.store;
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("rows");
    scene.make().await.unwrap();
    scene.make_in(&out).await.unwrap();
    assert_eq!(withdraw(store, scene.data.path()).await.unwrap(), Vec::<PathBuf>::new());
    store.set_consent(scene.people[2], Consent::Refused, at(2)).await.unwrap();
    assert_eq!(withdraw(store, scene.data.path()).await.unwrap(), Vec::<PathBuf>::new(), "Cleo is in none");
    store.forget_member(scene.people[0], at(3)).await.unwrap();
    assert_eq!(withdraw(store, scene.data.path()).await.unwrap(), [scene.out(), out.clone()]);
    assert!(!scene.out().exists() && !out.exists());
}

#[tokio::test]
async fn asking_first_again_takes_the_silent_out() {
    let scene = Scene::new(Platform::Archive).await;
    let (store, community) = (&scene.database.store, scene.community.id);
    store.set_consent_policy(community, ConsentPolicy::OptOut, at(2)).await.unwrap();
    assert_eq!(scene.make().await.unwrap().members.len(), 3);
    store.set_consent_policy(community, ConsentPolicy::OptIn, at(3)).await.unwrap();
    assert_eq!(withdraw(store, scene.data.path()).await.unwrap(), [scene.out()]);
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed() {
    let scene = Scene::new(Platform::Archive).await;
    scene.make().await.unwrap();
    let left = scene.data.path().join(".dataset.unfinished");
    fs::create_dir_all(left.join("chatml")).unwrap();
    fs::write(left.join("chatml/train.jsonl"), "ada 0").unwrap();
    let shelf = Shelf::new(scene.data.path());
    let lock = shelf.lock().unwrap();
    withdraw(&scene.database.store, scene.data.path()).await.unwrap();
    assert!(left.exists(), "somebody is at it");
    assert!(scene.make().await.unwrap_err().to_string().contains("another groupchat makes a dataset"));
    drop(lock);
    withdraw(&scene.database.store, scene.data.path()).await.unwrap();
    assert!(!left.exists() && scene.out().exists());
}
