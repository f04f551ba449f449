//! STREAM: plain TCP, each peer's bytes with its name in front.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::named_queue::NamedQueue;
use crate::routing::routing_table::RoutingTable;

/// A ROUTER over peers that speak no ZMTP.
pub(crate) struct Stream {
    queue: NamedQueue,
    table: RoutingTable,
}

impl Stream {
    pub(crate) fn new() -> Stream {
        Stream { queue: NamedQueue::default(), table: RoutingTable::new() }
    }

    /// Tells the program that a peer came or went: with an empty piece of data, which never arrives by itself, in its
    /// place among what the peer sent. Within the process there is no connection to tell of.
    fn notify(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.stream_notify && pipes.get(id).is_some_and(|pipe| !pipe.is_duct()) {
            pipes.deliver_message(id, Message::new());
            self.queue.readable(pipes, id);
        }
    }
}

impl Pattern for Stream {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        let wanted = pipes.routing_id(id);
        let in_use = self.table.get(&wanted).is_some();
        if in_use {
            pipes.report_duplicate(id);
        }
        let name =
            if wanted.is_empty() || in_use { pipes.made_up_id.insert(self.table.generate()).clone() } else { wanted };
        self.table.insert(name.clone(), id);
        pipes.set_routing_id(id, name);
        self.queue.readable(pipes, id);
    }

    fn on_connected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.notify(pipes, options, id);
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.notify(pipes, options, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.table.remove(&pipes.routing_id(id), id);
        // A connection that the program closed itself is no news to it, nor that there will not be another.
        if pipes.get(id).is_some_and(|pipe| pipe.connected && !pipe.closing) {
            self.notify(pipes, options, id);
        }
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
        let id = self.table.find(message.first());
        message.pop_front();
        match id {
            Some(id) if message.first().is_empty() => {
                // Who is hung up on is not listened to either.
                pipes.discard_inbox(id);
                pipes.close(id);
            }
            Some(id) => pipes.write(id, message),
            None => {}
        }
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let id = self.queue.next(pipes, out).ok_or(Refusal::WouldBlock)?;
        match out.byte_len() - out.first().len() {
            // A notice is no message, but has the metadata of its connection.
            0 => pipes.note_received(id),
            bytes => pipes.count_received(id, bytes),
        }
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.queue.has_message(pipes)
    }

    fn knows(&self, routing_id: &[u8]) -> bool {
        self.table.get(routing_id).is_some()
    }

    fn found_from(&self) -> Option<PipeId> {
        self.queue.found_from()
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
    fn peers_are_told_by_name_when_they_come_speak_and_go() {
        let mut bench = Bench::new(Stream::new());
        let peer = bench.attach();
        let name = bench.recv().unwrap().first().clone();
        bench.arrive(peer, "data");
        bench.end(peer);
        assert_eq!(bench.recv().unwrap(), Message::from(vec![name.clone(), Frame::from("data")]));
        assert_eq!(bench.recv().unwrap(), Message::from(vec![name.clone(), Frame::new()]));
        let gone = Message::from(vec![name, Frame::from("too late")]);
        assert_eq!(bench.send(gone).unwrap_err().0, Refusal::Unroutable);
    }

    #[test]
    fn what_was_announced_is_received_though_its_connection_is_ended() {
        let mut bench = Bench::new(Stream::new());
        let peer = bench.attach();
        let name = bench.recv().unwrap().first().clone();
        bench.arrive(peer, "announced");
        bench.arrive(peer, "unread");
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        bench.pipes.discard_inbox(peer);
        assert_eq!(bench.recv().unwrap(), Message::from(vec![name, Frame::from("announced")]));
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
    }

    #[test]
    fn empty_data_closes_a_connection() {
        let mut bench = Bench::new(Stream::new());
        let peer = bench.attach();
        let name = bench.recv().unwrap().first().clone();
        bench.send(Message::from(vec![name, Frame::new()])).unwrap();
        assert!(!bench.pipes.is_open(peer));
        assert_eq!(bench.send("just data").unwrap_err().0, Refusal::InvalidMessage);
    }

    #[test]
    fn of_a_connection_the_program_closes_only_what_was_announced_is_received() {
        let mut bench = Bench::new(Stream::new());
        let peer = bench.attach();
        let name = bench.recv().unwrap().first().clone();
        bench.arrive(peer, "announced");
        bench.arrive(peer, "unread");
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        bench.send(Message::from(vec![name.clone(), Frame::new()])).unwrap();
        assert_eq!(bench.recv().unwrap(), Message::from(vec![name, Frame::from("announced")]));
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        assert_eq!(bench.pipes.counters.dropped.unread, 1);
    }

    #[test]
    fn a_reconnect_is_told_in_its_place_among_the_data() {
        let mut bench = Bench::new(Stream::new());
        let peer = bench.attach();
        bench.arrive(peer, "before");
        bench.pattern.on_disconnected(&mut bench.pipes, &bench.options, peer);
        bench.pattern.on_connected(&mut bench.pipes, &bench.options, peer);
        bench.arrive(peer, "after");
        let data: Vec<Frame> = std::iter::from_fn(|| bench.recv().ok()).map(|message| message[1].clone()).collect();
        assert_eq!(data, ["", "before", "", "", "after"].map(Frame::from));
    }

    #[test]
    fn a_connection_the_program_closed_or_notices_it_did_not_want_are_not_told() {
        let mut bench = Bench::new(Stream::new());
        let closed = bench.attach();
        let name = bench.recv().unwrap().first().clone();
        bench.send(Message::from(vec![name, Frame::new()])).unwrap();
        bench.end(closed);
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        bench.options.stream_notify = false;
        let quiet = bench.attach();
        bench.end(quiet);
        assert!(!bench.pattern.can_recv(&mut bench.pipes, &bench.options));
    }
}
