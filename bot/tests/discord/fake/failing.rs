//! The world going wrong: permissions taken away, webhooks gone, the gateway dropping its clients, REST in trouble.

use std::time::Duration;

use super::FakeDiscord;
use super::gateway::Order;
use super::permissions::{MEMBER_OVERWRITE, Overwrite};

impl FakeDiscord {
    /// Sets what the bot's own role allows; @everyone's permissions stay.
    pub fn set_bot_permissions(&self, guild: u64, bits: u64) {
        let bot = self.bot();
        self.set_role_permissions(guild, |role| role.of_bot == Some(bot), bits);
    }

    /// Takes permissions from the bot in one channel; none gives it back what it had.
    pub fn deny(&self, channel: u64, bits: u64) {
        let mut world = self.world();
        let bot = world.bot;
        let changed = world.channels.get_mut(&channel).expect("the channel exists");
        changed.overwrites.retain(|overwrite| overwrite.target != bot);
        changed.overwrites.push(Overwrite { target: bot, kind: MEMBER_OVERWRITE, allow: 0, deny: bits });
        world.dispatch_channel("CHANNEL_UPDATE", channel);
    }

    /// A moderator deletes a webhook.
    pub fn delete_webhook(&self, webhook: u64) {
        self.world().remove_webhook(webhook);
    }

    /// Humans make webhooks until the channel has this many more.
    pub fn fill_webhooks(&self, channel: u64, count: usize) {
        let mut world = self.world();
        let guild = world.channels[&channel].guild.expect("only channels of guilds have webhooks");
        let owner = world.guilds[&guild].owner;
        for number in 0..count {
            world.add_webhook(channel, &format!("news {number}"), None, owner);
        }
    }

    pub fn kick_bot(&self, guild: u64) {
        self.world().remove_bot(guild);
    }

    /// Closes all connections of the gateway with this code.
    pub fn drop_gateway(&self, code: u16) {
        self.world().gateway.order_all(Order::Close(code));
    }

    /// Op 7: clients should reconnect and resume.
    pub fn send_reconnect(&self) {
        self.world().gateway.order_all(Order::Reconnect);
    }

    /// Op 9 to all clients; their sessions are gone.
    pub fn invalidate_sessions(&self) {
        self.world().gateway.order_all(Order::Invalid);
    }

    /// Op 1: clients should beat at once.
    pub fn ask_for_heartbeats(&self) {
        self.world().gateway.order_all(Order::Beat);
    }

    /// The gateway comes back without its memory: RESUME finds no session.
    pub fn forget_sessions(&self) {
        let mut world = self.world();
        world.gateway.forget_sessions();
        world.gateway.order_all(Order::Close(4000));
    }

    pub fn refuse_resume(&self, refuse: bool) {
        self.world().gateway.refuses_resume = refuse;
    }

    /// Leaves heartbeats without an ACK, as a dead connection does.
    pub fn silence_heartbeats(&self, silent: bool) {
        self.world().gateway.silent = silent;
    }

    /// Makes the next calls whose path contains this fail. A path starts below `/api/v10`.
    pub fn fail(&self, path: &str, status: u16, times: u32) {
        self.world().trouble.fail(path, status, times);
    }

    /// Makes all calls fail with a status, until `None`.
    pub fn outage(&self, status: Option<u16>) {
        self.world().trouble.outage(status);
    }

    /// Lets calls whose path contains this arrive late, until the length is zero.
    pub fn delay(&self, path: &str, length: Duration) {
        self.world().trouble.delay(path, length);
    }

    /// Answers every call with a global 429, until `None`.
    pub fn limit_everything(&self, retry_after: Option<Duration>) {
        self.world().trouble.refuse_everything(retry_after);
    }

    /// Answers the next calls whose path contains this with a 429 that no header announced.
    pub fn limit_unannounced(&self, path: &str, retry_after: Duration, times: u32) {
        self.world().trouble.refuse(path, retry_after, times);
    }

    /// Multiplies all rate limits from now on.
    pub fn widen_limits(&self, times: u32) {
        self.world().limits.times = times;
    }

    /// Which privileged intents the application has from now on; sessions that run keep theirs.
    pub fn enabled_intents(&self, bits: u64) {
        self.world().options.privileged_intents = bits;
    }
}
