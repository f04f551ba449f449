//! Handles: the pointers C holds for contexts, sockets, pollers and timers.
//!
//! A handle points to a slot of a table that is never freed, so any pointer can be checked without reading memory that
//! is not ours, and one used after its end is refused. A slot that was given up is used again only after thousands of
//! others. `recent`: what each thread has at hand; `fork`: what a child of the process has to leave alone.

mod fork;
mod recent;

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex as ForkableMutex, MutexGuard, PoisonError};

use parking_lot::Mutex;

use self::fork::PROCESS;
pub(crate) use self::fork::{Own, watch_for_forks};
use self::recent::forget;
pub(crate) use self::recent::with_socket;
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

/// A place in the table. The tag says whether it is in use, by what kind, and how many uses there were before.
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

/// Handles in the process at a time. Miri looks at all of them for each call.
const SLOTS_MAX: usize = if cfg!(miri) { 1 << 6 } else { 1 << 18 };

/// A slot is used again when so many others were given up after it.
const SLOTS_RESTING: usize = 4096;

/// The bits of a tag that say by what kind the slot is in use, and what one use more adds to the others.
const KIND_MASK: u32 = 7;
const TURN: u32 = 8;
