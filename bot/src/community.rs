//! What the bot knows of one community: the members' Markov voices, the group's habits, its scripts. It is learned from
//! the history at the first event of a community and kept up to date as people speak; nothing of one community reaches
//! another, because each has its own.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use anyhow::Context;
use chat::{
    Cleaner, CommunityId, Line, Member, MemberId, Message, MessageKey, Names, Persona, Platform, RoomId, ScriptSet,
    scripts::ScriptCounter,
};
use chrono::{DateTime, Utc};
use corpus::markov::Markov;
use rand::Rng;
use store::{Sources, Store};

use crate::{
    config::{ApiMessages, Training},
    director::Habits,
};

/// How many of a community's latest messages are read. More history would be remembered longer, not better: the chains
/// are bounded too.
const LEARNED_MESSAGES: u32 = 60_000;

/// The longest reply, in characters.
const MAX_REPLY_CHARS: usize = 400;

/// What a voice may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Learning {
    /// Whether the operator has Discord's permission to train on messages that came through its API. Its Developer Policy
    /// forbids it otherwise; exports that members made are another matter.
    pub from_discord_api: bool,
}

impl Learning {
    /// What the configuration permits.
    pub fn permitted_by(training: &Training) -> Self {
        Self { from_discord_api: training.discord_api_messages == ApiMessages::Permitted }
    }

    /// Which messages of a platform may be learned from.
    pub fn sources(self, platform: Platform) -> Sources {
        match platform {
            Platform::Discord if !self.from_discord_api => Sources::ExportsOnly,
            _ => Sources::All,
        }
    }

    /// Whether a voice may be made only of what members said who have agreed themselves, or for whom that was declared.
    /// Telegram's terms forbid collecting for models without each user's consent, whatever a group's policy says.
    pub fn needs_consent(self, platform: Platform) -> bool {
        platform == Platform::Telegram
    }
}

#[derive(Debug, Default)]
struct Learned {
    markov: Markov,
    habits: Habits,
    scripts: ScriptCounter,
    /// The newest message of each room that taught something as it came.
    newest: HashMap<RoomId, MessageKey>,
    /// Who has agreed, where only their words may be learned.
    agreed: HashSet<MemberId>,
}

/// Those who agreed to be imitated.
fn agreed(members: &[Member]) -> HashSet<MemberId> {
    members.iter().filter(|member| member.consent.allows()).map(|member| member.id).collect()
}

/// What is known of one community.
#[derive(Debug)]
pub struct Knowledge {
    community: CommunityId,
    sources: Sources,
    needs_consent: bool,
    learned: Mutex<Learned>,
    names: Mutex<Names>,
}

impl Knowledge {
    /// Reads a community's history.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn load(
        store: &Store,
        community: CommunityId,
        platform: Platform,
        learning: Learning,
    ) -> anyhow::Result<Self> {
        let (sources, needs_consent) = (learning.sources(platform), learning.needs_consent(platform));
        let members = store.members(community).await.context("cannot read who the members are")?;
        let names = Names::new(&members);
        let agreed = if needs_consent { agreed(&members) } else { HashSet::new() };
        let spoken = store
            .spoken(community, LEARNED_MESSAGES, sources)
            .await
            .with_context(|| format!("cannot read the history of community {community}"))?;
        let count = spoken.len();
        let learned = tokio::task::spawn_blocking(move || {
            let mut learned = Learned { agreed, ..Learned::default() };
            for said in &spoken {
                let may_learn = !needs_consent || learned.agreed.contains(&said.member);
                learned.learn(said.room, said.member, may_learn.then_some(&said.text), said.sent_at);
            }
            learned
        })
        .await
        .context("learning from the history was interrupted")?;
        tracing::info!(%community, messages = count, "learned how the group talks");
        Ok(Self { community, sources, needs_consent, learned: Mutex::new(learned), names: Mutex::new(names) })
    }

    /// The community.
    pub fn community(&self) -> CommunityId {
        self.community
    }

    /// Learns from what a member has just said: their words, where these may be learned from, and when they talk. What is
    /// delivered again teaches nothing, whichever process stored it first.
    pub fn learn(&self, room: RoomId, key: MessageKey, member: MemberId, text: Option<&str>, sent_at: DateTime<Utc>) {
        let mut learned = self.lock();
        let newest = learned.newest.entry(room).or_insert(MessageKey(i64::MIN));
        if key > *newest {
            *newest = key;
            learned.learn(room, member, text, sent_at);
        }
    }

    /// Whether the words of somebody may be learned as they come.
    pub fn may_learn_from(&self, member: MemberId) -> bool {
        self.sources == Sources::All && (!self.needs_consent || self.lock().agreed.contains(&member))
    }

    /// Learns what the members are called now, and what those said who have agreed since then, where their words were left
    /// alone until they did.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub async fn members_changed(&self, store: &Store) -> anyhow::Result<()> {
        let members = store.members(self.community).await.context("cannot read who the members are")?;
        *self.names() = Names::new(&members);
        let agreed = agreed(&members);
        if !self.needs_consent || agreed.is_subset(&self.lock().agreed) {
            return Ok(());
        }
        let spoken = store.spoken(self.community, LEARNED_MESSAGES, self.sources).await?;
        let mut learned = self.lock();
        let new: HashSet<MemberId> = agreed.difference(&learned.agreed).copied().collect();
        spoken.iter().filter(|s| new.contains(&s.member)).for_each(|said| learned.learn_words(said.member, &said.text));
        learned.agreed.extend(new);
        Ok(())
    }

    /// Forgets a member.
    pub fn forget(&self, member: MemberId) {
        let mut learned = self.lock();
        learned.markov.forget(member);
        learned.habits.forget(member);
        learned.agreed.remove(&member);
    }

    /// Learns what a member is called now.
    pub fn meet(&self, member: &Member) {
        self.names().meet(member.id, &member.name);
    }

    /// The lines of a window, as a prompt shows them (see [`Names::lines`]).
    pub fn lines<'a>(&self, messages: impl IntoIterator<Item = &'a Message>, cast: &[Persona]) -> Vec<Line> {
        self.names().lines(messages, cast)
    }

    /// What a persona is called in a prompt.
    pub fn called(&self, persona: &Persona) -> String {
        self.names().of_persona(persona).to_owned()
    }

    /// Looks at the habits.
    pub fn with_habits<T>(&self, look: impl FnOnce(&Habits) -> T) -> T {
        look(&self.lock().habits)
    }

    /// What a member's Markov voice says to the window, if it has anything to say.
    pub fn markov_reply(
        &self,
        member: MemberId,
        window: &[Message],
        topic: Option<&str>,
        temperature: f32,
        rng: &mut impl Rng,
    ) -> Option<String> {
        let texts: Vec<&str> = window.iter().map(|message| message.text.as_str()).collect();
        self.lock().markov.reply(member, &texts, topic, temperature, rng)
    }

    /// What the group writes in.
    pub fn scripts(&self) -> ScriptSet {
        self.lock().scripts.scripts()
    }

    /// A cleaner for a room where these names are known and these scripts are written.
    pub fn cleaner(&self, names: Vec<String>, scripts: ScriptSet) -> Cleaner {
        Cleaner::new(names, scripts, MAX_REPLY_CHARS)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().expect("no code panics while it holds this lock")
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().expect("no code panics while it holds this lock")
    }
}

impl Learned {
    fn learn(&mut self, room: RoomId, member: MemberId, text: Option<&str>, sent_at: DateTime<Utc>) {
        self.habits.learn(room, member, sent_at);
        if let Some(text) = text {
            self.learn_words(member, text);
        }
    }

    fn learn_words(&mut self, member: MemberId, text: &str) {
        self.markov.learn(member, text);
        self.scripts.add(text);
    }
}
