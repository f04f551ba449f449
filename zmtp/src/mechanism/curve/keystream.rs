//! The keystream of XSalsa20, sixteen blocks at a time, for many small messages as well as for large ones.
//!
//! XSalsa20 makes a key of its own from the first 16 bytes of a nonce. With CURVE these are the same for all messages of
//! one direction, so it is made once, and messages differ in the 8 bytes of their number. The numbers follow each other:
//! beside the blocks of one message those of the next ones are computed, each in a lane of the same vectors. The plain
//! crate, which computes block after block, and the key for each message anew, is its twin in the tests.

use zeroize::Zeroize;

/// The keystream of one direction.
pub(super) struct Keystream {
    key: [u32; 8],
    /// The first blocks of some messages, `depth` of each.
    ahead: Box<[Block; LANES]>,
    /// The first message they are for.
    first: u64,
    /// How many messages they are for: 0 before anything was computed.
    messages: usize,
    depth: usize,
}

/// One block of it.
type Block = [u8; BLOCK_BYTES];

impl Keystream {
    /// Of a key, and the part of the nonce that all messages have in common.
    pub(super) fn new(key: &[u8; 32], prefix: &[u8; 16]) -> Keystream {
        let mut derived = salsa20::hsalsa::<salsa20::cipher::consts::U10>(key.into(), prefix.into());
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(derived.chunks_exact(4)) {
            *word = bytes.try_into().map_or(0, u32::from_le_bytes);
        }
        derived.as_mut_slice().zeroize();
        Keystream { key: words, ahead: Box::new([[0; BLOCK_BYTES]; LANES]), first: 0, messages: 0, depth: 0 }
    }

    /// What encrypts message `number`, whose text has so many bytes.
    #[inline]
    pub(super) fn of_message(&mut self, number: u64, len: usize) -> OfMessage<'_> {
        let mut place = number.wrapping_sub(self.first);
        if place >= self.messages as u64 {
            self.look_ahead(number, len);
            place = 0;
        }
        let begin = place as usize * self.depth;
        let head = self.ahead.get(begin..begin + self.depth).unwrap_or_default();
        let (tag_key, head) = head.as_flattened().split_first_chunk().unwrap_or((&[0; TAG_KEY_BYTES], &[]));
        let (flags, head) = head.split_first().unwrap_or((&0, &[]));
        OfMessage { key: &self.key, number, tag_key, flags: *flags, head, depth: self.depth as u64 }
    }

    /// Computes the first blocks of a message; with them those of the next ones, of the same length presumably. Of a
    /// long message just so many that the others fill whole vectors.
    fn look_ahead(&mut self, number: u64, len: usize) {
        let blocks = (len + TAG_KEY_BYTES).div_ceil(BLOCK_BYTES);
        let depth = (blocks.max(1) - 1) % LANES + 1;
        let messages = LANES / depth;
        let (mut numbers, mut counters) = ([number; LANES], [0; LANES]);
        let (mut message, mut block) = (0, 0);
        for (of_lane, counter) in numbers.iter_mut().zip(&mut counters) {
            // What does not divide the lanes leaves some over: they compute more of the last message.
            if block == depth && message + 1 < messages {
                (message, block) = (message + 1, 0);
            }
            (*of_lane, *counter) = (number.wrapping_add(message as u64), block as u64);
            block += 1;
        }
        *self.ahead = [[0; BLOCK_BYTES]; LANES];
        add(&Start::new(&self.key, &numbers, &counters), &mut self.ahead);
        (self.first, self.messages, self.depth) = (number, messages, depth);
    }
}

impl Drop for Keystream {
    fn drop(&mut self) {
        self.key.zeroize();
        self.ahead.as_flattened_mut().zeroize();
    }
}

/// The keystream of one message: a key for its tag, then what is added to its text.
pub(super) struct OfMessage<'a> {
    key: &'a [u32; 8],
    number: u64,
    pub(super) tag_key: &'a [u8; TAG_KEY_BYTES],
    /// Added to the first byte of the text.
    pub(super) flags: u8,
    /// Added to what follows, as far as it reaches: the rest of the first blocks.
    head: &'a [u8],
    depth: u64,
}

impl OfMessage<'_> {
    /// Appends the text without its first byte, encrypted or decrypted.
    #[inline]
    pub(super) fn append(&self, rest: &[u8], out: &mut Vec<u8>) {
        let (begin, rest) = rest.split_at(rest.len().min(self.head.len()));
        out.extend(begin.iter().zip(self.head).map(|(byte, key)| byte ^ key));
        if !rest.is_empty() {
            self.append_blocks(rest, out);
        }
    }

    /// Goes on behind the first blocks.
    #[inline(never)]
    fn append_blocks(&self, rest: &[u8], out: &mut Vec<u8>) {
        for (pieces, block) in rest.chunks(LANES * BLOCK_BYTES).zip((self.depth..).step_by(LANES)) {
            let counters = std::array::from_fn(|lane| block.wrapping_add(lane as u64));
            let from = Start::new(self.key, &[self.number; LANES], &counters);
            let start = out.len();
            // In place, unless it is less than all lanes: `out` may have no room for more than the text.
            if pieces.len() == LANES * BLOCK_BYTES {
                out.extend_from_slice(pieces);
                let (blocks, _) = out.get_mut(start..).unwrap_or_default().as_chunks_mut();
                if let Some(blocks) = blocks.first_chunk_mut() {
                    add(&from, blocks);
                }
            } else {
                let mut blocks = [[0; BLOCK_BYTES]; LANES];
                if let Some(text) = blocks.as_flattened_mut().get_mut(..pieces.len()) {
                    text.copy_from_slice(pieces);
                }
                add(&from, &mut blocks);
                out.extend_from_slice(blocks.as_flattened().get(..pieces.len()).unwrap_or_default());
            }
        }
    }
}

/// What the blocks of all lanes begin with.
struct Start<'a> {
    key: &'a [u32; 8],
    /// Low words, then high ones, as the others.
    numbers: [[u32; LANES]; 2],
    counters: [[u32; LANES]; 2],
}

impl<'a> Start<'a> {
    /// A message's number is big-endian, as it is sent; what the cipher reads is little-endian.
    fn new(key: &'a [u32; 8], numbers: &[u64; LANES], counters: &[u64; LANES]) -> Start<'a> {
        let halves = |words: [u64; LANES]| [words.map(|word| word as u32), words.map(|word| (word >> 32) as u32)];
        Start { key, numbers: halves(numbers.map(u64::swap_bytes)), counters: halves(*counters) }
    }
}

/// The sixteen words of the state, by what makes one that is the same in all lanes, and one that is not.
macro_rules! state {
    ($start:expr, $same:expr, $each:expr) => {{
        let Start { key: [k0, k1, k2, k3, k4, k5, k6, k7], numbers: [n0, n1], counters: [b0, b1] } = $start;
        let [c0, c1, c2, c3] = CONSTANTS;
        [
            $same(c0),
            $same(*k0),
            $same(*k1),
            $same(*k2),
            $same(*k3),
            $same(c1),
            $each(n0),
            $each(n1),
            $each(b0),
            $each(b1),
            $same(c2),
            $same(*k4),
            $same(*k5),
            $same(*k6),
            $same(*k7),
            $same(c3),
        ]
    }};
}

/// Adds the keystream to a block in each lane.
fn add(start: &Start<'_>, blocks: &mut [Block; LANES]) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code, reason = "the compiler cannot know what the processor can do")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has just been found to have AVX-512.
            return unsafe { avx512::add(start, blocks) };
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            return unsafe { avx2::add(start, blocks) };
        }
    }
    add_words(start, blocks);
}

/// For processors without wide vectors, and for comparison: word after word.
fn add_words(start: &Start<'_>, blocks: &mut [Block; LANES]) {
    for (lane, block) in blocks.iter_mut().enumerate() {
        let start =
            state!(start, |word: u32| word, |words: &[u32; LANES]| words.get(lane).copied().unwrap_or_default());
        let mut state = start;
        for _ in 0..DOUBLE_ROUNDS {
            double_round(&mut state);
        }
        let (words, _) = block.as_chunks_mut();
        for (bytes, (word, first)) in words.iter_mut().zip(state.iter().zip(start)) {
            *bytes = (u32::from_le_bytes(*bytes) ^ word.wrapping_add(first)).to_le_bytes();
        }
    }
}

/// Two rounds: columns, then rows.
fn double_round(x: &mut [u32; 16]) {
    macro_rules! quarter {
        ($a:literal $b:literal $c:literal $d:literal) => {
            x[$b] ^= x[$a].wrapping_add(x[$d]).rotate_left(7);
            x[$c] ^= x[$b].wrapping_add(x[$a]).rotate_left(9);
            x[$d] ^= x[$c].wrapping_add(x[$b]).rotate_left(13);
            x[$a] ^= x[$d].wrapping_add(x[$c]).rotate_left(18);
        };
    }
    quarter!(0 4 8 12);
    quarter!(5 9 13 1);
    quarter!(10 14 2 6);
    quarter!(15 3 7 11);
    quarter!(0 1 2 3);
    quarter!(5 6 7 4);
    quarter!(10 11 8 9);
    quarter!(15 12 13 14);
}

/// Eight words in a vector.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Block, CONSTANTS, DOUBLE_ROUNDS, LANES, Start};

    #[target_feature(enable = "avx2")]
    pub(super) fn add(start: &Start<'_>, blocks: &mut [Block; LANES]) {
        let (low, high) = blocks.split_at_mut(LANES / 2);
        add_half(
            state!(start, same, |[a, b, c, d, e, f, g, h, ..]: &[u32; LANES]| vector([a, b, c, d, e, f, g, h])),
            low,
        );
        add_half(
            state!(start, same, |[.., a, b, c, d, e, f, g, h]: &[u32; LANES]| vector([a, b, c, d, e, f, g, h])),
            high,
        );
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn same(word: u32) -> __m256i {
        _mm256_set1_epi32(word.cast_signed())
    }

    #[target_feature(enable = "avx2")]
    fn add_half(start: [__m256i; 16], blocks: &mut [Block]) {
        let mut x = start;
        for _ in 0..DOUBLE_ROUNDS {
            double_round(&mut x);
        }
        for (word, first) in x.iter_mut().zip(start) {
            *word = _mm256_add_epi32(*word, first);
        }
        let [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15] = x;
        let low = transpose([x0, x1, x2, x3, x4, x5, x6, x7]);
        let high = transpose([x8, x9, x10, x11, x12, x13, x14, x15]);
        for (block, (low, high)) in blocks.iter_mut().zip(low.into_iter().zip(high)) {
            let (first, second) = block.split_at_mut(32);
            add_to(first, low);
            add_to(second, high);
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn double_round(x: &mut [__m256i; 16]) {
        macro_rules! quarter {
            ($a:literal $b:literal $c:literal $d:literal) => {
                x[$b] = mix::<7, 25>(x[$b], x[$a], x[$d]);
                x[$c] = mix::<9, 23>(x[$c], x[$b], x[$a]);
                x[$d] = mix::<13, 19>(x[$d], x[$c], x[$b]);
                x[$a] = mix::<18, 14>(x[$a], x[$d], x[$c]);
            };
        }
        quarter!(0 4 8 12);
        quarter!(5 9 13 1);
        quarter!(10 14 2 6);
        quarter!(15 3 7 11);
        quarter!(0 1 2 3);
        quarter!(5 6 7 4);
        quarter!(10 11 8 9);
        quarter!(15 12 13 14);
    }

    /// `word`, and the rotated sum of two others, added without carry.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn mix<const LEFT: i32, const RIGHT: i32>(word: __m256i, one: __m256i, other: __m256i) -> __m256i {
        let sum = _mm256_add_epi32(one, other);
        let word = _mm256_xor_si256(word, _mm256_slli_epi32::<LEFT>(sum));
        _mm256_xor_si256(word, _mm256_srli_epi32::<RIGHT>(sum))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn vector(words: [&u32; 8]) -> __m256i {
        let [a, b, c, d, e, f, g, h] = words.map(|word| word.cast_signed());
        _mm256_setr_epi32(a, b, c, d, e, f, g, h)
    }

    /// From a word of all lanes in each vector to all words of a lane in each.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn transpose(rows: [__m256i; 8]) -> [__m256i; 8] {
        let [a, b, c, d, e, f, g, h] = rows;
        let (ab0, ab1) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd0, cd1) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        let (ef0, ef1) = (_mm256_unpacklo_epi32(e, f), _mm256_unpackhi_epi32(e, f));
        let (gh0, gh1) = (_mm256_unpacklo_epi32(g, h), _mm256_unpackhi_epi32(g, h));
        let (ad0, ad1) = (_mm256_unpacklo_epi64(ab0, cd0), _mm256_unpackhi_epi64(ab0, cd0));
        let (ad2, ad3) = (_mm256_unpacklo_epi64(ab1, cd1), _mm256_unpackhi_epi64(ab1, cd1));
        let (eh0, eh1) = (_mm256_unpacklo_epi64(ef0, gh0), _mm256_unpackhi_epi64(ef0, gh0));
        let (eh2, eh3) = (_mm256_unpacklo_epi64(ef1, gh1), _mm256_unpackhi_epi64(ef1, gh1));
        [
            _mm256_permute2x128_si256::<0x20>(ad0, eh0),
            _mm256_permute2x128_si256::<0x20>(ad1, eh1),
            _mm256_permute2x128_si256::<0x20>(ad2, eh2),
            _mm256_permute2x128_si256::<0x20>(ad3, eh3),
            _mm256_permute2x128_si256::<0x31>(ad0, eh0),
            _mm256_permute2x128_si256::<0x31>(ad1, eh1),
            _mm256_permute2x128_si256::<0x31>(ad2, eh2),
            _mm256_permute2x128_si256::<0x31>(ad3, eh3),
        ]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add_to(bytes: &mut [u8], vector: __m256i) {
        if let Some(bytes) = bytes.first_chunk_mut::<32>() {
            let place = bytes.as_mut_ptr().cast();
            #[allow(unsafe_code, reason = "the only way from memory to a vector and back")]
            // SAFETY: there are 32 bytes to read and write, at any address.
            unsafe {
                _mm256_storeu_si256(place, _mm256_xor_si256(_mm256_loadu_si256(place), vector));
            }
        }
    }
}

/// Sixteen words in a vector.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::{Block, CONSTANTS, DOUBLE_ROUNDS, LANES, Start};

    #[target_feature(enable = "avx512f")]
    pub(super) fn add(start: &Start<'_>, blocks: &mut [Block; LANES]) {
        let start = state!(start, same, vector);
        let mut x = start;
        for _ in 0..DOUBLE_ROUNDS {
            double_round(&mut x);
        }
        for (word, first) in x.iter_mut().zip(start) {
            *word = _mm512_add_epi32(*word, first);
        }
        let [x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15] = x;
        // Four words of each lane together, then all four fours of each.
        let [a0, a1, a2, a3] = four_rows([x0, x1, x2, x3]);
        let [b0, b1, b2, b3] = four_rows([x4, x5, x6, x7]);
        let [c0, c1, c2, c3] = four_rows([x8, x9, x10, x11]);
        let [d0, d1, d2, d3] = four_rows([x12, x13, x14, x15]);
        let columns = [[a0, b0, c0, d0], [a1, b1, c1, d1], [a2, b2, c2, d2], [a3, b3, c3, d3]];
        for (first, column) in columns.into_iter().enumerate() {
            for (quarter, vector) in four_quarters(column).into_iter().enumerate() {
                if let Some(block) = blocks.get_mut(4 * quarter + first) {
                    add_to(block, vector);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn double_round(x: &mut [__m512i; 16]) {
        macro_rules! quarter {
            ($a:literal $b:literal $c:literal $d:literal) => {
                x[$b] = mix::<7>(x[$b], x[$a], x[$d]);
                x[$c] = mix::<9>(x[$c], x[$b], x[$a]);
                x[$d] = mix::<13>(x[$d], x[$c], x[$b]);
                x[$a] = mix::<18>(x[$a], x[$d], x[$c]);
            };
        }
        quarter!(0 4 8 12);
        quarter!(5 9 13 1);
        quarter!(10 14 2 6);
        quarter!(15 3 7 11);
        quarter!(0 1 2 3);
        quarter!(5 6 7 4);
        quarter!(10 11 8 9);
        quarter!(15 12 13 14);
    }

    /// `word`, and the rotated sum of two others, added without carry.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn mix<const LEFT: i32>(word: __m512i, one: __m512i, other: __m512i) -> __m512i {
        _mm512_xor_si512(word, _mm512_rol_epi32::<LEFT>(_mm512_add_epi32(one, other)))
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn same(word: u32) -> __m512i {
        _mm512_set1_epi32(word.cast_signed())
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn vector(words: &[u32; LANES]) -> __m512i {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = words.map(u32::cast_signed);
        _mm512_setr_epi32(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    }

    /// From four rows of words: in each quarter of the n-th vector, the words of lane n of that quarter.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn four_rows(rows: [__m512i; 4]) -> [__m512i; 4] {
        let [a, b, c, d] = rows;
        let (ab0, ab1) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd0, cd1) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(ab0, cd0),
            _mm512_unpackhi_epi64(ab0, cd0),
            _mm512_unpacklo_epi64(ab1, cd1),
            _mm512_unpackhi_epi64(ab1, cd1),
        ]
    }

    /// The n-th quarters of four vectors in the n-th vector.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn four_quarters(vectors: [__m512i; 4]) -> [__m512i; 4] {
        const EVEN: i32 = 0x88;
        const ODD: i32 = 0xdd;
        let [a, b, c, d] = vectors;
        let (ab0, ab1) = (_mm512_shuffle_i32x4::<EVEN>(a, b), _mm512_shuffle_i32x4::<ODD>(a, b));
        let (cd0, cd1) = (_mm512_shuffle_i32x4::<EVEN>(c, d), _mm512_shuffle_i32x4::<ODD>(c, d));
        [
            _mm512_shuffle_i32x4::<EVEN>(ab0, cd0),
            _mm512_shuffle_i32x4::<EVEN>(ab1, cd1),
            _mm512_shuffle_i32x4::<ODD>(ab0, cd0),
            _mm512_shuffle_i32x4::<ODD>(ab1, cd1),
        ]
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn add_to(block: &mut Block, vector: __m512i) {
        let place = block.as_mut_ptr().cast();
        #[allow(unsafe_code, reason = "the only way from memory to a vector and back")]
        // SAFETY: there are 64 bytes to read and write, at any address.
        unsafe {
            _mm512_storeu_si512(place, _mm512_xor_si512(_mm512_loadu_si512(place), vector));
        }
    }
}

const BLOCK_BYTES: usize = 64;
const TAG_KEY_BYTES: usize = 32;
/// What a text begins with.
pub(super) const FLAGS_BYTES: usize = 1;
const LANES: usize = 16;
const DOUBLE_ROUNDS: usize = 10;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

#[cfg(test)]
mod tests {
    use crypto_secretbox::aead::AeadInPlace;
    use crypto_secretbox::{KeyInit, XSalsa20Poly1305};

    use super::*;

    const PREFIX: &[u8; 16] = b"CurveZMQMESSAGEC";

    /// Miri interprets each step: it has some of the lengths, and of the long ones the first.
    const STEP: usize = if cfg!(miri) { 330 } else { 1 };
    const LONG: usize = if cfg!(miri) { 1 } else { 4 };

    /// What the plain crate makes of a text.
    fn twin(key: &[u8; 32], number: u64, text: &mut [u8]) {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(PREFIX);
        nonce[16..].copy_from_slice(&number.to_be_bytes());
        XSalsa20Poly1305::new(key.into()).encrypt_in_place_detached(&nonce.into(), &[], text).unwrap();
    }

    /// What ours makes of it.
    fn apply(stream: &mut Keystream, number: u64, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some((first, rest)) = text.split_first() {
            let stream = stream.of_message(number, text.len());
            out.push(first ^ stream.flags);
            stream.append(rest, &mut out);
        }
        out
    }

    #[test]
    fn texts_of_every_length_are_what_the_plain_crate_makes_of_them() {
        let key: [u8; 32] = std::array::from_fn(|index| index as u8 * 7);
        let mut stream = Keystream::new(&key, PREFIX);
        for (number, len) in
            (0..1400).step_by(STEP).chain([1100, 4095, 4096, 65_537].into_iter().take(LONG)).enumerate()
        {
            let number = number as u64 + 3;
            let text: Vec<u8> = (0..len).map(|index| index as u8).collect();
            let mut expected = text.clone();
            twin(&key, number, &mut expected);
            assert!(apply(&mut stream, number, &text) == expected, "{len} bytes");
        }
    }

    #[test]
    fn numbers_may_leap_and_lengths_change() {
        let key = [9; 32];
        let mut stream = Keystream::new(&key, PREFIX);
        let numbers = [3, 4, 6, 7, 8, 100, 101, 99, u64::MAX - 1, u64::MAX, 0, 1, 1 << 40];
        for (number, len) in numbers
            .into_iter()
            .flat_map(|number| [1, 31, 33, 200, 97, 600, 0].map(|len| (number, len)))
            .step_by(STEP.div_ceil(42))
        {
            let text = vec![5; len];
            let mut expected = text.clone();
            twin(&key, number, &mut expected);
            let tag_key = *stream.of_message(number, len).tag_key;
            assert!(apply(&mut stream, number, &text) == expected, "message {number} of {len} bytes");
            let mut first = [[0; BLOCK_BYTES]; LANES];
            add_words(&Start::new(&stream.key, &[number; LANES], &[0; LANES]), &mut first);
            assert_eq!(tag_key, first[0][..32]);
        }
    }

    #[test]
    fn vectors_and_words_agree() {
        let key = [0x0102_0304, 5, 6, 7, 8, 9, 10, u32::MAX];
        let numbers = std::array::from_fn(|lane| (lane as u64).wrapping_mul(0x0123_4567_89ab_cdef));
        let counters = std::array::from_fn(|lane| u64::MAX.wrapping_add(lane as u64 * 3) << (lane % 3 * 16));
        let start = Start::new(&key, &numbers, &counters);
        let text: [Block; LANES] = std::array::from_fn(|lane| [lane as u8; BLOCK_BYTES]);
        let mut one = text;
        add_words(&start, &mut one);
        let mut other = text;
        add(&start, &mut other);
        assert_eq!(one, other);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            let mut other = text;
            // SAFETY: the processor has AVX2.
            #[allow(unsafe_code, reason = "as above")]
            unsafe {
                avx2::add(&start, &mut other);
            }
            assert_eq!(one, other);
        }
    }
}
