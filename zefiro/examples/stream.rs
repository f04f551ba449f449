//! STREAM: a small web server over plain TCP, and a client that is no ZeroMQ socket at all.
//!
//! Every message has two frames: the name of a connection, and bytes. An empty second frame tells that the connection
//! has opened or closed; to send one closes it.
//!
//! Run it with `cargo run -p zefiro --example stream`; it ends by itself.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use zefiro::Stream;

const ANSWER: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nCiao!\n";

fn main() -> Result<(), Box<dyn Error>> {
    let server = Stream::new();
    let endpoint = server.bind("tcp://127.0.0.1:*")?.to_string();
    let serving = thread::spawn(move || {
        for message in server.incoming() {
            let message = message?;
            let (connection, bytes) = (message.first().clone(), message.last());
            // This takes the request for whole; a real server would gather its pieces up to the empty line.
            if !bytes.is_empty() {
                server.send([connection.clone(), ANSWER.into()])?;
                server.send([connection, "".into()])?;
                break;
            }
        }
        Ok::<_, zefiro::Error>(())
    });

    let mut client = TcpStream::connect(endpoint.trim_start_matches("tcp://"))?;
    client.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    client.read_to_string(&mut page)?;
    println!("{page}");
    serving.join().expect("the server does not panic")?;
    Ok(())
}
