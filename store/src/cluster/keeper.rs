//! The keeper: a process that outlives us, waits until nobody uses the cluster and then stops its server.
//!
//! It is a shell script over `flock` (util-linux, BusyBox) or else `perl` (macOS), since a library cannot start itself
//! again. Where neither exists the last user still stops the server when it leaves in good order, and a server that was
//! left behind is adopted by the next start.

use std::{
    fs::{File, TryLockError},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
};

use super::{binaries::Binaries, error::ClusterError, lock_file, owner::Owner};

/// `$0` is the users' lock file, `$1` that of the server, `$2` the seconds to linger, the rest the command that stops the
/// server. The exclusive lock is held until that command ends, so that whoever starts meanwhile waits for it. The command
/// fails where no server runs, but also where one is so young that it has not yet written its pid file; only the lock that
/// a server holds tells the two apart.
const SCRIPT: &str = r#"
users=$0 server=$1 linger=$2; shift 2
if command -v flock >/dev/null; then
    exec 9<>"$users"
    while flock -x 9; do
        flock -u 9
        sleep "$linger"
        flock -n -x 9 || continue
        until "$@" || flock -n "$server" true; do sleep 0.1; done
        exit
    done
elif command -v perl >/dev/null; then
    exec perl -e 'use Fcntl ":flock"; my ($users, $server, $linger, @stop) = @ARGV; open(my $lock, "+<", $users) or exit 1;
        open(my $alive, "<", $server) or exit 1;
        while (flock($lock, LOCK_EX)) { flock($lock, LOCK_UN); sleep $linger;
            flock($lock, LOCK_EX | LOCK_NB) or next;
            select(undef, undef, undef, 0.1) until system(@stop) == 0 or flock($alive, LOCK_EX | LOCK_NB);
            exit }' "$users" "$server" "$linger" "$@"
fi
"#;

/// The keeper of a cluster. It holds `keeper.lock` for as long as it lives.
#[derive(Debug)]
pub(super) struct Keeper {
    dir: PathBuf,
    linger_seconds: u32,
}

impl Keeper {
    pub(super) fn new(dir: &Path, linger_seconds: u32) -> Keeper {
        Keeper { dir: dir.to_owned(), linger_seconds }
    }

    pub(super) fn is_alive(&self) -> Result<bool, ClusterError> {
        Ok(self.vacancy()?.is_none())
    }

    /// Starts a keeper unless there is one.
    pub(super) fn ensure(&self, binaries: &Binaries, owner: &Owner) -> Result<(), ClusterError> {
        let Some(vacancy) = self.vacancy()? else { return Ok(()) };
        let mut keeper = owner
            .command(Path::new("sh"), &self.dir)
            .arg("-c")
            .arg(SCRIPT)
            .args(["users.lock", "server.lock"])
            .arg(self.linger_seconds.to_string())
            .arg(binaries.program("pg_ctl"))
            .args(["-D", "data", "-m", "fast", "-w", "-s", "stop"])
            // The lock is the file's, not ours: handed on as standard input it is the keeper's.
            .stdin(Stdio::from(vacancy))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the terminal is for us.
            .process_group(0)
            .spawn()
            .map_err(ClusterError::io("start `sh` as the keeper of the database"))?;
        // It has nothing to say; waiting only keeps it from staying a zombie of ours.
        thread::spawn(move || keeper.wait());
        Ok(())
    }

    /// The keeper's lock, if nobody holds it.
    fn vacancy(&self) -> Result<Option<File>, ClusterError> {
        let lock = lock_file(&self.dir.join("keeper.lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(ClusterError::io("look at keeper.lock")(error)),
        }
    }
}
