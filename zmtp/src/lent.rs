//! Lent memory: what a thread copies large messages to it keeps a reference of, and uses again for the next ones once
//! nobody else has one. So a stream of messages that are copied allocates nothing, wherever they are dropped.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::memory::Memory;

/// What a thread has lent, the longest ago first: mostly that is the first to be free.
#[derive(Default)]
struct Lent {
    memories: VecDeque<Memory>,
    bytes: usize,
    /// So many are not lent, but given away.
    gifts: usize,
    /// Lent since it was looked whether so many are of use.
    since_look: usize,
}

thread_local! {
    static LENT: RefCell<Lent> = const { RefCell::new(Lent { memories: VecDeque::new(), bytes: 0, gifts: 0, since_look: 0 }) };
}

/// What is to be in a memory.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    CopyOf(&'a [u8]),
    /// So many bytes, which are anything.
    Anything(usize),
}

impl Content<'_> {
    fn len(self) -> usize {
        match self {
            Content::CopyOf(bytes) => bytes.len(),
            Content::Anything(len) => len,
        }
    }

    /// A new buffer of it, with room for so many bytes at least.
    fn buffer(self, room: usize) -> Vec<u8> {
        match self {
            Content::CopyOf(bytes) => {
                let mut buffer = Vec::with_capacity(room);
                buffer.extend_from_slice(bytes);
                buffer
            }
            // The system's zeros cost nothing before they are looked at.
            Content::Anything(len) => {
                let mut buffer = vec![0; room];
                buffer.truncate(len);
                buffer
            }
        }
    }

    fn refill(self, buffer: &mut Vec<u8>) {
        match self {
            Content::CopyOf(bytes) => {
                buffer.clear();
                buffer.extend_from_slice(bytes);
            }
            Content::Anything(len) => buffer.resize(len, 0),
        }
    }
}

/// Memory with that content.
pub(crate) fn memory_of(content: Content<'_>) -> Memory {
    let lent = LENT.try_with(|lent| lent.borrow_mut().lend(content));
    // The thread may be ending, its locals gone.
    lent.unwrap_or_else(|_| Memory::from(content.buffer(content.len())))
}

impl Lent {
    fn lend(&mut self, content: Content<'_>) -> Memory {
        if self.has_free(content.len())
            && let Some(mut memory) = self.memories.pop_front()
        {
            memory.refill(|buffer| content.refill(buffer));
            self.memories.push_back(memory.clone());
            self.shrink();
            return memory;
        }
        self.make(content)
    }

    /// Whether nobody has the first any more, and it is of a fitting size.
    fn has_free(&mut self, len: usize) -> bool {
        let in_use = |place| self.memories.get(place).is_none_or(Memory::is_in_use);
        if in_use(0) && !in_use(1) {
            // Somebody keeps it for long: the others are not to wait for it.
            self.memories.rotate_left(1);
        }
        let Some(memory) = self.memories.front_mut().filter(|memory| !memory.is_in_use()) else { return false };
        let fits = (len..=WASTE_MAX * len).contains(&memory.reusable_bytes());
        if !fits {
            self.forget_first();
        }
        fits
    }

    /// Lets go of one now and then where half of them would do: the fewer there are, the more of them are in the processor's
    /// caches.
    fn shrink(&mut self) {
        self.since_look += 1;
        if self.since_look < LOOK {
            return;
        }
        self.since_look = 0;
        if self.memories.len() > 1 && self.memories.get(self.memories.len() / 2).is_some_and(|half| !half.is_in_use()) {
            self.forget_first();
        }
    }

    /// A new one; to be lent, unless more are under way than would be kept: then none comes back in time to be of use.
    fn make(&mut self, content: Content<'_>) -> Memory {
        let len = content.len();
        if len > BYTES_MAX || BYTES_OF_ALL.load(Ordering::Relaxed) + len > BYTES_OF_ALL_MAX {
            return Memory::from(content.buffer(len));
        }
        let room = len.next_multiple_of(STEP);
        if self.bytes + room > BYTES_MAX || self.memories.len() == MEMORIES_MAX {
            self.gifts = GIFTS * self.memories.len();
            while !self.memories.is_empty() {
                self.forget_first();
            }
        }
        if let Some(left) = self.gifts.checked_sub(1) {
            self.gifts = left;
            return Memory::from(content.buffer(len));
        }
        let memory = Memory::to_lend(content.buffer(room));
        self.bytes += memory.capacity();
        BYTES_OF_ALL.fetch_add(memory.capacity(), Ordering::Relaxed);
        self.memories.push_back(memory.clone());
        memory
    }

    fn forget_first(&mut self) {
        if let Some(memory) = self.memories.pop_front() {
            self.bytes -= memory.capacity();
            BYTES_OF_ALL.fetch_sub(memory.capacity(), Ordering::Relaxed);
            memory.give_away();
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        while !self.memories.is_empty() {
            self.forget_first();
        }
    }
}

/// What all threads keep.
static BYTES_OF_ALL: AtomicUsize = AtomicUsize::new(0);

/// What a thread keeps at most: about as much as is under way between two threads, or a few of the largest. And all threads.
const BYTES_MAX: usize = 4 * 1024 * 1024;
const BYTES_OF_ALL_MAX: usize = 8 * BYTES_MAX;
const MEMORIES_MAX: usize = if cfg!(miri) { 64 } else { 4096 };

/// Sizes differ by so much, that messages of about the same size fit where others were.
const STEP: usize = 64;

/// So many times as many as were lent in vain are given away before it is tried again.
const GIFTS: usize = 16;

/// How often it is looked whether so many are of use.
const LOOK: usize = 8;

/// Whoever keeps a message keeps at most so many times its size.
const WASTE_MAX: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn lend(lent: &mut Lent, len: usize) -> Memory {
        lent.lend(Content::CopyOf(&vec![7; len]))
    }

    #[test]
    fn what_nobody_has_any_more_is_used_again() {
        let mut lent = Lent::default();
        let (first, second) = (lend(&mut lent, 1000), lend(&mut lent, 1000));
        let places = [first.as_ptr(), second.as_ptr()];
        assert!(!first.is_shared() && first.clone().is_shared() && first.as_slice() == [7; 1000]);
        drop(first);
        let third = lend(&mut lent, 900);
        assert_eq!((third.as_ptr(), third.as_slice().len()), (places[0], 900));
        // Both are in use now.
        assert!(!places.contains(&lend(&mut lent, 1000).as_ptr()));
        drop(second);
        // Whoever keeps one long does not keep the others from being used.
        assert_eq!(lend(&mut lent, 1000).as_ptr(), places[1]);
        drop(third);
        assert_ne!(lend(&mut lent, 100).as_ptr(), places[0]);
    }

    #[test]
    fn after_many_under_way_at_once_there_are_fewer_again() {
        let mut lent = Lent::default();
        drop((0..MEMORIES_MAX).map(|_| lend(&mut lent, 128)).collect::<Vec<_>>());
        let mut under_way: VecDeque<Memory> = (0..10).map(|_| lend(&mut lent, 128)).collect();
        for _ in 0..LOOK * MEMORIES_MAX {
            under_way.pop_front();
            under_way.push_back(lend(&mut lent, 128));
        }
        assert!((11..30).contains(&lent.memories.len()), "{}", lent.memories.len());
    }

    #[test]
    fn who_has_lent_it_counts_only_as_long_as_it_is_kept() {
        let mut lent = Lent::default();
        let memory = lend(&mut lent, 1000);
        let other = memory.clone();
        drop(lent);
        assert!(memory.is_shared());
        drop(other);
        assert!(!memory.is_shared());
    }

    #[test]
    fn no_more_is_kept_than_is_of_use() {
        for (len, most) in [(128, MEMORIES_MAX), (1 << 20, 4), (BYTES_MAX + 1, 0)] {
            let mut lent = Lent::default();
            let mut under_way: VecDeque<Memory> = (0..most).map(|_| lend(&mut lent, len)).collect();
            assert_eq!((lent.memories.len(), lent.bytes), (most, most * len));
            // As many again come back in time.
            for _ in 0..most {
                under_way.pop_front();
                under_way.push_back(lend(&mut lent, len));
            }
            assert!(lent.memories.len() == most && lent.gifts == 0);
            // With one more under way none does.
            for _ in 0..GIFTS * most {
                under_way.push_back(lend(&mut lent, len));
                assert!(lent.memories.is_empty());
                under_way.pop_front();
            }
            assert_eq!((lent.gifts, lent.bytes), (0, 0));
        }
    }

    #[test]
    fn what_may_be_anything_is_no_less() {
        let mut lent = Lent::default();
        for len in [1000, 900, 1900, 10, 1000, BYTES_MAX + 1] {
            assert_eq!(lent.lend(Content::Anything(len)).as_slice().len(), len);
        }
    }
}
