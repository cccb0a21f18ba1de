//! Making an adapter known, so that the personas of its community speak with it.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use chat::{AdapterId, CommunityId, MemberId};
use chrono::{DateTime, Utc};
use model_runner::AdapterHeader;
use store::{NewAdapter, Store, StoreError};

/// The longest name of an adapter, in bytes.
const MAX_NAME: usize = 64;

/// Makes an adapter known, in the place of an earlier version of its name. A bot that runs on the same history speaks with
/// it from the next reply on; where a member withdrew while it was being trained, it is stale from the start.
///
/// # Errors
/// A sentence with the remedy, where the name or the file will not do, or a member is not of the community.
pub async fn register(
    store: &Store,
    community: CommunityId,
    name: &str,
    path: &Path,
    members: &[MemberId],
    now: DateTime<Utc>,
) -> anyhow::Result<AdapterId> {
    let is_plain = !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(|c| c.is_control() || c == '/');
    ensure!(is_plain, "\"{name}\" is no name for an adapter; give one of 1 to {MAX_NAME} bytes without a slash");
    ensure!(!members.is_empty(), "it is not known whom {} was trained on; say it with --members-of", path.display());
    // The runner may have another working directory.
    let whole =
        path.canonicalize().with_context(|| format!("there is no {}; give the adapter's file", path.display()))?;
    read_header(&whole)?;
    let path = whole.to_str().with_context(|| format!("{} is not UTF-8; rename the file", whole.display()))?;
    let new = NewAdapter { community, name, path, members, made_at: now };
    match store.add_adapter(&new).await {
        Err(StoreError::Unknown { .. }) => {
            anyhow::bail!(
                "the adapter was trained on people who are no members of this community; choose theirs with --community"
            )
        }
        added => Ok(added?),
    }
}

/// What an adapter's file says about it.
///
/// # Errors
/// A sentence that names the file, where it is no adapter.
pub fn read_header(file: &Path) -> anyhow::Result<AdapterHeader> {
    AdapterHeader::read(file).map_err(|reason| anyhow!("cannot use {} as an adapter: {reason}", file.display()))
}
