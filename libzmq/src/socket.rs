//! Sockets: making and closing them, options, endpoints.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use zefiro::AnySocket;

use crate::argument::{buffer_at, bytes_at, endpoint_at};
use crate::draft;
use crate::failure::{Failure, guard};
use crate::handle::{self, Kind, Object, with_socket};
use crate::monitor::CMonitor;

/// What a socket's handle stands for.
pub(crate) struct SocketHandle {
    pub(crate) socket: AnySocket,
    pub(crate) context: zefiro::Context,
    pub(crate) monitor: Mutex<Option<CMonitor>>,
    /// Whether its messages [carry something beside their body](draft::has_beside).
    pub(crate) has_beside: bool,
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_socket(context: *mut c_void, socket_type: c_int) -> *mut c_void {
    guard(|| {
        let context = handle::context(context)?.context.clone();
        let socket = AnySocket::open_as_libzmq(&context, socket_type)?;
        let has_beside = draft::has_beside(socket.socket_type());
        let socket = SocketHandle { socket, context, monitor: Mutex::new(None), has_beside };
        handle::open(Object::Socket(Arc::new(socket)))
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_close(socket: *mut c_void) -> c_int {
    guard(|| {
        if let Some(Object::Socket(closed)) = handle::close(socket, Kind::Socket)? {
            // The last that its monitor is told: what no longer listens, and that this was all.
            closed.socket.close();
            drop(closed.monitor.lock().take());
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(socket: *mut c_void, option: c_int, value: *const c_void, len: usize) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a value of this length, or null.
            let value = unsafe { bytes_at(value, len) };
            if value.is_none() && len > 0 {
                // That the context has ended comes first.
                socket.socket.readiness()?;
                return Err(Failure(libc::EINVAL));
            }
            socket.socket.set_raw_option(option, value)?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    socket: *mut c_void,
    option: c_int,
    value: *mut c_void,
    len: *mut usize,
) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a buffer and where its length is.
            let buffer = unsafe { buffer_at(value, len) }?;
            let used = socket.socket.raw_option(option, buffer)?;
            if !KEYS.contains(&option) {
                // SAFETY: `buffer_at` has read the length from there.
                unsafe { *len = used };
            }
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a string, or null.
            let endpoint = unsafe { endpoint_at(endpoint) }?;
            let streams = endpoint.starts_with("tcp://") || endpoint.starts_with("ipc://");
            match if streams { socket.socket.take_use_fd() } else { None } {
                // SAFETY: C hands the descriptor over with the option, and the engine tells of it once.
                Some(fd) => socket.socket.bind_fd(&*endpoint, unsafe { OwnedFd::from_raw_fd(fd) })?,
                None => socket.socket.bind(&*endpoint)?,
            };
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a string, or null.
            let endpoint = unsafe { endpoint_at(endpoint) }?;
            socket.socket.connect(&*endpoint)?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a string, or null, which is no endpoint either.
            socket.socket.unbind(&*unsafe { endpoint_at(endpoint) }.unwrap_or_default())?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(socket: *mut c_void, endpoint: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes a string, or null, which is no endpoint either.
            socket.socket.disconnect(&*unsafe { endpoint_at(endpoint) }.unwrap_or_default())?;
            Ok(0)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_get_peer_state(
    socket: *mut c_void,
    routing_id: *const c_void,
    len: usize,
) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes an id of this length, or null.
            let id = unsafe { bytes_at(routing_id, len) }.unwrap_or_default();
            Ok(if socket.socket.peer_has_room(id)? { crate::poll::POLLOUT.into() } else { 0 })
        })
    })
}

/// CURVE's keys: reading one leaves the length as it is.
const KEYS: [c_int; 3] = [48, 49, 50];
