//! Poly1305 (RFC 8439, section 2.5) for the traffic, by the crate that is faster for a text of that length.
//!
//! `poly1305` works on many blocks at a time, and takes about a microsecond to begin and to end, ten times what `orion`
//! needs for a message of 64 bytes.

use orion::hazardous::mac::poly1305 as short;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit;

/// What authenticates a text, by a key that is used once.
pub(super) fn tag_of(key: &[u8; 32], text: &[u8]) -> [u8; 16] {
    if text.len() < LONG_BYTES
        && let Some(tag) = tag_of_short(key, text)
    {
        return tag;
    }
    Poly1305::new(key.into()).compute_unpadded(text).into()
}

/// `None`, which does not happen, is an error of a crate that this key and any text cannot cause.
fn tag_of_short(key: &[u8; 32], text: &[u8]) -> Option<[u8; 16]> {
    let key = short::OneTimeKey::from(*key);
    let tag = short::Poly1305::poly1305(&key, text).ok()?;
    tag.unprotected_as_ref().try_into().ok()
}

/// From here on `poly1305` is faster.
const LONG_BYTES: usize = 3 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri interprets each step: it has some of the lengths.
    const STEP: usize = if cfg!(miri) { 37 } else { 1 };

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
    fn both_crates_give_the_same_tag() {
        let mut random = 1u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        };
        for len in (0..600).step_by(STEP).chain([LONG_BYTES - 1, LONG_BYTES, 65_537 / STEP]) {
            let key = std::array::from_fn(|_| next());
            let text: Vec<u8> = (0..len).map(|_| next()).collect();
            let long: [u8; 16] = Poly1305::new((&key).into()).compute_unpadded(&text).into();
            assert_eq!(tag_of_short(&key, &text), Some(long), "{len} bytes");
            assert_eq!(tag_of(&key, &text), long, "{len} bytes");
        }
    }
}
