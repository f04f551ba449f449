//! Context: owns the I/O threads, the inproc names and the list of sockets.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock, Weak};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use zmtp::SocketType;

use crate::auth::worker::Worker;
use crate::error::{Error, ErrorKind, Result};
use crate::exit;
use crate::gssapi::Negotiators;
use crate::io::resolver::Resolver;
use crate::io::thread::IoThread;
use crate::io::{Command, IoHandle};
use crate::options::{ContextOptions, Options};
use crate::pause::pause;
use crate::prometheus;
use crate::socket::Wait;
use crate::socket::core::SocketCore;
use crate::sys::threads::{self, Scheduling};
use crate::transport::inproc::Names;
use crate::unsent::NotSent;
use crate::wait::{WaitList, Wakes, current_parker};

/// A family of sockets that share I/O threads and inproc names. Most programs need only the
/// [global](Context::global) one, which sockets use unless told otherwise.
///
/// Cloning gives another handle to the same context. Dropping the last handle does nothing to its sockets; they live
/// until they are closed themselves.
///
/// ```
/// use std::time::Duration;
/// use zefiro::{Context, Push};
///
/// let context = Context::builder().io_threads(2).build();
/// let push = Push::builder().context(&context).build()?;
/// push.connect("ipc:///tmp/zefiro-nobody-is-there")?;
/// push.send("in vain")?;
/// // Ends by then, whoever does not answer, and says what did not go out.
/// let error = context.close_within(Duration::from_millis(50)).unwrap_err();
/// assert_eq!((error.messages(), error.unsent()[0].messages), (1, 1));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone)]
pub struct Context {
    inner: Arc<ContextInner>,
}

/// Sets up a [`Context`].
///
/// ```
/// # use zefiro::{Context, ErrorKind, Pull};
/// let context = Context::builder().io_threads(2).max_sockets(1).build();
/// let _only = Pull::builder().context(&context).build()?;
/// let error = Pull::builder().context(&context).build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::TooManySockets);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder makes nothing until it is built"]
pub struct ContextBuilder {
    options: ContextOptions,
}

/// An I/O thread that runs.
type StartedIo = (Arc<IoHandle>, Option<JoinHandle<()>>);

/// The sockets that are not finished, and who waits for them to be.
#[derive(Default)]
struct Sockets {
    map: HashMap<u64, Weak<SocketCore>>,
    waiters: WaitList,
}

/// What waiting for sockets came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waited {
    AllGone,
    TimeIsOver,
    Interrupted,
}

/// What the sockets of a context share.
pub(crate) struct ContextInner {
    options: Mutex<ContextOptions>,
    /// The options as they were when the first socket was made, for what cannot change later: the number of sockets, the
    /// threads.
    first_options: OnceLock<ContextOptions>,
    io: Mutex<Vec<StartedIo>>,
    names: Mutex<Names>,
    sockets: Mutex<Sockets>,
    terminated: AtomicBool,
    next_id: AtomicU64,
    /// Whether the end of the process waits for what is queued.
    looked_after: AtomicBool,
    resolver: Resolver,
    pub(crate) negotiators: Negotiators,
}

impl Context {
    /// A context with one I/O thread, which starts with the first bind or connect that needs it.
    ///
    /// ```
    /// # use zefiro::{Context, Pull};
    /// // An inproc name is known within its context alone.
    /// let (one, other) = (Context::new(), Context::new());
    /// let _pull = Pull::builder().context(&one).build()?.bind("inproc://tasks")?;
    /// assert!(Pull::builder().context(&other).build()?.bind("inproc://tasks").is_ok());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn new() -> Context {
        Context::builder().build()
    }

    /// Sets up a context.
    ///
    /// ```
    /// # use zefiro::Context;
    /// let context = Context::builder().io_threads(2).build();
    /// assert_eq!(context.options().io_threads, 2);
    /// ```
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// The context of sockets made without naming one. It has no limit of sockets.
    ///
    /// ```
    /// # use zefiro::{Context, Pull};
    /// let _pull = Pull::new();
    /// assert!(Context::global().socket_count() >= 1);
    /// ```
    pub fn global() -> &'static Context {
        static GLOBAL: LazyLock<Context> = LazyLock::new(|| Context::builder().max_sockets(usize::MAX).build());
        &GLOBAL
    }

    /// Every call on the context's sockets, those that wait included, fails with
    /// [`Terminated`](ErrorKind::Terminated) from now on; they can only be closed. Never blocks.
    ///
    /// ```
    /// # use zefiro::{Context, ErrorKind, Pull};
    /// let context = Context::new();
    /// let pull = Pull::builder().context(&context).build()?;
    /// let receiver = std::thread::spawn(move || pull.recv());
    /// context.shutdown();
    /// assert_eq!(receiver.join().unwrap().unwrap_err().kind(), ErrorKind::Terminated);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn shutdown(&self) {
        self.inner.terminated.store(true, Ordering::Release);
        for core in self.inner.live() {
            core.terminate();
        }
        let waiting = self.inner.names.lock().take_waiting();
        for (core, pipe) in waiting {
            core.name_will_not_come(pipe);
        }
    }

    /// [Shuts down](Context::shutdown), then waits until all sockets are closed and have sent, or given up, what they
    /// had to send. Blocks for ever if a socket is never closed, or lingers for ever for a peer that never comes; see
    /// [`close_within`](Context::close_within).
    ///
    /// ```
    /// # use zefiro::{Context, Pull};
    /// let context = Context::new();
    /// let pull = Pull::builder().context(&context).build()?;
    /// let worker = std::thread::spawn(move || while pull.recv().is_ok() {});
    /// context.terminate(); // The worker's call fails, its socket is dropped, and nothing is left to wait for.
    /// worker.join().unwrap();
    /// assert_eq!(context.socket_count(), 0);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn terminate(&self) {
        self.shutdown();
        while self.inner.wait_for_sockets(None, Wait::AsConfigured) != Waited::AllGone {}
        self.inner.stop_io();
    }

    /// As [`terminate`](Context::terminate), but a signal ends the wait; it may be called again.
    ///
    /// # Errors
    /// [`Interrupted`](ErrorKind::Interrupted).
    #[doc(hidden)]
    pub fn terminate_until_signal(&self) -> Result<()> {
        self.shutdown();
        match self.inner.wait_for_sockets(None, Wait::UntilSignal) {
            Waited::Interrupted => Err(Error::new(ErrorKind::Interrupted, "terminate")),
            _ => {
                self.inner.stop_io();
                Ok(())
            }
        }
    }

    /// Sets an option by its C number from C's bytes, with libzmq's lengths and ranges; `None` is a null pointer.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption).
    #[doc(hidden)]
    pub fn set_raw_option(&self, number: i32, value: Option<&[u8]>) -> Result<()> {
        let mut options = self.inner.options.lock();
        options.set_raw(number, value).map_err(|_| Error::new(ErrorKind::InvalidOption, "set context option"))
    }

    /// Reads an option by its C number into C's buffer; answers the value's length.
    ///
    /// # Errors
    /// [`InvalidOption`](ErrorKind::InvalidOption).
    #[doc(hidden)]
    pub fn raw_option(&self, number: i32, buffer: &mut [u8]) -> Result<usize> {
        let options = self.inner.options.lock();
        options.read_raw(number, buffer).map_err(|_| Error::new(ErrorKind::InvalidOption, "get context option"))
    }

    /// Closes all sockets and sends what they have to send until the time is over. Always returns by then. A time beyond
    /// all bounds, such as [`Duration::MAX`], is no limit. The sockets' [`linger`](Options::linger) does not count.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Context, Pull, Push};
    /// # let pull = Pull::new();
    /// # let endpoint = pull.bind("tcp://127.0.0.1:*")?;
    /// let context = Context::new();
    /// let push = Push::builder().context(&context).build()?;
    /// push.connect(endpoint)?;
    /// push.send("the last words")?;
    /// context.close_within(Duration::from_secs(30))?;
    /// assert_eq!(pull.recv()?, "the last words");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// What was not sent, for each peer; it is dropped.
    pub fn close_within(&self, time: Duration) -> Result<(), NotSent> {
        let deadline = Instant::now().checked_add(time);
        self.inner.terminated.store(true, Ordering::Release);
        for core in self.inner.live() {
            core.close(None);
        }
        if self.inner.wait_for_sockets(deadline, Wait::AsConfigured) == Waited::AllGone {
            self.inner.stop_io();
            return Ok(());
        }
        Err(NotSent::new(self.inner.live().iter().flat_map(|core| core.give_up()).collect()))
    }

    /// The context's options.
    ///
    /// ```
    /// assert_eq!(zefiro::Context::new().options().io_threads, 1);
    /// ```
    pub fn options(&self) -> ContextOptions {
        self.inner.options.lock().clone()
    }

    /// Sockets not closed yet, or closed and still sending.
    ///
    /// ```
    /// # use zefiro::{Context, Pull};
    /// let context = Context::new();
    /// let _pull = Pull::builder().context(&context).build()?;
    /// assert_eq!(context.socket_count(), 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn socket_count(&self) -> usize {
        self.inner.live().len()
    }

    /// The counters of all sockets, and what is queued, in the text format Prometheus reads.
    ///
    /// ```
    /// # use zefiro::{Context, Pub};
    /// # let context = Context::new();
    /// let publisher = Pub::builder().context(&context).build()?;
    /// publisher.send("nobody has subscribed")?;
    /// let text = context.prometheus();
    /// assert!(text.lines().any(|line| line.contains("type=\"PUB\"") && line.ends_with(" 1")));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn prometheus(&self) -> String {
        prometheus::text(&self.inner.live())
    }

    pub(crate) fn inner(&self) -> &Arc<ContextInner> {
        &self.inner
    }
}

impl Default for Context {
    /// The [global](Context::global) context.
    fn default() -> Context {
        Context::global().clone()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("sockets", &self.socket_count()).finish_non_exhaustive()
    }
}

impl ContextBuilder {
    /// I/O threads; 1 by default, 0 is enough for inproc.
    ///
    /// ```
    /// let context = zefiro::Context::builder().io_threads(4).build();
    /// assert_eq!(context.options().io_threads, 4);
    /// ```
    pub fn io_threads(mut self, threads: usize) -> ContextBuilder {
        self.options.io_threads = threads;
        self
    }

    /// Most sockets at a time; 1,023 by default.
    ///
    /// ```
    /// let context = zefiro::Context::builder().max_sockets(10_000).build();
    /// assert_eq!(context.options().max_sockets, 10_000);
    /// ```
    pub fn max_sockets(mut self, sockets: usize) -> ContextBuilder {
        self.options.max_sockets = sockets;
        self
    }

    /// All options at once.
    ///
    /// ```
    /// # use zefiro::{Context, ContextOptions};
    /// let mut options = ContextOptions::default();
    /// options.set_text("io_threads", "2")?;
    /// assert_eq!(Context::builder().options(options).build().options().io_threads, 2);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn options(mut self, options: ContextOptions) -> ContextBuilder {
        self.options = options;
        self
    }

    /// The context.
    ///
    /// ```
    /// let context = zefiro::Context::builder().build();
    /// assert_eq!(context.socket_count(), 0);
    /// ```
    pub fn build(self) -> Context {
        Context {
            inner: Arc::new(ContextInner {
                options: Mutex::new(self.options),
                first_options: OnceLock::new(),
                io: Mutex::new(Vec::new()),
                names: Mutex::new(Names::default()),
                sockets: Mutex::new(Sockets::default()),
                terminated: AtomicBool::new(false),
                next_id: AtomicU64::new(1),
                looked_after: AtomicBool::new(false),
                resolver: Resolver::default(),
                negotiators: Negotiators::default(),
            }),
        }
    }
}

impl ContextInner {
    /// Adds a socket; it counts until it is closed and has finished sending.
    pub(crate) fn open_socket(
        self: &Arc<ContextInner>,
        socket_type: SocketType,
        configure: impl FnOnce(&mut Options),
        authenticator: Option<Arc<Worker>>,
    ) -> Result<Arc<SocketCore>> {
        if self.is_terminated() {
            return Err(Error::new(ErrorKind::Terminated, "socket"));
        }
        let mut options = Options::new(socket_type, &self.options.lock().clone());
        configure(&mut options);
        options.validate()?;
        let mut sockets = self.sockets.lock();
        // Again, under the lock: who ends the context tells the sockets in the list, and this one is not in it yet.
        if self.is_terminated() {
            return Err(Error::new(ErrorKind::Terminated, "socket"));
        }
        if self.is_full(&sockets) {
            return Err(Error::new(ErrorKind::TooManySockets, "socket"));
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let core = SocketCore::new(id, socket_type, self.clone(), options, authenticator);
        sockets.map.insert(id, Arc::downgrade(&core));
        Ok(core)
    }

    /// Why there is no socket of a type that is none: libzmq looks at the type last.
    pub(crate) fn refusal_of_unknown_type(&self) -> ErrorKind {
        if self.is_terminated() {
            ErrorKind::Terminated
        } else if self.is_full(&self.sockets.lock()) {
            ErrorKind::TooManySockets
        } else {
            ErrorKind::InvalidOption
        }
    }

    fn is_full(&self, sockets: &Sockets) -> bool {
        sockets.map.len() >= self.first_options().max_sockets
    }

    /// Has what its sockets have queued sent before the process ends.
    pub(crate) fn look_after(self: &Arc<ContextInner>) {
        if !self.looked_after.swap(true, Ordering::Relaxed) {
            exit::look_after(self);
        }
    }

    /// A socket of the engine's own: not counted, and not waited for.
    pub(crate) fn open_internal(self: &Arc<ContextInner>, socket_type: SocketType) -> Arc<SocketCore> {
        let mut options = Options::new(socket_type, &self.options.lock().clone());
        (options.send_high_water_mark, options.recv_high_water_mark) = (0, 0);
        options.linger = Some(Duration::ZERO);
        SocketCore::new(self.next_id.fetch_add(1, Ordering::Relaxed), socket_type, self.clone(), options, None)
    }

    /// A closed socket has nothing left to do.
    pub(crate) fn socket_finished(&self, core: &SocketCore) {
        let mut wakes = Wakes::new();
        {
            let mut sockets = self.sockets.lock();
            sockets.map.remove(&core.id);
            sockets.waiters.take_all(&mut wakes);
        }
        wakes.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Acquire)
    }

    pub(crate) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock()
    }

    /// The least loaded I/O thread that `affinity` allows; all are started with the first one asked for.
    pub(crate) fn choose_io(&self, affinity: u64, operation: &'static str, text: &str) -> Result<Arc<IoHandle>> {
        let mut io = self.io.lock();
        if io.is_empty() {
            let threads = self.first_options().io_threads;
            for index in 0..threads {
                match self.start_io(index) {
                    Ok(started) => io.push(started),
                    Err(error) => {
                        // All or none: an affinity names each of them, and the next call is to find none missing.
                        stop_all(std::mem::take(&mut *io));
                        return Err(Error::with_io(operation, text, error));
                    }
                }
            }
        }
        io.iter()
            .enumerate()
            .filter(|(index, _)| affinity == 0 || (*index < 64 && affinity >> index & 1 == 1))
            .map(|(_, (handle, _))| handle)
            .min_by_key(|handle| handle.load())
            .cloned()
            .ok_or_else(|| {
                let why = "the context has no I/O thread, or the socket's affinity allows none of them";
                Error::with_text(ErrorKind::NoIoThread, operation, text, why)
            })
    }

    /// Whether it has, or would start, an I/O thread that `affinity` allows.
    pub(crate) fn has_io(&self, affinity: u64) -> bool {
        let threads = self.first_options().io_threads;
        let named = if affinity == 0 { 0 } else { affinity.trailing_zeros() as usize };
        named < threads
    }

    fn first_options(&self) -> &ContextOptions {
        self.first_options.get_or_init(|| self.options.lock().clone())
    }

    fn start_io(&self, index: usize) -> std::io::Result<StartedIo> {
        let handle = Arc::new(IoHandle::new()?);
        let io_thread = IoThread::new(handle.clone(), self.resolver.clone());
        let (name, scheduling) = {
            let options = self.first_options();
            let prefix = threads::name_of(&options.thread_name_prefix);
            let name =
                if prefix.is_empty() { format!("zefiro/io/{index}") } else { format!("{prefix}/ZMQbg/IO/{index}") };
            (name, Scheduling::new(options))
        };
        let thread = threads::start_scheduled(name, scheduling, move || io_thread.run())?;
        Ok((handle, Some(thread)))
    }

    /// The I/O threads there are.
    pub(crate) fn started_io(&self) -> Vec<Arc<IoHandle>> {
        self.io.lock().iter().map(|(handle, _)| handle.clone()).collect()
    }

    fn stop_io(&self) {
        let io = std::mem::take(&mut *self.io.lock());
        stop_all(io);
    }

    pub(crate) fn live(&self) -> Vec<Arc<SocketCore>> {
        self.sockets.lock().map.values().filter_map(Weak::upgrade).collect()
    }

    /// Waits until one socket is finished; `false` at the deadline.
    pub(crate) fn wait_for_socket(&self, id: u64, deadline: Option<Instant>) -> bool {
        self.wait_until(deadline, Wait::AsConfigured, |sockets| !sockets.contains_key(&id)) == Waited::AllGone
    }

    /// Waits until no socket is left.
    fn wait_for_sockets(&self, deadline: Option<Instant>, wait: Wait) -> Waited {
        self.wait_until(deadline, wait, |sockets| {
            sockets.retain(|_, core| core.strong_count() > 0);
            sockets.is_empty()
        })
    }

    fn wait_until(
        &self,
        deadline: Option<Instant>,
        wait: Wait,
        mut holds: impl FnMut(&mut HashMap<u64, Weak<SocketCore>>) -> bool,
    ) -> Waited {
        let (parker, waker) = current_parker();
        loop {
            let key = {
                let mut sockets = self.sockets.lock();
                if holds(&mut sockets.map) {
                    return Waited::AllGone;
                }
                if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    return Waited::TimeIsOver;
                }
                sockets.waiters.add(waker.clone())
            };
            pause();
            let interrupted = wait.sleep(&parker, deadline);
            self.sockets.lock().waiters.remove(key);
            if interrupted {
                return Waited::Interrupted;
            }
        }
    }
}

/// Stops I/O threads and waits for their end.
fn stop_all(io: Vec<StartedIo>) {
    for (handle, _) in &io {
        handle.tell(Command::Stop);
    }
    for (_, thread) in io {
        // Terminating from a callback on the I/O thread itself must not wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}

impl Drop for ContextInner {
    fn drop(&mut self) {
        for (handle, _) in self.io.lock().drain(..) {
            handle.tell(Command::Stop);
        }
    }
}
