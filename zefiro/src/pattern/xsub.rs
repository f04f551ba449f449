//! XSUB: messages from all publishers; subscriptions, and anything else, upstream.

use std::collections::HashMap;

use zmtp::Frame;

use super::{Pattern, Refusal};
use crate::arrival::Arrival;
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::request::{Form, Request, has_requests};
use crate::routing::subscriptions::Subscriptions;

/// A fair queue in; subscriptions and upstream messages out to all.
pub(crate) struct XSub {
    queue: FairQueue,
    /// A message found while looking whether there is one, as libzmq does it: its place in its pipe is free.
    found: Option<(PipeId, Message)>,
    subscriptions: Subscriptions,
    peers: Vec<PipeId>,
    /// Changes that met a full pipe: topic, and whether it is subscribed to now. They are made up for when the pipe has
    /// room; the last change of a topic counts, so that the topics changed are the bound.
    owed: HashMap<PipeId, HashMap<Box<[u8]>, bool>>,
    /// Pipes without a connection.
    waiting: HashMap<PipeId, Told>,
}

/// What the next connection of a pipe will be told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The topics of now: nothing has been asked or sent since the pipe came.
    Nothing,
    /// What the pipe keeps: the topics of that time, and all requests since, in order.
    Requests,
    /// The topics of then: there were too many requests to keep, or it has had a connection.
    Topics,
}

impl XSub {
    pub(crate) fn new() -> XSub {
        XSub {
            queue: FairQueue::default(),
            found: None,
            subscriptions: Subscriptions::new(),
            peers: Vec::new(),
            owed: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// The next message, whatever its topic.
    #[inline]
    pub(super) fn next(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.queue.next(pipes, out)
    }

    /// The same, for who [only looks](FairQueue::find).
    pub(super) fn find(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.queue.find(pipes, out)
    }

    /// The message that was found is [taken](FairQueue::taken).
    pub(super) fn taken(&mut self) {
        self.queue.taken();
    }

    /// The same, if that is [simple](Pipes::read_swiftly).
    #[inline]
    pub(super) fn next_swiftly(&mut self, pipes: &mut Pipes, out: &mut impl Arrival) -> Option<PipeId> {
        self.queue.next_swiftly::<false>(pipes, out)
    }

    /// The same, of a message of any number of parts, if that is [simple](Pipes::read_parts_swiftly); and its bytes.
    pub(super) fn next_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> Option<(PipeId, usize)> {
        self.queue.next_parts_swiftly::<false>(pipes, first, rest)
    }

    /// Whether the program subscribed to messages that begin with this part.
    #[inline]
    pub(super) fn wants(&self, options: &Options, first: &[u8]) -> bool {
        self.subscriptions.matches(first) != options.invert_matching
    }

    /// Before something is asked or sent: publishers that are not connected will be told first what holds now.
    fn begin(&mut self, pipes: &mut Pipes) {
        for (&peer, told) in &mut self.waiting {
            if *told == Told::Nothing {
                let kept = self
                    .subscriptions
                    .topics()
                    .into_iter()
                    .all(|topic| pipes.write_early(peer, Form::OfVersion, true, topic));
                *told = if kept { Told::Requests } else { Told::Topics };
            }
        }
    }

    /// Tells all publishers of a change; those whose pipes are full, later.
    fn tell(&mut self, pipes: &mut Pipes, form: Form, subscribe: bool, topic: &[u8]) {
        for &peer in &self.peers {
            if let Some(told) = self.waiting.get_mut(&peer) {
                if *told == Told::Requests && !pipes.write_early(peer, form, subscribe, topic) {
                    *told = Told::Topics;
                }
                continue;
            }
            // What is owed goes first: an older change of the same topic must not come after this one.
            if let Some(owed) = self.owed.get_mut(&peer) {
                owed.insert(topic.into(), subscribe);
            } else if pipes.has_room(peer) {
                pipes.write_subscription(peer, form, subscribe, topic);
            } else if pipes.is_open(peer) {
                self.owed.entry(peer).or_default().insert(topic.into(), subscribe);
            }
        }
    }
}

impl XSub {
    fn send_upstream(&mut self, pipes: &mut Pipes, mut message: Message) {
        if self.peers.is_empty() {
            return pipes.count_dropped(DropReason::Unroutable, 1);
        }
        self.begin(pipes);
        pipes.fan_out(&self.peers, &mut message);
    }

    fn change(&mut self, pipes: &mut Pipes, options: &Options, form: Form, subscribe: bool, topic: &[u8]) {
        self.begin(pipes);
        if subscribe {
            self.subscriptions.add(topic);
        } else if !self.subscriptions.remove(topic) && !options.xsub_verbose_unsubscribe {
            return;
        }
        self.tell(pipes, form, subscribe, topic);
    }

    /// Takes in the requests among the parts of a message, which go with it; but for cancels that change nothing.
    fn note_requests(&mut self, pipes: &mut Pipes, options: &Options, message: Message) -> Vec<Frame> {
        let mut parts = Vec::with_capacity(message.frame_count());
        for part in message {
            let Some(Request { subscribe, topic }) = Request::of(&part) else {
                parts.push(part);
                continue;
            };
            if subscribe {
                self.subscriptions.add(topic);
            } else if !self.subscriptions.remove(topic) && !options.xsub_verbose_unsubscribe {
                continue;
            }
            // A full pipe misses the message; of the subscription it is told when there is room. What is owed already comes
            // after this message, and has to be up to date then.
            for &peer in &self.peers {
                if let Some(owed) = self.owed.get_mut(&peer) {
                    owed.insert(topic.into(), subscribe);
                } else if !self.waiting.contains_key(&peer) && pipes.is_open(peer) && !pipes.has_room(peer) {
                    self.owed.entry(peer).or_default().insert(topic.into(), subscribe);
                }
            }
            parts.push(part);
        }
        parts
    }
}

impl Pattern for XSub {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.peers.push(id);
        self.queue.readable(pipes, id);
        if pipes.is_waiting(id) {
            self.waiting.insert(id, Told::Nothing);
        }
    }

    /// The next connection is told what holds by then: what is taken back meanwhile need not be asked for at all.
    fn on_disconnected(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.waiting.insert(id, Told::Topics);
    }

    /// A new connection is told every topic, whatever the mark says: a subscription left out would be lost for good,
    /// without a sign. How many there are is up to the program.
    fn on_connected(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.owed.remove(&id);
        if self.waiting.remove(&id) == Some(Told::Requests) {
            return;
        }
        for topic in self.subscriptions.topics() {
            pipes.write_subscription(id, Form::OfVersion, true, topic);
        }
    }

    fn on_ended(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.ended(pipes, id);
        self.peers.retain(|peer| *peer != id);
        self.owed.remove(&id);
        self.waiting.remove(&id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        for (topic, subscribe) in self.owed.remove(&id).unwrap_or_default() {
            pipes.write_subscription(id, Form::OfVersion, subscribe, &topic);
        }
    }

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        let message = std::mem::take(message);
        if has_requests(&message, options.only_first_subscribe) {
            // It is kept as it is: what is asked for before and after has to be, too.
            self.waiting.values_mut().filter(|told| **told == Told::Topics).for_each(|told| *told = Told::Nothing);
            self.begin(pipes);
            let parts = self.note_requests(pipes, options, message);
            if !parts.is_empty() {
                self.send_upstream(pipes, Message::from(parts));
            }
        } else if message.frame_count() == 1
            && let Some(Request { subscribe, topic }) = Request::of(message.first())
        {
            self.change(pipes, options, Form::Message, subscribe, topic);
        } else {
            self.send_upstream(pipes, message);
        }
        Ok(())
    }

    #[inline]
    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let Some((id, message)) = self.found.take() else {
            return self.queue.next_counted(pipes, out).map(drop).ok_or(Refusal::WouldBlock);
        };
        self.queue.taken();
        pipes.count_received(id, message.byte_len());
        *out = message;
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        let mut message = Message::new();
        if self.found.is_none() {
            self.found = self.queue.find(pipes, &mut message).map(|id| (id, message));
        }
        self.found.is_some()
    }

    fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }

    fn pass_turn_again(&mut self, id: PipeId) {
        self.queue.pass_again(id);
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn subscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.change(pipes, options, Form::OfVersion, true, topic);
        Ok(())
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.change(pipes, options, Form::OfVersion, false, topic);
        Ok(())
    }

    fn note_proxied(&mut self, topic: &[u8]) {
        self.subscriptions.note_proxied(topic);
    }

    fn end_proxied(&mut self, topic: &[u8], is_wanted: bool) -> bool {
        self.subscriptions.end_proxied(topic, is_wanted)
    }

    fn topics(&self) -> usize {
        self.subscriptions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn publishers_are_told_each_change_and_newcomers_each_topic_once() {
        let mut bench = Bench::new(XSub::new());
        let (one, mut heard) = bench.attach_duct(1000);
        for request in [&b"\x01a"[..], b"\x01a", b"\x01b", b"\x00a", b"\x00unknown"] {
            bench.send(request).unwrap();
        }
        assert_eq!(heard.read(), ["\u{1}a", "\u{1}a", "\u{1}b"]);
        let (_, mut newcomer) = bench.attach_duct(1000);
        let mut told = newcomer.read();
        told.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        assert_eq!(told, ["\u{1}a", "\u{1}b"]);
        bench.send(b"\x00a").unwrap();
        assert_eq!(heard.read(), ["\u{0}a"]);
        bench.end(one);
        bench.send("upstream").unwrap();
        assert_eq!(newcomer.read(), ["\u{0}a", "upstream"]);
        assert!(heard.read().is_empty());
    }

    #[test]
    fn every_topic_reaches_a_newcomer_however_low_the_mark() {
        let mut bench = Bench::new(XSub::new());
        for number in 0..100 {
            bench.send(format!("\u{1}{number}")).unwrap();
        }
        let (_, mut heard) = bench.attach_duct(1);
        assert_eq!(heard.read().len(), 100);
    }

    #[test]
    fn changes_that_meet_a_full_pipe_are_made_up_for_and_the_last_one_counts() {
        let mut bench = Bench::new(XSub::new());
        let (publisher, mut heard) = bench.attach_duct(1);
        for request in ["\u{1}a", "\u{1}b", "\u{1}c", "\u{0}c"] {
            bench.send(request).unwrap();
        }
        assert_eq!(heard.read(), ["\u{1}a"]);
        bench.send("\u{0}b").unwrap();
        assert!(heard.read().is_empty(), "what is owed goes first");
        bench.pattern.on_writable(&mut bench.pipes, &bench.options, publisher);
        let mut made_up = heard.read();
        made_up.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        assert_eq!(made_up, ["\u{0}b", "\u{0}c"]);
        assert!(bench.pattern.owed.is_empty());
        bench.send("\u{1}d").unwrap();
        bench.send("\u{1}e").unwrap();
        bench.end(publisher);
        assert!(bench.pattern.owed.is_empty());
    }

    #[test]
    fn what_is_asked_before_the_connection_is_kept_for_it_in_order() {
        let mut bench = Bench::new(XSub::new());
        bench.send("\u{1}a").unwrap();
        let id = bench.attach_waiting();
        for message in ["up", "\u{1}b", "\u{1}b", "\u{0}a", "more"] {
            bench.send(message).unwrap();
        }
        assert_eq!(bench.waited(id), ["\u{1}a", "up", "\u{1}b", "\u{1}b", "\u{0}a", "more"]);
        bench.pattern.on_connected(&mut bench.pipes, &bench.options, id);
        assert!(bench.waited(id).is_empty());
        // After a lost connection the next one is told what holds by then.
        bench.pattern.on_disconnected(&mut bench.pipes, &bench.options, id);
        bench.send("\u{1}d").unwrap();
        bench.send("\u{0}d").unwrap();
        assert!(bench.waited(id).is_empty());
        // But a message that asks for something is kept, and what comes after it is, too.
        bench.send(["\u{1}c", "more"]).unwrap();
        bench.send("\u{0}c").unwrap();
        let told = [Message::from("\u{1}b"), Message::from(["\u{1}c", "more"]), Message::from("\u{0}c")];
        assert_eq!(bench.waited(id), told);
        bench.end(id);
        assert!(bench.pattern.waiting.is_empty());
    }

    #[test]
    fn too_many_early_requests_leave_what_holds_in_the_end() {
        let mut bench = Bench::new(XSub::new());
        let id = bench.attach_waiting();
        for number in 0..2000 {
            bench.send(format!("\u{1}{number}")).unwrap();
        }
        assert!(bench.waited(id).is_empty());
        assert!(bench.pattern.waiting.get(&id) == Some(&Told::Topics));
    }

    #[test]
    fn everything_is_received_whatever_was_subscribed_to() {
        let mut bench = Bench::new(XSub::new());
        let publisher = bench.attach();
        bench.arrive(publisher, ["any", "thing"]);
        assert_eq!(bench.recv().unwrap(), ["any", "thing"]);
    }
}
