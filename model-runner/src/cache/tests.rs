//! The cache against a memory that does as little as llama.cpp's does, and what it promises each room.

mod acts;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A token in the context: which cell it is in, what it is, and what it was computed with.
type Cell = (u64, TokenId, AdapterVersion);

/// A context: its sequences and what is in them.
#[derive(Clone, Default)]
struct FakeContext {
    sequences: BTreeMap<SequenceId, Vec<Cell>>,
    computed: u64,
    /// Whether each sequence is one state, which is copied and dropped whole.
    one_state: bool,
}

impl FakeContext {
    fn compute(&mut self, sequence: SequenceId, adapter: AdapterVersion, tokens: &[TokenId]) {
        for &token in tokens {
            self.sequences.entry(sequence).or_default().push((self.computed, token, adapter));
            self.computed += 1;
        }
    }

    fn cells(&self, sequence: SequenceId) -> &[Cell] {
        self.sequences.get(&sequence).map_or(&[], Vec::as_slice)
    }

    fn tokens(&self, sequence: SequenceId) -> Vec<TokenId> {
        self.cells(sequence).iter().map(|&(_, token, _)| token).collect()
    }

    /// How many cells sequences take that share what they have in common.
    fn distinct(&self, sequences: impl Iterator<Item = SequenceId>) -> usize {
        let cells = sequences.flat_map(|id| self.cells(id)).map(|&(number, ..)| number);
        cells.collect::<BTreeSet<_>>().len()
    }
}

impl Memory for FakeContext {
    fn fork(&mut self, from: SequenceId, to: SequenceId, length: usize) {
        let source = self.cells(from).to_vec();
        assert!(self.cells(to).is_empty(), "a fork into {to}, which is not empty");
        assert!(length <= source.len(), "a fork of {length} tokens of the {} of {from}", source.len());
        assert!(!self.one_state || length == source.len(), "a fork of part of a state");
        self.sequences.insert(to, source[..length].to_vec());
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) {
        let tokens = self.sequences.entry(sequence).or_default();
        assert!(!self.one_state || length == 0 || length >= tokens.len(), "a cut in a state");
        tokens.truncate(length);
    }
}

/// A cache, its context, and what somebody works on.
struct World {
    cache: Cache,
    context: FakeContext,
    /// With what each must have.
    busy: Vec<(SequenceId, Vec<TokenId>)>,
}

/// What the cache believes of a sequence.
#[derive(Debug, Clone, PartialEq)]
struct Belief {
    tokens: Vec<TokenId>,
    adapter: AdapterVersion,
    key: Option<Arc<str>>,
    used: u64,
    busy: bool,
}

impl World {
    fn new(cells: u32, sequences: u32, rewinds: bool) -> Self {
        let context = FakeContext { one_state: !rewinds, ..FakeContext::default() };
        Self { cache: Cache::new(cells, sequences, rewinds), context, busy: Vec::new() }
    }

    fn beliefs(&self) -> BTreeMap<SequenceId, Belief> {
        let belief = |s: &Sequence| {
            let (tokens, key) = (s.tokens.clone(), s.key.clone());
            (s.id, Belief { tokens, adapter: s.adapter, key, used: s.used, busy: s.busy })
        };
        self.cache.sequences.iter().map(belief).collect()
    }

    fn begin(&mut self, prompt: &[TokenId], adapter: AdapterVersion, key: Option<&str>) -> Option<Begun> {
        let key = key.map(Arc::from);
        let begun = self.cache.begin(prompt, adapter, key.as_ref(), &mut self.context)?;
        self.busy.push((begun.sequence, prompt[..begun.reused].to_vec()));
        Some(begun)
    }

    /// Computes tokens, where there is room for them.
    fn push(&mut self, sequence: SequenceId, tokens: &[TokenId]) -> bool {
        let room = self.cache.make_room(tokens.len(), &mut self.context);
        if room {
            let adapter = self.cache.get(sequence).adapter;
            self.context.compute(sequence, adapter, tokens);
            self.cache.push(sequence, tokens);
            self.work_on(sequence).extend_from_slice(tokens);
        }
        room
    }

    fn branch(&mut self, from: SequenceId) -> Option<SequenceId> {
        let branch = self.cache.branch(from, &mut self.context)?;
        let tokens = self.work_on(from).clone();
        self.busy.push((branch, tokens));
        Some(branch)
    }

    fn rest(&mut self, sequence: SequenceId) {
        self.cache.rest(sequence);
        self.busy.retain(|&(id, _)| id != sequence);
    }

    fn forget(&mut self, sequence: SequenceId) {
        self.cache.forget(sequence, &mut self.context);
        self.busy.retain(|&(id, _)| id != sequence);
    }

    fn clear(&mut self) {
        self.cache.clear();
        self.context.sequences.clear();
        self.busy.clear();
    }

    fn work_on(&mut self, sequence: SequenceId) -> &mut Vec<TokenId> {
        let found = self.busy.iter_mut().find(|(id, _)| *id == sequence);
        &mut found.unwrap().1
    }

    /// Answers a prompt, as far as the cache is concerned, and gives what was reused.
    fn answer(&mut self, prompt: &[TokenId], adapter: AdapterVersion, key: Option<&str>) -> Begun {
        let begun = self.begin(prompt, adapter, key).unwrap();
        assert!(self.push(begun.sequence, &prompt[begun.reused..]), "there is room for {prompt:?}");
        self.rest(begun.sequence);
        self.check_state();
        begun
    }

    /// Checks what holds at any time.
    fn check_state(&self) {
        let beliefs = self.beliefs();
        for id in self.context.sequences.keys().chain(beliefs.keys()) {
            let believed = beliefs.get(id).map(|belief| belief.tokens.clone());
            assert_eq!(self.context.tokens(*id), believed.unwrap_or_default(), "of sequence {id}");
        }
        for (&id, belief) in &beliefs {
            let mixes = self.context.cells(id).iter().any(|&(.., adapter)| adapter != belief.adapter);
            assert!(!mixes, "{id} mixes adapters");
        }
        for (id, tokens) in &self.busy {
            assert_eq!(&self.context.tokens(*id), tokens, "{id} is worked on");
        }
        let busy: BTreeSet<SequenceId> = beliefs.iter().filter(|(_, belief)| belief.busy).map(|(&id, _)| id).collect();
        assert_eq!(busy, self.busy.iter().map(|&(id, _)| id).collect());
        let capacity = self.cache.cells.total();
        assert_eq!(self.cache.used(), self.context.distinct(beliefs.keys().copied()));
        assert!(self.cache.used() <= capacity);
        assert_eq!(self.cache.capacity_beside_busy(), capacity - self.context.distinct(busy.into_iter()));
    }
}

/// What is there for a room.
fn windows(world: &World, key: &str) -> Vec<Vec<TokenId>> {
    let beliefs = world.beliefs().into_values().filter(|belief| belief.key.as_deref() == Some(key));
    beliefs.map(|belief| belief.tokens).collect()
}

#[test]
fn the_head_that_all_rooms_share_is_there_once() {
    let mut world = World::new(100, 8, true);
    assert_eq!(world.answer(&[1, 2, 3, 4, 10, 11], 0, Some("a")).reused, 0);
    assert_eq!(world.answer(&[1, 2, 3, 4, 20, 21], 0, Some("b")).reused, 4);
    assert_eq!(world.answer(&[1, 2, 3, 4, 30, 31], 0, Some("c")).reused, 4);
    assert_eq!(world.cache.used(), 4 + 2 + 2 + 2);
    // It stays as long as anybody has it.
    world.answer(&[9, 9], 0, Some("a"));
    assert_eq!(world.cache.used(), 4 + 2 + 2 + 2);
    world.answer(&[9, 9], 0, Some("b"));
    world.answer(&[9, 9], 0, Some("c"));
    assert_eq!(world.cache.used(), 1 + 3);
}

#[test]
fn a_rooms_slid_window_takes_its_old_sequence_over() {
    let mut world = World::new(100, 8, true);
    let old = world.answer(&[1, 2, 10, 11, 12], 0, Some("a"));
    let slid = world.answer(&[1, 2, 11, 12, 13], 0, Some("a"));
    assert_eq!(slid, Begun { sequence: old.sequence, reused: 2 });
    assert_eq!(windows(&world, "a"), [[1, 2, 11, 12, 13]]);
    assert_eq!(world.cache.used(), 5);
}

#[test]
fn another_rooms_window_is_shared_and_not_taken() {
    let mut world = World::new(100, 8, true);
    let first = world.answer(&[1, 2, 10, 11], 0, Some("a"));
    let second = world.answer(&[1, 2, 10, 20], 0, Some("b"));
    assert_eq!(second.reused, 3);
    assert_ne!(second.sequence, first.sequence);
    assert_eq!(windows(&world, "a"), [[1, 2, 10, 11]]);
    // Nor is it taken by what has no room.
    let third = world.answer(&[1, 2, 10, 11, 30], 0, None);
    assert_eq!(third.reused, 4);
    assert_eq!(windows(&world, "a"), [[1, 2, 10, 11]]);
}

#[test]
fn of_equal_beginnings_a_rooms_own_is_continued() {
    let mut world = World::new(100, 8, true);
    let own = world.answer(&[1, 2, 10], 0, Some("a"));
    world.answer(&[1, 2, 20], 0, Some("b"));
    assert_eq!(world.answer(&[1, 2, 30], 0, Some("a")), Begun { sequence: own.sequence, reused: 2 });
}

#[test]
fn what_is_worked_on_is_shared_and_not_taken() {
    let mut world = World::new(100, 8, true);
    let first = world.begin(&[1, 2, 3], 0, Some("a")).unwrap();
    assert!(world.push(first.sequence, &[1, 2, 3, 4]));
    let second = world.begin(&[1, 2, 3, 5], 0, Some("a")).unwrap();
    assert_eq!(second.reused, 3);
    assert_ne!(second.sequence, first.sequence);
    world.check_state();
}

/// Either may be what the next one goes on from.
#[test]
fn two_answers_of_a_room_are_kept_until_its_next() {
    let mut world = World::new(100, 8, true);
    let first = world.begin(&[1, 2, 10], 0, Some("a")).unwrap();
    assert!(world.push(first.sequence, &[1, 2, 10]));
    let second = world.begin(&[1, 2, 20], 0, Some("a")).unwrap();
    assert!(world.push(second.sequence, &[20]));
    world.rest(first.sequence);
    world.rest(second.sequence);
    assert_eq!(windows(&world, "a"), [[1, 2, 10], [1, 2, 20]]);
    assert_eq!(world.answer(&[1, 2, 10, 11], 0, Some("a")).reused, 3);
    assert_eq!(windows(&world, "a"), [[1, 2, 10, 11]]);
}

#[test]
fn what_one_adapter_computed_is_of_no_use_to_another() {
    let mut world = World::new(100, 8, true);
    world.answer(&[1, 2, 3, 4], 1, Some("a"));
    assert_eq!(world.answer(&[1, 2, 3, 4], 2, Some("b")).reused, 0);
    assert_eq!(world.answer(&[1, 2, 3, 4], 0, None).reused, 0);
    assert_eq!(world.answer(&[1, 2, 3, 4], 1, Some("c")).reused, 3);
    world.cache.retain_adapters(|adapter| adapter != 1, &mut world.context);
    world.check_state();
    assert_eq!(world.cache.used(), 4 + 4);
    assert_eq!(world.answer(&[1, 2, 3, 4], 1, Some("c")).reused, 0);
}

#[test]
fn the_last_token_is_never_reused() {
    let mut world = World::new(100, 8, true);
    world.answer(&[1, 2, 3], 0, Some("a"));
    for key in [Some("a"), Some("b"), None] {
        assert_eq!(world.answer(&[1, 2, 3], 0, key).reused, 2);
        assert_eq!(world.answer(&[1], 0, key).reused, 0);
        world.answer(&[1, 2, 3], 0, Some("c"));
    }
}

#[test]
fn without_rewinding_only_a_whole_sequence_is_continued() {
    let mut world = World::new(100, 8, false);
    let first = world.answer(&[1, 2, 3], 0, Some("a"));
    assert_eq!(world.answer(&[1, 2, 3, 4, 5], 0, Some("a")), Begun { sequence: first.sequence, reused: 3 });
    assert_eq!(world.answer(&[1, 2, 3, 4, 5, 6], 0, Some("b")).reused, 5);
    assert_eq!(windows(&world, "a"), [[1, 2, 3, 4, 5]]);
    // The same prompt again would need all but the last token.
    assert_eq!(world.answer(&[1, 2, 3, 4, 5], 0, Some("a")).reused, 0);
    assert_eq!(world.answer(&[1, 2, 3, 9], 0, Some("a")).reused, 0);
    assert_eq!(windows(&world, "a"), [[1, 2, 3, 9]]);
}

#[test]
fn what_has_no_room_takes_over_what_is_mostly_the_same() {
    let mut world = World::new(100, 8, true);
    world.answer(&[1, 2, 3, 4], 0, None);
    world.answer(&[1, 2, 5, 6], 0, None);
    assert_eq!(world.cache.sequences.len(), 1);
    world.answer(&[1, 7, 8, 9], 0, None);
    assert_eq!(world.cache.sequences.len(), 2);
}

#[test]
fn room_is_made_of_what_was_used_least_recently() {
    let mut world = World::new(12, 8, true);
    for key in ["a", "b", "c"] {
        world.answer(&[1, 2, 3, 4], 0, Some(key));
    }
    assert_eq!(world.cache.used(), 6);
    world.answer(&[1, 2, 3, 4, 5], 0, Some("a"));
    assert_eq!(world.cache.used(), 7);
    // What b and c have is forgotten, but what they share with a stays.
    assert!(world.cache.make_room(7, &mut world.context));
    assert_eq!((windows(&world, "b").len(), windows(&world, "c").len(), world.cache.used()), (0, 0, 5));
    let begun = world.begin(&[1, 2], 0, Some("b")).unwrap();
    assert!(!world.cache.make_room(12, &mut world.context));
    assert_eq!((windows(&world, "a").len(), world.cache.used()), (0, begun.reused));
    world.check_state();
}

#[test]
fn a_branch_shares_all_and_goes_on_alone() {
    let mut world = World::new(100, 8, true);
    let begun = world.begin(&[1, 2, 3], 0, Some("a")).unwrap();
    assert!(world.push(begun.sequence, &[1, 2, 3]));
    let branches = [7, 8].map(|token| {
        let branch = world.branch(begun.sequence).unwrap();
        assert!(world.push(branch, &[token, token]));
        branch
    });
    assert_eq!(world.cache.used(), 3 + 2 + 2);
    world.check_state();
    for branch in branches {
        world.forget(branch);
    }
    assert_eq!(world.cache.used(), 3);
    world.check_state();
}

#[test]
fn what_is_about_to_be_shared_is_not_forgotten_for_it() {
    let mut world = World::new(100, 2, true);
    world.answer(&[1, 2, 3], 0, Some("a"));
    world.answer(&[7, 8, 9], 0, Some("b"));
    assert_eq!(world.answer(&[1, 2, 4], 0, Some("c")).reused, 2);
    assert_eq!((windows(&world, "a").len(), windows(&world, "b").len()), (1, 0));
}

#[test]
fn what_was_shared_was_used() {
    let mut world = World::new(8, 8, true);
    world.answer(&[1, 2, 3], 0, Some("a"));
    world.answer(&[7, 8], 0, Some("b"));
    world.answer(&[1, 2, 4], 0, Some("c"));
    assert!(world.cache.make_room(4, &mut world.context));
    assert_eq!((windows(&world, "a").len(), windows(&world, "b").len()), (1, 0));
}

#[test]
fn the_only_sequence_that_is_left_is_taken_where_it_cannot_be_shared() {
    let mut world = World::new(100, 2, true);
    let first = world.answer(&[1, 2, 3], 0, Some("a"));
    world.begin(&[7, 8, 9], 0, Some("b")).unwrap();
    assert_eq!(world.begin(&[1, 2, 4], 0, Some("c")), Some(Begun { sequence: first.sequence, reused: 2 }));
    assert_eq!(world.begin(&[1, 2, 4], 0, Some("d")), None);
    world.check_state();
}

#[test]
fn a_room_gives_up_its_own_sequence_before_anothers() {
    let mut world = World::new(100, 2, true);
    world.answer(&[1, 2, 3], 0, Some("a"));
    world.answer(&[7, 8, 9], 0, Some("b"));
    assert_eq!(world.answer(&[4, 5, 6], 0, Some("b")).reused, 0);
    assert_eq!((windows(&world, "a").len(), windows(&world, "b").len()), (1, 1));
}
