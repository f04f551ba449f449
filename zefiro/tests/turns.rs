//! One I/O thread has many connections, and each of them its turn: a sender that always has one more message, by the time
//! the last are written, does not keep the thread from accepting, shaking hands, reading and keeping time.
//!
//! How long it takes is counted in that sender's messages: while the machine does something else, so does the sender.

#![cfg(not(miri))]

mod util;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{alone, dial, frame};
use util::{LONG, handshake, socket};
use zefiro::{Context, EventKind, Pull, Push};

/// A PUSH, and its peer, which leaves what comes to the kernel.
struct Stream {
    push: Push,
    sent: u64,
    _peer: TcpStream,
}

impl Stream {
    fn new(context: &Context) -> Stream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let push = Push::builder().context(context).linger(Duration::ZERO).build().unwrap();
        push.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(&handshake("PULL")).unwrap();
        push.wait_connected(1, LONG).unwrap();
        let mut stream = Stream { push, sent: 0, _peer: peer };
        // The sender's own writes are spent: from now on the I/O thread writes.
        stream.messages_until(|sent| sent == 1000);
        stream
    }

    /// Sends message after message, a few ahead of the writer, until it holds. Answers how many messages that took.
    fn messages_until(&mut self, mut holds: impl FnMut(u64) -> bool) -> u64 {
        let (before, deadline) = (self.sent, Instant::now() + LONG);
        while !holds(self.sent - before) {
            self.push.try_send("x").unwrap();
            self.sent += 1;
            while self.push.counters().delivered + AHEAD < self.sent {
                assert!(Instant::now() < deadline, "after {} messages it is not so", self.sent - before);
                thread::yield_now();
            }
        }
        self.sent - before
    }
}

const ROUNDS: usize = 50;

/// So many messages the sender is ahead of the writer, who thus always finds more.
const AHEAD: u64 = 8;

/// The most messages for a step of another connection: what is written in the few turns that it takes, and what the sender
/// writes itself after a pause. It is nearer to ten; without turns it was a hundred thousand now and then.
const MOST: u64 = 500;

#[test]
fn a_stream_of_single_messages_does_not_keep_the_thread_from_accepting_and_reading() {
    let _alone = alone();
    let context = Context::new();
    let mut stream = Stream::new(&context);
    // Nobody waits to receive from it: the I/O thread reads.
    let pull: Pull = socket(&context);
    let mut events = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let address = endpoint.trim_start_matches("tcp://");
    let mut peers: Vec<TcpStream> = Vec::new();
    let accepting = (0..ROUNDS).map(|_| {
        let mut peer = dial(address);
        peer.write_all(&handshake("PUSH")).unwrap();
        peers.push(peer);
        let is_there = |kind: EventKind| matches!(kind, EventKind::HandshakeSucceeded);
        stream.messages_until(|_| std::iter::from_fn(|| events.try_recv()).any(|event| is_there(event.kind)))
    });
    let accepting = accepting.max().unwrap();
    let mut arrived = 0;
    let reading = peers.iter_mut().map(|peer| {
        peer.write_all(&frame(0, b"hello")).unwrap();
        arrived += 1;
        stream.messages_until(|_| pull.counters().arrived == arrived)
    });
    let reading = reading.max().unwrap();
    assert!(accepting <= MOST && reading <= MOST, "{accepting} messages for a handshake, {reading} for a read");
}

#[test]
fn a_stream_of_single_messages_does_not_keep_the_thread_from_its_timers() {
    let _alone = alone();
    let context = Context::new();
    let mut stream = Stream::new(&context);
    // One whose every wait is over at once.
    let push = Push::builder().context(&context).reconnect_interval(Duration::from_micros(1)).build().unwrap();
    let mut events = push.monitor();
    push.connect(format!("tcp://{}", util::free_address())).unwrap();
    let waiting = (0..ROUNDS).map(|_| {
        let is_next = |kind: &EventKind| matches!(kind, EventKind::ConnectRetried(_));
        stream.messages_until(|_| std::iter::from_fn(|| events.try_recv()).any(|event| is_next(&event.kind)))
    });
    let waiting = waiting.max().unwrap();
    assert!(waiting <= MOST, "{waiting} messages for a timer");
}
