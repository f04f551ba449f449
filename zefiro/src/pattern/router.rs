//! ROUTER: to the peer named by the first frame, from the peers in turn with their name in front.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::arrival::Arrival;
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::outbox::Format;
use crate::pipe::{Line, PipeId, Pipes};
use crate::routing::named_queue::NamedQueue;
use crate::routing::routing_table::RoutingTable;

/// A fair queue in, a routing table out.
pub(crate) struct Router {
    queue: NamedQueue,
    table: RoutingTable,
}

impl Router {
    pub(crate) fn new() -> Router {
        Router { queue: NamedQueue::default(), table: RoutingTable::new() }
    }

    /// Makes the peer addressable under the name it announced, or a new one.
    fn identify(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        let identity = if is_raw(pipes, options, id) { Frame::new() } else { pipes.identity(id) };
        let name = if identity.is_empty() { self.table.generate() } else { identity };
        if let Some(holder) = self.table.get(&name).filter(|holder| *holder != id) {
            if !options.router_handover {
                return refuse_duplicate(pipes, options, id);
            }
            self.dispossess(pipes, &name, holder);
        }
        self.table.insert(name.clone(), id);
        pipes.set_routing_id(id, name);
        self.queue.readable(pipes, id);
    }

    /// Takes its name from a peer, and its unread messages. Its connection stays open and is ignored from then on: closed,
    /// a peer that lives would be back in a moment and take the name in its turn, and so on for ever.
    fn dispossess(&mut self, pipes: &mut Pipes, name: &Frame, holder: PipeId) {
        self.table.remove(name, holder);
        drop_unread(pipes, holder);
        if pipes.is_stream(holder) {
            self.queue.forget(pipes, holder);
            pipes.set_routing_id(holder, Frame::new());
            pipes.report_duplicate(holder);
        } else {
            let replacement = self.table.generate();
            pipes.set_routing_id(holder, replacement);
            pipes.close(holder);
        }
    }

    /// Tells the program with an empty part that a peer came or went, in its place among what the peer sent.
    fn notify(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId, flag: u32) {
        let wanted = if is_raw(pipes, options, id) { options.stream_notify } else { options.router_notify & flag != 0 };
        if wanted && !pipes.routing_id(id).is_empty() {
            pipes.deliver_message(id, Message::new());
            self.queue.readable(pipes, id);
        }
    }

    /// Sends pieces of data, each behind a name of its own. An empty piece closes the connection.
    fn send_raw(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if options.router_mandatory {
            self.route(pipes, message.first()).map_err(|(refusal, _)| refusal)?;
        }
        let mut frames = std::mem::take(message).into_frames();
        while let Some(name) = frames.next() {
            match (self.route(pipes, &name), frames.next()) {
                (Ok(id), Some(data)) if data.is_empty() => {
                    // Who is hung up on is not listened to either.
                    pipes.discard_inbox(id);
                    pipes.close(id);
                }
                (Ok(id), Some(data)) => pipes.write(id, &mut Message::from(data)),
                (Ok(_), None) => pipes.count_dropped(DropReason::Unroutable, 1),
                (Err((_, reason)), _) => pipes.count_dropped(reason, 1),
            }
        }
        Ok(())
    }

    /// The pipe a message goes to; `Err` with what to tell the program if it goes nowhere.
    fn route(&mut self, pipes: &mut Pipes, name: &[u8]) -> Result<PipeId, (Refusal, DropReason)> {
        // Mostly it is an answer to the peer that was heard last: then nothing need be looked up. If that has gone, its name
        // may be another's.
        let asked = pipes.last_received().filter(|id| pipes.is_called(*id, name)).filter(|id| pipes.is_open(*id));
        let id = asked.or_else(|| self.table.find(name).filter(|id| pipes.is_open(*id)));
        let id = id.ok_or((Refusal::Unroutable, DropReason::Unroutable))?;
        if pipes.has_room(id) {
            return Ok(id);
        }
        Err((Refusal::WouldBlock, DropReason::HighWaterMark))
    }

    /// Who has that name, if messages are named, and it has room.
    #[inline]
    fn route_swiftly(&mut self, pipes: &mut Pipes, options: &Options, name: &[u8]) -> Option<PipeId> {
        if options.router_raw { None } else { self.route(pipes, name).ok() }
    }

    /// [Receives](Pattern::recv) the body of a message of one part, if that is [simple](Pipes::read_swiftly), and answers
    /// from whom; `None`, and `body` is anything, if it is not.
    #[inline]
    pub(crate) fn recv_body_swiftly(
        &mut self,
        pipes: &mut Pipes,
        options: &Options,
        body: &mut impl Arrival,
    ) -> Option<PipeId> {
        let notifies = options.router_raw || options.router_notify > 0;
        if notifies { None } else { self.queue.next_swiftly::<true>(pipes, body) }
    }

    /// Sends a body of one part to who has that name, if that is [simple](Pipes::write_swiftly); `false`, and nothing has
    /// happened, if it is not.
    pub(crate) fn send_body_swiftly(
        &mut self,
        pipes: &mut Pipes,
        options: &Options,
        name: &[u8],
        body: &(impl Part + ?Sized),
    ) -> bool {
        self.route_swiftly(pipes, options, name).is_some_and(|id| pipes.write_swiftly(id, body))
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
            self.queue.readable(pipes, id);
        } else if options.router_raw {
            self.identify(pipes, options, id);
        }
    }

    fn on_connected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        // After a reconnect the first name stays.
        if pipes.routing_id(id).is_empty() {
            self.identify(pipes, options, id);
        }
        if pipes.is_stream(id) {
            self.notify(pipes, options, id, NOTIFY_CONNECT);
        }
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.notify(pipes, options, id, NOTIFY_DISCONNECT);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.queue.ended(pipes, id);
        self.table.remove(&pipes.routing_id(id), id);
        if pipes.routing_id(id).is_empty() {
            // It was ignored: nobody is going to read what it said.
            drop_unread(pipes, id);
        }
        // A connection that the program, or a newcomer of the same name, ended is no news.
        if pipes.get(id).is_some_and(|pipe| pipe.connected && !pipe.closing && !pipe.is_duct()) {
            self.notify(pipes, options, id, NOTIFY_DISCONNECT);
        }
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
        if options.router_raw {
            return self.send_raw(pipes, options, message);
        }
        match self.route(pipes, message.first()) {
            Ok(id) => {
                message.pop_front();
                pipes.write(id, message);
            }
            Err((refusal, _)) if options.router_mandatory => return Err(refusal),
            Err((_, reason)) => pipes.count_dropped(reason, 1),
        }
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let id = self.queue.next(pipes, out).ok_or(Refusal::WouldBlock)?;
        let bytes = out.byte_len() - out.first().len();
        let notifies = options.router_raw || options.router_notify > 0;
        if notifies && bytes == 0 && out.frame_count() == 2 {
            pipes.note_received(id);
        } else {
            pipes.count_received(id, bytes);
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

    fn pass_turn_again(&mut self, id: PipeId) {
        self.queue.pass_again(id);
    }

    fn can_send(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        !options.router_mandatory || self.table.pipes().any(|id| pipes.has_room(id))
    }

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        match self.route(pipes, first) {
            Err((refusal, _)) if options.router_mandatory => Err(refusal),
            Err((_, reason)) => Ok(Recipient::Nobody(reason)),
            Ok(peer) => Ok(Recipient::Peer(peer)),
        }
    }

    #[inline]
    fn admits_swiftly(&mut self, pipes: &mut Pipes, options: &Options, first: &[u8]) -> Option<Recipient> {
        self.route_swiftly(pipes, options, first).map(Recipient::Peer)
    }

    #[inline]
    fn send_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        _options: &Options,
        recipient: Recipient,
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        let Recipient::Peer(id) = recipient else { return false };
        // The name may be another's by now.
        if !pipes.is_called(id, head.first()) {
            return false;
        }
        match head.as_single() {
            Some(_) => pipes.write_swiftly(id, last),
            None => pipes.write_parts_swiftly(id, head, 1, last),
        }
    }

    fn recv_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        options: &Options,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> bool {
        // Where it stays: frames are large, and moved slowly right after they were written.
        rest.push(Frame::new());
        let id = match rest.last_mut().and_then(|body| self.recv_body_swiftly(pipes, options, body)) {
            Some(id) => id,
            None if options.router_raw || options.router_notify > 0 => return false,
            None => {
                let mut body = rest.pop().unwrap_or_default();
                let Some(id) = self.queue.next_parts_swiftly::<true>(pipes, &mut body, rest) else { return false };
                rest.insert(0, body);
                id
            }
        };
        pipes.copy_routing_id(id, first);
        first.came_by(pipes.last_metadata());
        true
    }
}

/// A newcomer whose name another has. It is hung up on, so that it knows, and may have the name when it comes again; or, as
/// in libzmq, ignored for good: never read, not addressable, its connection left open.
fn refuse_duplicate(pipes: &mut Pipes, options: &Options, id: PipeId) {
    if !options.router_refuse_duplicates {
        pipes.report_duplicate(id);
        return;
    }
    drop_unread(pipes, id);
    match pipes.is_stream(id) {
        true => pipes.refuse_duplicate(id),
        false => pipes.close(id),
    }
}

/// Loses what a peer said that nobody has read.
fn drop_unread(pipes: &mut Pipes, id: PipeId) {
    let mut lost = Message::new();
    while pipes.read(id, &mut lost) {
        pipes.count_dropped(DropReason::PeerGone, 1);
    }
}

/// Whether the peer speaks plain bytes, or is going to once it is connected.
fn is_raw(pipes: &Pipes, options: &Options, id: PipeId) -> bool {
    match pipes.get(id).map(|pipe| &pipe.line) {
        Some(Line::Stream(_, outbox)) => outbox.format() == Format::Raw,
        Some(Line::Duct(..) | Line::Datagrams(_)) => false,
        _ => options.router_raw,
    }
}

/// Flags of [`Options::router_notify`].
const NOTIFY_CONNECT: u32 = 1;
const NOTIFY_DISCONNECT: u32 = 2;

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
    fn an_answer_to_a_peer_that_has_come_back_goes_to_it() {
        let mut bench = Bench::new(Router::new());
        let gone = bench.attach_as("ann");
        bench.arrive(gone, "first");
        bench.arrive(gone, "second");
        bench.end(gone);
        let back = bench.attach_as("ann");
        assert_eq!(bench.recv().unwrap(), Message::from(["ann", "first"]));
        bench.send(["ann", "answer"]).unwrap();
        assert_eq!(bench.sent(back), ["answer"]);
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
        bench.arrive(first, "announced");
        bench.arrive(first, "unread");
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        let third = bench.attach_as("ann");
        assert_eq!(bench.recv().unwrap(), ["ann", "announced"]);
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        assert_eq!(bench.pipes.counters.dropped.peer_gone, 1);
        bench.send(["ann", "to the third"]).unwrap();
        assert_eq!(bench.sent(third), ["to the third"]);
        assert!(!bench.pipes.is_open(first));
    }

    #[test]
    fn plain_peers_get_a_name_tell_when_they_come_and_go_and_are_closed_by_empty_data() {
        let mut bench = Bench::new(Router::new());
        bench.options.router_raw = true;
        let peer = bench.attach_as("whatever");
        let name = bench.pipes.routing_id(peer);
        assert_eq!((name.len(), name[0]), (5, 0));
        bench.arrive(peer, "data");
        assert_eq!(bench.recv().unwrap(), Message::from(vec![name.clone(), Frame::from("data")]));
        let data = |text: &str| vec![name.clone(), Frame::from(text)];
        bench.send(Message::from([data("one"), data("two"), vec![Frame::from("nobody")]].concat())).unwrap();
        assert_eq!(bench.sent(peer), ["one", "two"]);
        assert_eq!(bench.pipes.counters.dropped.unroutable, 1);
        bench.pattern.on_disconnected(&mut bench.pipes, &bench.options, peer);
        assert_eq!(bench.recv().unwrap(), Message::from(vec![name.clone(), Frame::new()]));
        bench.send(Message::from(data(""))).unwrap();
        assert!(!bench.pipes.is_open(peer));
    }

    #[test]
    fn those_who_want_it_are_told_that_a_peer_went() {
        let mut bench = Bench::new(Router::new());
        bench.options.router_notify = NOTIFY_DISCONNECT;
        let peer = bench.attach_as("ann");
        bench.arrive(peer, "last words");
        bench.end(peer);
        assert_eq!(bench.recv().unwrap(), ["ann", "last words"]);
        assert_eq!(bench.recv().unwrap(), ["ann", ""]);
        assert_eq!(bench.pipes.counters_of_all().received, 1);
    }
}
