//! The engine's own threads: none of them handles a signal. Signals are the program's, and so is the choice of the threads
//! that handle them or wait for them with `sigwait`; one that found a thread of the engine open to it would bypass both.

use std::io;
use std::thread::{Builder, JoinHandle};

use self::mask::Blocked;

/// Starts a thread with all signals blocked.
pub(crate) fn start(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // Blocked before it is there, as a thread begins with the mask of the one that starts it.
    let _blocked = Blocked::all();
    Builder::new().name(name).spawn(body)
}

#[allow(unsafe_code, reason = "no crate in use wraps these calls")]
mod mask {
    use std::mem::MaybeUninit;
    use std::ptr;

    /// This thread handles no signals until it is dropped.
    pub(super) struct Blocked(libc::sigset_t);

    impl Blocked {
        pub(super) fn all() -> Option<Blocked> {
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
