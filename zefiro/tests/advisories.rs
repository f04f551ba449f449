//! What libzmq's security advisories warn of, a test each: none of it happens here.

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use util::hostile::{
    Service, alone, assert_grown_at_most, dial, frame, greeting, many, property, read_to_the_end, resident, say, until,
    wait_for,
};
use util::{LONG, handshake, socket};
use zefiro::{Context, CurveSecret, Dealer, EventKind, Message, Pub, Pull, Push, Rep, Router, Sub, XPub};

/// A CURVE server's PULL, its address, and the secret.
fn curve_pull(context: &Context) -> (Pull, String, CurveSecret) {
    let secret = CurveSecret::generate().unwrap();
    let pull = Pull::builder()
        .context(context)
        .curve_server(true)
        .curve_secret_key(secret.clone())
        .recv_timeout(LONG)
        .handshake_interval(Duration::from_millis(500))
        .build()
        .unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    (pull, endpoint, secret)
}

fn address(endpoint: &str) -> &str {
    endpoint.trim_start_matches("tcp://")
}

/// CVE-2014-7202, CVE-2014-9721: a peer that speaks an older version of the protocol, or another mechanism, talks to a
/// socket that asks for CURVE.
#[test]
fn cve_2014_7202_and_9721_an_older_version_is_no_way_around_curve() {
    let context = Context::new();
    let (pull, endpoint, _) = curve_pull(&context);
    let message = b"\x00\x05Hello";
    for opening in [
        b"\x01\x00\x06\x00Hello".to_vec(),
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x00\x08\x01\x00".to_vec(),
        b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x08\x00\x00".to_vec(),
        handshake("PUSH"),
    ] {
        let mut stream = dial(address(&endpoint));
        say(&mut stream, &[&opening[..], message].concat());
        read_to_the_end(&mut stream);
    }
    assert!(pull.try_recv().is_err() && pull.peers().is_empty());
}

/// CVE-2014-7203: who records a CURVE connection plays its messages again.
#[test]
fn cve_2014_7203_a_message_played_again_ends_the_connection() {
    let context = Context::new();
    let (pull, endpoint, secret) = curve_pull(&context);
    let mut monitor = pull.monitor();
    let push = Push::builder().context(&context).curve_server_key(secret.public()).reconnect_interval(None);
    let push = push.curve_secret_key(CurveSecret::generate().unwrap()).build().unwrap();
    // In between: everything goes through, and the last frame twice.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    push.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    push.send("once").unwrap();
    let (mut client, _) = listener.accept().unwrap();
    let mut server = dial(address(&endpoint));
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut from_server, &mut to_client));
    // Greeting, HELLO, INITIATE of a PUSH, and a message of four bytes.
    let message_bytes = 2 + 33 + 4;
    let mut all = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = client.read(&mut piece).unwrap();
        all.extend_from_slice(&piece[..count]);
        server.write_all(&piece[..count]).unwrap();
        // Of the handshake nothing comes out.
        if let Ok(message) = pull.recv_timeout(Duration::from_millis(100)) {
            assert_eq!(message, "once");
            break;
        }
    }
    let last = all[all.len() - message_bytes..].to_vec();
    assert_eq!(&last[2..10], b"\x07MESSAGE");
    server.write_all(&last).unwrap();
    wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::Disconnected(why) if why.contains("twice")));
    assert!(pull.try_recv().is_err());
}

/// CVE-2019-6250: the length of a frame, near 2^64, makes the end of a buffer come before its beginning.
#[test]
fn cve_2019_6250_lengths_near_the_largest_number_overflow_nothing() {
    let _alone = alone();
    let mut service = Service::new();
    let lengths = || (0..=64).chain([8192, 8191]).map(|less| u64::MAX - less);
    service.under(|| {
        for length in lengths() {
            for opening in [handshake("REQ"), b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x03\x00\x00".to_vec()] {
                let mut stream = service.dial();
                say(&mut stream, &[&opening[..], b"\x02", &length.to_be_bytes(), &[b'A'; 100]].concat());
                read_to_the_end(&mut stream);
            }
            let mut stream = service.dial();
            say(&mut stream, &[b"\x01\x00\xff", &length.to_be_bytes()[..], &[0; 100]].concat());
            read_to_the_end(&mut stream);
        }
    });
    service.wait_for(3 * 67, |kind| matches!(kind, EventKind::Disconnected(_)));
}

/// CVE-2019-13132: the metadata in a CURVE client's INITIATE overflows a buffer on the stack.
#[test]
fn cve_2019_13132_metadata_of_a_curve_client_may_be_large() {
    let _alone = alone();
    let context = Context::new();
    let (pull, endpoint, secret) = curve_pull(&context);
    for bytes in [0usize, 100, 255, 256, 300, 512, 1_000, 10_000, 60_000, 70_000, 1 << 20] {
        let push = Push::builder()
            .context(&context)
            .curve_server_key(secret.public())
            .curve_secret_key(CurveSecret::generate().unwrap())
            .metadata(vec![("X-Large".to_string(), vec![b'x'; bytes.max(1)])])
            .build()
            .unwrap();
        let mut monitor = pull.monitor();
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        if bytes > 65_000 {
            wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::Disconnected(why) if why.contains("allowed")));
            continue;
        }
        let (message, peer) = pull.recv_from().unwrap();
        assert_eq!(message, "hello");
        assert_eq!(peer.unwrap().get("X-Large").unwrap().len(), bytes.max(1));
    }
    // Without a limit it may be any.
    let pull = Pull::builder().context(&context).curve_server(true).curve_secret_key(secret.clone());
    let pull = pull.handshake_bytes_max(None).handshake_interval(None).recv_timeout(3 * LONG).build().unwrap();
    let push = Push::builder()
        .context(&context)
        .curve_server_key(secret.public())
        .curve_secret_key(CurveSecret::generate().unwrap())
        .metadata(vec![("X-Large".to_string(), vec![b'x'; 16 << 20])])
        .handshake_interval(None)
        .build()
        .unwrap();
    push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    push.send("hello").unwrap();
    let (message, peer) = pull.recv_from().unwrap();
    assert_eq!((message, peer.unwrap().get("X-Large").unwrap().len()), (Message::from("hello"), 16 << 20));
}

/// CVE-2020-15166: connections that never finish their handshake take messages and turns from those that have.
#[test]
fn cve_2020_15166_who_has_not_shaken_hands_gets_nothing_and_blocks_nobody() {
    let context = Context::new();
    let secret = CurveSecret::generate().unwrap();
    let server = |builder: zefiro::Builder<_>| {
        builder
            .context(&context)
            .curve_server(true)
            .curve_secret_key(secret.clone())
            .send_timeout(LONG)
            .recv_timeout(LONG)
    };
    let push: Push = server(Push::builder()).build().unwrap();
    let endpoint = push.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let strangers: Vec<TcpStream> = (0..many(200, 5_000))
        .map(|number| {
            let mut stream = dial(address(&endpoint));
            say(&mut stream, &greeting(1, "CURVE")[..number % 65]);
            stream
        })
        .collect();
    let pull = Pull::builder().context(&context).curve_server_key(secret.public()).recv_timeout(LONG);
    let pull = pull.curve_secret_key(CurveSecret::generate().unwrap()).build().unwrap();
    pull.connect(&endpoint).unwrap();
    for number in 0..1000 {
        push.send(number.to_string()).unwrap();
        assert_eq!(pull.recv().unwrap(), number.to_string().as_str());
    }
    assert_eq!(push.peers().len(), 1);
    drop(strangers);
}

/// CVE-2021-20236: unsubscribing from a long topic overflows the stack, a call for each of its bytes.
#[test]
fn cve_2021_20236_long_topics_are_unsubscribed_from_on_a_short_stack() {
    let _alone = alone();
    let context = Context::new();
    let publisher: XPub = socket(&context);
    let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let topic = vec![b't'; many(1 << 20, 16 << 20)];
    let mut stream = dial(address(&endpoint));
    stream.write_all(&handshake("SUB")).unwrap();
    for cut in [topic.len(), topic.len() / 2, 1, 0] {
        stream.write_all(&frame(0, &[b"\x01", &topic[..cut]].concat())).unwrap();
    }
    for cut in [topic.len() / 2, topic.len(), 0, 1] {
        stream.write_all(&frame(0, &[b"\x00", &topic[..cut]].concat())).unwrap();
    }
    // And all at once, when the peer goes.
    stream.write_all(&frame(0, &[b"\x01", &topic[..]].concat())).unwrap();
    let received: Vec<usize> = (0..9).map(|_| publisher.recv().unwrap().byte_len()).collect();
    assert_eq!(received[0], topic.len() + 1);
    drop(stream);
    until("all is forgotten", || publisher.topic_count() == 0);
    std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(move || publisher.send(&topic[..]).unwrap())
        .unwrap()
        .join()
        .unwrap();
}

/// CVE-2021-20237: what a client sends to a PUB, and is no subscription, is kept for ever.
#[test]
fn cve_2021_20237_what_is_no_subscription_is_not_kept_by_a_publisher() {
    let _alone = alone();
    let context = Context::new();
    let publisher: Pub = socket(&context);
    let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut stream = dial(address(&endpoint));
    stream.write_all(&handshake("SUB")).unwrap();
    let before = resident();
    // Messages of one part and of many, with more to come and without.
    let wire = [frame(0, &[2; 5000]), frame(1, &[3; 500]), frame(1, &[1; 500]), frame(0, &[0; 500])].concat();
    for _ in 0..many(10_000, 500_000) {
        stream.write_all(&wire).unwrap();
    }
    stream.write_all(&frame(0, b"\x01last")).unwrap();
    publisher.wait_subscribed("last", 1, LONG).unwrap();
    assert_grown_at_most(20, before);
}

/// CVE-2021-20234: a server makes a client keep part of a message, connection after connection.
#[test]
fn cve_2021_20234_a_server_cannot_fill_a_client_with_parts_of_messages() {
    let _alone = alone();
    let context = Context::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let sub = Sub::builder().context(&context).recv_timeout(LONG).reconnect_interval(Duration::from_millis(1)).build();
    let sub = sub.unwrap();
    sub.subscribe("").unwrap();
    sub.connect(&endpoint).unwrap();
    let before = resident();
    let parts = [handshake("PUB"), frame(1, &[7; 4000]).repeat(250)].concat();
    for _ in 0..many(50, 2_000) {
        let (mut stream, _) = listener.accept().unwrap();
        say(&mut stream, &parts);
    }
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(&[handshake("PUB"), frame(0, b"whole")].concat()).unwrap();
    assert_eq!(sub.recv().unwrap(), "whole");
    assert_grown_at_most(40, before);
}

/// CVE-2021-20235: a frame of ZMTP 1.0 overflows a static buffer of 8 KiB.
#[test]
fn cve_2021_20235_frames_of_version_1_fit_their_buffers() {
    let context = Context::new();
    for base in [8192usize, 16_384, 65_536, 1 << 20] {
        for size in base - 20..base + 20 {
            let pull: Pull = socket(&context);
            let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
            let mut stream = dial(address(&endpoint));
            let long = [b"\xff", &(size as u64 + 1).to_be_bytes()[..], b"\x00", &vec![9; size]].concat();
            stream.write_all(&[b"\x01\x00\x06\x00Hello", &long[..], b"\x04\x00end"].concat()).unwrap();
            assert_eq!(pull.recv().unwrap(), "Hello");
            assert_eq!(pull.recv().unwrap().byte_len(), size);
            assert_eq!(pull.recv().unwrap(), "end");
            if base > 16_384 && size > base + 1 {
                break;
            }
        }
    }
}

/// 2026: a GSSAPI server lets in a peer that its ZAP handler refused, and frees what it knows of it twice. Whatever the
/// mechanism, only the status 200 leads on, and a connection may end at any moment before. `interop/tests/gssapi.rs` has
/// peers with a real ticket.
#[test]
fn the_gssapi_advisories_of_2026_a_status_other_than_200_never_leads_on() {
    let context = Context::new();
    let handler: Rep = socket(&context);
    handler.bind("inproc://zeromq.zap.01").unwrap();
    let pull = Pull::builder().context(&context).zap_domain("test").recv_timeout(LONG).build().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let gssapi = [greeting(1, "GSSAPI"), frame(4, b"\x08INITIATE\x00\x00\x00\x00"), frame(0, b"smuggled")].concat();
    for status in ["", "0", "100", "199", "201", "300", "400", "500", "2000", "200 ", "two hundred"] {
        let mut stream = dial(address(&endpoint));
        say(&mut stream, &[handshake("PUSH"), frame(0, b"smuggled")].concat());
        handler.recv().unwrap();
        // Half of them are gone before the answer comes.
        let stays = status.len() % 2 == 1;
        if !stays {
            drop(stream);
        }
        handler.send(["1.0", "1", status, "", "somebody", ""]).unwrap();
        let mut stream = dial(address(&endpoint));
        say(&mut stream, &gssapi);
        read_to_the_end(&mut stream);
    }
    assert!(pull.try_recv().is_err() && pull.peers().is_empty());
    let push: Push = socket(&context);
    push.connect(&endpoint).unwrap();
    push.send("welcome").unwrap();
    handler.recv().unwrap();
    handler.send(["1.0", "1", "200", "", "somebody", ""]).unwrap();
    assert_eq!(pull.recv().unwrap(), "welcome");
}

/// 2026, as before: to a GSSAPI server, whatever is said without a ticket, in whatever order and however long it stays,
/// nothing of it crosses.
#[test]
fn the_gssapi_advisories_of_2026_without_a_ticket_nothing_crosses() {
    if !zefiro::gssapi_is_available() {
        return println!("no Kerberos library: nothing tested");
    }
    let context = Context::new();
    for plaintext in [false, true] {
        let pull = Pull::builder().context(&context).gssapi_server(true).gssapi_plaintext(plaintext);
        let pull = pull.handshake_interval(Duration::from_millis(500)).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let token = |token: &[u8]| {
            let len = (token.len() as u32).to_be_bytes();
            frame(4, &[&b"\x08INITIATE"[..], &len, token].concat())
        };
        let kerberos = b"\x60\x0d\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
        let negotiated = b"\x60\x0a\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x00";
        let ready = frame(4, &[&b"\x05READY"[..], &property("Socket-Type", b"PUSH")].concat());
        let wrapped = frame(0, b"\x07MESSAGE\x00\x00\x00\x04\x00\x05RE");
        let openings = [
            token(b""),
            token(kerberos),
            token(negotiated),
            token(&[0x60; 5000]),
            ready.clone(),
            wrapped,
            frame(4, b""),
        ];
        let (hello, smuggled) = (greeting(1, "GSSAPI"), frame(0, b"smuggled"));
        for first in &openings {
            for second in &openings {
                let mut stream = dial(address(&endpoint));
                let said = [&hello[..], first, second, &ready, &smuggled];
                say(&mut stream, &said.concat());
            }
            let mut stream = dial(address(&endpoint));
            say(&mut stream, &[&greeting(1, "GSSAPI")[..], first].concat());
            read_to_the_end(&mut stream);
        }
        assert!(pull.try_recv().is_err() && pull.peers().is_empty());
    }
}

/// What a ROUTER takes a peer's routing id from may be of any length, or another's.
#[test]
fn identities_of_any_length_reach_the_program_whole() {
    let context = Context::new();
    let router: Router = socket(&context);
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    for bytes in [1usize, 255, 256, 5_000, 60_000] {
        let mut stream = dial(address(&endpoint));
        let ready =
            [b"\x05READY".to_vec(), property("Socket-Type", b"DEALER"), property("Identity", &vec![b'i'; bytes])];
        stream.write_all(&[greeting(1, "NULL"), frame(4, &ready.concat()), frame(0, b"Hello")].concat()).unwrap();
        let message = router.recv().unwrap();
        assert_eq!((message.first().len(), message.last().as_slice()), (bytes, &b"Hello"[..]));
    }
    let dealer: Dealer = socket(&context);
    dealer.connect(&endpoint).unwrap();
    dealer.send("me too").unwrap();
    assert_eq!(router.recv().unwrap().last().as_slice(), b"me too");
}
