//! Connector: what a connecting session dials, and how long it waits between attempts.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::options::Options;
use crate::pipe::PipeId;
use crate::transport::{Dial, ipc, tcp};

/// What to dial, for as long as the endpoint is connected.
pub(crate) struct Dialer {
    /// The endpoint as the program gave it: the key to disconnect it by.
    pub(crate) text: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) options: Arc<Options>,
    /// The pipe that lasts from one connection to the next; none with IMMEDIATE.
    pub(crate) pipe: Option<PipeId>,
    /// Failed attempts since the last established connection.
    attempts: u32,
    /// Addresses of the name not tried yet in this attempt.
    pub(crate) addresses: VecDeque<SocketAddr>,
}

impl Dialer {
    pub(crate) fn new(text: Arc<str>, endpoint: Endpoint, options: Arc<Options>, pipe: Option<PipeId>) -> Dialer {
        Dialer { text, endpoint, options, pipe, attempts: 0, addresses: VecDeque::new() }
    }

    /// The time to wait before the next attempt; `None`: there is to be none.
    pub(crate) fn next_wait(&mut self) -> Option<Duration> {
        let interval = self.options.reconnect_interval.filter(|interval| !interval.is_zero())?;
        let wait = match self.options.reconnect_interval_max.filter(|max| !max.is_zero()) {
            Some(max) => interval.saturating_mul(1u32.checked_shl(self.attempts).unwrap_or(u32::MAX)).min(max),
            None => interval + random_below(interval),
        };
        self.attempts = (self.attempts + 1).min(31);
        Some(wait)
    }

    /// The system has connected: doubling starts over.
    pub(crate) fn established(&mut self) {
        self.attempts = 0;
    }

    /// Dials the next address, if any is left.
    pub(crate) fn dial_next(&mut self) -> io::Result<Dial> {
        match &self.endpoint {
            Endpoint::Ipc(ipc) => ipc::dial(ipc),
            Endpoint::Tcp(endpoint) => {
                let address = self.addresses.pop_front().ok_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, "the name has no address of the right family")
                })?;
                let source = endpoint.resolve_source(self.options.ipv6).map_err(io::Error::from)?;
                tcp::dial(address, source, &self.options)
            }
            Endpoint::Inproc(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A duration from zero up to `limit`, so that many clients do not come back all at once.
fn random_below(limit: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos(random % nanos)
}
