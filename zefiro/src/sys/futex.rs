//! Sleeper on Linux's futex, which tells of signals.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use self::kernel::{AtomicU32, Kernel};
use super::Slept;

/// Where one thread sleeps until others rouse it. Being roused while awake is remembered, once.
pub(crate) struct Sleeper {
    word: AtomicU32,
    kernel: Kernel,
}

impl Sleeper {
    /// A sleeper for the calling thread.
    pub(crate) fn new() -> Sleeper {
        Sleeper { word: AtomicU32::new(AWAKE), kernel: Kernel::new() }
    }

    /// Ends the thread's sleep, or its next one before it begins.
    pub(crate) fn rouse(&self) {
        // Release: what this thread did before is seen by the one that wakes (its swap acquires).
        if self.word.swap(ROUSED, Ordering::Release) == ASLEEP {
            self.kernel.wake(&self.word);
        }
    }

    /// Whether it was roused since it was last asked or slept.
    pub(crate) fn was_roused(&self) -> bool {
        self.word.swap(AWAKE, Ordering::Acquire) == ROUSED
    }

    /// Sleeps until roused, until the deadline, or until a signal was handled.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> Slept {
        if self.word.compare_exchange(AWAKE, ASLEEP, Ordering::Acquire, Ordering::Acquire).is_err() {
            // Read and acquired, not just overwritten: another may have roused it since, and this is its answer.
            self.word.swap(AWAKE, Ordering::Acquire);
            return Slept::Roused;
        }
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Always with a limit: a futex without one is restarted behind a handler set up with SA_RESTART.
            let limit = left.unwrap_or(LIMIT).min(LIMIT);
            let over = match self.kernel.wait(&self.word, ASLEEP, limit) {
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

/// The kernel's part: to sleep while a word has a value.
#[cfg(not(zefiro_loom))]
mod kernel {
    pub(super) use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::thread::futex;
    use rustix::time::Timespec;

    use super::super::faults::{Call, fail};

    pub(super) struct Kernel;

    impl Kernel {
        pub(super) fn new() -> Kernel {
            Kernel
        }

        pub(super) fn wait(&self, word: &AtomicU32, value: u32, limit: Duration) -> Result<(), Errno> {
            fail(Call::Sleep)?;
            let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
            futex::wait(word, futex::Flags::PRIVATE, value, Some(&timeout))
        }

        pub(super) fn wake(&self, word: &AtomicU32) {
            let _ = futex::wake(word, futex::Flags::PRIVATE, 1);
        }
    }
}

/// The same for the model checker: comparing and going to sleep are one step, as in the kernel. Time stands still.
#[cfg(zefiro_loom)]
mod kernel {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    pub(super) use loom::sync::atomic::AtomicU32;
    use loom::sync::{Condvar, Mutex};
    use rustix::io::Errno;

    pub(super) struct Kernel {
        sleeping: Mutex<bool>,
        changed: Condvar,
    }

    impl Kernel {
        pub(super) fn new() -> Kernel {
            Kernel { sleeping: Mutex::new(false), changed: Condvar::new() }
        }

        pub(super) fn wait(&self, word: &AtomicU32, value: u32, _limit: Duration) -> Result<(), Errno> {
            let Ok(mut sleeping) = self.sleeping.lock() else { return Err(Errno::AGAIN) };
            if word.load(Ordering::Relaxed) != value {
                return Err(Errno::AGAIN);
            }
            *sleeping = true;
            while *sleeping {
                sleeping = match self.changed.wait(sleeping) {
                    Ok(sleeping) => sleeping,
                    Err(_) => return Err(Errno::AGAIN),
                };
            }
            Ok(())
        }

        pub(super) fn wake(&self, _word: &AtomicU32) {
            if let Ok(mut sleeping) = self.sleeping.lock() {
                *sleeping = false;
                self.changed.notify_all();
            }
        }
    }
}

/// Every interleaving of the shipped code, by loom: `./test` runs them.
#[cfg(all(test, zefiro_loom))]
mod models {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    /// One thread does two things, and rouses another after each; that one sleeps until both are done.
    fn two_things_are_done(sleep: fn(&Sleeper), rouse: fn(&Sleeper)) {
        let (sleeper, done) = (Arc::new(Sleeper::new()), Arc::new(AtomicU32::new(0)));
        let (other, doing) = (sleeper.clone(), done.clone());
        let rousing = thread::spawn(move || {
            for _ in 0..2 {
                // Relaxed: rousing is what makes it seen.
                doing.fetch_add(1, Ordering::Relaxed);
                rouse(&other);
            }
        });
        while done.load(Ordering::Relaxed) < 2 {
            sleep(&sleeper);
        }
        rousing.join().unwrap();
    }

    fn sleep(sleeper: &Sleeper) {
        assert_eq!(sleeper.sleep(None), Slept::Roused);
    }

    #[test]
    fn who_is_roused_does_not_sleep_on() {
        loom::model(|| two_things_are_done(sleep, Sleeper::rouse));
    }

    /// Whoever waits awake asks whether it was roused, again and again, and then sleeps.
    #[test]
    fn who_was_roused_awake_and_asked_has_seen_why() {
        loom::model(|| {
            let asked = |sleeper: &Sleeper| {
                if !sleeper.was_roused() {
                    sleep(sleeper);
                }
            };
            two_things_are_done(asked, Sleeper::rouse);
        });
    }

    #[test]
    fn what_was_done_before_rousing_is_seen_after() {
        loom::model(|| done_is_seen_after(Sleeper::rouse));
    }

    fn done_is_seen_after(rouse: fn(&Sleeper)) {
        let (sleeper, done) = (Arc::new(Sleeper::new()), Arc::new(AtomicU32::new(0)));
        let (other, doing) = (sleeper.clone(), done.clone());
        let rousing = thread::spawn(move || {
            doing.store(1, Ordering::Relaxed);
            rouse(&other);
        });
        sleep(&sleeper);
        assert_eq!(done.load(Ordering::Relaxed), 1, "roused, and does not see why");
        rousing.join().unwrap();
    }

    /// The models have teeth: who looks whether it was roused, and only then says that it sleeps, sleeps for ever.
    #[test]
    #[should_panic(expected = "deadlock")]
    fn looking_and_falling_asleep_apart_must_fail() {
        loom::model(|| {
            let apart = |sleeper: &Sleeper| {
                if !sleeper.was_roused() {
                    sleeper.word.store(ASLEEP, Ordering::Release);
                    let _ = sleeper.kernel.wait(&sleeper.word, ASLEEP, LIMIT);
                }
            };
            two_things_are_done(apart, Sleeper::rouse);
        });
    }

    /// So does who forgets that it was roused without looking what it forgets: it may be the second time.
    #[test]
    #[should_panic(expected = "deadlock")]
    fn forgetting_by_a_plain_store_must_fail() {
        loom::model(|| {
            let blind = |sleeper: &Sleeper| match sleeper.word.load(Ordering::Acquire) {
                ROUSED => sleeper.word.store(AWAKE, Ordering::Relaxed),
                _ => sleep(sleeper),
            };
            two_things_are_done(blind, Sleeper::rouse);
        });
    }

    #[test]
    #[should_panic(expected = "does not see why")]
    fn rousing_without_release_must_fail() {
        loom::model(|| {
            done_is_seen_after(|sleeper| {
                if sleeper.word.swap(ROUSED, Ordering::Relaxed) == ASLEEP {
                    sleeper.kernel.wake(&sleeper.word);
                }
            });
        });
    }
}
