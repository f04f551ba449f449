//! udp: datagrams out and in. What is sent goes at once or not at all; what comes has no connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use zmtp::{Frame, SocketType};

use crate::endpoint::{UdpInterface, UdpPlace};
use crate::message::Message;
use crate::options::Options;
use crate::sys::{extras, net};

/// A descriptor that datagrams go out by or come in by, and what they look like.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    /// Where a RADIO's go.
    to: Option<SocketAddr>,
    shape: Shape,
}

/// What a look for a datagram came to.
pub(crate) enum Received {
    Message(Message),
    /// A datagram that makes no message, or word of one that was not delivered.
    Unfit,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Group and body, of RADIO and DISH.
    Group,
    /// Body; a message has the address before it. Of DGRAM.
    Address,
}

impl Datagrams {
    /// Receives at a place; a DGRAM also sends from there.
    pub(crate) fn bind(place: UdpPlace, socket_type: SocketType, options: &Options) -> io::Result<Datagrams> {
        let UdpPlace { address, interface } = place;
        let socket = open(address, options)?;
        // The port that the system is to choose could else be one that another socket, which allows it, has already.
        socket.set_reuse_address(address.port() != 0)?;
        if !address.ip().is_multicast() {
            socket.bind(&SockAddr::from(address))?;
            return Datagrams::new(socket, None, socket_type);
        }
        socket.set_reuse_port(true)?;
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())),
            SocketAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, address.port())),
        };
        socket.bind(&SockAddr::from(any))?;
        match (address, interface) {
            (SocketAddr::V4(group), UdpInterface::Address(by)) => socket.join_multicast_v4(group.ip(), &by)?,
            (SocketAddr::V4(group), _) => socket.join_multicast_v4(group.ip(), &Ipv4Addr::UNSPECIFIED)?,
            (SocketAddr::V6(group), UdpInterface::Index(by)) => socket.join_multicast_v6(group.ip(), by)?,
            (SocketAddr::V6(group), _) => socket.join_multicast_v6(group.ip(), 0)?,
        }
        Datagrams::new(socket, None, socket_type)
    }

    /// Sends to a place.
    pub(crate) fn connect(place: UdpPlace, socket_type: SocketType, options: &Options) -> io::Result<Datagrams> {
        let UdpPlace { address, interface } = place;
        let socket = open(address, options)?;
        if address.ip().is_multicast() {
            match address {
                SocketAddr::V4(_) => {
                    socket.set_multicast_ttl_v4(options.multicast_hops)?;
                    socket.set_multicast_loop_v4(options.multicast_loop)?;
                }
                SocketAddr::V6(_) => {
                    socket.set_multicast_hops_v6(options.multicast_hops)?;
                    socket.set_multicast_loop_v6(options.multicast_loop)?;
                }
            }
            match interface {
                UdpInterface::Default => {}
                UdpInterface::Address(by) => socket.set_multicast_if_v4(&by)?,
                UdpInterface::Index(by) => socket.set_multicast_if_v6(by)?,
            }
        }
        Datagrams::new(socket, Some(address), socket_type)
    }

    fn new(socket: Socket, to: Option<SocketAddr>, socket_type: SocketType) -> io::Result<Datagrams> {
        let shape = if socket_type == SocketType::Dgram { Shape::Address } else { Shape::Group };
        Ok(Datagrams { socket: socket.into(), to, shape })
    }

    /// The address it is bound to.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends a message, if it makes a datagram and the kernel takes it. Answers whether.
    pub(crate) fn send(&self, message: &Message) -> bool {
        let (first, body) = (message.first(), message.last());
        match (self.shape, self.to) {
            (Shape::Group, Some(to)) => {
                let Ok(len) = u8::try_from(first.len()) else { return false };
                let datagram = [&[len], first.as_slice(), body.as_slice()].concat();
                datagram.len() <= DATAGRAM_BYTES_MAX && net::send_to(&self.socket, &datagram, to).is_ok()
            }
            (Shape::Address, _) => {
                let text = first.strip_suffix(b"\0").unwrap_or(first);
                let to = std::str::from_utf8(text).ok().and_then(|text| text.parse::<SocketAddrV4>().ok());
                to.filter(|to| to.port() > 0 && body.len() <= DATAGRAM_BYTES_MAX)
                    .is_some_and(|to| net::send_to(&self.socket, body, to.into()).is_ok())
            }
            (Shape::Group, None) => false,
        }
    }

    /// Takes the next datagram. Those that make no message are told of too: whoever sends nothing else is not to keep
    /// the caller here.
    pub(crate) fn recv(&self, buffer: &mut [u8]) -> Received {
        let (count, from) = match net::recv_from(&self.socket, buffer) {
            Ok(received) => received,
            // Of what was sent before: nobody was there. What follows may be good.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Received::Unfit,
            Err(_) => return Received::Nothing,
        };
        let datagram = buffer.get(..count).unwrap_or_default();
        let message = match (self.shape, from) {
            (Shape::Group, _) => group_and_body(datagram),
            (Shape::Address, SocketAddr::V4(from)) => {
                Some(Message::from(vec![Frame::from(format!("{from}\0")), Frame::from(datagram)]))
            }
            (Shape::Address, SocketAddr::V6(_)) => None,
        };
        message.map_or(Received::Unfit, Received::Message)
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A byte for the group's length, the group, the body.
fn group_and_body(datagram: &[u8]) -> Option<Message> {
    let (len, rest) = datagram.split_first()?;
    let (group, body) = rest.split_at_checked(usize::from(*len))?;
    Some(Message::from([group, body]))
}

fn open(address: SocketAddr, options: &Options) -> io::Result<Socket> {
    let socket = net::open(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if !options.bind_to_device.is_empty() {
        extras::bind_device(&socket, &options.bind_to_device)?;
    }
    Ok(socket)
}

/// As libzmq: longer ones are not sent.
const DATAGRAM_BYTES_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_the_system_chose_is_not_shared() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bind = |address| {
            let place = UdpPlace { address, interface: UdpInterface::Default };
            Datagrams::bind(place, SocketType::Dish, &Options::default())
        };
        let chosen = bind(address).unwrap();
        let again = bind(chosen.local_address().unwrap());
        assert!(again.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    }

    #[test]
    fn datagrams_that_make_no_message_are_passed_over_one_at_a_time() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let place = UdpPlace { address, interface: UdpInterface::Default };
        let dish = Datagrams::bind(place, SocketType::Dish, &Options::default()).unwrap();
        let from = UdpSocket::bind(address).unwrap();
        for datagram in [&b""[..], b"\xff", b"\x05tv", b"\x02tvnews"] {
            from.send_to(datagram, dish.local_address().unwrap()).unwrap();
        }
        let mut buffer = [0; 100];
        for _ in 0..3 {
            assert!(matches!(dish.recv(&mut buffer), Received::Unfit));
        }
        let Received::Message(message) = dish.recv(&mut buffer) else { panic!("nothing came") };
        assert_eq!(message, ["tv", "news"]);
        assert!(matches!(dish.recv(&mut buffer), Received::Nothing));
    }
}
