//! PUSH: messages to the peers in turn.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};
use crate::routing::load_balancer::LoadBalancer;

/// A load balancer, and nothing else.
#[derive(Default)]
pub(crate) struct Push {
    balancer: LoadBalancer,
}

impl Pattern for Push {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.attached(pipes, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.ended(pipes, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        // A peer of PUSH has nothing to say; what it says anyway is read up to the mark, and ignored.
        let mut ignored = Message::new();
        while pipes.read(id, &mut ignored) {
            pipes.count_dropped(DropReason::Filtered, 1);
        }
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.writable(id);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if self.balancer.send(pipes, message) { Ok(()) } else { Err(Refusal::WouldBlock) }
    }

    fn recv(&mut self, _pipes: &mut Pipes, _options: &Options, _out: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    fn can_recv(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        false
    }

    fn can_send(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.balancer.pick(pipes).is_some()
    }

    fn admits(&mut self, pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        self.balancer.pick(pipes).map(Recipient::Peer).ok_or(Refusal::WouldBlock)
    }

    #[inline]
    fn send_swiftly(&mut self, pipes: &mut Pipes, _options: &Options, part: &(impl Part + ?Sized)) -> bool {
        self.balancer.send_swiftly(pipes, part)
    }

    fn admits_swiftly(&mut self, pipes: &mut Pipes, _options: &Options, _first: &[u8]) -> Option<Recipient> {
        self.balancer.pick_swiftly(pipes).map(Recipient::Peer)
    }

    fn send_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        _options: &Options,
        recipient: Recipient,
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        self.balancer.send_parts_swiftly(pipes, recipient, head, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn peers_take_turns_and_a_full_one_is_left_out() {
        let mut bench = Bench::new(Push::default());
        bench.pipes.send_mark = 2;
        let (one, other) = (bench.attach(), bench.attach());
        for text in ["1", "2", "3", "4"] {
            bench.send(text).unwrap();
        }
        let (refusal, message) = bench.send("5").unwrap_err();
        assert_eq!((refusal, message), (Refusal::WouldBlock, Message::from("5")));
        assert_eq!(bench.sent(one), ["1", "3"]);
        bench.writable(one);
        bench.send("5").unwrap();
        assert_eq!(bench.sent(one), ["5"]);
        assert_eq!(bench.sent(other), ["2", "4"]);
    }
}
