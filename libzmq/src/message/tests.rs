//! What C does with messages, done from Rust: Miri sees each access to their memory, as it sees nothing of a C program's.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use zefiro::{Arrival, Frame, Memory};

use super::calls::*;
use super::*;
use crate::context::{zmq_ctx_new, zmq_ctx_term};
use crate::failure::errno;
use crate::socket::{zmq_bind, zmq_close, zmq_connect, zmq_socket};
use crate::transfer::{zmq_msg_recv, zmq_recv, zmq_send};

/// A `zmq_msg_t` of C's: 64 bytes that are anything.
#[repr(C, align(8))]
struct Place(MaybeUninit<[u8; 64]>);

impl Place {
    fn new() -> Place {
        Place(MaybeUninit::new([0xa5; 64]))
    }

    fn at(&mut self) -> *mut Message {
        self.0.as_mut_ptr().cast()
    }
}

/// Sizes on both sides of what is inside the message, in a block, and shared.
const SIZES: [usize; 9] = [0, 1, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 63, Block::BYTES_MAX, 65, 1000];

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|index| index as u8 ^ 0x5a).collect()
}

/// Writes the text to a message of its size, by the pointer that C has.
unsafe fn fill(message: *mut Message) {
    // SAFETY: the caller passes a message.
    unsafe {
        let text = text(zmq_msg_size(message));
        ptr::copy_nonoverlapping(text.as_ptr(), zmq_msg_data(message).cast(), text.len());
    }
}

/// Reads a message as C does.
unsafe fn read(message: *mut Message) -> Vec<u8> {
    // SAFETY: the caller passes a message.
    unsafe { slice::from_raw_parts(zmq_msg_data(message).cast::<u8>(), zmq_msg_size(message)).to_vec() }
}

/// Receives a part into a message, as a socket does.
unsafe fn receive(message: *mut Message, text: &[u8], more: bool) {
    let mut frame = Frame::copy_from_slice(text);
    // SAFETY: the caller passes a message.
    let message = unsafe { &mut *message };
    let mut place = Receiving::new(message);
    frame.move_to(&mut place);
    assert_eq!((zefiro::Place::bytes(&place), frame.len()), (text, 0));
    place.came_by(None);
    assert_eq!(place.finish(more), text.len());
}

/// A message of `len` bytes, made in each way.
const WAYS: [unsafe fn(*mut Message, usize); 5] = [
    // SAFETY: the caller passes a place for a message.
    |message, len| unsafe {
        assert_eq!(zmq_msg_init_size(message, len), 0);
        fill(message);
    },
    // SAFETY: the same; the bytes are copied before they go.
    |message, len| unsafe {
        let text = text(len);
        assert_eq!(zmq_msg_init_buffer(message, text.as_ptr().cast(), len), 0);
    },
    // SAFETY: the same; the bytes live until `unbox` takes them back.
    |message, len| unsafe {
        let lent = Box::leak(text(len).into_boxed_slice());
        let hint = ptr::without_provenance_mut(len);
        assert_eq!(zmq_msg_init_data(message, lent.as_mut_ptr().cast(), len, Some(unbox), hint), 0);
    },
    // SAFETY: the same; the bytes are there for ever.
    |message, len| unsafe {
        static FOR_EVER: [u8; 1000] = {
            let mut bytes = [0; 1000];
            let mut index = 0;
            while index < 1000 {
                bytes[index] = index as u8 ^ 0x5a;
                index += 1;
            }
            bytes
        };
        let data = FOR_EVER.as_ptr().cast_mut().cast();
        assert_eq!(zmq_msg_init_data(message, data, len, None, ptr::null_mut()), 0);
    },
    // As it is received: a part of what was read, behind something else. SAFETY: the same; nothing was in the place before.
    |message, len| unsafe {
        let read = Memory::from([b"before".to_vec(), text(len), b"after".to_vec()].concat());
        message.write(Message::from_frame(Frame::slice_of(&read, 6..6 + len), true, None));
    },
];

/// Gives back what was lent; the hint is its length.
unsafe extern "C" fn unbox(data: *mut c_void, hint: *mut c_void) {
    // SAFETY: `WAYS` has leaked a box of this length.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(data.cast::<u8>(), hint.addr())) });
}

#[test]
fn messages_of_each_kind_and_size_hold_their_bytes_through_copies_and_moves() {
    for (way, make) in WAYS.iter().enumerate() {
        for len in SIZES {
            let (mut one, mut other, mut third) = (Place::new(), Place::new(), Place::new());
            let (one, other, third) = (one.at(), other.at(), third.at());
            // SAFETY: they are messages from here to where they are closed.
            unsafe {
                make(one, len);
                assert_eq!((zmq_msg_init(other), zmq_msg_init(third)), (0, 0));
                assert_eq!(read(one), text(len), "way {way}");
                assert_eq!(zmq_msg_copy(other, one), 0);
                assert_eq!(zmq_msg_copy(other, other), 0);
                // The copy outlives what it was copied from, which becomes empty.
                assert_eq!(zmq_msg_move(third, one), 0);
                assert_eq!((read(one), read(other), read(third)), (vec![], text(len), text(len)), "way {way}");
                assert_eq!(zmq_msg_more(third), c_int::from(way == 4));
                assert_eq!(zmq_msg_close(other), 0);
                assert_eq!(read(third), text(len));
                assert_eq!(zmq_msg_move(third, third), 0);
                assert_eq!(zmq_msg_size(third), 0);
                assert_eq!((zmq_msg_close(one), zmq_msg_close(third)), (0, 0));
                assert_eq!((zmq_msg_close(one), errno()), (-1, libc::EFAULT));
            }
        }
    }
}

/// C asks for the address once, and goes on writing to it whatever else it asks about the message meanwhile.
#[test]
fn the_address_of_the_bytes_stays_good_while_the_message_is_asked_and_copied() {
    for (way, make) in WAYS.iter().enumerate() {
        // What lasts for ever is nobody's to write to.
        for len in SIZES.into_iter().filter(|len| *len > 0 && way != 3) {
            let (mut one, mut other) = (Place::new(), Place::new());
            let (one, other) = (one.at(), other.at());
            // SAFETY: as above; the address is within the message or what it holds.
            unsafe {
                make(one, len);
                let data = zmq_msg_data(one).cast::<u8>();
                let last = data.add(len - 1);
                last.write(1);
                assert_eq!(zmq_msg_size(one), len);
                assert_eq!(zmq_msg_data(one).cast(), data);
                last.write(2);
                assert_eq!((zmq_msg_set_routing_id(one, 7), zmq_msg_set_group(one, c"tv".as_ptr())), (0, 0));
                last.write(3);
                assert_eq!((zmq_msg_routing_id(one), CStr::from_ptr(zmq_msg_group(one))), (7, c"tv"));
                assert_eq!(zmq_msg_get(one, 2), -1);
                last.write(4);
                assert_eq!(zmq_msg_init(other), 0);
                assert_eq!(zmq_msg_copy(other, one), 0);
                assert_eq!((last.read(), read(other).last()), (4, Some(&4)), "way {way}");
                assert_eq!(zmq_msg_close(other), 0);
                last.write(5);
                assert_eq!(read(one).last(), Some(&5));
                assert_eq!(zmq_msg_close(one), 0);
            }
        }
    }
}

#[test]
fn what_was_lent_is_given_back_once_when_the_last_that_refers_to_it_is_gone() {
    static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn free(data: *mut c_void, hint: *mut c_void) {
        GIVEN_BACK.fetch_add(1, Ordering::Relaxed);
        // SAFETY: it is the box below.
        unsafe { unbox(data, hint) };
    }
    for len in [1, 100] {
        GIVEN_BACK.store(0, Ordering::Relaxed);
        let (mut one, mut other) = (Place::new(), Place::new());
        let (one, other) = (one.at(), other.at());
        // SAFETY: as above.
        unsafe {
            let lent = Box::leak(text(len).into_boxed_slice());
            let hint = ptr::without_provenance_mut(len);
            assert_eq!(zmq_msg_init_data(one, lent.as_mut_ptr().cast(), len, Some(free), hint), 0);
            assert_eq!(zmq_msg_init(other), 0);
            assert_eq!(zmq_msg_copy(other, one), 0);
            // A sent message is what the socket holds, and an empty one.
            let sent_frame = (*one).as_frame();
            sent(&mut *one);
            assert_eq!((zmq_msg_size(one), sent_frame.as_slice()), (0, &text(len)[..]));
            assert_eq!(zmq_msg_close(other), 0);
            assert_eq!(GIVEN_BACK.load(Ordering::Relaxed), usize::from(len <= Frame::INLINE_MAX));
            // It may be dropped under a lock: it is given back at the end of a call.
            drop(sent_frame);
            assert_eq!(GIVEN_BACK.load(Ordering::Relaxed), usize::from(len <= Frame::INLINE_MAX));
            assert_eq!(zmq_msg_close(one), 0);
            assert_eq!(GIVEN_BACK.load(Ordering::Relaxed), 1);
        }
    }
}

#[test]
fn a_message_is_received_into_again_and_again() {
    let mut place = Place::new();
    let message = place.at();
    // SAFETY: it is a message from here to the end.
    unsafe {
        assert_eq!(zmq_msg_init(message), 0);
        for len in [64, 40, 64, 10, 34, 0, 63, 200, 65, 33, 300] {
            receive(message, &text(len), len % 2 == 0);
            assert_eq!((read(message), zmq_msg_more(message)), (text(len), c_int::from(len % 2 == 0)));
            // A copy keeps what it has while the message is filled anew.
            let mut kept = Place::new();
            let kept = kept.at();
            assert_eq!(zmq_msg_init(kept), 0);
            assert_eq!(zmq_msg_copy(kept, message), 0);
            receive(message, &[1; 50], false);
            assert_eq!((read(kept), read(message)), (text(len), vec![1; 50]));
            assert_eq!(zmq_msg_close(kept), 0);
        }
        assert_eq!(zmq_msg_close(message), 0);
    }
}

/// A function of the program's may use the socket that a message was received from in place of what it gives back.
#[test]
fn what_was_lent_is_given_back_when_its_place_was_received_into_and_the_socket_is_free() {
    static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn send_on(data: *mut c_void, socket: *mut c_void) {
        GIVEN_BACK.fetch_add(1, Ordering::Relaxed);
        // SAFETY: it is the box below; the socket is open, and there is a byte.
        unsafe {
            unbox(data, ptr::without_provenance_mut(1));
            assert_eq!(zmq_send(socket, b"x".as_ptr().cast(), 1, 0), 1);
        }
    }
    const PAIR: c_int = 0;
    const DONTWAIT: c_int = 1;
    let context = zmq_ctx_new();
    let (one, other) = (zmq_socket(context, PAIR), zmq_socket(context, PAIR));
    let mut place = Place::new();
    let message = place.at();
    // SAFETY: these are strings, open sockets, and a message from here to where it is closed.
    unsafe {
        assert_eq!(zmq_bind(one, c"inproc://given-back".as_ptr()), 0);
        assert_eq!(zmq_connect(other, c"inproc://given-back".as_ptr()), 0);
        for (round, len) in [10, 50, 100].into_iter().enumerate() {
            let lent = Box::leak(text(1).into_boxed_slice());
            assert_eq!(zmq_msg_init_data(message, lent.as_mut_ptr().cast(), 1, Some(send_on), one), 0);
            assert_eq!(zmq_send(other, text(len).as_ptr().cast(), len, 0), len as c_int);
            assert_eq!(zmq_msg_recv(message, one, 0), len as c_int);
            assert_eq!((read(message), GIVEN_BACK.load(Ordering::Relaxed)), (text(len), 2 * round + 1));
            assert_eq!(zmq_recv(other, ptr::null_mut(), 0, 0), 1);
            // Who has looked in vain has let go of it, too.
            assert_eq!(zmq_msg_close(message), 0);
            let lent = Box::leak(text(1).into_boxed_slice());
            assert_eq!(zmq_msg_init_data(message, lent.as_mut_ptr().cast(), 1, Some(send_on), one), 0);
            assert_eq!((zmq_msg_recv(message, one, DONTWAIT), errno()), (-1, libc::EAGAIN));
            assert_eq!((zmq_msg_size(message), GIVEN_BACK.load(Ordering::Relaxed)), (0, 2 * round + 2));
            assert_eq!(zmq_recv(other, ptr::null_mut(), 0, 0), 1);
            assert_eq!(zmq_msg_close(message), 0);
        }
        assert_eq!((zmq_close(one), zmq_close(other), zmq_ctx_term(context)), (0, 0, 0));
    }
}

#[test]
fn groups_are_copied_cut_and_given_up() {
    let (mut one, mut other) = (Place::new(), Place::new());
    let (one, other) = (one.at(), other.at());
    let long = [b'x'; 300].iter().copied().chain([0]).collect::<Vec<u8>>();
    // SAFETY: as above; the groups end with a zero.
    unsafe {
        assert_eq!((zmq_msg_init(one), zmq_msg_init(other)), (0, 0));
        assert_eq!(CStr::from_ptr(zmq_msg_group(one)), c"");
        assert_eq!(zmq_msg_set_group(one, c"tv".as_ptr()), 0);
        assert_eq!(zmq_msg_set_group(one, c"radio".as_ptr()), 0);
        assert_eq!(zmq_msg_set_group(one, zmq_msg_group(one)), 0);
        assert_eq!(zmq_msg_copy(other, one), 0);
        assert_eq!(zmq_msg_set_group(one, long.as_ptr().cast()), 0);
        assert_eq!(CStr::from_ptr(zmq_msg_group(one)).to_bytes(), [b'x'; 255]);
        assert_eq!(CStr::from_ptr(zmq_msg_group(other)), c"radio");
        let beside = Beside { routing_id: 3, group: Frame::from("tv") };
        (*other).set_beside(&beside);
        assert_eq!(((*other).beside().group.as_slice(), zmq_msg_routing_id(other)), (&b"tv"[..], 3));
        (*other).set_beside(&Beside::default());
        assert_eq!(CStr::from_ptr(zmq_msg_group(other)), c"");
        assert_eq!((zmq_msg_close(one), zmq_msg_close(other)), (0, 0));
    }
}

/// What one thread has copied others read and let go of; the last frees or uses the memory again.
#[test]
fn copies_are_read_and_closed_by_other_threads() {
    struct Sent(Place);
    // SAFETY: C hands messages from thread to thread.
    unsafe impl Send for Sent {}

    impl Sent {
        fn read_and_close(mut self, len: usize) {
            let message = self.0.at();
            // SAFETY: it was made a message before it was sent.
            unsafe {
                assert_eq!(read(message), text(len));
                assert_eq!(zmq_msg_close(message), 0);
            }
        }
    }
    for len in [10, 50, 200] {
        for make in WAYS {
            let mut one = Place::new();
            // SAFETY: as above.
            unsafe { make(one.at(), len) };
            let copies = [(); 2].map(|()| {
                let mut copy = Place::new();
                // SAFETY: as above.
                unsafe {
                    assert_eq!(zmq_msg_init(copy.at()), 0);
                    assert_eq!(zmq_msg_copy(copy.at(), one.at()), 0);
                }
                Sent(copy)
            });
            let threads = copies.map(|copy| thread::spawn(move || copy.read_and_close(len)));
            Sent(one).read_and_close(len);
            // Perhaps in the block of the one that was closed.
            let mut next = Place::new();
            // SAFETY: as above.
            unsafe {
                assert_eq!(zmq_msg_init_size(next.at(), len), 0);
                zmq_msg_data(next.at()).cast::<u8>().write_bytes(7, len);
                assert_eq!(read(next.at()), vec![7; len]);
                assert_eq!(zmq_msg_close(next.at()), 0);
            }
            for thread in threads {
                thread.join().unwrap();
            }
        }
    }
}
