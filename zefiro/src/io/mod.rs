//! The I/O layer: who owns what, on which thread.
//!
//! | part | owned by |
//! |---|---|
//! | [`IoThread`](thread::IoThread): sessions, timers, listeners | the I/O thread alone |
//! | [`IoHandle`]: its run queue, commands, selector | everybody; short locks |
//! | [`Link`](link::Link)'s output ([`transmit`]) | the thread that moved its outbox to `Draining` |
//! | [`Link`](link::Link)'s input ([`receive`]) | the thread that holds its reader's lock |
//! | watching a socket's links ([`duty`]) | a receiving thread, or the I/O thread |
//!
//! Locks are taken in this order, never backwards: reader, socket, run queue. No lock is held while a thread waits.

pub(crate) mod connector;
pub(crate) mod duty;
mod handshakes;
pub(crate) mod link;
pub(crate) mod listener;
mod memory;
pub(crate) mod receive;
pub(crate) mod resolver;
mod run_queue;
pub(crate) mod session;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod transmit;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;

use self::connector::Dialer;
use self::link::{Link, Loss};
use self::listener::Listener;
use self::memory::FreeMemory;
use self::run_queue::RunQueue;
use crate::pipe::PipeId;
use crate::socket::core::SocketCore;
use crate::sys::{Alarm, Selector};
use crate::transport::udp::Datagrams;

/// What other threads know of an I/O thread.
pub(crate) struct IoHandle {
    pub(crate) selector: Selector,
    alarm: Alarm,
    queue: RunQueue<Arc<Link>, Command>,
    /// Sockets whose own selector is registered with this thread's.
    pub(crate) sets: Mutex<Slab<Weak<SocketCore>>>,
    /// For what is read from its links.
    pub(crate) memory: FreeMemory,
    /// Sessions and listeners, for choosing the least loaded thread.
    pub(crate) load: AtomicUsize,
}

/// All that another thread may tell an I/O thread.
pub(crate) enum Command {
    /// Begin to dial.
    Connect(Arc<SocketCore>, Box<Dialer>),
    /// Begin to accept.
    Listen(Arc<SocketCore>, Arc<Listener>),
    /// Begin to receive datagrams for a pipe.
    Receive(Arc<SocketCore>, Arc<Datagrams>, PipeId),
    /// A stream was seen to end.
    Lost(Arc<Link>, Loss),
    /// A closing pipe has written its last byte.
    Flushed(Arc<Link>),
    /// Look at the link's protocol timers at this time.
    Timer(Arc<Link>, Instant),
    /// A name was resolved for a session.
    Resolved(u64, Result<Vec<SocketAddr>, String>),
    /// The authenticator may have answered a session's question.
    Authenticated(u64),
    /// End some sessions of a socket, after what they have to say is said or the linger time is over.
    End(Arc<SocketCore>, Which, Option<Duration>),
    /// Look after a socket whose receivers watch it themselves.
    Supervise(Weak<SocketCore>),
    /// End the thread.
    Stop,
}

/// Which sessions to end.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Which {
    All,
    /// All, and nothing is given more time than said here: that of the program is over.
    Rest,
    /// Those dialled to, or accepted on, an endpoint.
    Endpoint(Arc<str>),
    /// A pipe's, found by its token where it has a link.
    Pipe(PipeId, Option<u64>),
    /// As a pipe's, but a connecting session ends this connection only, and connects anew.
    Connection(PipeId, u64),
}

impl IoHandle {
    pub(crate) fn new() -> io::Result<IoHandle> {
        let selector = Selector::new()?;
        let alarm = Alarm::new(&selector, ALARM_TOKEN)?;
        Ok(IoHandle {
            selector,
            alarm,
            queue: RunQueue::new(),
            sets: Mutex::new(Slab::new()),
            memory: FreeMemory::default(),
            load: AtomicUsize::new(0),
        })
    }

    /// Hands a link whose outbox is `Queued` to the thread.
    pub(crate) fn run(&self, link: Arc<Link>) {
        if self.queue.add(link) {
            self.alarm.ring();
        }
    }

    /// Notes a link whose outbox is `Queued` and whose sender is expected to fill and write it in a moment. The thread
    /// writes it if that does not happen. Wakes the thread only if it is not on patrol already.
    pub(crate) fn patrol(&self, link: Arc<Link>) {
        if self.queue.add_stream(link) {
            self.alarm.ring();
        }
    }

    /// Hands several such links over at once.
    pub(crate) fn run_all(&self, links: impl IntoIterator<Item = Arc<Link>>) {
        if self.queue.add_all(links) {
            self.alarm.ring();
        }
    }

    /// Tells the thread something.
    pub(crate) fn tell(&self, command: Command) {
        if self.note(command) {
            self.wake();
        }
    }

    /// Tells the thread something without waking it; answers whether it has to be [woken](IoHandle::wake).
    #[must_use]
    pub(crate) fn note(&self, command: Command) -> bool {
        self.queue.command(command)
    }

    pub(crate) fn wake(&self) {
        self.alarm.ring();
    }

    pub(crate) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }
}

/// How often the thread looks after streams: often at first, and less often the longer all goes well, for each look may
/// take the processor from those who send. The last messages of a stream wait for two looks at most.
const PATROL_MIN: Duration = Duration::from_micros(200);
const PATROL_MAX: Duration = Duration::from_millis(1);

/// Rounds without a stream after which the patrol ends.
const PATROL_IDLE_ROUNDS: u32 = if cfg!(zefiro_loom) { 1 } else { 16 };

/// The alarm's token in an I/O thread's selector, and in a socket's.
pub(crate) const ALARM_TOKEN: u64 = u64::MAX;

/// Marks the token of a socket's selector in an I/O thread's.
pub(crate) const SET_FLAG: u64 = 1 << 63;
