//! `zmq_timers_*`: functions called when their time has come, by whoever asks.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use crate::failure::{Failure, Outcome, guard};
use crate::handle::{self, Kind, Object};

type TimerFn = unsafe extern "C" fn(id: c_int, argument: *mut c_void);

/// What a timer set's handle stands for.
#[derive(Default)]
pub(crate) struct TimersHandle {
    timers: Mutex<Timers>,
}

struct Timers {
    made: Instant,
    last_id: c_int,
    last_turn: u64,
    due: BTreeMap<Place, c_int>,
    timers: BTreeMap<c_int, Timer>,
}

/// Milliseconds after the set was made, and the turn among those of the same one: the order they were set in.
type Place = (u64, u64);

#[derive(Clone, Copy)]
struct Timer {
    /// In milliseconds.
    interval: u64,
    handler: TimerFn,
    argument: *mut c_void,
    place: Place,
    /// It stays in the set until its turn has come, as in libzmq: it can be changed meanwhile, to no effect.
    cancelled: bool,
}

// SAFETY: the argument is only ever passed to the program's own function.
unsafe impl Send for Timer {}

impl Default for Timers {
    fn default() -> Timers {
        Timers { made: Instant::now(), last_id: 0, last_turn: 0, due: BTreeMap::new(), timers: BTreeMap::new() }
    }
}

impl Timers {
    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn schedule(&mut self, id: c_int, now: u64) {
        let Some(timer) = self.timers.get_mut(&id) else { return };
        self.due.remove(&timer.place);
        self.last_turn += 1;
        timer.place = (now.saturating_add(timer.interval), self.last_turn);
        self.due.insert(timer.place, id);
    }

    fn get(&mut self, id: c_int) -> Outcome<&mut Timer> {
        self.timers.get_mut(&id).ok_or(Failure(libc::EINVAL))
    }

    /// The timer that stands there, unless it is cancelled: then it is forgotten.
    fn live(&mut self, place: Place) -> Option<(c_int, Timer)> {
        let id = *self.due.get(&place)?;
        let timer = *self.timers.get(&id)?;
        if timer.cancelled {
            self.due.remove(&place);
            self.timers.remove(&id);
        }
        (!timer.cancelled).then_some((id, timer))
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_new() -> *mut c_void {
    guard(|| handle::open(Object::Timers(Arc::default())))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_destroy(timers: *mut *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: C passes where it keeps the handle, or null.
        let place = unsafe { timers.as_mut() }.ok_or(Failure(libc::EFAULT))?;
        handle::close(*place, Kind::Timers)?;
        *place = ptr::null_mut();
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_add(
    timers: *mut c_void,
    interval: usize,
    handler: Option<TimerFn>,
    argument: *mut c_void,
) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let handler = handler.ok_or(Failure(libc::EFAULT))?;
        let mut timers = set.timers.lock();
        timers.last_id += 1;
        let (id, now) = (timers.last_id, timers.now());
        let timer = Timer { interval: interval as u64, handler, argument, place: (0, 0), cancelled: false };
        timers.timers.insert(id, timer);
        timers.schedule(id, now);
        Ok(id)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_cancel(timers: *mut c_void, id: c_int) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        let timer = timers.get(id)?;
        if timer.cancelled {
            return Err(Failure(libc::EINVAL));
        }
        timer.cancelled = true;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_set_interval(timers: *mut c_void, id: c_int, interval: usize) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        timers.get(id)?.interval = interval as u64;
        let now = timers.now();
        timers.schedule(id, now);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_reset(timers: *mut c_void, id: c_int) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        timers.get(id)?;
        let now = timers.now();
        timers.schedule(id, now);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        while let Some((&place, _)) = timers.due.first_key_value() {
            if timers.live(place).is_some() {
                let left = place.0.saturating_sub(timers.now());
                return Ok(c_long::try_from(left).unwrap_or(c_long::MAX));
            }
        }
        Ok(-1)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let (now, last_turn) = {
            let timers = set.timers.lock();
            (timers.now(), timers.last_turn)
        };
        let mut from = (0, 0);
        loop {
            let next = {
                let mut timers = set.timers.lock();
                let Some((&place, _)) = timers.due.range(from..).next() else { break };
                from = (place.0, place.1 + 1);
                timers.live(place).map(|timer| (place, timer))
            };
            let Some((place, (id, timer))) = next else { continue };
            if place.0 > now {
                break;
            }
            // One that a handler has set meanwhile has its turn next time, or this would not end.
            if place.1 > last_turn {
                continue;
            }
            // Nothing is locked: the handler may add and cancel.
            // SAFETY: the program gave the function and its argument for this.
            unsafe { (timer.handler)(id, timer.argument) };
            let mut timers = set.timers.lock();
            if timers.due.contains_key(&place) {
                timers.schedule(id, now);
            }
        }
        Ok(0)
    })
}
