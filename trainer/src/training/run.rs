//! The steps of a training.

use std::{fs, path::PathBuf, time::Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    Batches, Event, Outcome, Training, Verdict,
    batches::{Part, pack},
    checkpoint::{Checkpoint, State},
    drawing::draw,
    kept::KeptStates,
    metrics::{Metrics, Record},
};
use crate::{
    adapter::{self, Adapter, Pair},
    backend::Backend,
    decoder::Decoder,
    error::{Error, Result},
    learner, lora,
    optimiser::Optimiser,
    overlap::FiveGrams,
    packing::Example,
    shape::Module,
    whole_file::WholeFile,
};

/// Replies that are drawn to see whether they recite, and how long they may be.
const DRAWN: usize = 16;
const LONGEST_DRAWN: usize = 24;
/// By how much more than real text replies may share with the training text before rising further ends a training.
const RECITING: f64 = 0.1;

pub(super) fn run<B: Backend>(
    mut training: Training,
    backend: B,
    on_event: &mut dyn FnMut(&Event) -> Verdict,
) -> Result<Outcome> {
    let out = training.job.out.clone();
    fs::create_dir_all(&out).map_err(|error| Error::file("make", &out, error))?;
    let base_sha256 = training.base.sha256()?;
    let fingerprint = training.fingerprint(&base_sha256);
    let mut decoder = lora::attach(backend, &mut training.base, &training.options.layout, training.options.seed)?;
    decoder.drop_out = training.options.drop_out;
    let checkpoint = Checkpoint::in_folder(&out);
    if training.job.restart {
        checkpoint.remove()?;
    }
    let mut optimiser = Optimiser::new(&decoder.parameters);
    let restored = checkpoint.restore(&decoder.backend, &fingerprint, &mut decoder.parameters, &mut optimiser)?;
    let state = restored.unwrap_or_else(|| State { fingerprint, ..State::default() });
    let metrics = Metrics::open(&out, state.step, state.looked)?;
    let learned = FiveGrams::of(&training.prepared.said);
    let real_overlap = learned.share_of(&training.prepared.held_out).unwrap_or(0.0);
    let run = Run {
        training: &training,
        base_sha256,
        learned,
        real_overlap,
        decoder,
        optimiser,
        state,
        metrics,
        checkpoint,
        kept: None,
        on_event,
    };
    run.finish()
}

struct Run<'a, B: Backend> {
    training: &'a Training,
    base_sha256: String,
    /// The five-grams of what is learned, and the share of them in what people really said next.
    learned: FiveGrams,
    real_overlap: f64,
    decoder: Decoder<B>,
    optimiser: Optimiser,
    state: State,
    metrics: Metrics,
    checkpoint: Checkpoint,
    /// What comes of the layers below the adapter, where it is kept.
    kept: Option<KeptStates>,
    on_event: &'a mut dyn FnMut(&Event) -> Verdict,
}

impl<B: Backend> Run<'_, B> {
    fn finish(mut self) -> Result<Outcome> {
        let plan = self.training.plan.clone();
        let steps = plan.steps;
        self.tell(&Event::Started { plan, done: self.state.step })?;
        if self.training.options.keeps_states() && self.state.over.is_none() && self.state.step < steps {
            self.keep_states()?;
        }
        self.learn(steps)?;
        self.save()?;
        self.metrics.plot()?;
        self.publish()?;
        let (best_loss, best_step) = self.state.best.expect("it was looked before the first step");
        Ok(Outcome {
            adapter: self.adapter_path(),
            first_loss: self.metrics.first_loss().unwrap_or(best_loss),
            best_loss,
            best_step,
            steps: self.state.step,
            reason: self.state.over.unwrap_or_else(|| "all steps are done".to_owned()),
        })
    }

    /// Computes what comes of the layers below the adapter, and keeps it.
    fn keep_states(&mut self) -> Result<()> {
        let Training { job, prepared, options, plan, .. } = self.training;
        let mut kept = KeptStates::create(&job.out, self.decoder.shape.width, plan.disk)?;
        for part in prepared.all_parts(options.batch_tokens) {
            let states = self.decoder.states_below(&part.packed)?;
            kept.add(&part, &self.decoder.backend.values(&states)?)?;
            self.tell(&Event::Kept { tokens: kept.tokens(), of: plan.kept_tokens })?;
        }
        self.kept = Some(kept);
        Ok(())
    }

    fn learn(&mut self, steps: u64) -> Result<()> {
        let options = &self.training.options;
        let units = &self.training.prepared.train.units;
        let mut batches = Batches::new(units, options.batch_rows, options.batch_tokens, options.seed);
        let every = (batches.per_epoch() / u64::from(options.looks.max(1))).max(1);
        let mut saved = Instant::now();
        loop {
            let (step, looked) = (self.state.step, self.state.looked);
            // One that was stopped between a step and its look looks now.
            let is_due = (step.is_multiple_of(every) || step == steps) && looked != Some(step);
            if is_due {
                self.look()?;
            }
            if is_due || saved.elapsed() >= options.checkpoint_every {
                self.save()?;
                saved = Instant::now();
            }
            if step == steps || self.state.over.is_some() {
                break;
            }
            self.step(&batches.step(step), steps)?;
        }
        Ok(())
    }

    fn step(&mut self, parts: &[Part], steps: u64) -> Result<()> {
        let start = Instant::now();
        let (step, pace) = (self.state.step, &self.training.options.pace);
        let seed = self.training.options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(step << 20);
        let rate = pace.rate(step, steps);
        let kept = self.kept.as_ref();
        let states = |decoder: &Decoder<B>, part: &Part| states_below(decoder, kept, part);
        let learner::Step { loss, norm } =
            learner::step(&mut self.decoder, &mut self.optimiser, (parts, states), (pace, rate), seed)?;
        if let Some(loss) = [loss, norm].into_iter().find(|number| !number.is_finite()) {
            return Err(Error::NotFinite { step: step + 1, loss, learning_rate: pace.learning_rate });
        }
        self.state.step += 1;
        let tokens: usize = parts.iter().map(|part| part.packed.row_tokens()).sum();
        let tokens_per_second = tokens as f64 / start.elapsed().as_secs_f64();
        self.metrics.add(&Record::Step { step: step + 1, loss, rate, norm, tokens_per_second })?;
        self.tell(&Event::Step { step: step + 1, loss, tokens_per_second })
    }

    /// Looks at rows that are not learned from, keeps what is best, and decides whether it is over.
    fn look(&mut self) -> Result<()> {
        let loss = self.validation_loss()?;
        let overlap = self.overlap()?;
        let best = self.state.best.is_none_or(|(best, _)| loss < best);
        if best {
            self.state.best = Some((loss, self.state.step));
            self.state.worse = 0;
            self.write_adapter(loss)?;
        } else {
            self.state.worse += 1;
        }
        self.state.overlaps.extend(overlap);
        self.state.over = self.verdict();
        self.state.looked = Some(self.state.step);
        self.metrics.add(&Record::Look { step: self.state.step, loss, overlap })?;
        self.tell(&Event::Looked { step: self.state.step, loss, best, overlap })
    }

    /// Why it is over, where it is.
    fn verdict(&self) -> Option<String> {
        let patience = self.training.options.patience;
        if patience > 0 && self.state.worse >= patience {
            return Some(format!("the loss on rows that are not learned from did not get better {patience} times"));
        }
        match self.state.overlaps.as_slice() {
            [.., a, b, c] if a < b && b < c && *c > self.real_overlap + RECITING && patience > 0 => Some(format!(
                "it began to recite: {:.0} % of the five-word runs of its replies stand in the training text",
                100.0 * c
            )),
            _ => None,
        }
    }

    fn validation_loss(&self) -> Result<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        for part in pack(&self.training.prepared.looked_at(), self.training.options.batch_tokens) {
            let losses =
                self.decoder.losses_above(&part.packed, states_below(&self.decoder, self.kept.as_ref(), &part)?)?;
            sum += part.packed.weighed(&losses);
            weight += part.packed.weight();
        }
        Ok(sum / weight)
    }

    fn overlap(&self) -> Result<Option<f64>> {
        let looked_at = self.training.prepared.looked_at();
        let examples: Vec<&Example> = looked_at.into_iter().take(DRAWN).map(|unit| &unit.rows[0]).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.training.options.seed);
        rng.set_stream(self.state.step);
        let tokeniser = &self.training.tokeniser;
        let drawn = draw(&self.decoder, &examples, LONGEST_DRAWN, tokeniser.end_of_turn(), &mut rng)?;
        let texts: Vec<String> = drawn.iter().map(|tokens| tokeniser.decode(tokens)).collect();
        Ok(self.learned.share_of(&texts))
    }

    fn save(&self) -> Result<()> {
        self.checkpoint.save(&self.decoder.backend, &self.state, &self.decoder.parameters, &self.optimiser)
    }

    /// The best adapter so far.
    fn best_path(&self) -> PathBuf {
        self.training.job.out.join("best.gguf")
    }

    fn adapter_path(&self) -> PathBuf {
        self.training.job.out.join(format!("{}.gguf", self.training.job.name))
    }

    /// Gives the best adapter its name. Until then an earlier one of that name may be served.
    fn publish(&self) -> Result<()> {
        let best = self.best_path();
        let bytes = fs::read(&best).map_err(|error| Error::file("read", &best, error))?;
        WholeFile::write(&self.adapter_path(), &bytes)
    }

    fn write_adapter(&self, loss: f64) -> Result<()> {
        let evaluation = serde_json::json!({
            "validation_loss": loss,
            "first_validation_loss": self.metrics.first_loss().unwrap_or(loss),
            "step": self.state.step,
        });
        let notes = self.training.notes(&self.base_sha256, evaluation.to_string());
        adapter::write(&self.best_path(), &self.adapter()?, &notes)
    }

    fn adapter(&self) -> Result<Adapter> {
        let layout = &self.training.options.layout;
        let mut values = Vec::new();
        for parameter in self.decoder.parameters.iter() {
            values.push((parameter.name.clone(), self.decoder.backend.values(&parameter.value)?));
        }
        let mut take = |layer: usize, module: Module, half: &str| {
            let name = lora::parameter_name(layer, module, half);
            let place = values.iter().position(|(known, _)| *known == name)?;
            Some(values.swap_remove(place).1)
        };
        let mut pairs = Vec::new();
        for layer in layout.first_layer..self.decoder.shape.layers {
            for module in Module::ALL {
                if let Some((a, b)) = take(layer, module, "A").zip(take(layer, module, "B")) {
                    pairs.push(Pair { layer, module, a, b, rank: layout.rank });
                }
            }
        }
        Ok(Adapter { family: self.decoder.shape.family, alpha: layout.alpha, pairs })
    }

    fn tell(&mut self, event: &Event) -> Result<()> {
        if (self.on_event)(event).is_break() {
            self.save()?;
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

/// What the lowest layer that learns is given.
fn states_below<B: Backend>(decoder: &Decoder<B>, kept: Option<&KeptStates>, part: &Part) -> Result<B::Matrix> {
    Ok(match kept {
        Some(kept) => decoder.backend.matrix(part.packed.len(), decoder.shape.width, kept.states(part)?)?,
        None => decoder.states_below(&part.packed)?,
    })
}
