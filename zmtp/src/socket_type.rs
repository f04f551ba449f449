//! Socket types: their names and numbers on the wire, and who may talk to whom.

use std::fmt;
use std::str::FromStr;

/// A socket type. The discriminant is its number in ZMTP 2.0 greetings and in the C API.
///
/// ```
/// # use zmtp::SocketType;
/// assert_eq!((SocketType::Push as u8, SocketType::Push.to_string()), (8, "PUSH".into()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "what each does is said where sockets are made")]
pub enum SocketType {
    Pair = 0,
    Pub = 1,
    Sub = 2,
    Req = 3,
    Rep = 4,
    Dealer = 5,
    Router = 6,
    Pull = 7,
    Push = 8,
    XPub = 9,
    XSub = 10,
    Stream = 11,
    Server = 12,
    Client = 13,
    Radio = 14,
    Dish = 15,
    Gather = 16,
    Scatter = 17,
    Dgram = 18,
    Peer = 19,
    Channel = 20,
}

impl SocketType {
    /// All types.
    pub const ALL: [SocketType; 21] = [
        SocketType::Pair,
        SocketType::Pub,
        SocketType::Sub,
        SocketType::Req,
        SocketType::Rep,
        SocketType::Dealer,
        SocketType::Router,
        SocketType::Pull,
        SocketType::Push,
        SocketType::XPub,
        SocketType::XSub,
        SocketType::Stream,
        SocketType::Server,
        SocketType::Client,
        SocketType::Radio,
        SocketType::Dish,
        SocketType::Gather,
        SocketType::Scatter,
        SocketType::Dgram,
        SocketType::Peer,
        SocketType::Channel,
    ];

    /// The name on the wire.
    ///
    /// ```
    /// assert_eq!(zmtp::SocketType::XPub.name(), "XPUB");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            SocketType::Pair => "PAIR",
            SocketType::Pub => "PUB",
            SocketType::Sub => "SUB",
            SocketType::Req => "REQ",
            SocketType::Rep => "REP",
            SocketType::Dealer => "DEALER",
            SocketType::Router => "ROUTER",
            SocketType::Pull => "PULL",
            SocketType::Push => "PUSH",
            SocketType::XPub => "XPUB",
            SocketType::XSub => "XSUB",
            SocketType::Stream => "STREAM",
            SocketType::Server => "SERVER",
            SocketType::Client => "CLIENT",
            SocketType::Radio => "RADIO",
            SocketType::Dish => "DISH",
            SocketType::Gather => "GATHER",
            SocketType::Scatter => "SCATTER",
            SocketType::Dgram => "DGRAM",
            SocketType::Peer => "PEER",
            SocketType::Channel => "CHANNEL",
        }
    }

    /// The type with this name, in capitals as on the wire; [`FromStr`] is for what people write.
    ///
    /// ```
    /// # use zmtp::SocketType;
    /// assert_eq!(SocketType::from_name(b"DEALER"), Some(SocketType::Dealer));
    /// assert_eq!(SocketType::from_name(b"dealer"), None);
    /// ```
    pub fn from_name(name: &[u8]) -> Option<SocketType> {
        SocketType::ALL.into_iter().find(|socket_type| socket_type.name().as_bytes() == name)
    }

    /// Whether the types can talk to each other.
    ///
    /// ```
    /// # use zmtp::SocketType;
    /// assert!(SocketType::Req.accepts(SocketType::Router) && !SocketType::Req.accepts(SocketType::Pull));
    /// ```
    pub fn accepts(self, peer: SocketType) -> bool {
        use SocketType::*;
        match self {
            Pair => peer == Pair,
            Pub | XPub => matches!(peer, Sub | XSub),
            Sub | XSub => matches!(peer, Pub | XPub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
            Pull => peer == Push,
            Push => peer == Pull,
            Stream => false,
            Server => peer == Client,
            Client => peer == Server,
            Radio => peer == Dish,
            Dish => peer == Radio,
            Gather => peer == Scatter,
            Scatter => peer == Gather,
            Dgram => peer == Dgram,
            Peer => peer == Peer,
            Channel => peer == Channel,
        }
    }

    /// Whether the type tells its peers an identity (RFC 37: REQ, DEALER, and ROUTER too).
    ///
    /// ```
    /// # use zmtp::SocketType;
    /// assert!(SocketType::Dealer.sends_identity() && !SocketType::Push.sends_identity());
    /// ```
    pub fn sends_identity(self) -> bool {
        matches!(self, SocketType::Req | SocketType::Dealer | SocketType::Router)
    }
}

/// Reads a name in any case: `push`, `PUSH`, `Push`.
///
/// ```
/// use zmtp::SocketType;
///
/// assert_eq!("dealer".parse(), Ok(SocketType::Dealer));
/// ```
impl FromStr for SocketType {
    type Err = UnknownSocketType;

    fn from_str(text: &str) -> Result<SocketType, UnknownSocketType> {
        let found = SocketType::ALL.into_iter().find(|socket_type| socket_type.name().eq_ignore_ascii_case(text));
        found.ok_or(UnknownSocketType(()))
    }
}

/// A text is no socket type's name.
///
/// ```
/// # use zmtp::SocketType;
/// let error = "puhs".parse::<SocketType>().unwrap_err();
/// assert!(error.to_string().starts_with("no such socket type: there are PAIR, "));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UnknownSocketType(());

impl fmt::Display for UnknownSocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such socket type: there are ")?;
        // Not joined: LLVM takes minutes to optimize that of so many.
        for (index, socket_type) in SocketType::ALL.iter().enumerate() {
            f.write_str(if index > 0 { ", " } else { "" })?;
            f.write_str(socket_type.name())?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownSocketType {}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talking_goes_both_ways() {
        for one in SocketType::ALL {
            for other in SocketType::ALL {
                assert_eq!(one.accepts(other), other.accepts(one), "{one} and {other}");
            }
            assert_eq!(SocketType::from_name(one.name().as_bytes()), Some(one));
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        for one in SocketType::ALL {
            assert_eq!(one.to_string().parse(), Ok(one));
            assert_eq!(format!("{one:?}").parse(), Ok(one));
            assert_eq!(one.name().to_lowercase().parse(), Ok(one));
        }
        for text in ["", "pus", "push ", "PUSHPULL"] {
            let error = text.parse::<SocketType>().unwrap_err();
            assert!(error.to_string().contains("PUSH, "), "{error}");
        }
    }
}
