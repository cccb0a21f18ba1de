//! From an export to the history: a reader on a thread of its own, batches through a bounded channel, one report at the
//! end. Importing the same file again, or after an interruption, stores nothing twice.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use chat::{Author, CommunityId, MemberId, MemberKey, MessageKey, Origin, Platform, Provenance, RoomId};
use chrono::{DateTime, Utc};
use corpus::import::{
    self, ChatHeader, DropReason, Fault, Format, ImportError, ImportedAuthor, ImportedMessage, Item, Options,
};
use store::{NewCommunity, NewMember, NewMessage, NewReaction, NewRoom, Room, Store, Unnumbered};
use tokio::sync::mpsc;

/// How many messages are stored at once.
const BATCH: usize = 2_000;
/// How many batches may wait for the database while the reader goes on.
const BATCHES_AHEAD: usize = 4;

/// Where an import goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// Each chat of the file to the community and room that the file names, so that it joins the live one.
    AsNamed,
    /// Every chat of the file to this community on the web page, each to a room of its own.
    Web {
        /// The community's id.
        community: String,
        /// What it is called; none for the chat's title.
        title: Option<String>,
    },
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Report {
    /// The format, once it was recognised.
    pub format: Option<Format>,
    /// Rows that the file has.
    pub read: u64,
    /// Messages that are new to the history.
    pub stored: u64,
    /// Messages that were in the history already.
    pub known: u64,
    /// Messages of members who asked to be forgotten; they were not stored.
    pub forgotten: u64,
    /// Messages of a forum of which the file does not tell the topic. They count as said in the group itself.
    pub without_topic: u64,
    /// Rows that are not messages to keep, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// The communities that got something.
    pub communities: Vec<CommunityId>,
    /// What ended the import before the end of the file. Everything before it is stored.
    pub fault: Option<ImportError>,
}

impl Report {
    /// Adds what became of another file. The format is then that of the last one.
    pub fn add(&mut self, other: Report) {
        self.format = other.format;
        self.read += other.read;
        self.stored += other.stored;
        self.known += other.known;
        self.forgotten += other.forgotten;
        self.without_topic += other.without_topic;
        for (reason, count) in other.dropped {
            *self.dropped.entry(reason).or_default() += count;
        }
        self.communities.extend(other.communities);
        self.fault = other.fault.or(self.fault.take());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(format) = self.format {
            writeln!(f, "format: {format}")?;
        }
        writeln!(f, "rows read: {}", self.read)?;
        writeln!(f, "messages stored: {}", self.stored)?;
        let counted = [(self.known, "were stored before"), (self.forgotten, "by members who asked to be forgotten")];
        for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "not stored: {count} {what}")?;
        }
        if self.without_topic > 0 {
            writeln!(f, "in the group itself: {} of which the export does not tell the topic", self.without_topic)?;
        }
        for (reason, count) in &self.dropped {
            writeln!(f, "dropped: {count} {reason}")?;
        }
        if let Some(fault) = &self.fault {
            writeln!(f, "ended early: {fault}")?;
            writeln!(f, "What comes before that place is stored ({} messages).", self.stored + self.known)?;
        }
        Ok(())
    }
}

/// How far an import is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Bytes of the file that were read.
    pub bytes: u64,
    /// Bytes of the file in all.
    pub total: u64,
}

/// What the reader hands over at a time.
#[derive(Default)]
struct Batch {
    rows: usize,
    parts: Vec<Part>,
    dropped: Vec<DropReason>,
    bytes: u64,
    fault: Option<ImportError>,
}

/// The messages of one chat in a batch.
struct Part {
    chat: ChatHeader,
    messages: Vec<ImportedMessage>,
}

impl Batch {
    /// The part of a chat, which may have been left in between: the topics of a forum alternate.
    fn part(&mut self, chat: &ChatHeader) -> &mut Part {
        let known = self.parts.iter().position(|part| part.chat.external_id == chat.external_id);
        let place = known.unwrap_or_else(|| {
            self.parts.push(Part { chat: chat.clone(), messages: Vec::new() });
            self.parts.len() - 1
        });
        &mut self.parts[place]
    }
}

/// Imports a file.
///
/// # Errors
/// Where the file is of no known format (nothing was stored then), or the database fails. A fault within the file is no
/// error of this call: it stands in the report, beside what was stored.
pub async fn file(
    store: &Store,
    path: &Path,
    options: &Options,
    target: &Target,
    mut progress: impl FnMut(Progress),
) -> anyhow::Result<Report> {
    let (batches, mut received) = mpsc::channel(BATCHES_AHEAD);
    let (path, options) = (path.to_owned(), options.clone());
    let opened = tokio::task::spawn_blocking(move || import::open(&path, &options)).await??;
    let (format, total) = (opened.format(), opened.total_bytes());
    let reader = tokio::task::spawn_blocking(move || read(opened, &batches));
    let mut writer =
        Writer { store, target, report: Report::default(), rooms: HashMap::new(), members: HashMap::new() };
    writer.report.format = Some(format);
    while let Some(batch) = received.recv().await {
        progress(Progress { bytes: batch.bytes, total });
        writer.write(batch).await?;
    }
    reader.await.context("reading the file was interrupted")?;
    Ok(writer.report)
}

/// Reads on until the file or the receiver ends.
fn read(mut opened: import::Import, batches: &mpsc::Sender<Batch>) {
    let (mut batch, mut chat) = (Batch::default(), None);
    loop {
        let item = opened.next();
        if batch.rows >= BATCH || matches!(item, None | Some(Err(_))) {
            batch.bytes = opened.bytes_read();
            let full = std::mem::take(&mut batch);
            // Where nobody receives any more the import was given up, and so is the reading.
            if batches.blocking_send(full).is_err() {
                return;
            }
        }
        match item {
            None => return,
            Some(Err(fault)) => {
                let last = Batch { fault: Some(fault), bytes: opened.bytes_read(), ..Batch::default() };
                return drop(batches.blocking_send(last));
            }
            Some(Ok(Item::Chat(header))) => {
                batch.part(&header);
                chat = Some(header);
            }
            Some(Ok(Item::Message(message))) => {
                let chat = chat.as_ref().expect("every format names a chat before its messages");
                batch.part(chat).messages.push(message);
                batch.rows += 1;
            }
            Some(Ok(Item::Dropped { reason, .. })) => {
                batch.dropped.push(reason);
                batch.rows += 1;
            }
        }
    }
}

/// A room with its community.
#[derive(Debug, Clone, Copy)]
struct Destination {
    community: CommunityId,
    room: RoomId,
    /// Whether messages have ids over all rooms of the community, so that one may be in another room.
    has_topics: bool,
}

struct Writer<'a> {
    store: &'a Store,
    target: &'a Target,
    report: Report,
    rooms: HashMap<String, Destination>,
    members: HashMap<(CommunityId, MemberKey), (MemberId, String)>,
}

impl Writer<'_> {
    async fn write(&mut self, batch: Batch) -> anyhow::Result<()> {
        self.report.read += batch.rows as u64;
        for reason in batch.dropped {
            *self.report.dropped.entry(reason).or_default() += 1;
        }
        for Part { chat, messages } in &batch.parts {
            let destination = self.destination(chat).await?;
            if !messages.is_empty() {
                self.store_messages(destination, messages).await?;
            }
        }
        self.report.fault = batch.fault;
        Ok(())
    }

    async fn store_messages(&mut self, at: Destination, messages: &[ImportedMessage]) -> anyhow::Result<()> {
        self.learn_members(at.community, messages).await?;
        let rows: Vec<NewMessage<'_>> = messages
            .iter()
            .map(|message| NewMessage {
                key: message.key,
                author: Author::Member(self.member(at.community, &message.author)),
                author_name: &message.author.name,
                sent_at: message.sent_at,
                text: &message.text,
                origin: Origin::Imported,
                provenance: Provenance::Export,
                reply_to: message.reply_to,
                edited_at: message.edited_at,
                nonce: None,
            })
            .collect();
        let heard = self.heard_live(at, messages).await?;
        let without_topic = messages.iter().filter(|message| message.topic_is_unknown && !heard.contains(&message.key));
        self.report.without_topic += without_topic.count() as u64;
        let rows: Vec<NewMessage<'_>> = rows.into_iter().filter(|row| !heard.contains(&row.key)).collect();
        let outcome = self.store.record_batch(at.room, &rows).await?;
        self.report.stored += outcome.stored;
        self.report.known += outcome.known + heard.len() as u64;
        self.report.forgotten += outcome.forgotten;
        let reactions: Vec<NewReaction<'_>> = messages
            .iter()
            .filter(|message| !heard.contains(&message.key))
            .flat_map(|message| message.reactions.iter().map(move |reaction| (message.key, reaction)))
            .map(|(key, reaction)| NewReaction {
                key,
                emoji: &reaction.emoji,
                by: reaction.by.as_ref().map(|author| self.member(at.community, author)),
                count: reaction.count,
            })
            .collect();
        self.store.react_batch(at.room, &reactions).await?;
        Ok(())
    }

    /// The keys of messages that the history has under other keys, where the chat's ids count for one account only, or in
    /// other rooms, where they count for the whole community.
    async fn heard_live(&self, at: Destination, messages: &[ImportedMessage]) -> anyhow::Result<HashSet<MessageKey>> {
        let unnumbered = messages.iter().filter(|message| message.key.place().is_some());
        let rows: Vec<Unnumbered<'_>> = unnumbered
            .map(|message| Unnumbered {
                key: message.key,
                member: self.member(at.community, &message.author),
                text: &message.text,
                is_edited: message.edited_at.is_some(),
            })
            .collect();
        let mut heard = HashSet::new();
        if !rows.is_empty() {
            heard.extend(self.store.said_already(at.room, &rows).await?);
        }
        if at.has_topics {
            let keys: Vec<MessageKey> = messages.iter().map(|message| message.key).collect();
            heard.extend(self.store.known_elsewhere(at.room, &keys).await?);
        }
        Ok(heard)
    }

    /// Stores those authors that are new or have another name than before.
    async fn learn_members(&mut self, community: CommunityId, messages: &[ImportedMessage]) -> anyhow::Result<()> {
        let mut unknown: BTreeMap<(&MemberKey, &str), (&ImportedAuthor, DateTime<Utc>)> = BTreeMap::new();
        for message in messages {
            let reacting = message.reactions.iter().filter_map(|reaction| reaction.by.as_ref());
            for author in reacting.chain([&message.author]) {
                let known = self.members.get(&(community, author.key.clone()));
                if known.is_none_or(|(_, name)| *name != author.name) {
                    unknown.insert((&author.key, &author.name), (author, message.sent_at));
                }
            }
        }
        let mut by_time: Vec<_> = unknown.into_values().collect();
        by_time.sort_by_key(|(_, seen_at)| *seen_at);
        let rows: Vec<NewMember<'_>> = by_time
            .iter()
            .map(|(author, seen_at)| NewMember {
                community,
                key: &author.key,
                name: &author.name,
                is_bot: author.is_bot,
                avatar_url: author.avatar_url.as_deref(),
                seen_at: *seen_at,
            })
            .collect();
        let ids = self.store.members_batch(&rows).await?;
        for ((author, _), id) in by_time.iter().zip(ids) {
            self.members.insert((community, author.key.clone()), (id, author.name.clone()));
        }
        Ok(())
    }

    fn member(&self, community: CommunityId, author: &ImportedAuthor) -> MemberId {
        let known = self.members.get(&(community, author.key.clone()));
        known.expect("every author of a batch was learned before its messages").0
    }

    async fn destination(&mut self, chat: &ChatHeader) -> anyhow::Result<Destination> {
        if let Some(known) = self.rooms.get(&chat.external_id) {
            return Ok(*known);
        }
        let named = chat.community.as_ref().map_or((&chat.external_id, &chat.title), |c| (&c.external_id, &c.title));
        let (platform, external_id, title) = match self.target {
            Target::AsNamed => (chat.platform.unwrap_or(Platform::Archive), named.0.as_str(), named.1.as_str()),
            Target::Web { community, title } => {
                (Platform::Web, community.as_str(), title.as_deref().unwrap_or(named.1))
            }
        };
        let community = self.store.community(&NewCommunity { platform, external_id, title }).await?;
        let room =
            NewRoom { community: community.id, external_id: &chat.external_id, title: &chat.title, parent: None };
        let room = match chat.is_topic {
            true => self.topic(&room, named.0).await?,
            false => self.store.room(&room).await?,
        };
        let has_topics = platform == Platform::Telegram;
        let destination = Destination { community: community.id, room: room.id, has_topics };
        self.rooms.insert(chat.external_id.clone(), destination);
        if !self.report.communities.contains(&community.id) {
            self.report.communities.push(community.id);
        }
        tracing::info!(chat = %chat.external_id, room = %room.id, "importing a chat");
        Ok(destination)
    }
}

impl Writer<'_> {
    /// The room of a topic. An export has the name that it was created with, so a later one is left to it.
    async fn topic(&self, topic: &NewRoom<'_>, group: &str) -> store::Result<Room> {
        let group = NewRoom { external_id: group, title: "", ..*topic };
        let parent = Some(self.store.room(&group).await?.id);
        let known = self.store.room(&NewRoom { title: "", parent, ..*topic }).await?;
        match known.title.is_empty() {
            true => self.store.room(&NewRoom { parent, ..*topic }).await,
            false => Ok(known),
        }
    }
}

/// A file to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Whether somebody named it, rather than a folder that it lies in. What lies beside an export may be anything, so
    /// [`Source::may_be_skipped`] lets it pass.
    pub is_named: bool,
}

impl Source {
    /// What tells this file, as it is now, from every other: its path, size and time of change.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn identity(&self) -> anyhow::Result<String> {
        let whole = self.path.canonicalize().with_context(|| format!("there is no {}", self.path.display()))?;
        let metadata = whole.metadata().with_context(|| format!("cannot read {}", whole.display()))?;
        let changed = DateTime::<Utc>::from(metadata.modified().context("this system keeps no time of change")?);
        Ok(format!("{} {} {}", whole.display(), metadata.len(), changed.to_rfc3339()))
    }

    /// Whether a failure only says that a file of a folder is no export.
    pub fn may_be_skipped(&self, error: &anyhow::Error) -> bool {
        let fault = error.downcast_ref::<ImportError>().map(|error| &error.fault);
        !self.is_named
            && matches!(fault, Some(Fault::UnknownFormat | Fault::Empty | Fault::Archive(_) | Fault::WebPage))
    }
}

/// The files that a list of files and folders means: a folder stands for the files in it, in order of their names.
///
/// # Errors
/// Where a folder cannot be read or holds no file.
pub fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        if !path.is_dir() {
            sources.push(Source { path: path.clone(), is_named: true });
            continue;
        }
        let inside = files_in(path).with_context(|| format!("cannot read the folder {}", path.display()))?;
        anyhow::ensure!(!inside.is_empty(), "the folder {} holds no file; name the export itself", path.display());
        sources.extend(inside.into_iter().map(|path| Source { path, is_named: false }));
    }
    Ok(sources)
}

fn files_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    files.retain(|path| path.is_file() && !is_hidden(path));
    files.sort();
    Ok(files)
}
