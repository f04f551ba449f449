//! Giving back: bytes may belong to a value of the program's ([`Bytes::from_owner`]) that runs the program's code when it is
//! dropped, and that code may use what drops it. So whoever holds a lock, or is in the middle of something, [says so](hold):
//! what its thread drops meanwhile is kept, and given back when the thread holds nothing any more.

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;

/// Bytes that perhaps belong to the program.
pub(crate) struct Owned {
    bytes: Bytes,
    keeping: Keeping,
}

/// What becomes of such bytes that are dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// They are kept while their thread [holds](hold) something.
    WhileHolding,
    /// They are kept in any case, until the thread asks for their [return](give_back).
    UntilAsked,
}

impl Owned {
    pub(crate) fn new(bytes: Bytes) -> Owned {
        if !ANY.load(Ordering::Relaxed) {
            ANY.store(true, Ordering::Relaxed);
        }
        Owned { bytes, keeping: Keeping::WhileHolding }
    }

    /// Kept in any case until [`give_back`].
    pub(crate) fn until_asked(bytes: Bytes) -> Owned {
        Owned { bytes, keeping: Keeping::UntilAsked }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.keeping == Keeping::UntilAsked || HELD.get() > 0 {
            keep(mem::take(&mut self.bytes));
        }
    }
}

/// What a thread keeps; all of it is given back when the thread ends.
struct Kept(Vec<Bytes>);

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT_BY_ALL.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
    /// How much the thread holds.
    static HELD: Cell<u32> = const { Cell::new(0) };
    /// One of it was held before the thread said so.
    static LATE: Cell<bool> = const { Cell::new(false) };
}

/// Mostly none, which is seen at a glance.
static KEPT_BY_ALL: AtomicUsize = AtomicUsize::new(0);

/// Whether there has ever been anything to keep while something is held.
static ANY: AtomicBool = AtomicBool::new(false);

/// If the thread is ending, they are given back at once.
fn keep(bytes: Bytes) {
    let _ = KEPT.try_with(|kept| {
        kept.borrow_mut().0.push(bytes);
        KEPT_BY_ALL.fetch_add(1, Ordering::Relaxed);
    });
}

/// Gives back what this thread has kept. It holds nothing.
#[inline(always)]
pub fn give_back() {
    if KEPT_BY_ALL.load(Ordering::Relaxed) > 0 {
        give_back_kept();
    }
}

#[cold]
fn give_back_kept() {
    // What is dropped may have the thread keep more.
    while let Ok(kept) = KEPT.try_with(|kept| mem::take(&mut kept.borrow_mut().0))
        && !kept.is_empty()
    {
        KEPT_BY_ALL.fetch_sub(kept.len(), Ordering::Relaxed);
        for bytes in kept {
            // The program's code, whose panics, told by the panic hook, are not to end what its thread is in the middle of.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(bytes)));
        }
    }
}

/// Whether anything of the program's may ever be dropped. If not there is no need to [hold](hold).
#[inline(always)]
pub fn is_any_owned() -> bool {
    ANY.load(Ordering::Relaxed)
}

/// That a thread holds something; by default nothing.
#[derive(Default)]
pub struct Hold(bool);

/// Has such bytes kept that this thread drops, until it holds nothing any more.
#[inline]
pub fn hold() -> Hold {
    HELD.set(HELD.get() + 1);
    Hold(true)
}

/// For who has taken what another thread may have sent this very moment: it may be the first that is to be kept, and this
/// thread have seen before that there is [none](is_any_owned), and so not said that it holds something. Then it does so
/// until it [lets go](let_go_late), and this answers `true`.
#[inline]
pub fn hold_late() -> bool {
    is_any_owned() && begin_late()
}

fn begin_late() -> bool {
    let late = HELD.get() == 0;
    if late {
        HELD.set(1);
        LATE.set(true);
    }
    late
}

/// This thread holds nothing any more, if it has [said so late](hold_late).
pub fn let_go_late() {
    Hold(LATE.take()).end();
}

impl Hold {
    /// Holds nothing any more.
    #[inline]
    pub fn end(&mut self) {
        if std::mem::take(&mut self.0) {
            let held = HELD.get() - 1;
            HELD.set(held);
            if held == 0 {
                give_back();
            }
        }
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Frame, Memory};

    struct Owner {
        _life: Arc<()>,
    }

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &[7; 100]
        }
    }

    /// Bytes, and who tells whether their owner lives.
    fn owned() -> (Bytes, Arc<()>) {
        let life = Arc::new(());
        (Bytes::from_owner(Owner { _life: life.clone() }), life)
    }

    fn lives(life: &Arc<()>) -> bool {
        Arc::strong_count(life) > 1
    }

    #[test]
    fn what_is_dropped_is_kept_while_something_is_held() {
        let (bytes, life) = owned();
        drop(Frame::from(bytes));
        assert!(!lives(&life));

        let (bytes, life) = owned();
        let (outer, inner) = (hold(), hold());
        drop(Frame::from(bytes));
        drop(inner);
        assert!(lives(&life));
        drop(outer);
        assert!(!lives(&life));
    }

    #[test]
    fn what_is_held_may_be_said_late() {
        let (bytes, life) = owned();
        // Who takes what another thread has sent, sees it after that thread made it.
        let sent = Frame::from(bytes);
        assert!(hold_late());
        assert!(!hold_late(), "said twice");
        drop(sent);
        assert!(lives(&life));
        let_go_late();
        assert!(!lives(&life));

        let (bytes, life) = owned();
        let held = hold();
        assert!(!hold_late(), "said before");
        let_go_late();
        drop(Frame::from(bytes));
        assert!(lives(&life));
        drop(held);
        assert!(!lives(&life));
    }

    #[test]
    fn some_is_kept_until_it_is_asked_for() {
        let (bytes, life) = owned();
        drop(Memory::owned_until_asked(bytes));
        assert!(lives(&life));
        give_back();
        assert!(!lives(&life));
        let (bytes, life) = owned();
        std::thread::spawn(|| drop(Memory::owned_until_asked(bytes))).join().unwrap();
        assert!(!lives(&life));
    }

    #[test]
    fn what_the_program_cannot_see_dropped_is_not_kept() {
        let _hold = hold();
        let mut memory = Memory::from(Bytes::from(vec![7; 100]));
        assert_eq!((memory.as_slice().len(), memory.reusable_bytes()), (100, 0));
        drop(memory);
        assert!(KEPT.with_borrow(|kept| kept.0.is_empty()));
    }
}
