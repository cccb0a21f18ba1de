//! `groupchat adapter`: which adapters a community has.

mod files;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use chat::MemberId;
use clap::{Args, Subcommand};
use serde::Deserialize;
use store::{Adapter, Community, Store};

use super::{
    ConfigArgs,
    communities::{chosen, title},
    database::Database,
    import::data_folder,
    start_logging,
};
use crate::{
    Clock,
    adapters::{read_header, register},
    dataset::report_of,
};

/// What is to be done with adapters.
#[derive(Debug, Args)]
pub(super) struct AdapterArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Known(Known),
    /// Make a GGUF file of an adapter in PEFT's form, as Unsloth writes it
    Import(files::ImportArgs),
    /// Write an adapter in PEFT's form, for Python's tools
    Export(files::ExportArgs),
    /// Work an adapter into its base, for Ollama and others that take one file
    Merge(files::MergeArgs),
}

/// What is done with adapters that are known.
#[derive(Debug, Subcommand)]
enum Known {
    /// Show the adapters that are known
    List(ListArgs),
    /// Have the personas of a community speak with an adapter
    Use(UseArgs),
    /// Let an adapter be known no longer, and let it not be spoken with; its file stays
    Forget(ForgetArgs),
}

/// Where the history is.
#[derive(Debug, Args)]
struct HistoryArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The folder for everything that is kept
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this community, by its title or the platform's id for it
    #[arg(long, value_name = "NAME")]
    community: Option<String>,
    #[command(flatten)]
    history: HistoryArgs,
}

#[derive(Debug, Args)]
struct UseArgs {
    /// The adapter, in GGUF format
    file: PathBuf,
    /// Whose personas speak with it, by the community's title or the platform's id for it
    #[arg(long, value_name = "NAME")]
    community: String,
    /// What it is called; without it as its file
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The dataset that it was trained on, which says whom it learned from; without it the file must say so
    #[arg(long, value_name = "FOLDER")]
    members_of: Option<PathBuf>,
    #[command(flatten)]
    history: HistoryArgs,
}

#[derive(Debug, Args)]
struct ForgetArgs {
    /// What it is called
    name: String,
    /// Whose it is, by the community's title or the platform's id for it
    #[arg(long, value_name = "NAME")]
    community: String,
    #[command(flatten)]
    history: HistoryArgs,
}

/// Does it.
pub(super) async fn run(args: AdapterArgs) -> anyhow::Result<()> {
    match &args.command {
        Command::Known(known) => of_known(known).await,
        Command::Import(args) => files::import(args),
        Command::Export(args) => files::export(args),
        Command::Merge(args) => files::merge(args),
    }
}

async fn of_known(known: &Known) -> anyhow::Result<()> {
    let (Known::List(ListArgs { history, .. })
    | Known::Use(UseArgs { history, .. })
    | Known::Forget(ForgetArgs { history, .. })) = known;
    let config = history.config.load()?;
    start_logging(&config.log.filter)?;
    let data = data_folder(history.data.as_deref(), &config)?;
    let database = Database::open(config.database.url.as_ref(), &data).await?;
    let done = match known {
        Known::List(args) => list(&database.store, args.community.as_deref()).await,
        Known::Use(args) => use_file(&database.store, args).await,
        Known::Forget(args) => forget(&database.store, &args.name, &args.community).await,
    };
    database.store.close().await;
    done
}

async fn list(store: &Store, community: Option<&str>) -> anyhow::Result<()> {
    let communities = match community {
        Some(name) => vec![community_called(store, name).await?],
        None => store.communities().await?,
    };
    let mut is_empty = true;
    for community in communities {
        for adapter in store.adapters(community.id).await? {
            is_empty = false;
            println!("{}", line(&community, &adapter));
        }
    }
    if is_empty {
        println!("no adapter is known; `groupchat train` makes one, `groupchat adapter use` takes one made elsewhere");
    }
    Ok(())
}

fn line(community: &Community, adapter: &Adapter) -> String {
    let Adapter { name, path, members, made_at, stale, .. } = adapter;
    let state = match stale {
        Some(stale) => format!("stale since {}: {}", stale.at.format("%Y-%m-%d"), stale.reason),
        None if Path::new(path).is_file() => "may be served".to_owned(),
        None => "its file is gone".to_owned(),
    };
    let made_at = made_at.format("%Y-%m-%d %H:%M");
    format!("{}: {name}, of {} members, {made_at}, {state}, {path}", title(community), members.len())
}

async fn use_file(store: &Store, args: &UseArgs) -> anyhow::Result<()> {
    let community = community_called(store, &args.community).await?;
    let ids = match &args.members_of {
        Some(dataset) => report_of(dataset)?.members.iter().map(|member| member.id).collect(),
        None => members_in(&args.file)?,
    };
    let stem = args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = args.name.clone().unwrap_or(stem);
    let id = register(store, community.id, &name, &args.file, &ids, Clock::system().now()).await?;
    let adapters = store.adapters(community.id).await?;
    match adapters.into_iter().find(|adapter| adapter.id == id).and_then(|adapter| adapter.stale) {
        Some(stale) => {
            bail!("the adapter {name} is known but will not be served: {}; train it without them", stale.reason)
        }
        None => println!("the personas of {} speak with {name} from their next reply on", title(&community)),
    }
    Ok(())
}

/// One of those whom an adapter learned from.
#[derive(Deserialize)]
struct Person {
    id: MemberId,
}

/// Whom an adapter learned from, as its file says.
fn members_in(file: &Path) -> anyhow::Result<Vec<MemberId>> {
    let header = read_header(file)?;
    let members = header.members.with_context(|| {
        format!("{} does not say whom it was trained on; say it with --members-of DATASET", file.display())
    })?;
    let people: Vec<Person> = serde_json::from_str(&members).with_context(|| {
        format!("what {} says about whom it was trained on cannot be read; say it with --members-of", file.display())
    })?;
    Ok(people.into_iter().map(|person| person.id).collect())
}

async fn forget(store: &Store, name: &str, community: &str) -> anyhow::Result<()> {
    let community = community_called(store, community).await?;
    let versions = store.forget_adapter(community.id, name).await?;
    ensure!(versions > 0, "{} has no adapter {name}; `groupchat adapter list` shows what there is", title(&community));
    println!("forgot {name} ({versions} versions); its files are where they were");
    Ok(())
}

async fn community_called(store: &Store, name: &str) -> anyhow::Result<Community> {
    chosen(store.communities().await?, Some(name))
}
