//! RADIO: each message to all who joined its group.
//!
//! A message is the group, up to 255 bytes, and one part; so it is on the wire.

use std::collections::{HashMap, HashSet};

use zmtp::Frame;

use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes, group_request};
use crate::routing::distributor::distribute;

/// Who joined which group, and how often.
#[derive(Default)]
pub(crate) struct Radio {
    groups: HashMap<Frame, HashMap<PipeId, usize>>,
    joined: HashMap<PipeId, HashSet<Frame>>,
    /// Those who get every group: over udp nobody tells which are joined.
    everything: Vec<PipeId>,
    targets: Vec<PipeId>,
}

impl Radio {
    fn join(&mut self, id: PipeId, group: Frame) {
        *self.groups.entry(group.clone()).or_default().entry(id).or_default() += 1;
        self.joined.entry(id).or_default().insert(group);
    }

    /// One leave undoes one join.
    fn leave(&mut self, id: PipeId, group: &Frame) {
        let Some(times) = self.groups.get_mut(group).and_then(|members| members.get_mut(&id)) else { return };
        *times -= 1;
        if *times > 0 {
            return;
        }
        self.remove_member(id, group);
        if let Some(joined) = self.joined.get_mut(&id) {
            joined.remove(group);
            if joined.is_empty() {
                self.joined.remove(&id);
            }
        }
    }

    fn remove_member(&mut self, id: PipeId, group: &Frame) {
        let Some(members) = self.groups.get_mut(group) else { return };
        members.remove(&id);
        if members.is_empty() {
            self.groups.remove(group);
        }
    }

    fn forget(&mut self, id: PipeId) {
        for group in self.joined.remove(&id).unwrap_or_default() {
            self.remove_member(id, &group);
        }
    }
}

impl Pattern for Radio {
    fn on_attached(&mut self, pipes: &mut Pipes, _options: &Options, id: PipeId) {
        if pipes.is_datagrams(id) {
            self.everything.push(id);
        }
    }

    fn on_disconnected(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.forget(id);
    }

    fn on_ended(&mut self, _pipes: &mut Pipes, _options: &Options, id: PipeId) {
        self.everything.retain(|other| *other != id);
        self.forget(id);
    }

    fn on_readable(&mut self, pipes: &mut Pipes, options: &Options, id: PipeId) {
        let mut message = Message::new();
        let most = options.peer_subscriptions_max.unwrap_or(usize::MAX);
        while pipes.read(id, &mut message) {
            match group_request(&message) {
                Some((true, _)) if self.joined.get(&id).is_some_and(|joined| joined.len() >= most) => {
                    pipes.expel(id, "groups");
                }
                Some((true, group)) => self.join(id, group),
                Some((false, group)) => self.leave(id, &group),
                None => pipes.count_dropped(DropReason::Filtered, 1),
            }
        }
    }

    fn on_writable(&mut self, _pipes: &mut Pipes, _options: &Options, _id: PipeId) {}

    fn send(&mut self, pipes: &mut Pipes, options: &Options, message: &mut Message) -> Result<(), Refusal> {
        if message.frame_count() != 2 || message.first().len() > GROUP_BYTES_MAX {
            return Err(Refusal::InvalidMessage);
        }
        self.targets.clear();
        self.targets.extend(self.groups.get(message.first()).into_iter().flat_map(HashMap::keys));
        self.targets.extend(&self.everything);
        distribute(pipes, options, &self.targets, message)
    }

    fn recv(&mut self, _pipes: &mut Pipes, _options: &Options, _out: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    fn can_recv(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        false
    }

    fn can_send(&mut self, _pipes: &mut Pipes, _options: &Options) -> bool {
        true
    }

    fn subscribers(&self, topic: &[u8]) -> usize {
        self.groups.get(topic).map_or(0, HashMap::len)
    }

    fn topics(&self) -> usize {
        self.groups.len()
    }
}

/// Longest group.
pub(super) const GROUP_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::testing::Bench;
    use crate::pipe::group_message;

    #[test]
    fn a_group_is_exact_and_a_leave_undoes_one_join() {
        let mut bench = Bench::new(Radio::default());
        let (one, other) = (bench.attach(), bench.attach());
        for peer in [one, one, other] {
            bench.arrive(peer, group_message(true, b"tv"));
        }
        bench.arrive(one, "no request");
        bench.arrive(one, group_message(false, b"tv"));
        bench.send(["tv", "news"]).unwrap();
        bench.send(["tv2", "nobody's"]).unwrap();
        assert_eq!(bench.sent(one), [["tv", "news"]]);
        assert_eq!(bench.sent(other).len(), 1);
        bench.arrive(one, group_message(false, b"tv"));
        bench.end(other);
        assert_eq!((bench.pattern.subscribers(b"tv"), bench.pattern.topics()), (0, 0));
        assert_eq!(bench.send("no group").unwrap_err().0, Refusal::InvalidMessage);
        assert!(bench.pattern.joined.is_empty());
    }
}
