//! A room's task: the one owner of the room's state. Everything that happens in the room comes through its mailbox, in
//! order, and at most one turn of ours is on its way at any time.

mod carry;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chat::{MemberId, Message, MessageKey, Persona, PersonaId, RoomSettings, Window, prompt};
use chrono::{DateTime, Utc};
use rand_chacha::ChaCha8Rng;
use store::{Room, Store};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument;

use crate::{
    app::Shared,
    commands::{self, Answer, Caller, Command},
    community::Knowledge,
    director::{self, Decision, Memory, Quiet, Scene, Trigger, TurnPlan, Why},
    platform::Platform,
};

use carry::{Carrier, End, Words};

/// How long a human who begins to write is waited for.
const TYPING_PATIENCE: Duration = Duration::from_secs(8);
/// How long a room that found idle chat due, but not fitting, waits before it looks again.
const IDLE_RETRY: Duration = Duration::from_secs(30);
/// How long a room whose history could not be read waits before it tries again.
const RELOAD_RETRY: Duration = Duration::from_secs(2);
/// How many lines that `/say` put in a mouth may wait.
const MAX_WAITING_LINES: usize = 10;
/// How many messages may wait for other words.
const MAX_WAITING_REROLLS: usize = 10;
/// How long a room without a cast is kept awake after the last thing that happened in it.
const RETIRE_AFTER: Duration = Duration::from_secs(10 * 60);

/// Something for a room.
pub(crate) enum Input {
    /// A member, or another bot, posted. It may have been recorded by another process before.
    Said { message: Message, by_bot: bool, is_new: bool },
    /// Messages were edited or deleted.
    HistoryChanged,
    /// Consent or personas of the community changed.
    MembersChanged,
    /// The personas of the community speak with another adapter, or with none.
    VoiceChanged,
    /// The platform calls the room otherwise.
    Moved(Room),
    /// Whoever spoke here before is gone and may have left turns unfinished.
    Orphaned,
    /// Somebody wants to hear something else in place of this message of ours.
    Reroll(MessageKey),
    /// A human began to write.
    Typing,
    /// Somebody came to look.
    Arrived,
    /// Somebody gave a command.
    Command { caller: Caller, command: Command, answer: oneshot::Sender<Answer> },
}

/// A turn of ours that is on its way.
struct InFlight {
    trigger: Trigger,
    plan: Option<TurnPlan>,
    persona: Option<PersonaId>,
    overtaken: CancellationToken,
    task: JoinHandle<End>,
}

/// A line that `/say` put in a mouth.
struct Line {
    persona: Persona,
    text: String,
    asked_by: MemberId,
}

/// The state of a room and the task that owns it.
pub(crate) struct RoomTask {
    pub(crate) shared: Arc<Shared>,
    pub(crate) room: Room,
    platform: Arc<dyn Platform>,
    knowledge: Arc<Knowledge>,
    window: Window,
    cast: Vec<Persona>,
    settings: RoomSettings,
    memory: Memory,
    rng: ChaCha8Rng,
    in_flight: Option<InFlight>,
    /// What is to be decided once nothing is in flight and nobody is waited for.
    waiting: Option<Trigger>,
    lines: VecDeque<Line>,
    rerolls: VecDeque<MessageKey>,
    /// The newest message of others that the room has heard of.
    heard: Option<MessageKey>,
    /// The newest message that the room has ever seen: what causes are named after.
    newest: Option<MessageKey>,
    /// Why the platform refused the last post, if it did.
    trouble: Option<String>,
    /// When something last happened.
    busy_at: DateTime<Utc>,
    hold_until: Option<DateTime<Utc>>,
    idle_not_before: Option<DateTime<Utc>>,
    /// Whether something was dropped from the mailbox, or the history could not be read: it is read again.
    missed: Arc<AtomicBool>,
    recovered: bool,
    /// The window that the runner was last shown ahead.
    prefill: Option<Prefill>,
}

/// What the runner is being shown, or was.
struct Prefill {
    /// What every prompt over the window begins with.
    prefix: String,
    /// Held for its end: a newer window takes its place, and then nobody needs it any more.
    _task: AbortOnDropHandle<()>,
}

impl RoomTask {
    pub(crate) fn new(
        shared: Arc<Shared>,
        room: Room,
        platform: Arc<dyn Platform>,
        knowledge: Arc<Knowledge>,
        rng: ChaCha8Rng,
        missed: Arc<AtomicBool>,
    ) -> Self {
        let shared_now = shared.clock.now();
        let memory = Memory::new(shared_now);
        missed.store(true, Ordering::Relaxed);
        Self {
            shared,
            room,
            platform,
            knowledge,
            window: Window::default(),
            cast: Vec::new(),
            settings: RoomSettings::default(),
            memory,
            rng,
            in_flight: None,
            waiting: None,
            lines: VecDeque::new(),
            rerolls: VecDeque::new(),
            heard: None,
            newest: None,
            trouble: None,
            busy_at: shared_now,
            hold_until: None,
            idle_not_before: None,
            missed,
            recovered: false,
            prefill: None,
        }
    }

    /// Lives until the app shuts down, or until nothing has happened for long in a room without a cast.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            self.catch_up().await;
            self.prefill();
            self.next();
            let wake = self.sleep();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                end = ended(&mut self.in_flight) => self.turn_ended(end),
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => break,
                },
                () = tokio::time::sleep(wake) => if self.may_retire() { break },
            }
        }
        self.retire(inputs).await;
        self.finish().await;
    }

    fn may_retire(&self) -> bool {
        let is_quiet = self.in_flight.is_none() && self.waiting.is_none() && self.lines.is_empty();
        is_quiet && self.cast.is_empty() && !self.missed.load(Ordering::Relaxed) && self.now() >= self.retires_at()
    }

    fn retires_at(&self) -> DateTime<Utc> {
        self.busy_at + RETIRE_AFTER
    }

    /// Takes nothing more, and looks at what was sent while nobody knew that. Whoever sends something later starts
    /// another task.
    async fn retire(&mut self, mut inputs: mpsc::Receiver<Input>) {
        inputs.close();
        while let Some(input) = inputs.recv().await {
            self.take(input).await;
        }
        drop(inputs);
        self.shared.retired(&self.room, !self.cast.is_empty()).await;
    }

    /// Finishes the reply in hand: what is being posted is posted, what is not yet is taken back.
    async fn finish(&mut self) {
        if let Some(in_flight) = self.in_flight.take() {
            in_flight.overtaken.cancel();
            if let Err(error) = in_flight.task.await {
                tracing::error!(%error, "a turn ended badly");
            }
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Reads the room again where something was missed, and once at the start looks for turns that a crash interrupted.
    async fn catch_up(&mut self) {
        if self.missed.swap(false, Ordering::Relaxed)
            && let Err(error) = self.reload().await
        {
            tracing::warn!(%error, "the room's history cannot be read now; it will be tried again");
            self.missed.store(true, Ordering::Relaxed);
            return;
        }
        if !self.recovered && self.in_flight.is_none() && self.platform.is_ready(&self.room) {
            match self.store().unfinished_turns(self.room.id).await {
                Ok(turns) => {
                    self.recovered = true;
                    if !turns.is_empty() {
                        tracing::info!(turns = turns.len(), "looking after turns that were interrupted");
                        self.begin(Trigger::PersonaSpoke, None, Words::Unfinished);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read now; it will be tried again");
                    self.missed.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Shows the runner the window as soon as it changes: by the time somebody has decided to speak it knows the room.
    /// While it is away nothing is shown, and the next thing that happens shows it.
    fn prefill(&mut self) {
        if self.cast.is_empty() || !self.platform.is_ready(&self.room) {
            return;
        }
        let prefix = prompt::prefix(&self.knowledge.lines(self.window.messages(), &self.cast));
        if self.prefill.as_ref().is_none_or(|shown| shown.prefix != prefix) {
            let task = self.shared.voice.prefill(&prefix, self.room.community, self.room.id);
            self.prefill = task.map(|task| Prefill { prefix, _task: task });
        }
    }

    async fn reload(&mut self) -> store::Result<()> {
        self.settings = self.store().settings(self.room.id).await?;
        self.cast = self.store().cast(self.room.id).await?;
        self.window = self.store().window(self.room.id, self.settings.window_after).await?;
        self.newest = self.newest.max(self.store().newest_key(self.room.id).await?);
        self.heard = self.heard.or(self.window.latest().map(|message| message.key));
        Ok(())
    }

    /// How long nothing is to be done unless something happens.
    fn sleep(&self) -> Duration {
        if self.missed.load(Ordering::Relaxed) {
            return RELOAD_RETRY;
        }
        let now = self.now();
        let until = |at: DateTime<Utc>| (at - now).to_std().unwrap_or_default();
        let hold = self.hold_until.filter(|_| self.waiting.is_some());
        let retire = self.cast.is_empty().then(|| self.retires_at());
        let next = [hold, self.idle_due(), retire].into_iter().flatten().min();
        next.map_or(Duration::from_secs(3600), until)
    }

    fn idle_due(&self) -> Option<DateTime<Utc>> {
        if self.in_flight.is_some() || self.cast.is_empty() {
            return None;
        }
        let due = self.memory.idle_due(&self.settings, &self.window)?;
        [Some(due), self.idle_not_before, self.hold_until].into_iter().flatten().max()
    }

    async fn take(&mut self, input: Input) {
        self.busy_at = self.now();
        match input {
            Input::Said { message, by_bot, is_new } => self.said(message, by_bot, is_new),
            Input::HistoryChanged => self.missed.store(true, Ordering::Relaxed),
            Input::MembersChanged => self.members_changed().await,
            Input::VoiceChanged => self.platform.room_changed(&self.room).await,
            Input::Moved(room) => self.room = room,
            Input::Orphaned => {
                self.recovered = false;
                self.missed.store(true, Ordering::Relaxed);
            }
            Input::Reroll(key) => {
                if self.rerolls.len() < MAX_WAITING_REROLLS {
                    self.rerolls.push_back(key);
                }
            }
            Input::Typing => self.somebody_types(),
            Input::Arrived => {
                self.memory.arrived();
                self.waiting.get_or_insert(Trigger::Arrival);
            }
            Input::Command { caller, command, answer } => {
                let said = commands::run(self, &caller, command).await;
                // Whoever asked may have gone; what was done is done.
                drop(answer.send(said));
            }
        }
    }

    fn said(&mut self, message: Message, by_bot: bool, is_new: bool) {
        let now = self.now();
        // What a connection that was resumed delivers again is no news, and neither is what was read while we were away.
        let is_news = is_new || self.heard.is_none_or(|heard| message.key > heard);
        self.heard = self.heard.max(Some(message.key));
        self.newest = self.newest.max(Some(message.key));
        if !is_news {
            return self.window.push(message);
        }
        if by_bot {
            self.memory.bot_spoke(message.key);
        } else {
            self.memory.human_spoke(now);
        }
        self.hold_until = None;
        self.window.push(message);
        self.overtake();
        self.waiting = Some(Trigger::HumanSpoke);
    }

    fn somebody_types(&mut self) {
        self.hold_until = Some(self.now() + TYPING_PATIENCE);
        if let Some(in_flight) = self.in_flight.as_ref().filter(|turn| turn.plan.is_some_and(|p| p.why != Why::Asked)) {
            self.waiting.get_or_insert(in_flight.trigger);
            self.overtake();
        }
    }

    /// Takes back what is in flight, unless it is being posted already.
    fn overtake(&self) {
        if let Some(in_flight) = &self.in_flight {
            in_flight.overtaken.cancel();
        }
    }

    async fn members_changed(&mut self) {
        self.missed.store(true, Ordering::Relaxed);
        self.catch_up().await;
        let is_here = |id: PersonaId| self.cast.iter().any(|persona| persona.id == id);
        if self.in_flight.as_ref().and_then(|turn| turn.persona).is_some_and(|id| !is_here(id)) {
            self.overtake();
        }
        self.lines.retain(|line| self.cast.iter().any(|other| other.id == line.persona.id));
        self.platform.room_changed(&self.room).await;
    }

    /// Begins what is to be done next, if nothing is in flight and nobody is waited for.
    fn next(&mut self) {
        if self.in_flight.is_some() || !self.platform.is_ready(&self.room) {
            return;
        }
        if let Some(Line { persona, text, asked_by }) = self.lines.pop_front() {
            return self.begin(Trigger::More, None, Words::Given { persona, text, asked_by });
        }
        if let Some(key) = self.rerolls.pop_front() {
            return self.reroll(key);
        }
        let now = self.now();
        if self.hold_until.is_some_and(|until| until > now) {
            return;
        }
        self.hold_until = None;
        if let Some(trigger) = self.waiting.take() {
            self.decide(trigger);
        } else if self.idle_due().is_some_and(|due| due <= now) {
            self.idle_not_before = Some(now + IDLE_RETRY);
            if self.platform.is_watched(&self.room) {
                self.decide(Trigger::Idle);
            }
        }
    }

    fn decide(&mut self, trigger: Trigger) {
        let now = self.now();
        let scene = Scene {
            window: &self.window,
            cast: &self.cast,
            settings: &self.settings,
            habits: &director::Habits::default(),
            memory: &self.memory,
        };
        let rng = &mut self.rng;
        let decision =
            self.knowledge.with_habits(|habits| director::next_turn(&Scene { habits, ..scene }, trigger, now, rng));
        match decision {
            Decision::Silence(why) => self.stay_silent(trigger, why),
            Decision::Turn(plan) => self.plan(trigger, plan),
        }
    }

    fn stay_silent(&mut self, trigger: Trigger, why: Quiet) {
        tracing::debug!(?trigger, ?why, "nobody speaks");
        self.memory.set_exchange(0);
    }

    fn may_take_a_turn(&self) -> bool {
        let Room { id, community, platform, .. } = self.room;
        let may = self.shared.quotas.may_speak(id, community, platform);
        if !may {
            tracing::info!("the quota of turns is used up; nobody speaks");
        }
        may
    }

    fn reroll(&mut self, key: MessageKey) {
        if self.may_take_a_turn() {
            self.begin(Trigger::More, None, Words::Redrawn(key));
        }
    }

    fn plan(&mut self, trigger: Trigger, plan: TurnPlan) {
        if !self.may_take_a_turn() {
            return self.memory.set_exchange(0);
        }
        if plan.why == Why::Idle {
            self.memory.idle_began(self.now());
        }
        tracing::debug!(?plan, "somebody speaks");
        // A persona that left between the decision and now says nothing.
        let Some(persona) = self.cast.iter().find(|persona| persona.id == plan.persona).cloned() else { return };
        self.begin(trigger, Some(plan), Words::Drawn { persona, plan });
    }

    fn begin(&mut self, trigger: Trigger, plan: Option<TurnPlan>, words: Words) {
        let overtaken = CancellationToken::new();
        let persona = words.persona().map(|persona| persona.id);
        let carrier = Carrier {
            shared: self.shared.clone(),
            room: self.room.clone(),
            platform: self.platform.clone(),
            knowledge: self.knowledge.clone(),
            window: self.window.clone(),
            settings: self.settings.clone(),
            memory: self.memory.clone(),
            newest: self.newest,
            cast: self.cast.clone(),
            rng: carry::fork(&mut self.rng),
            overtaken: overtaken.clone(),
        };
        let task = tokio::spawn(carrier.carry(words).in_current_span());
        self.in_flight = Some(InFlight { trigger, plan, persona, overtaken, task });
    }

    fn turn_ended(&mut self, (in_flight, end): (InFlight, End)) {
        let InFlight { plan, .. } = in_flight;
        let now = self.now();
        for message in &end.posted {
            self.memory.persona_spoke(&message.text, now);
            self.newest = self.newest.max(Some(message.key));
            self.window.push(message.clone());
        }
        match end.trouble {
            Some(why) => self.trouble = Some(why),
            None if !end.posted.is_empty() => self.trouble = None,
            None => {}
        }
        if end.history_changed {
            self.missed.store(true, Ordering::Relaxed);
        }
        // What has come up meanwhile counts for more than how this exchange would have gone on.
        let Some(plan) = plan.filter(|_| self.waiting.is_none() && !end.overtaken) else { return };
        self.memory.set_exchange(plan.exchange);
        if plan.exchange > 0 && (!end.posted.is_empty() || plan.why == Why::Asked) {
            self.waiting = Some(if plan.why == Why::Asked { Trigger::More } else { Trigger::PersonaSpoke });
        }
    }
}

/// What commands may do to a room.
impl RoomTask {
    pub(crate) fn cast(&self) -> &[Persona] {
        &self.cast
    }

    pub(crate) fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    pub(crate) fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    pub(crate) fn platform(&self) -> &dyn Platform {
        &*self.platform
    }

    /// Whether a persona that is asked to speak could; if not, why.
    pub(crate) async fn may_speak(&self) -> Result<(), String> {
        self.platform.may_speak(&self.room).await
    }

    /// Why the last post was refused, if it was.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub(crate) fn clock_now(&self) -> DateTime<Utc> {
        self.now()
    }

    /// Stores other settings; they count from here on.
    pub(crate) async fn set(&mut self, settings: RoomSettings, by: &Caller) -> anyhow::Result<()> {
        self.store().save_settings(self.room.id, &settings, Some(by.member.id), self.now()).await?;
        self.settings = settings;
        self.decide_again();
        self.platform.room_changed(&self.room).await;
        Ok(())
    }

    /// What is on its way was decided under other settings. Somebody was going to speak, so somebody is: only who, when
    /// and about what is decided again.
    fn decide_again(&mut self) {
        let Some((plan, trigger)) = self.in_flight.as_ref().and_then(|turn| Some((turn.plan?, turn.trigger))) else {
            return;
        };
        let trigger = match plan.why {
            Why::Addressed => trigger,
            Why::Asked => Trigger::More,
            Why::Answer | Why::Exchange | Why::Idle => Trigger::PersonaSpoke,
        };
        self.memory.set_exchange(plan.exchange + 1);
        self.waiting.get_or_insert(trigger);
        self.overtake();
    }

    /// Reads the cast again after it was changed.
    pub(crate) async fn cast_changed(&mut self) -> anyhow::Result<()> {
        self.cast = self.store().cast(self.room.id).await?;
        let is_here = |id: PersonaId| self.cast.iter().any(|persona| persona.id == id);
        if self.in_flight.as_ref().and_then(|turn| turn.persona).is_some_and(|id| !is_here(id)) {
            self.overtake();
        }
        self.platform.room_changed(&self.room).await;
        Ok(())
    }

    /// Has the personas say so many things now.
    pub(crate) fn ask_for(&mut self, turns: u32) {
        self.memory.set_exchange(turns);
        self.hold_until = None;
        self.waiting = Some(Trigger::More);
        self.overtake();
    }

    /// Has a persona say this, after what waits already. False where too much waits.
    pub(crate) fn put_in_mouth(&mut self, persona: Persona, text: String, asked_by: MemberId) -> bool {
        if self.lines.len() >= MAX_WAITING_LINES {
            return false;
        }
        self.lines.push_back(Line { persona, text, asked_by });
        self.overtake();
        true
    }

    /// Lets go of what was said so far.
    pub(crate) fn clear_window(&mut self) {
        self.window = Window::default();
        self.waiting = None;
        self.memory.set_exchange(0);
        self.overtake();
    }
}

/// The end of what is in flight; never, where nothing is.
async fn ended(in_flight: &mut Option<InFlight>) -> (InFlight, End) {
    let Some(turn) = in_flight else { return std::future::pending().await };
    let end = (&mut turn.task).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a turn ended badly");
        End::default()
    });
    let turn = in_flight.take().expect("it was there a line ago");
    (turn, end)
}
