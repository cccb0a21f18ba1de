//! `groupchat run`: the bot as configured.

use anyhow::{Context, bail};
use chat::Platform;
use chrono::TimeDelta;
use store::{NewCommunity, NewRoom, Store};
use tokio::net::TcpListener;

use super::{
    ConfigArgs,
    database::Database,
    import::data_folder,
    lock::DataLock,
    offer::Offer,
    serve::{Service, Speech, WebPage},
    shutdown_on_signal, start_logging,
};
use crate::{
    Clock,
    community::Learning,
    config::{Config, Web},
    event::Place,
    platform::{discord, telegram},
};

/// What the group of the web page is called in the history.
pub(super) const WEB_COMMUNITY: &str = "local";

/// Runs until it is interrupted.
pub(super) async fn run(args: ConfigArgs) -> anyhow::Result<()> {
    let config = args.load()?;
    start_logging(&config.log.filter)?;
    let shutdown = shutdown_on_signal()?;
    let (discord, telegram) = (discord_settings(&config), telegram_settings(&config));
    if !config.web.enabled && discord.is_none() && telegram.is_none() {
        bail!(
            "no platform is configured, so there is nothing to run; set web.enabled = true, or give discord.token or \
             telegram.token"
        );
    }
    let data = data_folder(None, &config)?;
    let _lock = config.database.url.is_none().then(|| DataLock::take(&data)).transpose()?;
    let listener = listen(&config.web).await?;
    let Some(offer) = shutdown.run_until_cancelled(Offer::make(&config.model, &data)).await else { return Ok(()) };
    let Offer { model, awaited, wanted } = offer?;
    let database = Database::open(config.database.url.as_ref(), &data).await?;
    let page = match listener {
        Some(listener) => Some(lobby(&database.store, listener, &config.web).await?),
        None => None,
    };
    let service = Service {
        database,
        data,
        page,
        discord,
        telegram,
        speech: Speech::of(model, awaited)?,
        limits: config.quotas,
        learning: Learning::permitted_by(&config.training),
        grace: TimeDelta::days(config.people.grace_days.into()),
        clock: Clock::system(),
        shutdown: shutdown.clone(),
    };
    let serving = async {
        let served = service.run().await;
        // Where it failed nobody else ends the pull.
        shutdown.cancel();
        served
    };
    let fetching = async {
        if let Some(wanted) = wanted {
            shutdown.run_until_cancelled(wanted.fetch()).await;
        }
    };
    let (served, _) = tokio::join!(serving, fetching);
    served
}

async fn listen(web: &Web) -> anyhow::Result<Option<TcpListener>> {
    if !web.enabled {
        return Ok(None);
    }
    let listener = TcpListener::bind(web.listen).await;
    let remedy = || format!("cannot listen on {}; set web.listen to an address that is free", web.listen);
    listener.map(Some).with_context(remedy)
}

/// What is set for Discord, where it is to be used.
pub(super) fn discord_settings(config: &Config) -> Option<discord::Settings> {
    let discord = config.discord.clone();
    Some(discord::Settings {
        token: discord.token?,
        address: discord.address,
        tls_ca: discord.tls_ca,
        persona_name: discord.persona_name,
        command_guilds: discord.command_guilds,
        shards: discord.shards.map(|shards| discord::Shards {
            first: shards.first,
            last: shards.last,
            total: shards.total,
        }),
    })
}

/// What is set for Telegram, where it is to be used.
pub(super) fn telegram_settings(config: &Config) -> Option<telegram::Settings> {
    let telegram = config.telegram.clone();
    let listen = telegram.webhook_listen;
    Some(telegram::Settings {
        token: telegram.token?,
        persona_bots: telegram.persona_bots,
        persona_line: telegram.persona_line,
        webhook: telegram.webhook_url.map(|url| telegram::Webhook { url, listen }),
        api_url: telegram.api_url,
        pace: telegram::Pace::default(),
    })
}

/// The one room of the web page.
async fn lobby(store: &Store, listener: TcpListener, web: &Web) -> anyhow::Result<WebPage> {
    let place = Place {
        platform: Platform::Web,
        community: WEB_COMMUNITY.to_owned(),
        community_title: String::new(),
        room: "lobby".to_owned(),
        room_title: "Lobby".to_owned(),
        parent: None,
    };
    let community =
        NewCommunity { platform: Platform::Web, external_id: &place.community, title: &place.community_title };
    let community = store.community(&community).await?;
    let room = NewRoom { community: community.id, external_id: &place.room, title: &place.room_title, parent: None };
    let room = store.room(&room).await?;
    Ok(WebPage { listener, place, room, hosts: web.hosts.clone(), lesson: None })
}
