//! `zmq_timers_*`: functions called when their time has come, by whoever asks.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::failure::{Failure, Outcome, guard};
use crate::handle::{self, Kind, Object};

type TimerFn = unsafe extern "C" fn(id: c_int, argument: *mut c_void);

/// What a timer set's handle stands for.
#[derive(Default)]
pub(crate) struct TimersHandle {
    timers: Mutex<Timers>,
}

#[derive(Default)]
struct Timers {
    last_id: c_int,
    last_turn: u64,
    /// By what they are due, and of the same time in the order they were set.
    due: BTreeMap<(Instant, u64), c_int>,
    timers: BTreeMap<c_int, Timer>,
}

#[derive(Clone, Copy)]
struct Timer {
    interval: Duration,
    handler: TimerFn,
    argument: *mut c_void,
    place: (Instant, u64),
}

// SAFETY: the argument is only ever passed to the program's own function.
unsafe impl Send for Timer {}

impl Timers {
    fn schedule(&mut self, id: c_int, now: Instant) {
        let Some(timer) = self.timers.get_mut(&id) else { return };
        self.due.remove(&timer.place);
        self.last_turn += 1;
        let far = now + FAR;
        timer.place = (now.checked_add(timer.interval).unwrap_or(far), self.last_turn);
        self.due.insert(timer.place, id);
    }

    fn get(&mut self, id: c_int) -> Outcome<&mut Timer> {
        self.timers.get_mut(&id).ok_or(Failure(libc::EINVAL))
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
        let id = timers.last_id;
        let now = Instant::now();
        let interval = Duration::from_millis(interval as u64);
        timers.timers.insert(id, Timer { interval, handler, argument, place: (now, 0) });
        timers.schedule(id, now);
        Ok(id)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_cancel(timers: *mut c_void, id: c_int) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        let timer = timers.timers.remove(&id).ok_or(Failure(libc::EINVAL))?;
        timers.due.remove(&timer.place);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_set_interval(timers: *mut c_void, id: c_int, interval: usize) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        timers.get(id)?.interval = Duration::from_millis(interval as u64);
        timers.schedule(id, Instant::now());
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_reset(timers: *mut c_void, id: c_int) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let mut timers = set.timers.lock();
        timers.get(id)?;
        timers.schedule(id, Instant::now());
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    guard(|| {
        let set = handle::timers(timers)?;
        let timers = set.timers.lock();
        Ok(match timers.due.first_key_value() {
            None => -1,
            Some(((due, _), _)) => {
                // Rounded up: woken after so long, the timer is due.
                let left = due.saturating_duration_since(Instant::now());
                c_long::try_from(left.as_micros().div_ceil(1000)).unwrap_or(c_long::MAX)
            }
        })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    guard(|| {
        let set = handle::timers(timers)?;
        let now = Instant::now();
        let due: Vec<(c_int, (Instant, u64))> = {
            let timers = set.timers.lock();
            timers.due.iter().take_while(|((due, _), _)| *due <= now).map(|(place, id)| (*id, *place)).collect()
        };
        for (id, place) in due {
            // One that an earlier handler has cancelled, or set anew, is left alone.
            let timer = set.timers.lock().timers.get(&id).copied().filter(|timer| timer.place == place);
            let Some(timer) = timer else { continue };
            // Nothing is locked: the handler may add and cancel.
            // SAFETY: the program gave the function and its argument for this.
            unsafe { (timer.handler)(id, timer.argument) };
            let mut timers = set.timers.lock();
            if timers.timers.get(&id).is_some_and(|timer| timer.place == place) {
                timers.schedule(id, now);
            }
        }
        Ok(0)
    })
}

/// As good as never.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
