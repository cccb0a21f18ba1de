//! What the cache of keys and values holds, and what of it is worth keeping. It knows nothing of llama.cpp: what it
//! decides is done by [`crate::engine`] through a [`Memory`].
//!
//! The cache is one pool of cells, one for each token. A sequence that begins like another shares its cells, so that the
//! fixed head of the prompt, which all rooms have, is computed and kept once.

use std::sync::Arc;

use crate::sampling::TokenId;

#[cfg(test)]
mod tests;

/// The number of a sequence in the context.
pub(crate) type SequenceId = i32;

/// Which version of which adapter: what one computed is of no use to another. 0 is the base alone.
pub(crate) type AdapterVersion = u64;

/// What is done to the context's sequences.
pub(crate) trait Memory {
    /// Lets the empty sequence `to` begin with the first `length` tokens of `from`.
    fn fork(&mut self, from: SequenceId, to: SequenceId, length: usize);
    /// Forgets what a sequence has after its first `length` tokens.
    fn truncate(&mut self, sequence: SequenceId, length: usize);
}

/// A room's prompt, or what an answer in hand has so far.
#[derive(Debug)]
struct Sequence {
    id: SequenceId,
    adapter: AdapterVersion,
    tokens: Vec<TokenId>,
    /// Where each of the tokens is kept.
    cells: Vec<u32>,
    /// Whose it is; none for nobody's in particular.
    key: Option<Arc<str>>,
    /// When it was last used, in uses of the cache.
    used: u64,
    /// Whether somebody works on it.
    busy: bool,
}

/// All sequences.
#[derive(Debug)]
pub(crate) struct Cache {
    sequences: Vec<Sequence>,
    free: Vec<SequenceId>,
    cells: Cells,
    uses: u64,
    rewinds: bool,
}

/// What a prompt found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) sequence: SequenceId,
    /// Tokens of the prompt that are there already.
    pub(crate) reused: usize,
}

/// The tokens of a sequence of which another may use a beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Match {
    index: usize,
    length: usize,
}

impl Cache {
    /// An empty cache of so many cells and sequences. `rewinds` says whether a sequence can be cut back to any length.
    pub(crate) fn new(cells: u32, sequences: u32, rewinds: bool) -> Self {
        Self {
            sequences: Vec::new(),
            free: (0..i32::try_from(sequences).unwrap_or(i32::MAX)).rev().collect(),
            cells: Cells::new(cells as usize),
            uses: 0,
            rewinds,
        }
    }

    /// Cells that hold a token.
    pub(crate) fn used(&self) -> usize {
        self.cells.used()
    }

    /// Cells that could be had for a prompt if all that nobody works on were forgotten.
    pub(crate) fn capacity_beside_busy(&self) -> usize {
        let busy: usize = self.cells.count(self.sequences.iter().filter(|s| s.busy).map(|s| s.cells.as_slice()));
        self.cells.total() - busy
    }

    /// Gives a prompt a sequence that begins with as much of it as is there. The last token is never reused: the answer
    /// is drawn from what comes out at it. None where all sequences are worked on.
    ///
    /// What a room had before is dropped or taken over; another room's is only shared, but where there is no sequence
    /// left to share it with.
    pub(crate) fn begin(
        &mut self,
        prompt: &[TokenId],
        adapter: AdapterVersion,
        key: Option<&Arc<str>>,
        memory: &mut impl Memory,
    ) -> Option<Begun> {
        self.uses += 1;
        let usable = &prompt[..prompt.len().saturating_sub(1)];
        let best = self.best_match(usable, adapter, key);
        if let Some(found) = best.filter(|&found| self.may_take(found, key)) {
            let begun = self.take(found, key, memory);
            self.drop_windows_of(key, memory);
            return Some(begun);
        }
        let from = best.map(|Match { index, length }| (self.sequences[index].id, length));
        if let Some((from, _)) = from {
            // To be shared is to be used, so it is not the next to be forgotten.
            self.touch(from);
        }
        // First, so that a room gives up its own sequence and not another's.
        self.drop_windows_of(key, memory);
        let Some(id) = self.free_sequence(from.map(|(id, _)| id), memory) else {
            let (from, length) = from?;
            let index = self.index(from);
            return (!self.sequences[index].busy).then(|| self.take(Match { index, length }, key, memory));
        };
        let (cells, tokens) = match from {
            Some((from, length)) => {
                memory.fork(from, id, length);
                let cells = self.get(from).cells[..length].to_vec();
                self.cells.share(&cells);
                (cells, prompt[..length].to_vec())
            }
            None => (Vec::new(), Vec::new()),
        };
        let reused = tokens.len();
        let used = self.uses;
        self.sequences.push(Sequence { id, adapter, tokens, cells, key: key.cloned(), used, busy: true });
        Some(Begun { sequence: id, reused })
    }

    /// A sequence of its own that begins with all of another, for a continuation that is only looked at.
    pub(crate) fn branch(&mut self, from: SequenceId, memory: &mut impl Memory) -> Option<SequenceId> {
        let id = self.free_sequence(Some(from), memory)?;
        let Sequence { adapter, ref tokens, ref cells, .. } = *self.get(from);
        let (tokens, cells) = (tokens.clone(), cells.clone());
        memory.fork(from, id, tokens.len());
        self.cells.share(&cells);
        self.sequences.push(Sequence { id, adapter, tokens, cells, key: None, used: self.uses, busy: true });
        Some(id)
    }

    /// Makes room for so many tokens more, least recently used out first. Whether there is.
    pub(crate) fn make_room(&mut self, tokens: usize, memory: &mut impl Memory) -> bool {
        while self.cells.free() < tokens {
            if !self.forget_oldest(None, memory) {
                return false;
            }
        }
        true
    }

    /// Adds tokens that were computed. There must be room.
    pub(crate) fn push(&mut self, sequence: SequenceId, tokens: &[TokenId]) {
        let cells = self.cells.take(tokens.len());
        let sequence = self.get_mut(sequence);
        sequence.tokens.extend_from_slice(tokens);
        sequence.cells.extend(cells);
    }

    /// How many tokens of a sequence are there.
    pub(crate) fn length(&self, sequence: SequenceId) -> usize {
        self.get(sequence).tokens.len()
    }

    /// Nobody works on it any more; it is kept for its room until something else needs the place.
    pub(crate) fn rest(&mut self, sequence: SequenceId) {
        self.uses += 1;
        let used = self.uses;
        let sequence = self.get_mut(sequence);
        sequence.busy = false;
        sequence.used = used;
    }

    /// Forgets a sequence.
    pub(crate) fn forget(&mut self, sequence: SequenceId, memory: &mut impl Memory) {
        let index = self.index(sequence);
        self.forget_at(index, memory);
    }

    /// Forgets everything, where what is in the context is not known any more.
    pub(crate) fn clear(&mut self) {
        self.free.extend(self.sequences.drain(..).map(|sequence| sequence.id));
        self.cells = Cells::new(self.cells.total());
    }

    /// Forgets what adapters computed that are gone.
    pub(crate) fn retain_adapters(&mut self, is_there: impl Fn(AdapterVersion) -> bool, memory: &mut impl Memory) {
        let gone = self.sequences.iter().filter(|s| !s.busy && !is_there(s.adapter)).map(|s| s.id);
        for id in gone.collect::<Vec<_>>() {
            self.forget(id, memory);
        }
    }

    /// The sequence with the longest common beginning; of equals the room's own, then the most recently used.
    fn best_match(&self, prompt: &[TokenId], adapter: AdapterVersion, key: Option<&Arc<str>>) -> Option<Match> {
        let matches = self.sequences.iter().enumerate().filter(|(_, s)| s.adapter == adapter);
        let matches = matches.filter_map(|(index, sequence)| {
            let common = sequence.tokens.iter().zip(prompt).take_while(|(here, new)| here == new).count();
            // Without rewinding only a sequence that is whole a beginning of the prompt is of use.
            let usable = self.rewinds || common == sequence.tokens.len();
            (usable && common > 0).then_some(Match { index, length: common })
        });
        matches.max_by_key(|found| {
            let sequence = &self.sequences[found.index];
            (found.length, key.is_some() && sequence.key.as_ref() == key, sequence.used)
        })
    }

    /// Whether a prompt may take a sequence over rather than share its beginning: where nobody works on it, and it is the
    /// room's own or, where neither has a room, mostly what the prompt is.
    fn may_take(&self, found: Match, key: Option<&Arc<str>>) -> bool {
        let sequence = &self.sequences[found.index];
        let own = match (&sequence.key, key) {
            (None, None) => 2 * found.length >= sequence.tokens.len(),
            (here, asked) => here.as_ref() == asked,
        };
        own && !sequence.busy
    }

    fn take(&mut self, found: Match, key: Option<&Arc<str>>, memory: &mut impl Memory) -> Begun {
        let Match { index, length } = found;
        let used = self.uses;
        let sequence = &mut self.sequences[index];
        if sequence.tokens.len() > length {
            memory.truncate(sequence.id, length);
            sequence.tokens.truncate(length);
            let dropped = sequence.cells.split_off(length);
            self.cells.drop_all(&dropped);
        }
        let sequence = &mut self.sequences[index];
        sequence.key = key.cloned();
        sequence.used = used;
        sequence.busy = true;
        Begun { sequence: sequence.id, reused: length }
    }

    /// Drops what a room has at rest: its next window takes the place.
    fn drop_windows_of(&mut self, key: Option<&Arc<str>>, memory: &mut impl Memory) {
        let Some(key) = key else { return };
        let windows = self.sequences.iter().filter(|s| !s.busy && s.key.as_ref() == Some(key));
        for id in windows.map(|s| s.id).collect::<Vec<_>>() {
            self.forget(id, memory);
        }
    }

    fn free_sequence(&mut self, spared: Option<SequenceId>, memory: &mut impl Memory) -> Option<SequenceId> {
        if self.free.is_empty() {
            self.forget_oldest(spared, memory);
        }
        self.free.pop()
    }

    fn forget_oldest(&mut self, spared: Option<SequenceId>, memory: &mut impl Memory) -> bool {
        let at_rest = self.sequences.iter().enumerate().filter(|(_, s)| !s.busy && Some(s.id) != spared);
        let oldest = at_rest.min_by_key(|(_, s)| s.used).map(|(index, _)| index);
        oldest.map(|index| self.forget_at(index, memory)).is_some()
    }

    fn forget_at(&mut self, index: usize, memory: &mut impl Memory) {
        let sequence = self.sequences.swap_remove(index);
        memory.truncate(sequence.id, 0);
        self.cells.drop_all(&sequence.cells);
        self.free.push(sequence.id);
    }

    fn touch(&mut self, sequence: SequenceId) {
        let used = self.uses;
        self.get_mut(sequence).used = used;
    }

    fn index(&self, sequence: SequenceId) -> usize {
        self.sequences.iter().position(|s| s.id == sequence).expect("a sequence that was begun and not forgotten")
    }

    fn get(&self, sequence: SequenceId) -> &Sequence {
        &self.sequences[self.index(sequence)]
    }

    fn get_mut(&mut self, sequence: SequenceId) -> &mut Sequence {
        let index = self.index(sequence);
        &mut self.sequences[index]
    }
}

/// How many sequences each cell belongs to.
#[derive(Debug)]
struct Cells {
    owners: Vec<u16>,
    free: Vec<u32>,
}

impl Cells {
    fn new(total: usize) -> Self {
        Self { owners: vec![0; total], free: (0..u32::try_from(total).unwrap_or(u32::MAX)).rev().collect() }
    }

    fn total(&self) -> usize {
        self.owners.len()
    }

    fn free(&self) -> usize {
        self.free.len()
    }

    fn used(&self) -> usize {
        self.total() - self.free()
    }

    fn take(&mut self, count: usize) -> Vec<u32> {
        assert!(count <= self.free.len(), "room was made for {count} tokens and there are {}", self.free.len());
        let taken = self.free.split_off(self.free.len() - count);
        self.share(&taken);
        taken
    }

    fn share(&mut self, cells: &[u32]) {
        for &cell in cells {
            self.owners[cell as usize] += 1;
        }
    }

    fn drop_all(&mut self, cells: &[u32]) {
        for &cell in cells {
            let owners = &mut self.owners[cell as usize];
            *owners -= 1;
            if *owners == 0 {
                self.free.push(cell);
            }
        }
    }

    /// How many different cells some lists hold.
    fn count<'a>(&self, lists: impl Iterator<Item = &'a [u32]>) -> usize {
        let mut seen = vec![false; self.total()];
        lists.flatten().filter(|&&cell| !std::mem::replace(&mut seen[cell as usize], true)).count()
    }
}
