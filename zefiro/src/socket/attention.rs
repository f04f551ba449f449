//! Attention: a publisher that has rested learns what its peers have asked for meanwhile, before it sends.
//!
//! Subscriptions are read by the I/O thread, which sleeps until one comes: it takes some 50 µs to wake up, and what is
//! published by then would miss who has asked for it before. So the first message after a rest looks itself what the
//! kernel has. A stream of messages does not pay for that: while one of those that the last message was for is being
//! written to, no clock is asked, and in a stream of messages that nobody wants only that which costs next to nothing.

use std::time::{Duration, Instant};

use zmtp::SocketType;

use super::core::{Phase, State};
use super::locked::Locked;
use crate::io::duty::hear;
use crate::pipe::Line;
use crate::pipe::outbox::WriteState;
use crate::sys::{Tick, now};

/// When a publisher has sent last, as far as it matters.
#[derive(Default)]
pub(crate) struct Attention {
    /// When the clock was asked last.
    asked: Option<Instant>,
    /// Messages sent since without asking.
    unasked: u32,
    /// How often in a row the clock said that they are sent without a pause.
    row: u32,
    /// Which tick it was then.
    tick: Tick,
    /// A message that was to be sent swiftly was the first after a rest.
    due: bool,
    /// Not to look before: peers that ask without end have just kept it.
    not_before: Option<Instant>,
}

impl Attention {
    /// A message is about to be sent: answers whether it is time to look. So it is after a rest, and now and then in a
    /// stream, where the clock was not asked for long.
    fn note_sending(&mut self) -> bool {
        let is_stream = self.row >= ROW;
        if is_stream && Tick::now() == self.tick {
            self.unasked = self.unasked.saturating_add(1);
            return false;
        }
        let now = now();
        let pause = self.asked.replace(now).map_or(Duration::MAX, |asked| now - asked);
        let spacing = pause / std::mem::take(&mut self.unasked).saturating_add(1);
        self.row = if spacing < TIGHT { self.row.saturating_add(1) } else { 0 };
        if self.row >= ROW {
            self.tick = Tick::now();
        }
        pause > REST && self.not_before.is_none_or(|time| time <= now)
    }
}

impl Locked<'_> {
    /// Before a message is sent: reads what the peers of a publisher that has rested have asked for.
    #[inline]
    pub(super) fn pay_attention(&mut self) {
        if self.phase == Phase::Open && self.owes_a_look() {
            self.attention.due = false;
            if let Some(set) = self.watch.set() {
                let begun = now();
                self.unlocked(|core| hear(core, &set));
                let end = now();
                self.attention.not_before = Some(end + ((end - begun) * RESTS).min(DEAF_MAX));
            }
        }
    }
}

impl State {
    /// Whether the socket is a publisher that is to [look](Locked::pay_attention) before the message that it is about to send.
    #[inline]
    pub(super) fn owes_a_look(&mut self) -> bool {
        self.watch.is_heard && {
            if !self.attention.due && !self.is_amid_a_stream() {
                self.attention.due = self.attention.note_sending();
            }
            self.attention.due
        }
    }

    /// Whether one of those that the last message was for is being written to, or will be in a moment.
    #[inline]
    fn is_amid_a_stream(&self) -> bool {
        self.pattern.last_target().and_then(|id| self.pipes.get(id)).is_some_and(|pipe| {
            matches!(&pipe.line, Line::Stream(_, outbox)
                if matches!(outbox.state(), WriteState::Queued | WriteState::Draining))
        })
    }

    /// As after a rest.
    #[cfg(all(test, not(zefiro_loom), not(zefiro_portable)))]
    pub(crate) fn rest(&mut self) {
        self.attention = Attention::default();
    }

    /// Whether what the peers ask for decides who gets a message.
    pub(crate) fn is_publisher(&self) -> bool {
        matches!(self.pattern.socket_type(), SocketType::Pub | SocketType::XPub | SocketType::Radio)
    }
}

/// After so long a pause a publisher looks: long enough that looking is little of what it does, and much
/// less than the millisecond for which libzmq does not look.
const REST: Duration = Duration::from_micros(100);

/// At most every so many times as long as a look has taken it looks again.
const RESTS: u32 = 20;

/// And after so long in any case: a look may have taken long because the thread was given no processor.
const DEAF_MAX: Duration = Duration::from_millis(10);

/// So many messages closer than this are a stream.
const ROW: u32 = 16;
const TIGHT: Duration = Duration::from_micros(2);
