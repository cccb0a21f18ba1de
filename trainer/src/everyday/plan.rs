//! A sitting from its plan: who is there, what it is about, and who says what in which order.

use super::{
    Line, Sitting,
    chance::Chance,
    grammar::{GRAMMAR, Scope},
    people::{People, Person},
    scene::{CHANNEL_SCENES, Role, SCENES, Scene},
    voice,
};

/// Shares, of 100, of what makes sittings differ.
mod share {
    pub(super) const CHANNEL: usize = 25;
    pub(super) const GREETING: usize = 22;
    pub(super) const SECOND_SCENE: usize = 35;
    pub(super) const CLOSE: usize = 14;
    pub(super) const REACTION: usize = 20;
    pub(super) const ECHO: usize = 22;
    pub(super) const OWN_THING: usize = 7;
    pub(super) const OPTIONAL: usize = 60;
    pub(super) const TOPIC: usize = 40;
}

/// One sitting.
pub(super) fn sitting(people: &People, chance: &mut Chance) -> Sitting {
    let count = chance.weighted(&[(14, 2), (26, 3), (24, 4), (20, 5), (10, 6), (6, 7)]);
    let channel = chance.percent(share::CHANNEL);
    let (people, scenes) = match channel {
        true => (people.channel(count, chance), &CHANNEL_SCENES),
        false => (people.group(count, chance), &SCENES),
    };
    let mut table = Table { people, scenes, last: None, lines: Vec::new(), chance };
    if table.chance.percent(share::GREETING) {
        table.exchange("greet", "greet.back");
    }
    let topic = table.play_a_scene();
    let mut named = table.chance.percent(share::TOPIC);
    // A channel's scenes are short.
    if channel || table.chance.percent(share::SECOND_SCENE) {
        named = false;
        table.play_a_scene();
    }
    if table.chance.percent(share::CLOSE) {
        table.exchange("close", "close.back");
    }
    Sitting { lines: table.lines, topic: named.then_some(topic) }
}

/// The people around a conversation and what they have said.
struct Table<'a> {
    people: Vec<Person>,
    /// What they may talk about.
    scenes: &'static [Scene],
    /// Who spoke last.
    last: Option<usize>,
    lines: Vec<Line>,
    chance: &'a mut Chance,
}

impl Table<'_> {
    /// Plays a scene that there are people enough for, and tells its topic.
    fn play_a_scene(&mut self) -> String {
        let fitting: Vec<&Scene> = self.scenes.iter().filter(|scene| scene.cast <= self.people.len()).collect();
        let scene = *self.chance.pick(&fitting);
        self.play(scene)
    }

    /// Plays `scene` with the people in a new order, and tells its topic.
    fn play(&mut self, scene: &Scene) -> String {
        let cast = self.chance.sample(&(0..self.people.len()).collect::<Vec<_>>(), self.people.len());
        let mut scope = self.scope(&cast);
        let topic = GRAMMAR.fill(&scene.topic, &mut scope, self.chance);
        for cue in &scene.cues {
            GRAMMAR.prepare(&cue.template, &mut scope, self.chance);
        }
        let (mut before, mut role_before) = (None, None);
        for cue in &scene.cues {
            if cue.optional && !self.chance.percent(share::OPTIONAL) {
                continue;
            }
            let speaker = match cue.role {
                Role::Named(number) => cast[number],
                Role::Anybody => {
                    let asked_by_another = matches!(role_before, Some(Role::Named(1..)));
                    let first = Some(cast[0]);
                    self.anybody_but(&if asked_by_another { [before, first] } else { [first, before] })
                }
            };
            self.seat(speaker, &mut scope);
            let raw = GRAMMAR.fill(&cue.template, &mut scope, self.chance);
            let question = raw.ends_with('?');
            let raw = if question { raw } else { self.lengthened(speaker, raw, &mut scope) };
            self.say(speaker, raw);
            (before, role_before) = (Some(speaker), Some(cue.role));
            if !question && self.chance.percent(share::REACTION) {
                self.react(&mut scope);
            }
        }
        topic
    }

    /// `raw` with something more, where the speaker is of many words and has begun a sentence that can bear it.
    fn lengthened(&mut self, speaker: usize, raw: String, scope: &mut Scope) -> String {
        let begun = raw.split(' ').count() > 3;
        if begun && self.chance.percent(self.people[speaker].style.more_percent) {
            return format!("{raw} {}", GRAMMAR.say("more", scope, self.chance));
        }
        raw
    }

    /// One person opens with `first`, and one or two answer with `second`.
    fn exchange(&mut self, first: &str, second: &str) {
        let cast = self.chance.sample(&(0..self.people.len()).collect::<Vec<_>>(), self.people.len());
        let answers = 1 + self.chance.below(2);
        let mut scope = self.scope(&cast);
        for (place, &speaker) in cast.iter().take(1 + answers).enumerate() {
            self.seat(speaker, &mut scope);
            let raw = GRAMMAR.say(if place == 0 { first } else { second }, &mut scope, self.chance);
            self.say(speaker, raw);
        }
    }

    /// Somebody else says a word about what was just said.
    fn react(&mut self, scope: &mut Scope) {
        let speaker = self.anybody_but(&[self.last]);
        self.seat(speaker, scope);
        let rule = match self.has_come_up(scope.kept.get("thing")) && self.chance.percent(share::ECHO) {
            true => "echo",
            false if self.chance.percent(share::OWN_THING) => "own.aside",
            false => "react",
        };
        let raw = GRAMMAR.say(rule, scope, self.chance);
        self.say(speaker, raw);
    }

    /// Whether `thing` was named in one of the latest messages.
    fn has_come_up(&self, thing: Option<&String>) -> bool {
        let latest = self.lines.iter().rev().take(5);
        thing.is_some_and(|thing| latest.clone().any(|line| line.text.to_lowercase().contains(&thing.to_lowercase())))
    }

    /// Somebody who is none of `others`; where there is nobody else, only the first of them is left out.
    fn anybody_but(&mut self, others: &[Option<usize>]) -> usize {
        let without = |others: &[Option<usize>]| -> Vec<usize> {
            (0..self.people.len()).filter(|&person| !others.contains(&Some(person))).collect()
        };
        let free = match without(others) {
            nobody if nobody.is_empty() => without(&others[..1]),
            free => free,
        };
        *self.chance.pick(&free)
    }

    /// The names of the people as the scene's lines call them.
    fn scope(&self, cast: &[usize]) -> Scope {
        let letters = ["A", "B", "C", "D", "E", "F", "G"];
        let kept = letters.iter().zip(cast).map(|(letter, &person)| ((*letter).to_owned(), self.name(person)));
        Scope { kept: kept.collect(), register: "plain" }
    }

    /// Puts into `scope` what the next speaker brings along.
    fn seat(&mut self, speaker: usize, scope: &mut Scope) {
        let addressed = match self.last {
            Some(last) if last != speaker => last,
            _ => (speaker + 1) % self.people.len(),
        };
        let person = &self.people[speaker];
        scope.register = person.style.register.name();
        let brought = [("own", &person.own), ("ownkind", &person.own_kind), ("cry", &person.cry)];
        scope.kept.extend(brought.map(|(name, value)| (name.to_owned(), value.clone())));
        scope.kept.insert("other".to_owned(), self.name(addressed));
    }

    fn name(&self, person: usize) -> String {
        self.people[person].name.clone()
    }

    fn say(&mut self, speaker: usize, raw: String) {
        let person = &self.people[speaker];
        let neutral = voice::tidy(&person.flavoured(raw, self.chance));
        let mut messages = voice::messages(&person.style, &neutral, self.chance);
        if let (Some(address), Some(last)) = (person.style.address, self.last.filter(|last| *last != speaker))
            && self.chance.percent(address.percent)
        {
            messages[0].insert_str(0, &format!("{}{} ", self.people[last].name, address.mark));
        }
        let name = &person.name;
        self.lines.extend(messages.into_iter().map(|text| Line { name: name.clone(), text }));
        self.last = Some(speaker);
    }
}
