//! Attach: pipes come, get and lose their connections, and go.

use std::collections::VecDeque;
use std::sync::Arc;

use zmtp::{Frame, Run, SocketType};

use super::core::{Phase, State};
use crate::counters::DropReason;
use crate::io::link::Link;
use crate::io::{Command, Which};
use crate::message::Message;
use crate::options::SINGLES;
use crate::pipe::early::Waited;
use crate::pipe::outbox::{Format, Outbox, Reclaimed, WriteState};
use crate::pipe::{Line, Notice, PeerFacts, PipeId};
use crate::transport::udp::Datagrams;

/// What became of a pipe whose stream was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkDown {
    /// A thread is just writing to it, and will see the end in a moment: it tells.
    Busy,
    /// Done.
    Done,
}

impl State {
    /// Adds a pipe that has no connection yet.
    pub(crate) fn add_pipe(&mut self, facts: PeerFacts) -> PipeId {
        let conflate = self.conflates();
        self.pipes.insert(Line::Backlog(VecDeque::new()), facts, conflate)
    }

    /// Adds a pipe and tells the pattern, with the routing id it is to have if that was set beforehand; `hello` is written
    /// first.
    pub(crate) fn attach_pipe(&mut self, facts: PeerFacts, hello: Option<Frame>) -> PipeId {
        let id = self.add_pipe(facts);
        if let Some(hello) = hello {
            self.pipes.write(id, &mut Message::from(hello));
        }
        if let Some(routing_id) = self.options.connect_routing_id.clone() {
            Arc::make_mut(&mut self.options).connect_routing_id = None;
            self.pipes.set_routing_id(id, routing_id);
        }
        let (pattern, pipes, options) = self.parts();
        pattern.on_attached(pipes, options, id);
        self.notify_send();
        id
    }

    /// Takes over changed options; marks concern existing pipes too.
    pub(crate) fn adopt_options(&mut self, options: crate::options::Options) {
        self.pipes.set_marks(options.send_high_water_mark, options.recv_high_water_mark, options.send_high_water_bytes);
        self.options = Arc::new(options);
        for id in self.pipes.ids() {
            self.resume(id);
            // A pattern passes over a pipe that was full until it hears of it again.
            if self.pipes.take_wants_room(id) {
                self.pipe_writable(id);
            }
        }
        self.notify_send();
    }

    /// Whether this socket's queues keep the newest message only.
    pub(crate) fn conflates(&self) -> bool {
        self.options.conflate && SINGLES.contains(&self.pattern.socket_type())
    }

    /// Adds a pipe of datagrams, which is connected as much as it will ever be.
    pub(crate) fn attach_datagrams(&mut self, datagrams: Arc<Datagrams>, facts: PeerFacts) -> PipeId {
        let id = self.pipes.insert(Line::Datagrams(datagrams), facts, false);
        if let Some(pipe) = self.pipes.get_mut(id) {
            pipe.connected = true;
        }
        self.connected += 1;
        let (pattern, pipes, options) = self.parts();
        pattern.on_attached(pipes, options, id);
        pattern.on_connected(pipes, options, id);
        self.notify_send();
        self.notify_change();
        id
    }

    /// A datagram has come. Beyond the mark it is lost, as datagrams may be.
    pub(crate) fn deliver_datagram(&mut self, id: PipeId, message: Message) {
        let mark = self.pipes.recv_mark;
        if mark > 0 && self.pipes.get(id).is_some_and(|pipe| pipe.queued_in() >= mark) {
            return self.pipes.count_dropped(DropReason::HighWaterMark, 1);
        }
        self.deliver_message(id, message, false);
    }

    /// A connection is ready: `hello` goes first, then what waited in the pipe. `fresh`: the pattern has not met the
    /// pipe.
    pub(crate) fn link_up(
        &mut self,
        link: &Arc<Link>,
        facts: PeerFacts,
        format: Format,
        fresh: bool,
        hello: Option<&Frame>,
    ) {
        let id = link.pipe;
        let Some((pipe, pool, _)) = self.pipes.get_with_memory(id) else { return };
        pipe.facts = facts;
        pipe.connected = true;
        pipe.renewing = false;
        pipe.watch = Default::default();
        let mut outbox = Outbox::new(format);
        if let Line::Backlog(queue) = &mut pipe.line {
            if let Some(hello) = hello {
                outbox.push_greeting(pool, hello.clone());
            }
            for waited in std::mem::take(&mut pipe.early).among(std::mem::take(queue)) {
                match waited {
                    Waited::Message(mut message) => outbox.push(pool, &[], &mut message),
                    Waited::Request { form, subscribe, topic } => {
                        outbox.push_subscription(pool, form, subscribe, &topic);
                    }
                }
            }
        }
        pipe.line = Line::Stream(link.clone(), outbox);
        self.pipes.count_sent(id, hello.map(|hello| hello.len()));
        self.links += 1;
        self.connected += 1;
        self.pipes.note_dirty(id);
        self.watch_link(link);
        let (pattern, pipes, options) = self.parts();
        if fresh {
            pattern.on_attached(pipes, options, id);
        }
        pattern.on_connected(pipes, options, id);
        self.notify_send();
        self.notify_change();
        if self.links == 1 && !self.watch.leader && self.pattern.socket_type() != SocketType::Req {
            // Who waits for a stream is to lead from its beginning. A single answer is not worth a set.
            self.notify_recv(false);
        } else {
            self.notify_recv_of_peers();
        }
    }

    /// A connection is lost. A `lasting` pipe keeps its queue for the next one; another ends, and what it does not get to
    /// send is dropped for `reason`. `parting` is received as the peer's last message.
    pub(crate) fn link_down(
        &mut self,
        link: &Arc<Link>,
        lasting: bool,
        reason: DropReason,
        parting: Option<&Frame>,
    ) -> LinkDown {
        let id = link.pipe;
        self.unwatch(link);
        let subscribes = matches!(self.pattern.socket_type(), SocketType::Sub | SocketType::XSub);
        let Some((pipe, pool, broadcast)) = self.pipes.get_with_memory(id) else { return LinkDown::Done };
        let Line::Stream(current, outbox) = &mut pipe.line else { return LinkDown::Done };
        if !Arc::ptr_eq(current, link) {
            return LinkDown::Done;
        }
        if outbox.state() == WriteState::Draining {
            return LinkDown::Busy;
        }
        let Reclaimed { kept, lost, delivered } = outbox.reclaim(pool, broadcast, subscribes);
        let mut dropped = lost as u64;
        if !lasting {
            dropped += kept.len() as u64;
        }
        pipe.counters.drop(reason, dropped);
        pipe.line = Line::Backlog(if lasting { kept.into() } else { VecDeque::new() });
        pipe.paused = false;
        pipe.connected &= !lasting;
        self.pipes.count_dropped(reason, dropped);
        self.pipes.count_delivered(id, delivered as u64);
        self.links = self.links.saturating_sub(1);
        self.connected = self.connected.saturating_sub(1);
        if let Some(parting) = parting {
            self.deliver_message(id, Message::from(parting.clone()), false);
        }
        if lasting {
            let (pattern, pipes, options) = self.parts();
            pattern.on_disconnected(pipes, options, id);
            self.notify_recv_of_peers();
            if self.pipes.take_wants_room(id) {
                self.pipe_writable(id);
            }
        } else {
            self.pipe_ended(id);
        }
        self.notify_change();
        LinkDown::Done
    }

    /// The pipe takes no more messages; it goes when what it brought was read.
    pub(crate) fn pipe_ended(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        if std::mem::replace(&mut pipe.ended, true) {
            return;
        }
        let mut lost = 0;
        if let Line::Duct(writer, ..) = &mut pipe.line {
            writer.close();
            self.connected = self.connected.saturating_sub(1);
        } else if let Line::Datagrams(_) = &pipe.line {
            self.connected = self.connected.saturating_sub(1);
        } else if let Line::Backlog(queue) = &mut pipe.line {
            lost = std::mem::take(queue).len() as u64;
        }
        self.pipes.count_dropped(DropReason::PeerGone, lost);
        let (pattern, pipes, options) = self.parts();
        if pipes.get(id).is_some_and(|pipe| !pipe.closing) {
            pattern.on_readable(pipes, options, id);
        }
        pattern.on_ended(pipes, options, id);
        if !self.pipes.has_message(id) {
            self.remove_pipe(id);
        }
        self.notify_recv_of_peers();
        self.notify_send();
        self.notify_change();
    }

    /// A pipe that the pattern closed, or that ended and was read to its end.
    pub(crate) fn pipe_drained(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get(id) else { return };
        if pipe.ended {
            if !self.pipes.has_message(id) {
                self.remove_pipe(id);
            }
        } else if pipe.closing {
            match &pipe.line {
                Line::Duct(..) => self.end_duct(id),
                Line::Datagrams(_) => self.pipe_ended(id),
                Line::Stream(link, _) => {
                    let (io, token, linger) = (link.io.clone(), link.token, self.options.linger);
                    if let Some(core) = self.me.upgrade() {
                        self.tell_io(io, Command::End(core, Which::Pipe(id, Some(token)), linger));
                    }
                }
                Line::Backlog(_) => {
                    // Not connected: its dialler, if there is one, is told by all I/O threads.
                    let Some(core) = self.me.upgrade() else { return };
                    for io in core.context.started_io() {
                        self.tell_io(
                            io,
                            Command::End(core.clone(), Which::Pipe(id, None), Some(std::time::Duration::ZERO)),
                        );
                    }
                    self.pipe_ended(id);
                }
            }
        }
    }

    /// Removes a pipe for good.
    pub(crate) fn remove_pipe(&mut self, id: PipeId) {
        if let Some(mut pipe) = self.pipes.remove(id) {
            let being_read = self.unfinished.more() && self.pipes.last_received() == Some(id);
            let is_found = self.pattern.found_from() == Some(id);
            if being_read || is_found {
                self.pipes.keep_metadata(id, &pipe);
            }
            if let Line::Duct(_, reader, _) = &mut pipe.line {
                reader.close();
                if is_found { self.keep_name(id) } else { self.forget_name(id) }
            }
            self.drop_later(pipe);
        }
    }

    /// Ends a pipe to a socket of this process, from this side. The peer can still read what was sent.
    pub(crate) fn end_duct(&mut self, id: PipeId) {
        self.write_farewell(id);
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        let Line::Duct(writer, reader, peer) = &mut pipe.line else { return };
        writer.close();
        reader.close();
        let peer = peer.clone();
        let already = std::mem::replace(&mut pipe.ended, true);
        pipe.closing = true;
        self.pipes.note(Notice::Ended(peer));
        self.unfinished.note_left(id);
        if !already {
            self.connected = self.connected.saturating_sub(1);
            let (pattern, pipes, options) = self.parts();
            pattern.on_ended(pipes, options, id);
        }
        self.remove_pipe(id);
        self.notify_change();
    }

    /// A pipe to a socket of this process is ending from this side: the peer receives what it wants to then.
    fn write_farewell(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        let (Some(farewell), false) = (pipe.farewell.take(), pipe.ended) else { return };
        if let Line::Duct(writer, _, peer) = &mut pipe.line
            && writer.push_request(&mut Message::from(farewell))
        {
            let notice = Notice::Readable(peer.clone());
            self.pipes.note(notice);
        }
    }

    /// Takes a pipe from the pattern at once, unread messages with it, while what is queued still goes out:
    /// disconnect.
    pub(crate) fn disconnect_pipe(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get(id) else { return };
        if matches!(pipe.line, Line::Duct(..)) {
            return self.end_duct(id);
        }
        self.unfinished.note_own_end(id);
        if self.stop_pipe(id) {
            self.pipes.discard_inbox(id);
        }
    }

    /// Nothing goes into a pipe or comes from it any more; what is queued still goes out, and what has come can be read:
    /// unbind. Answers whether it was not so before.
    pub(crate) fn stop_pipe(&mut self, id: PipeId) -> bool {
        let Some(pipe) = self.pipes.get_mut(id) else { return false };
        if std::mem::replace(&mut pipe.closing, true) {
            return false;
        }
        let (pattern, pipes, options) = self.parts();
        pattern.on_ended(pipes, options, id);
        self.notify_send();
        true
    }

    /// The socket was closed: unread messages go, what is queued stays for as long as linger says.
    pub(super) fn close_pipe_of_closed_socket(&mut self, id: PipeId) {
        self.write_farewell(id);
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        pipe.closing = true;
        if let Line::Duct(writer, reader, peer) = &mut pipe.line {
            writer.close();
            reader.close();
            let notice = Notice::Ended(peer.clone());
            self.pipes.note(notice);
            self.remove_pipe(id);
        } else if let Line::Datagrams(_) = &pipe.line {
            self.remove_pipe(id);
        } else {
            self.pipes.discard_inbox(id);
        }
    }

    /// The session behind a pipe is over, with whatever it did not get to send.
    pub(crate) fn expire_pipe(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id) else { return };
        if let Line::Backlog(queue) = &mut pipe.line {
            let lost = std::mem::take(queue).len() as u64;
            self.pipes.count_dropped(DropReason::LingerExpired, lost);
        }
        self.pipe_ended(id);
    }

    /// Messages arrived from a stream.
    pub(crate) fn deliver_run(&mut self, id: PipeId, run: Run, leader: bool) {
        if self.phase == Phase::Closed {
            return self.pipes.count_unread(run.messages());
        }
        if let Some(pipe) = self.pipes.get_mut(id) {
            if pipe.closing {
                return self.pipes.count_unread(run.messages());
            }
            pipe.purse.earn();
        }
        if self.pipes.deliver_run(id, run) {
            self.stream_readable(id, leader);
        }
    }

    /// One message arrived from a stream.
    pub(crate) fn deliver_message(&mut self, id: PipeId, message: Message, leader: bool) {
        if self.phase == Phase::Closed || self.pipes.get(id).is_none_or(|pipe| pipe.closing) {
            return;
        }
        if self.pipes.deliver_message(id, message) {
            self.stream_readable(id, leader);
        }
    }

    /// Messages arrived from a stream.
    fn stream_readable(&mut self, id: PipeId, leader: bool) {
        let awaited = !self.recv_waiters.is_empty();
        self.pipe_readable(id, leader);
        if awaited {
            self.pass_duty();
        }
    }

    /// The protocol wants to say something between messages: PING, PONG.
    pub(crate) fn push_control(&mut self, link: &Arc<Link>, bytes: &[u8]) {
        let Some(pipe) = self.pipes.get_mut(link.pipe) else { return };
        if let Line::Stream(current, outbox) = &mut pipe.line
            && Arc::ptr_eq(current, link)
        {
            outbox.push_control(bytes);
            self.pipes.note_dirty(link.pipe);
        }
    }
}
