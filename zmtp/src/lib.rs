//! ZMTP, the protocol of ZeroMQ (RFC 37, and down to RFC 13), without I/O: this crate opens nothing, starts no thread
//! and reads no clock.
//!
//! A [`Connection`] is one peer. Its driver calls, in this order:
//!
//! 1. in: append what was read to [`Connection::input`] and call [`Connection::handle_input`]; when
//!    [`Connection::next_deadline`] has come, [`Connection::handle_timeout`];
//! 2. out, after any call in: [`Connection::poll_event`] until `None`, [`Connection::take_output`] and write it;
//! 3. after an error the connection is over; output that is left may still be written.
//!
//! Once [`Event::Ready`] has come, the driver encodes its messages with [`Framing`] itself.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Instant;
//! use zmtp::{Config, Connection, Event, SocketType};
//!
//! // Two peers in one program; the bytes of each go straight to the other.
//! let now = Instant::now();
//! let mut push = Connection::new(Arc::new(Config::new(SocketType::Push)), now);
//! let mut pull = Connection::new(Arc::new(Config::new(SocketType::Pull)), now);
//! fn hear(peer: &mut Connection, mut bytes: &[u8], now: Instant) {
//!     while !bytes.is_empty() {
//!         let input = peer.input();
//!         let (piece, rest) = bytes.split_at(bytes.len().min(input.capacity() - input.len()));
//!         input.extend_from_slice(piece);
//!         peer.handle_input(now).expect("the other is one of ours");
//!         bytes = rest;
//!     }
//! }
//! while push.has_output() || pull.has_output() {
//!     let (from_push, from_pull) = (push.take_output(), pull.take_output());
//!     hear(&mut pull, &from_push.unwrap_or_default(), now);
//!     hear(&mut push, &from_pull.unwrap_or_default(), now);
//! }
//! assert!(matches!(pull.poll_event(), Some(Event::Ready(peer)) if peer.socket_type == Some(SocketType::Push)));
//!
//! let mut bytes = Vec::new();
//! push.framing().encode(&mut bytes, b"hello", false);
//! hear(&mut pull, &bytes, now);
//! let Some(Event::Messages(mut messages)) = pull.poll_event() else { panic!("a message was sent") };
//! let (frame, more) = messages.next_frame().expect("it has a frame");
//! assert_eq!((frame.as_slice(), more), (&b"hello"[..], false));
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`connection`] | the state machine of one peer |
//! | `greeting` | the opening bytes, and which version they settle on |
//! | [`codec`] | frame headers from and to bytes |
//! | `scanner` | whole messages in a stretch of bytes |
//! | `command`, `metadata` | READY, PING, SUBSCRIBE …; the properties peers exchange |
//! | `heartbeat` | when to ping, when to give a peer up |
//! | [`mechanism`] | the handshake, and what security it brings |
//! | [`frame`] | one message part |
//! | `memory`, `lent` | what large parts refer to; what a thread copies them to, and uses again |
//! | `giving_back` | bytes that belong to the program, and when they may be dropped |

// Peers' bytes come here.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)
)]
#![deny(unsafe_code)]

pub mod codec;
mod command;
pub mod connection;
mod error;
pub mod frame;
#[doc(hidden)]
pub mod giving_back;
mod greeting;
mod heartbeat;
mod lent;
pub mod mechanism;
mod memory;
mod metadata;
mod place;
mod scanner;
mod socket_type;

pub use codec::{Framing, Header, Run};
pub use connection::{Config, Connection, Event, Limits, PeerInfo, Version};
pub use error::Error;
pub use frame::Frame;
pub use heartbeat::Heartbeat;
pub use mechanism::curve::{CurveKey, CurveSecret, z85};
pub use mechanism::gssapi::{Established, Step, Wrapping};
pub use mechanism::{MechanismConfig, Password, Question, Sealer, Verdict};
pub use memory::Memory;
pub use metadata::parse as parse_metadata;
pub use place::Place;
pub use socket_type::{SocketType, UnknownSocketType};

/// A parser of peers' bytes, for fuzzing.
#[doc(hidden)]
pub mod fuzzing {
    /// Whatever the bytes are, command parsing ends without a panic.
    pub fn command(bytes: &[u8]) {
        let _ = crate::command::Command::parse(bytes);
    }
}
