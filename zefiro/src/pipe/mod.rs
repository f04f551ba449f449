//! Pipes: what a pattern sees of its peers. Each is two queues of whole messages with a high-water mark and an orderly
//! end; behind it is a stream connection, another socket in the process, or nothing yet.
//!
//! All pipes of a socket live in one [`Pipes`], under the socket's lock. What an operation on them causes outside that
//! lock (somebody must write, a peer must be told) is noted here and carried out when the lock is released.

pub(crate) mod broadcast;
pub(crate) mod duct;
pub(crate) mod early;
pub(crate) mod outbox;
mod reclaim;
pub(crate) mod sync;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Instant;

use slab::Slab;
use zmtp::{Frame, Framing, Run, SocketType};

use self::broadcast::{Broadcast, Place};
use self::duct::{DuctReader, DuctWriter};
use self::early::Early;
use self::outbox::{Format, Outbox, Pool, WriteState};
use crate::counters::{Counters, DropReason};
use crate::io::duty::LinkWatch;
use crate::io::link::Link;
use crate::io::listener::Seat;
use crate::message::Message;
use crate::metadata::Metadata;
use crate::socket::core::SocketCore;
use crate::transport::udp::Datagrams;

/// Names a pipe of one socket; never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct PipeId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A pipe of another socket in the same process.
#[derive(Clone)]
pub(crate) struct PeerRef {
    pub(crate) socket: Weak<SocketCore>,
    pub(crate) pipe: PipeId,
}

/// Something to tell a peer's socket, once the own lock is released.
pub(crate) enum Notice {
    /// A message is there.
    Readable(PeerRef),
    /// There is room again.
    Writable(PeerRef),
    /// The pipe has ended.
    Ended(PeerRef),
}

/// What is known of the other side.
#[derive(Clone, Default)]
pub(crate) struct PeerFacts {
    /// The identity it announced; empty if none.
    pub(crate) identity: Frame,
    pub(crate) socket_type: Option<SocketType>,
    /// The security mechanism of the connection; empty where there is none.
    pub(crate) mechanism: &'static str,
    /// Who it is, as its authentication said.
    pub(crate) user_id: Option<String>,
    /// The endpoint the connection was made by, as text.
    pub(crate) endpoint: Arc<str>,
    /// The peer's own address, where the transport has one.
    pub(crate) address: Option<String>,
    /// What its messages say of the connection.
    pub(crate) metadata: Option<Arc<Metadata>>,
    /// Held until it is gone and all its messages are read, where connections of an address are counted.
    #[allow(dead_code, reason = "it is given back when it is dropped")]
    pub(crate) seat: Option<Arc<Seat>>,
}

/// What lies behind a pipe.
pub(crate) enum Line {
    /// Not connected yet, or connecting anew: messages wait as they are.
    Backlog(VecDeque<Message>),
    /// A stream connection.
    Stream(Arc<Link>, Outbox),
    /// Another socket of this process.
    Duct(DuctWriter, DuctReader, PeerRef),
    /// Datagrams, which wait for nobody.
    Datagrams(Arc<Datagrams>),
}

/// One peer's two queues.
pub(crate) struct Pipe {
    generation: u32,
    pub(crate) line: Line,
    /// What the next connection is told besides what waits in the backlog.
    pub(crate) early: Early,
    inbox: VecDeque<Item>,
    inbox_messages: usize,
    /// Not to be written to any more.
    pub(crate) closing: bool,
    /// Its connection is to end when all is written, and another to come.
    pub(crate) renewing: bool,
    /// Nothing more will arrive.
    pub(crate) ended: bool,
    /// The reader stopped at the mark and is to be set going again.
    pub(crate) paused: bool,
    /// A writer was refused for want of room.
    wants_room: bool,
    /// In its pattern's fair queue.
    listed: bool,
    /// In the socket's list of outboxes that wait for a writer.
    pub(crate) awaits_writer: bool,
    pub(crate) conflate: bool,
    /// What the peer, a socket of this process, receives when this side ends the pipe.
    pub(crate) farewell: Option<Frame>,
    /// The name a ROUTER gave it, or a STREAM.
    routing_id: Frame,
    pub(crate) facts: PeerFacts,
    pub(crate) purse: Purse,
    pub(crate) watch: LinkWatch,
    /// The peer was there at least once.
    pub(crate) connected: bool,
    pub(crate) counters: Counters,
}

/// How many writes this pipe's senders may do themselves before they leave writing to the I/O thread.
pub(crate) struct Purse {
    pub(crate) coins: u8,
    /// When the outbox was last found idle by a sender, and how many messages had been sent by then.
    pub(crate) last_idle: Option<(Instant, u64)>,
    /// When the last batch had been written.
    pub(crate) last_written: Option<Instant>,
}

enum Item {
    Run(Run),
    Message(Message),
}

/// The pipes of one socket.
pub(crate) struct Pipes {
    slots: Slab<Pipe>,
    generation: u32,
    pool: Pool,
    /// Messages that go to many pipes.
    broadcast: Broadcast,
    /// Messages per pipe and direction; 0 for no limit.
    pub(crate) send_mark: usize,
    pub(crate) recv_mark: usize,
    /// Bytes per pipe, outgoing; 0 for no limit.
    pub(crate) send_bytes: usize,
    pub(crate) counters: Counters,
    /// Whose message the program was handed last.
    last_received: Option<PipeId>,
    /// The name made up last, for programs that ask for that of a peer they have just connected to.
    pub(crate) made_up_id: Option<Frame>,
    /// Messages in all inboxes.
    pub(crate) unread: usize,
    /// Of how many messages the one read last was the end, if those were a trickle from a socket of this process.
    pub(crate) trickle: u32,
    /// Whether any of the lists below has something.
    pub(crate) noted: bool,
    /// Outboxes with something that nobody is due to write yet, or that grew large waiting.
    pub(crate) dirty: Vec<PipeId>,
    pub(crate) notices: Vec<Notice>,
    /// Datagrams to send.
    pub(crate) datagrams: Vec<(Arc<Datagrams>, Message)>,
    /// Ended pipes whose last message was read.
    pub(crate) drained: Vec<PipeId>,
    /// Paused pipes with room again.
    pub(crate) resumed: Vec<PipeId>,
    /// Pipes ignored for a routing id in use.
    pub(crate) duplicates: Vec<PipeId>,
    /// Pipes whose peers asked for too much, and for what.
    pub(crate) expelled: Vec<(PipeId, &'static str)>,
}

impl Pipes {
    pub(crate) fn new(send_mark: usize, recv_mark: usize, send_bytes: usize) -> Pipes {
        Pipes {
            slots: Slab::new(),
            generation: 0,
            pool: Pool::default(),
            broadcast: Broadcast::default(),
            send_mark,
            recv_mark,
            send_bytes,
            counters: Counters::default(),
            last_received: None,
            made_up_id: None,
            unread: 0,
            trickle: 0,
            noted: false,
            dirty: Vec::new(),
            notices: Vec::new(),
            datagrams: Vec::new(),
            drained: Vec::new(),
            resumed: Vec::new(),
            duplicates: Vec::new(),
            expelled: Vec::new(),
        }
    }

    /// Changes the marks, of existing pipes too.
    pub(crate) fn set_marks(&mut self, send: usize, recv: usize, send_bytes: usize) {
        if (send, recv) != (self.send_mark, self.recv_mark) {
            for (_, pipe) in &mut self.slots {
                if let Line::Duct(writer, reader, peer) = &mut pipe.line {
                    writer.set_mark(send);
                    if reader.set_mark(recv) {
                        self.noted = true;
                        self.notices.push(Notice::Writable(peer.clone()));
                    }
                }
            }
        }
        (self.send_mark, self.recv_mark, self.send_bytes) = (send, recv, send_bytes);
    }

    // ---- life ----

    /// Adds a pipe.
    pub(crate) fn insert(&mut self, line: Line, facts: PeerFacts, conflate: bool) -> PipeId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let index = self.slots.insert(Pipe {
            generation,
            line,
            early: Early::default(),
            inbox: VecDeque::new(),
            inbox_messages: 0,
            closing: false,
            renewing: false,
            ended: false,
            paused: false,
            wants_room: false,
            listed: false,
            awaits_writer: false,
            conflate,
            farewell: None,
            routing_id: Frame::new(),
            facts,
            purse: Purse { coins: PURSE_COINS, last_idle: None, last_written: None },
            watch: LinkWatch::default(),
            connected: false,
            counters: Counters::default(),
        });
        PipeId { index: index as u32, generation }
    }

    /// Removes a pipe and answers it, if it is still there.
    pub(crate) fn remove(&mut self, id: PipeId) -> Option<Pipe> {
        self.get(id)?;
        let mut pipe = self.slots.remove(id.index as usize);
        self.unread = self.unread.saturating_sub(pipe.inbox_messages);
        self.counters.drop(DropReason::Unread, pipe.inbox_messages as u64);
        if let Line::Duct(_, reader, _) = &mut pipe.line {
            self.counters.arrived += reader.take_fresh();
            reader.close();
            // What it leaves in the queue is the peer's to read.
            pipe.add_duct_to(&mut self.counters);
            self.counters.delivered += pipe.queued_out() as u64;
        }
        if self.slots.is_empty() {
            self.pool.trim();
            self.broadcast = Broadcast::default();
        }
        Some(pipe)
    }

    #[inline]
    pub(crate) fn get(&self, id: PipeId) -> Option<&Pipe> {
        self.slots.get(id.index as usize).filter(|pipe| pipe.generation == id.generation)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.slots.get_mut(id.index as usize).filter(|pipe| pipe.generation == id.generation)
    }

    /// A pipe, and what outboxes take their memory from.
    pub(crate) fn get_with_memory(&mut self, id: PipeId) -> Option<(&mut Pipe, &mut Pool, &mut Broadcast)> {
        let Pipes { slots, pool, broadcast, .. } = self;
        let pipe = slots.get_mut(id.index as usize).filter(|pipe| pipe.generation == id.generation)?;
        Some((pipe, pool, broadcast))
    }

    /// All pipes, ended ones with unread messages included.
    pub(crate) fn ids(&self) -> Vec<PipeId> {
        self.slots.iter().map(|(index, pipe)| PipeId { index: index as u32, generation: pipe.generation }).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PipeId, &Pipe)> {
        self.slots.iter().map(|(index, pipe)| (PipeId { index: index as u32, generation: pipe.generation }, pipe))
    }

    // ---- what patterns use ----

    /// The identity the peer announced; empty if it did not, or is not connected yet.
    pub(crate) fn identity(&self, id: PipeId) -> Frame {
        self.get(id).map(|pipe| pipe.facts.identity.clone()).unwrap_or_default()
    }

    /// The name given by [`set_routing_id`](Pipes::set_routing_id); empty before.
    pub(crate) fn routing_id(&self, id: PipeId) -> Frame {
        self.get(id).map(|pipe| pipe.routing_id.clone()).unwrap_or_default()
    }

    pub(crate) fn set_routing_id(&mut self, id: PipeId, routing_id: Frame) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.routing_id = routing_id;
        }
    }

    /// Of the connection that brought the message the program was handed last.
    pub(crate) fn last_metadata(&self) -> Option<&Arc<Metadata>> {
        self.get(self.last_received?)?.facts.metadata.as_ref()
    }

    /// Notes whether a fair queue holds the pipe; answers whether that is news.
    pub(crate) fn list(&mut self, id: PipeId, listed: bool) -> bool {
        self.get_mut(id).is_some_and(|pipe| std::mem::replace(&mut pipe.listed, listed) != listed)
    }

    /// Whether the pipe can be written to at all, full or not.
    pub(crate) fn is_open(&self, id: PipeId) -> bool {
        self.get(id).is_some_and(|pipe| !pipe.closing && !pipe.ended)
    }

    /// Whether the pipe has no connection, and may get one.
    pub(crate) fn is_waiting(&self, id: PipeId) -> bool {
        self.is_open(id) && self.get(id).is_some_and(|pipe| matches!(pipe.line, Line::Backlog(_)))
    }

    /// Whether a stream connection is behind the pipe.
    pub(crate) fn is_stream(&self, id: PipeId) -> bool {
        self.get(id).is_some_and(|pipe| pipe.link().is_some())
    }

    /// Whether datagrams are behind the pipe.
    pub(crate) fn is_datagrams(&self, id: PipeId) -> bool {
        self.get(id).is_some_and(|pipe| matches!(pipe.line, Line::Datagrams(_)))
    }

    /// Whether one more message fits. `false` also asks for [`Pattern::on_writable`] when one does again.
    ///
    /// [`Pattern::on_writable`]: crate::pattern::Pattern::on_writable
    #[inline]
    pub(crate) fn has_room(&mut self, id: PipeId) -> bool {
        let (mark, bytes) = (self.send_mark, self.send_bytes);
        self.get_mut(id).is_some_and(|pipe| pipe.has_room(mark, bytes))
    }

    /// Queues a message as [`write`](Pipes::write) does, if it [fits](Pipes::has_room).
    #[inline]
    pub(crate) fn write_if_room(&mut self, id: PipeId, message: &mut Message) -> bool {
        self.write_as::<true>(id, None, message)
    }

    /// Queues a message, whatever the mark says, and leaves an empty one in its place; a pipe that has ended drops and
    /// counts it.
    #[inline]
    pub(crate) fn write(&mut self, id: PipeId, message: &mut Message) {
        self.write_as::<false>(id, None, message);
    }

    /// Queues a message with the frames of `envelope` before its own. Where they have to be put together, the memory of
    /// `list`, which is empty, is used for it.
    pub(crate) fn write_with_envelope(
        &mut self,
        id: PipeId,
        envelope: &[Frame],
        list: &mut Vec<Frame>,
        message: &mut Message,
    ) {
        self.write_as::<false>(id, Some((envelope, list)), message);
    }

    /// Answers whether the message is the pipe's now: a part of the way of all that is sent, so that each of those who
    /// come by here has it inlined, without what it has no use for.
    #[inline(always)]
    fn write_as<const IF_ROOM: bool>(
        &mut self,
        id: PipeId,
        envelope: Option<(&[Frame], &mut Vec<Frame>)>,
        message: &mut Message,
    ) -> bool {
        let Pipes { slots, pool, dirty, notices, datagrams, counters, noted, send_mark, send_bytes, .. } = self;
        let pipe = match slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation && !pipe.closing && !pipe.ended => pipe,
            _ if IF_ROOM => return false,
            _ => {
                counters.sent_to_nobody(message.byte_len() as u64);
                return false;
            }
        };
        if IF_ROOM && !pipe.has_room(*send_mark, *send_bytes) {
            return false;
        }
        let size = message.byte_len() as u64;
        pipe.counters.sent(size);
        counters.sent(size);
        match &mut pipe.line {
            Line::Backlog(queue) => {
                if pipe.conflate && !queue.is_empty() {
                    counters.drop(DropReason::Conflated, queue.len() as u64);
                    queue.clear();
                }
                queue.push_back(enveloped(envelope, message));
            }
            Line::Stream(_, outbox) => {
                if pipe.conflate {
                    counters.drop(DropReason::Conflated, outbox.clear_messages() as u64);
                }
                outbox.push(pool, envelope.map_or(&[], |(envelope, _)| envelope), message);
                if needs_writer(outbox) {
                    *noted = true;
                    dirty.push(id);
                }
            }
            Line::Duct(writer, _, peer) => {
                if envelope.is_some() {
                    *message = enveloped(envelope, message);
                }
                if writer.push(message) {
                    *noted = true;
                    notices.push(Notice::Readable(peer.clone()));
                }
            }
            Line::Datagrams(out) => {
                *noted = true;
                counters.delivered += 1;
                pipe.counters.delivered += 1;
                datagrams.push((out.clone(), enveloped(envelope, message)));
            }
        }
        true
    }

    /// Queues one message on each of the pipes that has room; the others miss it, which is counted.
    pub(crate) fn fan_out(&mut self, ids: &[PipeId], message: &mut Message) {
        let size = message.byte_len();
        let together = size <= outbox::COPY_BYTES_MAX && ids.len() > 1;
        let mut appended: Option<(Framing, Place)> = None;
        let mut last = None;
        for &id in ids {
            if !self.has_room(id) {
                self.counters.drop(DropReason::HighWaterMark, 1);
                if let Some(pipe) = self.get_mut(id) {
                    pipe.counters.drop(DropReason::HighWaterMark, 1);
                }
                continue;
            }
            let Pipes { slots, pool, broadcast, dirty, counters, noted, .. } = self;
            let Some(pipe) = slots.get_mut(id.index as usize) else { continue };
            if let Line::Stream(_, outbox) = &mut pipe.line
                && let Format::Zmtp(framing, _) = outbox.format()
                && together
                && !pipe.conflate
            {
                let place = match appended {
                    Some((as_of, place)) if as_of == framing => place,
                    _ => broadcast.append(pool, framing, message),
                };
                appended = Some((framing, place));
                pipe.counters.sent(size as u64);
                counters.sent(size as u64);
                outbox.push_from(pool, broadcast, place);
                if needs_writer(outbox) {
                    *noted = true;
                    dirty.push(id);
                }
            } else if let Some(previous) = last.replace(id) {
                // One clone less: the last such pipe gets the message itself.
                self.write(previous, &mut message.clone());
            }
        }
        if let Some(id) = last {
            self.write(id, message);
        }
    }

    /// Keeps a subscription, or its end, for the next connection of a pipe that has none, behind the messages that wait
    /// there. `false`: they are too many, and none are kept.
    pub(crate) fn write_early(&mut self, id: PipeId, subscribe: bool, topic: &[u8]) -> bool {
        match self.get_mut(id) {
            Some(Pipe { line: Line::Backlog(queue), early, .. }) => early.add(queue.len(), subscribe, topic),
            _ => false,
        }
    }

    /// Sends a subscription, or its end, upstream in the form the peer knows, whatever the mark says. It is dropped
    /// when the pipe is not connected.
    pub(crate) fn write_subscription(&mut self, id: PipeId, subscribe: bool, topic: &[u8]) {
        self.write_request(
            id,
            |outbox, pool| outbox.push_subscription(pool, subscribe, topic),
            || subscription_message(subscribe, topic),
        );
    }

    /// Tells a peer that a group is joined, or left, whatever the mark says; as
    /// [`write_subscription`](Pipes::write_subscription) does it.
    pub(crate) fn write_group(&mut self, id: PipeId, join: bool, group: &[u8]) {
        self.write_request(id, |outbox, pool| outbox.push_group(pool, join, group), || group_message(join, group));
    }

    /// What a connected peer is told of a change here: a command on a stream, a message within the process.
    fn write_request(
        &mut self,
        id: PipeId,
        command: impl FnOnce(&mut Outbox, &mut Pool),
        message: impl FnOnce() -> Message,
    ) {
        if !self.is_open(id) {
            return;
        }
        let Pipes { slots, pool, dirty, notices, noted, .. } = self;
        let Some(pipe) = slots.get_mut(id.index as usize) else { return };
        match &mut pipe.line {
            Line::Backlog(_) | Line::Datagrams(_) => {}
            Line::Stream(_, outbox) => {
                command(outbox, pool);
                if needs_writer(outbox) {
                    *noted = true;
                    dirty.push(id);
                }
            }
            Line::Duct(writer, _, peer) => {
                if writer.push_request(&mut message()) {
                    *noted = true;
                    notices.push(Notice::Readable(peer.clone()));
                }
            }
        }
    }

    /// Whether a whole message can be read.
    #[inline]
    pub(crate) fn has_message(&mut self, id: PipeId) -> bool {
        let Pipes { slots, drained, notices, noted, counters, .. } = self;
        let pipe = match slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation => pipe,
            _ => return false,
        };
        if pipe.inbox_messages > 0 {
            return true;
        }
        let Line::Duct(_, reader, peer) = &mut pipe.line else { return false };
        let there = reader.has_message();
        let fresh = reader.take_fresh();
        counters.arrived += fresh;
        pipe.counters.arrived += fresh;
        if reader.take_rouse() {
            *noted = true;
            notices.push(Notice::Writable(peer.clone()));
        }
        if !there && pipe.ended {
            *noted = true;
            drained.push(id);
        }
        there
    }

    /// Puts the next whole message in `out`; `false` if there is none.
    #[inline]
    pub(crate) fn read(&mut self, id: PipeId, out: &mut Message) -> bool {
        self.read_as::<false>(id, out)
    }

    /// As [`read`](Pipes::read), for the program: the message is [counted](Pipes::count_received).
    #[inline]
    pub(crate) fn read_counted(&mut self, id: PipeId, out: &mut Message) -> bool {
        self.read_as::<true>(id, out)
    }

    #[inline]
    fn read_as<const COUNT: bool>(&mut self, id: PipeId, out: &mut Message) -> bool {
        let low_mark = self.recv_mark.div_ceil(2);
        let pipe = match self.slots.get_mut(id.index as usize) {
            Some(pipe) if pipe.generation == id.generation => pipe,
            _ => return false,
        };
        if pipe.inbox_messages == 0 {
            let Line::Duct(_, reader, peer) = &mut pipe.line else { return false };
            let popped = reader.pop(out);
            let fresh = reader.take_fresh();
            self.counters.arrived += fresh;
            pipe.counters.arrived += fresh;
            let rouse = match popped {
                Some(rouse) => rouse,
                None => {
                    if reader.take_rouse() {
                        self.noted = true;
                        self.notices.push(Notice::Writable(peer.clone()));
                    }
                    if pipe.ended {
                        self.noted = true;
                        self.drained.push(id);
                    }
                    return false;
                }
            };
            self.trickle = reader.ended_trickle();
            if rouse {
                self.noted = true;
                self.notices.push(Notice::Writable(peer.clone()));
            }
        } else {
            if !pop_item(&mut pipe.inbox, &pipe.line, out) {
                return false;
            }
            pipe.inbox_messages -= 1;
            self.unread = self.unread.saturating_sub(1);
            if pipe.paused && pipe.inbox_messages < low_mark {
                self.noted = true;
                self.resumed.push(id);
            }
            if pipe.ended && pipe.inbox_messages == 0 {
                self.noted = true;
                self.drained.push(id);
            }
        }
        if COUNT {
            let bytes = out.byte_len() as u64;
            pipe.counters.received(bytes);
            self.counters.received(bytes);
            self.last_received = Some(id);
        }
        true
    }

    /// The program was handed a message of this pipe.
    #[inline]
    pub(crate) fn count_received(&mut self, id: PipeId, bytes: usize) {
        self.counters.received(bytes as u64);
        self.last_received = Some(id);
        if let Some(pipe) = self.get_mut(id) {
            pipe.counters.received(bytes as u64);
        }
    }

    /// A message of so many bytes was queued for the peer by the engine itself.
    pub(crate) fn count_sent(&mut self, id: PipeId, bytes: Option<usize>) {
        let Some(bytes) = bytes else { return };
        self.counters.sent(bytes as u64);
        if let Some(pipe) = self.get_mut(id) {
            pipe.counters.sent(bytes as u64);
        }
    }

    /// The program was handed something of this pipe that is no message of the peer's, and does not count.
    pub(crate) fn note_received(&mut self, id: PipeId) {
        self.last_received = Some(id);
        self.unarrived(id);
    }

    /// What was read of this pipe is not for the program, but for the pattern.
    pub(crate) fn unarrived(&mut self, id: PipeId) {
        self.counters.unarrived(1);
        if let Some(pipe) = self.get_mut(id) {
            pipe.counters.unarrived(1);
        }
    }

    /// Messages arrived that nobody is going to read.
    pub(crate) fn count_unread(&mut self, messages: usize) {
        self.counters.arrived += messages as u64;
        self.counters.drop(DropReason::Unread, messages as u64);
    }

    /// The kernel has taken messages of this pipe.
    pub(crate) fn count_delivered(&mut self, id: PipeId, messages: u64) {
        self.counters.delivered += messages;
        if let Some(pipe) = self.get_mut(id) {
            pipe.counters.delivered += messages;
        }
    }

    /// The message handed over last, of so many bytes, was not for the program: it counts as dropped instead.
    pub(crate) fn refuse_received(&mut self, bytes: usize) {
        self.counters.unreceived(bytes as u64);
        if let Some(pipe) = self.last_received.and_then(|id| self.get_mut(id)) {
            pipe.counters.unreceived(bytes as u64);
        }
        self.counters.drop(DropReason::Filtered, 1);
    }

    /// Messages that came and went nowhere.
    pub(crate) fn count_dropped(&mut self, reason: DropReason, messages: u64) {
        self.counters.drop(reason, messages);
    }

    /// The pipe is ignored because its routing id is in use: monitors are told.
    pub(crate) fn report_duplicate(&mut self, id: PipeId) {
        self.noted = true;
        self.duplicates.push(id);
    }

    /// The peer asks for more than it may have: its connection is closed by the socket once this operation is over, and
    /// nothing more of it is read.
    pub(crate) fn expel(&mut self, id: PipeId, what: &'static str) {
        self.discard_inbox(id);
        if let Some(pipe) = self.get_mut(id) {
            pipe.closing = true;
            self.noted = true;
            self.expelled.push((id, what));
        }
    }

    /// Ends the pipe from this side: nothing more is written, what is queued still goes, unread messages stay.
    /// The connection behind it is closed by the socket once this operation is over.
    pub(crate) fn close(&mut self, id: PipeId) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.closing = true;
            self.noted = true;
            self.drained.push(id);
        }
    }

    // ---- what the engine uses ----

    /// The pipe's outbox has something to write.
    pub(crate) fn note_dirty(&mut self, id: PipeId) {
        self.noted = true;
        self.dirty.push(id);
    }

    /// A peer is to be told something.
    pub(crate) fn note(&mut self, notice: Notice) {
        self.noted = true;
        self.notices.push(notice);
    }

    /// Adds messages that arrived. Answers whether the inbox was empty before.
    pub(crate) fn deliver_run(&mut self, id: PipeId, mut run: Run) -> bool {
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox_messages == 0;
        if pipe.conflate {
            return self.deliver_newest(id, run);
        }
        let messages = run.messages();
        pipe.inbox_messages += messages;
        pipe.counters.arrived += messages as u64;
        if pipe.inbox.len() >= RUNS_LOOSE {
            // The program is behind. A peer that sends a small message now and then must not make each keep a buffer.
            run.compact();
        }
        pipe.inbox.push_back(Item::Run(run));
        self.counters.arrived += messages as u64;
        self.unread += messages;
        was_empty
    }

    /// Adds one message that arrived. Answers whether the inbox was empty before.
    pub(crate) fn deliver_message(&mut self, id: PipeId, message: Message) -> bool {
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox_messages == 0;
        pipe.inbox_messages += 1;
        pipe.counters.arrived += 1;
        pipe.inbox.push_back(Item::Message(message));
        self.counters.arrived += 1;
        self.unread += 1;
        was_empty
    }

    /// Conflating sockets keep the newest message only.
    fn deliver_newest(&mut self, id: PipeId, mut run: Run) -> bool {
        let mut newest = None;
        let mut superseded = 0;
        let arrived = run.messages() as u64;
        let mut message = Message::new();
        while cut_message(&mut run, &mut message) {
            superseded += u64::from(newest.replace(std::mem::take(&mut message)).is_some());
        }
        let Some(newest) = newest else { return false };
        let Some(pipe) = self.get_mut(id) else { return false };
        let was_empty = pipe.inbox_messages == 0;
        superseded += pipe.inbox_messages as u64;
        pipe.inbox.clear();
        pipe.inbox.push_back(Item::Message(newest));
        pipe.counters.arrived += arrived;
        pipe.counters.drop(DropReason::Conflated, superseded);
        let before = std::mem::replace(&mut pipe.inbox_messages, 1);
        self.unread = self.unread.saturating_sub(before) + 1;
        self.counters.arrived += arrived;
        self.counters.drop(DropReason::Conflated, superseded);
        was_empty
    }

    /// Throws unread messages away.
    pub(crate) fn discard_inbox(&mut self, id: PipeId) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.inbox = VecDeque::new();
            let dropped = std::mem::take(&mut pipe.inbox_messages);
            pipe.counters.drop(DropReason::Unread, dropped as u64);
            self.unread = self.unread.saturating_sub(dropped);
            self.counters.drop(DropReason::Unread, dropped as u64);
        }
    }

    /// Whether a writer was refused and waits to be told of room; asked once.
    pub(crate) fn take_wants_room(&mut self, id: PipeId) -> bool {
        self.get_mut(id).is_some_and(|pipe| std::mem::take(&mut pipe.wants_room))
    }
}

impl Pipe {
    /// Whether one more message fits; if not, its writer wants to know when one does.
    #[inline]
    fn has_room(&mut self, mark: usize, bytes: usize) -> bool {
        if self.closing || self.ended {
            return false;
        }
        let room = self.conflate
            || match &mut self.line {
                Line::Backlog(queue) => mark == 0 || queue.len() < mark,
                Line::Stream(_, outbox) => {
                    (mark == 0 || outbox.messages() < mark) && (bytes == 0 || outbox.bytes() < bytes)
                }
                Line::Duct(writer, ..) => writer.has_room(),
                Line::Datagrams(_) => true,
            };
        self.wants_room |= !room;
        room
    }

    /// Messages that wait to be sent.
    pub(crate) fn queued_out(&self) -> usize {
        match &self.line {
            Line::Backlog(queue) => queue.len(),
            Line::Stream(_, outbox) => outbox.unsent(),
            Line::Duct(writer, ..) => writer.queued(),
            Line::Datagrams(_) => 0,
        }
    }

    /// Those of them that are the program's, as far as that is known.
    pub(crate) fn queued_messages(&self) -> u64 {
        match &self.line {
            Line::Stream(_, outbox) => outbox.unsent_messages() as u64,
            _ => self.queued_out() as u64,
        }
    }

    /// Messages that have left, one way or another, of all that were sent.
    pub(crate) fn gone_out(&self) -> u64 {
        self.counters.sent.saturating_sub(self.queued_messages())
    }

    /// Messages that wait to be read.
    pub(crate) fn queued_in(&self) -> usize {
        match &self.line {
            Line::Duct(_, reader, _) => self.inbox_messages + reader.queued(),
            _ => self.inbox_messages,
        }
    }

    /// The name its pattern gave it; empty if it gave none.
    pub(crate) fn routing_id(&self) -> &[u8] {
        &self.routing_id
    }

    /// Whether its peer is, or will be, one of this process.
    pub(crate) fn is_within_process(&self) -> bool {
        self.facts.endpoint.starts_with("inproc://")
    }

    /// Whether a peer is there.
    pub(crate) fn is_connected(&self) -> bool {
        !self.ended && matches!(self.line, Line::Stream(..) | Line::Duct(..) | Line::Datagrams(_))
    }

    /// Whether its peer is another socket of this process.
    pub(crate) fn is_duct(&self) -> bool {
        matches!(self.line, Line::Duct(..))
    }

    /// Its counters, with what is queued now; `one_is_found` of it, and in no queue any more.
    pub(crate) fn counters_now(&self, one_is_found: bool) -> Counters {
        let mut counters = self.counters;
        self.add_to(&mut counters);
        counters.queued_in += u64::from(one_is_found);
        counters
    }

    /// Adds what is known now to what was counted before.
    pub(crate) fn add_to(&self, counters: &mut Counters) {
        counters.queued_out += self.queued_messages();
        counters.queued_in += self.queued_in() as u64;
        self.add_duct_to(counters);
    }

    fn add_duct_to(&self, counters: &mut Counters) {
        let Line::Duct(writer, reader, _) = &self.line else { return };
        let fate = writer.fate();
        counters.delivered += fate.delivered;
        counters.drop(DropReason::PeerGone, fate.lost);
        counters.drop(DropReason::Conflated, fate.superseded);
        counters.drop(DropReason::Unread, reader.unread());
    }

    /// The stream connection behind it, if there is one.
    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        match &self.line {
            Line::Stream(link, _) => Some(link),
            _ => None,
        }
    }
}

/// Whether `outbox` has something to write and nobody who will soon.
#[inline]
fn needs_writer(outbox: &Outbox) -> bool {
    match outbox.state() {
        WriteState::Idle => true,
        WriteState::Queued => outbox.bytes() >= HELP_BYTES,
        _ => false,
    }
}

#[inline]
fn pop_item(inbox: &mut VecDeque<Item>, line: &Line, out: &mut Message) -> bool {
    loop {
        match inbox.front_mut() {
            Some(Item::Run(run)) => {
                let cut = cut_message(run, out);
                if run.messages() == 0 {
                    if let (Some(Item::Run(run)), Line::Stream(link, _)) = (inbox.pop_front(), line) {
                        link.io.memory.give(run.into_memory());
                    }
                    give_up_if_drained(inbox);
                }
                if cut {
                    return true;
                }
            }
            Some(Item::Message(_)) => match inbox.pop_front() {
                Some(Item::Message(message)) => {
                    *out = message;
                    give_up_if_drained(inbox);
                    return true;
                }
                _ => return false,
            },
            None => return false,
        }
    }
}

/// Frees the room that a burst took, and no steady stream needs.
fn give_up_if_drained(inbox: &mut VecDeque<Item>) {
    if inbox.is_empty() && inbox.capacity() > KEPT_ITEMS {
        *inbox = VecDeque::new();
    }
}

#[inline]
fn cut_message(run: &mut Run, out: &mut Message) -> bool {
    let (first, rest) = out.parts_mut();
    rest.clear();
    let Some(mut more) = run.next_frame_into(first) else { return false };
    while more {
        let mut frame = Frame::new();
        let Some(another) = run.next_frame_into(&mut frame) else { return false };
        rest.push(frame);
        more = another;
    }
    true
}

#[inline(never)]
fn enveloped(envelope: Option<(&[Frame], &mut Vec<Frame>)>, message: &mut Message) -> Message {
    let mut message = std::mem::take(message);
    let Some((envelope, list)) = envelope else { return message };
    let Some((first, others)) = envelope.split_first() else { return message };
    let mut frames = std::mem::take(list);
    frames.extend_from_slice(others);
    let (body, rest) = message.parts_mut();
    frames.push(std::mem::take(body));
    frames.append(rest);
    Message::from_parts(first.clone(), frames)
}

/// A subscription in the form of a message: a byte 1, or 0 for its end, then the topic.
pub(crate) fn subscription_message(subscribe: bool, topic: &[u8]) -> Message {
    let mut body = Vec::with_capacity(1 + topic.len());
    body.push(u8::from(subscribe));
    body.extend_from_slice(topic);
    Message::from(Frame::from(body.as_slice()))
}

/// That a group is joined, or left, as a message within the process; on the wire it is a command.
pub(crate) fn group_message(join: bool, group: &[u8]) -> Message {
    Message::from([if join { JOIN } else { LEAVE }, group])
}

/// The group that a message made by [`group_message`] names, and whether it is joined.
pub(crate) fn group_request(message: &Message) -> Option<(bool, Frame)> {
    match message.first().as_slice() {
        _ if message.frame_count() != 2 => None,
        JOIN => Some((true, message.last().clone())),
        LEAVE => Some((false, message.last().clone())),
        _ => None,
    }
}

const JOIN: &[u8] = b"JOIN";
const LEAVE: &[u8] = b"LEAVE";

/// Direct writes a pipe's senders may do in a row without hearing from the peer or pausing.
pub(crate) const PURSE_COINS: u8 = 4;

/// A sender that finds this much waiting for the I/O thread writes it itself.
pub(crate) const HELP_BYTES: usize = 64 * 1024;

/// Runs a pipe keeps in the buffers they were read into; more are moved if they are small.
const RUNS_LOOSE: usize = 16;

/// Room in a drained inbox that is kept, in items: each is the messages of one read, or a single message.
const KEPT_ITEMS: usize = 2048;
