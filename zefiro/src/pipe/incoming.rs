//! What arrives on pipes, and is read: whole messages. Those of one read of a connection stay together, as the bytes they
//! came in, until each is wanted.

use std::collections::VecDeque;

use zmtp::{Frame, Place, Run};

use super::{Line, Notice, PipeId, Pipes};
use crate::counters::DropReason;
use crate::message::Message;

/// What an inbox holds: the messages of one read, or a single one.
pub(super) enum Item {
    Run(Run),
    Message(Message),
}

impl Pipes {
    /// Whether a whole message can be read.
    #[inline]
    pub(crate) fn has_message(&mut self, id: PipeId) -> bool {
        let Pipes { slots, drained, notices, noted, counters, .. } = self;
        let pipe = match slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation => pipe,
            _ => return false,
        };
        if pipe.inbox_messages > 0 {
            return true;
        }
        let Line::Duct(_, reader, peer) = &mut pipe.line else { return false };
        let there = reader.has_message();
        let fresh = reader.take_fresh();
        counters.arrived += fresh;
        pipe.counters.arrived += fresh;
        if reader.take_rouse() {
            *noted = true;
            notices.push(Notice::Writable(peer.clone()));
        }
        if !there && pipe.ended {
            *noted = true;
            drained.push(id);
        }
        there
    }

    /// Puts the next whole message in `out`; `false` if there is none.
    #[inline]
    pub(crate) fn read(&mut self, id: PipeId, out: &mut Message) -> bool {
        self.read_as::<false>(id, out)
    }

    /// As [`read`](Pipes::read), for the program: the message is [counted](Pipes::count_received).
    #[inline]
    pub(crate) fn read_counted(&mut self, id: PipeId, out: &mut Message) -> bool {
        self.read_as::<true>(id, out)
    }

    /// Puts the next message in its place, if it is what most are, one part, with more messages behind it and nothing to
    /// be told anybody. `false`, and nothing has happened, if it is not so simple. It does what [`read`](Pipes::read) or
    /// [`read_counted`](Pipes::read_counted) would do, in half the steps.
    #[inline]
    pub(crate) fn read_swiftly<const COUNT: bool>(&mut self, id: PipeId, out: &mut impl Place) -> bool {
        let Some(pipe) = self.slots.get_mut(id.index as usize) else { return false };
        let Some(Item::Run(run)) = pipe.inbox.front_mut() else { return false };
        if pipe.generation != id.generation || pipe.paused || run.messages() < 2 {
            return false;
        }
        let Some(bytes) = run.next_message_into(out) else { return false };
        pipe.inbox_messages -= 1;
        self.unread = self.unread.saturating_sub(1);
        if COUNT {
            pipe.counters.received(bytes as u64);
            self.last_received = Some(id);
        }
        true
    }

    #[inline]
    fn read_as<const COUNT: bool>(&mut self, id: PipeId, out: &mut Message) -> bool {
        let low_mark = self.recv_mark.div_ceil(2);
        let by_parts = self.glance.is_some();
        let pipe = match self.slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation => pipe,
            _ => return false,
        };
        if pipe.inbox_messages == 0 {
            let Line::Duct(_, reader, peer) = &mut pipe.line else { return false };
            let popped = reader.pop(out, by_parts);
            if by_parts && reader.holds() {
                self.held = Some(id);
            }
            let fresh = reader.take_fresh();
            self.counters.arrived += fresh;
            pipe.counters.arrived += fresh;
            let rouse = match popped {
                Some(rouse) => rouse,
                None => {
                    if reader.take_rouse() {
                        self.noted = true;
                        self.notices.push(Notice::Writable(peer.clone()));
                    }
                    if pipe.ended {
                        self.noted = true;
                        self.drained.push(id);
                    }
                    return false;
                }
            };
            self.trickle = reader.ended_trickle();
            if rouse {
                self.noted = true;
                self.notices.push(Notice::Writable(peer.clone()));
            }
        } else {
            if !pop_item(&mut pipe.inbox, &pipe.line, out) {
                return false;
            }
            pipe.inbox_messages -= 1;
            self.unread = self.unread.saturating_sub(1);
            if pipe.paused && pipe.inbox_messages < low_mark {
                self.noted = true;
                self.resumed.push(id);
            }
            if pipe.ended && pipe.inbox_messages == 0 {
                self.noted = true;
                self.drained.push(id);
            }
        }
        if COUNT {
            pipe.counters.received(out.byte_len() as u64);
            self.last_received = Some(id);
        }
        true
    }

    /// The program has read the last part of a message.
    #[inline]
    pub(crate) fn release_held(&mut self) {
        if let Some(id) = self.held.take() {
            self.release(id);
        }
    }

    fn release(&mut self, id: PipeId) {
        let Some(pipe) = self.get_mut(id) else { return };
        let Line::Duct(_, reader, peer) = &mut pipe.line else { return };
        if reader.release() {
            let peer = peer.clone();
            self.noted = true;
            self.notices.push(Notice::Writable(peer));
        }
    }

    /// Adds messages that arrived. Answers whether the inbox was empty before.
    pub(crate) fn deliver_run(&mut self, id: PipeId, mut run: Run) -> bool {
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox_messages == 0;
        if pipe.conflate {
            return self.deliver_newest(id, run);
        }
        let messages = run.messages();
        pipe.inbox_messages += messages;
        pipe.counters.arrived += messages as u64;
        if pipe.inbox.len() >= RUNS_LOOSE {
            // The program is behind. A peer that sends a small message now and then must not make each keep a buffer.
            run.compact();
        }
        pipe.inbox.push_back(Item::Run(run));
        self.counters.arrived += messages as u64;
        self.unread += messages;
        was_empty
    }

    /// Adds one message that arrived. Answers whether the inbox was empty before.
    pub(crate) fn deliver_message(&mut self, id: PipeId, message: Message) -> bool {
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox_messages == 0;
        pipe.inbox_messages += 1;
        pipe.counters.arrived += 1;
        pipe.inbox.push_back(Item::Message(message));
        self.counters.arrived += 1;
        self.unread += 1;
        was_empty
    }

    /// Conflating sockets keep the newest message only.
    fn deliver_newest(&mut self, id: PipeId, mut run: Run) -> bool {
        let mut newest = None;
        let mut superseded = 0;
        let arrived = run.messages() as u64;
        let mut message = Message::new();
        while cut_message(&mut run, &mut message) {
            superseded += u64::from(newest.replace(std::mem::take(&mut message)).is_some());
        }
        let Some(newest) = newest else { return false };
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox_messages == 0;
        superseded += pipe.inbox_messages as u64;
        pipe.inbox.clear();
        pipe.inbox.push_back(Item::Message(newest));
        pipe.counters.arrived += arrived;
        pipe.counters.drop(DropReason::Conflated, superseded);
        let before = std::mem::replace(&mut pipe.inbox_messages, 1);
        self.unread = self.unread.saturating_sub(before) + 1;
        self.counters.arrived += arrived;
        self.counters.drop(DropReason::Conflated, superseded);
        was_empty
    }

    /// Throws unread messages away.
    pub(crate) fn discard_inbox(&mut self, id: PipeId) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.inbox = VecDeque::new();
            let dropped = std::mem::take(&mut pipe.inbox_messages);
            pipe.counters.drop(DropReason::Unread, dropped as u64);
            self.unread = self.unread.saturating_sub(dropped);
            self.counters.drop(DropReason::Unread, dropped as u64);
        }
    }
}

#[inline]
fn pop_item(inbox: &mut VecDeque<Item>, line: &Line, out: &mut Message) -> bool {
    loop {
        match inbox.front_mut() {
            Some(Item::Run(run)) => {
                let cut = cut_message(run, out);
                if run.messages() == 0 {
                    if let (Some(Item::Run(run)), Line::Stream(link, _)) = (inbox.pop_front(), line) {
                        link.io.memory.give(run.into_memory());
                    }
                    give_up_if_drained(inbox);
                }
                if cut {
                    return true;
                }
            }
            Some(Item::Message(_)) => match inbox.pop_front() {
                Some(Item::Message(message)) => {
                    *out = message;
                    give_up_if_drained(inbox);
                    return true;
                }
                _ => return false,
            },
            None => return false,
        }
    }
}

/// Frees the room that a burst took, and no steady stream needs.
fn give_up_if_drained(inbox: &mut VecDeque<Item>) {
    if inbox.is_empty() && inbox.capacity() > KEPT_ITEMS {
        *inbox = VecDeque::new();
    }
}

#[inline]
fn cut_message(run: &mut Run, out: &mut Message) -> bool {
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

#[cfg(test)]
mod tests {
    use zmtp::{Framing, Memory};

    use super::*;
    use crate::pipe::{PeerFacts, Pipe};

    /// A pipe that has received those messages, given as the lengths of their parts, in one read.
    fn received(messages: &[&[usize]]) -> (Pipes, PipeId) {
        let mut wire = Vec::new();
        for (number, lengths) in messages.iter().enumerate() {
            for (part, len) in lengths.iter().enumerate() {
                let more = part + 1 < lengths.len();
                Framing::V2.encode(&mut wire, &vec![number as u8; *len], more);
            }
        }
        let mut pipes = Pipes::new(0, 0, 0);
        let id = pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
        let len = wire.len();
        pipes.deliver_run(id, Run::new(Framing::V2, Memory::from(wire), 0..len, messages.len()));
        (pipes, id)
    }

    #[test]
    fn what_is_read_swiftly_is_what_is_read() {
        let sizes: Vec<usize> = (0..=66).chain([255, 256, 9_000]).collect();
        let mut messages: Vec<&[usize]> = sizes.chunks(1).collect();
        messages.extend(sizes.chunks(3));
        messages.extend(sizes.chunks(1));
        let ((mut one, id), (mut other, _)) = (received(&messages), received(&messages));
        let mut swift = 0;
        for _ in &messages {
            let (mut message, mut same) = (Message::new(), Message::new());
            let swiftly = one.read_swiftly::<true>(id, message.parts_mut().0);
            assert!(swiftly || one.read_counted(id, &mut message));
            assert!(other.read_counted(id, &mut same));
            assert_eq!(message, same);
            assert_eq!((one.unread, one.counters, one.last_received), (other.unread, other.counters, Some(id)));
            let of_pipe = |pipes: &Pipes| pipes.get(id).map(|pipe: &Pipe| (pipe.inbox_messages, pipe.counters));
            assert_eq!(of_pipe(&one), of_pipe(&other));
            swift += usize::from(swiftly);
        }
        // All of one part, but for the last of all.
        assert_eq!(swift, messages.iter().filter(|parts| parts.len() == 1).count() - 1);
        assert!(!one.read_swiftly::<true>(id, &mut Frame::new()) && !one.read(id, &mut Message::new()));
    }

    #[test]
    fn who_waits_for_room_is_told_of_it() {
        let (mut pipes, id) = received(&[&[1][..]; 80]);
        if let Some(pipe) = pipes.get_mut(id) {
            pipe.paused = true;
        }
        assert!(!pipes.read_swiftly::<true>(id, &mut Frame::new()));
    }
}
