//! What the history must look like after all that, compared with the channel as Discord has it.

use std::{collections::HashSet, fmt};

use chat::{Message, MessageKey, Origin, RoomId};
use store::{
    Cluster, ClusterOptions, Store, TurnState,
    testing::{OutboxRow, outbox},
};
use tokio::task::spawn_blocking;

use crate::{fake::FakeMessage, home::PATIENCE, scene::Scene};

/// How many messages are read at a time.
const PAGE: u32 = 200;
/// Fewer replies than this prove little.
const FEWEST_REPLIES: usize = 30;

/// What there was, for people.
pub struct Figures {
    said: usize,
    posted: usize,
    drawn: usize,
    unposted: Vec<TurnState>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |state: TurnState| self.unposted.iter().filter(|other| **other == state).count();
        write!(
            f,
            "{} messages of people, {} replies of {} drawn; of the turns that ended otherwise {} were cancelled, {} failed \
             and {} expired",
            self.said,
            self.posted,
            self.drawn,
            of(TurnState::Cancelled),
            of(TurnState::Failed),
            of(TurnState::Expired)
        )
    }
}

/// Compares the channel, the history and the outbox, once the program has ended.
pub async fn check(scene: &Scene) -> Figures {
    let options = ClusterOptions { dir: scene.home.data().join("postgres"), durable: false };
    let cluster = spawn_blocking(move || Cluster::start(&options)).await.unwrap().unwrap();
    let url = cluster.url("groupchat");
    let store = Store::connect(&url, PATIENCE).await.unwrap();
    let room = scene.room(&store).await;
    let (history, outbox) = (read(&store, room).await, outbox(&url).await);
    let (generated, heard): (Vec<_>, Vec<_>) =
        history.into_iter().partition(|message| message.origin == Origin::Generated);
    store.close().await;
    spawn_blocking(move || drop(cluster)).await.unwrap();

    let said = scene.said_by_humans();
    let heard: Vec<_> = heard.into_iter().map(|message| (message.key, message.text)).collect();
    check_equal("what people said and what is held of it", &said, &heard);
    let posted = posted(scene);
    let held: Vec<_> = generated.into_iter().map(|message| (message.key, message.text)).collect();
    check_equal("what personas said and what is held of it", &posted, &held);
    let mut texts = HashSet::new();
    let doubled: Vec<_> = posted.iter().filter(|(_, text)| !texts.insert(text)).collect();
    assert!(doubled.is_empty(), "said twice: {doubled:?}");
    check_outbox(&held, &outbox);
    // Nothing that breaks excuses anything: the calls that were refused are allowed by the options of the fake.
    assert_eq!(scene.discord.violations(), Vec::<String>::new());
    assert!(!scene.home.logged().contains("panicked"));
    assert!(posted.len() >= FEWEST_REPLIES, "hardly anybody spoke, so this proves little: {posted:#?}");
    let unposted = outbox.iter().map(|row| row.state).filter(|state| *state != TurnState::Posted).collect();
    Figures { said: said.len(), posted: posted.len(), drawn: scene.runner.drawn(), unposted }
}

/// The whole history, oldest first.
async fn read(store: &Store, room: RoomId) -> Vec<Message> {
    let mut history = Vec::new();
    let mut after = MessageKey(0);
    loop {
        let messages = store.messages_after(room, after, PAGE).await.unwrap();
        let Some(last) = messages.last() else { return history };
        after = last.key;
        history.extend(messages);
    }
}

/// Keys and texts of what our webhooks posted in the channel, without the line that shows what is answered.
fn posted(scene: &Scene) -> Vec<(MessageKey, String)> {
    let ours = |message: &FakeMessage| message.webhook == Some(message.author) && message.interaction.is_none();
    let text = |message: &FakeMessage| message.content.lines().last().unwrap_or_default().to_owned();
    let messages = scene.discord.messages(scene.channel);
    messages
        .iter()
        .filter(|message| ours(message))
        .map(|message| (MessageKey(message.id as i64), text(message)))
        .collect()
}

fn check_equal(what: &str, there: &[(MessageKey, String)], held: &[(MessageKey, String)]) {
    let missing: Vec<_> = there.iter().filter(|message| !held.contains(message)).collect();
    let invented: Vec<_> = held.iter().filter(|message| !there.contains(message)).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{what}: missing {missing:#?}, too much {invented:#?}");
    assert_eq!(there.len(), held.len(), "{what}");
}

/// Every turn has ended, and those that were posted are our messages.
fn check_outbox(held: &[(MessageKey, String)], outbox: &[OutboxRow]) {
    let unfinished = outbox.iter().filter(|row| matches!(row.state, TurnState::Pending | TurnState::Posting));
    assert_eq!(unfinished.collect::<Vec<_>>(), Vec::<&OutboxRow>::new());
    let posted = outbox.iter().filter(|row| row.state == TurnState::Posted);
    let mut posted: Vec<_> =
        posted.map(|row| (row.message_key.expect("what was posted has a key"), row.text.clone())).collect();
    posted.sort();
    assert_eq!(posted, held);
}
