//! One socket, and a stranger.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use zefiro::auth::{Answer, Credentials, Request};
use zefiro::{AnySocket, Builder, Context, CurveSecret, Message, SocketType, kind};

use crate::patience::{SLICE, SLICES, insist, until};
use crate::{greeting, handshake};

/// A stranger says to a socket what the bytes are, behind a good handshake or without one, while the program uses the
/// socket, and leaves. Then a good peer must still be heard. The first byte chooses the socket's type, the second who
/// connects to whom and the mechanism.
pub fn strangers(bytes: &[u8]) {
    let Some(([choice, manner], bytes)) = bytes.split_first_chunk::<2>() else { return };
    let (own, peer) = VISITED[usize::from(choice & 31) % VISITED.len()];
    let security = if own == SocketType::Stream { Security::Null } else { Security::of(*manner) };
    let said = if choice & 128 != 0 { [&security.handshake(), bytes].concat() } else { bytes.to_vec() };
    let piece_len = 1 + usize::from(choice >> 5 & 3) * 60;
    let context = Context::new();
    let builder = |kind| {
        let builder = AnySocket::builder_of(kind).context(&context).linger(Duration::ZERO).reconnect_interval(None);
        // A handshake may take long if this program is stopped.
        builder.recv_timeout(SLICE).send_timeout(SLICE).handshake_interval(None).req_relaxed(kind == SocketType::Req)
    };
    let socket = security.own(builder(own)).build().expect("the options are good");
    match own {
        SocketType::Sub | SocketType::XSub => socket.subscribe("").expect("it subscribes"),
        SocketType::Dish => socket.join("").expect("it joins"),
        _ => {}
    }

    let heard = if manner & 128 != 0 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let endpoint = format!("tcp://{}", listener.local_addr().expect("it is bound"));
        socket.connect(&endpoint).expect("it connects");
        let heard = visit(&socket, listener.accept().expect("it connects").0, said.chunks(piece_len));
        let _ = socket.disconnect(&endpoint);
        heard
    } else {
        let endpoint = socket.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
        let stranger = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("it is bound");
        visit(&socket, stranger, said.chunks(piece_len))
    };

    let endpoint = socket.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
    if own == SocketType::Stream {
        plain(&socket, heard, &said, &endpoint);
    } else if security != Security::Gssapi {
        let good = security.peer(builder(peer)).build().expect("the options are good");
        meet(&socket, &good, &endpoint);
    }
    drop(socket);
    context.terminate();
}

/// The stranger's stay; answers what the socket heard.
fn visit<'a>(socket: &AnySocket, mut stranger: TcpStream, said: impl Iterator<Item = &'a [u8]>) -> Vec<Message> {
    stranger.set_nodelay(true).expect("it can be set");
    stranger.set_read_timeout(Some(SLICE)).expect("it can be set");
    let mut heard = Vec::new();
    for (index, piece) in said.enumerate() {
        // A socket that has heard enough does not listen to the rest.
        if stranger.write_all(piece).is_err() {
            break;
        }
        if index < 8 {
            heard.extend(use_it(socket));
        }
    }
    let _ = stranger.shutdown(Shutdown::Write);
    is_let_go(&mut stranger);
    // Its subscriptions go with it; a good peer's are waited for later.
    until("who has left is still a peer", || socket.peers().is_empty());
    if socket.socket_type() == SocketType::Stream {
        heard.extend(std::iter::from_fn(|| socket.try_recv().ok()));
    }
    heard
}

/// The socket ends the connection too.
fn is_let_go(stranger: &mut TcpStream) {
    let mut answers = Vec::new();
    for _ in 0..SLICES {
        match stranger.read_to_end(&mut answers) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => {
                assert!(error.kind() == ErrorKind::ConnectionReset, "who has left is not let go: {error}");
                return;
            }
            Ok(_) => return,
        }
    }
    panic!("who has left is not let go");
}

/// What is heard is said again; with nothing to hear, a question is asked.
fn use_it(socket: &AnySocket) -> Option<Message> {
    let Ok(message) = socket.try_recv() else {
        let _ = socket.try_send("a question");
        return None;
    };
    // An empty one would end a plain connection, and XSUB might unsubscribe.
    if !message.last().is_empty() && socket.socket_type() != SocketType::XSub {
        let _ = socket.try_send(message.clone());
    }
    Some(message)
}

/// A good peer and the socket say something to each other, the last of it to who can hear.
fn meet(socket: &AnySocket, good: &AnySocket, endpoint: &str) {
    let is_last = |message: &Message| *message.last() == LAST;
    let number = (socket.socket_type() == SocketType::Peer).then(|| good.connect_peer(endpoint).expect("it connects"));
    if number.is_none() {
        good.connect(endpoint).expect("it connects");
    }
    let is_subscribed = |publisher: &AnySocket, topic: &str| {
        insist("it is subscribed to", || publisher.wait_subscribed(topic, 1, SLICE));
    };
    match socket.socket_type() {
        SocketType::Pub | SocketType::XPub => {
            good.subscribe(LAST).expect("it subscribes");
            is_subscribed(socket, LAST);
            socket.send(LAST).expect("it sends");
            assert!(is_last(&insist("the socket is heard", || good.recv())));
            return;
        }
        SocketType::Radio => {
            good.join(LAST).expect("it joins");
            is_subscribed(socket, LAST);
            socket.send(Message::for_group(LAST, LAST)).expect("it sends");
            assert!(is_last(&insist("the socket is heard", || good.recv())));
            return;
        }
        SocketType::Push | SocketType::Scatter => {
            insist("it sends", || socket.send(LAST));
            assert!(is_last(&insist("the socket is heard", || good.recv())));
            return;
        }
        SocketType::Req | SocketType::Client => {
            insist("it asks", || socket.send("a question"));
            let mut frames = insist("it is asked", || good.recv()).into_frames().collect::<Vec<_>>();
            frames.pop();
            frames.push(LAST.into());
            good.send(frames).expect("it answers");
        }
        SocketType::Sub | SocketType::XSub => {
            is_subscribed(good, "");
            good.send(LAST).expect("it sends");
        }
        SocketType::Dish => {
            is_subscribed(good, "");
            good.send(Message::for_group("", LAST)).expect("it sends");
        }
        SocketType::Peer => {
            let number = number.expect("it is a peer");
            insist("it sends", || good.send(Message::for_peer(number, LAST)));
        }
        _ => insist("it sends", || good.send(LAST)),
    }
    while !is_last(&insist("the good one is heard", || socket.recv())) {
        if socket.socket_type() == SocketType::Rep {
            // To somebody who has left.
            let _ = socket.send("an answer");
        }
    }
}

/// STREAM, which has no handshake: what each says comes as it was said.
fn plain(socket: &AnySocket, heard: Vec<Message>, said: &[u8], endpoint: &str) {
    let mut good = TcpStream::connect(endpoint.trim_start_matches("tcp://")).expect("it is bound");
    good.write_all(LAST.as_bytes()).expect("it is listened to");
    let (mut heard, mut left) = (heard.into_iter(), said.len() + LAST.len());
    let mut by_peer: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    while left > 0 {
        let message = heard.next().unwrap_or_else(|| insist("all is heard", || socket.recv()));
        assert!(message.frame_count() == 2);
        left -= message.last().len();
        by_peer.entry(message.first().to_vec()).or_default().extend_from_slice(message.last());
    }
    let mut by_peer: Vec<Vec<u8>> = by_peer.into_values().filter(|said| !said.is_empty()).collect();
    by_peer.sort_by_key(|said| said == LAST.as_bytes());
    assert!(by_peer.iter().eq([said, LAST.as_bytes()].iter().filter(|said| !said.is_empty())), "plain bytes changed");
}

/// How the socket is secured.
#[derive(Clone, Copy, PartialEq)]
enum Security {
    Null,
    CurveServer,
    CurveClient,
    PlainServer,
    PlainClient,
    /// No good peer can be had without a Kerberos server.
    Gssapi,
}

impl Security {
    fn of(manner: u8) -> Security {
        match manner & 7 {
            3 => Security::CurveServer,
            4 => Security::CurveClient,
            5 => Security::PlainServer,
            6 => Security::PlainClient,
            7 if zefiro::gssapi_is_available() => Security::Gssapi,
            _ => Security::Null,
        }
    }

    fn own(self, builder: Builder<kind::Any>) -> Builder<kind::Any> {
        let (server, client) = (CurveSecret::new([7; 32]), CurveSecret::new([9; 32]));
        match self {
            Security::Null => builder,
            Security::CurveServer => builder.curve_server(true).curve_secret_key(server),
            Security::CurveClient => builder.curve_server_key(server.public()).curve_secret_key(client),
            Security::PlainServer => builder.plain_server(true).authenticator(is_bob),
            Security::PlainClient => builder.plain_username("bob").plain_password("secret"),
            Security::Gssapi => builder.gssapi_server(true),
        }
    }

    /// What suits it.
    fn peer(self, builder: Builder<kind::Any>) -> Builder<kind::Any> {
        let other = match self {
            Security::CurveServer => Security::CurveClient,
            Security::CurveClient => Security::CurveServer,
            Security::PlainServer => Security::PlainClient,
            Security::PlainClient => Security::PlainServer,
            same => same,
        };
        other.own(builder)
    }

    /// What a good stranger says, as far as it can without keys.
    fn handshake(self) -> Vec<u8> {
        match self {
            Security::Null => handshake(),
            Security::CurveServer | Security::CurveClient => greeting("CURVE"),
            Security::PlainServer => {
                [&greeting("PLAIN")[..], b"\x04\x11\x05HELLO\x03bob\x06secret\x04\x09\x08INITIATE"].concat()
            }
            Security::PlainClient => [&greeting("PLAIN")[..], b"\x04\x08\x07WELCOME\x04\x06\x05READY"].concat(),
            Security::Gssapi => greeting("GSSAPI"),
        }
    }
}

fn is_bob(request: &Request) -> Answer {
    match &request.credentials {
        Credentials::Password { user, .. } if user == "bob" => Answer::allow("bob"),
        _ => Answer::deny("not bob"),
    }
}

/// Who is visited by a stranger, and who good peers are.
const VISITED: [(SocketType, SocketType); 20] = [
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
    (SocketType::Req, SocketType::Rep),
    (SocketType::Radio, SocketType::Dish),
    (SocketType::Dish, SocketType::Radio),
    (SocketType::Stream, SocketType::Stream),
    (SocketType::Pair, SocketType::Pair),
    (SocketType::Client, SocketType::Server),
    (SocketType::Push, SocketType::Pull),
    (SocketType::Scatter, SocketType::Gather),
    (SocketType::Peer, SocketType::Peer),
    (SocketType::Channel, SocketType::Channel),
];

const LAST: &str = "the last";
