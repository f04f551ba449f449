//! A million topics: whom a message is for. The cost is to grow with the message's topic, not with their number.

use std::sync::LazyLock;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use zefiro::benching::Index;

use crate::BATCH;

const TOPICS: [u32; 3] = [1000, 100_000, 1_000_000];

/// Paths of several lengths, as programs have them; each of one subscriber, which has the topic's number.
fn topic(number: u32) -> String {
    let place = ["eu", "asia", "africa"][number as usize % 3];
    format!("{place}/{}/{number}.", ["temperature", "wind"][number as usize % 2])
}

fn index_of(topics: u32) -> Index {
    let mut index = Index::new();
    for number in 0..topics {
        assert!(index.add(topic(number).as_bytes(), number));
    }
    index
}

static INDEXES: LazyLock<[Index; 3]> = LazyLock::new(|| TOPICS.map(index_of));

/// Looks for the subscribers of a thousand messages' topics, and checks that they are these.
fn find(bencher: Bencher<'_, '_>, topics: u32, asked: &[String], expected: &[u32]) {
    let Some(index) = TOPICS.iter().position(|of| *of == topics).and_then(|at| INDEXES.get(at)) else { return };
    let mut found = Vec::with_capacity(BATCH);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        found.clear();
        for topic in asked {
            index.matches(black_box(topic.as_bytes()), &mut found);
        }
    });
    assert_eq!(found, expected);
}

/// Numbers spread over all topics, so that the processor's caches do not hold what is looked for.
fn numbers(topics: u32) -> Vec<u32> {
    (0..BATCH as u64).map(|each| (each * 2_654_435_761 % u64::from(topics)) as u32).collect()
}

#[divan::bench(args = TOPICS)]
fn one_subscriber(bencher: Bencher<'_, '_>, topics: u32) {
    let numbers = numbers(topics);
    let asked: Vec<String> = numbers.iter().map(|number| topic(*number) + "21").collect();
    find(bencher, topics, &asked, &numbers);
}

#[divan::bench(args = TOPICS)]
fn no_subscriber(bencher: Bencher<'_, '_>, topics: u32) {
    let asked: Vec<String> = numbers(topics).iter().map(|number| topic(*number).replace('.', "-21")).collect();
    find(bencher, topics, &asked, &[]);
}

/// One subscriber asks for all beginnings of a topic, and a message has it.
#[divan::bench(args = [1000, 8000])]
fn all_beginnings(bencher: Bencher<'_, '_>, topics: usize) {
    let topic = vec![b'a'; topics];
    let mut index = Index::new();
    for len in 0..topics {
        assert!(index.add(&topic[..len], 7));
    }
    let mut found = Vec::new();
    bencher.bench_local(|| {
        found.clear();
        index.matches(black_box(&topic), &mut found);
    });
    assert_eq!(found, [7]);
}

/// A thousand subscriptions come and go, among as many others as there are.
#[divan::bench(args = [1000, 100_000])]
fn subscribe(bencher: Bencher<'_, '_>, topics: u32) {
    let mut index = index_of(topics);
    let new: Vec<String> = (0..BATCH).map(|number| format!("new/{number}")).collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        assert!(new.iter().all(|topic| index.add(black_box(topic.as_bytes()), u32::MAX)));
        assert!(new.iter().all(|topic| index.remove(black_box(topic.as_bytes()), u32::MAX)));
    });
}
