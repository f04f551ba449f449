//! FreeMemory: what held messages that have been read is used again for those that come next, on any link of the same
//! I/O thread. So a message that fits into its frame costs no allocation, and idle links have no memory of their own.

use parking_lot::Mutex;
use zmtp::{Connection, Memory};

/// A few pieces, the one that was used last first: it is still in a processor's cache.
#[derive(Default)]
pub(crate) struct FreeMemory(Mutex<Vec<Memory>>);

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
        let index = free.iter_mut().rposition(fits)?;
        Some(free.remove(index))
    }

    /// Keeps a piece, unless somebody still refers to it, it is large, or there are enough.
    pub(crate) fn give(&self, mut memory: Memory) {
        if !(1..=BYTES_MAX).contains(&memory.reusable_bytes()) {
            return;
        }
        let mut free = self.0.lock();
        if free.len() == PIECES_MAX {
            free.remove(0);
        }
        free.push(memory);
    }
}

/// Of so many bytes at most, and so many of them, are kept: as much as a stream has under way.
const BYTES_MAX: usize = 64 * 1024;
const PIECES_MAX: usize = 4;

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
    }
}
