//! Link: one established stream to a peer, as the threads that write and read it see it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Instant;

use rustix::io::Errno;
use socket2::Socket;
use zmtp::{Connection, Sealer};

use super::IoHandle;
use crate::pipe::PipeId;
use crate::pipe::sync::SleepingMutex as Mutex;
use crate::socket::core::SocketCore;
use crate::zap::Fault;

/// An established stream. Its output belongs to whoever moved its outbox to `Draining`; its input to whoever holds the
/// lock of its reader. It is closed when the last of them lets go.
pub(crate) struct Link {
    pub(crate) stream: Socket,
    pub(crate) reader: Mutex<Reader>,
    pub(crate) socket: Weak<SocketCore>,
    pub(crate) pipe: PipeId,
    /// The I/O thread that connected it, and that ends it.
    pub(crate) io: Arc<IoHandle>,
    /// Its session there.
    pub(crate) token: u64,
    /// What is written is encrypted by it, by whoever writes. Locked by one thread at a time anyway: that which owns the
    /// batch.
    pub(crate) sealer: Option<Mutex<Sealer>>,
    /// Somebody has seen its end; told to the I/O thread once.
    pub(crate) lost: AtomicBool,
}

/// The input side.
pub(crate) struct Reader {
    pub(crate) protocol: Protocol,
    /// When the I/O thread is going to look at the protocol's timers.
    pub(crate) timer: Option<Instant>,
}

/// What the bytes mean.
pub(crate) enum Protocol {
    Zmtp(Box<Connection>),
    /// STREAM: each piece read, of at most so many bytes, is a message.
    Raw {
        piece_bytes: usize,
    },
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Loss {
    /// The peer closed it.
    PeerClosed,
    /// The system reported an error.
    Io(io::Error),
    /// The peer broke the protocol, or fell silent.
    Protocol(zmtp::Error),
    /// There is no authenticator to ask about the peer, and there has to be one.
    NobodyToAsk,
    /// The authenticator's answer cannot be read.
    Answer(Fault),
    /// The socket's own authenticator did not answer in time.
    NoAnswer,
    /// The peer wants more than one may have.
    Greedy(&'static str),
    /// Another peer has its routing id.
    Duplicate,
    /// Newer peers need its place.
    Crowded,
    /// The program asked for it.
    Asked,
    /// The program asked for the end of this connection, and for another.
    Renewed,
}

impl Loss {
    /// The number libzmq would give for it in a monitor event.
    pub(crate) fn errno(&self) -> u64 {
        let errno = match self {
            Loss::PeerClosed => Errno::PIPE,
            Loss::Io(error) => return error.raw_os_error().unwrap_or_default() as u64,
            Loss::Protocol(zmtp::Error::OutOfMemory) => Errno::NOMEM,
            // libzmq takes a stranger for a peer of ZMTP 1.0, and tells of it once it has gone.
            Loss::Protocol(zmtp::Error::MalformedFrame) => Errno::PIPE,
            Loss::Protocol(error) if error.is_timeout() => Errno::AGAIN,
            Loss::Protocol(error) if error.retryable() => Errno::ACCESS,
            Loss::Protocol(_) | Loss::Answer(_) | Loss::Greedy(_) => Errno::PROTO,
            Loss::NoAnswer => Errno::TIMEDOUT,
            Loss::Duplicate => Errno::EXIST,
            Loss::Crowded => Errno::NOBUFS,
            Loss::NobodyToAsk => Errno::FAULT,
            Loss::Asked | Loss::Renewed => return 0,
        };
        errno.raw_os_error() as u64
    }

    /// Whether a connecting socket should try again.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Loss::PeerClosed | Loss::Io(_) | Loss::NobodyToAsk | Loss::NoAnswer => true,
            Loss::Duplicate | Loss::Crowded | Loss::Renewed => true,
            Loss::Answer(_) | Loss::Greedy(_) => false,
            Loss::Protocol(error) => error.retryable(),
            Loss::Asked => false,
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Loss::PeerClosed => f.write_str("the peer closed the connection"),
            Loss::Io(error) => error.fmt(f),
            Loss::Protocol(error) => error.fmt(f),
            Loss::NobodyToAsk => f.write_str("there is no authenticator to ask whether the peer is welcome"),
            Loss::Answer(_) => f.write_str("the authenticator's answer cannot be read"),
            Loss::NoAnswer => f.write_str("the authenticator did not answer in time"),
            Loss::Greedy(what) => write!(f, "the peer asks for more than it may have: {what}"),
            Loss::Duplicate => f.write_str("another peer has its routing id"),
            Loss::Crowded => f.write_str("its handshake was the oldest of its address, of too many at once"),
            Loss::Asked | Loss::Renewed => f.write_str("closed by this side"),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
