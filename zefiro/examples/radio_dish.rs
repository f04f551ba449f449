//! Groups: a RADIO sends to those who joined the group, exactly, over udp as well as over tcp.
//!
//! Run it with `cargo run -p zefiro --example radio_dish`; it ends by itself.

use std::time::Duration;

use zefiro::{Dish, Message, Radio};

fn main() -> zefiro::Result<()> {
    let radio = Radio::new();
    let endpoint = radio.bind("tcp://127.0.0.1:*")?;

    let dish = Dish::new();
    dish.join("weather")?;
    dish.connect(endpoint)?;
    radio.wait_subscribed("weather", 1, Duration::from_secs(5))?;

    radio.send(Message::for_group("sport", "nobody has joined this"))?;
    radio.send(Message::for_group("weather", "21 °C"))?;
    let message = dish.recv()?;
    println!("{}: {}", message[0].as_str().unwrap_or("?"), message[1].as_str().unwrap_or("?"));
    Ok(())
}
