//! Peers that speak ZMTP 2.0 and 1.0: their bytes, written out from RFC 15 and RFC 13, over a real TCP connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use zefiro::{Context, Pub, Rep, Router, Socket, kind};
use zefiro_interop::LONG;

/// What a socket of ours without a routing id says first, to everyone.
const OUR_SIGNATURE: &[u8] = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f";

/// ZMTP 2.0: signature, revision, socket type, an empty identity.
fn greeting_2_0(socket_type: u8) -> Vec<u8> {
    [OUR_SIGNATURE, &[1, socket_type], b"\x00\x00"].concat()
}

/// ZMTP 1.0: nothing but an empty identity.
const GREETING_1_0: &[u8] = b"\x01\x00";

const PUB: u8 = 1;
const SUB: u8 = 2;
const REQ: u8 = 3;
const REP: u8 = 4;
const DEALER: u8 = 5;
const ROUTER: u8 = 6;
const PULL: u8 = 7;
const PUSH: u8 = 8;

/// A socket of ours and a bare connection to it.
fn joined<K: kind::Typed>() -> (Socket<K>, TcpStream) {
    let socket = Socket::<K>::builder().context(&Context::new()).recv_timeout(LONG).send_timeout(LONG).build().unwrap();
    let endpoint = socket.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    (socket, stream)
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(read, bytes);
}

#[test]
fn a_dealer_talks_with_a_router_of_2_0() {
    let (dealer, mut stream) = joined::<kind::Dealer>();
    stream.write_all(&greeting_2_0(ROUTER)).unwrap();
    // We offer 3, then settle for 2.0: our type, an empty identity.
    expect(&mut stream, &[OUR_SIGNATURE, &[3, DEALER], b"\x00\x00"].concat());
    dealer.send(["one", "two"]).unwrap();
    expect(&mut stream, b"\x01\x03one\x00\x03two");
    stream.write_all(b"\x01\x00\x00\x05Hello").unwrap();
    assert_eq!(dealer.recv().unwrap(), ["", "Hello"]);
}

#[test]
fn a_dealer_talks_with_a_router_of_1_0() {
    let (dealer, mut stream) = joined::<kind::Dealer>();
    stream.write_all(GREETING_1_0).unwrap();
    // Our signature is the header of our identity to such a peer: a long one, empty.
    expect(&mut stream, OUR_SIGNATURE);
    dealer.send(["one", "two"]).unwrap();
    expect(&mut stream, b"\x04\x01one\x04\x00two");
    stream.write_all(b"\x01\x01\x06\x00Hello").unwrap();
    assert_eq!(dealer.recv().unwrap(), ["", "Hello"]);
}

#[test]
fn large_messages_have_long_headers_in_each_version() {
    let body = vec![7; 70_000];
    let length = (body.len() as u64).to_be_bytes();
    let one_more = (body.len() as u64 + 1).to_be_bytes();
    let cases = [
        (greeting_2_0(PUSH), [&[2][..], &length, &body].concat()),
        (GREETING_1_0.to_vec(), [&[0xff][..], &one_more, &[0], &body].concat()),
    ];
    for (greeting, frame) in cases {
        let (pull, mut stream) = joined::<kind::Pull>();
        stream.write_all(&[greeting.clone(), frame.clone()].concat()).unwrap();
        assert_eq!(pull.recv().unwrap().as_bytes(), body);

        let (push, mut stream) = joined::<kind::Push>();
        let greeting = if greeting == GREETING_1_0 { greeting } else { greeting_2_0(PULL) };
        stream.write_all(&greeting).unwrap();
        push.send(body.clone()).unwrap();
        let ours = if greeting == GREETING_1_0 { vec![] } else { vec![3, PUSH, 0, 0] };
        expect(&mut stream, &[OUR_SIGNATURE, &ours, &frame].concat());
    }
}

#[test]
fn a_greeting_may_come_byte_by_byte() {
    for bytes in [[greeting_2_0(PUSH), b"\x00\x05Hello".to_vec()].concat(), b"\x01\x00\x06\x00Hello".to_vec()] {
        let (pull, mut stream) = joined::<kind::Pull>();
        stream.set_nodelay(true).unwrap();
        for byte in bytes {
            stream.write_all(&[byte]).unwrap();
        }
        assert_eq!(pull.recv().unwrap(), "Hello");
    }
}

#[test]
fn a_rep_answers_requests_of_older_versions() {
    let cases = [
        (greeting_2_0(REQ), b"\x01\x00\x00\x05Hello".to_vec(), vec![3, REP, 0, 0], b"\x01\x00\x00\x05World".to_vec()),
        (GREETING_1_0.to_vec(), b"\x01\x01\x06\x00Hello".to_vec(), vec![], b"\x01\x01\x06\x00World".to_vec()),
    ];
    for (greeting, request, ours, reply) in cases {
        let (rep, mut stream): (Rep, _) = joined();
        stream.write_all(&[greeting, request].concat()).unwrap();
        assert_eq!(rep.recv().unwrap(), "Hello");
        rep.send("World").unwrap();
        expect(&mut stream, &[OUR_SIGNATURE, &ours, &reply].concat());
    }
}

#[test]
fn a_router_knows_a_peer_of_2_0_by_its_identity() {
    let (router, mut stream): (Router, _) = joined();
    stream.write_all(&[OUR_SIGNATURE, &[1, DEALER], b"\x00\x03ann", b"\x00\x05Hello"].concat()).unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "Hello"]);
}

#[test]
fn a_router_knows_a_peer_of_1_0_by_its_identity() {
    let (router, mut stream): (Router, _) = joined();
    stream.write_all(b"\x04\x00ann\x06\x00Hello").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "Hello"]);
}

#[test]
fn a_subscriber_of_2_0_gets_what_it_wants() {
    let (publisher, mut stream): (Pub, _) = joined();
    stream.write_all(&[&greeting_2_0(SUB)[..], b"\x00\x06\x01topic"].concat()).unwrap();
    publisher.wait_subscribed("topic", 1, LONG).unwrap();
    publisher.send("other").unwrap();
    publisher.send("topic 1").unwrap();
    expect(&mut stream, &[OUR_SIGNATURE, &[3, PUB], b"\x00\x00\x00\x07topic 1"].concat());
}

#[test]
fn a_subscriber_of_1_0_gets_everything_and_chooses_itself() {
    let (publisher, mut stream): (Pub, _) = joined();
    stream.write_all(GREETING_1_0).unwrap();
    // What such a peer wants, everything, counts as subscribed to a moment after it has connected.
    publisher.wait_subscribed("", 1, LONG).unwrap();
    publisher.send("other").unwrap();
    publisher.send("topic").unwrap();
    expect(&mut stream, &[OUR_SIGNATURE, b"\x06\x00other\x06\x00topic"].concat());
}
