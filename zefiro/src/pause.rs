//! Pause: where a thread in the engine holds no lock and has nothing to do at once, it writes what it has left for later,
//! and gives back what it has kept.

use zmtp::giving_back::give_back;

use crate::socket::owed;

/// This is such a place: of the engine's own threads, and of those that wait in it.
#[inline]
pub(crate) fn pause() {
    owed::settle();
    give_back();
}
