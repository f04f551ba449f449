//! Two sockets, and between them a proxy that damages what it carries; one socket, and a stranger.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use zefiro::{AnySocket, Context, CurveSecret, Frame, Message, SocketType};

use crate::handshake;

/// One socket sends to another through the proxy, both as the first byte says, and what the proxy does is in the others.
/// Then a third one, without a proxy, must still be heard. Over CURVE what arrives must be what was sent, in order.
pub fn sockets(bytes: &[u8]) {
    let Some((choice, faults)) = bytes.split_first() else { return };
    let (one, other) = PAIRS[usize::from(choice >> 1) % PAIRS.len()];
    let secret = (choice & 1 == 1).then(|| CurveSecret::generate().expect("there is randomness"));
    let context = Context::new();
    let builder = |kind| {
        let builder = AnySocket::builder_of(kind).context(&context).handshake_interval(IDLE).linger(Duration::ZERO);
        builder.recv_timeout(LONG).send_timeout(LONG).reconnect_interval(None)
    };
    let client = || match &secret {
        Some(secret) => builder(one).curve_server_key(secret.public()).curve_secret_key(CurveSecret::new([9; 32])),
        None => builder(one),
    };
    let server = match &secret {
        Some(secret) => builder(other).curve_server(true).curve_secret_key(secret.clone()),
        None => builder(other),
    };
    let server = server.build().expect("the options are good");
    if other == SocketType::Sub {
        server.subscribe("").expect("it subscribes");
    }
    let endpoint = server.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let sender = client().build().expect("the options are good");
    sender.connect(format!("tcp://{}", listener.local_addr().expect("it is bound"))).expect("it connects");
    let publishes = one == SocketType::Pub;
    thread::scope(|scope| {
        scope.spawn(|| carry(&listener, endpoint.trim_start_matches("tcp://"), faults));
        for number in 0..MESSAGES {
            let _ = sender.try_send(message(number));
            if publishes {
                // Nobody has subscribed at first, and perhaps nobody ever will.
                thread::sleep(Duration::from_millis(1));
            }
        }
    });

    let direct = client().handshake_interval(LONG).build().expect("the options are good");
    direct.connect(&endpoint).expect("it connects");
    if publishes {
        direct.wait_subscribed("", 1, LONG).expect("it is subscribed to");
    }
    direct.send("the last").expect("it sends");
    let mut expected = 0..MESSAGES;
    loop {
        let received = server.recv().expect("the direct one is heard");
        let is =
            |message: Message| received.frames().skip(usize::from(other == SocketType::Router)).eq(message.frames());
        if is("the last".into()) {
            return;
        }
        assert!(
            secret.is_none() || expected.any(|number| is(message(number))),
            "{received:?} was not sent, or not then"
        );
    }
}

/// A stranger says to a socket what the bytes are, behind a good handshake or without one, and leaves. Then a good peer
/// must still be heard. The first byte chooses the socket's type.
pub fn strangers(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let (own, peer) = VISITED[usize::from(choice & 15) % VISITED.len()];
    let context = Context::new();
    let builder = |kind| {
        let builder = AnySocket::builder_of(kind).context(&context).linger(Duration::ZERO);
        builder.recv_timeout(LONG).send_timeout(LONG)
    };
    let socket = builder(own).build().expect("the options are good");
    let endpoint = socket.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
    let (hears, publishes) = (matches!(own, SocketType::Sub | SocketType::XSub), PUBLISHERS.contains(&own));
    if hears {
        socket.subscribe("").expect("it subscribes");
    }

    let mut stranger = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("it is bound");
    let said = if choice & 128 != 0 { [&handshake(), bytes].concat() } else { bytes.to_vec() };
    stranger.set_nodelay(true).expect("it can be set");
    stranger.set_read_timeout(Some(LONG)).expect("it can be set");
    // A socket that has heard enough does not listen to the rest.
    let _ = said.chunks(1 + usize::from(choice >> 4 & 7) * 40).try_for_each(|piece| stranger.write_all(piece));
    let _ = stranger.shutdown(Shutdown::Write);
    let mut answers = Vec::new();
    if let Err(error) = stranger.read_to_end(&mut answers) {
        assert!(error.kind() == ErrorKind::ConnectionReset, "who has left is not let go: {error}");
    }

    // Its subscriptions go with it; a good peer's are waited for below.
    let end = Instant::now() + LONG;
    while !socket.peers().is_empty() {
        assert!(Instant::now() < end, "who has left is still a peer");
        thread::sleep(Duration::from_millis(1));
    }

    let good = builder(peer).build().expect("the options are good");
    good.connect(&endpoint).expect("it connects");
    if publishes {
        good.subscribe("the last").expect("it subscribes");
        socket.wait_subscribed("the last", 1, LONG).expect("it is subscribed to");
        socket.send("the last").expect("it sends");
        assert_eq!(good.recv().expect("the socket is heard"), ["the last"]);
        return;
    }
    if hears {
        good.wait_subscribed("", 1, LONG).expect("it is subscribed to");
    }
    good.send("the last").expect("it sends");
    while socket.recv().expect("the good one is heard").frames().next_back().is_none_or(|frame| *frame != "the last") {
        if own == SocketType::Rep {
            // To somebody who has left.
            let _ = socket.send("an answer");
        }
    }
}

/// Of one to three frames, with its number in each.
fn message(number: u8) -> Message {
    (0..=number % 3).map(|part| Frame::from(vec![number; usize::from(part) * 200 + 1])).collect()
}

/// Carries one connection until it ends, or rests for a while.
fn carry(listener: &TcpListener, server: &str, faults: &[u8]) {
    let (Ok((client, _)), Ok(server)) = (listener.accept(), TcpStream::connect(server)) else { return };
    let (there, back) = faults.split_at(faults.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| damage(&client, &server, there));
        damage(&server, &client, back);
    });
}

/// Carries one direction: a fault is for each piece that comes.
fn damage(mut from: &TcpStream, mut to: &TcpStream, faults: &[u8]) {
    let mut faults = faults.iter();
    let mut buffer = [0; 512];
    from.set_read_timeout(Some(IDLE)).expect("it can be set");
    loop {
        let count = match from.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let piece = &mut buffer[..count];
        let fault = faults.next().copied().unwrap_or_default();
        let at = usize::from(fault >> 3) * 7 % count;
        let carried = match fault & 7 {
            1 => {
                piece[at] ^= fault | 1;
                to.write_all(piece)
            }
            2 => to.write_all(&piece[at..]),
            3 => to.write_all(&piece[..at]),
            4 => to.write_all(&piece[..at]).and_then(|()| to.write_all(piece)),
            5 => to.write_all(&piece[..at]).and_then(|()| to.write_all(&piece[at..])),
            6 if at == 0 => break,
            _ => to.write_all(piece),
        };
        if carried.is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Who sends, and who receives.
const PAIRS: [(SocketType, SocketType); 4] = [
    (SocketType::Push, SocketType::Pull),
    (SocketType::Dealer, SocketType::Router),
    (SocketType::Dealer, SocketType::Dealer),
    (SocketType::Pub, SocketType::Sub),
];

/// Who is visited by a stranger, and who good peers are.
const VISITED: [(SocketType, SocketType); 10] = [
    (SocketType::Router, SocketType::Dealer),
    (SocketType::XPub, SocketType::Sub),
    (SocketType::Rep, SocketType::Req),
    (SocketType::Pub, SocketType::Sub),
    (SocketType::Pull, SocketType::Push),
    (SocketType::Sub, SocketType::Pub),
    (SocketType::XSub, SocketType::XPub),
    (SocketType::Dealer, SocketType::Dealer),
    (SocketType::Server, SocketType::Client),
    (SocketType::Gather, SocketType::Scatter),
];

const PUBLISHERS: [SocketType; 2] = [SocketType::Pub, SocketType::XPub];

const MESSAGES: u8 = 50;

/// A proxy whose connection has rested for so long gives up.
const IDLE: Duration = Duration::from_millis(50);

/// No wait is longer.
const LONG: Duration = Duration::from_secs(20);
