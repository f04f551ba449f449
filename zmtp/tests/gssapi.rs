//! GSSAPI as two connections joined by queues, over a security context made of paper: both roles, any split, and what
//! must not pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use zmtp::{
    Config, Connection, Error, Established, Event, Framing, MechanismConfig, Question, Sealer, SocketType, Step,
    Verdict, Wrapping,
};

/// Numbers what it wraps, and adds one to each byte.
#[derive(Default)]
struct Paper {
    wrapped: AtomicU64,
    unwrapped: AtomicU64,
}

impl Wrapping for Paper {
    fn wrap(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let mut token = self.wrapped.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec();
        token.extend(text.iter().map(|byte| byte.wrapping_add(1)));
        Ok(token)
    }

    fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, Error> {
        let (number, text) = token.split_first_chunk::<8>().ok_or(Error::Cryptographic)?;
        if u64::from_be_bytes(*number) != self.unwrapped.fetch_add(1, Ordering::Relaxed) {
            return Err(Error::InvalidSequence);
        }
        Ok(text.iter().map(|byte| byte.wrapping_sub(1)).collect())
    }
}

/// Bytes of a message that comes a byte at a time. Miri interprets each step: for it, it is shorter.
const LONG: usize = if cfg!(miri) { 300 } else { 7_000 };

struct Peer {
    connection: Connection,
    serves: bool,
    sealer: Option<Sealer>,
    asked: Vec<Question>,
    bodies: Vec<(Vec<u8>, bool)>,
    topics: Vec<Vec<u8>>,
    steps: usize,
    /// Steps are to wait.
    stalled: bool,
    token: Option<Vec<u8>>,
    verdict: Option<Verdict>,
    now: Instant,
}

impl Peer {
    fn new(socket_type: SocketType, serves: bool, plaintext: bool) -> Peer {
        let mut config = Config::new(socket_type);
        config.authenticate = true;
        config.mechanism = if serves {
            MechanismConfig::GssapiServer { plaintext }
        } else {
            MechanismConfig::GssapiClient { plaintext }
        };
        let now = Instant::now();
        Peer {
            connection: Connection::new(Arc::new(config), now),
            serves,
            sealer: None,
            asked: Vec::new(),
            bodies: Vec::new(),
            topics: Vec::new(),
            steps: 0,
            stalled: false,
            token: None,
            verdict: Some(Verdict::Welcome),
            now,
        }
    }

    /// Two tokens each way, and nothing more to say for the client in the end.
    fn step(&mut self, token: &[u8]) -> Result<Step, String> {
        self.steps += 1;
        let established = || Some(Established { principal: "alice@TEST".into(), wrapping: Arc::new(Paper::default()) });
        let said = |token: &str, established| Ok(Step { token: token.into(), established });
        match (self.serves, token) {
            (false, b"") => said("hello", None),
            (true, b"hello") => said("who are you?", None),
            (false, b"who are you?") => said("alice", None),
            (true, b"alice") => said("come in", established()),
            (false, b"come in") => said("", established()),
            _ => Err("that makes no sense".into()),
        }
    }

    fn work(&mut self) -> Result<(), Error> {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Negotiate(token) if self.stalled => self.token = Some(token),
                Event::Negotiate(token) => {
                    let step = self.step(&token);
                    self.connection.negotiated(step, self.now)?;
                }
                Event::Authenticate(question) => {
                    self.asked.push(question);
                    if let Some(verdict) = self.verdict {
                        self.connection.answer(verdict, self.now)?;
                    }
                }
                Event::Messages(mut run) => {
                    while let Some((frame, more)) = run.next_frame() {
                        self.bodies.push((frame.to_vec(), more));
                    }
                }
                Event::Subscribe(topic) => self.topics.push(topic.to_vec()),
                _ => {}
            }
        }
        if self.connection.is_ready() && self.sealer.is_none() {
            self.sealer = self.connection.take_sealer();
        }
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for byte in bytes {
            self.connection.input().push(*byte);
            let handled = self.connection.handle_input(self.now);
            self.work()?;
            handled?;
        }
        Ok(())
    }

    fn frame(&mut self, body: &[u8], more: bool) -> Vec<u8> {
        let mut out = Vec::new();
        match &mut self.sealer {
            Some(sealer) => sealer.seal(&mut out, more, false, body).unwrap(),
            None => Framing::V2.encode(&mut out, body, more),
        }
        out
    }
}

/// Carries bytes both ways until neither has more to say; what each said is kept.
fn settle(one: &mut Peer, other: &mut Peer) -> Result<[Vec<u8>; 2], Error> {
    let mut said = [Vec::new(), Vec::new()];
    loop {
        let (to_other, to_one) = (one.connection.take_output(), other.connection.take_output());
        if to_other.is_none() && to_one.is_none() {
            return Ok(said);
        }
        let (to_other, to_one) = (to_other.unwrap_or_default(), to_one.unwrap_or_default());
        said[0].extend_from_slice(&to_other);
        said[1].extend_from_slice(&to_one);
        other.feed(&to_other)?;
        one.feed(&to_one)?;
    }
}

fn pair(plaintext: bool) -> (Peer, Peer) {
    (Peer::new(SocketType::Dealer, false, plaintext), Peer::new(SocketType::Dealer, true, plaintext))
}

fn command(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Framing::V2.encode_header(&mut out, body.len(), false, true);
    out.extend_from_slice(body);
    out
}

fn greeting() -> Vec<u8> {
    let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01GSSAPI".to_vec();
    greeting.resize(64, 0);
    greeting
}

const READY: &[u8] = b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER";
const HELLO: &[u8] = b"\x08INITIATE\0\0\0\x05hello";
const ALICE: &[u8] = b"\x08INITIATE\0\0\0\x05alice";

#[test]
fn both_sides_are_ready_and_the_principal_is_asked_about() {
    for plaintext in [false, true] {
        let (mut client, mut server) = pair(plaintext);
        let [said, _] = settle(&mut client, &mut server).unwrap();
        assert!(client.connection.is_ready() && server.connection.is_ready());
        assert_eq!((client.steps, server.steps), (3, 2));
        assert!(client.asked.is_empty());
        assert_eq!(server.asked.len(), 1);
        assert_eq!(
            (server.asked[0].mechanism, &server.asked[0].credentials),
            ("GSSAPI", &vec![b"alice@TEST".to_vec()])
        );
        assert_eq!(client.sealer.is_none(), plaintext);
        // In the clear, or not.
        assert_eq!(said.windows(5).any(|window| window == b"READY"), plaintext);
        for turn in 0..2 {
            let (from, to) = if turn == 0 { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let wire = [from.frame(b"one", true), from.frame(b"", true), from.frame(&[7; LONG], false)].concat();
            to.feed(&wire).unwrap();
            assert_eq!(to.bodies, [(b"one".to_vec(), true), (Vec::new(), true), (vec![7; LONG], false)]);
        }
    }
}

#[test]
fn the_bytes_are_libzmqs() {
    let (mut client, mut server) = pair(true);
    let [said, answered] = settle(&mut client, &mut server).unwrap();
    let ready = [READY, b"\x08Identity\0\0\0\0"].concat();
    let theirs = [command(HELLO), command(ALICE), b"\x04\x00".to_vec(), command(&ready)].concat();
    assert_eq!(said[64..], theirs);
    let ours = [&b"\x08INITIATE\0\0\0\x0cwho are you?"[..], b"\x08INITIATE\0\0\0\x07come in", &ready].map(command);
    assert_eq!(answered[64..], ours.concat());
}

#[test]
fn nothing_goes_on_before_a_step_is_made_or_after_one_that_failed() {
    let (mut client, mut server) = pair(false);
    server.stalled = true;
    settle(&mut client, &mut server).unwrap();
    assert_eq!(server.token.take(), Some(b"hello".to_vec()));
    let said = server.connection.negotiated(Err("the keys are gone".into()), server.now);
    assert_eq!(said, Err(Error::Negotiation("the keys are gone".into())));
    assert!(server.connection.take_output().is_none());
    // A step that comes too late, or that nobody asked for.
    let established = Established { principal: "mallory".into(), wrapping: Arc::new(Paper::default()) };
    let step = Step { token: Vec::new(), established: Some(established) };
    server.connection.negotiated(Ok(step), server.now).unwrap();
    server.work().unwrap();
    assert!(!server.connection.is_ready() && server.asked.is_empty());
}

#[test]
fn a_peer_that_does_not_wait_for_its_turn_is_cut() {
    let (_, mut server) = pair(true);
    server.stalled = true;
    server.feed(&greeting()).unwrap();
    server.feed(&command(HELLO)).unwrap();
    assert_eq!(server.feed(&command(READY)), Err(Error::UnexpectedCommand));
}

#[test]
fn a_token_for_a_context_that_stands_is_for_nobody() {
    for (last, is_wanted) in [(&b""[..], true), (b"\x08INITIATE\0\0\0\0", true), (HELLO, false), (ALICE, false)] {
        let (_, mut server) = pair(true);
        server.feed(&[greeting(), command(HELLO), command(ALICE)].concat()).unwrap();
        let heard = server.feed(&command(last));
        assert_eq!(heard, if is_wanted { Ok(()) } else { Err(Error::UnexpectedCommand) });
        assert_eq!(server.asked.len(), usize::from(is_wanted));
    }
}

/// The GSSAPI and ZAP bypass of 2026: whatever a peer sends, and whenever, nothing of a refused one gets across.
#[test]
fn only_a_welcome_leads_on() {
    for verdict in [None, Some(300), Some(400), Some(500), Some(0), Some(200)] {
        for plaintext in [false, true] {
            let (mut client, mut server) = pair(plaintext);
            server.verdict = verdict.map(Verdict::Refused);
            let settled = settle(&mut client, &mut server);
            assert!(!client.connection.is_ready() && !server.connection.is_ready(), "{verdict:?}");
            assert_eq!(server.asked.len(), 1);
            match verdict {
                Some(status @ (400 | 500)) => assert_eq!(settled, Err(Error::Refused(status.to_string()))),
                _ => assert!(settled.is_ok()),
            }
            // It goes on as if it had been let in, or asks again; a second answer does not help it.
            assert!(server.feed(&command(READY)).is_err());
            let _ = server.connection.answer(Verdict::Welcome, server.now);
            let _ = server.feed(&[command(READY), b"\0\x05Hello".to_vec()].concat());
            assert!(!server.connection.is_ready() && server.bodies.is_empty());
        }
    }
}

#[test]
fn who_speaks_plain_and_who_wraps_do_not_meet() {
    for plaintext in [false, true] {
        let mut client = Peer::new(SocketType::Dealer, false, plaintext);
        let mut server = Peer::new(SocketType::Dealer, true, !plaintext);
        assert_eq!(settle(&mut client, &mut server), Err(Error::UnexpectedCommand));
        assert!(!client.connection.is_ready() && !server.connection.is_ready());
    }
}

#[test]
fn wrapped_frames_do_not_pass_twice_changed_or_in_the_clear() {
    let through = || {
        let (mut client, mut server) = pair(false);
        settle(&mut client, &mut server).unwrap();
        (client, server)
    };
    let (mut client, mut server) = through();
    let frame = client.frame(b"Hello", false);
    server.feed(&frame).unwrap();
    assert_eq!(server.feed(&frame), Err(Error::InvalidSequence));
    let long = |token: &[u8], claimed: u32| [&b"\x07MESSAGE"[..], &claimed.to_be_bytes(), token].concat();
    for (body, error) in [
        (b"Hello".to_vec(), Error::MalformedCommand("")),
        (READY.to_vec(), Error::UnexpectedCommand),
        (b"".to_vec(), Error::MalformedCommand("")),
        (long(b"", 0), Error::Cryptographic),
        (long(b"12345678", 7), Error::MalformedCommand("MESSAGE")),
        (long(b"12345678", u32::MAX), Error::MalformedCommand("MESSAGE")),
        (long(b"12345678", 8), Error::InvalidSequence),
        // Wrapped well, but not even flags in it.
        (long(&1u64.to_be_bytes(), 8), Error::MalformedCommand("MESSAGE")),
    ] {
        let (_, mut server) = through();
        assert_eq!(server.feed(&command(&body)), Err(error), "{body:?}");
        assert!(server.bodies.is_empty());
    }
}

#[test]
fn tokens_of_a_wrong_length_are_refused() {
    for body in [
        &b"\x08INITIATE"[..],
        b"\x08INITIATE\0\0\0",
        b"\x08INITIATE\0\0\0\x04hello",
        b"\x08INITIATE\0\0\0\x06hello",
        b"\x08INITIATE\xff\xff\xff\xffhello",
    ] {
        let (_, mut server) = pair(false);
        server.feed(&greeting()).unwrap();
        assert_eq!(server.feed(&command(body)), Err(Error::MalformedCommand("INITIATE")), "{body:?}");
    }
    for body in [&b""[..], b"\x08", b"\x08INIT"] {
        let (_, mut server) = pair(false);
        server.feed(&greeting()).unwrap();
        assert_eq!(server.feed(&command(body)), Err(Error::MalformedCommand("")), "{body:?}");
    }
}

#[test]
fn subscriptions_marked_by_flags_are_understood() {
    let mut client = Peer::new(SocketType::Sub, false, false);
    let mut server = Peer::new(SocketType::Pub, true, false);
    settle(&mut client, &mut server).unwrap();
    // What is wrapped is the flags and the topic: as libzmq after 4.3.4 has it.
    let token = [1u64.to_be_bytes().as_slice(), &[4 + 1, b't' + 1]].concat();
    let message = [b"\x07MESSAGE\0\0\0\x0a".as_slice(), &token].concat();
    let mut frame = Vec::new();
    Framing::V2.encode(&mut frame, &message, false);
    server.feed(&frame).unwrap();
    assert_eq!(server.topics, [b"t".to_vec()]);
}
