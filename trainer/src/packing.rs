//! Rows that begin alike, packed so that what they share is there once.
//!
//! The head of the prompt is the same in all rows, and a window is asked twice: for a reply and for the next speaker. So
//! the rows of a batch form a tree of segments; a token sees those before it in its own segment and all of the segments
//! above. What is computed, forwards and backwards, is what each row by itself would give.

/// One row of the training: what is read, and what is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Prompt and answer.
    pub tokens: Vec<u32>,
    /// From which token on the loss counts: the first of the answer.
    pub answer: usize,
}

impl Example {
    /// How many tokens count for the loss.
    pub fn targets(&self) -> usize {
        self.tokens.len() - self.answer
    }
}

/// Tokens that follow each other, with nothing branching off before their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The place of its first token among all packed tokens.
    pub(crate) start: usize,
    /// How many tokens it has.
    pub(crate) len: usize,
    /// The segment that it goes on from; always an earlier one.
    pub(crate) parent: Option<usize>,
}

/// Rows, packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    pub(crate) tokens: Vec<u32>,
    /// The place of each token in its own row.
    pub(crate) positions: Vec<u32>,
    pub(crate) segments: Vec<Segment>,
    /// The places at which something is predicted; a place may stand here more than once.
    pub(crate) asked: Vec<u32>,
    /// What is to be predicted there.
    pub(crate) expected: Vec<u32>,
    /// Tokens of the rows, as if nothing were shared.
    row_tokens: usize,
}

impl Packed {
    /// Packs `examples`. A row's last token is only predicted, never read.
    pub fn new<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let mut trie = Trie::default();
        let examples: Vec<&Example> = examples.into_iter().filter(|example| example.tokens.len() > 1).collect();
        let leaves: Vec<usize> =
            examples.iter().map(|example| trie.insert(&example.tokens[..example.tokens.len() - 1])).collect();
        let mut packed = trie.lay_out();
        packed.row_tokens = examples.iter().map(|example| example.tokens.len()).sum();
        for (example, leaf) in examples.iter().zip(leaves) {
            let places = packed.path(leaf);
            for (place, token) in
                (example.answer.max(1)..example.tokens.len()).map(|at| (places[at - 1], example.tokens[at]))
            {
                packed.asked.push(place);
                packed.expected.push(token);
            }
        }
        packed
    }

    /// How many tokens are computed.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is nothing to compute.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// How many tokens the rows have, as if nothing were shared.
    pub fn row_tokens(&self) -> usize {
        self.row_tokens
    }

    /// How many tokens are predicted.
    pub fn targets(&self) -> usize {
        self.expected.len()
    }

    /// The segments from the root to `segment`, in order.
    pub(crate) fn lineage(segments: &[Segment], segment: usize) -> Vec<Segment> {
        let mut lineage: Vec<Segment> =
            std::iter::successors(Some(segment), |&at| segments[at].parent).map(|at| segments[at]).collect();
        lineage.reverse();
        lineage
    }

    /// The places of the tokens from the root to the end of `segment`.
    fn path(&self, segment: usize) -> Vec<u32> {
        let lineage = Self::lineage(&self.segments, segment);
        lineage.iter().flat_map(|segment| segment.start as u32..(segment.start + segment.len) as u32).collect()
    }
}

/// Packs windows, each of which is some rows, into parts of at most about `tokens` tokens. No window is cut in two.
pub fn pack(windows: &[&[Example]], tokens: usize) -> Vec<Packed> {
    let mut parts: Vec<Vec<&Example>> = Vec::new();
    let mut size = usize::MAX;
    for window in windows {
        // What a window shares with others is not known before it is packed; its longest row is what it adds at most.
        let longest = window.iter().map(|row| row.tokens.len()).max().unwrap_or(0);
        if size.saturating_add(longest) > tokens {
            parts.push(Vec::new());
            size = 0;
        }
        size += longest;
        parts.last_mut().expect("one was pushed at first").extend(*window);
    }
    parts.into_iter().map(Packed::new).collect()
}

/// A tree in which no two children of a node begin with the same token.
#[derive(Default)]
struct Trie {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

struct Node {
    tokens: Vec<u32>,
    parent: Option<usize>,
    children: Vec<usize>,
}

impl Trie {
    /// Adds a row and returns the node at which it ends; a node never moves, only its beginning may go to a new one above.
    fn insert(&mut self, row: &[u32]) -> usize {
        let (mut at, mut rest) = (None, row);
        loop {
            let children = at.map_or(&self.roots, |node: usize| &self.nodes[node].children);
            let next = children.iter().copied().find(|&child| self.nodes[child].tokens[0] == rest[0]);
            let Some(child) = next else { return self.add(at, rest) };
            let shared = self.nodes[child].tokens.iter().zip(rest).take_while(|(a, b)| a == b).count();
            let above = if shared < self.nodes[child].tokens.len() { self.split(child, shared) } else { child };
            rest = &rest[shared..];
            if rest.is_empty() {
                return above;
            }
            at = Some(above);
        }
    }

    fn add(&mut self, parent: Option<usize>, tokens: &[u32]) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node { tokens: tokens.to_vec(), parent, children: Vec::new() });
        match parent {
            Some(parent) => self.nodes[parent].children.push(node),
            None => self.roots.push(node),
        }
        node
    }

    /// Puts the first `length` tokens of `node` into a new node above it.
    fn split(&mut self, node: usize, length: usize) -> usize {
        let rest = self.nodes[node].tokens.split_off(length);
        let tokens = std::mem::replace(&mut self.nodes[node].tokens, rest);
        let parent = self.nodes[node].parent;
        let above = self.nodes.len();
        self.nodes.push(Node { tokens, parent, children: vec![node] });
        self.nodes[node].parent = Some(above);
        let siblings = parent.map_or(&mut self.roots, |parent| &mut self.nodes[parent].children);
        siblings.iter_mut().filter(|sibling| **sibling == node).for_each(|sibling| *sibling = above);
        above
    }

    /// Writes the nodes one after the other, parents first. Segment n is node n.
    fn lay_out(&self) -> Packed {
        let mut packed = Packed {
            segments: vec![Segment { start: 0, len: 0, parent: None }; self.nodes.len()],
            ..Packed::default()
        };
        let mut waiting: Vec<(usize, u32)> = self.roots.iter().rev().map(|&root| (root, 0)).collect();
        while let Some((at, first)) = waiting.pop() {
            let node = &self.nodes[at];
            packed.segments[at] = Segment { start: packed.tokens.len(), len: node.tokens.len(), parent: node.parent };
            packed.tokens.extend(&node.tokens);
            let end = first + node.tokens.len() as u32;
            packed.positions.extend(first..end);
            waiting.extend(node.children.iter().rev().map(|&child| (child, end)));
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn check(rows: &[(&[u32], usize)], expected: Expect) {
        let examples: Vec<Example> =
            rows.iter().map(|&(tokens, answer)| Example { tokens: tokens.to_vec(), answer }).collect();
        let packed = Packed::new(&examples);
        let segments: Vec<String> = packed
            .segments
            .iter()
            .map(|s| format!("{:?} after {:?}", &packed.tokens[s.start..s.start + s.len], s.parent))
            .collect();
        let asked: Vec<String> =
            packed.asked.iter().zip(&packed.expected).map(|(at, token)| format!("{at}->{token}")).collect();
        expected.assert_eq(&format!("{}\n{}", segments.join("\n"), asked.join(" ")));
    }

    #[test]
    fn what_rows_share_is_there_once() {
        check(
            &[(&[1, 2, 3, 4, 5], 4), (&[1, 2, 3, 7, 8, 9], 4), (&[1, 2, 6, 6], 3)],
            expect![[r#"
                [4] after Some(1)
                [3] after Some(3)
                [7, 8] after Some(1)
                [1, 2] after None
                [6] after Some(3)
                3->5 4->8 5->9 6->6"#]],
        );
    }

    #[test]
    fn a_row_may_end_where_another_goes_on() {
        check(
            &[(&[1, 2, 3], 2), (&[1, 2, 4], 2), (&[1, 2, 4, 5], 3)],
            expect![[r#"
                [1, 2] after None
                [4] after Some(0)
                1->3 1->4 2->5"#]],
        );
    }

    proptest! {
        #[test]
        fn each_row_finds_its_own_tokens(rows in prop::collection::vec(prop::collection::vec(0u32..3, 2..9), 1..12)) {
            let examples: Vec<Example> = rows.iter().map(|row| Example { tokens: row.clone(), answer: 1 }).collect();
            let packed = Packed::new(&examples);
            let mut at = 0;
            for row in &rows {
                for (place, &token) in row[1..].iter().enumerate() {
                    let asked = packed.asked[at] as usize;
                    prop_assert_eq!(packed.expected[at], token);
                    prop_assert_eq!(packed.tokens[asked], row[place]);
                    prop_assert_eq!(packed.positions[asked] as usize, place);
                    at += 1;
                }
            }
            prop_assert_eq!(at, packed.targets());
            let distinct: std::collections::BTreeSet<&[u32]> =
                rows.iter().flat_map(|row| (1..row.len()).map(|end| &row[..end])).collect();
            prop_assert_eq!(packed.len(), distinct.len(), "each beginning is computed once");
        }
    }
}
