//! What is measured: one set of calls, made to Zefiro or to libzmq, so that both run the same workloads.

use std::time::Duration;

use zefiro::{AnySocket, Context, Message, SocketType, Wait};

/// A messaging library under measurement. Workloads are compiled once for each, so that no call costs one more than
/// the other.
pub trait Engine: Send + Sync + Sized + 'static {
    type Socket: Send;
    /// A message as it is received; used again for the next.
    type Body: Default;

    /// With CURVE, if a side of it is given, on all sockets.
    fn new(curve: Option<Curve>) -> anyhow::Result<Self>;

    fn version(&self) -> String;

    fn socket(&self, socket_type: SocketType, setup: Setup) -> anyhow::Result<Self::Socket>;

    /// Binds, and answers the endpoint as it really is.
    fn bind(socket: &Self::Socket, endpoint: &str) -> anyhow::Result<String>;

    fn connect(socket: &Self::Socket, endpoint: &str) -> anyhow::Result<()>;

    fn subscribe(socket: &Self::Socket, topic: &[u8]) -> anyhow::Result<()>;

    /// Sends a message of one part, or the last part of one.
    fn send(socket: &Self::Socket, body: &[u8]) -> anyhow::Result<()>;

    /// Sends a part that is not the last.
    fn send_part(socket: &Self::Socket, part: &[u8]) -> anyhow::Result<()>;

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
    /// No high-water marks.
    pub unlimited: bool,
}

/// A side of CURVE, with keys that anybody may know: those of the specification's examples.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Curve {
    Server,
    Client,
}

impl Curve {
    pub const SERVER_PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    pub const SERVER_SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
    pub const CLIENT_PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    pub const CLIENT_SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
}

/// Zefiro's blocking interface.
pub struct Zefiro {
    context: Context,
    curve: Option<Curve>,
}

impl Drop for Zefiro {
    /// As a context of libzmq's ends: when everything is sent.
    fn drop(&mut self) {
        let _ = self.context.close_within(SENDING_MAX);
    }
}

/// Time to send what is queued at the end of a run: with large messages up to gigabytes.
pub const SENDING_MAX: Duration = Duration::from_secs(60);

impl Engine for Zefiro {
    type Socket = AnySocket;
    type Body = Message;

    fn new(curve: Option<Curve>) -> anyhow::Result<Zefiro> {
        Ok(Zefiro { context: Context::builder().max_sockets(1_000_000).build(), curve })
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_string()
    }

    fn socket(&self, socket_type: SocketType, setup: Setup) -> anyhow::Result<AnySocket> {
        let builder = AnySocket::builder_of(socket_type).context(&self.context);
        // Many peers of one address are what is measured.
        let mut builder = builder.xpub_no_drop(setup.no_drop).xpub_verbose(setup.verbose).address_connections_max(None);
        if setup.unlimited {
            builder = builder.send_high_water_mark(0).recv_high_water_mark(0);
        }
        let options = match self.curve {
            None => &[][..],
            Some(Curve::Server) => &[("curve_server", "1"), ("curve_secret_key", Curve::SERVER_SECRET)],
            Some(Curve::Client) => {
                &[("curve_server_key", Curve::SERVER_PUBLIC), ("curve_secret_key", Curve::CLIENT_SECRET)]
            }
        };
        for (name, value) in options {
            builder.options_mut().set_text(name, value)?;
        }
        Ok(builder.build()?)
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
    fn send_part(socket: &AnySocket, part: &[u8]) -> anyhow::Result<()> {
        socket.send_part(part, true, Wait::AsConfigured)?;
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
