//! Handshakes that the kernel does not take at once: they go on when it has room, and end when there is none in time.

mod util;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use util::{LONG, handshake};
use zefiro::{Builder, Context, EventKind, Pull, Push, SharedKey, Socket, kind};

/// A socket that says more in its handshake than its kernel's buffer has room for.
fn wordy<K: kind::Typed>(context: &Context) -> Builder<K> {
    Socket::<K>::builder()
        .context(context)
        .metadata(vec![("X-Large".to_string(), vec![b'x'; METADATA])])
        .handshake_bytes_max(None)
        .handshake_interval(3 * LONG)
        .send_buffer(SMALLEST)
        .recv_timeout(LONG)
        .send_timeout(LONG)
}

const METADATA: usize = 1 << 20;

/// The kernel takes it for the least that it gives.
const SMALLEST: usize = 1;

/// The sockets say what they have to, although neither kernel takes it at once.
fn join(pull: impl Fn() -> Builder<kind::Pull>, push: impl Fn() -> Builder<kind::Push>) {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let (pull, push): (Pull, Push) = (pull().build().unwrap(), push().build().unwrap());
        push.connect(pull.bind(endpoint).unwrap().to_string()).unwrap();
        push.send("hello").unwrap();
        let (message, peer) = pull.recv_from().unwrap();
        assert_eq!(message, "hello");
        assert_eq!(peer.unwrap().get("X-Large").unwrap().len(), METADATA);
    }
}

#[test]
fn a_handshake_that_the_kernel_does_not_take_at_once_goes_on() {
    let context = Context::new();
    join(|| wordy(&context), || wordy(&context));
}

#[test]
fn an_encrypted_handshake_that_the_kernel_does_not_take_at_once_goes_on() {
    let context = Context::new();
    let key = SharedKey::generate().unwrap();
    join(|| wordy(&context).shared_key(key.clone()), || wordy(&context).shared_key(key.clone()));
}

/// A stream to a pull socket.
fn dial(pull: &Pull) -> TcpStream {
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    TcpStream::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap()
}

#[test]
fn a_peer_that_reads_late_and_slowly_hears_all_of_it() {
    let context = Context::new();
    let pull: Pull = wordy(&context).build().unwrap();
    let mut stream = dial(&pull);
    stream.set_read_timeout(Some(LONG)).unwrap();
    // Nothing more is said that would bring the other side back to what it has left to say.
    stream.write_all(&handshake("PUSH")).unwrap();
    let mut heard = 0;
    let mut buffer = [0; 5_000];
    while heard < 64 + METADATA {
        thread::yield_now();
        heard += stream.read(&mut buffer).expect("all of it");
    }
    stream.write_all(&[0, 5]).unwrap();
    stream.write_all(b"hello").unwrap();
    assert_eq!(pull.recv().unwrap(), "hello");
}

#[test]
fn a_peer_that_says_all_and_hears_nothing_is_given_up_in_time() {
    let context = Context::new();
    let pull: Pull = wordy(&context).handshake_interval(Duration::from_millis(200)).build().unwrap();
    let mut monitor = pull.monitor();
    let mut stream = dial(&pull);
    stream.write_all(&handshake("PUSH")).unwrap();
    // What it sends is not taken meanwhile, nor kept.
    stream.set_nonblocking(true).unwrap();
    let mut taken = 0;
    loop {
        taken += stream.write(&[0; 64 * 1024]).unwrap_or_default();
        match monitor.recv_timeout(Duration::from_millis(1)) {
            Some(event) if matches!(event.kind, EventKind::HandshakeFailed(_)) => break,
            Some(event) => assert!(!matches!(event.kind, EventKind::HandshakeSucceeded)),
            None => {}
        }
    }
    assert!(taken < 32 << 20, "{taken} bytes were taken of a peer that hears nothing");
}
