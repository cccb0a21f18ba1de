//! The sessions of the gateway: their events in order, kept for a RESUME up to a bound, and the connections that read
//! them. The buffer of a session is also its queue; a connection has a place in it and is woken when there is more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Frames handed to a connection at once, so that a burst does not hold the world's lock.
const FRAMES_AT_ONCE: usize = 256;

/// Sessions without a connection that are remembered for a RESUME.
const SESSIONS_KEPT: usize = 256;

/// What a connection is told to do besides sending events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Close(u16),
    Reconnect,
    Invalid,
    /// Asks the client for a heartbeat at once.
    Beat,
}

pub struct Session {
    pub id: String,
    pub shard: (u32, u32),
    pub intents: u64,
    connection: Option<u64>,
    last: u64,
    sent: u64,
    events: VecDeque<(u64, Arc<str>)>,
}

struct Connection {
    wake: Arc<Notify>,
    orders: VecDeque<Order>,
}

pub struct Gateway {
    sessions: Vec<Session>,
    connections: HashMap<u64, Connection>,
    replay: usize,
    opened: u64,
    /// When each rate limit key (shard modulo max_concurrency) last identified.
    pub identified: HashMap<u32, Instant>,
    pub identifies: u32,
    pub resumes: u32,
    pub refuses_resume: bool,
    pub silent: bool,
}

impl Gateway {
    pub fn new(replay: usize) -> Self {
        Self {
            sessions: Vec::new(),
            connections: HashMap::new(),
            replay,
            opened: 0,
            identified: HashMap::new(),
            identifies: 0,
            resumes: 0,
            refuses_resume: false,
            silent: false,
        }
    }

    /// Gives a new connection its number.
    pub fn open(&mut self, wake: Arc<Notify>) -> u64 {
        self.opened += 1;
        self.connections.insert(self.opened, Connection { wake, orders: VecDeque::new() });
        self.opened
    }

    /// Forgets a connection. Its session stays for a RESUME.
    pub fn close(&mut self, connection: u64) {
        self.connections.remove(&connection);
        for session in self.sessions.iter_mut().filter(|session| session.connection == Some(connection)) {
            session.connection = None;
        }
        let idle = self.sessions.iter().filter(|session| session.connection.is_none()).count();
        if idle > SESSIONS_KEPT
            && let Some(oldest) = self.sessions.iter().position(|session| session.connection.is_none())
        {
            self.sessions.remove(oldest);
        }
    }

    /// Forgets the session of a connection, after which it cannot be resumed.
    pub fn end_session(&mut self, connection: u64) {
        self.sessions.retain(|session| session.connection != Some(connection));
    }

    pub fn start(&mut self, connection: u64, id: String, shard: (u32, u32), intents: u64) {
        let events = VecDeque::new();
        self.sessions.push(Session { id, shard, intents, connection: Some(connection), last: 0, sent: 0, events });
    }

    /// Moves a session to a connection, to go on after `seq`. `None` when what came since is not known.
    pub fn resume(&mut self, connection: u64, id: &str, seq: u64) -> Option<Result<(), Order>> {
        let refuses = self.refuses_resume;
        let session = self.sessions.iter_mut().find(|session| session.id == id && !refuses)?;
        if seq > session.last {
            return Some(Err(Order::Close(4007)));
        }
        let oldest = session.events.front().map_or(session.last + 1, |(seq, _)| *seq);
        if seq + 1 < oldest {
            return None;
        }
        session.sent = seq;
        self.resumes += 1;
        let former = session.connection.replace(connection);
        if let Some(former) = former.filter(|former| *former != connection) {
            self.order(former, Order::Close(4000));
        }
        Some(Ok(()))
    }

    pub fn session(&self, connection: u64) -> Option<&Session> {
        self.sessions.iter().find(|session| session.connection == Some(connection))
    }

    pub fn connected(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| session.connection.is_some())
    }

    /// Appends an event to each session for which `body` gives one: `"t":NAME,"d":{..}}`, the frame without its head.
    pub fn publish(&mut self, mut body: impl FnMut(&Session) -> Option<Arc<str>>) {
        let mut slow = Vec::new();
        for session in &mut self.sessions {
            let Some(body) = body(session) else { continue };
            session.last += 1;
            session.events.push_back((session.last, body));
            let dropped = if session.events.len() > self.replay { session.events.pop_front() } else { None };
            let Some(connection) = session.connection else { continue };
            if dropped.is_some_and(|(seq, _)| seq > session.sent) {
                slow.push(connection);
            }
            if let Some(connection) = self.connections.get(&connection) {
                connection.wake.notify_one();
            }
        }
        // A client that does not read what it asked for loses its session, as it would lose events otherwise.
        for connection in slow {
            self.end_session(connection);
            self.order(connection, Order::Close(4000));
        }
    }

    /// The next frames of a connection's session, in order, each once.
    pub fn take_frames(&mut self, connection: u64) -> Vec<(u64, Arc<str>)> {
        let Some(session) = self.sessions.iter_mut().find(|session| session.connection == Some(connection)) else {
            return Vec::new();
        };
        let Some((oldest, _)) = session.events.front() else { return Vec::new() };
        let skip = usize::try_from(session.sent + 1 - oldest).expect("a buffer is short");
        let frames: Vec<_> = session.events.iter().skip(skip).take(FRAMES_AT_ONCE).cloned().collect();
        session.sent += frames.len() as u64;
        frames
    }

    pub fn take_order(&mut self, connection: u64) -> Option<Order> {
        self.connections.get_mut(&connection)?.orders.pop_front()
    }

    pub fn order(&mut self, connection: u64, order: Order) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.orders.push_back(order);
            connection.wake.notify_one();
        }
    }

    pub fn order_all(&mut self, order: Order) {
        for connection in self.connections.keys().copied().collect::<Vec<_>>() {
            self.order(connection, order);
        }
    }

    /// Forgets all sessions, as a gateway that restarts does.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }
}

impl Session {
    /// Whether events of a guild, or direct messages, go to this session's shard.
    pub fn serves(&self, guild: Option<u64>) -> bool {
        guild.map_or(0, |guild| (guild >> 22) % u64::from(self.shard.1)) == u64::from(self.shard.0)
    }

    pub fn wants(&self, intent: u64) -> bool {
        intent == 0 || self.intents & intent != 0
    }
}
