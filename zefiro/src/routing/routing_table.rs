//! RoutingTable: routing id to pipe, and ids for peers that bring none.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use zmtp::Frame;

use crate::pipe::PipeId;

/// Who can be addressed by which routing id.
pub(crate) struct RoutingTable {
    pipes: HashMap<Frame, PipeId>,
    next: u32,
}

impl RoutingTable {
    /// An empty table; generated ids start at a random number.
    pub(crate) fn new() -> RoutingTable {
        RoutingTable { pipes: HashMap::new(), next: RandomState::new().build_hasher().finish() as u32 }
    }

    /// A new id: a zero byte, which ids of peers do not begin with, and a number.
    pub(crate) fn generate(&mut self) -> Frame {
        loop {
            self.next = self.next.wrapping_add(1);
            let mut id = [0; 5];
            id[1..].copy_from_slice(&self.next.to_be_bytes());
            let id = Frame::from(&id);
            if !self.pipes.contains_key(&id) {
                return id;
            }
        }
    }

    /// A new number that is not 0, as four bytes with the highest first.
    pub(crate) fn generate_number(&mut self) -> Frame {
        loop {
            self.next = self.next.wrapping_add(1);
            let id = Frame::from(&self.next.to_be_bytes());
            if self.next != 0 && !self.pipes.contains_key(&id) {
                return id;
            }
        }
    }

    pub(crate) fn get(&self, id: &[u8]) -> Option<PipeId> {
        self.pipes.get(id).copied()
    }

    /// Gives `id` to a pipe; answers the one that had it.
    pub(crate) fn insert(&mut self, id: Frame, pipe: PipeId) -> Option<PipeId> {
        self.pipes.insert(id, pipe)
    }

    /// Takes the id away, if it is this pipe's.
    pub(crate) fn remove(&mut self, id: &Frame, pipe: PipeId) {
        if self.pipes.get(id) == Some(&pipe) {
            self.pipes.remove(id);
        }
    }

    pub(crate) fn pipes(&self) -> impl Iterator<Item = PipeId> {
        self.pipes.values().copied()
    }
}
