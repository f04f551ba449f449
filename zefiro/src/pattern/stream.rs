//! STREAM: plain TCP, each peer's bytes with its name in front.

use std::collections::VecDeque;

use zmtp::Frame;

use super::{Pattern, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::routing_table::RoutingTable;

/// A ROUTER over peers that speak no ZMTP.
pub(crate) struct Stream {
    queue: FairQueue,
    table: RoutingTable,
    /// Peers that came or went, for the program to be told.
    notices: VecDeque<Frame>,
    /// Peers that went, whose last data is to be read before the notice.
    leaving: Vec<(PipeId, Frame)>,
}

impl Stream {
    pub(crate) fn new() -> Stream {
        Stream {
            queue: FairQueue::default(),
            table: RoutingTable::new(),
            notices: VecDeque::new(),
            leaving: Vec::new(),
        }
    }

    /// Those whose data has been read have gone.
    fn note_departures(&mut self, pipes: &mut Pipes) {
        let notices = &mut self.notices;
        self.leaving.retain(|(id, name)| {
            let more = pipes.has_message(*id);
            if !more {
                notices.push_back(name.clone());
            }
            more
        });
    }
}

impl Pattern for Stream {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        let wanted = pipes.routing_id(id);
        let name = if wanted.is_empty() || self.table.get(&wanted).is_some() { self.table.generate() } else { wanted };
        self.table.insert(name.clone(), id);
        pipes.set_routing_id(id, name);
    }

    fn on_connected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.stream_notify {
            self.notices.push_back(pipes.routing_id(id));
        }
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.stream_notify {
            self.leaving.push((id, pipes.routing_id(id)));
        }
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        let name = pipes.routing_id(id);
        self.table.remove(&name, id);
        if options.stream_notify {
            self.leaving.push((id, name));
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
        if let Err(refusal) = self.admits(pipes, options, message.first()) {
            return Err(refusal);
        }
        let id = self.table.get(message.first());
        message.pop_front();
        match id {
            Some(id) if message.first().is_empty() => pipes.close(id),
            Some(id) => pipes.write(id, message),
            None => {}
        }
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if let Some(name) = self.notices.pop_front() {
            *out = Message::from(vec![name, Frame::new()]);
            return Ok(());
        }
        if let Some(id) = self.queue.next(pipes, out) {
            pipes.count_received(id, out.byte_len());
            out.push_front(pipes.routing_id(id));
            return Ok(());
        }
        self.note_departures(pipes);
        let name = self.notices.pop_front().ok_or(Refusal::WouldBlock)?;
        *out = Message::from(vec![name, Frame::new()]);
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.note_departures(pipes);
        !self.notices.is_empty() || self.queue.has_message(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn admits(&mut self, pipes: &mut Pipes, _options: &Options, first: &Frame) -> Result<(), Refusal> {
        let id = self.table.get(first).filter(|id| pipes.is_open(*id)).ok_or(Refusal::Unroutable)?;
        if pipes.has_room(id) { Ok(()) } else { Err(Refusal::WouldBlock) }
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
    fn empty_data_closes_a_connection() {
        let mut bench = Bench::new(Stream::new());
        let peer = bench.attach();
        let name = bench.recv().unwrap().first().clone();
        bench.send(Message::from(vec![name, Frame::new()])).unwrap();
        assert!(!bench.pipes.is_open(peer));
        assert_eq!(bench.send("just data").unwrap_err().0, Refusal::InvalidMessage);
    }
}
