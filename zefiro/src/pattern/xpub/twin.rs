//! What is sent swiftly is what is sent: two sockets are told, sent and written the same, one of them never swiftly.

use std::time::Duration;

use zmtp::Frame;

use crate::message::Message;
use crate::pattern::testing::subscription;
use crate::pipe::outbox::WriteState;
use crate::pipe::window::Glance;
use crate::pipe::{Line, PipeId};
use crate::socket::core::State;
use crate::{Context, Sub, XPub};

const PEERS: usize = 6;
const ROUNDS: u64 = 30_000;
const TOPICS: [&str; 6] = ["", "a", "ab", "abc", "b", "c"];
const LONG: Duration = Duration::from_secs(30);

fn publisher(context: &Context) -> (XPub, Vec<Sub>) {
    let publisher = XPub::builder().context(context).linger(Duration::ZERO).build().unwrap();
    let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap();
    let connect = |_| {
        let sub = Sub::builder().context(context).build().unwrap();
        sub.connect(&endpoint).unwrap();
        sub
    };
    let subs = (0..PEERS).map(connect).collect();
    publisher.wait_connected(PEERS, LONG).unwrap();
    (publisher, subs)
}

/// A peer asks.
fn ask(state: &mut State, id: PipeId, subscribe: bool, topic: &str) {
    let (pattern, pipes, options) = state.parts();
    if pipes.deliver_message(id, subscription(subscribe, topic)) {
        pattern.on_readable(pipes, options, id);
    }
}

/// Sends a message of one part, swiftly if that can be; answers whether it was, and whether it was taken.
fn send(state: &mut State, part: &[u8], swiftly: bool) -> (bool, bool) {
    let (pattern, pipes, options) = state.parts();
    if swiftly && pattern.send_swiftly(pipes, options, part) {
        return (true, true);
    }
    (false, pattern.send(pipes, options, &mut Message::from(part)).is_ok())
}

/// What is known of a pipe, and the bytes that are written to it.
fn written(state: &mut State, id: PipeId) -> impl PartialEq + std::fmt::Debug + use<> {
    let (pipe, pool, broadcast) = state.pipes.get_with_memory(id).unwrap();
    let counters = pipe.counters;
    let Line::Stream(_, outbox) = &mut pipe.line else { panic!("a connection is a stream") };
    let known = (counters, outbox.state(), outbox.waiting(), outbox.bytes());
    let bytes = outbox.take(pool, broadcast).map(|batch| {
        let bytes = batch.slices(usize::MAX).collect::<Vec<_>>().concat();
        outbox.finish(pool, batch);
        bytes
    });
    (known, bytes, state.pipes.unnoticed)
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no streams")]
fn what_is_sent_swiftly_is_what_is_sent() {
    let context = Context::new();
    let ((one, _subs), (other, _other_subs)) = (publisher(&context), publisher(&context));
    // Nobody else touches them: the locks are held to the end.
    let (mut one, mut other) = (one.core().lock(), other.core().lock());
    let (one, other): (&mut State, &mut State) = (&mut one, &mut other);
    let ids = one.pipes.ids();
    assert_eq!(other.pipes.ids(), ids);
    for (id, topic) in ids.iter().zip(TOPICS) {
        ask(one, *id, true, topic);
        ask(other, *id, true, topic);
    }
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let (mut swift, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let id = ids[next(PEERS as u64) as usize];
        let topic = TOPICS[next(PEERS as u64) as usize];
        let number = next(4);
        let event = next(1000);
        match event {
            0..940 => {
                let mut part = topic.as_bytes().to_vec();
                part.resize(topic.len() + next(if number == 0 { 9_000 } else { 80 }) as usize, b'-');
                let (swiftly, taken) = send(one, &part, true);
                assert_eq!(send(other, &part, false), (false, taken), "in round {round}");
                swift += usize::from(swiftly);
                refused += usize::from(!taken);
            }
            _ => {
                for state in [&mut *one, &mut *other] {
                    match event {
                        940..960 => ask(state, id, number % 2 == 0, topic),
                        960..965 => state.pipes.glance = Some(Glance { look: round, hurried: false }),
                        965 => state.pipes.glance = None,
                        966..968 => {
                            let (mark, bytes) = [(0, 0), (50, 0), (1000, 0), (0, 30_000)][number as usize];
                            state.pipes.set_marks(mark, 1000, bytes);
                        }
                        968..971 => {
                            let mut options = (*state.options).clone();
                            options.xpub_no_drop = number % 2 == 0;
                            options.invert_matching = number == 3;
                            state.options = options.into();
                        }
                        971..974 => state.pipes.get_mut(id).unwrap().closing = number == 0,
                        974 => {
                            // The first part of a message: its targets are known, and it is never sent swiftly.
                            let (pattern, pipes, options) = state.parts();
                            let _ = pattern.admits(pipes, options, &Frame::from(topic));
                        }
                        975..985 => {
                            let states =
                                [WriteState::Idle, WriteState::Queued, WriteState::Blocked, WriteState::Blocked];
                            let Line::Stream(_, outbox) = &mut state.pipes.get_mut(id).unwrap().line else { continue };
                            outbox.set_state(states[number as usize]);
                        }
                        _ => {}
                    }
                }
                if event >= 985 {
                    assert!(written(one, id) == written(other, id), "in round {round}");
                    assert_eq!(one.pipes.take_room_again(id), other.pipes.take_room_again(id), "in round {round}");
                }
            }
        }
        assert_eq!(one.pipes.counters, other.pipes.counters, "in round {round}");
        let due = |state: &mut State| {
            let mut due = std::mem::take(&mut state.pipes.dirty);
            due.sort_unstable();
            due.dedup();
            (due, std::mem::take(&mut state.pipes.noted))
        };
        assert_eq!(due(one), due(other), "in round {round}");
    }
    for id in ids {
        assert!(written(one, id) == written(other, id));
    }
    assert!(swift > 10_000 && refused > 500, "{swift} swift, {refused} refused");
    // What is still due goes nowhere: nobody is to write it.
    for state in [one, other] {
        state.pipes.set_marks(0, 0, 0);
    }
}
