//! IoThread: the event loop that dials, accepts, keeps time, and reads and writes for those who do not themselves.

#[cfg(all(test, zefiro_loom))]
pub(crate) mod bench;
mod dialling;

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use slab::Slab;

use super::connector::STOP_HANDSHAKE_FAILED;
use super::duty::{self, TICK};
use super::handshakes::Handshakes;
use super::link::{Link, Loss};
use super::listener::Listener;
use super::receive::{READS_IO, check_timers, receive};
use super::resolver::Resolver;
use super::session::{Fresh, Greeted, Origin, Peer, Phase, Session};
use super::timer::Timers;
use super::transmit::{ROUNDS_IO, transmit};
use super::{ALARM_TOKEN, Command, IoHandle, PATROL, PATROL_IDLE_ROUNDS, SET_FLAG, Which};
use crate::counters::DropReason;
use crate::monitor::{Event, EventKind};
use crate::pipe::PipeId;
use crate::socket::attach::LinkDown;
use crate::socket::core::SocketCore;
use crate::sys::{Interest, Ready, ReadyList, net, now};
use crate::transport::udp::{Datagrams, Received};

/// The loop's own state; nobody else sees it.
pub(crate) struct IoThread {
    handle: Arc<IoHandle>,
    entries: Slab<Entry>,
    generation: u32,
    timers: Timers,
    supervised: Vec<Weak<SocketCore>>,
    /// Streams seen on the last patrol, with how often their outboxes had been taken by then.
    streams: Vec<(Arc<Link>, u32)>,
    patrol_due: Option<Instant>,
    idle_rounds: u32,
    resolver: Resolver,
    /// Handshakes of those that each listener has accepted.
    handshakes: HashMap<u64, Handshakes>,
}

struct Entry {
    generation: u32,
    item: Item,
}

enum Item {
    Listener(Arc<SocketCore>, Arc<Listener>),
    Session(Box<Session>),
    Datagrams(Arc<SocketCore>, Arc<Datagrams>, PipeId),
}

impl IoThread {
    pub(crate) fn new(handle: Arc<IoHandle>, resolver: Resolver) -> IoThread {
        IoThread {
            handle,
            entries: Slab::new(),
            generation: 0,
            timers: Timers::default(),
            supervised: Vec::new(),
            streams: Vec::new(),
            patrol_due: None,
            idle_rounds: 0,
            resolver,
            handshakes: HashMap::new(),
        }
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let (mut links, mut commands, mut ready) = (Vec::new(), Vec::new(), ReadyList::new());
        loop {
            while self.handle.queue.take(&mut links, &mut commands) {
                for link in links.drain(..) {
                    write_queued(&link);
                }
                for command in commands.drain(..) {
                    if matches!(command, Command::Stop) {
                        return;
                    }
                    self.obey(command);
                }
            }
            let timeout = self.timeout();
            if self.handle.selector.wait(&mut ready, timeout).is_err() {
                ready.clear();
            }
            self.handle.queue.awake();
            for event in ready.drain(..) {
                self.on_ready(event);
            }
            self.on_time(now());
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        if self.patrol_due.is_none() && self.handle.queue.is_patrolling() {
            self.patrol_due = Some(now() + PATROL);
        }
        let next = [self.timers.next(), self.patrol_due].into_iter().flatten().min();
        let timer = next.map(|next| next.saturating_duration_since(now()));
        match (timer, self.supervised.is_empty()) {
            (timer, true) => timer,
            (None, false) => Some(TICK),
            (Some(timer), false) => Some(timer.min(TICK)),
        }
    }

    fn on_time(&mut self, now: Instant) {
        self.supervised.retain(duty::tick);
        if self.patrol_due.is_some_and(|due| due <= now) {
            self.patrol();
        }
        while let Some(token) = self.timers.pop_due(now) {
            self.on_timer(token, now);
        }
    }

    /// Writes the streams whose senders have not done it since the last patrol.
    fn patrol(&mut self) {
        self.patrol_due = None;
        let Some(noted) = self.handle.queue.take_streams(&mut self.idle_rounds, PATROL_IDLE_ROUNDS) else {
            self.streams.clear();
            return;
        };
        for (link, taken) in std::mem::take(&mut self.streams) {
            let Some(core) = link.socket.upgrade() else { continue };
            let queued = core.lock().queued_since(&link);
            match queued {
                Some(now) if now == taken => write_queued(&link),
                Some(now) => self.streams.push((link, now)),
                None => {}
            }
        }
        let mut known: HashSet<*const Link> = self.streams.iter().map(|(link, _)| Arc::as_ptr(link)).collect();
        for link in noted {
            if !known.insert(Arc::as_ptr(&link)) {
                continue;
            }
            let Some(core) = link.socket.upgrade() else { continue };
            let queued = core.lock().queued_since(&link);
            if let Some(taken) = queued {
                self.streams.push((link, taken));
            }
        }
        if !self.streams.is_empty() {
            self.idle_rounds = 0;
        }
        self.patrol_due = Some(now() + PATROL);
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
            Command::Supervise(core) => self.supervised.push(core),
            Command::Timer(..) | Command::Stop => {}
        }
    }

    // ---- entries ----

    fn insert(&mut self, item: Item) -> u64 {
        self.generation = (self.generation + 1) & GENERATION_MASK;
        let generation = self.generation;
        let index = self.entries.insert(Entry { generation, item });
        self.handle.load.fetch_add(1, Ordering::Relaxed);
        u64::from(generation) << 32 | index as u64
    }

    fn session(&mut self, token: u64) -> Option<&mut Session> {
        let entry = self.entries.get_mut(token as u32 as usize)?;
        match &mut entry.item {
            Item::Session(session) if u64::from(entry.generation) == token >> 32 => Some(session),
            _ => None,
        }
    }

    fn remove(&mut self, token: u64) -> Option<Item> {
        let index = token as u32 as usize;
        let entry = self.entries.get(index)?;
        if u64::from(entry.generation) != token >> 32 {
            return None;
        }
        self.handle.load.fetch_sub(1, Ordering::Relaxed);
        self.timers.forget(token);
        Some(self.entries.remove(index).item)
    }

    fn tokens(&self) -> Vec<u64> {
        self.entries.iter().map(|(index, entry)| u64::from(entry.generation) << 32 | index as u64).collect()
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
        let Some(entry) = self.entries.get_mut(event.token as u32 as usize) else { return };
        if u64::from(entry.generation) != event.token >> 32 {
            return;
        }
        match &mut entry.item {
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

    // ---- listening ----

    fn listen(&mut self, core: Arc<SocketCore>, listener: Arc<Listener>) {
        let token = self.insert(Item::Listener(core.clone(), listener.clone()));
        if let Err(error) = listener.watch(token) {
            // Out of memory for it: it is tried again.
            accept_failed(&core, &listener, &error);
            self.timers.add(Instant::now() + ACCEPT_PAUSE, token);
        }
    }

    fn accept(&mut self, core: &Arc<SocketCore>, listener: &Arc<Listener>, token: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            match listener.accept() {
                Ok(None) => return,
                Ok(Some((stream, peer))) => {
                    let session = self.accepted(core, listener, stream, peer);
                    self.limit_handshakes(listener, token, session);
                }
                Err(error) => {
                    let refused = error.kind() == ErrorKind::PermissionDenied;
                    accept_failed(core, listener, &error);
                    if !refused {
                        // Out of descriptors, most likely: look again in a while rather than spin.
                        listener.pause();
                        self.timers.add(Instant::now() + ACCEPT_PAUSE, token);
                        return;
                    }
                }
            }
        }
    }

    fn accepted(
        &mut self,
        core: &Arc<SocketCore>,
        listener: &Arc<Listener>,
        stream: socket2::Socket,
        peer: Peer,
    ) -> u64 {
        core.lock().busy += 1;
        let session = Session::new(core.clone(), Origin::Accept(listener.clone()), peer);
        session.emit(EventKind::Accepted);
        let token = self.insert(Item::Session(Box::new(session)));
        self.begin(token, Fresh { stream, address: None, watched: false });
        token
    }

    /// Of too many handshakes at once the oldest of the network that has most of them is ended: peers that mean well are
    /// through in a moment, or at least of another network, however many that do not keep coming.
    fn limit_handshakes(&mut self, listener: &Listener, owner: u64, newest: u64) {
        let Some(most) = listener.options.handshakes_max else { return };
        let Some(network) = self.session(newest).map(|session| session.peer.network) else { return };
        let mut handshakes = self.handshakes.remove(&owner).unwrap_or_default();
        handshakes.begin(network, newest);
        if let Some(superfluous) = handshakes.superfluous(most, |token| self.is_greeting(token)) {
            self.handshake_lost(superfluous, Loss::Crowded);
        }
        self.handshakes.insert(owner, handshakes);
    }

    fn is_greeting(&mut self, token: u64) -> bool {
        self.session(token).is_some_and(|session| matches!(session.phase, Phase::Greeting(..)))
    }

    // ---- the handshake ----

    fn begin(&mut self, token: u64, fresh: Fresh) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        match session.begin(fresh, &io, token, Instant::now()) {
            Ok(()) => self.arm(token),
            Err(loss) => self.handshake_lost(token, loss),
        }
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
            Ok(Greeted::NotYet) => self.arm(token),
            Ok(Greeted::Ready(info)) => {
                let Some(session) = self.session(token) else { return };
                session.greeted(*info, &io, token);
                self.arm(token);
                self.end_if_idle(token);
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

    // ---- the end of a stream ----

    fn lost(&mut self, link: Arc<Link>, loss: Loss) {
        net::shutdown(&link.stream);
        let Some(session) = self.session(link.token) else { return };
        if !matches!(&session.phase, Phase::Established(current) if Arc::ptr_eq(current, &link)) {
            return;
        }
        let lasting = matches!(&session.origin, Origin::Connect(dialer) if dialer.pipe.is_some() && dialer.reconnects())
            && loss.is_retryable()
            && session.closing.is_none();
        let (parting, reason) = match loss {
            Loss::Asked => (None, DropReason::LingerExpired),
            Loss::Renewed => (None, DropReason::PeerGone),
            _ => (session.parting(), DropReason::PeerGone),
        };
        // Without reconnects the endpoint goes with its peer, in one: whoever sees the peer gone may connect anew.
        let goes = matches!(&session.origin, Origin::Connect(dialer) if !dialer.reconnects())
            && loss.is_retryable()
            && session.closing.is_none();
        {
            let mut state = session.core.lock();
            if state.link_down(&link, lasting, reason, parting.as_ref()) == LinkDown::Busy {
                return state.lost_while_written(link, loss);
            }
            if goes {
                state.forget_connect(&session.endpoint());
            }
        }
        // libzmq tells of these as of failed handshakes: the end of a connection without a mechanism, and what breaks the
        // rules of one that is encrypted.
        let told = match &loss {
            Loss::PeerClosed | Loss::Io(_) => session.without_mechanism,
            Loss::Protocol(error) => link.sealer.is_some() && error.protocol_code().is_some(),
            _ => false,
        };
        if told {
            session.emit_failure(&loss);
        }
        if !matches!(loss, Loss::Asked) {
            session.emit(EventKind::Disconnected(loss.to_string()));
        }
        session.phase = Phase::Waiting;
        if goes { self.finish(link.token) } else { self.after_loss(link.token, &loss) }
    }

    /// The stream is gone: a connecting session tries again, any other is over.
    fn after_loss(&mut self, token: u64, loss: &Loss) {
        let Some(session) = self.session(token) else { return };
        let again = matches!(session.origin, Origin::Connect(_)) && loss.is_retryable();
        if again && session.closing.is_none() {
            let reconnects = matches!(&session.origin, Origin::Connect(dialer) if dialer.reconnects());
            return if reconnects { self.retry(token) } else { self.forget_endpoint(token) };
        }
        if again && has_something_to_say(session) {
            return self.retry(token);
        }
        self.over(token);
    }

    /// The session has come to its end: an accepted or closing one goes.
    fn over(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        session.phase = Phase::Over;
        if matches!(session.origin, Origin::Accept(_)) || session.closing.is_some() {
            self.finish(token);
        } else if let Some(pipe) = session.pipe() {
            // A connect that is over for good keeps its endpoint, but not its pipe.
            session.core.lock().pipe_ended(pipe);
        }
    }

    /// A connect that is not to be repeated goes, and its endpoint with it.
    fn forget_endpoint(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        session.core.lock().forget_connect(&session.endpoint());
        self.finish(token);
    }

    fn flushed(&mut self, link: &Arc<Link>) {
        let token = link.token;
        let Some(session) = self.session(token) else { return };
        if session.closing.is_some() {
            self.end_if_idle(token);
        } else if session.core.lock().pipes.get(link.pipe).is_some_and(|pipe| pipe.renewing) {
            self.renew(token);
        }
    }

    /// Ends the connection of a connecting session, once all that is queued is written, for another to come.
    fn renew(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        let Phase::Established(link) = &session.phase else { return };
        let link = link.clone();
        let busy = {
            let mut state = session.core.lock();
            let Some(pipe) = state.pipes.get_mut(link.pipe) else { return };
            pipe.renewing = true;
            pipe.queued_out() > 0
        };
        if !busy {
            let core = session.core.clone();
            receive(&core, &link, READS_IO, false);
            discard_input(&link);
            self.lost(link, Loss::Renewed);
        }
    }

    /// The program ends some sessions of a socket.
    fn end(&mut self, core: &Arc<SocketCore>, which: &Which, linger: Option<Duration>) {
        let until = linger.map(|linger| Instant::now() + linger);
        let tokens = match which {
            // Its session alone: of many peers that are sent away each would look at all.
            Which::Pipe(_, Some(token)) | Which::Connection(_, token) => vec![*token],
            _ => self.tokens(),
        };
        for token in tokens {
            let Some(entry) = self.entries.get_mut(token as u32 as usize) else { continue };
            if u64::from(entry.generation) != token >> 32 {
                continue;
            }
            match &mut entry.item {
                Item::Listener(owner, listener) => {
                    let meant = match which {
                        Which::All => true,
                        Which::Endpoint(endpoint) => listener.endpoint == *endpoint,
                        Which::Pipe(..) | Which::Connection(..) => false,
                    };
                    if meant && Arc::ptr_eq(owner, core) {
                        self.close_listener(token);
                    }
                }
                Item::Datagrams(owner, _, pipe) => {
                    let meant = match which {
                        Which::All => true,
                        Which::Pipe(meant, _) => meant == pipe,
                        Which::Endpoint(_) | Which::Connection(..) => false,
                    };
                    if meant && Arc::ptr_eq(owner, core) {
                        self.close_datagrams(token);
                    }
                }
                Item::Session(session) => {
                    let meant = match which {
                        Which::All => true,
                        Which::Endpoint(endpoint) => session.endpoint() == *endpoint,
                        Which::Pipe(pipe, _) | Which::Connection(pipe, _) => session.pipe() == Some(*pipe),
                    };
                    let meant = meant && Arc::ptr_eq(&session.core, core);
                    if meant && session.is_to_be_renewed(which) {
                        self.renew(token);
                        continue;
                    }
                    // A session that is ending already may be told to hurry.
                    let sooner = match (session.closing, until) {
                        (None, _) | (Some(None), Some(_)) => true,
                        (Some(Some(before)), Some(until)) => until < before,
                        (Some(_), None) => false,
                    };
                    if meant && sooner {
                        session.closing = Some(until);
                        session.deadline = [session.deadline, until].into_iter().flatten().min();
                        let unbound = matches!((which, &session.origin), (Which::Endpoint(_), Origin::Accept(_)));
                        match (&session.phase, session.pipe()) {
                            (Phase::Established(link), Some(pipe)) if unbound => {
                                // What has come by now is the program's; it has not asked for it yet.
                                receive(core, link, READS_IO, false);
                                core.lock().stop_pipe(pipe);
                            }
                            (_, Some(pipe)) => core.lock().disconnect_pipe(pipe),
                            (_, None) => {}
                        }
                        self.arm(token);
                        self.end_if_idle(token);
                    }
                }
            }
        }
    }

    fn receive_datagrams(&mut self, core: Arc<SocketCore>, datagrams: Arc<Datagrams>, pipe: PipeId) {
        let token = self.insert(Item::Datagrams(core.clone(), datagrams.clone(), pipe));
        if self.handle.selector.add(&*datagrams, token, Interest::READ).is_err() {
            self.close_datagrams(token);
            core.lock().pipe_ended(pipe);
        }
    }

    fn close_datagrams(&mut self, token: u64) {
        if let Some(Item::Datagrams(core, datagrams, _)) = self.remove(token) {
            let _ = self.handle.selector.remove(&*datagrams);
            core.lock().not_busy();
        }
    }

    fn close_listener(&mut self, token: u64) {
        self.handshakes.remove(&token);
        if let Some(Item::Listener(core, listener)) = self.remove(token) {
            listener.close();
            let mut state = core.lock();
            state.not_busy();
        }
    }

    /// A closing session with nothing left to say, or no time left to say it in, is over.
    fn end_if_idle(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        let Some(until) = session.closing else { return };
        let expired = until.is_some_and(|until| until <= Instant::now());
        if !expired && has_something_to_say(session) && !matches!(session.phase, Phase::Over) {
            return;
        }
        if let Phase::Established(link) = &session.phase {
            let link = link.clone();
            discard_input(&link);
            return self.lost(link, Loss::Asked);
        }
        self.finish(token);
    }

    /// Removes a session and its pipe.
    fn finish(&mut self, token: u64) {
        let Some(Item::Session(mut session)) = self.remove(token) else { return };
        let pipe = session.pipe();
        match std::mem::replace(&mut session.phase, Phase::Over) {
            Phase::Dialing(race) => race.abandon(&self.handle.selector),
            Phase::Proxying(stream, _) | Phase::Greeting(stream, ..) => {
                let _ = self.handle.selector.remove(&stream);
            }
            _ => {}
        }
        let mut state = session.core.lock();
        if let Some(pipe) = pipe {
            state.expire_pipe(pipe);
        }
        state.not_busy();
    }

    // ---- time ----

    fn arm(&mut self, token: u64) {
        if let Some(deadline) = self.session(token).and_then(|session| session.deadline) {
            self.timers.add(deadline, token);
        }
    }

    fn on_timer(&mut self, token: u64, now: Instant) {
        let Some(entry) = self.entries.get_mut(token as u32 as usize) else { return };
        if u64::from(entry.generation) != token >> 32 {
            return;
        }
        let session = match &mut entry.item {
            Item::Listener(_, listener) => {
                if listener.resume().is_err() {
                    self.timers.add(now + ACCEPT_PAUSE, token);
                }
                return;
            }
            Item::Datagrams(..) => return,
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

/// Tells that a peer could not be accepted.
fn accept_failed(core: &Arc<SocketCore>, listener: &Listener, error: &io::Error) {
    let value = error.raw_os_error().unwrap_or_else(|| Errno::PERM.raw_os_error()) as u64;
    let event = listener.event(EventKind::AcceptFailed(error.to_string()));
    core.lock().emit(Event { value, ..event });
}

/// Takes the datagrams that have come.
fn read_datagrams(core: &Arc<SocketCore>, datagrams: &Datagrams, pipe: PipeId) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    for _ in 0..DATAGRAMS_PER_TURN {
        match datagrams.recv(&mut buffer) {
            Received::Message(message) => core.lock().deliver_datagram(pipe, message),
            Received::Unfit => {}
            Received::Nothing => return,
        }
    }
}

/// Whether messages wait in the session's pipe.
fn has_something_to_say(session: &Session) -> bool {
    session.pipe().is_some_and(|pipe| session.core.lock().pipes.get(pipe).is_some_and(|pipe| pipe.queued_out() > 0))
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

/// Reads what is left before a stream is closed: closing over unread input would make the kernel reset the connection,
/// and the peer could lose what was sent to it last.
fn discard_input(link: &Arc<Link>) {
    let mut sink = Vec::with_capacity(DISCARD_BYTES);
    for _ in 0..DISCARD_READS {
        sink.clear();
        if !matches!(net::read(&link.stream, &mut sink), Ok(1..)) {
            return;
        }
    }
}

/// Generations are 31 bits, so that a token never looks like a set's.
const GENERATION_MASK: u32 = 0x7fff_ffff;

/// Peers accepted before other work gets its turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Datagrams taken before other work gets its turn, and the room for the largest.
const DATAGRAMS_PER_TURN: usize = 64;
const DATAGRAM_BYTES: usize = 64 * 1024;

/// How long accepting rests after the system refused.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the protocol's timers of a link rest that another thread is just reading.
const READER_PAUSE: Duration = Duration::from_millis(1);

const DISCARD_BYTES: usize = 64 * 1024;
const DISCARD_READS: usize = 16;
