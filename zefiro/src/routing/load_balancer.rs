//! LoadBalancer: the next pipe with room, in turn.

use std::collections::VecDeque;

use crate::message::Message;
use crate::pipe::outbox::Part;
use crate::pipe::outgoing::Room;
use crate::pipe::{PipeId, Pipes};

/// Pipes that may have room, the next one first. A full pipe leaves, and comes back last when it has room again.
#[derive(Default)]
pub(crate) struct LoadBalancer {
    active: VecDeque<PipeId>,
    /// Pipes that ended since the list was last cleared of such.
    ended: usize,
}

impl LoadBalancer {
    /// The pipe is new.
    pub(crate) fn attached(&mut self, id: PipeId) {
        self.active.push_back(id);
    }

    /// The pipe has room again.
    pub(crate) fn writable(&mut self, id: PipeId) {
        if !self.active.contains(&id) {
            self.active.push_back(id);
        }
    }

    /// A pipe is not to be written to any more. It has no room, so [`pick`](LoadBalancer::pick) passes it over; the
    /// list is searched only when half of it may be such pipes, so that many peers can leave cheaply.
    pub(crate) fn ended(&mut self, pipes: &Pipes) {
        self.ended += 1;
        if self.ended * 2 > self.active.len() {
            self.active.retain(|id| pipes.is_open(*id));
            self.ended = 0;
        }
    }

    /// The pipe whose turn it is.
    #[inline]
    pub(crate) fn pick(&mut self, pipes: &mut Pipes) -> Option<PipeId> {
        let mut left = self.active.len();
        while left > 0 {
            let id = *self.active.front()?;
            let room = pipes.room(id);
            if room == Room::Enough {
                return Some(id);
            }
            self.pass_over(room);
            left -= 1;
        }
        None
    }

    /// The next pipe cannot be written to: it leaves, unless it has room that is only not noticed.
    fn pass_over(&mut self, room: Room) {
        match room {
            Room::Unnoticed => self.active.rotate_left(1),
            _ => drop(self.active.pop_front()),
        }
    }

    /// Writes a message of one part to the pipe whose turn it is, if that is [simple](Pipes::write_swiftly).
    #[inline]
    pub(crate) fn send_swiftly(&mut self, pipes: &mut Pipes, part: &(impl Part + ?Sized)) -> bool {
        let sent = self.active.front().is_some_and(|&id| pipes.write_swiftly(id, part));
        if sent {
            self.turn();
        }
        sent
    }

    /// Writes the message to the pipe whose turn it is; `false` if none has room.
    pub(crate) fn send(&mut self, pipes: &mut Pipes, message: &mut Message) -> bool {
        let mut left = self.active.len();
        while left > 0 {
            let Some(&id) = self.active.front() else { return false };
            let room = pipes.write_if_room(id, message);
            if room == Room::Enough {
                self.turn();
                return true;
            }
            self.pass_over(room);
            left -= 1;
        }
        false
    }

    /// The pipe picked got a whole message: it is the next one's turn.
    #[inline]
    pub(crate) fn turn(&mut self) {
        if self.active.len() > 1 {
            self.active.rotate_left(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::{Line, PeerFacts};

    #[test]
    fn the_list_does_not_outgrow_the_peers_that_are_there() {
        let mut pipes = Pipes::new(1, 1, 0);
        let mut balancer = LoadBalancer::default();
        let attach = |pipes: &mut Pipes, balancer: &mut LoadBalancer| {
            let id = pipes.insert(Line::Backlog(VecDeque::new()), PeerFacts::default(), false);
            balancer.attached(id);
            id
        };
        let lasting = attach(&mut pipes, &mut balancer);
        for _ in 0..1000 {
            let id = attach(&mut pipes, &mut balancer);
            pipes.remove(id);
            balancer.ended(&pipes);
            assert!(balancer.active.len() <= 3);
        }
        assert_eq!(balancer.pick(&mut pipes), Some(lasting));
        balancer.writable(lasting);
        assert_eq!(balancer.active.iter().filter(|id| **id == lasting).count(), 1);
    }
}
