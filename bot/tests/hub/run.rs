//! `groupchat run`, which begins without a model: the offer, and the model that comes while it runs.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::OwnedFd,
    process::Stdio,
    sync::{Arc, Mutex},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use super::{
    tester::{DEFAULT, PATIENCE, Tester, eventually, label, text},
    the_fake::Fault,
};

/// A running bot.
struct Bot {
    child: Child,
    url: String,
    log: Arc<Mutex<String>>,
}

impl Bot {
    /// Starts the program, and returns once it listens. What it logs is gathered.
    async fn start(mut command: Command) -> Self {
        let mut child = command.env("GROUPCHAT__WEB__LISTEN", "127.0.0.1:0").spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let (mut lines, log) = (BufReader::new(stderr).lines(), log.clone());
            tokio::spawn(async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().unwrap().push_str(&(line + "\n"));
                }
            });
        }
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, stdout.next_line()).await.expect("it listens in time").unwrap();
        let line = line.unwrap_or_else(|| panic!("it starts: {}", log.lock().unwrap()));
        let url = line.strip_prefix("groupchat is listening on ").unwrap().to_owned();
        Self { child, url, log }
    }

    /// What it says it speaks with.
    async fn speaks_with(&self) -> String {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({ "name": "Ada", "text": "/model" });
        let answer = http.post(format!("{}/api/command", self.url)).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap().to_string()
    }

    async fn comes_to_speak_with(&self, model: &str) {
        eventually(&format!("it speaks with {model}"), async || self.speaks_with().await.contains(model).then_some(()))
            .await;
    }

    async fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap();
        assert!(status.success(), "{status}");
    }
}

/// A terminal, with what is shown on it.
struct Terminal {
    keys: File,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Gives a program a terminal of its own.
    fn of(command: &mut Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs: OwnedFd = File::options().read(true).write(true).open(name).unwrap().into();
        command.stdin(Stdio::from(theirs.try_clone().unwrap())).stderr(Stdio::from(theirs));
        let keys = File::from(ours);
        let (mut screen, shown) = (keys.try_clone().unwrap(), Arc::new(Mutex::new(String::new())));
        let sink = shown.clone();
        std::thread::spawn(move || {
            let mut block = [0; 4096];
            // Reading fails once nobody has the other end.
            while let Ok(read @ 1..) = screen.read(&mut block) {
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&block[..read]));
            }
        });
        Self { keys, shown }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }
}

/// Starts it on a terminal and types an answer to its question.
async fn answered(tester: &Tester, answer: &str) -> (Bot, Terminal) {
    let mut command = tester.program(["run"]);
    let mut terminal = Terminal::of(&mut command);
    let starts = Bot::start(command);
    let shown = terminal.shown.clone();
    let types = async {
        eventually("it asks", async || shown.lock().unwrap().contains("[Y/n]").then_some(())).await;
        terminal.keys.write_all(answer.as_bytes()).unwrap();
    };
    let (bot, ()) = tokio::join!(starts, types);
    (bot, terminal)
}

#[tokio::test]
async fn a_model_that_is_fetched_beside_it_speaks_without_a_restart() {
    let tester = Tester::new().await;
    tester.hub.put(DEFAULT, tester.bytes.clone());
    let bot = Bot::start(tester.program(["run"])).await;
    bot.comes_to_speak_with("Markov").await;
    let log = bot.log.lock().unwrap().clone();
    assert!(log.contains("`groupchat model pull qwen3-0.6b:q4_k_m` fetches it (396.71 MB)"), "{log}");
    assert!(tester.hub.seen().is_empty(), "without a terminal nothing is fetched");
    let (success, _, stderr) = tester.run(&["model", "pull"]).await;
    assert!(success, "{stderr}");
    bot.comes_to_speak_with("qwen3-0.6b-q4_k_m").await;
    bot.stop().await;
    // From then on it is there from the beginning.
    let bot = Bot::start(tester.program(["run"])).await;
    bot.comes_to_speak_with("qwen3-0.6b-q4_k_m").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_yes_fetches_it_while_the_markov_chains_speak() {
    let tester = Tester::new().await;
    tester.hub.put(DEFAULT, tester.bytes.clone());
    let (go_on, held) = watch::channel(false);
    tester.hub.faults([Fault::Cut(1_200_000), Fault::Holds(500_000, held)]);
    let (bot, terminal) = answered(&tester, "y\n").await;
    let question = "The default model, qwen3-0.6b:q4_k_m, has 396.71 MB. Fetch it now? [Y/n]";
    assert!(terminal.shown().contains(question), "{}", terminal.shown());
    eventually("it is fetched", async || (tester.hub.ranges().len() == 2).then_some(())).await;
    bot.comes_to_speak_with("Markov").await;
    go_on.send_replace(true);
    bot.comes_to_speak_with("qwen3-0.6b-q4_k_m").await;
    assert!(fs::read(tester.folder().file(&label("qwen3-0.6b"))).unwrap() == tester.bytes);
    bot.stop().await;
}

#[tokio::test]
async fn a_no_is_remembered() {
    let tester = Tester::new().await;
    let (bot, terminal) = answered(&tester, "n\n").await;
    eventually("it says how to fetch it later", async || terminal.shown().contains("model pull").then_some(())).await;
    bot.stop().await;
    let mut command = tester.program(["run"]);
    let terminal = Terminal::of(&mut command);
    let bot = Bot::start(command).await;
    bot.comes_to_speak_with("Markov").await;
    assert!(!terminal.shown().contains("[Y/n]"), "{}", terminal.shown());
    assert!(tester.hub.seen().is_empty());
    bot.stop().await;
}

#[tokio::test]
async fn a_pull_that_fails_leaves_the_bot_alone() {
    let tester = Tester::new().await;
    let (bot, terminal) = answered(&tester, "\n").await;
    let failed = "qwen3-0.6b:q4_k_m could not be fetched, so Markov chains speak";
    eventually("it says why not", async || terminal.shown().contains(failed).then_some(())).await;
    bot.comes_to_speak_with("Markov").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_name_that_means_nothing_stops_the_start() {
    let tester = Tester::new().await;
    let config = tester.data().with_extension("toml");
    fs::write(&config, "[model]\nname = \"gpt-6\"\n").unwrap();
    let (success, _, stderr) = tester.run(&["run", "--config", text(&config)]).await;
    let part = "in the configuration: model.name: there is no model \"gpt-6\" in the catalogue";
    assert!(!success && stderr.contains(part), "{stderr}");
}
