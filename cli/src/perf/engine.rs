//! What is measured: one set of calls, made to Zefiro or to libzmq, so that both run the same workloads.

use std::time::Duration;

use zefiro::{AnySocket, Configure, Context, Message, SocketType, Wait};

/// A messaging library under measurement. Workloads are compiled once for each, so that no call costs one more than
/// the other.
pub trait Engine: Send + Sync + Sized + 'static {
    type Socket: Send;
    /// A message as it is received; used again for the next.
    type Body: Default;

    fn new() -> anyhow::Result<Self>;

    fn version(&self) -> String;

    fn socket(&self, socket_type: SocketType, setup: Setup) -> anyhow::Result<Self::Socket>;

    /// Binds, and answers the endpoint as it really is.
    fn bind(socket: &Self::Socket, endpoint: &str) -> anyhow::Result<String>;

    fn connect(socket: &Self::Socket, endpoint: &str) -> anyhow::Result<()>;

    fn subscribe(socket: &Self::Socket, topic: &[u8]) -> anyhow::Result<()>;

    fn send(socket: &Self::Socket, body: &[u8]) -> anyhow::Result<()>;

    /// Receives the next message in place of `body`.
    fn recv(socket: &Self::Socket, body: &mut Self::Body) -> anyhow::Result<()>;

    /// The bytes of its last part.
    fn bytes(body: &Self::Body) -> &[u8];

    /// Receives a message and sends it back, all its parts; answers its last part's length.
    fn echo(socket: &Self::Socket) -> anyhow::Result<usize>;
}

/// Options that some workloads need, the same for every engine.
#[derive(Clone, Copy, Default)]
pub struct Setup {
    /// XPUB waits for full subscribers rather than drop.
    pub no_drop: bool,
    /// XPUB shows every subscription.
    pub verbose: bool,
}

/// Zefiro's blocking interface.
pub struct Zefiro {
    context: Context,
}

impl Drop for Zefiro {
    /// As a context of libzmq's ends: when everything is sent.
    fn drop(&mut self) {
        let _ = self.context.close_within(SENDING_MAX);
    }
}

/// Time to send what is queued at the end of a run: with large messages up to gigabytes.
const SENDING_MAX: Duration = Duration::from_secs(60);

impl Engine for Zefiro {
    type Socket = AnySocket;
    type Body = Message;

    fn new() -> anyhow::Result<Zefiro> {
        Ok(Zefiro { context: Context::builder().max_sockets(1_000_000).build() })
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_string()
    }

    fn socket(&self, socket_type: SocketType, setup: Setup) -> anyhow::Result<AnySocket> {
        let builder = AnySocket::builder_of(socket_type).context(&self.context);
        Ok(builder.xpub_no_drop(setup.no_drop).xpub_verbose(setup.verbose).build()?)
    }

    fn bind(socket: &AnySocket, endpoint: &str) -> anyhow::Result<String> {
        Ok(socket.bind(endpoint)?.to_string())
    }

    fn connect(socket: &AnySocket, endpoint: &str) -> anyhow::Result<()> {
        Ok(socket.connect(endpoint)?)
    }

    fn subscribe(socket: &AnySocket, topic: &[u8]) -> anyhow::Result<()> {
        Ok(socket.subscribe(topic)?)
    }

    #[inline]
    fn send(socket: &AnySocket, body: &[u8]) -> anyhow::Result<()> {
        socket.send(body)?;
        Ok(())
    }

    #[inline]
    fn recv(socket: &AnySocket, body: &mut Message) -> anyhow::Result<()> {
        Ok(socket.recv_into(body, Wait::AsConfigured)?)
    }

    #[inline]
    fn bytes(body: &Message) -> &[u8] {
        body.last()
    }

    fn echo(socket: &AnySocket) -> anyhow::Result<usize> {
        let message = socket.recv()?;
        let len = message.last().len();
        socket.send(message)?;
        Ok(len)
    }
}
