//! Selector on `poll`, for systems without epoll: right everywhere, and slower with many descriptors.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::faults::{Call, fail};
use super::{Interest, Ready, ReadyList};

/// A set of descriptors to wait on. Registering and waiting may go on in different threads.
pub(crate) struct Selector {
    entries: Mutex<BTreeMap<RawFd, Entry>>,
    bell: Arc<Bell>,
}

struct Entry {
    /// A duplicate, so that the descriptor stays valid while somebody waits on it.
    fd: Arc<OwnedFd>,
    token: u64,
    interest: Interest,
}

/// A pipe that interrupts the wait.
struct Bell {
    reader: OwnedFd,
    writer: OwnedFd,
    rung: Mutex<Vec<(u64, Arc<AtomicBool>)>>,
}

impl Selector {
    /// Whether a selector may be registered with another one.
    pub(crate) const NESTS: bool = false;

    pub(crate) fn new() -> io::Result<Selector> {
        fail(Call::Descriptor)?;
        let (reader, writer) = rustix::pipe::pipe()?;
        for end in [&reader, &writer] {
            rustix::io::ioctl_fionbio(end, true)?;
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        }
        let bell = Arc::new(Bell { reader, writer, rung: Mutex::new(Vec::new()) });
        Ok(Selector { entries: Mutex::new(BTreeMap::new()), bell })
    }

    /// Begins to watch `fd`.
    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        fail(Call::Register)?;
        let key = fd.as_fd().as_raw_fd();
        let fd = Arc::new(fd.as_fd().try_clone_to_owned()?);
        self.entries.lock().insert(key, Entry { fd, token, interest });
        self.bell.interrupt();
        Ok(())
    }

    /// Changes what is watched on `fd`.
    pub(crate) fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        fail(Call::Change)?;
        match self.entries.lock().get_mut(&fd.as_fd().as_raw_fd()) {
            Some(entry) => (entry.token, entry.interest) = (token, interest),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        self.bell.interrupt();
        Ok(())
    }

    /// Stops watching `fd`.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        match self.entries.lock().remove(&fd.as_fd().as_raw_fd()) {
            Some(_) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Waits until something is ready, at most `timeout` (`None`: for ever), and appends it to `ready`.
    #[cfg(not(zefiro_faults))]
    pub(crate) fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        self.ask(ready, timeout)
    }

    /// The same with what is not so.
    #[cfg(zefiro_faults)]
    pub(crate) fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        super::wait_faultily(ready, timeout, |ready, timeout| self.ask(ready, timeout))
    }

    /// The same for who is to be told of signals.
    pub(crate) fn wait_until_signal(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        self.wait(ready, timeout)
    }

    /// For those who wait on a set alone, which nobody does here.
    pub(crate) fn sleep_until_signal(&self, _timeout: Option<Duration>) -> io::Result<bool> {
        Ok(true)
    }

    fn ask(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        let watched: Vec<(RawFd, Arc<OwnedFd>, Interest)> = self
            .entries
            .lock()
            .iter()
            .filter(|(_, entry)| entry.interest.read || entry.interest.write)
            .map(|(key, entry)| (*key, entry.fd.clone(), entry.interest))
            .collect();
        let mut fds: Vec<PollFd<'_>> = vec![PollFd::new(&self.bell.reader, PollFlags::IN)];
        fds.extend(watched.iter().map(|(_, fd, interest)| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, interest.read);
            flags.set(PollFlags::OUT, interest.write);
            PollFd::new(fd.as_ref(), flags)
        }));
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().min(i64::MAX as u64 / 2) as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        fail(Call::Poll)?;
        poll(&mut fds, timeout.as_ref())?;
        self.bell.report(ready);
        let mut entries = self.entries.lock();
        for (polled, (key, fd, _)) in fds.iter().skip(1).zip(&watched) {
            let flags = polled.revents();
            let broken = flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            // Meanwhile the number may have become that of another descriptor, and what is watched may have changed.
            let Some(entry) = entries.get_mut(key).filter(|entry| Arc::ptr_eq(&entry.fd, fd)) else { continue };
            let Interest { read, write, .. } = entry.interest;
            let read = broken && (read || write) || read && flags.contains(PollFlags::IN);
            let write = broken && (read || write) || write && flags.contains(PollFlags::OUT);
            if read || write {
                ready.push(Ready { token: entry.token, read, write });
                if entry.interest.once {
                    entry.interest = Interest::NONE;
                }
            }
        }
        Ok(())
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.reader.as_fd()
    }
}

impl Bell {
    fn interrupt(&self) {
        let write = || fail(Call::Light).and_then(|()| rustix::io::write(&self.writer, &[1]));
        while let Err(rustix::io::Errno::INTR) = write() {}
    }

    fn report(&self, ready: &mut ReadyList) {
        let mut sink = [0u8; 64];
        while let Ok(1..) = rustix::io::read(&self.reader, &mut sink) {}
        for (token, rung) in self.rung.lock().iter() {
            if rung.swap(false, Ordering::AcqRel) {
                ready.push(Ready { token: *token, read: true, write: false });
            }
        }
    }
}

/// Wakes whoever waits on a selector.
pub(crate) struct Alarm {
    bell: Arc<Bell>,
    rung: Arc<AtomicBool>,
}

impl Alarm {
    /// An alarm that reports itself as `token` to `selector`.
    pub(crate) fn new(selector: &Selector, token: u64) -> io::Result<Alarm> {
        let rung = Arc::new(AtomicBool::new(false));
        selector.bell.rung.lock().push((token, rung.clone()));
        Ok(Alarm { bell: selector.bell.clone(), rung })
    }

    /// Wakes the waiter, or the next one to wait.
    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.bell.interrupt();
    }
}

/// A descriptor that is readable while it is lit: one end of a pair of sockets.
pub(crate) struct Beacon {
    reader: UnixStream,
    writer: UnixStream,
}

impl Beacon {
    /// A beacon, not lit.
    pub(crate) fn new() -> io::Result<Beacon> {
        fail(Call::Descriptor)?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        Ok(Beacon { reader, writer })
    }

    /// Lights it; whoever waits for an edge sees one each time.
    pub(crate) fn light(&self) {
        // Full, it is lit anyway.
        while let Err(rustix::io::Errno::INTR) = rustix::io::write(&self.writer, &[1]) {}
    }

    /// Puts it out.
    pub(crate) fn put_out(&self) {
        let mut sink = [0u8; 64];
        while let Ok(1..) | Err(rustix::io::Errno::INTR) = rustix::io::read(&self.reader, &mut sink) {}
    }
}

impl AsFd for Beacon {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
