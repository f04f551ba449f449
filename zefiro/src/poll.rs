//! Poller: waits for sockets and descriptors, and costs only what is ready.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::socket::Socket;
use crate::socket::core::SocketCore;
use crate::socket::kind::Kind;
use crate::sys::{Alarm, Selector};
use crate::wait::Observer;

/// Waits for any of many sockets and descriptors.
///
/// What is registered stays registered. Waiting is level-triggered: what is ready is reported each time. Its cost grows
/// with what is ready, not with what is registered.
///
/// ```
/// use zefiro::{Interest, Poller, Pull, Push};
///
/// let (pull, push) = (Pull::new(), Push::new());
/// push.connect(&pull.bind("tcp://127.0.0.1:*")?.to_string())?;
/// let poller = Poller::new()?;
/// poller.add(&pull, Interest::READABLE, 7)?;
/// push.send("hello")?;
/// let mut ready = Vec::new();
/// poller.wait(&mut ready, None)?;
/// assert_eq!((ready[0].key, ready[0].readable), (7, true));
/// # Ok::<(), zefiro::Error>(())
/// ```
pub struct Poller {
    shared: Arc<Shared>,
    entries: Mutex<BTreeMap<u64, Entry>>,
    /// Descriptors among the entries.
    descriptors: AtomicUsize,
}

/// What to be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    readable: bool,
    writable: bool,
}

/// Something is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// The key it was registered with.
    pub key: u64,
    /// A message could be received, or the descriptor read.
    pub readable: bool,
    /// A message could be sent, or the descriptor written.
    pub writable: bool,
    /// The socket was closed, or its context shut down: any call will say so. Told whatever the interest.
    pub closed: bool,
}

enum Entry {
    Socket(Weak<SocketCore>, Arc<Note>, u64, Interest),
    Descriptor(OwnedFd),
}

/// Stands in a socket's list of those to be told of any change.
struct Note {
    key: u64,
    shared: Weak<Shared>,
    /// Already in the list of what to look at.
    noted: Mutex<bool>,
}

struct Shared {
    selector: Selector,
    alarm: Alarm,
    noted: Mutex<VecDeque<u64>>,
}

impl Interest {
    /// Whether something could be received.
    pub const READABLE: Interest = Interest { readable: true, writable: false };
    /// Whether something could be sent.
    pub const WRITABLE: Interest = Interest { readable: false, writable: true };
    /// Nothing, for the time being.
    pub const NONE: Interest = Interest { readable: false, writable: false };
    /// Either.
    pub const BOTH: Interest = Interest { readable: true, writable: true };
}

impl Observer for Note {
    fn note(&self) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        let news = !std::mem::replace(&mut *self.noted.lock(), true);
        if news {
            shared.noted.lock().push_back(self.key);
        }
        news
    }

    fn rouse(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.alarm.ring();
        }
    }
}

impl Note {
    /// To be looked at, whatever has changed.
    fn take_note(&self) {
        if self.note() {
            self.rouse();
        }
    }
}

impl Poller {
    /// A poller of nothing yet.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn new() -> Result<Poller> {
        let make = || {
            let selector = Selector::new()?;
            let alarm = Alarm::new(&selector, ALARM)?;
            Ok(Shared { selector, alarm, noted: Mutex::new(VecDeque::new()) })
        };
        let shared = make().map_err(|error| Error::with_io("poll", "", error))?;
        Ok(Poller { shared: Arc::new(shared), entries: Mutex::new(BTreeMap::new()), descriptors: AtomicUsize::new(0) })
    }

    /// Begins to watch a socket, under a key of the program's choice.
    ///
    /// # Errors
    /// The key is in use, or the socket is closed.
    pub fn add<K: Kind>(&self, socket: &Socket<K>, interest: Interest, key: u64) -> Result<()> {
        let mut entries = self.entries.lock();
        check_free(&entries, key)?;
        let observer = Arc::new(Note { key, shared: Arc::downgrade(&self.shared), noted: Mutex::new(false) });
        let core = socket.core();
        let place = core.observe("poll", observer.clone())?;
        observer.take_note();
        entries.insert(key, Entry::Socket(Arc::downgrade(core), observer, place, interest));
        Ok(())
    }

    /// Begins to watch a descriptor, through a duplicate of it.
    ///
    /// # Errors
    /// The key is in use, or the system refuses.
    pub fn add_fd(&self, fd: impl AsFd, interest: Interest, key: u64) -> Result<()> {
        let mut entries = self.entries.lock();
        check_free(&entries, key)?;
        let watched = crate::sys::Interest { read: interest.readable, write: interest.writable, once: false };
        let fd = fd.as_fd().try_clone_to_owned().map_err(|error| Error::with_io("poll", "", error))?;
        self.shared.selector.add(&fd, key, watched).map_err(|error| Error::with_io("poll", "", error))?;
        entries.insert(key, Entry::Descriptor(fd));
        self.descriptors.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Changes what to watch a socket or descriptor for.
    ///
    /// # Errors
    /// Nothing is registered under the key.
    pub fn modify(&self, key: u64, interest: Interest) -> Result<()> {
        match self.entries.lock().get_mut(&key) {
            Some(Entry::Socket(_, observer, _, current)) => {
                *current = interest;
                observer.take_note();
            }
            Some(Entry::Descriptor(fd)) => {
                let watched = crate::sys::Interest { read: interest.readable, write: interest.writable, once: false };
                let changed = self.shared.selector.modify(&*fd, key, watched);
                changed.map_err(|error| Error::with_io("poll", "", error))?;
            }
            None => return Err(unknown_key()),
        }
        Ok(())
    }

    /// Stops watching.
    ///
    /// # Errors
    /// Nothing is registered under the key.
    pub fn remove(&self, key: u64) -> Result<()> {
        match self.entries.lock().remove(&key) {
            Some(Entry::Socket(core, _, place, _)) => {
                if let Some(core) = core.upgrade() {
                    core.lock().observers.remove(place);
                }
            }
            Some(Entry::Descriptor(fd)) => {
                self.descriptors.fetch_sub(1, Ordering::Relaxed);
                drop(self.shared.selector.remove(&fd));
            }
            None => return Err(unknown_key()),
        }
        Ok(())
    }

    /// Waits until something is ready, at most `timeout` (`None`: for ever), replaces the contents of `ready` with it,
    /// and answers how much it is; 0 when the time is over.
    ///
    /// # Errors
    /// The system refuses to wait.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> Result<usize> {
        self.wait_as(ready, timeout, false)
    }

    /// As [`wait`](Poller::wait), but a signal that is handled meanwhile ends it, as C programs expect.
    ///
    /// # Errors
    /// As there, or [`Interrupted`](ErrorKind::Interrupted).
    pub fn wait_until_signal(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> Result<usize> {
        self.wait_as(ready, timeout, true)
    }

    fn wait_as(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>, until_signal: bool) -> Result<usize> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        ready.clear();
        loop {
            self.look_at_noted(ready);
            if !ready.is_empty() && self.descriptors.load(Ordering::Relaxed) == 0 {
                return Ok(ready.len());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let wait = if ready.is_empty() { left } else { Some(Duration::ZERO) };
            let mut events = Vec::new();
            match self.shared.selector.wait(&mut events, wait) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    if until_signal && ready.is_empty() {
                        self.look_at_noted(ready);
                        let interrupted = || Error::new(ErrorKind::Interrupted, "poll");
                        return if ready.is_empty() { Err(interrupted()) } else { Ok(ready.len()) };
                    }
                }
                Err(error) => return Err(Error::with_io("poll", "", error)),
                Ok(()) => {}
            }
            let descriptors = events.iter().filter(|event| event.token != ALARM);
            ready.extend(descriptors.map(|event| Ready {
                key: event.token,
                readable: event.read,
                writable: event.write,
                closed: false,
            }));
            if !ready.is_empty() || left.is_some_and(|left| left.is_zero()) {
                return Ok(ready.len());
            }
        }
    }

    /// Asks the sockets that have changed, or were ready the last time, whether they are ready now.
    fn look_at_noted(&self, ready: &mut Vec<Ready>) {
        let noted = std::mem::take(&mut *self.shared.noted.lock());
        let entries = self.entries.lock();
        for key in noted {
            let Some(Entry::Socket(core, observer, _, interest)) = entries.get(&key) else { continue };
            *observer.noted.lock() = false;
            let Some(core) = core.upgrade() else { continue };
            let closed = core.lock().check_open("poll").is_err();
            let (readable, writable) = core.readiness();
            let now = Ready {
                key,
                readable: (readable || closed) && interest.readable,
                writable: (writable || closed) && interest.writable,
                closed,
            };
            if now.readable || now.writable || closed {
                ready.push(now);
                // Level-triggered: to be looked at again the next time, without waking anybody.
                observer.note();
            } else {
                core.lock().watch_by_io();
                // Something may have come between the look and the watch.
                if core.readiness().0 && interest.readable {
                    observer.take_note();
                }
            }
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        for entry in self.entries.lock().values() {
            if let Entry::Socket(core, _, place, _) = entry
                && let Some(core) = core.upgrade()
            {
                core.lock().observers.remove(*place);
            }
        }
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("entries", &self.entries.lock().len()).finish()
    }
}

fn check_free(entries: &BTreeMap<u64, Entry>, key: u64) -> Result<()> {
    if key == ALARM || entries.contains_key(&key) {
        let why = "the key is in use";
        return Err(Error::with_text(ErrorKind::InvalidOption, "poll", key.to_string(), why));
    }
    Ok(())
}

fn unknown_key() -> Error {
    Error::with_text(ErrorKind::InvalidOption, "poll", "", "nothing is registered under this key")
}

/// The alarm's token, and so no key.
const ALARM: u64 = u64::MAX;
