//! Turns: what futures do when they are polled.
//!
//! A future that finds nothing waits to be woken by the I/O thread, which watches the links meanwhile. Where messages come
//! in quick succession that is two threads to be woken for each; so the I/O thread then leaves the links to the future
//! it has woken ([`pass_duty`](State::pass_duty)), and that reads them itself: whenever it is polled, and, as long as that
//! has been paying, for a moment more before it waits again. The moment is cut into turns, between which its executor
//! has time for other tasks; where those are many, there is one.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result, SendError};
use crate::io::duty::look;
use crate::message::Message;
use crate::socket::Wait;
use crate::socket::core::{SocketCore, State};
use crate::socket::locked::Locked;
use crate::socket::ops::{RECV, SEND, try_recv, try_send};
use crate::socket::owed::settle;

/// What a future that receives remembers from one poll to the next.
#[derive(Default, Debug)]
pub(crate) struct Turns {
    /// Its place among those who wait.
    key: Option<u64>,
    /// Since when it looks.
    since: Option<Instant>,
    /// When it last gave way to other tasks.
    gave_way: Option<Instant>,
    /// It was long before it was polled again then, or futures of other sockets are polled in between.
    crowded: bool,
}

/// How the futures of a socket look for messages before they wait.
pub(crate) struct Looking {
    /// How long: what was found late doubles it, what was not found halves it, down to not at all.
    budget: Duration,
    /// How long futures have looked in vain that were dropped meanwhile.
    vain: Duration,
    /// Waits that were begun without looking, since the last that was not.
    unlooked: u32,
    /// After so many it is tried again whether looking pays.
    unlooked_max: u32,
    /// So often something came within a turn; whether there are other tasks has not been seen meanwhile.
    unseen: u32,
}

impl SocketCore {
    /// One poll of a future that receives.
    #[inline]
    pub(crate) fn poll_recv(
        self: &Arc<SocketCore>,
        task: &mut TaskContext<'_>,
        turns: &mut Turns,
    ) -> Poll<Result<Message>> {
        // Received where it is returned: moving a message costs as much as receiving it.
        let mut polled = Poll::Ready(Ok(Message::new()));
        if let Poll::Ready(Ok(message)) = &mut polled {
            match self.poll_recv_into(message, task, turns) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => polled = Poll::Ready(Err(error)),
                Poll::Pending => polled = Poll::Pending,
            }
        }
        polled
    }

    /// One poll of a future that receives in place of `out`.
    #[inline]
    pub(crate) fn poll_recv_into(
        self: &Arc<SocketCore>,
        out: &mut Message,
        task: &mut TaskContext<'_>,
        turns: &mut Turns,
    ) -> Poll<Result<()>> {
        let mut state = self.lock();
        if turns.is_new() && state.recv_message_swiftly(out) {
            return Poll::Ready(Ok(()));
        }
        match self.take_turn(state, out, task, turns) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(ErrorKind::WouldBlock) => {
                settle();
                Poll::Pending
            }
            Err(kind) => Poll::Ready(Err(Error::new(kind, RECV))),
        }
    }

    /// Receives what is not received in a few steps, or sees to it that the future is polled again.
    #[inline(never)]
    fn take_turn<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        out: &mut Message,
        task: &mut TaskContext<'_>,
        turns: &mut Turns,
    ) -> Result<(), ErrorKind> {
        let mut result = try_recv(&mut state, out);
        if result == Err(ErrorKind::WouldBlock) {
            let now = Instant::now();
            let alone = is_alone(self, now);
            if state.nobody_watches() {
                let (since, lingers) = turns.begin(&mut state, now, alone);
                (state, result) = self.look_in_turn(state, out, now, since, lingers);
            }
        }
        if result == Err(ErrorKind::WouldBlock) {
            // Nobody else may be due to write what is going to be answered.
            state.help();
            if state.nobody_watches() && turns.go_on(&mut state) {
                drop(state);
                task.waker().wake_by_ref();
                return result;
            }
            if !state.recv_waiters.holds(turns.key, task.waker()) {
                // The program's code, which may use the socket.
                drop(state);
                let waker = task.waker().clone();
                state = self.lock();
                result = try_recv(&mut state, out);
                turns.renew(&mut state, waker);
            }
        }
        if result == Err(ErrorKind::WouldBlock) {
            *turns = Turns { key: turns.key, ..Turns::default() };
            state.watch_by_io();
            return result;
        }
        turns.end(&mut state);
        if result.is_ok() {
            state.pass_on_more();
        }
        result
    }

    /// Reads what the links have: once, or, if it `lingers`, as long as a turn lasts. It has `begun` now, and the future
    /// looks `since` then.
    fn look_in_turn<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        out: &mut Message,
        begun: Instant,
        since: Instant,
        lingers: bool,
    ) -> (Locked<'a>, Result<(), ErrorKind>) {
        state.help();
        loop {
            drop(state);
            look(self);
            state = self.lock();
            let result = try_recv(&mut state, out);
            let goes_on = result == Err(ErrorKind::WouldBlock)
                && lingers
                && state.nobody_watches()
                && begun.elapsed() < TURN
                && state.looking.lasts(since);
            if !goes_on {
                return (state, result);
            }
            state.unlocked(|_| thread::yield_now());
        }
    }

    /// A future that received nothing is dropped: if it was woken, another gets its turn.
    pub(crate) fn cancel_recv(self: &Arc<SocketCore>, turns: &Turns) {
        if turns.key.is_none() && turns.since.is_none() {
            return;
        }
        let mut state = self.lock();
        if let Some(since) = turns.since {
            state.looking.vain += since.elapsed();
            if state.looking.vain >= state.looking.budget {
                state.looking.found_nothing(false);
            }
        }
        let Some(key) = turns.key else { return };
        match state.recv_waiters.remove(key) {
            None => state.pass_on_recv(),
            spent => state.dismiss(spent),
        }
    }

    /// One poll of a future that sends; the message stays in `message` until it is sent or refused.
    #[inline]
    pub(crate) fn poll_send(
        self: &Arc<SocketCore>,
        task: &mut TaskContext<'_>,
        key: &mut Option<u64>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), SendError>> {
        let Some(sending) = message.as_mut() else { return Poll::Ready(Ok(())) };
        let mut state = self.lock();
        if key.is_none() && state.send_message_swiftly(sending, Wait::AsConfigured) {
            drop(state);
            *message = None;
            return Poll::Ready(Ok(()));
        }
        state.pay_attention();
        let mut result = try_send(&mut state, sending, Wait::AsConfigured);
        if result == Err(ErrorKind::WouldBlock) && state.help() {
            drop(state);
            state = self.lock();
            result = try_send(&mut state, sending, Wait::AsConfigured);
        }
        if result == Err(ErrorKind::WouldBlock) && !state.send_waiters.holds(*key, task.waker()) {
            // The program's code, which may use the socket.
            drop(state);
            let waker = task.waker().clone();
            state = self.lock();
            result = try_send(&mut state, sending, Wait::AsConfigured);
            let (renewed, spent) = state.send_waiters.renew(*key, waker);
            *key = Some(renewed);
            state.dismiss(spent);
        }
        if result == Err(ErrorKind::WouldBlock) {
            drop(state);
            settle();
            return Poll::Pending;
        }
        if let Some(key) = key.take() {
            let spent = state.send_waiters.remove(key);
            state.dismiss(spent);
        }
        drop(state);
        let Err(kind) = result else {
            *message = None;
            return Poll::Ready(Ok(()));
        };
        match message.take() {
            Some(refused) => Poll::Ready(Err(SendError::new(Error::new(kind, SEND), refused))),
            None => Poll::Ready(Ok(())),
        }
    }

    /// A future that has not sent is dropped.
    pub(crate) fn cancel_send(self: &Arc<SocketCore>, key: u64) {
        let mut state = self.lock();
        let spent = state.send_waiters.remove(key);
        state.dismiss(spent);
    }
}

/// Whether this thread has lately polled no future of another socket that found nothing: who looks for long keeps those
/// from what has come for them.
fn is_alone(core: &Arc<SocketCore>, now: Instant) -> bool {
    thread_local! {
        static LAST: Cell<Option<(*const SocketCore, Instant)>> = const { Cell::new(None) };
    }
    let this = Arc::as_ptr(core);
    // A thread that is ending has no locals any more.
    let last = LAST.try_with(|last| last.replace(Some((this, now)))).ok().flatten();
    last.is_none_or(|(last, when)| last == this || now.duration_since(when) > BUDGET_MAX)
}

impl Turns {
    #[inline]
    fn is_new(&self) -> bool {
        self.key.is_none() && self.since.is_none()
    }

    /// A turn begins. Answers since when the future looks, and whether it may do so more than once in this turn.
    fn begin(&mut self, state: &mut State, now: Instant, alone: bool) -> (Instant, bool) {
        self.crowded = !alone;
        if let Some(gave_way) = self.gave_way {
            self.crowded |= now.duration_since(gave_way) > SOON;
            state.looking.unseen = 0;
        }
        (*self.since.get_or_insert(now), !self.crowded && state.looking.unseen < UNSEEN_MAX)
    }

    /// A turn has ended in vain. Answers whether there is to be another before the future waits.
    fn go_on(&mut self, state: &mut State) -> bool {
        let Some(since) = self.since else { return false };
        let goes_on = !self.crowded && state.looking.lasts(since) || cfg!(zefiro_loom) && self.gave_way.is_none();
        if goes_on {
            self.gave_way = Some(Instant::now());
        } else {
            state.looking.found_nothing(self.crowded);
        }
        goes_on
    }

    /// The future waits, with this waker.
    fn renew(&mut self, state: &mut State, waker: Waker) {
        let (key, spent) = state.recv_waiters.renew(self.key, waker);
        self.key = Some(key);
        state.dismiss(spent);
    }

    /// The future is done.
    fn end(&mut self, state: &mut State) {
        if let Some(since) = self.since.take() {
            state.looking.found(since, self.crowded);
        }
        if let Some(key) = self.key.take() {
            let spent = state.recv_waiters.remove(key);
            state.dismiss(spent);
        }
        *self = Turns::default();
        if !state.recv_waiters.is_empty() {
            // Others wait for what comes next, and do not look.
            state.watch_by_io();
        }
    }
}

impl Default for Looking {
    fn default() -> Looking {
        let (budget, vain) = (BUDGET_MAX, Duration::ZERO);
        Looking { budget, vain, unlooked: 0, unlooked_max: UNLOOKED_MIN, unseen: 0 }
    }
}

impl Looking {
    /// Whether it pays that the links are left to the next future: or it is time to try whether it does.
    pub(crate) fn pays(&mut self) -> bool {
        if self.budget == Duration::ZERO {
            self.unlooked += 1;
            if self.unlooked >= self.unlooked_max {
                (self.budget, self.unlooked) = (BUDGET_MAX, 0);
            }
        }
        self.budget > Duration::ZERO || cfg!(zefiro_loom)
    }

    fn lasts(&self, since: Instant) -> bool {
        since.elapsed() < self.budget
    }

    /// Something came while a future was looking.
    fn found(&mut self, since: Instant, crowded: bool) {
        self.vain = Duration::ZERO;
        self.unseen = self.unseen.saturating_add(1);
        if crowded {
            return self.give_up();
        }
        self.budget = self.budget.max(2 * since.elapsed()).min(BUDGET_MAX);
        self.unlooked_max = UNLOOKED_MIN;
    }

    /// A future has looked in vain all the time. Where other tasks are due none is to go round in circles among them.
    fn found_nothing(&mut self, crowded: bool) {
        self.vain = Duration::ZERO;
        self.budget /= 2;
        if crowded || self.budget < BUDGET_MIN {
            self.give_up();
        }
    }

    /// It does not pay: it is tried again when twice as many waits have gone by.
    fn give_up(&mut self) {
        self.budget = Duration::ZERO;
        self.unlooked_max = (2 * self.unlooked_max).min(UNLOOKED_MAX);
    }
}

/// The longest that a future looks before it waits: about as long as its peer takes to answer if it has to be woken for
/// that, which is the work of two threads. To the model checker looking longer shows nothing new.
const BUDGET_MAX: Duration = Duration::from_micros(if cfg!(zefiro_loom) { 0 } else { 100 });

/// Less is not worth the duty's change of hands.
const BUDGET_MIN: Duration = Duration::from_micros(3);

/// Where it does not pay it is tried again after so many waits, each time twice as many.
const UNLOOKED_MIN: u32 = 16;
const UNLOOKED_MAX: u32 = 1024;

/// The longest turn.
const TURN: Duration = Duration::from_micros(10);

/// An executor that polls a future again so soon has little else to do.
const SOON: Duration = Duration::from_micros(10);

/// So often in a row a future may find something before it has given way to other tasks.
const UNSEEN_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_pay_is_given_up_and_tried_again() {
        let mut looking = Looking::default();
        let mut vain = 0;
        while looking.pays() {
            looking.found_nothing(false);
            vain += 1;
        }
        assert!(vain < 10, "{vain} times in vain");
        assert_eq!((2..).find(|_| looking.pays()), Some(2 * UNLOOKED_MIN));
        looking.found_nothing(true);
        assert_eq!((1..).find(|_| looking.pays()), Some(4 * UNLOOKED_MIN));
        looking.found(Instant::now(), false);
        looking.found_nothing(true);
        assert_eq!((1..).find(|_| looking.pays()), Some(2 * UNLOOKED_MIN));
    }

    #[test]
    fn who_has_other_tasks_gives_up_at_once() {
        let mut looking = Looking::default();
        looking.found_nothing(true);
        assert!(!looking.pays());
    }

    #[test]
    fn what_pays_is_done_for_longer() {
        let mut looking = Looking { budget: BUDGET_MIN, ..Looking::default() };
        looking.found(Instant::now() - BUDGET_MAX / 4, false);
        assert!(looking.budget >= BUDGET_MAX / 2 && looking.budget <= BUDGET_MAX);
        looking.found(Instant::now() - 9 * BUDGET_MAX, false);
        assert_eq!(looking.budget, BUDGET_MAX);
    }
}
