//! Batch: what one thread has taken out of an outbox to write, and how far that has come; encrypted on its way if the
//! connection is.

use zmtp::{Frame, Framing, Header, Sealer};

use super::broadcast::Passage;
use super::outbox::Extent;
use super::pool::Pool;

/// A piece of the byte stream.
pub(crate) enum Segment {
    /// Headers and small bodies.
    Bytes(Vec<u8>),
    /// A large body, by reference; once it has been written, an empty frame.
    Body(Frame),
    /// Messages that other peers get too.
    Passage(Passage),
}

impl Segment {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Segment::Bytes(bytes) => bytes,
            Segment::Body(frame) => frame,
            Segment::Passage(passage) => passage.as_slice(),
        }
    }

    /// It has been written: the memory of a large body is let go, as a batch may hold as many of them as the marks allow.
    /// Headers are kept, for the way along the frames.
    fn let_go(&mut self) {
        if let Segment::Body(frame) = self {
            *frame = Frame::new();
        }
    }
}

/// What one thread took to write: whole frames, commands first.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) segments: Vec<Segment>,
    /// Of an encrypted batch, what it is before: should the connection be lost, that is what can go to the next one.
    /// The segments are then the piece that is being written.
    plain: Option<Plain>,
    /// Bytes of all segments that the kernel has taken.
    pub(crate) written: usize,
    /// The first segment with bytes left, and how many of its bytes are gone.
    cursor: usize,
    offset: usize,
    /// Bytes at its beginning that belong to no message.
    control: usize,
    /// How far its frames have been followed, and where the messages of those have come to.
    followed: Walk,
    begun: Extent,
    inside: bool,
}

/// A way along frames, from one to the next.
#[derive(Default)]
struct Walk {
    segment: usize,
    offset: usize,
    frames: usize,
    position: usize,
}

/// Frames to be encrypted, and how far that has come.
#[derive(Default)]
struct Plain {
    segments: Vec<Segment>,
    /// The next segment, and how many of its bytes are done.
    next: usize,
    offset: usize,
    /// The first segment that has not been written.
    unwritten: usize,
    /// The frame whose body the next segment is.
    headed: Option<Header>,
    /// Frames in the piece that is being written, and in those before it.
    frames: usize,
    frames_before: usize,
}

/// What is left of a batch whose connection is lost: frames, plain.
pub(super) struct Remains {
    pub(super) segments: Vec<Segment>,
    /// So many of their bytes the kernel has taken as whole frames, and after so many it has seen nothing.
    pub(super) gone: usize,
    pub(super) untouched: usize,
}

impl Batch {
    /// The commands that go before all else.
    pub(super) fn begin_with(&mut self, control: Vec<u8>) {
        self.control = control.len();
        self.segments.push(Segment::Bytes(control));
    }

    /// What the kernel has, with the rest of the message that it has begun with last: up to the end of its frame.
    pub(super) fn begun(&mut self, framing: Framing) -> Extent {
        let Batch { segments, plain, written, control, followed, begun, inside, .. } = self;
        let (segments, frames) = match plain {
            Some(plain) => (&plain.segments, Some(plain.frames_before + plain.frames)),
            None => (&*segments, None),
        };
        while frames.map_or(followed.position < *written, |frames| followed.frames < frames) {
            let is_message = followed.position >= *control;
            let Some((header, _)) = followed.step(framing, segments) else { break };
            begun.messages += usize::from(is_message && !*inside);
            *inside = header.more;
        }
        Extent { messages: begun.messages, bytes: followed.position.saturating_sub(*control) }
    }

    /// It was written whole: becomes an empty one, whose buffers go back to the pool.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        let plain = self.plain.take().into_iter().flat_map(|plain| plain.segments);
        for segment in self.segments.drain(..).chain(plain) {
            let buffer = match segment {
                Segment::Bytes(buffer) => Some(buffer),
                Segment::Passage(passage) => passage.into_buffer(),
                Segment::Body(_) => None,
            };
            if let Some(buffer) = buffer {
                pool.put(buffer);
            }
        }
        self.segments.shrink_to(SEGMENTS_KEPT);
        let segments = std::mem::take(&mut self.segments);
        *self = Batch { segments, ..Batch::default() };
    }

    /// Its connection is lost.
    pub(super) fn into_remains(self) -> Remains {
        let Batch { segments, plain, written, .. } = self;
        match plain {
            // Frames of which the kernel has seen anything are gone.
            Some(plain) => {
                let (ended, begun) = frames_written(&segments, written);
                let end_of = |frames| frames_end(&plain.segments, plain.frames_before + frames);
                let (gone, untouched) = (end_of(ended), end_of(begun));
                Remains { segments: plain.segments, gone, untouched }
            }
            None => Remains { segments, gone: written, untouched: written },
        }
    }

    /// Encrypts the next frames, a piece at a time, so that the peer decrypts one while the next is made; in place of
    /// those before, which were written. Answers whether there was anything left to encrypt.
    pub(crate) fn seal(&mut self, sealer: &mut Sealer) -> Result<bool, zmtp::Error> {
        let plain = match &mut self.plain {
            Some(plain) => plain,
            empty => empty.insert(Plain { segments: std::mem::take(&mut self.segments), ..Plain::default() }),
        };
        if plain.next >= plain.segments.len() {
            return Ok(false);
        }
        let mut sealed = match self.segments.pop() {
            Some(Segment::Bytes(mut buffer)) => {
                buffer.clear();
                buffer
            }
            // Each small frame grows by half a hundred bytes.
            _ => {
                let bytes: usize = plain.segments.iter().map(|segment| segment.as_slice().len()).sum();
                Vec::with_capacity((bytes + bytes / 2).min(SEALED_BYTES) + SEALED_MARGIN)
            }
        };
        plain.seal(sealer, &mut sealed)?;
        self.segments.push(Segment::Bytes(sealed));
        (self.written, self.cursor, self.offset) = (0, 0, 0);
        Ok(true)
    }

    /// Whether what there is to write is encrypted.
    pub(crate) fn is_sealed(&self) -> bool {
        self.plain.is_some()
    }

    /// Whether the kernel has taken all of it, or of the piece that was encrypted last.
    pub(crate) fn is_written(&self) -> bool {
        self.cursor == self.segments.len()
    }

    /// The slices still to be written, at most `max` of them.
    pub(crate) fn slices(&self, max: usize) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().skip(self.cursor).take(max).enumerate().map(|(index, segment)| {
            let skip = if index == 0 { self.offset } else { 0 };
            segment.as_slice().get(skip..).unwrap_or_default()
        })
    }

    /// How many segments still have bytes to write.
    pub(crate) fn segments_left(&self) -> usize {
        self.segments.len() - self.cursor
    }

    /// The kernel took `count` bytes.
    pub(crate) fn advance(&mut self, count: usize) {
        self.written += count;
        self.offset += count;
        while let Some(segment) = self.segments.get_mut(self.cursor) {
            let len = segment.as_slice().len();
            if self.offset < len {
                return;
            }
            segment.let_go();
            self.offset -= len;
            self.cursor += 1;
        }
    }
}

impl Plain {
    /// Encrypts frames until there are enough of them, or no more.
    fn seal(&mut self, sealer: &mut Sealer, out: &mut Vec<u8>) -> Result<(), zmtp::Error> {
        self.frames_before += std::mem::take(&mut self.frames);
        let written = self.segments.get_mut(self.unwritten..self.next).unwrap_or_default();
        written.iter_mut().for_each(Segment::let_go);
        self.unwritten = self.next;
        while let Some(segment) = self.segments.get(self.next) {
            let bytes = segment.as_slice();
            if let Some(Header { more, command, .. }) = self.headed.take() {
                let Segment::Body(_) = segment else { return Err(zmtp::Error::MalformedFrame) };
                sealer.seal(out, more, command, bytes)?;
                self.frames += 1;
                self.offset = bytes.len();
            }
            let mut rest = bytes.get(self.offset..).unwrap_or_default();
            while !rest.is_empty() {
                if out.len() >= SEALED_BYTES {
                    return Ok(());
                }
                let header = Framing::V2.decode_header(rest)?.ok_or(zmtp::Error::MalformedFrame)?;
                let len = usize::try_from(header.body).map_err(|_| zmtp::Error::MalformedFrame)?;
                let behind = rest.get(header.len..).unwrap_or_default();
                self.offset += header.len;
                let Some((body, next)) = behind.split_at_checked(len) else {
                    // The body is a segment of its own.
                    self.headed = Some(header);
                    break;
                };
                sealer.seal(out, header.more, header.command, body)?;
                self.frames += 1;
                self.offset += len;
                rest = next;
            }
            self.next += 1;
            self.offset = 0;
            if out.len() >= SEALED_BYTES && self.headed.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// So much is encrypted before it is written: less than the caches hold, enough for a system call.
const SEALED_BYTES: usize = 128 * 1024;

/// What a few sealed frames may have more than half as many bytes again.
const SEALED_MARGIN: usize = 256;

impl Walk {
    /// The next frame of `segments`: its header, and its length with that.
    fn step(&mut self, framing: Framing, segments: &[Segment]) -> Option<(Header, usize)> {
        loop {
            let rest = match segments.get(self.segment)? {
                Segment::Body(_) => &[],
                segment => segment.as_slice().get(self.offset..).unwrap_or_default(),
            };
            if rest.is_empty() {
                (self.segment, self.offset) = (self.segment + 1, 0);
                continue;
            }
            let header = framing.decode_header(rest).ok()??;
            let len = header.len + usize::try_from(header.body).ok()?;
            // The body of a large one is a segment of its own.
            self.offset = if len <= rest.len() { self.offset + len } else { usize::MAX };
            self.frames += 1;
            self.position += len;
            return Some((header, len));
        }
    }
}

/// The length of each frame in `segments`, header included.
fn frame_lengths(segments: &[Segment]) -> impl Iterator<Item = usize> {
    let mut walk = Walk::default();
    std::iter::from_fn(move || walk.step(Framing::V2, segments).map(|(_, len)| len))
}

/// How many frames end, and how many begin, within the first `written` bytes.
fn frames_written(segments: &[Segment], written: usize) -> (usize, usize) {
    let (mut ended, mut begun, mut position) = (0, 0, 0);
    for len in frame_lengths(segments) {
        if position >= written {
            break;
        }
        begun += 1;
        position += len;
        ended += usize::from(position <= written);
    }
    (ended, begun)
}

/// Where the first `frames` frames end.
fn frames_end(segments: &[Segment], frames: usize) -> usize {
    frame_lengths(segments).take(frames).sum()
}

/// Pieces that an empty outbox, or batch, keeps room for.
pub(super) const SEGMENTS_KEPT: usize = 64;
