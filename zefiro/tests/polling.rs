//! Pollers beside other ways to wait: whoever watches a socket's links, what comes is told to all who want to know.

mod util;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use util::{LONG, assert_balanced, over_each_transport, socket, until};
use zefiro::{AnySocket, Context, Dealer, Interest, Message, Poller, Pull, Push, Rep, Req, Router, SocketType};

const MESSAGES: u64 = 3000;

/// Sends slowly enough for the receivers to wait in between, and fast enough for them not to, by turns.
fn send_in_bursts(push: &Push) {
    for number in 0..MESSAGES {
        push.send(number.to_string()).unwrap();
        if number % 16 == 0 {
            thread::yield_now();
        }
        if number % 100 == 0 {
            thread::sleep(Duration::from_micros(300));
        }
    }
}

#[test]
fn a_poller_and_a_blocked_receiver_share_a_socket() {
    over_each_transport(|pull: Pull, push: Push| {
        let received = Arc::new(AtomicU64::new(0));
        let blocked = {
            let (pull, received) = (pull.clone(), received.clone());
            thread::spawn(move || {
                while received.load(Ordering::SeqCst) < MESSAGES {
                    if pull.recv_timeout(Duration::from_millis(20)).is_ok() {
                        received.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        };
        let polling = {
            let (pull, received) = (pull.clone(), received.clone());
            thread::spawn(move || {
                let poller = Poller::new().unwrap();
                poller.add(&pull, Interest::READABLE, 1).unwrap();
                let mut ready = Vec::new();
                while received.load(Ordering::SeqCst) < MESSAGES {
                    poller.wait(&mut ready, Some(Duration::from_millis(20))).unwrap();
                    while pull.try_recv().is_ok() {
                        received.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        };
        send_in_bursts(&push);
        blocked.join().unwrap();
        polling.join().unwrap();
        assert_eq!(received.load(Ordering::SeqCst), MESSAGES);
    });
}

#[test]
fn two_pollers_are_both_told() {
    over_each_transport(|pull: Pull, push: Push| {
        let pollers: Vec<Poller> = (0..2).map(|_| Poller::new().unwrap()).collect();
        for poller in &pollers {
            poller.add(&pull, Interest::READABLE, 1).unwrap();
        }
        for _ in 0..200 {
            thread::scope(|scope| {
                for poller in &pollers {
                    scope.spawn(|| {
                        let mut ready = Vec::new();
                        assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
                    });
                }
                push.send("both").unwrap();
            });
            assert_eq!(pull.recv().unwrap(), "both");
        }
    });
}

#[test]
fn threads_may_wait_on_one_poller() {
    over_each_transport(|pull: Pull, push: Push| {
        let poller = Poller::new().unwrap();
        poller.add(&pull, Interest::READABLE, 1).unwrap();
        let received = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut ready = Vec::new();
                    while received.load(Ordering::SeqCst) < MESSAGES {
                        poller.wait(&mut ready, Some(Duration::from_millis(20))).unwrap();
                        while pull.try_recv().is_ok() {
                            received.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            send_in_bursts(&push);
        });
        assert_eq!(received.load(Ordering::SeqCst), MESSAGES);
    });
}

#[test]
fn round_trips_go_through_pollers_at_both_ends() {
    over_each_transport(|rep: Rep, req: Req| {
        let server = {
            let rep = rep.clone();
            thread::spawn(move || {
                let poller = Poller::new().unwrap();
                poller.add(&rep, Interest::READABLE, 1).unwrap();
                let mut ready = Vec::new();
                for _ in 0..1000 {
                    assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
                    let question = rep.try_recv().unwrap();
                    rep.send(question).unwrap();
                }
            })
        };
        let poller = Poller::new().unwrap();
        poller.add(&req, Interest::READABLE, 1).unwrap();
        let mut ready = Vec::new();
        for number in 0..1000u64 {
            req.send(number.to_string()).unwrap();
            assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
            assert_eq!(req.try_recv().unwrap(), number.to_string().as_str());
            if number % 100 == 0 {
                // Long enough for the I/O thread to take the watch back.
                thread::sleep(Duration::from_millis(4));
            }
        }
        server.join().unwrap();
    });
}

#[test]
fn what_many_answers_wait_for_is_written_before_the_poller_waits() {
    let context = Context::new();
    let router: Router = socket(&context);
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let dealers: Vec<Dealer> = (0..5).map(|_| socket(&context)).collect();
    let poller = Poller::new().unwrap();
    for (key, dealer) in dealers.iter().enumerate() {
        dealer.connect(&endpoint).unwrap();
        poller.add(dealer, Interest::READABLE, key as u64).unwrap();
    }
    let echo = {
        let router = router.clone();
        thread::spawn(move || {
            for _ in 0..5 * 20 * 10 {
                let message = router.recv().unwrap();
                router.send(message).unwrap();
            }
        })
    };
    for _ in 0..20 {
        for dealer in &dealers {
            for number in 0..10 {
                dealer.send(number.to_string()).unwrap();
            }
        }
        let (mut left, mut ready) = (50, Vec::new());
        while left > 0 {
            assert!(poller.wait(&mut ready, Some(LONG)).unwrap() > 0);
            for event in &ready {
                while dealers[event.key as usize].try_recv().is_ok() {
                    left -= 1;
                }
            }
        }
    }
    echo.join().unwrap();
}

/// By what the program does itself, though nothing comes.
#[test]
fn a_poller_sees_whose_turn_it_is() {
    over_each_transport(|rep: Rep, req: Req| {
        let poller = Poller::new().unwrap();
        poller.add(&rep, Interest::READABLE, 1).unwrap();
        let mut ready = Vec::new();
        for _ in 0..3 {
            req.send("request").unwrap();
            assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
            rep.recv().unwrap();
            // Not while a reply is due.
            assert_eq!(poller.wait(&mut ready, Some(Duration::from_millis(5))).unwrap(), 0);
            rep.send("reply").unwrap();
            req.recv().unwrap();
        }
        poller.modify(1, Interest::WRITABLE).unwrap();
        poller.add(&req, Interest::WRITABLE, 2).unwrap();
        for _ in 0..3 {
            assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
            assert_eq!(ready[0].key, 2);
            req.send("request").unwrap();
            assert_eq!(poller.wait(&mut ready, Some(Duration::from_millis(5))).unwrap(), 0);
            rep.recv().unwrap();
            assert_eq!(poller.wait(&mut ready, Some(LONG)).unwrap(), 1);
            assert_eq!(ready[0].key, 1);
            rep.send("reply").unwrap();
            assert_eq!(poller.wait(&mut ready, Some(Duration::from_millis(5))).unwrap(), 0);
            req.recv().unwrap();
        }
    });
}

/// A second request may have come while the first one was replied to, by another thread.
#[test]
fn a_poller_that_waits_is_told_when_another_thread_has_replied() {
    let context = Context::new();
    let (rep, one, other): (Rep, Req, Req) = (socket(&context), socket(&context), socket(&context));
    let endpoint = rep.bind("inproc://another-has-replied").unwrap().to_string();
    for req in [&one, &other] {
        req.connect(&endpoint).unwrap();
        req.send("request").unwrap();
    }
    rep.recv().unwrap();
    let poller = Poller::new().unwrap();
    poller.add(&rep, Interest::READABLE, 1).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| poller.wait(&mut Vec::new(), Some(LONG)).unwrap());
        thread::sleep(Duration::from_millis(20));
        rep.send("reply").unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
    });
}

#[test]
fn a_closed_socket_ends_the_wait() {
    over_each_transport(|pull: Pull, push: Push| {
        let poller = Poller::new().unwrap();
        poller.add(&pull, Interest::READABLE, 1).unwrap();
        push.send("there").unwrap();
        let mut ready = Vec::new();
        poller.wait(&mut ready, Some(LONG)).unwrap();
        assert_eq!(pull.recv().unwrap(), "there");
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut ready = Vec::new();
                poller.wait(&mut ready, Some(LONG)).unwrap();
                ready[0].closed
            });
            pull.close();
            assert!(waiting.join().unwrap());
        });
    });
}

#[test]
fn a_socket_removed_from_a_poller_that_waits_is_watched_by_others_at_once() {
    let context = Context::new();
    let (pull, other): (Pull, Pull) = (socket(&context), socket(&context));
    let push: Push = socket(&context);
    push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    push.wait_connected(1, LONG).unwrap();
    let stop: Push = socket(&context);
    stop.connect(other.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
    let poller = Arc::new(Poller::new().unwrap());
    poller.add(&pull, Interest::READABLE, 1).unwrap();
    poller.add(&other, Interest::READABLE, 2).unwrap();
    let waiting = poller.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let mut ready = Vec::new();
        while waiting.wait(&mut ready, None).is_ok() && ready[0].key == 1 {
            tell.send(()).unwrap();
        }
    });
    // It waits, has been woken, and is about to wait again: by then it leads.
    push.send("first").unwrap();
    told.recv().unwrap();
    assert_eq!(pull.recv().unwrap(), "first");
    thread::sleep(Duration::from_millis(50));
    poller.remove(1).unwrap();
    push.send("second").unwrap();
    assert_eq!(pull.recv().unwrap(), "second");
    stop.send("stop").unwrap();
    thread.join().unwrap();
}

/// A message of the second for the first, sent and on its way.
fn send_last_words(receiver: &AnySocket, sender: &AnySocket) {
    let message = match receiver.socket_type() {
        SocketType::Sub => {
            receiver.subscribe("last").unwrap();
            sender.wait_subscribed("last", 1, LONG).unwrap();
            "last words".into()
        }
        SocketType::Dish => {
            receiver.join("last").unwrap();
            sender.wait_subscribed("last", 1, LONG).unwrap();
            Message::for_group("last", "last words")
        }
        SocketType::Req => {
            receiver.send("question").unwrap();
            sender.recv().unwrap();
            "last words".into()
        }
        _ => "last words".into(),
    };
    sender.send(message).unwrap();
}

#[test]
fn what_was_announced_tells_its_peer_when_that_has_gone() {
    let context = Context::new();
    let open = |socket_type| AnySocket::builder_of(socket_type).context(&context).recv_timeout(LONG).build().unwrap();
    for (receiver_type, sender_type, name) in [
        (SocketType::Router, SocketType::Dealer, "DEALER"),
        (SocketType::Rep, SocketType::Req, "REQ"),
        (SocketType::Req, SocketType::Rep, "REP"),
        (SocketType::Sub, SocketType::Pub, "PUB"),
        (SocketType::Server, SocketType::Client, "CLIENT"),
        (SocketType::Dish, SocketType::Radio, "RADIO"),
        (SocketType::Gather, SocketType::Scatter, "SCATTER"),
        (SocketType::Channel, SocketType::Channel, "CHANNEL"),
        (SocketType::Pull, SocketType::Push, "PUSH"),
    ] {
        for goes_first in [true, false] {
            let case = format!("{receiver_type:?}, goes first: {goes_first}");
            let (receiver, sender) = (open(receiver_type), open(sender_type));
            sender.connect(receiver.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
            until(&case, || receiver.peers().len() == 1);
            send_last_words(&receiver, &sender);
            if !goes_first {
                until(&case, || receiver.is_readable());
                let peer = &receiver.peers()[0];
                assert_eq!((peer.counters.queued_in, peer.counters.received), (1, 0), "{case}");
                assert_balanced(&case, peer.counters);
            }
            drop(sender);
            until(&case, || receiver.peers().is_empty());
            assert!(receiver.is_readable(), "{case}");
            assert_balanced(&case, receiver.counters());
            let (message, metadata) = receiver.recv_from().unwrap();
            assert_eq!(message.last().as_slice(), b"last words", "{case}");
            let metadata = metadata.unwrap_or_else(|| panic!("{case}: nothing is known of the peer"));
            assert_eq!(metadata.get("Socket-Type"), Some(name.as_bytes()), "{case}");
            assert_eq!(metadata.get("Peer-Address"), Some(&b"127.0.0.1"[..]), "{case}");
            assert!(!receiver.is_readable(), "{case}");
            assert_balanced(&case, receiver.counters());
            assert_eq!((receiver.counters().queued_in, receiver.counters().received), (0, 1), "{case}");
        }
    }
}
