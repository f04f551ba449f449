//! Peers: who is connected to a socket, and an end to one of them.

use zmtp::{Frame, SocketType};

use super::Socket;
use super::kind::Kind;
use crate::counters::Counters;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{Command, Which};
use crate::pipe::PipeId;

/// Names a peer of a socket for as long as it is connected.
///
/// ```
/// # use std::time::Duration;
/// # use zefiro::{PeerId, Pull, Push};
/// # let (push, pull) = (Push::new(), Pull::new());
/// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
/// # pull.wait_connected(1, Duration::from_secs(10))?;
/// let id: PeerId = pull.peers()[0].id;
/// assert!(pull.peers().iter().any(|peer| peer.id == id));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId(PipeId);

/// A peer, as [`Socket::peers`] finds it.
///
/// ```
/// # use std::time::Duration;
/// # use zefiro::{Pull, Push, SocketType};
/// # let (push, pull) = (Push::new(), Pull::new());
/// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
/// # pull.wait_connected(1, Duration::from_secs(10))?;
/// let peer = &pull.peers()[0];
/// assert_eq!(peer.socket_type, Some(SocketType::Push));
/// assert_eq!(peer.address.as_deref(), Some("127.0.0.1"));
/// # Ok::<(), zefiro::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// Names it to [`Socket::disconnect_peer`].
    pub id: PeerId,
    /// The endpoint it was connected by, or accepted on.
    pub endpoint: String,
    /// Its address, where the transport has one: an IP address, or user, group and process of an ipc peer.
    pub address: Option<String>,
    /// Its socket type, if it told.
    pub socket_type: Option<SocketType>,
    /// The routing id it announced; empty if none.
    pub routing_id: Frame,
    /// The security mechanism of the connection: `NULL`, `PLAIN`, `CURVE` or `GSSAPI`. Over inproc, and with plain TCP, there is
    /// none, which is `NULL` too.
    pub mechanism: &'static str,
    /// Who it is, as an authenticator said; `None` if none was asked.
    pub user_id: Option<String>,
    /// What went to and came from it.
    pub counters: Counters,
}

impl<K: Kind> Socket<K> {
    /// The peers connected now.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{Pull, Push};
    /// # let push = Push::new();
    /// let pull = Pull::new();
    /// push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// pull.wait_connected(1, Duration::from_secs(10))?;
    /// for peer in pull.peers() {
    ///     println!("{} from {:?} has sent {}", peer.mechanism, peer.address, peer.counters.arrived);
    ///     pull.disconnect_peer(peer.id)?;
    /// }
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    pub fn peers(&self) -> Vec<Peer> {
        let mut state = self.core.lock();
        state.pipes.catch_up();
        let found_from = state.pattern.found_from();
        let connected = state.pipes.iter().filter(|(_, pipe)| pipe.is_connected());
        connected
            .map(|(id, pipe)| Peer {
                id: PeerId(id),
                endpoint: pipe.facts.endpoint.to_string(),
                address: pipe.facts.address.clone(),
                socket_type: pipe.facts.socket_type,
                routing_id: pipe.facts.identity.clone(),
                mechanism: if pipe.facts.mechanism.is_empty() { "NULL" } else { pipe.facts.mechanism },
                user_id: pipe.facts.user_id.clone(),
                counters: pipe.counters_now(found_from == Some(id)),
            })
            .collect()
    }

    /// Ends one connection, once its queue is sent. A connecting socket connects anew, unless its reconnect interval says
    /// that it never does.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use zefiro::{EventKind, Pull, Push};
    /// # let (push, pull) = (Push::new(), Pull::new());
    /// # push.connect(pull.bind("tcp://127.0.0.1:*")?)?;
    /// # pull.wait_connected(1, Duration::from_secs(10))?;
    /// let mut monitor = push.monitor();
    /// pull.disconnect_peer(pull.peers()[0].id)?;
    /// assert!(monitor.any(|event| matches!(event.kind, EventKind::Disconnected(_))));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Unroutable`](ErrorKind::Unroutable): it is gone already.
    pub fn disconnect_peer(&self, peer: PeerId) -> Result<()> {
        let mut state = self.core.lock();
        state.check_open("disconnect peer")?;
        let Some(pipe) = state.pipes.get(peer.0) else {
            return Err(Error::new(ErrorKind::Unroutable, "disconnect peer"));
        };
        match pipe.link().cloned() {
            Some(link) => {
                let linger = state.options.linger;
                state.tell_io(
                    link.io.clone(),
                    Command::End(self.core.clone(), Which::Connection(peer.0, link.token), linger),
                );
            }
            None => state.end_duct(peer.0),
        }
        Ok(())
    }
}
