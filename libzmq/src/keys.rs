//! Z85 text (RFC 32), and CURVE's keys.

use std::ffi::{CStr, c_char, c_int};
use std::slice;

use crate::failure::{Failure, guard};

const ALPHABET: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(target: *mut c_char, data: *const u8, size: usize) -> *mut c_char {
    guard(|| {
        if !size.is_multiple_of(4) || target.is_null() || (data.is_null() && size > 0) {
            return Err(Failure(libc::EINVAL));
        }
        let data = if size == 0 {
            &[][..]
        } else {
            // SAFETY: C passes so many bytes.
            unsafe { slice::from_raw_parts(data, size) }
        };
        let mut text = Vec::with_capacity(size / 4 * 5 + 1);
        for group in data.chunks_exact(4) {
            let mut value = group.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
            let mut digits = [0; 5];
            for digit in digits.iter_mut().rev() {
                *digit = ALPHABET[(value % 85) as usize];
                value /= 85;
            }
            text.extend_from_slice(&digits);
        }
        text.push(0);
        // SAFETY: C passes room for the text and its end.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), target.cast(), text.len()) };
        Ok(target)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(target: *mut u8, text: *const c_char) -> *mut u8 {
    guard(|| {
        if target.is_null() || text.is_null() {
            return Err(Failure(libc::EINVAL));
        }
        // SAFETY: C passes a string.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        let bytes = decode(text).ok_or(Failure(libc::EINVAL))?;
        // SAFETY: C passes room for four bytes for each five characters.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
        Ok(target)
    })
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() < 5 || !text.len().is_multiple_of(5) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for group in text.chunks_exact(5) {
        let mut value = 0u32;
        for character in group {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            value = value.checked_mul(85)?.checked_add(digit as u32)?;
        }
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    Some(bytes)
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_curve_keypair(_public: *mut c_char, _secret: *mut c_char) -> c_int {
    guard(|| Err(Failure(libc::ENOTSUP)))
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_curve_public(_public: *mut c_char, _secret: *const c_char) -> c_int {
    guard(|| Err(Failure(libc::ENOTSUP)))
}
