//! A process that learns a step whenever it is told to, and how much memory it took.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{Result, Wanted, files::Files, settings::Setting};

/// How long a participant may take to load, and for a step.
const PATIENCE: Duration = Duration::from_secs(600);

/// What came of a step.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Turn {
    /// The loss before it.
    pub loss: f64,
    /// How long it took.
    pub seconds: f64,
}

/// A process that learns.
pub struct Participant {
    /// What it is called in tables.
    pub name: String,
    child: Child,
    told: ChildStdin,
    turns: Receiver<String>,
    /// The peak of its memory when all was loaded, in bytes.
    loaded: u64,
}

impl Participant {
    pub fn ours(files: &Files, wanted: &Wanted) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("learn").args([&files.folder, &files.base]);
        command.args([wanted.rows, wanted.batch_tokens.unwrap_or(0)].map(|number| number.to_string()));
        Self::start("ours".to_owned(), command)
    }

    pub fn peft(python: &Path, files: &Files, setting: &Setting, rows: usize) -> Result<Self> {
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peft/bench.py")).arg(&files.folder);
        command.args(setting.arguments()).arg(rows.to_string()).env("HF_HUB_OFFLINE", "1");
        Self::start(format!("peft, {setting}"), command)
    }

    fn start(name: String, mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (told, says) = child.stdin.take().zip(child.stdout.take()).ok_or("a child has the pipes it was given")?;
        // One line answers one that it was told, so there is never more than one on its way.
        let (sender, turns) = sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(says).lines().map_while(std::result::Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut participant = Self { name, child, told, turns, loaded: 0 };
        participant.answer(PATIENCE)?.ok_or_else(|| format!("{} did not load in time", participant.name))?;
        participant.loaded = participant.peak();
        Ok(participant)
    }

    /// Has it do a step.
    pub fn turn(&mut self) -> Result<Turn> {
        self.turn_within(PATIENCE)?.ok_or_else(|| format!("{} was not done in time", self.name).into())
    }

    /// Has it do a step; none where that takes longer than `time`.
    pub fn turn_within(&mut self, time: Duration) -> Result<Option<Turn>> {
        writeln!(self.told, "go")?;
        self.answer(time)
    }

    fn answer(&self, time: Duration) -> Result<Option<Turn>> {
        match self.turns.recv_timeout(time) {
            Ok(line) => Ok(Some(serde_json::from_str(&line)?)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(format!("{} ended; what it said is above", self.name).into()),
        }
    }

    /// The most memory that it ever had, in bytes.
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
    }

    /// The most memory that it had until it began to learn, in bytes.
    pub fn peak_of_loading(&self) -> u64 {
        self.loaded
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("{} could not be ended: {error}", self.name);
        }
    }
}
