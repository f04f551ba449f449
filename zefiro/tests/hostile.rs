//! Peers that mean harm, by what they send and what they do not: others go on being served, and memory stays bounded.
//!
//! Short by default; with `ZEFIRO_LONG=1` at full length.

#[path = "util/counting.rs"]
mod counting;
mod util;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use util::hostile::{
    EVENTS_KEPT, Service, alone, assert_grown_at_most, dial, frame, greeting, many, property, read_to_the_end,
    resident, say, until, wait_for,
};
use util::{LONG, handshake, socket};
use zefiro::{Context, EventKind, Pub, Pull, Push, Sub};

/// A stranger from an address of its own.
fn dial_from(source: [u8; 4], address: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket.into()
}

fn ends(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Disconnected(_))
}

/// A stranger that has shaken hands.
fn greeted(service: &Service) -> TcpStream {
    let mut stream = service.dial();
    stream.write_all(&handshake("REQ")).unwrap();
    stream
}

#[test]
fn announced_sizes_cost_nothing_before_they_arrive() {
    let _alone = alone();
    let service = Service::with(|rep| rep.message_bytes_max(None));
    let before = resident();
    service.under(|| {
        let mut strangers = Vec::new();
        for size in [1u64 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 1, 1 << 40, (1 << 40) - 1] {
            for flags in [2, 3] {
                for _ in 0..many(5, 50) {
                    let mut stream = greeted(&service);
                    say(&mut stream, &[&[flags][..], &size.to_be_bytes(), b"and no more"].concat());
                    strangers.push(stream);
                }
            }
        }
        until("all have shaken hands", || service.rep.peers().len() > strangers.len());
    });
    assert_grown_at_most(40, before);
}

#[test]
fn sizes_beyond_all_bounds_end_the_connection() {
    let _alone = alone();
    let mut service = Service::new();
    service.under(|| {
        for size in [(1u64 << 30) + 1, 1 << 31, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX] {
            let header = |flags: u8| [&[flags][..], &size.to_be_bytes()].concat();
            for flags in [2, 3, 6, 7] {
                for cut in 1..9 {
                    let mut stream = greeted(&service);
                    stream.set_nodelay(true).unwrap();
                    say(&mut stream, &header(flags)[..cut]);
                    thread::yield_now();
                    say(&mut stream, &header(flags)[cut..]);
                    read_to_the_end(&mut stream);
                }
            }
        }
    });
    service.wait_for(6 * 4 * 8, ends);
    service.wait_for_quiet();
}

#[test]
fn frames_around_each_boundary_arrive_however_they_are_split() {
    let _alone = alone();
    let context = Context::new();
    let pull: Pull = socket(&context);
    let address = pull.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
    // Every split of small frames, in one stream; the kernel may join pieces, which is another split.
    let mut stream = dial(&address);
    stream.set_nodelay(true).unwrap();
    stream.write_all(&handshake("PUSH")).unwrap();
    for size in [0, 1, 8, 33, 254, 255, 256, 257] {
        let wire = frame(0, &vec![7; size]);
        for cut in 1..wire.len().min(many(24, 300)) {
            stream.write_all(&wire[..cut]).unwrap();
            thread::yield_now();
            stream.write_all(&wire[cut..]).unwrap();
            assert_eq!(pull.recv().unwrap().byte_len(), size, "cut at {cut}");
        }
    }
    // Large ones, around the sizes of buffers, cut in the header, in the middle, before the end.
    for base in [8 << 10, 16 << 10, 64 << 10, 128 << 10, 1 << 20] {
        for size in [base - 10, base - 9, base - 8, base - 1, base, base + 1, base + 9] {
            let wire = frame(0, &vec![9; size]);
            for cut in [1, 5, 9, wire.len() / 2, wire.len() - 1] {
                stream.write_all(&wire[..cut]).unwrap();
                stream.write_all(&wire[cut..]).unwrap();
                assert_eq!(pull.recv().unwrap().byte_len(), size, "cut at {cut}");
            }
        }
    }
}

#[test]
fn metadata_of_any_size_is_taken_or_refused_and_never_kept() {
    let _alone = alone();
    let kind = property("Socket-Type", b"REQ");
    let tiny = property("", b"");
    for most in [Some(64 << 10), None] {
        let service = Service::with(|rep| rep.handshake_bytes_max(most));
        let announce = |properties: &[u8]| {
            let ready = [&b"\x05READY"[..], &kind, properties].concat();
            let mut stream = service.dial();
            say(&mut stream, &[greeting(1, "NULL"), frame(4, &ready)].concat());
            match most.is_none_or(|most| ready.len() <= most) {
                true => until("it was let in", || service.rep.peers().len() > 1),
                false => drop(read_to_the_end(&mut stream)),
            }
            drop(stream);
            service.wait_for_quiet();
        };
        let all = || {
            for size in [0, 256, 60_000, 64 << 10, 16 << 20] {
                announce(&property("X-Much", &vec![b'x'; size]));
            }
            // As many tiny properties as there is room for, and a million.
            for count in [12_000, 1_000_000] {
                announce(&tiny.repeat(count));
            }
        };
        service.under(all);
        // Counted, not looked up with the system: of blocks this large the system's allocator keeps tens of megabytes by whim.
        let before = counting::live();
        service.under(all);
        until("all of it is given back", || counting::live() <= before + (1 << 20));
    }
}

#[test]
fn commands_where_messages_belong_and_the_reverse_do_no_harm() {
    let _alone = alone();
    let mut service = Service::new();
    service.under(|| {
        // After the handshake: commands nobody knows, empty ones, ones that lie about their names, handshake commands.
        let mut stream = greeted(&service);
        for command in [
            &b""[..],
            b"\x00",
            b"\xff",
            b"\x05",
            b"\x05READY",
            b"\x05HELLO",
            b"\x09SUBSCRIBEx",
            b"\x04JOINx",
            b"\x04PING",
        ] {
            for flags in [4, 5] {
                say(&mut stream, &frame(flags, command));
            }
        }
        say(&mut stream, &[frame(1, b""), frame(0, b"still a request")].concat());
        let mut answer = [0; 256];
        let mut said = Vec::new();
        while !said.windows(15).any(|part| part == b"still a request") {
            let count = stream.read(&mut answer).unwrap();
            assert!(count > 0, "the connection was closed");
            said.extend_from_slice(&answer[..count]);
        }
        // In the handshake: messages.
        for body in [&b""[..], b"Hello", b"\x05READX"] {
            let mut stream = service.dial();
            say(&mut stream, &[greeting(1, "NULL"), frame(0, body)].concat());
            read_to_the_end(&mut stream);
        }
    });
    service.wait_for(3, ends);
}

#[test]
fn silent_connections_keep_nobody_out_and_are_ended_in_time() {
    let _alone = alone();
    for count in [1, 100, many(1_000, 10_000)] {
        let mut service =
            Service::with(|rep| rep.handshake_interval(Duration::from_millis(500)).backlog(4096).handshakes_max(None));
        let silent: Vec<TcpStream> = service.under(|| (0..count).map(|_| service.dial()).collect());
        service.wait_for(count.min(EVENTS_KEPT), ends);
        drop(silent);
        service.wait_for_quiet();
    }
}

#[test]
fn of_too_many_handshakes_the_oldest_ends() {
    let _alone = alone();
    let mut service = Service::with(|rep| rep.handshakes_max(20).handshake_interval(None));
    let silent: Vec<TcpStream> = service.under(|| (0..100).map(|_| service.dial()).collect());
    service.wait_for(80, ends);
    // Those that came last are still there: half a handshake later they are let in.
    for mut stream in silent.into_iter().rev().take(10) {
        stream.write_all(&handshake("REQ")).unwrap();
        let mut said = [0; 64];
        stream.read_exact(&mut said).unwrap();
    }
}

#[test]
fn a_flood_of_handshakes_from_one_address_ends_none_from_others() {
    let _alone = alone();
    let mut service = Service::with(|rep| rep.handshakes_max(20usize).handshake_interval(None));
    let whole = handshake("REQ");
    // The oldest of all, and no longer than halfway through when the flood has passed.
    let mut slow = dial_from([127, 0, 0, 2], &service.address);
    slow.write_all(&whole[..70]).unwrap();
    // Behind the service's own client.
    service.wait_for(2, |kind| *kind == EventKind::Accepted);
    let flood: Vec<TcpStream> = service.under(|| (0..100).map(|_| service.dial()).collect());
    service.wait_for(80, ends);
    slow.write_all(&[&whole[70..], &frame(1, b""), &frame(0, b"still there")].concat()).unwrap();
    let mut said = Vec::new();
    until("it is answered", || {
        let mut more = [0; 256];
        let count = slow.read(&mut more).unwrap();
        assert!(count > 0, "it was hung up on");
        said.extend_from_slice(&more[..count]);
        said.ends_with(b"still there")
    });
    drop(flood);
}

#[test]
fn slow_and_half_done_handshakes_end_in_time() {
    let _alone = alone();
    let mut service = Service::with(|rep| rep.handshake_interval(Duration::from_millis(many(400, 5_000) as u64)));
    let whole = handshake("REQ");
    let count = many(50, 10_000);
    service.under(|| {
        let mut half: Vec<TcpStream> = (0..count).map(|_| service.dial()).collect();
        for (index, stream) in half.iter_mut().enumerate() {
            say(stream, &whole[..index % whole.len()]);
        }
        for stream in &mut half {
            read_to_the_end(stream);
        }
        drop(half);
        let mut slow: Vec<TcpStream> = (0..count).map(|_| service.dial()).collect();
        // A byte now and then: that it moves does not help it.
        let pause = Duration::from_millis(many(20, 1_000) as u64);
        let deadline = Instant::now() + LONG;
        let mut sent = 0;
        while !slow.is_empty() {
            assert!(Instant::now() < deadline, "slow handshakes went on");
            slow.retain_mut(|stream| {
                stream.set_nonblocking(true).unwrap();
                let mut said = [0; 64];
                let ended = matches!(stream.read(&mut said), Ok(0))
                    || !say(stream, &whole[sent % whole.len()..sent % whole.len() + 1]);
                !ended
            });
            sent += 1;
            thread::sleep(pause);
        }
    });
    service.wait_for((2 * count).min(EVENTS_KEPT), ends);
    service.wait_for_quiet();
}

#[test]
fn connect_storms_pass() {
    let _alone = alone();
    let mut service = Service::with(|rep| rep.backlog(4096));
    let before = resident();
    service.under(|| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..many(500, 25_000) {
                        let mut stream = service.dial();
                        match number % 4 {
                            0 => drop(stream),
                            1 => drop(say(&mut stream, &handshake("REQ"))),
                            2 => drop(say(&mut stream, &handshake("REQ")[..number % 64])),
                            // Unread input makes the kernel reset it.
                            _ => drop(stream.write_all(b"GET / HTTP/1.0\r\n\r\n")),
                        }
                    }
                });
            }
        });
    });
    service.wait_for(300, ends);
    service.wait_for_quiet();
    assert_grown_at_most(60, before);
}

#[test]
fn an_address_has_no_more_connections_than_it_may() {
    let _alone = alone();
    let context = Context::new();
    let pull = Pull::builder().context(&context).address_connections_max(10).recv_timeout(LONG).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let address = endpoint.trim_start_matches("tcp://").to_string();
    let mut taken: Vec<TcpStream> = (0..10).map(|_| dial(&address)).collect();
    wait_for(&mut monitor, 10, |kind| *kind == EventKind::Accepted);
    for _ in 0..20 {
        read_to_the_end(&mut dial(&address));
    }
    wait_for(&mut monitor, 20, |kind| matches!(kind, EventKind::AcceptFailed(why) if why.contains("10 connections")));
    // One that goes makes room, whenever the other side notices.
    taken.pop();
    wait_for(&mut monitor, 1, ends);
    let push: Push = socket(&context);
    push.connect(&endpoint).unwrap();
    push.send("room").unwrap();
    assert_eq!(pull.recv().unwrap(), "room");
}

#[test]
fn who_comes_and_goes_leaves_no_more_unread_than_its_connections_may() {
    let _alone = alone();
    let context = Context::new();
    let pull = Pull::builder().context(&context).address_connections_max(10).recv_timeout(LONG).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let address = endpoint.trim_start_matches("tcp://").to_string();
    let leave_behind = || dial(&address).write_all(&[handshake("PUSH"), frame(0, b"unread")].concat());
    for _ in 0..10 {
        leave_behind().unwrap();
        wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::Disconnected(_)));
    }
    let _ = leave_behind();
    wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::AcceptFailed(why) if why.contains("10 connections")));
    // What is read makes room.
    while pull.try_recv().is_ok() {}
    leave_behind().unwrap();
    assert_eq!(pull.recv().unwrap(), "unread");
}

#[test]
fn data_for_those_who_only_send_goes_nowhere() {
    let _alone = alone();
    let context = Context::new();
    let before = resident();
    let (publisher, push): (Pub, Push) = (socket(&context), socket(&context));
    for (endpoint, kind) in [
        (publisher.bind("tcp://127.0.0.1:*").unwrap().to_string(), "SUB"),
        (push.bind("tcp://127.0.0.1:*").unwrap().to_string(), "PULL"),
    ] {
        let mut stream = dial(endpoint.trim_start_matches("tcp://"));
        stream.write_all(&handshake(kind)).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let body = frame(0, &[7; 8000]);
        // PUB reads and drops; PUSH stops reading at its mark, and the kernel's buffers fill.
        for _ in 0..many(5_000, 500_000) {
            if !say(&mut stream, &body) {
                break;
            }
        }
    }
    let (pull, good): (Pull, Sub) = (socket(&context), socket(&context));
    pull.connect(push.last_endpoint().unwrap()).unwrap();
    good.subscribe("").unwrap();
    good.connect(publisher.last_endpoint().unwrap()).unwrap();
    publisher.wait_subscribed("", 1, LONG).unwrap();
    publisher.send("news").unwrap();
    assert_eq!(good.recv().unwrap(), "news");
    // The stranger is a PULL too, and takes its turn.
    push.send("job").unwrap();
    push.send("job").unwrap();
    assert_eq!(pull.recv().unwrap(), "job");
    assert_grown_at_most(40, before);
}

#[test]
fn endless_messages_end_with_their_connections() {
    let _alone = alone();
    let mut service = Service::new();
    let before = resident();
    // Part of a message, then gone, again and again.
    service.under(|| {
        let wire = [handshake("REQ"), frame(1, b"").repeat(1000), frame(1, &[7; 1000]).repeat(20)].concat();
        for _ in 0..many(200, 100_000) {
            say(&mut service.dial(), &wire);
        }
        // Never an end.
        let mut stream = greeted(&service);
        let parts = frame(1, b"more").repeat(1000);
        while say(&mut stream, &parts) {}
    });
    service.wait_for(many(200, EVENTS_KEPT), ends);
    service.wait_for_quiet();
    assert_grown_at_most(60, before);
}

#[test]
fn floods_of_pings_and_errors_are_borne() {
    let _alone = alone();
    let service = Service::new();
    let before = resident();
    service.under(|| {
        let commands: [&[u8]; 4] =
            [b"\x04PING\x00\x00", b"\x04PING\xff\xff0123456789abcdef", b"\x05ERROR\x03400", b"\x04PONG"];
        for command in commands {
            // It never reads what it is answered.
            let mut stream = greeted(&service);
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            let wire = frame(4, command).repeat(1000);
            for _ in 0..many(100, 5_000) {
                if !say(&mut stream, &wire) {
                    break;
                }
            }
        }
    });
    service.wait_for_quiet();
    assert_grown_at_most(40, before);
}

#[test]
fn who_pings_without_end_and_reads_nothing_is_not_remembered() {
    let _alone = alone();
    let service = Service::new();
    let mut stream = greeted(&service);
    let wire = frame(4, b"\x04PING\x00\x000123456789abcdef").repeat(4000);
    let before = resident();
    // The answers are nearly as long as the questions.
    for _ in 0..many(400, 2_000) {
        assert!(say(&mut stream, &wire), "it is not hung up on");
    }
    assert_grown_at_most(12, before);
}

#[test]
fn who_speaks_something_else_is_hung_up_on_or_waited_out() {
    let _alone = alone();
    let mut service = Service::with(|rep| rep.handshake_interval(Duration::from_millis(300)));
    let tls_hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".iter().copied().chain(0..=154).collect::<Vec<u8>>();
    let cases: [&[u8]; 9] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\n\r\n",
        &tls_hello,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"EHLO example.org\r\n",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"*1\r\n$4\r\nPING\r\n",
        &[0xff; 4096],
    ];
    service.under(|| {
        let mut strangers = Vec::new();
        for bytes in cases {
            for _ in 0..many(3, 100) {
                let mut stream = service.dial();
                say(&mut stream, bytes);
                strangers.push(stream);
            }
        }
        thread::sleep(Duration::from_millis(100));
    });
    service.wait_for(many(27, EVENTS_KEPT), ends);
    service.wait_for_quiet();
}
