//! Scenes: what a few people say to one another about one thing, as plans of acts that the people fill in.
//!
//! A scene is a topic and lines of a role and a template, read from the files of `scenes/`:
//!
//! ```text
//! == the lost {thing=belonging}
//! A: has anyone seen my {thing}?
//! *: {ask.where_last}
//! A?: {answer.left_it}
//! ```
//!
//! `A` to `G` are people, each the same throughout; `*` is somebody
//! else: neither A nor who had the line before, as far as there are people. A `?` leaves a line out at times.

use std::sync::LazyLock;

use super::grammar::Template;

/// A plan of a short conversation.
pub(super) struct Scene {
    /// What it is about. Filling it in keeps the names that the lines use.
    pub(super) topic: Template,
    pub(super) cues: Vec<Cue>,
    /// How many people its letters name, at least.
    pub(super) cast: usize,
}

/// One line of a scene.
pub(super) struct Cue {
    pub(super) role: Role,
    pub(super) optional: bool,
    pub(super) template: Template,
}

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One of the cast, by number.
    Named(usize),
    Anybody,
}

/// What friends talk about.
pub(super) static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| {
    [
        include_str!("scenes/plans.txt"),
        include_str!("scenes/mishaps.txt"),
        include_str!("scenes/projects.txt"),
        include_str!("scenes/home.txt"),
        include_str!("scenes/work.txt"),
        include_str!("scenes/leisure.txt"),
        include_str!("scenes/opinions.txt"),
        include_str!("scenes/stories.txt"),
    ]
    .into_iter()
    .flat_map(read)
    .collect()
});

/// What those talk about who meet in a channel to mend one another's computers.
pub(super) static CHANNEL_SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| read(include_str!("scenes/computers.txt")));

fn read(file: &'static str) -> Vec<Scene> {
    let mut scenes: Vec<Scene> = Vec::new();
    for line in file.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("# ")) {
        if let Some(topic) = line.strip_prefix("== ") {
            scenes.push(Scene { topic: Template::parse(topic), cues: Vec::new(), cast: 2 });
            continue;
        }
        let scene = scenes.last_mut().unwrap_or_else(|| panic!("a line before the first scene: {line:?}"));
        let cue = Cue::read(line).unwrap_or_else(|| panic!("a line without a role: {line:?}"));
        if let Role::Named(number) = cue.role {
            scene.cast = scene.cast.max(number + 1);
        }
        scene.cues.push(cue);
    }
    scenes
}

impl Cue {
    fn read(line: &'static str) -> Option<Self> {
        let (role, template) = line.split_once(": ")?;
        let (role, optional) = role.strip_suffix('?').map_or((role, false), |role| (role, true));
        let role = match role.as_bytes() {
            [b'*'] => Role::Anybody,
            [letter @ b'A'..=b'G'] => Role::Named(usize::from(letter - b'A')),
            _ => return None,
        };
        Some(Self { role, optional, template: Template::parse(template) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::everyday::grammar::{GIVEN, GRAMMAR};

    #[test]
    fn every_slot_names_a_rule_or_what_the_scene_keeps() {
        for scene in SCENES.iter().chain(CHANNEL_SCENES.iter()) {
            let templates = || scene.cues.iter().map(|cue| &cue.template).chain([&scene.topic]);
            let kept: Vec<&str> =
                templates().flat_map(Template::slots).filter(|slot| slot.2).map(|slot| slot.0).collect();
            for (name, rule, keep) in templates().flat_map(Template::slots) {
                let known = GRAMMAR.has(rule) || (!keep && (GIVEN.contains(&name) || kept.contains(&name)));
                assert!(known, "{name:?} is not known in the scene that keeps {kept:?}");
                assert!(!keep || !GIVEN.contains(&name), "{name:?} is taken, in the scene that keeps {kept:?}");
            }
        }
    }

    #[test]
    fn a_scene_has_a_topic_and_a_cast() {
        let [scene] = <[Scene; 1]>::try_from(read("# why\n== tea\nA: tea?\n*?: yes\nC: no: never")).ok().unwrap();
        assert_eq!(scene.cast, 3);
        let roles: Vec<_> = scene.cues.iter().map(|cue| (cue.role, cue.optional)).collect();
        assert_eq!(roles, [(Role::Named(0), false), (Role::Anybody, true), (Role::Named(2), false)]);
    }

    #[test]
    fn there_are_scenes_for_two() {
        assert!(SCENES.len() > 60, "{} scenes", SCENES.len());
        assert!(SCENES.iter().filter(|scene| scene.cast == 2).count() > 30);
        assert!(CHANNEL_SCENES.len() > 20, "{} scenes of a channel", CHANNEL_SCENES.len());
        assert!(SCENES.iter().chain(CHANNEL_SCENES.iter()).all(|scene| scene.cues.len() >= 4));
    }
}
