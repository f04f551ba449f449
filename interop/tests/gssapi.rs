//! GSSAPI against a real Kerberos realm: Zefiro with itself and with libzmq, wrapped and plain; who may come in, and who
//! may not.

mod realm;

#[cfg(target_os = "linux")]
use std::io::{Read, Write};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use realm::{ALICE, BOB, SERVICE, in_realm};
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use zefiro::auth::{Answer, Request};
use zefiro::{AnySocket, Context, Event, EventKind, Frame, GssapiName, Message, Monitor, Rep, SocketType};
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
            connects.connect(binds.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
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
                    ours.connect(peer.line()).unwrap();
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

#[test]
fn subscriptions_reach_libzmq_and_its_messages_come_back() {
    if !libzmq_has_gssapi() {
        return;
    }
    in_realm("subscriptions_reach_libzmq_and_its_messages_come_back", &[], || {
        for plaintext in [true, false] {
            let context = Context::new();
            let ours = client(&context, SocketType::Sub).gssapi_plaintext(plaintext).build().unwrap();
            ours.subscribe("topic").unwrap();
            let peer =
                start(&["XPUB", "bind", "tcp://127.0.0.1:*", "send", &COUNT.to_string()], &theirs(true, plaintext));
            ours.connect(peer.line()).unwrap();
            for number in 0..COUNT {
                assert_eq!(ours.recv().unwrap(), message(number), "plain {plaintext}: {number}");
            }
            peer.finish();
        }
    });
}

#[test]
fn a_zap_handler_sees_the_principal_and_decides() {
    in_realm("a_zap_handler_sees_the_principal_and_decides", &[], || {
        let context = Context::new();
        let handler = Rep::builder().context(&context).build().unwrap();
        handler.bind("inproc://zeromq.zap.01").unwrap();
        let pull = server(&context, SocketType::Pull).zap_domain("test").build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let handling = thread::spawn(move || {
            for _ in 0..2 {
                let request = handler.recv().unwrap();
                let frames: Vec<&[u8]> = request.frames().map(|frame| frame.as_slice()).collect();
                assert_eq!(frames[2..6], [&b"test"[..], b"127.0.0.1", b"", b"GSSAPI"]);
                let status = if frames[6..] == [ALICE.as_bytes()] { "200" } else { "400" };
                handler.send(["1.0", "1", status, "as you wish", "the user", ""]).unwrap();
            }
        });
        let mut at_server = pull.monitor();
        let bob = client(&context, SocketType::Push).gssapi_principal(BOB).build().unwrap();
        let mut at_client = bob.monitor();
        bob.connect(&endpoint).unwrap();
        // Whoever is refused at once has nowhere to send it.
        let _ = bob.try_send("let me in");
        for monitor in [&mut at_server, &mut at_client] {
            let failed = failure(monitor);
            assert!(matches!(failed.kind, EventKind::AuthenticationFailed(_)) && failed.value == 400, "{failed:?}");
        }
        let alice = client(&context, SocketType::Push).build().unwrap();
        alice.connect(&endpoint).unwrap();
        alice.send("hello").unwrap();
        let (message, peer) = pull.recv_from().unwrap();
        assert_eq!(message, "hello");
        assert_eq!(peer.as_ref().and_then(|peer| peer.get("User-Id")), Some(&b"the user"[..]));
        assert!(pull.try_recv().is_err() && pull.peers().len() == 1);
        handling.join().unwrap();
    });
}

#[test]
fn libzmqs_client_that_is_refused_gets_nothing_across() {
    if !libzmq_has_gssapi() {
        return;
    }
    in_realm("libzmqs_client_that_is_refused_gets_nothing_across", &[], || {
        for plaintext in [false, true] {
            let context = Context::new();
            let pull = server(&context, SocketType::Pull).gssapi_plaintext(plaintext);
            let pull = pull.authenticator(|_: &Request| Answer::deny("nobody")).build().unwrap();
            let mut monitor = pull.monitor();
            let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
            let _peer = start(&["PUSH", "connect", &endpoint, "send", "10"], &theirs(false, plaintext));
            let failed = failure(&mut monitor);
            assert!(matches!(failed.kind, EventKind::AuthenticationFailed(_)) && failed.value == 400, "{failed:?}");
            let mut gone = std::iter::from_fn(|| monitor.recv_timeout(LONG));
            assert!(gone.any(|event| matches!(event.kind, EventKind::Disconnected(_))));
            assert!(pull.try_recv().is_err() && pull.peers().is_empty());
        }
    });
}

/// From now on nothing that comes for this stream arrives: the kernel drops it, and tells of no end and no reset.
#[cfg(target_os = "linux")]
fn deafen(stream: &OwnedFd) {
    let return_0_bytes = SockFilter::new(0x06, 0, 0, 0);
    SockRef::from(stream).attach_filter(&[return_0_bytes]).unwrap();
}

/// The stream that an event tells of, if it does, by a descriptor whose number does not come to mean another.
#[cfg(target_os = "linux")]
fn stream_of(event: &Event) -> Option<OwnedFd> {
    matches!(event.kind, EventKind::Accepted | EventKind::Connected).then(|| {
        // SAFETY: whoever tells has it open.
        let stream = unsafe { BorrowedFd::borrow_raw(event.value as i32) };
        stream.try_clone_to_owned().unwrap()
    })
}

/// A number, and as many bytes as make it differ in length from its neighbours, all alike.
fn numbered(number: u64) -> Message {
    Message::from(vec![
        Frame::from(&number.to_be_bytes()[..]),
        Frame::from(vec![number as u8; number as usize * 37 % 5000]),
    ])
}

/// Sends and receives until it is over: what comes is whole, and in order. Tells how many came.
fn talk(socket: &AnySocket, came: &AtomicU64, over: &AtomicBool) {
    let (mut next, mut last) = (0, None);
    while !over.load(Ordering::Relaxed) {
        if socket.try_send(numbered(next)).is_ok() {
            next += 1;
        }
        if let Ok(message) = socket.recv_timeout(Duration::from_millis(1)) {
            let number = u64::from_be_bytes(message.first()[..].try_into().expect("a number"));
            assert_eq!(message, numbered(number));
            assert!(last.replace(number).is_none_or(|last| last < number), "{number} came after {last:?}");
            came.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_packets_are_noticed_in_the_middle_of_traffic_and_it_goes_on_anew() {
    in_realm("dropped_packets_are_noticed_in_the_middle_of_traffic_and_it_goes_on_anew", &[], || {
        for plaintext in [false, true] {
            let context = Context::new();
            let [one, other] = [server, client].map(|side| {
                let socket = side(&context, SocketType::Dealer).gssapi_plaintext(plaintext).linger(Duration::ZERO);
                let socket = socket.heartbeat_interval(Duration::from_millis(100));
                socket.heartbeat_timeout(Duration::from_millis(500)).build().unwrap()
            });
            let mut monitors = [&one, &other].map(AnySocket::monitor);
            let ends = [&one, &other].map(|socket| {
                let (sender, streams) = channel();
                (
                    socket.monitor_with(move |event| {
                        stream_of(&event).into_iter().for_each(|stream| _ = sender.send(stream))
                    }),
                    streams,
                )
            });
            other.connect(one.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
            let (came, over) = ([AtomicU64::new(0), AtomicU64::new(0)], AtomicBool::new(false));
            thread::scope(|scope| {
                let talking = [(&one, &came[0]), (&other, &came[1])]
                    .map(|(socket, came)| scope.spawn(|| talk(socket, came, &over)));
                let both_hear_more = || {
                    let (before, deadline) =
                        (came.each_ref().map(|came| came.load(Ordering::Relaxed)), Instant::now() + LONG);
                    while (0..2).any(|side| came[side].load(Ordering::Relaxed) < before[side] + 50) {
                        assert!(Instant::now() < deadline, "plain {plaintext}: nothing comes");
                        thread::sleep(Duration::from_millis(1));
                    }
                };
                for _ in 0..3 {
                    both_hear_more();
                    for (_, streams) in &ends {
                        let first = streams.recv_timeout(LONG).unwrap();
                        deafen(&streams.try_iter().last().unwrap_or(first));
                    }
                    for monitor in &mut monitors {
                        let lost = |event: Event| matches!(event.kind, EventKind::Disconnected(_));
                        assert!(
                            std::iter::from_fn(|| monitor.recv_timeout(LONG)).any(lost),
                            "plain {plaintext}: nobody notices"
                        );
                    }
                }
                both_hear_more();
                over.store(true, Ordering::Relaxed);
                talking.into_iter().for_each(|talking| talking.join().unwrap());
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_handshake_whose_packets_are_dropped_ends_in_time_and_the_next_one_succeeds() {
    in_realm("a_handshake_whose_packets_are_dropped_ends_in_time_and_the_next_one_succeeds", &[], || {
        // Who hears nothing more, and from when on.
        for (server_is_deaf, once_the_context_stands) in [(true, false), (false, false), (true, true), (false, true)] {
            let case = format!("server is deaf {server_is_deaf}, once the context stands {once_the_context_stands}");
            let context = Context::new();
            // The descriptors of both ends, until the first connection is deaf.
            let ends = Arc::new(Mutex::new(Some([None, None])));
            let note = |side: usize| {
                let ends = ends.clone();
                move |event: Event| {
                    if let (Some(stream), Some(ends)) = (stream_of(&event), &mut *ends.lock().unwrap()) {
                        ends[side] = Some(stream);
                    }
                }
            };
            let deafen_once = {
                let ends = ends.clone();
                move || {
                    let Some(ends) = ends.lock().unwrap().take() else { return };
                    deafen(ends[usize::from(!server_is_deaf)].as_ref().expect("it stands"));
                }
            };
            let limit = Duration::from_secs(1);
            let at_first = deafen_once.clone();
            let pull =
                server(&context, SocketType::Pull).handshake_interval(limit).authenticator(move |_: &Request| {
                    if once_the_context_stands {
                        deafen_once();
                    }
                    Answer::allow("alice")
                });
            let pull = pull.build().unwrap();
            // Where the client's handshake is over before the server's, heartbeats tell it: even the end of the connection may
            // not come through, behind what is not acknowledged.
            let push = client(&context, SocketType::Push).handshake_interval(limit);
            let push =
                push.heartbeat_interval(Duration::from_millis(100)).heartbeat_timeout(Duration::from_millis(500));
            let push = push.build().unwrap();
            let (at_server, at_client) = (pull.monitor_with(note(0)), push.monitor_with(note(1)));
            let _early = (!once_the_context_stands).then(|| {
                let connected = move |event: Event| {
                    if matches!(event.kind, EventKind::Accepted | EventKind::Connected) {
                        at_first();
                    }
                };
                if server_is_deaf { pull.monitor_with(connected) } else { push.monitor_with(connected) }
            });
            let mut failures = pull.monitor();
            push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
            // What the first connection took is lost with it, if for the client its handshake was over.
            let deadline = Instant::now() + LONG;
            let received = std::iter::from_fn(|| {
                let _ = push.try_send("hello");
                Some(pull.recv_timeout(Duration::from_millis(20)))
            });
            let mut received = received.take_while(|_| Instant::now() < deadline);
            assert!(received.any(|message| message.is_ok_and(|message| message == "hello")), "{case}");
            assert!(ends.lock().unwrap().is_none(), "{case}: nobody was made deaf");
            // The server has given the first one up, too, however it was told.
            let mut lost = std::iter::from_fn(|| failures.recv_timeout(LONG));
            assert!(lost.any(|event| matches!(event.kind, EventKind::Disconnected(_))), "{case}");
            drop((at_server, at_client));
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_may_end_in_the_middle_of_handshakes() {
    const LEAVES: &str = "ZEFIRO_TEST_LEAVES_AFTER";
    const NAME: &str = "a_process_may_end_in_the_middle_of_handshakes";
    in_realm(NAME, &[], || {
        let Some(handshakes) = std::env::var_os(LEAVES) else {
            for handshakes in 0..20 {
                let mut again = std::process::Command::new(std::env::current_exe().unwrap());
                let again = again.args(["--exact", NAME, "--nocapture"]).env(LEAVES, handshakes.to_string());
                let done = again.output().unwrap();
                let said = String::from_utf8_lossy(&done.stderr);
                assert!(done.status.success(), "after {handshakes}: {}, {said}", done.status);
            }
            return;
        };
        // Several clients at a time, over and over: this thread leaves, those who make the steps are not waited for.
        let context = Context::new();
        let pull = server(&context, SocketType::Pull).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        let mut monitor = pull.monitor();
        for _ in 0..4 {
            let (context, endpoint) = (context.clone(), endpoint.clone());
            thread::spawn(move || {
                loop {
                    let push = client(&context, SocketType::Push).immediate(true).build().unwrap();
                    push.connect(&endpoint).unwrap();
                    // Waits for the handshake.
                    let _ = push.send("hello");
                }
            });
        }
        for _ in 0..handshakes.to_str().unwrap().parse().unwrap() {
            let mut events = std::iter::from_fn(|| monitor.recv_timeout(LONG));
            assert!(events.any(|event| event.kind == EventKind::HandshakeSucceeded));
        }
        exit_slowly();
    });
}

/// Ends the process as `exit` does, which takes libraries down and then writes the C library's streams out. One of them leads
/// into a full pipe, so that other threads run on for a while between the two.
#[cfg(target_os = "linux")]
fn exit_slowly() -> ! {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    // SAFETY: it only changes how much a pipe holds.
    assert!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) } > 0);
    writer.write_all(&[0; 4096]).unwrap();
    // SAFETY: the stream owns the descriptor, and is there until the process has ended.
    unsafe {
        let stream = libc::fdopen(writer.into_raw_fd(), c"w".as_ptr());
        libc::fputc(0, stream);
    }
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        let _ = reader.read(&mut [0; 4096]);
    });
    std::process::exit(0);
}

#[test]
fn who_speaks_plain_and_who_wraps_do_not_meet() {
    in_realm("who_speaks_plain_and_who_wraps_do_not_meet", &[], || {
        for plaintext in [false, true] {
            let context = Context::new();
            let pull = server(&context, SocketType::Pull).gssapi_plaintext(plaintext).build().unwrap();
            let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
            let push = client(&context, SocketType::Push).gssapi_plaintext(!plaintext).build().unwrap();
            let mut monitor = push.monitor();
            push.connect(&endpoint).unwrap();
            push.send("hello").unwrap();
            let failed = failure(&mut monitor);
            assert!(matches!(failed.kind, EventKind::ProtocolFailed(_)), "{failed:?}");
            assert_eq!(failed.value, 0x1000_0001);
            assert!(pull.try_recv().is_err() && pull.peers().is_empty());
        }
    });
}

#[test]
fn a_service_that_is_not_there_and_names_that_are_none_are_told_in_the_librarys_words() {
    in_realm("a_service_that_is_not_there_and_names_that_are_none_are_told_in_the_librarys_words", &[], || {
        let context = Context::new();
        let pull = server(&context, SocketType::Pull).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        for (principal, service, word) in [
            (ALICE, "nobody/localhost@ZEFIRO.TEST", "not found in Kerberos database"),
            ("mallory@ZEFIRO.TEST", SERVICE, "no credentials"),
            (ALICE, "", "gssapi_service_principal"),
        ] {
            let push = client(&context, SocketType::Push).gssapi_principal(principal);
            let push = push.gssapi_service_principal(service).build().unwrap();
            let mut monitor = push.monitor();
            push.connect(&endpoint).unwrap();
            let failed = failure(&mut monitor);
            let EventKind::HandshakeFailed(why) = &failed.kind else { panic!("{failed:?}") };
            assert!(why.contains(word), "{why}");
        }
    });
}

#[test]
fn a_client_without_a_ticket_goes_on_when_it_has_one() {
    let changes = [("KRB5CCNAME", "FILE:REALM/empty"), ("KRB5_CLIENT_KTNAME", "REALM/none.keytab")];
    in_realm("a_client_without_a_ticket_goes_on_when_it_has_one", &changes, || {
        let context = Context::new();
        let pull = server(&context, SocketType::Pull).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let push = client(&context, SocketType::Push).gssapi_principal("").build().unwrap();
        let mut monitor = push.monitor();
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        let failed = failure(&mut monitor);
        assert!(matches!(failed.kind, EventKind::HandshakeFailed(_)), "{failed:?}");
        let keys = std::env::var("KRB5_KTNAME").unwrap();
        let kinit = std::process::Command::new("kinit").args(["-k", "-t", &keys, ALICE]).status();
        assert!(kinit.unwrap().success());
        assert_eq!(pull.recv().unwrap(), "hello");
    });
}

#[test]
fn a_kdc_that_does_not_answer_holds_up_nobody_else() {
    let changes = [("KRB5_CONFIG", "REALM/silent.conf")];
    in_realm("a_kdc_that_does_not_answer_holds_up_nobody_else", &changes, || {
        let context = Context::new();
        let pull = server(&context, SocketType::Pull).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
        let bob = client(&context, SocketType::Push).gssapi_principal(BOB).build().unwrap();
        bob.connect(&endpoint).unwrap();
        realm::wait_until_the_silent_kdc_is_asked();
        // Alice has her ticket for the service already.
        let push = client(&context, SocketType::Push).build().unwrap();
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        assert_eq!(pull.recv().unwrap(), "hello");
    });
}

/// The GSSAPI advisories of 2026: a server lets in whom its ZAP handler refused, and frees twice what it knows of a peer
/// that leaves early.
#[test]
fn the_gssapi_advisories_of_2026_only_200_leads_on_and_who_leaves_early_does_no_harm() {
    in_realm("the_gssapi_advisories_of_2026_only_200_leads_on_and_who_leaves_early_does_no_harm", &[], || {
        for plaintext in [false, true] {
            let context = Context::new();
            let handler = Rep::builder().context(&context).recv_timeout(LONG).build().unwrap();
            handler.bind("inproc://zeromq.zap.01").unwrap();
            let pull = server(&context, SocketType::Pull).gssapi_plaintext(plaintext);
            let pull = pull.handshake_interval(Duration::from_secs(5)).build().unwrap();
            let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
            let dial = || {
                let push = client(&context, SocketType::Push).gssapi_plaintext(plaintext);
                let push = push.linger(Duration::ZERO).reconnect_stop(7).build().unwrap();
                push.connect(&endpoint).unwrap();
                push.send("smuggled").unwrap();
                push
            };
            for status in ["", "100", "199", "201", "300", "400", "500", "2000", "200 ", "two hundred"] {
                let push = dial();
                handler.recv().unwrap();
                // Half of them are gone before the answer comes.
                let stays = status.len() % 2 == 1;
                let push = stays.then_some(push);
                handler.send(["1.0", "1", status, "", "somebody", ""]).unwrap();
                drop(push);
                // And some before the context stands.
                drop(dial());
            }
            let push = client(&context, SocketType::Push).gssapi_plaintext(plaintext).build().unwrap();
            push.connect(&endpoint).unwrap();
            push.send("welcome").unwrap();
            // Those who left may have left a question behind.
            let answering = thread::spawn(move || {
                while handler.recv().is_ok() {
                    handler.send(["1.0", "1", "200", "", "somebody", ""]).unwrap();
                }
            });
            assert_eq!(pull.recv().unwrap(), "welcome");
            assert!(pull.try_recv().is_err() && pull.peers().len() == 1);
            context.shutdown();
            answering.join().unwrap();
        }
    });
}
