//! Options as the C API has them: by number, as bytes, with libzmq's lengths, ranges and results.
//!
//! What needs the socket rather than its options (`ZMQ_FD`, `ZMQ_EVENTS`, `ZMQ_TYPE`, `ZMQ_SUBSCRIBE`,
//! `ZMQ_LAST_ENDPOINT` …) is the C library's own, as are the mechanisms and transports this build does not have.

use zeroize::Zeroizing;
use zmtp::SocketType;

use super::codec::{Codec, Flag, put};
use super::filter::AddressFilter;
use super::security::{Chosen, Mechanism};
use super::value::plain;
use super::{Options, Security, option_table};
use crate::error::{Error, ErrorKind, Result};
use crate::gssapi::gssapi_is_available;

/// Why an option could not be set or read by number, as the C library does.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RawError {
    /// There is no such option here, or the value's length or range is wrong (`EINVAL`).
    Invalid,
}

#[doc(hidden)]
impl Options {
    /// Sets an option by its C number from C's bytes, with what libzmq allows on a socket of this type; `None` is a
    /// null pointer. Lists grow by one value a call.
    ///
    /// What is set so for a security mechanism decides which one it is, as in libzmq, whatever the fields say.
    /// [`validate`](Options::validate) still has to be asked: it is stricter where the engine could not act on a value.
    ///
    /// # Errors
    /// [`RawError::Invalid`]: no such option, not on this type, or no value for it. Then nothing is changed.
    pub fn set_raw(&mut self, socket_type: SocketType, number: i32, value: Option<&[u8]>) -> Result<(), RawError> {
        let info = option_table().iter().find(|info| info.number == number && number != 0);
        if info.is_some_and(|info| info.refused_in_c && !info.types.contains(&socket_type)) {
            return Err(RawError::Invalid);
        }
        // As a libzmq that was built without.
        if GSSAPI.contains(&number) && !gssapi_is_available() {
            return Err(RawError::Invalid);
        }
        let was_raw = self.router_raw;
        match number {
            IPV4_ONLY => Flag::decode(value, &mut self.ipv6).map(|()| self.ipv6 = !self.ipv6),
            ACCEPT_FILTER if !self.ipv6 && value.is_some_and(|text| text.len() <= 255) => value
                .and_then(|text| AddressFilter::parse_as_libzmq(std::str::from_utf8(text).ok()?, false))
                .map(|filter| self.tcp_accept_filters.push(filter)),
            // A null pointer means no PLAIN; what the name or password was is not forgotten.
            PLAIN_USERNAME | PLAIN_PASSWORD if value.is_none() => Some(()),
            _ => self.decode(number, value),
        }
        .ok_or(RawError::Invalid)?;
        // As libzmq: its connections stay raw.
        self.router_raw |= was_raw;
        self.settle(number, value);
        Ok(())
    }

    /// Sets an option that libzmq does not have, by its name, from text.
    ///
    /// # Errors
    /// As [`set_text`](Options::set_text); or libzmq has the option, too, and it has a number.
    pub fn set_own(&mut self, name: &str, text: &str) -> Result<()> {
        let is_meant = |known: &str| plain(known) == plain(name);
        let known = option_table().iter().find(|info| is_meant(info.field) || is_meant(info.c_name));
        if let Some(info) = known.filter(|info| info.number != 0) {
            let why = format!("libzmq has it, too: zmq_setsockopt sets {}", info.c_name);
            return Err(Error::with_text(ErrorKind::InvalidOption, "set option", name, why));
        }
        self.set_text(name, text)
    }

    /// Appends an option's value by its C number, as C reads it: numbers in the machine's byte order, texts with a zero
    /// at their end.
    ///
    /// # Errors
    /// [`RawError::Invalid`]: no such option, or one that C cannot read.
    pub fn get_raw(&self, number: i32, out: &mut Vec<u8>) -> Result<(), RawError> {
        self.encode_any(number, out).map(|_| ()).ok_or(RawError::Invalid)
    }

    /// As [`get_raw`](Options::get_raw), into C's buffer: a number must have its very size, anything else room, and the
    /// rest is filled with zeros. Answers the value's length.
    ///
    /// # Errors
    /// [`RawError::Invalid`], also for a buffer of the wrong size.
    pub fn read_raw(&self, number: i32, buffer: &mut [u8]) -> Result<usize, RawError> {
        // It may be a secret.
        let mut value = Zeroizing::new(Vec::new());
        let is_number = self.encode_any(number, &mut value).ok_or(RawError::Invalid)?;
        if KEYS.contains(&number) && buffer.len() == KEY_TEXT_BYTES {
            let text = Zeroizing::new(zmtp::z85::encode(&value).unwrap_or_default());
            return copy_out(text.as_bytes(), false, buffer);
        }
        copy_out(&value, is_number, buffer)
    }

    /// What setting one option means for others.
    fn settle(&mut self, number: i32, value: Option<&[u8]>) {
        self.choose(number, value);
        match number {
            XPUB_VERBOSE => self.xpub_verboser = false,
            XPUB_VERBOSER => self.xpub_verbose = self.xpub_verboser,
            XPUB_MANUAL_LAST_VALUE => self.xpub_manual = self.xpub_manual_last_value,
            _ => {}
        }
    }

    /// The mechanism that an option was set for last is the one that counts; who served one goes on to serve the next,
    /// unless the option says what role it is for.
    fn choose(&mut self, number: i32, value: Option<&[u8]>) {
        let served = self.plain_server || self.curve_server || self.gssapi_server == Some(true);
        let served = self.chosen.map_or(served, |chosen| chosen.serves);
        let (mechanism, serves) = match number {
            PLAIN_SERVER if self.plain_server => (Mechanism::Plain, true),
            CURVE_SERVER if self.curve_server => (Mechanism::Curve, true),
            PLAIN_SERVER | CURVE_SERVER => (Mechanism::Null, false),
            PLAIN_USERNAME | PLAIN_PASSWORD if value.is_none() => (Mechanism::Null, served),
            PLAIN_USERNAME | PLAIN_PASSWORD => (Mechanism::Plain, false),
            CURVE_PUBLIC_KEY | CURVE_SECRET_KEY => (Mechanism::Curve, served),
            CURVE_SERVER_KEY => (Mechanism::Curve, false),
            GSSAPI_SERVER => (Mechanism::Gssapi, self.gssapi_server == Some(true)),
            GSSAPI_PRINCIPAL => (Mechanism::Gssapi, served),
            GSSAPI_SERVICE_PRINCIPAL => (Mechanism::Gssapi, false),
            _ => return,
        };
        self.chosen = Some(Chosen { mechanism, serves });
        self.plain_server = serves && mechanism == Mechanism::Plain;
        self.curve_server = serves && mechanism == Mechanism::Curve;
        self.gssapi_server = (mechanism == Mechanism::Gssapi).then_some(serves);
    }

    fn encode_any(&self, number: i32, out: &mut Vec<u8>) -> Option<bool> {
        if GSSAPI.contains(&number) && !gssapi_is_available() {
            return None;
        }
        match number {
            IPV4_ONLY => put(i32::from(!self.ipv6), out),
            MECHANISM => {
                let number = match self.security() {
                    Security::Null => 0,
                    Security::PlainServer | Security::PlainClient => 1,
                    Security::CurveServer | Security::CurveClient | Security::Shared => 2,
                    Security::GssapiServer | Security::GssapiClient => 3,
                };
                put(number, out);
            }
            _ => return self.encode(number, out),
        }
        Some(true)
    }
}

/// Copies an option into C's buffer: numbers must fit it exactly, what is longer or shorter than it says leaves zeros.
pub(super) fn copy_out(value: &[u8], is_number: bool, buffer: &mut [u8]) -> Result<usize, RawError> {
    if is_number && value.len() != buffer.len() {
        return Err(RawError::Invalid);
    }
    let (filled, rest) = buffer.split_at_mut_checked(value.len()).ok_or(RawError::Invalid)?;
    filled.copy_from_slice(value);
    rest.fill(0);
    Ok(value.len())
}

/// These are read as 32 bytes, or as text with its zero.
const KEYS: [i32; 3] = [CURVE_PUBLIC_KEY, CURVE_SECRET_KEY, CURVE_SERVER_KEY];
const KEY_TEXT_BYTES: usize = 41;

const IPV4_ONLY: i32 = 31;
const ACCEPT_FILTER: i32 = 38;
const XPUB_VERBOSE: i32 = 40;
const MECHANISM: i32 = 43;
const PLAIN_SERVER: i32 = 44;
const PLAIN_USERNAME: i32 = 45;
const PLAIN_PASSWORD: i32 = 46;
const CURVE_SERVER: i32 = 47;
const CURVE_PUBLIC_KEY: i32 = 48;
const CURVE_SECRET_KEY: i32 = 49;
const CURVE_SERVER_KEY: i32 = 50;
const GSSAPI_SERVER: i32 = 62;
const GSSAPI_PRINCIPAL: i32 = 63;
const GSSAPI_SERVICE_PRINCIPAL: i32 = 64;
/// With the flag for plain text and the kinds of names.
const GSSAPI: [i32; 6] = [GSSAPI_SERVER, GSSAPI_PRINCIPAL, GSSAPI_SERVICE_PRINCIPAL, 65, 90, 91];
const XPUB_VERBOSER: i32 = 78;
const XPUB_MANUAL_LAST_VALUE: i32 = 98;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(options: &mut Options, number: i32, value: i32) -> Result<(), RawError> {
        options.set_raw(SocketType::Dealer, number, Some(&value.to_ne_bytes()))
    }

    fn read(options: &Options, number: i32) -> Result<i32, RawError> {
        let mut buffer = [0; 4];
        options.read_raw(number, &mut buffer).map(|_| i32::from_ne_bytes(buffer))
    }

    #[test]
    fn c_reads_libzmqs_defaults() {
        let options = Options::default();
        let defaults = [
            (8, 100),
            (9, 10_000),
            (11, -1),
            (12, -1),
            (17, -1),
            (18, 100),
            (19, 100),
            (21, 0),
            (23, 1000),
            (24, 1000),
            (25, 1),
            (27, -1),
            (28, -1),
            (31, 1),
            (34, -1),
            (35, -1),
            (36, -1),
            (37, -1),
            (39, 0),
            (42, 0),
            (43, 0),
            (44, 0),
            (54, 0),
            (57, 0),
            (66, 30_000),
            (74, 0),
            (75, 0),
            (76, 0),
            (77, -1),
            (79, 0),
            (80, 0),
            (84, 1500),
            (89, -1),
            (93, 0),
            (94, 0),
            (96, 1),
            (97, 0),
            (101, 8192),
            (102, 8192),
            (109, 0),
            (112, 0),
        ];
        for (number, value) in defaults {
            assert_eq!(read(&options, number), Ok(value), "{number}");
        }
        let mut wide = [1; 8];
        assert_eq!(options.read_raw(22, &mut wide), Ok(8));
        assert_eq!(i64::from_ne_bytes(wide), -1);
        for number in
            [0, 6, 33, 38, 40, 41, 51, 52, 53, 56, 58, 61, 69, 71, 72, 73, 78, 95, 98, 108, 110, 113, 115, 999]
        {
            assert_eq!(read(&options, number), Err(RawError::Invalid), "{number}");
        }
    }

    #[test]
    fn c_may_set_what_libzmq_allows_and_no_more() {
        /// Number, values allowed, values refused.
        type Case = (i32, &'static [i32], &'static [i32]);
        let cases: &[Case] = &[
            (8, &[1], &[0, -1]),
            (9, &[0], &[-1]),
            (17, &[-1, 0, 5], &[-2]),
            (18, &[-1, 0, 5], &[-2]),
            (21, &[0, 5], &[-1]),
            (23, &[0, i32::MAX], &[-1]),
            (34, &[-1, 0, 1], &[-2, 2]),
            (35, &[-1, 3], &[-2]),
            (39, &[0, 1], &[2, -1]),
            (57, &[0, 256], &[-1]),
            (74, &[0, 1], &[]),
            (76, &[0, 100, 6_553_500], &[-100, 6_553_600]),
            (77, &[0, 7], &[-1]),
            (89, &[-1, 3], &[-2]),
            (101, &[1], &[0]),
            (109, &[7, -1], &[]),
        ];
        for (number, allowed, refused) in cases {
            let mut options = Options::default();
            for value in *allowed {
                assert_eq!(set(&mut options, *number, *value), Ok(()), "{number} {value}");
                assert_eq!(read(&options, *number), Ok(*value), "{number} {value}");
            }
            let before = read(&options, *number);
            for value in *refused {
                assert_eq!(set(&mut options, *number, *value), Err(RawError::Invalid), "{number} {value}");
            }
            for value in [&[0u8; 3][..], &[0; 5], &[]] {
                assert!(options.set_raw(SocketType::Dealer, *number, Some(value)).is_err(), "{number}");
            }
            assert_eq!(options.set_raw(SocketType::Dealer, *number, None), Err(RawError::Invalid), "{number}");
            assert_eq!(read(&options, *number), before);
        }
        let mut options = Options::default();
        set(&mut options, 76, 199).unwrap();
        assert_eq!(read(&options, 76), Ok(100));
        set(&mut options, 76, -99).unwrap();
        assert_eq!(read(&options, 76), Ok(0));
        set(&mut options, 31, 0).unwrap();
        assert!(options.ipv6);
        options.set_raw(SocketType::Dealer, 22, Some(&(-7i64).to_ne_bytes())).unwrap();
        assert_eq!(options.max_frame_size, None);
        assert!(set(&mut options, 22, 1).is_err());
    }

    #[test]
    fn options_of_a_pattern_are_set_on_its_types_alone() {
        let one = 1i32.to_ne_bytes();
        let mut options = Options::default();
        for (number, on, off) in [
            (33, SocketType::Rep, SocketType::Dealer),
            (51, SocketType::Dealer, SocketType::Pair),
            (53, SocketType::Req, SocketType::Rep),
            (69, SocketType::Pub, SocketType::Sub),
            (73, SocketType::Stream, SocketType::Router),
            (97, SocketType::Router, SocketType::Dealer),
            (108, SocketType::XSub, SocketType::Sub),
        ] {
            assert_eq!(options.set_raw(on, number, Some(&one)), Ok(()), "{number}");
            assert_eq!(options.set_raw(off, number, Some(&one)), Err(RawError::Invalid), "{number}");
        }
        options.set_raw(SocketType::XPub, 78, Some(&one)).unwrap();
        assert!(options.xpub_verbose && options.xpub_verboser);
        options.set_raw(SocketType::XPub, 40, Some(&one)).unwrap();
        assert!(options.xpub_verbose && !options.xpub_verboser);
    }

    #[test]
    fn bytes_and_texts_have_libzmqs_lengths() {
        let mut options = Options::default();
        let mut set = |number, value: Option<&[u8]>| options.set_raw(SocketType::Router, number, value);
        for (number, value) in
            [(5, &b""[..]), (5, &[1; 256]), (61, b""), (45, b""), (55, b""), (92, &[b'x'; 17]), (68, b"")]
        {
            assert_eq!(set(number, Some(value)), Err(RawError::Invalid), "{number}");
        }
        for (number, value) in
            [(38, "x"), (38, "::1"), (38, "1.2.3.4/33"), (95, "X-a"), (95, "X-:1"), (95, "a:bcd"), (95, "X-a:")]
        {
            assert_eq!(set(number, Some(value.as_bytes())), Err(RawError::Invalid), "{value}");
        }
        for (number, value) in [(38, &b"10.0.0.0/8"[..]), (95, b"X-a:1\0"), (95, b"X-a\0:2"), (58, &7i32.to_ne_bytes())]
        {
            assert_eq!(set(number, Some(value)), Ok(()), "{number}");
        }
        assert_eq!(set(5, Some(b"name")), Ok(()));
        assert_eq!(set(92, Some(b"lo")), Ok(()));
        assert_eq!(options.metadata, [("X-a".to_string(), b"1".to_vec())]);
        assert_eq!((options.tcp_accept_filters.len(), &options.ipc_filter_pids), (1, &vec![7]));
        let mut buffer = [1; 6];
        assert_eq!((options.read_raw(5, &mut buffer), &buffer), (Ok(4), b"name\0\0"));
        assert_eq!((options.read_raw(92, &mut buffer), &buffer), (Ok(3), b"lo\0\0\0\0"));
        assert_eq!(options.read_raw(92, &mut [0; 2]), Err(RawError::Invalid));
        for number in [38, 58, 92] {
            assert_eq!(options.set_raw(SocketType::Router, number, None), Ok(()), "{number}");
        }
        assert!(options.tcp_accept_filters.is_empty() && options.ipc_filter_pids.is_empty());
        assert!(options.bind_to_device.is_empty());
    }
}
