//! Names to addresses, off the I/O path: a resolver that does not answer holds up nobody else.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Command, IoHandle};
use crate::endpoint::TcpEndpoint;
use crate::sys::threads;

/// Looks up names on threads of its own, which end when there is nothing to do.
#[derive(Clone, Default)]
pub(crate) struct Resolver {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    waiting: VecDeque<Request>,
    workers: usize,
}

struct Request {
    endpoint: TcpEndpoint,
    ipv6: bool,
    io: Arc<IoHandle>,
    token: u64,
}

impl Resolver {
    /// Resolves `endpoint` and tells the I/O thread the addresses for its session `token`.
    pub(crate) fn resolve(&self, endpoint: TcpEndpoint, ipv6: bool, io: Arc<IoHandle>, token: u64) {
        let mut shared = self.shared.lock();
        shared.waiting.push_back(Request { endpoint, ipv6, io, token });
        if shared.workers >= WORKERS_MAX {
            return;
        }
        let resolver = self.clone();
        if threads::start("zefiro/dns".into(), move || resolver.work()).is_ok() {
            shared.workers += 1;
        } else if shared.workers == 0
            && let Some(request) = shared.waiting.pop_back()
        {
            let why = "no thread could be started to resolve the name".to_string();
            request.io.tell(Command::Resolved(request.token, Err(why)));
        }
    }

    fn work(&self) {
        loop {
            let request = {
                let mut shared = self.shared.lock();
                match shared.waiting.pop_front() {
                    Some(request) => request,
                    None => {
                        shared.workers -= 1;
                        return;
                    }
                }
            };
            let addresses = request.endpoint.resolve_connect(request.ipv6).map_err(|error| error.reason());
            request.io.tell(Command::Resolved(request.token, addresses));
        }
    }
}

/// Names looked up at the same time; more wait for their turn.
const WORKERS_MAX: usize = 8;
