//! What a persona says as a message of Telegram: its name as a bold first line, nothing that pings and no preview.

use chat::markup::telegram_html_escape;

/// What a member's name is replaced with in the template of the first line.
pub(super) const PLACEHOLDER: &str = "{name}";

/// What a persona is called. `place` is its number among the personas of that name, from 1 on, so that two of one name can
/// be told apart.
pub(super) fn label(name: &str, template: &str, place: usize) -> String {
    let name = chat::sanitise::name(&name.replace(['@', '＠', '﹫'], ""));
    let number = if place > 1 { format!(" {place}") } else { String::new() };
    chat::sanitise::one_line(&template.replace(PLACEHOLDER, &format!("{name}{number}")))
}

/// The message, in Telegram's HTML. An account that is called like the persona needs no first line.
pub(super) fn html(label: Option<&str>, text: &str) -> String {
    let text = telegram_html_escape(text);
    match label {
        Some(label) => format!("<b>{}</b>\n{text}", telegram_html_escape(label)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persona_has_its_name_above_its_words() {
        let label = label("Ada <3", "{name} (AI)", 2);
        assert_eq!(label, "Ada <3 2 (AI)");
        assert_eq!(html(Some(&label), "5 > 3"), "<b>Ada &lt;3 2 (AI)</b>\n5 &gt; 3");
        assert_eq!(html(None, "aye"), "aye");
    }

    #[test]
    fn nothing_pings() {
        assert_eq!(label("@bo\ned:", "{name}", 1), "bo ed");
        assert_eq!(html(None, "hey @bo_n"), "hey @\u{200b}bo_n");
    }
}
