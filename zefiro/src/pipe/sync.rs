//! The locks and atomics of the shared-memory protocols: the real ones, or loom's when its model checker runs.

#[cfg(not(zefiro_loom))]
mod real {
    pub(crate) use crate::lock::Lock as Mutex;
    pub(crate) use parking_lot::Mutex as SleepingMutex;
    pub(crate) use std::sync::Arc;
}

#[cfg(zefiro_loom)]
mod model {
    use loom::sync::MutexGuard;

    pub(crate) use loom::sync::Arc;

    /// To loom it is the same whether those who wait sleep.
    pub(crate) use Mutex as SleepingMutex;

    /// loom's mutex with parking_lot's interface: no poisoning.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            match self.0.lock() {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            }
        }
    }
}

#[cfg(zefiro_loom)]
pub(crate) use model::*;
#[cfg(not(zefiro_loom))]
pub(crate) use real::*;
