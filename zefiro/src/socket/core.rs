//! SocketCore: what all handles of a socket, its sessions and its peers in the process share.
//!
//! One lock guards a socket's [`State`]: pattern, pipes, who waits. Whoever holds it only moves memory; everything that
//! takes longer or concerns somebody else (writing, waking, telling a peer) is collected meanwhile and carried out when the
//! lock has been released, by [`Locked`]'s drop.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::ReentrantMutex;
use zmtp::SocketType;

use super::attention::Attention;
use super::endpoints::EndpointEntry;
use super::future::turns::Looking;
use super::locked::{After, Locked};
use super::parts::Parts;
use crate::auth::worker::Worker;
use crate::context::ContextInner;
use crate::counters::DropReason;
use crate::error::{Error, ErrorKind};
use crate::io::duty::{Duty, Watch};
use crate::io::link::{Link, Loss};
use crate::io::{Command, Which};
use crate::lock::CountingLock;
use crate::monitor::MonitorQueue;
use crate::options::Options;
use crate::pattern::{AnyPattern, pattern_of};
use crate::pipe::{Notice, PipeId, Pipes};
use crate::sys::Beacon;
use crate::unsent::Unsent;
use crate::wait::{Observers, WaitList};

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
    state: CountingLock<State>,
}

/// What the socket's lock guards.
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// How long what was queued when the socket was closed may take to go out; `None`: as long as it takes.
    pub(crate) linger: Option<Duration>,
    /// Calls that have failed because the context was shut down.
    told_of_end: Cell<u32>,
    /// Looks for something to receive since the context was shut down and before a call has said so.
    looks_since_end: Cell<u32>,
    pub(crate) me: Weak<SocketCore>,
    pub(crate) options: Arc<Options>,
    pub(crate) pattern: AnyPattern,
    pub(crate) pipes: Pipes,
    pub(crate) watch: Watch,
    pub(crate) looking: Looking,
    pub(super) attention: Attention,
    pub(crate) endpoints: Vec<EndpointEntry>,
    /// A pipe that is gone, whose endpoint is still among these, as a message was found of it.
    pub(crate) kept_name: Option<PipeId>,
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
    pub(super) await_writer: Vec<PipeId>,
    /// How far the program had read when it was last looked whether it goes on reading.
    pub(super) read_before: Option<(PipeId, u64)>,
    /// Links that have ended while a thread was writing to them, and why.
    pub(super) lost: Vec<(Arc<Link>, Loss)>,
    pub(super) after: After,
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
            linger: None,
            told_of_end: Cell::new(0),
            looks_since_end: Cell::new(0),
            me: me.clone(),
            pattern: pattern_of(socket_type),
            options: Arc::new(options),
            pipes,
            watch: Watch::default(),
            looking: Looking::default(),
            attention: Attention::default(),
            endpoints: Vec::new(),
            kept_name: None,
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
            read_before: None,
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
            state: CountingLock::new(make(me)),
        })
    }

    /// Locks the state.
    #[inline]
    pub(crate) fn lock<'a>(self: &'a Arc<SocketCore>) -> Locked<'a> {
        Locked::new(self, self.state.lock())
    }

    /// `None` if another thread uses the socket just now.
    pub(crate) fn try_lock<'a>(self: &'a Arc<SocketCore>) -> Option<Locked<'a>> {
        self.state.try_lock().map(|state| Locked::new(self, state))
    }

    /// For who has held the lock for long and is about to take it again: those who wait for it come first.
    pub(crate) fn give_way(&self) {
        self.state.give_way();
    }

    /// A pipe of a peer in this process has news for this socket.
    pub(super) fn notified(self: &Arc<SocketCore>, notice: Notice) {
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
        state.linger = linger;
        state.wake_everybody();
        // Nothing else will be told to them.
        let observers = std::mem::take(&mut state.observers);
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
        drop(observers);
        for entry in entries {
            entry.release(self);
        }
        self.lock().finish_if_idle();
    }

    /// The time allowed for lingering is over: answers what is not sent, and drops it.
    pub(crate) fn give_up(self: &Arc<SocketCore>) -> Vec<Unsent> {
        let unsent = self.unsent();
        for io in self.context.started_io() {
            io.tell(Command::End(self.clone(), Which::Rest, Some(Duration::ZERO)));
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

impl State {
    /// An error if the socket takes no more calls.
    #[inline]
    pub(crate) fn check_open(&self, operation: &'static str) -> Result<(), Error> {
        match self.phase {
            Phase::Open => Ok(()),
            Phase::Terminated => {
                self.told_of_end.set(self.told_of_end.get().saturating_add(1));
                Err(Error::new(ErrorKind::Terminated, operation))
            }
            Phase::Closed => Err(Error::new(ErrorKind::Closed, operation)),
        }
    }

    /// Whether the program was told that the context has ended, and not by the last call for the first time.
    pub(super) fn knew_of_end(&self) -> bool {
        self.told_of_end.get() > 1
    }

    /// As [`check_open`](State::check_open), but of a context that was shut down only once the program was told of it.
    pub(super) fn check_told(&self, operation: &'static str) -> Result<(), Error> {
        match self.phase {
            Phase::Terminated if self.told_of_end.get() == 0 => Ok(()),
            _ => self.check_open(operation),
        }
    }

    /// As [`check_open`](State::check_open), to receive. A C program may take what is there until it was told of the context's
    /// end: as in libzmq, which looks for that where there is nothing to take, and now and then.
    #[inline]
    pub(super) fn check_recv(&self, operation: &'static str) -> Result<(), Error> {
        if self.phase == Phase::Open || self.takes_after_end() { Ok(()) } else { self.check_open(operation) }
    }

    #[cold]
    fn takes_after_end(&self) -> bool {
        let is_untold = self.phase == Phase::Terminated && self.told_of_end.get() == 0 && self.pipes.glance.is_some();
        is_untold && self.looks_since_end.get() < LOOKS_SINCE_END_MAX
    }

    /// The program looks for a message.
    #[inline]
    pub(super) fn note_look_since_end(&self) {
        if self.phase != Phase::Open {
            self.looks_since_end.set(self.looks_since_end.get().saturating_add(1));
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
            // Whoever still has it keeps no message that was found and not received.
            if self.pattern.found_from().is_some() {
                self.pipes.count_dropped(DropReason::Unread, 1);
            }
            self.pattern = pattern_of(self.pattern.socket_type());
        }
    }

    /// Whether nobody watches the links at present: whoever wants something looks himself.
    pub(crate) fn nobody_watches(&self) -> bool {
        self.watch.duty == Duty::App && !self.watch.leader
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

/// A program that finds one message after the other is told of the context's end after at most so many.
const LOOKS_SINCE_END_MAX: u32 = 100;

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Pub, Sub};

    struct Body {
        _life: Arc<()>,
    }

    impl AsRef<[u8]> for Body {
        fn as_ref(&self) -> &[u8] {
            &[7; 100]
        }
    }

    /// As the threads of a C program do, which keep the sockets they have used last.
    #[test]
    fn whoever_keeps_a_closed_socket_keeps_no_message() {
        let life = Arc::new(());
        let (publisher, subscriber) = (Pub::new(), Sub::new());
        subscriber.subscribe("").unwrap();
        subscriber.connect(publisher.bind("inproc://keeps-no-message").unwrap()).unwrap();
        publisher.send(Bytes::from_owner(Body { _life: life.clone() })).unwrap();
        let kept = subscriber.core.clone();
        {
            let mut state = kept.lock();
            let (pattern, pipes, options) = state.parts();
            assert!(pattern.can_recv(pipes, options) && pattern.found_from().is_some());
        }
        publisher.close();
        assert_eq!(Arc::strong_count(&life), 2);
        subscriber.close();
        assert_eq!(Arc::strong_count(&life), 1);
        drop(kept);
    }
}
