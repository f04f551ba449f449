//! Authenticators ready made: users by password, peers by address, keys by their certificates.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use zmtp::{CurveKey, Password};

use super::{Answer, Authenticator, Credentials, Request};
use crate::certificate::{Certificate, is_secret_file};
use crate::options::AddressFilter;

/// Users and their passwords, for PLAIN.
///
/// ```
/// # use zefiro::{Pull, auth::Users};
/// let users = Users::new().user("admin", "secret").user("guest", "guest");
/// let pull = Pull::builder().plain_server(true).authenticator(users).build()?;
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "an authenticator asks nobody until it is given to a builder"]
pub struct Users {
    /// Digests, which take the same time to compare whatever a password's length.
    digests: HashMap<String, Password>,
}

impl Users {
    /// Nobody.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull, Push, auth::Users};
    /// let pull = Pull::builder().plain_server(true).authenticator(Users::new()).build()?;
    /// let mut monitor = pull.monitor();
    /// let push = Push::builder().plain_username("admin").plain_password("secret").build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// assert!(monitor.any(|event| matches!(event.kind, EventKind::AuthenticationFailed(_))));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn new() -> Users {
        Users::default()
    }

    /// One more user, or another password for one. The table keeps a digest of the password, and
    /// wipes the password itself.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, auth::Users};
    /// let users = Users::new().user("admin", "secret");
    /// let pull = Pull::builder().plain_server(true).authenticator(users).build()?;
    /// let push = Push::builder().plain_username("admin").plain_password("secret").build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("let me in")?;
    /// assert_eq!(pull.recv()?, "let me in");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn user(mut self, name: impl Into<String>, password: impl Into<Password>) -> Users {
        self.digests.insert(name.into(), digest_of(&password.into()));
        self
    }
}

impl Authenticator for Users {
    fn authenticate(&self, request: &Request) -> Answer {
        let Credentials::Password { user, password } = &request.credentials else {
            return Answer::deny("no user and password were shown");
        };
        // A user nobody knows takes as long as a wrong password.
        let (known, shown) = (self.digests.get(user), digest_of(password));
        let equal = *known.unwrap_or(&shown) == shown;
        if known.is_some() && equal { Answer::allow(user.as_str()) } else { Answer::deny("wrong user or password") }
    }
}

impl std::fmt::Debug for Users {
    /// Passwords are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.digests.keys()).finish()
    }
}

/// Peers by their IP addresses, alone or before another authenticator.
///
/// ```
/// # use zefiro::{Pull, auth::Addresses};
/// let inside = Addresses::allow(["10.0.0.0/8".parse()?, "127.0.0.1".parse()?]);
/// let pull = Pull::builder().authenticator(inside).build()?;
/// # Ok::<(), zefiro::Error>(())
/// ```
#[must_use = "an authenticator asks nobody until it is given to a builder"]
pub struct Addresses {
    ranges: Vec<AddressFilter>,
    /// Whether those in the ranges may connect, or all others.
    inside: bool,
    next: Option<Box<dyn Authenticator>>,
}

impl Addresses {
    /// Only peers in one of the ranges may connect. An ipc peer, which has no address, may not.
    ///
    /// ```
    /// # use zefiro::{Pull, auth::Addresses};
    /// # let push = zefiro::Push::new();
    /// let pull = Pull::builder().authenticator(Addresses::allow(["127.0.0.0/8".parse()?])).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("from this machine")?;
    /// assert_eq!(pull.recv()?, "from this machine");
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn allow(ranges: impl IntoIterator<Item = AddressFilter>) -> Addresses {
        Addresses { ranges: ranges.into_iter().collect(), inside: true, next: None }
    }

    /// Only peers in none of the ranges may connect. An ipc peer, which has no address, may.
    ///
    /// ```
    /// # use zefiro::{EventKind, Pull, auth::Addresses};
    /// # let push = zefiro::Push::new();
    /// let pull = Pull::builder().authenticator(Addresses::deny(["127.0.0.0/8".parse()?])).build()?;
    /// let mut monitor = pull.monitor();
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// assert!(monitor.any(|event| matches!(event.kind, EventKind::AuthenticationFailed(_))));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn deny(ranges: impl IntoIterator<Item = AddressFilter>) -> Addresses {
        Addresses { ranges: ranges.into_iter().collect(), inside: false, next: None }
    }

    /// Those who may connect by their address are asked about further.
    ///
    /// ```
    /// # use zefiro::{Pull, Push, auth::{Addresses, Users}};
    /// let users = Users::new().user("admin", "secret");
    /// let inside = Addresses::allow(["127.0.0.0/8".parse()?]).then(users);
    /// let pull = Pull::builder().plain_server(true).authenticator(inside).build()?;
    /// # let push = Push::builder().plain_username("admin").plain_password("secret").build()?;
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("let me in")?;
    /// pull.recv()?;
    /// assert_eq!(pull.peers()[0].user_id.as_deref(), Some("admin"));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn then(mut self, next: impl Authenticator) -> Addresses {
        self.next = Some(Box::new(next));
        self
    }
}

impl Authenticator for Addresses {
    fn authenticate(&self, request: &Request) -> Answer {
        let holds = |address: IpAddr| self.ranges.iter().any(|range| range.accepts(address));
        if request.ip().is_some_and(holds) != self.inside {
            return Answer::deny("the address is not welcome");
        }
        self.next.as_ref().map_or_else(|| Answer::allow(""), |next| next.authenticate(request))
    }
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.inside { "allow" } else { "deny" };
        f.debug_struct("Addresses").field(name, &self.ranges).finish_non_exhaustive()
    }
}

/// Public keys that may connect, for CURVE: given one by one, or as the certificates in a folder.
///
/// A folder is looked at again whenever it has changed: adding a file lets its key in, removing it locks the key out, for
/// connections to come. What is written into a file that is there already counts a second later. The user id is the property `name` or `user-id` of the certificate, or else
/// the key as Z85 text.
///
/// ```no_run
/// # use zefiro::{CurveSecret, Pull, auth::Keys};
/// # let secret = CurveSecret::generate().unwrap();
/// let pull = Pull::builder()
///     .curve_server(true)
///     .curve_secret_key(secret)
///     .authenticator(Keys::in_directory("/etc/zefiro/clients")?)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "an authenticator asks nobody until it is given to a builder"]
pub struct Keys {
    keys: HashMap<CurveKey, String>,
    directory: Option<(PathBuf, Mutex<Read>)>,
}

/// What was read of a folder, and what the folder was like then.
#[derive(Debug, Default)]
struct Read {
    keys: HashMap<CurveKey, String>,
    state: Option<Vec<(PathBuf, SystemTime, u64)>>,
    listing: Option<Listing>,
}

/// When the folder was looked through, so that strangers who come one after the other do not have that done for each.
#[derive(Clone, Copy, Debug)]
struct Listing {
    at: Instant,
    /// When the folder had changed last; `None`: so shortly before that another change may bear the same time.
    changed: Option<SystemTime>,
}

impl Keys {
    /// No keys.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, auth::Keys};
    /// # let (alice, bob) = (CurveSecret::new([7; 32]), CurveSecret::new([8; 32]));
    /// let friends = [("alice", alice.public()), ("bob", bob.public())];
    /// let keys = friends.into_iter().fold(Keys::new(), |keys, (name, key)| keys.key(key, name));
    /// # assert!(format!("{keys:?}").contains("bob"));
    /// ```
    pub fn new() -> Keys {
        Keys::default()
    }

    /// The keys of the certificates in a folder, which is read again when it has changed. Files that are no
    /// certificates are left alone.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, Pull, Push, auth::Keys, certificate::Certificate};
    /// # let folder = tempfile::tempdir()?;
    /// # let (server, alice) = (CurveSecret::generate()?, CurveSecret::generate()?);
    /// let keys = Keys::in_directory(folder.path())?;
    /// Certificate::new(&alice).with("name", "Alice").write(folder.path().join("alice"))?;
    /// # let server_key = server.public();
    /// # let pull = Pull::builder().curve_server(true).curve_secret_key(server).authenticator(keys).build()?;
    /// # let push = Push::builder().curve_server_key(server_key).curve_secret_key(alice).build()?;
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("let me in")?;
    /// pull.recv()?;
    /// assert_eq!(pull.peers()[0].user_id.as_deref(), Some("Alice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The folder cannot be read now.
    pub fn in_directory(path: impl AsRef<Path>) -> io::Result<Keys> {
        let path = path.as_ref().to_path_buf();
        let mut read = Read::default();
        read.refresh(&path, Instant::now())?;
        Ok(Keys { keys: HashMap::new(), directory: Some((path, Mutex::new(read))) })
    }

    /// One more key, with its user id.
    ///
    /// ```
    /// # use zefiro::{CurveSecret, Pull, Push, auth::Keys};
    /// # let (server, alice) = (CurveSecret::generate()?, CurveSecret::generate()?);
    /// # let server_key = server.public();
    /// let keys = Keys::new().key(alice.public(), "alice");
    /// let pull = Pull::builder().curve_server(true).curve_secret_key(server).authenticator(keys).build()?;
    /// let push = Push::builder().curve_server_key(server_key).curve_secret_key(alice).build()?;
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// push.send("let me in")?;
    /// pull.recv()?;
    /// assert_eq!(pull.peers()[0].user_id.as_deref(), Some("alice"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key(mut self, key: CurveKey, user_id: impl Into<String>) -> Keys {
        self.keys.insert(key, user_id.into());
        self
    }
}

impl Authenticator for Keys {
    fn authenticate(&self, request: &Request) -> Answer {
        let Some(key) = request.key() else { return Answer::deny("no key was shown") };
        if let Some(user_id) = self.keys.get(&key) {
            return Answer::allow(user_id.as_str());
        }
        if let Some((path, read)) = &self.directory {
            let mut read = read.lock();
            if let Err(error) = read.refresh(path, Instant::now()) {
                return Answer::fail(format!("the certificates cannot be read: {error}"));
            }
            if let Some(user_id) = read.keys.get(&key) {
                return Answer::allow(user_id.as_str());
            }
        }
        Answer::deny("the key is not known")
    }
}

impl Read {
    fn refresh(&mut self, path: &Path, now: Instant) -> io::Result<()> {
        let changed = std::fs::metadata(path)?.modified()?;
        let is_new = |listing: Listing| listing.changed == Some(changed) && now < listing.at + LISTING_AGE_MAX;
        if self.listing.is_some_and(is_new) {
            return Ok(());
        }
        // The time is taken before it is looked through: what changes meanwhile is seen the next time.
        let settled = SystemTime::now().duration_since(changed).is_ok_and(|age| age > FILE_TIME_STEP);
        self.listing = None;
        self.list(path)?;
        self.listing = Some(Listing { at: now, changed: settled.then_some(changed) });
        Ok(())
    }

    fn list(&mut self, path: &Path) -> io::Result<()> {
        let mut state = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // Through symbolic links: that is how many programs put certificates in place.
            let Ok(metadata) = std::fs::metadata(entry.path()) else { continue };
            if metadata.is_file() && metadata.len() <= CERTIFICATE_BYTES_MAX && !is_secret_file(&entry.path()) {
                let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                state.push((entry.path(), changed, metadata.len()));
            }
        }
        state.sort();
        if self.state.as_ref() == Some(&state) {
            return Ok(());
        }
        self.keys.clear();
        for (path, ..) in &state {
            if let Ok(certificate) = Certificate::read(path) {
                let name = certificate.property("user-id").or(certificate.property("name"));
                let user_id = name.map_or_else(|| certificate.public_key().to_z85(), str::to_string);
                self.keys.insert(certificate.public_key(), user_id);
            }
        }
        self.state = Some(state);
        Ok(())
    }
}

/// SHA-256 of a password, which is compared as a password is.
fn digest_of(password: &[u8]) -> Password {
    Password::from(Sha256::digest(password).as_slice())
}

/// How long a folder that has not changed is not looked through again.
const LISTING_AGE_MAX: Duration = Duration::from_secs(1);

/// The coarsest step in which file systems keep times, but for those of ancient ones.
const FILE_TIME_STEP: Duration = Duration::from_millis(100);

/// Larger files are no certificates.
const CERTIFICATE_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use zmtp::{CurveSecret, Frame};

    use super::*;

    fn request(credentials: Credentials, address: &str) -> Request {
        Request {
            mechanism: "NULL",
            domain: String::new(),
            endpoint: String::new(),
            address: Some(address.into()),
            identity: Frame::new(),
            credentials,
        }
    }

    fn login(user: &str, password: &str) -> Request {
        request(Credentials::Password { user: user.into(), password: password.into() }, "127.0.0.1")
    }

    #[test]
    fn users_come_in_by_their_own_password_only() {
        let users = Users::new().user("admin", "secret").user("guest", "guest");
        assert_eq!(users.authenticate(&login("admin", "secret")), Answer::allow("admin"));
        for (user, password) in [("admin", "guest"), ("admin", "secre"), ("nobody", ""), ("", ""), ("Admin", "secret")]
        {
            assert!(!users.authenticate(&login(user, password)).allows(), "{user}");
        }
        assert!(!users.authenticate(&request(Credentials::None, "127.0.0.1")).allows());
        assert!(!format!("{users:?}").contains("secret"));
    }

    #[test]
    fn addresses_are_allowed_or_denied_by_network() {
        let inside = Addresses::allow(["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        let outside = Addresses::deny(["10.0.0.0/8".parse().unwrap()]);
        for (address, allowed, not_denied) in [
            ("10.1.2.3", true, false),
            ("::1", true, true),
            ("192.0.2.1", false, true),
            ("localhost:0:0:1", false, true),
        ] {
            let request = request(Credentials::None, address);
            assert_eq!(inside.authenticate(&request).allows(), allowed, "{address}");
            assert_eq!(outside.authenticate(&request).allows(), not_denied, "{address}");
        }
        let both = Addresses::allow(["127.0.0.1".parse().unwrap()]).then(Users::new().user("admin", "secret"));
        assert!(both.authenticate(&login("admin", "secret")).allows());
        assert!(!both.authenticate(&login("admin", "wrong")).allows());
    }

    #[test]
    fn keys_come_and_go_with_their_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second, third] = [(); 3].map(|()| CurveSecret::generate().unwrap());
        Certificate::new(&first).with("name", "first").write(folder.path().join("first")).unwrap();
        std::fs::write(folder.path().join("readme"), "no certificate").unwrap();
        let keys = Keys::in_directory(folder.path()).unwrap().key(third.public(), "third");
        let ask = |secret: &CurveSecret| keys.authenticate(&request(Credentials::Key(secret.public()), "127.0.0.1"));
        assert_eq!(ask(&first), Answer::allow("first"));
        assert_eq!(ask(&third), Answer::allow("third"));
        assert!(!ask(&second).allows());
        Certificate::new(&second).write(folder.path().join("second")).unwrap();
        assert_eq!(ask(&second), Answer::allow(second.public().to_z85()));
        std::fs::remove_file(folder.path().join("first")).unwrap();
        assert!(!ask(&first).allows());
        drop(folder);
        assert_eq!(ask(&second).status, 500);
    }

    #[test]
    fn a_folder_that_has_not_changed_is_looked_through_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| CurveSecret::generate().unwrap().public());
        let change = |key: CurveKey, at: u64| {
            let folder = folder.path();
            let text = format!("curve\n    public-key = \"{}\"\n", key.to_z85());
            std::fs::write(folder.join("a"), text).unwrap();
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + at);
            std::fs::File::open(folder.join("a")).unwrap().set_modified(changed).unwrap();
            std::fs::File::open(folder).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        let mut read = Read::default();
        let began = Instant::now();
        change(first, 0);
        read.refresh(folder.path(), began).unwrap();
        change(second, 1);
        for tenths in 0..10 {
            read.refresh(folder.path(), began + Duration::from_millis(100) * tenths).unwrap();
            assert!(read.keys.contains_key(&first) && !read.keys.contains_key(&second), "{tenths}");
        }
        read.refresh(folder.path(), began + LISTING_AGE_MAX).unwrap();
        assert!(read.keys.contains_key(&second) && !read.keys.contains_key(&first));
        // The folder itself has changed.
        std::fs::remove_file(folder.path().join("a")).unwrap();
        read.refresh(folder.path(), began + LISTING_AGE_MAX).unwrap();
        assert!(read.keys.is_empty());
    }
}
