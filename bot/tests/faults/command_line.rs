//! The program started wrongly: each failure is one sentence that names the next step, and a status that is not zero.

use std::{net::TcpListener, path::Path};

use store::{Cluster, ClusterOptions, NewCommunity, NewRoom, Store};
use tokio::task::spawn_blocking;

use super::home::{Demo, Home, PATIENCE, eventually};

/// How a run of the program ended.
pub struct Ended {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// What went wrong, which must be one sentence on standard error, the last that is there.
    pub fn sentence(&self) -> &str {
        assert!(!self.success, "it should have failed: {}", self.stdout);
        let mut sentences = self.stderr.lines().filter_map(|line| line.strip_prefix("groupchat: "));
        let sentence = sentences.next().unwrap_or_else(|| panic!("no sentence in: {}", self.stderr));
        assert_eq!(sentences.next(), None);
        sentence
    }
}

pub async fn run(home: &Home, arguments: &[&str]) -> Ended {
    let mut program = home.program(arguments);
    let output = tokio::time::timeout(PATIENCE, program.stderr(std::process::Stdio::piped()).output());
    let output = output.await.expect("it ends in time").unwrap();
    Ended {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_second_demo_on_a_folder_names_the_first_which_goes_on() {
    let home = Home::new();
    let mut first = Demo::start(&home, &[]).await;
    let second = run(&home, &["demo", "--port", "0", "--data", text(&home.data())]).await;
    let sentence = format!(
        "{} is in use by another groupchat (process {}); stop that one, or name another folder with --data",
        home.data().display(),
        first.pid()
    );
    assert_eq!(second.sentence(), sentence);
    assert!(home.postmaster().is_some());
    first.kill().await;
    home.is_left_alone().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_before_anything_is_made() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = run(&home, &["demo", "--port", &address.port().to_string(), "--data", text(&home.data())]).await;
    let begins = format!("cannot listen on {address}; --port 0 takes any port that is free: ");
    assert!(ended.sentence().starts_with(&begins), "{}", ended.sentence());
    assert!(!home.data().join("postgres").exists());
}

#[tokio::test]
async fn a_history_that_is_none_is_told_in_one_sentence() {
    let home = Home::new();
    let (missing, empty) = (home.path().join("missing.json"), home.file("empty.txt", ""));
    let unknown = home.file("unknown.txt", "Dear diary,\ntoday it rained.\n");
    let ended = async |file: &Path| {
        let data = home.data();
        let ended = run(&home, &["demo", "--port", "0", "--data", text(&data), "--history", text(file)]).await;
        let sentence = ended.sentence().to_owned();
        let place = file.display().to_string();
        assert_eq!(sentence.matches(&place).count(), 1, "{sentence}");
        sentence.replace(&place, "FILE")
    };
    assert!(ended(&missing).await.starts_with("there is no FILE"));
    assert_eq!(ended(&empty).await, "FILE: the file is empty; export the chat again");
    let sentence = ended(&unknown).await;
    assert!(sentence.starts_with("FILE: the format is not known; looked for "), "{sentence}");
    assert_eq!(sentence.matches("not known").count(), 1, "{sentence}");
    home.is_left_alone().await;
}

#[tokio::test]
async fn a_key_that_is_unknown_is_shown_with_its_file_and_line() {
    let home = Home::new();
    let config = home.file("groupchat.toml", "[web]\nenabled = true\nlissten = \"127.0.0.1:0\"\n");
    let ended = run(&home, &["run", "--config", text(&config)]).await;
    assert!(!ended.success);
    for part in [text(&config), "line 3", "unknown field `lissten`", "`listen`"] {
        assert!(ended.stderr.contains(part), "{part} is missing: {}", ended.stderr);
    }
}

/// A Telegram export: of nine rows, two are no messages to keep.
pub fn export() -> String {
    let mut rows: Vec<String> = (1..=7).map(|id| row(id, "said")).collect();
    rows.push(
        r#"{"id": 8, "type": "service", "date_unixtime": "1709287200", "action": "pin_message", "text": ""}"#
            .to_owned(),
    );
    rows.push(row(9, ""));
    chat(&rows)
}

fn row(id: u64, text: &str) -> String {
    let (time, who) = (1_709_287_200 + id, id % 3);
    format!(
        r#"{{"id": {id}, "type": "message", "date_unixtime": "{time}", "from": "User {who}", "from_id": "user{who}", "text": "{text}"}}"#
    )
}

fn chat(rows: &[String]) -> String {
    format!(r#"{{"name": "Crew", "type": "private_supergroup", "id": 15, "messages": [{}]}}"#, rows.join(",\n"))
}

/// The number that stands in a report under a label, summed where there are several.
fn counted(report: &str, label: &str) -> u64 {
    let lines = report.lines().filter_map(|line| line.strip_prefix(label));
    lines.map(|rest| rest.split_whitespace().next().unwrap().parse::<u64>().unwrap()).sum()
}

async fn import(home: &Home, file: &Path) -> String {
    let ended = run(home, &["import", "--data", text(&home.data()), text(file)]).await;
    assert!(ended.success, "{}{}", ended.stdout, ended.stderr);
    ended.stdout
}

fn check_report(report: &str, read: u64, stored: u64, known: u64, dropped: u64) {
    let counts = ["rows read:", "messages stored:", "not stored:", "dropped:"].map(|label| counted(report, label));
    assert_eq!(counts, [read, stored, known, dropped], "{report}");
    assert_eq!(read, stored + known + dropped);
}

#[tokio::test]
async fn an_import_again_stores_nothing_and_its_reports_add_up() {
    let home = Home::new();
    let file = home.file("result.json", export());
    check_report(&import(&home, &file).await, 9, 7, 0, 2);
    check_report(&import(&home, &file).await, 9, 0, 7, 2);
    home.is_left_alone().await;
}

#[tokio::test]
async fn an_import_that_was_killed_is_completed_by_the_next() {
    const MESSAGES: u64 = 40_000;
    let home = Home::new();
    let rows: Vec<String> = (1..=MESSAGES).map(|id| row(id, "said")).collect();
    let file = home.file("result.json", chat(&rows));
    let options = ClusterOptions { dir: home.data().join("postgres"), durable: false };
    let cluster = spawn_blocking(move || Cluster::start(&options)).await.unwrap().unwrap();
    let store = Store::connect(&cluster.url("groupchat"), PATIENCE).await.unwrap();
    let community = NewCommunity { platform: chat::Platform::Telegram, external_id: "-10015", title: "Crew" };
    let community = store.community(&community).await.unwrap().id;
    let room = NewRoom { community, external_id: "-10015", title: "Crew", parent: None };
    let room = store.room(&room).await.unwrap().id;
    let stored = async || store.room_message_count(room).await.unwrap() as u64;

    let mut killed = home.program(["import", "--data", text(&home.data()), text(&file)]).spawn().unwrap();
    eventually("some of it is stored", async || (stored().await > 0).then_some(())).await;
    killed.kill().await.unwrap();
    let before = stored().await;
    assert!(before < MESSAGES, "it was too fast to be killed half-way");

    let report = import(&home, &file).await;
    assert_eq!(stored().await, MESSAGES);
    let known = counted(&report, "not stored:");
    assert!(known >= before, "{report}");
    check_report(&report, MESSAGES, MESSAGES - known, known, 0);
    store.close().await;
    spawn_blocking(move || drop(cluster)).await.unwrap();
    home.is_left_alone().await;
}
