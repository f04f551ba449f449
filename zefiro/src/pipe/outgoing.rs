//! What is written to pipes: messages and requests, each to the queue of what lies behind the pipe.

use zmtp::{Frame, Framing};

use super::broadcast::{Broadcast, Place};
use super::outbox::{self, Extent, Format, Outbox, WriteState};
use super::pool::Pool;
use super::window::{self, Glance, Window};
use super::{Line, Notice, Pipe, PipeId, Pipes};
use crate::counters::DropReason;
use crate::message::{Message, clear_frames};
use crate::part::Part;
use crate::routing::request::{Form, group_message, subscription_message};

impl Pipes {
    /// Whether one more message fits. `false` also asks for [`Pattern::on_writable`] when one does again.
    ///
    /// [`Pattern::on_writable`]: crate::pattern::Pattern::on_writable
    #[inline]
    pub(crate) fn has_room(&mut self, id: PipeId) -> bool {
        self.room(id) == Room::Enough
    }

    /// As [`has_room`](Pipes::has_room), for who treats a pipe that is full otherwise than one that is not said to have
    /// room.
    #[inline]
    pub(crate) fn room(&mut self, id: PipeId) -> Room {
        let limits = self.limits();
        let room = self.get_mut(id).map_or(Room::None, |pipe| pipe.room(limits));
        self.unnoticed |= room == Room::Unnoticed;
        room
    }

    #[inline]
    fn limits(&self) -> Limits {
        Limits { mark: self.send_mark, bytes: self.send_bytes, glance: self.glance }
    }

    /// The program looks what has left its pipes.
    pub(crate) fn note_look(&mut self) {
        if let Some(glance) = &mut self.glance {
            glance.look += 1;
        }
    }

    /// Whether the program is in a hurry now, as [`window`](super::window) says.
    #[inline]
    pub(crate) fn hurry(&mut self, hurried: bool) {
        if let Some(glance) = &mut self.glance {
            glance.hurried = hurried;
        }
    }

    /// Queues what most messages are, one small part, on a pipe with room. `false`, and nothing has happened, if it
    /// is not so simple. It does what [`write_if_room`](Pipes::write_if_room) would do, in a third of the steps.
    #[inline(always)]
    pub(crate) fn write_swiftly(&mut self, id: PipeId, part: &(impl Part + ?Sized)) -> bool {
        let limits = self.limits();
        let Pipes { slots, pool, dirty, noted, .. } = self;
        let Some(pipe) = slots.get_mut(id.index as usize) else { return false };
        if pipe.generation != id.generation || pipe.closing | pipe.ended | pipe.conflate | pipe.follows.is_some() {
            return false;
        }
        let Line::Stream(_, outbox) = &mut pipe.line else { return self.write_to_duct_swiftly(id, part) };
        if !limits.leave_room(outbox, pipe.counters.sent)
            || !limits.notice_room(outbox, &mut pipe.window, pipe.counters.sent)
            || !outbox.push_swiftly(pool, part)
        {
            return false;
        }
        pipe.counters.sent(part.len() as u64);
        if needs_writer(outbox) {
            *noted = true;
            dirty.push(id);
        }
        true
    }

    /// As [`write_swiftly`](Pipes::write_swiftly), of a message of several parts: those of `head`, but for so many that are to
    /// be `left` out, and the `last`. Once it is queued, anything is left of `head`.
    pub(crate) fn write_parts_swiftly(
        &mut self,
        id: PipeId,
        head: &mut Message,
        left: usize,
        last: &(impl Part + ?Sized),
    ) -> bool {
        let limits = self.limits();
        let Pipes { slots, pool, dirty, notices, noted, .. } = self;
        let Some(pipe) = slots.get_mut(id.index as usize) else { return false };
        if pipe.generation != id.generation || pipe.closing | pipe.ended | pipe.conflate | pipe.follows.is_some() {
            return false;
        }
        let bytes = head.frames().skip(left).map(|part| part.len()).sum::<usize>() + last.len();
        match &mut pipe.line {
            Line::Stream(_, outbox) => {
                if !limits.leave_room(outbox, pipe.counters.sent)
                    || !limits.notice_room(outbox, &mut pipe.window, pipe.counters.sent)
                    || !outbox.push_parts_swiftly(pool, head.frames().skip(left), last)
                {
                    return false;
                }
                if needs_writer(outbox) {
                    *noted = true;
                    dirty.push(id);
                }
            }
            Line::Duct(writer, _, peer) => {
                if limits.glance.is_none() || bytes > outbox::COPY_BYTES_MAX || !writer.has_room() {
                    return false;
                }
                if writer.push_parts(head, left, last) {
                    *noted = true;
                    notices.push(Notice::Readable(peer.clone()));
                }
            }
            _ => return false,
        }
        pipe.counters.sent(bytes as u64);
        true
    }

    /// Queues a part of a C program's on a pipe to a peer in the process, if that is what it is, and has room; large ones are
    /// copied where nothing is locked. What a Rust program sends is moved there, not copied.
    #[inline(never)]
    fn write_to_duct_swiftly(&mut self, id: PipeId, part: &(impl Part + ?Sized)) -> bool {
        if self.glance.is_none() {
            return false;
        }
        let Some(pipe) = self.slots.get_mut(id.index as usize) else { return false };
        let Line::Duct(writer, _, peer) = &mut pipe.line else { return false };
        if part.len() > outbox::COPY_BYTES_MAX || !writer.has_room() {
            return false;
        }
        if writer.push_part(part) {
            self.noted = true;
            self.notices.push(Notice::Readable(peer.clone()));
        }
        pipe.counters.sent(part.len() as u64);
        true
    }

    /// Queues a message as [`write`](Pipes::write) does, if it fits.
    #[inline]
    pub(crate) fn write_if_room(&mut self, id: PipeId, message: &mut Message) -> Room {
        self.write_as::<true>(id, None, message)
    }

    /// Queues a message, whatever the mark says, and leaves an empty one in its place; a pipe that has ended drops and
    /// counts it.
    #[inline]
    pub(crate) fn write(&mut self, id: PipeId, message: &mut Message) {
        self.write_as::<false>(id, None, message);
    }

    /// Queues a message with the frames of `envelope` before its own. Where they have to be put together, the memory of
    /// `list`, which is empty, is used for it.
    pub(crate) fn write_with_envelope(
        &mut self,
        id: PipeId,
        envelope: &[Frame],
        list: &mut Vec<Frame>,
        message: &mut Message,
    ) {
        self.write_as::<false>(id, Some((envelope, list)), message);
    }

    /// Answers whether there was room, and the message is the pipe's now. It is a part of the way of all that is sent, so
    /// each of those who come by here has it inlined, without what it has no use for.
    #[inline(always)]
    fn write_as<const IF_ROOM: bool>(
        &mut self,
        id: PipeId,
        envelope: Option<(&[Frame], &mut Vec<Frame>)>,
        message: &mut Message,
    ) -> Room {
        let limits = self.limits();
        let Pipes { slots, pool, broadcast, followers, dirty, notices, datagrams, counters, noted, unnoticed, .. } =
            self;
        let pipe = match slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation && !pipe.closing && !pipe.ended => pipe,
            _ if IF_ROOM => return Room::None,
            _ => {
                counters.sent_to_nobody(message.byte_len() as u64);
                return Room::None;
            }
        };
        if pipe.follows.is_some() {
            followers.part(id, pipe, pool, broadcast);
        }
        if IF_ROOM {
            let room = pipe.room(limits);
            if room != Room::Enough {
                *unnoticed |= room == Room::Unnoticed;
                return room;
            }
        }
        pipe.counters.sent(message.byte_len() as u64);
        match &mut pipe.line {
            Line::Backlog(queue) => {
                if pipe.conflate && !queue.is_empty() {
                    counters.drop(DropReason::Conflated, queue.len() as u64);
                    queue.clear();
                }
                queue.push_back(enveloped(envelope, message));
            }
            Line::Stream(_, outbox) => {
                if pipe.conflate {
                    counters.drop(DropReason::Conflated, outbox.clear_messages() as u64);
                }
                outbox.push(pool, envelope.map_or(&[], |(envelope, _)| envelope), message);
                if needs_writer(outbox) {
                    *noted = true;
                    dirty.push(id);
                }
            }
            Line::Duct(writer, _, peer) => {
                let told = match envelope {
                    None => writer.push(message),
                    Some((envelope, list)) => {
                        *message = enveloped(Some((envelope, &mut *list)), message);
                        let told = writer.push(message);
                        // The next one's envelope goes there, or the next answer.
                        std::mem::swap(list, message.parts_mut().1);
                        clear_frames(list);
                        told
                    }
                };
                if told {
                    *noted = true;
                    notices.push(Notice::Readable(peer.clone()));
                }
            }
            Line::Datagrams(out) => {
                *noted = true;
                counters.delivered += 1;
                pipe.counters.delivered += 1;
                datagrams.push((out.clone(), enveloped(envelope, message)));
            }
        }
        Room::Enough
    }

    /// Queues one message on each of the pipes that has room; the others miss it, which is counted.
    pub(crate) fn fan_out(&mut self, ids: &[PipeId], message: &mut Message) {
        // One alone changes nothing for those who follow.
        if let [id] = *ids {
            if self.write_if_room(id, message) != Room::Enough {
                self.counters.drop(DropReason::HighWaterMark, 1);
                if let Some(pipe) = self.get_mut(id) {
                    pipe.counters.drop(DropReason::HighWaterMark, 1);
                }
            }
            return;
        }
        let size = message.byte_len();
        let together = size <= outbox::COPY_BYTES_MAX;
        if !together {
            self.catch_up();
        }
        let others = self.gather(ids);
        let mut last = None;
        let append = |broadcast: &mut Broadcast, pool: &mut Pool| broadcast.append(pool, message);
        self.spread(others, size, together.then_some(append), |pipes, id| {
            if let Some(previous) = last.replace(id) {
                // One clone less: the last such pipe gets the message itself.
                pipes.write(previous, &mut message.clone());
            }
        });
        if let Some(id) = last {
            self.write(id, message);
        }
    }

    /// As [`fan_out`](Pipes::fan_out) does it, of what most messages are, one small part, if all pipes are connections, or
    /// there is one alone. `false`, and nothing has happened, if it is not so simple.
    #[inline]
    pub(crate) fn fan_out_swiftly(&mut self, ids: &[PipeId], part: &(impl Part + ?Sized)) -> bool {
        match *ids {
            [] => false,
            [id] => self.write_swiftly(id, part),
            _ => self.fan_out_together(ids, part.len(), |broadcast, pool| broadcast.append_part(pool, part)),
        }
    }

    /// As [`fan_out_swiftly`](Pipes::fan_out_swiftly), of a message of several parts. Once it is queued, anything is left of
    /// `head`.
    pub(crate) fn fan_out_parts_swiftly(
        &mut self,
        ids: &[PipeId],
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        match *ids {
            [] => false,
            [id] => self.write_parts_swiftly(id, head, 0, last),
            _ => self.fan_out_together(ids, head.byte_len() + last.len(), |broadcast, pool| {
                broadcast.append_parts(pool, head, last)
            }),
        }
    }

    /// Queues a message of `size` bytes on each of the pipes that has room, if all can take it from the log, to which it is
    /// added by `append`.
    #[inline]
    fn fan_out_together(
        &mut self,
        ids: &[PipeId],
        size: usize,
        append: impl Fn(&mut Broadcast, &mut Pool) -> Place,
    ) -> bool {
        if size > outbox::COPY_BYTES_MAX {
            return false;
        }
        let others = self.gather(ids);
        let simple = others.iter().all(|&id| self.get(id).is_some_and(Pipe::takes_passages));
        if simple {
            self.spread(others, size, Some(append), |_, _| {});
        } else {
            self.disperse(others);
        }
        simple
    }

    /// Queues one message on each of the pipes that has room: all who follow, and `others`. Those who can take it from the
    /// log do, if there is a way to `append` it; the rest is left to `write`.
    #[inline]
    fn spread(
        &mut self,
        mut others: Vec<PipeId>,
        size: usize,
        append: Option<impl Fn(&mut Broadcast, &mut Pool) -> Place>,
        mut write: impl FnMut(&mut Pipes, PipeId),
    ) {
        let mut place = append.as_ref().and_then(|append| self.tell(size, append));
        let limits = self.limits();
        others.retain(|&id| {
            let Pipes { slots, pool, broadcast, followers, dirty, counters, noted, unnoticed, .. } = self;
            let pipe = slots.get_mut(id.index as usize).filter(|pipe| pipe.generation == id.generation);
            let Some(pipe) = pipe else {
                counters.drop(DropReason::HighWaterMark, 1);
                return true;
            };
            let room = pipe.room(limits);
            if room != Room::Enough {
                *unnoticed |= room == Room::Unnoticed;
                counters.drop(DropReason::HighWaterMark, 1);
                pipe.counters.drop(DropReason::HighWaterMark, 1);
                return true;
            }
            let (Some(append), true) = (&append, pipe.takes_passages()) else {
                write(self, id);
                return true;
            };
            let Line::Stream(_, outbox) = &mut pipe.line else { return true };
            let place = *place.get_or_insert_with(|| append(broadcast, pool));
            pipe.counters.sent(size as u64);
            outbox.push_from(pool, broadcast, place);
            if needs_writer(outbox) {
                *noted = true;
                dirty.push(id);
                return true;
            }
            let left = limits.left(outbox, &pipe.window, pipe.counters.sent);
            !followers.join(pipe, broadcast, left, limits.glance)
        });
        self.disperse(others);
    }

    /// Whether one of the pipes that could be written to has no room.
    pub(crate) fn any_full(&mut self, ids: &[PipeId]) -> bool {
        let is_full = |pipes: &mut Pipes, id| pipes.is_open(id) && !pipes.has_room(id);
        match *ids {
            [] => false,
            [id] => is_full(self, id),
            _ => {
                let others = self.gather(ids);
                // Each is asked, so that each that is full tells when it is not any more.
                let full = others.iter().fold(false, |full, &id| full | is_full(self, id));
                self.disperse(others);
                full
            }
        }
    }

    /// Keeps a subscription, or its end, for the next connection of a pipe that has none, behind the messages that wait
    /// there. `false`: they are too many, and none are kept.
    pub(crate) fn write_early(&mut self, id: PipeId, form: Form, subscribe: bool, topic: &[u8]) -> bool {
        match self.get_mut(id) {
            Some(Pipe { line: Line::Backlog(queue), early, .. }) => early.add(queue.len(), form, subscribe, topic),
            _ => false,
        }
    }

    /// Sends a subscription, or its end, upstream, whatever the mark says. It is dropped when the pipe is not connected.
    pub(crate) fn write_subscription(&mut self, id: PipeId, form: Form, subscribe: bool, topic: &[u8]) {
        self.write_request(
            id,
            |outbox, pool| outbox.push_subscription(pool, form, subscribe, topic),
            || subscription_message(subscribe, topic),
        );
    }

    /// Tells a peer that a group is joined, or left, whatever the mark says; as
    /// [`write_subscription`](Pipes::write_subscription) does it.
    pub(crate) fn write_group(&mut self, id: PipeId, join: bool, group: &[u8]) {
        self.write_request(id, |outbox, pool| outbox.push_group(pool, join, group), || group_message(join, group));
    }

    /// What a connected peer is told of a change here: on a stream a command, or a message in the bytes of the wire;
    /// within the process a message.
    fn write_request(
        &mut self,
        id: PipeId,
        command: impl FnOnce(&mut Outbox, &mut Pool),
        message: impl FnOnce() -> Message,
    ) {
        if !self.is_open(id) {
            return;
        }
        let Pipes { slots, pool, broadcast, followers, dirty, notices, noted, .. } = self;
        let Some(pipe) = slots.get_mut(id.index as usize) else { return };
        if pipe.follows.is_some() {
            followers.part(id, pipe, pool, broadcast);
        }
        match &mut pipe.line {
            Line::Backlog(_) | Line::Datagrams(_) => {}
            Line::Stream(_, outbox) => {
                command(outbox, pool);
                if needs_writer(outbox) {
                    *noted = true;
                    dirty.push(id);
                }
            }
            Line::Duct(writer, _, peer) => {
                if writer.push_request(&mut message()) {
                    *noted = true;
                    notices.push(Notice::Readable(peer.clone()));
                }
            }
        }
    }

    /// Whether a writer was refused and is to be told that there is room now; asked once.
    pub(crate) fn take_room_again(&mut self, id: PipeId) -> bool {
        let limits = self.limits();
        self.get_mut(id).is_some_and(|pipe| {
            let Pipe { line: Line::Stream(_, outbox), counters, wants_room, .. } = pipe else { return false };
            limits.leave_room(outbox, counters.sent) && std::mem::take(wants_room)
        })
    }

    /// Whether a writer was refused and waits to be told of room; asked once.
    pub(crate) fn take_wants_room(&mut self, id: PipeId) -> bool {
        self.get_mut(id).is_some_and(|pipe| std::mem::take(&mut pipe.wants_room))
    }
}

impl Pipe {
    /// Whether it can take messages from the log, or at least later ones.
    #[inline]
    fn takes_passages(&self) -> bool {
        let Line::Stream(_, outbox) = &self.line else { return false };
        !self.conflate && matches!(outbox.format(), Format::Zmtp(Framing::V2, _))
    }

    /// Whether one more message fits; if not, its writer wants to know when one does.
    #[inline]
    fn room(&mut self, limits: Limits) -> Room {
        if self.closing || self.ended {
            return Room::None;
        }
        let mark = limits.mark;
        let room = |fits: bool| if fits { Room::Enough } else { Room::None };
        let room = match &mut self.line {
            _ if self.conflate => Room::Enough,
            Line::Backlog(queue) => room(mark == 0 || queue.len() < mark),
            Line::Stream(_, outbox) if !limits.leave_room(outbox, self.counters.sent) => Room::None,
            Line::Stream(_, outbox) if !limits.notice_room(outbox, &mut self.window, self.counters.sent) => {
                Room::Unnoticed
            }
            Line::Stream(..) => Room::Enough,
            Line::Duct(writer, ..) => room(writer.has_room()),
            Line::Datagrams(_) => Room::Enough,
        };
        self.wants_room |= room != Room::Enough;
        room
    }
}

/// What decides whether a message fits.
#[derive(Clone, Copy)]
struct Limits {
    mark: usize,
    bytes: usize,
    glance: Option<Glance>,
}

impl Limits {
    /// Whether one more message fits.
    #[inline(always)]
    fn leave_room(self, outbox: &Outbox, sent: u64) -> bool {
        let Extent { messages, bytes } = outbox.waiting();
        let room = match self.glance {
            _ if self.mark == 0 => true,
            Some(_) => window::leave_room(self.mark as u64, sent, messages as u64),
            None => messages < self.mark,
        };
        room && (self.bytes == 0 || bytes < self.bytes)
    }

    /// How much more may go, without another look, into an outbox that has had room just now: as much as fits for sure, and
    /// as may be there before its sender [is to write it](needs_writer).
    fn left(self, outbox: &Outbox, window: &Window, sent: u64) -> Extent {
        let waiting = outbox.waiting();
        let messages = match self.glance {
            _ if self.mark == 0 => usize::MAX,
            Some(_) => window.left(self.mark as u64, sent, waiting.messages as u64) as usize,
            None => self.mark.saturating_sub(waiting.messages),
        };
        let fits = if self.bytes == 0 { usize::MAX } else { self.bytes.saturating_sub(waiting.bytes) };
        let unhelped = match outbox.state() {
            WriteState::Queued => HELP_BYTES.saturating_sub(outbox.bytes()),
            _ => usize::MAX,
        };
        Extent { messages, bytes: fits.min(unhelped) }
    }

    /// Whether the program knows, of an outbox with room.
    #[inline(always)]
    fn notice_room(self, outbox: &Outbox, window: &mut Window, sent: u64) -> bool {
        match self.glance {
            Some(glance) if self.mark > 0 => window.admits(self.mark, sent, outbox.waiting().messages, glance),
            _ => true,
        }
    }
}

/// Whether a message fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    Enough,
    None,
    /// It would, but the program has not looked since. See [`window`](super::window).
    Unnoticed,
}

/// Whether `outbox` has something to write and nobody who will soon.
#[inline]
fn needs_writer(outbox: &Outbox) -> bool {
    match outbox.state() {
        WriteState::Idle => true,
        WriteState::Queued => outbox.bytes() >= HELP_BYTES || outbox.is_full_burst(),
        _ => false,
    }
}

#[inline(never)]
fn enveloped(envelope: Option<(&[Frame], &mut Vec<Frame>)>, message: &mut Message) -> Message {
    let mut message = std::mem::take(message);
    let Some((envelope, list)) = envelope else { return message };
    let Some((first, others)) = envelope.split_first() else { return message };
    let mut frames = std::mem::take(list);
    frames.extend_from_slice(others);
    let (body, rest) = message.parts_mut();
    frames.push(std::mem::take(body));
    frames.append(rest);
    Message::from_parts(first.clone(), frames)
}

/// A sender that finds this much waiting for the I/O thread writes it itself.
pub(crate) const HELP_BYTES: usize = 64 * 1024;

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Context, Pull, Push};

    /// What a message changes.
    fn standing(pipes: &Pipes, id: PipeId) -> impl PartialEq + std::fmt::Debug {
        let pipe = pipes.get(id).unwrap();
        let Line::Stream(_, outbox) = &pipe.line else { panic!("a connection is a stream") };
        let queued = (outbox.waiting(), outbox.state());
        (queued, pipe.counters, pipes.counters, pipes.noted, pipes.dirty.clone(), pipes.unnoticed, pipe.wants_room)
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn what_is_written_swiftly_is_what_is_written() {
        let context = Context::new();
        let pull = Pull::builder().context(&context).build().unwrap();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        let connected = || {
            let push = Push::builder().context(&context).linger(Duration::ZERO).build().unwrap();
            push.connect(&endpoint).unwrap();
            push.wait_connected(1, Duration::from_secs(30)).unwrap();
            push
        };
        let (one, other) = (connected(), connected());
        // Nobody else touches their pipes: the locks are held to the end.
        let (mut one, mut other) = (one.core().lock(), other.core().lock());
        let (one, other) = (&mut one.pipes, &mut other.pipes);
        let id = one.ids()[0];
        assert_eq!(other.ids(), [id]);
        let mut swift = 0;
        let mut both = |one: &mut Pipes, other: &mut Pipes, len: usize| {
            let mut message = Message::from(vec![0; len]);
            let swiftly = one.write_swiftly(id, message.as_single().unwrap());
            let room = if swiftly { Room::Enough } else { one.write_if_room(id, &mut message) };
            assert!(room == other.write_if_room(id, &mut Message::from(vec![0; len])), "{len}");
            assert_eq!(standing(one, id), standing(other, id), "{len}");
            swift += usize::from(swiftly);
            room
        };
        type Set = fn(&mut Pipes, PipeId);
        let settings: [Set; 9] = [
            |pipes, _| (pipes.send_mark, pipes.send_bytes) = (0, 0),
            |pipes, _| pipes.glance = Some(Glance::default()),
            |pipes, id| outbox(pipes, id).set_state(WriteState::Queued),
            // Up to what a sender writes itself, and beyond.
            |pipes, _| pipes.dirty.clear(),
            |pipes, _| pipes.send_mark = 1000,
            |pipes, _| pipes.hurry(true),
            |pipes, id| (pipes.send_mark, pipes.send_bytes) = (0, outbox(pipes, id).bytes() + 300),
            |pipes, id| (pipes.send_bytes, pipes.get_mut(id).unwrap().closing) = (0, true),
            |pipes, id| (pipes.get_mut(id).unwrap().closing, pipes.get_mut(id).unwrap().ended) = (false, true),
        ];
        for set in settings {
            set(one, id);
            set(other, id);
            for len in (0..300).chain([5000; 12]).chain([9000, 1, 1]) {
                both(one, other, len);
            }
        }
        assert!(swift > 1000, "{swift}");
        for pipes in [one, other] {
            pipes.get_mut(id).unwrap().ended = false;
            outbox(pipes, id).clear_messages();
            outbox(pipes, id).set_state(WriteState::Idle);
        }
    }

    fn outbox(pipes: &mut Pipes, id: PipeId) -> &mut Outbox {
        match &mut pipes.get_mut(id).unwrap().line {
            Line::Stream(_, outbox) => outbox,
            _ => panic!("a connection is a stream"),
        }
    }
}
