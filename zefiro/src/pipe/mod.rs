//! Pipes: what a pattern sees of its peers. Each is two queues of whole messages with a high-water mark and an orderly
//! end; behind it is a stream connection, another socket in the process, or nothing yet.
//!
//! All pipes of a socket live in one [`Pipes`], under the socket's lock. What an operation on them causes outside that
//! lock (somebody must write, a peer must be told) is noted here and carried out when the lock is released.

pub(crate) mod batch;
pub(crate) mod broadcast;
pub(crate) mod duct;
pub(crate) mod early;
mod followers;
mod inbox;
mod incoming;
pub(crate) mod outbox;
pub(crate) mod outgoing;
pub(crate) mod pool;
pub(crate) mod purse;
mod reclaim;
pub(crate) mod sync;
mod tally;
pub(crate) mod window;

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use slab::Slab;
use zmtp::{Frame, Place, SocketType};

use self::broadcast::Broadcast;
use self::duct::{DuctReader, DuctWriter};
use self::early::Early;
use self::followers::{Followers, Told};
use self::inbox::Inbox;
use self::outbox::Outbox;
use self::pool::Pool;
use self::purse::Purse;
use self::window::{Glance, Window};
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
    inbox: Inbox,
    /// It gets what goes to all who follow, and has had so much of that.
    follows: Option<Told>,
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
    window: Window,
    pub(crate) watch: LinkWatch,
    /// The peer is there, or was when the pipe ended.
    pub(crate) connected: bool,
    pub(crate) counters: Counters,
}

/// The pipes of one socket.
pub(crate) struct Pipes {
    slots: Slab<Pipe>,
    generation: u32,
    pool: Pool,
    /// Messages that go to many pipes.
    broadcast: Broadcast,
    followers: Followers,
    /// Messages per pipe and direction; 0 for no limit.
    pub(crate) send_mark: usize,
    pub(crate) recv_mark: usize,
    /// Bytes per pipe, outgoing; 0 for no limit.
    pub(crate) send_bytes: usize,
    /// What is counted of no pipe in particular. What was sent and received is counted there: see
    /// [`counters_of_all`](Pipes::counters_of_all).
    pub(crate) counters: Counters,
    /// Whose message the program was handed last.
    last_received: Option<PipeId>,
    /// A pipe that was removed while a message of it was found but not received, and what is known of its connection.
    parted: Option<(PipeId, Arc<Metadata>)>,
    /// Of the connection that brought what a pattern has kept for the program, and has handed to it last.
    kept: Option<Arc<Metadata>>,
    /// The name made up last, for programs that ask for that of a peer they have just connected to.
    pub(crate) made_up_id: Option<Frame>,
    /// Pipes with messages in their inboxes.
    pub(crate) unread_pipes: usize,
    /// Of how many messages the one read last was the end, if those were a trickle from a socket of this process.
    pub(crate) trickle: u32,
    /// Set if it is a C program that sends, which is told of room as [`window`] says.
    pub(crate) glance: Option<Glance>,
    /// A message was refused for room in a pipe that the program has not noticed.
    pub(crate) unnoticed: bool,
    /// Where the last message of several parts is from, within the process, that a C program has not read to its end.
    held: Option<PipeId>,
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
    /// Pipes with a routing id in use: ignored, or, if so marked, to lose their connections.
    pub(crate) duplicates: Vec<(PipeId, bool)>,
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
            followers: Followers::default(),
            send_mark,
            recv_mark,
            send_bytes,
            counters: Counters::default(),
            last_received: None,
            parted: None,
            kept: None,
            made_up_id: None,
            unread_pipes: 0,
            trickle: 0,
            glance: None,
            unnoticed: false,
            held: None,
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
        self.catch_up();
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
            inbox: Inbox::default(),
            follows: None,
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
            purse: Purse::default(),
            window: Window::default(),
            watch: LinkWatch::default(),
            connected: false,
            counters: Counters::default(),
        });
        PipeId { index: index as u32, generation }
    }

    /// Removes a pipe and answers it, if it is still there.
    pub(crate) fn remove(&mut self, id: PipeId) -> Option<Pipe> {
        self.get_mut(id)?;
        let mut pipe = self.slots.remove(id.index as usize);
        self.counters.add_traffic(&pipe.counters);
        self.unread_pipes -= usize::from(!pipe.inbox.is_empty());
        self.counters.drop(DropReason::Unread, pipe.inbox.messages() as u64);
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
            self.followers = Followers::default();
        }
        Some(pipe)
    }

    /// A pipe; of one that follows, what is counted and queued may be behind.
    #[inline]
    pub(crate) fn get(&self, id: PipeId) -> Option<&Pipe> {
        self.slots.get(id.index as usize).filter(|pipe| pipe.generation == id.generation)
    }

    /// A pipe with all that was written to it.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.get_with_memory(id).map(|(pipe, ..)| pipe)
    }

    /// As [`get_mut`](Pipes::get_mut), and what outboxes take their memory from.
    #[inline]
    pub(crate) fn get_with_memory(&mut self, id: PipeId) -> Option<(&mut Pipe, &mut Pool, &mut Broadcast)> {
        let Pipes { slots, pool, broadcast, followers, .. } = self;
        let pipe = slots.get_mut(id.index as usize).filter(|pipe| pipe.generation == id.generation)?;
        if pipe.follows.is_some() {
            followers.part(id, pipe, pool, broadcast);
        }
        Some((pipe, pool, broadcast))
    }

    /// All pipes, ended ones with unread messages included.
    pub(crate) fn ids(&self) -> Vec<PipeId> {
        self.slots.iter().map(|(index, pipe)| PipeId { index: index as u32, generation: pipe.generation }).collect()
    }

    /// The first that is meant, if it is among those that need no search.
    pub(crate) fn find_at_hand(&self, is_meant: impl Fn(&Pipe) -> bool) -> Option<&Pipe> {
        (0..AT_HAND).filter_map(|index| self.slots.get(index)).find(|pipe| is_meant(pipe))
    }

    /// As [`get`](Pipes::get) does it: see [`catch_up`](Pipes::catch_up).
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

    /// Its routing id goes to a place, unless the pipe is gone.
    #[inline]
    pub(crate) fn copy_routing_id(&self, id: PipeId, place: &mut impl Place) {
        if let Some(pipe) = self.get(id) {
            pipe.routing_id.copy_to(place);
        }
    }

    pub(crate) fn set_routing_id(&mut self, id: PipeId, routing_id: Frame) {
        if let Some(pipe) = self.get_mut(id) {
            pipe.routing_id = routing_id;
        }
    }

    /// Whether the pipe has that routing id, which is not an empty one.
    #[inline]
    pub(crate) fn is_called(&self, id: PipeId, routing_id: &[u8]) -> bool {
        !routing_id.is_empty() && self.get(id).is_some_and(|pipe| pipe.routing_id.as_slice() == routing_id)
    }

    /// Whom the last message for the program came from.
    pub(crate) fn last_received(&self) -> Option<PipeId> {
        self.last_received
    }

    /// Of the connection that brought the message the program was handed last.
    pub(crate) fn last_metadata(&self) -> Option<&Arc<Metadata>> {
        let Some(id) = self.last_received else { return self.kept.as_ref() };
        match self.get(id) {
            Some(pipe) => pipe.facts.metadata.as_ref(),
            None => self.parted.as_ref().filter(|(parted, _)| *parted == id).map(|(_, metadata)| metadata),
        }
    }

    /// What is known of the pipe's connection.
    pub(crate) fn metadata(&self, id: PipeId) -> Option<Arc<Metadata>> {
        self.get(id)?.facts.metadata.clone()
    }

    /// The program was handed what its pattern had kept, and this is known of the connection that brought it.
    pub(crate) fn note_kept(&mut self, metadata: Option<Arc<Metadata>>) {
        self.kept = metadata;
    }

    /// A pipe was removed of which a message was found, but not received, or not all of it: what is known of its connection is
    /// kept for that.
    pub(crate) fn keep_metadata(&mut self, id: PipeId, pipe: &Pipe) {
        self.parted = pipe.facts.metadata.clone().map(|metadata| (id, metadata));
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

    /// The pipe is ignored because its routing id is in use: monitors are told.
    pub(crate) fn report_duplicate(&mut self, id: PipeId) {
        self.noted = true;
        self.duplicates.push((id, false));
    }

    /// As [`report_duplicate`](Pipes::report_duplicate), and its connection is ended by the socket once this operation is over.
    pub(crate) fn refuse_duplicate(&mut self, id: PipeId) {
        self.noted = true;
        self.duplicates.push((id, true));
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
}

impl Pipe {
    /// Messages that wait to be sent.
    pub(crate) fn queued_out(&self) -> usize {
        debug_assert!(self.follows.is_none(), "it has not caught up");
        match &self.line {
            Line::Backlog(queue) => queue.len(),
            Line::Stream(_, outbox) => outbox.unsent(),
            Line::Duct(writer, ..) => writer.queued(),
            Line::Datagrams(_) => 0,
        }
    }

    /// Those of them that are the program's, as far as that is known.
    pub(crate) fn queued_messages(&self) -> u64 {
        debug_assert!(self.follows.is_none(), "it has not caught up");
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
            Line::Duct(_, reader, _) => self.inbox.messages() + reader.queued(),
            _ => self.inbox.messages(),
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

    /// The stream connection behind it, if there is one.
    pub(crate) fn link(&self) -> Option<&Arc<Link>> {
        match &self.line {
            Line::Stream(link, _) => Some(link),
            _ => None,
        }
    }
}

/// So many pipes are looked through in less time than a system call takes.
const AT_HAND: usize = 4;
