//! What Zefiro has beyond libzmq: declared in `zefiro.h`.

use std::ffi::{CStr, c_char, c_int, c_void};

use zefiro::Counters;

use crate::failure::{Failure, guard, last_text};
use crate::handle::with_socket;

/// `zefiro_counters_t`. Later versions only add to its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CCounters {
    sent_messages: u64,
    sent_bytes: u64,
    received_messages: u64,
    received_bytes: u64,
    queued_out: u64,
    queued_in: u64,
    dropped_high_water_mark: u64,
    dropped_unroutable: u64,
    dropped_peer_gone: u64,
    dropped_linger_expired: u64,
    dropped_oversize: u64,
    dropped_filtered: u64,
    dropped_conflated: u64,
}

impl From<Counters> for CCounters {
    fn from(counters: Counters) -> CCounters {
        CCounters {
            sent_messages: counters.sent,
            sent_bytes: counters.sent_bytes,
            received_messages: counters.received,
            received_bytes: counters.received_bytes,
            queued_out: counters.queued_out,
            queued_in: counters.queued_in,
            dropped_high_water_mark: counters.dropped.high_water_mark,
            dropped_unroutable: counters.dropped.unroutable,
            dropped_peer_gone: counters.dropped.peer_gone,
            dropped_linger_expired: counters.dropped.linger_expired,
            dropped_oversize: counters.dropped.oversize,
            dropped_filtered: counters.dropped.filtered,
            dropped_conflated: counters.dropped.conflated,
        }
    }
}

/// Fills as much of the counters as C knows of: `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zefiro_socket_counters(socket: *mut c_void, out: *mut CCounters, size: usize) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            if out.is_null() {
                return Err(Failure(libc::EFAULT));
            }
            let counters = CCounters::from(socket.socket.counters());
            let size = size.min(size_of::<CCounters>());
            // SAFETY: C passes room for `size` bytes.
            unsafe {
                std::ptr::copy_nonoverlapping(std::ptr::from_ref(&counters).cast::<u8>(), out.cast(), size);
            }
            Ok(0)
        })
    })
}

/// Sets an option that libzmq does not have, by its name, from text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zefiro_set_option(socket: *mut c_void, name: *const c_char, value: *const c_char) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            if name.is_null() || value.is_null() {
                return Err(Failure(libc::EFAULT));
            }
            // SAFETY: C passes strings.
            let (name, value) = unsafe { (CStr::from_ptr(name), CStr::from_ptr(value)) };
            let (Ok(name), Ok(value)) = (name.to_str(), value.to_str()) else { return Err(Failure(libc::EINVAL)) };
            socket.socket.set_own_option(name, value)?;
            Ok(0)
        })
    })
}

/// The text of this thread's last error: operation, endpoint, cause; of an argument that is not valid, the cause alone.
/// Valid until the next one.
#[unsafe(no_mangle)]
pub extern "C" fn zefiro_last_error() -> *const c_char {
    last_text()
}

/// Zefiro's own version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zefiro_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) -> c_int {
    let numbers = [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    for (place, number) in [major, minor, patch].into_iter().zip(numbers) {
        // SAFETY: C passes places for three numbers; a null one is left out.
        if let Some(place) = unsafe { place.as_mut() } {
            *place = number.parse().unwrap_or(0);
        }
    }
    0
}
