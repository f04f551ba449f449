//! A pattern over bare pipes: no threads, no connections.

use std::collections::VecDeque;
use std::sync::Weak;

use zmtp::{Frame, Framing, Memory, Run};

use super::{Pattern, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::pipe::duct::{DuctReader, DuctWriter, duct};
use crate::pipe::early::Waited;
use crate::pipe::{Line, PeerFacts, PeerRef, PipeId, Pipes};
use crate::routing::request::subscription_message;

pub(super) struct Bench<P> {
    pub(super) pattern: P,
    pub(super) pipes: Pipes,
    pub(super) options: Options,
}

impl<P: Pattern> Bench<P> {
    pub(super) fn new(pattern: P) -> Bench<P> {
        Bench { pattern, pipes: Pipes::new(1000, 1000, 0), options: Options::default() }
    }

    pub(super) fn attach(&mut self) -> PipeId {
        self.attach_as("")
    }

    pub(super) fn attach_as(&mut self, identity: &str) -> PipeId {
        let facts = PeerFacts { identity: Frame::from(identity), ..PeerFacts::default() };
        let id = self.pipes.insert(Line::Backlog(VecDeque::new()), facts, false);
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.connected = true;
        }
        self.pattern.on_attached(&mut self.pipes, &self.options, id);
        self.pattern.on_connected(&mut self.pipes, &self.options, id);
        id
    }

    /// A pipe that is not connected yet.
    pub(super) fn attach_waiting(&mut self) -> PipeId {
        let id = self.pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
        self.pattern.on_attached(&mut self.pipes, &self.options, id);
        id
    }

    /// What waits for the connection of a pipe since the last look, subscriptions as messages.
    pub(super) fn waited(&mut self, id: PipeId) -> Vec<Message> {
        let queue = self.sent(id).into();
        let early = self.pipes.get_mut(id).map(|pipe| std::mem::take(&mut pipe.early)).unwrap_or_default();
        let message = |waited| match waited {
            Waited::Message(message) => message,
            Waited::Request { subscribe, topic, .. } => subscription_message(subscribe, &topic),
        };
        early.among(queue).map(message).collect()
    }

    /// A connected pipe that takes `mark` messages, and its other end: subscriptions are written to such pipes only.
    pub(super) fn attach_duct(&mut self, mark: usize) -> (PipeId, FarEnd) {
        let (to_peer, from_self) = duct(mark, false);
        let (to_self, from_peer) = duct(mark, false);
        let nobody = PeerRef { socket: Weak::new(), pipe: PipeId { index: 0, generation: 0 } };
        let id = self.pipes.insert(Line::Duct(to_peer, from_peer, nobody), PeerFacts::default(), false);
        self.pattern.on_attached(&mut self.pipes, &self.options, id);
        self.pattern.on_connected(&mut self.pipes, &self.options, id);
        (id, FarEnd { reader: from_self, _writer: to_self })
    }

    pub(super) fn arrive(&mut self, id: PipeId, message: impl Into<Message>) {
        if self.pipes.deliver_message(id, message.into()) {
            self.pattern.on_readable(&mut self.pipes, &self.options, id);
        }
    }

    /// Messages of one part that come in one read, as they do on a stream.
    pub(super) fn arrive_together(&mut self, id: PipeId, texts: &[&str]) {
        let mut wire = Vec::new();
        for text in texts {
            Framing::V2.encode(&mut wire, text.as_bytes(), false);
        }
        let len = wire.len();
        if self.pipes.deliver_run(id, Run::new(Framing::V2, Memory::from(wire), 0..len, texts.len())) {
            self.pattern.on_readable(&mut self.pipes, &self.options, id);
        }
    }

    pub(super) fn end(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.ended = true;
        }
        self.pattern.on_ended(&mut self.pipes, &self.options, id);
    }

    #[allow(clippy::result_large_err, reason = "the refused message is what tests look at")]
    pub(super) fn send(&mut self, message: impl Into<Message>) -> Result<(), (Refusal, Message)> {
        let mut message = message.into();
        self.pattern.send(&mut self.pipes, &self.options, &mut message).map_err(|refusal| (refusal, message))
    }

    /// Receives swiftly, if that can be.
    pub(super) fn recv_swiftly(&mut self) -> Option<Message> {
        let mut message = Message::new();
        self.pattern.recv_swiftly(&mut self.pipes, &self.options, message.parts_mut().0).then_some(message)
    }

    pub(super) fn recv(&mut self) -> Result<Message, Refusal> {
        let mut message = Message::new();
        self.pattern.recv(&mut self.pipes, &self.options, &mut message).map(|()| message)
    }

    /// What was written to a pipe since the last look.
    pub(super) fn sent(&mut self, id: PipeId) -> Vec<Message> {
        match self.pipes.get_mut(id).map(|pipe| &mut pipe.line) {
            Some(Line::Backlog(queue)) => queue.drain(..).collect(),
            _ => Vec::new(),
        }
    }

    /// The pipe's peer has taken what was written.
    pub(super) fn writable(&mut self, id: PipeId) {
        self.sent(id);
        self.pattern.on_writable(&mut self.pipes, &self.options, id);
    }
}

/// The peer's end of a duct.
pub(super) struct FarEnd {
    reader: DuctReader,
    _writer: DuctWriter,
}

impl FarEnd {
    /// What was written since the last look.
    pub(super) fn read(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| {
            let mut message = Message::new();
            self.reader.pop(&mut message, false).map(|_| message)
        })
        .collect()
    }
}

/// The request for a subscription to begin or end.
pub(super) fn subscription(subscribe: bool, topic: &str) -> Message {
    subscription_message(subscribe, topic.as_bytes())
}
