//! Giving back: the program's buffers are given back by its own functions (`zmq_msg_init_data`), which may call the
//! library. What is dropped while a socket is locked is therefore kept by the thread until it holds no lock: at the end
//! of the call, or where the engine pauses.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::{errno, set_errno};

pub(crate) type FreeFn = unsafe extern "C" fn(data: *mut c_void, hint: *mut c_void);

/// A buffer of the program's, and how it is given back.
pub(crate) struct Buffer {
    pub(crate) data: *mut c_void,
    pub(crate) free: FreeFn,
    pub(crate) hint: *mut c_void,
}

impl Buffer {
    fn give_back(self) {
        // SAFETY: the program gave this function for that, and the buffer is consumed.
        unsafe { (self.free)(self.data, self.hint) };
    }
}

/// What a thread keeps; all of it is given back when the thread ends.
struct Kept(Vec<Buffer>);

impl Drop for Kept {
    fn drop(&mut self) {
        KEPT_BY_ALL.fetch_sub(self.0.len(), Ordering::Relaxed);
        std::mem::take(&mut self.0).into_iter().for_each(Buffer::give_back);
    }
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
}

/// Mostly none, which is seen at a glance.
static KEPT_BY_ALL: AtomicUsize = AtomicUsize::new(0);

/// Gives a buffer back as soon as this thread holds no lock.
pub(crate) fn keep(buffer: Buffer) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| zefiro::at_pauses(give_back));
    let mut buffer = Some(buffer);
    let kept = KEPT.try_with(|kept| kept.borrow_mut().0.extend(buffer.take()));
    match (kept, buffer) {
        (Ok(()), _) => drop(KEPT_BY_ALL.fetch_add(1, Ordering::Relaxed)),
        // The thread is ending.
        (Err(_), buffer) => buffer.into_iter().for_each(Buffer::give_back),
    }
}

/// Gives back what this thread has kept. It holds no lock.
#[inline(always)]
pub(crate) fn give_back() {
    if KEPT_BY_ALL.load(Ordering::Relaxed) > 0 {
        give_back_kept();
    }
}

#[cold]
fn give_back_kept() {
    let before = errno();
    while let Ok(buffers) = KEPT.try_with(|kept| std::mem::take(&mut kept.borrow_mut().0))
        && !buffers.is_empty()
    {
        KEPT_BY_ALL.fetch_sub(buffers.len(), Ordering::Relaxed);
        buffers.into_iter().for_each(Buffer::give_back);
    }
    set_errno(before);
}
