//! The connection to Discord's REST interface, and what its errors mean to us.

use std::{fs, net::ToSocketAddrs, time::Duration};

use anyhow::Context;
use rand::Rng;
use secrecy::ExposeSecret;
use serenity::{
    Error,
    http::{Http, HttpBuilder, HttpError},
};

use super::Settings;
use crate::platform::PostError;

/// How long one call may take. Waiting for a rate limit does not count.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a call is tried again that failed for no fault of ours, in seconds.
const RETRY_SECONDS: std::ops::Range<f32> = 0.5..3.0;

/// Discord's codes that are acted upon, from its table of JSON error codes.
mod code {
    pub const UNKNOWN_CHANNEL: isize = 10_003;
    pub const UNKNOWN_MESSAGE: isize = 10_008;
    pub const UNKNOWN_WEBHOOK: isize = 10_015;
    pub const UNKNOWN_INTERACTION: isize = 10_062;
    pub const TOO_MANY_WEBHOOKS: isize = 30_007;
    pub const ALREADY_ACKNOWLEDGED: isize = 40_060;
    pub const MISSING_ACCESS: isize = 50_001;
    pub const MISSING_PERMISSIONS: isize = 50_013;
    pub const THREAD_ARCHIVED: isize = 50_083;
}

/// What went wrong with a call, by what is to be done. No variant holds an address: those of webhooks and interactions
/// carry a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Try again later.
    #[error("Discord could not be reached: {0}")]
    Passing(String),
    /// The token is not valid (any more).
    #[error("Discord does not accept the token; make a new one in the Developer Portal (Bot, Reset Token)")]
    Token,
    /// The webhook is gone. It must not be called again.
    #[error("the webhook is gone")]
    WebhookGone,
    /// The message is gone.
    #[error("the message is gone")]
    MessageGone,
    /// The interaction was answered already, or three seconds have passed.
    #[error("the interaction cannot be answered any more")]
    TooLate,
    /// It was answered already, which another process of ours may have done.
    #[error("the interaction was answered already")]
    Answered,
    /// A permission is missing; trying again does not help until somebody gives it.
    #[error("{0}")]
    Forbidden(String),
    /// It will not be taken, for this reason.
    #[error("{0}")]
    Refused(String),
}

impl Fault {
    /// Whether it may help to try again.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Fault::Passing(_))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Http(HttpError::UnsuccessfulRequest(answer)) => {
                meaning(answer.status_code.as_u16(), answer.error.code, &answer.error.message)
            }
            // Its text would hold the address.
            Error::Http(HttpError::Request(error)) => Fault::Passing(error.without_url().to_string()),
            Error::Http(error) => Fault::Refused(error.to_string()),
            Error::Json(error) => Fault::Passing(format!("an answer could not be read: {error}")),
            Error::Io(error) => Fault::Passing(error.to_string()),
            other => Fault::Refused(other.to_string()),
        }
    }
}

fn meaning(status: u16, code: isize, message: &str) -> Fault {
    match code {
        code::UNKNOWN_WEBHOOK => Fault::WebhookGone,
        code::UNKNOWN_MESSAGE => Fault::MessageGone,
        code::UNKNOWN_INTERACTION => Fault::TooLate,
        code::ALREADY_ACKNOWLEDGED => Fault::Answered,
        code::UNKNOWN_CHANNEL => Fault::Forbidden("That channel does not exist any more.".to_owned()),
        code::TOO_MANY_WEBHOOKS => Fault::Forbidden(
            "This channel has as many webhooks as Discord allows (15), and I need one of them to speak through; delete \
             one in the channel's settings under Integrations."
                .to_owned(),
        ),
        code::MISSING_ACCESS => Fault::Forbidden(
            "I cannot see this channel; give me View Channel and Read Message History here.".to_owned(),
        ),
        code::MISSING_PERMISSIONS => Fault::Forbidden(
            "I lack a permission in this channel; I need Manage Webhooks to speak as somebody, and Send Messages and Send \
             Messages in Threads."
                .to_owned(),
        ),
        code::THREAD_ARCHIVED => Fault::Forbidden("That thread is archived.".to_owned()),
        _ => match status {
            401 => Fault::Token,
            429 | 500..=599 => Fault::Passing(format!("it answered with status {status}")),
            403 => Fault::Forbidden(format!("Discord does not allow it: {message}")),
            _ => Fault::Refused(format!("Discord did not take it: {message}")),
        },
    }
}

impl Fault {
    /// What it means for a post.
    pub(crate) fn of_post(self, rng: &mut impl Rng) -> PostError {
        match self {
            Fault::Passing(why) => {
                PostError::Retry { after: Duration::from_secs_f32(rng.random_range(RETRY_SECONDS)), why }
            }
            other => PostError::Refused(other.to_string()),
        }
    }
}

/// The client for everything but the gateway. Its rate limiter follows the headers of each answer.
///
/// # Errors
/// Where the address or the certificate of the settings is none.
pub(super) fn connect(settings: &Settings) -> anyhow::Result<Http> {
    let mut client = reqwest::Client::builder().timeout(CALL_TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
    if let Some(address) = &settings.address {
        let mut found = address
            .to_socket_addrs()
            .with_context(|| format!("discord.address is \"{address}\", which cannot be looked up; it is HOST:PORT"))?;
        let found = found.next().with_context(|| format!("discord.address \"{address}\" leads nowhere"))?;
        // The library always asks for discord.com: with its rate limiter on, a base URL of its own would be ignored.
        client = client.resolve("discord.com", found);
    }
    if let Some(path) = &settings.tls_ca {
        let pem = fs::read(path).with_context(|| format!("cannot read discord.tls_ca {}", path.display()))?;
        let certificate = reqwest::Certificate::from_pem(&pem)
            .with_context(|| format!("discord.tls_ca {} holds no certificate in PEM", path.display()))?;
        client = client.add_root_certificate(certificate);
    }
    let client = client.build().context("cannot set up HTTPS")?;
    Ok(HttpBuilder::new(settings.token.expose_secret()).client(client).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_discord_says_is_sorted_by_what_is_to_be_done() {
        assert_eq!(meaning(404, 10_015, "Unknown Webhook"), Fault::WebhookGone);
        assert_eq!(meaning(401, 0, "401: Unauthorized"), Fault::Token);
        assert!(meaning(502, -1, "").is_passing() && meaning(429, 0, "").is_passing());
        assert!(
            matches!(meaning(403, 50_013, "Missing Permissions"), Fault::Forbidden(why) if why.contains("Manage Webhooks"))
        );
        assert!(matches!(meaning(400, 30_007, "Maximum"), Fault::Forbidden(why) if why.contains("(15)")));
        assert!(matches!(meaning(400, 50_035, "Invalid Form Body"), Fault::Refused(why) if why.contains("Invalid")));
    }
}
