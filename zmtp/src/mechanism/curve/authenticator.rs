//! Poly1305 (RFC 8439, section 2.5) for the traffic, whose messages are mostly short.
//!
//! Numbers are three limbs of 44, 44 and 42 bits, products 128 bits wide, and of a text two blocks, of a long one four are taken at a
//! time. The crate `poly1305`, made for long texts, takes about a microsecond to begin and to end, ten times what a
//! message of 64 bytes takes here; it is the twin in the tests. There is no branch and no index that depends on a secret.

use zeroize::Zeroize;

/// What authenticates a text, by a key that is used once.
pub(super) fn tag_of(key: &[u8; 32], text: &[u8]) -> [u8; 16] {
    let (multiplier, pad) = key.split_at(16);
    let mut sum = Sum::new(multiplier.first_chunk().unwrap_or(&[0; 16]));
    let mut text = text;
    if text.len() >= LONG_BYTES {
        let powers = sum.powers();
        let mut fours = text.chunks_exact(64);
        for four in fours.by_ref() {
            sum.add_four(four, &powers);
        }
        text = fours.remainder();
    }
    let mut pairs = text.chunks_exact(32);
    for pair in pairs.by_ref() {
        let (one, other) = pair.split_at(16);
        sum.add_two(limbs(one), limbs(other));
    }
    for block in pairs.remainder().chunks(16) {
        sum.add(limbs(block));
    }
    sum.finish(pad.first_chunk().unwrap_or(&[0; 16]))
}

/// A number modulo 2^130 - 5: 44, 44 and 42 bits, the lowest first, each with a little room above.
type Limbs = [u64; 3];

/// The polynomial's value so far.
struct Sum {
    value: Limbs,
    /// The point it is taken at, and its square.
    point: Limbs,
    square: Limbs,
}

impl Sum {
    fn new(multiplier: &[u8; 16]) -> Sum {
        let clamped = u128::from_le_bytes(*multiplier) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
        let point = limbs_of(clamped, 0);
        Sum { value: [0; 3], point, square: reduce(product(point, point)) }
    }

    /// The next block.
    #[inline(always)]
    fn add(&mut self, block: Limbs) {
        self.value = reduce(product(plus(self.value, block), self.point));
    }

    /// The next two blocks.
    #[inline(always)]
    fn add_two(&mut self, one: Limbs, other: Limbs) {
        let [a0, a1, a2] = product(plus(self.value, one), self.square);
        let [b0, b1, b2] = product(other, self.point);
        self.value = reduce([a0 + b0, a1 + b1, a2 + b2]);
    }

    /// The third and the fourth power of the point.
    fn powers(&self) -> [Limbs; 2] {
        [reduce(product(self.square, self.point)), reduce(product(self.square, self.square))]
    }

    /// The next four blocks: four chains of multiplications that do not wait for each other.
    #[inline(always)]
    fn add_four(&mut self, blocks: &[u8], [cube, fourth]: &[Limbs; 2]) {
        let (first, second) = blocks.split_at(32);
        let ((a, b), (c, d)) = (first.split_at(16), second.split_at(16));
        let [a0, a1, a2] = product(plus(self.value, limbs(a)), *fourth);
        let [b0, b1, b2] = product(limbs(b), *cube);
        let [c0, c1, c2] = product(limbs(c), self.square);
        let [d0, d1, d2] = product(limbs(d), self.point);
        self.value = reduce([a0 + b0 + c0 + d0, a1 + b1 + c1 + d1, a2 + b2 + c2 + d2]);
    }

    fn finish(&mut self, pad: &[u8; 16]) -> [u8; 16] {
        // Carry all the way, twice: each limb is then within its bits.
        let [h0, h1, h2] = carried(carried(self.value));
        // The same, less the modulus; taken if it is not below zero.
        let g0 = h0 + 5;
        let g1 = h1 + (g0 >> 44);
        let g2 = (h2 + (g1 >> 44)).wrapping_sub(1 << 42);
        let less = (g2 >> 63).wrapping_sub(1);
        let choose = |h: u64, g: u64| (h & !less) | (g & less);
        let (h0, h1, h2) = (choose(h0, g0 & MASK_44), choose(h1, g1 & MASK_44), choose(h2, g2 & MASK_42));
        let value = u128::from(h0) | u128::from(h1) << 44 | u128::from(h2) << 88;
        value.wrapping_add(u128::from_le_bytes(*pad)).to_le_bytes()
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.value.zeroize();
        self.point.zeroize();
        self.square.zeroize();
    }
}

/// A block as a number, with a one behind its last byte.
#[inline(always)]
fn limbs(block: &[u8]) -> Limbs {
    match block.first_chunk::<16>() {
        Some(whole) => limbs_of(u128::from_le_bytes(*whole), 1),
        None => {
            let mut padded = [0; 16];
            for (slot, byte) in padded.iter_mut().zip(block.iter().chain(&[1])) {
                *slot = *byte;
            }
            limbs_of(u128::from_le_bytes(padded), 0)
        }
    }
}

/// A number of 128 bits, and one bit above them.
#[inline(always)]
fn limbs_of(number: u128, above: u64) -> Limbs {
    let (low, high) = (number as u64, (number >> 64) as u64);
    [low & MASK_44, (low >> 44 | high << 20) & MASK_44, high >> 24 | above << 40]
}

#[inline(always)]
fn plus(one: Limbs, other: Limbs) -> Limbs {
    let ([a0, a1, a2], [b0, b1, b2]) = (one, other);
    [a0 + b0, a1 + b1, a2 + b2]
}

/// What is above 2^130 comes back five times; a limb that is two places up, 2^132, twenty times.
#[inline(always)]
fn product(one: Limbs, other: Limbs) -> [u128; 3] {
    let times = |a: u64, b: u64| u128::from(a) * u128::from(b);
    let ([a0, a1, a2], [b0, b1, b2]) = (one, other);
    let (c1, c2) = (b1 * 20, b2 * 20);
    [
        times(a0, b0) + times(a1, c2) + times(a2, c1),
        times(a0, b1) + times(a1, b0) + times(a2, c2),
        times(a0, b2) + times(a1, b1) + times(a2, b0),
    ]
}

/// Carries from limb to limb, and from the last to the first.
#[inline(always)]
fn reduce(wide: [u128; 3]) -> Limbs {
    let [d0, d1, d2] = wide;
    let d1 = d1 + (d0 >> 44);
    let d2 = d2 + (d1 >> 44);
    let (h0, h1, h2) = (d0 as u64 & MASK_44, d1 as u64 & MASK_44, d2 as u64 & MASK_42);
    let h0 = h0 + (d2 >> 42) as u64 * 5;
    [h0 & MASK_44, h1 + (h0 >> 44), h2]
}

fn carried(value: Limbs) -> Limbs {
    reduce(value.map(u128::from))
}

/// From here on it pays to compute more powers of the point.
const LONG_BYTES: usize = 256;

const MASK_44: u64 = (1 << 44) - 1;
const MASK_42: u64 = (1 << 42) - 1;

#[cfg(test)]
mod tests {
    use poly1305::Poly1305;
    use poly1305::universal_hash::KeyInit;

    use super::*;

    fn twin(key: &[u8; 32], text: &[u8]) -> [u8; 16] {
        Poly1305::new(key.into()).compute_unpadded(text).into()
    }

    #[test]
    fn the_specification_s_example() {
        let key = [
            0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5, 0x06, 0xa8, 0x01, 0x03,
            0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b,
        ];
        let tag = tag_of(&key, b"Cryptographic Forum Research Group");
        assert_eq!(tag[..8], [0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6]);
        assert_eq!(tag[8..], [0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01, 0x27, 0xa9]);
    }

    #[test]
    fn texts_of_every_length_have_the_tag_the_crate_gives_them() {
        let mut random = 1u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        };
        for len in (0..600).chain([4096, 65_537]) {
            let key = std::array::from_fn(|_| next());
            let text: Vec<u8> = (0..len).map(|_| next()).collect();
            assert_eq!(tag_of(&key, &text), twin(&key, &text), "{len} bytes");
        }
    }

    #[test]
    fn numbers_at_the_edge_of_the_modulus_are_reduced() {
        // Sums of all ones, of the modulus and around it, by the points 0, 1, 2, the largest.
        for point in [
            [0; 16],
            {
                let mut one = [0; 16];
                one[0] = 1;
                one
            },
            {
                let mut two = [0; 16];
                two[0] = 2;
                two
            },
            [0xff; 16],
        ] {
            for pad in [0, 1, 0xff] {
                let mut key = [pad; 32];
                key[..16].copy_from_slice(&point);
                for first in [0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff, 0, 1] {
                    for blocks in 1..12 {
                        let mut text = vec![0xff; 16 * blocks];
                        text[0] = first;
                        for cut in [0, 1, 15] {
                            let text = &text[..text.len() - cut];
                            assert_eq!(tag_of(&key, text), twin(&key, text));
                        }
                        let low = vec![first; 16 * blocks];
                        assert_eq!(tag_of(&key, &low), twin(&key, &low));
                    }
                }
            }
        }
    }
}
