//! GSSAPI: both sides show who they are with tickets of a third party, Kerberos mostly, and encrypt what follows, if they
//! want to (RFC 38).
//!
//! The tokens mean nothing to this module: its driver keeps the security context, is asked for each step of it
//! ([`Event::Negotiate`](crate::Event::Negotiate)) and may take its time for it. Once the context stands, what it wraps
//! and unwraps goes through [`Wrapping`].
//!
//! ```text
//!   client                                        server
//!   INITIATE token ─────────────────────────────►  step
//!   step  ◄───────────────────────── INITIATE token        (again, as often as the context wants)
//!   INITIATE token, or an empty frame ──────────►  whether the peer is welcome (RFC 27)
//!         ◄───────────────────────── READY
//!   READY ──────────────────────────────────────►
//! ```
//!
//! The empty frame, where there is no last token, and that READY and the traffic behind it are wrapped in MESSAGE, is
//! what libzmq 4.3.4 does.

pub(super) mod client;
pub(super) mod server;

use std::fmt;
use std::sync::Arc;

use crate::codec::Framing;
use crate::command::{self, Command};
use crate::error::Error;

/// What one step of a security context came to.
///
/// ```
/// let step = zmtp::Step { token: b"for the peer".to_vec(), established: None };
/// assert!(step.established.is_none()); // It goes on with the peer's next token.
/// ```
#[derive(Debug)]
pub struct Step {
    /// For the peer; empty if there is nothing to tell it.
    pub token: Vec<u8>,
    /// The context, once it stands; until then the peer's next token is waited for.
    pub established: Option<Established>,
}

/// A security context that stands on this side.
///
/// ```
/// # use std::sync::Arc;
/// use zmtp::{Error, Established, Step, Wrapping};
///
/// # struct Clear;
/// # impl Wrapping for Clear {
/// #     fn wrap(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
/// #         Ok(text.to_vec())
/// #     }
/// #     fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, Error> {
/// #         Ok(token.to_vec())
/// #     }
/// # }
/// let context = Established { principal: "alice@EXAMPLE.COM".into(), wrapping: Arc::new(Clear) };
/// let last = Step { token: Vec::new(), established: Some(context) };
/// assert_eq!(last.established.map(|context| context.principal), Some("alice@EXAMPLE.COM".into()));
/// ```
#[derive(Clone)]
pub struct Established {
    /// Who the peer is, as text: `alice@EXAMPLE.COM`.
    pub principal: String,
    /// What protects the traffic; not used between sides that send it in the clear.
    pub wrapping: Arc<dyn Wrapping>,
}

/// What protects the traffic of a security context. Both directions may be used at once, each in the order of the
/// stream.
///
/// ```
/// use zmtp::{Error, Wrapping};
///
/// /// No protection at all: for tests.
/// struct Clear;
///
/// impl Wrapping for Clear {
///     fn wrap(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
///         Ok(text.to_vec())
///     }
///     fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, Error> {
///         Ok(token.to_vec())
///     }
/// }
/// assert_eq!(Clear.unwrap(&Clear.wrap(b"hello")?)?, b"hello");
/// # Ok::<(), zmtp::Error>(())
/// ```
pub trait Wrapping: Send + Sync {
    /// Encrypts.
    ///
    /// # Errors
    /// The context is too old, or the system fails.
    fn wrap(&self, text: &[u8]) -> Result<Vec<u8>, Error>;

    /// Decrypts; what was not encrypted, comes a second time or out of order is refused.
    ///
    /// # Errors
    /// It is not what the peer has wrapped next.
    fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, Error>;
}

/// Encrypts what goes to the peer.
pub(super) struct Sealer(Arc<dyn Wrapping>);

/// Decrypts what comes from the peer.
pub(super) struct Opener(Arc<dyn Wrapping>);

impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Established").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Appends one frame, encrypted.
    pub(super) fn seal(&mut self, out: &mut Vec<u8>, more: bool, command: bool, body: &[u8]) -> Result<(), Error> {
        let message = wrap(&*self.0, (u8::from(more) * INNER_MORE) | (u8::from(command) * INNER_COMMAND), body)?;
        Framing::V2.encode_header(out, message.len(), false, false);
        out.extend_from_slice(&message);
        Ok(())
    }
}

impl Opener {
    /// Decrypts the body of a frame, and appends what was in it, as a frame of ZMTP 2.0 and later.
    pub(super) fn open(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let text = unwrap(&*self.0, body)?;
        let (flags, payload) = text.split_first().ok_or(Error::MalformedCommand("MESSAGE"))?;
        // Later than 4.3.4, libzmq marks subscriptions by flags of their own, and leaves the command's name out.
        let name = match flags & (INNER_SUBSCRIBE | INNER_CANCEL) {
            INNER_SUBSCRIBE => command::SUBSCRIBE,
            INNER_CANCEL => command::CANCEL,
            _ => {
                Framing::V2.encode_header(out, payload.len(), flags & INNER_MORE != 0, flags & INNER_COMMAND != 0);
                out.extend_from_slice(payload);
                return Ok(());
            }
        };
        let mut named = Vec::new();
        command::encode(&mut named, name, payload);
        Framing::V2.encode_header(out, named.len(), false, true);
        out.extend_from_slice(&named);
        Ok(())
    }
}

/// How both sides speak once the context stands: in the clear, or wrapped.
fn cipher(established: &Established, plaintext: bool) -> Option<(Sealer, Opener)> {
    let wrapping = &established.wrapping;
    (!plaintext).then(|| (Sealer(wrapping.clone()), Opener(wrapping.clone())))
}

/// A command of the handshake behind the tokens, as it goes to the peer.
fn protect(established: &Established, plaintext: bool, command: Vec<u8>) -> Result<Vec<u8>, Error> {
    if plaintext { Ok(command) } else { wrap(&*established.wrapping, 0, &command) }
}

/// The other way.
fn expose(established: &Established, plaintext: bool, body: &[u8]) -> Result<Vec<u8>, Error> {
    super::check_structure(body)?;
    if plaintext {
        return Ok(body.to_vec());
    }
    let mut text = unwrap(&*established.wrapping, body)?;
    if text.is_empty() {
        return Err(Error::MalformedCommand("MESSAGE"));
    }
    text.remove(0);
    Ok(text)
}

/// MESSAGE: a token and its length.
fn wrap(wrapping: &dyn Wrapping, flags: u8, body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::with_capacity(1 + body.len());
    text.push(flags);
    text.extend_from_slice(body);
    tokened(MESSAGE, &wrapping.wrap(&text)?)
}

fn unwrap(wrapping: &dyn Wrapping, body: &[u8]) -> Result<Vec<u8>, Error> {
    super::check_structure(body)?;
    let rest = body.strip_prefix(MESSAGE).ok_or(Error::UnexpectedCommand)?;
    wrapping.unwrap(token_of(rest).ok_or(Error::MalformedCommand("MESSAGE"))?)
}

fn initiate(token: &[u8]) -> Result<Vec<u8>, Error> {
    tokened(INITIATE, token)
}

/// The token in the peer's INITIATE.
fn read_initiate(body: &[u8]) -> Result<Vec<u8>, Error> {
    super::check_structure(body)?;
    let rest = body.strip_prefix(INITIATE).ok_or(Error::UnexpectedCommand)?;
    token_of(rest).map(<[u8]>::to_vec).ok_or(Error::MalformedCommand("INITIATE"))
}

fn tokened(name: &[u8], token: &[u8]) -> Result<Vec<u8>, Error> {
    let len = u32::try_from(token.len());
    let len = len.map_err(|_| Error::Oversize { bytes: token.len() as u64, limit: u64::from(u32::MAX) })?;
    Ok([name, &len.to_be_bytes(), token].concat())
}

/// A length of four bytes, so many bytes, and nothing behind.
fn token_of(bytes: &[u8]) -> Option<&[u8]> {
    let (len, token) = bytes.split_first_chunk::<4>()?;
    (u32::from_be_bytes(*len) as usize == token.len()).then_some(token)
}

/// What the peer's READY says.
fn read_ready(text: &[u8]) -> Result<Vec<(String, bytes::Bytes)>, Error> {
    match Command::parse(text) {
        Some(Command { name: command::READY, data }) => {
            crate::metadata::parse(data).map_err(|_| Error::InvalidMetadata)
        }
        Some(Command { name: command::ERROR, data }) => Err(super::refusal(data)),
        _ => Err(Error::UnexpectedCommand),
    }
}

/// Name and length, and room for what the token has beside the text: 60 bytes with Kerberos' AES, more with others.
pub(super) const OVERHEAD: usize = MESSAGE.len() + 4 + 256;

const INITIATE: &[u8] = b"\x08INITIATE";
const MESSAGE: &[u8] = b"\x07MESSAGE";

const INNER_MORE: u8 = 1;
const INNER_COMMAND: u8 = 2;
const INNER_SUBSCRIBE: u8 = 4;
const INNER_CANCEL: u8 = 8;
