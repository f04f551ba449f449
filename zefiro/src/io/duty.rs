//! Duty: who watches a socket's links for input, the I/O thread or a thread that receives.
//!
//! At first each link is watched by the I/O thread's selector. The first thread that blocks in `recv` gives the socket
//! a selector of its own, the *set*; the links move there, and the set itself becomes an item of the I/O thread's
//! selector, armed exactly while the duty is [`Duty::Io`]. A thread with nothing to receive takes the duty (disarms
//! the set), becomes the *leader*, waits on the set and reads its links itself: no other thread stands between the
//! kernel and the program.
//!
//! A leader that leaves gives the duty back (arms the set), or keeps it if the socket is *supervised*: then the I/O
//! thread looks every [`TICK`] whether the socket is still in use, and takes the duty if not. So between two receives
//! in quick succession there is no system call at all, and data is never left alone for longer than two ticks.
//!
//! A poller leads the few sockets it waits for in the same way: their sets are items of its own selector. A publisher has
//! a set from its first link on: after a rest it [hears](hear) there what its peers ask for, whoever watches.
//!
//! A future cannot wait on the set: while it waits the duty is the I/O thread's. Woken often, it is left the duty with the
//! message, under the same lock, and the socket is supervised; it reads when it is polled, and gives the duty back when it
//! waits again.
//!
//! Why nothing is lost: unread data keeps the set ready, level-triggered. Either the set is armed, or a leader waits on
//! it, or a tick will arm it. All of these change under the socket's lock only.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use zmtp::SocketType;
use zmtp::giving_back::{hold, is_any_owned};

use super::link::{Link, Loss};
use super::receive::{READS_APPLICATION, READS_IO};
use super::transmit::report_loss;
use super::{ALARM_TOKEN, Command, IoHandle, SET_FLAG};
use crate::pause::pause;
use crate::pipe::{Line, PipeId};
use crate::socket::core::{Phase, SocketCore, State};
use crate::socket::locked::Locked;
use crate::socket::owed;
use crate::sys::{Alarm, Interest, Selector, now};
use crate::wait::{Expectation, Patience};

mod hearing;
#[cfg(all(test, zefiro_loom))]
mod models;
mod reading;

pub(crate) use self::hearing::hear;
use self::reading::{Before, Reading};

/// Who watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Duty {
    #[default]
    Io,
    App,
}

/// The socket's side of watching its links.
#[derive(Default)]
pub(crate) struct Watch {
    set: Option<Arc<Set>>,
    /// The socket is a publisher with a set: what its peers ask for can be [heard](hear) before it sends.
    pub(crate) is_heard: bool,
    pub(crate) duty: Duty,
    /// A thread waits on the set.
    pub(crate) leader: bool,
    /// The leader is a poller, the observer at this place: it does not take what comes, but is told of it like all
    /// observers.
    pub(crate) polled: Option<u64>,
    /// The I/O thread's tick looks after the socket.
    pub(crate) supervised: bool,
    /// Goes on whenever a leader comes or leaves: how the tick sees that the socket is in use.
    epoch: u64,
    epoch_at_tick: u64,
    led_since: Option<Instant>,
    /// When the last leader left and gave the duty back.
    left: Option<Instant>,
    /// The last two leaders came long after one another: the program has other things to do in between.
    rare: bool,
    /// When the I/O thread last read what somebody waited for.
    told: Option<Instant>,
    /// Whose links the system had no room for in the set: the I/O thread watches them, and they are tried again.
    outside: Vec<PipeId>,
}

/// A socket's own selector.
pub(crate) struct Set {
    selector: Selector,
    alarm: Arc<Alarm>,
    io: Arc<IoHandle>,
    token: u64,
    patience: Patience,
    expectation: Expectation,
}

/// What is watched of one link; guarded by the socket's lock.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct LinkWatch {
    in_set: bool,
    paused: bool,
    /// While in the set: registered with the I/O thread for output as well.
    output_registered: bool,
    /// While not in the set: output is watched together with input.
    output: bool,
    gone: bool,
}

impl Watch {
    pub(crate) fn set(&self) -> Option<Arc<Set>> {
        self.set.clone()
    }

    pub(crate) fn alarm(&self) -> Option<Arc<Alarm>> {
        self.set.as_ref().map(|set| set.alarm.clone())
    }
}

impl Set {
    /// What a poller waits on.
    pub(crate) fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Has the I/O thread told of what comes; `false`: the system had no memory for that.
    #[must_use]
    fn arm(&self) -> bool {
        self.io.selector.modify(&self.selector, self.token, Interest::READ).is_ok()
    }

    /// The I/O thread need not be told. If it still is, it finds that it is not its duty.
    fn disarm(&self) {
        let _ = self.io.selector.modify(&self.selector, self.token, Interest::NONE);
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        let _ = self.io.selector.remove(&self.selector);
        self.io.sets.lock().try_remove((self.token & !SET_FLAG) as usize);
    }
}

impl State {
    /// A link was established: it joins the set, if there is one. It is registered with its I/O thread already.
    ///
    /// A publisher gets its set with its first link: it may look there before it sends, and later there may be many to be
    /// moved.
    pub(crate) fn watch_link(&mut self, link: &Arc<Link>) {
        if let Some(set) = self.watch.set.clone() {
            self.move_to_set(link, &set);
        } else if Selector::NESTS
            && self.is_publisher()
            && let Some(core) = self.me.upgrade()
        {
            self.set(&core);
        }
    }

    fn move_to_set(&mut self, link: &Arc<Link>, set: &Set) {
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return };
        let LinkWatch { paused, output, .. } = pipe.watch;
        if set.selector.add(link, token_of(link.pipe), Interest::in_stream(!paused, false)).is_err() {
            if !self.watch.outside.contains(&link.pipe) {
                self.watch.outside.push(link.pipe);
            }
            return;
        }
        pipe.watch = LinkWatch { in_set: true, output: false, output_registered: output, ..pipe.watch };
        if output {
            self.watch_output(link);
        } else {
            let _ = link.io.selector.remove(link);
        }
    }

    /// Moves the links to the set that the system had no room for in it before, until it has none again.
    fn gather(&mut self) {
        if self.watch.outside.is_empty() {
            return;
        }
        let Some(set) = self.watch.set.clone() else { return };
        while let Some(id) = self.watch.outside.pop() {
            let pipe = self.pipes.get(id).filter(|pipe| !pipe.watch.in_set && !pipe.watch.gone);
            if let Some(link) = pipe.and_then(|pipe| pipe.link().cloned()) {
                self.move_to_set(&link, &set);
            }
            if self.watch.outside.last() == Some(&id) {
                return;
            }
        }
    }

    /// The system has no room to watch a link: nobody would ever learn of what comes, so it ends.
    fn cannot_watch(&mut self, link: &Arc<Link>, error: std::io::Error) {
        report_loss(link, Loss::Io(error));
    }

    /// Stops watching a link whose stream has ended.
    pub(crate) fn unwatch(&mut self, link: &Arc<Link>) {
        let set = self.watch.set.clone();
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return };
        if !matches!(&pipe.line, Line::Stream(current, _) if Arc::ptr_eq(current, link))
            || std::mem::replace(&mut pipe.watch.gone, true)
        {
            return;
        }
        if let Some(set) = set.filter(|_| pipe.watch.in_set) {
            let _ = set.selector.remove(link);
        }
        if !pipe.watch.in_set || pipe.watch.output_registered {
            let _ = link.io.selector.remove(link);
        }
    }

    /// Whether the inbox is at its mark; then input is no longer watched until the program has read half of it.
    pub(crate) fn pause_if_full(&mut self, link: &Arc<Link>) -> bool {
        let mark = self.pipes.recv_mark;
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return true };
        if pipe.ended || pipe.watch.gone {
            return true;
        }
        // One that conflates keeps the newest alone, and finds it only by reading on.
        if mark == 0 || pipe.conflate || pipe.queued_in() < mark {
            return false;
        }
        // Should the system refuse it, what is there will be told of again, and this tried again.
        if !std::mem::replace(&mut pipe.paused, true) || !pipe.watch.paused {
            let _ = self.set_paused(link, true);
        }
        true
    }

    /// The program has read enough of a paused pipe.
    pub(crate) fn resume(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        if !std::mem::take(&mut pipe.paused) {
            return;
        }
        if let Some(link) = pipe.link().cloned()
            && let Err(error) = self.set_paused(&link, false)
        {
            self.cannot_watch(&link, error);
        }
    }

    fn set_paused(&mut self, link: &Arc<Link>, paused: bool) -> std::io::Result<()> {
        let set = self.watch.set.clone();
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return Ok(()) };
        let before = std::mem::replace(&mut pipe.watch.paused, paused);
        if pipe.watch.gone {
            return Ok(());
        }
        let changed = match set.filter(|_| pipe.watch.in_set) {
            Some(set) => set.selector.modify(link, token_of(link.pipe), Interest::in_stream(!paused, false)),
            None => link.io.selector.modify(link, link.token, Interest::in_stream(!paused, pipe.watch.output)),
        };
        if changed.is_err() {
            pipe.watch.paused = before;
        }
        changed
    }

    /// The I/O thread is to be told when the kernel has room for output again.
    pub(crate) fn watch_output(&mut self, link: &Arc<Link>) {
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return };
        if pipe.watch.gone {
            return;
        }
        if pipe.watch.in_set {
            let registered = std::mem::replace(&mut pipe.watch.output_registered, true);
            let watched = if registered {
                link.io.selector.modify(link, link.token, Interest::WRITE_ONCE)
            } else {
                link.io.selector.add(link, link.token, Interest::WRITE_ONCE)
            };
            if let Err(error) = watched {
                self.cannot_watch(link, error);
            }
        } else {
            pipe.watch.output = true;
            let interest = Interest::in_stream(!pipe.watch.paused, true);
            if let Err(error) = link.io.selector.modify(link, link.token, interest) {
                self.cannot_watch(link, error);
            }
        }
    }

    /// The kernel has room for output: no need to be told again.
    pub(crate) fn output_seen(&mut self, link: &Arc<Link>) {
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return };
        if !pipe.watch.in_set && !pipe.watch.gone && pipe.watch.output {
            let interest = Interest::in_stream(!pipe.watch.paused, false);
            // Else it is told again, and this tried again.
            pipe.watch.output = link.io.selector.modify(link, link.token, interest).is_err();
        }
    }

    /// Whether a thread that finds nothing to receive may wait for the links itself.
    pub(crate) fn can_lead(&self) -> bool {
        Selector::NESTS && self.links > 0 && !self.watch.leader
    }

    /// Whether nothing can come but the answer, or the next request, of one peer: there is nothing that could gather.
    fn expects_one(&self) -> bool {
        self.links == 1 && matches!(self.pattern.socket_type(), SocketType::Req | SocketType::Rep)
    }

    /// The link, if there is one alone, and it is read: what can be had from it takes no asking which link has something.
    fn only_link(&self) -> Option<Arc<Link>> {
        let pipe = (self.links == 1).then(|| self.pipes.find_at_hand(|pipe| pipe.link().is_some())).flatten()?;
        let LinkWatch { in_set, paused, gone, .. } = pipe.watch;
        pipe.link().filter(|_| in_set && !paused && !gone).cloned()
    }

    /// Whether all who want to know of what comes are one observer.
    fn has_one_observer(&self) -> bool {
        self.observers.len() == 1 && self.recv_waiters.is_empty()
    }

    /// The set, made when first wanted.
    fn set(&mut self, core: &Arc<SocketCore>) -> Option<Arc<Set>> {
        if let Some(set) = &self.watch.set {
            return Some(set.clone());
        }
        let links: Vec<Arc<Link>> = self.pipes.iter().filter_map(|(_, pipe)| pipe.link().cloned()).collect();
        let io = links.first()?.io.clone();
        let selector = Selector::new().ok()?;
        let alarm = Arc::new(Alarm::new(&selector, ALARM_TOKEN).ok()?);
        let token = SET_FLAG | io.sets.lock().insert(Arc::downgrade(core)) as u64;
        if io.selector.add(&selector, token, Interest::READ).is_err() {
            io.sets.lock().try_remove((token & !SET_FLAG) as usize);
            return None;
        }
        let set = Arc::new(Set {
            selector,
            alarm,
            io,
            token,
            patience: Patience::default(),
            expectation: Expectation::default(),
        });
        self.watch.set = Some(set.clone());
        self.watch.is_heard = self.is_publisher();
        for link in links {
            self.move_to_set(&link, &set);
        }
        Some(set)
    }

    /// Makes the I/O thread watch the links, unless a leader does. If the system has no memory for that just now, it is
    /// tried again at the next tick.
    pub(crate) fn watch_by_io(&mut self) {
        if self.watch.duty == Duty::App
            && !self.watch.leader
            && let Some(set) = self.watch.set.clone()
        {
            if set.arm() {
                self.watch.duty = Duty::Io;
            } else if !self.watch.supervised {
                self.supervise(&set);
            }
        }
    }

    /// The I/O thread has read what somebody waited for who is told of it now. If that happens often, the links are
    /// left to him: he looks himself for what comes next, and the duty is the I/O thread's again when he waits again.
    pub(crate) fn pass_duty(&mut self) {
        let free = self.watch.duty == Duty::Io && self.can_lead();
        let alone = self.recv_waiters.is_empty() && self.observers.len() == 0;
        if !free || !alone || self.phase != Phase::Open {
            return;
        }
        let now = now();
        let often = self.watch.told.replace(now).is_some_and(|told| now - told < QUIET);
        if !often || !self.looking.pays() {
            return;
        }
        let Some(core) = self.me.upgrade() else { return };
        let Some(set) = self.set(&core) else { return };
        set.disarm();
        self.watch.duty = Duty::App;
        self.watch.epoch += 1;
        if !self.watch.supervised {
            self.supervise(&set);
        }
    }

    /// The I/O thread looks after the socket from now on.
    fn supervise(&mut self, set: &Set) {
        self.watch.supervised = true;
        self.watch.epoch_at_tick = self.watch.epoch;
        let me = self.me.clone();
        self.tell_io(set.io.clone(), Command::Supervise(me));
    }

    /// A leader comes: the I/O thread need not watch meanwhile.
    fn start_leading(&mut self, set: &Set) {
        self.watch.leader = true;
        self.watch.epoch += 1;
        if self.watch.duty == Duty::Io {
            set.disarm();
            self.watch.duty = Duty::App;
            // Taken from a leader by the tick, or given back by one that left long ago.
            self.watch.rare = self.watch.left.take().is_none_or(|left| now() - left >= QUIET);
        }
        if !self.watch.supervised {
            self.watch.led_since = Some(now());
        }
        // Flush before waiting: nobody else may be due to write what this thread is going to wait for an answer to.
        self.help();
    }

    /// A leader leaves, with what it came for or without.
    fn stop_leading(&mut self) {
        self.watch.leader = false;
        self.watch.epoch += 1;
        // Of those a poller does not wait for, nobody may have to wait for a tick.
        let others = self.watch.polled.take().is_some() && !self.has_one_observer();
        let waited = self.watch.led_since.take().map(|since| now() - since);
        if !self.recv_waiters.is_empty() {
            // A follower waits: it takes what is left, or leads in turn.
            self.notify_recv(false);
        }
        if self.watch.supervised && !others {
            return;
        }
        let Some(set) = self.watch.set.clone() else { return };
        let often = !others && !self.watch.rare && waited.is_some_and(|waited| waited < QUIET);
        if self.phase == Phase::Open && often {
            self.supervise(&set);
        } else {
            self.gather();
            self.watch_by_io();
            self.watch.left = Some(now());
        }
    }
}

/// Waits as the leader until one of the links has something, the alarm rings, or the deadline; and reads. The caller
/// holds the lock, has found nothing to receive and checked [`State::can_lead`]; it holds the lock again on return.
///
/// Answers also whether a signal ended the wait, for who is to be told of it. `Err` if the system has no descriptors left
/// for a set: then the I/O thread goes on watching.
pub(crate) fn lead<'a>(
    core: &'a Arc<SocketCore>,
    mut state: Locked<'a>,
    deadline: Option<Instant>,
    until_signal: bool,
) -> Result<(Locked<'a>, bool), Locked<'a>> {
    let Some(set) = state.set(core) else { return Err(state) };
    let only = state.only_link();
    state.start_leading(&set);
    let before = if state.expects_one() { Before::Expect } else { Before::Linger };
    drop(state);
    owed::note_settled(core);
    pause();
    let _held = is_any_owned().then(hold);
    let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now()));
    let reading = Reading { core, set: &set, only, reads: READS_APPLICATION, leader: true };
    let interrupted = reading.wait(timeout, before, until_signal);
    let mut state = core.lock();
    state.stop_leading();
    Ok((state, interrupted))
}

/// A poller, the observer at `place`, is about to wait for a socket: it leads, if nobody else does or is told of what
/// comes, and waits on the set that this answers; it [reads](read_polled) when that is ready, and
/// [leaves](leave_polled) when it has waited. Else the I/O thread watches.
pub(crate) fn lead_polled(core: &Arc<SocketCore>, place: u64) -> Option<Arc<Set>> {
    let mut state = core.lock();
    let set = if state.can_lead() && state.has_one_observer() { state.set(core) } else { None };
    match &set {
        Some(set) => {
            state.watch.polled = Some(place);
            state.start_leading(set);
        }
        None => state.watch_by_io(),
    }
    set
}

/// Reads what the links of a socket have that a poller leads, or nobody watches just now.
pub(crate) fn read_polled(core: &Arc<SocketCore>, set: &Set) {
    let only = {
        let mut state = core.lock();
        state.watch.epoch += 1;
        let reads = state.watch.duty == Duty::App && (state.watch.polled.is_some() || !state.watch.leader);
        reads.then(|| state.only_link())
    };
    if let Some(only) = only {
        Reading { core, set, only, reads: READS_APPLICATION, leader: false }.look();
    }
}

/// The poller at `place` leads no longer. Nothing happens if it does not lead: the socket may have been removed from it
/// while it waited, and be led by somebody else by now.
pub(crate) fn leave_polled(core: &Arc<SocketCore>, place: u64) {
    let mut state = core.lock();
    if state.watch.polled == Some(place) {
        state.stop_leading();
    }
}

/// Reads without waiting what the links of a socket have that nobody else watches just now.
pub(crate) fn look(core: &Arc<SocketCore>) {
    let (set, only) = {
        let mut state = core.lock();
        match state.watch.set.clone() {
            Some(set) if state.watch.duty == Duty::App && !state.watch.leader => {
                state.watch.epoch += 1;
                (set, state.only_link())
            }
            _ => return,
        }
    };
    Reading { core, set: &set, only, reads: READS_APPLICATION, leader: false }.look();
}

/// The I/O thread was told that a set is ready, and reads its links if that is its duty.
pub(crate) fn set_ready(core: &Arc<SocketCore>) {
    let (set, only) = {
        let state = core.lock();
        match (&state.watch.set, state.watch.duty) {
            (Some(set), Duty::Io) => (set.clone(), state.only_link()),
            _ => return,
        }
    };
    Reading { core, set: &set, only, reads: READS_IO, leader: false }.look();
}

/// The I/O thread's look at a supervised socket. `false` when it needs no more supervision.
pub(crate) fn tick(core: &Weak<SocketCore>) -> bool {
    let Some(core) = core.upgrade() else { return false };
    let mut state = core.lock();
    if !state.watch.supervised {
        return false;
    }
    state.gather();
    let epoch = state.watch.epoch;
    if std::mem::replace(&mut state.watch.epoch_at_tick, epoch) != epoch {
        return true;
    }
    state.watch.supervised = false;
    if state.watch.leader {
        // The leader is enough. That it has waited long makes it give the duty back when it leaves.
        state.watch.led_since = now().checked_sub(QUIET);
    } else {
        state.watch_by_io();
    }
    false
}

fn token_of(id: PipeId) -> u64 {
    u64::from(id.generation) << 32 | u64::from(id.index)
}

fn pipe_of(token: u64) -> PipeId {
    PipeId { index: token as u32, generation: (token >> 32) as u32 }
}

/// How often the I/O thread looks after supervised sockets.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// A leader that waited this long gives the duty back, rather than have its socket supervised.
const QUIET: Duration = Duration::from_millis(1);

#[cfg(all(test, not(zefiro_loom), not(zefiro_portable)))]
mod tests {
    use super::*;
    use crate::Pair;
    use crate::sys::ReadyList;

    const LONG: Duration = Duration::from_secs(30);

    fn pair() -> (Pair, Pair) {
        let (one, other) = (Pair::new(), Pair::new());
        other.connect(one.bind("ipc://*").unwrap()).unwrap();
        one.wait_connected(1, LONG).unwrap();
        other.wait_connected(1, LONG).unwrap();
        (one, other)
    }

    /// The socket's set, which the caller leads.
    fn led(core: &Arc<SocketCore>) -> Arc<Set> {
        let mut state = core.lock();
        let set = state.set(core).unwrap();
        state.start_leading(&set);
        set
    }

    fn hears(selector: &Selector, token: u64) -> bool {
        let mut ready = ReadyList::new();
        selector.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        ready.iter().any(|event| event.token == token)
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn a_link_that_the_set_has_no_room_for_joins_it_later() {
        let (socket, other) = pair();
        let mut state = socket.core().lock();
        let link = state.pipes.iter().find_map(|(_, pipe)| pipe.link().cloned()).unwrap();
        let is_in_set = |state: &State| state.pipes.get(link.pipe).unwrap().watch.in_set;
        // Nothing can be added twice.
        let selector = Selector::new().unwrap();
        selector.add(&link, 0, Interest::NONE).unwrap();
        let set = Arc::new(Set {
            alarm: Arc::new(Alarm::new(&selector, ALARM_TOKEN).unwrap()),
            selector,
            io: link.io.clone(),
            token: SET_FLAG | link.io.sets.lock().insert(Weak::new()) as u64,
            patience: Patience::default(),
            expectation: Expectation::default(),
        });
        state.watch.set = Some(set.clone());
        state.move_to_set(&link, &set);
        state.gather();
        assert!(!is_in_set(&state));
        drop(state);
        // It is heard of by the other way meanwhile.
        other.send("slowly").unwrap();
        let mut state = socket.core().lock();
        while !state.pipes.has_message(link.pipe) {
            drop(state);
            std::thread::yield_now();
            state = socket.core().lock();
        }
        set.selector.remove(&link).unwrap();
        state.gather();
        assert!(is_in_set(&state) && state.watch.outside.is_empty());
        assert!(link.io.selector.remove(&link).is_err());
    }

    /// The I/O thread has found that the links are its duty, and looks when they are the leader's.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn an_alarm_that_another_hears_rings_for_the_leader() {
        let (socket, _other) = pair();
        let core = socket.core();
        let set = led(core);
        assert!(!hears(&set.selector, ALARM_TOKEN));
        core.lock().notify_recv(false);
        Reading { core, set: &set, only: None, reads: READS_IO, leader: false }.look();
        assert!(hears(&set.selector, ALARM_TOKEN));
        assert!(!hears(&set.selector, ALARM_TOKEN));
        core.lock().stop_leading();
    }
}
