//! ROUTER beyond the usual: plain peers, notices, names given beforehand and names in use.

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use util::{LONG, socket};
use zefiro::{AnySocket, Context, Dealer, ErrorKind, EventKind, Frame, Message, Router, SocketType, Wait};

fn address_of(endpoint: &zefiro::Endpoint) -> String {
    endpoint.to_string().trim_start_matches("tcp://").to_string()
}

#[test]
fn a_raw_router_talks_to_plain_tcp_peers() {
    let context = Context::new();
    let router = Router::builder().context(&context).router_raw(true).recv_timeout(LONG).build().unwrap();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap();
    let mut peer = TcpStream::connect(address_of(&endpoint)).unwrap();
    let came = router.recv().unwrap();
    let name = came.first().clone();
    assert_eq!((name.len(), name[0], came.last().len()), (5, 0, 0));
    peer.write_all(b"question").unwrap();
    assert_eq!(router.recv().unwrap(), Message::from(vec![name.clone(), Frame::from("question")]));
    router.send(vec![name.clone(), Frame::from("answer")]).unwrap();
    let mut answer = [0; 6];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    router.send(vec![name, Frame::new()]).unwrap();
    assert_eq!(peer.read(&mut answer).unwrap(), 0);
    let gone = TcpStream::connect(address_of(&endpoint)).unwrap();
    let name = router.recv().unwrap().first().clone();
    drop(gone);
    assert_eq!(router.recv().unwrap(), Message::from(vec![name, Frame::new()]));
}

#[test]
fn a_raw_router_connects_under_a_name_given_beforehand_and_keeps_it() {
    let context = Context::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let router = Router::builder()
        .context(&context)
        .router_raw(true)
        .recv_timeout(LONG)
        .connect_routing_id(Frame::from("server"))
        .build()
        .unwrap();
    router.connect(format!("tcp://{}", listener.local_addr().unwrap())).unwrap();
    router.send(["server", "x"]).unwrap();
    for _ in 0..2 {
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(router.recv().unwrap(), ["server", ""]);
        server.write_all(b"yes").unwrap();
        assert_eq!(router.recv().unwrap(), ["server", "yes"]);
        drop(server);
        assert_eq!(router.recv().unwrap(), ["server", ""]);
    }
}

#[test]
fn notices_tell_of_peers_that_come_and_go_over_streams() {
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let context = Context::new();
        let router = Router::builder().context(&context).router_notify(3).recv_timeout(LONG).build().unwrap();
        let endpoint = router.bind(endpoint).unwrap().to_string();
        let dealer = Dealer::builder().context(&context).routing_id("ann").build().unwrap();
        dealer.connect(&endpoint).unwrap();
        assert_eq!(router.recv().unwrap(), ["ann", ""]);
        dealer.send("hello").unwrap();
        assert_eq!(router.recv().unwrap(), ["ann", "hello"]);
        dealer.close();
        assert_eq!(router.recv().unwrap(), ["ann", ""]);
    }
}

#[test]
fn who_waits_already_is_told_of_who_comes() {
    let context = Context::new();
    // A wait without an end, which would be told of it, too.
    let router = Router::builder().context(&context).router_notify(1).build().unwrap();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let (came, told) = channel();
    let waiting = router.clone();
    thread::spawn(move || came.send(waiting.recv()));
    let dealer = Dealer::builder().context(&context).routing_id("ann").build().unwrap();
    dealer.connect(&endpoint).unwrap();
    assert_eq!(told.recv_timeout(LONG).unwrap().unwrap(), ["ann", ""]);
}

#[test]
fn a_name_given_beforehand_is_usable_at_once_and_only_for_one_connect() {
    let context = Context::new();
    let dealer: Dealer = socket(&context);
    let endpoint = dealer.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let router =
        Router::builder().context(&context).router_mandatory(true).connect_routing_id(Frame::from("bob")).build();
    let router = router.unwrap();
    router.connect(&endpoint).unwrap();
    router.send(["bob", "hi"]).unwrap();
    assert_eq!(dealer.recv().unwrap(), "hi");
    assert_eq!(router.options().connect_routing_id, None);
}

/// Which of the two would be meant by it?
#[test]
fn a_name_that_a_peer_has_is_given_to_no_other_connect() {
    for socket_type in [SocketType::Router, SocketType::Stream] {
        for endpoint in ["tcp://127.0.0.1:1", "ipc:///no/such/socket", "inproc://nobody"] {
            let context = Context::new();
            let socket = AnySocket::builder_of(socket_type).context(&context).linger(Duration::ZERO).build().unwrap();
            let connect_as = |name: &'static str, endpoint: &str| {
                socket.set_options(|options| options.connect_routing_id = Some(Frame::from(name))).unwrap();
                socket.connect(endpoint)
            };
            connect_as("bob", "tcp://127.0.0.1:2").unwrap();
            let error = connect_as("bob", endpoint).unwrap_err();
            assert_eq!((error.kind(), error.endpoint()), (ErrorKind::AddressInUse, Some(endpoint)));
            assert!(error.to_string().contains("\"bob\""), "{error}");
            // Nothing is left of it, and another name will do.
            assert_eq!(socket.disconnect(endpoint).unwrap_err().kind(), ErrorKind::UnknownEndpoint);
            connect_as("ann", endpoint).unwrap();
            socket.disconnect(endpoint).unwrap();
            // So will this one, once it is free.
            socket.disconnect("tcp://127.0.0.1:2").unwrap();
            connect_as("bob", endpoint).unwrap();
        }
    }
    let context = Context::new();
    let router: Router = socket(&context);
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap();
    let dealer = Dealer::builder().context(&context).routing_id("ann").build().unwrap();
    dealer.connect(&endpoint).unwrap();
    dealer.send("here I am").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "here I am"]);
    router.set_options(|options| options.connect_routing_id = Some(Frame::from("ann"))).unwrap();
    assert_eq!(router.connect("tcp://127.0.0.1:1").unwrap_err().kind(), ErrorKind::AddressInUse);
}

#[test]
fn a_newcomer_with_a_name_in_use_is_ignored_for_good_as_in_libzmq() {
    let context = Context::new();
    let router = Router::builder().as_libzmq().context(&context).recv_timeout(LONG).build().unwrap();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut monitor = router.monitor();
    let join = || {
        let dealer = Dealer::builder().context(&context).routing_id("ann").build().unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer
    };
    let holder = join();
    holder.send("first").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "first"]);
    let newcomer = join();
    newcomer.send("unheard").unwrap();
    while monitor.recv_timeout(LONG).unwrap().kind != EventKind::DuplicateRoutingId {}
    holder.send("second").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "second"]);
    holder.close();
    while !matches!(monitor.recv_timeout(LONG).unwrap().kind, EventKind::Disconnected(_)) {}
    newcomer.send("still unheard").unwrap();
    // Who comes after the holder has gone gets the name, and the one ignored before stays so.
    let third = join();
    third.send("third").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "third"]);
    assert!(router.try_recv().is_err());
}

/// Whoever binds: the first has the name, and the second gets it once the first has gone.
#[test]
fn a_newcomer_with_a_name_in_use_is_hung_up_on_until_the_name_is_free() {
    for (endpoint, router_binds) in
        [("tcp://127.0.0.1:*", true), ("ipc://*", true), ("tcp://127.0.0.1:*", false), ("ipc://*", false)]
    {
        let context = Context::new();
        let router =
            Router::builder().context(&context).reconnect_interval(Duration::from_millis(5)).recv_timeout(LONG);
        let router = router.build().unwrap();
        let mut at_router = router.monitor();
        let bound = router.bind(endpoint).unwrap();
        let join = || {
            let dealer = Dealer::builder().context(&context).routing_id("ann").recv_timeout(LONG);
            let dealer = dealer.reconnect_interval(Duration::from_millis(5)).build().unwrap();
            let monitor = dealer.monitor();
            let endpoint = if router_binds { bound.clone() } else { dealer.bind(endpoint).unwrap() };
            let connects = if router_binds { dealer.clone().into_any() } else { router.clone().into_any() };
            connects.connect(&endpoint).unwrap();
            (dealer, monitor, endpoint)
        };
        let (holder, _, its_endpoint) = join();
        holder.send("first").unwrap();
        assert_eq!(router.recv().unwrap(), ["ann", "first"]);
        let (newcomer, mut at_newcomer, _) = join();
        // Both ends know.
        while at_router.recv_timeout(LONG).unwrap().kind != EventKind::DuplicateRoutingId {}
        while !matches!(at_newcomer.recv_timeout(LONG).unwrap().kind, EventKind::Disconnected(_)) {}
        holder.send("second").unwrap();
        assert_eq!(router.recv().unwrap(), ["ann", "second"]);
        drop(holder);
        if !router_binds {
            // Until then the name is kept for who comes back.
            router.disconnect(its_endpoint).unwrap();
        }
        // What it says on a connection that is just being closed is lost, as on any that is lost.
        let mut told = false;
        util::until(&format!("{endpoint}, {router_binds}: the newcomer gets through"), || {
            told |= newcomer.try_send("third").is_ok();
            told && router.recv_timeout(Duration::from_millis(20)).is_ok_and(|message| message == ["ann", "third"])
        });
        util::until("it is reached", || {
            router.send(["ann", "you"]).unwrap();
            newcomer.recv_timeout(Duration::from_millis(20)).is_ok_and(|message| message == "you")
        });
    }
    let context = Context::new();
    let router: Router = socket(&context);
    router.bind("inproc://names").unwrap();
    let [holder, newcomer] = [(); 2].map(|()| {
        let dealer = Dealer::builder().context(&context).routing_id("ann").recv_timeout(LONG).build().unwrap();
        dealer.connect("inproc://names").unwrap();
        dealer
    });
    holder.send("first").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "first"]);
    util::until("it is told", || newcomer.try_send("unheard").is_err());
    assert_eq!((holder.peers().len(), newcomer.peers().len()), (1, 0));
}

/// Peers of the same name come and go at random, while the router is now in the middle of a message, now reads, now does not.
/// Whoever is left in the end is reached, and nobody's message comes under a wrong name.
#[test]
fn storms_of_peers_of_the_same_name_leave_a_way_to_the_last() {
    for handover in [false, true] {
        for endpoint in util::endpoints() {
            let mut state = 7;
            // Those that were closed may take a while to be gone.
            let context = Context::builder().max_sockets(100_000).build();
            let router = AnySocket::builder_of(SocketType::Router).context(&context).router_handover(handover);
            let router = router.recv_timeout(LONG).router_mandatory(true).linger(Duration::ZERO).build().unwrap();
            let endpoint = router.bind(&endpoint).unwrap().to_string();
            let join = |number: u64| {
                let dealer = Dealer::builder().context(&context).routing_id("ann").linger(Duration::ZERO);
                let dealer = dealer.reconnect_interval(Duration::from_millis(2)).recv_timeout(LONG).build().unwrap();
                dealer.connect(&endpoint).unwrap();
                let _ = dealer.try_send([number.to_string(), "x".repeat(number as usize % 5000)]);
                dealer
            };
            let mut there: Vec<Dealer> = Vec::new();
            for step in 0..if util::is_long() { 20_000 } else { 500 } {
                match util::random(&mut state) % 8 {
                    0..=2 => there.push(join(step)),
                    3 if !there.is_empty() => drop(there.remove(util::random(&mut state) as usize % there.len())),
                    4 => drop(router.send_part("ann", true, Wait::No)),
                    5 => {
                        drop(router.send_part("to whoever it is", util::random(&mut state).is_multiple_of(2), Wait::No))
                    }
                    6 => drop(
                        router
                            .try_recv()
                            .map(|message| assert_eq!((&message[0], message.frame_count()), (&Frame::from("ann"), 3))),
                    ),
                    _ => drop(router.recv_part(Wait::No)),
                }
                there.drain(..there.len().saturating_sub(6));
            }
            there.clear();
            let mut last = join(0);
            util::until(&format!("{endpoint}, handover {handover}: the last is reached"), || {
                // Ends a message that is half sent.
                let _ = router.send_part("over", false, Wait::No);
                while router.recv_part(Wait::No).is_ok() {}
                // Within the process nobody connects again for it.
                if endpoint.starts_with("inproc") && last.peers().is_empty() {
                    last = join(0);
                }
                let _ = router.try_send(["ann", "you"]);
                last.recv_timeout(Duration::from_millis(20)).is_ok_and(|message| message == "you")
            });
        }
    }
}

#[test]
fn a_name_handed_over_leads_to_the_newcomer() {
    let context = Context::new();
    let router = Router::builder().context(&context).router_handover(true).recv_timeout(LONG).build().unwrap();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let join = || {
        let dealer = Dealer::builder().context(&context).routing_id("ann").recv_timeout(LONG);
        let dealer = dealer.reconnect_interval(Duration::from_millis(1)).build().unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer
    };
    let holder = join();
    holder.send("first").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "first"]);
    let mut monitor = router.monitor();
    let newcomer = join();
    newcomer.send("taken over").unwrap();
    assert_eq!(router.recv().unwrap(), ["ann", "taken over"]);
    while monitor.recv_timeout(LONG).unwrap().kind != EventKind::DuplicateRoutingId {}
    holder.send("unheard").unwrap();
    // The holder does not come back for its name.
    for _ in 0..200 {
        router.send(["ann", "you?"]).unwrap();
        assert_eq!(newcomer.recv().unwrap(), "you?");
        newcomer.send("me").unwrap();
        assert_eq!(router.recv().unwrap(), ["ann", "me"]);
    }
    assert!(holder.try_recv().is_err());
}
