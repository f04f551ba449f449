//! Owners: the bytes of a message may belong to a value of the program's that runs its code when dropped. That code uses the
//! very socket that lets the message go, wherever it does.

mod util;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use util::{LONG, until};
use zefiro::{AnySocket, Builder, Context, Interest, Message, Poller, SocketType, Wait, kind};

/// What an owner does at its end with the socket it was told of.
type Deed = fn(&Asked);

const DEEDS: [(&str, Deed); 6] = [
    ("sends", |asked| asked.with(|socket| _ = socket.try_send("x"))),
    ("receives", |asked| asked.with(|socket| _ = socket.try_recv())),
    ("looks", |asked| asked.with(|socket| _ = (socket.is_readable(), socket.is_writable(), socket.counters()))),
    ("binds", |asked| asked.with(|socket| _ = socket.bind("inproc://an owner's"))),
    ("closes", |asked| asked.with(AnySocket::close)),
    ("lets go", Asked::let_go),
];

/// The socket that owners are to use; perhaps its last handle.
#[derive(Default)]
struct Asked(Mutex<Option<AnySocket>>);

impl Asked {
    fn with(&self, body: impl FnMut(&AnySocket)) {
        let socket = self.0.lock().unwrap().clone();
        socket.iter().for_each(body);
    }

    fn let_go(&self) {
        let socket = self.0.lock().unwrap().take();
        drop(socket);
    }
}

/// Lends bytes whose owners do something with a socket when they are dropped.
struct Lender {
    deed: Deed,
    asked: Arc<Asked>,
    lent: AtomicUsize,
    ended: (Sender<()>, Receiver<()>),
}

struct Owner {
    body: Vec<u8>,
    deed: Deed,
    asked: Arc<Asked>,
    ended: Sender<()>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        (self.deed)(&self.asked);
        let _ = self.ended.send(());
    }
}

impl Lender {
    fn new(deed: Deed) -> Lender {
        Lender { deed, asked: Arc::default(), lent: AtomicUsize::new(0), ended: channel() }
    }

    fn bytes(&self) -> Bytes {
        self.many_bytes(1000)
    }

    fn many_bytes(&self, count: usize) -> Bytes {
        self.lent.fetch_add(1, Ordering::Relaxed);
        let (body, ended) = (vec![b'l'; count], self.ended.0.clone());
        Bytes::from_owner(Owner { body, deed: self.deed, asked: self.asked.clone(), ended })
    }

    /// From now on that socket is used.
    fn asks(&self, socket: &AnySocket) {
        *self.asked.0.lock().unwrap() = Some(socket.clone());
    }

    /// Waits for one more owner's end.
    fn await_end(&self) {
        self.ended.1.recv_timeout(LONG).expect("an owner has not ended");
        self.lent.fetch_sub(1, Ordering::Relaxed);
    }
}

fn build(
    context: &Context,
    socket_type: SocketType,
    options: impl FnOnce(Builder<kind::Any>) -> Builder<kind::Any>,
) -> AnySocket {
    let builder = AnySocket::builder_of(socket_type).context(context).linger(Duration::ZERO).recv_timeout(LONG);
    options(builder.send_timeout(LONG)).build().unwrap()
}

fn open(context: &Context, socket_type: SocketType) -> AnySocket {
    build(context, socket_type, |builder| builder)
}

fn meet(bound: &AnySocket, connected: &AnySocket, endpoint: &str) {
    connected.connect(bound.bind(endpoint).unwrap()).unwrap();
    connected.wait_connected(1, LONG).unwrap();
    bound.wait_connected(1, LONG).unwrap();
}

/// A pair of sockets that have met.
fn joined(context: &Context, bound: SocketType, connected: SocketType, endpoint: &str) -> (AnySocket, AnySocket) {
    let (bound, connected) = (open(context, bound), open(context, connected));
    meet(&bound, &connected, endpoint);
    (bound, connected)
}

fn publishing(context: &Context, mark: usize) -> (AnySocket, AnySocket) {
    let publisher = build(context, SocketType::Pub, |builder| builder.send_high_water_mark(mark));
    let subscriber = build(context, SocketType::Sub, |builder| builder.recv_high_water_mark(mark));
    subscriber.subscribe("").unwrap();
    meet(&publisher, &subscriber, "inproc://news");
    publisher.wait_subscribed("", 1, LONG).unwrap();
    (publisher, subscriber)
}

/// A way to lose a message. All that was lent is to be given back by its end, or soon after.
type Way = fn(&Context, &Lender);

const WAYS: [(&str, Way); 22] = [
    ("a PUB to nobody", |context, lender| {
        let publisher = open(context, SocketType::Pub);
        lender.asks(&publisher);
        publisher.send(lender.bytes()).unwrap();
    }),
    ("a ROUTER to nobody", |context, lender| {
        let router = open(context, SocketType::Router);
        lender.asks(&router);
        router.send(["nobody".into(), lender.bytes()]).unwrap();
    }),
    ("parts for nobody", |context, lender| {
        let router = open(context, SocketType::Router);
        lender.asks(&router);
        router.send_part("nobody", true, Wait::No).unwrap();
        let _ = router.send_part(lender.bytes(), true, Wait::No);
        let _ = router.send_part(lender.bytes(), false, Wait::No);
    }),
    ("parts that are never whole", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://parts");
        lender.asks(&push);
        push.send_part(lender.bytes(), true, Wait::No).unwrap();
        push.close();
        drop(pull);
    }),
    ("the rest of what is read in parts", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://parts");
        push.send(["first".into(), lender.bytes()]).unwrap();
        assert!(pull.recv_part(Wait::AsConfigured).unwrap().1);
        lender.asks(&pull);
        pull.close();
    }),
    ("refused", |context, lender| {
        let push = open(context, SocketType::Push);
        lender.asks(&push);
        assert!(push.try_send(lender.bytes()).is_err());
    }),
    ("over the mark of a PUB", |context, lender| {
        let (publisher, subscriber) = publishing(context, 1);
        lender.asks(&publisher);
        for _ in 0..5 {
            let _ = publisher.send(lender.bytes());
        }
        subscriber.close();
    }),
    ("conflated", |context, lender| {
        let pull = build(context, SocketType::Pull, |builder| builder.conflate(true));
        let push = build(context, SocketType::Push, |builder| builder.conflate(true));
        meet(&pull, &push, "inproc://newest");
        push.send(lender.bytes()).unwrap();
        lender.asks(&push);
        let _ = push.send("newer");
    }),
    ("conflated, and read", |context, lender| {
        let pull = build(context, SocketType::Pull, |builder| builder.conflate(true));
        let push = build(context, SocketType::Push, |builder| builder.conflate(true));
        meet(&pull, &push, "inproc://newest");
        push.send(lender.bytes()).unwrap();
        lender.asks(&pull);
        let _ = push.send("newer");
    }),
    ("not asked for any more", |context, lender| {
        let (publisher, subscriber) = publishing(context, 10);
        publisher.send(lender.bytes()).unwrap();
        publisher.send("wanted").unwrap();
        subscriber.subscribe("w").unwrap();
        subscriber.unsubscribe("").unwrap();
        lender.asks(&subscriber);
        let _ = subscriber.recv();
    }),
    ("a reply that nobody waits for", |context, lender| {
        let rep = open(context, SocketType::Rep);
        let req = build(context, SocketType::Req, |builder| builder.req_relaxed(true).req_correlate(true));
        meet(&rep, &req, "inproc://replies");
        req.send("question").unwrap();
        rep.recv().unwrap();
        rep.send(lender.bytes()).unwrap();
        lender.asks(&req);
        req.send("another").unwrap();
        let _ = req.try_recv();
    }),
    ("unread when the reader closes", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://unread");
        push.send(lender.bytes()).unwrap();
        push.send(lender.bytes()).unwrap();
        lender.asks(&push);
        drop(push);
        pull.close();
    }),
    ("unread when the reader closes, and is asked", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://unread");
        push.send(lender.bytes()).unwrap();
        lender.asks(&pull);
        pull.close();
    }),
    ("unread when the reader disconnects", |context, lender| {
        let (push, pull) = joined(context, SocketType::Push, SocketType::Pull, "inproc://unread");
        push.send(lender.bytes()).unwrap();
        lender.asks(&pull);
        pull.disconnect("inproc://unread").unwrap();
    }),
    ("unread when the context ends", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://unread");
        push.send(lender.bytes()).unwrap();
        lender.asks(&push);
        context.shutdown();
        drop(pull);
    }),
    ("waiting for nobody, in the process", |context, lender| {
        let push = open(context, SocketType::Push);
        push.connect("inproc://nobody is here").unwrap();
        push.send(lender.bytes()).unwrap();
        lender.asks(&push);
        push.disconnect("inproc://nobody is here").unwrap();
        push.close();
        // Until now somebody might have come.
        context.shutdown();
    }),
    ("waiting for nobody, outside", |context, lender| {
        let push = open(context, SocketType::Push);
        let address = format!("tcp://{}", util::free_address());
        push.connect(&address).unwrap();
        push.send(lender.bytes()).unwrap();
        lender.asks(&push);
        push.close();
    }),
    ("written to a stream", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "tcp://127.0.0.1:*");
        lender.asks(&push);
        for _ in 0..10 {
            let _ = push.try_send(lender.many_bytes(100_000));
        }
        thread::scope(|scope| {
            scope.spawn(|| while pull.recv().is_ok() {});
            for _ in 0..10 {
                lender.await_end();
            }
            pull.close();
        });
    }),
    ("not written to a stream that ends", |context, lender| {
        let pull = build(context, SocketType::Pull, |builder| builder.recv_high_water_mark(1));
        let push = open(context, SocketType::Push);
        meet(&pull, &push, "tcp://127.0.0.1:*");
        for _ in 0..30 {
            push.send(lender.many_bytes(1_000_000)).unwrap();
        }
        lender.asks(&push);
        pull.close();
        until("the peer is gone", || push.peers().is_empty());
        push.close();
    }),
    ("replaced by what is received", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://places");
        lender.asks(&pull);
        for text in ["small", "a text that is too long to be within the message itself, and so is shared with others"] {
            let mut message = Message::from(lender.bytes());
            let _ = push.try_send(text);
            let _ = pull.recv_into(&mut message, Wait::No);
            let mut message = Message::from(vec!["first".into(), lender.bytes()]);
            let _ = push.try_send([text, text]);
            let _ = pull.recv_into(&mut message, Wait::No);
        }
    }),
    ("received, and dropped", |context, lender| {
        let (pull, push) = joined(context, SocketType::Pull, SocketType::Push, "inproc://received");
        lender.asks(&pull);
        push.send(lender.bytes()).unwrap();
        drop(pull.recv().unwrap());
    }),
    ("waited for by others", |context, lender| {
        let (publisher, subscriber) = publishing(context, 10);
        subscriber.subscribe("w").unwrap();
        subscriber.unsubscribe("").unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&subscriber, Interest::READABLE, 1).unwrap();
        lender.asks(&subscriber);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let _ = poller.wait(&mut Vec::new(), Some(LONG));
                subscriber.try_recv()
            });
            publisher.send(lender.bytes()).unwrap();
            // One more than an owner may take.
            publisher.send("wanted").unwrap();
            publisher.send("wanted").unwrap();
            let _ = waiting.join().unwrap();
        });
    }),
];

#[test]
fn owners_of_messages_may_use_the_socket_that_drops_them() {
    let mut failed = Vec::new();
    for (way_name, way) in WAYS {
        for (deed_name, deed) in DEEDS {
            let (done, ended) = channel();
            let played = thread::spawn(move || {
                let context = Context::new();
                let lender = Lender::new(deed);
                way(&context, &lender);
                while lender.lent.load(Ordering::Relaxed) > 0 {
                    lender.await_end();
                }
                lender.asked.let_go();
                context.terminate();
                done.send(()).unwrap();
            });
            match ended.recv_timeout(LONG) {
                Err(RecvTimeoutError::Timeout) => failed.push(format!("{way_name}: its owner {deed_name}, for ever")),
                _ => played.join().unwrap(),
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// The I/O thread drops what it has not written when the stream ends.
#[test]
fn owners_that_panic_end_no_thread_of_the_engine() {
    let context = Context::new();
    let lender = Lender::new(|_| {
        let is_the_engines = thread::current().name().is_some_and(|name| name.starts_with("zefiro/"));
        assert!(!is_the_engines, "as an owner may");
    });
    let pull = build(&context, SocketType::Pull, |builder| builder.recv_high_water_mark(1));
    let push = open(&context, SocketType::Push);
    meet(&pull, &push, "tcp://127.0.0.1:*");
    for _ in 0..30 {
        push.send(lender.many_bytes(1_000_000)).unwrap();
    }
    pull.close();
    until("the peer is gone", || push.peers().is_empty());
    // Without the I/O thread nobody would meet.
    let _ = joined(&context, SocketType::Rep, SocketType::Req, "tcp://127.0.0.1:*");
    push.close();
    context.close_within(LONG).unwrap();
}
