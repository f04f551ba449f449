//! Datagrams: sockets without connections, which the I/O thread reads itself.

use std::sync::Arc;
use std::time::Instant;

use super::IoThread;
use super::accepting::ACCEPT_PAUSE;
use super::entries::Item;
use crate::pipe::PipeId;
use crate::socket::core::SocketCore;
use crate::sys::Interest;
use crate::transport::udp::{Datagrams, Received};

impl IoThread {
    pub(super) fn receive_datagrams(&mut self, core: Arc<SocketCore>, datagrams: Arc<Datagrams>, pipe: PipeId) {
        let token = self.insert(Item::Datagrams(core, datagrams.clone(), pipe));
        self.watch_datagrams(&datagrams, token);
    }

    pub(super) fn watch_datagrams(&mut self, datagrams: &Datagrams, token: u64) {
        if self.handle.selector.add(datagrams, token, Interest::READ).is_err() {
            // The system has no memory for it, or no watches (nothing else is wrong with a socket of ours): tried again.
            self.timers.add(Instant::now() + ACCEPT_PAUSE, token);
        }
    }

    pub(super) fn close_datagrams(&mut self, token: u64) {
        if let Some(Item::Datagrams(core, datagrams, _)) = self.remove(token) {
            let _ = self.handle.selector.remove(&*datagrams);
            core.lock().not_busy();
        }
    }
}

/// Takes the datagrams that have come.
pub(super) fn read_datagrams(core: &Arc<SocketCore>, datagrams: &Datagrams, pipe: PipeId) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    for _ in 0..DATAGRAMS_PER_TURN {
        match datagrams.recv(&mut buffer) {
            Received::Message(message) => core.lock().deliver_datagram(pipe, message),
            Received::Unfit => {}
            Received::Nothing => return,
        }
    }
}

/// Datagrams taken before other work gets its turn, and the room for the largest.
const DATAGRAMS_PER_TURN: usize = 64;
const DATAGRAM_BYTES: usize = 64 * 1024;
