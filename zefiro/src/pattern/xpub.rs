//! XPUB: each message to all who subscribed to its topic; the subscriptions to the program.

use std::collections::VecDeque;

use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes, subscription_message};
use crate::routing::subscriptions::{Removed, SubscriptionIndex};

/// A distributor over the subscriptions.
pub(crate) struct XPub {
    subscriptions: SubscriptionIndex<PipeId>,
    /// Manual mode: what the peers asked for, whatever the program made of it.
    asked: SubscriptionIndex<PipeId>,
    peers: Vec<PipeId>,
    /// What the program has yet to read; with the peer that asked, for manual mode.
    requests: VecDeque<(Message, Option<PipeId>)>,
    last_peer: Option<PipeId>,
    targets: Vec<PipeId>,
}

impl XPub {
    pub(crate) fn new() -> XPub {
        XPub {
            subscriptions: SubscriptionIndex::new(),
            asked: SubscriptionIndex::new(),
            peers: Vec::new(),
            requests: VecDeque::new(),
            last_peer: None,
            targets: Vec::new(),
        }
    }

    /// A peer asks to begin or end a subscription. Answers what the program is to see.
    fn request(&mut self, options: &Options, id: PipeId, subscribe: bool, topic: &[u8]) -> bool {
        if options.xpub_manual {
            if subscribe {
                self.asked.add(topic, id);
            } else {
                self.asked.remove(topic, id);
            }
            return true;
        }
        if subscribe {
            self.subscriptions.add(topic, id) || options.xpub_verbose || options.xpub_verboser
        } else {
            let removed = self.subscriptions.remove(topic, id);
            removed != Removed::Left || options.xpub_verboser
        }
    }

    /// The peers that want a message on `topic`.
    fn find_targets(&mut self, options: &Options, topic: &[u8]) {
        self.targets.clear();
        self.subscriptions.matches(topic, &mut self.targets);
        if options.invert_matching {
            let matching = std::mem::take(&mut self.targets);
            self.targets.extend(self.peers.iter().filter(|peer| !matching.contains(peer)));
        }
    }
}

impl Pattern for XPub {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.peers.push(id);
        if !options.xpub_welcome_message.is_empty() {
            pipes.write(id, &mut Message::from(options.xpub_welcome_message.clone()));
        }
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.peers.retain(|peer| *peer != id);
        if self.last_peer == Some(id) {
            self.last_peer = None;
        }
        // Its requests that the program has not read yet stay, but nobody is behind them.
        let requests = &mut self.requests;
        for (_, peer) in requests.iter_mut() {
            *peer = peer.filter(|peer| *peer != id);
        }
        let manual = options.xpub_manual;
        let mut tell = |topic: &[u8]| requests.push_back((subscription_message(false, topic), None));
        self.asked.remove_pipe(id, |topic, _| tell(topic));
        self.subscriptions.remove_pipe(id, |topic, last| {
            if (last || options.xpub_verboser) && !manual {
                tell(topic);
            }
        });
        let _ = pipes;
    }

    /// The connection is lost, and with it what was asked over it; the next one asks again.
    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        let was_there = self.peers.contains(&id);
        self.on_ended(pipes, options, id);
        if was_there {
            self.peers.push(id);
        }
    }

    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        loop {
            let mut message = Message::new();
            if !pipes.read(id, &mut message) {
                return;
            }
            let request = match message.first().split_first() {
                Some((first @ (0 | 1), topic)) if message.frame_count() == 1 => Some((*first == 1, topic)),
                _ => None,
            };
            let shown = match request {
                Some((subscribe, topic)) => self.request(options, id, subscribe, topic),
                None => true,
            };
            if !shown {
                continue;
            }
            // A program that never reads its requests (PUB does not) must not fill the memory.
            let mark = options.recv_high_water_mark;
            if request.is_none() && mark > 0 && self.requests.len() >= mark {
                pipes.count_dropped(DropReason::HighWaterMark, 1);
            } else {
                self.requests.push_back((message, Some(id)));
            }
        }
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        self.find_targets(options, message.first());
        if self.targets.is_empty() {
            pipes.count_dropped(DropReason::Unroutable, 1);
            return Ok(());
        }
        if options.xpub_no_drop {
            let mut full = false;
            for &id in &self.targets {
                full |= pipes.is_open(id) && !pipes.has_room(id);
            }
            if full {
                return Err(Refusal::WouldBlock);
            }
        }
        pipes.fan_out(&self.targets, message);
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let (message, peer) = self.requests.pop_front().ok_or(Refusal::WouldBlock)?;
        self.last_peer = peer;
        pipes.counters.received(message.byte_len() as u64);
        *out = message;
        Ok(())
    }

    fn can_recv(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        !self.requests.is_empty()
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn subscribe(&mut self, _pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        if !options.xpub_manual {
            return Err(Refusal::Unsupported);
        }
        if let Some(peer) = self.last_peer {
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
}
