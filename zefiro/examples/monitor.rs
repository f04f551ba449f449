//! A monitor: what happens to a socket's connections, who its peers are, and what they did.
//!
//! Run it with `cargo run -p zefiro --example monitor`; it ends by itself.

use std::error::Error;
use std::thread;
use std::time::Duration;

use zefiro::{Pull, Push};

fn main() -> Result<(), Box<dyn Error>> {
    let pull = Pull::new();
    let monitor = pull.monitor();
    // A monitor is an iterator that ends when its socket is closed.
    let watching = thread::spawn(move || {
        for event in monitor {
            println!("{event}");
        }
    });

    let endpoint = pull.bind("tcp://127.0.0.1:*")?.to_string();
    let push = Push::new();
    push.connect(&endpoint)?;
    for number in 0..3 {
        push.send(format!("message {number}"))?;
        pull.recv()?;
    }
    for peer in pull.peers() {
        let (socket_type, address) =
            (peer.socket_type.map_or("?", |kind| kind.name()), peer.address.unwrap_or_default());
        println!("a {socket_type} at {address}: {} messages received", peer.counters.received);
    }
    // The peer goes, which is an event of its own.
    let _ = push.close_within(Duration::from_secs(5));
    thread::sleep(Duration::from_millis(100));
    pull.close();
    watching.join().expect("the monitor does not panic");
    Ok(())
}
