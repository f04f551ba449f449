//! Transports: how streams are listened for and dialled. What they have in common is a [`socket2::Socket`] that does
//! not block; what runs over it is none of their business.

pub(crate) mod inproc;
pub(crate) mod ipc;
pub(crate) mod socks;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use socket2::Socket;

use crate::options::Options;
use crate::sys::net;

/// The option's default, as libzmq's. A queue of 100 is soon full when many peers come at once, and those beyond it
/// would try again after a second: so it asks for as long a queue as the system allows.
pub(crate) const BACKLOG_DEFAULT: u32 = 100;

/// How many connections the system is asked to hold for a listener.
fn backlog(options: &Options) -> i32 {
    match options.backlog {
        BACKLOG_DEFAULT => i32::MAX,
        chosen => i32::try_from(chosen).unwrap_or(i32::MAX),
    }
}

/// Why nothing listens, and what number the descriptor had that was to.
pub(crate) struct NotListening {
    pub(crate) error: io::Error,
    pub(crate) descriptor: Option<RawFd>,
}

impl NotListening {
    fn of(socket: &Socket, error: io::Error) -> NotListening {
        NotListening { error, descriptor: Some(socket.as_raw_fd()) }
    }
}

impl From<io::Error> for NotListening {
    fn from(error: io::Error) -> NotListening {
        NotListening { error, descriptor: None }
    }
}

/// An attempt to connect.
pub(crate) struct Dial {
    pub(crate) stream: Socket,
    /// Connected at once; otherwise the stream becomes writable when it is, or has failed.
    pub(crate) connected: bool,
}

/// Why nobody is dialled.
#[derive(Debug)]
pub(crate) struct NotDialled {
    pub(crate) error: io::Error,
    pub(crate) begun: Begun,
}

impl From<io::Error> for NotDialled {
    fn from(error: io::Error) -> NotDialled {
        NotDialled { error, begun: Begun::Yes }
    }
}

/// Whether there was a socket to dial with, as the options would have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begun {
    No,
    Yes,
    /// It dialled, and its descriptor had this number.
    With(RawFd),
}

/// Begins to connect without blocking.
fn begin_connect(stream: Socket, address: &socket2::SockAddr) -> Result<Dial, NotDialled> {
    match net::connect(&stream, address) {
        Ok(()) => Ok(Dial { stream, connected: true }),
        Err(error) if is_pending(&error) => Ok(Dial { stream, connected: false }),
        Err(error) => Err(NotDialled { error, begun: Begun::With(stream.as_raw_fd()) }),
    }
}

fn is_pending(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}
