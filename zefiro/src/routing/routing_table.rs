//! RoutingTable: routing id to pipe, and ids for peers that bring none.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use zmtp::Frame;

use crate::pipe::PipeId;

/// Who can be addressed by which routing id.
pub(crate) struct RoutingTable {
    pipes: HashMap<Frame, PipeId>,
    /// Found last, if its id is short: it is asked for again with each part of a message, and mostly with the next one.
    recent: Option<(Frame, PipeId)>,
    next: u32,
}

impl RoutingTable {
    /// An empty table; generated ids start at a random number.
    pub(crate) fn new() -> RoutingTable {
        RoutingTable { pipes: HashMap::new(), recent: None, next: RandomState::new().build_hasher().finish() as u32 }
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

    /// The pipe that has an id.
    pub(crate) fn get(&self, id: &[u8]) -> Option<PipeId> {
        self.pipes.get(id).copied()
    }

    /// As [`get`](RoutingTable::get), for who is likely to ask again.
    #[inline]
    pub(crate) fn find(&mut self, id: &[u8]) -> Option<PipeId> {
        match &self.recent {
            Some((recent, pipe)) if recent.as_slice() == id => Some(*pipe),
            _ => self.look_up(id),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, id: &[u8]) -> Option<PipeId> {
        let pipe = self.get(id)?;
        if id.len() <= Frame::INLINE_MAX {
            self.recent = Some((Frame::copy_from_slice(id), pipe));
        }
        Some(pipe)
    }

    /// Gives `id` to a pipe; answers the one that had it.
    pub(crate) fn insert(&mut self, id: Frame, pipe: PipeId) -> Option<PipeId> {
        self.recent = None;
        self.pipes.insert(id, pipe)
    }

    /// Takes the id away, if it is this pipe's.
    pub(crate) fn remove(&mut self, id: &Frame, pipe: PipeId) {
        if self.pipes.get(id) == Some(&pipe) {
            self.recent = None;
            self.pipes.remove(id);
        }
    }

    pub(crate) fn pipes(&self) -> impl Iterator<Item = PipeId> {
        self.pipes.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_last_is_found_as_long_as_it_is_there() {
        let pipe = |index| PipeId { index, generation: 1 };
        let long = Frame::from(vec![7; Frame::INLINE_MAX + 1]);
        for id in [Frame::from("id"), long] {
            let mut table = RoutingTable::new();
            assert_eq!(table.find(&id), None);
            table.insert(id.clone(), pipe(1));
            table.insert("other".into(), pipe(2));
            assert_eq!(
                [table.find(&id), table.find(&id), table.find(b"other")],
                [Some(pipe(1)), Some(pipe(1)), Some(pipe(2))]
            );
            // Another has the id now; who had it cannot take it away.
            assert_eq!(table.insert(id.clone(), pipe(3)), Some(pipe(1)));
            assert_eq!(table.find(&id), Some(pipe(3)));
            table.remove(&id, pipe(1));
            assert_eq!(table.find(&id), Some(pipe(3)));
            table.remove(&id, pipe(3));
            assert_eq!([table.find(&id), table.find(b"other")], [None, Some(pipe(2))]);
        }
    }
}
