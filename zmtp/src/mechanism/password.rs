//! Password: bytes that are not shown, and wiped when they are dropped.

use std::fmt;
use std::ops::Deref;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password; wiped when it is dropped, and never shown.
///
/// ```
/// # use zmtp::Password;
/// let password = Password::from("secret");
/// assert!(password == "secret" && !format!("{password:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// No password.
    ///
    /// ```
    /// assert!(zmtp::Password::new().is_empty());
    /// ```
    pub fn new() -> Password {
        Password::default()
    }
}

impl Deref for Password {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Password {
    fn from(bytes: Vec<u8>) -> Password {
        Password(Zeroizing::new(bytes))
    }
}

impl From<String> for Password {
    fn from(text: String) -> Password {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Password {
    fn from(bytes: &[u8]) -> Password {
        bytes.to_vec().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Password {
    fn from(bytes: &[u8; N]) -> Password {
        bytes.as_slice().into()
    }
}

impl From<&String> for Password {
    fn from(text: &String) -> Password {
        text.as_str().into()
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Password {
        text.as_bytes().into()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Password) -> bool {
        // In a time that tells nothing but the lengths.
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Password {}

impl PartialEq<str> for Password {
    fn eq(&self, other: &str) -> bool {
        self.0.ct_eq(other.as_bytes()).into()
    }
}

impl PartialEq<&str> for Password {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_compared_and_not_shown() {
        let password = Password::from("hunter2");
        assert_eq!(password, Password::from(b"hunter2".to_vec()));
        assert_eq!(Password::from(b"hunter2"), Password::from(&"hunter2".to_string()));
        assert_ne!(password, Password::from("hunter"));
        assert!(password == "hunter2" && password != "hunter" && password != "hunter3");
        assert!(!format!("{password:?}").contains("hunter"));
    }
}
