//! Reading: how the links of a socket's set are read, and how a thread waits for them.

use std::sync::Arc;
use std::time::Duration;

use super::{Set, pipe_of};
use crate::io::ALARM_TOKEN;
use crate::io::link::Link;
use crate::io::receive::receive;
use crate::socket::core::SocketCore;
use crate::sys::ReadyList;

/// What is done before a thread sleeps.
#[derive(Clone, Copy)]
pub(super) enum Before {
    /// It waits awake for whatever comes.
    Linger,
    /// It waits awake for the one thing that can come.
    Expect,
}

/// How the links of a socket are read.
pub(super) struct Reading<'a> {
    pub(super) core: &'a Arc<SocketCore>,
    pub(super) set: &'a Set,
    /// The link, if there was one alone: it is read at once, and the set asked only if it has nothing.
    pub(super) only: Option<Arc<Link>>,
    pub(super) reads: usize,
    /// The caller is the leader.
    pub(super) leader: bool,
}

impl Reading<'_> {
    /// Reads what is there.
    pub(super) fn look(&self) {
        if !self.read_only() {
            let mut ready = ReadyList::new();
            let _ = self.set.selector.wait(&mut ready, Some(Duration::ZERO));
            self.read(ready);
        }
    }

    /// Waits, and reads the links that are ready. Answers whether a signal ended the wait, for who is to be told.
    pub(super) fn wait(&self, timeout: Option<Duration>, before: Before, until_signal: bool) -> bool {
        let mut ready = ReadyList::new();
        let selector = &self.set.selector;
        let look = || selector.wait(&mut ready, Some(Duration::ZERO)).is_ok() && !ready.is_empty();
        let came = match before {
            _ if timeout == Some(Duration::ZERO) => false,
            Before::Linger => self.set.patience.linger(look),
            // To read in vain costs more than to ask in vain: that pays where something is about to come.
            Before::Expect if self.only.is_some() => self.set.expectation.linger(|| self.read_only()),
            Before::Expect => self.set.expectation.linger(look),
        };
        let mut waited = Ok(());
        if !came {
            waited = match until_signal {
                true => self.sleep_until_signal(&mut ready, timeout),
                false => selector.wait(&mut ready, timeout),
            };
        }
        self.read(ready);
        // An interrupted wait is one that found nothing.
        waited.is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
    }

    fn sleep_until_signal(&self, ready: &mut ReadyList, timeout: Option<Duration>) -> std::io::Result<()> {
        if self.set.selector.sleep_until_signal(timeout)? && !self.read_only() {
            self.set.selector.wait(ready, Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Reads the only link. Answers whether anything came.
    fn read_only(&self) -> bool {
        self.only.as_ref().is_some_and(|link| receive(self.core, link, self.reads, self.leader))
    }

    fn read(&self, ready: ReadyList) {
        for event in ready {
            if event.token == ALARM_TOKEN {
                if !self.leader {
                    self.core.lock().pass_alarm_on();
                }
                continue;
            }
            let link = self.core.lock().pipes.get(pipe_of(event.token)).and_then(|pipe| pipe.link().cloned());
            if let Some(link) = link {
                receive(self.core, &link, self.reads, self.leader);
            }
        }
    }
}
