//! Endpoints: what they may look like, what an error says of them, and which is really bound.

mod util;

use std::sync::{Mutex, MutexGuard};

use util::{LONG, socket};
use zefiro::{AnySocket, Context, Dish, ErrorKind, Pull, Push, Radio, SocketType};

/// A child has what this process has open until it runs its program: so long no address is free.
fn children_or_addresses() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[test]
fn errors_name_the_endpoint_and_the_cause() {
    let context = Context::new();
    let pull: Pull = socket(&context);
    let taken = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let cases = [
        (taken.as_str(), ErrorKind::AddressInUse),
        ("tcp://127.0.0.1:99999999x:", ErrorKind::InvalidEndpoint),
        ("tcp://no-such-interface:5555", ErrorKind::UnknownHost),
        ("tcp://no-such-interface:*", ErrorKind::UnknownHost),
        ("tcp://[::1%no-such-interface]:*", ErrorKind::InvalidEndpoint),
        ("tcp://no-such-interface:*;127.0.0.1:*", ErrorKind::UnknownHost),
        ("tcp://192.0.2.1:5555", ErrorKind::AddressNotAvailable),
        ("ipc:///no/such/directory/socket", ErrorKind::Io),
        ("pgm://127.0.0.1:5555", ErrorKind::UnsupportedTransport),
        ("nonsense", ErrorKind::InvalidEndpoint),
    ];
    for (endpoint, kind) in cases {
        let other: Pull = socket(&context);
        let error = other.bind(endpoint).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(endpoint), "{error}");
    }
    let dish: Dish = socket(&context);
    for endpoint in ["udp://no-such-interface:*", "udp://no-such-interface;239.0.0.1:*", "udp://lo;127.0.0.1:*"] {
        let error = dish.bind(endpoint).unwrap_err();
        assert_eq!(error.endpoint(), Some(endpoint), "{error}");
    }
    let radio: Radio = socket(&context);
    let endpoint = "udp://no-such-interface;239.0.0.1:00005";
    assert_eq!(radio.connect(endpoint).unwrap_err().endpoint(), Some(endpoint));
    let inproc: Pull = socket(&context);
    inproc.bind("inproc://taken").unwrap();
    assert_eq!(pull.bind("inproc://taken").unwrap_err().kind(), ErrorKind::AddressInUse);
}

#[test]
fn ipc_paths_may_be_long_and_old_files_are_no_obstacle() {
    let context = Context::new();
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(150)).join("e".repeat(100));
    std::fs::create_dir_all(&deep).unwrap();
    let endpoint = format!("ipc://{}/socket", deep.display());
    assert!(endpoint.len() > 250);
    for _ in 0..2 {
        // The second time the file of the first is still there.
        let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
        pull.bind(&endpoint).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("deep").unwrap();
        assert_eq!(pull.recv().unwrap(), "deep");
    }
    let in_use = |path: &std::path::Path| {
        let pull: Pull = socket(&context);
        let error = pull.bind(format!("ipc://{}", path.display())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error}");
    };
    // Neither somebody's file is removed, nor the address of one who lives taken.
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    in_use(&file);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let path = directory.path().join("taken");
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    pull.bind(format!("ipc://{}", path.display())).unwrap();
    in_use(&path);
    push.connect(format!("ipc://{}", path.display())).unwrap();
    push.send("still mine").unwrap();
    assert_eq!(pull.recv().unwrap(), "still mine");
    let as_libzmq = Pull::builder().context(&context).as_libzmq().build().unwrap();
    as_libzmq.bind(format!("ipc://{}", path.display())).unwrap();
    let abstract_name = format!("ipc://@zefiro-test-{}", std::process::id());
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    pull.bind(&abstract_name).unwrap();
    push.connect(&abstract_name).unwrap();
    push.send("abstract").unwrap();
    assert_eq!(pull.recv().unwrap(), "abstract");
}

/// The owner, group and permissions of a file.
fn standing(path: &std::path::Path) -> (u32, u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).unwrap();
    (file.uid(), file.gid(), file.mode() & 0o7777)
}

#[test]
fn the_file_of_an_ipc_address_has_the_mode_and_owner_asked_for() {
    let context = Context::new();
    let directory = tempfile::tempdir().unwrap();
    let (uid, gid, _) = standing(directory.path());
    let path = directory.path().join("socket");
    let endpoint = format!("ipc://{}", path.display());
    for mode in [0o600, 0o660, 0o666] {
        let pull = Pull::builder().context(&context).ipc_mode(mode).ipc_owner(uid).ipc_group(gid).recv_timeout(LONG);
        let pull = pull.build().unwrap();
        pull.bind(&endpoint).unwrap();
        assert_eq!(standing(&path), (uid, gid, mode));
        let push: Push = socket(&context);
        push.connect(&endpoint).unwrap();
        push.send("let in").unwrap();
        assert_eq!(pull.recv().unwrap(), "let in");
        pull.unbind(&endpoint).unwrap();
        // A wildcard's folder is for those who may connect, too.
        let bound = pull.bind("ipc://*").unwrap().to_string();
        let wildcard = std::path::Path::new(bound.trim_start_matches("ipc://"));
        assert_eq!(standing(wildcard), (uid, gid, mode));
        assert_eq!(standing(wildcard.parent().unwrap()).2, 0o700 | (mode & 0o022) >> 1);
        // What has no file cannot be guarded by one.
        let error = pull.bind("ipc://@no-file").unwrap_err();
        assert!(error.to_string().contains("abstract"), "{error}");
    }
    if uid == 0 {
        let pull = Pull::builder().context(&context).ipc_owner(1).ipc_group(2).build().unwrap();
        pull.bind(&endpoint).unwrap();
        assert_eq!((standing(&path).0, standing(&path).1), (1, 2));
    } else {
        let pull = Pull::builder().context(&context).ipc_owner(0).build().unwrap();
        assert_eq!(pull.bind(&endpoint).unwrap_err().kind(), ErrorKind::Io);
        assert!(!path.exists());
    }
    assert_eq!(Pull::builder().ipc_mode(0o4777).build().unwrap_err().kind(), ErrorKind::InvalidOption);
}

/// In children of this process: what is asked of the system here holds for all of a process.
#[test]
fn the_folder_of_an_ipc_wildcard_lets_in_whom_its_file_does_and_goes_with_it() {
    const ROLE: &str = "the_folder_of_an_ipc_wildcard_lets_in_whom_its_file_does_and_goes_with_it";
    if !util::is_child(ROLE) {
        let _children = children_or_addresses();
        util::Player::new(ROLE).ends_well();
        // Who may give files away, but not use those of others.
        let powerless = || {
            let mut program = std::process::Command::new("setpriv");
            program.args(["--bounding-set", "-dac_override,-dac_read_search,-fowner"]);
            program
        };
        let allowed = powerless().arg("true").stderr(std::process::Stdio::null()).status();
        if rustix::process::geteuid().is_root() && allowed.is_ok_and(|status| status.success()) {
            let mut program = powerless();
            program.arg(std::env::current_exe().unwrap());
            util::Player::started_by(program, ROLE, &[]).ends_well();
        }
        return;
    }
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid().as_raw());
    let (other_user, other_group) = if user.is_root() { (1, 2) } else { (user.as_raw(), group) };
    let context = Context::new();
    for (umask, file, folder) in [(0o022, 0o755, 0o700), (0o007, 0o770, 0o710), (0o000, 0o777, 0o711)] {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask));
        for owner in [None, Some(other_user)] {
            let pull = Pull::builder().context(&context).ipc_group(other_group).ipc_owner(owner).build().unwrap();
            let bound = pull.bind("ipc://*").unwrap().to_string();
            let path = std::path::Path::new(bound.trim_start_matches("ipc://"));
            let directory = path.parent().unwrap();
            assert_eq!(standing(directory), (owner.unwrap_or(user.as_raw()), other_group, folder));
            // Who has been given both may not be able to look.
            if let Ok(there) = std::fs::metadata(path) {
                assert_eq!(std::os::unix::fs::MetadataExt::mode(&there) & 0o7777, file);
            }
            pull.unbind(&bound).unwrap();
            assert!(std::fs::symlink_metadata(directory).is_err(), "the folder is left behind");
        }
        // As long as nothing is asked for, it is for this user alone.
        let pull: Pull = socket(&context);
        let bound = pull.bind("ipc://*").unwrap().to_string();
        let directory = std::path::Path::new(bound.trim_start_matches("ipc://")).parent().unwrap();
        assert_eq!(standing(directory).2, 0o700);
    }
}

#[test]
fn the_file_of_a_killed_process_is_no_obstacle() {
    const ROLE: &str = "the_file_of_a_killed_process_is_no_obstacle";
    if util::is_child(ROLE) {
        let pull: Pull = socket(&Context::new());
        println!("\nbound {}", pull.bind(std::env::var("ZEFIRO_TEST_ENDPOINT").unwrap()).unwrap());
        pull.recv_timeout(util::LONG * 10).unwrap_err();
        return;
    }
    let _children = children_or_addresses();
    let directory = tempfile::tempdir().unwrap();
    // One path that fits an address, one that does not.
    for path in [directory.path().join("socket"), directory.path().join("d".repeat(200)).join("e".repeat(100))] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let endpoint = format!("ipc://{}", path.display());
        let mut killed = util::Player::with(ROLE, &[("ZEFIRO_TEST_ENDPOINT", &endpoint)]);
        killed.hear("bound");
        let context = Context::new();
        let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
        assert_eq!(pull.bind(&endpoint).unwrap_err().kind(), ErrorKind::AddressInUse);
        // By SIGKILL: it removes nothing.
        drop(killed);
        assert!(path.exists());
        pull.bind(&endpoint).unwrap();
        push.connect(&endpoint).unwrap();
        push.send("after it").unwrap();
        assert_eq!(pull.recv().unwrap(), "after it");
    }
}

#[test]
fn an_address_is_free_when_unbind_returns() {
    let _no_children = children_or_addresses();
    let times = if util::is_long() { 100_000 } else { 1_000 };
    let directory = tempfile::tempdir().unwrap();
    let context = Context::new();
    let pull: Pull = socket(&context);
    let other: Pull = socket(&context);
    // An address of this test alone: a port of 127.0.0.1 that is free is soon somebody else's.
    let tcp = pull.bind(if cfg!(target_os = "linux") { "tcp://127.63.7.9:*" } else { "tcp://127.0.0.1:*" });
    let tcp = tcp.unwrap().to_string();
    pull.unbind(&tcp).unwrap();
    let ipc = format!("ipc://{}", directory.path().join("socket").display());
    for endpoint in [tcp.as_str(), &ipc, "inproc://free", "ipc://@zefiro-free"] {
        for number in 0..times {
            // By the same socket, and by another one.
            let binds = if number % 2 == 0 { &pull } else { &other };
            binds.bind(endpoint).unwrap_or_else(|error| panic!("bind {number}: {error}"));
            binds.unbind(endpoint).unwrap();
        }
    }
}

#[test]
fn names_and_ipv6_addresses_work() {
    let context = Context::new();
    for (bind, connect) in [("tcp://127.0.0.1:*", "tcp://localhost"), ("tcp://lo:*", "tcp://127.0.0.1")] {
        let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
        let bound = pull.bind(bind).unwrap().to_string();
        let port = bound.rsplit(':').next().unwrap();
        push.connect(format!("{connect}:{port}")).unwrap();
        push.send("by name").unwrap();
        assert_eq!(pull.recv().unwrap(), "by name");
    }
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        // An address by number needs no option.
        for ipv6 in [false, true] {
            let pull = Pull::builder().context(&context).ipv6(ipv6).recv_timeout(LONG).build().unwrap();
            let push = Push::builder().context(&context).ipv6(ipv6).build().unwrap();
            let bound = pull.bind("tcp://[::1]:*").unwrap();
            assert!(bound.to_string().starts_with("tcp://[::1]:"), "{bound}");
            push.connect(&bound).unwrap();
            push.send("six").unwrap();
            assert_eq!(pull.recv().unwrap(), "six");
            push.disconnect(&bound).unwrap();
            pull.unbind(&bound).unwrap();
        }
    }
}

#[test]
fn a_descriptor_that_listens_already_can_be_bound() {
    let context = Context::new();
    let pull: Pull = socket(&context);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = pull.bind_fd("tcp://*:1", listener).unwrap();
    assert_eq!(endpoint.to_string(), format!("tcp://{address}"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let ipc = format!("ipc://{}", path.display());
    assert_eq!(pull.bind_fd(&ipc, listener).unwrap().to_string(), ipc);
    for endpoint in [&endpoint.to_string(), &ipc] {
        let push: Push = socket(&context);
        push.connect(endpoint).unwrap();
        push.send("through it").unwrap();
        assert_eq!(pull.recv().unwrap(), "through it");
        pull.unbind(endpoint).unwrap();
    }
    assert!(path.exists(), "the file was not made by this socket");
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    assert!(pull.bind_fd("tcp://*:1", silent).is_err());
}

#[test]
fn what_cannot_be_an_endpoint_in_use_is_told_from_one_that_is_not() {
    let push = Push::new();
    for (endpoint, kind) in [
        ("tcp://", ErrorKind::InvalidEndpoint),
        ("://x", ErrorKind::InvalidEndpoint),
        ("foo://x", ErrorKind::UnsupportedTransport),
        ("udp://127.0.0.1:1", ErrorKind::IncompatibleTransport),
        ("tcp://bad", ErrorKind::UnknownEndpoint),
    ] {
        assert_eq!(push.unbind(endpoint).unwrap_err().kind(), kind, "{endpoint}");
        assert_eq!(push.disconnect(endpoint).unwrap_err().kind(), kind, "{endpoint}");
    }
}

#[test]
fn a_port_that_is_none_is_refused_unless_libzmqs_way_is_asked_for() {
    let context = Context::new();
    let push: Push = socket(&context);
    for text in ["tcp://127.0.0.1:99999", "tcp://127.0.0.1:0", "tcp://127.0.0.1:5555x"] {
        let error = push.connect(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEndpoint);
        assert_eq!(error.to_string(), format!("connect {text}: the port must be a number from 1 to 65535"));
    }
    push.bind("tcp://127.0.0.1:99999").unwrap_err();
    push.set_options(|options| options.strict_endpoints = false).unwrap();
    push.connect("tcp://127.0.0.1:99999").unwrap();
    AnySocket::open_as_libzmq(&context, SocketType::Push as i32).unwrap().connect("tcp://127.0.0.1:99999").unwrap();
}

#[test]
fn all_addresses_of_ipv6_are_those_of_ipv4_too() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    let context = Context::new();
    for (address, ipv6) in [("tcp://[::]:*", false), ("tcp://[::]:*", true), ("tcp://*:*", true), ("tcp://*:*", false)]
    {
        let pull = Pull::builder().context(&context).ipv6(ipv6).recv_timeout(LONG).build().unwrap();
        let bound = pull.bind(address).unwrap().to_string();
        let port = bound.rsplit(':').next().unwrap();
        for host in ["127.0.0.1", "[::1]"] {
            let connected = std::net::TcpStream::connect(format!("{host}:{port}"));
            let is_both = ipv6 || address.contains('[');
            assert_eq!(connected.is_ok(), is_both || host == "127.0.0.1", "{address} {ipv6} {host}: {connected:?}");
        }
    }
}

#[test]
fn any_port_is_the_real_one_however_many_processes_bind() {
    const ROLE: &str = "any_port_is_the_real_one_however_many_processes_bind";
    let (processes, binds) = if util::is_long() { (64, 1000) } else { (6, 60) };
    if !util::is_child(ROLE) {
        let _children = children_or_addresses();
        let children: Vec<_> = (0..processes).map(|_| util::Player::new(ROLE)).collect();
        children.into_iter().for_each(util::Player::ends_well);
        return;
    }
    let context = Context::new();
    let (pull, push): (Pull, Push) = (socket(&context), socket(&context));
    for number in 0..binds {
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        push.connect(&endpoint).unwrap();
        let message = format!("{} from {}", number, std::process::id());
        push.send(&message).unwrap();
        assert_eq!(pull.recv().unwrap(), message, "another process has answered at {endpoint}");
        push.disconnect(&endpoint).unwrap();
        pull.unbind(&endpoint).unwrap();
    }
}
