//! Followers: pipes that get message after message together with others, and are not touched for each.
//!
//! What many peers are sent is the same for all: the socket's [log](super::broadcast), from where each outbox was last
//! taken. A pipe that has the log's last message, and room for more, follows. What goes to all who follow is counted once,
//! and put down to each only when somebody turns to its pipe. So a publisher's work for a message hardly grows with the
//! number of its subscribers, as long as message after message is for the same of them.
//!
//! Why nobody misses anything:
//! * A pipe follows only while somebody is due to write its outbox, and whoever does comes by [`Pipes::get_mut`], which has
//!   it part from the others with all that it was told. So does whoever changes the outbox or the pipe in any way.
//! * While anybody follows, nothing is appended to the log that is not for all who do.
//! * Nobody follows past its mark: how much may still go to all is known beforehand, from the least room among them, and
//!   when that is used up each is looked at again.

use super::broadcast::{Broadcast, Place};
use super::outbox::Extent;
use super::pool::Pool;
use super::window::Glance;
use super::{Line, Pipe, PipeId, Pipes};

/// Who gets what is appended to a socket's log.
#[derive(Default)]
pub(crate) struct Followers {
    /// Whom the last message was for, and how many in a row were for the same.
    group: Vec<PipeId>,
    streak: u32,
    /// Those of the group who do not follow.
    others: Vec<PipeId>,
    /// How many do.
    count: usize,
    /// What has gone to all who follow, over all time.
    told: Told,
    /// What may still go to them before each has to be looked at, with what was known when the first of them joined.
    left: Extent,
    glance: Option<Glance>,
}

/// Messages, and the bytes of their bodies.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    messages: u64,
    bytes: u64,
}

impl Followers {
    /// Whether what may go to all who follow is used up, or not to be relied on any more.
    fn are_due(&self, glance: Option<Glance>, mark: usize) -> bool {
        let changed = match (self.glance, glance) {
            // Who is not hurried looks when nothing fits: then more fits than was thought, never less.
            (Some(then), Some(now)) => {
                mark > 0 && (then.hurried != now.hurried || now.hurried && then.look != now.look)
            }
            (then, now) => then.is_some() != now.is_some(),
        };
        self.count > 0 && (changed || self.left.messages == 0 || self.left.bytes == 0)
    }

    /// The pipe is put down what it was told, and follows no more.
    #[inline(never)]
    pub(super) fn part(&mut self, id: PipeId, pipe: &mut Pipe, pool: &mut Pool, broadcast: &mut Broadcast) {
        let Some(since) = pipe.follows.take() else { return };
        self.count -= 1;
        self.others.push(id);
        let messages = self.told.messages - since.messages;
        if messages > 0 {
            pipe.counters.sent_all(messages, self.told.bytes - since.bytes);
            if let Line::Stream(_, outbox) = &mut pipe.line {
                outbox.push_since(pool, broadcast, messages as usize);
            }
        }
        if self.count == 0 {
            broadcast.forget(pool);
        }
    }

    /// The pipe has the last message of the log, and follows from here on, if it has room enough to be worth it.
    pub(super) fn join(
        &mut self,
        pipe: &mut Pipe,
        broadcast: &mut Broadcast,
        room: Extent,
        glance: Option<Glance>,
    ) -> bool {
        if self.streak < STREAK_MIN || room.messages < ROOM_MIN.messages || room.bytes < ROOM_MIN.bytes {
            return false;
        }
        if self.count == 0 {
            self.left = Extent { messages: usize::MAX, bytes: KEPT_BYTES };
            self.glance = glance;
            broadcast.keep();
        }
        self.left.messages = self.left.messages.min(room.messages);
        self.left.bytes = self.left.bytes.min(room.bytes);
        self.count += 1;
        pipe.follows = Some(self.told);
        true
    }
}

impl Pipes {
    /// All pipes have what they were told: for who is going to look through them.
    pub(crate) fn catch_up(&mut self) {
        let Pipes { slots, pool, broadcast, followers, .. } = self;
        if followers.count == 0 {
            return;
        }
        let group = std::mem::take(&mut followers.group);
        for &id in &group {
            if let Some(pipe) = slots.get_mut(id.index as usize).filter(|pipe| pipe.generation == id.generation) {
                followers.part(id, pipe, pool, broadcast);
            }
        }
        followers.others.clone_from(&group);
        followers.group = group;
    }

    /// A message is for these pipes. Answers who of them are to be asked, and written to, one by one; they are to be
    /// [given back](Pipes::disperse).
    pub(super) fn gather(&mut self, ids: &[PipeId]) -> Vec<PipeId> {
        if self.followers.group != ids {
            self.catch_up();
            let Followers { group, others, streak, .. } = &mut self.followers;
            group.clear();
            group.extend_from_slice(ids);
            *streak = 0;
            others.clone_from(group);
        } else if self.followers.are_due(self.glance, self.send_mark) {
            self.catch_up();
        }
        std::mem::take(&mut self.followers.others)
    }

    pub(super) fn disperse(&mut self, others: Vec<PipeId>) {
        debug_assert!(self.followers.others.is_empty(), "nobody parts meanwhile");
        self.followers.others = others;
    }

    /// A message of so many bytes goes to all who follow: into the log, once. `None` if nobody follows.
    pub(super) fn tell(
        &mut self,
        size: usize,
        append: impl FnOnce(&mut Broadcast, &mut Pool) -> Place,
    ) -> Option<Place> {
        let Pipes { pool, broadcast, followers, .. } = self;
        followers.streak = followers.streak.saturating_add(1);
        if followers.count == 0 {
            return None;
        }
        let place = append(broadcast, pool);
        followers.told.messages += 1;
        followers.told.bytes += size as u64;
        followers.left.messages = followers.left.messages.saturating_sub(1);
        followers.left.bytes = followers.left.bytes.saturating_sub(place.len());
        Some(place)
    }
}

/// So many messages in a row go to the same pipes before one follows: fewer are not worth it.
const STREAK_MIN: u32 = 8;

/// Who has no room for so much more does not follow, lest all are looked at again for it.
const ROOM_MIN: Extent = Extent { messages: 16, bytes: 8 * 1024 };

/// After so many bytes all are looked at again: what has gone to them is kept in memory until then.
const KEPT_BYTES: usize = 64 * 1024;

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::Message;
    use crate::pipe::outbox::{Outbox, WriteState};
    use crate::routing::request::Form;
    use crate::{Context, Pub, Sub};

    const PEERS: usize = 5;

    fn outbox(pipe: &mut Pipe) -> &mut Outbox {
        match &mut pipe.line {
            Line::Stream(_, outbox) => outbox,
            _ => panic!("a connection is a stream"),
        }
    }

    /// What the peer of a pipe is written now.
    fn written(pipes: &mut Pipes, id: PipeId) -> Vec<u8> {
        let (pipe, pool, broadcast) = pipes.get_with_memory(id).unwrap();
        let outbox = outbox(pipe);
        let Some(batch) = outbox.take(pool, broadcast) else { return Vec::new() };
        let bytes = batch.slices(usize::MAX).collect::<Vec<_>>().concat();
        outbox.finish(pool, batch);
        bytes
    }

    /// What is known of a pipe.
    fn standing(pipes: &mut Pipes, id: PipeId) -> impl PartialEq + std::fmt::Debug + use<> {
        let pipe = pipes.get_mut(id).unwrap();
        (pipe.counters, pipe.wants_room, pipe.queued_messages(), outbox(pipe).bytes(), outbox(pipe).waiting())
    }

    /// Two sockets are sent the same and written the same: in one of them nobody follows.
    #[test]
    #[cfg_attr(miri, ignore = "Miri has no streams")]
    fn who_follows_gets_what_it_would_get_otherwise() {
        let context = Context::new();
        let publisher = || {
            let publisher = Pub::builder().context(&context).linger(Duration::ZERO).build().unwrap();
            let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap();
            let subscribe = |_| {
                let sub = Sub::builder().context(&context).build().unwrap();
                sub.connect(&endpoint).unwrap();
                sub
            };
            let subs: Vec<Sub> = (0..PEERS).map(subscribe).collect();
            publisher.wait_connected(PEERS, Duration::from_secs(30)).unwrap();
            (publisher, subs)
        };
        let ((one, _subs), (other, _other_subs)) = (publisher(), publisher());
        // Nobody else touches their pipes: the locks are held to the end.
        let (mut one, mut other) = (one.core().lock(), other.core().lock());
        let (one, other) = (&mut one.pipes, &mut other.pipes);
        let ids = one.ids();
        assert_eq!(other.ids(), ids);
        let mut random = 1u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let (mut followed, mut refused) = (0, 0);
        for round in 0..40_000 {
            let id = ids[next(PEERS as u64) as usize];
            match next(1000) {
                // Most often to all: else nobody ever follows.
                0..930 => {
                    let len = if next(100) == 0 { next(5000) } else { next(100) } as usize;
                    let to = if next(400) == 0 { &ids[next(5) as usize..] } else { &ids };
                    let text = vec![round as u8; len];
                    let full = one.any_full(to);
                    assert_eq!(full, other.any_full(to));
                    refused += usize::from(full);
                    if round % 3 > 0 || !one.fan_out_swiftly(to, text.as_slice()) {
                        one.fan_out(to, &mut Message::from(text.as_slice()));
                    }
                    other.followers.streak = 0;
                    other.fan_out(to, &mut Message::from(text.as_slice()));
                    followed += one.followers.count;
                    assert_eq!(other.followers.count, 0);
                    assert_eq!(one.counters, other.counters);
                }
                930..980 => assert!(written(one, id) == written(other, id), "in round {round}"),
                980..982 => {
                    one.write(id, &mut Message::from("alone"));
                    other.write(id, &mut Message::from("alone"));
                }
                982..984 => {
                    one.write_subscription(id, Form::Message, true, b"topic");
                    other.write_subscription(id, Form::Message, true, b"topic");
                }
                984..988 => {
                    let state = [WriteState::Idle, WriteState::Queued, WriteState::Blocked][next(3) as usize];
                    for pipes in [&mut *one, &mut *other] {
                        outbox(pipes.get_mut(id).unwrap()).set_state(state);
                    }
                }
                988..990 => assert_eq!(standing(one, id), standing(other, id)),
                990 => {
                    let (mark, bytes) = ([0, 100, 1000][next(3) as usize], [0, 30_000][next(2) as usize]);
                    one.set_marks(mark, 1000, bytes);
                    other.set_marks(mark, 1000, bytes);
                }
                991 => {
                    // Who is hurried goes by the clock: no two do the same.
                    let glance = [None, Some(Glance { look: round, hurried: false })][next(2) as usize];
                    (one.glance, other.glance) = (glance, glance);
                }
                992..994 => {
                    let closing = next(2) == 0;
                    one.get_mut(id).unwrap().closing = closing;
                    other.get_mut(id).unwrap().closing = closing;
                }
                _ => assert_eq!((one.take_room_again(id), one.noted), (other.take_room_again(id), other.noted)),
            }
            // Who is to be written is known at the latest by the next message.
            one.dirty.clear();
            other.dirty.clear();
        }
        for id in ids {
            assert_eq!(standing(one, id), standing(other, id));
            assert!(written(one, id) == written(other, id));
        }
        assert!(followed > 20_000 && refused > 1000, "{followed} followed, {refused} refused");
    }
}
