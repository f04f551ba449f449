//! What the security options come to: one mechanism, in one role.

use zeroize::Zeroizing;
use zmtp::{CurveKey, CurveSecret, MechanismConfig, Password, SocketType};

use super::Options;
use super::codec::{Codec, int, put};
use super::value::TextValue;
use crate::error::{Error, ErrorKind, Result};
use crate::gssapi::GssapiName;
use crate::shared_key::SharedKey;

/// The security mechanism a socket's options ask for. A shared key goes before all else, CURVE before
/// GSSAPI and that before PLAIN, a server before a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Security {
    Null,
    PlainServer,
    PlainClient,
    CurveServer,
    CurveClient,
    GssapiServer,
    GssapiClient,
    /// CURVE, as a server to those who connect and as a client to those connected to.
    Shared,
}

/// What a program in C has come to: in libzmq each option of a mechanism chooses it, and with that perhaps a role.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(super) mechanism: Mechanism,
    pub(super) serves: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mechanism {
    Null,
    Plain,
    Curve,
    Gssapi,
}

impl Options {
    /// What the options ask for.
    pub(crate) fn security(&self) -> Security {
        match self.chosen {
            Some(chosen) if self.shared_key.is_none() => chosen.security(),
            _ => self.strongest(),
        }
    }

    fn strongest(&self) -> Security {
        let keys = self.curve_public_key.is_some() || self.curve_secret_key.is_some();
        if self.shared_key.is_some() {
            Security::Shared
        } else if self.curve_server {
            Security::CurveServer
        } else if keys || self.curve_server_key.is_some() {
            Security::CurveClient
        } else if self.gssapi_server == Some(true) {
            Security::GssapiServer
        } else if self.gssapi_server.is_some()
            || !self.gssapi_principal.is_empty()
            || !self.gssapi_service_principal.is_empty()
        {
            Security::GssapiClient
        } else if self.plain_server {
            Security::PlainServer
        } else if !self.plain_username.is_empty() || !self.plain_password.is_empty() {
            Security::PlainClient
        } else {
            Security::Null
        }
    }

    /// The mechanism, as the protocol wants it, of the side that was connected to or the one that connects. A key that is
    /// missing is all zeros, and fits no peer.
    pub(crate) fn mechanism(&self, accepted: bool) -> MechanismConfig {
        if let Some(key) = &self.shared_key {
            return if accepted {
                MechanismConfig::CurveServer { secret: key.server_secret().clone() }
            } else {
                MechanismConfig::CurveClient {
                    public: key.client_public(),
                    secret: key.client_secret().clone(),
                    server: key.server_public(),
                }
            };
        }
        let secret = self.curve_secret_key.clone().unwrap_or_else(|| CurveSecret::new([0; 32]));
        match self.security() {
            Security::Null | Security::Shared => MechanismConfig::Null,
            Security::PlainServer => MechanismConfig::PlainServer,
            Security::PlainClient => MechanismConfig::PlainClient {
                username: self.plain_username.to_vec(),
                password: self.plain_password.clone(),
            },
            Security::CurveServer => MechanismConfig::CurveServer { secret },
            Security::CurveClient => MechanismConfig::CurveClient {
                public: match self.curve_public_key {
                    Some(public) => public,
                    // libzmq derives none.
                    None if self.chosen.is_some() => CurveKey::default(),
                    None => secret.public(),
                },
                secret,
                server: self.curve_server_key.unwrap_or_default(),
            },
            Security::GssapiServer => MechanismConfig::GssapiServer { plaintext: self.gssapi_plaintext },
            Security::GssapiClient => MechanismConfig::GssapiClient { plaintext: self.gssapi_plaintext },
        }
    }

    /// The mechanism's name.
    pub(crate) fn mechanism_name(&self) -> &'static str {
        match self.security() {
            Security::Null => "NULL",
            Security::PlainServer | Security::PlainClient => "PLAIN",
            Security::CurveServer | Security::CurveClient | Security::Shared => "CURVE",
            Security::GssapiServer | Security::GssapiClient => "GSSAPI",
        }
    }

    /// Whether this side is the client of a mechanism, whichever side connects.
    pub(crate) fn is_client(&self) -> bool {
        matches!(self.security(), Security::PlainClient | Security::CurveClient | Security::GssapiClient)
    }

    /// Whether an authenticator is asked about peers (RFC 27), if there is one.
    pub(crate) fn authenticates(&self) -> bool {
        match self.security() {
            Security::Null => !self.zap_domain.is_empty(),
            Security::PlainServer | Security::Shared => true,
            Security::CurveServer | Security::GssapiServer => !self.zap_domain.is_empty() || !self.zap_enforce_domain,
            Security::PlainClient | Security::CurveClient | Security::GssapiClient => false,
        }
    }

    /// Fails where a mechanism or an authenticator is asked for on plain TCP, which has no handshake, and where the
    /// socket's own authenticator would never be asked. Programs in C may set what means nothing, as with libzmq.
    pub(crate) fn check_security(&self, socket_type: SocketType, has_authenticator: bool) -> Result<()> {
        let is_raw = socket_type == SocketType::Stream || self.router_raw;
        let is_asked = has_authenticator || self.authenticates() || self.zap_enforce_domain;
        if is_raw && (is_asked || self.security() != Security::Null) {
            let why = "plain TCP has no handshake in which a peer could be asked";
            return Err(Error::with_text(ErrorKind::InvalidOption, "socket", "security", why));
        }
        if has_authenticator && self.is_client() {
            let why = "the client of a mechanism shows who it is, and learns nothing to ask about its peers";
            return Err(Error::with_text(ErrorKind::InvalidOption, "socket", "authenticator", why));
        }
        Ok(())
    }

    /// Whether peers are turned away when there is no authenticator.
    pub(crate) fn needs_authenticator(&self) -> bool {
        self.zap_enforce_domain || self.security() == Security::PlainServer
    }
}

impl Chosen {
    fn security(self) -> Security {
        match (self.mechanism, self.serves) {
            (Mechanism::Null, _) => Security::Null,
            (Mechanism::Plain, true) => Security::PlainServer,
            (Mechanism::Plain, false) => Security::PlainClient,
            (Mechanism::Curve, true) => Security::CurveServer,
            (Mechanism::Curve, false) => Security::CurveClient,
            (Mechanism::Gssapi, true) => Security::GssapiServer,
            (Mechanism::Gssapi, false) => Security::GssapiClient,
        }
    }
}

impl TextValue for CurveKey {
    fn parse(text: &str) -> Option<CurveKey> {
        CurveKey::from_z85(text)
    }

    fn print(&self) -> String {
        self.to_z85()
    }
}

impl TextValue for CurveSecret {
    fn parse(text: &str) -> Option<CurveSecret> {
        CurveSecret::from_z85(text)
    }

    /// Secrets are not printed.
    fn print(&self) -> String {
        "(a secret)".to_string()
    }
}

/// What is printed in a secret's place.
const HIDDEN: &str = "(a secret)";

impl TextValue for Password {
    /// What is printed in its place is none: options that are copied as text fail rather than have that for a password.
    fn parse(text: &str) -> Option<Password> {
        (text != HIDDEN).then(|| text.into())
    }

    /// Secrets are not printed.
    fn print(&self) -> String {
        if self.is_empty() { String::new() } else { HIDDEN.to_string() }
    }
}

impl TextValue for SharedKey {
    fn parse(text: &str) -> Option<SharedKey> {
        text.parse().ok()
    }

    /// Secrets are not printed.
    fn print(&self) -> String {
        "(a secret)".to_string()
    }
}

impl TextValue for GssapiName {
    fn parse(text: &str) -> Option<GssapiName> {
        let numbered = KINDS.iter().zip(["0", "1", "2"]);
        numbered.into_iter().find(|((_, name), number)| text == *name || text == *number).map(|((kind, _), _)| *kind)
    }

    fn print(&self) -> String {
        KINDS.iter().find(|(kind, _)| kind == self).map(|(_, name)| name.to_string()).unwrap_or_default()
    }
}

/// The kinds of names by their numbers in C.
const KINDS: [(GssapiName, &str); 3] = [
    (GssapiName::HostBased, "host-based"),
    (GssapiName::UserName, "user"),
    (GssapiName::KerberosPrincipal, "principal"),
];

/// A kind of name: its number.
pub(super) struct NameType;

impl Codec<GssapiName> for NameType {
    fn decode(value: Option<&[u8]>, field: &mut GssapiName) -> Option<()> {
        *field = KINDS.get(usize::try_from(int(value)?).ok()?)?.0;
        Some(())
    }

    fn encode(field: &GssapiName, out: &mut Vec<u8>) {
        put(KINDS.iter().position(|(kind, _)| kind == field).unwrap_or_default(), out);
    }
}

/// A key: 32 bytes, or Z85 text with or without its zero.
pub(super) struct Key;

impl Codec<Option<CurveKey>> for Key {
    fn decode(value: Option<&[u8]>, field: &mut Option<CurveKey>) -> Option<()> {
        let former = field.as_ref().map_or([0; 32], |key| *key.as_bytes());
        *field = Some(CurveKey::new(key_bytes(value?, former)?));
        Some(())
    }

    fn encode(field: &Option<CurveKey>, out: &mut Vec<u8>) {
        out.extend_from_slice(field.unwrap_or_default().as_bytes());
    }
}

impl Codec<Option<CurveSecret>> for Key {
    fn decode(value: Option<&[u8]>, field: &mut Option<CurveSecret>) -> Option<()> {
        let former = Zeroizing::new(field.as_ref().map_or([0; 32], CurveSecret::to_bytes));
        *field = Some(CurveSecret::new(key_bytes(value?, *former)?));
        Some(())
    }

    fn encode(field: &Option<CurveSecret>, out: &mut Vec<u8>) {
        out.extend_from_slice(&field.as_ref().map_or([0; 32], CurveSecret::to_bytes));
    }
}

/// What a text leaves out, a zero being within it, stays as it was, as with libzmq.
fn key_bytes(value: &[u8], former: [u8; 32]) -> Option<[u8; 32]> {
    match value.len() {
        32 => value.try_into().ok(),
        40 | 41 => {
            let text = value.split(|byte| *byte == 0).next().filter(|text| !text.is_empty())?;
            let bytes = Zeroizing::new(zmtp::z85::decode(text)?);
            let mut key = former;
            key.get_mut(..bytes.len())?.copy_from_slice(&bytes);
            Some(key)
        }
        _ => None,
    }
}
