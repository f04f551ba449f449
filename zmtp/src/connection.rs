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
use crate::frame::Frame;
use crate::greeting::{Greeting, Settled, signature};
use crate::heartbeat::{Clocks, Due};
use crate::mechanism::gssapi::Step;
use crate::mechanism::{Mechanism, Opener, Question, Sealer, Verdict};
use crate::memory::Memory;
use crate::scanner::Scanner;
use crate::socket_type::SocketType;

/// The protocol's versions.
///
/// ```
/// assert!(zmtp::Version::V3_0 < zmtp::Version::V3_1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "they are named as they are numbered")]
pub enum Version {
    V1_0,
    V2_0,
    V3_0,
    V3_1,
}

/// What a connection has to tell its driver.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, Event, SocketType};
/// # let now = Instant::now();
/// # let mut publisher = Connection::new(Arc::new(Config::new(SocketType::Pub)), now);
/// # let mut subscriber = Connection::new(Arc::new(Config::new(SocketType::Sub)), now);
/// # while publisher.has_output() || subscriber.has_output() {
/// #     let (from_publisher, from_subscriber) = (publisher.take_output(), subscriber.take_output());
/// #     publisher.input().extend(from_subscriber.unwrap_or_default());
/// #     publisher.handle_input(now)?;
/// #     subscriber.input().extend(from_publisher.unwrap_or_default());
/// #     subscriber.handle_input(now)?;
/// # }
/// # publisher.poll_event();
/// subscriber.framing().encode_subscription(publisher.input(), subscriber.version(), true, b"weather");
/// publisher.handle_input(now)?;
/// assert!(matches!(publisher.poll_event(), Some(Event::Subscribe(topic)) if topic == "weather"));
/// # Ok::<(), zmtp::Error>(())
/// ```
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
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, Event, SocketType, Version};
/// # let now = Instant::now();
/// # let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), now);
/// # let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), now);
/// # while push.has_output() || pull.has_output() {
/// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
/// #     push.input().extend(from_pull.unwrap_or_default());
/// #     push.handle_input(now)?;
/// #     pull.input().extend(from_push.unwrap_or_default());
/// #     pull.handle_input(now)?;
/// # }
/// let Some(Event::Ready(peer)) = pull.poll_event() else { panic!("it comes first") };
/// assert_eq!((peer.version, peer.socket_type), (Version::V3_1, Some(SocketType::Push)));
/// # Ok::<(), zmtp::Error>(())
/// ```
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
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, Error, SocketType};
/// let now = Instant::now();
/// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), now);
/// pull.input().extend_from_slice(b"GET / HTTP/1.1\r\n\r\n");
/// assert_eq!(pull.handle_input(now), Err(Error::MalformedFrame));
/// ```
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
    /// The mechanism is there, and has said what it has to, once the peer is known to have one, if it speaks first.
    Greeting(Greeting, Option<Box<dyn Mechanism>>),
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
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
    /// assert_eq!(push.take_output().unwrap_or_default()[0], 0xff);
    /// ```
    pub fn new(config: Arc<Config>, now: Instant) -> Connection {
        let mut output = Vec::new();
        signature(&config, &mut output);
        Connection {
            handshake_ends: config.handshake_timeout.and_then(|timeout| now.checked_add(timeout)),
            config,
            phase: Phase::Greeting(Greeting::Signature, None),
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
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// # let now = Instant::now();
    /// # let config = Arc::new(Config::new(SocketType::Pair));
    /// # let (mut one, mut other) = (Connection::new(config.clone(), now), Connection::new(config, now));
    /// other.input().extend(one.take_output().unwrap_or_default());
    /// other.handle_input(now)?;
    /// assert!(other.has_output());
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Error, SocketType};
    /// let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
    /// let deadline = push.next_deadline().expect("a handshake has a time limit");
    /// assert_eq!(push.handle_timeout(deadline), Err(Error::HandshakeTimeout));
    /// ```
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
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use zmtp::{Config, Connection, Error, SocketType};
    /// # let now = Instant::now();
    /// let mut config = Config::new(SocketType::Pair);
    /// config.heartbeat.interval = Some(Duration::from_secs(5));
    /// config.heartbeat.timeout = Some(Duration::from_secs(10));
    /// # let config = Arc::new(config);
    /// # let (mut one, mut other) = (Connection::new(config.clone(), now), Connection::new(config, now));
    /// # while !one.is_ready() || !other.is_ready() {
    /// #     other.input().extend(one.take_output().unwrap_or_default());
    /// #     other.handle_input(now)?;
    /// #     one.input().extend(other.take_output().unwrap_or_default());
    /// #     one.handle_input(now)?;
    /// # }
    /// let later = now + Duration::from_secs(5);
    /// one.handle_timeout(later)?; // Sends a PING, which nobody answers.
    /// assert!(!one.is_peer_late(later));
    /// assert!(one.is_peer_late(later + Duration::from_secs(10)));
    /// assert_eq!(one.handle_timeout(later + Duration::from_secs(10)), Err(Error::HeartbeatTimeout));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn is_peer_late(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Traffic(_)) && self.clocks.is_late(now)
    }

    /// The peer is known to live by other means than by what it says.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use zmtp::{Config, Connection, SocketType};
    /// # let now = Instant::now();
    /// # let mut config = Config::new(SocketType::Pair);
    /// # config.heartbeat.interval = Some(Duration::from_secs(5));
    /// # config.heartbeat.timeout = Some(Duration::from_secs(10));
    /// # let config = Arc::new(config);
    /// # let (mut one, mut other) = (Connection::new(config.clone(), now), Connection::new(config, now));
    /// # while !one.is_ready() || !other.is_ready() {
    /// #     other.input().extend(one.take_output().unwrap_or_default());
    /// #     other.handle_input(now)?;
    /// #     one.input().extend(other.take_output().unwrap_or_default());
    /// #     one.handle_input(now)?;
    /// # }
    /// one.handle_timeout(now + Duration::from_secs(5))?; // Sends a PING, which nobody answers.
    /// one.peer_lives();
    /// assert!(!one.is_peer_late(now + Duration::from_secs(60)));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn peer_lives(&mut self) {
        self.clocks.heard();
    }

    /// The next event, if it is a question about the peer.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType, Verdict};
    /// # let now = Instant::now();
    /// # let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), now);
    /// let mut config = Config::new(SocketType::Pull);
    /// config.authenticate = true;
    /// let mut pull = Connection::new(Arc::new(config), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// // The peer has introduced itself, and waits.
    /// assert_eq!(pull.take_question().map(|question| question.mechanism), Some("NULL"));
    /// pull.answer(Verdict::Welcome, now)?;
    /// assert!(pull.is_ready());
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, MechanismConfig, SocketType};
    /// # let now = Instant::now();
    /// # let (mut config, mut server) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
    /// config.mechanism = MechanismConfig::GssapiClient { plaintext: true };
    /// # server.mechanism = MechanismConfig::GssapiServer { plaintext: true };
    /// # server.as_server = true;
    /// # let mut push = Connection::new(Arc::new(config), now);
    /// # let mut pull = Connection::new(Arc::new(server), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// // A client's first step needs nothing of the peer's.
    /// assert_eq!(push.take_token(), Some(Vec::new()));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Error, MechanismConfig, SocketType};
    /// # let now = Instant::now();
    /// # let (mut config, mut server) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
    /// # config.mechanism = MechanismConfig::GssapiClient { plaintext: true };
    /// # server.mechanism = MechanismConfig::GssapiServer { plaintext: true };
    /// # server.as_server = true;
    /// # let mut push = Connection::new(Arc::new(config), now);
    /// # let mut pull = Connection::new(Arc::new(server), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// let step = Err("no credentials".to_string());
    /// assert_eq!(push.negotiated(step, now), Err(Error::Negotiation("no credentials".into())));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, MechanismConfig, SocketType, Verdict};
    /// # let now = Instant::now();
    /// # let (mut config, mut asking) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
    /// # config.mechanism = MechanismConfig::PlainClient { username: b"admin".to_vec(), password: "secret".into() };
    /// # asking.mechanism = MechanismConfig::PlainServer;
    /// # asking.as_server = true;
    /// # let mut push = Connection::new(Arc::new(config), now);
    /// # let mut pull = Connection::new(Arc::new(asking), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// let question = pull.take_question().expect("a PLAIN server asks");
    /// let known = question.credentials == [&b"admin"[..], b"secret"];
    /// pull.answer(if known { Verdict::Welcome } else { Verdict::Refused(400) }, now)?;
    /// assert!(pull.has_output());
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Event, CurveSecret, MechanismConfig, SocketType};
    /// # let now = Instant::now();
    /// # let (server, secret) = (CurveSecret::generate()?, CurveSecret::generate()?);
    /// # let (mut config, mut serving) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
    /// # config.mechanism = MechanismConfig::CurveClient { public: secret.public(), secret, server: server.public() };
    /// # serving.mechanism = MechanismConfig::CurveServer { secret: server };
    /// # serving.as_server = true;
    /// # let mut push = Connection::new(Arc::new(config), now);
    /// # let mut pull = Connection::new(Arc::new(serving), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// # pull.poll_event();
    /// let mut sealer = push.take_sealer().expect("both sides use CURVE");
    /// sealer.seal(pull.input(), false, false, b"hello")?;
    /// pull.handle_input(now)?;
    /// let Some(Event::Messages(mut messages)) = pull.poll_event() else { panic!("one was sent") };
    /// assert_eq!(messages.next_frame(), Some(("hello".into(), false)));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn take_sealer(&mut self) -> Option<Sealer> {
        self.sealer.take()
    }

    /// What has happened, in order.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
    /// assert!(push.poll_event().is_none());
    /// ```
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_none() {
            // A flood of commands is not to be remembered by the room it took.
            self.events.shrink_to(EVENTS_KEPT);
        }
        event
    }

    /// Bytes to write. Once ready, always whole frames, to be written between messages.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
    /// assert!(push.take_output().is_some());
    /// assert_eq!(push.take_output(), None);
    /// ```
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        if self.output.is_empty() { None } else { Some(std::mem::take(&mut self.output)) }
    }

    /// Whether there are bytes to write.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// let push = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
    /// assert!(push.has_output());
    /// ```
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// When to call [`handle_timeout`](Connection::handle_timeout); may have moved after any call in.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use zmtp::{Config, Connection, SocketType};
    /// let now = Instant::now();
    /// let mut config = Config::new(SocketType::Push);
    /// config.handshake_timeout = Some(Duration::from_secs(3));
    /// let push = Connection::new(Arc::new(config), now);
    /// assert_eq!(push.next_deadline(), Some(now + Duration::from_secs(3)));
    /// ```
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Traffic(_) => self.clocks.next(),
            Phase::Over => None,
            _ => self.handshake_ends,
        }
    }

    /// Whether the handshake is over.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType};
    /// # let now = Instant::now();
    /// # let config = Arc::new(Config::new(SocketType::Pair));
    /// # let (mut one, mut other) = (Connection::new(config.clone(), now), Connection::new(config, now));
    /// while !one.is_ready() || !other.is_ready() {
    ///     other.input().extend(one.take_output().unwrap_or_default());
    ///     other.handle_input(now)?;
    ///     one.input().extend(other.take_output().unwrap_or_default());
    ///     one.handle_input(now)?;
    /// }
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Traffic(_))
    }

    /// How messages for the peer are framed; settled by the greeting.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, Framing, SocketType};
    /// let push = Connection::new(Arc::new(Config::new(SocketType::Push)), Instant::now());
    /// assert_eq!(push.framing(), Framing::V2);
    /// ```
    pub fn framing(&self) -> Framing {
        self.settled.framing()
    }

    /// The version both sides speak; settled by the greeting.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, SocketType, Version};
    /// # let now = Instant::now();
    /// let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), now);
    /// // A peer of ZMTP 2.0, of type PUSH, without an identity.
    /// pull.input().extend_from_slice(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\0\0");
    /// pull.handle_input(now)?;
    /// assert_eq!(pull.version(), Version::V2_0);
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn version(&self) -> Version {
        self.settled.version
    }

    fn advance(&mut self, now: Instant) -> Result<(), Error> {
        if let Phase::Greeting(greeting, mechanism) = &mut self.phase {
            let settled = greeting.step(&self.config, &mut self.input, &mut self.output)?;
            // What can be said at once goes out together with the greeting: each flight costs both sides system calls.
            if *greeting == Greeting::Rest && mechanism.is_none() && self.config.mechanism.speaks_first() {
                let mechanism = mechanism.insert(self.config.mechanism.start(&self.config)?);
                push_commands(&mut **mechanism, &mut self.output);
            }
            let Some(settled) = settled else { return Ok(()) };
            self.settled = settled;
            self.phase = if settled.version >= Version::V3_0 {
                let mut mechanism = match mechanism.take() {
                    Some(mechanism) => mechanism,
                    None => self.config.mechanism.start(&self.config)?,
                };
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
