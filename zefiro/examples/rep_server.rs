//! A server that answers every request on port 5555 with "World": the README's ten lines.
//!
//! Run it with `cargo run --example rep_server`, then any ZeroMQ client that sends requests to
//! `tcp://localhost:5555`. It serves until it is interrupted.

use zefiro::Rep;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let socket = Rep::new();
    socket.bind("tcp://*:5555")?;
    for request in socket.incoming() {
        println!("Received {:?}", request.as_str().unwrap_or("bytes"));
        socket.send("World")?;
    }
    Ok(())
}
