//! Connection: the state machine of one peer, from the first byte to the last.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use smallvec::SmallVec;

use crate::codec::{Framing, Run};
use crate::command::{self, Command};
use crate::error::Error;
use crate::frame::{Frame, Memory};
use crate::greeting::{Greeting, Settled, signature};
use crate::heartbeat::{Clocks, Due, Heartbeat};
use crate::mechanism::gssapi::Step;
use crate::mechanism::{Mechanism, MechanismConfig, Opener, Question, Sealer, Verdict};
use crate::scanner::{Found, Scanner};
use crate::socket_type::SocketType;

/// What one side of a connection is and wants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The own socket type.
    pub socket_type: SocketType,
    /// Whether this side bound, and the peer connected.
    pub as_server: bool,
    /// The own identity; empty for none.
    pub routing_id: Frame,
    /// Properties of the application to tell the peer; names start with `X-`.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// What to accept.
    pub limits: Limits,
    /// How to watch the peer's liveness.
    pub heartbeat: Heartbeat,
    /// How long the peer may take for the handshake; `None`: as long as it likes.
    pub handshake_timeout: Option<Duration>,
    /// The security mechanism.
    pub mechanism: MechanismConfig,
    /// Whether to ask, with NULL or as a CURVE server, if a peer is welcome ([`Event::Authenticate`]). A PLAIN server
    /// always asks.
    pub authenticate: bool,
}

/// The most a peer may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one frame; `None`: no limit. Commands of the handshake count too.
    pub frame_bytes_max: Option<u64>,
    /// Bytes of all frames of a message; `None`: no limit. 1 GiB by default.
    pub message_bytes_max: Option<u64>,
    /// Frames of a message; 65,536 by default.
    pub message_frames_max: usize,
    /// Bytes of a command of the handshake; 64 KiB by default.
    pub command_bytes_max: usize,
}

/// The protocol's versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Version {
    V1_0,
    V2_0,
    V3_0,
    V3_1,
}

/// What a connection has to tell its driver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Whether a peer is welcome: nothing goes on before [`answer`](Connection::answer).
    Authenticate(Question),
    /// GSSAPI: the security context is to make a step with this token of the peer's, which is empty for a client's first;
    /// nothing goes on before [`negotiated`](Connection::negotiated).
    Negotiate(Vec<u8>),
    /// The handshake is over; comes once, first.
    Ready(PeerInfo),
    /// Whole messages.
    Messages(Run),
    /// The peer subscribes to a topic, by command.
    Subscribe(Frame),
    /// The peer ends a subscription, by command.
    Cancel(Frame),
    /// The peer joins a group.
    Join(Frame),
    /// The peer leaves a group.
    Leave(Frame),
}

/// What is known of the peer after the handshake.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The version both sides speak.
    pub version: Version,
    /// How to encode messages for it.
    pub framing: Framing,
    /// The type it announced, if it did.
    pub socket_type: Option<SocketType>,
    /// The identity it announced; empty if it did not.
    pub routing_id: Frame,
    /// All properties it told, in order.
    pub metadata: Vec<(String, Bytes)>,
}

/// One peer. See the crate's documentation for the order of calls.
pub struct Connection {
    config: Arc<Config>,
    phase: Phase,
    settled: Settled,
    input: Vec<u8>,
    /// With a cipher, what it made of the input.
    opened: Vec<u8>,
    /// Memory for messages to come, and what remains of such whose buffer is in use: it holds that again when it is full.
    lent: Option<Memory>,
    husk: Option<Memory>,
    opener: Option<Opener>,
    sealer: Option<Sealer>,
    output: Vec<u8>,
    events: std::collections::VecDeque<Event>,
    clocks: Clocks,
    handshake_ends: Option<Instant>,
    /// Capacity of the next fresh input buffer: grows while reads fill it.
    input_bytes: usize,
    /// Size of the last large message, for which the next buffer has room at once.
    large_bytes: usize,
}

enum Phase {
    Greeting(Greeting),
    /// 1.0 and 2.0: the first frame is the peer's identity; before it comes, but from the oldest, a type byte.
    Identity {
        type_byte: bool,
    },
    Handshake(Box<dyn Mechanism>),
    Traffic(Scanner),
    Over,
}

impl Config {
    /// The defaults for a socket type: NULL, no identity, 30 s for the handshake, no heartbeat.
    pub fn new(socket_type: SocketType) -> Config {
        Config {
            socket_type,
            as_server: false,
            routing_id: Frame::new(),
            metadata: Vec::new(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            handshake_timeout: Some(Duration::from_secs(30)),
            mechanism: MechanismConfig::Null,
            authenticate: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes_max: None,
            message_bytes_max: Some(1 << 30),
            message_frames_max: 65_536,
            command_bytes_max: 64 * 1024,
        }
    }
}

impl Connection {
    /// A connection that has just been established by the operating system; has output at once.
    pub fn new(config: Arc<Config>, now: Instant) -> Connection {
        let mut output = Vec::new();
        signature(&config, &mut output);
        Connection {
            handshake_ends: config.handshake_timeout.map(|timeout| now + timeout),
            config,
            phase: Phase::Greeting(Greeting::Signature),
            settled: Settled { version: Version::V3_1, unversioned: false },
            input: Vec::new(),
            opened: Vec::new(),
            lent: None,
            husk: None,
            opener: None,
            sealer: None,
            output,
            events: std::collections::VecDeque::new(),
            clocks: Clocks::default(),
            input_bytes: INPUT_BYTES_MIN,
            large_bytes: 0,
        }
    }

    /// A buffer with room: append what was read, then call [`handle_input`](Connection::handle_input). It has no room if
    /// there is no memory for what the peer sends; then the connection cannot go on.
    pub fn input(&mut self) -> &mut Vec<u8> {
        if self.input.capacity() == 0 && self.opener.is_none() {
            self.input = fresh_buffer(&mut self.lent, &mut self.husk, 1);
        }
        let len = self.input.len();
        let fresh = self.input_bytes.max(self.large_bytes);
        let need = match &self.phase {
            Phase::Traffic(scanner) if self.opener.is_none() => scanner.need(),
            _ => 0,
        };
        // What a peer announces is only made room for as far as it has kept its word so far.
        let trusted = (2 * len).max(INPUT_BYTES_MAX).max(self.large_bytes);
        let want = need.min(trusted).max(if len == 0 { fresh } else { 0 });
        // A peer must not end the process by what it sends: where memory is short, a little more of it may still be had.
        // Of a large frame just what is missing is read, so that it need not be moved; but not a few bytes at a time.
        if self.input.capacity() < want && want - len >= INPUT_BYTES_MIN {
            let _ = self.input.try_reserve_exact(want - len);
        }
        if self.input.capacity() < want || self.input.capacity() == len {
            let _ = self.input.try_reserve_exact(len.clamp(INPUT_BYTES_MIN, INPUT_GROWTH_MAX));
        }
        if self.input.capacity() == len {
            let _ = self.input.try_reserve_exact(INPUT_BYTES_MIN);
        }
        &mut self.input
    }

    /// How many bytes of memory to [lend](Connection::lend) for what is read next; `None`: there is some.
    pub fn wants_memory(&self) -> Option<usize> {
        self.lent.is_none().then(|| self.input_bytes.max(self.large_bytes))
    }

    /// Lends memory that has held other messages, and saves an allocation: messages that come are kept in it.
    pub fn lend(&mut self, memory: Memory) {
        self.lent = Some(memory);
    }

    /// Memory that was [lent](Connection::lend) and has nothing in it.
    pub fn take_lent(&mut self) -> Option<Memory> {
        let buffer = if self.opener.is_some() { &mut self.opened } else { &mut self.input };
        if buffer.is_empty()
            && let Some(mut husk) = self.husk.take()
        {
            husk.put_buffer(std::mem::take(buffer));
            return Some(husk);
        }
        self.lent.take()
    }

    /// Takes in what was appended to [`input`](Connection::input).
    ///
    /// # Errors
    /// The peer broke the protocol: the connection is over. Events and output from before the fault are still there.
    pub fn handle_input(&mut self, now: Instant) -> Result<(), Error> {
        if self.input.len() == self.input.capacity() {
            self.input_bytes = (self.input_bytes * 2).min(INPUT_BYTES_MAX);
        } else if self.input.len() < self.input_bytes / 4 {
            self.input_bytes = (self.input_bytes / 2).max(INPUT_BYTES_MIN);
        }
        let result = self.advance(now);
        if result.is_err() {
            self.phase = Phase::Over;
            self.input = Vec::new();
        }
        result
    }

    /// The time of [`next_deadline`](Connection::next_deadline) has come.
    ///
    /// # Errors
    /// The peer is too slow, or silent for too long: the connection is over.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.handshake_ends.is_some_and(|end| end <= now) {
            self.phase = Phase::Over;
            return Err(Error::HandshakeTimeout);
        }
        if !matches!(self.phase, Phase::Traffic(_)) {
            return Ok(());
        }
        match self.clocks.look(&self.config.heartbeat, now) {
            Due::Nothing => Ok(()),
            Due::Ping => {
                let mut body = Vec::new();
                command::encode(&mut body, command::PING, &self.config.heartbeat.ttl_field().to_be_bytes());
                self.push_command(&body);
                Ok(())
            }
            Due::PeerDead => {
                self.phase = Phase::Over;
                Err(Error::HeartbeatTimeout)
            }
        }
    }

    /// Whether the peer was silent for too long, and [`handle_timeout`](Connection::handle_timeout) would give it up.
    pub fn is_peer_late(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Traffic(_)) && self.clocks.is_late(now)
    }

    /// The peer is known to live by other means than by what it says.
    pub fn peer_lives(&mut self) {
        self.clocks.heard();
    }

    /// The next event, if it is a question about the peer.
    pub fn take_question(&mut self) -> Option<Question> {
        match self.events.pop_front() {
            Some(Event::Authenticate(question)) => Some(question),
            Some(event) => {
                self.events.push_front(event);
                None
            }
            None => None,
        }
    }

    /// The next event, if it is a token for the security context.
    pub fn take_token(&mut self) -> Option<Vec<u8>> {
        match self.events.pop_front() {
            Some(Event::Negotiate(token)) => Some(token),
            Some(event) => {
                self.events.push_front(event);
                None
            }
            None => None,
        }
    }

    /// What the step asked for by [`Event::Negotiate`] came to; the error is a text for people.
    ///
    /// # Errors
    /// As [`handle_input`](Connection::handle_input), and [`Error::Negotiation`] if there was no step.
    pub fn negotiated(&mut self, step: Result<Step, String>, now: Instant) -> Result<(), Error> {
        let mut result = Ok(());
        if let Phase::Handshake(mechanism) = &mut self.phase {
            result = step.map_err(Error::Negotiation).and_then(|step| mechanism.negotiated(step));
            push_commands(&mut **mechanism, &mut self.output);
        }
        let result = result.and_then(|()| self.advance(now));
        if result.is_err() {
            self.phase = Phase::Over;
            self.input = Vec::new();
        }
        result
    }

    /// The answer to [`Event::Authenticate`].
    ///
    /// # Errors
    /// As [`handle_input`](Connection::handle_input): the handshake goes on with what the peer has sent meanwhile.
    pub fn answer(&mut self, verdict: Verdict, now: Instant) -> Result<(), Error> {
        if let Phase::Handshake(mechanism) = &mut self.phase {
            mechanism.answer(verdict);
        }
        let result = self.advance(now);
        if result.is_err() {
            self.phase = Phase::Over;
            self.input = Vec::new();
        }
        result
    }

    /// What frames for the peer are to be encrypted by once the handshake is over, if they are; given once. What
    /// [`take_output`](Connection::take_output) gives after this call is to be encrypted, too.
    pub fn take_sealer(&mut self) -> Option<Sealer> {
        self.sealer.take()
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() {
            // A flood of commands is not to be remembered by the room it took.
            self.events.shrink_to(EVENTS_KEPT);
        }
        event
    }

    /// Bytes to write. Once ready, always whole frames, to be written between messages.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        if self.output.is_empty() { None } else { Some(std::mem::take(&mut self.output)) }
    }

    /// Whether there are bytes to write.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// When to call [`handle_timeout`](Connection::handle_timeout); may have moved after any call in.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Traffic(_) => self.clocks.next(),
            Phase::Over => None,
            _ => self.handshake_ends,
        }
    }

    /// Whether the handshake is over.
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Traffic(_))
    }

    /// How messages for the peer are framed; settled by the greeting.
    pub fn framing(&self) -> Framing {
        self.settled.framing()
    }

    /// The version both sides speak; settled by the greeting.
    pub fn version(&self) -> Version {
        self.settled.version
    }

    /// Gives the input buffer back if there is nothing in it: an idle connection owns none.
    pub fn idle_trim(&mut self) {
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        if self.opened.is_empty() {
            self.opened = Vec::new();
        }
    }

    fn advance(&mut self, now: Instant) -> Result<(), Error> {
        if let Phase::Greeting(greeting) = &mut self.phase {
            let Some(settled) = greeting.step(&self.config, &mut self.input, &mut self.output)? else { return Ok(()) };
            self.settled = settled;
            self.phase = if settled.version >= Version::V3_0 {
                let mut mechanism = self.config.mechanism.start(&self.config)?;
                push_commands(&mut *mechanism, &mut self.output);
                Phase::Handshake(mechanism)
            } else {
                Phase::Identity { type_byte: !settled.unversioned }
            };
        }
        if let Phase::Identity { type_byte } = &mut self.phase {
            if *type_byte && !self.input.is_empty() {
                // Nobody checks the type in these versions.
                self.input.drain(..1);
                *type_byte = false;
            }
            if !*type_byte {
                self.read_identity(now)?;
            }
        }
        if matches!(self.phase, Phase::Handshake(_)) {
            self.shake_hands(now)?;
        }
        if matches!(self.phase, Phase::Traffic(_)) {
            if self.opener.is_some() {
                return self.scan_encrypted(now);
            }
            self.scan(now)?;
        }
        Ok(())
    }

    /// Decrypts what has come, then goes on with that.
    fn scan_encrypted(&mut self, now: Instant) -> Result<(), Error> {
        let mut opened = std::mem::take(&mut self.opened);
        if opened.capacity() == 0 {
            opened = fresh_buffer(&mut self.lent, &mut self.husk, 1);
        }
        let result = self.open_input(&mut opened);
        // What came whole before a fault is still good.
        std::mem::swap(&mut self.input, &mut opened);
        let scanned = self.scan(now);
        std::mem::swap(&mut self.input, &mut opened);
        self.opened = opened;
        result.and(scanned)
    }

    fn open_input(&mut self, opened: &mut Vec<u8>) -> Result<(), Error> {
        let Some(opener) = &mut self.opener else { return Ok(()) };
        // What is in a box counts when it was opened; that there is room for it in a message is known before.
        let most = self.config.limits.message_bytes_max.map(|bytes| bytes.saturating_add(opener.overhead() as u64));
        let limit = [self.config.limits.frame_bytes_max, most].into_iter().flatten().min().unwrap_or(u64::MAX);
        let mut at = 0;
        let result = loop {
            let rest = self.input.get_mut(at..).unwrap_or_default();
            let header = match Framing::V2.decode_header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if header.body > limit {
                break Err(Error::Oversize { bytes: header.body, limit });
            }
            let Some(end) = header.end_from(0) else {
                break Err(Error::Oversize { bytes: header.body, limit: isize::MAX as u64 });
            };
            // Not all there; the buffer grows with what comes.
            let Some(body) = rest.get_mut(header.len..end) else { break Ok(()) };
            if opened.try_reserve(body.len() + HEADER_BYTES_MAX).is_err() {
                break Err(Error::OutOfMemory);
            }
            at += header.len + body.len();
            if let Err(error) = opener.open(body, opened) {
                break Err(error);
            }
        };
        self.input.drain(..at);
        result
    }

    fn read_identity(&mut self, now: Instant) -> Result<(), Error> {
        let Some((identity, more)) = self.take_small_frame()? else { return Ok(()) };
        if more {
            return Err(Error::MalformedFrame);
        }
        self.ready(Vec::new(), None, Frame::from(identity), now);
        if self.settled.unversioned && matches!(self.config.socket_type, SocketType::Pub | SocketType::XPub) {
            // Such a peer filters on its side: it wants everything.
            self.events.push_back(Event::Subscribe(Frame::new()));
        }
        Ok(())
    }

    fn shake_hands(&mut self, now: Instant) -> Result<(), Error> {
        loop {
            let Phase::Handshake(mechanism) = &mut self.phase else { return Ok(()) };
            if let Some(properties) = mechanism.announced() {
                type_of_peer(properties, self.config.socket_type)?;
            }
            push_commands(&mut **mechanism, &mut self.output);
            if let Some(token) = mechanism.token() {
                self.events.push_back(Event::Negotiate(token));
            }
            if let Some(question) = mechanism.question() {
                self.events.push_back(Event::Authenticate(question));
            }
            if let Some(properties) = mechanism.take_properties() {
                (self.sealer, self.opener) = mechanism.take_cipher().unzip();
                let socket_type = type_of_peer(&properties, self.config.socket_type)?;
                let identity = find(&properties, "Identity").cloned().map(Frame::from).unwrap_or_default();
                self.ready(properties, socket_type, identity, now);
                return Ok(());
            }
            let Some((body, _)) = self.take_small_frame()? else { return Ok(()) };
            let Phase::Handshake(mechanism) = &mut self.phase else { return Ok(()) };
            mechanism.handle_command(&body)?;
        }
    }

    /// A frame of the handshake from the front of the input; `None` if it is not complete.
    fn take_small_frame(&mut self) -> Result<Option<(Vec<u8>, bool)>, Error> {
        let Some(header) = self.settled.framing().decode_header(&self.input)? else { return Ok(None) };
        let limit =
            (self.config.limits.command_bytes_max as u64).min(self.config.limits.frame_bytes_max.unwrap_or(u64::MAX));
        if header.body > limit {
            return Err(Error::Oversize { bytes: header.body, limit });
        }
        let end = header.end_from(0).ok_or(Error::Oversize { bytes: header.body, limit: isize::MAX as u64 })?;
        let Some(body) = self.input.get(header.len..end).map(<[u8]>::to_vec) else { return Ok(None) };
        self.input.drain(..end);
        Ok(Some((body, header.more)))
    }

    fn ready(
        &mut self,
        metadata: Vec<(String, Bytes)>,
        socket_type: Option<SocketType>,
        routing_id: Frame,
        now: Instant,
    ) {
        let framing = self.settled.framing();
        let info = PeerInfo { version: self.settled.version, framing, socket_type, routing_id, metadata };
        self.events.push_back(Event::Ready(info));
        self.handshake_ends = None;
        let since = if self.config.heartbeat.only_current { Version::V3_1 } else { Version::V3_0 };
        if self.settled.version >= since {
            self.clocks.start(&self.config.heartbeat, now);
        }
        self.phase = Phase::Traffic(Scanner::new(framing, self.config.socket_type == SocketType::Req));
    }

    /// Turns what is whole in the input into events.
    fn scan(&mut self, now: Instant) -> Result<(), Error> {
        let mut pieces = Pieces::new();
        let mut after: Vec<(usize, Event)> = Vec::new();
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let outcome = loop {
            let Phase::Traffic(scanner) = &mut self.phase else { return Ok(()) };
            match scanner.next(&self.input, &self.config.limits) {
                Err(error) => break Err(error),
                Ok(None) => break Ok(()),
                Ok(Some(Found::Messages { start, end, messages })) => {
                    self.clocks.heard();
                    pieces.push((start, end, messages));
                }
                Ok(Some(Found::Command { start, body, end, inside })) => {
                    self.clocks.heard();
                    match self.obey(body..end, now) {
                        Ok(Some(event)) => after.push((pieces.len(), event)),
                        Ok(None) => {}
                        Err(error) => break Err(error),
                    }
                    // Its message must be in one piece. Rare: a peer pings between two frames of a message.
                    match cuts.last_mut() {
                        _ if !inside => {}
                        Some(last) if last.end == start => last.end = end,
                        _ => cuts.push(start..end),
                    }
                }
            }
        };
        if !cuts.is_empty() {
            self.cut_out(&cuts, &mut pieces);
        }
        self.hand_out(pieces, after);
        outcome
    }

    /// Cuts commands out of the messages they came in, all in one go: a peer may send any number of them.
    fn cut_out(&mut self, cuts: &[Range<usize>], pieces: &mut [(usize, usize, usize)]) {
        let Phase::Traffic(scanner) = &mut self.phase else { return };
        scanner.were_cut(cuts);
        let mut before = cuts.iter().peekable();
        let mut gone = 0;
        for position in pieces.iter_mut().flat_map(|(start, end, _)| [start, end]) {
            while let Some(cut) = before.next_if(|cut| cut.end <= *position) {
                gone += cut.len();
            }
            *position -= gone;
        }
        let starts = cuts.iter().skip(1).map(|cut| cut.start).chain([self.input.len()]);
        let mut to = cuts.first().map_or(0, |cut| cut.start);
        for (cut, next) in cuts.iter().zip(starts) {
            self.input.copy_within(cut.end..next, to);
            to += next - cut.end;
        }
        self.input.truncate(to);
    }

    /// Executes a command; some are for the driver. Those that mean nothing to the socket's type are ignored.
    fn obey(&mut self, body: Range<usize>, now: Instant) -> Result<Option<Event>, Error> {
        let Some(command) = self.input.get(body).and_then(Command::parse) else { return Ok(None) };
        let publishes = matches!(self.config.socket_type, SocketType::Pub | SocketType::XPub);
        let radiates = self.config.socket_type == SocketType::Radio;
        Ok(match command.name {
            command::SUBSCRIBE if publishes => Some(Event::Subscribe(Frame::from(command.data))),
            command::CANCEL if publishes => Some(Event::Cancel(Frame::from(command.data))),
            command::JOIN if radiates => Some(Event::Join(group_of("JOIN", command.data)?)),
            command::LEAVE if radiates => Some(Event::Leave(group_of("LEAVE", command.data)?)),
            command::PING if self.settled.version >= Version::V3_0 => {
                let Some((ttl, context)) = command.data.split_first_chunk::<2>() else { return Ok(None) };
                let context = context.get(..PING_CONTEXT_MAX).unwrap_or(context);
                let mut pong = Vec::new();
                command::encode(&mut pong, command::PONG, context);
                self.clocks.asked(u16::from_be_bytes(*ttl), now);
                // A peer that pings without reading gets no more answers than it can fetch.
                if self.output.len() < OUTPUT_BYTES_MAX {
                    self.push_command(&pong);
                }
                None
            }
            _ => None,
        })
    }

    fn push_command(&mut self, body: &[u8]) {
        if let Some(sealer) = &mut self.sealer {
            // There are not 2^64 frames to be numbered yet.
            let _ = sealer.seal(&mut self.output, false, true, body);
            return;
        }
        self.settled.framing().encode_header(&mut self.output, body.len(), false, true);
        self.output.extend_from_slice(body);
    }

    /// Moves the whole messages out of the input, without a copy, and keeps what is incomplete.
    fn hand_out(&mut self, pieces: Pieces, after: Vec<(usize, Event)>) {
        let Phase::Traffic(scanner) = &mut self.phase else { return };
        let framing = self.settled.framing();
        let whole = scanner.take_whole();
        let mut after = after.into_iter().peekable();
        if whole == 0 {
            self.events.extend(after.map(|(_, event)| event));
            return;
        }
        if pieces.is_empty() {
            self.input.drain(..whole);
        } else {
            let tail = self.input.get(whole..).unwrap_or_default();
            let biggest =
                if pieces.len() == 1 && pieces.iter().all(|(_, _, messages)| *messages == 1) { whole } else { 0 };
            self.large_bytes =
                if biggest > INPUT_BYTES_MAX { (biggest + LARGE_MARGIN).min(LARGE_BYTES_MAX) } else { 0 };
            let mut husk = self.husk.take();
            let mut rest = Vec::new();
            if !tail.is_empty() {
                let trusted = INPUT_BYTES_MAX.max(self.large_bytes);
                let room = scanner.need().min(trusted).max(self.input_bytes).max(self.large_bytes).max(tail.len());
                rest = fresh_buffer(&mut self.lent, &mut self.husk, room);
                if rest.capacity() == 0 && rest.try_reserve_exact(room).is_err() {
                    rest.reserve_exact(tail.len());
                }
                rest.extend_from_slice(tail);
            }
            let mut bytes = std::mem::replace(&mut self.input, rest);
            bytes.truncate(whole);
            let memory = match husk.take() {
                Some(mut husk) => {
                    husk.put_buffer(bytes);
                    husk
                }
                None => Memory::from(bytes),
            };
            for (index, (start, end, messages)) in pieces.into_iter().enumerate() {
                while let Some((_, event)) = after.next_if(|(before, _)| *before <= index) {
                    self.events.push_back(event);
                }
                self.events.push_back(Event::Messages(Run::new(framing, memory.clone(), start..end, messages)));
            }
        }
        self.events.extend(after.map(|(_, event)| event));
    }
}

/// A buffer for messages, out of what was lent if that has at least so much room.
fn fresh_buffer(lent: &mut Option<Memory>, husk: &mut Option<Memory>, room: usize) -> Vec<u8> {
    let Some(mut memory) = lent.take_if(|lent| lent.reusable_bytes() >= room) else { return Vec::new() };
    let buffer = memory.take_buffer();
    *husk = Some(memory);
    buffer.unwrap_or_default()
}

/// Where whole messages begin and end in the input, and how many they are: nearly always all in one piece.
type Pieces = SmallVec<[(usize, usize, usize); 1]>;

/// A group's name, up to a zero byte.
fn group_of(command: &'static str, data: &[u8]) -> Result<Frame, Error> {
    let name = data.split(|byte| *byte == 0).next().unwrap_or_default();
    if name.len() > GROUP_BYTES_MAX { Err(Error::MalformedCommand(command)) } else { Ok(Frame::from(name)) }
}

fn find<'a>(properties: &'a [(String, Bytes)], name: &str) -> Option<&'a Bytes> {
    properties.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// The socket type that a peer announces, if it does; the first, if it does so more than once.
///
/// # Errors
/// One of them is none that a socket of type `own` talks to.
fn type_of_peer(properties: &[(String, Bytes)], own: SocketType) -> Result<Option<SocketType>, Error> {
    let mut announced = None;
    for (_, name) in properties.iter().filter(|(property, _)| property == "Socket-Type") {
        let peer = SocketType::from_name(name).filter(|peer| own.accepts(*peer));
        let shown = name.get(..TYPE_BYTES_SHOWN).unwrap_or(name);
        let peer = peer.ok_or_else(|| Error::IncompatibleType(String::from_utf8_lossy(shown).into_owned()))?;
        announced.get_or_insert(peer);
    }
    Ok(announced)
}

fn push_commands(mechanism: &mut dyn Mechanism, out: &mut Vec<u8>) {
    while let Some(body) = mechanism.next_command() {
        Framing::V2.encode_header(out, body.len(), false, true);
        out.extend_from_slice(&body);
    }
}

/// Capacity of an input buffer after a pause, and while reads keep filling it.
const INPUT_BYTES_MIN: usize = 8 * 1024;
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// The most that a buffer grows by where nothing says how much is to come.
const INPUT_GROWTH_MAX: usize = 1024 * 1024;

/// Longest header of a frame.
const HEADER_BYTES_MAX: usize = 10;

/// Events there is room for while there are none.
const EVENTS_KEPT: usize = 64;

/// Room for a header beside a large message, and the largest message room is made for in advance.
const LARGE_MARGIN: usize = 32;
const LARGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of an unknown socket type that errors name.
const TYPE_BYTES_SHOWN: usize = 32;

/// Longest name of a group.
const GROUP_BYTES_MAX: usize = 255;

/// Bytes of a PING's context that are given back.
const PING_CONTEXT_MAX: usize = 16;

/// Answers not fetched by the driver, beyond which PINGs go unanswered.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
