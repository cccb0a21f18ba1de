//! What the history must look like after all that, compared with what people saw of it.

use std::collections::HashMap;

use chat::{Message, MessageKey, Origin};
use store::{
    Store, TurnState,
    testing::{OutboxRow, outbox},
};

use super::{
    conversation::Conversation,
    home::{Home, PATIENCE, eventually},
};

/// How many messages are read at a time.
const PAGE: u32 = 200;

/// Returns once every turn has ended and the reader has seen the latest message.
pub async fn is_settled(home: &Home, conversation: &Conversation) {
    let store = Store::connect(&home.database(), PATIENCE).await.unwrap();
    let room = store.rooms_with_cast().await.unwrap().remove(0).id;
    eventually("every turn ends and every message is shown", async || {
        let latest = store.latest(room, 1).await.unwrap().pop().unwrap();
        let shown = conversation.shown().pop()?;
        let unfinished = store.unfinished_turns(room).await.unwrap();
        (unfinished.is_empty() && shown.id == latest.key.to_string()).then_some(())
    })
    .await;
    store.close().await;
}

/// Compares history, outbox, what was confirmed and what was shown.
pub async fn check(home: &Home, conversation: &Conversation) {
    let store = Store::connect(&home.database(), PATIENCE).await.unwrap();
    let history = since(&store, MessageKey(conversation.began_after.parse().unwrap())).await;
    check_shown(&history, conversation);
    check_confirmed(&store, &history, conversation).await;
    check_outbox(&store, &history, &outbox(&home.database()).await).await;
    store.close().await;
    let generated = history.iter().filter(|message| message.origin == Origin::Generated).count();
    println!("{} messages, {generated} of them ours", history.len());
    assert!(generated >= 20, "hardly anybody spoke, so this proves little: {history:#?}");
}

async fn since(store: &Store, mut after: MessageKey) -> Vec<Message> {
    let room = store.rooms_with_cast().await.unwrap().remove(0).id;
    let mut history = Vec::new();
    loop {
        let messages = store.messages_after(room, after, PAGE).await.unwrap();
        let Some(last) = messages.last() else { return history };
        after = last.key;
        history.extend(messages);
    }
}

/// The reader saw every message once, in order, and nothing else.
fn check_shown(history: &[Message], conversation: &Conversation) {
    let shown = conversation.shown();
    let shown: Vec<(&str, &str)> = shown.iter().map(|shown| (shown.id.as_str(), shown.text.as_str())).collect();
    let held: Vec<(String, &str)> =
        history.iter().map(|message| (message.key.to_string(), message.text.as_str())).collect();
    let held: Vec<(&str, &str)> = held.iter().map(|(id, text)| (id.as_str(), *text)).collect();
    for (shown, held) in shown.iter().zip(&held) {
        assert_eq!(shown, held, "shown and held differ from here on");
    }
    assert_eq!(shown.len(), held.len());
}

/// What was confirmed is there once, under its nonce, in the order of confirmation; what personas were to say at most
/// once, and what the last bot promised of it is there.
async fn check_confirmed(store: &Store, history: &[Message], conversation: &Conversation) {
    let mut places: HashMap<&str, Vec<MessageKey>> = HashMap::new();
    for message in history.iter().filter(|message| ["th time", "th leak"].iter().any(|end| message.text.ends_with(end)))
    {
        places.entry(&message.text).or_default().push(message.key);
    }
    let doubled: Vec<_> = places.iter().filter(|(_, keys)| keys.len() > 1).collect();
    assert!(doubled.is_empty(), "said twice: {doubled:?}");

    let broken: Vec<_> =
        conversation.promised().into_iter().filter(|line| !places.contains_key(line.as_str())).collect();
    assert!(broken.is_empty(), "promised and not said: {broken:?}");

    let confirmed = conversation.confirmed();
    assert!(!confirmed.is_empty());
    let mut keys = Vec::new();
    for said in &confirmed {
        assert_eq!(said.message.text, said.text);
        let key = MessageKey(said.message.id.parse().unwrap());
        assert_eq!(places.get(said.text.as_str()), Some(&vec![key]), "{said:?}");
        let marked = store.by_nonce(history[0].room, &format!("web:vera:{}", said.nonce)).await.unwrap();
        assert_eq!(marked.map(|message| message.key), Some(key), "{said:?}");
        keys.push(key);
    }
    assert!(keys.is_sorted(), "not in the order of confirmation");
    let of_vera = history.iter().filter(|message| message.author_name == "Vera").count();
    assert_eq!(of_vera, confirmed.len());
}

/// Every turn has ended, and those that were posted and our messages are the same.
async fn check_outbox(store: &Store, history: &[Message], outbox: &[OutboxRow]) {
    let unfinished = outbox.iter().filter(|row| matches!(row.state, TurnState::Pending | TurnState::Posting));
    assert_eq!(unfinished.collect::<Vec<_>>(), Vec::<&OutboxRow>::new());
    let mut posted: Vec<(MessageKey, &str)> = Vec::new();
    for row in outbox.iter().filter(|row| row.state == TurnState::Posted) {
        let key = row.message_key.expect("what was posted has a key");
        let marked = store.by_nonce(history[0].room, &format!("outbox:{}", row.id)).await.unwrap();
        assert_eq!(marked.map(|message| message.key), Some(key), "{row:?}");
        posted.push((key, &row.text));
    }
    posted.sort_unstable();
    let generated = history.iter().filter(|message| message.origin == Origin::Generated);
    let generated: Vec<_> = generated.map(|message| (message.key, message.text.as_str())).collect();
    assert_eq!(posted, generated);
}
