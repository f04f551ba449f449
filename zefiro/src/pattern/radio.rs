//! RADIO: each message to all who joined its group.
//!
//! A message is the group, up to 255 bytes, and one part; so it is on the wire.

use std::collections::{HashMap, HashSet};

use zmtp::Frame;

use super::{Pattern, Refusal};
use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pipe::{PipeId, Pipes};
use crate::routing::distributor::distribute;
use crate::routing::request::group_request;

/// Who joined which group, and how often.
#[derive(Default)]
pub(crate) struct Radio {
    groups: HashMap<Frame, HashMap<PipeId, usize>>,
    joined: HashMap<PipeId, Joined>,
    /// Those who get every group: over udp nobody tells which are joined.
    everything: Vec<PipeId>,
    targets: Vec<PipeId>,
}

/// The groups a peer has joined, and how many bytes their names are.
#[derive(Default)]
struct Joined {
    groups: HashSet<Frame>,
    bytes: usize,
}

impl Radio {
    /// Whether a peer is in as many groups as it may be in.
    fn asks_too_much(&self, options: &Options, id: PipeId, group: &Frame) -> bool {
        let (groups, bytes) = self.joined.get(&id).map_or((0, 0), |joined| (joined.groups.len(), joined.bytes));
        options.peer_subscriptions_max.is_some_and(|most| groups >= most)
            || options.peer_subscription_bytes_max.is_some_and(|most| bytes + group.len() > most)
    }

    fn join(&mut self, id: PipeId, group: Frame) {
        *self.groups.entry(group.clone()).or_default().entry(id).or_default() += 1;
        let joined = self.joined.entry(id).or_default();
        let bytes = group.len();
        if joined.groups.insert(group) {
            joined.bytes += bytes;
        }
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
            joined.groups.remove(group);
            joined.bytes -= group.len();
            if joined.groups.is_empty() {
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
        for group in self.joined.remove(&id).unwrap_or_default().groups {
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
        while pipes.read(id, &mut message) {
            let request = group_request(&message);
            if request.is_some() {
                pipes.unarrived(id);
            }
            match request {
                Some((true, group)) if self.asks_too_much(options, id, &group) => pipes.expel(id, "groups"),
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
        distribute(pipes, options.xpub_no_drop, &self.targets, message)
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

    fn last_target(&self) -> Option<PipeId> {
        self.targets.first().copied()
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
    use crate::routing::request::group_message;

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

    #[test]
    fn the_names_of_a_peer_s_groups_are_counted_in_bytes() {
        let mut bench = Bench::new(Radio::default());
        bench.options.peer_subscription_bytes_max = Some(10);
        let peer = bench.attach();
        for _ in 0..3 {
            bench.arrive(peer, group_message(true, b"five!"));
            bench.arrive(peer, group_message(true, b"more."));
            assert!(bench.pipes.expelled.is_empty());
            bench.arrive(peer, group_message(false, b"five!"));
            bench.arrive(peer, group_message(false, b"more."));
        }
        bench.arrive(peer, group_message(true, b"five!"));
        bench.arrive(peer, group_message(true, b"too long"));
        assert_eq!(bench.pipes.expelled.len(), 1);
    }
}
