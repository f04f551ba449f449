//! Owed: what a thread has left in sockets' outboxes, to write it together with what it says next. It does so before it
//! waits for anything, and before it writes to another socket. The I/O thread looks whether it did.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use super::core::SocketCore;

#[cfg(not(all(test, zefiro_loom)))]
thread_local! {
    /// Whether this thread owes anything.
    static OWES: Cell<bool> = const { Cell::new(false) };
    /// On which sockets, in the order of time.
    static SOCKETS: RefCell<Vec<Weak<SocketCore>>> = const { RefCell::new(Vec::new()) };
}

// The threads of a model are none of the system's.
#[cfg(all(test, zefiro_loom))]
loom::thread_local! {
    static OWES: Cell<bool> = Cell::new(false);
    static SOCKETS: RefCell<Vec<Weak<SocketCore>>> = RefCell::new(Vec::new());
}

/// Whether this thread owes anything.
#[inline]
pub(super) fn owes() -> bool {
    OWES.with(Cell::get)
}

/// This thread is going to write what is left on the socket. It holds no socket's lock, here and below.
pub(super) fn owe(core: &Arc<SocketCore>) {
    let noted = SOCKETS.try_with(|sockets| {
        let mut sockets = sockets.borrow_mut();
        if !sockets.iter().rev().take(LOOKED_AT).any(|owed| is(owed, core)) {
            sockets.push(Arc::downgrade(core));
        }
        sockets.len()
    });
    // A thread that ends leaves it to the I/O thread.
    if let Ok(count) = noted {
        OWES.with(|owes| owes.set(true));
        if count >= SOCKETS_MAX {
            settle();
        }
    }
}

/// This thread says something on a socket that others will see at once: what it said before on others comes first.
#[inline]
pub(super) fn turn_to(core: &Arc<SocketCore>) {
    if owes() && !owes_only(core) {
        settle();
    }
}

fn owes_only(core: &Arc<SocketCore>) -> bool {
    let only = SOCKETS.try_with(|sockets| matches!(&sockets.borrow()[..], [owed] if is(owed, core)));
    only.unwrap_or(false)
}

/// What was left on the socket is written.
#[inline]
pub(crate) fn note_settled(core: &Arc<SocketCore>) {
    if owes() && owes_only(core) {
        OWES.with(|owes| owes.set(false));
        let _ = SOCKETS.try_with(|sockets| sockets.borrow_mut().clear());
    }
}

/// This thread is about to wait.
#[inline]
pub(crate) fn settle() {
    if owes() {
        write();
    }
}

#[cold]
fn write() {
    OWES.with(|owes| owes.set(false));
    let mut sockets = SOCKETS.try_with(RefCell::take).unwrap_or_default();
    for core in sockets.drain(..).filter_map(|owed| owed.upgrade()) {
        core.lock().help();
    }
    // For its memory.
    let _ = SOCKETS.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.is_empty() {
            *kept = sockets;
        }
    });
}

fn is(owed: &Weak<SocketCore>, core: &Arc<SocketCore>) -> bool {
    std::ptr::eq(owed.as_ptr(), Arc::as_ptr(core))
}

/// Who goes back and forth between so many sockets notes each once.
const LOOKED_AT: usize = 4;

/// On so many sockets nothing is left for later.
const SOCKETS_MAX: usize = 1024;

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;
    use crate::{Interest, Pair, Poller, Wait};

    /// A socket with three messages to read, one of which this thread has read and answered; and the one that sent them.
    fn answered() -> (Pair, Pair) {
        let (socket, peer) = (Pair::new(), Pair::new());
        peer.connect(socket.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        (0..3).for_each(|_| peer.send("question").unwrap());
        while socket.core().lock().pipes.counters_of_all().arrived < 3 {
            std::thread::yield_now();
        }
        socket.recv().unwrap();
        socket.send("answer").unwrap();
        assert!(owes_only(socket.core()) && owes());
        (socket, peer)
    }

    fn assert_settled(socket: &Pair, peer: &Pair) {
        assert!(!owes());
        assert!(socket.core().lock().await_writer.is_empty());
        assert_eq!(peer.recv().unwrap(), "answer");
    }

    #[test]
    fn what_is_owed_is_written_before_a_wait_for_anything() {
        let waits: [fn(&Pair); 6] = [
            |other| drop(other.recv_timeout(Duration::from_millis(1)).unwrap_err()),
            |other| drop(other.recv_into(&mut crate::Message::new(), Wait::No).unwrap_err()),
            |other| drop(other.send_timeout("no peer", Duration::from_millis(1)).unwrap_err()),
            |other| {
                let poller = Poller::new().unwrap();
                poller.add(other, Interest::READABLE, 1).unwrap();
                poller.wait(&mut Vec::new(), Some(Duration::ZERO)).unwrap();
            },
            |other| assert_eq!(other.core().readiness(), (false, false)),
            |other| assert!(pin!(other.recv_async()).poll(&mut Context::from_waker(Waker::noop())).is_pending()),
        ];
        for wait in waits {
            let (socket, peer) = answered();
            wait(&Pair::new());
            assert_settled(&socket, &peer);
        }
    }

    #[test]
    fn what_is_owed_is_written_before_anything_else_is() {
        let (socket, peer) = answered();
        let (one, other) = (Pair::new(), Pair::new());
        other.connect(one.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        one.send("to another").unwrap();
        assert_settled(&socket, &peer);
        assert_eq!(other.recv().unwrap(), "to another");
    }

    #[test]
    fn who_has_gone_is_owed_nothing() {
        let (socket, peer) = answered();
        drop((socket, peer));
        settle();
        assert!(!owes());
    }
}
