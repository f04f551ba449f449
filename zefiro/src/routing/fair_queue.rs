//! FairQueue: the next message, taking the pipes that have some in turn.

use zmtp::Frame;

use crate::arrival::Arrival;
use crate::message::Message;
use crate::pipe::{PipeId, Pipes};

/// Pipes that may have messages, or are at their end. One found empty is forgotten until it is readable again, and the last
/// takes its place: so it is in libzmq, whose users see the order.
#[derive(Default)]
pub(crate) struct FairQueue {
    ready: Vec<PipeId>,
    /// Whose turn it is; 0 if there are none.
    turn: usize,
    /// A message of whose turn it is was [found](FairQueue::find), and not taken yet.
    stays: bool,
}

impl FairQueue {
    /// The pipe has messages, or is new: its turn is after those that came before it, whoever sends first.
    pub(crate) fn readable(&mut self, pipes: &mut Pipes, id: PipeId) {
        if pipes.list(id, true) {
            if self.ready.len() == self.ready.capacity() && self.ready.len() >= GONE_KEPT {
                self.forget_gone(pipes);
            }
            self.ready.push(id);
        }
    }

    /// Puts the next message in `out`, and answers where it came from.
    #[inline]
    pub(crate) fn next(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.next_by(pipes, out, Pipes::read, |_, _| {})
    }

    /// As [`next`](FairQueue::next), for the program: the message counts as received.
    #[inline]
    pub(crate) fn next_counted(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        self.next_by(pipes, out, Pipes::read_counted, |_, _| {})
    }

    /// As [`next_counted`](FairQueue::next_counted); `left` is told of the pipes that are found at their end.
    #[inline]
    pub(crate) fn next_counted_telling(
        &mut self,
        pipes: &mut Pipes,
        out: &mut Message,
        left: impl FnMut(&Pipes, PipeId),
    ) -> Option<PipeId> {
        self.next_by(pipes, out, Pipes::read_counted, left)
    }

    /// As [`next`](FairQueue::next), for who only looks whether there is one: the turn passes on when it is
    /// [taken](FairQueue::taken), if it is of several parts. libzmq looks at the first alone, and whose turn is next depends on
    /// who has come by the time the last one is read.
    pub(crate) fn find(&mut self, pipes: &mut Pipes, out: &mut Message) -> Option<PipeId> {
        let id = self.next(pipes, out)?;
        if out.frame_count() > 1 {
            self.turn = self.turn.checked_sub(1).unwrap_or(self.ready.len().saturating_sub(1));
            self.stays = true;
        }
        Some(id)
    }

    /// The message that was found is the program's, or nobody's.
    #[inline]
    pub(crate) fn taken(&mut self) {
        if std::mem::take(&mut self.stays) {
            self.pass_turn();
        }
    }

    /// The program looks at the socket in the middle of a message from that pipe. In libzmq the turn passes with the last
    /// part, and newcomers are seen with such a look: with those seen by now it passes anew.
    #[cold]
    pub(crate) fn pass_again(&mut self, id: PipeId) {
        let before = self.turn.checked_sub(1).unwrap_or(self.ready.len().saturating_sub(1));
        if self.ready.get(before) == Some(&id) && before < self.turn {
            return;
        }
        if let Some(place) = self.ready.iter().position(|ready| *ready == id) {
            self.turn = place;
            self.pass_turn();
        }
    }

    /// As [`next_counted`](FairQueue::next_counted) or [`next`](FairQueue::next), if that is
    /// [simple](Pipes::read_swiftly).
    #[inline(always)]
    pub(crate) fn next_swiftly<const COUNT: bool>(
        &mut self,
        pipes: &mut Pipes,
        out: &mut impl Arrival,
    ) -> Option<PipeId> {
        let id = *self.ready.get(self.turn)?;
        if !pipes.read_swiftly::<COUNT>(id, out) {
            return None;
        }
        self.pass_turn();
        Some(id)
    }

    /// The same of a message of any number of parts, if that is [simple](Pipes::read_parts_swiftly); and its bytes.
    pub(crate) fn next_parts_swiftly<const COUNT: bool>(
        &mut self,
        pipes: &mut Pipes,
        first: &mut impl Arrival,
        rest: &mut Vec<Frame>,
    ) -> Option<(PipeId, usize)> {
        let id = *self.ready.get(self.turn)?;
        let bytes = pipes.read_parts_swiftly::<COUNT>(id, first, rest)?;
        self.pass_turn();
        Some((id, bytes))
    }

    #[inline]
    fn next_by(
        &mut self,
        pipes: &mut Pipes,
        out: &mut Message,
        read: impl Fn(&mut Pipes, PipeId, &mut Message) -> bool,
        mut left: impl FnMut(&Pipes, PipeId),
    ) -> Option<PipeId> {
        loop {
            let id = *self.ready.get(self.turn)?;
            if read(pipes, id, out) {
                if self.ready.len() > 1 {
                    pipes.trickle = 0;
                }
                self.pass_turn();
                return Some(id);
            }
            self.forget_empty(pipes, id, &mut left);
        }
    }

    /// Whether there is a message.
    pub(crate) fn has_message(&mut self, pipes: &mut Pipes) -> bool {
        self.has_message_telling(pipes, |_, _| {})
    }

    /// As [`has_message`](FairQueue::has_message); `left` is told of the pipes that are found at their end.
    pub(crate) fn has_message_telling(&mut self, pipes: &mut Pipes, mut left: impl FnMut(&Pipes, PipeId)) -> bool {
        while let Some(&id) = self.ready.get(self.turn) {
            if pipes.has_message(id) {
                return true;
            }
            self.forget_empty(pipes, id, &mut left);
        }
        false
    }

    /// The pipe has ended. Of a peer in the process that this side has left nothing is read any more: its place is the last
    /// one's at once. Whom the peer has left waits for its turn.
    pub(crate) fn ended(&mut self, pipes: &mut Pipes, id: PipeId) {
        if pipes.get(id).is_some_and(|pipe| pipe.closing && pipe.is_duct()) {
            self.forget(pipes, id);
        }
    }

    /// The pipe is no longer read, whatever it has.
    pub(crate) fn forget(&mut self, pipes: &mut Pipes, id: PipeId) {
        if let Some(place) = self.ready.iter().position(|ready| *ready == id) {
            self.forget_at(pipes, place);
        }
    }

    #[inline]
    fn pass_turn(&mut self) {
        self.turn += 1;
        if self.turn >= self.ready.len() {
            self.turn = 0;
        }
    }

    /// The program may never look: pipes that are gone by now leave before the list grows.
    #[cold]
    fn forget_gone(&mut self, pipes: &Pipes) {
        let (mut place, turn) = (0, self.turn);
        self.ready.retain(|id| {
            let is_there = pipes.get(*id).is_some();
            self.turn -= usize::from(!is_there && place < turn);
            place += 1;
            is_there
        });
        if self.turn >= self.ready.len() {
            self.turn = 0;
        }
        // At least as many again fit before the next time.
        self.ready.reserve(self.ready.len() + 1);
    }

    /// The pipe whose turn it is has nothing now.
    #[inline]
    fn forget_empty(&mut self, pipes: &mut Pipes, id: PipeId, left: &mut impl FnMut(&Pipes, PipeId)) {
        self.forget_at(pipes, self.turn);
        if !pipes.is_open(id) {
            left(pipes, id);
        }
    }

    fn forget_at(&mut self, pipes: &mut Pipes, place: usize) {
        let Some(&id) = self.ready.get(place) else { return };
        self.ready.swap_remove(place);
        pipes.list(id, false);
        if self.turn >= self.ready.len() {
            self.turn = 0;
        }
    }
}

/// Pipes that are gone may wait in this many places for their turn: to leave out of turn would change the others' order.
const GONE_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::pipe::{Line, PeerFacts};

    /// Peers named by letters.
    struct Peers {
        queue: FairQueue,
        pipes: Pipes,
        ids: Vec<(char, PipeId)>,
    }

    impl Peers {
        fn new(names: &str) -> Peers {
            let mut peers = Peers { queue: FairQueue::default(), pipes: Pipes::new(0, 0, 0), ids: Vec::new() };
            names.chars().for_each(|name| peers.come(name));
            peers
        }

        fn come(&mut self, name: char) {
            let id = self.pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
            self.ids.push((name, id));
            self.queue.readable(&mut self.pipes, id);
        }

        fn id(&self, name: char) -> PipeId {
            self.ids.iter().rev().find(|(other, _)| *other == name).unwrap().1
        }

        fn send(&mut self, names: &str) {
            for name in names.chars() {
                let id = self.id(name);
                if self.pipes.deliver_message(id, Message::from(name.to_string().as_str())) {
                    self.queue.readable(&mut self.pipes, id);
                }
            }
        }

        /// As sockets do it when a peer leaves that has nothing unread.
        fn leave(&mut self, name: char) {
            let id = self.id(name);
            self.queue.readable(&mut self.pipes, id);
            self.pipes.remove(id);
        }

        /// Reads that many messages; a dot is none.
        fn read(&mut self, count: usize) -> String {
            let mut next = || {
                let mut message = Message::new();
                self.queue.next(&mut self.pipes, &mut message)?;
                message.first().first().copied().map(char::from)
            };
            (0..count).map(|_| next().unwrap_or('.')).collect()
        }
    }

    #[test]
    fn one_found_empty_gives_its_place_to_the_last() {
        let mut peers = Peers::new("abcd");
        peers.send("bcdbcd");
        assert_eq!(peers.read(7), "dbcdbc.");
        assert!(peers.queue.ready.is_empty());
    }

    #[test]
    fn who_leaves_takes_a_turn_more() {
        let mut peers = Peers::new("abc");
        assert_eq!(peers.read(1), ".");
        peers.send("a");
        peers.leave('b');
        peers.send("cac");
        peers.come('d');
        peers.send("d");
        assert_eq!(peers.read(6), "adcac.");
        assert!(peers.queue.ready.is_empty());
    }

    #[test]
    fn who_leaves_with_its_turn_to_come_keeps_it() {
        let mut peers = Peers::new("abc");
        peers.send("abcabc");
        assert_eq!(peers.read(1), "a");
        let id = peers.id('b');
        peers.pipes.remove(id);
        assert_eq!(peers.read(4), "cac.");
    }

    #[test]
    fn the_turn_of_a_message_of_several_parts_ends_when_it_is_taken() {
        for (parts, next) in [(1, "cb."), (2, "bc.")] {
            let mut peers = Peers::new("a");
            peers.pipes.deliver_message(peers.ids[0].1, Message::from(vec!["a"; parts]));
            assert!(peers.queue.find(&mut peers.pipes, &mut Message::new()).is_some());
            peers.come('b');
            peers.come('c');
            peers.send("bc");
            peers.queue.taken();
            peers.queue.taken();
            assert_eq!(peers.read(3), next, "{parts}");
        }
    }

    #[test]
    fn who_is_forgotten_leaves_the_turn_to_the_others() {
        for (gone, read) in [('a', "bcbc."), ('b', "cac."), ('c', "bab.")] {
            let mut peers = Peers::new("abc");
            peers.send("abcabc");
            assert_eq!(peers.read(1), "a");
            let id = peers.id(gone);
            peers.queue.forget(&mut peers.pipes, id);
            peers.queue.forget(&mut peers.pipes, id);
            assert_eq!(peers.read(read.len()), read, "{gone}");
        }
    }

    #[test]
    fn a_queue_that_nobody_reads_does_not_grow() {
        let mut peers = Peers::new("ab");
        for _ in 0..10_000 {
            peers.come('c');
            peers.leave('c');
        }
        assert!(peers.queue.ready.capacity() <= 4 * GONE_KEPT, "{}", peers.queue.ready.capacity());
        peers.send("bab");
        assert_eq!(peers.read(4), "abb.");
    }

    #[test]
    fn the_turn_stays_with_whom_it_was_when_others_make_room() {
        let mut peers = Peers::new(&"a".repeat(GONE_KEPT));
        let ids: Vec<PipeId> = peers.ids.iter().map(|(_, id)| *id).collect();
        for id in &ids {
            peers.pipes.deliver_message(*id, Message::from("x"));
        }
        assert_eq!(peers.read(10), "x".repeat(10));
        for id in &ids[5..10] {
            peers.pipes.remove(*id);
        }
        // The list is full before it grows.
        while peers.queue.ready.contains(&ids[5]) {
            peers.come('b');
        }
        assert_eq!(peers.queue.ready.get(peers.queue.turn), Some(&ids[10]));
    }
}
