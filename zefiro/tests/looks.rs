//! Futures of busy sockets look for a moment before they wait: then they wait, and let others have their turns.

// Where no selector holds another the I/O thread reads for all futures.
#![cfg(all(any(target_os = "linux", target_os = "android"), not(any(zefiro_portable, miri))))]

mod util;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use util::{LONG, in_child, socket};
use zefiro::{Context, Message, Pull, Push, RecvFuture, Rep, Req};

/// A task that is polled by hand.
struct Task {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Task {
    fn new() -> Arc<Task> {
        Arc::new(Task { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    fn poll(self: &Arc<Self>, future: Pin<&mut RecvFuture<'_>>) -> Poll<Message> {
        let waker = Waker::from(self.clone());
        future.poll(&mut TaskContext::from_waker(&waker)).map(Result::unwrap)
    }

    /// Whether it was woken since the last time.
    fn was_woken(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Polls until the message is there.
    fn finish(self: &Arc<Self>, mut future: Pin<&mut RecvFuture<'_>>) -> Message {
        let deadline = Instant::now() + LONG;
        loop {
            if let Poll::Ready(message) = self.poll(future.as_mut()) {
                return message;
            }
            while !self.was_woken() {
                assert!(Instant::now() < deadline, "nobody wakes the future");
                thread::park_timeout(LONG);
            }
        }
    }
}

fn joined(endpoint: &str) -> (Pull, Push) {
    // Of contexts of their own: the I/O thread of one does nothing for the other.
    let (pull, push): (Pull, Push) = (socket(&Context::new()), socket(&Context::new()));
    push.connect(pull.bind(endpoint).unwrap().to_string()).unwrap();
    pull.wait_connected(1, LONG).unwrap();
    push.wait_connected(1, LONG).unwrap();
    (pull, push)
}

/// Sends one message after the other, until the future of the next one looks on its own.
fn until_it_looks<'a>(pull: &'a Pull, push: &Push, task: &Arc<Task>) -> Pin<Box<RecvFuture<'a>>> {
    let deadline = Instant::now() + LONG;
    loop {
        assert!(Instant::now() < deadline, "no future looks on its own");
        let mut future = Box::pin(pull.recv_async());
        // The call for the last message may come late; who looks is called each time.
        let mut looks = || {
            assert!(task.poll(future.as_mut()).is_pending(), "nothing was sent");
            task.was_woken()
        };
        if looks() && looks() {
            return future;
        }
        push.send("busy").unwrap();
        assert_eq!(task.finish(future.as_mut()), "busy");
        task.was_woken();
    }
}

#[test]
fn a_future_that_looks_waits_in_the_end_and_is_woken() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let ((pull, push), task) = (joined(endpoint), Task::new());
        for _ in 0..20 {
            let mut future = until_it_looks(&pull, &push, &task);
            let mut turns = 1;
            while task.poll(future.as_mut()).is_pending() && task.was_woken() {
                turns += 1;
                assert!(turns < 10_000, "it looks for ever");
            }
            push.send("late").unwrap();
            assert_eq!(task.finish(future.as_mut()), "late");
        }
    }
}

#[test]
fn a_future_dropped_while_it_looks_loses_nothing() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let ((pull, push), task) = (joined(endpoint), Task::new());
        for _ in 0..20 {
            // Before what it looks for has come, and after.
            drop(until_it_looks(&pull, &push, &task));
            push.send("first").unwrap();
            assert_eq!(task.finish(pin!(pull.recv_async())), "first");
            let future = until_it_looks(&pull, &push, &task);
            push.send("second").unwrap();
            drop(future);
            assert_eq!(pull.recv_timeout(LONG).unwrap(), "second");
        }
    }
}

/// As in a loop of `select!`: each is polled once and dropped. They look in vain for no longer than one that waits.
#[test]
fn futures_that_are_dropped_do_not_look_for_ever() {
    let ((pull, push), task) = (joined("tcp://127.0.0.1:*"), Task::new());
    drop(until_it_looks(&pull, &push, &task));
    let mut looked = 0;
    for _ in 0..20_000 {
        assert!(task.poll(pin!(pull.recv_async())).is_pending());
        looked += usize::from(task.was_woken());
    }
    assert!(looked < 1000, "{looked} looked in vain");
    push.send("late").unwrap();
    assert_eq!(task.finish(pin!(pull.recv_async())), "late");
}

#[test]
fn what_is_received_in_place_of_another_is_there_when_the_future_is_ready() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    util::over_each_transport(|pull: Pull, push: Push| {
        runtime.block_on(async {
            let mut message = Message::from("before");
            for number in 0..100 {
                let waiting = tokio::time::timeout(Duration::ZERO, pull.recv_into_async(&mut message)).await;
                assert!(waiting.is_err(), "nothing was sent");
                let before = if number == 0 { "before".into() } else { (number - 1).to_string() };
                assert_eq!(message, before.as_str());
                push.send_async(number.to_string()).await.unwrap();
                pull.recv_into_async(&mut message).await.unwrap();
                assert_eq!(message, number.to_string().as_str());
            }
            pull.close();
            pull.recv_into_async(&mut message).await.unwrap_err();
        });
    });
}

/// Who looks while another waits leaves the links to the I/O thread, which wakes that one.
#[test]
fn a_future_that_looks_is_not_in_the_way_of_one_that_waits() {
    let ((pull, push), task, other) = (joined("tcp://127.0.0.1:*"), Task::new(), Task::new());
    for _ in 0..20 {
        let looking = until_it_looks(&pull, &push, &task);
        let mut waiting = Box::pin(pull.recv_async());
        while other.poll(waiting.as_mut()).is_pending() && other.was_woken() {}
        push.send("for whom it may concern").unwrap();
        assert_eq!(other.finish(waiting.as_mut()), "for whom it may concern");
        drop(looking);
    }
}

/// Each side would wait for the other for ever, if one kept the thread to itself.
#[test]
fn both_sides_share_a_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    util::over_each_transport(|rep: Rep, req: Req| {
        runtime.block_on(async {
            let server = tokio::spawn(async move {
                for _ in 0..1000 {
                    let request = rep.recv_async().await.unwrap();
                    rep.send_async(request).await.unwrap();
                }
                rep
            });
            for number in 0..1000 {
                req.send_async(number.to_string()).await.unwrap();
                assert_eq!(req.recv_async().await.unwrap(), number.to_string().as_str());
            }
            drop(server.await.unwrap());
        });
    });
}

#[test]
fn a_future_that_waits_costs_nothing() {
    const REST: Duration = Duration::from_millis(500);
    in_child("a_future_that_waits_costs_nothing", || {
        let ((pull, push), task) = (joined("tcp://127.0.0.1:*"), Task::new());
        let mut future = until_it_looks(&pull, &push, &task);
        while task.poll(future.as_mut()).is_pending() && task.was_woken() {}
        let before = util::processor_time();
        thread::sleep(REST);
        let worked = util::processor_time() - before;
        assert!(worked < REST / 20, "{worked:?} of {REST:?}");
        push.send("late").unwrap();
        assert_eq!(task.finish(future.as_mut()), "late");
    });
}
