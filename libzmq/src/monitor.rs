//! `zmq_socket_monitor*`: events as messages on an inproc socket.

use std::borrow::Cow;
use std::ffi::{c_char, c_int, c_void};

use zefiro::{AnySocket, Endpoint, Event, EventKind, Frame, MonitorHandle, SocketType, Wait};

use crate::argument::endpoint_at;
use crate::failure::{ENOCOMPATPROTO, Failure, Outcome, guard};
use crate::handle::with_socket;
use crate::socket::SocketHandle;

/// A socket's monitor; dropping it ends it, with the event that says so.
pub(crate) struct CMonitor {
    handle: MonitorHandle,
    events: u64,
    version: c_int,
    sender: AnySocket,
}

impl Drop for CMonitor {
    fn drop(&mut self) {
        // The endpoint is free then.
        self.handle.stop_and_wait();
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(socket: *mut c_void, endpoint: *const c_char, events: c_int) -> c_int {
    // SAFETY: as there. A negative mask has bits that no version has.
    unsafe { zmq_socket_monitor_versioned(socket, endpoint, events as u64, 1, SocketType::Pair as c_int) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_versioned(
    socket: *mut c_void,
    endpoint: *const c_char,
    events: u64,
    version: c_int,
    socket_type: c_int,
) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            socket.socket.raw_option(TYPE, &mut [0; 4])?;
            if version == 1 && events >> 16 != 0 {
                return Err(Failure(libc::EINVAL));
            }
            if endpoint.is_null() {
                drop(socket.monitor.lock().take());
                return Ok(0);
            }
            // SAFETY: C passes a string.
            let endpoint = unsafe { endpoint_at(endpoint) }?;
            start(socket, &endpoint, events, version, socket_type)?;
            Ok(0)
        })
    })
}

fn start(socket: &SocketHandle, endpoint: &str, events: u64, version: c_int, socket_type: c_int) -> Outcome<()> {
    let (transport, address) = endpoint.split_once("://").ok_or(Failure(libc::EINVAL))?;
    if transport.is_empty() || address.is_empty() {
        return Err(Failure(libc::EINVAL));
    }
    if transport != "inproc" {
        use SocketType::{Dgram, Dish, Radio};
        let unsuited = transport == "udp" && !matches!(socket.socket.socket_type(), Dgram | Dish | Radio);
        return Err(Failure(if unsuited { ENOCOMPATPROTO } else { libc::EPROTONOSUPPORT }));
    }
    let mut monitor = socket.monitor.lock();
    drop(monitor.take());
    let allowed = [SocketType::Pair, SocketType::Pub, SocketType::Push];
    if allowed.iter().all(|allowed| *allowed as c_int != socket_type) {
        return Err(Failure(libc::EINVAL));
    }
    let sender = AnySocket::open_as_libzmq(&socket.context, socket_type)?;
    sender.set_raw_option(LINGER, Some(&0i32.to_ne_bytes()))?;
    if let Err(error) = sender.bind(endpoint) {
        sender.close();
        return Err(error.into());
    }
    let out = sender.clone();
    let handle = socket.socket.monitor_with(move |event| {
        for event in as_libzmq_tells(&event).into_iter().flatten() {
            let number = number_of(&event.kind);
            match version {
                _ if number & events == 0 => {}
                1 => send_version_1(&out, number, &event),
                2 => send_version_2(&out, number, &event),
                _ => {}
            }
        }
        if event.kind == EventKind::Stopped {
            out.close();
        }
    });
    *monitor = Some(CMonitor { handle, events, version, sender });
    Ok(())
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_socket_monitor_pipes_stats(socket: *mut c_void) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            let monitor = socket.monitor.lock();
            let monitor = monitor.as_ref().filter(|monitor| monitor.events & PIPES_STATS != 0);
            let monitor = monitor.ok_or(Failure(libc::EINVAL))?;
            let queues = socket.socket.queues();
            if queues.is_empty() {
                return Err(Failure(libc::EAGAIN));
            }
            if monitor.version != 2 {
                // As of all events, nothing is told.
                return Ok(0);
            }
            for queue in queues {
                let (local, remote) = match (&queue.bound, &queue.connected) {
                    (Some(bound), None) if bound.starts_with("ipc://") => (bound.as_str(), UNNAMED),
                    (bound, connected) => {
                        (bound.as_deref().unwrap_or_default(), connected.as_deref().unwrap_or_default())
                    }
                };
                send_parts(&monitor.sender, PIPES_STATS, &[queue.queued_out, queue.queued_in], local, remote);
            }
            Ok(0)
        })
    })
}

/// The events libzmq has for one of the engine's.
fn as_libzmq_tells(event: &Event) -> [Option<Cow<'_, Event>>; 2] {
    match event.kind {
        // Of a peer that breaks the rules, in a way it has no code for, it tells only that the connection is over.
        EventKind::HandshakeFailed(_) if event.value == libc::EPROTO as u64 => [None, None],
        // It first tells that the socket is closed that was to listen, if there was one, which has no address yet over
        // TCP; then of the address without the transport.
        EventKind::BindFailed(_) => {
            let mut failed = event.clone();
            failed.endpoint = event.endpoint.split_once("://").map_or("", |(_, address)| address).into();
            let closed = event.descriptor.map(|descriptor| {
                let mut closed = event.clone();
                closed.kind = EventKind::Closed(String::new());
                closed.value = descriptor as u64;
                if !event.endpoint.starts_with("ipc://") {
                    closed.endpoint.clear();
                }
                Cow::Owned(closed)
            });
            [closed, Some(Cow::Owned(failed))]
        }
        _ => match &event.proxy {
            // It names the proxy in place of the peer.
            Some(proxy) => {
                let mut proxied = event.clone();
                proxied.endpoint.clone_from(proxy);
                proxied.peer = Some(proxy.clone());
                [Some(Cow::Owned(proxied)), None]
            }
            None => [Some(Cow::Borrowed(event)), None],
        },
    }
}

/// The bit of libzmq's that stands for it; 0 for what libzmq does not tell.
fn number_of(kind: &EventKind) -> u64 {
    match kind {
        EventKind::Connected => 0x1,
        EventKind::ConnectDelayed => 0x2,
        EventKind::ConnectRetried(_) => 0x4,
        EventKind::Listening => 0x8,
        EventKind::BindFailed(_) => 0x10,
        EventKind::Accepted => 0x20,
        EventKind::AcceptFailed(_) => 0x40,
        EventKind::Closed(_) => 0x80,
        EventKind::Disconnected(_) => 0x200,
        EventKind::Stopped => 0x400,
        EventKind::HandshakeFailed(_) => 0x800,
        EventKind::HandshakeSucceeded => 0x1000,
        EventKind::ProtocolFailed(_) => 0x2000,
        EventKind::AuthenticationFailed(_) => 0x4000,
        _ => 0,
    }
}

/// Six bytes of number and value, then one address.
fn send_version_1(out: &AnySocket, number: u64, event: &Event) {
    let mut head = [0; 6];
    head[..2].copy_from_slice(&(number as u16).to_ne_bytes());
    head[2..].copy_from_slice(&(event.value as u32).to_ne_bytes());
    // Of a connection that was accepted it is this end's own address, which a listener at a wildcard does not have.
    let accepted = event.peer.as_ref().is_some_and(|peer| *peer != event.endpoint);
    let address = event.local.as_deref().filter(|_| accepted).unwrap_or(&event.endpoint);
    // Nobody reads, or not fast enough: the event is dropped rather than anything held up.
    if out.send_part_from(&mut Frame::from(&head), true, Wait::No).is_ok() {
        let _ = out.send_part_from(&mut address_part(address), false, Wait::No);
    }
}

/// Eight bytes each: the number, how many values, the values; then both addresses.
fn send_version_2(out: &AnySocket, number: u64, event: &Event) {
    let (mut local, mut remote) =
        (event.local.as_deref().unwrap_or_default(), event.peer.as_deref().unwrap_or_default());
    match event.kind {
        EventKind::Listening | EventKind::AcceptFailed(_) | EventKind::BindFailed(_) => {
            (local, remote) = (event.endpoint.as_str(), "");
        }
        EventKind::Closed(_) if event.peer.is_none() => local = event.endpoint.as_str(),
        // Of an attempt there is no end here yet, or none any more.
        EventKind::Closed(_) | EventKind::ConnectDelayed | EventKind::ConnectRetried(_) => local = "",
        _ if event.endpoint.starts_with("ipc://") && (local.is_empty() != remote.is_empty()) => {
            let unnamed = if local.is_empty() { &mut local } else { &mut remote };
            *unnamed = UNNAMED;
        }
        _ => {}
    }
    send_parts(out, number, &[event.value], local, remote);
}

fn send_parts(out: &AnySocket, number: u64, values: &[u64], local: &str, remote: &str) {
    let numbers = [number, values.len() as u64].into_iter().chain(values.iter().copied());
    let numbers = numbers.map(|number| Frame::from(&number.to_ne_bytes()));
    for mut part in numbers.chain([address_part(local)]) {
        if out.send_part_from(&mut part, true, Wait::No).is_err() {
            return;
        }
    }
    let _ = out.send_part_from(&mut address_part(remote), false, Wait::No);
}

/// An address as C has it.
fn address_part(address: &str) -> Frame {
    Frame::from(&*Endpoint::bytes_of_text(address))
}

const TYPE: c_int = 16;
const LINGER: c_int = 17;
const PIPES_STATS: u64 = 0x10000;

/// The end of an ipc connection that connected has no path.
const UNNAMED: &str = "ipc://";
