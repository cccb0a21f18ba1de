//! The commands with their options as Discord knows them, and back from what somebody chose to a [`Command`].

use std::str::FromStr;

use chat::{ConsentPolicy, Pacing, RoomSettings, sanitise};
use serde_json::{Value, json};
use serenity::model::application::{CommandDataOption, CommandDataOptionValue};

use crate::commands::{self, Command, ConsentCommand, HistoryCommand, TuneCommand, Usage};

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Takes {
    /// Text of at most so many characters.
    Text(usize),
    /// Names of personas or members, which are completed while they are typed.
    Names,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A whole number in a range.
    Integer(u32, u32),
    /// A number in a range.
    Number(f64, f64),
}

/// An option of a command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OptionSpec {
    pub name: &'static str,
    pub describes: &'static str,
    pub takes: Takes,
    pub is_required: bool,
}

const fn required(name: &'static str, takes: Takes, describes: &'static str) -> OptionSpec {
    OptionSpec { name, describes, takes, is_required: true }
}

const fn optional(name: &'static str, takes: Takes, describes: &'static str) -> OptionSpec {
    OptionSpec { name, describes, takes, is_required: false }
}

const SECONDS: Takes = Takes::Number(0.0, chat::room::MAX_DELAY_SECONDS as f64);

/// The options of a command, in the order in which they are shown.
pub(super) fn of(command: &str) -> &'static [OptionSpec] {
    match command {
        "summon" => const { &[required("who", Takes::Names, "Who is to come; several are separated by commas")] },
        "dismiss" => const { &[optional("who", Takes::Names, "Who is to go; nobody named means all")] },
        "topic" => {
            const { &[optional("text", Takes::Text(RoomSettings::MAX_TOPIC_CHARS), "What they are to talk about")] }
        }
        "speaker" => const { &[optional("who", Takes::Names, "Who is to speak, as in: Ada:3, Bo")] },
        "pace" => {
            const {
                &[
                    optional("preset", Takes::Choice(&["off", "calm", "natural", "chatty"]), "How lively it is"),
                    optional(
                        "chance",
                        Takes::Number(0.0, 1.0),
                        "The chance that a message is answered, instead of a preset",
                    ),
                    optional("shortest", SECONDS, "The shortest delay before an answer, in seconds"),
                    optional("longest", SECONDS, "The longest delay before an answer, in seconds"),
                ]
            }
        }
        "idle" => {
            const { &[optional("after", Takes::Text(20), "After what silence, as in 30s, 10m or 2h; off for never")] }
        }
        "say" => {
            const {
                &[
                    required("who", Takes::Names, "Who is to say it"),
                    required("text", Takes::Text(sanitise::MAX_TEXT_CHARS), "What is to be said"),
                ]
            }
        }
        "more" => {
            const { &[optional("turns", Takes::Integer(1, Command::MAX_MORE), "How many things they are to say")] }
        }
        "tune" => {
            const {
                &[
                    optional(
                        "temperature",
                        Takes::Number(0.0, 2.0),
                        "How daring replies are; 0 is the likeliest always",
                    ),
                    optional(
                        "top_p",
                        Takes::Number(0.01, 1.0),
                        "Only the likeliest words that make up this probability",
                    ),
                    optional(
                        "top_k",
                        Takes::Integer(0, chat::Sampling::MAX_TOP_K),
                        "Only so many of the likeliest words; 0 for all",
                    ),
                ]
            }
        }
        "consent" => {
            const { &[optional("answer", Takes::Choice(&["yes", "no"]), "Whether there may be a persona of you")] }
        }
        "policy" => {
            const {
                &[optional(
                    "policy",
                    Takes::Choice(&["opt-in", "opt-out"]),
                    "Whether members must agree before they are imitated",
                )]
            }
        }
        "forgetme" => const { &[optional("confirm", Takes::Choice(&["confirm"]), "To erase it really")] },
        "history" => {
            const { &[optional("what", Takes::Choice(&["status", "backfill", "stop"]), "What is to be done")] }
        }
        _ => &[],
    }
}

/// An option as Discord's "Application Command Option Structure" has it.
pub(super) fn json_of(option: &OptionSpec) -> Value {
    let OptionSpec { name, describes, takes, is_required } = option;
    let mut json = json!({ "name": name, "description": describes, "required": is_required });
    let more = match takes {
        Takes::Text(longest) => json!({ "type": 3, "max_length": longest }),
        Takes::Names => json!({ "type": 3, "max_length": 200, "autocomplete": true }),
        Takes::Choice(names) => {
            let choices: Vec<Value> = names.iter().map(|name| json!({ "name": name, "value": name })).collect();
            json!({ "type": 3, "choices": choices })
        }
        Takes::Integer(least, most) => json!({ "type": 4, "min_value": least, "max_value": most }),
        Takes::Number(least, most) => json!({ "type": 10, "min_value": least, "max_value": most }),
    };
    if let (Some(json), Value::Object(more)) = (json.as_object_mut(), more) {
        json.extend(more);
    }
    json
}

/// What somebody chose, by the name of each option.
pub(super) struct Chosen<'a>(pub &'a [CommandDataOption]);

impl Chosen<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|option| option.name == name).and_then(|option| option.value.as_str())
    }

    fn number(&self, name: &str) -> Option<f32> {
        match self.0.iter().find(|option| option.name == name)?.value {
            CommandDataOptionValue::Number(number) => Some(number as f32),
            CommandDataOptionValue::Integer(number) => Some(number as f32),
            _ => None,
        }
    }

    fn integer(&self, name: &str) -> Option<u32> {
        match self.0.iter().find(|option| option.name == name)?.value {
            CommandDataOptionValue::Integer(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn names(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let names = text.split(',').map(|name| name.trim().trim_start_matches('@').to_owned());
        names.filter(|name| !name.is_empty()).collect()
    }
}

/// The command that somebody gave.
///
/// # Errors
/// A sentence for whoever gave it.
pub(super) fn command(name: &str, chosen: &Chosen<'_>) -> Result<Command, Usage> {
    let typed = |option: &str| commands::parse(&format!("/{name} {}", chosen.text(option).unwrap_or_default()));
    Ok(match name {
        "summon" => match chosen.names("who") {
            names if names.is_empty() => return Err(Usage("Who?".to_owned())),
            names => Command::Summon(names),
        },
        "dismiss" => Command::Dismiss(chosen.names("who")),
        "speaker" => {
            Command::Speaker(chosen.names("who").iter().map(|name| commands::weighted(name)).collect::<Result<_, _>>()?)
        }
        "say" => Command::Say {
            name: chosen.text("who").unwrap_or_default().trim().to_owned(),
            text: chosen.text("text").unwrap_or_default().to_owned(),
        },
        "pace" => Command::Pace(pacing(chosen)?),
        "more" => Command::More(chosen.integer("turns").unwrap_or(1)),
        "tune" => Command::Tune(TuneCommand {
            temperature: chosen.number("temperature"),
            top_p: chosen.number("top_p"),
            top_k: chosen.integer("top_k"),
        }),
        "consent" => Command::Consent(match chosen.text("answer") {
            Some("yes") => ConsentCommand::Yes,
            Some(_) => ConsentCommand::No,
            None => ConsentCommand::Show,
        }),
        "policy" => Command::Policy(chosen.text("policy").map(|policy| match policy {
            "opt-out" => ConsentPolicy::OptOut,
            _ => ConsentPolicy::OptIn,
        })),
        "history" => Command::History(match chosen.text("what") {
            Some("backfill") => HistoryCommand::Backfill,
            Some("stop") => HistoryCommand::Stop,
            _ => HistoryCommand::Show,
        }),
        "forgetme" => return typed("confirm"),
        "idle" => return typed("after"),
        "topic" => return typed("text"),
        _ => return typed(""),
    })
}

fn pacing(chosen: &Chosen<'_>) -> Result<Option<Pacing>, Usage> {
    let bad = |bad: chat::room::BadSetting| Usage(format!("That cannot be set: {bad}."));
    let numbers = (chosen.number("chance"), chosen.number("shortest"), chosen.number("longest"));
    match (chosen.text("preset"), numbers) {
        (Some(preset), (None, None, None)) => Pacing::from_str(preset).map(Some).map_err(bad),
        (None, (None, None, None)) => Ok(None),
        (None, (Some(chance), Some(shortest), Some(longest))) => {
            Pacing::custom(chance, shortest, longest).map(Some).map_err(bad)
        }
        _ => Err(Usage("It is either a preset, or all of chance, shortest and longest.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(name: &str, options: Value, expected: Expect) {
        let given: Vec<CommandDataOption> = serde_json::from_value(options).unwrap();
        let read = match command(name, &Chosen(&given)) {
            Ok(command) => format!("{command:?}"),
            Err(usage) => format!("! {usage}"),
        };
        expected.assert_eq(&read);
    }

    #[test]
    fn options_become_commands() {
        let text = |name: &str, value: &str| json!([{ "name": name, "type": 3, "value": value }]);
        check("summon", text("who", "Ada Lovelace, @Bo ,"), expect![[r#"Summon(["Ada Lovelace", "Bo"])"#]]);
        check("summon", text("who", " , "), expect!["! Who?"]);
        check(
            "speaker",
            text("who", "Ada Lovelace:3, Bo"),
            expect![[r#"Speaker([("Ada Lovelace", 3.0), ("Bo", 1.0)])"#]],
        );
        check(
            "speaker",
            text("who", "Ada:x"),
            expect![[
                r#"! A weight is a number over 0 and at most 1000, not "x". It is written /speaker [NAME[:WEIGHT]..]"#
            ]],
        );
        check("topic", json!([]), expect!["Topic(None)"]);
        check("topic", text("text", "the  sea"), expect![[r#"Topic(Some("the sea"))"#]]);
        check("idle", text("after", "10m"), expect!["Idle(After(600s))"]);
        check("consent", text("answer", "no"), expect!["Consent(No)"]);
        check("forgetme", text("confirm", "confirm"), expect!["ForgetMe { confirmed: true }"]);
        check("policy", text("policy", "opt-out"), expect!["Policy(Some(OptOut))"]);
        check("history", text("what", "backfill"), expect!["History(Backfill)"]);
        check("cast", json!([]), expect!["Cast"]);
    }

    #[test]
    fn pace_takes_a_preset_or_three_numbers() {
        let number = |name: &str, value: f64| json!({ "name": name, "type": 10, "value": value });
        check("pace", json!([{ "name": "preset", "type": 3, "value": "calm" }]), expect!["Pace(Some(Calm))"]);
        check(
            "pace",
            json!([number("chance", 0.5), number("shortest", 2.0), number("longest", 20.0)]),
            expect!["Pace(Some(Custom { reply_chance: 0.5, min_delay: 2.0, max_delay: 20.0 }))"],
        );
        check(
            "pace",
            json!([number("chance", 0.5)]),
            expect!["! It is either a preset, or all of chance, shortest and longest."],
        );
        check(
            "pace",
            json!([number("chance", 0.5), number("shortest", 9.0), number("longest", 2.0)]),
            expect!["! That cannot be set: delays are seconds from 0 to 3600, the shorter first, not 9 and 2."],
        );
    }
}
