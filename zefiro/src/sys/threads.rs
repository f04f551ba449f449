//! The engine's own threads: none of them handles a signal. Signals are the program's, and so is the choice of the threads
//! that handle them or wait for them with `sigwait`; one that found a thread of the engine open to it would bypass both.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

use self::mask::Blocked;
use crate::options::ContextOptions;

/// Starts a thread with all signals blocked.
pub(crate) fn start(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // Blocked before it is there, as a thread begins with the mask of the one that starts it.
    let _blocked = Blocked::all();
    Builder::new().name(name).spawn(body)
}

/// As [`start`], for a thread that is scheduled so.
///
/// # Errors
/// Also what the system has against the scheduling; there is no thread then.
pub(crate) fn start_scheduled(
    name: String,
    scheduling: Scheduling,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    if scheduling == Scheduling::default() {
        return start(name, body);
    }
    let (tell, told) = mpsc::sync_channel(1);
    let thread = start(name, move || {
        let applied = scheduling.apply();
        let goes_on = applied.is_ok();
        let _ = tell.send(applied);
        if goes_on {
            body();
        }
    })?;
    match told.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::Other.into()),
    }
}

/// As much of a text as can be a thread's name, which goes to the first zero and is UTF-8 for Rust.
pub(crate) fn name_of(text: &[u8]) -> String {
    String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// How the system is to schedule a thread; by default as the one that starts it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Scheduling {
    policy: Option<u32>,
    priority: Option<u32>,
    cpus: Vec<u32>,
}

impl Scheduling {
    pub(crate) fn new(options: &ContextOptions) -> Scheduling {
        Scheduling {
            policy: options.thread_sched_policy,
            priority: options.thread_priority,
            cpus: options.thread_affinity.clone(),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn apply(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Schedules this thread so.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn apply(&self) -> io::Result<()> {
        use rustix::thread::{CpuSet, sched_setaffinity};

        scheduler::set(self.policy, self.priority)?;
        if !self.cpus.is_empty() {
            let mut set = CpuSet::new();
            for cpu in &self.cpus {
                let cpu = usize::try_from(*cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU);
                set.set(cpu.ok_or(rustix::io::Errno::INVAL)?);
            }
            sched_setaffinity(None, &set)?;
        }
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "no crate in use wraps these calls")]
mod scheduler {
    use std::ffi::c_int;
    use std::io;

    /// Sets policy and priority of this thread. Policies without priorities take one above 0 for the least niceness.
    pub(super) fn set(policy: Option<u32>, priority: Option<u32>) -> io::Result<()> {
        let number = |number: u32| c_int::try_from(number).unwrap_or(c_int::MAX);
        if policy.is_none() && priority.is_none() {
            return Ok(());
        }
        // SAFETY: 0 is this thread; nothing is pointed to.
        let policy = policy.map_or_else(|| unsafe { libc::sched_getscheduler(0) }, number);
        let is_nice = matches!(policy, libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE);
        let priority = priority.map_or(0, number);
        // SAFETY: a struct of numbers, of which zero is the default.
        let mut parameters = unsafe { std::mem::zeroed::<libc::sched_param>() };
        parameters.sched_priority = if is_nice { 0 } else { priority };
        // SAFETY: the parameters live here; 0 is this thread.
        if unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: 0 is this thread, as Linux counts niceness; nothing is pointed to.
        if is_nice && priority > 0 && unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, LEAST_NICE) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    const LEAST_NICE: c_int = -20;
}

#[allow(unsafe_code, reason = "no crate in use wraps these calls")]
mod mask {
    use std::mem::MaybeUninit;
    use std::ptr;

    /// This thread handles no signals until it is dropped.
    pub(super) struct Blocked(libc::sigset_t);

    impl Blocked {
        pub(super) fn all() -> Option<Blocked> {
            // Miri has no signals.
            if cfg!(miri) {
                return None;
            }
            let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
            // SAFETY: the first call fills in the one set, the second the other if it answers 0; both live here.
            unsafe {
                libc::sigfillset(all.as_mut_ptr());
                let done = libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0;
                done.then(|| Blocked(before.assume_init()))
            }
        }
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            // SAFETY: the set was filled in by the system.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
        }
    }
}
