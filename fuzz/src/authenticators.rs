//! Authenticators (RFC 27) that answer what they like.

use std::time::Duration;

use zefiro::{AnySocket, Context, CurveSecret, Frame, Message, SocketType};

use crate::patience::{SLICE, insist};

/// A peer wants to be let in, and the authenticator answers what the bytes say: it is let in if that is a welcome, and as
/// who it says. Then a good answer must still let a peer in. The first byte chooses the authenticator's type and the
/// mechanism; `|` is between frames of an answer, 0xff between answers.
pub fn zap_handlers(bytes: &[u8]) {
    let Some((choice, said)) = bytes.split_first() else { return };
    let context = Context::new();
    let builder = |kind| {
        let builder = AnySocket::builder_of(kind).context(&context).linger(Duration::ZERO).recv_timeout(SLICE);
        // This program may be stopped for long.
        builder.handshake_interval(None)
    };
    let routes = choice & 1 != 0;
    let handler = builder(if routes { SocketType::Router } else { SocketType::Rep });
    let handler = handler.build().expect("the options are good");
    handler.bind("inproc://zeromq.zap.01").expect("it binds");
    let (server_key, client_key) = (CurveSecret::new([7; 32]), CurveSecret::new([9; 32]));
    let (server, mechanism) = match choice >> 1 & 3 {
        0 | 1 => (builder(SocketType::Pull), "NULL"),
        2 => (builder(SocketType::Pull).plain_server(true), "PLAIN"),
        _ => (builder(SocketType::Pull).curve_server(true).curve_secret_key(server_key.clone()), "CURVE"),
    };
    let server = server.zap_domain("home").build().expect("the options are good");
    let endpoint = server.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
    let client = |text: &str| {
        let builder = builder(SocketType::Push).reconnect_interval(None);
        let client = match mechanism {
            "NULL" => builder,
            "PLAIN" => builder.plain_username("bob").plain_password("secret"),
            _ => builder.curve_server_key(server_key.public()).curve_secret_key(client_key.clone()),
        };
        let client = client.build().expect("the options are good");
        client.connect(&endpoint).expect("it connects");
        client.send(text).expect("it sends");
        client
    };
    let asked = || {
        let question = insist("the authenticator is asked", || handler.recv());
        let frames: Vec<&Frame> = question.frames().skip(if routes { 2 } else { 0 }).collect();
        let meant = ["1.0", "1", "home", "127.0.0.1", "", mechanism];
        assert!(frames.len() >= 6 && frames.iter().zip(meant).all(|(frame, meant)| **frame == meant), "{question:?}");
        let shown: Vec<&[u8]> = frames[6..].iter().map(|frame| frame.as_slice()).collect();
        match mechanism {
            "NULL" => assert!(shown.is_empty()),
            "PLAIN" => assert_eq!(shown, [&b"bob"[..], b"secret"]),
            _ => assert_eq!(shown, [client_key.public().as_bytes()]),
        }
        question.first().clone()
    };

    let first = client("the first");
    let who = asked();
    let mut user = None;
    for (number, said) in said.split(|byte| *byte == 0xff).enumerate() {
        let frames: Vec<&[u8]> = said.split(|byte| *byte == b'|').collect();
        let delimiter = [&b""[..]];
        if number == 0 {
            user = welcomed(&[if routes { &[] } else { &delimiter[..] }, &frames].concat());
        }
        let who = routes.then(|| who.clone());
        let _ = handler.send(who.into_iter().chain(frames.into_iter().map(Frame::from)).collect::<Message>());
    }
    if let Some(user) = user {
        let (message, metadata) = insist("who is welcome is heard", || server.recv_from());
        let told = metadata.as_ref().and_then(|metadata| metadata.get("User-Id")).unwrap_or_default();
        assert!(message == "the first" && told == user, "{message:?} of {told:?}");
    }
    drop(first);

    let last = client("the last");
    let who = asked();
    let answer = ["1.0", "1", "200", "OK", "bob", ""].map(Frame::from);
    let envelope = if routes { vec![who, Frame::new()] } else { Vec::new() };
    handler.send(envelope.into_iter().chain(answer).collect::<Message>()).expect("it answers");
    assert!(insist("the last is heard", || server.recv()) == "the last", "somebody unwelcome is heard");
    drop((server, handler, last));
    context.terminate();
}

/// As whom an answer lets a peer in.
fn welcomed<'a>(frames: &[&'a [u8]]) -> Option<&'a [u8]> {
    let [b"", b"1.0", b"1", b"200", _, user, metadata] = frames else { return None };
    zmtp::parse_metadata(metadata).is_ok().then_some(user)
}
