//! REP: a request, then its reply, in strict turn (RFC 28).

use zmtp::Frame;

use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;

/// Whose turn it is, and where the reply must go.
pub(crate) struct Rep {
    queue: FairQueue,
    /// The peer that asked and its envelope, while a reply is due.
    asked_by: Option<(PipeId, Vec<Frame>)>,
    /// A request found while looking whether there is one.
    request: Option<Found>,
}

/// A request, whom it is from, and how long it was with its envelope.
struct Found {
    from: PipeId,
    bytes: usize,
    envelope: Vec<Frame>,
    body: Message,
}

impl Rep {
    pub(crate) fn new() -> Rep {
        Rep { queue: FairQueue::default(), asked_by: None, request: None }
    }

    fn find_request(&mut self, pipes: &mut Pipes) -> bool {
        while self.request.is_none() {
            let mut message = Message::new();
            let Some(id) = self.queue.next(pipes, &mut message) else { return false };
            let bytes = message.byte_len();
            match open_envelope(message) {
                Some((envelope, body)) => self.request = Some(Found { from: id, bytes, envelope, body }),
                None => pipes.count_dropped(DropReason::Filtered, 1),
            }
        }
        true
    }
}

/// The frames up to the first empty one, and what follows; `None` if nothing does.
fn open_envelope(message: Message) -> Option<(Vec<Frame>, Message)> {
    let count = message.frame_count();
    let delimiter = message.frames().position(|frame| frame.is_empty())?;
    if delimiter + 1 >= count {
        return None;
    }
    let mut frames = message.into_frames();
    let envelope = frames.by_ref().take(delimiter + 1).collect();
    Some((envelope, frames.collect()))
}

impl Pattern for Rep {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.probe_router {
            pipes.write(id, &mut Message::new());
        }
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        let Some((id, envelope)) = self.asked_by.take() else { return Err(Refusal::State) };
        if !pipes.is_open(id) {
            pipes.count_dropped(DropReason::PeerGone, 1);
        } else if !pipes.has_room(id) {
            pipes.count_dropped(DropReason::HighWaterMark, 1);
        } else {
            pipes.write_with_envelope(id, &envelope, message);
        }
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if self.asked_by.is_some() {
            return Err(Refusal::State);
        }
        if !self.find_request(pipes) {
            return Err(Refusal::WouldBlock);
        }
        let request = self.request.take().ok_or(Refusal::WouldBlock)?;
        pipes.count_received(request.from, request.bytes);
        self.asked_by = Some((request.from, request.envelope));
        *out = request.body;
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.asked_by.is_none() && self.find_request(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        self.asked_by.is_some()
    }

    fn admits(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<(), Refusal> {
        if self.asked_by.is_some() { Ok(()) } else { Err(Refusal::State) }
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
