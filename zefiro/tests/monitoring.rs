//! Monitors: events come in order, and whoever hears of one may use the socket.

mod util;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context as TaskContext, Wake, Waker};
use std::thread;

use util::hostile::{frame, greeting, property};
use util::{LONG, handshake};
use zefiro::{Context, EventKind, Pull, Push};

/// Fails if something takes for ever.
fn ends(act: impl FnOnce() + Send + 'static) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        act();
        tell.send(()).unwrap();
    });
    told.recv_timeout(LONG).expect("it ends");
}

/// A waker that uses the socket at once, as an executor does that polls the task it wakes.
struct Uses {
    pull: Pull,
    wakes: AtomicUsize,
}

impl Wake for Uses {
    fn wake(self: Arc<Self>) {
        self.pull.counters();
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_waker_may_use_the_socket_and_is_woken_once_however_often_it_waited() {
    ends(|| {
        let pull = Pull::new();
        let mut monitor = pull.monitor();
        let uses = Arc::new(Uses { pull: pull.clone(), wakes: AtomicUsize::new(0) });
        let waker = Waker::from(uses.clone());
        // As in a `select!` that something else ends again and again.
        for _ in 0..1000 {
            assert!(monitor.poll_next(&mut TaskContext::from_waker(&waker)).is_pending());
        }
        pull.bind("tcp://127.0.0.1:*").unwrap();
        assert_eq!(uses.wakes.load(Ordering::Relaxed), 1);
        assert_eq!(monitor.try_recv().map(|event| event.kind), Some(EventKind::Listening));
    });
}

#[test]
fn a_function_may_cause_events_and_gets_them_after_it_returns() {
    ends(|| {
        let pull = Pull::new();
        let socket = pull.clone();
        let (tell, told) = mpsc::channel();
        let mut bound = false;
        let handle = pull.monitor_with(move |event| {
            tell.send(event.kind.clone()).unwrap();
            if event.kind == EventKind::Listening && !std::mem::replace(&mut bound, true) {
                socket.bind("tcp://127.0.0.1:*").unwrap();
                tell.send(EventKind::Connected).unwrap();
            }
        });
        pull.bind("tcp://127.0.0.1:*").unwrap();
        drop(handle);
        let kinds: Vec<EventKind> = told.iter().collect();
        use EventKind::{Connected, Listening, Stopped};
        assert_eq!(kinds, [Listening, Connected, Listening, Stopped]);
    });
}

#[test]
fn a_function_may_wait_for_what_the_engine_is_to_do() {
    ends(|| {
        let context = Context::new();
        let (pull, push): (Pull, Push) = (util::socket(&context), util::socket(&context));
        let (tell, told) = mpsc::channel();
        let _handle = pull.monitor_with(move |event| {
            if event.kind == EventKind::Listening {
                push.connect(event.endpoint.as_str()).unwrap();
                tell.send(push.wait_connected(1, LONG)).unwrap();
            }
        });
        pull.bind("tcp://127.0.0.1:*").unwrap();
        assert!(told.recv().unwrap().is_ok());
    });
}

#[test]
fn a_function_that_panics_ends_no_thread_of_the_engine() {
    ends(|| {
        let context = Context::new();
        let (pull, push): (Pull, Push) = (util::socket(&context), util::socket(&context));
        let (tell, told) = mpsc::channel();
        let handle = pull.monitor_with(move |event| {
            tell.send(event.kind).unwrap();
            panic!("as a function may");
        });
        push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        push.send("hello").unwrap();
        assert_eq!(pull.recv().unwrap(), "hello");
        drop(handle);
        let kinds: Vec<EventKind> = told.iter().collect();
        assert!(kinds.contains(&EventKind::HandshakeSucceeded), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&EventKind::Stopped));
    });
}

#[test]
fn clients_tell_of_servers_of_a_wrong_type() {
    for (mechanism, told) in [("NULL", false), ("PLAIN", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let context = Context::new();
        let pull = Pull::builder().context(&context).reconnect_interval(None);
        let pull = if told { pull.plain_username("admin") } else { pull }.build().unwrap();
        let mut monitor = pull.monitor();
        pull.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let ready = [&b"\x05READY"[..], &property("Socket-Type", b"PULL")].concat();
        let welcome = if told { frame(4, b"\x07WELCOME") } else { Vec::new() };
        stream.write_all(&[greeting(1, mechanism), welcome, frame(4, &ready)].concat()).unwrap();
        let failed = |kind: &EventKind| matches!(kind, EventKind::ProtocolFailed(_) | EventKind::Disconnected(_));
        let event = std::iter::from_fn(|| monitor.recv_timeout(LONG)).find(|event| failed(&event.kind)).unwrap();
        match told {
            // ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_METADATA
            true => assert_eq!(event.value, 0x1000_0018, "{event:?}"),
            false => assert!(matches!(event.kind, EventKind::Disconnected(_)), "{event:?}"),
        }
    }
}

#[test]
fn a_handshake_has_succeeded_whatever_came_in_one_piece_with_it() {
    let pull = Pull::builder().context(&Context::new()).max_frame_size(100).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    stream.write_all(&[handshake("PUSH"), frame(0, &[0; 101])].concat()).unwrap();
    let mut next = || monitor.recv_timeout(LONG).unwrap().kind;
    assert!(matches!(next(), EventKind::Listening));
    assert!(matches!(next(), EventKind::Accepted));
    assert!(matches!(next(), EventKind::HandshakeSucceeded));
    assert!(matches!(next(), EventKind::Disconnected(why) if why.contains("101 bytes where 100")));
}

/// libzmq tells the same of a close, but on a busy machine misses to: so this is not among the programs that are compared.
#[test]
fn what_still_listens_is_told_of_when_its_socket_is_closed() {
    let pull: Pull = util::socket(&Context::new());
    let monitor = pull.monitor();
    let endpoints = ["tcp://127.0.0.1:*", "ipc://*"].map(|address| pull.bind(address).unwrap().to_string());
    pull.close();
    let told: Vec<_> = monitor.map(|event| (event.kind.name(), event.endpoint)).collect();
    let closed = endpoints.iter().map(|endpoint| ("closed", endpoint.clone()));
    let listening = endpoints.iter().map(|endpoint| ("listening", endpoint.clone()));
    let expected: Vec<_> = listening.chain(closed).chain([("stopped", String::new())]).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_monitor_that_nobody_reads_keeps_the_newest_and_counts_the_rest() {
    let cycles: usize = if util::is_long() { 500_000 } else { 2_000 };
    let pull = Pull::new();
    let mut unread = pull.monitor();
    for _ in 0..cycles {
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        pull.unbind(endpoint).unwrap();
    }
    let last = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let kept: Vec<_> = std::iter::from_fn(|| unread.try_recv()).collect();
    assert_eq!(kept.len() as u64 + unread.missed(), 2 * cycles as u64 + 1);
    assert_eq!(kept.len(), 1000);
    let newest = kept.last().unwrap();
    assert_eq!((&newest.kind, &newest.endpoint), (&EventKind::Listening, &last));
}
