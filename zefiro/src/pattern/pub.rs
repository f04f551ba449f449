//! PUB: XPUB whose program never hears of subscriptions.

use zmtp::Frame;

use super::xpub::XPub;
use super::{Pattern, Recipient, Refusal};
use crate::message::Message;
use crate::options::Options;
use crate::part::Part;
use crate::pipe::{PipeId, Pipes};

/// XPUB, narrowed.
pub(crate) struct Pub {
    xpub: XPub,
}

impl Pub {
    pub(crate) fn new() -> Pub {
        Pub { xpub: XPub::silent() }
    }
}

impl Pattern for Pub {
    fn on_attached(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_attached(pipes, options, id);
    }

    fn on_disconnected(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_disconnected(pipes, options, id);
    }

    fn on_ended(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_ended(pipes, options, id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_readable(pipes, options, id);
    }

    fn on_writable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        self.xpub.on_writable(pipes, options, id);
    }

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        self.xpub.send(pipes, options, message)
    }

    #[inline]
    fn send_swiftly(&mut self, pipes: &mut Pipes, options: &Options, part: &(impl Part + ?Sized)) -> bool {
        self.xpub.send_swiftly(pipes, options, part)
    }

    fn admits_swiftly(&mut self, pipes: &mut Pipes, options: &Options, first: &[u8]) -> Option<Recipient> {
        self.xpub.admits_swiftly(pipes, options, first)
    }

    fn send_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        options: &Options,
        recipient: Recipient,
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        self.xpub.send_parts_swiftly(pipes, options, recipient, head, last)
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

    fn admits(&mut self, pipes: &mut Pipes, options: &Options, first: &Frame) -> Result<Recipient, Refusal> {
        self.xpub.admits(pipes, options, first)
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

    fn last_target(&self) -> Option<PipeId> {
        self.xpub.last_target()
    }

    fn topics(&self) -> usize {
        self.xpub.topics()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;

    #[test]
    fn subscribers_are_served_and_nothing_is_received() {
        let mut bench = Bench::new(Pub::new());
        let peer = bench.attach();
        bench.arrive(peer, "\u{1}a");
        bench.arrive(peer, "upstream");
        assert_eq!(bench.recv(), Err(Refusal::Unsupported));
        assert_eq!((bench.pipes.counters_of_all().received, bench.pipes.counters.dropped.filtered), (0, 1));
        bench.send("abc").unwrap();
        assert_eq!(bench.sent(peer), ["abc"]);
        bench.end(peer);
        assert_eq!(bench.pattern.topics(), 0);
    }

    #[test]
    fn in_manual_mode_nobody_is_subscribed_since_no_request_is_ever_read() {
        let mut bench = Bench::new(Pub::new());
        bench.options.xpub_manual = true;
        let (_, last) = (bench.attach(), bench.attach());
        bench.arrive(last, "\u{1}a");
        bench.pattern.subscribe(&mut bench.pipes, &bench.options, b"z").unwrap();
        bench.send("z").unwrap();
        assert!(bench.sent(last).is_empty());
    }
}
