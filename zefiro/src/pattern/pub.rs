//! PUB: XPUB whose program never hears of subscriptions.

use super::xpub::XPub;
use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};

/// XPUB, narrowed.
pub(crate) struct Pub {
    xpub: XPub,
}

impl Pub {
    pub(crate) fn new() -> Pub {
        Pub { xpub: XPub::new() }
    }

    /// In manual mode the last peer that asked is who `subscribe` is for; other requests are nobody's.
    fn discard_requests(&mut self, pipes: &mut Pipes, options: &Options) {
        let before = pipes.counters;
        let mut message = Message::new();
        while self.xpub.recv(pipes, options, &mut message).is_ok() {
            if !matches!(message.first().first(), Some(0 | 1)) {
                pipes.count_dropped(DropReason::Filtered, 1);
            }
        }
        (pipes.counters.received, pipes.counters.received_bytes) = (before.received, before.received_bytes);
    }
}

impl Pattern for Pub {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_attached(pipes, options, id);
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_disconnected(pipes, options, id);
        self.discard_requests(pipes, options);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_ended(pipes, options, id);
        self.discard_requests(pipes, options);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_readable(pipes, options, id);
        self.discard_requests(pipes, options);
    }

    fn on_writable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_writable(pipes, options, id);
    }

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        self.xpub.send(pipes, options, message)
    }

    fn recv(&mut self, _pipes: &mut Pipes, _options: &Options, _out: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    fn can_recv(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        false
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn subscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.xpub.subscribe(pipes, options, topic)
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.xpub.unsubscribe(pipes, options, topic)
    }

    fn subscribers(&self, topic: &[u8]) -> usize {
        self.xpub.subscribers(topic)
    }

    fn topics(&self) -> usize {
        self.xpub.topics()
    }
}
