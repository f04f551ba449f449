//! Poly1305 (RFC 8439, section 2.5) for the traffic.
//!
//! Of the crates in Rust `dryoc` is by far the fastest, from 64 bytes to megabytes: it works with the widest vectors the
//! processor has, and is tested against libsodium by its authors. What boxes the handshake is its twin in the tests.

use dryoc::classic::crypto_onetimeauth::crypto_onetimeauth;

/// What authenticates a text, by a key that is used once.
pub(super) fn tag_of(key: &[u8; 32], text: &[u8]) -> [u8; 16] {
    let mut tag = [0; 16];
    crypto_onetimeauth(&mut tag, text, key);
    tag
}

#[cfg(test)]
mod tests {
    use poly1305::Poly1305;
    use poly1305::universal_hash::KeyInit;

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
    fn another_crate_gives_the_same_tag() {
        let mut random = 1u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        };
        for len in (0..1200).step_by(STEP).chain([4_095, 4_096, 65_537 / STEP]) {
            let key = std::array::from_fn(|_| next());
            let text: Vec<u8> = (0..len).map(|_| next()).collect();
            let twin: [u8; 16] = Poly1305::new((&key).into()).compute_unpadded(&text).into();
            assert_eq!(tag_of(&key, &text), twin, "{len} bytes");
        }
    }
}
