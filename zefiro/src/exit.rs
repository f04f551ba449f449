//! Exit: what is queued when the process ends goes out first.
//!
//! A program that sends and then returns from `main` has said all it has to say, and would lose what the I/O threads have
//! not written yet. So the process's end waits for them: for a peer that is connected as long as the socket's linger
//! allows, at most [`CONNECTED_MAX`]; for one that is not, [`ABSENT_MAX`]. Sockets are left as they are, so that other
//! threads see nothing of it; who is in a `close_within` meanwhile goes on with that. Not for the C library, whose programs
//! end as they do with libzmq; and not for what is on its way within the process.
//!
//! After that no thread calls the Kerberos library any more, which the process's end takes down.

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::context::ContextInner;
use crate::sys::{self, gssapi};

/// The contexts to look after.
static CONTEXTS: Mutex<Vec<Weak<ContextInner>>> = Mutex::new(Vec::new());

/// Has what is queued in a context sent before the process ends.
pub(crate) fn look_after(context: &Arc<ContextInner>) {
    if cfg!(zefiro_loom) {
        // The model checker's locks work within a model only.
        return;
    }
    let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if call_at_exit() {
        // Of the process that this one was forked off from, if any.
        contexts.clear();
    }
    contexts.retain(|context| context.strong_count() > 0);
    contexts.push(Arc::downgrade(context));
}

/// Has the process's end wait for what cannot be interrupted then: for the queues looked after, and for calls of the Kerberos
/// library. Answers whether this process asks for the first time.
pub(crate) fn call_at_exit() -> bool {
    sys::exit::call_at_exit(|| {
        wait_for_queues();
        // What is queued may have had to be encrypted.
        gssapi::end_calls(CALLS_MAX);
    })
}

/// Waits on a thread of its own: the one that ends the process has given up its thread-local values, and may hold any
/// lock.
fn wait_for_queues() {
    if CONTEXTS.try_lock().is_ok_and(|contexts| contexts.is_empty()) {
        return;
    }
    let (done, ended) = mpsc::channel::<()>();
    let started = sys::threads::start("zefiro/exit".into(), move || {
        poll_queues();
        drop(done);
    });
    let Ok(thread) = started else { return };
    // Nothing is ever sent: that the other end is gone, however, ends the wait.
    if ended.recv_timeout(CONNECTED_MAX) == Err(RecvTimeoutError::Disconnected) {
        // It is at its end. Left alone, what it has still to free would be taken for a leak.
        let _ = thread.join();
    }
}

/// Until what was queued at first has left; what other threads send meanwhile is not waited for.
fn poll_queues() {
    let contexts: Vec<_> = {
        let contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        contexts.iter().filter_map(Weak::upgrade).collect()
    };
    let sockets = contexts.iter().flat_map(|context| context.live());
    let goals: Vec<_> = sockets.map(|socket| (socket.goals_at_exit(), socket)).collect();
    let began = Instant::now();
    while goals.iter().any(|(goals, socket)| socket.waits_at_exit(goals, began.elapsed())) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// How long the end of the process waits for a peer that does not read what it is sent.
pub(crate) const CONNECTED_MAX: Duration = Duration::from_secs(10);
/// How long it waits for a peer that is not there.
pub(crate) const ABSENT_MAX: Duration = Duration::from_secs(1);
/// How long it waits for calls of the Kerberos library: as long as one takes that does not wait for a server.
const CALLS_MAX: Duration = Duration::from_secs(1);
