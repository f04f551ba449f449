//! Metadata: the properties peers exchange in the handshake (RFC 37, section 3).

use bytes::Bytes;

use crate::error::Error;

/// Appends a property.
pub(crate) fn encode(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.push(name.len().min(255) as u8);
    out.extend_from_slice(name.as_bytes().get(..255).unwrap_or(name.as_bytes()));
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// Reads all properties, in order. As libzmq: the end may come right behind a name, a lone byte may not.
///
/// ```
/// let properties = zmtp::parse_metadata(b"\x0bSocket-Type\x00\x00\x00\x04PUSH")?;
/// assert_eq!(properties[0], ("Socket-Type".into(), "PUSH".into()));
/// # Ok::<(), zmtp::Error>(())
/// ```
///
/// # Errors
/// [`MalformedMetadata`](Error::MalformedMetadata).
pub fn parse(mut bytes: &[u8]) -> Result<Vec<(String, Bytes)>, Error> {
    let mut properties = Vec::new();
    while bytes.len() > 1 {
        let (name_len, rest) = bytes.split_first().ok_or(Error::MalformedMetadata)?;
        let (name, rest) = rest.split_at_checked(usize::from(*name_len)).ok_or(Error::MalformedMetadata)?;
        if rest.is_empty() {
            return Ok(properties);
        }
        let (value_len, rest) = rest.split_first_chunk::<4>().ok_or(Error::MalformedMetadata)?;
        let value_len = usize::try_from(u32::from_be_bytes(*value_len)).map_err(|_| Error::MalformedMetadata)?;
        let (value, rest) = rest.split_at_checked(value_len).ok_or(Error::MalformedMetadata)?;
        properties.push((String::from_utf8_lossy(name).into_owned(), Bytes::copy_from_slice(value)));
        bytes = rest;
    }
    if bytes.is_empty() { Ok(properties) } else { Err(Error::MalformedMetadata) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_come_back_in_order() {
        let mut out = Vec::new();
        encode(&mut out, "Socket-Type", b"DEALER");
        encode(&mut out, "Identity", b"");
        let properties = parse(&out).unwrap();
        assert_eq!(properties[0], ("Socket-Type".into(), Bytes::from_static(b"DEALER")));
        assert_eq!(properties[1], ("Identity".into(), Bytes::new()));
    }

    #[test]
    fn what_reaches_past_the_end_is_refused() {
        let mut out = Vec::new();
        encode(&mut out, "Socket-Type", b"DEALER");
        for cut in 1..out.len() {
            let ends_with_the_name = cut == 12;
            assert_eq!(parse(&out[..cut]).is_ok(), ends_with_the_name, "cut at {cut}");
        }
        out.push(0);
        assert_eq!(parse(&out), Err(Error::MalformedMetadata));
    }
}
