//! Dialling: from a connect to an established stream, or to the next attempt.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;
use socket2::Socket;

use super::super::connector::{Dialer, HEAD_START, Race, STOP_AFTER_DISCONNECT, STOP_REFUSED};
use super::super::session::{Fresh, Origin, Peer, Phase, Session};
use super::IoThread;
use super::entries::Item;
use crate::endpoint::Endpoint;
use crate::monitor::EventKind;
use crate::socket::core::SocketCore;
use crate::sys::{Interest, net};
use crate::transport::{Begun, NotDialled, tcp};

impl IoThread {
    pub(super) fn connect(&mut self, core: Arc<SocketCore>, dialer: Box<Dialer>) {
        let peer = Peer { endpoint: Some(dialer.text.to_string()), ..Peer::default() };
        let session = Session::new(core, Origin::Connect(dialer), peer);
        let token = self.insert(Item::Session(Box::new(session)));
        self.attempt(token);
    }

    /// One attempt: look the name up, then dial.
    pub(super) fn attempt(&mut self, token: u64) {
        let (io, resolver) = (self.handle.clone(), self.resolver.clone());
        let Some(session) = self.session(token) else { return };
        let Origin::Connect(dialer) = &mut session.origin else { return };
        let ipv6 = dialer.options.ipv6;
        match dialer.target() {
            Ok(Some(target)) => match target.numeric_connect(ipv6) {
                Some(addresses) => self.found(token, addresses),
                None => {
                    session.phase = Phase::Resolving;
                    resolver.resolve(target, ipv6, io, token);
                }
            },
            Ok(None) => self.dial(token),
            Err(error) => self.unresolved(token, error.to_string()),
        }
    }

    pub(super) fn resolved(&mut self, token: u64, result: Result<Vec<SocketAddr>, String>) {
        let Some(session) = self.session(token) else { return };
        if !matches!(session.phase, Phase::Resolving) {
            return;
        }
        match result {
            Ok(addresses) => self.found(token, addresses),
            Err(why) => self.unresolved(token, why),
        }
    }

    /// These are the addresses to dial, if there is one to dial from, too.
    fn found(&mut self, token: u64, addresses: Vec<SocketAddr>) {
        let Some(session) = self.session(token) else { return };
        let Origin::Connect(dialer) = &mut session.origin else { return };
        match dialer.set_addresses(addresses) {
            Ok(()) => self.dial(token),
            Err(error) => self.unresolved(token, error.to_string()),
        }
    }

    /// There is nothing to dial: no attempt has begun that could be said to end.
    fn unresolved(&mut self, token: u64, why: String) {
        let Some(session) = self.session(token) else { return };
        session.emit(EventKind::Unresolved(why));
        self.retry(token);
    }

    /// Dials the next address, beside those being dialled already.
    fn dial(&mut self, token: u64) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let Origin::Connect(dialer) = &mut session.origin else { return };
        let now = Instant::now();
        let direct = matches!(dialer.endpoint, Endpoint::Tcp(_)) && dialer.options.socks_proxy.is_empty();
        let timeout = dialer.options.connect_timeout.filter(|timeout| !timeout.is_zero() && direct);
        let dialled = dialer.dial_next();
        let next_start = if dialer.addresses.is_empty() { None } else { Some(now + HEAD_START) };
        match dialled {
            Ok(dial) if dial.connected => {
                self.abandon_race(token);
                self.dial_succeeded(token, Fresh { stream: dial.stream, address: None, watched: false });
            }
            Ok(dial) => {
                session.peer.descriptor = dial.stream.as_raw_fd();
                session.emit_with(EventKind::ConnectDelayed, Errno::INPROGRESS.raw_os_error() as u64);
                if let Some(address) = tcp::peer_address(&dial.stream) {
                    // The peer is near, and connected already.
                    self.abandon_race(token);
                    let fresh = Fresh { stream: dial.stream, address: Some(address), watched: false };
                    return self.dial_succeeded(token, fresh);
                }
                if let Err(error) = io.selector.add(&dial.stream, token, Interest::WRITE) {
                    return self.dial_failed(token, &error);
                }
                if !matches!(session.phase, Phase::Dialing(_)) {
                    session.phase = Phase::Dialing(Race::default());
                }
                if let Phase::Dialing(race) = &mut session.phase {
                    race.add(dial.stream, timeout.map(|timeout| now + timeout));
                    race.next_start = next_start;
                    session.deadline = race.next_look();
                }
                self.arm(token);
            }
            Err(NotDialled { error, begun: Begun::No }) => {
                session.emit(EventKind::Unresolved(error.to_string()));
                self.dial_on(token, &error);
            }
            Err(NotDialled { error, begun }) => {
                if let Begun::With(descriptor) = begun {
                    session.peer.descriptor = descriptor;
                }
                self.dial_failed(token, &error);
            }
        }
    }

    /// An attempt of several has come to an end, one way or the other; or is `late`.
    pub(super) fn dialled(&mut self, token: u64, late: bool) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let Phase::Dialing(race) = &mut session.phase else { return };
        let (failed, connected) = race.settle(Instant::now(), !late);
        if let Some(fresh) = connected {
            self.abandon_race(token);
            return self.dial_succeeded(token, fresh);
        }
        let running = race.is_running();
        for (index, (stream, error)) in failed.iter().enumerate() {
            let _ = io.selector.remove(stream);
            if running || index + 1 < failed.len() {
                session.emit(EventKind::Closed(error.to_string()));
            }
        }
        let Some((_, error)) = failed.last() else { return };
        if !running {
            return self.dial_failed(token, error);
        }
        // One fewer runs: the next address need not wait.
        if matches!(&session.origin, Origin::Connect(dialer) if !dialer.addresses.is_empty()) {
            self.dial(token);
        }
    }

    /// An attempt has taken too long, or it is time to try the next address beside it.
    pub(super) fn dialling_late(&mut self, token: u64, now: Instant) {
        let Some(session) = self.session(token) else { return };
        let Phase::Dialing(race) = &mut session.phase else { return };
        if race.next_start.take_if(|next| *next <= now).is_some() {
            self.dial(token);
        } else {
            self.dialled(token, true);
        }
        // Those that go on, whatever became of this one, are to end in time.
        let Some(session) = self.session(token) else { return };
        if let Phase::Dialing(race) = &session.phase {
            session.deadline = race.next_look();
            self.arm(token);
        }
    }

    fn abandon_race(&mut self, token: u64) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        if let Phase::Dialing(race) = std::mem::replace(&mut session.phase, Phase::Waiting) {
            race.abandon(&io.selector);
        }
        session.deadline = session.closing.flatten();
    }

    /// One has connected.
    fn dial_succeeded(&mut self, token: u64, fresh: Fresh) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let Origin::Connect(dialer) = &mut session.origin else { return };
        if let Err(error) = dialer.configure(&fresh.stream) {
            // As libzmq, which asks only now, and tells of nothing but the next attempt.
            fresh.unwatch(&io);
            drop(fresh);
            session.emit(EventKind::Unresolved(error.to_string()));
            return self.dial_on(token, &error);
        }
        dialer.addresses.clear();
        match dialer.socks() {
            None => self.begin(token, fresh),
            Some(Err(error)) => {
                fresh.unwatch(&io);
                drop(fresh);
                self.dial_failed(token, &error);
            }
            Some(Ok(socks)) => {
                let watched = fresh.watch(&io, token);
                // The proxy's handshake may take as long as the peer's.
                let limit = dialer.options.handshake_interval.filter(|limit| !limit.is_zero());
                session.deadline = limit.map(|limit| Instant::now() + limit);
                session.greeting_interest = Interest::READ;
                session.phase = Phase::Proxying(fresh.stream, Box::new(socks));
                self.arm(token);
                match watched {
                    Ok(()) => self.talk_to_proxy(token),
                    Err(error) => self.proxy_failed(token, &error),
                }
            }
        }
    }

    /// The proxy has answered, or there is room for what it is to be asked.
    pub(super) fn talk_to_proxy(&mut self, token: u64) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        let Phase::Proxying(stream, socks) = &mut session.phase else { return };
        let outcome = loop {
            match write_to_proxy(stream, socks.output()) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(false),
                Err(error) => break Err(error),
            }
            match net::read(&*stream, socks.input()) {
                Ok(0) => break Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => match socks.advance() {
                    Ok(false) => {}
                    outcome => break outcome,
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        match outcome {
            Ok(false) => {
                let interest = if socks.output().is_empty() { Interest::READ } else { Interest::WRITE };
                if std::mem::replace(&mut session.greeting_interest, interest) != interest
                    && let Err(error) = io.selector.modify(&*stream, token, interest)
                {
                    self.proxy_failed(token, &error);
                }
            }
            Ok(true) => {
                let Phase::Proxying(stream, _) = std::mem::replace(&mut session.phase, Phase::Waiting) else { return };
                session.deadline = session.closing.flatten();
                self.begin(token, Fresh { stream, address: None, watched: true });
            }
            Err(error) => self.proxy_failed(token, &error),
        }
    }

    /// The connection to the proxy is of no use.
    pub(super) fn proxy_failed(&mut self, token: u64, error: &io::Error) {
        let io = self.handle.clone();
        let Some(session) = self.session(token) else { return };
        if let Phase::Proxying(stream, _) = std::mem::replace(&mut session.phase, Phase::Waiting) {
            let _ = io.selector.remove(&stream);
        }
        session.emit(EventKind::Closed(error.to_string()));
        self.retry(token);
    }

    /// The last attempt under way has failed.
    fn dial_failed(&mut self, token: u64, error: &io::Error) {
        let Some(session) = self.session(token) else { return };
        session.emit(EventKind::Closed(error.to_string()));
        self.dial_on(token, error);
    }

    /// The next address, or the next attempt later, or none.
    fn dial_on(&mut self, token: u64, error: &io::Error) {
        let Some(session) = self.session(token) else { return };
        let Origin::Connect(dialer) = &session.origin else { return };
        if !dialer.addresses.is_empty() {
            return self.dial(token);
        }
        if matches!(&session.phase, Phase::Dialing(race) if race.is_running()) {
            return;
        }
        let refused = error.kind() == ErrorKind::ConnectionRefused;
        let stop = refused
            && match &dialer.endpoint {
                Endpoint::Tcp(_) => dialer.stops(STOP_REFUSED) && dialer.options.socks_proxy.is_empty(),
                _ => dialer.stops(STOP_AFTER_DISCONNECT) && session.core.lock().disconnected_some,
            };
        if stop && session.closing.is_none() { self.forget_endpoint(token) } else { self.retry(token) }
    }

    /// Waits before the next attempt, or gives up if there is to be none.
    pub(super) fn retry(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        let Origin::Connect(dialer) = &mut session.origin else { return };
        let Some(wait) = dialer.next_wait() else {
            session.phase = Phase::Over;
            session.deadline = session.closing.flatten();
            return self.end_if_idle(token);
        };
        session.phase = Phase::Waiting;
        let due = Instant::now() + wait;
        session.deadline = Some(session.closing.flatten().map_or(due, |until| until.min(due)));
        session.emit_with(EventKind::ConnectRetried(wait), wait.as_millis() as u64);
        self.arm(token);
    }
}

fn write_to_proxy(stream: &Socket, output: &mut Vec<u8>) -> io::Result<()> {
    while !output.is_empty() {
        let count = net::write(stream, output)?;
        output.drain(..count);
    }
    Ok(())
}

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::super::super::IoHandle;
    use super::super::super::resolver::Resolver;
    use super::super::entries::Item;
    use super::*;
    use crate::Push;
    use crate::options::Options;
    use crate::sys::ReadyList;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn an_attempt_ends_in_time_though_the_next_cannot_begin() {
        // A listener whose queue is full does not answer, and nobody can connect to many at once.
        let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        silent.listen(0).unwrap();
        let address = silent.local_addr().unwrap().as_socket().unwrap();
        let _filling = TcpStream::connect(address).unwrap();
        let many = SocketAddr::from(([224, 0, 0, 1], 1));
        let options = Options { connect_timeout: Some(Duration::from_secs(10)), ..Options::default() };
        let endpoint = Endpoint::parse_connect("tcp://somewhere:1").unwrap();
        let mut dialer = Dialer::new("tcp://somewhere:1".into(), endpoint, Arc::new(options), None);
        dialer.set_addresses(vec![address, many]).unwrap();
        let socket = Push::new();
        let mut io = IoThread::new(Arc::new(IoHandle::new().unwrap()), Resolver::default());
        let session = Session::new(socket.core().clone(), Origin::Connect(Box::new(dialer)), Peer::default());
        let token = io.insert(Item::Session(Box::new(session)));
        io.dial(token);
        let next_start = io.timers.next().unwrap();
        io.on_time(next_start);
        assert!(io.timers.next().is_some_and(|next| next > next_start));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_proxy_is_asked_once_there_is_room() {
        let options = Options { socks_proxy: "127.0.0.1:1080".into(), ..Options::default() };
        let endpoint = Endpoint::parse_connect("tcp://somewhere:1").unwrap();
        let dialer = Dialer::new("tcp://somewhere:1".into(), endpoint, Arc::new(options), None);
        let socks = dialer.socks().unwrap().unwrap();
        let socket = Push::new();
        let mut io = IoThread::new(Arc::new(IoHandle::new().unwrap()), Resolver::default());
        let session = Session::new(socket.core().clone(), Origin::Connect(Box::new(dialer)), Peer::default());
        let token = io.insert(Item::Session(Box::new(session)));
        let (stream, mut proxy) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut before = 0;
        while let Ok(count) = net::write(&stream, &[0; 4096]) {
            before += count;
        }
        io.handle.selector.add(&stream, token, Interest::READ).unwrap();
        io.session(token).unwrap().phase = Phase::Proxying(stream.into(), Box::new(socks));
        io.talk_to_proxy(token);
        assert!(io.session(token).is_some_and(|session| matches!(session.phase, Phase::Proxying(..))));
        proxy.read_exact(&mut vec![0; before]).unwrap();
        let mut ready = ReadyList::new();
        io.handle.selector.wait(&mut ready, Some(Duration::from_secs(30))).unwrap();
        ready.drain(..).for_each(|event| io.on_ready(event));
        let mut asked = [0; 3];
        proxy.read_exact(&mut asked).unwrap();
        assert_eq!(asked, [5, 1, 0]);
    }
}
