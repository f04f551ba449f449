//! Every system call, and nothing else: what differs between operating systems ends here.
//!
//! [`Selector`] tells which descriptors are ready: epoll on Linux, `poll` elsewhere (and on Linux when built with
//! `--cfg zefiro_portable`, so that the fallback stays tested). [`Sleeper`] puts a thread to sleep: on a futex, or by the
//! standard library. [`faults`] makes them fail in test builds, [`kernel`] makes them steps of the model checker. [`net`]
//! reads and writes streams without signals and without blocking, [`extras`] sets what only some systems have; [`files`] knows
//! owners, modes and sockets' paths. [`threads`] starts the engine's threads, and [`exit`] is told of the process's end.

pub(crate) mod exit;
pub(crate) mod extras;
pub(crate) mod faults;
pub(crate) mod files;
pub(crate) mod gssapi;
pub(crate) mod kernel;
pub(crate) mod net;
pub(crate) mod threads;

#[cfg(all(any(target_os = "linux", target_os = "android"), not(zefiro_portable)))]
#[path = "epoll.rs"]
mod selector;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(zefiro_portable))))]
#[path = "portable.rs"]
mod selector;

#[cfg(all(any(target_os = "linux", target_os = "android"), not(zefiro_portable)))]
#[path = "futex.rs"]
mod sleeper;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(zefiro_portable))))]
#[path = "park.rs"]
mod sleeper;

use smallvec::SmallVec;

pub(crate) use kernel::{Tick, now};
pub(crate) use selector::{Alarm, Beacon, Selector};
pub(crate) use sleeper::Sleeper;

/// Why a thread's sleep has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slept {
    /// Another thread ended it.
    Roused,
    /// The deadline is there.
    TimeIsOver,
    /// The thread has handled a signal.
    #[cfg_attr(
        not(all(any(target_os = "linux", target_os = "android"), not(zefiro_portable))),
        allow(dead_code, reason = "only Linux tells")
    )]
    Interrupted,
}

/// What to be told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// Only once; then nothing until registered anew.
    pub(crate) once: bool,
}

impl Interest {
    pub(crate) const NONE: Interest = Interest { read: false, write: false, once: false };
    pub(crate) const READ: Interest = Interest { read: true, write: false, once: false };
    pub(crate) const WRITE: Interest = Interest { read: false, write: true, once: false };
    pub(crate) const WRITE_ONCE: Interest = Interest { read: false, write: true, once: true };

    /// What to be told of a stream. Its end is told whatever one asks for, and again and again where nobody reads it; of
    /// one to be left alone it is told once.
    pub(crate) fn in_stream(read: bool, write: bool) -> Interest {
        Interest { read, write, once: !read && !write }
    }
}

/// What a selector has found; mostly it is one or two.
pub(crate) type ReadyList = SmallVec<[Ready; 4]>;

/// A descriptor is ready. An error or the peer's end counts as both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// In test builds a wait may also report what is not so, and be over before anything is.
#[cfg(zefiro_faults)]
fn wait_faultily(
    ready: &mut ReadyList,
    timeout: Option<std::time::Duration>,
    wait: impl FnOnce(&mut ReadyList, Option<std::time::Duration>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    use faults::{Spurious, spurious};
    let told = spurious();
    let timeout = if matches!(told, Some(Spurious::Over)) { Some(std::time::Duration::ZERO) } else { timeout };
    let before = ready.len();
    wait(ready, timeout)?;
    let both = |token| Ready { token, read: true, write: true };
    match (told, ready.get(before).map(|ready| ready.token)) {
        (Some(Spurious::Again), Some(first)) => ready.extend([both(first), both(first ^ 1)]),
        (Some(Spurious::Old(token)), _) => ready.push(both(token)),
        (_, Some(first)) => faults::remember(first),
        _ => {}
    }
    Ok(())
}
