//! Place: where what is received goes.

use std::ops::Range;

use crate::frame::Frame;
use crate::memory::Memory;

/// Where a frame goes that is cut from what was received: another frame, or what a driver has instead.
///
/// ```
/// # use zmtp::{Frame, Place};
/// #[derive(Default)]
/// struct Line(Vec<u8>);
///
/// impl Place for Line {
///     fn put_small(&mut self, bytes: &[u8; Frame::INLINE_MAX], len: usize) {
///         self.0 = bytes[..len].to_vec();
///     }
///     fn put(&mut self, frame: Frame) {
///         self.0 = frame.into_vec();
///     }
///     fn bytes(&self) -> &[u8] {
///         &self.0
///     }
/// }
///
/// let mut line = Line::default();
/// Frame::from("hello").move_to(&mut line);
/// assert_eq!(line.bytes(), b"hello");
/// ```
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
