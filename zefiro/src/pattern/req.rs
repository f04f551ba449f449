//! REQ: a request, then its reply, in strict turn (RFC 28).

use std::hash::{BuildHasher, Hasher, RandomState};

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{Line, Pipe, PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::load_balancer::LoadBalancer;

/// Whose turn it is, and whom the reply must come from.
pub(crate) struct Req {
    balancer: LoadBalancer,
    queue: FairQueue,
    awaiting: bool,
    /// The peer that was asked; none once it is gone: then anybody may answer. It is [`NOBODY`] if it was disconnected before
    /// it was there: a request to an inproc name that nobody had bound can come back, to who binds that himself.
    asked: Option<PipeId>,
    request_id: u32,
    /// The first part of a request has come: what lay around then is dropped.
    begun: bool,
    /// Whom a reply is from that was found while looking whether there is one, and how long it was with its envelope.
    found: Option<(PipeId, usize)>,
    /// That reply, without its envelope; or an empty message whose memory the next one takes.
    reply: Message,
}

impl Req {
    pub(crate) fn new() -> Req {
        Req {
            balancer: LoadBalancer::default(),
            queue: FairQueue::default(),
            awaiting: false,
            asked: None,
            request_id: RandomState::new().build_hasher().finish() as u32,
            begun: false,
            found: None,
            reply: Message::new(),
        }
    }

    /// Replies to earlier requests that lie around are not for the next one.
    fn drop_stale(&mut self, pipes: &mut Pipes) {
        let mut stale = self.found.take().is_some();
        while stale || self.queue.next(pipes, &mut self.reply).is_some() {
            pipes.count_dropped(DropReason::Filtered, 1);
            self.reply.clear();
            stale = false;
        }
    }

    /// Before a request: the reply to the one before is given up, if the options allow that, whether or not the new one
    /// finds a peer.
    fn give_up_reply(&mut self, options: &Options) -> Result<(), Refusal> {
        if self.awaiting && !options.req_relaxed {
            return Err(Refusal::State);
        }
        self.awaiting = false;
        Ok(())
    }

    /// Looks for the reply among what has come; drops what is not it.
    fn find_reply(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        while self.found.is_none() {
            let Some(id) = self.queue.next(pipes, &mut self.reply) else { return false };
            let expected = self.asked.is_none_or(|asked| asked == id);
            let bytes = self.reply.byte_len();
            if self.unwrap_reply(options) && expected {
                self.found = Some((id, bytes));
            } else {
                self.reply.clear();
                pipes.count_dropped(DropReason::Filtered, 1);
            }
        }
        true
    }

    /// Takes the envelope off; `false` if it is not the one expected.
    fn unwrap_reply(&mut self, options: &Options) -> bool {
        if options.req_correlate && self.reply.pop_front().is_none_or(|id| id != &self.request_id.to_ne_bytes()) {
            return false;
        }
        self.reply.pop_front().is_some_and(|delimiter| delimiter.is_empty())
    }
}

impl Pattern for Req {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.probe_router {
            pipes.write(id, &mut Message::new());
        }
        self.balancer.attached(pipes, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.ended(pipes, id);
        if self.asked == Some(id) {
            let is_to_come = |pipe: &Pipe| pipe.is_within_process() && matches!(pipe.line, Line::Backlog(_));
            self.asked = pipes.get(id).is_some_and(is_to_come).then_some(NOBODY);
        }
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.writable(id);
    }

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        self.give_up_reply(options)?;
        let Some(id) = self.balancer.pick(pipes) else { return Err(Refusal::WouldBlock) };
        if !std::mem::take(&mut self.begun) {
            self.drop_stale(pipes);
        }
        // A reply that was found keeps its own.
        let list = if self.found.is_none() { self.reply.parts_mut().1 } else { &mut Vec::new() };
        if options.req_correlate {
            self.request_id = self.request_id.wrapping_add(1);
            let id_frame = Frame::from(&self.request_id.to_ne_bytes());
            pipes.write_with_envelope(id, &[id_frame, Frame::new()], list, message);
        } else {
            pipes.write_with_envelope(id, &[Frame::new()], list, message);
        }
        self.balancer.turn();
        self.asked = Some(id);
        self.awaiting = true;
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if !self.awaiting {
            return Err(Refusal::State);
        }
        if !self.find_reply(pipes, options) {
            return Err(Refusal::WouldBlock);
        }
        let (from, bytes) = self.found.take().ok_or(Refusal::WouldBlock)?;
        self.awaiting = false;
        self.asked = None;
        pipes.count_received(from, bytes);
        self.reply.move_to(out);
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        self.awaiting && self.find_reply(pipes, options)
    }

    fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }

    fn can_send(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        (!self.awaiting || options.req_relaxed) && self.balancer.pick(pipes).is_some()
    }

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        self.give_up_reply(options)?;
        let peer = self.balancer.pick(pipes).ok_or(Refusal::WouldBlock)?;
        self.drop_stale(pipes);
        self.begun = true;
        Ok(Recipient::Peer(peer))
    }

    /// The request counts as made: as with one that was lost on its way, nobody will answer.
    fn recipient_gone(&mut self) {
        self.begun = false;
        self.asked = None;
        self.awaiting = true;
    }
}

/// No pipe of the socket.
const NOBODY: PipeId = PipeId { index: u32::MAX, generation: u32::MAX };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn requests_and_replies_take_turns() {
        let mut bench = Bench::new(Req::new());
        let peer = bench.attach();
        assert_eq!(bench.recv(), Err(Refusal::State));
        bench.send("question").unwrap();
        assert_eq!(bench.sent(peer), [["", "question"]]);
        assert_eq!(bench.send("again").unwrap_err().0, Refusal::State);
        bench.arrive(peer, ["", "answer"]);
        assert_eq!(bench.recv().unwrap(), "answer");
        bench.send("next").unwrap();
    }

    #[test]
    fn only_the_peer_asked_may_answer_and_only_in_the_right_shape() {
        let mut bench = Bench::new(Req::new());
        let (asked, other) = (bench.attach(), bench.attach());
        bench.send("question").unwrap();
        bench.arrive(other, ["", "wrong peer"]);
        bench.arrive(asked, ["no delimiter", "x"]);
        bench.arrive(asked, ["", "right"]);
        assert_eq!(bench.recv().unwrap(), "right");
        assert_eq!(bench.pipes.counters.dropped.filtered, 2);
    }

    #[test]
    fn relaxed_and_correlated_a_late_reply_is_dropped() {
        let mut bench = Bench::new(Req::new());
        (bench.options.req_relaxed, bench.options.req_correlate) = (true, true);
        let peer = bench.attach();
        bench.send("first").unwrap();
        bench.send("second").unwrap();
        let ids: Vec<Frame> = bench.sent(peer).iter().map(|message| message[0].clone()).collect();
        assert_ne!(ids[0], ids[1]);
        for (id, text) in ids.iter().zip(["late", "in time"]) {
            bench.arrive(peer, Message::from(vec![id.clone(), Frame::new(), Frame::from(text)]));
        }
        assert_eq!(bench.recv().unwrap(), "in time");
    }

    #[test]
    fn relaxed_a_request_that_finds_nobody_gives_up_the_one_before() {
        let mut bench = Bench::new(Req::new());
        bench.options.req_relaxed = true;
        let peer = bench.attach();
        bench.send("first").unwrap();
        bench.end(peer);
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        assert_eq!(bench.send("second").unwrap_err().0, Refusal::WouldBlock);
        assert_eq!(bench.recv(), Err(Refusal::State));
    }

    #[test]
    fn a_reply_seen_and_then_overtaken_by_a_new_request_counts_as_dropped() {
        let mut bench = Bench::new(Req::new());
        bench.options.req_relaxed = true;
        let peer = bench.attach();
        bench.send("first").unwrap();
        bench.arrive(peer, ["", "answer"]);
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        bench.send("second").unwrap();
        assert!(!bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        assert_eq!((bench.pipes.counters_of_all().received, bench.pipes.counters.dropped.filtered), (0, 1));
    }

    #[test]
    fn once_the_peer_asked_is_gone_anybody_may_answer() {
        let mut bench = Bench::new(Req::new());
        let (asked, other) = (bench.attach(), bench.attach());
        bench.send("question").unwrap();
        bench.end(asked);
        assert_eq!(bench.send("again").unwrap_err().0, Refusal::State);
        bench.arrive(other, ["", "answer"]);
        assert_eq!(bench.recv().unwrap(), "answer");
    }
}
