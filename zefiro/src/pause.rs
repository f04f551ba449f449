//! Pause: where a thread in the engine holds no lock and has nothing to do at once, work that had to wait for that is done.

use std::sync::OnceLock;

/// The work.
static WORK: OnceLock<fn()> = OnceLock::new();

/// For the C library: has a function called now and then by threads that are long in the engine, its own and those that
/// wait in it, where they hold no lock. One function for a process.
#[doc(hidden)]
pub fn at_pauses(work: fn()) {
    let _ = WORK.set(work);
}

/// This is such a place.
#[inline]
pub(crate) fn pause() {
    if let Some(work) = WORK.get() {
        work();
    }
}
