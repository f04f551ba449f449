//! The traffic of a CURVE connection: each frame in a box of its own, numbered so that none can be played twice.

use subtle::ConstantTimeEq;

use super::authenticator::tag_of;
use super::keystream::{FLAGS_BYTES, Keystream};
use super::{MESSAGE, Shared, TAG_BYTES};
use crate::codec::Framing;
use crate::error::Error;

/// Encrypts what goes to the peer.
pub(crate) struct Sealer {
    stream: Keystream,
    next: u64,
}

/// Decrypts what comes from the peer.
pub(crate) struct Opener {
    stream: Keystream,
    last: u64,
}

impl Sealer {
    pub(super) fn new(shared: &Shared, prefix: &[u8; 16], next: u64) -> Sealer {
        Sealer { stream: Keystream::new(&shared.key, prefix), next }
    }

    /// Appends one frame, encrypted.
    ///
    /// # Errors
    /// After 2^64 frames.
    pub(crate) fn seal(&mut self, out: &mut Vec<u8>, more: bool, command: bool, body: &[u8]) -> Result<(), Error> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or(Error::Cryptographic)?;
        out.reserve(HEADER_BYTES_MAX + OVERHEAD + body.len());
        Framing::V2.encode_header(out, OVERHEAD + body.len(), false, false);
        out.extend_from_slice(MESSAGE);
        out.extend_from_slice(&number.to_be_bytes());
        let start = out.len();
        let stream = self.stream.of_message(number, FLAGS_BYTES + body.len());
        let flags = (u8::from(more) * INNER_MORE) | (u8::from(command) * INNER_COMMAND);
        let mut begin = [0; TAG_BYTES + FLAGS_BYTES];
        begin[TAG_BYTES] = flags ^ stream.flags;
        out.extend_from_slice(&begin);
        stream.append(body, out);
        let boxed = out.get_mut(start..).ok_or(Error::Cryptographic)?;
        let (tag, text) = boxed.split_first_chunk_mut::<TAG_BYTES>().ok_or(Error::Cryptographic)?;
        *tag = tag_of(stream.tag_key, text);
        Ok(())
    }
}

impl Opener {
    pub(super) fn new(shared: &Shared, prefix: &[u8; 16], last: u64) -> Opener {
        Opener { stream: Keystream::new(&shared.key, prefix), last }
    }

    /// Decrypts the body of a frame and appends what was in it, as a frame of ZMTP 2.0 and later.
    ///
    /// # Errors
    /// It is not what this connection's peer has sent next.
    pub(crate) fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        super::super::check_structure(body)?;
        if body.first_chunk() != Some(MESSAGE) {
            return Err(Error::UnexpectedCommand);
        }
        if body.len() < OVERHEAD {
            return Err(Error::MalformedCommand("MESSAGE"));
        }
        let rest = body.get(MESSAGE.len()..).unwrap_or_default();
        let (number, rest) = rest.split_first_chunk::<8>().ok_or(Error::MalformedCommand("MESSAGE"))?;
        let (tag, text) = rest.split_first_chunk::<TAG_BYTES>().ok_or(Error::MalformedCommand("MESSAGE"))?;
        let (flags, payload) = text.split_first().ok_or(Error::MalformedCommand("MESSAGE"))?;
        let number = u64::from_be_bytes(*number);
        if number <= self.last {
            return Err(Error::InvalidSequence);
        }
        let stream = self.stream.of_message(number, text.len());
        let expected = tag_of(stream.tag_key, text);
        if !bool::from(u128::from_ne_bytes(expected).ct_eq(&u128::from_ne_bytes(*tag))) {
            return Err(Error::Cryptographic);
        }
        self.last = number;
        let flags = flags ^ stream.flags;
        Framing::V2.encode_header(out, payload.len(), flags & INNER_MORE != 0, flags & INNER_COMMAND != 0);
        stream.append(payload, out);
        Ok(())
    }
}

/// Flags and a long length.
const HEADER_BYTES_MAX: usize = 9;

/// Name, number, tag and flags.
pub(crate) const OVERHEAD: usize = MESSAGE.len() + 8 + TAG_BYTES + FLAGS_BYTES;

const INNER_MORE: u8 = 1;
const INNER_COMMAND: u8 = 2;
