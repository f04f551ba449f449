//! Nothing is lost unseen: counters, peers, pollers, proxies.

mod util;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use util::{LONG, over_each_transport, socket};
use zefiro::{Context, Dealer, EventKind, Interest, Poller, Proxy, Pub, Pull, Push, Rep, Req, Router, Sub, XPub, XSub};

#[test]
fn what_was_sent_was_received_or_is_accounted_for() {
    over_each_transport(|pull: Pull, push: Push| {
        for number in 0..1000 {
            push.send(vec![1u8; number]).unwrap();
        }
        for _ in 0..600 {
            pull.recv().unwrap();
        }
        let (sent, received) = (push.counters(), pull.counters());
        assert_eq!((sent.sent, sent.sent_bytes), (1000, 499_500));
        assert_eq!(received.received, 600);
        for _ in 0..400 {
            pull.recv().unwrap();
        }
        // A peer can have a message before the thread that wrote it has told so.
        while push.counters().queued_out > 0 {
            thread::yield_now();
        }
        let (sent, received) = (push.counters(), pull.counters());
        assert_eq!(sent.sent, received.received + sent.queued_out + received.queued_in + sent.dropped.total());
        assert_eq!(received.received_bytes, 499_500);
    });
}

#[test]
fn what_a_look_has_found_is_queued() {
    over_each_transport(|rep: Rep, req: Req| {
        let law = |rep: &Rep| {
            let counters = rep.counters();
            assert_eq!(counters.arrived, counters.received + counters.queued_in + counters.dropped.total());
            counters
        };
        req.send("a question").unwrap();
        while !rep.is_readable() {
            thread::yield_now();
        }
        assert_eq!((law(&rep).queued_in, rep.peers()[0].counters.queued_in), (1, 1));
        assert_eq!(rep.recv().unwrap(), "a question");
        assert_eq!((law(&rep).queued_in, rep.peers()[0].counters.queued_in), (0, 0));
    });
}

#[test]
fn a_subscriber_that_does_not_read_costs_only_itself() {
    let context = Context::new();
    let publisher = Pub::builder().context(&context).send_high_water_mark(100).build().unwrap();
    let endpoint = publisher.bind("inproc://news").unwrap().to_string();
    let stuck = Sub::builder().context(&context).recv_high_water_mark(100).build().unwrap();
    let good: Sub = socket(&context);
    for sub in [&stuck, &good] {
        sub.subscribe("").unwrap();
        sub.connect(&endpoint).unwrap();
    }
    publisher.wait_subscribed("", 2, LONG).unwrap();
    for number in 0..1000 {
        publisher.send(number.to_string()).unwrap();
        assert_eq!(good.recv().unwrap(), number.to_string().as_str());
    }
    let counters = publisher.counters();
    assert_eq!((counters.sent, counters.dropped.high_water_mark), (1200, 800));
}

#[test]
fn a_router_counts_what_it_cannot_route() {
    let context = Context::new();
    let router: Router = socket(&context);
    router.send(["nobody", "x"]).unwrap();
    assert_eq!(router.counters().dropped.unroutable, 1);
    let text = context.prometheus();
    assert!(text.contains("type=\"ROUTER\",reason=\"unroutable\"} 1"), "{text}");
}

#[test]
fn peers_are_known_and_can_be_disconnected() {
    let context = Context::new();
    let router: Router = socket(&context);
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let dealer = Dealer::builder().context(&context).routing_id("ann").recv_timeout(LONG).build().unwrap();
    dealer.connect(&endpoint).unwrap();
    dealer.send("hello").unwrap();
    router.recv().unwrap();
    let peers = router.peers();
    assert_eq!((peers.len(), peers[0].routing_id.as_slice()), (1, &b"ann"[..]));
    assert_eq!(peers[0].address.as_deref(), Some("127.0.0.1"));
    assert_eq!(peers[0].counters.received, 1);
    let mut monitor = dealer.monitor();
    router.disconnect_peer(peers[0].id).unwrap();
    // It comes back under the same name.
    while !matches!(monitor.recv_timeout(LONG).unwrap().kind, EventKind::HandshakeSucceeded) {}
    dealer.send("again").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "again"]);
    assert_ne!(router.peers()[0].id, peers[0].id);
}

#[test]
fn a_poller_reports_what_is_ready_among_many() {
    let context = Context::new();
    let poller = Poller::new().unwrap();
    let pairs: Vec<(Pull, Push)> = (0..100)
        .map(|key| {
            let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
            push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
            poller.add(&pull, Interest::READABLE, key).unwrap();
            (pull, push)
        })
        .collect();
    let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    poller.add_fd(&reader, Interest::READABLE, 1000).unwrap();
    let mut ready = Vec::new();
    assert_eq!(poller.wait(&mut ready, Some(Duration::ZERO)).unwrap(), 0);
    for key in [3, 97, 3] {
        pairs[key].1.send("x").unwrap();
        poller.wait(&mut ready, Some(LONG)).unwrap();
        assert_eq!((ready.len(), ready[0].key), (1, key as u64));
        // Level-triggered: reported until it is read.
        poller.wait(&mut ready, Some(LONG)).unwrap();
        assert_eq!(ready[0].key, key as u64);
        pairs[key].0.recv().unwrap();
    }
    std::io::Write::write_all(&mut &writer, b"!").unwrap();
    poller.wait(&mut ready, Some(LONG)).unwrap();
    assert_eq!((ready[0].key, ready[0].readable), (1000, true));
    poller.remove(1000).unwrap();
    assert!(poller.remove(1000).is_err());
}

/// Its first part is the name of who commands.
#[test]
fn a_proxy_obeys_a_router() {
    let context = Context::new();
    let (frontend, backend): (Router, Dealer) = (socket(&context), socket(&context));
    let (control, commander): (Router, Dealer) = (socket(&context), socket(&context));
    control.bind("inproc://control-by-router").unwrap();
    commander.connect("inproc://control-by-router").unwrap();
    let proxy = Proxy::new(&frontend, &backend).control(&control);
    let running = thread::spawn(move || proxy.run());
    commander.send(["", "TERMINATE"]).unwrap();
    running.join().unwrap().unwrap();
}

#[test]
fn a_proxy_carries_captures_and_obeys() {
    let context = Context::new();
    let (frontend, backend): (Router, Dealer) = (socket(&context), socket(&context));
    let front = frontend.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let back = backend.bind("ipc://*").unwrap().to_string();
    let (capture, captured): (Push, Pull) = (socket(&context), socket(&context));
    captured.bind("inproc://captured").unwrap();
    capture.connect("inproc://captured").unwrap();
    let (control, commander): (Rep, Req) = (socket(&context), socket(&context));
    control.bind("inproc://control").unwrap();
    commander.connect("inproc://control").unwrap();
    let proxy = Proxy::new(&frontend, &backend).capture(&capture).control(&control);
    let statistics = proxy.statistics();
    let running = thread::spawn(move || proxy.run());
    let worker: Rep = socket(&context);
    worker.connect(&back).unwrap();
    let working = thread::spawn(move || {
        for _ in 0..100 {
            let request = worker.recv().unwrap();
            worker.send(request).unwrap();
        }
        worker
    });
    let client: Req = socket(&context);
    client.connect(&front).unwrap();
    for number in 0..100 {
        client.send(number.to_string()).unwrap();
        assert_eq!(client.recv().unwrap(), number.to_string().as_str());
    }
    drop(working.join());
    assert_eq!((statistics.forward(), statistics.backward()), (100, 100));
    for _ in 0..200 {
        captured.recv().unwrap();
    }
    let command = |text: &str| {
        commander.send(text).unwrap();
        commander.recv().unwrap()
    };
    // Parts and bytes: a name of five bytes, the requests' empty part, and a number.
    let report = command("STATISTICS");
    let numbers: Vec<_> = report.frames().map(|frame| u64::from_ne_bytes(frame[..].try_into().unwrap())).collect();
    assert_eq!(numbers, [300, 690, 300, 690, 300, 690, 300, 690]);
    command("PAUSE");
    client.send("while paused").unwrap();
    command("RESUME");
    command("TERMINATE");
    running.join().unwrap().unwrap();
}

#[test]
fn a_mark_counts_what_a_writer_has_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let context = Context::new();
    let push = Push::builder().context(&context).send_high_water_mark(10).linger(Duration::ZERO).build().unwrap();
    push.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(&util::handshake("PULL")).unwrap();
    push.wait_connected(1, LONG).unwrap();
    // Nothing is read: the kernel takes some, and the others wait.
    let mut accepted = 0;
    let mut refusals = 0;
    while refusals < 50 {
        match push.try_send(vec![0; MEBIBYTE]) {
            Ok(()) => (accepted, refusals) = (accepted + 1, 0),
            Err(_) => {
                refusals += 1;
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
    drop(push);
    context.terminate();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let begun = (bytes.len() - util::handshake("PUSH").len()).div_ceil(MEBIBYTE + 9);
    assert_eq!(accepted - begun, 10);
}

const MEBIBYTE: usize = 1 << 20;

#[test]
fn subscriptions_cross_a_chain_of_proxies() {
    let context = Context::new();
    let mut upstream = "inproc://publisher".to_string();
    let publisher: Pub = socket(&context);
    publisher.bind(&upstream).unwrap();
    for level in 0..3 {
        let (xsub, xpub): (XSub, XPub) = (socket(&context), socket(&context));
        xsub.connect(&upstream).unwrap();
        upstream = format!("inproc://level-{level}");
        xpub.bind(&upstream).unwrap();
        thread::spawn(move || zefiro::proxy(&xsub, &xpub));
    }
    let (one, other): (Sub, Sub) = (socket(&context), socket(&context));
    for sub in [&one, &other] {
        sub.connect(&upstream).unwrap();
        sub.subscribe("both").unwrap();
    }
    one.subscribe("one").unwrap();
    for topic in ["both", "one"] {
        publisher.wait_subscribed(topic, 1, LONG).unwrap();
    }
    publisher.send("one alone").unwrap();
    publisher.send("both together").unwrap();
    assert_eq!(one.recv().unwrap(), "one alone");
    assert_eq!(one.recv().unwrap(), "both together");
    assert_eq!(other.recv().unwrap(), "both together");
    context.shutdown();
}

#[test]
fn prometheus_hears_of_each_metric_once_and_of_what_is_queued() {
    let context = Context::new();
    let push: Push = socket(&context);
    push.connect("inproc://later").unwrap();
    for _ in 0..3 {
        push.send("x").unwrap();
    }
    let _other: Pull = socket(&context);
    let text = context.prometheus();
    assert!(text.contains("type=\"PUSH\",direction=\"out\"} 3\n"), "{text}");
    let name = |line: &str| line.trim_start_matches("# HELP ").split([' ', '{']).next().unwrap().to_string();
    let mut names: Vec<String> = text.lines().filter(|line| !line.starts_with("# TYPE")).map(name).collect();
    names.dedup();
    let runs = names.len();
    names.sort();
    names.dedup();
    assert_eq!((runs, names.len()), (8, 8), "a metric's lines stand together");
    push.set_options(|options| options.linger = Some(Duration::ZERO)).unwrap();
}
