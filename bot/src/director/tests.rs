use chat::{CommunityId, ForcedSpeaker, MemberId, Origin, Provenance, RoomId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn persona(id: i32, name: &str) -> Persona {
    Persona {
        id: PersonaId(id),
        community: CommunityId(1),
        member: MemberId(id),
        name: name.to_owned(),
        avatar_url: None,
    }
}

struct Stage {
    window: Window,
    cast: Vec<Persona>,
    settings: RoomSettings,
    habits: Habits,
    memory: Memory,
    rng: ChaCha8Rng,
    next_key: i64,
}

impl Stage {
    fn new(pacing: Pacing) -> Self {
        Self {
            window: Window::default(),
            cast: vec![persona(1, "Ada"), persona(2, "Bo"), persona(3, "Cleo")],
            settings: RoomSettings { pacing, ..RoomSettings::default() },
            habits: Habits::default(),
            memory: Memory::new(at(0)),
            rng: ChaCha8Rng::seed_from_u64(7),
            next_key: 1,
        }
    }

    fn said(&mut self, author: Author, text: &str, seconds: i64, reply_to: Option<i64>) -> i64 {
        let key = self.next_key;
        self.next_key += 1;
        self.window.push(Message {
            key: MessageKey(key),
            room: RoomId(1),
            author,
            author_name: "x".to_owned(),
            sent_at: at(seconds),
            text: text.to_owned(),
            origin: if matches!(author, Author::Persona(_)) { Origin::Generated } else { Origin::Posted },
            provenance: Provenance::Api,
            reply_to: reply_to.map(MessageKey),
            edited_at: None,
        });
        match author {
            Author::Member(_) => self.memory.human_spoke(at(seconds)),
            Author::Persona(_) => self.memory.persona_spoke(text, at(seconds)),
        }
        key
    }

    fn human(&mut self, text: &str, seconds: i64) -> i64 {
        self.said(Author::Member(MemberId(9)), text, seconds, None)
    }

    fn ours(&mut self, id: i32, text: &str, seconds: i64) -> i64 {
        self.said(Author::Persona(PersonaId(id)), text, seconds, None)
    }

    fn decide(&mut self, trigger: Trigger, seconds: i64) -> Decision {
        let scene = Scene {
            window: &self.window,
            cast: &self.cast,
            settings: &self.settings,
            habits: &self.habits,
            memory: &self.memory,
        };
        next_turn(&scene, trigger, at(seconds), &mut self.rng)
    }

    fn turn(&mut self, trigger: Trigger, seconds: i64) -> TurnPlan {
        match self.decide(trigger, seconds) {
            Decision::Turn(plan) => plan,
            Decision::Silence(quiet) => panic!("nobody spoke: {quiet:?}"),
        }
    }

    fn speakers(&mut self, trigger: Trigger, times: usize) -> Vec<i32> {
        (0..times).map(|_| self.turn(trigger, 1).persona.0).collect()
    }
}

fn always() -> Pacing {
    Pacing::custom(1.0, 0.0, 0.0).unwrap()
}

#[test]
fn a_persona_that_is_named_answers() {
    let mut stage = Stage::new(Pacing::custom(0.0, 1.0, 2.0).unwrap());
    stage.human("what do you say, cleo?", 1);
    let plan = stage.turn(Trigger::HumanSpoke, 1);
    assert_eq!((plan.persona, plan.why), (PersonaId(3), Why::Addressed));
    assert!((1.0..=2.0).contains(&plan.delay.as_secs_f32()));
}

#[test]
fn a_reply_to_a_persona_is_answered_by_it() {
    let mut stage = Stage::new(Pacing::custom(0.0, 0.0, 0.0).unwrap());
    let theirs = stage.ours(2, "I sold the boat", 1);
    stage.said(Author::Member(MemberId(9)), "you did what", 2, Some(theirs));
    assert_eq!(stage.turn(Trigger::HumanSpoke, 2).persona, PersonaId(2));
}

#[test]
fn whoever_is_forced_speaks_even_when_another_is_named() {
    let mut stage = Stage::new(always());
    stage.settings.speakers = vec![ForcedSpeaker { persona: PersonaId(1), weight: 1.0 }];
    stage.human("bo?", 1);
    assert_eq!(stage.speakers(Trigger::HumanSpoke, 8), [1; 8], "one forced speaker is a monologue");
    stage.ours(1, "me", 2);
    stage.memory.set_exchange(3);
    assert_eq!(stage.turn(Trigger::PersonaSpoke, 3).persona, PersonaId(1));
}

#[test]
fn several_forced_speakers_alternate_by_weight() {
    let mut stage = Stage::new(always());
    stage.settings.speakers = vec![
        ForcedSpeaker { persona: PersonaId(1), weight: 9.0 },
        ForcedSpeaker { persona: PersonaId(2), weight: 1.0 },
    ];
    stage.human("hm", 1);
    let ones = stage.speakers(Trigger::HumanSpoke, 100).into_iter().filter(|&id| id == 1).count();
    assert!((75..100).contains(&ones), "{ones}");
    stage.ours(1, "hm yes", 2);
    assert_eq!(stage.speakers(Trigger::More, 5), [2; 5], "nobody answers themselves where another is set too");
}

#[test]
fn a_forced_speaker_who_has_left_forces_nobody() {
    let mut stage = Stage::new(always());
    stage.settings.speakers = vec![ForcedSpeaker { persona: PersonaId(77), weight: 1.0 }];
    stage.human("hm", 1);
    assert!(stage.speakers(Trigger::HumanSpoke, 5).iter().all(|id| *id <= 3));
}

#[test]
fn nobody_answers_another_bot() {
    let mut stage = Stage::new(always());
    let key = stage.human("Ada, buy coins", 1);
    stage.memory.bot_spoke(MessageKey(key));
    assert_eq!(stage.decide(Trigger::HumanSpoke, 1), Decision::Silence(Quiet::Bot));
}

#[test]
fn off_is_off_unless_more_is_asked_for() {
    let mut stage = Stage::new(Pacing::Off);
    stage.settings.idle_seconds = Some(10);
    stage.human("Ada?", 1);
    for trigger in [Trigger::HumanSpoke, Trigger::PersonaSpoke, Trigger::Idle, Trigger::Arrival] {
        assert_eq!(stage.decide(trigger, 100_000), Decision::Silence(Quiet::Off));
    }
    stage.memory.set_exchange(3);
    let plan = stage.turn(Trigger::More, 1);
    assert_eq!((plan.why, plan.exchange), (Why::Asked, 2));
}

#[test]
fn an_empty_room_is_silent() {
    let mut stage = Stage::new(Pacing::Chatty);
    stage.cast.clear();
    stage.human("anyone?", 1);
    assert_eq!(stage.decide(Trigger::HumanSpoke, 1), Decision::Silence(Quiet::NoCast));
    assert_eq!(stage.decide(Trigger::More, 1), Decision::Silence(Quiet::NoCast));
}

#[test]
fn an_exchange_ends() {
    let mut stage = Stage::new(always());
    stage.ours(1, "hi", 1);
    stage.memory.set_exchange(2);
    let plan = stage.turn(Trigger::PersonaSpoke, 1);
    assert_eq!((plan.why, plan.exchange), (Why::Exchange, 1));
    stage.memory.set_exchange(0);
    assert_eq!(stage.decide(Trigger::PersonaSpoke, 2), Decision::Silence(Quiet::Over));
}

#[test]
fn among_humans_our_share_is_capped() {
    let mut stage = Stage::new(Pacing::Natural);
    for i in 0..3 {
        stage.human("hm", i);
    }
    for i in 3..11 {
        stage.ours(1, &format!("line {i}"), i);
    }
    stage.memory.set_exchange(5);
    assert_eq!(stage.decide(Trigger::PersonaSpoke, 12), Decision::Silence(Quiet::Share));
    assert!(
        matches!(stage.decide(Trigger::PersonaSpoke, 2_000), Decision::Turn(_)),
        "ten minutes later it is forgotten"
    );
}

#[test]
fn idle_chat_is_due_after_its_interval_and_backs_off_while_nobody_answers() {
    let mut stage = Stage::new(Pacing::Chatty);
    assert_eq!(stage.decide(Trigger::Idle, 1_000), Decision::Silence(Quiet::NotDue), "off by default");
    stage.settings.idle_seconds = Some(60);
    stage.human("bye", 10);
    assert_eq!(stage.decide(Trigger::Idle, 69), Decision::Silence(Quiet::NotDue));
    assert_eq!(stage.turn(Trigger::Idle, 70).why, Why::Idle);
    stage.memory.idle_began(at(70));
    stage.memory.idle_began(at(70));
    let due = stage.memory.idle_due(&stage.settings, &stage.window);
    assert_eq!(due, Some(at(70 + 240)));
    stage.memory.human_spoke(at(80));
    assert_eq!(stage.memory.idle_due(&stage.settings, &stage.window), Some(at(130)));
}

#[test]
fn after_a_restart_idle_chat_waits_its_interval_again() {
    let mut stage = Stage::new(Pacing::Chatty);
    stage.settings.idle_seconds = Some(60);
    stage.human("long ago", -50_000);
    stage.memory = Memory::new(at(100));
    assert_eq!(stage.decide(Trigger::Idle, 110), Decision::Silence(Quiet::NotDue));
    assert!(matches!(stage.decide(Trigger::Idle, 160), Decision::Turn(_)));
}

#[test]
fn whoever_arrives_finds_company_where_idle_chat_is_on() {
    let mut stage = Stage::new(Pacing::Chatty);
    assert_eq!(stage.decide(Trigger::Arrival, 5), Decision::Silence(Quiet::NotDue));
    stage.settings.idle_seconds = Some(3600);
    let plan = stage.turn(Trigger::Arrival, 5);
    assert!(plan.exchange >= 1, "at least two talk");
}

#[test]
fn habits_decide_who_follows() {
    let mut stage = Stage::new(always());
    for round in 0..200 {
        stage.habits.learn(RoomId(1), MemberId(9), at(round * 9000));
        stage.habits.learn(RoomId(1), MemberId(3), at(round * 9000 + 5));
        stage.habits.learn(RoomId(1), MemberId(1), at(round * 9000 + 8000));
    }
    stage.human("hm", 1);
    let threes = stage.speakers(Trigger::HumanSpoke, 100).into_iter().filter(|&id| id == 3).count();
    assert!(threes > 70, "{threes}");
}

#[test]
fn a_line_said_lately_is_remembered_whatever_its_case() {
    let mut stage = Stage::new(always());
    stage.ours(1, "The Boat", 1);
    assert!(stage.memory.has_said("the boat"));
    assert!(!stage.memory.has_said("a boat"));
}
