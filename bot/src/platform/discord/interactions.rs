//! What somebody does with a command, its options, its buttons or a message's menu, and the answer within three seconds.

use std::{future::Future, time::Duration};

use chat::{Pacing, markup::discord_escape};
use serde_json::{Value, json};
use serenity::{
    builder::CreateAttachment,
    model::{
        Permissions,
        application::{
            CommandInteraction, CommandType, ComponentInteraction, ComponentInteractionDataKind, Interaction,
        },
        guild::Member,
        id::{ChannelId, InteractionId},
    },
};
use tokio::time::timeout;

use super::{
    Discord,
    api::Fault,
    key,
    options::{self, Chosen},
    posting::MAX_CHARS,
    reading,
};
use crate::{
    commands::{Answer, AnswerFile, Audience, Command, Rank},
    event::Place,
};

/// How long a command may take before it is said that the answer comes later. Discord waits three seconds.
const AT_ONCE: Duration = Duration::from_millis(1_500);
/// The most choices that Discord shows.
const MOST_CHOICES: usize = 25;
/// The longest choice, in characters.
const LONGEST_CHOICE: usize = 100;
/// The flag of an answer that only the asker sees.
const EPHEMERAL: u64 = 1 << 6;

/// Discord's kinds of answers; see "Interaction Callback Type" in its documentation.
mod kind {
    pub const MESSAGE: u8 = 4;
    pub const MESSAGE_LATER: u8 = 5;
    pub const CHOICES: u8 = 8;
}

/// Answers, or leaves it to the process that speaks in the room.
pub(super) async fn answer(discord: &Discord, interaction: &Interaction) {
    let answered = match interaction {
        Interaction::Command(command) => answer_command(discord, command).await,
        Interaction::Autocomplete(command) => complete(discord, command).await,
        Interaction::Component(component) => answer_button(discord, component).await,
        _ => Ok(()),
    };
    match answered {
        Ok(()) => {}
        // Another process was faster, which is as well.
        Err(error) if error.downcast_ref::<Fault>() == Some(&Fault::Answered) => {}
        Err(error) => tracing::warn!("a command could not be answered: {error:#}"),
    }
}

/// Somebody who asked for something, and where.
struct Asked<'a> {
    id: InteractionId,
    token: &'a str,
    place: Option<Place>,
    member: Option<&'a Member>,
}

impl<'a> Asked<'a> {
    async fn new(
        discord: &Discord,
        id: InteractionId,
        token: &'a str,
        channel: ChannelId,
        member: Option<&'a Member>,
    ) -> anyhow::Result<Asked<'a>> {
        let place = match member {
            Some(_) => discord.place_of(channel).await?,
            None => None,
        };
        Ok(Asked { id, token, place, member })
    }

    fn may(&self, needed: Permissions) -> bool {
        let has = self.member.and_then(|member| member.permissions).unwrap_or_default();
        has.administrator() || has.contains(needed)
    }

    fn rank(&self) -> Rank {
        if self.may(Permissions::MANAGE_GUILD) { Rank::Administrator } else { Rank::Member }
    }

    /// Does a command and answers it. Nothing, where another process speaks in the room.
    async fn run(&self, discord: &Discord, command: Command) -> anyhow::Result<()> {
        let (Some(place), Some(member)) = (&self.place, self.member) else {
            return self.say(discord, &Answer::refused("I talk in servers only."), Value::Null).await;
        };
        if !discord.app().speaks_in(place).await? {
            return Ok(());
        }
        let audience = audience(&command);
        let shows_cast = command == Command::Cast;
        let (who, rank) = (reading::member(member), self.rank());
        let working = discord.app().command(place, &who, rank, command);
        tokio::pin!(working);
        let Ok(answer) = timeout(AT_ONCE, &mut working).await else {
            return self.say_later(discord, audience, working).await;
        };
        let buttons = if shows_cast && answer.done { cast_buttons(discord, place).await? } else { Value::Null };
        self.say(discord, &answer, buttons).await
    }

    async fn say(&self, discord: &Discord, answer: &Answer, buttons: Value) -> anyhow::Result<()> {
        let (mut data, files) = message_of(answer);
        if !buttons.is_null() {
            data["components"] = buttons;
        }
        let body = json!({ "type": kind::MESSAGE, "data": data });
        let sent = discord.http.create_interaction_response(self.id, self.token, &body, files).await;
        Ok(sent.map_err(Fault::from)?)
    }

    /// Says that the answer comes later, and then says it. Who will see it has to be said at once.
    async fn say_later(
        &self,
        discord: &Discord,
        audience: Audience,
        working: impl Future<Output = Answer>,
    ) -> anyhow::Result<()> {
        let flags = if audience == Audience::Asker { EPHEMERAL } else { 0 };
        let body = json!({ "type": kind::MESSAGE_LATER, "data": { "flags": flags } });
        let sent = discord.http.create_interaction_response(self.id, self.token, &body, Vec::new());
        // The command is under way in the room: it is done whether or not the answer can be shown.
        let (sent, answer) = tokio::join!(sent, working);
        sent.map_err(Fault::from)?;
        let (data, files) = message_of(&answer);
        let edited = discord.http.edit_original_interaction_response(self.token, &data, files).await;
        edited.map_err(Fault::from)?;
        Ok(())
    }
}

/// An answer as a message, with what does not fit into one as a file.
fn message_of(answer: &Answer) -> (Value, Vec<CreateAttachment>) {
    let mut files: Vec<&AnswerFile> = answer.file.iter().collect();
    let whole = AnswerFile { name: "answer.txt".to_owned(), text: answer.text.clone() };
    let mut content = discord_escape(&answer.text);
    if content.chars().count() > MAX_CHARS {
        content = "That is too long for a message; here it is as a file.".to_owned();
        files.push(&whole);
    }
    let flags = if answer.audience == Audience::Asker { EPHEMERAL } else { 0 };
    let data = json!({ "content": content, "flags": flags, "allowed_mentions": { "parse": [] } });
    let files =
        files.into_iter().map(|file| CreateAttachment::bytes(file.text.clone().into_bytes(), file.name.clone()));
    (data, files.collect())
}

/// Who will see the answer of a command that takes long.
fn audience(command: &Command) -> Audience {
    match command {
        Command::Summon(_)
        | Command::Dismiss(_)
        | Command::Topic(_)
        | Command::Speaker(_)
        | Command::Pace(Some(_))
        | Command::Tune(_)
        | Command::Reset
        | Command::Policy(Some(_))
        | Command::History(_) => Audience::Room,
        _ => Audience::Asker,
    }
}

async fn answer_command(discord: &Discord, given: &CommandInteraction) -> anyhow::Result<()> {
    let asked = Asked::new(discord, given.id, &given.token, given.channel_id, given.member.as_deref()).await?;
    let command = match given.data.kind {
        CommandType::Message => Ok(Command::Who(given.data.target_id.map(|id| key(id.to_message_id())))),
        _ => options::command(&given.data.name, &Chosen(&given.data.options)),
    };
    match command {
        Ok(command) => asked.run(discord, command).await,
        Err(usage) => asked.say(discord, &Answer::refused(usage.to_string()), Value::Null).await,
    }
}

/// Offers names while they are typed. Of several names the last one is completed.
async fn complete(discord: &Discord, given: &CommandInteraction) -> anyhow::Result<()> {
    let Some(typing) = given.data.autocomplete() else { return Ok(()) };
    let Some(place) = discord.place_of(given.channel_id).await? else { return Ok(()) };
    if !discord.app().speaks_in(&place).await? {
        return Ok(());
    }
    let room = discord.app().room(&place).await?;
    let view = discord.app().view(room.id).await?;
    let cast = view.cast.into_iter().map(|persona| persona.name);
    let names: Vec<String> = match given.data.name.as_str() {
        "summon" => view.others,
        _ => cast.collect(),
    };
    let choices = choices(&names, typing.value, given.data.name != "say");
    let body = json!({ "type": kind::CHOICES, "data": { "choices": choices } });
    let sent = discord.http.create_interaction_response(given.id, &given.token, &body, Vec::new()).await;
    Ok(sent.map_err(Fault::from)?)
}

fn choices(names: &[String], typed: &str, takes_several: bool) -> Vec<Value> {
    let (before, last) = match typed.rsplit_once(',') {
        Some((before, last)) if takes_several => (format!("{}, ", before.trim()), last.trim()),
        _ => (String::new(), typed.trim()),
    };
    let last = last.to_lowercase();
    let is_meant = |name: &&String| name.to_lowercase().contains(&last) && !before.contains(name.as_str());
    let mut fitting: Vec<&String> = names.iter().filter(is_meant).collect();
    fitting.sort_by_key(|name| !name.to_lowercase().starts_with(&last));
    let whole = fitting.into_iter().map(|name| format!("{before}{name}"));
    let short_enough = whole.filter(|choice| choice.chars().count() <= LONGEST_CHOICE);
    short_enough.take(MOST_CHOICES).map(|choice| json!({ "name": choice, "value": choice })).collect()
}

/// The buttons below `/cast`.
async fn cast_buttons(discord: &Discord, place: &Place) -> anyhow::Result<Value> {
    let room = discord.app().room(place).await?;
    let cast = discord.app().view(room.id).await?.cast;
    if cast.is_empty() {
        return Ok(Value::Null);
    }
    let button =
        |id: &str, label: &str, style: u8| json!({ "type": 2, "custom_id": id, "label": label, "style": style });
    let one = |persona: &chat::Persona| {
        let label: String = persona.name.chars().take(LONGEST_CHOICE).collect();
        json!({ "label": label, "value": label })
    };
    let names: Vec<Value> = cast.iter().take(MOST_CHOICES).map(one).collect();
    Ok(json!([
        { "type": 1, "components": [
            button("more", "More", 1), button("quieter", "Quieter", 2), button("dismiss", "Dismiss all", 4),
        ] },
        { "type": 1, "components": [
            { "type": 3, "custom_id": "dismiss-one", "placeholder": "Dismiss somebody", "options": names },
        ] },
    ]))
}

async fn answer_button(discord: &Discord, pressed: &ComponentInteraction) -> anyhow::Result<()> {
    let asked = Asked::new(discord, pressed.id, &pressed.token, pressed.channel_id, pressed.member.as_ref()).await?;
    let command = match (pressed.data.custom_id.as_str(), &pressed.data.kind) {
        ("more", _) => Command::More(1),
        ("dismiss", _) => Command::Dismiss(Vec::new()),
        ("dismiss-one", ComponentInteractionDataKind::StringSelect { values }) => Command::Dismiss(values.clone()),
        ("quieter", _) if asked.may(Permissions::MANAGE_MESSAGES) => match quieter(discord, &asked).await? {
            Some(pacing) => Command::Pace(Some(pacing)),
            None => return asked.say(discord, &Answer::refused("It is off already."), Value::Null).await,
        },
        ("quieter", _) => {
            let answer = Answer::refused("That is for those who may manage messages here.");
            return asked.say(discord, &answer, Value::Null).await;
        }
        _ => return Ok(()),
    };
    asked.run(discord, command).await
}

/// One step less lively than now.
async fn quieter(discord: &Discord, asked: &Asked<'_>) -> anyhow::Result<Option<Pacing>> {
    let Some(place) = &asked.place else { return Ok(None) };
    let room = discord.app().room(place).await?;
    Ok(discord.app().view(room.id).await?.settings.pacing.quieter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], typed: &str, takes_several: bool) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let choices = choices(&names, typed, takes_several);
        choices.into_iter().map(|choice| choice["value"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn names_that_begin_as_typed_come_first() {
        assert_eq!(names(&["Barada", "Ada", "Bo"], "ada", true), ["Ada", "Barada"]);
        assert_eq!(names(&["Ada", "Bo"], "", true), ["Ada", "Bo"]);
        let many: Vec<String> = (0..60).map(|i| format!("n{i}")).collect();
        assert_eq!(choices(&many, "n", true).len(), 25);
    }

    #[test]
    fn the_last_of_several_names_is_completed() {
        assert_eq!(names(&["Ada", "Bo"], "Ada, b", true), ["Ada, Bo"]);
        assert_eq!(names(&["Ada", "Bo"], "Ada,", true), ["Ada, Bo"], "nobody twice");
        assert_eq!(names(&["Ada", "Bo"], "Ada, b", false), [""; 0]);
    }

    #[test]
    fn a_long_answer_comes_as_a_file() {
        let (data, files) = message_of(&Answer::asker("word ".repeat(900)));
        assert_eq!((data["flags"].as_u64(), files.len()), (Some(64), 1));
        let (data, files) = message_of(&Answer::room("*hi*"));
        assert_eq!((data["content"].as_str(), data["flags"].as_u64(), files.len()), (Some("\\*hi\\*"), Some(0), 0));
    }
}
