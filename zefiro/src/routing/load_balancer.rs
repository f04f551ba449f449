//! LoadBalancer: the next pipe with room, in turn.

use std::collections::VecDeque;

use crate::pipe::{PipeId, Pipes};

/// Pipes that may have room, the next one first. A full pipe leaves, and comes back last when it has room again.
#[derive(Default)]
pub(crate) struct LoadBalancer {
    active: VecDeque<PipeId>,
}

impl LoadBalancer {
    /// The pipe is new, or has room again.
    pub(crate) fn writable(&mut self, id: PipeId) {
        if !self.active.contains(&id) {
            self.active.push_back(id);
        }
    }

    /// The pipe is not to be written to any more.
    pub(crate) fn ended(&mut self, id: PipeId) {
        self.active.retain(|other| *other != id);
    }

    /// The pipe whose turn it is.
    #[inline]
    pub(crate) fn pick(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        loop {
            let id = *self.active.front()?;
            if pipes.has_room(id) {
                return Some(id);
            }
            self.active.pop_front();
        }
    }

    /// The pipe picked got a whole message: it is the next one's turn.
    #[inline]
    pub(crate) fn turn(&mut self) {
        if self.active.len() > 1 {
            self.active.rotate_left(1);
        }
    }
}
