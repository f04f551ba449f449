//! Duct: one direction of an inproc pipe, a queue of messages between two sockets.
//!
//! Each side keeps its own books under its own socket's lock; only the queue between them is shared. The reader takes
//! the whole queue at once, so both sides meet at the shared lock far less often than once a message. Whether somebody
//! must be told is decided under the same lock as the queue itself, so no wake-up can fall between.

use std::collections::VecDeque;

use zmtp::Frame;
use zmtp::giving_back::hold_late;

use super::sync::{Arc, Mutex};
use crate::arrival::Arrival;
use crate::message::Message;
use crate::part::Part;

/// Whole messages, part behind part: so those of several need no list of their own, which the reader would have to free.
#[derive(Default)]
struct Queue {
    /// Each with whether another of the same message follows.
    parts: VecDeque<(Frame, bool)>,
    messages: usize,
}

impl Queue {
    /// Adds a message, and leaves an empty one in its place.
    #[inline]
    fn push(&mut self, message: &mut Message) {
        if message.as_single().is_none() {
            return self.push_several(message);
        }
        self.push_part(std::mem::take(message.parts_mut().0));
    }

    #[inline(never)]
    fn push_several(&mut self, message: &mut Message) {
        let (first, rest) = message.parts_mut();
        let mut last = rest.len();
        self.parts.push_back((std::mem::take(first), last > 0));
        for part in rest.drain(..) {
            last -= 1;
            self.parts.push_back((part, last > 0));
        }
        self.messages += 1;
    }

    /// Adds a message of the parts of `head`, but for the first `left`, and the `last`.
    fn push_parts(&mut self, head: &mut Message, left: usize, last: Frame) {
        let (first, rest) = head.parts_mut();
        let parts = std::iter::once(first).chain(rest).skip(left);
        self.parts.extend(parts.map(|part| (std::mem::take(part), true)));
        self.push_part(last);
    }

    /// Adds a message of one part.
    #[inline]
    fn push_part(&mut self, part: Frame) {
        self.parts.push_back((part, false));
        self.messages += 1;
    }

    /// Puts the next message in `out`.
    #[inline]
    fn pop(&mut self, out: &mut Message) -> Option<()> {
        let (first, rest) = out.parts_mut();
        rest.clear();
        // In place: a part is large, and moving it by value costs more than the rest of this.
        let (part, more) = self.parts.front_mut()?;
        std::mem::swap(first, part);
        let more = *more;
        self.parts.pop_front();
        if more {
            self.pop_rest(rest);
        }
        self.messages -= 1;
        if self.messages == 0 && self.parts.capacity() > KEPT_PARTS {
            *self = Queue::default();
        }
        Some(())
    }

    #[inline(never)]
    fn pop_rest(&mut self, rest: &mut Vec<Frame>) {
        while let Some((part, more)) = self.parts.pop_front() {
            rest.push(part);
            if !more {
                return;
            }
        }
    }

    /// Puts the next message in its place, and answers its length, if it is of one part.
    #[inline]
    fn pop_single(&mut self, out: &mut impl Arrival) -> Option<usize> {
        let (part, more) = self.parts.front_mut()?;
        if *more {
            return None;
        }
        let len = part.len();
        part.move_to(out);
        self.parts.pop_front();
        self.messages -= 1;
        Some(len)
    }
}

/// The shared part. Closed by whichever side ends first.
pub(crate) struct Duct {
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Queue,
    /// The reader saw the queue empty and will look again only when told.
    reader_asleep: bool,
    /// The writer saw the queue full and will try again only when told.
    writer_asleep: bool,
    /// Messages acknowledged by the reader, over all time.
    acknowledged: u64,
    reader_gone: bool,
    /// Messages that nobody read before the reader went, or that came after.
    lost: u64,
    /// Messages in whose place a newer one came.
    superseded: u64,
    writer_mark: usize,
    /// The reader's part of the limit; `None` until there is a reader.
    reader_mark: Option<usize>,
}

impl Shared {
    /// The marks of both sides add up; either one 0 means no limit. Until the reader joins the writer's counts alone.
    fn limit(&self) -> usize {
        match self.reader_mark {
            None => self.writer_mark,
            Some(0) => 0,
            Some(_) if self.writer_mark == 0 => 0,
            Some(reader_mark) => self.writer_mark.saturating_add(reader_mark),
        }
    }
}

/// The writing end.
pub(crate) struct DuctWriter {
    duct: Arc<Duct>,
    written: u64,
    /// Those of them that are the engine's own.
    requests: u64,
    acknowledged: u64,
    /// Both sides' marks as far as this side knows them.
    limit: usize,
    unlimited: bool,
    conflate: bool,
}

/// What became of messages that were written.
pub(crate) struct Fate {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) superseded: u64,
}

/// The reading end.
pub(crate) struct DuctReader {
    duct: Arc<Duct>,
    local: Queue,
    /// How many messages the last look found.
    found: usize,
    /// Messages taken from the queue since that was last asked.
    fresh: u64,
    /// Messages taken from the queue that nobody will read.
    unread: u64,
    read: u64,
    /// The message read last does not count yet: the program is to read the rest of its parts.
    held: bool,
    acknowledged: u64,
    limit: usize,
    /// The writer has to be told that there is room.
    rouse: bool,
    /// Only the newest message counts: it stays where a newer one can take its place until it is read.
    conflate: bool,
}

/// A duct with its writing and its reading end; the reader starts asleep, so the first message rouses it.
///
/// `writer_mark` is the sender's high-water mark, 0 for none; the reader's is added when it is known
/// ([`DuctReader::set_mark`]). Either may be changed later.
pub(crate) fn duct(writer_mark: usize, conflate: bool) -> (DuctWriter, DuctReader) {
    let shared = Shared { reader_asleep: true, writer_mark, ..Shared::default() };
    let duct = Arc::new(Duct { shared: Mutex::new(shared) });
    let reader = DuctReader {
        duct: duct.clone(),
        local: Queue::default(),
        found: 0,
        fresh: 0,
        unread: 0,
        read: 0,
        held: false,
        acknowledged: 0,
        limit: 0,
        rouse: false,
        conflate,
    };
    let unlimited = writer_mark == 0;
    (DuctWriter { duct, written: 0, requests: 0, acknowledged: 0, limit: writer_mark, unlimited, conflate }, reader)
}

impl DuctWriter {
    /// How many messages it holds at most, by the marks of both sides; 0 for no limit.
    pub(crate) fn marks(&self) -> usize {
        self.duct.shared.lock().limit()
    }

    /// Whether one more message fits. `false` also notes that the writer wants to be told when one does.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.conflate || self.unlimited {
            return true;
        }
        // What was known last is a lower bound of the room there is; the shared books are asked only beyond it.
        if self.written - self.acknowledged < self.limit as u64 {
            return true;
        }
        let mut shared = self.duct.shared.lock();
        self.acknowledged = shared.acknowledged;
        self.limit = shared.limit();
        let mut room = self.limit == 0 || self.written - self.acknowledged < self.limit as u64;
        if !room && shared.reader_asleep && shared.queue.messages == 0 {
            // It has read all there was, and by the marks of that time too little to acknowledge: they were lowered.
            (self.acknowledged, shared.acknowledged) = (self.written, self.written);
            room = true;
        }
        shared.writer_asleep = !room && !shared.reader_gone;
        room
    }

    /// Adds a message, whatever the limit says, and leaves an empty one in its place. Answers whether the reader must be
    /// told that there is something.
    #[inline]
    pub(crate) fn push(&mut self, message: &mut Message) -> bool {
        self.add(|queue| queue.push(message))
    }

    /// As [`push`](DuctWriter::push), of a message of one part.
    #[inline]
    pub(crate) fn push_part(&mut self, part: &(impl Part + ?Sized)) -> bool {
        let part = part.to_frame();
        self.add(|queue| queue.push_part(part))
    }

    /// As [`push`](DuctWriter::push), of a message of several parts: those of `head`, but for so many that are to be `left` out,
    /// and the `last`.
    pub(crate) fn push_parts(&mut self, head: &mut Message, left: usize, last: &(impl Part + ?Sized)) -> bool {
        let last = last.to_frame();
        self.add(|queue| queue.push_parts(head, left, last))
    }

    #[inline(always)]
    fn add(&mut self, push: impl FnOnce(&mut Queue)) -> bool {
        self.written += 1;
        let mut shared = self.duct.shared.lock();
        if shared.reader_gone {
            shared.lost += 1;
            return false;
        }
        if self.conflate {
            shared.superseded += shared.queue.messages as u64;
            shared.queue = Queue::default();
        }
        push(&mut shared.queue);
        std::mem::take(&mut shared.reader_asleep)
    }

    /// As [`push`](DuctWriter::push), of what the program did not send.
    pub(crate) fn push_request(&mut self, message: &mut Message) -> bool {
        self.requests += 1;
        self.push(message)
    }

    /// What became of the messages written so far; those not mentioned are queued.
    pub(crate) fn fate(&self) -> Fate {
        let shared = self.duct.shared.lock();
        let Shared { lost, superseded, .. } = *shared;
        let others = shared.queue.messages as u64 + lost + superseded + self.requests;
        Fate { delivered: self.written.saturating_sub(others), lost, superseded }
    }

    /// Messages written and not yet taken by the reader.
    pub(crate) fn queued(&self) -> usize {
        self.duct.shared.lock().queue.messages
    }

    /// Changes the writer's part of the limit.
    pub(crate) fn set_mark(&mut self, mark: usize) {
        let mut shared = self.duct.shared.lock();
        shared.writer_mark = mark;
        self.unlimited = mark == 0;
        self.limit = shared.limit();
    }

    /// No more will be written. Answers whether the reader must be told.
    pub(crate) fn close(&mut self) -> bool {
        let mut shared = self.duct.shared.lock();
        shared.reader_asleep = false;
        !shared.reader_gone
    }
}

impl DuctReader {
    /// The reader's own high-water mark, known when it joins. Answers whether the writer must be told, as there may be
    /// room now.
    pub(crate) fn set_mark(&mut self, mark: usize) -> bool {
        let mut shared = self.duct.shared.lock();
        shared.reader_mark = Some(mark);
        self.limit = shared.limit();
        std::mem::take(&mut shared.writer_asleep)
    }

    /// Whether a look for messages found that the writer must be told that there is room again; asked once.
    pub(crate) fn take_rouse(&mut self) -> bool {
        std::mem::take(&mut self.rouse)
    }

    /// Whether a message is there. `false` also notes that the reader wants to be told of the next one.
    pub(crate) fn has_message(&mut self) -> bool {
        if self.local.messages > 0 {
            return true;
        }
        let mut shared = self.duct.shared.lock();
        if self.conflate {
            shared.reader_asleep = shared.queue.messages == 0;
            return !shared.reader_asleep;
        }
        std::mem::swap(&mut shared.queue, &mut self.local);
        self.found = self.local.messages;
        self.fresh += self.found as u64;
        // The writer may have changed its mark.
        self.limit = shared.limit();
        shared.reader_asleep = self.found == 0;
        if self.found == 0 && shared.writer_asleep {
            // All is read, and less than makes an acknowledgement: the mark was lowered meanwhile.
            (self.acknowledged, shared.acknowledged) = (self.read, self.read);
            shared.writer_asleep = false;
            self.rouse = true;
        }
        self.found > 0
    }

    /// Puts the next message in `out`, and answers whether the writer must be told that there is room again. `by_parts`: for a
    /// program that reads part after part; a message of several keeps its place until it is [released](DuctReader::release),
    /// or the next one is read.
    #[inline]
    pub(crate) fn pop(&mut self, out: &mut Message, by_parts: bool) -> Option<bool> {
        if !self.has_message() {
            return None;
        }
        if self.conflate {
            std::mem::swap(&mut self.duct.shared.lock().queue, &mut self.local);
            self.fresh += 1;
        }
        self.local.pop(out)?;
        self.read += 1;
        self.held = by_parts && out.frame_count() > 1;
        Some(self.acknowledge())
    }

    /// Puts the next message in its place, and answers its length, if it is of one part, more are at hand behind it, and
    /// the writer need not hear of it.
    #[inline]
    pub(crate) fn pop_swiftly(&mut self, out: &mut impl Arrival) -> Option<usize> {
        let due = self.limit > 0 && self.read + 1 - self.acknowledged >= self.step();
        if self.local.messages < 2 || self.conflate || self.held || due {
            return None;
        }
        let len = self.local.pop_single(out)?;
        self.read += 1;
        Some(len)
    }

    /// Whether the message read last still has its place.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.held
    }

    /// All of the message is read. Answers whether the writer must be told that there is room again.
    pub(crate) fn release(&mut self) -> bool {
        std::mem::take(&mut self.held) && self.acknowledge()
    }

    /// Tells the writer what is read, in steps of half the limit. Answers whether it waits for that.
    #[inline]
    fn acknowledge(&mut self) -> bool {
        let read = self.read - u64::from(self.held);
        if self.limit == 0 || read.saturating_sub(self.acknowledged) < self.step() {
            return false;
        }
        self.acknowledged = read;
        let mut shared = self.duct.shared.lock();
        shared.acknowledged = read;
        std::mem::take(&mut shared.writer_asleep)
    }

    /// After how many messages read the writer is told.
    #[inline]
    fn step(&self) -> u64 {
        self.limit.div_ceil(2).max(1) as u64
    }

    /// How many messages the last look found, if all are read now, and they were few but more than one: then more are
    /// coming, and it pays to let them gather. Else 0.
    #[inline]
    pub(crate) fn ended_trickle(&self) -> u32 {
        if self.local.messages == 0 && (2..TRICKLE_MAX).contains(&self.found) { self.found as u32 } else { 0 }
    }

    /// Messages taken from the queue since this was last asked.
    #[inline]
    pub(crate) fn take_fresh(&mut self) -> u64 {
        std::mem::take(&mut self.fresh)
    }

    /// Messages taken from the queue that nobody will read, as it was closed.
    pub(crate) fn unread(&self) -> u64 {
        self.unread
    }

    /// Messages taken from the queue and not yet read.
    pub(crate) fn queued(&self) -> usize {
        self.local.messages
    }

    /// Nothing more will be read. Answers how many messages nobody will read now.
    pub(crate) fn close(&mut self) -> usize {
        let mut shared = self.duct.shared.lock();
        shared.reader_gone = true;
        let unread = shared.queue.messages + self.local.messages;
        shared.lost += shared.queue.messages as u64;
        self.unread += self.local.messages as u64;
        if unread > 0 {
            hold_late();
        }
        shared.queue = Queue::default();
        self.local = Queue::default();
        unread
    }
}

/// Fewer messages than this found at one look are a trickle.
const TRICKLE_MAX: usize = 400;

/// A drained queue with room for more than so many parts, after a burst, is given up: the usual marks of both sides
/// fit, so that a stream allocates nothing.
const KEPT_PARTS: usize = 4096;

#[cfg(all(test, not(zefiro_loom)))]
mod tests;

/// Every interleaving of the shipped code, by loom: `./test` runs them.
#[cfg(all(test, zefiro_loom))]
mod models {
    use loom::sync::{Condvar, Mutex as LoomMutex};
    use loom::thread;

    use super::*;

    /// What a socket's waiter sleeps on: told once is told until it looks.
    #[derive(Default)]
    struct Told {
        flag: LoomMutex<bool>,
        changed: Condvar,
    }

    impl Told {
        fn tell(&self) {
            *self.flag.lock().unwrap() = true;
            self.changed.notify_one();
        }

        fn wait(&self) {
            let mut flag = self.flag.lock().unwrap();
            while !*flag {
                flag = self.changed.wait(flag).unwrap();
            }
            *flag = false;
        }
    }

    fn stream(mark: usize, messages: usize) {
        let (mut writer, mut reader) = duct(mark, false);
        reader.set_mark(mark);
        let (readable, writable) = (Arc::new(Told::default()), Arc::new(Told::default()));
        let (tell_readable, wait_writable) = (readable.clone(), writable.clone());
        let writing = thread::spawn(move || {
            for number in 0..messages {
                while !writer.has_room() {
                    wait_writable.wait();
                }
                if writer.push(&mut Message::from(&[number as u8])) {
                    tell_readable.tell();
                }
            }
        });
        for number in 0..messages {
            let mut message = Message::new();
            let rouse = loop {
                match reader.pop(&mut message, false) {
                    Some(rouse) => break rouse,
                    None => readable.wait(),
                }
            };
            if rouse {
                writable.tell();
            }
            assert_eq!(message.as_bytes(), [number as u8]);
        }
        writing.join().unwrap();
    }

    #[test]
    fn nobody_sleeps_while_there_is_a_message() {
        loom::model(|| stream(0, 3));
    }

    #[test]
    fn nobody_sleeps_while_there_is_room() {
        loom::model(|| stream(1, 3));
    }

    /// A message is written while the reader looks for one. Either it finds it, or it is told.
    fn look_while_writing(look: fn(&mut DuctReader) -> bool) {
        let (mut writer, mut reader) = duct(0, false);
        writer.push(&mut Message::new());
        assert!(reader.pop(&mut Message::new(), false).is_some());
        let writing = thread::spawn(move || writer.push(&mut Message::new()));
        let found = look(&mut reader);
        let told = writing.join().unwrap();
        assert!(found || told, "a message is there and nobody knows");
    }

    /// A message is read while the writer looks for room. Either it finds some, or it is told.
    fn look_for_room_while_reading(pop: fn(&mut DuctReader) -> bool) {
        let (mut writer, mut reader) = duct(1, false);
        reader.set_mark(1);
        assert!(writer.has_room());
        writer.push(&mut Message::new());
        assert!(writer.has_room());
        writer.push(&mut Message::new());
        let looking = thread::spawn(move || writer.has_room());
        let rouse = pop(&mut reader);
        let room = looking.join().unwrap();
        assert!(room || rouse, "there is room and nobody knows");
    }

    #[test]
    fn a_look_finds_the_message_or_the_reader_is_told() {
        loom::model(|| look_while_writing(DuctReader::has_message));
    }

    #[test]
    fn a_look_finds_room_or_the_writer_is_told() {
        loom::model(|| look_for_room_while_reading(|reader| reader.pop(&mut Message::new(), false).unwrap_or(false)));
    }

    /// The models have teeth: a reader that looks, and says only afterwards that it sleeps, misses a message.
    #[test]
    #[should_panic(expected = "nobody knows")]
    fn looking_and_going_to_sleep_apart_must_fail() {
        loom::model(|| {
            look_while_writing(|reader| {
                let found = reader.duct.shared.lock().queue.messages > 0;
                if !found {
                    reader.duct.shared.lock().reader_asleep = true;
                }
                found
            });
        });
    }

    /// So does a reader that asks who waits before it makes room.
    #[test]
    #[should_panic(expected = "nobody knows")]
    fn asking_before_making_room_must_fail() {
        loom::model(|| {
            look_for_room_while_reading(|reader| {
                assert!(reader.has_message());
                let rouse = std::mem::take(&mut reader.duct.shared.lock().writer_asleep);
                reader.read += 1;
                reader.duct.shared.lock().acknowledged = reader.read;
                rouse
            });
        });
    }
}
