//! Two connections joined by queues: no sockets, simulated time, any split.

use std::sync::Arc;
use std::time::{Duration, Instant};

use zmtp::{Config, Connection, Error, Event, Frame, Framing, MechanismConfig, SocketType, Version};

/// Miri interprets each step: it is given so many times less to do.
const LESS: usize = if cfg!(miri) { 1000 } else { 1 };

struct Peer {
    connection: Connection,
    events: Vec<Event>,
}

impl Peer {
    fn new(config: Config, now: Instant) -> Peer {
        Peer { connection: Connection::new(Arc::new(config), now), events: Vec::new() }
    }

    fn feed(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let buffer = self.connection.input();
            let room = (buffer.capacity() - buffer.len()).min(rest.len());
            assert!(room > 0, "the input buffer must have room");
            buffer.extend_from_slice(&rest[..room]);
            rest = &rest[room..];
            self.connection.handle_input(now)?;
            while let Some(event) = self.connection.poll_event() {
                self.events.push(event);
            }
        }
        Ok(())
    }

    /// Those that the end of the connection left.
    fn messages_left(&mut self) -> Vec<Vec<Frame>> {
        self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
        self.messages()
    }

    fn messages(&mut self) -> Vec<Vec<Frame>> {
        let mut messages = Vec::new();
        for event in self.events.drain(..) {
            if let Event::Messages(mut run) = event {
                let mut message = Vec::new();
                while let Some((frame, more)) = run.next_frame() {
                    message.push(frame);
                    if !more {
                        messages.push(std::mem::take(&mut message));
                    }
                }
            }
        }
        messages
    }
}

/// Carries bytes both ways, `step` at a time, until neither has more to say.
fn settle(one: &mut Peer, other: &mut Peer, step: usize, now: Instant) -> Result<(), Error> {
    loop {
        let to_other = one.connection.take_output();
        let to_one = other.connection.take_output();
        if to_other.is_none() && to_one.is_none() {
            return Ok(());
        }
        for chunk in to_other.unwrap_or_default().chunks(step) {
            other.feed(chunk, now)?;
        }
        for chunk in to_one.unwrap_or_default().chunks(step) {
            one.feed(chunk, now)?;
        }
    }
}

fn pair(one: SocketType, other: SocketType) -> (Peer, Peer, Instant) {
    let now = Instant::now();
    let mut config = Config::new(one);
    config.routing_id = Frame::from("abc");
    (Peer::new(config, now), Peer::new(Config::new(other), now), now)
}

#[test]
fn a_handshake_survives_any_split() {
    for step in 1..80 {
        let (mut dealer, mut router, now) = pair(SocketType::Dealer, SocketType::Router);
        settle(&mut dealer, &mut router, step, now).unwrap();
        assert!(dealer.connection.is_ready() && router.connection.is_ready());
        let Some(Event::Ready(info)) = router.events.first() else { panic!("no ready event") };
        assert_eq!(info.routing_id, "abc");
        assert_eq!(info.socket_type, Some(SocketType::Dealer));
        assert_eq!(info.version, Version::V3_1);
    }
}

/// The signature, the version, and all the rest.
#[test]
fn with_null_both_are_ready_after_three_flights() {
    let now = Instant::now();
    let [mut one, mut other] = [SocketType::Push, SocketType::Pull].map(|own| Peer::new(Config::new(own), now));
    for len in [10, 1, 53 + 28] {
        let flights = [&mut one, &mut other].map(|peer| peer.connection.take_output().unwrap());
        assert!(flights.iter().all(|flight| flight.len() == len), "{len}: {flights:?}");
        other.feed(&flights[0], now).unwrap();
        one.feed(&flights[1], now).unwrap();
    }
    assert!(one.connection.is_ready() && other.connection.is_ready());
}

/// READY tells that a peer is welcome, and a password is for servers of PLAIN.
#[test]
fn what_is_not_for_everybody_waits_for_the_peer_s_greeting() {
    let now = Instant::now();
    let (mut asks, mut knows) = (Config::new(SocketType::Pull), Config::new(SocketType::Push));
    asks.authenticate = true;
    knows.mechanism = MechanismConfig::PlainClient { username: b"me".to_vec(), password: b"secret".to_vec().into() };
    for config in [asks, knows] {
        let mut peer = Peer::new(config, now);
        peer.feed(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03", now).unwrap();
        assert_eq!(peer.connection.take_output().unwrap().len(), 64);
    }
}

#[test]
fn messages_survive_any_split() {
    let bodies: Vec<Vec<u8>> = [0, 1, 78, 79, 255, 256, 5000].iter().map(|len| vec![*len as u8; *len]).collect();
    let mut wire = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        Framing::V2.encode(&mut wire, body, index % 2 == 0);
    }
    // A PING between the frames of the unfinished message, then its last frame.
    wire.extend_from_slice(b"\x04\x07\x04PING\x00\x00");
    Framing::V2.encode(&mut wire, b"end", false);
    for step in [1, 2, 3, 7, 64, 1000, wire.len()] {
        let (mut push, mut pull, now) = pair(SocketType::Push, SocketType::Pull);
        settle(&mut push, &mut pull, 1000, now).unwrap();
        pull.events.clear();
        for chunk in wire.chunks(step) {
            pull.feed(chunk, now).unwrap();
        }
        let messages = pull.messages();
        assert_eq!(messages.len(), 4, "step {step}");
        let frames: Vec<&Frame> = messages.iter().flatten().collect();
        assert_eq!(frames.len(), bodies.len() + 1);
        for (frame, body) in frames.iter().zip(&bodies) {
            assert_eq!(frame.as_slice(), body.as_slice());
        }
        assert_eq!(pull.connection.take_output().as_deref(), Some(&b"\x04\x05\x04PONG"[..]));
    }
}

/// Two peers whose handshake is over.
fn settled(one: SocketType, other: SocketType) -> (Peer, Peer, Instant) {
    let (mut one, mut other, now) = pair(one, other);
    settle(&mut one, &mut other, 1000, now).unwrap();
    other.events.clear();
    (one, other, now)
}

#[test]
fn commands_inside_messages_are_cut_out_of_them_wherever_they_are() {
    let (more, last, ping, nothing) = (b"\x01\x01a", b"\x00\x01b", b"\x04\x07\x04PING\x00\x00", b"\x04\x00");
    let one = [&more[..], ping, nothing, more, nothing, last].concat();
    let wire = [&b"\x00\x01x"[..], &one, ping, &one, b"\x00\x01y", more, nothing, last, nothing, more, ping].concat();
    for step in 1..=wire.len() {
        let (_, mut pull, now) = settled(SocketType::Push, SocketType::Pull);
        for chunk in wire.chunks(step) {
            pull.feed(chunk, now).unwrap();
        }
        pull.feed(last, now).unwrap();
        let messages = pull.messages();
        let texts: Vec<Vec<&[u8]>> =
            messages.iter().map(|message| message.iter().map(|frame| frame.as_slice()).collect()).collect();
        let expected: [&[&[u8]]; 6] =
            [&[b"x"], &[b"a", b"a", b"b"], &[b"a", b"a", b"b"], &[b"y"], &[b"a", b"b"], &[b"a", b"b"]];
        assert_eq!(texts, expected, "step {step}");
        let pongs = pull.connection.take_output().unwrap();
        assert_eq!(pongs, b"\x04\x05\x04PONG".repeat(4));
    }
}

#[test]
fn a_million_commands_inside_a_message_are_cut_out_in_one_go() {
    let (_, mut pull, now) = settled(SocketType::Push, SocketType::Pull);
    const LARGE: usize = (6 << 20) / LESS;
    // A large message makes the next buffer large, and so are then the reads.
    pull.feed(&[&[2][..], &(LARGE as u64).to_be_bytes(), &vec![7; LARGE]].concat(), now).unwrap();
    let began = Instant::now();
    for commands in
        [b"\x04\x00".repeat(2_000_000 / LESS), [&b"\x01\x00"[..], b"\x04\x00"].concat().repeat(60_000 / LESS)]
    {
        pull.feed(b"\x01\x01a", now).unwrap();
        pull.feed(&commands, now).unwrap();
        pull.feed(b"\x00\x01b", now).unwrap();
    }
    let lens: Vec<usize> = pull.messages().iter().map(Vec::len).collect();
    assert_eq!(lens, [1, 2, 60_000 / LESS + 2]);
    // A move of what follows for each command would take hours.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn many_parts_are_not_read_a_few_bytes_at_a_time() {
    let (_, mut pull, now) = settled(SocketType::Push, SocketType::Pull);
    let wire = [&b"\x01\x03one".repeat(60_000 / LESS)[..], b"\x00\x03end"].concat();
    let (mut rest, mut reads) = (&wire[..], 0);
    while !rest.is_empty() {
        let buffer = pull.connection.input();
        let room = (buffer.capacity() - buffer.len()).min(rest.len());
        buffer.extend_from_slice(&rest[..room]);
        rest = &rest[room..];
        reads += 1;
        pull.connection.handle_input(now).unwrap();
    }
    pull.events.extend(std::iter::from_fn(|| pull.connection.poll_event()));
    assert_eq!(pull.messages().iter().map(Vec::len).collect::<Vec<_>>(), [60_000 / LESS + 1]);
    assert!(reads <= 40, "{reads} reads");
}

#[test]
fn lengths_near_the_largest_number_end_a_handshake_without_limits() {
    for minor in [0, 1] {
        for length in (0..=20).map(|less| u64::MAX - less).chain([1 << 63, (1 << 63) - 1, 1 << 62]) {
            let now = Instant::now();
            let mut config = Config::new(SocketType::Pull);
            config.limits.command_bytes_max = usize::MAX;
            let mut pull = Peer::new(config, now);
            let mut wire = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03".to_vec();
            wire.push(minor);
            wire.extend_from_slice(b"NULL");
            wire.resize(64, 0);
            wire.push(6);
            wire.extend_from_slice(&length.to_be_bytes());
            let fed = pull.feed(&wire, now);
            assert!(matches!(fed, Err(Error::Oversize { .. })), "{fed:?}");
            assert!(!pull.connection.is_ready());
        }
    }
}

#[test]
fn an_unknown_type_is_not_repeated_at_length() {
    let now = Instant::now();
    let mut pull = Peer::new(Config::new(SocketType::Pull), now);
    let mut wire = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL".to_vec();
    wire.resize(64, 0);
    let ready = [&b"\x05READY\x0bSocket-Type"[..], &60_000u32.to_be_bytes(), &[b'x'; 60_000]].concat();
    wire.push(6);
    wire.extend_from_slice(&(ready.len() as u64).to_be_bytes());
    wire.extend_from_slice(&ready);
    let error = pull.feed(&wire, now).unwrap_err();
    assert!(matches!(error, Error::IncompatibleType(_)));
    assert!(error.to_string().len() < 200);
}

#[test]
fn large_messages_come_whole() {
    let body: Vec<u8> = (0..3_000_000 / LESS).map(|n| n as u8).collect();
    let mut wire = Vec::new();
    for _ in 0..3 {
        Framing::V2.encode(&mut wire, &body, false);
        Framing::V2.encode(&mut wire, b"small", false);
    }
    let (mut push, mut pull, now) = pair(SocketType::Push, SocketType::Pull);
    settle(&mut push, &mut pull, 1000, now).unwrap();
    pull.feed(&wire, now).unwrap();
    let messages = pull.messages();
    assert_eq!(messages.len(), 6);
    assert!(messages.iter().step_by(2).all(|message| message[0] == body.as_slice()));
}

#[test]
fn what_is_announced_is_not_allocated() {
    let (mut push, mut pull, now) = pair(SocketType::Push, SocketType::Pull);
    settle(&mut push, &mut pull, 1000, now).unwrap();
    pull.feed(b"\x02\x00\x00\x00\x00\x3f\xff\xff\xffabc", now).unwrap();
    assert!(pull.connection.input().capacity() <= 64 * 1024);
}

#[test]
fn subscriptions_keep_their_place_among_messages() {
    let (mut publisher, mut sub, now) = pair(SocketType::XPub, SocketType::XSub);
    settle(&mut publisher, &mut sub, 1000, now).unwrap();
    publisher.events.clear();
    publisher.feed(b"\x00\x01a\x04\x0b\x09SUBSCRIBEA\x00\x01b\x04\x08\x06CANCELA", now).unwrap();
    let kinds: Vec<String> = publisher
        .events
        .iter()
        .map(|event| match event {
            Event::Messages(run) => format!("{} message", run.messages()),
            Event::Subscribe(topic) => format!("+{topic:?}"),
            Event::Cancel(topic) => format!("-{topic:?}"),
            _ => "other".into(),
        })
        .collect();
    assert_eq!(kinds, ["1 message", "+\"A\"", "1 message", "-\"A\""]);
}

#[test]
fn groups_are_joined_and_left_by_commands_in_any_split() {
    for step in 1..30 {
        let (mut radio, mut dish, now) = pair(SocketType::Radio, SocketType::Dish);
        settle(&mut radio, &mut dish, 1000, now).unwrap();
        radio.events.clear();
        for chunk in b"\x04\x07\x04JOINtv\x04\x09\x05LEAVEt\0v".chunks(step) {
            radio.feed(chunk, now).unwrap();
        }
        assert!(
            matches!(&radio.events[..], [Event::Join(tv), Event::Leave(t)] if tv == "tv" && t == "t"),
            "{:?}",
            radio.events
        );
    }
    let (mut radio, mut dish, now) = pair(SocketType::Radio, SocketType::Dish);
    settle(&mut radio, &mut dish, 1000, now).unwrap();
    let mut long = vec![6, 0, 0, 0, 0, 0, 0, 1, 5];
    long.extend_from_slice(b"\x04JOIN");
    long.resize(9 + 261, b'x');
    assert_eq!(radio.feed(&long, now), Err(Error::MalformedCommand("JOIN")));
}

#[test]
fn commands_that_mean_nothing_to_a_type_are_ignored() {
    let (mut pull, mut push, now) = pair(SocketType::Pull, SocketType::Push);
    settle(&mut pull, &mut push, 1000, now).unwrap();
    pull.events.clear();
    pull.feed(b"\x04\x0b\x09SUBSCRIBEA\x04\x08\x06CANCELA\x04\x07\x04JOINtv\x04\x04\x03FOO\x04\x05\x04PING", now)
        .unwrap();
    assert!(pull.events.is_empty(), "{:?}", pull.events);
    assert!(!pull.connection.has_output());
}

#[test]
fn pings_can_be_kept_from_peers_of_3_0_and_a_peer_known_to_live_is_kept() {
    let second = Duration::from_secs(1);
    for (minor, pinged) in [(0, false), (1, true)] {
        let now = Instant::now();
        let mut config = Config::new(SocketType::Pull);
        config.heartbeat.interval = Some(second);
        config.heartbeat.timeout = Some(second);
        config.heartbeat.only_current = true;
        let mut pull = Peer::new(config, now);
        let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, minor];
        greeting.extend_from_slice(b"NULL");
        greeting.resize(64, 0);
        greeting.extend_from_slice(b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH");
        greeting[65] = (greeting.len() - 66) as u8;
        pull.feed(&greeting, now).unwrap();
        assert!(pull.connection.is_ready());
        pull.connection.take_output();
        pull.connection.handle_timeout(now + second).unwrap();
        assert_eq!(pull.connection.has_output(), pinged, "3.{minor}");
        assert_eq!(pull.connection.is_peer_late(now + second * 2), pinged, "3.{minor}");
        pull.connection.peer_lives();
        assert!(!pull.connection.is_peer_late(now + second * 2));
        pull.connection.handle_timeout(now + second * 2).unwrap();
    }
}

#[test]
fn incompatible_types_part() {
    let (mut push, mut publisher, now) = pair(SocketType::Push, SocketType::Pub);
    assert!(matches!(settle(&mut push, &mut publisher, 1000, now), Err(Error::IncompatibleType(_))));
}

#[test]
fn a_peer_of_version_two_is_understood() {
    let now = Instant::now();
    let mut dealer = Config::new(SocketType::Dealer);
    dealer.routing_id = Frame::from("abc");
    let mut dealer = Peer::new(dealer, now);
    assert_eq!(dealer.connection.take_output().unwrap(), [0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0x7f]);
    dealer.feed(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1], now).unwrap();
    assert_eq!(dealer.connection.take_output().unwrap(), b"\x03\x05\x00\x03abc");
    dealer.feed(b"\x06\x00\x02id\x00\x05Hello", now).unwrap();
    let Event::Ready(info) = dealer.events.remove(0) else { panic!("not ready") };
    assert_eq!((info.version, info.routing_id.as_slice()), (Version::V2_0, &b"id"[..]));
    assert_eq!(dealer.messages(), [[Frame::from("Hello")]]);
}

#[test]
fn a_peer_of_version_one_is_understood() {
    let now = Instant::now();
    let mut dealer = Config::new(SocketType::Dealer);
    dealer.routing_id = Frame::from("abc");
    let mut dealer = Peer::new(dealer, now);
    dealer.connection.take_output();
    dealer.feed(b"\x01\x00\x06\x00Hello", now).unwrap();
    assert_eq!(dealer.connection.take_output().unwrap(), b"abc");
    assert!(dealer.connection.is_ready());
    assert_eq!(dealer.connection.framing(), Framing::V1);
    assert_eq!(dealer.messages(), [[Frame::from("Hello")]]);

    let mut publisher = Peer::new(Config::new(SocketType::Pub), now);
    publisher.feed(b"\x01\x00", now).unwrap();
    assert!(matches!(&publisher.events[1], Event::Subscribe(topic) if topic.is_empty()));
}

#[test]
fn silence_ends_a_connection_and_any_sign_of_life_does_not() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let mut config = Config::new(SocketType::Pull);
    config.heartbeat.interval = Some(second);
    config.heartbeat.timeout = Some(second * 2);
    config.heartbeat.ttl = second * 30;
    let mut pull = Peer::new(config, now);
    let mut push = Peer::new(Config::new(SocketType::Push), now);
    settle(&mut pull, &mut push, 1000, now).unwrap();
    assert_eq!(pull.connection.next_deadline(), Some(now + second));
    pull.connection.handle_timeout(now + second).unwrap();
    assert_eq!(pull.connection.take_output().unwrap(), b"\x04\x07\x04PING\x01\x2c");
    pull.feed(b"\x04\x05\x04PONG", now + second).unwrap();
    pull.connection.handle_timeout(now + second * 2).unwrap();
    assert_eq!(pull.connection.handle_timeout(now + second * 4), Err(Error::HeartbeatTimeout));
}

#[test]
fn a_pings_context_comes_back_and_its_ttl_counts() {
    let (mut push, mut pull, now) = pair(SocketType::Push, SocketType::Pull);
    settle(&mut push, &mut pull, 1000, now).unwrap();
    pull.feed(b"\x04\x0c\x04PING\x00\x0aHELLO", now).unwrap();
    assert_eq!(pull.connection.take_output().unwrap(), b"\x04\x0a\x04PONGHELLO");
    assert_eq!(pull.connection.next_deadline(), Some(now + Duration::from_secs(1)));
    assert!(pull.connection.handle_timeout(now + Duration::from_secs(1)).is_err());
}

#[test]
fn a_silent_peer_is_given_up_after_the_handshake_time() {
    let (mut push, _, now) = pair(SocketType::Push, SocketType::Pull);
    assert_eq!(push.connection.handle_timeout(now + Duration::from_secs(29)), Ok(()));
    assert_eq!(push.connection.handle_timeout(now + Duration::from_secs(30)), Err(Error::HandshakeTimeout));
}

#[test]
fn what_is_too_large_ends_the_connection() {
    let now = Instant::now();
    let cases: [(&[u8], bool); 3] = [
        (b"\x02\x7f\xff\xff\xff\xff\xff\xff\xff", true),
        (b"\x02\xff\xff\xff\xff\xff\xff\xff\xff", true),
        (b"\x00\x0bhello world", true),
    ];
    for (bytes, fails) in cases {
        let mut config = Config::new(SocketType::Pull);
        config.limits.frame_bytes_max = Some(100);
        let mut pull = Peer::new(config, now);
        let mut push = Peer::new(Config::new(SocketType::Push), now);
        settle(&mut pull, &mut push, 1000, now).unwrap();
        let small = bytes.len() > 9;
        assert_eq!(pull.feed(bytes, now).is_err(), fails && !small);
    }
    let (mut push, mut pull, now) = pair(SocketType::Push, SocketType::Pull);
    settle(&mut push, &mut pull, 1000, now).unwrap();
    let million_frames = b"\x01\x00".repeat(1_000_000);
    assert!(matches!(pull.feed(&million_frames, now), Err(Error::TooManyFrames { .. })));
}

#[test]
fn http_and_other_garbage_do_no_harm() {
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 100], &[0xff; 100], b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01XXXX"]
    {
        for step in [1, 5, 100] {
            let now = Instant::now();
            let mut pull = Peer::new(Config::new(SocketType::Pull), now);
            for chunk in bytes.chunks(step) {
                if pull.feed(chunk, now).is_err() {
                    break;
                }
            }
            assert!(pull.messages().len() < 30);
        }
    }
}

#[test]
fn only_replies_reach_a_requester() {
    let good: [&[u8]; 2] = [b"\x01\x00\x00\x02Hi", b"\x01\x04abcd\x01\x00\x00\x02Hi"];
    let bad: [&[u8]; 3] = [b"\x00\x02Hi", b"\x01\x01x\x00\x02Hi", b"\x01\x04abcd\x00\x00"];
    for (bytes, fine) in good.into_iter().map(|bytes| (bytes, true)).chain(bad.into_iter().map(|bytes| (bytes, false)))
    {
        let (mut req, mut rep, now) = pair(SocketType::Req, SocketType::Rep);
        settle(&mut req, &mut rep, 1000, now).unwrap();
        assert_eq!(req.feed(bytes, now).is_ok(), fine, "{bytes:?}");
    }
}

#[test]
fn what_came_whole_before_a_fault_is_still_good() {
    let now = Instant::now();
    let hello = b"\x00\x05hello";
    let oversize = [&hello[..], b"\x02\xff\0\0\0\0\0\0\0"].concat();
    let too_many = [&hello[..], b"\x01\0\x01\0\x01\0\x01\0"].concat();
    for (bytes, is_meant) in [
        (oversize, (|error| matches!(error, Error::Oversize { .. })) as fn(&Error) -> bool),
        (too_many, |error| matches!(error, Error::TooManyFrames { .. })),
    ] {
        for bytes_max in [200, 1000] {
            let mut config = Config::new(SocketType::Pull);
            config.limits.message_bytes_max = Some(bytes_max);
            config.limits.message_frames_max = 4;
            let (mut pull, mut push) = (Peer::new(config, now), Peer::new(Config::new(SocketType::Push), now));
            settle(&mut push, &mut pull, usize::MAX, now).unwrap();
            assert!(is_meant(&pull.feed(&bytes, now).unwrap_err()));
            assert_eq!(pull.messages_left(), [["hello"]]);
        }
    }
    // A reply, and something that is none.
    let (mut rep, mut req, now) = pair(SocketType::Rep, SocketType::Req);
    settle(&mut rep, &mut req, usize::MAX, now).unwrap();
    assert_eq!(req.feed(b"\x01\0\x00\x05hello\x00\x01x", now), Err(Error::MalformedReply));
    assert_eq!(req.messages_left(), [["", "hello"].as_slice()]);
    // ZMTP 1.0, and a frame of no length.
    let (mut pull, _, now) = pair(SocketType::Pull, SocketType::Push);
    pull.feed(b"\x01\0", now).unwrap();
    assert_eq!(pull.feed(b"\x06\0hello\0", now), Err(Error::MalformedFrame));
    assert_eq!(pull.messages_left(), [["hello"]]);
}

#[test]
fn the_limit_that_a_frame_breaks_is_named_wherever_the_frame_stands() {
    let huge = i64::MAX as u64 - 15;
    for before in [0, 3, 30] {
        let (mut push, mut pull, now) = pair(SocketType::Push, SocketType::Pull);
        settle(&mut push, &mut pull, usize::MAX, now).unwrap();
        let bytes = [&b"\0\0".repeat(before)[..], b"\x02", &huge.to_be_bytes()].concat();
        assert_eq!(pull.feed(&bytes, now), Err(Error::Oversize { bytes: huge, limit: 1 << 30 }));
    }
}

#[test]
fn times_beyond_all_clocks_are_without_end() {
    let mut config = Config::new(SocketType::Pair);
    config.handshake_timeout = Some(Duration::MAX);
    config.heartbeat.interval = Some(Duration::MAX);
    let now = Instant::now();
    let (mut one, mut other) = (Peer::new(config.clone(), now), Peer::new(config, now));
    assert_eq!(one.connection.next_deadline(), None);
    settle(&mut one, &mut other, usize::MAX, now).unwrap();
    assert_eq!(one.connection.next_deadline(), None);
    // The answer to a ping need not come within any time.
    let mut config = Config::new(SocketType::Pair);
    config.heartbeat.interval = Some(Duration::from_secs(1));
    config.heartbeat.timeout = Some(Duration::MAX);
    let (mut one, mut other) = (Peer::new(config.clone(), now), Peer::new(config, now));
    settle(&mut one, &mut other, usize::MAX, now).unwrap();
    let later = now + Duration::from_secs(1);
    one.connection.handle_timeout(later).unwrap();
    assert!(one.connection.has_output() && !one.connection.is_peer_late(later + Duration::from_secs(1 << 30)));
}
