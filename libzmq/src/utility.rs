//! Versions, capabilities, errno; counters, stopwatch and threads.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::failure::{Failure, errno, guard, text_of};

#[unsafe(no_mangle)]
pub extern "C" fn zmq_errno() -> c_int {
    errno()
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_strerror(errno: c_int) -> *const c_char {
    text_of(errno)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_version(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) {
    for (place, number) in [(major, 4), (minor, 3), (patch, 6)] {
        // SAFETY: C passes places for three numbers; a null one is left out.
        if let Some(place) = unsafe { place.as_mut() } {
            *place = number;
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_has(capability: *const c_char) -> c_int {
    if capability.is_null() {
        return 0;
    }
    // SAFETY: C passes a string.
    let capability = unsafe { CStr::from_ptr(capability) };
    c_int::from(CAPABILITIES.contains(&capability) || capability == c"gssapi" && zefiro::gssapi_is_available())
}

/// What is built in; GSSAPI is there if the system has it. Not "draft", though the drafts are: bindings built without
/// them take the word as a promise that they were built with them, too, and then call what they do not have.
const CAPABILITIES: [&CStr; 2] = [c"ipc", c"curve"];

// ---- atomic counters ----

#[unsafe(no_mangle)]
pub extern "C" fn zmq_atomic_counter_new() -> *mut c_void {
    Box::into_raw(Box::new(AtomicI32::new(0))).cast()
}

/// The counter at an address of C's; `None` for null.
///
/// # Safety
/// The address is null or was answered by `zmq_atomic_counter_new`.
unsafe fn counter_at<'a>(counter: *mut c_void) -> Option<&'a AtomicI32> {
    // SAFETY: the caller's.
    unsafe { counter.cast::<AtomicI32>().as_ref() }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_set(counter: *mut c_void, value: c_int) {
    // SAFETY: C passes a counter.
    if let Some(counter) = unsafe { counter_at(counter) } {
        counter.store(value, Ordering::SeqCst);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_inc(counter: *mut c_void) -> c_int {
    // SAFETY: C passes a counter.
    unsafe { counter_at(counter) }.map_or(0, |counter| counter.fetch_add(1, Ordering::SeqCst))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_dec(counter: *mut c_void) -> c_int {
    // SAFETY: C passes a counter.
    unsafe { counter_at(counter) }.map_or(0, |counter| c_int::from(counter.fetch_sub(1, Ordering::SeqCst) != 1))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_value(counter: *mut c_void) -> c_int {
    // SAFETY: C passes a counter.
    unsafe { counter_at(counter) }.map_or(0, |counter| counter.load(Ordering::SeqCst))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_atomic_counter_destroy(counter: *mut *mut c_void) {
    // SAFETY: C passes where it keeps the counter, or null.
    if let Some(place) = unsafe { counter.as_mut() } {
        let counter = std::mem::replace(place, ptr::null_mut()).cast::<AtomicI32>();
        if !counter.is_null() {
            // SAFETY: it came from `Box::into_raw`, and its place holds it no more.
            drop(unsafe { Box::from_raw(counter) });
        }
    }
}

// ---- stopwatch ----

#[unsafe(no_mangle)]
pub extern "C" fn zmq_stopwatch_start() -> *mut c_void {
    Box::into_raw(Box::new(Instant::now())).cast()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_intermediate(watch: *mut c_void) -> c_ulong {
    // SAFETY: C passes a watch.
    let start = unsafe { watch.cast::<Instant>().as_ref() };
    start.map_or(0, |start| c_ulong::try_from(start.elapsed().as_micros()).unwrap_or(c_ulong::MAX))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_stopwatch_stop(watch: *mut c_void) -> c_ulong {
    // SAFETY: C passes a watch, and gives it up.
    unsafe {
        let time = zmq_stopwatch_intermediate(watch);
        if !watch.is_null() {
            drop(Box::from_raw(watch.cast::<Instant>()));
        }
        time
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_sleep(seconds: c_int) {
    // Not Rust's, which sleeps on after a signal. A negative number is a very large one, as in libzmq.
    // SAFETY: it takes and gives a number.
    unsafe { libc::sleep(seconds as c_uint) };
}

// ---- threads ----

type ThreadFn = unsafe extern "C" fn(argument: *mut c_void);

/// What the thread is started with.
struct Start {
    function: ThreadFn,
    argument: *mut c_void,
}

// SAFETY: the program starts a thread with it.
unsafe impl Send for Start {}

impl Start {
    fn run(self) {
        // SAFETY: the program gave both for this.
        unsafe { (self.function)(self.argument) };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadstart(function: Option<ThreadFn>, argument: *mut c_void) -> *mut c_void {
    guard(|| {
        let start = Start { function: function.ok_or(Failure(libc::EFAULT))?, argument };
        let body = move || {
            // SAFETY: plain calls on a set of this thread's own.
            unsafe {
                let mut all = std::mem::zeroed::<libc::sigset_t>();
                libc::sigfillset(&mut all);
                libc::pthread_sigmask(libc::SIG_BLOCK, &all, ptr::null_mut());
            }
            start.run();
        };
        let thread = thread::Builder::new().name("ZMQapp".into()).spawn(body);
        let thread = thread.map_err(|error| Failure(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Box::into_raw(Box::new(thread)).cast())
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_threadclose(thread: *mut c_void) {
    if !thread.is_null() {
        // SAFETY: C passes what `zmq_threadstart` answered, and gives it up.
        let thread = unsafe { Box::from_raw(thread.cast::<JoinHandle<()>>()) };
        let _ = thread.join();
    }
}
