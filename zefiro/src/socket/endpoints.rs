//! Endpoints: bind and connect, and their ends.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use zmtp::SocketType;

use super::core::{SocketCore, State};
use super::salute;
use crate::endpoint::{Endpoint, IpcEndpoint, UdpEndpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::gssapi::gssapi_is_available;
use crate::io::connector::Dialer;
use crate::io::listener::Listener;
use crate::io::{Command, IoHandle, Which};
use crate::monitor::{Event, EventKind};
use crate::options::{Options, Security};
use crate::pipe::{PeerFacts, PipeId};
use crate::policy;
use crate::transport::udp::Datagrams;
use crate::transport::{NotListening, inproc, ipc, tcp};

/// An endpoint in use.
pub(crate) struct EndpointEntry {
    /// What to unbind or disconnect it by.
    key: Arc<str>,
    kind: Kind,
}

enum Kind {
    Bound(Arc<Listener>),
    Connected(Arc<IoHandle>),
    BoundName(String),
    ConnectedName(String, PipeId),
    /// Datagrams out, or in by an I/O thread.
    Datagrams(PipeId, Option<Arc<IoHandle>>),
}

impl EndpointEntry {
    /// Whether it listens there.
    pub(super) fn is_bound_to(&self, endpoint: &str) -> bool {
        matches!(self.kind, Kind::Bound(_)) && &*self.key == endpoint
    }

    /// What a monitor is told when the socket is closed: that nothing listens there any more.
    pub(super) fn closed(&self) -> Option<Event> {
        match &self.kind {
            Kind::Bound(listener) => Some(listener.event(EventKind::Closed("the socket was closed".into()))),
            _ => None,
        }
    }

    /// Gives up what it occupies; the socket was closed.
    pub(super) fn release(self, core: &Arc<SocketCore>) {
        match self.kind {
            Kind::Bound(listener) => drop(listener.close()),
            Kind::Connected(_) | Kind::Datagrams(..) => {}
            Kind::BoundName(name) => core.context.names().unbind(&name, core),
            Kind::ConnectedName(name, pipe) => {
                // Within the process what was sent is there to be read, whatever the linger.
                let waits = core.lock().pipes.get_mut(pipe).is_some_and(|pipe| pipe.queued_out() > 0);
                if waits && !core.context.is_terminated() {
                    return;
                }
                if core.context.names().forget(&name, core, pipe) {
                    let mut state = core.lock();
                    state.expire_pipe(pipe);
                    state.not_busy();
                }
            }
        }
    }
}

impl State {
    fn use_datagrams(&mut self, text: &str, datagrams: &Arc<Datagrams>, io: Option<Arc<IoHandle>>) -> PipeId {
        let key: Arc<str> = text.into();
        let facts = PeerFacts { endpoint: key.clone(), ..PeerFacts::default() };
        let pipe = self.attach_datagrams(datagrams.clone(), facts);
        self.last_endpoint = Some(text.trim_start_matches("udp://").into());
        self.endpoints.push(EndpointEntry { key, kind: Kind::Datagrams(pipe, io) });
        pipe
    }

    /// The routing id given to the next connect must be no other peer's: which of them would be meant by it? It was given
    /// for this one alone.
    fn check_next_id(&mut self, text: &str) -> Result<()> {
        match &self.options.connect_routing_id {
            Some(id) if self.pattern.knows(id) => {
                let why = format!("connect_routing_id: another peer has the routing id {id:?}");
                Arc::make_mut(&mut self.options).connect_routing_id = None;
                Err(Error::with_text(ErrorKind::AddressInUse, CONNECT, text, why))
            }
            _ => Ok(()),
        }
    }

    /// A connection within the process is over, and with it its endpoint: nobody connects anew there.
    pub(crate) fn forget_name(&mut self, pipe: PipeId) {
        let is_its = |entry: &EndpointEntry| matches!(entry.kind, Kind::ConnectedName(_, id) if id == pipe);
        if let Some(index) = self.endpoints.iter().position(is_its) {
            self.endpoints.remove(index);
        }
    }

    /// As [`forget_name`](State::forget_name), once the message that was found of it is received: it could be disconnected
    /// before.
    pub(crate) fn keep_name(&mut self, pipe: PipeId) {
        if let Some(before) = self.kept_name.replace(pipe) {
            self.forget_name(before);
        }
    }

    /// One connect by this endpoint is over for good.
    pub(crate) fn forget_connect(&mut self, endpoint: &Arc<str>) {
        let found =
            self.endpoints.iter().position(|entry| entry.key == *endpoint && matches!(entry.kind, Kind::Connected(_)));
        if let Some(index) = found {
            self.endpoints.remove(index);
        }
    }
}

impl SocketCore {
    /// How each of these operations begins: it fails on a closed socket, and is an occasion to notice what has left.
    fn enter(self: &Arc<SocketCore>, operation: &'static str) -> Result<()> {
        let mut state = self.lock();
        state.check_open(operation)?;
        state.pipes.note_look();
        Ok(())
    }

    /// C programs are told that no I/O thread is for them before anything else about the endpoint.
    fn need_io_thread(self: &Arc<SocketCore>, operation: &'static str, text: &str) -> Result<()> {
        if listens(text) || is_udp(text) {
            let options = self.lock().options.clone();
            if !options.strict_endpoints && !self.context.has_io(options.affinity) {
                self.context.choose_io(options.affinity, operation, text)?;
            }
        }
        Ok(())
    }

    /// A path that fits no Unix socket's address is bound and connected by a detour; C programs know that it cannot be.
    fn check_length(self: &Arc<SocketCore>, operation: &'static str, text: &str, endpoint: &Endpoint) -> Result<()> {
        match endpoint {
            Endpoint::Ipc(ipc_endpoint)
                if ipc_endpoint.byte_len() > IPC_PATH_MAX && !self.lock().options.strict_endpoints =>
            {
                Err(Error::with_io(operation, text, rustix::io::Errno::NAMETOOLONG.into()))
            }
            _ => Ok(()),
        }
    }

    /// Binds, and answers the endpoint as it really is.
    pub(crate) fn bind(self: &Arc<SocketCore>, text: &str) -> Result<Endpoint> {
        self.enter(BIND)?;
        if is_udp(text) && !suits_udp(self.socket_type) {
            return Err(incompatible(BIND, text));
        }
        self.need_io_thread(BIND, text)?;
        if is_udp(text) && self.socket_type == SocketType::Radio {
            return Err(incompatible(BIND, text));
        }
        let endpoint = Endpoint::parse(BIND, text, self.lock().options.strict_endpoints);
        let endpoint = endpoint.and_then(|endpoint| self.check_length(BIND, text, &endpoint).map(|()| endpoint));
        let endpoint = match endpoint {
            Err(error) if listens(text) => return Err(self.note_failed_bind(text, error, None)),
            endpoint => endpoint?,
        };
        match &endpoint {
            Endpoint::Udp(udp_endpoint) => self.bind_datagrams(text, udp_endpoint),
            _ if self.socket_type == SocketType::Dgram => Err(incompatible(BIND, text)),
            Endpoint::Inproc(name) => self.bind_name(text, name, &endpoint),
            Endpoint::Tcp(tcp_endpoint) => {
                let (io, options) = self.io_and_options(BIND, text)?;
                let options = of_family(options, &endpoint);
                let allowed = tcp_endpoint.resolve_bind(options.ipv6).and_then(|address| {
                    policy::check_bind(BIND, text, address.ip(), self.socket_type, &options)?;
                    Ok(address)
                });
                let address = allowed.map_err(|error| self.note_failed_bind(text, error.at(text), None))?;
                let socket = tcp::listen(address, &options).map_err(|why| self.not_listening(text, why))?;
                let endpoint = Endpoint::from(tcp::local_address(&socket).unwrap_or(address));
                self.listening(Listener::new(socket, endpoint.to_string().into(), options, io, None))?;
                Ok(endpoint)
            }
            Endpoint::Ipc(ipc_endpoint) => {
                let (io, options) = self.io_and_options(BIND, text)?;
                let bound = ipc::listen(ipc_endpoint, &options);
                let (socket, real, traces) = bound.map_err(|why| self.not_listening(text, why))?;
                let endpoint = Endpoint::Ipc(real);
                self.listening(Listener::new(socket, endpoint.to_string().into(), options, io, Some(traces)))?;
                Ok(endpoint)
            }
        }
    }

    /// As [`bind`](SocketCore::bind), with a descriptor that listens already.
    pub(crate) fn bind_fd(self: &Arc<SocketCore>, text: &str, descriptor: OwnedFd) -> Result<Endpoint> {
        self.enter(BIND)?;
        let endpoint = Endpoint::parse(BIND, text, self.lock().options.strict_endpoints)?;
        self.check_length(BIND, text, &endpoint)?;
        let (io, options) = self.io_and_options(BIND, text)?;
        let socket = socket2::Socket::from(descriptor);
        let adopted = match rustix::net::sockopt::socket_acceptconn(&socket) {
            Ok(true) => socket.set_nonblocking(true),
            Ok(false) => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "the descriptor does not listen")),
            Err(error) => Err(error.into()),
        };
        let adopted =
            adopted.map_err(|error| Error::with_io(BIND, text, error)).and_then(|()| {
                match tcp::local_address(&socket) {
                    Some(address) => policy::check_bind(BIND, text, address.ip(), self.socket_type, &options),
                    None => Ok(()),
                }
            });
        adopted.map_err(|error| self.note_failed_bind(text, error, None))?;
        let (endpoint, traces) = match endpoint {
            Endpoint::Tcp(_) => (tcp::local_address(&socket).map_or(endpoint, Endpoint::from), None),
            Endpoint::Ipc(_) => (endpoint, Some(ipc::Traces::default())),
            _ => {
                let why = "the transport has no descriptors";
                return Err(Error::with_text(ErrorKind::InvalidEndpoint, BIND, text, why));
            }
        };
        self.listening(Listener::new(socket, endpoint.to_string().into(), options, io, traces).adopted())?;
        Ok(endpoint)
    }

    fn not_listening(self: &Arc<SocketCore>, text: &str, why: NotListening) -> Error {
        self.note_failed_bind(text, Error::with_io(BIND, text, why.error), why.descriptor)
    }

    /// Tells monitors; answers the error.
    fn note_failed_bind(self: &Arc<SocketCore>, text: &str, error: Error, descriptor: Option<i32>) -> Error {
        let event = Event::new(&text.into(), EventKind::BindFailed(error.reason()));
        let value = match error.kind() {
            ErrorKind::UnknownHost => Some(rustix::io::Errno::NODEV.raw_os_error()),
            ErrorKind::InvalidEndpoint => Some(rustix::io::Errno::INVAL.raw_os_error()),
            _ => error.io_error().and_then(std::io::Error::raw_os_error),
        };
        self.lock().emit(Event { value: value.unwrap_or_default() as u64, descriptor, ..event });
        error
    }

    fn bind_datagrams(self: &Arc<SocketCore>, text: &str, endpoint: &UdpEndpoint) -> Result<Endpoint> {
        let (io, options) = self.io_and_options(BIND, text)?;
        let place = endpoint.resolve_bind(options.ipv6).map_err(|error| error.at(text))?;
        policy::check_datagrams(BIND, text, place.address.ip())?;
        let bound = Datagrams::bind(place, self.socket_type, &options);
        let datagrams = Arc::new(bound.map_err(|error| Error::with_io(BIND, text, error))?);
        let port = datagrams.local_address().map_or(place.address.port(), |address| address.port());
        let mut state = self.lock();
        state.check_open(BIND)?;
        let real = Endpoint::Udp(endpoint.with_port(port));
        // The name the program knows it by: its own, unless the port was left to the system.
        let key = if place.address.port() == 0 { real.to_string() } else { text.to_string() };
        let pipe = state.use_datagrams(&key, &datagrams, Some(io.clone()));
        state.busy += 1;
        state.tell_io(io, Command::Receive(self.clone(), datagrams, pipe));
        Ok(real)
    }

    fn connect_datagrams(self: &Arc<SocketCore>, text: &str, endpoint: &UdpEndpoint) -> Result<PipeId> {
        let (_, options) = self.io_and_options(CONNECT, text)?;
        let place = endpoint.resolve_connect(options.ipv6).map_err(|error| error.at(text))?;
        let connected = Datagrams::connect(place, self.socket_type, &options);
        let datagrams = Arc::new(connected.map_err(|error| Error::with_io(CONNECT, text, error))?);
        let mut state = self.lock();
        state.check_open(CONNECT)?;
        Ok(state.use_datagrams(text, &datagrams, None))
    }

    fn io_and_options(
        self: &Arc<SocketCore>,
        operation: &'static str,
        text: &str,
    ) -> Result<(Arc<IoHandle>, Arc<Options>)> {
        let options = self.lock().options.clone();
        if matches!(options.security(), Security::GssapiServer | Security::GssapiClient) && !gssapi_is_available() {
            let why = "GSSAPI needs the system's Kerberos library, libgssapi_krb5.so.2";
            return Err(Error::with_text(ErrorKind::InvalidOption, operation, text, why));
        }
        let io = self.context.choose_io(options.affinity, operation, text)?;
        Ok((io, options))
    }

    fn listening(self: &Arc<SocketCore>, listener: Listener) -> Result<()> {
        let listener = Arc::new(listener);
        let mut state = self.lock();
        state.check_open(BIND)?;
        state.busy += 1;
        state.last_endpoint = Some(listener.endpoint.clone());
        state.emit(listener.event(EventKind::Listening));
        state.endpoints.push(EndpointEntry { key: listener.endpoint.clone(), kind: Kind::Bound(listener.clone()) });
        state.tell_io(listener.io.clone(), Command::Listen(self.clone(), listener));
        Ok(())
    }

    fn bind_name(self: &Arc<SocketCore>, text: &str, name: &str, endpoint: &Endpoint) -> Result<Endpoint> {
        let key: Arc<str> = text.into();
        let waiting = {
            // Open, and in the list of what a close gives up, before anybody can close: else the name would stay taken.
            let mut state = self.lock();
            state.check_open(BIND)?;
            let Some(waiting) = self.context.names().bind(name, self) else {
                return Err(Error::with_text(
                    ErrorKind::AddressInUse,
                    BIND,
                    text,
                    "the name is in use in this context",
                ));
            };
            state.last_endpoint = Some(key.clone());
            state.endpoints.push(EndpointEntry { key: key.clone(), kind: Kind::BoundName(name.to_string()) });
            waiting
        };
        for (connector, pipe) in waiting {
            inproc::join(&connector, pipe, self, &key);
            connector.lock().not_busy();
        }
        Ok(endpoint.clone())
    }

    /// Connects, now or as soon as the peer is there.
    pub(crate) fn connect(self: &Arc<SocketCore>, text: &str) -> Result<()> {
        self.connect_pipe(text).map(drop)
    }

    /// As [`connect`](SocketCore::connect), answers the new pipe if there is one already.
    pub(crate) fn connect_pipe(self: &Arc<SocketCore>, text: &str) -> Result<Option<PipeId>> {
        self.enter(CONNECT)?;
        if is_udp(text) && !suits_udp(self.socket_type) {
            return Err(incompatible(CONNECT, text));
        }
        self.need_io_thread(CONNECT, text)?;
        if is_udp(text) && self.socket_type != SocketType::Radio {
            return Err(incompatible(CONNECT, text));
        }
        let strict = self.lock().options.strict_endpoints;
        let endpoint = if strict { Endpoint::parse_connect(text) } else { Endpoint::parse_connect_as_libzmq(text) }?;
        self.check_length(CONNECT, text, &endpoint)?;
        let key: Arc<str> = text.into();
        if let Endpoint::Udp(udp_endpoint) = &endpoint {
            return self.connect_datagrams(text, udp_endpoint).map(Some);
        }
        if self.socket_type == SocketType::Dgram {
            return Err(incompatible(CONNECT, text));
        }
        if let Endpoint::Inproc(name) = &endpoint {
            return self.connect_name(&key, name).map(Some);
        }
        if let Endpoint::Ipc(IpcEndpoint::Path(path)) = &endpoint
            && path.as_os_str().is_empty()
        {
            return Err(Error::with_text(ErrorKind::InvalidEndpoint, CONNECT, text, "the path is empty"));
        }
        let (io, options) = self.io_and_options(CONNECT, text)?;
        let options = of_family(options, &endpoint);
        let mut state = self.lock();
        state.check_open(CONNECT)?;
        let once = matches!(self.socket_type, SocketType::Dealer | SocketType::Sub | SocketType::Pub | SocketType::Req);
        // As with libzmq, an endpoint of its own is one such a socket uses already: nobody means to talk to himself.
        if once && state.endpoints.iter().any(|entry| entry.key == key) {
            return Ok(None);
        }
        let pipe = if options.immediate {
            None
        } else {
            state.check_next_id(text)?;
            let facts = PeerFacts { endpoint: key.clone(), ..PeerFacts::default() };
            Some(state.attach_pipe(facts, None))
        };
        state.busy += 1;
        state.last_endpoint = Some(key.clone());
        state.endpoints.push(EndpointEntry { key: key.clone(), kind: Kind::Connected(io.clone()) });
        let dialer = Box::new(Dialer::new(key, endpoint, options, pipe));
        state.tell_io(io, Command::Connect(self.clone(), dialer));
        Ok(pipe)
    }

    fn connect_name(self: &Arc<SocketCore>, key: &Arc<str>, name: &str) -> Result<PipeId> {
        let (pipe, binder) = {
            // As in binding: what waits for a name that a close does not know of would be waited for, for ever.
            let mut state = self.lock();
            state.check_open(CONNECT)?;
            state.check_next_id(key)?;
            let facts = PeerFacts { endpoint: key.clone(), ..PeerFacts::default() };
            let hello = salute::hello_inproc(self.socket_type, &state.options).cloned();
            let pipe = state.attach_pipe(facts, hello);
            state.last_endpoint = Some(key.clone());
            state.busy += 1;
            let kind = Kind::ConnectedName(name.to_string(), pipe);
            state.endpoints.push(EndpointEntry { key: key.clone(), kind });
            (pipe, self.context.names().connect(name, self, pipe))
        };
        if let Some(binder) = binder {
            inproc::join(self, pipe, &binder, key);
            self.lock().not_busy();
        }
        Ok(pipe)
    }

    /// Gives up what was bound, or connected, by this endpoint. Unbinding ends connects as well, as in libzmq; only the
    /// name of the operation differs.
    pub(crate) fn unbind(self: &Arc<SocketCore>, text: &str) -> Result<()> {
        for entry in self.take_endpoint("unbind", text)? {
            self.end_entry(entry);
        }
        Ok(())
    }

    /// As [`unbind`](SocketCore::unbind); from now on the dialers whose peers refuse them give up, if they are to stop
    /// after a disconnect.
    pub(crate) fn disconnect(self: &Arc<SocketCore>, text: &str) -> Result<()> {
        let ended = self.take_endpoint("disconnect", text)?;
        self.lock().disconnected_some = true;
        for entry in ended {
            self.end_entry(entry);
        }
        Ok(())
    }

    /// Takes what is in use by this endpoint from the socket's list; there is something.
    fn take_endpoint(self: &Arc<SocketCore>, operation: &'static str, text: &str) -> Result<Vec<EndpointEntry>> {
        self.enter(operation)?;
        self.check_endpoint_to_end(operation, text)?;
        let mut ended = self.take_entries(text);
        if ended.is_empty()
            && let Ok(Endpoint::Tcp(endpoint)) = Endpoint::parse(operation, text, false)
        {
            // The same address in another spelling.
            let options = self.lock().options.clone();
            let ipv6 = options.ipv6 || (options.strict_endpoints && endpoint.is_ipv6());
            for address in endpoint.resolve_connect(ipv6).unwrap_or_default() {
                ended.extend(self.take_entries(&Endpoint::from(address).to_string()));
            }
        }
        if ended.is_empty() {
            // What could be an endpoint is one the socket does not use, whatever else is wrong with it.
            let why = "the socket does not use this endpoint";
            return Err(Error::with_text(ErrorKind::UnknownEndpoint, operation, text, why));
        }
        Ok(ended)
    }

    /// Whether it could be an endpoint in use: of the address nothing is looked at.
    fn check_endpoint_to_end(&self, operation: &'static str, text: &str) -> Result<()> {
        let (kind, why) = match text.split_once("://") {
            None | Some(("", _) | (_, "")) => {
                (ErrorKind::InvalidEndpoint, "there is no transport before, or no address behind \"://\"")
            }
            Some(("udp", _)) if !suits_udp(self.socket_type) => return Err(incompatible(operation, text)),
            Some(("tcp" | "ipc" | "inproc" | "udp", _)) => return Ok(()),
            Some(_) => (ErrorKind::UnsupportedTransport, "the transport is not one of tcp, ipc, inproc, udp"),
        };
        Err(Error::with_text(kind, operation, text, why))
    }

    fn take_entries(self: &Arc<SocketCore>, key: &str) -> Vec<EndpointEntry> {
        let mut state = self.lock();
        let found_from = state.pattern.found_from();
        if let Some(pipe) = state.kept_name.take_if(|pipe| found_from != Some(*pipe)) {
            state.forget_name(pipe);
        }
        let is_name = |entry: &EndpointEntry| &*entry.key == key && matches!(entry.kind, Kind::BoundName(_));
        // As libzmq: of a name both bound and connected, the binding goes first and alone.
        let only_name = !state.options.strict_endpoints && state.endpoints.iter().any(is_name);
        let (taken, kept) = std::mem::take(&mut state.endpoints)
            .into_iter()
            .partition(|entry| if only_name { is_name(entry) } else { &*entry.key == key });
        state.endpoints = kept;
        taken
    }

    fn end_entry(self: &Arc<SocketCore>, entry: EndpointEntry) {
        let linger = self.lock().options.linger;
        match entry.kind {
            Kind::Bound(listener) => {
                let event = listener.event(EventKind::Closed("unbound".into()));
                listener.close();
                let mut state = self.lock();
                state.emit(event);
                state.tell_io(
                    listener.io.clone(),
                    Command::End(self.clone(), Which::Endpoint(entry.key.clone()), linger),
                );
            }
            Kind::Connected(io) => {
                let mut state = self.lock();
                let pipes: Vec<PipeId> =
                    state.pipes.iter().filter(|(_, pipe)| pipe.facts.endpoint == entry.key).map(|(id, _)| id).collect();
                for pipe in pipes {
                    state.disconnect_pipe(pipe);
                }
                state.tell_io(io, Command::End(self.clone(), Which::Endpoint(entry.key.clone()), linger));
            }
            Kind::Datagrams(pipe, io) => {
                let mut state = self.lock();
                state.pipe_ended(pipe);
                if let Some(io) = io {
                    state.tell_io(io, Command::End(self.clone(), Which::Pipe(pipe, None), linger));
                }
            }
            Kind::BoundName(name) => self.context.names().unbind(&name, self),
            Kind::ConnectedName(name, pipe) => {
                let mut state = self.lock();
                let unsent = state.pipes.get_mut(pipe).is_some_and(|pipe| !pipe.is_duct() && pipe.queued_out() > 0);
                if unsent && !self.context.is_terminated() {
                    // What was sent waits on for whoever binds the name.
                    return state.disconnect_pipe(pipe);
                }
                drop(state);
                let waited = self.context.names().forget(&name, self, pipe);
                let mut state = self.lock();
                if waited {
                    state.expire_pipe(pipe);
                    state.not_busy();
                } else if state.pipes.get(pipe).is_some_and(|pipe| !pipe.ended) {
                    // Whose peer has gone before is read to its end.
                    state.end_duct(pipe);
                }
            }
        }
    }

    /// The context is ending: a pipe that waits for a name waits no longer.
    pub(crate) fn name_will_not_come(self: &Arc<SocketCore>, pipe: PipeId) {
        let mut state = self.lock();
        state.expire_pipe(pipe);
        state.not_busy();
    }
}

/// Whether it is an endpoint of udp; whether it is valid is asked after whether udp suits the socket.
fn is_udp(text: &str) -> bool {
    text.strip_prefix("udp://").is_some_and(|address| !address.is_empty())
}

/// Whether it is an endpoint of a transport that listens; whether it is valid is another matter.
fn listens(text: &str) -> bool {
    text.split_once("://").is_some_and(|(transport, address)| matches!(transport, "tcp" | "ipc") && !address.is_empty())
}

fn suits_udp(socket_type: SocketType) -> bool {
    matches!(socket_type, SocketType::Radio | SocketType::Dish | SocketType::Dgram)
}

/// The options with which to bind or connect: an address that is IPv6's needs a socket of IPv6.
fn of_family(options: Arc<Options>, endpoint: &Endpoint) -> Arc<Options> {
    match endpoint {
        Endpoint::Tcp(tcp) if options.strict_endpoints && !options.ipv6 && tcp.is_ipv6() => {
            Arc::new(Options { ipv6: true, ..Options::clone(&options) })
        }
        _ => options,
    }
}

fn incompatible(operation: &'static str, text: &str) -> Error {
    Error::with_text(ErrorKind::IncompatibleTransport, operation, text, "the transport does not suit this socket type")
}

/// The names errors use.
const BIND: &str = "bind";
const CONNECT: &str = "connect";

/// Bytes of a path that fit a Unix socket's address; of an abstract name, with the zero before it.
const IPC_PATH_MAX: usize = 107;
