//! What stands behind the time: a member's words, or a notice of the app in the phone's language.

use std::borrow::Cow;

use super::{super::DropReason, header::is_direction_mark};

/// A member's words.
#[derive(Debug)]
pub(super) struct Said<'a> {
    pub name: String,
    /// The words as the file has them.
    pub raw: &'a str,
    pub text: String,
}

/// Words that stand before a `: ` only in notices, such as `Ada changed the subject to "Trip: Rome"`.
const NOTICES: [&str; 14] = [
    " changed the subject",
    " changed the group",
    " changed this group",
    " changed to ",
    " created group",
    " created this group",
    " added ",
    " removed ",
    " pinned a message",
    "end-to-end encrypted",
    " hat die Gruppe ",
    " hat den Betreff ",
    " creó el grupo",
    " criou o grupo",
];

/// What stands in the place of a picture or file that was not exported.
const MEDIA: [&str; 12] = [
    "<Media omitted>",
    "<Medien ausgeschlossen>",
    "<Multimedia omitido>",
    "<Archivo omitido>",
    "<Arquivo de mídia oculto>",
    "<Mídia oculta>",
    "<Médias omis>",
    "<Media omessi>",
    "<Media weggelaten>",
    "<Без медиафайлов>",
    "Waiting for this message. This may take a while.",
    "null",
];

const DELETED: [&str; 14] = [
    "This message was deleted",
    "You deleted this message",
    "Diese Nachricht wurde gelöscht",
    "Du hast diese Nachricht gelöscht",
    "Se eliminó este mensaje",
    "Eliminaste este mensaje",
    "Mensagem apagada",
    "Esta mensagem foi apagada",
    "Você apagou esta mensagem",
    "Ce message a été supprimé",
    "Vous avez supprimé ce message",
    "Questo messaggio è stato eliminato",
    "Hai eliminato questo messaggio",
    "Dit bericht is verwijderd",
];

const EDITED: [&str; 4] = [
    "<This message was edited>",
    "<Diese Nachricht wurde bearbeitet.>",
    "<Se editó este mensaje.>",
    "<Mensagem editada>",
];

pub(super) fn read(content: &str) -> Result<Said<'_>, DropReason> {
    let (name, raw) = split_name(content).ok_or(DropReason::Service)?;
    let name = without_marks(name);
    // `~` stands before the name of somebody who is not among the exporter's contacts.
    let name = name.trim_start_matches('~').trim().replace(['\u{A0}', '\u{202F}'], " ");
    if name.is_empty() {
        return Err(DropReason::NoAuthor);
    }
    if is_notice(&name) {
        return Err(DropReason::Service);
    }
    let text = words(raw)?;
    Ok(Said { name, raw, text })
}

/// Whether what looks like a name is the beginning of a notice. A sentence has three words at least, so most names need
/// no search.
fn is_notice(name: &str) -> bool {
    name.bytes().filter(|&byte| byte == b' ').count() >= 2 && NOTICES.iter().any(|notice| name.contains(notice))
}

/// Splits at the first `: ` of the first line; a message that begins with a line break has the colon at its end.
fn split_name(content: &str) -> Option<(&str, &str)> {
    let first_line = content.split('\n').next().unwrap_or_default();
    match first_line.split_once(": ") {
        Some((name, _)) => Some((name, &content[name.len() + 2..])),
        None => first_line.strip_suffix(':').map(|name| (name, &content[name.len() + 1..])),
    }
}

fn words(raw: &str) -> Result<String, DropReason> {
    let plain = without_marks(raw);
    let mut text = plain.trim();
    if text.ends_with('>') {
        text = EDITED.iter().find_map(|edited| text.strip_suffix(edited)).unwrap_or(text).trim_end();
    }
    if DELETED.contains(&text.trim_end_matches('.')) {
        return Err(DropReason::Deleted);
    }
    let text = without_attachment(text);
    if text.is_empty() || MEDIA.contains(&text) {
        return Err(DropReason::Empty);
    }
    // iPhones put this mark before what the app writes in a member's name.
    if raw.starts_with('\u{200E}') {
        return Err(if text.ends_with(" omitted") { DropReason::Empty } else { DropReason::Service });
    }
    Ok(text.to_owned())
}

/// The caption, where a file is named: before it on iPhones, in the lines below it on Android.
fn without_attachment(text: &str) -> &str {
    if text.ends_with('>')
        && let Some((caption, _)) = text.rsplit_once("<attached: ")
    {
        return caption.trim_end();
    }
    let (first_line, caption) = text.split_once('\n').unwrap_or((text, ""));
    if first_line.ends_with("(file attached)") { caption.trim_start() } else { text }
}

fn without_marks(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(is_direction_mark) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(is_direction_mark, ""))
}
