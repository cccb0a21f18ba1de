//! The one thread that owns llama.cpp. It loads the model, works on what is asked, lets the model go when nobody has asked
//! for a while, and loads it again when somebody does.

use std::{
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    adapters::Adapters,
    engine::{Engine, EngineOptions},
    gguf::GgufHeader,
    job::{AdapterOrder, Event, Job, Refusal},
    last_words::while_loading,
    llama::{Model, check_processor},
    metrics::Metrics,
    waiting::Waiting,
};

/// Whether the model can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelState {
    Loading,
    /// With a context of so many tokens.
    Ready {
        context: u32,
    },
    /// It was let go, and is loaded again for the next request.
    Resting {
        context: u32,
    },
    /// For good; with a sentence that says why.
    Failed(String),
}

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum Call {
    Job(Box<Job>),
    Adapter(AdapterOrder),
}

/// What the thread is started with.
pub(crate) struct ModelThread {
    pub(crate) file: PathBuf,
    /// A model that was made for a shorter context gets a shorter one.
    pub(crate) engine: EngineOptions,
    /// Whether weights are copied into the order that a CPU kernel wants.
    pub(crate) repack: bool,
    /// After so long without a request the model is let go; none for never.
    pub(crate) rest_after: Option<Duration>,
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) adapter_names: watch::Sender<Vec<String>>,
    pub(crate) state: watch::Sender<ModelState>,
    pub(crate) metrics: Arc<Metrics>,
    /// Once this is cancelled no job is begun; those in hand are finished.
    pub(crate) shutdown: CancellationToken,
}

/// Why a loaded model is not worked with any longer.
#[derive(PartialEq, Eq)]
enum Pause {
    /// Nobody asked for a while.
    Rest,
    /// Nobody can ask any more.
    End,
}

impl ModelThread {
    /// Starts the thread. The receiver resolves when it ends: after all senders of calls are gone, or after the model
    /// failed.
    pub(crate) fn spawn(self) -> std::io::Result<(JoinHandle<()>, oneshot::Receiver<()>)> {
        let (ended, has_ended) = oneshot::channel();
        let runtime = Handle::current();
        let thread = thread::Builder::new().name("llama.cpp".to_owned()).spawn(move || {
            // Dropped at the end, on a panic too.
            let _ended = ended;
            self.run(&runtime);
        })?;
        Ok((thread, has_ended))
    }

    fn run(mut self, runtime: &Handle) {
        let adapters = Adapters::new(self.adapter_names.clone());
        let mut work = Work { first: None, waiting: Waiting::default(), adapters };
        loop {
            match self.load_and_work(&mut work, runtime) {
                Ok(Pause::Rest) => {}
                Ok(Pause::End) => return,
                Err(sentence) => {
                    self.state.send_replace(ModelState::Failed(sentence));
                    return;
                }
            }
            tracing::info!("nobody has asked for {:?}: the model is let go until somebody does", self.rest_after);
            let Some(call) = self.calls.blocking_recv() else { return };
            work.first = Some(call);
        }
    }

    fn load_and_work(&mut self, work: &mut Work, runtime: &Handle) -> Result<Pause, String> {
        let model = self.load().map_err(|reason| format!("cannot use {} as a model: {reason}", self.file.display()))?;
        let model = Arc::new(model);
        if !model.has_token("<|im_start|>") {
            tracing::warn!("the model does not know ChatML: its answers to conversations will be poor");
        }
        let metrics = Arc::clone(&self.metrics);
        let engine = while_loading(&self.file, || Engine::new(&model, &self.engine, &metrics));
        let mut engine = engine.map_err(|error| format!("cannot use {} as a model: {error}", self.file.display()))?;
        work.adapters.wake(&model);
        self.metrics.loads.add(1);
        self.state.send_replace(ModelState::Ready { context: engine.length() });
        let pause = self.work(&mut engine, &model, work, runtime);
        let context = engine.length();
        drop(engine);
        work.adapters.rest();
        self.metrics.memory.model.set(0);
        self.metrics.memory.cache.set(0);
        self.metrics.memory.cached_tokens.set(0);
        // Last, so that nobody hears of a rest and still sees what it let go.
        if pause == Pause::Rest {
            self.state.send_replace(ModelState::Resting { context });
        }
        Ok(pause)
    }

    fn work(&mut self, engine: &mut Engine<'_>, model: &Arc<Model>, work: &mut Work, runtime: &Handle) -> Pause {
        if let Some(call) = work.first.take() {
            work.note(call, model);
        }
        loop {
            if engine.is_idle() && work.waiting.is_empty() {
                match self.wait(runtime) {
                    Ok(call) => work.note(call, model),
                    Err(pause) => return pause,
                }
            }
            while let Ok(call) = self.calls.try_recv() {
                work.note(call, model);
            }
            if self.shutdown.is_cancelled() {
                work.waiting.drain().for_each(|job| job.send(Event::Stopping));
            }
            engine.admit(&mut work.waiting, &work.adapters);
            engine.step(&work.adapters);
            if work.adapters.has_retired() {
                work.drop_unused(engine);
            }
        }
    }

    /// Waits for the next call, as long as the model is kept for it.
    fn wait(&mut self, runtime: &Handle) -> Result<Call, Pause> {
        let Some(patience) = self.rest_after else { return self.calls.blocking_recv().ok_or(Pause::End) };
        match runtime.block_on(async { tokio::time::timeout(patience, self.calls.recv()).await }) {
            Ok(call) => call.ok_or(Pause::End),
            Err(_) => Err(Pause::Rest),
        }
    }

    fn load(&self) -> Result<Model, String> {
        check_processor()?;
        GgufHeader::read(&self.file).map_err(|error| error.to_string())?;
        while_loading(&self.file, || Model::load(&self.file, self.repack)).map_err(|error| error.to_string())
    }
}

/// What outlives a rest.
struct Work {
    /// What ended the rest.
    first: Option<Call>,
    waiting: Waiting,
    adapters: Adapters,
}

impl Work {
    fn note(&mut self, call: Call, model: &Arc<Model>) {
        match call {
            Call::Job(job) => self.waiting.push(*job),
            Call::Adapter(AdapterOrder::Load { name, path, done }) => {
                answer(done, self.adapters.load(model, &name, &path));
            }
            Call::Adapter(AdapterOrder::Unload { name, done }) => {
                answer(done, self.adapters.unload(&name));
            }
        }
    }

    fn drop_unused(&mut self, engine: &mut Engine<'_>) {
        let in_use: Vec<_> = engine.adapters_in_use().collect();
        self.adapters.drop_unused(&in_use);
        engine.forget_adapters(&self.adapters);
    }
}

fn answer(done: oneshot::Sender<Result<(), Refusal>>, result: Result<(), Refusal>) {
    // Who asked may be gone by now; the order was carried out all the same.
    drop(done.send(result));
}
