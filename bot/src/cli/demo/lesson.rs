//! Training while people watch: rows from the history, an adapter from the rows, and on the page what the personas said
//! before and say now.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, bail};
use chat::{MemberId, ScriptSet, prompt, scripts::ScriptCounter};
use corpus::dataset::{Kind, Options as DatasetOptions, Replace, Row};
use store::{Community, Store};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use trainer::training::{Device, Event, Outcome, Training, Verdict};

use crate::{
    Clock,
    community::Learning,
    dataset,
    eval::dataset::{Dataset, spread},
    platform::web::{Lesson, Point, Said, Scene, Stage},
    runner::RunnerClient,
    training::{self, Order},
    voice::draw_alone,
};

/// What the adapter is called.
const NAME: &str = "demo";
/// What the runner calls the adapter that is only listened to.
const REHEARSED: &str = "demo@rehearsal";
/// In how many situations each persona is heard.
const SCENES_EACH: usize = 2;
/// How many points of the curve a page gets.
const MOST_POINTS: usize = 120;
/// What the first reply of each rehearsal is drawn with, so that only the adapter makes a difference; the next ones count on.
const SEED: u64 = 7;
/// How much of a point of the curve is the latest step: each is a mean of about the last ten.
const SHARE_OF_STEP: f64 = 0.1;

/// What is to be taught, and to whom it is shown.
pub(super) struct Teacher {
    pub(super) store: Store,
    /// The folder for everything that is kept.
    pub(super) data: PathBuf,
    /// The model that is served.
    pub(super) base: PathBuf,
    pub(super) community: Community,
    /// Whose personas are heard.
    pub(super) heard: Vec<MemberId>,
    /// How often each message is learned from at most; none for what is usual.
    pub(super) epochs: Option<u32>,
    pub(super) runner: watch::Receiver<Option<RunnerClient>>,
    pub(super) shown: watch::Sender<Lesson>,
    pub(super) clock: Clock,
    pub(super) shutdown: CancellationToken,
}

impl Teacher {
    /// Teaches until it is done or the program is to end. The demo goes on whatever comes of it.
    pub(super) async fn teach(self) {
        let Err(error) = self.lesson().await else { return };
        if self.shutdown.is_cancelled() {
            return;
        }
        eprintln!("The training ended: {error:#}");
        let trouble = Some(format!("{error:#}"));
        self.shown.send_modify(|lesson| *lesson = Lesson { stage: Stage::Failed, trouble, ..lesson.clone() });
    }

    async fn lesson(&self) -> anyhow::Result<()> {
        let folder = self.data.join("dataset");
        let order = dataset::Order {
            community: &self.community,
            learning: Learning::default(),
            options: DatasetOptions::default(),
            data: &self.data,
            out: &folder,
            replace: Replace::AnyDataset,
        };
        dataset::make(&self.store, order, self.clock.now(), |_| {}).await?;
        let order = Order {
            base: self.base.clone(),
            dataset: folder.clone(),
            out: self.out(),
            name: NAME.to_owned(),
            device: Device::Cpu,
            restart: true,
        };
        let (training, report) = order.prepare(|_, options| options.epochs = self.epochs.unwrap_or(options.epochs))?;

        self.shown.send_modify(|lesson| lesson.stage = Stage::Before);
        let rehearsal = self.rehearsal(&folder)?;
        let scenes = rehearsal.before().await?;
        self.shown.send_modify(|lesson| lesson.scenes = scenes);

        let outcome = self.learn(training, &rehearsal).await?;
        if outcome.best_step == 0 {
            bail!("nothing was learned that helps with messages it had not seen; the personas speak as before");
        }
        rehearsal.after(&outcome.adapter, &self.shown).await;
        training::hand_over(&self.store, &self.community, NAME, &outcome, &report, self.clock.now()).await?;
        self.shown.send_modify(|lesson| *lesson = Lesson { stage: Stage::Done, seconds_left: None, ..lesson.clone() });
        eprintln!(
            "They have learned: the loss on messages that were not learned from went from {:.3} to {:.3}.",
            outcome.first_loss, outcome.best_loss
        );
        Ok(())
    }

    /// The folder of the training.
    fn out(&self) -> PathBuf {
        self.data.join("training").join(NAME)
    }

    fn rehearsal(&self, folder: &Path) -> anyhow::Result<Rehearsal> {
        let train = Dataset::rows(folder, "train")?;
        let mut scripts = ScriptCounter::default();
        train.iter().for_each(|row| scripts.add(&row.answer));
        let test = Dataset::rows(folder, "test")?;
        let of = |member: &MemberId| {
            let theirs = |row: &&Row| row.kind == Kind::Reply && row.member == *member;
            spread(&test.iter().filter(theirs).collect::<Vec<_>>(), Some(SCENES_EACH))
        };
        let rows = self.heard.iter().flat_map(of).cloned().collect();
        Ok(Rehearsal { rows, runner: self.runner.clone(), scripts: scripts.scripts() })
    }

    /// Trains; whenever it got better, the personas are heard again.
    async fn learn(&self, training: Training, rehearsal: &Rehearsal) -> anyhow::Result<Outcome> {
        let best = self.out().join("best.gguf");
        let better = Arc::new(Notify::new());
        let mut progress =
            Progress { start: Instant::now(), shown: self.shown.clone(), better: better.clone(), mean: None };
        let shutdown = self.shutdown.clone();
        let training = training::run(training, move |event| {
            progress.follow(event);
            if shutdown.is_cancelled() { Verdict::Break(()) } else { ControlFlow::Continue(()) }
        });
        tokio::pin!(training);
        loop {
            tokio::select! {
                outcome = &mut training => return outcome,
                () = better.notified() => rehearsal.after(&best, &self.shown).await,
            }
        }
    }
}

/// Tells the page how far a training is.
struct Progress {
    start: Instant,
    shown: watch::Sender<Lesson>,
    /// Told when there is a better adapter than before.
    better: Arc<Notify>,
    /// The mean loss of the latest steps.
    mean: Option<f64>,
}

impl Progress {
    fn follow(&mut self, event: &Event) {
        match *event {
            Event::Started { ref plan, .. } => {
                let steps = plan.steps;
                self.shown.send_modify(|lesson| *lesson = Lesson { stage: Stage::Learning, steps, ..lesson.clone() });
            }
            // There is nothing below an adapter on all layers.
            Event::Kept { .. } => {}
            Event::Step { step, loss, .. } => {
                let elapsed = self.start.elapsed().as_secs_f64();
                let mean = self.mean.map_or(loss, |mean| mean + SHARE_OF_STEP * (loss - mean));
                self.mean = Some(mean);
                self.shown.send_modify(|lesson| {
                    lesson.step = step;
                    lesson.seconds_left = Some((elapsed / step as f64 * (lesson.steps - step) as f64) as u64);
                    if step.is_multiple_of(lesson.steps.div_ceil(MOST_POINTS as u64)) {
                        lesson.losses.push(Point { step, loss: mean });
                    }
                });
            }
            Event::Looked { step, loss, best, .. } => {
                self.shown.send_modify(|lesson| lesson.looks.push(Point { step, loss }));
                if best && step > 0 {
                    self.better.notify_one();
                }
            }
        }
    }
}

/// Situations that were not learned from, and whom to ask what is said in them.
struct Rehearsal {
    rows: Vec<Row>,
    runner: watch::Receiver<Option<RunnerClient>>,
    scripts: ScriptSet,
}

impl Rehearsal {
    /// What is said with the base alone.
    async fn before(&self) -> anyhow::Result<Vec<Scene>> {
        let (client, mut scenes) = (self.client().await?, Vec::new());
        for (place, row) in self.rows.iter().enumerate() {
            let lines = prompt::lines_of(&row.prompt).context("a row's prompt is not one of this program's")?;
            let said = lines.iter().map(|line| Said { name: line.name().to_owned(), text: line.text().to_owned() });
            scenes.push(Scene {
                window: said.collect(),
                speaker: row.speaker.clone(),
                real: row.answer.clone(),
                before: self.reply(&client, place).await?,
                after: None,
            });
        }
        Ok(scenes)
    }

    /// Shows what is said with an adapter. Where that fails, as with a runner that has just died, the training goes on.
    async fn after(&self, adapter: &Path, shown: &watch::Sender<Lesson>) {
        if let Err(error) = self.try_after(adapter, shown).await {
            tracing::warn!("the personas could not be heard with what they have learned: {error:#}");
        }
    }

    async fn try_after(&self, adapter: &Path, shown: &watch::Sender<Lesson>) -> anyhow::Result<()> {
        let runner = self.client().await?;
        runner.load_adapter(REHEARSED, adapter).await?;
        let client = runner.with_model(REHEARSED);
        for place in 0..self.rows.len() {
            let reply = self.reply(&client, place).await?;
            shown.send_modify(|lesson| lesson.scenes[place].after = Some(reply));
        }
        Ok(runner.unload_adapter(REHEARSED).await?)
    }

    async fn client(&self) -> anyhow::Result<RunnerClient> {
        let mut runner = self.runner.clone();
        let client = runner.wait_for(Option::is_some).await.context("the model cannot be served")?.clone();
        client.context("the model runner is away")
    }

    async fn reply(&self, client: &RunnerClient, place: usize) -> anyhow::Result<String> {
        let draw = draw_alone(self.scripts.clone(), SEED + place as u64);
        let reply = client.complete(&self.rows[place].prompt, &draw).await.context("the model runner did not reply")?;
        Ok(reply.trim().to_owned())
    }
}
