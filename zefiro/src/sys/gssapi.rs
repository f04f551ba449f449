//! The system's GSSAPI library, MIT's libgssapi_krb5, loaded when it is first asked for: no build needs it, and a process
//! that does not use it never opens it. Each object of the library belongs to one value here, which releases it.
//!
//! At the process's end the library takes down its locks, and a call that meets that aborts the process: so
//! [`end_calls`] comes first.
#![allow(unsafe_code, reason = "the library is C's, and no crate that wraps it loads it at run time")]

use std::ffi::{c_int, c_void};
use std::ops::Deref;
use std::ptr::{self, null, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libloading::Library;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use zmtp::Error;

/// Kinds of names, as `ZMQ_GSSAPI_NT_…` number them.
///
/// ```
/// # use zefiro::{GssapiName, Push};
/// let push = Push::builder().gssapi_principal_nametype(GssapiName::KerberosPrincipal).build()?;
/// assert_eq!(push.options().gssapi_principal_nametype, GssapiName::KerberosPrincipal);
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GssapiName {
    /// A service on a host: `name@host`, or `name` alone for this host.
    #[default]
    HostBased,
    /// A user of this system.
    UserName,
    /// A Kerberos principal: `alice@EXAMPLE.COM`, `service/host@EXAMPLE.COM`.
    KerberosPrincipal,
}

/// One side of a security context on its way.
pub(crate) struct Negotiating {
    context: Handle,
    credential: Option<Handle>,
    /// Whom a client wants to talk to.
    target: Option<Handle>,
}

/// A security context that stands.
pub(crate) struct Standing(Mutex<Handle>);

/// What a step came to: a token for the peer, and who the peer is once the context stands.
pub(crate) struct Stepped {
    pub(crate) token: Vec<u8>,
    pub(crate) peer: Option<String>,
}

/// Whether the system has the library.
pub(crate) fn is_available() -> bool {
    functions().is_some()
}

/// From now on nobody calls the library: waits, as long as `limit`, for the calls that run.
pub(crate) fn end_calls(limit: Duration) {
    ENDED.store(true, Ordering::Relaxed);
    // Who comes after this has the lock knows that it is over. A call still running then waits for a Kerberos server, and
    // touches no lock while it does.
    drop(CALLS.try_write_for(limit));
}

impl Negotiating {
    /// A client's, for the service `target`, with the credentials of `principal` or, if that is empty, any that suit.
    ///
    /// # Errors
    /// A text for people: there are no such credentials, or no library.
    pub(crate) fn initiate(
        principal: &[u8],
        principal_type: GssapiName,
        target: &[u8],
        target_type: GssapiName,
    ) -> Result<Negotiating, String> {
        if target.is_empty() {
            return Err("no principal of the service is set (gssapi_service_principal)".into());
        }
        let credential = match principal {
            [] => None,
            _ => Some(acquire(Some(import(principal, principal_type)?), USAGE_INITIATE)?),
        };
        let target = Some(import(target, target_type)?);
        Ok(Negotiating { context: Handle::none(Kind::Context), credential, target })
    }

    /// A server's, with the keys of `principal` or, if that is empty, all there are.
    ///
    /// # Errors
    /// As [`initiate`](Negotiating::initiate).
    pub(crate) fn accept(principal: &[u8], principal_type: GssapiName) -> Result<Negotiating, String> {
        let name = match principal {
            [] => None,
            _ => Some(import(principal, principal_type)?),
        };
        let credential = Some(acquire(name, USAGE_ACCEPT)?);
        Ok(Negotiating { context: Handle::none(Kind::Context), credential, target: None })
    }

    /// Makes the next step, which may wait for the network. `wraps`: whether the context has to encrypt.
    ///
    /// # Errors
    /// A text for people; there is no further step.
    pub(crate) fn step(&mut self, token: &[u8], wraps: bool) -> Result<Stepped, String> {
        let library = library()?;
        let credential = self.credential.as_ref().map_or(null_mut(), |handle| handle.raw);
        let mut input = Buffer::of(token);
        let mut output = Output::new(&library);
        let (mut minor, mut flags) = (0, 0);
        let mut source = Handle::none(Kind::Name);
        let major = match &self.target {
            // SAFETY: all pointers are to live values of this frame, or null where that means none; the credential and
            // the name are this library's and live as long as `self`; what it makes is released by who holds it.
            Some(target) => unsafe {
                (library.init_sec_context)(
                    &mut minor,
                    credential,
                    &mut self.context.raw,
                    target.raw,
                    KERBEROS.get(),
                    CLIENT_FLAGS,
                    0,
                    null(),
                    if token.is_empty() { null() } else { &raw const input },
                    null_mut(),
                    &mut output.buffer,
                    &mut flags,
                    null_mut(),
                )
            },
            // SAFETY: as above.
            None => unsafe {
                (library.accept_sec_context)(
                    &mut minor,
                    &mut self.context.raw,
                    credential,
                    &raw mut input,
                    null(),
                    &mut source.raw,
                    null_mut(),
                    &mut output.buffer,
                    &mut flags,
                    null_mut(),
                    null_mut(),
                )
            },
        };
        let what = if self.target.is_some() { "gss_init_sec_context" } else { "gss_accept_sec_context" };
        check(&library, what, major, minor)?;
        let token = output.to_vec();
        if major & CONTINUE_NEEDED != 0 {
            return Ok(Stepped { token, peer: None });
        }
        let needed = if wraps { WRAPPING_FLAGS } else { 0 } | if self.target.is_some() { MUTUAL } else { 0 };
        if flags & needed != needed {
            return Err("the security context lacks what the connection needs: encryption or mutual trust".into());
        }
        let peer = match self.target {
            Some(_) => String::new(),
            None => display(&source)?,
        };
        Ok(Stepped { token, peer: Some(peer) })
    }

    /// The context, once a step has told who the peer is.
    pub(crate) fn finish(self) -> Standing {
        Standing(Mutex::new(self.context))
    }
}

impl zmtp::Wrapping for Standing {
    fn wrap(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        let library = library().map_err(Error::Negotiation)?;
        let context = self.0.lock();
        let mut output = Output::new(&library);
        let (mut minor, mut encrypted) = (0, 0);
        // SAFETY: the context stands and is used by one thread at a time; the pointers are to values of this frame.
        let major = unsafe {
            let input = Buffer::of(text);
            (library.wrap)(&mut minor, context.raw, 1, 0, &input, &mut encrypted, &mut output.buffer)
        };
        check(&library, "gss_wrap", major, minor).map_err(Error::Negotiation)?;
        if encrypted == 0 {
            return Err(Error::Negotiation("gss_wrap: not encrypted".into()));
        }
        Ok(output.to_vec())
    }

    fn unwrap(&self, token: &[u8]) -> Result<Vec<u8>, Error> {
        let library = library().map_err(Error::Negotiation)?;
        let context = self.0.lock();
        let mut output = Output::new(&library);
        let (mut minor, mut encrypted) = (0, 0);
        // SAFETY: as in `wrap`.
        let major = unsafe {
            let input = Buffer::of(token);
            (library.unwrap)(&mut minor, context.raw, &input, &mut output.buffer, &mut encrypted, null_mut())
        };
        // A peer may sign without encrypting, which looks just as good.
        if major & ERRORS != 0 || encrypted == 0 {
            return Err(Error::Cryptographic);
        }
        // Repeated, old, out of order, or after one that is missing.
        if major != 0 {
            return Err(Error::InvalidSequence);
        }
        Ok(output.to_vec())
    }
}

/// An object of the library, released when it is dropped; null for none, and for a context before its first step.
struct Handle {
    raw: *mut c_void,
    kind: Kind,
}

/// What an object is.
#[derive(Clone, Copy)]
enum Kind {
    Name,
    Credential,
    Context,
}

impl Handle {
    fn none(kind: Kind) -> Handle {
        Handle { raw: null_mut(), kind }
    }
}

// SAFETY: names, credentials and contexts of MIT's library belong to no thread; whoever has the value uses it alone, or
// behind a lock.
unsafe impl Send for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.raw.is_null() {
            return;
        }
        // At the process's end it stays.
        let Ok(library) = library() else { return };
        let mut minor = 0;
        // SAFETY: the library made it, of this kind, and nobody else releases it; of a context no last token is wanted.
        unsafe {
            match self.kind {
                Kind::Name => (library.release_name)(&mut minor, &mut self.raw),
                Kind::Credential => (library.release_cred)(&mut minor, &mut self.raw),
                Kind::Context => (library.delete_context)(&mut minor, &mut self.raw, null_mut()),
            }
        };
    }
}

/// Bytes that the library makes.
struct Output<'a> {
    buffer: Buffer,
    library: &'a Functions,
}

impl<'a> Output<'a> {
    fn new(library: &'a Functions) -> Output<'a> {
        Output { buffer: Buffer { length: 0, value: null_mut() }, library }
    }

    fn to_vec(&self) -> Vec<u8> {
        if self.buffer.value.is_null() || self.buffer.length == 0 {
            return Vec::new();
        }
        // SAFETY: the library says that so many bytes are there, until they are released.
        unsafe { std::slice::from_raw_parts(self.buffer.value.cast::<u8>(), self.buffer.length) }.to_vec()
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: the library made it, or it is empty, which is allowed.
        unsafe { (self.library.release_buffer)(&mut minor, &mut self.buffer) };
    }
}

fn import(text: &[u8], kind: GssapiName) -> Result<Handle, String> {
    let library = library()?;
    let mut name = Handle::none(Kind::Name);
    let mut minor = 0;
    let oid = match kind {
        GssapiName::HostBased => HOST_BASED.get(),
        GssapiName::UserName => USER_NAME.get(),
        GssapiName::KerberosPrincipal => PRINCIPAL.get(),
    };
    // SAFETY: the buffer is of live bytes, the identifier is static, and the name is released by its handle.
    let major = unsafe { (library.import_name)(&mut minor, &Buffer::of(text), oid, &mut name.raw) };
    check(&library, &format!("the name {}", String::from_utf8_lossy(text)), major, minor)?;
    Ok(name)
}

fn acquire(name: Option<Handle>, usage: c_int) -> Result<Handle, String> {
    let library = library()?;
    let mut credential = Handle::none(Kind::Credential);
    let raw = name.as_ref().map_or(null_mut(), |name| name.raw);
    let mut minor = 0;
    let mechanisms = OidSet { count: 1, elements: KERBEROS.get() };
    // SAFETY: the name lives to the end of this function, the set is of one static identifier; null where nothing is
    // wanted; the credential is released by its handle.
    let major = unsafe {
        (library.acquire_cred)(
            &mut minor,
            raw,
            INDEFINITE,
            &mechanisms,
            usage,
            &mut credential.raw,
            null_mut(),
            null_mut(),
        )
    };
    check(&library, "no credentials", major, minor)?;
    Ok(credential)
}

fn display(name: &Handle) -> Result<String, String> {
    let library = library()?;
    if name.raw.is_null() {
        return Err("the peer has no name".into());
    }
    let mut output = Output::new(&library);
    let mut minor = 0;
    // SAFETY: the name is the library's and lives; the output is released by its owner.
    let major = unsafe { (library.display_name)(&mut minor, name.raw, &mut output.buffer, null_mut()) };
    check(&library, "gss_display_name", major, minor)?;
    String::from_utf8(output.to_vec()).map_err(|_| "the peer's name is no UTF-8".into())
}

/// The library's own words for what went wrong.
fn check(library: &Functions, what: &str, major: u32, minor: u32) -> Result<(), String> {
    if major & ERRORS == 0 {
        return Ok(());
    }
    let mut text = format!("GSSAPI: {what}");
    for (code, kind) in [(major, KIND_GENERAL), (minor, KIND_MECHANISM)] {
        let mut more = 0;
        // A few lines at most: what follows is the same again in other words.
        for _ in 0..4 {
            let mut output = Output::new(library);
            let mut ignored = 0;
            // SAFETY: the pointers are to values of this frame, the identifier is static.
            let told = unsafe {
                (library.display_status)(&mut ignored, code, kind, KERBEROS.get(), &mut more, &mut output.buffer)
            };
            if told & ERRORS != 0 {
                break;
            }
            text.push_str(": ");
            text.push_str(String::from_utf8_lossy(&output.to_vec()).trim());
            if more == 0 {
                break;
            }
        }
    }
    Err(text)
}

/// The library, for calls as long as this is held.
struct Calls {
    functions: &'static Functions,
    _running: RwLockReadGuard<'static, ()>,
}

impl Deref for Calls {
    type Target = Functions;

    fn deref(&self) -> &Functions {
        self.functions
    }
}

/// Held, shared, by those who call the library.
static CALLS: RwLock<()> = RwLock::new(());
/// Read by them when they hold it: the process ends.
static ENDED: AtomicBool = AtomicBool::new(false);

fn library() -> Result<Calls, String> {
    let functions = functions().ok_or_else(|| format!("this system has no Kerberos library ({NAME})"))?;
    // Recursive: who is asked to wait for the process's end by somebody it waits for itself would wait for ever.
    let running = CALLS.read_recursive();
    if ENDED.load(Ordering::Relaxed) {
        return Err("the process ends".into());
    }
    Ok(Calls { functions, _running: running })
}

fn functions() -> Option<&'static Functions> {
    static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
    FUNCTIONS.get_or_init(Functions::load).as_ref()
}

#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

impl Buffer {
    /// The library does not write to what it is given.
    fn of(bytes: &[u8]) -> Buffer {
        Buffer { length: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
    }
}

#[repr(C)]
struct Oid {
    length: u32,
    elements: *const c_void,
}

// SAFETY: it points to static bytes that nobody changes.
unsafe impl Sync for Oid {}

impl Oid {
    const fn new(bytes: &'static [u8]) -> Oid {
        Oid { length: bytes.len() as u32, elements: bytes.as_ptr().cast() }
    }

    fn get(&'static self) -> *const Oid {
        ptr::from_ref(self)
    }
}

#[repr(C)]
struct OidSet {
    count: usize,
    elements: *const Oid,
}

macro_rules! functions {
    ($($field:ident $symbol:literal: fn($($argument:ty),*);)*) => {
        /// What is used of the library, and the library.
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) -> u32,)*
            _library: Library,
        }

        impl Functions {
            fn load() -> Option<Functions> {
                // SAFETY: opening the system's Kerberos library runs its constructors, which expect nothing of us.
                let library = unsafe { Library::new(NAME) }.ok()?;
                // SAFETY: these are the signatures of RFC 2744, with the types of this platform's C.
                unsafe {
                    Some(Functions {
                        $($field: *library.get::<unsafe extern "C" fn($($argument),*) -> u32>($symbol).ok()?,)*
                        _library: library,
                    })
                }
            }
        }
    };
}

functions! {
    import_name b"gss_import_name\0": fn(*mut u32, *const Buffer, *const Oid, *mut *mut c_void);
    release_name b"gss_release_name\0": fn(*mut u32, *mut *mut c_void);
    acquire_cred b"gss_acquire_cred\0":
        fn(*mut u32, *mut c_void, u32, *const OidSet, c_int, *mut *mut c_void, *mut *mut OidSet, *mut u32);
    release_cred b"gss_release_cred\0": fn(*mut u32, *mut *mut c_void);
    init_sec_context b"gss_init_sec_context\0":
        fn(*mut u32, *mut c_void, *mut *mut c_void, *mut c_void, *const Oid, u32, u32, *const c_void, *const Buffer,
           *mut *mut Oid, *mut Buffer, *mut u32, *mut u32);
    accept_sec_context b"gss_accept_sec_context\0":
        fn(*mut u32, *mut *mut c_void, *mut c_void, *mut Buffer, *const c_void, *mut *mut c_void, *mut *mut Oid,
           *mut Buffer, *mut u32, *mut u32, *mut *mut c_void);
    delete_context b"gss_delete_sec_context\0": fn(*mut u32, *mut *mut c_void, *mut Buffer);
    wrap b"gss_wrap\0": fn(*mut u32, *mut c_void, c_int, u32, *const Buffer, *mut c_int, *mut Buffer);
    unwrap b"gss_unwrap\0": fn(*mut u32, *mut c_void, *const Buffer, *mut Buffer, *mut c_int, *mut u32);
    display_name b"gss_display_name\0": fn(*mut u32, *mut c_void, *mut Buffer, *mut *mut Oid);
    display_status b"gss_display_status\0": fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer);
    release_buffer b"gss_release_buffer\0": fn(*mut u32, *mut Buffer);
}

const NAME: &str = "libgssapi_krb5.so.2";

/// 1.2.840.113554.1.2.2
static KERBEROS: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");
/// 1.2.840.113554.1.2.2.1
static PRINCIPAL: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01");
/// 1.2.840.113554.1.2.1.1
static USER_NAME: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01");
/// 1.2.840.113554.1.2.1.4
static HOST_BASED: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04");

const INDEFINITE: u32 = u32::MAX;
const USAGE_INITIATE: c_int = 1;
const USAGE_ACCEPT: c_int = 2;

const MUTUAL: u32 = 2;
const REPLAY: u32 = 4;
const SEQUENCE: u32 = 8;
const CONFIDENTIAL: u32 = 16;
const INTEGRITY: u32 = 32;
const CLIENT_FLAGS: u32 = MUTUAL | REPLAY | SEQUENCE | CONFIDENTIAL | INTEGRITY;
/// libzmq's clients do not ask for the sequence.
const WRAPPING_FLAGS: u32 = REPLAY | CONFIDENTIAL | INTEGRITY;

const ERRORS: u32 = 0xffff_0000;
const CONTINUE_NEEDED: u32 = 1;

const KIND_GENERAL: c_int = 1;
const KIND_MECHANISM: c_int = 2;
