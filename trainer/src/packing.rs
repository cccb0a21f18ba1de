//! Rows that begin alike, packed so that what they share is there once.
//!
//! The head of the prompt is the same in all rows, and a window is asked twice: for a reply and for the next speaker. So
//! the rows of a batch form a tree of segments; a token sees those before it in its own segment and all of the segments
//! above. What is computed, forwards and backwards, is what each row by itself would give.

/// One row of the training: what is read, and what is to be said.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Prompt and answer.
    pub tokens: Vec<u32>,
    /// From which token on the loss counts: the first of the answer.
    pub answer: usize,
    /// How much each of these tokens counts, beside those of other rows.
    pub weight: f32,
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
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packed {
    pub(crate) tokens: Vec<u32>,
    /// The place of each token in its own row.
    pub(crate) positions: Vec<u32>,
    pub(crate) segments: Vec<Segment>,
    /// The places at which something is predicted; a place may stand here more than once.
    pub(crate) asked: Vec<u32>,
    /// What is to be predicted there.
    pub(crate) expected: Vec<u32>,
    /// How much each of these counts; those that count alike stand together.
    pub(crate) weights: Vec<f32>,
    /// The segment at whose end each row ends; none for a row of which nothing is read.
    ends: Vec<Option<usize>>,
    /// Tokens of the rows, as if nothing were shared.
    row_tokens: usize,
}

impl Packed {
    /// Packs `examples`. A row's last token is only predicted, never read.
    pub fn new<'a>(examples: impl IntoIterator<Item = &'a Example>) -> Self {
        let mut trie = Trie::default();
        let examples: Vec<&Example> = examples.into_iter().collect();
        let read = |example: &Example| example.tokens.len().saturating_sub(1);
        let ends = examples.iter().map(|example| trie.insert(&example.tokens[..read(example)])).collect();
        let mut packed = trie.lay_out();
        packed.ends = ends;
        packed.row_tokens = examples.iter().map(|example| example.tokens.len()).sum();
        let mut by_weight: Vec<(usize, &Example)> = examples.into_iter().enumerate().collect();
        by_weight.sort_by(|(_, one), (_, other)| other.weight.total_cmp(&one.weight));
        for (number, example) in by_weight {
            let places = packed.row(number);
            for (place, token) in
                (example.answer.max(1)..example.tokens.len()).map(|at| (places[at - 1], example.tokens[at]))
            {
                packed.asked.push(place);
                packed.expected.push(token);
                packed.weights.push(example.weight);
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

    /// What all that is predicted counts together.
    pub(crate) fn weight(&self) -> f64 {
        self.weights.iter().copied().map(f64::from).sum()
    }

    /// The sum of losses, one for each token that is predicted, each times what it counts.
    pub(crate) fn weighed(&self, losses: &[f64]) -> f64 {
        losses.iter().zip(&self.weights).map(|(loss, &weight)| loss * f64::from(weight)).sum()
    }

    /// The segments from the root to `segment`, in order.
    pub(crate) fn lineage(segments: &[Segment], segment: usize) -> Vec<Segment> {
        let mut lineage: Vec<Segment> =
            std::iter::successors(Some(segment), |&at| segments[at].parent).map(|at| segments[at]).collect();
        lineage.reverse();
        lineage
    }

    /// The places of the tokens of a row, in order, by the row's number among those that were packed. The last token is
    /// not there, since nobody reads it.
    pub(crate) fn row(&self, number: usize) -> Vec<u32> {
        let lineage = self.ends[number].map(|end| Self::lineage(&self.segments, end)).unwrap_or_default();
        lineage.iter().flat_map(|segment| segment.start as u32..(segment.start + segment.len) as u32).collect()
    }
}

impl AsRef<Packed> for Packed {
    fn as_ref(&self) -> &Packed {
        self
    }
}

/// Packs windows, each of which is some rows, into parts of at most about `tokens` tokens. No window is cut in two.
pub fn pack(windows: &[&[Example]], tokens: usize) -> Vec<Packed> {
    let parts = in_parts(windows, |window| window, tokens);
    parts.into_iter().map(|part| Packed::new(part.into_iter().flatten())).collect()
}

/// Puts windows, in their order, into parts that are going to have at most about `tokens` tokens each.
pub(crate) fn in_parts<W: Copy>(windows: &[W], rows: impl Fn(&W) -> &[Example], tokens: usize) -> Vec<Vec<W>> {
    let mut parts: Vec<Vec<W>> = Vec::new();
    let mut size = usize::MAX;
    for window in windows {
        // What a window shares with others is not known before it is packed; its longest row is what it adds at most.
        let longest = rows(window).iter().map(|row| row.tokens.len()).max().unwrap_or(0);
        if size.saturating_add(longest) > tokens {
            parts.push(Vec::new());
            size = 0;
        }
        size += longest;
        parts.last_mut().expect("one was pushed at first").push(*window);
    }
    parts
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
    /// Adds a row and returns the node at which it ends, where it has a token; a node never moves, only its beginning may go
    /// to a new one above.
    fn insert(&mut self, row: &[u32]) -> Option<usize> {
        let (mut at, mut rest) = (None, row);
        while !rest.is_empty() {
            let children = at.map_or(&self.roots, |node: usize| &self.nodes[node].children);
            let next = children.iter().copied().find(|&child| self.nodes[child].tokens[0] == rest[0]);
            let Some(child) = next else { return Some(self.add(at, rest)) };
            let shared = self.nodes[child].tokens.iter().zip(rest).take_while(|(a, b)| a == b).count();
            let above = if shared < self.nodes[child].tokens.len() { self.split(child, shared) } else { child };
            rest = &rest[shared..];
            at = Some(above);
        }
        at
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
            rows.iter().map(|&(tokens, answer)| Example { tokens: tokens.to_vec(), answer, weight: 1.0 }).collect();
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

    #[test]
    fn what_counts_alike_stands_together() {
        let example = |tokens: [u32; 3], weight: f32| Example { tokens: tokens.to_vec(), answer: 1, weight };
        let rows = [example([1, 2, 3], 0.5), example([1, 4, 5], 1.0), example([1, 6, 7], 0.5)];
        let packed = Packed::new(&rows);
        assert_eq!(packed.expected, [4, 5, 2, 3, 6, 7]);
        assert_eq!(packed.weights, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
        assert_eq!((packed.weight(), packed.weighed(&[1.0, 2.0, 4.0, 4.0, 4.0, 4.0])), (4.0, 11.0));
    }

    proptest! {
        #[test]
        fn each_row_finds_its_own_tokens(rows in prop::collection::vec(prop::collection::vec(0u32..3, 2..9), 1..12)) {
            let example = |row: &Vec<u32>| Example { tokens: row.clone(), answer: 1, weight: 1.0 };
            let examples: Vec<Example> = rows.iter().map(example).collect();
            let packed = Packed::new(&examples);
            let mut at = 0;
            for (number, row) in rows.iter().enumerate() {
                let read: Vec<u32> = packed.row(number).iter().map(|&place| packed.tokens[place as usize]).collect();
                prop_assert_eq!(&read, &row[..row.len() - 1]);
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
