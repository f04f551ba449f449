//! GSSAPI against a real Kerberos realm: Zefiro with itself and with libzmq, wrapped and plain; who may come in, and who
//! may not.

mod realm;

use std::thread;

use realm::{ALICE, BOB, SERVICE, in_realm};
use zefiro::auth::{Answer, Request};
use zefiro::{AnySocket, Configure, Context, EventKind, GssapiName, Monitor, Rep, SocketType};
use zefiro_interop::{LONG, Peer, message, python};

const COUNT: usize = 60;

fn socket(context: &Context, socket_type: SocketType) -> zefiro::Builder<zefiro::kind::Any> {
    AnySocket::builder_of(socket_type)
        .context(context)
        .recv_timeout(LONG)
        .send_timeout(LONG)
        .gssapi_principal_nametype(GssapiName::KerberosPrincipal)
        .gssapi_service_principal_nametype(GssapiName::KerberosPrincipal)
}

fn server(context: &Context, socket_type: SocketType) -> zefiro::Builder<zefiro::kind::Any> {
    socket(context, socket_type).gssapi_server(true).gssapi_principal(SERVICE)
}

fn client(context: &Context, socket_type: SocketType) -> zefiro::Builder<zefiro::kind::Any> {
    socket(context, socket_type).gssapi_principal(ALICE).gssapi_service_principal(SERVICE)
}

/// The options of a libzmq peer.
fn theirs(serves: bool, plaintext: bool) -> Vec<String> {
    let mut options = if serves {
        vec!["GSSAPI_SERVER=1".to_string(), format!("GSSAPI_PRINCIPAL={SERVICE}")]
    } else {
        vec![format!("GSSAPI_SERVICE_PRINCIPAL={SERVICE}"), format!("GSSAPI_PRINCIPAL={ALICE}")]
    };
    for name in ["GSSAPI_PRINCIPAL_NAMETYPE", "GSSAPI_SERVICE_PRINCIPAL_NAMETYPE"] {
        options.push(format!("{name}=2"));
    }
    options.push(format!("GSSAPI_PLAINTEXT={}", u8::from(plaintext)));
    options
}

fn start(arguments: &[&str], options: &[String]) -> Peer {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Peer::start(&[arguments, &options].concat()).unwrap()
}

fn libzmq_has_gssapi() -> bool {
    let has = python().is_some_and(|python| {
        let ask = std::process::Command::new(python).args(["-c", "import zmq; assert zmq.has('gssapi')"]).output();
        ask.is_ok_and(|done| done.status.success())
    });
    if !has {
        println!("no libzmq with GSSAPI: nothing tested");
    }
    has
}

fn failure(monitor: &mut Monitor) -> zefiro::Event {
    let mut events = std::iter::from_fn(|| monitor.recv_timeout(LONG));
    let failed = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::AuthenticationFailed(_) | EventKind::ProtocolFailed(_) | EventKind::HandshakeFailed(_)
        )
    };
    events.find(|event| failed(&event.kind)).expect("a failure is told")
}

#[test]
fn zefiro_with_itself_wrapped_and_plain() {
    in_realm("zefiro_with_itself_wrapped_and_plain", &[], || {
        for (plaintext, client_binds) in [(false, false), (true, false), (false, true)] {
            let context = Context::new();
            let one = server(&context, SocketType::Dealer).gssapi_plaintext(plaintext);
            let one = one.authenticator(|peer: &Request| match peer.principal() {
                Some(ALICE) => Answer::allow("alice"),
                _ => Answer::deny("not on the list"),
            });
            let one = one.build().unwrap();
            let other = client(&context, SocketType::Dealer).gssapi_plaintext(plaintext).build().unwrap();
            let (binds, connects) = if client_binds { (&other, &one) } else { (&one, &other) };
            connects.connect(&binds.bind("tcp://127.0.0.1:*").unwrap().to_string()).unwrap();
            for number in 0..COUNT {
                other.send(message(number)).unwrap();
                let (received, peer) = one.recv_from().unwrap();
                assert_eq!(received, message(number), "{number}");
                assert_eq!(peer.as_ref().and_then(|peer| peer.get("User-Id")), Some(&b"alice"[..]));
                one.send(received).unwrap();
                assert_eq!(other.recv().unwrap(), message(number), "{number}");
            }
            assert_eq!(one.peers()[0].mechanism, "GSSAPI");
        }
    });
}

#[test]
fn libzmq_both_ways_wrapped_and_plain() {
    if !libzmq_has_gssapi() {
        return;
    }
    in_realm("libzmq_both_ways_wrapped_and_plain", &[], || {
        for plaintext in [false, true] {
            for (we_serve, we_bind) in [(true, true), (true, false), (false, true), (false, false)] {
                let context = Context::new();
                let builder = if we_serve { server } else { client }(&context, SocketType::Dealer);
                let ours = builder.gssapi_plaintext(plaintext).build().unwrap();
                let (options, count) = (theirs(!we_serve, plaintext), COUNT.to_string());
                let peer = if we_bind {
                    let endpoint = ours.bind("tcp://127.0.0.1:*").unwrap().to_string();
                    start(&["DEALER", "connect", &endpoint, "echo", &count], &options)
                } else {
                    let peer = start(&["DEALER", "bind", "tcp://127.0.0.1:*", "echo", &count], &options);
                    ours.connect(&peer.line()).unwrap();
                    peer
                };
                for number in 0..COUNT {
                    ours.send(message(number)).unwrap();
                    assert_eq!(
                        ours.recv().unwrap(),
                        message(number),
                        "plain {plaintext} we serve {we_serve}: {number}"
                    );
                }
                ours.close_within(LONG).unwrap();
                peer.finish();
            }
        }
    });
}
