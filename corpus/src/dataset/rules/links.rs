//! Messages with links: personas post none, so they are not to learn any.

/// Whether a line holds what the bot would remove from a reply.
pub(in crate::dataset) fn holds_link(line: &str) -> bool {
    chat::clean::holds_link(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_platform_would_link_is_a_link() {
        for line in ["look https://example.org/x", "discord.gg/abc", "www.example.zz."] {
            assert!(holds_link(line), "{line}");
        }
        for line in ["main.rs v1.2", "ok.so what", "and/or", "[email]"] {
            assert!(!holds_link(line), "{line}");
        }
    }
}
