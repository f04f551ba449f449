//! DISH: messages of the groups joined.

use std::collections::HashSet;

use zmtp::Frame;

use super::radio::GROUP_BYTES_MAX;
use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;

/// A fair queue in; joins and leaves out to all.
#[derive(Default)]
pub(crate) struct Dish {
    queue: FairQueue,
    groups: HashSet<Frame>,
    peers: Vec<PipeId>,
    /// A message found while looking whether there is one.
    found: Option<(PipeId, Message)>,
}

impl Dish {
    /// The next message of a group joined. What is no group and one part ends the connection.
    fn next(&mut self, pipes: &mut Pipes) -> Option<(PipeId, Message)> {
        if let Some(found) = self.found.take() {
            return Some(found);
        }
        loop {
            let mut message = Message::new();
            let id = self.queue.next(pipes, &mut message)?;
            if message.frame_count() != 2 || message.first().len() > GROUP_BYTES_MAX {
                pipes.close(id);
            } else if self.groups.contains(message.first()) {
                return Some((id, message));
            }
            pipes.count_dropped(DropReason::Filtered, 1);
        }
    }
}

impl Pattern for Dish {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.peers.push(id);
        self.queue.readable(pipes, id);
    }

    fn on_connected(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        for group in &self.groups {
            pipes.write_group(id, true, group);
        }
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.peers.retain(|peer| *peer != id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, _pipes: &mut Pipes, _options: &Options, _message: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let (id, message) = self.next(pipes).ok_or(Refusal::WouldBlock)?;
        pipes.count_received(id, message.byte_len());
        *out = message;
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.found = self.next(pipes);
        self.found.is_some()
    }

    fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }

    /// As in libzmq, which thinks of joining here.
    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn admits(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        Err(Refusal::Unsupported)
    }

    fn join(&mut self, pipes: &mut Pipes, group: &[u8]) -> Result<(), Refusal> {
        if group.len() > GROUP_BYTES_MAX || !self.groups.insert(Frame::from(group)) {
            return Err(Refusal::InvalidMessage);
        }
        for &peer in &self.peers {
            pipes.write_group(peer, true, group);
        }
        Ok(())
    }

    fn leave(&mut self, pipes: &mut Pipes, group: &[u8]) -> Result<(), Refusal> {
        if !self.groups.remove(group) {
            return Err(Refusal::InvalidMessage);
        }
        for &peer in &self.peers {
            pipes.write_group(peer, false, group);
        }
        Ok(())
    }

    fn topics(&self) -> usize {
        self.groups.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;
    use crate::routing::request::group_message;

    #[test]
    fn only_groups_joined_are_received_and_peers_are_told_of_each_change() {
        let mut bench = Bench::new(Dish::default());
        bench.pattern.join(&mut bench.pipes, b"tv").unwrap();
        assert_eq!(bench.pattern.join(&mut bench.pipes, b"tv"), Err(Refusal::InvalidMessage));
        assert_eq!(bench.pattern.join(&mut bench.pipes, &[b'x'; 256]), Err(Refusal::InvalidMessage));
        let (radio, mut heard) = bench.attach_duct(10);
        bench.pattern.leave(&mut bench.pipes, b"tv").unwrap();
        assert_eq!(bench.pattern.leave(&mut bench.pipes, b"tv"), Err(Refusal::InvalidMessage));
        bench.pattern.join(&mut bench.pipes, b"radio").unwrap();
        let told = [(true, "tv"), (false, "tv"), (true, "radio")];
        assert_eq!(heard.read(), told.map(|(join, group)| group_message(join, group.as_bytes())));
        bench.arrive(radio, ["tv", "not any more"]);
        bench.arrive(radio, ["radio", "news"]);
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        assert_eq!(bench.recv().unwrap(), ["radio", "news"]);
        bench.arrive(radio, "no group");
        assert!(bench.recv().is_err() && !bench.pipes.is_open(radio));
    }
}
