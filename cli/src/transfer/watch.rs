//! What happens to the connections meanwhile.

use std::time::Duration;

use zefiro::{AnySocket, Event, EventKind, Monitor};

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
