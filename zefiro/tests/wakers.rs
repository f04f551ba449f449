//! Wakers: those of the program's own run its code when they are cloned, called or dropped. That code uses the very socket
//! that is waited for, wherever it does.

mod util;

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::Duration;

use util::LONG;
use zefiro::{AnySocket, Builder, Context, Message, Monitor, Pub, Socket, SocketType, kind};

/// When a waker does something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Moment {
    Cloned,
    Called,
    Dropped,
}

const MOMENTS: [Moment; 3] = [Moment::Cloned, Moment::Called, Moment::Dropped];

/// What it does then, with the socket it was told of.
type Deed = fn(&Asked);

const DEEDS: [(&str, Deed); 9] = [
    ("sends", |asked| asked.with(|socket| _ = socket.try_send("x"))),
    ("receives", |asked| asked.with(|socket| _ = socket.try_recv())),
    ("looks", |asked| asked.with(|socket| _ = (socket.is_readable(), socket.is_writable(), socket.peers()))),
    ("waits", |asked| asked.with(|socket| _ = socket.wait_connected(9, Duration::from_millis(1)))),
    ("binds", |asked| asked.with(|socket| _ = socket.bind("tcp://127.0.0.1:*"))),
    ("opens another", |asked| _ = Pub::builder().context(&asked.context).build().map(|other| other.bind("inproc://x"))),
    ("closes", |asked| asked.with(AnySocket::close)),
    ("lets go", Asked::let_go),
    ("ends the context", |asked| _ = asked.context.close_within(Duration::ZERO)),
];

/// The socket that wakers are to use; perhaps its last handle.
struct Asked {
    context: Context,
    socket: Mutex<Option<AnySocket>>,
    calls: (Mutex<Sender<()>>, Mutex<Receiver<()>>),
}

impl Asked {
    fn with(&self, body: impl FnMut(&AnySocket)) {
        let socket = self.socket.lock().unwrap().clone();
        socket.iter().for_each(body);
    }

    fn let_go(&self) {
        let socket = self.socket.lock().unwrap().take();
        drop(socket);
    }
}

/// What is behind a waker and its clones.
struct Foreign {
    moment: Moment,
    deed: Deed,
    asked: Arc<Asked>,
}

impl Foreign {
    fn meets(&self, moment: Moment) {
        if self.moment == moment {
            (self.deed)(&self.asked);
        }
        if moment == Moment::Called {
            let _ = self.asked.calls.0.lock().unwrap().send(());
        }
    }

    fn into_raw(self: Arc<Foreign>) -> RawWaker {
        static TABLE: RawWakerVTable = RawWakerVTable::new(
            |data| {
                // SAFETY: as below; the waker goes on, and so does its share.
                let foreign = unsafe { ManuallyDrop::new(Foreign::from_raw(data)) };
                foreign.meets(Moment::Cloned);
                Arc::clone(&foreign).into_raw()
            },
            // SAFETY: each waker owns the share that `into_raw` made it from, and ends here.
            |data| unsafe { Foreign::from_raw(data) }.meets(Moment::Called),
            // SAFETY: as with the clone.
            |data| unsafe { ManuallyDrop::new(Foreign::from_raw(data)) }.meets(Moment::Called),
            // SAFETY: as with the call.
            |data| unsafe { Foreign::from_raw(data) }.meets(Moment::Dropped),
        );
        RawWaker::new(Arc::into_raw(self).cast(), &TABLE)
    }

    /// # Safety
    /// `data` is a waker's of `into_raw`, and either that or what this answers is not dropped.
    unsafe fn from_raw(data: *const ()) -> Arc<Foreign> {
        // SAFETY: it comes from `Arc::into_raw`, says the caller.
        unsafe { Arc::from_raw(data.cast()) }
    }
}

/// Where a case is played.
struct Stage {
    endpoint: &'static str,
    moment: Moment,
    deed: Deed,
    asked: Arc<Asked>,
    wakers: RefCell<Vec<Waker>>,
}

impl Stage {
    fn new(endpoint: &'static str, moment: Moment, deed: Deed) -> Stage {
        let (calling, called) = channel();
        let calls = (Mutex::new(calling), Mutex::new(called));
        let asked = Asked { context: Context::new(), socket: Mutex::default(), calls };
        Stage { endpoint, moment, deed, asked: Arc::new(asked), wakers: RefCell::default() }
    }

    /// Another waker than all before.
    fn waker(&self) -> Waker {
        let foreign = Arc::new(Foreign { moment: self.moment, deed: self.deed, asked: self.asked.clone() });
        // SAFETY: the table keeps to what wakers have to: it has one share for each, and may be used by any thread.
        unsafe { Waker::from_raw(foreign.into_raw()) }
    }

    /// Polls once, with another waker than before, of which only the library's clones are dropped for now.
    fn polls<T>(&self, poll: impl FnOnce(&mut TaskContext<'_>) -> Poll<T>) -> Poll<T> {
        let waker = self.waker();
        let polled = poll(&mut TaskContext::from_waker(&waker));
        self.wakers.borrow_mut().push(waker);
        polled
    }

    fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        self.polls(|task| Pin::new(future).poll(task))
    }

    fn poll_next(&self, monitor: &mut Monitor) -> bool {
        self.polls(|task| monitor.poll_next(task)).is_pending()
    }

    /// Waits until one more waker was called.
    fn await_call(&self) {
        self.asked.calls.1.lock().unwrap().recv_timeout(LONG).expect("a waker was not called");
    }

    /// From now on that socket is used.
    fn asks<K>(&self, socket: &Socket<K>)
    where
        K: kind::Kind,
        Socket<K>: Clone,
    {
        *self.asked.socket.lock().unwrap() = Some(socket.clone().into_any());
    }

    fn build(&self, socket_type: SocketType) -> Builder<kind::Any> {
        let builder = AnySocket::builder_of(socket_type).context(&self.asked.context).linger(Duration::ZERO);
        builder.recv_timeout(LONG).send_timeout(LONG)
    }

    fn open(&self, socket_type: SocketType) -> AnySocket {
        self.build(socket_type).build().unwrap()
    }

    /// A pair of sockets that have met, the first of which is used.
    fn joined(&self, used: SocketType, other: SocketType) -> (AnySocket, AnySocket) {
        let (used, other) = (self.open(used), self.open(other));
        other.connect(used.bind(self.endpoint).unwrap()).unwrap();
        other.wait_connected(1, LONG).unwrap();
        used.wait_connected(1, LONG).unwrap();
        self.asks(&used);
        (used, other)
    }

    /// One that waits for a peer to send to.
    fn alone(&self) -> AnySocket {
        let push = self.open(SocketType::Push);
        self.asks(&push);
        push
    }

    /// Somebody to send to, if the socket still wants one.
    fn joins(&self, push: &AnySocket) -> Option<AnySocket> {
        let pull = self.build(SocketType::Pull).build().ok()?;
        pull.connect(push.bind(self.endpoint).ok()?).ok()?;
        Some(pull)
    }
}

/// A way of waiting. Whoever waits is called when something comes, or the socket ends.
type Way = fn(&Stage);

const WAYS: [(&str, Way); 17] = [
    ("to receive, and no longer", |stage| {
        let (pull, _push) = stage.joined(SocketType::Pull, SocketType::Push);
        let _ = stage.poll(&mut pull.recv_async());
    }),
    ("to receive, with one waker after the other", |stage| {
        let (pull, _push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        let _ = (0..3).all(|_| stage.poll(&mut receiving).is_pending());
    }),
    ("to receive, until something comes", |stage| {
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        if stage.poll(&mut receiving).is_pending() && stage.poll(&mut receiving).is_pending() {
            let _ = push.try_send("hello");
            stage.await_call();
            let _ = stage.poll(&mut receiving);
        }
    }),
    ("to receive, and is polled before it is called", |stage| {
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        let mut other = pull.recv_async();
        if stage.poll(&mut receiving).is_pending() && stage.poll(&mut other).is_pending() {
            let _ = push.try_send("hello");
            stage.await_call();
            let _ = stage.poll(&mut other);
        }
    }),
    ("to receive in place", |stage| {
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut message = Message::new();
        let mut receiving = pull.recv_into_async(&mut message);
        if stage.poll(&mut receiving).is_pending() && stage.poll(&mut receiving).is_pending() {
            let _ = push.try_send("hello");
            stage.await_call();
            let _ = stage.poll(&mut receiving);
        }
    }),
    ("to receive the next of many", |stage| {
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        for _ in 0..20 {
            let mut receiving = pull.recv_async();
            if stage.poll(&mut receiving).is_pending() {
                let _ = push.try_send("hello");
                stage.await_call();
                let _ = stage.poll(&mut receiving);
            }
        }
    }),
    ("to receive, and is forgotten", |stage| {
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        let _ = stage.poll(&mut receiving);
        std::mem::forget(receiving);
        drop(push);
    }),
    ("to receive when the socket is closed", |stage| {
        let (pull, _push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        if stage.poll(&mut receiving).is_pending() {
            pull.close();
            stage.await_call();
            let _ = stage.poll(&mut receiving);
        }
    }),
    ("to receive when the context ends", |stage| {
        let (pull, _push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        if stage.poll(&mut receiving).is_pending() {
            stage.asked.context.shutdown();
            stage.await_call();
            let _ = stage.poll(&mut receiving);
        }
    }),
    ("for a reply", |stage| {
        let (req, rep) = stage.joined(SocketType::Req, SocketType::Rep);
        req.send("question").unwrap();
        rep.recv().unwrap();
        let mut receiving = req.recv_async();
        if stage.poll(&mut receiving).is_pending() && stage.poll(&mut receiving).is_pending() {
            let _ = rep.send("answer");
            stage.await_call();
            let _ = stage.poll(&mut receiving);
        }
    }),
    ("to send, and no longer", |stage| {
        let push = stage.alone();
        let _ = stage.poll(&mut push.send_async("hello"));
    }),
    ("to send, with one waker after the other", |stage| {
        let push = stage.alone();
        let mut sending = push.send_async("hello");
        let _ = (0..3).all(|_| stage.poll(&mut sending).is_pending());
        drop(sending.into_message());
    }),
    ("to send, until somebody comes", |stage| {
        let push = stage.alone();
        let mut sending = push.send_async("hello");
        if stage.poll(&mut sending).is_pending() && stage.poll(&mut sending).is_pending() {
            let pull = stage.joins(&push);
            stage.await_call();
            let _ = stage.poll(&mut sending);
            drop(pull);
        }
    }),
    ("for events, and no longer", |stage| {
        let push = stage.alone();
        let mut monitor = push.monitor();
        let _ = stage.poll_next(&mut monitor) && stage.poll_next(&mut monitor);
    }),
    ("for events, until one comes", |stage| {
        let push = stage.alone();
        let mut monitor = push.monitor();
        if stage.poll_next(&mut monitor) && stage.poll_next(&mut monitor) {
            let _ = push.bind(stage.endpoint);
            push.close();
            stage.await_call();
            while monitor.recv_timeout(LONG).is_some() {}
        }
    }),
    ("for changes, and no longer", |stage| {
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        if let Ok(place) = pull.observe(stage.waker()) {
            let _ = push.try_send("hello");
            stage.await_call();
            pull.forget(place);
        }
    }),
    ("for changes, until the end", |stage| {
        let (pull, _push) = stage.joined(SocketType::Pull, SocketType::Push);
        let _ = pull.observe(stage.waker());
        pull.close();
    }),
];

#[test]
fn wakers_may_use_the_socket_that_clones_calls_and_drops_them() {
    let mut failed = Vec::new();
    for (way_name, way) in WAYS {
        for (deed_name, deed) in DEEDS {
            for (endpoint, moment) in ["inproc://here", "tcp://127.0.0.1:*"].into_iter().flat_map(with_moments) {
                let (done, ended) = channel();
                let played = thread::spawn(move || {
                    let stage = Stage::new(endpoint, moment, deed);
                    way(&stage);
                    drop(stage.wakers.take());
                    stage.asked.let_go();
                    stage.asked.context.close_within(LONG).unwrap();
                    done.send(()).unwrap();
                });
                match ended.recv_timeout(LONG) {
                    Err(RecvTimeoutError::Timeout) => {
                        failed.push(format!("waits {way_name}: {deed_name} when {moment:?}, for ever ({endpoint})"));
                    }
                    _ => played.join().unwrap(),
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// What the I/O thread calls or drops in the middle of its work.
#[test]
fn wakers_that_panic_end_no_thread_of_the_engine() {
    let deed: Deed = |asked| {
        asked.calls.0.lock().unwrap().send(()).unwrap();
        panic!("as a waker may");
    };
    for moment in [Moment::Called, Moment::Dropped] {
        let stage = Stage::new("tcp://127.0.0.1:*", moment, deed);
        let (pull, push) = stage.joined(SocketType::Pull, SocketType::Push);
        let mut receiving = pull.recv_async();
        assert!(stage.poll(&mut receiving).is_pending());
        match moment {
            Moment::Called => push.send("hello").unwrap(),
            // The clone of the first is dropped for that of another.
            _ => assert!(stage.poll(&mut receiving).is_pending()),
        }
        stage.await_call();
        // Without the I/O thread nobody would meet.
        let _ = stage.joined(SocketType::Rep, SocketType::Req);
        drop(receiving);
        push.send("hello").unwrap();
        assert_eq!(pull.recv().unwrap(), "hello");
        stage.wakers.take().into_iter().for_each(std::mem::forget);
    }
}

fn with_moments(endpoint: &'static str) -> impl Iterator<Item = (&'static str, Moment)> {
    MOMENTS.into_iter().map(move |moment| (endpoint, moment))
}
