//! FreeMemory: what held messages that have been read is used again for those that come next, on any link of the same
//! I/O thread. So a message that fits into its frame costs no allocation, and idle links have no memory of their own.

use std::collections::VecDeque;

use parking_lot::Mutex;
use zmtp::{Connection, Memory};

/// A few pieces, the one that was used last at the end: it is still in a processor's cache.
#[derive(Default)]
pub(crate) struct FreeMemory(Mutex<Free>);

#[derive(Default)]
struct Free {
    pieces: VecDeque<Memory>,
    /// Of all of them.
    bytes: usize,
}

impl FreeMemory {
    /// Lends a connection some for what is read next.
    pub(crate) fn lend_to(&self, connection: &mut Connection) {
        if let Some(bytes) = connection.wants_memory()
            && let Some(memory) = self.take(bytes)
        {
            connection.lend(memory);
        }
    }

    /// Takes back what has not been used.
    pub(crate) fn take_back(&self, connection: &mut Connection) {
        while let Some(memory) = connection.take_lent() {
            self.give(memory);
        }
    }

    /// A piece of about `bytes`, if there is one. A larger one is not worth it: who keeps a message keeps all of it.
    fn take(&self, bytes: usize) -> Option<Memory> {
        let mut free = self.0.lock();
        let fits = |memory: &mut Memory| (bytes..2 * bytes).contains(&memory.reusable_bytes());
        let index = free.pieces.iter_mut().rposition(fits)?;
        let memory = free.pieces.remove(index)?;
        free.bytes -= memory.capacity();
        Some(memory)
    }

    /// Keeps a piece, unless somebody still refers to it, or it is large. The oldest make room for it.
    pub(crate) fn give(&self, mut memory: Memory) {
        let bytes = memory.reusable_bytes();
        if !(1..=BYTES_MAX).contains(&bytes) {
            return;
        }
        let mut free = self.0.lock();
        while free.pieces.len() == PIECES_MAX || free.bytes + bytes > BYTES_KEPT_MAX {
            let Some(oldest) = free.pieces.pop_front() else { break };
            free.bytes -= oldest.capacity();
        }
        free.bytes += bytes;
        free.pieces.push_back(memory);
    }
}

/// Pieces of so many bytes at most are kept: as much as a stream has under way.
const BYTES_MAX: usize = 64 * 1024;

/// So many of them, as there may be that many links with something to read at a time, and so many bytes in all.
const PIECES_MAX: usize = 64;
const BYTES_KEPT_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_refers_to_is_used_again_and_only_where_it_fits() {
        let free = FreeMemory::default();
        let held = Memory::from(Vec::with_capacity(8192));
        free.give(held.clone());
        assert!(free.take(8192).is_none());
        free.give(held);
        assert!(free.take(16_384).is_none() && free.take(4096).is_none());
        assert!(free.take(8192).is_some());
        assert!(free.take(8192).is_none());
        for _ in 0..2 * PIECES_MAX {
            free.give(Memory::from(Vec::with_capacity(8192)));
        }
        assert_eq!(std::iter::from_fn(|| free.take(8192)).count(), PIECES_MAX);
        for _ in 0..PIECES_MAX {
            free.give(Memory::from(Vec::with_capacity(BYTES_MAX)));
        }
        assert_eq!(std::iter::from_fn(|| free.take(BYTES_MAX)).count(), BYTES_KEPT_MAX / BYTES_MAX);
    }
}
