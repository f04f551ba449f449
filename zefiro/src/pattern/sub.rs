//! SUB: XSUB that keeps only what was subscribed to, and sends nothing.

use zmtp::Frame;

use super::xsub::XSub;
use super::{Pattern, Recipient, Refusal};
use crate::arrival::Arrival;
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};

/// XSUB, narrowed.
pub(crate) struct Sub {
    xsub: XSub,
    /// A message found while looking whether there is one.
    found: Option<(PipeId, Message)>,
}

impl Sub {
    pub(crate) fn new() -> Sub {
        Sub { xsub: XSub::new(), found: None }
    }

    /// The next message that was subscribed to. A publisher may not filter, or not yet.
    #[inline]
    fn next(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Option<PipeId> {
        if let Some((id, message)) = self.found.take() {
            *out = message;
            self.xsub.taken();
            return Some(id);
        }
        loop {
            let id = self.xsub.next(pipes, out)?;
            if self.xsub.wants(options, out.first()) {
                return Some(id);
            }
            pipes.count_dropped(DropReason::Filtered, 1);
        }
    }
}

impl Pattern for Sub {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xsub.on_attached(pipes, options, id);
    }

    fn on_connected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xsub.on_connected(pipes, options, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xsub.on_ended(pipes, options, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xsub.on_readable(pipes, options, id);
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xsub.on_disconnected(pipes, options, id);
    }

    fn on_writable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xsub.on_writable(pipes, options, id);
    }

    fn send(&mut self, _pipes: &mut Pipes, _options: &Options, _message: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    #[inline]
    fn recv(&mut self, pipes: &mut Pipes, options: &Options, out: &mut Message) -> Result<(), Refusal> {
        let id = self.next(pipes, options, out).ok_or(Refusal::WouldBlock)?;
        pipes.count_received(id, out.byte_len());
        Ok(())
    }

    #[inline]
    fn recv_swiftly(&mut self, pipes: &mut Pipes, options: &Options, out: &mut impl Arrival) -> bool {
        if self.found.is_some() {
            return false;
        }
        let Some(id) = self.xsub.next_swiftly(pipes, out) else { return false };
        let wanted = self.xsub.wants(options, out.bytes());
        if wanted {
            pipes.count_received(id, out.bytes().len());
        } else {
            pipes.count_dropped(DropReason::Filtered, 1);
        }
        wanted
    }

    fn recv_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        options: &Options,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> bool {
        if self.found.is_some() {
            return false;
        }
        let Some((id, bytes)) = self.xsub.next_parts_swiftly(pipes, first, rest) else { return false };
        let wanted = self.xsub.wants(options, first.bytes());
        if wanted {
            pipes.count_received(id, bytes);
        } else {
            pipes.count_dropped(DropReason::Filtered, 1);
        }
        wanted
    }

    fn can_recv(&mut self, pipes: &mut Pipes, options: &Options) -> bool {
        let mut message = Message::new();
        while self.found.is_none()
            && let Some(id) = self.xsub.find(pipes, &mut message)
        {
            if self.xsub.wants(options, message.first()) {
                self.found = Some((id, std::mem::take(&mut message)));
            } else {
                self.xsub.taken();
                pipes.count_dropped(DropReason::Filtered, 1);
            }
        }
        self.found.is_some()
    }

    fn found_from(&self) -> Option<PipeId> {
        self.found.as_ref().map(|(id, _)| *id)
    }

    fn pass_turn_again(&mut self, id: PipeId) {
        self.xsub.pass_turn_again(id);
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        false
    }

    fn admits(&mut self, _pipes: &mut Pipes, _options: &Options, _first: &Frame) -> Result<Recipient, Refusal> {
        Err(Refusal::Unsupported)
    }

    fn subscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.xsub.subscribe(pipes, options, topic)
    }

    fn unsubscribe(&mut self, pipes: &mut Pipes, options: &Options, topic: &[u8]) -> Result<(), Refusal> {
        self.xsub.unsubscribe(pipes, options, topic)
    }

    fn topics(&self) -> usize {
        self.xsub.topics()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn only_what_was_subscribed_to_is_received() {
        let mut bench = Bench::new(Sub::new());
        let publisher = bench.attach();
        bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"a").unwrap();
        bench.arrive(publisher, ["b", "unwanted"]);
        bench.arrive(publisher, ["ab", "wanted"]);
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        assert_eq!(bench.recv().unwrap(), Message::from(["ab", "wanted"]));
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        assert_eq!(bench.pipes.counters.dropped.filtered, 1);
        assert_eq!(bench.send("x").unwrap_err().0, Refusal::Unsupported);
    }

    #[test]
    fn what_comes_swiftly_is_chosen_as_well() {
        let long = "a".repeat(70);
        let mut bench = Bench::new(Sub::new());
        let publisher = bench.attach();
        bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"a").unwrap();
        bench.arrive_together(publisher, &["a1", "b2", "a3", "", "a5", "a6", &long, "b8", &long]);
        assert!(bench.pattern.can_recv(&mut bench.pipes, &bench.options));
        // One was found by the look, and comes first.
        assert_eq!(bench.recv_swiftly(), None);
        assert_eq!(bench.recv().unwrap(), "a1");
        // The next one was not subscribed to: the careful way goes on behind it.
        assert_eq!(bench.recv_swiftly(), None);
        assert_eq!(bench.recv().unwrap(), "a3");
        assert_eq!(bench.recv_swiftly(), None);
        assert_eq!(bench.recv_swiftly().unwrap(), "a5");
        assert_eq!(bench.recv_swiftly().unwrap(), "a6");
        assert_eq!(bench.recv_swiftly().unwrap(), long.as_str());
        assert_eq!(bench.recv_swiftly(), None);
        assert_eq!(bench.recv().unwrap(), long.as_str());
        assert_eq!(bench.recv(), Err(Refusal::WouldBlock));
        let counters = bench.pipes.counters_of_all();
        assert_eq!((counters.arrived, counters.received, counters.dropped.filtered), (9, 6, 3));
    }

    #[test]
    fn a_first_part_is_refused_at_once() {
        let mut bench = Bench::new(Sub::new());
        bench.attach();
        let refused = bench.pattern.admits(&mut bench.pipes, &bench.options, &Frame::from("part"));
        assert_eq!(refused, Err(Refusal::Unsupported));
    }
}
