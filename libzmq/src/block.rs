//! Block: the content of a message that is too large for `zmq_msg_t` and too small to be worth sharing the memory it
//! was read into. Counted, and kept by each thread for its next messages.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A content of up to [`Block::BYTES_MAX`] bytes; a clone is the same one.
pub(crate) struct Block(*mut Inner);

struct Inner {
    references: AtomicUsize,
    bytes: [u8; Block::BYTES_MAX],
}

thread_local! {
    #[allow(clippy::vec_box, reason = "they are handed out as the boxes they are")]
    static SPARE: RefCell<Vec<Box<Inner>>> = const { RefCell::new(Vec::new()) };
}

impl Block {
    /// What goes into a frame without an allocation goes into a block.
    pub(crate) const BYTES_MAX: usize = zefiro::Frame::INLINE_MAX;

    /// A block of bytes that are anything.
    pub(crate) fn new() -> Block {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
        let mut inner =
            spare.unwrap_or_else(|| Box::new(Inner { references: AtomicUsize::new(1), bytes: [0; Block::BYTES_MAX] }));
        *inner.references.get_mut() = 1;
        Block(Box::into_raw(inner))
    }

    /// Whether there is no other reference to it.
    pub(crate) fn is_unique(&self) -> bool {
        // SAFETY: as below. Acquire: what others did with the bytes before they let go is done.
        unsafe { (*self.0).references.load(Ordering::Acquire) == 1 }
    }

    /// Where its bytes are.
    pub(crate) fn data(&self) -> *mut u8 {
        // SAFETY: the block lives as long as this reference to it.
        unsafe { (&raw mut (*self.0).bytes).cast() }
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        // SAFETY: as above. Relaxed: whoever clones has a reference already.
        unsafe { (*self.0).references.fetch_add(1, Ordering::Relaxed) };
        Block(self.0)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // Nobody can make another reference of a unique one meanwhile: then nothing need be counted.
        // SAFETY: as above. What this thread did with the bytes is before whatever is done with them next (release), and
        // what others did before they let go is done (acquire; not by a fence, of which ThreadSanitizer knows nothing).
        if !self.is_unique() && unsafe { (*self.0).references.fetch_sub(1, Ordering::AcqRel) } != 1 {
            return;
        }
        // SAFETY: it came from `Box::into_raw`, and this was the last reference.
        let inner = unsafe { Box::from_raw(self.0) };
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(inner);
            }
        });
    }
}

/// Blocks a thread keeps.
const SPARE_MAX: usize = 1024;
