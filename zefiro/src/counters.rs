//! Counters: what became of every message, per socket and per peer.

/// What a socket, or one of its peers, has done so far: from [`Socket::counters`](crate::Socket::counters) or
/// [`Socket::peers`](crate::Socket::peers).
///
/// They obey a conservation law, for each socket and at any time: `sent` = `delivered` + `queued_out` + dropped, and
/// `arrived` = `received` + `queued_in` + dropped. Drops for the high-water mark, as unroutable or oversize come before
/// and are in neither; all others belong to the side on which they can happen. What SUB and XSUB tell publishers, and
/// the likes of it, are no messages here.
///
/// ```
/// # use zefiro::{Pull, Push};
/// # let pull = Pull::new();
/// let push = Push::new();
/// push.connect(pull.bind("inproc://counted")?)?;
/// push.send("one")?;
/// push.send("two")?;
/// pull.recv()?;
/// let counters = pull.counters();
/// assert_eq!((counters.received, counters.queued_in, counters.dropped.total()), (1, 1, 0));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Counters {
    /// Messages accepted for sending, once for each peer they went to.
    pub sent: u64,
    /// Payload bytes of those.
    pub sent_bytes: u64,
    /// Messages handed to the kernel, or to the peer within the process.
    pub delivered: u64,
    /// Messages that came from peers. What an XPUB gets to read counts when it is read.
    pub arrived: u64,
    /// Messages handed to the program.
    pub received: u64,
    /// Payload bytes of those.
    pub received_bytes: u64,
    /// Messages accepted and not yet handed to the kernel or the peer.
    pub queued_out: u64,
    /// Messages arrived and not yet handed to the program.
    pub queued_in: u64,
    /// Messages that ended otherwise, by reason.
    pub dropped: Dropped,
}

/// Messages that reached nobody, by reason.
///
/// ```
/// # let publisher = zefiro::Pub::new();
/// publisher.send("nobody has subscribed")?;
/// assert_eq!(publisher.counters().dropped.unroutable, 1);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Dropped {
    /// The peer's queue was full, and the pattern drops then (PUB, XPUB, ROUTER).
    pub high_water_mark: u64,
    /// No peer wanted it, or had the routing id (PUB without subscribers, ROUTER).
    pub unroutable: u64,
    /// The peer went away with the message queued or half sent.
    pub peer_gone: u64,
    /// The socket was closed, or the endpoint disconnected, and the linger time ran out.
    pub linger_expired: u64,
    /// The message was larger than the socket accepts.
    pub oversize: u64,
    /// It arrived and did not match (SUB), or was not a reply to the request (REQ), or not shaped as one (REP).
    pub filtered: u64,
    /// A newer message took its place (conflate).
    pub conflated: u64,
    /// The socket was closed, or the endpoint disconnected, before the program read it.
    pub unread: u64,
}

impl Dropped {
    /// All reasons together.
    ///
    /// ```
    /// # let publisher = zefiro::Pub::new();
    /// publisher.send("nobody has subscribed")?;
    /// assert_eq!(publisher.counters().dropped.total(), 1);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn total(&self) -> u64 {
        self.high_water_mark
            + self.unroutable
            + self.peer_gone
            + self.linger_expired
            + self.oversize
            + self.filtered
            + self.conflated
            + self.unread
    }
}

/// Why a message reached nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DropReason {
    HighWaterMark,
    Unroutable,
    PeerGone,
    LingerExpired,
    Oversize,
    Filtered,
    Conflated,
    Unread,
}

impl Counters {
    #[inline]
    pub(crate) fn sent(&mut self, bytes: u64) {
        // The high-water mark goes by it.
        self.sent += 1;
        if COUNTS {
            self.sent_bytes += bytes;
        }
    }

    /// As [`sent`](Counters::sent), so many messages at once.
    #[inline]
    pub(crate) fn sent_all(&mut self, messages: u64, bytes: u64) {
        self.sent += messages;
        if COUNTS {
            self.sent_bytes += bytes;
        }
    }

    #[inline]
    pub(crate) fn received(&mut self, bytes: u64) {
        if COUNTS {
            self.received += 1;
            self.received_bytes += bytes;
        }
    }

    /// What `others` says was sent and received is added.
    pub(crate) fn add_traffic(&mut self, others: &Counters) {
        self.sent += others.sent;
        self.sent_bytes += others.sent_bytes;
        self.received += others.received;
        self.received_bytes += others.received_bytes;
    }

    /// Takes one back.
    pub(crate) fn unreceived(&mut self, bytes: u64) {
        self.received = self.received.saturating_sub(1);
        self.received_bytes = self.received_bytes.saturating_sub(bytes);
    }

    /// One was accepted for a peer that is gone.
    pub(crate) fn sent_to_nobody(&mut self, bytes: u64) {
        self.sent(bytes);
        self.drop(DropReason::PeerGone, 1);
    }

    /// So many that arrived were none for the program to see.
    pub(crate) fn unarrived(&mut self, messages: u64) {
        self.arrived = self.arrived.saturating_sub(messages);
    }

    pub(crate) fn drop(&mut self, reason: DropReason, messages: u64) {
        let counter = match reason {
            DropReason::HighWaterMark => &mut self.dropped.high_water_mark,
            DropReason::Unroutable => &mut self.dropped.unroutable,
            DropReason::PeerGone => &mut self.dropped.peer_gone,
            DropReason::LingerExpired => &mut self.dropped.linger_expired,
            DropReason::Oversize => &mut self.dropped.oversize,
            DropReason::Filtered => &mut self.dropped.filtered,
            DropReason::Conflated => &mut self.dropped.conflated,
            DropReason::Unread => &mut self.dropped.unread,
        };
        *counter += messages;
    }
}

/// Off to measure what counting each message costs: `bench/counters` does.
const COUNTS: bool = !cfg!(zefiro_uncounted);
