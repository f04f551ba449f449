//! Salutes: messages that a connection itself gives rise to. A peer is greeted with one when it comes (`ZMQ_HELLO_MSG`);
//! the socket receives one, as if from the peer, when a peer that came goes (`ZMQ_DISCONNECT_MSG`) or one it went to is
//! lost (`ZMQ_HICCUP_MSG`).

use zmtp::{Frame, SocketType};

use crate::options::Options;

/// The first message for each new peer of such a socket.
pub(crate) fn hello(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    use SocketType::*;
    options.hello_message.as_ref().filter(|_| matches!(socket_type, Dealer | Router | Rep | Client | Server | Peer))
}

/// As [`hello`], between sockets of one process.
pub(crate) fn hello_inproc(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    match socket_type {
        SocketType::Req => options.hello_message.as_ref(),
        _ => hello(socket_type, options),
    }
}

/// What such a socket receives when a peer that came to it goes.
pub(crate) fn disconnected(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    use SocketType::*;
    options.disconnect_message.as_ref().filter(|_| matches!(socket_type, Router | Rep | Server | Peer))
}

/// What such a socket receives when it loses a peer it went to.
pub(crate) fn hiccup(socket_type: SocketType, options: &Options) -> Option<&Frame> {
    use SocketType::*;
    options.hiccup_message.as_ref().filter(|_| matches!(socket_type, Dealer | Req | Client | Peer))
}
