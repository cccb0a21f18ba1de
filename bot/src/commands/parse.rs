//! From what somebody typed to a [`Command`], or a sentence that says what was meant.

use std::time::Duration;

use chat::{ConsentPolicy, RoomSettings};

use super::{Command, ConsentCommand, HistoryCommand, IdleCommand, SPECS, TuneCommand};

/// What was wrong with what somebody typed, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Reads a command such as `/topic cats`. The slash may be missing, and `/topic@botname` is what Telegram sends.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse(typed: &str) -> Result<Command, Usage> {
    let typed = typed.trim();
    let typed = typed.strip_prefix('/').unwrap_or(typed);
    let (name, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    let name = name.split('@').next().unwrap_or(name).to_lowercase();
    let rest = rest.trim();
    match name.as_str() {
        "summon" if rest.is_empty() => Err(usage("summon", "Who?")),
        "summon" => Ok(Command::Summon(names(rest))),
        "dismiss" => Ok(Command::Dismiss(names(rest))),
        "cast" => Ok(Command::Cast),
        "topic" => topic(rest),
        "speaker" => speaker(rest),
        "pace" if rest.is_empty() => Ok(Command::Pace(None)),
        "pace" => rest.parse().map(|pacing| Command::Pace(Some(pacing))).map_err(|bad| usage("pace", &sentence(&bad))),
        "idle" => idle(rest),
        "say" => say(rest),
        "more" => more(rest),
        "reset" => Ok(Command::Reset),
        "tune" => tune(rest),
        "consent" => consent(rest),
        "forgetme" => Ok(Command::ForgetMe { confirmed: rest.eq_ignore_ascii_case("confirm") }),
        "policy" => policy(rest),
        "mydata" => Ok(Command::MyData),
        "who" => Ok(Command::Who(None)),
        "model" => Ok(Command::Model),
        "history" => history(rest),
        "privacy" => Ok(Command::Privacy),
        "help" => Ok(Command::Help),
        "" => Err(Usage("A command begins with a slash and its name; /help lists them.".to_owned())),
        unknown => Err(Usage(format!("There is no command /{unknown}; /help lists those there are."))),
    }
}

fn usage(command: &str, why: &str) -> Usage {
    let takes = SPECS.iter().find(|spec| spec.name == command).map_or("", |spec| spec.takes);
    Usage(format!("{why} It is written /{command} {takes}"))
}

fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Names separated by commas where there is one, or else by spaces; in quotes where a name has either.
fn names(text: &str) -> Vec<String> {
    let separator = if outside_quotes(text).any(|c| c == ',') { ',' } else { ' ' };
    let mut names = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if !quoted && (c == separator || (separator == ' ' && c.is_whitespace())) => names.push(String::new()),
            c => names.last_mut().expect("it begins with one").push(c),
        }
    }
    names
        .into_iter()
        .map(|name| name.trim().trim_start_matches('@').to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn outside_quotes(text: &str) -> impl Iterator<Item = char> + '_ {
    let mut quoted = false;
    text.chars().filter(move |c| {
        quoted ^= *c == '"';
        !quoted
    })
}

fn topic(rest: &str) -> Result<Command, Usage> {
    let rest = if matches!(rest.to_lowercase().as_str(), "off" | "none") { "" } else { rest };
    RoomSettings::topic_from(rest).map(Command::Topic).map_err(|bad| usage("topic", &sentence(&bad)))
}

fn speaker(rest: &str) -> Result<Command, Usage> {
    if matches!(rest.to_lowercase().as_str(), "" | "off" | "anyone") {
        return Ok(Command::Speaker(Vec::new()));
    }
    names(rest).into_iter().map(|name| weighted(&name)).collect::<Result<_, _>>().map(Command::Speaker)
}

/// Reads `NAME` or `NAME:WEIGHT`.
pub(crate) fn weighted(name: &str) -> Result<(String, f32), Usage> {
    let Some((name, weight)) = name.rsplit_once(':') else { return Ok((name.to_owned(), 1.0)) };
    match weight.trim().parse::<f32>() {
        Ok(weight) if weight > 0.0 && weight <= 1000.0 => Ok((name.trim().to_owned(), weight)),
        _ => Err(usage("speaker", &format!("A weight is a number over 0 and at most 1000, not \"{weight}\"."))),
    }
}

fn idle(rest: &str) -> Result<Command, Usage> {
    let rest = rest.to_lowercase();
    match rest.as_str() {
        "" => Ok(Command::Idle(IdleCommand::Show)),
        "off" | "0" => Ok(Command::Idle(IdleCommand::Off)),
        time => {
            let interval = duration(time).ok_or_else(|| usage("idle", &format!("\"{time}\" is no time.")))?;
            RoomSettings::idle_from(interval).map_err(|bad| usage("idle", &sentence(&bad)))?;
            Ok(Command::Idle(IdleCommand::After(interval)))
        }
    }
}

/// Reads `90`, `90s`, `5m`, `2h` or `1d`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic() || c.is_whitespace());
    let unit = match text[digits.len()..].trim() {
        "" | "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_secs)
}

/// A duration as people say it.
pub(super) fn duration_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => (s / 86_400, "day"),
        s if s >= 3600 && s % 3600 == 0 => (s / 3600, "hour"),
        s if s >= 60 && s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn say(rest: &str) -> Result<Command, Usage> {
    let (name, text) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((name, text)) => (name, text),
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    let (name, text) = (name.trim().trim_start_matches('@').trim_end_matches(':'), text.trim());
    if name.is_empty() || text.is_empty() {
        return Err(usage("say", "Who says what?"));
    }
    Ok(Command::Say { name: name.to_owned(), text: text.to_owned() })
}

fn more(rest: &str) -> Result<Command, Usage> {
    match rest {
        "" => Ok(Command::More(1)),
        number => match number.parse() {
            Ok(turns @ 1..=Command::MAX_MORE) => Ok(Command::More(turns)),
            _ => Err(usage("more", &format!("N is a number from 1 to {}.", Command::MAX_MORE))),
        },
    }
}

fn tune(rest: &str) -> Result<Command, Usage> {
    let mut tune = TuneCommand::default();
    for part in rest.split_whitespace() {
        let bad = || usage("tune", &format!("\"{part}\" is not understood."));
        let (key, value) = part.split_once('=').ok_or_else(bad)?;
        match key.replace('-', "_").as_str() {
            "temperature" => tune.temperature = Some(value.parse().map_err(|_| bad())?),
            "top_p" => tune.top_p = Some(value.parse().map_err(|_| bad())?),
            "top_k" => tune.top_k = Some(value.parse().map_err(|_| bad())?),
            _ => return Err(bad()),
        }
    }
    Ok(Command::Tune(tune))
}

fn consent(rest: &str) -> Result<Command, Usage> {
    match rest.to_lowercase().as_str() {
        "" => Ok(Command::Consent(ConsentCommand::Show)),
        "yes" | "y" => Ok(Command::Consent(ConsentCommand::Yes)),
        "no" | "n" => Ok(Command::Consent(ConsentCommand::No)),
        other => Err(usage("consent", &format!("It is yes or no, not \"{other}\"."))),
    }
}

fn policy(rest: &str) -> Result<Command, Usage> {
    match rest.to_lowercase().replace(['-', '_', ' '], "").as_str() {
        "" => Ok(Command::Policy(None)),
        "optin" => Ok(Command::Policy(Some(ConsentPolicy::OptIn))),
        "optout" => Ok(Command::Policy(Some(ConsentPolicy::OptOut))),
        _ => Err(usage("policy", &format!("\"{rest}\" is no policy."))),
    }
}

fn history(rest: &str) -> Result<Command, Usage> {
    match rest.to_lowercase().as_str() {
        "" | "status" => Ok(Command::History(HistoryCommand::Show)),
        "backfill" => Ok(Command::History(HistoryCommand::Backfill)),
        "stop" => Ok(Command::History(HistoryCommand::Stop)),
        _ => Err(usage("history", &format!("\"{rest}\" is not understood."))),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(typed: &str, expected: Expect) {
        let read = match parse(typed) {
            Ok(command) => format!("{command:?}"),
            Err(usage) => format!("! {usage}"),
        };
        expected.assert_eq(&read);
    }

    #[test]
    fn names_are_separated_by_spaces_or_commas() {
        check("/summon tim Nick", expect![[r#"Summon(["tim", "Nick"])"#]]);
        check("/summon Ada Lovelace, @Bo ,", expect![[r#"Summon(["Ada Lovelace", "Bo"])"#]]);
        check("/summon \"Ada Lovelace\" Bo", expect![[r#"Summon(["Ada Lovelace", "Bo"])"#]]);
        check("/summon", expect!["! Who? It is written /summon NAME.."]);
        check("/dismiss", expect!["Dismiss([])"]);
        check("  cast ", expect!["Cast"]);
        check("/Cast@groupchat_bot", expect!["Cast"]);
    }

    #[test]
    fn topics() {
        check("/topic cats\nand dogs", expect![[r#"Topic(Some("cats and dogs"))"#]]);
        check("/topic", expect!["Topic(None)"]);
        check("/topic OFF", expect!["Topic(None)"]);
        check(
            &format!("/topic {}", "x".repeat(300)),
            expect!["! A topic has at most 200 characters, this one has 300. It is written /topic [TEXT]"],
        );
    }

    #[test]
    fn speakers_have_weights() {
        check("/speaker tim:3 Nick", expect![[r#"Speaker([("tim", 3.0), ("Nick", 1.0)])"#]]);
        check("/speaker", expect!["Speaker([])"]);
        check("/speaker anyone", expect!["Speaker([])"]);
        check(
            "/speaker tim:-1",
            expect![[
                r#"! A weight is a number over 0 and at most 1000, not "-1". It is written /speaker [NAME[:WEIGHT]..]"#
            ]],
        );
        check(
            "/speaker tim:NaN",
            expect![[
                r#"! A weight is a number over 0 and at most 1000, not "NaN". It is written /speaker [NAME[:WEIGHT]..]"#
            ]],
        );
    }

    #[test]
    fn pacing_is_a_preset_or_numbers() {
        check("/pace", expect!["Pace(None)"]);
        check("/pace Natural", expect!["Pace(Some(Natural))"]);
        check("/pace 0.5 2 20", expect!["Pace(Some(Custom { reply_chance: 0.5, min_delay: 2.0, max_delay: 20.0 }))"]);
        check(
            "/pace fast",
            expect![[
                r#"! Pacing is off, calm, natural, chatty, or three numbers (chance of a reply, shortest and longest delay in seconds, as in "0.5 2 20"), not "fast". It is written /pace [off|calm|natural|chatty|CHANCE MIN MAX]"#
            ]],
        );
    }

    #[test]
    fn idle_intervals_have_units() {
        check("/idle 90", expect!["Idle(After(90s))"]);
        check("/idle 10 min", expect!["Idle(After(600s))"]);
        check("/idle 2h", expect!["Idle(After(7200s))"]);
        check("/idle off", expect!["Idle(Off)"]);
        check("/idle", expect!["Idle(Show)"]);
        check("/idle soon", expect![[r#"! "soon" is no time. It is written /idle [off|TIME]"#]]);
        check(
            "/idle 1s",
            expect!["! The idle interval is between 5 seconds and 7 days. It is written /idle [off|TIME]"],
        );
        check(
            "/idle 99999999999999999999d",
            expect![[r#"! "99999999999999999999d" is no time. It is written /idle [off|TIME]"#]],
        );
    }

    #[test]
    fn words_in_mouths() {
        check("/say Tim hello there", expect![[r#"Say { name: "Tim", text: "hello there" }"#]]);
        check("/say \"Ada Lovelace\" hi", expect![[r#"Say { name: "Ada Lovelace", text: "hi" }"#]]);
        check("/say Tim", expect!["! Who says what? It is written /say NAME TEXT"]);
    }

    #[test]
    fn numbers_are_bounded() {
        check("/more", expect!["More(1)"]);
        check("/more 20", expect!["More(20)"]);
        check("/more 21", expect!["! N is a number from 1 to 20. It is written /more [N]"]);
        check("/more -1", expect!["! N is a number from 1 to 20. It is written /more [N]"]);
        check(
            "/tune top-p=0.5 temperature=1",
            expect!["Tune(TuneCommand { temperature: Some(1.0), top_p: Some(0.5), top_k: None })"],
        );
        check(
            "/tune warmth=3",
            expect![[
                r#"! "warmth=3" is not understood. It is written /tune [temperature=0.9] [top_p=0.95] [top_k=40]"#
            ]],
        );
    }

    #[test]
    fn the_rest() {
        check("/consent", expect!["Consent(Show)"]);
        check("/consent YES", expect!["Consent(Yes)"]);
        check("/consent maybe", expect![[r#"! It is yes or no, not "maybe". It is written /consent [yes|no]"#]]);
        check("/forgetme", expect!["ForgetMe { confirmed: false }"]);
        check("/forgetme confirm", expect!["ForgetMe { confirmed: true }"]);
        check("/reset", expect!["Reset"]);
        check("/privacy", expect!["Privacy"]);
        check("/", expect!["! A command begins with a slash and its name; /help lists them."]);
        check("/dance", expect!["! There is no command /dance; /help lists those there are."]);
    }

    #[test]
    fn every_command_in_the_list_is_understood() {
        for spec in SPECS {
            let read = parse(spec.name);
            assert!(!matches!(&read, Err(Usage(text)) if text.contains("no command")), "{}: {read:?}", spec.name);
        }
    }
}
