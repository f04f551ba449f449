//! Handshakes: those going on at one bound address, by where they come from, so that none has more than its share when
//! there are too many.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// Handshakes of accepted streams; some are over.
#[derive(Default)]
pub(crate) struct Handshakes {
    /// Of each network, in the order in which they began, which is their number. ipc peers are of no network.
    by_network: HashMap<Option<IpAddr>, VecDeque<(u64, u64)>>,
    len: usize,
    begun: u64,
}

impl Handshakes {
    /// One has begun.
    pub(crate) fn begin(&mut self, network: Option<IpAddr>, token: u64) {
        self.by_network.entry(network).or_default().push_back((self.begun, token));
        self.begun += 1;
        self.len += 1;
    }

    /// One to be ended if more than `most` go on: of the network that has most of them the oldest.
    pub(crate) fn superfluous(&mut self, most: usize, mut goes_on: impl FnMut(u64) -> bool) -> Option<u64> {
        if self.len <= most {
            return None;
        }
        self.by_network.retain(|_, handshakes| {
            handshakes.retain(|(_, token)| goes_on(*token));
            !handshakes.is_empty()
        });
        self.len = self.by_network.values().map(VecDeque::len).sum();
        if self.len <= most {
            return None;
        }
        let share = |handshakes: &VecDeque<_>| (handshakes.len(), Reverse(handshakes.front().copied()));
        let largest = self.by_network.values_mut().max_by_key(|handshakes| share(handshakes))?;
        let (_, token) = largest.pop_front()?;
        self.len -= 1;
        Some(token)
    }
}

/// What is counted as one when peers are counted by where they are: of IPv6, the /64 network that one host may have
/// all addresses of.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Option<IpAddr> {
        Some(network_of(address.parse().unwrap()))
    }

    #[test]
    fn who_has_most_loses_its_oldest() {
        let mut handshakes = Handshakes::default();
        for (token, address) in ["10.0.0.1", "10.0.0.2", "10.0.0.2", "2001:db8::1", "10.0.0.2"].iter().enumerate() {
            handshakes.begin(network(address), token as u64);
        }
        handshakes.begin(None, 5);
        let mut ended = Vec::new();
        while let Some(token) = handshakes.superfluous(1, |_| true) {
            ended.push(token);
        }
        assert_eq!(ended, [1, 2, 0, 3, 4]);
        assert_eq!(handshakes.superfluous(1, |_| true), None);
    }

    #[test]
    fn those_that_are_over_do_not_count() {
        let mut handshakes = Handshakes::default();
        (0..10).for_each(|token| handshakes.begin(network("10.0.0.1"), token));
        assert_eq!(handshakes.superfluous(5, |token| token >= 5), None);
        assert_eq!(handshakes.superfluous(4, |token| token >= 5), Some(5));
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_mapped_addresses_are_their_own() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("::ffff:10.0.0.1"), network("::ffff:10.0.0.2"));
    }
}
