//! Ending never hangs unless that was asked for: every type, whatever the peer is like, however long it may linger,
//! whoever ends first. And of what was sent, each message arrived or is counted as dropped.

mod util;

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use util::LONG;
use zefiro::{AnySocket, Context, ErrorKind, Frame, Message, Socket, SocketType, kind};

/// What is at the other end.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Peer {
    /// The socket was never connected to anything.
    Nobody,
    /// Nobody is at the address.
    Absent,
    /// A stream is accepted, and nothing is ever said.
    Silent,
    /// A socket that does not read what it is sent.
    NotReading,
    Reading,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Order {
    CloseFirst,
    TerminateFirst,
    /// Terminated by another thread, while this one uses the socket.
    TerminateElsewhere,
    /// With a deadline, whatever the linger time.
    Within,
}

const PEERS: [Peer; 5] = [Peer::Nobody, Peer::Absent, Peer::Silent, Peer::NotReading, Peer::Reading];
const ORDERS: [Order; 4] = [Order::CloseFirst, Order::TerminateFirst, Order::TerminateElsewhere, Order::Within];
const LINGER: Duration = Duration::from_millis(100);

fn type_of_peer(socket_type: SocketType) -> SocketType {
    match socket_type {
        SocketType::Pub => SocketType::Sub,
        SocketType::Sub => SocketType::Pub,
        SocketType::XPub => SocketType::XSub,
        SocketType::XSub => SocketType::XPub,
        SocketType::Req => SocketType::Rep,
        SocketType::Rep => SocketType::Req,
        SocketType::Router => SocketType::Dealer,
        SocketType::Push => SocketType::Pull,
        SocketType::Pull => SocketType::Push,
        same => same,
    }
}

/// A socket, what it talks to, and all that keeps that alive.
struct Scene {
    context: Context,
    socket: AnySocket,
    peers: Context,
    other: AnySocket,
    silent: Option<(TcpListener, TcpStream)>,
    folder: TempDir,
    /// The name of a STREAM's peer.
    stream: Option<Frame>,
}

impl Scene {
    fn new(socket_type: SocketType, peer: Peer, linger: Option<Duration>) -> Scene {
        let (context, peers) = (Context::new(), Context::new());
        let addresses = matches!(socket_type, SocketType::Router | SocketType::Rep | SocketType::Stream);
        let socket = Socket::<kind::Any>::builder_of(socket_type)
            .as_libzmq()
            .context(&context)
            .linger(linger)
            .send_high_water_mark(20)
            .send_buffer(Some(65_536))
            .reconnect_interval(Some(Duration::from_millis(1)))
            .router_mandatory(socket_type == SocketType::Router)
            .connect_routing_id(addresses.then(|| Frame::from_static(b"peer")))
            .build()
            .unwrap();
        let other = Socket::<kind::Any>::builder_of(type_of_peer(socket_type))
            .as_libzmq()
            .context(&peers)
            .recv_high_water_mark(1)
            .recv_buffer(Some(65_536))
            .linger(Duration::ZERO)
            .recv_timeout(LONG)
            .build()
            .unwrap();
        match other.socket_type() {
            SocketType::Sub => other.subscribe("").unwrap(),
            SocketType::XSub => other.send(b"\x01").unwrap(),
            _ => {}
        }
        let folder = TempDir::new().unwrap();
        let mut scene = Scene { context, socket, peers, other, silent: None, folder, stream: None };
        scene.connect(peer);
        scene
    }

    fn absent(&self) -> String {
        format!("ipc://{}", self.folder.path().join("absent").display())
    }

    fn connect(&mut self, peer: Peer) {
        match peer {
            Peer::Nobody => {}
            Peer::Absent => self.socket.connect(self.absent()).unwrap(),
            Peer::Silent => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                self.socket.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
                let (stream, _) = listener.accept().unwrap();
                self.silent = Some((listener, stream));
                // A STREAM wants no handshake.
                self.stream = (self.socket.socket_type() == SocketType::Stream).then(|| self.name_of_peer());
            }
            Peer::NotReading | Peer::Reading => {
                let endpoint = self.other.bind("tcp://127.0.0.1:*").unwrap().to_string();
                self.socket.connect(&endpoint).unwrap();
                self.socket.wait_connected(1, LONG).unwrap();
                match self.socket.socket_type() {
                    SocketType::Pub | SocketType::XPub => self.socket.wait_subscribed("", 1, LONG).unwrap(),
                    SocketType::Rep => {
                        self.other.send("request").unwrap();
                        self.socket.recv().unwrap();
                    }
                    SocketType::Stream => self.stream = Some(self.name_of_peer()),
                    _ => {}
                }
            }
        }
    }

    fn name_of_peer(&self) -> Frame {
        self.socket.recv_timeout(LONG).unwrap().first().clone()
    }

    fn message(&self) -> Message {
        match (self.socket.socket_type(), &self.stream) {
            (SocketType::Router, _) => [Frame::from_static(b"peer"), Frame::from_static(&BODY)].into(),
            (SocketType::Stream, Some(name)) => [name.clone(), Frame::from_static(&BODY)].into(),
            _ => Frame::from_static(&BODY).into(),
        }
    }

    /// As much as the socket takes.
    fn fill(&self) {
        match self.socket.socket_type() {
            SocketType::Sub => self.socket.subscribe("topic").unwrap(),
            SocketType::XSub => self.socket.send(b"\x01topic").unwrap(),
            _ => {
                let _ = (0..200).try_for_each(|_| self.socket.try_send(self.message()));
            }
        }
    }

    /// Uses the socket until that is no longer possible.
    fn use_until_terminated(&self) {
        loop {
            if let Err(error) = self.socket.send(self.message()) {
                if error.kind() == ErrorKind::Terminated {
                    return;
                }
                match self.socket.recv() {
                    Err(error) if error.kind() == ErrorKind::Terminated => return,
                    _ => {}
                }
            }
        }
    }

    /// Has the peer appear and read, until `expected` tells how many messages there are, and they have come.
    fn read(&mut self, peer: Peer, expected: &Arc<AtomicU64>) -> JoinHandle<u64> {
        match peer {
            Peer::Absent => drop(self.other.bind(self.absent()).unwrap()),
            Peer::Silent => {
                let (listener, stream) = self.silent.take().unwrap();
                self.other.bind_fd("tcp://127.0.0.1:*", listener).unwrap();
                drop(stream);
            }
            _ => {}
        }
        let (other, expected) = (self.other.clone(), expected.clone());
        thread::spawn(move || {
            let mut arrived = 0;
            let deadline = Instant::now() + LONG;
            while arrived < expected.load(Ordering::Acquire) && Instant::now() < deadline {
                match other.recv_timeout(Duration::from_millis(5)) {
                    Ok(_) => arrived += 1,
                    Err(error) if error.kind() == ErrorKind::TimedOut => {}
                    // A type that only sends.
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
            arrived
        })
    }
}

static BODY: [u8; 100_000] = [b'x'; 100_000];

/// Whether messages of this type can be counted at the other end.
fn is_counted(socket_type: SocketType) -> bool {
    !matches!(socket_type, SocketType::Sub | SocketType::XSub | SocketType::Pull | SocketType::Stream)
}

fn end(socket_type: SocketType, peer: Peer, linger: Option<Duration>, order: Order) {
    let mut scene = Scene::new(socket_type, peer, linger);
    let expected = Arc::new(AtomicU64::new(u64::MAX));
    let mut reader = (peer == Peer::Reading).then(|| scene.read(peer, &expected));
    if peer != Peer::Nobody {
        scene.fill();
    }
    let context = scene.context.clone();
    let terminating = (order == Order::TerminateElsewhere).then(|| {
        let context = context.clone();
        thread::spawn(move || context.terminate())
    });
    match order {
        Order::TerminateFirst => context.shutdown(),
        Order::TerminateElsewhere => scene.use_until_terminated(),
        _ => {}
    }
    let before = scene.socket.counters();
    let started = Instant::now();
    // Who wants to linger for ever gets a peer that reads.
    if linger.is_none() && order != Order::Within && reader.is_none() {
        reader = Some(scene.read(peer, &expected));
    }
    if order == Order::Within {
        let not_sent = context.close_within(LINGER).err();
        if peer == Peer::Absent && is_counted(socket_type) {
            assert_eq!(not_sent.map_or(0, |error| error.messages() as u64), before.queued_out);
        }
    } else {
        scene.socket.close();
        match terminating {
            Some(terminating) => terminating.join().unwrap(),
            None => context.terminate(),
        }
    }
    let passed = started.elapsed();
    assert!(passed < LONG, "it took {passed:?}");
    let waits = matches!(peer, Peer::Absent | Peer::Silent) && before.queued_out > 0;
    if waits && linger == Some(LINGER) {
        assert!(passed >= LINGER, "it gave up after {passed:?}");
    }
    if order == Order::Within {
        expected.store(0, Ordering::Release);
        reader.map(|reader| reader.join().unwrap());
        return;
    }
    let after = scene.socket.counters();
    assert_eq!(after.queued_out, 0, "{after:?}");
    if is_counted(socket_type) {
        // What a full queue or a missing peer refused was not accepted for sending in the first place.
        let arriving = after.sent - after.dropped.peer_gone - after.dropped.linger_expired;
        expected.store(arriving, Ordering::Release);
        let reader = reader.unwrap_or_else(|| {
            let peer = if peer == Peer::NotReading { peer } else { Peer::Nobody };
            scene.read(peer, &expected)
        });
        assert_eq!(reader.join().unwrap(), arriving, "{after:?}");
        assert!(scene.other.try_recv().is_err(), "one more than was sent");
        if linger.is_none() && socket_type != SocketType::Pub && socket_type != SocketType::XPub {
            assert_eq!(arriving, after.sent, "{after:?}");
        }
    } else {
        expected.store(0, Ordering::Release);
        reader.map(|reader| reader.join().unwrap());
    }
    scene.other.close();
    scene.peers.terminate();
}

/// All of it for one type, so that the types run side by side.
fn ends_whatever_the_peer_is_like(socket_type: SocketType) {
    for peer in PEERS {
        for linger in [Some(Duration::ZERO), Some(LINGER), None] {
            for order in ORDERS {
                println!("{socket_type:?}, {peer:?}, {linger:?}, {order:?}");
                end(socket_type, peer, linger, order);
            }
        }
    }
}

macro_rules! types {
    ($($name:ident: $socket_type:ident;)*) => {
        $(
            #[test]
            fn $name() {
                ends_whatever_the_peer_is_like(SocketType::$socket_type);
            }
        )*
    };
}

types! {
    a_pair_ends: Pair;
    a_pub_ends: Pub;
    a_sub_ends: Sub;
    a_req_ends: Req;
    a_rep_ends: Rep;
    a_dealer_ends: Dealer;
    a_router_ends: Router;
    a_pull_ends: Pull;
    a_push_ends: Push;
    an_xpub_ends: XPub;
    an_xsub_ends: XSub;
    a_stream_ends: Stream;
}

#[test]
fn a_deadline_beyond_all_bounds_is_none() {
    let context = Context::new();
    let pull = zefiro::Pull::builder().context(&context).build().unwrap();
    pull.bind("tcp://127.0.0.1:*").unwrap();
    pull.close_within(Duration::MAX).unwrap();
    context.close_within(Duration::MAX).unwrap();
}

#[test]
fn what_begins_while_the_socket_is_closed_ends_with_it() {
    let rounds = if util::is_long() { 12_000 } else { 400 };
    let begin: [fn(&zefiro::Pull); 4] = [
        |pull| drop(pull.connect("inproc://nobody")),
        |pull| drop(pull.bind("inproc://somebody")),
        |pull| drop(pull.connect("tcp://127.0.0.1:9")),
        |pull| drop(pull.bind("tcp://127.0.0.1:*")),
    ];
    for round in 0..rounds {
        let context = Context::new();
        let pull = zefiro::Pull::builder().context(&context).linger(Duration::ZERO).build().unwrap();
        let warm = zefiro::Pull::builder().context(&context).linger(Duration::ZERO).build().unwrap();
        warm.bind("tcp://127.0.0.1:*").unwrap();
        let start = std::sync::Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                begin[round % begin.len()](&pull);
            });
            start.wait();
            for _ in 0..(round / 4 * 61) % 6000 {
                std::hint::spin_loop();
            }
            pull.close();
        });
        drop((pull, warm));
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            context.terminate();
            let _ = tell.send(());
        });
        told.recv_timeout(LONG).unwrap_or_else(|_| panic!("round {round} does not end"));
    }
}
