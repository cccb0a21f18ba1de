//! One webhook of ours in each channel that personas speak in: found again after a restart, made where there is none,
//! and made anew once when somebody deletes it.

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use secrecy::SecretString;
use serde::Deserialize;
use serenity::{
    http::{Http, LightMethod, Request, Route},
    model::id::{ApplicationId, ChannelId, WebhookId},
};
use tokio::{sync::Mutex, time::Instant};

use super::api::Fault;

/// What our webhooks are called in a channel's settings.
const NAME: &str = "groupchat";
/// How long a channel that refused us is left alone: Discord bans an address that keeps being refused.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// A webhook that is ours to speak through.
#[derive(Debug, Clone)]
pub(super) struct Hook {
    pub id: WebhookId,
    pub token: SecretString,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unknown,
    Ours(Hook),
    Refused(Instant, Fault),
}

/// The webhooks that are known. Each channel has a lock of its own, so that one never waits for another.
#[derive(Debug, Default)]
pub(super) struct Webhooks {
    channels: DashMap<ChannelId, Arc<Mutex<State>>>,
}

impl Webhooks {
    /// The webhook of a channel, which must not be a thread.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn of(&self, http: &Http, us: ApplicationId, channel: ChannelId) -> Result<Hook, Fault> {
        let state = self.channels.entry(channel).or_default().clone();
        let mut state = state.lock().await;
        match &*state {
            State::Ours(hook) => return Ok(hook.clone()),
            State::Refused(at, fault) if at.elapsed() < LEFT_ALONE => return Err(fault.clone()),
            State::Refused(..) | State::Unknown => {}
        }
        let found = find_or_make(http, us, channel).await;
        match &found {
            Ok(hook) => *state = State::Ours(hook.clone()),
            Err(fault @ Fault::Forbidden(_)) => *state = State::Refused(Instant::now(), fault.clone()),
            Err(_) => {}
        }
        found
    }

    /// Forgets the webhook of a channel: it is looked for again.
    pub(super) fn forget(&self, channel: ChannelId) {
        self.channels.remove(&channel);
    }

    /// Gives a channel that refused us another chance, since its permissions have changed.
    pub(super) fn forgive(&self, channel: ChannelId) {
        let refused =
            |state: &Arc<Mutex<State>>| state.try_lock().is_ok_and(|state| matches!(*state, State::Refused(..)));
        self.channels.remove_if(&channel, |_, state| refused(state));
    }

    /// Leaves a channel alone for a while, since it refused us.
    pub(super) async fn refused(&self, channel: ChannelId, fault: Fault) {
        let state = self.channels.entry(channel).or_default().clone();
        *state.lock().await = State::Refused(Instant::now(), fault);
    }
}

/// What is read of a webhook.
#[derive(Debug, Deserialize)]
struct Known {
    id: WebhookId,
    token: Option<SecretString>,
    application_id: Option<ApplicationId>,
}

async fn find_or_make(http: &Http, us: ApplicationId, channel: ChannelId) -> Result<Hook, Fault> {
    let route = Route::ChannelWebhooks { channel_id: channel };
    let there: Vec<Known> = http.fire(Request::new(route, LightMethod::Get)).await?;
    let ours = there.into_iter().filter(|hook| hook.application_id == Some(us));
    if let Some(hook) = ours.filter_map(hook_of).next() {
        return Ok(hook);
    }
    let wanted = serde_json::json!({ "name": NAME }).to_string().into_bytes();
    let made: Known = http.fire(Request::new(route, LightMethod::Post).body(Some(wanted))).await?;
    tracing::info!(%channel, "made a webhook");
    hook_of(made).ok_or_else(|| Fault::Refused("Discord made a webhook without a token.".to_owned()))
}

fn hook_of(hook: Known) -> Option<Hook> {
    Some(Hook { id: hook.id, token: hook.token? })
}
