//! XPUB: each message to all who subscribed to its topic; the subscriptions to the program.

mod shown;
#[cfg(all(test, not(zefiro_loom)))]
mod twin;

use std::collections::BTreeSet;

use zmtp::Frame;

use self::shown::{Entry, Origin, Shown, Weight};
use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};
use crate::routing::distributor::distribute;
use crate::routing::request::{Request, Rest, subscription_message, take_requests};
use crate::routing::subscriptions::{Found, SubscriptionIndex};

/// A distributor over the subscriptions.
pub(crate) struct XPub {
    subscriptions: SubscriptionIndex<PipeId>,
    /// Manual mode: what the peers asked for, whatever the program made of it.
    asked: SubscriptionIndex<PipeId>,
    peers: BTreeSet<PipeId>,
    /// What the program has yet to read.
    shown: Shown,
    /// The program never reads: a PUB.
    silent: bool,
    /// Manual mode: whom the program subscribes. It may be gone.
    last_peer: Option<PipeId>,
    found: Found<PipeId>,
    targets: Vec<PipeId>,
    /// `targets` are those of a message of which the first part has come: who subscribes since gets the next one.
    begun: bool,
    /// It was begun while full subscribers miss messages, and is not refused any more.
    begun_lossy: bool,
    /// Whom the message begun is the last value for.
    begun_for: Option<PipeId>,
}

impl XPub {
    pub(crate) fn new() -> XPub {
        XPub {
            subscriptions: SubscriptionIndex::new(),
            asked: SubscriptionIndex::new(),
            peers: BTreeSet::new(),
            shown: Shown::default(),
            silent: false,
            last_peer: None,
            found: Found::default(),
            targets: Vec::new(),
            begun: false,
            begun_lossy: false,
            begun_for: None,
        }
    }

    /// One whose program never reads: requests only take effect, upstream messages count as dropped.
    pub(super) fn silent() -> XPub {
        XPub { silent: true, ..XPub::new() }
    }

    /// A peer asks to begin or end a subscription. Answers what the request is to the program, if it is to see it.
    fn requested(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId, part: &Frame) -> Option<Origin> {
        let Request { subscribe, topic } = Request::of(part)?;
        if self.asks_too_much(options, id, subscribe.then_some(topic.len())) {
            pipes.expel(id, "subscriptions");
            return None;
        }
        let index = if options.xpub_manual { &mut self.asked } else { &mut self.subscriptions };
        let weight = if subscribe {
            let before = index.holding(id).0;
            match index.add(topic, id) {
                true => Weight::All,
                false if index.holding(id).0 > before => Weight::Peer,
                false => Weight::Nothing,
            }
        } else {
            Weight::of_cancel(index.remove(topic, id))
        };
        let shown = match subscribe {
            _ if shows_each(options) => true,
            true => weight == Weight::All || options.xpub_verbose,
            false => weight != Weight::Peer,
        };
        shown.then_some(Origin::Request { peer: id, weight, live: true })
    }

    /// A message from a peer in which requests follow other parts: each that is shown ends what the program reads as one
    /// message, as in libzmq.
    fn mixed(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId, message: Message) {
        let mut parts = Vec::new();
        for part in message {
            let is_request = Request::of(&part).is_some();
            let origin = self.requested(pipes, options, id, &part);
            if !is_request || origin.is_some() {
                parts.push(part);
            }
            if let Some(origin) = origin {
                self.show(pipes, options, Message::from(std::mem::take(&mut parts)), origin);
            }
        }
        if !parts.is_empty() {
            self.show(pipes, options, Message::from(parts), Origin::Upstream { peer: id });
        }
    }

    /// Whether a peer has as many subscriptions as it may have and wants another of so many bytes, or asks on and on
    /// while the program does not read.
    fn asks_too_much(&self, options: &Options, id: PipeId, wanted: Option<usize>) -> bool {
        if options.peer_subscriptions_max.is_none() && options.peer_subscription_bytes_max.is_none() {
            return false;
        }
        let most = options.peer_subscriptions_max.unwrap_or(usize::MAX);
        let most_bytes = options.peer_subscription_bytes_max.unwrap_or(usize::MAX);
        if self.shown.unread(id).is_some_and(|unread| unread.requests >= most || unread.bytes > most_bytes) {
            return true;
        }
        let Some(len) = wanted else { return false };
        let (topics, bytes) = if options.xpub_manual { self.asked.holding(id) } else { self.subscriptions.holding(id) };
        topics >= most || bytes + len > most_bytes
    }

    /// Queues something for the program to read. Requests are never dropped, as a proxy that missed one would be wrong
    /// for good; upstream messages are, and counted, when there are more of their peer's than the pipes of libzmq would
    /// hold: the receiving high-water mark, and within the process the sender's, taken to be the same. Those of peers that
    /// have gone take room from those that are there.
    fn show(&mut self, pipes: &mut Pipes, options: &Options, message: Message, origin: Origin) {
        let most = options.recv_high_water_mark.saturating_mul(2);
        let is_full = |peer| {
            let (of_all, own) = self.shown.upstream(peer);
            most > 0 && (own >= most || of_all >= most.saturating_mul(self.peers.len().max(1)))
        };
        match origin {
            // Nobody reads it, so there is never a peer whose request was read last.
            Origin::Request { .. } if self.silent => {}
            Origin::Upstream { .. } if self.silent => {
                pipes.counters.arrived += 1;
                pipes.count_dropped(DropReason::Filtered, 1);
            }
            Origin::Upstream { peer } if is_full(peer) => {
                pipes.count_dropped(DropReason::HighWaterMark, 1);
            }
            Origin::Request { peer, .. } | Origin::Upstream { peer } => {
                self.shown.push(message, origin, pipes.metadata(peer));
            }
        }
    }

    /// Ends all that a peer asked for, and makes up the cancels it did not send.
    fn forget(&mut self, options: &Options, id: PipeId) {
        if self.last_peer == Some(id) {
            self.last_peer = None;
        }
        let had_unread = self.shown.forget_unread(id);
        let XPub { subscriptions, asked, shown, silent, .. } = self;
        let before = shown.len();
        let mut tell = |topic: &[u8], last| {
            let weight = if last { Weight::All } else { Weight::Peer };
            if !*silent && (last || shows_each(options)) {
                let origin = Origin::Request { peer: id, weight, live: false };
                shown.push(subscription_message(false, topic), origin, None);
            }
        };
        let mut ignored = |_: &[u8], _| {};
        let (told, other) = if options.xpub_manual { (asked, subscriptions) } else { (subscriptions, asked) };
        told.remove_pipe(id, &mut tell);
        other.remove_pipe(id, &mut ignored);
        // Topics in their order, as libzmq tells them.
        shown.sort_from(before);
        if (had_unread || shown.len() > before) && shown.is_crowded(options) {
            shown.settle(&self.peers, shows_each(options));
        }
    }

    /// The peers that want a message on `topic`. In manual mode with the last value that is at most the one whose request
    /// was read last.
    fn find_targets(&mut self, options: &Options, topic: &[u8]) {
        self.subscriptions.matches(topic, &mut self.found);
        self.targets.clone_from(&self.found.pipes);
        if let Some(alone) = self.last_peer.filter(|_| options.xpub_manual && options.xpub_manual_last_value) {
            self.targets.retain(|target| *target == alone);
        }
        if options.invert_matching {
            let mut matching = std::mem::take(&mut self.targets);
            matching.sort_unstable();
            self.targets.extend(self.peers.iter().filter(|peer| matching.binary_search(peer).is_err()));
        }
    }

    /// The first part of a message for `targets` is taken. What becomes of it does not change with the options any more.
    fn begin(&mut self, options: &Options) {
        self.begun = true;
        self.begun_lossy = !options.xpub_no_drop;
    }

    /// A message has been begun, or sent whole. If it was the last value for the one whose request was read last, the next
    /// is for all, unless another request is read first: be it between the parts. Answers that one.
    fn note_last_value(&mut self, options: &Options) -> Option<PipeId> {
        self.last_peer.take_if(|_| options.xpub_manual && options.xpub_manual_last_value)
    }
}

impl Pattern for XPub {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.peers.insert(id);
        if !options.xpub_welcome_message.is_empty() {
            pipes.write(id, &mut Message::from(options.xpub_welcome_message.clone()));
        }
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.peers.remove(&id);
        self.forget(options, id);
    }

    /// The connection is lost, and with it what was asked over it; the next one asks again.
    fn on_disconnected(&mut self, _pipes: &mut Pipes, options: &Options, id: PipeId) {
        // Its requests that the program has not read yet stay, but the next connection is not behind them.
        self.shown.outlive(id);
        self.forget(options, id);
    }

    /// Reads all there is, so that requests act whether the program reads them or not.
    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        let mut message = Message::new();
        while pipes.read(id, &mut message) {
            pipes.unarrived(id);
            let rest = take_requests(std::mem::take(&mut message), options.only_first_subscribe, |part| {
                if let Some(origin) = self.requested(pipes, options, id, &part) {
                    self.show(pipes, options, Message::from(part), origin);
                }
            });
            match rest {
                Some(Rest { message, asks: true }) => self.mixed(pipes, options, id, message),
                Some(Rest { message, .. }) => self.show(pipes, options, message, Origin::Upstream { peer: id }),
                None => {}
            }
        }
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if self.begun {
            self.targets.retain(|target| pipes.is_open(*target));
        } else {
            self.find_targets(options, message.first());
        }
        // What is refused may wait while others are sent: each finds its own targets.
        let begun = std::mem::take(&mut self.begun);
        let no_drop = options.xpub_no_drop && !(begun && self.begun_lossy);
        let begun_for = self.begun_for.take();
        let sent = distribute(pipes, no_drop, &self.targets, message);
        match sent {
            // A last value is for the same one when it is sent again.
            Err(_) if begun => self.last_peer = self.last_peer.or(begun_for),
            Ok(()) if !begun => drop(self.note_last_value(options)),
            _ => {}
        }
        sent
    }

    #[inline]
    fn send_swiftly(&mut self, pipes: &mut Pipes, options: &Options, part: &(impl Part + ?Sized)) -> bool {
        if self.begun || !sends_to_all(options) {
            return false;
        }
        self.subscriptions.matches(part.bytes(), &mut self.found);
        let targets = &self.found.pipes;
        if targets.is_empty() {
            pipes.count_dropped(DropReason::Unroutable, 1);
            return true;
        }
        // One alone is not written to if it is full.
        let refused = options.xpub_no_drop && targets.len() > 1 && pipes.any_full(targets);
        !refused && pipes.fan_out_swiftly(targets, part)
    }

    fn admits_swiftly(&mut self, pipes: &mut Pipes, options: &Options, first: &[u8]) -> Option<Recipient> {
        if self.begun || !sends_to_all(options) {
            return None;
        }
        self.subscriptions.matches(first, &mut self.found);
        if options.xpub_no_drop && pipes.any_full(&self.found.pipes) {
            return None;
        }
        self.targets.clone_from(&self.found.pipes);
        self.begin(options);
        Some(Recipient::Later)
    }

    fn send_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        options: &Options,
        _recipient: Recipient,
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        self.targets.retain(|target| pipes.is_open(*target));
        if !self.begun || !sends_to_all(options) || options.xpub_no_drop && pipes.any_full(&self.targets) {
            return false;
        }
        self.begun = if self.targets.is_empty() {
            pipes.count_dropped(DropReason::Unroutable, 1);
            false
        } else {
            !pipes.fan_out_parts_swiftly(&self.targets, head, last)
        };
        !self.begun
    }

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        self.find_targets(options, first);
        if options.xpub_no_drop && pipes.any_full(&self.targets) {
            return Err(Refusal::WouldBlock);
        }
        self.begin(options);
        self.begun_for = self.note_last_value(options);
        Ok(Recipient::Later)
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if self.silent {
            return Err(Refusal::Unsupported);
        }
        let Entry { message, origin, metadata } = self.shown.pop().ok_or(Refusal::WouldBlock)?;
        if let Origin::Request { peer, live, .. } = origin {
            self.last_peer = live.then_some(peer);
        }
        pipes.note_kept(metadata);
        pipes.counters.arrived += 1;
        pipes.counters.received(message.byte_len() as u64);
        *out = message;
        Ok(())
    }

    fn can_recv(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        !self.shown.is_empty()
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn subscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        if !options.xpub_manual {
            return Err(Refusal::Unsupported);
        }
        if let Some(peer) = self.last_peer.filter(|peer| pipes.is_open(*peer)) {
            self.subscriptions.add(topic, peer);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, _pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        if !options.xpub_manual {
            return Err(Refusal::Unsupported);
        }
        if let Some(peer) = self.last_peer {
            self.subscriptions.remove(topic, peer);
        }
        Ok(())
    }

    fn subscribers(&self, topic: &[u8]) -> usize {
        let mut found = Found::default();
        self.subscriptions.matches(topic, &mut found);
        found.pipes.len()
    }

    fn last_target(&self) -> Option<PipeId> {
        self.found.pipes.first().copied()
    }

    fn is_asked_for(&self, topic: &[u8]) -> bool {
        self.subscriptions.has(topic) || self.asked.has(topic)
    }

    fn topics(&self) -> usize {
        self.subscriptions.len()
    }
}

/// Whether a message is for all who subscribe to its topic, and nobody else.
fn sends_to_all(options: &Options) -> bool {
    !options.invert_matching && !options.xpub_manual
}

/// Whether the program sees each peer's requests, and not only what they come to.
fn shows_each(options: &Options) -> bool {
    options.xpub_manual || options.xpub_verboser
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::{Bench, subscription};

    #[test]
    fn subscribers_get_what_begins_with_their_topic_once() {
        let mut bench = Bench::new(XPub::new());
        let (one, other) = (bench.attach(), bench.attach());
        bench.arrive(one, subscription(true, "a"));
        bench.arrive(one, subscription(true, "ab"));
        bench.arrive(other, subscription(true, ""));
        bench.send(["abc", "body"]).unwrap();
        bench.send("x").unwrap();
        assert_eq!(bench.sent(one), [["abc", "body"]]);
        assert_eq!(bench.sent(other).len(), 2);
        bench.arrive(other, subscription(false, ""));
        bench.send("x").unwrap();
        assert_eq!(bench.pipes.counters.dropped.unroutable, 1);
    }

    #[test]
    fn the_program_sees_first_and_last_subscriptions_or_all() {
        for (verbose, verboser, seen) in [(false, false, 2), (true, false, 3), (false, true, 4)] {
            let mut bench = Bench::new(XPub::new());
            (bench.options.xpub_verbose, bench.options.xpub_verboser) = (verbose, verboser);
            let (one, other) = (bench.attach(), bench.attach());
            for peer in [one, other] {
                bench.arrive(peer, subscription(true, "a"));
            }
            for peer in [one, other] {
                bench.arrive(peer, subscription(false, "a"));
            }
            let count = std::iter::from_fn(|| bench.recv().ok()).count();
            assert_eq!(count, seen, "{verbose} {verboser}");
        }
    }

    #[test]
    fn a_gone_subscriber_ends_its_subscriptions() {
        let mut bench = Bench::new(XPub::new());
        let (one, other) = (bench.attach(), bench.attach());
        bench.arrive(one, subscription(true, "a"));
        bench.arrive(other, subscription(true, "a"));
        bench.arrive(one, subscription(true, "b"));
        while bench.recv().is_ok() {}
        bench.end(one);
        assert_eq!(bench.recv().unwrap(), subscription(false, "b"));
        assert!(bench.recv().is_err());
    }

    #[test]
    fn the_cancels_of_a_gone_subscriber_come_in_the_order_of_their_topics() {
        for manual in [false, true] {
            let mut bench = Bench::new(XPub::new());
            bench.options.xpub_manual = manual;
            let peer = bench.attach();
            for topic in ["b", "a", "c", "", "ab"] {
                bench.arrive(peer, subscription(true, topic));
                bench.recv().unwrap();
            }
            bench.end(peer);
            for topic in ["", "a", "ab", "b", "c"] {
                assert_eq!(bench.recv().unwrap(), subscription(false, topic));
            }
        }
    }

    #[test]
    fn in_manual_mode_the_program_decides() {
        let mut bench = Bench::new(XPub::new());
        bench.options.xpub_manual = true;
        let peer = bench.attach();
        bench.arrive(peer, subscription(true, "a"));
        bench.send("a").unwrap();
        assert!(bench.sent(peer).is_empty());
        bench.recv().unwrap();
        bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"z").unwrap();
        bench.send("z").unwrap();
        assert_eq!(bench.sent(peer), ["z"]);
    }

    #[test]
    fn a_full_subscriber_misses_messages_or_with_no_drop_holds_up_all() {
        let mut bench = Bench::new(XPub::new());
        bench.pipes.send_mark = 1;
        let (slow, fast) = (bench.attach(), bench.attach());
        for peer in [slow, fast] {
            bench.arrive(peer, subscription(true, ""));
        }
        bench.send("1").unwrap();
        bench.writable(fast);
        bench.send("2").unwrap();
        assert_eq!(bench.sent(slow), ["1"]);
        assert_eq!(bench.sent(fast), ["2"]);
        assert_eq!(bench.pipes.counters.dropped.high_water_mark, 1);
        bench.send("3").unwrap();
        bench.options.xpub_no_drop = true;
        assert_eq!(bench.send("4").unwrap_err().0, Refusal::WouldBlock);
    }

    /// What was refused may be sent again, or wait while another thread sends.
    #[test]
    fn a_message_that_is_refused_leaves_its_targets_to_nobody() {
        let mut bench = Bench::new(XPub::new());
        (bench.pipes.send_mark, bench.options.xpub_no_drop) = (1, true);
        let (slow, fast) = (bench.attach(), bench.attach());
        bench.arrive(slow, subscription(true, "a"));
        bench.arrive(fast, subscription(true, "b"));
        bench.pattern.admits(&mut bench.pipes, &bench.options, &"a".into()).unwrap();
        bench.pipes.write(slow, &mut "fills it".into());
        assert_eq!(bench.send(["a", "body"]).unwrap_err().0, Refusal::WouldBlock);
        bench.send("b").unwrap();
        assert_eq!(bench.sent(fast), ["b"]);
    }

    #[test]
    fn inverted_those_who_did_not_ask_get_it() {
        let mut bench = Bench::new(XPub::new());
        bench.options.invert_matching = true;
        let (one, other) = (bench.attach(), bench.attach());
        bench.arrive(one, subscription(true, "a"));
        bench.send("abc").unwrap();
        assert!(bench.sent(one).is_empty());
        assert_eq!(bench.sent(other), ["abc"]);
    }

    #[test]
    fn newcomers_are_welcomed() {
        let mut bench = Bench::new(XPub::new());
        bench.options.xpub_welcome_message = "welcome".into();
        let peer = bench.attach();
        assert_eq!(bench.sent(peer), ["welcome"]);
    }

    #[test]
    fn the_last_value_goes_to_the_one_who_asked_alone() {
        let mut bench = Bench::new(XPub::new());
        (bench.options.xpub_manual, bench.options.xpub_manual_last_value) = (true, true);
        let (one, other) = (bench.attach(), bench.attach());
        for peer in [one, other] {
            bench.arrive(peer, subscription(true, "a"));
            bench.recv().unwrap();
            bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"a").unwrap();
        }
        bench.send("a, as it is").unwrap();
        bench.send("a, changed").unwrap();
        assert_eq!(bench.sent(one), ["a, changed"]);
        assert_eq!(bench.sent(other), ["a, as it is", "a, changed"]);
    }

    #[test]
    fn whose_request_is_read_between_the_parts_of_a_last_value_gets_the_next_one() {
        let mut bench = Bench::new(XPub::new());
        (bench.options.xpub_manual, bench.options.xpub_manual_last_value) = (true, true);
        let peers = [bench.attach(), bench.attach()];
        let ask = |bench: &mut Bench<XPub>, peer| {
            bench.arrive(peer, subscription(true, "a"));
            bench.recv().unwrap();
            bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"a").unwrap();
        };
        ask(&mut bench, peers[0]);
        bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("a1")).unwrap();
        ask(&mut bench, peers[1]);
        bench.send(["a1", "end"]).unwrap();
        bench.send("a2").unwrap();
        assert_eq!(bench.sent(peers[0]), [["a1", "end"]]);
        assert_eq!(bench.sent(peers[1]), ["a2"]);
    }

    #[test]
    fn a_last_value_refused_at_its_end_is_for_the_same_one_again() {
        let mut bench = Bench::new(XPub::new());
        (bench.options.xpub_manual, bench.options.xpub_manual_last_value) = (true, true);
        (bench.options.xpub_no_drop, bench.options.xpub_verbose) = (true, true);
        let peers = [bench.attach(), bench.attach()];
        for peer in peers {
            bench.arrive(peer, subscription(true, "a"));
            bench.recv().unwrap();
            bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"a").unwrap();
            bench.send("a before").unwrap();
        }
        bench.sent(peers[0]);
        bench.arrive(peers[1], subscription(true, "a"));
        bench.recv().unwrap();
        bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("a")).unwrap();
        bench.pipes.send_mark = 1;
        let (_, refused) = bench.send(["a", "end"]).unwrap_err();
        assert_eq!(bench.sent(peers[1]), ["a before"]);
        bench.send(refused).unwrap();
        bench.send("a for all").unwrap_err();
        assert_eq!(bench.sent(peers[1]), [["a", "end"]]);
        bench.send("a for all").unwrap();
        assert_eq!(bench.sent(peers[0]), ["a for all"]);
    }

    #[test]
    fn what_was_begun_while_full_subscribers_miss_messages_is_not_refused() {
        let mut bench = Bench::new(XPub::new());
        bench.pipes.send_mark = 1;
        let peer = bench.attach();
        bench.arrive(peer, subscription(true, ""));
        bench.send("1").unwrap();
        bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("2")).unwrap();
        bench.options.xpub_no_drop = true;
        bench.send(["2", "end"]).unwrap();
        assert_eq!(bench.send("3").unwrap_err().0, Refusal::WouldBlock);
        assert_eq!(bench.sent(peer), ["1"]);
    }

    #[test]
    fn upstream_messages_are_shown_whole_and_do_not_change_whom_the_program_subscribes() {
        let mut bench = Bench::new(XPub::new());
        bench.options.xpub_manual = true;
        let (asker, talker) = (bench.attach(), bench.attach());
        bench.arrive(asker, subscription(true, "a"));
        bench.arrive(talker, ["up", "stream"]);
        bench.recv().unwrap();
        assert_eq!(bench.recv().unwrap(), ["up", "stream"]);
        bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"z").unwrap();
        bench.send("z").unwrap();
        assert_eq!(bench.sent(asker), ["z"]);
        assert!(bench.sent(talker).is_empty());
    }

    #[test]
    fn a_request_amid_other_parts_ends_what_is_read_as_one_message() {
        let mut bench = Bench::new(XPub::new());
        let peer = bench.attach();
        bench.arrive(peer, ["\u{1}a", "up", "\u{1}b", "stream", "\u{1}a"]);
        assert_eq!(bench.recv().unwrap(), subscription(true, "a"));
        assert_eq!(bench.recv().unwrap(), ["up", "\u{1}b"]);
        assert_eq!(bench.recv().unwrap(), ["stream"]);
        assert!(bench.recv().is_err());
        bench.send("b").unwrap();
        assert_eq!(bench.sent(peer), ["b"]);
    }

    #[test]
    fn a_peer_that_is_gone_cannot_be_subscribed() {
        let mut bench = Bench::new(XPub::new());
        bench.options.xpub_manual = true;
        let peer = bench.attach();
        bench.arrive(peer, subscription(true, "a"));
        bench.end(peer);
        assert_eq!(bench.recv().unwrap(), subscription(true, "a"));
        bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"z").unwrap();
        assert_eq!(bench.pattern.subscribers(b"z"), 0);
        assert_eq!(bench.recv().unwrap(), subscription(false, "a"));
    }

    #[test]
    fn unread_upstream_messages_are_bounded_and_requests_are_not_lost() {
        let mut bench = Bench::new(XPub::new());
        bench.options.recv_high_water_mark = 2;
        let peer = bench.attach();
        for topic in ["a", "b", "c"] {
            bench.arrive(peer, subscription(true, topic));
            bench.arrive(peer, "upstream");
            bench.arrive(peer, "upstream");
        }
        bench.arrive(peer, subscription(true, "d"));
        assert_eq!(bench.pipes.counters.dropped.high_water_mark, 2);
        assert_eq!(std::iter::from_fn(|| bench.recv().ok()).count(), 8);
        // Each peer has room of its own.
        let other = bench.attach();
        for _ in 0..9 {
            bench.arrive(peer, "upstream");
        }
        bench.arrive(other, "upstream");
        assert_eq!(bench.pipes.counters.dropped.high_water_mark, 2 + 5);
        assert_eq!(std::iter::from_fn(|| bench.recv().ok()).count(), 5);
        // What those leave who come and go has the room of those that are there.
        for _ in 0..100 {
            let guest = bench.attach();
            for _ in 0..4 {
                bench.arrive(guest, "upstream");
            }
            bench.end(guest);
        }
        assert!(std::iter::from_fn(|| bench.recv().ok()).count() <= 12);
    }
}
