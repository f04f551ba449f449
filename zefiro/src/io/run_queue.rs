//! RunQueue: what other threads leave for an I/O thread, and whether it must be woken for it.
//!
//! The thread takes all there is; when it finds nothing it counts as asleep, which is noted under the same lock, so that
//! whoever adds something next knows that it must ring.

use std::mem;

use crate::pipe::sync::SleepingMutex as Mutex;

/// Links with something to write, and commands.
pub(crate) struct RunQueue<L, C> {
    shared: Mutex<Shared<L, C>>,
}

struct Shared<L, C> {
    links: Vec<L>,
    /// Links whose senders are about to write them themselves: looked after in case they do not.
    streams: Vec<L>,
    commands: Vec<C>,
    /// The thread found the queue empty and went to wait: whoever adds something wakes it.
    asleep: bool,
    /// The thread looks at `streams` every so often without being woken.
    patrolling: bool,
}

impl<L, C> RunQueue<L, C> {
    pub(crate) fn new() -> RunQueue<L, C> {
        let shared =
            Shared { links: Vec::new(), streams: Vec::new(), commands: Vec::new(), asleep: false, patrolling: false };
        RunQueue { shared: Mutex::new(shared) }
    }

    /// Adds a link. Answers whether the thread must be woken.
    pub(crate) fn add(&self, link: L) -> bool {
        let mut shared = self.shared.lock();
        shared.links.push(link);
        mem::take(&mut shared.asleep)
    }

    /// Adds several. Answers whether the thread must be woken.
    pub(crate) fn add_all(&self, links: impl IntoIterator<Item = L>) -> bool {
        let mut shared = self.shared.lock();
        shared.links.extend(links);
        mem::take(&mut shared.asleep)
    }

    /// Adds a command. Answers whether the thread must be woken.
    pub(crate) fn command(&self, command: C) -> bool {
        let mut shared = self.shared.lock();
        shared.commands.push(command);
        mem::take(&mut shared.asleep)
    }

    /// Adds a link to be looked after. Answers whether the thread must be woken: not if it is on patrol already.
    pub(crate) fn add_stream(&self, link: L) -> bool {
        let mut shared = self.shared.lock();
        shared.streams.push(link);
        !mem::replace(&mut shared.patrolling, true) && mem::take(&mut shared.asleep)
    }

    /// Takes the links to be looked after; `None` when the patrol is over, for none came in the last `idle_rounds_max`
    /// rounds.
    pub(crate) fn take_streams(&self, idle_rounds: &mut u32, idle_rounds_max: u32) -> Option<Vec<L>> {
        let mut shared = self.shared.lock();
        if !shared.patrolling {
            return None;
        }
        *idle_rounds = if shared.streams.is_empty() { *idle_rounds + 1 } else { 0 };
        if *idle_rounds > idle_rounds_max {
            shared.patrolling = false;
            return None;
        }
        Some(mem::take(&mut shared.streams))
    }

    pub(crate) fn is_patrolling(&self) -> bool {
        self.shared.lock().patrolling
    }

    /// Takes what there is to do; `false`, and the thread counts as asleep, if there is nothing.
    pub(crate) fn take(&self, links: &mut Vec<L>, commands: &mut Vec<C>) -> bool {
        let mut shared = self.shared.lock();
        shared.asleep = shared.links.is_empty() && shared.commands.is_empty();
        mem::swap(links, &mut shared.links);
        mem::swap(commands, &mut shared.commands);
        !shared.asleep
    }

    pub(crate) fn is_empty(&self) -> bool {
        let shared = self.shared.lock();
        shared.links.is_empty() && shared.commands.is_empty()
    }

    /// The thread counts as asleep; `false` if there is something to do.
    pub(crate) fn rest(&self) -> bool {
        let mut shared = self.shared.lock();
        shared.asleep = shared.links.is_empty() && shared.commands.is_empty();
        shared.asleep
    }

    /// The thread is awake and will look at the queue before it waits again.
    pub(crate) fn awake(&self) {
        self.shared.lock().asleep = false;
    }
}

/// Every interleaving of the shipped code, by loom: `./test` runs them.
#[cfg(all(test, zefiro_loom))]
mod models {
    use std::sync::Arc;

    use loom::sync::{Condvar, Mutex as LoomMutex};
    use loom::thread;

    use super::*;

    /// The thread's alarm: rung once is heard once, whenever it listens.
    #[derive(Default)]
    struct Alarm {
        rung: LoomMutex<bool>,
        changed: Condvar,
    }

    impl Alarm {
        fn ring(&self) {
            *self.rung.lock().unwrap() = true;
            self.changed.notify_one();
        }

        fn wait(&self) {
            let mut rung = self.rung.lock().unwrap();
            while !*rung {
                rung = self.changed.wait(rung).unwrap();
            }
            *rung = false;
        }
    }

    type Queue = RunQueue<u8, u8>;

    /// The loop of an I/O thread, until it was told two things, by one thread each.
    fn everything_is_done(take: fn(&Queue, &mut Vec<u8>, &mut Vec<u8>) -> bool) {
        let queue = Arc::new(Queue::new());
        let alarm = Arc::new(Alarm::default());
        let telling = |tell: fn(&Queue) -> bool| {
            let (queue, alarm) = (queue.clone(), alarm.clone());
            thread::spawn(move || {
                if tell(&queue) {
                    alarm.ring();
                }
            })
        };
        let one = telling(|queue| queue.add(1));
        let two = telling(|queue| queue.command(2));
        let (mut links, mut commands, mut done) = (Vec::new(), Vec::new(), 0);
        loop {
            while take(&queue, &mut links, &mut commands) {
                done += links.drain(..).count() + commands.drain(..).count();
            }
            if done == 2 {
                break;
            }
            alarm.wait();
            queue.awake();
        }
        one.join().unwrap();
        two.join().unwrap();
    }

    #[test]
    fn nobody_sleeps_while_there_is_something_to_do() {
        loom::model(|| everything_is_done(Queue::take));
    }

    /// A thread that lingers counts as awake: what came meanwhile it finds itself, before it sleeps.
    #[test]
    fn who_stays_awake_for_a_moment_misses_nothing() {
        loom::model(|| {
            everything_is_done(|queue, links, commands| {
                queue.take(links, commands) || {
                    queue.awake();
                    (!queue.is_empty() || !queue.rest()) && queue.take(links, commands)
                }
            });
        });
    }

    /// The loop of an I/O thread until it has looked after two streams. A patrol ends with the first round in vain.
    fn streams_are_looked_after(take_streams: fn(&Queue, &mut u32) -> Option<Vec<u8>>) {
        let queue = Arc::new(Queue::new());
        let alarm = Arc::new(Alarm::default());
        let (adding, ringing) = (queue.clone(), alarm.clone());
        let other = thread::spawn(move || {
            for stream in 0..2 {
                if adding.add_stream(stream) {
                    ringing.ring();
                }
            }
        });
        let (mut links, mut commands, mut idle_rounds, mut seen) = (Vec::new(), Vec::new(), 0, 0);
        let mut patrol_due = false;
        while seen < 2 {
            assert!(!queue.take(&mut links, &mut commands));
            patrol_due |= queue.is_patrolling();
            // With a patrol due the wait has a limit, which is over here.
            if !patrol_due {
                alarm.wait();
            }
            queue.awake();
            if mem::take(&mut patrol_due)
                && let Some(streams) = take_streams(&queue, &mut idle_rounds)
            {
                seen += streams.len();
                patrol_due = true;
            }
        }
        other.join().unwrap();
    }

    #[test]
    fn a_stream_is_looked_after_whether_the_patrol_goes_on_or_ends() {
        loom::model(|| streams_are_looked_after(|queue, idle_rounds| queue.take_streams(idle_rounds, 0)));
    }

    /// The models have teeth: a thread that looks, and says only afterwards that it sleeps, is never woken.
    #[test]
    #[should_panic(expected = "deadlock")]
    fn looking_and_going_to_sleep_apart_must_fail() {
        loom::model(|| {
            everything_is_done(|queue, links, commands| {
                let mut shared = queue.shared.lock();
                mem::swap(links, &mut shared.links);
                mem::swap(commands, &mut shared.commands);
                drop(shared);
                let found = !links.is_empty() || !commands.is_empty();
                if !found {
                    queue.shared.lock().asleep = true;
                }
                found
            });
        });
    }

    /// So does a patrol that ends for a stream that came after it had looked.
    #[test]
    #[should_panic(expected = "deadlock")]
    fn ending_the_patrol_after_looking_must_fail() {
        loom::model(|| {
            streams_are_looked_after(|queue, _| {
                let streams = mem::take(&mut queue.shared.lock().streams);
                if streams.is_empty() {
                    queue.shared.lock().patrolling = false;
                    return None;
                }
                Some(streams)
            });
        });
    }
}
