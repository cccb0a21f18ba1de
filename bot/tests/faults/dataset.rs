//! `groupchat dataset` as people start it: on an imported history, beside a running bot, and wrongly.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use corpus::dataset::{Kind, Row, Split, chatml_file, read_report};
use store::Store;

use super::{
    command_line::{export, run, text},
    home::{Demo, Home, PATIENCE, eventually},
};

const SAMPLE: &[u8] = include_bytes!("../../../sample/result.json");

async fn import(home: &Home, name: &str, content: impl AsRef<[u8]>, more: &[&str]) {
    let file = home.file(name, content);
    let data = home.data();
    let arguments = [&["import", "--data", text(&data)], more, &[text(&file)]].concat();
    let ended = run(home, &arguments).await;
    assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
}

#[tokio::test]
async fn the_sample_group_becomes_rows() {
    let home = Home::new();
    import(&home, "result.json", SAMPLE, &["--members-agreed"]).await;
    let data = home.data();
    let ended = run(&home, &["dataset", "--data", text(&data)]).await;
    assert!(ended.success, "{}", ended.stderr);
    let out = data.join("dataset");
    for part in ["      1083 messages read\n", "      1028 answers\n", "Juno\n", text(&out)] {
        assert!(ended.stdout.contains(part), "{part} is missing: {}", ended.stdout);
    }
    let report = read_report(&out).unwrap().unwrap();
    let mut replies = 0;
    for split in Split::ALL {
        let file = chatml_file(&out, split);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let lines = fs::read_to_string(file).unwrap();
        let rows: Vec<Row> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len() as u64, report.rows[&split].reply + report.rows[&split].next_speaker);
        replies += rows.iter().filter(|row| row.kind == Kind::Reply).count() as u64;
        for pair in rows.chunks(2) {
            assert_eq!((pair[0].kind, pair[1].kind), (Kind::Reply, Kind::NextSpeaker));
            assert_eq!((pair[1].answer.as_str(), pair[0].at), (pair[0].speaker.as_str(), pair[1].at));
        }
    }
    assert_eq!(replies, report.windows);
    let again = run(&home, &["dataset", "--data", text(&data), "--keep", "links", "--merge", "60"]).await;
    assert!(again.success, "a dataset of ours is replaced: {}", again.stderr);
    assert_ne!(read_report(&out).unwrap().unwrap().windows, report.windows);
    home.is_left_alone().await;
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_told_in_one_sentence() {
    let home = Home::new();
    let data = home.data();
    let ended = run(&home, &["dataset", "--data", text(&data)]).await;
    assert_eq!(ended.sentence(), "the history is empty; `groupchat import` reads one");
    import(&home, "sample.json", SAMPLE, &["--members-agreed"]).await;
    import(&home, "crew.json", export(), &[]).await;
    let list = "1 (\"Probably Fine (again) ⛵\" on telegram), 2 (\"Crew\" on telegram)";
    let sentence = async |more: &[&str]| {
        let arguments = [&["dataset", "--data", text(&data)], more].concat();
        run(&home, &arguments).await.sentence().to_owned()
    };
    let several = format!("there are several communities; name one with --community: {list}");
    assert_eq!(sentence(&[]).await, several);
    assert_eq!(
        sentence(&["--community", "Nobody"]).await,
        format!("there is no community \"Nobody\"; there are {list}")
    );
    assert_eq!(
        sentence(&["--community", "Crew"]).await,
        "there would be no rows: 7 messages were read (7 no-consent); members agree with /consent yes, or you declare it \
         with `groupchat import --members-agreed`"
    );
    let mine = home.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("notes.txt"), "mine").unwrap();
    let refused = sentence(&["--community", "1", "--out", text(&mine)]).await;
    assert!(refused.contains("holds \"notes.txt\", which is no part of a dataset"), "{refused}");
    let ended = run(&home, &["dataset", "--keep", "no-consent"]).await;
    assert!(!ended.success && ended.stderr.contains("is never switched off"), "{}", ended.stderr);
    home.is_left_alone().await;
}

#[tokio::test]
async fn beside_a_running_bot_rows_are_made_and_vanish_with_whoever_is_forgotten() {
    let home = Home::new();
    let demo = Demo::start(&home, &[]).await;
    let data = home.data();
    let ended = run(&home, &["dataset", "--data", text(&data)]).await;
    assert!(ended.success, "{}", ended.stderr);
    let out = data.join("dataset");
    let report = read_report(&out).unwrap().unwrap();
    let store = Store::connect(&home.database(), PATIENCE).await.unwrap();
    let forgotten_at = report.made_at + Duration::from_secs(1);
    store.forget_member(report.members[0].id, forgotten_at).await.unwrap();
    store.close().await;
    eventually("the rows are deleted", async || (!out.exists()).then_some(())).await;
    demo.stop().await;
    home.is_left_alone().await;
}
