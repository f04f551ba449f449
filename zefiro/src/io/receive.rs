//! Receive: one thread reads what a stream has and puts it in the pipe's inbox.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zmtp::giving_back::{hold, is_any_owned};
use zmtp::{Event, Frame, SocketType};

use super::Command;
use super::link::{Link, Loss, Protocol, Reader};
use super::transmit::report_loss;
use crate::counters::DropReason;
use crate::lock::give_way;
use crate::message::Message;
use crate::pipe::Line;
use crate::pipe::outbox::WriteState;
use crate::pipe::sync::SleepingGuard as MutexGuard;
use crate::routing::request::{group_message, subscription_message};
use crate::socket::core::{SocketCore, State};
use crate::socket::locked::Locked;
use crate::sys::net;

/// Reads the link, unless another thread does already: at most `reads` times, until the kernel has no more, or until
/// the inbox is at its mark. Answers whether anything arrived.
///
/// The caller holds no lock. Whoever waits for messages is woken, but for the caller itself if it is the socket's
/// `leader`.
pub(crate) fn receive(core: &Arc<SocketCore>, link: &Arc<Link>, reads: usize, leader: bool) -> bool {
    let _held = is_any_owned().then(hold);
    let mut arrived = false;
    for _ in 0..reads {
        let Some(reader) = link.reader.try_lock() else {
            // What is not read yet keeps the link ready: the caller will be here again at once.
            give_way(&link.reader);
            break;
        };
        match read_once(core, link, reader, leader) {
            Ok(Progress::More) => arrived = true,
            Ok(Progress::Drained) => {
                arrived = true;
                break;
            }
            Ok(Progress::Nothing) => break,
            Err(loss) => {
                lose(core, link, loss);
                return true;
            }
        }
    }
    arrived
}

/// The protocol's timers may be due: reads what the kernel has, then lets them fire. Only the I/O thread does this, and
/// it does not wait for another thread that reads just now, on which others would wait then: `false`, and it is to look
/// again soon.
pub(crate) fn check_timers(core: &Arc<SocketCore>, link: &Arc<Link>, now: Instant) -> bool {
    for _ in 0..READS_IO {
        let Some(reader) = link.reader.try_lock() else { return false };
        match read_once(core, link, reader, false) {
            Ok(Progress::More) => {}
            Ok(_) => break,
            Err(loss) => {
                lose(core, link, loss);
                return true;
            }
        }
    }
    let Some(mut reader) = link.reader.try_lock() else { return false };
    reader.timer = None;
    let Protocol::Zmtp(connection) = &mut reader.protocol else { return true };
    let standing = core.lock().standing_of(link);
    if connection.is_peer_late(now) && standing.excuses_silence(link) {
        connection.peer_lives();
    }
    let handled = connection.handle_timeout(now);
    if standing.blocked {
        // A ping would only wait behind what is not read.
        let _ = connection.take_output();
    }
    if let Err(error) = handled {
        drop(reader);
        lose(core, link, Loss::Protocol(error));
        return true;
    }
    arm_timer(link, &mut reader);
    hand_over(core, link, reader, false);
    true
}

/// What a link's silence may be due to.
struct Standing {
    /// Nothing is read from it: the program is behind.
    paused: bool,
    /// The kernel takes no more for it: the peer is behind.
    blocked: bool,
    /// The word of the peer's system that it is there counts, when it was heard this long ago at most.
    patience: Option<Duration>,
}

impl Standing {
    fn excuses_silence(&self, link: &Link) -> bool {
        match self.patience {
            _ if self.paused => true,
            Some(silence) => net::host_lives(&link.stream, silence),
            None => self.blocked,
        }
    }
}

impl State {
    fn standing_of(&self, link: &Arc<Link>) -> Standing {
        let options = &self.options;
        let pipe = self.pipes.get(link.pipe);
        Standing {
            paused: pipe.is_some_and(|pipe| pipe.paused),
            blocked: pipe.is_some_and(
                |pipe| matches!(&pipe.line, Line::Stream(_, outbox) if outbox.state() == WriteState::Blocked),
            ),
            patience: options.liveness.filter(|_| options.heartbeat_interval.is_none()).map(|liveness| liveness / 2),
        }
    }
}

/// The stream has ended, or is to end.
fn lose(core: &Arc<SocketCore>, link: &Arc<Link>, loss: Loss) {
    note_loss(core, link, &loss);
    report_loss(link, loss);
}

/// Nothing is read from the link any more.
pub(crate) fn note_loss(core: &Arc<SocketCore>, link: &Arc<Link>, loss: &Loss) {
    let mut state = core.lock();
    state.unwatch(link);
    if let Loss::Protocol(zmtp::Error::Oversize { .. } | zmtp::Error::TooManyFrames { .. }) = loss {
        state.pipes.count_dropped(DropReason::Oversize, 1);
    }
}

enum Progress {
    /// The buffer was filled: there may be more.
    More,
    /// All the kernel had, or enough: the rest keeps the link ready.
    Drained,
    /// Nothing there, or no room for it.
    Nothing,
}

fn read_once(
    core: &Arc<SocketCore>,
    link: &Arc<Link>,
    mut reader: MutexGuard<'_, Reader>,
    leader: bool,
) -> Result<Progress, Loss> {
    if core.lock().pause_if_full(link) {
        return Ok(Progress::Nothing);
    }
    match &mut reader.protocol {
        Protocol::Zmtp(connection) => {
            link.io.memory.lend_to(connection);
            let buffer = connection.input();
            let room = buffer.capacity() - buffer.len();
            let count = match net::read(&link.stream, buffer) {
                Ok(0) => return Err(Loss::PeerClosed),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    link.io.memory.take_back(connection);
                    connection.idle_trim();
                    return Ok(Progress::Nothing);
                }
                Err(error) => return Err(Loss::Io(error)),
            };
            let handled = connection.handle_input(Instant::now()).map_err(Loss::Protocol);
            link.io.memory.take_back(connection);
            if handled.is_ok() {
                arm_timer(link, &mut reader);
            }
            // What came whole before the fault is still good.
            let work = hand_over(core, link, reader, leader);
            handled?;
            Ok(if count == room && work < WORK_A_TURN { Progress::More } else { Progress::Drained })
        }
        Protocol::Raw { piece_bytes } => {
            let mut piece = Vec::with_capacity(*piece_bytes);
            match net::read(&link.stream, &mut piece) {
                Ok(0) => return Err(Loss::PeerClosed),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Nothing),
                Err(error) => return Err(Loss::Io(error)),
            }
            let filled = piece.len() == piece.capacity();
            piece.shrink_to_fit();
            let mut state = core.lock();
            state.deliver_message(link.pipe, Message::from(Frame::from(piece)), leader);
            state.unlock_after(reader);
            Ok(if filled { Progress::More } else { Progress::Drained })
        }
    }
}

/// Moves what the protocol decoded into the inbox, and what it wants to say into the outbox. Lets go of the reader before
/// anybody is woken. Answers how much work it was.
pub(crate) fn hand_over(
    core: &Arc<SocketCore>,
    link: &Arc<Link>,
    mut reader: MutexGuard<'_, Reader>,
    leader: bool,
) -> usize {
    let Protocol::Zmtp(connection) = &mut reader.protocol else { return 0 };
    let mut state: Option<Locked<'_>> = None;
    let mut work = 0;
    while let Some(event) = connection.poll_event() {
        let state = state.get_or_insert_with(|| core.lock());
        work += 1;
        match event {
            // What groups are asked for is told by commands; a message that looks like one of ours is not.
            Event::Messages(run) if core.socket_type == SocketType::Radio => {
                state.pipes.counters.arrived += run.messages() as u64;
                state.pipes.count_dropped(DropReason::Filtered, run.messages() as u64);
            }
            // They are taken at once, as requests, and each is some work.
            Event::Messages(run) if matches!(core.socket_type, SocketType::Pub | SocketType::XPub) => {
                work += run.messages() + run.bytes_len() / BYTES_OF_WORK;
                state.deliver_run(link.pipe, run, leader);
            }
            Event::Messages(run) => state.deliver_run(link.pipe, run, leader),
            Event::Subscribe(topic) => {
                work += topic.len() / BYTES_OF_WORK;
                state.deliver_message(link.pipe, subscription_message(true, &topic), leader);
            }
            Event::Cancel(topic) => {
                work += topic.len() / BYTES_OF_WORK;
                state.deliver_message(link.pipe, subscription_message(false, &topic), leader);
            }
            Event::Join(group) => state.deliver_message(link.pipe, group_message(true, &group), leader),
            Event::Leave(group) => state.deliver_message(link.pipe, group_message(false, &group), leader),
            _ => {}
        }
    }
    if let Some(output) = connection.take_output() {
        state.get_or_insert_with(|| core.lock()).push_control(link, &output);
    }
    if let Some(state) = state {
        state.unlock_after(reader);
    }
    if work >= WORK_IN_ONE {
        core.give_way();
    }
    work
}

/// The I/O thread looks after the protocol's timers: tells it when the next one is earlier than it knows.
fn arm_timer(link: &Arc<Link>, reader: &mut Reader) {
    let Protocol::Zmtp(connection) = &reader.protocol else { return };
    let Some(deadline) = connection.next_deadline() else { return };
    if reader.timer.is_none_or(|timer| deadline < timer) {
        reader.timer = Some(deadline);
        link.io.tell(Command::Timer(link.clone(), deadline));
    }
}

/// After so many requests those who wait for the socket's lock come first: a peer that asks without end is not to keep the
/// program waiting. A long one counts more than once.
const WORK_IN_ONE: usize = 64;
const BYTES_OF_WORK: usize = 512;

/// After so many the other links get their turn.
const WORK_A_TURN: usize = 512;

/// Reads an application thread does on one link before it looks at what came.
pub(crate) const READS_APPLICATION: usize = 1;

/// Reads the I/O thread does on one link before it looks at the others.
pub(crate) const READS_IO: usize = 4;
