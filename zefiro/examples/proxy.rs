//! XSUB and XPUB with a proxy between: publishers and subscribers that know only the broker.
//!
//!     cargo run -p zefiro --example proxy

use std::thread;
use std::time::Duration;

use zefiro::{Pub, Sub, XPub, XSub};

fn main() -> zefiro::Result<()> {
    let (xsub, xpub) = (XSub::new(), XPub::new());
    let for_publishers = xsub.bind("tcp://127.0.0.1:*")?.to_string();
    let for_subscribers = xpub.bind("tcp://127.0.0.1:*")?.to_string();
    thread::spawn(move || zefiro::proxy(&xsub, &xpub));

    let sub = Sub::new();
    sub.connect(&for_subscribers)?;
    sub.subscribe("news")?;
    let publisher = Pub::new();
    publisher.connect(&for_publishers)?;
    publisher.wait_subscribed("news", 1, Duration::from_secs(5))?;
    publisher.send("news: the proxy works")?;
    println!("{}", sub.recv()?.as_str().unwrap_or_default());
    Ok(())
}
