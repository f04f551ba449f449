//! The time that was allowed is over: what was waited for, where, for how long, and who was there.

use std::time::Duration;

use zefiro::{AnySocket, Frame};

use super::args::Job;
use super::output::id_text;

/// Ends a verb that waited in vain.
#[derive(Debug)]
pub struct TimedOut {
    pub awaited: Awaited,
    pub patience: Duration,
}

/// What is waited for.
#[derive(Clone, Debug)]
pub enum Awaited {
    /// What is to be received, by its name; so many have come already, if it is known of how many.
    Arrival {
        noun: &'static str,
        came: u64,
        of: Option<u64>,
    },
    /// A peer that takes a message.
    Room,
    Peers(usize),
    Subscribers(usize),
    /// The peer with this id.
    Peer(Frame),
}

impl TimedOut {
    /// The whole story, in a sentence.
    pub fn told(&self, socket: &AnySocket, endpoints: &[String], job: &Job) -> String {
        let (verb, at, patience) = (socket.socket_type().name().to_lowercase(), endpoints.join(", "), self.patience);
        let what = match &self.awaited {
            Awaited::Arrival { noun, came, of: Some(of) } if *came > 0 => {
                format!("{came} of {of} {} came, then none for {patience:?}", plural(noun))
            }
            Awaited::Arrival { noun, .. } => format!("no {noun} came within {patience:?}"),
            Awaited::Room => format!("nothing could be sent for {patience:?}"),
            Awaited::Peers(peers) => format!("fewer than {peers} peers came within {patience:?}"),
            Awaited::Subscribers(0 | 1) => format!("no subscriber came within {patience:?}"),
            Awaited::Subscribers(peers) => format!("fewer than {peers} subscribers came within {patience:?}"),
            Awaited::Peer(id) => {
                let id = String::from_utf8_lossy(&id_text(id, &job.form)).into_owned();
                format!("no peer with the id {id} came within {patience:?}")
            }
        };
        let who = match socket.peers().len() {
            0 => ": no peer is connected".to_string(),
            1 => ", though 1 peer is connected".to_string(),
            peers => format!(", though {peers} peers are connected"),
        };
        format!("{verb} {at}: {what}{who}")
    }
}

impl std::fmt::Display for TimedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the time was over: {:?}", self.patience)
    }
}

impl std::error::Error for TimedOut {}

fn plural(noun: &str) -> String {
    noun.strip_suffix('y').map_or_else(|| format!("{noun}s"), |stem| format!("{stem}ies"))
}
