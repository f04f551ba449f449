//! Failure: from the engine's errors to errno, and the guard around every exported function.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use zefiro::{Error, ErrorKind, give_back};

/// What a function of C's answers when it fails: an errno.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failure(pub(crate) c_int);

pub(crate) type Outcome<T> = Result<T, Failure>;

pub(crate) const EFSM: c_int = HAUSNUMERO + 51;
pub(crate) const ENOCOMPATPROTO: c_int = HAUSNUMERO + 52;
pub(crate) const ETERM: c_int = HAUSNUMERO + 53;
const EMTHREAD: c_int = HAUSNUMERO + 54;

/// Where libzmq's own numbers begin.
const HAUSNUMERO: c_int = 156_384_712;

/// What a failed call returns.
pub(crate) trait Failed {
    const FAILED: Self;
}

impl Failed for c_int {
    const FAILED: c_int = -1;
}

impl Failed for i64 {
    const FAILED: i64 = -1;
}

impl Failed for u32 {
    const FAILED: u32 = 0;
}

impl<T> Failed for *mut T {
    const FAILED: *mut T = ptr::null_mut();
}

impl<T> Failed for *const T {
    const FAILED: *const T = ptr::null();
}

/// Runs the body of an exported function: a failure goes into errno, a panic ends here.
#[inline]
pub(crate) fn guard<T: Failed>(body: impl FnOnce() -> Outcome<T>) -> T {
    let result = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(Failure(errno))) => {
            if errno != libc::EAGAIN {
                note_what_is_untold(errno);
            }
            set_errno(errno);
            T::FAILED
        }
        Err(_) => {
            note(c"an internal error was caught; please report it".into(), false);
            set_errno(libc::EFAULT);
            T::FAILED
        }
    };
    give_back();
    result
}

pub(crate) fn errno() -> c_int {
    std::io::Error::last_os_error().raw_os_error().unwrap_or_default()
}

pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: the C library answers the address of this thread's errno, which is valid while the thread lives.
    unsafe { *errno_address() = errno };
}

#[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "android"))]
use libc::__errno as errno_address;
#[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "redox"))]
use libc::__errno_location as errno_address;
#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
use libc::__error as errno_address;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let errno = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => libc::EAGAIN,
            ErrorKind::Terminated => ETERM,
            ErrorKind::Closed => libc::ENOTSOCK,
            ErrorKind::State => EFSM,
            ErrorKind::Unsupported => libc::ENOTSUP,
            ErrorKind::Unroutable => libc::EHOSTUNREACH,
            ErrorKind::UnsupportedTransport => libc::EPROTONOSUPPORT,
            ErrorKind::IncompatibleTransport => ENOCOMPATPROTO,
            ErrorKind::UnknownEndpoint => libc::ENOENT,
            ErrorKind::UnknownHost => libc::ENODEV,
            ErrorKind::AddressInUse => libc::EADDRINUSE,
            ErrorKind::AddressNotAvailable => libc::EADDRNOTAVAIL,
            ErrorKind::TooManySockets => libc::EMFILE,
            ErrorKind::NoIoThread => EMTHREAD,
            ErrorKind::Interrupted => libc::EINTR,
            ErrorKind::Insecure => libc::EACCES,
            ErrorKind::Io => error.io_error().and_then(std::io::Error::raw_os_error).unwrap_or(libc::EIO),
            // Endpoints, options and messages that are not valid.
            _ => libc::EINVAL,
        };
        if !error.is_would_block() {
            let text = CString::new(error.to_string().replace('\0', " ")).unwrap_or_default();
            note(text, errno != libc::EAGAIN);
        }
        Failure(errno)
    }
}

/// What a number means, in libzmq's words.
pub(crate) fn text_of(errno: c_int) -> *const c_char {
    let text = match errno {
        EFSM => c"Operation cannot be accomplished in current state",
        ENOCOMPATPROTO => c"The protocol is not compatible with the socket type",
        ETERM => c"Context was terminated",
        EMTHREAD => c"No thread available",
        libc::EHOSTUNREACH => c"Host unreachable",
        // It has no such texts.
        _ if cfg!(miri) => c"Miri knows no words for it",
        // SAFETY: it answers a string for any number.
        _ => return unsafe { libc::strerror(errno) },
    };
    text.as_ptr()
}

thread_local! {
    static LAST: RefCell<Option<CString>> = const { RefCell::new(None) };
    /// The text is that of the call which is about to fail.
    static IS_TOLD: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the text of this thread's last error; with `is_told` the call that it is of will fail with it.
fn note(text: CString, is_told: bool) {
    let _ = LAST.try_with(|last| *last.borrow_mut() = Some(text));
    let _ = IS_TOLD.try_with(|told| told.set(is_told));
}

/// A call fails: if that is not the engine's doing, which tells more, the text is what the number means.
#[cold]
fn note_what_is_untold(errno: c_int) {
    if !IS_TOLD.try_with(Cell::take).unwrap_or(true) {
        // SAFETY: it is a string.
        note(unsafe { CStr::from_ptr(text_of(errno)) }.into(), false);
    }
}

/// The text of this thread's last error, empty if there was none; valid until the next one. That a call would have had to
/// wait is no error here.
pub(crate) fn last_text() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ref().map(|text| text.as_ptr())).ok().flatten().unwrap_or(c"".as_ptr())
}
