//! Distributor: one message to each of many pipes.

use crate::counters::DropReason;
use crate::message::Message;
use crate::pattern::Refusal;
use crate::pipe::{PipeId, Pipes};

/// Writes the message to all of `targets` that have room. With `no_drop` it is refused while one that could be written to
/// has none; without anybody to write to it is dropped.
pub(crate) fn distribute(
    pipes: &mut Pipes,
    no_drop: bool,
    targets: &[PipeId],
    message: &mut Message,
) -> Result<(), Refusal> {
    if no_drop && pipes.any_full(targets) {
        return Err(Refusal::WouldBlock);
    }
    if targets.is_empty() {
        pipes.count_dropped(DropReason::Unroutable, 1);
    } else {
        pipes.fan_out(targets, message);
    }
    Ok(())
}
