//! LoadBalancer: the next pipe with room, in turn.

use crate::message::Message;
use crate::part::Part;
use crate::pattern::Recipient;
use crate::pipe::outgoing::Room;
use crate::pipe::{PipeId, Pipes};

/// Pipes that may have room. A full pipe leaves, its place is the last one's, and it comes back last when it has room
/// again: the order of libzmq, which programs that count on it see.
#[derive(Default)]
pub(crate) struct LoadBalancer {
    active: Vec<PipeId>,
    /// The place of the pipe whose turn it is.
    next: usize,
    /// Pipes that ended since the list was last cleared of such.
    ended: usize,
}

impl LoadBalancer {
    /// The pipe is new.
    pub(crate) fn attached(&mut self, pipes: &Pipes, id: PipeId) {
        if self.active.len() == self.active.capacity() && self.active.len() >= GONE_KEPT {
            self.forget_gone(pipes);
            // At least as many again fit before the next time.
            self.active.reserve(self.active.len() + 1);
        }
        self.active.push(id);
    }

    /// The pipe has room again.
    pub(crate) fn writable(&mut self, id: PipeId) {
        if !self.active.contains(&id) {
            self.active.push(id);
        }
    }

    /// A pipe is not to be written to any more: its place is the last one's. Of very many the place is not looked for, so
    /// that they can leave cheaply: it has no room, so [`pick`](LoadBalancer::pick) passes it over, and the list is
    /// searched when half of it may be such pipes.
    pub(crate) fn ended(&mut self, pipes: &Pipes, id: PipeId) {
        if self.active.len() <= SEARCHED_MAX {
            if let Some(place) = self.active.iter().position(|active| *active == id) {
                self.active.swap_remove(place);
                self.begin_again_at_end();
            }
            return;
        }
        self.ended += 1;
        if self.ended * 2 > self.active.len() {
            self.forget_gone(pipes);
        }
    }

    #[cold]
    fn forget_gone(&mut self, pipes: &Pipes) {
        let before = self.active.iter().take(self.next);
        self.next = before.filter(|id| pipes.is_open(**id)).count();
        self.active.retain(|id| pipes.is_open(*id));
        self.begin_again_at_end();
        self.ended = 0;
    }

    /// The pipe whose turn it is.
    #[inline]
    pub(crate) fn pick(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        self.seek(|id| pipes.room(id))
    }

    /// Asks one after the other, each once, until one has room. A pipe that cannot be written to leaves, unless it has room
    /// that is only not noticed.
    #[inline]
    fn seek(&mut self, mut room_of: impl FnMut(PipeId) -> Room) -> Option<PipeId> {
        let mut some_stay = false;
        for _ in 0..self.active.len() {
            let id = *self.active.get(self.next)?;
            match room_of(id) {
                Room::Enough => return Some(id),
                Room::Unnoticed => {
                    some_stay = true;
                    self.turn();
                    continue;
                }
                // The last may have been asked already.
                Room::None if some_stay => drop(self.active.remove(self.next)),
                Room::None => drop(self.active.swap_remove(self.next)),
            }
            self.begin_again_at_end();
        }
        None
    }

    fn begin_again_at_end(&mut self) {
        if self.next >= self.active.len() {
            self.next = 0;
        }
    }

    /// Writes a message of one part to the pipe whose turn it is, if that is [simple](Pipes::write_swiftly).
    #[inline(always)]
    pub(crate) fn send_swiftly(&mut self, pipes: &mut Pipes, part: &(impl Part + ?Sized)) -> bool {
        let sent = self.active.get(self.next).is_some_and(|&id| pipes.write_swiftly(id, part));
        if sent {
            self.turn();
        }
        sent
    }

    /// The pipe whose turn it is, if it has room.
    #[inline]
    pub(crate) fn pick_swiftly(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        self.active.get(self.next).copied().filter(|id| pipes.has_room(*id))
    }

    /// Writes a message of several parts to the pipe that was picked for it, if that is still its turn, and
    /// [simple](Pipes::write_parts_swiftly).
    pub(crate) fn send_parts_swiftly(
        &mut self,
        pipes: &mut Pipes,
        recipient: Recipient,
        head: &mut Message,
        last: &(impl Part + ?Sized),
    ) -> bool {
        let Some(&id) = self.active.get(self.next) else { return false };
        let sent = recipient == Recipient::Peer(id) && pipes.write_parts_swiftly(id, head, 0, last);
        if sent {
            self.turn();
        }
        sent
    }

    /// Writes the message to the pipe whose turn it is; `false` if none has room.
    pub(crate) fn send(&mut self, pipes: &mut Pipes, message: &mut Message) -> bool {
        let sent = self.seek(|id| pipes.write_if_room(id, message)).is_some();
        if sent {
            self.turn();
        }
        sent
    }

    /// The pipe picked got a whole message: it is the next one's turn.
    #[inline]
    pub(crate) fn turn(&mut self) {
        self.next += 1;
        self.begin_again_at_end();
    }
}

/// Pipes that are gone may wait in this many places for their turn: to leave out of turn would change the others' order.
const GONE_KEPT: usize = 64;

/// How many pipes are searched for one that ended, at 0.1 µs.
const SEARCHED_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::pipe::{Line, PeerFacts};

    #[test]
    fn the_list_does_not_outgrow_the_peers_that_are_there() {
        let mut pipes = Pipes::new(1, 1, 0);
        let mut balancer = LoadBalancer::default();
        let attach = |pipes: &mut Pipes, balancer: &mut LoadBalancer| {
            let id = pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
            balancer.attached(pipes, id);
            id
        };
        let lasting = attach(&mut pipes, &mut balancer);
        let leave = |pipes: &mut Pipes, balancer: &mut LoadBalancer, most: usize| {
            let id = attach(pipes, balancer);
            pipes.remove(id);
            balancer.ended(pipes, id);
            assert!(balancer.active.len() <= most, "{} of {most}", balancer.active.len());
        };
        for _ in 0..1000 {
            leave(&mut pipes, &mut balancer, 1);
        }
        // Of a crowd, those that have gone are not looked for at once.
        let crowd: Vec<_> = (0..SEARCHED_MAX).map(|_| attach(&mut pipes, &mut balancer)).collect();
        for _ in 0..1000 {
            leave(&mut pipes, &mut balancer, 2 * (crowd.len() + 2));
        }
        for id in crowd {
            pipes.remove(id);
            balancer.ended(&pipes, id);
        }
        assert_eq!(balancer.pick(&mut pipes), Some(lasting));
        balancer.writable(lasting);
        assert_eq!(balancer.active.iter().filter(|id| **id == lasting).count(), 1);
    }

    #[test]
    fn a_list_that_nobody_sends_by_does_not_grow() {
        let mut pipes = Pipes::new(1, 1, 0);
        let mut balancer = LoadBalancer::default();
        for _ in 0..10_000 {
            let id = pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
            balancer.attached(&pipes, id);
            pipes.remove(id);
        }
        assert!(balancer.active.capacity() <= 4 * GONE_KEPT, "{}", balancer.active.capacity());
    }

    #[test]
    fn a_new_pipe_has_its_turn_before_the_round_begins_again() {
        let mut pipes = Pipes::new(1, 1, 0);
        let mut balancer = LoadBalancer::default();
        let attach = |pipes: &mut Pipes, balancer: &mut LoadBalancer| {
            let id = pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
            balancer.attached(pipes, id);
            id
        };
        let mut ids: Vec<_> = (0..3).map(|_| attach(&mut pipes, &mut balancer)).collect();
        let next = |pipes: &mut Pipes, balancer: &mut LoadBalancer| {
            let picked = balancer.pick(pipes);
            balancer.turn();
            picked.unwrap()
        };
        assert_eq!(next(&mut pipes, &mut balancer), ids[0]);
        ids.push(attach(&mut pipes, &mut balancer));
        assert_eq!([1, 2, 3, 0].map(|_| next(&mut pipes, &mut balancer)), [1, 2, 3, 0].map(|index| ids[index]));
        // The last takes the place of one that has gone.
        pipes.remove(ids[1]);
        balancer.ended(&pipes, ids[1]);
        assert_eq!([3, 2, 0].map(|_| next(&mut pipes, &mut balancer)), [3, 2, 0].map(|index| ids[index]));
    }

    #[test]
    fn a_pipe_is_found_exactly_if_there_is_one_with_room() {
        let mut pipes = Pipes::new(1, 1, 0);
        let mut insert = || pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
        let ids: Vec<_> = (0..5).map(|_| insert()).collect();
        for len in 0..=ids.len() {
            for state in 0..3usize.pow(len as u32) {
                let rooms: Vec<Room> = (0..len)
                    .map(|place| [Room::Enough, Room::Unnoticed, Room::None][state / 3usize.pow(place as u32) % 3])
                    .collect();
                for next in 0..len.max(1) {
                    let mut balancer = LoadBalancer { active: ids[..len].to_vec(), next, ended: 0 };
                    let mut asked = Vec::new();
                    let found = balancer.seek(|id| {
                        asked.push(id);
                        ids.iter().position(|other| *other == id).map_or(Room::None, |place| rooms[place])
                    });
                    assert_eq!(found.is_some(), rooms.contains(&Room::Enough), "{rooms:?} from {next}");
                    let all = asked.len();
                    asked.sort_unstable();
                    asked.dedup();
                    assert_eq!(asked.len(), all, "{rooms:?} from {next}: one was asked twice");
                    // Who has room that is not noticed stays; whose turn it is, is one of them.
                    let stay = rooms.iter().filter(|room| **room != Room::None).count();
                    assert!(balancer.active.len() >= stay && balancer.next < balancer.active.len().max(1));
                }
            }
        }
    }
}
