//! Handshakes in odd pieces: those that the kernel does not take at once go on when it has room, and end when there is none
//! in time; what comes in one piece with their end is heard.

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{frame, greeting, property};
use util::{LONG, handshake};
use zefiro::auth::{Answer, Request};
use zefiro::{Builder, Context, CurveSecret, Event, EventKind, Monitor, Pull, Push, Req, SharedKey, Socket, kind};
use zmtp::{Config, Connection, MechanismConfig, SocketType};

/// A socket that says more in its handshake than its kernel's buffer has room for.
fn wordy<K: kind::Typed>(context: &Context) -> Builder<K> {
    Socket::<K>::builder()
        .context(context)
        .metadata(vec![("X-Large".to_string(), vec![b'x'; METADATA])])
        .handshake_bytes_max(None)
        .handshake_interval(3 * LONG)
        .send_buffer(SMALLEST)
        .recv_timeout(LONG)
        .send_timeout(LONG)
}

const METADATA: usize = 1 << 20;

/// The kernel takes it for the least that it gives.
const SMALLEST: usize = 1;

/// The sockets say what they have to, although neither kernel takes it at once.
fn join(pull: impl Fn() -> Builder<kind::Pull>, push: impl Fn() -> Builder<kind::Push>) {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let (pull, push): (Pull, Push) = (pull().build().unwrap(), push().build().unwrap());
        push.connect(pull.bind(endpoint).unwrap().to_string()).unwrap();
        push.send("hello").unwrap();
        let (message, peer) = pull.recv_from().unwrap();
        assert_eq!(message, "hello");
        assert_eq!(peer.unwrap().get("X-Large").unwrap().len(), METADATA);
    }
}

#[test]
fn a_handshake_that_the_kernel_does_not_take_at_once_goes_on() {
    let context = Context::new();
    join(|| wordy(&context), || wordy(&context));
}

#[test]
fn an_encrypted_handshake_that_the_kernel_does_not_take_at_once_goes_on() {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    join(|| wordy(&context).shared_key(key.clone()), || wordy(&context).shared_key(key.clone()));
}

/// A stream to a pull socket.
fn dial(pull: &Pull) -> TcpStream {
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap()
}

#[test]
fn a_peer_that_reads_late_and_slowly_hears_all_of_it() {
    let context = Context::new();
    let pull: Pull = wordy(&context).build().unwrap();
    let mut stream = dial(&pull);
    stream.set_read_timeout(Some(LONG)).unwrap();
    // Nothing more is said that would bring the other side back to what it has left to say.
    stream.write_all(&handshake("PUSH")).unwrap();
    let mut heard = 0;
    let mut buffer = [0; 5_000];
    while heard < 64 + METADATA {
        thread::yield_now();
        heard += stream.read(&mut buffer).expect("all of it");
    }
    stream.write_all(&[0, 5]).unwrap();
    stream.write_all(b"hello").unwrap();
    assert_eq!(pull.recv().unwrap(), "hello");
}

#[test]
fn a_peer_that_says_all_and_hears_nothing_is_given_up_in_time() {
    let context = Context::new();
    let pull: Pull = wordy(&context).handshake_interval(Duration::from_millis(200)).build().unwrap();
    let mut monitor = pull.monitor();
    let mut stream = dial(&pull);
    stream.write_all(&handshake("PUSH")).unwrap();
    // What it sends is not taken meanwhile, nor kept.
    stream.set_nonblocking(true).unwrap();
    let mut taken = 0;
    loop {
        taken += stream.write(&[0; 64 * 1024]).unwrap_or_default();
        match monitor.recv_timeout(Duration::from_millis(1)) {
            Some(event) if matches!(event.kind, EventKind::HandshakeFailed(_)) => break,
            Some(event) => assert!(!matches!(event.kind, EventKind::HandshakeSucceeded)),
            None => {}
        }
    }
    assert!(taken < 32 << 20, "{taken} bytes were taken of a peer that hears nothing");
}

/// Longer than the sockets below take.
const TOO_LONG: usize = 1001;

/// A pull socket that takes frames of a thousand bytes.
fn strict(context: &Context) -> Builder<kind::Pull> {
    Pull::builder().context(context).recv_timeout(LONG).max_frame_size(TOO_LONG as u64 - 1)
}

/// Two messages have come in one piece with the end of the handshake and with what breaks the rules behind them.
fn assert_heard(pull: &Pull, monitor: &mut Monitor) {
    assert_eq!(pull.recv().unwrap(), "one");
    assert_eq!(pull.recv().unwrap(), ["two", "parts"]);
    let of_connection = |kind: &EventKind| !matches!(kind, EventKind::Listening | EventKind::ConnectDelayed);
    let mut kinds = std::iter::from_fn(|| monitor.recv_timeout(LONG)).map(|event| event.kind).filter(of_connection);
    assert!(matches!(kinds.next(), Some(EventKind::Accepted | EventKind::Connected)));
    assert_eq!(kinds.next(), Some(EventKind::HandshakeSucceeded));
    let mut next = kinds.next();
    if matches!(next, Some(EventKind::ProtocolFailed(_))) {
        next = kinds.next();
    }
    assert!(matches!(&next, Some(EventKind::Disconnected(why)) if why.contains("where 1000")), "{next:?}");
    let counters = pull.counters();
    assert_eq!((counters.received, counters.dropped.oversize), (2, 1), "{counters:?}");
    util::assert_balanced("pull", counters);
}

/// What a peer says that makes two messages and then one that is too long.
fn messages() -> Vec<u8> {
    [frame(0, b"one"), frame(1, b"two"), frame(0, b"parts"), frame(0, &[0; TOO_LONG])].concat()
}

#[test]
fn messages_before_a_fault_are_heard_though_they_come_in_one_piece_with_the_handshake() {
    let pull = strict(&Context::new()).build().unwrap();
    let mut monitor = pull.monitor();
    let mut stream = dial(&pull);
    stream.write_all(&[handshake("PUSH"), messages()].concat()).unwrap();
    assert_heard(&pull, &mut monitor);
    stream.set_read_timeout(Some(LONG)).unwrap();
    assert!(stream.read_to_end(&mut Vec::new()).is_ok_and(|said| said > 64), "the peer was told, then cut off");
}

#[test]
fn messages_of_somebody_known_before_a_fault_are_heard_too() {
    let pull = strict(&Context::new()).plain_server(true).authenticator(|_: &Request| Answer::allow("admin"));
    let pull = pull.build().unwrap();
    let mut monitor = pull.monitor();
    let mut stream = dial(&pull);
    stream.write_all(&[greeting(1, "PLAIN"), frame(4, b"\x05HELLO\x05admin\x06secret")].concat()).unwrap();
    stream.read_exact(&mut [0; 64 + 10]).expect("WELCOME");
    let initiate = [&b"\x08INITIATE"[..], &property("Socket-Type", b"PUSH")].concat();
    stream.write_all(&[frame(4, &initiate), messages()].concat()).unwrap();
    assert_heard(&pull, &mut monitor);
}

#[test]
fn encrypted_messages_before_a_fault_are_heard_though_they_come_in_one_piece_with_the_handshake() {
    let (server, client) = (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pull = strict(&Context::new()).curve_server_key(server.public()).curve_secret_key(client);
    let pull = pull.reconnect_interval(None).build().unwrap();
    let mut monitor = pull.monitor();
    pull.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut config = Config::new(SocketType::Push);
    (config.mechanism, config.as_server) = (MechanismConfig::CurveServer { secret: server }, true);
    let mut push = Connection::new(Arc::new(config), Instant::now());
    while !push.is_ready() {
        stream.write_all(&push.take_output().unwrap_or_default()).unwrap();
        let mut piece = [0; 1000];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "it goes on");
        push.input().extend_from_slice(&piece[..count]);
        push.handle_input(Instant::now()).unwrap();
    }
    let mut last = push.take_output().expect("READY");
    let mut sealer = push.take_sealer().unwrap();
    for (more, part) in [(false, &b"one"[..]), (true, b"two"), (false, b"parts"), (false, &[0; TOO_LONG])] {
        sealer.seal(&mut last, more, false, part).unwrap();
    }
    stream.write_all(&last).unwrap();
    assert_heard(&pull, &mut monitor);
}

#[test]
fn what_is_to_be_sent_is_kept_from_a_peer_that_breaks_the_rules_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let push = Push::builder().context(&Context::new()).max_frame_size(TOO_LONG as u64 - 1);
    let push = push.build().unwrap();
    push.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    push.send("hello").unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(&[handshake("PULL"), frame(0, &[0; TOO_LONG])].concat()).unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert!(!said.windows(5).any(|part| part == b"hello"));
}

#[test]
fn a_reply_before_the_request_from_a_peer_that_breaks_the_rules_at_once_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let req = Req::builder().context(&Context::new()).max_frame_size(TOO_LONG as u64 - 1);
    let req = req.build().unwrap();
    let mut monitor = req.monitor();
    req.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    req.send("question").unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream
        .write_all(&[handshake("REP"), frame(1, b""), frame(0, b"early"), frame(0, &[0; TOO_LONG])].concat())
        .unwrap();
    let is_over = |event: Event| matches!(event.kind, EventKind::Disconnected(_));
    assert!(std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(is_over));
    assert!(req.try_recv().unwrap_err().is_would_block());
    let counters = req.counters();
    assert_eq!((counters.received, counters.dropped.filtered), (0, 1), "{counters:?}");
    util::assert_balanced("req", counters);
}
