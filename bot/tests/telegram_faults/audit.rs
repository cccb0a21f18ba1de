//! What the history must look like after all that, compared with the chats as Telegram has them.

use std::{collections::HashSet, fmt};

use chat::{Message, MessageKey, Origin, RoomId};
use store::{
    Cluster, ClusterOptions, Store, TurnState,
    testing::{OutboxRow, outbox},
};
use tokio::task::spawn_blocking;

use crate::{
    home::PATIENCE,
    scene::{Crew, Scene, key},
};

/// How many messages are read at a time.
const PAGE: u32 = 200;
/// Fewer replies than this prove little.
const FEWEST_REPLIES: usize = 20;

/// What leaves a post of which nobody knows whether it was made. Each does so at most once in each room where one is on its
/// way, and only one room is talked in at a time.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unclear {
    pub kills: usize,
    pub lost_answers: usize,
}

/// What there was, for people.
pub struct Figures {
    said: usize,
    posted: usize,
    given_up: usize,
    unclear: Unclear,
    drawn: usize,
    unposted: Vec<TurnState>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |state: TurnState| self.unposted.iter().filter(|other| **other == state).count();
        let Unclear { kills, lost_answers } = self.unclear;
        write!(
            f,
            "{} messages of people, {} replies of {} drawn, {} of them posted and given up after {kills} kills and \
             {lost_answers} lost answers; of the turns that ended otherwise {} were cancelled, {} failed and {} expired",
            self.said,
            self.posted,
            self.drawn,
            self.given_up,
            of(TurnState::Cancelled),
            of(TurnState::Failed),
            of(TurnState::Expired)
        )
    }
}

/// Keys and texts.
type Lines = Vec<(MessageKey, String)>;

/// Compares the chats, the history and the outbox, once the program has ended.
pub async fn check(scene: &Scene, unclear: Unclear) -> Figures {
    let options = ClusterOptions { dir: scene.home.data().join("postgres"), durable: false };
    let cluster = spawn_blocking(move || Cluster::start(&options)).await.unwrap().unwrap();
    let url = cluster.url("groupchat");
    let store = Store::connect(&url, PATIENCE).await.unwrap();
    let outbox = outbox(&url).await;
    let (mut said, mut posted, mut held) = (0, Lines::new(), Lines::new());
    for crew in &scene.crews {
        let room = scene.room(&store, crew).await.unwrap().expect("the room is known by its name now");
        said += scene.said_by_humans(crew).len();
        let generated = check_room(scene, crew, read(&store, room).await);
        posted.extend(replies(scene, crew));
        held.extend(generated);
    }
    store.close().await;
    spawn_blocking(move || drop(cluster)).await.unwrap();

    let mut texts = HashSet::new();
    let doubled: Vec<_> = posted.iter().filter(|(_, text)| !texts.insert(text)).collect();
    assert!(doubled.is_empty(), "said twice: {doubled:?}");
    let given_up = check_outbox(&posted, &held, &outbox);
    assert!(given_up <= unclear.kills + unclear.lost_answers, "{given_up} posts are not in the history: {unclear:?}");
    assert_eq!(scene.telegram.violations(), Vec::<String>::new());
    assert_eq!(scene.telegram.waiting_updates(), [] as [serde_json::Value; 0], "what was heard is confirmed");
    assert!(!scene.home.logged().contains("panicked"));
    assert!(posted.len() >= FEWEST_REPLIES, "hardly anybody spoke, so this proves little: {posted:#?}");
    let unposted = outbox.iter().map(|row| row.state).filter(|state| *state != TurnState::Posted).collect();
    Figures { said, posted: posted.len(), given_up, unclear, drawn: scene.runner.drawn(), unposted }
}

/// Compares what people said, and returns what is held of what personas said.
fn check_room(scene: &Scene, crew: &Crew, history: Vec<Message>) -> Lines {
    let (generated, heard): (Vec<_>, Vec<_>) =
        history.into_iter().partition(|message| message.origin == Origin::Generated);
    let line = |message: Message| (message.key, message.text);
    let heard: Lines = heard.into_iter().map(line).collect();
    let said = scene.said_by_humans(crew);
    let missing: Vec<_> = said.iter().filter(|message| !heard.contains(message)).collect();
    let invented: Vec<_> = heard.iter().filter(|message| !said.contains(message)).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing {missing:#?}, too much {invented:#?}");
    assert_eq!(said.len(), heard.len(), "each once");
    generated.into_iter().map(line).collect()
}

/// The whole history, oldest first; what was said in a small group has keys below zero.
async fn read(store: &Store, room: RoomId) -> Vec<Message> {
    let mut history = Vec::new();
    let mut after = MessageKey(i64::MIN);
    loop {
        let messages = store.messages_after(room, after, PAGE).await.unwrap();
        let Some(last) = messages.last() else { return history };
        after = last.key;
        history.extend(messages);
    }
}

fn replies(scene: &Scene, crew: &Crew) -> Lines {
    scene.replies(crew).iter().map(|reply| (key(reply), reply.words().to_owned())).collect()
}

/// Every turn has ended; those that count as posted are our messages; and a message that is not held is one whose turn was
/// given up. Returns how many those are.
fn check_outbox(posted: &Lines, held: &Lines, outbox: &[OutboxRow]) -> usize {
    let in_state = |state: TurnState| outbox.iter().filter(move |row| row.state == state);
    let unfinished: Vec<_> = in_state(TurnState::Pending).chain(in_state(TurnState::Posting)).collect();
    assert!(unfinished.is_empty(), "{unfinished:#?}");
    let invented: Vec<_> = held.iter().filter(|message| !posted.contains(message)).collect();
    assert!(invented.is_empty(), "held, but never posted: {invented:#?}");
    let mut noted: Lines =
        in_state(TurnState::Posted).map(|row| (row.message_key.expect("it has a key"), row.text.clone())).collect();
    let mut held = held.clone();
    noted.sort();
    held.sort();
    assert_eq!(noted, held);
    let unheld: Vec<_> = posted.iter().filter(|message| !held.contains(message)).collect();
    for (_, text) in &unheld {
        assert!(
            in_state(TurnState::Failed).any(|row| row.text == *text),
            "not in the history, and not given up: {text}"
        );
    }
    unheld.len()
}
