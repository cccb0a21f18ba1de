//! `groupchat adapter`: adapters that were made elsewhere become known, are listed, and are forgotten.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fs, path::PathBuf};

use chat::{Consent, MemberId, MemberKey, Platform};
use chrono::DateTime;
use expect_test::{Expect, expect};
use model_runner::testing::TinyAdapter;
use secrecy::ExposeSecret;
use serde_json::json;
use store::{NewCommunity, NewMember, testing::TestDatabase};
use tempfile::TempDir;
use tokio::process::Command;

/// A history of Ada and Bo, who agreed, and a folder with adapters.
struct Scene {
    database: TestDatabase,
    folder: TempDir,
    ada: MemberId,
    bo: MemberId,
}

impl Scene {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let store = &database.store;
        let crew = NewCommunity { platform: Platform::Discord, external_id: "42", title: "The Crew" };
        let community = store.community(&crew).await.unwrap().id;
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let mut ids = Vec::new();
        for name in ["Ada", "Bo"] {
            let key = MemberKey(name.to_lowercase());
            let new = NewMember { community, key: &key, name, is_bot: false, avatar_url: None, seen_at: at };
            let member = store.member(&new).await.unwrap().id;
            store.set_consent(member, Consent::Granted, at).await.unwrap();
            ids.push(member);
        }
        Self { database, folder: tempfile::tempdir().unwrap(), ada: ids[0], bo: ids[1] }
    }

    /// Writes an adapter that says whom it was trained on, if anybody.
    fn adapter(&self, name: &str, members: Option<String>) {
        TinyAdapter { members, ..TinyAdapter::default() }.write(&self.file(name)).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_groupchat"));
        program.current_dir(self.folder.path()).arg("adapter").args(arguments);
        program.env("GROUPCHAT__DATABASE__URL", self.database.url.expose_secret());
        program.env("GROUPCHAT__LOG__FILTER", "error").env("HOME", self.folder.path());
        let output = program.output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8(said)
            .unwrap()
            .replace(&self.folder.path().canonicalize().unwrap().display().to_string(), "DIR")
    }

    async fn check(&self, arguments: &[&str], expected: Expect) {
        // The day is that of the test.
        let said = self.run(arguments).await.lines().map(|line| without_days(line) + "\n").collect::<String>();
        expected.assert_eq(&said);
    }
}

/// A line with what looks like a date or a time left out.
fn without_days(line: &str) -> String {
    let is_time = |word: &&str| {
        let plain = word.trim_end_matches([',', ':']);
        plain.len() > 3 && plain.chars().all(|c| c.is_ascii_digit() || c == '-' || c == ':')
    };
    line.split(' ').filter(|word| !is_time(word)).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn adapters_become_known_are_listed_and_forgotten() {
    let scene = Scene::new().await;
    scene
        .check(
            &["list"],
            expect![[r#"
        no adapter is known; `groupchat train` makes one, `groupchat adapter use` takes one made elsewhere
    "#]],
        )
        .await;
    scene.adapter("crew.gguf", Some(json!([{"id": scene.ada.0, "name": "Ada"}]).to_string()));
    scene
        .check(
            &["use", "crew.gguf", "--community", "the crew"],
            expect![[r#"
        the personas of The Crew speak with crew from their next reply on
    "#]],
        )
        .await;

    scene.adapter("others.gguf", None);
    fs::create_dir(scene.file("dataset")).unwrap();
    let report = json!({
        "version": 1,
        "prompt_version": 1,
        "community": {"id": 1, "title": "The Crew"},
        "made_at": "2025-04-14T18:42:29Z",
        "options": {
            "silence_seconds": 21600, "merge_seconds": null, "keep": [], "shares": [0.8, 0.08, 0.08, 0.04], "balance": 4,
        },
        "messages": {"read": 3, "left_out": {}, "merged": 0, "window_only": {}},
        "replaced": {},
        "windows": 2,
        "rows": {},
        "members": [{"id": scene.bo.0, "name": "Bo", "messages": 3, "rows": {}}],
    });
    fs::write(scene.file("dataset/report.json"), report.to_string()).unwrap();
    let taken = ["use", "others.gguf", "--community", "42", "--name", "autumn", "--members-of", "dataset"];
    scene
        .check(
            &taken,
            expect![[r#"
        the personas of The Crew speak with autumn from their next reply on
    "#]],
        )
        .await;
    scene
        .check(
            &["list", "--community", "The Crew"],
            expect![[r#"
        The Crew: autumn, of 1 members, may be served, DIR/others.gguf
        The Crew: crew, of 1 members, may be served, DIR/crew.gguf
    "#]],
        )
        .await;

    let at = DateTime::from_timestamp(1_700_000_001, 0).unwrap();
    scene.database.store.set_consent(scene.bo, Consent::Refused, at).await.unwrap();
    fs::remove_file(scene.file("crew.gguf")).unwrap();
    scene
        .check(
            &["list"],
            expect![[r#"
        The Crew: autumn, of 1 members, stale since a member withdrew consent, DIR/others.gguf
        The Crew: crew, of 1 members, its file is gone, DIR/crew.gguf
    "#]],
        )
        .await;
    scene.check(&taken, expect![[r#"
        groupchat: the adapter autumn is known but will not be served: a member withdrew consent during the training; train it without them
    "#]]).await;
    scene
        .check(
            &["forget", "autumn", "--community", "42"],
            expect![[r#"
        forgot autumn (2 versions); its files are where they were
    "#]],
        )
        .await;
    scene
        .check(
            &["forget", "autumn", "--community", "42"],
            expect![[r#"
        groupchat: The Crew has no adapter autumn; `groupchat adapter list` shows what there is
    "#]],
        )
        .await;
}

#[tokio::test]
async fn what_cannot_be_used_says_why() {
    let scene = Scene::new().await;
    scene.adapter("silent.gguf", None);
    scene.adapter("strange.gguf", Some(json!([{"id": 4711, "name": "Nobody"}]).to_string()));
    scene
        .check(
            &["use", "silent.gguf", "--community", "42"],
            expect![[r#"
        groupchat: silent.gguf does not say whom it was trained on; say it with --members-of DATASET
    "#]],
        )
        .await;
    scene.check(&["use", "strange.gguf", "--community", "42"], expect![[r#"
        groupchat: the adapter was trained on people who are no members of this community; choose theirs with --community
    "#]]).await;
    scene.check(&["use", "none.gguf", "--community", "42"], expect![[r#"
        groupchat: cannot use none.gguf as an adapter: it cannot be read (No such file or directory (os error 2)); give the path of a GGUF file that this user may read
    "#]]).await;
    scene
        .check(
            &["use", "silent.gguf", "--community", "nowhere"],
            expect![[r#"
        groupchat: there is no community "nowhere"; there are 1 ("The Crew" on discord)
    "#]],
        )
        .await;
    scene
        .check(
            &["use", "silent.gguf", "--community", "42", "--members-of", "nowhere"],
            expect![[r#"
                groupchat: there is no dataset in nowhere; `groupchat dataset` makes one
            "#]],
        )
        .await;
}
