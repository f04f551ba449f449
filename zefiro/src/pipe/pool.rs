//! Pool: memory that sent messages were in, for those that come next.

use super::outbox::SEGMENT_BYTES;

/// A few empty buffers of a socket, kept for its next messages so that a stream allocates nothing.
#[derive(Default)]
pub(crate) struct Pool {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer with room, or an unallocated one.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Gives a buffer back; kept only if it is of a useful size and they are not too many.
    pub(crate) fn put(&mut self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        if (1..=2 * SEGMENT_BYTES).contains(&size) && self.bytes + size <= POOL_BYTES_MAX {
            buffer.clear();
            self.bytes += size;
            self.buffers.push(buffer);
        }
    }

    /// Frees all, when the socket has gone quiet.
    pub(crate) fn trim(&mut self) {
        *self = Pool::default();
    }
}

/// Memory a socket keeps for reuse.
const POOL_BYTES_MAX: usize = 4 * SEGMENT_BYTES;
