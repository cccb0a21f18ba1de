//! A database of its own for each test.
//!
//! One private cluster, with fsync off, serves all tests of a user, whether they are threads or processes; its keeper
//! stops it some seconds after the last one. A template database is migrated once; each test gets a copy of it, which is
//! dropped with the value.

use std::{
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::PathBuf,
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use chat::{MessageKey, OutboxId};
use rustix::process::Pid;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{Cluster, ClusterOptions, Store, TurnState, migrations::MIGRATOR};

/// Long enough that consecutive test binaries of one run find the server still up.
const LINGER_SECONDS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(30);
/// Any number that nothing else locks.
const TEMPLATE_LOCK: i64 = 7_061_626_797;

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A migrated database that nobody else uses, dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    /// The database, connected.
    pub store: Store,
    /// Its URL, for a program under test.
    pub url: SecretString,
    name: String,
}

impl TestDatabase {
    /// Makes one.
    ///
    /// # Panics
    /// Where there is no PostgreSQL: a test cannot go on then.
    pub async fn new() -> TestDatabase {
        let cluster = tokio::task::spawn_blocking(cluster).await.expect("the cluster of the tests starts");
        let mut admin = connect(&cluster.url("postgres")).await;
        let template = ensure_template(cluster, &mut admin).await;
        let name = format!("test_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        execute(&mut admin, format!("drop database if exists {name} with (force)")).await;
        let strategy = copy_strategy(&mut admin).await;
        execute(&mut admin, format!("create database {name} template {template} {strategy}")).await;
        let url = cluster.url(&name);
        let store = Store::connect(&url, PATIENCE).await.expect("the test's database accepts connections");
        TestDatabase { store, url, name }
    }

    /// A connection of its own, for what a test looks at behind the store's back.
    pub async fn connection(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// Leaves a turn that was posted as a crash leaves it between the platform's answer and our own note of it: still
    /// being posted, and not in the history.
    pub async fn unmark_posted(&self, turn: OutboxId) {
        let mut connection = self.connection().await;
        let unmark = format!(
            "update outbox set state = 'posting', message_key = null, ended_at = null where outbox_id = {turn}"
        );
        execute(&mut connection, unmark).await;
        execute(&mut connection, format!("delete from message where nonce = 'outbox:{turn}'")).await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread with a runtime of its own, since this one may be the only thread of the test's.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let mut admin = connect(&cluster().url("postgres")).await;
                execute(&mut admin, statement).await;
            });
        })
        .join();
        // While another panic unwinds, a second one would hide it; what is left behind goes with the next run.
        assert!(dropped.is_ok() || thread::panicking(), "the test's database cannot be dropped");
    }
}

/// A turn as the outbox holds it, however it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Ours.
    pub id: OutboxId,
    /// What was to be said.
    pub text: String,
    /// How far it came.
    pub state: TurnState,
    /// The message that it became.
    pub message_key: Option<MessageKey>,
}

/// Every turn that a database has ever held, oldest first.
pub async fn outbox(url: &SecretString) -> Vec<OutboxRow> {
    let rows: Vec<(i64, String, String, Option<i64>)> =
        sqlx::query_as("select outbox_id, text, state, message_key from outbox order by outbox_id")
            .fetch_all(&mut connect(url).await)
            .await
            .expect("the outbox is read");
    let row = |(id, text, state, key): (i64, String, String, Option<i64>)| OutboxRow {
        id: OutboxId(id),
        text,
        state: state.parse().expect("the table holds only states"),
        message_key: key.map(MessageKey),
    };
    rows.into_iter().map(row).collect()
}

fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        let dir = shared_folder();
        Cluster::start_lingering(&ClusterOptions { dir, durable: false }, LINGER_SECONDS)
            .unwrap_or_else(|error| panic!("{error}"))
    })
}

/// One folder for each user; in the temporary folder, since the user that root starts servers as can enter that.
fn shared_folder() -> PathBuf {
    let ourselves = rustix::process::geteuid().as_raw();
    let dir = std::env::temp_dir().join(format!("groupchat-test-{ourselves}"));
    if let Err(error) = std::fs::DirBuilder::new().mode(0o755).create(&dir) {
        let owner = std::fs::symlink_metadata(&dir).map(|found| found.uid());
        assert!(owner.is_ok_and(|owner| owner == ourselves), "{} is not ours: {error}", dir.display());
    }
    dir
}

/// The template of these migrations, made by whoever comes first. Several versions may stand side by side.
async fn ensure_template(cluster: &Cluster, admin: &mut PgConnection) -> String {
    let checksums = MIGRATOR.iter().flat_map(|migration| migration.checksum.iter());
    let digest = checksums.fold(0_u64, |digest, byte| digest.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let template = format!("template_{digest:x}");
    if is_finished(admin, &template).await {
        return template;
    }
    execute(admin, format!("select pg_advisory_lock({TEMPLATE_LOCK})")).await;
    if !is_finished(admin, &template).await {
        drop_leftovers(admin).await;
        execute(admin, format!("drop database if exists {template} with (force)")).await;
        Store::connect(&cluster.url(&template), PATIENCE).await.expect("the migrations run").close().await;
        execute(admin, format!("alter database {template} allow_connections false")).await;
    }
    execute(admin, format!("select pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    template
}

/// A template is closed to connections when it is whole.
async fn is_finished(admin: &mut PgConnection, template: &str) -> bool {
    sqlx::query_scalar("select exists (select from pg_database where datname = $1 and not datallowconn)")
        .bind(template)
        .fetch_one(admin)
        .await
        .expect("the list of databases is read")
}

/// Drops the databases of test processes that were killed.
async fn drop_leftovers(admin: &mut PgConnection) {
    let names: Vec<String> = sqlx::query_scalar("select datname::text from pg_database where datname like 'test\\_%'")
        .fetch_all(&mut *admin)
        .await
        .expect("the list of databases is read");
    for name in names.iter().filter(|name| !is_in_use(name)) {
        execute(admin, format!("drop database if exists {name} with (force)")).await;
    }
}

fn is_in_use(name: &str) -> bool {
    let pid = name.split('_').nth(1).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// A copy of files takes a third of the time of a copy through the log; before version 15 there was no other way.
async fn copy_strategy(admin: &mut PgConnection) -> &'static str {
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(admin)
        .await
        .expect("the server tells its version");
    if version >= 150_000 { "strategy file_copy" } else { "" }
}

async fn connect(url: &SecretString) -> PgConnection {
    PgConnection::connect(url.expose_secret()).await.expect("the cluster of the tests accepts connections")
}

async fn execute(admin: &mut PgConnection, statement: String) {
    admin.execute(AssertSqlSafe(statement)).await.expect("the statement is right");
}
