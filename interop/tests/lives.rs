//! Connections with a real libzmq peer over their life: restarts of either side, heartbeats, full queues; and the
//! guide's first program.

use std::process::Command;
use std::time::{Duration, Instant};

use zefiro::{Context, Endpoint, ErrorKind, EventKind, Monitor, Pub, Pull, Push, Rep, Sub};
use zefiro_interop::{LONG, Peer, message, python};

const SOON: Duration = Duration::from_millis(10);

/// Binds an address whose last owner may not have let go of it quite yet.
fn bind_again(mut bind: impl FnMut() -> zefiro::Result<Endpoint>) {
    let deadline = Instant::now() + LONG;
    while let Err(error) = bind() {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::sleep(SOON);
    }
}

fn wait_for(monitor: &mut Monitor, wanted: impl Fn(&EventKind) -> bool) {
    while !wanted(&monitor.recv_timeout(LONG).expect("it happens in time").kind) {}
}

fn disconnected(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Disconnected(_))
}

#[test]
fn a_restarted_receiver_is_found_again() {
    if python().is_none() {
        return;
    }
    let push = Push::builder().context(&Context::new()).reconnect_interval(SOON).send_timeout(LONG).build().unwrap();
    let first = Peer::start(&["PULL", "bind", "tcp://127.0.0.1:*", "recv", "3"]).unwrap();
    let endpoint = first.line();
    push.connect(&endpoint).unwrap();
    let mut monitor = push.monitor();
    for number in 0..3 {
        push.send(message(number)).unwrap();
    }
    first.finish();
    wait_for(&mut monitor, disconnected);
    for number in 0..3 {
        push.send(message(number)).unwrap();
    }
    let second = Peer::start(&["PULL", "bind", &endpoint, "recv", "3"]).unwrap();
    second.finish();
}

#[test]
fn a_restarted_publisher_learns_the_subscriptions_again() {
    if python().is_none() {
        return;
    }
    let sub = Sub::builder().context(&Context::new()).reconnect_interval(SOON).recv_timeout(LONG).build().unwrap();
    sub.subscribe("topic").unwrap();
    let mut endpoint = "tcp://127.0.0.1:*".to_string();
    for round in 0..3 {
        // Each publisher sends only once it has heard of the subscription.
        let publisher = Peer::start(&["XPUB", "bind", &endpoint, "send", "3"]).unwrap();
        endpoint = publisher.line();
        if round == 0 {
            sub.connect(&endpoint).unwrap();
        }
        for number in 0..3 {
            assert_eq!(sub.recv().unwrap(), message(number));
        }
        publisher.finish();
    }
}

#[test]
fn a_killed_peer_is_found_again() {
    if python().is_none() {
        return;
    }
    let pull = Pull::builder().context(&Context::new()).reconnect_interval(SOON).recv_timeout(LONG).build().unwrap();
    let mut endpoint = "tcp://127.0.0.1:*".to_string();
    for round in 0..2 {
        // Far more than is received here, so that it is killed in the middle.
        let push = Peer::start(&["PUSH", "bind", &endpoint, "send", "100000"]).unwrap();
        endpoint = push.line();
        if round == 0 {
            pull.connect(&endpoint).unwrap();
        }
        // What the killed one had sent is still in the queue; the next one begins with message 0 again.
        while pull.recv().unwrap() != message(0) {}
        for number in 1..20 {
            assert_eq!(pull.recv().unwrap(), message(number));
        }
        drop(push);
    }
}

#[test]
fn we_are_found_again_after_a_restart() {
    if python().is_none() {
        return;
    }
    let context = Context::new();
    let serve = || Rep::builder().context(&context).recv_timeout(LONG).send_timeout(LONG).build().unwrap();
    let mut rep = serve();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut peer = Peer::start(&["REQ", "connect", &endpoint, "ask-when-told", "3", "RECONNECT_IVL=10"]).unwrap();
    for number in 0..3 {
        rep.wait_connected(1, LONG).unwrap();
        peer.go_on();
        assert_eq!(rep.recv().unwrap(), message(number));
        rep.send(message(number)).unwrap();
        rep.close_within(LONG).unwrap();
        rep = serve();
        bind_again(|| rep.bind(&endpoint));
    }
    peer.finish();
}

#[test]
fn a_restart_of_our_publisher_loses_no_subscription() {
    if python().is_none() {
        return;
    }
    let context = Context::new();
    let endpoint = {
        let publisher = Pub::builder().context(&context).build().unwrap();
        let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string();
        publisher.close_within(LONG).unwrap();
        endpoint
    };
    let options = ["SUBSCRIBE=topic", "RECONNECT_IVL=10"];
    let arguments: Vec<&str> = ["SUB", "connect", &endpoint, "recv", "4"].into_iter().chain(options).collect();
    let peer = Peer::start(&arguments).unwrap();
    for half in [0..2, 2..4] {
        let publisher = Pub::builder().context(&context).build().unwrap();
        bind_again(|| publisher.bind(&endpoint));
        publisher.wait_subscribed("topic", 1, LONG).unwrap();
        for number in half {
            publisher.send(message(number)).unwrap();
        }
        publisher.close_within(LONG).unwrap();
    }
    peer.finish();
}

#[test]
fn heartbeats_of_both_sides_survive_silence() {
    if python().is_none() {
        return;
    }
    let rep = Rep::builder()
        .context(&Context::new())
        .heartbeat_interval(Duration::from_millis(20))
        .heartbeat_timeout(Duration::from_secs(2))
        .recv_timeout(LONG)
        .build()
        .unwrap();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut monitor = rep.monitor();
    let options = ["HEARTBEAT_IVL=20", "HEARTBEAT_TIMEOUT=2000", "HEARTBEAT_TTL=2000"];
    let arguments: Vec<&str> = ["REQ", "connect", &endpoint, "ask", "1"].into_iter().chain(options).collect();
    let peer = Peer::start(&arguments).unwrap();
    let request = rep.recv().unwrap();
    // Many intervals of silence, longer than the time limits, which neither side takes for the other's death.
    let silence = Instant::now() + Duration::from_millis(2500);
    while let Some(left) = silence.checked_duration_since(Instant::now()) {
        if let Some(event) = monitor.recv_timeout(left) {
            assert!(!disconnected(&event.kind), "a peer that answers heartbeats was given up: {event:?}");
        }
    }
    rep.send(request).unwrap();
    peer.finish();
}

#[test]
fn a_frozen_peer_is_given_up_and_taken_back() {
    if python().is_none() {
        return;
    }
    let rep = Rep::builder()
        .context(&Context::new())
        .heartbeat_interval(Duration::from_millis(50))
        .heartbeat_timeout(Duration::from_millis(300))
        .recv_timeout(LONG)
        .build()
        .unwrap();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut monitor = rep.monitor();
    let mut peer = Peer::start(&["REQ", "connect", &endpoint, "ask-when-told", "1", "RECONNECT_IVL=10"]).unwrap();
    rep.wait_connected(1, LONG).unwrap();
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &peer.process_id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    };
    signal("-STOP");
    wait_for(&mut monitor, disconnected);
    signal("-CONT");
    wait_for(&mut monitor, |kind| *kind == EventKind::HandshakeSucceeded);
    peer.go_on();
    let request = rep.recv().unwrap();
    rep.send(request).unwrap();
    peer.finish();
}

#[test]
fn a_full_queue_of_ours_holds_us_back_and_loses_nothing() {
    if python().is_none() {
        return;
    }
    let push = Push::builder().context(&Context::new()).send_high_water_mark(5).build().unwrap();
    let endpoint = push.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut peer = Peer::start(&["PULL", "connect", &endpoint, "recv-when-told", "0", "RCVHWM=5"]).unwrap();
    peer.line();
    let mut sent = 0;
    // Beyond both marks the operating system's buffers take some; not without end.
    let refusal = loop {
        match push.send_timeout(vec![0; 65536], Duration::from_millis(if sent == 0 { 20_000 } else { 500 })) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refusal.kind(), ErrorKind::TimedOut);
    peer.go_on();
    push.send_timeout("end", LONG).unwrap();
    assert_eq!(peer.line(), sent.to_string());
    peer.finish();
}

#[test]
fn a_full_queue_of_ours_holds_the_peer_back_and_loses_nothing() {
    if python().is_none() {
        return;
    }
    let pull = Pull::builder().context(&Context::new()).recv_high_water_mark(5).recv_timeout(LONG).build().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let peer = Peer::start(&["PUSH", "connect", &endpoint, "fill", "0", "SNDHWM=5"]).unwrap();
    peer.line();
    let sent: usize = peer.line().parse().unwrap();
    for _ in 0..sent {
        assert_eq!(pull.recv().unwrap().byte_len(), 65536);
    }
    assert_eq!(pull.recv().unwrap(), "end");
    peer.finish();
}

#[test]
fn the_guide_s_client_gets_its_ten_replies() {
    if python().is_none() {
        return;
    }
    let rep = Rep::builder().recv_timeout(LONG).build().unwrap();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let port = endpoint.rsplit(':').next().unwrap();
    let program = include_str!("../python/client.py").replace("5555", port);
    let client = Peer::run(&program, &[]).unwrap();
    for number in 0..10 {
        assert_eq!(rep.recv().unwrap(), "Hello");
        rep.send("World").unwrap();
        assert_eq!(client.line(), format!("Received reply {number} [ b'World' ]"));
    }
    client.finish();
}
