//! What sockets that send can do.

use std::time::Duration;

use zmtp::Frame;

#[cfg(feature = "stream")]
use super::SendSink;
use super::kind::{Kind, Sends};
use super::{SendFuture, Socket, Wait};
use crate::error::SendError;
use crate::message::Message;

impl<K: Kind> Socket<K> {
    /// Sends a message; waits while there is no peer with room for it.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Req};
    /// let req = Req::new();
    /// req.bind("inproc://send")?;
    /// # let rep = zefiro::Rep::new();
    /// # rep.connect("inproc://send")?;
    /// req.send("first")?;
    /// let error = req.send("second, before the reply").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::State);
    /// assert_eq!(error.into_message(), "second, before the reply");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The socket was closed, its pattern does not allow sending now, or the option `send_timeout` ran out. The
    /// message comes back in the error; no peer has seen any of it.
    pub fn send(&self, message: impl Into<Message>) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.send_waiting(&mut message.into(), Wait::AsConfigured)
    }

    /// Sends a message if it can be queued at once.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Push};
    /// let error = Push::new().try_send("nobody is connected").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
    /// ```
    ///
    /// # Errors
    /// [`WouldBlock`](crate::ErrorKind::WouldBlock), or as [`send`](Socket::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.send_waiting(&mut message.into(), Wait::No)
    }

    /// Sends a message; waits at most so long.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{ErrorKind, Push};
    /// let error = Push::new().send_timeout("nobody comes", Duration::from_millis(5)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](crate::ErrorKind::TimedOut), or as [`send`](Socket::send).
    pub fn send_timeout(&self, message: impl Into<Message>, timeout: Duration) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.send_waiting(&mut message.into(), Wait::AtMost(timeout))
    }

    fn send_waiting(&self, message: &mut Message, wait: Wait) -> Result<(), SendError>
    where
        K: Sends,
    {
        self.core.send(message, wait).map_err(|error| SendError::new(error, std::mem::take(message)))
    }

    /// Sends a message, as a future. Dropped before it is done, it has sent nothing;
    /// [`into_message`](SendFuture::into_message) gives the message back.
    ///
    /// ```
    /// # use zefiro::{Pair, Result};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let (one, other) = (Pair::new(), Pair::new());
    /// # other.connect(one.bind("inproc://send-async")?)?;
    /// one.send_async("hello").await?;
    /// assert_eq!(other.recv_async().await?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`send`](Socket::send); but the future waits as long as it takes, whatever the option `send_timeout` says.
    #[inline]
    pub fn send_async(&self, message: impl Into<Message>) -> SendFuture<'_>
    where
        K: Sends,
    {
        SendFuture::new(&self.core, message.into())
    }

    /// Sends one part of a message, which goes out whole with its last part (`more` false). Meant for programs that
    /// pass parts through; others send a [`Message`].
    ///
    /// ```
    /// # use zefiro::{Pull, Push, Wait};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://send-part")?)?;
    /// push.send_part("head", true, Wait::AsConfigured)?;
    /// push.send_part("body", false, Wait::AsConfigured)?;
    /// assert_eq!(pull.recv()?, ["head", "body"]);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`send`](Socket::send), or [`WouldBlock`](crate::ErrorKind::WouldBlock) and
    /// [`TimedOut`](crate::ErrorKind::TimedOut) as `wait` says.
    pub fn send_part(&self, part: impl Into<Frame>, more: bool, wait: Wait) -> Result<(), SendError>
    where
        K: Sends,
    {
        let mut part = part.into();
        self.core.send_part(&mut part, more, wait).map_err(|error| SendError::new(error, Message::from(part)))
    }

    /// A sink for messages.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, Result};
    /// use futures_util::{SinkExt, StreamExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://send-sink")?)?;
    /// let lines = futures_util::stream::iter(["one", "two"]);
    /// lines.map(|line| Ok(line.into())).forward(push.send_sink()).await?;
    /// assert_eq!((pull.recv()?, pull.recv()?), ("one".into(), "two".into()));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "stream")]
    pub fn send_sink(&self) -> SendSink
    where
        K: Sends,
    {
        SendSink::new(self.clone().into_any())
    }
}
