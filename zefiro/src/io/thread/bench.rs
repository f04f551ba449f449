//! Bench: what the models of this layer are made on. A socket with one stream and its I/O thread, all of it the shipped
//! code, over the kernel as the model checker sees it.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use loom::model::Builder;
use loom::thread::{self, JoinHandle};
use socket2::{Domain, Socket, Type};
use zmtp::SocketType;

use super::{Command, IoHandle, IoThread, Phase, Resolver};
use crate::Pair;
use crate::context::Context;
use crate::io::duty::Duty;
use crate::io::link::Link;
use crate::io::listener::Listener;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::outbox::{Outbox, WriteState};
use crate::pipe::{Line, Pipe};
use crate::socket::Wait;
use crate::socket::core::{SocketCore, State};
use crate::sys::{Interest, ReadyList, Selector, net};

/// A PAIR socket with a stream on which each byte that comes is a message.
pub(crate) struct Bench {
    /// Closed by the end of the model, and not by its failure: then the checker takes no more steps.
    pub(crate) socket: ManuallyDrop<Pair>,
    pub(crate) core: Arc<SocketCore>,
    pub(crate) link: Arc<Link>,
    io: Arc<IoHandle>,
    thread: JoinHandle<()>,
}

/// The other end of the stream.
pub(crate) struct Far {
    stream: Socket,
    selector: Selector,
}

impl Bench {
    /// The I/O thread runs from now on; `prepare` is done before.
    pub(crate) fn new(configure: fn(&mut Options), prepare: fn(&mut Pipe)) -> (Bench, Far) {
        let context = Context::builder().io_threads(0).build();
        let mut options = Options::new(SocketType::Pair, &context.options());
        configure(&mut options);
        let socket = Pair::builder().context(&context).options(options.clone()).build().unwrap();
        let core = socket.core().clone();
        let io = Arc::new(IoHandle::new().unwrap());
        let listening = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        (options.router_raw, options.in_batch_size) = (true, 1);
        let listener = Arc::new(Listener::new(listening, "model".into(), Arc::new(options), io.clone(), None));
        let (near, far) = Socket::pair(Domain::UNIX, Type::STREAM.nonblocking(), None).unwrap();
        // The least the kernel allows: full after a few thousand bytes.
        near.set_send_buffer_size(1).unwrap();
        let mut thread = IoThread::new(io.clone(), Resolver::default());
        let token = thread.accepted(&core, &listener, near, Default::default());
        let Some(Phase::Established(link)) = thread.session(token).map(|session| &session.phase) else {
            panic!("a stream without a handshake is established at once");
        };
        let link = link.clone();
        prepare(core.lock().pipes.get_mut(link.pipe).unwrap());
        let thread = spawn(move || thread.run());
        let selector = Selector::new().unwrap();
        selector.add(&far, 0, Interest::READ).unwrap();
        (Bench { socket: ManuallyDrop::new(socket), core, link, io, thread }, Far { stream: far, selector })
    }

    /// The I/O thread ends.
    pub(crate) fn finish(self) {
        self.io.tell(Command::Stop);
        self.thread.join().unwrap();
        drop(ManuallyDrop::into_inner(self.socket));
        // Links that are left in its queue would keep it, and it them.
        let (mut links, mut commands) = (Vec::new(), Vec::new());
        self.io.queue.take(&mut links, &mut commands);
        drop(self.io.queue.take_streams(&mut 0, u32::MAX));
    }
}

impl Far {
    pub(crate) fn write(&self, bytes: &[u8]) {
        assert_eq!(net::write(&self.stream, bytes).unwrap(), bytes.len());
    }

    /// Ends the stream.
    pub(crate) fn leave(&self) {
        net::shutdown(&self.stream);
    }

    /// Waits until so many bytes have come.
    pub(crate) fn read(&self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            if net::read(&self.stream, &mut bytes).is_err() {
                self.selector.wait(&mut ReadyList::new(), None).unwrap();
            }
        }
        bytes
    }
}

impl State {
    /// What holds whenever the socket's lock is free: invariants 1 and 4 of the architecture.
    pub(crate) fn assert_sound(&self) {
        for (_, pipe) in self.pipes.iter() {
            if let Line::Stream(_, outbox) = &pipe.line {
                assert!(!outbox.is_pending() || outbox.state() != WriteState::Idle, "nobody is due to write");
            }
        }
        assert!(self.watch.duty == Duty::Io || self.watch.leader || self.watch.supervised, "nobody watches");
    }
}

/// The outbox of the pipe's stream.
pub(crate) fn outbox(pipe: &mut Pipe) -> &mut Outbox {
    match &mut pipe.line {
        Line::Stream(_, outbox) => outbox,
        _ => panic!("the pipe has a stream"),
    }
}

pub(crate) fn send(core: &Arc<SocketCore>, bytes: &[u8]) {
    core.send(&mut Message::from(bytes), Wait::AsConfigured).unwrap();
}

pub(crate) fn recv(core: &Arc<SocketCore>) -> u8 {
    recv_as(core, Wait::AsConfigured)
}

/// The same, as `wait` says.
pub(crate) fn recv_as(core: &Arc<SocketCore>, wait: Wait) -> u8 {
    let mut message = Message::new();
    core.recv(&mut message, wait).unwrap();
    message.as_bytes()[0]
}

/// Every interleaving with at most so many threads put aside while they could go on, and at most
/// `LOOM_MAX_PREEMPTIONS` of them if that is set.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = BRANCHES_MAX;
    builder.max_threads = THREADS_MAX;
    let model = Arc::new(model);
    builder.check(move || {
        // loom's first thread, whose stack is small, waits for it and adds no interleavings.
        let model = model.clone();
        spawn(move || model()).join().unwrap();
    });
}

/// A thread of a model, with a stack that unoptimized code fits on.
pub(crate) fn spawn<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    thread::Builder::new().stack_size(STACK_WORDS).spawn(body).unwrap()
}

/// Steps of one execution: more than these, and a thread goes round in circles.
const BRANCHES_MAX: usize = 20_000;

/// As many as loom knows.
const THREADS_MAX: usize = 5;

/// loom hands it on as a number of words.
const STACK_WORDS: usize = 64 * 1024;
