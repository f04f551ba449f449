//! What happens to the connections meanwhile.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use zefiro::{AnySocket, Event, EventKind, Monitor, SocketType};

use super::output::escaped;

/// Tells, from now on, why nothing comes: that a handshake failed, and if it is to be `verbose` all that happens. What
/// happens again and again is told once, until a peer comes.
pub fn tell(socket: &AnySocket, verbose: bool) {
    // A plain peer never ends a handshake.
    let shakes_hands = socket.socket_type() != SocketType::Stream;
    let monitor = socket.monitor();
    thread::spawn(move || {
        let (mut told, mut bound) = (HashSet::new(), HashSet::new());
        for event in monitor {
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
            // Ports change with each attempt, and are not what is told again.
            let line = format!("{}: {}", event.endpoint, event.kind);
            if is_worth_it && told.len() < TOLD_MAX && told.insert(line) {
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
}

impl Troubles {
    /// Takes note of them from now on.
    pub fn of(socket: &AnySocket) -> Troubles {
        Troubles { monitor: socket.monitor(), last: None }
    }

    /// The last there was, unless a connection succeeded after it.
    pub fn last(&mut self) -> Option<&Event> {
        self.listen(Duration::ZERO);
        self.last.as_ref()
    }

    /// The last there was, as the end of a sentence.
    pub fn because(&mut self) -> String {
        self.last().map(|why| format!(": {why}")).unwrap_or_default()
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
