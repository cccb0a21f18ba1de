//! Personas and the casts they are summoned into. Whoever does not consent (any more) has none that could be read.

use chat::{CommunityId, MayImitate, MemberId, Persona, PersonaId, RoomId};
use chrono::{DateTime, Utc};

use crate::{Result, Store, StoreError, changes::announce_rooms};

#[derive(sqlx::FromRow)]
pub(crate) struct PersonaRow {
    persona_id: i32,
    community_id: i32,
    member_id: i32,
    name: String,
    avatar_url: Option<String>,
}

impl From<PersonaRow> for Persona {
    fn from(row: PersonaRow) -> Self {
        Persona {
            id: PersonaId(row.persona_id),
            community: CommunityId(row.community_id),
            member: MemberId(row.member_id),
            name: row.name,
            avatar_url: row.avatar_url,
        }
    }
}

/// The columns of [`PersonaRow`] from persona `p` and its member `m`.
macro_rules! persona_columns {
    () => {
        " p.persona_id, m.community_id, m.member_id, m.name, m.avatar_url "
    };
}
pub(crate) use persona_columns;

/// What `Consent::allows_under` asks, of member `m` and its community `c`.
macro_rules! agrees {
    () => {
        " (m.consent in ('declared', 'granted') or (m.consent = 'unasked' and c.consent_policy = 'opt_out')) "
    };
}
pub(crate) use agrees;

/// What `Member::may_imitate` asks, of member `m` and its community `c`. A statement that writes because of it locks
/// both (`for share of c, m`): either may change its mind.
macro_rules! may_imitate {
    () => {
        concat!(" not m.is_bot and not m.departed and", $crate::personas::agrees!())
    };
}
pub(crate) use may_imitate;

impl Store {
    /// Finds or makes the persona of a member.
    ///
    /// # Errors
    /// [`StoreError::ConsentWithdrawn`] where the proof is older than a refusal.
    pub async fn persona(&self, proof: MayImitate) -> Result<Persona> {
        let row: Option<PersonaRow> = sqlx::query_as(concat!(
            "with willing as (
                select m.* from member m join community c using (community_id) where m.member_id = $1 and",
            may_imitate!(),
            "for share of c, m
             ), p as (
                insert into persona (member_id) select member_id from willing
                on conflict (member_id) do update set member_id = excluded.member_id
                returning persona_id, member_id
             )
             select",
            persona_columns!(),
            "from p join willing m using (member_id)"
        ))
        .bind(proof.member().0)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Persona::from).ok_or(StoreError::ConsentWithdrawn(proof.member()))
    }

    /// The personas of a community whose members consent, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn personas(&self, community: CommunityId) -> Result<Vec<Persona>> {
        let rows: Vec<PersonaRow> = sqlx::query_as(concat!(
            "select",
            persona_columns!(),
            "from persona p join member m using (member_id) join community c using (community_id)
             where m.community_id = $1 and",
            may_imitate!(),
            "order by m.name, p.persona_id"
        ))
        .bind(community.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Persona::from).collect())
    }

    /// Takes a persona into the cast of a room. False if it was there, if its member does not consent, or if it is of
    /// another community.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn summon(
        &self,
        room: RoomId,
        persona: PersonaId,
        by: Option<MemberId>,
        at: DateTime<Utc>,
    ) -> Result<bool> {
        let summoned = sqlx::query(concat!(
            "with willing as (
                select p.persona_id, r.room_id
                from persona p join member m using (member_id) join community c using (community_id)
                join room r using (community_id)
                where p.persona_id = $2 and r.room_id = $1 and",
            may_imitate!(),
            "for share of c, m
             ), summoned as (
                insert into room_persona (room_id, persona_id, summoned_by, summoned_at)
                select room_id, persona_id, $3, $4 from willing on conflict do nothing
                returning room_id
             ) ",
            announce_rooms!("summoned")
        ))
        .bind(room.0)
        .bind(persona.0)
        .bind(by.map(|member| member.0))
        .bind(at)
        .execute(&self.pool)
        .await?;
        Ok(summoned.rows_affected() > 0)
    }

    /// Takes a persona out of the cast of a room. False if it was not there.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn dismiss(&self, room: RoomId, persona: PersonaId) -> Result<bool> {
        let dismissed = sqlx::query(concat!(
            "with dismissed as (
                delete from room_persona where room_id = $1 and persona_id = $2 returning room_id
             ) ",
            announce_rooms!("dismissed")
        ))
        .bind(room.0)
        .bind(persona.0)
        .execute(&self.pool)
        .await?;
        Ok(dismissed.rows_affected() > 0)
    }

    /// The cast of a room, in the order of summoning; only those whose members consent.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cast(&self, room: RoomId) -> Result<Vec<Persona>> {
        let rows: Vec<PersonaRow> = sqlx::query_as(concat!(
            "select",
            persona_columns!(),
            "from room_persona s join persona p using (persona_id) join member m using (member_id)
             join community c using (community_id)
             where s.room_id = $1 and",
            may_imitate!(),
            "order by s.summoned_at, p.persona_id"
        ))
        .bind(room.0)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Persona::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use chat::Consent;

    use super::*;
    use crate::scene::{Scene, at};

    #[tokio::test]
    async fn a_member_has_one_persona_with_its_own_name() {
        let scene = Scene::new().await;
        let proof = scene.ada.may_imitate().unwrap();
        let persona = scene.store().persona(proof).await.unwrap();
        assert_eq!(scene.store().persona(proof).await.unwrap(), persona);
        assert_eq!((persona.member, persona.name.as_str()), (scene.ada.id, "ada"));
        assert_eq!(scene.store().personas(scene.community.id).await.unwrap(), [persona]);
    }

    #[tokio::test]
    async fn summoning_and_dismissing_say_whether_they_did() {
        let scene = Scene::new().await;
        let ada = scene.summon_ada().await;
        let store = scene.store();
        assert!(!store.summon(scene.room, ada.id, Some(scene.bob.id), at(2)).await.unwrap());
        assert_eq!(store.cast(scene.room).await.unwrap(), std::slice::from_ref(&ada));
        assert!(store.dismiss(scene.room, ada.id).await.unwrap());
        assert!(!store.dismiss(scene.room, ada.id).await.unwrap());
        assert_eq!(store.cast(scene.room).await.unwrap(), []);
    }

    #[tokio::test]
    async fn who_refused_and_agrees_again_gets_the_same_persona_but_no_cast() {
        let scene = Scene::new().await;
        let ada = scene.summon_ada().await;
        let proof = scene.ada.may_imitate().unwrap();
        scene.store().set_consent(scene.ada.id, Consent::Refused, at(2)).await.unwrap();
        assert!(matches!(scene.store().persona(proof).await, Err(StoreError::ConsentWithdrawn(_))));
        scene.store().set_consent(scene.ada.id, Consent::Granted, at(3)).await.unwrap();
        assert_eq!(scene.store().persona(proof).await.unwrap(), ada);
        assert_eq!(scene.store().cast(scene.room).await.unwrap(), []);
    }
}
