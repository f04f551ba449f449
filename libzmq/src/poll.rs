//! `zmq_poll` and `zmq_ppoll`: waiting for sockets and descriptors of a list that comes with each call.
//!
//! A list of sockets alone is registered with a [`Poller`] that the thread keeps for the next call: most programs come
//! again with the same list, and then only what has changed is looked at. A list with descriptors goes to the system's
//! `poll`, together with a descriptor that the sockets light.

use std::cell::RefCell;
use std::ffi::{c_int, c_long, c_short, c_void};
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libc::{pollfd, sigset_t};
use zefiro::{Interest, Poller, Ready};

use crate::failure::{ETERM, Failure, Outcome, errno, guard};
use crate::handle::{self, Own};
use crate::signal::{Observation, Signal};
use crate::socket::SocketHandle;

pub(crate) const POLLIN: c_short = 1;
pub(crate) const POLLOUT: c_short = 2;
pub(crate) const POLLERR: c_short = 4;
pub(crate) const POLLPRI: c_short = 8;

/// `zmq_pollitem_t`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollItem {
    pub(crate) socket: *mut c_void,
    pub(crate) fd: c_int,
    pub(crate) events: c_short,
    pub(crate) revents: c_short,
}

/// Something to wait for, and what has come of it.
pub(crate) struct Watched {
    /// A socket, or else a descriptor.
    pub(crate) socket: Option<Arc<SocketHandle>>,
    pub(crate) fd: c_int,
    pub(crate) events: c_short,
    pub(crate) revents: c_short,
}

/// A list the thread has waited for before.
struct Known {
    items: Vec<KnownItem>,
    thread_safe: bool,
    poller: Poller,
    ready: Vec<Ready>,
}

#[derive(PartialEq, Eq)]
struct KnownItem {
    socket: *mut c_void,
    tag: u32,
    events: c_short,
}

thread_local! {
    static KNOWN: RefCell<Vec<Own<Known>>> = const { RefCell::new(Vec::new()) };
}

/// Lists a thread keeps.
const KNOWN_MAX: usize = 4;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poll(items: *mut PollItem, count: c_int, timeout: c_long) -> c_int {
    guard(|| {
        // SAFETY: C passes so many items.
        let items = unsafe { items_at(items, count) }?;
        if !items.is_empty() && items.iter().all(|item| !item.socket.is_null()) {
            return poll_sockets(items, timeout_of(timeout));
        }
        poll_all(items, timeout_of(timeout), std::ptr::null())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ppoll(
    items: *mut PollItem,
    count: c_int,
    timeout: c_long,
    mask: *const sigset_t,
) -> c_int {
    guard(|| {
        // SAFETY: C passes so many items.
        let items = unsafe { items_at(items, count) }?;
        for item in items.iter().filter(|item| !item.socket.is_null()) {
            // As libzmq: a thread-safe socket has no descriptor to wait for under the mask.
            handle::with_socket(item.socket, |socket| match socket.socket.is_thread_safe() {
                true => Err(Failure(libc::EINVAL)),
                false => Ok(()),
            })?;
        }
        poll_all(items, timeout_of(timeout), mask)
    })
}

/// The items at an address of C's.
///
/// # Safety
/// There are so many, and nobody else looks at them meanwhile; or the address is null.
unsafe fn items_at<'a>(items: *mut PollItem, count: c_int) -> Outcome<&'a mut [PollItem]> {
    let count = usize::try_from(count).map_err(|_| Failure(libc::EINVAL))?;
    if count == 0 {
        return Ok(&mut []);
    }
    if items.is_null() {
        return Err(Failure(libc::EFAULT));
    }
    // SAFETY: the caller's.
    Ok(unsafe { slice::from_raw_parts_mut(items, count) })
}

/// Milliseconds of C's; `None`: for ever.
pub(crate) fn timeout_of(timeout: c_long) -> Option<Duration> {
    u64::try_from(timeout).ok().map(Duration::from_millis)
}

fn poll_sockets(items: &mut [PollItem], timeout: Option<Duration>) -> Outcome<c_int> {
    // Taken out, so that what is called back in between finds the place free.
    let mut known = KNOWN.try_with(|known| std::mem::take(&mut *known.borrow_mut())).unwrap_or_default();
    let result = find_known(&mut known, items).and_then(|list| poll_known(list, items, timeout));
    if result == Err(Failure(ETERM)) {
        clear(items);
    }
    let _ = KNOWN.try_with(|place| place.replace(known));
    result
}

/// The list these items make, registered; it comes to stand first.
fn find_known<'a>(known: &'a mut Vec<Own<Known>>, items: &[PollItem]) -> Outcome<&'a mut Known> {
    // In a child of a fork these are its parent's.
    known.retain(|list| list.get().is_some());
    match position_of(known, items)? {
        Some(index) => known.swap(0, index),
        None => {
            let list = register(items)?;
            known.truncate(KNOWN_MAX - 1);
            known.insert(0, Own::new(list));
        }
    }
    known.first_mut().and_then(Own::get_mut).ok_or(Failure(libc::EFAULT))
}

fn position_of(known: &[Own<Known>], items: &[PollItem]) -> Outcome<Option<usize>> {
    for (index, list) in known.iter().enumerate() {
        let Some(list) = list.get().filter(|list| list.items.len() == items.len()) else { continue };
        let mut same = true;
        for (old, new) in list.items.iter().zip(items) {
            let tag = handle::socket_tag(new.socket)?;
            if old.socket != new.socket || old.tag != tag || old.events != new.events {
                same = false;
                break;
            }
        }
        if same {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn register(items: &[PollItem]) -> Outcome<Known> {
    let kept = Vec::with_capacity(items.len());
    let mut list = Known { items: kept, thread_safe: false, poller: Poller::new()?, ready: Vec::new() };
    for (key, item) in items.iter().enumerate() {
        let tag = handle::socket_tag(item.socket)?;
        let socket = handle::socket(item.socket)?;
        list.poller.add(&socket.socket, interest_of(item.events), key as u64)?;
        list.thread_safe |= socket.socket.is_thread_safe();
        list.items.push(KnownItem { socket: item.socket, tag, events: item.events });
    }
    Ok(list)
}

fn poll_known(list: &mut Known, items: &mut [PollItem], timeout: Option<Duration>) -> Outcome<c_int> {
    check_asked(items, list.thread_safe, timeout)?;
    clear(items);
    list.poller.wait_until_signal(&mut list.ready, timeout)?;
    let item_of = |ready: &Ready| usize::try_from(ready.key).ok().and_then(|key| items.get(key));
    if let Some(item) = list.ready.iter().filter(|ready| ready.closed).find_map(item_of) {
        // Says which it is.
        handle::with_socket(item.socket, |socket| Ok(socket.socket.readiness()?))?;
        return Err(Failure(libc::ENOTSOCK));
    }
    for ready in &list.ready {
        let Some(item) = usize::try_from(ready.key).ok().and_then(|key| items.get_mut(key)) else { continue };
        item.revents = (i16::from(ready.readable) * POLLIN) | (i16::from(ready.writable) * POLLOUT);
    }
    Ok(count_ready(items, list.thread_safe))
}

/// A list with a thread-safe socket goes to a poller in libzmq: there, waiting for nothing for ever is an error.
fn check_asked(items: &[PollItem], thread_safe: bool, timeout: Option<Duration>) -> Outcome<()> {
    let asked = || items.iter().any(|item| item.events != 0);
    if thread_safe && timeout.is_none() && !asked() { Err(Failure(libc::EFAULT)) } else { Ok(()) }
}

/// How many items are ready; with a thread-safe socket among them, those of one socket or descriptor count once.
fn count_ready(items: &[PollItem], thread_safe: bool) -> c_int {
    let same =
        |one: &PollItem, other: &PollItem| one.socket == other.socket && (!one.socket.is_null() || one.fd == other.fd);
    let ready = items.iter().enumerate().filter(|(_, item)| item.revents != 0).filter(|(index, item)| {
        !thread_safe || !items.iter().take(*index).any(|other| other.revents != 0 && same(other, item))
    });
    c_int::try_from(ready.count()).unwrap_or(c_int::MAX)
}

/// What a wait that fails leaves: nothing is ready.
fn clear(items: &mut [PollItem]) {
    items.iter_mut().for_each(|item| item.revents = 0);
}

pub(crate) fn interest_of(events: c_short) -> Interest {
    match (events & POLLIN != 0, events & POLLOUT != 0) {
        (true, true) => Interest::BOTH,
        (true, false) => Interest::READABLE,
        (false, true) => Interest::WRITABLE,
        (false, false) => Interest::NONE,
    }
}

fn poll_all(items: &mut [PollItem], timeout: Option<Duration>, mask: *const sigset_t) -> Outcome<c_int> {
    let mut watched = Vec::with_capacity(items.len());
    for item in items.iter() {
        let socket = if item.socket.is_null() { None } else { Some(handle::socket(item.socket)?) };
        watched.push(Watched { socket, fd: item.fd, events: item.events, revents: 0 });
    }
    let thread_safe =
        watched.iter().filter_map(|item| item.socket.as_ref()).any(|socket| socket.socket.is_thread_safe());
    check_asked(items, thread_safe, timeout)?;
    clear(items);
    wait(&mut watched, timeout, mask)?;
    for (item, watched) in items.iter_mut().zip(watched) {
        item.revents = watched.revents;
    }
    Ok(count_ready(items, thread_safe))
}

/// Waits until something is ready, and answers how much: `revents` say what.
pub(crate) fn wait(items: &mut [Watched], timeout: Option<Duration>, mask: *const sigset_t) -> Outcome<usize> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut fds: Vec<pollfd> = items.iter().filter(|item| item.socket.is_none()).map(descriptor_of).collect();
    let look = |items: &mut [Watched]| -> Outcome<usize> {
        let mut ready = 0;
        for item in items.iter_mut() {
            if let Some(socket) = &item.socket {
                let (readable, writable) = socket.socket.readiness()?;
                item.revents = ((i16::from(readable) * POLLIN) | (i16::from(writable) * POLLOUT)) & item.events;
                ready += usize::from(item.revents != 0);
            }
        }
        Ok(ready)
    };
    let ready = look(items)?;
    if ready > 0 || timeout == Some(Duration::ZERO) {
        return Ok(ready + look_at_descriptors(items, &mut fds, Some(Duration::ZERO), mask)?);
    }
    let has_sockets = items.iter().any(|item| item.socket.is_some());
    if has_sockets && !Signal::is_kept() {
        // A number among theirs that is nobody's is told of now: the signal may get it.
        let ready = look_at_descriptors(items, &mut fds, Some(Duration::ZERO), mask)?;
        if ready > 0 {
            return Ok(ready);
        }
    }
    // Without a descriptor left, the sockets are looked at again and again.
    let signal = match has_sockets.then(Signal::of_this_thread) {
        None | Some(Err(Failure(libc::EMFILE | libc::ENFILE))) => None,
        Some(signal) => Some(signal?),
    };
    let naps = signal.is_none() && has_sockets;
    let mut observations = Vec::new();
    if let Some(signal) = &signal {
        for socket in items.iter().filter_map(|item| item.socket.as_ref()) {
            observations.push(Observation::begin(socket, signal)?);
        }
        fds.push(pollfd { fd: signal.fd(), events: libc::POLLIN, revents: 0 });
    }
    loop {
        if let Some(signal) = &signal
            && (signal.is_lit() || fds.last().is_some_and(|fd| fd.revents != 0))
        {
            signal.put_out();
        }
        let ready = look(items)?;
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = if ready > 0 { Some(Duration::ZERO) } else { left };
        let nap = if naps { Some(left.map_or(NAP, |left| left.min(NAP))) } else { left };
        let ready = ready + look_at_descriptors(items, &mut fds, nap, mask)?;
        if ready > 0 {
            // What the sockets have become meanwhile belongs to the answer.
            return Ok(ready);
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(0);
        }
    }
}

/// How long to wait between two looks at sockets that cannot say when they have changed.
const NAP: Duration = Duration::from_millis(5);

fn descriptor_of(item: &Watched) -> pollfd {
    let mut events = 0;
    for (ours, theirs) in [(POLLIN, libc::POLLIN), (POLLOUT, libc::POLLOUT), (POLLPRI, libc::POLLPRI)] {
        if item.events & ours != 0 {
            events |= theirs;
        }
    }
    pollfd { fd: item.fd, events, revents: 0 }
}

/// Waits for the descriptors, and answers how many of the items are ready; what stands behind theirs is not counted.
fn look_at_descriptors(
    items: &mut [Watched],
    fds: &mut [pollfd],
    timeout: Option<Duration>,
    mask: *const sigset_t,
) -> Outcome<usize> {
    // Under a mask of its own even a look delivers the signals that wait.
    if fds.is_empty() && timeout == Some(Duration::ZERO) && mask.is_null() {
        return Ok(0);
    }
    let limit = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().min(i64::MAX as u64 / 4) as libc::time_t,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the descriptors are a slice of ours, the limit and the mask null or valid for the call.
    if unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, limit, mask) } < 0 {
        return Err(Failure(errno()));
    }
    let mut ready = 0;
    for (item, fd) in items.iter_mut().filter(|item| item.socket.is_none()).zip(fds.iter()) {
        item.revents = 0;
        let flags = [
            (POLLIN, libc::POLLIN),
            (POLLOUT, libc::POLLOUT),
            (POLLPRI, libc::POLLPRI),
            (POLLERR, libc::POLLERR | libc::POLLHUP | libc::POLLNVAL),
        ];
        for (ours, theirs) in flags {
            if fd.revents & theirs != 0 {
                item.revents |= ours;
            }
        }
        ready += usize::from(item.revents != 0);
    }
    Ok(ready)
}
