//! Entries: what the I/O thread watches, by token.

use std::sync::Arc;

use slab::Slab;

use super::super::Which;
use super::super::listener::Listener;
use super::super::session::Session;
use crate::pipe::PipeId;
use crate::socket::core::SocketCore;
use crate::transport::udp::Datagrams;

/// Listeners, sessions and sockets of datagrams. A token is never used again soon: what is told of one that has gone
/// does not reach who has its place now.
#[derive(Default)]
pub(super) struct Entries {
    slab: Slab<Entry>,
    generation: u32,
}

struct Entry {
    generation: u32,
    item: Item,
}

pub(super) enum Item {
    Listener(Arc<SocketCore>, Arc<Listener>),
    Session(Box<Session>),
    Datagrams(Arc<SocketCore>, Arc<Datagrams>, PipeId),
}

impl Entries {
    /// Adds one, and answers its token.
    pub(super) fn insert(&mut self, item: Item) -> u64 {
        self.generation = (self.generation + 1) & GENERATION_MASK;
        let generation = self.generation;
        token_of(self.slab.insert(Entry { generation, item }), generation)
    }

    pub(super) fn get_mut(&mut self, token: u64) -> Option<&mut Item> {
        let entry = self.slab.get_mut(index_of(token))?;
        (u64::from(entry.generation) == token >> 32).then_some(&mut entry.item)
    }

    pub(super) fn session(&mut self, token: u64) -> Option<&mut Session> {
        match self.get_mut(token)? {
            Item::Session(session) => Some(session),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, token: u64) -> Option<Item> {
        self.get_mut(token)?;
        Some(self.slab.remove(index_of(token)).item)
    }

    pub(super) fn tokens(&self) -> Vec<u64> {
        self.slab.iter().map(|(index, entry)| token_of(index, entry.generation)).collect()
    }
}

impl Item {
    /// Whether it is one of those of the socket's that are asked to end.
    pub(super) fn is_meant(&self, core: &Arc<SocketCore>, which: &Which) -> bool {
        let (owner, meant) = match self {
            Item::Listener(owner, listener) => {
                let meant = match which {
                    Which::All | Which::Rest => true,
                    Which::Endpoint(endpoint) => listener.endpoint == *endpoint,
                    Which::Pipe(..) | Which::Connection(..) => false,
                };
                (owner, meant)
            }
            Item::Datagrams(owner, _, pipe) => {
                let meant = match which {
                    Which::All | Which::Rest => true,
                    Which::Pipe(meant, _) => meant == pipe,
                    Which::Endpoint(_) | Which::Connection(..) => false,
                };
                (owner, meant)
            }
            Item::Session(session) => {
                let meant = match which {
                    Which::All | Which::Rest => true,
                    Which::Endpoint(endpoint) => session.endpoint() == *endpoint,
                    Which::Pipe(pipe, _) | Which::Connection(pipe, _) => session.pipe() == Some(*pipe),
                };
                (&session.core, meant)
            }
        };
        meant && Arc::ptr_eq(owner, core)
    }
}

fn token_of(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | index as u64
}

fn index_of(token: u64) -> usize {
    token as u32 as usize
}

/// Generations are 31 bits, so that a token never looks like a set's.
const GENERATION_MASK: u32 = 0x7fff_ffff;
