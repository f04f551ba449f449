//! Swift: what most messages of several parts are, small and for one peer, sent and received in a few steps.
//!
//! The ways of [`parts`](super) and [`ops`](super::super::ops) for all messages would do the same.

use zmtp::Frame;

use super::Loss;
use crate::arrival::Arrival;
use crate::part::Part;
use crate::pattern::AnyPattern;
use crate::socket::core::{Phase, State};
use crate::socket::ops::Wait;

impl State {
    /// Receives the first part of a message of several, and keeps the others for the next calls. `false`, and `place` has
    /// anything, if it is not so simple.
    #[inline(never)]
    pub(super) fn recv_first_part_swiftly(&mut self, place: &mut impl Arrival) -> bool {
        if !self.may_receive_swiftly() {
            return false;
        }
        let mut rest = std::mem::take(&mut self.unfinished.unread);
        let (pattern, pipes, options) = self.parts();
        let received = pattern.recv_parts_swiftly(pipes, options, place, &mut rest);
        if received {
            rest.reverse();
            self.note_rest(rest.len());
        } else {
            rest.clear();
        }
        self.unfinished.unread = rest;
        received
    }

    /// A leader, too, may want the parts that are left.
    fn may_receive_swiftly(&self) -> bool {
        self.phase == Phase::Open && !self.watch.leader && self.recv_waiters.is_empty()
    }

    /// Receives a message of a ROUTER's of two parts. `false`, and both have anything, if it is not so simple.
    #[inline]
    pub(in crate::socket) fn recv_named_swiftly(&mut self, name: &mut Frame, body: &mut Frame) -> bool {
        if !self.may_receive_swiftly() {
            return false;
        }
        let AnyPattern::Router(router) = &mut self.pattern else { return false };
        let Some(id) = router.recv_body_swiftly(&mut self.pipes, &self.options, body) else { return false };
        *name = self.pipes.routing_id(id);
        true
    }

    /// Sends a part of a message of several. `false`, and nothing has happened, if it is not so simple.
    #[inline(never)]
    pub(super) fn send_part_of_several_swiftly(&mut self, part: &(impl Part + ?Sized), more: bool, wait: Wait) -> bool {
        if !self.may_send_swiftly(wait) || more && part.len() > Frame::INLINE_MAX {
            return false;
        }
        if !self.unfinished.begun {
            return !self.owes_a_look() && self.begin_swiftly(part.bytes());
        }
        let State { pattern, pipes, options, unfinished, .. } = self;
        if more {
            let goes_on = !unfinished.is_for_nobody(pipes) && !options.router_raw;
            if goes_on {
                unfinished.out.push_back(Frame::copy_from_slice(part.bytes()));
            }
            return goes_on;
        }
        let sent = pattern.send_parts_swiftly(pipes, options, unfinished.recipient, &mut unfinished.out, part);
        if sent {
            unfinished.begun = false;
            unfinished.out.clear();
        }
        sent
    }

    fn begin_swiftly(&mut self, first: &[u8]) -> bool {
        let State { pattern, pipes, options, unfinished, .. } = self;
        let Some(recipient) = pattern.admits_swiftly(pipes, options, first) else { return false };
        unfinished.recipient = recipient;
        unfinished.loss = Loss::Untold;
        unfinished.begun = true;
        unfinished.out.parts_mut().0.set_copy_of(first);
        self.note_begun();
        true
    }

    /// Sends a message of a ROUTER's of two parts. `false`, and nothing has happened, if it is not so simple.
    #[inline(never)]
    pub(in crate::socket) fn send_named_swiftly(&mut self, name: &Frame, body: &Frame, wait: Wait) -> bool {
        if !self.may_send_swiftly(wait) {
            return false;
        }
        let State { pattern: AnyPattern::Router(router), pipes, options, .. } = self else { return false };
        router.send_body_swiftly(pipes, options, name, body)
    }

    /// A C program that does not wait is refused at the mark, if it is told at all.
    fn may_send_swiftly(&self, wait: Wait) -> bool {
        self.phase == Phase::Open && !self.is_hurried(wait)
    }
}

#[cfg(all(test, not(zefiro_loom)))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use zmtp::SocketType;

    use super::*;
    use crate::kind::Any;
    use crate::options::Options;
    use crate::pipe::window::Glance;
    use crate::socket::core::SocketCore;
    use crate::{Context, Dealer, Message, Router, Socket};

    const LONG: Duration = Duration::from_secs(30);

    /// As the C library opens one, and as a Rust program does.
    fn open(context: &Context, socket_type: SocketType, as_c: bool) -> Socket<Any> {
        let socket = Socket::<Any>::open_as_libzmq(context, socket_type as i32).unwrap();
        if !as_c {
            socket.core.lock().pipes.glance = None;
        }
        socket
    }

    fn dealer(context: &Context, router: &Socket<Any>, name: &str) -> Dealer {
        let dealer = Dealer::builder().context(context).routing_id(name.as_bytes()).build().unwrap();
        dealer.connect(router.last_endpoint().unwrap()).unwrap();
        dealer
    }

    /// Sends a part, swiftly if that can be; answers whether it could.
    fn send_part(core: &Arc<SocketCore>, part: &mut Frame, more: bool) -> bool {
        let swiftly = core.send_part_swiftly(&*part, more, Wait::AsConfigured);
        if !swiftly {
            core.send_part(part, more, Wait::AsConfigured).unwrap();
        }
        swiftly
    }

    /// Sends a message by its parts, each swiftly if that can be; answers how many were.
    fn send_parts(core: &Arc<SocketCore>, message: Message) -> usize {
        let (last, mut swift) = (message.frame_count() - 1, 0);
        for (index, mut part) in message.into_frames().enumerate() {
            swift += usize::from(send_part(core, &mut part, index < last));
        }
        swift
    }

    /// Receives a message by its parts, each swiftly if that can be; and how many were.
    fn recv_parts(core: &Arc<SocketCore>) -> (Message, usize) {
        let (mut parts, mut swift, mut more) = (Vec::new(), 0, true);
        while more {
            let mut part = Frame::new();
            let swiftly = core.recv_part_swiftly(&mut part);
            swift += usize::from(swiftly.is_some());
            more = swiftly.unwrap_or_else(|| core.recv_part(&mut part, Wait::AsConfigured).unwrap());
            parts.push(part);
        }
        (Message::from(parts), swift)
    }

    /// Of one to four parts, small ones and some that are not.
    fn messages() -> Vec<Message> {
        let sizes = [0, 1, 5, 33, 34, 48, 64, 65, 5, 255, 256, 0, 9_000, 2, 3, 4];
        let of = |parts: &[usize]| {
            let parts = parts.iter().map(|size| Frame::from(vec![*size as u8; *size]));
            Message::from(parts.collect::<Vec<_>>())
        };
        (1..5).flat_map(|parts| sizes.windows(parts).map(of).collect::<Vec<_>>()).collect()
    }

    fn bytes(messages: &[Message]) -> u64 {
        messages.iter().map(|message| message.byte_len() as u64).sum()
    }

    #[test]
    fn what_goes_swiftly_is_what_comes() {
        use SocketType::{Dealer, Pair, Pub, Pull, Push, Sub};
        for endpoint in ["tcp://127.0.0.1:*", "inproc://swift-parts"] {
            for (sends, receives) in [(Push, Pull), (Dealer, Dealer), (Pair, Pair), (Pub, Sub)] {
                let context = Context::new();
                let (one, other) = (open(&context, sends, true), open(&context, receives, true));
                if receives == Sub {
                    other.subscribe("").unwrap();
                }
                other.connect(one.bind(endpoint).unwrap()).unwrap();
                if sends == Pub {
                    one.wait_subscribed("", 1, LONG).unwrap();
                }
                let messages = messages();
                let sent: usize = messages.iter().map(|message| send_parts(&one.core, message.clone())).sum();
                let mut received = 0;
                for message in &messages {
                    let (came, swift) = recv_parts(&other.core);
                    assert_eq!(&came, message, "{sends:?} {endpoint}");
                    received += swift;
                }
                let (out, into) = (one.counters(), other.counters());
                assert_eq!((out.sent, out.sent_bytes), (messages.len() as u64, bytes(&messages)));
                assert_eq!((into.received, into.received_bytes), (messages.len() as u64, bytes(&messages)));
                assert!(sent > 80, "{sends:?} {endpoint}: {sent}");
                assert!(received > 60, "{receives:?} {endpoint}: {received}");
            }
        }
    }

    /// To many at once, to one of them, and to nobody; with the first part it is decided who gets a message.
    #[test]
    fn what_is_published_in_parts_reaches_those_who_asked() {
        let context = Context::new();
        for no_drop in [false, true] {
            let publisher = open(&context, SocketType::XPub, true);
            publisher.set_options(|options| options.xpub_no_drop = no_drop).unwrap();
            let endpoint = publisher.bind("tcp://127.0.0.1:*").unwrap();
            let subscribers = ["", "a", "a", "ab", "c"].map(|topic| {
                let subscriber = open(&context, SocketType::Sub, true);
                subscriber.subscribe(topic).unwrap();
                subscriber.connect(&endpoint).unwrap();
                (topic, subscriber)
            });
            publisher.wait_subscribed("ab", 4, LONG).unwrap();
            publisher.wait_subscribed("c", 2, LONG).unwrap();
            let topics = ["a", "b", "abc", "", "c"];
            let messages: Vec<Message> = (0..60usize)
                .map(|number| {
                    let body = vec![number as u8; [0, 1, 33, 64, 300, 5_000][number % 6]];
                    let parts = [topics[number % 5].as_bytes(), number.to_string().as_bytes(), &body].map(Frame::from);
                    Message::from(parts[..2 + number % 2].to_vec())
                })
                .collect();
            let swift: usize = messages.iter().map(|message| send_parts(&publisher.core, message.clone())).sum();
            assert!(swift > 100, "{swift}");
            for (topic, subscriber) in &subscribers {
                for message in messages.iter().filter(|message| message.first().starts_with(topic.as_bytes())) {
                    assert_eq!(&recv_parts(&subscriber.core).0, message, "{topic:?}");
                }
                assert!(subscriber.try_recv().is_err());
            }
            // After a rest a publisher looks first what it is asked for.
            let send = |part: &str, more| send_part(&publisher.core, &mut Frame::from(part), more);
            send("c", true);
            let [(_, all), (_, one), (_, other), (_, third), (_, gone)] = subscribers;
            gone.close();
            while publisher.peers().len() > 4 {
                std::thread::yield_now();
            }
            let newcomer = open(&context, SocketType::Sub, true);
            newcomer.subscribe("c").unwrap();
            newcomer.connect(&endpoint).unwrap();
            publisher.wait_subscribed("c", 2, LONG).unwrap();
            assert!(send("to one that is left", false));
            send_parts(&publisher.core, Message::from(["c", "next"]));
            assert_eq!(recv_parts(&all.core).0, ["c", "to one that is left"]);
            assert_eq!(recv_parts(&newcomer.core).0, ["c", "next"]);
            [all, one, other, third, newcomer].iter().for_each(Socket::close);
            while !publisher.peers().is_empty() {
                std::thread::yield_now();
            }
            let before = publisher.counters().dropped.unroutable;
            send("c", true);
            assert!(send("for nobody", false));
            assert_eq!(publisher.counters().dropped.unroutable, before + 1);
        }
    }

    /// One waits to begin a message while another begins one: what it has becomes a part of that.
    #[test]
    fn who_joins_a_message_does_not_change_whom_it_is_for() {
        let context = Context::new();
        let publisher = open(&context, SocketType::XPub, true);
        let set = |options: &mut Options| (options.send_high_water_mark, options.xpub_no_drop) = (1, true);
        publisher.set_options(set).unwrap();
        publisher.bind("inproc://joins").unwrap();
        let [one, other] = ["a", "b"].map(|topic| {
            let subscriber = open(&context, SocketType::Sub, true);
            subscriber.set_options(|options| options.recv_high_water_mark = 1).unwrap();
            subscriber.subscribe(topic).unwrap();
            subscriber.connect("inproc://joins").unwrap();
            publisher.wait_subscribed(topic, 1, LONG).unwrap();
            subscriber
        });
        while publisher.core.send_part(&mut Frame::from("b"), false, Wait::No).is_ok() {}
        let core = publisher.core.clone();
        let joining = std::thread::spawn(move || core.send_part(&mut Frame::from("b too"), true, Wait::AsConfigured));
        while publisher.core.lock().send_waiters.is_empty() {
            std::thread::yield_now();
        }
        send_part(&publisher.core, &mut Frame::from("a"), true);
        while other.try_recv().is_ok() {}
        joining.join().unwrap().unwrap();
        send_part(&publisher.core, &mut Frame::from("end"), false);
        assert_eq!(recv_parts(&one.core).0, ["a", "b too", "end"]);
        assert!(other.try_recv().is_err());
    }

    #[test]
    fn a_router_answers_swiftly_what_came() {
        for endpoint in ["tcp://127.0.0.1:*", "inproc://swift-names"] {
            for (as_c, by_parts) in [(true, true), (false, true), (false, false)] {
                let context = Context::new();
                let router = open(&context, SocketType::Router, as_c);
                router.bind(endpoint).unwrap();
                let dealers = [
                    "ann",
                    "",
                    "a name of more than sixty-four bytes, which does not fit into a frame and is not small",
                ];
                let dealers = dealers.map(|name| dealer(&context, &router, name));
                let messages = messages();
                for dealer in &dealers {
                    messages.iter().for_each(|message| dealer.send(message.clone()).unwrap());
                }
                let mut swift = 0;
                for _ in 0..dealers.len() * messages.len() {
                    if by_parts {
                        let (message, came) = recv_parts(&router.core);
                        swift += came + send_parts(&router.core, message);
                    } else {
                        router.send(router.recv().unwrap()).unwrap();
                    }
                }
                for dealer in &dealers {
                    for message in &messages {
                        assert_eq!(&dealer.recv().unwrap(), message, "{endpoint} {as_c} {by_parts}");
                    }
                }
                let (counters, count) = (router.counters(), 3 * messages.len() as u64);
                assert_eq!((counters.sent, counters.received), (count, count));
                let bytes = 3 * bytes(&messages);
                assert_eq!((counters.sent_bytes, counters.received_bytes), (bytes, bytes));
                assert!(!by_parts || swift > 300, "{endpoint} {as_c}: {swift}");
            }
        }
    }

    #[test]
    fn the_name_may_be_anothers_by_the_time_of_the_body() {
        let context = Context::new();
        let router = Router::builder().context(&context).router_handover(true).build().unwrap().into_any();
        router.core.lock().pipes.glance = Some(Glance::default());
        router.bind("tcp://127.0.0.1:*").unwrap();
        let send = |part: &str, more| router.core.send_part_swiftly(part.as_bytes(), more, Wait::AsConfigured);
        assert!(!send("ann", true));
        let newcomer = || {
            let dealer = dealer(&context, &router, "ann");
            dealer.send("hello").unwrap();
            assert_eq!(recv_parts(&router.core).0, ["ann", "hello"]);
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
        while !router.peers().is_empty() {
            std::thread::yield_now();
        }
        assert!(!send("for nobody", false));
        router.send_part("for nobody", false, Wait::AsConfigured).unwrap();
        assert_eq!(router.counters().dropped.peer_gone, 1);
    }

    /// The parts go to the peer whose turn it was with the first one, and the next peer gets the next message.
    #[test]
    fn peers_take_turns_with_messages_not_with_parts() {
        let context = Context::new();
        let push = open(&context, SocketType::Push, true);
        let pulls = [(); 3].map(|()| {
            let pull = open(&context, SocketType::Pull, true);
            push.connect(pull.bind("tcp://127.0.0.1:*").unwrap()).unwrap();
            pull
        });
        while push.peers().len() < pulls.len() {
            std::thread::yield_now();
        }
        for number in 0..12 {
            let message: Vec<String> = (0..=number % 3).map(|part| format!("{number}.{part}")).collect();
            send_parts(&push.core, Message::from(message));
        }
        let numbers = pulls.map(|pull| [(); 4].map(|()| recv_parts(&pull.core).0.as_bytes().to_vec()));
        for (turn, received) in numbers.iter().enumerate() {
            let first = received[0].clone();
            let start: usize = String::from_utf8(first).unwrap().split('.').next().unwrap().parse().unwrap();
            assert!(start < 3, "{turn}: {start}");
            for (round, name) in received.iter().enumerate() {
                assert_eq!(name, format!("{}.0", start + 3 * round).as_bytes());
            }
        }
    }
}
