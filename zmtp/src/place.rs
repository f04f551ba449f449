//! Place: where what is received goes.

use std::ops::Range;

use crate::frame::{Frame, Memory};

/// Where a frame goes that is cut from what was received: another frame, or what a driver has instead.
pub trait Place {
    /// The first `len` of those bytes, at most all; what is behind them does not belong to the frame.
    fn put_small(&mut self, bytes: &[u8; Frame::INLINE_MAX], len: usize);

    /// A frame of any size.
    fn put(&mut self, frame: Frame);

    /// A part of shared memory.
    ///
    /// # Panics
    /// The range reaches beyond the memory.
    fn put_slice(&mut self, memory: &Memory, range: Range<usize>) {
        self.put(Frame::slice_of(memory, range));
    }

    /// What was put there.
    fn bytes(&self) -> &[u8];
}
