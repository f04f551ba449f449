//! Listener: a bound address that accepts streams.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use socket2::Socket;

use super::IoHandle;
use super::handshakes::network_of;
use super::session::{Peer, is_mapped};
use crate::monitor::{Event, EventKind};
use crate::options::Options;
use crate::sys::net;
use crate::transport::{ipc, tcp};

/// A bound address. Any thread may close it; the I/O thread accepts.
pub(crate) struct Listener {
    socket: Mutex<Option<Socket>>,
    /// The endpoint as it really is.
    pub(crate) endpoint: Arc<str>,
    pub(crate) options: Arc<Options>,
    pub(crate) io: Arc<IoHandle>,
    is_ipc: bool,
    /// This end of all that is accepted, as an endpoint; none where each has its own.
    local: Option<String>,
    /// Bound by somebody else, who may go on listening with it.
    adopted: bool,
    /// The error by which the system has refused what the options ask for on each connection.
    unfit: Option<i32>,
    traces: ipc::Traces,
    /// Connections from each network, where they are limited.
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// Its place in the I/O thread.
    pub(crate) token: AtomicU64,
}

impl Listener {
    pub(crate) fn new(
        socket: Socket,
        endpoint: Arc<str>,
        options: Arc<Options>,
        io: Arc<IoHandle>,
        ipc_traces: Option<ipc::Traces>,
    ) -> Listener {
        let is_ipc = ipc_traces.is_some();
        let configured = if net::ACCEPTED_INHERIT && !is_ipc { tcp::configure(&socket, &options) } else { Ok(()) };
        let local = match tcp::local_address(&socket) {
            Some(address) if address.ip().is_unspecified() => None,
            Some(address) => Some(format!("tcp://{address}")),
            None => Some(endpoint.to_string()),
        };
        Listener {
            socket: Mutex::new(Some(socket)),
            endpoint,
            options,
            io,
            is_ipc,
            local,
            adopted: false,
            unfit: configured.err().and_then(|error| error.raw_os_error()),
            traces: ipc_traces.unwrap_or_default(),
            seats: Arc::default(),
            token: AtomicU64::new(0),
        }
    }

    /// One whose descriptor the program has brought along.
    pub(crate) fn adopted(mut self) -> Listener {
        self.adopted = true;
        self
    }

    /// An event of the listener itself.
    pub(crate) fn event(&self, kind: EventKind) -> Event {
        let value = self.socket.lock().as_ref().map_or(0, |socket| socket.as_raw_fd() as u64);
        Event { value, ..Event::new(&self.endpoint, kind) }
    }

    /// Begins to watch for peers, as `token` of the I/O thread.
    pub(crate) fn watch(&self, token: u64) -> io::Result<()> {
        self.token.store(token, Ordering::Release);
        match &*self.socket.lock() {
            Some(socket) => self.io.selector.add(socket, token, crate::sys::Interest::READ),
            None => Ok(()),
        }
    }

    /// Stops accepting.
    pub(crate) fn pause(&self) {
        if let Some(socket) = &*self.socket.lock() {
            let _ = self.io.selector.modify(socket, self.token.load(Ordering::Acquire), crate::sys::Interest::NONE);
        }
    }

    /// Goes on accepting, or begins if it could not before.
    pub(crate) fn resume(&self) -> io::Result<()> {
        let token = self.token.load(Ordering::Acquire);
        match &*self.socket.lock() {
            Some(socket) => {
                let selector = &self.io.selector;
                let interest = crate::sys::Interest::READ;
                selector.modify(socket, token, interest).or_else(|_| selector.add(socket, token, interest))
            }
            None => Ok(()),
        }
    }

    /// Takes one peer that wants to connect; `None` if there is no more.
    pub(crate) fn accept(&self) -> Result<Option<(Socket, Peer)>, NotAccepted> {
        let accepted = match &*self.socket.lock() {
            Some(socket) => net::accept(socket),
            None => return Ok(None),
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {
                return Ok(None);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(error) = self.unfit {
            return Err(NotAccepted { error: io::Error::from_raw_os_error(error), refused: true });
        }
        let peer = if self.is_ipc { self.ipc_peer(&stream)? } else { self.tcp_peer(&stream, address)? };
        Ok(Some((stream, peer)))
    }

    fn tcp_peer(&self, stream: &Socket, address: Option<SocketAddr>) -> io::Result<Peer> {
        let filters = &self.options.tcp_accept_filters;
        let accepted = address.is_some_and(|address| filters.iter().any(|filter| filter.accepts(address.ip())));
        if !filters.is_empty() && !accepted {
            let who = address.map_or("a peer without an address".into(), |address| address.to_string());
            let why = format!("{who} is not in an accept filter");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let network = address.map(|address| network_of(address.ip()));
        let seat = match (network, self.options.address_connections_max) {
            (Some(network), Some(most)) => Some(self.take_seat(network, most)?),
            _ => None,
        };
        if !net::ACCEPTED_INHERIT {
            // The peer may be gone already; then the first read says so.
            let _ = tcp::configure(stream, &self.options);
        }
        if let Some(address) = address
            && self.local.is_none()
            && !self.adopted
        {
            tcp::leave_unpaced(stream, address.ip());
        }
        let local = || tcp::local_address(stream).map(|address| format!("tcp://{address}"));
        Ok(Peer {
            endpoint: address.map(|address| format!("tcp://{address}")),
            address: address.map(|address| address.ip().to_canonical().to_string()),
            network,
            mapped: address.is_some_and(is_mapped),
            local: self.local.clone().or_else(local),
            descriptor: stream.as_raw_fd(),
            seat,
        })
    }

    fn take_seat(&self, network: IpAddr, most: usize) -> io::Result<Arc<Seat>> {
        let mut seats = self.seats.lock();
        let taken = seats.entry(network).or_default();
        if *taken >= most {
            let why = format!("{network} has {most} connections already");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        *taken += 1;
        Ok(Arc::new(Seat { seats: self.seats.clone(), network }))
    }

    fn ipc_peer(&self, stream: &Socket) -> io::Result<Peer> {
        let credentials = net::peer_credentials(stream);
        let options = &self.options;
        let filtered = !(options.ipc_filter_uids.is_empty()
            && options.ipc_filter_gids.is_empty()
            && options.ipc_filter_pids.is_empty());
        let accepted = credentials.is_some_and(|(uid, gid, pid)| {
            options.ipc_filter_uids.contains(&uid)
                || options.ipc_filter_gids.contains(&gid)
                || options.ipc_filter_pids.contains(&pid)
                || (!options.ipc_filter_gids.is_empty()
                    && net::peer_groups(stream).iter().any(|group| options.ipc_filter_gids.contains(group)))
        });
        if filtered && !accepted {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the peer's process is in no ipc filter"));
        }
        let address = credentials.map(|(uid, gid, pid)| format!("localhost:{uid}:{gid}:{pid}"));
        Ok(Peer {
            local: Some(self.endpoint.to_string()),
            // Who connects has no path of its own.
            endpoint: None,
            address,
            descriptor: stream.as_raw_fd(),
            seat: None,
            network: None,
            mapped: false,
        })
    }

    /// Closes the address at once: it can be bound again when this returns. Answers whether it was open.
    pub(crate) fn close(&self) -> bool {
        let Some(socket) = self.socket.lock().take() else { return false };
        let _ = self.io.selector.remove(&socket);
        if !self.adopted {
            // A child that was forked off meanwhile has a copy of the descriptor: without this the address would be taken,
            // and peers would be let in and never answered, for as long as it lives.
            net::shutdown(&socket);
        }
        drop(socket);
        let _ = self.traces.remove();
        true
    }
}

/// Why a peer is not accepted.
#[derive(Debug)]
pub(crate) struct NotAccepted {
    pub(crate) error: io::Error,
    /// It is this peer that is refused; the next may be let in.
    pub(crate) refused: bool,
}

/// What the filters refuse is of kind `PermissionDenied`.
impl From<io::Error> for NotAccepted {
    fn from(error: io::Error) -> NotAccepted {
        NotAccepted { refused: error.kind() == io::ErrorKind::PermissionDenied, error }
    }
}

/// A connection's place among those of its network, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
    network: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        if let Some(taken) = seats.get_mut(&self.network) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.network);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(all(test, not(zefiro_loom), any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use crate::sys::extras::congestion_control;

    /// Whatever the system's congestion control is, if it lets programs choose.
    #[test]
    fn connections_within_the_host_are_not_paced() {
        let allowed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap_or_default();
        let may_choose = allowed.split_whitespace().any(|name| name == "cubic");
        let (options, handle) = (Arc::new(Options::default()), Arc::new(IoHandle::new().unwrap()));
        for address in [SocketAddr::from(([127, 0, 0, 1], 0)), SocketAddr::from(([0, 0, 0, 0], 0))] {
            let socket = tcp::listen(address, &options).map_err(|why| why.error).unwrap();
            let port = tcp::local_address(&socket).unwrap().port();
            let listener = Listener::new(socket, "here".into(), options.clone(), handle.clone(), None);
            let dialled = tcp::dial(SocketAddr::from(([127, 0, 0, 1], port)), None, &options).unwrap();
            let accepted = loop {
                match listener.accept() {
                    Ok(Some((stream, _))) => break stream,
                    Err(why) => panic!("{}", why.error),
                    Ok(None) => std::thread::yield_now(),
                }
            };
            for stream in [&accepted, &dialled.stream] {
                let name = congestion_control(stream).unwrap();
                assert!(!may_choose || !name.starts_with(b"bbr"), "{}", String::from_utf8_lossy(&name));
            }
        }
    }
}
