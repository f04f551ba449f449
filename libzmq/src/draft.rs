//! The younger socket types: what their messages carry beside the body, groups, and peers by number.
//!
//! The engine has the number, or the group, as a message's first frame; in C it is a field of `zmq_msg_t`.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use zefiro::{Frame, Metadata, SocketType, Wait};

use crate::argument::{endpoint_at, string_at};
use crate::failure::{Failure, Outcome, guard};
use crate::handle::with_socket;
use crate::socket::SocketHandle;

/// What a message carries beside its body.
#[derive(Clone, Default)]
pub(crate) struct Beside {
    pub(crate) routing_id: u32,
    pub(crate) group: Frame,
}

/// Whether messages of such sockets carry something beside their body.
#[inline]
pub(crate) fn has_beside(socket_type: SocketType) -> bool {
    use SocketType::*;
    matches!(socket_type, Server | Peer | Radio | Dish)
}

/// Sends a body with what it carries.
#[cold]
pub(crate) fn send(socket: &SocketHandle, body: &mut Frame, beside: Beside, more: bool, wait: Wait) -> Outcome<()> {
    let socket_type = socket.socket.socket_type();
    if socket_type == SocketType::Dish {
        return Err(Failure(libc::ENOTSUP));
    }
    if more {
        return Err(Failure(libc::EINVAL));
    }
    let body = body.clone();
    let mut message = match socket_type {
        SocketType::Radio => zefiro::Message::for_group(beside.group, body),
        _ => zefiro::Message::for_peer(beside.routing_id, body),
    };
    Ok(socket.socket.send_message(&mut message, wait)?)
}

/// Receives a body with what it carries.
#[cold]
pub(crate) fn recv(
    socket: &SocketHandle,
    body: &mut Frame,
    metadata: Option<&mut Option<Arc<Metadata>>>,
    wait: Wait,
) -> Outcome<Beside> {
    let mut message = zefiro::Message::new();
    socket.socket.recv_message(&mut message, metadata, wait)?;
    let mut beside = Beside::default();
    match socket.socket.socket_type() {
        SocketType::Dish => beside.group = message.first().clone(),
        _ => beside.routing_id = message.peer_number().unwrap_or_default(),
    }
    *body = message.last().clone();
    Ok(beside)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_join(socket: *mut c_void, group: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a string, or null.
            socket.socket.join(unsafe { string_at(group) }?.to_bytes())?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_leave(socket: *mut c_void, group: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a string, or null.
            socket.socket.leave(unsafe { string_at(group) }?.to_bytes())?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect_peer(socket: *mut c_void, endpoint: *const c_char) -> u32 {
    guard(|| {
        with_socket(socket, |socket| {
            // An ended context is told of first.
            socket.socket.raw_option(TYPE, &mut [0; 4])?;
            if socket.socket.socket_type() != SocketType::Peer {
                return Err(Failure(libc::ENOTSUP));
            }
            if socket.socket.options().immediate {
                return Err(Failure(libc::EFAULT));
            }
            // SAFETY: C passes a string, or null.
            let endpoint = unsafe { endpoint_at(endpoint) }?;
            Ok(socket.socket.connect_peer(&*endpoint)?)
        })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_disconnect_peer(socket: *mut c_void, routing_id: u32) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            socket.socket.disconnect_number(routing_id)?;
            Ok(0)
        })
    })
}

const TYPE: c_int = 16;
