//! OpenAI's own clients, for Python and for Node, ask a runner: what they send and read was written by nobody here.
//!
//! `scripts/setup.sh test` installs them beside this file. Where they are missing, a test says so and checks nothing.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod served;

use std::path::Path;

use model_runner::testing::TinyModel;
use served::Served;
use tokio::process::Command;

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
const KEY: &str = "a key of the tests";

/// A runner whose queue is easily full, with a key.
async fn served() -> Served {
    Served::with(TinyModel::default(), |options| {
        options.parallel = 1;
        options.queue = 1;
        options.api_key = Some(KEY.into());
    })
    .await
}

/// Runs a program that asks the runner, and fails with all that it printed where a check of it failed.
async fn check(mut program: Command) {
    let served = served().await;
    let program = program.env("OPENAI_BASE_URL", served.url("/v1")).env("OPENAI_API_KEY", KEY).kill_on_drop(true);
    let output = program.output().await.unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}\n{errors}");
    println!("{printed}");
}

/// Says that nothing is checked; past the harness, which shows what tests print only where they fail.
#[expect(clippy::explicit_write, reason = "what eprintln writes is kept back by the harness")]
fn skip(what: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "SKIPPED: {what}; scripts/setup.sh test installs it").unwrap();
}

async fn runs(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output().await;
    output.is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn the_client_for_python() {
    let packages = Path::new(CLIENTS).join("python_modules");
    if !runs("python3", &["--version"]).await || !packages.join("openai").is_dir() {
        return skip("the runner is not asked by OpenAI's client for Python: python3 or the client is not here");
    }
    let mut python = Command::new("python3");
    python.arg("client.py").current_dir(CLIENTS).env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    check(python).await;
}

#[tokio::test]
async fn the_client_for_node() {
    if !runs("node", &["--version"]).await || !Path::new(CLIENTS).join("node_modules/openai").is_dir() {
        return skip("the runner is not asked by OpenAI's client for Node: node or the client is not here");
    }
    let mut node = Command::new("node");
    node.arg("client.mjs").current_dir(CLIENTS);
    check(node).await;
}
