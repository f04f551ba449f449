//! Memory follows the load down as well as up.
//!
//! Counted by the allocator itself, so each test runs in a child of its own, where nothing else allocates.
//! `ZEFIRO_LONG=1` goes to the full length.

#![cfg(target_os = "linux")]

#[path = "util/counting.rs"]
mod counting;
mod util;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use counting::live;
use util::{LONG, descriptors, handshake, in_child, is_long, socket, until};
use zefiro::{Context, EventKind, Frame, Pub, Pull, Push};

#[test]
fn memory_follows_a_burst_down_again() {
    in_child("memory_follows_a_burst_down_again", || {
        let burst_bytes: usize = if is_long() { 2 << 30 } else { 100 << 20 };
        let tcp = "tcp://127.0.0.1:*";
        for (size, endpoint) in [(20, tcp), (1000, "inproc://burst"), (1000, tcp), (100_000, tcp), (3_000_000, tcp)] {
            let context = Context::new();
            let pull = Pull::builder().context(&context).recv_high_water_mark(0).recv_timeout(LONG).build().unwrap();
            let push = Push::builder().context(&context).send_high_water_mark(0).build().unwrap();
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
        push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
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
        // A receive that waits while a peer is there has the socket make a selector of its own; on a busy machine
        // none below may have to.
        let push: Push = socket(&context);
        push.connect(&endpoint).unwrap();
        pull.wait_connected(1, LONG).unwrap();
        assert!(pull.recv_timeout(Duration::from_millis(1)).is_err());
        drop(push);
        while !matches!(monitor.recv_timeout(LONG).unwrap().kind, EventKind::Disconnected(_)) {}
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
                // What no memory could hold is refused; what is a little less is waited for.
                let most = if number % 2 == 0 { 0x40 } else { 0x7f };
                stream.write_all(&[2, 0, 0, most, 0, 0, 0, 0, 0, b's', b'o']).unwrap();
                stream
            })
            .collect();
        pull.wait_connected(STALLED, LONG).unwrap();
        until("it was allocated", || live().saturating_sub(before) < STALLED * (64 << 10));
        drop(stalled);
    });
}

#[test]
fn messages_that_trickle_in_keep_no_buffer_each() {
    in_child("messages_that_trickle_in_keep_no_buffer_each", || {
        let context = Context::new();
        let pull: Pull = socket(&context);
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&handshake("PUSH")).unwrap();
        pull.wait_connected(1, LONG).unwrap();
        let before = live();
        for number in 1..=900 {
            stream.write_all(b"\x00\x01x").unwrap();
            until("it has come", || pull.counters().queued_in == number);
        }
        let grown = live().saturating_sub(before);
        assert!(grown < 600_000, "{grown} bytes are kept for 900 messages of one byte");
        (0..900).for_each(|_| assert_eq!(pull.recv().unwrap(), "x"));
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

#[test]
fn topics_cost_a_hundred_bytes_each_beside_themselves() {
    in_child("topics_cost_a_hundred_bytes_each_beside_themselves", || {
        let topics = match is_long() {
            true if cfg!(debug_assertions) => 1_000_000,
            true => 10_000_000,
            false => 100_000,
        };
        let context = Context::new();
        let publisher = Pub::builder().context(&context).peer_subscriptions_max(None).peer_subscription_bytes_max(None);
        let publisher = publisher.build().unwrap();
        let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
        stream.write_all(&handshake("SUB")).unwrap();
        publisher.wait_connected(1, LONG).unwrap();
        let before = live();
        for thousand in 0..topics / 1000 {
            let asked = (0..1000).flat_map(|number| {
                let topic = format!("{:08}", thousand * 1000 + number);
                [&b"\x04\x12\x09SUBSCRIBE"[..], topic.as_bytes()].concat()
            });
            stream.write_all(&asked.collect::<Vec<u8>>()).unwrap();
        }
        until("it has heard of all", || publisher.topic_count() == topics);
        let most = before + topics * (8 + 100);
        until(&format!("each takes {} bytes", live().saturating_sub(before) / topics), || live() <= most);
        // Whom a message is for takes no longer, however many there are.
        let times = (0..2_000).map(|number| {
            let began = Instant::now();
            publisher.send(format!("nobody wants {number}")).unwrap();
            began.elapsed()
        });
        let (best, most) = (times.min().unwrap(), Duration::from_micros(if cfg!(debug_assertions) { 50 } else { 2 }));
        assert!(best <= most, "a message takes {best:?}");
        drop(stream);
        until("the topics go with their peer", || publisher.topic_count() == 0 && live() <= before + (1 << 20));
    });
}
