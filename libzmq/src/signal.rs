//! Signal: a descriptor that sockets light when they have changed, for who waits in the system's `poll`.

use std::cell::RefCell;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::failure::{Failure, Outcome, errno};
use crate::handle::Own;
use crate::socket::SocketHandle;

/// A descriptor that is readable once a socket has changed.
pub(crate) struct Signal {
    fd: OwnedFd,
    lit: AtomicBool,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        if !self.lit.swap(true, Ordering::AcqRel) {
            let one = 1u64.to_ne_bytes();
            // SAFETY: the descriptor is an eventfd of ours, the buffer eight bytes.
            unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }
}

impl Signal {
    pub(crate) fn new() -> Outcome<Arc<Signal>> {
        // SAFETY: a plain system call.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(Failure(errno()));
        }
        // SAFETY: it was just made and is nobody else's.
        Ok(Arc::new(Signal { fd: unsafe { OwnedFd::from_raw_fd(fd) }, lit: AtomicBool::new(false) }))
    }

    /// Whether this thread has one, which has its number.
    pub(crate) fn is_kept() -> bool {
        KEPT.try_with(|place| place.borrow().as_ref().and_then(Own::get).is_some()).unwrap_or(false)
    }

    /// The one that this thread keeps for its waits.
    pub(crate) fn of_this_thread() -> Outcome<Arc<Signal>> {
        let kept = KEPT.try_with(|place| place.borrow().as_ref().and_then(Own::get).cloned()).ok().flatten();
        let Some(signal) = kept else {
            let signal = Signal::new()?;
            let _ = KEPT.try_with(|place| place.replace(Some(Own::new(signal.clone()))));
            return Ok(signal);
        };
        Ok(signal)
    }

    pub(crate) fn fd(&self) -> c_int {
        self.fd.as_raw_fd()
    }

    /// Puts it out: what lights it from now on is to be seen, what lit it before is to be looked for.
    pub(crate) fn put_out(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the descriptor is an eventfd of ours, the buffer eight bytes.
        unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        // Not before: one that lights it in between would be read away, and all others take it for lit. One that is about
        // to write lights it once too often at worst.
        self.lit.swap(false, Ordering::AcqRel);
    }

    pub(crate) fn is_lit(&self) -> bool {
        self.lit.load(Ordering::Acquire)
    }
}

thread_local! {
    static KEPT: RefCell<Option<Own<Arc<Signal>>>> = const { RefCell::new(None) };
}

/// A place among those whom a socket tells of changes, until it is dropped.
pub(crate) struct Observation {
    socket: Arc<SocketHandle>,
    place: u64,
}

impl Observation {
    /// Has the socket light the signal whenever it has changed.
    pub(crate) fn begin(socket: &Arc<SocketHandle>, signal: &Arc<Signal>) -> Outcome<Observation> {
        let place = socket.socket.observe(Waker::from(signal.clone()))?;
        Ok(Observation { socket: socket.clone(), place })
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.socket.socket.forget(self.place);
    }
}
