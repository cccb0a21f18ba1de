//! The group's history and everything else that must outlive the program, in PostgreSQL.
//!
//! This is the only crate that holds SQL. Each file serves one table (or one question asked of it) as an `impl Store`
//! block; its row structs are private and become the types of `chat` by `TryFrom`. A write is one idempotent statement,
//! or one transaction where that cannot be. Locks are taken in the order community, member, lease, outbox, cast,
//! settings, message, persona, adapter, and rows of one table by rising key where several are taken, so that no two
//! calls can wait for each other.
//!
//! It knows nothing of platforms, of prompts or of who speaks next.

mod accounts;
mod adapters;
mod authorship;
mod backfills;
mod changes;
pub mod cluster;
mod communities;
mod consent;
mod departures;
mod error;
mod feedback;
mod history;
mod imports;
mod leases;
mod member_data;
mod members;
mod merging;
mod messages;
mod migrations;
mod outbox;
mod personas;
mod reactions;
mod recognition;
mod rooms;
#[cfg(test)]
mod scene;
mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::{borrow::Cow, str::FromStr, time::Duration};

use migrations::MIGRATOR;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub use adapters::{Adapter, NewAdapter, Stale};
pub use authorship::Authorship;
pub use backfills::{Backfill, BackfillState};
pub use changes::{Change, Changes};
pub use cluster::{Cluster, ClusterError, ClusterOptions};
pub use communities::{Community, NewCommunity};
pub use consent::Forgotten;
pub use error::{Result, StoreError};
pub use feedback::Verdict;
pub use history::{Sources, Spoken};
pub use leases::Lease;
pub use member_data::{
    MemberData, NameSeen, Opinion, PersonaSaid, ReactionGiven, SaidMessage, SaidOfConsent, TrainedAdapter, Wording,
};
pub use members::{MemberActivity, NewMember, Sighting};
pub use messages::{BatchOutcome, NewMessage, Recorded};
pub use outbox::{NewTurn, Turn, TurnEnd, TurnState};
pub use reactions::NewReaction;
pub use recognition::Unnumbered;
pub use rooms::{NewRoom, Room};

/// Enough for the rooms of a busy group: a query takes about a millisecond, and a small machine gains nothing from more.
const MAX_CONNECTIONS: u32 = 10;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The database. A clone is another handle on the same connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects, creating the database if the server does not have it yet, and brings the schema up to date.
    ///
    /// A server that is starting or away is waited for, up to `patience`.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], [`StoreError::Migration`], or what the last attempt met.
    pub async fn connect(url: &SecretString, patience: Duration) -> Result<Store> {
        let options = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| StoreError::BadUrl)?
            .application_name("groupchat")
            .disable_statement_logging();
        reach(&options, patience).await?;
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        MIGRATOR.run(&pool).await?;
        Ok(Store { pool })
    }

    /// Closes the connections, after the queries in flight. Later calls fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Waits until the server answers and has the database, making the latter if it is missing.
async fn reach(options: &PgConnectOptions, patience: Duration) -> Result<()> {
    let mut last = StoreError::Unavailable(sqlx::Error::PoolTimedOut);
    let attempts = async {
        loop {
            match reach_once(options).await {
                Err(error) if error.is_transient() => last = error,
                answer => return answer,
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    };
    match tokio::time::timeout(patience, attempts).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(last),
    }
}

async fn reach_once(options: &PgConnectOptions) -> Result<()> {
    match PgConnection::connect_with(options).await {
        Ok(connection) => Ok(connection.close().await?),
        Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some(NO_SUCH_DATABASE) => {
            create_database(options).await
        }
        Err(error) => Err(error.into()),
    }
}

const NO_SUCH_DATABASE: &str = "3D000";
const DATABASE_EXISTS: &str = "42P04";

async fn create_database(options: &PgConnectOptions) -> Result<()> {
    let name = options.get_database().unwrap_or_else(|| options.get_username()).to_owned();
    let mut connection = PgConnection::connect_with(&options.clone().database("postgres")).await?;
    let statement = format!("create database {}", quoted(&name));
    match connection.execute(AssertSqlSafe(statement)).await {
        Ok(_) => tracing::info!(database = name, "created the database"),
        // Another process was faster.
        Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some(DATABASE_EXISTS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(connection.close().await?)
}

/// An SQL identifier, for the few statements that take no parameters.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What PostgreSQL can keep of a text: it has no zero bytes.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, said};

    #[tokio::test]
    async fn connecting_again_leaves_a_filled_database_as_it_is() {
        let scene = Scene::new().await;
        scene.store().record(scene.room, &said(1, scene.ada.id, "hi")).await.unwrap();
        let again = Store::connect(&scene.database.url, Duration::from_secs(5)).await.unwrap();
        assert_eq!(again.room_message_count(scene.room).await.unwrap(), 1);
        again.close().await;
    }

    #[tokio::test]
    async fn a_database_that_is_missing_is_made() {
        let scene = Scene::new().await;
        let url: SecretString = scene.database.url.expose_secret().replace("/test_", "/test_made_by_").into();
        let store = Store::connect(&url, Duration::from_secs(5)).await.unwrap();
        assert_eq!(store.rooms_with_cast().await.unwrap(), []);
        store.close().await;
        let name = url.expose_secret().split(['/', '?']).nth(3).unwrap().to_owned();
        let mut connection = scene.database.connection().await;
        connection.execute(AssertSqlSafe(format!("drop database {}", quoted(&name)))).await.unwrap();
    }

    #[tokio::test]
    async fn the_password_in_a_url_is_in_no_error() {
        for url in ["postgres://ada:hunter2@[::1/x", "postgres://ada:hunter2@127.0.0.1:1/x", "hunter2"] {
            let error = Store::connect(&url.to_owned().into(), Duration::from_millis(1)).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_away_may_come_back() {
        let url: SecretString = "postgres://postgres@localhost/x?host=%2Fnowhere".to_owned().into();
        let error = Store::connect(&url, Duration::from_millis(1)).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(!Store::connect(&"nonsense".to_owned().into(), Duration::ZERO).await.unwrap_err().is_transient());
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_not_touched() {
        let scene = Scene::new().await;
        let mut connection = scene.database.connection().await;
        connection
            .execute(
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9999, 'from the future', true, '', 0)",
            )
            .await
            .unwrap();
        let error = Store::connect(&scene.database.url, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.to_string().contains("last used by a newer groupchat"), "{error}");
    }
}
