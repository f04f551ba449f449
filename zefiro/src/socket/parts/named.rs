//! Named: what most messages of a ROUTER are, a name and a body, sent and received in a few steps.
//!
//! The ways of [`parts`](super) and [`ops`](super::super::ops) for messages of any number of parts would do the same.

use zmtp::Frame;

use super::Loss;
use crate::arrival::Arrival;
use crate::part::Part;
use crate::pattern::{AnyPattern, Recipient};
use crate::socket::core::{Phase, State};
use crate::socket::ops::Wait;

impl State {
    /// Receives the name, and keeps the body for the next call. `false`, and `place` has anything, if it is not so simple.
    #[inline(never)]
    pub(super) fn recv_named_part_swiftly(&mut self, place: &mut impl Arrival) -> bool {
        let mut body = Frame::new();
        if !self.recv_named_swiftly(place, &mut body) {
            return false;
        }
        let connection = self.pipes.last_metadata();
        place.came_by(connection);
        self.unfinished.metadata = connection.cloned();
        self.unfinished.turn_is_over = true;
        self.unfinished.unread.push(body);
        true
    }

    /// Receives a message. `false`, and both have anything, if it is not so simple.
    #[inline]
    pub(in crate::socket) fn recv_named_swiftly(&mut self, name: &mut impl Arrival, body: &mut Frame) -> bool {
        // A leader, too, may want the body.
        if self.phase != Phase::Open || self.watch.leader || !self.recv_waiters.is_empty() {
            return false;
        }
        let AnyPattern::Router(router) = &mut self.pattern else { return false };
        let Some(id) = router.recv_body_swiftly(&mut self.pipes, &self.options, body) else { return false };
        self.pipes.routing_id(id).move_to(name);
        true
    }

    /// Sends a name as the first part, or a body as the last one behind a name. `false`, and nothing has happened, if it is
    /// not so simple.
    #[inline(never)]
    pub(super) fn send_named_part_swiftly(&mut self, part: &(impl Part + ?Sized), more: bool, wait: Wait) -> bool {
        if !self.sends_named_swiftly(wait) {
            return false;
        }
        let State { pattern: AnyPattern::Router(router), pipes, options, unfinished, .. } = self else { return false };
        match (unfinished.begun, more) {
            (false, true) if part.len() <= Frame::INLINE_MAX => {
                let Some(id) = router.find_swiftly(pipes, options, part.bytes()) else { return false };
                unfinished.recipient = Recipient::Peer(id);
                unfinished.loss = Loss::Untold;
                unfinished.begin(&mut Frame::copy_from_slice(part.bytes()));
                true
            }
            (true, false) => {
                let (Recipient::Peer(id), Some(name)) = (unfinished.recipient, unfinished.out.as_single()) else {
                    return false;
                };
                let sent = router.send_body_swiftly(pipes, id, name, part);
                if sent {
                    unfinished.begun = false;
                    unfinished.out.clear();
                }
                sent
            }
            _ => false,
        }
    }

    /// Sends a message. `false`, and nothing has happened, if it is not so simple.
    #[inline(never)]
    pub(in crate::socket) fn send_named_swiftly(
        &mut self,
        name: &Frame,
        body: &(impl Part + ?Sized),
        wait: Wait,
    ) -> bool {
        if !self.sends_named_swiftly(wait) {
            return false;
        }
        let State { pattern: AnyPattern::Router(router), pipes, options, .. } = self else { return false };
        let id = router.find_swiftly(pipes, options, name);
        id.is_some_and(|id| router.send_body_swiftly(pipes, id, name, body))
    }

    /// A C program that does not wait is refused at the mark, if it is told at all.
    fn sends_named_swiftly(&self, wait: Wait) -> bool {
        self.phase == Phase::Open && !self.is_hurried(wait)
    }
}

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use super::*;
    use crate::pipe::window::Glance;
    use crate::{Context, Dealer, Message, Router};

    fn router(context: &Context, as_c: bool) -> Router {
        let router = Router::builder().context(context).router_mandatory(false).router_handover(true).build().unwrap();
        router.core.lock().pipes.glance = as_c.then(Glance::default);
        router
    }

    fn dealer(context: &Context, router: &Router, name: &str) -> Dealer {
        let dealer = Dealer::builder().context(context).routing_id(name.as_bytes()).build().unwrap();
        dealer.connect(router.last_endpoint().unwrap()).unwrap();
        dealer
    }

    /// Sends a message by its parts, each swiftly if that can be; answers how many were.
    fn send_parts(router: &Router, message: Message) -> usize {
        let (last, mut swift) = (message.frame_count() - 1, 0);
        for (index, part) in message.into_frames().enumerate() {
            let more = index < last;
            let swiftly = router.core.send_part_swiftly(&part, more, Wait::AsConfigured);
            swift += usize::from(swiftly);
            if !swiftly {
                router.send_part(part, more, Wait::AsConfigured).unwrap();
            }
        }
        swift
    }

    /// Receives a message by its parts, each swiftly if that can be; and how many were.
    fn recv_parts(router: &Router) -> (Message, usize) {
        let (mut parts, mut swift, mut more) = (Vec::new(), 0, true);
        while more {
            let mut part = Frame::new();
            let swiftly = router.core.recv_part_swiftly(&mut part);
            swift += usize::from(swiftly.is_some());
            more = swiftly.unwrap_or_else(|| router.core.recv_part(&mut part, Wait::AsConfigured).unwrap());
            parts.push(part);
        }
        (Message::from(parts), swift)
    }

    #[test]
    fn what_comes_and_goes_swiftly_is_what_came() {
        for endpoint in ["tcp://127.0.0.1:*", "inproc://swift-names"] {
            for (as_c, by_parts) in [(true, true), (false, true), (false, false)] {
                let context = Context::new();
                let router = router(&context, as_c);
                router.bind(endpoint).unwrap();
                let dealers = ["ann", "", "a name of more than forty-eight bytes, which is not small"];
                let dealers = dealers.map(|name| dealer(&context, &router, name));
                let sizes = [0, 1, 33, 34, 48, 49, 64, 255, 256, 9_000];
                let messages = || {
                    let single = sizes.iter().map(|size| Message::from(vec![7; *size]));
                    let several = sizes
                        .chunks(2)
                        .map(|sizes| Message::from(sizes.iter().map(|size| vec![8; *size]).collect::<Vec<_>>()));
                    single.clone().chain(several).chain(single)
                };
                let mut swift = 0;
                for dealer in &dealers {
                    messages().for_each(|message| dealer.send(message).unwrap());
                }
                for _ in 0..dealers.len() * messages().count() {
                    if by_parts {
                        let (message, came) = recv_parts(&router);
                        swift += came + send_parts(&router, message);
                    } else {
                        router.send(router.recv().unwrap()).unwrap();
                    }
                }
                for dealer in &dealers {
                    for message in messages() {
                        assert_eq!(dealer.recv().unwrap(), message, "{endpoint} {as_c} {by_parts}");
                    }
                }
                let counters = router.counters();
                assert_eq!((counters.sent, counters.received), (75, 75));
                assert!(!by_parts || swift > 100, "{endpoint} {as_c}: {swift}");
            }
        }
    }

    #[test]
    fn the_name_may_be_anothers_by_the_time_of_the_body() {
        let context = Context::new();
        let router = router(&context, true);
        router.bind("tcp://127.0.0.1:*").unwrap();
        let send = |part: &str, more| router.core.send_part_swiftly(part.as_bytes(), more, Wait::AsConfigured);
        assert!(!send("ann", true));
        let newcomer = || {
            let dealer = dealer(&context, &router, "ann");
            dealer.send("hello").unwrap();
            assert_eq!(recv_parts(&router).0, ["ann", "hello"]);
            dealer
        };
        let first = newcomer();
        assert!(send("ann", true));
        // Takes the name over.
        let second = newcomer();
        assert!(!send("body", false));
        router.send_part("body", false, Wait::AsConfigured).unwrap();
        assert_eq!(second.recv().unwrap(), "body");
        assert!(send("ann", true));
        drop((first, second));
        let gone = || router.peers().is_empty();
        while !gone() {
            std::thread::yield_now();
        }
        assert!(!send("for nobody", false));
        router.send_part("for nobody", false, Wait::AsConfigured).unwrap();
        assert_eq!(router.counters().dropped.peer_gone, 1);
    }
}
