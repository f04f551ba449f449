//! SocketCore: what all handles of a socket, its sessions and its peers in the process share.
//!
//! One lock guards a socket's [`State`]: pattern, pipes, who waits. Whoever holds it only moves memory; everything that
//! takes longer or concerns somebody else (writing, waking, telling a peer) is collected in [`After`] and carried out
//! when the lock has been released, by [`Locked`]'s drop.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::ReentrantMutex;
use smallvec::SmallVec;
use zmtp::SocketType;

use super::endpoints::EndpointEntry;
use super::parts::Parts;
use crate::auth::worker::Worker;
use crate::context::ContextInner;
use crate::counters::DropReason;
use crate::error::{Error, ErrorKind};
use crate::io::duty::{Duty, Watch};
use crate::io::link::{Link, Loss};
use crate::io::transmit::{ROUNDS_APPLICATION, report_loss, transmit};
use crate::io::{Command, IoHandle, Which};
use crate::lock::{Lock, LockGuard};
use crate::message::Message;
use crate::monitor::{Event, EventKind, MonitorQueue};
use crate::options::Options;
use crate::pattern::{AnyPattern, pattern_of};
use crate::pipe::outbox::{Batch, WriteState};
use crate::pipe::outgoing::HELP_BYTES;
use crate::pipe::{Line, Notice, PURSE_COINS, Pipe, PipeId, Pipes, Purse};
use crate::sys::{Alarm, Beacon, now};
use crate::transport::udp::Datagrams;
use crate::unsent::Unsent;
use crate::wait::{Observers, Roused, WaitList, Wakes};

/// What is shared of a socket.
pub(crate) struct SocketCore {
    pub(crate) id: u64,
    pub(crate) socket_type: SocketType,
    pub(crate) context: Arc<ContextInner>,
    /// Handles the program holds; the last one closes.
    pub(crate) handles: AtomicUsize,
    /// Of how many messages the last one received was the end, if those were a trickle.
    pub(super) trickle: AtomicU32,
    /// Decides who may connect, instead of a ZAP handler.
    pub(crate) authenticator: Option<Arc<Worker>>,
    /// Held while the program changes options: a change made meanwhile by another thread would be lost.
    pub(super) changing_options: ReentrantMutex<()>,
    state: Lock<State>,
}

/// What the socket's lock guards.
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// A call has failed because the context was shut down.
    told_of_end: Cell<bool>,
    pub(crate) me: Weak<SocketCore>,
    pub(crate) options: Arc<Options>,
    pub(crate) pattern: AnyPattern,
    pub(crate) pipes: Pipes,
    pub(crate) watch: Watch,
    pub(crate) endpoints: Vec<EndpointEntry>,
    pub(crate) last_endpoint: Option<Arc<str>>,
    pub(crate) unfinished: Parts,
    /// Lit when the socket should be looked at; there once a program has asked for its descriptor.
    pub(crate) beacon: Option<Arc<Beacon>>,
    /// Whether the socket could be read and written when the program last asked with `ZMQ_EVENTS`; of use until
    /// it has the descriptor.
    pub(crate) events_told: Option<(bool, bool)>,
    /// The program has disconnected an endpoint.
    pub(crate) disconnected_some: bool,
    /// The descriptor of [`Options::use_fd`] that a bind has taken.
    pub(crate) used_fd: Option<i32>,
    pub(crate) recv_waiters: WaitList,
    pub(crate) send_waiters: WaitList,
    /// Those who wait for peers or subscriptions to come.
    pub(crate) change_waiters: WaitList,
    /// Those who are told of every change until they leave.
    pub(crate) observers: Observers,
    pub(crate) monitors: Vec<Weak<MonitorQueue>>,
    /// Listeners, sessions and unjoined inproc pipes: a closed socket is finished when none is left.
    pub(crate) busy: usize,
    /// Stream pipes with a link.
    pub(crate) links: usize,
    pub(crate) connected: usize,
    /// Pipes whose outboxes wait for a writer, or have found one by now.
    await_writer: Vec<PipeId>,
    /// Links that have ended while a thread was writing to them, and why.
    lost: Vec<(Arc<Link>, Loss)>,
    after: After,
}

/// How far a socket's life has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Open,
    /// The context was shut down; the program has yet to close the socket. What the C library knows as options can still
    /// be set and read, until a call has said that this is so: the time to linger is often set between the two.
    Terminated,
    Closed,
}

/// What to do once the lock is released. Nearly always that is one thing, which needs no allocation.
#[derive(Default)]
struct After {
    any: bool,
    wakes: Wakes,
    observers: Roused,
    alarm: Option<Arc<Alarm>>,
    writes: SmallVec<[(Arc<Link>, Batch); 1]>,
    runs: SmallVec<[Arc<Link>; 2]>,
    streams: SmallVec<[Arc<Link>; 2]>,
    notices: SmallVec<[Notice; 1]>,
    datagrams: Vec<(Arc<Datagrams>, Message)>,
    events: Vec<Arc<MonitorQueue>>,
    /// I/O threads that were told something in their sleep.
    asleep: SmallVec<[Arc<IoHandle>; 2]>,
    dropped: Vec<Pipe>,
    finished: bool,
}

/// The socket's state, locked. What became due meanwhile is carried out when this is dropped.
pub(crate) struct Locked<'a> {
    core: &'a Arc<SocketCore>,
    guard: Option<LockGuard<'a, State>>,
}

impl SocketCore {
    pub(crate) fn new(
        id: u64,
        socket_type: SocketType,
        context: Arc<ContextInner>,
        options: Options,
        authenticator: Option<Arc<Worker>>,
    ) -> Arc<SocketCore> {
        let pipes =
            Pipes::new(options.send_high_water_mark, options.recv_high_water_mark, options.send_high_water_bytes);
        let make = |me: &Weak<SocketCore>| State {
            phase: Phase::Open,
            told_of_end: Cell::new(false),
            me: me.clone(),
            pattern: pattern_of(socket_type),
            options: Arc::new(options),
            pipes,
            watch: Watch::default(),
            endpoints: Vec::new(),
            last_endpoint: None,
            unfinished: Parts::default(),
            beacon: None,
            events_told: None,
            disconnected_some: false,
            used_fd: None,
            recv_waiters: WaitList::default(),
            send_waiters: WaitList::default(),
            change_waiters: WaitList::default(),
            observers: Observers::default(),
            monitors: Vec::new(),
            busy: 0,
            links: 0,
            connected: 0,
            await_writer: Vec::new(),
            lost: Vec::new(),
            after: After::default(),
        };
        Arc::new_cyclic(|me| SocketCore {
            id,
            socket_type,
            context,
            handles: AtomicUsize::new(1),
            trickle: AtomicU32::new(0),
            authenticator,
            changing_options: ReentrantMutex::new(()),
            state: Lock::new(make(me)),
        })
    }

    /// Locks the state.
    #[inline]
    pub(crate) fn lock<'a>(self: &'a Arc<SocketCore>) -> Locked<'a> {
        Locked { core: self, guard: Some(self.state.lock()) }
    }

    /// A pipe of a peer in this process has news for this socket.
    fn notified(self: &Arc<SocketCore>, notice: Notice) {
        let mut state = self.lock();
        match notice {
            Notice::Readable(peer) => state.pipe_readable(peer.pipe, false),
            Notice::Writable(peer) => state.pipe_writable(peer.pipe),
            Notice::Ended(peer) => state.pipe_ended(peer.pipe),
        }
    }

    /// Ends the socket: blocked calls return, listeners close, queued messages go out for as long as `linger` says
    /// (`None`: as long as it takes). Never blocks; nothing happens if it was closed before.
    pub(crate) fn close(self: &Arc<SocketCore>, linger: Option<Duration>) {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return;
        }
        state.phase = Phase::Closed;
        state.wake_everybody();
        let entries = std::mem::take(&mut state.endpoints);
        for event in entries.iter().filter_map(EndpointEntry::closed) {
            state.emit(event);
        }
        state.stop_monitors();
        state.unfinished.clear();
        for id in state.pipes.ids() {
            state.close_pipe_of_closed_socket(id);
        }
        state.watch_by_io();
        for io in self.context.started_io() {
            state.tell_io(io, Command::End(self.clone(), Which::All, linger));
        }
        drop(state);
        for entry in entries {
            entry.release(self);
        }
        self.lock().finish_if_idle();
    }

    /// The time allowed for lingering is over: answers what is not sent, and drops it.
    pub(crate) fn give_up(self: &Arc<SocketCore>) -> Vec<Unsent> {
        let unsent = self.unsent();
        for io in self.context.started_io() {
            io.tell(Command::End(self.clone(), Which::All, Some(Duration::ZERO)));
        }
        let waiting = self.context.names().forget_socket(self);
        for pipe in waiting {
            self.name_will_not_come(pipe);
        }
        unsent
    }

    /// The context was shut down: every call but close fails from now on.
    pub(crate) fn terminate(self: &Arc<SocketCore>) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Terminated;
            state.wake_everybody();
            state.stop_monitors();
        }
    }
}

impl std::ops::Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        match &self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is there until drop"),
        }
    }
}

impl std::ops::DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        match &mut self.guard {
            Some(guard) => guard,
            None => unreachable!("the guard is there until drop"),
        }
    }
}

impl Locked<'_> {
    /// The message just received was the end of a trickle: the next look waits for more.
    #[inline]
    pub(super) fn note_trickle(&mut self) {
        let found = std::mem::take(&mut self.pipes.trickle);
        self.core.trickle.store(found, Ordering::Relaxed);
    }

    /// Unlocks, lets go of another lock too, and only then carries out what became due: who is woken may want either.
    pub(crate) fn unlock_after<T>(mut self, other: T) {
        self.release(other);
    }

    #[inline]
    fn release<T>(&mut self, other: T) {
        let Some(mut guard) = self.guard.take() else { return };
        if !guard.has_after() {
            #[cfg(all(test, zefiro_loom))]
            guard.assert_sound();
            return;
        }
        guard.settle();
        #[cfg(all(test, zefiro_loom))]
        guard.assert_sound();
        let after = std::mem::take(&mut guard.after);
        drop(guard);
        drop(other);
        after.carry_out(self.core);
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release(());
    }
}

impl After {
    fn carry_out(self, core: &Arc<SocketCore>) {
        if let Some(alarm) = self.alarm {
            alarm.ring();
        }
        for waker in self.wakes {
            waker.wake();
        }
        for observer in self.observers {
            observer.rouse();
        }
        for notice in self.notices {
            let (Notice::Readable(peer) | Notice::Writable(peer) | Notice::Ended(peer)) = &notice;
            if let Some(socket) = peer.socket.upgrade() {
                socket.notified(notice);
            }
        }
        for queue in self.events {
            queue.deliver();
        }
        for (datagrams, message) in self.datagrams {
            if !datagrams.send(&message) {
                let counters = &mut core.lock().pipes.counters;
                counters.delivered = counters.delivered.saturating_sub(1);
                counters.drop(DropReason::PeerGone, 1);
            }
        }
        let mut runs = self.runs.into_iter().peekable();
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
        for link in self.streams {
            let io = link.io.clone();
            io.patrol(link);
        }
        for io in self.asleep {
            io.wake();
        }
        for (link, batch) in self.writes {
            transmit(core, &link, batch, ROUNDS_APPLICATION);
        }
        if self.finished {
            core.context.socket_finished(core);
        }
    }
}

impl State {
    /// An error if the socket takes no more calls.
    #[inline]
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<(), Error> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Terminated => {
                self.told_of_end.set(true);
                Err(Error::new(ErrorKind::Terminated, operation))
            }
            Phase::Closed => Err(Error::new(ErrorKind::Closed, operation)),
        }
    }

    /// As [`check_open`](State::check_open), but of a context that was shut down only once the program was told of it.
    pub(super) fn check_told(&self, operation: &'static str) -> Result<(), Error> {
        match self.phase {
            Phase::Terminated if !self.told_of_end.get() => Ok(()),
            _ => self.check_open(operation),
        }
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
        while let Some(id) = self.pipes.duplicates.pop() {
            if let Some(facts) = self.pipes.get(id).map(|pipe| pipe.facts.clone()) {
                let event = Event::new(&facts.endpoint, EventKind::DuplicateRoutingId);
                self.emit(Event { peer: facts.address, ..event });
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

    /// Somebody must write this pipe's outbox: this thread at once if that pays, else the I/O thread.
    fn find_writer(&mut self, id: PipeId, direct_allowed: bool) {
        let unread = self.pipes.unread;
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        let Line::Stream(link, outbox) = &mut pipe.line else { return };
        let link = link.clone();
        let writer = match outbox.state() {
            WriteState::Idle if !outbox.is_pending() => return,
            // The program has more to read, and so, likely, more to say: all of it is written together before it
            // waits, or on the I/O thread's patrol if it takes its time.
            WriteState::Idle if unread > 0 => Writer::NextCaller,
            WriteState::Idle if direct_allowed => pipe.purse.writer(pipe.counters.sent),
            WriteState::Idle => Writer::IoThread,
            WriteState::Queued if outbox.bytes() >= HELP_BYTES => Writer::Caller,
            _ => return,
        };
        match writer {
            Writer::Caller => {
                outbox.set_state(WriteState::Draining);
                if let Some(batch) = self.take_batch(id) {
                    self.after.writes.push((link, batch));
                }
            }
            Writer::IoThread => {
                outbox.set_state(WriteState::Queued);
                self.after.runs.push(link);
            }
            Writer::NextCaller => {
                outbox.set_state(WriteState::Queued);
                self.after.streams.push(link);
            }
        }
        self.await_writer(id);
    }

    /// Notes a pipe whose outbox is `Queued`, for those who help.
    fn await_writer(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id)
            && matches!(&pipe.line, Line::Stream(_, outbox) if outbox.state() == WriteState::Queued)
            && !std::mem::replace(&mut pipe.awaits_writer, true)
        {
            // Nobody may ever help: those that are gone, or written by now, leave before the list grows.
            if self.await_writer.len() == self.await_writer.capacity() {
                self.await_writer.retain(|id| {
                    self.pipes.get_mut(*id).is_some_and(|pipe| {
                        let queued =
                            matches!(&pipe.line, Line::Stream(_, outbox) if outbox.state() == WriteState::Queued);
                        pipe.awaits_writer = queued;
                        queued
                    })
                });
                // At least as many again fit before the next time.
                self.await_writer.reserve(self.await_writer.len() + 1);
            }
            self.await_writer.push(id);
        }
    }

    /// While the link's outbox is `Queued`: how often it was taken so far.
    pub(crate) fn queued_since(&self, link: &Arc<Link>) -> Option<u32> {
        match &self.pipes.get(link.pipe)?.line {
            Line::Stream(current, outbox) if Arc::ptr_eq(current, link) && outbox.state() == WriteState::Queued => {
                Some(outbox.taken())
            }
            _ => None,
        }
    }

    /// Whoever waits to send is about to wait: writes first what still waits for the I/O thread. Answers whether there
    /// was something.
    pub(crate) fn help(&mut self) -> bool {
        let mut helped = false;
        while let Some(id) = self.await_writer.pop() {
            if let Some(pipe) = self.pipes.get_mut(id) {
                pipe.awaits_writer = false;
            }
            if let Some((link, batch)) = self.begin_draining(id) {
                self.after.any = true;
                self.after.writes.push((link, batch));
                helped = true;
            }
        }
        helped
    }

    /// `Queued` to `Draining`: the caller is going to write the batch.
    pub(crate) fn begin_draining(&mut self, id: PipeId) -> Option<(Arc<Link>, Batch)> {
        let pipe = self.pipes.get_mut(id)?;
        let Line::Stream(link, outbox) = &mut pipe.line else { return None };
        if outbox.state() != WriteState::Queued {
            return None;
        }
        let link = link.clone();
        outbox.set_state(WriteState::Draining);
        self.take_batch(id).map(|batch| (link, batch))
    }

    /// Takes what is pending in an outbox that is `Draining`; it becomes `Idle` if that is nothing.
    fn take_batch(&mut self, id: PipeId) -> Option<Batch> {
        let (pipe, pool, broadcast) = self.pipes.get_with_memory(id)?;
        let Line::Stream(_, outbox) = &mut pipe.line else { return None };
        let batch = outbox.take(pool, broadcast);
        if batch.is_none() {
            outbox.set_state(WriteState::Idle);
        }
        if self.pipes.take_wants_room(id) {
            self.pipe_writable(id);
        }
        batch
    }

    /// A batch was written whole. Answers the next one, if there is one and `more` allows it.
    pub(crate) fn batch_written(&mut self, link: &Arc<Link>, batch: Batch, more: bool) -> Option<Batch> {
        let (mut next, mut flushed, mut delivered) = (None, false, 0);
        if let Some((pipe, pool, _)) = self.pipes.get_with_memory(link.pipe)
            && let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            delivered = outbox.finish(pool, batch);
            if !outbox.is_pending() {
                outbox.set_state(WriteState::Idle);
                pipe.purse.last_written = Some(now());
                flushed = pipe.closing || pipe.renewing;
            } else if more {
                next = Some(());
            } else {
                outbox.set_state(WriteState::Queued);
                self.after.any = true;
                self.after.runs.push(link.clone());
            }
        }
        self.pipes.count_delivered(link.pipe, delivered);
        if flushed {
            self.tell_io(link.io.clone(), Command::Flushed(link.clone()));
        }
        self.await_writer(link.pipe);
        let next = next.and_then(|()| self.take_batch(link.pipe));
        if next.is_none() {
            self.let_go(link);
        }
        next
    }

    /// Nobody writes to the link any more: if it was lost meanwhile, that is gone on with.
    fn let_go(&mut self, link: &Arc<Link>) {
        if let Some(index) = self.lost.iter().position(|(lost, _)| Arc::ptr_eq(lost, link)) {
            let (link, loss) = self.lost.swap_remove(index);
            self.tell_io(link.io.clone(), Command::Lost(link, loss));
        }
    }

    /// The link has ended, and a thread is just writing to it.
    pub(crate) fn lost_while_written(&mut self, link: Arc<Link>, loss: Loss) {
        if !self.lost.iter().any(|(lost, _)| Arc::ptr_eq(lost, &link)) {
            self.lost.push((link, loss));
        }
    }

    /// The kernel is full: the I/O thread goes on with the batch when it has room.
    pub(crate) fn batch_blocked(&mut self, link: &Arc<Link>, batch: Batch) {
        if let Some(pipe) = self.pipes.get_mut(link.pipe)
            && let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            // The state first, then the interest: the event must not find the old state.
            outbox.park(batch);
            outbox.set_state(WriteState::Blocked);
            self.watch_output(link);
        }
        self.let_go(link);
    }

    /// The kernel has room again: `Blocked` to `Draining`.
    pub(crate) fn unblock(&mut self, link: &Arc<Link>) -> Option<Batch> {
        let pipe = self.pipes.get_mut(link.pipe)?;
        let Line::Stream(current, outbox) = &mut pipe.line else { return None };
        if !Arc::ptr_eq(current, link) || outbox.state() != WriteState::Blocked {
            return None;
        }
        outbox.set_state(WriteState::Draining);
        Some(outbox.unpark())
    }

    /// The stream broke while the batch was being written.
    pub(crate) fn batch_broken(&mut self, link: &Arc<Link>, batch: Batch) {
        if let Some(pipe) = self.pipes.get_mut(link.pipe)
            && let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            outbox.park(batch);
            outbox.set_state(WriteState::Dead);
        }
        self.let_go(link);
    }

    /// Those who wait to receive are told that something came; `leader` says that it is the caller itself that waits.
    pub(crate) fn notify_recv(&mut self, leader: bool) {
        if self.watch.leader && self.watch.polled.is_none() && !leader {
            self.after.any = true;
            self.after.alarm = self.watch.alarm();
        } else if !self.recv_waiters.is_empty() {
            self.after.any = true;
            self.recv_waiters.take_one(&mut self.after.wakes);
        }
        self.notify_observers();
    }

    /// Those who wait to send are told that there is room, or a new peer.
    pub(crate) fn notify_send(&mut self) {
        if !self.send_waiters.is_empty() {
            self.after.any = true;
            self.send_waiters.take_all(&mut self.after.wakes);
        }
        self.notify_observers();
    }

    pub(crate) fn notify_observers(&mut self) {
        self.observers.note(&mut self.after.observers);
        self.after.any |= !self.after.observers.is_empty();
    }

    /// Those who wait for peers or subscriptions look again.
    pub(crate) fn notify_change(&mut self) {
        if !self.change_waiters.is_empty() {
            self.after.any = true;
            self.change_waiters.take_all(&mut self.after.wakes);
        }
    }

    fn wake_everybody(&mut self) {
        self.after.any = true;
        if self.watch.leader {
            self.after.alarm = self.watch.alarm();
        }
        self.recv_waiters.take_all(&mut self.after.wakes);
        self.send_waiters.take_all(&mut self.after.wakes);
        self.change_waiters.take_all(&mut self.after.wakes);
        self.notify_observers();
    }

    /// Tells an I/O thread something, now, so that commands come in the order of what led to them: to end all sessions
    /// after the connect of the last one, not before. It is woken, if it sleeps, once the lock is released.
    pub(crate) fn tell_io(&mut self, io: Arc<IoHandle>, command: Command) {
        if io.note(command) {
            self.after.any = true;
            self.after.asleep.push(io);
        }
    }

    /// Drops a removed pipe once the lock is released: closing a descriptor takes time.
    pub(crate) fn drop_later(&mut self, pipe: Pipe) {
        self.after.any = true;
        self.after.dropped.push(pipe);
    }

    /// Tells the monitors.
    pub(crate) fn emit(&mut self, event: Event) {
        for monitor in std::mem::take(&mut self.monitors) {
            if let Some(queue) = monitor.upgrade() {
                queue.push(event.clone(), &mut self.after.wakes);
                self.monitors.push(monitor);
                self.delivered(queue);
            }
        }
    }

    /// Events were added: once the lock is released whoever waits for them is woken, or a function called.
    fn delivered(&mut self, queue: Arc<MonitorQueue>) {
        self.after.any = true;
        if queue.has_sink() {
            self.after.events.push(queue);
        }
    }

    fn stop_monitors(&mut self) {
        for monitor in std::mem::take(&mut self.monitors) {
            if let Some(queue) = monitor.upgrade() {
                queue.stop(&mut self.after.wakes);
                self.delivered(queue);
            }
        }
    }

    /// Ends one monitor.
    pub(crate) fn stop_monitor(&mut self, queue: &Arc<MonitorQueue>) {
        let before = self.monitors.len();
        self.monitors.retain(|monitor| !monitor.upgrade().is_some_and(|other| Arc::ptr_eq(&other, queue)));
        if self.monitors.len() < before {
            queue.stop(&mut self.after.wakes);
            self.delivered(queue.clone());
        }
    }

    /// One listener, session or waiting inproc pipe less.
    pub(crate) fn not_busy(&mut self) {
        self.busy = self.busy.saturating_sub(1);
        self.finish_if_idle();
    }

    /// A closed socket with nothing left to do is finished.
    pub(crate) fn finish_if_idle(&mut self) {
        if self.phase == Phase::Closed && self.busy == 0 {
            self.after.any = true;
            self.after.finished = true;
        }
    }

    /// Whether the I/O thread watches the links at present.
    pub(crate) fn io_watches(&self) -> bool {
        self.watch.duty == Duty::Io
    }

    /// The pattern with what it works on.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&mut AnyPattern, &mut Pipes, &Options) {
        (&mut self.pattern, &mut self.pipes, &self.options)
    }

    /// Messages arrived on a pipe.
    pub(crate) fn pipe_readable(&mut self, id: PipeId, leader: bool) {
        let (pattern, pipes, options) = self.parts();
        pattern.on_readable(pipes, options, id);
        self.notify_recv(leader);
        self.notify_change();
    }

    /// A pipe has room again.
    pub(crate) fn pipe_writable(&mut self, id: PipeId) {
        let (pattern, pipes, options) = self.parts();
        pattern.on_writable(pipes, options, id);
        self.notify_send();
    }
}

impl Purse {
    /// Who is to write what a sender has just put into an idle outbox, after `sent` messages in all.
    ///
    /// The caller, for a coin: a message received gives one back, and a pause longer than [`BURST_GAP`] fills the
    /// purse. A message right behind the one that the caller wrote has more behind it, for which the I/O thread is
    /// woken. Without a coin, it depends on the tempo since the outbox was last idle: messages in a tight row will fill it
    /// in a moment, and the sender that does writes it; any slower, and the I/O thread is woken.
    fn writer(&mut self, sent: u64) -> Writer {
        let now = now();
        let (pause, messages) = match self.last_idle.replace((now, sent)) {
            Some((last, sent_then)) => (now.duration_since(last), sent.saturating_sub(sent_then)),
            None => (Duration::MAX, 0),
        };
        if messages >= STREAM_MESSAGES_MIN {
            let spacing = pause / u32::try_from(messages).unwrap_or(u32::MAX);
            return if spacing < STREAM_SPACING { Writer::NextCaller } else { Writer::IoThread };
        }
        if pause > BURST_GAP {
            self.coins = PURSE_COINS;
        }
        let rest = self.last_written.map_or(Duration::MAX, |written| now.duration_since(written));
        if self.coins == 0 || rest < TIGHT {
            return Writer::IoThread;
        }
        self.coins -= 1;
        Writer::Caller
    }

    /// The peer answered: it is a conversation, not a stream.
    #[inline]
    pub(crate) fn earn(&mut self) {
        self.coins = (self.coins + 1).min(PURSE_COINS);
    }
}

/// Who writes an outbox.
enum Writer {
    Caller,
    IoThread,
    /// The sender that fills it, or else the I/O thread on its patrol.
    NextCaller,
}

/// So many messages, on average closer than this, are a stream that fills an outbox in well under 100 µs.
const STREAM_MESSAGES_MIN: u64 = 32;
const STREAM_SPACING: Duration = Duration::from_nanos(250);

/// A message that comes so soon after the last was written is followed by more: to write each would keep the sender.
const TIGHT: Duration = Duration::from_micros(3);

/// An operation that made more pipes than this due for writing leaves them all to the I/O thread.
const DIRECT_PIPES_MAX: usize = 4;

/// Writes further apart than this are not a stream.
const BURST_GAP: Duration = Duration::from_micros(200);
