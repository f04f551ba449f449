//! Peers whose packets do not arrive any more: each end notices within the time it was given, whatever the type and the
//! mechanism.
//!
//! The kernel drops what comes for a stream once a filter says so: no end, no reset and no acknowledgement is told.

#![cfg(target_os = "linux")]

mod util;

use std::io::{Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockFilter, SockRef};
use util::hostile::{dial, frame};
use util::{LONG, handshake};
use zefiro::auth::Users;
use zefiro::{
    AnySocket, Builder, Context, Event, EventKind, Monitor, MonitorHandle, SharedKey, Socket, SocketType, kind,
};

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

/// A clock that stands still while this process has no turn, however long others keep it from having one.
fn now() -> Duration {
    static TICKS: AtomicU64 = AtomicU64::new(0);
    static TICKING: Once = Once::new();
    TICKING.call_once(|| {
        thread::spawn(|| {
            loop {
                thread::sleep(TICK);
                TICKS.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    TICK * TICKS.load(Ordering::Relaxed) as u32
}

const TICK: Duration = Duration::from_millis(10);

/// From now on nothing that comes for this stream arrives.
fn deafen(stream: &OwnedFd) {
    let return_0_bytes = SockFilter::new(0x06, 0, 0, 0);
    SockRef::from(stream).attach_filter(&[return_0_bytes]).unwrap();
}

/// A socket, and what happens to it.
struct End {
    socket: AnySocket,
    events: Monitor,
    /// Its streams, as they come: by descriptors of this test's own, whose numbers do not come to mean others.
    streams: Receiver<OwnedFd>,
    _telling: MonitorHandle,
}

impl End {
    fn new(context: &Context, builder: Builder<kind::Any>) -> End {
        let socket = builder.context(context).linger(Duration::ZERO).reconnect_interval(None).build().unwrap();
        let (sender, streams) = channel();
        let telling = socket.monitor_with(move |event| {
            if matches!(event.kind, EventKind::Accepted | EventKind::Connected) {
                // SAFETY: whoever tells has it open.
                let stream = unsafe { BorrowedFd::borrow_raw(event.value as i32) };
                let _ = sender.send(stream.try_clone_to_owned().unwrap());
            }
        });
        End { events: socket.monitor(), socket, streams, _telling: telling }
    }

    fn stream(&self) -> OwnedFd {
        self.streams.recv_timeout(LONG).unwrap()
    }

    fn hears_of_its_loss(&mut self) -> bool {
        let lost = |event: Event| matches!(event.kind, EventKind::Disconnected(_));
        std::iter::from_fn(|| self.events.recv_timeout(LONG)).any(lost)
    }
}

/// How long each end takes to notice. `None`: one was given up before.
fn times(types: [SocketType; 2], mechanism: &str, care: Care) -> Option<[Duration; 2]> {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    let mut ends = [true, false].map(|binds| {
        let builder = care(Socket::builder_of(types[usize::from(!binds)]));
        let builder = match (mechanism, binds) {
            ("PLAIN", true) => builder.plain_server(true).authenticator(Users::new().user("ann", "secret")),
            ("PLAIN", false) => builder.plain_username("ann").plain_password("secret"),
            ("CURVE", _) => builder.shared_key(key.clone()),
            _ => builder,
        };
        End::new(&context, builder)
    });
    let [bound, connected] = &ends;
    connected.socket.connect(bound.socket.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    bound.socket.wait_connected(1, LONG).unwrap();
    connected.socket.wait_connected(1, LONG).unwrap();
    ends.each_ref().map(End::stream).iter().for_each(deafen);
    let began = now();
    if ends.iter().any(|end| end.socket.peers().is_empty()) {
        return None;
    }
    Some(ends.each_mut().map(|end| {
        assert!(end.hears_of_its_loss(), "{types:?}, {mechanism}: nobody noticed");
        now() - began
    }))
}

/// Each end notices in this time, in one of a few attempts: what else goes on on the machine only adds to it.
fn all_notice(within: Duration, care: Care) {
    thread::scope(|scope| {
        for types in PAIRS {
            for mechanism in ["NULL", "PLAIN", "CURVE"] {
                scope.spawn(move || {
                    let mut best = Duration::MAX;
                    for _ in 0..10 {
                        let took = times(types, mechanism, care).map(|both| both.into_iter().max().unwrap());
                        best = best.min(took.unwrap_or(best));
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
                assert!((0..10).any(|_| is_heeded(types, ttl)), "{types:?}: not noticed in {ttl:?}");
            });
        }
    });
}

/// Whether a socket that pings nobody gives up, in time, a peer that asked for a time to live, and then is silent.
fn is_heeded([own, other]: [SocketType; 2], ttl: Duration) -> bool {
    let mut end = End::new(&Context::new(), Socket::builder_of(own).liveness(None));
    let endpoint = end.socket.bind("tcp://127.0.0.1:*").unwrap().to_string();
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
    deafen(&end.stream());
    let (began, began_by_clock) = (now(), Instant::now());
    assert!(end.hears_of_its_loss(), "{own}: it was not heeded");
    began_by_clock.elapsed() >= ttl / 2 && now() - began < ttl * 2
}

#[test]
fn the_care_that_is_on_by_default_tells_of_dropped_packets() {
    for types in PAIRS {
        let socket = Socket::builder_of(types[0]).build().unwrap();
        assert_eq!(socket.options().liveness, Some(Duration::from_secs(20)));
    }
    // The least there is.
    all_notice(Duration::from_millis(2500), |builder| builder.liveness(Duration::from_secs(1)));
}
