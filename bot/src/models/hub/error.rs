//! Why the hub did not give what it was asked for, in sentences, and whether another try makes sense.

use std::time::Duration;

use reqwest::StatusCode;

/// Why the hub did not give what it was asked for, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// There is no connection. It may come back.
    #[error("{host} cannot be reached; look at the connection, or name a mirror in HF_ENDPOINT")]
    Unreachable {
        /// Who.
        host: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It broke, and can be gone on with.
    #[error("the connection to {host} broke; `groupchat model pull` goes on where it was")]
    Broken {
        /// With whom.
        host: String,
        /// Why.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// Nothing came for too long. It can be gone on with.
    #[error("{host} sent nothing for {} seconds; `groupchat model pull` goes on where it was", .waited.as_secs_f32())]
    Stalled {
        /// Who.
        host: String,
        /// How long.
        waited: Duration,
    },
    /// It wants fewer requests.
    #[error("{host} wants fewer requests (429){}; HF_TOKEN with a token of your account raises the limit",
        .retry_after.map_or_else(|| "; wait some minutes".to_owned(), |wait| format!("; wait {} seconds", wait.as_secs())))]
    Busy {
        /// Who.
        host: String,
        /// When to come again, if it says so.
        retry_after: Option<Duration>,
    },
    /// It does not work at present.
    #[error("{host} does not work at present ({status}); try again later, or name a mirror in HF_ENDPOINT")]
    Trouble {
        /// Who.
        host: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The file is another one now: what is here of it is of no use.
    #[error("the file was changed on the hub meanwhile; pull it again")]
    Changed,
    /// It cannot go on from where we were: what is here of it is of no use.
    #[error("{0} cannot send the rest of the file; pull it again")]
    NoRest(String),
    /// It gives the file to some people only.
    #[error(
        "{host} does not give {file} to everybody ({status}): accept its terms on {page}, make a token in your \
        account's settings there, and set HF_TOKEN to it"
    )]
    Locked {
        /// Who.
        host: String,
        /// What.
        file: String,
        /// Its answer.
        status: StatusCode,
        /// The repository's page.
        page: String,
    },
    /// It does not take the token.
    #[error(
        "{host} does not take the token in HF_TOKEN ({status}) for {file}; set a valid one that may read it, or unset it"
    )]
    BadToken {
        /// Who.
        host: String,
        /// What.
        file: String,
        /// Its answer.
        status: StatusCode,
    },
    /// There is no such file or repository; the sentence says what there is.
    #[error("{0}")]
    Missing(String),
    /// An answer that means nothing here.
    #[error("{host} answered {what}, which no hub does; is HF_ENDPOINT right?")]
    Strange {
        /// Who.
        host: String,
        /// With what.
        what: String,
    },
    /// It leads somewhere where nobody should go.
    #[error("{host} leads {whereto}; this is not followed")]
    Astray {
        /// Who.
        host: String,
        /// Where.
        whereto: String,
    },
}

/// Whether another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models) enum Retry {
    /// With the usual pauses.
    Soon,
    /// After this time at least.
    After(Duration),
    Never,
}

impl HubError {
    pub(in crate::models) fn retry(&self) -> Retry {
        match self {
            HubError::Busy { retry_after: Some(wait), .. } => Retry::After(*wait),
            HubError::Unreachable { .. }
            | HubError::Broken { .. }
            | HubError::Stalled { .. }
            | HubError::Busy { .. }
            | HubError::Trouble { .. }
            | HubError::Changed
            | HubError::NoRest(_) => Retry::Soon,
            HubError::Locked { .. }
            | HubError::BadToken { .. }
            | HubError::Missing(_)
            | HubError::Strange { .. }
            | HubError::Astray { .. } => Retry::Never,
        }
    }
}
