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
    pub fn context(mut self, context: &Context) -> Builder<K> {
        self.options = Options { ipv6: context.options().ipv6, ..self.options };
        self.context = Some(context.clone());
        self
    }

    /// Begins with libzmq's defaults instead of the [recommended](Options::recommended) ones: peers are not pinged, and
    /// there are hardly any limits to what they may cost.
    pub fn as_libzmq(mut self) -> Builder<K> {
        let defaults = Options::new(self.socket_type, &Default::default());
        self.options = Options { ipv6: self.options.ipv6, ..defaults };
        self
    }

    /// Has every peer asked about before it may talk to this socket; a ZAP handler (RFC 27) is not asked then. See
    /// [`auth`](crate::auth).
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

    /// All options at once.
    pub fn options(mut self, options: Options) -> Builder<K> {
        self.options = options;
        self
    }

    /// The options as they are so far, to be changed: by name, say, with [`Options::set_text`].
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// The socket.
    ///
    /// # Errors
    /// An option is [out of its range](crate::ErrorKind::InvalidOption), an authenticator or security was asked for on a socket of
    /// plain TCP, which has no handshake, or an authenticator to the client of a mechanism, which asks nobody, or the context is
    /// [shut down](crate::ErrorKind::Terminated) or has [too many sockets](crate::ErrorKind::TooManySockets).
    pub fn build(self) -> Result<Socket<K>> {
        let context = self.context.unwrap_or_default();
        let options = self.options;
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
