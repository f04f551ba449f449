//! DGRAM: datagrams to the address in the first frame, from the address in the first frame.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::fair_queue::FairQueue;

/// The one place where datagrams go out and come in.
#[derive(Default)]
pub(crate) struct Dgram {
    queue: FairQueue,
    place: Option<PipeId>,
}

impl Pattern for Dgram {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if self.place.is_some() {
            pipes.close(id);
        } else {
            self.place = Some(id);
        }
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.place.take_if(|place| *place == id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.queue.readable(pipes, id);
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, _options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if message.frame_count() != 2 {
            return Err(Refusal::InvalidMessage);
        }
        let place = self.place.ok_or(Refusal::WouldBlock)?;
        pipes.write(place, message);
        Ok(())
    }

    fn recv(&mut self, pipes: &mut Pipes, _options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let id = self.queue.next(pipes, out).ok_or(Refusal::WouldBlock)?;
        pipes.count_received(id, out.last().len());
        Ok(())
    }

    fn can_recv(&mut self, pipes: &mut Pipes, _options: &Options) -> bool {
        self.queue.has_message(pipes)
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        self.place.is_some()
    }

    fn admits(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        self.place.map(|_| Recipient::Later).ok_or(Refusal::WouldBlock)
    }
}
