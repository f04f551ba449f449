//! Handshake: from a stream that the system has connected to one on which messages may flow.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zmtp::{Config, Connection, Event, Heartbeat, Limits, PeerInfo, SocketType, Version};

use super::super::IoHandle;
use super::super::link::{Loss, Protocol};
use super::super::receive::READS_IO;
use super::{Fresh, Greeted, Origin, Phase, Session, is_mapped};
use crate::counters::DropReason;
use crate::endpoint::Endpoint;
use crate::monitor::EventKind;
use crate::options::{Options, Security};
use crate::pipe::outbox::Format;
use crate::socket::core::SocketCore;
use crate::sys::{Interest, net};
use crate::transport::tcp;
use crate::zap::Fault;

impl Session {
    /// The system has connected a stream that this side dialled.
    fn connected(&mut self, Fresh { stream, address, .. }: &Fresh) -> Result<(), Loss> {
        let Origin::Connect(dialer) = &mut self.origin else { return Ok(()) };
        dialer.established();
        let (local, remote) = match dialer.endpoint {
            Endpoint::Tcp(_) => (tcp::local_address(stream), address.or_else(|| tcp::peer_address(stream))),
            _ => (None, None),
        };
        self.peer.descriptor = stream.as_raw_fd();
        self.peer.endpoint = Some(dialer.text.to_string());
        self.peer.local = local.map(|address| format!("tcp://{address}"));
        self.peer.address = match remote {
            Some(address) => Some(address.ip().to_canonical().to_string()),
            None => net::peer_credentials(stream).map(|(uid, gid, pid)| format!("localhost:{uid}:{gid}:{pid}")),
        };
        self.peer.mapped = remote.is_some_and(is_mapped);
        self.emit(EventKind::Connected);
        if remote.is_some() && remote == local {
            return Err(Loss::Io(io::Error::new(ErrorKind::ConnectionRefused, "connected to itself")));
        }
        Ok(())
    }

    /// A stream is there: the handshake begins, or without one the session is established.
    pub(crate) fn begin(
        &mut self,
        fresh: Fresh,
        io: &Arc<IoHandle>,
        token: u64,
        now: Instant,
    ) -> Result<Greeted, Loss> {
        self.connected(&fresh).inspect_err(|_| fresh.unwatch(io))?;
        fresh.watch(io, token).map_err(Loss::Io)?;
        let (stream, options) = (fresh.stream, self.options());
        if self.is_raw() {
            let protocol = Protocol::Raw { piece_bytes: options.in_batch_size.max(1) };
            self.establish(stream, protocol, Format::Raw, None, io, token);
            return Ok(Greeted::NotYet);
        }
        (self.asked, self.admitted, self.refused, self.refused_bytes) = (None, None, false, 0);
        self.negotiation = None;
        self.greeting_interest = Interest::READ;
        let config = Arc::new(config_of(&self.core, &options, matches!(self.origin, Origin::Accept(_))));
        let connection = Connection::new(config, now);
        self.deadline = connection.next_deadline();
        self.phase = Phase::Greeting(stream, Box::new(connection), Vec::new());
        if let Origin::Connect(_) = self.origin {
            // The peer has hardly had the time to say anything; what it says is told of.
            return self.write_greeting(io, token).map(|()| Greeted::NotYet);
        }
        self.greet(io, token, now)
    }

    fn is_raw(&self) -> bool {
        self.core.socket_type == SocketType::Stream || self.options().router_raw
    }

    /// One step of the handshake: reads what is there, asks about the peer if that is due, writes what is due.
    pub(crate) fn greet(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<Greeted, Loss> {
        let read = self.read_greeting(io, now)?;
        let asked = self.ask(io, token, now);
        let written = self.write_greeting(io, token);
        self.look_whether_greeted(read.and(asked), written)
    }

    /// Reads what is there; the inner result is what the protocol made of it.
    fn read_greeting(&mut self, io: &IoHandle, now: Instant) -> Result<Result<(), Loss>, Loss> {
        let Phase::Greeting(stream, connection, _) = &mut self.phase else { return Ok(Ok(())) };
        if connection.is_ready() {
            // What the last word waits for is room for it. What the peer sends meanwhile waits in the kernel.
            return Ok(Ok(()));
        }
        // Who talks on without end, as one that was refused may, does not keep the thread from the others.
        for _ in 0..READS_IO {
            io.memory.lend_to(connection);
            let input = connection.input();
            let read = net::read(&*stream, input);
            // What comes after is told of again.
            let was_all = input.len() < input.capacity();
            match read {
                Ok(0) => return Err(Loss::PeerClosed),
                Ok(count) if self.refused => {
                    input.clear();
                    self.refused_bytes += count;
                    if self.refused_bytes > REFUSED_BYTES_MAX {
                        return Err(Loss::Greedy("a hearing after it was refused"));
                    }
                }
                Ok(_) => {
                    let handled = connection.handle_input(now).map_err(Loss::Protocol);
                    io.memory.take_back(connection);
                    if handled.is_err() || connection.is_ready() {
                        return Ok(handled);
                    }
                    if was_all {
                        return Ok(Ok(()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    io.memory.take_back(connection);
                    return Ok(Ok(()));
                }
                Err(error) => return Err(Loss::Io(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Writes what is due, and has the rest of it written as soon as the kernel has room: a peer that waits for it says
    /// nothing that would bring this thread here again.
    pub(super) fn write_greeting(&mut self, io: &IoHandle, token: u64) -> Result<(), Loss> {
        let is_last = matches!(&self.phase, Phase::Greeting(_, connection, _) if connection.is_ready());
        let write = if is_last && self.has_something_to_say() { net::write_with_more } else { net::write };
        let Phase::Greeting(stream, connection, unwritten) = &mut self.phase else { return Ok(()) };
        if let Some(output) = connection.take_output() {
            unwritten.extend_from_slice(&output);
        }
        while !unwritten.is_empty() {
            match write(&*stream, unwritten) {
                Ok(count) => drop(unwritten.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It has said all it had to and is gone: what it said is still good, and its end is seen next.
                // Should the stream still live, as when the system was out of buffers, the peer must not wait for
                // the rest, nor take what would follow for it.
                Err(_) if connection.is_ready() => {
                    net::end_output(&*stream);
                    unwritten.clear();
                }
                Err(error) => return Err(Loss::Io(error)),
            }
        }
        let blocked = !unwritten.is_empty();
        let interest = Interest { read: !(blocked && connection.is_ready()), write: blocked, once: false };
        if std::mem::replace(&mut self.greeting_interest, interest) != interest {
            io.selector.modify(&*stream, token, interest).map_err(Loss::Io)?;
        }
        Ok(())
    }

    /// What a step has come to, by what the protocol made of it and by whether its answer could be written.
    pub(super) fn look_whether_greeted(
        &mut self,
        step: Result<(), Loss>,
        written: Result<(), Loss>,
    ) -> Result<Greeted, Loss> {
        let Phase::Greeting(stream, connection, unwritten) = &mut self.phase else { return Ok(Greeted::NotYet) };
        if let Err(loss) = step {
            // A handshake is none the worse for what comes behind it, nor are the messages between the two. Who is gone
            // cannot be told more.
            let was_told = written.is_err() || unwritten.is_empty();
            return match connection.poll_event() {
                Some(Event::Ready(info)) if was_told => {
                    // What waits for a peer is not for this one.
                    net::shutdown(&*stream);
                    if self.core.socket_type == SocketType::Req {
                        drop_messages(&self.core, connection);
                    }
                    Ok(Greeted::Broken(Box::new(info), loss))
                }
                _ => Err(loss),
            };
        }
        written?;
        if connection.is_ready() && !unwritten.is_empty() {
            // The time for the handshake goes on, until the peer has been told all of it.
            return Ok(Greeted::NotYet);
        }
        self.deadline = connection.next_deadline();
        if connection.is_ready()
            && let Some(Event::Ready(info)) = connection.poll_event()
        {
            return Ok(Greeted::Ready(Box::new(info)));
        }
        Ok(Greeted::NotYet)
    }

    /// The handshake is over: messages may flow.
    pub(crate) fn greeted(&mut self, info: PeerInfo, io: &Arc<IoHandle>, token: u64) {
        let Phase::Greeting(stream, mut connection, _) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return;
        };
        self.negotiation = None;
        // A connection may be idle from now on, and nothing may ever be read from it again.
        connection.idle_trim();
        if info.version >= Version::V3_0 {
            self.emit_with(EventKind::HandshakeSucceeded, 0);
        }
        let format = Format::Zmtp(info.framing, info.version);
        self.establish(stream, Protocol::Zmtp(connection), format, Some(info), io, token);
    }

    /// Tells why the handshake has failed, in the kind of event libzmq has for it.
    pub(crate) fn emit_failure(&self, loss: &Loss) {
        let why = loss.to_string();
        match loss {
            // That has been told.
            _ if self.refused => {}
            Loss::NoAnswer => self.emit_with(EventKind::AuthenticationFailed(format!("500 {why}")), 500),
            Loss::Answer(Fault(code)) => self.emit_with(EventKind::ProtocolFailed(why), u64::from(*code)),
            Loss::Protocol(error) => match (error.refused_status(), self.protocol_code(error)) {
                (Some(status), _) => self.emit_with(EventKind::AuthenticationFailed(why), status.into()),
                (None, Some(code)) => self.emit_with(EventKind::ProtocolFailed(why), code.into()),
                (None, None) => self.emit_with(EventKind::HandshakeFailed(why), loss.errno()),
            },
            _ => self.emit_with(EventKind::HandshakeFailed(why), loss.errno()),
        }
    }

    /// libzmq's number for a fault of the peer: its clients of PLAIN and CURVE take a wrong type for wrong metadata.
    fn protocol_code(&self, error: &zmtp::Error) -> Option<u32> {
        let is_told = || matches!(self.options().security(), Security::PlainClient | Security::CurveClient);
        match error {
            zmtp::Error::IncompatibleType(_) if is_told() => zmtp::Error::InvalidMetadata.protocol_code(),
            _ => error.protocol_code(),
        }
    }
}

/// A reply to what has not been asked yet is none.
fn drop_messages(core: &Arc<SocketCore>, connection: &mut Connection) {
    while let Some(event) = connection.poll_event() {
        if let Event::Messages(run) = event {
            let mut state = core.lock();
            state.pipes.counters.arrived += run.messages() as u64;
            state.pipes.count_dropped(DropReason::Filtered, run.messages() as u64);
        }
    }
}

/// What the protocol needs to know, from the socket's options.
fn config_of(core: &SocketCore, options: &Options, as_server: bool) -> Config {
    let mut limits = Limits::default();
    limits.frame_bytes_max = options.max_frame_size;
    limits.message_bytes_max = options.message_bytes_max;
    limits.message_frames_max = options.message_frames_max.unwrap_or(usize::MAX);
    limits.command_bytes_max = options.handshake_bytes_max.unwrap_or(usize::MAX);
    let mut config = Config::new(core.socket_type);
    config.as_server = as_server;
    config.routing_id = options.routing_id.clone();
    config.metadata = options.metadata.clone();
    config.limits = limits;
    config.heartbeat = match options.liveness.filter(|_| options.heartbeat_interval.is_none() && net::KNOWS_HOSTS) {
        // Half the time between pings, half of it to hear of one.
        Some(liveness) => Heartbeat {
            interval: Some(liveness / 2),
            timeout: Some(liveness / 2),
            only_current: true,
            ..Heartbeat::default()
        },
        None => Heartbeat {
            interval: options.heartbeat_interval,
            timeout: options.heartbeat_timeout.or(options.heartbeat_interval),
            ttl: options.heartbeat_ttl,
            only_current: false,
        },
    };
    config.mechanism = options.mechanism(as_server);
    config.authenticate = options.authenticates() || core.authenticator.is_some();
    config.handshake_timeout = options.handshake_interval.filter(|interval| *interval > Duration::ZERO);
    config
}

/// What is heard of a peer after it was refused, and thrown away, so that it hears the refusal; then it is cut off.
const REFUSED_BYTES_MAX: usize = 64 * 1024;
