//! Subscriptions and notices that must not get lost, over real sockets.

mod util;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;
use util::{LONG, over_each_transport, socket};
use zefiro::{Context, EventKind, Pub, Stream, Sub, Wait, XSub};

#[test]
fn no_subscription_made_before_connecting_is_lost() {
    for ep in ["tcp://127.0.0.1:*", "ipc://*", "inproc://many-topics"] {
        let context = Context::new();
        let (publisher, sub): (Pub, Sub) = (socket(&context), socket(&context));
        let ep = publisher.bind(ep).unwrap().to_string();
        for i in 0..5000 {
            sub.subscribe(format!("{i:06}")).unwrap();
        }
        sub.connect(&ep).unwrap();
        for i in 0..5000 {
            publisher.wait_subscribed(format!("{i:06}"), 1, LONG).unwrap();
        }
    }
}
#[test]
fn no_subscription_made_while_connected_is_lost() {
    over_each_transport(|publisher: Pub, sub: Sub| {
        for i in 0..20000 {
            sub.subscribe(format!("{i:06}")).unwrap();
        }
        for i in 0..20000 {
            publisher.wait_subscribed(format!("{i:06}"), 1, LONG).unwrap();
        }
    });
}
#[test]
fn a_first_part_on_a_receiver_is_refused_at_once() {
    let context = Context::new();
    let pull = zefiro::AnySocket::builder_of(zefiro::SocketType::Pull)
        .context(&context)
        .send_timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let error = pull.send_part("part", true, Wait::AsConfigured).unwrap_err();
    assert_eq!(error.error().kind(), zefiro::ErrorKind::Unsupported);
}
#[test]
fn a_stream_socket_is_woken_when_its_peer_goes_and_reconnects() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ep = format!("tcp://{}", listener.local_addr().unwrap());
    let context = Context::new();
    let stream: Stream = socket(&context);
    stream.connect(&ep).unwrap();
    let (peer, _) = listener.accept().unwrap();
    assert_eq!(stream.recv().unwrap()[1], "");
    let waiting = std::thread::spawn(move || {
        let r = stream.recv_timeout(LONG);
        (stream, r)
    });
    std::thread::sleep(Duration::from_millis(300));
    drop(listener);
    let then = std::time::Instant::now();
    drop(peer);
    let (_s, r) = waiting.join().unwrap();
    println!("stream woken: {r:?} after {:?}", then.elapsed());
    assert_eq!(r.unwrap()[1], "");
}
#[test]
fn a_future_on_a_stream_socket_is_woken_when_its_peer_goes() {
    use std::{
        future::Future,
        pin::pin,
        sync::Arc,
        task::{Context as Cx, Poll, Wake, Waker},
    };
    struct T(std::thread::Thread);
    impl Wake for T {
        fn wake(self: Arc<Self>) {
            self.0.unpark()
        }
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ep = format!("tcp://{}", listener.local_addr().unwrap());
    let context = Context::new();
    let stream: Stream = socket(&context);
    stream.connect(&ep).unwrap();
    let (peer, _) = listener.accept().unwrap();
    assert_eq!(stream.recv().unwrap()[1], "");
    let dropper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(listener);
        drop(peer);
    });
    let waker: Waker = Arc::new(T(std::thread::current())).into();
    let mut future = pin!(stream.recv_async());
    let then = std::time::Instant::now();
    loop {
        match future.as_mut().poll(&mut Cx::from_waker(&waker)) {
            Poll::Ready(r) => {
                assert_eq!(r.unwrap()[1], "");
                break;
            }
            Poll::Pending => std::thread::park_timeout(LONG.saturating_sub(then.elapsed())),
        }
        assert!(then.elapsed() < LONG, "never woken");
    }
    println!("future ready after {:?}", then.elapsed());
    dropper.join().unwrap();
}

#[test]
fn what_was_unsubscribed_between_two_connections_is_not_asked_for_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let xsub = XSub::builder().linger(Duration::ZERO).send_high_water_mark(0).build().unwrap();
    let mut monitor = xsub.monitor();
    xsub.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    // A publisher of ZMTP 3.0: subscriptions are messages to it.
    let greet = || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = util::handshake("XPUB");
        hello[11] = 0;
        stream.write_all(&hello).unwrap();
        stream
    };
    let stuck = greet();
    xsub.wait_connected(1, LONG).unwrap();
    let topics: Vec<String> = (0..100).map(|number| format!("{number:060000}")).collect();
    for topic in &topics {
        xsub.subscribe(topic).unwrap();
    }
    drop(stuck);
    while !matches!(monitor.recv_timeout(LONG).expect("an event").kind, EventKind::Disconnected(_)) {}
    for topic in &topics {
        xsub.unsubscribe(topic).unwrap();
    }
    let mut stream = greet();
    xsub.wait_connected(1, LONG).unwrap();
    xsub.subscribe("last").unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let (mut heard, mut piece) = (Vec::new(), vec![0; 65536]);
    while !heard.ends_with(b"\x01last") {
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0);
        heard.extend_from_slice(&piece[..count]);
    }
    assert!(heard.len() < 1000, "{} bytes for one subscription", heard.len());
}

/// A message published right after the wait is lost in no run, whoever binds.
#[test]
fn what_is_published_after_the_wait_reaches_who_subscribed() {
    // Times two who bind and three transports it is 10^5.
    let runs = if util::is_long() { 17_000 } else { 200 };
    for endpoint in util::endpoints() {
        for publisher_binds in [true, false] {
            let context = Context::new();
            let (mut publisher, mut sub): (Pub, Sub) = (socket(&context), socket(&context));
            let endpoint = if publisher_binds { publisher.bind(&endpoint) } else { sub.bind(&endpoint) }.unwrap();
            for run in 0..runs {
                // The one that connects is a new one each time.
                let topic = format!("{run} ");
                if publisher_binds {
                    sub = socket(&context);
                    sub.subscribe(&topic).unwrap();
                    sub.connect(&endpoint).unwrap();
                } else {
                    publisher = socket(&context);
                    sub.subscribe(&topic).unwrap();
                    publisher.connect(&endpoint).unwrap();
                }
                publisher.wait_subscribed(&topic, 1, LONG).unwrap();
                publisher.send(topic.as_str()).unwrap();
                assert_eq!(sub.recv().unwrap(), topic.as_str(), "{endpoint}, run {run}");
                if !publisher_binds {
                    sub.unsubscribe(&topic).unwrap();
                }
            }
        }
    }
}
