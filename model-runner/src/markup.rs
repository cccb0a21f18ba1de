//! Keeps what people type from being taken for markup of the model.
//!
//! With special tokens off llama.cpp leaves control tokens alone, but not what a vocabulary calls user-defined tokens:
//! for Qwen3 a typed `</think>` would still become the one token that ends its thinking.

/// The user-defined tokens of a vocabulary that look like `<markup>`.
///
/// Others, such as Gemma's runs of spaces, are how plain text is meant to be written and are not touched.
#[derive(Debug, Default)]
pub(crate) struct Markup(Vec<String>);

impl Markup {
    /// Picks the markup out of a vocabulary's user-defined tokens.
    pub(crate) fn among(user_defined: impl Iterator<Item = String>) -> Self {
        Self(user_defined.filter(|token| Self::is_markup(token)).collect())
    }

    /// Whether a user-defined token is markup.
    pub(crate) fn is_markup(token: &str) -> bool {
        token.len() > 2 && token.starts_with('<') && token.ends_with('>')
    }

    /// Cuts a text into parts, none of which holds a whole markup token: each is cut behind its `<`.
    pub(crate) fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut parts = Vec::new();
        let mut start = 0;
        for (place, _) in text.match_indices('<') {
            if self.0.iter().any(|token| text[place..].starts_with(token)) {
                parts.push(&text[start..=place]);
                start = place + 1;
            }
        }
        parts.push(&text[start..]);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_cut_and_nothing_else() {
        let markup = Markup::among(["<think>", "</think>", "  ", "<>"].map(str::to_owned).into_iter());
        assert_eq!(markup.cut("a </think> b<think>"), ["a <", "/think> b<", "think>"]);
        assert_eq!(markup.cut("<<think>> 1 < 2 <b>  <> 😅"), ["<<", "think>> 1 < 2 <b>  <> 😅"]);
        assert_eq!(markup.cut(""), [""]);
    }
}
