//! The locks and atomics of the shared-memory protocols: the real ones, or loom's when its model checker runs.

#[cfg(not(zefiro_loom))]
mod real {
    pub(crate) use crate::lock::Lock as Mutex;
    pub(crate) use parking_lot::{Mutex as SleepingMutex, MutexGuard as SleepingGuard};
    pub(crate) use std::sync::Arc;
}

#[cfg(zefiro_loom)]
mod model {
    pub(crate) use loom::sync::{Arc, MutexGuard};

    /// To loom it is the same whether those who wait sleep.
    pub(crate) use {Mutex as SleepingMutex, MutexGuard as SleepingGuard};

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

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }
}

#[cfg(zefiro_loom)]
pub(crate) use model::*;
#[cfg(not(zefiro_loom))]
pub(crate) use real::*;
