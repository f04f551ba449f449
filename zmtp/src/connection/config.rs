//! Config: what one side of a connection is and wants, and the most it takes.

use std::time::Duration;

use crate::frame::Frame;
use crate::heartbeat::Heartbeat;
use crate::mechanism::MechanismConfig;
use crate::socket_type::SocketType;

/// What one side of a connection is and wants.
///
/// ```
/// # use zmtp::{Config, SocketType};
/// let mut config = Config::new(SocketType::Dealer);
/// config.routing_id = "worker-1".into();
/// config.metadata.push(("X-Shift".into(), b"night".to_vec()));
/// ```
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
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, Error, SocketType};
/// # let now = Instant::now();
/// let mut config = Config::new(SocketType::Pull);
/// config.limits.frame_bytes_max = Some(1000);
/// let mut pull = Connection::new(Arc::new(config), now);
/// // A peer of ZMTP 2.0 that announces a frame of 4,096 bytes.
/// pull.input().extend_from_slice(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\0\0\x02\0\0\0\0\0\0\x10\0");
/// assert_eq!(pull.handle_input(now), Err(Error::Oversize { bytes: 4096, limit: 1000 }));
/// ```
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
    ///
    /// ```
    /// # use zmtp::{Config, MechanismConfig, SocketType};
    /// let config = Config::new(SocketType::Push);
    /// assert_eq!((config.mechanism, config.as_server), (MechanismConfig::Null, false));
    /// ```
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
