//! DEALER: to the peers in turn, from the peers in turn.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::arrival::Arrival;
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::load_balancer::LoadBalancer;

/// A load balancer out, a fair queue in.
#[derive(Default)]
pub(crate) struct Dealer {
    balancer: LoadBalancer,
    queue: FairQueue,
}

impl Pattern for Dealer {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.probe_router {
            pipes.write(id, &mut Message::new());
        }
        self.balancer.attached(pipes, id);
        self.queue.readable(pipes, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        // Whom its peer has left keeps its place, as in libzmq, until it is found at its end, or without room.
        if pipes.get(id).is_none_or(|pipe| pipe.closing) {
            self.balancer.ended(pipes, id);
        }
        self.queue.ended(pipes, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.writable(id);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if self.balancer.send(pipes, message) { Ok(()) } else { Err(Refusal::WouldBlock) }
    }

    #[inline]
    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let Dealer { balancer, queue } = self;
        let left = |pipes: &Pipes, id| balancer.ended(pipes, id);
        queue.next_counted_telling(pipes, out, left).map(drop).ok_or(Refusal::WouldBlock)
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        let Dealer { balancer, queue } = self;
        queue.has_message_telling(pipes, |pipes, id| balancer.ended(pipes, id))
    }

    fn pass_turn_again(&mut self, id: PipeId) {
        self.queue.pass_again(id);
    }

    fn can_send(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.balancer.pick(pipes).is_some()
    }

    fn admits(&mut self, pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        self.balancer.pick(pipes).map(Recipient::Peer).ok_or(Refusal::WouldBlock)
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
    fn peers_take_turns_both_ways_and_messages_are_left_as_they_are() {
        let mut bench = Bench::new(Dealer::default());
        let (one, other) = (bench.attach(), bench.attach());
        bench.send(["", "1"]).unwrap();
        bench.send(["", "2"]).unwrap();
        assert_eq!(bench.sent(one), [["", "1"]]);
        assert_eq!(bench.sent(other), [["", "2"]]);
        bench.arrive(one, ["", "a1"]);
        bench.arrive(one, ["", "a2"]);
        bench.arrive(other, ["", "b1"]);
        for expected in ["a1", "b1", "a2"] {
            assert_eq!(bench.recv().unwrap(), ["", expected]);
        }
    }

    #[test]
    fn a_gone_peer_gets_nothing_and_what_it_sent_is_still_read() {
        let mut bench = Bench::new(Dealer::default());
        let (gone, there) = (bench.attach(), bench.attach());
        bench.arrive(gone, "last words");
        bench.end(gone);
        bench.send("1").unwrap();
        bench.send("2").unwrap();
        assert_eq!(bench.sent(there), ["1", "2"]);
        assert_eq!(bench.recv().unwrap(), "last words");
    }

    #[test]
    fn routers_are_probed_on_demand() {
        let mut bench = Bench::new(Dealer::default());
        bench.options.probe_router = true;
        let peer = bench.attach();
        assert_eq!(bench.sent(peer), [""]);
    }

    #[test]
    fn whom_its_peer_has_left_keeps_its_place_for_a_turn() {
        let mut bench = Bench::new(Dealer::default());
        let peers = [(); 4].map(|()| bench.attach());
        for peer in &peers[..3] {
            bench.send("x").unwrap();
            assert_eq!(bench.sent(*peer), ["x"]);
        }
        bench.arrive(peers[0], "unread");
        bench.end(peers[2]);
        for place in [3, 0, 1, 3] {
            bench.send("x").unwrap();
            assert_eq!(bench.sent(peers[place]), ["x"], "{place}");
        }
    }
}
