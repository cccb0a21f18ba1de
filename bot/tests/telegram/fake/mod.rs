//! A Telegram of its own for the tests: the Bot API over HTTP, written from its documentation: its state, what each bot
//! is told of it and in which ids, its limits and its errors. It knows nothing of the bot under test.
//!
//! The parts: `world` is the state; `http` and `methods` speak the protocol; `updates` decides who is told what; `html`
//! reads formatted text; `acting` is what people do, `looking` what a test sees, `trouble` what goes wrong.

mod acting;
mod html;
mod http;
mod looking;
mod methods;
mod payload;
mod trouble;
mod updates;
mod world;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{net::TcpListener, sync::Notify};
use tokio_util::task::AbortOnDropHandle;

pub use acting::Say;
use world::World;
pub use world::{FakeMessage, Kind};

/// The token of the bot; its id stands before the colon.
pub const TOKEN: &str = "900:the-token-of-a-bot-that-lives-in-tests";
/// The id of the bot.
pub const BOT: i64 = 900;
/// What the bot is called behind the `@`.
pub const USERNAME: &str = "CrewBot";

pub struct FakeTelegram {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Who brings updates to a webhook.
    couriers: Mutex<Vec<AbortOnDropHandle<()>>>,
    _server: AbortOnDropHandle<()>,
}

struct Shared {
    world: Mutex<World>,
    /// Something has changed.
    changed: Notify,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Changes the world and wakes whoever waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let value = change(&mut self.world());
        self.changed.notify_waiters();
        value
    }
}

impl FakeTelegram {
    /// A Telegram with one bot that reads everything in its groups.
    pub async fn start() -> Self {
        let mut world = World::default();
        world.add_bot(BOT, TOKEN, USERNAME);
        let shared = Arc::new(Shared { world: Mutex::new(world), changed: Notify::new() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = http::router(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { shared, address, couriers: Mutex::default(), _server: AbortOnDropHandle::new(server) }
    }

    /// Brings updates to the webhook of the bot as if a proxy at its address passed them on to `base`.
    pub fn brings_updates_to(&self, base: String) {
        let courier = tokio::spawn(http::bring(self.shared.clone(), base));
        self.couriers.lock().unwrap().push(AbortOnDropHandle::new(courier));
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
