//! The methods of the Bot API that change or show the world.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    html,
    world::{FakeMessage, Kind, Pressed, Status, World},
};

/// The longest message, in UTF-16 code units after its entities were read.
const LONGEST_MESSAGE: usize = 4_096;
/// How many messages a group takes in a minute.
const A_MINUTE: usize = 20;

/// Why a call was not done.
pub(super) struct Refusal {
    pub code: u16,
    pub description: String,
    pub parameters: Value,
}

impl Refusal {
    pub(super) fn new(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned(), parameters: Value::Null }
    }

    pub(super) fn bad(why: &str) -> Self {
        Self::new(400, &format!("Bad Request: {why}"))
    }

    pub(super) fn too_many(seconds: u64) -> Self {
        let description = format!("Too Many Requests: retry after {seconds}");
        Self { parameters: json!({ "retry_after": seconds }), ..Self::new(429, &description) }
    }
}

type Answer = Result<Value, Refusal>;

impl World {
    pub(super) fn call(&mut self, token: &str, method: &str, parameters: &Value) -> Answer {
        let bot = self.bots[token].id;
        match method {
            "getme" => Ok(self.me(bot)),
            "sendmessage" => self.send_message(bot, parameters),
            "senddocument" => self.send_document(bot, parameters),
            "editmessagetext" => self.edit_message(bot, parameters),
            "deletemessage" => self.delete_message(bot, parameters),
            "sendchataction" => {
                let chat = self.may_write(bot, parameters)?;
                self.actions.push((chat, parameters["message_thread_id"].as_i64()));
                Ok(json!(true))
            }
            "setmycommands" => self.set_commands(token, parameters),
            "getmycommands" => {
                Ok(self.bots[token].commands.get(&menu_of(parameters)).cloned().unwrap_or_else(|| json!([])))
            }
            "setmyname" => self.set_name(bot, parameters),
            "getmyname" => Ok(json!({ "name": self.users[&bot].first_name })),
            "getchat" => {
                let chat = self.chat_of(bot, parameters)?;
                Ok(self.chat_json(chat))
            }
            "getchatadministrators" => {
                let chat = self.chat_of(bot, parameters)?;
                let managing = self.chats[&chat].members.iter().filter(|(_, status)| status.manages());
                let managing: Vec<i64> = managing.map(|(user, _)| *user).collect();
                Ok(managing.into_iter().map(|user| self.member_json(chat, user)).collect())
            }
            "getchatmember" => {
                let chat = self.chat_of(bot, parameters)?;
                let user = parameters["user_id"].as_i64().unwrap_or_default();
                if !self.users.contains_key(&user) {
                    return Err(Refusal::bad("user not found"));
                }
                Ok(self.member_json(chat, user))
            }
            "answercallbackquery" => self.answer_press(parameters),
            "setwebhook" => self.set_webhook(token, parameters),
            "deletewebhook" => {
                self.bots.get_mut(token).unwrap().webhook = None;
                Ok(json!(true))
            }
            "getwebhookinfo" => {
                let bot = &self.bots[token];
                let url = bot.webhook.as_ref().map_or("", |(url, _)| url);
                Ok(json!({ "url": url, "has_custom_certificate": false, "pending_update_count": bot.updates.len() }))
            }
            _ => Err(Refusal::new(404, "Not Found: method not found")),
        }
    }

    fn me(&self, bot: i64) -> Value {
        let mut me = self.user_json(bot);
        let reads_all = self.bot_by_id(bot).is_some_and(|bot| bot.reads_all);
        me.as_object_mut().unwrap().extend(
            json!({
                "can_join_groups": true, "can_read_all_group_messages": reads_all, "supports_inline_queries": false,
                "can_connect_to_business": false, "has_main_web_app": false,
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        me
    }

    /// The chat that a call names, if the bot knows it.
    fn chat_of(&self, bot: i64, parameters: &Value) -> Result<i64, Refusal> {
        let id = parameters["chat_id"].as_i64().or_else(|| parameters["chat_id"].as_str()?.parse().ok());
        let chat = id.and_then(|id| self.chats.get(&id)).ok_or_else(|| Refusal::bad("chat not found"))?;
        if let Some(to) = chat.moved_to {
            let parameters = json!({ "migrate_to_chat_id": to });
            return Err(Refusal { parameters, ..Refusal::bad("group chat was upgraded to a supergroup chat") });
        }
        let kind = match chat.kind {
            Kind::Private => {
                let has_started = self.bot_by_id(bot).is_some_and(|bot| bot.started_by.contains(&chat.id));
                let closed = || Refusal::new(403, "Forbidden: bot can't initiate conversation with a user");
                return if has_started { Ok(chat.id) } else { Err(closed()) };
            }
            Kind::Group => "group",
            Kind::Supergroup | Kind::Forum => "supergroup",
        };
        match chat.members.get(&bot).copied() {
            Some(Status::Kicked) => Err(Refusal::new(403, &format!("Forbidden: bot was kicked from the {kind} chat"))),
            Some(status) if status.is_present() => Ok(chat.id),
            _ => Err(Refusal::new(403, &format!("Forbidden: bot is not a member of the {kind} chat"))),
        }
    }

    fn may_write(&self, bot: i64, parameters: &Value) -> Result<i64, Refusal> {
        let chat = self.chat_of(bot, parameters)?;
        if self.chats[&chat].members.get(&bot) == Some(&Status::Muted) {
            return Err(Refusal::bad("not enough rights to send text messages to the chat"));
        }
        Ok(chat)
    }

    fn within_limits(&mut self, chat: i64) -> Result<(), Refusal> {
        let is_group = self.chats[&chat].kind != Kind::Private;
        let sent = &mut self.chats.get_mut(&chat).unwrap().sent;
        sent.retain(|at| at.elapsed() < Duration::from_secs(60));
        if self.has_limits && is_group && sent.len() >= A_MINUTE {
            self.violations.push(format!("more than {A_MINUTE} messages a minute in {chat}"));
            return Err(Refusal::too_many(60));
        }
        sent.push(Instant::now());
        Ok(())
    }

    fn send_message(&mut self, bot: i64, parameters: &Value) -> Answer {
        let chat = self.may_write(bot, parameters)?;
        let (text, entities) = text_of(parameters)?;
        let message = FakeMessage { text, entities, ..self.message(chat, bot, "") };
        self.send(bot, message, parameters)
    }

    fn send_document(&mut self, bot: i64, parameters: &Value) -> Answer {
        let chat = self.may_write(bot, parameters)?;
        let mut file = &parameters["document"];
        if let Some(name) = file.as_str().and_then(|name| name.strip_prefix("attach://")) {
            file = &parameters[name];
        }
        let (Some(name), Some(content)) = (file["file_name"].as_str(), file["content"].as_str()) else {
            return Err(Refusal::bad("there is no document in the request"));
        };
        let file = Some((name.to_owned(), content.to_owned()));
        let message = FakeMessage { file, ..self.message(chat, bot, "") };
        self.send(bot, message, parameters)
    }

    fn send(&mut self, bot: i64, message: FakeMessage, parameters: &Value) -> Answer {
        let chat = message.chat;
        let topic = parameters["message_thread_id"].as_i64();
        if topic.is_some_and(|topic| !self.chats[&chat].topics.contains_key(&topic)) {
            return Err(Refusal::bad("message thread not found"));
        }
        let reply = &parameters["reply_parameters"];
        let answers = match reply["message_id"].as_i64() {
            None => None,
            Some(id) => {
                let found = self.find(chat, id, bot);
                if found.is_none() && reply["allow_sending_without_reply"] != true {
                    return Err(Refusal::bad("message to be replied not found"));
                }
                found
            }
        };
        let keyboard = keyboard_of(parameters)?;
        self.within_limits(chat)?;
        let is_silent = parameters["disable_notification"] == true;
        if parameters["link_preview_options"]["is_disabled"] != true && message.text.contains("://") {
            self.violations.push(format!("a preview is shown for {:?}", message.text));
        }
        let message = self.put(FakeMessage { topic, answers, keyboard, is_silent, ..message });
        Ok(self.message_json(&message, bot))
    }

    fn edit_message(&mut self, bot: i64, parameters: &Value) -> Answer {
        let chat = self.may_write(bot, parameters)?;
        let (text, entities) = text_of(parameters)?;
        let id = parameters["message_id"].as_i64().unwrap_or_default();
        let number = self.find(chat, id, bot).ok_or_else(|| Refusal::bad("message to edit not found"))?;
        let now = self.now();
        let message = &mut self.messages[number];
        if message.from != bot {
            return Err(Refusal::bad("message can't be edited"));
        }
        if message.text == text && message.entities == entities {
            return Err(Refusal::bad(
                "message is not modified: specified new message content and reply markup are exactly the same as a current \
                 content and reply markup of the message",
            ));
        }
        (message.text, message.entities, message.edited) = (text, entities, Some(now));
        let message = message.clone();
        Ok(self.message_json(&message, bot))
    }

    fn delete_message(&mut self, bot: i64, parameters: &Value) -> Answer {
        let chat = self.chat_of(bot, parameters)?;
        let id = parameters["message_id"].as_i64().unwrap_or_default();
        let number = self.find(chat, id, bot).ok_or_else(|| Refusal::bad("message to delete not found"))?;
        let manages = self.chats[&chat].members.get(&bot).is_some_and(|status| status.manages());
        if self.messages[number].from != bot && !manages {
            return Err(Refusal::bad("message can't be deleted"));
        }
        self.messages[number].is_deleted = true;
        Ok(json!(true))
    }

    fn set_commands(&mut self, token: &str, parameters: &Value) -> Answer {
        let commands = parameters["commands"].as_array().cloned().unwrap_or_default();
        for command in &commands {
            let name = command["command"].as_str().unwrap_or_default();
            let is_name = (1..=32).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let described = command["description"].as_str().unwrap_or_default().chars().count();
            if !is_name || !(1..=256).contains(&described) || commands.len() > 100 {
                return Err(Refusal::bad("BOT_COMMAND_INVALID"));
            }
        }
        self.bots.get_mut(token).unwrap().commands.insert(menu_of(parameters), commands.into());
        Ok(json!(true))
    }

    fn set_name(&mut self, bot: i64, parameters: &Value) -> Answer {
        let name = parameters["name"].as_str().unwrap_or_default();
        if name.chars().count() > 64 {
            return Err(Refusal::bad("BOT_TITLE_INVALID"));
        }
        self.users.get_mut(&bot).unwrap().first_name = name.to_owned();
        *self.renamings.entry(bot).or_default() += 1;
        Ok(json!(true))
    }

    fn answer_press(&mut self, parameters: &Value) -> Answer {
        let id = parameters["callback_query_id"].as_str().unwrap_or_default();
        let is_known = id.parse::<u64>().is_ok_and(|id| (1..=self.presses).contains(&id));
        if !is_known || self.answers.iter().any(|answer| answer.id == id) {
            return Err(Refusal::bad("query is too old and response timeout expired or query id is invalid"));
        }
        let text = parameters["text"].as_str().map(str::to_owned);
        if text.as_ref().is_some_and(|text| text.chars().count() > 200) {
            return Err(Refusal::bad("MESSAGE_TOO_LONG"));
        }
        self.answers.push(Pressed { id: id.to_owned(), text });
        Ok(json!(true))
    }

    fn set_webhook(&mut self, token: &str, parameters: &Value) -> Answer {
        let url = parameters["url"].as_str().unwrap_or_default().to_owned();
        if !url.starts_with("https://") {
            return Err(Refusal::bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        let secret = parameters["secret_token"].as_str().map(str::to_owned);
        let bot = self.bots.get_mut(token).unwrap();
        bot.webhook = Some((url, secret));
        bot.polls += 1;
        if let Some(allowed) = parameters["allowed_updates"].as_array() {
            bot.allowed = Some(allowed.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect());
        }
        Ok(json!(true))
    }
}

fn menu_of(parameters: &Value) -> String {
    let scope = parameters["scope"]["type"].as_str().unwrap_or("default");
    format!("{scope} {}", parameters["language_code"].as_str().unwrap_or_default())
}

fn text_of(parameters: &Value) -> Result<(String, Vec<Value>), Refusal> {
    let given = parameters["text"].as_str().unwrap_or_default();
    let (text, entities) = match parameters["parse_mode"].as_str() {
        Some("HTML") => html::parse(given).map_err(|why| Refusal::bad(&format!("can't parse entities: {why}")))?,
        None => (given.to_owned(), Vec::new()),
        Some(_) => return Err(Refusal::bad("unsupported parse_mode")),
    };
    match text.encode_utf16().count() {
        _ if text.trim().is_empty() => Err(Refusal::bad("message text is empty")),
        units if units > LONGEST_MESSAGE => Err(Refusal::bad("message is too long")),
        _ => Ok((text, entities)),
    }
}

fn keyboard_of(parameters: &Value) -> Result<Option<Value>, Refusal> {
    let Some(rows) = parameters["reply_markup"]["inline_keyboard"].as_array() else { return Ok(None) };
    for button in rows.iter().flat_map(|row| row.as_array().into_iter().flatten()) {
        let data = button["callback_data"].as_str().unwrap_or_default();
        if !(1..=64).contains(&data.len()) || button["text"].as_str().unwrap_or_default().is_empty() {
            return Err(Refusal::bad("BUTTON_DATA_INVALID"));
        }
    }
    Ok(Some(parameters["reply_markup"].clone()))
}
