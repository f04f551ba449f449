//! Memory: what large frames refer to, together with others.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::giving_back::Owned;
use crate::lent::{self, Content};

/// Memory that frames share.
///
/// ```
/// # use zmtp::{Frame, Memory};
/// let memory = Memory::from(vec![7; 1000]);
/// let halves = [Frame::slice_of(&memory, 0..500), Frame::slice_of(&memory, 500..1000)];
/// assert_eq!(halves[1].as_slice(), &memory.as_slice()[500..]);
/// ```
#[derive(Clone)]
pub struct Memory(Arc<Owner>);

enum Owner {
    Vec(Vec<u8>),
    /// A thread has [lent](lent) it, and keeps a reference as long as the flag says so.
    Lent(Vec<u8>, AtomicBool),
    Bytes(Bytes),
    Owned(Owned),
    Static(&'static [u8]),
}

impl Memory {
    /// All of it.
    ///
    /// ```
    /// assert_eq!(zmtp::Memory::from(vec![1, 2, 3]).as_slice(), [1, 2, 3]);
    /// ```
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &*self.0 {
            Owner::Vec(bytes) | Owner::Lent(bytes, _) => bytes,
            Owner::Bytes(bytes) => bytes,
            Owner::Owned(owned) => owned.bytes(),
            Owner::Static(bytes) => bytes,
        }
    }

    /// Where it begins: for who may write to a part of it, as C may to what it received. It is no reference, behind which
    /// nothing may change.
    ///
    /// ```
    /// let memory = zmtp::Memory::from(vec![1, 2, 3]);
    /// assert_eq!(memory.as_ptr(), memory.as_slice().as_ptr());
    /// ```
    pub fn as_ptr(&self) -> *const u8 {
        match &*self.0 {
            Owner::Vec(bytes) | Owner::Lent(bytes, _) => bytes.as_ptr(),
            Owner::Bytes(bytes) => bytes.as_ptr(),
            Owner::Owned(owned) => owned.bytes().as_ptr(),
            Owner::Static(bytes) => bytes.as_ptr(),
        }
    }

    /// All of it, if it lasts as long as the program.
    ///
    /// ```
    /// # use zmtp::{Frame, Memory};
    /// static PAGE: [u8; 4096] = [7; 4096];
    /// let (memory, _) = Frame::from_static(&PAGE).into_memory();
    /// assert_eq!(memory.as_static(), Some(&PAGE[..]));
    /// assert_eq!(Memory::from(vec![7]).as_static(), None);
    /// ```
    pub fn as_static(&self) -> Option<&'static [u8]> {
        match *self.0 {
            Owner::Static(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A copy of the bytes. The memory may have held other messages that this thread has copied.
    ///
    /// ```
    /// assert_eq!(zmtp::Memory::copy_of(&[1, 2, 3]).as_slice(), [1, 2, 3]);
    /// ```
    pub fn copy_of(bytes: &[u8]) -> Memory {
        lent::memory_of(Content::CopyOf(bytes))
    }

    /// So many bytes, which are anything, for who is going to write there, as C does.
    ///
    /// ```
    /// assert_eq!(zmtp::Memory::of_size(1000).as_slice().len(), 1000);
    /// ```
    pub fn of_size(len: usize) -> Memory {
        lent::memory_of(Content::Anything(len))
    }

    /// For a thread to lend.
    pub(crate) fn to_lend(bytes: Vec<u8>) -> Memory {
        Memory(Arc::new(Owner::Lent(bytes, AtomicBool::new(true))))
    }

    /// The thread that lent it keeps it no longer.
    pub(crate) fn give_away(self) {
        if let Owner::Lent(_, kept) = &*self.0 {
            kept.store(false, Ordering::Relaxed);
        }
    }

    /// Whether a thread lends it.
    pub(crate) fn is_lent(&self) -> bool {
        matches!(&*self.0, Owner::Lent(_, kept) if kept.load(Ordering::Relaxed))
    }

    /// Whether anybody has what the caller, the thread that lent it, keeps.
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Fills memory of its own that nobody else refers to anew.
    pub(crate) fn refill(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        if let Some(Owner::Vec(bytes) | Owner::Lent(bytes, _)) = Arc::get_mut(&mut self.0) {
            fill(bytes);
        }
    }

    /// Bytes that last as long as the program.
    pub(crate) fn from_static(bytes: &'static [u8]) -> Memory {
        Memory(Arc::new(Owner::Static(bytes)))
    }

    /// Of who [asks](crate::giving_back::give_back) for what it has lent: dropped then, not before.
    #[doc(hidden)]
    pub fn owned_until_asked(bytes: Bytes) -> Memory {
        Memory(Arc::new(Owner::Owned(Owned::until_asked(bytes))))
    }

    /// A part of it as a vector; no copy if that is all of it, and nobody else refers to it.
    pub(crate) fn into_vec(self, part: Range<usize>) -> Vec<u8> {
        match Arc::try_unwrap(self.0) {
            Ok(Owner::Vec(bytes) | Owner::Lent(bytes, _)) if part == (0..bytes.len()) => bytes,
            Ok(owner) => Memory(Arc::new(owner)).as_slice().get(part).unwrap_or_default().to_vec(),
            Err(owner) => Memory(owner).as_slice().get(part).unwrap_or_default().to_vec(),
        }
    }

    /// Takes the bytes out of memory of their own that nobody else refers to, to be filled anew; they are gone.
    pub(crate) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let Some(Owner::Vec(bytes)) = Arc::get_mut(&mut self.0) else { return None };
        bytes.clear();
        Some(std::mem::take(bytes))
    }

    /// Puts `buffer` in the place of what it was [taken](Memory::take_buffer) from.
    pub(crate) fn put_buffer(&mut self, buffer: Vec<u8>) {
        match Arc::get_mut(&mut self.0) {
            Some(owner) => *owner = Owner::Vec(buffer),
            None => *self = Memory::from(buffer),
        }
    }

    /// The room in memory that can be filled anew; 0 if it is not of the kind, or somebody else refers to it.
    ///
    /// ```
    /// # use zmtp::Memory;
    /// let mut memory = Memory::from(Vec::with_capacity(1000));
    /// let other = memory.clone();
    /// assert_eq!(memory.reusable_bytes(), 0);
    /// drop(other);
    /// assert_eq!(memory.reusable_bytes(), 1000);
    /// ```
    pub fn reusable_bytes(&mut self) -> usize {
        match Arc::get_mut(&mut self.0) {
            Some(Owner::Vec(bytes) | Owner::Lent(bytes, _)) => bytes.capacity(),
            _ => 0,
        }
    }

    /// How many bytes are allocated for it, used or not.
    ///
    /// ```
    /// assert_eq!(zmtp::Memory::from(Vec::with_capacity(1000)).capacity(), 1000);
    /// ```
    pub fn capacity(&self) -> usize {
        match &*self.0 {
            Owner::Vec(bytes) | Owner::Lent(bytes, _) => bytes.capacity(),
            Owner::Bytes(bytes) => bytes.len(),
            Owner::Owned(owned) => owned.bytes().len(),
            Owner::Static(_) => 0,
        }
    }

    /// Whether others refer to it just now.
    ///
    /// ```
    /// # use zmtp::{Frame, Memory};
    /// let memory = Memory::from(vec![7; 1000]);
    /// assert!(!memory.is_shared());
    /// let _frame = Frame::slice_of(&memory, 0..1000);
    /// assert!(memory.is_shared());
    /// ```
    pub fn is_shared(&self) -> bool {
        // The thread that lent it is no other.
        Arc::strong_count(&self.0) > 1 + usize::from(self.is_lent())
    }
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Memory {
        Memory(Arc::new(Owner::Vec(bytes)))
    }
}

impl From<Bytes> for Memory {
    fn from(bytes: Bytes) -> Memory {
        // Never unique: those with an owner of the program's.
        let owner = if bytes.is_unique() { Owner::Bytes(bytes) } else { Owner::Owned(Owned::new(bytes)) };
        Memory(Arc::new(owner))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes)", self.as_slice().len())
    }
}
