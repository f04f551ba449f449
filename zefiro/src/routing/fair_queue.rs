//! FairQueue: the next message, taking the pipes that have some in turn.

use std::collections::VecDeque;

use zmtp::Place;

use crate::message::Message;
use crate::pipe::{PipeId, Pipes};

/// Pipes that may have messages, the next one first. A pipe found empty is forgotten until it is readable again.
#[derive(Default)]
pub(crate) struct FairQueue {
    ready: VecDeque<PipeId>,
}

impl FairQueue {
    /// The pipe has messages.
    pub(crate) fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if pipes.list(id, true) {
            self.ready.push_back(id);
        }
    }

    /// Puts the next message in `out`, and answers where it came from.
    #[inline]
    pub(crate) fn next(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.next_by(pipes, out, Pipes::read)
    }

    /// As [`next`](FairQueue::next), for the program: the message counts as received.
    #[inline]
    pub(crate) fn next_counted(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.next_by(pipes, out, Pipes::read_counted)
    }

    /// As [`next_counted`](FairQueue::next_counted) or [`next`](FairQueue::next), if that is
    /// [simple](Pipes::read_swiftly).
    #[inline]
    pub(crate) fn next_swiftly<const COUNT: bool>(
        &mut self,
        pipes: &mut Pipes,
        out: &mut impl Place,
    ) -> Option<PipeId> {
        let id = *self.ready.front()?;
        if !pipes.read_swiftly::<COUNT>(id, out) {
            return None;
        }
        if self.ready.len() > 1 {
            self.ready.rotate_left(1);
        }
        Some(id)
    }

    #[inline]
    fn next_by(
        &mut self,
        pipes: &mut Pipes,
        out: &mut Message,
        read: impl Fn(&mut Pipes, PipeId, &mut Message) -> bool,
    ) -> Option<PipeId> {
        loop {
            let id = *self.ready.front()?;
            if read(pipes, id, out) {
                if self.ready.len() > 1 {
                    self.ready.rotate_left(1);
                    pipes.trickle = 0;
                }
                return Some(id);
            }
            self.forget_front(pipes, id);
        }
    }

    /// Whether there is a message.
    pub(crate) fn has_message(&mut self, pipes: &mut Pipes) -> bool {
        while let Some(&id) = self.ready.front() {
            if pipes.has_message(id) {
                return true;
            }
            self.forget_front(pipes, id);
        }
        false
    }

    /// The pipe is no longer read, whatever it has.
    pub(crate) fn forget(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.ready.retain(|ready| *ready != id);
        pipes.list(id, false);
    }

    fn forget_front(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.ready.pop_front();
        pipes.list(id, false);
    }
}
