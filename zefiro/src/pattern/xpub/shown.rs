//! Shown: what the program of an XPUB has yet to read, and how little of it is kept where the program does not read.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::message::Message;
use crate::metadata::Metadata;
use crate::options::Options;
use crate::pipe::PipeId;
use crate::routing::request::Request;
use crate::routing::subscriptions::Removed;

/// Requests, and what else subscribers sent, in the order in which they came.
#[derive(Default)]
pub(super) struct Shown {
    entries: VecDeque<Entry>,
    /// How many of them are requests of each peer's that is connected.
    unread: HashMap<PipeId, Unread>,
    /// How many of them are none, of all and of each peer's, gone or not.
    upstream: usize,
    upstream_of: HashMap<PipeId, usize>,
    /// Bytes of all entries.
    bytes: usize,
    /// How much may wait before what undoes itself is looked for again: twice what was left the last time.
    settle_at: Unread,
}

pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) origin: Origin,
    /// Of the connection it came by; what is made up came by none.
    pub(super) metadata: Option<Arc<Metadata>>,
}

#[derive(Clone, Copy)]
pub(super) enum Origin {
    /// A request of a peer's connection that it still has, as far as is known; else one of an earlier connection, or made
    /// up at its end.
    Request { peer: PipeId, weight: Weight, live: bool },
    /// Anything else a subscriber sent.
    Upstream { peer: PipeId },
}

/// What a request changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    Nothing,
    /// What its peer is subscribed to.
    Peer,
    /// Whether anybody is subscribed to the topic.
    All,
}

impl Weight {
    pub(super) fn of_cancel(removed: Removed) -> Weight {
        match removed {
            Removed::NotThere => Weight::Nothing,
            Removed::Left => Weight::Peer,
            Removed::Last => Weight::All,
        }
    }
}

/// Requests that the program has not read.
#[derive(Clone, Copy, Default)]
pub(super) struct Unread {
    pub(super) requests: usize,
    pub(super) bytes: usize,
}

impl Shown {
    pub(super) fn push(&mut self, message: Message, origin: Origin, metadata: Option<Arc<Metadata>>) {
        match origin {
            Origin::Request { peer, live: true, .. } => {
                let unread = self.unread.entry(peer).or_default();
                unread.requests += 1;
                unread.bytes += message.byte_len();
            }
            Origin::Request { .. } => {}
            Origin::Upstream { peer } => {
                self.upstream += 1;
                *self.upstream_of.entry(peer).or_default() += 1;
            }
        }
        self.bytes += message.byte_len();
        self.entries.push_back(Entry { message, origin, metadata });
    }

    /// The program reads the first.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        let Entry { message, origin, .. } = &entry;
        self.bytes -= message.byte_len();
        match origin {
            Origin::Request { peer, live: true, .. } => count_read(&mut self.unread, *peer, message),
            Origin::Request { .. } => {}
            Origin::Upstream { peer } => {
                self.upstream -= 1;
                if let Some(count) = self.upstream_of.get_mut(peer) {
                    *count -= 1;
                    if *count == 0 {
                        self.upstream_of.remove(peer);
                    }
                }
            }
        }
        Some(entry)
    }

    /// A connection is lost: its requests stay, but the peer's next connection is not behind them.
    pub(super) fn outlive(&mut self, id: PipeId) {
        for entry in &mut self.entries {
            if let Origin::Request { peer, live, .. } = &mut entry.origin
                && *peer == id
            {
                *live = false;
            }
        }
    }

    /// A peer's requests do not count as its own any more. Answers whether there were some.
    pub(super) fn forget_unread(&mut self, id: PipeId) -> bool {
        self.unread.remove(&id).is_some()
    }

    /// Sorts what was added since there were `before`, by topic.
    pub(super) fn sort_from(&mut self, before: usize) {
        if let Some(added) = self.entries.make_contiguous().get_mut(before..) {
            added.sort_unstable_by(|one, other| one.message.first().cmp(other.message.first()));
        }
    }

    /// Where so much waits for the program that it does not seem to read, what undoes itself does not wait on: peers that
    /// come, ask and go would be kept for ever. The program hears no less of what holds once it has read the rest.
    ///
    /// `each`: the program sees each peer's requests; `peers`: those that are there.
    pub(super) fn settle(&mut self, peers: &BTreeSet<PipeId>, each: bool) {
        let edge = if each { Weight::Peer } else { Weight::All };
        let mut idle = vec![false; self.entries.len()];
        let mut idles = |place: usize| {
            if let Some(idle) = idle.get_mut(place) {
                *idle = true;
            }
        };
        // The subscriptions to each topic since the one that began it, where the program has not read that.
        let mut begun: HashMap<(Option<PipeId>, &[u8]), Vec<usize>> = HashMap::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let Origin::Request { peer, weight, live } = entry.origin else { continue };
            let Some(Request { subscribe, topic }) = Request::of(entry.message.first()) else { continue };
            let key = (each.then_some(peer), topic);
            if weight < edge && !(live && peers.contains(&peer)) {
                idles(place);
            } else if subscribe && weight >= edge {
                begun.insert(key, vec![place]);
            } else if subscribe {
                begun.entry(key).and_modify(|places| places.push(place));
            } else if weight >= edge
                && let Some(places) = begun.remove(&key)
            {
                places.into_iter().chain([place]).for_each(&mut idles);
            }
        }
        drop(begun);
        let mut idle = idle.into_iter();
        let (unread, bytes) = (&mut self.unread, &mut self.bytes);
        self.entries.retain(|entry| {
            let keep = !idle.next().unwrap_or(false);
            if !keep {
                *bytes -= entry.message.byte_len();
                if let Origin::Request { peer, live: true, .. } = entry.origin {
                    count_read(unread, peer, &entry.message);
                }
            }
            keep
        });
        self.settle_at = Unread { requests: 2 * self.entries.len(), bytes: 2 * self.bytes };
    }

    /// Whether so much waits that it is time to [settle](Shown::settle).
    pub(super) fn is_crowded(&self, options: &Options) -> bool {
        options.peer_subscriptions_max.is_some_and(|most| self.len() >= most.max(self.settle_at.requests))
            || options.peer_subscription_bytes_max.is_some_and(|most| self.bytes >= most.max(self.settle_at.bytes))
    }

    /// A peer's requests that the program has not read, if there are any.
    pub(super) fn unread(&self, peer: PipeId) -> Option<&Unread> {
        self.unread.get(&peer)
    }

    /// How many are no requests: of all, and of a peer's.
    pub(super) fn upstream(&self, peer: PipeId) -> (usize, usize) {
        (self.upstream, self.upstream_of.get(&peer).copied().unwrap_or(0))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
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
    use super::super::XPub;
    use super::*;
    use crate::pattern::testing::{Bench, subscription};

    /// Miri interprets each step: it is given so many times less to do, and fewer rounds.
    const LESS: usize = if cfg!(miri) { 25 } else { 1 };
    const ROUNDS: usize = if cfg!(miri) { 10 } else { 1000 };

    #[test]
    fn unread_requests_are_bounded_in_bytes_by_whoever_they_were_sent() {
        for verbose in [false, true] {
            let mut bench = Bench::new(XPub::new());
            bench.options.xpub_verbose = verbose;
            bench.options.peer_subscription_bytes_max = Some(10_000);
            // Cancels of what it never had, and, where each is shown, the same subscription again and again.
            let topic = "t".repeat(1000);
            for round in 0..50 / LESS {
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
                let kept: usize = bench.pattern.shown.entries.iter().map(|entry| entry.message.byte_len()).sum();
                assert_eq!(kept, bench.pattern.shown.bytes);
                assert!(kept < 40_000, "{kept} bytes, {round} {verbose}");
            }
            while bench.recv().is_ok() {}
            assert_eq!(bench.pattern.shown.bytes, 0);
            // One whose requests are read may ask on.
            let peer = bench.attach();
            for _ in 0..(100 / LESS).max(12) {
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
            let told: Vec<_> = bench.pattern.shown.entries.iter().map(|entry| entry.message.clone()).collect();
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
            for round in 0..ROUNDS {
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
