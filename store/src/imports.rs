//! Which files were read to their end, so that a start need not read gigabytes again to find nothing new.

use chat::CommunityId;
use chrono::{DateTime, Utc};

use crate::{Result, Store};

impl Store {
    /// Whether this very file was imported to its end into this community.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn is_imported(&self, community: CommunityId, source: &str) -> Result<bool> {
        let sql = "select exists (select from finished_import where community_id = $1 and source = $2)";
        Ok(sqlx::query_scalar(sql).bind(community.0).bind(source).fetch_one(&self.pool).await?)
    }

    /// Says that a file was imported to its end.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn import_finished(&self, community: CommunityId, source: &str, at: DateTime<Utc>) -> Result<()> {
        sqlx::query(
            "insert into finished_import (community_id, source, finished_at) values ($1, $2, $3)
             on conflict (community_id, source) do update set finished_at = excluded.finished_at",
        )
        .bind(community.0)
        .bind(source)
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::scene::{Scene, at};

    #[tokio::test]
    async fn a_file_counts_as_imported_where_it_was_and_only_as_it_was() {
        let scene = Scene::new().await;
        let (store, community) = (scene.store(), scene.community.id);
        store.import_finished(community, "a.json 10 1", at(1)).await.unwrap();
        store.import_finished(community, "a.json 10 1", at(2)).await.unwrap();
        assert!(store.is_imported(community, "a.json 10 1").await.unwrap());
        assert!(!store.is_imported(community, "a.json 11 2").await.unwrap(), "the file has grown");
        assert!(!store.is_imported(chat::CommunityId(community.0 + 1), "a.json 10 1").await.unwrap());
    }
}
