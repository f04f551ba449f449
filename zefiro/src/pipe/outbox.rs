//! Outbox: what a pipe has to say to its peer, already in the bytes of the wire, until one thread takes it to write.
//!
//! The socket's lock guards an outbox; the bytes being written are out of it, in a [`Batch`] that exactly one thread
//! owns. [`WriteState`] says who may own it. The states and the way between them follow one rule: *whenever something
//! is pending, somebody is due to write it*, so `Idle` with something pending is never seen by another thread.
//!
//! ```text
//!         publish, direct                     nothing left
//!   Idle ───────────────────► Draining ───────────────────────► Idle
//!     │ publish, not direct     ▲  │  ▲
//!     └──────► Queued ──────────┘  │  └── output possible ─┐
//!              (I/O thread, helper)└─► kernel full ──► Blocked
//! ```

use zmtp::{Frame, Framing, Version};

use super::batch::{Batch, Remains, SEGMENTS_KEPT, Segment};
use super::broadcast::{Broadcast, Passage, Place};
use super::pool::Pool;
use super::reclaim::reclaim;
use crate::message::Message;
use crate::part::Part;
use crate::routing::request::Form;

/// Encoded messages and commands that wait to be written, and who is to write them.
pub(crate) struct Outbox {
    format: Format,
    state: WriteState,
    segments: Vec<Segment>,
    open: Vec<u8>,
    control: Vec<u8>,
    messages: usize,
    /// Those of them that are the engine's own: subscriptions, groups.
    requests: usize,
    bytes: usize,
    /// Messages in the batch that is being written.
    in_flight: usize,
    requests_in_flight: usize,
    bytes_in_flight: usize,
    /// What of them the kernel has not begun, as far as that is known and matters.
    unbegun: Extent,
    /// Where in the socket's log its last message from there ends.
    heard: u64,
    /// How often it was taken: how others see that it is being written.
    taken: u32,
    /// The I/O thread has it on its patrol.
    pub(crate) on_patrol: bool,
    /// It is filled with a burst that the sender is going to write, if that is short.
    pub(crate) bursts: bool,
    /// Its first message is the connection's own, and has not been written.
    greets: bool,
    /// The batch that cannot go on just now, or an empty one kept for its memory.
    spare: Batch,
}

/// How frames become bytes on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// ZMTP frames, with the peer's version, which decides how subscriptions are spelled.
    Zmtp(Framing, Version),
    /// STREAM: bodies only.
    Raw,
}

/// Who is due to write. See the module's picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WriteState {
    /// Nothing is pending, nobody writes.
    Idle,
    /// The I/O thread has been told, and has not begun; a helper may take over.
    Queued,
    /// One thread owns the batch and the output side of the descriptor.
    Draining,
    /// The kernel's buffer is full; the I/O thread goes on when it has room.
    Blocked,
    /// The connection is gone.
    Dead,
}

/// Messages, and their bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// What became of the messages of an outbox whose connection is lost.
pub(crate) struct Reclaimed {
    /// The whole messages of which the kernel has seen nothing, in order.
    pub(crate) kept: Vec<Message>,
    /// How many were lost: the kernel had a part of them, or they were the connection's own.
    pub(crate) lost: usize,
    /// How many the kernel had taken whole.
    pub(crate) delivered: usize,
}

impl Outbox {
    pub(crate) fn new(format: Format) -> Outbox {
        Outbox {
            format,
            state: WriteState::Idle,
            segments: Vec::new(),
            open: Vec::new(),
            control: Vec::new(),
            messages: 0,
            requests: 0,
            bytes: 0,
            in_flight: 0,
            requests_in_flight: 0,
            bytes_in_flight: 0,
            unbegun: Extent::default(),
            heard: 0,
            taken: 0,
            on_patrol: false,
            bursts: false,
            greets: false,
            spare: Batch::default(),
        }
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn state(&self) -> WriteState {
        self.state
    }

    pub(crate) fn set_state(&mut self, state: WriteState) {
        if self.state != WriteState::Dead {
            self.state = state;
        }
    }

    /// What the marks count: what no writer has taken yet, and of a large batch what the kernel has not begun.
    #[inline]
    pub(crate) fn waiting(&self) -> Extent {
        Extent { messages: self.messages + self.unbegun.messages, bytes: self.bytes + self.unbegun.bytes }
    }

    /// Messages not yet given to the kernel: what lingering waits for.
    pub(crate) fn unsent(&self) -> usize {
        self.messages + self.in_flight
    }

    /// Those of them that the program has sent.
    pub(crate) fn unsent_messages(&self) -> usize {
        self.unsent() - self.requests - self.requests_in_flight
    }

    /// Bytes not yet taken by a writer, headers included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it has so much of a burst that the I/O thread is to begin with it while the sender goes on.
    #[inline]
    pub(crate) fn is_full_burst(&self) -> bool {
        self.bursts && self.messages >= BURST_MESSAGES_MAX
    }

    /// Whether there is anything to write.
    pub(crate) fn is_pending(&self) -> bool {
        self.messages > 0 || !self.open.is_empty() || !self.control.is_empty()
    }

    /// Adds a message, with `envelope` before its frames. Large bodies are referred to, not copied.
    #[inline]
    pub(crate) fn push(&mut self, pool: &mut Pool, envelope: &[Frame], message: &mut Message) {
        self.messages += 1;
        self.prepare(pool, self.open.len());
        let (first, rest) = message.parts_mut();
        if envelope.is_empty() && rest.is_empty() {
            return self.push_frame(pool, first, false);
        }
        for frame in envelope {
            self.push_frame(pool, frame, true);
        }
        self.push_frame(pool, first, !rest.is_empty());
        if let Some((last, between)) = rest.split_last() {
            for frame in between {
                self.push_frame(pool, frame, true);
            }
            self.push_frame(pool, last, false);
        }
    }

    /// Adds a message of one part, if that is small and no buffer is full with it.
    #[inline(never)]
    pub(crate) fn push_swiftly(&mut self, pool: &mut Pool, part: &(impl Part + ?Sized)) -> bool {
        let (before, len) = (self.open.len(), part.len());
        if len > COPY_BYTES_MAX || before >= SEGMENT_BYTES {
            return false;
        }
        let Format::Zmtp(framing @ Framing::V2, _) = self.format else { return false };
        let room = HEADER_BYTES_MAX + len.max(Frame::INLINE_MAX);
        if self.open.capacity() - before < room {
            self.make_room(pool, room);
        }
        framing.encode_header(&mut self.open, len, false, false);
        part.append_to(&mut self.open);
        self.bytes += self.open.len() - before;
        self.messages += 1;
        true
    }

    /// Adds, as the first of all, the message that each connection begins with: it does not go to the next one.
    pub(crate) fn push_greeting(&mut self, pool: &mut Pool, message: Frame) {
        self.greets = true;
        self.push(pool, &[], &mut Message::from(message));
    }

    /// Adds the last message of the socket's log, which many peers get. The first is copied; those that follow without a gap are
    /// referred to.
    #[inline]
    pub(crate) fn push_from(&mut self, pool: &mut Pool, broadcast: &mut Broadcast, place: Place) {
        self.messages += 1;
        self.bytes += place.len();
        let follows = std::mem::replace(&mut self.heard, place.end) == place.start;
        if follows
            && self.open.is_empty()
            && let Some(Segment::Passage(passage)) = self.segments.last_mut()
            && broadcast.extend(passage, place)
        {
            return;
        }
        if follows {
            self.push_passage(pool, broadcast, broadcast.passage(place));
            return;
        }
        if let Some(last) = self.segments.last_mut() {
            broadcast.copy_short(pool, last);
        }
        self.prepare(pool, self.open.len());
        self.open.extend_from_slice(broadcast.bytes(place));
    }

    /// Adds all messages, so many, that the socket's log has after the last one of them that is here.
    pub(super) fn push_since(&mut self, pool: &mut Pool, broadcast: &Broadcast, messages: usize) {
        self.messages += messages;
        let heard = std::mem::replace(&mut self.heard, broadcast.end());
        self.bytes += (self.heard - heard) as usize;
        for passage in broadcast.since(heard) {
            let goes_on = match self.segments.last_mut() {
                Some(Segment::Passage(last)) => self.open.is_empty() && last.go_on(&passage),
                _ => false,
            };
            if !goes_on {
                self.push_passage(pool, broadcast, passage);
            }
        }
    }

    fn push_passage(&mut self, pool: &mut Pool, broadcast: &Broadcast, passage: Passage) {
        if let Some(last) = self.segments.last_mut() {
            broadcast.copy_short(pool, last);
        }
        if !self.open.is_empty() {
            self.segments.push(Segment::Bytes(std::mem::take(&mut self.open)));
        }
        self.segments.push(Segment::Passage(passage));
    }

    /// Adds a subscription or its end.
    pub(crate) fn push_subscription(&mut self, pool: &mut Pool, form: Form, subscribe: bool, topic: &[u8]) {
        let Format::Zmtp(framing, version) = self.format else { return };
        let version = if form == Form::Message { Version::V3_0 } else { version };
        self.prepare(pool, self.open.len());
        let before = self.open.len();
        framing.encode_subscription(&mut self.open, version, subscribe, topic);
        self.bytes += self.open.len() - before;
        self.messages += 1;
        self.requests += 1;
    }

    /// Adds that a group is joined, or left.
    pub(crate) fn push_group(&mut self, pool: &mut Pool, join: bool, group: &[u8]) {
        let Format::Zmtp(framing, _) = self.format else { return };
        self.prepare(pool, self.open.len());
        let before = self.open.len();
        framing.encode_group(&mut self.open, join, group);
        self.bytes += self.open.len() - before;
        self.messages += 1;
        self.requests += 1;
    }

    /// Drops the messages not yet taken and answers how many: a conflating socket keeps the newest only.
    pub(crate) fn clear_messages(&mut self) -> usize {
        self.greets &= self.in_flight > 0;
        self.segments.clear();
        self.open.clear();
        self.bytes = 0;
        std::mem::take(&mut self.messages) - std::mem::take(&mut self.requests)
    }

    /// Adds bytes that go out before any message not yet taken: PING, PONG. A peer that asks without reading what it is
    /// answered gets no more of them than there is room for.
    pub(crate) fn push_control(&mut self, bytes: &[u8]) {
        if self.control.len() < CONTROL_BYTES_MAX {
            self.control.extend_from_slice(bytes);
        }
    }

    /// Moves all that is pending into a batch; `None` if nothing is.
    pub(crate) fn take(&mut self, pool: &mut Pool, broadcast: &mut Broadcast) -> Option<Batch> {
        if !self.is_pending() {
            return None;
        }
        for segment in &mut self.segments {
            broadcast.settle(pool, segment);
        }
        self.taken = self.taken.wrapping_add(1);
        self.bursts = false;
        let mut batch = std::mem::take(&mut self.spare);
        if !self.control.is_empty() {
            batch.begin_with(std::mem::take(&mut self.control));
        }
        if batch.segments.is_empty() && self.segments.capacity() > SEGMENTS_KEPT {
            // After a burst the list itself goes: neither is it copied, nor is there room for a burst in both.
            batch.segments = std::mem::take(&mut self.segments);
        } else {
            batch.segments.append(&mut self.segments);
            self.segments.shrink_to(SEGMENTS_KEPT);
        }
        if !self.open.is_empty() {
            batch.segments.push(Segment::Bytes(std::mem::take(&mut self.open)));
        }
        self.in_flight = std::mem::take(&mut self.messages);
        self.requests_in_flight = std::mem::take(&mut self.requests);
        self.bytes_in_flight = std::mem::take(&mut self.bytes);
        if self.bytes_in_flight > UNCOUNTED_BYTES_MAX {
            self.unbegun = Extent { messages: self.in_flight.saturating_sub(1), bytes: self.bytes_in_flight };
        }
        Some(batch)
    }

    /// How often it was taken.
    pub(crate) fn taken(&self) -> u32 {
        self.taken
    }

    /// Keeps a batch that cannot be written just now.
    pub(crate) fn park(&mut self, mut batch: Batch) {
        // What waits never becomes more by itself: the program may know of room already.
        if self.bytes_in_flight > UNCOUNTED_BYTES_MAX
            && let Format::Zmtp(framing, _) = self.format
        {
            let begun = batch.begun(framing);
            self.unbegun = Extent {
                messages: self.in_flight.saturating_sub(begun.messages.max(1)),
                bytes: self.bytes_in_flight.saturating_sub(begun.bytes),
            };
        }
        self.spare = batch;
    }

    /// The batch kept by [`park`](Outbox::park).
    pub(crate) fn unpark(&mut self) -> Batch {
        std::mem::take(&mut self.spare)
    }

    /// The batch was written whole; its buffers go back to the pool. Answers how many messages of the program's it was.
    pub(crate) fn finish(&mut self, pool: &mut Pool, mut batch: Batch) -> u64 {
        let delivered = std::mem::take(&mut self.in_flight) - std::mem::take(&mut self.requests_in_flight);
        self.greets = false;
        self.unbegun = Extent::default();
        batch.clear(pool);
        self.spare = batch;
        delivered as u64
    }

    /// The connection is gone, and with it the batch kept by [`park`](Outbox::park). Where the socket `subscribes`, a message
    /// that is a request is the engine's own, as a command is.
    pub(crate) fn reclaim(&mut self, pool: &mut Pool, broadcast: &mut Broadcast, subscribes: bool) -> Reclaimed {
        for segment in &mut self.segments {
            broadcast.settle(pool, segment);
        }
        let Remains { mut segments, gone, untouched } = std::mem::take(&mut self.spare).into_remains();
        segments.append(&mut self.segments);
        segments.push(Segment::Bytes(std::mem::take(&mut self.open)));
        self.control = Vec::new();
        let unsent = std::mem::take(&mut self.messages) + std::mem::take(&mut self.in_flight);
        let requests = std::mem::take(&mut self.requests) + std::mem::take(&mut self.requests_in_flight);
        (self.bytes, self.unbegun) = (0, Extent::default());
        self.state = WriteState::Dead;
        match self.format {
            Format::Zmtp(framing, _) => {
                let (mut kept, mut lost) = reclaim(framing, &segments, gone, untouched, subscribes);
                // The next connection begins with one of its own.
                if self.greets && kept.len() == unsent {
                    kept.remove(0);
                    lost += 1;
                }
                let delivered = unsent.saturating_sub(requests + kept.len() + lost);
                Reclaimed { kept, lost, delivered }
            }
            Format::Raw => Reclaimed { kept: Vec::new(), lost: unsent, delivered: 0 },
        }
    }

    /// As [`push_swiftly`](Outbox::push_swiftly), of a message of several parts.
    #[inline(never)]
    pub(crate) fn push_parts_swiftly<'a>(
        &mut self,
        pool: &mut Pool,
        head: impl Iterator<Item = &'a Frame> + Clone,
        last: &(impl Part + ?Sized),
    ) -> bool {
        let before = self.open.len();
        let room = |len: usize| HEADER_BYTES_MAX + len.max(Frame::INLINE_MAX);
        let all: usize = head.clone().map(|part| room(part.len())).sum::<usize>() + room(last.len());
        if all > COPY_BYTES_MAX || before >= SEGMENT_BYTES {
            return false;
        }
        let Format::Zmtp(framing @ Framing::V2, _) = self.format else { return false };
        if self.open.capacity() - before < all {
            self.make_room(pool, all);
        }
        for part in head {
            framing.encode_header(&mut self.open, part.len(), true, false);
            part.append_to(&mut self.open);
        }
        framing.encode_header(&mut self.open, last.len(), false, false);
        last.append_to(&mut self.open);
        self.bytes += self.open.len() - before;
        self.messages += 1;
        true
    }

    #[inline(never)]
    fn make_room(&mut self, pool: &mut Pool, room: usize) {
        self.prepare(pool, self.open.len());
        self.open.reserve(room);
    }

    /// Makes sure `open` has room for small things; a full buffer is sealed, so that none grows without bound.
    fn prepare(&mut self, pool: &mut Pool, filled: usize) {
        if filled == 0 && self.open.capacity() == 0 {
            self.open = pool.take();
        } else if filled >= SEGMENT_BYTES {
            let full = std::mem::replace(&mut self.open, pool.take());
            self.segments.push(Segment::Bytes(full));
        }
    }

    #[inline]
    fn push_frame(&mut self, pool: &mut Pool, frame: &Frame, more: bool) {
        let before = self.open.len();
        if let Format::Zmtp(framing, _) = self.format {
            framing.encode_header(&mut self.open, frame.len(), more, false);
        }
        if frame.len() <= COPY_BYTES_MAX {
            frame.append_to(&mut self.open);
            self.bytes += self.open.len() - before;
        } else {
            self.bytes += self.open.len() - before + frame.len();
            let headers = std::mem::replace(&mut self.open, pool.take());
            self.segments.push(Segment::Bytes(headers));
            self.segments.push(Segment::Body(frame.clone()));
        }
    }
}

/// A body up to this size is copied into the outbox; a larger one goes by reference, as an entry of its own in the
/// vectored write.
pub(crate) const COPY_BYTES_MAX: usize = 8 * 1024;

/// The longest header of a frame.
const HEADER_BYTES_MAX: usize = 9;

/// A burst of more messages than this takes its sender longer than it takes to wake the I/O thread.
const BURST_MESSAGES_MAX: usize = 32;

/// A batch of so many bytes leaves in one or two system calls: it does not count as waiting.
const UNCOUNTED_BYTES_MAX: usize = 128 * 1024;

/// With so many bytes of commands waiting no more are added: each addition is whole commands, and what one read of the
/// peer's causes at most.
const CONTROL_BYTES_MAX: usize = 64 * 1024;

/// A buffer that holds this much is sealed and a new one begun.
pub(super) const SEGMENT_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use zmtp::Memory;

    use super::*;

    /// Miri interprets each step: it has fewer messages, of some of the lengths.
    const MESSAGES: usize = if cfg!(miri) { 70 } else { 1500 };
    const SWIFT_MIN: usize = if cfg!(miri) { 35 } else { 1400 };
    const STEP: usize = if cfg!(miri) { 15 } else { 1 };

    fn bytes(outbox: &mut Outbox, pool: &mut Pool) -> Vec<u8> {
        let batch = outbox.take(pool, &mut Broadcast::default()).unwrap();
        batch.segments.iter().flat_map(|segment| segment.as_slice().to_vec()).collect()
    }

    #[test]
    fn what_is_pushed_swiftly_is_what_is_pushed() {
        let outbox = || Outbox::new(Format::Zmtp(Framing::V2, Version::V3_1));
        let (mut pool, mut swift) = (Pool::default(), 0);
        let (mut one, mut other, mut third) = (outbox(), outbox(), outbox());
        for len in
            (0..=300).step_by(STEP).chain([COPY_BYTES_MAX, COPY_BYTES_MAX + 1, 100_000, 7]).cycle().take(MESSAGES)
        {
            let body = vec![len as u8; len];
            let part = Frame::from(body.as_slice());
            let mut message = Message::from(part.clone());
            other.push(&mut pool, &[], &mut message);
            let swiftly = one.push_swiftly(&mut pool, &part);
            assert_eq!(swiftly, third.push_swiftly(&mut pool, body.as_slice()));
            if !swiftly {
                one.push(&mut pool, &[], &mut message);
                third.push(&mut pool, &[], &mut message);
            }
            assert_eq!(one.waiting(), other.waiting());
            assert_eq!(third.waiting(), other.waiting());
            swift += usize::from(swiftly);
        }
        assert!(swift > SWIFT_MIN, "{swift}");
        let all = bytes(&mut other, &mut pool);
        assert!(bytes(&mut one, &mut pool) == all && bytes(&mut third, &mut pool) == all);
    }

    /// What waits of the messages that a writer has taken, of whose bytes the kernel has so many.
    fn waiting(lens: &[usize], part: usize, framing: Framing, written: usize) -> usize {
        let (mut outbox, mut pool) = (Outbox::new(Format::Zmtp(framing, Version::V3_1)), Pool::default());
        for &len in lens {
            let parts = vec![0; len].chunks(part).map(Frame::from).collect::<Vec<_>>();
            outbox.push(&mut pool, &[], &mut Message::from(parts));
        }
        let ping: &[u8] = if framing == Framing::V2 { b"\x04\x05\x04PING" } else { b"" };
        outbox.push_control(ping);
        let mut batch = outbox.take(&mut pool, &mut Broadcast::default()).unwrap();
        batch.advance(ping.len() + written);
        outbox.park(batch);
        outbox.waiting().messages
    }

    #[test]
    fn what_the_kernel_has_not_begun_waits() {
        for framing in [Framing::V1, Framing::V2] {
            for part in [1 << 20, 5000, 1000] {
                assert_eq!(waiting(&[100_000, 7, 100_000], part, framing, 0), 2);
                assert_eq!(waiting(&[100_000, 7, 100_000], part, framing, 1), 2);
                assert_eq!(waiting(&[100_000, 7, 100_000], part, framing, 100_000), 2);
                assert_eq!(waiting(&[100_000, 7, 100_000], part, framing, 101_500), 0);
            }
            assert_eq!(waiting(&[10; 20_000], 1 << 20, framing, 12 * 300), 19_700);
            assert_eq!(waiting(&[10; 20_000], 1 << 20, framing, 12 * 300 + 1), 19_699);
            // A small batch is not followed.
            assert_eq!(waiting(&[10; 1000], 1 << 20, framing, 12 * 300), 0);
        }
    }

    #[test]
    fn large_bodies_are_let_go_as_they_are_written() {
        let (mut outbox, mut pool) = (Outbox::new(Format::Zmtp(Framing::V2, Version::V3_1)), Pool::default());
        let memories: Vec<Memory> = (0..3).map(|_| Memory::from(vec![0; 100_000])).collect();
        for memory in &memories {
            outbox.push(&mut pool, &[], &mut Message::from(Frame::from_memory(memory.clone(), 0..100_000)));
        }
        let mut batch = outbox.take(&mut pool, &mut Broadcast::default()).unwrap();
        let held = || memories.iter().filter(|memory| memory.is_shared()).count();
        for (taken, left) in [(100_008, 3), (1, 2), (100_009, 1)] {
            batch.advance(taken);
            assert_eq!(held(), left);
        }
        outbox.park(batch);
        let Reclaimed { kept, lost, delivered } = outbox.reclaim(&mut pool, &mut Broadcast::default(), false);
        assert_eq!((kept.len(), kept[0].byte_len(), lost, delivered), (1, 100_000, 0, 2));
    }

    #[test]
    fn a_large_batch_waits_but_for_its_first_message() {
        let (mut outbox, mut pool) = (Outbox::new(Format::Zmtp(Framing::V2, Version::V3_1)), Pool::default());
        for (len, count, waits) in [(100_000, 1, 0), (100_000, 2, 1), (10, 5000, 0), (300_000, 40, 39)] {
            for _ in 0..count {
                outbox.push(&mut pool, &[], &mut Message::from(vec![0; len]));
            }
            let bytes = outbox.bytes();
            let batch = outbox.take(&mut pool, &mut Broadcast::default()).unwrap();
            let bytes = if waits > 0 { bytes } else { 0 };
            assert_eq!(outbox.waiting(), Extent { messages: waits, bytes });
            outbox.finish(&mut pool, batch);
            assert_eq!(outbox.waiting(), Extent::default());
        }
    }

    #[test]
    fn streams_and_old_peers_are_served_with_care() {
        for format in [Format::Raw, Format::Zmtp(Framing::V1, Version::V1_0)] {
            let (mut outbox, mut pool) = (Outbox::new(format), Pool::default());
            outbox.push(&mut pool, &[], &mut Message::from("first"));
            assert!(!outbox.push_swiftly(&mut pool, &Frame::from("next")));
        }
    }
}
