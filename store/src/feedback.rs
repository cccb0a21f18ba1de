//! Feedback: what people thought of what personas said.

use std::str::FromStr;

use chat::{MemberId, MessageKey, RoomId, message::UnknownName};
use chrono::{DateTime, Utc};

use crate::{Result, Store};

/// An opinion of a generated message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Well said.
    Up,
    /// Badly said.
    Down,
    /// Say something else.
    Reroll,
}

impl Verdict {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Up => "up",
            Verdict::Down => "down",
            Verdict::Reroll => "reroll",
        }
    }
}

impl FromStr for Verdict {
    type Err = UnknownName;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownName> {
        [Verdict::Up, Verdict::Down, Verdict::Reroll]
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
            .ok_or_else(|| UnknownName(name.to_owned(), "verdict"))
    }
}

impl Store {
    /// Writes down what a member thinks of a message. False where that is known already, where the message is unknown,
    /// deleted or a human's, and where the member asked to be forgotten or is of another community.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn record_feedback(
        &self,
        room: RoomId,
        key: MessageKey,
        by: MemberId,
        verdict: Verdict,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        let recorded = sqlx::query(
            "insert into feedback (room_id, message_key, member_id, verdict, said_at)
             select g.room_id, g.message_key, a.member_id, $4, $5
             from member a join room r using (community_id) join message g using (room_id)
             where g.room_id = $1 and g.message_key = $2 and g.origin = 'generated' and g.deleted_at is null
                and a.member_id = $3 and a.forgotten_at is null
             for share of a, g
             on conflict do nothing",
        )
        .bind(room.0)
        .bind(key.0)
        .bind(by.0)
        .bind(verdict.as_str())
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(recorded.rows_affected() > 0)
    }

    /// Takes an opinion back.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn take_back_feedback(
        &self,
        room: RoomId,
        key: MessageKey,
        by: MemberId,
        verdict: Verdict,
    ) -> Result<()> {
        sqlx::query("delete from feedback where room_id = $1 and message_key = $2 and member_id = $3 and verdict = $4")
            .bind(room.0)
            .bind(key.0)
            .bind(by.0)
            .bind(verdict.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// How many people share each opinion of each of the messages, by key and in the order of [`Verdict`].
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn feedback(&self, room: RoomId, keys: &[MessageKey]) -> Result<Vec<(MessageKey, Verdict, i64)>> {
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "select message_key, verdict, count(*) from feedback where room_id = $1 and message_key = any ($2)
             group by 1, 2",
        )
        .bind(room.0)
        .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        let counted = rows.into_iter().map(|(key, verdict, count)| Ok((MessageKey(key), verdict.parse()?, count)));
        let mut counted = counted.collect::<Result<Vec<_>>>()?;
        counted.sort_unstable();
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, at, community, member, said};

    /// A scene in which Ada's persona said 40, and Bob 41.
    async fn scene() -> Scene {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        scene.store().finish_post(&turn, MessageKey(40), at(40)).await.unwrap();
        scene.store().record(scene.room, &said(41, scene.bob.id, "hm")).await.unwrap();
        scene
    }

    async fn say(scene: &Scene, key: i64, by: MemberId, verdict: Verdict) -> bool {
        scene.store().record_feedback(scene.room, MessageKey(key), by, verdict, at(50)).await.unwrap()
    }

    async fn said_of_40(scene: &Scene) -> Vec<(Verdict, i64)> {
        let feedback = scene.store().feedback(scene.room, &[40, 41].map(MessageKey)).await.unwrap();
        feedback.into_iter().map(|(_, verdict, count)| (verdict, count)).collect()
    }

    #[tokio::test]
    async fn an_opinion_counts_once_and_can_be_taken_back() {
        let scene = scene().await;
        assert!(say(&scene, 40, scene.bob.id, Verdict::Up).await);
        assert!(!say(&scene, 40, scene.bob.id, Verdict::Up).await);
        assert!(say(&scene, 40, scene.bob.id, Verdict::Reroll).await);
        assert!(say(&scene, 40, scene.ada.id, Verdict::Up).await);
        assert_eq!(said_of_40(&scene).await, [(Verdict::Up, 2), (Verdict::Reroll, 1)]);
        let store = scene.store();
        store.take_back_feedback(scene.room, MessageKey(40), scene.bob.id, Verdict::Up).await.unwrap();
        assert_eq!(said_of_40(&scene).await, [(Verdict::Up, 1), (Verdict::Reroll, 1)]);
    }

    #[tokio::test]
    async fn only_members_have_opinions_and_only_of_what_personas_said() {
        let scene = scene().await;
        let elsewhere = community(scene.store(), "strangers").await;
        let stranger = member(scene.store(), &elsewhere, "ada").await;
        assert!(!say(&scene, 40, stranger.id, Verdict::Up).await);
        assert!(!say(&scene, 41, scene.ada.id, Verdict::Up).await, "a human said it");
        assert!(!say(&scene, 42, scene.ada.id, Verdict::Up).await, "nobody said it");
    }

    #[tokio::test]
    async fn opinions_go_with_the_message_and_with_their_member() {
        let scene = scene().await;
        for member in [scene.ada.id, scene.bob.id] {
            assert!(say(&scene, 40, member, Verdict::Down).await);
        }
        scene.store().forget_member(scene.bob.id, at(60)).await.unwrap();
        assert_eq!(said_of_40(&scene).await, [(Verdict::Down, 1)]);
        assert!(!say(&scene, 40, scene.bob.id, Verdict::Down).await);
        scene.store().delete_messages(scene.room, &[MessageKey(40)], at(61)).await.unwrap();
        assert_eq!(said_of_40(&scene).await, []);
        assert!(!say(&scene, 40, scene.ada.id, Verdict::Down).await);
    }
}
