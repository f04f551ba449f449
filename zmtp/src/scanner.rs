//! Scanner: finds the whole messages, and the commands between them, in a stretch of bytes, looking at each byte of a
//! header once.

use std::ops::Range;

use crate::codec::{Framing, Header};
use crate::connection::Limits;
use crate::error::Error;

/// Where the look at the buffer stands. Positions count from the buffer's start.
#[derive(Debug)]
pub(crate) struct Scanner {
    framing: Framing,
    /// Whether messages must look like replies to a REQ socket.
    replies_only: bool,
    /// The first byte not looked at.
    at: usize,
    /// The end of the last whole message or command.
    whole: usize,
    /// Frames and bytes of the message begun and not ended.
    frames: usize,
    bytes: u64,
    envelope: Envelope,
    /// The buffer length at which the next frame is complete, as far as it is known.
    need: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Envelope {
    Start,
    AfterId,
    Body,
}

/// What was found.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// Bytes of whole messages, `messages` of them.
    Messages { start: usize, end: usize, messages: usize },
    /// A command's body; its frame began at `start`. Inside a message, the frame has to be cut out of it in the end.
    Command { start: usize, body: usize, end: usize, inside: bool },
}

impl Scanner {
    pub(crate) fn new(framing: Framing, replies_only: bool) -> Scanner {
        Scanner { framing, replies_only, at: 0, whole: 0, frames: 0, bytes: 0, envelope: Envelope::Start, need: 0 }
    }

    /// The next thing in `buffer`; `None` when more bytes are needed.
    pub(crate) fn next(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<Found>, Error> {
        let start = self.whole;
        let mut messages = self.skip_small(buffer, limits);
        loop {
            let (header, end) = match self.next_frame(buffer, limits) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                // What came whole before a fault is still good; the next look finds the fault again.
                Err(_) if messages > 0 => break,
                Err(error) => return Err(error),
            };
            if header.command {
                if messages > 0 {
                    break;
                }
                let command =
                    Found::Command { start: self.at, body: self.at + header.len, end, inside: self.frames > 0 };
                self.at = end;
                if self.frames == 0 {
                    self.whole = end;
                }
                return Ok(Some(command));
            }
            self.at = end;
            if self.replies_only {
                self.envelope = self.envelope_after(&header)?;
            }
            if header.more {
                self.frames += 1;
                self.bytes += header.body;
            } else {
                (self.frames, self.bytes) = (0, 0);
                self.whole = end;
                messages += 1;
            }
        }
        if messages == 0 {
            return Ok(None);
        }
        Ok(Some(Found::Messages { start, end: self.whole, messages }))
    }

    /// The next frame and its end, if it is all there and one that may stand here; else how long the buffer must be for it.
    fn next_frame(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<(Header, usize)>, Error> {
        let rest = buffer.get(self.at..).unwrap_or_default();
        let Some(header) = self.framing.decode_header(rest)? else {
            self.need = self.at + HEADER_BYTES_MAX;
            return Ok(None);
        };
        let limit = limits.frame_bytes_max.unwrap_or(u64::MAX);
        if header.body > limit {
            return Err(Error::Oversize { bytes: header.body, limit });
        }
        let message_bytes = self.bytes.saturating_add(header.body);
        let limit = limits.message_bytes_max.unwrap_or(u64::MAX);
        if message_bytes > limit {
            return Err(Error::Oversize { bytes: message_bytes, limit });
        }
        let end = header.end_from(self.at)?;
        if end > buffer.len() {
            self.need = end;
            return Ok(None);
        }
        if !header.command {
            if self.replies_only {
                self.envelope_after(&header)?;
            }
            if header.more && self.frames + 1 >= limits.message_frames_max {
                return Err(Error::TooManyFrames { limit: limits.message_frames_max });
            }
        }
        Ok(Some((header, end)))
    }

    /// Passes over messages of one short frame, the most usual ones, and answers how many they are.
    #[inline]
    fn skip_small(&mut self, buffer: &[u8], limits: &Limits) -> usize {
        let unlimited = |limit: Option<u64>| limit.is_none_or(|limit| limit >= 255);
        let plain = self.framing == Framing::V2 && !self.replies_only && self.frames == 0;
        if !plain || !unlimited(limits.frame_bytes_max) || !unlimited(limits.message_bytes_max) {
            return 0;
        }
        let mut messages = 0;
        let mut at = self.at;
        while let Some([0, len]) = buffer.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
            let end = at + 2 + usize::from(*len);
            if end > buffer.len() {
                break;
            }
            at = end;
            messages += 1;
            // Most are as long as the one before. That it is only looked whether they are, with nothing computed of their
            // length, lets the processor look at several at a time.
            let (alike, stride) = ([0, *len], 2 + usize::from(*len));
            while let Some(rest) = buffer.get(at..)
                && rest.len() >= stride
                && rest.first_chunk::<2>() == Some(&alike)
            {
                at += stride;
                messages += 1;
            }
        }
        if messages > 0 {
            (self.at, self.whole) = (at, at);
        }
        messages
    }

    /// Commands inside messages were cut out of the buffer, all of what was found.
    pub(crate) fn were_cut(&mut self, cuts: &[Range<usize>]) {
        self.at -= cut_before(cuts, self.at);
        self.whole -= cut_before(cuts, self.whole);
        self.need -= cut_before(cuts, self.need);
    }

    /// The end of what is whole; the buffer is cut there, and positions start over.
    pub(crate) fn take_whole(&mut self) -> usize {
        let whole = std::mem::take(&mut self.whole);
        self.at -= whole;
        self.need = self.need.saturating_sub(whole);
        whole
    }

    /// How long the buffer must be for the next frame to be complete, as far as it is known.
    pub(crate) fn need(&self) -> usize {
        self.need
    }

    /// RFC 28 as libzmq enforces it: an optional id of four bytes, an empty delimiter, then the body.
    fn envelope_after(&self, header: &Header) -> Result<Envelope, Error> {
        Ok(match (self.envelope, header.body, header.more) {
            (Envelope::Start, 4, true) => Envelope::AfterId,
            (Envelope::Start | Envelope::AfterId, 0, true) => Envelope::Body,
            (Envelope::Body, _, true) => Envelope::Body,
            (Envelope::Body, _, false) => Envelope::Start,
            _ => return Err(Error::MalformedReply),
        })
    }
}

/// How many of the bytes before a position are cut out.
pub(crate) fn cut_before(cuts: &[Range<usize>], position: usize) -> usize {
    cuts.iter().take_while(|cut| cut.end <= position).map(Range::len).sum()
}

const HEADER_BYTES_MAX: usize = 10;
