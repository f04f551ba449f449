//! Prefix hash: of all beginnings of a topic, front to back, each by going on from the one before.

use std::hash::{BuildHasher, RandomState};

/// Hashes that grow with their input: polynomials over the field of 2^61 - 1 elements, at two random points.
pub(super) struct PrefixHash {
    points: [u64; 2],
}

/// A hash of the first bytes of a topic.
pub(super) struct Rolling {
    point: u64,
    len: usize,
    value: u64,
}

impl PrefixHash {
    pub(super) fn new() -> PrefixHash {
        let random = RandomState::new();
        PrefixHash { points: [0, 1].map(|number| (random.hash_one(number) % (FIELD - 1)).max(0x1_0000)) }
    }

    /// Both, of nothing yet.
    #[inline]
    pub(super) fn start(&self) -> [Rolling; 2] {
        self.points.map(|point| Rolling { point, len: 0, value: 1 })
    }
}

impl Rolling {
    /// The hash of this many bytes, not fewer than the last time.
    #[inline]
    pub(super) fn go_on(&mut self, topic: &[u8], len: usize) -> u64 {
        let more = topic.get(self.len..len).unwrap_or_default();
        note_read(more.len());
        self.value = more.iter().fold(self.value, |value, byte| {
            let product = u128::from(value) * u128::from(self.point) + u128::from(*byte) + 1;
            let folded = (product as u64 & FIELD) + (product >> 61) as u64;
            if folded >= FIELD { folded - FIELD } else { folded }
        });
        self.len = len;
        self.value
    }
}

/// Tests count the bytes of topics that are looked at.
#[inline]
pub(super) fn note_read(_bytes: usize) {
    #[cfg(test)]
    BYTES_READ.set(BYTES_READ.get() + _bytes);
}

#[cfg(test)]
thread_local! {
    pub(super) static BYTES_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A first hash as the table wants it: over all 64 bits.
#[inline]
pub(super) fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

const FIELD: u64 = (1 << 61) - 1;
