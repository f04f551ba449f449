//! Sending and receiving: at once, or waiting as a thread does. Futures do so in `future/turns.rs`.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use zmtp::{Frame, SocketType};

use super::core::{Phase, SocketCore, State};
use super::locked::Locked;
use super::owed::{owes, settle};
use crate::arrival::Arrival;
use crate::error::{Error, ErrorKind, Result};
use crate::io::duty::{lead, look};
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pattern::{AnyPattern, Refusal};
use crate::pause::pause;
use crate::wait::{Parker, current_parker};

/// How long a call may wait.
///
/// ```
/// # use std::time::Duration;
/// # use zefiro::{ErrorKind, Message, Pull, Wait};
/// # let pull = Pull::new();
/// let mut message = Message::new();
/// let error = pull.recv_into(&mut message, Wait::No).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::WouldBlock);
/// let error = pull.recv_into(&mut message, Wait::AtMost(Duration::from_millis(5))).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TimedOut);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all: would it have to wait, it fails with [`WouldBlock`](ErrorKind::WouldBlock).
    No,
    /// As long as the socket's option says: `send_timeout`, `recv_timeout`; for ever by default.
    AsConfigured,
    /// At most so long.
    AtMost(Duration),
    /// As configured, but a signal that is handled meanwhile ends the call with
    /// [`Interrupted`](ErrorKind::Interrupted), where the system tells (Linux); as C programs expect it.
    UntilSignal,
}

impl Wait {
    /// When it ends; `None`: never.
    pub(super) fn deadline(self, configured: Option<Duration>) -> Option<Instant> {
        let time = match self {
            Wait::No => return None,
            Wait::AsConfigured | Wait::UntilSignal => configured?,
            Wait::AtMost(time) => time,
        };
        Instant::now().checked_add(time)
    }

    /// Sleeps until woken or the deadline; answers whether a signal ended it that is to end the call.
    pub(crate) fn sleep(self, parker: &Parker, deadline: Option<Instant>) -> bool {
        if self == Wait::UntilSignal {
            return parker.park_until_signal(deadline);
        }
        parker.park(deadline);
        false
    }
}

/// How long messages of a trickle are left to gather, for each that was found: time to send some more than that, so that
/// the pauses of a stream grow until many messages are found at once, and those of a few messages back and forth do not.
const GATHERING: Duration = Duration::from_nanos(60);

/// How a thread takes what is there: [`try_recv`], or what stands in for it where parts are read.
pub(super) type Take = fn(&mut Locked<'_>, &mut Message) -> Result<(), ErrorKind>;

pub(super) const SEND: &str = "send";
pub(super) const RECV: &str = "recv";

impl SocketCore {
    /// Sends, waiting as `wait` allows. What is refused stays in `message`.
    pub(crate) fn send(self: &Arc<SocketCore>, message: &mut Message, wait: Wait) -> Result<()> {
        let mut state = self.lock();
        if state.send_message_swiftly(message, wait) {
            return Ok(());
        }
        self.send_with_care(state, message, wait)
    }

    /// Sends what is not sent in a few steps: one lock and no clock, if it need not wait.
    #[inline(never)]
    pub(super) fn send_with_care(
        self: &Arc<SocketCore>,
        mut state: Locked<'_>,
        message: &mut Message,
        wait: Wait,
    ) -> Result<()> {
        state.pay_attention();
        match try_send(&mut state, message, wait) {
            Err(ErrorKind::WouldBlock) => {}
            result => return result.map_err(|kind| Error::new(kind, SEND)),
        }
        self.send_waiting(state, message, wait)
    }

    #[cold]
    pub(super) fn send_waiting<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        message: &mut Message,
        wait: Wait,
    ) -> Result<()> {
        let deadline = wait.deadline(state.options.send_timeout);
        let (parker, waker) = current_parker();
        loop {
            // Nobody waits for a role that is free: what waits for the I/O thread is written here.
            if state.help() {
                drop(state);
                state = self.lock();
            } else if wait == Wait::No {
                return Err(Error::new(ErrorKind::WouldBlock, SEND));
            }
            match try_send(&mut state, message, wait) {
                Err(ErrorKind::WouldBlock) => {}
                result => return result.map_err(|kind| Error::new(kind, SEND)),
            }
            if wait == Wait::No {
                return Err(Error::new(ErrorKind::WouldBlock, SEND));
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(Error::new(ErrorKind::TimedOut, SEND));
            }
            let key = state.send_waiters.add(waker.clone());
            drop(state);
            pause();
            let interrupted = wait.sleep(&parker, deadline);
            state = self.lock();
            state.send_waiters.remove(key);
            if interrupted {
                return Err(Error::new(ErrorKind::Interrupted, SEND));
            }
        }
    }

    /// Receives, waiting as `wait` allows.
    #[inline]
    pub(crate) fn recv(self: &Arc<SocketCore>, out: &mut Message, wait: Wait) -> Result<()> {
        self.recv_locked(out, wait).map(drop)
    }

    /// Receives a message; what is known of the connection it came by is in the state, which is still locked: another
    /// thread may receive right after.
    #[inline]
    pub(crate) fn recv_locked(self: &Arc<SocketCore>, out: &mut Message, wait: Wait) -> Result<Locked<'_>> {
        self.let_gather(wait);
        let mut state = self.lock();
        if state.recv_message_swiftly(out) {
            return Ok(state);
        }
        let mut state = self.recv_with_care(state, out, wait, try_recv)?;
        state.pipes.release_held();
        state.pass_on_more();
        Ok(state)
    }

    /// Receives what is not received in a few steps; by `take`, once another thread may have received meanwhile. The caller
    /// [passes on](State::pass_on_more) what is left.
    #[inline(never)]
    pub(super) fn recv_with_care<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        out: &mut Message,
        wait: Wait,
        take: Take,
    ) -> Result<Locked<'a>> {
        match try_recv(&mut state, out) {
            Err(ErrorKind::WouldBlock) => self.recv_waiting(state, out, wait, take),
            result => result.map(|()| state).map_err(|kind| Error::new(kind, RECV)),
        }
    }

    /// Whether the last message received ended a trickle.
    #[inline]
    pub(super) fn is_trickle(&self) -> bool {
        self.trickle.load(Ordering::Relaxed) > 0
    }

    /// Before a look for messages: lets those of a trickle gather.
    #[inline]
    pub(super) fn let_gather(&self, wait: Wait) {
        let found = self.trickle.load(Ordering::Relaxed);
        if found > 0 {
            self.pause_for(found, wait);
        }
    }

    /// Messages come from the process itself about as fast as they are read. Looked for at once, each costs two
    /// processors a quarrel about the memory it is in; a moment later many can be had at once.
    #[cold]
    fn pause_for(&self, found: u32, wait: Wait) {
        self.trickle.store(0, Ordering::Relaxed);
        if wait != Wait::No {
            let (start, time) = (Instant::now(), GATHERING * found);
            while start.elapsed() < time {
                hint::spin_loop();
            }
        }
    }

    /// There was nothing yet. The state is still locked when a message was received.
    #[cold]
    pub(super) fn recv_waiting<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        out: &mut Message,
        wait: Wait,
        take: Take,
    ) -> Result<Locked<'a>> {
        state.pipes.note_look();
        if wait == Wait::No {
            // The program has nothing more to read, and so, likely, nothing more to say.
            if owes() {
                state.unlocked(|_| settle());
            }
            return self.recv_after_a_look(state, out, take).map_err(|kind| Error::new(kind, RECV));
        }
        let deadline = wait.deadline(state.options.recv_timeout);
        loop {
            match take(&mut state, out) {
                Err(ErrorKind::WouldBlock) => {}
                result => return result.map(|()| state).map_err(|kind| Error::new(kind, RECV)),
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(Error::new(ErrorKind::TimedOut, RECV));
            }
            let interrupted;
            (state, interrupted) = self.wait_to_recv(state, wait, deadline);
            if interrupted && wait == Wait::UntilSignal {
                // What came together with the signal is not left to it.
                return match take(&mut state, out) {
                    Err(ErrorKind::WouldBlock) => Err(Error::new(ErrorKind::Interrupted, RECV)),
                    result => result.map(|()| state).map_err(|kind| Error::new(kind, RECV)),
                };
            }
        }
    }

    /// Waits until there may be something to receive: as the leader if that is free, else as a follower. Answers also
    /// whether a signal ended it.
    fn wait_to_recv<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        wait: Wait,
        deadline: Option<Instant>,
    ) -> (Locked<'a>, bool) {
        if state.can_lead() {
            state = match lead(self, state, deadline, wait == Wait::UntilSignal) {
                Ok(led) => return led,
                Err(state) => state,
            };
        }
        let (parker, waker) = current_parker();
        let key = state.recv_waiters.add(waker.clone());
        drop(state);
        pause();
        let interrupted = !parker.linger_awake() && wait.sleep(&parker, deadline);
        let mut state = self.lock();
        if state.recv_waiters.remove(key).is_none() && interrupted {
            // Told of a message that another must take now.
            state.pass_on_recv();
        }
        (state, interrupted)
    }

    /// Nothing is queued: reads what the links have, if nobody else watches them, and looks again.
    fn recv_after_a_look<'a>(
        self: &'a Arc<SocketCore>,
        state: Locked<'a>,
        out: &mut Message,
        take: Take,
    ) -> Result<Locked<'a>, ErrorKind> {
        if !state.nobody_watches() {
            return Err(ErrorKind::WouldBlock);
        }
        drop(state);
        look(self);
        let mut state = self.lock();
        take(&mut state, out).map(|()| state)
    }

    /// Whether a receive, and a send, would go through now.
    pub(crate) fn readiness(self: &Arc<SocketCore>) -> (bool, bool) {
        let mut state = self.lock();
        let (mut readable, writable) = state.readiness(self.socket_type);
        if !readable && owes() {
            state.unlocked(|_| settle());
        }
        if !readable && state.nobody_watches() {
            drop(state);
            look(self);
            let mut state = self.lock();
            let more = state.unfinished.more();
            let (pattern, pipes, options) = state.parts();
            readable = more || pattern.can_recv(pipes, options);
        }
        (readable, writable)
    }

    /// Waits until `holds`, which is asked again after each change of peers or subscriptions.
    pub(crate) fn wait_until(
        self: &Arc<SocketCore>,
        operation: &'static str,
        timeout: Duration,
        mut holds: impl FnMut(&mut State) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now().checked_add(timeout);
        let (parker, waker) = current_parker();
        let mut key = None;
        loop {
            let mut state = self.lock();
            // Who was woken is out of the list already, who was not is not to stay there.
            if let Some(key) = key {
                state.change_waiters.remove(key);
            }
            state.check_open(operation)?;
            if holds(&mut state) {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Err(Error::new(ErrorKind::TimedOut, operation));
            }
            key = Some(state.change_waiters.add(waker.clone()));
            drop(state);
            parker.park(deadline);
        }
    }
}

impl State {
    /// Whether a receive, and a send, would go through with what is known now.
    pub(crate) fn readiness(&mut self, socket_type: SocketType) -> (bool, bool) {
        self.pipes.note_look();
        // In the middle of a message nobody looks for the next one: that would take its place in the pipe.
        let more = self.unfinished.more();
        if self.unfinished.holds_turn()
            && let Some(id) = self.pipes.last_received()
        {
            self.pattern.pass_turn_again(id);
        }
        let (pattern, pipes, options) = self.parts();
        let mut readable = more || pattern.can_recv(pipes, options);
        let mut writable = pattern.can_send(pipes, options);
        let relaxed = self.options.req_relaxed;
        self.unfinished.adjust(&self.pipes, socket_type, relaxed, &mut readable, &mut writable);
        (readable, writable)
    }

    /// As [`send_swiftly`](State::send_swiftly), if the message is of one part, or what most of a ROUTER's are.
    #[inline]
    pub(super) fn send_message_swiftly(&mut self, message: &Message, wait: Wait) -> bool {
        match message.as_single() {
            Some(part) => self.send_swiftly(part, wait),
            None => message.as_pair().is_some_and(|(name, body)| self.send_named_swiftly(name, body, wait)),
        }
    }

    /// Sends a message of one part, if that is simple and nothing is in the way.
    #[inline(always)]
    pub(super) fn send_swiftly(&mut self, part: &(impl Part + ?Sized), wait: Wait) -> bool {
        // A C program that does not wait is refused at the mark.
        if self.phase != Phase::Open || wait == Wait::No && self.pipes.glance.is_some() || self.owes_a_look() {
            return false;
        }
        let (pattern, pipes, options) = self.parts();
        pattern.send_swiftly(pipes, options, part)
    }

    /// As [`recv_swiftly`](State::recv_swiftly), as a message.
    #[inline]
    pub(super) fn recv_message_swiftly(&mut self, out: &mut Message) -> bool {
        let (first, rest) = out.parts_mut();
        match self.pattern {
            AnyPattern::Router(_) => self.recv_named_message_swiftly(first, rest),
            _ => rest.is_empty() && self.recv_swiftly(first),
        }
    }

    #[inline(never)]
    fn recv_named_message_swiftly(&mut self, name: &mut Frame, rest: &mut Vec<Frame>) -> bool {
        let mut body = Frame::new();
        let received = self.recv_named_swiftly(name, &mut body);
        if received {
            rest.clear();
            rest.push(body);
        }
        received
    }

    /// Receives the message whose turn it is, if that is simple and nobody else has to hear of it.
    #[inline(always)]
    pub(super) fn recv_swiftly(&mut self, out: &mut impl Arrival) -> bool {
        if self.phase != Phase::Open || !self.recv_waiters.is_empty() {
            return false;
        }
        let (pattern, pipes, options) = self.parts();
        pattern.recv_swiftly(pipes, options, out)
    }

    /// Whether the sender is a C program that would rather be refused now than wait.
    #[inline]
    pub(super) fn is_hurried(&self, wait: Wait) -> bool {
        wait == Wait::No && self.pipes.glance.is_some() && refuses_when_full(self.pattern.socket_type(), &self.options)
    }

    /// The end of a hurried look for room. If there was some that the program was not told of, there will be no further
    /// news of it: whoever waits for news is to look now.
    pub(super) fn end_hurry(&mut self) {
        self.pipes.hurry(false);
        if std::mem::take(&mut self.pipes.unnoticed) {
            self.events_told = None;
            self.notify_observers();
        }
    }

    /// A message was taken, or the first of its parts: more may be there for another that waits. In the middle of a message
    /// nobody looks for the next one; whoever is told now does so when he has found no parts left.
    #[inline]
    pub(super) fn pass_on_more(&mut self) {
        if self.watch.leader || !self.recv_waiters.is_empty() {
            self.tell_of_more();
        }
    }

    fn tell_of_more(&mut self) {
        if self.unfinished.more() {
            self.notify_recv(false);
        } else if !self.recv_waiters.is_empty() {
            let (pattern, pipes, options) = self.parts();
            if pattern.can_recv(pipes, options) {
                self.pass_on_recv();
            }
        }
    }

    /// Whoever was told of a message has not taken it: the next one is told.
    pub(super) fn pass_on_recv(&mut self) {
        if !self.recv_waiters.is_empty() {
            self.notify_recv(false);
        }
    }
}

#[inline]
pub(super) fn try_send(state: &mut Locked<'_>, message: &mut Message, wait: Wait) -> Result<(), ErrorKind> {
    if let Err(error) = state.check_open(SEND) {
        return Err(error.kind());
    }
    let hurried = state.is_hurried(wait);
    state.pipes.hurry(hurried);
    let (pattern, pipes, options) = state.parts();
    let result = pattern.send(pipes, options, message).map_err(kind_of);
    if hurried {
        state.end_hurry();
    }
    if result.is_ok() {
        state.note_turn();
    }
    result
}

/// Whether a socket of this type refuses a message for which there is no room; others drop it.
fn refuses_when_full(socket_type: SocketType, options: &Options) -> bool {
    use SocketType::*;
    match socket_type {
        Pair | Push | Dealer | Req | Stream | Client | Server | Scatter | Channel | Peer => true,
        Router => options.router_mandatory,
        Pub | XPub | Radio => options.xpub_no_drop,
        _ => false,
    }
}

#[inline]
pub(super) fn try_recv(state: &mut Locked<'_>, out: &mut Message) -> Result<(), ErrorKind> {
    if let Err(error) = state.check_recv(RECV) {
        return Err(error.kind());
    }
    state.note_look_since_end();
    let (pattern, pipes, options) = state.parts();
    if let Err(refusal) = pattern.recv(pipes, options, out) {
        let ended = if refusal == Refusal::WouldBlock { state.check_open(RECV).err() } else { None };
        return Err(ended.map_or(kind_of(refusal), |error| error.kind()));
    }
    if state.pipes.trickle > 0 {
        state.note_trickle();
    }
    state.note_turn();
    Ok(())
}

pub(super) fn kind_of(refusal: Refusal) -> ErrorKind {
    match refusal {
        Refusal::WouldBlock => ErrorKind::WouldBlock,
        Refusal::State => ErrorKind::State,
        Refusal::Unroutable => ErrorKind::Unroutable,
        Refusal::Unsupported => ErrorKind::Unsupported,
        Refusal::InvalidMessage => ErrorKind::InvalidMessage,
    }
}
