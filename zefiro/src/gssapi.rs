//! GSSAPI: security contexts on their way, each step on a thread that is not an I/O thread, since it may wait for a
//! Kerberos server. Steps of clients and of servers have threads of their own: a Kerberos server that does not answer
//! clients holds up nobody who accepts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use zmtp::{Established, Step};

use crate::exit;
use crate::io::{Command, IoHandle};
use crate::options::Options;
use crate::sys::gssapi::{self, Negotiating};
use crate::sys::threads;

pub use crate::sys::gssapi::GssapiName;

/// Whether this system has what GSSAPI needs: MIT's Kerberos library, libgssapi_krb5.so.2. It is opened by the first call
/// and stays.
///
/// ```
/// # use zefiro::Pull;
/// if zefiro::gssapi_is_available() {
///     assert!(Pull::builder().gssapi_server(true).build().is_ok());
/// }
/// ```
pub fn gssapi_is_available() -> bool {
    gssapi::is_available()
}

/// Makes the steps of a context's sockets, on threads that end when there is nothing to do.
#[derive(Clone, Default)]
pub(crate) struct Negotiators {
    initiating: Arc<Mutex<Pool>>,
    accepting: Arc<Mutex<Pool>>,
}

#[derive(Default)]
struct Pool {
    waiting: VecDeque<(Arc<Task>, Vec<u8>)>,
    workers: usize,
}

/// The security context of a session; dropping it withdraws what it waits for.
pub(crate) struct Negotiation {
    task: Arc<Task>,
    pool: Arc<Mutex<Pool>>,
}

struct Task {
    options: Arc<Options>,
    accepts: bool,
    /// From the first step until it stands or fails.
    context: Mutex<Option<Negotiating>>,
    step: Mutex<Option<Result<Step, String>>>,
    /// Nobody wants it any more.
    abandoned: AtomicBool,
    io: Arc<IoHandle>,
    token: u64,
}

impl Negotiators {
    /// Begins, with a socket's options; the session `token` of `io` is told when a step is done.
    pub(crate) fn begin(&self, options: Arc<Options>, io: &Arc<IoHandle>, token: u64) -> Negotiation {
        exit::call_at_exit();
        let accepts = options.gssapi_server == Some(true);
        let pool = if accepts { &self.accepting } else { &self.initiating }.clone();
        let task = Arc::new(Task {
            options,
            accepts,
            context: Mutex::new(None),
            step: Mutex::new(None),
            abandoned: AtomicBool::new(false),
            io: io.clone(),
            token,
        });
        Negotiation { task, pool }
    }
}

impl Negotiation {
    /// Has the next step made, with a token of the peer's.
    pub(crate) fn step(&self, token: Vec<u8>) {
        let mut pool = self.pool.lock();
        pool.waiting.push_back((self.task.clone(), token));
        if pool.workers >= WORKERS_MAX {
            return;
        }
        let shared = self.pool.clone();
        if threads::start("zefiro/gss".into(), move || work(&shared)).is_ok() {
            pool.workers += 1;
        } else if pool.workers == 0 {
            pool.waiting.pop_back();
            drop(pool);
            self.task.settle(Err("the system gives no thread for a security context".into()));
        }
    }

    /// What the step came to, if it has been made.
    pub(crate) fn answer(&self) -> Option<Result<Step, String>> {
        self.task.step.lock().take()
    }
}

impl Drop for Negotiation {
    fn drop(&mut self) {
        self.task.abandoned.store(true, Ordering::Release);
    }
}

impl Task {
    fn settle(&self, step: Result<Step, String>) {
        *self.step.lock() = Some(step);
        self.io.tell(Command::Authenticated(self.token));
    }

    fn make_step(&self, token: &[u8]) -> Result<Step, String> {
        let options = &*self.options;
        let mut slot = self.context.lock();
        let mut context = match slot.take() {
            Some(context) => context,
            None if self.accepts => Negotiating::accept(&options.gssapi_principal, options.gssapi_principal_nametype)?,
            None => Negotiating::initiate(
                &options.gssapi_principal,
                options.gssapi_principal_nametype,
                &options.gssapi_service_principal,
                options.gssapi_service_principal_nametype,
            )?,
        };
        let stepped = context.step(token, !options.gssapi_plaintext)?;
        let established = match stepped.peer {
            Some(principal) => Some(Established { principal, wrapping: Arc::new(context.finish()) }),
            None => {
                *slot = Some(context);
                None
            }
        };
        Ok(Step { token: stepped.token, established })
    }
}

fn work(pool: &Mutex<Pool>) {
    loop {
        let (task, token) = {
            let mut pool = pool.lock();
            match pool.waiting.pop_front() {
                Some(next) => next,
                None => {
                    pool.workers -= 1;
                    return;
                }
            }
        };
        if !task.abandoned.load(Ordering::Acquire) {
            let step = task.make_step(&token);
            task.settle(step);
        }
    }
}

/// Steps made at the same time; more wait for their turn.
const WORKERS_MAX: usize = 8;
