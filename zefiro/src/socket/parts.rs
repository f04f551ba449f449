//! Parts: a message sent or received one part at a time, as C programs do (`zmq_msg_send(3)`, `zmq_msg_recv(3)`).
//!
//! The parts of an outgoing message are collected here, and the pattern sees the whole message with its last part: a
//! peer gets all of it or nothing. Whether there is a peer with room is asked with the first part. `swift`: the same in a
//! few steps, where that can be.

mod swift;

use std::sync::Arc;
use std::time::Duration;

use zmtp::{Frame, SocketType};

use super::core::{Phase, SocketCore, State};
use super::locked::Locked;
use super::ops::{RECV, SEND, Wait, kind_of, try_recv, try_send};
use crate::arrival::Arrival;
use crate::counters::DropReason;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, clear_frames};
use crate::part::Part;
use crate::pattern::{Recipient, Refusal};
use crate::pause::pause;
use crate::pipe::outbox::COPY_BYTES_MAX;
use crate::pipe::{PipeId, Pipes};
use crate::wait::current_parker;

/// The messages the program is in the middle of.
#[derive(Default)]
pub(crate) struct Parts {
    /// Whether a message is being sent whose last part has yet to come.
    begun: bool,
    /// What was sent of it so far. Its memory is used again for the next one.
    out: Message,
    /// Whom the message that is being sent is for.
    recipient: Recipient,
    loss: Loss,
    /// Received, not read yet, the last part first.
    unread: Vec<Frame>,
    /// To receive the next one into, for its memory.
    spare: Message,
    /// Whether the part received last said that more follow.
    last_more: bool,
    /// What is unread has been taken from the pipe by libzmq, too.
    turn_is_over: bool,
}

/// Whether the program could have noticed that the recipient is gone.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Loss {
    #[default]
    Untold,
    /// The same, and it is this side that has left it.
    Left,
    /// With the part sent last, which was refused or lost.
    JustTold,
    /// Since then, or by asking for events.
    Told,
}

impl Parts {
    /// Forgets them: the socket is closed.
    pub(crate) fn clear(&mut self) {
        *self = Parts::default();
    }

    /// The program has itself ended the pipe.
    pub(super) fn note_own_end(&mut self, id: PipeId) {
        if self.recipient == Recipient::Peer(id) {
            self.loss = Loss::Told;
        }
    }

    /// The same within the process, where the program notices with its next look.
    pub(super) fn note_left(&mut self, id: PipeId) {
        if self.recipient == Recipient::Peer(id) && self.loss == Loss::Untold {
            self.loss = Loss::Left;
        }
    }

    /// Whether more parts of the message read last are there.
    pub(crate) fn more(&self) -> bool {
        !self.unread.is_empty()
    }

    /// The first part of a message is sent.
    fn begin(&mut self, part: &mut Frame) {
        self.begun = true;
        std::mem::swap(self.out.parts_mut().0, part);
    }

    /// What was sent of a message.
    fn take_begun(&mut self) -> Message {
        self.begun = false;
        std::mem::take(&mut self.out)
    }

    /// Whether a message has been begun to be sent, or to be read.
    #[inline]
    fn is_amid_one(&self) -> bool {
        self.begun || self.more()
    }

    /// Whether the peer whose message is being read has its turn until that is read.
    pub(super) fn holds_turn(&self) -> bool {
        self.more() && !self.turn_is_over
    }

    /// Whether the part received last said that more follow (`ZMQ_RCVMORE`).
    pub(crate) fn last_more(&self) -> bool {
        self.last_more
    }

    /// Whether a message has been begun for a peer that is gone since.
    fn is_for_nobody(&self, pipes: &Pipes) -> bool {
        self.begun && matches!(self.recipient, Recipient::Peer(peer) if !pipes.is_open(peer))
    }

    /// What being in the middle of a message means for what the socket would do now.
    pub(crate) fn adjust(
        &mut self,
        pipes: &Pipes,
        socket_type: SocketType,
        relaxed: bool,
        readable: &mut bool,
        writable: &mut bool,
    ) {
        if self.more() {
            *readable = true;
            // The reply, or the next request, is due when this one has been read.
            *writable &= !takes_turns(socket_type) || socket_type == SocketType::Req && relaxed;
        }
        if self.begun {
            let for_nobody = self.is_for_nobody(pipes);
            // A PAIR begins anew with the next peer; others take the rest of the message, and it is lost. While a request
            // is being made nothing is looked for on its connection, and no peer found to be gone.
            *writable |= !for_nobody || socket_type != SocketType::Pair && self.loss != Loss::JustTold;
            let is_noticed = self.loss == Loss::Left || self.loss == Loss::Untold && socket_type != SocketType::Req;
            if for_nobody && is_noticed {
                self.loss = Loss::Told;
            }
            *readable &= socket_type != SocketType::Req;
        }
    }
}

impl SocketCore {
    /// Sends one part and leaves an empty one in its place; what is refused stays. `more` says that it is not the last.
    pub(crate) fn send_part(self: &Arc<SocketCore>, part: &mut Frame, more: bool, wait: Wait) -> Result<()> {
        self.send_part_locked(self.lock(), part, more, wait)
    }

    fn send_part_locked<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        part: &mut Frame,
        more: bool,
        wait: Wait,
    ) -> Result<()> {
        state.check_open(SEND)?;
        if state.unfinished.more() && takes_turns(self.socket_type) {
            if self.socket_type != SocketType::Req || !state.options.req_relaxed {
                return Err(Error::new(ErrorKind::State, SEND));
            }
            state.unfinished.unread.clear();
            state.pipes.release_held();
        }
        if state.unfinished.begun {
            if more && self.socket_type == SocketType::Dgram {
                return Err(Error::new(kind_of(Refusal::InvalidMessage), SEND));
            }
            // To plain peers, what follows the routing id is the data, whatever it says of itself.
            let raw = self.socket_type == SocketType::Stream
                || self.socket_type == SocketType::Router && state.options.router_raw;
            let more = more && !raw;
            return self.send_later_part(state, part, more, wait);
        }
        if !more && state.send_swiftly(&*part, wait) {
            *part = Frame::new();
            return Ok(());
        }
        if !more && self.socket_type != SocketType::Stream {
            state.pay_attention();
            if state.unfinished.begun {
                // Another thread has begun a message meanwhile.
                drop(state);
                return self.send_part(part, more, wait);
            }
            let mut message = Message::from(std::mem::take(part));
            let result = match try_send(&mut state, &mut message, wait) {
                Err(ErrorKind::WouldBlock) => self.send_waiting(state, &mut message, wait),
                result => result.map_err(|kind| Error::new(kind, SEND)),
            };
            if result.is_err() {
                std::mem::swap(part, message.parts_mut().0);
            }
            return result;
        }
        // A STREAM's first part that announces no data names nobody who would have to be there.
        let (mut state, recipient) = match more {
            true => self.wait_for_admission(state, part, wait)?,
            false => (state, Recipient::Nobody(DropReason::Unroutable)),
        };
        if state.unfinished.begun {
            // Another thread has begun a message meanwhile.
            drop(state);
            return self.send_part(part, more, wait);
        }
        state.unfinished.recipient = recipient;
        state.unfinished.loss = Loss::Untold;
        state.unfinished.begin(part);
        state.note_begun();
        Ok(())
    }

    /// Waits until a message that begins with `first` would be taken.
    fn wait_for_admission<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        first: &Frame,
        wait: Wait,
    ) -> Result<(Locked<'a>, Recipient)> {
        let mut deadline = None;
        loop {
            state.pay_attention();
            state.check_open(SEND)?;
            if state.unfinished.begun {
                // By another thread meanwhile: nobody is asked who is to have this one.
                return Ok((state, Recipient::Later));
            }
            let hurried = state.is_hurried(wait);
            state.pipes.hurry(hurried);
            let (pattern, pipes, options) = state.parts();
            let admitted = pattern.admits(pipes, options, first);
            if hurried {
                state.end_hurry();
            }
            match admitted {
                Ok(recipient) => return Ok((state, recipient)),
                // What waits for the I/O thread is written here, and only then: each write is a system call.
                Err(Refusal::WouldBlock) if state.help() => {
                    drop(state);
                    state = self.lock();
                    continue;
                }
                Err(Refusal::WouldBlock) if wait != Wait::No => {}
                Err(refusal) => return Err(Error::new(kind_of(refusal), SEND)),
            }
            let until = *deadline.get_or_insert_with(|| wait.deadline(state.options.send_timeout));
            if until.is_some_and(|deadline| deadline <= std::time::Instant::now()) {
                return Err(Error::new(ErrorKind::TimedOut, SEND));
            }
            let (parker, waker) = current_parker();
            let key = state.send_waiters.add(waker.clone());
            drop(state);
            pause();
            let interrupted = wait.sleep(&parker, until);
            state = self.lock();
            state.send_waiters.remove(key);
            if interrupted {
                return Err(Error::new(ErrorKind::Interrupted, SEND));
            }
        }
    }

    fn send_later_part<'a>(
        self: &'a Arc<SocketCore>,
        mut state: Locked<'a>,
        part: &mut Frame,
        more: bool,
        wait: Wait,
    ) -> Result<()> {
        let recipient = state.unfinished.recipient;
        let gone = state.unfinished.is_for_nobody(&state.pipes);
        if gone && self.socket_type == SocketType::Pair {
            // What was begun went with the peer; this part begins a message for the next one.
            state.unfinished.take_begun();
            state.pipes.count_dropped(DropReason::PeerGone, 1);
            drop(state);
            return self.send_part(part, more, wait);
        }
        let waits = wait != Wait::No && state.options.send_timeout != Some(Duration::ZERO);
        if gone && state.tells_of_loss() && !waits {
            if !more {
                // The program knows, and may begin anew.
                let begun = state.unfinished.take_begun();
                state.pipes.counters.sent_to_nobody(begun.byte_len() as u64);
            }
            return Err(Error::new(ErrorKind::WouldBlock, SEND));
        }
        state.unfinished.out.push_back(std::mem::take(part));
        if more {
            return Ok(());
        }
        let mut message = state.unfinished.take_begun();
        if let Recipient::Nobody(reason) = recipient {
            state.pipes.count_dropped(reason, 1);
            return Ok(());
        }
        if gone {
            state.lose_begun(&message);
            return Ok(());
        }
        let result = match try_send(&mut state, &mut message, wait) {
            Err(ErrorKind::WouldBlock) => {
                let waited = self.send_waiting(state, &mut message, wait);
                state = self.lock();
                waited
            }
            result => result.map_err(|kind| Error::new(kind, SEND)),
        };
        match result {
            // The peer was there when the message began, and has gone since: what was sent to it is lost, as ever.
            Err(error) if error.kind() == ErrorKind::Unroutable => {
                state.pipes.counters.sent_to_nobody(message.byte_len() as u64);
                Ok(())
            }
            Err(error) => {
                *part = message.pop_back().unwrap_or_default();
                // Nobody goes on with a message of a socket that another thread has closed meanwhile.
                if state.phase != Phase::Closed {
                    if state.unfinished.begun {
                        for frame in state.unfinished.take_begun().into_frames() {
                            message.push_back(frame);
                        }
                    }
                    (state.unfinished.begun, state.unfinished.out) = (true, message);
                }
                Err(error)
            }
            Ok(()) => {
                if !state.unfinished.begun {
                    message.clear();
                    state.unfinished.out = message;
                }
                Ok(())
            }
        }
    }

    /// Sends a part, and leaves it where it is, if that is [simple](State::send_swiftly); `false`, and nothing has happened, if
    /// it is not.
    #[inline(always)]
    pub(crate) fn send_part_swiftly(
        self: &Arc<SocketCore>,
        part: &(impl Part + ?Sized),
        more: bool,
        wait: Wait,
    ) -> bool {
        if more && !sends_parts_swiftly(self.socket_type) {
            return false;
        }
        let mut state = self.lock();
        // Who receives may send meanwhile, but where sending and receiving take turns.
        if more || state.unfinished.is_amid_one() {
            let swift = sends_parts_swiftly(self.socket_type) && (more || state.unfinished.begun);
            return swift && state.send_part_of_several_swiftly(part, more, wait);
        }
        state.send_swiftly(part, wait)
    }

    /// Sends a copy of the bytes as a message of its own, or as the last part of one begun before.
    pub(crate) fn send_last_part(self: &Arc<SocketCore>, bytes: &[u8], wait: Wait) -> Result<()> {
        let mut state = self.lock();
        let mut begun = state.unfinished.is_amid_one();
        if !begun {
            state.pay_attention();
            begun = state.unfinished.is_amid_one();
        }
        // Nothing large is copied under the lock.
        if begun && bytes.len() <= COPY_BYTES_MAX {
            return self.send_part_locked(state, &mut Frame::copy_from_slice(bytes), false, wait);
        }
        if begun || self.socket_type == SocketType::Stream || bytes.len() > Frame::INLINE_MAX {
            drop(state);
            return self.send_part(&mut Frame::copy_from_slice(bytes), false, wait);
        }
        self.send_with_care(state, &mut Message::from(bytes), wait)
    }

    /// Receives a part of a message, if that is [simple](State::recv_swiftly), and answers whether more follow; `None`, and
    /// `place` has anything, if it is not so simple.
    #[inline(always)]
    pub(crate) fn recv_part_swiftly(self: &Arc<SocketCore>, place: &mut impl Arrival) -> Option<bool> {
        let mut state = self.lock();
        if state.unfinished.more() {
            let may = state.phase == Phase::Open && (!state.unfinished.begun || self.socket_type != SocketType::Req);
            return may.then(|| state.recv_later_part(place));
        }
        // A ROUTER has no messages of one part.
        let single = self.socket_type != SocketType::Router && state.recv_swiftly(place);
        if single {
            state.unfinished.last_more = false;
        } else if !state.recv_first_part_swiftly(place) {
            return None;
        }
        state.light_beacon_for_more();
        Some(state.unfinished.last_more)
    }

    /// Receives one part, and answers whether more of the same message follow; those are there.
    pub(crate) fn recv_part(self: &Arc<SocketCore>, place: &mut impl Arrival, wait: Wait) -> Result<bool> {
        let mut state = self.lock();
        if state.unfinished.unread.is_empty() && self.is_trickle() {
            drop(state);
            self.let_gather(wait);
            state = self.lock();
        }
        state.check_recv(RECV)?;
        if self.socket_type == SocketType::Req && state.unfinished.begun {
            return Err(Error::new(ErrorKind::State, RECV));
        }
        if state.unfinished.more() {
            return Ok(state.recv_later_part(place));
        }
        if state.recv_swiftly(place) {
            state.unfinished.last_more = false;
        } else {
            let mut message = std::mem::take(&mut state.unfinished.spare);
            state = self.recv_with_care(state, &mut message, wait, take_parts).inspect_err(|error| {
                if error.is_would_block() {
                    self.lock().put_beacon_out();
                }
            })?;
            state.keep_rest(&mut message);
            message.parts_mut().0.move_to(place);
            place.came_by(state.pipes.last_metadata());
            state.unfinished.spare = message;
            if !state.unfinished.last_more {
                state.pipes.release_held();
            }
            state.pass_on_more();
        }
        state.light_beacon_for_more();
        Ok(state.unfinished.last_more)
    }
}

impl State {
    /// Receives the next part of a message that has one, and answers whether more follow.
    #[inline(never)]
    fn recv_later_part(&mut self, place: &mut impl Arrival) -> bool {
        let Parts { unread, last_more, .. } = &mut self.unfinished;
        if let Some(next) = unread.last_mut() {
            next.move_to(place);
            place.came_by(self.pipes.last_metadata());
            unread.truncate(unread.len() - 1);
        }
        *last_more = !unread.is_empty();
        if !*last_more {
            clear_frames(unread);
            self.pipes.release_held();
            self.note_turn();
        }
        self.unfinished.last_more
    }

    /// All parts but the first are read later.
    fn keep_rest(&mut self, message: &mut Message) {
        let (_, rest) = message.parts_mut();
        self.note_rest(rest.len());
        if !rest.is_empty() {
            clear_frames(&mut self.unfinished.unread);
            std::mem::swap(&mut self.unfinished.unread, rest);
            self.unfinished.unread.reverse();
        }
    }

    /// So many parts are left of a message.
    fn note_rest(&mut self, parts: usize) {
        self.unfinished.last_more = parts > 0;
        if parts > 0 {
            // A ROUTER that tells a name has taken the part after that.
            self.unfinished.turn_is_over = self.pattern.socket_type() == SocketType::Router && parts == 1;
        }
    }

    /// Some types tell a C program once, by the refusal of a part if it does not wait, that the peer has gone in the middle
    /// of a message. If that was the last part, the message is over.
    fn tells_of_loss(&mut self) -> bool {
        let balances = matches!(self.pattern.socket_type(), SocketType::Push | SocketType::Dealer | SocketType::Req);
        let untold = matches!(self.unfinished.loss, Loss::Untold | Loss::Left) && self.pipes.glance.is_some();
        self.unfinished.loss = if balances && untold { Loss::JustTold } else { Loss::Told };
        balances && untold
    }

    /// The peer that a message was begun for is gone, and the message with it.
    fn lose_begun(&mut self, message: &Message) {
        self.pipes.counters.sent_to_nobody(message.byte_len() as u64);
        self.pattern.recipient_gone();
        self.note_turn();
    }
}

/// What is left of the message that another thread has begun to read while this one waited; or the next message.
fn take_parts(state: &mut Locked<'_>, out: &mut Message) -> Result<(), ErrorKind> {
    if !state.unfinished.more() || state.check_recv(RECV).is_err() {
        return try_recv(state, out);
    }
    let mut parts = std::mem::take(&mut state.unfinished.unread);
    parts.reverse();
    *out = Message::from(parts);
    Ok(())
}

/// On these types messages of several parts can be [sent swiftly](crate::pattern::Pattern::send_parts_swiftly).
fn sends_parts_swiftly(socket_type: SocketType) -> bool {
    use SocketType::*;
    matches!(socket_type, Push | Dealer | Router | Pair | Pub | XPub)
}

/// On these types sending and receiving take turns.
pub(super) fn takes_turns(socket_type: SocketType) -> bool {
    matches!(socket_type, SocketType::Req | SocketType::Rep)
}

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use std::task::Waker;
    use std::thread;

    use zmtp::Place;

    use super::*;
    use crate::metadata::Metadata;
    use crate::pipe::window::Glance;
    use crate::{Dealer, Pull, Push, Router};

    /// Neither of two threads that each want one part waits for more than the two parts of a message.
    #[test]
    fn whoever_waits_is_told_of_the_parts_that_another_has_left() {
        for endpoint in ["inproc://parts-that-another-has-left", "tcp://127.0.0.1:*"] {
            let (push, pull) = (Push::new(), Pull::new());
            push.connect(pull.bind(endpoint).unwrap()).unwrap();
            for _ in 0..100 {
                let readers = [(); 2].map(|()| {
                    let pull = pull.clone();
                    thread::spawn(move || pull.recv_part(Wait::AsConfigured).unwrap())
                });
                let all_wait = |state: &State| {
                    let followers = if state.watch.leader { 1 } else { 2 };
                    state.recv_waiters.len() == followers
                };
                while !all_wait(&pull.core.lock()) {
                    thread::yield_now();
                }
                push.send(["one", "two"]).unwrap();
                let mut parts = readers.map(|reader| reader.join().unwrap());
                parts.sort_by_key(|(_, more)| !more);
                assert_eq!(parts, [("one".into(), true), ("two".into(), false)]);
            }
        }
    }

    /// At the mark each has to wait in the middle of the other's message. Whose parts make which message is chance.
    #[test]
    fn no_part_is_lost_of_two_threads_that_share_a_socket() {
        const MESSAGES: usize = 300;
        for endpoint in ["inproc://parts-of-two-threads", "tcp://127.0.0.1:*"] {
            let push = Push::builder().send_high_water_mark(1).build().unwrap();
            let pull = Pull::builder().recv_high_water_mark(1).build().unwrap();
            push.connect(pull.bind(endpoint).unwrap()).unwrap();
            let senders = [(); 2].map(|()| {
                let push = push.clone();
                thread::spawn(move || {
                    for _ in 0..MESSAGES {
                        push.send_part("head", true, Wait::AsConfigured).unwrap();
                        push.send_part("body", false, Wait::AsConfigured).unwrap();
                    }
                })
            });
            let mut parts = 0;
            while parts < 4 * MESSAGES {
                parts += pull.recv_timeout(Duration::from_secs(30)).unwrap().frame_count();
            }
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            assert_eq!(parts, 4 * MESSAGES);
        }
    }

    /// As C's messages, it knows the connection it came by.
    #[derive(Default)]
    struct Known(Frame, Option<Arc<Metadata>>);

    impl Place for Known {
        fn put_small(&mut self, bytes: &[u8; Frame::INLINE_MAX], len: usize) {
            self.0.put_small(bytes, len);
        }

        fn put(&mut self, frame: Frame) {
            self.0.put(frame);
        }

        fn bytes(&self) -> &[u8] {
            self.0.as_slice()
        }
    }

    impl Arrival for Known {
        fn came_by(&mut self, connection: Option<&Arc<Metadata>>) {
            self.1 = connection.cloned();
        }
    }

    #[test]
    fn the_last_part_knows_its_connection_though_that_has_ended() {
        let (push, pull) = (Push::new(), Pull::new());
        push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
        push.send(["one", "two", "three"]).unwrap();
        let mut part = Known::default();
        assert!(pull.core.recv_part(&mut part, Wait::AsConfigured).unwrap());
        drop(push);
        while !pull.peers().is_empty() {
            thread::yield_now();
        }
        for (text, more) in [("two", true), ("three", false)] {
            let mut part = Known::default();
            assert_eq!(pull.core.recv_part(&mut part, Wait::No).unwrap(), more);
            let connection = part.1.expect("it is known");
            assert_eq!((part.0.as_slice(), connection.get("Socket-Type")), (text.as_bytes(), Some(&b"PUSH"[..])));
        }
    }

    /// Though another waits to receive.
    #[test]
    fn a_message_keeps_its_place_until_its_last_part_is_read() {
        let dealer = Dealer::builder().send_high_water_mark(1).build().unwrap();
        let router = Router::builder().recv_high_water_mark(1).build().unwrap();
        router.core.lock().pipes.glance = Some(Glance::default());
        dealer.connect(router.bind("inproc://place-until-the-last-part").unwrap()).unwrap();
        let send = || dealer.try_send(["one", "two"]).is_ok();
        assert_eq!(std::iter::repeat_with(send).take_while(|sent| *sent).count(), 2);
        router.core.lock().recv_waiters.add(Waker::noop().clone());
        for has_room in [false, false, true] {
            let (_, more) = router.recv_part(Wait::No).unwrap();
            assert_eq!((send(), !more), (has_room, has_room));
        }
    }
}
