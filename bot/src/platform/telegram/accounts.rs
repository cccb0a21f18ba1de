//! Persona bots: accounts of their own that personas speak through, each called like one member. Where there is none left,
//! or it is not in the group, the bot itself speaks, with the name above the words.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use chat::{Persona, PersonaId};
use chrono::{DateTime, Utc};
use dashmap::{DashMap, DashSet};
use store::Store;
use teloxide::{
    payloads::setters::*,
    prelude::Requester,
    types::{ChatId, UserId},
};
use tokio::time::Instant;

use super::{
    Settings,
    api::{self, Fault, Mouth},
};

/// The most characters of a bot's name.
const LONGEST_NAME: usize = 64;
/// How long a group is believed not to have one of the accounts in it.
const ABSENCE_KEPT: Duration = Duration::from_secs(300);
/// How long a name that could not be set is left as it is. Telegram lets names be changed a few times a day only.
const NAME_RETRY: Duration = Duration::from_secs(3_600);

/// An account that can be lent.
#[derive(Debug)]
pub(super) struct Account {
    pub user: UserId,
    pub username: String,
    pub mouth: Mouth,
    name: Mutex<Naming>,
}

#[derive(Debug, Default)]
struct Naming {
    set: Option<String>,
    failed_at: Option<Instant>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    all: Vec<Account>,
    absent: DashMap<(ChatId, UserId), Instant>,
    lent: DashMap<PersonaId, usize>,
    told: DashSet<(ChatId, Option<UserId>)>,
}

/// Why a persona has no account in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// There are none.
    None,
    /// All are lent.
    Exhausted,
    /// Its account is not in the group.
    Absent(UserId, String),
}

impl Accounts {
    /// Asks Telegram who the accounts are.
    ///
    /// # Errors
    /// A sentence that says which token is wrong.
    pub(super) async fn connect(settings: &Settings) -> anyhow::Result<Self> {
        let mut all = Vec::with_capacity(settings.persona_bots.len());
        for (place, token) in settings.persona_bots.iter().enumerate() {
            let mouth = api::mouth(token, settings)?;
            let asked = mouth.get_me().await.map_err(Fault::from);
            let me =
                asked.with_context(|| format!("cannot sign in as number {} of telegram.persona_bots", place + 1))?;
            let username = me.user.username.clone().unwrap_or_default();
            all.push(Account { user: me.user.id, username, mouth, name: Mutex::default() });
        }
        Ok(Self { all, ..Self::default() })
    }

    pub(super) fn users(&self) -> impl Iterator<Item = UserId> + '_ {
        self.all.iter().map(|account| account.user)
    }

    /// The account that a persona speaks through in a group.
    pub(super) async fn of(
        &self,
        store: &Store,
        persona: &Persona,
        chat: ChatId,
        now: DateTime<Utc>,
    ) -> store::Result<Result<&Account, Lack>> {
        if self.all.is_empty() {
            return Ok(Err(Lack::None));
        }
        let ids: Vec<String> = self.users().map(|user| user.to_string()).collect();
        let lent = store.lend_account(chat::Platform::Telegram, &ids, persona.id, now).await?;
        let Some(place) = lent.and_then(|id| ids.iter().position(|known| *known == id)) else {
            self.lent.remove(&persona.id);
            return Ok(Err(Lack::Exhausted));
        };
        self.lent.insert(persona.id, place);
        let account = &self.all[place];
        let is_absent = self.absent.get(&(chat, account.user)).is_some_and(|at| at.elapsed() < ABSENCE_KEPT);
        Ok(if is_absent { Err(Lack::Absent(account.user, account.username.clone())) } else { Ok(account) })
    }

    /// The account that a persona spoke through last.
    pub(super) fn lent(&self, persona: PersonaId) -> Option<&Account> {
        self.lent.get(&persona).map(|place| &self.all[*place])
    }

    /// A group turned out not to have an account in it.
    pub(super) fn is_absent(&self, chat: ChatId, account: &Account) {
        self.absent.insert((chat, account.user), Instant::now());
    }

    /// Whether a group is told for the first time why the bot itself speaks.
    pub(super) fn is_news(&self, chat: ChatId, lack: &Lack) -> bool {
        match lack {
            Lack::None => false,
            Lack::Exhausted => self.told.insert((chat, None)),
            Lack::Absent(user, _) => self.told.insert((chat, Some(*user))),
        }
    }
}

impl Account {
    /// Calls the account like the persona that speaks through it. A name that cannot be set now stays as it is: then
    /// false is returned, and the name has to stand above the words.
    pub(super) async fn is_called(&self, label: &str) -> bool {
        let wanted: String = label.chars().take(LONGEST_NAME).collect();
        {
            let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
            if name.set.as_ref() == Some(&wanted) {
                return true;
            }
            if name.failed_at.is_some_and(|at| at.elapsed() < NAME_RETRY) {
                return false;
            }
        }
        let named = self.call(&wanted).await;
        if let Err(fault) = &named {
            tracing::warn!(%fault, account = %self.username, "a persona bot cannot be given its name");
        }
        let mut name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
        let is_called = named.is_ok();
        *name = Naming { set: is_called.then_some(wanted), failed_at: (!is_called).then(Instant::now) };
        is_called
    }

    async fn call(&self, name: &str) -> Result<(), Fault> {
        if self.mouth.get_my_name().await?.name != name {
            self.mouth.set_my_name().name(name).await?;
        }
        Ok(())
    }
}
