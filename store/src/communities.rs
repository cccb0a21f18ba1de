//! Communities: a Discord server, a Telegram group, one imported archive.

use chat::{CommunityId, Platform};

use crate::{Result, Store, StoreError, storable};

/// A community as a platform names it.
#[derive(Debug, Clone, Copy)]
pub struct NewCommunity<'a> {
    /// Where it lives.
    pub platform: Platform,
    /// What the platform calls it.
    pub external_id: &'a str,
    /// Its name for people; empty where it is not known.
    pub title: &'a str,
}

/// A community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Community {
    /// Ours.
    pub id: CommunityId,
    /// Where it lives.
    pub platform: Platform,
    /// What the platform calls it.
    pub external_id: String,
    /// Its name for people; may be empty.
    pub title: String,
}

#[derive(sqlx::FromRow)]
struct CommunityRow {
    community_id: i32,
    platform: String,
    external_id: String,
    title: String,
}

impl TryFrom<CommunityRow> for Community {
    type Error = StoreError;

    fn try_from(row: CommunityRow) -> Result<Self> {
        Ok(Community {
            id: CommunityId(row.community_id),
            platform: row.platform.parse()?,
            external_id: row.external_id,
            title: row.title,
        })
    }
}

impl Store {
    /// Finds or adds a community. Its title follows the given one unless that is empty.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn community(&self, new: &NewCommunity<'_>) -> Result<Community> {
        let row: CommunityRow = sqlx::query_as(
            "insert into community as c (platform, external_id, title) values ($1, $2, $3)
             on conflict (platform, external_id) do update set title = coalesce(nullif(excluded.title, ''), c.title)
             returning community_id, platform, external_id, title",
        )
        .bind(new.platform.as_str())
        .bind(new.external_id)
        .bind(storable(new.title))
        .fetch_one(&self.pool)
        .await?;
        row.try_into()
    }
}
