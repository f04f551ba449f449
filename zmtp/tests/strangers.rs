//! What a peer may not do, each limit and each check by itself.

use std::sync::Arc;
use std::time::Instant;

use zmtp::{Config, Connection, CurveSecret, Error, Event, MechanismConfig, SocketType, Verdict};

/// Miri interprets each step: it has fewer, and still more than are answered.
const PINGS: usize = if cfg!(miri) { 5_000 } else { 100_000 };

/// What no process can hold, with the little that comes before it.
const HELD_BYTES_MAX: u64 = if cfg!(target_pointer_width = "64") { 1 << 47 } else { isize::MAX as u64 };

struct Peer {
    connection: Connection,
    said: Vec<u8>,
    questions: usize,
    now: Instant,
}

impl Peer {
    fn new(change: impl FnOnce(&mut Config)) -> Peer {
        let mut config = Config::new(SocketType::Pull);
        change(&mut config);
        let now = Instant::now();
        Peer { connection: Connection::new(Arc::new(config), now), said: Vec::new(), questions: 0, now }
    }

    /// One whose handshake is over.
    fn greeted(change: impl FnOnce(&mut Config)) -> Peer {
        let mut peer = Peer::new(change);
        peer.hear(&[greeting("NULL"), ready()].concat()).unwrap();
        assert!(peer.connection.is_ready());
        peer
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for piece in bytes.chunks(1000) {
            self.connection.input().extend_from_slice(piece);
            let handled = self.connection.handle_input(self.now);
            while let Some(event) = self.connection.poll_event() {
                self.questions += usize::from(matches!(event, Event::Authenticate(_)));
            }
            handled?;
        }
        Ok(())
    }

    fn says(&mut self) -> &[u8] {
        self.said.extend(self.connection.take_output().unwrap_or_default());
        &self.said
    }

    fn has_said(&mut self, words: &[u8]) -> bool {
        self.says().windows(words.len()).any(|part| part == words)
    }

    /// A refusal leads nowhere, whatever is said after it.
    fn is_out(&mut self, then: &[u8]) -> bool {
        let _ = self.hear(then);
        !self.connection.is_ready() && !self.has_said(b"\x05READY")
    }
}

fn greeting(mechanism: &str) -> Vec<u8> {
    let mut bytes = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01".to_vec();
    bytes.extend_from_slice(mechanism.as_bytes());
    bytes.resize(64, 0);
    bytes
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let header = match u8::try_from(body.len()) {
        Ok(len) => vec![flags, len],
        Err(_) => [&[flags | 2][..], &(body.len() as u64).to_be_bytes()].concat(),
    };
    [&header, body].concat()
}

fn ready() -> Vec<u8> {
    frame(4, b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH")
}

fn initiate() -> Vec<u8> {
    frame(4, b"\x08INITIATE\x0bSocket-Type\0\0\0\x04PUSH")
}

fn oversize(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Oversize { .. }))
}

#[test]
fn versions_without_security_are_refused_where_the_peer_is_asked_about() {
    let hellos: [&[u8]; 3] = [
        b"\x01\x00\x06\x00hello",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x00\x07\x01\x00",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x07\x00\x00",
    ];
    for hello in hellos {
        let mut peer = Peer::new(|config| config.authenticate = true);
        assert_eq!(peer.hear(hello), Err(Error::InsecureVersion));
        assert!(Peer::new(|_| {}).hear(hello).is_ok());
    }
}

#[test]
fn the_mechanism_s_name_is_compared_to_its_end() {
    for name in ["NULL\0X", "NULL2", "NUL", "NULLNULLNULLNULLNULL", "null", "", "\0NULL"] {
        assert!(matches!(Peer::new(|_| {}).hear(&greeting(name)), Err(Error::MechanismMismatch(_))), "{name:?}");
    }
}

#[test]
fn each_limit_holds_without_the_others() {
    let frames = |config: &mut Config| {
        (config.limits.frame_bytes_max, config.limits.message_bytes_max) = (Some(100), None);
    };
    let messages = |config: &mut Config| config.limits.message_bytes_max = Some(100);
    for change in [&frames as &dyn Fn(&mut Config), &messages] {
        let mut peer = Peer::greeted(change);
        peer.hear(&frame(0, &[7; 100])).unwrap();
        // Announced is enough.
        assert!(oversize(peer.hear(&[0, 101])));
        assert!(oversize(Peer::greeted(change).hear(&[2, 0, 0, 0, 0, 0, 0, 0, 101])));
        assert!(oversize(Peer::greeted(change).hear(&[1, 101])));
        assert!(oversize(Peer::greeted(change).hear(&[4, 101])));
    }
    let parts = [frame(1, &[7; 60]), frame(0, &[7; 40])].concat();
    Peer::greeted(messages).hear(&parts.repeat(3)).unwrap();
    let parts = [frame(1, &[7; 30]), frame(1, &[7; 40]), frame(0, &[7; 31])].concat();
    assert!(oversize(Peer::greeted(messages).hear(&parts)));
    Peer::greeted(frames).hear(&parts).unwrap();
}

#[test]
fn commands_of_the_handshake_have_limits_of_their_own() {
    for (command, frame) in [(600, None), (10_000, Some(600))] {
        let limited = |config: &mut Config| {
            (config.limits.command_bytes_max, config.limits.frame_bytes_max) = (command, frame);
        };
        let announced = |bytes: u64| [greeting("NULL"), vec![6], bytes.to_be_bytes().to_vec()].concat();
        assert!(Peer::new(limited).hear(&announced(600)).is_ok());
        assert!(oversize(Peer::new(limited).hear(&announced(601))));
        assert!(oversize(Peer::new(limited).hear(&announced(u64::MAX))));
        // As does the identity of older versions.
        let identity = [&b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x07\x02"[..], &601u64.to_be_bytes()].concat();
        assert!(oversize(Peer::new(limited).hear(&identity)));
    }
}

#[test]
fn encrypted_frames_are_too_large_as_soon_as_they_say_so() {
    let secret = CurveSecret::generate().unwrap();
    for (frames, messages) in [(Some(1000), None), (None, Some(100)), (None, None)] {
        // The handshake's commands are frames, too, and of a message's limit the box does not count. Without limits, it is
        // what memory can hold.
        let most: u64 = frames.or(messages.map(|bytes| bytes + 33)).unwrap_or(HELD_BYTES_MAX);
        let (now, client_secret) = (Instant::now(), CurveSecret::generate().unwrap());
        let mut config = Config::new(SocketType::Push);
        let public = client_secret.public();
        config.mechanism = MechanismConfig::CurveClient { public, secret: client_secret, server: secret.public() };
        let mut client = Connection::new(Arc::new(config), now);
        let change = |config: &mut Config| {
            config.mechanism = MechanismConfig::CurveServer { secret: secret.clone() };
            config.limits.frame_bytes_max = frames;
            config.limits.message_bytes_max = messages;
        };
        let mut server = Peer::new(change);
        while let Some(said) = client.take_output() {
            server.hear(&said).unwrap();
            client.input().extend(server.connection.take_output().unwrap_or_default());
            client.handle_input(now).unwrap();
        }
        assert!(server.connection.is_ready());
        let announced = [&[2][..], &(most + 1).to_be_bytes()].concat();
        server.hear(&announced[..8]).unwrap();
        assert!(oversize(server.hear(&announced[8..])));
    }
}

#[test]
fn sizes_are_refused_or_cost_nothing_however_they_are_split() {
    let sizes = [31, 32, 47, 62, 63].into_iter().flat_map(|power| [(1u64 << power) - 1, 1 << power, (1 << power) + 1]);
    let unlimited = |config: &mut Config| {
        (config.limits.frame_bytes_max, config.limits.message_bytes_max) = (None, None);
    };
    let of_version_1 = || {
        let mut peer = Peer::new(unlimited);
        peer.hear(b"\x01\x00").unwrap();
        peer
    };
    for size in sizes.chain([u64::MAX - 1, u64::MAX]) {
        for (flags, first) in [(2u8, false), (3, false), (6, false), (0, true), (1, true)] {
            // In version 1 the flags are behind the size and counted in it.
            let header = match first {
                false => [&[flags][..], &size.to_be_bytes()].concat(),
                true => [&[0xff][..], &size.to_be_bytes(), &[flags]].concat(),
            };
            for cut in 0..=header.len() {
                let mut peer = if first { of_version_1() } else { Peer::greeted(unlimited) };
                let heard = peer.hear(&header[..cut]).and_then(|()| peer.hear(&header[cut..]));
                // A machine's memory has no room for more, with its header.
                match size > HELD_BYTES_MAX - 16 {
                    true => assert!(oversize(heard), "{size} with {flags} cut at {cut}"),
                    false => {
                        heard.unwrap();
                        peer.hear(b"and no more").unwrap();
                        let held = peer.connection.input().capacity();
                        assert!(held <= 128 << 10, "{size} with {flags} cut at {cut}: {held} bytes are held");
                    }
                }
            }
        }
    }
}

#[test]
fn a_socket_type_said_twice_must_fit_twice() {
    let said = |name: &str| [&b"\x0bSocket-Type\0\0\0"[..], &[name.len() as u8], name.as_bytes()].concat();
    let hear = |second: &str| {
        let ready = [&b"\x05READY"[..], &said("PUSH"), &said(second)].concat();
        Peer::new(|_| {}).hear(&[greeting("NULL"), frame(4, &ready)].concat())
    };
    assert!(hear("PUSH").is_ok());
    assert!(matches!(hear("PULL"), Err(Error::IncompatibleType(_))));
}

#[test]
fn a_status_is_three_digits_and_nothing_else() {
    for (reason, status) in [("400", Some(400)), ("0400", None), ("+400", None), ("200", None), ("", None)] {
        assert_eq!(Error::Refused(reason.into()).refused_status(), status, "{reason}");
    }
}

#[test]
fn pings_are_answered_briefly_and_not_for_ever() {
    let ping = |context: &[u8]| frame(4, &[b"\x04PING\0\0", context].concat());
    let mut peer = Peer::greeted(|_| {});
    peer.says();
    peer.said.clear();
    peer.hear(&ping(b"0123456789abcdefghijk")).unwrap();
    assert_eq!(peer.says(), frame(4, b"\x04PONG0123456789abcdef"));
    peer.said.clear();
    peer.hear(&ping(b"0123456789abcdef").repeat(PINGS)).unwrap();
    assert!(peer.says().len() < 70_000);
}

#[test]
fn with_null_nothing_is_said_or_heard_before_the_verdict() {
    let asking = |config: &mut Config| config.authenticate = true;
    for verdict in [None, Some(300), Some(400), Some(500)] {
        let mut peer = Peer::new(asking);
        peer.hear(&[greeting("NULL"), ready()].concat()).unwrap();
        assert_eq!(peer.questions, 1);
        if let Some(status) = verdict {
            peer.connection.answer(Verdict::Refused(status), peer.now).unwrap();
            assert_eq!(peer.has_said(b"\x05ERROR"), status >= 400);
        }
        assert!(peer.is_out(&[]), "{verdict:?}");
        assert_eq!(peer.hear(&ready()), Err(Error::UnexpectedCommand));
        assert!(peer.is_out(&frame(0, b"hello")), "{verdict:?}");
    }
    let mut peer = Peer::new(asking);
    peer.hear(&[greeting("NULL"), ready()].concat()).unwrap();
    peer.connection.answer(Verdict::Welcome, peer.now).unwrap();
    assert!(peer.connection.is_ready() && peer.has_said(b"\x05READY"));
}

#[test]
fn with_plain_who_is_refused_or_still_asked_about_cannot_go_on() {
    let hello = frame(4, b"\x05HELLO\x05admin\x06secret");
    let asking = |config: &mut Config| config.mechanism = MechanismConfig::PlainServer;
    for verdict in [None, Some(300), Some(400), Some(500), Some(201)] {
        for then in [initiate(), ready(), hello.clone(), frame(0, b"hello")] {
            let mut peer = Peer::new(asking);
            peer.hear(&[greeting("PLAIN"), hello.clone()].concat()).unwrap();
            assert_eq!(peer.questions, 1);
            if let Some(status) = verdict {
                peer.connection.answer(Verdict::Refused(status), peer.now).unwrap();
                // A second answer is none.
                peer.connection.answer(Verdict::Welcome, peer.now).unwrap();
            }
            assert!(peer.is_out(&[then, initiate()].concat()), "{verdict:?}");
            assert!(!peer.has_said(b"WELCOME"));
        }
    }
    for hello in
        [&b"\x05HELLO\x05admin\x06secret!"[..], b"\x05HELLO\x05admin\x07secret", b"\x05HELLO\x05admin", b"\x05HELLO"]
    {
        let mut peer = Peer::new(asking);
        let heard = peer.hear(&[greeting("PLAIN"), frame(4, hello)].concat());
        assert!(matches!(heard, Err(Error::MalformedCommand(_))), "{hello:?}");
        assert_eq!(peer.questions, 0);
    }
    // INITIATE first, or the server's own commands.
    for first in [initiate(), ready(), frame(4, b"\x07WELCOME")] {
        let mut peer = Peer::new(asking);
        assert!(peer.hear(&[greeting("PLAIN"), first].concat()).is_err());
        assert!(peer.is_out(&[hello.clone(), initiate()].concat()) && peer.questions == 0);
    }
}
