//! A server that answers every request on port 5555 with "World": the README's ten lines.
//!
//! Run it with `cargo run -p zefiro --example rep_server`, then any ZeroMQ client that sends requests to
//! `tcp://localhost:5555`, such as `interop/python/client.py`. It serves until it is interrupted.

fn main() -> zefiro::Result<()> {
    let rep = zefiro::Rep::new();
    rep.bind("tcp://*:5555")?;
    for request in rep.incoming() {
        println!("Received {:?}", request?);
        rep.send("World")?;
    }
    Ok(())
}
