//! Frames as each version of ZMTP writes them, beside a naive reading of them.

use std::sync::Arc;
use std::time::Instant;

use zmtp::{Config, Connection, Error, SocketType};

use crate::handshakes::Said;
use crate::{greeting, handshake, hear};

/// What follows a good handshake of 1.0, 2.0, 3.0 or 3.1, as the first byte says, with the pieces it comes in. A step is
/// two bytes, what is written and how much of what follows is its data: mostly good frames, else anything.
pub fn frames(bytes: &[u8]) {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let version = choice & 3;
    let mut wire = Vec::new();
    while let Some(([what, len], more)) = rest.split_first_chunk::<2>() {
        let (data, behind) = more.split_at(more.len().min(usize::from(*len)));
        rest = behind;
        write(version, *what, data, &mut wire);
    }
    let expected = read(version, &wire);

    let mut config = Config::new(SocketType::Dealer);
    config.limits.message_bytes_max = Some(BYTES_MAX as u64);
    config.limits.message_frames_max = 1000;
    let (mut said, now) = (Vec::new(), Instant::now());
    let mut connection = Connection::new(Arc::new(config), now);
    let mut listen = |bytes: &[u8], said: &mut Vec<Said>| {
        hear(&mut connection, bytes, now, &mut |event| said.push(Said::of(event))).err()
    };
    assert_eq!(listen(&beginning(version), &mut said), None);
    assert!(matches!(&said[..], [Said::Other(ready)] if ready.starts_with("Ready")), "{said:?}");
    said.clear();
    let mut error = None;
    for piece in wire.chunks(1 + usize::from(choice >> 2) * 7) {
        error = error.or_else(|| listen(piece, &mut said));
    }
    let heard: Vec<(Vec<u8>, bool)> = said
        .into_iter()
        .filter_map(|said| if let Said::Frames(frames) = said { Some(frames) } else { None })
        .flatten()
        .collect();
    assert!(heard.starts_with(&expected.frames), "{heard:?} of {wire:?}");
    match expected.end {
        End::Unfinished => assert!(error.is_none() && heard.len() == expected.frames.len(), "{error:?} in {wire:?}"),
        End::Malformed => assert!(error == Some(Error::MalformedFrame) && heard.len() == expected.frames.len()),
        End::Unknown => {}
    }
}

fn write(version: u8, what: u8, data: &[u8], wire: &mut Vec<u8>) {
    let (more, long) = (what & 1, what & 2 != 0);
    // Bodies too long for a short header too.
    let body = if what & 4 != 0 { data.repeat(3) } else { data.to_vec() };
    match (what >> 4, version) {
        (0, _) => return wire.extend_from_slice(data),
        (1, 1..) => wire.extend_from_slice(&[4 | more, body.len().min(255) as u8]),
        (_, 0) if long || body.len() > 253 => {
            wire.push(0xff);
            wire.extend_from_slice(&(body.len() as u64 + 1).to_be_bytes());
            wire.push(more);
        }
        (_, 0) => wire.extend_from_slice(&[body.len() as u8 + 1, more]),
        _ if long || body.len() > 255 => {
            wire.push(2 | more);
            wire.extend_from_slice(&(body.len() as u64).to_be_bytes());
        }
        _ => wire.extend_from_slice(&[more, body.len() as u8]),
    }
    wire.extend_from_slice(&body);
}

/// What is to be heard: frames of whole messages, and what became of the rest.
struct Expected {
    frames: Vec<(Vec<u8>, bool)>,
    end: End,
}

enum End {
    Unfinished,
    Malformed,
    /// A command, or something of a size or a kind that is not looked at here.
    Unknown,
}

fn read(version: u8, wire: &[u8]) -> Expected {
    let (mut frames, mut whole, mut at) = (Vec::new(), 0, 0);
    let end = loop {
        let header = if version == 0 { header_of_1_0(&wire[at..]) } else { header_of_2_0(&wire[at..]) };
        let (len, body, more) = match header {
            Ok(header) => header,
            Err(end) => break end,
        };
        if body > BYTES_MAX / 2 || frames.len() - whole > 900 {
            break End::Unknown;
        }
        let Some(bytes) = wire.get(at + len..at + len + body) else { break End::Unfinished };
        frames.push((bytes.to_vec(), more));
        at += len + body;
        if !more {
            whole = frames.len();
        }
    };
    frames.truncate(whole);
    Expected { frames, end }
}

/// The bytes of a header, of its body, and whether more follow (RFC 13).
fn header_of_1_0(bytes: &[u8]) -> Result<(usize, usize, bool), End> {
    let (len, body) = match bytes {
        [] => return Err(End::Unfinished),
        [0xff, rest @ ..] => (10, u64::from_be_bytes(*rest.first_chunk().ok_or(End::Unfinished)?)),
        [len, ..] => (2, u64::from(*len)),
    };
    let body = body.checked_sub(1).ok_or(End::Malformed)?;
    match bytes.get(len - 1).ok_or(End::Unfinished)? {
        flags @ 0..=1 => Ok((len, usize::try_from(body).map_err(|_| End::Unknown)?, *flags == 1)),
        _ => Err(End::Malformed),
    }
}

/// As above (RFC 15, 23).
fn header_of_2_0(bytes: &[u8]) -> Result<(usize, usize, bool), End> {
    let flags = *bytes.first().ok_or(End::Unfinished)?;
    if flags & !3 != 0 {
        return Err(End::Unknown);
    }
    let (len, body) = if flags & 2 == 0 {
        (2, u64::from(*bytes.get(1).ok_or(End::Unfinished)?))
    } else {
        (9, u64::from_be_bytes(*bytes[1..].first_chunk().ok_or(End::Unfinished)?))
    };
    Ok((len, usize::try_from(body).map_err(|_| End::Unknown)?, flags & 1 == 1))
}

/// What a good DEALER of a version says first.
fn beginning(version: u8) -> Vec<u8> {
    match version {
        0 => b"\x01\x00".to_vec(),
        1 => b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0".to_vec(),
        2 => {
            let mut older = greeting("NULL");
            older[11] = 0;
            [&older[..], b"\x04\x06\x05READY"].concat()
        }
        _ => handshake(),
    }
}

const BYTES_MAX: usize = 1 << 20;
