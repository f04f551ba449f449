//! ROUTER: to the peer named by the first frame, from the peers in turn with their name in front.

use zmtp::Frame;

use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::routing_table::RoutingTable;

/// A fair queue in, a routing table out.
pub(crate) struct Router {
    queue: FairQueue,
    table: RoutingTable,
}

impl Router {
    pub(crate) fn new() -> Router {
        Router { queue: FairQueue::default(), table: RoutingTable::new() }
    }

    /// Makes the peer addressable under the name it announced, or a new one.
    fn identify(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        let identity = pipes.identity(id);
        let name = if identity.is_empty() { self.table.generate() } else { identity };
        if let Some(holder) = self.table.get(&name).filter(|holder| *holder != id) {
            if !options.router_handover {
                // Ignored for good: never read, not addressable, its connection left open.
                pipes.report_duplicate(id);
                return;
            }
            let replacement = self.table.generate();
            pipes.set_routing_id(holder, replacement);
            self.table.remove(&name, holder);
            let mut lost = Message::new();
            while pipes.read(holder, &mut lost) {
                pipes.count_dropped(DropReason::PeerGone, 1);
            }
            pipes.close(holder);
        }
        self.table.insert(name.clone(), id);
        pipes.set_routing_id(id, name);
        if pipes.has_message(id) {
            self.queue.readable(pipes, id);
        }
    }

    /// The pipe a message goes to; `Err` with what to tell the program if it goes nowhere.
    fn route(&mut self, pipes: &mut Pipes, options: &Options, name: &[u8]) -> Result<PipeId, (Refusal, DropReason)> {
        let id = self.table.get(name).filter(|id| pipes.is_open(*id));
        let id = id.ok_or((Refusal::Unroutable, DropReason::Unroutable))?;
        if pipes.has_room(id) {
            return Ok(id);
        }
        let _ = options;
        Err((Refusal::WouldBlock, DropReason::HighWaterMark))
    }
}

impl Pattern for Router {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.probe_router {
            pipes.write(id, &mut Message::new());
        }
        let name = pipes.routing_id(id);
        if !name.is_empty() {
            if self.table.get(&name).is_some() {
                pipes.set_routing_id(id, Frame::new());
                return pipes.report_duplicate(id);
            }
            self.table.insert(name, id);
        }
    }

    fn on_connected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        // After a reconnect the first name stays.
        if pipes.routing_id(id).is_empty() {
            self.identify(pipes, options, id);
        }
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.table.remove(&pipes.routing_id(id), id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if !pipes.routing_id(id).is_empty() {
            self.queue.readable(pipes, id);
        }
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if message.frame_count() == 1 {
            // A name alone says nothing to anybody.
            pipes.count_dropped(DropReason::Unroutable, 1);
            return Ok(());
        }
        match self.route(pipes, options, message.first()) {
            Ok(id) => {
                message.pop_front();
                pipes.write(id, message);
            }
            Err((refusal, _)) if options.router_mandatory => return Err(refusal),
            Err((_, reason)) => pipes.count_dropped(reason, 1),
        }
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let id = self.queue.next(pipes, out).ok_or(Refusal::WouldBlock)?;
        pipes.count_received(id, out.byte_len());
        out.push_front(pipes.routing_id(id));
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.queue.has_message(pipes)
    }

    fn can_send(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        !options.router_mandatory || self.table.pipes().any(|id| pipes.has_room(id))
    }

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<(), Refusal> {
        match self.route(pipes, options, first) {
            Err((refusal, _)) if options.router_mandatory => Err(refusal),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn messages_carry_the_name_of_the_peer_both_ways() {
        let mut bench = Bench::new(Router::new());
        let (ann, anonymous) = (bench.attach_as("ann"), bench.attach_as(""));
        bench.arrive(ann, "hi");
        assert_eq!(bench.recv().unwrap(), Message::from(["ann", "hi"]));
        bench.arrive(anonymous, "hello");
        let name = bench.recv().unwrap().first().clone();
        assert_eq!((name.len(), name[0]), (5, 0));
        bench.send(Message::from(vec![name, Frame::from("reply")])).unwrap();
        assert_eq!(bench.sent(anonymous), ["reply"]);
    }

    #[test]
    fn what_cannot_be_routed_is_dropped_or_refused_whole() {
        let mut bench = Bench::new(Router::new());
        bench.send(["nobody", "x"]).unwrap();
        assert_eq!(bench.pipes.counters.dropped.unroutable, 1);
        bench.options.router_mandatory = true;
        let (refusal, message) = bench.send(["nobody", "x"]).unwrap_err();
        assert_eq!((refusal, message), (Refusal::Unroutable, Message::from(["nobody", "x"])));
        bench.pipes.send_mark = 1;
        bench.attach_as("ann");
        bench.send(["ann", "1"]).unwrap();
        assert_eq!(bench.send(["ann", "2"]).unwrap_err().0, Refusal::WouldBlock);
    }

    #[test]
    fn a_name_in_use_is_kept_by_its_holder_or_handed_over() {
        let mut bench = Bench::new(Router::new());
        let first = bench.attach_as("ann");
        let second = bench.attach_as("ann");
        bench.arrive(second, "ignored");
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        bench.send(["ann", "to the first"]).unwrap();
        assert_eq!(bench.sent(first), ["to the first"]);
        bench.options.router_handover = true;
        bench.arrive(first, "unread");
        let third = bench.attach_as("ann");
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        assert_eq!(bench.pipes.counters.dropped.peer_gone, 1);
        bench.send(["ann", "to the third"]).unwrap();
        assert_eq!(bench.sent(third), ["to the third"]);
        assert!(!bench.pipes.is_open(first));
    }
}
