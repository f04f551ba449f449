//! Timers: deadlines in order, each with the token of the session that wants to be looked at.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// Deadlines of one I/O thread: of each session the earliest it has asked for, and no other, as a peer can make a session
/// ask very often. Whoever is looked at says when it wants to be looked at next.
#[derive(Default)]
pub(crate) struct Timers {
    in_order: BTreeSet<(Instant, u64)>,
    by_token: HashMap<u64, Instant>,
}

impl Timers {
    /// Asks for a look at `token` at `when`, or before.
    pub(crate) fn add(&mut self, when: Instant, token: u64) {
        match self.by_token.insert(token, when) {
            Some(before) if before <= when => {
                self.by_token.insert(token, before);
                return;
            }
            Some(before) => drop(self.in_order.remove(&(before, token))),
            None => {}
        }
        self.in_order.insert((when, token));
    }

    /// A session is over.
    pub(crate) fn forget(&mut self, token: u64) {
        if let Some(when) = self.by_token.remove(&token) {
            self.in_order.remove(&(when, token));
        }
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.in_order.first().map(|(when, _)| *when)
    }

    /// Takes a token that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        if self.next()? > now {
            return None;
        }
        let (_, token) = self.in_order.pop_first()?;
        self.by_token.remove(&token);
        Some(token)
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

    #[test]
    fn a_session_that_asks_on_and_on_has_one_deadline_the_earliest() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.add(at(500), 8);
        for ms in (1..1000).rev().chain(1..1000) {
            timers.add(at(ms), 7);
        }
        assert_eq!((timers.in_order.len(), timers.by_token.len()), (2, 2));
        assert_eq!(timers.pop_due(at(1)), Some(7));
        assert_eq!(timers.pop_due(at(499)), None);
        timers.add(at(100), 7);
        timers.forget(7);
        timers.forget(7);
        assert_eq!(timers.pop_due(at(1000)), Some(8));
        assert!(timers.in_order.is_empty() && timers.by_token.is_empty());
    }
}
