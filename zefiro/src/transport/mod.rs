//! Transports: how streams are listened for and dialled. What they have in common is a [`socket2::Socket`] that does
//! not block; what runs over it is none of their business.

pub(crate) mod inproc;
pub(crate) mod ipc;
pub(crate) mod socks;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::io;

use socket2::Socket;

use crate::sys::net;

/// An attempt to connect.
pub(crate) struct Dial {
    pub(crate) stream: Socket,
    /// Connected at once; otherwise the stream becomes writable when it is, or has failed.
    pub(crate) connected: bool,
}

/// Begins to connect without blocking.
fn begin_connect(stream: Socket, address: &socket2::SockAddr) -> io::Result<Dial> {
    match net::connect(&stream, address) {
        Ok(()) => Ok(Dial { stream, connected: true }),
        Err(error) if is_pending(&error) => Ok(Dial { stream, connected: false }),
        Err(error) => Err(error),
    }
}

fn is_pending(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}
