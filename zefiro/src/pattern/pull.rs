//! PULL: messages from the peers in turn.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::arrival::Arrival;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;

/// A fair queue, and nothing else.
#[derive(Default)]
pub(crate) struct Pull {
    queue: FairQueue,
}

impl Pattern for Pull {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.ended(pipes, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, _pipes: &mut Pipes, _options: &Options, _message: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    #[inline]
    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        self.queue.next_counted(pipes, out).map(drop).ok_or(Refusal::WouldBlock)
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.queue.has_message(pipes)
    }

    fn pass_turn_again(&mut self, id: PipeId) {
        self.queue.pass_again(id);
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        false
    }

    fn admits(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        Err(Refusal::Unsupported)
    }

    #[inline]
    fn recv_swiftly(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut impl Arrival) -> bool {
        self.queue.next_swiftly::<true>(pipes, out).is_some()
    }

    fn recv_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        _options: &Options,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> bool {
        self.queue.next_parts_swiftly::<true>(pipes, first, rest).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn swiftly_peers_are_read_in_turn_as_well() {
        let long = "x".repeat(70);
        let mut bench = Bench::new(Pull::default());
        let (one, other) = (bench.attach(), bench.attach());
        bench.arrive_together(one, &["a1", "a2", "a3", &long]);
        bench.arrive_together(other, &["b1", "b2", &long]);
        let received: Vec<_> = std::iter::from_fn(|| bench.recv_swiftly()).collect();
        assert_eq!(received, ["a1", "b1", "a2", "b2", "a3"]);
        assert_eq!(bench.recv().unwrap(), long.as_str());
    }

    #[test]
    fn peers_are_read_in_turn() {
        let mut bench = Bench::new(Pull::default());
        let (one, other) = (bench.attach(), bench.attach());
        for text in ["a1", "a2", "a3"] {
            bench.arrive(one, text);
        }
        bench.arrive(other, "b1");
        let order: Vec<Message> = std::iter::from_fn(|| bench.recv().ok()).collect();
        assert_eq!(order, ["a1", "b1", "a2", "a3"].map(Message::from));
        bench.arrive(other, "b2");
        assert_eq!(bench.recv().unwrap(), "b2");
    }

    #[test]
    fn a_first_part_is_refused_at_once() {
        let mut bench = Bench::new(Pull::default());
        bench.attach();
        let refused = bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("part"));
        assert_eq!(refused, Err(Refusal::Unsupported));
    }
}
