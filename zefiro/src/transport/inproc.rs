//! inproc: sockets of one context joined by pipes, in whichever order they bind and connect.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use zmtp::{Frame, SocketType};

use crate::message::Message;
use crate::options::Options;
use crate::pipe::duct::{DuctReader, DuctWriter, duct};
use crate::pipe::early::{Early, Waited};
use crate::pipe::{Line, Notice, PeerFacts, PeerRef, Pipe, PipeId, Pipes};
use crate::routing::request::subscription_message;
use crate::socket::core::{Phase, SocketCore};
use crate::socket::salute;

/// The names of one context, and who waits for which.
#[derive(Default)]
pub(crate) struct Names {
    bound: HashMap<String, Weak<SocketCore>>,
    waiting: HashMap<String, Vec<(Arc<SocketCore>, PipeId)>>,
}

impl Names {
    /// Takes a name for `core` and answers the sockets that wait for it; `None` if it is taken.
    pub(crate) fn bind(&mut self, name: &str, core: &Arc<SocketCore>) -> Option<Vec<(Arc<SocketCore>, PipeId)>> {
        if self.bound.get(name).is_some_and(|owner| owner.strong_count() > 0) {
            return None;
        }
        self.bound.insert(name.to_string(), Arc::downgrade(core));
        Some(self.waiting.remove(name).unwrap_or_default())
    }

    /// The socket bound to a name.
    pub(crate) fn owner(&self, name: &str) -> Option<Arc<SocketCore>> {
        self.bound.get(name).and_then(Weak::upgrade)
    }

    /// Gives a name back, if it is this socket's.
    pub(crate) fn unbind(&mut self, name: &str, core: &Arc<SocketCore>) {
        if self.bound.get(name).is_some_and(|owner| std::ptr::eq(owner.as_ptr(), Arc::as_ptr(core))) {
            self.bound.remove(name);
        }
    }

    /// The socket bound to the name; without one, the connecting pipe is noted and waits.
    pub(crate) fn connect(&mut self, name: &str, core: &Arc<SocketCore>, pipe: PipeId) -> Option<Arc<SocketCore>> {
        let owner = self.bound.get(name).and_then(Weak::upgrade);
        if owner.is_none() {
            self.waiting.entry(name.to_string()).or_default().push((core.clone(), pipe));
        }
        owner
    }

    /// A connecting pipe waits no longer. Answers whether it did.
    pub(crate) fn forget(&mut self, name: &str, core: &Arc<SocketCore>, pipe: PipeId) -> bool {
        let Some(waiting) = self.waiting.get_mut(name) else { return false };
        let before = waiting.len();
        waiting.retain(|(waiter, id)| !(Arc::ptr_eq(waiter, core) && *id == pipe));
        let forgot = waiting.len() < before;
        if waiting.is_empty() {
            self.waiting.remove(name);
        }
        forgot
    }

    /// A socket waits for no name any longer. Answers its pipes that did.
    pub(crate) fn forget_socket(&mut self, core: &Arc<SocketCore>) -> Vec<PipeId> {
        let mut forgotten = Vec::new();
        self.waiting.retain(|_, waiting| {
            waiting.retain(|(waiter, pipe)| {
                let other = !Arc::ptr_eq(waiter, core);
                if !other {
                    forgotten.push(*pipe);
                }
                other
            });
            !waiting.is_empty()
        });
        forgotten
    }

    /// The context ends: nobody will come any more. Answers those who wait.
    pub(crate) fn take_waiting(&mut self) -> Vec<(Arc<SocketCore>, PipeId)> {
        self.waiting.drain().flat_map(|(_, waiting)| waiting).collect()
    }
}

/// Joins a connecting pipe with the socket that bound its name.
///
/// Whether the pipe conflates is the connector's to say, for both directions.
///
/// Only one of the two locks is held at a time. The binder's pipe exists first; should it send before the connector's
/// is in place, the connector looks for messages itself once it is.
pub(crate) fn join(connector: &Arc<SocketCore>, pipe: PipeId, binder: &Arc<SocketCore>, endpoint: &Arc<str>) {
    let (connecting, conflate) = {
        let state = connector.lock();
        (End::of(connector, &state.options), state.conflates())
    };
    let peer = PeerRef { socket: Arc::downgrade(connector), pipe };
    match attach_to_binder(binder, connecting, conflate, peer, endpoint) {
        Some(joined) => attach_to_connector(connector, pipe, binder, joined),
        None => connector.lock().pipe_ended(pipe),
    }
}

/// What one end brings.
struct End {
    socket_type: SocketType,
    identity: Frame,
    send_mark: usize,
    recv_mark: usize,
    /// What it receives when the other end ends the pipe.
    farewell: Option<Frame>,
}

impl End {
    fn of(core: &SocketCore, options: &Options) -> End {
        End {
            socket_type: core.socket_type,
            identity: options.routing_id.clone(),
            send_mark: options.send_high_water_mark,
            recv_mark: options.recv_high_water_mark,
            farewell: salute::disconnected(core.socket_type, options).cloned(),
        }
    }
}

/// What the connector gets once the binder has its pipe.
struct Joined {
    writer: DuctWriter,
    reader: DuctReader,
    binding: End,
    binder_pipe: PipeId,
}

/// Gives the binder its pipe; `None`: it is closed.
fn attach_to_binder(
    binder: &Arc<SocketCore>,
    connecting: End,
    conflate: bool,
    peer: PeerRef,
    endpoint: &Arc<str>,
) -> Option<Joined> {
    let mut state = binder.lock();
    if state.phase == Phase::Closed {
        return None;
    }
    let options = state.options.clone();
    let binding = End::of(binder, &options);
    let (to_binder, mut from_connector) = duct(connecting.send_mark, conflate);
    let (to_connector, mut from_binder) = duct(binding.send_mark, conflate);
    from_connector.set_mark(binding.recv_mark);
    from_binder.set_mark(connecting.recv_mark);
    let facts = PeerFacts {
        identity: connecting.identity,
        socket_type: Some(connecting.socket_type),
        endpoint: endpoint.clone(),
        ..PeerFacts::default()
    };
    let id = state.pipes.insert(Line::Duct(to_connector, from_connector, peer), facts, conflate);
    state.connected += 1;
    if let Some(pipe) = state.pipes.get_mut(id) {
        pipe.farewell = connecting.farewell;
    }
    if let Some(hello) = salute::hello_inproc(binder.socket_type, &options) {
        state.pipes.write(id, &mut Message::from(hello.clone()));
    }
    let (pattern, pipes, options) = state.parts();
    pattern.on_attached(pipes, options, id);
    pattern.on_connected(pipes, options, id);
    state.notify_send();
    state.notify_change();
    Some(Joined { writer: to_binder, reader: from_binder, binding, binder_pipe: id })
}

/// Puts the connector's end in the place of the pipe in which its messages have waited, unless that is gone: then the
/// binder's ends too.
fn attach_to_connector(connector: &Arc<SocketCore>, pipe: PipeId, binder: &Arc<SocketCore>, joined: Joined) {
    let mut state = connector.lock();
    let Some(own) = state.pipes.get_mut(pipe).filter(|own| !own.ended) else {
        // The binder has refused it, or it was disconnected meanwhile.
        state.forget_name(pipe);
        drop(state);
        binder.lock().pipe_ended(joined.binder_pipe);
        return;
    };
    let (queue, early) = install(own, binder, joined);
    forward(&mut state.pipes, pipe, early.among(queue));
    state.connected += 1;
    if state.phase == Phase::Closed || state.pipes.get(pipe).is_some_and(|own| own.closing) {
        state.end_duct(pipe);
        return;
    }
    // Who had filled the pipe before may have room now, as the binder's mark is added; or is told by its reading.
    let writable = state.pipes.take_wants_room(pipe) && state.pipes.has_room(pipe);
    let (pattern, pipes, options) = state.parts();
    pattern.on_connected(pipes, options, pipe);
    if writable {
        pattern.on_writable(pipes, options, pipe);
    }
    if state.pipes.has_message(pipe) {
        state.pipe_readable(pipe, false);
    }
    state.notify_send();
    state.notify_change();
}

/// Answers what has waited in the pipe.
fn install(own: &mut Pipe, binder: &Arc<SocketCore>, joined: Joined) -> (VecDeque<Message>, Early) {
    let Joined { writer, reader, binding, binder_pipe } = joined;
    let peer = PeerRef { socket: Arc::downgrade(binder), pipe: binder_pipe };
    own.facts.identity = binding.identity;
    own.facts.socket_type = Some(binding.socket_type);
    own.connected = true;
    own.farewell = binding.farewell;
    match std::mem::replace(&mut own.line, Line::Duct(writer, reader, peer)) {
        Line::Backlog(queue) => (queue, std::mem::take(&mut own.early)),
        _ => Default::default(),
    }
}

/// What was sent before the pipes were joined goes first.
fn forward(pipes: &mut Pipes, id: PipeId, waited: impl Iterator<Item = Waited>) {
    let mut rouse = None;
    if let Some(pipe) = pipes.get_mut(id)
        && let Line::Duct(writer, _, peer) = &mut pipe.line
    {
        for waited in waited {
            let told = match waited {
                Waited::Message(mut message) => writer.push(&mut message),
                Waited::Request { subscribe, topic, .. } => {
                    writer.push_request(&mut subscription_message(subscribe, &topic))
                }
            };
            if told {
                rouse = Some(peer.clone());
            }
        }
    }
    if let Some(peer) = rouse {
        pipes.note(Notice::Readable(peer));
    }
}
