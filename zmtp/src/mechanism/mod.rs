//! Mechanisms: a handshake of commands, after which both sides know each other's properties, and perhaps a cipher for
//! what follows.
//!
//! A mechanism asks its driver whether the peer is welcome ([`Question`], RFC 27) and goes on when it has the
//! [`Verdict`]: properties, and with them the way to traffic, come from a peer that was let in only.

mod cipher;
pub(crate) mod curve;
pub(crate) mod gssapi;
mod null;
mod password;
mod plain;

use std::fmt;

use bytes::Bytes;
use zeroize::Zeroize;

use self::curve::{CurveKey, CurveSecret};
use self::gssapi::Step;
use crate::connection::Config;
use crate::error::Error;

pub(crate) use self::cipher::Opener;
pub use self::cipher::Sealer;
pub use self::password::Password;

/// Which mechanism to use, with what it needs.
///
/// ```
/// # use zmtp::{Config, CurveSecret, MechanismConfig, SocketType};
/// let mut config = Config::new(SocketType::Pull);
/// config.mechanism = MechanismConfig::CurveServer { secret: CurveSecret::generate()? };
/// assert_eq!(config.mechanism.name(), "CURVE");
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum MechanismConfig {
    /// No security (RFC 37, section 4).
    #[default]
    Null,
    /// Asks clients for user and password (RFC 24).
    PlainServer,
    /// Says who it is.
    PlainClient {
        /// The user's name; up to 255 bytes.
        username: Vec<u8>,
        /// Up to 255 bytes.
        password: Password,
    },
    /// Authenticates and encrypts, for clients that know its public key (RFC 26).
    CurveServer {
        /// Its long-term secret key.
        secret: CurveSecret,
    },
    /// Authenticates and encrypts.
    CurveClient {
        /// Its long-term public key.
        public: CurveKey,
        /// Its long-term secret key.
        secret: CurveSecret,
        /// The server's long-term public key.
        server: CurveKey,
    },
    /// Accepts clients that a third party vouches for (RFC 38); its driver keeps the security context.
    GssapiServer {
        /// Whether what follows the handshake is sent in the clear. Both sides have to say the same.
        plaintext: bool,
    },
    /// Shows what a third party vouches for; its driver keeps the security context.
    GssapiClient {
        /// As a server's.
        plaintext: bool,
    },
}

/// What a mechanism wants to know: whether a peer with these credentials is welcome. They are wiped when it is dropped.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, CurveSecret, MechanismConfig, SocketType};
/// # let now = Instant::now();
/// # let (server, client) = (CurveSecret::generate()?, CurveSecret::generate()?);
/// # let (mut config, mut asking) = (Config::new(SocketType::Push), Config::new(SocketType::Pull));
/// # let public = client.public();
/// # config.mechanism = MechanismConfig::CurveClient { public, secret: client.clone(), server: server.public() };
/// # asking.mechanism = MechanismConfig::CurveServer { secret: server };
/// # (asking.as_server, asking.authenticate) = (true, true);
/// # let mut push = Connection::new(Arc::new(config), now);
/// # let mut pull = Connection::new(Arc::new(asking), now);
/// # while push.has_output() || pull.has_output() {
/// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
/// #     push.input().extend(from_pull.unwrap_or_default());
/// #     push.handle_input(now)?;
/// #     pull.input().extend(from_push.unwrap_or_default());
/// #     pull.handle_input(now)?;
/// # }
/// let question = pull.take_question().expect("the server was set up to ask");
/// assert_eq!((question.mechanism, &question.credentials[0][..]), ("CURVE", &client.public().as_bytes()[..]));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// The mechanism's name.
    pub mechanism: &'static str,
    /// PLAIN: user and password. CURVE: the client's long-term public key. GSSAPI: its principal. NULL: nothing.
    pub credentials: Vec<Vec<u8>>,
}

impl fmt::Debug for Question {
    /// Passwords are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.credentials.zeroize();
    }
}

/// The answer to a [`Question`].
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use zmtp::{Config, Connection, Error, SocketType, Verdict};
/// # let now = Instant::now();
/// # let mut asking = Config::new(SocketType::Pull);
/// # asking.authenticate = true;
/// # let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), now);
/// # let mut pull = Connection::new(Arc::new(asking), now);
/// # while push.has_output() || pull.has_output() {
/// #     let (from_push, from_pull) = (push.take_output(), pull.take_output());
/// #     push.input().extend(from_pull.unwrap_or_default());
/// #     push.handle_input(now)?;
/// #     pull.input().extend(from_push.unwrap_or_default());
/// #     pull.handle_input(now)?;
/// # }
/// // Two peers, one of which waits for the other's verdict.
/// pull.answer(Verdict::Refused(400), now)?;
/// push.input().extend(pull.take_output().unwrap_or_default());
/// assert_eq!(push.handle_input(now), Err(Error::Refused("400".into())));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The peer is welcome.
    Welcome,
    /// The peer is told to go, with this status: 400 or 500. With 300 it is told nothing.
    Refused(u16),
}

impl MechanismConfig {
    /// The name in the greeting.
    ///
    /// ```
    /// assert_eq!(zmtp::MechanismConfig::PlainServer.name(), "PLAIN");
    /// ```
    pub fn name(&self) -> &'static str {
        match self {
            MechanismConfig::Null => "NULL",
            MechanismConfig::PlainServer | MechanismConfig::PlainClient { .. } => "PLAIN",
            MechanismConfig::CurveServer { .. } | MechanismConfig::CurveClient { .. } => "CURVE",
            MechanismConfig::GssapiServer { .. } | MechanismConfig::GssapiClient { .. } => "GSSAPI",
        }
    }

    /// Whether this side has something to say that does not depend on the peer, and is of no use to one that has another
    /// mechanism.
    pub(crate) fn speaks_first(&self) -> bool {
        matches!(self, MechanismConfig::Null)
    }

    pub(crate) fn start(&self, config: &Config) -> Result<Box<dyn Mechanism>, Error> {
        Ok(match self {
            MechanismConfig::Null => Box::new(null::Null::new(config)),
            MechanismConfig::PlainServer => Box::new(plain::Server::new(config)),
            MechanismConfig::PlainClient { username, password } => {
                Box::new(plain::Client::new(config, username, password))
            }
            MechanismConfig::CurveServer { secret } => Box::new(curve::server::Server::new(config, secret)?),
            MechanismConfig::CurveClient { public, secret, server } => {
                Box::new(curve::client::Client::new(config, *public, secret, *server)?)
            }
            MechanismConfig::GssapiServer { plaintext } => Box::new(gssapi::server::Server::new(config, *plaintext)),
            MechanismConfig::GssapiClient { plaintext } => Box::new(gssapi::client::Client::new(config, *plaintext)),
        })
    }
}

/// One side of a handshake.
pub(crate) trait Mechanism: Send {
    /// The body of the next command to send, if it is this side's turn.
    fn next_command(&mut self) -> Option<Vec<u8>>;

    /// The peer's command.
    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error>;

    /// Whether a peer is welcome; asked once, and nothing goes on before the answer.
    fn question(&mut self) -> Option<Question> {
        None
    }

    /// The answer.
    fn answer(&mut self, _verdict: Verdict) {}

    /// A token of the peer's, with which the security context is to make its next step; given once.
    fn token(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// The step.
    fn negotiated(&mut self, _step: Step) -> Result<(), Error> {
        Ok(())
    }

    /// The peer's properties, once the handshake is done on both sides; given once.
    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>>;

    /// The peer's properties as soon as they are known, where the handshake ends with a command of this side's: a peer that
    /// cannot be talked to does not get that.
    fn announced(&self) -> Option<&[(String, Bytes)]> {
        None
    }

    /// What traffic is encrypted by; given once, with the properties.
    fn take_cipher(&mut self) -> Option<(Sealer, Opener)> {
        None
    }
}

/// An ERROR command: why the peer is told to go.
fn error_body(name: &[u8], status: u16) -> Vec<u8> {
    let reason = status.to_string();
    let mut body = name.to_vec();
    body.push(reason.len() as u8);
    body.extend_from_slice(reason.as_bytes());
    body
}

/// What an ERROR command of the peer's says.
fn refusal(data: &[u8]) -> Error {
    match data.split_first().and_then(|(len, rest)| rest.get(..usize::from(*len))) {
        Some(reason) => Error::Refused(String::from_utf8_lossy(reason).into_owned()),
        None => Error::MalformedCommand("ERROR"),
    }
}

/// A command is more than a byte, and longer than its name's length says.
fn check_structure(body: &[u8]) -> Result<(), Error> {
    match body.first() {
        Some(len) if body.len() > 1 && body.len() > usize::from(*len) => Ok(()),
        _ => Err(Error::MalformedCommand("")),
    }
}
