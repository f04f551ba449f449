//! CURVE: keys instead of passwords, everything after the handshake encrypted, and no key that outlives a connection
//! gives its traffic away (RFC 26).
//!
//! Long-term keys say who a peer is; fresh ones, made for each connection, encrypt. The server keeps nothing about a
//! client before that client has shown it can receive what was sent to it: its state travels in a cookie.

mod authenticator;
pub(crate) mod cipher;
pub(super) mod client;
mod keystream;
pub(super) mod server;
mod x25519;
pub mod z85;

use std::fmt;

use crypto_secretbox::aead::AeadInPlace;
use crypto_secretbox::{KeyInit, Tag, XSalsa20Poly1305};
use salsa20::cipher::consts::U10;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Error;

/// A public key.
///
/// ```
/// # use zmtp::{CurveKey, CurveSecret};
/// let public: CurveKey = CurveSecret::new([7; 32]).public();
/// assert_eq!(CurveKey::from_z85(&public.to_z85()), Some(public));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CurveKey([u8; 32]);

/// A secret key; wiped when it is dropped, and never shown.
///
/// ```
/// # use zmtp::CurveSecret;
/// let secret = CurveSecret::generate()?;
/// assert!(!format!("{secret:?}").contains(&secret.to_z85()));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone)]
pub struct CurveSecret(Zeroizing<[u8; 32]>);

impl CurveKey {
    /// The key of these bytes.
    ///
    /// ```
    /// assert_eq!(zmtp::CurveKey::new([7; 32]).as_bytes(), &[7; 32]);
    /// ```
    pub const fn new(bytes: [u8; 32]) -> CurveKey {
        CurveKey(bytes)
    }

    /// The key of this Z85 text of 40 characters (RFC 32); `None` if it is not one.
    ///
    /// ```
    /// # use zmtp::CurveKey;
    /// assert!(CurveKey::from_z85("Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID").is_some());
    /// assert!(CurveKey::from_z85("too short").is_none());
    /// ```
    pub fn from_z85(text: &str) -> Option<CurveKey> {
        z85::decode(text.as_bytes())?.try_into().ok().map(CurveKey)
    }

    /// Its bytes.
    ///
    /// ```
    /// assert_eq!(zmtp::CurveKey::new([7; 32]).as_bytes()[0], 7);
    /// ```
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As Z85 text.
    ///
    /// ```
    /// assert_eq!(zmtp::CurveKey::new([0; 32]).to_z85(), "0".repeat(40));
    /// ```
    pub fn to_z85(&self) -> String {
        z85::encode(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for CurveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurveKey({})", self.to_z85())
    }
}

impl CurveSecret {
    /// The key of these bytes.
    ///
    /// ```
    /// assert_eq!(zmtp::CurveSecret::new([7; 32]).to_bytes(), [7; 32]);
    /// ```
    pub fn new(bytes: [u8; 32]) -> CurveSecret {
        CurveSecret(Zeroizing::new(bytes))
    }

    /// A new, random key.
    ///
    /// ```
    /// # use zmtp::CurveSecret;
    /// assert_ne!(CurveSecret::generate()?, CurveSecret::generate()?);
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<CurveSecret, Error> {
        Ok(CurveSecret::new(random()?))
    }

    /// The key of this Z85 text of 40 characters (RFC 32); `None` if it is not one.
    ///
    /// ```
    /// # use zmtp::CurveSecret;
    /// let secret = CurveSecret::generate()?;
    /// assert_eq!(CurveSecret::from_z85(&secret.to_z85()), Some(secret));
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn from_z85(text: &str) -> Option<CurveSecret> {
        let bytes = Zeroizing::new(z85::decode(text.as_bytes())?);
        bytes.as_slice().try_into().ok().map(CurveSecret::new)
    }

    /// Its bytes, which whoever gets them must keep secret.
    ///
    /// ```
    /// assert_eq!(zmtp::CurveSecret::new([7; 32]).to_bytes(), [7; 32]);
    /// ```
    pub fn to_bytes(&self) -> [u8; 32] {
        *self.0
    }

    /// As Z85 text, which whoever gets it must keep secret.
    ///
    /// ```
    /// assert_eq!(zmtp::CurveSecret::new([7; 32]).to_z85().len(), 40);
    /// ```
    pub fn to_z85(&self) -> String {
        z85::encode(&*self.0).unwrap_or_default()
    }

    /// The public key that belongs to it.
    ///
    /// ```
    /// # use zmtp::CurveSecret;
    /// let secret = CurveSecret::generate()?;
    /// assert_eq!(secret.public(), CurveSecret::new(secret.to_bytes()).public());
    /// # Ok::<(), zmtp::Error>(())
    /// ```
    pub fn public(&self) -> CurveKey {
        CurveKey(x25519::public_of(&self.0))
    }
}

impl PartialEq for CurveSecret {
    fn eq(&self, other: &CurveSecret) -> bool {
        // In a time that tells nothing.
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for CurveSecret {}

impl fmt::Debug for CurveSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurveSecret(not shown)")
    }
}

/// What two keys make: the same for whoever has the secret of one and the public key of the other.
struct Shared {
    key: Zeroizing<[u8; 32]>,
    cipher: XSalsa20Poly1305,
}

/// What two keys make.
///
/// # Errors
/// The public key is one of the few that make nothing secret, whatever the other is.
fn shared(public: &CurveKey, secret: &CurveSecret) -> Result<Shared, Error> {
    let point = x25519::shared_point(&secret.0, &public.0).ok_or(Error::Cryptographic)?;
    let mut derived = salsa20::hsalsa::<U10>((&*point).into(), &[0; 16].into());
    let key = Zeroizing::new(derived.into());
    let cipher = XSalsa20Poly1305::new(&derived);
    derived.as_mut_slice().zeroize();
    Ok(Shared { key, cipher })
}

/// Random bytes.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Error::NoRandom)?;
    Ok(bytes)
}

/// A nonce of a prefix and what is sent with the box.
fn nonce(prefix: &[u8], sent: &[u8]) -> [u8; 24] {
    let mut nonce = [0; 24];
    for (slot, byte) in nonce.iter_mut().zip(prefix.iter().chain(sent)) {
        *slot = *byte;
    }
    nonce
}

/// Encrypts: the tag, then the text.
fn seal(cipher: &XSalsa20Poly1305, nonce: &[u8; 24], text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut boxed = vec![0; TAG_BYTES];
    boxed.extend_from_slice(text);
    let (tag_place, text) = boxed.split_at_mut(TAG_BYTES);
    let tag = cipher.encrypt_in_place_detached(nonce.into(), &[], text).map_err(|_| Error::Cryptographic)?;
    tag_place.copy_from_slice(&tag);
    Ok(boxed)
}

/// Decrypts what [`seal`] made; it may be a secret.
fn open(cipher: &XSalsa20Poly1305, nonce: &[u8; 24], boxed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (tag, text) = boxed.split_first_chunk::<TAG_BYTES>().ok_or(Error::Cryptographic)?;
    let mut text = Zeroizing::new(text.to_vec());
    let tag: &Tag = tag.into();
    cipher.decrypt_in_place_detached(nonce.into(), &[], &mut text, tag).map_err(|_| Error::Cryptographic)?;
    Ok(text)
}

/// The first `N` bytes, and the rest.
fn split<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), Error> {
    bytes.split_first_chunk().ok_or(Error::Cryptographic)
}

const TAG_BYTES: usize = 16;

const HELLO: &[u8] = b"\x05HELLO";
const WELCOME: &[u8] = b"\x07WELCOME";
const INITIATE: &[u8] = b"\x08INITIATE";
const READY: &[u8] = b"\x05READY";
const MESSAGE: &[u8; 8] = b"\x07MESSAGE";

const NONCE_HELLO: &[u8; 16] = b"CurveZMQHELLO---";
const NONCE_WELCOME: &[u8; 8] = b"WELCOME-";
const NONCE_COOKIE: &[u8; 8] = b"COOKIE--";
const NONCE_INITIATE: &[u8; 16] = b"CurveZMQINITIATE";
const NONCE_VOUCH: &[u8; 8] = b"VOUCH---";
const NONCE_READY: &[u8; 16] = b"CurveZMQREADY---";
const NONCE_MESSAGE_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const NONCE_MESSAGE_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";
