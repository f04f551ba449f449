//! Subscriptions through chains of proxies: what reaches the publisher is what the subscribers that live want, and each
//! gets just that.

mod util;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use util::hostile::frame;
use util::{LONG, handshake, random, socket};
use zefiro::{Builder, Context, Sub, XPub, XSub, kind};

/// Topics that begin one another, too.
const TOPICS: [&str; 8] = ["a", "ab", "abc", "b", "ba", "c", "ca", "cab"];

/// Where in a chain an XPUB is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Publisher,
    Middle,
    Lowest,
}

type Mode = fn(Builder<kind::XPub>, At) -> Builder<kind::XPub>;

struct Leaf {
    sub: Sub,
    topics: BTreeSet<&'static str>,
    /// A topic of its own: once the publisher knows of it, it knows of all that this leaf asked for before.
    last: String,
}

impl Leaf {
    fn new(context: &Context, endpoint: &str) -> Leaf {
        let sub: Sub = socket(context);
        sub.connect(endpoint).unwrap();
        Leaf { sub, topics: BTreeSet::new(), last: String::new() }
    }

    /// Wants a topic, or does not any more.
    fn toggle(&mut self, topic: &'static str) {
        if self.topics.insert(topic) {
            self.sub.subscribe(topic).unwrap();
        } else {
            self.topics.remove(topic);
            self.sub.unsubscribe(topic).unwrap();
        }
    }

    fn mark(&mut self, name: String) {
        if !self.last.is_empty() {
            self.sub.unsubscribe(&self.last).unwrap();
        }
        self.sub.subscribe(&name).unwrap();
        self.last = name;
    }
}

/// A publisher, and levels of proxies below it: one, two, four.
struct Chain {
    context: Context,
    publisher: XPub,
    lowest: Vec<String>,
    known: BTreeSet<String>,
}

impl Chain {
    fn new(mode: Mode, levels: usize) -> Chain {
        let context = Context::new();
        let publisher = mode(XPub::builder().context(&context).recv_timeout(LONG), At::Publisher).build().unwrap();
        let mut above = vec![publisher.bind("inproc://publisher").unwrap().to_string()];
        for level in 0..levels {
            let at = if level + 1 == levels { At::Lowest } else { At::Middle };
            let transport = ["inproc://level", "ipc://*", "tcp://127.0.0.1:*"][level % 3];
            above = (0..1 << level)
                .map(|number| {
                    let xsub = XSub::builder().context(&context).build().unwrap();
                    xsub.connect(&above[number / 2]).unwrap();
                    let xpub = mode(XPub::builder().context(&context), at).build().unwrap();
                    let endpoint = xpub.bind(transport).unwrap().to_string();
                    thread::spawn(move || zefiro::proxy(&xsub, &xpub));
                    endpoint
                })
                .collect();
        }
        Chain { context, publisher, lowest: above, known: BTreeSet::new() }
    }

    /// Hears what is asked for until the publisher knows of just these topics.
    fn learn(&mut self, case: &str, wanted: &BTreeSet<String>) {
        while self.known != *wanted {
            let request = self.publisher.recv().unwrap_or_else(|error| {
                let known = &self.known;
                panic!("{case}: {error}: wanted is {wanted:?}, known {known:?}")
            });
            let (first, topic) = request.as_bytes().split_first().unwrap();
            let topic = std::str::from_utf8(topic).unwrap().to_string();
            let wants = *first == 1;
            if self.publisher.options().xpub_manual {
                let follow = if wants { XPub::subscribe } else { XPub::unsubscribe };
                follow(&self.publisher, &topic).unwrap();
            }
            // Only one proxy asks; with what is repeated, if that is to be passed on.
            if wants {
                self.known.insert(topic);
            } else {
                self.known.remove(&topic);
            }
        }
    }
}

fn run(name: &str, mode: Mode) {
    let mut state = 5;
    let mut chain = Chain::new(mode, 3);
    let mut leaves: Vec<Leaf> = Vec::new();
    for round in 0..if util::is_long() { 2_000 } else { 40 } {
        for _ in 0..random(&mut state) % 12 {
            let at = random(&mut state) as usize;
            match random(&mut state) % 8 {
                0 | 1 if leaves.len() < 8 => {
                    leaves.push(Leaf::new(&chain.context, &chain.lowest[at % chain.lowest.len()]));
                }
                2 if !leaves.is_empty() => drop(leaves.swap_remove(at % leaves.len())),
                _ if !leaves.is_empty() => {
                    let topic = TOPICS[random(&mut state) as usize % TOPICS.len()];
                    let count = leaves.len();
                    leaves[at % count].toggle(topic);
                }
                _ => {}
            }
        }
        for (number, leaf) in leaves.iter_mut().enumerate() {
            leaf.mark(format!("!{round}-{number}"));
        }
        let all = leaves.iter().flat_map(|leaf| leaf.topics.iter().map(|topic| topic.to_string()));
        let wanted = all.chain(leaves.iter().map(|leaf| leaf.last.clone())).collect();
        chain.learn(&format!("{name}, round {round}"), &wanted);
        for topic in TOPICS.into_iter().chain(leaves.iter().map(|leaf| leaf.last.as_str())) {
            chain.publisher.send(topic).unwrap();
        }
        for leaf in &leaves {
            let mut got = BTreeSet::new();
            loop {
                let message = leaf.sub.recv().unwrap();
                let text = message.as_str().unwrap();
                if text == leaf.last {
                    break;
                }
                assert!(got.insert(*TOPICS.iter().find(|topic| **topic == text).unwrap()), "{name}: twice {text}");
            }
            let matches = |topic: &&str| leaf.topics.iter().any(|wanted| topic.starts_with(wanted));
            let expected: BTreeSet<&str> = TOPICS.into_iter().filter(matches).collect();
            assert_eq!(got, expected, "{name}, round {round}: {:?}", leaf.topics);
        }
    }
    chain.context.shutdown();
}

#[test]
fn the_publisher_knows_what_those_who_live_want() {
    run("as it is", |xpub, _| xpub);
}

#[test]
fn the_publisher_knows_it_if_every_end_is_passed_on_below() {
    run("verboser below", |xpub, at| xpub.xpub_verboser(at == At::Lowest));
}

/// Where libzmq's proxies leave topics upstream that nobody wants any more.
#[test]
fn the_publisher_knows_it_if_proxies_hear_more_beginnings_than_ends() {
    run("verbose below", |xpub, at| xpub.xpub_verbose(at == At::Lowest));
    run("verbose between", |xpub, at| xpub.xpub_verbose(at == At::Middle));
    run("verbose everywhere", |xpub, _| xpub.xpub_verbose(true));
    run("verboser everywhere", |xpub, _| xpub.xpub_verboser(true));
}

/// What the program has asked the XSUB for is not the proxy's to end.
#[test]
fn what_the_program_subscribes_to_itself_stays_upstream() {
    let modes: [(&str, Mode); 3] = [
        ("as it is", |xpub, _| xpub),
        ("verbose", |xpub, _| xpub.xpub_verbose(true)),
        ("verboser", |xpub, _| xpub.xpub_verboser(true)),
    ];
    for (name, mode) in modes {
        let context = Context::new();
        let publisher = mode(XPub::builder().context(&context).recv_timeout(LONG), At::Publisher).build().unwrap();
        let xsub: XSub = socket(&context);
        xsub.connect(publisher.bind("inproc://publisher").unwrap()).unwrap();
        xsub.subscribe("own").unwrap();
        let xpub = mode(XPub::builder().context(&context), At::Lowest).build().unwrap();
        let endpoint = xpub.bind("tcp://127.0.0.1:*").unwrap().to_string();
        thread::spawn(move || zefiro::proxy(&xsub, &xpub));
        let mut leaves = [Leaf::new(&context, &endpoint), Leaf::new(&context, &endpoint)];
        for round in 0..3 {
            for wants in [true, false] {
                for (number, leaf) in leaves.iter_mut().enumerate() {
                    leaf.toggle("own");
                    leaf.mark(format!("!{round}-{number}-{wants}"));
                }
                let mut last: BTreeSet<String> = leaves.iter().map(|leaf| leaf.last.clone()).collect();
                while !last.is_empty() {
                    let request = publisher.recv().unwrap();
                    assert_ne!(request, "\u{0}own", "{name}");
                    last.remove(request.as_str().unwrap().trim_start_matches('\u{1}'));
                }
            }
        }
        context.shutdown();
    }
}

#[test]
fn a_topic_ends_upstream_when_the_last_of_several_has_gone() {
    let modes: [(&str, Mode); 4] = [
        ("as it is", |xpub, _| xpub),
        ("verbose below", |xpub, at| xpub.xpub_verbose(at == At::Lowest)),
        ("verbose everywhere", |xpub, _| xpub.xpub_verbose(true)),
        ("verboser everywhere", |xpub, _| xpub.xpub_verboser(true)),
    ];
    for (name, mode) in modes {
        for levels in 1..=3 {
            let mut chain = Chain::new(mode, levels);
            for _ in 0..3 {
                let below = chain.lowest.iter().chain(&chain.lowest);
                let mut leaves: Vec<Leaf> = below.map(|endpoint| Leaf::new(&chain.context, endpoint)).collect();
                leaves.iter_mut().for_each(|leaf| leaf.toggle("topic"));
                // Each of them is known all the way up.
                let mut wanted = BTreeSet::from(["topic".to_string()]);
                for (number, leaf) in leaves.iter_mut().enumerate() {
                    leaf.mark(format!("!{number}"));
                    wanted.insert(leaf.last.clone());
                }
                let case = format!("{name}, {levels} levels");
                chain.learn(&case, &wanted);
                while let Some(mut leaf) = leaves.pop() {
                    // Some end their subscription, some just go.
                    if leaves.len() % 3 == 1 {
                        leaf.toggle("topic");
                    }
                }
                chain.learn(&case, &BTreeSet::new());
            }
            chain.context.shutdown();
        }
    }
}

/// In all modes an XPUB tells of ends of what its peer never began.
#[test]
fn who_ends_what_others_began_ends_it_for_nobody() {
    let modes: [Mode; 3] = [|xpub, _| xpub, |xpub, _| xpub.xpub_verbose(true), |xpub, _| xpub.xpub_verboser(true)];
    for mode in modes {
        let chain = Chain::new(mode, 3);
        let means_well = Leaf::new(&chain.context, &chain.lowest[0]);
        means_well.sub.subscribe("topic").unwrap();
        chain.publisher.wait_subscribed("topic", 1, LONG).unwrap();
        let address = chain.lowest[0].trim_start_matches("tcp://");
        let mut other = TcpStream::connect(address).unwrap();
        let says = [frame(4, b"\x06CANCELtopic"), frame(4, b"\x06CANCELtopic"), frame(4, b"\x09SUBSCRIBElast")];
        other.write_all(&[handshake("SUB"), says.concat()].concat()).unwrap();
        chain.publisher.wait_subscribed("last", 1, LONG).unwrap();
        chain.publisher.send("topic").unwrap();
        assert_eq!(means_well.sub.recv().unwrap(), "topic");
        chain.context.shutdown();
    }
}

#[test]
fn the_publisher_knows_it_if_it_is_to_hear_all() {
    run("verbose above", |xpub, at| xpub.xpub_verbose(at == At::Publisher));
    run("verboser above", |xpub, at| xpub.xpub_verboser(at == At::Publisher));
}

#[test]
fn the_publisher_knows_it_if_it_decides_itself() {
    run("manual above", |xpub, at| xpub.xpub_manual(at == At::Publisher));
}
