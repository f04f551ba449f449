//! The younger socket types over every transport.

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use util::{LONG, bind_again, handshake, over_each_transport, socket};
use zefiro::{
    AnySocket, Channel, Client, Context, Dish, ErrorKind, Gather, Message, PeerSocket, Radio, Scatter, Server,
    SocketType, kind,
};

#[test]
fn a_server_answers_its_clients_by_number() {
    over_each_transport::<kind::Server, kind::Client>(|server, client| {
        client.send("question").unwrap();
        let question = server.recv().unwrap();
        let number = question.peer_number().unwrap();
        assert_eq!(question.last().as_slice(), b"question");
        server.send(Message::for_peer(number, "answer")).unwrap();
        assert_eq!(client.recv().unwrap(), "answer");
        assert_eq!(client.send(["two", "parts"]).unwrap_err().kind(), ErrorKind::InvalidMessage);
        assert_eq!(server.send("no number").unwrap_err().kind(), ErrorKind::InvalidMessage);
        let nobody = Message::for_peer(number.wrapping_add(1000), "x");
        assert_eq!(server.send(nobody).unwrap_err().kind(), ErrorKind::Unroutable);
        server.disconnect_number(number).unwrap();
        let deadline = Instant::now() + LONG;
        while server.disconnect_number(number).is_ok() {
            assert!(Instant::now() < deadline);
        }
    });
}

#[test]
fn a_peer_knows_the_number_of_whom_it_connects_to() {
    for endpoint in util::endpoints() {
        let context = Context::new();
        let (bound, connecting): (PeerSocket, PeerSocket) = (socket(&context), socket(&context));
        let endpoint = bound.bind(&endpoint).unwrap().to_string();
        let number = connecting.connect_peer(&endpoint).unwrap();
        connecting.send(Message::for_peer(number, "hello")).unwrap();
        let hello = bound.recv().unwrap();
        assert_eq!(hello.last().as_slice(), b"hello");
        bound.send(Message::for_peer(hello.peer_number().unwrap(), "hi")).unwrap();
        assert_eq!(connecting.recv().unwrap(), Message::for_peer(number, "hi"));
    }
    let immediate = PeerSocket::builder().immediate(true).build().unwrap();
    assert_eq!(immediate.connect_peer("tcp://127.0.0.1:1").unwrap_err().kind(), ErrorKind::InvalidOption);
    let other = AnySocket::open(SocketType::Dealer);
    assert_eq!(other.connect_peer("tcp://127.0.0.1:1").unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(other.disconnect_number(1).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn groups_are_exact_and_can_be_left() {
    over_each_transport::<kind::Radio, kind::Dish>(|radio, dish| {
        dish.join("tv").unwrap();
        radio.wait_subscribed("tv", 1, LONG).unwrap();
        radio.send(Message::for_group("tv2", "not for you")).unwrap();
        radio.send(Message::for_group("tv", "news")).unwrap();
        assert_eq!(dish.recv().unwrap(), Message::for_group("tv", "news"));
        assert!(dish.join("tv").is_err());
        dish.leave("tv").unwrap();
        assert!(dish.leave("tv").is_err());
        dish.join("radio").unwrap();
        radio.wait_subscribed("radio", 1, LONG).unwrap();
        radio.send(Message::for_group("tv", "left")).unwrap();
        radio.send(Message::for_group("radio", "joined")).unwrap();
        assert_eq!(dish.recv().unwrap(), Message::for_group("radio", "joined"));
        assert_eq!(radio.send("no group").unwrap_err().kind(), ErrorKind::InvalidMessage);
    });
}

#[test]
fn groups_are_joined_again_after_a_reconnect() {
    let context = Context::new();
    let dish = Dish::builder()
        .context(&context)
        .reconnect_interval(Duration::from_millis(5))
        .recv_timeout(LONG)
        .build()
        .unwrap();
    dish.join("tv").unwrap();
    let endpoint = format!("tcp://{}", util::free_address());
    dish.connect(&endpoint).unwrap();
    for round in ["1", "2"] {
        let radio: Radio = socket(&context);
        bind_again(|| radio.bind(&endpoint).map(drop));
        radio.wait_subscribed("tv", 1, LONG).unwrap();
        radio.send(Message::for_group("tv", round)).unwrap();
        assert_eq!(dish.recv().unwrap(), Message::for_group("tv", round));
    }
}

#[test]
fn on_the_wire_groups_are_commands_and_a_message_is_two_frames() {
    let context = Context::new();
    let radio: Radio = socket(&context);
    let address = radio.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut dish = TcpStream::connect(address.trim_start_matches("tcp://")).unwrap();
    dish.write_all(&handshake("DISH")).unwrap();
    dish.write_all(b"\x01\x04JOIN\x00\x05other").unwrap();
    dish.write_all(b"\x04\x0a\x04JOINMovie").unwrap();
    radio.wait_subscribed("Movie", 1, LONG).unwrap();
    assert_eq!((radio.topic_count(), radio.counters().dropped.filtered), (1, 1), "a message is no command");
    radio.send(Message::for_group("Movie", "Godfather")).unwrap();
    let mut heard = vec![0; handshake("RADIO").len() + 18];
    dish.read_exact(&mut heard).unwrap();
    assert!(heard.ends_with(b"\x01\x05Movie\x00\x09Godfather"));
    dish.write_all(b"\x04\x0b\x05LEAVEMovie").unwrap();
    let deadline = Instant::now() + LONG;
    while radio.topic_count() > 0 {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_dish_leaves_a_peer_that_sends_no_group() {
    let context = Context::new();
    let dish: Dish = socket(&context);
    dish.join("").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    dish.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    let (mut radio, _) = listener.accept().unwrap();
    radio.write_all(&handshake("RADIO")).unwrap();
    dish.wait_connected(1, LONG).unwrap();
    radio.write_all(b"\x00\x05alone").unwrap();
    let mut rest = Vec::new();
    let receiving = std::thread::spawn(move || dish.recv());
    radio.read_to_end(&mut rest).unwrap();
    context.shutdown();
    assert_eq!(receiving.join().unwrap().unwrap_err().kind(), ErrorKind::Terminated);
}

#[test]
fn scatter_gather_and_channel_carry_single_parts() {
    over_each_transport::<kind::Gather, kind::Scatter>(|gather, scatter| {
        scatter.send("piece").unwrap();
        assert_eq!(gather.recv().unwrap(), "piece");
        assert_eq!(scatter.send(["two", "parts"]).unwrap_err().kind(), ErrorKind::InvalidMessage);
    });
    over_each_transport::<kind::Channel, kind::Channel>(|one, other| {
        one.send("to and").unwrap();
        assert_eq!(other.recv().unwrap(), "to and");
        other.send("fro").unwrap();
        assert_eq!(one.recv().unwrap(), "fro");
    });
}

#[test]
fn types_that_do_not_go_together_do_not_talk() {
    let context = Context::new();
    let gather: Gather = socket(&context);
    let endpoint = gather.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let client: Client = socket(&context);
    let mut monitor = gather.monitor();
    client.connect(&endpoint).unwrap();
    while !matches!(monitor.recv_timeout(LONG).unwrap().kind, zefiro::EventKind::HandshakeFailed(_)) {}
    let names = [Scatter::new().socket_type(), Channel::new().socket_type(), Server::new().socket_type()];
    assert_eq!(names.map(|name| name.to_string()), ["SCATTER", "CHANNEL", "SERVER"]);
}
