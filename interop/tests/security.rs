//! PLAIN and CURVE with a real libzmq peer, in both roles and either side binding; and who is refused.

use std::thread;

use zefiro::{AnySocket, Context, CurveSecret, EventKind, Rep, SocketType};
use zefiro_interop::{LONG, Peer, message, python};

const COUNT: usize = 60;

fn socket(context: &Context, socket_type: SocketType) -> zefiro::Builder<zefiro::kind::Any> {
    AnySocket::builder_of(socket_type).context(context).recv_timeout(LONG).send_timeout(LONG)
}

/// Answers the authenticator's questions: `welcome` says for which credentials.
fn authenticator(context: &Context, welcome: impl Fn(&[&[u8]]) -> bool + Send + 'static) {
    let handler = Rep::builder().context(context).build().unwrap();
    handler.bind("inproc://zeromq.zap.01").unwrap();
    thread::spawn(move || {
        while let Ok(request) = handler.recv() {
            // Without the empty frame before it: version, id, domain, address, identity, mechanism, credentials.
            let frames: Vec<&[u8]> = request.frames().map(|frame| frame.as_slice()).collect();
            let status = if welcome(&frames[6..]) { "200" } else { "400" };
            let reply = ["1.0", "1", status, "as you wish", "somebody", ""];
            if handler.send(reply).is_err() {
                return;
            }
        }
    });
}

fn exchange(ours: &AnySocket) {
    for number in 0..COUNT {
        ours.send(message(number)).unwrap();
        assert_eq!(ours.recv().unwrap(), message(number), "message {number}");
    }
}

#[test]
fn curve_with_libzmq_both_ways() {
    if python().is_none() {
        return;
    }
    let (server, client) = (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let (server_public, client_public) = (server.public().to_z85(), client.public().to_z85());
    for (we_serve, we_bind) in [(true, true), (true, false), (false, true), (false, false)] {
        let context = Context::new();
        let builder = socket(&context, SocketType::Dealer);
        let (ours, theirs) = if we_serve {
            let theirs = [
                format!("CURVE_SERVERKEY={server_public}"),
                format!("CURVE_PUBLICKEY={client_public}"),
                format!("CURVE_SECRETKEY={}", client.to_z85()),
            ];
            (builder.curve_server(true).curve_secret_key(server.clone()), theirs.to_vec())
        } else {
            let theirs = [format!("CURVE_SECRETKEY={}", server.to_z85()), "CURVE_SERVER=1".to_string()];
            (builder.curve_server_key(server.public()).curve_secret_key(client.clone()), theirs.to_vec())
        };
        let ours = ours.build().unwrap();
        let options: Vec<&str> = theirs.iter().map(String::as_str).collect();
        let count = COUNT.to_string();
        let start = |how: &str, endpoint: &str| {
            let arguments = [["DEALER", how, endpoint, "echo", &count].as_slice(), &options].concat();
            Peer::start(&arguments).unwrap()
        };
        let peer = if we_bind {
            start("connect", &ours.bind("tcp://127.0.0.1:*").unwrap().to_string())
        } else {
            let peer = start("bind", "tcp://127.0.0.1:*");
            ours.connect(peer.line()).unwrap();
            peer
        };
        exchange(&ours);
        ours.close_within(LONG).unwrap();
        peer.finish();
    }
}

#[test]
fn plain_with_libzmq_both_ways() {
    if python().is_none() {
        return;
    }
    let count = COUNT.to_string();
    let context = Context::new();
    authenticator(&context, |credentials| credentials == [&b"admin"[..], b"secret"]);
    let ours = socket(&context, SocketType::Dealer).plain_server(true).build().unwrap();
    let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let credentials = ["PLAIN_USERNAME=admin", "PLAIN_PASSWORD=secret"];
    let arguments = [["DEALER", "connect", &endpoint, "echo", &count].as_slice(), &credentials].concat();
    let peer = Peer::start(&arguments).unwrap();
    exchange(&ours);
    ours.close_within(LONG).unwrap();
    peer.finish();

    let ours = socket(&context, SocketType::Dealer).plain_username("admin").plain_password("secret").build().unwrap();
    let peer = Peer::start(&["DEALER", "bind", "tcp://127.0.0.1:*", "echo", &count, "PLAIN_SERVER=1"]).unwrap();
    ours.connect(peer.line()).unwrap();
    exchange(&ours);
    ours.close_within(LONG).unwrap();
    context.close_within(LONG).unwrap();
    peer.finish();
}

#[test]
fn who_is_refused_is_told_so_and_nothing_crosses() {
    let context = Context::new();
    let (server, client) = (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let known = CurveSecret::generate().unwrap().public();
    authenticator(&context, move |credentials| credentials == [known.as_bytes().as_slice()]);
    let pull = socket(&context, SocketType::Pull).curve_server(true).curve_secret_key(server.clone()).build().unwrap();
    let mut at_server = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let push = socket(&context, SocketType::Push).curve_server_key(server.public()).curve_secret_key(client);
    let push = push.build().unwrap();
    let mut at_client = push.monitor();
    push.connect(&endpoint).unwrap();
    // Whoever is refused at once has nowhere to send it.
    let _ = push.try_send("let me in");
    for monitor in [&mut at_server, &mut at_client] {
        let refused = std::iter::from_fn(|| monitor.recv_timeout(LONG))
            .find(|event| matches!(event.kind, EventKind::AuthenticationFailed(_)));
        assert_eq!(refused.unwrap().value, 400);
    }
    assert!(pull.try_recv().is_err());
}

#[test]
fn a_peer_of_ours_and_one_of_libzmqs_with_the_wrong_key_do_not_meet() {
    if python().is_none() {
        return;
    }
    let context = Context::new();
    let (server, other) = (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let pull = socket(&context, SocketType::Pull).curve_server(true).curve_secret_key(server).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let options = [
        format!("CURVE_SERVERKEY={}", other.public().to_z85()),
        format!("CURVE_PUBLICKEY={}", other.public().to_z85()),
        format!("CURVE_SECRETKEY={}", other.to_z85()),
        "LINGER=0".to_string(),
    ];
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _peer = Peer::start(&[["PUSH", "connect", &endpoint, "recv-when-told", "1"].as_slice(), &options].concat());
    let failed = std::iter::from_fn(|| monitor.recv_timeout(LONG))
        .find(|event| matches!(event.kind, EventKind::ProtocolFailed(_)));
    assert_eq!(failed.unwrap().value, 0x1100_0001);
    assert!(pull.try_recv().is_err());
}
