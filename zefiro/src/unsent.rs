//! Unsent: what a close could not send in time, said for each peer.

use std::fmt;

use zmtp::SocketType;

use crate::error::{Error, ErrorKind};

/// Messages to one peer that were not sent.
///
/// ```
/// # use std::time::Duration;
/// # use zefiro::{Push, SocketType};
/// let push = Push::new();
/// push.connect("inproc://unsent")?;
/// push.send("in vain")?;
/// let error = push.close_within(Duration::ZERO).unwrap_err();
/// let unsent = &error.unsent()[0];
/// assert_eq!((unsent.socket_type, &*unsent.endpoint, unsent.messages), (SocketType::Push, "inproc://unsent", 1));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Unsent {
    /// The type of the socket they were sent on.
    pub socket_type: SocketType,
    /// The endpoint of the peer they were for.
    pub endpoint: String,
    /// How many.
    pub messages: usize,
}

/// Not everything was sent in the time allowed; what was not is dropped. An error of
/// [`Socket::close_within`](crate::Socket::close_within) and [`Context::close_within`](crate::Context::close_within).
///
/// ```
/// # use std::time::Duration;
/// # let push = zefiro::Push::new();
/// push.connect("inproc://not-sent")?;
/// push.send("in vain")?;
/// let error = push.close_within(Duration::ZERO).unwrap_err();
/// let text = "close: 1 message was not sent in the time allowed: 1 from PUSH to inproc://not-sent";
/// assert_eq!(error.to_string(), text);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NotSent(Vec<Unsent>);

impl NotSent {
    pub(crate) fn new(unsent: Vec<Unsent>) -> NotSent {
        NotSent(unsent)
    }

    /// What was not sent, an element for each peer. Empty if a peer had everything in its hands but did not end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let push = zefiro::Push::new();
    /// # push.connect("inproc://unsent-of")?;
    /// # push.send("in vain")?;
    /// let error = push.close_within(Duration::ZERO).unwrap_err();
    /// assert_eq!(error.unsent()[0].endpoint, "inproc://unsent-of");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn unsent(&self) -> &[Unsent] {
        &self.0
    }

    /// How many messages were not sent.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let push = zefiro::Push::new();
    /// # push.connect("inproc://unsent-messages")?;
    /// push.send("in vain")?;
    /// push.send("in vain, too")?;
    /// assert_eq!(push.close_within(Duration::ZERO).unwrap_err().messages(), 2);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn messages(&self) -> usize {
        self.0.iter().map(|unsent| unsent.messages).sum()
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.messages() {
            1 => write!(f, "close: 1 message was not sent in the time allowed")?,
            messages => write!(f, "close: {messages} messages were not sent in the time allowed")?,
        }
        for (index, Unsent { socket_type, endpoint, messages }) in self.0.iter().enumerate() {
            let before = if index == 0 { ":" } else { "," };
            write!(f, "{before} {messages} from {} to {endpoint}", socket_type.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotSent({self})")
    }
}

impl std::error::Error for NotSent {}

/// [`TimedOut`](ErrorKind::TimedOut), with the same text.
impl From<NotSent> for Error {
    fn from(error: NotSent) -> Error {
        let text = error.to_string();
        Error::with_text(ErrorKind::TimedOut, "close", "", text.trim_start_matches("close: "))
    }
}
