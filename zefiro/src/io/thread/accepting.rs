//! Accepting: listeners, who comes to them, and how many handshakes each may have at once.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::super::link::Loss;
use super::super::listener::{Listener, NotAccepted};
use super::super::session::{Fresh, Origin, Peer, Phase, Session};
use super::IoThread;
use super::entries::Item;
use crate::monitor::{Event, EventKind};
use crate::socket::core::SocketCore;

impl IoThread {
    pub(super) fn listen(&mut self, core: Arc<SocketCore>, listener: Arc<Listener>) {
        let token = self.insert(Item::Listener(core.clone(), listener.clone()));
        if let Err(error) = listener.watch(token) {
            // Out of memory for it: it is tried again.
            accept_failed(&core, &listener, &error);
            self.timers.add(Instant::now() + ACCEPT_PAUSE, token);
        }
    }

    pub(super) fn accept(&mut self, core: &Arc<SocketCore>, listener: &Arc<Listener>, token: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            match listener.accept() {
                Ok(None) => return,
                Ok(Some((stream, peer))) => {
                    let session = self.accepted(core, listener, stream, peer);
                    self.limit_handshakes(listener, token, session);
                }
                Err(NotAccepted { error, refused }) => {
                    accept_failed(core, listener, &error);
                    if !refused {
                        // Out of descriptors, most likely: look again in a while rather than spin.
                        listener.pause();
                        self.timers.add(Instant::now() + ACCEPT_PAUSE, token);
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn accepted(
        &mut self,
        core: &Arc<SocketCore>,
        listener: &Arc<Listener>,
        stream: socket2::Socket,
        peer: Peer,
    ) -> u64 {
        core.lock().busy += 1;
        let session = Session::new(core.clone(), Origin::Accept(listener.clone()), peer);
        session.emit(EventKind::Accepted);
        let token = self.insert(Item::Session(Box::new(session)));
        self.begin(token, Fresh { stream, address: None, watched: false });
        token
    }

    /// Of too many handshakes at once the oldest of the network that has most of them is ended: peers that mean well are
    /// through in a moment, or at least of another network, however many that do not keep coming.
    fn limit_handshakes(&mut self, listener: &Listener, owner: u64, newest: u64) {
        let Some(most) = listener.options.handshakes_max else { return };
        let Some(network) = self.session(newest).map(|session| session.peer.network) else { return };
        let mut handshakes = self.handshakes.remove(&owner).unwrap_or_default();
        handshakes.begin(network, newest);
        if let Some(superfluous) = handshakes.superfluous(most, |token| self.is_greeting(token)) {
            self.handshake_lost(superfluous, Loss::Crowded);
        }
        self.handshakes.insert(owner, handshakes);
    }

    fn is_greeting(&mut self, token: u64) -> bool {
        self.session(token).is_some_and(|session| matches!(session.phase, Phase::Greeting(..)))
    }

    pub(super) fn close_listener(&mut self, token: u64) {
        self.handshakes.remove(&token);
        if let Some(Item::Listener(core, listener)) = self.remove(token) {
            listener.close();
            let mut state = core.lock();
            state.not_busy();
        }
    }
}

/// Tells that a peer could not be accepted.
fn accept_failed(core: &Arc<SocketCore>, listener: &Listener, error: &io::Error) {
    // Of a peer that the filters refuse libzmq tells what its last look for peers came to.
    let value = error.raw_os_error().unwrap_or_else(|| Errno::AGAIN.raw_os_error()) as u64;
    let event = listener.event(EventKind::AcceptFailed(error.to_string()));
    core.lock().emit(Event { value, ..event });
}

/// Peers accepted before other work gets its turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long accepting rests after the system refused.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
