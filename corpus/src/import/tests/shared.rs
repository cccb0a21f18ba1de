//! Real logs, where the machine has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use super::*;

#[test]
fn a_real_channel() {
    let Some(folder) = shared_folder() else {
        println!("skipped: GROUPCHAT_SHARED does not say where real logs are");
        return;
    };
    let mut dropped = BTreeMap::<DropReason, u64>::new();
    let (mut messages, mut lines, mut authors) = (0_u64, 0_u64, BTreeSet::new());
    let files = fs::read_dir(folder.join("data/ubuntu-irc")).unwrap().map(|file| file.unwrap().path());
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
        let text = fs::read_to_string(&path).unwrap();
        lines += text.lines().filter(|line| !line.trim().is_empty()).count() as u64;
        for item in open(&path, &Options::default()).unwrap() {
            match item.unwrap() {
                Item::Chat(chat) => assert_eq!(chat.title, "ubuntu-irc"),
                Item::Dropped { reason, .. } => *dropped.entry(reason).or_default() += 1,
                Item::Message(message) => {
                    messages += 1;
                    authors.insert(message.author.key);
                }
            }
        }
    }
    println!("{messages} messages of {} authors in {lines} lines, dropped {dropped:?}", authors.len());
    assert_eq!(messages + dropped.values().sum::<u64>(), lines, "each line is accounted for");
    assert!(messages * 10 > lines * 8, "most lines are messages");
    assert_eq!(dropped.get(&DropReason::Malformed), None);
}

#[expect(clippy::disallowed_methods, reason = "only this test wants it")]
fn shared_folder() -> Option<PathBuf> {
    std::env::var_os("GROUPCHAT_SHARED").map(PathBuf::from)
}
