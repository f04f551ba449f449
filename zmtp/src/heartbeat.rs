//! Heartbeat: when to ping, when to give a peer up (RFC 37, section 3; `ZMQ_HEARTBEAT_IVL` and its kin).

use std::time::{Duration, Instant};

/// How a connection's liveness is watched.
///
/// ```
/// # use std::time::Duration;
/// # use zmtp::{Config, Heartbeat, SocketType};
/// let mut config = Config::new(SocketType::Push);
/// config.heartbeat = Heartbeat { interval: Some(Duration::from_secs(5)), ..Heartbeat::default() };
/// assert_eq!(config.heartbeat.timeout, None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heartbeat {
    /// Send a PING this often; `None`: never. A peer's PINGs are answered all the same.
    pub interval: Option<Duration>,
    /// Give the peer up this long after a PING without a sign of life; `None`: never.
    pub timeout: Option<Duration>,
    /// Ask the peer to give this side up after this long; zero: do not ask. In steps of 100 ms, up to 6,553.5 s.
    pub ttl: Duration,
    /// Ping only peers that speak ZMTP 3.1, not those of 3.0 whose authors may not have heard of it.
    pub only_current: bool,
}

impl Heartbeat {
    /// The TTL as a PING carries it, in tenths of a second.
    pub(crate) fn ttl_field(&self) -> u16 {
        u16::try_from(self.ttl.as_millis() / 100).unwrap_or(u16::MAX)
    }
}

/// The clocks of one connection.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    next_ping: Option<Instant>,
    silence_ends: Option<Instant>,
    ttl_ends: Option<Instant>,
}

/// What a look at the clocks says.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Due {
    Nothing,
    Ping,
    PeerDead,
}

impl Clocks {
    /// The handshake is over.
    pub(crate) fn start(&mut self, heartbeat: &Heartbeat, now: Instant) {
        let interval = heartbeat.interval.filter(|interval| !interval.is_zero());
        self.next_ping = interval.and_then(|interval| now.checked_add(interval));
    }

    /// The peer said something.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.silence_ends = None;
        self.ttl_ends = None;
    }

    /// The peer asked to be given up if it is silent for so many tenths of a second.
    pub(crate) fn asked(&mut self, tenths: u16, now: Instant) {
        if tenths > 0 && self.ttl_ends.is_none() {
            self.ttl_ends = now.checked_add(Duration::from_millis(100) * u32::from(tenths));
        }
    }

    /// Whether the peer was silent for too long.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        [self.silence_ends, self.ttl_ends].into_iter().flatten().any(|end| end <= now)
    }

    pub(crate) fn look(&mut self, heartbeat: &Heartbeat, now: Instant) -> Due {
        if self.is_late(now) {
            return Due::PeerDead;
        }
        match (self.next_ping, heartbeat.interval) {
            (Some(next), Some(interval)) if next <= now => {
                self.next_ping = now.checked_add(interval);
                if self.silence_ends.is_none() {
                    let timeout = heartbeat.timeout.filter(|timeout| !timeout.is_zero());
                    self.silence_ends = timeout.and_then(|timeout| now.checked_add(timeout));
                }
                Due::Ping
            }
            _ => Due::Nothing,
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        [self.next_ping, self.silence_ends, self.ttl_ends].into_iter().flatten().min()
    }
}
