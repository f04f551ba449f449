//! Builder: sets a socket up.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use zmtp::SocketType;

use super::Socket;
use crate::auth::worker::Worker;
use crate::auth::{Answer, Authenticator, Request};
use crate::context::Context;
use crate::error::Result;
use crate::options::Options;

/// Makes a socket with other than the default options.
///
/// ```
/// use std::time::Duration;
/// use zefiro::Push;
///
/// let push = Push::builder().send_high_water_mark(10_000).linger(Duration::from_secs(1)).build()?;
/// # Ok::<(), zefiro::Error>(())
/// ```
#[must_use = "a builder makes nothing until it is built"]
pub struct Builder<K> {
    context: Option<Context>,
    socket_type: SocketType,
    pub(crate) options: Options,
    authenticator: Option<Arc<Worker>>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Builder<K> {
    pub(super) fn of(socket_type: SocketType) -> Builder<K> {
        let options = Options::recommended(socket_type, &Default::default());
        Builder { context: None, socket_type, options, authenticator: None, kind: PhantomData }
    }

    /// The context the socket belongs to; the [global](Context::global) one by default.
    ///
    /// ```
    /// # use zefiro::{Context, Pull};
    /// let context = Context::new();
    /// let pull = Pull::builder().context(&context).build()?;
    /// assert_eq!(context.socket_count(), 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn context(mut self, context: &Context) -> Builder<K> {
        self.options = Options { ipv6: context.options().ipv6, ..self.options };
        self.context = Some(context.clone());
        self
    }

    /// Begins with libzmq's defaults instead of the [recommended](Options::recommended) ones: peers are not pinged, and
    /// there are hardly any limits to what they may cost.
    ///
    /// ```
    /// # use zefiro::Pull;
    /// assert!(Pull::new().options().message_bytes_max.is_some());
    /// assert_eq!(Pull::builder().as_libzmq().build()?.options().message_bytes_max, None);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn as_libzmq(mut self) -> Builder<K> {
        let defaults = Options::new(self.socket_type, &Default::default());
        self.options = Options { ipv6: self.options.ipv6, ..defaults };
        self
    }

    /// Has every peer asked about before it may talk to this socket; a ZAP handler (RFC 27) is not asked then. See
    /// [`auth`](crate::auth).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{EventKind, Pull, Push, auth::{Answer, Request}};
    /// let nobody = |peer: &Request| Answer::deny(format!("not even {:?}", peer.address));
    /// let pull = Pull::builder().authenticator(nobody).build()?;
    /// let mut monitor = pull.monitor();
    /// let push = Push::new();
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// assert!(monitor.any(|event| matches!(event.kind, EventKind::AuthenticationFailed(_))));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Builder<K> {
        self.authenticator = Some(Worker::of(authenticator));
        self
    }

    /// As [`authenticator`](Builder::authenticator), with a function whose answers are futures; any number of them may
    /// wait at once. They are polled on the authenticator's thread: what belongs to a runtime is best spawned there and
    /// its handle awaited.
    ///
    /// ```
    /// # use zefiro::{Pull, auth::Answer};
    /// let pull = Pull::builder()
    ///     .authenticator_async(|peer| async move {
    ///         // Here a database would be asked.
    ///         if peer.ip().is_some_and(|ip| ip.is_loopback()) { Answer::allow("") } else { Answer::deny("not from here") }
    ///     })
    ///     .build()?;
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn authenticator_async<F: Future<Output = Answer> + Send + 'static>(
        mut self,
        authenticator: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Builder<K> {
        self.authenticator = Some(Worker::of_futures(authenticator));
        self
    }

    /// All options at once; of another socket's, what was only recommended for its type is left out.
    ///
    /// ```
    /// # use zefiro::{Options, Pull, SocketType};
    /// // All that libzmq has by default, but for one.
    /// let mut options = Options::new(SocketType::Pull, &Default::default());
    /// options.recv_high_water_mark = 10;
    /// let pull = Pull::builder().options(options).build()?;
    /// assert_eq!(pull.options().recv_high_water_mark, 10);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn options(mut self, options: Options) -> Builder<K> {
        self.options = options.taken_over(self.socket_type);
        self
    }

    /// The options as they are so far, to be changed: by name, say, with [`Options::set_text`].
    ///
    /// ```
    /// # use zefiro::Pull;
    /// let mut builder = Pull::builder();
    /// builder.options_mut().set_text("rcvhwm", "10")?;
    /// assert_eq!(builder.build()?.options().recv_high_water_mark, 10);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The socket.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, Pull};
    /// let error = Pull::builder().address_connections_max(0).build().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidOption);
    /// ```
    ///
    /// # Errors
    /// [`InvalidOption`](crate::ErrorKind::InvalidOption): an option is out of its range or for other types of sockets;
    /// security, or an authenticator, was asked for on a socket of plain TCP, which has no handshake; or an authenticator
    /// for the client of a mechanism, which asks nobody. [`Terminated`](crate::ErrorKind::Terminated): the context is shut
    /// down. [`TooManySockets`](crate::ErrorKind::TooManySockets): it has as many as it may.
    pub fn build(self) -> Result<Socket<K>> {
        let context = self.context.unwrap_or_default();
        let options = self.options;
        options.check_type(self.socket_type)?;
        options.check_security(self.socket_type, self.authenticator.is_some())?;
        let core =
            context.inner().open_socket(self.socket_type, move |defaults| *defaults = options, self.authenticator)?;
        context.inner().look_after();
        Ok(Socket { core, kind: PhantomData })
    }
}

impl<K> fmt::Debug for Builder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("type", &self.socket_type).finish_non_exhaustive()
    }
}
