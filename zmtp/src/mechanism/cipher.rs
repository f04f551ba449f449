//! The traffic of an encrypted connection, whatever the mechanism: frames to encrypted frames and back.

use super::{curve, gssapi};
use crate::codec::Framing;
use crate::error::Error;

/// Encrypts what goes to the peer.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, CurveSecret, Event, Framing, MechanismConfig, SocketType};
/// # let now = Instant::now();
/// # let (server, secret) = (CurveSecret::generate()?, CurveSecret::generate()?);
/// # let (mut config, mut serving) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
/// # config.mechanism = MechanismConfig::CurveClient { public: secret.public(), secret, server: server.public() };
/// # serving.mechanism = MechanismConfig::CurveServer { secret: server };
/// # serving.as_server = true;
/// # let mut push = Connection::new(Arc::new(config), now);
/// # let mut pull = Connection::new(Arc::new(serving), now);
/// # while push.has_output() || pull.has_output() {
/// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
/// #     push.input().extend(from_pull.unwrap_or_default());
/// #     push.handle_input(now)?;
/// #     pull.input().extend(from_push.unwrap_or_default());
/// #     pull.handle_input(now)?;
/// # }
/// # pull.poll_event();
/// let mut sealer = push.take_sealer().expect("both sides use CURVE");
/// let mut bytes = Vec::new();
/// sealer.seal(&mut bytes, false, false, b"for your eyes only")?;
/// assert!(!bytes.windows(4).any(|part| part == b"eyes"));
/// # Ok::<(), zmtp::Error>(())
/// ```
pub struct Sealer(Sealing);

enum Sealing {
    Curve(curve::cipher::Sealer),
    Gssapi(gssapi::Sealer),
}

/// Decrypts what comes from the peer.
pub(crate) struct Opener(Opening);

enum Opening {
    Curve(curve::cipher::Opener),
    Gssapi(gssapi::Opener),
}

impl Sealer {
    /// Appends one frame, encrypted.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, CurveSecret, Event, Framing, MechanismConfig, SocketType};
    /// # let now = Instant::now();
    /// # let (server, secret) = (CurveSecret::generate()?, CurveSecret::generate()?);
    /// # let (mut config, mut serving) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
    /// # config.mechanism = MechanismConfig::CurveClient { public: secret.public(), secret, server: server.public() };
    /// # serving.mechanism = MechanismConfig::CurveServer { secret: server };
    /// # serving.as_server = true;
    /// # let mut push = Connection::new(Arc::new(config), now);
    /// # let mut pull = Connection::new(Arc::new(serving), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// # pull.poll_event();
    /// # let mut sealer = push.take_sealer().expect("both sides use CURVE");
    /// sealer.seal(pull.input(), true, false, b"head")?;
    /// sealer.seal(pull.input(), false, false, b"body")?;
    /// pull.handle_input(now)?;
    /// let Some(Event::Messages(mut messages)) = pull.poll_event() else { panic!("one was sent") };
    /// assert_eq!(messages.next_frame(), Some(("head".into(), true)));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use zmtp::{Config, Connection, CurveSecret, Event, Framing, MechanismConfig, SocketType};
    /// # let now = Instant::now();
    /// # let (server, secret) = (CurveSecret::generate()?, CurveSecret::generate()?);
    /// # let (mut config, mut serving) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
    /// # config.mechanism = MechanismConfig::CurveClient { public: secret.public(), secret, server: server.public() };
    /// # serving.mechanism = MechanismConfig::CurveServer { secret: server };
    /// # serving.as_server = true;
    /// # let mut push = Connection::new(Arc::new(config), now);
    /// # let mut pull = Connection::new(Arc::new(serving), now);
    /// # while push.has_output() || pull.has_output() {
    /// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
    /// #     push.input().extend(from_pull.unwrap_or_default());
    /// #     push.handle_input(now)?;
    /// #     pull.input().extend(from_push.unwrap_or_default());
    /// #     pull.handle_input(now)?;
    /// # }
    /// # pull.poll_event();
    /// # let mut sealer = push.take_sealer().expect("both sides use CURVE");
    /// let mut plain = Vec::new();
    /// Framing::V2.encode(&mut plain, b"head", true);
    /// Framing::V2.encode(&mut plain, b"body", false);
    /// sealer.seal_frames(pull.input(), &plain)?;
    /// pull.handle_input(now)?;
    /// let Some(Event::Messages(mut messages)) = pull.poll_event() else { panic!("one was sent") };
    /// assert_eq!(messages.next_frame(), Some(("head".into(), true)));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
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
    pub(crate) fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
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
