//! Sending and receiving.

use std::ffi::{c_int, c_void};
use std::slice;

use libc::iovec;
use zefiro::{Frame, Part, SocketType, Wait};

use crate::argument::bytes_or_none;
use crate::draft::{self, Beside};
use crate::failure::{ETERM, Failure, Outcome, guard};
use crate::handle::with_socket;
use crate::message::{self, Message, Receiving, message_at};
use crate::socket::SocketHandle;

/// How a call with these flags waits.
fn wait_of(flags: c_int) -> Wait {
    if flags & DONTWAIT != 0 { Wait::No } else { Wait::UntilSignal }
}

/// A size as C's int.
fn capped(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

#[inline]
fn send_frame(socket: &SocketHandle, frame: &mut Frame, flags: c_int) -> Outcome<()> {
    if socket.has_beside {
        return draft::send(socket, frame, Beside::default(), flags & SNDMORE != 0, wait_of(flags));
    }
    Ok(socket.socket.send_part_from(frame, flags & SNDMORE != 0, wait_of(flags))?)
}

/// Sends a part, if that takes a few steps only. `false`, and nothing has happened, if it is not so simple.
#[inline(always)]
fn send_swiftly(socket: &SocketHandle, part: &(impl Part + ?Sized), flags: c_int) -> bool {
    !socket.has_beside && socket.socket.send_part_swiftly(part, flags & SNDMORE != 0, wait_of(flags))
}

/// Sends a copy of the bytes.
#[inline(never)]
fn send_bytes(socket: &SocketHandle, bytes: &[u8], flags: c_int) -> Outcome<()> {
    if !message::can_allocate(bytes.len()) {
        return Err(Failure(libc::ENOMEM));
    }
    if flags & SNDMORE != 0 || socket.has_beside {
        return send_frame(socket, &mut Frame::copy_from_slice(bytes), flags);
    }
    Ok(socket.socket.send_last_part(bytes, wait_of(flags))?)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send(socket: *mut c_void, data: *const c_void, len: usize, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes so many bytes.
            let bytes = unsafe { bytes_or_none(data, len) }?;
            if !send_swiftly(socket, bytes, flags) {
                send_bytes(socket, bytes, flags)?;
            }
            Ok(capped(len))
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send_const(socket: *mut c_void, data: *const c_void, len: usize, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes so many bytes, which stay as they are for ever.
            let bytes: &'static [u8] = unsafe { bytes_or_none(data, len) }?;
            send_frame(socket, &mut Frame::from_static(bytes), flags)?;
            Ok(capped(len))
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recv(socket: *mut c_void, data: *mut c_void, len: usize, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            let mut frame = Frame::new();
            if socket.has_beside || socket.socket.recv_part_swiftly(&mut frame).is_none() {
                recv_frame(socket, &mut frame, flags)?;
            }
            let bytes = frame.get(..len).unwrap_or(&frame);
            if !bytes.is_empty() {
                // Told only now: who has nothing to receive, or cannot, hears of that.
                if data.is_null() {
                    return Err(Failure(libc::EFAULT));
                }
                // SAFETY: C's buffer has room for `len` bytes, which is at least these.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len()) };
            }
            Ok(capped(frame.len()))
        })
    })
}

/// Receives a part that does not come in a few steps.
#[inline(never)]
fn recv_frame(socket: &SocketHandle, frame: &mut Frame, flags: c_int) -> Outcome<()> {
    if socket.has_beside {
        draft::recv(socket, frame, None, wait_of(flags))?;
    } else {
        socket.socket.recv_part_into(frame, wait_of(flags))?;
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_send(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes the address of a zmq_msg_t.
            let message = unsafe { message_at(message) }?;
            let len = message.len();
            if !send_swiftly(socket, message, flags) {
                send_message(socket, message, flags)?;
            }
            message::sent(message);
            Ok(capped(len))
        })
    })
}

/// Sends what is not sent in a few steps. What is refused stays.
#[inline(never)]
fn send_message(socket: &SocketHandle, message: &mut Message, flags: c_int) -> Outcome<()> {
    let mut frame = message.as_frame();
    let sent = match socket.has_beside {
        true => draft::send(socket, &mut frame, message.beside(), flags & SNDMORE != 0, wait_of(flags)),
        false => send_frame(socket, &mut frame, flags),
    };
    if let Err(Failure(errno)) = sent
        && errno != ETERM
    {
        // With what was said of it; where it came from is forgotten.
        message.set_more(flags & SNDMORE != 0);
        message.set_metadata(None);
    }
    sent
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_recv(message: *mut Message, socket: *mut c_void, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes the address of a zmq_msg_t.
            let message = unsafe { message_at(message) }?;
            if socket.has_beside {
                return recv_beside(socket, message, flags);
            }
            let mut place = Receiving::new(message);
            match socket.socket.recv_part_swiftly(&mut place) {
                Some(more) => Ok(capped(place.finish(more))),
                None => recv_with_care(socket, &mut place, flags),
            }
        })
    })
}

/// Receives what is not received in a few steps.
#[inline(never)]
fn recv_with_care(socket: &SocketHandle, place: &mut Receiving<'_>, flags: c_int) -> Outcome<c_int> {
    let error = match socket.socket.recv_part_into(place, wait_of(flags)) {
        Ok(more) => return Ok(capped(place.finish(more))),
        Err(error) => error,
    };
    let failure = Failure::from(error);
    // As in libzmq, where these two leave the message alone until there is another.
    let looks = !matches!(socket.socket.socket_type(), SocketType::XPub | SocketType::Stream);
    let looked = match failure.0 {
        libc::EAGAIN | libc::EINTR => looks,
        ETERM => looks && !socket.socket.knew_of_end(),
        _ => false,
    };
    if looked {
        // Who has looked for a message has let go of the last one; nor is anything left of one that was not for the
        // program.
        place.clear();
    }
    Err(failure)
}

/// Receives what carries something beside its body.
#[cold]
fn recv_beside(socket: &SocketHandle, message: &mut Message, flags: c_int) -> Outcome<c_int> {
    let (mut frame, mut metadata) = (Frame::new(), None);
    let beside = draft::recv(socket, &mut frame, Some(&mut metadata), wait_of(flags))?;
    let len = frame.len();
    message::replace(message, Message::from_frame(frame, false, metadata));
    message.set_beside(&beside);
    Ok(capped(len))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendmsg(socket: *mut c_void, message: *mut Message, flags: c_int) -> c_int {
    // SAFETY: as there.
    unsafe { zmq_msg_send(message, socket, flags) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recvmsg(socket: *mut c_void, message: *mut Message, flags: c_int) -> c_int {
    // SAFETY: as there.
    unsafe { zmq_msg_recv(message, socket, flags) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendiov(socket: *mut c_void, parts: *mut iovec, count: usize, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            if parts.is_null() || count == 0 {
                return Err(Failure(libc::EINVAL));
            }
            // SAFETY: C passes so many elements.
            let parts = unsafe { slice::from_raw_parts(parts, count) };
            let mut sent = 0;
            for (index, part) in parts.iter().enumerate() {
                let flags = if index + 1 == count { flags & !SNDMORE } else { flags };
                // SAFETY: C passes so many bytes in each.
                let bytes = unsafe { bytes_or_none(part.iov_base, part.iov_len) }?;
                send_bytes(socket, bytes, flags)?;
                sent = capped(bytes.len());
            }
            Ok(sent)
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recviov(socket: *mut c_void, parts: *mut iovec, count: *mut usize, flags: c_int) -> c_int {
    guard(|| {
        with_socket(socket, |socket| {
            // SAFETY: C passes where the number of elements is, or null.
            let room = unsafe { count.as_ref() }.copied().unwrap_or(0);
            if parts.is_null() || room == 0 {
                return Err(Failure(libc::EINVAL));
            }
            // SAFETY: it was read above, and is C's to be told the number of parts.
            let count = unsafe { &mut *count };
            *count = 0;
            // SAFETY: C passes so many elements.
            for place in unsafe { slice::from_raw_parts_mut(parts, room) } {
                let mut frame = Frame::new();
                let more = socket.socket.recv_part_into(&mut frame, wait_of(flags))?;
                // SAFETY: malloc answers null or room for so many bytes, which C frees; they are copied there.
                unsafe {
                    place.iov_base = libc::malloc(frame.len().max(1));
                    if place.iov_base.is_null() {
                        return Err(Failure(libc::ENOMEM));
                    }
                    std::ptr::copy_nonoverlapping(frame.as_ptr(), place.iov_base.cast(), frame.len());
                }
                place.iov_len = frame.len();
                *count += 1;
                if !more {
                    break;
                }
            }
            Ok(capped(*count))
        })
    })
}

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;
