//! The objects of the Bot API as one of its bots sees them.

use serde_json::{Value, json};

use super::world::{FakeMessage, Kind, Status, User, World};

impl World {
    pub(super) fn user_json(&self, id: i64) -> Value {
        let User { id, first_name, last_name, username, is_bot } = &self.users[&id];
        let mut user = json!({ "id": id, "is_bot": is_bot, "first_name": first_name });
        if let Some(last_name) = last_name {
            user["last_name"] = json!(last_name);
        }
        if let Some(username) = username {
            user["username"] = json!(username);
        }
        user
    }

    pub(super) fn chat_json(&self, id: i64) -> Value {
        let chat = &self.chats[&id];
        match chat.kind {
            Kind::Private => json!({ "id": id, "type": "private", "first_name": chat.title }),
            Kind::Group => {
                json!({ "id": id, "type": "group", "title": chat.title, "all_members_are_administrators": false })
            }
            Kind::Supergroup => json!({ "id": id, "type": "supergroup", "title": chat.title }),
            Kind::Forum => json!({ "id": id, "type": "supergroup", "title": chat.title, "is_forum": true }),
        }
    }

    pub(super) fn message_json(&self, message: &FakeMessage, account: i64) -> Value {
        let mut json = self.bare_json(message, account);
        let opening = message.topic.filter(|topic| *topic != message.id);
        let answers = match message.answers {
            Some(number) => Some(&self.messages[number]),
            // In a topic what answers nothing else answers its opening.
            None => self.messages.iter().find(|m| m.chat == message.chat && Some(m.id) == opening),
        };
        if let Some(answered) = answers {
            json["reply_to_message"] = self.bare_json(answered, account);
        }
        json
    }

    fn bare_json(&self, message: &FakeMessage, account: i64) -> Value {
        let mut json = json!({
            "message_id": message.id_for(account),
            "date": message.date,
            "chat": self.chat_json(message.chat),
            "from": self.user_json(message.from),
        });
        if let Some(chat) = message.sender_chat {
            json["sender_chat"] = self.chat_json(chat);
        }
        if let Some((name, content)) = &message.file {
            json["document"] =
                json!({ "file_id": "f1", "file_unique_id": "u1", "file_name": name, "file_size": content.len() });
        } else if !message.text.is_empty() {
            json["text"] = json!(message.text);
            if !message.entities.is_empty() {
                json["entities"] = json!(message.entities);
            }
        }
        if let Some(topic) = message.topic {
            json["message_thread_id"] = json!(topic);
            json["is_topic_message"] = json!(true);
        }
        if let Some(edited) = message.edited {
            json["edit_date"] = json!(edited);
        }
        if let Some(keyboard) = &message.keyboard {
            json["reply_markup"] = keyboard.clone();
        }
        if let Value::Object(more) = &message.more {
            json.as_object_mut().unwrap().extend(more.clone());
        }
        json
    }

    pub(super) fn member_json(&self, chat: i64, user: i64) -> Value {
        let status = self.chats[&chat].members.get(&user).copied().unwrap_or(Status::Left);
        self.status_json(user, status)
    }

    pub(super) fn status_json(&self, user: i64, status: Status) -> Value {
        let user = self.user_json(user);
        match status {
            Status::Creator => json!({ "status": "creator", "user": user, "is_anonymous": false }),
            Status::Administrator => json!({
                "status": "administrator", "user": user, "can_be_edited": false, "is_anonymous": false,
                "can_manage_chat": true, "can_delete_messages": true, "can_manage_video_chats": false,
                "can_restrict_members": false, "can_promote_members": false, "can_change_info": false,
                "can_invite_users": true, "can_post_stories": false, "can_edit_stories": false,
                "can_delete_stories": false,
            }),
            Status::Member => json!({ "status": "member", "user": user }),
            Status::Muted => json!({
                "status": "restricted", "user": user, "is_member": true, "can_send_messages": false,
                "can_send_audios": false, "can_send_documents": false, "can_send_photos": false,
                "can_send_videos": false, "can_send_video_notes": false, "can_send_voice_notes": false,
                "can_send_polls": false, "can_send_other_messages": false, "can_add_web_page_previews": false,
                "can_change_info": false, "can_invite_users": false, "can_pin_messages": false,
                "can_manage_topics": false, "until_date": 0,
            }),
            Status::Left => json!({ "status": "left", "user": user }),
            Status::Kicked => json!({ "status": "kicked", "user": user, "until_date": 0 }),
        }
    }
}
