//! What ends a connection, and whose fault it is.

use std::fmt;

/// Why a connection is over.
///
/// ```
/// # use zmtp::Error;
/// let error = Error::Oversize { bytes: 4096, limit: 1000 };
/// assert_eq!(error.to_string(), "the peer sent or announced 4096 bytes where 1000 are allowed");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer sent a frame, message or command larger than allowed; bytes announced, bytes allowed.
    Oversize {
        /// What the peer announced or sent.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The peer sent a message of more frames than allowed.
    TooManyFrames {
        /// What is allowed.
        limit: usize,
    },
    /// The peer's bytes are no frame.
    MalformedFrame,
    /// The peer's metadata cannot be read.
    MalformedMetadata,
    /// The peer's command cannot be read.
    MalformedCommand(&'static str),
    /// The peer sent a command that must not come now.
    UnexpectedCommand,
    /// The peer sent something while nothing was due from it.
    NothingExpected,
    /// The peer's metadata, encrypted or behind a password, cannot be read.
    InvalidMetadata,
    /// What the peer sent does not decrypt: a wrong key, or somebody in between.
    Cryptographic,
    /// The peer vouches for another connection's key.
    KeyExchange,
    /// An encrypted frame came a second time, or out of order.
    InvalidSequence,
    /// The security context of GSSAPI is not to be had: no credentials, no such service, a ticket that is too old; in the
    /// words of the system's library.
    Negotiation(String),
    /// The system gives no random bytes.
    NoRandom,
    /// The system gives no memory for what the peer sends.
    OutOfMemory,
    /// The peer offers another security mechanism.
    MechanismMismatch(String),
    /// The peer's ZMTP version has no security, which this socket asks for.
    InsecureVersion,
    /// The peer is of a type this socket type cannot talk to.
    IncompatibleType(String),
    /// The peer's message does not have the shape a REQ socket takes.
    MalformedReply,
    /// The peer refused, with this reason.
    Refused(String),
    /// The peer did not finish the handshake in time.
    HandshakeTimeout,
    /// The peer has been silent for too long.
    HeartbeatTimeout,
}

impl Error {
    /// The monitor event value libzmq reports for it (`ZMQ_PROTOCOL_ERROR_…`); `None` where it reports no such event.
    ///
    /// ```
    /// # use zmtp::Error;
    /// assert_eq!(Error::Cryptographic.protocol_code(), Some(0x1100_0001));
    /// assert_eq!(Error::HandshakeTimeout.protocol_code(), None);
    /// ```
    pub fn protocol_code(&self) -> Option<u32> {
        match self {
            Error::MechanismMismatch(_) => Some(0x1100_0002),
            Error::UnexpectedCommand => Some(0x1000_0001),
            Error::NothingExpected => Some(0x1000_0000),
            Error::InvalidSequence => Some(0x1000_0002),
            Error::KeyExchange => Some(0x1000_0003),
            Error::InvalidMetadata => Some(0x1000_0018),
            Error::Cryptographic => Some(0x1100_0001),
            Error::MalformedCommand(name) => Some(match *name {
                "MESSAGE" => 0x1000_0012,
                "HELLO" => 0x1000_0013,
                "INITIATE" => 0x1000_0014,
                "ERROR" => 0x1000_0015,
                "READY" => 0x1000_0016,
                "WELCOME" => 0x1000_0017,
                _ => 0x1000_0011,
            }),
            _ => None,
        }
    }

    /// The status a peer has refused this side with, if it is one of ZAP's (RFC 27): 300, 400 or 500.
    ///
    /// ```
    /// # use zmtp::Error;
    /// assert_eq!(Error::Refused("400".into()).refused_status(), Some(400));
    /// assert_eq!(Error::Refused("go away".into()).refused_status(), None);
    /// ```
    pub fn refused_status(&self) -> Option<u16> {
        match self {
            Error::Refused(reason) => match reason.as_str() {
                "300" => Some(300),
                "400" => Some(400),
                "500" => Some(500),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the peer was too slow, rather than wrong.
    ///
    /// ```
    /// # use zmtp::Error;
    /// assert!(Error::HandshakeTimeout.is_timeout() && !Error::MalformedFrame.is_timeout());
    /// ```
    pub fn is_timeout(&self) -> bool {
        matches!(self, Error::HandshakeTimeout | Error::HeartbeatTimeout)
    }

    /// Whether a connecting socket should try again: after a timeout, or when there was no memory or no ticket to be
    /// had, not after a breach of the protocol.
    ///
    /// ```
    /// # use zmtp::Error;
    /// assert!(Error::OutOfMemory.retryable() && !Error::MalformedFrame.retryable());
    /// ```
    pub fn retryable(&self) -> bool {
        self.is_timeout() || matches!(self, Error::Negotiation(_) | Error::OutOfMemory)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Oversize { bytes, limit } => {
                write!(f, "the peer sent or announced {bytes} bytes where {limit} are allowed")
            }
            Error::TooManyFrames { limit } => write!(f, "the peer sent a message of more than {limit} frames"),
            Error::MalformedFrame => f.write_str("the peer's bytes are no ZMTP frame"),
            Error::MalformedMetadata => f.write_str("the peer's metadata cannot be read"),
            Error::MalformedCommand(name) => write!(f, "the peer's {name} command cannot be read"),
            Error::UnexpectedCommand => f.write_str("the peer sent a command that must not come now"),
            Error::NothingExpected => f.write_str("the peer sent a command when none was due"),
            Error::InvalidMetadata => f.write_str("the peer's metadata cannot be read"),
            Error::Cryptographic => f.write_str("what the peer sent does not decrypt: is the key the right one?"),
            Error::KeyExchange => f.write_str("the peer vouches for another connection's key"),
            Error::InvalidSequence => f.write_str("an encrypted frame came twice or out of order"),
            Error::Negotiation(text) => f.write_str(text),
            Error::NoRandom => f.write_str("the system gives no random bytes"),
            Error::OutOfMemory => f.write_str("the system gives no memory for what the peer sends"),
            Error::MechanismMismatch(name) => write!(f, "the peer offers the security mechanism {name}, not ours"),
            Error::InsecureVersion => f.write_str("the peer's ZMTP version has no security, which is required"),
            Error::IncompatibleType(name) => write!(f, "the peer is a {name} socket, which this type cannot talk to"),
            Error::MalformedReply => f.write_str("the peer's message is not shaped like a reply"),
            Error::Refused(reason) => write!(f, "the peer refused the connection: {reason}"),
            Error::HandshakeTimeout => f.write_str("the peer did not finish the handshake in time"),
            Error::HeartbeatTimeout => f.write_str("the peer has been silent for too long"),
        }
    }
}

impl std::error::Error for Error {}
