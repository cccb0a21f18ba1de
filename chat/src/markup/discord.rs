//! Discord: markdown and tags in angle brackets, in one pass without backtracking beyond a tag, a link or a code span.
//!
//! The reader is shy. Where Discord would take `f**k and s**t` for bold, `2*3*4` for italics or `a || b || c` for a
//! spoiler, it leaves the text alone: a stray asterisk in the history hurts less than a word that lost its letters.

use crate::markup::{
    Mention, NameOf,
    tag::{Tag, inner_of_brackets, time},
};

/// The text of a Discord message as people read it.
///
/// Mentions become `@name` and `#name`, or nothing where `name_of` does not know them; custom emoji become `:name:`;
/// timestamps are shown in UTC; a masked link shows its text; spoilers are shown.
pub fn discord_plain(text: &str, name_of: NameOf<'_>) -> String {
    Reader::new(text, Source::Discord(name_of)).read()
}

/// Raw output of a model without the markup of either platform.
///
/// Unlike [`discord_plain`] it keeps backslashes (`¯\_(ツ)_/¯`) and single `*` and `_`, since text that a model learned
/// from has no markup left and `*sighs*` in it was typed as such. Mentions and timestamps, which a model can only make
/// up, are left out, and the HTML tags that Telegram knows too. The result is never longer than `text`.
pub fn model_plain(text: &str) -> String {
    Reader::new(text, Source::Model).read()
}

/// What follows the `<` of a tag.
const TAG_OPENINGS: [&str; 8] = ["@", "#", ":", "a:", "t:", "id:", "/", "http"];

/// `text` for Discord, shown as it stands: markdown is escaped, `@everyone`, `@here` and everything that looks like a
/// tag get a zero-width space, because Discord looks for mentions before it looks for backslashes.
///
/// The result can be longer than Discord's 2,000 characters though `text` is not. A URL in it would break; personas post
/// none.
pub fn discord_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 4);
    for (place, c) in text.char_indices() {
        let rest = &text[place + c.len_utf8()..];
        if matches!(c, '\\' | '*' | '_' | '~' | '|' | '`' | '[') || opens_block(text, place, c) {
            escaped.push('\\');
        }
        escaped.push(c);
        let opens_tag = c == '<' && TAG_OPENINGS.iter().any(|opening| rest.starts_with(opening));
        let pings = c == '@' && (rest.starts_with("everyone") || rest.starts_with("here"));
        if opens_tag || pings {
            escaped.push('\u{200b}');
        }
    }
    escaped
}

/// Whether the `c` at `place` would make its line a quotation, a heading, small print or an item of a list.
fn opens_block(text: &str, place: usize, c: char) -> bool {
    let line = text[..place].rsplit('\n').next().unwrap_or_default().trim_start();
    match c {
        '>' | '#' | '-' | '+' => line.is_empty(),
        '.' => {
            !line.is_empty()
                && line.len() <= 9
                && line.bytes().all(|b| b.is_ascii_digit())
                && text[place..].starts_with(". ")
        }
        _ => false,
    }
}

/// Whose text is read.
#[derive(Clone, Copy)]
enum Source<'n> {
    Discord(NameOf<'n>),
    Model,
}

impl Source<'_> {
    fn show(&self, tag: Tag<'_>) -> String {
        match (tag, self) {
            (Tag::Emoji(name), _) => format!(":{name}:"),
            (Tag::Command(name), _) => format!("/{name}"),
            (Tag::Link(url), _) => url.to_owned(),
            (Tag::Mention(mention), Source::Discord(name_of)) => {
                let sign = if matches!(mention, Mention::Channel(_)) { '#' } else { '@' };
                name_of(mention).map(|name| format!("{sign}{name}")).unwrap_or_default()
            }
            (Tag::Time { seconds, style }, Source::Discord(_)) => time(seconds, style),
            (Tag::Navigation, _) | (Tag::Mention(_) | Tag::Time { .. }, Source::Model) => String::new(),
        }
    }
}

/// What surrounds styled text, the longer ones first. The single ones are Discord's alone.
const MARKS: [&str; 6] = ["**", "__", "~~", "||", "*", "_"];
const SINGLE_MARKS: usize = 4;

/// A mark that waits for its partner.
#[derive(Clone, Copy)]
struct Open {
    /// The piece that holds it.
    piece: usize,
    /// Where the text after it begins.
    end: usize,
}

struct Reader<'t, 'n> {
    text: &'t str,
    source: Source<'n>,
    /// How far the text has been read, in bytes.
    at: usize,
    /// What has been read. A mark is a piece of its own, which is emptied when its partner comes.
    pieces: Vec<String>,
    open: [Option<Open>; MARKS.len()],
}

impl<'t, 'n> Reader<'t, 'n> {
    fn new(text: &'t str, source: Source<'n>) -> Self {
        Self { text, source, at: 0, pieces: vec![String::new()], open: [None; MARKS.len()] }
    }

    fn read(mut self) -> String {
        while let Some(c) = self.rest().chars().next() {
            let read = match c {
                '\\' => self.escape(),
                '`' => self.code(),
                '<' => self.tag() || self.html(),
                '[' => self.link(),
                '>' => self.quote(),
                'h' => self.url(),
                '*' | '_' | '~' | '|' => self.mark(),
                _ => false,
            };
            if !read {
                self.push(c.encode_utf8(&mut [0; 4]), c.len_utf8());
            }
        }
        self.pieces.concat()
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Adds `shown` for the next `length` bytes of the text.
    fn push(&mut self, shown: &str, length: usize) {
        self.pieces.last_mut().expect("there is always a piece").push_str(shown);
        self.at += length;
    }

    fn escape(&mut self) -> bool {
        let escaped = self.rest().chars().nth(1).filter(|c| !c.is_ascii_alphanumeric() && !c.is_whitespace());
        match (escaped, &self.source) {
            (Some(c), Source::Discord(_)) => {
                self.push(c.encode_utf8(&mut [0; 4]), 1 + c.len_utf8());
                true
            }
            _ => false,
        }
    }

    /// A code span or block, whose content is read as it stands.
    fn code(&mut self) -> bool {
        let rest = self.rest();
        let fence = rest.len() - rest.trim_start_matches('`').len();
        let (ticks, after) = rest.split_at(fence);
        match closing_ticks(after, fence) {
            Some(length) => self.push(code_content(&after[..length], fence), fence + length + fence),
            None => self.push(ticks, fence),
        }
        true
    }

    fn tag(&mut self) -> bool {
        let Some(inner) = inner_of_brackets(self.rest()) else { return false };
        let Some(tag) = Tag::parse(inner) else { return false };
        let shown = self.source.show(tag);
        self.push(&shown, inner.len() + 2);
        true
    }

    /// A tag of Telegram's HTML, which only a model would write out.
    fn html(&mut self) -> bool {
        const TAGS: [&str; 16] = [
            "a",
            "b",
            "blockquote",
            "br",
            "code",
            "del",
            "em",
            "i",
            "ins",
            "pre",
            "s",
            "span",
            "strike",
            "strong",
            "tg-emoji",
            "tg-spoiler",
        ];
        let Source::Model = self.source else { return false };
        let Some(inner) = inner_of_brackets(self.rest()) else { return false };
        let name = inner.trim_matches('/').split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        let known = name == "u" || TAGS.contains(&name.as_str());
        if known {
            self.push("", inner.len() + 2);
        }
        known
    }

    /// `[text](https://...)`, of which the text is shown.
    fn link(&mut self) -> bool {
        let rest = self.rest();
        let Some(label) = rest[1..].find(['[', ']', '\n']).map(|end| &rest[1..1 + end]) else { return false };
        let Some(target) = rest[1 + label.len()..].strip_prefix("](") else { return false };
        let Some(end) = closing_parenthesis(target) else { return false };
        let url = target[..end].trim_start_matches([' ', '<']);
        if label.is_empty() || !(url.starts_with("http://") || url.starts_with("https://")) {
            return false;
        }
        // A label holds no bracket, so this goes no deeper than one level.
        let shown = Reader::new(label, self.source).read();
        self.push(&shown, 1 + label.len() + 2 + end + 1);
        true
    }

    /// A bare URL, in which `_` and `*` mean nothing.
    fn url(&mut self) -> bool {
        let rest = self.rest();
        let is_url = rest.starts_with("http://") || rest.starts_with("https://");
        if is_url {
            let end = rest.find(|c: char| c.is_whitespace() || "<>()[]|~`\\\"".contains(c)).unwrap_or(rest.len());
            let end = rest[..end].find("**").unwrap_or(end);
            self.push(&rest[..end], end);
        }
        is_url
    }

    /// The sign of a quotation at the start of a line; what is quoted stays.
    fn quote(&mut self) -> bool {
        let starts_line = self.at == 0 || self.text[..self.at].ends_with('\n');
        let sign = [">>> ", "> "].into_iter().find(|sign| starts_line && self.rest().starts_with(sign));
        sign.inspect(|sign| self.push("", sign.len())).is_some()
    }

    /// Two equal marks around text vanish; a mark without a partner stays.
    fn mark(&mut self) -> bool {
        let known = match self.source {
            Source::Discord(_) => &MARKS[..],
            Source::Model => &MARKS[..SINGLE_MARKS],
        };
        let Some(kind) = known.iter().position(|mark| self.rest().starts_with(mark)) else { return false };
        let mark = MARKS[kind];
        let end = self.at + mark.len();
        let before = self.text[..self.at].chars().next_back();
        let after = self.text[end..].chars().next();
        let partner = self.open[kind].filter(|open| open.end < self.at);
        if let Some(partner) = partner.filter(|_| touches(before) && !is_word(after)) {
            self.pieces[partner.piece].clear();
            self.open[kind] = None;
            self.at = end;
            return true;
        }
        if touches(after) && !is_word(before) {
            self.open[kind] = Some(Open { piece: self.pieces.len(), end });
        }
        self.pieces.extend([mark.to_owned(), String::new()]);
        self.at = end;
        true
    }
}

/// Whether a mark beside `neighbour` touches the text that it would style.
fn touches(neighbour: Option<char>) -> bool {
    neighbour.is_some_and(|c| !c.is_whitespace())
}

/// Whether a mark beside `neighbour` stands in the middle of a word. The scripts from Thai on upwards mostly do without
/// spaces, so that there the question has no answer and the mark counts.
fn is_word(neighbour: Option<char>) -> bool {
    neighbour.is_some_and(|c| c.is_alphanumeric() && c < '\u{e00}')
}

/// How far it is to the next run of exactly `fence` backticks, if there is anything before it.
fn closing_ticks(text: &str, fence: usize) -> Option<usize> {
    let mut from = 0;
    loop {
        let start = from + text[from..].find('`')?;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == fence {
            return (!text[..start].trim().is_empty()).then_some(start);
        }
        from = start + run;
    }
}

/// The content of a code span or block without the name of the language.
fn code_content(content: &str, fence: usize) -> &str {
    let is_language =
        |line: &str| line.chars().all(|c| c.is_alphanumeric() || matches!(c, '+' | '#' | '-' | '_' | '.'));
    match content.split_once('\n') {
        Some((first, code)) if fence >= 3 && is_language(first.trim()) && !code.trim().is_empty() => code.trim(),
        _ => content.trim(),
    }
}

/// How far it is to the parenthesis that closes a link. No URL is longer than the limit.
fn closing_parenthesis(target: &str) -> Option<usize> {
    const LONGEST: usize = 2_048;
    let mut depth = 0;
    for (place, c) in target.char_indices().take(LONGEST) {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(place),
            ')' => depth -= 1,
            '\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn names(mention: Mention<'_>) -> Option<String> {
        match mention {
            Mention::Member("1") => Some("Ada".to_owned()),
            Mention::Role("2") => Some("sailors".to_owned()),
            Mention::Channel("3") => Some("boat".to_owned()),
            _ => None,
        }
    }

    fn check(cases: &[&str], expected: Expect) {
        let shown: String =
            cases.iter().map(|text| format!("{text:?} -> {:?}\n", discord_plain(text, &names))).collect();
        expected.assert_eq(&shown);
    }

    #[test]
    fn tags() {
        check(
            &[
                "<@1> and <@!1> of <@&2> in <#3>",
                "<@99> who?",
                "<:blob_ok:123> <a:party:456>",
                "see </play song:12> in <id:customize>",
                "at <t:1764041940> or <t:1764041940:t> or <t:1764041940:D>, <t:99999999999999999999>",
                "<https://example.org/a_b_c>",
                "<3 >:( <_< >.> i <3 u> <@x> <:a:> <>",
            ],
            expect![[r#"
                "<@1> and <@!1> of <@&2> in <#3>" -> "@Ada and @Ada of @sailors in #boat"
                "<@99> who?" -> " who?"
                "<:blob_ok:123> <a:party:456>" -> ":blob_ok: :party:"
                "see </play song:12> in <id:customize>" -> "see /play song in "
                "at <t:1764041940> or <t:1764041940:t> or <t:1764041940:D>, <t:99999999999999999999>" -> "at 2025-11-25 03:39 or 03:39 or 2025-11-25, <t:99999999999999999999>"
                "<https://example.org/a_b_c>" -> "https://example.org/a_b_c"
                "<3 >:( <_< >.> i <3 u> <@x> <:a:> <>" -> "<3 >:( <_< >.> i <3 u> <@x> <:a:> <>"
            "#]],
        );
    }

    #[test]
    fn styles() {
        check(
            &[
                "**bold** __under__ ~~gone~~ ||secret|| *it* _it_",
                "***both*** and __**nested**__, **over __lap** ping__",
                "これは**重要**です",
                "un*finished **business __here",
                r"\*not\* \_it\_ \\ \n ¯\\\_(ツ)\_/¯",
            ],
            expect![[r#"
                "**bold** __under__ ~~gone~~ ||secret|| *it* _it_" -> "bold under gone secret it it"
                "***both*** and __**nested**__, **over __lap** ping__" -> "both and nested, over lap ping"
                "これは**重要**です" -> "これは重要です"
                "un*finished **business __here" -> "un*finished **business __here"
                "\\*not\\* \\_it\\_ \\\\ \\n ¯\\\\\\_(ツ)\\_/¯" -> "*not* _it_ \\ \\n ¯\\_(ツ)_/¯"
            "#]],
        );
    }

    #[test]
    fn ordinary_text_stays() {
        check(
            &[
                "2 * 3 * 4 = 24, 2*3*4, 2**3**4, a * b",
                "snake_case_name and other_snake_case, my__dunder__name",
                "f**k this s**t, a****",
                "a || b || c, ~5 ~ 6~ :) :| :'( *their",
                ">:( >_> >not a quote",
                "[x] (y) [a](b) [a]",
                "`",
                "****",
            ],
            expect![[r#"
                "2 * 3 * 4 = 24, 2*3*4, 2**3**4, a * b" -> "2 * 3 * 4 = 24, 2*3*4, 2**3**4, a * b"
                "snake_case_name and other_snake_case, my__dunder__name" -> "snake_case_name and other_snake_case, my__dunder__name"
                "f**k this s**t, a****" -> "f**k this s**t, a****"
                "a || b || c, ~5 ~ 6~ :) :| :'( *their" -> "a || b || c, ~5 ~ 6~ :) :| :'( *their"
                ">:( >_> >not a quote" -> ">:( >_> >not a quote"
                "[x] (y) [a](b) [a]" -> "[x] (y) [a](b) [a]"
                "`" -> "`"
                "****" -> "****"
            "#]],
        );
    }

    #[test]
    fn code_quotes_and_links() {
        check(
            &[
                "`a_b_c **x**` and ``a ` b``",
                "```rust\nlet x = *y;\n``` ok",
                "```one line``` ```\nplain\n```",
                "> quoted\nanswer\n>>> more",
                "[the **docs**](https://en.wikipedia.org/wiki/A_(b)) ok [x](<http://a.b>)",
                "``` unclosed `one",
                "https://a.b/_c_*d* **https://a.b/__c__**",
            ],
            expect![[r#"
                "`a_b_c **x**` and ``a ` b``" -> "a_b_c **x** and a ` b"
                "```rust\nlet x = *y;\n``` ok" -> "let x = *y; ok"
                "```one line``` ```\nplain\n```" -> "one line plain"
                "> quoted\nanswer\n>>> more" -> "quoted\nanswer\nmore"
                "[the **docs**](https://en.wikipedia.org/wiki/A_(b)) ok [x](<http://a.b>)" -> "the docs ok x"
                "``` unclosed `one" -> "``` unclosed `one"
                "https://a.b/_c_*d* **https://a.b/__c__**" -> "https://a.b/_c_*d* https://a.b/__c__"
            "#]],
        );
    }

    #[test]
    fn escaping() {
        let escaped: String = [
            "**hi** snake_case `x` ||y|| ~~z~~",
            "@everyone @here <@1> <#2> <:a:1> </x:1> <t:1>",
            "# not a heading\n> not a quote\n- no item\n12. no item",
            "1.5 > 1 - # c++ :) <3",
            r"¯\_(ツ)_/¯ [a](http://b)",
        ]
        .map(|text| discord_escape(text).replace('\u{200b}', "·") + "\n")
        .concat();
        expect![[r#"
            \*\*hi\*\* snake\_case \`x\` \|\|y\|\| \~\~z\~\~
            @·everyone @·here <·@1> <·#2> <·:a:1> <·/x:1> <·t:1>
            \# not a heading
            \> not a quote
            \- no item
            12\. no item
            1.5 > 1 - # c++ :) <3
            ¯\\\_(ツ)\_/¯ \[a](http://b)
        "#]]
        .assert_eq(&escaped);
    }

    #[test]
    fn what_a_model_wrote() {
        let shown: String = [
            "**bold** ||x|| *sighs* _hm_ `code` ¯\\_(ツ)_/¯",
            "<@1> <b>hi</b> <a href=\"http://x.y\">there</a> <tg-spoiler>boo</tg-spoiler> <br/> <bo> <3",
            "> quoted <t:1> <:ok:12> [here](https://x.y)",
        ]
        .map(|text| model_plain(text) + "\n")
        .concat();
        expect![[r#"
            bold x *sighs* _hm_ code ¯\_(ツ)_/¯
             hi there boo  <bo> <3
            quoted  :ok: here
        "#]]
        .assert_eq(&shown);
    }

    const FRAGMENTS: &str = concat!(
        "*¦**¦_¦__¦~~¦||¦`¦```¦\\¦<@1>¦<#3>¦<:a:1>¦<t:1>¦<¦>¦> ¦\n¦ ¦[a](¦http://b.c¦)¦]¦(¦@everyone¦# ¦",
        "- ¦1. ¦ab¦é¦好¦😅¦</b>¦<b>",
    );

    /// Text made of what markup is made of.
    fn markup() -> impl Strategy<Value = String> {
        let fragment = prop_oneof![
            prop::sample::select(FRAGMENTS.split('¦').collect::<Vec<_>>()).prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
        ];
        proptest::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_as_it_was(text in markup()) {
            let text = text.replace('\u{200b}', "");
            prop_assert_eq!(discord_plain(&discord_escape(&text), &|_| None).replace('\u{200b}', ""), text);
        }

        #[test]
        fn what_a_model_wrote_only_shrinks(text in markup()) {
            prop_assert!(model_plain(&text).len() <= text.len());
        }
    }
}
