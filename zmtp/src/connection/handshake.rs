//! Handshake: from its first command, or from the identity of an older peer, to traffic.

use std::time::Instant;

use bytes::Bytes;

use super::{Connection, Event, PeerInfo, Phase, Version};
use crate::codec::Framing;
use crate::error::Error;
use crate::frame::Frame;
use crate::mechanism::Mechanism;
use crate::scanner::Scanner;
use crate::socket_type::SocketType;

impl Connection {
    pub(super) fn read_identity(&mut self, now: Instant) -> Result<(), Error> {
        let Some((identity, more)) = self.take_small_frame()? else { return Ok(()) };
        if more {
            return Err(Error::MalformedFrame);
        }
        self.ready(Vec::new(), None, Frame::from(identity), now);
        if self.settled.unversioned && matches!(self.config.socket_type, SocketType::Pub | SocketType::XPub) {
            // Such a peer filters on its side: it wants everything.
            self.events.push_back(Event::Subscribe(Frame::new()));
        }
        Ok(())
    }

    pub(super) fn shake_hands(&mut self, now: Instant) -> Result<(), Error> {
        loop {
            let Phase::Handshake(mechanism) = &mut self.phase else { return Ok(()) };
            if let Some(properties) = mechanism.announced() {
                type_of_peer(properties, self.config.socket_type)?;
            }
            push_commands(&mut **mechanism, &mut self.output);
            if let Some(token) = mechanism.token() {
                self.events.push_back(Event::Negotiate(token));
            }
            if let Some(question) = mechanism.question() {
                self.events.push_back(Event::Authenticate(question));
            }
            if let Some(properties) = mechanism.take_properties() {
                (self.sealer, self.opener) = mechanism.take_cipher().unzip();
                let socket_type = type_of_peer(&properties, self.config.socket_type)?;
                let identity = find(&properties, "Identity").cloned().map(Frame::from).unwrap_or_default();
                self.ready(properties, socket_type, identity, now);
                return Ok(());
            }
            let Some((body, _)) = self.take_small_frame()? else { return Ok(()) };
            let Phase::Handshake(mechanism) = &mut self.phase else { return Ok(()) };
            mechanism.handle_command(&body)?;
        }
    }

    /// A frame of the handshake from the front of the input; `None` if it is not complete.
    fn take_small_frame(&mut self) -> Result<Option<(Vec<u8>, bool)>, Error> {
        let Some(header) = self.settled.framing().decode_header(&self.input)? else { return Ok(None) };
        let limit =
            (self.config.limits.command_bytes_max as u64).min(self.config.limits.frame_bytes_max.unwrap_or(u64::MAX));
        if header.body > limit {
            return Err(Error::Oversize { bytes: header.body, limit });
        }
        let end = header.end_from(0)?;
        let Some(body) = self.input.get(header.len..end).map(<[u8]>::to_vec) else { return Ok(None) };
        self.input.drain(..end);
        Ok(Some((body, header.more)))
    }

    fn ready(
        &mut self,
        metadata: Vec<(String, Bytes)>,
        socket_type: Option<SocketType>,
        routing_id: Frame,
        now: Instant,
    ) {
        let framing = self.settled.framing();
        let info = PeerInfo { version: self.settled.version, framing, socket_type, routing_id, metadata };
        self.events.push_back(Event::Ready(info));
        self.handshake_ends = None;
        let since = if self.config.heartbeat.only_current { Version::V3_1 } else { Version::V3_0 };
        if self.settled.version >= since {
            self.clocks.start(&self.config.heartbeat, now);
        }
        self.phase = Phase::Traffic(Scanner::new(framing, self.config.socket_type == SocketType::Req));
    }
}

fn find<'a>(properties: &'a [(String, Bytes)], name: &str) -> Option<&'a Bytes> {
    properties.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// The socket type that a peer announces, if it does; the first, if it does so more than once.
///
/// # Errors
/// One of them is none that a socket of type `own` talks to.
fn type_of_peer(properties: &[(String, Bytes)], own: SocketType) -> Result<Option<SocketType>, Error> {
    let mut announced = None;
    for (_, name) in properties.iter().filter(|(property, _)| property == "Socket-Type") {
        let peer = SocketType::from_name(name).filter(|peer| own.accepts(*peer));
        let shown = name.get(..TYPE_BYTES_SHOWN).unwrap_or(name);
        let peer = peer.ok_or_else(|| Error::IncompatibleType(String::from_utf8_lossy(shown).into_owned()))?;
        announced.get_or_insert(peer);
    }
    Ok(announced)
}

pub(super) fn push_commands(mechanism: &mut dyn Mechanism, out: &mut Vec<u8>) {
    while let Some(body) = mechanism.next_command() {
        Framing::V2.encode_header(out, body.len(), false, true);
        out.extend_from_slice(&body);
    }
}

/// Bytes of an unknown socket type that errors name.
const TYPE_BYTES_SHOWN: usize = 32;
