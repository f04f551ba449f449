//! The queues a message goes through: the outbox towards a stream, the duct within a process, and whole sockets.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use zefiro::benching::{Outgoing, Within};
use zefiro::{Context, Message, Pull, Push, Wait};

use crate::{BATCH, payload};

/// Bytes of the header before a body of that size.
fn header(size: usize) -> usize {
    if size <= 255 { 2 } else { 9 }
}

/// What senders append, and a writer swaps out and gives back.
#[divan::bench(args = [64, 1024, 16 * 1024])]
fn outbox(bencher: Bencher<'_, '_>, size: usize) {
    let (mut outgoing, model) = (Outgoing::new(), Message::from(payload(size)));
    let (mut message, mut bytes) = (Message::new(), 0);
    bencher.counter(ItemsCount::new(BATCH)).counter(BytesCount::new(BATCH * size)).bench_local(|| {
        for _ in 0..BATCH {
            message.clone_from(&model);
            outgoing.push(black_box(&mut message));
        }
        bytes = outgoing.swap();
    });
    assert_eq!(bytes, BATCH * (header(size) + size));
}

/// The same, each message swapped out at once: a lone one's way.
#[divan::bench]
fn outbox_one_by_one(bencher: Bencher<'_, '_>) {
    let (mut outgoing, mut message) = (Outgoing::new(), Message::from(payload(64)));
    let mut bytes = 0;
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        bytes = 0;
        for _ in 0..BATCH {
            outgoing.push(black_box(&mut message));
            bytes += outgoing.swap();
        }
    });
    assert_eq!(bytes, BATCH * (header(64) + 64));
}

/// The queue between two sockets of a process, without the sockets.
#[divan::bench(args = [64, 1024])]
fn duct(bencher: Bencher<'_, '_>, size: usize) {
    let (mut within, model) = (Within::new(BATCH), Message::from(payload(size)));
    let (mut message, mut count) = (Message::new(), 0);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        count = 0;
        for _ in 0..BATCH {
            message.clone_from(&model);
            assert!(within.push(black_box(&mut message)));
        }
        while within.pop(&mut message) {
            count += 1;
            black_box(&message);
        }
    });
    assert_eq!((count, &message), (BATCH, &model));
}

/// PUSH to PULL over inproc in one thread: the queue with all that the sockets add to it.
#[divan::bench(args = [64, 1024])]
fn inproc(bencher: Bencher<'_, '_>, size: usize) {
    let context = Context::new();
    let pull = Pull::builder().context(&context).build().unwrap();
    let push = Push::builder().context(&context).send_high_water_mark(BATCH).build().unwrap();
    pull.bind("inproc://bench").unwrap();
    push.connect("inproc://bench").unwrap();
    let (model, mut message) = (Message::from(payload(size)), Message::new());
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            push.send(black_box(&model).clone()).unwrap();
        }
        for _ in 0..BATCH {
            pull.recv_into(&mut message, Wait::AsConfigured).unwrap();
            black_box(&message);
        }
    });
    assert_eq!(message, model);
    assert!(pull.try_recv().is_err(), "no message is left, none was doubled");
}
