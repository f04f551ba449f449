//! Arguments: what is at the addresses that C passes.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::slice;

use zefiro::Endpoint;

use crate::failure::{Failure, Outcome};

/// The bytes at an address of C's; `None` for null.
///
/// # Safety
/// There are so many, and they do not change meanwhile; or the address is null.
pub(crate) unsafe fn bytes_at<'a>(address: *const c_void, len: usize) -> Option<&'a [u8]> {
    if address.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    Some(unsafe { slice::from_raw_parts(address.cast(), len) })
}

/// The bytes at an address of C's that may be null only if there are none.
///
/// # Safety
/// As [`bytes_at`]'s.
#[inline]
pub(crate) unsafe fn bytes_or_none<'a>(address: *const c_void, len: usize) -> Outcome<&'a [u8]> {
    // SAFETY: the caller's.
    match unsafe { bytes_at(address, len) } {
        Some(bytes) => Ok(bytes),
        None if len == 0 => Ok(&[]),
        None => Err(Failure(libc::EFAULT)),
    }
}

/// The buffer at an address of C's, its length read from another.
///
/// # Safety
/// The buffer is as long as it says and nobody else's, or an address is null.
pub(crate) unsafe fn buffer_at<'a>(address: *mut c_void, len: *mut usize) -> Outcome<&'a mut [u8]> {
    if len.is_null() {
        return Err(Failure(libc::EFAULT));
    }
    // SAFETY: the caller's.
    let len = unsafe { *len };
    if address.is_null() {
        return if len == 0 { Ok(&mut []) } else { Err(Failure(libc::EFAULT)) };
    }
    // SAFETY: the caller's.
    Ok(unsafe { slice::from_raw_parts_mut(address.cast(), len) })
}

/// The string at an address of C's.
///
/// # Safety
/// It ends with a zero and does not change meanwhile, or the address is null.
pub(crate) unsafe fn string_at<'a>(address: *const c_char) -> Outcome<&'a CStr> {
    if address.is_null() {
        return Err(Failure(libc::EINVAL));
    }
    // SAFETY: the caller's.
    Ok(unsafe { CStr::from_ptr(address) })
}

/// The string at an address of C's, which is to be UTF-8.
///
/// # Safety
/// As [`string_at`]'s.
pub(crate) unsafe fn text_at<'a>(address: *const c_char) -> Outcome<&'a str> {
    // SAFETY: the caller's.
    unsafe { string_at(address) }?.to_str().map_err(|_| Failure(libc::EINVAL))
}

/// The endpoint at an address of C's: any bytes, as the text that stands for them.
///
/// # Safety
/// As [`string_at`]'s.
pub(crate) unsafe fn endpoint_at<'a>(address: *const c_char) -> Outcome<Cow<'a, str>> {
    // SAFETY: the caller's.
    Ok(Endpoint::text_of_bytes(unsafe { string_at(address) }?.to_bytes()))
}
