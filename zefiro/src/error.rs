//! What went wrong: the operation, the endpoint, the cause.
//!
//! An [`Error`] is two words large and costs no allocation for the common answers (would block, timed out); what
//! concerns an endpoint or the operating system carries its details behind one pointer. A message that could not be
//! sent comes back inside a [`SendError`].

use std::fmt;
use std::io;

use crate::message::Message;

/// The result of a Zefiro operation.
///
/// ```
/// fn greet() -> zefiro::Result<()> {
///     Ok(zefiro::Pub::new().send("hello")?)
/// }
/// assert!(greet().is_ok());
/// # Ok::<(), zefiro::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed; [`kind`](Error::kind) for programs, `Display` for people.
///
/// ```
/// # use zefiro::Pull;
/// let error = Pull::new().bind("tcp://127.0.0.1").unwrap_err();
/// assert_eq!((error.operation(), error.endpoint()), ("bind", Some("tcp://127.0.0.1")));
/// assert!(error.to_string().contains("the port is missing"));
/// ```
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    detail: Option<Box<Detail>>,
}

/// The classes of failure, one for each thing a program may want to do about it.
///
/// ```
/// # use zefiro::{ErrorKind, Pull};
/// # let pull = Pull::new();
/// match pull.try_recv() {
///     Ok(message) => println!("{message:?}"),
///     Err(error) if error.kind() == ErrorKind::WouldBlock => println!("later, then"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing to receive, or no room to send, right now (`EAGAIN`).
    WouldBlock,
    /// The time allowed ran out first (`EAGAIN` in C).
    TimedOut,
    /// The context was shut down (`ETERM`).
    Terminated,
    /// The socket was closed, perhaps by another thread while this call waited (`ENOTSOCK` in C).
    Closed,
    /// The socket is not in a state for this, such as two requests in a row on a REQ socket (`EFSM`).
    State,
    /// This socket type cannot do that, such as receiving on PUSH (`ENOTSUP`).
    Unsupported,
    /// No peer has that routing id (`EHOSTUNREACH`).
    Unroutable,
    /// The endpoint's text cannot be read, or makes no sense for this call (`EINVAL`).
    InvalidEndpoint,
    /// The endpoint's transport is not one of ours (`EPROTONOSUPPORT`).
    UnsupportedTransport,
    /// The endpoint's transport does not suit the socket's type, such as udp on PUSH (`ENOCOMPATPROTO`).
    IncompatibleTransport,
    /// The socket does not use that endpoint (`ENOENT`).
    UnknownEndpoint,
    /// A name or an interface could not be resolved (`ENODEV`).
    UnknownHost,
    /// The address is in use, or the routing id that the next connect is to have (`EADDRINUSE`).
    AddressInUse,
    /// The address is not one of this machine's (`EADDRNOTAVAIL`).
    AddressNotAvailable,
    /// The message's shape is wrong for this socket, such as one frame on STREAM (`EINVAL`).
    InvalidMessage,
    /// An option's value is out of its range (`EINVAL`).
    InvalidOption,
    /// More sockets than the context allows (`EMFILE`).
    TooManySockets,
    /// The context has no I/O thread for this transport (`EMTHREAD`).
    NoIoThread,
    /// A signal was handled while the call waited, and it was asked to end then (`EINTR`).
    Interrupted,
    /// The [policy](crate::policy) of the process asks for encryption (`EACCES`).
    Insecure,
    /// The operating system refused; [`Error::io_error`] says how.
    Io,
}

struct Detail {
    endpoint: String,
    cause: Cause,
}

enum Cause {
    Text(String),
    Io(io::Error),
}

impl Error {
    /// An error without further detail; costs no allocation.
    pub(crate) const fn new(kind: ErrorKind, operation: &'static str) -> Error {
        Error { kind, operation, detail: None }
    }

    /// An error about an endpoint (or an option), with the cause in words.
    pub(crate) fn with_text(
        kind: ErrorKind,
        operation: &'static str,
        endpoint: impl Into<String>,
        cause: impl Into<String>,
    ) -> Error {
        let detail = Detail { endpoint: endpoint.into(), cause: Cause::Text(cause.into()) };
        Error { kind, operation, detail: Some(Box::new(detail)) }
    }

    /// An error of the operating system about an endpoint; the kind follows from it.
    pub(crate) fn with_io(operation: &'static str, endpoint: impl Into<String>, cause: io::Error) -> Error {
        let kind = match cause.kind() {
            io::ErrorKind::AddrInUse => ErrorKind::AddressInUse,
            io::ErrorKind::AddrNotAvailable => ErrorKind::AddressNotAvailable,
            _ => ErrorKind::Io,
        };
        let detail = Detail { endpoint: endpoint.into(), cause: Cause::Io(cause) };
        Error { kind, operation, detail: Some(Box::new(detail)) }
    }

    /// The same, with the endpoint as the program has given it.
    pub(crate) fn at(mut self, endpoint: &str) -> Error {
        if let Some(detail) = &mut self.detail {
            detail.endpoint = endpoint.to_string();
        }
        self
    }

    /// What class of failure this is.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Pull};
    /// let error = Pull::new().bind("nonsense").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The operation that failed: `"bind"`, `"send"`, …
    ///
    /// ```
    /// assert_eq!(zefiro::Pull::new().try_recv().unwrap_err().operation(), "recv");
    /// ```
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// The endpoint concerned, as it was given, if one was.
    ///
    /// ```
    /// # use zefiro::Pull;
    /// assert_eq!(Pull::new().bind("nonsense").unwrap_err().endpoint(), Some("nonsense"));
    /// assert_eq!(Pull::new().try_recv().unwrap_err().endpoint(), None);
    /// ```
    pub fn endpoint(&self) -> Option<&str> {
        self.detail.as_ref().map(|detail| detail.endpoint.as_str()).filter(|text| !text.is_empty())
    }

    /// The operating system's error, where it was the cause.
    ///
    /// ```
    /// # use zefiro::Pull;
    /// # let pull = Pull::new();
    /// let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// let error = Pull::new().bind(endpoint).unwrap_err();
    /// assert_eq!(error.io_error().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn io_error(&self) -> Option<&io::Error> {
        match self.detail.as_deref() {
            Some(Detail { cause: Cause::Io(error), .. }) => Some(error),
            _ => None,
        }
    }

    /// Whether trying again later may succeed: [`WouldBlock`](ErrorKind::WouldBlock) or
    /// [`TimedOut`](ErrorKind::TimedOut).
    ///
    /// ```
    /// assert!(zefiro::Pull::new().try_recv().unwrap_err().is_would_block());
    /// ```
    pub fn is_would_block(&self) -> bool {
        matches!(self.kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
    }

    /// The cause in words, without operation and endpoint: for those who tell these themselves.
    pub(crate) fn reason(&self) -> String {
        match self.detail.as_deref().map(|detail| &detail.cause) {
            Some(Cause::Text(text)) => text.clone(),
            Some(Cause::Io(error)) => error.to_string(),
            None => self.kind.text().to_string(),
        }
    }

    /// Whether the socket is at its end: closed, or its context shut down.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self.kind, ErrorKind::Closed | ErrorKind::Terminated)
    }
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            ErrorKind::WouldBlock => "it would have to wait",
            ErrorKind::TimedOut => "the time allowed ran out",
            ErrorKind::Terminated => "the context was shut down",
            ErrorKind::Closed => "the socket was closed",
            ErrorKind::State => {
                "the socket is not in a state for it (on REQ and REP, sending and receiving take turns)"
            }
            ErrorKind::Unsupported => "this socket type cannot do that",
            ErrorKind::Unroutable => "no peer has that routing id",
            ErrorKind::InvalidEndpoint => "the endpoint is not valid",
            ErrorKind::UnsupportedTransport => "the transport is not supported",
            ErrorKind::IncompatibleTransport => "the transport does not suit this socket type",
            ErrorKind::UnknownEndpoint => "the socket does not use that endpoint",
            ErrorKind::UnknownHost => "the host or interface is not known",
            ErrorKind::AddressInUse => "the address is in use",
            ErrorKind::AddressNotAvailable => "the address is not available on this machine",
            ErrorKind::InvalidMessage => "the message has the wrong shape for this socket",
            ErrorKind::InvalidOption => "the option's value is not valid",
            ErrorKind::TooManySockets => "the context has as many sockets as it allows",
            ErrorKind::NoIoThread => "the context has no I/O thread",
            ErrorKind::Interrupted => "a signal was handled meanwhile",
            ErrorKind::Insecure => "encryption is asked for",
            ErrorKind::Io => "the operating system refused",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(endpoint) = self.endpoint() {
            write!(f, " {endpoint}")?;
        }
        write!(f, ": {}", self.reason())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind)
    }
}

impl std::error::Error for Error {
    /// What is behind the system's error, which is part of the text: see [`Error::io_error`].
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.io_error().and_then(std::error::Error::source)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error.kind {
            ErrorKind::WouldBlock => io::ErrorKind::WouldBlock,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Unsupported => io::ErrorKind::Unsupported,
            ErrorKind::Interrupted => io::ErrorKind::Interrupted,
            ErrorKind::AddressInUse => io::ErrorKind::AddrInUse,
            ErrorKind::AddressNotAvailable => io::ErrorKind::AddrNotAvailable,
            ErrorKind::InvalidEndpoint | ErrorKind::InvalidMessage | ErrorKind::InvalidOption => {
                io::ErrorKind::InvalidInput
            }
            ErrorKind::Closed | ErrorKind::Terminated => io::ErrorKind::BrokenPipe,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// A message that was not sent, and why. Nothing of it reached any peer.
///
/// ```
/// use zefiro::{ErrorKind, Push};
///
/// let push = Push::new();
/// // There is nobody to send to, nor will there be.
/// let error = push.try_send("precious").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::WouldBlock);
/// assert_eq!(error.into_message(), "precious");
/// ```
pub struct SendError(Box<(Error, Message)>);

impl SendError {
    pub(crate) fn new(error: Error, message: Message) -> SendError {
        SendError(Box::new((error, message)))
    }

    /// Why the message was refused.
    ///
    /// ```
    /// let error = zefiro::Push::new().try_send("precious").unwrap_err();
    /// assert_eq!(error.error().operation(), "send");
    /// ```
    pub fn error(&self) -> &Error {
        &self.0.0
    }

    /// What class of failure this is.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Push};
    /// assert_eq!(Push::new().try_send("precious").unwrap_err().kind(), ErrorKind::WouldBlock);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.0.kind
    }

    /// The message, whole, to be tried again or kept.
    ///
    /// ```
    /// let error = zefiro::Push::new().try_send(["precious", "parts"]).unwrap_err();
    /// assert_eq!(error.into_message(), ["precious", "parts"]);
    /// ```
    pub fn into_message(self) -> Message {
        self.0.1
    }

    /// The error and the message.
    ///
    /// ```
    /// let (error, message) = zefiro::Push::new().try_send("precious").unwrap_err().into_parts();
    /// assert!(error.is_would_block() && message == "precious");
    /// ```
    pub fn into_parts(self) -> (Error, Message) {
        *self.0
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.fmt(f)
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.0.source()
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Error {
        error.0.0
    }
}
