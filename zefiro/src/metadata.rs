//! Metadata: what is known of the connection a message came by.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fmt;

/// Properties of a connection: the peer's address, and what it told in the handshake (`zmq_msg_gets(3)`).
///
/// | name | value |
/// |---|---|
/// | `Peer-Address` | the peer's IP address; of an ipc peer `localhost:uid:gid:pid` |
/// | `Socket-Type` | the peer's socket type, as `DEALER` |
/// | `Identity` | the routing id the peer announced; also found as `Routing-Id` |
/// | `User-Id` | who the peer is, as its authentication said |
/// | `X-…` | what the peer's application added |
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Each value with a zero at its end, for C.
    properties: Vec<(String, Vec<u8>)>,
    descriptor: Option<i32>,
    /// The peer's address as C is told it, if that is another.
    address_for_c: Option<Vec<u8>>,
}

impl Metadata {
    pub(crate) fn new(descriptor: Option<i32>) -> Metadata {
        let mut metadata = Metadata { properties: Vec::new(), descriptor, address_for_c: None };
        if let Some(descriptor) = descriptor {
            metadata.add(DESCRIPTOR, descriptor.to_string().as_bytes());
        }
        metadata
    }

    /// Adds a property; of two with one name the first stays.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        if !self.properties.iter().any(|(other, _)| other == name) {
            self.properties.push((name.to_string(), [value, &[0]].concat()));
        }
    }

    /// Adds the properties that a peer tells of itself: there may be many, so that looking through all for each would take
    /// long.
    pub(crate) fn add_all<'a>(&mut self, properties: impl Iterator<Item = (&'a str, &'a [u8])>) {
        let mut known: HashSet<String> = self.properties.iter().map(|(name, _)| name.clone()).collect();
        for (name, value) in properties {
            if known.insert(name.to_string()) {
                self.properties.push((name.to_string(), [value, &[0]].concat()));
            }
        }
    }

    /// Adds the peer's address. `mapped`: it is an IPv4 address on an IPv6 socket, which libzmq writes as an IPv6 one.
    pub(crate) fn add_address(&mut self, address: &str, mapped: bool) {
        self.add(ADDRESS, address.as_bytes());
        self.address_for_c = mapped.then(|| format!("::ffff:{address}\0").into_bytes());
    }

    /// The value of a property; names compare byte for byte. Asked for `Identity`, `Routing-Id` will do.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(without_end)
    }

    /// The value of a property as C reads it: up to its first zero, and an address in libzmq's form.
    pub fn c_str(&self, name: &str) -> Option<&CStr> {
        let address = self.address_for_c.as_deref().filter(|_| name == ADDRESS);
        CStr::from_bytes_until_nul(address.or_else(|| self.find(name))?).ok()
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let find = |name: &str| self.properties.iter().find(|(other, _)| other == name);
        let found = find(name).or_else(|| (name == "Identity").then(|| find("Routing-Id")).flatten());
        found.map(|(_, value)| value.as_slice())
    }

    /// All properties, in the order they became known.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.properties.iter().map(|(name, value)| (name.as_str(), without_end(value)))
    }

    /// The number of the connection's descriptor, for what it is worth: it may be closed, or another's, by now.
    pub fn descriptor(&self) -> Option<i32> {
        self.descriptor
    }
}

const ADDRESS: &str = "Peer-Address";

/// The name libzmq keeps the descriptor's number under.
const DESCRIPTOR: &str = "__fd";

fn without_end(value: &[u8]) -> &[u8] {
    value.split_last().map_or(value, |(_, value)| value)
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        f.debug_map().entries(self.iter().map(|(name, value)| (name, text(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_properties_the_first_of_each_name_stays() {
        let mut metadata = Metadata::new(None);
        metadata.add("User-Id", b"alice");
        let names: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
        let all = || names.iter().map(|name| (name.as_str(), name.as_bytes()));
        let began = std::time::Instant::now();
        metadata.add_all(all().chain([("User-Id", &b"mallory"[..]), ("7", b"eight")]).chain(all()));
        // A look through all of them for each would take minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(metadata.iter().count(), 200_001);
        assert_eq!((metadata.get("User-Id"), metadata.get("7")), (Some(&b"alice"[..]), Some(&b"7"[..])));
    }
}
