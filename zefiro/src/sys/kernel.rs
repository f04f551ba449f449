//! The kernel and the clock as the model checker sees them (`--cfg zefiro_loom`): each system call that another thread
//! may notice is a step, waiting blocks the model's thread only, and time stands still but for waits that time out.
//! Other builds have functions that do nothing in their place, and no trace of them is left.
//!
//! The calls themselves are the real ones, on real descriptors: what the kernel does with them is not retold.

#[cfg(zefiro_loom)]
pub(crate) use self::modelled::{is_ready, now, step, wait};

/// A system call that others may notice.
#[cfg(not(zefiro_loom))]
#[inline(always)]
pub(crate) fn step<R>(call: impl FnOnce() -> R) -> R {
    call()
}

/// What time it is.
#[cfg(not(zefiro_loom))]
#[inline(always)]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// A time that goes on every few milliseconds, and costs a quarter of [`now`] where the system has such a clock.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tick(i64, i64);

impl Tick {
    #[inline]
    pub(crate) fn now() -> Tick {
        #[cfg(all(target_os = "linux", not(any(zefiro_loom, miri))))]
        let clock = rustix::time::ClockId::MonotonicCoarse;
        #[cfg(not(all(target_os = "linux", not(any(zefiro_loom, miri)))))]
        let clock = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(clock);
        Tick(time.tv_sec as i64, time.tv_nsec as i64)
    }
}

#[cfg(zefiro_loom)]
mod modelled {
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, LazyLock};
    use std::time::{Duration, Instant};

    use loom::sync::{Condvar, Mutex};
    use rustix::event::{PollFd, PollFlags, poll};

    /// Those that wait, each for a selector; and the time.
    #[derive(Default)]
    struct Kernel {
        waiting: Mutex<Vec<Waiting>>,
        nanos: AtomicU64,
    }

    struct Waiting {
        selector: OwnedFd,
        ready: Arc<Condvar>,
    }

    loom::lazy_static! {
        static ref KERNEL: Kernel = Kernel::default();
    }

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    /// A system call that others may notice. Whoever waits for what it makes ready is woken.
    pub(crate) fn step<R>(call: impl FnOnce() -> R) -> R {
        // A model that has failed unwinds: nobody is left to notice.
        if std::thread::panicking() {
            return call();
        }
        let mut waiting = KERNEL.waiting.lock().unwrap();
        let result = call();
        waiting.retain(|waiting| {
            let ready = is_ready(waiting.selector.as_fd());
            if ready {
                waiting.ready.notify_one();
            }
            !ready
        });
        result
    }

    /// Asks `look`, which does not block, until it finds something or the time is over. A wait with a limit is over at
    /// once: later is as good, and those who use one wait again.
    pub(crate) fn wait(selector: impl AsFd, timeout: Option<Duration>, mut look: impl FnMut() -> bool) {
        let mut waiting = KERNEL.waiting.lock().unwrap();
        while !look() {
            if let Some(timeout) = timeout {
                KERNEL.nanos.fetch_add(timeout.as_nanos() as u64, Ordering::Relaxed);
                return;
            }
            let ready = Arc::new(Condvar::new());
            let selector = selector.as_fd().try_clone_to_owned().unwrap();
            waiting.push(Waiting { selector, ready: ready.clone() });
            waiting = ready.wait(waiting).unwrap();
        }
    }

    /// Looks, and takes nothing: an edge not yet seen stays to be seen.
    pub(crate) fn is_ready(selector: BorrowedFd<'_>) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(selector, PollFlags::IN)];
        poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
    }

    /// What time it is: later only by the waits that timed out.
    pub(crate) fn now() -> Instant {
        *START + Duration::from_nanos(KERNEL.nanos.load(Ordering::Relaxed))
    }
}
