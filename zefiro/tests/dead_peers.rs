//! Peers whose packets do not arrive any more: each end notices within the time it was given, whatever the type and the
//! mechanism.
//!
//! The kernel drops what comes for a stream once a filter says so: no end, no reset and no acknowledgement is told.

#![cfg(target_os = "linux")]

mod util;

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{dial, frame};
use util::{LONG, handshake};
use zefiro::auth::Users;
use zefiro::{AnySocket, Builder, Context, Event, EventKind, Monitor, SharedKey, Socket, SocketType, kind};

const PAIRS: [[SocketType; 2]; 11] = [
    [SocketType::Pair, SocketType::Pair],
    [SocketType::Pub, SocketType::Sub],
    [SocketType::XPub, SocketType::XSub],
    [SocketType::Push, SocketType::Pull],
    [SocketType::Rep, SocketType::Req],
    [SocketType::Router, SocketType::Dealer],
    [SocketType::Server, SocketType::Client],
    [SocketType::Radio, SocketType::Dish],
    [SocketType::Scatter, SocketType::Gather],
    [SocketType::Peer, SocketType::Peer],
    [SocketType::Channel, SocketType::Channel],
];

/// What a socket is told to do about its peers.
type Care = fn(Builder<kind::Any>) -> Builder<kind::Any>;

/// From now on nothing that comes for this stream arrives.
fn deafen(descriptor: u64) {
    let mut drop_all = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &mut drop_all };
    // SAFETY: the program outlives the call, and the descriptor is only a number to it.
    let result = unsafe {
        libc::setsockopt(
            descriptor as i32,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// The descriptor that an event tells.
fn descriptor(monitor: &mut Monitor, kind: EventKind) -> u64 {
    std::iter::from_fn(|| monitor.recv_timeout(LONG)).find(|event| event.kind == kind).expect("it is told").value
}

fn open(context: &Context, builder: Builder<kind::Any>) -> (AnySocket, Monitor) {
    let socket = builder.context(context).linger(Duration::ZERO).reconnect_interval(None).build().unwrap();
    let monitor = socket.monitor();
    (socket, monitor)
}

/// How long each end takes to notice.
fn times(types: [SocketType; 2], mechanism: &str, care: Care) -> [Duration; 2] {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    let [(bound, mut at_bound), (connected, mut at_connected)] = [true, false].map(|binds| {
        let builder = care(Socket::builder_of(types[usize::from(!binds)]));
        let builder = match (mechanism, binds) {
            ("PLAIN", true) => builder.plain_server(true).authenticator(Users::new().user("ann", "secret")),
            ("PLAIN", false) => builder.plain_username("ann").plain_password("secret"),
            ("CURVE", _) => builder.shared_key(key.clone()),
            _ => builder,
        };
        open(&context, builder)
    });
    connected.connect(bound.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    bound.wait_connected(1, LONG).unwrap();
    connected.wait_connected(1, LONG).unwrap();
    let ends = [descriptor(&mut at_bound, EventKind::Accepted), descriptor(&mut at_connected, EventKind::Connected)];
    ends.into_iter().for_each(deafen);
    let began = Instant::now();
    [at_bound, at_connected].map(|monitor| {
        let waiting = thread::spawn(move || {
            let mut events = monitor;
            let lost = std::iter::from_fn(|| events.recv_timeout(LONG))
                .find(|event| matches!(event.kind, EventKind::Disconnected(_)));
            lost.map(|_| began.elapsed())
        });
        waiting.join().unwrap().unwrap_or_else(|| panic!("{types:?}, {mechanism}: nobody noticed"))
    })
}

/// Each end notices in this time, in one of a few attempts: what else goes on on the machine only adds to it.
fn all_notice(within: Duration, care: Care) {
    thread::scope(|scope| {
        for types in PAIRS {
            for mechanism in ["NULL", "PLAIN", "CURVE"] {
                scope.spawn(move || {
                    let mut best = Duration::MAX;
                    for _ in 0..5 {
                        best = best.min(times(types, mechanism, care).into_iter().max().unwrap());
                        if best <= within {
                            return;
                        }
                    }
                    panic!("{types:?}, {mechanism}: noticed after {best:?}, not {within:?}");
                });
            }
        }
    });
}

#[test]
fn heartbeats_tell_of_dropped_packets_whatever_the_type_and_the_mechanism() {
    // A ping after 100 ms at the latest, and 200 ms for the answer.
    all_notice(Duration::from_millis(600), |builder| {
        builder.heartbeat_interval(Duration::from_millis(100)).heartbeat_timeout(Duration::from_millis(200))
    });
}

#[test]
fn the_time_to_live_that_a_peer_asks_for_is_heeded() {
    let ttl = Duration::from_millis(400);
    thread::scope(|scope| {
        for types in PAIRS {
            scope.spawn(move || {
                let took = (0..5).map(|_| time_to_live(types, ttl)).find(|took| (ttl / 2..ttl * 2).contains(took));
                took.unwrap_or_else(|| panic!("{types:?}: not noticed in {ttl:?}"));
            });
        }
    });
}

/// How long a socket that pings nobody keeps a peer that asked for a time to live, and then is silent.
fn time_to_live([own, other]: [SocketType; 2], ttl: Duration) -> Duration {
    let (bound, mut events) = open(&Context::new(), Socket::builder_of(own).liveness(None));
    let endpoint = bound.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut peer = dial(endpoint.trim_start_matches("tcp://"));
    let tenths = (ttl.as_millis() / 100) as u8;
    peer.write_all(&[handshake(other.name()), frame(4, &[b"\x04PING\0", &[tenths][..]].concat())].concat()).unwrap();
    let mut heard = Vec::new();
    while !heard.windows(4).any(|bytes| bytes == b"PONG") {
        let mut bytes = [0; 256];
        let count = peer.read(&mut bytes).unwrap();
        assert!(count > 0, "it hung up");
        heard.extend_from_slice(&bytes[..count]);
    }
    deafen(descriptor(&mut events, EventKind::Accepted));
    let began = Instant::now();
    let lost = |event: &Event| matches!(event.kind, EventKind::Disconnected(_));
    assert!(std::iter::from_fn(|| events.recv_timeout(LONG)).any(|event| lost(&event)), "{own}: it was not heeded");
    began.elapsed()
}

#[test]
fn the_care_that_is_on_by_default_tells_of_dropped_packets() {
    for types in PAIRS {
        let (socket, _) = open(&Context::new(), Socket::builder_of(types[0]));
        assert_eq!(socket.options().liveness, Some(Duration::from_secs(20)));
    }
    // The least there is.
    all_notice(Duration::from_millis(2500), |builder| builder.liveness(Duration::from_secs(1)));
}
