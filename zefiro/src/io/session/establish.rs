//! Establish: the stream becomes a link, and a pipe has it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use socket2::Socket;
use zmtp::{PeerInfo, Version};

use super::super::IoHandle;
use super::super::link::{Link, Protocol, Reader};
use super::super::receive::hand_over;
use super::{Origin, Phase, Session};
use crate::metadata::Metadata;
use crate::pipe::PeerFacts;
use crate::pipe::outbox::Format;
use crate::pipe::sync::SleepingMutex as Mutex;
use crate::socket::salute;

impl Session {
    /// What messages of this connection say of it. Older peers tell nothing, so neither do their messages.
    fn metadata(&self, info: Option<&PeerInfo>) -> Option<Arc<Metadata>> {
        if info.is_some_and(|info| info.version < Version::V3_0) {
            return None;
        }
        let mut metadata = Metadata::new(Some(self.peer.descriptor));
        if let Some(address) = &self.peer.address {
            metadata.add_address(address, self.peer.mapped);
        }
        if let Some(answer) = &self.admitted {
            metadata.add("User-Id", &answer.user_id);
            for (name, value) in &answer.metadata {
                metadata.add(name, value);
            }
        }
        let told = info.iter().flat_map(|info| &info.metadata).map(|(name, value)| (name.as_str(), &**value));
        // A peer does not say itself who it is and where.
        for (name, value) in told.filter(|(name, _)| !OURS_TO_SAY.contains(name)) {
            metadata.add(name, value);
        }
        Some(Arc::new(metadata))
    }

    pub(super) fn establish(
        &mut self,
        stream: Socket,
        protocol: Protocol,
        format: Format,
        info: Option<PeerInfo>,
        io: &Arc<IoHandle>,
        token: u64,
    ) {
        self.without_mechanism = info.as_ref().is_none_or(|info| info.version < Version::V3_0);
        let metadata = self.metadata(info.as_ref());
        let mechanism = match &protocol {
            Protocol::Zmtp(_) => self.options().mechanism_name(),
            Protocol::Raw { .. } => "",
        };
        let (identity, socket_type) = info.map(|info| (info.routing_id, info.socket_type)).unwrap_or_default();
        let facts = PeerFacts {
            identity,
            socket_type,
            mechanism,
            user_id: self.admitted.as_ref().map(|answer| String::from_utf8_lossy(&answer.user_id).into_owned()),
            endpoint: self.endpoint(),
            address: self.peer.address.clone(),
            metadata,
            seat: self.peer.seat.clone(),
        };
        let mut state = self.core.lock();
        let (pipe, fresh) = match &self.origin {
            Origin::Connect(dialer) => match dialer.pipe {
                Some(pipe) => (pipe, false),
                None => (state.add_pipe(facts.clone()), true),
            },
            Origin::Accept(_) => (state.add_pipe(facts.clone()), true),
        };
        let timer = self.deadline;
        let (mut protocol, mut sealer) = (protocol, None);
        if let Protocol::Zmtp(connection) = &mut protocol {
            sealer = connection.take_sealer().map(Mutex::new);
        }
        let link = Arc::new(Link {
            stream,
            sealer,
            reader: Mutex::new(Reader { protocol, timer: None }),
            socket: Arc::downgrade(&self.core),
            pipe,
            io: io.clone(),
            token,
            lost: AtomicBool::new(false),
        });
        let options = self.options();
        state.link_up(&link, facts, format, fresh, salute::hello(self.core.socket_type, &options));
        drop(state);
        self.deadline = match self.closing {
            Some(until) => until,
            None => timer,
        };
        let mut reader = link.reader.lock();
        let next = match &reader.protocol {
            Protocol::Zmtp(connection) => connection.next_deadline(),
            Protocol::Raw { .. } => None,
        };
        reader.timer = next;
        self.deadline = [self.closing.flatten(), next].into_iter().flatten().min();
        // What came behind the handshake in the same read.
        hand_over(&self.core, &link, reader, false);
        self.phase = Phase::Established(link);
    }
}

/// Properties that are known of a peer, and not believed from it.
const OURS_TO_SAY: [&str; 3] = ["User-Id", "Peer-Address", "__fd"];
