//! A throw-away Kerberos realm in a temporary directory: a KDC, a service and two users, with keys and tickets.
//!
//! The Kerberos library finds them by environment variables, which belong to a whole process: each test runs itself again
//! in a process that has them ([`in_realm`]).

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use zefiro_interop::LONG;

/// The service, and its principal.
pub const SERVICE: &str = "server/localhost@ZEFIRO.TEST";
/// Users.
pub const ALICE: &str = "alice@ZEFIRO.TEST";
pub const BOB: &str = "bob@ZEFIRO.TEST";

/// Runs `body`, of the test named `test`, in a process whose environment is a new realm, changed by `changes`: a value
/// each, in which `REALM` stands for the realm's directory. Without the programs of a KDC it says so and passes.
pub fn in_realm(test: &str, changes: &[(&str, &str)], body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let Some(realm) = Realm::start() else { return };
    let directory = realm.directory.path().to_str().expect("a path of text");
    let mut command = Command::new(env::current_exe().expect("a test knows its own program"));
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, directory);
    for (name, value) in realm
        .environment()
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(changes.iter().map(|(name, value)| (*name, *value)))
    {
        command.env(name, value.replace("REALM", directory));
    }
    let mut child = command.spawn().expect("the test starts again");
    let deadline = Instant::now() + 6 * LONG;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("the test in the realm does not end");
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "the test in the realm failed: {status}");
}

/// In the realm: waits until the KDC of `silent.conf` has been asked for something.
pub fn wait_until_the_silent_kdc_is_asked() {
    let asked = Path::new(&env::var_os(INSIDE).expect("a realm")).join("asked");
    let deadline = Instant::now() + LONG;
    while !asked.exists() {
        assert!(Instant::now() < deadline, "nobody asks the KDC");
        thread::sleep(Duration::from_millis(2));
    }
}

struct Realm {
    directory: tempfile::TempDir,
    kdc: Option<Child>,
}

impl Realm {
    fn start() -> Option<Realm> {
        let found = ["krb5kdc", "kdb5_util", "kadmin.local", "kinit"].iter().all(|program| find(program));
        if !found || !zefiro::gssapi_is_available() {
            println!("no Kerberos server (krb5-kdc, krb5-admin-server, krb5-user): GSSAPI is not tested");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().to_path_buf();
        fs::create_dir(path.join("tickets")).expect("room for tickets");
        let text = path.to_str().expect("a path of text");
        let mut realm = Realm { directory, kdc: None };
        realm.configure(free_port());
        realm.run("kdb5_util", &["create", "-s", "-P", "master", "-r", "ZEFIRO.TEST"]);
        for principal in [SERVICE, ALICE, BOB] {
            realm.run("kadmin.local", &["-q", &format!("addprinc -randkey {principal}")]);
            for keys in [format!("{text}/all.keytab"), format!("{text}/{}.keytab", short(principal))] {
                realm.run("kadmin.local", &["-q", &format!("ktadd -norandkey -k {keys} {principal}")]);
            }
        }
        // Somebody else may take the port first.
        while !realm.start_kdc() {
            realm.configure(free_port());
        }
        // A server of libzmq's wants a ticket of its own, too. The last one is whom a client is by default.
        for principal in [SERVICE, BOB, ALICE] {
            realm.run("kinit", &["-k", "-t", &format!("{text}/{}.keytab", short(principal)), principal]);
        }
        realm.run("kvno", &[SERVICE]);
        realm.pretend_silence();
        Some(realm)
    }

    fn configure(&self, port: u16) {
        let path = self.directory.path();
        let text = path.to_str().expect("a path of text");
        write(&path.join("krb5.conf"), &KRB5_CONF.replace("PORT", &port.to_string()));
        write(&path.join("kdc.conf"), &KDC_CONF.replace("PORT", &port.to_string()).replace("REALM", text));
    }

    /// Whether the KDC listens; else it has ended. Its log tells, as anybody might listen there.
    fn start_kdc(&mut self) -> bool {
        let mut command = self.command("krb5kdc");
        let command = command.args(["-n", "-r", "ZEFIRO.TEST"]).stdout(Stdio::null()).stderr(Stdio::null());
        let kdc = self.kdc.insert(command.spawn().expect("the KDC starts"));
        let log = self.directory.path().join("kdc.log");
        let deadline = Instant::now() + LONG;
        while !fs::read_to_string(&log).is_ok_and(|text| text.contains("commencing operation")) {
            if kdc.try_wait().expect("it can be waited for").is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "the KDC does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// `silent.conf` names a KDC that takes connections and says nothing; `asked` is there once it is asked.
    fn pretend_silence(&self) {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = silent.local_addr().expect("it is bound").port();
        let path = self.directory.path().to_path_buf();
        write(&path.join("silent.conf"), &KRB5_CONF.replace("PORT", &port.to_string()));
        thread::spawn(move || {
            // They stay open as long as the thread, which ends with the process.
            let mut taken = Vec::new();
            while let Ok((stream, _)) = silent.accept() {
                taken.push(stream);
                let _ = fs::File::create(path.join("asked"));
            }
        });
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = self.directory.path().to_str().expect("a path of text");
        [
            ("KRB5_CONFIG", "krb5.conf"),
            ("KRB5_KDC_PROFILE", "kdc.conf"),
            ("KRB5_KTNAME", "all.keytab"),
            ("KRB5_CLIENT_KTNAME", "all.keytab"),
        ]
        .into_iter()
        .map(|(name, file)| (name, format!("{path}/{file}")))
        .chain([("KRB5CCNAME", format!("DIR:{path}/tickets")), ("KRB5RCACHEDIR", path.to_string())])
        .collect()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default()));
        command.envs(self.environment());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = self.command(program).args(arguments).stdin(Stdio::null()).output().expect("the program starts");
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        if let Some(kdc) = &mut self.kdc {
            let _ = kdc.kill();
            let _ = kdc.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

fn find(program: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|folder| Path::new(folder).join(program).exists())
}

/// What a principal's files are called by.
fn short(principal: &str) -> &str {
    principal.split(['/', '@']).next().unwrap_or(principal)
}

fn write(path: &Path, text: &str) {
    let mut file = fs::File::create(path).expect("a file");
    file.write_all(text.as_bytes()).expect("room for it");
}

const INSIDE: &str = "ZEFIRO_TEST_REALM";

const KRB5_CONF: &str = "\
[libdefaults]
  default_realm = ZEFIRO.TEST
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  ZEFIRO.TEST = {
    kdc = 127.0.0.1:PORT
  }
";

const KDC_CONF: &str = "\
[kdcdefaults]
  kdc_listen = 127.0.0.1:PORT
  kdc_tcp_listen = 127.0.0.1:PORT
[realms]
  ZEFIRO.TEST = {
    database_name = REALM/principal
    key_stash_file = REALM/stash
    acl_file = REALM/acl
  }
[logging]
  kdc = FILE:REALM/kdc.log
";
