//! Waits of targets with threads. They are counted in short ones, so that a process that is stopped and continued has not
//! waited for long.

use std::fmt::Debug;
use std::thread;
use std::time::Duration;

/// A single wait, and how many of them are made before it is a failure.
pub(crate) const SLICE: Duration = Duration::from_secs(1);
pub(crate) const SLICES: usize = 20;

/// Tries what may time out after a [`SLICE`] until it succeeds.
#[track_caller]
pub(crate) fn insist<T, E: Debug>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    for _ in 1..SLICES {
        if let Ok(done) = attempt() {
            return done;
        }
    }
    attempt().expect(what)
}

/// Waits for what nobody tells of.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = Duration::from_micros(50);
    for _ in 0..SLICES as u128 * SLICE.as_micros() / look.as_micros() {
        if holds() {
            return;
        }
        thread::sleep(look);
    }
    panic!("{what}");
}
