//! Peers that want in: downgrades, replays, handlers that fail. Nothing crosses, and those who may talk go on talking.

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use util::hostile::{EVENTS_KEPT, Service, dial, frame, greeting, many, property, read_to_the_end, say, wait_for};
use util::{LONG, handshake, socket};
use zefiro::auth::{Answer, Request, Users};
use zefiro::{
    AnySocket, Context, CurveSecret, EventKind, Message, Monitor, Pull, Push, Rep, Router, SharedKey, SocketType,
};

// ---- downgrades ----

/// A PULL that asks for security in some way, and a PUSH that fulfils it.
fn secured(way: &str, context: &Context) -> (Pull, Push) {
    let pull = Pull::builder().context(context).recv_timeout(LONG).handshake_interval(Duration::from_millis(500));
    let push = Push::builder().context(context).send_timeout(LONG);
    let (pull, push) = match way {
        "PLAIN" => {
            let users = Users::new().user("admin", "secret");
            (pull.plain_server(true).authenticator(users), push.plain_username("admin").plain_password("secret"))
        }
        "CURVE" => {
            let secret = CurveSecret::generate().unwrap();
            let push = push.curve_server_key(secret.public()).curve_secret_key(CurveSecret::generate().unwrap());
            (pull.curve_server(true).curve_secret_key(secret), push)
        }
        "shared key" => {
            let key = SharedKey::generate().unwrap();
            (pull.shared_key(key.clone()), push.shared_key(key))
        }
        // NULL, but asked about; the handler lets in who comes from here with a handshake.
        "ZAP domain" => {
            zap_handler(context, |_| ["1.0", "1", "200", "OK", "", ""].into());
            (pull.zap_domain("test"), push)
        }
        "authenticator" => (pull.authenticator(|_: &Request| Answer::allow("")), push),
        // Who has no ticket cannot fulfil it: `interop/tests/gssapi.rs` has those who do.
        "GSSAPI" => (pull.gssapi_server(true), push),
        _ => unreachable!(),
    };
    (pull.build().unwrap(), push.build().unwrap())
}

/// Answers each question of ZAP as it likes.
fn zap_handler(context: &Context, answer: impl Fn(&Message) -> Message + Send + 'static) {
    let handler: Rep = socket(context);
    handler.bind("inproc://zeromq.zap.01").unwrap();
    thread::spawn(move || {
        for question in handler.incoming() {
            let _ = handler.send(answer(&question.unwrap()));
        }
    });
}

#[test]
fn no_downgrade_gets_a_message_across() {
    let smuggled = [frame(0, b"smuggled"), b"\x09\x00smuggled".to_vec()].concat();
    let ready = frame(4, &[b"\x05READY".to_vec(), property("Socket-Type", b"PUSH")].concat());
    let plain_hello = frame(4, b"\x05HELLO\x05admin\x05guess");
    let initiate = frame(4, &[b"\x08INITIATE".to_vec(), property("Socket-Type", b"PUSH")].concat());
    for way in ["PLAIN", "CURVE", "shared key", "ZAP domain", "authenticator", "GSSAPI"] {
        let has_friend = way != "GSSAPI";
        if !has_friend && !zefiro::gssapi_is_available() {
            println!("no Kerberos library: GSSAPI is not tested");
            continue;
        }
        let own = if matches!(way, "PLAIN" | "GSSAPI") { way } else { "CURVE" };
        let null_is_enough = matches!(way, "ZAP domain" | "authenticator");
        let mut cases: Vec<Vec<u8>> = vec![
            // ZMTP 1.0, as it was, and with versions and types.
            b"\x01\x00".to_vec(),
            b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00".to_vec(),
            b"\x01\x00\x09\x00smuggled".to_vec(),
            b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x00\x08\x01\x00".to_vec(),
            // ZMTP 2.0.
            b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x01\x08\x00\x00".to_vec(),
            // Half an answer to the question, and the wrong one.
            [greeting(1, "PLAIN"), plain_hello.clone()].concat(),
            [greeting(1, "PLAIN"), initiate.clone(), ready.clone()].concat(),
            [greeting(1, "PLAIN"), plain_hello.clone(), initiate.clone(), ready.clone()].concat(),
            // The server's part.
            [greeting(1, "PLAIN"), frame(4, b"\x07WELCOME"), ready.clone()].concat(),
            [greeting(1, own), ready.clone()].concat(),
            [greeting(1, own), frame(4, b"\x05ERROR\x00"), ready.clone()].concat(),
            [greeting(1, own), frame(0, b"\x07MESSAGE\x00\x00\x00\x00\x00\x00\x00\x03")].concat(),
            // The right thing by nearly the right name.
            [greeting(1, &own.to_lowercase()), ready.clone()].concat(),
            [greeting(1, &format!("{own}2")), ready.clone()].concat(),
            [greeting(1, ""), ready.clone()].concat(),
            [greeting(1, "GSSAPI"), ready.clone()].concat(),
        ];
        if !null_is_enough {
            for minor in [0, 1, 2, 255] {
                cases.push([greeting(minor, "NULL"), ready.clone()].concat());
            }
            cases.push(handshake("PUSH"));
        }
        for cut in 0..64 {
            cases.push(greeting(1, "NULL")[..cut].to_vec());
            cases.push(greeting(1, own)[..cut].to_vec());
        }
        let context = Context::new();
        let (pull, push) = secured(way, &context);
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let strangers: Vec<TcpStream> = cases
            .iter()
            .map(|case| {
                let mut stream = dial(endpoint.trim_start_matches("tcp://"));
                say(&mut stream, &[&case[..], &smuggled, &ready, &smuggled].concat());
                stream
            })
            .collect();
        if has_friend {
            push.connect(&endpoint).unwrap();
            push.send("through the front door").unwrap();
            assert_eq!(pull.recv().unwrap(), "through the front door", "{way}");
        }
        for mut stream in strangers {
            read_to_the_end(&mut stream);
        }
        assert!(pull.try_recv().is_err(), "{way}: something crossed");
        assert_eq!(pull.peers().len(), usize::from(has_friend), "{way}");
        if has_friend {
            push.send("still open").unwrap();
            assert_eq!(pull.recv().unwrap(), "still open");
        }
    }
}

// ---- replays ----

/// Reads whole frames from a stream, after so many bytes of greeting.
struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Frames {
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(len) = frame_len(&self.read)
                && self.read.len() >= len
            {
                return Some(self.read.drain(..len).collect());
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.read.extend_from_slice(&piece[..count]),
            }
        }
    }
}

fn frame_len(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [flags, rest @ ..] if flags & 2 != 0 => Some(9 + u64::from_be_bytes(*rest.first_chunk()?) as usize),
        [_, len, ..] => Some(2 + usize::from(*len)),
        _ => None,
    }
}

/// Stands between a client and a server: frames from the client come through `tamper`. Answers where to connect, and
/// what was heard of the client.
fn proxy(
    server: String,
    tamper: impl Fn(usize, Vec<u8>) -> Vec<Vec<u8>> + Send + 'static,
) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (heard, recorded) = mpsc::channel();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut to_server = dial(&server);
        let (mut from_server, mut to_client) = (to_server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(std::net::Shutdown::Both);
        });
        let mut greeting = [0; 64];
        // The client sends the rest of its greeting when it has seen part of the server's.
        for range in [0..10, 10..11, 11..64] {
            client.read_exact(&mut greeting[range.clone()]).unwrap();
            to_server.write_all(&greeting[range]).unwrap();
        }
        let _ = heard.send(greeting.to_vec());
        let mut frames = Frames { stream: client, read: Vec::new() };
        let mut number = 0;
        while let Some(frame) = frames.next() {
            let _ = heard.send(frame.clone());
            for frame in tamper(number, frame) {
                if to_server.write_all(&frame).is_err() {
                    return;
                }
            }
            number += 1;
        }
    });
    (format!("tcp://{address}"), recorded)
}

struct Session {
    pull: Pull,
    push: Push,
    monitor: Monitor,
    address: String,
    _context: Context,
}

fn curve_session() -> Session {
    let context = Context::new();
    let (server, client) = (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let pull = Pull::builder()
        .context(&context)
        .curve_server(true)
        .curve_secret_key(server.clone())
        .handshake_interval(Duration::from_millis(500))
        .recv_timeout(LONG)
        .build()
        .unwrap();
    let monitor = pull.monitor();
    let address = pull.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
    let push = Push::builder()
        .context(&context)
        .curve_server_key(server.public())
        .curve_secret_key(client)
        .reconnect_interval(None)
        .send_timeout(LONG)
        .build()
        .unwrap();
    Session { pull, push, monitor, address, _context: context }
}

fn ends(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Disconnected(_))
}

#[test]
fn a_curve_session_cannot_be_repeated_reordered_or_changed() {
    // Frames of the client: HELLO, INITIATE, messages.
    const MESSAGES: usize = 6;
    for number in 0..2 + MESSAGES - 1 {
        for way in ["twice", "swapped", "early", "changed", "cut", "grown"] {
            let mut session = curve_session();
            let held = std::sync::Mutex::new(None);
            let first_message = std::sync::Mutex::new(None);
            let tamper = move |index: usize, frame: Vec<u8>| {
                let mut first = first_message.lock().unwrap();
                if index == 2 {
                    *first = Some(frame.clone());
                }
                if index == number + 1
                    && let Some(held) = held.lock().unwrap().take()
                {
                    return vec![frame, held];
                }
                if index != number {
                    return vec![frame];
                }
                match way {
                    "twice" => vec![frame.clone(), frame],
                    // HELLO and INITIATE are waited for: then it is sent twice, later.
                    "swapped" if number < 2 => vec![frame.clone(), frame],
                    "swapped" => {
                        *held.lock().unwrap() = Some(frame);
                        Vec::new()
                    }
                    "early" => match &*first {
                        Some(first) if number > 2 => vec![first.clone(), frame],
                        _ => vec![frame.clone(), frame],
                    },
                    "changed" => {
                        let mut frame = frame;
                        *frame.last_mut().unwrap() ^= 1;
                        vec![frame]
                    }
                    "cut" => vec![shorter(&frame)],
                    _ => vec![longer(&frame)],
                }
            };
            let (endpoint, _recorded) = proxy(session.address.clone(), tamper);
            session.push.connect(&endpoint).unwrap();
            for message in 0..MESSAGES {
                if session.push.send_timeout(message.to_string(), Duration::from_secs(2)).is_err() {
                    break;
                }
            }
            wait_for(&mut session.monitor, 1, ends);
            // What came is the beginning of what was sent, each message once; swapped, the later one of two may come.
            let came: Vec<usize> = std::iter::from_fn(|| session.pull.try_recv().ok())
                .map(|message| message.as_str().unwrap().parse().unwrap())
                .collect();
            assert!(came.is_sorted_by(|one, other| one < other), "frame {number} {way}: {came:?}");
            assert!(
                came.len() <= MESSAGES && came.iter().all(|message| *message <= number),
                "frame {number} {way}: {came:?}"
            );
        }
    }
}

fn shorter(wire: &[u8]) -> Vec<u8> {
    let body = &wire[if wire[0] & 2 != 0 { 9 } else { 2 }..];
    frame(wire[0] & !2, &body[..body.len() - 1])
}

fn longer(wire: &[u8]) -> Vec<u8> {
    let body = &wire[if wire[0] & 2 != 0 { 9 } else { 2 }..];
    frame(wire[0] & !2, &[body, b"x"].concat())
}

#[test]
fn a_recorded_curve_session_is_worth_nothing_on_a_new_connection() {
    let mut session = curve_session();
    let (endpoint, recorded) = proxy(session.address.clone(), |_, frame| vec![frame]);
    session.push.connect(&endpoint).unwrap();
    for message in ["one", "two", "three"] {
        session.push.send(message).unwrap();
        assert_eq!(session.pull.recv().unwrap(), message);
    }
    let record: Vec<Vec<u8>> = std::iter::from_fn(|| recorded.recv_timeout(Duration::from_millis(200)).ok()).collect();
    assert!(record.len() >= 6);
    // All of it, any one frame, and all but one.
    let mut plans = vec![record.clone()];
    for index in 1..record.len() {
        plans.push(vec![record[0].clone(), record[index].clone()]);
        let mut without = record.clone();
        without.remove(index);
        plans.push(without);
    }
    let count = plans.len();
    for plan in plans {
        let mut stream = dial(&session.address);
        for piece in plan {
            say(&mut stream, &piece);
            // As the recorded client did, it waits for the answers to its handshake a moment.
            thread::sleep(Duration::from_millis(2));
        }
        read_to_the_end(&mut stream);
    }
    wait_for(&mut session.monitor, count, ends);
    assert!(session.pull.try_recv().is_err());
    session.push.send("four").unwrap();
    assert_eq!(session.pull.recv().unwrap(), "four");
}

#[test]
fn many_secured_peers_come_through_a_flood_of_half_handshakes() {
    let secret = CurveSecret::generate().unwrap();
    let public = secret.public();
    let mut service = Service::secured(
        |rep| {
            rep.curve_server(true).curve_secret_key(secret).handshake_interval(Duration::from_millis(500)).backlog(4096)
        },
        move |req| req.curve_server_key(public).curve_secret_key(CurveSecret::generate().unwrap()),
    );
    // A HELLO of the right size costs the server a multiplication before it is found wrong.
    let mut hello = b"\x05HELLO\x01\x00".to_vec();
    hello.resize(200, 7);
    let wire = [greeting(1, "CURVE"), frame(4, &hello)].concat();
    let count = many(300, 10_000);
    service.under(|| {
        for number in 0..count {
            let mut stream = service.dial();
            say(&mut stream, if number % 2 == 0 { &wire } else { &wire[..100] });
        }
    });
    service.wait_for(count.min(EVENTS_KEPT), ends);
    service.wait_for_quiet();
}

// ---- handlers ----

#[test]
fn a_zap_handler_that_fails_lets_nobody_in_and_says_how() {
    let cases: [(&str, &[&str], Result<u64, u64>); 9] = [
        ("refuses", &["1.0", "1", "400", "no", "", ""], Err(400)),
        ("is busy", &["1.0", "1", "300", "later", "", ""], Err(300)),
        ("fails", &["1.0", "1", "500", "disk", "", ""], Err(500)),
        ("answers somebody else", &["1.0", "2", "200", "OK", "", ""], Ok(0x2000_0002)),
        ("is of another version", &["2.0", "1", "200", "OK", "", ""], Ok(0x2000_0003)),
        ("says nonsense", &["1.0", "1", "999", "OK", "", ""], Ok(0x2000_0004)),
        ("tells broken metadata", &["1.0", "1", "200", "OK", "", "\u{5}ab"], Ok(0x2000_0005)),
        ("says too little", &["1.0", "1", "200"], Ok(0x2000_0001)),
        ("says too much", &["1.0", "1", "200", "OK", "", "", ""], Ok(0x2000_0001)),
    ];
    for (what, reply, expected) in cases {
        for way in ["PLAIN", "CURVE"] {
            let context = Context::new();
            zap_handler(&context, move |_| reply.iter().copied().collect());
            let secret = CurveSecret::generate().unwrap();
            let pull = Pull::builder().context(&context);
            let push = Push::builder().context(&context);
            let (pull, push) = match way {
                "PLAIN" => (pull.plain_server(true), push.plain_username("admin")),
                _ => (
                    pull.curve_server(true).curve_secret_key(secret.clone()),
                    push.curve_server_key(secret.public()).curve_secret_key(CurveSecret::generate().unwrap()),
                ),
            };
            let (pull, push) = (pull.build().unwrap(), push.build().unwrap());
            let mut monitor = pull.monitor();
            push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
            // Whoever is refused at once has nowhere to send it.
            let _ = push.try_send("let me in");
            let event = std::iter::from_fn(|| monitor.recv_timeout(LONG))
                .find(|event| matches!(event.kind, EventKind::AuthenticationFailed(_) | EventKind::ProtocolFailed(_)))
                .unwrap();
            let seen = match event.kind {
                EventKind::AuthenticationFailed(_) => Err(event.value),
                _ => Ok(event.value),
            };
            assert_eq!(seen, expected, "a handler that {what}");
            assert!(pull.try_recv().is_err() && pull.peers().is_empty());
        }
    }
}

#[test]
fn a_zap_handler_that_is_late_gone_or_none_lets_nobody_in() {
    for what in ["late", "gone", "none", "of the wrong type"] {
        let context = Context::new();
        let handler = match what {
            "none" => None,
            "of the wrong type" => Some(AnySocket::builder_of(SocketType::Pull).context(&context).build().unwrap()),
            _ => Some(AnySocket::builder_of(SocketType::Router).context(&context).build().unwrap()),
        };
        if let Some(handler) = &handler {
            handler.bind("inproc://zeromq.zap.01").unwrap();
        }
        let pull = Pull::builder().context(&context).plain_server(true).handshake_interval(Duration::from_millis(200));
        let pull = pull.build().unwrap();
        let mut monitor = pull.monitor();
        let push = Push::builder().context(&context).plain_username("admin").build().unwrap();
        push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        if what == "gone" {
            let question = handler.as_ref().unwrap().recv_timeout(LONG).unwrap();
            assert_eq!(question.frame_count(), 10);
            handler.as_ref().unwrap().close();
        }
        wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::HandshakeFailed(_)));
        assert!(pull.peers().is_empty(), "a handler that is {what}");
    }
}

#[test]
fn a_zap_handler_cannot_answer_for_somebody_else() {
    let context = Context::new();
    let handler = Router::builder().context(&context).router_mandatory(true).recv_timeout(LONG).build().unwrap();
    handler.bind("inproc://zeromq.zap.01").unwrap();
    let pull = Pull::builder().context(&context).plain_server(true).recv_timeout(LONG).build().unwrap();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let connect = |user: &str| {
        let push = Push::builder().context(&context).plain_username(user).build().unwrap();
        push.connect(&endpoint).unwrap();
        push.send(user).unwrap();
        push
    };
    let (_one, _two) = (connect("good"), connect("evil"));
    // Both have asked before either is answered; each gets its own answer, twice, and the second is for nobody.
    let questions = [handler.recv().unwrap(), handler.recv().unwrap()];
    let mut monitor = pull.monitor();
    for question in &questions {
        let frames: Vec<&[u8]> = question.frames().map(|frame| frame.as_slice()).collect();
        let status: &[u8] = if frames[8] == b"good" { b"200" } else { b"400" };
        for status in [status, b"200"] {
            let reply: Message = [frames[0], b"", b"1.0", b"1", status, b"", frames[8], b""].into_iter().collect();
            // The asker may be gone by then.
            let _ = handler.send(reply);
        }
    }
    assert_eq!(pull.recv().unwrap(), "good");
    wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::AuthenticationFailed(_)));
    let peers = pull.peers();
    assert_eq!(peers.iter().map(|peer| peer.user_id.as_deref()).collect::<Vec<_>>(), [Some("good")]);
    assert!(pull.try_recv().is_err());
}

#[test]
fn an_answer_that_comes_late_lets_nobody_in() {
    for what in ["after its time", "for a peer that is gone"] {
        let context = Context::new();
        let handler: Router = socket(&context);
        handler.bind("inproc://zeromq.zap.01").unwrap();
        let time = if what == "after its time" { Duration::from_millis(200) } else { LONG };
        let pull = Pull::builder().context(&context).plain_server(true).handshake_interval(time).recv_timeout(LONG);
        let pull = pull.build().unwrap();
        let mut monitor = pull.monitor();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let mut stream = dial(endpoint.trim_start_matches("tcp://"));
        say(&mut stream, &[greeting(1, "PLAIN"), frame(4, b"\x05HELLO\x04late\x00")].concat());
        let late = handler.recv().unwrap();
        let kept = (what == "after its time").then_some(stream);
        wait_for(&mut monitor, 1, ends);
        let answer = |question: &Message| {
            let frames: Vec<&[u8]> = question.frames().map(|frame| frame.as_slice()).collect();
            // Who asked may be gone.
            let _ = handler
                .send([frames[0], b"", b"1.0", b"1", b"200", b"", frames[8], b""].into_iter().collect::<Message>());
        };
        answer(&late);
        // The next one is answered for himself, however often the other one is answered.
        let push = Push::builder().context(&context).plain_username("good").build().unwrap();
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        let question = handler.recv().unwrap();
        answer(&late);
        assert!(pull.peers().is_empty(), "{what}");
        answer(&question);
        assert_eq!(pull.recv().unwrap(), "hello");
        let peers = pull.peers();
        assert_eq!(peers.iter().map(|peer| peer.user_id.as_deref()).collect::<Vec<_>>(), [Some("good")], "{what}");
        drop(kept);
    }
}

#[test]
fn a_domain_that_is_enforced_is_asked_about_or_nobody_comes_in() {
    // Mechanism, domain, whether it is enforced, what a handler says if there is one, who comes in.
    let cases: [(&str, &str, bool, Option<&str>, bool); 16] = [
        ("NULL", "", false, Some("400"), true),
        ("NULL", "", true, Some("400"), true),
        ("NULL", "test", false, None, true),
        ("NULL", "test", true, None, false),
        ("NULL", "test", true, Some("400"), false),
        ("NULL", "test", true, Some("200"), true),
        ("PLAIN", "", false, None, false),
        ("PLAIN", "", true, None, false),
        ("PLAIN", "", true, Some("200"), true),
        ("PLAIN", "test", true, Some("400"), false),
        ("CURVE", "", false, None, true),
        ("CURVE", "", false, Some("400"), false),
        // Encryption alone.
        ("CURVE", "", true, Some("400"), true),
        ("CURVE", "test", false, None, true),
        ("CURVE", "test", true, None, false),
        ("CURVE", "test", true, Some("200"), true),
    ];
    for case in cases {
        let (mechanism, domain, enforced, says, comes_in) = case;
        let context = Context::new();
        if let Some(status) = says {
            zap_handler(&context, move |question| {
                assert_eq!(question.frames().nth(2).map(|frame| frame.as_slice()), Some(domain.as_bytes()));
                ["1.0", "1", status, "", "", ""].into()
            });
        }
        let pull = Pull::builder().context(&context).zap_domain(domain).zap_enforce_domain(enforced).recv_timeout(LONG);
        let push = Push::builder().context(&context).send_timeout(LONG);
        let secret = CurveSecret::generate().unwrap();
        let (pull, push) = match mechanism {
            "PLAIN" => (pull.plain_server(true), push.plain_username("admin")),
            "CURVE" => (
                pull.curve_server(true).curve_secret_key(secret.clone()),
                push.curve_server_key(secret.public()).curve_secret_key(CurveSecret::generate().unwrap()),
            ),
            _ => (pull, push),
        };
        let (pull, push) = (pull.build().unwrap(), push.build().unwrap());
        let mut monitor = pull.monitor();
        push.connect(pull.bind("tcp://127.0.0.1:*").unwrap().to_string()).unwrap();
        // Whoever is refused at once has nowhere to send it.
        let sent = push.try_send("hello");
        assert!(sent.is_ok() || !comes_in, "{case:?}: {sent:?}");
        let outcome = std::iter::from_fn(|| monitor.recv_timeout(LONG)).map(|event| event.kind).find(|kind| {
            let refused = matches!(kind, EventKind::AuthenticationFailed(_) | EventKind::HandshakeFailed(_));
            refused || matches!(kind, EventKind::HandshakeSucceeded)
        });
        assert_eq!(outcome == Some(EventKind::HandshakeSucceeded), comes_in, "{case:?}: {outcome:?}");
        match comes_in {
            true => assert_eq!(pull.recv().unwrap(), "hello", "{case:?}"),
            false => assert!(pull.try_recv().is_err() && pull.peers().is_empty(), "{case:?}"),
        }
    }
}

#[test]
fn those_refused_again_and_again_keep_nobody_waiting() {
    let mut service = Service::secured(
        |rep| rep.plain_server(true).authenticator(Users::new().user("admin", "secret")).backlog(4096u32),
        |req| req.plain_username("admin").plain_password("secret"),
    );
    let wire = [greeting(1, "PLAIN"), frame(4, b"\x05HELLO\x05admin\x05wrong")].concat();
    let count = many(200, 10_000);
    service.under(|| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..count / 4 {
                        let mut stream = service.dial();
                        say(&mut stream, &wire);
                        let mut said = vec![0; 64 + 11];
                        stream.read_exact(&mut said).unwrap();
                        assert!(said.ends_with(b"^RROR\x03400"), "{said:?}");
                    }
                });
            }
        });
    });
    service.wait_for(count.min(EVENTS_KEPT), |kind| matches!(kind, EventKind::AuthenticationFailed(_)));
    service.wait_for_quiet();
}
