//! Timers: deadlines in order, each with the token of the session that wants to be looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines of one I/O thread. A deadline cannot be withdrawn: the session looks whether it still means something.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Timers {
    /// Asks for a look at `token` at `when`.
    pub(crate) fn add(&mut self, when: Instant, token: u64) {
        self.heap.push(Reverse((when, token)));
    }

    /// Deadlines there are, of sessions long over too.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops the deadlines of those that are over.
    pub(crate) fn purge(&mut self, mut lives: impl FnMut(u64) -> bool) {
        self.heap.retain(|Reverse((_, token))| lives(*token));
        self.heap.shrink_to(2 * self.heap.len());
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes a token that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, token))| token)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_comes_in_order_of_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        for (when, token) in [(30, 3), (10, 1), (20, 2)] {
            timers.add(at(when), token);
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop_due(at(20)), Some(1));
        assert_eq!(timers.pop_due(at(20)), Some(2));
        assert_eq!(timers.pop_due(at(20)), None);
    }
}
