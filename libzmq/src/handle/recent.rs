//! Recent: the sockets that a thread has used last are at its hand, so that a call needs no lock to find them.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Kind, Own, Slot, find, index_of, inherited, socket};
use crate::failure::{ETERM, Failure, Outcome};
use crate::socket::SocketHandle;

/// Sockets this thread used last: then a call needs neither a lock nor a count.
struct Recent {
    places: [UnsafeCell<Option<Place>>; PLACES],
    /// Calls in progress that use a place.
    depth: Cell<u32>,
    /// How many handles had been given up when those that are over were last looked for.
    swept: Cell<u32>,
}

/// Handles given up, over all time.
static GIVEN_UP: AtomicU32 = AtomicU32::new(0);

struct Place {
    slot: &'static Slot,
    tag: u32,
    socket: Own<Arc<SocketHandle>>,
}

impl Place {
    /// Whether the handle was given up since.
    fn is_over(&self) -> bool {
        self.slot.tag.load(Ordering::Relaxed) != self.tag
    }
}

thread_local! {
    static RECENT: Recent = const {
        Recent {
            places: [const { UnsafeCell::new(None) }; PLACES],
            depth: Cell::new(0),
            swept: Cell::new(0),
        }
    };
}

/// A socket for the time of a call.
enum Found {
    /// In a place of this thread's, whose calls in progress are counted there.
    Here(*const SocketHandle, *const Cell<u32>),
    Counted(Arc<SocketHandle>),
}

impl Deref for Found {
    type Target = SocketHandle;

    #[inline(always)]
    fn deref(&self) -> &SocketHandle {
        match self {
            // SAFETY: the place is not changed before the call is over, which its count of calls says.
            Found::Here(socket, _) => unsafe { &**socket },
            Found::Counted(socket) => socket,
        }
    }
}

impl Drop for Found {
    #[inline(always)]
    fn drop(&mut self) {
        if let Found::Here(_, depth) = self {
            // SAFETY: it is this thread's, which is in a call, and so not about to drop what it keeps.
            let depth = unsafe { &**depth };
            depth.set(depth.get() - 1);
        }
    }
}

/// Calls `body` with the socket the handle stands for.
#[inline(always)]
pub(crate) fn with_socket<R>(handle: *mut c_void, body: impl FnOnce(&SocketHandle) -> Outcome<R>) -> Outcome<R> {
    let (slot, tag) = find(handle, Kind::Socket)?;
    if inherited(slot) {
        return Err(Failure(ETERM));
    }
    let found = RECENT.try_with(|recent| {
        #[allow(clippy::indexing_slicing, reason = "there are so many places")]
        let place = recent.places[index_of(slot) % PLACES].get();
        // SAFETY: only this thread touches its places. None is changed while one is in use: `depth` is not zero then,
        // also when the body calls back into the library.
        let known = unsafe { &*place }.as_ref().filter(|known| ptr::eq(known.slot, slot) && known.tag == tag);
        let socket = match known {
            Some(known) => Arc::as_ptr(known.socket.made_here()),
            None => remember(recent, place, slot, tag, handle)?,
        };
        recent.depth.set(recent.depth.get() + 1);
        Some(Found::Here(socket, &recent.depth))
    });
    let found = match found {
        Ok(Some(found)) => found,
        _ => Found::Counted(socket(handle)?),
    };
    body(&found)
}

/// Has the thread keep the socket in a place of its own, if none is in use, and no closed ones any longer.
#[cold]
fn remember(
    recent: &Recent,
    place: *mut Option<Place>,
    slot: &'static Slot,
    tag: u32,
    handle: *mut c_void,
) -> Option<*const SocketHandle> {
    if recent.depth.get() > 0 {
        return None;
    }
    let socket = socket(handle).ok()?;
    // SAFETY: the place is this thread's, and not in use.
    let old = unsafe { (*place).replace(Place { slot, tag, socket: Own::new(socket) }) };
    // Those that other threads have closed since: to look for them here costs the calls that know their socket nothing.
    // Acquire: who sees that one was given up sees that its place is over.
    let given_up = GIVEN_UP.load(Ordering::Acquire);
    let mut over = Vec::new();
    if recent.swept.replace(given_up) != given_up {
        // SAFETY: as above.
        let places = recent.places.iter().map(|place| unsafe { &mut *place.get() });
        over.extend(places.filter_map(|place| place.take_if(|known| known.is_over())));
    }
    // Dropped when the places are whole again, since that may call back into the library, and change them.
    drop((old, over));
    // SAFETY: as above.
    let kept = unsafe { &*place }.as_ref().filter(|kept| ptr::eq(kept.slot, slot) && kept.tag == tag);
    kept.map(|kept| Arc::as_ptr(kept.socket.made_here()))
}

/// The thread keeps no socket of a slot that was given up.
pub(super) fn forget(slot: &'static Slot) {
    GIVEN_UP.fetch_add(1, Ordering::Release);
    let old = RECENT.try_with(|recent| {
        if recent.depth.get() > 0 {
            return None;
        }
        #[allow(clippy::indexing_slicing, reason = "there are so many places")]
        let place = recent.places[index_of(slot) % PLACES].get();
        // SAFETY: only this thread touches its places, and none is in use.
        unsafe { (*place).take_if(|known| ptr::eq(known.slot, slot)) }
    });
    drop(old);
}

/// Sockets a thread keeps, at 24 bytes each.
const PLACES: usize = 128;

#[cfg(test)]
mod tests {
    use std::ffi::c_int;
    use std::thread;

    use super::*;
    use crate::context::{zmq_ctx_new, zmq_ctx_term};
    use crate::failure::errno;
    use crate::socket::{zmq_bind, zmq_close, zmq_connect, zmq_socket};
    use crate::transfer::{zmq_recv, zmq_send};

    #[derive(Clone, Copy)]
    struct Handle(*mut c_void);

    // SAFETY: any thread may use any handle; that is what is tested.
    unsafe impl Send for Handle {}

    impl Handle {
        fn send(self) -> c_int {
            // SAFETY: there is a byte.
            unsafe { zmq_send(self.0, b"x".as_ptr().cast(), 1, DONTWAIT) }
        }
    }

    const DONTWAIT: c_int = 1;
    const PULL: c_int = 7;
    const PUSH: c_int = 8;

    #[test]
    fn a_thread_lets_go_of_what_others_have_closed_with_the_next_socket_it_comes_to_know() {
        let context = zmq_ctx_new();
        let [closed, next] = [(); 2].map(|()| Handle(zmq_socket(context, PUSH)));
        assert_eq!((closed.send(), errno()), (-1, libc::EAGAIN));
        let life = Arc::downgrade(&socket(closed.0).ok().unwrap());
        thread::spawn(move || {
            let closed = closed;
            assert_eq!(zmq_close(closed.0), 0);
        })
        .join()
        .unwrap();
        assert!(life.strong_count() > 0);
        assert_eq!((next.send(), errno()), (-1, libc::EAGAIN));
        assert_eq!(life.strong_count(), 0);
        assert_eq!((zmq_close(next.0), zmq_ctx_term(context)), (0, 0));
    }

    /// Each thread keeps the sockets it used last: they must not outlive their handles.
    #[test]
    fn threads_that_share_a_socket_are_told_when_one_has_closed_it() {
        let context = zmq_ctx_new();
        for round in 0..3 {
            let (pull, push) = (Handle(zmq_socket(context, PULL)), Handle(zmq_socket(context, PUSH)));
            let endpoint = std::ffi::CString::new(format!("inproc://shared-{round}")).unwrap();
            // SAFETY: these are strings.
            unsafe {
                assert_eq!(zmq_bind(pull.0, endpoint.as_ptr()), 0);
                assert_eq!(zmq_connect(push.0, endpoint.as_ptr()), 0);
            }
            let senders = [(); 2].map(|()| {
                thread::spawn(move || {
                    loop {
                        match (push.send(), errno()) {
                            (1, _) => {}
                            (-1, libc::EAGAIN) => thread::yield_now(),
                            (-1, libc::ENOTSOCK) => break,
                            other => panic!("{other:?}"),
                        }
                    }
                })
            });
            for _ in 0..100 {
                let mut byte = 0u8;
                // SAFETY: there is room for a byte.
                assert_eq!(unsafe { zmq_recv(pull.0, (&raw mut byte).cast(), 1, 0) }, 1);
                assert_eq!(byte, b'x');
            }
            assert_eq!(zmq_close(push.0), 0);
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            assert_eq!((push.send(), errno()), (-1, libc::ENOTSOCK));
            assert_eq!(zmq_close(pull.0), 0);
        }
        assert_eq!(zmq_ctx_term(context), 0);
    }
}
