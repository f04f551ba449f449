//! Purse: who is to write what a sender has put into an idle outbox, from what the pipe has seen so far.

use std::time::{Duration, Instant};

/// Who writes an outbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writer {
    Caller,
    IoThread,
    /// The sender that fills it, or else the I/O thread on its patrol.
    NextCaller,
    /// This caller, before it waits; or else the I/O thread on its patrol.
    CallerLater,
}

/// How many writes a pipe's senders may do themselves before they leave writing to the I/O thread.
pub(crate) struct Purse {
    coins: u8,
    /// When the outbox was last found idle by a sender, and how many messages had been sent by then.
    last_idle: Option<(Instant, u64)>,
    /// When the last batch had been written.
    last_written: Option<Instant>,
    /// Of the last messages that the caller wrote, so many in a row had more right behind them. Less than 0 when that was
    /// relied on, and the caller took long to come back and write them.
    bursts: i8,
    /// That is relied on.
    relied: bool,
    /// The message before this one was written by the caller.
    wrote_last: bool,
    /// The peer has said something since the last burst.
    heard: bool,
}

impl Default for Purse {
    fn default() -> Purse {
        let (last_idle, last_written) = (None, None);
        Purse { coins: PURSE_COINS, last_idle, last_written, bursts: 0, relied: false, wrote_last: false, heard: false }
    }
}

impl Purse {
    /// Who is to write what a sender has just put into an idle outbox, after `sent` messages in all.
    ///
    /// The caller, for a coin: a message received gives one back, and a pause longer than [`BURST_GAP`] fills the
    /// purse. A message right behind the one that the caller wrote has more behind it, for which the I/O thread is
    /// woken. If that was so whenever the peer had answered, the caller writes the whole burst before it waits for the
    /// next answer. Without a coin, it depends on the tempo since the outbox was last idle: messages in a tight row will
    /// fill it in a moment, and the sender that does writes it; any slower, and the I/O thread is woken.
    pub(crate) fn writer(&mut self, now: Instant, sent: u64) -> Writer {
        let (pause, messages) = match self.last_idle.replace((now, sent)) {
            Some((last, sent_then)) => (now.duration_since(last), sent.saturating_sub(sent_then)),
            None => (Duration::MAX, 0),
        };
        let rest = self.last_written.map_or(Duration::MAX, |written| now.duration_since(written));
        if std::mem::take(&mut self.wrote_last) {
            self.bursts = if rest < TIGHT { self.bursts.saturating_add(1).min(BURSTS_MAX) } else { self.bursts.min(0) };
        }
        if rest >= TIGHT && self.bursts >= BURSTS_MIN && std::mem::take(&mut self.heard) {
            self.relied = true;
            return Writer::CallerLater;
        }
        if messages >= STREAM_MESSAGES_MIN {
            let spacing = pause / u32::try_from(messages).unwrap_or(u32::MAX);
            return if spacing < STREAM_SPACING { Writer::NextCaller } else { Writer::IoThread };
        }
        if pause > BURST_GAP {
            self.coins = PURSE_COINS;
        }
        if self.coins == 0 || rest < TIGHT {
            return Writer::IoThread;
        }
        self.coins -= 1;
        self.wrote_last = true;
        Writer::Caller
    }

    /// The peer answered: it is a conversation, not a stream.
    #[inline]
    pub(crate) fn earn(&mut self) {
        self.coins = (self.coins + 1).min(PURSE_COINS);
        self.heard = true;
    }

    /// Everything pending was written.
    pub(crate) fn note_written(&mut self, now: Instant) {
        self.last_written = Some(now);
    }

    /// A caller has come to write what was left to it: so many messages, unless the I/O thread has written them by now.
    #[inline]
    pub(crate) fn judge_burst(&mut self, messages: Option<usize>, now: impl FnOnce() -> Instant) {
        if std::mem::take(&mut self.relied) {
            let took = self.last_idle.map_or(Duration::ZERO, |(begun, _)| now().duration_since(begun));
            self.bursts = match messages {
                _ if took > LATE && self.bursts < BURSTS_SURE => i8::MIN,
                _ if took > LATE => self.bursts - BURSTS_SURE / 2,
                Some(1) => 0,
                _ => (self.bursts + 1).min(BURSTS_MAX),
            };
        }
    }

    /// It was written to a moment ago, and has no coins left.
    #[cfg(all(test, zefiro_loom))]
    pub(crate) fn empty(&mut self) {
        (self.coins, self.last_idle) = (0, Some((crate::sys::now(), 0)));
    }

    /// The peer has answered several bursts.
    #[cfg(all(test, zefiro_loom))]
    pub(crate) fn expect_burst(&mut self) {
        (self.bursts, self.heard) = (BURSTS_MIN, true);
    }
}

/// Direct writes a pipe's senders may do in a row without hearing from the peer or pausing.
const PURSE_COINS: u8 = 4;

/// So many bursts in a row, and the next message is taken for the first of one.
const BURSTS_MIN: i8 = 2;

/// After so many it counts as chance if the caller is late once.
const BURSTS_SURE: i8 = 16;
const BURSTS_MAX: i8 = 32;

/// A caller that lets others wait so long for what it has said is not relied on for a long while.
const LATE: Duration = Duration::from_millis(1);

/// So many messages, on average closer than this, are a stream that fills an outbox in well under 100 µs.
const STREAM_MESSAGES_MIN: u64 = 32;
const STREAM_SPACING: Duration = Duration::from_nanos(250);

/// A message that comes so soon after the last was written is followed by more: to write each would keep the sender.
const TIGHT: Duration = Duration::from_micros(3);

/// Writes further apart than this are not a stream.
const BURST_GAP: Duration = Duration::from_micros(200);

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use super::*;

    const BURST: u64 = 10;

    /// A sender of bursts, in a time of its own.
    struct Sender {
        purse: Purse,
        now: Instant,
        sent: u64,
    }

    impl Sender {
        fn new() -> Sender {
            Sender { purse: Purse::default(), now: Instant::now(), sent: 0 }
        }

        fn send(&mut self) -> Writer {
            self.sent += 1;
            self.purse.writer(self.now, self.sent)
        }

        /// A burst, the peer's answer, and so long until the next one. Answers who writes the first message; the next is
        /// the I/O thread's to write if the first was the caller's.
        fn burst(&mut self, pause: Duration) -> Writer {
            let first = self.send();
            if first == Writer::Caller {
                self.purse.note_written(self.now);
                self.now += Duration::from_nanos(100);
                assert_eq!(self.send(), Writer::IoThread);
                self.sent += BURST - 2;
            } else {
                self.sent += BURST - 1;
            }
            self.now += pause;
            self.purse.judge_burst(Some(BURST as usize), || self.now);
            self.purse.note_written(self.now);
            self.purse.earn();
            self.now += Duration::from_micros(50);
            first
        }
    }

    const SOON: Duration = Duration::from_micros(20);

    #[test]
    fn who_sends_bursts_and_waits_for_answers_writes_each_at_once() {
        let mut sender = Sender::new();
        let writers = [(); 5].map(|()| sender.burst(SOON));
        use Writer::*;
        assert_eq!(writers, [Caller, Caller, CallerLater, CallerLater, CallerLater]);
    }

    #[test]
    fn a_message_alone_is_written_at_once() {
        let mut sender = Sender::new();
        (0..10).for_each(|_| assert_ne!(sender.burst(SOON), Writer::IoThread));
        assert_eq!(sender.send(), Writer::CallerLater);
        sender.now += SOON;
        sender.purse.judge_burst(Some(1), || sender.now);
        for _ in 0..10 {
            sender.purse.note_written(sender.now);
            sender.purse.earn();
            sender.now += SOON;
            assert_eq!(sender.send(), Writer::Caller);
        }
    }

    #[test]
    fn without_answers_nothing_is_left_for_later() {
        let mut sender = Sender::new();
        for _ in 0..10 {
            sender.burst(SOON);
            sender.purse.heard = false;
        }
        assert_eq!(sender.burst(SOON), Writer::Caller);
    }

    #[test]
    fn who_lets_others_wait_is_not_relied_on() {
        let mut sender = Sender::new();
        let late = LATE + Duration::from_micros(1);
        let relied = (0..100).filter(|_| sender.burst(late) == Writer::CallerLater).count();
        assert_eq!(relied, 1);
        let mut sender = Sender::new();
        (0..20).for_each(|_| assert_ne!(sender.burst(SOON), Writer::IoThread));
        // By chance.
        assert_eq!(sender.burst(late), Writer::CallerLater);
        assert_eq!(sender.burst(SOON), Writer::CallerLater);
    }
}
