//! Traffic: whole messages out of the bytes that come, and the commands between them.

use std::ops::Range;
use std::time::Instant;

use smallvec::SmallVec;

use super::input::{INPUT_BYTES_MAX, fresh_buffer};
use super::{Connection, Event, Phase, Version};
use crate::codec::{Framing, Run};
use crate::command::{self, Command};
use crate::error::Error;
use crate::frame::Frame;
use crate::memory::Memory;
use crate::scanner::Found;
use crate::socket_type::SocketType;

impl Connection {
    /// Decrypts what has come, then goes on with that.
    pub(super) fn scan_encrypted(&mut self, now: Instant) -> Result<(), Error> {
        let mut opened = std::mem::take(&mut self.opened);
        if opened.capacity() == 0 {
            opened = fresh_buffer(&mut self.lent, &mut self.husk, 1);
        }
        let result = self.open_input(&mut opened);
        // What came whole before a fault is still good.
        std::mem::swap(&mut self.input, &mut opened);
        let scanned = self.scan(now);
        std::mem::swap(&mut self.input, &mut opened);
        self.opened = opened;
        result.and(scanned)
    }

    fn open_input(&mut self, opened: &mut Vec<u8>) -> Result<(), Error> {
        let Some(opener) = &mut self.opener else { return Ok(()) };
        // What is in a box counts when it was opened; that there is room for it in a message is known before.
        let most = self.config.limits.message_bytes_max.map(|bytes| bytes.saturating_add(opener.overhead() as u64));
        let limit = [self.config.limits.frame_bytes_max, most].into_iter().flatten().min().unwrap_or(u64::MAX);
        let mut at = 0;
        let result = loop {
            let rest = self.input.get(at..).unwrap_or_default();
            let header = match Framing::V2.decode_header(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            if header.body > limit {
                break Err(Error::Oversize { bytes: header.body, limit });
            }
            let end = match header.end_from(0) {
                Ok(end) => end,
                Err(error) => break Err(error),
            };
            // Not all there; the buffer grows with what comes.
            let Some(body) = rest.get(header.len..end) else { break Ok(()) };
            if opened.try_reserve(body.len() + HEADER_BYTES_MAX).is_err() {
                break Err(Error::OutOfMemory);
            }
            at += header.len + body.len();
            if let Err(error) = opener.open(body, opened) {
                break Err(error);
            }
        };
        self.input.drain(..at);
        result
    }

    /// Turns what is whole in the input into events.
    pub(super) fn scan(&mut self, now: Instant) -> Result<(), Error> {
        let mut pieces = Pieces::new();
        let mut after: Vec<(usize, Event)> = Vec::new();
        let mut cuts: Vec<Range<usize>> = Vec::new();
        let outcome = loop {
            let Phase::Traffic(scanner) = &mut self.phase else { return Ok(()) };
            match scanner.next(&self.input, &self.config.limits) {
                Err(error) => break Err(error),
                Ok(None) => break Ok(()),
                Ok(Some(Found::Messages { start, end, messages })) => {
                    self.clocks.heard();
                    pieces.push((start, end, messages));
                }
                Ok(Some(Found::Command { start, body, end, inside })) => {
                    self.clocks.heard();
                    match self.obey(body..end, now) {
                        Ok(Some(event)) => after.push((pieces.len(), event)),
                        Ok(None) => {}
                        Err(error) => break Err(error),
                    }
                    // Its message must be in one piece. Rare: a peer pings between two frames of a message.
                    match cuts.last_mut() {
                        _ if !inside => {}
                        Some(last) if last.end == start => last.end = end,
                        _ => cuts.push(start..end),
                    }
                }
            }
        };
        if !cuts.is_empty() {
            self.cut_out(&cuts, &mut pieces);
        }
        self.hand_out(pieces, after);
        outcome
    }

    /// Cuts commands out of the messages they came in, all in one go: a peer may send any number of them.
    fn cut_out(&mut self, cuts: &[Range<usize>], pieces: &mut [(usize, usize, usize)]) {
        let Phase::Traffic(scanner) = &mut self.phase else { return };
        scanner.were_cut(cuts);
        let mut before = cuts.iter().peekable();
        let mut gone = 0;
        for position in pieces.iter_mut().flat_map(|(start, end, _)| [start, end]) {
            while let Some(cut) = before.next_if(|cut| cut.end <= *position) {
                gone += cut.len();
            }
            *position -= gone;
        }
        let starts = cuts.iter().skip(1).map(|cut| cut.start).chain([self.input.len()]);
        let mut to = cuts.first().map_or(0, |cut| cut.start);
        for (cut, next) in cuts.iter().zip(starts) {
            self.input.copy_within(cut.end..next, to);
            to += next - cut.end;
        }
        self.input.truncate(to);
    }

    /// Executes a command; some are for the driver. Those that mean nothing to the socket's type are ignored.
    fn obey(&mut self, body: Range<usize>, now: Instant) -> Result<Option<Event>, Error> {
        let Some(command) = self.input.get(body).and_then(Command::parse) else { return Ok(None) };
        let publishes = matches!(self.config.socket_type, SocketType::Pub | SocketType::XPub);
        let radiates = self.config.socket_type == SocketType::Radio;
        Ok(match command.name {
            command::SUBSCRIBE if publishes => Some(Event::Subscribe(Frame::from(command.data))),
            command::CANCEL if publishes => Some(Event::Cancel(Frame::from(command.data))),
            command::JOIN if radiates => Some(Event::Join(group_of("JOIN", command.data)?)),
            command::LEAVE if radiates => Some(Event::Leave(group_of("LEAVE", command.data)?)),
            command::PING if self.settled.version >= Version::V3_0 => {
                let Some((ttl, context)) = command.data.split_first_chunk::<2>() else { return Ok(None) };
                let context = context.get(..PING_CONTEXT_MAX).unwrap_or(context);
                let mut pong = Vec::new();
                command::encode(&mut pong, command::PONG, context);
                self.clocks.asked(u16::from_be_bytes(*ttl), now);
                // A peer that pings without reading gets no more answers than it can fetch.
                if self.output.len() < OUTPUT_BYTES_MAX {
                    self.push_command(&pong);
                }
                None
            }
            _ => None,
        })
    }

    pub(super) fn push_command(&mut self, body: &[u8]) {
        if let Some(sealer) = &mut self.sealer {
            // There are not 2^64 frames to be numbered yet.
            let _ = sealer.seal(&mut self.output, false, true, body);
            return;
        }
        self.settled.framing().encode_header(&mut self.output, body.len(), false, true);
        self.output.extend_from_slice(body);
    }

    /// Moves the whole messages out of the input, without a copy, and keeps what is incomplete.
    fn hand_out(&mut self, pieces: Pieces, after: Vec<(usize, Event)>) {
        let Phase::Traffic(scanner) = &mut self.phase else { return };
        let framing = self.settled.framing();
        let whole = scanner.take_whole();
        let mut after = after.into_iter().peekable();
        if whole == 0 {
            self.events.extend(after.map(|(_, event)| event));
            return;
        }
        if pieces.is_empty() {
            self.input.drain(..whole);
        } else {
            let tail = self.input.get(whole..).unwrap_or_default();
            let biggest =
                if pieces.len() == 1 && pieces.iter().all(|(_, _, messages)| *messages == 1) { whole } else { 0 };
            self.large_bytes =
                if biggest > INPUT_BYTES_MAX { (biggest + LARGE_MARGIN).min(LARGE_BYTES_MAX) } else { 0 };
            let mut husk = self.husk.take();
            let mut rest = Vec::new();
            if !tail.is_empty() {
                let trusted = INPUT_BYTES_MAX.max(self.large_bytes);
                let room = scanner.need().min(trusted).max(self.input_bytes).max(self.large_bytes).max(tail.len());
                rest = fresh_buffer(&mut self.lent, &mut self.husk, room);
                if rest.capacity() == 0 && rest.try_reserve_exact(room).is_err() {
                    rest.reserve_exact(tail.len());
                }
                rest.extend_from_slice(tail);
            }
            let mut bytes = std::mem::replace(&mut self.input, rest);
            bytes.truncate(whole);
            let memory = match husk.take() {
                Some(mut husk) => {
                    husk.put_buffer(bytes);
                    husk
                }
                None => Memory::from(bytes),
            };
            for (index, (start, end, messages)) in pieces.into_iter().enumerate() {
                while let Some((_, event)) = after.next_if(|(before, _)| *before <= index) {
                    self.events.push_back(event);
                }
                self.events.push_back(Event::Messages(Run::new(framing, memory.clone(), start..end, messages)));
            }
        }
        self.events.extend(after.map(|(_, event)| event));
    }
}

/// Where whole messages begin and end in the input, and how many they are: nearly always all in one piece.
type Pieces = SmallVec<[(usize, usize, usize); 1]>;

/// A group's name, up to a zero byte.
fn group_of(command: &'static str, data: &[u8]) -> Result<Frame, Error> {
    let name = data.split(|byte| *byte == 0).next().unwrap_or_default();
    if name.len() > GROUP_BYTES_MAX { Err(Error::MalformedCommand(command)) } else { Ok(Frame::from(name)) }
}

/// Longest header of a frame.
const HEADER_BYTES_MAX: usize = 10;

/// Room for a header beside a large message, and the largest message room is made for in advance.
const LARGE_MARGIN: usize = 32;
const LARGE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest name of a group.
const GROUP_BYTES_MAX: usize = 255;

/// Bytes of a PING's context that are given back.
const PING_CONTEXT_MAX: usize = 16;

/// Answers not fetched by the driver, beyond which PINGs go unanswered.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
