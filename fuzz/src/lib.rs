//! Fuzz targets: functions of bytes that must end without a panic, whatever the bytes are.
//!
//! The binary of this crate feeds them with mutations of a small corpus on a stable toolchain; `cargo fuzz` can call
//! the same functions (see README.md).

mod authenticators;
mod curve;
mod datagrams;
mod frames;
mod handshakes;
mod patience;
mod proxy;
mod sockets;
mod strangers;

pub use self::authenticators::zap_handlers;
pub use self::curve::{curve_client, curve_server};
pub use self::datagrams::datagrams;
pub use self::frames::frames;
pub use self::handshakes::{greetings, handshakes, pieces};
pub use self::sockets::sockets;
pub use self::strangers::strangers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zmtp::{
    Config, Connection, CurveSecret, Error, Established, Event, Framing, MechanismConfig, Memory, Question, Run,
    SocketType, Step, Verdict, Wrapping,
};

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets that take no longer than their bytes.
pub const TARGETS: [Target; 19] = [
    ("headers", headers),
    ("frames", frames),
    ("metadata", metadata),
    ("commands", commands),
    ("connection", connection),
    ("pair", pair),
    ("pieces", pieces),
    ("greetings", greetings),
    ("handshakes", handshakes),
    ("secured", secured),
    ("curve_client", curve_client),
    ("curve_server", curve_server),
    ("endpoint", endpoint),
    ("options", options),
    ("z85", keys),
    ("certificates", certificates),
    ("zap_reply", zap_reply),
    ("socks", socks),
    ("subscriptions", subscriptions),
];

/// Those with sockets, threads and waits.
pub const SLOW: [Target; 4] =
    [("sockets", sockets), ("strangers", strangers), ("datagrams", datagrams), ("zap_handlers", zap_handlers)];

/// Frame headers, and runs cut from garbage.
pub fn headers(bytes: &[u8]) {
    for framing in [Framing::V1, Framing::V2] {
        let _ = framing.decode_header(bytes);
        let mut run = Run::new(framing, Memory::from(bytes.to_vec()), 0..bytes.len(), 3);
        while run.next_frame().is_some() {}
    }
}

/// The properties of a handshake: those that are read are all that is there, but for a last name without a value.
pub fn metadata(bytes: &[u8]) {
    let Ok(properties) = zmtp::parse_metadata(bytes) else { return };
    if properties.iter().any(|(name, _)| name.contains(char::REPLACEMENT_CHARACTER)) {
        return;
    }
    let written = properties.iter().flat_map(|(name, value)| {
        [&[name.len() as u8], name.as_bytes(), &(value.len() as u32).to_be_bytes(), value].concat()
    });
    let rest = bytes.strip_prefix(&written.collect::<Vec<u8>>()[..]).expect("what was read was there");
    assert!(rest.first().is_none_or(|len| usize::from(*len) + 1 == rest.len()), "{rest:?} was not read");
}

/// Command frames.
pub fn commands(bytes: &[u8]) {
    zmtp::fuzzing::command(bytes);
}

/// Endpoint texts: what one is printed as means the same.
pub fn endpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for parse in [zefiro::Endpoint::parse_bind, zefiro::Endpoint::parse_connect] {
        if let Ok(parsed) = parse(&text) {
            let printed = parsed.to_string();
            assert_eq!(parse(&printed).expect(&printed), parsed, "{text} and {printed}");
        }
    }
}

/// One connection fed with arbitrary bytes in arbitrary pieces, its timers run at arbitrary times. The first byte chooses
/// the socket type and whether the handshake is done properly first.
pub fn connection(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let (mut connection, mut now) = fresh(*choice);
    if choice & 0x80 != 0 && !feed(&mut connection, &handshake(), now) {
        return;
    }
    let mut rest = bytes;
    while let Some((step, more)) = rest.split_first() {
        let (piece, behind) = more.split_at(more.len().min(1 + usize::from(*step)));
        rest = behind;
        now += Duration::from_millis(u64::from(*step));
        if step % 7 == 0 && connection.handle_timeout(now).is_err() {
            return;
        }
        if !feed(&mut connection, piece, now) {
            return;
        }
    }
}

/// Two connections joined by queues, with a byte now and then changed on the way; then messages from one to the other.
pub fn pair(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let (mut one, now) = fresh(*choice);
    let own = type_of(*choice);
    // Some speak no ZMTP.
    let Some(other) = SocketType::ALL.iter().position(|peer| own.accepts(*peer)) else { return };
    let (mut other, _) = fresh(other as u8 | choice & 0xe0);
    let mut wire = Wire { faults: bytes.iter(), damaged: false };
    if !converse(&mut one, &mut other, now, &mut wire) {
        assert!(wire.damaged, "two good peers of {own} parted");
        return;
    }
    assert!(wire.damaged || (one.is_ready() && other.is_ready()), "two good peers of {own} are not ready");
    for body in bytes.chunks(100) {
        let mut message = Vec::new();
        one.framing().encode(&mut message, body, body[0] & 1 != 0);
        wire.carry(&mut message);
        if !feed(&mut other, &message, now) || !converse(&mut one, &mut other, now, &mut wire) {
            return;
        }
    }
}

/// A client and a server of PLAIN, CURVE or GSSAPI, with bytes changed on the way, and traffic if the handshake goes well; or
/// one of them fed with arbitrary bytes behind a good greeting. The first byte chooses.
pub fn secured(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let server_key = CurveSecret::new([7; 32]);
    let (client, server) = if choice & 16 != 0 {
        let plaintext = choice & 1 != 0;
        (MechanismConfig::GssapiClient { plaintext }, MechanismConfig::GssapiServer { plaintext })
    } else if choice & 1 == 0 {
        let username = if choice & 32 != 0 { "user" } else { "bob" };
        let client = MechanismConfig::PlainClient { username: username.into(), password: "password".into() };
        (client, MechanismConfig::PlainServer)
    } else {
        let secret = CurveSecret::new([9; 32]);
        let client = MechanismConfig::CurveClient { public: secret.public(), secret, server: server_key.public() };
        (client, MechanismConfig::CurveServer { secret: server_key })
    };
    let start = |mechanism: MechanismConfig| {
        let mut config = Config::new(SocketType::Dealer);
        config.limits.message_bytes_max = Some(1 << 20);
        config.authenticate = choice & 2 != 0;
        config.mechanism = mechanism;
        Connection::new(Arc::new(config), Instant::now())
    };
    let (name, now) = (client.name(), Instant::now());
    let (mut one, mut other) = (start(client), start(server));
    if choice & 4 != 0 {
        let side = if choice & 8 != 0 { &mut one } else { &mut other };
        let _ = feed(side, &greeting(name), now) && feed(side, bytes, now);
        return;
    }
    let mut on_the_way = Wire { faults: bytes.iter(), damaged: false };
    let went_well = converse(&mut one, &mut other, now, &mut on_the_way) && one.is_ready() && other.is_ready();
    let welcome = if name == "PLAIN" { choice & 32 == 0 } else { name == "GSSAPI" || choice & 2 == 0 };
    assert!(went_well || on_the_way.damaged || !welcome, "two good peers of {name} are not ready");
    if !went_well {
        return;
    }
    let Some(mut sealer) = one.take_sealer() else { return };
    let mut wire = Vec::new();
    for body in bytes.chunks(100) {
        if sealer.seal(&mut wire, body.len() < 100, body.len() == 1, body).is_err() {
            return;
        }
        on_the_way.carry(&mut wire);
    }
    feed(&mut other, &wire, now);
}

/// Options by number, as C sets and reads them, and by name: what one reads as sets it again.
pub fn options(bytes: &[u8]) {
    let Some((numbers, value)) = bytes.split_at_checked(2) else { return };
    option_by_name(numbers[1], &String::from_utf8_lossy(value));
    let mut options = zefiro::Options::default();
    let socket_type = SocketType::ALL[usize::from(numbers[0]) % SocketType::ALL.len()];
    let number = i32::from(numbers[1]);
    if options.set_raw(socket_type, number, Some(value)).is_ok() {
        let _ = options.validate();
    }
    let mut room = vec![0; value.len().min(300)];
    let _ = options.read_raw(number, &mut room);
    let _ = options.set_raw(socket_type, number, None);
    let _ = zefiro::ContextOptions::default().set_raw(number, Some(value));
}

fn option_by_name(which: u8, text: &str) {
    let table = zefiro::option_table();
    let name = table[usize::from(which) % table.len()].field;
    let (mut options, mut again) = (zefiro::Options::default(), zefiro::Options::default());
    // Of a secret it reads whether there is one.
    if SECRETS.contains(&name) || options.set_text(name, text).is_err() {
        return;
    }
    let read = options.text(name).expect("there is such an option");
    again.set_text(name, &read).expect(&read);
    assert_eq!(again.text(name), Some(read), "{name} from {text}");
}

const SECRETS: [&str; 4] = ["plain_password", "socks_password", "curve_secret_key", "shared_key"];

/// Certificates and shared keys.
pub fn certificates(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = text.parse::<zefiro::SharedKey>();
    if let Some(certificate) = zefiro::certificate::Certificate::parse(text) {
        assert!(certificate.secret_key().is_none_or(|secret| secret.public() == certificate.public_key()));
    }
}

/// What a ZAP handler answers; `|` is between frames.
pub fn zap_reply(bytes: &[u8]) {
    let reply: zefiro::Message = bytes.split(|byte| *byte == b'|').map(zefiro::Frame::from).collect();
    if let Ok((status, user)) = zefiro::benching::zap_reply(&reply) {
        let frames: Vec<&zefiro::Frame> = reply.frames().collect();
        assert!(frames.len() == 7 && frames[0].is_empty() && *frames[1] == b"1.0"[..] && *frames[2] == b"1"[..]);
        assert!([200, 300, 400, 500].contains(&status) && *frames[3] == status.to_string().as_bytes()[..]);
        assert!(*frames[5] == user[..]);
    }
}

/// What a SOCKS5 proxy answers, a byte at a time, with and without a login.
pub fn socks(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let connected = zefiro::benching::socks(choice & 1 != 0, bytes);
    assert!(connected.is_none_or(|used| (9..=2 + 2 + 7 + 255).contains(&used) && used <= bytes.len()));
}

/// Subscriptions, beside a set of all of them. A step is three bytes: what and whose, how long the topic is, and which of
/// its bytes is another one, so that many topics begin one another.
pub fn subscriptions(bytes: &[u8]) {
    let mut index = zefiro::benching::Index::new();
    let mut naive: BTreeSet<(Vec<u8>, u32)> = BTreeSet::new();
    for step in bytes.as_chunks::<3>().0 {
        let [what, len, other] = step.map(usize::from);
        let mut topic = vec![b'a'; len];
        if let Some(byte) = topic.get_mut(other) {
            *byte = b'b';
        }
        let subscriber = what as u32 >> 3 & 3;
        let is_there = |naive: &BTreeSet<(Vec<u8>, u32)>, topic: &[u8]| naive.iter().any(|(known, _)| known == topic);
        match what & 7 {
            0..=3 => {
                assert_eq!(index.add(&topic, subscriber), !is_there(&naive, &topic));
                naive.insert((topic, subscriber));
            }
            4 => {
                let was_there = naive.remove(&(topic.clone(), subscriber));
                assert_eq!(index.remove(&topic, subscriber), was_there && !is_there(&naive, &topic));
            }
            5 if other > 250 => {
                let (gone, left): (BTreeSet<_>, _) = naive.into_iter().partition(|(_, whose)| *whose == subscriber);
                naive = left;
                let last = gone.iter().filter(|(topic, _)| !is_there(&naive, topic)).count();
                assert_eq!(index.leave(subscriber), last);
            }
            _ => {
                let mut found = Vec::new();
                index.matches(&topic, &mut found);
                found.sort_unstable();
                let meant = naive.iter().filter(|(known, _)| topic.starts_with(known)).map(|(_, whose)| *whose);
                assert_eq!(found, meant.collect::<BTreeSet<u32>>().into_iter().collect::<Vec<_>>());
            }
        }
    }
}

/// Keys as text.
pub fn keys(bytes: &[u8]) {
    if let Some(decoded) = zmtp::z85::decode(bytes) {
        assert_eq!(zmtp::z85::encode(&decoded).unwrap().as_bytes(), bytes);
    }
    if let Some(text) = zmtp::z85::encode(bytes).filter(|text| !text.is_empty()) {
        assert_eq!(zmtp::z85::decode(text.as_bytes()).unwrap(), bytes);
    }
}

fn fresh(choice: u8) -> (Connection, Instant) {
    let mut config = Config::new(type_of(choice));
    config.limits.message_bytes_max = Some(1 << 20);
    config.limits.message_frames_max = 1000;
    config.heartbeat.interval = (choice & 0x40 != 0).then_some(Duration::from_millis(50));
    let now = Instant::now();
    (Connection::new(Arc::new(config), now), now)
}

fn type_of(choice: u8) -> SocketType {
    SocketType::ALL[usize::from(choice & 0x1f) % SocketType::ALL.len()]
}

/// What lies between two peers: each fault is for what is carried next.
struct Wire<'a> {
    faults: std::slice::Iter<'a, u8>,
    damaged: bool,
}

impl Wire<'_> {
    /// Changes a byte, loses the end, or says it twice; three times out of four nothing of these.
    fn carry(&mut self, bytes: &mut Vec<u8>) {
        let Some(fault) = self.faults.next().filter(|fault| **fault & 3 == 3 && !bytes.is_empty()) else { return };
        let at = usize::from(fault >> 4) * 11 % bytes.len();
        match fault >> 2 & 3 {
            0 | 1 => bytes[at] ^= fault,
            2 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
        self.damaged = true;
    }
}

/// Carries what two peers say until neither has more to say; `false` when one of them has ended the connection.
fn converse(one: &mut Connection, other: &mut Connection, now: Instant, wire: &mut Wire<'_>) -> bool {
    let mut to_other = one.take_output().unwrap_or_default();
    let mut to_one = other.take_output().unwrap_or_default();
    for _ in 0..64 {
        if to_other.is_empty() && to_one.is_empty() {
            return true;
        }
        wire.carry(&mut to_other);
        wire.carry(&mut to_one);
        let (from_other, from_one) = (hear(other, &to_other, now, &mut |_| {}), hear(one, &to_one, now, &mut |_| {}));
        let (Ok(from_other), Ok(from_one)) = (from_other, from_one) else { return false };
        (to_other, to_one) = (from_one, from_other);
    }
    true
}

/// What a well-behaved 3.1 peer without a socket type says first.
fn handshake() -> Vec<u8> {
    let mut bytes = greeting("NULL");
    bytes.extend_from_slice(b"\x04\x06\x05READY");
    bytes
}

fn greeting(mechanism: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1];
    bytes.extend_from_slice(mechanism.as_bytes());
    bytes.resize(64, 0);
    bytes
}

/// A step of a security context that wraps by adding a byte, and stands after a token each way.
fn step(token: &[u8]) -> Result<Step, String> {
    let established = Established { principal: "bob".into(), wrapping: Arc::new(Paper) };
    match token {
        b"" => Ok(Step { token: b"hello".to_vec(), established: None }),
        b"hello" => Ok(Step { token: b"welcome".to_vec(), established: Some(established) }),
        b"welcome" => Ok(Step { token: Vec::new(), established: Some(established) }),
        [0, ..] => Ok(Step { token: Vec::new(), established: Some(established) }),
        [1, ..] => Ok(Step { token: vec![1], established: None }),
        _ => Err("no such token".into()),
    }
}

struct Paper;

impl Wrapping for Paper {
    fn wrap(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        Ok([&[7], text].concat())
    }

    fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, Error> {
        token.strip_prefix(&[7]).map(<[u8]>::to_vec).ok_or(Error::Cryptographic)
    }
}

/// Feeds all bytes; `false` when the connection has ended. What comes out must be whole.
fn feed(connection: &mut Connection, bytes: &[u8], now: Instant) -> bool {
    hear(connection, bytes, now, &mut |_| {}).is_ok()
}

/// Feeds all bytes, and shows what comes of them; what was answered, or why the connection has ended.
fn hear(
    connection: &mut Connection,
    bytes: &[u8],
    now: Instant,
    see: &mut dyn FnMut(&mut Event),
) -> Result<Vec<u8>, Error> {
    let mut rest = bytes;
    let mut output = Vec::new();
    while !rest.is_empty() {
        let buffer = connection.input();
        let room = (buffer.capacity() - buffer.len()).min(rest.len());
        assert!(room > 0, "no room to read into");
        assert!(buffer.capacity() <= 4 << 20, "a peer made us allocate {} bytes", buffer.capacity());
        buffer.extend_from_slice(&rest[..room]);
        rest = &rest[room..];
        let mut result = connection.handle_input(now);
        while let Some(mut event) = connection.poll_event() {
            if let Event::Messages(run) = &event {
                let mut run = run.clone();
                let (mut messages, promised) = (0, run.messages());
                while let Some((_, more)) = run.next_frame() {
                    messages += usize::from(!more);
                }
                assert_eq!(messages, promised, "a run did not hold what it promised");
            }
            see(&mut event);
            let gone_on = match event {
                Event::Authenticate(question) => connection.answer(verdict(&question), now),
                Event::Negotiate(token) => connection.negotiated(step(&token), now),
                _ => Ok(()),
            };
            result = result.and(gone_on);
        }
        output.extend(connection.take_output().unwrap_or_default());
        let _ = connection.next_deadline();
        result?;
    }
    Ok(output)
}

/// Who is welcome: whose first credential begins with an even byte, or who has none.
fn verdict(question: &Question) -> Verdict {
    match question.credentials.first().and_then(|credential| credential.first()) {
        Some(first) if first & 1 == 1 => Verdict::Refused(400),
        _ => Verdict::Welcome,
    }
}
