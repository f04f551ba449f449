//! High-water marks: in races of many threads never exceeded by more than is documented, and nothing is refused or dropped
//! below them.

mod util;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use util::{LONG, endpoints, is_long, random};
use zefiro::{AnySocket, Context, Message, Socket, SocketType, kind};

/// Who sends, who receives, and whether what has no room is dropped.
const PAIRS: [(SocketType, SocketType, bool); 9] = [
    (SocketType::Push, SocketType::Pull, false),
    (SocketType::Pair, SocketType::Pair, false),
    (SocketType::Dealer, SocketType::Router, false),
    (SocketType::Router, SocketType::Dealer, false),
    (SocketType::Scatter, SocketType::Gather, false),
    (SocketType::Channel, SocketType::Channel, false),
    (SocketType::Pub, SocketType::Sub, true),
    (SocketType::XPub, SocketType::XSub, true),
    (SocketType::Radio, SocketType::Dish, true),
];

const SEND_MARK: usize = 20;
const RECV_MARK: usize = 30;
const BYTES: usize = 1024;
/// What a stream's writer may have taken beside the mark, in messages, and the one that reaches over.
const BEING_WRITTEN: usize = 128 * 1024 / BYTES + 1;
/// What the read of a stream that reached the mark may have brought.
const READ: usize = 64 * 1024 / BYTES;
/// A message that a look has found.
const FOUND: usize = 1;

struct Scene {
    _context: Context,
    sender: AnySocket,
    receiver: AnySocket,
    /// What a sender may have queued, and a receiver.
    most: (usize, usize),
}

impl Scene {
    fn new(sends: SocketType, receives: SocketType, endpoint: &str) -> Scene {
        let context = Context::new();
        let open = |socket_type| {
            let builder = Socket::<kind::Any>::builder_of(socket_type).context(&context).linger(Duration::ZERO);
            let builder = builder.send_high_water_mark(SEND_MARK).recv_high_water_mark(RECV_MARK);
            builder
                .router_mandatory(socket_type == SocketType::Router)
                .routing_id("peer")
                .recv_timeout(LONG)
                .send_timeout(LONG)
                .build()
                .unwrap()
        };
        let (sender, receiver) = (open(sends), open(receives));
        match receives {
            SocketType::Sub => receiver.subscribe("").unwrap(),
            SocketType::XSub => receiver.send(b"\x01").unwrap(),
            SocketType::Dish => receiver.join("group").unwrap(),
            _ => {}
        }
        receiver.connect(sender.bind(endpoint).unwrap()).unwrap();
        match receives {
            SocketType::Sub | SocketType::XSub => sender.wait_subscribed("", 1, LONG).unwrap(),
            SocketType::Dish => sender.wait_subscribed("group", 1, LONG).unwrap(),
            _ => sender.wait_connected(1, LONG).unwrap(),
        }
        receiver.wait_connected(1, LONG).unwrap();
        // Within the process the two queues are one.
        let most = match endpoint.starts_with("inproc") {
            true => (SEND_MARK + RECV_MARK, SEND_MARK + RECV_MARK + FOUND),
            false => (SEND_MARK + BEING_WRITTEN, RECV_MARK + READ + FOUND),
        };
        Scene { _context: context, sender, receiver, most }
    }

    fn message(&self) -> Message {
        let body = vec![7u8; BYTES];
        match self.sender.socket_type() {
            SocketType::Router => [&b"peer"[..], &body].into_iter().collect(),
            SocketType::Radio => Message::for_group("group", body),
            _ => body.into(),
        }
    }

    fn check(&self, case: &str) {
        let (out, incoming) = (self.sender.counters().queued_out as usize, self.receiver.counters().queued_in as usize);
        assert!(out <= self.most.0, "{case}: {out} are queued to be sent, of {}", self.most.0);
        assert!(incoming <= self.most.1, "{case}: {incoming} are queued to be received, of {}", self.most.1);
    }
}

#[test]
fn races_do_not_exceed_the_marks() {
    // Times three transports and nine types it is 10^8: two minutes, optimised.
    let messages = match is_long() {
        true if cfg!(debug_assertions) => 100_000,
        true => 3_800_000,
        false => 2_000,
    };
    for (sends, receives, _) in PAIRS {
        for endpoint in endpoints() {
            let case = format!("{sends} to {receives}, {endpoint}");
            let scene = Scene::new(sends, receives, &endpoint);
            let (left, over) = (AtomicU64::new(messages), AtomicBool::new(false));
            thread::scope(|scope| {
                let senders: Vec<_> = (1..=3)
                    .map(|seed| {
                        let (scene, left) = (&scene, &left);
                        scope.spawn(move || {
                            let mut state = seed;
                            let mut message = scene.message();
                            while left
                                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                                .is_ok()
                            {
                                // Sometimes it waits, sometimes it tries until it has room.
                                message = match random(&mut state) % 2 {
                                    0 => scene.sender.send(message).map(|()| scene.message()).unwrap(),
                                    _ => loop {
                                        match scene.sender.try_send(message) {
                                            Ok(()) => break scene.message(),
                                            Err(refused) => message = refused.into_message(),
                                        }
                                        thread::yield_now();
                                    },
                                };
                            }
                        })
                    })
                    .collect();
                for seed in 4..6 {
                    let (scene, over) = (&scene, &over);
                    scope.spawn(move || {
                        let mut state = seed;
                        while !over.load(Ordering::Relaxed) {
                            match random(&mut state) % 64 {
                                0 => thread::yield_now(),
                                1 => drop(scene.receiver.is_readable()),
                                _ => drop(scene.receiver.recv_timeout(Duration::from_millis(1))),
                            }
                        }
                    });
                }
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        scene.check(&case);
                        thread::yield_now();
                    }
                });
                let sent: Vec<_> = senders.into_iter().map(|sender| sender.join()).collect();
                over.store(true, Ordering::Relaxed);
                sent.into_iter().for_each(|sent| sent.unwrap());
            });
        }
    }
}

#[test]
fn nothing_is_refused_or_dropped_below_the_marks() {
    for (sends, receives, drops) in PAIRS {
        for endpoint in endpoints() {
            let case = format!("{sends} to {receives}, {endpoint}");
            let scene = Scene::new(sends, receives, &endpoint);
            // As many as both marks together are taken at once, whoever reads or does not: streams may not have carried them.
            let at_once = if endpoint.starts_with("inproc") { SEND_MARK + RECV_MARK } else { SEND_MARK };
            for number in 0..at_once {
                scene.sender.try_send(scene.message()).unwrap_or_else(|error| panic!("{case}, {number}: {error}"));
            }
            assert_eq!(scene.sender.counters().dropped.total(), 0, "{case}");
            (0..at_once).for_each(|_| drop(scene.receiver.recv().unwrap_or_else(|error| panic!("{case}: {error}"))));
            // And beyond them somewhere is the end.
            let kernel = 16 << 20;
            let is_full = (0..kernel / BYTES).any(|_| match scene.sender.try_send(scene.message()) {
                Ok(()) => drops && scene.sender.counters().dropped.high_water_mark > 0,
                Err(_) => true,
            });
            assert!(is_full, "{case}");
            scene.check(&case);
        }
    }
}
