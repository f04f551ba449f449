//! The younger socket types, as C programs use them.

mod util;

use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::thread;
use std::time::Duration;

use util::{Handle, MARK, Msg, Zmq, in_child, ours, role};

const SERVER: c_int = 12;
const CLIENT: c_int = 13;
const RADIO: c_int = 14;
const DISH: c_int = 15;
const DGRAM: c_int = 18;
const PEER: c_int = 19;
const PAIR: c_int = 0;
const SNDMORE: c_int = 2;
const THREAD_SAFE: c_int = 81;
const FD: c_int = 14;
const EVENTS: c_int = 15;

fn message(zmq: &Zmq, text: &str) -> Msg {
    let mut message = Msg([0; 64]);
    assert_eq!(zmq.zmq_msg_init_buffer(&mut message, text.as_ptr(), text.len()), 0);
    message
}

fn body(zmq: &Zmq, message: &mut Msg) -> Vec<u8> {
    // SAFETY: the library says that so many bytes are there.
    unsafe { std::slice::from_raw_parts(zmq.zmq_msg_data(message), zmq.zmq_msg_size(message)) }.to_vec()
}

fn refused(zmq: &Zmq, result: c_int, errno: c_int) {
    assert_eq!((result, zmq.zmq_errno()), (-1, errno));
}

fn pair(zmq: &Zmq, context: Handle, bound: c_int, connected: c_int) -> (Handle, Handle, CString) {
    let endpoint = CString::new(format!("inproc://{bound}-{connected}")).unwrap();
    let (bound, connected) = (zmq.zmq_socket(context, bound), zmq.zmq_socket(context, connected));
    assert_eq!(zmq.zmq_bind(bound, endpoint.as_ptr()), 0);
    (bound, connected, endpoint)
}

fn numbers(zmq: &Zmq, context: Handle) {
    let (server, client, endpoint) = pair(zmq, context, SERVER, CLIENT);
    assert_eq!(zmq.zmq_connect(client, endpoint.as_ptr()), 0);
    assert_eq!(zmq.zmq_send(client, b"question".as_ptr(), 8, 0), 8);
    refused(zmq, zmq.zmq_send(client, b"q".as_ptr(), 1, SNDMORE), libc::EINVAL);
    let mut question = message(zmq, "");
    assert_eq!(zmq.zmq_msg_recv(&mut question, server, 0), 8);
    let number = zmq.zmq_msg_routing_id(&mut question);
    refused(zmq, zmq.zmq_send(server, b"to whom?".as_ptr(), 8, 0), libc::EHOSTUNREACH);
    let mut answer = message(zmq, "answer");
    refused(zmq, zmq.zmq_msg_send(&mut answer, server, 0), libc::EHOSTUNREACH);
    zmq.zmq_msg_set_routing_id(&mut answer, number);
    refused(zmq, zmq.zmq_msg_send(&mut answer, server, SNDMORE), libc::EINVAL);
    assert_eq!(zmq.zmq_msg_send(&mut answer, server, 0), 6);
    assert_eq!(zmq.zmq_msg_routing_id(&mut answer), 0);
    let mut buffer = [0; 8];
    assert_eq!(zmq.zmq_recv(client, buffer.as_mut_ptr(), 8, 0), 6);
    refused(zmq, zmq.zmq_disconnect_peer(server, number.wrapping_add(9)), libc::EHOSTUNREACH);
    refused(zmq, zmq.zmq_disconnect_peer(client, number), libc::ENOTSUP);
    assert_eq!(zmq.zmq_disconnect_peer(server, number), 0);
    let (mut safe, mut len) = ([0; 4], 4);
    assert_eq!(zmq.zmq_getsockopt(server, THREAD_SAFE, safe.as_mut_ptr(), &mut len), 0);
    assert_eq!(i32::from_ne_bytes(safe), 1);
    refused(zmq, zmq.zmq_getsockopt(server, FD, safe.as_mut_ptr(), &mut len), libc::EINVAL);
    let (peer, other, endpoint) = pair(zmq, context, PEER, PEER);
    assert_ne!(zmq.zmq_connect_peer(other, endpoint.as_ptr()), 0);
    assert_eq!(zmq.zmq_connect_peer(client, endpoint.as_ptr()), 0);
    assert_eq!(zmq.zmq_errno(), libc::ENOTSUP);
    for socket in [server, client, peer, other] {
        zmq.zmq_close(socket);
    }
}

fn groups(zmq: &Zmq, context: Handle) {
    let (radio, dish, endpoint) = pair(zmq, context, RADIO, DISH);
    assert_eq!(zmq.zmq_join(dish, c"tv".as_ptr()), 0);
    refused(zmq, zmq.zmq_join(dish, c"tv".as_ptr()), libc::EINVAL);
    refused(zmq, zmq.zmq_leave(dish, c"radio".as_ptr()), libc::EINVAL);
    refused(zmq, zmq.zmq_join(radio, c"tv".as_ptr()), libc::ENOTSUP);
    refused(zmq, zmq.zmq_send(dish, ptr::null(), 0, 0), libc::ENOTSUP);
    assert_eq!(zmq.zmq_connect(dish, endpoint.as_ptr()), 0);
    for (group, text) in [(c"tv2", "not for it"), (c"tv", "news")] {
        let mut message = message(zmq, text);
        zmq.zmq_msg_set_group(&mut message, group.as_ptr());
        assert_eq!(zmq.zmq_msg_send(&mut message, radio, 0), text.len() as c_int);
    }
    // Without a group it is for those who joined the empty one.
    assert_eq!(zmq.zmq_send(radio, b"to nobody".as_ptr(), 9, 0), 9);
    let (mut events, mut len) = ([0; 4], 4);
    assert_eq!(zmq.zmq_getsockopt(dish, EVENTS, events.as_mut_ptr(), &mut len), 0);
    assert_eq!(i32::from_ne_bytes(events), 3, "a DISH is always writable");
    let mut heard = message(zmq, "");
    assert_eq!(zmq.zmq_msg_recv(&mut heard, dish, 0), 4);
    assert_eq!(body(zmq, &mut heard), b"news");
    // SAFETY: the library answers a string.
    assert_eq!(unsafe { CStr::from_ptr(zmq.zmq_msg_group(&mut heard)) }, c"tv");
    zmq.zmq_msg_close(&mut heard);
    zmq.zmq_close(radio);
    zmq.zmq_close(dish);
}

fn datagrams(zmq: &Zmq, context: Handle) {
    let dgram = zmq.zmq_socket(context, DGRAM);
    assert_eq!(zmq.zmq_bind(dgram, c"udp://127.0.0.1:*".as_ptr()), 0);
    refused(zmq, zmq.zmq_send(dgram, b"no address".as_ptr(), 10, 0), libc::EINVAL);
    assert_eq!(zmq.zmq_send(dgram, b"127.0.0.1:9".as_ptr(), 11, SNDMORE), 11);
    refused(zmq, zmq.zmq_send(dgram, b"x".as_ptr(), 1, SNDMORE), libc::EINVAL);
    assert_eq!(zmq.zmq_send(dgram, b"x".as_ptr(), 1, 0), 1);
    zmq.zmq_close(dgram);
}

/// A `zmq_pollitem_t`.
#[repr(C)]
struct Item(Handle, c_int, i16, i16);

/// Signals cannot be let in while many threads share a socket.
fn signals(zmq: &Zmq, context: Handle) {
    let (server, client, _) = pair(zmq, context, SERVER, CLIENT);
    let plain = zmq.zmq_socket(context, PAIR);
    let mut items = [Item(plain, 0, 1, 0), Item(server, 0, 1, 0)];
    assert_eq!(zmq.zmq_poll(items.as_mut_ptr().cast(), 2, 0), 0);
    assert_eq!(zmq.zmq_ppoll(items.as_mut_ptr().cast(), 1, 0, ptr::null()), 0);
    refused(zmq, zmq.zmq_ppoll(items.as_mut_ptr().cast(), 2, 0, ptr::null()), libc::EINVAL);
    for socket in [server, client, plain] {
        zmq.zmq_close(socket);
    }
}

fn is_readable(fd: c_int) -> bool {
    let mut item = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one item, which is there.
    unsafe { libc::poll(&mut item, 1, 0) == 1 }
}

/// Room for a `zmq_poller_event_t`.
#[repr(C)]
struct Event(Handle, c_int, Handle, i16);

fn pollers(zmq: &Zmq, context: Handle) {
    let (server, client, endpoint) = pair(zmq, context, SERVER, CLIENT);
    zmq.zmq_connect(client, endpoint.as_ptr());
    let mut poller = zmq.zmq_poller_new();
    let mut fd = -1;
    refused(zmq, zmq.zmq_poller_fd(poller, &mut fd), libc::EINVAL);
    assert_eq!(zmq.zmq_poller_add(poller, server, ptr::null_mut(), 1), 0);
    assert_eq!(zmq.zmq_poller_fd(poller, &mut fd), 0);
    let mut event = Event(ptr::null_mut(), 0, ptr::null_mut(), 0);
    let mut wait = || zmq.zmq_poller_wait(poller, (&raw mut event).cast(), 0);
    refused(zmq, wait(), libc::EAGAIN);
    assert!(!is_readable(fd));
    zmq.zmq_send(client, b"x".as_ptr(), 1, 0);
    assert!(is_readable(fd));
    assert_eq!(wait(), 0);
    assert!(!is_readable(fd));
    assert_eq!(event.3, 1);
    assert_eq!(zmq.zmq_poller_destroy(&mut poller), 0);
    zmq.zmq_close(server);
    zmq.zmq_close(client);
}

#[test]
fn c_programs_have_numbers_and_groups() {
    let Some((_, zmq)) = role() else {
        let said = in_child("c_programs_have_numbers_and_groups", "draft", &ours());
        assert_eq!(said, "done\n");
        return;
    };
    // Nothing here waits for long: a call that hangs ends the child.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(60));
        std::process::exit(2);
    });
    let context = zmq.zmq_ctx_new();
    numbers(&zmq, context);
    groups(&zmq, context);
    datagrams(&zmq, context);
    signals(&zmq, context);
    pollers(&zmq, context);
    assert_eq!(zmq.zmq_ctx_term(context), 0);
    println!("\n{MARK}done");
}
