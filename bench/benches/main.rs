//! Micro benchmarks: the steps a message takes, one at a time, without sockets of the system and without waiting.
//!
//! `cargo bench -p zefiro-bench` measures; a filter may follow, as in `-- subscriptions`. `cargo test -p zefiro-bench`
//! runs everything once and checks the answers, as the measuring runs do. What whole sockets do is for `zefiro perf`.

mod frames;
mod messages;
mod queues;
mod subscriptions;

/// Shows allocations beside times: a message up to the inline size is to cost none.
#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// Messages in each round, so that the clock is read seldom.
const BATCH: usize = 1000;

/// A payload whose bytes tell their place.
fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 31 + 7) as u8).collect()
}
