//! Distributor: one message to each of many pipes.

use crate::counters::DropReason;
use crate::message::Message;
use crate::options::Options;
use crate::pattern::Refusal;
use crate::pipe::{PipeId, Pipes};

/// Writes the message to all of `targets` that have room. With the option `xpub_no_drop` it is refused while one that
/// could be written to has none; without anybody to write to it is dropped.
pub(crate) fn distribute(
    pipes: &mut Pipes,
    options: &Options,
    targets: &[PipeId],
    message: &mut Message,
) -> Result<(), Refusal> {
    if options.xpub_no_drop && any_full(pipes, targets) {
        return Err(Refusal::WouldBlock);
    }
    if targets.is_empty() {
        pipes.count_dropped(DropReason::Unroutable, 1);
    } else {
        pipes.fan_out(targets, message);
    }
    Ok(())
}

/// Whether one of `targets` that could be written to has no room.
pub(crate) fn any_full(pipes: &mut Pipes, targets: &[PipeId]) -> bool {
    // Each is asked, so that each that is full tells when it is not any more.
    targets.iter().fold(false, |full, &id| full | (pipes.is_open(id) && !pipes.has_room(id)))
}
