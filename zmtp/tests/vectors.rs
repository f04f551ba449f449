//! The protocol's bytes, written out by hand from the specifications: what this side says, and what it understands.

use std::sync::Arc;
use std::time::Instant;

use zmtp::{Config, Connection, Error, Event, Frame, Framing, SocketType, Version};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The first 12 bytes, the mechanism, and the filler.
fn greeting(mechanism: &str) -> Vec<u8> {
    let mut bytes = hex("ff 0000000000000001 7f 03 01");
    bytes.extend_from_slice(mechanism.as_bytes());
    bytes.resize(64, 0);
    bytes
}

struct Side {
    connection: Connection,
    said: Vec<u8>,
    events: Vec<Event>,
}

impl Side {
    fn new(socket_type: SocketType, routing_id: &str) -> Side {
        let mut config = Config::new(socket_type);
        config.routing_id = Frame::from(routing_id);
        Side { connection: Connection::new(Arc::new(config), Instant::now()), said: Vec::new(), events: Vec::new() }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.connection.input().extend_from_slice(bytes);
        let result = self.connection.handle_input(Instant::now());
        while let Some(event) = self.connection.poll_event() {
            self.events.push(event);
        }
        result
    }

    fn said(&mut self) -> &[u8] {
        if let Some(output) = self.connection.take_output() {
            self.said.extend_from_slice(&output);
        }
        &self.said
    }

    fn bodies(&mut self) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        for event in self.events.drain(..) {
            if let Event::Messages(mut run) = event {
                while let Some((frame, _)) = run.next_frame() {
                    bodies.push(frame.to_vec());
                }
            }
        }
        bodies
    }
}

#[test]
fn a_dealer_s_handshake_is_byte_for_byte_the_specification_s() {
    for (id, ready) in [
        ("", "04 29 05 5245414459 0b 536f636b65742d54797065 00000006 4445414c4552 08 4964656e74697479 00000000"),
        (
            "abc",
            "04 2c 05 5245414459 0b 536f636b65742d54797065 00000006 4445414c4552 08 4964656e74697479 00000003 616263",
        ),
    ] {
        let mut dealer = Side::new(SocketType::Dealer, id);
        let signature = [hex("ff"), (id.len() as u64 + 1).to_be_bytes().to_vec(), hex("7f")].concat();
        assert_eq!(dealer.said(), signature);
        dealer.hear(&greeting("NULL")).unwrap();
        let mut expected = signature;
        expected.extend_from_slice(&greeting("NULL")[10..]);
        expected.extend_from_slice(&hex(ready));
        assert_eq!(dealer.said(), expected);
        let router = "04 29 05 5245414459 0b 536f636b65742d54797065 00000006 524f55544552 08 4964656e74697479 00000000";
        dealer.hear(&hex(router)).unwrap();
        assert!(dealer.connection.is_ready());
        assert_eq!(dealer.connection.version(), Version::V3_1);
    }
}

#[test]
fn older_peers_are_answered_in_their_own_way() {
    // What the peer says, and what is said to it in all.
    for (peer, answer) in [
        // 2.0: the type, then the identity as a frame.
        ("ff 0000000000000001 7f 01 05", "ff 0000000000000004 7f 03 05 00 03 616263"),
        // 1.0 with a version, never seen in practice.
        ("ff 0000000000000001 7f 00 05", "ff 0000000000000004 7f 03 05 04 00 616263"),
        // 1.0: the signature was the header of the identity.
        ("01 00", "ff 0000000000000004 7f 616263"),
    ] {
        let mut dealer = Side::new(SocketType::Dealer, "abc");
        dealer.hear(&hex(peer)).unwrap();
        assert_eq!(dealer.said(), hex(answer), "{peer}");
    }
}

#[test]
fn frames_of_each_version_are_read() {
    let mut pull = Side::new(SocketType::Pull, "");
    pull.hear(&greeting("NULL")).unwrap();
    pull.hear(&hex("04 1a 05 5245414459 0b 536f636b65742d54797065 00000004 50555348")).unwrap();
    let long = [hex("02 0000000000000100"), vec![7; 256]].concat();
    // Empty, "Hello", "Hello" with more and its last part, 256 bytes; and a short body in the long form.
    let stream = [hex("0000 0005 48656c6c6f 0105 48656c6c6f 0001 21"), long, hex("02 0000000000000001 78")].concat();
    pull.hear(&stream).unwrap();
    let hello = b"Hello".to_vec();
    assert_eq!(pull.bodies(), [vec![], hello.clone(), hello.clone(), b"!".to_vec(), vec![7; 256], b"x".to_vec()]);

    let mut pull = Side::new(SocketType::Pull, "");
    pull.hear(&hex("01 00")).unwrap();
    let long = [hex("ff 0000000000000100 00"), vec![7; 255]].concat();
    pull.hear(&[hex("06 00 48656c6c6f 06 01 48656c6c6f 01 00"), long].concat()).unwrap();
    assert_eq!(pull.bodies(), [hello.clone(), hello, vec![], vec![7; 255]]);
}

#[test]
fn commands_are_understood_and_pings_answered() {
    let mut publisher = Side::new(SocketType::Pub, "");
    publisher.hear(&greeting("NULL")).unwrap();
    publisher.hear(&hex("04 19 05 5245414459 0b 536f636b65742d54797065 00000003 535542")).unwrap();
    let before = publisher.said().len();
    let commands = [
        // SUBSCRIBE "A" and to all, CANCEL "A"; PING with a TTL and a context; one nobody knows.
        "04 0b 09 535542534352494245 41",
        "04 0a 09 535542534352494245",
        "04 08 06 43414e43454c 41",
        "04 0c 04 50494e47 000a 48454c4c4f",
        "04 04 03 464f4f",
    ];
    publisher.hear(&hex(&commands.concat())).unwrap();
    let topics: Vec<(bool, Vec<u8>)> = publisher
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Subscribe(topic) => Some((true, topic.to_vec())),
            Event::Cancel(topic) => Some((false, topic.to_vec())),
            _ => None,
        })
        .collect();
    assert_eq!(topics, [(true, b"A".to_vec()), (true, vec![]), (false, b"A".to_vec())]);
    assert_eq!(publisher.said()[before..], hex("04 0a 04 504f4e47 48454c4c4f"));
}

#[test]
fn subscriptions_are_spelled_as_the_peer_knows_them() {
    for (framing, version, subscribe, bytes) in [
        (Framing::V2, Version::V3_1, true, "04 0b 09 535542534352494245 41"),
        (Framing::V2, Version::V3_1, false, "04 08 06 43414e43454c 41"),
        (Framing::V2, Version::V3_0, true, "00 02 01 41"),
        (Framing::V2, Version::V2_0, false, "00 02 00 41"),
        (Framing::V1, Version::V1_0, true, "03 00 01 41"),
        (Framing::V1, Version::V1_0, false, "03 00 00 41"),
    ] {
        let mut out = Vec::new();
        framing.encode_subscription(&mut out, version, subscribe, b"A");
        assert_eq!(out, hex(bytes));
    }
}

#[test]
fn a_refusal_is_read_with_its_reason() {
    let mut dealer = Side::new(SocketType::Dealer, "");
    dealer.hear(&greeting("NULL")).unwrap();
    assert_eq!(dealer.hear(&hex("04 0a 05 4552524f52 03 343030")), Err(Error::Refused("400".into())));
}

#[test]
fn another_mechanism_or_type_is_no_peer() {
    let mut dealer = Side::new(SocketType::Dealer, "");
    assert!(matches!(dealer.hear(&greeting("PLAIN")), Err(Error::MechanismMismatch(_))));
    let mut dealer = Side::new(SocketType::Dealer, "");
    dealer.hear(&greeting("NULL")).unwrap();
    let publisher = "04 19 05 5245414459 0b 536f636b65742d54797065 00000003 505542";
    assert!(matches!(dealer.hear(&hex(publisher)), Err(Error::IncompatibleType(_))));
}
