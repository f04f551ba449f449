//! Broadcast: messages for many peers, encoded once for all of them.
//!
//! They are appended to one log. An outbox that gets message after message refers to a passage of the log instead of
//! copying it: with a hundred subscribers that is a hundred times less memory to write, and a hundred times less for
//! the kernel to read. The log is cut in chunks; the last one is open, and belongs to the socket. Nobody else sees its
//! bytes until it is closed, which makes them constant: so no writer ever waits for another.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use zmtp::Framing;

use super::batch::Segment;
use super::pool::Pool;
use super::reclaim;
use crate::message::Message;
use crate::part::Part;

/// The log of one socket.
#[derive(Default)]
pub(crate) struct Broadcast {
    /// The bytes of the open chunk, and what others know it by.
    open: Vec<u8>,
    chunk: Arc<Chunk>,
    /// Bytes of the log before the open chunk.
    before: u64,
    /// The closed chunks since somebody follows, each with the bytes before it.
    kept: Vec<(u64, Arc<Chunk>)>,
    keeps: bool,
}

/// A part of the log; its bytes are there once it is closed.
#[derive(Default)]
pub(crate) struct Chunk(OnceLock<Vec<u8>>);

/// Where in the log a message is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Some messages of the log, one behind the other, in one chunk.
#[derive(Clone)]
pub(crate) struct Passage {
    chunk: Arc<Chunk>,
    range: Range<usize>,
}

impl Broadcast {
    /// Appends a message.
    pub(crate) fn append(&mut self, pool: &mut Pool, message: &Message) -> Place {
        self.append_with(pool, |open| reclaim::encode(Framing::V2, message, open))
    }

    /// Appends a message of one part.
    #[inline]
    pub(crate) fn append_part(&mut self, pool: &mut Pool, part: &(impl Part + ?Sized)) -> Place {
        self.append_with(pool, |open| {
            Framing::V2.encode_header(open, part.len(), false, false);
            part.append_to(open);
        })
    }

    /// Appends a message of several parts.
    pub(crate) fn append_parts(&mut self, pool: &mut Pool, head: &Message, last: &(impl Part + ?Sized)) -> Place {
        self.append_with(pool, |open| {
            head.frames().for_each(|part| Framing::V2.encode(open, part, true));
            Framing::V2.encode_header(open, last.len(), false, false);
            last.append_to(open);
        })
    }

    #[inline]
    fn append_with(&mut self, pool: &mut Pool, encode: impl FnOnce(&mut Vec<u8>)) -> Place {
        if self.open.len() >= CHUNK_BYTES {
            self.close(pool);
        }
        let start = self.end();
        encode(&mut self.open);
        Place { start, end: self.end() }
    }

    /// The bytes of the message appended last.
    pub(crate) fn bytes(&self, place: Place) -> &[u8] {
        self.open.get(self.range(place)).unwrap_or_default()
    }

    /// A passage of just the message appended last.
    pub(crate) fn passage(&self, place: Place) -> Passage {
        Passage { chunk: self.chunk.clone(), range: self.range(place) }
    }

    /// Lets `passage`, which ends where `place` begins, go on to its end, if both are in the same chunk.
    #[inline]
    pub(crate) fn extend(&self, passage: &mut Passage, place: Place) -> bool {
        let same = self.holds(passage);
        if same {
            passage.range.end += place.len();
        }
        same
    }

    /// Replaces a passage that is short and does not go on by a copy.
    pub(crate) fn copy_short(&self, pool: &mut Pool, segment: &mut Segment) {
        if let Segment::Passage(passage) = segment
            && passage.range.len() < COPY_BYTES_MAX
        {
            let mut copy = pool.take();
            let bytes = if self.holds(passage) { &self.open } else { passage.chunk.0.get().unwrap_or(&self.open) };
            copy.extend_from_slice(bytes.get(passage.range.clone()).unwrap_or_default());
            *segment = Segment::Bytes(copy);
        }
    }

    /// Makes a passage readable by those who do not hold the socket's lock.
    pub(crate) fn settle(&mut self, pool: &mut Pool, segment: &mut Segment) {
        self.copy_short(pool, segment);
        if matches!(segment, Segment::Passage(passage) if self.holds(passage)) {
            self.close(pool);
        }
    }

    #[inline]
    fn holds(&self, passage: &Passage) -> bool {
        Arc::ptr_eq(&self.chunk, &passage.chunk)
    }

    /// Keeps all chunks from now on, for passages that are asked for [later](Broadcast::since).
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    /// Keeps no chunks any more.
    pub(super) fn forget(&mut self, pool: &mut Pool) {
        self.keeps = false;
        for (_, chunk) in self.kept.drain(..) {
            if let Some(buffer) = Arc::into_inner(chunk).and_then(|chunk| chunk.0.into_inner()) {
                pool.put(buffer);
            }
        }
    }

    /// All that was appended after the first `from` bytes, where chunks were kept so long.
    pub(super) fn since(&self, from: u64) -> impl Iterator<Item = Passage> {
        let open = (self.before, &self.chunk, self.open.len());
        let kept = self.kept.iter().map(|(before, chunk)| (*before, chunk, chunk.0.get().map_or(0, Vec::len)));
        kept.chain([open]).filter_map(move |(before, chunk, len)| {
            let range = from.saturating_sub(before) as usize..len;
            (!range.is_empty()).then(|| Passage { chunk: chunk.clone(), range })
        })
    }

    fn close(&mut self, pool: &mut Pool) {
        let before = self.before;
        self.before = self.end();
        if !self.keeps && Arc::strong_count(&self.chunk) == 1 {
            self.open.clear();
            return;
        }
        let bytes = std::mem::replace(&mut self.open, pool.take());
        let chunk = std::mem::take(&mut self.chunk);
        // Nobody else sets it: it is set here, once, and a new one takes its place.
        let _ = chunk.0.set(bytes);
        if self.keeps {
            self.kept.push((before, chunk));
        }
    }

    /// The bytes of the whole log.
    pub(super) fn end(&self) -> u64 {
        self.before + self.open.len() as u64
    }

    fn range(&self, place: Place) -> Range<usize> {
        (place.start.saturating_sub(self.before)) as usize..(place.end.saturating_sub(self.before)) as usize
    }
}

impl Place {
    pub(crate) fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

impl Passage {
    /// Goes on to the end of `next`, if that begins where this ends, in the same chunk.
    pub(super) fn go_on(&mut self, next: &Passage) -> bool {
        let goes_on = Arc::ptr_eq(&self.chunk, &next.chunk) && self.range.end == next.range.start;
        if goes_on {
            self.range.end = next.range.end;
        }
        goes_on
    }

    /// The bytes; none while the chunk is open.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.chunk.0.get().and_then(|bytes| bytes.get(self.range.clone())).unwrap_or_default()
    }

    /// The memory of the chunk, if nobody else refers to it.
    pub(crate) fn into_buffer(self) -> Option<Vec<u8>> {
        Arc::into_inner(self.chunk)?.0.into_inner()
    }
}

/// A chunk with this much is closed.
const CHUNK_BYTES: usize = 32 * 1024;

/// A shorter passage is copied rather than referred to, so that nobody keeps a chunk for little.
const COPY_BYTES_MAX: usize = 4 * 1024;

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use zmtp::Version;

    use super::*;
    use crate::pipe::outbox::{Format, Outbox};

    /// Miri interprets each step: it is given so many times less to do.
    const LESS: usize = if cfg!(miri) { 50 } else { 1 };

    const FORMAT: Format = Format::Zmtp(Framing::V2, Version::V3_1);

    #[derive(Default)]
    struct Bench {
        pool: Pool,
        broadcast: Broadcast,
    }

    impl Bench {
        fn send(&mut self, text: &str, to: &mut [&mut Outbox]) {
            let place = self.broadcast.append(&mut self.pool, &Message::from(text));
            for outbox in to {
                outbox.push_from(&mut self.pool, &mut self.broadcast, place);
            }
        }

        /// The texts in what a writer takes, and how many pieces it is in.
        fn written(&mut self, outbox: &mut Outbox) -> (Vec<String>, usize) {
            let Some(batch) = outbox.take(&mut self.pool, &mut self.broadcast) else { return (Vec::new(), 0) };
            let pieces = batch.segments.len();
            let bytes = batch.slices(usize::MAX).collect::<Vec<_>>().concat();
            outbox.finish(&mut self.pool, batch);
            let messages = reclaim::reclaim(Framing::V2, &[Segment::Bytes(bytes)], 0, 0, false).0;
            (messages.iter().map(|message| message.as_str().unwrap().to_string()).collect(), pieces)
        }
    }

    fn texts(numbers: Range<usize>) -> Vec<String> {
        numbers.map(|number| format!("message {number:060}")).collect()
    }

    #[test]
    fn each_outbox_has_its_messages_in_order_whenever_it_is_written() {
        let mut bench = Bench::default();
        let (mut all, mut some, mut stuck) = (Outbox::new(FORMAT), Outbox::new(FORMAT), Outbox::new(FORMAT));
        let texts = texts(0..5000 / LESS);
        let (mut seen, mut seen_some) = (Vec::new(), Vec::new());
        for (number, text) in texts.iter().enumerate() {
            if number % 100 < 70 {
                bench.send(text, &mut [&mut all, &mut some, &mut stuck]);
            } else {
                bench.send(text, &mut [&mut all, &mut stuck]);
            }
            if number % 37 == 0 {
                seen.extend(bench.written(&mut all).0);
            }
            if number % 613 == 0 {
                seen_some.extend(bench.written(&mut some).0);
            }
        }
        seen.extend(bench.written(&mut all).0);
        seen_some.extend(bench.written(&mut some).0);
        assert_eq!(seen, texts);
        let wanted: Vec<_> = texts.iter().enumerate().filter(|(number, _)| number % 100 < 70).collect();
        assert!(seen_some.iter().eq(wanted.iter().map(|(_, text)| *text)));
        assert_eq!(bench.written(&mut stuck).0, texts);
    }

    #[test]
    fn what_many_get_is_there_once() {
        let mut bench = Bench::default();
        let (mut one, mut other) = (Outbox::new(FORMAT), Outbox::new(FORMAT));
        let texts = texts(0..1000 / LESS);
        for text in &texts {
            bench.send(text, &mut [&mut one, &mut other]);
        }
        let bytes = one.bytes();
        for outbox in [&mut one, &mut other] {
            let (seen, pieces) = bench.written(outbox);
            assert_eq!(seen, texts);
            assert!(pieces <= 2 + bytes / CHUNK_BYTES, "{pieces} pieces for {bytes} bytes");
        }
    }

    #[test]
    fn a_peer_that_gets_little_keeps_no_chunk() {
        let mut bench = Bench::default();
        let (mut all, mut few) = (Outbox::new(FORMAT), Outbox::new(FORMAT));
        for (number, text) in texts(0..5000 / LESS).iter().enumerate() {
            match number % 500 {
                0..3 => bench.send(text, &mut [&mut all, &mut few]),
                _ => bench.send(text, &mut [&mut all]),
            }
            bench.written(&mut all);
        }
        let batch = few.take(&mut bench.pool, &mut bench.broadcast).unwrap();
        assert!(batch.segments.iter().all(|segment| matches!(segment, Segment::Bytes(_))));
    }

    #[test]
    fn messages_of_a_lost_connection_come_back() {
        let mut bench = Bench::default();
        let (mut one, mut other) = (Outbox::new(FORMAT), Outbox::new(FORMAT));
        let texts = texts(0..1000 / LESS);
        for text in &texts {
            bench.send(text, &mut [&mut one, &mut other]);
        }
        let gone = one.reclaim(&mut bench.pool, &mut bench.broadcast, false);
        assert_eq!((gone.kept.len(), gone.lost, gone.delivered), (1000 / LESS, 0, 0));
        assert_eq!(bench.written(&mut other).0, texts);
    }
}
