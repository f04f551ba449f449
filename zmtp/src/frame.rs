//! Frame: one part of a message.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::str::Utf8Error;

use bytes::Bytes;

use crate::memory::Memory;
use crate::place::Place;

/// One part of a message: bytes that do not change.
///
/// Up to [`INLINE_MAX`](Frame::INLINE_MAX) bytes live inside the frame; more are shared memory with a count of
/// references, so that cloning a frame never copies a large payload.
///
/// It is a struct of plain fields rather than an enum because it is moved often: compilers move the fields of a struct
/// as they were stored, the variants of an enum piecewise, and then a processor waits for its own stores (a third of
/// the time a small message took).
///
/// ```
/// # use zmtp::Frame;
/// let (small, large) = (Frame::from("hello"), Frame::from(vec![7; 1_000_000]));
/// assert!(!small.is_shared() && large.is_shared());
/// assert_eq!(large.clone().as_slice().as_ptr(), large.as_slice().as_ptr());
/// ```
#[derive(Clone)]
#[repr(C)]
pub struct Frame {
    shared: Option<Memory>,
    len: usize,
    /// The payload; or, of a shared one, where it begins.
    inline: [u8; Frame::INLINE_MAX],
}

impl Place for Frame {
    #[inline]
    fn put_small(&mut self, bytes: &[u8; Frame::INLINE_MAX], len: usize) {
        self.shared = None;
        self.len = len.min(Frame::INLINE_MAX);
        self.inline = *bytes;
    }

    #[inline]
    fn put(&mut self, frame: Frame) {
        *self = frame;
    }

    #[inline]
    fn put_slice(&mut self, memory: &Memory, range: Range<usize>) {
        self.set_slice_of(memory, range);
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Frame {
    /// Payloads up to this size need no allocation.
    pub const INLINE_MAX: usize = 64;

    /// An empty frame.
    ///
    /// ```
    /// assert!(zmtp::Frame::new().is_empty());
    /// ```
    pub const fn new() -> Frame {
        Frame { shared: None, len: 0, inline: [0; Frame::INLINE_MAX] }
    }

    /// A frame with a copy of `bytes`.
    ///
    /// ```
    /// assert_eq!(zmtp::Frame::copy_from_slice(&[1, 2, 3]).as_slice(), [1, 2, 3]);
    /// ```
    pub fn copy_from_slice(bytes: &[u8]) -> Frame {
        if bytes.len() > Frame::INLINE_MAX {
            return Frame::whole(Memory::copy_of(bytes));
        }
        let mut frame = Frame { shared: None, len: bytes.len(), inline: [0; Frame::INLINE_MAX] };
        copy_small(&mut frame.inline, bytes);
        frame
    }

    /// Becomes a frame with a copy of `bytes`.
    ///
    /// ```
    /// let mut frame = zmtp::Frame::from("before");
    /// frame.set_copy_of(&[1, 2, 3]);
    /// assert_eq!(frame.as_slice(), [1, 2, 3]);
    /// ```
    #[inline]
    pub fn set_copy_of(&mut self, bytes: &[u8]) {
        if bytes.len() > Frame::INLINE_MAX {
            *self = Frame::copy_from_slice(bytes);
            return;
        }
        self.shared = None;
        self.len = bytes.len();
        copy_small(&mut self.inline, bytes);
    }

    /// Appends the payload to `out`.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// let mut line = b"> ".to_vec();
    /// Frame::from("hello").append_to(&mut line);
    /// assert_eq!(line, b"> hello");
    /// ```
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        if self.is_shared() {
            return out.extend_from_slice(self);
        }
        // All of the inline bytes, whose number the compiler knows; then back to those that count.
        let end = out.len() + self.len;
        out.extend_from_slice(&self.inline);
        out.truncate(end);
    }

    /// A frame that refers to memory that lasts as long as the program.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// static PAGE: [u8; 4096] = [7; 4096];
    /// assert_eq!(Frame::from_static(&PAGE).as_slice().as_ptr(), PAGE.as_ptr());
    /// ```
    pub fn from_static(bytes: &'static [u8]) -> Frame {
        if bytes.len() <= Frame::INLINE_MAX {
            return Frame::copy_from_slice(bytes);
        }
        Frame::whole(Memory::from_static(bytes))
    }

    /// A part of `memory`: copied if it is small, else a reference to it.
    ///
    /// ```
    /// # use zmtp::{Frame, Memory};
    /// let memory = Memory::from(b"hello world".to_vec());
    /// assert_eq!(Frame::slice_of(&memory, 6..11).as_slice(), b"world");
    /// ```
    ///
    /// # Panics
    /// The range reaches beyond the memory.
    pub fn slice_of(memory: &Memory, range: Range<usize>) -> Frame {
        let mut frame = Frame::new();
        frame.set_slice_of(memory, range);
        frame
    }

    /// Becomes a part of `memory`, as by [`slice_of`](Frame::slice_of), in place.
    ///
    /// ```
    /// # use zmtp::{Frame, Memory};
    /// let mut frame = Frame::from("before");
    /// frame.set_slice_of(&Memory::from(b"hello world".to_vec()), 0..5);
    /// assert_eq!(frame.as_slice(), b"hello");
    /// ```
    ///
    /// # Panics
    /// The range reaches beyond the memory.
    #[inline]
    #[allow(clippy::indexing_slicing, reason = "a range beyond the memory is refused, as by the assertion")]
    pub fn set_slice_of(&mut self, memory: &Memory, range: Range<usize>) {
        let bytes = memory.as_slice();
        self.len = range.len();
        if self.len > Frame::INLINE_MAX {
            assert!(range.end <= bytes.len(), "a frame reaches beyond its memory");
            self.point(memory.clone(), range.start);
            return;
        }
        self.shared = None;
        // Where there is enough behind it, a copy of fixed size is much faster than one of the right size; what is too
        // much is never looked at.
        match bytes[range.start..].first_chunk::<{ Frame::INLINE_MAX }>() {
            Some(bytes) => self.inline = *bytes,
            None => {
                let bytes = &bytes[range];
                if let Some(inline) = self.inline.get_mut(..bytes.len()) {
                    inline.copy_from_slice(bytes);
                }
            }
        }
    }

    /// Goes to its place, and is empty then.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// let (mut from, mut to) = (Frame::from("hello"), Frame::new());
    /// from.move_to(&mut to);
    /// assert!(from.is_empty() && to.as_slice() == b"hello");
    /// ```
    #[inline]
    pub fn move_to(&mut self, place: &mut impl Place) {
        if self.shared.is_none() {
            place.put_small(&self.inline, std::mem::take(&mut self.len));
        } else {
            place.put(std::mem::take(self));
        }
    }

    /// A copy of it goes to a place: of the bytes, or what is large is referred to.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// let (from, mut to) = (Frame::from("hello"), Frame::new());
    /// from.copy_to(&mut to);
    /// assert_eq!(from, to);
    /// ```
    #[inline]
    pub fn copy_to(&self, place: &mut impl Place) {
        if self.shared.is_none() {
            place.put_small(&self.inline, self.len);
        } else {
            place.put(self.clone());
        }
    }

    /// A part of `memory`, which it takes over: copied if it is small. Nothing, if the range reaches beyond it.
    ///
    /// ```
    /// # use zmtp::{Frame, Memory};
    /// let memory = Memory::from(b"hello world".to_vec());
    /// assert_eq!(Frame::from_memory(memory.clone(), 6..11).as_slice(), b"world");
    /// assert!(Frame::from_memory(memory, 6..12).is_empty());
    /// ```
    pub fn from_memory(memory: Memory, range: Range<usize>) -> Frame {
        let Some(bytes) = memory.as_slice().get(range.clone()) else { return Frame::new() };
        if bytes.len() <= Frame::INLINE_MAX {
            return Frame::copy_from_slice(bytes);
        }
        let mut frame = Frame::new();
        frame.len = range.len();
        frame.point(memory, range.start);
        frame
    }

    /// The payload as a part of shared memory; what is inside the frame is copied there.
    ///
    /// ```
    /// # use zmtp::{Frame, Memory};
    /// let page = Frame::slice_of(&Memory::from(vec![7; 1000]), 100..300);
    /// let (memory, range) = page.into_memory();
    /// assert_eq!((memory.as_slice().len(), range), (1000, 100..300));
    /// ```
    pub fn into_memory(mut self) -> (Memory, Range<usize>) {
        let (start, len) = (self.start(), self.len);
        match self.shared.take() {
            Some(memory) => (memory, start..start + len),
            None => (Memory::from(self.inline.get(..len).unwrap_or_default().to_vec()), 0..len),
        }
    }

    fn whole(memory: Memory) -> Frame {
        let mut frame = Frame::new();
        frame.set_memory(memory);
        frame
    }

    /// Becomes all of `memory`.
    fn set_memory(&mut self, memory: Memory) {
        self.len = memory.as_slice().len();
        self.point(memory, 0);
    }

    fn point(&mut self, memory: Memory, start: usize) {
        self.shared = Some(memory);
        if let Some(slot) = self.inline.first_chunk_mut::<{ size_of::<usize>() }>() {
            *slot = start.to_ne_bytes();
        }
    }

    fn start(&self) -> usize {
        self.inline.first_chunk().map_or(0, |start| usize::from_ne_bytes(*start))
    }

    /// The payload.
    ///
    /// ```
    /// assert_eq!(zmtp::Frame::from("hello").as_slice(), b"hello");
    /// ```
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.shared {
            None => self.inline.get(..self.len).unwrap_or_default(),
            Some(memory) => {
                let start = self.start();
                memory.as_slice().get(start..start + self.len).unwrap_or_default()
            }
        }
    }

    /// Payload bytes.
    ///
    /// ```
    /// assert_eq!(zmtp::Frame::from("hello").len(), 5);
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no payload.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// assert!(Frame::from("").is_empty() && !Frame::from("hello").is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the payload is shared memory rather than inside the frame.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// assert!(!Frame::from(vec![7; Frame::INLINE_MAX]).is_shared());
    /// assert!(Frame::from(vec![7; Frame::INLINE_MAX + 1]).is_shared());
    /// ```
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The payload as text.
    ///
    /// ```
    /// # use zmtp::Frame;
    /// assert_eq!(Frame::from("21 °C").as_str(), Ok("21 °C"));
    /// assert!(Frame::copy_from_slice(&[0xff]).as_str().is_err());
    /// ```
    ///
    /// # Errors
    /// It is not valid UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self)
    }

    /// The payload as shared bytes; copies only what is inside the frame.
    ///
    /// ```
    /// let frame = zmtp::Frame::from(vec![7; 1000]);
    /// let place = frame.as_slice().as_ptr();
    /// assert_eq!(frame.into_bytes().as_ptr(), place);
    /// ```
    pub fn into_bytes(self) -> Bytes {
        if self.is_shared() { Bytes::from_owner(self) } else { Bytes::copy_from_slice(&self) }
    }

    /// The payload as a vector; no copy if it is all of some shared memory that nobody else uses.
    ///
    /// ```
    /// let frame = zmtp::Frame::from(vec![7; 1000]);
    /// let place = frame.as_slice().as_ptr();
    /// assert_eq!(frame.into_vec().as_ptr(), place);
    /// ```
    pub fn into_vec(mut self) -> Vec<u8> {
        match self.shared.take() {
            None => self.as_slice().to_vec(),
            Some(memory) => memory.into_vec(self.start()..self.start() + self.len),
        }
    }
}

/// Copies up to 64 bytes in at most two pieces of fixed, perhaps overlapping, size: the call of a general copy costs
/// more than the copy.
#[inline]
fn copy_small(target: &mut [u8; Frame::INLINE_MAX], source: &[u8]) {
    let len = source.len();
    macro_rules! two_pieces {
        ($size:literal) => {
            if let (Some(first), Some(last)) = (source.first_chunk::<$size>(), source.last_chunk::<$size>()) {
                target[..$size].copy_from_slice(first);
                if let Some(end) = target.get_mut(len - $size..len) {
                    end.copy_from_slice(last);
                }
            }
        };
    }
    match len {
        0 => {}
        1..=3 => {
            for (target, source) in target.iter_mut().zip(source) {
                *target = *source;
            }
        }
        4..=7 => two_pieces!(4),
        8..=15 => two_pieces!(8),
        16..=31 => two_pieces!(16),
        32.. => two_pieces!(32),
    }
}

impl Default for Frame {
    fn default() -> Frame {
        Frame::new()
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Frame {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Frame {}

impl PartialOrd for Frame {
    fn partial_cmp(&self, other: &Frame) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Frame {
    fn cmp(&self, other: &Frame) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Frame {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl PartialEq<[u8]> for Frame {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == other
    }
}

impl PartialEq<&[u8]> for Frame {
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_slice() == *other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Frame {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl PartialEq<str> for Frame {
    fn eq(&self, other: &str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

impl PartialEq<&str> for Frame {
    fn eq(&self, other: &&str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

impl From<&[u8]> for Frame {
    #[inline]
    fn from(bytes: &[u8]) -> Frame {
        Frame::copy_from_slice(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    fn from(bytes: &[u8; N]) -> Frame {
        Frame::copy_from_slice(bytes)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Frame {
        Frame::copy_from_slice(text.as_bytes())
    }
}

impl From<&String> for Frame {
    fn from(text: &String) -> Frame {
        Frame::from(text.as_str())
    }
}

impl From<&Vec<u8>> for Frame {
    fn from(bytes: &Vec<u8>) -> Frame {
        Frame::from(bytes.as_slice())
    }
}

/// What [`String::from_utf8_lossy`] answers, say.
impl From<Cow<'_, str>> for Frame {
    fn from(text: Cow<'_, str>) -> Frame {
        match text {
            Cow::Borrowed(text) => Frame::from(text),
            Cow::Owned(text) => Frame::from(text),
        }
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Frame {
        Frame::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Frame {
        if bytes.len() <= Frame::INLINE_MAX {
            Frame::copy_from_slice(&bytes)
        } else {
            Frame::whole(Memory::from(bytes))
        }
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Frame {
        if bytes.len() <= Frame::INLINE_MAX {
            Frame::copy_from_slice(&bytes)
        } else {
            Frame::whole(Memory::from(bytes))
        }
    }
}

/// Text if it is printable, else hex; cut short after 64 bytes.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.get(..DEBUG_BYTES_MAX).unwrap_or(self);
        match std::str::from_utf8(shown) {
            Ok(text) if !text.chars().any(char::is_control) => write!(f, "{text:?}")?,
            _ => {
                f.write_str("0x")?;
                shown.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
        if shown.len() < self.len() {
            write!(f, "… ({} bytes)", self.len())?;
        }
        Ok(())
    }
}

const DEBUG_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_eighty_bytes() {
        assert_eq!(size_of::<Frame>(), 80);
    }

    #[test]
    fn small_payloads_are_inside_and_large_ones_shared() {
        for len in (0..70).chain([1000]) {
            let bytes: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let mut appended = vec![9];
            Frame::from(bytes.as_slice()).append_to(&mut appended);
            assert_eq!(appended[1..], bytes);
            let frame = Frame::from(bytes.as_slice());
            assert_eq!(frame, bytes.as_slice());
            assert_eq!(frame.is_shared(), len > Frame::INLINE_MAX);
            assert_eq!(frame.clone().into_vec(), bytes);
        }
    }

    #[test]
    fn slicing_shares_the_memory_of_large_parts() {
        let memory = Memory::from(vec![7u8; 1000]);
        let frame = Frame::slice_of(&memory, 100..500);
        assert_eq!((frame.len(), frame.as_ptr()), (400, memory.as_slice()[100..].as_ptr()));
        let bytes = frame.clone().into_bytes();
        assert_eq!(bytes.as_ptr(), frame.as_ptr());
        let (again, range) = frame.clone().into_memory();
        assert_eq!((again.as_slice().as_ptr(), range.clone()), (memory.as_slice().as_ptr(), 100..500));
        assert_eq!(Frame::from_memory(again, range), frame);
        let (own, range) = Frame::from("inside").into_memory();
        assert_eq!(Frame::from_memory(own, range), "inside");
    }

    #[test]
    fn debug_is_readable() {
        assert_eq!(format!("{:?}", Frame::from("hi")), "\"hi\"");
        assert_eq!(format!("{:?}", Frame::from(&[0u8, 255])), "0x00ff");
    }

    #[test]
    fn whatever_holds_bytes_makes_a_frame() {
        let (text, bytes) = ("text".to_string(), b"text".to_vec());
        let cow = String::from_utf8_lossy(b"text");
        let frames = [Frame::from(&text), Frame::from(&bytes), Frame::from(cow), Frame::from(b"text"), text.into()];
        assert!(frames.iter().all(|frame| *frame == "text" && *frame == b"text"));
    }
}
