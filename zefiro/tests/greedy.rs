//! Subscribers that mean harm: that never read, and that want more than they may have, or what they never had.
//!
//! Short by default; with `ZEFIRO_LONG=1` at full length.

mod util;

use std::io::Write;
use std::net::TcpStream;

use util::hostile::{alone, assert_grown_at_most, dial, frame, many, read_to_the_end, resident, say, until, wait_for};
use util::{LONG, handshake, socket};
use zefiro::{Context, EventKind, Pub, Radio, Sub, XPub};

#[test]
fn peers_that_never_read_cost_no_more_than_the_mark() {
    let _alone = alone();
    let context = Context::new();
    let publisher = Pub::builder().context(&context).send_high_water_mark(100).build().unwrap();
    let address = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
    let count = many(20, 200);
    let stuck: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = dial(&address);
            stream.write_all(&[handshake("SUB"), frame(4, b"\x09SUBSCRIBE")].concat()).unwrap();
            stream
        })
        .collect();
    publisher.wait_subscribed("", count, LONG).unwrap();
    let good = Sub::builder().context(&context).recv_timeout(LONG).recv_high_water_mark(0).build().unwrap();
    good.subscribe("").unwrap();
    good.connect(format!("tcp://{address}")).unwrap();
    publisher.wait_subscribed("", count + 1, LONG).unwrap();
    let before = resident();
    // 5 GiB in all, if they were kept.
    let body = vec![7; 64 << 10];
    for _ in 0..many(4_000, 20_000) {
        publisher.send(&body[..]).unwrap();
        assert_eq!(good.recv().unwrap().byte_len(), body.len());
    }
    // A hundred messages, shared by all, and what each one's kernel buffers and batch hold.
    assert_grown_at_most(20 + 5 * count as u64, before);
    drop(stuck);
}

#[test]
fn subscribers_get_no_more_subscriptions_than_they_may() {
    let _alone = alone();
    let context = Context::new();
    let most = many(20_000, 1_000_000);
    for greedy in [false, true] {
        let before = resident();
        let publisher =
            Pub::builder().context(&context).peer_subscriptions_max(most).recv_timeout(LONG).build().unwrap();
        let mut monitor = publisher.monitor();
        let address = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
        let good: Sub = socket(&context);
        good.subscribe("news").unwrap();
        good.connect(format!("tcp://{address}")).unwrap();
        publisher.wait_subscribed("news", 1, LONG).unwrap();
        let mut stream = dial(&address);
        stream.write_all(&handshake("SUB")).unwrap();
        let mut wire = Vec::new();
        for number in 0..most + usize::from(greedy) {
            // Half of them as commands, half as messages of old.
            match number % 2 {
                0 => wire.extend(frame(4, format!("\x09SUBSCRIBE{number}").as_bytes())),
                _ => wire.extend(frame(0, format!("\x01{number}").as_bytes())),
            }
        }
        say(&mut stream, &wire);
        if greedy {
            read_to_the_end(&mut stream);
            wait_for(
                &mut monitor,
                1,
                |kind| matches!(kind, EventKind::Disconnected(why) if why.contains("subscriptions")),
            );
        } else {
            publisher.wait_subscribed((most - 1).to_string(), 1, LONG).unwrap();
            assert_eq!(publisher.peers().len(), 2);
            drop(stream);
        }
        until("its subscriptions are forgotten", || publisher.topic_count() == 1);
        publisher.send("news!").unwrap();
        assert_eq!(good.recv().unwrap(), "news!");
        drop(wire);
        assert_grown_at_most(60, before);
    }
}

#[test]
fn topics_of_any_length_are_taken_or_refused() {
    let _alone = alone();
    let context = Context::new();
    let publisher = XPub::builder()
        .context(&context)
        .peer_subscription_bytes_max(17usize << 20)
        .recv_timeout(LONG)
        .build()
        .unwrap();
    let mut monitor = publisher.monitor();
    let address = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
    let mut stream = dial(&address);
    stream.write_all(&handshake("SUB")).unwrap();
    let topic = vec![b't'; 16 << 20];
    stream.write_all(&frame(4, &[b"\x09SUBSCRIBE", &topic[..]].concat())).unwrap();
    assert_eq!(publisher.recv().unwrap().byte_len(), topic.len() + 1);
    publisher.send(&[&topic[..], b"!"].concat()[..]).unwrap();
    // Another one is too much.
    say(&mut stream, &frame(4, &[b"\x09SUBSCRIBEu", &topic[..]].concat()));
    wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::Disconnected(why) if why.contains("subscriptions")));
}

/// A publisher, its address, and a subscriber that means well.
fn publisher_with_subscriber(context: &Context, topic: &str) -> (Pub, String, Sub) {
    let publisher = Pub::builder().context(context).peer_subscription_bytes_max(None).build().unwrap();
    let good: Sub = socket(context);
    let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap();
    good.subscribe(topic).unwrap();
    good.connect(&endpoint).unwrap();
    publisher.wait_subscribed(topic, 1, LONG).unwrap();
    (publisher, endpoint.to_string().trim_start_matches("tcp://").to_string(), good)
}

#[test]
fn who_subscribes_to_all_beginnings_of_a_topic_keeps_it_from_nobody() {
    let _alone = alone();
    let context = Context::new();
    let (publisher, address, good) = publisher_with_subscriber(&context, "a");
    let mut stream = dial(&address);
    stream.write_all(&handshake("SUB")).unwrap();
    let topic = vec![b'a'; many(4_000, 20_000)];
    for len in 0..topic.len() {
        stream.write_all(&frame(4, &[b"\x09SUBSCRIBE", &topic[..len]].concat())).unwrap();
    }
    publisher.wait_subscribed(&topic[1..], 1, LONG).unwrap();
    for number in 0..many(500, 10_000) {
        let message = [&topic[..], number.to_string().as_bytes()].concat();
        publisher.send(&message[..]).unwrap();
        assert_eq!(good.recv().unwrap(), message[..]);
    }
}

#[test]
fn what_was_never_subscribed_to_can_be_cancelled_for_ever() {
    let _alone = alone();
    let context = Context::new();
    let (publisher, address, good) = publisher_with_subscriber(&context, "news");
    let before = resident();
    let mut stream = dial(&address);
    stream.write_all(&handshake("SUB")).unwrap();
    for number in 0..many(20_000, 1_000_000) {
        stream.write_all(&frame(4, format!("\x06CANCEL{number}").as_bytes())).unwrap();
        stream.write_all(&frame(4, b"\x06CANCELnews")).unwrap();
    }
    stream.write_all(&frame(4, b"\x09SUBSCRIBElast")).unwrap();
    publisher.wait_subscribed("last", 1, LONG).unwrap();
    publisher.send("news!").unwrap();
    assert_eq!(good.recv().unwrap(), "news!");
    assert_grown_at_most(20, before);
}

#[test]
fn subscribers_that_come_ask_and_go_do_not_fill_an_xpub_that_is_not_read() {
    let _alone = alone();
    let context = Context::new();
    let publisher = XPub::builder().context(&context).peer_subscriptions_max(100).build().unwrap();
    let address = publisher.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
    let rounds = many(100, 2_000);
    for round in 0..rounds {
        let mut stream = dial(&address);
        let mut wire = handshake("SUB");
        for number in 0..90 {
            wire.extend(frame(4, format!("\x09SUBSCRIBE{round}.{number}").as_bytes()));
        }
        stream.write_all(&wire).unwrap();
        publisher.wait_subscribed(format!("{round}.89"), 1, LONG).unwrap();
        drop(stream);
        until("it is gone", || publisher.topic_count() == 0);
    }
    let kept = std::iter::from_fn(|| publisher.try_recv().ok()).count();
    assert!(kept <= 400, "{kept} requests of {rounds} peers were kept");
}

#[test]
fn radio_keeps_a_group_once_and_leaves_it_at_once() {
    let _alone = alone();
    let context = Context::new();
    let radio = Radio::builder().context(&context).peer_subscriptions_max(many(5_000, 100_000)).build().unwrap();
    let mut monitor = radio.monitor();
    let address = radio.bind("tcp://127.0.0.1:*").unwrap().to_string().trim_start_matches("tcp://").to_string();
    let before = resident();
    let mut stream = dial(&address);
    stream.write_all(&handshake("DISH")).unwrap();
    let wire = frame(4, b"\x04JOINsame").repeat(1000);
    for _ in 0..many(50, 1_000) {
        stream.write_all(&wire).unwrap();
    }
    for command in ["\x04JOIN", "\x05LEAVE"] {
        for number in 0..many(5_000, 100_000) - 1 {
            stream.write_all(&frame(4, format!("{command}{number}").as_bytes())).unwrap();
        }
    }
    stream.write_all(&frame(4, b"\x04JOINlast")).unwrap();
    radio.wait_subscribed("last", 1, LONG).unwrap();
    for number in 0..many(5_000, 100_000) {
        say(&mut stream, &frame(4, format!("\x04JOIN{number}").as_bytes()));
    }
    wait_for(&mut monitor, 1, |kind| matches!(kind, EventKind::Disconnected(why) if why.contains("groups")));
    assert_grown_at_most(40, before);
}
