//! What only the younger socket types have: groups to join, and peers with numbers.

use zmtp::SocketType;

use super::core::SocketCore;
use super::kind::{ConnectsPeers, Joins, Kind, NumbersPeers};
use super::{Socket, ops};
use crate::endpoint::ToEndpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::io::{Command, Which};
use crate::pipe::PipeId;

impl<K: Kind> Socket<K> {
    /// Joins a group of at most 255 bytes: its messages are received from now on.
    ///
    /// ```
    /// # use zefiro::{Dish, Message, Radio};
    /// let (dish, radio) = (Dish::new(), Radio::new());
    /// dish.join("news")?;
    /// radio.connect(dish.bind("inproc://join")?)?;
    /// radio.send(Message::for_group("gossip", "not for us"))?;
    /// radio.send(Message::for_group("news", "hear, hear"))?;
    /// assert_eq!(dish.recv()?, ["news", "hear, hear"]);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidMessage`](ErrorKind::InvalidMessage): the name is too long, or the group joined already.
    /// [`Unsupported`](ErrorKind::Unsupported): not a DISH.
    pub fn join(&self, group: impl AsRef<[u8]>) -> Result<()>
    where
        K: Joins,
    {
        let mut state = self.core.lock();
        let (pattern, pipes, _) = state.parts();
        pattern.join(pipes, group.as_ref()).map_err(|refusal| Error::new(ops::kind_of(refusal), "join"))
    }

    /// Leaves a group.
    ///
    /// ```
    /// # let dish = zefiro::Dish::new();
    /// dish.join("news")?;
    /// dish.leave("news")?;
    /// assert!(dish.leave("news").is_err());
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidMessage`](ErrorKind::InvalidMessage): the group was not joined.
    /// [`Unsupported`](ErrorKind::Unsupported): not a DISH.
    pub fn leave(&self, group: impl AsRef<[u8]>) -> Result<()>
    where
        K: Joins,
    {
        let mut state = self.core.lock();
        let (pattern, pipes, _) = state.parts();
        pattern.leave(pipes, group.as_ref()).map_err(|refusal| Error::new(ops::kind_of(refusal), "leave"))
    }

    /// Ends the connection of the peer with a [number](crate::Message::peer_number), once its queue is sent.
    ///
    /// ```
    /// # use zefiro::{Client, ErrorKind, Server};
    /// # let (server, client) = (Server::new(), Client::new());
    /// # client.connect(server.bind("inproc://disconnect-number")?)?;
    /// client.send("hello")?;
    /// let number = server.recv()?.peer_number().expect("a server's message has one");
    /// server.disconnect_number(number)?;
    /// assert_eq!(server.disconnect_number(number).unwrap_err().kind(), ErrorKind::Unroutable);
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Unroutable`](ErrorKind::Unroutable): no peer has the number. [`Unsupported`](ErrorKind::Unsupported): not a
    /// SERVER or PEER.
    pub fn disconnect_number(&self, number: u32) -> Result<()>
    where
        K: NumbersPeers,
    {
        const OPERATION: &str = "disconnect peer";
        if !matches!(self.core.socket_type, SocketType::Server | SocketType::Peer) {
            return Err(Error::new(ErrorKind::Unsupported, OPERATION));
        }
        let mut state = self.core.lock();
        let wanted = number.to_be_bytes();
        let found = state.pipes.iter().find(|(_, pipe)| pipe.routing_id() == wanted && !pipe.ended && !pipe.closing);
        let Some((id, pipe)) = found else { return Err(Error::new(ErrorKind::Unroutable, OPERATION)) };
        match pipe.link().cloned() {
            Some(link) => {
                let linger = state.options.linger;
                state.tell_io(
                    link.io.clone(),
                    Command::End(self.core.clone(), Which::Pipe(id, Some(link.token)), linger),
                );
                state.disconnect_pipe(id);
            }
            None if pipe.is_duct() => state.end_duct(id),
            None => state.pipes.close(id),
        }
        Ok(())
    }

    /// Connects, as [`connect`](Socket::connect) does, and answers the number of the new peer, which is usable at once.
    ///
    /// ```
    /// # use zefiro::{Message, PeerSocket};
    /// # let (one, other) = (PeerSocket::new(), PeerSocket::new());
    /// # let endpoint = other.bind("inproc://connect-peer")?;
    /// let number = one.connect_peer(endpoint)?;
    /// one.send(Message::for_peer(number, "hello"))?;
    /// assert_eq!(other.recv()?.last().as_str(), Ok("hello"));
    /// # Ok::<(), zefiro::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `connect`. [`InvalidOption`](ErrorKind::InvalidOption): the option `immediate` is set, with which there
    /// is no peer yet. [`Unsupported`](ErrorKind::Unsupported): not a PEER.
    pub fn connect_peer(&self, endpoint: impl ToEndpoint) -> Result<u32>
    where
        K: ConnectsPeers,
    {
        const OPERATION: &str = "connect peer";
        let endpoint = endpoint.endpoint_text();
        if self.core.socket_type != SocketType::Peer {
            return Err(Error::new(ErrorKind::Unsupported, OPERATION));
        }
        if self.core.lock().options.immediate {
            let why = "with the option immediate there is no peer before it is connected";
            return Err(Error::with_text(ErrorKind::InvalidOption, OPERATION, &*endpoint, why));
        }
        let pipe = self.core.connect_pipe(&endpoint)?;
        pipe.and_then(|pipe| self.core.number_of(pipe)).ok_or_else(|| Error::new(ErrorKind::Unroutable, OPERATION))
    }
}

impl SocketCore {
    fn number_of(self: &std::sync::Arc<SocketCore>, pipe: PipeId) -> Option<u32> {
        let id = self.lock().pipes.routing_id(pipe);
        Some(u32::from_be_bytes(id.as_slice().try_into().ok()?))
    }
}
