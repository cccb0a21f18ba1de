//! What somebody asks for with a typed command or a button, and the answer: quietly, in the topic where it was asked.
//! Telegram shows nothing to one person of a group alone, so what is for the asker alone goes to their private chat.

use chat::{ConsentPolicy, MessageKey, Pacing};
use teloxide::{
    payloads::setters::*,
    prelude::Requester,
    requests::HasPayload,
    types::{CallbackQuery, Chat, ChatId, InlineKeyboardMarkup, InputFile, Message, MessageId, UserId},
};

use super::{
    Letter, Telegram,
    api::Fault,
    choices::{Button, Choice, Press},
    commands,
    keys::{self, Spot},
    posting, reading, reply,
};
use crate::{
    commands::{Answer, AnswerFile, Command, ConsentCommand, IdleCommand, Rank, SPECS, parse},
    event::{Event, Happening, Person, Place},
    reactions,
};

/// The most characters of a message, in UTF-16 code units.
const LONGEST_MESSAGE: usize = 4_096;
/// The most characters of what pops up when a button is pressed.
const LONGEST_ALERT: usize = 200;
/// How many members are offered as buttons.
const MOST_MEMBERS: usize = 12;

const GROUPS_ONLY: &str =
    "I talk in groups: add me to one, and /help there tells what I do. /privacy tells what I keep.";
const ONLY_ADMINISTRATORS: &str = "That is for those who manage this group.";
const DEAD_BUTTON: &str = "That button is too old; please ask again.";
const NOT_FOR_YOU: &str = "That is for whoever asked.";

/// Somebody who asked for something, and where.
struct Asked<'a> {
    telegram: &'a Telegram,
    place: Place,
    spot: Spot,
    person: Person,
    /// The account that asked; of somebody who writes in the group's name it is one that all of them share.
    user: UserId,
    /// Whether they write in the group's name, which only those do who manage it.
    is_group: bool,
}

/// Does a typed command and answers it. Nothing, where it is another bot's or another process speaks in the room.
pub(super) async fn typed(telegram: &Telegram, message: &Message) -> anyhow::Result<()> {
    let text = message.text().or(message.caption()).unwrap_or_default();
    let Some(name) = ours(text, telegram.username()) else { return Ok(()) };
    let Some(from) = message.from.as_ref() else { return Ok(()) };
    if message.chat.is_private() {
        return in_private(telegram, message, &name).await;
    }
    let Some(person) = reading::author(message).filter(|person| !person.is_bot) else { return Ok(()) };
    let asked = Asked {
        telegram,
        place: telegram.chats.place(&message.chat, reading::topic(message)),
        spot: Spot { chat: telegram.chats.current(message.chat.id), topic: reading::topic(message) },
        person,
        user: from.id,
        is_group: message.sender_chat.as_ref().is_some_and(|chat| chat.id == message.chat.id),
    };
    if !telegram.app().speaks_in(&asked.place).await? {
        return Ok(());
    }
    let answers = Some(message.id);
    let command = match parse(text) {
        Ok(Command::Who(None)) => Command::Who(answered(message)),
        Ok(command) if is_stale(telegram, message, &command) => return Ok(()),
        Ok(command) => command,
        Err(_) if name == "summon" && text.split_whitespace().nth(1).is_none() => {
            return asked.offer_members(answers).await;
        }
        Err(usage) => return asked.say(&Answer::refused(usage.to_string()), answers, None).await,
    };
    let answer = asked.run(command.clone()).await?;
    let keyboard = if answer.done { asked.keyboard(&command).await? } else { None };
    asked.say(&answer, answers, keyboard).await
}

/// The name of a command that is ours: one of our own, for no other bot.
fn ours(text: &str, username: &str) -> Option<String> {
    let word = text.split_whitespace().next()?.strip_prefix('/')?;
    let (name, for_whom) = word.split_once('@').map_or((word, None), |(name, whom)| (name, Some(whom)));
    let name = name.to_lowercase();
    let is_known = name == "start" || SPECS.iter().any(|spec| spec.name == name);
    match for_whom {
        Some(whom) => whom.eq_ignore_ascii_case(username).then_some(name),
        None => is_known.then_some(name),
    }
}

/// What makes somebody speak is done at once or not at all: not when a restart brings it again, or hours later.
fn is_stale(telegram: &Telegram, message: &Message, command: &Command) -> bool {
    matches!(command, Command::Say { .. } | Command::More(_))
        && message.date.timestamp() < telegram.started_at.timestamp()
}

fn answered(message: &Message) -> Option<MessageKey> {
    let answered = message.reply_to_message()?;
    let is_topic = reading::topic(message).is_some_and(|topic| topic.0 == answered.id);
    (!is_topic).then(|| keys::message(message.chat.id, answered.id, answered.date))
}

async fn in_private(telegram: &Telegram, message: &Message, name: &str) -> anyhow::Result<()> {
    let text = match name {
        "privacy" => telegram.app().privacy().text,
        _ => GROUPS_ONLY.to_owned(),
    };
    let spot = Spot { chat: message.chat.id, topic: None };
    telegram.send(&telegram.mouth, spot, Letter::plain(&text)).await?;
    Ok(())
}

/// Does what a button stands for.
pub(super) async fn pressed(telegram: &Telegram, pressed: &CallbackQuery) -> anyhow::Result<()> {
    let (Some(key), Some(message)) = (&pressed.data, &pressed.message) else { return Ok(()) };
    let (chat, id) = (message.chat(), message.id());
    let choice = match telegram.choices.find(key, chat.id) {
        None => return pop_up(telegram, pressed, DEAD_BUTTON).await,
        Some(choice) if choice.for_whom.is_some_and(|user| user != pressed.from.id) => {
            return pop_up(telegram, pressed, NOT_FOR_YOU).await;
        }
        Some(Choice { press, .. }) => press,
    };
    let asked = Asked::by_button(telegram, pressed, chat, message.regular_message());
    if !telegram.app().speaks_in(&asked.place).await? {
        return Ok(());
    }
    let command = match choice {
        Press::Give(command) => command,
        Press::Quieter => match asked.quieter().await? {
            Some(pacing) => Command::Pace(Some(pacing)),
            None => return pop_up(telegram, pressed, "It is off already.").await,
        },
        Press::React(key, emoji) => {
            let answer = asked.react(key, emoji).await?;
            return pop_up(telegram, pressed, &answer).await;
        }
    };
    let answer = asked.run(command).await?;
    asked.answer_press(pressed, id, &answer).await
}

/// Shows something to whoever pressed a button, and to nobody else.
async fn pop_up(telegram: &Telegram, pressed: &CallbackQuery, text: &str) -> anyhow::Result<()> {
    let text: String = text.chars().take(LONGEST_ALERT).collect();
    let answering = telegram.mouth.answer_callback_query(pressed.id.clone()).text(text).show_alert(true);
    answering.await.map_err(Fault::from)?;
    Ok(())
}

impl<'a> Asked<'a> {
    fn by_button(telegram: &'a Telegram, pressed: &CallbackQuery, chat: &Chat, message: Option<&Message>) -> Self {
        let topic = message.and_then(reading::topic);
        Self {
            telegram,
            place: telegram.chats.place(chat, topic),
            spot: Spot { chat: telegram.chats.current(chat.id), topic },
            person: reading::person(&pressed.from),
            user: pressed.from.id,
            is_group: false,
        }
    }

    async fn is_administrator(&self) -> Result<bool, Fault> {
        if self.is_group {
            return Ok(true);
        }
        self.telegram.chats.is_administrator(&self.telegram.mouth, self.spot.chat, self.user).await
    }

    /// Does a command, if whoever asks may.
    async fn run(&self, command: Command) -> anyhow::Result<Answer> {
        let rank = match commands::is_for_administrators(&command) {
            false => Rank::Member,
            true => match self.is_administrator().await {
                Ok(true) => Rank::Administrator,
                Ok(false) => return Ok(Answer::refused(ONLY_ADMINISTRATORS)),
                Err(fault) => {
                    tracing::warn!(%fault, "it cannot be asked who manages a group");
                    return Ok(Answer::refused("I cannot see just now who manages this group; please try again."));
                }
            },
        };
        Ok(self.telegram.app().command(&self.place, &self.person, rank, command).await)
    }

    /// Members to summon, as buttons.
    async fn offer_members(&self, answers: Option<MessageId>) -> anyhow::Result<()> {
        let room = self.telegram.app().room(&self.place).await?;
        let others = self.telegram.app().view(room.id).await?.others;
        if others.is_empty() {
            let answer = "Nobody could come: whoever agrees types /consent yes, and /summon NAME brings them in.";
            return self.say(&Answer::refused(answer), answers, None).await;
        }
        let summon = |name: String| Button::new(&name, Press::Give(Command::Summon(vec![name.clone()])));
        let keyboard = self.buttons(others.into_iter().take(MOST_MEMBERS).map(summon).collect());
        self.say(&Answer::asker("Who is to come?"), answers, Some(keyboard)).await
    }

    /// The buttons below the answer to a command, for whoever gave it.
    async fn keyboard(&self, command: &Command) -> anyhow::Result<Option<InlineKeyboardMarkup>> {
        let give = |label: &str, command: Command| Button::new(label, Press::Give(command));
        let buttons = match command {
            Command::Cast => self.cast_panel().await?,
            Command::Pace(None) => [Pacing::Off, Pacing::Calm, Pacing::Natural, Pacing::Chatty]
                .map(|pacing| give(&pacing.to_string(), Command::Pace(Some(pacing))))
                .into(),
            Command::Idle(IdleCommand::Show) => {
                [("off", "/idle off"), ("30 minutes", "/idle 30m"), ("2 hours", "/idle 2h")]
                    .into_iter()
                    .filter_map(|(label, typed)| Some(give(label, parse(typed).ok()?)))
                    .collect()
            }
            Command::Consent(ConsentCommand::Show) => vec![
                give("Yes, there may be one", Command::Consent(ConsentCommand::Yes)),
                give("No", Command::Consent(ConsentCommand::No)),
            ],
            Command::Policy(None) => vec![
                give("opt-in", Command::Policy(Some(ConsentPolicy::OptIn))),
                give("opt-out", Command::Policy(Some(ConsentPolicy::OptOut))),
            ],
            Command::Who(key) => return self.judgements(*key).await,
            _ => Vec::new(),
        };
        Ok((!buttons.is_empty()).then(|| self.buttons(buttons)))
    }

    fn buttons(&self, buttons: Vec<Button>) -> InlineKeyboardMarkup {
        // Those who write in the group's name press buttons in their own.
        let for_whom = (!self.is_group).then_some(self.user);
        self.telegram.with_rng(|rng| self.telegram.choices.keyboard(self.spot.chat, for_whom, buttons, rng))
    }

    async fn cast_panel(&self) -> anyhow::Result<Vec<Button>> {
        let room = self.telegram.app().room(&self.place).await?;
        let cast = self.telegram.app().view(room.id).await?.cast;
        if cast.is_empty() {
            return Ok(Vec::new());
        }
        let mut buttons = vec![
            Button::new("More", Press::Give(Command::More(1))),
            Button::new("Quieter", Press::Quieter),
            Button::new("Dismiss all", Press::Give(Command::Dismiss(Vec::new()))),
        ];
        let dismiss = |name: String| Button::new(&format!("Dismiss {name}"), Press::Give(Command::Dismiss(vec![name])));
        buttons.extend(cast.into_iter().take(MOST_MEMBERS).map(|persona| dismiss(persona.name)));
        Ok(buttons)
    }

    /// Buttons by which everybody can judge a message of ours, have it said otherwise, or taken away: not every emoji that
    /// asks for it can be a reaction here, and reactions are told only to those who manage a group.
    async fn judgements(&self, key: Option<MessageKey>) -> anyhow::Result<Option<InlineKeyboardMarkup>> {
        let store = &self.telegram.store;
        let room = self.telegram.app().room(&self.place).await?.id;
        let key = match key {
            Some(key) => Some(key),
            None => store.latest_generated(room).await?,
        };
        let Some(key) = key else { return Ok(None) };
        if store.authorship(room, key).await?.is_none() {
            return Ok(None);
        }
        let buttons = ["👍", "👎", reactions::REROLL, reactions::DELETE]
            .map(|emoji| Button::new(emoji, Press::React(key, emoji)));
        let telegram = self.telegram;
        Ok(Some(telegram.with_rng(|rng| telegram.choices.keyboard(self.spot.chat, None, buttons.into(), rng))))
    }

    /// Reacts as with an emoji, and says what came of it.
    async fn react(&self, key: MessageKey, emoji: &'static str) -> anyhow::Result<String> {
        let is_moderator = emoji == reactions::DELETE && self.is_administrator().await?;
        let what = Happening::Reacted { key, emoji: emoji.to_owned(), by: self.person.clone(), is_moderator };
        let room = self.telegram.app().handle(Event { place: self.place.clone(), what }).await?.room;
        let is_there = self.telegram.store.authorship(room.id, key).await?.is_some();
        Ok(match emoji {
            reactions::REROLL => "It will be said otherwise.".to_owned(),
            reactions::DELETE if is_there => {
                "Only who it speaks like, who it was said for and those who manage this group can take it away."
                    .to_owned()
            }
            reactions::DELETE => "It is gone.".to_owned(),
            _ => "Thank you; that is kept.".to_owned(),
        })
    }

    /// One step less lively than now.
    async fn quieter(&self) -> anyhow::Result<Option<Pacing>> {
        let room = self.telegram.app().room(&self.place).await?;
        Ok(self.telegram.app().view(room.id).await?.settings.pacing.quieter())
    }

    /// What is short and for the asker alone pops up; the rest is a message.
    async fn answer_press(&self, pressed: &CallbackQuery, below: MessageId, answer: &Answer) -> anyhow::Result<()> {
        let is_quiet = answer.audience == crate::commands::Audience::Asker && answer.file.is_none();
        if is_quiet && answer.text.chars().count() <= LONGEST_ALERT {
            return pop_up(self.telegram, pressed, &answer.text).await;
        }
        self.telegram.mouth.answer_callback_query(pressed.id.clone()).await.map_err(Fault::from)?;
        self.say(answer, Some(below), None).await
    }

    async fn say(
        &self,
        answer: &Answer,
        answers: Option<MessageId>,
        keyboard: Option<InlineKeyboardMarkup>,
    ) -> anyhow::Result<()> {
        let telegram = self.telegram;
        let mut text = answer.text.clone();
        if let Some(file) = &answer.file {
            text = self.hand_over(file, &text).await?;
        }
        if text.encode_utf16().count() > LONGEST_MESSAGE {
            let whole = AnswerFile { name: "answer.txt".to_owned(), text };
            return self.send_file(self.spot.chat, &whole, answers).await.map_err(anyhow::Error::from);
        }
        let letter = Letter { html: posting::html(None, &text), reply_to: answers, keyboard };
        match telegram.send(&telegram.mouth, self.spot, letter).await {
            Ok(_) => Ok(()),
            Err(fault) => {
                // The group may have moved or put us out meanwhile.
                drop(telegram.post_error(self.spot.chat, fault.clone()));
                Err(fault.into())
            }
        }
    }

    /// Sends a file to the private chat of whoever asked, and says in the group what became of it.
    async fn hand_over(&self, file: &AnswerFile, text: &str) -> anyhow::Result<String> {
        if self.is_group {
            return Ok("Ask as yourself, not in the group's name: this is for one person alone.".to_owned());
        }
        match self.send_file(ChatId(self.user.0 as i64), file, None).await {
            Ok(()) => Ok(format!("{text} I sent it to you alone.")),
            Err(fault) if fault.is_passing() => Err(fault.into()),
            Err(_) => Ok(format!(
                "It is for you alone, and I may not write to you first: open t.me/{}, press Start, and ask again here.",
                self.telegram.username()
            )),
        }
    }

    async fn send_file(&self, chat: ChatId, file: &AnswerFile, answers: Option<MessageId>) -> Result<(), Fault> {
        let document = InputFile::memory(file.text.clone().into_bytes()).file_name(file.name.clone());
        let mut sending = self.telegram.mouth.send_document(chat, document).disable_notification(true);
        let payload = sending.payload_mut();
        payload.message_thread_id = self.spot.topic.filter(|_| chat == self.spot.chat);
        payload.reply_parameters = answers.map(reply);
        sending.await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_other_bots_are_left_to_them() {
        let ours = |text| ours(text, "CrewBot");
        assert_eq!(ours("/summon tim").as_deref(), Some("summon"));
        assert_eq!(ours("/Summon@crewbot tim").as_deref(), Some("summon"));
        assert_eq!(ours("/summon@otherbot tim"), None);
        assert_eq!(ours("/weather"), None);
        assert_eq!(ours("/weather@crewbot").as_deref(), Some("weather"), "it is told that there is no such command");
        assert_eq!(ours("hello"), None);
    }
}
