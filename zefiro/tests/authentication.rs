//! Who may connect: authenticators of a socket's own, keys that both ends share, and what the program is told.

mod util;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use util::{LONG, handshake, socket};
use zefiro::auth::{Addresses, Answer, Credentials, Keys, Request, Users};
use zefiro::certificate::Certificate;
use zefiro::{
    Builder, Context, CurveSecret, Dealer, ErrorKind, Event, EventKind, Monitor, Options, Pair, Pub, Pull, Push, Rep,
    Router, SharedKey, Stream, Sub, kind,
};

fn pull(context: &Context) -> Builder<kind::Pull> {
    Pull::builder().context(context).recv_timeout(LONG)
}

fn push(context: &Context) -> Builder<kind::Push> {
    Push::builder().context(context).send_timeout(LONG)
}

fn bound(pull: &Pull) -> String {
    pull.bind("tcp://127.0.0.1:*").unwrap().to_string()
}

/// Whom the next message comes from.
fn user_of(pull: &Pull) -> String {
    let (_, metadata) = pull.recv_from().unwrap();
    metadata.and_then(|peer| String::from_utf8(peer.get("User-Id")?.to_vec()).ok()).unwrap_or_default()
}

/// Waits for the event that says a peer was refused.
fn refusal(monitor: &mut Monitor) -> Event {
    let refused = |event: &Event| matches!(event.kind, EventKind::AuthenticationFailed(_));
    std::iter::from_fn(|| monitor.recv_timeout(LONG)).find(refused).expect("nobody was refused")
}

#[test]
fn a_function_decides_and_its_word_is_on_the_messages() {
    let context = Context::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let pull = pull(&context)
        .plain_server(true)
        .zap_domain("test")
        .authenticator(move |request: &Request| {
            count.fetch_add(1, Ordering::Relaxed);
            assert_eq!((request.mechanism, request.domain.as_str()), ("PLAIN", "test"));
            assert!(request.ip().unwrap().is_loopback() && request.endpoint.starts_with("tcp://"));
            match &request.credentials {
                Credentials::Password { user, password } if password == "secret" => {
                    Answer::allow(user.as_str()).with("X-Group", "staff")
                }
                _ => Answer::deny("wrong password"),
            }
        })
        .build()
        .unwrap();
    let mut monitor = pull.monitor();
    let endpoint = bound(&pull);
    let wrong = push(&context).plain_username("admin").plain_password("guess").build().unwrap();
    let mut at_client = wrong.monitor();
    wrong.connect(&endpoint).unwrap();
    let event = refusal(&mut monitor);
    assert_eq!((event.value, event.kind), (400, EventKind::AuthenticationFailed("400 wrong password".into())));
    assert_eq!(refusal(&mut at_client).value, 400);
    let right = push(&context).plain_username("admin").plain_password("secret").build().unwrap();
    right.connect(&endpoint).unwrap();
    right.send("hello").unwrap();
    let (_, metadata) = pull.recv_from().unwrap();
    let metadata = metadata.unwrap();
    assert_eq!((metadata.get("User-Id"), metadata.get("X-Group")), (Some(&b"admin"[..]), Some(&b"staff"[..])));
    let peers = pull.peers();
    assert_eq!(peers.len(), 1);
    assert_eq!((peers[0].mechanism, peers[0].user_id.as_deref()), ("PLAIN", Some("admin")));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn futures_decide_many_at_a_time_and_hold_nobody_up() {
    let context = Context::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    // Nobody is let in before all ten have asked: so they wait at the same time.
    let barrier = Arc::new(tokio::sync::Barrier::new(10));
    let pull = pull(&context)
        .authenticator_async(move |_| {
            let (handle, barrier) = (handle.clone(), barrier.clone());
            async move {
                let waited = handle.spawn(async move { barrier.wait().await }).await;
                waited.map_or_else(|error| Answer::fail(error.to_string()), |_| Answer::allow("one of ten"))
            }
        })
        .build()
        .unwrap();
    let endpoint = bound(&pull);
    let others: Pair = socket(&context);
    let beside: Pair = socket(&context);
    beside.connect(others.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    let pushes: Vec<Push> = (0..10)
        .map(|number: u32| {
            let push = push(&context).build().unwrap();
            push.connect(&endpoint).unwrap();
            push.send(number.to_string()).unwrap();
            beside.send("meanwhile").unwrap();
            assert_eq!(others.recv().unwrap(), "meanwhile");
            push
        })
        .collect();
    for _ in &pushes {
        assert_eq!(user_of(&pull), "one of ten");
    }
}

#[test]
fn an_authenticator_that_panics_refuses_and_says_so() {
    let context = Context::new();
    let sync = pull(&context).authenticator(|_: &Request| -> Answer { panic!("the disk is full") }).build().unwrap();
    let future = pull(&context).authenticator_async(|_| async { panic!("the disk is full") }).build().unwrap();
    for pull in [sync, future] {
        let mut monitor = pull.monitor();
        let endpoint = bound(&pull);
        for _ in 0..3 {
            let push = push(&context).build().unwrap();
            push.connect(&endpoint).unwrap();
            let event = refusal(&mut monitor);
            assert_eq!(event.value, 500);
            assert!(event.to_string().contains("panicked: the disk is full"), "{event}");
        }
        assert!(pull.peers().is_empty());
    }
}

#[test]
fn an_authenticator_that_is_late_refuses_and_says_so() {
    let context = Context::new();
    let pull = pull(&context)
        .handshake_interval(Duration::from_millis(100))
        .authenticator_async(|_| std::future::pending())
        .build()
        .unwrap();
    let mut monitor = pull.monitor();
    let push = push(&context).build().unwrap();
    push.connect(bound(&pull)).unwrap();
    let event = refusal(&mut monitor);
    assert_eq!(event.value, 500);
    assert!(event.to_string().contains("did not answer in time"), "{event}");
}

#[test]
fn a_question_whose_peer_is_gone_is_withdrawn() {
    struct Noted(std::sync::mpsc::Sender<()>);
    impl Drop for Noted {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let context = Context::new();
    let (sender, dropped) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let (asked_sender, asked) = std::sync::mpsc::channel();
    let asked_sender = std::sync::Mutex::new(asked_sender);
    let pull = pull(&context)
        .authenticator_async(move |_| {
            let noted = Noted(sender.lock().unwrap().clone());
            asked_sender.lock().unwrap().send(()).unwrap();
            async move {
                let _noted = noted;
                std::future::pending().await
            }
        })
        .build()
        .unwrap();
    let mut stream = TcpStream::connect(bound(&pull).trim_start_matches("tcp://")).unwrap();
    stream.write_all(&handshake("PUSH")).unwrap();
    asked.recv_timeout(LONG).unwrap();
    drop(stream);
    dropped.recv_timeout(LONG).unwrap();
}

#[test]
fn later_is_said_to_nobody_and_tried_again() {
    let context = Context::new();
    let asked = AtomicUsize::new(0);
    let (server, client) = (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let pull = pull(&context)
        .curve_server(true)
        .curve_secret_key(server.clone())
        .handshake_interval(Duration::from_millis(200))
        .authenticator(move |_: &Request| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::later("the list is being read"),
            _ => Answer::allow("patient"),
        })
        .build()
        .unwrap();
    let mut monitor = pull.monitor();
    let push = push(&context).curve_server_key(server.public()).curve_secret_key(client).build().unwrap();
    push.connect(bound(&pull)).unwrap();
    assert_eq!(refusal(&mut monitor).value, 300);
    push.send("again").unwrap();
    assert_eq!(pull.recv().unwrap(), "again");
}

#[test]
fn keys_users_and_addresses_are_known_ready_made() {
    let context = Context::new();
    let (server, client, stranger) =
        (CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap(), CurveSecret::generate().unwrap());
    let folder = tempfile::tempdir().unwrap();
    Certificate::new(&client).with("name", "Alice").write(folder.path().join("alice")).unwrap();
    let here = Addresses::allow(["127.0.0.0/8".parse().unwrap()]);
    let curve = pull(&context)
        .curve_server(true)
        .curve_secret_key(server.clone())
        .authenticator(here.then(Keys::in_directory(folder.path()).unwrap()))
        .build()
        .unwrap();
    let mut monitor = curve.monitor();
    let endpoint = bound(&curve);
    let connect = |secret: &CurveSecret| {
        let push = push(&context).curve_server_key(server.public()).curve_secret_key(secret.clone()).build().unwrap();
        push.connect(&endpoint).unwrap();
        push
    };
    let _refused = connect(&stranger);
    assert_eq!(refusal(&mut monitor).value, 400);
    connect(&client).send("it is Alice").unwrap();
    assert_eq!(user_of(&curve), "Alice");

    let plain = pull(&context).plain_server(true).authenticator(Users::new().user("bob", "secret")).build().unwrap();
    let user = push(&context).plain_username("bob").plain_password("secret").build().unwrap();
    user.connect(bound(&plain)).unwrap();
    user.send("it is Bob").unwrap();
    assert_eq!(user_of(&plain), "bob");

    let elsewhere = Addresses::deny(["127.0.0.0/8".parse().unwrap()]);
    let null = pull(&context).authenticator(elsewhere).build().unwrap();
    let mut monitor = null.monitor();
    let local = push(&context).build().unwrap();
    local.connect(bound(&null)).unwrap();
    assert_eq!(refusal(&mut monitor).value, 400);
}

#[test]
fn an_authenticator_goes_before_zap_and_keeps_old_versions_out() {
    let context = Context::new();
    let handler: Rep = socket(&context);
    handler.bind("inproc://zeromq.zap.01").unwrap();
    let pull = pull(&context).zap_domain("test").authenticator(|_: &Request| Answer::allow("")).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = bound(&pull);
    let mut old = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    old.set_read_timeout(Some(LONG)).unwrap();
    old.write_all(b"\x01\x00\x06\x00Hello").unwrap();
    let mut rest = Vec::new();
    let _ = old.read_to_end(&mut rest);
    assert!(
        std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(|event| event.kind.to_string().contains("no security"))
    );
    let push = push(&context).build().unwrap();
    push.connect(&endpoint).unwrap();
    push.send("new").unwrap();
    assert_eq!(pull.recv().unwrap(), "new");
    assert!(handler.try_recv().is_err());
}

#[test]
fn a_peer_does_not_say_itself_who_it_is() {
    let context = Context::new();
    let pull = pull(&context).build().unwrap();
    let mut stream = TcpStream::connect(bound(&pull).trim_start_matches("tcp://")).unwrap();
    let mut bytes = handshake("PUSH");
    for (name, value) in [("User-Id", "admin"), ("Peer-Address", "10.0.0.1"), ("X-Own", "mine")] {
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes[65] = (bytes.len() - 66) as u8;
    bytes.extend_from_slice(b"\x00\x05Hello");
    stream.write_all(&bytes).unwrap();
    let (_, metadata) = pull.recv_from().unwrap();
    let metadata = metadata.unwrap();
    assert_eq!(metadata.get("User-Id"), None);
    assert_eq!(metadata.get("Peer-Address"), Some(&b"127.0.0.1"[..]));
    assert_eq!(metadata.get("X-Own"), Some(&b"mine"[..]));
    assert_eq!(pull.peers()[0].user_id, None);
}

#[test]
fn one_line_secures_both_ends_whoever_binds() {
    let key = SharedKey::generate().unwrap();
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let context = Context::new();
        let router = Router::builder().context(&context).recv_timeout(LONG).shared_key(key.clone()).build().unwrap();
        let dealer = Dealer::builder().context(&context).recv_timeout(LONG).shared_key(key.clone()).build().unwrap();
        // Each of them binds, and connects to the other.
        dealer.connect(router.bind(endpoint).unwrap().to_string()).unwrap();
        router.connect(dealer.bind(endpoint).unwrap().to_string()).unwrap();
        router.wait_connected(2, LONG).unwrap();
        dealer.wait_connected(2, LONG).unwrap();
        for number in 0..10 {
            dealer.send(number.to_string()).unwrap();
            let message = router.recv().unwrap();
            assert_eq!(message.get(1).map(|part| part.to_vec()), Some(number.to_string().into_bytes()));
            router.send(message).unwrap();
            assert_eq!(dealer.recv().unwrap(), number.to_string().as_str());
        }
        for peer in router.peers().iter().chain(&dealer.peers()) {
            assert_eq!(peer.mechanism, "CURVE");
        }
    }
}

#[test]
fn another_shared_key_or_none_does_not_get_in() {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    let pull = pull(&context).shared_key(key.clone()).build().unwrap();
    let mut monitor = pull.monitor();
    let endpoint = bound(&pull);
    let knows_the_server = push(&context)
        .curve_server_key(key.server_secret().public())
        .curve_secret_key(CurveSecret::generate().unwrap())
        .build()
        .unwrap();
    knows_the_server.connect(&endpoint).unwrap();
    let event = refusal(&mut monitor);
    assert!(event.value == 400 && event.to_string().contains("shared key"), "{event}");
    let failed = |event: &Event| matches!(event.kind, EventKind::ProtocolFailed(_));
    for other in [
        push(&context).shared_key(SharedKey::generate().unwrap()),
        push(&context),
        push(&context).plain_username("admin"),
    ] {
        let other = other.build().unwrap();
        other.connect(&endpoint).unwrap();
        assert!(std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(|event| failed(&event)));
    }
    assert!(pull.try_recv().is_err() && pull.peers().is_empty());
}

#[test]
fn publishers_and_subscribers_share_keys_and_their_authenticator_is_asked_behind_it() {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    let authenticator = |request: &Request| Answer::allow(request.mechanism);
    let publisher =
        Pub::builder().context(&context).shared_key(key.clone()).authenticator(authenticator).build().unwrap();
    let subscriber = Sub::builder().context(&context).shared_key(key).recv_timeout(LONG).build().unwrap();
    subscriber.subscribe("news").unwrap();
    subscriber.connect(publisher.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    publisher.wait_subscribed("news", 1, LONG).unwrap();
    publisher.send("news!").unwrap();
    assert_eq!(subscriber.recv().unwrap(), "news!");
    assert_eq!(publisher.peers()[0].user_id.as_deref(), Some("CURVE"));
}

#[test]
fn a_client_of_a_mechanism_is_not_taken_for_one_that_asks() {
    let builder = Pull::builder().plain_username("user").plain_password("password");
    let error = builder.authenticator(|_: &Request| Answer::deny("nobody")).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption);
    assert!(error.to_string().contains("client of a mechanism"), "{error}");
}

#[test]
fn who_is_refused_and_talks_on_is_cut_off() {
    let context = Context::new();
    let pull = pull(&context).authenticator(|_: &Request| Answer::deny("nobody")).build().unwrap();
    let mut monitor = pull.monitor();
    let mut stream = TcpStream::connect(bound(&pull).trim_start_matches("tcp://")).unwrap();
    stream.write_all(&handshake("PUSH")).unwrap();
    assert!(monitor.any(|event| matches!(event.kind, EventKind::AuthenticationFailed(_))));
    let pieces = (0..100_000).take_while(|_| stream.write_all(&[0xff; 4096]).is_ok()).count();
    assert!(pieces < 10_000, "{pieces} pieces");
    assert!(monitor.any(|event| event.kind.to_string().contains("a hearing after it was refused")));
}

#[test]
fn plain_tcp_is_not_taken_for_secured() {
    let error = Stream::builder().shared_key(SharedKey::generate().unwrap()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption);
    let error = Router::builder().router_raw(true).authenticator(|_: &Request| Answer::allow("")).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidOption);
    let secret = || CurveSecret::generate().unwrap();
    let ways: [&dyn Fn(&mut Options); 8] = [
        &|options| options.plain_server = true,
        &|options| options.plain_username = "admin".into(),
        &|options| (options.curve_server, options.curve_secret_key) = (true, Some(secret())),
        &|options| options.curve_server_key = Some(secret().public()),
        &|options| options.gssapi_server = Some(true),
        &|options| options.gssapi_principal = "zmq@EXAMPLE.COM".into(),
        &|options| options.zap_domain = "global".into(),
        &|options| options.zap_enforce_domain = true,
    ];
    let plain = socket::<kind::Stream>(&Context::new());
    for (number, way) in ways.iter().enumerate() {
        let (mut stream, mut router) = (Stream::builder(), Router::builder().router_raw(true));
        way(stream.options_mut());
        way(router.options_mut());
        let errors = [stream.build().map(drop), router.build().map(drop), plain.set_options(way)];
        for error in errors {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidOption, "{number}");
        }
    }
}

#[test]
fn an_authenticator_stays_asked_whatever_is_set_later() {
    let router = Router::builder().authenticator(|_: &Request| Answer::allow("")).build().unwrap();
    let raw = router.set_options(|options| options.router_raw = true);
    assert_eq!(raw.unwrap_err().kind(), ErrorKind::InvalidOption);
    let client = router.set_options(|options| options.plain_username = "me".into());
    assert_eq!(client.unwrap_err().kind(), ErrorKind::InvalidOption);
    assert!(!router.options().router_raw && router.options().plain_username.is_empty());
}
