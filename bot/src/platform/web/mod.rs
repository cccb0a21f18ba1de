//! The local web page as a messenger: the page in web/page, and the HTTP interface that it talks to.
//!
//! Here the history is the platform: what is posted is there once it is stored. Every page follows the history from the
//! last message it has seen, so that nothing is lost or shown twice, whatever breaks in between; what happens is only
//! the reason to look again.

mod api;
mod assets;
mod feed;
mod guard;
mod keys;
mod lesson;
mod shown;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use async_trait::async_trait;
use axum::serve::ListenerExt;
use chat::{Author, Message, MessageKey, Origin, Provenance};
use store::{NewMessage, Recorded, Room, Store, StoreError};
use tokio::{
    net::TcpListener,
    sync::{Mutex, MutexGuard, broadcast, watch},
};
use tokio_util::sync::CancellationToken;

pub use self::lesson::{Lesson, Point, Said, Scene, Stage};
use self::{keys::Keys, shown::PersonaShown};
use super::{Arrival, Platform, Post, PostError, Typing};
use crate::{App, Clock, event::Place};

/// How much may happen before a page that does not keep up reads everything again.
const BACKLOG: usize = 256;
/// How many pages may be open at once.
const MOST_PAGES: usize = 100;
/// How long a post waits for a database that is away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Something that pages are told at once.
#[derive(Debug, Clone)]
enum Live {
    /// There is something new in the history.
    Said,
    /// A persona is typing, or has stopped.
    Typing { persona: PersonaShown, draft: Option<String> },
    /// Cast, settings or voice have changed.
    Room,
    /// What a command did, for everybody.
    Notice(String),
    /// Something was erased or reads otherwise now, which pages may still show as it was.
    Erased,
}

/// The web page of one room.
pub struct WebPlatform {
    store: Store,
    place: Place,
    room: Room,
    clock: Clock,
    /// Held while a message gets its key and is stored, so that messages become visible in the order of their keys: a page
    /// that has seen one has seen all before it.
    keys: Mutex<Keys>,
    live: broadcast::Sender<Live>,
    /// A training that goes on; none where there is none.
    lesson: Option<watch::Receiver<Lesson>>,
    pages: AtomicUsize,
}

impl WebPlatform {
    /// The page of `room`, which the platform-independent part knows as `place`, and of a training where one goes on.
    pub fn new(
        store: Store,
        place: Place,
        room: Room,
        clock: Clock,
        lesson: Option<watch::Receiver<Lesson>>,
    ) -> Arc<WebPlatform> {
        Arc::new(WebPlatform {
            store,
            place,
            room,
            clock,
            keys: Mutex::new(Keys::default()),
            live: broadcast::Sender::new(BACKLOG),
            lesson,
            pages: AtomicUsize::new(0),
        })
    }

    /// The right to store the next message, with the keys known from the history.
    async fn writing(&self) -> store::Result<MutexGuard<'_, Keys>> {
        let mut keys = self.keys.lock().await;
        if keys.are_unknown() {
            let latest = self.store.latest(self.room.id, 1).await?;
            keys.begin_after(latest.last().map(|message| message.key));
        }
        Ok(keys)
    }

    async fn store_post(&self, post: &Post) -> store::Result<Option<Arrival>> {
        let mut keys = self.writing().await?;
        let sent_at = self.clock.now();
        let nonce = post.nonce();
        let message = NewMessage {
            key: keys.next(sent_at, &nonce),
            author: Author::Persona(post.persona.id),
            author_name: &post.persona.name,
            sent_at,
            text: &post.text,
            origin: Origin::Generated,
            provenance: Provenance::Api,
            reply_to: post.reply_to,
            edited_at: None,
            nonce: Some(&nonce),
        };
        match self.store.record(self.room.id, &message).await? {
            Recorded::New(key) => Ok(Some(Arrival { key, sent_at })),
            Recorded::Known(_) => self.posted(&nonce).await,
            Recorded::Forgotten => Ok(None),
        }
    }

    async fn posted(&self, nonce: &str) -> store::Result<Option<Arrival>> {
        let message = self.store.by_nonce(self.room.id, nonce).await?;
        Ok(message.map(|Message { key, sent_at, .. }| Arrival { key, sent_at }))
    }

    fn tell(&self, live: Live) {
        // It fails where no page is open, which is no failure.
        self.live.send(live).ok();
    }

    /// Counts a page that opens; none where there are too many already.
    fn open_page(self: &Arc<Self>) -> Option<OpenPage> {
        let before = self.pages.fetch_add(1, Ordering::Relaxed);
        let page = OpenPage { platform: self.clone(), is_first: before == 0 };
        (before < MOST_PAGES).then_some(page)
    }
}

/// A page that is open for as long as this value lives.
struct OpenPage {
    platform: Arc<WebPlatform>,
    /// Whether nobody else was looking.
    is_first: bool,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        self.platform.pages.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Platform for WebPlatform {
    fn kind(&self) -> chat::Platform {
        chat::Platform::Web
    }

    async fn post(&self, post: &Post) -> Result<Arrival, PostError> {
        let stored = self.store_post(post).await;
        self.tell(Live::Said);
        match stored {
            Ok(Some(arrival)) => Ok(arrival),
            Ok(None) => Err(PostError::Refused("the persona's member asked to be forgotten".to_owned())),
            Err(error) => Err(post_error(&error)),
        }
    }

    async fn find_posted(&self, post: &Post) -> Result<Option<Arrival>, PostError> {
        self.posted(&post.nonce()).await.map_err(|error| post_error(&error))
    }

    async fn edit(&self, room: &Room, key: MessageKey, text: &str) -> Result<(), PostError> {
        let edited = self.store.edit_message(room.id, key, text, self.clock.now()).await;
        self.tell(Live::Erased);
        edited.map(|_changed| ()).map_err(|error| post_error(&error))
    }

    async fn delete(&self, room: &Room, key: MessageKey) -> Result<(), PostError> {
        let deleted = self.store.delete_messages(room.id, &[key], self.clock.now()).await;
        self.tell(Live::Erased);
        deleted.map(|_count| ()).map_err(|error| post_error(&error))
    }

    async fn typing(&self, Typing { persona, draft, .. }: Typing<'_>) {
        self.tell(Live::Typing { persona: persona.into(), draft: draft.map(str::to_owned) });
    }

    async fn room_changed(&self, _room: &Room) {
        self.tell(Live::Room);
    }

    fn is_watched(&self, _room: &Room) -> bool {
        self.pages.load(Ordering::Relaxed) > 0
    }
}

fn post_error(error: &StoreError) -> PostError {
    match error.is_transient() {
        true => PostError::Retry { after: RETRY_AFTER, why: error.to_string() },
        false => PostError::Refused(error.to_string()),
    }
}

/// Serves the page until the shutdown; open pages are let go then and come back by themselves.
///
/// `hosts` are the names under which it may be asked for, beside those of this machine.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    platform: Arc<WebPlatform>,
    app: App,
    hosts: Vec<String>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let router = api::router(api::Web { platform, app, shutdown: shutdown.clone() }, hosts);
    // Words that are being typed come in small pieces, which must not wait for each other.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be told not to wait");
        }
    });
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
        .context("the page cannot be served")
}

#[cfg(test)]
mod tests;
