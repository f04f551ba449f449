//! Poller: waits for sockets and descriptors, and costs only what is ready.

mod note;

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use zmtp::giving_back::{hold, is_any_owned};

use self::note::{Note, Shared};
use crate::error::{Error, ErrorKind, Result};
use crate::io::duty::{self, Set};
use crate::pause::pause;
use crate::pipe::sync::{SleepingGuard as MutexGuard, SleepingMutex as Mutex};
use crate::socket::Socket;
use crate::socket::core::SocketCore;
use crate::socket::kind::Kind;
use crate::sys::{ReadyList, Selector};
use crate::wait::{Patience, current_parker};

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
    /// The sockets led by the thread that waits; another that waits meanwhile leads none.
    led: Mutex<Vec<Led>>,
    patience: Patience,
}

/// What to be told of.
///
/// ```
/// # use zefiro::{Interest, Pair, Poller};
/// # let (one, other) = (Pair::new(), Pair::new());
/// # one.connect(other.bind("inproc://interest")?)?;
/// let poller = Poller::new()?;
/// poller.add(&one, Interest::BOTH, 1)?;
/// let mut ready = Vec::new();
/// poller.wait(&mut ready, None)?;
/// assert!(ready[0].writable && !ready[0].readable);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Interest {
    readable: bool,
    writable: bool,
}

/// Something is ready.
///
/// ```
/// # use zefiro::{Interest, Poller, Pull, Ready};
/// # let pull = Pull::new();
/// let poller = Poller::new()?;
/// poller.add(&pull, Interest::READABLE, 7)?;
/// pull.close();
/// let mut ready: Vec<Ready> = Vec::new();
/// poller.wait(&mut ready, None)?;
/// assert_eq!((ready[0].key, ready[0].closed), (7, true));
/// # Ok::<(), zefiro::Error>(())
/// ```
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
    Socket(SocketEntry),
    Descriptor(OwnedFd),
}

struct SocketEntry {
    core: Weak<SocketCore>,
    note: Arc<Note>,
    /// Where the note stands.
    place: u64,
    interest: Interest,
    /// The socket's set, once it is an item of the selector.
    set: Weak<Set>,
    /// The selector tells of the set.
    armed: bool,
}

/// A socket whose links the waiting thread reads itself.
struct Led {
    key: u64,
    core: Arc<SocketCore>,
    set: Arc<Set>,
    /// Where the note stands: as whom the poller leads.
    place: u64,
}

/// Leads until it is dropped.
struct Leading<'a>(MutexGuard<'a, Vec<Led>>);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        for led in self.0.drain(..) {
            duty::leave_polled(&led.core, led.place);
        }
    }
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

impl Poller {
    /// A poller of nothing yet. Sockets can be waited for also while the system has no descriptors left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::Poller;
    /// let poller = Poller::new()?;
    /// assert_eq!(poller.wait(&mut Vec::new(), Some(Duration::ZERO))?, 0);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system refuses for another reason.
    pub fn new() -> Result<Poller> {
        let shared = Shared { bell: OnceLock::new(), noted: Mutex::default() };
        match shared.bell() {
            Err(error) if !lacks_descriptors(&error) => return Err(Error::with_io("poll", "", error)),
            _ => {}
        }
        Ok(Poller {
            shared: Arc::new(shared),
            entries: Mutex::default(),
            descriptors: AtomicUsize::new(0),
            led: Mutex::default(),
            patience: Patience::default(),
        })
    }

    /// Begins to watch a socket, under a key of the program's choice.
    ///
    /// ```
    /// # use zefiro::{Interest, Poller, Pull};
    /// let poller = Poller::new()?;
    /// poller.add(&Pull::new(), Interest::READABLE, 1)?;
    /// assert!(poller.add(&Pull::new(), Interest::READABLE, 1).is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The key is in use, or the socket is closed.
    pub fn add<K: Kind>(&self, socket: &Socket<K>, interest: Interest, key: u64) -> Result<()> {
        let mut entries = self.entries.lock();
        check_free(&entries, key)?;
        let note = Arc::new(Note { key, shared: Arc::downgrade(&self.shared), noted: Mutex::new(false) });
        let core = Arc::downgrade(socket.core());
        let place = socket.core().observe("poll", note.clone())?;
        note.take_note();
        let entry = SocketEntry { core, note, place, interest, set: Weak::new(), armed: false };
        entries.insert(key, Entry::Socket(entry));
        Ok(())
    }

    /// Begins to watch a descriptor, through a duplicate of it.
    ///
    /// ```
    /// # use std::io::Write;
    /// # use std::os::unix::net::UnixStream;
    /// # use zefiro::{Interest, Poller};
    /// let (one, mut other) = UnixStream::pair()?;
    /// let poller = Poller::new()?;
    /// poller.add_fd(&one, Interest::READABLE, 1)?;
    /// other.write_all(b"hello")?;
    /// let mut ready = Vec::new();
    /// assert_eq!(poller.wait(&mut ready, None)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The key is in use, or the system refuses.
    pub fn add_fd(&self, fd: impl AsFd, interest: Interest, key: u64) -> Result<()> {
        // The program's code.
        let fd = fd.as_fd().try_clone_to_owned().map_err(|error| Error::with_io("poll", "", error))?;
        let mut entries = self.entries.lock();
        check_free(&entries, key)?;
        let watched = crate::sys::Interest { read: interest.readable, write: interest.writable, once: false };
        let added = self.shared.bell().and_then(|bell| bell.selector.add(&fd, key, watched));
        added.map_err(|error| Error::with_io("poll", "", error))?;
        entries.insert(key, Entry::Descriptor(fd));
        self.descriptors.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Changes what to watch a socket or descriptor for.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Interest, Poller, Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://modify")?)?;
    /// let poller = Poller::new()?;
    /// poller.add(&push, Interest::WRITABLE, 1)?;
    /// poller.modify(1, Interest::NONE)?;
    /// assert_eq!(poller.wait(&mut Vec::new(), Some(Duration::ZERO))?, 0);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// Nothing is registered under the key.
    pub fn modify(&self, key: u64, interest: Interest) -> Result<()> {
        match self.entries.lock().get_mut(&key) {
            Some(Entry::Socket(entry)) => {
                entry.interest = interest;
                entry.note.take_note();
            }
            Some(Entry::Descriptor(fd)) => {
                let watched = crate::sys::Interest { read: interest.readable, write: interest.writable, once: false };
                let changed = self.shared.bell().and_then(|bell| bell.selector.modify(&*fd, key, watched));
                changed.map_err(|error| Error::with_io("poll", "", error))?;
            }
            None => return Err(unknown_key()),
        }
        Ok(())
    }

    /// Stops watching.
    ///
    /// ```
    /// # use zefiro::{Interest, Poller, Pull};
    /// let poller = Poller::new()?;
    /// poller.add(&Pull::new(), Interest::READABLE, 1)?;
    /// poller.remove(1)?;
    /// assert!(poller.remove(1).is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// Nothing is registered under the key.
    pub fn remove(&self, key: u64) -> Result<()> {
        let removed = self.entries.lock().remove(&key);
        match removed {
            Some(Entry::Socket(entry)) => {
                if let Some((set, bell)) = entry.set.upgrade().zip(self.shared.bell.get()) {
                    drop(bell.selector.remove(set.selector()));
                }
                entry.leave();
                // A thread that waits may lead it: it is not told of it any more, so others must watch at once.
                if let Some(core) = entry.core.upgrade() {
                    duty::leave_polled(&core, entry.place);
                }
            }
            Some(Entry::Descriptor(fd)) => {
                self.descriptors.fetch_sub(1, Ordering::Relaxed);
                if let Some(bell) = self.shared.bell.get() {
                    drop(bell.selector.remove(&fd));
                }
            }
            None => return Err(unknown_key()),
        }
        Ok(())
    }

    /// Waits until something is ready, at most `timeout` (`None`: for ever), replaces the contents of `ready` with it,
    /// and answers how much it is; 0 when the time is over.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Interest, Poller, Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://wait")?)?;
    /// let poller = Poller::new()?;
    /// poller.add(&pull, Interest::READABLE, 1)?;
    /// let mut ready = Vec::new();
    /// assert_eq!(poller.wait(&mut ready, Some(Duration::from_millis(5)))?, 0);
    /// push.send("hello")?;
    /// assert_eq!(poller.wait(&mut ready, None)?, 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system refuses to wait.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> Result<usize> {
        self.wait_as(ready, timeout, false)
    }

    /// As [`wait`](Poller::wait), but a signal that is handled meanwhile ends it, as C programs expect.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{ErrorKind, Poller};
    /// # let (poller, mut ready) = (Poller::new()?, Vec::new());
    /// match poller.wait_until_signal(&mut ready, Some(Duration::from_millis(5))) {
    ///     Ok(count) => assert_eq!(count, 0),
    ///     Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
    /// }
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, or [`Interrupted`](ErrorKind::Interrupted).
    pub fn wait_until_signal(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> Result<usize> {
        self.wait_as(ready, timeout, true)
    }

    fn wait_as(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>, until_signal: bool) -> Result<usize> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        ready.clear();
        let _held = is_any_owned().then(hold);
        let mut events = ReadyList::new();
        loop {
            let bell = self.shared.bell().ok();
            // Who does not wait does not lead.
            let few = timeout != Some(Duration::ZERO) && bell.is_some() && self.is_to_lead();
            self.look_at_noted(ready, few);
            if !ready.is_empty() && self.descriptors.load(Ordering::Relaxed) == 0 {
                return Ok(ready.len());
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let wait = if ready.is_empty() { left } else { Some(Duration::ZERO) };
            events.clear();
            pause();
            let leading = bell.filter(|_| few && ready.is_empty()).and_then(|bell| self.lead(&bell.selector));
            let waited = match bell {
                Some(bell) => self.sleep(&bell.selector, &mut events, wait, leading.is_some(), until_signal),
                None => self.park(wait),
            };
            let read = self.read_sets(&events, leading.as_ref());
            drop(leading);
            if read && ready.is_empty() {
                self.look_at_noted(ready, few);
            }
            match waited {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    if until_signal && ready.is_empty() {
                        self.look_at_noted(ready, false);
                        let interrupted = || Error::new(ErrorKind::Interrupted, "poll");
                        return if ready.is_empty() { Err(interrupted()) } else { Ok(ready.len()) };
                    }
                }
                Err(error) => return Err(Error::with_io("poll", "", error)),
                Ok(()) => {}
            }
            let entries = self.entries.lock();
            let is_descriptor = |token| matches!(entries.get(&token), Some(Entry::Descriptor(_)));
            ready.extend(events.iter().filter(|event| is_descriptor(event.token)).map(|event| Ready {
                key: event.token,
                readable: event.read,
                writable: event.write,
                closed: false,
            }));
            if !ready.is_empty() || left.is_some_and(|left| left.is_zero()) {
                drop(entries);
                self.shared.pass_on();
                return Ok(ready.len());
            }
        }
    }

    /// Waits on the selector, unless something was noted meanwhile; from here on who notes something rings.
    fn sleep(
        &self,
        selector: &Selector,
        events: &mut ReadyList,
        wait: Option<Duration>,
        leads: bool,
        until_signal: bool,
    ) -> std::io::Result<()> {
        let noted = &self.shared.noted;
        let wait = if noted.lock().fall_asleep() { wait } else { Some(Duration::ZERO) };
        let mut look = || {
            let _ = selector.wait(events, Some(Duration::ZERO));
            !events.is_empty()
        };
        let came = leads && wait != Some(Duration::ZERO) && self.patience.linger(&mut look);
        let waited = match came {
            true => Ok(()),
            false if until_signal => selector.wait_until_signal(events, wait),
            false => selector.wait(events, wait),
        };
        noted.lock().wake_up();
        waited
    }

    /// As [`sleep`](Poller::sleep), without a descriptor: of sockets whose links the I/O thread watches.
    fn park(&self, wait: Option<Duration>) -> std::io::Result<()> {
        let (parker, waker) = current_parker();
        let deadline = wait.and_then(|wait| Instant::now().checked_add(wait));
        let key = {
            let mut noted = self.shared.noted.lock();
            if !noted.keys.is_empty() || wait == Some(Duration::ZERO) {
                return Ok(());
            }
            noted.fall_asleep();
            noted.parked.add(waker)
        };
        let interrupted = parker.park_until_signal(deadline);
        let mut noted = self.shared.noted.lock();
        noted.wake_up();
        noted.parked.remove(key);
        if interrupted { Err(Errno::INTR.into()) } else { Ok(()) }
    }

    /// Whether a thread that waits is to lead: there are sockets, and so few that asking each costs next to nothing.
    fn is_to_lead(&self) -> bool {
        let sockets = self.entries.lock().len().saturating_sub(self.descriptors.load(Ordering::Relaxed));
        Selector::NESTS && (1..=LED_MAX).contains(&sockets)
    }

    /// Takes the lead of the sockets for the time of waiting.
    fn lead(&self, selector: &Selector) -> Option<Leading<'_>> {
        let mut leading = Leading(self.led.try_lock()?);
        let socket = |(&key, entry): (&u64, &Entry)| match entry {
            Entry::Socket(entry) => Some((key, entry.core.upgrade()?, entry.place)),
            Entry::Descriptor(_) => None,
        };
        let sockets: Vec<_> = self.entries.lock().iter().filter_map(socket).collect();
        for (key, core, place) in sockets {
            let set = duty::lead_polled(&core, place);
            let told = match self.entries.lock().get_mut(&key) {
                Some(Entry::Socket(entry)) if entry.is(&core, place) => entry.watch(selector, key, set.as_ref()),
                _ => false,
            };
            let Some(set) = set else { continue };
            if told {
                leading.0.push(Led { key, core, set, place });
            } else {
                // The system has no room for it, or it was removed just now: then the I/O thread goes on.
                duty::leave_polled(&core, place);
                core.lock().watch_by_io();
            }
        }
        Some(leading)
    }

    /// Reads the links of sockets whose sets are among the events. Answers whether there were any.
    fn read_sets(&self, events: &[crate::sys::Ready], leading: Option<&Leading<'_>>) -> bool {
        let mut read = false;
        for event in events.iter().filter(|event| event.token != ALARM) {
            if let Some(led) = leading.and_then(|leading| leading.0.iter().find(|led| led.key == event.token)) {
                duty::read_polled(&led.core, &led.set);
                read = true;
                continue;
            }
            let found = match self.entries.lock().get(&event.token) {
                Some(Entry::Socket(entry)) => entry.core.upgrade().zip(entry.set.upgrade()),
                _ => None,
            };
            if let Some((core, set)) = found {
                duty::read_polled(&core, &set);
                read = true;
            }
        }
        read
    }

    /// Asks the sockets that have changed, or were ready the last time, whether they are ready now. Those to be `led`
    /// are asked for what is known; their links are looked at by leading.
    fn look_at_noted(&self, ready: &mut Vec<Ready>, led: bool) {
        let noted = std::mem::take(&mut self.shared.noted.lock().keys);
        for key in noted {
            // The program may be called back while a socket is looked at, and may then want to change what is watched.
            let (core, place, note) = match self.entries.lock().get(&key) {
                Some(Entry::Socket(entry)) => (entry.core.upgrade(), entry.place, entry.note.clone()),
                _ => continue,
            };
            *note.noted.lock() = false;
            let Some(core) = core else { continue };
            let closed = core.lock().check_open("poll").is_err();
            let (readable, writable) = if led { core.lock().readiness(core.socket_type) } else { core.readiness() };
            let interest = match self.entries.lock().get(&key) {
                Some(Entry::Socket(entry)) if entry.is(&core, place) => entry.interest,
                _ => continue,
            };
            let now = Ready {
                key,
                readable: (readable || closed) && interest.readable,
                writable: (writable || closed) && interest.writable,
                closed,
            };
            if now.readable || now.writable || closed {
                ready.push(now);
                // Level-triggered: to be looked at again the next time, by this thread or another that waits.
                note.take_note();
            } else if !led {
                core.lock().watch_by_io();
                // Something may have come between the look and the watch.
                if core.readiness().0 && interest.readable {
                    note.take_note();
                }
            }
        }
    }
}

impl SocketEntry {
    /// Has the selector tell of the set that is led, and not of one that is not. Answers whether it tells.
    fn watch(&mut self, selector: &Selector, key: u64, led: Option<&Arc<Set>>) -> bool {
        let interest = |read| crate::sys::Interest { read, write: false, once: false };
        let known = self.set.upgrade();
        match (led, known) {
            (Some(set), Some(known)) if Arc::ptr_eq(set, &known) => {
                if !self.armed {
                    self.armed = selector.modify(set.selector(), key, interest(true)).is_ok();
                }
            }
            (Some(set), _) => {
                // What was refused is tried again: only what is registered can be changed.
                self.armed = selector.add(set.selector(), key, interest(true)).is_ok();
                self.set = if self.armed { Arc::downgrade(set) } else { Weak::new() };
            }
            (None, Some(known)) if self.armed => {
                self.armed = selector.modify(known.selector(), key, interest(false)).is_err();
            }
            (None, _) => {}
        }
        self.armed
    }

    /// Whether it is the one that was added at a place in the socket's list.
    fn is(&self, core: &Arc<SocketCore>, place: u64) -> bool {
        self.place == place && std::ptr::eq(self.core.as_ptr(), Arc::as_ptr(core))
    }

    /// The socket is to tell no more.
    fn leave(&self) {
        if let Some(core) = self.core.upgrade() {
            let removed = core.lock().observers.remove(self.place);
            drop(removed);
        }
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        for entry in self.entries.lock().values() {
            if let Entry::Socket(entry) = entry {
                entry.leave();
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

fn lacks_descriptors(error: &std::io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn unknown_key() -> Error {
    Error::with_text(ErrorKind::InvalidOption, "poll", "", "nothing is registered under this key")
}

/// Sockets that a waiting thread leads: each costs it two locks a time.
const LED_MAX: usize = 8;

/// The alarm's token, and so no key.
const ALARM: u64 = u64::MAX;

#[cfg(all(test, not(zefiro_loom), not(zefiro_portable)))]
mod tests {
    use super::*;
    use crate::Pair;
    use crate::sys;

    const LONG: Duration = Duration::from_secs(30);

    /// As if the system had had no memory for it: it is there already, under another key.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_socket_that_could_not_be_watched_is_watched_the_next_time() {
        let (socket, other) = (Pair::new(), Pair::new());
        other.connect(socket.bind("ipc://*").unwrap()).unwrap();
        socket.wait_connected(1, LONG).unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&socket, Interest::READABLE, 7).unwrap();
        let selector = &poller.shared.bell().unwrap().selector;
        let mut entries = poller.entries.lock();
        let Some(Entry::Socket(entry)) = entries.get_mut(&7) else { panic!("it was added") };
        let set = duty::lead_polled(socket.core(), entry.place).unwrap();
        selector.add(set.selector(), 8, sys::Interest::NONE).unwrap();
        assert!(!entry.watch(selector, 7, Some(&set)));
        selector.remove(set.selector()).unwrap();
        assert!(entry.watch(selector, 7, Some(&set)));
        duty::leave_polled(socket.core(), entry.place);
    }
}
