//! Every pattern with a real libzmq peer: tcp and ipc, either side binding, small, large and multipart messages.

use std::time::Duration;

use zefiro::{AnySocket, Configure, Context, Message, Rep, SocketType};
use zefiro_interop::{LONG, Peer, message, python};

const COUNT: usize = 60;

/// Runs `ours` against a libzmq socket of type `theirs` that does `action`, four ways.
fn four_ways(ours: SocketType, theirs: &str, action: &str, options: &[&str], test: impl Fn(&AnySocket)) {
    if python().is_none() {
        return;
    }
    for transport in ["tcp", "ipc"] {
        for we_bind in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let endpoint = match transport {
                "tcp" => "tcp://127.0.0.1:*".to_string(),
                _ => format!("ipc://{}/socket", directory.path().display()),
            };
            let context = Context::new();
            let builder = AnySocket::builder_of(ours).context(&context).recv_timeout(LONG).send_timeout(LONG);
            let socket = builder.recv_high_water_mark(0usize).send_high_water_mark(0usize).build().unwrap();
            let count = COUNT.to_string();
            let start = |how: &str, endpoint: &str| {
                let arguments: Vec<&str> =
                    [theirs, how, endpoint, action, &count].into_iter().chain(options.iter().copied()).collect();
                Peer::start(&arguments).unwrap()
            };
            let peer = if we_bind {
                start("connect", &socket.bind(&endpoint).unwrap().to_string())
            } else {
                let peer = start("bind", &endpoint);
                socket.connect(&peer.line()).unwrap();
                peer
            };
            test(&socket);
            socket.close_within(LONG).unwrap();
            peer.finish();
        }
    }
}

fn send_all(socket: &AnySocket) {
    for number in 0..COUNT {
        socket.send(message(number)).unwrap();
    }
}

fn receive_all(socket: &AnySocket) {
    for number in 0..COUNT {
        assert_eq!(socket.recv().unwrap(), message(number), "message {number}");
    }
}

#[test]
fn push_and_pull() {
    four_ways(SocketType::Push, "PULL", "recv", &[], send_all);
    four_ways(SocketType::Pull, "PUSH", "send", &[], receive_all);
}

#[test]
fn publish_and_subscribe() {
    let subscribed = |socket: &AnySocket| {
        socket.subscribe("topic").unwrap();
        receive_all(socket);
    };
    four_ways(SocketType::Sub, "XPUB", "send", &["SNDHWM=0"], subscribed);
    four_ways(SocketType::XSub, "XPUB", "send", &["SNDHWM=0"], |socket| {
        socket.send(b"\x01topic").unwrap();
        receive_all(socket);
    });
    for ours in [SocketType::Pub, SocketType::XPub] {
        four_ways(ours, "SUB", "recv", &["SUBSCRIBE=topic", "RCVHWM=0"], |socket| {
            socket.wait_subscribed("topic", 1, LONG).unwrap();
            socket.send("unwanted").unwrap();
            send_all(socket);
        });
    }
}

#[test]
fn request_and_reply() {
    four_ways(SocketType::Req, "REP", "echo", &[], |socket| {
        for number in 0..COUNT {
            socket.send(message(number)).unwrap();
            assert_eq!(socket.recv().unwrap(), message(number));
        }
    });
    four_ways(SocketType::Rep, "REQ", "ask", &[], |socket| {
        for _ in 0..COUNT {
            let request = socket.recv().unwrap();
            socket.send(request).unwrap();
        }
    });
}

#[test]
fn dealer_router_and_pair() {
    let ask = |socket: &AnySocket| {
        for number in 0..COUNT {
            socket.send(message(number)).unwrap();
            assert_eq!(socket.recv().unwrap(), message(number));
        }
    };
    four_ways(SocketType::Dealer, "ROUTER", "echo", &[], ask);
    four_ways(SocketType::Dealer, "DEALER", "echo", &[], ask);
    four_ways(SocketType::Pair, "PAIR", "echo", &[], ask);
    four_ways(SocketType::Router, "DEALER", "ask", &["ROUTING_ID=ann"], |socket| {
        for number in 0..COUNT {
            let request = socket.recv().unwrap();
            assert_eq!(
                (request.first().as_slice(), request.frame_count()),
                (&b"ann"[..], 1 + message(number).frame_count())
            );
            socket.send(request).unwrap();
        }
    });
    four_ways(SocketType::Pair, "PAIR", "ask", &[], |socket| {
        for _ in 0..COUNT {
            let request = socket.recv().unwrap();
            socket.send(request).unwrap();
        }
    });
}

#[test]
fn a_restarted_peer_is_found_again() {
    if python().is_none() {
        return;
    }
    let context = Context::new();
    let push = AnySocket::builder_of(SocketType::Push)
        .context(&context)
        .reconnect_interval(Duration::from_millis(10))
        .send_timeout(LONG)
        .build()
        .unwrap();
    let first = Peer::start(&["PULL", "bind", "tcp://127.0.0.1:*", "recv", "3"]).unwrap();
    let endpoint = first.line();
    push.connect(&endpoint).unwrap();
    let mut monitor = push.monitor();
    for number in 0..3 {
        push.send(message(number)).unwrap();
    }
    first.finish();
    while !matches!(monitor.recv_timeout(LONG).unwrap().kind, zefiro::EventKind::Disconnected(_)) {}
    for number in 0..3 {
        push.send(message(number)).unwrap();
    }
    let second = Peer::start(&["PULL", "bind", &endpoint, "recv", "3"]).unwrap();
    second.finish();
}

#[test]
fn heartbeats_are_answered() {
    if python().is_none() {
        return;
    }
    let context = Context::new();
    let rep = Rep::builder()
        .context(&context)
        .heartbeat_interval(Duration::from_millis(20))
        .recv_timeout(LONG)
        .build()
        .unwrap();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut monitor = rep.monitor();
    let options = ["HEARTBEAT_IVL=20", "HEARTBEAT_TIMEOUT=500", "HEARTBEAT_TTL=500"];
    let arguments: Vec<&str> = ["REQ", "connect", &endpoint, "ask", "1"].into_iter().chain(options).collect();
    let peer = Peer::start(&arguments).unwrap();
    let request = rep.recv().unwrap();
    // Many intervals of silence, which neither side takes for the other's death.
    let lost = std::iter::from_fn(|| monitor.recv_timeout(Duration::from_millis(700)))
        .any(|event| matches!(event.kind, zefiro::EventKind::Disconnected(_)));
    assert!(!lost, "a peer that answers heartbeats was given up");
    rep.send(request).unwrap();
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

#[test]
fn peers_of_older_versions_are_understood() {
    use std::io::{Read, Write};
    let context = Context::new();
    let cases: [(&[u8], &[u8]); 2] = [
        // ZMTP 2.0: signature, revision, type, an empty identity; then frames.
        (b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x05\x00\x00", b"\x00\x05Hello"),
        // ZMTP 1.0: an empty identity; then frames.
        (b"\x01\x00", b"\x06\x00Hello"),
    ];
    for (greeting, hello) in cases {
        let router = AnySocket::builder_of(SocketType::Router).context(&context).recv_timeout(LONG).build().unwrap();
        let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut stream = std::net::TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(&[greeting, hello].concat()).unwrap();
        let request: Message = router.recv().unwrap();
        assert_eq!(request.last().as_slice(), b"Hello");
        router.send(request).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(hello) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
    }
}
