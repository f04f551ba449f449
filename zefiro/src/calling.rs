//! Calling: code of the program's that the engine runs in the middle of its own work. What panics there has been told by the
//! panic hook, and is the program's own affair: the engine goes on, for all those who depend on it.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the program's code. The caller holds no lock.
#[inline]
pub(crate) fn call(code: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(code));
}
