//! The folder of a dataset: written whole or not at all, and never in the place of something that is not a dataset.
//!
//! What is being written stands in a hidden folder beside it, which is renamed at the end. Files are for their owner alone,
//! since they hold what friends wrote.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use chat::CommunityId;
use serde::Serialize;
use serde_json::json;

use super::{Dataset, Report, Row, Split};

const CHATML: &str = "chatml";
const SHAREGPT: &str = "sharegpt";
const REPORT: &str = "report.json";
const DATASET_INFO: &str = "dataset_info.json";
const BUFFER: usize = 1 << 20;

/// The rows of a split, one [`Row`] as JSON a line.
pub fn chatml_file(folder: &Path, split: Split) -> PathBuf {
    folder.join(CHATML).join(file_name(split))
}

fn file_name(split: Split) -> String {
    format!("{split}.jsonl")
}

/// What may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// A dataset of the same community.
    Same,
    /// A dataset of any community.
    AnyDataset,
}

/// Why a dataset could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is something else.
    #[error("{folder} holds {what}, which is no part of a dataset, so it is left alone; name another folder with --out", folder = folder.display())]
    NotOurs {
        /// Where.
        folder: PathBuf,
        /// What, by name.
        what: String,
    },
    /// There is the dataset of another community.
    #[error("{folder} holds the dataset of \"{title}\"; --force replaces it, --out names another folder", folder = folder.display())]
    OtherCommunity {
        /// Where.
        folder: PathBuf,
        /// Whose.
        title: String,
    },
    /// The system refused.
    #[error("cannot write {path}; name a folder that can be written with --out", path = path.display())]
    Io {
        /// What was written, made or renamed.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Dataset {
    /// Whether the dataset may be written to a folder, which can be asked before it is made.
    ///
    /// # Errors
    /// [`FolderError`] where there is something that may not be replaced.
    pub fn may_replace(folder: &Path, community: CommunityId, replace: Replace) -> Result<(), FolderError> {
        if let Some(what) = stranger(folder, &layout()).map_err(at(folder))? {
            return Err(FolderError::NotOurs { folder: folder.to_owned(), what });
        }
        match read_report(folder).map_err(at(folder))? {
            Some(report) if report.community.id != community && replace == Replace::Same => {
                Err(FolderError::OtherCommunity { folder: folder.to_owned(), title: report.community.title })
            }
            _ => Ok(()),
        }
    }

    /// Writes the dataset to a folder that does not exist, is empty or holds a dataset. What an earlier attempt left
    /// unfinished is removed. Two must not write to one folder at a time.
    ///
    /// # Errors
    /// [`FolderError`]; the folder is then as it was.
    pub fn write(&self, folder: &Path, replace: Replace) -> Result<(), FolderError> {
        Self::may_replace(folder, self.report.community.id, replace)?;
        remove_leftovers(folder).map_err(at(folder))?;
        let unfinished = unfinished(folder);
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        self.write_files(&unfinished)?;
        let replaced = replaced(folder);
        if folder.exists() {
            fs::rename(folder, &replaced).map_err(at(&replaced))?;
        }
        fs::rename(&unfinished, folder).map_err(at(folder))?;
        remove(&replaced).map_err(at(&replaced))
    }

    fn write_files(&self, folder: &Path) -> Result<(), FolderError> {
        for part in [folder, &folder.join(CHATML), &folder.join(SHAREGPT)] {
            DirBuilder::new().mode(0o700).create(part).map_err(at(part))?;
        }
        let mut chatml = Files::create(&folder.join(CHATML))?;
        let mut sharegpt = Files::create(&folder.join(SHAREGPT))?;
        for (split, rows) in self.rows() {
            for row in &rows {
                chatml.line(split, row)?;
                sharegpt.line(split, &Conversation::of(row))?;
            }
        }
        chatml.finish()?;
        sharegpt.finish()?;
        write_json(&folder.join(SHAREGPT).join(DATASET_INFO), &self.dataset_info())?;
        // The report is what makes a folder a dataset, so it comes last.
        write_json(&folder.join(REPORT), &self.report)
    }

    /// What LLaMA-Factory wants to be told of the files beside it. It does not take a file without rows.
    fn dataset_info(&self) -> serde_json::Value {
        let has_rows = |split: &Split| self.report.rows.get(split).is_some_and(|rows| rows.reply > 0);
        let entries = Split::ALL.into_iter().filter(has_rows).map(|split| {
            let columns = json!({"messages": "conversations"});
            let entry = json!({"file_name": file_name(split), "formatting": "sharegpt", "columns": columns});
            (format!("groupchat_{split}"), entry)
        });
        serde_json::Value::Object(entries.collect())
    }
}

/// The report of the dataset in a folder; none where there is no dataset.
///
/// # Errors
/// Where there is a report that cannot be read.
pub fn read_report(folder: &Path) -> io::Result<Option<Report>> {
    match fs::read(folder.join(REPORT)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a dataset. Files that are not its own stay, and so do the folders that hold them.
///
/// # Errors
/// Where something of it cannot be removed.
pub fn remove(folder: &Path) -> io::Result<()> {
    for file in layout() {
        ignoring_missing(fs::remove_file(folder.join(file)))?;
    }
    for part in [folder.join(CHATML), folder.join(SHAREGPT), folder.to_owned()] {
        match fs::remove_dir(&part) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => ignoring_missing(removed)?,
        }
    }
    Ok(())
}

/// Removes what a process that was killed while it wrote to a folder has left beside it.
///
/// # Errors
/// Where something of it cannot be removed.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    remove(&unfinished(folder))?;
    remove(&replaced(folder))
}

fn ignoring_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        result => result,
    }
}

/// Where a dataset is written before it is whole.
fn unfinished(folder: &Path) -> PathBuf {
    beside(folder, "unfinished")
}

/// Where the one before it goes meanwhile.
fn replaced(folder: &Path) -> PathBuf {
    beside(folder, "replaced")
}

fn beside(folder: &Path, what: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{what}"))
}

/// All files of a dataset.
fn layout() -> Vec<PathBuf> {
    let rows =
        [CHATML, SHAREGPT].into_iter().flat_map(|part| Split::ALL.map(|split| Path::new(part).join(file_name(split))));
    rows.chain([Path::new(SHAREGPT).join(DATASET_INFO), PathBuf::from(REPORT)]).collect()
}

/// Something in a folder that is no file of a dataset, by its name.
fn stranger(folder: &Path, layout: &[PathBuf]) -> io::Result<Option<String>> {
    stranger_in(folder, Path::new(""), layout)
}

fn stranger_in(folder: &Path, part: &Path, layout: &[PathBuf]) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder.join(part)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Some("a file".to_owned())),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let place = part.join(entry.file_name());
        let is_part = part == Path::new("") && [CHATML, SHAREGPT].iter().any(|name| place == Path::new(name));
        let found = match entry.file_type()?.is_dir() {
            true if is_part => stranger_in(folder, &place, layout)?,
            false if layout.contains(&place) => None,
            _ => Some(format!("\"{}\"", place.display())),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A row in the form that LLaMA-Factory calls sharegpt.
#[derive(Serialize)]
struct Conversation<'r> {
    conversations: [Part<'r>; 2],
}

#[derive(Serialize)]
struct Part<'r> {
    from: &'static str,
    value: &'r str,
}

impl<'r> Conversation<'r> {
    fn of(row: &'r Row) -> Self {
        Self { conversations: [Part { from: "human", value: &row.prompt }, Part { from: "gpt", value: &row.answer }] }
    }
}

/// The files of a format, one a split.
struct Files {
    files: [(PathBuf, BufWriter<File>); Split::ALL.len()],
}

impl Files {
    fn create(folder: &Path) -> Result<Self, FolderError> {
        let mut files = Vec::with_capacity(Split::ALL.len());
        for split in Split::ALL {
            let path = folder.join(file_name(split));
            let file = create(&path)?;
            files.push((path, BufWriter::with_capacity(BUFFER, file)));
        }
        let files = files.try_into().map_err(|_| ()).expect("there is one file for each split");
        Ok(Self { files })
    }

    fn line(&mut self, split: Split, value: &impl Serialize) -> Result<(), FolderError> {
        let (path, file) = &mut self.files[split as usize];
        let written =
            serde_json::to_writer(&mut *file, value).map_err(io::Error::from).and_then(|()| file.write_all(b"\n"));
        written.map_err(at(path))
    }

    fn finish(self) -> Result<(), FolderError> {
        for (path, mut file) in self.files {
            file.flush().and_then(|()| file.get_ref().sync_all()).map_err(at(&path))?;
        }
        Ok(())
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from).map_err(at(path))?;
    let mut file = create(path)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all())
        .map_err(at(path))
}

fn create(path: &Path) -> Result<File, FolderError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { path, source }
}
