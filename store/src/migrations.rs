//! The history of the schema. Migrations are only ever added: databases in use have run the earlier ones.

use sqlx::migrate::Migrator;

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

#[cfg(test)]
mod tests {
    use std::{str::FromStr, time::Duration};

    use chat::{Author, CommunityId, Consent, ConsentPolicy, MemberId, MessageKey, PersonaId, Platform, RoomId};
    use secrecy::{ExposeSecret, SecretString};
    use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, postgres::PgConnectOptions};

    use super::*;
    use crate::{Store, quoted, scene::Scene, scene::at};

    /// Rows in every table that the first migration made.
    const FILLED: &str = "
        insert into community (platform, external_id, title) values ('web', 'friends', 'Friends');
        insert into room (community_id, external_id, title) values (1, 'lounge', 'Lounge');
        insert into room (community_id, parent_id, external_id) values (1, 1, 'thread');
        insert into member (community_id, member_key, name, name_seen_at, consent, avatar_url)
            values (1, 'ada', 'Ada', 'epoch', 'granted', 'http://ada'), (1, 'bob', 'Bob', 'epoch', 'unasked', null);
        insert into member (community_id, member_key, name, name_seen_at, consent, forgotten_at)
            values (1, 'eve', '', '-infinity', 'refused', 'epoch');
        insert into member_alias values (1, 'Ada', 'epoch', 'epoch');
        insert into consent_event (member_id, consent, said_at) values (1, 'granted', 'epoch');
        insert into persona (member_id) values (1);
        insert into message (message_key, sent_at, room_id, member_id, origin, provenance, text)
            values (1, 'epoch', 1, 2, 'imported', 'export', 'hello');
        insert into message (message_key, sent_at, room_id, persona_id, origin, provenance, text, nonce)
            values (2, 'epoch', 1, 1, 'generated', 'api', 'hi', 'outbox:1');
        insert into message_edit values (1, 1, 'epoch', 'helo');
        insert into reaction values (1, 2, 'thumb', 2);
        insert into reaction_total values (1, 1, 'thumb', 3);
        insert into finished_import values (1, 'a.json', 'epoch');
        insert into room_persona values (1, 1, 2, 'epoch');
        insert into room_setting (room_id, settings, changed_at) values (1, '{\"topic\": \"trains\"}', 'epoch');
        insert into outbox (room_id, persona_id, cause, text, state, due_at, expires_at, message_key)
            values (1, 1, 'reply:1', 'hi', 'posted', 'epoch', 'epoch', 2);
        insert into outbox (room_id, persona_id, cause, text, due_at, expires_at)
            values (1, 1, 'reply:2', 'ho', 'epoch', '1970-01-02');";

    /// A database as the first version left it, with something in it. The caller drops it.
    async fn filled_by_the_first_version(scene: &Scene) -> (SecretString, String) {
        let url: SecretString = scene.database.url.expose_secret().replace('?', "_first?").into();
        let options = PgConnectOptions::from_str(url.expose_secret()).unwrap();
        let name = options.get_database().unwrap().to_owned();
        let create = format!("create database {}", quoted(&name));
        scene.database.connection().await.execute(AssertSqlSafe(create)).await.unwrap();
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        MIGRATOR.run_to(1, &mut connection).await.unwrap();
        connection.execute(FILLED).await.unwrap();
        connection.close().await.unwrap();
        (url, name)
    }

    #[tokio::test]
    async fn what_the_first_version_stored_survives() {
        let scene = Scene::new().await;
        let (url, name) = filled_by_the_first_version(&scene).await;
        let store = Store::connect(&url, Duration::from_secs(30)).await.unwrap();
        check_people(&store).await;
        check_history(&store).await;
        store.close().await;
        let drop = format!("drop database {}", quoted(&name));
        scene.database.connection().await.execute(AssertSqlSafe(drop)).await.unwrap();
    }

    async fn check_people(store: &Store) {
        assert_eq!(store.consent_policy(CommunityId(1)).await.unwrap(), ConsentPolicy::OptIn);
        let members = store.members(CommunityId(1)).await.unwrap();
        let seen: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.consent, m.policy, m.has_left)).collect();
        let expected = [
            ("Ada", Consent::Granted, ConsentPolicy::OptIn, false),
            ("Bob", Consent::Unasked, ConsentPolicy::OptIn, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(store.member_by_id(MemberId(3)).await.unwrap().unwrap().consent, Consent::Refused);
        assert_eq!(store.cast(RoomId(1)).await.unwrap().len(), 1);
        assert_eq!(store.settings(RoomId(1)).await.unwrap().topic.as_deref(), Some("trains"));
        let rooms = store.rooms_of(Platform::Web).await.unwrap();
        assert_eq!(rooms[1].parent_external_id.as_deref(), Some("lounge"));
        assert_eq!(store.rooms_with_cast().await.unwrap(), rooms[..1]);
        assert!(store.notice_room(RoomId(1), at(1)).await.unwrap());
    }

    async fn check_history(store: &Store) {
        let history = store.latest(RoomId(1), 9).await.unwrap();
        let authors = history.iter().map(|message| message.author).collect::<Vec<_>>();
        assert_eq!(authors, [Author::Member(MemberId(2)), Author::Persona(PersonaId(1))]);
        let authorship = store.authorship(RoomId(1), MessageKey(2)).await.unwrap().unwrap();
        assert_eq!((authorship.voice.as_str(), authorship.cause.as_str()), ("", "reply:1"));
        assert_eq!(store.complete_to(RoomId(1)).await.unwrap(), None);
        let lease = store.lease(RoomId(1), "us", Duration::from_secs(60)).await.unwrap().unwrap();
        let [turn] = &store.unfinished_turns(RoomId(1)).await.unwrap()[..] else { panic!("one turn was waiting") };
        assert!(store.begin_post(turn.id, at(1), &lease).await.unwrap());
        store.finish_post(turn, MessageKey(3), at(2)).await.unwrap();
        assert_eq!(store.latest_generated(RoomId(1)).await.unwrap(), Some(MessageKey(3)));
    }
}
