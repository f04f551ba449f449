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

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use socket2::Socket;
use zmtp::{Connection, Frame, PeerInfo};

use super::Which;
use super::connector::{Dialer, Race};
use super::link::{Link, Loss};
use super::listener::{Listener, Seat};
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
    /// What the stream is watched for during the handshake.
    greeting_interest: Interest,
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
