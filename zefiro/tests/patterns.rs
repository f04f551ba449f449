//! Whole sockets, each pattern over each transport.

mod util;

use std::thread;

use util::{LONG, over_each_transport, socket};
use zefiro::{
    Context, Dealer, ErrorKind, Message, Pair, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, XPub, XSub, kind,
};

/// Miri interprets each step: it is given so many times less to do.
const LESS: u32 = if cfg!(miri) { 100 } else { 1 };

#[test]
fn pushed_messages_are_pulled_whole_and_in_order() {
    over_each_transport(|pull: Pull, push: Push| {
        let sender = thread::spawn(move || {
            for number in 0..20_000 / LESS {
                let mut message = Message::from(&number.to_be_bytes());
                if number % 100 == 0 {
                    message.push_back(vec![number as u8; 20_000]);
                }
                push.send(message).unwrap();
            }
            push
        });
        for number in 0..20_000 / LESS {
            let message = pull.recv().unwrap();
            assert_eq!(message[0], &number.to_be_bytes());
            if number % 100 == 0 {
                assert_eq!(message[1], vec![number as u8; 20_000].as_slice());
            }
        }
        let push = sender.join().unwrap();
        assert_eq!(push.counters().sent, u64::from(20_000 / LESS));
        assert_eq!(pull.counters().received, u64::from(20_000 / LESS));
    });
}

#[test]
fn large_messages_arrive_whole() {
    over_each_transport(|pull: Pull, push: Push| {
        let bodies: Vec<Vec<u8>> = [1 << 20, 100_000, 70_000, 65_536, 8193, 8192, 3 << 20]
            .iter()
            .map(|len| (0..*len / LESS).map(|n| (n / 7) as u8).collect())
            .collect();
        let sent = bodies.clone();
        let sender = thread::spawn(move || {
            for body in sent {
                push.send(body).unwrap();
            }
            push
        });
        for body in bodies {
            assert_eq!(pull.recv().unwrap().as_bytes(), body);
        }
        drop(sender.join());
    });
}

#[test]
fn a_request_gets_its_reply() {
    over_each_transport(|rep: Rep, req: Req| {
        let server = thread::spawn(move || {
            for _ in 0..1000 / LESS {
                let request = rep.recv().unwrap();
                rep.send(request).unwrap();
            }
            assert_eq!(rep.send("unasked").unwrap_err().kind(), ErrorKind::State);
            rep
        });
        for number in 0..1000 / LESS {
            req.send(number.to_string()).unwrap();
            assert_eq!(req.recv().unwrap(), number.to_string().as_str());
        }
        assert_eq!(req.recv().unwrap_err().kind(), ErrorKind::State);
        drop(server.join().unwrap());
    });
}

/// Whichever of the two binds.
#[test]
fn a_reply_arrives_though_whoever_gave_it_has_gone() {
    fn asked_and_gone(rep: Rep, req: Req) {
        req.send("question").unwrap();
        rep.recv().unwrap();
        rep.send("answer").unwrap();
        rep.close();
        assert_eq!(req.recv().unwrap(), "answer");
    }
    over_each_transport(asked_and_gone);
    over_each_transport(|req: Req, rep: Rep| asked_and_gone(rep, req));
}

#[test]
fn subscribers_get_what_they_subscribed_to() {
    over_each_transport(|publisher: Pub, sub: Sub| {
        sub.subscribe("weather").unwrap();
        publisher.wait_subscribed("weather", 1, LONG).unwrap();
        publisher.send(["sports", "1:0"]).unwrap();
        publisher.send(["weather.milan", "21"]).unwrap();
        assert_eq!(sub.recv().unwrap(), ["weather.milan", "21"]);
        sub.unsubscribe("weather").unwrap();
        assert_eq!(publisher.counters().dropped.unroutable, 1);
    });
}

#[test]
fn a_publisher_may_connect_and_a_subscriber_bind() {
    over_each_transport(|sub: Sub, publisher: Pub| {
        sub.subscribe("").unwrap();
        publisher.wait_subscribed("anything", 1, LONG).unwrap();
        for number in 0..500 / LESS {
            publisher.send(number.to_string()).unwrap();
        }
        for number in 0..500 / LESS {
            assert_eq!(sub.recv().unwrap(), number.to_string().as_str());
        }
    });
}

#[test]
fn an_xpub_sees_subscriptions_come_and_go() {
    over_each_transport(|xpub: XPub, xsub: XSub| {
        xsub.send(b"\x01topic").unwrap();
        assert_eq!(xpub.recv().unwrap(), "\u{1}topic");
        xpub.send("topic!").unwrap();
        assert_eq!(xsub.recv().unwrap(), "topic!");
        xsub.send("upstream").unwrap();
        assert_eq!(xpub.recv().unwrap(), "upstream");
        xsub.send(b"\x00topic").unwrap();
        assert_eq!(xpub.recv().unwrap(), "\u{0}topic");
    });
}

#[test]
fn a_router_addresses_its_dealers() {
    over_each_transport(|router: Router, dealer: Dealer| {
        for number in 0..1000 / LESS {
            dealer.send(["", &number.to_string()]).unwrap();
            let mut request = router.recv().unwrap();
            assert_eq!(request.frame_count(), 3);
            request.push_back("more");
            router.send(request).unwrap();
            assert_eq!(dealer.recv().unwrap(), ["", number.to_string().as_str(), "more"]);
        }
    });
}

#[test]
fn a_pair_talks_both_ways() {
    over_each_transport(|one: Pair, other: Pair| {
        one.send("ping").unwrap();
        assert_eq!(other.recv().unwrap(), "ping");
        other.send(["pong", "pong"]).unwrap();
        assert_eq!(one.recv().unwrap(), ["pong", "pong"]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no streams")]
fn a_stream_socket_talks_plain_tcp() {
    use std::io::{Read, Write};
    let context = Context::new();
    let server = socket::<kind::Stream>(&context);
    let endpoint = server.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut client = std::net::TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    let hello: Message = server.recv().unwrap();
    assert_eq!((hello[0].len(), hello[1].len()), (5, 0));
    client.write_all(b"plain bytes").unwrap();
    assert_eq!(server.recv().unwrap()[1], "plain bytes");
    server.send(Message::from(vec![hello[0].clone(), "answer".into()])).unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    drop(client);
    assert_eq!(server.recv().unwrap()[1], "");

    let connecting: Stream = socket(&context);
    connecting.connect(&endpoint).unwrap();
    let name = connecting.recv().unwrap()[0].clone();
    connecting.send(Message::from(vec![name, "GET".into()])).unwrap();
    assert_eq!(server.recv().unwrap()[1], "");
    assert_eq!(server.recv().unwrap()[1], "GET");
    context.close_within(LONG).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no streams")]
fn several_peers_take_turns() {
    let context = Context::new();
    let pull: Pull = socket(&context);
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let senders: Vec<_> = (0..8u8)
        .map(|sender| {
            let push: Push = socket(&context);
            push.connect(&endpoint).unwrap();
            thread::spawn(move || {
                for number in 0..2000u32 {
                    push.send([&[sender][..], &number.to_be_bytes()]).unwrap();
                }
                push
            })
        })
        .collect();
    let mut next = [0u32; 8];
    for _ in 0..16_000 {
        let message = pull.recv().unwrap();
        let sender = usize::from(message[0][0]);
        assert_eq!(message[1], &next[sender].to_be_bytes());
        next[sender] += 1;
    }
    for sender in senders {
        drop(sender.join());
    }
    context.close_within(LONG).unwrap();
}
