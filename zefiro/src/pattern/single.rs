//! Single: a pattern whose messages have exactly one part: CLIENT, SCATTER, GATHER, CHANNEL.

use zmtp::Frame;

use super::{Pattern, Recipient, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};

/// Another pattern, narrowed.
#[derive(Default)]
pub(crate) struct Single<P> {
    inner: P,
    /// A message found while looking whether there is one.
    found: Option<(PipeId, Message)>,
}

impl<P: Pattern> Single<P> {
    /// The next message of one part. Others are not for this type, whoever sent them.
    fn next(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal> {
        if let Some((id, message)) = self.found.take() {
            pipes.count_received(id, message.byte_len());
            *out = message;
            return Ok(());
        }
        loop {
            self.inner.recv(pipes, options, out)?;
            if out.frame_count() == 1 {
                return Ok(());
            }
            pipes.refuse_received(out.byte_len());
        }
    }
}

impl<P: Pattern> Pattern for Single<P> {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.inner.on_attached(pipes, options, id);
    }

    fn on_connected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.inner.on_connected(pipes, options, id);
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.inner.on_disconnected(pipes, options, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.inner.on_ended(pipes, options, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.inner.on_readable(pipes, options, id);
    }

    fn on_writable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.inner.on_writable(pipes, options, id);
    }

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if message.frame_count() > 1 {
            return Err(Refusal::InvalidMessage);
        }
        self.inner.send(pipes, options, message)
    }

    fn recv(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal> {
        self.next(pipes, options, out)
    }

    fn can_recv(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        let mut message = Message::new();
        if self.found.is_none() && self.next(pipes, options, &mut message).is_ok() {
            self.found = pipes.take_back_received(message.byte_len()).map(|id| (id, message));
        }
        self.found.is_some()
    }

    fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }

    fn can_send(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        self.inner.can_send(pipes, options)
    }

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        // One that never sends says so, whatever it is asked to send.
        match self.inner.admits(pipes, options, first) {
            Err(Refusal::Unsupported) => Err(Refusal::Unsupported),
            _ => Err(Refusal::InvalidMessage),
        }
    }

    #[inline]
    fn send_swiftly(&mut self, pipes: &mut Pipes, options: &Options, part: &(impl Part + ?Sized)) -> bool {
        self.inner.send_swiftly(pipes, options, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::dealer::Dealer;
    use crate::pattern::pull::Pull;
    use crate::pattern::testing::Bench;

    #[test]
    fn messages_of_several_parts_are_neither_sent_nor_received() {
        let mut bench = Bench::new(Single::<Dealer>::default());
        let peer = bench.attach();
        assert_eq!(bench.send(["a", "b"]).unwrap_err().0, Refusal::InvalidMessage);
        bench.send("one").unwrap();
        assert_eq!(bench.sent(peer), ["one"]);
        bench.arrive(peer, ["a", "b"]);
        bench.arrive(peer, "one");
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        assert_eq!(bench.recv().unwrap(), "one");
        assert!(!bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        let counters = bench.pipes.counters_of_all();
        assert_eq!((counters.received, counters.received_bytes, counters.dropped.filtered), (1, 3, 1));
        let refused = bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("a"));
        assert_eq!(refused, Err(Refusal::InvalidMessage));
    }

    #[test]
    fn who_only_receives_says_so_of_a_part_too() {
        let mut bench = Bench::new(Single::<Pull>::default());
        bench.attach();
        let refused = bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("a"));
        assert_eq!(refused, Err(Refusal::Unsupported));
    }
}
