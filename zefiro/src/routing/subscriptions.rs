//! Subscriptions: topics to subscribers, for publishers; topics with a count, for subscribers.
//!
//! Topics are prefixes. They lie in one hash table; which lengths occur is kept beside it. Matching hashes a message's
//! topic once, front to back, and probes the table at each length that occurs: the cost grows with the topic's length,
//! as far as subscriptions agree with it, not with the number of subscriptions. The hash is keyed at random, so that no
//! peer can choose topics that collide.
//!
//! Of long topics the bytes are not compared: one subscriber may ask for thousands that begin one another, and a message
//! would be compared with each, all along. Two hashes of 61 bits, independent of each other, have to be the same instead.
//! (A compressed tree was the alternative. With the same 60 to 70 bytes a subscription it follows a pointer, and so
//! misses the cache, once a branching; the table does so once a length, and most programs use few lengths.)

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::HashTable;
use slab::Slab;

use super::prefix_hash::{PrefixHash, Rolling, note_read, spread};

/// Who subscribes to what.
pub(crate) struct SubscriptionIndex<P> {
    topics: Slab<Topic>,
    /// Both hashes of each topic longer than [`SHORT`].
    digests: Slab<[u64; 2]>,
    table: HashTable<u32>,
    lengths: BTreeMap<usize, usize>,
    /// How many topics are longer than a [`LANDMARK`] and agree up to it, by the hash up to it.
    landmarks: HashTable<(u64, u32)>,
    members: Slab<Member<P>>,
    /// Members by topic and pipe: thousands of pipes may subscribe to one topic, too many to walk at each change.
    by_both: HashTable<u32>,
    pair_hash: RandomState,
    by_pipe: HashMap<P, Holding>,
    hash: PrefixHash,
    /// How often a subscription began or ended.
    changes: u64,
}

/// The pipes that match a message's topic, and what they were found by: for the next message, which often has the same.
pub(crate) struct Found<P> {
    pub(crate) pipes: Vec<P>,
    topics: Vec<u32>,
    topics_before: Vec<u32>,
    changes: u64,
}

impl<P> Default for Found<P> {
    fn default() -> Found<P> {
        Found { pipes: Vec::new(), topics: Vec::new(), topics_before: Vec::new(), changes: 0 }
    }
}

/// The subscriptions of one pipe.
#[derive(Clone, Copy)]
struct Holding {
    /// The newest; the others follow.
    newest: u32,
    topics: usize,
    bytes: usize,
}

struct Topic {
    bytes: Box<[u8]>,
    /// Where its digest is, if it is a long one.
    digest: u32,
    /// The newest of its members.
    first: u32,
}

/// One pipe's subscription to one topic; in the list of its topic and in the list of its pipe.
struct Member<P> {
    pipe: P,
    topic: u32,
    next_of_topic: u32,
    previous_of_topic: u32,
    next_of_pipe: u32,
    previous_of_pipe: u32,
}

/// What removing a subscription came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Removed {
    NotThere,
    /// Others still subscribe to the topic.
    Left,
    /// It was the topic's last subscription.
    Last,
}

impl<P: Copy + Ord + Hash> SubscriptionIndex<P> {
    pub(crate) fn new() -> SubscriptionIndex<P> {
        SubscriptionIndex {
            topics: Slab::new(),
            digests: Slab::new(),
            table: HashTable::new(),
            lengths: BTreeMap::new(),
            landmarks: HashTable::new(),
            members: Slab::new(),
            by_both: HashTable::new(),
            pair_hash: RandomState::new(),
            by_pipe: HashMap::new(),
            hash: PrefixHash::new(),
            changes: 0,
        }
    }

    /// Adds a subscription; twice counts once. Answers whether the topic is new.
    pub(crate) fn add(&mut self, topic: &[u8], pipe: P) -> bool {
        let [mut one, mut other] = self.hash.start();
        let hash = one.go_on(topic, topic.len());
        let (index, new) = match self.find(hash, topic, &mut other) {
            Some(index) if self.member_of(index, pipe).is_some() => return false,
            Some(index) => (index, false),
            None => {
                let digest = match topic.len() > SHORT {
                    true => self.digests.insert([hash, other.go_on(topic, topic.len())]) as u32,
                    false => NONE,
                };
                let index = self.topics.insert(Topic { bytes: topic.into(), digest, first: NONE }) as u32;
                let (topics, digests, hashes) = (&self.topics, &self.digests, &self.hash);
                let place =
                    |index: &u32| topics.get(*index as usize).map_or(0, |topic| place_of(topic, digests, hashes));
                self.table.insert_unique(spread(hash), index, place);
                *self.lengths.entry(topic.len()).or_default() += 1;
                for hash in landmarks_of(&self.hash, topic) {
                    let same = |(other, _): &(u64, u32)| *other == hash;
                    self.landmarks.entry(hash, same, |(hash, _)| *hash).or_insert((hash, 0)).get_mut().1 += 1;
                }
                (index, true)
            }
        };
        self.changes += 1;
        let next_of_topic = self.topics.get(index as usize).map_or(NONE, |topic| topic.first);
        let held = self.by_pipe.get(&pipe).copied().unwrap_or(Holding { newest: NONE, topics: 0, bytes: 0 });
        let next_of_pipe = held.newest;
        let member = self.members.insert(Member {
            pipe,
            topic: index,
            next_of_topic,
            previous_of_topic: NONE,
            next_of_pipe,
            previous_of_pipe: NONE,
        }) as u32;
        let (members, pair_hash) = (&self.members, &self.pair_hash);
        let rehash =
            |id: &u32| members.get(*id as usize).map_or(0, |member| pair_hash.hash_one((member.topic, member.pipe)));
        self.by_both.insert_unique(self.pair_hash.hash_one((index, pipe)), member, rehash);
        if let Some(next) = self.members.get_mut(next_of_topic as usize) {
            next.previous_of_topic = member;
        }
        if let Some(topic) = self.topics.get_mut(index as usize) {
            topic.first = member;
        }
        if let Some(next) = self.members.get_mut(next_of_pipe as usize) {
            next.previous_of_pipe = member;
        }
        self.by_pipe.insert(pipe, Holding { newest: member, topics: held.topics + 1, bytes: held.bytes + topic.len() });
        new
    }

    /// How many topics a pipe subscribes to, and how many bytes they are.
    pub(crate) fn holding(&self, pipe: P) -> (usize, usize) {
        self.by_pipe.get(&pipe).map_or((0, 0), |held| (held.topics, held.bytes))
    }

    /// Ends a subscription.
    pub(crate) fn remove(&mut self, topic: &[u8], pipe: P) -> Removed {
        let [mut one, mut other] = self.hash.start();
        let Some(index) = self.find(one.go_on(topic, topic.len()), topic, &mut other) else {
            return Removed::NotThere;
        };
        match self.member_of(index, pipe) {
            Some(member) => self.remove_member(member),
            None => Removed::NotThere,
        }
    }

    /// Ends all subscriptions of a pipe; `each` is told every topic, and whether that was its last subscription.
    pub(crate) fn remove_pipe(&mut self, pipe: P, mut each: impl FnMut(&[u8], bool)) {
        while let Some(&Holding { newest: member, .. }) = self.by_pipe.get(&pipe) {
            let Some(topic) = self.members.get(member as usize).map(|member| member.topic) else { return };
            let bytes = self.topics.get(topic as usize).map(|topic| topic.bytes.clone()).unwrap_or_default();
            let removed = self.remove_member(member);
            each(&bytes, removed == Removed::Last);
        }
        if self.members.capacity() > ROOM_KEPT.max(4 * self.members.len()) {
            self.give_room_back();
        }
    }

    /// What a peer with many subscriptions has needed is not kept when it is gone.
    fn give_room_back(&mut self) {
        let SubscriptionIndex { topics, digests, table, landmarks, members, by_both, pair_hash, hash, .. } = self;
        topics.shrink_to_fit();
        members.shrink_to_fit();
        digests.shrink_to_fit();
        table.shrink_to_fit(|index| topics.get(*index as usize).map_or(0, |topic| place_of(topic, digests, hash)));
        landmarks.shrink_to_fit(|(hash, _)| *hash);
        let both = |member: &Member<P>| pair_hash.hash_one((member.topic, member.pipe));
        by_both.shrink_to_fit(|id| members.get(*id as usize).map_or(0, both));
    }

    /// Finds the pipes that subscribe to a prefix of `topic`, each once. They are not gone through again if `found` holds
    /// them already.
    pub(crate) fn matches(&self, topic: &[u8], found: &mut Found<P>) {
        let Found { pipes, topics, topics_before, changes } = found;
        std::mem::swap(topics, topics_before);
        topics.clear();
        self.for_each_match(topic, |index| topics.push(index));
        if std::mem::replace(changes, self.changes) == self.changes && topics.iter().eq(&*topics_before) {
            return;
        }
        pipes.clear();
        for index in &*topics {
            let mut next = self.topics.get(*index as usize).map_or(NONE, |topic| topic.first);
            while let Some(member) = self.members.get(next as usize) {
                pipes.push(member.pipe);
                next = member.next_of_topic;
            }
        }
        // Of one topic, too: that the same peers are in the same order makes the next message cheap.
        pipes.sort_unstable();
        pipes.dedup();
    }

    /// Whether somebody subscribes to just this topic.
    pub(crate) fn has(&self, topic: &[u8]) -> bool {
        let [mut one, mut other] = self.hash.start();
        self.find(one.go_on(topic, topic.len()), topic, &mut other).is_some()
    }

    /// How many distinct topics there are.
    pub(crate) fn len(&self) -> usize {
        self.topics.len()
    }

    fn for_each_match(&self, topic: &[u8], mut each: impl FnMut(u32)) {
        let [mut one, mut other] = self.hash.start();
        let mut landmark = LANDMARK;
        for &len in self.lengths.keys() {
            let Some(prefix) = topic.get(..len) else { return };
            while landmark < len {
                let hash = spread(one.go_on(prefix, landmark));
                if self.landmarks.find(hash, |(other, _)| *other == hash).is_none() {
                    return;
                }
                landmark *= 2;
            }
            if let Some(index) = self.find(one.go_on(prefix, len), prefix, &mut other) {
                each(index);
            }
        }
    }

    /// The topic, by its first hash; the second one goes on to its end only if it has to.
    #[inline]
    fn find(&self, one: u64, topic: &[u8], other: &mut Rolling) -> Option<u32> {
        let same = |index: &u32| {
            let Some(known) = self.topics.get(*index as usize) else { return false };
            match known.digest {
                NONE if known.bytes.len() != topic.len() => false,
                // Comparing nothing at an address where nothing is costs 130 ns: the processor takes the fault, and forgets it.
                NONE if topic.is_empty() => true,
                NONE => {
                    note_read(topic.len());
                    *known.bytes == *topic
                }
                digest => self.is_digest(digest, one, topic, other),
            }
        };
        self.table.find(spread(one), same).copied()
    }

    /// Out of line, for the usual topics are short.
    #[cold]
    fn is_digest(&self, digest: u32, one: u64, topic: &[u8], other: &mut Rolling) -> bool {
        let Some(digest) = self.digests.get(digest as usize) else { return false };
        digest[0] == one && digest[1] == other.go_on(topic, topic.len())
    }

    fn member_of(&self, topic: u32, pipe: P) -> Option<u32> {
        let same = |id: &u32| {
            self.members.get(*id as usize).is_some_and(|member| member.topic == topic && member.pipe == pipe)
        };
        self.by_both.find(self.pair_hash.hash_one((topic, pipe)), same).copied()
    }

    fn remove_member(&mut self, id: u32) -> Removed {
        let Some(member) = self.members.try_remove(id as usize) else { return Removed::NotThere };
        self.changes += 1;
        if let Ok(entry) =
            self.by_both.find_entry(self.pair_hash.hash_one((member.topic, member.pipe)), |other| *other == id)
        {
            entry.remove();
        }
        // Out of its pipe's list.
        let is_newest = match self.members.get_mut(member.previous_of_pipe as usize) {
            Some(previous) => {
                previous.next_of_pipe = member.next_of_pipe;
                false
            }
            None => true,
        };
        let bytes = self.topics.get(member.topic as usize).map_or(0, |topic| topic.bytes.len());
        if let Some(held) = self.by_pipe.get_mut(&member.pipe) {
            (held.topics, held.bytes) = (held.topics.saturating_sub(1), held.bytes.saturating_sub(bytes));
            if is_newest {
                held.newest = member.next_of_pipe;
            }
            if held.newest == NONE {
                self.by_pipe.remove(&member.pipe);
            }
        }
        if let Some(next) = self.members.get_mut(member.next_of_pipe as usize) {
            next.previous_of_pipe = member.previous_of_pipe;
        }
        // Out of its topic's list.
        let Some(topic) = self.topics.get_mut(member.topic as usize) else { return Removed::NotThere };
        match self.members.get_mut(member.previous_of_topic as usize) {
            Some(previous) => previous.next_of_topic = member.next_of_topic,
            None => topic.first = member.next_of_topic,
        }
        if let Some(next) = self.members.get_mut(member.next_of_topic as usize) {
            next.previous_of_topic = member.previous_of_topic;
        }
        if topic.first != NONE {
            return Removed::Left;
        }
        self.remove_topic(member.topic);
        Removed::Last
    }

    fn remove_topic(&mut self, index: u32) {
        let Some(topic) = self.topics.try_remove(index as usize) else { return };
        let place = place_of(&topic, &self.digests, &self.hash);
        if let Ok(entry) = self.table.find_entry(place, |other| *other == index) {
            entry.remove();
        }
        self.digests.try_remove(topic.digest as usize);
        for hash in landmarks_of(&self.hash, &topic.bytes) {
            if let Ok(mut entry) = self.landmarks.find_entry(hash, |(other, _)| *other == hash) {
                entry.get_mut().1 -= 1;
                if entry.get().1 == 0 {
                    entry.remove();
                }
            }
        }
        if let Some(count) = self.lengths.get_mut(&topic.bytes.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&topic.bytes.len());
            }
        }
    }
}

/// The subscriptions of one subscriber, counted.
pub(crate) struct Subscriptions {
    counts: HashMap<Box<[u8]>, usize>,
    /// How many of them proxies have added.
    proxied: HashMap<Box<[u8]>, usize>,
    lengths: BTreeMap<usize, usize>,
}

impl Subscriptions {
    pub(crate) fn new() -> Subscriptions {
        Subscriptions { counts: HashMap::new(), proxied: HashMap::new(), lengths: BTreeMap::new() }
    }

    /// Adds one instance of a topic.
    pub(crate) fn add(&mut self, topic: &[u8]) {
        let count = self.counts.entry(topic.into()).or_default();
        *count += 1;
        if *count == 1 {
            *self.lengths.entry(topic.len()).or_default() += 1;
        }
    }

    /// Takes one instance away. `true`: that was the last one.
    pub(crate) fn remove(&mut self, topic: &[u8]) -> bool {
        let Some(count) = self.counts.get_mut(topic) else { return false };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.counts.remove(topic);
        if let Some(count) = self.lengths.get_mut(&topic.len()) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&topic.len());
            }
        }
        true
    }

    /// A proxy is about to add an instance, for who is below it.
    pub(crate) fn note_proxied(&mut self, topic: &[u8]) {
        *self.proxied.entry(topic.into()).or_default() += 1;
    }

    /// A proxy has heard that somebody below it does not want a topic any more, which others still do if it `is_wanted`.
    /// Answers whether an instance is to be taken away: of those that proxies have added the last one only when nobody
    /// wants the topic, and then with all others of them.
    pub(crate) fn end_proxied(&mut self, topic: &[u8], is_wanted: bool) -> bool {
        match self.proxied.get_mut(topic) {
            Some(proxied) if is_wanted => {
                let others = *proxied > 1;
                *proxied -= usize::from(others);
                others
            }
            Some(proxied) => {
                if let Some(count) = self.counts.get_mut(topic) {
                    *count = count.saturating_sub(*proxied - 1).max(1);
                }
                self.proxied.remove(topic);
                true
            }
            None => false,
        }
    }

    /// Whether a subscription is a prefix of `topic`.
    #[inline]
    pub(crate) fn matches(&self, topic: &[u8]) -> bool {
        self.lengths
            .keys()
            .any(|len| *len == 0 || topic.get(..*len).is_some_and(|prefix| self.counts.contains_key(prefix)))
    }

    /// The distinct topics, sorted: publishers, and the tests of programs, see the same order each time.
    pub(crate) fn topics(&self) -> Vec<&[u8]> {
        let mut topics: Vec<&[u8]> = self.counts.keys().map(|topic| &**topic).collect();
        topics.sort_unstable();
        topics
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }
}

/// Where in the table a topic is.
fn place_of(topic: &Topic, digests: &Slab<[u64; 2]>, hash: &PrefixHash) -> u64 {
    match digests.get(topic.digest as usize) {
        Some(digest) => spread(digest[0]),
        None => spread(hash.start()[0].go_on(&topic.bytes, topic.bytes.len())),
    }
}

/// The hashes of a topic up to each landmark before its end.
fn landmarks_of(hash: &PrefixHash, topic: &[u8]) -> impl Iterator<Item = u64> {
    let [mut one, _] = hash.start();
    let landmarks = std::iter::successors(Some(LANDMARK), |landmark| landmark.checked_mul(2));
    let before_its_end = landmarks.take_while(|landmark| *landmark < topic.len());
    before_its_end.map(move |landmark| spread(one.go_on(topic, landmark)))
}

/// Here, and at twice the length each time, matching looks whether any topic goes on: else one subscriber with long
/// topics, or with topics of thousands of lengths, would have each long message hashed to its end and looked up at each.
const LANDMARK: usize = 16;

/// The bytes of topics up to this length are compared: that costs less than a second hash.
const SHORT: usize = 64;

/// No member, no digest.
const NONE: u32 = u32::MAX;

/// Room for so many subscriptions is kept.
const ROOM_KEPT: usize = 4096;

#[cfg(test)]
mod tests;
