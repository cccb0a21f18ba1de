//! How fast exports are read, and in how much memory.
//!
//! `cargo bench -p corpus` writes a file of about 100 MB of each format to a temporary folder and reads it, from the page
//! cache, in a process of its own. The growth of memory is the high-water mark of that process while it reads, less what
//! it had before. Pass files of your own to read those instead: `cargo bench -p corpus -- FILE..`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench measures time, and stops at any fault")]

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use chrono::{DateTime, Utc};
use corpus::import::{Item, Options, open};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FILE_BYTES: u64 = 100_000_000;

const WORDS: [&str; 16] = [
    "soup", "tonight", "again?", "no", "the", "lantern", "is", "broken", "who", "said", "that", "naïve", "ok", "then",
    "later", "🍲",
];
const NAMES: [&str; 5] = ["Mira", "Ivo", "Zed", "Tove", "Anselm"];

fn main() {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).filter(|a| a != "--bench").map(PathBuf::from).collect();
    if files.is_empty() {
        println!("{:<36} {:>7} {:>8} {:>12} {:>9} {:>10}", "format", "MB", "MB/s", "messages/s", "dropped", "memory");
        let folder = tempfile::tempdir().unwrap();
        for write in [telegram, discord, whatsapp, irc, csv, jsonl] {
            let path = folder.path().join("2006-03-05.export");
            write(&mut Export::create(&path));
            let status = Command::new(std::env::current_exe().unwrap()).arg(&path).status().unwrap();
            assert!(status.success(), "the reading of {} failed", path.display());
        }
    }
    files.iter().for_each(|path| measure(path));
}

fn measure(path: &Path) {
    let before = reset_peak_memory();
    let begin = Instant::now();
    let import = open(path, &Options::default()).unwrap();
    let (format, bytes) = (import.format(), import.total_bytes());
    let (mut messages, mut dropped) = (0_u64, 0_u64);
    for item in import {
        match item.unwrap() {
            Item::Chat(_) => {}
            Item::Message(_) => messages += 1,
            Item::Dropped { .. } => dropped += 1,
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let memory = peak_memory().zip(before).map_or("?".to_owned(), |(peak, before)| format!("{} KiB", peak - before));
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{:<36} {megabytes:>7.1} {:>8.0} {:>12.0} {dropped:>9} {memory:>10}",
        format.to_string(),
        megabytes / seconds,
        messages as f64 / seconds
    );
}

/// Forgets the high-water mark of memory so far; what is in use now, in KiB. None where the system is not Linux.
fn reset_peak_memory() -> Option<u64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    peak_memory()
}

fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().strip_suffix(" kB")?.parse().ok()
}

/// A file that fills with messages.
struct Export {
    output: BufWriter<File>,
    written: u64,
    rng: ChaCha8Rng,
    number: i64,
}

/// What is said next.
struct Said {
    number: i64,
    at: DateTime<Utc>,
    author: usize,
    name: &'static str,
    text: String,
}

impl Export {
    fn create(path: &Path) -> Self {
        let output = BufWriter::new(File::create(path).unwrap());
        Export { output, written: 0, rng: ChaCha8Rng::seed_from_u64(1), number: 0 }
    }

    fn put(&mut self, text: &str) {
        self.output.write_all(text.as_bytes()).unwrap();
        self.written += text.len() as u64;
    }

    fn next(&mut self) -> Said {
        self.number += 1;
        let author = self.rng.random_range(0..NAMES.len());
        let words = self.rng.random_range(1..20);
        let words: Vec<_> = (0..words).map(|_| WORDS[self.rng.random_range(0..WORDS.len())]).collect();
        let at = DateTime::from_timestamp(1_141_516_800 + self.number * 7, 0).unwrap();
        Said { number: self.number, at, author, name: NAMES[author], text: words.join(" ") }
    }

    /// Writes rows until the file is full, with `separator` between them.
    fn fill(&mut self, separator: &str, row: impl Fn(&Said) -> String) {
        while self.written < FILE_BYTES {
            let said = self.next();
            if said.number > 1 {
                self.put(separator);
            }
            self.put(&row(&said));
        }
    }
}

fn telegram(export: &mut Export) {
    export.put("{\n \"name\": \"Lantern Club\",\n \"type\": \"private_supergroup\",\n \"id\": 1,\n \"messages\": [\n");
    export.fill(",\n", |Said { number, at, author, name, text }| {
        format!(
            "  {{\n   \"id\": {number},\n   \"type\": \"message\",\n   \"date\": \"{}\",\n   \"date_unixtime\": \"{}\",\n   \
             \"from\": \"{name}\",\n   \"from_id\": \"user{author}\",\n   \"text\": \"{text}\",\n   \"text_entities\": [\n    \
             {{\n     \"type\": \"plain\",\n     \"text\": \"{text}\"\n    }}\n   ]\n  }}",
            at.format("%Y-%m-%dT%H:%M:%S"),
            at.timestamp()
        )
    });
    export.put("\n ]\n}\n");
    export.output.flush().unwrap();
}

fn discord(export: &mut Export) {
    export.put("{\n  \"guild\": {\"id\": \"1\", \"name\": \"L\"},\n  \"channel\": {\"id\": \"2\", \"name\": \"k\"},\n");
    export.put("  \"messages\": [\n");
    export.fill(",\n", |Said { number, at, author, name, text }| {
        format!(
            "    {{\n      \"id\": \"{number}\",\n      \"type\": \"Default\",\n      \"timestamp\": \"{}\",\n      \
             \"timestampEdited\": null,\n      \"callEndedTimestamp\": null,\n      \"isPinned\": false,\n      \
             \"content\": \"{text}\",\n      \"author\": {{\n        \"id\": \"{author}\",\n        \"name\": \"{name}\",\n        \
             \"discriminator\": \"0000\",\n        \"nickname\": \"{name}\",\n        \"color\": null,\n        \
             \"isBot\": false,\n        \"roles\": [],\n        \"avatarUrl\": \"https://example.org/{author}.png\"\n      }},\n      \
             \"attachments\": [],\n      \"embeds\": [],\n      \"stickers\": [],\n      \"reactions\": [],\n      \
             \"mentions\": []\n    }}",
            at.to_rfc3339()
        )
    });
    export.put("\n  ]\n}\n");
    export.output.flush().unwrap();
}

fn whatsapp(export: &mut Export) {
    export.fill("", |Said { at, name, text, .. }| format!("{} - {name}: {text}\n", at.format("%d/%m/%Y, %H:%M")));
    export.output.flush().unwrap();
}

fn irc(export: &mut Export) {
    export.fill("", |Said { at, name, text, .. }| format!("[{}] <{name}> {text}\n", at.format("%H:%M")));
    export.output.flush().unwrap();
}

fn csv(export: &mut Export) {
    export.put("timestamp,author,text\n");
    export.fill("", |Said { at, name, text, .. }| format!("{},{name},\"{text}\"\n", at.to_rfc3339()));
    export.output.flush().unwrap();
}

fn jsonl(export: &mut Export) {
    export.fill("", |Said { at, name, text, .. }| {
        format!("{{\"time\": {}, \"author\": \"{name}\", \"text\": \"{text}\"}}\n", at.timestamp())
    });
    export.output.flush().unwrap();
}
