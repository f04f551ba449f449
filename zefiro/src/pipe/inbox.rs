//! Inbox: what has arrived on a pipe and is not read yet. The messages of one read of a connection stay together, as the
//! bytes they came in, until each is wanted; the run that is being read is at hand, all else in a queue behind it.

use std::collections::VecDeque;

use zmtp::{Frame, Memory, Run};

use crate::arrival::Arrival;
use crate::message::Message;

/// Whole messages, in order.
#[derive(Default)]
pub(super) struct Inbox {
    /// Being read.
    run: Option<Run>,
    behind: VecDeque<Item>,
    /// Messages in the queue.
    messages_behind: usize,
}

/// The messages of one read, or a single one.
enum Item {
    Run(Run),
    Message(Message),
}

impl Inbox {
    /// Messages in it.
    #[inline]
    pub(super) fn messages(&self) -> usize {
        self.run.as_ref().map_or(0, Run::messages) + self.messages_behind
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.messages() == 0
    }

    /// Adds the messages of one read.
    pub(super) fn push_run(&mut self, mut run: Run) {
        if self.run.is_none() && self.behind.is_empty() {
            self.run = Some(run);
            return;
        }
        if self.behind.len() >= RUNS_LOOSE {
            // The program is behind. A peer that sends a small message now and then must not make each keep a buffer.
            run.compact();
        }
        self.messages_behind += run.messages();
        self.behind.push_back(Item::Run(run));
    }

    /// Adds a message.
    pub(super) fn push(&mut self, message: Message) {
        self.messages_behind += 1;
        self.behind.push_back(Item::Message(message));
    }

    /// Puts the next message in its place, and answers its length, if it is of one part and not the last of its run.
    #[inline(always)]
    pub(super) fn pop_swiftly(&mut self, out: &mut impl Arrival) -> Option<usize> {
        let run = self.run.as_mut().filter(|run| run.messages() > 1)?;
        run.next_message_into(out)
    }

    /// Puts the first part of the next message in its place, and the others behind those in `rest`, if it is not the last of
    /// its run. Answers its length.
    #[inline]
    pub(super) fn pop_parts_swiftly(&mut self, first: &mut impl Arrival, rest: &mut Vec<Frame>) -> Option<usize> {
        let run = self.run.as_mut().filter(|run| run.messages() > 1)?;
        let mut more = run.next_frame_into(first)?;
        let mut bytes = first.bytes().len();
        while more {
            let mut frame = Frame::new();
            more = run.next_frame_into(&mut frame)?;
            bytes += frame.len();
            rest.push(frame);
        }
        Some(bytes)
    }

    /// As [`pop_swiftly`](Inbox::pop_swiftly), of the last of its run; answers also the memory that it was in.
    #[inline]
    pub(super) fn pop_last_swiftly(&mut self, out: &mut impl Arrival) -> Option<(usize, Memory)> {
        let len = self.run.as_mut().filter(|run| run.messages() == 1)?.next_message_into(out)?;
        let memory = self.run.take()?.into_memory();
        self.give_up_if_drained();
        Some((len, memory))
    }

    /// Puts the next message in `out`; `false` if there is none. Memory that is read to its end is given back.
    #[inline]
    pub(super) fn pop(&mut self, out: &mut Message, give_back: impl Fn(Memory)) -> bool {
        loop {
            if let Some(run) = &mut self.run {
                let is_cut = cut_message(run, out);
                if run.messages() == 0
                    && let Some(run) = self.run.take()
                {
                    give_back(run.into_memory());
                    self.give_up_if_drained();
                }
                if is_cut {
                    return true;
                }
            } else {
                match self.behind.pop_front() {
                    Some(Item::Run(run)) => {
                        self.messages_behind -= run.messages();
                        self.run = Some(run);
                    }
                    Some(Item::Message(message)) => {
                        *out = message;
                        self.messages_behind -= 1;
                        self.give_up_if_drained();
                        return true;
                    }
                    None => return false,
                }
            }
        }
    }

    /// Frees the room that a burst took, and no steady stream needs.
    fn give_up_if_drained(&mut self) {
        if self.behind.is_empty() && self.behind.capacity() > KEPT_ITEMS {
            self.behind = VecDeque::new();
        }
    }
}

/// Puts the next message of a run in `out`.
#[inline]
pub(super) fn cut_message(run: &mut Run, out: &mut Message) -> bool {
    let (first, rest) = out.parts_mut();
    rest.clear();
    let Some(mut more) = run.next_frame_into(first) else { return false };
    while more {
        let mut frame = Frame::new();
        let Some(another) = run.next_frame_into(&mut frame) else { return false };
        rest.push(frame);
        more = another;
    }
    true
}

/// Runs a pipe keeps in the buffers they were read into; more are moved if they are small.
const RUNS_LOOSE: usize = 16;

/// Room in a drained inbox that is kept, in items: each is the messages of one read, or a single message.
const KEPT_ITEMS: usize = 2048;
