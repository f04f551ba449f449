//! Forks: a child has a copy of its parent's memory, but not its threads. What it inherits it recognizes, and leaves alone.

use std::cell::Cell;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Free, free_slots};

/// Goes on with each fork, in the child.
pub(super) static PROCESS: AtomicU32 = AtomicU32::new(1);

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
    pub(super) fn made_here(&self) -> &T {
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
