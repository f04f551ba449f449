//! Codec: frame headers from and to bytes, for each ZMTP version.

use crate::command;
use crate::connection::Version;
use crate::error::Error;
use crate::frame::Frame;
use crate::memory::Memory;
use crate::place::Place;

/// How frames are written: ZMTP 1.0's way, or the way of 2.0 and all since.
///
/// ```
/// # use zmtp::Framing;
/// let mut bytes = Vec::new();
/// Framing::V1.encode(&mut bytes, b"hello", false);
/// Framing::V2.encode(&mut bytes, b"hello", false);
/// assert_eq!(bytes, b"\x06\x00hello\x00\x05hello");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// Length with the flags counted in, then flags (RFC 13).
    V1,
    /// Flags, then length (RFC 15, 23, 37).
    V2,
}

/// A frame's header.
///
/// ```
/// # use zmtp::{Framing, Header};
/// let header = Framing::V2.decode_header(b"\x01\x05hello")?;
/// assert_eq!(header, Some(Header { len: 2, body: 5, more: true, command: false }));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Bytes of the header itself.
    pub len: usize,
    /// Bytes of the body.
    pub body: u64,
    /// Whether another frame of the same message follows.
    pub more: bool,
    /// Whether it is a command.
    pub command: bool,
}

impl Header {
    /// Where the frame ends whose header is at `at`.
    ///
    /// # Errors
    /// No memory could hold all of it: there is no use in waiting for the rest.
    pub(crate) fn end_from(&self, at: usize) -> Result<usize, Error> {
        let start = at.checked_add(self.len);
        let end = start.zip(usize::try_from(self.body).ok()).and_then(|(start, body)| start.checked_add(body));
        end.filter(|end| *end <= HELD_BYTES_MAX)
            .ok_or(Error::Oversize { bytes: self.body, limit: HELD_BYTES_MAX as u64 })
    }
}

impl Framing {
    /// Appends the header of a frame.
    ///
    /// ```
    /// # use zmtp::Framing;
    /// let mut bytes = Vec::new();
    /// Framing::V2.encode_header(&mut bytes, 300, false, false);
    /// assert_eq!(bytes, [2, 0, 0, 0, 0, 0, 0, 1, 44]);
    /// ```
    #[inline]
    pub fn encode_header(self, out: &mut Vec<u8>, body: usize, more: bool, command: bool) {
        match self {
            Framing::V2 => {
                let flags = u8::from(more) | u8::from(command) << 2;
                if body <= 255 {
                    out.extend_from_slice(&[flags, body as u8]);
                } else {
                    out.push(flags | FLAG_LONG);
                    out.extend_from_slice(&(body as u64).to_be_bytes());
                }
            }
            Framing::V1 => {
                if body < 254 {
                    out.extend_from_slice(&[body as u8 + 1, u8::from(more)]);
                } else {
                    out.push(0xff);
                    out.extend_from_slice(&(body as u64 + 1).to_be_bytes());
                    out.push(u8::from(more));
                }
            }
        }
    }

    /// Appends a frame.
    ///
    /// ```
    /// let mut bytes = Vec::new();
    /// zmtp::Framing::V2.encode(&mut bytes, b"hello", true);
    /// assert_eq!(bytes, b"\x01\x05hello");
    /// ```
    #[inline]
    pub fn encode(self, out: &mut Vec<u8>, body: &[u8], more: bool) {
        self.encode_header(out, body.len(), more, false);
        out.extend_from_slice(body);
    }

    /// Appends a subscription, or the end of one: a command for a 3.1 peer, a message for an older one.
    ///
    /// ```
    /// # use zmtp::{Framing, Version};
    /// let mut bytes = Vec::new();
    /// Framing::V2.encode_subscription(&mut bytes, Version::V3_0, true, b"weather");
    /// assert_eq!(bytes, b"\x00\x08\x01weather");
    /// ```
    pub fn encode_subscription(self, out: &mut Vec<u8>, peer: Version, subscribe: bool, topic: &[u8]) {
        if peer == Version::V3_1 {
            let name: &[u8] = if subscribe { command::SUBSCRIBE } else { command::CANCEL };
            self.encode_header(out, 1 + name.len() + topic.len(), false, true);
            out.push(name.len() as u8);
            out.extend_from_slice(name);
        } else {
            self.encode_header(out, 1 + topic.len(), false, false);
            out.push(u8::from(subscribe));
        }
        out.extend_from_slice(topic);
    }

    /// Appends the command by which a peer joins a group, or leaves it.
    ///
    /// ```
    /// let mut bytes = Vec::new();
    /// zmtp::Framing::V2.encode_group(&mut bytes, true, b"news");
    /// assert_eq!(bytes, b"\x04\x09\x04JOINnews");
    /// ```
    pub fn encode_group(self, out: &mut Vec<u8>, join: bool, group: &[u8]) {
        let name = if join { command::JOIN } else { command::LEAVE };
        self.encode_header(out, 1 + name.len() + group.len(), false, true);
        command::encode(out, name, group);
    }

    /// Reads a frame's header; `None` if more bytes are needed.
    ///
    /// ```
    /// # use zmtp::Framing;
    /// assert_eq!(Framing::V2.decode_header(b"\x00")?, None);
    /// assert_eq!(Framing::V2.decode_header(b"\x00\x05hel")?.map(|header| header.body), Some(5));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    ///
    /// # Errors
    /// The bytes are no header.
    #[inline]
    pub fn decode_header(self, bytes: &[u8]) -> Result<Option<Header>, Error> {
        match (self, bytes) {
            (Framing::V2, [flags, len, ..]) if flags & FLAG_LONG == 0 => Ok(Some(Header {
                len: 2,
                body: u64::from(*len),
                more: flags & FLAG_MORE != 0,
                command: flags & FLAG_COMMAND != 0,
            })),
            (Framing::V2, [flags, rest @ ..]) => Ok(rest.first_chunk::<8>().map(|len| Header {
                len: 9,
                body: u64::from_be_bytes(*len),
                more: flags & FLAG_MORE != 0,
                command: flags & FLAG_COMMAND != 0,
            })),
            (Framing::V1, [0xff, rest @ ..]) => {
                let Some(len) = rest.first_chunk::<8>() else { return Ok(None) };
                let body = u64::from_be_bytes(*len).checked_sub(1).ok_or(Error::MalformedFrame)?;
                let Some(flags) = rest.get(8) else { return Ok(None) };
                Ok(Some(Header { len: 10, body, more: more_of_v1(*flags)?, command: false }))
            }
            (Framing::V1, [0, ..]) => Err(Error::MalformedFrame),
            (Framing::V1, [len, flags, ..]) => {
                Ok(Some(Header { len: 2, body: u64::from(*len) - 1, more: more_of_v1(*flags)?, command: false }))
            }
            _ => Ok(None),
        }
    }
}

/// The flags of a frame of ZMTP 1.0, which has one; the other bits are zero (RFC 13). Nothing else tells its peers from
/// strangers: what does not begin as ZMTP 2.0 and all since would be the length of such a frame, and a web browser a peer.
#[inline]
fn more_of_v1(flags: u8) -> Result<bool, Error> {
    if flags & !FLAG_MORE == 0 { Ok(flags == FLAG_MORE) } else { Err(Error::MalformedFrame) }
}

/// Whole messages in a stretch of received bytes, cut into frames when they are wanted.
///
/// ```
/// # use zmtp::{Framing, Memory, Run};
/// let received = Memory::from(b"\x01\x01a\x00\x01b".to_vec());
/// let mut run = Run::new(Framing::V2, received, 0..6, 1);
/// assert_eq!(run.next_frame(), Some(("a".into(), true)));
/// assert_eq!(run.next_frame(), Some(("b".into(), false)));
/// assert_eq!(run.next_frame(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Run {
    framing: Framing,
    memory: Memory,
    at: usize,
    end: usize,
    messages: usize,
}

impl Run {
    /// A run of `messages` whole messages in a part of `memory`, no commands among them. If the bytes are not that, it
    /// ends early.
    ///
    /// ```
    /// # use zmtp::{Framing, Memory, Run};
    /// let received = Memory::from(b"\x00\x01a\x00\x01b".to_vec());
    /// let mut second = Run::new(Framing::V2, received, 3..6, 1);
    /// assert_eq!(second.next_frame(), Some(("b".into(), false)));
    /// ```
    pub fn new(framing: Framing, memory: Memory, part: std::ops::Range<usize>, messages: usize) -> Run {
        let end = part.end.min(memory.as_slice().len());
        Run { framing, memory, at: part.start, end, messages }
    }

    /// Messages not cut yet.
    ///
    /// ```
    /// # use zmtp::{Framing, Memory, Run};
    /// # let received = Memory::from(b"\x00\x01a\x00\x01b".to_vec());
    /// let mut run = Run::new(Framing::V2, received, 0..6, 2);
    /// run.next_frame();
    /// assert_eq!(run.messages(), 1);
    /// ```
    #[inline]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes not cut yet, headers included.
    ///
    /// ```
    /// # use zmtp::{Framing, Memory, Run};
    /// # let received = Memory::from(b"\x00\x01a\x00\x01b".to_vec());
    /// let mut run = Run::new(Framing::V2, received, 0..6, 2);
    /// run.next_frame();
    /// assert_eq!(run.bytes_len(), 3);
    /// ```
    pub fn bytes_len(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// The memory it is in, for others to be read into when this run is done with.
    ///
    /// ```
    /// # use zmtp::{Framing, Memory, Run};
    /// # let received = Memory::from(b"\x00\x01a".to_vec());
    /// let run = Run::new(Framing::V2, received, 0..3, 1);
    /// assert_eq!(run.into_memory().as_slice(), b"\x00\x01a");
    /// ```
    pub fn into_memory(self) -> Memory {
        self.memory
    }

    /// Moves what is not cut yet to memory of its own, if it is little of the memory it is in: a run that is to be kept
    /// for a while then keeps no more than it needs.
    ///
    /// ```
    /// # use zmtp::{Framing, Memory, Run};
    /// let mut buffer = Vec::with_capacity(64 * 1024);
    /// Framing::V2.encode(&mut buffer, b"hello", false);
    /// let mut run = Run::new(Framing::V2, Memory::from(buffer), 0..7, 1);
    /// run.compact();
    /// assert!(run.clone().into_memory().capacity() < 100);
    /// assert_eq!(run.next_frame(), Some(("hello".into(), false)));
    /// ```
    pub fn compact(&mut self) {
        let len = self.bytes_len();
        if self.memory.capacity() < COMPACT_SHARE * len {
            return;
        }
        let Some(bytes) = self.memory.as_slice().get(self.at..self.end).map(<[u8]>::to_vec) else { return };
        (self.memory, self.at, self.end) = (Memory::from(bytes), 0, len);
    }

    /// Cuts the next frame, and says whether another of the same message follows.
    ///
    /// ```
    /// # use zmtp::{Framing, Memory, Run};
    /// # let received = Memory::from(b"\x01\x01a\x00\x01b".to_vec());
    /// let mut run = Run::new(Framing::V2, received, 0..6, 1);
    /// assert_eq!(run.next_frame(), Some(("a".into(), true)));
    /// ```
    pub fn next_frame(&mut self) -> Option<(Frame, bool)> {
        let mut frame = Frame::new();
        let more = self.next_frame_into(&mut frame)?;
        Some((frame, more))
    }

    /// Cuts the next frame into its place, and says whether another of the same message follows.
    ///
    /// ```
    /// # use zmtp::{Frame, Framing, Memory, Run};
    /// # let received = Memory::from(b"\x01\x01a\x00\x01b".to_vec());
    /// let (mut run, mut frame) = (Run::new(Framing::V2, received, 0..6, 1), Frame::new());
    /// assert_eq!((run.next_frame_into(&mut frame), frame), (Some(true), "a".into()));
    /// ```
    #[inline]
    pub fn next_frame_into(&mut self, place: &mut impl Place) -> Option<bool> {
        match self.next_small::<FLAG_MORE>(place) {
            None => self.next_of_any_size::<FLAG_MORE>(place).map(|(_, more)| more),
            Some((_, more)) => Some(more),
        }
    }

    /// Cuts the next message into its place if it is of one part, and answers its length; `None`, and nothing has
    /// happened, if not. Not for the middle of a message.
    ///
    /// ```
    /// # use zmtp::{Frame, Framing, Memory, Run};
    /// # let received = Memory::from(b"\x00\x01a\x01\x01b\x00\x01c".to_vec());
    /// let (mut run, mut frame) = (Run::new(Framing::V2, received, 0..9, 2), Frame::new());
    /// assert_eq!(run.next_message_into(&mut frame), Some(1));
    /// assert_eq!(run.next_message_into(&mut frame), None); // It has two parts.
    /// assert_eq!(run.next_frame(), Some(("b".into(), true)));
    /// ```
    #[inline]
    pub fn next_message_into(&mut self, place: &mut impl Place) -> Option<usize> {
        match self.next_small::<0>(place) {
            Some((len, _)) => Some(len),
            None => self.next_of_any_size::<0>(place).map(|(len, _)| len),
        }
    }

    /// Cuts the next frame if it has no flags but those, is small, and has enough behind it that one look at the bytes
    /// tells: nearly all are. Answers its length, and whether another of its message follows.
    #[inline(always)]
    fn next_small<const FLAGS: u8>(&mut self, place: &mut impl Place) -> Option<(usize, bool)> {
        if self.framing == Framing::V2
            && let Some(ahead) = self.memory.as_slice().get(self.at..)
            && let Some([flags, len, body @ ..]) = ahead.first_chunk::<{ 2 + Frame::INLINE_MAX }>()
            && flags & !FLAGS == 0
            && usize::from(*len) <= Frame::INLINE_MAX
            && self.at + 2 + usize::from(*len) <= self.end
        {
            let len = usize::from(*len);
            let more = flags & FLAGS != 0;
            self.at += 2 + len;
            self.messages = self.messages.saturating_sub(usize::from(!more));
            place.put_small(body, len);
            return Some((len, more));
        }
        None
    }

    #[inline(never)]
    fn next_of_any_size<const FLAGS: u8>(&mut self, place: &mut impl Place) -> Option<(usize, bool)> {
        let rest = self.memory.as_slice().get(self.at..self.end)?;
        let header = match self.framing.decode_header(rest) {
            Ok(Some(header)) if header.body <= (rest.len() - header.len) as u64 => header,
            _ => {
                self.messages = if FLAGS == 0 { self.messages } else { 0 };
                return None;
            }
        };
        if u8::from(header.more) & !FLAGS != 0 {
            return None;
        }
        let start = self.at + header.len;
        self.at = start + header.body as usize;
        self.messages = self.messages.saturating_sub(usize::from(!header.more));
        place.put_slice(&self.memory, start..self.at);
        Some((header.body as usize, header.more))
    }
}

/// A run is moved if the memory it is in has so many times its bytes.
const COMPACT_SHARE: usize = 4;

/// Bytes of a frame, and of what is before it in a buffer, that a process may ever hold: processors of 64 bits have
/// addresses of 47, with few exceptions that have not the memory either.
#[cfg(target_pointer_width = "64")]
const HELD_BYTES_MAX: usize = 1 << 47;
#[cfg(not(target_pointer_width = "64"))]
const HELD_BYTES_MAX: usize = isize::MAX as usize;

const FLAG_MORE: u8 = 1;
const FLAG_LONG: u8 = 2;
const FLAG_COMMAND: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(framing: Framing, body: &[u8], more: bool) -> Vec<u8> {
        let mut out = Vec::new();
        framing.encode(&mut out, body, more);
        out
    }

    #[test]
    fn headers_survive_the_way_there_and_back() {
        for framing in [Framing::V1, Framing::V2] {
            for len in [0, 1, 252, 253, 254, 255, 256, 70_000] {
                for more in [false, true] {
                    let bytes = encoded(framing, &vec![7; len], more);
                    let header = framing.decode_header(&bytes).unwrap().unwrap();
                    assert_eq!((header.body, header.more, header.command), (len as u64, more, false));
                    assert_eq!(header.len + len, bytes.len());
                    for cut in 0..header.len {
                        assert_eq!(framing.decode_header(&bytes[..cut]), Ok(None), "{framing:?} {len} {cut}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_specification_s_examples() {
        assert_eq!(encoded(Framing::V1, b"", false), [1, 0]);
        assert_eq!(encoded(Framing::V1, b"Hello", true), b"\x06\x01Hello");
        assert_eq!(encoded(Framing::V1, &[0; 255], false)[..10], [0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(encoded(Framing::V2, b"Hello", false), b"\x00\x05Hello");
        assert_eq!(encoded(Framing::V2, &[0; 256], false)[..9], [2, 0, 0, 0, 0, 0, 0, 1, 0]);
        let mut out = Vec::new();
        Framing::V2.encode_subscription(&mut out, Version::V3_1, true, b"A");
        assert_eq!(out, b"\x04\x0b\x09SUBSCRIBEA");
        out.clear();
        Framing::V2.encode_subscription(&mut out, Version::V3_0, false, b"A");
        assert_eq!(out, b"\x00\x02\x00A");
        out.clear();
        Framing::V1.encode_subscription(&mut out, Version::V1_0, true, b"A");
        assert_eq!(out, b"\x03\x00\x01A");
    }

    #[test]
    fn joining_and_leaving_are_commands() {
        let mut out = Vec::new();
        Framing::V2.encode_group(&mut out, true, b"tv");
        Framing::V2.encode_group(&mut out, false, b"tv");
        assert_eq!(out, b"\x04\x07\x04JOINtv\x04\x08\x05LEAVEtv");
    }

    #[test]
    fn a_subscription_of_255_bytes_has_a_long_header() {
        let mut out = Vec::new();
        Framing::V2.encode_subscription(&mut out, Version::V3_0, true, &[b'x'; 255]);
        let header = Framing::V2.decode_header(&out).unwrap().unwrap();
        assert_eq!((header.len, header.body), (9, 256));
    }

    #[test]
    fn length_zero_is_no_version_one_frame() {
        assert_eq!(Framing::V1.decode_header(&[0]), Err(Error::MalformedFrame));
        assert_eq!(Framing::V1.decode_header(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(Error::MalformedFrame));
    }

    #[test]
    fn strangers_are_no_version_one_peers() {
        for begin in
            [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\x00", b"SSH-2.0-", b"*1\r\n$4\r\nPING", b"\x05\x80"]
        {
            assert_eq!(Framing::V1.decode_header(begin), Err(Error::MalformedFrame), "{begin:?}");
        }
        let long = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 2][..], &[2, 7]].concat();
        assert_eq!(Framing::V1.decode_header(&long), Err(Error::MalformedFrame));
    }

    #[test]
    fn a_compacted_run_holds_what_it_held_and_no_more() {
        let mut wire = Vec::with_capacity(8192);
        for body in [&b"one"[..], b"two", b"three"] {
            Framing::V2.encode(&mut wire, body, false);
        }
        let len = wire.len();
        let mut run = Run::new(Framing::V2, Memory::from(wire), 0..len, 3);
        assert_eq!(run.next_frame().unwrap().0, "one");
        run.compact();
        assert!(run.memory.capacity() < 20);
        assert_eq!((run.messages(), run.bytes_len()), (2, len - 5));
        assert_eq!(run.next_frame().unwrap().0, "two");
        assert_eq!(run.next_frame().unwrap().0, "three");
        assert!(run.next_frame().is_none());
    }

    #[test]
    fn a_run_of_garbage_ends() {
        let mut run = Run::new(Framing::V2, Memory::from(b"\x00\xffabc".to_vec()), 0..5, 3);
        assert!(run.next_frame().is_none());
        assert_eq!(run.messages(), 0);
    }
}
