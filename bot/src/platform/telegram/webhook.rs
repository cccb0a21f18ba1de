//! Having what happens brought by Telegram, through a reverse proxy that speaks HTTPS.

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use rand::Rng;
use sha2::{Digest, Sha256};
use teloxide::{payloads::setters::*, prelude::Requester, types::Update};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::CancellationToken;

use super::{START_RETRY, Telegram, Webhook, api::Fault, updates, updates::Ear};

/// The header in which Telegram repeats the secret that we gave it.
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

struct Door {
    /// Updates are taken one after the other, as they would be fetched.
    ear: Mutex<Ear>,
    secret: [u8; 32],
}

/// Listens until the shutdown.
///
/// # Errors
/// A sentence with the remedy, where we cannot listen or Telegram will not have us.
pub(super) async fn serve(
    telegram: Arc<Telegram>,
    webhook: Webhook,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let url: reqwest::Url = webhook.url.parse().context("telegram.webhook_url is no address")?;
    let listener = TcpListener::bind(webhook.listen).await;
    let remedy =
        || format!("cannot listen on {}; set telegram.webhook_listen to an address that is free", webhook.listen);
    let listener = listener.with_context(remedy)?;
    // A new one at each start, so that nobody need keep it.
    let secret = telegram.with_rng(|rng| format!("{:032x}", rng.random::<u128>()));
    let ear = Mutex::new(Ear::new(telegram.clone(), shutdown.clone()));
    let door = Arc::new(Door { ear, secret: digest(secret.as_bytes()) });
    let app = Router::new().route(url.path(), post(receive)).with_state(door.clone());
    let serving = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let registering = async {
        let registered = register(&telegram, &url, &secret, &shutdown).await;
        if registered.is_err() {
            shutdown.cancel();
        }
        registered
    };
    let (served, registered) = tokio::join!(async { serving.await }, registering);
    registered?;
    served.context("the webhook cannot be served any more")?;
    match Arc::into_inner(door) {
        Some(door) => door.ear.into_inner().close().await,
        None => Ok(()),
    }
}

/// Tells Telegram where to bring things, until it knows.
async fn register(
    telegram: &Telegram,
    url: &reqwest::Url,
    secret: &str,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let (mut pause, longest) = START_RETRY;
    loop {
        let setting = telegram.ears.set_webhook(url.clone()).secret_token(secret).allowed_updates(updates::WANTED);
        match setting.await.map_err(Fault::from) {
            Ok(_) => {
                tracing::info!("Telegram brings what happens to the webhook");
                return Ok(());
            }
            Err(fault) if fault.is_passing() => tracing::warn!(%fault, "the webhook is not set yet"),
            Err(fault) => bail!("Telegram does not take telegram.webhook_url: {fault}"),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(longest),
        }
    }
}

/// Takes one update. What is not recorded yet is brought again.
async fn receive(State(door): State<Arc<Door>>, headers: HeaderMap, body: String) -> StatusCode {
    let given = headers.get(SECRET_HEADER).map(|secret| digest(secret.as_bytes()));
    if given != Some(door.secret) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(update) = serde_json::from_str::<Update>(&body) else { return StatusCode::BAD_REQUEST };
    match door.ear.lock().await.take(update).await {
        Ok(()) => StatusCode::OK,
        Err(updates::NotTaken) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Digests are compared, so that the time which that takes tells nothing of the secret.
fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}
