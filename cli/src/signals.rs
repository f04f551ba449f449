//! SIGINT and SIGTERM end the program in good order: sockets are closed, what they still have to send may leave, and the
//! files of their endpoints are removed.

use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::ends::close_all;

/// The thread that waits for signals.
pub struct Watch {
    thread: JoinHandle<()>,
    main_ends: mpsc::Sender<()>,
}

impl Watch {
    /// From now on signals end the program. The main thread may take `patience` to put away what is its own.
    pub fn begin(patience: Duration) -> anyhow::Result<Watch> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let again = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Who asks twice is in a hurry.
            flag::register_conditional_shutdown(signal, EXIT_SIGNAL + signal, again.clone())?;
        }
        let (main_ends, main_has_ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let Some(signal) = signals.forever().next() else { return };
            CAUGHT.store(signal, Ordering::Relaxed);
            thread::spawn(move || {
                thread::sleep(ONE_REQUEST);
                again.store(true, Ordering::Relaxed);
            });
            if let Err(not_sent) = close_all(LINGER)
                && not_sent.messages() > 0
            {
                say!("zefiro: {not_sent}");
            }
            // Nothing is ever sent; that the other end is dropped ends the wait.
            let _ = main_has_ended.recv_timeout(patience);
            exit(EXIT_SIGNAL + signal);
        });
        Ok(Watch { thread, main_ends })
    }

    /// The main thread is done. Does not return once a signal has come: the program ends with its number.
    pub fn end(self) {
        if caught() {
            drop(self.main_ends);
            let _ = self.thread.join();
        }
    }
}

/// Whether the program was told to end.
pub fn caught() -> bool {
    CAUGHT.load(Ordering::Relaxed) != 0
}

/// The signal that came, or 0. Relaxed: nothing is read on its account.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// As shells number it: this and the signal.
const EXIT_SIGNAL: i32 = 128;

/// Signals that come closer together are one request: timeout(1) sends one to the program and one to its group.
const ONE_REQUEST: Duration = Duration::from_millis(200);

/// What is on its way may arrive; for peers that are not there nobody waits.
const LINGER: Duration = Duration::from_secs(1);
