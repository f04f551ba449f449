//! Coming, going and coming back: endpoints, connections, sockets, contexts.

mod util;

use std::thread;
use std::time::{Duration, Instant};

use util::{LONG, endpoints, over_each_transport, socket};
use zefiro::{AnySocket, Context, Dealer, ErrorKind, EventKind, Message, Pull, Push, Rep, Req, Router, Sub};

#[test]
fn messages_sent_before_the_peer_binds_arrive_when_it_does() {
    for endpoint in ["tcp", "ipc", "inproc"] {
        let context = Context::new();
        let directory = tempfile::tempdir().unwrap();
        let endpoint = match endpoint {
            "tcp" => format!("tcp://{}", util::free_address()),
            "ipc" => format!("ipc://{}/late", directory.path().display()),
            _ => "inproc://late".into(),
        };
        let push: Push = socket(&context);
        push.connect(&endpoint).unwrap();
        push.send("early").unwrap();
        let pull: Pull = socket(&context);
        pull.bind(&endpoint).unwrap();
        assert_eq!(pull.recv().unwrap(), "early", "{endpoint}");
    }
}

#[test]
fn a_connection_comes_back_after_its_peer() {
    let context = Context::new();
    let endpoint = format!("tcp://{}", util::free_address());
    let push = Push::builder().context(&context).reconnect_interval(Duration::from_millis(10)).build().unwrap();
    push.connect(&endpoint).unwrap();
    for round in 0..5 {
        let pull: Pull = socket(&context);
        util::bind_again(|| pull.bind(&endpoint).map(drop));
        push.wait_connected(1, LONG).unwrap();
        push.send(round.to_string()).unwrap();
        assert_eq!(pull.recv().unwrap(), round.to_string().as_str());
        let mut monitor = push.monitor();
        pull.close();
        while !matches!(monitor.recv_timeout(LONG).unwrap().kind, EventKind::Disconnected(_)) {}
    }
}

#[test]
fn unbinding_frees_the_address_at_once() {
    for endpoint in [format!("tcp://{}", util::free_address()), "inproc://freed".to_string()] {
        let context = Context::new();
        let pull: Pull = socket(&context);
        let endpoint = pull.bind(&endpoint).unwrap().to_string();
        for _ in 0..500 {
            pull.unbind(&endpoint).unwrap();
            pull.bind(&endpoint).unwrap();
        }
        pull.unbind(&endpoint).unwrap();
        assert_eq!(pull.unbind(&endpoint).unwrap_err().kind(), ErrorKind::UnknownEndpoint);
    }
}

#[test]
fn disconnecting_ends_the_connection_after_what_is_queued() {
    over_each_transport(|pull: Pull, push: Push| {
        for number in 0..100 {
            push.send(number.to_string()).unwrap();
        }
        let endpoint = push.last_endpoint().unwrap();
        push.disconnect(&endpoint).unwrap();
        assert_eq!(push.disconnect(&endpoint).unwrap_err().kind(), ErrorKind::UnknownEndpoint);
        assert_eq!(push.try_send("nobody there").unwrap_err().kind(), ErrorKind::WouldBlock);
        for number in 0..100 {
            assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
        }
    });
}

#[test]
fn closing_wakes_whoever_waits() {
    for endpoint in endpoints() {
        let context = Context::new();
        let pull = Pull::builder().context(&context).build().unwrap();
        let endpoint = pull.bind(&endpoint).unwrap().to_string();
        let push = Push::builder().context(&context).build().unwrap();
        push.connect(&endpoint).unwrap();
        pull.wait_connected(1, LONG).unwrap();
        let waiting = pull.clone();
        let thread = thread::spawn(move || waiting.recv().unwrap_err().kind());
        // Whether it waits yet or not, it must not wait any longer.
        pull.close();
        assert_eq!(thread.join().unwrap(), ErrorKind::Closed);
        assert_eq!(pull.try_recv().unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[test]
fn shutting_the_context_down_wakes_whoever_waits() {
    let context = Context::new();
    let pull = Pull::builder().context(&context).build().unwrap();
    pull.bind("tcp://127.0.0.1:*").unwrap();
    let push = Push::builder().context(&context).build().unwrap();
    let (receiver, sender) = (pull.clone(), push.clone());
    let receiving = thread::spawn(move || receiver.recv().unwrap_err().kind());
    let sending = thread::spawn(move || sender.send("nobody").unwrap_err().kind());
    context.shutdown();
    assert_eq!(receiving.join().unwrap(), ErrorKind::Terminated);
    assert_eq!(sending.join().unwrap(), ErrorKind::Terminated);
    assert_eq!(pull.bind("inproc://x").unwrap_err().kind(), ErrorKind::Terminated);
    drop((pull, push));
    context.terminate();
}

#[test]
fn a_deadline_is_kept_and_names_what_was_not_sent() {
    for endpoint in [format!("tcp://{}", util::free_address()), "inproc://nobody".into()] {
        let context = Context::new();
        let push: Push = socket(&context);
        push.connect(&endpoint).unwrap();
        for _ in 0..3 {
            push.send("into the void").unwrap();
        }
        let start = Instant::now();
        let unsent = push.close_within(Duration::from_millis(100)).unwrap_err();
        assert!(start.elapsed() < LONG);
        assert_eq!((unsent.unsent()[0].messages, unsent.unsent()[0].endpoint.as_str()), (3, endpoint.as_str()));
        context.terminate();
    }
}

#[test]
fn what_is_queued_is_sent_before_the_context_ends() {
    for linger in [None, Some(LONG)] {
        let context = Context::new();
        let pull: Pull = socket(&Context::new());
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let push = Push::builder().context(&context).linger(linger).send_high_water_mark(0).build().unwrap();
        push.connect(&endpoint).unwrap();
        let sender = thread::spawn(move || {
            for number in 0..5000u32 {
                push.send(Message::from(&number.to_be_bytes())).unwrap();
            }
            drop(push);
            context.terminate();
        });
        for number in 0..5000u32 {
            assert_eq!(pull.recv().unwrap().as_bytes(), number.to_be_bytes());
        }
        sender.join().unwrap();
    }
}

#[test]
fn without_linger_ending_takes_no_time() {
    let context = Context::new();
    let push = Push::builder().context(&context).linger(Duration::ZERO).build().unwrap();
    push.connect("tcp://127.0.0.1:1").unwrap();
    push.send("gone").unwrap();
    drop(push);
    context.terminate();
}

#[test]
fn a_full_queue_refuses_and_gives_the_message_back() {
    let context = Context::new();
    let pull = Pull::builder().context(&context).recv_high_water_mark(2).build().unwrap();
    pull.bind("inproc://full").unwrap();
    let push = Push::builder().context(&context).send_high_water_mark(2).build().unwrap();
    push.connect("inproc://full").unwrap();
    let sent = (0..100).take_while(|number: &i32| push.try_send(number.to_string()).is_ok()).count();
    assert_eq!(sent, 4, "both marks add up");
    let refused = push.try_send(["whole", "message"]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert_eq!(refused.into_message(), ["whole", "message"]);
    let late = push.send_timeout("x", Duration::from_millis(1)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    for number in 0..4 {
        assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
    }
    push.try_send("room again").unwrap();
}

#[test]
fn over_tcp_a_receiver_that_does_not_read_stops_the_sender() {
    let context = Context::new();
    let pull = Pull::builder().context(&context).recv_high_water_mark(10).build().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let push = Push::builder().context(&context).send_high_water_mark(10).build().unwrap();
    push.connect(&endpoint).unwrap();
    push.wait_connected(1, LONG).unwrap();
    let body = vec![1u8; 100_000];
    let mut sent = 0;
    while push.send_timeout(body.as_slice(), Duration::from_millis(300)).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "nothing stops the sender");
    }
    for _ in 0..sent {
        assert_eq!(pull.recv_timeout(LONG).unwrap().byte_len(), body.len());
    }
    push.send_timeout("more", LONG).unwrap();
    assert_eq!(pull.recv_timeout(LONG).unwrap(), "more");
}

#[test]
fn conflating_keeps_the_newest() {
    let context = Context::new();
    let pull = Pull::builder().context(&context).conflate(true).build().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let push: Push = socket(&context);
    push.connect(&endpoint).unwrap();
    for number in 0..1000 {
        push.send(number.to_string()).unwrap();
    }
    let mut last = String::new();
    while last != "999" {
        last = pull.recv_timeout(LONG).unwrap().as_str().unwrap().to_string();
    }
}

#[test]
fn monitors_tell_a_connection_s_life() {
    let context = Context::new();
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    let (mut of_pull, mut of_push) = (pull.monitor(), push.monitor());
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    push.connect(&endpoint).unwrap();
    let names = |monitor: &mut zefiro::Monitor, count: usize| -> Vec<String> {
        (0..count).map(|_| monitor.recv_timeout(LONG).unwrap().kind.to_string()).collect()
    };
    assert_eq!(names(&mut of_pull, 3), ["listening", "accepted", "handshake succeeded"]);
    assert_eq!(names(&mut of_push, 3), ["connecting", "connected", "handshake succeeded"]);
    pull.close();
    assert!(names(&mut of_push, 1)[0].starts_with("disconnected"));
    assert!(names(&mut of_push, 1)[0].starts_with("retrying"));
    assert_eq!(of_pull.by_ref().last().unwrap().kind, EventKind::Stopped);
}

#[test]
fn some_types_connect_to_an_endpoint_only_once() {
    let context = Context::new();
    let router: Router = socket(&context);
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let dealer: Dealer = socket(&context);
    for _ in 0..3 {
        dealer.connect(&endpoint).unwrap();
    }
    router.wait_connected(1, LONG).unwrap();
    dealer.send("once").unwrap();
    router.recv().unwrap();
    assert_eq!(router.peers().len(), 1);
}

#[test]
fn immediate_sockets_queue_only_for_peers_that_are_there() {
    let context = Context::new();
    let push = Push::builder().context(&context).immediate(true).build().unwrap();
    let endpoint = format!("tcp://{}", util::free_address());
    push.connect(&endpoint).unwrap();
    assert_eq!(push.try_send("nobody").unwrap_err().kind(), ErrorKind::WouldBlock);
    let pull: Pull = socket(&context);
    util::bind_again(|| pull.bind(&endpoint).map(drop));
    push.send_timeout("somebody", LONG).unwrap();
    assert_eq!(pull.recv().unwrap(), "somebody");
}

#[test]
fn a_peer_that_falls_silent_is_given_up() {
    use std::io::{Read, Write};
    let context = Context::new();
    let pull = Pull::builder()
        .context(&context)
        .heartbeat_interval(Duration::from_millis(20))
        .heartbeat_timeout(Duration::from_millis(60))
        .build()
        .unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut silent = std::net::TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    silent.write_all(&util::handshake("PUSH")).unwrap();
    let gave_up = std::iter::from_fn(|| monitor.recv_timeout(LONG))
        .find(|event| matches!(event.kind, EventKind::Disconnected(_)))
        .unwrap();
    assert!(gave_up.to_string().contains("silent"), "{gave_up}");
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap();
    assert!(rest.windows(5).any(|bytes| bytes == b"\x04PING"), "it was not asked");
}

#[test]
fn a_handshake_that_does_not_end_is_given_up() {
    let context = Context::new();
    let pull = Pull::builder().context(&context).handshake_interval(Duration::from_millis(50)).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let silent = std::net::TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    let failed = std::iter::from_fn(|| monitor.recv_timeout(LONG))
        .find(|event| matches!(event.kind, EventKind::HandshakeFailed(_)))
        .unwrap();
    assert!(failed.to_string().contains("in time"), "{failed}");
    drop(silent);
}

#[test]
fn parts_are_sent_and_received_one_by_one() {
    let context = Context::new();
    let builder =
        |socket_type| AnySocket::builder_of(socket_type).context(&context).recv_timeout(LONG).build().unwrap();
    let (pull, push) = (builder(zefiro::SocketType::Pull), builder(zefiro::SocketType::Push));
    push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    use zefiro::Wait;
    push.send_part("one", true, Wait::AsConfigured).unwrap();
    assert_eq!(pull.try_recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    push.send_part("two", false, Wait::AsConfigured).unwrap();
    assert_eq!(pull.recv_part(Wait::AsConfigured).unwrap(), ("one".into(), true));
    assert_eq!(pull.recv_part(Wait::AsConfigured).unwrap(), ("two".into(), false));
    assert_eq!(push.recv_part(Wait::No).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn sockets_of_any_type_refuse_what_they_cannot_do() {
    let context = Context::new();
    let sub: Sub = socket(&context);
    let any = sub.clone().into_any();
    assert_eq!(any.send("x").unwrap_err().kind(), ErrorKind::Unsupported);
    let (req, rep): (Req, Rep) = (socket(&context), socket(&context));
    assert_eq!(req.into_any().subscribe("x").unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(rep.send("x").unwrap_err().kind(), ErrorKind::State);
    let few = Context::builder().max_sockets(1).build();
    let first = Pull::builder().context(&few).build().unwrap();
    assert_eq!(Pull::builder().context(&few).build().unwrap_err().kind(), ErrorKind::TooManySockets);
    drop(first);
    Pull::builder().context(&few).build().unwrap();
}

#[test]
fn dead_peers_are_noticed_by_default_and_slow_ones_are_kept() {
    let options = Push::new().options();
    assert!(options.liveness.is_some() && options.heartbeat_interval.is_none());
    assert_eq!(Push::builder().as_libzmq().build().unwrap().options().liveness, None);
    let context = Context::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let push = Push::builder().context(&context).liveness(Duration::from_secs(1)).build().unwrap();
    let mut monitor = push.monitor();
    push.connect(&endpoint).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    std::io::Write::write_all(&mut peer, &util::handshake("PULL")).unwrap();
    push.wait_connected(1, LONG).unwrap();
    // It is pinged again and again, answers nothing, and is kept: its system acknowledges.
    let mut heard = Vec::new();
    let pings = |heard: &[u8]| heard.windows(4).filter(|bytes| bytes == b"PING").count();
    while pings(&heard) < 4 {
        let mut bytes = [0; 1024];
        let count = std::io::Read::read(&mut peer, &mut bytes).unwrap();
        assert!(count > 0, "a peer that lives was given up");
        heard.extend_from_slice(&bytes[..count]);
    }
    while let Some(event) = monitor.try_recv() {
        assert!(!matches!(event.kind, EventKind::Disconnected(_)), "{event}");
    }
}

#[test]
fn a_peer_that_is_gone_before_it_was_read_costs_nothing_until_it_is() {
    util::in_child("a_peer_that_is_gone_before_it_was_read_costs_nothing_until_it_is", || {
        for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
            let context = Context::new();
            let pull = Pull::builder().context(&context).recv_high_water_mark(1).build().unwrap();
            let push: Push = socket(&context);
            push.connect(pull.bind(endpoint).unwrap().to_string()).unwrap();
            for number in 0..10 {
                push.send(number.to_string()).unwrap();
            }
            push.close_within(LONG).unwrap();
            util::until("the mark is reached", || pull.counters().queued_in > 0);
            // No event tells that nothing goes on: the time this process works while it has nothing to do does.
            thread::sleep(Duration::from_millis(50));
            let before = util::processor_time();
            thread::sleep(Duration::from_millis(500));
            let worked = util::processor_time() - before;
            assert!(worked < Duration::from_millis(150), "{endpoint}: worked {worked:?} of half a second");
            for number in 0..10 {
                assert_eq!(pull.recv_timeout(LONG).unwrap(), number.to_string().as_str());
            }
            util::until("the peer's end is seen", || pull.peers().is_empty());
        }
    });
}

#[test]
fn a_connecting_socket_that_ends_a_connection_connects_anew() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let context = Context::new();
        let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
        let mut monitor = pull.monitor();
        push.connect(pull.bind(endpoint).unwrap().to_string()).unwrap();
        push.wait_connected(1, LONG).unwrap();
        for number in 0..500 {
            push.send(number.to_string()).unwrap();
        }
        push.disconnect_peer(push.peers()[0].id).unwrap();
        for number in 0..500 {
            assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
        }
        let handshakes = std::iter::from_fn(|| monitor.recv_timeout(LONG))
            .filter(|event| event.kind == EventKind::HandshakeSucceeded)
            .take(2);
        assert_eq!(handshakes.count(), 2, "{endpoint}");
        push.send("again").unwrap();
        assert_eq!(pull.recv().unwrap(), "again");
        context.close_within(LONG).unwrap();
    }
}

#[test]
fn ending_a_connection_leaves_those_of_other_sockets_alone() {
    let context = Context::new();
    let sockets: Vec<(Pull, Push)> = (0..4).map(|_| (socket(&context), socket(&context))).collect();
    for (pull, push) in &sockets {
        push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        push.wait_connected(1, LONG).unwrap();
    }
    let mut monitors: Vec<_> = sockets.iter().map(|(_, push)| push.monitor()).collect();
    sockets[2].1.disconnect_peer(sockets[2].1.peers()[0].id).unwrap();
    let again = |event: &zefiro::Event| event.kind == EventKind::HandshakeSucceeded;
    std::iter::from_fn(|| monitors[2].recv_timeout(LONG)).find(again).expect("it connects anew");
    for (number, monitor) in monitors.iter_mut().enumerate().filter(|(number, _)| *number != 2) {
        assert_eq!(monitor.try_recv(), None, "{number}");
    }
    for (pull, push) in &sockets {
        push.send("still there").unwrap();
        assert_eq!(pull.recv().unwrap(), "still there");
    }
    context.close_within(LONG).unwrap();
}

#[test]
fn marks_can_be_changed_at_any_time() {
    over_each_transport(|pull: Pull, push: Push| {
        let fill = || std::iter::from_fn(|| push.try_send(vec![7; 1 << 20]).ok()).count();
        let set = |mark| {
            pull.set_options(|options| options.recv_high_water_mark = mark).unwrap();
            push.set_options(|options| options.send_high_water_mark = mark).unwrap();
        };
        set(1);
        let few = fill();
        set(20);
        let more = fill();
        assert!(more >= 19, "{more} more fit");
        set(1);
        // What was on its way to the peer may have left room meanwhile.
        let mut sent = few + more;
        util::until("it is full", || {
            let further = fill();
            sent += further;
            further == 0
        });
        // And again there is room when all is read, however little that is by the old marks.
        for _ in 0..sent {
            pull.recv().unwrap();
        }
        push.send("room").unwrap();
        assert_eq!(pull.recv().unwrap(), "room");
    });
    let push = Push::builder().send_high_water_mark(1).linger(Duration::ZERO).build().unwrap();
    push.connect("inproc://nobody is there").unwrap();
    push.try_send("1").unwrap();
    push.try_send("2").unwrap_err();
    push.set_options(|options| options.send_high_water_mark = 2).unwrap();
    push.try_send("2").unwrap();
}

#[test]
fn a_sender_full_before_the_bind_goes_on_after_it() {
    let context = Context::new();
    let push = Push::builder().context(&context).send_high_water_mark(4).build().unwrap();
    let pull = Pull::builder().context(&context).recv_high_water_mark(3).recv_timeout(LONG).build().unwrap();
    push.connect("inproc://later").unwrap();
    let fill = || std::iter::from_fn(|| push.try_send("x").ok()).count();
    assert_eq!(fill(), 4);
    pull.bind("inproc://later").unwrap();
    assert_eq!(fill(), 3);
    (0..7).for_each(|_| assert_eq!(pull.recv().unwrap(), "x"));
    push.send("on").unwrap();
    assert_eq!(pull.recv().unwrap(), "on");
}
