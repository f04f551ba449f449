//! The traffic of an encrypted connection, whatever the mechanism: frames to encrypted frames and back.

use super::{curve, gssapi};
use crate::codec::Framing;
use crate::error::Error;

/// Encrypts what goes to the peer.
pub struct Sealer(Sealing);

enum Sealing {
    Curve(curve::cipher::Sealer),
    Gssapi(gssapi::Sealer),
}

/// Decrypts what comes from the peer.
pub struct Opener(Opening);

enum Opening {
    Curve(curve::cipher::Opener),
    Gssapi(gssapi::Opener),
}

impl Sealer {
    /// Appends one frame, encrypted.
    ///
    /// # Errors
    /// CURVE: after 2^64 frames. GSSAPI: the security context is too old, or the system fails.
    #[inline]
    pub fn seal(&mut self, out: &mut Vec<u8>, more: bool, command: bool, body: &[u8]) -> Result<(), Error> {
        match &mut self.0 {
            Sealing::Curve(sealer) => sealer.seal(out, more, command, body),
            Sealing::Gssapi(sealer) => sealer.seal(out, more, command, body),
        }
    }

    /// Appends all frames of `plain`, encrypted. There must be whole frames, of ZMTP 2.0 and later, in it.
    ///
    /// # Errors
    /// As [`seal`](Sealer::seal), or `plain` is something else.
    pub fn seal_frames(&mut self, out: &mut Vec<u8>, mut plain: &[u8]) -> Result<(), Error> {
        while !plain.is_empty() {
            let header = Framing::V2.decode_header(plain)?.ok_or(Error::MalformedFrame)?;
            let rest = plain.get(header.len..).unwrap_or_default();
            let len = usize::try_from(header.body).map_err(|_| Error::MalformedFrame)?;
            let (body, rest) = rest.split_at_checked(len).ok_or(Error::MalformedFrame)?;
            self.seal(out, header.more, header.command, body)?;
            plain = rest;
        }
        Ok(())
    }
}

impl Opener {
    /// Decrypts the body of a frame and appends what was in it, as a frame of ZMTP 2.0 and later.
    ///
    /// # Errors
    /// It is not what this connection's peer has sent next.
    #[inline]
    pub fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match &mut self.0 {
            Opening::Curve(opener) => opener.open(body, out),
            Opening::Gssapi(opener) => opener.open(body, out),
        }
    }

    /// The most bytes that a frame is longer than what is in it.
    pub(crate) fn overhead(&self) -> usize {
        match self.0 {
            Opening::Curve(_) => curve::cipher::OVERHEAD,
            Opening::Gssapi(_) => gssapi::OVERHEAD,
        }
    }
}

impl From<curve::cipher::Sealer> for Sealer {
    fn from(sealer: curve::cipher::Sealer) -> Sealer {
        Sealer(Sealing::Curve(sealer))
    }
}

impl From<gssapi::Sealer> for Sealer {
    fn from(sealer: gssapi::Sealer) -> Sealer {
        Sealer(Sealing::Gssapi(sealer))
    }
}

impl From<curve::cipher::Opener> for Opener {
    fn from(opener: curve::cipher::Opener) -> Opener {
        Opener(Opening::Curve(opener))
    }
}

impl From<gssapi::Opener> for Opener {
    fn from(opener: gssapi::Opener) -> Opener {
        Opener(Opening::Gssapi(opener))
    }
}
