//! What a model writes for its own machinery: thoughts, and control tokens that came out as text.

/// Tokens that open a turn. At the start of a reply they are noise, with the role that may follow; later they are an end.
const OPENINGS: [&str; 9] = [
    "<|im_start|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|begin_of_text|>",
    "<|begin_of_sentence|>",
    "<start_of_turn>",
    "<s>",
    "<bos>",
    "[INST]",
];
const ROLES: [&str; 4] = ["assistant", "model", "user", "system"];
/// Tokens that end a turn and are not spelt `<|...|>`.
const ENDINGS: [&str; 4] = ["</s>", "<end_of_turn>", "<eos>", "[/INST]"];

/// The part of `text` that is the reply: without thoughts and the tokens that open a turn, before the next control token.
pub fn strip(text: &str) -> String {
    let said = without_thoughts(text);
    let said = behind_openings(&said);
    let tokens = ENDINGS.iter().chain(&OPENINGS).filter_map(|token| said.find_ignoring_case(token));
    let end = tokens.chain(find_token(said)).min();
    said[..end.unwrap_or(said.len())].to_owned()
}

/// A thought that never ends takes all that follows with it. One that ends without having begun (some templates begin it
/// themselves) began with the text.
fn without_thoughts(text: &str) -> String {
    const OPEN: &str = "<think>";
    const CLOSE: &str = "</think>";
    let mut said = text.to_owned();
    while let Some(close) = said.find_ignoring_case(CLOSE) {
        let before = said[..close].find_ignoring_case(OPEN).map_or("", |open| &said[..open]);
        said = format!("{before} {}", &said[close + CLOSE.len()..]);
    }
    if let Some(open) = said.find_ignoring_case(OPEN) {
        said.truncate(open);
    }
    said
}

fn behind_openings(text: &str) -> &str {
    let mut said = text.trim_start();
    while let Some(rest) = OPENINGS.iter().find_map(|token| said.strip_prefix_ignoring_case(token)) {
        let rest = rest.trim_start();
        let role = ROLES.iter().find_map(|role| rest.strip_prefix_ignoring_case(role));
        said = role.filter(|rest| !rest.starts_with(char::is_alphanumeric)).unwrap_or(rest).trim_start();
    }
    said
}

/// Where the first `<|name` stands, whatever the name, with an ASCII or a full-width bar.
fn find_token(text: &str) -> Option<usize> {
    text.match_indices('<').map(|(place, _)| place).find(|place| {
        let after = text[place + 1..].trim_start_matches(' ');
        after
            .strip_prefix(['|', '｜'])
            .is_some_and(|name| name.trim_start_matches([' ', '/']).starts_with(|c: char| c.is_ascii_alphabetic()))
    })
}

/// Searching for ASCII whatever its case. Bytes are compared, so that places fit the text as it stands.
trait IgnoringCase {
    fn find_ignoring_case(&self, ascii: &str) -> Option<usize>;
    fn strip_prefix_ignoring_case(&self, ascii: &str) -> Option<&Self>;
}

impl IgnoringCase for str {
    fn find_ignoring_case(&self, ascii: &str) -> Option<usize> {
        self.as_bytes().windows(ascii.len()).position(|window| window.eq_ignore_ascii_case(ascii.as_bytes()))
    }

    fn strip_prefix_ignoring_case(&self, ascii: &str) -> Option<&str> {
        let start = self.get(..ascii.len())?;
        start.eq_ignore_ascii_case(ascii).then(|| &self[ascii.len()..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_private() {
        assert_eq!(strip("<think>\n\n</think>\n\nhi").trim(), "hi");
        assert_eq!(strip("she wants tea</think> tea?").trim(), "tea?");
        assert_eq!(strip("hi <Think>a</THINK>there <think>b</think>"), "hi  there  ");
        assert_eq!(strip("hi <think>never"), "hi ");
    }

    #[test]
    fn a_turn_ends_at_its_end_token() {
        for raw in [
            "hi<|im_end|>\n<|im_start|>user\nBo: yo",
            "<|im_start|>assistant\nhi<|endoftext|>x",
            "<|start_header_id|>assistant<|end_header_id|>\n\nhi<|eot_id|>",
            "<s>[INST] hi[/INST] yo</s>",
            "<start_of_turn>model\nhi<end_of_turn>",
            "hi< |IM_END| >",
            "hi<|im_",
            "hi<｜end▁of▁sentence｜>",
        ] {
            assert_eq!(strip(raw), "hi", "{raw}");
        }
        assert_eq!(strip("<|im_end|>hi"), "");
    }

    #[test]
    fn faces_and_arrows_are_no_tokens() {
        for raw in ["<| :)", "a <- b", "<3 |", "users say hi"] {
            assert_eq!(strip(raw), raw);
        }
    }
}
