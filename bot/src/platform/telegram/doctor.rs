//! What is wrong with a set-up on Telegram, found out without fetching an update.

use store::{Community, Store};
use teloxide::{
    prelude::Requester,
    types::{ChatId, ChatMemberKind, Me, UserId},
};

use super::{
    Settings,
    api::{self, Fault, Mouth},
    commands,
};
use crate::doctor::Finding;

/// Looks at everything that personas need on Telegram. Which groups there are, Telegram does not tell: without the history
/// none is looked at.
pub async fn examine(settings: &Settings, store: Option<&Store>) -> Vec<Finding> {
    let mouth = match api::mouth(&settings.token, settings) {
        Ok(mouth) => mouth,
        Err(error) => return vec![Finding::wrong("Telegram", format!("{error:#}"), "correct the configuration")],
    };
    let me = match mouth.get_me().await.map_err(Fault::from) {
        Ok(me) => me,
        Err(fault) => return vec![unreachable("Telegram", &fault)],
    };
    let mut findings = vec![Finding::fine("Telegram: token", "it is accepted"), privacy_mode(&me), joining(&me)];
    findings.push(menus(&mouth).await);
    findings.extend(delivery(&mouth, settings).await);
    let accounts = persona_bots(settings, &mut findings).await;
    match groups_of(store).await {
        Ok(groups) if groups.is_empty() => findings.push(Finding::note(
            "Telegram: groups",
            "none is known yet",
            format!("open https://t.me/{}?startgroup=true and choose a group", me.user.username.unwrap_or_default()),
        )),
        Ok(groups) => {
            for group in groups {
                findings.push(group_rights(&mouth, &me, &group, &accounts).await);
            }
        }
        Err(error) => findings.push(Finding::note("Telegram: groups", error.to_string(), "see to the database first")),
    }
    findings
}

fn unreachable(about: &str, fault: &Fault) -> Finding {
    let mend = match fault {
        Fault::Token => "put the new token into GROUPCHAT__TELEGRAM__TOKEN or telegram.token_file",
        fault if fault.is_passing() => "see whether this machine reaches https://api.telegram.org, and try again",
        _ => "see what it says, and try again",
    };
    Finding::wrong(about, fault.to_string(), mend)
}

fn privacy_mode(me: &Me) -> Finding {
    let about = "Telegram: privacy mode";
    match me.can_read_all_group_messages {
        true => Finding::fine(about, "it is off, so the bot hears what is said in its groups"),
        false => Finding::note(
            about,
            "it is on, so the bot hears only commands and answers to it, but for groups in which it is an administrator",
            "turn it off at @BotFather (/setprivacy, Disable) and take the bot out of the group and in again; or make it an \
             administrator",
        ),
    }
}

fn joining(me: &Me) -> Finding {
    let about = "Telegram: joining groups";
    match me.can_join_groups {
        true => Finding::fine(about, "it is allowed"),
        false => Finding::wrong(about, "it is not allowed", "allow it at @BotFather (/setjoingroups, Enable)"),
    }
}

async fn menus(mouth: &Mouth) -> Finding {
    let about = "Telegram: commands";
    for menu in commands::menus() {
        match commands::is_registered(mouth, &menu).await {
            Ok(true) => {}
            Ok(false) => {
                return Finding::note(
                    about,
                    "they are not in the menus, or are those of another version",
                    "start `groupchat run`, which registers them",
                );
            }
            Err(fault) => return unreachable(about, &fault),
        }
    }
    Finding::fine(about, "they are in the menus")
}

/// Whether what happens comes the way that is set.
async fn delivery(mouth: &Mouth, settings: &Settings) -> Option<Finding> {
    let about = "Telegram: webhook";
    let info = match mouth.get_webhook_info().await.map_err(Fault::from) {
        Ok(info) => info,
        Err(fault) => return Some(unreachable(about, &fault)),
    };
    if let Some(error) = &info.last_error_message
        && settings.webhook.is_some()
    {
        let mend = "see whether the reverse proxy passes telegram.webhook_url on to telegram.webhook_listen";
        return Some(Finding::note(about, format!("the last delivery failed: {error}"), mend));
    }
    match (&settings.webhook, info.url) {
        (None, None) => None,
        (None, Some(_)) => Some(Finding::note(
            about,
            "one is set, though updates are to be fetched",
            "`groupchat run` takes it away; if another program set it, only one of them can have this token",
        )),
        (Some(wanted), Some(set)) if set.as_str() == wanted.url => Some(Finding::fine(about, "it is set")),
        (Some(_), _) => {
            Some(Finding::note(about, "it is not set to telegram.webhook_url", "`groupchat run` sets it at its start"))
        }
    }
}

async fn persona_bots(settings: &Settings, findings: &mut Vec<Finding>) -> Vec<(UserId, String)> {
    let mut accounts = Vec::new();
    for (place, token) in settings.persona_bots.iter().enumerate() {
        let about = format!("Telegram: persona bot {}", place + 1);
        let asked = match api::mouth(token, settings) {
            Ok(mouth) => mouth.get_me().await.map_err(Fault::from),
            Err(error) => Err(Fault::Refused(format!("{error:#}"))),
        };
        findings.push(match asked {
            Ok(me) => {
                let username = me.user.username.clone().unwrap_or_default();
                accounts.push((me.user.id, username.clone()));
                Finding::fine(&about, format!("@{username} is accepted"))
            }
            Err(fault) => {
                let mend = "correct telegram.persona_bots, or take that token out of it";
                Finding::wrong(&about, fault.to_string(), mend)
            }
        });
    }
    accounts
}

async fn groups_of(store: Option<&Store>) -> store::Result<Vec<Community>> {
    match store {
        Some(store) => store.communities_of(chat::Platform::Telegram).await,
        None => Ok(Vec::new()),
    }
}

/// What the bot may do in a group, and which persona bots are not there.
async fn group_rights(mouth: &Mouth, me: &Me, group: &Community, accounts: &[(UserId, String)]) -> Finding {
    let about = format!("Telegram: {}", if group.title.is_empty() { &group.external_id } else { &group.title });
    let Ok(chat) = group.external_id.parse().map(ChatId) else {
        return Finding::note(&about, "it is no chat of Telegram", "nothing need be done");
    };
    let member = match mouth.get_chat_member(chat, me.user.id).await.map_err(Fault::from) {
        Ok(member) => member,
        Err(Fault::PutOut) => return not_there(&about),
        Err(fault) => return unreachable(&about, &fault),
    };
    let mut absent = Vec::new();
    for (user, username) in accounts {
        let known = mouth.get_chat_member(chat, *user).await;
        if !known.is_ok_and(|member| member.kind.is_present()) {
            absent.push(format!("@{username}"));
        }
    }
    match member.kind {
        kind if !kind.is_present() => not_there(&about),
        ChatMemberKind::Restricted(rights) if !rights.can_send_messages => {
            Finding::wrong(&about, "the bot may not write there", "let it, in the group's permissions")
        }
        _ if !absent.is_empty() => Finding::note(
            &about,
            format!("these persona bots are not in it: {}", absent.join(", ")),
            "add them where they are to speak; until then their personas speak through the bot",
        ),
        ChatMemberKind::Administrator(_) => Finding::fine(&about, "the bot is an administrator and hears everything"),
        _ if me.can_read_all_group_messages => Finding::note(
            &about,
            "the bot hears what is said, but no reactions, and nobody's leaving in a large group",
            "make it an administrator, without any right, if you want those",
        ),
        _ => Finding::wrong(
            &about,
            "the bot hears only commands and answers to it",
            "make it an administrator, or turn privacy mode off and take it out of the group and in again",
        ),
    }
}

fn not_there(about: &str) -> Finding {
    Finding::note(about, "the bot is not in it any more", "add it again, or leave it; what is kept of it stays")
}
