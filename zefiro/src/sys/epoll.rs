//! Selector on epoll: level-triggered, and able to hold another selector.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};

use super::faults::{Call, fail};
use super::kernel::step;
use super::{Interest, Ready, ReadyList};

/// A set of descriptors to wait on. Registering and waiting may go on in different threads.
pub(crate) struct Selector {
    epoll: OwnedFd,
}

impl Selector {
    /// Whether a selector may be registered with another one.
    pub(crate) const NESTS: bool = true;

    pub(crate) fn new() -> io::Result<Selector> {
        fail(Call::Descriptor)?;
        Ok(Selector { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)? })
    }

    /// Begins to watch `fd`.
    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        fail(Call::Register)?;
        Ok(step(|| epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), flags(interest)))?)
    }

    /// Changes what is watched on `fd`.
    pub(crate) fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        fail(Call::Change)?;
        Ok(step(|| epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token), flags(interest)))?)
    }

    /// Stops watching `fd`.
    pub(crate) fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(step(|| epoll::delete(&self.epoll, fd))?)
    }

    /// Waits until something is ready, at most `timeout` (`None`: for ever), and appends it to `ready`.
    #[cfg(not(any(zefiro_loom, zefiro_faults)))]
    pub(crate) fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        self.ask(ready, timeout)
    }

    /// The same with what is not so.
    #[cfg(zefiro_faults)]
    pub(crate) fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        super::wait_faultily(ready, timeout, |ready, timeout| self.ask(ready, timeout))
    }

    /// The same for the model checker, which must not be blocked itself.
    #[cfg(zefiro_loom)]
    pub(crate) fn wait(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        super::kernel::wait(&self.epoll, timeout, || {
            let _ = self.ask(ready, Some(Duration::ZERO));
            !ready.is_empty()
        });
        Ok(())
    }

    /// The same for who is to be told of signals: [`Interrupted`](io::ErrorKind::Interrupted) is one that was handled.
    ///
    /// A wait on epoll alone ends so as well when the process was stopped and goes on: by the shell, a debugger, or the
    /// freezing of its container. One that polls goes on then.
    pub(crate) fn wait_until_signal(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        match timeout == Some(Duration::ZERO) || self.sleep_until_signal(timeout)? {
            true => self.wait(ready, Some(Duration::ZERO)),
            false => Ok(()),
        }
    }

    /// Waits as [`wait_until_signal`](Selector::wait_until_signal), and answers whether something is ready.
    #[cfg(not(zefiro_loom))]
    pub(crate) fn sleep_until_signal(&self, timeout: Option<Duration>) -> io::Result<bool> {
        fail(Call::Wait)?;
        let mut alone = [PollFd::new(&self.epoll, PollFlags::IN)];
        Ok(poll(&mut alone, timeout.map(timespec).as_ref())? > 0)
    }

    /// The same for the model checker.
    #[cfg(zefiro_loom)]
    pub(crate) fn sleep_until_signal(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let mut is_ready = false;
        super::kernel::wait(&self.epoll, timeout, || {
            is_ready = super::kernel::is_ready(self.epoll.as_fd());
            is_ready
        });
        Ok(is_ready)
    }

    fn ask(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_MAX];
        fail(Call::Wait)?;
        let timeout = match timeout.map(timespec) {
            Some(exact)
                if exact.tv_sec == 0 && exact.tv_nsec % NANOS_PER_MILLI > 0 && exact.tv_nsec < EXACT_NANOS_MAX =>
            {
                let mut alone = [PollFd::new(&self.epoll, PollFlags::IN)];
                if poll(&mut alone, Some(&exact))? == 0 {
                    return Ok(());
                }
                Some(Timespec { tv_sec: 0, tv_nsec: 0 })
            }
            other => other,
        };
        let (events, _) = epoll::wait(&self.epoll, &mut events, timeout.as_ref())?;
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            let broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            Ready {
                token: event.data.u64(),
                read: broken || flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP),
                write: broken || flags.contains(epoll::EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

impl AsFd for Selector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn timespec(timeout: Duration) -> Timespec {
    Timespec { tv_sec: timeout.as_secs().min(SECONDS_MAX) as i64, tv_nsec: i64::from(timeout.subsec_nanos()) }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, interest.read);
    flags.set(epoll::EventFlags::OUT, interest.write);
    flags.set(epoll::EventFlags::ONESHOT, interest.once);
    flags
}

/// Wakes whoever waits on a selector: an eventfd, registered edge-triggered and never read, so that a wake-up is one
/// system call.
pub(crate) struct Alarm {
    fd: OwnedFd,
}

impl Alarm {
    /// An alarm that reports itself as `token` to `selector`.
    pub(crate) fn new(selector: &Selector, token: u64) -> io::Result<Alarm> {
        fail(Call::Descriptor)?;
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        fail(Call::Register)?;
        epoll::add(&selector.epoll, &fd, epoll::EventData::new_u64(token), flags)?;
        Ok(Alarm { fd })
    }

    /// Wakes the waiter, or the next one to wait.
    pub(crate) fn ring(&self) {
        loop {
            match fail(Call::Ring).and_then(|()| step(|| rustix::io::write(&self.fd, &1u64.to_ne_bytes()))) {
                Err(rustix::io::Errno::INTR) => {}
                // The counter is full after 2^64 rings: start it over, and ring again.
                Err(rustix::io::Errno::AGAIN) => {
                    let _ = rustix::io::read(&self.fd, &mut [0u8; 8]);
                }
                _ => return,
            }
        }
    }
}

/// A descriptor that is readable while it is lit: an eventfd.
pub(crate) struct Beacon {
    fd: OwnedFd,
}

impl Beacon {
    /// A beacon, not lit.
    pub(crate) fn new() -> io::Result<Beacon> {
        fail(Call::Descriptor)?;
        Ok(Beacon { fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Lights it; whoever waits for an edge sees one each time.
    pub(crate) fn light(&self) {
        // Full after 2^64 times, and then it is lit anyway.
        let light = || fail(Call::Light).and_then(|()| rustix::io::write(&self.fd, &1u64.to_ne_bytes()));
        while let Err(rustix::io::Errno::INTR) = light() {}
    }

    /// Puts it out.
    pub(crate) fn put_out(&self) {
        let put_out = || fail(Call::Light).and_then(|()| rustix::io::read(&self.fd, &mut [0u8; 8]));
        while let Err(rustix::io::Errno::INTR) = put_out() {}
    }
}

impl AsFd for Beacon {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// epoll counts in milliseconds, and rounds up, on kernels before 5.11 and in rustix: shorter times are waited for with
/// ppoll, which costs a system call more. Of long ones a millisecond is little.
const NANOS_PER_MILLI: i64 = 1_000_000;
const EXACT_NANOS_MAX: i64 = 2 * NANOS_PER_MILLI;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 64;

/// The longest wait in one: kernels before 5.11 refuse one of more milliseconds than an `int` holds. Who waits for longer
/// looks at the time, and waits again.
const SECONDS_MAX: u64 = i32::MAX as u64 / 1000 - 1;
