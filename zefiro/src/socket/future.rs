//! Futures of sending and receiving. They wait on the same lists as threads do, and need no particular runtime.

pub(crate) mod turns;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use self::turns::Turns;
use super::core::SocketCore;
use crate::error::{Result, SendError};
use crate::message::Message;

/// Receives a message; made by [`Socket::recv_async`](crate::Socket::recv_async).
///
/// ```
/// # use zefiro::{Pull, RecvFuture, Result};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let (push, pull) = (zefiro::Push::new(), Pull::new());
/// # push.connect(pull.bind("inproc://recv-future")?)?;
/// let first: RecvFuture<'_> = pull.recv_async();
/// drop(first); // It has taken nothing.
/// push.send("hello")?;
/// assert_eq!(pull.recv_async().await?, "hello");
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvFuture<'a> {
    core: &'a Arc<SocketCore>,
    turns: Turns,
}

/// Receives a message in place of another; made by [`Socket::recv_into_async`](crate::Socket::recv_into_async).
///
/// ```
/// # use zefiro::{Message, Pull, RecvIntoFuture, Result};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let (push, pull) = (zefiro::Push::new(), Pull::new());
/// # push.connect(pull.bind("inproc://recv-into-future")?)?;
/// let mut message = Message::from("before");
/// let receiving: RecvIntoFuture<'_> = pull.recv_into_async(&mut message);
/// drop(receiving); // It has taken nothing.
/// assert_eq!(message, "before");
/// push.send("hello")?;
/// pull.recv_into_async(&mut message).await?;
/// assert_eq!(message, "hello");
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvIntoFuture<'a> {
    core: &'a Arc<SocketCore>,
    turns: Turns,
    message: &'a mut Message,
}

/// Sends a message; made by [`Socket::send_async`](crate::Socket::send_async).
///
/// ```
/// # use zefiro::{Push, Result, SendFuture};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let (push, pull) = (Push::new(), zefiro::Pull::new());
/// # push.connect(pull.bind("inproc://send-future")?)?;
/// let sending: SendFuture<'_> = push.send_async("hello");
/// sending.await?;
/// assert_eq!(pull.recv()?, "hello");
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct SendFuture<'a> {
    core: &'a Arc<SocketCore>,
    message: Option<Message>,
    key: Option<u64>,
}

impl<'a> RecvFuture<'a> {
    #[inline]
    pub(super) fn new(core: &'a Arc<SocketCore>) -> RecvFuture<'a> {
        RecvFuture { core, turns: Turns::default() }
    }
}

impl Future for RecvFuture<'_> {
    type Output = Result<Message>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<Message>> {
        let core = self.core;
        core.poll_recv(task, &mut self.turns)
    }
}

impl fmt::Debug for RecvFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvFuture").finish_non_exhaustive()
    }
}

impl Drop for RecvFuture<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.cancel_recv(&self.turns);
    }
}

impl<'a> RecvIntoFuture<'a> {
    #[inline]
    pub(super) fn new(core: &'a Arc<SocketCore>, message: &'a mut Message) -> RecvIntoFuture<'a> {
        RecvIntoFuture { core, turns: Turns::default(), message }
    }
}

impl Future for RecvIntoFuture<'_> {
    type Output = Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<()>> {
        let RecvIntoFuture { core, turns, message } = &mut *self;
        core.poll_recv_into(message, task, turns)
    }
}

impl fmt::Debug for RecvIntoFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvIntoFuture").finish_non_exhaustive()
    }
}

impl Drop for RecvIntoFuture<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.cancel_recv(&self.turns);
    }
}

impl<'a> SendFuture<'a> {
    #[inline]
    pub(super) fn new(core: &'a Arc<SocketCore>, message: Message) -> SendFuture<'a> {
        SendFuture { core, message: Some(message), key: None }
    }

    /// Gives up sending; the message, if it was not sent.
    ///
    /// ```
    /// let push = zefiro::Push::new();
    /// let sending = push.send_async("precious");
    /// assert_eq!(sending.into_message(), Some("precious".into()));
    /// ```
    pub fn into_message(mut self) -> Option<Message> {
        self.message.take()
    }
}

impl Future for SendFuture<'_> {
    type Output = Result<(), SendError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let SendFuture { core, message, key } = &mut *self;
        core.poll_send(task, key, message)
    }
}

impl fmt::Debug for SendFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendFuture").field("message", &self.message).finish_non_exhaustive()
    }
}

impl Drop for SendFuture<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.core.cancel_send(key);
        }
    }
}

#[cfg(feature = "stream")]
pub use self::stream::{RecvStream, SendSink};

#[cfg(feature = "stream")]
mod stream {
    use super::*;
    use crate::error::Error;
    use crate::socket::Socket;
    use crate::socket::kind::Any;

    /// The messages of a socket as a stream; made by [`Socket::recv_stream`](crate::Socket::recv_stream). Ends when the
    /// socket is closed or its context shut down, and after any other error. It is a handle of the socket, which lives as
    /// long.
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use zefiro::{Pull, RecvStream};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let pull = Pull::new();
    /// let mut messages: RecvStream = pull.recv_stream();
    /// pull.close();
    /// assert!(messages.next().await.is_none());
    /// # }
    /// ```
    #[must_use = "streams do nothing unless they are polled"]
    #[derive(Debug)]
    pub struct RecvStream {
        socket: Socket<Any>,
        turns: Turns,
        failed: bool,
    }

    impl RecvStream {
        pub(in crate::socket) fn new(socket: Socket<Any>) -> RecvStream {
            RecvStream { socket, turns: Turns::default(), failed: false }
        }
    }

    impl futures_core::Stream for RecvStream {
        type Item = Result<Message>;

        fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
            let RecvStream { socket, turns, failed } = &mut *self;
            if *failed {
                return Poll::Ready(None);
            }
            socket.core().poll_recv(task, turns).map(|result| {
                *failed = result.is_err();
                Some(result).filter(|result| !result.as_ref().is_err_and(Error::is_end))
            })
        }
    }

    impl Drop for RecvStream {
        #[inline]
        fn drop(&mut self) {
            self.socket.core().cancel_recv(&self.turns);
        }
    }

    /// A socket as a sink for messages; made by [`Socket::send_sink`](crate::Socket::send_sink). It is a handle of the
    /// socket, which lives as long. A message that is refused comes back in the error.
    ///
    /// ```
    /// use futures_util::SinkExt;
    /// use zefiro::{ErrorKind, Push, SendSink};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let push = Push::new();
    /// let mut sink: SendSink = push.send_sink();
    /// push.close();
    /// let error = sink.send("precious".into()).await.unwrap_err();
    /// assert_eq!((error.kind(), error.into_message()), (ErrorKind::Closed, "precious".into()));
    /// # }
    /// ```
    #[derive(Debug)]
    #[must_use = "sinks do nothing unless they are polled"]
    pub struct SendSink {
        socket: Socket<Any>,
        message: Option<Message>,
        key: Option<u64>,
    }

    impl SendSink {
        pub(in crate::socket) fn new(socket: Socket<Any>) -> SendSink {
            SendSink { socket, message: None, key: None }
        }

        fn poll_sent(&mut self, task: &mut Context<'_>) -> Poll<Result<(), SendError>> {
            self.socket.core().poll_send(task, &mut self.key, &mut self.message)
        }
    }

    impl futures_sink::Sink<Message> for SendSink {
        type Error = SendError;

        fn poll_ready(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), SendError>> {
            self.poll_sent(task)
        }

        fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
            self.message = Some(message);
            Ok(())
        }

        fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), SendError>> {
            self.poll_sent(task)
        }

        fn poll_close(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), SendError>> {
            self.poll_sent(task)
        }
    }

    impl Drop for SendSink {
        #[inline]
        fn drop(&mut self) {
            if let Some(key) = self.key {
                self.socket.core().cancel_send(key);
            }
        }
    }
}
