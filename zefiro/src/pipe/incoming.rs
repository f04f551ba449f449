//! What arrives on pipes, and is read: whole messages.

use zmtp::giving_back::hold_late;
use zmtp::{Frame, Run};

use super::inbox::cut_message;
use super::{Line, Notice, Pipe, PipeId, Pipes};
use crate::arrival::Arrival;
use crate::counters::DropReason;
use crate::message::Message;

impl Pipes {
    /// Whether a whole message can be read.
    #[inline]
    pub(crate) fn has_message(&mut self, id: PipeId) -> bool {
        let Pipes { slots, drained, notices, noted, counters, .. } = self;
        let pipe = match slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation => pipe,
            _ => return false,
        };
        if !pipe.inbox.is_empty() {
            return true;
        }
        let Line::Duct(_, reader, peer) = &mut pipe.line else { return false };
        let there = reader.has_message();
        let fresh = reader.take_fresh();
        counters.arrived += fresh;
        pipe.counters.arrived += fresh;
        *noted |= fresh > 0 && hold_late();
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

    /// Puts the next message in its place, if it is what most are, one part, and there is nothing to be told anybody.
    /// `false`, and nothing has happened, if it is not so simple. It does what [`read`](Pipes::read) or
    /// [`read_counted`](Pipes::read_counted) would do, in half the steps.
    #[inline(always)]
    pub(crate) fn read_swiftly<const COUNT: bool>(&mut self, id: PipeId, out: &mut impl Arrival) -> bool {
        let Some(pipe) = self.slots.get_mut(id.index as usize) else { return false };
        if pipe.generation != id.generation || pipe.paused {
            return false;
        }
        let popped = match &mut pipe.line {
            Line::Duct(_, reader, _) => pipe.inbox.is_empty().then(|| reader.pop_swiftly(out)).flatten(),
            _ => pipe.inbox.pop_swiftly(out),
        };
        let Some(bytes) = popped else { return self.read_last_swiftly::<COUNT>(id, out) };
        out.came_by(pipe.facts.metadata.as_ref());
        if COUNT {
            pipe.counters.received(bytes as u64);
            self.last_received = Some(id);
        }
        true
    }

    /// The same, of the last message that one read of a connection has brought.
    #[inline(never)]
    fn read_last_swiftly<const COUNT: bool>(&mut self, id: PipeId, out: &mut impl Arrival) -> bool {
        let Some(Pipe { line: Line::Stream(link, _), inbox, facts, counters, ended: false, .. }) = self.get_mut(id)
        else {
            return false;
        };
        let Some((bytes, memory)) = inbox.pop_last_swiftly(out) else { return false };
        link.io.memory.give(memory);
        out.came_by(facts.metadata.as_ref());
        let drained = inbox.is_empty();
        if COUNT {
            counters.received(bytes as u64);
            self.last_received = Some(id);
        }
        self.unread_pipes -= usize::from(drained);
        true
    }

    /// Puts the first part of the next message in its place and the others behind those in `rest`, if one read of a
    /// connection has brought that message and more behind it, and there is nothing to be told anybody. Answers its bytes;
    /// `None`, and both have anything, if it is not so simple.
    pub(crate) fn read_parts_swiftly<const COUNT: bool>(
        &mut self,
        id: PipeId,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> Option<usize> {
        let pipe = self.get_mut(id).filter(|pipe| !pipe.paused)?;
        let bytes = pipe.inbox.pop_parts_swiftly(first, rest)?;
        first.came_by(pipe.facts.metadata.as_ref());
        if COUNT {
            pipe.counters.received(bytes as u64);
            self.last_received = Some(id);
        }
        Some(bytes)
    }

    #[inline]
    fn read_as<const COUNT: bool>(&mut self, id: PipeId, out: &mut Message) -> bool {
        let low_mark = self.recv_mark.div_ceil(2);
        let by_parts = self.glance.is_some();
        let pipe = match self.slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation => pipe,
            _ => return false,
        };
        if pipe.inbox.is_empty() {
            let Line::Duct(_, reader, peer) = &mut pipe.line else { return false };
            let popped = reader.pop(out, by_parts);
            if by_parts && reader.holds() {
                self.held = Some(id);
            }
            let fresh = reader.take_fresh();
            self.counters.arrived += fresh;
            pipe.counters.arrived += fresh;
            self.noted |= fresh > 0 && hold_late();
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
            let line = &pipe.line;
            let is_there = pipe.inbox.pop(out, |memory| {
                if let Line::Stream(link, _) = line {
                    link.io.memory.give(memory);
                }
            });
            if pipe.inbox.is_empty() {
                self.unread_pipes -= 1;
            }
            if !is_there {
                return false;
            }
            if pipe.paused && pipe.inbox.messages() < low_mark {
                self.noted = true;
                self.resumed.push(id);
            }
            if pipe.ended && pipe.inbox.is_empty() {
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
    pub(crate) fn deliver_run(&mut self, id: PipeId, run: Run) -> bool {
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox.is_empty();
        if pipe.conflate {
            return self.deliver_newest(id, run);
        }
        let messages = run.messages();
        pipe.counters.arrived += messages as u64;
        pipe.inbox.push_run(run);
        self.counters.arrived += messages as u64;
        self.unread_pipes += usize::from(was_empty && messages > 0);
        was_empty
    }

    /// Adds one message that arrived. Answers whether the inbox was empty before.
    pub(crate) fn deliver_message(&mut self, id: PipeId, message: Message) -> bool {
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox.is_empty();
        pipe.counters.arrived += 1;
        pipe.inbox.push(message);
        self.counters.arrived += 1;
        self.unread_pipes += usize::from(was_empty);
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
        let was_empty = pipe.inbox.is_empty();
        superseded += std::mem::take(&mut pipe.inbox).messages() as u64;
        pipe.inbox.push(newest);
        pipe.counters.arrived += arrived;
        pipe.counters.drop(DropReason::Conflated, superseded);
        self.unread_pipes += usize::from(was_empty);
        self.counters.arrived += arrived;
        self.counters.drop(DropReason::Conflated, superseded);
        was_empty
    }

    /// Throws unread messages away.
    pub(crate) fn discard_inbox(&mut self, id: PipeId) {
        if let Some(pipe) = self.get_mut(id) {
            let dropped = std::mem::take(&mut pipe.inbox).messages();
            pipe.counters.drop(DropReason::Unread, dropped as u64);
            self.unread_pipes -= usize::from(dropped > 0);
            self.counters.drop(DropReason::Unread, dropped as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use zmtp::{Framing, Memory};

    use super::*;
    use crate::pipe::PeerFacts;

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
            assert_eq!(
                (one.unread_pipes, one.counters, one.last_received),
                (other.unread_pipes, other.counters, Some(id))
            );
            let of_pipe = |pipes: &Pipes| pipes.get(id).map(|pipe: &Pipe| (pipe.inbox.messages(), pipe.counters));
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
