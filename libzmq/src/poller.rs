//! `zmq_poller_*`: a list of sockets and descriptors that stays registered.

use std::ffi::{c_int, c_long, c_short, c_void};
use std::ptr;
use std::slice;
use std::sync::Arc;
use std::task::Wake;

use parking_lot::Mutex;

use crate::failure::{Failure, Outcome, guard};
use crate::handle::{self, Kind, Object};
use crate::poll::{POLLERR, POLLIN, POLLOUT, POLLPRI, Watched, timeout_of, wait};
use crate::signal::{Observation, Signal};
use crate::socket::SocketHandle;

/// What a poller's handle stands for.
#[derive(Default)]
pub(crate) struct PollerHandle {
    entries: Mutex<Vec<Entry>>,
    /// Lit when one of its thread-safe sockets has changed; made with the first of them.
    signal: Mutex<Option<Arc<Signal>>>,
}

struct Entry {
    /// As C knows it; null for a descriptor.
    handle: *mut c_void,
    socket: Option<Arc<SocketHandle>>,
    fd: c_int,
    user_data: *mut c_void,
    events: c_short,
    _observation: Option<Observation>,
}

// SAFETY: the pointers are only ever given back to C, never read.
unsafe impl Send for Entry {}

/// `zmq_poller_event_t`.
#[repr(C)]
pub struct PollerEvent {
    socket: *mut c_void,
    fd: c_int,
    user_data: *mut c_void,
    events: c_short,
}

impl PollerEvent {
    const NONE: PollerEvent = PollerEvent { socket: ptr::null_mut(), fd: -1, user_data: ptr::null_mut(), events: 0 };
}

impl PollerHandle {
    fn add(&self, entry: Entry) -> Outcome<c_int> {
        let mut entries = self.entries.lock();
        if entries.iter().any(|other| other.handle == entry.handle && other.fd == entry.fd) {
            return Err(Failure(libc::EINVAL));
        }
        entries.push(entry);
        Ok(0)
    }

    /// Answers which events were not asked for before.
    fn modify(&self, handle: *mut c_void, fd: c_int, events: c_short) -> Outcome<c_short> {
        let mut entries = self.entries.lock();
        let entry = entries.iter_mut().find(|entry| entry.handle == handle && entry.fd == fd);
        let entry = entry.ok_or(Failure(libc::EINVAL))?;
        Ok(events & !std::mem::replace(&mut entry.events, events))
    }

    fn remove(&self, handle: *mut c_void, fd: c_int) -> Outcome<c_int> {
        let mut entries = self.entries.lock();
        let index = entries.iter().position(|entry| entry.handle == handle && entry.fd == fd);
        entries.remove(index.ok_or(Failure(libc::EINVAL))?);
        Ok(0)
    }

    /// Has the socket light the signal, if it is of a type that has to.
    fn observe(&self, socket: &Arc<SocketHandle>) -> Outcome<Option<Observation>> {
        if !socket.socket.is_thread_safe() {
            return Ok(None);
        }
        let mut place = self.signal.lock();
        let signal = match &*place {
            Some(signal) => signal.clone(),
            None => place.insert(Signal::new()?).clone(),
        };
        Ok(Some(Observation::begin(socket, &signal)?))
    }

    /// For the program that waits for the descriptor: what is ready already does not change any more.
    fn light_if_ready(&self, socket: &SocketHandle, events: c_short) {
        let signal = self.signal.lock().clone();
        let Some(signal) = signal.filter(|_| socket.socket.is_thread_safe()) else { return };
        let (readable, writable) = socket.socket.readiness().unwrap_or_default();
        if (readable && events & POLLIN != 0) || (writable && events & POLLOUT != 0) {
            signal.wake();
        }
    }

    /// Waits, and fills as many events as there are, up to the room for them.
    fn wait(&self, events: &mut [PollerEvent], timeout: c_long) -> Outcome<usize> {
        let (mut items, names): (Vec<Watched>, Vec<_>) = self
            .entries
            .lock()
            .iter()
            .map(|entry| {
                let watched = Watched { socket: entry.socket.clone(), fd: entry.fd, events: entry.events, revents: 0 };
                (watched, (entry.handle, entry.user_data))
            })
            .unzip();
        // Before the look: what comes after it lights it again, and so does what is not told.
        let signal = self.signal.lock().clone();
        if let Some(signal) = &signal {
            signal.put_out();
        }
        if items.iter().all(|item| item.events == 0) {
            if timeout < 0 {
                return Err(Failure(libc::EFAULT));
            }
            // As libzmq, which then only sleeps: not even an ended context is noticed.
            items.clear();
        }
        // A descriptor that nothing is asked of does not wake, not even by an error.
        for item in items.iter_mut().filter(|item| item.socket.is_none() && item.events == 0) {
            item.fd = -1;
        }
        let relight = || signal.iter().for_each(|signal| signal.clone().wake());
        let found = wait(&mut items, timeout_of(timeout), ptr::null()).inspect_err(|_| relight())?;
        if found == 0 {
            return Err(Failure(libc::EAGAIN));
        }
        // What was waited for has lit it, and is told now; what came since is seen by another look.
        if let Some(signal) = signal.as_ref().filter(|signal| signal.is_lit()) {
            signal.put_out();
            let told: Vec<c_short> = items.iter().map(|item| item.revents).collect();
            // What was found is told, even if a socket has ended meanwhile: that is for the next call.
            let again = wait(&mut items, timeout_of(0), ptr::null()).inspect_err(|_| relight());
            if !again.is_ok_and(|found| found > 0) {
                items.iter_mut().zip(told).for_each(|(item, told)| item.revents = told);
            }
        }
        let mut ready = items.iter().zip(&names).filter(|(item, _)| item.revents != 0);
        let mut filled = 0;
        for (event, (item, (handle, user_data))) in events.iter_mut().zip(ready.by_ref()) {
            *event = PollerEvent {
                socket: *handle,
                fd: if item.socket.is_some() { -1 } else { item.fd },
                user_data: *user_data,
                events: item.revents,
            };
            filled += 1;
        }
        if ready.any(|(item, _)| item.socket.as_ref().is_some_and(|socket| socket.socket.is_thread_safe())) {
            relight();
        }
        // Without room for an event there is none to be had.
        if filled == 0 { Err(Failure(libc::EAGAIN)) } else { Ok(filled) }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_new() -> *mut c_void {
    guard(|| handle::open(Object::Poller(Arc::default())))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_destroy(poller: *mut *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: C passes where it keeps the handle, or null.
        let place = unsafe { poller.as_mut() }.ok_or(Failure(libc::EFAULT))?;
        handle::close(*place, Kind::Poller)?;
        *place = ptr::null_mut();
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_size(poller: *mut c_void) -> c_int {
    guard(|| Ok(c_int::try_from(handle::poller(poller)?.entries.lock().len()).unwrap_or(c_int::MAX)))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_add(
    poller: *mut c_void,
    socket: *mut c_void,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        let live = handle::socket(socket)?;
        check_events(events)?;
        let _observation = poller.observe(&live)?;
        poller.add(Entry { handle: socket, socket: Some(live.clone()), fd: -1, user_data, events, _observation })?;
        poller.light_if_ready(&live, events);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_modify(poller: *mut c_void, socket: *mut c_void, events: c_short) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        let live = handle::socket(socket)?;
        check_events(events)?;
        let more = poller.modify(socket, -1, events)?;
        poller.light_if_ready(&live, more);
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_remove(poller: *mut c_void, socket: *mut c_void) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        handle::socket(socket)?;
        poller.remove(socket, -1)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_add_fd(poller: *mut c_void, fd: c_int, user_data: *mut c_void, events: c_short) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        check_fd(fd)?;
        check_events(events)?;
        poller.add(Entry { handle: ptr::null_mut(), socket: None, fd, user_data, events, _observation: None })
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_modify_fd(poller: *mut c_void, fd: c_int, events: c_short) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        check_fd(fd)?;
        check_events(events)?;
        poller.modify(ptr::null_mut(), fd, events)?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_poller_remove_fd(poller: *mut c_void, fd: c_int) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        check_fd(fd)?;
        poller.remove(ptr::null_mut(), fd)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_wait(poller: *mut c_void, event: *mut PollerEvent, timeout: c_long) -> c_int {
    guard(|| {
        // SAFETY: C passes room for one, or null.
        let event = unsafe { event.as_mut() }.ok_or(Failure(libc::EFAULT))?;
        *event = PollerEvent::NONE;
        let poller = handle::poller(poller)?;
        poller.wait(slice::from_mut(event), timeout)?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_wait_all(
    poller: *mut c_void,
    events: *mut PollerEvent,
    count: c_int,
    timeout: c_long,
) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        if events.is_null() {
            return Err(Failure(libc::EFAULT));
        }
        let count = usize::try_from(count).map_err(|_| Failure(libc::EINVAL))?;
        // SAFETY: C passes room for so many.
        let events = unsafe { slice::from_raw_parts_mut(events, count) };
        let filled = poller.wait(events, timeout)?;
        events.iter_mut().skip(filled).for_each(|event| *event = PollerEvent::NONE);
        Ok(c_int::try_from(filled).unwrap_or(c_int::MAX))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_fd(poller: *mut c_void, fd: *mut c_int) -> c_int {
    guard(|| {
        let poller = handle::poller(poller)?;
        let signal = poller.signal.lock().clone().ok_or(Failure(libc::EINVAL))?;
        // SAFETY: C passes a place for it, or null.
        *unsafe { fd.as_mut() }.ok_or(Failure(libc::EFAULT))? = signal.fd();
        Ok(0)
    })
}

fn check_events(events: c_short) -> Outcome<()> {
    if events & !ALL != 0 { Err(Failure(libc::EINVAL)) } else { Ok(()) }
}

fn check_fd(fd: c_int) -> Outcome<()> {
    if fd == -1 { Err(Failure(libc::EBADF)) } else { Ok(()) }
}

const ALL: c_short = POLLIN | POLLOUT | POLLERR | POLLPRI;
