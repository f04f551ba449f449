//! A storm: many threads do whatever they like with the same few handles, as no C program should. Nothing is lost but
//! messages, and nothing hangs. ThreadSanitizer and Miri look on.

use std::ffi::{CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use crate::context::{zmq_ctx_new, zmq_ctx_term};
use crate::failure::{EFSM, errno};
use crate::message::Message;
use crate::message::calls::{zmq_msg_close, zmq_msg_init, zmq_msg_init_data, zmq_msg_init_size};
use crate::poll::{PollItem, zmq_poll};
use crate::socket::{zmq_bind, zmq_close, zmq_connect, zmq_getsockopt, zmq_setsockopt, zmq_socket};
use crate::transfer::{zmq_msg_recv, zmq_msg_send, zmq_recv, zmq_send};

const THREADS: usize = if cfg!(miri) { 3 } else { 16 };
const STEPS: usize = if cfg!(miri) { 20 } else { 2000 };

const PAIR: c_int = 0;
const PUB: c_int = 1;
const SUB: c_int = 2;
const REQ: c_int = 3;
const REP: c_int = 4;
const DEALER: c_int = 5;
const ROUTER: c_int = 6;
const PULL: c_int = 7;
const PUSH: c_int = 8;

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;
const SUBSCRIBE: c_int = 6;
const EVENTS: c_int = 15;
const LINGER: c_int = 17;
const LAST_ENDPOINT: c_int = 32;

/// Who binds, and who connects, of each couple.
const COUPLES: [(c_int, c_int); 6] =
    [(PULL, PUSH), (PAIR, PAIR), (SUB, PUB), (ROUTER, DEALER), (REP, REQ), (PULL, PUSH)];

/// The last couple's transport, if there are streams; its binder stays.
const STREAM: usize = if cfg!(miri) { usize::MAX } else { COUPLES.len() - 1 };

struct Sea {
    context: AtomicPtr<c_void>,
    handles: [AtomicPtr<c_void>; 2 * COUPLES.len()],
    stream: CString,
    lent: AtomicUsize,
    returned: AtomicUsize,
}

impl Sea {
    fn handle(&self, index: usize) -> *mut c_void {
        self.handles[index].load(Ordering::Relaxed)
    }

    /// A new socket for a place, which meets its other half or will.
    fn open(&self, index: usize) -> *mut c_void {
        let (couple, binds) = (index / 2, index.is_multiple_of(2));
        let (binder, connector) = COUPLES[couple];
        let socket = zmq_socket(self.context.load(Ordering::Relaxed), if binds { binder } else { connector });
        assert!(!socket.is_null());
        let name = CString::new(format!("inproc://storm-{couple}")).unwrap();
        let endpoint = if couple == STREAM { &self.stream } else { &name };
        let none: c_int = 0;
        // SAFETY: these are strings and values of those sizes, and the socket is open. Somebody else may have the name still.
        unsafe {
            assert_eq!(zmq_setsockopt(socket, LINGER, (&raw const none).cast(), size_of::<c_int>()), 0);
            zmq_setsockopt(socket, SUBSCRIBE, ptr::null(), 0);
            if binds {
                zmq_bind(socket, endpoint.as_ptr())
            } else {
                zmq_connect(socket, endpoint.as_ptr())
            };
        }
        socket
    }

    fn step(&self, random: &mut u64) {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let index = (*random >> 8) as usize % self.handles.len();
        let len = [1, 30, 50, 64, 65, 300][(*random >> 16) as usize % 6];
        let more = if (*random >> 24).is_multiple_of(4) { SNDMORE } else { 0 };
        let socket = self.handle(index);
        let bytes = [b's'; 300];
        let mut place = MaybeUninit::<Message>::uninit();
        let message = place.as_mut_ptr();
        // SAFETY: there are so many bytes and so much room; the message is one between its making and its close; the handle is
        // one, or has been.
        let result = unsafe {
            match (*random >> 32) % 32 {
                0..8 => zmq_send(socket, bytes.as_ptr().cast(), len, DONTWAIT | more),
                8..16 => {
                    let mut room = [0u8; 300];
                    zmq_recv(socket, room.as_mut_ptr().cast(), room.len(), DONTWAIT)
                }
                16..20 => {
                    assert_eq!(zmq_msg_init_size(message, len), 0);
                    let sent = zmq_msg_send(message, socket, DONTWAIT | more);
                    if sent < 0 { zmq_msg_close(message) } else { sent }
                }
                20..23 => {
                    static BODY: [u8; 300] = [b'l'; 300];
                    let (body, hint) = (BODY.as_ptr().cast_mut().cast(), ptr::from_ref(self).cast_mut().cast());
                    assert_eq!(zmq_msg_init_data(message, body, len, Some(take_back), hint), 0);
                    self.lent.fetch_add(1, Ordering::Relaxed);
                    let sent = zmq_msg_send(message, socket, DONTWAIT | more);
                    if sent < 0 { zmq_msg_close(message) } else { sent }
                }
                23..28 => {
                    assert_eq!(zmq_msg_init(message), 0);
                    // More than one is received into the same.
                    let _ = zmq_msg_recv(message, socket, DONTWAIT);
                    let received = zmq_msg_recv(message, socket, DONTWAIT);
                    assert_eq!(zmq_msg_close(message), 0);
                    received
                }
                28..30 => {
                    let other = self.handle((index + 3) % self.handles.len());
                    let mut items = [socket, other].map(|socket| PollItem { socket, fd: 0, events: 3, revents: 0 });
                    zmq_poll(items.as_mut_ptr(), 2, 0)
                }
                30 => {
                    let (mut events, mut size): (c_int, usize) = (0, size_of::<c_int>());
                    zmq_getsockopt(socket, EVENTS, (&raw mut events).cast(), &raw mut size)
                }
                _ if index / 2 == STREAM && index.is_multiple_of(2) => 0,
                // Several may close it; one succeeds, and opens the next.
                _ => {
                    let closed = zmq_close(socket);
                    if closed == 0 {
                        self.handles[index].store(self.open(index), Ordering::Relaxed);
                    }
                    closed
                }
            }
        };
        if result < 0 {
            let errors = [libc::EAGAIN, libc::ENOTSOCK, libc::EHOSTUNREACH, libc::ENOTSUP, libc::EINVAL, EFSM];
            assert!(errors.contains(&errno()), "{}", errno());
        }
    }
}

/// Asks a socket, as it may.
unsafe extern "C" fn take_back(_: *mut c_void, sea: *mut c_void) {
    // SAFETY: it outlives the context.
    let sea = unsafe { &*sea.cast::<Sea>() };
    let index = sea.returned.fetch_add(1, Ordering::Relaxed) % sea.handles.len();
    let (mut events, mut size): (c_int, usize) = (0, size_of::<c_int>());
    // SAFETY: there is room; the handle is one, or has been.
    unsafe { zmq_getsockopt(sea.handle(index), EVENTS, (&raw mut events).cast(), &raw mut size) };
}

#[test]
fn many_threads_do_what_they_like_with_the_same_sockets() {
    let context = zmq_ctx_new();
    let mut sea = Sea {
        context: AtomicPtr::new(context),
        handles: [const { AtomicPtr::new(ptr::null_mut()) }; 2 * COUPLES.len()],
        stream: c"tcp://127.0.0.1:*".into(),
        lent: AtomicUsize::new(0),
        returned: AtomicUsize::new(0),
    };
    for index in (0..sea.handles.len()).rev() {
        // The binders first, as only they know the port.
        let index = index ^ 1;
        let socket = sea.open(index);
        *sea.handles[index].get_mut() = socket;
        if index / 2 == STREAM && index.is_multiple_of(2) {
            let mut text = [0u8; 64];
            let mut size = text.len();
            // SAFETY: there is so much room.
            assert_eq!(unsafe { zmq_getsockopt(socket, LAST_ENDPOINT, text.as_mut_ptr().cast(), &raw mut size) }, 0);
            sea.stream = CString::from_vec_with_nul(text[..size].to_vec()).unwrap();
        }
    }
    let sea = &sea;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut random = 0x9e37_79b9_7f4a_7c15 ^ (thread as u64) << 20;
                for _ in 0..STEPS {
                    sea.step(&mut random);
                }
            });
        }
    });
    for handle in &sea.handles {
        assert_eq!(zmq_close(handle.load(Ordering::Relaxed)), 0);
    }
    assert_eq!(zmq_ctx_term(context), 0);
    assert_eq!(sea.returned.load(Ordering::Relaxed), sea.lent.load(Ordering::Relaxed));
}
