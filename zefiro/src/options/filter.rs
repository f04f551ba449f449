//! Address filters: which peers may connect over tcp.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
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
    /// Whether `address` is in the range. Addresses of IPv4 are also in IPv6, mapped: `::ffff:10.0.0.0/104` is `10.0.0.0/8`,
    /// and `::/0` is everybody.
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
            (IpAddr::V6(own), other) => {
                let other = match other {
                    IpAddr::V4(other) => other.to_ipv6_mapped(),
                    IpAddr::V6(other) => other,
                };
                let shift = 128 - u32::from(self.bits);
                u128::from(own).checked_shr(shift).unwrap_or(0) == u128::from(other).checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }

    /// Reads what C programs write, of sockets with IPv6 or without: the address may stand in brackets, be short or have a
    /// zone, which does not matter; what follows the digits of the number is ignored; and with IPv6 the number may be that
    /// of the mapped address.
    pub(super) fn parse_as_libzmq(text: &str, ipv6: bool) -> Option<AddressFilter> {
        let (address, bits) = text.rsplit_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
        let address = match address.rsplit_once('%') {
            Some((address, zone)) => Some(address).filter(|_| is_zone(zone))?,
            None => address,
        };
        let address = address.parse().ok().or_else(|| short_ipv4(address).map(IpAddr::V4))?;
        let address = if ipv6 { address } else { IpAddr::V4(ipv4_of(address)?) };
        let bits_own = if address.is_ipv4() { 32 } else { 128 };
        let bits_most = if ipv6 { 128 } else { 32 };
        let bits = match bits {
            None => bits_own,
            Some(digits) => {
                // Zero has to be meant.
                let number = Some(atoi(digits)).filter(|number| *number != 0 || digits == "0")?;
                u8::try_from(number).ok().filter(|bits| *bits <= bits_most)?
            }
        };
        match address {
            IpAddr::V4(own) if bits > bits_own => Some(AddressFilter { address: own.to_ipv6_mapped().into(), bits }),
            _ => Some(AddressFilter { address, bits }),
        }
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

fn ipv4_of(address: IpAddr) -> Option<Ipv4Addr> {
    match address.to_canonical() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// An address as C's `inet_aton` reads it: `127.1`, `0x7f000001`. The last of one to four numbers is all that is left.
fn short_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut numbers: Vec<u32> = text.split('.').map(c_number).collect::<Option<_>>()?;
    let last = numbers.pop()?;
    let mut left = u32::BITS;
    let mut address = 0;
    for number in numbers {
        left = left.checked_sub(8).filter(|left| *left > 0)?;
        address |= u32::from(u8::try_from(number).ok()?) << left;
    }
    let fits = last.leading_zeros() >= u32::BITS - left;
    fits.then(|| Ipv4Addr::from(address | last))
}

/// A number as C writes them: hexadecimal behind `0x`, octal behind `0`.
fn c_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // A sign is none of it.
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

/// An interface's name, or a number that is not zero.
fn is_zone(text: &str) -> bool {
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        crate::sys::net::interface_index(text).is_some()
    } else {
        atoi(text) as u32 != 0
    }
}

/// As C does: blanks, a sign and digits, whatever follows.
fn atoi(text: &str) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    sign * digits.fold(0i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')))
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
    fn ranges_of_ipv6_know_mapped_addresses() {
        let filter: AddressFilter = "::ffff:10.0.0.0/104".parse().unwrap();
        for (address, is_in) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("11.0.0.0", false), ("::1", false)] {
            assert_eq!(filter.accepts(address.parse().unwrap()), is_in, "{address}");
        }
        let everybody: AddressFilter = "::/0".parse().unwrap();
        assert!(["1.2.3.4", "::1"].iter().all(|address| everybody.accepts(address.parse().unwrap())));
        let ipv6: AddressFilter = "2000::/3".parse().unwrap();
        assert!(!ipv6.accepts("32.0.0.1".parse().unwrap()));
    }

    #[test]
    fn c_programs_are_read_as_libzmq_does() {
        for (text, filter) in [
            ("10.0.0.0/8x", "10.0.0.0/8"),
            ("10.0.0.0/ +8", "10.0.0.0/8"),
            ("10.0.0.0/0", "10.0.0.0/0"),
            ("[10.0.0.1]", "10.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("10/8", "0.0.0.10/8"),
            ("0x7f.1", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("1.2.65535", "1.2.255.255"),
            ("4294967295", "255.255.255.255"),
            ("1.2.3.4%1", "1.2.3.4"),
            ("1.2.3.4% -1x", "1.2.3.4"),
        ] {
            for ipv6 in [false, true] {
                assert_eq!(AddressFilter::parse_as_libzmq(text, ipv6), filter.parse().ok(), "{text}");
            }
        }
        let refused =
            ["/8x", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/0x8", "10.0.0.0/129x", "10.0.0.0/8/8"];
        let no_address =
            ["", "1.2.3.4.5", "256.1", "1.2.65536", "4294967296", "127.0.0.08", "0x", "+1", "-1", "1..2", "1."];
        let no_zone = ["1.2.3.4%", "1.2.3.4%0", "1.2.3.4%nothing", "fe80::1%4294967296"];
        for text in refused.into_iter().chain(no_address).chain(no_zone) {
            assert_eq!(AddressFilter::parse_as_libzmq(text, true), None, "{text}");
            assert_eq!(AddressFilter::parse_as_libzmq(text, false), None, "{text}");
        }
    }

    #[test]
    fn what_c_programs_write_means_more_with_ipv6() {
        for (text, with, without) in [
            ("[::1]/128", "::1", None),
            ("fe80::1%1/64", "fe80::1/64", None),
            ("10.0.0.0/104", "::ffff:10.0.0.0/104", None),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1", Some("10.0.0.1")),
            ("::ffff:10.0.0.1/8", "::ffff:10.0.0.1/8", Some("10.0.0.1/8")),
            ("::ffff:10.0.0.1/104", "::ffff:10.0.0.1/104", None),
        ] {
            let expected = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            assert_eq!(AddressFilter::parse_as_libzmq(text, true), expected(Some(with)), "{text}");
            assert_eq!(AddressFilter::parse_as_libzmq(text, false), expected(without), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "localhost", "10.0.0.0/8/8"] {
            assert!(text.parse::<AddressFilter>().is_err(), "{text}");
        }
    }
}
