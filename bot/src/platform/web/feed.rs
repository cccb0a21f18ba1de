//! What happens, as server-sent events: first what a page has missed, then what comes.
//!
//! Messages always come from the history, after the last one that was sent, so that there can be neither a gap nor a
//! double between the past and the present. The broadcast says only that it is worth looking.

use std::{collections::VecDeque, convert::Infallible, future::pending};

use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{
        IntoResponse,
        sse::{self, KeepAlive, Sse},
    },
};
use chat::MessageKey;
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::{
    Lesson, Live, OpenPage,
    api::{self, ApiError, Web},
    shown::{self, MessageShown, PersonaShown, ViewShown},
};
use crate::event::Happening;

/// How many messages are read at a time by a page that was away.
const BATCH: u32 = 100;
/// How often a page hears from us when nothing happens; it takes longer silence for a dead line.
const BEAT: std::time::Duration = std::time::Duration::from_secs(15);

#[derive(Deserialize)]
pub(super) struct EventsQuery {
    after: String,
}

pub(super) async fn events(
    State(web): State<Web>,
    Query(query): Query<EventsQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let after = api::key(&query.after)?;
    let too_many = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open.");
    let page = web.platform.open_page().ok_or_else(too_many)?;
    if page.is_first {
        // The page is served all the same; only nobody begins to talk because of it.
        if let Err(error) = web.app.handle(web.event(Happening::Arrived)).await {
            tracing::warn!("nobody could be told that somebody came: {error:#}");
        }
    }
    let beat = sse::Event::default().event("beat").data("{}");
    Ok(Sse::new(Feed::new(web, page, after).into_stream()).keep_alive(KeepAlive::new().interval(BEAT).event(beat)))
}

#[derive(Serialize)]
struct TypingShown<'a> {
    persona: &'a PersonaShown,
    draft: Option<&'a str>,
}

#[derive(Serialize)]
struct NoticeShown<'a> {
    text: &'a str,
}

/// One page's way through what happens.
struct Feed {
    web: Web,
    live: broadcast::Receiver<Live>,
    /// A training that goes on; none where there is none, or none any more.
    lesson: Option<watch::Receiver<Lesson>>,
    ready: VecDeque<sse::Event>,
    /// The last message that was sent.
    after: MessageKey,
    /// Whether there may be more in the history than was sent.
    is_behind: bool,
    /// Whether the page has yet to see the room: one that comes back may have missed a change.
    is_new: bool,
    _page: OpenPage,
}

impl Feed {
    fn new(web: Web, page: OpenPage, after: MessageKey) -> Self {
        // From here on nothing escapes us; what was before is read.
        let (live, lesson) = (web.platform.live.subscribe(), web.platform.lesson.clone());
        Self { web, live, lesson, ready: VecDeque::new(), after, is_behind: true, is_new: true, _page: page }
    }

    fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok(event), feed))
        })
    }

    /// The next event; none once the program ends or the history cannot be read. The page then comes back.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let step = match self {
                Self { is_new: true, .. } => self.show_room().await,
                Self { is_behind: true, .. } => self.catch_up().await,
                _ => self.wait().await,
            };
            if let Err(error) = step {
                tracing::warn!("a page was let go: {error:#}");
                return None;
            }
            if self.web.shutdown.is_cancelled() {
                return None;
            }
        }
    }

    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let (store, room) = (&self.web.platform.store, self.web.platform.room.id);
        let messages = store.messages_after(room, self.after, BATCH).await?;
        self.is_behind = messages.len() == BATCH as usize;
        for message in shown::messages(store, room, messages).await? {
            self.after = message.id;
            self.ready.push_back(message_event(&message)?);
        }
        Ok(())
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        let live = tokio::select! {
            () = self.web.shutdown.cancelled() => return Ok(()),
            () = changed(&mut self.lesson) => return self.show_lesson(),
            live = self.live.recv() => live,
        };
        match live {
            Ok(Live::Said) => self.is_behind = true,
            Ok(Live::Room) => self.show_room().await?,
            Ok(Live::Typing { persona, draft }) => {
                self.push("typing", &TypingShown { persona: &persona, draft: draft.as_deref() })?;
            }
            Ok(Live::Notice(text)) => self.push("notice", &NoticeShown { text: &text })?,
            Ok(Live::Erased) => self.push("erased", &())?,
            Err(RecvError::Lagged(_)) => {
                self.is_behind = true;
                self.show_room().await?;
            }
            Err(RecvError::Closed) => anyhow::bail!("the platform is gone"),
        }
        Ok(())
    }

    async fn show_room(&mut self) -> anyhow::Result<()> {
        self.is_new = false;
        let view: ViewShown = self.web.app.view(self.web.platform.room.id).await?.into();
        self.push("room", &view)?;
        self.show_lesson()
    }

    fn show_lesson(&mut self) -> anyhow::Result<()> {
        let Some(lesson) = self.lesson.as_mut().map(|lesson| lesson.borrow_and_update().clone()) else { return Ok(()) };
        self.push("lesson", &lesson)
    }

    fn push(&mut self, name: &str, data: &impl Serialize) -> anyhow::Result<()> {
        self.ready.push_back(sse::Event::default().event(name).json_data(data)?);
        Ok(())
    }
}

/// Returns once there is news of a training.
async fn changed(lesson: &mut Option<watch::Receiver<Lesson>>) {
    if let Some(open) = lesson
        && open.changed().await.is_err()
    {
        // It is over, and its last state was shown.
        *lesson = None;
    }
    if lesson.is_none() {
        pending::<()>().await;
    }
}

fn message_event(message: &MessageShown) -> anyhow::Result<sse::Event> {
    Ok(sse::Event::default().event("message").id(message.id.to_string()).json_data(message)?)
}
