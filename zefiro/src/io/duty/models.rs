//! Who watches a socket's links, and who reads them: every interleaving of the shipped code, by loom, over the real
//! kernel. `./test` runs them.
//!
//! Each byte that comes is a message. A model in which something readable is left alone while somebody waits for it ends
//! in a deadlock.

use super::*;
use crate::error::ErrorKind;
use crate::io::receive::receive;
use crate::io::thread::bench::{Bench, Far, explore, recv, recv_as, send, spawn};
use crate::message::Message;
use crate::pipe::Pipe;
use crate::socket::Wait;
use crate::socket::future::turns::Turns;
use crate::wait::current_parker;

/// Threads put aside while they could go on.
const PREEMPTIONS: usize = 2;

fn bench() -> (Bench, Far) {
    Bench::new(|_| {}, |_| {})
}

/// A leader left a moment ago: the next one that leaves has the socket supervised.
fn is_busy(bench: &Bench) {
    bench.core.lock().watch.left = Some(now());
}

/// One thread receives all that comes.
fn one_receives(prepare: fn(&Bench), messages: u8) {
    let (bench, far) = bench();
    prepare(&bench);
    let core = bench.core.clone();
    let receiver = spawn(move || {
        for message in 0..messages {
            assert_eq!(recv(&core), message);
        }
    });
    for message in 0..messages {
        far.write(&[message]);
    }
    receiver.join().unwrap();
    bench.finish();
}

#[test]
fn a_receiver_gets_what_comes() {
    explore(PREEMPTIONS, || one_receives(|_| {}, 2));
}

#[test]
fn a_receiver_that_comes_often_gets_what_comes() {
    explore(PREEMPTIONS, || one_receives(is_busy, 3));
}

/// Two threads receive, one message each: one leads, the other follows.
fn two_receive(prepare: fn(&Bench)) {
    let (bench, far) = bench();
    prepare(&bench);
    let core = bench.core.clone();
    let receiver = spawn(move || recv(&core));
    far.write(&[1]);
    far.write(&[2]);
    assert_eq!(recv(&bench.core) + receiver.join().unwrap(), 3);
    bench.finish();
}

#[test]
fn each_of_two_receivers_gets_a_message() {
    explore(PREEMPTIONS, || two_receive(|_| {}));
}

#[test]
fn each_of_two_receivers_that_come_often_gets_a_message() {
    explore(PREEMPTIONS, || two_receive(is_busy));
}

/// The leader sleeps on the set, and reads the only link before it asks what the set has: another's alarm is not missed.
#[test]
fn each_of_two_who_are_told_of_signals_gets_a_message() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        let core = bench.core.clone();
        let receiver = spawn(move || recv_as(&core, Wait::UntilSignal));
        far.write(&[1]);
        far.write(&[2]);
        assert_eq!(recv_as(&bench.core, Wait::UntilSignal) + receiver.join().unwrap(), 3);
        bench.finish();
    });
}

/// The leader leaves with its message, and nobody comes again: an observer is told of the next one all the same.
fn an_observer_is_told(prepare: fn(&Bench)) {
    let (bench, far) = bench();
    prepare(&bench);
    let (parker, waker) = current_parker();
    let place = bench.core.observe("model", Arc::new(waker)).unwrap();
    let core = bench.core.clone();
    let receiver = spawn(move || recv(&core));
    far.write(&[1]);
    far.write(&[2]);
    assert_eq!(receiver.join().unwrap(), 1);
    while !bench.core.lock().readiness(bench.core.socket_type).0 {
        parker.park(None);
    }
    drop(bench.core.lock().observers.remove(place));
    bench.finish();
}

#[test]
fn what_comes_after_the_leader_has_left_is_told() {
    explore(PREEMPTIONS, || an_observer_is_told(|_| {}));
}

#[test]
fn what_comes_after_the_leader_of_a_supervised_socket_has_left_is_told() {
    explore(PREEMPTIONS, || an_observer_is_told(is_busy));
}

/// Receives as a future does.
fn recv_as_future(core: &Arc<SocketCore>) -> u8 {
    let (parker, waker) = current_parker();
    let (mut task, mut turns) = (std::task::Context::from_waker(&waker), Turns::default());
    loop {
        match core.poll_recv(&mut task, &mut turns) {
            std::task::Poll::Ready(message) => return message.unwrap().as_bytes()[0],
            std::task::Poll::Pending => parker.park(None),
        }
    }
}

/// A future and a thread receive, one message each; `early` begins before anything has come.
fn a_future_receives(prepare: fn(&Bench), early: fn(&Arc<SocketCore>) -> u8, late: fn(&Arc<SocketCore>) -> u8) {
    let (bench, far) = bench();
    prepare(&bench);
    let core = bench.core.clone();
    let other = spawn(move || early(&core));
    far.write(&[1]);
    far.write(&[2]);
    assert_eq!(late(&bench.core) + other.join().unwrap(), 3);
    bench.finish();
}

#[test]
fn a_future_and_a_receiver_get_a_message_each() {
    explore(PREEMPTIONS, || a_future_receives(|_| {}, recv_as_future, recv));
    explore(PREEMPTIONS, || a_future_receives(|_| {}, recv, recv_as_future));
}

#[test]
fn a_future_and_a_receiver_that_comes_often_get_a_message_each() {
    explore(PREEMPTIONS, || a_future_receives(is_busy, recv_as_future, recv));
    explore(PREEMPTIONS, || a_future_receives(is_busy, recv, recv_as_future));
}

/// All that comes is received by futures, one after the other: the I/O thread leaves the links to whom it has woken. Of
/// those whose number `is_hasty`, the first is dropped after one poll.
fn futures_receive(is_hasty: fn(u8) -> bool) {
    let (bench, far) = bench();
    bench.core.lock().watch.told = Some(now());
    let core = bench.core.clone();
    let receiver = spawn(move || {
        for message in 0..3 {
            if is_hasty(message) {
                let (_, waker) = current_parker();
                let (mut task, mut turns) = (std::task::Context::from_waker(&waker), Turns::default());
                match core.poll_recv(&mut task, &mut turns) {
                    std::task::Poll::Ready(received) => {
                        assert_eq!(received.unwrap().as_bytes(), [message]);
                        continue;
                    }
                    std::task::Poll::Pending => core.cancel_recv(&turns),
                }
            }
            assert_eq!(recv_as_future(&core), message);
        }
    });
    for message in 0..3 {
        far.write(&[message]);
    }
    receiver.join().unwrap();
    bench.finish();
}

#[test]
fn futures_that_come_often_get_what_comes() {
    explore(PREEMPTIONS, || futures_receive(|_| false));
}

#[test]
fn futures_that_come_often_and_are_dropped_lose_nothing() {
    explore(PREEMPTIONS, || futures_receive(|message| message > 0));
}

/// The I/O thread leaves the links to a future that is dropped, and nobody comes again: an observer is told of the next
/// message all the same.
#[test]
fn what_comes_after_a_future_was_dropped_is_told() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        bench.core.lock().watch.told = Some(now());
        let core = bench.core.clone();
        let receiver = spawn(move || {
            let received = recv_as_future(&core);
            let (_, waker) = current_parker();
            let (mut task, mut turns) = (std::task::Context::from_waker(&waker), Turns::default());
            let polled = core.poll_recv(&mut task, &mut turns);
            core.cancel_recv(&turns);
            received + polled.is_ready() as u8
        });
        far.write(&[0]);
        far.write(&[1]);
        let mut left = 1 - receiver.join().unwrap();
        let (parker, waker) = current_parker();
        let place = bench.core.observe("model", Arc::new(waker)).unwrap();
        while left > 0 {
            match bench.core.recv(&mut Message::new(), Wait::No) {
                Ok(()) => left -= 1,
                Err(_) => parker.park(None),
            }
        }
        drop(bench.core.lock().observers.remove(place));
        bench.finish();
    });
}

/// Waits with a poller, and takes what is there, until it has so many messages.
fn recv_polled(socket: &crate::Pair, messages: usize) {
    let poller = crate::Poller::new().unwrap();
    poller.add(socket, crate::Interest::READABLE, 0).unwrap();
    let (mut ready, mut got) = (Vec::new(), 0);
    while got < messages {
        poller.wait(&mut ready, None).unwrap();
        while socket.core().recv(&mut Message::new(), Wait::No).is_ok() {
            got += 1;
        }
    }
}

/// One thread polls for all that comes.
fn one_polls(prepare: fn(&Bench)) {
    let (bench, far) = bench();
    prepare(&bench);
    let socket = crate::Pair::clone(&bench.socket);
    let polling = spawn(move || recv_polled(&socket, 2));
    far.write(&[1]);
    far.write(&[2]);
    polling.join().unwrap();
    bench.finish();
}

#[test]
fn a_poller_is_told_of_what_comes() {
    explore(PREEMPTIONS, || one_polls(|_| {}));
}

#[test]
fn a_poller_that_waits_often_is_told_of_what_comes() {
    explore(PREEMPTIONS, || one_polls(is_busy));
}

/// Two threads wait, each with a poller of its own, until the socket has something.
fn two_poll(prepare: fn(&Bench)) {
    let (bench, far) = bench();
    prepare(&bench);
    let wait = |socket: &crate::Pair| {
        let poller = crate::Poller::new().unwrap();
        poller.add(socket, crate::Interest::READABLE, 0).unwrap();
        poller.wait(&mut Vec::new(), None).unwrap();
    };
    let socket = crate::Pair::clone(&bench.socket);
    let other = spawn(move || wait(&socket));
    far.write(&[1]);
    wait(&bench.socket);
    other.join().unwrap();
    bench.finish();
}

#[test]
fn two_pollers_are_both_told() {
    explore(PREEMPTIONS, || two_poll(|_| {}));
}

#[test]
fn two_pollers_of_a_busy_socket_are_both_told() {
    explore(PREEMPTIONS, || two_poll(is_busy));
}

/// The inbox is at its mark with the first message: reading stops, and goes on when that is taken.
fn at_the_mark(prepare: fn(&Bench)) {
    let (bench, far) = Bench::new(|options| options.recv_high_water_mark = 1, |_| {});
    prepare(&bench);
    let core = bench.core.clone();
    let receiver = spawn(move || (0..3).for_each(|message| assert_eq!(recv(&core), message)));
    far.write(&[0, 1, 2]);
    receiver.join().unwrap();
    bench.finish();
}

#[test]
fn reading_stops_at_the_mark_and_goes_on() {
    explore(PREEMPTIONS, || at_the_mark(|_| {}));
}

#[test]
fn reading_of_a_busy_socket_stops_at_the_mark_and_goes_on() {
    explore(PREEMPTIONS, || at_the_mark(is_busy));
}

/// A thread asks and waits for the answer, which comes when the peer has the question, however that was to be written.
fn ask(prepare: fn(&mut Pipe)) {
    let (bench, far) = Bench::new(|_| {}, prepare);
    let core = bench.core.clone();
    let asking = spawn(move || {
        for question in 0..2 {
            send(&core, &[question]);
            assert_eq!(recv(&core), question);
        }
    });
    for question in 0..2 {
        assert_eq!(far.read(1), [question]);
        far.write(&[question]);
    }
    asking.join().unwrap();
    bench.finish();
}

#[test]
fn a_question_is_written_before_its_answer_is_waited_for() {
    explore(PREEMPTIONS, || ask(|_| {}));
    explore(PREEMPTIONS, || ask(|pipe| pipe.purse.empty()));
    explore(PREEMPTIONS, || ask(|pipe| pipe.purse.expect_burst()));
}

/// The kernel is full of what one thread sends while another leads: the link is in the set, and the I/O thread is told of
/// room all the same.
#[test]
fn the_kernel_has_room_again_while_a_leader_waits() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        let core = bench.core.clone();
        let receiver = spawn(move || recv(&core));
        send(&bench.core, &[0; 6000]);
        far.read(6000);
        far.write(&[1]);
        receiver.join().unwrap();
        bench.finish();
    });
}

/// Whoever waits to receive learns that the socket is closed.
#[test]
fn who_waits_learns_of_the_end() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        let core = bench.core.clone();
        let closing = spawn(move || {
            far.write(&[1]);
            core.close(None);
        });
        let core = bench.core.clone();
        let waiting = spawn(move || until_closed(&core));
        until_closed(&bench.core);
        waiting.join().unwrap();
        closing.join().unwrap();
        bench.finish();
    });
}

fn until_closed(core: &Arc<SocketCore>) {
    match core.recv(&mut Message::new(), Wait::AsConfigured) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
    }
}

// The models have teeth. What follows does by hand what the code does, and one thing wrong.

/// One thread receives, in a way of its own, and all that comes has to reach it.
fn one_receives_by(wait: fn(&Arc<SocketCore>)) {
    let (bench, far) = bench();
    let core = bench.core.clone();
    let receiver = spawn(move || {
        for _ in 0..2 {
            while core.recv(&mut Message::new(), Wait::No).is_err() {
                wait(&core);
            }
        }
    });
    far.write(&[0]);
    far.write(&[1]);
    receiver.join().unwrap();
    bench.finish();
}

/// What a leader does between coming and leaving.
fn wait_as_leader(core: &Arc<SocketCore>, set: &Set) {
    let only = core.lock().only_link();
    Reading { core, set, only, reads: READS_APPLICATION, leader: true }.wait(None, Before::Linger, false);
}

/// The leader leaves, and neither gives the duty back nor has the socket supervised.
#[test]
#[should_panic(expected = "nobody watches")]
fn leaving_without_a_word_must_fail() {
    explore(PREEMPTIONS, || {
        one_receives_by(|core| {
            let mut state = core.lock();
            let set = state.set(core).unwrap();
            state.start_leading(&set);
            drop(state);
            wait_as_leader(core, &set);
            core.lock().watch.leader = false;
        });
    });
}

/// The I/O thread leaves the links to a future, and does not look after the socket.
#[test]
#[should_panic(expected = "nobody watches")]
fn passing_the_duty_without_supervision_must_fail() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        bench.core.lock().watch.told = Some(now());
        let core = bench.core.clone();
        let receiver = spawn(move || recv_as_future(&core));
        far.write(&[1]);
        receiver.join().unwrap();
        bench.core.lock().watch.supervised = false;
        bench.finish();
    });
}

/// The leader says that the duty is the I/O thread's, and does not arm the set.
#[test]
#[should_panic(expected = "deadlock")]
fn giving_the_duty_back_without_arming_must_fail() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        let (parker, waker) = current_parker();
        bench.core.observe("model", Arc::new(waker)).unwrap();
        let core = bench.core.clone();
        let receiver = spawn(move || {
            let mut state = core.lock();
            let set = state.set(&core).unwrap();
            state.start_leading(&set);
            drop(state);
            wait_as_leader(&core, &set);
            let mut state = core.lock();
            state.watch.leader = false;
            state.watch.duty = Duty::Io;
        });
        far.write(&[1]);
        receiver.join().unwrap();
        far.write(&[2]);
        while bench.core.lock().pipes.counters.arrived < 2 {
            parker.park(None);
        }
        bench.finish();
    });
}

/// Who finds nothing takes the lead under another lock, and does not look again.
#[test]
#[should_panic(expected = "deadlock")]
fn looking_and_leading_apart_must_fail() {
    explore(PREEMPTIONS, || {
        one_receives_by(|core| {
            drop(lead(core, core.lock(), None, false).unwrap_or_else(|_| panic!("there are descriptors")))
        });
    });
}

/// Another thread reads what the leader waits for, and does not ring.
#[test]
#[should_panic(expected = "deadlock")]
fn reading_for_a_leader_without_ringing_must_fail() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        let core = bench.core.clone();
        let receiver = spawn(move || recv(&core));
        let (core, link) = (bench.core.clone(), bench.link.clone());
        let another = spawn(move || receive(&core, &link, READS_APPLICATION, true));
        far.write(&[1]);
        receiver.join().unwrap();
        another.join().unwrap();
        bench.finish();
    });
}

/// The tick takes the supervision away, and does not arm the set.
#[test]
#[should_panic(expected = "nobody watches")]
fn ending_the_supervision_without_arming_must_fail() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        is_busy(&bench);
        let core = bench.core.clone();
        let ticking = spawn(move || {
            let mut state = core.lock();
            let epoch = state.watch.epoch;
            if state.watch.supervised && std::mem::replace(&mut state.watch.epoch_at_tick, epoch) == epoch {
                state.watch.supervised = false;
            }
        });
        far.write(&[1]);
        recv(&bench.core);
        ticking.join().unwrap();
        bench.finish();
    });
}

/// Who stops at the mark says so first, and under no lock stops watching.
#[test]
#[should_panic(expected = "deadlock")]
fn pausing_before_watching_less_must_fail() {
    explore(PREEMPTIONS, || {
        let (bench, far) = bench();
        far.write(&[0]);
        recv(&bench.core);
        far.write(&[1]);
        let (core, link) = (bench.core.clone(), bench.link.clone());
        let pausing = spawn(move || {
            {
                let mut state = core.lock();
                let pipe = state.pipes.get_mut(link.pipe).unwrap();
                (pipe.paused, pipe.watch.paused) = (true, true);
            }
            let set = core.lock().watch.set.clone().unwrap();
            set.selector.modify(&link, token_of(link.pipe), Interest::NONE).unwrap();
        });
        // What was paused goes on when the program has read enough, as here it has.
        bench.core.lock().resume(bench.link.pipe);
        recv(&bench.core);
        pausing.join().unwrap();
        bench.core.lock().resume(bench.link.pipe);
        bench.finish();
    });
}
