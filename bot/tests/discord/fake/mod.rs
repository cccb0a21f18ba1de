//! A Discord of its own for the tests: REST over HTTPS and the gateway over WebSocket, written from Discord's
//! documentation: its state, its permissions, its limits and its errors. It knows nothing of the bot under test.
//!
//! A client reaches it as it reaches Discord: with `discord.com` resolved to `address()` and `ca_pem()` trusted. The
//! gateway is a plain `ws://` whose address REST gives. Everything listens on the loopback and ends on drop.
//!
//! The parts: `world` is the state; `rest*` and `connection` speak the protocol; `building`, `acting`, `interacting`,
//! `failing` and `looking` are what a test calls.

mod acting;
mod building;
mod clock;
mod connection;
mod errors;
mod events;
mod failing;
mod form;
mod gateway;
mod interacting;
mod limits;
mod looking;
mod mentions;
mod messages;
mod payload;
mod permissions;
mod rest;
mod rest_commands;
mod rest_guilds;
mod rest_interactions;
mod rest_messages;
mod rest_webhooks;
mod tls;
mod trouble;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use events::{GUILD_MEMBERS, MESSAGE_CONTENT};
pub use interacting::Answer;
pub use permissions::*;
pub use world::{APPLICATION, BOT, FakeMessage};

use world::World;

/// The bot's token: its id in base64, then what Discord would sign.
pub const TOKEN: &str = "MTEwMDAwMDAwMDAwMDAwMDAwMQ.GFake0.the-token-of-a-bot-that-lives-in-tests-only";

/// What can differ from one fake to the next. The defaults are Discord's own, except for `patience`.
#[derive(Clone, Debug)]
pub struct Options {
    pub token: String,
    /// The privileged intents that are enabled for the application.
    pub privileged_intents: u64,
    pub heartbeat_interval: Duration,
    /// The number of shards that `GET /gateway/bot` recommends.
    pub shards: u32,
    pub max_concurrency: u32,
    /// How long a shard has to wait after another one of its rate limit key identified.
    pub identify_interval: Duration,
    /// Multiplies all rate limits.
    pub limits_times: u32,
    /// How many events a session keeps, sent or not.
    pub replay_events: usize,
    /// How many answers with 401, 403 or 429 a test takes without a violation.
    pub invalid_requests: usize,
    /// What the bot's role may do in new guilds.
    pub bot_permissions: u64,
    /// How long a test waits for something that should happen, before it panics.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: TOKEN.to_owned(),
            privileged_intents: GUILD_MEMBERS | MESSAGE_CONTENT,
            heartbeat_interval: Duration::from_millis(41_250),
            shards: 1,
            max_concurrency: 1,
            identify_interval: Duration::from_secs(5),
            limits_times: 1,
            replay_events: 20_000,
            invalid_requests: 50,
            bot_permissions: OF_THE_BOT,
            patience: Duration::from_secs(15),
        }
    }
}

/// The running fake.
pub struct FakeDiscord {
    discord: Arc<Discord>,
    address: SocketAddr,
    ca_pem: String,
    /// Ends the listeners and everything that they accepted.
    _stop: DropGuard,
}

/// What the listeners and the tests share.
struct Discord {
    options: Options,
    gateway_url: String,
    world: Mutex<World>,
    changed: Arc<Notify>,
}

impl Discord {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("a part of the fake panicked before")
    }
}

impl FakeDiscord {
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let stop = CancellationToken::new();
        let gateway = TcpListener::bind(("127.0.0.1", 0)).await.expect("the loopback has a free port");
        let gateway_address = gateway.local_addr().expect("a bound socket has an address");
        let (rest, ca_pem) = tls::listen(stop.clone()).await;
        let address = axum::serve::Listener::local_addr(&rest).expect("a bound socket has an address");
        let changed = Arc::new(Notify::new());
        let discord = Arc::new(Discord {
            gateway_url: format!("ws://{gateway_address}"),
            world: Mutex::new(World::new(options.clone(), changed.clone())),
            options,
            changed,
        });
        let rest_routes = Router::new().fallback(rest::serve).with_state(discord.clone());
        let gateway_routes = Router::new().fallback(any(connect)).with_state((discord.clone(), stop.clone()));
        // Shutting down gracefully also closes the connections that clients keep open.
        let rest = axum::serve(rest, rest_routes).with_graceful_shutdown(stop.clone().cancelled_owned());
        let gateway = axum::serve(gateway, gateway_routes).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(rest.into_future());
        tokio::spawn(gateway.into_future());
        Self { discord, address, ca_pem, _stop: stop.drop_guard() }
    }

    /// Where `discord.com` has to lead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub fn token(&self) -> &str {
        &self.discord.options.token
    }

    pub fn bot(&self) -> u64 {
        BOT
    }

    pub fn application(&self) -> u64 {
        APPLICATION
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.discord.world()
    }

    /// Waits until `look` finds something; panics after the test's patience, saying what was waited for.
    async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&mut World) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.discord.changed.notified());
                // Registered before looking, so that what happens in between wakes the loop.
                changed.as_mut().enable();
                if let Some(found) = look(&mut self.world()) {
                    return found;
                }
                changed.await;
            }
        };
        let patience = self.discord.options.patience;
        tokio::time::timeout(patience, waiting).await.unwrap_or_else(|_| panic!("waited {patience:?} for {what}"))
    }
}

type Connecting = (Arc<Discord>, CancellationToken);

async fn connect(State((discord, stop)): State<Connecting>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| {
        stop.run_until_cancelled_owned(connection::converse(discord, socket)).await;
    })
}
