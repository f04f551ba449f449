//! Transmit: one thread writes what an outbox holds until nothing is left, the kernel is full, or it has done enough.

use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Command;
use super::link::{Link, Loss};
use crate::pipe::batch::Batch;
use crate::socket::core::SocketCore;
use crate::sys::net;

#[cfg(all(test, zefiro_loom))]
mod models;

/// Writes `batch`, and then what has come meanwhile, for at most `rounds` batches; the rest goes to the I/O thread.
///
/// The caller moved the link's outbox to `Draining` and took `batch` out of it, both under the socket's lock, which it
/// does not hold now.
pub(crate) fn transmit(core: &Arc<SocketCore>, link: &Arc<Link>, mut batch: Batch, rounds: usize) {
    let mut rounds = rounds;
    loop {
        let written = write_out(link, &mut batch);
        let mut state = core.lock();
        match written {
            Written::All => match state.batch_written(link, batch, rounds > 1) {
                Some(next) => {
                    drop(state);
                    batch = next;
                    rounds -= 1;
                }
                None => return,
            },
            Written::KernelFull => {
                state.batch_blocked(link, batch);
                return;
            }
            Written::Broken(loss) => {
                state.batch_broken(link, batch);
                drop(state);
                return report_loss(link, loss);
            }
        }
    }
}

/// Tells the I/O thread, once, that the stream has ended.
pub(crate) fn report_loss(link: &Arc<Link>, loss: Loss) {
    if !link.lost.swap(true, Ordering::AcqRel) {
        link.io.tell(Command::Lost(link.clone(), loss));
    }
}

/// Encrypts what comes next in the batch, if the connection is encrypted. Answers whether there is more to write.
fn seal(link: &Link, batch: &mut Batch) -> Result<bool, zmtp::Error> {
    match &link.sealer {
        Some(sealer) => batch.seal(&mut sealer.lock()),
        None => Ok(false),
    }
}

enum Written {
    All,
    KernelFull,
    Broken(Loss),
}

fn write_out(link: &Link, batch: &mut Batch) -> Written {
    let mut is_sealed = link.sealer.is_none() || batch.is_sealed();
    loop {
        if batch.is_written() || !is_sealed {
            match seal(link, batch) {
                Ok(true) => is_sealed = true,
                Ok(false) => return Written::All,
                Err(error) => return Written::Broken(Loss::Protocol(error)),
            }
        }
        let result = if batch.segments_left() == 1 {
            let mut slices = batch.slices(1);
            net::write(&link.stream, slices.next().unwrap_or_default())
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slot, slice) in slices.iter_mut().zip(batch.slices(SLICES_MAX)) {
                *slot = IoSlice::new(slice);
                count += 1;
            }
            net::write_vectored(&link.stream, slices.get(..count).unwrap_or_default())
        };
        match result {
            Ok(count) => batch.advance(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Written::KernelFull,
            Err(error) => return Written::Broken(Loss::Io(error)),
        }
    }
}

/// Entries of one vectored write.
const SLICES_MAX: usize = 64;

/// Batches an application thread writes for others before it leaves the rest to the I/O thread.
pub(crate) const ROUNDS_APPLICATION: usize = 2;

/// Batches the I/O thread writes on one link before it looks at the others.
pub(crate) const ROUNDS_IO: usize = 4;
