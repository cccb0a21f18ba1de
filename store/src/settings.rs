//! What is set in a room, as one document: it is read and written whole, and no query looks into it.

use chat::{MemberId, RoomId, RoomSettings};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Result, Store, StoreError, changes::announce_rooms};

impl Store {
    /// What is set in a room; the defaults where nothing is.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the document cannot be read.
    pub async fn settings(&self, room: RoomId) -> Result<RoomSettings> {
        let stored: Option<Value> = sqlx::query_scalar("select settings from room_setting where room_id = $1")
            .bind(room.0)
            .fetch_optional(&self.pool)
            .await?;
        stored.map_or_else(|| Ok(RoomSettings::default()), |stored| read(stored).map_err(unreadable))
    }

    /// Sets what is set in a room.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn save_settings(
        &self,
        room: RoomId,
        settings: &RoomSettings,
        by: Option<MemberId>,
        at: DateTime<Utc>,
    ) -> Result<()> {
        sqlx::query(concat!(
            "with saved as (
                insert into room_setting (room_id, settings, changed_by, changed_at) values ($1, $2, $3, $4)
                on conflict (room_id) do update set
                    settings = excluded.settings, changed_by = excluded.changed_by, changed_at = excluded.changed_at
                returning room_id
             ) ",
            announce_rooms!("saved")
        ))
        .bind(room.0)
        .bind(serde_json::to_value(settings).map_err(unreadable)?)
        .bind(by.map(|member| member.0))
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// A document written before a setting existed has that setting's default.
fn read(stored: Value) -> serde_json::Result<RoomSettings> {
    let mut document = serde_json::to_value(RoomSettings::default())?;
    if let (Value::Object(document), Value::Object(stored)) = (&mut document, stored) {
        document.extend(stored);
    }
    serde_json::from_value(document)
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: format!("room settings with a fault ({error})") }
}

#[cfg(test)]
mod tests {
    use chat::{ForcedSpeaker, MessageKey, Pacing, PersonaId, Sampling};
    use serde_json::json;

    use super::*;
    use crate::scene::{Scene, at};

    #[tokio::test]
    async fn what_is_set_comes_back_and_the_last_setting_stays() {
        let scene = Scene::new().await;
        let store = scene.store();
        assert_eq!(store.settings(scene.room).await.unwrap(), RoomSettings::default());
        let mut settings = RoomSettings {
            topic: Some("trains".to_owned()),
            speakers: vec![ForcedSpeaker { persona: PersonaId(7), weight: 0.25 }],
            pacing: Pacing::custom(0.1, 0.2, 30.5).unwrap(),
            idle_seconds: Some(60),
            sampling: Sampling::new(0.7, 0.95, 0).unwrap(),
            window_after: Some(MessageKey(i64::MAX - 1)),
        };
        store.save_settings(scene.room, &settings, Some(scene.bob.id), at(1)).await.unwrap();
        assert_eq!(store.settings(scene.room).await.unwrap(), settings);
        settings.topic = None;
        store.save_settings(scene.room, &settings, None, at(2)).await.unwrap();
        assert_eq!(store.settings(scene.room).await.unwrap(), settings);
    }

    #[test]
    fn a_document_from_before_a_setting_existed_is_read() {
        let settings = read(json!({ "topic": "trains" })).unwrap();
        assert_eq!(settings, RoomSettings { topic: Some("trains".to_owned()), ..RoomSettings::default() });
        assert!(read(json!({ "topic": 5 })).is_err());
    }
}
