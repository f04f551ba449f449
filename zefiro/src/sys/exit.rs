//! The end of the process.

use std::process;
use std::sync::OnceLock;

/// What to call, and the process that asked for it.
static CALL: OnceLock<(u32, fn())> = OnceLock::new();

/// Has a function called when the process ends, by `exit` or by returning from `main`; its other threads run on meanwhile.
/// The thread it is called on has no thread-local values any more, and it must not panic. One function for a process; a
/// child that was forked off, which has none of the threads, does not call it.
#[allow(unsafe_code, reason = "no crate in use wraps this call")]
pub(crate) fn call_at_exit(call: fn()) {
    // Miri has nothing that comes after `main`.
    if cfg!(miri) {
        return;
    }
    extern "C" fn at_exit() {
        match CALL.get() {
            Some((process, call)) if *process == process::id() => call(),
            _ => {}
        }
    }
    if CALL.set((process::id(), call)).is_ok() {
        // SAFETY: the function is of the type asked for, captures nothing, and is there as long as the code it is in: the
        // C library calls it before it unloads that.
        unsafe { libc::atexit(at_exit) };
    }
}
