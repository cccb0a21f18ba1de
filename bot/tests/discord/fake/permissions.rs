//! Who may do what where, computed as Discord documents it: the roles of the guild first, then the overwrites of the
//! channel for @everyone, for the roles together, and for the member. A thread has those of its parent.

use super::world::{Channel, Guild, World};

pub const ADD_REACTIONS: u64 = 1 << 6;
pub const ADMINISTRATOR: u64 = 1 << 3;
pub const VIEW_CHANNEL: u64 = 1 << 10;
pub const SEND_MESSAGES: u64 = 1 << 11;
pub const MANAGE_MESSAGES: u64 = 1 << 13;
pub const EMBED_LINKS: u64 = 1 << 14;
pub const ATTACH_FILES: u64 = 1 << 15;
pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
pub const MENTION_EVERYONE: u64 = 1 << 17;
pub const MANAGE_WEBHOOKS: u64 = 1 << 29;
pub const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
pub const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;

/// Every permission that Discord has today, which is what owners and administrators have.
pub const ALL: u64 = (1 << 53) - 1;

/// What @everyone has in a guild that nobody changed, as far as these tests care.
pub const OF_EVERYONE: u64 = ADD_REACTIONS
    | VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | SEND_MESSAGES_IN_THREADS;

/// What a bot that speaks through webhooks asks for in its invitation.
pub const OF_THE_BOT: u64 = OF_EVERYONE | MANAGE_WEBHOOKS | MANAGE_MESSAGES;

pub const ROLE_OVERWRITE: u8 = 0;
pub const MEMBER_OVERWRITE: u8 = 1;

#[derive(Clone, Debug)]
pub struct Overwrite {
    pub target: u64,
    pub kind: u8,
    pub allow: u64,
    pub deny: u64,
}

impl World {
    /// The permissions of a user in a channel; in a direct message all that make sense there.
    pub fn permissions(&self, channel: &Channel, user: u64) -> u64 {
        let Some(guild) = channel.guild.and_then(|id| self.guilds.get(&id)) else { return ALL };
        let base = guild.permissions(user);
        if base & ADMINISTRATOR != 0 {
            return ALL;
        }
        let place = channel.parent.filter(|_| channel.is_thread()).and_then(|id| self.channels.get(&id));
        let permissions = overwritten(base, guild, place.unwrap_or(channel), user);
        // Without the right to see a channel, no other permission holds in it.
        if permissions & VIEW_CHANNEL == 0 { 0 } else { permissions }
    }

    pub fn bot_may(&self, channel: &Channel, permission: u64) -> bool {
        self.permissions(channel, self.bot) & permission == permission
    }

    /// The permission that writing needs there.
    pub fn bot_may_write(&self, channel: &Channel) -> bool {
        let needed = if channel.is_thread() { SEND_MESSAGES_IN_THREADS } else { SEND_MESSAGES };
        self.bot_may(channel, needed | VIEW_CHANNEL)
    }
}

impl Guild {
    /// The permissions of a member in the guild as a whole, none for someone who is not in it.
    pub fn permissions(&self, user: u64) -> u64 {
        let Some(member) = self.members.get(&user) else { return 0 };
        if self.owner == user {
            return ALL;
        }
        let everyone = self.roles.get(&self.id).map_or(0, |role| role.permissions);
        let all = member.roles.iter().filter_map(|id| self.roles.get(id)).fold(everyone, |sum, r| sum | r.permissions);
        if all & ADMINISTRATOR != 0 { ALL } else { all }
    }
}

fn overwritten(base: u64, guild: &Guild, channel: &Channel, user: u64) -> u64 {
    let Some(member) = guild.members.get(&user) else { return 0 };
    let of = |kind: u8, target: u64| channel.overwrites.iter().find(|o| o.kind == kind && o.target == target);
    let mut permissions = base;
    if let Some(everyone) = of(ROLE_OVERWRITE, guild.id) {
        permissions = permissions & !everyone.deny | everyone.allow;
    }
    let roles = member.roles.iter().filter_map(|role| of(ROLE_OVERWRITE, *role));
    let (deny, allow) = roles.fold((0, 0), |(deny, allow), o| (deny | o.deny, allow | o.allow));
    permissions = permissions & !deny | allow;
    if let Some(own) = of(MEMBER_OVERWRITE, user) {
        permissions = permissions & !own.deny | own.allow;
    }
    permissions
}
