//! CURVE peers that hold good keys and use them badly: what they say is well boxed, so that no checksum stops it. They
//! are written a second time here, with other primitives than the product's.
//!
//! The input is read as changes: for each field in turn a byte says whether it is changed before it is boxed, and how.
//! Without any, everything is as it should be, and must work.

use std::sync::Arc;
use std::time::Instant;

use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, XSalsa20Poly1305};
use curve25519_dalek::montgomery::MontgomeryPoint;
use salsa20::cipher::consts::U10;
use zmtp::{Config, Connection, CurveKey, CurveSecret, Error, Framing, MechanismConfig, SocketType};

use crate::handshakes::Said;
use crate::{greeting, handshake, hear};

/// A client that talks to a server.
pub fn curve_client(bytes: &[u8]) {
    let mut changes = Changes { bytes, made: false };
    let (long_term, transient) = ([9; 32], [11; 32]);
    let server_key = CurveSecret::new([7; 32]);
    let mut server = Peer::new(MechanismConfig::CurveServer { secret: server_key.clone() });
    server.say(&greeting("CURVE"));

    let to_server = secret_box(server_key.public().as_bytes(), &transient);
    let number = changes.field(&1u64.to_be_bytes());
    let text = changes.field(&[0; 64]);
    let boxed = seal(&to_server, b"CurveZMQHELLO---", &number, &text);
    let key = public(&transient);
    server.command(&changes.field(&[b"\x05HELLO\x01\x00", &[0; 72][..], &key, &number, &boxed].concat()));
    let Some(welcome) = server.answer(b"\x07WELCOME") else {
        return assert!(changes.made, "a good client got no answer");
    };
    let (sent, boxed) = welcome.split_at(16);
    let text = open(&to_server, b"WELCOME-", sent, boxed).expect("it is for this client");
    let (server_transient, cookie) = text.split_first_chunk::<32>().expect("there is a key in it");
    assert!(cookie.len() == 96);

    // What makes it the client that it says to be; the rest it may say as it likes.
    let hello_was_changed = changes.made;
    let cookie_sent = changes.field(cookie);
    let vouched = changes.field(&[key, *server_key.public().as_bytes()].concat());
    let vouch = changes.field(&seal(&secret_box(server_transient, &long_term), b"VOUCH---", &[5; 16], &vouched));
    let shown = changes.field(&public(&long_term));
    let metadata = changes.field(b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me");
    let number = changes.field(&2u64.to_be_bytes());
    let text = [&shown[..], &[5; 16], &vouch, &metadata].concat();
    let of_connection = secret_box(server_transient, &transient);
    let boxed = seal(&of_connection, b"CurveZMQINITIATE", &number, &text);
    server.command(&changes.field(&[b"\x08INITIATE", &cookie_sent[..], &number, &boxed].concat()));
    if !server.is_ready() {
        return assert!(changes.made, "a good client is not let in: {:?}", server.said);
    }
    assert!(!hello_was_changed || server.error.is_none());
    assert!(cookie_sent == cookie && vouched.starts_with(&key), "let in with a cookie or a vouch that is another's");
    assert!(shown == public(&long_term), "let in with a key that it has not shown to have");
    let last = number.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
    traffic(server, &mut changes, &of_connection, b"CurveZMQMESSAGEC", last);
}

/// A server that talks to a client.
pub fn curve_server(bytes: &[u8]) {
    let mut changes = Changes { bytes, made: false };
    let (long_term, transient) = ([7; 32], [11; 32]);
    let secret = CurveSecret::new([9; 32]);
    let server = CurveKey::new(public(&long_term));
    let mut client = Peer::new(MechanismConfig::CurveClient { public: secret.public(), secret, server });
    client.say(&greeting("CURVE"));
    let hello = client.answer(b"\x05HELLO").expect("a client begins");
    let client_key: &[u8; 32] = hello[74..].first_chunk().expect("there is a key in it");
    let to_client = secret_box(client_key, &long_term);

    let text = changes.field(&[&public(&transient)[..], &[3; 96]].concat());
    let key_sent: [u8; 32] = text.first_chunk().copied().unwrap_or_default();
    let boxed = seal(&to_client, b"WELCOME-", &[4; 16], &text);
    client.command(&changes.field(&[b"\x07WELCOME", &[4; 16][..], &boxed].concat()));
    if client.answer(b"\x08INITIATE").is_none() {
        return assert!(changes.made, "a good server got no answer");
    }
    let of_connection = secret_box(client_key, &transient);
    let metadata = changes.field(b"\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me");
    let number = changes.field(&1u64.to_be_bytes());
    let boxed = seal(&of_connection, b"CurveZMQREADY---", &number, &metadata);
    client.command(&changes.field(&[b"\x05READY", &number[..], &boxed].concat()));
    if !client.is_ready() {
        return assert!(changes.made, "a good server is refused: {:?}", client.said);
    }
    assert!(key_sent == public(&transient), "ready with a key that the server has not the secret of");
    let last = number.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
    traffic(client, &mut changes, &of_connection, b"CurveZMQMESSAGES", last);
}

/// Frames, some played twice, out of order or changed: what comes of them is what comes of the same ones in the clear, up
/// to the first that must be refused.
fn traffic(mut peer: Peer, changes: &mut Changes, both: &XSalsa20Poly1305, prefix: &[u8; 16], mut last: u64) {
    let mut plain = Peer::new(MechanismConfig::Null);
    plain.say(&handshake());
    peer.said.clear();
    plain.said.clear();
    let mut next = last;
    while let Some(([jump, flags, len], rest)) = changes.bytes.split_first_chunk::<3>() {
        let (body, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        changes.bytes = rest;
        // Mostly the next; else the same again, an old one, or one far ahead.
        next = match jump & 15 {
            0..=11 => next.wrapping_add(1),
            12 => next,
            13 => next.wrapping_sub(u64::from(jump >> 4)),
            14 => next.wrapping_add(1 << (jump >> 2)),
            _ => u64::MAX,
        };
        changes.made = false;
        let text = [&[*flags][..], body].concat();
        let text = if jump & 16 != 0 { changes.field(&text) } else { text };
        let text_is_there = !text.is_empty();
        changes.made = false;
        let boxed = seal(both, prefix, &next.to_be_bytes(), &text);
        let command = [b"\x07MESSAGE", &next.to_be_bytes()[..], &boxed].concat();
        let command = if jump & 32 != 0 { changes.field(&command) } else { command };
        let outer = if jump & 64 != 0 { flags & 5 } else { 0 };
        peer.frame(outer, &command);
        if changes.made || next <= last || !text_is_there {
            assert!(peer.error.is_some(), "{next} after {last} was taken in");
            break;
        }
        last = next;
        let mut wire = Vec::new();
        Framing::V2.encode_header(&mut wire, text.len() - 1, text[0] & 1 != 0, text[0] & 2 != 0);
        plain.say(&[&wire, &text[1..]].concat());
        if plain.error.is_some() || peer.error.is_some() {
            assert_eq!(peer.error, plain.error);
            break;
        }
    }
    assert_eq!(Said::flat(peer.said), Said::flat(plain.said));
}

/// The product's side.
struct Peer {
    connection: Connection,
    now: Instant,
    said: Vec<Said>,
    output: Vec<u8>,
    error: Option<Error>,
}

impl Peer {
    fn new(mechanism: MechanismConfig) -> Peer {
        let mut config = Config::new(SocketType::Dealer);
        config.limits.message_bytes_max = Some(1 << 20);
        config.limits.message_frames_max = 10;
        config.mechanism = mechanism;
        let now = Instant::now();
        let mut connection = Connection::new(Arc::new(config), now);
        let _ = connection.take_output();
        Peer { connection, now, said: Vec::new(), output: Vec::new(), error: None }
    }

    fn say(&mut self, bytes: &[u8]) {
        if self.error.is_some() {
            return;
        }
        let said = &mut self.said;
        let result = hear(&mut self.connection, bytes, self.now, &mut |event| said.push(Said::of(event)));
        self.error = result.map(|output| self.output.extend(output)).err();
    }

    fn command(&mut self, body: &[u8]) {
        self.frame(4, body);
    }

    fn frame(&mut self, flags: u8, body: &[u8]) {
        self.say(&[&[flags | 2][..], &(body.len() as u64).to_be_bytes(), body].concat());
    }

    /// What the command of this name says that it answered with, if it did.
    fn answer(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let output = std::mem::take(&mut self.output);
        let at = output.windows(name.len()).position(|window| window == name)?;
        Some(output[at + name.len()..].to_vec())
    }

    fn is_ready(&self) -> bool {
        self.said.iter().any(|said| matches!(said, Said::Other(text) if text.starts_with("Ready")))
    }
}

/// The input, taken a change at a time.
struct Changes<'a> {
    bytes: &'a [u8],
    made: bool,
}

impl Changes<'_> {
    fn byte(&mut self) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(*first)
    }

    /// A field, perhaps changed.
    fn field(&mut self, good: &[u8]) -> Vec<u8> {
        let mut field = good.to_vec();
        match self.byte() {
            0..=127 => return field,
            128..=159 => {
                let (at, by) = (self.byte(), self.byte());
                if let Some(byte) = field.get_mut(at) {
                    *byte ^= by as u8;
                }
            }
            160..=191 => field.truncate(self.byte()),
            192..=223 => {
                let (len, byte) = (self.byte(), self.byte());
                field.resize(field.len() + len, byte as u8);
            }
            _ => {
                let (other, rest) = self
                    .bytes
                    .split_at(self.bytes.len().min(self.bytes.first().map_or(0, |len| 1 + usize::from(*len))));
                self.bytes = rest;
                field = other.get(1..).unwrap_or_default().to_vec();
            }
        }
        self.made |= field != good;
        field
    }
}

fn public(secret: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*secret).0
}

fn secret_box(public: &[u8; 32], secret: &[u8; 32]) -> XSalsa20Poly1305 {
    let point = MontgomeryPoint(*public).mul_clamped(*secret).0;
    XSalsa20Poly1305::new(&salsa20::hsalsa::<U10>((&point).into(), &[0; 16].into()))
}

/// Whatever the length of what is sent of it, a nonce has 24 bytes.
fn nonce(prefix: &[u8], sent: &[u8]) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce.iter_mut().zip(prefix.iter().chain(sent)).for_each(|(slot, byte)| *slot = *byte);
    nonce
}

fn seal(cipher: &XSalsa20Poly1305, prefix: &[u8], sent: &[u8], text: &[u8]) -> Vec<u8> {
    cipher.encrypt((&nonce(prefix, sent)).into(), text).expect("it is short")
}

fn open(cipher: &XSalsa20Poly1305, prefix: &[u8], sent: &[u8], boxed: &[u8]) -> Option<Vec<u8>> {
    cipher.decrypt((&nonce(prefix, sent)).into(), boxed).ok()
}
