//! REP: a request, then its reply, in strict turn (RFC 28).

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::{Message, clear_frames};
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;

/// Whose turn it is, and where the reply must go.
pub(crate) struct Rep {
    queue: FairQueue,
    /// The peer that asked, while a reply is due.
    asked_by: Option<PipeId>,
    /// Whom a request is from that was found while looking whether there is one, and how long it was with its envelope.
    found: Option<(PipeId, usize)>,
    /// The envelope of that request, or of the one that a reply is due to.
    envelope: Vec<Frame>,
    /// The body of a request that was found; or an empty message whose memory the next one takes.
    request: Message,
}

impl Rep {
    pub(crate) fn new() -> Rep {
        Rep { queue: FairQueue::default(), asked_by: None, found: None, envelope: Vec::new(), request: Message::new() }
    }

    fn find_request(&mut self, pipes: &mut Pipes) -> bool {
        while self.found.is_none() {
            let Some(id) = self.queue.find(pipes, &mut self.request) else { return false };
            let bytes = self.request.byte_len();
            if self.open_envelope() {
                self.found = Some((id, bytes));
            } else {
                self.queue.taken();
                self.request.clear();
                pipes.count_dropped(DropReason::Filtered, 1);
            }
        }
        true
    }

    /// Takes the frames up to the first empty one off the request; `false` if nothing follows them.
    fn open_envelope(&mut self) -> bool {
        let Some(delimiter) = self.request.frames().position(|frame| frame.is_empty()) else { return false };
        if delimiter + 1 >= self.request.frame_count() {
            return false;
        }
        let (first, rest) = self.request.parts_mut();
        self.envelope.push(std::mem::take(first));
        self.envelope.extend(rest.drain(..delimiter));
        *first = rest.remove(0);
        true
    }
}

impl Pattern for Rep {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.probe_router {
            pipes.write(id, &mut Message::new());
        }
        self.queue.readable(pipes, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.ended(pipes, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        let Some(id) = self.asked_by.take() else { return Err(Refusal::State) };
        if !pipes.is_open(id) {
            pipes.counters.sent_to_nobody(message.byte_len() as u64);
        } else if !pipes.has_room(id) {
            pipes.count_dropped(DropReason::HighWaterMark, 1);
        } else {
            pipes.write_with_envelope(id, &self.envelope, self.request.parts_mut().1, message);
        }
        clear_frames(&mut self.envelope);
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if self.asked_by.is_some() {
            return Err(Refusal::State);
        }
        if !self.find_request(pipes) {
            return Err(Refusal::WouldBlock);
        }
        let (from, bytes) = self.found.take().ok_or(Refusal::WouldBlock)?;
        self.queue.taken();
        pipes.count_received(from, bytes);
        self.asked_by = Some(from);
        self.request.move_to(out);
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.asked_by.is_none() && self.find_request(pipes)
    }

    fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }

    fn pass_turn_again(&mut self, id: PipeId) {
        self.queue.pass_again(id);
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        self.asked_by.is_some()
    }

    fn admits(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        if self.asked_by.is_some() { Ok(Recipient::Later) } else { Err(Refusal::State) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn the_reply_goes_back_with_the_whole_envelope() {
        let mut bench = Bench::new(Rep::new());
        let (one, other) = (bench.attach(), bench.attach());
        assert_eq!(bench.send("early").unwrap_err().0, Refusal::State);
        bench.arrive(other, ["hop1", "hop2", "", "question"]);
        assert_eq!(bench.recv().unwrap(), "question");
        assert_eq!(bench.recv(), Err(Refusal::State));
        bench.send("answer").unwrap();
        assert_eq!(bench.sent(other), [["hop1", "hop2", "", "answer"]]);
        assert!(bench.sent(one).is_empty());
    }

    #[test]
    fn what_is_no_request_is_dropped() {
        let mut bench = Bench::new(Rep::new());
        let peer = bench.attach();
        bench.arrive(peer, "no delimiter");
        bench.arrive(peer, ["nothing behind it", ""]);
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        assert_eq!(bench.pipes.counters.dropped.filtered, 2);
    }

    #[test]
    fn a_reply_to_a_peer_that_is_gone_is_dropped() {
        let mut bench = Bench::new(Rep::new());
        let peer = bench.attach();
        bench.arrive(peer, ["", "question"]);
        bench.recv().unwrap();
        bench.end(peer);
        bench.send("answer").unwrap();
        assert_eq!(bench.pipes.counters.dropped.peer_gone, 1);
    }
}
