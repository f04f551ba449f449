//! Lock: what guards a socket's state.
//!
//! It is held for tens of nanoseconds, a million times a second and more, and hardly ever by two threads at once. So it
//! costs one atomic operation rather than a mutex's two: letting go is a plain store, as nobody sleeps on it who would
//! have to be woken. Who finds it taken looks again, then gives way to other threads, and now and then sleeps for a
//! moment, so that a holder that was put off the processor gets on whatever the threads' priorities.

#![cfg_attr(zefiro_loom, allow(dead_code, reason = "loom's mutex knows itself how to wait"))]

use std::cell::Cell;
use std::hint;
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

/// Leaves the processor to others for a moment.
pub(crate) fn doze() {
    thread::sleep(NAP);
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
}
