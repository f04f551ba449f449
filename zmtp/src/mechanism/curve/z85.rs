//! Z85: four bytes as five characters that survive source code and command lines (RFC 32).

/// The text of `bytes`, whose number must be a multiple of four.
///
/// ```
/// # use zmtp::z85;
/// assert_eq!(z85::encode(&[0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b]).as_deref(), Some("HelloWorld"));
/// assert_eq!(z85::encode(b"odd"), None);
/// ```
pub fn encode(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut text = String::with_capacity(bytes.len() / 4 * 5);
    for group in bytes.chunks_exact(4) {
        let value = group.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
        for power in [85u32.pow(4), 85u32.pow(3), 85u32.pow(2), 85, 1] {
            text.push(char::from(*ALPHABET.get((value / power % 85) as usize)?));
        }
    }
    Some(text)
}

/// The bytes of `text`; `None` if it is not Z85: its length no multiple of five, or none at all, a character from
/// outside the alphabet, a group that stands for no four bytes.
///
/// ```
/// # use zmtp::z85;
/// assert_eq!(z85::decode(b"HelloWorld"), Some(vec![0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b]));
/// assert_eq!(z85::decode(b"\"no\" "), None);
/// ```
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(5) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for group in text.chunks_exact(5) {
        let mut value = 0u32;
        for character in group {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            value = value.checked_mul(85)?.checked_add(digit as u32)?;
        }
        bytes.extend_from_slice(&value.to_be_bytes());
    }
    Some(bytes)
}

const ALPHABET: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_s_example() {
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(encode(&bytes).as_deref(), Some("HelloWorld"));
        assert_eq!(decode(b"HelloWorld").as_deref(), Some(&bytes[..]));
    }

    #[test]
    fn what_is_not_z85_is_refused() {
        assert_eq!(encode(b"abc"), None);
        for text in [&b""[..], b"abc", b"ab\"cd", b"#####"] {
            assert_eq!(decode(text), None);
        }
        assert_eq!(encode(b"").as_deref(), Some(""));
    }
}
