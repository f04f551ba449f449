//! What the tests of the C library share: where the libraries are, and calling them by name.
//!
//! Each library is loaded in a process of its own, so that the two never meet.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use libloading::Library;

/// No program in a test runs longer.
pub const LONG: Duration = Duration::from_secs(120);

/// Our library under the name programs look for, in a folder of its own for `LD_LIBRARY_PATH`. Built if need be, unless
/// `ZEFIRO_BUILT` says that it has been, upon the same crates as the tests.
pub fn our_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let mut test = std::env::current_exe().unwrap();
        test.pop();
        if test.ends_with("deps") {
            test.pop();
        }
        let release = test.ends_with("release");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "libzmq"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        if release {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(test.parent().unwrap());
        if std::env::var_os("ZEFIRO_BUILT").is_none() {
            assert!(build.status().unwrap().success(), "the C library does not build");
        }
        let folder = test.join("libzmq-tests");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["libzmq.so.5", "libzmq.so"] {
            let link = folder.join(name);
            let fresh = folder.join(format!("{name}.{}", std::process::id()));
            let _ = std::fs::remove_file(&fresh);
            std::os::unix::fs::symlink(test.join("libzmq.so"), &fresh).unwrap();
            std::fs::rename(&fresh, &link).unwrap();
        }
        folder
    })
}

/// Our library.
pub fn ours() -> PathBuf {
    our_folder().join("libzmq.so.5")
}

/// The system's libzmq, if there is one.
pub fn theirs() -> Option<PathBuf> {
    let output = Command::new("sh").args(["-c", "ldconfig -p | grep 'libzmq.so.5 '"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next()?.split(" => ").nth(1).map(PathBuf::from)
}

/// Runs this test program again as a child that loads `library` and does `role`; answers what it prints.
pub fn in_child(test: &str, role: &str, library: &Path) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("ZEFIRO_TEST_ROLE", role)
        .env("ZEFIRO_TEST_LIBRARY", library)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{role} with {}: {:?}\n{errors}\n{text}", library.display(), output.status);
    text.lines().filter_map(|line| line.strip_prefix(MARK)).map(|line| format!("{line}\n")).collect()
}

/// Runs a command to its end, which must come within [`LONG`].
pub fn run_within(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let id = child.id();
    let (ended, end) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if end.recv_timeout(LONG) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    output
}

/// What a child is to do, and with which library; `None` in the test itself.
pub fn role() -> Option<(String, Zmq)> {
    let role = std::env::var("ZEFIRO_TEST_ROLE").ok()?;
    Some((role, Zmq::load(Path::new(&std::env::var_os("ZEFIRO_TEST_LIBRARY").unwrap()))))
}

/// Begins each line a child says to its parent.
pub const MARK: &str = "@";

/// A library, its functions found by name.
pub struct Zmq {
    library: Library,
}

macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Zmq {
            $(
                pub fn $name(&self, $($argument: $type),*) -> $result {
                    // SAFETY: the function is declared so in zmq.h, and the tests pass what it wants.
                    unsafe {
                        let function = self.library
                            .get::<unsafe extern "C" fn($($type),*) -> $result>(stringify!($name).as_bytes());
                        function.unwrap()($($argument),*)
                    }
                }
            )*
        }
    };
}

use std::ffi::{c_char, c_int, c_long, c_short, c_void};

pub type Handle = *mut c_void;

/// As large and as aligned as C's `zmq_msg_t`.
#[repr(C, align(8))]
pub struct Msg(pub [u8; 64]);

functions! {
    zmq_errno() -> c_int;
    zmq_ctx_new() -> Handle;
    zmq_ctx_term(context: Handle) -> c_int;
    zmq_ctx_shutdown(context: Handle) -> c_int;
    zmq_ctx_set(context: Handle, option: c_int, value: c_int) -> c_int;
    zmq_ctx_get(context: Handle, option: c_int) -> c_int;
    zmq_socket(context: Handle, socket_type: c_int) -> Handle;
    zmq_close(socket: Handle) -> c_int;
    zmq_setsockopt(socket: Handle, option: c_int, value: *const u8, len: usize) -> c_int;
    zmq_getsockopt(socket: Handle, option: c_int, value: *mut u8, len: *mut usize) -> c_int;
    zmq_bind(socket: Handle, endpoint: *const c_char) -> c_int;
    zmq_connect(socket: Handle, endpoint: *const c_char) -> c_int;
    zmq_unbind(socket: Handle, endpoint: *const c_char) -> c_int;
    zmq_disconnect(socket: Handle, endpoint: *const c_char) -> c_int;
    zmq_send(socket: Handle, data: *const u8, len: usize, flags: c_int) -> c_int;
    zmq_recv(socket: Handle, data: *mut u8, len: usize, flags: c_int) -> c_int;
    zmq_join(socket: Handle, group: *const c_char) -> c_int;
    zmq_leave(socket: Handle, group: *const c_char) -> c_int;
    zmq_connect_peer(socket: Handle, endpoint: *const c_char) -> u32;
    zmq_disconnect_peer(socket: Handle, routing_id: u32) -> c_int;
    zmq_msg_init_buffer(message: *mut Msg, data: *const u8, len: usize) -> c_int;
    zmq_msg_close(message: *mut Msg) -> c_int;
    zmq_msg_data(message: *mut Msg) -> *const u8;
    zmq_msg_size(message: *mut Msg) -> usize;
    zmq_msg_send(message: *mut Msg, socket: Handle, flags: c_int) -> c_int;
    zmq_msg_recv(message: *mut Msg, socket: Handle, flags: c_int) -> c_int;
    zmq_msg_set_routing_id(message: *mut Msg, routing_id: u32) -> c_int;
    zmq_msg_routing_id(message: *mut Msg) -> u32;
    zmq_msg_set_group(message: *mut Msg, group: *const c_char) -> c_int;
    zmq_msg_group(message: *mut Msg) -> *const c_char;
    zmq_has(capability: *const c_char) -> c_int;
    zmq_poller_new() -> Handle;
    zmq_poller_destroy(poller: *mut Handle) -> c_int;
    zmq_poller_add(poller: Handle, socket: Handle, user_data: Handle, events: c_short) -> c_int;
    zmq_poller_wait(poller: Handle, event: *mut c_void, timeout: c_long) -> c_int;
    zmq_poller_fd(poller: Handle, fd: *mut c_int) -> c_int;
    zmq_poll(items: *mut c_void, count: c_int, timeout: c_long) -> c_int;
    zmq_ppoll(items: *mut c_void, count: c_int, timeout: c_long, mask: *const c_void) -> c_int;
}

impl Zmq {
    pub fn load(path: &Path) -> Zmq {
        // SAFETY: loading a libzmq runs nothing that would trouble the test.
        Zmq { library: unsafe { Library::new(path) }.unwrap() }
    }

    /// A result as text, with the errno of a failure.
    pub fn outcome(&self, result: c_int) -> String {
        if result == -1 { format!("errno {}", self.zmq_errno()) } else { result.to_string() }
    }
}

/// Whether our library can do this.
pub fn has(capability: &str) -> bool {
    Zmq::load(&ours()).zmq_has(std::ffi::CString::new(capability).unwrap().as_ptr()) == 1
}
