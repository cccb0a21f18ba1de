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

use chat::{Message, Persona, PersonaId, RoomSettings, Window};
use chrono::{DateTime, Utc};
use rand_chacha::ChaCha8Rng;
use store::{Room, Store};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
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

/// Something for a room.
pub(crate) enum Input {
    /// A member, or another bot, posted.
    Said { message: Message, by_bot: bool },
    /// Messages were edited or deleted.
    HistoryChanged,
    /// Consent or personas of the community changed.
    MembersChanged,
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
    /// Lines that `/say` put in a mouth.
    lines: VecDeque<(Persona, String)>,
    hold_until: Option<DateTime<Utc>>,
    idle_not_before: Option<DateTime<Utc>>,
    /// Whether something was dropped from the mailbox, or the history could not be read: it is read again.
    missed: Arc<AtomicBool>,
    recovered: bool,
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
        let memory = Memory::new(shared.clock.now());
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
            hold_until: None,
            idle_not_before: None,
            missed,
            recovered: false,
        }
    }

    /// Lives until the app shuts down.
    pub(crate) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let shutdown = self.shared.shutdown.clone();
        loop {
            self.catch_up().await;
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
                () = tokio::time::sleep(wake) => {}
            }
        }
        self.finish().await;
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
        if !self.recovered && self.in_flight.is_none() {
            match self.store().unfinished_turns(self.room.id).await {
                Ok(turns) => {
                    self.recovered = true;
                    if !turns.is_empty() {
                        tracing::info!(turns = turns.len(), "looking after turns that were interrupted");
                        self.begin(Trigger::PersonaSpoke, None, None, Words::Recovered(turns));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read now; it will be tried again");
                    self.missed.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    async fn reload(&mut self) -> store::Result<()> {
        self.settings = self.store().settings(self.room.id).await?;
        self.cast = self.store().cast(self.room.id).await?;
        self.window = self.store().window(self.room.id, self.settings.window_after).await?;
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
        let next = [hold, self.idle_due()].into_iter().flatten().min();
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
        match input {
            Input::Said { message, by_bot } => self.said(message, by_bot),
            Input::HistoryChanged => self.missed.store(true, Ordering::Relaxed),
            Input::MembersChanged => self.members_changed().await,
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

    fn said(&mut self, message: Message, by_bot: bool) {
        let now = self.now();
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
        self.lines.retain(|(persona, _)| self.cast.iter().any(|other| other.id == persona.id));
        self.platform.room_changed(&self.room).await;
    }

    /// Begins what is to be done next, if nothing is in flight and nobody is waited for.
    fn next(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        if let Some((persona, text)) = self.lines.pop_front() {
            return self.begin(Trigger::More, None, Some(persona), Words::Given(text));
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

    fn plan(&mut self, trigger: Trigger, plan: TurnPlan) {
        let Room { id, community, platform, .. } = self.room;
        if !self.shared.quotas.may_speak(id, community, platform) {
            tracing::info!("the quota of turns is used up; nobody speaks");
            return self.memory.set_exchange(0);
        }
        if plan.why == Why::Idle {
            self.memory.idle_began(self.now());
        }
        let persona = self.cast.iter().find(|persona| persona.id == plan.persona).cloned();
        tracing::debug!(?plan, "somebody speaks");
        self.begin(trigger, Some(plan), persona, Words::Drawn);
    }

    fn begin(&mut self, trigger: Trigger, plan: Option<TurnPlan>, persona: Option<Persona>, words: Words) {
        let overtaken = CancellationToken::new();
        let persona_id = persona.as_ref().map(|persona| persona.id);
        let carrier = Carrier {
            shared: self.shared.clone(),
            room: self.room.clone(),
            platform: self.platform.clone(),
            knowledge: self.knowledge.clone(),
            window: self.window.clone(),
            settings: self.settings.clone(),
            memory: self.memory.clone(),
            names: self.cast.iter().map(|persona| persona.name.clone()).collect(),
            rng: carry::fork(&mut self.rng),
            overtaken: overtaken.clone(),
        };
        let task = tokio::spawn(carrier.carry(plan, persona, words).in_current_span());
        self.in_flight = Some(InFlight { trigger, plan, persona: persona_id, overtaken, task });
    }

    fn turn_ended(&mut self, (in_flight, end): (InFlight, End)) {
        let InFlight { plan, .. } = in_flight;
        let now = self.now();
        for message in &end.posted {
            self.memory.persona_spoke(&message.text, now);
            self.window.push(message.clone());
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
    pub(crate) fn put_in_mouth(&mut self, persona: Persona, text: String) -> bool {
        if self.lines.len() >= MAX_WAITING_LINES {
            return false;
        }
        self.lines.push_back((persona, text));
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
