//! Greeting: the opening bytes, sent in pieces so that a peer of any version understands them (RFC 37, section 2;
//! RFC 15; RFC 13).

use crate::codec::Framing;
use crate::connection::{Config, Version};
use crate::error::Error;

/// How far the greeting has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Greeting {
    Signature,
    Version,
    Rest,
}

/// What the greeting settled on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settled {
    pub(crate) version: Version,
    /// A 1.0 peer without a version byte, whose subscriptions stay on its side.
    pub(crate) unversioned: bool,
}

impl Settled {
    pub(crate) fn framing(self) -> Framing {
        if self.version == Version::V1_0 { Framing::V1 } else { Framing::V2 }
    }
}

/// The first bytes: a frame header of 1.0 that announces the identity, to those who read it so.
pub(crate) fn signature(config: &Config, out: &mut Vec<u8>) {
    out.push(0xff);
    out.extend_from_slice(&(config.routing_id.len() as u64 + 1).to_be_bytes());
    out.push(0x7f);
}

impl Greeting {
    /// One step: takes what it understands from the front of `input`, and adds to `out` what is due. `Ok(None)` while
    /// more bytes are needed; in the end `self` has nothing left to do.
    pub(crate) fn step(
        &mut self,
        config: &Config,
        input: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Settled>, Error> {
        if *self == Greeting::Signature {
            match input.as_slice() {
                [] => return Ok(None),
                [first, ..] if *first != 0xff => return Ok(Some(unversioned(config, out)?)),
                [_, _, _, _, _, _, _, _, _, last, ..] if last & 1 == 0 => return Ok(Some(unversioned(config, out)?)),
                bytes if bytes.len() < 10 => return Ok(None),
                _ => {}
            }
            out.push(3);
            input.drain(..10);
            *self = Greeting::Version;
        }
        if *self == Greeting::Version {
            let Some(major) = input.first().copied() else { return Ok(None) };
            if major <= 1 {
                insecure_allowed(config)?;
                input.drain(..1);
                out.push(config.socket_type as u8);
                let version = if major == 0 { Version::V1_0 } else { Version::V2_0 };
                let settled = Settled { version, unversioned: false };
                settled.framing().encode(out, &config.routing_id, false);
                return Ok(Some(settled));
            }
            out.push(1);
            let mut mechanism = [0; 20];
            let name = config.mechanism.name().as_bytes();
            mechanism.iter_mut().zip(name).for_each(|(slot, byte)| *slot = *byte);
            out.extend_from_slice(&mechanism);
            out.extend_from_slice(&[0; 32]);
            *self = Greeting::Rest;
        }
        let Some(rest) = input.get(..REST_BYTES) else { return Ok(None) };
        let (major, minor) = (rest.first().copied(), rest.get(1).copied());
        let name = rest.get(2..22).unwrap_or_default();
        let own = config.mechanism.name().as_bytes();
        let (theirs, padding) = name.split_at_checked(own.len()).unwrap_or_default();
        if theirs != own || padding.iter().any(|byte| *byte != 0) {
            let text: String = String::from_utf8_lossy(name).trim_end_matches('\0').escape_debug().collect();
            return Err(Error::MechanismMismatch(text));
        }
        let version = if (major, minor) == (Some(3), Some(0)) { Version::V3_0 } else { Version::V3_1 };
        input.drain(..REST_BYTES);
        Ok(Some(Settled { version, unversioned: false }))
    }
}

/// The signature was the header of an identity message to this peer: its body follows.
fn unversioned(config: &Config, out: &mut Vec<u8>) -> Result<Settled, Error> {
    insecure_allowed(config)?;
    out.extend_from_slice(&config.routing_id);
    Ok(Settled { version: Version::V1_0, unversioned: true })
}

/// Peers before 3.0 know no security: only a socket that asks for none talks to them.
fn insecure_allowed(config: &Config) -> Result<(), Error> {
    let insecure = config.mechanism == crate::mechanism::MechanismConfig::Null && !config.authenticate;
    if insecure { Ok(()) } else { Err(Error::InsecureVersion) }
}

/// Version, mechanism, as-server and filler.
const REST_BYTES: usize = 54;
