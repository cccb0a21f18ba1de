//! Who is meant by what somebody typed.

use chat::{Member, Persona};

use super::Answer;
use crate::room::RoomTask;

/// Names as a list that people read.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => "nobody".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The member of the community that a name means.
pub(super) async fn find(room: &RoomTask, typed: &str) -> anyhow::Result<Result<Member, Answer>> {
    let mut found = room.store().find_members(room.room.community, typed).await?;
    Ok(match found.len() {
        0 => Err(Answer::refused(format!("I know nobody called {typed}. /cast shows who could come."))),
        1 => Ok(found.remove(0)),
        _ => Err(Answer::refused(format!(
            "{typed} could be {}. Please write the whole name.",
            list(found.iter().map(|member| member.name.as_str()))
        ))),
    })
}

/// The persona in the room that a name means: the whole name in any case, or the only one that begins with it.
pub(super) fn find_here<'a>(cast: &'a [Persona], typed: &str) -> Result<&'a Persona, Answer> {
    let typed_lower = typed.to_lowercase();
    let is_called = |persona: &&Persona| persona.name.to_lowercase() == typed_lower;
    if let Some(persona) = cast.iter().find(is_called) {
        return Ok(persona);
    }
    let begin: Vec<&Persona> = cast.iter().filter(|p| p.name.to_lowercase().starts_with(&typed_lower)).collect();
    match begin.as_slice() {
        [one] => Ok(one),
        [] => Err(Answer::refused(format!("There is no {typed} in this room; /summon brings somebody in."))),
        several => Err(Answer::refused(format!(
            "{typed} could be {}. Please write the whole name.",
            list(several.iter().map(|persona| persona.name.as_str()))
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(list([]), "nobody");
        assert_eq!(list(["Ada"]), "Ada");
        assert_eq!(list(["Ada", "Bo", "Cleo"]), "Ada, Bo and Cleo");
    }
}
