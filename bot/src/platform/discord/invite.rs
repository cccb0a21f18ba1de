//! The link that takes the bot into a server.

use serenity::model::{Permissions, id::ApplicationId};

/// What the bot needs and nothing else: to see and read channels, to speak in them and their threads as a webhook, and
/// to show that somebody is typing.
pub(super) const NEEDED: Permissions = Permissions::VIEW_CHANNEL
    .union(Permissions::SEND_MESSAGES)
    .union(Permissions::SEND_MESSAGES_IN_THREADS)
    .union(Permissions::READ_MESSAGE_HISTORY)
    .union(Permissions::MANAGE_WEBHOOKS);

pub(super) fn link(application: ApplicationId) -> String {
    format!(
        "https://discord.com/oauth2/authorize?client_id={application}&scope=bot+applications.commands&permissions={}",
        NEEDED.bits()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_asks_for_what_is_needed_only() {
        // 1 << 10 | 1 << 11 | 1 << 16 | 1 << 29 | 1 << 38, from Discord's table of permissions.
        assert!(
            link(ApplicationId::new(7))
                .ends_with("client_id=7&scope=bot+applications.commands&permissions=275414846464")
        );
        assert_eq!(NEEDED.bits(), (1 << 10) | (1 << 11) | (1 << 16) | (1 << 29) | (1 << 38));
    }
}
