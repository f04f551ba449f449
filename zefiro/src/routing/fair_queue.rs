//! FairQueue: the next message, taking the pipes that have some in turn.

use zmtp::Place;

use crate::message::Message;
use crate::pipe::{PipeId, Pipes};

/// Pipes that may have messages. One found empty is forgotten until it is readable again, and the last takes its place: so
/// it is in libzmq, whose users see the order.
#[derive(Default)]
pub(crate) struct FairQueue {
    ready: Vec<PipeId>,
    /// Whose turn it is; 0 if there are none.
    turn: usize,
}

impl FairQueue {
    /// The pipe has messages, or is new: its turn is after those that came before it, whoever sends first.
    pub(crate) fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if pipes.list(id, true) {
            if self.ready.len() == self.ready.capacity() {
                self.forget_gone(pipes);
            }
            self.ready.push(id);
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
        let id = *self.ready.get(self.turn)?;
        if !pipes.read_swiftly::<COUNT>(id, out) {
            return None;
        }
        self.pass_turn();
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
            let id = *self.ready.get(self.turn)?;
            if read(pipes, id, out) {
                if self.ready.len() > 1 {
                    pipes.trickle = 0;
                }
                self.pass_turn();
                return Some(id);
            }
            self.forget_at(pipes, self.turn);
        }
    }

    /// Whether there is a message.
    pub(crate) fn has_message(&mut self, pipes: &mut Pipes) -> bool {
        while let Some(&id) = self.ready.get(self.turn) {
            if pipes.has_message(id) {
                return true;
            }
            self.forget_at(pipes, self.turn);
        }
        false
    }

    /// The pipe is no longer read, whatever it has.
    pub(crate) fn forget(&mut self, pipes: &mut Pipes, id: PipeId) {
        if let Some(place) = self.ready.iter().position(|ready| *ready == id) {
            self.forget_at(pipes, place);
        }
    }

    #[inline]
    fn pass_turn(&mut self) {
        self.turn += 1;
        if self.turn >= self.ready.len() {
            self.turn = 0;
        }
    }

    /// The program may never look: pipes that are gone by now leave before the list grows.
    #[cold]
    fn forget_gone(&mut self, pipes: &Pipes) {
        let (mut place, turn) = (0, self.turn);
        self.ready.retain(|id| {
            let is_there = pipes.get(*id).is_some();
            self.turn -= usize::from(!is_there && place < turn);
            place += 1;
            is_there
        });
        if self.turn >= self.ready.len() {
            self.turn = 0;
        }
        // At least as many again fit before the next time.
        self.ready.reserve(self.ready.len() + 1);
    }

    fn forget_at(&mut self, pipes: &mut Pipes, place: usize) {
        let Some(&id) = self.ready.get(place) else { return };
        self.ready.swap_remove(place);
        pipes.list(id, false);
        if self.turn >= self.ready.len() {
            self.turn = 0;
        }
    }
}
