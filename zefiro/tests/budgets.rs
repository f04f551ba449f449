//! What a message may cost: allocations, once everything is under way.
//!
//! Counted by the allocator itself, so each test runs in a child of its own, where nothing else allocates.

#![cfg(target_os = "linux")]

#[path = "util/counting.rs"]
mod counting;
mod util;

use std::sync::mpsc::channel;
use std::thread;

use util::{LONG, in_child, socket};
use zefiro::{Context, Message, Wait, kind};

/// The largest message that lies within its frame.
const BODY: [u8; 64] = [b'x'; 64];

/// Two sockets of a context, joined at `endpoint`.
fn joined<A: kind::Typed, B: kind::Typed>(endpoint: &str) -> (zefiro::Socket<A>, zefiro::Socket<B>) {
    let context = Context::new();
    let (bound, connected) = (socket::<A>(&context), socket::<B>(&context));
    connected.connect(bound.bind(endpoint).unwrap().to_string()).unwrap();
    connected.wait_connected(1, LONG).unwrap();
    (bound, connected)
}

/// Allocations of `messages` messages, when as many went before.
fn allocations(messages: usize, mut exchange: impl FnMut(usize)) -> usize {
    exchange(messages);
    let before = counting::allocations();
    exchange(messages);
    counting::allocations() - before
}

#[test]
fn a_stream_of_small_messages_allocates_nothing() {
    in_child("a_stream_of_small_messages_allocates_nothing", || {
        const MESSAGES: usize = 50_000;
        for endpoint in util::endpoints() {
            let (pull, push) = joined::<kind::Pull, kind::Push>(&endpoint);
            let (ask, asked) = channel::<usize>();
            let sender = thread::spawn(move || {
                for messages in asked {
                    (0..messages).for_each(|_| push.send(Message::from(&BODY)).unwrap());
                }
            });
            let mut message = Message::new();
            let count = allocations(MESSAGES, |messages| {
                ask.send(messages).unwrap();
                (0..messages).for_each(|_| pull.recv_into(&mut message, Wait::AsConfigured).unwrap());
            });
            println!("{endpoint}: {count} allocations for {MESSAGES} messages");
            // Only where a queue grows beyond what it ever held, and for reads that find more under way than is kept.
            assert!(count < MESSAGES / 50, "{endpoint}: {count} allocations for {MESSAGES} messages");
            drop(ask);
            sender.join().unwrap();
        }
    });
}

#[test]
fn a_round_trip_allocates_nothing() {
    in_child("a_round_trip_allocates_nothing", || {
        const ROUNDS: usize = 2000;
        for endpoint in util::endpoints() {
            let (rep, req) = joined::<kind::Rep, kind::Req>(&endpoint);
            let server = thread::spawn(move || {
                for _ in 0..2 * ROUNDS {
                    rep.send(rep.recv().unwrap()).unwrap();
                }
            });
            let count = allocations(ROUNDS, |rounds| {
                for _ in 0..rounds {
                    req.send(&BODY).unwrap();
                    assert_eq!(req.recv().unwrap(), BODY[..]);
                }
            });
            server.join().unwrap();
            println!("{endpoint}: {count} allocations for {ROUNDS} round trips");
            // Now and then the I/O thread is in between, and has a list of its own to grow.
            assert!(count < ROUNDS / 10, "{endpoint}: {count} allocations for {ROUNDS} round trips");
        }
    });
}
