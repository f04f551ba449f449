//! Note: which sockets have changed since a poller has looked at them, and how those who wait are roused.

use std::collections::VecDeque;
use std::sync::{OnceLock, Weak};
use std::task::Waker;

use super::ALARM;
use crate::pipe::sync::SleepingMutex as Mutex;
use crate::sys::{Alarm, Selector};
use crate::wait::{Observer, WaitList, Wakes};

/// Stands in a socket's list of those to be told of any change.
pub(super) struct Note {
    pub(super) key: u64,
    pub(super) shared: Weak<Shared>,
    /// Already in the list of what to look at.
    pub(super) noted: Mutex<bool>,
}

pub(super) struct Shared {
    pub(super) bell: OnceLock<Bell>,
    pub(super) noted: Mutex<Noted>,
}

/// What a thread waits on, and what rouses it.
pub(super) struct Bell {
    pub(super) selector: Selector,
    pub(super) alarm: Alarm,
}

/// What has changed since it was looked at.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) keys: VecDeque<u64>,
    /// Threads that wait, and are to be roused.
    pub(super) asleep: usize,
    /// They are being roused: more that is noted before one of them looks need not do so again.
    pub(super) roused: bool,
    /// Those of them that do without a selector, as the system had no descriptors left.
    pub(super) parked: WaitList,
}

impl Noted {
    /// A thread is about to wait. Answers whether it may: nothing was noted meanwhile.
    pub(super) fn fall_asleep(&mut self) -> bool {
        self.asleep += 1;
        self.roused &= !self.keys.is_empty();
        self.keys.is_empty()
    }

    /// A thread waits no longer, and is going to look at what was noted.
    pub(super) fn wake_up(&mut self) {
        self.asleep -= 1;
        self.roused = false;
    }
}

impl Shared {
    /// The bell, made when the system has the descriptors for it. Sockets can be waited for without.
    pub(super) fn bell(&self) -> std::io::Result<&Bell> {
        if let Some(bell) = self.bell.get() {
            return Ok(bell);
        }
        let selector = Selector::new()?;
        let alarm = Alarm::new(&selector, ALARM)?;
        Ok(self.bell.get_or_init(|| Bell { selector, alarm }))
    }

    /// One of those who wait is to look at what was noted.
    fn rouse(&self) {
        let mut wakes = Wakes::new();
        self.noted.lock().parked.take_all(&mut wakes);
        if let Some(bell) = self.bell.get() {
            bell.alarm.ring();
        }
        wakes.into_iter().for_each(Waker::wake);
    }

    /// A thread leaves that may have been the one roused, and has not looked.
    pub(super) fn pass_on(&self) {
        let awaited = {
            let noted = self.noted.lock();
            noted.asleep > 0 && !noted.keys.is_empty()
        };
        if awaited {
            self.rouse();
        }
    }
}

impl Observer for Note {
    fn note(&self) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        if std::mem::replace(&mut *self.noted.lock(), true) {
            return false;
        }
        let mut noted = shared.noted.lock();
        noted.keys.push_back(self.key);
        noted.asleep > 0 && !std::mem::replace(&mut noted.roused, true)
    }

    fn rouse(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.rouse();
        }
    }
}

impl Note {
    /// To be looked at, whatever has changed.
    pub(super) fn take_note(&self) {
        if self.note() {
            self.rouse();
        }
    }
}
