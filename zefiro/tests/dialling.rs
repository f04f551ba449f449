//! How connections come about, and when they do not come again: proxies, RECONNECT_STOP, no reconnects.

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use util::{LONG, handshake, socket};
use zefiro::{Context, Dealer, ErrorKind, EventKind, Monitor, Pull, Push};

fn wait_for(monitor: &mut Monitor, wanted: impl Fn(&EventKind) -> bool) {
    while !wanted(&monitor.recv_timeout(LONG).expect("an event").kind) {}
}

fn is_retried(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ConnectRetried(_))
}

/// A SOCKS5 proxy for one connection, which it expects to be asked for by name, with user and password.
fn proxy(listener: TcpListener) {
    let (client, _) = listener.accept().unwrap();
    let expect = |bytes: &[u8]| {
        let mut got = vec![0; bytes.len()];
        (&client).read_exact(&mut got).unwrap();
        assert_eq!(got, bytes);
    };
    expect(&[5, 1, 2]);
    (&client).write_all(&[5, 2]).unwrap();
    expect(b"\x01\x02me\x06secret");
    (&client).write_all(&[1, 0]).unwrap();
    expect(b"\x05\x01\x00\x03\x09localhost");
    let mut port = [0; 2];
    (&client).read_exact(&mut port).unwrap();
    let server = TcpStream::connect(("127.0.0.1", u16::from_be_bytes(port))).unwrap();
    (&client).write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let (mut from_server, mut to_client) = (server, client);
    let _ = std::io::copy(&mut from_server, &mut to_client);
}

#[test]
fn a_connection_goes_through_a_socks_proxy_that_looks_the_name_up() {
    let context = Context::new();
    let pull: Pull = socket(&context);
    let port = pull.bind("tcp://127.0.0.1:*").unwrap().to_string().rsplit_once(':').unwrap().1.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let push = Push::builder()
        .context(&context)
        .socks_proxy(listener.local_addr().unwrap().to_string())
        .socks_username("me")
        .socks_password("secret")
        .build()
        .unwrap();
    thread::spawn(move || proxy(listener));
    push.connect(format!("tcp://localhost:{port}")).unwrap();
    push.send("by a detour").unwrap();
    assert_eq!(pull.recv().unwrap(), "by a detour");
}

#[test]
fn a_proxy_that_refuses_is_asked_again_later() {
    let context = Context::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let push = Push::builder()
        .context(&context)
        .socks_proxy(listener.local_addr().unwrap().to_string())
        .reconnect_interval(Duration::from_millis(5))
        .build()
        .unwrap();
    let mut monitor = push.monitor();
    push.connect("tcp://127.0.0.1:1").unwrap();
    let begun = monitor.next().unwrap();
    assert_eq!(begun.proxy, Some(format!("tcp://{}", listener.local_addr().unwrap())));
    assert_eq!(begun.endpoint, "tcp://127.0.0.1:1");
    for _ in 0..2 {
        let (mut client, _) = listener.accept().unwrap();
        let mut asked = [0; 3];
        client.read_exact(&mut asked).unwrap();
        client.write_all(&[5, 0xff]).unwrap();
        wait_for(&mut monitor, |kind| matches!(kind, EventKind::Closed(why) if why.contains("proxy")));
    }
    assert_eq!(
        Push::builder().socks_proxy("no port".to_string()).build().unwrap_err().kind(),
        ErrorKind::InvalidOption
    );
}

#[test]
fn a_refused_connect_is_forgotten_on_demand() {
    let context = Context::new();
    let push = Push::builder().context(&context).reconnect_stop(1).build().unwrap();
    let endpoint = format!("tcp://{}", util::free_address());
    let mut monitor = push.monitor();
    push.connect(&endpoint).unwrap();
    wait_for(&mut monitor, |kind| matches!(kind, EventKind::Closed(_)));
    // The event comes first, then the endpoint goes.
    let deadline = std::time::Instant::now() + LONG;
    while push.disconnect(&endpoint).is_ok() {
        assert!(std::time::Instant::now() < deadline);
        push.connect(&endpoint).unwrap();
        wait_for(&mut monitor, |kind| matches!(kind, EventKind::Closed(_)));
        thread::yield_now();
    }
    assert!(push.try_send("to nobody").is_err());
}

#[test]
fn a_failed_handshake_is_not_repeated_on_demand() {
    let context = Context::new();
    let push = Push::builder().context(&context).reconnect_stop(2).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut monitor = push.monitor();
    push.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    drop(listener.accept().unwrap());
    wait_for(&mut monitor, |kind| matches!(kind, EventKind::Disconnected(_)));
    assert!(monitor.recv_timeout(Duration::from_millis(300)).is_none_or(|event| !is_retried(&event.kind)));
}

#[test]
fn without_reconnects_a_lost_endpoint_goes_and_what_it_brought_stays() {
    let context = Context::new();
    let dealer = Dealer::builder().context(&context).reconnect_interval(None).recv_timeout(LONG).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let mut monitor = dealer.monitor();
    dealer.connect(&endpoint).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(&handshake("DEALER")).unwrap();
    dealer.wait_connected(1, LONG).unwrap();
    peer.write_all(b"\x00\x05words").unwrap();
    while dealer.peers().first().is_none_or(|peer| peer.counters.queued_in == 0) {
        thread::yield_now();
    }
    drop(peer);
    wait_for(&mut monitor, |kind| matches!(kind, EventKind::Disconnected(_)));
    let deadline = std::time::Instant::now() + LONG;
    while !dealer.peers().is_empty() && std::time::Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(dealer.recv().unwrap(), "words");
    assert!(dealer.try_send("to nobody").is_err());
    // The same endpoint can be connected anew.
    dealer.connect(&endpoint).unwrap();
    listener.accept().unwrap();
}

#[test]
fn a_refused_ipc_connect_is_forgotten_after_a_disconnect_on_demand() {
    let context = Context::new();
    let directory = tempfile::tempdir().unwrap();
    let endpoints = ["one", "two"].map(|name| {
        let path = directory.path().join(name);
        // Nobody listens at the file that stays.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        format!("ipc://{}", path.display())
    });
    let push = Push::builder().context(&context).reconnect_stop(4).reconnect_interval(Duration::from_millis(5));
    // Without a limit, sending fails only when nobody is left to send to.
    let push = push.send_high_water_mark(0).build().unwrap();
    let mut monitor = push.monitor();
    for endpoint in &endpoints {
        push.connect(endpoint).unwrap();
    }
    for _ in 0..4 {
        wait_for(&mut monitor, is_retried);
    }
    push.disconnect(&endpoints[0]).unwrap();
    let deadline = std::time::Instant::now() + LONG;
    while push.try_send("to the queue").is_ok() {
        assert!(std::time::Instant::now() < deadline, "the other is tried for ever");
        thread::yield_now();
    }
    assert_eq!(push.disconnect(&endpoints[1]).unwrap_err().kind(), ErrorKind::UnknownEndpoint);
}

#[test]
fn a_name_that_nobody_knows_is_told_and_looked_up_again() {
    let push = Push::builder().linger(Duration::ZERO).build().unwrap();
    let mut monitor = push.monitor();
    push.connect("tcp://no..such..host:5").unwrap();
    for _ in 0..2 {
        wait_for(
            &mut monitor,
            |kind| matches!(kind, EventKind::Unresolved(why) if !why.is_empty() && !why.contains("tcp://")),
        );
        wait_for(&mut monitor, is_retried);
    }
}
