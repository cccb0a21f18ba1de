//! `groupchat model` and `groupchat doctor`, as people type them.

use std::fs;

use bot::models::Record;

use super::{
    tester::{DEFAULT, TINY, Tester, label, text, tiny},
    the_fake::sha256,
};

/// The line of a table that begins with these words, its columns one space apart.
fn line(table: &str, begins: &str) -> String {
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.into_iter().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("no {begins} in {table}"))
}

#[tokio::test]
async fn a_model_is_listed_fetched_checked_and_removed() {
    let tester = Tester::new().await;
    tester.hub.put(DEFAULT, tester.bytes.clone());
    let (_, table, _) = tester.run(&["model", "list"]).await;
    assert_eq!(line(&table, "qwen3-0.6b q4_k_m"), "qwen3-0.6b q4_k_m 396.71 MB no default");

    let (success, stdout, stderr) = tester.run(&["model", "pull"]).await;
    assert!(success, "{stderr}");
    assert!(stdout.starts_with("qwen3-0.6b:q4_k_m is here: ") && stdout.contains(&sha256(&tester.bytes)), "{stdout}");
    tester.run(&["model", "pull", TINY]).await;
    let (_, table, _) = tester.run(&["model", "list"]).await;
    let row = line(&table, "qwen3-0.6b q4_k_m");
    assert!(row.ends_with(" MB yes default, in use") && !row.contains("396.71"), "{row}");
    assert!(line(&table, "crew--tiny-GGUF--tiny").ends_with(" MB yes"));

    let (success, stdout, _) = tester.run(&["model", "verify"]).await;
    assert!(success && stdout.lines().filter(|line| line.starts_with("ok     ")).count() == 2, "{stdout}");
    let (success, stdout, _) = tester.run(&["model", "rm", "qwen3-0.6b"]).await;
    assert!(success && stdout.starts_with("qwen3-0.6b:q4_k_m is removed, "), "{stdout}");
    let (success, _, stderr) = tester.run(&["model", "rm", "qwen3-0.6b:q4_k_m"]).await;
    let sentence = "groupchat: qwen3-0.6b:q4_k_m is not here; `groupchat model list` shows what is\n";
    assert!(!success && stderr == sentence, "{stderr}");
    assert_eq!(tester.listing(), ["crew--tiny-GGUF--tiny.gguf", "crew--tiny-GGUF--tiny.gguf.json"]);
}

#[tokio::test]
async fn a_byte_that_changed_is_found() {
    let tester = Tester::new().await;
    tester.run(&["model", "pull", TINY]).await;
    let path = tester.folder().file(&tiny().label);
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    for arguments in [&["model", "verify"][..], &["model", "verify", TINY], &["model", "verify", text(&path)]] {
        let (success, stdout, stderr) = tester.run(arguments).await;
        assert!(!success && stdout.contains(&format!("its SHA-256 is {}", sha256(&bytes))), "{stdout}");
        assert!(stderr.contains("`groupchat model rm` and `pull` bring a model anew"), "{stderr}");
    }
    // A file that nobody fetched has nothing to be compared with, and is looked at all the same.
    let by_hand = tester.data().join("by-hand.gguf");
    fs::write(&by_hand, &tester.bytes).unwrap();
    let (success, stdout, _) = tester.run(&["model", "verify", text(&by_hand)]).await;
    assert!(success && stdout.contains("no checksum was written down for it"), "{stdout}");
    fs::write(&by_hand, "no model").unwrap();
    let (success, stdout, _) = tester.run(&["model", "verify", text(&by_hand)]).await;
    assert!(!success && stdout.contains("it is not a GGUF file"), "{stdout}");
}

#[tokio::test]
async fn what_cannot_be_meant_says_what_can() {
    let tester = Tester::new().await;
    for (arguments, part) in [
        (&["model", "pull", "gpt-6"][..], "there is no model \"gpt-6\" in the catalogue, which has qwen3-0.6b"),
        (&["model", "pull", "crew/none/x.gguf"], "has no repository crew/none that it shows"),
        (&["model", "verify"], "no model is here; `groupchat model pull` fetches one"),
        (&["model", "verify", "qwen3-4b"], "`groupchat model pull qwen3-4b:q4_k_m` fetches it"),
    ] {
        let (success, _, stderr) = tester.run(arguments).await;
        assert!(!success && stderr.contains(part), "{part} is missing: {stderr}");
    }
}

#[tokio::test]
async fn the_doctor_looks_at_the_model() {
    let tester = Tester::new().await;
    let model = async || {
        let (_, stdout, _) = tester.run(&["doctor"]).await;
        stdout.lines().find(|line| line[7..].starts_with("model: ")).unwrap().to_owned()
    };
    assert!(model().await.starts_with("note   model: qwen3-0.6b:q4_k_m is not here"));
    tester.hub.put(DEFAULT, tester.bytes.clone());
    tester.run(&["model", "pull"]).await;
    let fine = model().await;
    assert!(fine.starts_with("ok     model: qwen3-0.6b:q4_k_m is served"), "{fine}");
    let path = tester.folder().file(&label("qwen3-0.6b"));
    fs::write(&path, &tester.bytes[..1_000_000]).unwrap();
    let size = Record::beside(&path).unwrap().unwrap().size;
    let wrong = model().await;
    let begins = format!("WRONG  model: qwen3-0.6b:q4_k_m has 1000000 bytes, and had {size} when it came");
    assert!(wrong.starts_with(&begins), "{wrong}");
}
