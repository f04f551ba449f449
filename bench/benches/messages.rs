//! Messages made, cloned and taken apart. Up to [`Frame::INLINE_MAX`] bytes there is no allocation; beyond, none is copied.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use zefiro::{Frame, Message};

use crate::{BATCH, payload};

const SIZES: [usize; 4] = [8, Frame::INLINE_MAX, Frame::INLINE_MAX + 1, 1024 * 1024];

/// Of borrowed bytes: they are copied, once.
#[divan::bench(args = [8, 64, 1024, 65_536])]
fn from_slice(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = payload(size);
    assert_eq!(Message::from(bytes.as_slice()).as_bytes(), bytes);
    bencher.bench_local(|| Message::from(black_box(bytes.as_slice())));
}

/// Of a vector: it is taken over.
#[divan::bench(args = [64, 65, 65_536])]
fn from_vec(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = payload(size);
    assert_eq!(Message::from(bytes.clone()).as_bytes(), bytes);
    bencher.with_inputs(|| bytes.clone()).bench_local_values(Message::from);
}

#[divan::bench]
fn from_three_parts(bencher: Bencher<'_, '_>) {
    let parts = || [black_box("topic"), black_box(""), black_box("a body")];
    let message = Message::from(parts());
    assert_eq!((message.frame_count(), message.last().as_str()), (3, Ok("a body")));
    bencher.bench_local(|| Message::from(parts()));
}

/// The same whatever the size: what is beyond the inline size is shared.
#[divan::bench(args = SIZES)]
fn clone(bencher: Bencher<'_, '_>, size: usize) {
    let message = Message::from(payload(size));
    assert_eq!(message.clone(), message);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            black_box(message.clone());
        }
    });
}

#[divan::bench]
fn envelope_on_and_off(bencher: Bencher<'_, '_>) {
    let (id, mut message) = (Frame::from("peer"), Message::from("a body"));
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            message.push_front(black_box(&id).clone());
            black_box(message.pop_front());
        }
    });
    assert_eq!(message, "a body");
}
