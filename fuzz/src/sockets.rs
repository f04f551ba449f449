//! Two sockets, random operations on them, and between them a proxy that damages what it carries.

use std::collections::BTreeSet;
use std::time::Duration;

use zefiro::{AnySocket, Context, CurveSecret, Frame, Message, Options, SocketType};

use crate::patience::{SLICE, insist, until};
use crate::proxy::Proxy;

/// One socket talks to another through the proxy. The first byte says which sockets, and how, the others what happens.
/// What arrives over CURVE, or over an unharmed connection, must be what was sent, and all of it if nothing but good was
/// done to the connection. At last a third socket, without a proxy, must be heard.
pub fn sockets(bytes: &[u8]) {
    let Some((choice, steps)) = bytes.split_first() else { return };
    let mut scene = Scene::new(*choice);
    let mut steps = steps.iter().copied().take(STEPS_MAX);
    while let Some(step) = steps.next() {
        scene.step(step, &mut steps);
    }
    scene.settle();
    scene.finish();
    let Scene { context, server, client, .. } = scene;
    drop((server, client));
    context.terminate();
}

struct Scene {
    context: Context,
    types: (SocketType, SocketType),
    secret: Option<CurveSecret>,
    /// Short handshakes, heartbeats, and connecting again.
    hurried: bool,
    server: AnySocket,
    /// The server's options before anything was done.
    calm: Options,
    client: AnySocket,
    proxy: Proxy,
    /// From the client to the server, and back.
    there: Said,
    back: Said,
    /// Whom the server answers, if it must say.
    known: Option<Frame>,
    /// Something was done that may cost messages.
    lossy: bool,
}

/// What was said in one direction.
#[derive(Default)]
struct Said {
    sent: u16,
    heard: BTreeSet<u16>,
}

impl Scene {
    fn new(choice: u8) -> Scene {
        let types = PAIRS[usize::from(choice >> 2) % PAIRS.len()];
        let secret = (choice & 1 == 1).then(|| CurveSecret::new([7; 32]));
        let hurried = choice & 2 != 0;
        let context = Context::new();
        let server = server_of(&context, types.1, secret.as_ref());
        let calm = server.options();
        if hurried {
            let hurry = |options: &mut Options| {
                options.handshake_interval = Some(INSTANT);
                options.heartbeat_interval = Some(INSTANT);
                options.heartbeat_timeout = Some(2 * INSTANT);
            };
            server.set_options(hurry).expect("the options are good");
        }
        match types.1 {
            SocketType::Sub | SocketType::XSub => server.subscribe("").expect("it subscribes"),
            SocketType::Dish => server.join(GROUP).expect("it joins"),
            _ => {}
        }
        let endpoint = server.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
        let proxy = Proxy::new(endpoint.trim_start_matches("tcp://"));
        let client = client_of(&context, types.0, secret.as_ref(), hurried);
        client.connect(proxy.endpoint()).expect("it connects");
        let (there, back) = (Said::default(), Said::default());
        let lossy = hurried || PUBLISHERS.contains(&types.0);
        Scene { context, types, secret, hurried, server, calm, client, proxy, there, back, known: None, lossy }
    }

    fn step(&mut self, step: u8, more: &mut impl Iterator<Item = u8>) {
        let much = step >> 4;
        match step & 15 {
            0 | 1 => (0..=much).for_each(|_| self.send()),
            2..=6 => {
                self.proxy.carry(more.next().unwrap_or_default());
            }
            7 => self.settle(),
            8 => while self.server_hears() {},
            9 => (0..=much).for_each(|_| self.answer()),
            10 => while self.client_hears() {},
            11 => {
                self.lossy = true;
                self.proxy.cut();
            }
            12 => {
                self.lossy = true;
                let _ = (self.client.disconnect(self.proxy.endpoint()), self.client.connect(self.proxy.endpoint()));
            }
            13 => self.change_topics(much),
            14 => {
                self.lossy = true;
                self.client = client_of(&self.context, self.types.0, self.secret.as_ref(), self.hurried);
                self.client.connect(self.proxy.endpoint()).expect("it connects");
            }
            _ => self.change(much),
        }
    }

    fn send(&mut self) {
        if self.client.try_send(self.message(self.there.sent, None)).is_ok() {
            self.there.sent += 1;
        }
    }

    fn answer(&mut self) {
        let knows = self.known.is_some() || !NAMING.contains(&self.types.1);
        if knows
            && ANSWERING.contains(&self.types.1)
            && self.server.try_send(self.message(self.back.sent, self.known.clone())).is_ok()
        {
            self.back.sent += 1;
        }
    }

    fn server_hears(&mut self) -> bool {
        let Ok(mut message) = self.server.try_recv() else { return false };
        let is_named = NAMING.contains(&self.types.1);
        if is_named {
            self.known = message.pop_front();
        }
        self.check(&message, true);
        if self.types.1 == SocketType::Rep {
            self.answer();
        }
        true
    }

    fn client_hears(&mut self) -> bool {
        let Ok(message) = self.client.try_recv() else { return false };
        // XPUB hears subscriptions.
        if self.types.0 != SocketType::XPub {
            self.check(&message, false);
        }
        true
    }

    fn check(&mut self, message: &Message, is_there: bool) {
        if self.secret.is_none() && self.proxy.damaged {
            return;
        }
        let said = if is_there { &self.there } else { &self.back };
        let number = message.last().first_chunk().map(|number| u16::from_be_bytes(*number));
        let number = number.filter(|number| *number < said.sent && self.message(*number, None) == *message);
        let number = number.unwrap_or_else(|| panic!("{message:?} was not sent"));
        // Later connections may overtake earlier ones.
        let in_order = self.lossy || said.heard.last().is_none_or(|last| *last < number);
        assert!(in_order, "{number} comes behind {:?}", said.heard.last());
        let said = if is_there { &mut self.there } else { &mut self.back };
        assert!(said.heard.insert(number), "{number} came twice");
    }

    /// Lets the proxy carry until nothing more comes, or heartbeats only.
    fn settle(&mut self) {
        let _ = (0..PIECES_MAX).any(|_| !self.proxy.carry_all());
    }

    fn change_topics(&mut self, number: u8) {
        let topic = [number & 7];
        match (self.types.1, number & 8) {
            (SocketType::Sub | SocketType::XSub, 0) => self.server.subscribe(topic).expect("it subscribes"),
            // Perhaps it never subscribed.
            (SocketType::Sub | SocketType::XSub, _) => drop(self.server.unsubscribe(topic)),
            (SocketType::Dish, 0) => drop(self.server.join(topic)),
            (SocketType::Dish, _) => drop(self.server.leave(topic)),
            _ => {}
        }
    }

    fn change(&mut self, what: u8) {
        match what {
            0 | 1 => {
                self.lossy = true;
                for peer in self.server.peers() {
                    let _ = self.server.disconnect_peer(peer.id);
                }
            }
            2 => {
                self.lossy = true;
                self.client.close();
            }
            // For those who connect from now on.
            3 => {
                self.lossy = true;
                self.server.set_options(|options| options.max_frame_size = Some(300)).expect("it can be set");
            }
            4 => self.server.set_options(|options| options.recv_high_water_mark = 2).expect("it can be set"),
            5 => self.client.set_options(|options| options.send_high_water_mark = 2).unwrap_or_default(),
            6 => {
                self.lossy = true;
                let is_router = self.types.1 == SocketType::Router;
                let change = |options: &mut Options| options.router_handover = is_router && !options.router_handover;
                self.server.set_options(change).expect("it can be set");
            }
            _ => drop((self.server.counters(), self.client.counters(), self.client.peers(), self.context.prometheus())),
        }
    }

    fn finish(&mut self) {
        if !self.proxy.damaged && !self.lossy {
            until("all that was sent arrives", || {
                self.proxy.carry_all();
                while self.server_hears() {}
                while self.client_hears() {}
                self.there.heard.len() == usize::from(self.there.sent)
                    && self.back.heard.len() == usize::from(self.back.sent)
            });
        }
        self.client.close();
        self.proxy.cut();
        until("who has left is still a peer", || {
            self.proxy.cut();
            // Where the mark is met, nothing is heard of a peer, its leaving neither.
            while self.server_hears() {}
            self.server.peers().is_empty()
        });

        // What was accepted with other options may be short-lived.
        self.server.set_options(|options| *options = self.calm.clone()).expect("the options are good");
        let endpoint = self.server.bind("tcp://127.0.0.1:*").expect("it binds").to_string();
        let direct = client_of(&self.context, self.types.0, self.secret.as_ref(), true);
        direct.connect(&endpoint).expect("it connects");
        match self.types.0 {
            SocketType::Pub | SocketType::XPub => {
                insist("it is subscribed to", || direct.wait_subscribed("", 1, SLICE));
            }
            SocketType::Radio => insist("it is subscribed to", || direct.wait_subscribed(GROUP, 1, SLICE)),
            _ => {}
        }
        direct.send(self.said(LAST.into(), None)).expect("it sends");
        loop {
            let mut message = insist("the direct one is heard", || self.server.recv_timeout(SLICE));
            if *message.last() == LAST {
                return;
            }
            if NAMING.contains(&self.types.1) {
                message.pop_front();
            }
            self.check(&message, true);
            if self.types.1 == SocketType::Rep {
                let _ = self.server.send("an answer to nobody");
            }
        }
    }

    /// Of one to three frames, if the type can send several, with its number in each.
    fn message(&self, number: u16, to: Option<Frame>) -> Message {
        let frame = |part: u16| Frame::from(number.to_be_bytes().repeat(1 + usize::from(part) * 100));
        let is_single = SINGLE.contains(&self.types.0);
        let parts = if is_single { vec![frame(number % 3)] } else { (0..=number % 3).map(frame).collect() };
        self.said(parts.into(), to)
    }

    fn said(&self, mut message: Message, to: Option<Frame>) -> Message {
        if self.types.0 == SocketType::Radio {
            message.push_front(GROUP);
        }
        if let Some(to) = to {
            message.push_front(to);
        }
        message
    }
}

fn server_of(context: &Context, kind: SocketType, secret: Option<&CurveSecret>) -> AnySocket {
    let builder = AnySocket::builder_of(kind).context(context).linger(Duration::ZERO);
    let builder = match secret {
        Some(secret) => builder.curve_server(true).curve_secret_key(secret.clone()),
        None => builder,
    };
    builder.build().expect("the options are good")
}

fn client_of(context: &Context, kind: SocketType, secret: Option<&CurveSecret>, again: bool) -> AnySocket {
    let builder = AnySocket::builder_of(kind).context(context).linger(Duration::ZERO);
    let builder = builder.reconnect_interval(again.then_some(INSTANT));
    let builder = match secret {
        Some(secret) => builder.curve_server_key(secret.public()).curve_secret_key(CurveSecret::new([9; 32])),
        None => builder,
    };
    builder.build().expect("the options are good")
}

/// Who connects, and who is connected to.
const PAIRS: [(SocketType, SocketType); 11] = [
    (SocketType::Push, SocketType::Pull),
    (SocketType::Dealer, SocketType::Router),
    (SocketType::Dealer, SocketType::Dealer),
    (SocketType::Pub, SocketType::Sub),
    (SocketType::Req, SocketType::Rep),
    (SocketType::XPub, SocketType::XSub),
    (SocketType::Pair, SocketType::Pair),
    (SocketType::Client, SocketType::Server),
    (SocketType::Radio, SocketType::Dish),
    (SocketType::Scatter, SocketType::Gather),
    (SocketType::Channel, SocketType::Channel),
];

/// Those that drop what nobody has subscribed to.
const PUBLISHERS: [SocketType; 3] = [SocketType::Pub, SocketType::XPub, SocketType::Radio];

/// Servers that send, and those of them that name whom they hear.
const ANSWERING: [SocketType; 6] = [
    SocketType::Router,
    SocketType::Dealer,
    SocketType::Rep,
    SocketType::Pair,
    SocketType::Server,
    SocketType::Channel,
];
const NAMING: [SocketType; 2] = [SocketType::Router, SocketType::Server];

/// Those whose messages are of one part.
const SINGLE: [SocketType; 4] = [SocketType::Client, SocketType::Radio, SocketType::Scatter, SocketType::Channel];

const GROUP: &str = "all";
const LAST: &str = "the last";
const STEPS_MAX: usize = 100;
const PIECES_MAX: usize = 50;

/// Long enough for a handshake at times.
const INSTANT: Duration = Duration::from_millis(1);
