//! A SERVER answers its clients by their numbers, in any order and as often as it likes.
//!
//! Run it with `cargo run -p zefiro --example server_client`; it ends by itself.

use zefiro::{Client, Message, Server};

fn main() -> zefiro::Result<()> {
    let server = Server::new();
    let endpoint = server.bind("tcp://127.0.0.1:*")?;

    let client = Client::new();
    client.connect(endpoint)?;
    client.send("what time is it?")?;

    let question = server.recv()?;
    let Some(number) = question.peer_number() else { return Ok(()) };
    for answer in ["one moment", "noon"] {
        server.send(Message::for_peer(number, answer))?;
    }
    for _ in 0..2 {
        println!("{}", client.recv()?.as_str().unwrap_or("?"));
    }
    Ok(())
}
