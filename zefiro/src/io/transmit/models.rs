//! Who writes a link: every interleaving of the shipped code, by loom, over the real kernel. `./test` runs them.

use loom::thread;

use super::*;
use crate::io::thread::bench::{Bench, explore, outbox, send, spawn};
use crate::message::Message;
use crate::pipe::Pipe;
use crate::pipe::outbox::WriteState;
use crate::socket::Wait;
use crate::socket::core::State;

/// Threads put aside while they could go on, where the kernel takes all and where it does not. One more has been tried too,
/// which takes minutes (`LOOM_MAX_PREEMPTIONS`); of senders that help, it takes too long.
const PREEMPTIONS: usize = 3;
const PREEMPTIONS_WHEN_FULL: usize = 2;

/// Two threads send a message each, and the peer gets both, each whole.
fn two_send(prepare: fn(&mut Pipe)) {
    let (bench, far) = Bench::new(|_| {}, prepare);
    let core = bench.core.clone();
    let other = spawn(move || send(&core, b"ab"));
    send(&bench.core, b"cd");
    let bytes = far.read(4);
    assert!(bytes == b"abcd" || bytes == b"cdab", "{bytes:?}");
    other.join().unwrap();
    bench.finish();
}

/// Neither may write itself: it was written to a moment ago.
fn without_coins(pipe: &mut Pipe) {
    pipe.purse.empty();
}

/// There were so many messages in so short a time that the next sender is trusted to write.
fn in_a_stream(pipe: &mut Pipe) {
    pipe.counters.sent = 1000;
    pipe.purse.empty();
}

/// The peer has answered bursts: the sender is trusted to write this one before it waits.
fn in_a_burst(pipe: &mut Pipe) {
    pipe.purse.expect_burst();
}

#[test]
fn what_is_sent_while_another_writes_is_written() {
    explore(PREEMPTIONS, || two_send(|_| {}));
}

#[test]
fn what_is_left_to_the_io_thread_is_written() {
    explore(PREEMPTIONS, || two_send(without_coins));
}

#[test]
fn what_is_left_to_a_sender_that_does_not_come_back_is_written() {
    explore(PREEMPTIONS, || two_send(in_a_stream));
}

#[test]
fn what_is_left_for_the_time_of_waiting_is_written_by_the_io_thread_if_nobody_waits() {
    explore(PREEMPTIONS, || two_send(in_a_burst));
}

/// One thread sends more than the kernel takes at once, another a little: the peer, which reads all the time, gets the
/// one and then the other.
fn one_fills_the_kernel(prepare: fn(&mut Pipe)) {
    let (bench, far) = Bench::new(|_| {}, prepare);
    let core = bench.core.clone();
    let other = spawn(move || send(&core, b"b"));
    send(&bench.core, &[b'a'; LARGE]);
    let bytes = far.read(LARGE + 1);
    let small = bytes.iter().position(|&byte| byte == b'b').unwrap();
    assert!(small == 0 || small == LARGE, "between the others at {small}");
    other.join().unwrap();
    bench.finish();
}

/// More than the kernel takes of a stream with the smallest buffer.
const LARGE: usize = 6000;

#[test]
fn what_the_kernel_does_not_take_at_once_is_written() {
    explore(PREEMPTIONS_WHEN_FULL, || one_fills_the_kernel(|_| {}));
}

#[test]
fn what_the_kernel_does_not_take_of_the_io_thread_is_written() {
    explore(PREEMPTIONS_WHEN_FULL, || one_fills_the_kernel(without_coins));
}

/// A sender that finds the outbox at its mark waits until somebody has taken from it, or takes it itself.
fn senders_wait_for_room(prepare: fn(&mut Pipe)) {
    let (bench, far) = Bench::new(|options| options.send_high_water_mark = 1, prepare);
    let core = bench.core.clone();
    let other = spawn(move || {
        send(&core, b"a");
        send(&core, b"b");
    });
    send(&bench.core, b"c");
    let mut bytes = far.read(3);
    bytes.retain(|&byte| byte != b'c');
    assert_eq!(bytes, b"ab");
    other.join().unwrap();
    bench.finish();
}

#[test]
fn a_sender_that_waits_for_room_gets_it() {
    explore(PREEMPTIONS, || senders_wait_for_room(|_| {}));
}

#[test]
fn a_sender_that_waits_for_room_helps() {
    explore(PREEMPTIONS, || senders_wait_for_room(without_coins));
}

#[test]
fn a_sender_of_a_burst_that_waits_for_room_writes_it() {
    explore(PREEMPTIONS, || senders_wait_for_room(in_a_burst));
}

#[test]
fn a_sender_in_a_stream_that_waits_for_room_helps() {
    explore(PREEMPTIONS, || senders_wait_for_room(in_a_stream));
}

/// One thread sends, and another, which reads, has the protocol's answer to something to say.
fn commands_go_between(prepare: fn(&mut Pipe)) {
    let (bench, far) = Bench::new(|_| {}, prepare);
    let (core, link) = (bench.core.clone(), bench.link.clone());
    let other = spawn(move || core.lock().push_control(&link, b"PONG"));
    send(&bench.core, b"ab");
    let bytes = far.read(6);
    assert!(bytes == b"abPONG" || bytes == b"PONGab", "{bytes:?}");
    other.join().unwrap();
    bench.finish();
}

#[test]
fn a_command_is_written_before_or_after_a_message() {
    explore(PREEMPTIONS, || commands_go_between(|_| {}));
    explore(PREEMPTIONS, || commands_go_between(without_coins));
}

/// The peer ends the stream while one thread writes to it in a way of its own; the I/O thread, which does not wait for it,
/// ends the pipe all the same.
fn the_peer_leaves(write: fn(&Arc<SocketCore>, &Arc<Link>)) {
    let (bench, far) = Bench::new(|_| {}, |_| {});
    let (core, link) = (bench.core.clone(), bench.link.clone());
    let other = spawn(move || write(&core, &link));
    far.leave();
    while bench.core.lock().pipes.get(bench.link.pipe).is_some() {
        thread::yield_now();
    }
    other.join().unwrap();
    bench.finish();
}

#[test]
fn a_stream_that_ends_while_a_thread_writes_is_ended() {
    explore(PREEMPTIONS, || {
        the_peer_leaves(|core, _| drop(core.send(&mut Message::from(b"a"), Wait::No)));
    });
}

// The models have teeth. What follows does by hand what the code does, and one thing wrong.

/// Puts a message in the outbox and becomes its writer, if it has none.
fn begin(state: &mut State, link: &Arc<Link>, bytes: &[u8]) -> Option<Batch> {
    let (pipe, pool, _) = state.pipes.get_with_memory(link.pipe).unwrap();
    let outbox = outbox(pipe);
    outbox.push(pool, &[], &mut Message::from(bytes));
    if outbox.state() != WriteState::Idle {
        return None;
    }
    outbox.set_state(WriteState::Queued);
    state.begin_draining(link.pipe).map(|(_, batch)| batch)
}

/// One thread sends while another does it in a way of its own; the peer, which reads all the time, has to get both
/// messages.
fn another_sends(write: fn(&Arc<SocketCore>, &Arc<Link>), count: usize) {
    let (bench, far) = Bench::new(|_| {}, |_| {});
    let (core, link) = (bench.core.clone(), bench.link.clone());
    let other = spawn(move || write(&core, &link));
    send(&bench.core, b"b");
    far.read(count + 1);
    other.join().unwrap();
    bench.finish();
}

/// Who has written all looks whether there is more, and says under another lock that nobody writes any longer.
#[test]
#[should_panic(expected = "nobody is due to write")]
fn looking_and_stopping_apart_must_fail() {
    explore(PREEMPTIONS, || {
        let write = |core: &Arc<SocketCore>, link: &Arc<Link>| {
            let mut next = begin(&mut core.lock(), link, b"a");
            while let Some(mut batch) = next {
                assert!(matches!(write_out(link, &mut batch), Written::All));
                let more = outbox(core.lock().pipes.get_mut(link.pipe).unwrap()).is_pending();
                let mut state = core.lock();
                let (pipe, pool, broadcast) = state.pipes.get_with_memory(link.pipe).unwrap();
                let outbox = outbox(pipe);
                outbox.finish(pool, batch);
                next = if more { outbox.take(pool, broadcast) } else { None };
                if next.is_none() {
                    outbox.set_state(WriteState::Idle);
                }
            }
        };
        another_sends(write, 1);
    });
}

/// Who finds the kernel full asks to be told of room, and only then says that somebody has to be.
#[test]
#[should_panic(expected = "deadlock")]
fn asking_for_the_event_before_the_state_must_fail() {
    explore(PREEMPTIONS_WHEN_FULL, || {
        let write = |core: &Arc<SocketCore>, link: &Arc<Link>| {
            let Some(mut batch) = begin(&mut core.lock(), link, &[b'a'; LARGE]) else { return };
            assert!(matches!(write_out(link, &mut batch), Written::KernelFull));
            {
                let mut state = core.lock();
                outbox(state.pipes.get_mut(link.pipe).unwrap()).park(batch);
                state.watch_output(link);
            }
            outbox(core.lock().pipes.get_mut(link.pipe).unwrap()).set_state(WriteState::Blocked);
        };
        another_sends(write, LARGE);
    });
}

/// Who hands its outbox to the I/O thread says so to everybody but that thread.
#[test]
#[should_panic(expected = "deadlock")]
fn queueing_without_telling_must_fail() {
    explore(PREEMPTIONS, || {
        let write = |core: &Arc<SocketCore>, link: &Arc<Link>| {
            let mut state = core.lock();
            let (pipe, pool, _) = state.pipes.get_with_memory(link.pipe).unwrap();
            let outbox = outbox(pipe);
            outbox.push(pool, &[], &mut Message::from(b"a"));
            if outbox.state() == WriteState::Idle {
                outbox.set_state(WriteState::Queued);
            }
        };
        another_sends(write, 1);
    });
}

/// Who has written leaves without telling the I/O thread that it found it busy.
#[test]
#[should_panic(expected = "maximum number of branches")]
fn leaving_without_a_word_must_fail() {
    explore(PREEMPTIONS, || {
        the_peer_leaves(|core, link| {
            let batch = {
                let mut state = core.lock();
                if state.pipes.get(link.pipe).is_some() { begin(&mut state, link, b"a") } else { None }
            };
            let Some(mut batch) = batch else { return };
            let _ = write_out(link, &mut batch);
            let mut state = core.lock();
            let Some((pipe, pool, _)) = state.pipes.get_with_memory(link.pipe) else { return };
            let outbox = outbox(pipe);
            outbox.finish(pool, batch);
            outbox.set_state(WriteState::Idle);
        });
    });
}

/// A second thread takes what is pending, though another is writing what was sent before.
#[test]
#[should_panic(expected = "out of order")]
fn two_that_write_must_fail() {
    explore(PREEMPTIONS, || {
        let (bench, far) = Bench::new(|_| {}, |_| {});
        let (core, link) = (bench.core.clone(), bench.link.clone());
        let other = spawn(move || {
            let mut state = core.lock();
            let (pipe, pool, broadcast) = state.pipes.get_with_memory(link.pipe).unwrap();
            let outbox = outbox(pipe);
            if outbox.state() != WriteState::Draining {
                return;
            }
            outbox.push(pool, &[], &mut Message::from(b"b"));
            let mut batch = outbox.take(pool, broadcast).unwrap();
            drop(state);
            assert!(matches!(write_out(&link, &mut batch), Written::All));
        });
        send(&bench.core, b"a");
        assert_eq!(far.read(1), b"a", "out of order");
        other.join().unwrap();
        bench.finish();
    });
}
