//! Offering the commands on Telegram, which keeps them: they are sent again only when they have changed.

use teloxide::{
    payloads::setters::*,
    prelude::Requester,
    types::{BotCommand, BotCommandScope},
};

use super::api::{Fault, Mouth};
use crate::commands::{Command, IdleCommand, Language, SPECS, Spec, TuneCommand};

/// What makes sense outside of a group.
const PRIVATE: [&str; 2] = ["privacy", "help"];
/// Those that only administrators find in their menu. Some of them show something to others.
const FOR_ADMINISTRATORS: [&str; 7] = ["pace", "idle", "say", "reset", "tune", "policy", "history"];

/// Whether a command wants an administrator on Telegram, which has no settings of its own for who may use what.
pub(super) fn is_for_administrators(command: &Command) -> bool {
    match command {
        Command::Say { .. } | Command::Reset | Command::Pace(Some(_)) => true,
        Command::Idle(idle) => *idle != IdleCommand::Show,
        Command::Tune(tune) => *tune != TuneCommand::default(),
        other => other.is_for_administrators(),
    }
}

/// A menu: who sees it, in which language (English for none), and what is in it.
pub(super) struct Menu {
    scope: BotCommandScope,
    language: Option<Language>,
    commands: Vec<BotCommand>,
}

/// All menus.
pub(super) fn menus() -> Vec<Menu> {
    let is_private = |spec: &&Spec| PRIVATE.contains(&spec.name);
    let is_common = |spec: &&Spec| !FOR_ADMINISTRATORS.contains(&spec.name);
    let mut menus = Vec::new();
    for language in std::iter::once(None).chain(Language::ALL.map(Some)) {
        let command = |spec: &Spec| {
            let does = language.and_then(|language| spec.does_in(language)).unwrap_or(spec.does);
            BotCommand::new(spec.name, does)
        };
        let menu = |scope, commands| Menu { scope, language, commands };
        menus.push(menu(BotCommandScope::AllGroupChats, SPECS.iter().filter(is_common).map(command).collect()));
        menus.push(menu(BotCommandScope::AllChatAdministrators, SPECS.iter().map(command).collect()));
        menus.push(menu(BotCommandScope::AllPrivateChats, SPECS.iter().filter(is_private).map(command).collect()));
    }
    menus
}

/// Registers the menus that are not there, or are others than ours. Returns how many.
///
/// # Errors
/// What Telegram says to it.
pub(super) async fn register(mouth: &Mouth) -> Result<usize, Fault> {
    let mut changed = 0;
    for menu in menus() {
        if is_registered(mouth, &menu).await? {
            continue;
        }
        let set = mouth.set_my_commands(menu.commands).scope(menu.scope);
        match menu.language {
            Some(language) => set.language_code(language.code()).await?,
            None => set.await?,
        };
        changed += 1;
    }
    Ok(changed)
}

/// Whether a menu is there as we offer it.
///
/// # Errors
/// What Telegram says to it.
pub(super) async fn is_registered(mouth: &Mouth, menu: &Menu) -> Result<bool, Fault> {
    let get = mouth.get_my_commands().scope(menu.scope.clone());
    let there = match menu.language {
        Some(language) => get.language_code(language.code()).await?,
        None => get.await?,
    };
    Ok(there == menu.commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn menus_are_within_telegrams_limits() {
        let menus = menus();
        assert_eq!(menus.len(), 3 * (1 + Language::ALL.len()));
        for command in menus.iter().flat_map(|menu| &menu.commands) {
            let name = &command.command;
            assert!(name.len() <= 32 && name.chars().all(|c| c.is_ascii_lowercase()), "{name}");
            assert!((1..=256).contains(&command.description.chars().count()), "{name}");
        }
        let of_members = &menus[0].commands;
        assert!(of_members.iter().all(|command| command.command != "say") && of_members.len() == SPECS.len() - 7);
    }

    #[test]
    fn looking_is_for_everybody() {
        for typed in ["/pace", "/idle", "/tune", "/policy", "/history", "/cast"] {
            assert!(!is_for_administrators(&crate::commands::parse(typed).unwrap()), "{typed}");
        }
        for typed in ["/pace off", "/idle 2h", "/tune top_k=3", "/policy opt-out", "/say Ada hi", "/reset"] {
            assert!(is_for_administrators(&crate::commands::parse(typed).unwrap()), "{typed}");
        }
    }
}
