//! Handles: the pointers C holds for contexts, sockets, pollers and timers.
//!
//! A handle points to a slot of a table that is never freed, so any pointer can be checked without reading memory that
//! is not ours, and one used after its end is refused. A slot that was given up is used again only after thousands of
//! others.

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex as ForkableMutex, MutexGuard, PoisonError};

use parking_lot::Mutex;

use crate::context::ContextHandle;
use crate::failure::{ETERM, Failure, Outcome};
use crate::poller::PollerHandle;
use crate::socket::SocketHandle;
use crate::timers::TimersHandle;

/// What a handle stands for.
pub(crate) enum Object {
    Context(Arc<ContextHandle>),
    Socket(Arc<SocketHandle>),
    Poller(Arc<PollerHandle>),
    Timers(Arc<TimersHandle>),
}

/// A place in the table. The tag says whether it is in use, by what kind, and for the how-manieth time.
#[repr(align(32))]
struct Slot {
    tag: AtomicU32,
    /// Of the process that made the handle: a child has its parent's memory, but not its threads.
    process: AtomicU32,
    /// Boxed so that an empty slot is all zeros.
    object: Mutex<Option<Box<Object>>>,
}

/// In the zeroed part of the library's image: pages are there once they are used.
static SLOTS: [Slot; SLOTS_MAX] =
    [const { Slot { tag: AtomicU32::new(0), process: AtomicU32::new(0), object: Mutex::new(None) } }; SLOTS_MAX];

/// Handles in the process at a time. Miri looks at all of them for each call.
const SLOTS_MAX: usize = if cfg!(miri) { 1 << 6 } else { 1 << 18 };

/// A slot is used again when so many others were given up after it.
const SLOTS_RESTING: usize = 4096;

struct Free {
    fresh: usize,
    resting: VecDeque<usize>,
}

/// The standard library's lock is a single word, which a child has in the state that the forking thread gave it. One that
/// keeps its sleepers in a list elsewhere would pass itself on to a thread that only the parent has.
static FREE: ForkableMutex<Free> = ForkableMutex::new(Free { fresh: 0, resting: VecDeque::new() });

fn free_slots() -> MutexGuard<'static, Free> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes on with each fork, in the child.
static PROCESS: AtomicU32 = AtomicU32::new(1);

const KIND_MASK: u32 = 7;
const TURN: u32 = 8;

impl Object {
    fn kind(&self) -> Kind {
        match self {
            Object::Context(_) => Kind::Context,
            Object::Socket(_) => Kind::Socket,
            Object::Poller(_) => Kind::Poller,
            Object::Timers(_) => Kind::Timers,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Context = 1,
    Socket = 2,
    Poller = 3,
    Timers = 4,
}

impl Kind {
    /// For a pointer that is no live handle of this kind.
    fn error(self) -> Failure {
        Failure(if self == Kind::Socket { libc::ENOTSOCK } else { libc::EFAULT })
    }
}

/// A new handle.
pub(crate) fn open(object: Object) -> Outcome<*mut c_void> {
    let index = {
        let mut free = free_slots();
        if free.fresh < SLOTS_MAX && free.resting.len() < SLOTS_RESTING {
            free.fresh += 1;
            free.fresh - 1
        } else {
            free.resting.pop_front().ok_or(Failure(libc::EMFILE))?
        }
    };
    let slot = SLOTS.get(index).ok_or(Failure(libc::EMFILE))?;
    let kind = object.kind();
    *slot.object.lock() = Some(Box::new(object));
    slot.process.store(PROCESS.load(Ordering::Relaxed), Ordering::Relaxed);
    let turn = slot.tag.load(Ordering::Relaxed) & !KIND_MASK;
    // Release: whoever sees the tag sees the object.
    slot.tag.store(turn | kind as u32, Ordering::Release);
    Ok(ptr::from_ref(slot).cast_mut().cast())
}

/// Gives a handle up and answers what it stood for; of several threads that try, one succeeds. `None` for one that was
/// inherited by fork: what it stands for belongs to the parent and is left alone.
pub(crate) fn close(handle: *mut c_void, kind: Kind) -> Outcome<Option<Object>> {
    let (slot, tag) = find(handle, kind)?;
    let next = (tag & !KIND_MASK).wrapping_add(TURN);
    if slot.tag.compare_exchange(tag, next, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Err(kind.error());
    }
    if inherited(slot) {
        return Ok(None);
    }
    let object = slot.object.lock().take();
    forget(slot);
    free_slots().resting.push_back(index_of(slot));
    Ok(object.map(|object| *object))
}

/// Whether the handle was made before this process was forked off.
pub(crate) fn is_inherited(handle: *mut c_void, kind: Kind) -> Outcome<bool> {
    find(handle, kind).map(|(slot, _)| inherited(slot))
}

fn inherited(slot: &Slot) -> bool {
    slot.process.load(Ordering::Relaxed) != PROCESS.load(Ordering::Relaxed)
}

/// What tells this use of a socket's handle from others before and after.
pub(crate) fn socket_tag(handle: *mut c_void) -> Outcome<u32> {
    let (slot, tag) = find(handle, Kind::Socket)?;
    if inherited(slot) { Err(Failure(ETERM)) } else { Ok(tag) }
}

/// The slot and its tag, if it is live and of this kind.
#[inline]
fn find(handle: *mut c_void, kind: Kind) -> Outcome<(&'static Slot, u32)> {
    let offset = (handle as usize).wrapping_sub(SLOTS.as_ptr() as usize);
    // What does not point to the beginning of a slot becomes an index beyond all: its low bits come to the top.
    let index = offset.rotate_right(size_of::<Slot>().trailing_zeros());
    let slot = SLOTS.get(index).ok_or(kind.error())?;
    // Acquire: what was stored before the tag is there.
    let tag = slot.tag.load(Ordering::Acquire);
    if tag & KIND_MASK != kind as u32 {
        return Err(kind.error());
    }
    Ok((slot, tag))
}

fn index_of(slot: &Slot) -> usize {
    (ptr::from_ref(slot) as usize - SLOTS.as_ptr() as usize) / size_of::<Slot>()
}

macro_rules! getter {
    ($name:ident, $kind:ident, $handle:ty) => {
        /// What the handle stands for.
        pub(crate) fn $name(handle: *mut c_void) -> Outcome<Arc<$handle>> {
            let (slot, _) = find(handle, Kind::$kind)?;
            if inherited(slot) {
                return Err(Failure(ETERM));
            }
            match slot.object.lock().as_deref() {
                Some(Object::$kind(object)) => Ok(object.clone()),
                _ => Err(Kind::$kind.error()),
            }
        }
    };
}

getter!(context, Context, ContextHandle);
getter!(socket, Socket, SocketHandle);
getter!(poller, Poller, PollerHandle);
getter!(timers, Timers, TimersHandle);

/// Sockets this thread used last: then a call needs neither a lock nor a count.
struct Recent {
    places: [UnsafeCell<Option<Place>>; PLACES],
    /// Calls in progress that use a place.
    depth: Cell<u32>,
}

struct Place {
    slot: *const Slot,
    tag: u32,
    socket: Own<Arc<SocketHandle>>,
}

const PLACES: usize = 16;

thread_local! {
    static RECENT: Recent = const {
        Recent { places: [const { UnsafeCell::new(None) }; PLACES], depth: Cell::new(0) }
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

/// Has the thread keep the socket in a place of its own, if none is in use.
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
    // Dropped when the place is whole again, since that may call back into the library, and change it.
    drop(old);
    // SAFETY: as above.
    let kept = unsafe { &*place }.as_ref().filter(|kept| ptr::eq(kept.slot, slot) && kept.tag == tag);
    kept.map(|kept| Arc::as_ptr(kept.socket.made_here()))
}

/// The thread keeps no socket of a slot that was given up.
fn forget(slot: &'static Slot) {
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

/// Has forks noticed, from now on.
pub(crate) fn watch_for_forks() {
    // Miri has one process only.
    if cfg!(miri) {
        return;
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are functions of this library that touch its own statics only; the table of free slots
        // is locked while the process is copied, so that the child finds it whole.
        let _: c_int = unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(in_child)) };
    });
}

thread_local! {
    /// Held by the forking thread meanwhile, and so by its copy in the child.
    static HELD: Cell<Option<MutexGuard<'static, Free>>> = const { Cell::new(None) };
}

extern "C" fn before_fork() {
    let _ = HELD.try_with(|held| held.set(Some(free_slots())));
}

extern "C" fn after_fork() {
    let _ = HELD.try_with(Cell::take);
}

extern "C" fn in_child() {
    PROCESS.fetch_add(1, Ordering::Relaxed);
    after_fork();
}

/// What threads keep for themselves and only the process that made it may use. A child leaves its copy alone and does not
/// drop it either: that would wait for locks that other threads held when it was forked off, and change epoll sets that it
/// shares with its parent.
pub(crate) struct Own<T> {
    process: u32,
    value: ManuallyDrop<T>,
}

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Own<T> {
        Own { process: PROCESS.load(Ordering::Relaxed), value: ManuallyDrop::new(value) }
    }

    fn is_inherited(&self) -> bool {
        self.process != PROCESS.load(Ordering::Relaxed)
    }

    /// `None` in a child of the process that made it.
    pub(crate) fn get(&self) -> Option<&T> {
        (!self.is_inherited()).then_some(&*self.value)
    }

    /// For who knows that this process has made it.
    #[inline(always)]
    fn made_here(&self) -> &T {
        &self.value
    }

    /// As [`get`](Own::get).
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        (!self.is_inherited()).then_some(&mut *self.value)
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if !self.is_inherited() {
            // SAFETY: nobody looks at it any more.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

#[cfg(test)]
mod tests {
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
