//! `zmq_proxy`, `zmq_proxy_steerable`, `zmq_device`.

use std::ffi::{c_int, c_void};
use std::ptr;

use zefiro::Proxy;

use crate::failure::{ETERM, Failure, Outcome, guard};
use crate::handle;

fn run(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void, control: *mut c_void) -> Outcome<c_int> {
    if frontend.is_null() || backend.is_null() {
        return Err(Failure(libc::EFAULT));
    }
    let (frontend, backend) = (handle::socket(frontend)?, handle::socket(backend)?);
    let mut proxy = Proxy::new(&frontend.socket, &backend.socket).until_signal();
    if !capture.is_null() {
        proxy = proxy.capture(&handle::socket(capture)?.socket);
    }
    if !control.is_null() {
        proxy = proxy.control(&handle::socket(control)?.socket);
    }
    proxy.run()?;
    Ok(0)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_proxy(frontend: *mut c_void, backend: *mut c_void, capture: *mut c_void) -> c_int {
    // Nothing but an error ends it.
    guard(|| run(frontend, backend, capture, ptr::null_mut()).and(Err(Failure(ETERM))))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    guard(|| run(frontend, backend, capture, control))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_device(_type: c_int, frontend: *mut c_void, backend: *mut c_void) -> c_int {
    zmq_proxy(frontend, backend, ptr::null_mut())
}
