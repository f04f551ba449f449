//! Notify: who is told what has changed: those who wait, observers, I/O threads, monitors.
//!
//! Here they are only noted; they hear of it once the lock is released.

use std::sync::Arc;
use std::task::Waker;

use super::core::State;
use super::parts::takes_turns;
use crate::io::{Command, IoHandle};
use crate::monitor::{Event, MonitorQueue};

impl State {
    /// Those who wait to receive are told that something came; `leader` says that it is the caller itself that waits.
    pub(crate) fn notify_recv(&mut self, leader: bool) {
        if self.watch.leader && self.watch.polled.is_none() && !leader {
            self.after.any = true;
            self.after.alarm = self.watch.alarm();
        } else if !self.recv_waiters.is_empty() {
            self.after.any = true;
            self.recv_waiters.take_one(&mut self.after.wakes);
        }
        self.notify_observers();
    }

    /// Who does not lead has heard the alarm, which is told once: it rings again for the leader, who would sleep on. A poller
    /// is told as all observers are.
    pub(crate) fn pass_alarm_on(&mut self) {
        if self.watch.leader && self.watch.polled.is_none() {
            self.after.any = true;
            self.after.alarm = self.watch.alarm();
        }
    }

    /// A peer came or went: those who wait to receive are told if that has left something for them, as STREAM's notices
    /// and XPUB's cancels are. Waking them for each peer would cost more than the peer.
    pub(super) fn notify_recv_of_peers(&mut self) {
        // In the middle of a message nobody looks for the next one.
        if !self.unfinished.more() && (self.watch.leader || !self.recv_waiters.is_empty()) {
            let (pattern, pipes, options) = self.parts();
            if pattern.can_recv(pipes, options) {
                return self.notify_recv(false);
            }
        }
        self.notify_observers();
    }

    /// Those who wait to send are told that there is room, or a new peer.
    pub(crate) fn notify_send(&mut self) {
        if !self.send_waiters.is_empty() {
            self.after.any = true;
            self.send_waiters.take_all(&mut self.after.wakes);
        }
        self.notify_observers();
    }

    pub(crate) fn notify_observers(&mut self) {
        self.observers.note(&mut self.after.observers);
        self.after.any |= !self.after.observers.is_empty();
    }

    /// A message was sent or received. Of a REQ or REP that changes what is due next, and so what it is ready for, though
    /// nothing has come and nobody has gone.
    #[inline]
    pub(super) fn note_turn(&mut self) {
        if self.observers.len() > 0 && takes_turns(self.pattern.socket_type()) {
            self.observers.note_turn(&mut self.after.observers);
            self.after.any |= !self.after.observers.is_empty();
            self.light_beacon_for_more();
        }
    }

    /// The first part of a message was sent: the others are taken though no other message would be.
    #[inline]
    pub(super) fn note_begun(&mut self) {
        if self.observers.len() > 0 {
            self.observers.note_turn(&mut self.after.observers);
            self.after.any |= !self.after.observers.is_empty();
        }
    }

    /// Those who wait for peers or subscriptions look again.
    pub(crate) fn notify_change(&mut self) {
        if !self.change_waiters.is_empty() {
            self.after.any = true;
            self.change_waiters.take_all(&mut self.after.wakes);
        }
    }

    /// Somebody waits no longer, or with another waker: this one is dropped once the lock is released.
    pub(super) fn dismiss(&mut self, spent: Option<Waker>) {
        if let Some(waker) = spent {
            self.after.any = true;
            self.after.spent.push(waker);
        }
    }

    pub(super) fn wake_everybody(&mut self) {
        self.after.any = true;
        if self.watch.leader {
            self.after.alarm = self.watch.alarm();
        }
        self.recv_waiters.take_all(&mut self.after.wakes);
        self.send_waiters.take_all(&mut self.after.wakes);
        self.change_waiters.take_all(&mut self.after.wakes);
        self.notify_observers();
    }

    /// Tells an I/O thread something, now, so that commands come in the order of what led to them: to end all sessions
    /// after the connect of the last one, not before. It is woken, if it sleeps, once the lock is released.
    pub(crate) fn tell_io(&mut self, io: Arc<IoHandle>, command: Command) {
        if io.note(command) {
            self.after.any = true;
            self.after.asleep.push(io);
        }
    }

    /// Whether there is anybody to [tell](State::emit).
    pub(crate) fn is_monitored(&self) -> bool {
        !self.monitors.is_empty()
    }

    /// Tells the monitors.
    pub(crate) fn emit(&mut self, event: Event) {
        for monitor in std::mem::take(&mut self.monitors) {
            if let Some(queue) = monitor.upgrade() {
                queue.push(event.clone(), &mut self.after.wakes);
                self.monitors.push(monitor);
                self.delivered(queue);
            }
        }
    }

    /// Events were added: once the lock is released whoever waits for them is woken, or a function called.
    fn delivered(&mut self, queue: Arc<MonitorQueue>) {
        self.after.any = true;
        if queue.has_sink() {
            self.after.events.push(queue);
        }
    }

    pub(super) fn stop_monitors(&mut self) {
        for monitor in std::mem::take(&mut self.monitors) {
            if let Some(queue) = monitor.upgrade() {
                queue.stop(&mut self.after.wakes);
                self.delivered(queue);
            }
        }
    }

    /// Ends one monitor.
    pub(crate) fn stop_monitor(&mut self, queue: &Arc<MonitorQueue>) {
        let before = self.monitors.len();
        // Looked at only: another's last owner might be gone meanwhile, and its function would be dropped here.
        self.monitors.retain(|monitor| !std::ptr::eq(monitor.as_ptr(), Arc::as_ptr(queue)));
        if self.monitors.len() < before {
            queue.stop(&mut self.after.wakes);
            self.delivered(queue.clone());
        }
    }
}
