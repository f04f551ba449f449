//! Z85 text (RFC 32), and CURVE's keys.

use std::ffi::{c_char, c_int};

use zefiro::{CurveSecret, z85};

use crate::argument::{bytes_or_none, string_at, text_at};
use crate::failure::{Failure, Outcome, guard};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(target: *mut c_char, data: *const u8, size: usize) -> *mut c_char {
    guard(|| {
        // SAFETY: C passes so many bytes.
        let data = unsafe { bytes_or_none(data.cast(), size) }.map_err(|_| Failure(libc::EINVAL))?;
        let text = z85::encode(data).ok_or(Failure(libc::EINVAL))?;
        // SAFETY: C passes room for the text and its end.
        unsafe { put_text(target, &text) }?;
        Ok(target)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(target: *mut u8, text: *const c_char) -> *mut u8 {
    guard(|| {
        if target.is_null() {
            return Err(Failure(libc::EINVAL));
        }
        // SAFETY: C passes a string, or null.
        let text = unsafe { string_at(text) }?.to_bytes();
        let bytes = z85::decode(text).ok_or(Failure(libc::EINVAL))?;
        // SAFETY: C passes room for four bytes for each five characters.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Ok(target)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int {
    guard(|| {
        let key = CurveSecret::generate().map_err(|_| Failure(libc::EIO))?;
        // SAFETY: C passes room for 41 characters each.
        unsafe {
            put_text(public, &key.public().to_z85())?;
            put_text(secret, &key.to_z85())?;
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int {
    guard(|| {
        // SAFETY: C passes a string, or null.
        let text = unsafe { text_at(secret) }?;
        let key = CurveSecret::from_z85(text).ok_or(Failure(libc::EINVAL))?;
        // SAFETY: C passes room for 41 characters.
        unsafe { put_text(public, &key.public().to_z85()) }?;
        Ok(0)
    })
}

/// Puts a text and its end where C has room for it.
///
/// # Safety
/// There is room for it, or the address is null.
unsafe fn put_text(target: *mut c_char, text: &str) -> Outcome<()> {
    if target.is_null() {
        return Err(Failure(libc::EINVAL));
    }
    // SAFETY: the caller's; the text and the zero behind it.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), target.cast(), text.len());
        target.add(text.len()).write(0);
    }
    Ok(())
}
