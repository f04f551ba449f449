//! Salutes: messages that a connection itself gives rise to. A peer is greeted with one when it comes (`ZMQ_HELLO_MSG`);
//! the socket receives one, as if from the peer, when a peer that came goes (`ZMQ_DISCONNECT_MSG`) or one it went to is
//! lost (`ZMQ_HICCUP_MSG`).

use zmtp::{Frame, SocketType};

use crate::options::{GREETERS, GUESTS, HOSTS, Options};

/// The first message for each new peer of such a socket.
pub(crate) fn hello(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    options.hello_message.as_ref().filter(|_| GREETERS.contains(&socket_type) && socket_type != SocketType::Req)
}

/// As [`hello`], between sockets of one process.
pub(crate) fn hello_inproc(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    options.hello_message.as_ref().filter(|_| GREETERS.contains(&socket_type))
}

/// What such a socket receives when a peer that came to it goes.
pub(crate) fn disconnected(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    options.disconnect_message.as_ref().filter(|_| HOSTS.contains(&socket_type))
}

/// What such a socket receives when it loses a peer it went to.
pub(crate) fn hiccup(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    options.hiccup_message.as_ref().filter(|_| GUESTS.contains(&socket_type))
}
