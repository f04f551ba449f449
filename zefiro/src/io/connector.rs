//! Connector: what a connecting session dials, and how long it waits between attempts.
//!
//! A name may have several addresses. They are dialled in turn, the families alternating, and the next one without
//! waiting for the last to fail: the first to connect is taken (RFC 8305, "happy eyeballs").

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::session::Fresh;
use crate::endpoint::{Endpoint, TcpEndpoint};
use crate::options::Options;
use crate::pipe::PipeId;
use crate::sys::Selector;
use crate::transport::socks::Socks;
use crate::transport::{Dial, NotDialled, ipc, tcp};

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

/// Attempts to connect that are under way, an address each.
#[derive(Default)]
pub(crate) struct Race {
    attempts: Vec<(Socket, Option<Instant>)>,
    /// When to dial the next address, if none has connected by then.
    pub(crate) next_start: Option<Instant>,
}

/// How long an attempt runs alone before the next address is dialled as well.
pub(crate) const HEAD_START: Duration = Duration::from_millis(250);

/// Flags of [`Options::reconnect_stop`].
pub(crate) const STOP_REFUSED: u32 = 1;
pub(crate) const STOP_HANDSHAKE_FAILED: u32 = 2;
pub(crate) const STOP_AFTER_DISCONNECT: u32 = 4;

impl Dialer {
    pub(crate) fn new(text: Arc<str>, endpoint: Endpoint, options: Arc<Options>, pipe: Option<PipeId>) -> Dialer {
        Dialer { text, endpoint, options, pipe, attempts: 0, addresses: VecDeque::new() }
    }

    /// The name to look up and connect to: the peer's, or the proxy's that leads to it.
    ///
    /// # Errors
    /// The endpoint, or the proxy's address, is not one.
    pub(crate) fn target(&self) -> io::Result<Option<TcpEndpoint>> {
        let Endpoint::Tcp(peer) = &self.endpoint else { return Ok(None) };
        if let Some(why) = peer.unusable() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let Some(proxy) = self.proxy() else { return Ok(Some(peer.clone())) };
        match Endpoint::parse("connect", &proxy, self.options.strict_endpoints) {
            Ok(Endpoint::Tcp(proxy)) => Ok(Some(proxy)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "the proxy's address is not host:port")),
        }
    }

    /// The endpoint of the proxy, if there is to be one.
    pub(crate) fn proxy(&self) -> Option<String> {
        let proxy = &self.options.socks_proxy;
        let wanted = matches!(self.endpoint, Endpoint::Tcp(_)) && !proxy.is_empty();
        wanted.then(|| format!("tcp://{}", proxy.as_str().unwrap_or_default()))
    }

    /// The talk with it.
    pub(crate) fn socks(&self) -> Option<io::Result<Socks>> {
        match &self.endpoint {
            Endpoint::Tcp(peer) if !self.options.socks_proxy.is_empty() => Some(Socks::new(peer, &self.options)),
            _ => None,
        }
    }

    /// Takes the addresses to dial in the next attempt, the families in turn.
    ///
    /// # Errors
    /// There is none, or the address to dial from is not one.
    pub(crate) fn set_addresses(&mut self, found: Vec<SocketAddr>) -> io::Result<()> {
        let first_is_v6 = found.first().is_some_and(is_v6);
        let (mut first, mut other): (VecDeque<_>, VecDeque<_>) =
            found.into_iter().partition(|address| is_v6(address) == first_is_v6);
        self.addresses.clear();
        while !(first.is_empty() && other.is_empty()) {
            self.addresses.extend(first.pop_front());
            self.addresses.extend(other.pop_front());
        }
        if self.addresses.is_empty() {
            return Err(no_address());
        }
        self.source().map(drop)
    }

    /// The address to dial from, if there is to be a certain one.
    fn source(&self) -> io::Result<Option<SocketAddr>> {
        match self.target()? {
            Some(target) => target.resolve_source(self.options.ipv6).map_err(io::Error::from),
            None => Ok(None),
        }
    }

    /// Whether a lost connection is to be made again.
    pub(crate) fn reconnects(&self) -> bool {
        self.options.reconnect_interval.is_some_and(|interval| !interval.is_zero())
    }

    /// Whether no further attempt is wanted after what `flag` names.
    pub(crate) fn stops(&self, flag: u32) -> bool {
        self.options.reconnect_stop & flag != 0
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

    /// Sets what the options ask for on a stream that has connected.
    pub(crate) fn configure(&self, stream: &Socket) -> io::Result<()> {
        match &self.endpoint {
            Endpoint::Tcp(_) => tcp::configure(stream, &self.options),
            _ => Ok(()),
        }
    }

    /// Dials the next address, if any is left.
    pub(crate) fn dial_next(&mut self) -> Result<Dial, NotDialled> {
        match &self.endpoint {
            Endpoint::Ipc(ipc) => ipc::dial(ipc),
            Endpoint::Tcp(_) => {
                let address = self.addresses.pop_front().ok_or_else(no_address)?;
                tcp::dial(address, self.source()?, &self.options)
            }
            Endpoint::Inproc(_) | Endpoint::Udp(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        }
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address of the right family")
}

impl Race {
    /// Adds an attempt that is under way, to be given up at `until`.
    pub(crate) fn add(&mut self, stream: Socket, until: Option<Instant>) {
        self.attempts.push((stream, until));
    }

    /// Whether an attempt is under way.
    pub(crate) fn is_running(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// When to look at it without being told to.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.attempts.iter().filter_map(|(_, until)| *until).chain(self.next_start).min()
    }

    /// Takes the attempts that have failed, with why, and the first that has connected. `ready` says that one is.
    pub(crate) fn settle(&mut self, now: Instant, ready: bool) -> (Vec<(Socket, io::Error)>, Option<Fresh>) {
        let (mut failed, mut connected) = (Vec::new(), None);
        let alone = self.attempts.len() == 1;
        for (stream, until) in std::mem::take(&mut self.attempts) {
            let late = until.is_some_and(|until| until <= now);
            let error = stream.take_error().unwrap_or_else(Some);
            let address = if error.is_none() && connected.is_none() { stream.peer_addr().ok() } else { None };
            match (error, address) {
                (Some(error), _) => failed.push((stream, error)),
                (None, Some(address)) => {
                    connected = Some(Fresh { stream, address: address.as_socket(), watched: true });
                }
                _ if late => failed.push((stream, io::ErrorKind::TimedOut.into())),
                // It is ready, and no other is meant.
                _ if alone && ready => failed.push((stream, io::ErrorKind::NotConnected.into())),
                _ => self.attempts.push((stream, until)),
            }
        }
        (failed, connected)
    }

    /// Ends all attempts.
    pub(crate) fn abandon(self, selector: &Selector) {
        for (stream, _) in self.attempts {
            let _ = selector.remove(&stream);
        }
    }
}

fn is_v6(address: &SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none())
}

/// A duration from zero up to `limit`, so that many clients do not come back all at once.
fn random_below(limit: Duration) -> Duration {
    use std::hash::{BuildHasher, Hasher};
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos(random % nanos)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use super::*;
    use crate::sys::{Interest, ReadyList};

    fn dialer(options: Options) -> Dialer {
        let endpoint = Endpoint::parse_connect("tcp://somewhere:1").unwrap();
        Dialer::new("tcp://somewhere:1".into(), endpoint, Arc::new(options), None)
    }

    #[test]
    fn the_families_take_turns() {
        let mut dialer = dialer(Options::default());
        let v4 = |last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped(), 1));
        let v6 = |last| SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last), 1));
        dialer.set_addresses(vec![v6(1), v6(2), v6(3), v4(1), v4(2)]).unwrap();
        assert_eq!(dialer.addresses, [v6(1), v4(1), v6(2), v4(2), v6(3)]);
    }

    #[test]
    fn the_port_of_a_proxy_is_read_as_those_of_endpoints() {
        for (strict_endpoints, readable) in [(true, false), (false, true)] {
            let options = Options { strict_endpoints, socks_proxy: "127.0.0.1:1080x".into(), ..Options::default() };
            assert_eq!(dialer(options).target().is_ok(), readable);
        }
    }

    #[test]
    fn an_address_that_does_not_answer_does_not_hold_up_the_next() {
        // A listener whose queue is full does not answer.
        let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        silent.listen(0).unwrap();
        let address = silent.local_addr().unwrap().as_socket().unwrap();
        let _filling = TcpStream::connect(address).unwrap();
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut dialer = dialer(Options::default());
        dialer.set_addresses(vec![address, open.local_addr().unwrap()]).unwrap();
        let selector = Selector::new().unwrap();
        let mut race = Race::default();
        for _ in 0..2 {
            let dial = dialer.dial_next().unwrap();
            selector.add(&dial.stream, 7, Interest::WRITE).unwrap();
            race.add(dial.stream, None);
        }
        let mut events = ReadyList::new();
        let connected = loop {
            selector.wait(&mut events, Some(Duration::from_secs(20))).unwrap();
            assert!(!events.is_empty(), "nothing has connected");
            let (failed, connected) = race.settle(Instant::now(), true);
            assert!(failed.is_empty());
            if let Some(connected) = connected {
                break connected;
            }
        };
        assert_eq!(connected.stream.peer_addr().unwrap().as_socket(), open.local_addr().ok());
        assert!(race.is_running());
        race.abandon(&selector);
    }
}
