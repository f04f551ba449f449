//! Monitors: events come in order, and whoever hears of one may use the socket.

mod util;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context as TaskContext, Wake, Waker};
use std::thread;

use util::LONG;
use zefiro::{EventKind, Pull};

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
