//! XPUB and XSUB: a proxy where publishers and subscribers meet, neither knowing the other.
//!
//! Subscriptions travel through the proxy to the publishers, so that only what somebody wants is sent.
//!
//! Run it with `cargo run -p zefiro --example xpub_xsub_proxy`; it ends by itself.

use std::error::Error;
use std::thread;
use std::time::Duration;

use zefiro::{Pub, Sub, XPub, XSub, proxy};

fn main() -> Result<(), Box<dyn Error>> {
    let (publishers, subscribers) = (XSub::new(), XPub::new());
    let for_publishers = publishers.bind("tcp://127.0.0.1:*")?.to_string();
    let for_subscribers = subscribers.bind("tcp://127.0.0.1:*")?.to_string();
    let running = {
        let (publishers, subscribers) = (publishers.clone(), subscribers.clone());
        // Returns when one of its sockets is closed.
        thread::spawn(move || proxy(&publishers, &subscribers))
    };

    let subscriber = Sub::new();
    subscriber.connect(&for_subscribers)?;
    subscriber.subscribe("even")?;

    let publisher = Pub::new();
    publisher.connect(&for_publishers)?;
    publisher.wait_subscribed("even", 1, Duration::from_secs(5))?;
    for number in 0..20 {
        let topic = if number % 2 == 0 { "even" } else { "odd" };
        publisher.send([topic.to_string(), number.to_string()])?;
    }
    for _ in 0..10 {
        let message = subscriber.recv()?;
        println!("{} {}", message[0].as_str()?, message[1].as_str()?);
    }

    publishers.close();
    subscribers.close();
    // However the proxy ended, it has nothing left to carry.
    let _ = running.join();
    Ok(())
}
