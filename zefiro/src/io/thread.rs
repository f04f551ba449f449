//! IoThread: the event loop that dials, accepts, keeps time, and reads and writes for those who do not themselves.

mod accepting;
#[cfg(all(test, zefiro_loom))]
pub(crate) mod bench;
mod datagrams;
mod dialling;
mod ending;
mod entries;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use zmtp::giving_back::hold;

use self::accepting::ACCEPT_PAUSE;
use self::datagrams::read_datagrams;
use self::entries::{Entries, Item};
use super::connector::STOP_HANDSHAKE_FAILED;
use super::duty::{self, TICK};
use super::handshakes::Handshakes;
use super::link::{Link, Loss};
use super::receive::{READS_IO, check_timers, note_loss, receive};
use super::resolver::Resolver;
use super::session::{Fresh, Greeted, Origin, Phase, Session};
use super::timer::Timers;
use super::transmit::{ROUNDS_IO, transmit};
use super::{ALARM_TOKEN, Command, IoHandle, PATROL_IDLE_ROUNDS, PATROL_MAX, PATROL_MIN, SET_FLAG};
use crate::monitor::EventKind;
use crate::pause::pause;
use crate::socket::core::SocketCore;
use crate::sys::{Ready, ReadyList, now};
use crate::wait::Patience;

/// One whose sender has left what it says to itself, to write it together with more.
struct Stream {
    link: Arc<Link>,
    /// How often its outbox had been taken by the last patrol.
    taken: Option<u32>,
    /// Since when that is so.
    since: Instant,
    course: Course,
}

/// What has become of a stream since the last patrol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// There is something to write, and time for the sender to do it.
    GoesOn,
    /// Everything is written.
    Over,
    /// The sender has not come to write it.
    Late,
}

/// The loop's own state; nobody else sees it.
pub(crate) struct IoThread {
    handle: Arc<IoHandle>,
    entries: Entries,
    timers: Timers,
    supervised: Vec<Weak<SocketCore>>,
    /// When they are looked after next.
    tick_due: Instant,
    /// Seen on the last patrol.
    streams: Vec<Stream>,
    patrol_due: Option<Instant>,
    patrol_time: Duration,
    idle_rounds: u32,
    patience: Patience,
    /// A peer has been told something in its handshake since the thread last waited, and may answer at once.
    greeted: bool,
    peers_patience: Patience,
    resolver: Resolver,
    /// Handshakes of those that each listener has accepted.
    handshakes: HashMap<u64, Handshakes>,
}

impl IoThread {
    pub(crate) fn new(handle: Arc<IoHandle>, resolver: Resolver) -> IoThread {
        IoThread {
            handle,
            entries: Entries::default(),
            timers: Timers::default(),
            supervised: Vec::new(),
            tick_due: now(),
            streams: Vec::new(),
            patrol_due: None,
            patrol_time: PATROL_MIN,
            idle_rounds: 0,
            patience: Patience::default(),
            greeted: false,
            peers_patience: Patience::default(),
            resolver,
            handshakes: HashMap::new(),
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let _held = hold();
        let (mut links, mut commands, mut ready) = (Vec::new(), Vec::new(), ReadyList::new());
        loop {
            let mut written = false;
            while self.handle.queue.take(&mut links, &mut commands) {
                written |= !links.is_empty();
                for link in links.drain(..) {
                    write_queued(&link);
                }
                for command in commands.drain(..) {
                    if matches!(command, Command::Stop) {
                        return;
                    }
                    self.obey(command);
                }
                pause();
            }
            let timeout = if written && self.linger() { Some(Duration::ZERO) } else { self.timeout() };
            let awaits = std::mem::take(&mut self.greeted) && timeout != Some(Duration::ZERO);
            if !(awaits && self.await_answer(&mut ready)) && self.handle.selector.wait(&mut ready, timeout).is_err() {
                ready.clear();
            }
            self.handle.queue.awake();
            for event in ready.drain(..) {
                self.on_ready(event);
            }
            self.on_time(now());
            pause();
        }
    }

    /// Stays awake for a moment after it has written: senders with more to say need not wake it then. Answers whether there
    /// is more; what else has happened meanwhile is looked at before that is done.
    fn linger(&self) -> bool {
        self.handle.queue.awake();
        self.patience.linger(|| !self.handle.queue.is_empty()) || !self.handle.queue.rest()
    }

    /// In the middle of a handshake the thread stays awake for a moment, as long as that pays: a peer that is near answers
    /// at once, several times. Answers whether something has come.
    fn await_answer(&self, ready: &mut ReadyList) -> bool {
        self.peers_patience
            .linger(|| self.handle.selector.wait(ready, Some(Duration::ZERO)).is_ok() && !ready.is_empty())
    }

    fn timeout(&mut self) -> Option<Duration> {
        if self.patrol_due.is_none() && self.handle.queue.is_patrolling() {
            self.patrol_time = PATROL_MIN;
            self.patrol_due = Some(now() + PATROL_MIN);
        }
        let tick = (!self.supervised.is_empty()).then_some(self.tick_due);
        let next = [self.timers.next(), self.patrol_due, tick].into_iter().flatten().min();
        next.map(|next| next.saturating_duration_since(now()))
    }

    fn on_time(&mut self, now: Instant) {
        if !self.supervised.is_empty() && self.tick_due <= now {
            self.supervised.retain(duty::tick);
            self.tick_due = now + TICK;
        }
        if self.patrol_due.is_some_and(|due| due <= now) {
            self.patrol();
        }
        while let Some(token) = self.timers.pop_due(now) {
            self.on_timer(token, now);
        }
    }

    /// Writes the streams whose senders have not done it since the last patrol; those whose programs have more to read, and
    /// come back to them, a while later.
    fn patrol(&mut self) {
        self.patrol_due = None;
        let Some(noted) = self.handle.queue.take_streams(&mut self.idle_rounds, PATROL_IDLE_ROUNDS) else {
            self.streams.clear();
            return;
        };
        let begun = now();
        let fresh = |link| Stream { link, taken: None, since: begun, course: Course::GoesOn };
        let known = self.streams.len();
        self.streams.extend(noted.into_iter().map(fresh));
        let same = |one: &Stream, other: &Stream| Weak::ptr_eq(&one.link.socket, &other.link.socket);
        for streams in self.streams.chunk_by_mut(same).flat_map(|streams| streams.chunks_mut(LOOKED_AT_TOGETHER)) {
            look_after(streams, begun);
        }
        let is_late = |stream: &&Stream| stream.course == Course::Late;
        let late: Vec<Arc<Link>> = self.streams.iter().filter(is_late).map(|stream| stream.link.clone()).collect();
        let all_go_on = known > 0 && late.is_empty();
        self.streams.retain(|stream| stream.course == Course::GoesOn);
        late.iter().for_each(write_queued);
        if !self.streams.is_empty() {
            self.idle_rounds = 0;
        }
        self.patrol_time = if all_go_on { (self.patrol_time * 2).min(PATROL_MAX) } else { PATROL_MIN };
        self.patrol_due = Some(now() + self.patrol_time);
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Connect(core, dialer) => self.connect(core, dialer),
            Command::Listen(core, listener) => self.listen(core, listener),
            Command::Receive(core, datagrams, pipe) => self.receive_datagrams(core, datagrams, pipe),
            Command::Lost(link, loss) => self.lost(link, loss),
            Command::Flushed(link) => self.flushed(&link),
            Command::Timer(link, when) if self.session(link.token).is_some() => self.timers.add(when, link.token),
            Command::Authenticated(token) => self.authenticated(token),
            Command::Resolved(token, result) => self.resolved(token, result),
            Command::End(core, which, linger) => self.end(&core, &which, linger),
            Command::Supervise(core) => {
                if self.supervised.is_empty() {
                    self.tick_due = now() + TICK;
                }
                self.supervised.push(core);
            }
            Command::Timer(..) | Command::Stop => {}
        }
    }

    // ---- entries ----

    fn insert(&mut self, item: Item) -> u64 {
        self.handle.load.fetch_add(1, Ordering::Relaxed);
        self.entries.insert(item)
    }

    fn session(&mut self, token: u64) -> Option<&mut Session> {
        self.entries.session(token)
    }

    fn remove(&mut self, token: u64) -> Option<Item> {
        let item = self.entries.remove(token)?;
        self.handle.load.fetch_sub(1, Ordering::Relaxed);
        self.timers.forget(token);
        Some(item)
    }

    // ---- readiness ----

    fn on_ready(&mut self, event: Ready) {
        if event.token == ALARM_TOKEN {
            return;
        }
        if event.token & SET_FLAG != 0 {
            let core = self.handle.sets.lock().get((event.token & !SET_FLAG) as usize).and_then(Weak::upgrade);
            if let Some(core) = core {
                duty::set_ready(&core);
            }
            return;
        }
        let Some(item) = self.entries.get_mut(event.token) else { return };
        match item {
            Item::Listener(core, listener) => {
                let (core, listener) = (core.clone(), listener.clone());
                self.accept(&core, &listener, event.token);
            }
            Item::Datagrams(core, datagrams, pipe) => read_datagrams(core, datagrams, *pipe),
            Item::Session(session) => match &session.phase {
                Phase::Dialing(_) => self.dialled(event.token, false),
                Phase::Proxying(..) => self.talk_to_proxy(event.token),
                Phase::Greeting(..) => self.greet(event.token),
                Phase::Established(link) => {
                    let (core, link) = (session.core.clone(), link.clone());
                    if event.write {
                        write_blocked(&core, &link);
                    }
                    if event.read {
                        receive(&core, &link, READS_IO, false);
                    }
                }
                _ => {}
            },
        }
    }

    // ---- the handshake ----

    fn begin(&mut self, token: u64, fresh: Fresh) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let greeted = session.begin(fresh, &io, token, Instant::now());
        self.go_on(token, greeted);
    }

    fn greet(&mut self, token: u64) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let greeted = session.greet(&io, token, Instant::now());
        self.go_on(token, greeted);
    }

    /// The authenticator may have answered.
    fn authenticated(&mut self, token: u64) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let greeted = session.authenticated(&io, token, Instant::now());
        self.go_on(token, greeted);
    }

    fn go_on(&mut self, token: u64, greeted: Result<Greeted, Loss>) {
        let io = self.handle.clone();
        match greeted {
            Ok(Greeted::NotYet) => {
                self.greeted = true;
                self.arm(token);
            }
            Ok(Greeted::Ready(info)) => {
                let Some(session) = self.session(token) else { return };
                session.greeted(*info, &io, token);
                self.greeted = true;
                self.arm(token);
                self.end_if_idle(token);
            }
            Ok(Greeted::Broken(info, loss)) => {
                let Some(session) = self.session(token) else { return };
                session.greeted(*info, &io, token);
                if let Phase::Established(link) = &session.phase {
                    let link = link.clone();
                    note_loss(&session.core, &link, &loss);
                    self.lost(link, loss);
                }
            }
            Err(loss) => self.handshake_lost(token, loss),
        }
    }

    fn handshake_lost(&mut self, token: u64, loss: Loss) {
        let Some(session) = self.session(token) else { return };
        if let Phase::Greeting(stream, ..) = std::mem::replace(&mut session.phase, Phase::Waiting) {
            let _ = self.handle.selector.remove(&stream);
        }
        let Some(session) = self.session(token) else { return };
        session.emit_failure(&loss);
        session.emit(EventKind::Disconnected(loss.to_string()));
        let stop = matches!(&session.origin, Origin::Connect(dialer) if dialer.stops(STOP_HANDSHAKE_FAILED));
        if stop && session.closing.is_none() { self.over(token) } else { self.after_loss(token, &loss) }
    }

    // ---- time ----

    fn arm(&mut self, token: u64) {
        if let Some(deadline) = self.session(token).and_then(|session| session.deadline) {
            self.timers.add(deadline, token);
        }
    }

    fn on_timer(&mut self, token: u64, now: Instant) {
        let Some(item) = self.entries.get_mut(token) else { return };
        let session = match item {
            Item::Listener(_, listener) => {
                if listener.resume().is_err() {
                    self.timers.add(now + ACCEPT_PAUSE, token);
                }
                return;
            }
            Item::Datagrams(_, datagrams, _) => {
                let datagrams = datagrams.clone();
                return self.watch_datagrams(&datagrams, token);
            }
            Item::Session(session) => session,
        };
        let closing = session.closing.flatten();
        if closing.is_some_and(|until| until <= now) {
            return self.end_if_idle(token);
        }
        if let Phase::Established(link) = &session.phase {
            let (core, link) = (session.core.clone(), link.clone());
            if let Some(until) = closing {
                self.timers.add(until, token);
            }
            if !check_timers(&core, &link, now) {
                self.timers.add(now + READER_PAUSE, token);
            }
            return;
        }
        match session.deadline {
            Some(deadline) if deadline <= now => {}
            // It has been put off.
            Some(deadline) => return self.timers.add(deadline, token),
            None => return,
        }
        session.deadline = None;
        match &mut session.phase {
            Phase::Waiting => self.attempt(token),
            Phase::Dialing(_) => self.dialling_late(token, now),
            Phase::Proxying(..) => self.proxy_failed(token, &ErrorKind::TimedOut.into()),
            // It has heard all, and does not read the answer.
            Phase::Greeting(_, connection, _) if connection.is_ready() => {
                self.handshake_lost(token, Loss::Protocol(zmtp::Error::HandshakeTimeout));
            }
            Phase::Greeting(_, connection, _) => match connection.handle_timeout(now) {
                Ok(()) => {
                    session.deadline = connection.next_deadline();
                    self.arm(token);
                }
                Err(_) if session.is_unanswered() => self.handshake_lost(token, Loss::NoAnswer),
                Err(error) => self.handshake_lost(token, Loss::Protocol(error)),
            },
            _ => {}
        }
    }
}

/// Looks what has become of some streams of one socket. One that a thread uses just now is left for the next time, but not
/// for long: who waits for its lock keeps that thread.
fn look_after(streams: &mut [Stream], now: Instant) {
    let core = streams.first().and_then(|stream| stream.link.socket.upgrade());
    let waits = |stream: &Stream| now.duration_since(stream.since);
    let mut state = match &core {
        Some(core) if streams.iter().all(|stream| waits(stream) < 2 * PATROL_MIN) => match core.try_lock() {
            Some(state) => Some(state),
            None => return,
        },
        Some(core) => Some(core.lock()),
        None => None,
    };
    for stream in streams {
        let taken = state.as_mut().and_then(|state| state.taken_while_queued(&stream.link));
        stream.course = match (taken, &mut state) {
            (Some(_), Some(state)) if taken == stream.taken => {
                let in_time = state.has_unread() && waits(stream) < PATROL_MAX;
                if !in_time {
                    state.leave_patrol(&stream.link);
                }
                if in_time { Course::GoesOn } else { Course::Late }
            }
            (Some(_), _) => {
                (stream.taken, stream.since) = (taken, now);
                Course::GoesOn
            }
            (None, _) => Course::Over,
        };
    }
}

/// The I/O thread's turn to write a link.
fn write_queued(link: &Arc<Link>) {
    let Some(core) = link.socket.upgrade() else { return };
    let begun = core.lock().begin_draining(link.pipe);
    if let Some((link, batch)) = begun {
        transmit(&core, &link, batch, ROUNDS_IO);
    }
}

/// The kernel has room for a link's output again.
fn write_blocked(core: &Arc<SocketCore>, link: &Arc<Link>) {
    let batch = {
        let mut state = core.lock();
        state.output_seen(link);
        state.unblock(link)
    };
    if let Some(batch) = batch {
        transmit(core, link, batch, ROUNDS_IO);
    }
}

/// So many links of a socket are looked at without giving its lock to those who send meanwhile.
const LOOKED_AT_TOGETHER: usize = 16;

/// How long the protocol's timers of a link rest that another thread is just reading.
const READER_PAUSE: Duration = Duration::from_millis(1);
