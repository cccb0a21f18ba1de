//! Starts the real program on a file and sees how that ends.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use model_runner::{EXIT_BAD_MODEL, LISTENING_ON};

/// Far more than a tiny model takes to load, on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts the program on the bytes of a file. Says what went wrong where it neither answers a request nor ends with the
/// right code and one sentence.
pub fn judge(folder: &Path, name: &str, bytes: &[u8]) -> Result<Verdict, String> {
    let file = folder.join(format!("{name}.gguf"));
    fs::write(&file, bytes).unwrap();
    let mut child = start(&file);
    let verdict = answer_or_end(&mut child).and_then(|ended| match ended {
        None => Ok(Verdict::Answered),
        Some(status) => check_refusal(&mut child, status).map(Verdict::Refused),
    });
    // It has ended already where it refused.
    drop(child.kill());
    child.wait().unwrap();
    verdict
}

/// The two ends that are right.
pub enum Verdict {
    /// It answered a request and lives.
    Answered,
    /// It ended with a sentence.
    Refused(String),
}

fn start(model: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_model-runner"))
        .args(["--listen", "127.0.0.1:0", "--threads", "1", "--context", "64", "--log", "error", "--model"])
        .arg(model)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// None where it answered and lives, else how it ended.
fn answer_or_end(child: &mut Child) -> Result<Option<ExitStatus>, String> {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let Some(address) = line.trim().strip_prefix(LISTENING_ON) else { return Ok(Some(child.wait().unwrap())) };
    let since = Instant::now();
    while get(address, "/health").is_none_or(|answer| !answer.starts_with("HTTP/1.1 200")) {
        if let Some(ended) = child.try_wait().unwrap() {
            return Ok(Some(ended));
        }
        if since.elapsed() > PATIENCE {
            return Err("it neither becomes healthy nor ends".to_owned());
        }
    }
    let answer = ask(address).unwrap_or_default();
    let alive = get(address, "/health").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
    match child.try_wait().unwrap() {
        None if alive && (answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 400")) => Ok(None),
        status => Err(format!("healthy, but its answer is {answer:?}; {status:?} {}", stderr(child, status.is_some()))),
    }
}

fn get(address: &str, path: &str) -> Option<String> {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"))
}

fn ask(address: &str) -> Option<String> {
    let body = r#"{"messages":[{"role":"user","content":"hello there, you"}],"max_tokens":8,"seed":1}"#;
    exchange(
        address,
        &format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

/// None where the program is gone.
fn exchange(address: &str, request: &str) -> Option<String> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn check_refusal(child: &mut Child, status: ExitStatus) -> Result<String, String> {
    let stderr = stderr(child, true);
    let sentence = stderr.trim_end();
    let is_one_sentence = sentence.starts_with("cannot use ") && !sentence.contains('\n');
    if status.code() == Some(i32::from(EXIT_BAD_MODEL)) && is_one_sentence {
        Ok(sentence.to_owned())
    } else {
        Err(format!("{status}, and on stderr: {stderr}"))
    }
}

fn stderr(child: &mut Child, ended: bool) -> String {
    let mut text = Vec::new();
    if ended {
        child.stderr.take().unwrap().read_to_end(&mut text).unwrap();
    }
    String::from_utf8_lossy(&text).into_owned()
}
