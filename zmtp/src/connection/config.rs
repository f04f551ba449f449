//! Config: what one side of a connection is and wants, and the most it takes.

use std::time::Duration;

use crate::frame::Frame;
use crate::heartbeat::Heartbeat;
use crate::mechanism::MechanismConfig;
use crate::socket_type::SocketType;

/// What one side of a connection is and wants.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The own socket type.
    pub socket_type: SocketType,
    /// Whether this side bound, and the peer connected.
    pub as_server: bool,
    /// The own identity; empty for none.
    pub routing_id: Frame,
    /// Properties of the application to tell the peer; names start with `X-`.
    pub metadata: Vec<(String, Vec<u8>)>,
    /// What to accept.
    pub limits: Limits,
    /// How to watch the peer's liveness.
    pub heartbeat: Heartbeat,
    /// How long the peer may take for the handshake; `None`: as long as it likes.
    pub handshake_timeout: Option<Duration>,
    /// The security mechanism.
    pub mechanism: MechanismConfig,
    /// Whether to ask, with NULL or as a CURVE server, if a peer is welcome
    /// ([`Event::Authenticate`](crate::Event::Authenticate)). A PLAIN server always asks.
    pub authenticate: bool,
}

/// The most a peer may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one frame; `None`: no limit. Commands of the handshake count too.
    pub frame_bytes_max: Option<u64>,
    /// Bytes of all frames of a message; `None`: no limit. 1 GiB by default.
    pub message_bytes_max: Option<u64>,
    /// Frames of a message; 65,536 by default.
    pub message_frames_max: usize,
    /// Bytes of a command of the handshake; 64 KiB by default.
    pub command_bytes_max: usize,
}

impl Config {
    /// The defaults for a socket type: NULL, no identity, 30 s for the handshake, no heartbeat.
    pub fn new(socket_type: SocketType) -> Config {
        Config {
            socket_type,
            as_server: false,
            routing_id: Frame::new(),
            metadata: Vec::new(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            handshake_timeout: Some(Duration::from_secs(30)),
            mechanism: MechanismConfig::Null,
            authenticate: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            frame_bytes_max: None,
            message_bytes_max: Some(1 << 30),
            message_frames_max: 65_536,
            command_bytes_max: 64 * 1024,
        }
    }
}
