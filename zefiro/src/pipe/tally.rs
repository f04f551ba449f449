//! What is counted of each message, for its pipe and for the socket: see [`Counters`].

use super::{Line, Pipe, PipeId, Pipes};
use crate::counters::{Counters, DropReason};

impl Pipes {
    /// Where what is sent and received of a pipe is counted: there, as long as it is there.
    #[inline]
    fn counters_of(&mut self, id: PipeId) -> &mut Counters {
        let Pipes { slots, counters, .. } = self;
        match slots.get_mut(id.index as usize).filter(|pipe| pipe.generation == id.generation) {
            Some(pipe) => &mut pipe.counters,
            None => counters,
        }
    }

    /// The counters of the socket, but for what is queued.
    pub(crate) fn counters_of_all(&mut self) -> Counters {
        self.catch_up();
        let mut counters = self.counters;
        for (_, pipe) in &self.slots {
            counters.add_traffic(&pipe.counters);
        }
        counters
    }

    /// The program was handed a message of this pipe.
    #[inline]
    pub(crate) fn count_received(&mut self, id: PipeId, bytes: usize) {
        self.last_received = Some(id);
        self.counters_of(id).received(bytes as u64);
    }

    /// How far the program has read: the pipe that was read last, and how many messages of it.
    pub(crate) fn read_so_far(&self) -> Option<(PipeId, u64)> {
        let id = self.last_received()?;
        Some((id, self.get(id)?.counters.received))
    }

    /// A message of so many bytes was queued for the peer by the engine itself.
    pub(crate) fn count_sent(&mut self, id: PipeId, bytes: Option<usize>) {
        let Some(bytes) = bytes else { return };
        self.counters_of(id).sent(bytes as u64);
    }

    /// The program was handed something of this pipe that is no message of the peer's, and does not count.
    pub(crate) fn note_received(&mut self, id: PipeId) {
        self.last_received = Some(id);
        self.unarrived(id);
    }

    /// What was read of this pipe is not for the program, but for the pattern.
    pub(crate) fn unarrived(&mut self, id: PipeId) {
        self.counters.unarrived(1);
        if let Some(pipe) = self.get_mut(id) {
            pipe.counters.unarrived(1);
        }
    }

    /// Messages arrived that nobody is going to read.
    pub(crate) fn count_unread(&mut self, messages: usize) {
        self.counters.arrived += messages as u64;
        self.counters.drop(DropReason::Unread, messages as u64);
    }

    /// The kernel has taken messages of this pipe.
    pub(crate) fn count_delivered(&mut self, id: PipeId, messages: u64) {
        self.counters.delivered += messages;
        if let Some(pipe) = self.get_mut(id) {
            pipe.counters.delivered += messages;
        }
    }

    /// The message counted last, of so many bytes, was found, but is not received yet. Answers whose it is.
    pub(crate) fn take_back_received(&mut self, bytes: usize) -> Option<PipeId> {
        let id = self.last_received?;
        self.counters_of(id).unreceived(bytes as u64);
        Some(id)
    }

    /// The message counted last, of so many bytes, was not for the program: it counts as dropped instead.
    pub(crate) fn refuse_received(&mut self, bytes: usize) {
        self.take_back_received(bytes);
        self.counters.drop(DropReason::Filtered, 1);
    }

    /// Messages that came and went nowhere.
    pub(crate) fn count_dropped(&mut self, reason: DropReason, messages: u64) {
        self.counters.drop(reason, messages);
    }
}

impl Pipe {
    /// Its counters, with what is queued now; `one_is_found` of it, and in no queue any more.
    pub(crate) fn counters_now(&self, one_is_found: bool) -> Counters {
        let mut counters = self.counters;
        self.add_to(&mut counters);
        counters.queued_in += u64::from(one_is_found);
        counters
    }

    /// Adds what is known now to what was counted before.
    pub(crate) fn add_to(&self, counters: &mut Counters) {
        counters.queued_out += self.queued_messages();
        counters.queued_in += self.queued_in() as u64;
        self.add_duct_to(counters);
    }

    pub(super) fn add_duct_to(&self, counters: &mut Counters) {
        let Line::Duct(writer, reader, _) = &self.line else { return };
        let fate = writer.fate();
        counters.delivered += fate.delivered;
        counters.drop(DropReason::PeerGone, fate.lost);
        counters.drop(DropReason::Conflated, fate.superseded);
        counters.drop(DropReason::Unread, reader.unread());
    }
}
