//! Writer: who writes what a pipe's outbox holds, and what becomes of the batches it takes.
//!
//! The states of an outbox are in `pipe/outbox.rs`; here is who moves it from one to the next.

use std::sync::Arc;
use std::time::Duration;

use super::core::State;
use crate::io::Command;
use crate::io::link::{Link, Loss};
use crate::pipe::batch::Batch;
use crate::pipe::outbox::WriteState;
use crate::pipe::outgoing::HELP_BYTES;
use crate::pipe::{Line, PURSE_COINS, PipeId, Purse};
use crate::sys::now;

/// Who writes an outbox.
enum Writer {
    Caller,
    IoThread,
    /// The sender that fills it, or else the I/O thread on its patrol.
    NextCaller,
}

impl State {
    /// Somebody must write this pipe's outbox: this thread at once if that pays, else the I/O thread.
    pub(super) fn find_writer(&mut self, id: PipeId, direct_allowed: bool) {
        let read = self.pipes.read_so_far();
        let reads_on = self.has_unread() && read != self.read_before;
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        let Line::Stream(link, outbox) = &mut pipe.line else { return };
        let link = link.clone();
        let writer = match outbox.state() {
            WriteState::Idle if !outbox.is_pending() => return,
            // All that the program says while it reads is written together before it waits, or on the I/O thread's patrol if it
            // takes its time.
            WriteState::Idle if reads_on => {
                self.read_before = read;
                Writer::NextCaller
            }
            WriteState::Idle if direct_allowed => pipe.purse.writer(pipe.counters.sent),
            WriteState::Idle => Writer::IoThread,
            WriteState::Queued if outbox.bytes() >= HELP_BYTES => Writer::Caller,
            _ => return,
        };
        match writer {
            Writer::Caller => {
                outbox.set_state(WriteState::Draining);
                if let Some(batch) = self.take_batch(id) {
                    self.after.writes.push((link, batch));
                }
            }
            Writer::IoThread => {
                outbox.set_state(WriteState::Queued);
                self.after.runs.push(link);
            }
            Writer::NextCaller => {
                outbox.set_state(WriteState::Queued);
                self.after.streams.push(link);
            }
        }
        self.await_writer(id);
    }

    /// Notes a pipe whose outbox is `Queued`, for those who help.
    fn await_writer(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id)
            && matches!(&pipe.line, Line::Stream(_, outbox) if outbox.state() == WriteState::Queued)
            && !std::mem::replace(&mut pipe.awaits_writer, true)
        {
            // Nobody may ever help: those that are gone, or written by now, leave before the list grows.
            if self.await_writer.len() == self.await_writer.capacity() {
                self.await_writer.retain(|id| {
                    self.pipes.get_mut(*id).is_some_and(|pipe| {
                        let queued =
                            matches!(&pipe.line, Line::Stream(_, outbox) if outbox.state() == WriteState::Queued);
                        pipe.awaits_writer = queued;
                        queued
                    })
                });
                // At least as many again fit before the next time.
                self.await_writer.reserve(self.await_writer.len() + 1);
            }
            self.await_writer.push(id);
        }
    }

    /// Whether the program has more to read, and so, likely, more to say.
    pub(crate) fn has_unread(&self) -> bool {
        self.pipes.unread_pipes > 0
    }

    /// While the link's outbox is `Queued`: how often it was taken so far.
    pub(crate) fn queued_since(&self, link: &Arc<Link>) -> Option<u32> {
        match &self.pipes.get(link.pipe)?.line {
            Line::Stream(current, outbox) if Arc::ptr_eq(current, link) && outbox.state() == WriteState::Queued => {
                Some(outbox.taken())
            }
            _ => None,
        }
    }

    /// Whoever waits to send is about to wait: writes first what still waits for the I/O thread. Answers whether there
    /// was something.
    pub(crate) fn help(&mut self) -> bool {
        let mut helped = false;
        while let Some(id) = self.await_writer.pop() {
            if let Some(pipe) = self.pipes.get_mut(id) {
                pipe.awaits_writer = false;
            }
            if let Some((link, batch)) = self.begin_draining(id) {
                self.after.any = true;
                self.after.writes.push((link, batch));
                helped = true;
            }
        }
        helped
    }

    /// `Queued` to `Draining`: the caller is going to write the batch.
    pub(crate) fn begin_draining(&mut self, id: PipeId) -> Option<(Arc<Link>, Batch)> {
        let pipe = self.pipes.get_mut(id)?;
        let Line::Stream(link, outbox) = &mut pipe.line else { return None };
        if outbox.state() != WriteState::Queued {
            return None;
        }
        let link = link.clone();
        outbox.set_state(WriteState::Draining);
        self.take_batch(id).map(|batch| (link, batch))
    }

    /// Takes what is pending in an outbox that is `Draining`; it becomes `Idle` if that is nothing.
    fn take_batch(&mut self, id: PipeId) -> Option<Batch> {
        let (pipe, pool, broadcast) = self.pipes.get_with_memory(id)?;
        let Line::Stream(_, outbox) = &mut pipe.line else { return None };
        let batch = outbox.take(pool, broadcast);
        if batch.is_none() {
            outbox.set_state(WriteState::Idle);
        }
        self.tell_of_room(id);
        batch
    }

    /// Something has left the pipe: whoever was refused is told if there is room.
    fn tell_of_room(&mut self, id: PipeId) {
        if self.pipes.take_room_again(id) {
            self.pipe_writable(id);
        }
    }

    /// A batch was written whole. Answers the next one, if there is one and `more` allows it.
    pub(crate) fn batch_written(&mut self, link: &Arc<Link>, batch: Batch, more: bool) -> Option<Batch> {
        let (mut next, mut flushed, mut delivered) = (None, false, 0);
        if let Some((pipe, pool, _)) = self.pipes.get_with_memory(link.pipe)
            && let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            delivered = outbox.finish(pool, batch);
            if !outbox.is_pending() {
                outbox.set_state(WriteState::Idle);
                pipe.purse.last_written = Some(now());
                flushed = pipe.closing || pipe.renewing;
            } else if more {
                next = Some(());
            } else {
                outbox.set_state(WriteState::Queued);
                self.after.any = true;
                self.after.runs.push(link.clone());
            }
        }
        self.pipes.count_delivered(link.pipe, delivered);
        if flushed {
            self.tell_io(link.io.clone(), Command::Flushed(link.clone()));
        }
        self.tell_of_room(link.pipe);
        self.await_writer(link.pipe);
        let next = next.and_then(|()| self.take_batch(link.pipe));
        if next.is_none() {
            self.let_go(link);
        }
        next
    }

    /// Nobody writes to the link any more: if it was lost meanwhile, that is gone on with.
    fn let_go(&mut self, link: &Arc<Link>) {
        if let Some(index) = self.lost.iter().position(|(lost, _)| Arc::ptr_eq(lost, link)) {
            let (link, loss) = self.lost.swap_remove(index);
            self.tell_io(link.io.clone(), Command::Lost(link, loss));
        }
    }

    /// The link has ended, and a thread is just writing to it.
    pub(crate) fn lost_while_written(&mut self, link: Arc<Link>, loss: Loss) {
        if !self.lost.iter().any(|(lost, _)| Arc::ptr_eq(lost, &link)) {
            self.lost.push((link, loss));
        }
    }

    /// The kernel is full: the I/O thread goes on with the batch when it has room.
    pub(crate) fn batch_blocked(&mut self, link: &Arc<Link>, batch: Batch) {
        if let Some(pipe) = self.pipes.get_mut(link.pipe)
            && let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            // The state first, then the interest: the event must not find the old state.
            outbox.park(batch);
            outbox.set_state(WriteState::Blocked);
            self.watch_output(link);
            self.tell_of_room(link.pipe);
        }
        self.let_go(link);
    }

    /// The kernel has room again: `Blocked` to `Draining`.
    pub(crate) fn unblock(&mut self, link: &Arc<Link>) -> Option<Batch> {
        let pipe = self.pipes.get_mut(link.pipe)?;
        let Line::Stream(current, outbox) = &mut pipe.line else { return None };
        if !Arc::ptr_eq(current, link) || outbox.state() != WriteState::Blocked {
            return None;
        }
        outbox.set_state(WriteState::Draining);
        Some(outbox.unpark())
    }

    /// The stream broke while the batch was being written.
    pub(crate) fn batch_broken(&mut self, link: &Arc<Link>, batch: Batch) {
        if let Some(pipe) = self.pipes.get_mut(link.pipe)
            && let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            outbox.park(batch);
            outbox.set_state(WriteState::Dead);
        }
        self.let_go(link);
    }
}

impl Purse {
    /// Who is to write what a sender has just put into an idle outbox, after `sent` messages in all.
    ///
    /// The caller, for a coin: a message received gives one back, and a pause longer than [`BURST_GAP`] fills the
    /// purse. A message right behind the one that the caller wrote has more behind it, for which the I/O thread is
    /// woken. Without a coin, it depends on the tempo since the outbox was last idle: messages in a tight row will fill it
    /// in a moment, and the sender that does writes it; any slower, and the I/O thread is woken.
    fn writer(&mut self, sent: u64) -> Writer {
        let now = now();
        let (pause, messages) = match self.last_idle.replace((now, sent)) {
            Some((last, sent_then)) => (now.duration_since(last), sent.saturating_sub(sent_then)),
            None => (Duration::MAX, 0),
        };
        if messages >= STREAM_MESSAGES_MIN {
            let spacing = pause / u32::try_from(messages).unwrap_or(u32::MAX);
            return if spacing < STREAM_SPACING { Writer::NextCaller } else { Writer::IoThread };
        }
        if pause > BURST_GAP {
            self.coins = PURSE_COINS;
        }
        let rest = self.last_written.map_or(Duration::MAX, |written| now.duration_since(written));
        if self.coins == 0 || rest < TIGHT {
            return Writer::IoThread;
        }
        self.coins -= 1;
        Writer::Caller
    }

    /// The peer answered: it is a conversation, not a stream.
    #[inline]
    pub(crate) fn earn(&mut self) {
        self.coins = (self.coins + 1).min(PURSE_COINS);
    }
}

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
    use crate::Pair;

    #[test]
    fn a_program_that_leaves_a_message_unread_writes_what_it_sends() {
        let (reader, sender) = (Pair::new(), Pair::new());
        reader.connect(sender.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        reader.send("unread").unwrap();
        while !sender.core.lock().has_unread() {
            std::thread::yield_now();
        }
        sender.send("sent").unwrap();
        let state = sender.core.lock();
        let lines = state.pipes.iter().map(|(_, pipe)| &pipe.line);
        let states: Vec<WriteState> = lines
            .filter_map(|line| match line {
                Line::Stream(_, outbox) => Some(outbox.state()),
                _ => None,
            })
            .collect();
        assert_eq!(states, [WriteState::Idle]);
    }
}
