//! Window: how much a C program may send before it is told what has left the pipe.
//!
//! libzmq's readers tell what they have taken in steps of half the mark: a full pipe has room again after half of it.
//!
//! libzmq learns of messages that its I/O thread has taken only when it looks for that: when it has to wait, when it is
//! asked for events or for a message that is not there, when it binds or connects, and else once a millisecond. A program
//! that sends without waiting thus meets the high-water mark after just as many messages, however fast they leave, and
//! programs are written, and tested, for that.

use std::time::{Duration, Instant};

use crate::sys::now;

/// How the program looks after its pipes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Glance {
    /// How often it has looked what has left them.
    pub(crate) look: u64,
    /// It does not wait now, and a message that does not fit is refused rather than dropped. Who is not hurried looks
    /// when nothing fits.
    pub(crate) hurried: bool,
}

/// What of a pipe's messages its socket knows to have left.
#[derive(Default)]
pub(crate) struct Window {
    noticed: u64,
    /// The look that it was noticed with, by number.
    look: u64,
    /// When the first message was sent after that without waiting.
    since: Option<Instant>,
}

impl Window {
    /// Whether one more message fits of which `sent` were sent and `queued` are still there.
    #[inline(always)]
    pub(crate) fn admits(&mut self, mark: usize, sent: u64, queued: usize, glance: Glance) -> bool {
        // Nearly always it is that simple.
        if !glance.hurried && self.look == glance.look && sent.saturating_sub(self.noticed) < mark as u64 {
            return true;
        }
        self.admits_at(now, mark as u64, sent, queued as u64, glance)
    }

    /// How many more messages fit for sure, if nobody looks, beside one of which that was asked just now.
    pub(super) fn left(&self, mark: u64, sent: u64, queued: u64) -> u64 {
        let known = self.noticed.min(acknowledged(mark, sent, queued));
        mark.saturating_sub(sent.saturating_sub(known))
    }

    #[inline(never)]
    fn admits_at(&mut self, now: impl Fn() -> Instant, mark: u64, sent: u64, queued: u64, glance: Glance) -> bool {
        let Glance { look, hurried } = glance;
        if self.look != look {
            *self = Window { noticed: acknowledged(mark, sent, queued), look, since: None };
        }
        if sent.saturating_sub(self.noticed) < mark {
            if hurried && self.since.is_none() {
                self.since = Some(now());
            }
            return true;
        }
        if hurried && self.since.is_some_and(|since| now().duration_since(since) < UNNOTICED) {
            return false;
        }
        *self = Window { noticed: acknowledged(mark, sent, queued), look, since: hurried.then(now) };
        sent.saturating_sub(self.noticed) < mark
    }
}

/// Whether one more message fits of which `sent` were sent and `queued` are still there.
#[inline]
pub(super) fn leave_room(mark: u64, sent: u64, queued: u64) -> bool {
    // What is not told is less than a step.
    queued <= mark / 2 || sent.saturating_sub(acknowledged(mark, sent, queued)) < mark
}

/// Of how many messages the reader has told that it has taken them.
#[inline]
fn acknowledged(mark: u64, sent: u64, queued: u64) -> u64 {
    let taken = sent.saturating_sub(queued);
    taken - taken % mark.div_ceil(2).max(1)
}

/// How long a program that does not wait is not told.
const UNNOTICED: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    const HURRIED: Glance = Glance { look: 0, hurried: true };
    const LOOKED: Glance = Glance { look: 1, hurried: true };
    const WAITS: Glance = Glance { look: 1, hurried: false };

    #[test]
    fn who_does_not_wait_is_refused_at_the_mark_however_fast_messages_leave() {
        let start = now();
        let mut window = Window::default();
        let mut admits = |time, sent, glance| window.admits_at(|| start + time, 2, sent, 0, glance);
        assert!((0..2).all(|sent| admits(Duration::ZERO, sent, HURRIED)));
        assert!(!admits(Duration::ZERO, 2, HURRIED));
        // It has asked for events, or it waits.
        assert!((2..4).all(|sent| admits(Duration::ZERO, sent, LOOKED)));
        assert!(!admits(Duration::ZERO, 4, LOOKED));
        assert!(admits(Duration::ZERO, 4, WAITS));
        // Who waited before has looked then.
        assert!(admits(Duration::ZERO, 5, WAITS) && admits(Duration::ZERO, 6, LOOKED));
        // Or some time has passed.
        assert!(admits(Duration::ZERO, 7, LOOKED));
        assert!(!admits(UNNOTICED / 2, 8, LOOKED));
        assert!(admits(UNNOTICED, 8, LOOKED));
    }

    #[test]
    fn a_full_pipe_has_room_again_when_half_of_it_was_taken() {
        let room = |mark, sent, queued| {
            let looked = Window { noticed: 0, look: 0, since: None }.admits(mark, sent, queued, WAITS);
            assert_eq!(looked, leave_room(mark as u64, sent, queued as u64));
            looked
        };
        assert!(!room(5, 5, 5) && !room(5, 5, 3) && room(5, 5, 2));
        assert!(!room(5, 8, 5) && !room(5, 8, 3) && room(5, 8, 2));
        assert!(!room(1, 7, 1) && room(1, 7, 0));
    }

    #[test]
    fn what_is_still_there_is_never_more_than_the_mark() {
        let mut window = Window::default();
        assert!(window.admits(2, 5, 1, WAITS));
        assert!(!window.admits(2, 6, 2, WAITS));
        assert!(!window.admits(2, 6, 2, HURRIED));
    }
}
