//! Who speaks: the one that was addressed, the ones that were set, or the one that the group's habits suggest.

use chat::{Author, MemberId, Message, Persona, PersonaId, Window};
use rand::Rng;

use super::{Scene, persona_of};

/// The persona that a message is meant for: the author of the message that it answers, or one whose name it says as a
/// whole word. Where several are named, the first.
pub(super) fn addressed(message: &Message, window: &Window, cast: &[Persona]) -> Option<PersonaId> {
    let answered = message.reply_to.and_then(|key| window.messages().find(|m| m.key == key)).and_then(persona_of);
    if let Some(persona) = answered.filter(|id| cast.iter().any(|persona| persona.id == *id)) {
        return Some(persona);
    }
    cast.iter()
        .filter_map(|persona| Some((find_name(&message.text, &persona.name)?, persona.id)))
        .min_by_key(|(place, _)| *place)
        .map(|(_, id)| id)
}

/// Where `name`, or its first word, stands in `text` as a whole word, whatever its case.
fn find_name(text: &str, name: &str) -> Option<usize> {
    let text = text.to_lowercase();
    let name = name.to_lowercase();
    let first = name.split_whitespace().next().unwrap_or(&name);
    [name.as_str(), first].into_iter().filter(|word| word.chars().count() > 1).find_map(|word| find_word(&text, word))
}

fn find_word(text: &str, word: &str) -> Option<usize> {
    text.match_indices(word).map(|(place, _)| place).find(|&place| {
        let before = text[..place].chars().next_back();
        let after = text[place + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Whether `/speaker` lets a persona speak.
pub(super) fn is_free_to_speak(persona: PersonaId, scene: &Scene<'_>) -> bool {
    let forced = forced(scene);
    forced.is_empty() || forced.iter().any(|(id, _)| *id == persona)
}

/// The forced speakers who are in the room, with their weights.
fn forced(scene: &Scene<'_>) -> Vec<(PersonaId, f64)> {
    let is_here = |id: PersonaId| scene.cast.iter().any(|persona| persona.id == id);
    let speakers = scene.settings.speakers.iter().filter(|speaker| is_here(speaker.persona));
    speakers.map(|speaker| (speaker.persona, f64::from(speaker.weight))).collect()
}

/// Chooses who speaks next. Nobody answers themselves where somebody else could, unless their own habit is to write in
/// bursts.
pub(super) fn choose(scene: &Scene<'_>, rng: &mut impl Rng) -> Option<PersonaId> {
    let last = scene.window.latest();
    let last_persona = last.and_then(persona_of);
    let forced = forced(scene);
    if !forced.is_empty() {
        return draw(&without(last_persona, forced), rng);
    }
    let candidates = scene.cast.iter().map(|persona| (persona.id, weight(persona, scene))).collect();
    let bursting = last_persona.and_then(|id| scene.cast.iter().find(|persona| persona.id == id));
    if let Some(bursting) = bursting
        && rng.random_bool(scene.habits.burst_chance(bursting.member) * room_for_burst(scene))
    {
        return Some(bursting.id);
    }
    draw(&without(last_persona, candidates), rng)
}

/// 1 where a persona may go on, falling to 0 as its lines already fill the window.
fn room_for_burst(scene: &Scene<'_>) -> f64 {
    let last = scene.window.latest().map(|message| message.author);
    let run = scene.window.messages().rev().take_while(|message| Some(message.author) == last).count();
    match run {
        0 | 1 => 1.0,
        2 => 0.5,
        _ => 0.0,
    }
}

/// How likely a persona is to speak now: its share of the group's talk, how often it follows whoever spoke last, and how
/// long it has been silent in this window.
fn weight(persona: &Persona, scene: &Scene<'_>) -> f64 {
    let member = persona.member;
    let follows = last_member(scene).map_or(1.0, |last| scene.habits.follow_weight(last, member));
    let silent_for = scene.window.messages().rev().take_while(|m| persona_of(m) != Some(persona.id)).count();
    scene.habits.share(member).sqrt() * follows * (1.0 + silent_for as f64 * 0.25)
}

/// The member who spoke last, or whose persona did.
fn last_member(scene: &Scene<'_>) -> Option<MemberId> {
    match scene.window.latest()?.author {
        Author::Member(member) => Some(member),
        Author::Persona(id) => scene.cast.iter().find(|persona| persona.id == id).map(|persona| persona.member),
    }
}

fn without(last: Option<PersonaId>, mut candidates: Vec<(PersonaId, f64)>) -> Vec<(PersonaId, f64)> {
    if candidates.len() > 1 {
        candidates.retain(|(id, _)| Some(*id) != last);
    }
    candidates
}

/// Draws by weight.
fn draw(candidates: &[(PersonaId, f64)], rng: &mut impl Rng) -> Option<PersonaId> {
    let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
    let mut mark = rng.random::<f64>() * total;
    for (id, weight) in candidates {
        mark -= weight;
        if mark <= 0.0 {
            return Some(*id);
        }
    }
    candidates.last().map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole_word_in_any_case() {
        assert_eq!(find_name("hey ada, boat?", "Ada"), Some(4));
        assert_eq!(find_name("the armada sails", "Ada"), None);
        assert_eq!(find_name("Ada's turn", "ada"), Some(0));
        assert_eq!(find_name("ask JEAN", "Jean Pierre"), Some(4));
        assert_eq!(find_name("ask jean pierre", "Jean Pierre"), Some(4));
        assert_eq!(find_name("a b c", "b"), None, "one letter is no address");
    }
}
