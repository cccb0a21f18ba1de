//! What a step computes.

use super::{
    ADAPTER_TURN, ContextMemory, Engine, IDLE_SHARE, OUTPUTS, PIECE, ROWS,
    active::{Active, Aim, Stage},
};
use crate::{
    cache::{AdapterVersion, SequenceId},
    job::Urgency,
    llama::Row,
    sampling::TokenId,
};

/// Prompt tokens that are rather taken along than left for a step of their own.
const CRUMBS: usize = 8;

/// The rows of a step and whose they are.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) adapter: AdapterVersion,
    pub(super) rows: Vec<Row>,
    pub(super) parts: Vec<Part>,
    /// How many answers get a token.
    pub(super) answers: usize,
    outputs: usize,
}

/// A run of rows.
pub(super) struct Part {
    /// Whose they are: a place in the list of those in hand.
    pub(super) active: usize,
    pub(super) sequence: SequenceId,
    pub(super) first_row: usize,
    pub(super) count: usize,
    pub(super) kind: PartKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Prompt,
    Answer,
    /// Of this continuation.
    Tail(usize),
}

impl Plan {
    fn add(
        &mut self,
        part: (usize, SequenceId, PartKind),
        first_position: usize,
        tokens: &[TokenId],
        outputs: Outputs,
    ) {
        let (active, sequence, kind) = part;
        self.parts.push(Part { active, sequence, first_row: self.rows.len(), count: tokens.len(), kind });
        for (index, &token) in tokens.iter().enumerate() {
            let output = match outputs {
                Outputs::None => false,
                Outputs::Last => index + 1 == tokens.len(),
                Outputs::All => true,
            };
            self.outputs += usize::from(output);
            self.rows.push(Row { token, position: first_position + index, sequence, output });
        }
    }

    fn outputs_left(&self) -> usize {
        OUTPUTS - self.outputs
    }
}

/// Of which rows of a part logits are wanted.
#[derive(Clone, Copy)]
enum Outputs {
    None,
    Last,
    All,
}

impl Engine<'_> {
    /// The rows of the next step; none where nothing is in hand.
    pub(super) fn plan(&mut self) -> Option<Plan> {
        let runnable = self.runnable();
        let adapter = self.choose_adapter(&runnable)?;
        let runnable: Vec<usize> =
            runnable.into_iter().filter(|&index| self.active[index].adapter == adapter).collect();
        let mut plan = Plan { adapter, ..Plan::default() };
        for &index in &runnable {
            self.plan_token(&mut plan, index);
        }
        for &index in &runnable {
            self.plan_tails(&mut plan, index);
        }
        let mut budget = PIECE;
        for &index in &runnable {
            self.plan_prompt(&mut plan, index, &mut budget);
        }
        let mut memory = ContextMemory(&mut self.context);
        let room = self.cache.make_room(plan.rows.len(), &mut memory);
        debug_assert!(room, "requests are only begun while there is room for them");
        (!plan.rows.is_empty()).then_some(plan)
    }

    /// Those that take part, the most urgent first and then in the order in which they were begun.
    fn runnable(&self) -> Vec<usize> {
        let live = self.active.iter().any(|active| active.job.urgency == Urgency::Live);
        let idle_pauses = live && !self.steps.is_multiple_of(IDLE_SHARE);
        let pauses = |active: &Active| idle_pauses && active.job.urgency == Urgency::Idle;
        let mut runnable: Vec<usize> = (0..self.active.len()).filter(|&index| !pauses(&self.active[index])).collect();
        runnable.sort_by_key(|&index| self.active[index].job.urgency);
        runnable
    }

    /// The adapter of the step. All rows of a step have the same, and changing it costs time, so it is kept for a while.
    fn choose_adapter(&mut self, runnable: &[usize]) -> Option<AdapterVersion> {
        let wanted = |&index: &usize| self.active[index].adapter;
        let is_wanted = runnable.iter().any(|index| wanted(index) == self.adapter);
        let other = runnable.iter().map(wanted).find(|&adapter| adapter != self.adapter);
        let chosen = match other {
            Some(other) if !is_wanted || self.adapter_turn >= ADAPTER_TURN => other,
            Some(_) => self.adapter,
            None => is_wanted.then_some(self.adapter)?,
        };
        self.adapter_turn = if chosen == self.adapter { self.adapter_turn + 1 } else { 0 };
        self.adapter = chosen;
        Some(chosen)
    }

    fn plan_token(&self, plan: &mut Plan, index: usize) {
        let active = &self.active[index];
        let Stage::Answer { next } = active.stage else { return };
        if plan.outputs_left() > 0 && plan.rows.len() < ROWS {
            let position = self.cache.length(active.sequence);
            plan.add((index, active.sequence, PartKind::Answer), position, &[next], Outputs::All);
            plan.answers += 1;
        }
    }

    fn plan_prompt(&self, plan: &mut Plan, index: usize, budget: &mut usize) {
        let active = &self.active[index];
        let Stage::Prompt { done } = active.stage else { return };
        let left = active.prompt_left();
        let piece = if left <= *budget + CRUMBS { left } else { *budget }.min(ROWS - plan.rows.len());
        if *budget == 0 || piece == 0 {
            return;
        }
        let ends = piece == left && active.wants_output();
        if ends && plan.outputs_left() == 0 {
            return;
        }
        let outputs = if ends { Outputs::Last } else { Outputs::None };
        let tokens = &active.prompt[done..done + piece];
        plan.add((index, active.sequence, PartKind::Prompt), done, tokens, outputs);
        *budget = budget.saturating_sub(piece);
    }

    /// Rows of continuations, each on a branch of its own, as many as there is room for. The first that is not judged to
    /// its end goes first, and there is room for the longest, so that each is judged in the end.
    fn plan_tails(&mut self, plan: &mut Plan, index: usize) {
        let Active { sequence, prompt, reserved, stage: Stage::Tails, aim: Aim::Score(score), .. } =
            &mut self.active[index]
        else {
            return;
        };
        let mut room = reserved.saturating_sub(score.cached());
        let mut memory = ContextMemory(&mut self.context);
        for (number, tail) in score.tails.iter_mut().enumerate() {
            let count = tail.left().min(plan.outputs_left()).min(ROWS - plan.rows.len()).min(room);
            if count == 0 {
                continue;
            }
            if tail.branch.is_none() {
                tail.branch = self.cache.branch(*sequence, &mut memory);
            }
            let Some(branch) = tail.branch else { return };
            let from = tail.computed();
            let tokens = &tail.tokens[from..from + count];
            room -= count;
            plan.add((index, branch, PartKind::Tail(number)), prompt.len() + from, tokens, Outputs::All);
        }
    }
}
