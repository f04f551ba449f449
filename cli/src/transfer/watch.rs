//! What happens to the connections meanwhile.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use zefiro::{AnySocket, Event, EventKind, Monitor, SocketType};

use super::output::escaped;

/// What was told already: what happens again and again is told once, until a peer comes.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<HashSet<String>>>);

impl Told {
    /// Whoever holds it says what it notes before others find it noted.
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes note of what is told now; answers whether it is new.
fn note(told: &mut HashSet<String>, event: &Event) -> bool {
    // Ports change with each attempt, and are not what is told again.
    told.len() < TOLD_MAX && told.insert(format!("{}: {}", event.endpoint, event.kind))
}

/// Tells, from now on, why nothing comes: that a handshake failed, and if it is to be `verbose` all that happens.
fn tell(socket: &AnySocket, verbose: bool, already: Told) {
    // A plain peer never ends a handshake.
    let shakes_hands = socket.socket_type() != SocketType::Stream;
    let monitor = socket.monitor();
    thread::spawn(move || {
        let mut bound = HashSet::new();
        for event in monitor {
            let mut told = already.lock();
            if event.kind == EventKind::Listening {
                bound.insert(event.endpoint.clone());
            }
            let is_worth_it = match event.kind {
                EventKind::HandshakeFailed(_) | EventKind::ProtocolFailed(_) => shakes_hands,
                EventKind::AuthenticationFailed(_) | EventKind::AcceptFailed(_) | EventKind::DuplicateRoutingId => true,
                EventKind::HandshakeSucceeded | EventKind::Accepted | EventKind::Connected => {
                    if event.kind == EventKind::HandshakeSucceeded || !shakes_hands {
                        told.clear();
                    }
                    verbose
                }
                // That a listener closes is our own doing.
                EventKind::Closed(_) => verbose && !bound.contains(&event.endpoint),
                EventKind::Listening | EventKind::Unresolved(_) | EventKind::Disconnected(_) => verbose,
                _ => false,
            };
            if is_worth_it && note(&mut told, &event) {
                let retries = matches!(event.kind, EventKind::Closed(_) | EventKind::Unresolved(_));
                let retrying = if retries { "; retrying" } else { "" };
                say!("zefiro: {}{retrying}", escaped(event.to_string().as_bytes(), false));
            }
        }
    });
}

/// What the connections have suffered last: why what was to be sent was not.
pub struct Troubles {
    monitor: Monitor,
    last: Option<Event>,
    told: Told,
}

impl Troubles {
    /// Takes note of them from now on, and tells those that are worth it, or if it is to be `verbose` all that happens.
    pub fn watch(socket: &AnySocket, verbose: bool) -> Troubles {
        let told = Told::default();
        tell(socket, verbose, told.clone());
        Troubles { monitor: socket.monitor(), last: None, told }
    }

    /// The last there was, unless a connection succeeded after it, or it was told already. It is told now.
    pub fn untold(&mut self) -> Option<String> {
        self.listen(Duration::ZERO);
        let last = self.last.as_ref()?;
        note(&mut self.told.lock(), last).then(|| escaped(last.to_string().as_bytes(), false))
    }

    /// The same, as the end of a sentence.
    pub fn because(&mut self) -> String {
        self.untold().map(|why| format!(": {why}")).unwrap_or_default()
    }

    /// Waits so long for something to happen, and takes note of all that has.
    pub fn listen(&mut self, patience: Duration) {
        let mut next = self.monitor.recv_timeout(patience);
        while let Some(event) = next {
            match event.kind {
                EventKind::HandshakeSucceeded => self.last = None,
                EventKind::Unresolved(_)
                | EventKind::HandshakeFailed(_)
                | EventKind::ProtocolFailed(_)
                | EventKind::AuthenticationFailed(_)
                | EventKind::Closed(_) => self.last = Some(event),
                // Told after a failed handshake as well, and says less.
                EventKind::Disconnected(_) if self.last.is_none() => self.last = Some(event),
                _ => {}
            }
            next = self.monitor.try_recv();
        }
    }
}

/// How long to wait for events before looking again whether all is sent.
pub const LISTENING: Duration = Duration::from_millis(5);

/// Different things told of before a peer comes; more would be a flood.
const TOLD_MAX: usize = 100;
