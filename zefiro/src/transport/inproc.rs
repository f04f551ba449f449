//! inproc: sockets of one context joined by pipes, in whichever order they bind and connect.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::message::Message;
use crate::pipe::duct::duct;
use crate::pipe::early::Waited;
use crate::pipe::{Line, PeerFacts, PeerRef, PipeId};
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
    let (connector_mark, connector_recv_mark, conflate, connector_identity, farewell_to_connector) = {
        let state = connector.lock();
        let options = &state.options;
        let farewell = salute::disconnected(connector.socket_type, options).cloned();
        (
            options.send_high_water_mark,
            options.recv_high_water_mark,
            state.conflates(),
            options.routing_id.clone(),
            farewell,
        )
    };
    let (to_binder, mut from_connector);
    let (to_connector, mut from_binder);
    let binder_identity;
    let binder_pipe;
    let farewell_to_binder;
    {
        let mut state = binder.lock();
        if state.phase == Phase::Closed {
            drop(state);
            connector.lock().pipe_ended(pipe);
            return;
        }
        let options = state.options.clone();
        (to_binder, from_connector) = duct(connector_mark, conflate);
        (to_connector, from_binder) = duct(options.send_high_water_mark, conflate);
        from_connector.set_mark(options.recv_high_water_mark);
        from_binder.set_mark(connector_recv_mark);
        binder_identity = options.routing_id.clone();
        farewell_to_binder = salute::disconnected(binder.socket_type, &options).cloned();
        let facts = PeerFacts {
            identity: connector_identity,
            socket_type: Some(connector.socket_type),
            endpoint: endpoint.clone(),
            ..PeerFacts::default()
        };
        let peer = PeerRef { socket: Arc::downgrade(connector), pipe };
        binder_pipe = state.pipes.insert(Line::Duct(to_connector, from_connector, peer), facts, conflate);
        state.connected += 1;
        if let Some(pipe) = state.pipes.get_mut(binder_pipe) {
            pipe.farewell = farewell_to_connector;
        }
        if let Some(hello) = salute::hello_inproc(binder.socket_type, &options) {
            state.pipes.write(binder_pipe, &mut Message::from(hello.clone()));
        }
        let (pattern, pipes, options) = state.parts();
        pattern.on_attached(pipes, options, binder_pipe);
        pattern.on_connected(pipes, options, binder_pipe);
        state.notify_send();
        state.notify_change();
    }
    let mut state = connector.lock();
    let installed = match state.pipes.get_mut(pipe) {
        Some(own) if !own.ended => {
            own.facts.identity = binder_identity;
            own.facts.socket_type = Some(binder.socket_type);
            own.connected = true;
            own.farewell = farewell_to_binder;
            let peer = PeerRef { socket: Arc::downgrade(binder), pipe: binder_pipe };
            match std::mem::replace(&mut own.line, Line::Duct(to_binder, from_binder, peer)) {
                Line::Backlog(queue) => Some((queue, std::mem::take(&mut own.early))),
                _ => Some(Default::default()),
            }
        }
        _ => None,
    };
    let Some((queue, early)) = installed else {
        drop(state);
        binder.lock().pipe_ended(binder_pipe);
        return;
    };
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

/// What was sent before the pipes were joined goes first.
fn forward(pipes: &mut crate::pipe::Pipes, id: PipeId, waited: impl Iterator<Item = Waited>) {
    let mut rouse = None;
    if let Some(pipe) = pipes.get_mut(id)
        && let Line::Duct(writer, _, peer) = &mut pipe.line
    {
        for waited in waited {
            let told = match waited {
                Waited::Message(mut message) => writer.push(&mut message),
                Waited::Request { subscribe, topic } => {
                    writer.push_request(&mut subscription_message(subscribe, &topic))
                }
            };
            if told {
                rouse = Some(peer.clone());
            }
        }
    }
    if let Some(peer) = rouse {
        pipes.note(crate::pipe::Notice::Readable(peer));
    }
}
