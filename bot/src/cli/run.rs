//! `groupchat run`: the bot as configured.

use anyhow::{Context, bail};
use chat::Platform;
use store::{NewCommunity, NewRoom, Store};
use tokio::net::TcpListener;

use super::{
    ConfigArgs,
    database::Database,
    import::data_folder,
    lock::DataLock,
    serve::{Service, WebPage},
    shutdown_on_signal, start_logging,
};
use crate::{Clock, config::Web, event::Place};

/// What the group of the web page is called in the history.
pub(super) const WEB_COMMUNITY: &str = "local";

/// Runs until it is interrupted.
pub(super) async fn run(args: ConfigArgs) -> anyhow::Result<()> {
    let config = args.load()?;
    start_logging(&config.log.filter)?;
    let shutdown = shutdown_on_signal()?;
    if !config.web.enabled {
        bail!("no platform is configured, so there is nothing to run; set web.enabled = true");
    }
    let data = data_folder(None, &config)?;
    let _lock = config.database.url.is_none().then(|| DataLock::take(&data)).transpose()?;
    let listener = TcpListener::bind(config.web.listen).await.with_context(|| {
        format!("cannot listen on {}; set web.listen to an address that is free", config.web.listen)
    })?;
    let database = Database::open(config.database.url.as_ref(), &data).await?;
    let page = lobby(&database.store, listener, &config.web).await?;
    let service = Service {
        database,
        page: Some(page),
        model: config.model,
        limits: config.quotas,
        clock: Clock::system(),
        shutdown,
    };
    service.run().await
}

/// The one room of the web page.
async fn lobby(store: &Store, listener: TcpListener, web: &Web) -> anyhow::Result<WebPage> {
    let place = Place {
        platform: Platform::Web,
        community: WEB_COMMUNITY.to_owned(),
        community_title: String::new(),
        room: "lobby".to_owned(),
        room_title: "Lobby".to_owned(),
    };
    let community =
        NewCommunity { platform: Platform::Web, external_id: &place.community, title: &place.community_title };
    let community = store.community(&community).await?;
    let room = NewRoom { community: community.id, external_id: &place.room, title: &place.room_title, parent: None };
    let room = store.room(&room).await?;
    Ok(WebPage { listener, place, room, hosts: web.hosts.clone() })
}
