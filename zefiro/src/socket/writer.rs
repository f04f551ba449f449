//! Writer: who writes what a pipe's outbox holds, and what becomes of the batches it takes.
//!
//! The states of an outbox are in `pipe/outbox.rs`; here is who moves it from one to the next.

use std::sync::Arc;

use super::core::State;
use crate::io::Command;
use crate::io::link::{Link, Loss};
use crate::pipe::batch::Batch;
use crate::pipe::outbox::{Outbox, WriteState};
use crate::pipe::outgoing::HELP_BYTES;
use crate::pipe::purse::Writer;
use crate::pipe::{Line, PipeId};
use crate::sys::now;

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
                Writer::CallerLater
            }
            WriteState::Idle if direct_allowed => {
                let writer = pipe.purse.writer(now(), pipe.counters.sent);
                outbox.bursts = writer == Writer::CallerLater;
                writer
            }
            WriteState::Idle => Writer::IoThread,
            WriteState::Queued if outbox.bytes() >= HELP_BYTES => Writer::Caller,
            WriteState::Queued if outbox.is_full_burst() => Writer::IoThread,
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
                outbox.bursts = false;
                outbox.set_state(WriteState::Queued);
                self.after.runs.push(link);
            }
            Writer::NextCaller | Writer::CallerLater => {
                outbox.set_state(WriteState::Queued);
                if !std::mem::replace(&mut outbox.on_patrol, true) {
                    self.after.streams.push(link);
                }
                self.after.owes |= matches!(writer, Writer::CallerLater);
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

    /// The I/O thread's look at a link on its patrol: how often its outbox was taken so far, while that is `Queued`. Else the
    /// patrol leaves it.
    pub(crate) fn taken_while_queued(&mut self, link: &Arc<Link>) -> Option<u32> {
        let outbox = self.outbox_of(link)?;
        outbox.on_patrol = outbox.state() == WriteState::Queued;
        outbox.on_patrol.then(|| outbox.taken())
    }

    /// The sender of a link has not come: the patrol leaves it to the I/O thread.
    pub(crate) fn leave_patrol(&mut self, link: &Arc<Link>) {
        if let Some(outbox) = self.outbox_of(link) {
            outbox.on_patrol = false;
        }
    }

    /// The outbox of a link, unless its pipe has another by now.
    fn outbox_of(&mut self, link: &Arc<Link>) -> Option<&mut Outbox> {
        match &mut self.pipes.get_mut(link.pipe)?.line {
            Line::Stream(current, outbox) if Arc::ptr_eq(current, link) => Some(outbox),
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
                if let Line::Stream(_, outbox) = &pipe.line {
                    let queued = outbox.state() == WriteState::Queued;
                    pipe.purse.judge_burst(queued.then_some(outbox.waiting().messages), now);
                }
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
                pipe.purse.note_written(now());
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
