//! The user that the server runs as: ourselves, or as root an unprivileged one, since PostgreSQL refuses root.

use std::{
    fs,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::error::ClusterError;

/// The user that the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    name: String,
    uid: u32,
    gid: u32,
    /// Whether that is somebody else than we are, which takes root.
    other: bool,
}

impl Owner {
    /// Ourselves; as root the owner of the data, where there is some, else `postgres`, else `nobody`.
    pub(super) fn of(data: &Path) -> Result<Owner, ClusterError> {
        let ourselves = rustix::process::geteuid().as_raw();
        let made_by = fs::metadata(data).ok().map(|metadata| metadata.uid());
        if ourselves != 0 {
            return match made_by {
                Some(owner) if owner != ourselves => {
                    Err(ClusterError::ForeignFolder { folder: data.to_owned(), owner })
                }
                _ => Ok(Owner {
                    name: ourselves.to_string(),
                    uid: ourselves,
                    gid: rustix::process::getegid().as_raw(),
                    other: false,
                }),
            };
        }
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        choose(&accounts, made_by).ok_or(ClusterError::NobodyToRunAs)
    }

    /// A command that runs a program as this user, with no terminal and no input.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_remove("PGDATA").stdin(Stdio::null());
        if self.other {
            // This also drops the supplementary groups of root.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder to this user.
    pub(super) fn adopt(&self, path: &Path) -> Result<(), ClusterError> {
        if self.other {
            chown(path, Some(self.uid), Some(self.gid)).map_err(ClusterError::io(format!(
                "give {} to the user {}",
                path.display(),
                self.name
            )))?;
        }
        Ok(())
    }

    /// Makes a folder that only this user (and root) can enter, or checks that it is one.
    pub(super) fn private_folder(&self, path: &Path) -> Result<(), ClusterError> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => return self.adopt(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ClusterError::io(format!("make {}", path.display()))(error)),
        }
        // Not `metadata`: in a temporary folder a stranger may have left a link here.
        let found = fs::symlink_metadata(path).map_err(ClusterError::io(format!("look at {}", path.display())))?;
        let private = found.is_dir() && found.mode() & 0o077 == 0;
        if found.uid() == 0 && self.other && private {
            // We were killed between making it and giving it away.
            return self.adopt(path);
        }
        if !private || found.uid() != self.uid {
            return Err(ClusterError::ForeignFolder { folder: path.to_owned(), owner: found.uid() });
        }
        Ok(())
    }

    /// Checks that this user can reach `folder` through all its parents.
    pub(super) fn check_can_enter(&self, folder: &Path) -> Result<(), ClusterError> {
        if !self.other {
            return Ok(());
        }
        let mut folders: Vec<&Path> = folder.ancestors().collect();
        folders.reverse();
        for folder in folders {
            let metadata = fs::metadata(folder).map_err(ClusterError::io(format!("look at {}", folder.display())))?;
            if !self.may_enter(metadata.mode(), metadata.uid(), metadata.gid()) {
                return Err(ClusterError::ClosedFolder { folder: PathBuf::from(folder), user: self.name.clone() });
            }
        }
        Ok(())
    }

    fn may_enter(&self, mode: u32, uid: u32, gid: u32) -> bool {
        let bit = if uid == self.uid {
            0o100
        } else if gid == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }
}

/// Picks from /etc/passwd whom root starts the server as. Data that is already there decides, unless it is root's own.
fn choose(accounts: &str, made_by: Option<u32>) -> Option<Owner> {
    let all: Vec<Owner> = accounts.lines().filter_map(account).collect();
    let owner_of_data = made_by.filter(|uid| *uid != 0).and_then(|uid| all.iter().find(|owner| owner.uid == uid));
    let named = |name: &str| all.iter().find(|owner| owner.name == name && owner.uid != 0);
    owner_of_data.or_else(|| named("postgres")).or_else(|| named("_postgres")).or_else(|| named("nobody")).cloned()
}

/// Reads `postgres:x:105:110:PostgreSQL administrator:/var/lib/postgresql:/bin/bash`. macOS writes `nobody` as -2.
fn account(line: &str) -> Option<Owner> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let mut number = || fields.next()?.parse::<i64>().ok().map(|id| id as u32);
    let (_password, uid, gid) = (number(), number()?, number()?);
    Some(Owner { name, uid, gid, other: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:*:-2:-2:Nobody:/:/bin/false\n\
        postgres:x:105:110:PG:/var/lib/postgresql:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n";

    fn chosen(accounts: &str, made_by: Option<u32>) -> Option<(String, u32, u32)> {
        choose(accounts, made_by).map(|owner| (owner.name, owner.uid, owner.gid))
    }

    #[test]
    fn root_runs_the_server_as_the_owner_of_the_data_else_postgres_else_nobody() {
        assert_eq!(chosen(ACCOUNTS, None), Some(("postgres".to_owned(), 105, 110)));
        assert_eq!(chosen(ACCOUNTS, Some(1000)), Some(("ada".to_owned(), 1000, 1000)));
        assert_eq!(chosen(ACCOUNTS, Some(0)), Some(("postgres".to_owned(), 105, 110)));
        let without = ACCOUNTS.replace("postgres", "someone");
        assert_eq!(chosen(&without, None), Some(("nobody".to_owned(), u32::MAX - 1, u32::MAX - 1)));
        assert_eq!(chosen("root:x:0:0:root:/root:/bin/bash", None), None);
    }

    #[test]
    fn a_folder_is_entered_by_the_bit_of_the_class_that_fits_first() {
        let owner = account("ada:x:7:8::/:/bin/sh").unwrap();
        assert!(owner.may_enter(0o700, 7, 0));
        assert!(!owner.may_enter(0o077, 7, 8));
        assert!(owner.may_enter(0o710, 0, 8));
        assert!(!owner.may_enter(0o701, 0, 8));
        assert!(owner.may_enter(0o701, 0, 0));
        assert!(!owner.may_enter(0o770, 0, 0));
    }
}
