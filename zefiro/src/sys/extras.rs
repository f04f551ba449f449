//! What only some systems can set of a socket; elsewhere that is refused, not passed over.

use std::io;
use std::time::Duration;

use socket2::Socket;

macro_rules! on_linux {
    ($($(#[$doc:meta])* $name:ident($socket:ident, $value:ident: $type:ty) $set:block)*) => {
        $(
            $(#[$doc])*
            #[cfg(any(target_os = "linux", target_os = "android"))]
            pub(crate) fn $name($socket: &Socket, $value: $type) -> io::Result<()> $set

            $(#[$doc])*
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            pub(crate) fn $name(_: &Socket, _: $type) -> io::Result<()> {
                Err(io::Error::new(io::ErrorKind::Unsupported, concat!(stringify!($name), ": not on this system")))
            }
        )*
    };
}

on_linux! {
    /// How long sent data may stay unacknowledged.
    set_retransmission_limit(socket, time: Duration) {
        socket.set_tcp_user_timeout(Some(time))
    }
    /// The priority of packets.
    set_priority(socket, priority: u32) {
        socket.set_priority(priority)
    }
    /// How many microseconds to poll the device.
    set_busy_poll(socket, micros: u32) {
        socket.set_busy_poll(micros)
    }
    /// How the connection finds out how much it may send.
    set_congestion_control(socket, name: &[u8]) {
        socket.set_tcp_congestion(name)
    }
    /// The one network device to use.
    bind_device(socket, device: &[u8]) {
        socket.bind_device(Some(device))
    }
}

/// How a connection finds out how much it may send, unless it is told otherwise.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn congestion_control(socket: &Socket) -> io::Result<Vec<u8>> {
    socket.tcp_congestion()
}

/// The same where nobody knows.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn congestion_control(_: &Socket) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}
