//! Metadata: what is known of the connection a message came by.

use std::collections::BTreeMap;
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
///
/// ```
/// # use zefiro::{Pull, Push};
/// # let (push, pull) = (Push::new(), Pull::new());
/// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
/// push.send("hello")?;
/// let (_, peer) = pull.recv_from()?;
/// let peer = peer.expect("a peer over tcp has told of itself");
/// assert_eq!(peer.get("Socket-Type"), Some(&b"PUSH"[..]));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// By name, for a peer may tell very many.
    properties: BTreeMap<String, Property>,
    descriptor: Option<i32>,
    /// The peer's address as C is told it, if that is another.
    address_for_c: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Property {
    /// How many became known before it.
    place: usize,
    /// With a zero at its end, for C.
    value: Vec<u8>,
}

impl Metadata {
    pub(crate) fn new(descriptor: Option<i32>) -> Metadata {
        let mut metadata = Metadata { descriptor, ..Metadata::default() };
        if let Some(descriptor) = descriptor {
            metadata.add(DESCRIPTOR, descriptor.to_string().as_bytes());
        }
        metadata
    }

    /// Adds a property; of two with one name the first stays.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        let place = self.properties.len();
        let property = || Property { place, value: [value, &[0]].concat() };
        self.properties.entry(name.to_string()).or_insert_with(property);
    }

    /// Adds the peer's address. `mapped`: it is an IPv4 address on an IPv6 socket, which libzmq writes as an IPv6 one.
    pub(crate) fn add_address(&mut self, address: &str, mapped: bool) {
        self.add(ADDRESS, address.as_bytes());
        self.address_for_c = mapped.then(|| format!("::ffff:{address}\0").into_bytes());
    }

    /// The value of a property; names compare byte for byte. Asked for `Identity`, `Routing-Id` will do.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let pull = Pull::new();
    /// let push = Push::builder().metadata([("X-Shift".to_string(), b"night".to_vec())]).build()?;
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// let (_, peer) = pull.recv_from()?;
    /// assert_eq!(peer.as_ref().and_then(|peer| peer.get("X-Shift")), Some(&b"night"[..]));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(without_end)
    }

    /// The value of a property as C reads it: up to its first zero, and an address in libzmq's form.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// # push.send("hello")?;
    /// let (_, peer) = pull.recv_from()?;
    /// assert_eq!(peer.as_ref().and_then(|peer| peer.c_str("Socket-Type")), Some(c"PUSH"));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn c_str(&self, name: &str) -> Option<&CStr> {
        let address = self.address_for_c.as_deref().filter(|_| name == ADDRESS);
        CStr::from_bytes_until_nul(address.or_else(|| self.find(name))?).ok()
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let find = |name: &str| self.properties.get(name);
        let found = find(name).or_else(|| (name == "Identity").then(|| find("Routing-Id")).flatten());
        found.map(|property| property.value.as_slice())
    }

    /// All properties, in the order they became known.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// # push.send("hello")?;
    /// let (_, peer) = pull.recv_from()?;
    /// let names: Vec<String> = peer.iter().flat_map(|peer| peer.iter()).map(|(name, _)| name.to_string()).collect();
    /// assert!(names.contains(&"Peer-Address".to_string()));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut all: Vec<_> = self.properties.iter().collect();
        all.sort_by_key(|(_, property)| property.place);
        all.into_iter().map(|(name, property)| (name.as_str(), without_end(&property.value)))
    }

    /// The number of the connection's descriptor, for what it is worth: it may be closed, or another's, by now.
    ///
    /// ```
    /// # use zefiro::{Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// # push.send("hello")?;
    /// let (_, peer) = pull.recv_from()?;
    /// assert!(peer.and_then(|peer| peer.descriptor()).is_some());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
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

    /// Miri interprets each step: it is given so many times less to do.
    const LESS: usize = if cfg!(miri) { 1000 } else { 1 };

    #[test]
    fn of_very_many_properties_the_first_of_each_name_stays_and_each_is_found() {
        let mut metadata = Metadata::new(None);
        metadata.add("User-Id", b"alice");
        let names: Vec<String> = (0..200_000 / LESS).map(|number| number.to_string()).collect();
        let began = std::time::Instant::now();
        for name in names.iter().chain(&names) {
            metadata.add(name, name.as_bytes());
        }
        metadata.add("User-Id", b"mallory");
        metadata.add("7", b"eight");
        assert!(names.iter().all(|name| metadata.get(name) == Some(name.as_bytes())));
        // A look through all of them for each would take minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!((metadata.get("User-Id"), metadata.get("8x")), (Some(&b"alice"[..]), None));
        let told = ["User-Id"].into_iter().chain(names.iter().map(String::as_str));
        assert!(metadata.iter().map(|(name, _)| name).eq(told));
    }
}
