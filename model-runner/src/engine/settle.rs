//! What comes of a step.

use chat::wire::FinishReason;

use super::{
    ContextMemory, Engine,
    active::{Aim, Stage},
    answer::Next,
    plan::{Part, PartKind, Plan},
};
use crate::{job::Event, sampling::TokenId};

impl Engine<'_> {
    /// Hands on what came out of a step.
    pub(super) fn settle(&mut self, plan: &Plan) {
        for part in &plan.parts {
            let rows = &plan.rows[part.first_row..part.first_row + part.count];
            let tokens: Vec<TokenId> = rows.iter().map(|row| row.token).collect();
            self.cache.push(part.sequence, &tokens);
            match part.kind {
                PartKind::Prompt => self.settle_prompt(part),
                PartKind::Answer => {
                    let active = &mut self.active[part.active];
                    active.reserved = active.reserved.saturating_sub(1);
                    self.draw(part.active, part.first_row);
                }
                PartKind::Tail(number) => self.settle_tail(part, number),
            }
        }
        self.finish_scores();
        let mut memory = ContextMemory(&mut self.context);
        for mut active in self.active.extract_if(.., |active| matches!(active.stage, Stage::Done)) {
            active.release(&mut self.cache, &mut memory);
            self.metrics.finished.add(1);
        }
    }

    fn settle_prompt(&mut self, part: &Part) {
        let active = &mut self.active[part.active];
        let Stage::Prompt { done } = &mut active.stage else { return };
        *done += part.count;
        if active.prompt_left() > 0 {
            return;
        }
        let last_row = part.first_row + part.count - 1;
        match &mut active.aim {
            Aim::Prefill => active.finish(FinishReason::Length),
            Aim::Answer(answer) if answer.limit() == 0 => active.finish(FinishReason::Length),
            Aim::Answer(_) => self.draw(part.active, last_row),
            Aim::Score(score) => {
                score.judge_first(self.context.logits(last_row));
                active.stage = Stage::Tails;
            }
        }
    }

    /// Draws the next token of an answer.
    fn draw(&mut self, index: usize, row: usize) {
        let active = &mut self.active[index];
        let Aim::Answer(answer) = &mut active.aim else { return };
        let first = answer.drawn() == 0;
        let (said, next) = answer.draw(self.context.logits(row));
        self.metrics.drew(first.then(|| active.job.arrived.elapsed()));
        active.say(said);
        match next {
            Next::Finished(reason) => active.finish(reason),
            Next::Compute(token) => {
                active.stage = Stage::Answer { next: token };
                // Beyond what it reserved an answer goes on while there is room, its next token counted already.
                if self.active[index].reserved == 0 && !self.has_room_for(0) {
                    self.active[index].cut();
                }
            }
        }
    }

    fn settle_tail(&mut self, part: &Part, number: usize) {
        let Aim::Score(score) = &mut self.active[part.active].aim else { return };
        let tail = &mut score.tails[number];
        for row in part.first_row..part.first_row + part.count {
            tail.judge(self.context.logits(row));
        }
        if tail.is_done()
            && let Some(branch) = tail.branch.take()
        {
            self.cache.forget(branch, &mut ContextMemory(&mut self.context));
        }
    }

    fn finish_scores(&mut self) {
        for active in self.active.iter_mut().filter(|active| matches!(active.stage, Stage::Tails)) {
            let Aim::Score(score) = &mut active.aim else { continue };
            if score.is_done() {
                let (logprobs, tokens) = (score.take_logprobs(), score.tokens());
                active.send(Event::Scored { logprobs, usage: active.usage(tokens) });
                active.stage = Stage::Done;
            }
        }
    }
}
