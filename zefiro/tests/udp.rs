//! Datagrams: RADIO to DISH, and DGRAM with anybody.

mod util;

use std::net::UdpSocket;

use util::{LONG, socket};
use zefiro::{AnySocket, Context, Dgram, Dish, ErrorKind, Message, Radio, SocketType};

#[test]
fn a_dish_hears_the_groups_it_joined_over_udp() {
    let context = Context::new();
    let (dish, radio): (Dish, Radio) = (socket(&context), socket(&context));
    let endpoint = dish.bind("udp://127.0.0.1:*").unwrap().to_string();
    dish.join("tv").unwrap();
    radio.connect(&endpoint).unwrap();
    radio.send(Message::for_group("radio", "not for it")).unwrap();
    radio.send(Message::for_group("tv", "news")).unwrap();
    assert_eq!(dish.recv().unwrap(), Message::for_group("tv", "news"));
    // Too long for a datagram: dropped, and counted.
    radio.send(Message::for_group("tv", vec![0; 9000])).unwrap();
    radio.send(Message::for_group("tv", "more")).unwrap();
    assert_eq!(dish.recv().unwrap(), Message::for_group("tv", "more"));
    assert_eq!(radio.counters().dropped.peer_gone, 1);
    radio.disconnect(&endpoint).unwrap();
    dish.unbind(&endpoint).unwrap();
    assert_eq!(dish.unbind(&endpoint).unwrap_err().kind(), ErrorKind::UnknownEndpoint);
    context.close_within(LONG).unwrap();
}

#[test]
fn a_datagram_is_a_length_a_group_and_a_body() {
    let context = Context::new();
    let (dish, radio): (Dish, Radio) = (socket(&context), socket(&context));
    let endpoint = dish.bind("udp://127.0.0.1:*").unwrap().to_string();
    dish.join("Movie").unwrap();
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    plain.set_read_timeout(Some(LONG)).unwrap();
    for datagram in [&b""[..], b"\x09Movie", b"\x05MovieGodfather"] {
        plain.send_to(datagram, endpoint.trim_start_matches("udp://")).unwrap();
    }
    assert_eq!(dish.recv().unwrap(), Message::for_group("Movie", "Godfather"));
    radio.connect(format!("udp://{}", plain.local_addr().unwrap())).unwrap();
    radio.send(Message::for_group("Movie", "Godfather")).unwrap();
    let mut buffer = [0; 100];
    let count = plain.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"\x05MovieGodfather");
}

#[test]
fn a_dgram_answers_whoever_writes_to_it() {
    let context = Context::new();
    let dgram: Dgram = socket(&context);
    assert!(dgram.try_send(["127.0.0.1:1", "too early"]).is_err());
    let endpoint = dgram.bind("udp://127.0.0.1:*").unwrap().to_string();
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    plain.set_read_timeout(Some(LONG)).unwrap();
    plain.send_to(b"question", endpoint.trim_start_matches("udp://")).unwrap();
    let question = dgram.recv().unwrap();
    let from = format!("{}\0", plain.local_addr().unwrap());
    assert_eq!(question, [from.as_str(), "question"]);
    dgram.send(["no address", "lost"]).unwrap();
    dgram.send([from.as_str(), "answer"]).unwrap();
    dgram.send([plain.local_addr().unwrap().to_string().as_str(), "again"]).unwrap();
    let mut buffer = [0; 100];
    for expected in ["answer", "again"] {
        let count = plain.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], expected.as_bytes());
    }
    assert_eq!(dgram.send("alone").unwrap_err().kind(), ErrorKind::InvalidMessage);
    assert_eq!(dgram.bind("tcp://127.0.0.1:*").unwrap_err().kind(), ErrorKind::IncompatibleTransport);
}

#[test]
fn more_than_the_mark_is_lost_and_counted() {
    let context = Context::new();
    let dgram = Dgram::builder().context(&context).recv_high_water_mark(2).recv_timeout(LONG).build().unwrap();
    let endpoint = dgram.bind("udp://127.0.0.1:*").unwrap().to_string();
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..5u8 {
        plain.send_to(&[number], endpoint.trim_start_matches("udp://")).unwrap();
    }
    let deadline = std::time::Instant::now() + LONG;
    while dgram.counters().dropped.high_water_mark < 3 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!([dgram.recv().unwrap()[1][0], dgram.recv().unwrap()[1][0]], [0, 1]);
}

#[test]
fn udp_suits_three_types_each_in_its_way() {
    for (socket_type, binds, connects) in [
        (SocketType::Push, false, false),
        (SocketType::Radio, false, true),
        (SocketType::Dish, true, false),
        (SocketType::Dgram, true, false),
    ] {
        let socket = AnySocket::open(socket_type);
        let suits = |result: zefiro::Result<()>| match result {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::IncompatibleTransport, "{error}");
                false
            }
        };
        assert_eq!(suits(socket.bind("udp://127.0.0.1:*").map(drop)), binds, "{socket_type}");
        assert_eq!(suits(socket.connect("udp://127.0.0.1:5555")), connects, "{socket_type}");
    }
}

#[test]
fn a_multicast_group_is_joined_and_sent_to() {
    let context = Context::new();
    let (dish, radio): (Dish, Radio) = (socket(&context), socket(&context));
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("udp://127.0.0.1;239.255.77.77:{free}");
    // Not every system lets its loopback device do that.
    if dish.bind(&endpoint).is_err() || radio.connect(&endpoint).is_err() {
        return;
    }
    dish.join("tv").unwrap();
    radio.send(Message::for_group("tv", "to all")).unwrap();
    if radio.counters().dropped.peer_gone == 0 {
        assert_eq!(dish.recv().unwrap(), Message::for_group("tv", "to all"));
    }
    dish.unbind(&endpoint).unwrap();
}
