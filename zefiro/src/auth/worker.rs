//! Worker: the thread that runs a socket's authenticator. It starts with the first question and ends when there was none
//! for a while, or the socket is gone.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Answer, Authenticator, Request};
use crate::calling::call;
use crate::io::{Command, IoHandle};
use crate::sys::threads;

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Runs one socket's authenticator.
pub(crate) struct Worker {
    begin: Box<dyn Fn(Request) -> Answering + Send + Sync>,
    desk: Arc<Desk>,
}

/// What the worker's thread keeps while there is nothing to do.
#[derive(Default)]
struct Desk {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Arc<Task>>,
    running: bool,
    /// Nobody can ask any more.
    closed: bool,
}

/// One question on its way.
struct Task {
    worker: Arc<Worker>,
    work: Mutex<Work>,
    answer: Mutex<Option<Answer>>,
    /// In the worker's queue.
    queued: AtomicBool,
    /// Nobody wants the answer any more.
    abandoned: AtomicBool,
    io: Arc<IoHandle>,
    token: u64,
}

enum Work {
    Asked(Request),
    Answering(Answering),
    Done,
}

/// A question that was put to the authenticator; dropping it withdraws the question.
pub(crate) struct Pending {
    task: Arc<Task>,
}

impl Worker {
    /// Runs a function, one call after the other.
    pub(crate) fn of(authenticator: impl Authenticator) -> Arc<Worker> {
        Worker::new(move |request| Box::pin(std::future::ready(authenticator.authenticate(&request))))
    }

    /// Runs futures, all at once.
    pub(crate) fn of_futures<F: Future<Output = Answer> + Send + 'static>(
        begin: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Arc<Worker> {
        Worker::new(move |request| Box::pin(begin(request)))
    }

    fn new(begin: impl Fn(Request) -> Answering + Send + Sync + 'static) -> Arc<Worker> {
        Arc::new(Worker { begin: Box::new(begin), desk: Arc::default() })
    }

    /// Asks; the session `token` of `io` is told when the answer is there.
    pub(crate) fn ask(self: &Arc<Worker>, request: Request, io: &Arc<IoHandle>, token: u64) -> Pending {
        let task = Arc::new(Task {
            worker: self.clone(),
            work: Mutex::new(Work::Asked(request)),
            answer: Mutex::new(None),
            queued: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            io: io.clone(),
            token,
        });
        task.wake_by_ref();
        Pending { task }
    }

    fn push(&self, task: Arc<Task>) {
        let mut queue = self.desk.queue.lock();
        queue.tasks.push_back(task);
        if queue.running {
            self.desk.more.notify_one();
            return;
        }
        let desk = self.desk.clone();
        let started = threads::start("zefiro/auth".into(), move || desk.work(IDLE));
        queue.running = started.is_ok();
        if started.is_err() {
            let tasks = std::mem::take(&mut queue.tasks);
            drop(queue);
            for task in tasks {
                task.settle(Answer::fail("the system gives no thread to the authenticator"));
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.desk.queue.lock().closed = true;
        self.desk.more.notify_one();
    }
}

impl Desk {
    fn work(&self, idle: Duration) {
        loop {
            let task = {
                let mut queue = self.queue.lock();
                loop {
                    if let Some(task) = queue.tasks.pop_front() {
                        break task;
                    }
                    if queue.closed || self.more.wait_for(&mut queue, idle).timed_out() && queue.tasks.is_empty() {
                        queue.running = false;
                        return;
                    }
                }
            };
            task.run();
        }
    }
}

impl Task {
    fn run(self: &Arc<Task>) {
        // Acquire pairs with the waker's release: what it did before is seen here.
        self.queued.swap(false, Ordering::AcqRel);
        let mut work = self.work.lock();
        if self.abandoned.load(Ordering::Acquire) {
            let abandoned = std::mem::replace(&mut *work, Work::Done);
            // What the program's future does when it is dropped is its own affair, and so are its panics.
            call(|| drop(abandoned));
            return;
        }
        let mut answering = match std::mem::replace(&mut *work, Work::Done) {
            Work::Asked(request) => match catch_unwind(AssertUnwindSafe(|| (self.worker.begin)(request))) {
                Ok(answering) => answering,
                Err(panic) => return self.settle(Answer::fail(words_of(&*panic))),
            },
            Work::Answering(answering) => answering,
            Work::Done => return,
        };
        let waker = Waker::from(self.clone());
        let polled = catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(Poll::Pending) => *work = Work::Answering(answering),
            Ok(Poll::Ready(answer)) => {
                self.settle(answer);
                call(|| drop(answering));
            }
            Err(panic) => {
                self.settle(Answer::fail(words_of(&*panic)));
                call(|| drop(answering));
            }
        }
    }

    fn settle(&self, answer: Answer) {
        *self.answer.lock() = Some(answer);
        self.io.tell(Command::Authenticated(self.token));
    }
}

impl Wake for Task {
    fn wake(self: Arc<Task>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Task>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.worker.push(self.clone());
        }
    }
}

impl Pending {
    /// The answer, if it has come.
    pub(crate) fn answer(&self) -> Option<Answer> {
        self.task.answer.lock().take()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abandoned.store(true, Ordering::Release);
        // The worker drops the future, which may take its time. One that is just running finds out by itself.
        if self.task.answer.lock().is_none()
            && !self.task.work.try_lock().is_some_and(|work| matches!(*work, Work::Done))
        {
            self.task.wake_by_ref();
        }
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("the authenticator panicked: {}", words.unwrap_or("no reason given"))
}

/// How long the thread waits for the next question before it ends.
const IDLE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_with_nothing_to_do_ends_with_its_worker() {
        let worker = Worker::of(|_: &Request| Answer::allow(""));
        let desk = worker.desk.clone();
        let working = thread::spawn(move || desk.work(Duration::MAX));
        drop(worker);
        working.join().unwrap();
    }
}
