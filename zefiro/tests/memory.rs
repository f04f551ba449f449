//! Memory follows the load down as well as up, and messages cost no allocation at steady state.
//!
//! Counted by the allocator itself, so each test runs in a child of its own, where nothing else allocates.
//! `ZEFIRO_LONG=1` goes to the full length.

#![cfg(target_os = "linux")]

mod util;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::thread;

use util::{LONG, descriptors, handshake, in_child, is_long, socket, until};
use zefiro::{Configure, Context, EventKind, Frame, Message, Pull, Push, Rep, Req};

/// The system's allocator, counting.
struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: it is the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size as isize - layout.size() as isize, Ordering::Relaxed);
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes allocated and not freed.
fn live() -> usize {
    LIVE.load(Ordering::Relaxed).max(0) as usize
}

#[test]
fn memory_follows_a_burst_down_again() {
    in_child("memory_follows_a_burst_down_again", || {
        let burst_bytes: usize = if is_long() { 2 << 30 } else { 100 << 20 };
        let tcp = "tcp://127.0.0.1:*";
        for (size, endpoint) in [(20, tcp), (1000, "inproc://burst"), (1000, tcp), (100_000, tcp), (3_000_000, tcp)] {
            let context = Context::new();
            let pull =
                Pull::builder().context(&context).recv_high_water_mark(0usize).recv_timeout(LONG).build().unwrap();
            let push = Push::builder().context(&context).send_high_water_mark(0usize).build().unwrap();
            let endpoint = pull.bind(endpoint).unwrap().to_string();
            push.connect(&endpoint).unwrap();
            push.wait_connected(1, LONG).unwrap();
            let burst = |messages: usize| {
                (0..messages).for_each(|_| push.send(vec![7u8; size]).unwrap());
                let most = live();
                (0..messages).for_each(|_| drop(pull.recv().unwrap()));
                most
            };
            burst(20);
            let before = live();
            let most = burst(burst_bytes / (size + 64));
            // What is small is in the kernel's buffers for a good part.
            assert!(most > before + burst_bytes / 20, "no burst: {before} to {most}");
            until(&format!("{size}: of {before} to {most} stays {}", live()), || live() <= before + (1 << 20));
            drop((push, pull));
            context.terminate();
        }
    });
}

#[test]
fn a_queue_of_references_is_given_back() {
    in_child("a_queue_of_references_is_given_back", || {
        let context = Context::new();
        let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
        push.set_options(|options| options.send_high_water_mark = 0).unwrap();
        push.connect(&pull.bind("tcp://127.0.0.1:*").unwrap().to_string()).unwrap();
        push.wait_connected(1, LONG).unwrap();
        // Each is an entry in a list, and its header is another.
        let body = Frame::from(vec![7u8; 10_000]);
        let burst = |messages: usize| {
            (0..messages).for_each(|_| push.send(body.clone()).unwrap());
            let most = live();
            (0..messages).for_each(|_| drop(pull.recv().unwrap()));
            most
        };
        burst(20);
        let before = live();
        let most = burst(if is_long() { 1_000_000 } else { 100_000 });
        assert!(most > before + (5 << 20), "no burst: {before} to {most}");
        until(&format!("of {before} to {most} stays {}", live()), || live() <= before + (1 << 20));
    });
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    in_child("connections_that_come_and_go_leave_nothing_behind", || {
        let cycles = if is_long() { 100_000 } else { 2000 };
        let context = Context::new();
        let pull: Pull = socket(&context);
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut monitor = pull.monitor();
        let mut come_and_go = |times: usize| {
            for number in 0..times {
                // Either lives until its message has come: a stream closed over unread input is reset, and what it said
                // may be lost.
                if number % 2 == 0 {
                    let stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
                    (&stream).write_all(&handshake("PUSH")).unwrap();
                    (&stream).write_all(b"\x00\x01x").unwrap();
                    assert_eq!(pull.recv().unwrap(), "x");
                    drop(stream);
                } else {
                    let push: Push = socket(&context);
                    push.connect(&endpoint).unwrap();
                    push.send("x").unwrap();
                    assert_eq!(pull.recv().unwrap(), "x");
                    drop(push);
                }
                while !matches!(monitor.recv_timeout(LONG).unwrap().kind, EventKind::Disconnected(_)) {}
            }
        };
        come_and_go(500);
        until("a socket is left", || context.socket_count() == 1);
        let (memory, files) = (live(), descriptors());
        come_and_go(cycles);
        until("a socket is left", || context.socket_count() == 1);
        until("a descriptor was left open", || descriptors() <= files);
        // Lists that are cleared now and then have room for some that are gone: some KiB more or less, however many came.
        until(&format!("{cycles} connections took {memory} bytes to {}", live()), || live() < memory + (64 << 10));
    });
}

#[test]
fn what_is_announced_is_not_allocated() {
    in_child("what_is_announced_is_not_allocated", || {
        const STALLED: usize = 100;
        let context = Context::new();
        let pull = Pull::builder().context(&context).message_bytes_max(None).max_frame_size(None).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let before = live();
        let stalled: Vec<TcpStream> = (0..STALLED)
            .map(|number| {
                let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
                stream.write_all(&handshake("PUSH")).unwrap();
                // The most that can be announced is refused; what is a little less is waited for.
                let first = if number % 2 == 0 { 0x40 } else { 0x7f };
                stream.write_all(&[2, first, 0, 0, 0, 0, 0, 0, 0, b's', b'o']).unwrap();
                stream
            })
            .collect();
        pull.wait_connected(STALLED, LONG).unwrap();
        until("it was allocated", || live().saturating_sub(before) < STALLED * (64 << 10));
        drop(stalled);
    });
}

#[test]
fn idle_connections_are_small() {
    in_child("idle_connections_are_small", || {
        const CONNECTIONS: usize = 200;
        let context = Context::new();
        let pull: Pull = socket(&context);
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let pushes: Vec<Push> = (0..CONNECTIONS).map(|_| socket(&context)).collect();
        pushes[0].connect(&endpoint).unwrap();
        pushes[0].send("x").unwrap();
        pull.recv().unwrap();
        let before = live();
        for push in &pushes[1..] {
            push.connect(&endpoint).unwrap();
            push.send("x").unwrap();
            pull.recv().unwrap();
        }
        // Both sides together.
        let bound = before + CONNECTIONS * 2 * 6 * 1024;
        until(&format!("{} bytes each", (live() - before) / CONNECTIONS), || live() < bound);
    });
}

/// Allocations of `messages` messages, when as many went before.
fn allocations(messages: usize, mut exchange: impl FnMut(usize)) -> usize {
    exchange(messages);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    exchange(messages);
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_stream_of_small_messages_allocates_nothing() {
    in_child("a_stream_of_small_messages_allocates_nothing", || {
        const MESSAGES: usize = 50_000;
        for endpoint in util::endpoints() {
            let context = Context::new();
            let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
            let bound = pull.bind(&endpoint).unwrap().to_string();
            push.connect(&bound).unwrap();
            push.wait_connected(1, LONG).unwrap();
            let (ask, asked) = std::sync::mpsc::channel::<usize>();
            let sender = thread::spawn(move || {
                for messages in asked {
                    (0..messages).for_each(|_| push.send(Message::from(b"thirty bytes, as it must be so")).unwrap());
                }
            });
            let mut message = Message::new();
            let count = allocations(MESSAGES, |messages| {
                ask.send(messages).unwrap();
                (0..messages).for_each(|_| pull.recv_into(&mut message, zefiro::Wait::AsConfigured).unwrap());
            });
            println!("{endpoint}: {count} allocations for {MESSAGES} messages");
            // A few for each read, which on a busy machine may bring but a dozen messages; none for a message.
            assert!(count < MESSAGES / 2, "{endpoint}: {count} allocations for {MESSAGES} messages");
            drop(ask);
            sender.join().unwrap();
        }
    });
}

#[test]
fn a_round_trip_keeps_to_its_budget() {
    in_child("a_round_trip_keeps_to_its_budget", || {
        const ROUNDS: usize = 2000;
        for endpoint in util::endpoints() {
            let context = Context::new();
            let (rep, req): (Rep, Req) = (socket(&context), socket(&context));
            let bound = rep.bind(&endpoint).unwrap().to_string();
            req.connect(&bound).unwrap();
            req.wait_connected(1, LONG).unwrap();
            let server = thread::spawn(move || {
                for _ in 0..2 * ROUNDS {
                    rep.send(rep.recv().unwrap()).unwrap();
                }
            });
            let count = allocations(ROUNDS, |rounds| {
                for _ in 0..rounds {
                    req.send("a request").unwrap();
                    req.recv().unwrap();
                }
            });
            server.join().unwrap();
            println!("{endpoint}: {count} allocations for {ROUNDS} round trips");
            // The envelope. For each of the two reads and writes: its buffer, and the
            // lists of what it found and what is to be done.
            let budget = if endpoint.starts_with("inproc") { 10 } else { 20 };
            assert!(count < ROUNDS * budget + ROUNDS / 10, "{endpoint}: {count} allocations for {ROUNDS} round trips");
        }
    });
}
