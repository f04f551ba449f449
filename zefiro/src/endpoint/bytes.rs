//! Endpoints are text; paths and names within the process may be any bytes. How text stands for those that are not UTF-8:
//! each byte from 0x80 up as one of 128 characters for private use, at the very end of Unicode.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// The text for these bytes: themselves if they are UTF-8, but for the private characters, whose bytes are written as
/// those of what is not. [`bytes_of`] has the bytes back.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(is_private) => Cow::Borrowed(text),
        _ => {
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                for character in chunk.valid().chars() {
                    if is_private(character) {
                        text.extend(character.encode_utf8(&mut [0; 4]).bytes().filter_map(private));
                    } else {
                        text.push(character);
                    }
                }
                text.extend(chunk.invalid().iter().copied().filter_map(private));
            }
            Cow::Owned(text)
        }
    }
}

/// The bytes a text stands for.
pub(super) fn bytes_of(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(is_private) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        if is_private(character) {
            // The last byte of its number is the byte meant.
            bytes.push(character as u8);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

fn is_private(character: char) -> bool {
    PRIVATE.contains(&character)
}

/// The character for a byte; those below 0x80 are UTF-8 by themselves.
fn private(byte: u8) -> Option<char> {
    char::from_u32(0x0010_ff00 | u32::from(byte)).filter(|character| is_private(*character))
}

const PRIVATE: RangeInclusive<char> = '\u{10ff80}'..='\u{10ffff}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_from_their_text() {
        let all: Vec<u8> = (0..=255).collect();
        let private = "a\u{10ff80}\u{10ffff}\u{10ff7f}é".as_bytes();
        let cases: [&[u8]; 7] = [b"", b"plain", "é€".as_bytes(), b"\xff", b"a\xffb\xc3", private, &all];
        for bytes in cases {
            let text = text_of(bytes);
            assert_eq!(*bytes_of(&text), *bytes, "{text:?}");
            assert_eq!(text_of(&bytes_of(&text)), text);
        }
    }

    #[test]
    fn different_bytes_have_different_texts() {
        let texts: std::collections::HashSet<_> =
            (0..=u16::MAX).map(|pair| text_of(&pair.to_be_bytes()).into_owned()).collect();
        assert_eq!(texts.len(), 65536);
        assert_ne!(text_of(b"\xff"), text_of("\u{10ffff}".as_bytes()));
    }
}
