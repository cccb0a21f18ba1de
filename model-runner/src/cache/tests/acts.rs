//! Whatever an engine does, in any order: what the cache believes is what is in the context.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{prelude::*, sample::Index};

use super::{AdapterVersion, Begun, Belief, FakeContext, SequenceId, TokenId, World};

fn common(one: &[TokenId], other: &[TokenId]) -> usize {
    one.iter().zip(other).take_while(|(one, other)| one == other).count()
}

/// Something that the engine does.
#[derive(Debug, Clone)]
enum Act {
    Begin { prompt: Vec<TokenId>, adapter: AdapterVersion, key: Option<&'static str> },
    Push(Index, Vec<TokenId>),
    Rest(Index),
    Forget(Index),
    Branch(Index),
    MakeRoom(usize),
    UnloadAdapter(AdapterVersion),
    Clear,
}

const CELLS: u32 = 14;
const SEQUENCES: u32 = 4;

fn act() -> impl Strategy<Value = Act> {
    let tokens = |length| prop::collection::vec(prop_oneof![3 => Just(0), 1 => Just(1)], length);
    let key = prop_oneof![Just(None), Just(Some("a")), Just(Some("b")), Just(Some("c"))];
    prop_oneof![
        12 => (tokens(0..9), 0_u64..3, key).prop_map(|(prompt, adapter, key)| Act::Begin {
            prompt,
            // Mostly the same, so that there is something to be reused.
            adapter: adapter / 2,
            key
        }),
        16 => (any::<Index>(), tokens(0..6)).prop_map(|(index, tokens)| Act::Push(index, tokens)),
        10 => any::<Index>().prop_map(Act::Rest),
        3 => any::<Index>().prop_map(Act::Forget),
        3 => any::<Index>().prop_map(Act::Branch),
        2 => (0..=CELLS as usize).prop_map(Act::MakeRoom),
        1 => (0_u64..2).prop_map(Act::UnloadAdapter),
        1 => Just(Act::Clear),
    ]
}

impl World {
    fn act(&mut self, act: &Act) {
        let before = self.beliefs();
        let worked_on = |index: &Index| (!self.busy.is_empty()).then(|| index.get(&self.busy).0);
        match act {
            Act::Begin { prompt, adapter, key } => {
                let free = self.cache.free.len();
                let begun = self.begin(prompt, *adapter, *key);
                self.check_begun(&before, free, (prompt, *adapter, *key), begun);
            }
            Act::Push(index, tokens) => {
                let Some(id) = worked_on(index) else { return };
                self.act(&Act::MakeRoom(tokens.len()));
                let mut expected = self.beliefs();
                if self.push(id, tokens) {
                    expected.get_mut(&id).unwrap().tokens.extend_from_slice(tokens);
                }
                assert_eq!(self.beliefs(), expected);
            }
            Act::Rest(index) => {
                let Some(id) = worked_on(index) else { return };
                self.rest(id);
                let beliefs = self.beliefs();
                assert!(beliefs.iter().all(|(&other, belief)| other == id || belief.used < beliefs[&id].used));
            }
            Act::Forget(index) => {
                let Some(id) = worked_on(index) else { return };
                self.forget(id);
                self.check_others_kept(&before, |&other, _| other == id);
            }
            Act::Branch(index) => {
                let Some(id) = worked_on(index) else { return };
                let branch = self.branch(id);
                assert!(branch.is_some() || before.values().filter(|belief| belief.busy).count() == SEQUENCES as usize);
            }
            Act::MakeRoom(tokens) => {
                let context = self.context.clone();
                let room = self.cache.make_room(*tokens, &mut self.context);
                self.check_room(&before, &context, *tokens, room);
            }
            Act::UnloadAdapter(gone) => {
                self.cache.retain_adapters(|adapter| adapter != *gone, &mut self.context);
                self.check_others_kept(&before, |_, belief| !belief.busy && belief.adapter == *gone);
            }
            Act::Clear => {
                self.clear();
                assert_eq!(self.cache.used(), 0);
            }
        }
    }

    /// All of those before are there as they were, but for those that must have gone.
    fn check_others_kept(&self, before: &BTreeMap<SequenceId, Belief>, gone: impl Fn(&SequenceId, &Belief) -> bool) {
        let kept = before.iter().filter(|(id, belief)| !gone(id, belief)).map(|(&id, belief)| (id, belief.clone()));
        assert_eq!(self.beliefs(), kept.collect());
    }

    fn check_begun(
        &self,
        before: &BTreeMap<SequenceId, Belief>,
        free: usize,
        (prompt, adapter, key): (&[TokenId], AdapterVersion, Option<&str>),
        begun: Option<Begun>,
    ) {
        let at_rest = |belief: &Belief| !belief.busy;
        let Some(Begun { sequence, reused }) = begun else {
            assert!(free == 0 && !before.values().any(at_rest), "there was a sequence for it");
            return;
        };
        let beliefs = self.beliefs();
        let usable = |belief: &Belief| {
            let common = common(&belief.tokens, &prompt[..prompt.len().saturating_sub(1)]);
            let use_of_it = !self.context.one_state || common == belief.tokens.len();
            if use_of_it && belief.adapter == adapter { common } else { 0 }
        };
        assert_eq!(reused, before.values().map(usable).max().unwrap_or(0));
        let (tokens, key) = (prompt[..reused].to_vec(), key.map(Arc::from));
        let is_own = |belief: &Belief| key.is_some() && belief.key == key;
        assert!(!beliefs.values().any(|belief| at_rest(belief) && is_own(belief)), "the room has more than one window");
        let begun = &beliefs[&sequence];
        assert_eq!((&begun.tokens, begun.adapter, &begun.key, begun.busy), (&tokens, adapter, &key, true));

        // Of what was there, the others are as they were; one may have been forgotten for want of a sequence.
        let others = before.iter().filter(|(id, belief)| !is_own(belief) && **id != sequence);
        assert!(others.clone().all(|(id, belief)| beliefs[id].tokens == belief.tokens));
        let displaced = before.get(&sequence).filter(|belief| !is_own(belief));
        if let Some(displaced) = displaced.filter(|belief| belief.key.is_some() || key.is_some()) {
            assert!(
                free == 0 && !before.values().any(|belief| at_rest(belief) && is_own(belief)),
                "a sequence was taken without need"
            );
            let may_be_shared = |belief: &Belief| reused > 0 && usable(belief) == reused;
            let mut older = others.filter(|(_, belief)| at_rest(belief) && belief.used < displaced.used);
            assert!(older.all(|(_, belief)| may_be_shared(belief)), "an older one was kept");
        }
    }

    /// Room was made if it could be, for no more than was asked, and of what was used least recently.
    fn check_room(&self, before: &BTreeMap<SequenceId, Belief>, context: &FakeContext, tokens: usize, room: bool) {
        let after = self.beliefs();
        assert_eq!(room, self.cache.capacity_beside_busy() >= tokens);
        assert!(if room { self.cache.cells.free() >= tokens } else { after.values().all(|belief| belief.busy) });
        let gone = before.iter().filter(|(id, _)| !after.contains_key(id));
        let Some((&last, Belief { used, .. })) = gone.max_by_key(|(_, belief)| belief.used) else {
            return self.check_others_kept(before, |_, _| false);
        };
        self.check_others_kept(before, |_, belief| !belief.busy && belief.used <= *used);
        let without_the_last = context.distinct(after.keys().copied().chain([last]));
        assert!(without_the_last + tokens > CELLS as usize, "{last} was forgotten without need");
    }

    /// Whatever was done, all that is there comes back.
    fn check_end(mut self) {
        for (id, _) in self.busy.clone() {
            self.rest(id);
        }
        assert!(self.cache.make_room(CELLS as usize, &mut self.context));
        assert_eq!(self.cache.used(), 0);
        for _ in 0..SEQUENCES {
            assert!(self.begin(&[0, 1], 0, None).is_some());
        }
        assert_eq!(self.begin(&[0, 1], 0, None), None);
    }
}

proptest! {
    #[test]
    fn the_cache_knows_what_is_in_the_context(acts in prop::collection::vec(act(), 0..80), rewinds in any::<bool>()) {
        let mut world = World::new(CELLS, SEQUENCES, rewinds);
        for act in &acts {
            world.act(act);
            world.check_state();
        }
        world.check_end();
    }
}
