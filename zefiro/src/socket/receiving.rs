//! What sockets that receive can do.

use std::sync::Arc;
use std::time::Duration;

use zmtp::Frame;

#[cfg(feature = "stream")]
use super::RecvStream;
use super::kind::{Kind, Receives};
use super::{RecvFuture, RecvIntoFuture, Socket, Wait};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::metadata::Metadata;

impl<K: Kind> Socket<K> {
    /// Receives a message; waits until there is one.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{ErrorKind, Pull, Push};
    /// let pull = Pull::builder().recv_timeout(Duration::from_millis(5)).build()?;
    /// let push = Push::new();
    /// push.connect(pull.bind("inproc://recv")?)?;
    /// push.send("hello")?;
    /// assert_eq!(pull.recv()?, "hello");
    /// assert_eq!(pull.recv().unwrap_err().kind(), ErrorKind::TimedOut);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The socket was closed, its pattern does not allow receiving now, or the option `recv_timeout` ran out.
    pub fn recv(&self) -> Result<Message>
    where
        K: Receives,
    {
        let mut message = Message::new();
        self.recv_into(&mut message, Wait::AsConfigured)?;
        Ok(message)
    }

    /// Receives a message in place of `message`, whose memory is used again.
    ///
    /// ```
    /// # use zefiro::{Message, Pull, Push, Wait};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://recv-into")?)?;
    /// # push.send(["a", "b"])?;
    /// # push.send(["c", "d"])?;
    /// let mut message = Message::new();
    /// for first in ["a", "c"] {
    ///     pull.recv_into(&mut message, Wait::AsConfigured)?;
    ///     assert_eq!(message.as_str(), Ok(first));
    /// }
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Socket::recv), or [`WouldBlock`](crate::ErrorKind::WouldBlock) and
    /// [`TimedOut`](crate::ErrorKind::TimedOut) as `wait` says.
    pub fn recv_into(&self, message: &mut Message, wait: Wait) -> Result<()>
    where
        K: Receives,
    {
        self.core.recv(message, wait)
    }

    /// Receives a message, and what is known of the peer it came from: its address, and who it is, as an
    /// [authenticator](crate::auth) said. `None` of a peer in this process, of plain TCP, and of ZMTP before 3.0.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// let (message, peer) = pull.recv_from()?;
    /// assert_eq!(message, "hello");
    /// assert_eq!(peer.as_ref().and_then(|peer| peer.get("Peer-Address")), Some(&b"127.0.0.1"[..]));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Socket::recv).
    pub fn recv_from(&self) -> Result<(Message, Option<Arc<Metadata>>)>
    where
        K: Receives,
    {
        let mut message = Message::new();
        let state = self.core.recv_locked(&mut message, Wait::AsConfigured)?;
        let metadata = state.pipes.last_metadata().cloned();
        drop(state);
        Ok((message, metadata))
    }

    /// Receives a message if one is there.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Pull};
    /// let error = Pull::new().try_recv().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
    /// ```
    ///
    /// # Errors
    /// [`WouldBlock`](crate::ErrorKind::WouldBlock), or as [`recv`](Socket::recv).
    pub fn try_recv(&self) -> Result<Message>
    where
        K: Receives,
    {
        let mut message = Message::new();
        self.recv_into(&mut message, Wait::No)?;
        Ok(message)
    }

    /// Receives a message; waits at most so long.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{ErrorKind, Pull};
    /// let error = Pull::new().recv_timeout(Duration::from_millis(5)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](crate::ErrorKind::TimedOut), or as [`recv`](Socket::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Message>
    where
        K: Receives,
    {
        let mut message = Message::new();
        self.recv_into(&mut message, Wait::AtMost(timeout))?;
        Ok(message)
    }

    /// Receives a message, as a future. Dropped before it is done, it has taken nothing.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, Result};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// let receiving = pull.recv_async();
    /// push.send("hello")?;
    /// assert_eq!(receiving.await?, "hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Socket::recv); but the future waits as long as it takes, whatever the option `recv_timeout` says.
    #[inline]
    pub fn recv_async(&self) -> RecvFuture<'_>
    where
        K: Receives,
    {
        RecvFuture::new(&self.core)
    }

    /// Receives a message in place of `message`, whose memory is used again, as a future: at high rates a message that is
    /// not moved costs a fifth less. Until the future is ready `message` stays what it was, and dropping it loses nothing.
    ///
    /// ```
    /// # use zefiro::{Message, Pull, Push, Result};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://recv-into-async")?)?;
    /// # push.send("a")?;
    /// # push.send("b")?;
    /// let mut message = Message::new();
    /// for expected in ["a", "b"] {
    ///     pull.recv_into_async(&mut message).await?;
    ///     assert_eq!(message, expected);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`recv_async`](Socket::recv_async).
    pub fn recv_into_async<'a>(&'a self, message: &'a mut Message) -> RecvIntoFuture<'a>
    where
        K: Receives,
    {
        RecvIntoFuture::new(&self.core, message)
    }

    /// The messages as they come, blocking for each as long as it takes, whatever `recv_timeout` says; ends when the
    /// socket is closed or its context shut down. Any other error is the last item, for it would only come again: a REP
    /// that has not answered, say, is told so, and that was it.
    ///
    /// ```no_run
    /// let rep = zefiro::Rep::new();
    /// rep.bind("tcp://127.0.0.1:5555")?;
    /// for request in rep.incoming() {
    ///     rep.send(request?)?;
    /// }
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn incoming(&self) -> impl Iterator<Item = Result<Message>>
    where
        K: Receives,
    {
        let mut failed = false;
        std::iter::from_fn(move || {
            let result = (!failed).then(|| self.recv_timeout(Duration::MAX))?;
            failed = result.is_err();
            Some(result).filter(|result| !result.as_ref().is_err_and(Error::is_end))
        })
    }

    /// Receives one part of a message, and says whether more parts of it follow.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, Wait};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://recv-part")?)?;
    /// push.send(["head", "body"])?;
    /// assert_eq!(pull.recv_part(Wait::AsConfigured)?, ("head".into(), true));
    /// assert_eq!(pull.recv_part(Wait::AsConfigured)?, ("body".into(), false));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`recv_into`](Socket::recv_into).
    pub fn recv_part(&self, wait: Wait) -> Result<(Frame, bool)>
    where
        K: Receives,
    {
        let mut part = Frame::new();
        let more = self.core.recv_part(&mut part, wait)?;
        Ok((part, more))
    }

    /// The messages as they come, as a stream; ends as [`incoming`](Socket::incoming) does.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, Result};
    /// use futures_util::{StreamExt, TryStreamExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("inproc://recv-stream")?)?;
    /// push.send("one")?;
    /// push.send("two")?;
    /// let messages: Vec<_> = pull.recv_stream().take(2).try_collect().await?;
    /// assert_eq!(messages, ["one", "two"]);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "stream")]
    pub fn recv_stream(&self) -> RecvStream
    where
        K: Receives,
    {
        RecvStream::new(self.clone().into_any())
    }
}
