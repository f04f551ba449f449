//! Commands: a name, then data (RFC 37, section 3).

/// A command as it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Command<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) data: &'a [u8],
}

impl<'a> Command<'a> {
    /// Reads a command frame's body; `None` if its name reaches past the end.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Command<'a>> {
        let (len, rest) = body.split_first()?;
        let (name, data) = rest.split_at_checked(usize::from(*len))?;
        Some(Command { name, data })
    }
}

/// Appends a command's body.
pub(crate) fn encode(out: &mut Vec<u8>, name: &[u8], data: &[u8]) {
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    out.extend_from_slice(data);
}

pub(crate) const READY: &[u8] = b"READY";
pub(crate) const ERROR: &[u8] = b"ERROR";
pub(crate) const SUBSCRIBE: &[u8] = b"SUBSCRIBE";
pub(crate) const CANCEL: &[u8] = b"CANCEL";
pub(crate) const JOIN: &[u8] = b"JOIN";
pub(crate) const LEAVE: &[u8] = b"LEAVE";
pub(crate) const PING: &[u8] = b"PING";
pub(crate) const PONG: &[u8] = b"PONG";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_data_are_told_apart() {
        let command = Command::parse(b"\x05READYabc").unwrap();
        assert_eq!((command.name, command.data), (READY, &b"abc"[..]));
        assert_eq!(Command::parse(b""), None);
        assert_eq!(Command::parse(b"\x06READY"), None);
    }
}
