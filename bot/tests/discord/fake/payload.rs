//! The JSON forms of what the world holds, as REST answers and gateway events carry them.

use serde_json::{Map, Value, json};

use super::clock::{time_of, timestamp};
use super::permissions::Overwrite;
use super::world::{Attached, Channel, FakeMessage, Guild, Member, Role, User, Webhook, World};

pub fn id(id: u64) -> Value {
    Value::String(id.to_string())
}

pub fn user(user: &User) -> Value {
    json!({
        "id": id(user.id),
        "username": user.name,
        "discriminator": if user.bot { "4242" } else { "0" },
        "global_name": if user.bot { Value::Null } else { json!(user.name) },
        "avatar": user.avatar,
        "bot": user.bot,
        "public_flags": 0,
        "flags": 0,
    })
}

/// A member without its user, as messages carry it.
pub fn partial_member(member: &Member) -> Value {
    json!({
        "nick": member.nick,
        "avatar": member.avatar,
        "banner": null,
        "roles": member.roles.iter().map(|role| id(*role)).collect::<Vec<_>>(),
        "joined_at": timestamp(member.joined_at),
        "premium_since": null,
        "communication_disabled_until": null,
        "deaf": false,
        "mute": false,
        "pending": false,
        "flags": 0,
    })
}

pub fn role(role: &Role) -> Value {
    let tags = role.of_bot.map_or_else(|| json!({}), |bot| json!({ "bot_id": id(bot) }));
    json!({
        "id": id(role.id),
        "name": role.name,
        "color": 0,
        "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
        "hoist": false,
        "icon": null,
        "unicode_emoji": null,
        "position": role.position,
        "permissions": role.permissions.to_string(),
        "managed": role.of_bot.is_some(),
        "mentionable": false,
        "flags": 0,
        "tags": tags,
    })
}

fn overwrite(overwrite: &Overwrite) -> Value {
    json!({
        "id": id(overwrite.target),
        "type": overwrite.kind,
        "allow": overwrite.allow.to_string(),
        "deny": overwrite.deny.to_string(),
    })
}

pub fn emoji(emoji: &str) -> Value {
    match emoji.split_once(':') {
        Some((name, number)) => json!({ "id": number, "name": name, "animated": false }),
        None => json!({ "id": null, "name": emoji }),
    }
}

pub fn webhook(webhook: &Webhook) -> Value {
    json!({
        "id": id(webhook.id),
        "type": 1,
        "guild_id": id(webhook.guild),
        "channel_id": id(webhook.channel),
        "name": webhook.name,
        "avatar": webhook.avatar,
        "token": webhook.token,
        "application_id": webhook.application.map(id),
        "url": format!("https://discord.com/api/webhooks/{}/{}", webhook.id, webhook.token),
    })
}

fn attachment(channel: u64, file: &Attached) -> Value {
    let url = format!("https://cdn.discordapp.com/attachments/{channel}/{}/{}", file.id, file.name);
    json!({ "id": id(file.id), "filename": file.name, "size": file.bytes.len(), "url": url, "proxy_url": url })
}

impl World {
    pub fn user_json(&self, user_id: u64) -> Value {
        self.users.get(&user_id).map_or(Value::Null, user)
    }

    /// A member with its user, as events and REST carry it.
    pub fn member_json(&self, member: &Member) -> Value {
        let mut json = partial_member(member);
        json["user"] = self.user_json(member.user);
        json
    }

    pub fn member_of(&self, guild: Option<u64>, user: u64) -> Option<&Member> {
        self.guilds.get(&guild?)?.members.get(&user)
    }

    pub fn channel_json(&self, channel: &Channel) -> Value {
        let mut json = json!({
            "id": id(channel.id),
            "type": channel.kind,
            "last_message_id": channel.last_message.map(id),
            "flags": 0,
        });
        let Some(guild) = channel.guild else {
            let others = channel.owner.map(|user| self.user_json(user));
            json["recipients"] = others.into_iter().collect();
            return json;
        };
        json["guild_id"] = id(guild);
        json["name"] = json!(channel.name);
        json["parent_id"] = channel.parent.map(id).into();
        json["rate_limit_per_user"] = json!(0);
        if channel.is_thread() {
            add_thread(&mut json, channel);
        } else {
            json["position"] = json!(0);
            json["nsfw"] = json!(false);
            json["topic"] = json!(channel.topic);
            json["permission_overwrites"] = channel.overwrites.iter().map(overwrite).collect();
        }
        json
    }

    /// The guild as REST and GUILD_UPDATE give it.
    pub fn guild_json(&self, guild: &Guild) -> Value {
        json!({
            "id": id(guild.id),
            "name": guild.name,
            "icon": null,
            "icon_hash": null,
            "splash": null,
            "discovery_splash": null,
            "owner_id": id(guild.owner),
            "region": "deprecated",
            "afk_channel_id": null,
            "afk_timeout": 300,
            "widget_enabled": false,
            "verification_level": 1,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": guild.roles.values().map(role).collect::<Vec<_>>(),
            "emojis": [],
            "features": [],
            "mfa_level": 0,
            "application_id": null,
            "system_channel_id": null,
            "system_channel_flags": 0,
            "rules_channel_id": null,
            "max_presences": null,
            "max_members": 500_000,
            "vanity_url_code": null,
            "description": null,
            "banner": null,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "public_updates_channel_id": null,
            "max_video_channel_users": 25,
            "nsfw": false,
            "nsfw_level": 0,
            "stickers": [],
            "premium_progress_bar_enabled": false,
            "safety_alerts_channel_id": null,
            "incidents_data": null,
        })
    }

    /// The guild with what GUILD_CREATE adds. Of the members it holds only the bot unless `all_members`.
    pub fn full_guild_json(&self, guild: &Guild, all_members: bool) -> Value {
        let mut json = self.guild_json(guild);
        let channels = || self.channels.values().filter(|channel| channel.guild == Some(guild.id));
        let members = guild.members.values().filter(|member| all_members || member.user == self.bot);
        json["joined_at"] = guild.members.get(&self.bot).map(|member| timestamp(member.joined_at)).into();
        json["large"] = json!(guild.members.len() > 250);
        json["unavailable"] = json!(false);
        json["member_count"] = json!(guild.members.len());
        json["members"] = members.map(|member| self.member_json(member)).collect();
        json["channels"] = channels().filter(|c| !c.is_thread()).map(|c| self.channel_json(c)).collect();
        json["threads"] = channels().filter(|c| c.is_thread() && !c.archived).map(|c| self.channel_json(c)).collect();
        for empty in ["voice_states", "presences", "stage_instances", "guild_scheduled_events", "soundboard_sounds"] {
            json[empty] = json!([]);
        }
        json
    }

    /// The message as REST gives it: without guild and member, which only events carry.
    pub fn message_json(&self, message: &FakeMessage) -> Value {
        let mut json = self.bare_message_json(message);
        if let Some(answered) = message.reply_to {
            let original = self.message(message.channel, answered);
            json["referenced_message"] = original.map_or(Value::Null, |message| self.bare_message_json(message));
        }
        json
    }

    /// The message as MESSAGE_CREATE and MESSAGE_UPDATE carry it.
    pub fn message_event_json(&self, message: &FakeMessage) -> Value {
        let mut json = self.message_json(message);
        let Some(guild) = self.channels.get(&message.channel).and_then(|channel| channel.guild) else { return json };
        json["guild_id"] = id(guild);
        if message.webhook.is_none()
            && let Some(member) = self.member_of(Some(guild), message.author)
        {
            json["member"] = partial_member(member);
        }
        json
    }

    fn bare_message_json(&self, message: &FakeMessage) -> Value {
        let mut json = json!({
            "id": id(message.id),
            "channel_id": id(message.channel),
            "type": message.kind,
            "content": message.content,
            "author": self.author_json(message),
            "timestamp": timestamp(time_of(message.id)),
            "edited_timestamp": message.edited_at.map(timestamp),
            "tts": false,
            "pinned": false,
            "mention_everyone": message.mentions_everyone(),
            "mentions": message.mentions().into_iter().filter(|user| self.users.contains_key(user))
                .map(|user| self.user_json(user)).collect::<Vec<_>>(),
            "mention_roles": [],
            "attachments": message.attachments.iter().map(|file| attachment(message.channel, file)).collect::<Vec<_>>(),
            "embeds": message.embeds,
            "components": message.components,
            "flags": message.flags,
        });
        let fields = json.as_object_mut().expect("it was written as an object");
        self.add_origin(fields, message);
        if !message.reactions.is_empty() {
            fields.insert("reactions".into(), self.reactions_json(message));
        }
        json
    }

    fn add_origin(&self, fields: &mut Map<String, Value>, message: &FakeMessage) {
        let guild = self.channels.get(&message.channel).and_then(|channel| channel.guild);
        if let Some(nonce) = &message.nonce {
            fields.insert("nonce".into(), nonce.clone());
        }
        if let Some(webhook) = message.webhook {
            fields.insert("webhook_id".into(), id(webhook));
        }
        if let Some(application) = message.application {
            fields.insert("application_id".into(), id(application));
        }
        if let Some(answered) = message.reply_to {
            let mut reference = json!({ "type": 0, "message_id": id(answered), "channel_id": id(message.channel) });
            reference["guild_id"] = guild.map(id).into();
            fields.insert("message_reference".into(), reference);
        }
        if let Some(interaction) = message.interaction.and_then(|id| self.interactions.get(&id))
            && interaction.kind == 2
        {
            let metadata = json!({
                "id": id(interaction.id),
                "type": 2,
                "name": interaction.name,
                "user": self.user_json(interaction.user),
                "authorizing_integration_owners": { "0": guild.map_or_else(|| "0".to_owned(), |id| id.to_string()) },
            });
            fields.insert("interaction_metadata".into(), metadata);
        }
    }

    fn author_json(&self, message: &FakeMessage) -> Value {
        // An answer to an interaction names the application as its webhook, yet the bot as its author.
        if message.webhook != Some(message.author) {
            return self.user_json(message.author);
        }
        json!({
            "id": id(message.author),
            "username": message.author_name,
            "discriminator": "0000",
            "global_name": null,
            "avatar": message.avatar_url.as_deref().map(picture_hash),
            "bot": true,
            "public_flags": 0,
            "flags": 0,
        })
    }

    fn reactions_json(&self, message: &FakeMessage) -> Value {
        let reaction = |(name, users): &(String, Vec<u64>)| {
            json!({
                "emoji": emoji(name),
                "count": users.len(),
                "count_details": { "burst": 0, "normal": users.len() },
                "me": users.contains(&self.bot),
                "me_burst": false,
                "burst_colors": [],
            })
        };
        message.reactions.iter().map(reaction).collect()
    }
}

fn add_thread(json: &mut Value, thread: &Channel) {
    json["owner_id"] = thread.owner.map(id).into();
    json["message_count"] = json!(thread.messages.len());
    json["total_message_sent"] = json!(thread.messages.len());
    json["member_count"] = json!(1);
    json["thread_metadata"] = json!({
        "archived": thread.archived,
        "auto_archive_duration": 1440,
        "archive_timestamp": timestamp(time_of(thread.last_message.unwrap_or(thread.id))),
        "locked": thread.locked,
        "create_timestamp": timestamp(time_of(thread.id)),
    });
}

/// Discord fetches a picture and names it by its hash; here the URL stands for what it shows.
fn picture_hash(url: &str) -> String {
    let hash = |seed: u128| url.bytes().fold(seed, |sum, byte| (sum ^ u128::from(byte)).wrapping_mul(0x1000_0000_01b3));
    format!("{:032x}", hash(0xcbf2_9ce4_8422_2325_6c62_272e_07bb_0142))
}
