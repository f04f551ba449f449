//! Sleeper on Linux's futex, which tells of signals.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

use super::Slept;

/// Where one thread sleeps until others rouse it. Being roused while awake is remembered, once.
pub(crate) struct Sleeper {
    word: AtomicU32,
}

impl Sleeper {
    /// A sleeper for the calling thread.
    pub(crate) fn new() -> Sleeper {
        Sleeper { word: AtomicU32::new(AWAKE) }
    }

    /// Ends the thread's sleep, or its next one before it begins.
    pub(crate) fn rouse(&self) {
        // Release: what this thread did before is seen by the one that wakes (its swap acquires).
        if self.word.swap(ROUSED, Ordering::Release) == ASLEEP {
            let _ = futex::wake(&self.word, futex::Flags::PRIVATE, 1);
        }
    }

    /// Whether it was roused since it was last asked or slept.
    pub(crate) fn was_roused(&self) -> bool {
        self.word.swap(AWAKE, Ordering::Acquire) == ROUSED
    }

    /// Sleeps until roused, until the deadline, or until a signal was handled.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> Slept {
        if self.word.compare_exchange(AWAKE, ASLEEP, Ordering::Acquire, Ordering::Acquire).is_err() {
            self.word.store(AWAKE, Ordering::Relaxed);
            return Slept::Roused;
        }
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Always with a limit: a futex without one is restarted behind a handler set up with SA_RESTART.
            let limit = left.unwrap_or(LIMIT).min(LIMIT);
            let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
            let result = futex::wait(&self.word, futex::Flags::PRIVATE, ASLEEP, Some(&timeout));
            let over = match result {
                Err(Errno::INTR) => Slept::Interrupted,
                Err(Errno::TIMEDOUT) if left.is_some_and(|left| left <= limit) => Slept::TimeIsOver,
                _ if self.word.load(Ordering::Acquire) == ROUSED => Slept::Roused,
                _ => continue,
            };
            return if self.was_roused() { Slept::Roused } else { over };
        }
    }
}

const AWAKE: u32 = 0;
const ROUSED: u32 = 1;
const ASLEEP: u32 = 2;

const LIMIT: Duration = Duration::from_secs(3600);
