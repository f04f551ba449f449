//! The end of the process.

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What to call.
static CALL: OnceLock<fn()> = OnceLock::new();
/// The process that asked for it last.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Has a function called when the process ends, by `exit` or by returning from `main`; its other threads run on meanwhile.
/// The thread it is called on has no thread-local values any more, and it must not panic. One function for a process; a
/// child that was forked off, which has none of the threads, does not call it before it asks for it itself. Answers whether
/// this process asks for the first time.
#[allow(unsafe_code, reason = "no crate in use wraps this call")]
pub(crate) fn call_at_exit(call: fn()) -> bool {
    // Miri has nothing that comes after `main`.
    if cfg!(miri) {
        return false;
    }
    extern "C" fn at_exit() {
        match CALL.get() {
            Some(call) if PROCESS.load(Ordering::Relaxed) == process::id() => call(),
            _ => {}
        }
    }
    let process = process::id();
    if CALL.set(call).is_ok() {
        // SAFETY: the function is of the type asked for, captures nothing, and is there as long as the code it is in: the
        // C library calls it before it unloads that.
        unsafe { libc::atexit(at_exit) };
    }
    PROCESS.swap(process, Ordering::Relaxed) != process
}
