//! Calls: `zmq_msg_*`.

use std::ffi::{CStr, c_char, c_int, c_void};

use bytes::Bytes;
use zefiro::{Memory, Metadata};

use super::{
    CONSTANT, Constant, FLAG_MORE, FLAG_SHARED, FreeFn, Lent, Message, Shared, can_allocate, message_at, name_of,
    replace,
};
use crate::argument::{bytes_at, text_at};
use crate::failure::{Failure, Outcome, guard};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(message: *mut Message) -> c_int {
    // SAFETY: C passes the address of a zmq_msg_t.
    guard(|| unsafe { put(message, Message::empty()) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(message: *mut Message, size: usize) -> c_int {
    guard(|| {
        if !can_allocate(size) {
            return Err(Failure(libc::ENOMEM));
        }
        // SAFETY: C passes the address of a zmq_msg_t.
        unsafe { put(message, Message::with_size(size)) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_buffer(message: *mut Message, data: *const c_void, size: usize) -> c_int {
    guard(|| {
        if !can_allocate(size) {
            return Err(Failure(libc::ENOMEM));
        }
        // SAFETY: C passes so many bytes, and the address of a zmq_msg_t.
        unsafe {
            let bytes = bytes_at(data, size).unwrap_or_default();
            put(message, Message::copy_of(bytes))
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    message: *mut Message,
    data: *mut c_void,
    size: usize,
    free: Option<FreeFn>,
    hint: *mut c_void,
) -> c_int {
    guard(|| {
        if data.is_null() && size > 0 {
            return Err(Failure(libc::EFAULT));
        }
        let mut made = Message::empty();
        match free {
            Some(free) => {
                let memory = Memory::owned_until_asked(Bytes::from_owner(Lent { data, len: size, free, hint }));
                made.set_shared(Shared { memory, data: data.cast(), len: size });
            }
            None => {
                made.body.constant = Constant { data: data.cast(), len: size };
                made.kind = CONSTANT;
            }
        }
        // SAFETY: C passes the address of a zmq_msg_t.
        unsafe { put(message, made) }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_close(message: *mut Message) -> c_int {
    guard(|| {
        // SAFETY: C passes the address of a zmq_msg_t.
        unsafe { message_at(message) }?.close();
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_move(target: *mut Message, source: *mut Message) -> c_int {
    guard(|| {
        // SAFETY: C passes the addresses of two zmq_msg_t, or twice of one, which is left empty, as in libzmq.
        unsafe {
            message_at(source)?;
            message_at(target)?;
            let mut moved = source.replace(Message::empty());
            if target == source {
                moved.close();
            } else {
                replace(&mut *target, moved);
            }
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_copy(target: *mut Message, source: *mut Message) -> c_int {
    guard(|| {
        // SAFETY: C passes the addresses of two zmq_msg_t; of one, nothing is to be done.
        unsafe {
            message_at(target)?;
            let copy = message_at(source)?.duplicate();
            if target == source {
                let mut copy = copy;
                copy.close();
            } else {
                replace(&mut *target, copy);
            }
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(message: *mut Message) -> *mut c_void {
    guard(|| {
        // SAFETY: C passes the address of a zmq_msg_t.
        unsafe {
            message_at(message)?;
            Ok(Message::data(message).cast())
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(message: *const Message) -> usize {
    // SAFETY: C passes the address of a zmq_msg_t.
    unsafe { message.as_ref() }.map_or(0, Message::len)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(message: *const Message) -> c_int {
    // SAFETY: C passes the address of a zmq_msg_t; one that is closed keeps its flags.
    unsafe { message.as_ref() }.map_or(0, |message| c_int::from(message.flags & FLAG_MORE))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_get(message: *const Message, property: c_int) -> c_int {
    guard(|| {
        // SAFETY: C passes the address of a zmq_msg_t.
        let message = unsafe { message.as_ref() }.ok_or(Failure(libc::EFAULT))?;
        match property {
            PROPERTY_MORE => Ok(c_int::from(message.flags & FLAG_MORE)),
            PROPERTY_SRCFD => message.metadata().and_then(Metadata::descriptor).ok_or(Failure(libc::EINVAL)),
            PROPERTY_SHARED => Ok(c_int::from(message.kind == CONSTANT || message.flags & FLAG_SHARED != 0)),
            _ => Err(Failure(libc::EINVAL)),
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn zmq_msg_set(_message: *mut Message, _property: c_int, _value: c_int) -> c_int {
    guard(|| Err(Failure(libc::EINVAL)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_gets(message: *const Message, property: *const c_char) -> *const c_char {
    guard(|| {
        // SAFETY: C passes the address of a zmq_msg_t, and a string.
        let (message, name) = unsafe { (message.as_ref(), text_at(property)?) };
        let metadata = message.and_then(Message::metadata).ok_or(Failure(libc::EINVAL))?;
        metadata.c_str(name).map(CStr::as_ptr).ok_or(Failure(libc::EINVAL))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_routing_id(message: *mut Message, routing_id: u32) -> c_int {
    guard(|| {
        if routing_id == 0 {
            return Err(Failure(libc::EINVAL));
        }
        // SAFETY: C passes the address of a zmq_msg_t.
        unsafe { message_at(message) }?.routing_id = routing_id;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_routing_id(message: *mut Message) -> u32 {
    // SAFETY: C passes the address of a zmq_msg_t.
    unsafe { message.as_ref() }.map_or(0, |message| message.routing_id)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_group(message: *mut Message, group: *const c_char) -> c_int {
    guard(|| {
        if group.is_null() {
            return Err(Failure(libc::EINVAL));
        }
        // SAFETY: C passes the address of a zmq_msg_t, and a string, which may be the very one that the message has.
        unsafe {
            let message = message_at(message)?;
            // No byte behind the end is looked at, or behind what a group may have.
            let len = (0..GROUP_MAX).take_while(|index| *group.add(*index) != 0).count();
            let text = std::slice::from_raw_parts(group.cast(), len);
            message.set_group(name_of(text));
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_group(message: *mut Message) -> *const c_char {
    // SAFETY: C passes the address of a zmq_msg_t.
    match unsafe { message.as_ref() } {
        Some(message) if !message.group.is_null() => message.group,
        _ => c"".as_ptr(),
    }
}

/// Puts a message where none is.
///
/// # Safety
/// The address is null, or that of 64 bytes which nobody else looks at meanwhile.
unsafe fn put(place: *mut Message, message: Message) -> Outcome<c_int> {
    if place.is_null() {
        return Err(Failure(libc::EFAULT));
    }
    // SAFETY: the caller's. What was there is not a message, so nothing is lost.
    unsafe { place.write(message) };
    Ok(0)
}

/// Longest group, in bytes.
const GROUP_MAX: usize = 255;

const PROPERTY_MORE: c_int = 1;
const PROPERTY_SRCFD: c_int = 2;
const PROPERTY_SHARED: c_int = 3;
