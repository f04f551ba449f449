//! Lock: what guards a socket's state.
//!
//! It is held for tens of nanoseconds, a million times a second and more, and hardly ever by two threads at once. So it
//! costs one atomic operation rather than a mutex's two: letting go is a plain store, as nobody sleeps on it who would
//! have to be woken. Who finds it taken looks again, then gives way to other threads, and now and then sleeps for a
//! moment, so that a holder that was put off the processor gets on whatever the threads' priorities. As it is given to
//! whoever looks first, a holder that comes back at once would keep the others out: a [`CountingLock`] tells it of them.

#![cfg_attr(zefiro_loom, allow(dead_code, reason = "loom's mutex knows itself how to wait"))]

use std::cell::Cell;
use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use spin::RelaxStrategy;
#[cfg(not(zefiro_loom))]
use spin::mutex::{SpinMutex, SpinMutexGuard};

use crate::pipe::sync::SleepingMutex as Mutex;

/// A mutex for short work.
#[cfg(not(zefiro_loom))]
pub(crate) type Lock<T> = SpinMutex<T, GiveWay>;
#[cfg(not(zefiro_loom))]
pub(crate) type LockGuard<'a, T> = SpinMutexGuard<'a, T, GiveWay>;

/// To loom all mutexes are the same.
#[cfg(zefiro_loom)]
pub(crate) use crate::pipe::sync::{Mutex as Lock, MutexGuard as LockGuard};

/// A lock that knows whether somebody waits for it.
pub(crate) struct CountingLock<T> {
    waiting: AtomicU32,
    lock: Lock<T>,
}

impl<T> CountingLock<T> {
    pub(crate) fn new(value: T) -> CountingLock<T> {
        CountingLock { waiting: AtomicU32::new(0), lock: Lock::new(value) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> LockGuard<'_, T> {
        #[cfg(not(zefiro_loom))]
        if let Some(guard) = self.lock.try_lock() {
            return guard;
        }
        self.wait()
    }

    /// `None` if another thread has it just now; to the model checker nobody has.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        #[cfg(not(zefiro_loom))]
        return self.lock.try_lock();
        #[cfg(zefiro_loom)]
        return Some(self.wait());
    }

    #[cold]
    fn wait(&self) -> LockGuard<'_, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.lock.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// For who has held it for long and is about to take it again: those who wait for it come first. They look for it
    /// now and then only, and may need this thread's processor.
    #[inline]
    pub(crate) fn give_way(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            thread::sleep(NAP);
        }
    }
}

/// What to do while somebody else holds it.
pub(crate) struct GiveWay;

impl RelaxStrategy for GiveWay {
    fn relax() {
        match next_round() % ROUNDS {
            0 => thread::sleep(NAP),
            round if round % ROUNDS_AWAKE == 0 => thread::yield_now(),
            _ => hint::spin_loop(),
        }
    }
}

/// For who will come back at once to something that another thread holds, and for longer than a lock: lets that thread
/// get on, whatever the threads' priorities.
#[cfg(not(zefiro_loom))]
#[cold]
pub(crate) fn give_way<T>(_taken: &Mutex<T>) {
    if next_round().is_multiple_of(ROUNDS_AWAKE) {
        thread::sleep(NAP);
    } else {
        thread::yield_now();
    }
}

/// To the model checker all rounds in vain are one.
#[cfg(zefiro_loom)]
pub(crate) fn give_way<T>(taken: &Mutex<T>) {
    drop(taken.lock());
}

fn next_round() -> u32 {
    thread_local! {
        static ROUND: Cell<u32> = const { Cell::new(0) };
    }
    // A thread that is ending has no locals any more: it sleeps.
    ROUND.try_with(|round| round.replace(round.get().wrapping_add(1))).unwrap_or(0)
}

/// A nap in so many rounds; a processor given away in so many.
const ROUNDS: u32 = 4096;
const ROUNDS_AWAKE: u32 = 32;

const NAP: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Miri interprets each step: it is given so many times less to do.
    const LESS: usize = if cfg!(miri) { 100 } else { 1 };

    #[test]
    fn one_thread_at_a_time() {
        let lock = Arc::new(Lock::new((0u64, 0u64)));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || {
                    for _ in 0..10_000 / LESS {
                        let mut both = lock.lock();
                        both.0 += 1;
                        if both.0 % 64 == 0 {
                            thread::yield_now();
                        }
                        both.1 += 1;
                        assert_eq!(both.0, both.1);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.lock(), (40_000 / LESS as u64, 40_000 / LESS as u64));
    }

    #[test]
    fn who_comes_back_at_once_lets_in_who_waits() {
        let lock = Arc::new(CountingLock::new(false));
        let mut held = lock.lock();
        let other = {
            let lock = lock.clone();
            thread::spawn(move || *lock.lock() = true)
        };
        while lock.waiting.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        while !*held {
            drop(held);
            lock.give_way();
            held = lock.lock();
        }
        drop(held);
        other.join().unwrap();
        assert_eq!(lock.waiting.load(Ordering::Relaxed), 0);
    }
}
