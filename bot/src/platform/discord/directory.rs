//! What the gateway tells of servers, channels and roles: their names, which thread hangs from which channel, and who may
//! do what. It is kept in memory only, told anew at each connection, and holds no message.

use std::collections::HashMap;

use dashmap::DashMap;
use serenity::model::{
    Permissions,
    channel::{ChannelType, GuildChannel, PermissionOverwrite, PermissionOverwriteType},
    guild::Role,
    id::{ChannelId, GuildId, MessageId, RoleId, UserId},
};

use crate::event::{Group, Parent, Place};

/// A channel or thread.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub guild: GuildId,
    pub name: String,
    /// The channel that a thread hangs from, or the category of a channel.
    pub parent: Option<ChannelId>,
    pub kind: ChannelType,
    pub newest: Option<MessageId>,
    overwrites: Vec<PermissionOverwrite>,
}

impl Channel {
    pub(super) fn is_thread(&self) -> bool {
        matches!(self.kind, ChannelType::PublicThread | ChannelType::PrivateThread | ChannelType::NewsThread)
    }

    /// Whether people write in it. A forum holds only threads.
    pub(super) fn holds_messages(&self) -> bool {
        self.is_thread() || matches!(self.kind, ChannelType::Text | ChannelType::News | ChannelType::Voice)
    }
}

impl From<&GuildChannel> for Channel {
    fn from(channel: &GuildChannel) -> Self {
        Self {
            guild: channel.guild_id,
            name: channel.name.clone(),
            parent: channel.parent_id,
            kind: channel.kind,
            newest: channel.last_message_id,
            overwrites: channel.permission_overwrites.clone(),
        }
    }
}

/// A server.
#[derive(Debug, Clone, Default)]
pub(super) struct Guild {
    pub name: String,
    pub owner: Option<UserId>,
    pub roles: HashMap<RoleId, RoleKnown>,
}

#[derive(Debug, Clone)]
pub(super) struct RoleKnown {
    pub name: String,
    permissions: Permissions,
}

impl From<&Role> for RoleKnown {
    fn from(role: &Role) -> Self {
        Self { name: role.name.clone(), permissions: role.permissions }
    }
}

/// What is known of where messages come from.
#[derive(Debug, Default)]
pub(super) struct Directory {
    guilds: DashMap<GuildId, Guild>,
    channels: DashMap<ChannelId, Channel>,
}

impl Directory {
    pub(super) fn put_guild<'a>(
        &self,
        id: GuildId,
        name: &str,
        owner: UserId,
        roles: impl Iterator<Item = (&'a RoleId, &'a Role)>,
    ) {
        let roles = roles.map(|(id, role)| (*id, role.into())).collect();
        self.guilds.insert(id, Guild { name: name.to_owned(), owner: Some(owner), roles });
    }

    pub(super) fn put_role(&self, guild: GuildId, role: &Role) {
        self.guilds.entry(guild).or_default().roles.insert(role.id, role.into());
    }

    pub(super) fn remove_role(&self, guild: GuildId, role: RoleId) {
        self.guilds.entry(guild).or_default().roles.remove(&role);
    }

    pub(super) fn put_channel(&self, channel: &GuildChannel) {
        self.channels.insert(channel.id, channel.into());
    }

    pub(super) fn remove_channel(&self, channel: ChannelId) {
        self.channels.remove(&channel);
    }

    pub(super) fn remove_guild(&self, guild: GuildId) {
        self.guilds.remove(&guild);
        self.channels.retain(|_, channel| channel.guild != guild);
    }

    pub(super) fn channel(&self, id: ChannelId) -> Option<Channel> {
        self.channels.get(&id).map(|channel| channel.clone())
    }

    /// The channels of a server in which people write.
    pub(super) fn channels_of(&self, guild: GuildId) -> Vec<(ChannelId, Channel)> {
        let of = self.channels.iter().filter(|channel| channel.guild == guild && channel.holds_messages());
        of.map(|channel| (*channel.key(), channel.clone())).collect()
    }

    pub(super) fn role_name(&self, guild: GuildId, role: RoleId) -> Option<String> {
        Some(self.guilds.get(&guild)?.roles.get(&role)?.name.clone())
    }

    pub(super) fn group(&self, guild: GuildId) -> Group {
        let title = self.guilds.get(&guild).map(|guild| guild.name.clone()).unwrap_or_default();
        Group { platform: chat::Platform::Discord, community: guild.to_string(), title }
    }

    /// The room that a channel or thread is.
    pub(super) fn place(&self, id: ChannelId) -> Option<Place> {
        let channel = self.channel(id)?;
        let Group { platform, community, title } = self.group(channel.guild);
        let parent = channel.parent.filter(|_| channel.is_thread()).map(|parent| Parent {
            room: parent.to_string(),
            title: self.channel(parent).map(|parent| parent.name).unwrap_or_default(),
        });
        Some(Place {
            platform,
            community,
            community_title: title,
            room: id.to_string(),
            room_title: channel.name,
            parent,
        })
    }

    /// The channel that holds the webhook for a channel or thread.
    pub(super) fn webhook_channel(&self, id: ChannelId) -> ChannelId {
        match self.channel(id) {
            Some(channel) if channel.is_thread() => channel.parent.unwrap_or(id),
            _ => id,
        }
    }

    /// What somebody with these roles may do in a channel, as Discord's documentation of permissions computes it. A
    /// thread has the overwrites of its channel.
    pub(super) fn permissions(&self, id: ChannelId, user: UserId, roles: &[RoleId]) -> Option<Permissions> {
        let channel = self.channel(self.webhook_channel(id))?;
        let guild = self.guilds.get(&channel.guild)?;
        if guild.owner == Some(user) {
            return Some(Permissions::all());
        }
        let everyone = RoleId::new(channel.guild.get());
        let of_role = |role: &RoleId| guild.roles.get(role).map_or(Permissions::empty(), |role| role.permissions);
        let mut may = roles.iter().fold(of_role(&everyone), |may, role| may | of_role(role));
        if may.administrator() {
            return Some(Permissions::all());
        }
        let over = |is_meant: &dyn Fn(PermissionOverwriteType) -> bool| {
            let meant = channel.overwrites.iter().filter(|overwrite| is_meant(overwrite.kind));
            meant.fold((Permissions::empty(), Permissions::empty()), |(allow, deny), overwrite| {
                (allow | overwrite.allow, deny | overwrite.deny)
            })
        };
        let layers = [
            over(&|kind| kind == PermissionOverwriteType::Role(everyone)),
            over(
                &|kind| matches!(kind, PermissionOverwriteType::Role(role) if role != everyone && roles.contains(&role)),
            ),
            over(&|kind| kind == PermissionOverwriteType::Member(user)),
        ];
        for (allow, deny) in layers {
            may = (may & !deny) | allow;
        }
        Some(may)
    }
}
