//! How C values stand in Rust fields, a codec for each kind: its length, its range, and what reads back.

use std::time::Duration;

use zmtp::{Frame, Password};

use super::AddressFilter;

/// How a C value stands in a field of type `T`.
pub(super) trait Codec<T> {
    /// Whether C's buffer must have the value's very size when it is read.
    const NUMBER: bool = true;

    /// Sets the field; `None` for `value` is C's null pointer. The answer `None`: not a value, and nothing is changed.
    fn decode(value: Option<&[u8]>, field: &mut T) -> Option<()>;

    /// Appends what C reads.
    fn encode(field: &T, out: &mut Vec<u8>);
}

pub(super) fn int(value: Option<&[u8]>) -> Option<i32> {
    Some(i32::from_ne_bytes(value?.try_into().ok()?))
}

pub(super) fn put(number: impl TryInto<i32>, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.try_into().unwrap_or(i32::MAX).to_ne_bytes());
}

fn natural(value: Option<&[u8]>) -> Option<u32> {
    u32::try_from(int(value)?).ok()
}

/// From -1 up, where -1 is `None`.
fn natural_or_none(value: Option<&[u8]>) -> Option<Option<u32>> {
    match int(value)? {
        -1 => Some(None),
        number => u32::try_from(number).ok().map(Some),
    }
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

/// Part of a millisecond counts as one, since 0 often means something else.
fn put_millis(time: Duration, out: &mut Vec<u8>) {
    put(time.as_nanos().div_ceil(1_000_000), out);
}

macro_rules! codecs {
    (number $number:literal; $($(#[doc = $doc:literal])* $name:ident: $type:ty,
        |$value:ident, $field:ident| $decode:expr, |$read:ident, $out:ident| $encode:expr;)*) => {
        $(
            $(#[doc = $doc])*
            pub(super) struct $name;

            impl Codec<$type> for $name {
                const NUMBER: bool = $number;

                fn decode($value: Option<&[u8]>, $field: &mut $type) -> Option<()> {
                    $decode;
                    Some(())
                }

                fn encode($read: &$type, $out: &mut Vec<u8>) {
                    $encode;
                }
            }
        )*
    };
}

codecs! {
    number true;
    /// `uint64_t`.
    Wide: u64, |value, field| *field = u64::from_ne_bytes(value?.try_into().ok()?),
        |field, out| out.extend_from_slice(&field.to_ne_bytes());
    /// `int64_t`; below 0 is no limit.
    WideLimit: Option<u64>, |value, field| *field = u64::try_from(i64::from_ne_bytes(value?.try_into().ok()?)).ok(),
        |field, out| out.extend_from_slice(&field.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX)).to_ne_bytes());
    /// 0 or 1.
    Flag: bool, |value, field| *field = match int(value)? { 0 => false, 1 => true, _ => return None },
        |field, out| put(i32::from(*field), out);
    /// 0, or anything above.
    Truth: bool, |value, field| *field = natural(value)? > 0, |field, out| put(i32::from(*field), out);
    /// 0, or anything else.
    AnyTruth: bool, |value, field| *field = int(value)? != 0, |field, out| put(i32::from(*field), out);
    /// 0, or anything else, in bytes of any number.
    LooseTruth: bool, |value, field| *field = value?.iter().any(|byte| *byte != 0),
        |field, out| put(i32::from(*field), out);
    /// 0 or 1; -1 leaves it to the system.
    FlagOrNone: Option<bool>,
        |value, field| *field = match int(value)? { -1 => None, 0 => Some(false), 1 => Some(true), _ => return None },
        |field, out| put(field.map_or(-1, i32::from), out);
    /// 0 or 1; what is not set reads as 0.
    OptionalFlag: Option<bool>,
        |value, field| *field = match int(value)? { 0 => Some(false), 1 => Some(true), _ => return None },
        |field, out| put(i32::from(field.unwrap_or_default()), out);
    /// Flags of any kind.
    Bits: u32, |value, field| *field = int(value)?.cast_unsigned(), |field, out| put(field.cast_signed(), out);
    /// The two lowest flags.
    TwoBits: u32, |value, field| *field = natural(value).filter(|bits| *bits <= 3)?, |field, out| put(*field, out);
    /// Any number; those below 0 are as good as 0.
    Loose: u32, |value, field| *field = u32::try_from(int(value)?).unwrap_or(0), |field, out| put(*field, out);
    /// Milliseconds from 0 up; -1 is for ever, or never.
    Wait: Option<Duration>, |value, field| *field = natural_or_none(value)?.map(millis),
        |field, out| match field { Some(time) => put_millis(*time, out), None => put(-1, out) };
    /// Milliseconds; 0 is none.
    Limit: Option<Duration>, |value, field| *field = Some(natural(value)?).filter(|ms| *ms > 0).map(millis),
        |field, out| put_millis(field.unwrap_or_default(), out);
    /// Milliseconds from 0 up; -1 is only ever read.
    Silence: Option<Duration>, |value, field| *field = Some(millis(natural(value)?)),
        |field, out| match field { Some(time) => put_millis(*time, out), None => put(-1, out) };
    /// Milliseconds.
    Span: Duration, |value, field| *field = millis(natural(value)?), |field, out| put_millis(*field, out);
    /// Milliseconds in steps of 100, as far as 16 bits go; -99 to -1 come to 0.
    Ttl: Duration,
        |value, field| {
            let tenths = u16::try_from(int(value)? / 100).ok()?;
            *field = Duration::from_millis(100) * u32::from(tenths);
        },
        |field, out| put(field.as_millis() / 100 * 100, out);
}

codecs! {
    number false;
    /// 1 to 255 bytes.
    Id: Frame, |value, field| *field = value.filter(|id| (1..=255).contains(&id.len()))?.into(),
        |field, out| out.extend_from_slice(field);
    /// 1 byte or more.
    NextId: Option<Frame>, |value, field| *field = Some(value.filter(|id| !id.is_empty())?.into()),
        |field, out| out.extend_from_slice(field.as_deref().unwrap_or_default());
    /// Any bytes; none clear it.
    Blob: Frame, |value, field| *field = value.unwrap_or_default().into(), |field, out| out.extend_from_slice(field);
    /// Any bytes; none clear it.
    BlobOrNone: Option<Frame>, |value, field| *field = value.filter(|bytes| !bytes.is_empty()).map(Frame::from),
        |field, out| out.extend_from_slice(field.as_deref().unwrap_or_default());
    /// 1 to 255 bytes; a null pointer clears it.
    Name: Frame, |value, field| *field = match value { None => Frame::new(), some => text(some, 1, 255)? },
        |field, out| put_text(field, out);
    /// 1 to 255 bytes.
    Domain: Frame, |value, field| *field = text(value, 1, 255)?, |field, out| put_text(field, out);
    /// Up to 255 bytes; none clear it.
    Credential: Frame, |value, field| *field = text(Some(value.unwrap_or_default()), 0, 255)?,
        |field, out| put_text(field, out);
    /// As a name.
    SecretName: Password,
        |value, field| *field = match value { None => Password::new(), some => checked(some, 1, 255)?.into() },
        |field, out| put_text(field, out);
    /// As a credential.
    SecretCredential: Password, |value, field| *field = checked(Some(value.unwrap_or_default()), 0, 255)?.into(),
        |field, out| put_text(field, out);
    /// 1 byte or more; a null pointer clears it.
    Proxy: Frame, |value, field| *field = match value { None => Frame::new(), some => text(some, 1, usize::MAX)? },
        |field, out| put_text(field, out);
    /// 1 to 16 bytes; a null pointer clears it.
    Device: Frame, |value, field| *field = match value { None => Frame::new(), some => text(some, 1, 16)? },
        |field, out| put_text(field, out);
    /// One more range, as sockets with IPv6 have them; a null pointer clears them.
    Filters: Vec<AddressFilter>,
        |value, field| match value {
            None => field.clear(),
            some => field.push(AddressFilter::parse_as_libzmq(text(some, 1, 255)?.as_str().ok()?, true)?),
        },
        |_field, _out| {};
    /// One more id; a null pointer clears them.
    Ids: Vec<u32>,
        |value, field| match value {
            None => field.clear(),
            some => field.push(int(some)?.cast_unsigned()),
        },
        |_field, _out| {};
    /// One more property, `X-name:value`; the first of a name stays. Four bytes are taken for a number, and refused. Name and
    /// value end with a zero, if they have one.
    Property: Vec<(String, Vec<u8>)>,
        |value, field| {
            let bytes = value.filter(|bytes| bytes.len() != 4)?;
            let colon = bytes.iter().position(|byte| *byte == b':')?;
            let (name, value) = (std::str::from_utf8(bytes.get(..colon)?).ok()?, bytes.get(colon + 1..)?);
            if !super::is_property(name, value) {
                return None;
            }
            let name = name.split('\0').next()?;
            if field.iter().all(|(other, _)| other != name) {
                let value = value.split(|byte| *byte == 0).next()?;
                field.push((name.to_string(), value.to_vec()));
            }
        },
        |_field, _out| {};
}

/// Any bytes, as in C: they need not be UTF-8.
fn text(value: Option<&[u8]>, least: usize, most: usize) -> Option<Frame> {
    checked(value, least, most).map(Frame::from)
}

fn checked(value: Option<&[u8]>, least: usize, most: usize) -> Option<&[u8]> {
    value.filter(|bytes| (least..=most).contains(&bytes.len()))
}

/// C reads texts with the zero at their end.
fn put_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(text);
    out.push(0);
}

/// From 0 up.
pub(super) struct Natural;

/// From 1 up.
pub(super) struct Positive;

/// From 0 up; -1 leaves it to the system.
pub(super) struct NaturalOrNone;

macro_rules! number_codecs {
    ($($type:ty),*) => {
        $(
            impl Codec<$type> for Natural {
                fn decode(value: Option<&[u8]>, field: &mut $type) -> Option<()> {
                    *field = natural(value)?.try_into().ok()?;
                    Some(())
                }

                fn encode(field: &$type, out: &mut Vec<u8>) {
                    put(*field, out);
                }
            }

            impl Codec<$type> for Positive {
                fn decode(value: Option<&[u8]>, field: &mut $type) -> Option<()> {
                    *field = natural(value).filter(|number| *number > 0)?.try_into().ok()?;
                    Some(())
                }

                fn encode(field: &$type, out: &mut Vec<u8>) {
                    put(*field, out);
                }
            }

            impl Codec<Option<$type>> for NaturalOrNone {
                fn decode(value: Option<&[u8]>, field: &mut Option<$type>) -> Option<()> {
                    *field = match natural_or_none(value)? {
                        Some(number) => Some(number.try_into().ok()?),
                        None => None,
                    };
                    Some(())
                }

                fn encode(field: &Option<$type>, out: &mut Vec<u8>) {
                    match field {
                        Some(number) => put(*number, out),
                        None => put(-1, out),
                    }
                }
            }
        )*
    };
}

number_codecs!(u32, usize, i32);

/// Not an option of the C API.
pub(super) struct Own;

impl<T> Codec<T> for Own {
    fn decode(_value: Option<&[u8]>, _field: &mut T) -> Option<()> {
        None
    }

    fn encode(_field: &T, _out: &mut Vec<u8>) {}
}
