//! Authentication: who may connect to a socket, decided by the program that owns it.
//!
//! An [`Authenticator`] is given to a socket by its builder. It is asked about every peer that comes to the socket over
//! tcp or ipc, while that peer waits; only an [`Answer`] that allows it leads to traffic. It runs on a thread of its
//! own, so that it may take its time: the I/O threads go on with everybody else meanwhile. One that panics, or does not
//! answer before the handshake's time ([`handshake_interval`](crate::Options::handshake_interval)) is over, refuses the
//! peer; monitors are told of every refusal ([`AuthenticationFailed`](crate::EventKind::AuthenticationFailed)).
//!
//! A socket without one asks a ZAP handler (RFC 27), as libzmq's do. A CURVE or PLAIN client is not asked about its
//! server: it knows the server by its key, or not at all. Sockets of one process that meet over inproc ask nobody.
//!
//! ```
//! use zefiro::auth::{Answer, Credentials, Request};
//! use zefiro::{Pull, Push};
//!
//! let pull = Pull::builder()
//!     .plain_server(true)
//!     .authenticator(|peer: &Request| match &peer.credentials {
//!         Credentials::Password { user, password } if user == "admin" && password == "secret" => Answer::allow("admin"),
//!         _ => Answer::deny("not on the list"),
//!     })
//!     .build()?;
//! let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();
//!
//! let push = Push::builder().plain_username("admin").plain_password("secret").build()?;
//! push.connect(&endpoint)?;
//! push.send("hello")?;
//! let (message, peer) = pull.recv_from()?;
//! assert_eq!(peer.as_ref().and_then(|peer| peer.get("User-Id")), Some(&b"admin"[..]));
//! # Ok::<(), zefiro::Error>(())
//! ```
//!
//! Ready-made: [`Users`], [`Addresses`], [`Keys`].

mod known;
pub(crate) mod worker;

use std::fmt;
use std::net::IpAddr;

use zmtp::{CurveKey, Frame, Password, Question};

pub use self::known::{Addresses, Keys, Users};
use crate::zap::Fault;

/// Decides who may connect; a function of a [`Request`] that gives an [`Answer`] is one.
///
/// It is called on a thread that the socket keeps for it, one peer after the other, and may block: what waits for much
/// is better done as a [future](crate::Builder::authenticator_async), of which many can wait at once.
///
/// ```
/// # use zefiro::{Pull, auth::{Answer, Authenticator, Request}};
/// struct Loopback;
///
/// impl Authenticator for Loopback {
///     fn authenticate(&self, peer: &Request) -> Answer {
///         if peer.ip().is_some_and(|ip| ip.is_loopback()) { Answer::allow("") } else { Answer::deny("not from here") }
///     }
/// }
/// # let push = zefiro::Push::new();
/// let pull = Pull::builder().authenticator(Loopback).build()?;
/// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
/// push.send("hello")?;
/// assert_eq!(pull.recv()?, "hello");
/// # Ok::<(), zefiro::Error>(())
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Whether the peer may connect.
    fn authenticate(&self, request: &Request) -> Answer;
}

impl<F: Fn(&Request) -> Answer + Send + Sync + 'static> Authenticator for F {
    fn authenticate(&self, request: &Request) -> Answer {
        self(request)
    }
}

/// A peer that wants to connect.
///
/// ```
/// # use zefiro::{Pull, auth::{Answer, Request}};
/// # let push = zefiro::Push::new();
/// let by_mechanism = |peer: &Request| Answer::allow(peer.mechanism);
/// let pull = Pull::builder().authenticator(by_mechanism).build()?;
/// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
/// push.send("hello")?;
/// pull.recv()?;
/// assert_eq!(pull.peers()[0].user_id.as_deref(), Some("NULL"));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Request {
    /// The security mechanism: `NULL`, `PLAIN`, `CURVE` or `GSSAPI`.
    pub mechanism: &'static str,
    /// The socket's option [`zap_domain`](crate::Options::zap_domain).
    pub domain: String,
    /// The endpoint that the peer was accepted on, or connected to.
    pub endpoint: String,
    /// The peer's IP address; of an ipc peer `localhost:uid:gid:pid`, where the system tells.
    pub address: Option<String>,
    /// The routing id of the socket that asks, as ZAP has it; empty for none.
    pub identity: Frame,
    /// What the peer shows.
    pub credentials: Credentials,
}

/// What a peer shows to be let in.
///
/// ```
/// # use zefiro::auth::Credentials;
/// let shown = Credentials::Password { user: "admin".into(), password: "secret".into() };
/// assert!(matches!(&shown, Credentials::Password { user, password } if user == "admin" && password == "secret"));
/// assert!(!format!("{shown:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Nothing: NULL.
    None,
    /// A user and a password: PLAIN.
    Password {
        /// The user's name; bytes that are no UTF-8 never get here.
        user: String,
        /// The password; compares with texts.
        password: Password,
    },
    /// A public key, of which the peer has proved to have the secret one: CURVE.
    Key(CurveKey),
    /// A principal that a third party vouches for, like `alice@EXAMPLE.COM`: GSSAPI.
    Principal(String),
}

/// What is to become of a peer.
///
/// ```
/// # use zefiro::auth::Answer;
/// assert!(Answer::allow("alice").allows());
/// assert!(!Answer::deny("not on the list").allows());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "an answer counts once it is given"]
pub struct Answer {
    /// 200, 300, 400 or 500, as in ZAP (RFC 27).
    pub(crate) status: u16,
    pub(crate) text: String,
    pub(crate) user_id: Vec<u8>,
    pub(crate) metadata: Vec<(String, Vec<u8>)>,
}

impl Request {
    pub(crate) fn new(
        question: &Question,
        domain: &[u8],
        endpoint: &str,
        address: Option<&str>,
        identity: Frame,
    ) -> Option<Request> {
        let credentials = match &question.credentials[..] {
            [] => Credentials::None,
            [principal] if question.mechanism == "GSSAPI" => {
                Credentials::Principal(String::from_utf8(principal.clone()).ok()?)
            }
            [key] => Credentials::Key(CurveKey::new(key.as_slice().try_into().ok()?)),
            [user, password] => {
                Credentials::Password { user: String::from_utf8(user.clone()).ok()?, password: password.clone().into() }
            }
            _ => return None,
        };
        Some(Request {
            mechanism: question.mechanism,
            domain: String::from_utf8_lossy(domain).into_owned(),
            endpoint: endpoint.to_string(),
            address: address.map(str::to_string),
            identity,
            credentials,
        })
    }

    /// The peer's public key, if it came with CURVE.
    ///
    /// ```
    /// # use zefiro::{CurveKey, auth::{Answer, Request}};
    /// let friend = CurveKey::from_z85("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID").expect("it is a key");
    /// let authenticator = move |peer: &Request| match peer.key() {
    ///     Some(key) if key == friend => Answer::allow("friend"),
    ///     _ => Answer::deny("a stranger"),
    /// };
    /// # let secret = zefiro::CurveSecret::new([7; 32]);
    /// # let server = secret.public();
    /// # let pull = zefiro::Pull::builder().curve_server(true).curve_secret_key(secret).authenticator(authenticator).build()?;
    /// # let mut monitor = pull.monitor();
    /// # let stranger = zefiro::CurveSecret::new([8; 32]);
    /// # let push = zefiro::Push::builder().curve_server_key(server).curve_secret_key(stranger).build()?;
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// # assert!(monitor.any(|event| matches!(event.kind, zefiro::EventKind::AuthenticationFailed(_))));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn key(&self) -> Option<CurveKey> {
        match self.credentials {
            Credentials::Key(key) => Some(key),
            _ => None,
        }
    }

    /// The peer's principal, if it came with GSSAPI.
    ///
    /// ```
    /// # use zefiro::{Pull, auth::{Answer, Request}};
    /// let members = |peer: &Request| match peer.principal() {
    ///     Some(name) if name.ends_with("@EXAMPLE.COM") => Answer::allow(name),
    ///     _ => Answer::deny("not one of us"),
    /// };
    /// let pull = Pull::builder().gssapi_server(true).authenticator(members).build();
    /// # assert!(pull.is_ok() || !zefiro::gssapi_is_available());
    /// ```
    pub fn principal(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Principal(name) => Some(name),
            _ => None,
        }
    }

    /// The peer's IP address; `None` of an ipc peer.
    ///
    /// ```
    /// # use zefiro::{Pull, auth::{Answer, Request}};
    /// # let push = zefiro::Push::new();
    /// let by_address = |peer: &Request| match peer.ip() {
    ///     Some(ip) => Answer::allow(ip.to_string()),
    ///     None => Answer::deny("not over tcp"),
    /// };
    /// let pull = Pull::builder().authenticator(by_address).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// pull.recv()?;
    /// assert_eq!(pull.peers()[0].user_id.as_deref(), Some("127.0.0.1"));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.as_deref()?.parse().ok()
    }
}

impl fmt::Debug for Credentials {
    /// Passwords are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Credentials::Key(key) => f.debug_tuple("Key").field(key).finish(),
            Credentials::Principal(name) => f.debug_tuple("Principal").field(name).finish(),
        }
    }
}

impl Answer {
    /// The peer may connect. The user id, which may be empty, is found on its messages as `User-Id` and in
    /// [`Peer::user_id`](crate::Peer::user_id).
    ///
    /// ```
    /// # use zefiro::{Pull, auth::{Answer, Request}};
    /// # let push = zefiro::Push::new();
    /// let pull = Pull::builder().authenticator(|_: &Request| Answer::allow("alice")).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// let (_, peer) = pull.recv_from()?;
    /// assert_eq!(peer.as_ref().and_then(|peer| peer.get("User-Id")), Some(&b"alice"[..]));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn allow(user_id: impl Into<Vec<u8>>) -> Answer {
        Answer { status: 200, text: String::new(), user_id: user_id.into(), metadata: Vec::new() }
    }

    /// The peer may not connect (400): it is told so, and does not try again. The text is for this side's monitors.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull, auth::{Answer, Request}};
    /// # let push = zefiro::Push::new();
    /// let pull = Pull::builder().authenticator(|_: &Request| Answer::deny("not on the list")).build()?;
    /// let mut monitor = pull.monitor();
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// let refused = monitor.find(|event| matches!(event.kind, EventKind::AuthenticationFailed(_)));
    /// assert_eq!(refused.map(|event| event.value), Some(400));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn deny(text: impl Into<String>) -> Answer {
        Answer::refuse(400, text)
    }

    /// The peer may not connect now (300): it is told nothing, and tries again.
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # use zefiro::{Pull, Push, auth::{Answer, Request}};
    /// # use std::time::Duration;
    /// let ready = AtomicBool::new(false);
    /// let at_the_second_try = move |_: &Request| match ready.swap(true, Ordering::Relaxed) {
    ///     true => Answer::allow(""),
    ///     false => Answer::later("not ready yet"),
    /// };
    /// let pull = Pull::builder().authenticator(at_the_second_try).build()?;
    /// // How long a client waits for an answer before it tries again.
    /// let push = Push::builder().handshake_interval(Duration::from_millis(200)).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("patience")?;
    /// assert_eq!(pull.recv()?, "patience");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn later(text: impl Into<String>) -> Answer {
        Answer::refuse(300, text)
    }

    /// Whether the peer may connect cannot be found out (500): it is told so.
    ///
    /// ```
    /// # use zefiro::auth::Answer;
    /// let users = std::fs::read_to_string("no such file");
    /// let answer = match users {
    ///     Ok(_) => Answer::allow(""),
    ///     Err(error) => Answer::fail(format!("the users cannot be read: {error}")),
    /// };
    /// assert!(!answer.allows());
    /// ```
    pub fn fail(text: impl Into<String>) -> Answer {
        Answer::refuse(500, text)
    }

    /// Adds a property that the messages of a peer let in have in their [metadata](crate::Metadata).
    ///
    /// ```
    /// # use zefiro::{Pull, auth::{Answer, Request}};
    /// # let push = zefiro::Push::new();
    /// let pull = Pull::builder().authenticator(|_: &Request| Answer::allow("alice").with("Role", "admin")).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// let (_, peer) = pull.recv_from()?;
    /// assert_eq!(peer.as_ref().and_then(|peer| peer.get("Role")), Some(&b"admin"[..]));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Answer {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Whether the peer may connect.
    ///
    /// ```
    /// # use zefiro::auth::Answer;
    /// assert!(Answer::allow("").allows() && !Answer::later("not ready yet").allows());
    /// ```
    pub fn allows(&self) -> bool {
        self.status == 200
    }

    fn refuse(status: u16, text: impl Into<String>) -> Answer {
        Answer { status, text: text.into(), user_id: Vec::new(), metadata: Vec::new() }
    }
}

/// A question that was put to somebody.
pub(crate) enum Asked {
    /// The authenticator on an inproc socket.
    Zap(crate::zap::Asked),
    /// The socket's own.
    Own(worker::Pending),
}

impl Asked {
    /// The answer, if it has come.
    pub(crate) fn answer(&self) -> Option<Result<Answer, Fault>> {
        match self {
            Asked::Zap(asked) => asked.answer(),
            Asked::Own(pending) => pending.answer().map(Ok),
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Asked::Own(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let credentials = Credentials::Password { user: "admin".into(), password: "hunter2".into() };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("admin") && !shown.contains("hunter2"));
    }
}
