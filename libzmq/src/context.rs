//! Contexts: `zmq_ctx_*`.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use zefiro::{Context, ErrorKind};

use crate::argument::{buffer_at, bytes_at};
use crate::failure::{Failure, Outcome, guard};
use crate::handle::{self, Kind, Object};

/// What a context's handle stands for.
pub(crate) struct ContextHandle {
    pub(crate) context: Context,
}

fn new_context(io_threads: Option<c_int>) -> Outcome<*mut c_void> {
    handle::watch_for_forks();
    let context = Context::new();
    if let Some(threads) = io_threads {
        context.set_raw_option(IO_THREADS, Some(&threads.to_ne_bytes()))?;
    }
    handle::open(Object::Context(Arc::new(ContextHandle { context })))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_new() -> *mut c_void {
    guard(|| new_context(None))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    guard(|| if io_threads < 0 { Err(Failure(libc::EINVAL)) } else { new_context(Some(io_threads)) })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_term(context: *mut c_void) -> c_int {
    guard(|| {
        if handle::is_inherited(context, Kind::Context)? {
            handle::close(context, Kind::Context)?;
            return Ok(0);
        }
        let live = handle::context(context)?;
        match live.context.terminate_until_signal() {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(Failure(libc::EINTR)),
            Err(error) => return Err(error.into()),
            Ok(()) => {}
        }
        handle::close(context, Kind::Context)?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_term(context: *mut c_void) -> c_int {
    zmq_ctx_term(context)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_destroy(context: *mut c_void) -> c_int {
    zmq_ctx_term(context)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_shutdown(context: *mut c_void) -> c_int {
    guard(|| {
        if handle::is_inherited(context, Kind::Context)? {
            return Ok(0);
        }
        handle::context(context)?.context.shutdown();
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_set(context: *mut c_void, option: c_int, value: c_int) -> c_int {
    guard(|| {
        handle::context(context)?.context.set_raw_option(option, Some(&value.to_ne_bytes()))?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int {
    guard(|| {
        let mut value = [0; size_of::<c_int>()];
        handle::context(context)?.context.raw_option(option, &mut value)?;
        Ok(c_int::from_ne_bytes(value))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set_ext(
    context: *mut c_void,
    option: c_int,
    value: *const c_void,
    len: usize,
) -> c_int {
    guard(|| {
        // SAFETY: C passes a value of this length, or null.
        let value = unsafe { bytes_at(value, len) };
        handle::context(context)?.context.set_raw_option(option, value)?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get_ext(
    context: *mut c_void,
    option: c_int,
    value: *mut c_void,
    len: *mut usize,
) -> c_int {
    guard(|| {
        let context = handle::context(context)?;
        // SAFETY: C passes a buffer and where its length is.
        let buffer = unsafe { buffer_at(value, len) }?;
        context.context.raw_option(option, buffer)?;
        Ok(0)
    })
}

const IO_THREADS: c_int = 1;
