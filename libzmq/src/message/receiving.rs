//! Receiving: a message of C's as the place where a part goes.

use std::ptr;
use std::sync::Arc;

use zefiro::{Arrival, Frame, Metadata, Place};

use super::{BLOCK, INLINE, INLINE_MAX, Message};
use crate::block::Block;

/// A message of C's that is being received into.
pub(crate) struct Receiving<'a> {
    message: &'a mut Message,
}

impl<'a> Receiving<'a> {
    pub(crate) fn new(message: &'a mut Message) -> Receiving<'a> {
        Receiving { message }
    }

    /// The part is there, and whether more follow is known: answers its length.
    #[inline(always)]
    pub(crate) fn finish(&mut self, more: bool) -> usize {
        self.message.set_received(more);
        self.message.len()
    }

    /// There was none.
    pub(crate) fn clear(&mut self) {
        self.replace(Message::empty());
        self.message.set_metadata(None);
    }

    /// Has the message hold so many bytes, which are anything.
    #[inline(never)]
    fn make_room(&mut self, len: usize) {
        let message = &mut *self.message;
        message.empty_body();
        message.set_group(ptr::null_mut());
        if len > INLINE_MAX {
            message.set_block(Block::new(), len);
        }
    }

    /// Leaves what is known of the connection the last message came by: mostly the next one comes by it too.
    #[inline(never)]
    fn replace(&mut self, mut message: Message) {
        std::mem::swap(&mut message.metadata, &mut self.message.metadata);
        super::replace(self.message, message);
    }
}

impl Arrival for Receiving<'_> {
    /// Mostly the connection is the same as before: then nothing is counted.
    #[inline(always)]
    fn came_by(&mut self, connection: Option<&Arc<Metadata>>) {
        let address = |metadata: Option<&Arc<Metadata>>| metadata.map_or(ptr::null(), Arc::as_ptr);
        if address(connection) != address(self.message.metadata.as_ref()) {
            self.message.set_metadata(connection.cloned());
        }
    }
}

impl Place for Receiving<'_> {
    /// In the block the message has, if that is its own.
    #[inline(always)]
    fn put_small(&mut self, bytes: &[u8; Block::BYTES_MAX], len: usize) {
        let len = len.min(Block::BYTES_MAX);
        let inline = len <= INLINE_MAX;
        let message = &self.message;
        // SAFETY: the kind says that it is a block.
        let has_block = || message.kind == BLOCK && unsafe { message.body.block.block.is_unique() };
        let fits = if inline { message.kind == INLINE } else { has_block() };
        if !fits || !message.group.is_null() {
            self.make_room(len);
        }
        if inline {
            if let Some(bytes) = bytes.first_chunk() {
                self.message.body.inline = *bytes;
            }
            self.message.inline_len = len as u8;
        } else {
            // SAFETY: it is a block, nobody else's, and has room for the bytes, which are elsewhere.
            unsafe {
                let small = &mut *self.message.body.block;
                small.block.data().cast::<[u8; Block::BYTES_MAX]>().write(*bytes);
                small.len = len;
            }
        }
        self.message.routing_id = 0;
    }

    fn put(&mut self, frame: Frame) {
        self.replace(Message::holding(frame));
    }

    fn bytes(&self) -> &[u8] {
        self.message.bytes()
    }
}
