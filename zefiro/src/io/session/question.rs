//! Question: whether the peer is welcome, and with GSSAPI the steps of the security context; asked of others, who take
//! their time.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use zmtp::Verdict;

use super::super::IoHandle;
use super::super::link::Loss;
use super::{Greeted, Phase, Session};
use crate::auth::{Answer, Asked, Request};
use crate::gssapi::Negotiation;
use crate::monitor::EventKind;
use crate::zap;

impl Session {
    /// Puts the handshake's question to the authenticator, if it has one, or has the security context make a step.
    pub(super) fn ask(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<(), Loss> {
        let options = self.options();
        let Phase::Greeting(_, connection, _) = &mut self.phase else { return Ok(()) };
        if let Some(theirs) = connection.take_token() {
            let negotiators = &self.core.context.negotiators;
            self.negotiation.get_or_insert_with(|| negotiators.begin(options, io, token)).step(theirs);
            return Ok(());
        }
        let Some(question) = connection.take_question() else { return Ok(()) };
        let address = match self.peer.address.as_deref() {
            // As libzmq writes it, for handlers that compare texts.
            Some(address) if self.peer.mapped => Cow::Owned(format!("::ffff:{address}")),
            address => Cow::Borrowed(address.unwrap_or_default()),
        };
        if let Some(key) = &options.shared_key
            && question.credentials.first().map(Vec::as_slice) != Some(key.client_public().as_bytes())
        {
            return self.decide(Answer::deny("the peer does not have the shared key"), now);
        }
        if let Some(worker) = self.core.authenticator.clone() {
            let (endpoint, identity) = (self.endpoint(), options.routing_id.clone());
            let address = self.peer.address.as_deref();
            let Some(request) = Request::new(&question, &options.zap_domain, &endpoint, address, identity) else {
                return self.decide(Answer::deny("user or password are no UTF-8"), now);
            };
            self.asked = Some(Asked::Own(worker.ask(request, io, token)));
            return Ok(());
        }
        if options.shared_key.is_some() {
            return connection.answer(Verdict::Welcome, now).map_err(Loss::Protocol);
        }
        self.asked = zap::Asked::new(&self.core, &options, question, &address, io, token).map(Asked::Zap);
        match self.asked {
            Some(_) => Ok(()),
            None if options.needs_authenticator() => Err(Loss::NobodyToAsk),
            None => connection.answer(Verdict::Welcome, now).map_err(Loss::Protocol),
        }
    }

    /// The authenticator did not answer in time.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.asked.as_ref().is_some_and(Asked::is_own)
    }

    /// The security context may have made its step: the handshake goes on.
    fn negotiated(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<(), Loss> {
        let Some(step) = self.negotiation.as_ref().and_then(Negotiation::answer) else { return Ok(()) };
        let Phase::Greeting(_, connection, _) = &mut self.phase else { return Ok(()) };
        let gone_on = connection.negotiated(step, now).map_err(Loss::Protocol);
        gone_on.and(self.ask(io, token, now))
    }

    /// The authenticator may have answered, or a security context made a step: the handshake goes on, or the peer is told
    /// to go.
    pub(crate) fn authenticated(&mut self, io: &Arc<IoHandle>, token: u64, now: Instant) -> Result<Greeted, Loss> {
        let mut step = self.negotiated(io, token, now);
        if step.is_ok()
            && let Some(answer) = self.asked.as_ref().and_then(Asked::answer)
        {
            self.asked = None;
            step = answer.map_err(Loss::Answer).and_then(|answer| self.decide(answer, now));
        }
        let written = self.write_greeting(io, token);
        self.look_whether_greeted(step, written)
    }

    /// The handshake goes on, or the peer is told to go.
    fn decide(&mut self, answer: Answer, now: Instant) -> Result<(), Loss> {
        let verdict = if answer.status == 200 { Verdict::Welcome } else { Verdict::Refused(answer.status) };
        if verdict != Verdict::Welcome {
            let why = format!("{} {}", answer.status, answer.text);
            self.emit_with(EventKind::AuthenticationFailed(why), answer.status.into());
            self.refused = true;
        }
        self.admitted = Some(answer);
        let Phase::Greeting(_, connection, _) = &mut self.phase else { return Ok(()) };
        connection.answer(verdict, now).map_err(Loss::Protocol)
    }
}
