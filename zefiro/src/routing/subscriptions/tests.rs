use std::collections::BTreeSet;

use super::super::prefix_hash::BYTES_READ;
use super::*;

/// Miri interprets each step: it is given so many times less to do.
const LESS: usize = if cfg!(miri) { 50 } else { 1 };

/// What the index must agree with.
#[derive(Default)]
struct Naive(BTreeSet<(Vec<u8>, u32)>);

impl Naive {
    fn matches(&self, topic: &[u8]) -> Vec<u32> {
        let pipes: BTreeSet<u32> =
            self.0.iter().filter(|(prefix, _)| topic.starts_with(prefix)).map(|(_, pipe)| *pipe).collect();
        pipes.into_iter().collect()
    }

    fn subscribers(&self, topic: &[u8]) -> usize {
        self.0.iter().filter(|(other, _)| other == topic).count()
    }
}

#[test]
fn long_topics_agree_with_the_naive_twin() {
    let mut index = SubscriptionIndex::new();
    let mut naive = Naive::default();
    // Topics that agree up to somewhere, around each landmark.
    let lens = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 500];
    let topics: Vec<Vec<u8>> = lens
        .iter()
        .flat_map(|len| {
            lens.iter().filter(move |at| *at < len).map(|at| Some(*at)).chain([None]).map(move |at| (*len, at))
        })
        .map(|(len, other_at)| (0..len).map(|at| if Some(at) == other_at { b'x' } else { b'a' }).collect())
        .collect();
    for (number, topic) in topics.iter().enumerate() {
        index.add(topic, number as u32);
        naive.0.insert((topic.clone(), number as u32));
    }
    for removed in (0..topics.len()).rev() {
        for topic in topics.iter().filter(|_| removed.is_multiple_of(LESS)) {
            let mut found = Found::default();
            index.matches(&[topic, &b"a"[..]].concat(), &mut found);
            found.pipes.sort_unstable();
            assert_eq!(found.pipes, naive.matches(&[topic, &b"a"[..]].concat()));
        }
        index.remove(&topics[removed], removed as u32);
        naive.0.remove(&(topics[removed].clone(), removed as u32));
    }
    assert!(index.landmarks.is_empty() && index.digests.is_empty());
}

#[test]
fn the_room_of_many_subscriptions_goes_with_their_pipe() {
    let mut index = SubscriptionIndex::new();
    index.add(b"news", 1);
    for number in 0..100_000 / LESS {
        index.add(format!("{number:0100}").as_bytes(), 2);
    }
    index.remove_pipe(2, |_, _| {});
    let room = [
        index.topics.capacity(),
        index.members.capacity(),
        index.digests.capacity(),
        index.table.capacity(),
        index.landmarks.capacity(),
        index.by_both.capacity(),
    ];
    assert!(room.iter().all(|room| *room <= ROOM_KEPT), "{room:?}");
    // What is left is found, and what comes then, too.
    index.add(b"ne", 3);
    let mut found = Found::default();
    index.matches(b"news!", &mut found);
    found.pipes.sort_unstable();
    assert_eq!(found.pipes, [1, 3]);
    assert_eq!((index.remove(b"news", 1), index.remove(b"ne", 3), index.len()), (Removed::Last, Removed::Last, 0));
}

#[test]
fn nobody_s_long_topics_make_matching_long() {
    let mut index = SubscriptionIndex::new();
    for len in 0..10_000 / LESS {
        index.add(&vec![b'x'; len], 7);
    }
    index.add(b"", 8);
    index.add(b"news", 8);
    let topic = [&b"news"[..], &[b'x'; 60_000 / LESS]].concat();
    let before = BYTES_READ.get();
    let mut found = Found::default();
    index.matches(&topic, &mut found);
    assert_eq!(found.pipes, [7, 8]);
    // What ten thousand lengths would make one look at is not.
    let bytes = BYTES_READ.get() - before;
    assert!((1..10 * SHORT).contains(&bytes), "{bytes} bytes read");
}

#[test]
fn topics_that_begin_one_another_cost_what_they_are_long_once() {
    let index_of = |lens: usize| {
        let mut index = SubscriptionIndex::new();
        let topic = vec![b'x'; lens];
        for len in 0..lens {
            index.add(&topic[..len], 7);
        }
        (index, topic)
    };
    let read = |lens: usize| {
        let (index, topic) = index_of(lens);
        let (before, mut found) = (BYTES_READ.get(), Found::default());
        index.matches(&topic, &mut found);
        assert_eq!(found.pipes, [7]);
        BYTES_READ.get() - before
    };
    // Each byte by two hashes; and the short topics to their ends.
    for lens in [1000, 16_000 / LESS] {
        let bytes = read(lens);
        assert!((lens..2 * lens + SHORT * SHORT).contains(&bytes), "{bytes} bytes read of a topic of {lens}");
    }
}

#[test]
fn random_operations_agree_with_the_naive_twin() {
    let mut random = 12345u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut index = SubscriptionIndex::new();
    let mut naive = Naive::default();
    let mut found = Found::default();
    for _ in 0..20_000 / LESS {
        let topic: Vec<u8> = (0..next(5)).map(|_| b'a' + next(3) as u8).collect();
        let pipe = next(6) as u32;
        match next(10) {
            0..=4 => {
                let new = naive.subscribers(&topic) == 0;
                naive.0.insert((topic.clone(), pipe));
                assert_eq!(index.add(&topic, pipe), new);
            }
            5..=7 => {
                let was_there = naive.0.remove(&(topic.clone(), pipe));
                let expected = match (was_there, naive.subscribers(&topic)) {
                    (false, _) => Removed::NotThere,
                    (true, 0) => Removed::Last,
                    (true, _) => Removed::Left,
                };
                assert_eq!(index.remove(&topic, pipe), expected);
            }
            8 => {
                let mut told = BTreeSet::new();
                index.remove_pipe(pipe, |topic, _| assert!(told.insert(topic.to_vec())));
                let had: BTreeSet<Vec<u8>> =
                    naive.0.iter().filter(|(_, other)| *other == pipe).map(|(topic, _)| topic.clone()).collect();
                assert_eq!(told, had);
                naive.0.retain(|(_, other)| *other != pipe);
            }
            _ => {
                index.matches(&topic, &mut found);
                let mut pipes = found.pipes.clone();
                pipes.sort_unstable();
                assert_eq!(pipes, naive.matches(&topic));
            }
        }
        let topics: BTreeSet<&Vec<u8>> = naive.0.iter().map(|(topic, _)| topic).collect();
        assert_eq!(index.len(), topics.len());
    }
}

#[test]
fn many_pipes_on_one_topic_come_and_go_in_any_order() {
    let mut index = SubscriptionIndex::new();
    let pipes = 100_000 / LESS as u32;
    for pipe in 0..pipes {
        assert_eq!(index.add(b"news", pipe), pipe == 0);
    }
    for pipe in (0..pipes).filter(|pipe| pipe % 3 > 0) {
        assert_eq!(index.remove(b"news", pipe), Removed::Left);
    }
    let mut found = Found::default();
    index.matches(b"news", &mut found);
    assert!(found.pipes.len() == pipes.div_ceil(3) as usize && found.pipes.iter().all(|pipe| pipe % 3 == 0));
    for pipe in (0..pipes).step_by(3) {
        index.remove_pipe(pipe, |topic, last| assert_eq!((topic, last), (&b"news"[..], pipe + 3 >= pipes)));
    }
    assert_eq!(index.len(), 0);
}

#[test]
fn a_topic_of_a_megabyte_needs_no_stack() {
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(|| {
        let topic = vec![b'x'; (1 << 20) / LESS];
        let mut index = SubscriptionIndex::new();
        index.add(&topic, 1u32);
        let mut found = Found::default();
        index.matches(&topic, &mut found);
        assert_eq!(found.pipes, [1]);
        index.remove_pipe(1, |_, last| assert!(last));
        assert_eq!(index.len(), 0);
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn subscriptions_count() {
    let mut subscriptions = Subscriptions::new();
    subscriptions.add(b"a");
    subscriptions.add(b"a");
    assert!(!subscriptions.remove(b"a"));
    assert!(subscriptions.matches(b"abc"));
    assert!(subscriptions.remove(b"a"));
    assert!(!subscriptions.remove(b"a"));
    assert!(!subscriptions.matches(b"abc"));
}
