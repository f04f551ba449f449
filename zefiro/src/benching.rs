//! What happens within, for benchmarks and fuzzing: not part of the interface, and may change at any time.

use zmtp::{Framing, Version};

use crate::endpoint::Endpoint;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::broadcast::Broadcast;
use crate::pipe::duct::{DuctReader, DuctWriter, duct};
use crate::pipe::outbox::{Format, Outbox};
use crate::pipe::pool::Pool;
use crate::routing::subscriptions::{Found, Removed, SubscriptionIndex};
use crate::transport::socks::Socks;

/// Messages encoded for one connection, taken by who writes them.
pub struct Outgoing {
    outbox: Outbox,
    pool: Pool,
    broadcast: Broadcast,
}

impl Outgoing {
    /// To a peer of ZMTP 3.1.
    #[allow(clippy::new_without_default, reason = "benchmarks name what they make")]
    pub fn new() -> Outgoing {
        let outbox = Outbox::new(Format::Zmtp(Framing::V2, Version::V3_1));
        Outgoing { outbox, pool: Pool::default(), broadcast: Broadcast::default() }
    }

    /// What a send appends.
    pub fn push(&mut self, message: &mut Message) {
        self.outbox.push(&mut self.pool, &[], message);
    }

    /// What a writer takes and gives back, as if the kernel had taken all of it; answers how many bytes that was.
    pub fn swap(&mut self) -> usize {
        let Some(mut batch) = self.outbox.take(&mut self.pool, &mut self.broadcast) else { return 0 };
        let bytes = batch.slices(usize::MAX).map(<[u8]>::len).sum();
        batch.advance(bytes);
        self.outbox.finish(&mut self.pool, batch);
        bytes
    }
}

/// The queue between two sockets of a process, both ends.
pub struct Within {
    writer: DuctWriter,
    reader: DuctReader,
}

impl Within {
    /// With this high-water mark on each side.
    pub fn new(mark: usize) -> Within {
        let (writer, mut reader) = duct(mark, false);
        reader.set_mark(mark);
        Within { writer, reader }
    }

    /// Adds a message, and leaves an empty one in its place; `false` at the mark.
    pub fn push(&mut self, message: &mut Message) -> bool {
        let room = self.writer.has_room();
        if room {
            self.writer.push(message);
        }
        room
    }

    /// Puts the next message in `message`; `false` if there is none.
    pub fn pop(&mut self, message: &mut Message) -> bool {
        self.reader.pop(message, false).is_some()
    }
}

/// Who subscribes to what, as a publisher keeps it.
pub struct Index(SubscriptionIndex<u32>);

impl Index {
    /// Nobody subscribes to anything.
    #[allow(clippy::new_without_default, reason = "benchmarks name what they make")]
    pub fn new() -> Index {
        Index(SubscriptionIndex::new())
    }

    /// A subscription; answers whether the topic is new.
    pub fn add(&mut self, topic: &[u8], subscriber: u32) -> bool {
        self.0.add(topic, subscriber)
    }

    /// Ends a subscription; answers whether it was the topic's last.
    pub fn remove(&mut self, topic: &[u8], subscriber: u32) -> bool {
        self.0.remove(topic, subscriber) == Removed::Last
    }

    /// Ends all subscriptions of a subscriber; answers how many topics were nobody else's.
    pub fn leave(&mut self, subscriber: u32) -> usize {
        let mut last = 0;
        self.0.remove_pipe(subscriber, |_, is_last| last += usize::from(is_last));
        last
    }

    /// Appends those who subscribe to a beginning of `topic`.
    pub fn matches(&self, topic: &[u8], subscribers: &mut Vec<u32>) {
        let mut found = Found::default();
        self.0.matches(topic, &mut found);
        subscribers.append(&mut found.pipes);
    }
}

/// What a handler of ZAP (RFC 27) answers: the status and the user, or libzmq's number of what is wrong with it.
pub fn zap_reply(reply: &Message) -> Result<(u16, Vec<u8>), u32> {
    crate::zap::read(reply).map(|answer| (answer.status, answer.user_id)).map_err(|fault| fault.0)
}

/// Asks a SOCKS5 proxy that answers with these bytes for a connection; how many of them it used until there was one.
pub fn socks(login: bool, answers: &[u8]) -> Option<usize> {
    let user = if login { "user" } else { "" };
    let options = Options { socks_username: user.into(), socks_password: "secret".into(), ..Options::default() };
    let Ok(Endpoint::Tcp(peer)) = Endpoint::parse_connect("tcp://example.org:5555") else { return None };
    let mut socks = Socks::new(&peer, &options).ok()?;
    for (at, byte) in answers.iter().enumerate() {
        let input = socks.input();
        assert!(input.capacity() > input.len(), "no room to read into");
        input.push(*byte);
        if socks.advance().ok()? {
            return Some(at + 1);
        }
    }
    None
}
