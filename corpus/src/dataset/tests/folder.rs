//! What is written, what is replaced, and what is left alone.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use expect_test::expect;
use tempfile::TempDir;

use super::*;

fn dataset() -> Dataset {
    let said: Vec<_> = (0..60).map(|number| (number % 3 + 1, format!("word {number}"))).collect();
    let messages = said.iter().zip(0..).map(|((author, text), key)| message(key, key * 40_000, *author, text));
    let all: Vec<Message> = messages
        .flat_map(|m| {
            [
                m.clone(),
                Message {
                    key: MessageKey(m.key.0 + 100),
                    author: Author::Member(MemberId(1)),
                    text: format!("to {}", m.text),
                    ..m
                },
            ]
        })
        .collect();
    make(&all, Options::default())
}

/// All files below a folder, with their modes.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(part) = folders.pop() {
        for entry in fs::read_dir(&part).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            found.push(format!("{} {mode:o}", path.strip_prefix(folder).unwrap().display()));
            folders.extend(path.is_dir().then_some(path));
        }
    }
    found.sort();
    found
}

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("data/dataset")
    }
}

#[test]
fn a_dataset_is_files_for_their_owner_alone() {
    let home = Home::new();
    dataset().write(&home.out(), Replace::Same).unwrap();
    expect![[r#"
        dataset 700
        dataset/chatml 700
        dataset/chatml/judge.jsonl 600
        dataset/chatml/test.jsonl 600
        dataset/chatml/train.jsonl 600
        dataset/chatml/validation.jsonl 600
        dataset/report.json 600
        dataset/sharegpt 700
        dataset/sharegpt/dataset_info.json 600
        dataset/sharegpt/judge.jsonl 600
        dataset/sharegpt/test.jsonl 600
        dataset/sharegpt/train.jsonl 600
        dataset/sharegpt/validation.jsonl 600"#]]
    .assert_eq(&files(home.out().parent().unwrap()).join("\n"));
}

#[test]
fn rows_and_report_are_read_as_they_were_made() {
    let home = Home::new();
    let dataset = dataset();
    dataset.write(&home.out(), Replace::Same).unwrap();
    assert_eq!(read_report(&home.out()).unwrap().as_ref(), Some(dataset.report()));
    for split in Split::ALL {
        let text = fs::read_to_string(chatml_file(&home.out(), split)).unwrap();
        let read: Vec<Row> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let made: Vec<Row> = dataset.rows().filter(|(of, _)| *of == split).flat_map(|(_, pair)| pair).collect();
        assert!(!made.is_empty());
        assert_eq!(read, made, "{split}");
    }
    let info = fs::read_to_string(home.out().join("sharegpt/dataset_info.json")).unwrap();
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    expect![[r#"{"columns":{"messages":"conversations"},"file_name":"train.jsonl","formatting":"sharegpt"}"#]]
        .assert_eq(&info["groupchat_train"].to_string());
    let first = fs::read_to_string(home.out().join("sharegpt/train.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    expect![[r#"{"conversations":[{"from":"human","value":"You are mimicking users in a group chat. Given the conversation history, respond as the specified user.\n\nRecent messages:\nAda: word 0\n\nRespond as Ada:"},{"from":"gpt","value":"to word 0"}]}"#]].assert_eq(&first.to_string());
}

#[test]
fn a_dataset_is_replaced_and_leaves_nothing_beside_it() {
    let home = Home::new();
    dataset().write(&home.out(), Replace::Same).unwrap();
    let killed = home.0.path().join("data/.dataset.unfinished/chatml");
    fs::create_dir_all(&killed).unwrap();
    fs::write(killed.join("train.jsonl"), "half").unwrap();
    let smaller = make(&talk(&[(1, "hi"), (2, "ho")]), Options::default());
    smaller.write(&home.out(), Replace::Same).unwrap();
    assert_eq!(read_report(&home.out()).unwrap().unwrap().windows, 1);
    let beside: Vec<_> = fs::read_dir(home.0.path().join("data")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(beside, ["dataset"]);
}

#[test]
fn what_is_no_dataset_is_left_alone() {
    let home = Home::new();
    let refused = |what: &str| {
        let error = dataset().write(&home.out(), Replace::AnyDataset).unwrap_err();
        assert!(matches!(&error, FolderError::NotOurs { what: found, .. } if found == what), "{error}");
    };
    fs::create_dir_all(home.out().parent().unwrap()).unwrap();
    fs::write(home.out(), "mine").unwrap();
    refused("a file");
    fs::remove_file(home.out()).unwrap();
    fs::create_dir(home.out()).unwrap();
    dataset().write(&home.out(), Replace::Same).unwrap();
    fs::write(home.out().join("chatml/notes.txt"), "mine").unwrap();
    refused("\"chatml/notes.txt\"");
    remove(&home.out()).unwrap();
    assert_eq!(
        files(&home.out()).iter().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(),
        ["chatml", "chatml/notes.txt"]
    );
}

#[test]
fn the_dataset_of_others_is_replaced_by_force_alone() {
    let home = Home::new();
    let mut others = dataset();
    others.report.community = CommunityFacts { id: CommunityId(2), title: "Others".to_owned() };
    others.write(&home.out(), Replace::Same).unwrap();
    let error = dataset().write(&home.out(), Replace::Same).unwrap_err();
    assert!(matches!(&error, FolderError::OtherCommunity { title, .. } if title == "Others"), "{error}");
    dataset().write(&home.out(), Replace::AnyDataset).unwrap();
    assert_eq!(read_report(&home.out()).unwrap().unwrap().community, facts());
}

#[test]
fn removing_is_done_once() {
    let home = Home::new();
    dataset().write(&home.out(), Replace::Same).unwrap();
    remove(&home.out()).unwrap();
    assert!(!home.out().exists());
    remove(&home.out()).unwrap();
    assert_eq!(read_report(&home.out()).unwrap(), None);
}
