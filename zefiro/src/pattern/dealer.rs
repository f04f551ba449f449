//! DEALER: to the peers in turn, from the peers in turn.

use super::{Pattern, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;
use crate::routing::load_balancer::LoadBalancer;

/// A load balancer out, a fair queue in.
#[derive(Default)]
pub(crate) struct Dealer {
    balancer: LoadBalancer,
    queue: FairQueue,
}

impl Pattern for Dealer {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        if options.probe_router {
            pipes.write(id, &mut Message::new());
        }
        self.balancer.writable(id);
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.ended(id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.balancer.writable(id);
    }

    #[inline]
    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        let Some(id) = self.balancer.pick(pipes) else { return Err(Refusal::WouldBlock) };
        pipes.write(id, message);
        self.balancer.turn();
        Ok(())
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

    fn can_send(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.balancer.pick(pipes).is_some()
    }
}
