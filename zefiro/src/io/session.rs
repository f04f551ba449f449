//! Session: one peer's stream from its first byte to its end, as its I/O thread sees it.
//!
//! ```text
//!             ┌──────────────── wait, try again ◄───────────────┐
//!             ▼                                                 │
//!   connect: Waiting ─► Resolving ─► Dialing ─┐  (Proxying)     │
//!                                             ├─► Greeting ─► Established
//!   accept: ──────────────────────────────────┘    (ZMTP)       (Link)
//! ```

mod establish;
mod handshake;
mod question;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use socket2::Socket;
use zmtp::{Connection, Frame, PeerInfo};

use super::connector::{Dialer, Race};
use super::link::{Link, Loss};
use super::listener::{Listener, Seat};
use super::{IoHandle, Which};
use crate::auth::{Answer, Asked};
use crate::gssapi::Negotiation;
use crate::monitor::{self, EventKind};
use crate::options::Options;
use crate::pipe::PipeId;
use crate::socket::core::SocketCore;
use crate::socket::salute;
use crate::sys::Interest;
use crate::transport::socks::Socks;

/// One peer's stream.
pub(crate) struct Session {
    pub(crate) core: Arc<SocketCore>,
    pub(crate) origin: Origin,
    pub(crate) phase: Phase,
    pub(crate) peer: Peer,
    /// The program has ended it; it goes when its pipe is flushed, or at the time given.
    pub(crate) closing: Option<Option<Instant>>,
    /// A question about the peer that the authenticator has not answered yet.
    asked: Option<Asked>,
    /// GSSAPI: the security context until it stands.
    negotiation: Option<Negotiation>,
    /// What the authenticator said of the peer.
    admitted: Option<Answer>,
    /// The peer was refused: nothing it says is of interest any more.
    pub(crate) refused: bool,
    /// What it said nevertheless.
    refused_bytes: usize,
    /// The peer speaks plain bytes, or a ZMTP older than 3.0: there is no mechanism, and no handshake to tell of.
    pub(crate) without_mechanism: bool,
    /// What the stream is watched for during the handshake, or a proxy's.
    pub(crate) greeting_interest: Interest,
    /// When the session wants to be looked at: the end of a wait, of an attempt, of the handshake, of lingering.
    pub(crate) deadline: Option<Instant>,
}

/// How the stream came to be.
pub(crate) enum Origin {
    Connect(Box<Dialer>),
    Accept(Arc<Listener>),
}

/// How far it has come.
pub(crate) enum Phase {
    /// Nothing more will happen: the protocol was broken, or no reconnect is wanted.
    Over,
    Waiting,
    Resolving,
    /// Attempts to connect, the first of which to succeed is taken.
    Dialing(Race),
    /// Connected to a proxy, which is being asked for a connection to the peer.
    Proxying(Socket, Box<Socks>),
    Greeting(Socket, Box<Connection>, Vec<u8>),
    Established(Arc<Link>),
}

/// Where the other end is.
#[derive(Clone, Default, Debug)]
pub(crate) struct Peer {
    /// As an endpoint.
    pub(crate) endpoint: Option<String>,
    /// As an address alone.
    pub(crate) address: Option<String>,
    /// What its address is counted as.
    pub(crate) network: Option<IpAddr>,
    /// Its address is an IPv4 one, on an IPv6 socket.
    pub(crate) mapped: bool,
    /// This end of the stream, as an endpoint.
    pub(crate) local: Option<String>,
    /// The number of the stream's descriptor, to name it by.
    pub(crate) descriptor: i32,
    /// Held while it is connected, where connections of an address are counted.
    pub(crate) seat: Option<Arc<Seat>>,
}

/// A stream that the system has just connected.
pub(crate) struct Fresh {
    pub(crate) stream: Socket,
    /// Of the other end, if that is known already.
    pub(crate) address: Option<SocketAddr>,
    /// The I/O thread has it in its set already.
    pub(crate) watched: bool,
}

impl Fresh {
    /// Has the I/O thread told of what comes. Should the system refuse to change how the stream is watched, it is watched
    /// anew.
    pub(crate) fn watch(&self, io: &IoHandle, token: u64) -> io::Result<()> {
        if self.watched {
            if io.selector.modify(&self.stream, token, Interest::READ).is_ok() {
                return Ok(());
            }
            self.unwatch(io);
        }
        io.selector.add(&self.stream, token, Interest::READ)
    }

    /// The stream is of no use: the I/O thread is told nothing more of it.
    pub(crate) fn unwatch(&self, io: &IoHandle) {
        if self.watched {
            let _ = io.selector.remove(&self.stream);
        }
    }
}

/// What a step of the handshake came to.
pub(crate) enum Greeted {
    NotYet,
    Ready(Box<PeerInfo>),
    /// The handshake is over, and so is the connection: what breaks the rules came in one piece with its end.
    Broken(Box<PeerInfo>, Loss),
}

impl Session {
    /// A stream to come, or one that has come.
    pub(crate) fn new(core: Arc<SocketCore>, origin: Origin, peer: Peer) -> Session {
        Session {
            core,
            origin,
            phase: Phase::Waiting,
            peer,
            closing: None,
            asked: None,
            negotiation: None,
            admitted: None,
            refused: false,
            refused_bytes: 0,
            without_mechanism: false,
            greeting_interest: Interest::READ,
            deadline: None,
        }
    }

    /// The endpoint that names it in monitor events and to unbind or disconnect.
    pub(crate) fn endpoint(&self) -> Arc<str> {
        match &self.origin {
            Origin::Connect(dialer) => dialer.text.clone(),
            Origin::Accept(listener) => listener.endpoint.clone(),
        }
    }

    pub(crate) fn options(&self) -> Arc<Options> {
        match &self.origin {
            Origin::Connect(dialer) => dialer.options.clone(),
            Origin::Accept(listener) => listener.options.clone(),
        }
    }

    /// What the socket receives when the established connection is lost.
    pub(crate) fn parting(&self) -> Option<Frame> {
        let socket_type = self.core.socket_type;
        match &self.origin {
            Origin::Connect(dialer) => salute::hiccup(socket_type, &dialer.options).cloned(),
            Origin::Accept(listener) => salute::disconnected(socket_type, &listener.options).cloned(),
        }
    }

    /// Whether it ends its connection only, and connects anew, where `which` is asked to end.
    pub(crate) fn is_to_be_renewed(&self, which: &Which) -> bool {
        let connects = matches!(&self.origin, Origin::Connect(dialer) if dialer.reconnects());
        matches!(which, Which::Connection(..)) && connects && self.closing.is_none()
    }

    /// The pipe: of a connecting session from the start, of an accepted one once it is established.
    pub(crate) fn pipe(&self) -> Option<PipeId> {
        match (&self.phase, &self.origin) {
            (Phase::Established(link), _) => Some(link.pipe),
            (_, Origin::Connect(dialer)) => dialer.pipe,
            _ => None,
        }
    }

    /// Whether messages wait in its pipe.
    pub(crate) fn has_something_to_say(&self) -> bool {
        self.pipe().is_some_and(|pipe| self.core.lock().pipes.get_mut(pipe).is_some_and(|pipe| pipe.queued_out() > 0))
    }

    /// Tells of an event of the connection itself.
    pub(crate) fn emit(&self, kind: EventKind) {
        self.emit_with(kind, self.peer.descriptor as u64);
    }

    /// Tells of an event with a number to it.
    pub(crate) fn emit_with(&self, kind: EventKind, value: u64) {
        let mut state = self.core.lock();
        if !state.is_monitored() {
            return;
        }
        let event = monitor::Event::new(&self.endpoint(), kind);
        let (peer, local) = (self.peer.endpoint.clone(), self.peer.local.clone());
        let proxy = match &self.origin {
            Origin::Connect(dialer) => dialer.proxy(),
            _ => None,
        };
        state.emit(monitor::Event { peer, local, proxy, value, ..event });
    }
}

/// Whether it is an IPv4 address on an IPv6 socket.
pub(crate) fn is_mapped(address: SocketAddr) -> bool {
    address.ip() != address.ip().to_canonical()
}

#[cfg(all(test, not(zefiro_loom), not(zefiro_portable), any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use rustix::event::epoll;

    use super::*;
    use crate::Push;
    use crate::endpoint::Endpoint;
    use crate::sys::ReadyList;

    /// One that dials `endpoint`.
    fn session(endpoint: &str) -> Session {
        let dialer = Dialer::new(endpoint.into(), Endpoint::parse_connect(endpoint).unwrap(), Arc::default(), None);
        Session::new(Push::new().core().clone(), Origin::Connect(Box::new(dialer)), Peer::default())
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_stream_whose_watch_cannot_be_changed_is_watched_anew() {
        let io = Arc::new(IoHandle::new().unwrap());
        let (stream, _peer) = UnixStream::pair().unwrap();
        // The kernel changes nothing of what is watched exclusively.
        let (token, flags) = (epoll::EventData::new_u64(7), epoll::EventFlags::OUT | epoll::EventFlags::EXCLUSIVE);
        epoll::add(&io.selector, &stream, token, flags).unwrap();
        assert!(io.selector.modify(&stream, 7, Interest::READ).is_err());
        let fresh = Fresh { stream: stream.into(), address: None, watched: true };
        assert!(session("ipc://somewhere").begin(fresh, &io, 7, Instant::now()).is_ok());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn one_connected_to_itself_is_watched_no_longer() {
        let io = Arc::new(IoHandle::new().unwrap());
        let stream = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        stream.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        stream.connect(&stream.local_addr().unwrap()).unwrap();
        io.selector.add(&stream, 7, Interest::WRITE).unwrap();
        // As a child has one that was forked off meanwhile: what the kernel watches outlives this end of it.
        let _inherited = stream.try_clone().unwrap();
        let address = stream.peer_addr().unwrap().as_socket();
        let fresh = Fresh { stream, address, watched: true };
        let begun = session("tcp://127.0.0.1:1").begin(fresh, &io, 7, Instant::now());
        assert!(matches!(begun, Err(Loss::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused));
        let mut ready = ReadyList::new();
        io.selector.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert!(ready.is_empty());
    }
}
