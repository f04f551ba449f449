//! Ending: a stream that is lost, and the next attempt or the end of its session; what the program ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Which;
use super::super::connector::STOP_HANDSHAKE_FAILED;
use super::super::link::{Link, Loss};
use super::super::receive::{READS_IO, receive};
use super::super::session::{Origin, Phase};
use super::IoThread;
use super::entries::Item;
use crate::counters::DropReason;
use crate::monitor::EventKind;
use crate::socket::attach::LinkDown;
use crate::socket::core::SocketCore;
use crate::sys::net;

impl IoThread {
    pub(super) fn lost(&mut self, link: Arc<Link>, loss: Loss) {
        net::shutdown(&link.stream);
        let Some(session) = self.session(link.token) else { return };
        if !matches!(&session.phase, Phase::Established(current) if Arc::ptr_eq(current, &link)) {
            return;
        }
        // libzmq tells of these as of failed handshakes: the end of a connection without a mechanism, and what breaks the
        // rules of one that is encrypted.
        let (told, stop) = match &loss {
            Loss::PeerClosed | Loss::Io(_) => {
                let is_last = matches!(&session.origin, Origin::Connect(dialer) if dialer.stops(STOP_HANDSHAKE_FAILED));
                (session.without_mechanism, session.without_mechanism && is_last)
            }
            Loss::Protocol(error) => (link.sealer.is_some() && error.protocol_code().is_some(), false),
            _ => (false, false),
        };
        let again = loss.is_retryable() && !stop;
        let lasting = matches!(&session.origin, Origin::Connect(dialer) if dialer.pipe.is_some() && dialer.reconnects())
            && again
            && session.closing.is_none();
        let (parting, reason) = match loss {
            Loss::Asked => (None, DropReason::LingerExpired),
            Loss::Renewed => (None, DropReason::PeerGone),
            _ => (session.parting(), DropReason::PeerGone),
        };
        // Without reconnects the endpoint goes with its peer, in one: whoever sees the peer gone may connect anew.
        let goes = matches!(&session.origin, Origin::Connect(dialer) if !dialer.reconnects())
            && again
            && session.closing.is_none();
        let began = {
            let mut state = session.core.lock();
            let began = Instant::now();
            if state.link_down(&link, lasting, reason, parting.as_ref()) == LinkDown::Busy {
                return state.lost_while_written(link, loss);
            }
            if goes {
                state.forget_connect(&session.endpoint());
            }
            began
        };
        // All that a peer had asked for went with it.
        if began.elapsed() > LONG {
            session.core.give_way();
        }
        if told {
            session.emit_failure(&loss);
        }
        if !matches!(loss, Loss::Asked) {
            session.emit(EventKind::Disconnected(loss.to_string()));
        }
        session.phase = Phase::Waiting;
        let stops = stop && session.closing.is_none();
        if goes {
            self.finish(link.token);
        } else if stops {
            self.over(link.token);
        } else {
            self.after_loss(link.token, &loss);
        }
    }

    /// The stream is gone: a connecting session tries again, any other is over.
    pub(super) fn after_loss(&mut self, token: u64, loss: &Loss) {
        let Some(session) = self.session(token) else { return };
        let again = matches!(session.origin, Origin::Connect(_)) && loss.is_retryable();
        if again && session.closing.is_none() {
            let reconnects = matches!(&session.origin, Origin::Connect(dialer) if dialer.reconnects());
            return if reconnects { self.retry(token) } else { self.forget_endpoint(token) };
        }
        if again && session.has_something_to_say() {
            return self.retry(token);
        }
        self.over(token);
    }

    /// The session has come to its end: an accepted or closing one goes.
    pub(super) fn over(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        session.phase = Phase::Over;
        if matches!(session.origin, Origin::Accept(_)) || session.closing.is_some() {
            self.finish(token);
        } else if let Some(pipe) = session.pipe() {
            // A connect that is over for good keeps its endpoint, but not its pipe.
            session.core.lock().pipe_ended(pipe);
        }
    }

    /// A connect that is not to be repeated goes, its endpoint and its pipe with it, in one.
    pub(super) fn forget_endpoint(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        let mut state = session.core.lock();
        state.forget_connect(&session.endpoint());
        if let Some(pipe) = session.pipe() {
            state.expire_pipe(pipe);
        }
        drop(state);
        self.finish(token);
    }

    pub(super) fn flushed(&mut self, link: &Arc<Link>) {
        let token = link.token;
        let Some(session) = self.session(token) else { return };
        if session.closing.is_some() {
            self.end_if_idle(token);
        } else if session.core.lock().pipes.get(link.pipe).is_some_and(|pipe| pipe.renewing) {
            self.renew(token);
        }
    }

    /// Ends the connection of a connecting session, once all that is queued is written, for another to come.
    fn renew(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        let Phase::Established(link) = &session.phase else { return };
        let link = link.clone();
        let busy = {
            let mut state = session.core.lock();
            let Some(pipe) = state.pipes.get_mut(link.pipe) else { return };
            pipe.renewing = true;
            pipe.queued_out() > 0
        };
        if !busy {
            let core = session.core.clone();
            receive(&core, &link, READS_IO, false);
            discard_input(&link);
            self.lost(link, Loss::Renewed);
        }
    }

    /// The program ends some sessions of a socket.
    pub(super) fn end(&mut self, core: &Arc<SocketCore>, which: &Which, linger: Option<Duration>) {
        let until = linger.map(|linger| Instant::now() + linger);
        let tokens = match which {
            // Its session alone: of many peers that are sent away each would look at all.
            Which::Pipe(_, Some(token)) | Which::Connection(_, token) => vec![*token],
            _ => self.entries.tokens(),
        };
        for token in tokens {
            match self.entries.get_mut(token) {
                Some(item) if !item.is_meant(core, which) => {}
                Some(Item::Listener(..)) => self.close_listener(token),
                Some(Item::Datagrams(..)) => self.close_datagrams(token),
                Some(Item::Session(_)) => self.end_session(token, which, until),
                None => {}
            }
        }
    }

    fn end_session(&mut self, token: u64, which: &Which, until: Option<Instant>) {
        let Some(session) = self.session(token) else { return };
        if session.is_to_be_renewed(which) {
            return self.renew(token);
        }
        // A session that is ending already may be told to hurry; but one that has its peer keeps the time it was given when
        // its endpoint was disconnected, though the socket is closed with less.
        let keeps = *which == Which::All && matches!(session.phase, Phase::Established(_));
        let sooner = match (session.closing, until) {
            (None, _) => true,
            (Some(_), _) if keeps => false,
            (Some(None), Some(_)) => true,
            (Some(Some(before)), Some(until)) => until < before,
            (Some(_), None) => false,
        };
        if !sooner {
            return;
        }
        session.closing = Some(until);
        session.deadline = [session.deadline, until].into_iter().flatten().min();
        let unbound = matches!((which, &session.origin), (Which::Endpoint(_), Origin::Accept(_)));
        match (&session.phase, session.pipe()) {
            (Phase::Established(link), Some(pipe)) if unbound => {
                // What has come by now is the program's; it has not asked for it yet.
                receive(&session.core, link, READS_IO, false);
                session.core.lock().stop_pipe(pipe);
            }
            (_, Some(pipe)) => session.core.lock().disconnect_pipe(pipe),
            (_, None) => {}
        }
        self.arm(token);
        self.end_if_idle(token);
    }

    /// A closing session with nothing left to say, or no time left to say it in, is over.
    pub(super) fn end_if_idle(&mut self, token: u64) {
        let Some(session) = self.session(token) else { return };
        let Some(until) = session.closing else { return };
        let expired = until.is_some_and(|until| until <= Instant::now());
        if !expired && session.has_something_to_say() && !matches!(session.phase, Phase::Over) {
            return;
        }
        if let Phase::Established(link) = &session.phase {
            let link = link.clone();
            discard_input(&link);
            return self.lost(link, Loss::Asked);
        }
        self.finish(token);
    }

    /// Removes a session and its pipe.
    pub(super) fn finish(&mut self, token: u64) {
        let Some(Item::Session(mut session)) = self.remove(token) else { return };
        let pipe = session.pipe();
        match std::mem::replace(&mut session.phase, Phase::Over) {
            Phase::Dialing(race) => race.abandon(&self.handle.selector),
            Phase::Proxying(stream, _) | Phase::Greeting(stream, ..) => {
                let _ = self.handle.selector.remove(&stream);
            }
            _ => {}
        }
        let mut state = session.core.lock();
        if let Some(pipe) = pipe {
            state.expire_pipe(pipe);
        }
        state.not_busy();
    }
}

/// Reads what is left before a stream is closed: closing over unread input would make the kernel reset the connection,
/// and the peer could lose what was sent to it last.
fn discard_input(link: &Arc<Link>) {
    let mut sink = Vec::with_capacity(DISCARD_BYTES);
    for _ in 0..DISCARD_READS {
        sink.clear();
        if !matches!(net::read(&link.stream, &mut sink), Ok(1..)) {
            return;
        }
    }
}

/// Longer than this nobody else is to wait for the socket twice.
const LONG: Duration = Duration::from_micros(200);

/// So much that a peer has sent before its end is read, and thrown away.
const DISCARD_BYTES: usize = 16 * 1024;
const DISCARD_READS: usize = 64;
