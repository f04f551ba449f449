//! The system's libzmq, loaded at run time to be measured against.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use libloading::Library;
use zefiro::SocketType;

use super::engine::{Curve, Engine, Setup};

/// libzmq with one context of its default settings.
pub struct Libzmq {
    context: Arc<Context>,
    curve: Option<Curve>,
}

/// A libzmq socket; used by one thread at a time, as libzmq asks.
pub struct Socket {
    raw: *mut c_void,
    context: Arc<Context>,
}

struct Context {
    raw: *mut c_void,
    functions: Functions,
    /// Keeps the code of the functions loaded.
    _library: Library,
}

#[repr(C, align(8))]
struct Msg([u8; 64]);

/// A message, initialised and closed as libzmq wants it.
#[derive(Default)]
pub struct Body {
    /// Boxed, since it must not move while libzmq looks at it; none before the first.
    message: Option<(Box<Msg>, Arc<Context>)>,
}

impl Body {
    fn message(&mut self, context: &Arc<Context>) -> *mut Msg {
        let make = || {
            let mut message = Box::new(Msg([0; 64]));
            // SAFETY: there are 64 bytes to initialise.
            unsafe { (context.functions.zmq_msg_init)(&mut *message) };
            (message, context.clone())
        };
        &mut *self.message.get_or_insert_with(make).0
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some((message, context)) = &mut self.message {
            // SAFETY: it is initialised, and not used again.
            unsafe { (context.functions.zmq_msg_close)(&mut **message) };
        }
    }
}

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn load(library: &Library) -> anyhow::Result<Functions> {
                Ok(Functions {
                    // SAFETY: the signatures are those of the manual pages of libzmq 4.x.
                    $($name: unsafe { *library.get(concat!(stringify!($name), "\0").as_bytes())? },)*
                })
            }
        }
    };
}

functions! {
    zmq_ctx_new: fn() -> *mut c_void;
    zmq_ctx_set: fn(*mut c_void, c_int, c_int) -> c_int;
    zmq_ctx_term: fn(*mut c_void) -> c_int;
    zmq_socket: fn(*mut c_void, c_int) -> *mut c_void;
    zmq_close: fn(*mut c_void) -> c_int;
    zmq_bind: fn(*mut c_void, *const c_char) -> c_int;
    zmq_connect: fn(*mut c_void, *const c_char) -> c_int;
    zmq_setsockopt: fn(*mut c_void, c_int, *const c_void, usize) -> c_int;
    zmq_getsockopt: fn(*mut c_void, c_int, *mut c_void, *mut usize) -> c_int;
    zmq_send: fn(*mut c_void, *const c_void, usize, c_int) -> c_int;
    zmq_msg_init: fn(*mut Msg) -> c_int;
    zmq_msg_recv: fn(*mut Msg, *mut c_void, c_int) -> c_int;
    zmq_msg_send: fn(*mut Msg, *mut c_void, c_int) -> c_int;
    zmq_msg_data: fn(*mut Msg) -> *mut c_void;
    zmq_msg_size: fn(*const Msg) -> usize;
    zmq_msg_more: fn(*const Msg) -> c_int;
    zmq_msg_close: fn(*mut Msg) -> c_int;
    zmq_errno: fn() -> c_int;
    zmq_strerror: fn(c_int) -> *const c_char;
    zmq_version: fn(*mut c_int, *mut c_int, *mut c_int);
}

// SAFETY: a context may be used from any thread (zmq_ctx_new(3)).
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}
// SAFETY: a socket may move to another thread with a full barrier between (zmq_socket(3)); moving a value is one.
unsafe impl Send for Socket {}

impl Socket {
    fn functions(&self) -> &Functions {
        &self.context.functions
    }

    fn check(&self, result: c_int, what: &str) -> anyhow::Result<usize> {
        usize::try_from(result).map_err(|_| self.context.error(what))
    }

    #[inline]
    fn send(&self, part: &[u8], flags: c_int) -> anyhow::Result<()> {
        // SAFETY: the socket is open, the buffer as long as said.
        let result = unsafe { (self.functions().zmq_send)(self.raw, part.as_ptr().cast(), part.len(), flags) };
        self.check(result, "zmq_send").map(drop)
    }

    fn set(&self, option: c_int, value: &[u8]) -> anyhow::Result<()> {
        // SAFETY: the socket is open, the buffer as long as said.
        let result = unsafe { (self.functions().zmq_setsockopt)(self.raw, option, value.as_ptr().cast(), value.len()) };
        self.check(result, "zmq_setsockopt").map(drop)
    }
}

impl Context {
    fn error(&self, what: &str) -> anyhow::Error {
        // SAFETY: zmq_strerror gives a static text.
        let text = unsafe { CStr::from_ptr((self.functions.zmq_strerror)((self.functions.zmq_errno)())) };
        anyhow::anyhow!("{what}: {}", text.to_string_lossy())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: the socket is open, and not used again.
        unsafe { (self.functions().zmq_close)(self.raw) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: all sockets are closed, for each holds the context.
        unsafe { (self.functions.zmq_ctx_term)(self.raw) };
    }
}

impl Engine for Libzmq {
    type Socket = Socket;
    type Body = Body;

    fn new(curve: Option<Curve>) -> anyhow::Result<Libzmq> {
        let path = std::env::var("ZEFIRO_PERF_LIBZMQ").unwrap_or_else(|_| "libzmq.so.5".into());
        // SAFETY: libzmq's initialisers do nothing unusual.
        let library = unsafe { Library::new(&path) }.with_context(|| format!("loading {path}"))?;
        let functions = Functions::load(&library)?;
        // SAFETY: no arguments.
        let raw = unsafe { (functions.zmq_ctx_new)() };
        if raw.is_null() {
            bail!("zmq_ctx_new failed");
        }
        // SAFETY: the context is live; 2 is ZMQ_MAX_SOCKETS.
        unsafe { (functions.zmq_ctx_set)(raw, 2, 60_000) };
        Ok(Libzmq { context: Arc::new(Context { raw, functions, _library: library }), curve })
    }

    fn version(&self) -> String {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three integers to write to.
        unsafe { (self.context.functions.zmq_version)(&mut major, &mut minor, &mut patch) };
        format!("{major}.{minor}.{patch}")
    }

    fn socket(&self, socket_type: SocketType, setup: Setup) -> anyhow::Result<Socket> {
        // SAFETY: the context is live.
        let raw = unsafe { (self.context.functions.zmq_socket)(self.context.raw, socket_type as c_int) };
        if raw.is_null() {
            return Err(self.context.error("zmq_socket"));
        }
        let socket = Socket { raw, context: self.context.clone() };
        if setup.no_drop {
            socket.set(ZMQ_XPUB_NODROP, &1i32.to_ne_bytes())?;
        }
        if setup.verbose {
            socket.set(ZMQ_XPUB_VERBOSE, &1i32.to_ne_bytes())?;
        }
        if setup.unlimited {
            socket.set(ZMQ_SNDHWM, &0i32.to_ne_bytes())?;
            socket.set(ZMQ_RCVHWM, &0i32.to_ne_bytes())?;
        }
        match self.curve {
            None => {}
            Some(Curve::Server) => {
                socket.set(ZMQ_CURVE_SERVER, &1i32.to_ne_bytes())?;
                socket.set(ZMQ_CURVE_SECRETKEY, Curve::SERVER_SECRET.as_bytes())?;
            }
            Some(Curve::Client) => {
                socket.set(ZMQ_CURVE_SERVERKEY, Curve::SERVER_PUBLIC.as_bytes())?;
                socket.set(ZMQ_CURVE_PUBLICKEY, Curve::CLIENT_PUBLIC.as_bytes())?;
                socket.set(ZMQ_CURVE_SECRETKEY, Curve::CLIENT_SECRET.as_bytes())?;
            }
        }
        Ok(socket)
    }

    fn bind(socket: &Socket, endpoint: &str) -> anyhow::Result<String> {
        let text = CString::new(endpoint)?;
        // SAFETY: the socket is open, the text ends with a zero.
        let result = unsafe { (socket.functions().zmq_bind)(socket.raw, text.as_ptr()) };
        socket.check(result, "zmq_bind")?;
        let mut buffer = [0u8; 512];
        let mut len = buffer.len();
        // SAFETY: the buffer is as long as said.
        let result = unsafe {
            (socket.functions().zmq_getsockopt)(socket.raw, ZMQ_LAST_ENDPOINT, buffer.as_mut_ptr().cast(), &mut len)
        };
        socket.check(result, "zmq_getsockopt")?;
        Ok(CStr::from_bytes_until_nul(&buffer)?.to_str()?.to_string())
    }

    fn connect(socket: &Socket, endpoint: &str) -> anyhow::Result<()> {
        let text = CString::new(endpoint)?;
        // SAFETY: the socket is open, the text ends with a zero.
        let result = unsafe { (socket.functions().zmq_connect)(socket.raw, text.as_ptr()) };
        socket.check(result, "zmq_connect").map(drop)
    }

    fn subscribe(socket: &Socket, topic: &[u8]) -> anyhow::Result<()> {
        socket.set(ZMQ_SUBSCRIBE, topic)
    }

    #[inline]
    fn send(socket: &Socket, body: &[u8]) -> anyhow::Result<()> {
        socket.send(body, 0)
    }

    #[inline]
    fn send_part(socket: &Socket, part: &[u8]) -> anyhow::Result<()> {
        socket.send(part, ZMQ_SNDMORE)
    }

    #[inline]
    fn recv(socket: &Socket, body: &mut Body) -> anyhow::Result<()> {
        let functions = socket.functions();
        let message = body.message(&socket.context);
        loop {
            // SAFETY: the message is initialised, and stays where it is.
            unsafe {
                socket.check((functions.zmq_msg_recv)(message, socket.raw, 0), "zmq_msg_recv")?;
                if (functions.zmq_msg_more)(message) == 0 {
                    return Ok(());
                }
            }
        }
    }

    #[inline]
    fn bytes(body: &Body) -> &[u8] {
        let Some((message, context)) = &body.message else { return &[] };
        let functions = &context.functions;
        let message = std::ptr::from_ref::<Msg>(message).cast_mut();
        // SAFETY: the message is initialised, and its content stays while it is borrowed.
        unsafe {
            std::slice::from_raw_parts((functions.zmq_msg_data)(message).cast(), (functions.zmq_msg_size)(message))
        }
    }

    fn echo(socket: &Socket) -> anyhow::Result<usize> {
        let functions = socket.functions();
        let mut msg = Msg([0; 64]);
        loop {
            // SAFETY: the message is initialised, received into, and given to send, which empties it.
            unsafe {
                (functions.zmq_msg_init)(&mut msg);
                let result = (functions.zmq_msg_recv)(&mut msg, socket.raw, 0);
                let len = socket.check(result, "zmq_msg_recv")?;
                let more = (functions.zmq_msg_more)(&msg) != 0;
                let flags = if more { ZMQ_SNDMORE } else { 0 };
                let result = (functions.zmq_msg_send)(&mut msg, socket.raw, flags);
                socket.check(result, "zmq_msg_send")?;
                if !more {
                    return Ok(len);
                }
            }
        }
    }
}

const ZMQ_SNDMORE: c_int = 2;
const ZMQ_SUBSCRIBE: c_int = 6;
const ZMQ_SNDHWM: c_int = 23;
const ZMQ_RCVHWM: c_int = 24;
const ZMQ_LAST_ENDPOINT: c_int = 32;
const ZMQ_XPUB_VERBOSE: c_int = 40;
const ZMQ_CURVE_SERVER: c_int = 47;
const ZMQ_CURVE_PUBLICKEY: c_int = 48;
const ZMQ_CURVE_SECRETKEY: c_int = 49;
const ZMQ_CURVE_SERVERKEY: c_int = 50;
const ZMQ_XPUB_NODROP: c_int = 69;
