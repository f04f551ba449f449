//! Locked: a socket's state while its lock is held, and what is done as soon as the lock is released.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;
use zmtp::giving_back::{Hold, hold, is_any_owned, let_go_late};

use super::core::{SocketCore, State};
use super::owed::{owe, turn_to};
use crate::calling::call;
use crate::counters::DropReason;
use crate::io::IoHandle;
use crate::io::link::{Link, Loss};
use crate::io::transmit::{ROUNDS_APPLICATION, report_loss, transmit};
use crate::lock::LockGuard;
use crate::message::Message;
use crate::monitor::{Event, EventKind, MonitorQueue};
use crate::pipe::batch::Batch;
use crate::pipe::{Notice, Pipe};
use crate::sys::Alarm;
use crate::transport::udp::Datagrams;
use crate::wait::{Roused, Wakes};

/// The socket's state, locked. What became due meanwhile is carried out when this is dropped.
pub(crate) struct Locked<'a> {
    core: &'a Arc<SocketCore>,
    guard: Option<LockGuard<'a, State>>,
    /// What is dropped until all is carried out may belong to the program, whose code then runs: that has to wait.
    held: Hold,
}

/// What to do once the lock is released. Nearly always that is one thing, which needs no allocation.
#[derive(Default)]
pub(super) struct After {
    pub(super) any: bool,
    pub(super) wakes: Wakes,
    /// Wakers that are not to be called any more.
    pub(super) spent: Wakes,
    pub(super) observers: Roused,
    pub(super) alarm: Option<Arc<Alarm>>,
    pub(super) writes: SmallVec<[(Arc<Link>, Batch); 1]>,
    pub(super) runs: SmallVec<[Arc<Link>; 2]>,
    pub(super) streams: SmallVec<[Arc<Link>; 2]>,
    /// This thread writes some of them before it waits.
    pub(super) owes: bool,
    notices: SmallVec<[Notice; 1]>,
    datagrams: Vec<(Arc<Datagrams>, Message)>,
    pub(super) events: Vec<Arc<MonitorQueue>>,
    /// I/O threads that were told something in their sleep.
    pub(super) asleep: SmallVec<[Arc<IoHandle>; 2]>,
    dropped: Vec<Pipe>,
    pub(super) finished: bool,
}

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(core: &'a Arc<SocketCore>, guard: LockGuard<'a, State>) -> Locked<'a> {
        let held = if is_any_owned() { hold() } else { Hold::default() };
        Locked { core, guard: Some(guard), held }
    }
}

impl Locked<'_> {
    /// The message just received was the end of a trickle: the next look waits for more.
    #[inline]
    pub(super) fn note_trickle(&mut self) {
        let found = std::mem::take(&mut self.pipes.trickle);
        self.core.trickle.store(found, Ordering::Relaxed);
    }

    /// Unlocks, carries out what became due, does some `work`, and locks again.
    pub(super) fn unlocked(&mut self, work: impl FnOnce(&Arc<SocketCore>)) {
        let core = self.core;
        self.release(());
        work(core);
        *self = core.lock();
    }

    /// Unlocks, lets go of another lock too, and only then carries out what became due: who is woken may want either.
    pub(crate) fn unlock_after<T>(mut self, other: T) {
        self.release(other);
    }

    #[inline]
    fn release<T>(&mut self, other: T) {
        let Some(guard) = self.guard.take() else { return };
        #[cfg(all(test, zefiro_loom))]
        if !guard.has_after() {
            guard.assert_sound();
        }
        if guard.has_after() {
            settle_and_release(self.core, guard, other);
        } else {
            drop((guard, other));
        }
        self.held.end();
    }
}

/// Out of the way of all that leaves nothing to do.
#[inline(never)]
fn settle_and_release<T>(core: &Arc<SocketCore>, mut guard: LockGuard<'_, State>, other: T) {
    guard.settle();
    #[cfg(all(test, zefiro_loom))]
    guard.assert_sound();
    let after = std::mem::take(&mut guard.after);
    drop(guard);
    drop(other);
    after.carry_out(core);
    let_go_late();
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        match &self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is there until drop"),
        }
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        match &mut self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is there until drop"),
        }
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release(());
    }
}

impl State {
    /// Drops a removed pipe once the lock is released: closing a descriptor takes time.
    pub(crate) fn drop_later(&mut self, pipe: Pipe) {
        self.after.any = true;
        self.after.dropped.push(pipe);
    }

    #[inline]
    fn has_after(&self) -> bool {
        self.after.any || self.pipes.noted
    }

    /// Turns what the operation noted on the pipes into things to do.
    fn settle(&mut self) {
        self.pipes.noted = false;
        while let Some(id) = self.pipes.resumed.pop() {
            self.resume(id);
        }
        while let Some((id, refused)) = self.pipes.duplicates.pop() {
            let Some(pipe) = self.pipes.get(id) else { continue };
            let (facts, link) = (pipe.facts.clone(), pipe.link().cloned());
            let event = Event::new(&facts.endpoint, EventKind::DuplicateRoutingId);
            self.emit(Event { peer: facts.address, ..event });
            if let Some(link) = link.filter(|_| refused) {
                self.unwatch(&link);
                report_loss(&link, Loss::Duplicate);
            }
        }
        while let Some((id, what)) = self.pipes.expelled.pop() {
            if let Some(link) = self.pipes.get(id).and_then(Pipe::link).cloned() {
                self.unwatch(&link);
                report_loss(&link, Loss::Greedy(what));
            }
        }
        while let Some(id) = self.pipes.drained.pop() {
            self.pipe_drained(id);
        }
        if !self.pipes.dirty.is_empty() {
            let few = self.pipes.dirty.len() <= DIRECT_PIPES_MAX;
            while let Some(id) = self.pipes.dirty.pop() {
                self.find_writer(id, few);
            }
        }
        self.after.notices.extend(self.pipes.notices.drain(..));
        self.after.datagrams.append(&mut self.pipes.datagrams);
    }
}

impl After {
    /// What others wait for comes first: the program's code, and what runs it in other sockets, may wait for them.
    fn carry_out(self, core: &Arc<SocketCore>) {
        if let Some(alarm) = self.alarm {
            alarm.ring();
        }
        for io in self.asleep {
            io.wake();
        }
        if self.owes {
            owe(core);
        } else if !(self.writes.is_empty() && self.runs.is_empty()) {
            turn_to(core);
        }
        hand_over(self.runs);
        for link in self.streams {
            let io = link.io.clone();
            io.patrol(link);
        }
        for (datagrams, message) in self.datagrams {
            if !datagrams.send(&message) {
                let counters = &mut core.lock().pipes.counters;
                counters.delivered = counters.delivered.saturating_sub(1);
                counters.drop(DropReason::PeerGone, 1);
            }
        }
        for (link, batch) in self.writes {
            transmit(core, &link, batch, ROUNDS_APPLICATION);
        }
        if self.finished {
            core.context.socket_finished(core);
        }
        for notice in self.notices {
            let (Notice::Readable(peer) | Notice::Writable(peer) | Notice::Ended(peer)) = &notice;
            if let Some(socket) = peer.socket.upgrade() {
                socket.notified(notice);
            }
        }
        for waker in self.wakes {
            call(|| waker.wake());
        }
        for observer in self.observers {
            call(move || observer.rouse());
        }
        for queue in self.events {
            queue.deliver();
        }
        for waker in self.spent {
            call(|| drop(waker));
        }
    }
}

/// Links whose outboxes the I/O threads are to write.
fn hand_over(runs: SmallVec<[Arc<Link>; 2]>) {
    let mut runs = runs.into_iter().peekable();
    while let Some(link) = runs.next() {
        let io = link.io.clone();
        if runs.peek().is_none() {
            io.run(link);
        } else {
            let rest: Vec<Arc<Link>> = runs.by_ref().collect();
            let (same, other): (Vec<_>, Vec<_>) = rest.into_iter().partition(|next| Arc::ptr_eq(&next.io, &io));
            io.run_all(std::iter::once(link).chain(same));
            for link in other {
                link.io.clone().run(link);
            }
        }
    }
}

/// An operation that made more pipes than this due for writing leaves them all to the I/O thread.
const DIRECT_PIPES_MAX: usize = 4;
