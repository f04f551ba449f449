//! Connection: the state machine of one peer, from the first byte to the last.
//!
//! Here is what its driver calls. `config`: what this side is; `input`: the buffers for what comes; `handshake`, then
//! `traffic`: what is made of it.

mod config;
mod handshake;
mod input;
mod traffic;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

pub use self::config::{Config, Limits};
use self::handshake::push_commands;
use self::input::INPUT_BYTES_MIN;
use crate::codec::{Framing, Run};
use crate::command;
use crate::error::Error;
use crate::frame::{Frame, Memory};
use crate::greeting::{Greeting, Settled, signature};
use crate::heartbeat::{Clocks, Due};
use crate::mechanism::gssapi::Step;
use crate::mechanism::{Mechanism, Opener, Question, Sealer, Verdict};
use crate::scanner::Scanner;
use crate::socket_type::SocketType;

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
    events: VecDeque<Event>,
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
            events: VecDeque::new(),
            clocks: Clocks::default(),
            input_bytes: INPUT_BYTES_MIN,
            large_bytes: 0,
        }
    }

    /// Takes in what was appended to [`input`](Connection::input).
    ///
    /// # Errors
    /// The peer broke the protocol: the connection is over. Events and output from before the fault are still there.
    pub fn handle_input(&mut self, now: Instant) -> Result<(), Error> {
        self.fit_next_buffer();
        let result = self.advance(now);
        self.over_if_failed(result)
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
        self.over_if_failed(result)
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
        self.over_if_failed(result)
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

    /// A fault of the peer's ends the connection.
    fn over_if_failed(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if result.is_err() {
            self.phase = Phase::Over;
            self.input = Vec::new();
        }
        result
    }
}

/// Events there is room for while there are none.
const EVENTS_KEPT: usize = 64;
