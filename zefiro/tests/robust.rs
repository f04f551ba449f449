//! Peers that do not behave: each is closed and reported, and nobody else suffers.

mod util;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use rustix::process::Gid;
use util::{LONG, handshake, socket};
use zefiro::{Context, ErrorKind, EventKind, Pull, Push, Rep, Router, XPub};

/// A PULL with a good peer, and the means to be a bad one.
struct Scene {
    pull: Pull,
    good: Push,
    address: String,
    _context: Context,
}

impl Scene {
    fn new() -> Scene {
        let context = Context::new();
        let pull = Pull::builder()
            .context(&context)
            .recv_timeout(LONG)
            .max_frame_size(Some(1_000_000))
            .message_frames_max(1000)
            .build()
            .unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let good: Push = socket(&context);
        good.connect(&endpoint).unwrap();
        good.wait_connected(1, LONG).unwrap();
        Scene { pull, good, address: endpoint.trim_start_matches("tcp://").into(), _context: context }
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    fn good_peer_is_heard(&self) {
        self.good.send("still here").unwrap();
        assert_eq!(self.pull.recv().unwrap(), "still here");
    }
}

/// Says it all, and waits for the other side to hang up.
fn say_and_be_hung_up_on(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
    let mut rest = Vec::new();
    // A reset is as good an end as any.
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nobody hung up"),
        _ => {}
    }
}

#[test]
fn what_breaks_the_protocol_is_closed_and_reported() {
    let after = |bytes: &[u8]| [handshake("PUSH"), bytes.to_vec()].concat();
    let mut mechanism = handshake("PUSH");
    mechanism[12..17].copy_from_slice(b"PLAIN");
    let cases: [(&str, Vec<u8>); 8] = [
        ("a frame of 2^63 bytes", after(b"\x02\x80\x00\x00\x00\x00\x00\x00\x00")),
        ("a frame over the limit", after(b"\x02\x00\x00\x00\x00\x00\x0f\x42\x41")),
        ("a message of a million frames", after(&b"\x01\x00".repeat(1_000_000))),
        ("another mechanism", mechanism),
        ("a type that does not fit", handshake("SUB")),
        ("a type nobody knows", handshake("NONSENSE")),
        (
            "a long command in the handshake",
            [&handshake("PUSH")[..64], b"\x06\x00\x00\x00\x00\x00\x01\x00\x01"].concat(),
        ),
        ("a message instead of READY", [&handshake("PUSH")[..64], b"\x00\x05Hello"].concat()),
    ];
    let scene = Scene::new();
    for (what, bytes) in cases {
        let mut monitor = scene.pull.monitor();
        say_and_be_hung_up_on(scene.dial(), &bytes);
        let told = std::iter::from_fn(|| monitor.recv_timeout(LONG))
            .any(|event| matches!(event.kind, EventKind::Disconnected(_) | EventKind::HandshakeFailed(_)));
        assert!(told, "{what} was not reported");
        scene.good_peer_is_heard();
    }
    assert_eq!(scene.pull.peers().len(), 1);
}

#[test]
fn what_is_no_zmtp_at_all_does_no_harm() {
    let scene = Scene::new();
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"[..], b"\xff\x00", &[0xff; 200], &[0; 200], b"\x16\x03\x01\x02"]
    {
        let mut stream = scene.dial();
        let _ = stream.write_all(bytes);
        scene.good_peer_is_heard();
        drop(stream);
        scene.good_peer_is_heard();
    }
}

#[test]
fn strangers_are_no_peers_and_get_no_message() {
    let context = Context::new();
    for hello in [&b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"[..], b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let push: Push = socket(&context);
        let mut monitor = push.monitor();
        let endpoint = push.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
        stream.write_all(hello).unwrap();
        let mut answer = Vec::new();
        // To the end: they are hung up on.
        let _ = stream.read_to_end(&mut answer);
        assert!(
            monitor.any(|event| matches!(event.kind, EventKind::HandshakeFailed(_) | EventKind::ProtocolFailed(_)))
        );
        assert_eq!(push.peers().len(), 0);
        assert_eq!(push.try_send("not for strangers").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(!answer.windows(3).any(|bytes| bytes == b"not"));
    }
}

#[test]
fn a_stream_cut_at_any_byte_leaves_whole_messages_only() {
    let mut wire = handshake("PUSH");
    let whole = wire.len();
    wire.extend_from_slice(b"\x01\x03one\x00\x04more");
    let first = wire.len();
    wire.extend_from_slice(b"\x00\x05Hello");
    for cut in 0..=wire.len() {
        let context = Context::new();
        let pull: Pull = socket(&context);
        let mut monitor = pull.monitor();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
        stream.write_all(&wire[..cut]).unwrap();
        drop(stream);
        while !matches!(monitor.recv_timeout(LONG).unwrap().kind, EventKind::Disconnected(_)) {}
        let expected = usize::from(cut >= first) + usize::from(cut == wire.len());
        let arrived: Vec<_> = std::iter::from_fn(|| pull.try_recv().ok()).collect();
        assert_eq!(arrived.len(), expected, "cut at {cut}, handshake {whole}");
        if expected > 0 {
            assert_eq!(arrived[0], ["one", "more"]);
        }
    }
}

#[test]
fn a_thousand_silent_connections_do_not_keep_others_out() {
    let scene = Scene::new();
    let silent: Vec<TcpStream> = (0..1000).map(|_| scene.dial()).collect();
    let late: Push = Push::builder().send_timeout(LONG).build().unwrap();
    late.connect(format!("tcp://{}", scene.address)).unwrap();
    late.send("late").unwrap();
    assert_eq!(scene.pull.recv().unwrap(), "late");
    scene.good_peer_is_heard();
    drop(silent);
}

#[test]
fn other_types_bear_garbage_as_well() {
    let context = Context::new();
    let (router, rep, xpub): (Router, Rep, XPub) = (socket(&context), socket(&context), socket(&context));
    let endpoints = [
        (router.bind("tcp://127.0.0.1:*").unwrap().to_string(), "DEALER"),
        (rep.bind("tcp://127.0.0.1:*").unwrap().to_string(), "REQ"),
        (xpub.bind("tcp://127.0.0.1:*").unwrap().to_string(), "SUB"),
    ];
    let garbage: [&[u8]; 4] = [
        b"\x00\x00\x00\x00",
        b"\x01\x00\x01\x00\x00\x00",
        b"\x04\x00\x04\x01\x09\x04\x02\xffx\x00\x01\x01\x00\x01\x00",
        b"\x00\x05\x00\x00\x00\x00\x01",
    ];
    for (endpoint, peer) in &endpoints {
        for bytes in garbage {
            let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
            stream.write_all(&[handshake(peer), bytes.to_vec()].concat()).unwrap();
        }
    }
    // Each still serves a peer that behaves.
    let dealer: zefiro::Dealer = socket(&context);
    dealer.connect(&endpoints[0].0).unwrap();
    dealer.send("to the router").unwrap();
    while router.recv().unwrap().last().as_slice() != b"to the router" {}
    let req: zefiro::Req = socket(&context);
    req.connect(&endpoints[1].0).unwrap();
    req.send("question").unwrap();
    loop {
        let request = rep.recv().unwrap();
        let done = request == "question";
        rep.send("answer").unwrap();
        if done {
            break;
        }
    }
    assert_eq!(req.recv().unwrap(), "answer");
    let sub: zefiro::Sub = socket(&context);
    sub.subscribe("news").unwrap();
    sub.connect(&endpoints[2].0).unwrap();
    xpub.wait_subscribed("news", 1, LONG).unwrap();
    xpub.send("news!").unwrap();
    assert_eq!(sub.recv().unwrap(), "news!");
}

#[test]
fn only_addresses_in_the_filter_may_connect() {
    let context = Context::new();
    let pull =
        Pull::builder().context(&context).tcp_accept_filters(vec!["10.0.0.0/8".parse().unwrap()]).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    say_and_be_hung_up_on(TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap(), &handshake("PUSH"));
    let refused =
        std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(|event| matches!(event.kind, EventKind::AcceptFailed(_)));
    assert!(refused);
}

#[test]
fn who_has_no_address_is_in_no_filter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let context = Context::new();
    let all = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    let pull = Pull::builder().context(&context).tcp_accept_filters(all).build().unwrap();
    let mut monitor = pull.monitor();
    // A descriptor of the program's that is not what it says.
    pull.bind_fd("tcp://127.0.0.1:*", UnixListener::bind(&path).unwrap()).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    let refused =
        std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(|event| matches!(event.kind, EventKind::AcceptFailed(_)));
    assert!(refused);
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn processes_are_let_in_by_any_group_of_theirs() {
    let mine = rustix::process::getgid();
    let join = |group: Gid| rustix::thread::set_thread_groups(&[group]).is_ok().then_some(group);
    let already = || rustix::process::getgroups().unwrap().into_iter().find(|group| *group != mine);
    for is_in in [true, false] {
        // As root this thread joins a group; else there must be one already.
        let Some(group) = join(Gid::from_raw(4242)).or_else(already) else { return };
        let allowed = if is_in { group.as_raw() } else { 0x7fff_fff0 };
        let context = Context::new();
        let pull = Pull::builder().context(&context).ipc_filter_gids(vec![allowed]).build().unwrap();
        let mut monitor = pull.monitor();
        let endpoint = pull.bind("ipc://*").unwrap().to_string();
        let _stream = UnixStream::connect(endpoint.trim_start_matches("ipc://")).unwrap();
        let mut events = std::iter::from_fn(|| monitor.recv_timeout(LONG)).map(|event| event.kind);
        let outcome = events.find(|kind| matches!(kind, EventKind::Accepted | EventKind::AcceptFailed(_)));
        assert_eq!(outcome == Some(EventKind::Accepted), is_in, "{outcome:?}");
    }
}

#[test]
fn sixteen_threads_share_two_sockets() {
    let context = Context::new();
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    let senders: Vec<_> = (0..8u32)
        .map(|sender| {
            let push = push.clone();
            thread::spawn(move || {
                for number in 0..2000u32 {
                    push.send([sender.to_be_bytes(), number.to_be_bytes()].concat()).unwrap();
                }
            })
        })
        .collect();
    let receivers: Vec<_> = (0..8)
        .map(|_| {
            let pull = pull.clone();
            thread::spawn(move || (0..2000).map(|_| pull.recv().unwrap().as_bytes().to_vec()).collect::<Vec<_>>())
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    let mut all: Vec<Vec<u8>> = receivers.into_iter().flat_map(|receiver| receiver.join().unwrap()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 16_000);
}
