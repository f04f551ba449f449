//! Certificates: CURVE keys in files, in CZMQ's format (ZPL, RFC 4), so that both can use the same ones.
//!
//! ```text
//! metadata
//!     name = "Alice"
//! curve
//!     public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
//! ```
//!
//! A file with the public key is for everybody; one beside it, whose name ends in `_secret`, has both keys and can be
//! read by its owner only.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use zmtp::{CurveKey, CurveSecret};

use crate::sys::files;

/// A public key, properties of its owner, and perhaps the secret key.
///
/// ```
/// use zefiro::CurveSecret;
/// use zefiro::certificate::Certificate;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("alice");
/// let made = Certificate::new(&CurveSecret::generate()?).with("name", "Alice");
/// made.write(&path)?; // And, for the owner alone, `alice_secret`.
///
/// assert_eq!(Certificate::read(&path)?.public_key(), made.public_key());
/// assert_eq!(Certificate::read_secret(&path)?.secret_key(), made.secret_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    public: CurveKey,
    secret: Option<CurveSecret>,
    properties: Vec<(String, String)>,
}

impl Certificate {
    /// A certificate with both keys.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// let secret = CurveSecret::new([7; 32]);
    /// let certificate = Certificate::new(&secret);
    /// assert_eq!((certificate.public_key(), certificate.secret_key()), (secret.public(), Some(&secret)));
    /// ```
    pub fn new(secret: &CurveSecret) -> Certificate {
        Certificate { public: secret.public(), secret: Some(secret.clone()), properties: Vec::new() }
    }

    /// A certificate with a public key alone.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let secret = CurveSecret::new([7; 32]);
    /// assert_eq!(Certificate::of_public_key(secret.public()).secret_key(), None);
    /// ```
    pub fn of_public_key(public: CurveKey) -> Certificate {
        Certificate { public, secret: None, properties: Vec::new() }
    }

    /// Adds a property of the owner. Quotes, line ends and, in the name, anything but letters, digits and `-./@_` cannot
    /// be written, and are left out.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let secret = CurveSecret::new([7; 32]);
    /// let certificate = Certificate::new(&secret).with("name", "Alice");
    /// assert_eq!(certificate.property("name"), Some("Alice"));
    /// ```
    #[must_use = "it answers the certificate that has the property"]
    pub fn with(mut self, name: &str, value: &str) -> Certificate {
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-./@_".contains(*c)).collect();
        let value: String = value.chars().filter(|c| !matches!(c, '"' | '\n' | '\r')).collect();
        if !name.is_empty() {
            self.properties.push((name, value));
        }
        self
    }

    /// The certificate of a file.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("alice");
    /// # Certificate::new(&CurveSecret::generate()?).with("name", "Alice").write(&path)?;
    /// let certificate = Certificate::read(path)?;
    /// assert_eq!((certificate.property("name"), certificate.secret_key()), (Some("Alice"), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// It cannot be read, or is [no certificate](io::ErrorKind::InvalidData).
    pub fn read(path: impl AsRef<Path>) -> io::Result<Certificate> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)?;
        Certificate::parse(&text).ok_or_else(|| {
            let why = format!("{} has no public key, or one that its secret key does not go with", path.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    /// The certificate with both keys that belongs to the file of the public one: `path` with `_secret` behind it.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("alice");
    /// # Certificate::new(&CurveSecret::generate()?).write(&path)?;
    /// assert!(Certificate::read_secret(path)?.secret_key().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Certificate::read), or there is no secret key in it.
    pub fn read_secret(path: impl AsRef<Path>) -> io::Result<Certificate> {
        let path = secret_path(path.as_ref());
        let certificate = Certificate::read(&path)?;
        match certificate.secret {
            Some(_) => Ok(certificate),
            None => {
                let why = format!("{} has no secret key", path.display());
                Err(io::Error::new(io::ErrorKind::InvalidData, why))
            }
        }
    }

    /// The certificate in a text; `None` if it is none.
    ///
    /// ```
    /// # use zefiro::certificate::Certificate;
    /// let text = "curve\n    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n";
    /// let certificate = Certificate::parse(text).expect("it is one");
    /// assert_eq!(certificate.public_key().to_z85(), "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID");
    /// assert_eq!(Certificate::parse("curve"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Certificate> {
        let (mut public, mut secret, mut properties) = (None, None, Vec::new());
        let mut section = "";
        for line in text.lines() {
            let is_inside = line.starts_with([' ', '\t']);
            let (name, value) = match line.split_once('=') {
                Some((name, value)) if !name.contains('#') => (name.trim(), value_of(value)),
                _ => (without_comment(line), ""),
            };
            if name.is_empty() {
                continue;
            }
            match (is_inside, section) {
                (false, _) => section = name,
                (true, "curve") if name == "public-key" => public = CurveKey::from_z85(value),
                (true, "curve") if name == "secret-key" => secret = Some(CurveSecret::from_z85(value)?),
                (true, "metadata") => properties.push((name.to_string(), value.to_string())),
                _ => {}
            }
        }
        let public = public?;
        match &secret {
            Some(secret) if secret.public() != public => None,
            _ => Some(Certificate { public, secret, properties }),
        }
    }

    /// Writes the public certificate to `path`, which everybody may read, and, if there is a secret key, the one with
    /// both to `path` with `_secret` behind it, which only the owner may read.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("alice");
    /// Certificate::new(&CurveSecret::generate()?).write(&path)?;
    /// assert!(path.exists() && folder.path().join("alice_secret").exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file cannot be written, or is there already; then none of the two is made.
    pub fn write(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let write_public = || create(path, 0o644, self.text(false).as_bytes());
        if self.secret.is_none() {
            return write_public();
        }
        let secret_path = secret_path(path);
        create(&secret_path, 0o600, self.text(true).as_bytes())?;
        write_public().inspect_err(|_| _ = std::fs::remove_file(secret_path))
    }

    /// The public key.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let secret = CurveSecret::new([7; 32]);
    /// assert_eq!(Certificate::new(&secret).public_key(), secret.public());
    /// ```
    pub fn public_key(&self) -> CurveKey {
        self.public
    }

    /// The secret key, if it is there.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let secret = CurveSecret::new([7; 32]);
    /// assert_eq!(Certificate::new(&secret).secret_key(), Some(&secret));
    /// ```
    pub fn secret_key(&self) -> Option<&CurveSecret> {
        self.secret.as_ref()
    }

    /// A property of the owner.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, certificate::Certificate};
    /// # let secret = CurveSecret::new([7; 32]);
    /// let certificate = Certificate::new(&secret).with("email", "alice@example.com");
    /// assert_eq!((certificate.property("email"), certificate.property("name")), (Some("alice@example.com"), None));
    /// ```
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn text(&self, with_secret: bool) -> String {
        let mut text = "#   A certificate for CURVE, by Zefiro. Keys are Z85 text (RFC 32).\n".to_string();
        if with_secret {
            text.push_str("#   It has the secret key: keep this file to yourself.\n");
        }
        text.push_str("metadata\n");
        for (name, value) in &self.properties {
            let _ = writeln!(text, "    {name} = \"{value}\"");
        }
        let _ = writeln!(text, "curve\n    public-key = \"{}\"", self.public.to_z85());
        if let Some(secret) = self.secret.as_ref().filter(|_| with_secret) {
            let _ = writeln!(text, "    secret-key = \"{}\"", secret.to_z85());
        }
        text
    }
}

/// Writes a new file that `mode` says who may read; it is never there with another mode.
///
/// ```
/// # use zefiro::certificate;
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("shared.key");
/// certificate::create(&path, 0o600, b"for my eyes only")?;
/// assert!(certificate::create(&path, 0o600, b"once more").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// It cannot be written, or is there already; a part of it is not left behind.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let name_it = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let write = |mut file: File| file.write_all(bytes).inspect_err(|_| _ = std::fs::remove_file(path));
    files::create(path, mode).and_then(write).map_err(name_it)
}

/// The file of the secret key that belongs to the file of a public one.
///
/// ```
/// # use std::path::Path;
/// let path = zefiro::certificate::secret_path(Path::new("keys/alice"));
/// assert_eq!(path, Path::new("keys/alice_secret"));
/// ```
pub fn secret_path(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_os_string();
    path.push(SECRET_SUFFIX);
    PathBuf::from(path)
}

/// Whether a file is one that [`secret_path`] names.
pub(crate) fn is_secret_file(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(SECRET_SUFFIX.as_bytes())
}

/// A text up to its comment.
fn without_comment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default().trim()
}

/// What stands behind `=`: what is within quotes of one kind or the other, or all up to a comment.
fn value_of(text: &str) -> &str {
    let text = text.trim_start();
    let inside = |quote| Some(text.strip_prefix(quote)?.split_once(quote)?.0);
    inside('"').or_else(|| inside('\'')).unwrap_or_else(|| without_comment(text))
}

const SECRET_SUFFIX: &str = "_secret";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[test]
    fn czmq_s_certificates_are_read() {
        let text = format!(
            "#   ****  Generated on 2026-01-01 by CZMQ  ****\n#   ZeroMQ CURVE Public Certificate\n\nmetadata\n    \
             name = \"Alice # 1\"   # a comment\n    email = \"alice@example.org\"\ncurve\n    public-key = \"{PUBLIC}\"\n"
        );
        let certificate = Certificate::parse(&text).unwrap();
        assert_eq!(certificate.public_key().to_z85(), PUBLIC);
        assert_eq!(certificate.property("name"), Some("Alice # 1"));
        assert_eq!(certificate.property("email"), Some("alice@example.org"));
        assert_eq!(certificate.secret_key(), None);
        let quoted = text.replace("\"Alice # 1\"", "'Alice \"# 1\"'").replace("\"alice@example.org\"", "O'Brien # and");
        let certificate = Certificate::parse(&quoted).unwrap();
        assert_eq!(certificate.property("name"), Some("Alice \"# 1\""));
        assert_eq!(certificate.property("email"), Some("O'Brien"));
        let both = format!("{text}    secret-key = \"{SECRET}\"\n");
        assert_eq!(Certificate::parse(&both).unwrap().secret_key().unwrap().to_z85(), SECRET);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let other = CurveSecret::generate().unwrap().to_z85();
        for text in [
            String::new(),
            "curve\n".into(),
            format!("public-key = \"{PUBLIC}\"\n"),
            format!("metadata\n    public-key = \"{PUBLIC}\"\n"),
            "curve\n    public-key = \"short\"\n".into(),
            format!("curve\n    public-key = \"{PUBLIC}\"\n    secret-key = \"{other}\"\n"),
            format!("curve\n    public-key = \"{PUBLIC}\"\n    secret-key = \"nonsense\"\n"),
        ] {
            assert_eq!(Certificate::parse(&text), None, "{text}");
        }
    }

    #[test]
    fn the_secret_is_for_its_owner_alone_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Certificate::new(&CurveSecret::generate().unwrap()).with("na\"me", "A \"B\"\nC");
        made.write(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&secret_path(&path)), 0o600);
        let secret = made.secret_key().unwrap().to_z85();
        assert!(!std::fs::read_to_string(&path).unwrap().contains(&secret));
        let read = Certificate::read_secret(&path).unwrap();
        assert_eq!((read.secret_key(), read.property("name")), (made.secret_key(), Some("A BC")));
        assert_eq!(made.write(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!format!("{made:?}").contains(&secret));
    }

    #[test]
    fn a_secret_without_its_public_file_is_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "precious").unwrap();
        let made = Certificate::new(&CurveSecret::generate().unwrap());
        assert_eq!(made.write(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(!secret_path(&path).exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
