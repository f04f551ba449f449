//! Datagrams from strangers.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use zefiro::{AnySocket, Context, Message, SocketType};

use crate::patience::{SLICE, insist};

/// Strangers send datagrams to a DISH or a DGRAM. Of these come those that are well formed, and the good peer's behind
/// them. The first byte chooses the type; what follows is a byte for the length of each datagram, and the datagram.
pub fn datagrams(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let own = if choice & 1 == 0 { SocketType::Dish } else { SocketType::Dgram };
    let context = Context::new();
    let builder = |kind| AnySocket::builder_of(kind).context(&context).linger(Duration::ZERO).recv_timeout(SLICE);
    let socket = builder(own).build().expect("the options are good");
    let endpoint = socket.bind("udp://127.0.0.1:*").expect("it binds").to_string();
    let address: SocketAddr = endpoint.trim_start_matches("udp://").parse().expect("it is an address");
    if own == SocketType::Dish {
        GROUPS.iter().for_each(|group| socket.join(group).expect("it joins"));
    }

    let stranger = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
    let from = format!("{}\0", stranger.local_addr().expect("it is bound"));
    let mut expected: Vec<Message> = Vec::new();
    for datagram in cut(rest) {
        stranger.send_to(datagram, address).expect("the kernel takes it");
        match own {
            SocketType::Dish => expected.extend(group_message(datagram)),
            _ => expected.push(vec![from.as_bytes().to_vec(), datagram.to_vec()].into()),
        }
    }
    for message in &expected {
        assert_eq!(insist("it comes", || socket.recv()), *message);
    }

    if own == SocketType::Dish {
        let good = builder(SocketType::Radio).build().expect("the options are good");
        good.connect(&endpoint).expect("it connects");
        good.send(Message::for_group("tv", "the last")).expect("it sends");
    } else {
        answer(&socket, rest, &stranger, &from);
        let good = builder(SocketType::Dgram).build().expect("the options are good");
        good.bind("udp://127.0.0.1:*").expect("it binds");
        good.send([&format!("{address}\0"), "the last"]).expect("it sends");
    }
    assert!(*insist("the good one is heard", || socket.recv()).last() == "the last");
    assert!(socket.try_recv().is_err(), "what is not well formed came");
    drop(socket);
    context.terminate();
}

/// A DGRAM sends to an address that is only nearly one, then to the stranger.
fn answer(socket: &AnySocket, bytes: &[u8], stranger: &UdpSocket, from: &str) {
    let (at, by) = (bytes.first().copied().unwrap_or_default(), bytes.get(1).copied().unwrap_or_default());
    let mut to = from.as_bytes().to_vec();
    let at = usize::from(at) % to.len();
    to[at] = by;
    let is_address = |text: &str| text.trim_end_matches('\0').parse::<SocketAddrV4>().is_ok();
    // What is one may be anybody's.
    if !std::str::from_utf8(&to).is_ok_and(is_address) {
        let _ = socket.send(vec![to, b"astray".to_vec()]);
    }
    let body = cut(bytes).next().unwrap_or_default();
    socket.send(vec![from.as_bytes().to_vec(), body.to_vec()]).expect("it sends");
    stranger.set_read_timeout(Some(SLICE)).expect("it can be set");
    let mut answer = [0; 300];
    let len = insist("the stranger is answered", || stranger.recv(&mut answer));
    assert_eq!(answer[..len], *body);
}

/// Not so many that the kernel would drop some.
fn cut(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (len, behind) = rest.split_first()?;
        let (datagram, behind) = behind.split_at(behind.len().min(usize::from(*len)));
        rest = behind;
        Some(datagram)
    })
    .take(64)
}

/// What RFC 48 makes of a datagram, for who joined [`GROUPS`].
fn group_message(datagram: &[u8]) -> Option<Message> {
    let len = usize::from(*datagram.first()?);
    let (group, body) = datagram.get(1..)?.split_at_checked(len)?;
    GROUPS.iter().any(|joined| joined.as_bytes() == group).then(|| [group, body].into())
}

const GROUPS: [&str; 3] = ["", "A", "tv"];
