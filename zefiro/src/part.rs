//! Part: what a message of one part may be sent from.

use zmtp::Frame;

/// For the C library, whose messages are sent without becoming frames first.
#[doc(hidden)]
pub trait Part {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bytes(&self) -> &[u8];

    fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes());
    }

    /// A copy, or another reference to the same memory.
    fn to_frame(&self) -> Frame {
        Frame::copy_from_slice(self.bytes())
    }
}

impl Part for Frame {
    #[inline]
    fn len(&self) -> usize {
        Frame::len(self)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.as_slice()
    }

    #[inline]
    fn append_to(&self, out: &mut Vec<u8>) {
        Frame::append_to(self, out);
    }

    #[inline]
    fn to_frame(&self) -> Frame {
        self.clone()
    }
}

impl Part for [u8] {
    #[inline]
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self
    }
}
