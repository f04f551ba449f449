//! PUB and SUB: a publisher of weather reports, and a subscriber to those of one town.
//!
//! Run it with `cargo run -p zefiro --example publish_subscribe`; it ends by itself.

use std::error::Error;
use std::time::Duration;

use zefiro::{Pub, Sub};

const TOWNS: [&str; 3] = ["Genova", "Trieste", "Napoli"];

fn main() -> Result<(), Box<dyn Error>> {
    let publisher = Pub::new();
    let endpoint = publisher.bind("tcp://127.0.0.1:*")?;

    let subscriber = Sub::new();
    subscriber.connect(endpoint)?;
    // The topic is the beginning of the message's first frame.
    subscriber.subscribe("Trieste")?;

    // What is published before the subscription has arrived is missed, so wait for it.
    publisher.wait_subscribed("Trieste", 1, Duration::from_secs(5))?;
    for knots in 0..30 {
        for town in TOWNS {
            publisher.send([town.to_string(), format!("{knots} knots")])?;
        }
    }

    // Only the reports of one town come.
    for _ in 0..30 {
        let report = subscriber.recv()?;
        println!("{}: {}", report.first().as_str()?, report.last().as_str()?);
    }
    Ok(())
}
