//! Sleeper on the standard library's `park`, which keeps signals to itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Instant;

use super::Slept;

/// Where one thread sleeps until others rouse it. Being roused while awake is remembered, once.
pub(crate) struct Sleeper {
    thread: Thread,
    roused: AtomicBool,
}

impl Sleeper {
    /// A sleeper for the calling thread.
    pub(crate) fn new() -> Sleeper {
        Sleeper { thread: thread::current(), roused: AtomicBool::new(false) }
    }

    /// Ends the thread's sleep, or its next one before it begins.
    pub(crate) fn rouse(&self) {
        // Release: what this thread did before is seen by the one that wakes (its swap acquires).
        if !self.roused.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }

    /// Whether it was roused since it was last asked or slept.
    pub(crate) fn was_roused(&self) -> bool {
        self.roused.swap(false, Ordering::Acquire)
    }

    /// Sleeps until roused, or until the deadline.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> Slept {
        while !self.was_roused() {
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Slept::TimeIsOver;
                    }
                    thread::park_timeout(left);
                }
            }
        }
        Slept::Roused
    }
}
