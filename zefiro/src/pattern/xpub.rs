//! XPUB: each message to all who subscribed to its topic; the subscriptions to the program.

use std::collections::{BTreeSet, HashMap, VecDeque};

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::distributor::{any_full, distribute};
use crate::routing::request::{Request, Rest, subscription_message, take_requests};
use crate::routing::subscriptions::{Removed, SubscriptionIndex};

/// A distributor over the subscriptions.
pub(crate) struct XPub {
    subscriptions: SubscriptionIndex<PipeId>,
    /// Manual mode: what the peers asked for, whatever the program made of it.
    asked: SubscriptionIndex<PipeId>,
    peers: BTreeSet<PipeId>,
    /// What the program has yet to read.
    shown: VecDeque<Shown>,
    /// How many of them are requests of each peer's that is connected.
    unread: HashMap<PipeId, Unread>,
    /// Bytes of all that the program has yet to read.
    shown_bytes: usize,
    /// How much may wait before what undoes itself is looked for again: twice what was left the last time.
    settle_at: Unread,
    /// The program never reads: a PUB.
    silent: bool,
    /// Manual mode: whom the program subscribes. It may be gone.
    last_peer: Option<PipeId>,
    targets: Vec<PipeId>,
    /// `targets` are those of a message of which the first part has come: who subscribes since gets the next one.
    begun: bool,
}

struct Shown {
    message: Message,
    origin: Origin,
}

/// What a request changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Nothing,
    /// What its peer is subscribed to.
    Peer,
    /// Whether anybody is subscribed to the topic.
    All,
}

impl Weight {
    fn of_cancel(removed: Removed) -> Weight {
        match removed {
            Removed::NotThere => Weight::Nothing,
            Removed::Left => Weight::Peer,
            Removed::Last => Weight::All,
        }
    }
}

/// Requests that the program has not read.
#[derive(Clone, Copy, Default)]
struct Unread {
    requests: usize,
    bytes: usize,
}

#[derive(Clone, Copy)]
enum Origin {
    /// A request of a peer's connection that it still has, as far as is known; else one of an earlier connection, or made
    /// up at its end.
    Request { peer: PipeId, weight: Weight, live: bool },
    /// Anything else a subscriber sent.
    Upstream,
}

impl XPub {
    pub(crate) fn new() -> XPub {
        XPub {
            subscriptions: SubscriptionIndex::new(),
            asked: SubscriptionIndex::new(),
            peers: BTreeSet::new(),
            shown: VecDeque::new(),
            unread: HashMap::new(),
            shown_bytes: 0,
            settle_at: Unread::default(),
            silent: false,
            last_peer: None,
            targets: Vec::new(),
            begun: false,
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
            self.show(pipes, options, Message::from(parts), Origin::Upstream);
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
        if self.unread.get(&id).is_some_and(|unread| unread.requests >= most || unread.bytes > most_bytes) {
            return true;
        }
        let Some(len) = wanted else { return false };
        let (topics, bytes) = if options.xpub_manual { self.asked.holding(id) } else { self.subscriptions.holding(id) };
        topics >= most || bytes + len > most_bytes
    }

    /// Queues something for the program to read. Requests are never dropped, as a proxy that missed one would be wrong
    /// for good; upstream messages are beyond the receiving high-water mark, which is counted.
    fn show(&mut self, pipes: &mut Pipes, options: &Options, message: Message, origin: Origin) {
        let mark = options.recv_high_water_mark;
        match origin {
            // Nobody reads it, so there is never a peer whose request was read last.
            Origin::Request { .. } if self.silent => {}
            Origin::Request { peer, .. } => {
                let unread = self.unread.entry(peer).or_default();
                unread.requests += 1;
                unread.bytes += message.byte_len();
                self.push_shown(message, origin);
            }
            Origin::Upstream if self.silent => {
                pipes.counters.arrived += 1;
                pipes.count_dropped(DropReason::Filtered, 1);
            }
            Origin::Upstream if mark > 0 && self.shown.len() >= mark => {
                pipes.count_dropped(DropReason::HighWaterMark, 1);
            }
            _ => self.push_shown(message, origin),
        }
    }

    fn push_shown(&mut self, message: Message, origin: Origin) {
        self.shown_bytes += message.byte_len();
        self.shown.push_back(Shown { message, origin });
    }

    /// Ends all that a peer asked for, and makes up the cancels it did not send.
    fn forget(&mut self, options: &Options, id: PipeId) {
        if self.last_peer == Some(id) {
            self.last_peer = None;
        }
        let had_unread = self.unread.remove(&id).is_some();
        let XPub { subscriptions, asked, shown, shown_bytes, silent, .. } = self;
        let before = shown.len();
        let mut tell = |topic: &[u8], last| {
            let weight = if last { Weight::All } else { Weight::Peer };
            if !*silent && (last || shows_each(options)) {
                let origin = Origin::Request { peer: id, weight, live: false };
                let message = subscription_message(false, topic);
                *shown_bytes += message.byte_len();
                shown.push_back(Shown { message, origin });
            }
        };
        let mut ignored = |_: &[u8], _| {};
        let (told, other) = if options.xpub_manual { (asked, subscriptions) } else { (subscriptions, asked) };
        told.remove_pipe(id, &mut tell);
        other.remove_pipe(id, &mut ignored);
        // Topics in their order, as libzmq tells them.
        if let Some(told) = shown.make_contiguous().get_mut(before..) {
            told.sort_unstable_by(|one, other| one.message.first().cmp(other.message.first()));
        }
        let crowded = options
            .peer_subscriptions_max
            .is_some_and(|most| shown.len() >= most.max(self.settle_at.requests))
            || options.peer_subscription_bytes_max.is_some_and(|most| *shown_bytes >= most.max(self.settle_at.bytes));
        if crowded && (had_unread || shown.len() > before) {
            self.settle(options);
            self.settle_at = Unread { requests: 2 * self.shown.len(), bytes: 2 * self.shown_bytes };
        }
    }

    /// Where so much waits for the program that it does not seem to read, what undoes itself does not wait on: peers that
    /// come, ask and go would be kept for ever. The program hears no less of what holds once it has read the rest.
    fn settle(&mut self, options: &Options) {
        let each = shows_each(options);
        let edge = if each { Weight::Peer } else { Weight::All };
        let mut idle = vec![false; self.shown.len()];
        // The subscriptions to each topic since the one that began it, where the program has not read that.
        let mut begun: HashMap<(Option<PipeId>, &[u8]), Vec<usize>> = HashMap::new();
        for (place, shown) in self.shown.iter().enumerate() {
            let Origin::Request { peer, weight, live } = shown.origin else { continue };
            let Some(Request { subscribe, topic }) = Request::of(shown.message.first()) else { continue };
            let key = (each.then_some(peer), topic);
            if weight < edge && !(live && self.peers.contains(&peer)) {
                idle[place] = true;
            } else if subscribe && weight >= edge {
                begun.insert(key, vec![place]);
            } else if subscribe {
                begun.entry(key).and_modify(|places| places.push(place));
            } else if weight >= edge
                && let Some(places) = begun.remove(&key)
            {
                places.into_iter().chain([place]).for_each(|place| idle[place] = true);
            }
        }
        drop(begun);
        let mut idle = idle.into_iter();
        let (unread, shown_bytes) = (&mut self.unread, &mut self.shown_bytes);
        self.shown.retain(|shown| {
            let keep = !idle.next().unwrap_or(false);
            if !keep {
                *shown_bytes -= shown.message.byte_len();
                if let Origin::Request { peer, live: true, .. } = shown.origin {
                    count_read(unread, peer, &shown.message);
                }
            }
            keep
        });
    }

    /// The peers that want a message on `topic`; of one `alone`, if that is given, whether it does.
    fn find_targets(&mut self, options: &Options, topic: &[u8]) {
        self.targets.clear();
        self.subscriptions.matches(topic, &mut self.targets);
        if let Some(alone) = self.last_peer.filter(|_| options.xpub_manual && options.xpub_manual_last_value) {
            self.targets.retain(|target| *target == alone);
        }
        if options.invert_matching {
            let mut matching = std::mem::take(&mut self.targets);
            matching.sort_unstable();
            self.targets.extend(self.peers.iter().filter(|peer| matching.binary_search(peer).is_err()));
        }
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
        for shown in &mut self.shown {
            if let Origin::Request { peer, live, .. } = &mut shown.origin
                && *peer == id
            {
                *live = false;
            }
        }
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
                Some(Rest { message, .. }) => self.show(pipes, options, message, Origin::Upstream),
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
        distribute(pipes, options, &self.targets, message)?;
        self.begun = false;
        self.last_peer.take_if(|_| options.xpub_manual && options.xpub_manual_last_value);
        Ok(())
    }

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        self.find_targets(options, first);
        if options.xpub_no_drop && any_full(pipes, &self.targets) {
            return Err(Refusal::WouldBlock);
        }
        self.begun = true;
        Ok(Recipient::Later)
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if self.silent {
            return Err(Refusal::Unsupported);
        }
        let Shown { message, origin } = self.shown.pop_front().ok_or(Refusal::WouldBlock)?;
        self.shown_bytes -= message.byte_len();
        if let Origin::Request { peer, live, .. } = origin {
            self.last_peer = live.then_some(peer);
            if live {
                count_read(&mut self.unread, peer, &message);
            }
        }
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
        let mut found = Vec::new();
        self.subscriptions.matches(topic, &mut found);
        found.len()
    }

    fn topics(&self) -> usize {
        self.subscriptions.len()
    }
}

/// Whether the program sees each peer's requests, and not only what they come to.
fn shows_each(options: &Options) -> bool {
    options.xpub_manual || options.xpub_verboser
}

/// One request of the peer's is not unread any more.
fn count_read(unread: &mut HashMap<PipeId, Unread>, peer: PipeId, message: &Message) {
    if let Some(count) = unread.get_mut(&peer) {
        count.requests -= 1;
        count.bytes -= message.byte_len();
        if count.requests == 0 {
            unread.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    fn subscription(subscribe: bool, topic: &str) -> Message {
        subscription_message(subscribe, topic.as_bytes())
    }

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
        for _ in 0..3 {
            bench.arrive(peer, "upstream");
        }
        bench.arrive(peer, subscription(true, "a"));
        assert_eq!(bench.pipes.counters.dropped.high_water_mark, 1);
        assert_eq!(std::iter::from_fn(|| bench.recv().ok()).count(), 3);
    }

    #[test]
    fn unread_requests_are_bounded_in_bytes_by_whoever_they_were_sent() {
        for verbose in [false, true] {
            let mut bench = Bench::new(XPub::new());
            bench.options.xpub_verbose = verbose;
            bench.options.peer_subscription_bytes_max = Some(10_000);
            // Cancels of what it never had, and, where each is shown, the same subscription again and again.
            let topic = "t".repeat(1000);
            for round in 0..50 {
                let peer = bench.attach();
                for number in 0..100 {
                    if !bench.pipes.expelled.is_empty() {
                        assert!(number >= 8, "{round}");
                        break;
                    }
                    bench.arrive(peer, subscription(verbose, &topic));
                }
                assert!(!bench.pipes.expelled.is_empty(), "{round}");
                bench.pipes.expelled.clear();
                bench.end(peer);
                let kept: usize = bench.pattern.shown.iter().map(|shown| shown.message.byte_len()).sum();
                assert_eq!(kept, bench.pattern.shown_bytes);
                assert!(kept < 40_000, "{kept} bytes, {round} {verbose}");
            }
            while bench.recv().is_ok() {}
            assert_eq!(bench.pattern.shown_bytes, 0);
            // One whose requests are read may ask on.
            let peer = bench.attach();
            for _ in 0..100 {
                bench.arrive(peer, subscription(verbose, &topic));
                bench.recv().unwrap();
            }
            assert!(bench.pipes.expelled.is_empty());
        }
    }

    /// What a program believes that reads all requests: the topics that were subscribed more often than cancelled, or, if
    /// it sees first and last ones only, those whose last request was not a cancel.
    fn believed(bench: &mut Bench<XPub>, counts: bool) -> std::collections::BTreeSet<String> {
        let mut topics: HashMap<String, isize> = HashMap::new();
        while let Ok(message) = bench.recv() {
            let Request { subscribe, topic } = Request::of(message.first()).unwrap();
            let held = topics.entry(String::from_utf8_lossy(topic).into_owned()).or_default();
            *held = match (subscribe, counts) {
                (true, true) => *held + 1,
                (false, true) => *held - 1,
                (subscribe, false) => subscribe.into(),
            };
        }
        topics.into_iter().filter(|(_, held)| *held > 0).map(|(topic, _)| topic).collect()
    }

    #[test]
    fn behind_a_backlog_the_program_still_learns_what_holds() {
        for (verbose, verboser) in [(false, false), (true, false), (false, true)] {
            let mut bench = Bench::new(XPub::new());
            (bench.options.xpub_verbose, bench.options.xpub_verboser) = (verbose, verboser);
            bench.options.peer_subscriptions_max = Some(4);
            let (one, other) = (bench.attach(), bench.attach());
            bench.arrive(one, subscription(true, "read"));
            bench.recv().unwrap();
            for topic in ["a", "b", "c"] {
                bench.arrive(one, subscription(true, topic));
            }
            for topic in ["a", "d"] {
                bench.arrive(other, subscription(true, topic));
            }
            bench.arrive(one, subscription(false, "read"));
            bench.end(one);
            // "read" has ended, which the program must hear.
            let told: Vec<_> = bench.pattern.shown.iter().map(|shown| shown.message.clone()).collect();
            assert!(told.contains(&subscription(false, "read")), "{told:?}");
            assert_eq!(believed(&mut bench, verboser), ["a", "d"].map(String::from).into(), "{verbose} {verboser}");
            bench.end(other);
            assert!(std::iter::from_fn(|| bench.recv().ok()).count() == 2);
        }
    }

    #[test]
    fn what_gone_peers_asked_for_together_is_not_kept_for_ever() {
        for (verbose, verboser, manual) in
            [(false, false, false), (true, false, false), (false, true, false), (false, false, true)]
        {
            let mut bench = Bench::new(XPub::new());
            (bench.options.xpub_verbose, bench.options.xpub_verboser) = (verbose, verboser);
            bench.options.xpub_manual = manual;
            bench.options.peer_subscriptions_max = Some(10);
            let stays = bench.attach();
            bench.arrive(stays, subscription(true, "common"));
            for round in 0..1000 {
                let (one, other) = (bench.attach(), bench.attach());
                for peer in [one, other, one] {
                    bench.arrive(peer, subscription(true, "common"));
                    bench.arrive(peer, subscription(true, &round.to_string()));
                }
                bench.arrive(one, subscription(false, &round.to_string()));
                bench.arrive(one, subscription(false, "never had"));
                bench.end(one);
                bench.end(other);
            }
            assert!(bench.pattern.shown.len() < 50, "{} {verbose} {verboser} {manual}", bench.pattern.shown.len());
            assert_eq!(believed(&mut bench, verboser || manual), ["common".to_owned()].into());
        }
    }
}
