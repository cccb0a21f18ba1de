//! Building the world, before or after a client connects: what changes later arrives as events.

use serde_json::json;

use super::FakeDiscord;
use super::clock::now;
use super::events::{GUILD_MEMBERS, GUILDS};
use super::payload::id;
use super::permissions::OF_EVERYONE;
use super::world::{ANNOUNCEMENT, CATEGORY, Channel, FORUM, Guild, Member, PUBLIC_THREAD, Role, TEXT, User, World};

impl World {
    pub fn add_user(&mut self, name: &str, bot: bool) -> u64 {
        let id = self.snowflakes.next();
        self.users.insert(id, User { id, name: name.to_owned(), avatar: None, bot });
        id
    }

    /// A channel of which nobody has been told yet.
    pub fn add_channel(&mut self, guild: Option<u64>, parent: Option<u64>, kind: u8, name: &str) -> u64 {
        let id = self.snowflakes.next();
        let channel = Channel {
            id,
            guild,
            parent,
            kind,
            name: name.to_owned(),
            topic: None,
            overwrites: Vec::new(),
            messages: Default::default(),
            last_message: None,
            owner: None,
            archived: false,
            locked: false,
            typing_by_bot: 0,
            taken: 0,
        };
        self.channels.insert(id, channel);
        id
    }

    fn new_member(user: u64, nick: Option<&str>, roles: Vec<u64>) -> Member {
        Member { user, nick: nick.map(str::to_owned), avatar: None, roles, joined_at: now() }
    }

    fn add_guild(&mut self, name: &str) -> u64 {
        let owner = self.add_user(&format!("owner of {name}"), false);
        let id = self.snowflakes.next();
        let everyone = Role { id, name: "@everyone".into(), permissions: OF_EVERYONE, position: 0, of_bot: None };
        let members = [(owner, Self::new_member(owner, None, Vec::new()))].into();
        self.guilds.insert(id, Guild { id, name: name.to_owned(), owner, roles: [(id, everyone)].into(), members });
        id
    }

    /// Lets the bot in, with a managed role as Discord makes it from the invitation.
    pub fn add_bot(&mut self, guild_id: u64) {
        let (bot, permissions, role) = (self.bot, self.options.bot_permissions, self.snowflakes.next());
        let Some(guild) = self.guilds.get_mut(&guild_id) else { return };
        let position = guild.roles.len();
        guild.roles.insert(role, Role { id: role, name: "groupchat".into(), permissions, position, of_bot: Some(bot) });
        guild.members.insert(bot, Self::new_member(bot, None, vec![role]));
        self.dispatch_guild_create(guild_id);
    }

    fn guild_of(&self, channel: u64) -> Option<u64> {
        self.channels[&channel].guild
    }
}

impl FakeDiscord {
    /// A guild with an owner of its own, in which the bot is a member.
    pub fn guild(&self, name: &str) -> u64 {
        let mut world = self.world();
        let guild = world.add_guild(name);
        world.add_bot(guild);
        guild
    }

    /// A guild that has not invited the bot yet; `invite_bot` does.
    pub fn guild_without_bot(&self, name: &str) -> u64 {
        self.world().add_guild(name)
    }

    pub fn invite_bot(&self, guild: u64) {
        self.world().add_bot(guild);
    }

    pub fn owner(&self, guild: u64) -> u64 {
        self.world().guilds[&guild].owner
    }

    pub fn channel(&self, guild: u64, name: &str) -> u64 {
        self.place(guild, TEXT, name)
    }

    pub fn announcements(&self, guild: u64, name: &str) -> u64 {
        self.place(guild, ANNOUNCEMENT, name)
    }

    pub fn category(&self, guild: u64, name: &str) -> u64 {
        self.place(guild, CATEGORY, name)
    }

    pub fn forum(&self, guild: u64, name: &str) -> u64 {
        self.place(guild, FORUM, name)
    }

    fn place(&self, guild: u64, kind: u8, name: &str) -> u64 {
        let mut world = self.world();
        let channel = world.add_channel(Some(guild), None, kind, name);
        world.dispatch_channel("CHANNEL_CREATE", channel);
        channel
    }

    /// A public thread of a channel, opened by the guild's owner.
    pub fn thread(&self, parent: u64, name: &str) -> u64 {
        let mut world = self.world();
        let guild = world.guild_of(parent).expect("only channels of guilds have threads");
        let owner = world.guilds[&guild].owner;
        world.open_thread(parent, name, owner).expect("the parent exists")
    }

    /// A post in a forum: a thread whose first message has its id.
    pub fn forum_post(&self, forum: u64, name: &str, author: u64, text: &str) -> u64 {
        let post = self.world().open_thread(forum, name, author).expect("the forum exists");
        self.say(post, author, text);
        post
    }

    pub fn archive(&self, thread: u64) {
        let mut world = self.world();
        world.channels.get_mut(&thread).expect("the thread exists").archived = true;
        world.dispatch_channel("THREAD_UPDATE", thread);
    }

    /// The channel in which the bot and a user write to each other.
    pub fn direct(&self, user: u64) -> u64 {
        self.world().direct_channel(user)
    }

    pub fn rename_channel(&self, channel: u64, name: &str) {
        let mut world = self.world();
        let changed = world.channels.get_mut(&channel).expect("the channel exists");
        changed.name = name.to_owned();
        let event = if changed.is_thread() { "THREAD_UPDATE" } else { "CHANNEL_UPDATE" };
        world.dispatch_channel(event, channel);
    }

    /// Deletes a channel or thread, with the threads and webhooks in it.
    pub fn delete_channel(&self, channel: u64) {
        let mut world = self.world();
        let inside = |other: &&Channel| other.parent == Some(channel) && other.is_thread();
        let threads: Vec<u64> = world.channels.values().filter(inside).map(|thread| thread.id).collect();
        for gone in threads.into_iter().chain([channel]) {
            let event = if world.channels[&gone].is_thread() { "THREAD_DELETE" } else { "CHANNEL_DELETE" };
            world.dispatch_channel(event, gone);
            world.channels.remove(&gone);
            world.webhooks.retain(|_, webhook| webhook.channel != gone);
        }
    }

    pub fn rename_guild(&self, guild: u64, name: &str) {
        let mut world = self.world();
        world.guilds.get_mut(&guild).expect("the guild exists").name = name.to_owned();
        let json = world.guild_json(&world.guilds[&guild]);
        world.dispatch(Some(guild), GUILDS, "GUILD_UPDATE", &json);
    }

    /// A human who is nowhere yet.
    pub fn user(&self, name: &str) -> u64 {
        self.world().add_user(name, false)
    }

    pub fn other_bot(&self, name: &str) -> u64 {
        self.world().add_user(name, true)
    }

    pub fn join(&self, guild: u64, user: u64, nick: Option<&str>) {
        let mut world = self.world();
        let member = World::new_member(user, nick, Vec::new());
        world.guilds.get_mut(&guild).expect("the guild exists").members.insert(user, member);
        world.dispatch_member("GUILD_MEMBER_ADD", guild, user);
    }

    pub fn leave(&self, guild: u64, user: u64) {
        let mut world = self.world();
        if user == world.bot {
            return world.remove_bot(guild);
        }
        world.guilds.get_mut(&guild).expect("the guild exists").members.remove(&user);
        let json = json!({ "guild_id": id(guild), "user": world.user_json(user) });
        world.dispatch(Some(guild), GUILD_MEMBERS, "GUILD_MEMBER_REMOVE", &json);
    }

    pub fn rename(&self, guild: u64, user: u64, nick: Option<&str>) {
        self.change_member(guild, user, |member| member.nick = nick.map(str::to_owned));
    }

    /// Sets a user's picture everywhere and tells the guilds of it.
    pub fn set_avatar(&self, guild: u64, user: u64, hash: Option<&str>) {
        self.world().users.get_mut(&user).expect("the user exists").avatar = hash.map(str::to_owned);
        self.change_member(guild, user, |_| {});
    }

    /// Sets the picture that a member shows in one guild only.
    pub fn set_guild_avatar(&self, guild: u64, user: u64, hash: Option<&str>) {
        self.change_member(guild, user, |member| member.avatar = hash.map(str::to_owned));
    }

    /// Gives a member a role of their own with these permissions.
    pub fn give_permissions(&self, guild: u64, user: u64, bits: u64) {
        let mut world = self.world();
        let role = world.snowflakes.next();
        let roles = &mut world.guilds.get_mut(&guild).expect("the guild exists").roles;
        let position = roles.len();
        roles.insert(role, Role { id: role, name: format!("of {user}"), permissions: bits, position, of_bot: None });
        world.dispatch_role("GUILD_ROLE_CREATE", guild, role);
        drop(world);
        self.change_member(guild, user, |member| member.roles.push(role));
    }

    fn change_member(&self, guild: u64, user: u64, change: impl FnOnce(&mut Member)) {
        let mut world = self.world();
        let members = &mut world.guilds.get_mut(&guild).expect("the guild exists").members;
        change(members.get_mut(&user).expect("the user is a member"));
        world.dispatch_member("GUILD_MEMBER_UPDATE", guild, user);
    }

    /// Sets what @everyone may do in a guild.
    pub fn set_everyone_permissions(&self, guild: u64, bits: u64) {
        self.set_role_permissions(guild, |role| role.id == guild, bits);
    }

    pub(super) fn set_role_permissions(&self, guild: u64, wanted: impl Fn(&Role) -> bool, bits: u64) {
        let mut world = self.world();
        let roles = &mut world.guilds.get_mut(&guild).expect("the guild exists").roles;
        let role = roles.values_mut().find(|role| wanted(role)).expect("the guild has such a role");
        role.permissions = bits;
        let role = role.id;
        world.dispatch_role("GUILD_ROLE_UPDATE", guild, role);
    }

    /// Whether a channel is a thread, for assertions on what the bot did in it.
    pub fn is_thread(&self, channel: u64) -> bool {
        self.world().channels.get(&channel).is_some_and(|channel| channel.kind == PUBLIC_THREAD)
    }
}
