//! XSUB: messages from all publishers; subscriptions, and anything else, upstream.

use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::subscriptions::Subscriptions;

/// A fair queue in; subscriptions and upstream messages out to all.
pub(crate) struct XSub {
    queue: FairQueue,
    subscriptions: Subscriptions,
    peers: Vec<PipeId>,
}

impl XSub {
    pub(crate) fn new() -> XSub {
        XSub { queue: FairQueue::default(), subscriptions: Subscriptions::new(), peers: Vec::new() }
    }

    /// The next message, whatever its topic.
    #[inline]
    pub(super) fn next(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.queue.next(pipes, out)
    }

    /// Whether the program subscribed to the message.
    #[inline]
    pub(super) fn wants(&self, options: &Options, message: &Message) -> bool {
        self.subscriptions.matches(message.first()) != options.invert_matching
    }
}

impl Pattern for XSub {
    fn on_attached(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.peers.push(id);
    }

    fn on_connected(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        for topic in self.subscriptions.topics() {
            pipes.write_subscription(id, true, topic);
        }
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.peers.retain(|peer| *peer != id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        let request = match message.first().split_first() {
            Some((first @ (0 | 1), topic)) if message.frame_count() == 1 => Some((*first == 1, topic)),
            _ => None,
        };
        match request {
            Some((true, topic)) => self.subscribe(pipes, options, topic),
            Some((false, topic)) => self.unsubscribe(pipes, options, topic),
            None => {
                if self.peers.is_empty() {
                    pipes.count_dropped(DropReason::Unroutable, 1);
                } else {
                    pipes.fan_out(&self.peers, message);
                }
                Ok(())
            }
        }
    }

    #[inline]
    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let id = self.queue.next(pipes, out).ok_or(Refusal::WouldBlock)?;
        pipes.count_received(id, out.byte_len());
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.queue.has_message(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn subscribe(&mut self, pipes: &mut Pipes, _options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.subscriptions.add(topic);
        for &peer in &self.peers {
            pipes.write_subscription(peer, true, topic);
        }
        Ok(())
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        if self.subscriptions.remove(topic) || options.xsub_verbose_unsubscribe {
            for &peer in &self.peers {
                pipes.write_subscription(peer, false, topic);
            }
        }
        Ok(())
    }

    fn topics(&self) -> usize {
        self.subscriptions.len()
    }
}
