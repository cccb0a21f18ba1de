//! `groupchat demo`: a group talks on a local web page, with nothing to set up.

mod lesson;
mod pocket;

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use chat::{CommunityId, MemberId, Pacing, Platform, RoomSettings};
use chrono::TimeDelta;
use clap::Args;
use corpus::import::Options;
use store::{Community, NewCommunity, Store};
use tokio::{net::TcpListener, sync::watch};

use self::lesson::Teacher;
use super::{
    database::Database,
    lock::DataLock,
    serve::{Service, Speech, WebPage},
    shutdown_on_signal, start_logging,
};
use crate::{
    Clock,
    community::Learning,
    config::{self, Config, Model},
    event::Place,
    import::{self, Report, Target},
    platform::web::Lesson,
    quotas::Limits,
};

/// The chat log that ships with the program.
const SAMPLE: &[u8] = include_bytes!("../../../../sample/result.json");

/// How many personas are in the room at first: the busiest members.
const FIRST_CAST: usize = 5;
/// After how many seconds of silence the personas chat among themselves at first.
const FIRST_IDLE_SECONDS: u64 = 20;
const DEFAULT_PORT: u16 = 8017;

/// The demo's options. GROUPCHAT__DATABASE__URL names a Postgres server to use instead of a private one.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Talk like the people of your own exports instead of the sample group: files or folders. Markov chains speak unless
    /// --model or --train is given too
    #[arg(long, value_name = "FILE", num_args = 1..)]
    history: Vec<PathBuf>,
    /// Speak with this model in GGUF instead of the pocket model, a toy that ships with groupchat
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Speak with Markov chains of each member's words instead of a model
    #[arg(long, conflicts_with_all = ["model", "train"])]
    markov: bool,
    /// Train an adapter of the model on the group while you watch: the page shows how it learns, and what the personas
    /// said before and say now
    #[arg(long)]
    train: bool,
    /// With --train, how often each message is learned from at most [default: 3]
    #[arg(long, requires = "train")]
    epochs: Option<u32>,
    /// The port of the web page on 127.0.0.1; 0 for any free one
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// The folder for everything that is kept
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// What is logged to standard error
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// Runs the demo until it is interrupted.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    start_logging(&args.log)?;
    let database_url = Config::load(None)?.database.url;
    let shutdown = shutdown_on_signal()?;
    let clock = Clock::system();
    let data = args.data.clone().map_or_else(|| config::default_data_folder().map(|folder| folder.join("demo")), Ok)?;
    let _lock = DataLock::take(&data)?;
    let listener = listen(args.port).await?;
    eprintln!("Starting the history in {} ...", data.display());
    let database = Database::open(database_url.as_ref(), &data).await?;
    let shown = prepare(&database.store, &args.history, &clock).await?;
    let path = if args.speaks_with_a_model() { Some(args.base(&data)?) } else { None };
    let speech = Speech::of(Model { path: path.clone(), ..Model::default() }, None)?;
    let (lesson, shown_lesson) = watch::channel(Lesson::default());
    let teacher = match (path, speech.runner()) {
        (Some(base), Some(runner)) if args.train => Some(Teacher {
            store: database.store.clone(),
            data: data.clone(),
            base,
            community: shown.community,
            heard: shown.busiest,
            epochs: args.epochs,
            runner,
            shown: lesson,
            clock,
            shutdown: shutdown.clone(),
        }),
        _ => None,
    };
    let lesson = teacher.is_some().then_some(shown_lesson);
    let page = WebPage { listener, place: shown.place, room: shown.room, hosts: Vec::new(), lesson };
    eprintln!("Everything stays on this machine. Ctrl-C ends it; the next start goes on where it was.");
    let service = Service {
        database,
        data,
        page: Some(page),
        discord: None,
        telegram: None,
        speech,
        limits: Limits::default(),
        learning: Learning::default(),
        grace: TimeDelta::zero(),
        clock,
        shutdown: shutdown.clone(),
    };
    let serving = async {
        let served = service.run().await;
        // Where it failed nobody else ends the training.
        shutdown.cancel();
        served
    };
    let teaching = async {
        if let Some(teacher) = teacher {
            teacher.teach().await;
        }
    };
    let (served, ()) = tokio::join!(serving, teaching);
    served
}

impl DemoArgs {
    /// Whether words come from a model. Of one's own friends the pocket model knows nothing before it was trained.
    fn speaks_with_a_model(&self) -> bool {
        !self.markov && (self.model.is_some() || self.train || self.history.is_empty())
    }

    /// The file of the model.
    fn base(&self, data: &Path) -> anyhow::Result<PathBuf> {
        self.model.clone().map_or_else(|| pocket::placed(data), Ok)
    }
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; --port 0 takes any port that is free"))
}

/// The room that the page shows.
struct Shown {
    community: Community,
    place: Place,
    room: store::Room,
    /// Its busiest members, who are in the room at first.
    busiest: Vec<MemberId>,
}

/// Imports what the demo talks like, unless that is done already, and sets up a room that was not used before.
async fn prepare(store: &Store, history: &[PathBuf], clock: &Clock) -> anyhow::Result<Shown> {
    let external_id = community_id(history)?;
    let new = NewCommunity { platform: Platform::Web, external_id: &external_id, title: "" };
    let community = store.community(&new).await?;
    let target = Target::Web { community: external_id.clone(), title: None };
    match history {
        [] => import_sample(store, community.id, &target, clock).await?,
        _ => import_files(store, history, community.id, &target, clock).await?,
    }
    let Some(room) = busiest(store, community.id).await? else {
        bail!("there is no message in the history; name an export with messages in it with --history");
    };
    store.declare_consent(community.id, clock.now()).await?;
    let busiest = set_up(store, &room, clock).await?;
    let place = Place {
        platform: Platform::Web,
        community: external_id,
        community_title: String::new(),
        room: room.external_id.clone(),
        room_title: room.title.clone(),
        parent: None,
    };
    Ok(Shown { community, place, room, busiest })
}

/// A community of its own for each history, so that one person's friends never talk with another's.
fn community_id(history: &[PathBuf]) -> anyhow::Result<String> {
    if history.is_empty() {
        return Ok("sample".to_owned());
    }
    let paths: Vec<String> = history
        .iter()
        .map(|path| {
            let whole = path.canonicalize().with_context(|| format!("there is no {}", path.display()))?;
            Ok(whole.display().to_string())
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(format!("history:{}", paths.join(":")))
}

async fn import_sample(store: &Store, community: CommunityId, target: &Target, clock: &Clock) -> anyhow::Result<()> {
    let source = format!("the sample group {}", env!("CARGO_PKG_VERSION"));
    if store.is_imported(community, &source).await? {
        return Ok(());
    }
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().context("cannot write a temporary file")?;
    file.write_all(SAMPLE).context("cannot write a temporary file")?;
    import::file(store, file.path(), &Options::default(), target, |_| {}).await?;
    Ok(store.import_finished(community, &source, clock.now()).await?)
}

async fn import_files(
    store: &Store,
    history: &[PathBuf],
    community: CommunityId,
    target: &Target,
    clock: &Clock,
) -> anyhow::Result<()> {
    let mut reports = Report::default();
    for source in import::expand(history)? {
        let identity = source.identity()?;
        if store.is_imported(community, &identity).await? {
            continue;
        }
        match super::import::with_progress(store, &source.path, &Options::default(), target).await {
            Ok(report) => reports.add(report),
            Err(error) if source.may_be_skipped(&error) => eprintln!("skipped: {error:#}"),
            Err(error) => return Err(error),
        }
        store.import_finished(community, &identity, clock.now()).await?;
    }
    if reports.read > 0 {
        eprint!("{reports}");
        eprintln!("Its people talk on this machine only, with whoever opens the page; see that they would not mind.");
    }
    Ok(())
}

/// The room of a community in which most was said.
async fn busiest(store: &Store, community: CommunityId) -> anyhow::Result<Option<store::Room>> {
    let mut best = None;
    for room in store.rooms_of(Platform::Web).await?.into_iter().filter(|room| room.community == community) {
        let messages = store.room_message_count(room.id).await?;
        if messages > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((messages, room));
        }
    }
    Ok(best.map(|(_, room)| room))
}

/// Fills a room that nobody has set up yet: the busiest members, lively, chatting while somebody looks. Returns who the
/// busiest are.
async fn set_up(store: &Store, room: &store::Room, clock: &Clock) -> anyhow::Result<Vec<MemberId>> {
    let active = store.activity(room.community).await?;
    let mut busiest = Vec::new();
    for proof in active.iter().filter_map(|active| active.member.may_imitate()).take(FIRST_CAST) {
        busiest.push(store.persona(proof).await?);
    }
    let members = busiest.iter().map(|persona| persona.member).collect();
    if store.settings(room.id).await? != RoomSettings::default() {
        return Ok(members);
    }
    for persona in busiest {
        store.summon(room.id, persona.id, None, clock.now()).await?;
    }
    let settings =
        RoomSettings { pacing: Pacing::Chatty, idle_seconds: Some(FIRST_IDLE_SECONDS), ..RoomSettings::default() };
    store.save_settings(room.id, &settings, None, clock.now()).await?;
    Ok(members)
}
