//! What `demo` and `run` have in common: the app with its platforms, from start to shutdown.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use chrono::TimeDelta;
use rand::Rng;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use super::database::Database;
use crate::{
    App, AppOptions, Clock,
    community::Learning,
    config::Model,
    dataset,
    event::Place,
    platform::{
        Platform,
        discord::{self, Discord},
        telegram::{self, Telegram},
        web::{self, WebPlatform},
    },
    quotas::Limits,
    runner::{RunnerClient, RunnerOptions, RunnerProcess},
    voice::Voice,
};

/// How often it is looked whether the model has come that was not there at the start.
const LOOK_FOR_MODEL: Duration = Duration::from_secs(2);

/// A web page to be served.
pub(super) struct WebPage {
    /// Where it listens.
    pub listener: TcpListener,
    /// Which room it shows.
    pub place: Place,
    /// The room.
    pub room: store::Room,
    /// The host names under which it may be asked for, beside those of this machine.
    pub hosts: Vec<String>,
    /// A training that it shows, where one goes on.
    pub lesson: Option<watch::Receiver<web::Lesson>>,
}

/// What is to be run.
pub(super) struct Service {
    pub database: Database,
    /// The folder for everything that is kept.
    pub data: PathBuf,
    pub page: Option<WebPage>,
    pub discord: Option<discord::Settings>,
    pub telegram: Option<telegram::Settings>,
    pub speech: Speech,
    pub limits: Limits,
    pub learning: Learning,
    pub grace: TimeDelta,
    pub clock: Clock,
    pub shutdown: CancellationToken,
}

impl Service {
    /// Runs until the shutdown, then finishes what is in hand.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Service { database, data, page, discord, telegram, speech, limits, learning, grace, clock, shutdown } =
            self;
        let store = database.store.clone();
        if database.is_ours_alone() {
            // Nobody else can be speaking: what a killed process held is free.
            store.release_all_leases().await?;
        }
        let discord = match discord {
            Some(settings) => Some(Discord::connect(settings, store.clone(), clock, rand_seed(), &shutdown).await?),
            None => None,
        };
        let telegram = match telegram {
            Some(settings) => Some(Telegram::connect(settings, store.clone(), clock, rand_seed(), &shutdown).await?),
            None => None,
        };
        // The database and the runner are looked after until the rooms have finished, since finishing needs them.
        let finished = CancellationToken::new();
        let voice = speech.voice.clone();
        let mut platforms: Vec<Arc<dyn Platform>> = Vec::new();
        let web = page.as_ref().map(|page| {
            WebPlatform::new(store.clone(), page.place.clone(), page.room.clone(), clock, page.lesson.clone())
        });
        platforms.extend(web.clone().map(|web| web as Arc<dyn Platform>));
        platforms.extend(discord.clone().map(|discord| discord as Arc<dyn Platform>));
        platforms.extend(telegram.clone().map(|telegram| telegram as Arc<dyn Platform>));
        let app = App::new(AppOptions {
            store,
            platforms,
            voice,
            limits,
            learning,
            grace,
            owner: format!("{}-{:016x}", std::process::id(), rand_seed()),
            clock,
            seed: rand_seed(),
            shutdown: shutdown.clone(),
        });
        app.start().await?;
        let serving = async {
            match (page, web) {
                (Some(page), Some(web)) => {
                    let address = page.listener.local_addr().context("cannot tell where the page listens")?;
                    println!("groupchat is listening on http://{address}");
                    web::serve(page.listener, web, app.clone(), page.hosts, shutdown.clone()).await
                }
                _ => {
                    shutdown.cancelled().await;
                    Ok(())
                }
            }
        };
        let on_discord = async {
            match discord {
                Some(discord) => {
                    println!("to take the bot into a server on Discord: {}", discord.invite_link());
                    discord.run(app.clone(), shutdown.clone()).await
                }
                None => Ok(()),
            }
        };
        let on_telegram = async {
            match telegram {
                Some(telegram) => {
                    println!("to take the bot into a group on Telegram: {}", telegram.invite_link());
                    telegram.run(app.clone(), shutdown.clone()).await
                }
                None => Ok(()),
            }
        };
        // Whichever ends first, with a failure or because the program is to end, ends the others.
        let ending = |served: anyhow::Result<()>| {
            if served.is_err() {
                shutdown.cancel();
            }
            served
        };
        let work = async {
            let (on_web, on_discord, on_telegram) =
                tokio::join!(async { ending(serving.await) }, async { ending(on_discord.await) }, async {
                    ending(on_telegram.await)
                },);
            shutdown.cancel();
            app.stopped().await;
            finished.cancel();
            on_web.and(on_discord).and(on_telegram)
        };
        let watch = dataset::keep_watch(database.store.clone(), data, finished.clone());
        let keep = database.look_after(finished.clone());
        let (served, (), (), ()) = tokio::join!(work, keep, speech.keep_alive(finished.clone()), watch);
        served?;
        database.store.close().await;
        Ok(())
    }
}

/// Where the words come from, and the process that makes them, where that is ours.
pub(super) struct Speech {
    voice: Voice,
    runner: Option<RunnerProcess>,
    awaited: Option<PathBuf>,
}

impl Speech {
    /// What a configuration asks for. `awaited` is, where neither path nor URL is set, the file that is served once it is
    /// there.
    pub(super) fn of(model: Model, awaited: Option<PathBuf>) -> anyhow::Result<Self> {
        let (rest_after, prefill) = (model.rest_after(), model.prefill);
        let (voice, runner) = match (model, awaited.clone()) {
            (Model { path: Some(path), threads, context, parallel, .. }, _)
            | (Model { url: None, threads, context, parallel, .. }, Some(path)) => {
                // Until somebody runs the process its channel is empty, and the Markov chains speak.
                let options = RunnerOptions { model: path, threads, context, parallel, rest_after };
                let runner = RunnerProcess::new(options);
                (Voice::runner(runner.client()), Some(runner))
            }
            (Model { url: Some(url), api_key, name, .. }, _) => {
                let client = RunnerClient::new(&url, api_key, name).context("in the configuration: model.url")?;
                (Voice::remote(client), None)
            }
            (Model { .. }, None) => (Voice::markov(), None),
        };
        let voice = match prefill {
            Some(true) => voice.with_prefill(),
            Some(false) => voice.without_prefill(),
            None => voice,
        };
        Ok(Self { voice, runner, awaited })
    }

    /// The runner of ours whenever it is there; none where there is to be none.
    pub(super) fn runner(&self) -> Option<watch::Receiver<Option<RunnerClient>>> {
        self.runner.as_ref().map(RunnerProcess::client)
    }

    async fn keep_alive(self, finished: CancellationToken) {
        let Some(runner) = self.runner else { return };
        if finished.run_until_cancelled(arrival(self.awaited.as_deref())).await.is_some() {
            runner.run(finished).await;
        }
    }
}

/// Returns once a file that is awaited is there, whoever brings it: this process or a `groupchat model pull` beside it.
async fn arrival(file: Option<&Path>) {
    while file.is_some_and(|file| !file.exists()) {
        tokio::time::sleep(LOOK_FOR_MODEL).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a process begins with a seed that nobody can guess")]
fn rand_seed() -> u64 {
    rand::rng().random()
}
