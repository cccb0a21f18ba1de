//! Commands to bots: ours begin with a slash, those of others mostly with an exclamation mark.

/// Whether a line is a command: `/summon Ada`, `/start@some_bot`, `!play x`.
///
/// A slash or mark must be followed by a word of letters. So `/` alone, `/usr/bin`, `/r/rust`, `!!` and `!1` are talk.
pub(in crate::dataset) fn is_command(line: &str) -> bool {
    let Some(behind) = line.strip_prefix(['/', '!']) else { return false };
    let word = behind.split(' ').next().unwrap_or_default();
    let word = if line.starts_with('/') { word.split('@').next().unwrap_or_default() } else { word };
    word.starts_with(|c: char| c.is_ascii_alphabetic())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_begin_with_a_sign_and_a_word() {
        for line in ["/summon Ada", "/start@some_bot", "!play", "!ban-all now", "/me"] {
            assert!(is_command(line), "{line}");
        }
        for line in ["/", "/usr/bin/env", "/r/rust is nice", "!!", "!1", "!", "hi /summon", "! wait", "/😅", "!?", ""]
        {
            assert!(!is_command(line), "{line}");
        }
    }
}
