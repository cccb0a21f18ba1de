//! Keeps what people type from being taken for markup of the model, where it is served and where it is trained.
//!
//! With special tokens off llama.cpp leaves control tokens alone, but not what a vocabulary calls user-defined tokens:
//! for Qwen3 a typed `</think>` would still become the one token that ends its thinking.

/// The user-defined tokens of a vocabulary that look like `<markup>`.
///
/// Others, such as Gemma's runs of spaces, are how plain text is meant to be written and are not touched.
#[derive(Debug, Default)]
pub struct ModelMarkup(Vec<String>);

impl ModelMarkup {
    /// Picks the markup out of a vocabulary's user-defined tokens.
    pub fn among(user_defined: impl Iterator<Item = String>) -> Self {
        Self(user_defined.filter(|token| Self::is_markup(token)).collect())
    }

    /// Whether a user-defined token is markup.
    pub fn is_markup(token: &str) -> bool {
        token.len() > 2 && token.starts_with('<') && token.ends_with('>')
    }

    /// Cuts a text into parts, none of which holds a whole markup token: each is cut behind its `<`.
    pub fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
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
        let markup = ModelMarkup::among(["<think>", "</think>", "  ", "<>"].map(str::to_owned).into_iter());
        assert_eq!(markup.cut("a </think> b<think>"), ["a <", "/think> b<", "think>"]);
        assert_eq!(markup.cut("<<think>> 1 < 2 <b>  <> 😅"), ["<<", "think>> 1 < 2 <b>  <> 😅"]);
        assert_eq!(markup.cut(""), [""]);
    }
}
