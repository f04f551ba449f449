//! Mechanisms: a handshake of commands, after which both sides know each other's properties.
//!
//! A mechanism that also guards the traffic will wrap frames at the same place; none of those is built in yet.

mod null;

use bytes::Bytes;

use crate::connection::Config;
use crate::error::Error;

/// Which mechanism to use, with what it needs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum MechanismConfig {
    /// No security (RFC 37, section 4).
    #[default]
    Null,
}

impl MechanismConfig {
    /// The name in the greeting.
    pub fn name(&self) -> &'static str {
        match self {
            MechanismConfig::Null => "NULL",
        }
    }

    pub(crate) fn start(&self, config: &Config) -> Box<dyn Mechanism> {
        match self {
            MechanismConfig::Null => Box::new(null::Null::new(config)),
        }
    }
}

/// One side of a handshake.
pub(crate) trait Mechanism: Send {
    /// The body of the next command to send, if it is this side's turn.
    fn next_command(&mut self) -> Option<Vec<u8>>;

    /// The peer's command.
    fn handle_command(&mut self, body: &[u8]) -> Result<(), Error>;

    /// The peer's properties, once the handshake is done on both sides; given once.
    fn take_properties(&mut self) -> Option<Vec<(String, Bytes)>>;
}
