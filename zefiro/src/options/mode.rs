//! File mode: who may do what with a file, in octal as `chmod` has it.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The permissions of a file: `0o660` in a program, `660` as text.
///
/// ```
/// # use zefiro::FileMode;
/// assert_eq!("660".parse::<FileMode>()?, FileMode::from(0o660));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileMode(u32);

impl FileMode {
    /// The bits.
    ///
    /// ```
    /// assert_eq!(zefiro::FileMode::from(0o660).bits(), 0o660);
    /// ```
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether it is read, write and execute, for owner, group and others, and nothing else.
    pub(super) fn is_permissions(self) -> bool {
        self.0 <= 0o777
    }
}

impl From<u32> for FileMode {
    fn from(bits: u32) -> FileMode {
        FileMode(bits)
    }
}

impl FromStr for FileMode {
    type Err = Error;

    /// Reads octal digits.
    fn from_str(text: &str) -> Result<FileMode> {
        let is_octal = text.bytes().all(|digit| digit.is_ascii_digit());
        let mode = u32::from_str_radix(text, 8).ok().filter(|_| is_octal).map(FileMode);
        mode.filter(|mode| mode.is_permissions())
            .ok_or_else(|| Error::with_text(ErrorKind::InvalidOption, "read permissions", text, "allowed is: 0 to 777"))
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

impl fmt::Debug for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileMode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal() {
        for (text, bits) in [("660", 0o660), ("0600", 0o600), ("7", 0o007), ("777", 0o777), ("0", 0)] {
            assert_eq!(text.parse::<FileMode>().unwrap().bits(), bits, "{text}");
        }
        assert_eq!(FileMode(0o7).to_string(), "007");
        for text in ["", "8", "1000", "-1", "+7", "rw", "0o660", "6 0"] {
            assert!(text.parse::<FileMode>().is_err(), "{text}");
        }
    }
}
