//! Session: one peer's stream from its first byte to its end, as its I/O thread sees it.
//!
//! ```text
//!             ┌──────────────── wait, try again ◄───────────────┐
//!             ▼                                                 │
//!   connect: Waiting ─► Resolving ─► Dialing ─┐  (Proxying)     │
//!                                             ├─► Greeting ─► Established
//!   accept: ──────────────────────────────────┘    (ZMTP)       (Link)
//! ```

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use socket2::Socket;
use zmtp::{Config, Connection, Event, Frame, Heartbeat, Limits, PeerInfo, SocketType, Verdict, Version};

pub(crate) use super::connector::{Dialer, Race};
use super::link::{Link, Loss, Protocol, Reader};
use super::listener::{Listener, Seat};
use super::receive::{READS_IO, hand_over};
use super::{IoHandle, Which};
use crate::auth::{Answer, Asked, Request};
use crate::endpoint::Endpoint;
use crate::gssapi::Negotiation;
use crate::metadata::Metadata;
use crate::monitor::{self, EventKind};
use crate::options::{Options, Security};
use crate::pipe::outbox::Format;
use crate::pipe::sync::SleepingMutex as Mutex;
use crate::pipe::{PeerFacts, PipeId};
use crate::socket::core::SocketCore;
use crate::socket::salute;
use crate::sys::{Interest, net};
use crate::transport::socks::Socks;
use crate::transport::tcp;
use crate::zap::{self, Fault};

/// One peer's stream.
pub(crate) struct Session {
    pub(crate) core: Arc<SocketCore>,
    pub(crate) origin: Origin,
    pub(crate) phase: Phase,
    pub(crate) peer: Peer,
    /// The program has ended it; it goes when its pipe is flushed, or at the time given.
    pub(crate) closing: Option<Option<Instant>>,
    /// A question about the peer that the authenticator has not answered yet.
    asked: Option<Asked>,
    /// GSSAPI: the security context until it stands.
    negotiation: Option<Negotiation>,
    /// What the authenticator said of the peer.
    admitted: Option<Answer>,
    /// The peer was refused: nothing it says is of interest any more.
    pub(crate) refused: bool,
    /// What it said nevertheless.
    refused_bytes: usize,
    /// The peer speaks plain bytes, or a ZMTP older than 3.0: there is no mechanism, and no handshake to tell of.
    pub(crate) without_mechanism: bool,
    /// What the stream is watched for during the handshake.
    greeting_interest: Interest,
    /// When the session wants to be looked at: the end of a wait, of an attempt, of the handshake, of lingering.
    pub(crate) deadline: Option<Instant>,
}

/// How the stream came to be.
pub(crate) enum Origin {
    Connect(Box<Dialer>),
    Accept(Arc<Listener>),
}

/// How far it has come.
pub(crate) enum Phase {
    /// Nothing more will happen: the protocol was broken, or no reconnect is wanted.
    Over,
    Waiting,
    Resolving,
    /// Attempts to connect, the first of which to succeed is taken.
    Dialing(Race),
    /// Connected to a proxy, which is being asked for a connection to the peer.
    Proxying(Socket, Box<Socks>),
    Greeting(Socket, Box<Connection>, Vec<u8>),
    Established(Arc<Link>),
}

/// Where the other end is.
#[derive(Clone, Default, Debug)]
pub(crate) struct Peer {
    /// As an endpoint.
    pub(crate) endpoint: Option<String>,
    /// As an address alone.
    pub(crate) address: Option<String>,
    /// What its address is counted as.
    pub(crate) network: Option<IpAddr>,
    /// Its address is an IPv4 one, on an IPv6 socket.
    pub(crate) mapped: bool,
    /// This end of the stream, as an endpoint.
    pub(crate) local: Option<String>,
    /// The number of the stream's descriptor, to name it by.
    pub(crate) descriptor: i32,
    /// Held while it is connected, where connections of an address are counted.
    #[allow(dead_code, reason = "it is given back when it is dropped")]
    pub(crate) seat: Option<Arc<Seat>>,
}

/// A stream that the system has just connected.
pub(crate) struct Fresh {
    pub(crate) stream: Socket,
    /// Of the other end, if that is known already.
    pub(crate) address: Option<SocketAddr>,
    /// The I/O thread has it in its set already.
    pub(crate) watched: bool,
}

/// What a step of the handshake came to.
pub(crate) enum Greeted {
    NotYet,
    Ready(Box<PeerInfo>),
}

impl Session {
    /// A stream to come, or one that has come.
    pub(crate) fn new(core: Arc<SocketCore>, origin: Origin, peer: Peer) -> Session {
        Session {
            core,
            origin,
            phase: Phase::Waiting,
            peer,
            closing: None,
            asked: None,
            negotiation: None,
            admitted: None,
            refused: false,
            refused_bytes: 0,
            without_mechanism: false,
            greeting_interest: Interest::READ,
            deadline: None,
        }
    }

    /// The endpoint that names it in monitor events and to unbind or disconnect.
    pub(crate) fn endpoint(&self) -> Arc<str> {
        match &self.origin {
            Origin::Connect(dialer) => dialer.text.clone(),
            Origin::Accept(listener) => listener.endpoint.clone(),
        }
    }

    pub(crate) fn options(&self) -> Arc<Options> {
        match &self.origin {
            Origin::Connect(dialer) => dialer.options.clone(),
            Origin::Accept(listener) => listener.options.clone(),
        }
    }

    /// What the socket receives when the established connection is lost.
    pub(crate) fn parting(&self) -> Option<Frame> {
        let socket_type = self.core.socket_type;
        match &self.origin {
            Origin::Connect(dialer) => salute::hiccup(socket_type, &dialer.options).cloned(),
            Origin::Accept(listener) => salute::disconnected(socket_type, &listener.options).cloned(),
        }
    }

    /// Whether it ends its connection only, and connects anew, where `which` is asked to end.
    pub(crate) fn is_to_be_renewed(&self, which: &Which) -> bool {
        let connects = matches!(&self.origin, Origin::Connect(dialer) if dialer.reconnects());
        matches!(which, Which::Connection(..)) && connects && self.closing.is_none()
    }

    /// The pipe: of a connecting session from the start, of an accepted one once it is established.
    pub(crate) fn pipe(&self) -> Option<PipeId> {
        match (&self.phase, &self.origin) {
            (Phase::Established(link), _) => Some(link.pipe),
            (_, Origin::Connect(dialer)) => dialer.pipe,
            _ => None,
        }
    }

    /// Tells of an event of the connection itself.
    pub(crate) fn emit(&self, kind: EventKind) {
        self.emit_with(kind, self.peer.descriptor as u64);
    }

    /// Tells of an event with a number to it.
    pub(crate) fn emit_with(&self, kind: EventKind, value: u64) {
        let event = monitor::Event::new(&self.endpoint(), kind);
        let (peer, local) = (self.peer.endpoint.clone(), self.peer.local.clone());
        self.core.lock().emit(monitor::Event { peer, local, value, ..event });
    }

    /// The system has connected a stream that this side dialled.
    fn connected(&mut self, Fresh { stream, address, .. }: &Fresh) -> Result<(), Loss> {
        let Origin::Connect(dialer) = &mut self.origin else { return Ok(()) };
        dialer.established();
        let (local, remote) = match dialer.endpoint {
            Endpoint::Tcp(_) => (tcp::local_address(stream), address.or_else(|| tcp::peer_address(stream))),
            _ => (None, None),
        };
        self.peer.descriptor = stream.as_raw_fd();
        self.peer.endpoint = Some(dialer.text.to_string());
        self.peer.local = local.map(|address| format!("tcp://{address}")).or_else(|| self.peer.endpoint.clone());
        self.peer.address = match remote {
            Some(address) => Some(address.ip().to_canonical().to_string()),
            None => net::peer_credentials(stream).map(|(uid, gid, pid)| format!("localhost:{uid}:{gid}:{pid}")),
        };
        self.peer.mapped = remote.is_some_and(is_mapped);
        self.emit(EventKind::Connected);
        if remote.is_some() && remote == local {
            return Err(Loss::Io(io::Error::new(ErrorKind::ConnectionRefused, "connected to itself")));
        }
        Ok(())
    }

    /// A stream is there: the handshake begins, or without one the session is established.
    pub(crate) fn begin(&mut self, fresh: Fresh, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<(), Loss> {
        self.connected(&fresh)?;
        let Fresh { stream, watched, .. } = fresh;
        let options = self.options();
        let interest = Interest::READ;
        if !watched || io.selector.modify(&stream, token, interest).is_err() {
            io.selector.add(&stream, token, interest).map_err(Loss::Io)?;
        }
        if self.is_raw() {
            let protocol = Protocol::Raw { piece_bytes: options.in_batch_size.max(1) };
            self.establish(stream, protocol, Format::Raw, None, io, token);
            return Ok(());
        }
        (self.asked, self.admitted, self.refused, self.refused_bytes) = (None, None, false, 0);
        self.negotiation = None;
        self.greeting_interest = Interest::READ;
        let config = Arc::new(config_of(&self.core, &options, matches!(self.origin, Origin::Accept(_))));
        let connection = Connection::new(config, now);
        self.deadline = connection.next_deadline();
        self.phase = Phase::Greeting(stream, Box::new(connection), Vec::new());
        if let Origin::Connect(_) = self.origin {
            // The peer has hardly had the time to say anything; what it says is told of.
            return self.write_greeting(io, token);
        }
        match self.greet(io, token, now)? {
            Greeted::NotYet => Ok(()),
            Greeted::Ready(info) => {
                self.greeted(*info, io, token);
                Ok(())
            }
        }
    }

    fn is_raw(&self) -> bool {
        self.core.socket_type == SocketType::Stream || self.options().router_raw
    }

    /// One step of the handshake: reads what is there, asks about the peer if that is due, writes what is due.
    pub(crate) fn greet(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<Greeted, Loss> {
        let read = self.read_greeting(io, now)?;
        let asked = self.ask(io, token, now);
        self.write_greeting(io, token)?;
        read?;
        asked?;
        Ok(self.look_whether_greeted())
    }

    /// Reads what is there; the inner result is what the protocol made of it.
    fn read_greeting(&mut self, io: &IoHandle, now: Instant) -> Result<Result<(), Loss>, Loss> {
        let Phase::Greeting(stream, connection, _) = &mut self.phase else { return Ok(Ok(())) };
        if connection.is_ready() {
            // What the last word waits for is room for it. What the peer sends meanwhile waits in the kernel.
            return Ok(Ok(()));
        }
        // Who talks on without end, as one that was refused may, does not keep the thread from the others.
        for _ in 0..READS_IO {
            io.memory.lend_to(connection);
            let input = connection.input();
            let read = net::read(&*stream, input);
            // What comes after is told of again.
            let was_all = input.len() < input.capacity();
            match read {
                Ok(0) => return Err(Loss::PeerClosed),
                Ok(count) if self.refused => {
                    input.clear();
                    self.refused_bytes += count;
                    if self.refused_bytes > REFUSED_BYTES_MAX {
                        return Err(Loss::Greedy("a hearing after it was refused"));
                    }
                }
                Ok(_) => {
                    let handled = connection.handle_input(now).map_err(Loss::Protocol);
                    io.memory.take_back(connection);
                    if handled.is_err() || connection.is_ready() {
                        return Ok(handled);
                    }
                    if was_all {
                        return Ok(Ok(()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    io.memory.take_back(connection);
                    return Ok(Ok(()));
                }
                Err(error) => return Err(Loss::Io(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Writes what is due, and has the rest of it written as soon as the kernel has room: a peer that waits for it says
    /// nothing that would bring this thread here again.
    fn write_greeting(&mut self, io: &IoHandle, token: u64) -> Result<(), Loss> {
        let Phase::Greeting(stream, connection, unwritten) = &mut self.phase else { return Ok(()) };
        if let Some(output) = connection.take_output() {
            unwritten.extend_from_slice(&output);
        }
        while !unwritten.is_empty() {
            match net::write(&*stream, unwritten) {
                Ok(count) => drop(unwritten.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It has said all it had to and is gone: what it said is still good, and its end is seen next.
                // Should the stream still live, as when the system was out of buffers, the peer must not wait for
                // the rest, nor take what would follow for it.
                Err(_) if connection.is_ready() => {
                    net::end_output(&*stream);
                    unwritten.clear();
                }
                Err(error) => return Err(Loss::Io(error)),
            }
        }
        let blocked = !unwritten.is_empty();
        let interest = Interest { read: !(blocked && connection.is_ready()), write: blocked, once: false };
        if std::mem::replace(&mut self.greeting_interest, interest) != interest {
            io.selector.modify(&*stream, token, interest).map_err(Loss::Io)?;
        }
        Ok(())
    }

    fn look_whether_greeted(&mut self) -> Greeted {
        let Phase::Greeting(_, connection, unwritten) = &mut self.phase else { return Greeted::NotYet };
        if connection.is_ready() && !unwritten.is_empty() {
            // The time for the handshake goes on, until the peer has been told all of it.
            return Greeted::NotYet;
        }
        self.deadline = connection.next_deadline();
        if connection.is_ready()
            && let Some(Event::Ready(info)) = connection.poll_event()
        {
            return Greeted::Ready(Box::new(info));
        }
        Greeted::NotYet
    }

    /// Puts the handshake's question to the authenticator, if it has one, or has the security context make a step.
    fn ask(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<(), Loss> {
        let options = self.options();
        let Phase::Greeting(_, connection, _) = &mut self.phase else { return Ok(()) };
        if let Some(theirs) = connection.take_token() {
            let negotiators = &self.core.context.negotiators;
            self.negotiation.get_or_insert_with(|| negotiators.begin(options, io, token)).step(theirs);
            return Ok(());
        }
        let Some(question) = connection.take_question() else { return Ok(()) };
        let address = match self.peer.address.as_deref() {
            // As libzmq writes it, for handlers that compare texts.
            Some(address) if self.peer.mapped => Cow::Owned(format!("::ffff:{address}")),
            address => Cow::Borrowed(address.unwrap_or_default()),
        };
        if let Some(key) = &options.shared_key
            && question.credentials.first().map(Vec::as_slice) != Some(key.client_public().as_bytes())
        {
            return self.decide(Answer::deny("the peer does not have the shared key"), now);
        }
        if let Some(worker) = self.core.authenticator.clone() {
            let (endpoint, identity) = (self.endpoint(), options.routing_id.clone());
            let address = self.peer.address.as_deref();
            let Some(request) = Request::new(&question, &options.zap_domain, &endpoint, address, identity) else {
                return self.decide(Answer::deny("user or password are no UTF-8"), now);
            };
            self.asked = Some(Asked::Own(worker.ask(request, io, token)));
            return Ok(());
        }
        if options.shared_key.is_some() {
            return connection.answer(Verdict::Welcome, now).map_err(Loss::Protocol);
        }
        self.asked = zap::Asked::new(&self.core, &options, question, &address, io, token).map(Asked::Zap);
        match self.asked {
            Some(_) => Ok(()),
            None if options.needs_authenticator() => Err(Loss::NobodyToAsk),
            None => connection.answer(Verdict::Welcome, now).map_err(Loss::Protocol),
        }
    }

    /// The authenticator did not answer in time.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.asked.as_ref().is_some_and(Asked::is_own)
    }

    /// The security context may have made its step: the handshake goes on.
    fn negotiated(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<(), Loss> {
        let Some(step) = self.negotiation.as_ref().and_then(Negotiation::answer) else { return Ok(()) };
        let Phase::Greeting(_, connection, _) = &mut self.phase else { return Ok(()) };
        let gone_on = connection.negotiated(step, now).map_err(Loss::Protocol);
        let asked = self.ask(io, token, now);
        self.write_greeting(io, token)?;
        gone_on.and(asked)
    }

    /// The authenticator may have answered, or a security context made a step: the handshake goes on, or the peer is told
    /// to go.
    pub(crate) fn authenticated(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<Greeted, Loss> {
        self.negotiated(io, token, now)?;
        let Some(answer) = self.asked.as_ref().and_then(Asked::answer) else { return Ok(self.look_whether_greeted()) };
        self.asked = None;
        let decided = self.decide(answer.map_err(Loss::Answer)?, now);
        self.write_greeting(io, token)?;
        decided?;
        Ok(self.look_whether_greeted())
    }

    /// The handshake goes on, or the peer is told to go.
    fn decide(&mut self, answer: Answer, now: Instant) -> Result<(), Loss> {
        let verdict = if answer.status == 200 { Verdict::Welcome } else { Verdict::Refused(answer.status) };
        if verdict != Verdict::Welcome {
            let why = format!("{} {}", answer.status, answer.text);
            self.emit_with(EventKind::AuthenticationFailed(why), answer.status.into());
            self.refused = true;
        }
        self.admitted = Some(answer);
        let Phase::Greeting(_, connection, _) = &mut self.phase else { return Ok(()) };
        connection.answer(verdict, now).map_err(Loss::Protocol)
    }

    /// Tells why the handshake has failed, in the kind of event libzmq has for it.
    pub(crate) fn emit_failure(&self, loss: &Loss) {
        let why = loss.to_string();
        match loss {
            // That has been told.
            _ if self.refused => {}
            Loss::NoAnswer => self.emit_with(EventKind::AuthenticationFailed(format!("500 {why}")), 500),
            Loss::Answer(Fault(code)) => self.emit_with(EventKind::ProtocolFailed(why), u64::from(*code)),
            Loss::Protocol(error) => match (error.refused_status(), self.protocol_code(error)) {
                (Some(status), _) => self.emit_with(EventKind::AuthenticationFailed(why), status.into()),
                (None, Some(code)) => self.emit_with(EventKind::ProtocolFailed(why), code.into()),
                (None, None) => self.emit_with(EventKind::HandshakeFailed(why), loss.errno()),
            },
            _ => self.emit_with(EventKind::HandshakeFailed(why), loss.errno()),
        }
    }

    /// libzmq's number for a fault of the peer: its clients of PLAIN and CURVE take a wrong type for wrong metadata.
    fn protocol_code(&self, error: &zmtp::Error) -> Option<u32> {
        let is_told = || matches!(self.options().security(), Security::PlainClient | Security::CurveClient);
        match error {
            zmtp::Error::IncompatibleType(_) if is_told() => zmtp::Error::InvalidMetadata.protocol_code(),
            _ => error.protocol_code(),
        }
    }

    /// The handshake is over: messages may flow.
    pub(crate) fn greeted(&mut self, info: PeerInfo, io: &Arc<IoHandle>, token: u64) {
        let Phase::Greeting(stream, mut connection, _) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        self.negotiation = None;
        // A connection may be idle from now on, and nothing may ever be read from it again.
        connection.idle_trim();
        if info.version >= Version::V3_0 {
            self.emit_with(EventKind::HandshakeSucceeded, 0);
        }
        let format = Format::Zmtp(info.framing, info.version);
        self.establish(stream, Protocol::Zmtp(connection), format, Some(info), io, token);
    }

    /// What messages of this connection say of it. Older peers tell nothing, so neither do their messages.
    fn metadata(&self, info: Option<&PeerInfo>) -> Option<Arc<Metadata>> {
        if info.is_some_and(|info| info.version < Version::V3_0) {
            return None;
        }
        let mut metadata = Metadata::new(Some(self.peer.descriptor));
        if let Some(address) = &self.peer.address {
            metadata.add_address(address, self.peer.mapped);
        }
        if let Some(answer) = &self.admitted {
            metadata.add("User-Id", &answer.user_id);
            for (name, value) in &answer.metadata {
                metadata.add(name, value);
            }
        }
        let told = info.iter().flat_map(|info| &info.metadata).map(|(name, value)| (name.as_str(), &**value));
        // A peer does not say itself who it is and where.
        for (name, value) in told.filter(|(name, _)| !OURS_TO_SAY.contains(name)) {
            metadata.add(name, value);
        }
        Some(Arc::new(metadata))
    }

    fn establish(
        &mut self,
        stream: Socket,
        protocol: Protocol,
        format: Format,
        info: Option<PeerInfo>,
        io: &Arc<IoHandle>,
        token: u64,
    ) {
        self.without_mechanism = info.as_ref().is_none_or(|info| info.version < Version::V3_0);
        let metadata = self.metadata(info.as_ref());
        let mechanism = match &protocol {
            Protocol::Zmtp(_) => self.options().mechanism_name(),
            Protocol::Raw { .. } => "",
        };
        let (identity, socket_type) = info.map(|info| (info.routing_id, info.socket_type)).unwrap_or_default();
        let facts = PeerFacts {
            identity,
            socket_type,
            mechanism,
            user_id: self.admitted.as_ref().map(|answer| String::from_utf8_lossy(&answer.user_id).into_owned()),
            endpoint: self.endpoint(),
            address: self.peer.address.clone(),
            metadata,
            seat: self.peer.seat.clone(),
        };
        let mut state = self.core.lock();
        let (pipe, fresh) = match &self.origin {
            Origin::Connect(dialer) => match dialer.pipe {
                Some(pipe) => (pipe, false),
                None => (state.add_pipe(facts.clone()), true),
            },
            Origin::Accept(_) => (state.add_pipe(facts.clone()), true),
        };
        let timer = self.deadline;
        let (mut protocol, mut sealer) = (protocol, None);
        if let Protocol::Zmtp(connection) = &mut protocol {
            sealer = connection.take_sealer().map(Mutex::new);
        }
        let link = Arc::new(Link {
            stream,
            sealer,
            reader: Mutex::new(Reader { protocol, timer: None }),
            socket: Arc::downgrade(&self.core),
            pipe,
            io: io.clone(),
            token,
            lost: AtomicBool::new(false),
        });
        let options = self.options();
        state.link_up(&link, facts, format, fresh, salute::hello(self.core.socket_type, &options));
        drop(state);
        self.deadline = match self.closing {
            Some(until) => until,
            None => timer,
        };
        let mut reader = link.reader.lock();
        let next = match &reader.protocol {
            Protocol::Zmtp(connection) => connection.next_deadline(),
            Protocol::Raw { .. } => None,
        };
        reader.timer = next;
        self.deadline = [self.closing.flatten(), next].into_iter().flatten().min();
        // What came behind the handshake in the same read.
        hand_over(&self.core, &link, reader, false);
        self.phase = Phase::Established(link);
    }
}

/// Whether it is an IPv4 address on an IPv6 socket.
pub(crate) fn is_mapped(address: SocketAddr) -> bool {
    address.ip() != address.ip().to_canonical()
}

/// Properties that are known of a peer, and not believed from it.
const OURS_TO_SAY: [&str; 3] = ["User-Id", "Peer-Address", "__fd"];

/// What is heard of a peer after it was refused, and thrown away, so that it hears the refusal; then it is cut off.
const REFUSED_BYTES_MAX: usize = 64 * 1024;

/// What the protocol needs to know, from the socket's options.
fn config_of(core: &SocketCore, options: &Options, as_server: bool) -> Config {
    let mut limits = Limits::default();
    limits.frame_bytes_max = options.max_frame_size;
    limits.message_bytes_max = options.message_bytes_max;
    limits.message_frames_max = options.message_frames_max.unwrap_or(usize::MAX);
    limits.command_bytes_max = options.handshake_bytes_max.unwrap_or(usize::MAX);
    let mut config = Config::new(core.socket_type);
    config.as_server = as_server;
    config.routing_id = options.routing_id.clone();
    config.metadata = options.metadata.clone();
    config.limits = limits;
    config.heartbeat = match options.liveness.filter(|_| options.heartbeat_interval.is_none() && net::KNOWS_HOSTS) {
        // Half the time between pings, half of it to hear of one.
        Some(liveness) => Heartbeat {
            interval: Some(liveness / 2),
            timeout: Some(liveness / 2),
            only_current: true,
            ..Heartbeat::default()
        },
        None => Heartbeat {
            interval: options.heartbeat_interval,
            timeout: options.heartbeat_timeout.or(options.heartbeat_interval),
            ttl: options.heartbeat_ttl,
            only_current: false,
        },
    };
    config.mechanism = options.mechanism(as_server);
    config.authenticate = options.authenticates() || core.authenticator.is_some();
    config.handshake_timeout = options.handshake_interval.filter(|interval| *interval > Duration::ZERO);
    config
}
