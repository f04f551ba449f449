//! NamedQueue: the next message in turn, with its peer's name in front; and it stays once it was announced.

use zmtp::Frame;

use super::fair_queue::FairQueue;
use crate::arrival::Arrival;
use crate::message::Message;
use crate::pipe::{PipeId, Pipes};

/// A fair queue of peers with names.
#[derive(Default)]
pub(crate) struct NamedQueue {
    queue: FairQueue,
    /// A message found while looking whether there is one. The program was told of it and will get it, even if it ends the
    /// connection in between, or another peer takes the name over.
    found: Option<(PipeId, Message)>,
}

impl NamedQueue {
    /// The pipe has messages.
    pub(crate) fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    /// The pipe is no longer read, whatever it has.
    pub(crate) fn forget(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.forget(pipes, id);
    }

    /// As [of the queue](FairQueue::ended).
    pub(crate) fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        self.queue.ended(pipes, id);
    }

    /// Puts the next message in `out`, and answers where it came from.
    #[inline]
    pub(crate) fn next(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        if let Some((id, message)) = self.found.take() {
            *out = message;
            self.queue.taken();
            return Some(id);
        }
        let id = self.queue.next(pipes, out)?;
        out.push_front(pipes.routing_id(id));
        Some(id)
    }

    /// As [of the queue](FairQueue::next_swiftly): without the name.
    #[inline(always)]
    pub(crate) fn next_swiftly<const COUNT: bool>(
        &mut self,
        pipes: &mut Pipes,
        out: &mut impl Arrival,
    ) -> Option<PipeId> {
        if self.found.is_some() {
            return None;
        }
        self.queue.next_swiftly::<COUNT>(pipes, out)
    }

    /// The same, of a message of several parts.
    pub(crate) fn next_parts_swiftly<const COUNT: bool>(
        &mut self,
        pipes: &mut Pipes,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> Option<PipeId> {
        if self.found.is_some() {
            return None;
        }
        self.queue.next_parts_swiftly::<COUNT>(pipes, first, rest).map(|(id, _)| id)
    }

    /// Whether there is a message.
    pub(crate) fn has_message(&mut self, pipes: &mut Pipes) -> bool {
        if self.found.is_none() {
            let mut message = Message::new();
            if let Some(id) = self.queue.find(pipes, &mut message) {
                message.push_front(pipes.routing_id(id));
                self.found = Some((id, message));
            }
        }
        self.found.is_some()
    }

    /// As [of the queue](FairQueue::pass_again).
    pub(crate) fn pass_again(&mut self, id: PipeId) {
        self.queue.pass_again(id);
    }

    /// Whom the message is from that was found, and is in no queue any more.
    pub(crate) fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }
}
