//! SharedKey: one secret that secures both ends of a connection.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use hkdf::Hkdf;
use sha2::Sha256;
use zmtp::{CurveKey, CurveSecret, z85};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::files;

/// A secret that all parties know, and nobody else: sockets that were given the same one talk to each other, encrypted
/// and authenticated, whoever binds and whoever connects; nobody else gets in.
///
/// ```
/// use zefiro::{Pull, Push, SharedKey};
///
/// // In practice both ends have it from a file or an environment variable: `SharedKey::from_env()`.
/// let key = SharedKey::generate()?;
/// let pull = Pull::builder().shared_key(key.clone()).build()?;
/// let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();
/// let push = Push::builder().shared_key(key).build()?;
/// push.connect(&endpoint)?;
/// push.send("nobody in between can read this")?;
/// assert_eq!(pull.recv()?, "nobody in between can read this");
/// assert_eq!(pull.peers()[0].mechanism, "CURVE");
/// # Ok::<(), zefiro::Error>(())
/// ```
///
/// It is 32 random bytes, as text 40 characters of Z85: `zefiro keygen --shared` makes a file of it. It is no password:
/// what a human can remember, a machine can guess, so anything shorter is refused.
///
/// What goes over the wire is CURVE (RFC 26). The side that binds is the server. The key pairs of both sides are derived
/// from the secret (HKDF with SHA-256, RFC 5869), and the server lets the client's in alone. So a peer with libzmq can
/// take part if it is given [the keys](SharedKey::client_secret) of its side.
#[derive(Clone)]
pub struct SharedKey {
    secret: CurveSecret,
    server: CurveSecret,
    client: CurveSecret,
    server_public: CurveKey,
    client_public: CurveKey,
}

impl SharedKey {
    /// The key of these bytes, which must be random.
    ///
    /// ```
    /// # use zefiro::SharedKey;
    /// # let bytes = [7; 32];
    /// assert_eq!(SharedKey::new(bytes).to_z85(), SharedKey::new(bytes).to_z85());
    /// ```
    pub fn new(bytes: [u8; 32]) -> SharedKey {
        let kdf = Hkdf::<Sha256>::new(Some(SALT), &bytes);
        let derive = |purpose: &[u8]| {
            let mut key = [0; 32];
            match kdf.expand(purpose, &mut key) {
                Ok(()) => CurveSecret::new(key),
                Err(error) => unreachable!("32 bytes are never too many: {error}"),
            }
        };
        let (server, client) = (derive(b"server"), derive(b"client"));
        SharedKey {
            secret: CurveSecret::new(bytes),
            server_public: server.public(),
            client_public: client.public(),
            server,
            client,
        }
    }

    /// A new, random key.
    ///
    /// ```
    /// # use zefiro::SharedKey;
    /// assert_ne!(SharedKey::generate()?.to_z85(), SharedKey::generate()?.to_z85());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<SharedKey> {
        let random = CurveSecret::generate()
            .map_err(|error| Error::with_text(ErrorKind::Io, "generate key", "", error.to_string()))?;
        Ok(SharedKey::new(random.to_bytes()))
    }

    /// The key in a file: its text, or its 32 bytes. Nobody but the owner may be able to read the file.
    ///
    /// ```
    /// # use zefiro::{SharedKey, certificate};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shared.key");
    /// let key = SharedKey::generate()?;
    /// certificate::create(&path, 0o600, key.to_z85().as_bytes())?;
    /// assert_eq!(SharedKey::from_file(&path)?.to_z85(), key.to_z85());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file cannot be read, has no key, or others can read it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<SharedKey> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let system = |error: io::Error| Error::with_io(OPERATION, name.clone(), error);
        let mode = files::mode(&std::fs::metadata(path).map_err(system)?);
        if mode & 0o077 != 0 {
            let why = format!("others can read it (mode {:o}); chmod 600 makes it yours alone", mode & 0o777);
            return Err(Error::with_text(ErrorKind::InvalidOption, OPERATION, name, why));
        }
        let bytes = std::fs::read(path).map_err(system)?;
        if let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()) {
            return Ok(SharedKey::new(bytes));
        }
        let text = String::from_utf8_lossy(&bytes);
        parse(&text).ok_or_else(|| Error::with_text(ErrorKind::InvalidOption, OPERATION, name, NOT_A_KEY))
    }

    /// The key in the environment: the text in `ZEFIRO_SHARED_KEY`, or in the file that `ZEFIRO_KEY_FILE` names.
    ///
    /// ```
    /// # use zefiro::{ErrorKind, SharedKey};
    /// // Nobody has set ZEFIRO_SHARED_KEY or ZEFIRO_KEY_FILE here.
    /// assert_eq!(SharedKey::from_env().unwrap_err().kind(), ErrorKind::InvalidOption);
    /// ```
    ///
    /// # Errors
    /// Neither is set, or what is set is no key: a program that asked for security never goes on without.
    pub fn from_env() -> Result<SharedKey> {
        if let Some(text) = std::env::var_os(VARIABLE) {
            let error = || Error::with_text(ErrorKind::InvalidOption, OPERATION, VARIABLE, NOT_A_KEY);
            return text.to_str().and_then(parse).ok_or_else(error);
        }
        match std::env::var_os(FILE_VARIABLE) {
            Some(path) => SharedKey::from_file(Path::new(&path)),
            None => {
                let why = format!("neither it nor {FILE_VARIABLE} is set in the environment");
                Err(Error::with_text(ErrorKind::InvalidOption, OPERATION, VARIABLE, why))
            }
        }
    }

    /// As text, which whoever gets it must keep secret.
    ///
    /// ```
    /// # use zefiro::SharedKey;
    /// let text = SharedKey::generate()?.to_z85();
    /// assert_eq!(text.parse::<SharedKey>()?.to_z85(), text);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn to_z85(&self) -> String {
        self.secret.to_z85()
    }

    /// The key pair of the side that binds. A libzmq peer on that side: `ZMQ_CURVE_SERVER` 1 and `ZMQ_CURVE_SECRETKEY`
    /// this; its authenticator should let [the client's](SharedKey::client_secret) public key in, and no other.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, SharedKey};
    /// let key = SharedKey::generate()?;
    /// // As a peer that knows nothing of shared keys would be set up.
    /// let pull = Pull::builder().curve_server(true).curve_secret_key(key.server_secret().clone()).build()?;
    /// let push = Push::builder().shared_key(key).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// assert_eq!(pull.recv()?, "hello");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn server_secret(&self) -> &CurveSecret {
        &self.server
    }

    /// The key pair of the side that connects. A libzmq peer on that side: `ZMQ_CURVE_SECRETKEY` and
    /// `ZMQ_CURVE_PUBLICKEY` of this, `ZMQ_CURVE_SERVERKEY` the public key of [the server's](SharedKey::server_secret).
    ///
    /// ```
    /// # use zefiro::{Pull, Push, SharedKey};
    /// let key = SharedKey::generate()?;
    /// let pull = Pull::builder().shared_key(key.clone()).build()?;
    /// // As a peer that knows nothing of shared keys would be set up.
    /// let push = Push::builder()
    ///     .curve_secret_key(key.client_secret().clone())
    ///     .curve_server_key(key.server_secret().public())
    ///     .build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("hello")?;
    /// assert_eq!(pull.recv()?, "hello");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn client_secret(&self) -> &CurveSecret {
        &self.client
    }

    pub(crate) fn server_public(&self) -> CurveKey {
        self.server_public
    }

    pub(crate) fn client_public(&self) -> CurveKey {
        self.client_public
    }
}

/// From text of 40 characters.
impl FromStr for SharedKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<SharedKey> {
        // The text is not repeated in the error: it may be the secret, but for a slip.
        parse(text).ok_or_else(|| Error::with_text(ErrorKind::InvalidOption, OPERATION, "", NOT_A_KEY))
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &SharedKey) -> bool {
        self.secret == other.secret
    }
}

impl Eq for SharedKey {}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(not shown)")
    }
}

fn parse(text: &str) -> Option<SharedKey> {
    let bytes: [u8; 32] = z85::decode(text.trim().as_bytes())?.try_into().ok()?;
    Some(SharedKey::new(bytes))
}

const VARIABLE: &str = "ZEFIRO_SHARED_KEY";
const FILE_VARIABLE: &str = "ZEFIRO_KEY_FILE";
const OPERATION: &str = "read shared key";
const NOT_A_KEY: &str = "it is no shared key: that is 40 characters of Z85, as `zefiro keygen --shared` makes them";

/// Makes what is derived here unlike what other programs derive from the same bytes.
const SALT: &[u8] = b"zefiro shared key 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_derive_the_same_and_each_side_has_its_own() {
        let key = SharedKey::generate().unwrap();
        let again: SharedKey = key.to_z85().parse().unwrap();
        assert_eq!(key, again);
        assert_eq!(key.server_public(), again.server_public());
        assert_ne!(key.server_public(), key.client_public());
        assert_ne!(key, SharedKey::generate().unwrap());
    }

    #[test]
    fn keys_stay_what_they_are_from_version_to_version() {
        // By another implementation of RFC 5869.
        let key = SharedKey::new([7; 32]);
        assert_eq!(key.server_secret().to_z85(), "^6BX{1ccHquubBblg74k})Z4PQP3=FG.OAA4yw9f");
        assert_eq!(key.client_secret().to_z85(), "kfDVgAdjP:zNyRx<u>P}@q3u^NHDT2ou#]1tyQ7M");
    }

    #[test]
    fn a_password_is_no_key() {
        for text in ["", "secret", "correct horse battery staple", &"x".repeat(41), &"\"".repeat(40)] {
            let error = text.parse::<SharedKey>().unwrap_err();
            assert!(text.len() < 3 || !error.to_string().contains(text));
        }
    }

    #[test]
    fn a_key_file_is_its_owner_s_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = SharedKey::generate().unwrap();
        std::fs::write(&path, format!("{}\n", key.to_z85())).unwrap();
        let allow = |mode| files::set_mode(&path, mode).unwrap();
        allow(0o644);
        assert!(SharedKey::from_file(&path).unwrap_err().to_string().contains("chmod 600"));
        allow(0o600);
        assert_eq!(SharedKey::from_file(&path).unwrap(), key);
        std::fs::write(&path, [7; 32]).unwrap();
        assert_eq!(SharedKey::from_file(&path).unwrap(), SharedKey::new([7; 32]));
    }
}
