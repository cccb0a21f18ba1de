//! Who really wrote what a persona said: which model, and who led to it.

use chat::{MemberId, MessageKey, Persona, RoomId};
use chrono::{DateTime, Utc};

use crate::{
    Result, Store,
    personas::{PersonaRow, persona_columns},
};

/// How a generated message came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorship {
    /// Who seemed to say it, even where the member no longer agrees: this is for showing and deleting what was said.
    pub persona: Persona,
    /// What found the words; empty where that was not written down.
    pub voice: String,
    /// Whose message or command led to it.
    pub caused_by: Option<MemberId>,
    /// The cause of its turn; empty where the turn is gone.
    pub cause: String,
    /// When it was said.
    pub sent_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct AuthorshipRow {
    #[sqlx(flatten)]
    persona: PersonaRow,
    voice: String,
    caused_by: Option<i32>,
    cause: String,
    sent_at: DateTime<Utc>,
}

impl From<AuthorshipRow> for Authorship {
    fn from(row: AuthorshipRow) -> Self {
        Authorship {
            persona: row.persona.into(),
            voice: row.voice,
            caused_by: row.caused_by.map(MemberId),
            cause: row.cause,
            sent_at: row.sent_at,
        }
    }
}

impl Store {
    /// How a message came about; none where it is unknown, deleted, or was said by a human.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn authorship(&self, room: RoomId, key: MessageKey) -> Result<Option<Authorship>> {
        // The turn also knows the voice where the platform's echo of the message was recorded first.
        let row: Option<AuthorshipRow> = sqlx::query_as(concat!(
            "select coalesce(g.voice, o.voice, '') as voice, coalesce(g.caused_by, o.caused_by) as caused_by,
                coalesce(o.cause, '') as cause, g.sent_at,",
            persona_columns!(),
            "from message g join persona p on p.persona_id = g.persona_id join member m on m.member_id = p.member_id
             left join lateral (
                select voice, caused_by, cause from outbox
                where room_id = g.room_id and message_key = g.message_key and persona_id = g.persona_id
                order by outbox_id limit 1
             ) o on true
             where g.room_id = $1 and g.message_key = $2 and g.origin = 'generated' and g.deleted_at is null"
        ))
        .bind(room.0)
        .bind(key.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Authorship::from))
    }

    /// The latest message of a room that a persona said and that is not deleted.
    ///
    /// # Errors
    /// See [`StoreError`](crate::StoreError).
    pub async fn latest_generated(&self, room: RoomId) -> Result<Option<MessageKey>> {
        let key: Option<i64> = sqlx::query_scalar(
            "select message_key from message where room_id = $1 and origin = 'generated' and deleted_at is null
             order by message_key desc limit 1",
        )
        .bind(room.0)
        .fetch_optional(&self.pool)
        .await?;
        Ok(key.map(MessageKey))
    }
}

#[cfg(test)]
mod tests {
    use chat::{Author, Consent, Origin};

    use super::*;
    use crate::{
        NewMessage,
        scene::{Scene, at, said},
    };

    async fn authorship(scene: &Scene, key: i64) -> Option<Authorship> {
        scene.store().authorship(scene.room, MessageKey(key)).await.unwrap()
    }

    /// A scene in which Ada's persona said 40, because of Bob, and Bob 41.
    async fn told() -> (Scene, Authorship) {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        assert_eq!(turn.voice, "Markov chain");
        scene.store().finish_post(&turn, MessageKey(40), at(40)).await.unwrap();
        scene.store().record(scene.room, &said(41, scene.bob.id, "who was that?")).await.unwrap();
        let expected = Authorship {
            persona,
            voice: "Markov chain".to_owned(),
            caused_by: Some(scene.bob.id),
            cause: "reply:1".to_owned(),
            sent_at: at(40),
        };
        (scene, expected)
    }

    #[tokio::test]
    async fn what_a_persona_said_is_traced_even_after_a_refusal() {
        let (scene, expected) = told().await;
        assert_eq!(authorship(&scene, 40).await.as_ref(), Some(&expected));
        assert_eq!(authorship(&scene, 41).await, None);
        assert_eq!(scene.store().latest_generated(scene.room).await.unwrap(), Some(MessageKey(40)));
        scene.store().set_consent(scene.ada.id, Consent::Refused, at(50)).await.unwrap();
        assert_eq!(authorship(&scene, 40).await, Some(expected));
        scene.store().delete_messages(scene.room, &[MessageKey(40)], at(60)).await.unwrap();
        assert_eq!(authorship(&scene, 40).await, None);
        assert_eq!(scene.store().latest_generated(scene.room).await.unwrap(), None);
    }

    #[tokio::test]
    async fn who_led_to_it_and_was_forgotten_is_not_named() {
        let (scene, expected) = told().await;
        scene.store().forget_member(scene.bob.id, at(50)).await.unwrap();
        assert_eq!(authorship(&scene, 40).await, Some(Authorship { caused_by: None, ..expected.clone() }));
        let turn = scene.enqueue(&expected.persona, "reply:2").await.unwrap();
        scene.store().finish_post(&turn, MessageKey(42), at(51)).await.unwrap();
        assert_eq!(authorship(&scene, 42).await.unwrap().caused_by, None);
    }

    #[tokio::test]
    async fn the_turn_remembers_what_the_message_does_not() {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let turn = scene.enqueue(&persona, "reply:1").await.unwrap();
        let author = Author::Persona(persona.id);
        let echo = NewMessage { author, origin: Origin::Generated, ..said(40, scene.ada.id, "as I said") };
        let alone = NewMessage { key: MessageKey(39), ..echo };
        scene.store().record_batch(scene.room, &[alone, echo]).await.unwrap();
        scene.store().finish_post(&turn, MessageKey(40), at(40)).await.unwrap();
        let found = authorship(&scene, 40).await.unwrap();
        assert_eq!((found.voice.as_str(), found.caused_by), ("Markov chain", Some(scene.bob.id)));
        let alone = authorship(&scene, 39).await.unwrap();
        assert_eq!((alone.voice.as_str(), alone.caused_by, alone.cause.as_str()), ("", None, ""));
    }
}
