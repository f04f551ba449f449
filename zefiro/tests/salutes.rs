//! Messages that connections themselves give rise to: hello, farewell, hiccup.

mod util;

use std::time::Duration;

use util::{LONG, bind_again, endpoints, socket};
use zefiro::{Context, Dealer, Frame, Router};

#[test]
fn the_first_message_to_a_new_peer_is_the_hello() {
    for endpoint in endpoints() {
        let context = Context::new();
        let router = Router::builder().context(&context).hello_message(Frame::from("welcome")).recv_timeout(LONG);
        let router = router.build().unwrap();
        let endpoint = router.bind(&endpoint).unwrap().to_string();
        let dealer = Dealer::builder().context(&context).hello_message(Frame::from("hello")).recv_timeout(LONG);
        let dealer = dealer.routing_id("ann").build().unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer.send("first of my own").unwrap();
        assert_eq!(router.recv().unwrap(), ["ann", "hello"], "{endpoint}");
        assert_eq!(router.recv().unwrap(), ["ann", "first of my own"], "{endpoint}");
        assert_eq!(dealer.recv().unwrap(), "welcome", "{endpoint}");
        assert_eq!((dealer.counters().sent, router.counters().received), (2, 2), "{endpoint}");
    }
}

#[test]
fn a_peer_that_came_leaves_the_farewell_behind_what_it_sent() {
    for endpoint in endpoints() {
        let context = Context::new();
        let router = Router::builder().context(&context).disconnect_message(Frame::from("gone")).recv_timeout(LONG);
        let router = router.build().unwrap();
        let endpoint = router.bind(&endpoint).unwrap().to_string();
        let dealer = Dealer::builder().context(&context).routing_id("ann").build().unwrap();
        dealer.connect(&endpoint).unwrap();
        dealer.send("last words").unwrap();
        // Over a stream the words must have come before the end is seen.
        assert_eq!(router.recv().unwrap(), ["ann", "last words"], "{endpoint}");
        dealer.close();
        assert_eq!(router.recv().unwrap(), ["ann", "gone"], "{endpoint}");
    }
}

#[test]
fn a_lost_connection_is_a_hiccup_and_a_new_one_begins_with_the_hello() {
    let context = Context::new();
    let endpoint = format!("tcp://{}", util::free_address());
    let dealer = Dealer::builder()
        .context(&context)
        .routing_id("ann")
        .hello_message(Frame::from("hello"))
        .hiccup_message(Frame::from("hiccup"))
        .reconnect_interval(Duration::from_millis(5))
        .recv_timeout(LONG)
        .build()
        .unwrap();
    dealer.connect(&endpoint).unwrap();
    for _ in 0..2 {
        let router: Router = socket(&context);
        bind_again(|| router.bind(&endpoint).map(drop));
        assert_eq!(router.recv().unwrap(), ["ann", "hello"]);
        router.close();
        assert_eq!(dealer.recv().unwrap(), "hiccup");
    }
}
