//! Address filters: which peers may connect over tcp.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// A range of addresses: `10.0.0.0/8`, `::1`.
///
/// ```
/// # use zefiro::{AddressFilter, Pull};
/// let inside: AddressFilter = "10.0.0.0/8".parse()?;
/// let pull = Pull::builder().tcp_accept_filters([inside]).build()?;
/// assert_eq!(pull.options().tcp_accept_filters, [inside]);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AddressFilter {
    address: IpAddr,
    bits: u8,
}

impl AddressFilter {
    /// Whether `address` is in the range; IPv4 addresses mapped into IPv6 count as what they are.
    ///
    /// ```
    /// # use zefiro::AddressFilter;
    /// let inside: AddressFilter = "10.0.0.0/8".parse()?;
    /// assert!(inside.accepts("10.1.2.3".parse()?) && !inside.accepts("192.168.1.1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accepts(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(own).checked_shr(shift).unwrap_or(0) == u32::from(other).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                u128::from(own).checked_shr(shift).unwrap_or(0) == u128::from(other).checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }

    /// Reads what C programs write: the address may stand in brackets, and what follows the digits of the number is ignored.
    pub(super) fn parse_as_libzmq(text: &str) -> Option<AddressFilter> {
        let (address, bits) = text.rsplit_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
        let Some(bits) = bits else { return address.parse().ok() };
        let number = bits.trim_ascii_start();
        let number = number.strip_prefix('+').unwrap_or(number);
        let digits = number.split(|character: char| !character.is_ascii_digit()).next()?;
        // Zero has to be meant.
        let is_meant = bits == "0" || digits.bytes().any(|digit| digit != b'0');
        if is_meant { format!("{address}/{digits}").parse().ok() } else { None }
    }

    pub(super) fn is_ipv6(&self) -> bool {
        self.address.is_ipv6()
    }
}

impl FromStr for AddressFilter {
    type Err = Error;

    fn from_str(text: &str) -> Result<AddressFilter> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
            Some(AddressFilter { address, bits })
        });
        parsed.ok_or_else(|| {
            let why = "allowed is: an address, or an address and a number of bits";
            Error::with_text(ErrorKind::InvalidOption, "set option", format!("tcp_accept_filters {text}"), why)
        })
    }
}

impl fmt::Display for AddressFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_know_who_is_in_their_range() {
        let filter: AddressFilter = "10.1.0.0/16".parse().unwrap();
        assert!(filter.accepts("10.1.200.3".parse().unwrap()) && !filter.accepts("10.2.0.1".parse().unwrap()));
        assert!(filter.accepts("::ffff:10.1.0.1".parse().unwrap()));
        assert!(!filter.accepts("::1".parse().unwrap()));
        let everybody: AddressFilter = "0.0.0.0/0".parse().unwrap();
        assert!(everybody.accepts("1.2.3.4".parse().unwrap()));
        assert_eq!(filter.to_string(), "10.1.0.0/16");
    }

    #[test]
    fn c_programs_are_read_as_libzmq_does() {
        for (text, filter) in [
            ("10.0.0.0/8x", "10.0.0.0/8"),
            ("10.0.0.0/ +8", "10.0.0.0/8"),
            ("10.0.0.0/0", "10.0.0.0/0"),
            ("[10.0.0.1]", "10.0.0.1"),
            ("[::1]/128", "::1/128"),
        ] {
            assert_eq!(AddressFilter::parse_as_libzmq(text), filter.parse().ok(), "{text}");
        }
        for text in ["/8x", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/0x8", "10.0.0.0/33x", "10.0.0.0/8/8"] {
            assert_eq!(AddressFilter::parse_as_libzmq(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "localhost", "10.0.0.0/8/8"] {
            assert!(text.parse::<AddressFilter>().is_err(), "{text}");
        }
    }
}
