//! Every pattern with a real libzmq peer: tcp and ipc, either side binding, small, large and multipart messages.

use zefiro::{AnySocket, Context, SocketType};
use zefiro_interop::{LONG, Peer, message, python};

const COUNT: usize = 60;
const STREAM_BYTES: usize = 1 << 20;

/// Runs `ours` against a libzmq socket of type `theirs` that does `action`, four ways.
fn four_ways(ours: SocketType, theirs: &str, action: &str, options: &[&str], test: impl Fn(&AnySocket)) {
    over(&["tcp", "ipc"], COUNT, ours, theirs, action, options, test);
}

fn over(
    transports: &[&str],
    count: usize,
    ours: SocketType,
    theirs: &str,
    action: &str,
    options: &[&str],
    test: impl Fn(&AnySocket),
) {
    if python().is_none() {
        return;
    }
    for transport in transports {
        for we_bind in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let endpoint = match *transport {
                "tcp" => "tcp://127.0.0.1:*".to_string(),
                _ => format!("ipc://{}/socket", directory.path().display()),
            };
            let context = Context::new();
            let builder = AnySocket::builder_of(ours).context(&context).recv_timeout(LONG).send_timeout(LONG);
            let socket = builder.recv_high_water_mark(0).send_high_water_mark(0).build().unwrap();
            let count = count.to_string();
            let start = |how: &str, endpoint: &str| {
                let arguments: Vec<&str> =
                    [theirs, how, endpoint, action, &count].into_iter().chain(options.iter().copied()).collect();
                Peer::start(&arguments).unwrap()
            };
            let mut peer = if we_bind {
                start("connect", &socket.bind(&endpoint).unwrap().to_string())
            } else {
                let peer = start("bind", &endpoint);
                socket.connect(peer.line()).unwrap();
                peer
            };
            test(&socket);
            if action == "publish" {
                peer.go_on();
            }
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

fn ask_all(socket: &AnySocket) {
    for number in 0..COUNT {
        socket.send(message(number)).unwrap();
        assert_eq!(socket.recv().unwrap(), message(number), "message {number}");
    }
}

fn echo_all(socket: &AnySocket) {
    for _ in 0..COUNT {
        let request = socket.recv().unwrap();
        socket.send(request).unwrap();
    }
}

#[test]
fn push_and_pull() {
    four_ways(SocketType::Push, "PULL", "recv", &[], send_all);
    four_ways(SocketType::Pull, "PUSH", "send", &[], receive_all);
}

#[test]
fn a_subscriber_of_ours_gets_what_it_wants() {
    four_ways(SocketType::Sub, "XPUB", "send", &["SNDHWM=0"], |socket| {
        socket.subscribe("topic").unwrap();
        receive_all(socket);
    });
    four_ways(SocketType::XSub, "XPUB", "send", &["SNDHWM=0"], |socket| {
        socket.send(b"\x01topic").unwrap();
        receive_all(socket);
    });
    four_ways(SocketType::Sub, "PUB", "publish", &[], |socket| {
        socket.subscribe("topic").unwrap();
        for _ in 0..5 {
            assert_eq!(socket.recv().unwrap().first().as_slice(), b"topic");
        }
        // What is under way still comes; after that, only what is wanted now.
        socket.unsubscribe("topic").unwrap();
        socket.subscribe("other").unwrap();
        while socket.recv().unwrap().first().as_slice() != b"other" {}
    });
}

#[test]
fn a_publisher_of_ours_sends_what_is_wanted() {
    for (ours, theirs) in [(SocketType::Pub, "SUB"), (SocketType::XPub, "SUB")] {
        four_ways(ours, theirs, "recv", &["SUBSCRIBE=topic", "RCVHWM=0"], |socket| {
            socket.wait_subscribed("topic", 1, LONG).unwrap();
            socket.send("unwanted").unwrap();
            send_all(socket);
        });
    }
}

#[test]
fn an_xpub_of_ours_hears_of_subscriptions() {
    four_ways(SocketType::XPub, "SUB", "recv", &["SUBSCRIBE=topic", "RCVHWM=0"], |socket| {
        assert_eq!(socket.recv().unwrap().as_bytes(), b"\x01topic");
        send_all(socket);
        // The peer has all it waits for, and goes.
        assert_eq!(socket.recv().unwrap().as_bytes(), b"\x00topic");
    });
}

#[test]
fn request_and_reply() {
    four_ways(SocketType::Req, "REP", "echo", &[], ask_all);
    four_ways(SocketType::Rep, "REQ", "ask", &[], echo_all);
}

#[test]
fn request_and_reply_with_the_free_types() {
    four_ways(SocketType::Req, "ROUTER", "echo", &[], ask_all);
    four_ways(SocketType::Rep, "DEALER", "ask-in-envelope", &[], echo_all);
    four_ways(SocketType::Router, "REQ", "ask", &[], echo_all);
    four_ways(SocketType::Dealer, "REP", "echo", &[], |socket| {
        for number in 0..COUNT {
            let mut request = message(number);
            request.push_front("");
            socket.send(request.clone()).unwrap();
            assert_eq!(socket.recv().unwrap(), request, "message {number}");
        }
    });
}

#[test]
fn dealer_and_router() {
    four_ways(SocketType::Dealer, "ROUTER", "echo", &[], ask_all);
    four_ways(SocketType::Dealer, "DEALER", "echo", &[], ask_all);
    four_ways(SocketType::Router, "DEALER", "ask", &["ROUTING_ID=ann"], |socket| {
        for number in 0..COUNT {
            let request = socket.recv().unwrap();
            assert_eq!(request.first().as_slice(), b"ann");
            assert_eq!(request.frame_count(), 1 + message(number).frame_count());
            socket.send(request).unwrap();
        }
    });
    four_ways(SocketType::Router, "ROUTER", "echo", &["ROUTING_ID=bob"], |socket| {
        socket.wait_connected(1, LONG).unwrap();
        for number in 0..COUNT {
            let mut request = message(number);
            request.push_front("bob");
            socket.send(request.clone()).unwrap();
            assert_eq!(socket.recv().unwrap(), request, "message {number}");
        }
    });
}

#[test]
fn pair() {
    four_ways(SocketType::Pair, "PAIR", "echo", &[], ask_all);
    four_ways(SocketType::Pair, "PAIR", "ask", &[], echo_all);
}

#[test]
fn stream() {
    over(&["tcp"], STREAM_BYTES, SocketType::Stream, "STREAM", "stream-echo", &[], |socket| {
        let news = socket.recv().unwrap();
        assert!(news.last().is_empty(), "first comes the news of the connection");
        let name = news.first().clone();
        let bytes: Vec<u8> = (0..STREAM_BYTES).map(|index| (index % 251) as u8).collect();
        socket.send([name.clone(), bytes.clone().into()]).unwrap();
        let mut echoed = Vec::new();
        while echoed.len() < bytes.len() {
            let piece = socket.recv().unwrap();
            assert_eq!(piece.first(), &name);
            echoed.extend_from_slice(piece.last().as_slice());
        }
        assert!(echoed == bytes, "the bytes come back as they were");
    });
}
