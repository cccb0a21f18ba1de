//! The program `model-runner`: what it prints, how it ends.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use expect_test::{Expect, expect};
use model_runner::{EXIT_BAD_MODEL, LISTENING_ON, testing::TinyModel};
use rustix::process::{Pid, Signal, kill_process};

fn start(model: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_model-runner"))
        .args(["--listen", "127.0.0.1:0", "--threads", "1", "--context", "256", "--model"])
        .arg(model)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn tiny(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("tiny.gguf");
    TinyModel::default().write(&path).unwrap();
    path
}

/// Reads the line with the address.
fn address(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().strip_prefix(LISTENING_ON).unwrap().to_owned()
}

fn get_health(address: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn it_prints_its_address_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(&tiny(folder.path()), &[]);
    let address = address(&mut child);
    while !get_health(&address).starts_with("HTTP/1.1 200") {}
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn it_ends_with_its_parent_where_it_watches() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(&tiny(folder.path()), &["--parent-watch"]);
    address(&mut child);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

fn check_refused(model: &Path, expected: Expect) {
    let output = start(model, &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(EXIT_BAD_MODEL)));
    let folder = model.parent().unwrap().display().to_string();
    expected.assert_eq(String::from_utf8(output.stderr).unwrap().replace(&folder, "FOLDER").trim_end());
}

#[test]
fn a_file_that_is_no_model_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.gguf");
    check_refused(
        &file,
        expect![
            "cannot use FOLDER/bad.gguf as a model: it cannot be read (No such file or directory (os error 2)); give the path of a GGUF file that this user may read"
        ],
    );

    fs::write(&file, "<html>404</html>").unwrap();
    check_refused(
        &file,
        expect![[
            r#"cannot use FOLDER/bad.gguf as a model: it is not a GGUF file: it begins with "<htm" where GGUF belongs; give a model in GGUF format (*.gguf)"#
        ]],
    );

    let whole = TinyModel::default().to_bytes();
    fs::write(&file, &whole[..whole.len() - 1000]).unwrap();
    check_refused(
        &file,
        expect![
            "cannot use FOLDER/bad.gguf as a model: it is cut off: the tensor blk.1.ffn_down.weight would end at byte 448992 and the file has 447992; fetch it again"
        ],
    );

    fs::write(&file, TinyModel { architecture: "babel".to_owned(), ..TinyModel::default() }.to_bytes()).unwrap();
    check_refused(
        &file,
        expect![
            "cannot use FOLDER/bad.gguf as a model: llama.cpp does not take it (llama_model_load: error loading model: unknown model architecture: 'babel'); give a model that this version of llama.cpp supports"
        ],
    );
}
