//! Members and what they were called over time. A member belongs to one community: the same human elsewhere is another.

use std::collections::HashMap;

use chat::{CommunityId, Member, MemberId, MemberKey};
use chrono::{DateTime, Utc};

use crate::{Result, Store, StoreError, changes::announce_members_in, messages::PLANNED_ANEW, storable};

/// A member as a platform, or an export, showed it at some time.
#[derive(Debug, Clone, Copy)]
pub struct NewMember<'a> {
    /// The community.
    pub community: CommunityId,
    /// What the platform calls the member.
    pub key: &'a MemberKey,
    /// What people called the member then.
    pub name: &'a str,
    /// Whether the platform says that it is a bot.
    pub is_bot: bool,
    /// The picture, where there is one.
    pub avatar_url: Option<&'a str>,
    /// When that was so. Only a newer sighting changes the name.
    pub seen_at: DateTime<Utc>,
}

/// A member as they are known after they were seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Who.
    pub member: Member,
    /// Whether they were known by another name or with another picture before.
    pub is_other: bool,
}

/// How much a member has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberActivity {
    /// Who.
    pub member: Member,
    /// How many messages of theirs the history holds.
    pub messages: i64,
    /// When the latest of them was posted.
    pub last_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    member_id: i32,
    community_id: i32,
    member_key: String,
    name: String,
    is_bot: bool,
    avatar_url: Option<String>,
    consent: String,
    consent_policy: String,
    departed: bool,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> Result<Self> {
        Ok(Member {
            id: MemberId(row.member_id),
            community: CommunityId(row.community_id),
            key: MemberKey(row.member_key),
            name: row.name,
            is_bot: row.is_bot,
            avatar_url: row.avatar_url,
            consent: row.consent.parse()?,
            policy: row.consent_policy.parse()?,
            has_left: row.departed,
        })
    }
}

#[derive(sqlx::FromRow)]
struct KeptRow {
    #[sqlx(flatten)]
    member: MemberRow,
    is_other: bool,
}

#[derive(sqlx::FromRow)]
struct NamedRow {
    #[sqlx(flatten)]
    member: MemberRow,
    aliases: Vec<String>,
}

/// The columns of [`MemberRow`] from member `m` and its community `c`.
macro_rules! member_columns {
    () => {
        " m.member_id, m.community_id, m.member_key, m.name, m.is_bot, m.avatar_url, m.consent, c.consent_policy,
            m.departed "
    };
}

/// Adds or widens aliases; what stands before it must yield `(member_id, name, first_seen, last_seen)`, one row a name,
/// ordered by both so that two imports lock the same rows in the same order. A sighting within a day of the last one is
/// not written down, or each message would rewrite its author's alias.
macro_rules! insert_aliases {
    ($select:literal) => {
        concat!(
            "insert into member_alias as a (member_id, name, first_seen, last_seen) ",
            $select,
            " on conflict (member_id, name) do update set
                first_seen = least(a.first_seen, excluded.first_seen), last_seen = greatest(a.last_seen, excluded.last_seen)
              where excluded.first_seen < a.first_seen or excluded.last_seen > a.last_seen + interval '1 day' "
        )
    };
}
pub(crate) use insert_aliases;

impl Store {
    /// Finds or adds a member; whoever has a persona and is called or looks otherwise than before is announced to
    /// [`Store::listen`]. A newer sighting with another name changes the name, an older one only adds the alias.
    ///
    /// Of a member who asked to be forgotten neither name nor picture is kept: the returned value carries the given name,
    /// the database does not.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member(&self, new: &NewMember<'_>) -> Result<Member> {
        Ok(self.see(new).await?.member)
    }

    /// [`Store::member`], saying also whether that made somebody known look or be called otherwise.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn see(&self, new: &NewMember<'_>) -> Result<Sighting> {
        let KeptRow { member, is_other } = self.keep_members(&[*new]).await?.pop().expect("one row for one member");
        let mut member = Member::try_from(member)?;
        if member.name.is_empty() {
            member.name = new.name.to_owned();
        }
        Ok(Sighting { member, is_other })
    }

    /// Finds or adds many members; the ids come in the order given. A member may be given several times.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_batch(&self, new: &[NewMember<'_>]) -> Result<Vec<MemberId>> {
        let rows = self.keep_members(new).await?;
        let ids: HashMap<(i32, &str), MemberId> = rows
            .iter()
            .map(|KeptRow { member: row, .. }| ((row.community_id, row.member_key.as_str()), MemberId(row.member_id)))
            .collect();
        Ok(new.iter().map(|member| ids[&(member.community.0, member.key.0.as_str())]).collect())
    }

    async fn keep_members(&self, new: &[NewMember<'_>]) -> Result<Vec<KeptRow>> {
        Ok(sqlx::query_as(concat!(
            "with given as (
                select * from unnest($1::int[], $2::text[], $3::text[], $4::bool[], $5::text[], $6::timestamptz[])
                    as g (community_id, member_key, name, is_bot, avatar_url, seen_at)
             ), newest as (
                select distinct on (community_id, member_key) * from given
                order by community_id, member_key, seen_at desc
             ), kept as (
                insert into member as m (community_id, member_key, name, name_seen_at, is_bot, avatar_url)
                select n.community_id, n.member_key, n.name, n.seen_at, n.is_bot, n.avatar_url
                from newest n left join member known using (community_id, member_key)
                order by known.member_id, n.community_id, n.member_key
                on conflict (community_id, member_key) do update set
                    name = case when m.forgotten_at is null and excluded.name <> ''
                        and excluded.name_seen_at >= m.name_seen_at then excluded.name else m.name end,
                    avatar_url = case when m.forgotten_at is null
                        then case when excluded.name_seen_at >= m.name_seen_at
                            then coalesce(excluded.avatar_url, m.avatar_url)
                            else coalesce(m.avatar_url, excluded.avatar_url) end end,
                    name_seen_at = case when m.forgotten_at is null
                        then greatest(m.name_seen_at, excluded.name_seen_at) else m.name_seen_at end,
                    is_bot = m.is_bot or excluded.is_bot
                returning *
             ), aliases as (",
            insert_aliases!(
                "select k.member_id, g.name, min(g.seen_at), max(g.seen_at)
                 from given g join kept k using (community_id, member_key)
                 where k.forgotten_at is null and g.name <> '' group by 1, 2 order by 1, 2"
            ),
            "), other as materialized (
                -- What a statement reads of a table that it changes is how that was before.
                select m.member_id, m.community_id from kept m join member before using (member_id)
                where before.name <> m.name or before.avatar_url is distinct from m.avatar_url
             ), announced as (
                select ",
            announce_members_in!("o.community_id"),
            " from other o join persona using (member_id)
             ) select",
            member_columns!(),
            ", exists (select from other o where o.member_id = m.member_id) as is_other
             from kept m join community c using (community_id) where (select count(*) from announced) >= 0"
        ))
        .persistent(new.len() < PLANNED_ANEW)
        .bind(new.iter().map(|member| member.community.0).collect::<Vec<_>>())
        .bind(new.iter().map(|member| member.key.0.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|member| storable(member.name)).collect::<Vec<_>>())
        .bind(new.iter().map(|member| member.is_bot).collect::<Vec<_>>())
        .bind(new.iter().map(|member| member.avatar_url).collect::<Vec<_>>())
        .bind(new.iter().map(|member| member.seen_at).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?)
    }

    /// The members of a community by name, without those who asked to be forgotten.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members(&self, community: CommunityId) -> Result<Vec<Member>> {
        let rows: Vec<MemberRow> = sqlx::query_as(concat!(
            "select",
            member_columns!(),
            "from member m join community c using (community_id)
             where m.community_id = $1 and m.forgotten_at is null order by m.name, m.member_id"
        ))
        .bind(community.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Member::try_from).collect()
    }

    /// The member of that id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member_by_id(&self, id: MemberId) -> Result<Option<Member>> {
        let row: Option<MemberRow> = sqlx::query_as(concat!(
            "select",
            member_columns!(),
            "from member m join community c using (community_id) where m.member_id = $1"
        ))
        .bind(id.0)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Member::try_from).transpose()
    }

    /// Who is meant by a typed name, by the first of these that fits anyone: the name as it is, the name in any case, a
    /// former name, the beginning of a name. Several members are returned where several fit equally well.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn find_members(&self, community: CommunityId, typed: &str) -> Result<Vec<Member>> {
        let rows: Vec<NamedRow> = sqlx::query_as(concat!(
            "select",
            member_columns!(),
            ", array(select a.name from member_alias a where a.member_id = m.member_id) as aliases
             from member m join community c using (community_id)
             where m.community_id = $1 and m.forgotten_at is null order by m.name, m.member_id"
        ))
        .bind(community.0)
        .fetch_all(&self.pool)
        .await?;
        best_fits(rows, typed).into_iter().map(|row| row.member.try_into()).collect()
    }

    /// How much each member of a community has said, busiest first. Bots are left out, and so is what personas said.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn activity(&self, community: CommunityId) -> Result<Vec<MemberActivity>> {
        let rows: Vec<(i32, i64, DateTime<Utc>)> = sqlx::query_as(
            "select member_id, count(*), max(sent_at) from message
             where room_id = any (array(select room_id from room where community_id = $1))
                and member_id is not null and origin <> 'generated' and deleted_at is null
             group by member_id",
        )
        .bind(community.0)
        .fetch_all(&self.pool)
        .await?;
        // Joined here: a server without statistics of a history that was just imported would compare all pairs.
        let said: HashMap<_, _> = rows.into_iter().map(|(id, count, last)| (MemberId(id), (count, last))).collect();
        let humans = self.members(community).await?.into_iter().filter(|member| !member.is_bot);
        let mut activity: Vec<_> = humans
            .map(|member| match said.get(&member.id) {
                Some(&(messages, last_at)) => MemberActivity { member, messages, last_at: Some(last_at) },
                None => MemberActivity { member, messages: 0, last_at: None },
            })
            .collect();
        // Stable, so that those who said as much stay in order of their names.
        activity.sort_by_key(|activity| std::cmp::Reverse(activity.messages));
        Ok(activity)
    }
}

/// Case is folded here and not by the server, whose locale may know nothing beyond ASCII.
fn best_fits(rows: Vec<NamedRow>, typed: &str) -> Vec<NamedRow> {
    let folded = typed.trim().to_lowercase();
    if folded.is_empty() {
        return Vec::new();
    }
    let ranked: Vec<_> = rows.into_iter().filter_map(|row| Some((fit(&row, typed.trim(), &folded)?, row))).collect();
    let best = ranked.iter().map(|(rank, _)| *rank).min();
    ranked.into_iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, row)| row).collect()
}

/// How well a member fits: 0 is best.
fn fit(row: &NamedRow, typed: &str, folded: &str) -> Option<u8> {
    let name = row.member.name.to_lowercase();
    if row.member.name == typed {
        Some(0)
    } else if name == folded {
        Some(1)
    } else if row.aliases.iter().any(|alias| alias.to_lowercase() == folded) {
        Some(2)
    } else {
        name.starts_with(folded).then_some(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, at, said};

    fn seen<'a>(scene: &Scene, key: &'a MemberKey, name: &'a str, seconds: i64) -> NewMember<'a> {
        NewMember { community: scene.community.id, key, name, is_bot: false, avatar_url: None, seen_at: at(seconds) }
    }

    fn names(members: &[Member]) -> Vec<&str> {
        members.iter().map(|member| member.name.as_str()).collect()
    }

    #[tokio::test]
    async fn the_newest_name_wins_and_every_name_is_found() {
        let scene = Scene::new().await;
        let key = "c".into();
        for (name, seconds, called) in [("Cy", 50, "Cy"), ("Cyril", 20, "Cy"), ("", 60, "Cy"), ("Cyborg", 70, "Cyborg")]
        {
            assert_eq!(scene.store().member(&seen(&scene, &key, name, seconds)).await.unwrap().name, called);
        }
        for typed in ["cyril", "CY", "cyborg", "Cyb"] {
            assert_eq!(
                names(&scene.store().find_members(scene.community.id, typed).await.unwrap()),
                ["Cyborg"],
                "{typed}"
            );
        }
        assert_eq!(scene.store().find_members(scene.community.id, " ").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_batch_gives_ids_in_its_own_order_and_knows_who_comes_twice() {
        let scene = Scene::new().await;
        let (x, y): (MemberKey, MemberKey) = ("x".into(), "y".into());
        let batch = [
            seen(&scene, &y, "Y", 1),
            seen(&scene, &x, "X", 9),
            seen(&scene, &y, "Yve", 5),
            seen(&scene, &scene.bob.key, "bob", 5),
        ];
        let ids = scene.store().members_batch(&batch).await.unwrap();
        assert_eq!(ids, scene.store().members_batch(&batch).await.unwrap());
        assert_eq!((ids[0], ids[3]), (ids[2], scene.bob.id));
        assert_eq!(names(&scene.store().members(scene.community.id).await.unwrap()), ["X", "Yve", "ada", "bob"]);
        assert_eq!(scene.store().members_batch(&[]).await.unwrap(), []);
    }

    #[test]
    fn the_best_fit_is_taken_and_ties_are_all_returned() {
        let row = |name: &str, aliases: &[&str]| NamedRow {
            member: MemberRow {
                member_id: 1,
                community_id: 1,
                member_key: name.to_owned(),
                name: name.to_owned(),
                is_bot: false,
                avatar_url: None,
                consent: "unasked".to_owned(),
                consent_policy: "opt_in".to_owned(),
                departed: false,
            },
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        };
        let found = |typed: &str| -> Vec<String> {
            let rows =
                vec![row("Ann", &["Ann"]), row("ann", &[]), row("Annette", &["Änne"]), row("Öle", &["Ann-Kathrin"])];
            best_fits(rows, typed).into_iter().map(|row| row.member.name).collect()
        };
        assert_eq!(found("ann"), ["ann"]);
        assert_eq!(found("ANN"), ["Ann", "ann"]);
        assert_eq!(found("anne"), ["Annette"]);
        assert_eq!(found("a"), ["Ann", "ann", "Annette"]);
        assert_eq!(found("ÄNNE"), ["Annette"]);
        assert_eq!(found("öle"), ["Öle"]);
        assert_eq!(found("zoe"), [""; 0]);
    }

    #[tokio::test]
    async fn activity_counts_what_humans_said() {
        let scene = Scene::new().await;
        let persona = scene.summon_ada().await;
        let bot: MemberKey = "bot".into();
        let bot = scene.store().member(&NewMember { is_bot: true, ..seen(&scene, &bot, "bot", 1) }).await.unwrap();
        let turn = scene.enqueue(&persona, "reply:2").await.unwrap();
        scene.store().finish_post(&turn, chat::MessageKey(9), at(9)).await.unwrap();
        let batch =
            [said(1, scene.bob.id, "1"), said(2, scene.bob.id, "2"), said(3, scene.ada.id, "3"), said(4, bot.id, "4")];
        scene.store().record_batch(scene.room, &batch).await.unwrap();
        scene.store().delete_messages(scene.room, &[chat::MessageKey(2)], at(9)).await.unwrap();
        let activity = scene.store().activity(scene.community.id).await.unwrap();
        let counted: Vec<_> = activity.iter().map(|a| (a.member.name.as_str(), a.messages, a.last_at)).collect();
        assert_eq!(counted, [("ada", 1, Some(at(3))), ("bob", 1, Some(at(1)))]);
    }
}
