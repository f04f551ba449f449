//! Arrival: where a part goes that is received, and what is known of the connection it came by.

use std::sync::Arc;

use zmtp::{Frame, Place};

use crate::metadata::Metadata;

/// For the C library, whose messages know the connection they came by.
#[doc(hidden)]
pub trait Arrival: Place {
    /// It came by a connection of which this is known, if anything is. Most do not ask.
    #[inline(always)]
    fn came_by(&mut self, connection: Option<&Arc<Metadata>>) {
        let _ = connection;
    }
}

impl Arrival for Frame {}
