//! Real logs, where the machine has them.

use std::{fs, path::PathBuf};

use super::{sample::read, *};

#[test]
fn a_real_channel() {
    let Some(folder) = shared_folder() else {
        println!("skipped: GROUPCHAT_SHARED does not say where real logs are");
        return;
    };
    let files = fs::read_dir(folder.join("data/ubuntu-irc")).unwrap().map(|file| file.unwrap().path());
    let mut logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    // A log a room, so that the numbers of its authors are its own.
    let mut all = Messages::default();
    for path in logs {
        let (messages, members) = read(&path, RoomId(1));
        let dataset = make_of(&messages, &members, FromApi::Nothing, Options::default());
        add_up(&dataset);
        let report = dataset.report();
        assert!(report.windows * 2 > report.messages.read, "most messages are answers: {report}");
        assert!(
            dataset.rows().all(|(_, pair)| pair.iter().all(|row| !row.answer.is_empty() && !row.answer.contains('\n')))
        );
        all.read += report.messages.read;
        for (kind, replaced) in &report.replaced {
            println!("{}: {} {kind} {:?}", path.display(), replaced.count, replaced.previews);
        }
        for (rule, count) in &report.messages.window_only {
            *all.window_only.entry(*rule).or_default() += count;
        }
    }
    println!("{all:?}");
}

#[expect(clippy::disallowed_methods, reason = "only this test wants it")]
fn shared_folder() -> Option<PathBuf> {
    std::env::var_os("GROUPCHAT_SHARED").map(PathBuf::from)
}
