//! What is set in a room, as one document: it is read and written whole, and no query looks into it.

use chat::{MemberId, RoomId, RoomSettings};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Result, Store, StoreError};

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
        sqlx::query(
            "insert into room_setting (room_id, settings, changed_by, changed_at) values ($1, $2, $3, $4)
             on conflict (room_id) do update set
                settings = excluded.settings, changed_by = excluded.changed_by, changed_at = excluded.changed_at",
        )
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
