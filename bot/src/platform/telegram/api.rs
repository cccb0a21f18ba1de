//! The connection to Telegram's Bot API, and what its errors mean to us.

use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use teloxide::{
    ApiError, Bot, RequestError,
    adaptors::{
        Throttle,
        throttle::{Limits, Settings as ThrottleSettings},
    },
    types::ChatId,
};

use super::Settings;
use crate::platform::PostError;

/// How long one call may take. Waiting for the throttle does not count.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long Telegram holds a request for updates while there are none.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before a call is tried again that never got out, in seconds.
const RETRY_SECONDS: std::ops::Range<f32> = 0.5..3.0;

/// A bot that speaks: its messages wait for their turn under Telegram's limits.
pub(super) type Mouth = Throttle<Bot>;

/// What went wrong with a call, by what is to be done. No variant holds an address, which carries the token, nor what
/// Telegram answered, which may be a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It never got out. Try again later.
    #[error("Telegram could not be reached: {0}")]
    Unsent(String),
    /// It was too much; nothing was done. Try again after this time.
    #[error("Telegram wants us to wait for {} seconds", .0.as_secs())]
    Wait(Duration),
    /// It may have been done or not.
    #[error("it is not known what Telegram made of it: {0}")]
    Unclear(String),
    /// The token is not valid (any more).
    #[error("Telegram does not accept the token; @BotFather makes a new one (/token)")]
    Token,
    /// Somebody else asks for the updates, or they go to a webhook.
    #[error("something else gets the updates of this bot")]
    Conflict,
    /// The group is a supergroup with this id now. Nothing was done.
    #[error("the group has become a supergroup")]
    Moved(ChatId),
    /// We are not in the group (any more).
    #[error("I am not in this group (any more).")]
    PutOut,
    /// The message is gone, or is not ours.
    #[error("the message is gone")]
    MessageGone,
    /// The message reads so already.
    #[error("the message reads so already")]
    Unchanged,
    /// It will not be taken, for this reason.
    #[error("{0}")]
    Refused(String),
}

impl Fault {
    /// Whether it may help to try again.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Fault::Unsent(_) | Fault::Wait(_) | Fault::Unclear(_) | Fault::Conflict)
    }

    /// How long to wait before trying again: what Telegram says, or else a moment with chance in it.
    pub(super) fn pause(&self, rng: &mut impl Rng) -> Duration {
        match self {
            Fault::Wait(pause) => *pause,
            _ => Duration::from_secs_f32(rng.random_range(RETRY_SECONDS)),
        }
    }

    /// What it means for a post. What may have been done is never tried again: it cannot be looked up.
    pub(super) fn of_post(self, rng: &mut impl Rng) -> PostError {
        match self {
            Fault::Unsent(_) | Fault::Wait(_) => PostError::Retry { after: self.pause(rng), why: self.to_string() },
            Fault::Moved(_) => PostError::Retry { after: Duration::ZERO, why: self.to_string() },
            other => PostError::Refused(other.to_string()),
        }
    }
}

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Api(error) => meaning(&description(error)),
            RequestError::MigrateToChatId(chat) => Fault::Moved(chat),
            RequestError::RetryAfter(pause) => Fault::Wait(pause.duration()),
            // Their texts hold the address.
            RequestError::Network(error) if error.is_connect() => Fault::Unsent("no connection".to_owned()),
            RequestError::Network(error) if error.is_timeout() => Fault::Unclear("no answer in time".to_owned()),
            RequestError::Network(_) => Fault::Unclear("the connection broke".to_owned()),
            RequestError::InvalidJson { .. } => Fault::Unclear("its answer cannot be read".to_owned()),
            RequestError::Io(error) => Fault::Refused(format!("a file cannot be read: {error}")),
        }
    }
}

/// What Telegram wrote. The library knows some of it by other names.
fn description(error: ApiError) -> String {
    match error {
        ApiError::Unknown(text) => text,
        ApiError::InvalidToken => "Unauthorized".to_owned(),
        known => known.to_string(),
    }
}

/// Telegram tells its errors apart by text. These are as its server writes them.
fn meaning(text: &str) -> Fault {
    let has = |part: &str| text.contains(part);
    if has("was kicked") || has("is not a member") || has("chat not found") || has("deactivated") || has("was deleted")
    {
        return Fault::PutOut;
    }
    if has("message to delete not found") || has("message to edit not found") || has("can't be edited") {
        return Fault::MessageGone;
    }
    if has("not modified") {
        return Fault::Unchanged;
    }
    if has("not enough rights") || has("no rights") || has("WRITE_FORBIDDEN") {
        return Fault::Refused("I may not write here; let me, in the group's permissions.".to_owned());
    }
    if has("TOPIC_CLOSED") {
        return Fault::Refused("This topic is closed.".to_owned());
    }
    match text.split(':').next().unwrap_or(text) {
        "Unauthorized" | "Not Found" => Fault::Token,
        "Conflict" => Fault::Conflict,
        "Bad Request" | "Forbidden" | "Request Entity Too Large" => {
            Fault::Refused(format!("Telegram did not take it: {text}"))
        }
        _ => Fault::Unclear(text.to_owned()),
    }
}

/// The bot that listens: it holds a request open for as long as Telegram does.
///
/// # Errors
/// Where the address of the settings is none.
pub(super) fn ears(settings: &Settings) -> anyhow::Result<Bot> {
    bot(&settings.token, settings, POLL_TIMEOUT + CALL_TIMEOUT)
}

/// A bot that speaks.
///
/// # Errors
/// Where the address of the settings is none.
pub(super) fn mouth(token: &SecretString, settings: &Settings) -> anyhow::Result<Mouth> {
    let pace = settings.pace;
    let limits = Limits {
        messages_per_sec_chat: pace.chat_second,
        messages_per_min_chat: pace.group_minute,
        messages_per_min_channel_or_supergroup: pace.group_minute,
        messages_per_sec_overall: pace.second,
    };
    let bot = bot(token, settings, CALL_TIMEOUT)?;
    // How a limit that was met is waited for is our business: the outbox must know that nothing was posted.
    Ok(Throttle::spawn_with_settings(bot, ThrottleSettings::default().limits(limits).no_retry()))
}

fn bot(token: &SecretString, settings: &Settings, timeout: Duration) -> anyhow::Result<Bot> {
    let client = reqwest::Client::builder().timeout(timeout).connect_timeout(CONNECT_TIMEOUT).build();
    let bot = Bot::with_client(token.expose_secret(), client.context("cannot set up HTTPS")?);
    let Some(address) = &settings.api_url else { return Ok(bot) };
    let url: reqwest::Url = address
        .parse()
        .ok()
        .filter(|url: &reqwest::Url| url.has_host() && matches!(url.scheme(), "http" | "https"))
        .with_context(|| format!("telegram.api_url is \"{address}\", which is no address such as http://HOST:PORT"))?;
    Ok(bot.set_api_url(url))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn what_telegram_says_is_sorted_by_what_is_to_be_done() {
        assert_eq!(Fault::from(RequestError::Api(ApiError::InvalidToken)), Fault::Token);
        assert_eq!(Fault::from(RequestError::Api(ApiError::BotKickedFromSupergroup)), Fault::PutOut);
        assert_eq!(Fault::from(RequestError::Api(ApiError::MessageToDeleteNotFound)), Fault::MessageGone);
        assert_eq!(Fault::from(RequestError::Api(ApiError::TerminatedByOtherGetUpdates)), Fault::Conflict);
        assert_eq!(meaning("Forbidden: bot is not a member of the supergroup chat"), Fault::PutOut);
        let rights = meaning("Bad Request: not enough rights to send text messages to the chat");
        assert!(matches!(rights, Fault::Refused(why) if why.contains("permissions")));
        assert!(meaning("Bad Gateway").is_passing());
        assert!(!meaning("Bad Request: something new").is_passing());
    }

    #[test]
    fn what_may_have_been_posted_is_not_posted_again() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut retries = |fault: Fault| matches!(fault.of_post(&mut rng), PostError::Retry { .. });
        assert!(retries(Fault::Unsent(String::new())) && retries(Fault::Wait(Duration::from_secs(3))));
        assert!(retries(Fault::Moved(ChatId(-1001))));
        assert!(!retries(Fault::Unclear(String::new())));
    }
}
