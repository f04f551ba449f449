//! Frame: one part of a message.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};
use std::str::Utf8Error;

use bytes::Bytes;

/// One part of a message: bytes that do not change.
///
/// Up to [`INLINE_MAX`](Frame::INLINE_MAX) bytes live inside the frame; more are shared memory with a count of
/// references, so that cloning a frame never copies a large payload.
#[derive(Clone)]
pub struct Frame(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; Frame::INLINE_MAX] },
    Shared(Bytes),
}

impl Frame {
    /// Payloads up to this size need no allocation.
    pub const INLINE_MAX: usize = 78;

    /// An empty frame.
    pub const fn new() -> Frame {
        Frame(Repr::Inline { len: 0, bytes: [0; Frame::INLINE_MAX] })
    }

    /// A frame with a copy of `bytes`.
    #[inline]
    pub fn copy_from_slice(bytes: &[u8]) -> Frame {
        Frame::inline(bytes).unwrap_or_else(|| Frame(Repr::Shared(Bytes::copy_from_slice(bytes))))
    }

    /// A frame that refers to memory that lasts as long as the program.
    pub fn from_static(bytes: &'static [u8]) -> Frame {
        Frame::inline(bytes).unwrap_or_else(|| Frame(Repr::Shared(Bytes::from_static(bytes))))
    }

    /// A part of `source`: copied if it is small, else a reference to the same memory.
    ///
    /// # Panics
    /// The range reaches beyond `source`.
    #[inline]
    pub fn slice_of(source: &Bytes, range: Range<usize>) -> Frame {
        let bytes = &source[range.clone()];
        Frame::inline(bytes).unwrap_or_else(|| Frame(Repr::Shared(source.slice(range))))
    }

    #[inline]
    fn inline(source: &[u8]) -> Option<Frame> {
        let mut bytes = [0; Frame::INLINE_MAX];
        bytes.get_mut(..source.len())?.copy_from_slice(source);
        Some(Frame(Repr::Inline { len: source.len() as u8, bytes }))
    }

    /// The payload.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Shared(bytes) => bytes,
        }
    }

    /// Payload bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Inline { len, .. } => usize::from(*len),
            Repr::Shared(bytes) => bytes.len(),
        }
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the payload is shared memory rather than inside the frame.
    pub fn is_shared(&self) -> bool {
        matches!(self.0, Repr::Shared(_))
    }

    /// The payload as text.
    ///
    /// # Errors
    /// It is not valid UTF-8.
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self)
    }

    /// The payload as shared bytes; copies only what is inside the frame.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Shared(bytes) => bytes,
            Repr::Inline { .. } => Bytes::copy_from_slice(self.as_slice()),
        }
    }

    /// The payload as a vector; no copy if it is shared memory that nobody else uses.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Repr::Shared(bytes) => Vec::from(bytes),
            Repr::Inline { .. } => self.as_slice().to_vec(),
        }
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

impl From<String> for Frame {
    fn from(text: String) -> Frame {
        Frame::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Frame {
        Frame::inline(&bytes).unwrap_or_else(|| Frame(Repr::Shared(Bytes::from(bytes))))
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Frame {
        Frame::inline(&bytes).unwrap_or(Frame(Repr::Shared(bytes)))
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
        for len in [0, 1, 77, 78, 79, 1000] {
            let bytes: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let frame = Frame::from(bytes.as_slice());
            assert_eq!(frame, bytes.as_slice());
            assert_eq!(frame.is_shared(), len > Frame::INLINE_MAX);
            assert_eq!(frame.clone().into_vec(), bytes);
        }
    }

    #[test]
    fn slicing_shares_the_memory_of_large_parts() {
        let source = Bytes::from(vec![7u8; 1000]);
        let frame = Frame::slice_of(&source, 100..500);
        assert_eq!(frame.as_ptr(), source[100..].as_ptr());
    }

    #[test]
    fn debug_is_readable() {
        assert_eq!(format!("{:?}", Frame::from("hi")), "\"hi\"");
        assert_eq!(format!("{:?}", Frame::from(&[0u8, 255])), "0x00ff");
    }
}
