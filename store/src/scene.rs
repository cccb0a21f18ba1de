//! The scene that the tests of this crate start from: a community with a room, Ada, who may be imitated, and Bob.

use std::time::Duration;

use chat::{Author, Consent, Member, MemberId, MessageKey, Origin, OutboxId, Persona, Platform, Provenance, RoomId};
use chrono::{DateTime, Utc};

use crate::{
    Community, Lease, NewCommunity, NewMember, NewMessage, NewRoom, NewTurn, Room, Store, Turn, testing::TestDatabase,
};

pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    pub(crate) community: Community,
    pub(crate) room: RoomId,
    pub(crate) ada: Member,
    pub(crate) bob: Member,
}

/// Seconds after the beginning of time.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub(crate) fn said(key: i64, author: MemberId, text: &str) -> NewMessage<'_> {
    NewMessage {
        key: MessageKey(key),
        author: Author::Member(author),
        author_name: "",
        sent_at: at(key),
        text,
        origin: Origin::Posted,
        provenance: Provenance::Api,
        reply_to: None,
        edited_at: None,
        nonce: None,
    }
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let database = TestDatabase::new().await;
        let store = &database.store;
        let community = community(store, "friends").await;
        let room = room(store, &community, "lounge").await.id;
        let ada = member(store, &community, "ada").await;
        store.set_consent(ada.id, Consent::Granted, at(0)).await.unwrap();
        let ada = store.member_by_id(ada.id).await.unwrap().unwrap();
        let bob = member(store, &community, "bob").await;
        Scene { community, room, ada, bob, database }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.database.store
    }

    /// Ada's persona, in the cast of the room.
    pub(crate) async fn summon_ada(&self) -> Persona {
        let persona = self.store().persona(self.ada.may_imitate().unwrap()).await.unwrap();
        self.store().summon(self.room, persona.id, None, at(1)).await.unwrap();
        persona
    }

    /// The right to speak in the room, as every test but those of leases holds it.
    pub(crate) async fn lease(&self) -> Lease {
        self.store().lease(self.room, "us", Duration::from_secs(60)).await.unwrap().unwrap()
    }

    pub(crate) async fn begin_post(&self, turn: OutboxId, at: DateTime<Utc>) -> bool {
        self.store().begin_post(turn, at, &self.lease().await).await.unwrap()
    }

    pub(crate) async fn enqueue(&self, persona: &Persona, cause: &str) -> Option<Turn> {
        self.enqueue_under(&self.lease().await, persona, cause).await
    }

    pub(crate) async fn enqueue_under(&self, lease: &Lease, persona: &Persona, cause: &str) -> Option<Turn> {
        let turn = NewTurn {
            room: self.room,
            persona: persona.id,
            cause,
            text: "as I said",
            voice: "Markov chain",
            caused_by: Some(self.bob.id),
            reply_to: Some(MessageKey(1)),
            due_at: at(10),
            expires_at: at(100),
            lease,
        };
        self.store().enqueue(&turn).await.unwrap()
    }

    /// The texts of the room, oldest first.
    pub(crate) async fn texts(&self) -> Vec<String> {
        self.store().latest(self.room, 100).await.unwrap().into_iter().map(|message| message.text).collect()
    }
}

pub(crate) async fn community(store: &Store, name: &str) -> Community {
    store.community(&NewCommunity { platform: Platform::Web, external_id: name, title: name }).await.unwrap()
}

pub(crate) async fn room(store: &Store, community: &Community, name: &str) -> Room {
    store.room(&NewRoom { community: community.id, external_id: name, title: name, parent: None }).await.unwrap()
}

pub(crate) async fn member(store: &Store, community: &Community, key: &str) -> Member {
    let key = key.into();
    store
        .member(&NewMember {
            community: community.id,
            key: &key,
            name: &key.0,
            is_bot: false,
            avatar_url: None,
            seen_at: at(1),
        })
        .await
        .unwrap()
}
