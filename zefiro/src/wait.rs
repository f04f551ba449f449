//! Waiting: threads and futures wait on the same lists, each as a [`Waker`].

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Instant;

use smallvec::SmallVec;

use crate::sys::{Sleeper, Slept};

/// Wakers to be called once a lock is released: hardly ever more than one.
pub(crate) type Wakes = SmallVec<[Waker; 1]>;

/// Observers to be roused once a lock is released.
pub(crate) type Roused = SmallVec<[Arc<dyn Observer>; 1]>;

/// Who waits for something, in the order they came. Guarded by the lock of what they wait for.
///
/// Wakers of the program's run its code when they are cloned, called or dropped: none of that is done here. They are cloned
/// before they come, and what leaves is handed out, to be let go of when the lock is released.
#[derive(Default)]
pub(crate) struct WaitList {
    waiters: Vec<(u64, Waker)>,
    next_key: u64,
}

impl WaitList {
    /// Adds a waiter. Answers the key to remove it by.
    pub(crate) fn add(&mut self, waker: Waker) -> u64 {
        self.next_key += 1;
        self.waiters.push((self.next_key, waker));
        self.next_key
    }

    /// Adds a waiter, or puts it in the place of the one with `key`. Answers the key to remove it by, and who was there.
    pub(crate) fn renew(&mut self, key: Option<u64>, waker: Waker) -> (u64, Option<Waker>) {
        if let Some(key) = key
            && let Some((_, old)) = self.waiters.iter_mut().find(|(other, _)| *other == key)
        {
            return (key, Some(mem::replace(old, waker)));
        }
        (self.add(waker), None)
    }

    /// Whether the waiter with `key` was not woken yet, and would be by this very waker.
    pub(crate) fn holds(&self, key: Option<u64>, waker: &Waker) -> bool {
        key.is_some_and(|key| self.waiters.iter().any(|(other, held)| *other == key && held.will_wake(waker)))
    }

    /// Removes a waiter. `None`: it was woken before, and its turn is spent.
    pub(crate) fn remove(&mut self, key: u64) -> Option<Waker> {
        let place = self.waiters.iter().position(|(other, _)| *other == key)?;
        Some(self.waiters.remove(place).1)
    }

    /// Takes the one that waited longest, to be woken after the lock is released.
    pub(crate) fn take_one(&mut self, wakes: &mut Wakes) {
        if !self.waiters.is_empty() {
            wakes.push(self.waiters.remove(0).1);
        }
    }

    /// Takes all.
    pub(crate) fn take_all(&mut self, wakes: &mut Wakes) {
        wakes.extend(self.waiters.drain(..).map(|(_, waker)| waker));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    #[cfg(all(test, not(zefiro_loom)))]
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }
}

/// One that is told of every change of a socket until it leaves.
pub(crate) trait Observer: Send + Sync {
    /// Notes the change, under the socket's lock: whoever can see the change can see the note. Answers whether there is
    /// somebody to rouse.
    fn note(&self) -> bool;

    /// Rouses whoever waits, once the lock is released.
    fn rouse(&self);

    /// As [`note`](Observer::note), if the change is one the program has made by sending or receiving.
    fn note_turn(&self) -> bool {
        self.note()
    }
}

/// A waker sees nothing but that something has changed.
impl Observer for Waker {
    fn note(&self) -> bool {
        true
    }

    fn rouse(&self) {
        self.wake_by_ref();
    }
}

/// Those who observe a socket. Guarded by its lock.
#[derive(Default)]
pub(crate) struct Observers {
    list: Vec<(u64, Arc<dyn Observer>)>,
    next_place: u64,
}

impl Observers {
    /// Adds one, and answers its place.
    pub(crate) fn add(&mut self, observer: Arc<dyn Observer>) -> u64 {
        self.next_place += 1;
        self.list.push((self.next_place, observer));
        self.next_place
    }

    /// Removes one, which may be the program's: it is let go of when the lock is released.
    #[must_use]
    pub(crate) fn remove(&mut self, place: u64) -> Option<Arc<dyn Observer>> {
        let index = self.list.iter().position(|(other, _)| *other == place)?;
        Some(self.list.remove(index).1)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Tells all, and adds those that are to be roused.
    #[inline]
    pub(crate) fn note(&self, rouse: &mut Roused) {
        rouse.extend(self.list.iter().filter(|(_, observer)| observer.note()).map(|(_, observer)| observer.clone()));
    }

    /// The same, of a change the program has made by sending or receiving.
    pub(crate) fn note_turn(&self, rouse: &mut Roused) {
        let noting = self.list.iter().filter(|(_, observer)| observer.note_turn());
        rouse.extend(noting.map(|(_, observer)| observer.clone()));
    }
}

/// A thread that sleeps until its waker is called.
pub(crate) struct Parker {
    sleeper: Sleeper,
    patience: Patience,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.sleeper.rouse();
    }
}

/// How long to wait awake before sleeping: as long as that has been paying.
///
/// An answer that comes at once is then there without two threads having to be put to sleep and woken. What was in vain
/// halves the time tried next, what was not doubles it.
pub(crate) struct Patience {
    nanos: AtomicU64,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { nanos: AtomicU64::new(AWAKE_NANOS_MAX) }
    }
}

impl Patience {
    /// Asks again and again, giving way to other threads in between, until the answer is yes or the time is over.
    pub(crate) fn linger(&self, mut come: impl FnMut() -> bool) -> bool {
        let budget = self.nanos.load(Ordering::Relaxed);
        let start = Instant::now();
        let came = loop {
            if come() {
                break true;
            }
            if start.elapsed().as_nanos() as u64 >= budget {
                break false;
            }
            thread::yield_now();
        };
        let next = if came { budget.saturating_mul(2) } else { budget / 2 };
        self.nanos.store(next.clamp(AWAKE_NANOS_MIN, AWAKE_NANOS_MAX), Ordering::Relaxed);
        came
    }
}

/// Whether to wait awake for the only thing that can come, the answer or the next request of one peer: as long as that comes,
/// on average, in less time than two threads take to be put to sleep and woken.
///
/// Where both sides sleep each keeps the other waiting. Whether it would pay if neither did is tried again now and then, for
/// so long that one that is awake sees the other wake up.
pub(crate) struct Expectation {
    /// How long it took; a wait in vain counts as one of the longest.
    average_nanos: AtomicU64,
    /// Waits since it was found not to pay, and after how many it is tried again: twice as many each time.
    asleep: AtomicU32,
    asleep_max: AtomicU32,
}

impl Default for Expectation {
    fn default() -> Expectation {
        let (average_nanos, asleep) = (AtomicU64::new(0), AtomicU32::new(0));
        Expectation { average_nanos, asleep, asleep_max: AtomicU32::new(ASLEEP_MIN) }
    }
}

impl Expectation {
    /// Asks again and again, giving way to other threads in between, until the answer is yes, the time is over, or those have
    /// use of it.
    pub(crate) fn linger(&self, come: impl FnMut() -> bool) -> bool {
        self.linger_by(come, || {
            let start = Instant::now();
            move || start.elapsed().as_nanos() as u64
        })
    }

    /// As [`linger`](Expectation::linger), by a clock that is started when waiting begins, and tells nanoseconds.
    #[inline]
    fn linger_by<C: FnMut() -> u64>(&self, mut come: impl FnMut() -> bool, start: impl FnOnce() -> C) -> bool {
        if come() {
            return true;
        }
        if !self.pays() {
            return false;
        }
        let (mut clock, mut before) = (start(), 0);
        loop {
            thread::yield_now();
            let came = come();
            let taken = clock();
            if came {
                self.learn(taken);
                return true;
            }
            if taken >= EXPECTING_NANOS || taken - before > OTHERS_NANOS {
                self.learn(EXPECTING_NANOS);
                return false;
            }
            before = taken;
        }
    }

    fn pays(&self) -> bool {
        if self.average_nanos.load(Ordering::Relaxed) <= AWAKE_NANOS_MAX {
            return EXPECTING_NANOS > 0;
        }
        let asleep = self.asleep.load(Ordering::Relaxed) + 1;
        let asleep_max = self.asleep_max.load(Ordering::Relaxed);
        if asleep < asleep_max {
            self.asleep.store(asleep, Ordering::Relaxed);
            return false;
        }
        self.asleep.store(0, Ordering::Relaxed);
        self.asleep_max.store((2 * asleep_max).min(ASLEEP_MAX), Ordering::Relaxed);
        self.average_nanos.store(0, Ordering::Relaxed);
        true
    }

    fn learn(&self, taken: u64) {
        let average = self.average_nanos.load(Ordering::Relaxed);
        self.average_nanos.store((7 * average + taken) / 8, Ordering::Relaxed);
        if taken <= AWAKE_NANOS_MAX {
            self.asleep_max.store(ASLEEP_MIN, Ordering::Relaxed);
        }
    }
}

impl Parker {
    /// Waits awake for a short time. Answers whether it was woken meanwhile; then there is no need to park.
    pub(crate) fn linger_awake(&self) -> bool {
        self.patience.linger(|| self.sleeper.was_roused())
    }

    /// Sleeps until woken or the deadline; returns at once if it was woken since the last sleep.
    pub(crate) fn park(&self, deadline: Option<Instant>) {
        while self.sleeper.sleep(deadline) == Slept::Interrupted {}
    }

    /// As [`park`](Parker::park), but a signal ends it too; answers whether one did. Where the system does not tell,
    /// it never does.
    pub(crate) fn park_until_signal(&self, deadline: Option<Instant>) -> bool {
        self.sleeper.sleep(deadline) == Slept::Interrupted
    }
}

/// This thread's parker, and the waker that wakes it.
pub(crate) fn current_parker() -> (Arc<Parker>, Waker) {
    #[cfg(not(zefiro_loom))]
    thread_local! {
        static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = const { RefCell::new(None) };
    }
    #[cfg(zefiro_loom)]
    loom::thread_local! {
        static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = RefCell::new(None);
    }
    let make = || {
        let parker = Arc::new(Parker { sleeper: Sleeper::new(), patience: Patience::default() });
        (parker.clone(), Waker::from(parker))
    };
    // The thread may be ending, its locals gone: then a parker for this once.
    PARKER.try_with(|cell| cell.borrow_mut().get_or_insert_with(make).clone()).unwrap_or_else(|_| make())
}

/// Bounds of the time a thread waits awake: about what it costs to be put to sleep and woken, and little enough to be
/// tried in vain now and then. To the model checker, whose time stands still, waiting awake shows nothing new.
const AWAKE_NANOS_MAX: u64 = if cfg!(zefiro_loom) { 0 } else { 20_000 };
const AWAKE_NANOS_MIN: u64 = if cfg!(zefiro_loom) { 0 } else { 500 };

/// How long an answer is expected before sleeping: as long as a peer takes that is asleep itself.
const EXPECTING_NANOS: u64 = if cfg!(zefiro_loom) { 0 } else { 100_000 };

/// Who gives way for longer keeps others from their work if it comes back again and again.
const OTHERS_NANOS: u64 = 5_000;

/// Where it does not pay it is tried again after so many waits.
const ASLEEP_MIN: u32 = 16;
const ASLEEP_MAX: u32 = 1024;

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use super::*;

    /// Lingers until it is not tried any more; answers how often it was.
    fn in_vain(expectation: &Expectation) -> u32 {
        let mut lingered = 0;
        loop {
            let mut asked = 0;
            assert!(!expectation.linger(|| {
                asked += 1;
                false
            }));
            if asked == 1 {
                return lingered;
            }
            lingered += 1;
        }
    }

    #[test]
    fn what_is_expected_in_vain_is_given_up_and_expected_again_more_and_more_rarely() {
        let expectation = Expectation::default();
        let mut rest = ASLEEP_MIN;
        for _ in 0..3 {
            assert!((1..5).contains(&in_vain(&expectation)));
            // The last one was asked for once.
            for _ in 0..rest - 2 {
                assert_eq!(in_vain(&expectation), 0);
            }
            rest *= 2;
        }
    }

    #[test]
    fn what_comes_soon_is_expected_on() {
        let expectation = Expectation::default();
        for _ in 0..1000 {
            let mut asked = 0;
            let come = || {
                asked += 1;
                asked > 1
            };
            // By the machine's clock it takes long whenever somebody else has a turn meanwhile.
            assert!(expectation.linger_by(come, || || AWAKE_NANOS_MAX));
        }
    }
}
