//! SERVER and PEER: to the peer named by a number, from the peers in turn with their numbers.
//!
//! A message is the peer's number, four bytes with the highest first, and one part.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::routing_table::RoutingTable;

/// A fair queue in, a table of numbers out.
pub(crate) struct Server {
    queue: FairQueue,
    table: RoutingTable,
    /// A message found while looking whether there is one.
    found: Option<(PipeId, Message)>,
}

impl Server {
    pub(crate) fn new() -> Server {
        Server { queue: FairQueue::default(), table: RoutingTable::new(), found: None }
    }

    /// The next message of one part, behind its peer's number; others are not for this type.
    fn next(&mut self, pipes: &mut Pipes) -> Option<(PipeId, Message)> {
        if let Some(found) = self.found.take() {
            return Some(found);
        }
        loop {
            let mut message = Message::new();
            let id = self.queue.next(pipes, &mut message)?;
            if message.frame_count() == 1 {
                message.push_front(pipes.routing_id(id));
                return Some((id, message));
            }
            pipes.count_dropped(DropReason::Filtered, 1);
        }
    }
}

impl Pattern for Server {
    /// The number stays over reconnects of a connecting socket.
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        let number = self.table.generate_number();
        self.table.insert(number.clone(), id);
        pipes.set_routing_id(id, number);
        self.queue.readable(pipes, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.table.remove(&pipes.routing_id(id), id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if message.frame_count() != 2 {
            return Err(Refusal::InvalidMessage);
        }
        self.admits(pipes, options, message.first())?;
        let id = self.table.find(message.first()).ok_or(Refusal::Unroutable)?;
        message.pop_front();
        pipes.write(id, message);
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let (id, message) = self.next(pipes).ok_or(Refusal::WouldBlock)?;
        pipes.count_received(id, message.last().len());
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

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn admits(&mut self, pipes: &mut Pipes, _options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        let id = self.table.find(first).filter(|id| pipes.is_open(*id)).ok_or(Refusal::Unroutable)?;
        if pipes.has_room(id) { Ok(Recipient::Peer(id)) } else { Err(Refusal::WouldBlock) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn each_peer_has_a_number_by_which_it_is_answered() {
        let mut bench = Bench::new(Server::new());
        let (one, other) = (bench.attach(), bench.attach());
        bench.arrive(one, "question");
        bench.arrive(other, ["not", "for us"]);
        bench.arrive(other, "another");
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        let question = bench.recv().unwrap();
        assert_eq!((question.first().len(), question.last().as_slice()), (4, &b"question"[..]));
        let answer = |text: &str| Message::from(vec![question.first().clone(), Frame::from(text)]);
        bench.send(answer("answer")).unwrap();
        assert_eq!(bench.sent(one), ["answer"]);
        assert_ne!(bench.recv().unwrap().first(), question.first());
        assert_eq!(bench.send("no number").unwrap_err().0, Refusal::InvalidMessage);
        assert_eq!(bench.send(["0000", "x"]).unwrap_err().0, Refusal::Unroutable);
        bench.pipes.send_mark = 1;
        bench.send(answer("1")).unwrap();
        assert_eq!(bench.send(answer("2")).unwrap_err().0, Refusal::WouldBlock);
        bench.end(one);
        assert_eq!(bench.send(answer("late")).unwrap_err().0, Refusal::Unroutable);
    }
}
