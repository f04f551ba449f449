//! PAIR: one peer, both ways.

use std::collections::VecDeque;

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::arrival::Arrival;
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};

/// The one peer, and while it is there no other.
#[derive(Default)]
pub(crate) struct Pair {
    peer: Option<PipeId>,
    /// Peers that are gone, with messages not yet read; the first one first.
    gone: VecDeque<PipeId>,
}

impl Pair {
    /// Whom to read: those that are gone before the one that is there.
    #[inline]
    fn next_peer(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        while let Some(&gone) = self.gone.front() {
            if pipes.has_message(gone) {
                return Some(gone);
            }
            self.gone.pop_front();
        }
        self.peer
    }
}

impl Pattern for Pair {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if self.peer.is_some() {
            pipes.close(id);
        } else {
            self.peer = Some(id);
        }
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if self.peer == Some(id) {
            self.peer = None;
            if pipes.has_message(id) {
                self.gone.push_back(id);
            }
        }
    }

    fn on_readable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        match self.peer {
            Some(peer) if pipes.has_room(peer) => {
                pipes.write(peer, message);
                Ok(())
            }
            _ => Err(Refusal::WouldBlock),
        }
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let peer = self.next_peer(pipes).ok_or(Refusal::WouldBlock)?;
        if !pipes.read(peer, out) {
            return Err(Refusal::WouldBlock);
        }
        pipes.count_received(peer, out.byte_len());
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.next_peer(pipes).is_some_and(|peer| pipes.has_message(peer))
    }

    fn can_send(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.peer.is_some_and(|peer| pipes.has_room(peer))
    }

    fn admits(&mut self, pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        let peer = self.peer.filter(|peer| pipes.has_room(*peer));
        peer.map(Recipient::Peer).ok_or(Refusal::WouldBlock)
    }

    #[inline]
    fn send_swiftly(&mut self, pipes: &mut Pipes, _options: &Options, part: &(impl Part + ?Sized)) -> bool {
        self.peer.is_some_and(|peer| pipes.write_swiftly(peer, part))
    }

    #[inline]
    fn recv_swiftly(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut impl Arrival) -> bool {
        self.gone.is_empty() && self.peer.is_some_and(|peer| pipes.read_swiftly::<true>(peer, out))
    }

    fn admits_swiftly(&mut self, pipes: &mut Pipes, _options: &Options, _first: &[u8]) -> Option<Recipient> {
        self.peer.filter(|peer| pipes.has_room(*peer)).map(Recipient::Peer)
    }

    fn send_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        _options: &Options,
        recipient: Recipient,
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        self.peer.is_some_and(|id| recipient == Recipient::Peer(id) && pipes.write_parts_swiftly(id, head, 0, last))
    }

    fn recv_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        _options: &Options,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> bool {
        self.gone.is_empty()
            && self.peer.is_some_and(|peer| pipes.read_parts_swiftly::<true>(peer, first, rest).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn a_second_peer_is_turned_away_and_a_third_welcome_when_the_first_is_gone() {
        let mut bench = Bench::new(Pair::default());
        let first = bench.attach();
        let second = bench.attach();
        assert!(bench.pipes.is_open(first) && !bench.pipes.is_open(second));
        bench.end(first);
        let third = bench.attach();
        bench.send("hello").unwrap();
        assert_eq!(bench.sent(third), ["hello"]);
    }

    #[test]
    fn what_several_gone_peers_sent_is_read_in_their_order() {
        let mut bench = Bench::new(Pair::default());
        for text in ["first", "second"] {
            let peer = bench.attach();
            bench.arrive(peer, text);
            bench.end(peer);
        }
        let there = bench.attach();
        bench.arrive(there, "third");
        let order: Vec<Message> = std::iter::from_fn(|| bench.recv().ok()).collect();
        assert_eq!(order, ["first", "second", "third"].map(Message::from));
        assert!(bench.pattern.gone.is_empty());
    }

    #[test]
    fn what_a_gone_peer_sent_is_still_read() {
        let mut bench = Bench::new(Pair::default());
        let first = bench.attach();
        bench.arrive(first, "last words");
        bench.end(first);
        assert_eq!(bench.recv().unwrap(), "last words");
        assert!(bench.recv().is_err());
    }
}
