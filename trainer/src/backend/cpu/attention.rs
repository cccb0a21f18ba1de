//! Attention over packed rows: a token sees those before it in its segment and all of the segments above.
//!
//! Matrices come with a row a token and are turned so that each head's rows lie together; the heads that share keys and
//! values are one task, so that nothing is written by two.

use rayon::prelude::*;

use super::{
    elementwise::{add_part, softmax, softmax_backward},
    product::{Columns, Operand, Target, Threads, multiply},
};
use crate::{
    backend::Heads,
    packing::{Packed, Segment},
};

/// Heads that share one head of keys and values.
fn group(heads: Heads) -> usize {
    heads.queries / heads.keys
}

/// Rows a token to rows a head: `[tokens][heads][size]` to `[heads][tokens][size]`.
fn by_head(x: &[f32], heads: usize, size: usize) -> Vec<f32> {
    let tokens = x.len() / (heads * size);
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut((tokens * size).max(1)).enumerate().for_each(|(head, y)| {
        for (token, y) in y.chunks_mut(size).enumerate() {
            let at = (token * heads + head) * size;
            y.copy_from_slice(&x[at..at + size]);
        }
    });
    y
}

/// The way back.
fn by_token(x: &[f32], heads: usize, size: usize) -> Vec<f32> {
    let tokens = x.len() / (heads * size);
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(heads * size).enumerate().for_each(|(token, y)| {
        for (head, y) in y.chunks_mut(size).enumerate() {
            let at = (head * tokens + token) * size;
            y.copy_from_slice(&x[at..at + size]);
        }
    });
    y
}

/// What one segment sees: the places of the segments above it, and its own.
struct Sight {
    own: Segment,
    /// Where what is seen lies, as (first, count), in the order of the row.
    ranges: Vec<(usize, usize)>,
    /// How many tokens there are above it.
    above: usize,
}

impl Sight {
    fn of(segments: &[Segment], at: usize) -> Self {
        let lineage = Packed::lineage(segments, at);
        let own = segments[at];
        let ranges: Vec<(usize, usize)> = lineage.iter().map(|segment| (segment.start, segment.len)).collect();
        let seen: usize = ranges.iter().map(|&(_, count)| count).sum();
        Self { own, ranges, above: seen - own.len }
    }

    fn seen(&self) -> usize {
        self.above + self.own.len
    }

    /// The rows that are seen, one after the other.
    fn gather(&self, rows: &[f32], size: usize, into: &mut Vec<f32>) {
        into.clear();
        for &(first, count) in &self.ranges {
            into.extend_from_slice(&rows[first * size..(first + count) * size]);
        }
    }

    /// Adds rows that were gathered to where they came from.
    fn scatter_add(&self, gathered: &[f32], size: usize, into: &mut [f32]) {
        let mut at = 0;
        for &(first, count) in &self.ranges {
            let part = &gathered[at * size..(at + count) * size];
            add_part(&mut into[first * size..(first + count) * size], part);
            at += count;
        }
    }

    fn own<'a>(&self, rows: &'a [f32], size: usize) -> &'a [f32] {
        &rows[self.own.start * size..(self.own.start + self.own.len) * size]
    }

    fn own_mut<'a>(&self, rows: &'a mut [f32], size: usize) -> &'a mut [f32] {
        &mut rows[self.own.start * size..(self.own.start + self.own.len) * size]
    }

    /// The softmax of the scores, in place: row i sees what is above and the first i + 1 of its own segment.
    fn softmax(&self, scores: &mut [f32]) {
        for (i, row) in scores.chunks_mut(self.seen()).enumerate() {
            let (visible, hidden) = row.split_at_mut(self.above + i + 1);
            softmax(visible);
            hidden.fill(0.0);
        }
    }

    /// Turns the gradient of the probabilities into that of the scores, in place.
    fn softmax_backward(&self, probabilities: &[f32], gradient: &mut [f32], scale: f32) {
        let seen = self.seen();
        for (i, (p, g)) in probabilities.chunks(seen).zip(gradient.chunks_mut(seen)).enumerate() {
            let visible = self.above + i + 1;
            softmax_backward(&p[..visible], &mut g[..visible], scale);
            g[visible..].fill(0.0);
        }
    }
}

fn sights(segments: &[Segment]) -> Vec<Sight> {
    (0..segments.len()).map(|at| Sight::of(segments, at)).collect()
}

/// `destination = scale * left * right`, on this thread.
fn product(destination: &mut [f32], left: Operand<'_>, right: Operand<'_>, shape: (usize, usize), scale: f32) {
    let mut columns = Columns::all(destination, shape.0, shape.1);
    multiply(&mut columns, left, right, scale, Target::Overwritten, Threads::One);
}

fn product_added(destination: &mut [f32], left: Operand<'_>, right: Operand<'_>, shape: (usize, usize)) {
    let mut columns = Columns::all(destination, shape.0, shape.1);
    multiply(&mut columns, left, right, 1.0, Target::AddedTo, Threads::One);
}

/// The probabilities with which one segment's queries look at what they see.
fn probabilities(sight: &Sight, queries: &[f32], keys: &[f32], size: usize) -> Vec<f32> {
    let (count, seen) = (sight.own.len, sight.seen());
    let mut scores = vec![0.0; count * seen];
    let scale = 1.0 / (size as f32).sqrt();
    let (queries, keys) = (Operand::new(queries, count, size), Operand::new(keys, seen, size).transposed());
    product(&mut scores, queries, keys, (count, seen), scale);
    sight.softmax(&mut scores);
    scores
}

/// For queries `[tokens][heads * size]` and keys and values of the heads that are asked, what each head reads.
///
/// The queries are those of the last tokens; keys and values are there for the tokens before, too, which is how text is
/// drawn one token at a time.
pub(super) fn attention(q: &[f32], k: &[f32], v: &[f32], segments: &[Segment], heads: Heads) -> Vec<f32> {
    let Heads { queries, keys, size } = heads;
    let (q, k, v) = (by_head(q, queries, size), by_head(k, keys, size), by_head(v, keys, size));
    let tokens = q.len() / (queries * size);
    let before = k.len() / (keys * size) - tokens;
    let sights: Vec<Sight> = sights(segments).into_iter().filter(|sight| sight.own.start >= before).collect();
    let mut o = vec![0.0; q.len()];
    o.par_chunks_mut((group(heads) * tokens * size).max(1)).enumerate().for_each(|(key_head, o)| {
        let of_key = |x| head_of(x, key_head);
        let (k, v) = (of_key((&k, keys)), of_key((&v, keys)));
        let (mut seen_keys, mut seen_values) = (Vec::new(), Vec::new());
        for sight in &sights {
            sight.gather(k, size, &mut seen_keys);
            sight.gather(v, size, &mut seen_values);
            let (first, count) = (sight.own.start - before, sight.own.len);
            for member in 0..group(heads) {
                let q = head_of((&q, queries), key_head * group(heads) + member);
                let q = &q[first * size..(first + count) * size];
                let p = probabilities(sight, q, &seen_keys, size);
                let at = (member * tokens + first) * size;
                let (p, values) =
                    (Operand::new(&p, count, sight.seen()), Operand::new(&seen_values, sight.seen(), size));
                product(&mut o[at..at + count * size], p, values, (count, size), 1.0);
            }
        }
    });
    by_token(&o, queries, size)
}

/// One head's rows of a matrix that was turned by [`by_head`].
fn head_of((x, heads): (&[f32], usize), head: usize) -> &[f32] {
    let length = x.len() / heads;
    &x[head * length..(head + 1) * length]
}

/// The gradients with respect to queries, keys and values.
pub(super) fn attention_backward(
    [q, k, v, dy]: [&[f32]; 4],
    segments: &[Segment],
    heads: Heads,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let Heads { queries, keys, size } = heads;
    let (q, dy) = (by_head(q, queries, size), by_head(dy, queries, size));
    let (k, v) = (by_head(k, keys, size), by_head(v, keys, size));
    let sights = sights(segments);
    let (mut dq, mut dk, mut dv) = (vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]);
    let (width, length) = (group(heads) * k.len() / keys, (k.len() / keys).max(1));
    dq.par_chunks_mut(width.max(1)).zip(dk.par_chunks_mut(length)).zip(dv.par_chunks_mut(length)).enumerate().for_each(
        |(key_head, ((dq, dk), dv))| {
            let task = Task {
                q: &q[key_head * width..(key_head + 1) * width],
                dy: &dy[key_head * width..(key_head + 1) * width],
                k: head_of((&k, keys), key_head),
                v: head_of((&v, keys), key_head),
                size,
            };
            sights.iter().for_each(|sight| task.backward(sight, dq, dk, dv));
        },
    );
    (by_token(&dq, queries, size), by_token(&dk, keys, size), by_token(&dv, keys, size))
}

/// The heads that share one head of keys and values.
struct Task<'a> {
    q: &'a [f32],
    dy: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    size: usize,
}

impl Task<'_> {
    fn backward(&self, sight: &Sight, dq: &mut [f32], dk: &mut [f32], dv: &mut [f32]) {
        let (size, count, seen) = (self.size, sight.own.len, sight.seen());
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        sight.gather(self.k, size, &mut keys);
        sight.gather(self.v, size, &mut values);
        let (mut dkeys, mut dvalues) = (vec![0.0; keys.len()], vec![0.0; values.len()]);
        let head = self.k.len();
        for member in 0..self.q.len() / head.max(1) {
            let range = member * head..(member + 1) * head;
            let (q, dy) = (sight.own(&self.q[range.clone()], size), sight.own(&self.dy[range.clone()], size));
            let p = probabilities(sight, q, &keys, size);
            let (rows, queries) = (Operand::new(dy, count, size), Operand::new(q, count, size));
            product_added(&mut dvalues, Operand::new(&p, count, seen).transposed(), rows, (seen, size));
            let mut ds = vec![0.0; count * seen];
            product(&mut ds, rows, Operand::new(&values, seen, size).transposed(), (count, seen), 1.0);
            sight.softmax_backward(&p, &mut ds, 1.0 / (size as f32).sqrt());
            let ds = Operand::new(&ds, count, seen);
            product(sight.own_mut(&mut dq[range], size), ds, Operand::new(&keys, seen, size), (count, size), 1.0);
            product_added(&mut dkeys, ds.transposed(), queries, (seen, size));
        }
        sight.scatter_add(&dkeys, size, dk);
        sight.scatter_add(&dvalues, size, dv);
    }
}
