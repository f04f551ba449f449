//! PAIR: one peer, both ways.

use super::{Pattern, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};

/// The one peer, and while it is there no other.
#[derive(Default)]
pub(crate) struct Pair {
    peer: Option<PipeId>,
    /// A peer that is gone, with messages not yet read.
    last: Option<PipeId>,
}

impl Pattern for Pair {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if self.peer.is_some() {
            pipes.close(id);
        } else {
            self.peer = Some(id);
        }
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if self.peer == Some(id) {
            self.last = self.peer.take();
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
        for peer in [self.last, self.peer].into_iter().flatten() {
            if pipes.read(peer, out) {
                pipes.count_received(peer, out.byte_len());
                return Ok(());
            }
        }
        self.last = None;
        Err(Refusal::WouldBlock)
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        [self.last, self.peer].into_iter().flatten().any(|peer| pipes.has_message(peer))
    }

    fn can_send(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.peer.is_some_and(|peer| pipes.has_room(peer))
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
    fn what_a_gone_peer_sent_is_still_read() {
        let mut bench = Bench::new(Pair::default());
        let first = bench.attach();
        bench.arrive(first, "last words");
        bench.end(first);
        assert_eq!(bench.recv().unwrap(), "last words");
        assert!(bench.recv().is_err());
    }
}
