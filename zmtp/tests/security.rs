//! PLAIN and CURVE as two connections joined by queues: both roles, any split, and what must not pass.

use std::sync::Arc;
use std::time::Instant;

use zmtp::{
    Config, Connection, CurveKey, CurveSecret, Error, Event, Framing, MechanismConfig, Question, Sealer, SocketType,
    Verdict,
};

/// Miri interprets each step: it is given so many times less to do.
const LESS: usize = if cfg!(miri) { 100 } else { 1 };

struct Peer {
    connection: Connection,
    sealer: Option<Sealer>,
    asked: Vec<Question>,
    bodies: Vec<(Vec<u8>, bool)>,
    verdict: Option<Verdict>,
    now: Instant,
}

impl Peer {
    fn new(socket_type: SocketType, mechanism: MechanismConfig) -> Peer {
        let mut config = Config::new(socket_type);
        config.authenticate = true;
        if matches!(mechanism, MechanismConfig::Null) {
            config.authenticate = false;
        }
        config.mechanism = mechanism;
        let now = Instant::now();
        let connection = Connection::new(Arc::new(config), now);
        let verdict = Some(Verdict::Welcome);
        Peer { connection, sealer: None, asked: Vec::new(), bodies: Vec::new(), verdict, now }
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for byte in bytes {
            self.connection.input().push(*byte);
            let handled = self.connection.handle_input(self.now);
            while let Some(event) = self.connection.poll_event() {
                match event {
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
                    _ => {}
                }
            }
            handled?;
            if self.connection.is_ready() && self.sealer.is_none() {
                self.sealer = self.connection.take_sealer();
            }
        }
        Ok(())
    }

    fn message(&mut self, body: &[u8], more: bool) -> Vec<u8> {
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

fn plain_client() -> MechanismConfig {
    MechanismConfig::PlainClient { username: "admin".into(), password: "secret".into() }
}

/// The keys of the specification's vectors.
fn server_secret() -> CurveSecret {
    CurveSecret::from_z85("JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6").unwrap()
}

fn client_secret() -> CurveSecret {
    CurveSecret::from_z85("D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs").unwrap()
}

fn curve_client(server: CurveKey) -> MechanismConfig {
    MechanismConfig::CurveClient { public: client_secret().public(), secret: client_secret(), server }
}

fn curve_pair() -> (Peer, Peer) {
    let server = Peer::new(SocketType::Router, MechanismConfig::CurveServer { secret: server_secret() });
    (Peer::new(SocketType::Dealer, curve_client(server_secret().public())), server)
}

#[test]
fn plain_asks_who_it_is_and_lets_in() {
    let server = MechanismConfig::PlainServer;
    let (mut client, mut server) = (Peer::new(SocketType::Dealer, plain_client()), Peer::new(SocketType::Rep, server));
    let [hello, _] = settle(&mut client, &mut server).unwrap();
    assert!(client.connection.is_ready() && server.connection.is_ready());
    let bytes = b"\x04\x13\x05HELLO\x05admin\x06secret";
    assert!(hello.windows(bytes.len()).any(|window| window == bytes));
    assert_eq!(server.asked.len(), 1);
    assert_eq!(server.asked[0].credentials, [b"admin".to_vec(), b"secret".to_vec()]);
    let message = client.message(b"hi", false);
    server.feed(&message).unwrap();
    assert_eq!(server.bodies, [(b"hi".to_vec(), false)]);
}

#[test]
fn who_is_refused_learns_the_status_and_is_never_ready() {
    for (client, server) in [
        (plain_client(), MechanismConfig::PlainServer),
        (curve_client(server_secret().public()), MechanismConfig::CurveServer { secret: server_secret() }),
    ] {
        let (mut client, mut server) = (Peer::new(SocketType::Push, client), Peer::new(SocketType::Pull, server));
        server.verdict = Some(Verdict::Refused(400));
        assert_eq!(settle(&mut client, &mut server), Err(Error::Refused("400".into())));
        assert_eq!(Error::Refused("400".into()).refused_status(), Some(400));
        assert!(!client.connection.is_ready() && !server.connection.is_ready());
    }
}

#[test]
fn nothing_goes_on_before_the_answer() {
    for (client, server) in [
        (plain_client(), MechanismConfig::PlainServer),
        (curve_client(server_secret().public()), MechanismConfig::CurveServer { secret: server_secret() }),
    ] {
        let (mut client, mut server) = (Peer::new(SocketType::Push, client), Peer::new(SocketType::Pull, server));
        server.verdict = None;
        settle(&mut client, &mut server).unwrap();
        assert!(!server.connection.is_ready() && !client.connection.is_ready());
        let impatient = client.message(b"let me in", false);
        assert!(server.feed(&impatient).is_err());
        assert!(server.bodies.is_empty());
    }
}

#[test]
fn curve_encrypts_both_ways_and_shows_the_key() {
    let (mut client, mut server) = curve_pair();
    settle(&mut client, &mut server).unwrap();
    assert!(client.connection.is_ready() && server.connection.is_ready());
    assert_eq!(server.asked[0].credentials, [client_secret().public().as_bytes().to_vec()]);
    let mut stream = client.message(b"Hello, this is secret", true);
    stream.extend(client.message(b"", false));
    assert!(!stream.windows(6).any(|window| window == b"secret"));
    server.feed(&stream).unwrap();
    assert_eq!(server.bodies, [(b"Hello, this is secret".to_vec(), true), (Vec::new(), false)]);
    let answer = server.message(&[7; 100_000 / LESS], false);
    assert_eq!(answer.len(), 9 + 33 + 100_000 / LESS);
    client.feed(&answer).unwrap();
    assert_eq!(client.bodies, [(vec![7; 100_000 / LESS], false)]);
}

#[test]
fn a_wrong_server_key_ends_the_handshake() {
    let (_, mut server) = curve_pair();
    let other = CurveSecret::generate().unwrap().public();
    let mut client = Peer::new(SocketType::Dealer, curve_client(other));
    assert_eq!(settle(&mut client, &mut server), Err(Error::Cryptographic));
}

#[test]
fn no_frame_passes_twice_out_of_order_or_changed() {
    let fresh = || {
        let (mut client, mut server) = curve_pair();
        settle(&mut client, &mut server).unwrap();
        let frames = [client.message(b"one", false), client.message(b"two", false)];
        (server, frames)
    };
    let (mut server, frames) = fresh();
    server.feed(&frames[0]).unwrap();
    assert_eq!(server.feed(&frames[0]), Err(Error::InvalidSequence));
    let (mut server, frames) = fresh();
    server.feed(&frames[1]).unwrap();
    assert_eq!(server.feed(&frames[0]), Err(Error::InvalidSequence));
    assert_eq!(server.bodies, [(b"two".to_vec(), false)]);
    let (_, frames) = fresh();
    for index in (2..frames[0].len()).step_by(LESS) {
        let (mut server, mut frames) = fresh();
        frames[0][index] ^= 1;
        assert!(server.feed(&frames[0]).is_err(), "byte {index}");
        assert!(server.bodies.is_empty());
    }
}

/// As [`settle`]; what the server says goes through `tamper`.
fn settle_tampered(client: &mut Peer, server: &mut Peer, tamper: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<(), Error> {
    loop {
        let (to_server, to_client) = (client.connection.take_output(), server.connection.take_output());
        if to_server.is_none() && to_client.is_none() {
            return Ok(());
        }
        server.feed(&to_server.unwrap_or_default())?;
        client.feed(&tamper(to_client.unwrap_or_default()))?;
    }
}

#[test]
fn what_a_server_says_passes_once_and_in_its_place() {
    // READY is encrypted, and its name is not.
    for word in [&b"\x07WELCOME"[..], b"\x05READY"] {
        let is_meant = |said: &[u8]| said.windows(word.len()).any(|part| part == word);
        let recorded = std::cell::RefCell::new(Vec::new());
        let (mut client, mut server) = curve_pair();
        let record = |said: Vec<u8>| {
            if is_meant(&said) {
                recorded.replace(said.clone());
            }
            said
        };
        settle_tampered(&mut client, &mut server, record).unwrap();
        let recorded = recorded.into_inner();
        assert!(client.connection.is_ready() && !recorded.is_empty());
        let (mut client, mut server) = curve_pair();
        let twice = |said: Vec<u8>| if is_meant(&said) { said.repeat(2) } else { said };
        assert!(settle_tampered(&mut client, &mut server, twice).is_err(), "twice");
        let (mut client, mut server) = curve_pair();
        let old = |said: Vec<u8>| if is_meant(&said) { recorded.clone() } else { said };
        assert!(settle_tampered(&mut client, &mut server, old).is_err(), "of another session");
        assert!(!client.connection.is_ready());
    }
    let (mut client, mut server) = curve_pair();
    settle(&mut client, &mut server).unwrap();
    let frames = [server.message(b"one", false), server.message(b"two", false), server.message(b"three", false)];
    client.feed(&frames[0]).unwrap();
    client.feed(&frames[2]).unwrap();
    assert_eq!(client.feed(&frames[1]), Err(Error::InvalidSequence));
    assert_eq!(client.bodies, [(b"one".to_vec(), false), (b"three".to_vec(), false)]);
}

#[test]
fn a_recorded_handshake_opens_no_second_connection() {
    let (mut client, mut server) = curve_pair();
    let [recorded, _] = settle(&mut client, &mut server).unwrap();
    let (_, mut again) = curve_pair();
    let result = again.feed(&recorded);
    assert_eq!(result, Err(Error::Cryptographic));
    assert!(again.asked.is_empty() && !again.connection.is_ready());
}

#[test]
fn no_peer_without_the_mechanism_gets_in() {
    let hellos: [&[u8]; 5] = [
        // ZMTP 1.0, 1.0 with a version, 2.0, and 3 with NULL.
        b"\x01\x00\x06\x00hello",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x00\x07\x01\x00\x06\x00hello",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x07\x00\x00\x00\x05hello",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for mechanism in [MechanismConfig::PlainServer, MechanismConfig::CurveServer { secret: server_secret() }] {
        for hello in hellos {
            let mut server = Peer::new(SocketType::Pull, mechanism.clone());
            assert!(server.feed(hello).is_err(), "{hello:?}");
            assert!(server.bodies.is_empty() && !server.connection.is_ready());
        }
    }
}

#[test]
fn commands_cut_short_or_made_longer_are_refused() {
    let (mut client, mut server) = curve_pair();
    let mut greeting = client.connection.take_output().unwrap();
    server.feed(&greeting).unwrap();
    let answer = server.connection.take_output().unwrap();
    client.feed(&answer).unwrap();
    greeting = client.connection.take_output().unwrap();
    server.feed(&greeting).unwrap();
    let answer = server.connection.take_output().unwrap();
    client.feed(&answer).unwrap();
    let hello = client.connection.take_output().unwrap();
    // Flags, length, then the command.
    for len in [0u8, 1, 6, 199, 201] {
        let (_, mut server) = curve_pair();
        server.feed(&greeting_of_a_client()).unwrap();
        let mut bytes = vec![4, len];
        bytes.extend(hello[2..].iter().copied().chain([0; 8]).take(usize::from(len)));
        assert!(server.feed(&bytes).is_err(), "{len}");
    }
}

fn greeting_of_a_client() -> Vec<u8> {
    let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE".to_vec();
    greeting.resize(64, 0);
    greeting
}
