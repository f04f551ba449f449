//! Messages: `zmq_msg_t`, 64 bytes that C may move about bitwise; `calls`: what C does with them;
//! `receiving`: what sockets do.

pub(crate) mod calls;
mod receiving;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::{ManuallyDrop, offset_of};
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::Arc;

use zefiro::{Frame, Memory, Metadata, Part};

pub(crate) use self::receiving::Receiving;
use crate::block::Block;
use crate::draft::Beside;
use crate::failure::{Failure, Outcome, errno, set_errno};

/// What C's `zmq_msg_t` holds. All zeros is not a message.
#[repr(C)]
pub(crate) struct Message {
    body: Body,
    /// Of the connection a received message came by.
    metadata: ManuallyDrop<Option<Arc<Metadata>>>,
    /// Of a RADIO message; from `CString::into_raw`.
    group: *mut c_char,
    routing_id: u32,
    flags: u8,
    kind: u8,
    /// Bytes used of an inline body.
    inline_len: u8,
}

/// As `kind` says. What is not inline has its length in the second word.
#[repr(C)]
union Body {
    inline: [u8; INLINE_MAX],
    shared: ManuallyDrop<Shared>,
    constant: Constant,
    block: ManuallyDrop<Small>,
}

/// A block, and how much of it is used.
#[repr(C)]
struct Small {
    block: Block,
    len: usize,
}

/// A part of counted memory.
#[repr(C)]
struct Shared {
    memory: Memory,
    len: usize,
    data: *mut u8,
}

/// Memory that lasts as long as anybody may look at it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Constant {
    data: *mut u8,
    len: usize,
}

pub(crate) type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// A buffer of the program's, to be given back by calling its function, once. That may call the library: the buffer is
/// dropped at the end of a call, or where the engine pauses.
struct Lent {
    data: *mut c_void,
    len: usize,
    free: FreeFn,
    hint: *mut c_void,
}

// SAFETY: C hands the buffer over together with a function that any thread may call (zmq_msg_init_data(3)).
unsafe impl Send for Lent {}
// SAFETY: nobody writes to it while it is shared.
unsafe impl Sync for Lent {}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: the program has handed over so many bytes.
        unsafe { slice::from_raw_parts(self.data.cast(), self.len) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let before = errno();
        // SAFETY: the program gave this function for that, and it is called once.
        unsafe { (self.free)(self.data, self.hint) };
        set_errno(before);
    }
}

const INLINE_MAX: usize = 33;

// Numbers libzmq's messages have too, so that a dump of one looks familiar.
const INLINE: u8 = 101;
const SHARED: u8 = 102;
const CONSTANT: u8 = 104;
const BLOCK: u8 = 107;

const FLAG_MORE: u8 = 1;
/// The content is also another message's.
const FLAG_SHARED: u8 = 128;

const _: () = assert!(size_of::<Message>() <= 64 && align_of::<Message>() <= 8);
const _: () = assert!(offset_of!(Shared, len) == offset_of!(Constant, len));
const _: () = assert!(offset_of!(Small, len) == offset_of!(Constant, len));

impl Part for Message {
    #[inline]
    fn len(&self) -> usize {
        Message::len(self)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        Message::bytes(self)
    }

    fn to_frame(&self) -> Frame {
        self.as_frame()
    }
}

impl Message {
    fn empty() -> Message {
        Message {
            body: Body { inline: [0; INLINE_MAX] },
            metadata: ManuallyDrop::new(None),
            group: ptr::null_mut(),
            routing_id: 0,
            flags: 0,
            kind: INLINE,
            inline_len: 0,
        }
    }

    fn copy_of(bytes: &[u8]) -> Message {
        let mut message = Message::with_size(bytes.len());
        message.bytes_mut().copy_from_slice(bytes);
        message
    }

    /// With room for so many bytes, which are anything.
    fn with_size(size: usize) -> Message {
        let mut message = Message::empty();
        if size <= INLINE_MAX {
            message.inline_len = size as u8;
            return message;
        }
        if size <= Block::BYTES_MAX {
            message.set_block(Block::new(), size);
            return message;
        }
        let memory = Memory::of_size(size);
        let data = memory.as_ptr().cast_mut();
        message.set_shared(Shared { memory, data, len: size });
        message
    }

    fn set_shared(&mut self, shared: Shared) {
        self.body.shared = ManuallyDrop::new(shared);
        self.kind = SHARED;
    }

    fn set_block(&mut self, block: Block, len: usize) {
        self.body.block = ManuallyDrop::new(Small { block, len });
        self.kind = BLOCK;
    }

    fn is_valid(&self) -> bool {
        matches!(self.kind, INLINE | SHARED | CONSTANT | BLOCK)
    }

    /// Where the content of the message at an address is. C keeps the answer while it asks the message other things: it
    /// comes from C's own pointer, not from a reference, which would end with the next one.
    ///
    /// # Safety
    /// There is a message, and nobody else looks at it meanwhile.
    unsafe fn data(message: *mut Message) -> *mut u8 {
        // SAFETY: the caller's; `kind` says which of them it is.
        unsafe {
            let body = &raw mut (*message).body;
            match (*message).kind {
                INLINE => (&raw mut (*body).inline).cast(),
                SHARED => {
                    let shared: &Shared = &(*body).shared;
                    shared.data
                }
                CONSTANT => (*body).constant.data,
                BLOCK => {
                    let small: &Small = &(*body).block;
                    small.block.data()
                }
                _ => ptr::null_mut(),
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self.kind {
            INLINE => usize::from(self.inline_len),
            // SAFETY: the others have their length in the same place, one that is closed none.
            _ => unsafe { self.body.constant.len },
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: it is one, and borrowed.
        let (data, len) = (unsafe { Message::data(self) }, self.len());
        if data.is_null() {
            return &mut [];
        }
        // SAFETY: the content is so long and, while this borrow lasts, this message's.
        unsafe { slice::from_raw_parts_mut(data, len) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `kind` says which of them it is; what is elsewhere is so long, and nobody changes it meanwhile.
        unsafe {
            match self.kind {
                INLINE => self.body.inline.get(..usize::from(self.inline_len)).unwrap_or_default(),
                SHARED if self.body.shared.len > 0 => {
                    slice::from_raw_parts(self.body.shared.data, self.body.shared.len)
                }
                CONSTANT if self.body.constant.len > 0 => {
                    slice::from_raw_parts(self.body.constant.data, self.body.constant.len)
                }
                BLOCK => slice::from_raw_parts(self.body.block.block.data(), self.body.block.len),
                _ => &[],
            }
        }
    }

    /// The content as a frame; large content is shared with it.
    pub(crate) fn as_frame(&self) -> Frame {
        // SAFETY: `kind` says which of them it is.
        unsafe {
            match self.kind {
                SHARED => {
                    let shared = &self.body.shared;
                    // No bytes may be at no address.
                    let offset = (shared.data as usize).wrapping_sub(shared.memory.as_ptr() as usize);
                    let start = if shared.len > 0 { offset } else { 0 };
                    Frame::from_memory(shared.memory.clone(), start..start + shared.len)
                }
                // SAFETY: C has promised that it stays as it is for ever.
                CONSTANT if self.body.constant.len > 0 => {
                    Frame::from_static(slice::from_raw_parts(self.body.constant.data, self.body.constant.len))
                }
                _ => Frame::copy_from_slice(self.bytes()),
            }
        }
    }

    /// A received part.
    pub(crate) fn from_frame(frame: Frame, more: bool, metadata: Option<Arc<Metadata>>) -> Message {
        let mut message = Message::holding(frame);
        message.set_metadata(metadata);
        message.set_received(more);
        message
    }

    fn holding(frame: Frame) -> Message {
        if frame.len() <= Block::BYTES_MAX {
            return Message::copy_of(&frame);
        }
        let (memory, Range { start, end }) = frame.into_memory();
        let data = memory.as_ptr().wrapping_add(start).cast_mut();
        let mut message = Message::empty();
        if memory.as_static().is_some() {
            message.body.constant = Constant { data, len: end - start };
            message.kind = CONSTANT;
        } else {
            message.flags = if memory.is_shared() { FLAG_SHARED } else { 0 };
            message.set_shared(Shared { memory, data, len: end - start });
        }
        message
    }

    /// Whether more parts follow.
    pub(crate) fn set_more(&mut self, more: bool) {
        self.flags = self.flags & !FLAG_MORE | if more { FLAG_MORE } else { 0 };
    }

    /// The content is a received part, and all is said of where it came from.
    #[inline]
    pub(crate) fn set_received(&mut self, more: bool) {
        // What streams bring shares the memory it was read into, which is nobody's concern; it has metadata.
        let shared = if self.metadata.is_none() && self.kind == SHARED { self.flags & FLAG_SHARED } else { 0 };
        self.flags = shared | if more { FLAG_MORE } else { 0 };
    }

    /// Changes what it knows of a connection.
    #[inline]
    pub(crate) fn set_metadata(&mut self, metadata: Option<Arc<Metadata>>) {
        *self.metadata = metadata;
    }

    /// What it carries beside its body.
    pub(crate) fn beside(&self) -> Beside {
        let group = if self.group.is_null() {
            Frame::new()
        } else {
            // SAFETY: it is a string of this message's own.
            Frame::from(unsafe { CStr::from_ptr(self.group) }.to_bytes())
        };
        Beside { routing_id: self.routing_id, group }
    }

    /// Changes what it carries beside its body.
    pub(crate) fn set_beside(&mut self, beside: &Beside) {
        self.routing_id = beside.routing_id;
        self.set_group(name_of(&beside.group));
    }

    /// Changes the group to one from [`name_of`], or null.
    fn set_group(&mut self, group: *mut c_char) {
        let former = std::mem::replace(&mut self.group, group);
        if !former.is_null() {
            // SAFETY: it came from `CString::into_raw`, and is given up here.
            drop(unsafe { CString::from_raw(former) });
        }
    }

    /// Gives up what it holds; it is not a message any more.
    fn close(&mut self) {
        self.empty_body();
        self.kind = 0;
        self.body.constant = Constant { data: ptr::null_mut(), len: 0 };
        self.set_metadata(None);
        self.set_group(ptr::null_mut());
    }

    /// Gives up its body; the one it has then is inline, and of no bytes.
    fn empty_body(&mut self) {
        let kind = std::mem::replace(&mut self.kind, INLINE);
        self.inline_len = 0;
        // SAFETY: the kind says which it was, and with it changed this happens once.
        unsafe {
            match kind {
                SHARED => ManuallyDrop::drop(&mut self.body.shared),
                BLOCK => ManuallyDrop::drop(&mut self.body.block),
                _ => {}
            }
        }
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    /// A message with the same content.
    fn duplicate(&mut self) -> Message {
        let mut copy = match self.kind {
            SHARED => {
                self.flags |= FLAG_SHARED;
                let mut copy = Message::empty();
                // SAFETY: the kind says so.
                let shared = unsafe { &self.body.shared };
                copy.set_shared(Shared { memory: shared.memory.clone(), data: shared.data, len: shared.len });
                copy
            }
            BLOCK => {
                self.flags |= FLAG_SHARED;
                let mut copy = Message::empty();
                // SAFETY: the kind says so.
                let small = unsafe { &self.body.block };
                copy.set_block(small.block.clone(), small.len);
                copy
            }
            CONSTANT => {
                let mut copy = Message::empty();
                // SAFETY: the kind says so.
                copy.body.constant = unsafe { self.body.constant };
                copy.kind = CONSTANT;
                copy
            }
            _ => Message::copy_of(self.bytes_mut()),
        };
        copy.flags = self.flags;
        copy.routing_id = self.routing_id;
        copy.metadata = self.metadata.clone();
        if !self.group.is_null() {
            // SAFETY: it is a string of this message's own.
            copy.set_group(name_of(unsafe { CStr::from_ptr(self.group) }.to_bytes()));
        }
        copy
    }
}

/// A group's name for a message to keep: what comes before a zero, null if that is nothing.
fn name_of(text: &[u8]) -> *mut c_char {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    CString::new(text).ok().filter(|_| !text.is_empty()).map_or(ptr::null_mut(), CString::into_raw)
}

/// The message at an address of C's, if it is one.
///
/// # Safety
/// The address is null, or that of 64 bytes which nobody else looks at meanwhile.
pub(crate) unsafe fn message_at<'a>(message: *mut Message) -> Outcome<&'a mut Message> {
    // SAFETY: the caller's.
    unsafe { message.as_mut() }.filter(|message| message.is_valid()).ok_or(Failure(libc::EFAULT))
}

/// Puts a message in place of another, which is closed.
pub(crate) fn replace(place: &mut Message, message: Message) {
    place.close();
    *place = message;
}

/// A sent message becomes an empty one.
pub(crate) fn sent(message: &mut Message) {
    replace(message, Message::empty());
}

/// Whether memory of this size could be had at all: asking for more would end the process.
pub(crate) fn can_allocate(size: usize) -> bool {
    if size <= CERTAIN_BYTES {
        return true;
    }
    let mut probe = Vec::<u8>::new();
    size < isize::MAX as usize - 64 && probe.try_reserve_exact(size).is_ok()
}

/// Sizes up to this are not worth asking about.
const CERTAIN_BYTES: usize = 1 << 20;
