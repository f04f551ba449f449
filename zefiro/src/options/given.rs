//! Given: what the builder takes for an option's value.

use std::time::Duration;

use bytes::Bytes;
use zmtp::{CurveKey, CurveSecret, Frame, Password};

use super::{AddressFilter, FileMode};
use crate::gssapi::GssapiName;
use crate::shared_key::SharedKey;

/// What a [builder](crate::Builder) takes for an option of type `T`: the value itself; where there may be none, the
/// value or an `Option`; for a list, a vector or an array; for bytes, whatever makes a [`Frame`].
///
/// There is one way for each type given, not a conversion of all that convert, so that a plain number is the number
/// meant: `.send_high_water_mark(10_000)`.
///
/// ```
/// # use std::time::Duration;
/// # use zefiro::Push;
/// let push = Push::builder().send_timeout(Duration::from_secs(1)).build()?; // Or `Some` of it, or `None`.
/// assert_eq!(push.options().send_timeout, Some(Duration::from_secs(1)));
/// # Ok::<(), zefiro::Error>(())
/// ```
pub trait OptionValue<T> {
    /// The value.
    fn into_value(self) -> T;
}

macro_rules! as_they_are {
    ($($type:ty),+) => {
        $(
            impl OptionValue<$type> for $type {
                fn into_value(self) -> $type {
                    self
                }
            }
        )+
    };
}

macro_rules! or_none {
    ($($type:ty),+) => {
        $(
            impl OptionValue<Option<$type>> for $type {
                fn into_value(self) -> Option<$type> {
                    Some(self)
                }
            }

            impl OptionValue<Option<$type>> for Option<$type> {
                fn into_value(self) -> Option<$type> {
                    self
                }
            }
        )+
    };
}

macro_rules! bytes {
    ($($type:ty),+) => {
        $(
            impl OptionValue<Frame> for $type {
                fn into_value(self) -> Frame {
                    self.into()
                }
            }

            impl OptionValue<Option<Frame>> for $type {
                fn into_value(self) -> Option<Frame> {
                    Some(self.into())
                }
            }
        )+
    };
}

as_they_are!(bool, u32, u64, usize, Duration, GssapiName, Vec<u32>, Vec<AddressFilter>, Vec<(String, Vec<u8>)>);
or_none!(bool, i32, u32, u64, usize, Duration, CurveKey, CurveSecret, SharedKey, FileMode);
bytes!(Frame, &str, String, &String, &[u8], Vec<u8>, Bytes);

impl OptionValue<Option<Frame>> for Option<Frame> {
    fn into_value(self) -> Option<Frame> {
        self
    }
}

impl<const N: usize> OptionValue<Frame> for &[u8; N] {
    fn into_value(self) -> Frame {
        self.into()
    }
}

impl<const N: usize> OptionValue<Option<Frame>> for &[u8; N] {
    fn into_value(self) -> Option<Frame> {
        Some(self.into())
    }
}

macro_rules! passwords {
    ($($type:ty),+) => {
        $(
            impl OptionValue<Password> for $type {
                fn into_value(self) -> Password {
                    self.into()
                }
            }
        )+
    };
}

passwords!(Password, &str, String, &String, &[u8], Vec<u8>);

impl<const N: usize> OptionValue<Password> for &[u8; N] {
    fn into_value(self) -> Password {
        self.into()
    }
}

/// As in `.ipc_mode(0o660)`.
impl OptionValue<Option<FileMode>> for u32 {
    fn into_value(self) -> Option<FileMode> {
        Some(self.into())
    }
}

/// The elements of a list.
impl<T, const N: usize> OptionValue<Vec<T>> for [T; N] {
    fn into_value(self) -> Vec<T> {
        self.into()
    }
}
